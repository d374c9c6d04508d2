//! Which tables there are, asked of the database itself.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::connection::{AnyConnection, each};

/// What belongs into a backup, each table behind those that it refers to. A test fails when the
/// schema has a table that is neither here nor in [`LEFT_OUT`].
pub(super) const TABLES: [&str; 14] = [
    "audit_events",
    "audit_head",
    "users",
    "api_keys",
    "agents",
    "credentials",
    "credential_secrets",
    "totp_secrets",
    "recovery_codes",
    "attempts",
    "used_proofs",
    "encryption_rotation",
    "safekeeping",
    // The states of keys come last: what a secret has signed that is retired by now, such as events,
    // the database would refuse behind them.
    "key_checks",
];

/// What must not outlive a restore: nodes that served then do not serve now, a login that had begun
/// begins anew, an answer that was given to a request of then says nothing about now,
/// what was used in a minute of then does not count in one of now, and the time is that of the machine
/// that restores.
pub(super) const LEFT_OUT: [&str; 5] = [
    "serving_nodes",
    "login_tickets",
    "idempotency_keys",
    "credential_uses",
    "kept_time",
];

/// Where diesel notes which migrations the database has seen.
pub(super) const MIGRATIONS: &str = "__diesel_schema_migrations";

/// A column, and what the database calls its type.
#[derive(QueryableByName)]
pub(super) struct Column {
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Text)]
    pub(super) kind: String,
}

/// A result of one text.
#[derive(QueryableByName)]
pub(super) struct Value {
    #[diesel(sql_type = Text)]
    pub(super) value: String,
}

/// The tables of the database, whoever made them.
pub(super) fn tables(connection: &mut AnyConnection) -> QueryResult<Vec<String>> {
    let sql = match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => {
            "SELECT name AS value FROM sqlite_schema WHERE type = 'table' \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => {
            "SELECT tablename::text AS value FROM pg_tables WHERE schemaname = current_schema() \
             ORDER BY 1"
        }
    };
    values(connection, sql)
}

/// The columns of a table of ours, in their order.
pub(super) fn columns(connection: &mut AnyConnection, table: &str) -> QueryResult<Vec<Column>> {
    let sql = match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => {
            "SELECT name, type AS kind FROM pragma_table_info($1) ORDER BY cid"
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => {
            "SELECT attname::text AS name, format_type(atttypid, atttypmod) AS kind \
             FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 \
             AND NOT attisdropped ORDER BY attnum"
        }
    };
    each!(connection, inner => diesel::sql_query(sql).bind::<Text, _>(table).load(inner))
}

/// How many rows a table of ours has.
pub(super) fn count(connection: &mut AnyConnection, table: &str) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Counted {
        #[diesel(sql_type = BigInt)]
        rows: i64,
    }
    let sql = format!("SELECT count(*) AS rows FROM {table}");
    let counted: Counted = each!(connection, inner => diesel::sql_query(sql).get_result(inner))?;
    Ok(counted.rows)
}

/// The texts of a question that gives one column, `value`.
pub(super) fn values(connection: &mut AnyConnection, sql: &str) -> QueryResult<Vec<String>> {
    let rows: Vec<Value> = each!(connection, inner => diesel::sql_query(sql).load(inner))?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

#[cfg(test)]
mod tests {
    use crate::connection::Access;
    use crate::testing::TestDatabase;

    use super::*;

    /// A new table goes into `TABLES`, behind those that it refers to, and so into every backup; or
    /// into `LEFT_OUT` when a restored copy must not have its rows.
    fn assert_every_table_is_known(database: &TestDatabase) {
        let mut tx = database.store().open(Access::Read).unwrap();
        let mut found = tx.run(tables).unwrap();
        found.retain(|table| table != MIGRATIONS);
        let mut known = [TABLES.as_slice(), &LEFT_OUT].concat();
        known.sort_unstable();
        assert_eq!(found, known);
    }

    /// Others would need a form in the backup that both databases read and write.
    fn assert_columns_hold_texts_and_numbers(database: &TestDatabase) {
        let mut tx = database.store().open(Access::Read).unwrap();
        for table in TABLES {
            let columns = tx.run(|connection| columns(connection, table)).unwrap();
            assert!(!columns.is_empty(), "{table}");
            for Column { name, kind } in columns {
                let kind = kind.to_lowercase();
                let known = ["text", "bigint", "integer"];
                assert!(known.contains(&kind.as_str()), "{table}.{name} is {kind}");
            }
        }
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn every_table_of_sqlite_is_backed_up_or_deliberately_left_out() {
        assert_every_table_is_known(&TestDatabase::sqlite());
        assert_columns_hold_texts_and_numbers(&TestDatabase::sqlite());
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn every_table_of_postgresql_is_backed_up_or_deliberately_left_out() {
        if let Some(database) = TestDatabase::postgres() {
            assert_every_table_is_known(&database);
            assert_columns_hold_texts_and_numbers(&database);
        }
    }
}
