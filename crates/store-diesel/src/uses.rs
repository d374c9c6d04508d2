use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use keyward_auth::UserId;
use keyward_core::{StoreError, Timestamp};
use keyward_credentials::{CredentialId, UseCounts};

use crate::DieselTx;
use crate::connection::each;

impl UseCounts for DieselTx {
    fn count_use(
        &mut self,
        credential: CredentialId,
        user: UserId,
        minute: Timestamp,
        limit: u32,
    ) -> Result<bool, StoreError> {
        if limit == 0 {
            return Ok(false);
        }
        let counted = self.run(|connection| {
            each!(connection, inner => diesel::sql_query(COUNT)
                .bind::<Text, _>(credential.to_string())
                .bind::<Text, _>(user.to_string())
                .bind::<BigInt, _>(minute.0)
                .bind::<BigInt, _>(i64::from(limit))
                .execute(inner))
        })?;
        Ok(counted == 1)
    }
}

/// Within the minute that is counted up to the limit; in a later one, or in one that is so much
/// earlier that the clock was wrong, from one.
const COUNT: &str = "INSERT INTO credential_uses (credential_id, user_id, minute, uses) \
     VALUES ($1, $2, $3, 1) \
     ON CONFLICT (credential_id, user_id) DO UPDATE SET \
         uses = CASE WHEN excluded.minute > credential_uses.minute \
                       OR excluded.minute < credential_uses.minute - 120 \
                     THEN 1 ELSE credential_uses.uses + 1 END, \
         minute = CASE WHEN excluded.minute > credential_uses.minute \
                         OR excluded.minute < credential_uses.minute - 120 \
                       THEN excluded.minute ELSE credential_uses.minute END \
     WHERE excluded.minute > credential_uses.minute \
        OR excluded.minute < credential_uses.minute - 120 \
        OR credential_uses.uses < $4";
