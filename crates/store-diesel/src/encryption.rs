#[cfg(feature = "postgres")]
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{EncryptedString, KeyId};
use keyward_encryption::{
    EncryptionKeys, KeyRecord, KeyState, NodeRecord, RotationRecord, RotationState, SealedColumn,
};

use crate::connection::{AnyConnection, each};
use crate::failure::failed;
use crate::inspect::inspect;
use crate::schema::{encryption_rotation, key_checks, serving_nodes};
use crate::sealed::count;
use crate::{DieselStore, DieselTx, stored};

impl EncryptionKeys for DieselTx {
    fn encryption_keys(&mut self) -> Result<Vec<KeyRecord>, StoreError> {
        read(self.run(load)?)
    }

    fn lock_encryption_keys(&mut self) -> Result<Vec<KeyRecord>, StoreError> {
        self.run(hold_others_back)?;
        self.encryption_keys()
    }

    fn add_encryption_key(&mut self, key: &KeyRecord) -> Result<bool, StoreError> {
        let row = (
            key_checks::kid.eq(key.kid.as_str()),
            key_checks::sealed.eq(&key.sealed),
            key_checks::created_at.eq(key.created_at.0),
            key_checks::state.eq(key.state.as_str()),
        );
        let kept = self.run(|connection| {
            each!(connection, inner => diesel::insert_into(key_checks::table)
                .values(row)
                .on_conflict_do_nothing()
                .execute(inner))
        })?;
        Ok(kept == 1)
    }

    fn set_key_state(&mut self, kid: &KeyId, state: KeyState) -> Result<(), StoreError> {
        self.run(|connection| {
            diesel::update(key_checks::table.find(kid.as_str()))
                .set(key_checks::state.eq(state.as_str()))
                .execute(connection)
        })
        .map(drop)
    }

    fn rotation(&mut self) -> Result<RotationRecord, StoreError> {
        let (state, total, started_at): (String, i64, Option<i64>) = self.run(|connection| {
            encryption_rotation::table
                .find(1)
                .select((
                    encryption_rotation::state,
                    encryption_rotation::total,
                    encryption_rotation::started_at,
                ))
                .get_result(connection)
        })?;
        Ok(RotationRecord {
            state: stored::known(RotationState::parse(&state), "encryption_rotation.state")?,
            total: u64::try_from(total).unwrap_or(0),
            started_at: started_at.map(Timestamp),
        })
    }

    fn set_rotation(&mut self, rotation: &RotationRecord) -> Result<(), StoreError> {
        let total = i64::try_from(rotation.total).unwrap_or(i64::MAX);
        self.run(|connection| {
            diesel::update(encryption_rotation::table.find(1))
                .set((
                    encryption_rotation::state.eq(rotation.state.as_str()),
                    encryption_rotation::total.eq(total),
                    encryption_rotation::started_at.eq(rotation.started_at.map(|at| at.0)),
                    encryption_rotation::worker.eq(""),
                    encryption_rotation::lease_until.eq(0),
                ))
                .execute(connection)
        })
        .map(drop)
    }

    fn claim_rotation(
        &mut self,
        worker: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let is_free = encryption_rotation::worker
            .eq(worker)
            .or(encryption_rotation::lease_until.le(now.0));
        let claimed = self.run(|connection| {
            each!(connection, inner => diesel::update(encryption_rotation::table)
                .filter(encryption_rotation::state.eq(RotationState::Running.as_str()))
                .filter(is_free)
                .set((
                    encryption_rotation::worker.eq(worker),
                    encryption_rotation::lease_until.eq(until.0),
                ))
                .execute(inner))
        })?;
        Ok(claimed == 1)
    }

    fn note_node(&mut self, node: &NodeRecord) -> Result<(), StoreError> {
        let keys: Vec<_> = node.keys.iter().map(KeyId::as_str).collect();
        let keys = keys.join(" ");
        let row = (
            serving_nodes::id.eq(&node.id),
            serving_nodes::held_keys.eq(&keys),
            serving_nodes::signs_with.eq(node.signs_with.as_str()),
            serving_nodes::seen_at.eq(node.seen_at.0),
        );
        self.run(|connection| {
            each!(connection, inner => diesel::insert_into(serving_nodes::table)
                .values(row)
                .on_conflict(serving_nodes::id)
                .do_update()
                .set((
                    serving_nodes::held_keys.eq(&keys),
                    serving_nodes::signs_with.eq(node.signs_with.as_str()),
                    serving_nodes::seen_at.eq(node.seen_at.0),
                ))
                .execute(inner))
        })
        .map(drop)
    }

