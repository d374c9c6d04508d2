//! Every column with sealed values, by one set of statements that the registry fills in.

use std::collections::BTreeMap;

#[cfg(feature = "postgres")]
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use keyward_core::StoreError;
use keyward_crypto::{EncryptedString, KeyId};
use keyward_encryption::{SealedColumn, SealedRow, SealedValues};

use crate::DieselTx;
use crate::connection::{AnyConnection, each};

impl SealedValues for DieselTx {
    fn sealed_counts(
        &mut self,
        column: SealedColumn,
    ) -> Result<Vec<(Option<KeyId>, u64)>, StoreError> {
        self.run(|connection| count(connection, column))
    }

    fn sealed_not_under(
        &mut self,
        column: SealedColumn,
        kid: &KeyId,
        after: Option<&SealedRow>,
        limit: i64,
    ) -> Result<Vec<SealedRow>, StoreError> {
        let (row, field) = after.map_or(("", ""), |after| (&*after.row, &*after.field));
        self.rows(column, "<>", kid, (row, field), limit)
    }

    fn sealed_sample(
        &mut self,
        column: SealedColumn,
        kid: &KeyId,
    ) -> Result<Option<SealedRow>, StoreError> {
        Ok(self.rows(column, "=", kid, ("", ""), 1)?.pop())
    }

    fn reseal(&mut self, row: &SealedRow, new: &EncryptedString) -> Result<bool, StoreError> {
        let Place {
            row: id,
            field,
            sealed,
            ..
        } = Place::of(row.column);
        let (table, column) = (row.column.table(), row.column.column());
        let is_same = format!("{id} = $2 AND {field} = $3 AND {sealed} = $4");
        let written = self.run(|connection| {
            let place = unless_held(connection, table, &is_same);
            let sql = format!("UPDATE {table} SET {column} = $1 WHERE {place}");
            each!(connection, inner => diesel::sql_query(sql)
                .bind::<Text, _>(new.as_stored())
                .bind::<Text, _>(&row.row)
                .bind::<Text, _>(&row.field)
                .bind::<Text, _>(row.sealed.as_stored())
                .execute(inner))
        })?;
        Ok(written == 1)
    }

    fn hold_sealed_values(&mut self) -> Result<(), StoreError> {
        self.run(|connection| match connection {
            // The transaction began by locking the database.
            #[cfg(feature = "sqlite")]
            AnyConnection::Sqlite(_) => Ok(()),
            // The triggers of the columns share this lock.
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(inner) => {
                inner.batch_execute("SELECT pg_advisory_xact_lock(7738725088349021185)")
            }
        })
    }
}

/// The condition for a row that `is_same` finds, unless somebody else is changing it: two that write
/// several rows in another order would wait for each other for ever.
#[cfg_attr(
    not(feature = "postgres"),
    expect(unused_variables, reason = "a single writer skips nothing")
)]
pub(crate) fn unless_held(connection: &AnyConnection, table: &str, is_same: &str) -> String {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => is_same.to_owned(),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => format!(
            "ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE {is_same} FOR UPDATE SKIP LOCKED))"
        ),
    }
}

impl DieselTx {
    fn rows(
        &mut self,
        column: SealedColumn,
        comparison: &'static str,
        kid: &KeyId,
        (row, field): (&str, &str),
        limit: i64,
    ) -> Result<Vec<SealedRow>, StoreError> {
        let place = Place::of(column);
        // SQLite takes `$1` for a name and counts names as they come, so it is its first, too.
        let sql = format!(
            "SELECT {row} AS row_id, {field} AS field, {owner} AS owner, {sealed} AS sealed \
             FROM {from} WHERE {filter} AND substr({sealed}, 4, 16) {comparison} $1 \
             AND ({row}, {field}) > ($2, $3){seek} ORDER BY 1, 2 LIMIT $4",
            row = place.row,
            field = place.field,
            owner = place.owner,
            sealed = place.sealed,
            from = place.from,
            filter = place.filter,
            seek = place.seek,
        );
        let found: Vec<Found> = self.run(|connection| {
            each!(connection, inner => diesel::sql_query(sql)
                .bind::<Text, _>(kid.as_str())
                .bind::<Text, _>(row)
                .bind::<Text, _>(field)
                .bind::<BigInt, _>(limit)
                .load(inner))
        })?;
        Ok(found.into_iter().map(|found| found.of(column)).collect())
    }
}

