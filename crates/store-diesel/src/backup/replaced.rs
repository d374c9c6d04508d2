#[cfg(feature = "postgres")]
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use keyward_auth::{UserId, UserStatus};
use keyward_backup::{
    FrozenAgent, KeptCode, Occupant, Replaced, StandingKey, StandingUser, Target,
};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{ApiKeyId, KeyId, Mac};
use keyward_encryption::KeyState;

use super::catalog;
#[cfg(feature = "postgres")]
use super::catalog::{LEFT_OUT, TABLES};
use crate::DieselTx;
use crate::connection::{AnyConnection, each};
use crate::migrate;
use crate::schema::key_checks;

impl Replaced for DieselTx {
    fn target(&mut self, now: Timestamp) -> Result<Target, StoreError> {
        self.run(|connection| {
            migrate::hold_others_back(connection)?;
            let found = catalog::tables(connection)?;
            #[cfg(feature = "postgres")]
            lock(connection, &found)?;
            let has = |name: &str| found.iter().any(|table| table == name);
            let mut target = Target::default();
            if has("serving_nodes") {
                let since = now.0.saturating_sub(NODE_SECONDS);
                let nodes = format!(
                    "SELECT id AS value FROM serving_nodes WHERE seen_at >= {since} ORDER BY id"
                );
                target.nodes = catalog::values(connection, &nodes)?;
            }
            if has("users") && has("api_keys") && catalog::count(connection, "users")? > 0 {
                target.occupant = Some(Occupant {
                    users: users(connection)?,
                    keys: keys(connection)?,
                    frozen: if has("agents") {
                        frozen(connection)?
                    } else {
                        Vec::new()
                    },
                    codes: if has("recovery_codes") {
                        codes(connection)?
                    } else {
                        Vec::new()
                    },
                    // States came with this table.
                    key_states: if has("encryption_rotation") {
                        key_states(connection)?
                    } else {
                        Vec::new()
                    },
                });
            }
            Ok(target)
        })
    }
}

/// Everybody who is at work ends first. On SQLite the transaction began by locking the database.
#[cfg(feature = "postgres")]
fn lock(connection: &mut AnyConnection, found: &[String]) -> QueryResult<()> {
    let found = found.iter().map(String::as_str);
    let ours: Vec<_> = found
        .filter(|name| TABLES.contains(name) || LEFT_OUT.contains(name))
        .collect();
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => Ok(()),
        AnyConnection::Postgres(_) if ours.is_empty() => Ok(()),
        AnyConnection::Postgres(inner) => {
            inner.batch_execute(&format!("LOCK TABLE {}", ours.join(", ")))
        }
    }
}

#[derive(QueryableByName)]
struct UserRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    username: String,
    #[diesel(sql_type = Text)]
    status: String,
}

// What means nothing to Keyward cannot be in the backup either, so nothing is compared with it.

fn users(connection: &mut AnyConnection) -> QueryResult<Vec<StandingUser>> {
    let sql = "SELECT id, username, status FROM users ORDER BY id";
    let rows: Vec<UserRow> = each!(connection, inner => diesel::sql_query(sql).load(inner))?;
    let users = rows.into_iter().filter_map(|row| {
        Some(StandingUser {
            id: UserId::parse(&row.id).ok()?,
            username: row.username,
            status: UserStatus::parse(&row.status)?,
        })
    });
    Ok(users.collect())
}

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    expires_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    revoked_at: Option<i64>,
}

fn keys(connection: &mut AnyConnection) -> QueryResult<Vec<StandingKey>> {
    let sql = "SELECT id, user_id, name, expires_at, revoked_at FROM api_keys \
               WHERE kind <> 'login' ORDER BY created_at, id";
    let rows: Vec<KeyRow> = each!(connection, inner => diesel::sql_query(sql).load(inner))?;
    let keys = rows.into_iter().filter_map(|row| {
        Some(StandingKey {
            id: ApiKeyId::parse(&row.id)?,
            user: UserId::parse(&row.user_id).ok()?,
            name: row.name,
            expires_at: row.expires_at.map(Timestamp),
            revoked_at: row.revoked_at.map(Timestamp),
        })
    });
    Ok(keys.collect())
}

#[derive(QueryableByName)]
struct FrozenRow {
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = BigInt)]
    frozen_at: i64,
}

fn frozen(connection: &mut AnyConnection) -> QueryResult<Vec<FrozenAgent>> {
    let sql = "SELECT user_id, frozen_at FROM agents WHERE frozen_at IS NOT NULL";
    let rows: Vec<FrozenRow> = each!(connection, inner => diesel::sql_query(sql).load(inner))?;
    let agents = rows.into_iter().filter_map(|row| {
        Some(FrozenAgent {
            id: UserId::parse(&row.user_id).ok()?,
            frozen_at: Timestamp(row.frozen_at),
        })
    });
    Ok(agents.collect())
}

#[derive(QueryableByName)]
struct CodeRow {
    #[diesel(sql_type = Text)]
    user_id: String,
    #[diesel(sql_type = Text)]
    mac: String,
}

fn codes(connection: &mut AnyConnection) -> QueryResult<Vec<KeptCode>> {
    let sql = "SELECT user_id, mac FROM recovery_codes";
    let rows: Vec<CodeRow> = each!(connection, inner => diesel::sql_query(sql).load(inner))?;
    let codes = rows.into_iter().filter_map(|row| {
        Some(KeptCode {
            user: UserId::parse(&row.user_id).ok()?,
            mac: Mac::from_stored(&row.mac)?,
        })
    });
    Ok(codes.collect())
}

fn key_states(connection: &mut AnyConnection) -> QueryResult<Vec<(KeyId, KeyState)>> {
    let rows: Vec<(String, String)> = key_checks::table
        .select((key_checks::kid, key_checks::state))
        .load(connection)?;
    let states = rows.into_iter();
    Ok(states
        .filter_map(|(kid, state)| Some((KeyId::parse(&kid)?, KeyState::parse(&state)?)))
        .collect())
}

/// How long a node counts as serving after it has said so.
const NODE_SECONDS: i64 = 30;
