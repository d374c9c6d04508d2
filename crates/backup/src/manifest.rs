use std::collections::BTreeMap;

use keyward_core::Timestamp;
use keyward_encryption::KeyRecord;
use serde::{Deserialize, Serialize};

use crate::Contents;

/// The first line of a backup: what it holds, and what it takes to use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format, [`Manifest::FORMAT`].
    pub format: u32,
    /// The version of Keyward that has made it.
    pub keyward: String,
    /// When the snapshot was taken.
    pub created_at: Timestamp,
    /// The kind of database it is from.
    pub database: String,
    /// The schema: every migration that the database has seen, in order.
    pub migrations: Vec<String>,
    /// How many rows each table has.
    pub rows: BTreeMap<String, u64>,
    /// The encryption keys of the database and their states.
    pub field_keys: Vec<FieldKeyEntry>,
    /// The ids of every `SECRET_KEY` that is needed.
    pub secret_keys: Vec<String>,
    /// The end of the audit log, as `keyward audit anchor` prints it.
    pub audit_anchor: Option<String>,
}

/// An encryption key by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldKeyEntry {
    /// Its id.
    pub kid: String,
    /// Where it stands in its life.
    pub state: String,
}

impl Manifest {
    /// What this version writes and reads.
    pub const FORMAT: u32 = 1;

    pub(crate) fn new(
        contents: &Contents,
        keys: &[KeyRecord],
        audit_anchor: Option<String>,
        created_at: Timestamp,
    ) -> Self {
        let (field_keys, secret_keys): (Vec<_>, Vec<_>) =
            keys.iter().partition(|key| key.is_field_key());
        let rows = contents.tables.iter();
        Self {
            format: Self::FORMAT,
            keyward: env!("CARGO_PKG_VERSION").to_owned(),
            created_at,
            database: contents.database.to_owned(),
            migrations: contents.migrations.clone(),
            rows: rows.map(|table| (table.name.clone(), table.rows)).collect(),
            field_keys: field_keys
                .into_iter()
                .map(|key| FieldKeyEntry {
                    kid: key.kid.to_string(),
                    state: key.state.as_str().to_owned(),
                })
                .collect(),
            secret_keys: secret_keys
                .iter()
                .filter(|key| key.is_needed())
                .map(|key| key.kid.to_string())
                .collect(),
            audit_anchor,
        }
    }

    /// How many rows all tables have together.
    #[must_use]
    pub fn total_rows(&self) -> u64 {
        let rows = self.rows.values();
        rows.fold(0, |sum, rows| sum.saturating_add(*rows))
    }
}
