use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::Server;
use crate::ConnectError;
use crate::connection::Access;

/// Connects, sets what must not depend on the server's configuration, and checks the rest.
pub(crate) fn open(server: &Server, access: Access) -> Result<PgConnection, ConnectError> {
    let mut connection = PgConnection::establish(server.conninfo())
        .map_err(|error| ConnectError::Unreachable(error.into()))?;
    connection
        .batch_execute(&settings(access))
        .map_err(|error| ConnectError::Unreachable(error.into()))?;
    let found =
        read_back(&mut connection).map_err(|error| ConnectError::Unreachable(error.into()))?;
    if found.synchronous_commit == "off" {
        return Err(ConnectError::Setting {
            name: "synchronous_commit",
            found: found.synchronous_commit,
            expected: "on",
        });
    }
    if found.client_encoding != "UTF8" {
        return Err(ConnectError::Setting {
            name: "client_encoding",
            found: found.client_encoding,
            expected: "UTF8",
        });
    }
    Ok(connection)
}

fn settings(access: Access) -> String {
    let read_only = match access {
        Access::Read | Access::Inspect => "on",
        Access::Write => "off",
    };
    format!("{SETTINGS} SET default_transaction_read_only = {read_only};")
}

#[derive(QueryableByName)]
struct ReadBack {
    #[diesel(sql_type = Text)]
    synchronous_commit: String,
    #[diesel(sql_type = Text)]
    client_encoding: String,
}

fn read_back(connection: &mut PgConnection) -> QueryResult<ReadBack> {
    diesel::sql_query(
        "SELECT current_setting('synchronous_commit') AS synchronous_commit, \
                current_setting('client_encoding') AS client_encoding",
    )
    .get_result(connection)
}

/// What decides whether a committed transaction survives a crash, and the limits of this session.
pub(crate) fn durability(connection: &mut PgConnection) -> QueryResult<Vec<(String, String)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        value: String,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT name, current_setting(name) AS value FROM pg_settings \
         WHERE name IN ('server_version', 'synchronous_commit', 'fsync', 'full_page_writes', \
                        'statement_timeout', 'lock_timeout') \
         ORDER BY name",
    )
    .load(connection)?;
    Ok(rows.into_iter().map(|row| (row.name, row.value)).collect())
}

/// Messages in English where the role may choose, because diesel does not hand out error codes and
/// busy servers are told apart by the message.
const SETTINGS: &str = "
    SET statement_timeout = '5s';
    SET lock_timeout = '4s';
    SET idle_in_transaction_session_timeout = '30s';
    SET client_min_messages = warning;
    DO $$ BEGIN PERFORM set_config('lc_messages', 'C', false);
    EXCEPTION WHEN insufficient_privilege THEN NULL; END $$;
";
