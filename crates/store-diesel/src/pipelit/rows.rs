//! The tables of Pipelit. A boolean is read as text: `0` and `1` of SQLite, `true` of PostgreSQL.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use keyward_crypto::SecretText;
use keyward_pipelit::{
    CredentialRow, GatewayRow, GitRow, KeyRow, LlmRow, TelegramRow, ToolRow, UserRow, WorkspaceRow,
};

use super::columns::Column::{Number, Text as Words};
use super::columns::Columns;

/// Declares a row of numbers and texts, all of which can be NULL.
macro_rules! row {
    ($row:ident { $($number:ident),* ; $($text:ident),* $(,)? }) => {
        #[derive(QueryableByName)]
        struct $row {
            $(#[diesel(sql_type = Nullable<BigInt>)]
            $number: Option<i64>,)*
            $(#[diesel(sql_type = Nullable<Text>)]
            $text: Option<String>,)*
        }
    };
}

row!(StoredUser {
    id, created_by, totp_last_used_at;
    username, password_hash, first_name, last_name, external_user_id, telegram_user_id, created_at,
    role, is_agent, totp_secret, mfa_enabled,
});
row!(StoredKey {
    id, user_id;
    key, name, prefix, created_at, last_used_at, expires_at, is_active,
});
row!(StoredBase { id, user_id; name, created_at, updated_at });
row!(StoredLlm { credential; provider, api_key, base_url, organization_id, custom_headers });
row!(StoredGit {
    credential;
    provider, auth, ssh_private_key, access_token, username, webhook_secret,
});
row!(StoredGateway { credential; gateway_credential_id, adapter });
row!(StoredTool { credential; tool_type, config });
row!(StoredTelegram { credential; bot_token, allowed_user_ids });
row!(StoredWorkspace { id, user_id; name, env_vars });

pub(super) fn users(columns: &mut Columns<'_>) -> QueryResult<Vec<UserRow>> {
    let rows: Vec<StoredUser> = columns.load(
        "user_profiles",
        "id",
        &[
            Number("id", "id"),
            Number("created_by_agent_id", "created_by"),
            Number("totp_last_used_at", "totp_last_used_at"),
            Words("username", "username"),
            Words("password_hash", "password_hash"),
            Words("first_name", "first_name"),
            Words("last_name", "last_name"),
            Words("external_user_id", "external_user_id"),
            Words("telegram_user_id", "telegram_user_id"),
            Words("created_at", "created_at"),
            Words("role", "role"),
            Words("is_agent", "is_agent"),
            Words("totp_secret", "totp_secret"),
            Words("mfa_enabled", "mfa_enabled"),
        ],
    )?;
    let rows = rows.into_iter().map(|row| UserRow {
        // The older of both columns is left behind where it could not be dropped.
        is_external: is_set(row.external_user_id.as_deref())
            || is_set(row.telegram_user_id.as_deref()),
        id: row.id.unwrap_or_default(),
        username: row.username.unwrap_or_default(),
        password_hash: row.password_hash.map(SecretText::new),
        first_name: row.first_name,
        last_name: row.last_name,
        created_at: row.created_at,
        role: row.role,
        is_agent: is_true(row.is_agent.as_deref()),
        created_by: row.created_by,
        totp_secret: row.totp_secret.map(SecretText::new),
        mfa_enabled: is_true(row.mfa_enabled.as_deref()),
        totp_last_used_at: row.totp_last_used_at,
    });
    Ok(rows.collect())
}

pub(super) fn api_keys(columns: &mut Columns<'_>) -> QueryResult<Vec<KeyRow>> {
    // Older versions cannot switch a key off.
    let can_be_inactive = columns.has("api_keys", "is_active")?;
    let rows: Vec<StoredKey> = columns.load(
        "api_keys",
        "id",
        &[
            Number("id", "id"),
            Number("user_id", "user_id"),
            Words("key", "key"),
            Words("name", "name"),
            Words("prefix", "prefix"),
            Words("created_at", "created_at"),
            Words("last_used_at", "last_used_at"),
            Words("expires_at", "expires_at"),
            Words("is_active", "is_active"),
        ],
    )?;
    let rows = rows.into_iter().map(|row| KeyRow {
        id: row.id.unwrap_or_default(),
        user_id: row.user_id,
        key: SecretText::new(row.key.unwrap_or_default()),
        name: row.name,
        prefix: row.prefix,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
        is_active: !can_be_inactive || is_true(row.is_active.as_deref()),
    });
    Ok(rows.collect())
}

pub(super) fn credentials(columns: &mut Columns<'_>) -> QueryResult<Vec<CredentialRow>> {
    let rows: Vec<StoredBase> = columns.load(
        "credentials",
        "id",
        &[
            Number("id", "id"),
            Number("user_profile_id", "user_id"),
            Words("name", "name"),
            Words("created_at", "created_at"),
            Words("updated_at", "updated_at"),
        ],
    )?;
    let rows = rows.into_iter().map(|row| CredentialRow {
        id: row.id.unwrap_or_default(),
        user_id: row.user_id,
        name: row.name,
        created_at: row.created_at,
        updated_at: row.updated_at,
    });
    Ok(rows.collect())
}

