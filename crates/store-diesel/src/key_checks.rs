#[cfg(feature = "postgres")]
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{EncryptedString, KeyId};

use crate::connection::{AnyConnection, each};
use crate::failure::failed;
use crate::inspect::inspect;
use crate::schema::key_checks;
use crate::{DieselStore, DieselTx, stored};

/// A known text under each encryption key that was ever used, inside a unit of work. By it a wrong
/// `FIELD_ENCRYPTION_KEY` is noticed before anything is written with it.
pub trait KeyChecks {
    /// All checks, in the order of key ids.
    fn key_checks(&mut self) -> Result<Vec<(KeyId, EncryptedString)>, StoreError>;

    /// [`key_checks`](Self::key_checks), and nobody else can add one until the unit of work ends.
    ///
    /// Who decides by what is there, and then adds, must use this one: of two first starts with
    /// different keys, the second has to see what the first has kept.
    fn lock_key_checks(&mut self) -> Result<Vec<(KeyId, EncryptedString)>, StoreError>;

    /// Keeps the check of a key, unless there is one, and says whether it was kept.
    fn add_key_check(
        &mut self,
        key: &KeyId,
        sealed: &EncryptedString,
        at: Timestamp,
    ) -> Result<bool, StoreError>;
}

impl KeyChecks for DieselTx {
    fn key_checks(&mut self) -> Result<Vec<(KeyId, EncryptedString)>, StoreError> {
        read(self.run(load)?)
    }

    fn lock_key_checks(&mut self) -> Result<Vec<(KeyId, EncryptedString)>, StoreError> {
        self.run(hold_others_back)?;
        self.key_checks()
    }

    fn add_key_check(
        &mut self,
        key: &KeyId,
        sealed: &EncryptedString,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let row = (
            key_checks::kid.eq(key.as_str()),
            key_checks::sealed.eq(sealed),
            key_checks::created_at.eq(at.0),
        );
        let kept = self.run(|connection| {
            each!(connection, inner => diesel::insert_into(key_checks::table)
                .values(row)
                .on_conflict_do_nothing()
                .execute(inner))
        })?;
        Ok(kept == 1)
    }
}

impl DieselStore {
    /// The checks of a database that may be of an older schema, empty, or not there at all.
    ///
    /// Changes nothing, so that a server with a wrong key can refuse to start and leave the
    /// database, byte by byte, as it was.
    pub fn key_checks_before_migration(&self) -> Result<Vec<(KeyId, EncryptedString)>, StoreError> {
        inspect(self.url(), |connection| {
            if connection.has_table("key_checks").map_err(failed)? {
                read(load(connection).map_err(failed)?)
            } else {
                Ok(Vec::new())
            }
        })
    }
}

fn hold_others_back(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        // The transaction began by locking the database.
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => Ok(()),
        // Keeps writers and other holders of this lock out, and lets readers in.
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(inner) => {
            inner.batch_execute("LOCK TABLE key_checks IN SHARE ROW EXCLUSIVE MODE")
        }
    }
}

fn load(connection: &mut AnyConnection) -> QueryResult<Vec<(String, EncryptedString)>> {
    key_checks::table
        .order(key_checks::kid)
        .select((key_checks::kid, key_checks::sealed))
        .load(connection)
}

fn read(rows: Vec<(String, EncryptedString)>) -> Result<Vec<(KeyId, EncryptedString)>, StoreError> {
    rows.into_iter()
        .map(|(kid, sealed)| Ok((stored::known(KeyId::parse(&kid), "key_checks.kid")?, sealed)))
        .collect()
}
