use std::fmt::Debug;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use keyward_audit::AuditLog;
use keyward_auth::{
    Advice, ApiKeys as _, AttemptLimits as _, AttemptState, Authenticate, Environment, Hashing,
    Housekeeping, LastUsed, LimitSubject, LoggedIn, Login, LoginError, ManageKeys, ManageMfa,
    ManageUsers, NoAdvice, Permit, RequiredScope, Role, SecondFactor, Session, User, UserId,
    Username, Visitor,
};
use keyward_core::{Clock as _, ManualClock, Store as _, Timestamp};
use keyward_crypto::{
    ApiKey, FieldKey, KeyRing, LoginTicket, Password, Passwords, RecoveryCode, Signed, TotpCode,
    TotpSecret, TotpWindow,
};
use keyward_store_diesel::testing::TestDatabase;
use keyward_store_diesel::{DieselStore, Options};

use crate::support::{NOW, added, api_key, macs, sign, user, write};

/// The services on a database, with a clock that tests move.
pub(crate) struct World {
    pub(crate) store: DieselStore,
    pub(crate) clock: Arc<ManualClock>,
    environment: Environment<DieselStore>,
    pub(crate) last_used: Arc<LastUsed>,
}

/// A person with an authenticator app, logged in.
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) username: Username,
    pub(crate) session: ApiKey,
    pub(crate) app: TotpSecret,
    pub(crate) recovery_codes: Vec<RecoveryCode>,
}

impl World {
    pub(crate) fn new(database: &TestDatabase) -> Self {
        let _ = database.store();
        // Many wait for few connections here, which is not what these tests are about.
        let options = Options {
            wait: Duration::from_mins(1),
            ..Options::default()
        };
        let store = DieselStore::connect(&database.database_url(), options).unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let environment = Environment {
            store: store.clone(),
            fields: KeyRing::new(vec![FieldKey::generate()]).unwrap(),
            macs: macs(),
            hashing: Hashing::with_places(Passwords::danger_fast(), 4, 10_000),
            audit: AuditLog::new(macs(), clock.clone()),
            clock: clock.clone(),
            totp_window: TotpWindow::default(),
            advice: Arc::new(NoAdvice),
        };
        Self {
            store,
            clock,
            environment,
            last_used: Arc::default(),
        }
    }

    /// The same keys and the same clock on another database, which is left as it is.
    #[allow(dead_code, reason = "the tests of backups use it")]
    pub(crate) fn on(&self, database: &TestDatabase) -> Self {
        let url = database.database_url();
        let store = DieselStore::connect(&url, Options::default()).unwrap();
        Self {
            store: store.clone(),
            clock: self.clock.clone(),
            environment: Environment {
                store,
                ..self.environment.clone()
            },
            last_used: Arc::default(),
        }
    }

    /// The same on the same database, with what other nodes say.
    #[allow(dead_code, reason = "the tests of backups need no advice")]
    pub(crate) fn advised(&self, advice: Arc<dyn Advice>) -> Self {
        Self {
            store: self.store.clone(),
            clock: self.clock.clone(),
            environment: Environment {
                advice,
                ..self.environment.clone()
            },
            last_used: Arc::default(),
        }
    }

    #[allow(dead_code, reason = "the tests of backups use it")]
    pub(crate) fn environment(&self) -> Environment<DieselStore> {
        self.environment.clone()
    }

    pub(crate) fn login(&self) -> Login<DieselStore> {
        Login::new(self.environment.clone())
    }

    pub(crate) fn mfa(&self) -> ManageMfa<DieselStore> {
        ManageMfa::new(self.environment.clone())
    }

    pub(crate) fn users(&self) -> ManageUsers<DieselStore> {
        ManageUsers::new(self.environment.clone())
    }

    pub(crate) fn keys(&self) -> ManageKeys<DieselStore> {
        ManageKeys::new(self.environment.clone())
    }

