use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Text;
use keyward_backup::{Rebuild, RebuildError};
use keyward_core::{Source, StoreError};

use super::catalog::{self, Column, LEFT_OUT, MIGRATIONS, TABLES};
use crate::connection::{AnyConnection, each};
use crate::migrate::{self, UpTo};
use crate::{DieselTx, MigrateError};

impl Rebuild for DieselTx {
    fn rebuild(&mut self, migrations: &[String]) -> Result<Vec<String>, RebuildError> {
        self.run(migrate::hold_others_back)?;
        let unknown = self.run(|connection| Ok(migrate::unknown(connection, migrations)))?;
        let unknown = unknown.map_err(StoreError::Backend)?;
        if !unknown.is_empty() {
            return Err(RebuildError::NewerBackup(unknown));
        }
        let recorded = self.run(migrate::recorded)?;
        let unknown = self.run(|connection| Ok(migrate::unknown(connection, &recorded)))?;
        let unknown = unknown.map_err(StoreError::Backend)?;
        if !unknown.is_empty() {
            return Err(RebuildError::NewerTarget(unknown));
        }
        self.run(drop_all)?;
        self.run(|connection| Ok(migrate::apply(connection, UpTo::Listed(migrations))))?
            .map_err(not_migrated)?;
        Ok(self.run(emptied)?)
    }

    fn load(
        &mut self,
        table: &str,
        columns: &[String],
        rows: &[String],
    ) -> Result<(), RebuildError> {
        let unfit = |source: Source| RebuildError::Unfit {
            table: table.to_owned(),
            source,
        };
        let Some(table) = TABLES.into_iter().find(|known| *known == table) else {
            return Err(unfit("there is no such table".into()));
        };
        let known = self.run(|connection| catalog::columns(connection, table))?;
        let Some(columns) = in_order(known, columns) else {
            return Err(unfit("its columns are not those of this schema".into()));
        };
        match self.run(|connection| insert(connection, table, &columns, rows)) {
            Ok(inserted) if inserted == rows.len() => Ok(()),
            Ok(_) => Err(unfit("not every row was taken".into())),
            Err(StoreError::Backend(source)) => Err(unfit(source)),
            Err(error) => Err(error.into()),
        }
    }

    fn migrate_on(&mut self) -> Result<(), RebuildError> {
        self.run(|connection| Ok(migrate::apply(connection, UpTo::Latest)))?
            .map(drop)
            .map_err(not_migrated)
    }
}

fn not_migrated(error: MigrateError) -> RebuildError {
    RebuildError::Store(StoreError::Backend(error.into()))
}

/// Takes away the tables of Keyward with all that belongs to them, and forgets its migrations.
/// What others have beside them stays.
///
/// Not by deleting rows: that is what triggers refuse, and the schema may be another one.
fn drop_all(connection: &mut AnyConnection) -> QueryResult<()> {
    let found = catalog::tables(connection)?;
    let is_there = |name: &&&str| found.iter().any(|table| table == **name);
    let ours: Vec<&str> = (LEFT_OUT.iter().chain(TABLES.iter().rev()))
        .filter(is_there)
        .copied()
        .collect();
    if ours.is_empty() {
        return Ok(());
    }
    match connection {
        // One by one, those that refer to others first: SQLite deletes the rows before it drops a
        // table, without asking triggers.
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(inner) => {
            for table in &ours {
                inner.batch_execute(&format!("DROP TABLE {table}"))?;
            }
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => drop_in_postgres(connection, &ours)?,
    }
    if found.iter().any(|table| table == MIGRATIONS) {
        connection.batch_execute(&format!("DELETE FROM {MIGRATIONS}"))?;
    }
    Ok(())
}

/// With the functions of their triggers, which would be in the way of the migrations.
#[cfg(feature = "postgres")]
fn drop_in_postgres(connection: &mut AnyConnection, tables: &[&str]) -> QueryResult<()> {
    let names: Vec<_> = tables
        .iter()
        .map(|table| format!("'{table}'::regclass"))
        .collect();
    let functions = catalog::values(
        connection,
        &format!(
            "SELECT DISTINCT tgfoid::regprocedure::text AS value FROM pg_trigger \
             WHERE NOT tgisinternal AND tgrelid IN ({})",
            names.join(", ")
        ),
    )?;
    connection.batch_execute(&format!("DROP TABLE {}", tables.join(", ")))?;
    for function in functions {
        connection.batch_execute(&format!("DROP FUNCTION {function}"))?;
    }
    Ok(())
}

/// Takes out the rows that migrations have put in, and says which tables there are.
fn emptied(connection: &mut AnyConnection) -> QueryResult<Vec<String>> {
    let mut tables = catalog::tables(connection)?;
    tables.retain(|table| TABLES.contains(&table.as_str()));
    for table in &tables {
        if catalog::count(connection, table)? > 0 {
            connection.batch_execute(&format!("DELETE FROM {table}"))?;
        }
    }
    Ok(tables)
}

/// The columns of the table in the order of a backup; `None` where they are not the same ones.
fn in_order(mut known: Vec<Column>, wanted: &[String]) -> Option<Vec<Column>> {
    let mut ordered = Vec::new();
    for name in wanted {
        let place = known.iter().position(|column| column.name == *name)?;
        ordered.push(known.swap_remove(place));
    }
    known.is_empty().then_some(ordered)
}

/// The database reads the JSON that a database has written.
fn insert(
    connection: &mut AnyConnection,
    table: &str,
    columns: &[Column],
    rows: &[String],
) -> QueryResult<usize> {
    let names: Vec<_> = columns
        .iter()
        .map(|column| format!("\"{}\"", column.name))
        .collect();
    let values: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(place, column)| format!("CAST(row.value ->> {place} AS {})", column.kind))
        .collect();
    let each = match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => "json_each($1) AS row",
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => "json_array_elements($1::json) AS row (value)",
    };
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {each}",
        names.join(", "),
        values.join(", ")
    );
    let rows = format!("[{}]", rows.join(","));
    each!(connection, inner => diesel::sql_query(sql).bind::<Text, _>(rows).execute(inner))
}
