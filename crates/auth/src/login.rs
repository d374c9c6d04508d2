use keyward_audit::{AuditEvents as _, Event};
use keyward_core::{Store, StoreError, Timestamp};
use keyward_crypto::{LoginTicket, Password, Signed};

use crate::codes::{Admission, Asker, Codes, Enrolment};
use crate::password_check::PasswordCheck;
use crate::{
    Action, Any, ApiKeys as _, AuthTx, CodeError, Environment, LoginTickets as _, Overloaded,
    PasswordRefused, Permit, SecondFactor, Session, TicketRecord, User, UserId, UserStatus,
    Username, Users as _, Visitor, api_keys, sessions,
};

/// Turns a password, and a second factor where there is one, into a short-lived key.
///
/// ```
/// use keyward_auth::{Environment, LoggedIn, Login, LoginError, Username, Visitor};
/// use keyward_crypto::Password;
/// # use std::sync::Arc;
/// # use keyward_auth::{Authenticate, LastUsed, Setup};
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing};
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let fields = KeyRing::new(vec![FieldKey::generate()])?;
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let environment = Environment::new(store, fields, macs);
/// # let password = Password::new_secret("correct horse battery".to_owned().into())?;
/// # let admin = Setup::new(environment.clone()).first_admin(&Username::parse("ada")?, &password)?;
/// # let Environment { store, macs, clock, .. } = environment.clone();
/// # let authenticate = Authenticate::new(store, macs, clock, Arc::new(LastUsed::default()));
///
/// // `environment`, `authenticate` and `admin` are as on the page of this crate.
/// let login = Login::new(environment);
/// let visitor = Visitor { source: "192.0.2.7".to_owned(), request: None };
/// let attempt = |text: &str| Password::attempt(text.to_owned().into());
/// let ada = Username::parse("Ada")?;
///
/// let wrong = login.with_password(&ada, &attempt("hunter2")?, &visitor);
/// assert!(matches!(wrong, Err(LoginError::Rejected)));
///
/// // With a second factor this gives a ticket in place of a session; see `ManageMfa`.
/// let right = login.with_password(&ada, &attempt("correct horse battery")?, &visitor)?;
/// let LoggedIn::Done(session) = right else { panic!("ada has no second factor") };
/// let permit = authenticate.principal(&session.key)?.permit()?;
/// login.logout(&permit)?;
/// assert!(authenticate.principal(&session.key).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Login<S>(Environment<S>);

impl<S: Store<Tx: AuthTx>> Login<S> {
    /// Wires the service.
    pub fn new(environment: Environment<S>) -> Self {
        Self(environment)
    }

