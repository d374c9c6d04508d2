use std::collections::BTreeMap;

use diesel::prelude::*;
use keyward_auth::{
    ApiKeyRecord, ApiKeys, KeyCursor, KeyName, KeyWithOwner, ListedKey, Scopes, UserId,
};
use keyward_core::{LegacyId, StoreError, Timestamp};
use keyward_crypto::{ApiKeyId, ApiKeyKind, Mac, Signed};

use crate::DieselTx;
use crate::connection::{AnyConnection, each};
use crate::first::{cut, first};
use crate::schema::{api_keys, users};
use crate::stored::{self, RowMac};
use crate::users::UserRow;

impl ApiKeys for DieselTx {
    fn add_api_key(&mut self, key: &Signed<ApiKeyRecord>) -> Result<(), StoreError> {
        let row = NewKey::from(key);
        self.run(|connection| {
            diesel::insert_into(api_keys::table)
                .values(&row)
                .execute(connection)
        })?;
        Ok(())
    }

    fn key_with_owner(&mut self, id: ApiKeyId) -> Result<Option<KeyWithOwner>, StoreError> {
        let row = self.run(|connection| key_and_owner(id.as_str(), connection))?;
        row.map(|(key, owner, sponsor)| {
            let ListedKey { key, last_used_at } = key.try_into()?;
            Ok(KeyWithOwner {
                key,
                owner: owner.try_into()?,
                sponsor: sponsor.map(Signed::try_from).transpose()?,
                last_used_at,
            })
        })
        .transpose()
    }

    fn api_keys_of(
        &mut self,
        user: UserId,
        after: Option<KeyCursor>,
        limit: i64,
    ) -> Result<Vec<ListedKey>, StoreError> {
        let (created_at, id) = match &after {
            Some(cursor) => (cursor.created_at.0, cursor.id.as_str()),
            None => (i64::MIN, ""),
        };
        let rows: Vec<KeyRow> = self.run(|connection| {
            each!(connection, inner => api_keys::table
                .filter(api_keys::user_id.eq(user.to_string()))
                .filter(api_keys::created_at.ge(created_at))
                .filter(api_keys::created_at.gt(created_at).or(api_keys::id.gt(id)))
                .order(first(limit, (api_keys::created_at, api_keys::id)))
                .select(KeyRow::as_select())
                .load(inner))
        })?;
        cut(rows, limit)
            .into_iter()
            .map(ListedKey::try_from)
            .collect()
    }

    fn live_sessions(
        &mut self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Vec<Signed<ApiKeyRecord>>, StoreError> {
        let is_open = api_keys::expires_at
            .is_null()
            .or(api_keys::expires_at.gt(now.0).assume_not_null());
        self.run(|connection| {
            api_keys::table
                .filter(api_keys::user_id.eq(user.to_string()))
                .filter(api_keys::kind.eq(ApiKeyKind::Login.as_str()))
                .filter(api_keys::revoked_at.is_null().and(is_open))
                .order(api_keys::id)
                .select(KeyRow::as_select())
                .load(connection)
        })?
        .into_iter()
        .map(|row| ListedKey::try_from(row).map(|listed| listed.key))
        .collect()
    }

    fn replace_api_key(
        &mut self,
        old: &Mac,
        new: &Signed<ApiKeyRecord>,
    ) -> Result<bool, StoreError> {
        let row = NewKey::from(new);
        let replaced = self.run(|connection| {
            diesel::update(api_keys::table.find(row.id))
                .filter(api_keys::row_mac.eq(old.as_stored()))
                .set(&row)
                .execute(connection)
        })?;
        Ok(replaced == 1)
    }

    fn touch_api_keys(&mut self, used: &[(ApiKeyId, Timestamp)]) -> Result<(), StoreError> {
        let mut latest = BTreeMap::new();
        for (id, at) in used {
            let known = latest.entry(*id).or_insert(at.0);
            *known = at.0.max(*known);
        }
        self.run(|connection| match connection {
            #[cfg(feature = "sqlite")]
            AnyConnection::Sqlite(inner) => touch_one_by_one(&latest, inner),
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(inner) => touch_together(&latest, inner),
        })
    }
}

/// The question of every request (`benches/authenticate_query.rs`), asked on the connection inside:
/// through [`AnyConnection`] it takes twice as long on SQLite.
///
/// Not `first`, which adds `LIMIT ?`: SQLite throws a plan away whenever a limit is bound, so that
/// the prepared statement would be compiled again for every request.
fn key_and_owner(
    id: &str,
    connection: &mut AnyConnection,
) -> QueryResult<Option<(KeyRow, UserRow, Option<UserRow>)>> {
    let sponsors = diesel::alias!(users as sponsors);
    let sponsor_id = sponsors.field(users::id).nullable();
    each!(connection, inner => api_keys::table
        .find(id)
        .inner_join(users::table)
        .left_join(sponsors.on(sponsor_id.eq(users::owner_id)))
        .select((
            KeyRow::as_select(),
            UserRow::as_select(),
            sponsors.fields(users::all_columns).nullable(),
        ))
        .get_result(inner)
        .optional())
}

#[cfg(feature = "sqlite")]
fn touch_one_by_one(
    latest: &BTreeMap<ApiKeyId, i64>,
    connection: &mut SqliteConnection,
) -> QueryResult<()> {
    for (id, at) in latest {
        let is_later = api_keys::last_used_at
            .is_null()
            .or(api_keys::last_used_at.lt(at).assume_not_null());
        diesel::update(api_keys::table.find(id.as_str()).filter(is_later))
            .set(api_keys::last_used_at.eq(at))
            .execute(connection)?;
    }
    Ok(())
}

/// One round trip for all. The rows are locked in the order of their ids, so that two nodes that
/// touch the same keys do not wait for each other.
#[cfg(feature = "postgres")]
fn touch_together(
    latest: &BTreeMap<ApiKeyId, i64>,
    connection: &mut PgConnection,
) -> QueryResult<()> {
    use diesel::sql_types::{Array, BigInt, Text};

    let ids: Vec<&str> = latest.keys().map(ApiKeyId::as_str).collect();
    let times: Vec<i64> = latest.values().copied().collect();
    diesel::sql_query(
        "WITH used AS (SELECT unnest($1) AS id, unnest($2) AS at), \
              locked AS MATERIALIZED ( \
                  SELECT api_keys.id FROM api_keys JOIN used USING (id) \
                  ORDER BY api_keys.id FOR UPDATE OF api_keys) \
         UPDATE api_keys SET last_used_at = used.at FROM used JOIN locked USING (id) \
         WHERE api_keys.id = used.id \
           AND (api_keys.last_used_at IS NULL OR api_keys.last_used_at < used.at)",
    )
    .bind::<Array<Text>, _>(ids)
    .bind::<Array<BigInt>, _>(times)
    .execute(connection)
    .map(drop)
}

/// Without `last_used_at`, which only [`ApiKeys::touch_api_keys`] writes.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = api_keys, treat_none_as_null = true)]
struct NewKey<'a> {
    id: &'a str,
    kind: &'a str,
    user_id: String,
    name: &'a str,
    scopes: String,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    key_mac: String,
    row_mac: String,
    fresh_until: Option<i64>,
    legacy_id: Option<i64>,
}

