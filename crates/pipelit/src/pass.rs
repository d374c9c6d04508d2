use std::collections::BTreeMap;

use keyward_agents::{Agents as _, Lineage};
use keyward_audit::{Action, AuditEvents as _, Event, Subject};
use keyward_auth::{
    Environment, Host, MalformedUsername, Scope, Scopes, User, UserId, Username, Users as _,
};
use keyward_core::{LegacyId, Store, StoreError, Timestamp};
use keyward_crypto::PlainFernet;

use crate::report::{API_KEYS, Report, USERS};
use crate::when::when;
use crate::{ImportTx, Reason, Repair, SourceRows, UserRow, Warning};

/// One import, inside its transaction.
pub(crate) struct Pass<'a, S> {
    pub(crate) environment: &'a Environment<S>,
    pub(crate) fernet: &'a PlainFernet,
    pub(crate) rows: &'a SourceRows,
    pub(crate) now: Timestamp,
    pub(crate) report: Report,
    /// The users of the source that are in Keyward, by their numbers.
    users: BTreeMap<i64, Placed>,
}

/// A user of the source as it is in Keyward.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) user: User,
    /// `None` for people.
    pub(crate) lineage: Option<Lineage>,
}

impl<'a, S: Store<Tx: ImportTx>> Pass<'a, S> {
    pub(crate) fn new(
        environment: &'a Environment<S>,
        fernet: &'a PlainFernet,
        rows: &'a SourceRows,
    ) -> Self {
        Self {
            environment,
            fernet,
            rows,
            now: environment.clock.now(),
            report: Report::new(),
            users: BTreeMap::new(),
        }
    }

    pub(crate) fn run(mut self, tx: &mut S::Tx) -> Result<Report, StoreError> {
        // First, as everywhere: a lock taken later could wait for one that waits for this.
        tx.lock_audit_head()?;
        self.people(tx)?;
        self.agents(tx)?;
        self.api_keys(tx)?;
        self.credentials(tx)?;
        self.workspaces(tx)?;
        if self
            .report
            .tables
            .iter()
            .any(|counts| counts.table == API_KEYS && counts.imported > 0)
        {
            self.report.advice = ADVICE.into();
        }
        Ok(self.report)
    }

    /// Takes note of what became of a row.
    pub(crate) fn judge(
        &mut self,
        table: &'static str,
        id: i64,
        outcome: Result<Outcome, Stop>,
    ) -> Result<(), StoreError> {
        match outcome {
            Ok(Outcome::Imported(repairs)) => self.report.imported(table, id, &repairs),
            Ok(Outcome::AlreadyThere) => self.report.already_there(table),
            Err(Stop::Refused(reason)) => self.report.refused(table, id, &reason),
            Err(Stop::Failed(error)) => return Err(error),
        }
        Ok(())
    }

