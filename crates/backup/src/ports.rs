use std::ops::ControlFlow;

use keyward_auth::{UserId, UserStatus};
use keyward_core::{Source, StoreError, Timestamp};
use keyward_crypto::{ApiKeyId, KeyId, Mac, TotpStep};
use keyward_encryption::KeyState;

/// Everything that is stored, as one moment saw it, inside a unit of work that reads.
pub trait Snapshot {
    /// What there is. Call it first: from here on the unit of work may last longer than others.
    fn contents(&mut self) -> Result<Contents, StoreError>;

    /// Shows every row of a table as one line of JSON, an array of the values of its columns, until
    /// `visit` breaks off. No more than a few rows are in memory at a time.
    ///
    /// A row that another one of its table refers to comes before it.
    fn each_row(
        &mut self,
        table: &Table,
        visit: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;
}

/// What a store has.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The kind of database: `sqlite` or `postgresql`.
    pub database: &'static str,
    /// Every migration that it has seen, in order.
    pub migrations: Vec<String>,
    /// The tables that belong into a backup, each behind those that it refers to. What only
    /// concerns running servers, or must not outlive a restore, is left out.
    pub tables: Vec<Table>,
    /// Tables that are not of Keyward. They are not backed up.
    pub strangers: Vec<String>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in the order in which rows have them.
    pub columns: Vec<String>,
    /// How many rows it has.
    pub rows: u64,
}

/// Loading a backup, inside a unit of work that writes. In this order; when the unit of work fails,
/// everything is as it was.
pub trait Rebuild {
    /// Takes away everything that is stored, makes the tables of the schema that has seen these
    /// migrations, and says which of them a backup of that schema has. They are empty.
    fn rebuild(&mut self, migrations: &[String]) -> Result<Vec<String>, RebuildError>;

    /// Puts rows into a table, in the form of [`Snapshot::each_row`].
    fn load(
        &mut self,
        table: &str,
        columns: &[String],
        rows: &[String],
    ) -> Result<(), RebuildError>;

    /// Brings the schema up to date.
    fn migrate_on(&mut self) -> Result<(), RebuildError>;
}

/// Why a backup was not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// A newer Keyward has made the backup.
    #[error(
        "the backup was made by a newer version of Keyward (unknown migrations: {}); use that \
         version",
        .0.join(", ")
    )]
    NewerBackup(Vec<String>),
    /// A newer Keyward has migrated what would be replaced.
    #[error(
        "the database was migrated by a newer version of Keyward (unknown migrations: {}); use that \
         version",
        .0.join(", ")
    )]
    NewerTarget(Vec<String>),
    /// The schema has no such table, the table has other columns, or refuses a row.
    #[error("the content of the backup does not fit the table {table}")]
    Unfit {
        /// The table.
        table: String,
        /// What it says.
        #[source]
        source: Source,
    },
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a restore would replace, inside a unit of work that writes.
pub trait Replaced {
    /// What is there, whatever schema it has; nobody changes it until the unit of work ends.
    ///
    /// Nothing is verified: it is only used to end what was ended there.
    fn target(&mut self, now: Timestamp) -> Result<Target, StoreError>;
}

/// Where a backup is to be restored.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// The nodes that serve it, by name.
    pub nodes: Vec<String>,
    /// What lives there; `None` without a single user.
    pub occupant: Option<Occupant>,
}

/// What a restore has to know of the content that it replaces.
#[derive(Clone, Debug, Default)]
pub struct Occupant {
    /// Every user.
    pub users: Vec<StandingUser>,
    /// Every API key but those of sessions.
    pub keys: Vec<StandingKey>,
    /// Agents that were frozen themselves.
    pub frozen: Vec<FrozenAgent>,
    /// Recovery codes that were not used.
    pub codes: Vec<KeptCode>,
    /// Keys and their states. Empty where the schema has none.
    pub key_states: Vec<(KeyId, KeyState)>,
}

/// A user, as the replaced content has them.
#[derive(Clone, Debug)]
pub struct StandingUser {
    /// Names the user.
    pub id: UserId,
    /// The user name.
    pub username: String,
    /// Whether the user's keys work.
    pub status: UserStatus,
}

/// An API key, as the replaced content has it.
#[derive(Clone, Debug)]
pub struct StandingKey {
    /// Its public part.
    pub id: ApiKeyId,
    /// Whose it is.
    pub user: UserId,
    /// What the owner calls it.
    pub name: String,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused because somebody said so.
    pub revoked_at: Option<Timestamp>,
}

/// An agent that was frozen.
#[derive(Clone, Copy, Debug)]
pub struct FrozenAgent {
    /// The user of the agent.
    pub id: UserId,
    /// Since when.
    pub frozen_at: Timestamp,
}

/// A recovery code that was not used.
#[derive(Clone, Debug)]
pub struct KeptCode {
    /// Whose it is.
    pub user: UserId,
    /// Its MAC.
    pub mac: Mac,
}

/// The steps up to which codes are used, inside a unit of work that writes.
pub trait CodeSteps {
    /// Marks the codes of every step up to `step` as used: those of every authenticator app, whether
    /// a code of it was ever tried or not, and all proofs of agents. Says how many secrets there
    /// are. A mark that is later already stays.
    fn use_up_to(&mut self, step: TotpStep, now: Timestamp) -> Result<u64, StoreError>;
}
