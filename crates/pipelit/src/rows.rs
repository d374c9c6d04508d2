use keyward_crypto::SecretText;

/// What is read of a database of Pipelit. Every list is in the order of ids.
///
/// Texts are as they are stored. Every column that holds or may hold a secret is a [`SecretText`].
#[derive(Debug, Default)]
pub struct SourceRows {
    /// `user_profiles`.
    pub users: Vec<UserRow>,
    /// `api_keys`.
    pub api_keys: Vec<KeyRow>,
    /// `credentials`, which have one row each in the tables below.
    pub credentials: Vec<CredentialRow>,
    /// `llm_credentials`.
    pub llm: Vec<LlmRow>,
    /// `git_credentials`.
    pub git: Vec<GitRow>,
    /// `gateway_credentials`.
    pub gateway: Vec<GatewayRow>,
    /// `tool_credentials`.
    pub tool: Vec<ToolRow>,
    /// `telegram_credentials`, of older versions.
    pub telegram: Vec<TelegramRow>,
    /// `workspaces`.
    pub workspaces: Vec<WorkspaceRow>,
}

/// A row of `user_profiles`.
#[derive(Debug, Default)]
pub struct UserRow {
    /// Its number.
    pub id: i64,
    /// The name, as it was typed.
    pub username: String,
    /// A hash of bcrypt; empty where there is no password.
    pub password_hash: Option<SecretText>,
    /// Given name; of agents, what they are for.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Whether it stands for an account elsewhere.
    pub is_external: bool,
    /// When it was made, in UTC.
    pub created_at: Option<String>,
    /// `admin` or `normal`.
    pub role: Option<String>,
    /// Whether an older version marked it as an agent.
    pub is_agent: bool,
    /// The agent that made it.
    pub created_by: Option<i64>,
    /// The secret of the authenticator app: a Fernet token of its base32.
    pub totp_secret: Option<SecretText>,
    /// Whether a second factor is asked for.
    pub mfa_enabled: bool,
    /// The last step whose code was accepted, or one or two more.
    pub totp_last_used_at: Option<i64>,
}

/// A row of `api_keys`.
#[derive(Debug)]
pub struct KeyRow {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub user_id: Option<i64>,
    /// The key, in the clear.
    pub key: SecretText,
    /// What the owner calls it.
    pub name: Option<String>,
    /// Its first eight characters, which Pipelit shows.
    pub prefix: Option<String>,
    /// When it was made, in UTC.
    pub created_at: Option<String>,
    /// When it was last used, in UTC.
    pub last_used_at: Option<String>,
    /// When it ends. The offset that was given is lost.
    pub expires_at: Option<String>,
    /// Whether it works.
    pub is_active: bool,
}

/// A row of `credentials`.
#[derive(Debug, Default)]
pub struct CredentialRow {
    /// Its number.
    pub id: i64,
    /// Who made it.
    pub user_id: Option<i64>,
    /// What it is called.
    pub name: Option<String>,
    /// When it was made, in UTC.
    pub created_at: Option<String>,
    /// When it was last changed, in UTC.
    pub updated_at: Option<String>,
}

/// A row of `llm_credentials`.
#[derive(Debug, Default)]
pub struct LlmRow {
    /// The row of `credentials` that it belongs to.
    pub credential: i64,
    /// Whose models.
    pub provider: Option<String>,
    /// A Fernet token.
    pub api_key: Option<SecretText>,
    /// Where to send it.
    pub base_url: Option<String>,
    /// The organisation.
    pub organization_id: Option<String>,
    /// A JSON object, in the clear.
    pub custom_headers: Option<SecretText>,
}

/// A row of `git_credentials`.
#[derive(Debug, Default)]
pub struct GitRow {
    /// The row of `credentials` that it belongs to.
    pub credential: i64,
    /// Which host.
    pub provider: Option<String>,
    /// How it authenticates.
    pub auth: Option<String>,
    /// A Fernet token.
    pub ssh_private_key: Option<SecretText>,
    /// A Fernet token.
    pub access_token: Option<SecretText>,
    /// The account.
    pub username: Option<String>,
    /// In the clear.
    pub webhook_secret: Option<SecretText>,
}

/// A row of `gateway_credentials`.
#[derive(Debug, Default)]
pub struct GatewayRow {
    /// The row of `credentials` that it belongs to.
    pub credential: i64,
    /// Its id in the gateway, which has the token.
    pub gateway_credential_id: Option<SecretText>,
    /// Which messenger.
    pub adapter: Option<String>,
}

/// A row of `tool_credentials`.
#[derive(Debug, Default)]
pub struct ToolRow {
    /// The row of `credentials` that it belongs to.
    pub credential: i64,
    /// Which tool.
    pub tool_type: Option<String>,
    /// A JSON object, in the clear.
    pub config: Option<SecretText>,
}

/// A row of `telegram_credentials`.
#[derive(Debug, Default)]
pub struct TelegramRow {
    /// The row of `credentials` that it belongs to.
    pub credential: i64,
    /// A Fernet token.
    pub bot_token: Option<SecretText>,
    /// Who may talk to the bot.
    pub allowed_user_ids: Option<SecretText>,
}

/// A row of `workspaces`.
#[derive(Debug, Default)]
pub struct WorkspaceRow {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: Option<String>,
    /// Whose it is.
    pub user_id: Option<i64>,
    /// A JSON list of variables, those with `"source": "raw"` in the clear.
    pub env_vars: Option<SecretText>,
}