    pub(crate) fn record(
        &self,
        tx: &mut S::Tx,
        action: Action,
        subject: Subject,
        id: i64,
        details: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<(), StoreError> {
        let event = Event::new(Host.actor(), action, subject)
            .with("from", "pipelit")
            .with("legacy_id", id.to_string());
        let event = details
            .into_iter()
            .fold(event, |event, (name, value)| event.with(name, value));
        self.environment.audit.record(tx, &event)
    }

    /// The user that an earlier import has made of `row`, unless it was a row of another Pipelit.
    pub(crate) fn imported_before(
        &mut self,
        tx: &mut S::Tx,
        row: &UserRow,
    ) -> Result<Option<Outcome>, Stop> {
        let Some(stored) = tx.user_by_legacy_id(LegacyId(row.id))? else {
            return Ok(None);
        };
        let user = stored
            .verify(&self.environment.macs)
            .map_err(|forged| StoreError::corrupt("users", forged))?;
        let same_name =
            Username::parse(&row.username).is_ok_and(|username| username == user.username);
        // Names such as `admin` are everywhere, so they tell only where there is no time.
        let is_same = match row.created_at.as_deref().and_then(when) {
            Some(at) => at == user.created_at,
            None => same_name,
        };
        if !is_same {
            return Err(Reason::AnotherSource.into());
        }
        let lineage = match tx.agent(user.id)? {
            None => None,
            Some(agent) => {
                let record = agent.record.verify(&self.environment.macs);
                let record = record.map_err(|forged| StoreError::corrupt("agents", forged))?;
                Some(record.lineage)
            }
        };
        self.place(row.id, Placed { user, lineage });
        Ok(Some(Outcome::AlreadyThere))
    }

    /// A time that decides nothing.
    pub(crate) fn time(
        &self,
        text: Option<&str>,
        field: &'static str,
        repairs: &mut Vec<Repair>,
    ) -> Timestamp {
        text.and_then(when).unwrap_or_else(|| {
            repairs.push(Repair::Time(field));
            self.now
        })
    }

    pub(crate) fn place(&mut self, id: i64, placed: Placed) {
        self.users.insert(id, placed);
    }

    /// Whose a row is.
    pub(crate) fn owner(&self, id: Option<i64>) -> Result<Placed, Reason> {
        let id = id.ok_or(Reason::NoOwner)?;
        self.placed(id).cloned().ok_or(Reason::Owner(id))
    }

    pub(crate) fn placed(&self, id: i64) -> Option<&Placed> {
        self.users.get(&id)
    }

    /// Who answers for what nobody is noted for: the first administrator of the source, or else one
    /// that Keyward has.
    pub(crate) fn administrator(&self, tx: &mut S::Tx) -> Result<Placed, Stop> {
        let imported = self.users.values().find(|one| one.user.is_active_admin());
        if let Some(imported) = imported {
            return Ok(imported.clone());
        }
        let mut after: Option<UserId> = None;
        loop {
            let page = tx.users_after(after, PAGE)?;
            let Some(last) = page.last() else {
                return Err(Reason::NoAdministrator.into());
            };
            after = Some(last.unverified().id);
            let macs = &self.environment.macs;
            let mut genuine = page.into_iter().filter_map(|user| user.verify(macs).ok());
            if let Some(user) = genuine.find(User::is_active_admin) {
                return Ok(Placed {
                    user,
                    lineage: None,
                });
            }
        }
    }

    /// What is worth a look at a user who is new.
    pub(crate) fn warn_of_user(&mut self, row: &UserRow, user: &User) {
        if user.is_active_admin() {
            self.report.warn(USERS, row.id, &Warning::Administrator);
        }
        if row.is_external {
            self.report.warn(USERS, row.id, &Warning::ExternalAccount);
        }
        let keys = self.rows.api_keys.iter();
        let live: Vec<_> = keys
            .filter(|key| key.user_id == Some(row.id) && crate::keys::is_live(key, self.now))
            .collect();
        if live.is_empty() {
            self.report.warn(USERS, row.id, &Warning::NoActiveKey);
        }
        let lasting = live.iter().filter(|key| !crate::keys::is_session(key));
        let lasting = lasting.count();
        if lasting > 1 {
            self.report.warn(USERS, row.id, &Warning::LiveKeys(lasting));
        }
    }
}

impl Placed {
    /// What an old key of the user may do: what it could do in Pipelit. That showed no secret to
    /// anybody, and had no audit log.
    pub(crate) fn key_scopes(&self) -> Scopes {
        key_scopes(self.user.scopes())
    }
}

pub(crate) fn key_scopes(possible: Scopes) -> Scopes {
    let new: Scopes = [Scope::CredentialsAccess, Scope::AuditRead, Scope::Admin]
        .into_iter()
        .collect();
    possible.without(new)
}

/// Whether a row that was imported before can be this one. A row without a time tells nothing.
pub(crate) fn is_same_time(text: Option<&str>, stored: Timestamp) -> bool {
    text.and_then(when).is_none_or(|at| at == stored)
}

/// What became of a row that was not refused.
pub(crate) enum Outcome {
    Imported(Vec<Repair>),
    AlreadyThere,
}

/// Why the work on a row ended.
pub(crate) enum Stop {
    /// The row is not imported; the others may be.
    Refused(Reason),
    /// Nothing is imported.
    Failed(StoreError),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl From<MalformedUsername> for Stop {
    fn from(malformed: MalformedUsername) -> Self {
        Self::Refused(malformed.into())
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

const PAGE: i64 = 200;
const ADVICE: [&str; 3] = [
    "Rotate every imported key: they were in plain text in the database of Pipelit, in its logs and \
     in its backups.",
    "Imported keys cannot show secrets, read the audit log or operate the server; log in and make a \
     new key for that.",
    "People with an authenticator app have no recovery codes yet; each gets theirs with POST \
     /auth/mfa/recovery-codes.",
];
