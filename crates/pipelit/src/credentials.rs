use std::collections::BTreeMap;

use keyward_audit::{Action, Subject};
use keyward_core::{LegacyId, Store, StoreError};
use keyward_credentials::{
    Credentials as _, Legacy, NewCredential, Provenance, StoredCredential, seal_credential,
};

use crate::details::{DetailRow, Fields, by_credential};
use crate::pass::{Outcome, Pass, Stop, is_same_time};
use crate::report::CREDENTIALS;
use crate::{CredentialRow, ImportTx, Reason, names};

impl<S: Store<Tx: ImportTx>> Pass<'_, S> {
    /// Credentials, each with the row of its type.
    pub(crate) fn credentials(&mut self, tx: &mut S::Tx) -> Result<(), StoreError> {
        let rows = self.rows;
        let details = by_credential(rows);
        for row in &rows.credentials {
            let outcome = self.credential(tx, row, &details);
            self.judge(CREDENTIALS, row.id, outcome)?;
        }
        Ok(())
    }

    fn credential(
        &self,
        tx: &mut S::Tx,
        row: &CredentialRow,
        details: &BTreeMap<i64, DetailRow<'_>>,
    ) -> Result<Outcome, Stop> {
        let legacy = Legacy::Credential(LegacyId(row.id));
        if let Some(stored) = tx.credential_by_legacy(legacy)? {
            let made = stored.credential.unverified().created_at;
            return if is_same_time(row.created_at.as_deref(), made) {
                Ok(Outcome::AlreadyThere)
            } else {
                Err(Reason::AnotherSource.into())
            };
        }
        let owner = self.owner(row.user_id)?;
        let mut fields = Fields::new(self.fernet);
        let detail = details.get(&row.id).ok_or(Reason::NoDetail)?;
        let credential_type = fields.read(*detail)?;
        let mut repairs = fields.repairs;
        let otherwise = format!("credential {}", row.id);
        let name = names::credential(row.name.as_deref(), &otherwise, &mut repairs);
        let created_at = self.time(row.created_at.as_deref(), "created_at", &mut repairs);
        let updated_at = row.updated_at.as_deref().and_then(crate::when::when);
        let new = NewCredential {
            name,
            credential_type,
            detail: fields.detail,
            broker: None,
        };
        let from = Provenance {
            created_by: owner.user.id,
            created_at,
            updated_at: updated_at.unwrap_or(created_at),
            legacy: Some(legacy),
        };
        self.keep(tx, new, from, row.id)?;
        Ok(Outcome::Imported(repairs))
    }

    /// Checks and seals a credential as one that is typed in, and keeps it.
    pub(crate) fn keep(
        &self,
        tx: &mut S::Tx,
        new: NewCredential,
        from: Provenance,
        legacy_id: i64,
    ) -> Result<(), Stop> {
        let (keys, macs) = (&self.environment.fields, &self.environment.macs);
        let sealed = seal_credential(new, from, keys, macs, self.now);
        let sealed: StoredCredential = sealed.map_err(Reason::from)?;
        tx.add_credential(&sealed)?;
        let credential = sealed.credential.unverified();
        let paths: Vec<_> = sealed
            .secrets
            .iter()
            .map(|field| field.path.as_str())
            .collect();
        let details = [
            ("type", credential.credential_type.as_str().to_owned()),
            ("creator", credential.created_by.to_string()),
            ("secrets", paths.join(" ")),
        ];
        let subject = Subject::new("credential", credential.id);
        Ok(self.record(tx, CREDENTIAL_IMPORT, subject, legacy_id, details)?)
    }
}

const CREDENTIAL_IMPORT: Action = Action("credential.import");
