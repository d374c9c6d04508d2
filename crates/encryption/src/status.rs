use keyward_core::StoreError;
use keyward_crypto::{KeyId, KeyRing};

use crate::model::active_of;
use crate::{
    EncryptionKeys, KeyRecord, KeyState, RotationState, SealedColumn, SealedRow, SealedValues,
};

/// Which keys there are, what is sealed under which, and how far re-encryption is.
#[derive(Clone, Debug)]
pub struct Status {
    /// How far re-encryption is.
    pub rotation: RotationState,
    /// The key that seals.
    pub active: Option<KeyId>,
    /// Every encryption key that was ever used, and every other one that a value names.
    pub keys: Vec<KeyStatus>,
    /// Every column with sealed values.
    pub columns: Vec<ColumnStatus>,
    /// How many of `total` are under the active key.
    pub done: u64,
    /// How many values there were to re-encrypt when that was started; before that, how many there
    /// are.
    pub total: u64,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// Its id.
    pub kid: KeyId,
    /// Where it stands; `None` for a key that a value names and nobody has ever configured.
    pub state: Option<KeyState>,
    /// How many values are sealed under it.
    pub rows: u64,
    /// Whether this process holds it.
    pub is_held: bool,
}

/// One column.
#[derive(Clone, Debug)]
pub struct ColumnStatus {
    /// Which one.
    pub column: SealedColumn,
    /// Its values, by key.
    pub keyed: Vec<KeyedRows>,
}

/// The values of a column that are under one key.
#[derive(Clone, Debug)]
pub struct KeyedRows {
    /// The key; `None` where a value names none.
    pub kid: Option<KeyId>,
    /// How many there are.
    pub rows: u64,
    /// Whether one of them, taken at random, opens.
    pub sample_opens: bool,
}

impl Status {
    pub(crate) fn read<Tx: EncryptionKeys + SealedValues>(
        tx: &mut Tx,
        fields: &KeyRing,
    ) -> Result<Self, StoreError> {
        let stored = tx.encryption_keys()?;
        let rotation = tx.rotation()?;
        let columns = SealedColumn::ALL
            .into_iter()
            .map(|column| ColumnStatus::read(column, tx, fields))
            .collect::<Result<Vec<_>, _>>()?;
        let active = active_of(&stored);
        let left = rows_outside(active, &columns);
        let total = match rotation.state {
            RotationState::Idle => left,
            _ => rotation.total.max(left),
        };
        Ok(Self {
            rotation: rotation.state,
            active,
            keys: keys(&stored, fields, &columns),
            done: total.saturating_sub(left),
            total,
            columns,
        })
    }

    /// How many values are under other keys than the active one.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.total.saturating_sub(self.done)
    }

    pub(crate) fn outside_active(&self) -> u64 {
        rows_outside(self.active, &self.columns)
    }
}

fn rows_outside(active: Option<KeyId>, columns: &[ColumnStatus]) -> u64 {
    let keyed = columns.iter().flat_map(|column| &column.keyed);
    keyed
        .filter(|keyed| keyed.kid != active)
        .map(|keyed| keyed.rows)
        .sum()
}

impl ColumnStatus {
    fn read<Tx: SealedValues>(
        column: SealedColumn,
        tx: &mut Tx,
        fields: &KeyRing,
    ) -> Result<Self, StoreError> {
        let mut keyed = Vec::new();
        for (kid, rows) in tx.sealed_counts(column)? {
            let sample = match kid {
                Some(kid) => tx.sealed_sample(column, &kid)?,
                None => None,
            };
            keyed.push(KeyedRows {
                kid,
                rows,
                sample_opens: sample.is_some_and(|row| opens(&row, fields)),
            });
        }
        Ok(Self { column, keyed })
    }
}

fn opens(row: &SealedRow, fields: &KeyRing) -> bool {
    let context = row.context();
    context.is_some_and(|context| fields.open(&row.sealed, &context).is_ok())
}

fn keys(stored: &[KeyRecord], fields: &KeyRing, columns: &[ColumnStatus]) -> Vec<KeyStatus> {
    let rows_of = |kid: KeyId| {
        let counts = columns.iter().flat_map(|column| &column.keyed);
        counts
            .filter(|keyed| keyed.kid == Some(kid))
            .map(|keyed| keyed.rows)
            .sum()
    };
    let status = |kid: KeyId, state| KeyStatus {
        kid,
        state,
        rows: rows_of(kid),
        is_held: fields.ids().any(|held| held == kid),
    };
    let mut keys: Vec<_> = stored
        .iter()
        .filter(|key| key.is_field_key())
        .map(|key| status(key.kid, Some(key.state)))
        .collect();
    for kid in columns
        .iter()
        .flat_map(|column| &column.keyed)
        .filter_map(|keyed| keyed.kid)
    {
        if keys.iter().all(|key| key.kid != kid) {
            keys.push(status(kid, None));
        }
    }
    keys
}

/// How many values are under a key, and how many are not.
pub(crate) fn rows_where<Tx: SealedValues>(
    tx: &mut Tx,
    wanted: impl Fn(Option<KeyId>) -> bool,
) -> Result<u64, StoreError> {
    let mut sum: u64 = 0;
    for column in SealedColumn::ALL {
        for (kid, rows) in tx.sealed_counts(column)? {
            if wanted(kid) {
                sum = sum.saturating_add(rows);
            }
        }
    }
    Ok(sum)
}
