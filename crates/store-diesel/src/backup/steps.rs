use diesel::prelude::*;
use diesel::sql_types::BigInt;
use keyward_auth::attempt_time;
use keyward_backup::CodeSteps;
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::TotpStep;

use super::catalog;
use crate::DieselTx;
use crate::connection::each;
use crate::proofs::RAISE_FLOOR;

impl CodeSteps for DieselTx {
    fn use_up_to(&mut self, step: TotpStep, now: Timestamp) -> Result<u64, StoreError> {
        let step = step.number();
        let secrets = self.run(|connection| {
            each!(&mut *connection, inner => {
                diesel::sql_query(INTRODUCE)
                    .bind::<BigInt, _>(attempt_time(now))
                    .execute(inner)?;
                diesel::sql_query(RAISE).bind::<BigInt, _>(step).execute(inner)?;
                diesel::sql_query(RAISE_FLOOR)
                    .bind::<BigInt, _>(step.saturating_add(1))
                    .execute(inner)?;
            });
            catalog::count(connection, "totp_secrets")
        })?;
        Ok(u64::try_from(secrets).unwrap_or(0))
    }
}

/// For apps of which no code was ever tried.
const INTRODUCE: &str = "INSERT INTO attempts (subject, account, fails, window_start, \
     window_count, locked_until, disabled_at, last_step, touched_at) \
     SELECT 'totp:' || user_id, user_id, 0, 0, 0, 0, NULL, 0, $1 FROM totp_secrets \
     WHERE NOT EXISTS (SELECT 1 FROM attempts WHERE subject = 'totp:' || totp_secrets.user_id)";

const RAISE: &str = "UPDATE attempts SET last_step = $1 \
     WHERE subject LIKE 'totp:%' AND last_step < $1";