pub(crate) fn count(
    connection: &mut AnyConnection,
    column: SealedColumn,
) -> QueryResult<Vec<(Option<KeyId>, u64)>> {
    let Place { sealed, filter, .. } = Place::of(column);
    let sql = format!(
        "SELECT substr({sealed}, 4, 16) AS kid, count(*) AS rows FROM {} WHERE {filter} \
         GROUP BY 1",
        column.table()
    );
    let counted: Vec<Counted> = each!(connection, inner => diesel::sql_query(sql).load(inner))?;
    Ok(by_key(counted))
}

/// How many values name a key, as the database groups them.
#[derive(QueryableByName)]
pub(crate) struct Counted {
    #[diesel(sql_type = Nullable<Text>)]
    kid: Option<String>,
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// Every key once, in the order of the keys. Texts that are no key are one.
pub(crate) fn by_key(counted: Vec<Counted>) -> Vec<(Option<KeyId>, u64)> {
    let mut counts = BTreeMap::<_, u64>::new();
    for row in counted {
        let kid = row.kid.and_then(|kid| KeyId::parse(&kid));
        let count = counts.entry(kid).or_default();
        *count = count.saturating_add(u64::try_from(row.rows).unwrap_or(0));
    }
    counts.into_iter().collect()
}

/// Where the values of a column are, in SQL.
struct Place {
    from: &'static str,
    row: &'static str,
    field: &'static str,
    owner: &'static str,
    sealed: &'static str,
    filter: &'static str,
    /// Says of a joined table what follows of the place in the list (`$2`), for planners that do
    /// not see it.
    seek: &'static str,
}

impl Place {
    fn of(column: SealedColumn) -> Self {
        match column {
            SealedColumn::CredentialSecret => Self {
                from: "credential_secrets JOIN credentials \
                       ON credentials.id = credential_secrets.credential_id",
                row: "credential_secrets.credential_id",
                field: "credential_secrets.field",
                owner: "credentials.created_by",
                sealed: "credential_secrets.sealed",
                filter: "TRUE",
                // PostgreSQL would read all credentials before that place for every batch.
                seek: " AND credentials.id >= $2",
            },
            SealedColumn::TotpActive => Self {
                sealed: "totp_secrets.active",
                filter: "totp_secrets.active IS NOT NULL",
                ..Self::TOTP
            },
            SealedColumn::TotpPending => Self {
                sealed: "totp_secrets.pending",
                filter: "totp_secrets.pending IS NOT NULL",
                ..Self::TOTP
            },
            // Those of encryption keys are under their own key for ever.
            SealedColumn::SecretKeyCheck => Self {
                from: "key_checks",
                row: "key_checks.kid",
                field: NONE,
                owner: NONE,
                sealed: "key_checks.sealed",
                filter: "substr(key_checks.sealed, 4, 16) <> key_checks.kid",
                seek: "",
            },
            SealedColumn::AuditKey => Self {
                from: "key_checks",
                row: "key_checks.kid",
                field: NONE,
                owner: NONE,
                sealed: "key_checks.audit_key",
                filter: "key_checks.audit_key IS NOT NULL",
                seek: "",
            },
        }
    }

    const TOTP: Self = Self {
        from: "totp_secrets",
        row: "totp_secrets.user_id",
        field: NONE,
        owner: "totp_secrets.user_id",
        sealed: "",
        filter: "",
        seek: "",
    };
}

/// Not a bare literal: PostgreSQL refuses to order by one.
const NONE: &str = "CAST('' AS TEXT)";

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    row_id: String,
    #[diesel(sql_type = Text)]
    field: String,
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Text)]
    sealed: String,
}

impl Found {
    fn of(self, column: SealedColumn) -> SealedRow {
        SealedRow {
            column,
            row: self.row_id,
            field: self.field,
            owner: self.owner,
            sealed: EncryptedString::from_stored(self.sealed),
        }
    }
}
