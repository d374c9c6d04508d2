use diesel::prelude::*;
use keyward_auth::UserId;
use keyward_core::{LegacyId, StoreError, Timestamp};
use keyward_credentials::{
    Credential, CredentialId, CredentialName, CredentialType, Credentials, FieldPath, KeptRules,
    Legacy, OpenFields, SecretField, StoredCredential,
};
use keyward_crypto::{EncryptedString, Mac, Signed};

use crate::DieselTx;
use crate::connection::each;
use crate::first::{cut, first};
use crate::schema::{credential_secrets, credentials};
use crate::stored::{self, RowMac};

/// Loads the credentials whose ids a query gives, with their secrets. For each connection apart: a list has
/// many columns, and the way around costs on each.
macro_rules! with_secrets {
    ($tx:expr, $ids:expr) => {
        $tx.run(|connection| {
            each!(connection, inner => credentials::table
                .left_join(credential_secrets::table)
                .filter(credentials::id.eq_any($ids))
                .order((credentials::id, credential_secrets::field))
                .select(Row::as_select())
                .load(inner))
        })
    };
}

impl Credentials for DieselTx {
    fn add_credential(&mut self, new: &StoredCredential) -> Result<(), StoreError> {
        let row = NewCredential::from(&new.credential);
        self.run(|connection| {
            diesel::insert_into(credentials::table)
                .values(&row)
                .execute(connection)
        })?;
        for field in &new.secrets {
            let secret = NewSecret::of(&row.id, field);
            self.run(|connection| {
                diesel::insert_into(credential_secrets::table)
                    .values(&secret)
                    .execute(connection)
            })?;
        }
        Ok(())
    }

    fn credential(&mut self, id: CredentialId) -> Result<Option<StoredCredential>, StoreError> {
        let rows = self.run(|connection| {
            credentials::table
                .left_join(credential_secrets::table)
                .filter(credentials::id.eq(id.to_string()))
                .order(credential_secrets::field)
                .select(Row::as_select())
                .load(connection)
        })?;
        Ok(collect(rows)?.pop())
    }

    fn credential_by_legacy(
        &mut self,
        legacy: Legacy,
    ) -> Result<Option<StoredCredential>, StoreError> {
        let rows = self.run(|connection| match legacy {
            Legacy::Credential(id) => credentials::table
                .left_join(credential_secrets::table)
                .filter(credentials::legacy_id.eq(id.0))
                .order(credential_secrets::field)
                .select(Row::as_select())
                .load(connection),
            Legacy::Workspace(id) => credentials::table
                .left_join(credential_secrets::table)
                .filter(credentials::legacy_workspace_id.eq(id.0))
                .order(credential_secrets::field)
                .select(Row::as_select())
                .load(connection),
        })?;
        Ok(collect(rows)?.pop())
    }

    fn credentials_named(
        &mut self,
        name: &CredentialName,
        created_by: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<StoredCredential>, StoreError> {
        let page = diesel::alias!(credentials as page);
        let named = page
            .filter(page.field(credentials::name).eq(name.as_str()))
            .order(first(limit, page.field(credentials::id)))
            .select(page.field(credentials::id));
        let rows = match created_by {
            None => with_secrets!(self, named),
            Some(user) => {
                let named = named.filter(page.field(credentials::created_by).eq(user.to_string()));
                with_secrets!(self, named)
            }
        }?;
        Ok(cut(collect(rows)?, limit))
    }

    fn credentials_after(
        &mut self,
        after: Option<CredentialId>,
        created_by: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<StoredCredential>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let page = diesel::alias!(credentials as page);
        let ids = page
            .filter(page.field(credentials::id).gt(after))
            .order(first(limit, page.field(credentials::id)))
            .select(page.field(credentials::id));
        let rows = match created_by {
            None => with_secrets!(self, ids),
            Some(user) => {
                let ids = ids.filter(page.field(credentials::created_by).eq(user.to_string()));
                with_secrets!(self, ids)
            }
        }?;
        Ok(cut(collect(rows)?, limit))
    }

    fn replace_credential(
        &mut self,
        old: &Mac,
        new: &Signed<Credential>,
    ) -> Result<bool, StoreError> {
        let row = NewCredential::from(new);
        let replaced = self.run(|connection| {
            diesel::update(credentials::table.find(&row.id))
                .filter(credentials::row_mac.eq(old.as_stored()))
                .set(&row)
                .execute(connection)
        })?;
        Ok(replaced == 1)
    }

    fn put_secret(&mut self, id: CredentialId, field: &SecretField) -> Result<(), StoreError> {
        let id = id.to_string();
        let secret = NewSecret::of(&id, field);
        self.run(|connection| {
            each!(connection, inner => diesel::insert_into(credential_secrets::table)
                .values(&secret)
                .on_conflict((credential_secrets::credential_id, credential_secrets::field))
                .do_update()
                .set(&secret)
                .execute(inner))
        })?;
        Ok(())
    }

    fn drop_secret(&mut self, id: CredentialId, path: &FieldPath) -> Result<(), StoreError> {
        self.run(|connection| {
            diesel::delete(credential_secrets::table.find((id.to_string(), path.as_str())))
                .execute(connection)
        })?;
        Ok(())
    }

    fn delete_credential(&mut self, id: CredentialId) -> Result<bool, StoreError> {
        let deleted = self.run(|connection| {
            diesel::delete(credentials::table.find(id.to_string())).execute(connection)
        })?;
        Ok(deleted == 1)
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = credentials, treat_none_as_null = true)]
struct NewCredential<'a> {
    id: String,
    name: &'a str,
    credential_type: &'a str,
    created_by: String,
    open_fields: &'a str,
    created_at: i64,
    updated_at: i64,
    version: i64,
    row_mac: String,
    legacy_id: Option<i64>,
    legacy_workspace_id: Option<i64>,
    broker: Option<&'a str>,
}

