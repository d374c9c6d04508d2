use keyward_agents::AgentRecord;
use keyward_auth::{ApiKeyRecord, User};
use keyward_core::{StoreError, Timestamp};
use keyward_credentials::Credential;
use keyward_crypto::{ApiKeyId, EncryptedString, KeyId, Mac, MacRing, Signable, Signed};

/// Every column with MACs that somebody needs for longer than a day.
///
/// What is missing here is not counted, and lost when its secret is retired. Not here are those that
/// end by themselves (tickets, repeated requests, counts of passwords) and the audit log, which
/// keeps its MACs; see [`MacRing::audit_key`]. A test compares this list with the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacColumn {
    /// The rows of users.
    UserRow,
    /// The rows of API keys.
    ApiKeyRow,
    /// The rows of credentials.
    CredentialRow,
    /// The rows of agents.
    AgentRow,
    /// The secrets of API keys that work. Made anew when the key is used, because nobody else has
    /// the secret.
    ApiKeySecret,
    /// Recovery codes. Nobody can make them anew but the person, by new codes.
    RecoveryCode,
}

impl MacColumn {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::UserRow,
        Self::ApiKeyRow,
        Self::CredentialRow,
        Self::AgentRow,
        Self::ApiKeySecret,
        Self::RecoveryCode,
    ];

    /// Those that can be made anew at any time, in the order in which they are.
    pub const ROWS: [Self; 4] = [
        Self::UserRow,
        Self::ApiKeyRow,
        Self::CredentialRow,
        Self::AgentRow,
    ];

    /// The table.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::UserRow => "users",
            Self::ApiKeyRow | Self::ApiKeySecret => "api_keys",
            Self::CredentialRow => "credentials",
            Self::AgentRow => "agents",
            Self::RecoveryCode => "recovery_codes",
        }
    }

    /// The column in it.
    #[must_use]
    pub fn column(self) -> &'static str {
        match self {
            Self::UserRow | Self::ApiKeyRow | Self::CredentialRow | Self::AgentRow => "row_mac",
            Self::ApiKeySecret => "key_mac",
            Self::RecoveryCode => "mac",
        }
    }
}

/// A row with a MAC over it, of any of the tables that have one.
#[derive(Clone, Debug)]
pub enum SignedRow {
    /// A user.
    User(Signed<User>),
    /// An API key.
    ApiKey(Signed<ApiKeyRecord>),
    /// A credential.
    Credential(Signed<Credential>),
    /// An agent.
    Agent(Signed<AgentRecord>),
}

impl SignedRow {
    /// The column of its MAC.
    #[must_use]
    pub fn column(&self) -> MacColumn {
        match self {
            Self::User(_) => MacColumn::UserRow,
            Self::ApiKey(_) => MacColumn::ApiKeyRow,
            Self::Credential(_) => MacColumn::CredentialRow,
            Self::Agent(_) => MacColumn::AgentRow,
        }
    }

    /// The id of the row.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::User(row) => row.unverified().id.to_string(),
            Self::ApiKey(row) => row.unverified().id.to_string(),
            Self::Credential(row) => row.unverified().id.to_string(),
            Self::Agent(row) => row.unverified().lineage.agent().to_string(),
        }
    }

    /// The MAC that it carries.
    #[must_use]
    pub fn mac(&self) -> &Mac {
        match self {
            Self::User(row) => row.mac(),
            Self::ApiKey(row) => row.mac(),
            Self::Credential(row) => row.mac(),
            Self::Agent(row) => row.mac(),
        }
    }

    /// The MAC of the same row under the active secret; `None` where the row is not genuine. Such a
    /// row must not become genuine by being signed anew.
    #[must_use]
    pub fn signed_anew(&self, macs: &MacRing) -> Option<Mac> {
        match self {
            Self::User(row) => anew(row, macs),
            Self::ApiKey(row) => anew(row, macs),
            Self::Credential(row) => anew(row, macs),
            Self::Agent(row) => anew(row, macs),
        }
    }
}

fn anew<T: Signable + Clone>(row: &Signed<T>, macs: &MacRing) -> Option<Mac> {
    let row = row.clone().verify(macs).ok()?;
    Some(Signed::sign(row, macs).mac().clone())
}

/// Every stored MAC, whatever it covers, inside a unit of work.
///
/// A store refuses to write a MAC, or an event of the audit log, by a secret which is retired, also
/// when it is retired at the same moment. It is [`StoreError::Unavailable`]: a node that has not
/// heard yet which secret is active will have a moment later.
pub trait SignedRows {
    /// How many MACs of a column are by which secret; `None` for those that name none. Of
    /// [`MacColumn::ApiKeySecret`] only keys that work at `now`.
    fn mac_counts(
        &mut self,
        column: MacColumn,
        now: Timestamp,
    ) -> Result<Vec<(Option<KeyId>, u64)>, StoreError>;

    /// Up to `limit` rows of one of [`MacColumn::ROWS`] whose MAC is not by `kid`, behind the row
    /// `after` in the order of ids. Of other columns none.
    fn signed_not_under(
        &mut self,
        column: MacColumn,
        kid: &KeyId,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<SignedRow>, StoreError>;

    /// Writes `new` over a MAC that is still the one that was read, and says whether it was.
    fn sign_anew(&mut self, row: &SignedRow, new: &Mac) -> Result<bool, StoreError>;

    /// Up to `limit` API keys that work at `now` and whose secret has a MAC by `kid`, behind `after`
    /// in the order of ids.
    fn api_keys_by_secret(
        &mut self,
        kid: &KeyId,
        now: Timestamp,
        after: Option<ApiKeyId>,
        limit: i64,
    ) -> Result<Vec<Signed<ApiKeyRecord>>, StoreError>;

    /// Drops the recovery codes whose MAC is by `kid`, and says how many.
    fn drop_recovery_codes_by(&mut self, kid: &KeyId) -> Result<u64, StoreError>;

    /// Keeps the sealed [audit key](MacRing::audit_key) of a secret.
    fn keep_audit_key(&mut self, kid: &KeyId, sealed: &EncryptedString) -> Result<(), StoreError>;

    /// The audit keys of retired secrets.
    fn audit_keys(&mut self) -> Result<Vec<(KeyId, EncryptedString)>, StoreError>;
}
