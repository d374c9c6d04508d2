//! A Keyward of its own for one test: fixed keys, a clock that stands still, a first administrator.

mod ask;
mod calls;
mod people;
mod store;

use std::str::FromStr as _;
use std::sync::Arc;

use actix_web::App;
use actix_web::middleware::from_fn;
use keyward_agents::AgentsTx;
use keyward_audit::AuditLog;
use keyward_auth::{Environment, Hashing, LastUsed, NoAdvice, Setup, UserId, Username};
use keyward_core::{Clock, Id, ManualClock, SteadyClock, Store, Timestamp};
use keyward_credentials::{CredentialScope, CredentialsTx};
use keyward_crypto::{FieldKey, KeyRing, MacRing, Password, Passwords, SecretText, TotpWindow};
use keyward_encryption::{EncryptionTx, keep};
use keyward_http::{Api, ApiOptions, Metrics, Network, Services, TrustedProxies, edge};
use keyward_store_diesel::testing::TestDatabase;
use keyward_store_testing::MemoryStore;
use serde_json::{Value, json};

pub(crate) use ask::{Answer, Ask, Handle};
pub(crate) use calls::{Elsewhere, FakeCalls, Outcome};
pub(crate) use people::{Device, text, texts};
use store::AnyStore;
pub(crate) use store::AnyTx;

/// A running Keyward and its first administrator.
pub(crate) struct World {
    /// Which storage is below, for messages.
    pub(crate) name: &'static str,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) admin: Caller,
    pub(crate) handle: Handle,
    /// Counts what is hashed.
    pub(crate) hashing: Hashing,
    /// The services of credentials.
    pub(crate) elsewhere: Arc<Elsewhere>,
    store: AnyStore,
    /// The storage itself, where it is the one in memory.
    pub(crate) memory: Option<Arc<MemoryStore>>,
    flush: Box<dyn Fn()>,
    _database: Option<TestDatabase>,
}

/// Somebody with a key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) key_id: String,
}

impl World {
    /// On the store in memory.
    pub(crate) async fn new() -> Self {
        Self::with_scope(CredentialScope::Global).await
    }

    pub(crate) async fn with_scope(scope: CredentialScope) -> Self {
        let store = Arc::new(MemoryStore::new());
        let world = Self::over("memory", Arc::clone(&store), scope, None).await;
        Self {
            memory: Some(store),
            ..world
        }
    }

    /// One on each storage: in memory, SQLite, and PostgreSQL where a server runs.
    pub(crate) async fn on_every_store() -> Vec<Self> {
        Self::on_every_store_with(CredentialScope::Global).await
    }

    pub(crate) async fn on_every_store_with(scope: CredentialScope) -> Vec<Self> {
        let mut worlds = vec![Self::with_scope(scope).await];
        let sqlite = TestDatabase::sqlite();
        worlds.push(Self::over("SQLite", sqlite.store(), scope, Some(sqlite)).await);
        if let Some(postgres) = TestDatabase::postgres() {
            worlds.push(Self::over("PostgreSQL", postgres.store(), scope, Some(postgres)).await);
        }
        worlds
    }

    /// On any store.
    pub(crate) async fn over<S>(
        name: &'static str,
        store: S,
        scope: CredentialScope,
        database: Option<TestDatabase>,
    ) -> Self
    where
        S: Store<Tx: AgentsTx + CredentialsTx + EncryptionTx + AnyTx> + Clone,
    {
        let clock = Arc::new(ManualClock::at(NOW));
        let environment = environment(&store, &clock);
        Self::in_environment(name, environment, clock, scope, database).await
    }

