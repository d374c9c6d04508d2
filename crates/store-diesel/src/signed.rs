//! Every column with MACs that somebody needs for long.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use keyward_auth::{ApiKeyRecord, ListedKey};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{ApiKeyId, EncryptedString, KeyId, Mac, Signed};
use keyward_encryption::{MacColumn, SignedRow, SignedRows};

use crate::agents::AgentRow;
use crate::api_keys::KeyRow;
use crate::connection::each;
use crate::credentials::CredentialRow;
use crate::first::{cut, first};
use crate::schema::{agents, api_keys, credentials, key_checks, recovery_codes, users};
use crate::sealed::{Counted, by_key, unless_held};
use crate::users::UserRow;
use crate::{DieselTx, stored};

/// Up to `$limit` rows whose MAC is not by `$kid`, behind `$after`, as signed rows.
macro_rules! not_by {
    ($tx:expr, $table:ident.$id:ident as $row:ty, ($kid:expr, $after:expr, $limit:expr)) => {{
        let rows: Vec<$row> = $tx.run(|connection| {
            each!(connection, inner => $table::table
                .filter($table::$id.gt($after))
                .filter(
                    diesel::dsl::sql::<Bool>(concat!(
                        "substr(", stringify!($table), ".row_mac, 1, 16) <> "
                    ))
                    .bind::<Text, _>($kid.as_str()),
                )
                .order(first($limit, $table::$id))
                .select(<$row>::as_select())
                .load(inner))
        })?;
        cut(rows, $limit).into_iter()
    }};
}

impl SignedRows for DieselTx {
    fn mac_counts(
        &mut self,
        column: MacColumn,
        now: Timestamp,
    ) -> Result<Vec<(Option<KeyId>, u64)>, StoreError> {
        let filter = match column {
            MacColumn::ApiKeySecret => WORKS,
            _ => "$1 = $1",
        };
        let sql = format!(
            "SELECT substr({}, 1, 16) AS kid, count(*) AS rows FROM {} WHERE {filter} \
             GROUP BY 1",
            column.column(),
            column.table()
        );
        let counted: Vec<Counted> = self.run(|connection| {
            each!(connection, inner => diesel::sql_query(sql)
                .bind::<BigInt, _>(now.0)
                .load(inner))
        })?;
        Ok(by_key(counted))
    }

    fn signed_not_under(
        &mut self,
        column: MacColumn,
        kid: &KeyId,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<SignedRow>, StoreError> {
        let after = after.unwrap_or_default();
        match column {
            MacColumn::UserRow => not_by!(self, users.id as UserRow, (kid, after, limit))
                .map(|row| row.try_into().map(SignedRow::User))
                .collect(),
            MacColumn::ApiKeyRow => not_by!(self, api_keys.id as KeyRow, (kid, after, limit))
                .map(|row| ListedKey::try_from(row).map(|listed| SignedRow::ApiKey(listed.key)))
                .collect(),
            MacColumn::CredentialRow => {
                not_by!(self, credentials.id as CredentialRow, (kid, after, limit))
                    .map(|row| row.try_into().map(SignedRow::Credential))
                    .collect()
            }
            MacColumn::AgentRow => not_by!(self, agents.user_id as AgentRow, (kid, after, limit))
                .map(|row| row.try_into().map(SignedRow::Agent))
                .collect(),
            MacColumn::ApiKeySecret | MacColumn::RecoveryCode => Ok(Vec::new()),
        }
    }

    fn sign_anew(&mut self, row: &SignedRow, new: &Mac) -> Result<bool, StoreError> {
        let column = row.column();
        let id = match column {
            MacColumn::AgentRow => "user_id",
            _ => "id",
        };
        let table = column.table();
        let is_same = format!("{id} = $2 AND row_mac = $3");
        let written = self.run(|connection| {
            let place = unless_held(connection, table, &is_same);
            let sql = format!("UPDATE {table} SET row_mac = $1 WHERE {place}");
            each!(connection, inner => diesel::sql_query(sql)
                .bind::<Text, _>(new.as_stored())
                .bind::<Text, _>(row.id())
                .bind::<Text, _>(row.mac().as_stored())
                .execute(inner))
        })?;
        Ok(written == 1)
    }

    fn api_keys_by_secret(
        &mut self,
        kid: &KeyId,
        now: Timestamp,
        after: Option<ApiKeyId>,
        limit: i64,
    ) -> Result<Vec<Signed<ApiKeyRecord>>, StoreError> {
        let after = after.as_ref().map_or("", ApiKeyId::as_str);
        let rows: Vec<KeyRow> = self.run(|connection| {
            each!(connection, inner => api_keys::table
                .filter(
                    diesel::dsl::sql::<Bool>("substr(api_keys.key_mac, 1, 16) = ")
                        .bind::<Text, _>(kid.as_str()),
                )
                .filter(api_keys::id.gt(after))
                .filter(api_keys::revoked_at.is_null())
                .filter(
                    api_keys::expires_at
                        .is_null()
                        .or(api_keys::expires_at.gt(now.0).assume_not_null()),
                )
                .order(first(limit, api_keys::id))
                .select(KeyRow::as_select())
                .load(inner))
        })?;
        cut(rows, limit)
            .into_iter()
            .map(|row| ListedKey::try_from(row).map(|listed| listed.key))
            .collect()
    }

    fn drop_recovery_codes_by(&mut self, kid: &KeyId) -> Result<u64, StoreError> {
        let dropped = self.run(|connection| {
            each!(connection, inner => diesel::delete(recovery_codes::table.filter(
                diesel::dsl::sql::<Bool>("substr(recovery_codes.mac, 1, 16) = ")
                    .bind::<Text, _>(kid.as_str()),
            ))
            .execute(inner))
        })?;
        Ok(u64::try_from(dropped).unwrap_or(0))
    }

    fn keep_audit_key(&mut self, kid: &KeyId, sealed: &EncryptedString) -> Result<(), StoreError> {
        self.run(|connection| {
            diesel::update(key_checks::table.find(kid.as_str()))
                .set(key_checks::audit_key.eq(sealed.as_stored()))
                .execute(connection)
        })
        .map(drop)
    }

    fn audit_keys(&mut self) -> Result<Vec<(KeyId, EncryptedString)>, StoreError> {
        let rows: Vec<(String, String)> = self.run(|connection| {
            key_checks::table
                .filter(key_checks::audit_key.is_not_null())
                .order(key_checks::kid)
                .select((key_checks::kid, key_checks::audit_key.assume_not_null()))
                .load(connection)
        })?;
        rows.into_iter()
            .map(|(kid, sealed)| {
                let kid = stored::known(KeyId::parse(&kid), "key_checks.kid")?;
                Ok((kid, EncryptedString::from_stored(sealed)))
            })
            .collect()
    }
}

const WORKS: &str = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)";
