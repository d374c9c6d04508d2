//! How many logins, code verifications and proofs of agents a second, on SQLite and, where there is
//! one, on PostgreSQL: `just bench-people`. Two threads, as on two cores; each verification is of
//! another person, because one person has a code in 30 seconds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "this is a measurement"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keyward_agents::{AgentName, AgentProofs, ManageAgents, NewAgent, Who};
use keyward_audit::AuditLog;
use keyward_auth::{
    Any, Authenticate, Environment, GivenProof, Hashing, Host, LoggedIn, Login, ManageMfa,
    NoAdvice, Permit, PersonName, Role, User, UserKind, UserStatus, Username, Users as _, Visitor,
};
use keyward_core::{Clock as _, Id, ManualClock, Store as _, StoreError, Timestamp};
use keyward_crypto::{
    ApiKey, FieldKey, KeyRing, MacRing, Password, PasswordHash, Passwords, Signed, TotpSecret,
    TotpWindow,
};
use keyward_store_diesel::DieselStore;
use keyward_store_diesel::testing::TestDatabase;

fn main() {
    println!(
        "{:<10} {:<20} {:>9} {:>9} {:>9}",
        "database", "what", "per s", "p50 ms", "p99 ms"
    );
    let databases = [
        ("SQLite", Some(TestDatabase::sqlite())),
        ("PostgreSQL", TestDatabase::postgres()),
    ];
    for (name, database) in databases {
        let Some(database) = database else { continue };
        let world = World::on(&database);
        let people: Vec<_> = (0..PEOPLE).map(|n| world.enrolled(n)).collect();
        world.clock.advance(30);
        let now = world.clock.now().0;
        show(
            name,
            "code verifications",
            &timed(PEOPLE, |n| {
                let (permit, secret) = &people[n];
                world
                    .mfa(Passwords::new())
                    .step_up(permit, secret.code_at(now))
                    .unwrap();
            }),
        );
        let agents = world.agents();
        let proofs = AgentProofs::new(&world.environment(Passwords::new()), false);
        let receiver = Who::new(agents[0].username.as_str());
        show(
            name,
            "proofs given",
            &timed(AGENTS, |n| {
                proofs.show(&agents[n], Some(&receiver), None).unwrap();
            }),
        );
        let codes: Vec<_> = agents
            .iter()
            .map(|agent| proofs.show(agent, Some(&receiver), None).unwrap().code)
            .collect();
        show(
            name,
            "proofs verified",
            &timed(AGENTS, |n| {
                let code = GivenProof::parse(codes[n].expose()).unwrap();
                let who = Who::new(agents[n].username.as_str());
                let proven = proofs.verify(&agents[0], &who, code, None).unwrap();
                assert!(proven.is_some());
            }),
        );
        let (username, login) = (world.with_password(), world.login());
        show(
            name,
            "logins",
            &timed(LOGINS, |_| {
                let outcome = login.with_password(&username, &password(), &visitor());
                assert!(matches!(outcome, Ok(LoggedIn::Done(_))));
            }),
        );
    }
}

/// How long each call takes, and all together.
fn timed(calls: usize, call: impl Fn(usize) + Sync) -> (Duration, Vec<Duration>) {
    let (next, started) = (AtomicUsize::new(0), Instant::now());
    let times = thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut times = Vec::new();
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= calls {
                            return times;
                        }
                        let started = Instant::now();
                        call(n);
                        times.push(started.elapsed());
                    }
                })
            })
            .collect();
        let times = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        times.collect()
    });
    (started.elapsed(), times)
}

fn show(database: &str, what: &str, (all, times): &(Duration, Vec<Duration>)) {
    let mut times = times.clone();
    times.sort();
    let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1_000.0;
    let rate = times.len() as f64 / all.as_secs_f64();
    println!(
        "{database:<10} {what:<20} {rate:>9.0} {:>9.2} {:>9.2}",
        at(50),
        at(99)
    );
}

struct World {
    store: DieselStore,
    fields: KeyRing,
    macs: MacRing,
    clock: Arc<ManualClock>,
}