impl<'a> From<&'a Signed<Credential>> for NewCredential<'a> {
    fn from(signed: &'a Signed<Credential>) -> Self {
        let credential = signed.unverified();
        Self {
            id: credential.id.to_string(),
            name: credential.name.as_str(),
            credential_type: credential.credential_type.as_str(),
            created_by: credential.created_by.to_string(),
            open_fields: credential.open_fields.as_stored(),
            created_at: credential.created_at.0,
            updated_at: credential.updated_at.0,
            version: credential.version,
            row_mac: signed.mac().as_stored(),
            legacy_id: credential
                .legacy
                .and_then(Legacy::credential)
                .map(|id| id.0),
            legacy_workspace_id: credential.legacy.and_then(Legacy::workspace).map(|id| id.0),
            broker: credential.broker.as_ref().map(KeptRules::as_stored),
        }
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = credential_secrets, treat_none_as_null = true)]
struct NewSecret<'a> {
    credential_id: &'a str,
    field: &'a str,
    sealed: &'a EncryptedString,
    last4: Option<&'a str>,
}

impl<'a> NewSecret<'a> {
    fn of(credential_id: &'a str, field: &'a SecretField) -> Self {
        Self {
            credential_id,
            field: field.path.as_str(),
            sealed: &field.sealed,
            last4: field.last4.as_deref(),
        }
    }
}

/// A credential beside one of its secret fields.
#[derive(Queryable, Selectable)]
#[diesel(table_name = credentials)]
struct Row {
    #[diesel(embed)]
    credential: CredentialRow,
    #[diesel(embed)]
    secret: Option<SecretRow>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = credentials)]
pub(crate) struct CredentialRow {
    id: String,
    name: String,
    credential_type: String,
    created_by: String,
    open_fields: String,
    created_at: i64,
    updated_at: i64,
    version: i64,
    row_mac: String,
    legacy_id: Option<i64>,
    legacy_workspace_id: Option<i64>,
    broker: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = credential_secrets)]
struct SecretRow {
    field: String,
    sealed: EncryptedString,
    last4: Option<String>,
}

/// Rows of one credential follow each other.
fn collect(rows: Vec<Row>) -> Result<Vec<StoredCredential>, StoreError> {
    let mut collected: Vec<StoredCredential> = Vec::new();
    let mut last_id = String::new();
    for Row { credential, secret } in rows {
        if collected.is_empty() || credential.id != last_id {
            last_id.clone_from(&credential.id);
            collected.push(StoredCredential {
                credential: credential.try_into()?,
                secrets: Vec::new(),
            });
        }
        if let (Some(secret), Some(current)) = (secret, collected.last_mut()) {
            current.secrets.push(secret.into());
        }
    }
    Ok(collected)
}

impl TryFrom<CredentialRow> for Signed<Credential> {
    type Error = StoreError;

    fn try_from(row: CredentialRow) -> Result<Self, StoreError> {
        let mut mac = RowMac::of(&row.row_mac);
        let credential_type = CredentialType::parse(&row.credential_type);
        let open_fields = OpenFields::from_stored(row.open_fields);
        let legacy_id = row.legacy_id.map(LegacyId).map(Legacy::Credential);
        let legacy = legacy_id.or(row.legacy_workspace_id.map(LegacyId).map(Legacy::Workspace));
        let broker = row.broker.map(KeptRules::from_stored).transpose();
        let credential = Credential {
            id: stored::id(&row.id, "credentials.id")?,
            name: CredentialName::from_stored(row.name),
            credential_type: mac.covers(credential_type, CredentialType::Generic),
            created_by: stored::id(&row.created_by, "credentials.created_by")?,
            open_fields: mac.covers(open_fields.ok(), OpenFields::default()),
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
            legacy,
            broker: mac.covers(broker.ok(), None),
            version: row.version,
        };
        Ok(mac.over(credential))
    }
}

impl From<SecretRow> for SecretField {
    fn from(row: SecretRow) -> Self {
        Self {
            path: FieldPath::from_stored(row.field),
            sealed: row.sealed,
            last4: row.last4,
        }
    }
}