    /// On any store, with what the services work with.
    pub(crate) async fn in_environment<S>(
        name: &'static str,
        environment: Environment<S>,
        clock: Arc<ManualClock>,
        scope: CredentialScope,
        database: Option<TestDatabase>,
    ) -> Self
    where
        S: Store<Tx: AgentsTx + CredentialsTx + EncryptionTx + AnyTx> + Clone,
    {
        let store = environment.store.clone();
        // As every start of a server does.
        let (fields, macs) = (&environment.fields, &environment.macs);
        store.write(|tx| keep(tx, fields, macs, NOW)).unwrap();
        let last_used = Arc::new(LastUsed::default());
        let first = Setup::new(environment.clone())
            .first_admin(&Username::parse("root").unwrap(), &password())
            .unwrap();
        let options = ApiOptions {
            credential_scope: scope,
            require_audience: false,
        };
        let elsewhere = Arc::new(Elsewhere::default());
        let calls = FakeCalls::new(&environment, scope, Arc::clone(&elsewhere));
        let services = Services::new(&environment, options, last_used.clone());
        let services = services
            .calling(Arc::new(calls))
            .checked_by(Arc::new(crate::checklist::Fixed));
        let api = Api::new(services)
            .trusting(TrustedProxies::from_iter([
                Network::from_str(PROXY).unwrap()
            ]))
            .relaying(crate::relay::echo())
            .showing(Metrics::new(|| crate::metrics::SHOWN.to_owned()));
        let app = App::new()
            .wrap(from_fn(edge))
            .configure(|config| api.mount(config));
        Self {
            name,
            admin: Caller {
                id: first.user.to_string(),
                key: first.key.expose().to_owned(),
                key_id: first.key.id().to_string(),
            },
            handle: handle!(app),
            hashing: environment.hashing.clone(),
            elsewhere,
            store: AnyStore::new(store.clone()),
            memory: None,
            clock,
            flush: Box::new(move || last_used.flush(&store).unwrap()),
            _database: database,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Works on the storage behind the API's back.
    pub(crate) fn store<T>(
        &self,
        work: impl FnMut(&mut dyn AnyTx) -> Result<T, keyward_core::StoreError>,
    ) -> T {
        self.store.write(work)
    }

    /// Every stored row, byte by byte, but for when keys were last used.
    pub(crate) fn rows(&self) -> String {
        self.store.dump()
    }

    /// How many events the audit log has.
    pub(crate) fn events(&self) -> usize {
        self.store(|tx| tx.audit_events_after(0, 100_000)).len()
    }

    /// Writes down which keys were used, as the server does now and then.
    pub(crate) fn flush_last_used(&self) {
        (self.flush)();
    }

    /// Makes a person of the role `normal` with a key that may do all that this role may.
    pub(crate) async fn person(&self, username: &str) -> Caller {
        self.user(username, "normal").await
    }

    /// Makes an administrator with a key that may do everything.
    pub(crate) async fn administrator(&self, username: &str) -> Caller {
        self.user(username, "admin").await
    }

    async fn user(&self, username: &str, role: &str) -> Caller {
        let body = json!({ "username": username, "password": PASSWORD, "role": role });
        let made = self.post("/users").by(&self.admin).json(&body).await;
        assert_eq!(made.status, 201, "{}: {made:?}", self.name);
        let id = made.json()["id"].as_str().unwrap().to_owned();
        self.key_of(&id, &json!({ "name": "main" })).await
    }

    /// Makes an agent of the administrator that may do all that an agent may.
    pub(crate) async fn agent(&self, name: &str) -> Caller {
        let scopes = json!([
            "read",
            "credentials:write",
            "credentials:use",
            "credentials:access",
            "agents:write",
        ]);
        let body = json!({ "name": name, "scopes": scopes });
        self.agent_of(&self.admin, &body).await
    }

    /// Has somebody make an agent.
    pub(crate) async fn agent_of(&self, creator: &Caller, body: &Value) -> Caller {
        let made = self.post("/agents").by(creator).json(body).await;
        assert_eq!(made.status, 201, "{}: {made:?}", self.name);
        let made = made.json();
        let mut agent = Caller {
            id: id_of(&made).to_owned(),
            key: made["api_key"].as_str().unwrap().to_owned(),
            key_id: String::new(),
        };
        let me = self.get("/auth/me").by(&agent).await.json();
        me["key"]["id"]
            .as_str()
            .unwrap()
            .clone_into(&mut agent.key_id);
        agent
    }

    /// Has the administrator make a key for a user.
    pub(crate) async fn key_of(&self, user: &str, body: &Value) -> Caller {
        let path = format!("/users/{user}/keys");
        let made = self.post(&path).by(&self.admin).json(body).await;
        assert_eq!(made.status, 201, "{}: {made:?}", self.name);
        Caller {
            id: user.to_owned(),
            key: made.json()["key"].as_str().unwrap().to_owned(),
            key_id: made.json()["id"].as_str().unwrap().to_owned(),
        }
    }

    /// Another key of the administrator, with these scopes.
    pub(crate) async fn admin_with(&self, scopes: &[&str]) -> Caller {
        let body = json!({ "name": "narrow", "scopes": scopes });
        self.key_of(&self.admin.id, &body).await
    }

    /// Has somebody keep a credential, and gives back what they were told.
    pub(crate) async fn credential(&self, by: &Caller, kind: &str, detail: &Value) -> Value {
        let body = json!({ "name": "kept", "credential_type": kind, "detail": detail });
        let made = self.post("/credentials").by(by).json(&body).await;
        assert_eq!(made.status, 201, "{}: {made:?}", self.name);
        made.json()
    }

    /// The secrets of a credential, as an execution engine gets them.
    pub(crate) async fn secrets(&self, credential: &Value) -> Value {
        let path = format!("/credentials/{}/access", id_of(credential));
        let opened = self.post(&path).by(&self.admin).json(&json!({})).await;
        assert_eq!(opened.status, 200, "{}: {opened:?}", self.name);
        opened.json()["fields"].clone()
    }

    /// The OpenAPI document, as clients get it.
    pub(crate) async fn document(&self) -> Value {
        let answer = self.get("//openapi.json").await;
        assert_eq!(answer.status, 200);
        answer.json()
    }
}

/// The `id` of a body.
pub(crate) fn id_of(body: &Value) -> &str {
    body["id"].as_str().unwrap()
}

/// An id of nothing.
pub(crate) fn unknown_id() -> String {
    UserId::generate().to_string()
}

/// The same JSON with what differs from run to run replaced by what it is.
pub(crate) fn settled(value: &Value) -> Value {
    match value {
        Value::String(text) if Id::<()>::parse(text).is_ok() => json!("[uuid]"),
        Value::String(text) if keyward_crypto::ApiKey::parse(text).is_ok() => {
            let kind = text.split('_').nth(1).unwrap();
            json!(format!("[{kind} key]"))
        }
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let is_key_id =
                    name.ends_with("id") && value.as_str().is_some_and(|id| id.len() == 16);
                let value = if is_key_id {
                    json!("[key id]")
                } else {
                    settled(value)
                };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(settled).collect(),
        other => other.clone(),
    }
}

/// An application as something to send requests to.
macro_rules! handle {
    ($app:expr) => {{
        use actix_web::dev::Service as _;
        let service = std::rc::Rc::new(actix_web::test::init_service($app).await);
        let handle: $crate::world::Handle =
            std::rc::Rc::new(move |request: actix_web::test::TestRequest| {
                let service = std::rc::Rc::clone(&service);
                Box::pin(async move {
                    $crate::world::Answer::of(service.call(request.to_request()).await).await
                })
            });
        handle
    }};
}
pub(crate) use handle;

/// What the services work with.
/// With a clock that goes on from the latest time when `clock` is set back, as a server has one. As long as
/// that lasts no time passes.
pub(crate) fn environment<S: Clone>(store: &S, clock: &Arc<ManualClock>) -> Environment<S> {
    let pace = Arc::new(ManualClock::at(Timestamp(0)));
    in_time(store, Arc::new(SteadyClock::paced_by(clock.clone(), pace)))
}

/// With any clock.
pub(crate) fn in_time<S: Clone>(store: &S, clock: Arc<dyn Clock>) -> Environment<S> {
    Environment {
        store: store.clone(),
        fields: keys(),
        macs: macs(),
        hashing: Hashing::with_places(Passwords::danger_fast(), 4, 1_000),
        audit: AuditLog::new(macs(), Arc::clone(&clock)),
        clock,
        totp_window: TotpWindow::default(),
        advice: Arc::new(NoAdvice),
    }
}

pub(crate) fn macs() -> MacRing {
    MacRing::danger_parse_any("this signs the rows of keyward-http's tests and is no secret")
        .unwrap()
}

fn keys() -> KeyRing {
    let key = FieldKey::danger_parse_any("a2V5d2FyZC1odHRwIHRlc3RzIHVzZSB0aGlzIGtleSE=").unwrap();
    KeyRing::new(vec![key]).unwrap()
}

pub(crate) fn password() -> Password {
    Password::new_secret(SecretText::from(PASSWORD)).unwrap()
}

/// The one proxy whose word about clients is taken.
pub(crate) const PROXY: &str = "192.0.2.80";
/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// 2027-01-15T08:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000);
