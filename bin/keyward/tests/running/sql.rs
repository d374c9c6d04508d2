use std::collections::BTreeMap;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};

/// A connection as somebody with a database client has it.
pub(crate) enum Sql {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Sql {
    pub(crate) fn sqlite(path: &Path) -> Self {
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection
            .batch_execute("PRAGMA busy_timeout = 5000")
            .unwrap();
        Self::Sqlite(connection)
    }

    pub(crate) fn postgres(url: &str) -> Self {
        Self::Postgres(PgConnection::establish(url).unwrap())
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    pub(crate) fn run(&mut self, sql: &str) {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(sql),
            Self::Postgres(connection) => connection.batch_execute(sql),
        }
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The column `value` of every row, as text.
    pub(crate) fn values(&mut self, sql: &str) -> Vec<Option<String>> {
        let rows: Vec<Value> = match self {
            Self::Sqlite(connection) => diesel::sql_query(sql).load(connection),
            Self::Postgres(connection) => diesel::sql_query(sql).load(connection),
        }
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.into_iter().map(|row| row.value).collect()
    }

    /// The column `value` of the only row.
    pub(crate) fn value(&mut self, sql: &str) -> String {
        let mut rows = self.values(sql);
        assert_eq!(rows.len(), 1, "{sql}");
        rows.remove(0).unwrap()
    }

    /// A checksum over the content of each table of a PostgreSQL database.
    pub(crate) fn checksums(&mut self) -> BTreeMap<String, String> {
        let tables = self.values(
            "SELECT table_name::text AS value FROM information_schema.tables \
             WHERE table_schema = 'public'",
        );
        let tables = tables.into_iter().map(Option::unwrap);
        tables
            .map(|table| {
                let sum = self.value(&format!(
                    "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS value \
                     FROM {table} t"
                ));
                (table, sum)
            })
            .collect()
    }
}

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}
