//! Tokens of webhooks, sealed in a column of a table of one's own.

// Brings SQLite itself.
use libsqlite3_sys as _;

use std::time::{SystemTime, UNIX_EPOCH};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use keyward_crypto::{Context, EncryptedString, KeyRing, OpenError};

diesel::table! {
    webhooks (id) {
        id -> Integer,
        url -> Text,
        token -> Text,
    }
}

/// A webhook as it is stored.
#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = webhooks)]
pub struct Webhook {
    /// Chosen by the caller: the value is bound to it before the row is there.
    pub id: i32,
    /// Where it leads.
    pub url: String,
    /// Opens with [`token`] alone.
    pub token: EncryptedString,
}

/// Makes the table. The `CHECK` keeps plain text out, whoever writes.
pub fn create_table(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.batch_execute(
        "CREATE TABLE webhooks (
            id INTEGER NOT NULL PRIMARY KEY,
            url TEXT NOT NULL,
            token TEXT NOT NULL CHECK (token GLOB 'v1.*')
        ) STRICT",
    )
}

/// Where a token belongs. It opens nowhere else.
fn place(id: i32) -> Context {
    Context::new("webhooks", "token", &id.to_string(), "")
}

/// Keeps a webhook, its token sealed under the newest key.
pub fn add(
    connection: &mut SqliteConnection,
    keys: &KeyRing,
    (id, url, token): (i32, &str, &str),
) -> QueryResult<()> {
    let row = Webhook {
        id,
        url: url.to_owned(),
        token: keys.seal(token, &place(id), now()),
    };
    diesel::insert_into(webhooks::table)
        .values(&row)
        .execute(connection)?;
    Ok(())
}

/// All webhooks, with their tokens as they are stored.
pub fn all(connection: &mut SqliteConnection) -> QueryResult<Vec<Webhook>> {
    webhooks::table
        .select(Webhook::as_select())
        .order(webhooks::id)
        .load(connection)
}

/// The token of a webhook, in the clear.
pub fn token(keys: &KeyRing, webhook: &Webhook) -> Result<String, OpenError> {
    let opened = keys.open(&webhook.token, &place(webhook.id))?;
    Ok(opened.expose().to_owned())
}

/// Seals under the newest key what is under older ones; says how many that were. A row that somebody
/// else has changed meanwhile is left to the next run.
pub fn reseal(
    connection: &mut SqliteConnection,
    keys: &KeyRing,
) -> Result<usize, Box<dyn std::error::Error>> {
    let mut moved = 0;
    for webhook in all(connection)? {
        if webhook.token.key_id() == Some(keys.active()) {
            continue;
        }
        let sealed = keys.seal(&token(keys, &webhook)?, &place(webhook.id), now());
        let unchanged = webhooks::table
            .filter(webhooks::id.eq(webhook.id))
            .filter(webhooks::token.eq(webhook.token.as_stored()));
        moved += diesel::update(unchanged)
            .set(webhooks::token.eq(sealed))
            .execute(connection)?;
    }
    Ok(moved)
}

#[expect(
    clippy::disallowed_methods,
    reason = "where this program takes the time from"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
