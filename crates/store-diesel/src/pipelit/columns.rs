use std::collections::BTreeSet;

use diesel::deserialize::QueryableByName;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::connection::{AnyConnection, each};

/// Asks for columns that may not be there.
pub(super) struct Columns<'a> {
    connection: &'a mut AnyConnection,
}

/// One column of a row, under the name that the row has for it.
#[derive(Clone, Copy)]
pub(super) enum Column {
    /// A number.
    Number(&'static str, &'static str),
    /// A text, or anything else in the text that the database has for it.
    Text(&'static str, &'static str),
}

/// What every database of this build can read.
#[cfg(all(feature = "sqlite", feature = "postgres"))]
macro_rules! from_row {
    ($trait:ident) => {
        pub(super) trait $trait:
            QueryableByName<diesel::sqlite::Sqlite> + QueryableByName<diesel::pg::Pg>
        {
        }
        impl<Row> $trait for Row where
            Row: QueryableByName<diesel::sqlite::Sqlite> + QueryableByName<diesel::pg::Pg>
        {
        }
    };
}
#[cfg(all(feature = "sqlite", not(feature = "postgres")))]
macro_rules! from_row {
    ($trait:ident) => {
        pub(super) trait $trait: QueryableByName<diesel::sqlite::Sqlite> {}
        impl<Row: QueryableByName<diesel::sqlite::Sqlite>> $trait for Row {}
    };
}
#[cfg(not(feature = "sqlite"))]
macro_rules! from_row {
    ($trait:ident) => {
        pub(super) trait $trait: QueryableByName<diesel::pg::Pg> {}
        impl<Row: QueryableByName<diesel::pg::Pg>> $trait for Row {}
    };
}
from_row!(FromRow);

impl<'a> Columns<'a> {
    pub(super) fn of(connection: &'a mut AnyConnection) -> Self {
        Self { connection }
    }

    /// The first of `names` that `table` has, or the last one.
    pub(super) fn first_of(
        &mut self,
        table: &str,
        names: &[&'static str],
    ) -> QueryResult<&'static str> {
        let present = self.present(table)?;
        let found = names.iter().find(|name| present.contains(**name));
        Ok(found.or(names.last()).copied().unwrap_or_default())
    }

    /// Whether `table` has the column.
    pub(super) fn has(&mut self, table: &str, name: &str) -> QueryResult<bool> {
        Ok(self.present(table)?.contains(name))
    }

    /// All rows of `table` in the order of `order`; none where there is no such table. Columns that
    /// it does not have are NULL.
    pub(super) fn load<Row>(
        &mut self,
        table: &'static str,
        order: &'static str,
        columns: &[Column],
    ) -> QueryResult<Vec<Row>>
    where
        Row: FromRow + 'static,
    {
        let present = self.present(table)?;
        if present.is_empty() {
            return Ok(Vec::new());
        }
        let selected: Vec<_> = columns.iter().map(|column| column.sql(&present)).collect();
        let order = if present.contains(order) {
            format!(" ORDER BY \"{order}\"")
        } else {
            String::new()
        };
        // Names of ours only; no part comes from the database or from a person.
        let sql = format!("SELECT {} FROM \"{table}\"{order}", selected.join(", "));
        each!(&mut *self.connection, inner => diesel::sql_query(sql).load(inner))
    }

    fn present(&mut self, table: &str) -> QueryResult<BTreeSet<String>> {
        #[derive(QueryableByName)]
        struct Named {
            #[diesel(sql_type = Text)]
            name: String,
        }
        let names: Vec<Named> = match &mut *self.connection {
            #[cfg(feature = "sqlite")]
            AnyConnection::Sqlite(inner) => {
                diesel::sql_query("SELECT name AS name FROM pragma_table_info(?)")
                    .bind::<Text, _>(table)
                    .load(inner)?
            }
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(inner) => diesel::sql_query(
                "SELECT attname::text AS name FROM pg_attribute \
                 WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
            )
            .bind::<Text, _>(table)
            .load(inner)?,
        };
        Ok(names.into_iter().map(|named| named.name).collect())
    }
}

impl Column {
    fn sql(self, present: &BTreeSet<String>) -> String {
        let (name, alias, kind) = match self {
            Self::Number(name, alias) => (name, alias, "BIGINT"),
            Self::Text(name, alias) => (name, alias, "TEXT"),
        };
        if present.contains(name) {
            format!("CAST(\"{name}\" AS {kind}) AS \"{alias}\"")
        } else {
            format!("CAST(NULL AS {kind}) AS \"{alias}\"")
        }
    }
}