    /// The first step. Hashes a password, so it takes a while.
    pub fn with_password(
        &self,
        username: &Username,
        password: &Password,
        visitor: &Visitor,
    ) -> Result<LoggedIn, LoginError> {
        let right = PasswordCheck(&self.0).check(username, password, visitor)?;
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            let user = right.settle(tx, &self.0.macs, now)?;
            let user = user.unverified();
            if user.mfa_since.is_some() {
                return Ok(self.issue_ticket(tx, user.id, now)?);
            }
            let session = sessions::begin(tx, user, &self.0.macs, now)?;
            let event = sessions::login_event(user, session.key.id(), visitor, "password");
            self.0.audit.record(tx, &event)?;
            Ok(LoggedIn::Done(session))
        })
    }

    /// The second step. The ticket says whose factor it has to be; a name is not asked for.
    pub fn with_second_factor(
        &self,
        ticket: &LoginTicket,
        factor: &SecondFactor,
        visitor: &Visitor,
    ) -> Result<Session, LoginError> {
        let now = self.0.clock.now();
        let how = match factor {
            SecondFactor::Code(_) => "totp",
            SecondFactor::Recovery(_) => "recovery-code",
        };
        Codes(&self.0).consume(
            factor,
            Enrolment::Active,
            Asker::Ticket(ticket.id()),
            |tx, admission| self.admit(tx, ticket, now, admission),
            |tx, _| {
                let is_there = tx.use_ticket(ticket.id())?;
                is_there.then_some(()).ok_or(LoginError::Rejected)
            },
            |tx, user| {
                let user = self.who_may_log_in(tx, user)?;
                let session = sessions::begin(tx, &user, &self.0.macs, now)?;
                let event = sessions::login_event(&user, session.key.id(), visitor, how);
                self.0.audit.record(tx, &event)?;
                Ok(session)
            },
        )
    }

    /// Ends the key that is presented.
    pub fn logout(&self, caller: &Permit<Any>) -> Result<(), LoginError> {
        let now = self.0.clock.now();
        self.0.store.write(|tx| {
            tx.lock_audit_head()?;
            let found = tx.key_with_owner(caller.key.id)?;
            let Some(key) = found
                .map(|found| found.key)
                .filter(|key| key.is_genuine(&self.0.macs) && key.unverified().is_live(now))
            else {
                return Ok(());
            };
            let mut ended = key.unverified().clone();
            ended.revoked_at = Some(now);
            if tx.replace_api_key(key.mac(), &Signed::sign(ended, &self.0.macs))? {
                let event = Event::new(caller.actor(), LOGOUT, api_keys::subject(caller.key.id));
                self.0.audit.record(tx, &event)?;
            }
            Ok(())
        })
    }

    fn issue_ticket(
        &self,
        tx: &mut S::Tx,
        user: UserId,
        now: Timestamp,
    ) -> Result<LoggedIn, StoreError> {
        let ticket = LoginTicket::generate();
        let expires_at = now.plus(TICKET_SECONDS);
        let record = TicketRecord {
            id: ticket.id(),
            ticket_mac: ticket.mac(&self.0.macs),
            user,
            expires_at,
        };
        tx.add_ticket(&Signed::sign(record, &self.0.macs))?;
        Ok(LoggedIn::NeedsSecondFactor { ticket, expires_at })
    }

    /// Whose factor is asked for. A try of the ticket is counted, unless this is only a look.
    fn admit(
        &self,
        tx: &mut S::Tx,
        ticket: &LoginTicket,
        now: Timestamp,
        admission: Admission,
    ) -> Result<UserId, LoginError> {
        let stored = match admission {
            Admission::Counted => tx.try_ticket(ticket.id(), now, TICKET_TRIES)?,
            Admission::Looked => tx.ticket_to_try(ticket.id(), now, TICKET_TRIES)?,
        };
        let record = stored
            .and_then(|stored| stored.verify(&self.0.macs).ok())
            .filter(|record| ticket.matches(&self.0.macs, &record.ticket_mac))
            .ok_or(LoginError::Rejected)?;
        self.who_may_log_in(tx, record.user)?;
        Ok(record.user)
    }

    fn who_may_log_in(&self, tx: &mut S::Tx, user: UserId) -> Result<User, LoginError> {
        tx.user(user)?
            .and_then(|user| user.verify(&self.0.macs).ok())
            .filter(|user| user.status == UserStatus::Active && user.mfa_since.is_some())
            .ok_or(LoginError::Rejected)
    }
}

/// What the first step of a login came to.
#[derive(Debug)]
pub enum LoggedIn {
    /// There is no second step.
    Done(Session),
    /// There is one, and the ticket leads to it.
    NeedsSecondFactor {
        /// For [`Login::with_second_factor`]. This is the only time that it can be seen.
        ticket: LoginTicket,
        /// When it ends.
        expires_at: Timestamp,
    },
}

/// Why somebody is not logged in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// Something was wrong. One variant for all, so that no caller can tell what.
    #[error("the login was rejected")]
    Rejected,
    /// Too many attempts; the next one may be made in so many seconds.
    #[error("too many attempts; try again in {0} seconds")]
    Limited(i64),
    /// The authenticator app was guessed at too often; see [`CodeError::Disabled`].
    #[error("too many wrong codes: use a recovery code or ask an administrator")]
    FactorDisabled,
    /// See [`Overloaded`].
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PasswordRefused> for LoginError {
    fn from(refused: PasswordRefused) -> Self {
        match refused {
            PasswordRefused::Rejected => Self::Rejected,
            PasswordRefused::Limited(seconds) => Self::Limited(seconds),
            PasswordRefused::Overloaded(overloaded) => Self::Overloaded(overloaded),
            PasswordRefused::Store(error) => Self::Store(error),
        }
    }
}

impl From<CodeError> for LoginError {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::Rejected => Self::Rejected,
            CodeError::Limited(seconds) => Self::Limited(seconds),
            CodeError::Disabled => Self::FactorDisabled,
            CodeError::Store(error) => Self::Store(error),
        }
    }
}

const LOGOUT: Action = Action("user.logout");
const TICKET_SECONDS: i64 = 5 * 60;
const TICKET_TRIES: i64 = 5;
