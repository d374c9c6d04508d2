use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use keyward_auth::{ProofUse, Purpose, UsedProofs};
use keyward_core::StoreError;
use keyward_crypto::TotpStep;

use crate::DieselTx;
use crate::connection::each;
use crate::schema::used_proofs;

impl UsedProofs for DieselTx {
    fn use_proof(&mut self, proof: &ProofUse, step: TotpStep) -> Result<bool, StoreError> {
        let verifier = proof.verifier.map(|id| id.to_string()).unwrap_or_default();
        let purpose = proof.purpose.as_ref().map_or("", Purpose::as_str);
        let written = self.run(|connection| {
            each!(connection, inner => diesel::sql_query(USE)
                .bind::<Text, _>(proof.prover.to_string())
                .bind::<Text, _>(verifier)
                .bind::<Text, _>(purpose)
                .bind::<BigInt, _>(step.number())
                .execute(inner))
        })?;
        Ok(written == 1)
    }

    fn forget_proofs(&mut self, before: TotpStep) -> Result<(), StoreError> {
        let old = used_proofs::prover
            .ne("")
            .and(used_proofs::step.lt(before.number()));
        self.run(|connection| {
            let latest: Option<i64> = used_proofs::table
                .filter(old)
                .select(diesel::dsl::max(used_proofs::step))
                .get_result(connection)?;
            let Some(latest) = latest else { return Ok(()) };
            each!(connection, inner => {
                diesel::sql_query(RAISE_FLOOR)
                    .bind::<BigInt, _>(latest.saturating_add(1))
                    .execute(inner)?;
                let forgotten = used_proofs::prover.ne("").and(used_proofs::step.le(latest));
                diesel::delete(used_proofs::table.filter(forgotten)).execute(inner)
            })
            .map(drop)
        })
    }
}

/// Not when the floor is above the step, and over a lower step only.
const USE: &str = "INSERT INTO used_proofs (prover, verifier, purpose, step) \
     SELECT $1, $2, $3, $4 \
     WHERE NOT EXISTS (SELECT 1 FROM used_proofs WHERE prover = '' AND step > $4) \
     ON CONFLICT (prover, verifier, purpose) DO UPDATE SET step = excluded.step \
     WHERE used_proofs.step < excluded.step";

/// No step before this one is accepted.
pub(crate) const RAISE_FLOOR: &str = "INSERT INTO used_proofs (prover, verifier, purpose, step) \
     VALUES ('', '', '', $1) \
     ON CONFLICT (prover, verifier, purpose) DO UPDATE SET step = excluded.step \
     WHERE used_proofs.step < excluded.step";
