use diesel::prelude::*;
use keyward_auth::{Answer, IdempotencyKey, IdempotencyKeys, StoredAnswer, UserId};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::Mac;

use crate::connection::each;
use crate::schema::idempotency_keys;
use crate::{DieselTx, stored};

impl IdempotencyKeys for DieselTx {
    fn claim_answer(&mut self, claim: &StoredAnswer) -> Result<bool, StoreError> {
        let row = (
            idempotency_keys::user_id.eq(claim.user.to_string()),
            idempotency_keys::key.eq(claim.key.as_str()),
            idempotency_keys::fingerprint.eq(claim.fingerprint.as_stored()),
            idempotency_keys::answer.eq(&claim.answer.0),
            idempotency_keys::created_at.eq(claim.created_at.0),
        );
        let kept = self.run(|connection| {
            each!(connection, inner => diesel::insert_into(idempotency_keys::table)
                .values(row)
                .on_conflict_do_nothing()
                .execute(inner))
        })?;
        Ok(kept == 1)
    }

    fn keep_answer(
        &mut self,
        user: UserId,
        key: &IdempotencyKey,
        answer: &Answer,
    ) -> Result<(), StoreError> {
        self.run(|connection| {
            diesel::update(idempotency_keys::table.find((user.to_string(), key.as_str())))
                .set(idempotency_keys::answer.eq(&answer.0))
                .execute(connection)
        })?;
        Ok(())
    }

    fn stored_answer(
        &mut self,
        user: UserId,
        key: &IdempotencyKey,
    ) -> Result<Option<StoredAnswer>, StoreError> {
        let row: Option<(String, String, i64)> = self.run(|connection| {
            idempotency_keys::table
                .find((user.to_string(), key.as_str()))
                .select((
                    idempotency_keys::fingerprint,
                    idempotency_keys::answer,
                    idempotency_keys::created_at,
                ))
                .get_result(connection)
                .optional()
        })?;
        row.map(|(fingerprint, answer, created_at)| {
            Ok(StoredAnswer {
                user,
                key: key.clone(),
                fingerprint: stored::known(
                    Mac::from_stored(&fingerprint),
                    "idempotency_keys.fingerprint",
                )?,
                answer: Answer(answer),
                created_at: Timestamp(created_at),
            })
        })
        .transpose()
    }

    fn forget_answers(&mut self, before: Timestamp) -> Result<(), StoreError> {
        self.run(|connection| {
            diesel::delete(idempotency_keys::table)
                .filter(idempotency_keys::created_at.lt(before.0))
                .execute(connection)
        })?;
        Ok(())
    }
}
