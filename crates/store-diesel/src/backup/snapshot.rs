use std::ops::ControlFlow;

#[cfg(feature = "postgres")]
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use keyward_backup::{Contents, Snapshot, Table};
use keyward_core::StoreError;

use super::catalog::{self, LEFT_OUT, MIGRATIONS, TABLES, Value};
use crate::DieselTx;
use crate::connection::AnyConnection;
use crate::migrate::recorded;

impl Snapshot for DieselTx {
    fn contents(&mut self) -> Result<Contents, StoreError> {
        self.run(|connection| {
            take_time(connection)?;
            let found = catalog::tables(connection)?;
            let mut tables = Vec::new();
            for name in TABLES
                .iter()
                .filter(|name| found.iter().any(|table| table == *name))
            {
                tables.push(table(connection, name)?);
            }
            let is_ours = |name: &String| {
                let ours = TABLES.iter().chain(&LEFT_OUT).chain(&[MIGRATIONS]);
                ours.into_iter().any(|table| table == name)
            };
            Ok(Contents {
                database: kind(connection),
                migrations: recorded(connection)?,
                tables,
                strangers: found.into_iter().filter(|name| !is_ours(name)).collect(),
            })
        })
    }

    fn each_row(
        &mut self,
        table: &Table,
        visit: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.run(|connection| each_row(connection, table, visit))
    }
}

fn table(connection: &mut AnyConnection, name: &str) -> QueryResult<Table> {
    let columns = catalog::columns(connection, name)?;
    let rows = catalog::count(connection, name)?;
    Ok(Table {
        name: name.to_owned(),
        columns: columns.into_iter().map(|column| column.name).collect(),
        rows: u64::try_from(rows).unwrap_or(0),
    })
}

fn kind(connection: &AnyConnection) -> &'static str {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => "sqlite",
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => "postgresql",
    }
}

/// A snapshot of a large database takes longer than any request may.
fn take_time(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(inner) => inner.batch_execute(
            "SET LOCAL statement_timeout = 0; \
             SET LOCAL idle_in_transaction_session_timeout = 0",
        ),
    }
}

/// The database makes the JSON, so that every column of every table has one form here, and a new
/// one needs no line of code.
fn each_row(
    connection: &mut AnyConnection,
    table: &Table,
    visit: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> QueryResult<()> {
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect();
    let columns = columns.join(", ");
    let from = format!("FROM {}{}", table.name, order(table));
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(inner) => {
            let sql = format!("SELECT json_array({columns}) AS value {from}");
            visit_all(diesel::sql_query(sql).load_iter(inner)?, visit)
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(inner) => {
            use diesel::pg::PgRowByRowLoadingMode;

            let sql = format!("SELECT json_build_array({columns})::text AS value {from}");
            let rows = diesel::sql_query(sql).load_iter::<Value, PgRowByRowLoadingMode>(inner)?;
            visit_all(rows, visit)
        }
    }
}

fn visit_all(
    rows: impl Iterator<Item = QueryResult<Value>>,
    visit: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> QueryResult<()> {
    for row in rows {
        if visit(&row?.value).is_break() {
            break;
        }
    }
    Ok(())
}

/// Agents refer to the people who answer for them.
fn order(table: &Table) -> &'static str {
    let has = |column: &str| table.columns.iter().any(|name| name == column);
    match table.name.as_str() {
        "users" if has("owner_id") => " ORDER BY owner_id IS NOT NULL, id",
        "audit_events" => " ORDER BY seq",
        _ => "",
    }
}