    fn forget_nodes(&mut self, id: &str, before: Timestamp) -> Result<(), StoreError> {
        let gone = serving_nodes::id
            .eq(id)
            .or(serving_nodes::seen_at.lt(before.0));
        self.run(|connection| {
            each!(connection, inner => diesel::delete(serving_nodes::table.filter(gone))
                .execute(inner))
        })
        .map(drop)
    }

    fn nodes_since(&mut self, since: Timestamp) -> Result<Vec<NodeRecord>, StoreError> {
        let rows: Vec<(String, String, String, i64)> = self.run(|connection| {
            serving_nodes::table
                .filter(serving_nodes::seen_at.ge(since.0))
                .order(serving_nodes::id)
                .load(connection)
        })?;
        rows.into_iter()
            .map(|(id, keys, signs_with, seen_at)| {
                let signs_with = KeyId::parse(&signs_with);
                Ok(NodeRecord {
                    id,
                    keys: keys.split(' ').filter_map(KeyId::parse).collect(),
                    signs_with: stored::known(signs_with, "serving_nodes.signs_with")?,
                    seen_at: Timestamp(seen_at),
                })
            })
            .collect()
    }
}

impl DieselStore {
    /// The keys of a database that may be of an older schema, empty, or not there at all.
    ///
    /// Changes nothing, so that a server with a wrong key can refuse to start and leave the
    /// database, byte by byte, as it was.
    pub fn encryption_keys_before_migration(&self) -> Result<Vec<KeyRecord>, StoreError> {
        inspect(self.url(), |connection| {
            if connection
                .has_table("encryption_rotation")
                .map_err(failed)?
            {
                read(load(connection).map_err(failed)?)
            } else if connection.has_table("key_checks").map_err(failed)? {
                read(load_without_states(connection).map_err(failed)?)
            } else {
                Ok(Vec::new())
            }
        })
    }

    /// How many values are sealed under these keys, of a database that may be of an older schema.
    /// Changes nothing.
    pub fn values_under_before_migration(&self, kids: &[KeyId]) -> Result<u64, StoreError> {
        inspect(self.url(), |connection| {
            let mut sum: u64 = 0;
            let has_audit_keys = connection
                .has_table("encryption_rotation")
                .map_err(failed)?;
            for column in SealedColumn::ALL {
                if column == SealedColumn::AuditKey && !has_audit_keys {
                    continue;
                }
                if connection.has_table(column.table()).map_err(failed)? {
                    let counted = count(connection, column).map_err(failed)?;
                    let under = counted
                        .into_iter()
                        .filter(|(kid, _)| kid.is_some_and(|kid| kids.contains(&kid)));
                    sum = sum.saturating_add(under.map(|(_, rows)| rows).sum());
                }
            }
            Ok(sum)
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

type Row = (String, EncryptedString, i64, String);

fn load(connection: &mut AnyConnection) -> QueryResult<Vec<Row>> {
    key_checks::table
        .order(key_checks::kid)
        .select((
            key_checks::kid,
            key_checks::sealed,
            key_checks::created_at,
            key_checks::state,
        ))
        .load(connection)
}

/// Every key of a schema without states may be needed.
fn load_without_states(connection: &mut AnyConnection) -> QueryResult<Vec<Row>> {
    let rows: Vec<(String, EncryptedString, i64)> = key_checks::table
        .order(key_checks::kid)
        .select((key_checks::kid, key_checks::sealed, key_checks::created_at))
        .load(connection)?;
    let needed = KeyState::DecryptOnly.as_str();
    let rows = rows.into_iter();
    Ok(rows
        .map(|(kid, sealed, at)| (kid, sealed, at, needed.to_owned()))
        .collect())
}

fn read(rows: Vec<Row>) -> Result<Vec<KeyRecord>, StoreError> {
    rows.into_iter()
        .map(|(kid, sealed, created_at, state)| {
            Ok(KeyRecord {
                kid: stored::known(KeyId::parse(&kid), "key_checks.kid")?,
                state: stored::known(KeyState::parse(&state), "key_checks.state")?,
                sealed,
                created_at: Timestamp(created_at),
            })
        })
        .collect()
}