    pub(crate) fn housekeeping(&self) -> Housekeeping<DieselStore> {
        Housekeeping::new(self.environment.clone())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An active person with the password of these tests.
    pub(crate) fn add(&self, role: Role) -> Signed<User> {
        let hash = self.environment.hashing.hash(&password()).unwrap();
        added(
            &self.store,
            User {
                role,
                password_hash: Some(hash),
                ..user()
            },
        )
    }

    /// A key with everything that its owner may do.
    pub(crate) fn add_key(&self, owner: &Signed<User>) -> ApiKey {
        let key = ApiKey::generate(keyward_crypto::ApiKeyKind::User);
        let owner = owner.unverified();
        let mut record = api_key(owner.id);
        record.id = key.id();
        record.scopes = keyward_auth::Scopes::of_role(owner.role);
        record.key_mac = key.mac(&macs());
        write(&self.store, |tx| tx.add_api_key(&sign(record)));
        key
    }

    /// A person with an app whose last code was used long ago.
    pub(crate) fn enrolled(&self, role: Role) -> Person {
        let user = self.add(role).unverified().clone();
        let LoggedIn::Done(Session { key, .. }) = self.with_password(&user.username).unwrap()
        else {
            panic!("asked for a second factor before there is one");
        };
        let permit = self.permit(&key).unwrap();
        let enrolling = self.mfa().begin(&permit).unwrap();
        let app = TotpSecret::from_base32(enrolling.secret.expose()).unwrap();
        let codes = self.mfa().confirm(&permit, self.code(&app)).unwrap();
        self.clock.advance(60);
        Person {
            id: user.id,
            username: user.username,
            session: key,
            app,
            recovery_codes: codes.0,
        }
    }

    pub(crate) fn permit<Needed: RequiredScope>(&self, key: &ApiKey) -> Option<Permit<Needed>> {
        let authenticate = Authenticate::new(
            self.store.clone(),
            macs(),
            self.clock.clone(),
            self.last_used.clone(),
        );
        authenticate.principal(key).ok()?.permit().ok()
    }

    pub(crate) fn with_password(&self, username: &Username) -> Result<LoggedIn, LoginError> {
        self.login()
            .with_password(username, &password(), &visitor())
    }

    pub(crate) fn ticket(&self, person: &Person) -> LoginTicket {
        match self.with_password(&person.username).unwrap() {
            LoggedIn::NeedsSecondFactor { ticket, .. } => ticket,
            LoggedIn::Done(_) => panic!("no second factor is asked for"),
        }
    }

    pub(crate) fn second_step(
        &self,
        ticket: &LoginTicket,
        factor: &SecondFactor,
    ) -> Result<Session, LoginError> {
        self.login().with_second_factor(ticket, factor, &visitor())
    }

    pub(crate) fn code(&self, app: &TotpSecret) -> TotpCode {
        app.code_at(self.now().0)
    }

    /// A code that is none of those that are accepted now.
    pub(crate) fn wrong_code(&self, app: &TotpSecret) -> TotpCode {
        let now = self.now().0;
        let right = [now, now - 30].map(|at| app.code_at(at).expose().to_owned());
        let wrong = ["000000", "111111", "222222"]
            .into_iter()
            .find(|code| !right.iter().any(|right| right == code));
        TotpCode::parse(wrong.unwrap()).unwrap()
    }

    pub(crate) fn attempts(&self, subject: &LimitSubject) -> AttemptState {
        let state = self.store.read(|tx| tx.attempts(subject)).unwrap();
        state.unwrap_or_default()
    }

    pub(crate) fn sessions_of(&self, user: UserId) -> usize {
        let now = self.now();
        let sessions = self.store.read(|tx| tx.live_sessions(user, now));
        sessions.unwrap().len()
    }

    pub(crate) fn keys_of(&self, user: UserId) -> usize {
        let keys = self.store.read(|tx| tx.api_keys_of(user, None, i64::MAX));
        keys.unwrap().len()
    }
}

pub(crate) fn password() -> Password {
    Password::new_secret("correct horse battery".to_owned().into()).unwrap()
}

pub(crate) fn visitor() -> Visitor {
    visitor_from("192.0.2.7")
}

pub(crate) fn visitor_from(source: &str) -> Visitor {
    Visitor {
        source: source.to_owned(),
        request: None,
    }
}

/// Runs `work` for `0..calls` in so many threads, which start at the same moment, and collects what
/// it returns.
pub(crate) fn in_parallel<T: Send>(
    threads: usize,
    calls: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let start = Barrier::new(threads);
    let (start, work) = (&start, &work);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|first| {
                scope.spawn(move || {
                    start.wait();
                    (first..calls)
                        .step_by(threads)
                        .map(work)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// Panics if the storage has failed, as it does when two transactions wait for each other.
#[track_caller]
pub(crate) fn storage_works<T, E: Debug>(outcome: &Result<T, E>) {
    if let Err(error) = outcome {
        let text = format!("{error:?}");
        let is_of_storage = ["Unavailable(", "Backend(", "Corrupt {"];
        let failed = is_of_storage.iter().any(|name| text.contains(name));
        assert!(!failed, "the storage failed: {text}");
    }
}

/// `default` rounds, or as many times that as `KEYWARD_RACE_ROUNDS` says.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no binary to read settings"
)]
pub(crate) fn rounds(default: usize) -> usize {
    let times = std::env::var("KEYWARD_RACE_ROUNDS").ok();
    default * times.and_then(|times| times.parse().ok()).unwrap_or(1)
}