pub(super) fn llm(columns: &mut Columns<'_>) -> QueryResult<Vec<LlmRow>> {
    let rows: Vec<StoredLlm> = columns.load(
        "llm_credentials",
        "id",
        &[
            OF_CREDENTIAL,
            Words("provider_type", "provider"),
            Words("api_key", "api_key"),
            Words("base_url", "base_url"),
            Words("organization_id", "organization_id"),
            Words("custom_headers", "custom_headers"),
        ],
    )?;
    let rows = rows.into_iter().map(|row| LlmRow {
        credential: row.credential.unwrap_or_default(),
        provider: row.provider,
        api_key: row.api_key.map(SecretText::new),
        base_url: row.base_url,
        organization_id: row.organization_id,
        custom_headers: row.custom_headers.map(SecretText::new),
    });
    Ok(rows.collect())
}

pub(super) fn git(columns: &mut Columns<'_>) -> QueryResult<Vec<GitRow>> {
    let rows: Vec<StoredGit> = columns.load(
        "git_credentials",
        "id",
        &[
            OF_CREDENTIAL,
            Words("provider", "provider"),
            Words("credential_type", "auth"),
            Words("ssh_private_key", "ssh_private_key"),
            Words("access_token", "access_token"),
            Words("username", "username"),
            Words("webhook_secret", "webhook_secret"),
        ],
    )?;
    let rows = rows.into_iter().map(|row| GitRow {
        credential: row.credential.unwrap_or_default(),
        provider: row.provider,
        auth: row.auth,
        ssh_private_key: row.ssh_private_key.map(SecretText::new),
        access_token: row.access_token.map(SecretText::new),
        username: row.username,
        webhook_secret: row.webhook_secret.map(SecretText::new),
    });
    Ok(rows.collect())
}

pub(super) fn gateway(columns: &mut Columns<'_>) -> QueryResult<Vec<GatewayRow>> {
    let rows: Vec<StoredGateway> = columns.load(
        "gateway_credentials",
        "id",
        &[
            OF_CREDENTIAL,
            Words("gateway_credential_id", "gateway_credential_id"),
            Words("adapter_type", "adapter"),
        ],
    )?;
    let rows = rows.into_iter().map(|row| GatewayRow {
        credential: row.credential.unwrap_or_default(),
        gateway_credential_id: row.gateway_credential_id.map(SecretText::new),
        adapter: row.adapter,
    });
    Ok(rows.collect())
}

pub(super) fn tool(columns: &mut Columns<'_>) -> QueryResult<Vec<ToolRow>> {
    let rows: Vec<StoredTool> = columns.load(
        "tool_credentials",
        "id",
        &[
            OF_CREDENTIAL,
            Words("tool_type", "tool_type"),
            Words("config", "config"),
        ],
    )?;
    let rows = rows.into_iter().map(|row| ToolRow {
        credential: row.credential.unwrap_or_default(),
        tool_type: row.tool_type,
        config: row.config.map(SecretText::new),
    });
    Ok(rows.collect())
}

pub(super) fn telegram(columns: &mut Columns<'_>) -> QueryResult<Vec<TelegramRow>> {
    let rows: Vec<StoredTelegram> = columns.load(
        "telegram_credentials",
        "id",
        &[
            OF_CREDENTIAL,
            Words("bot_token", "bot_token"),
            Words("allowed_user_ids", "allowed_user_ids"),
        ],
    )?;
    let rows = rows.into_iter().map(|row| TelegramRow {
        credential: row.credential.unwrap_or_default(),
        bot_token: row.bot_token.map(SecretText::new),
        allowed_user_ids: row.allowed_user_ids.map(SecretText::new),
    });
    Ok(rows.collect())
}

pub(super) fn workspaces(columns: &mut Columns<'_>) -> QueryResult<Vec<WorkspaceRow>> {
    let owner = columns.first_of("workspaces", &["user_profile_id", "user_id", "owner_id"])?;
    let rows: Vec<StoredWorkspace> = columns.load(
        "workspaces",
        "id",
        &[
            Number("id", "id"),
            Number(owner, "user_id"),
            Words("name", "name"),
            Words("env_vars", "env_vars"),
        ],
    )?;
    let rows = rows.into_iter().map(|row| WorkspaceRow {
        id: row.id.unwrap_or_default(),
        name: row.name,
        user_id: row.user_id,
        env_vars: row.env_vars.map(SecretText::new),
    });
    Ok(rows.collect())
}

fn is_set(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

fn is_true(text: Option<&str>) -> bool {
    matches!(text, Some("1" | "true" | "t"))
}

const OF_CREDENTIAL: super::columns::Column = Number("base_credentials_id", "credential");
