use keyward_auth::Environment;
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{KeyId, KeyRing};

use crate::model::{active_of, signing_of};
use crate::{
    EncryptionKeys, KeyRecord, KeyState, MacColumn, RotationState, SealedColumn, SealedRow,
    SealedValues, SignedRows,
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
    /// The secret that signs.
    pub signing: Option<KeyId>,
    /// Every secret of `SECRET_KEY` that was ever used, and every other one that a MAC names.
    pub secrets: Vec<KeyStatus>,
    /// Every column with MACs that somebody needs for longer than a day, by secret.
    pub macs: Vec<MacStatus>,
    /// How many of `total` are under the active key.
    pub done: u64,
    /// How many values there were to re-encrypt, and rows to sign anew, when that was started;
    /// before that, how many there are.
    pub total: u64,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// Its id.
    pub kid: KeyId,
    /// Where it stands; `None` for a key that a value names and nobody has ever configured.
    pub state: Option<KeyState>,
    /// How many values are sealed under it, or MACs made by it.
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

/// One column with MACs.
#[derive(Clone, Debug)]
pub struct MacStatus {
    /// Which one.
    pub column: MacColumn,
    /// How many there are by which secret; `None` where a MAC names none.
    pub counts: Vec<(Option<KeyId>, u64)>,
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
    pub(crate) fn read<S, Tx: EncryptionKeys + SealedValues + SignedRows>(
        tx: &mut Tx,
        environment: &Environment<S>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let Environment { fields, macs, .. } = environment;
        let stored = tx.encryption_keys()?;
        let rotation = tx.rotation()?;
        let columns = SealedColumn::ALL
            .into_iter()
            .map(|column| ColumnStatus::read(column, tx, fields))
            .collect::<Result<Vec<_>, _>>()?;
        let mac_columns = MacColumn::ALL
            .into_iter()
            .map(|column| {
                let counts = tx.mac_counts(column, now)?;
                Ok(MacStatus { column, counts })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let (active, signing) = (active_of(&stored), signing_of(&stored));
        let sealed: Vec<_> = columns
            .iter()
            .flat_map(|column| &column.keyed)
            .map(|keyed| (keyed.kid, keyed.rows))
            .collect();
        let left = not_under(&sealed, active).saturating_add(rows_by_others(&mac_columns, signing));
        let total = match rotation.state {
            RotationState::Idle => left,
            _ => rotation.total.max(left),
        };
        let made: Vec<_> = mac_columns.iter().flat_map(|made| &made.counts).collect();
        Ok(Self {
            rotation: rotation.state,
            active,
            signing,
            keys: keys(&stored, true, &sealed.iter().collect::<Vec<_>>(), |kid| {
                fields.holds(kid)
            }),
            secrets: keys(&stored, false, &made, |kid| macs.holds(kid)),
            done: total.saturating_sub(left),
            total,
            columns,
            macs: mac_columns,
        })
    }

    /// How many values are under other keys than the active one.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.total.saturating_sub(self.done)
    }

    /// The same, whatever was counted when re-encryption was started.
    pub(crate) fn outside_active(&self) -> u64 {
        let keyed = self.columns.iter().flat_map(|column| &column.keyed);
        let values = keyed
            .filter(|keyed| keyed.kid != self.active)
            .fold(0, |sum: u64, keyed| sum.saturating_add(keyed.rows));
        values.saturating_add(rows_by_others(&self.macs, self.signing))
    }
}

fn rows_by_others(macs: &[MacStatus], signing: Option<KeyId>) -> u64 {
    let rows = macs
        .iter()
        .filter(|made| MacColumn::ROWS.contains(&made.column));
    not_under(rows.flat_map(|made| &made.counts), signing)
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

type Count = (Option<KeyId>, u64);

fn not_under<'a>(counts: impl IntoIterator<Item = &'a Count>, kid: Option<KeyId>) -> u64 {
    let counts = counts.into_iter().filter(|(under, _)| *under != kid);
    counts.fold(0, |sum, (_, rows)| sum.saturating_add(*rows))
}

fn keys(
    stored: &[KeyRecord],
    are_field_keys: bool,
    counts: &[&Count],
    is_held: impl Fn(&KeyId) -> bool,
) -> Vec<KeyStatus> {
    let status = |kid: KeyId, state| KeyStatus {
        kid,
        state,
        rows: counts
            .iter()
            .filter(|(under, _)| *under == Some(kid))
            .fold(0, |sum, (_, rows)| sum.saturating_add(*rows)),
        is_held: is_held(&kid),
    };
    let mut keys: Vec<_> = stored
        .iter()
        .filter(|key| key.is_field_key() == are_field_keys)
        .map(|key| status(key.kid, Some(key.state)))
        .collect();
    for kid in counts.iter().filter_map(|(kid, _)| *kid) {
        if keys.iter().all(|key| key.kid != kid) {
            keys.push(status(kid, None));
        }
    }
    keys
}

/// How many values are not under the active key, and rows not signed by the active secret.
pub(crate) fn left<Tx: SealedValues + SignedRows>(
    tx: &mut Tx,
    stored: &[KeyRecord],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let (active, signing) = (active_of(stored), signing_of(stored));
    let values = rows_where(tx, |under| under != active)?;
    let rows = macs_where(tx, now, &MacColumn::ROWS, |by| by != signing)?;
    Ok(values.saturating_add(rows))
}

/// How many sealed values there are whose key is `wanted`.
pub(crate) fn rows_where<Tx: SealedValues>(
    tx: &mut Tx,
    wanted: impl Fn(Option<KeyId>) -> bool,
) -> Result<u64, StoreError> {
    let mut sum: u64 = 0;
    for column in SealedColumn::ALL {
        sum = sum.saturating_add(wanted_of(&tx.sealed_counts(column)?, &wanted));
    }
    Ok(sum)
}

/// How many MACs there are in some columns whose secret is `wanted`.
pub(crate) fn macs_where<Tx: SignedRows>(
    tx: &mut Tx,
    now: Timestamp,
    columns: &[MacColumn],
    wanted: impl Fn(Option<KeyId>) -> bool,
) -> Result<u64, StoreError> {
    let mut sum: u64 = 0;
    for column in columns {
        sum = sum.saturating_add(wanted_of(&tx.mac_counts(*column, now)?, &wanted));
    }
    Ok(sum)
}

fn wanted_of(counts: &[Count], wanted: impl Fn(Option<KeyId>) -> bool) -> u64 {
    let counts = counts.iter().filter(|(kid, _)| wanted(*kid));
    counts.fold(0, |sum, (_, rows)| sum.saturating_add(*rows))
}