impl<'a> From<&'a Signed<ApiKeyRecord>> for NewKey<'a> {
    fn from(signed: &'a Signed<ApiKeyRecord>) -> Self {
        let key = signed.unverified();
        Self {
            id: key.id.as_str(),
            kind: key.kind.as_str(),
            user_id: key.user.to_string(),
            name: key.name.as_str(),
            scopes: key.scopes.to_string(),
            created_at: key.created_at.0,
            expires_at: key.expires_at.map(|at| at.0),
            revoked_at: key.revoked_at.map(|at| at.0),
            key_mac: key.key_mac.as_stored(),
            row_mac: signed.mac().as_stored(),
            fresh_until: key.fresh_until.map(|at| at.0),
            legacy_id: key.legacy_id.map(|id| id.0),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys)]
pub(crate) struct KeyRow {
    id: String,
    kind: String,
    user_id: String,
    name: String,
    scopes: String,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
    key_mac: String,
    row_mac: String,
    fresh_until: Option<i64>,
    legacy_id: Option<i64>,
}

impl TryFrom<KeyRow> for ListedKey {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        let mut mac = RowMac::of(&row.row_mac);
        let record = ApiKeyRecord {
            id: stored::known(ApiKeyId::parse(&row.id), "api_keys.id")?,
            kind: mac.covers(ApiKeyKind::parse(&row.kind), ApiKeyKind::User),
            user: stored::id(&row.user_id, "api_keys.user_id")?,
            name: KeyName::from_stored(row.name),
            scopes: mac.covers(Scopes::from_stored(&row.scopes).ok(), Scopes::NONE),
            created_at: Timestamp(row.created_at),
            expires_at: row.expires_at.map(Timestamp),
            revoked_at: row.revoked_at.map(Timestamp),
            fresh_until: row.fresh_until.map(Timestamp),
            legacy_id: row.legacy_id.map(LegacyId),
            key_mac: stored::mac(&row.key_mac),
        };
        Ok(Self {
            key: mac.over(record),
            last_used_at: row.last_used_at.map(Timestamp),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use diesel::connection::InstrumentationEvent;

    use super::*;
    use crate::connection::Access;
    use crate::testing::TestDatabase;

    fn assert_prepared_once(database: &TestDatabase) {
        let mut tx = database.store().open(Access::Read).unwrap();
        let prepared = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&prepared);
        tx.run(|connection| {
            connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if let InstrumentationEvent::CacheQuery { sql, .. } = event {
                    seen.lock().unwrap().push(sql.to_owned());
                }
            });
            Ok(())
        })
        .unwrap();

        for text in ["0000000000000001", "0000000000000002", "0000000000000003"] {
            let id = ApiKeyId::parse(text).unwrap();
            assert!(tx.key_with_owner(id).unwrap().is_none());
        }

        let prepared = prepared.lock().unwrap();
        assert_eq!(prepared.len(), 1, "{prepared:?}");
        assert!(!prepared[0].contains("LIMIT"), "{prepared:?}");
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite_prepares_the_question_of_every_request_once() {
        assert_prepared_once(&TestDatabase::sqlite());
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn postgresql_prepares_the_question_of_every_request_once() {
        if let Some(database) = TestDatabase::postgres() {
            assert_prepared_once(&database);
        }
    }
}