impl World {
    fn on(database: &TestDatabase) -> Self {
        Self {
            store: database.store(),
            fields: KeyRing::new(vec![FieldKey::generate()]).unwrap(),
            macs: MacRing::parse(MacRing::generate_secret().expose()).unwrap(),
            clock: Arc::new(ManualClock::at(Timestamp(1_800_000_000))),
        }
    }

    fn environment(&self, passwords: Passwords) -> Environment<DieselStore> {
        Environment {
            store: self.store.clone(),
            fields: self.fields.clone(),
            macs: self.macs.clone(),
            hashing: Hashing::new(passwords),
            audit: AuditLog::new(self.macs.clone(), self.clock.clone()),
            clock: self.clock.clone(),
            totp_window: TotpWindow::default(),
            advice: Arc::new(NoAdvice),
        }
    }

    fn mfa(&self, passwords: Passwords) -> ManageMfa<DieselStore> {
        ManageMfa::new(self.environment(passwords))
    }

    fn login(&self) -> Login<DieselStore> {
        Login::new(self.environment(Passwords::new()))
    }

    fn add(&self, name: &str, hash: PasswordHash) -> Username {
        let username = Username::parse(name).unwrap();
        let user = User {
            id: Id::generate(),
            username: username.clone(),
            kind: UserKind::Human,
            role: Role::Normal,
            status: UserStatus::Active,
            password_hash: Some(hash),
            first_name: PersonName::parse("").unwrap(),
            last_name: PersonName::parse("").unwrap(),
            created_at: self.clock.now(),
            mfa_since: None,
            delegation: None,
            legacy_id: None,
            version: 1,
        };
        let user = Signed::sign(user, &self.macs);
        let added = self.store.write(|tx| tx.add_user(&user));
        assert!(matches!(added, Ok::<_, StoreError>(true)));
        username
    }

    /// Agents of one person, each with a key.
    fn agents(&self) -> Vec<Permit<Any>> {
        let hash = Passwords::danger_fast().hash(&password());
        let owner = self.add("owner", hash);
        let owner = self.store.lookup(|tx| tx.user_by_name(&owner));
        let owner = Result::<_, StoreError>::unwrap(owner).unwrap();
        let manage = ManageAgents::new(&self.environment(Passwords::new()));
        let agent = |n| {
            let new = NewAgent {
                name: AgentName::parse(&format!("a{n}")).unwrap(),
                purpose: None,
                scopes: None,
                expires_at: None,
                rotate: false,
            };
            let made = manage.create_for(Host, owner.unverified().id, &new);
            self.permit(&made.unwrap().1.unwrap())
        };
        (0..AGENTS).map(agent).collect()
    }

    fn permit(&self, key: &ApiKey) -> Permit<Any> {
        let (clock, last_used) = (self.clock.clone(), Arc::default());
        Authenticate::new(self.store.clone(), self.macs.clone(), clock, last_used)
            .principal(key)
            .unwrap()
            .permit()
            .unwrap()
    }

    fn with_password(&self) -> Username {
        self.add("ada", Passwords::new().hash(&password()))
    }

    /// Somebody with a session and an app whose next code is unused.
    fn enrolled(&self, n: usize) -> (Permit<Any>, TotpSecret) {
        let fast = Passwords::danger_fast();
        let username = self.add(&format!("person-{n}"), fast.hash(&password()));
        let login = Login::new(self.environment(fast.clone()));
        let source = Visitor {
            source: format!("198.51.100.{n}"),
            request: None,
        };
        let outcome = login
            .with_password(&username, &password(), &source)
            .unwrap();
        let LoggedIn::Done(session) = outcome else {
            panic!("a second factor was asked for")
        };
        let permit = self.permit(&session.key);
        let mfa = self.mfa(fast);
        let enrolling = mfa.begin(&permit).unwrap();
        let secret = TotpSecret::from_base32(enrolling.secret.expose()).unwrap();
        let code = secret.code_at(self.clock.now().0);
        mfa.confirm(&permit, code).unwrap();
        (permit, secret)
    }
}

fn visitor() -> Visitor {
    Visitor {
        source: "192.0.2.7".to_owned(),
        request: None,
    }
}

fn password() -> Password {
    Password::attempt("correct horse battery".into()).unwrap()
}

const PEOPLE: usize = 1_000;
const LOGINS: usize = 500;
const AGENTS: usize = 1_000;
