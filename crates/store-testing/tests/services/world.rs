use std::sync::Arc;

use keyward_agents::{Agent, AgentName, Agents as _, ManageAgents, NewAgent};
use keyward_audit::{AuditEvents as _, AuditLog, Record};
use keyward_auth::{
    ApiKeyRecord, ApiKeys as _, Authenticate, AuthenticateError, Delegation, Environment, Hashing,
    Host, Housekeeping, Idempotency, IdempotencyKey, KeyName, LastUsed, Login, ManageKeys,
    ManageMfa, ManageUsers, NewKey, NewUser, NoAdvice, OwnChange, Permit, PersonName, Principal,
    RecoveryCodes, RequiredScope, Role, Scope, Scopes, Setup, User, UserId, UserKind, UserStatus,
    Username, Users as _, Visitor,
};
use keyward_core::{Clock, Id, ManualClock, Store as _, StoreError, Timestamp};
use keyward_crypto::{
    ApiKey, ApiKeyKind, FieldKey, KeyRing, MacRing, Password, Passwords, Signed, TotpSecret,
    TotpWindow,
};
use keyward_store_testing::MemoryStore;

/// Midday, and not the beginning of a minute.
pub(crate) const NOW: Timestamp = Timestamp(1_800_014_442);

/// A store, a clock and the services on them.
pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) fields: KeyRing,
    pub(crate) macs: MacRing,
    pub(crate) last_used: Arc<LastUsed>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            store: Arc::default(),
            clock: Arc::new(ManualClock::at(NOW)),
            fields: KeyRing::new(vec![FieldKey::generate()]).unwrap(),
            macs: new_macs(),
            last_used: Arc::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn log(&self) -> AuditLog {
        AuditLog::new(self.macs.clone(), self.clock.clone())
    }

    pub(crate) fn authenticate(&self) -> Authenticate<Arc<MemoryStore>> {
        Authenticate::new(
            self.store.clone(),
            self.macs.clone(),
            self.clock.clone(),
            self.last_used.clone(),
        )
    }

    pub(crate) fn environment(&self) -> Environment<Arc<MemoryStore>> {
        Environment {
            store: self.store.clone(),
            fields: self.fields.clone(),
            macs: self.macs.clone(),
            hashing: hashing(),
            audit: self.log(),
            clock: self.clock.clone(),
            totp_window: TotpWindow::default(),
            advice: Arc::new(NoAdvice),
        }
    }

    pub(crate) fn keys(&self) -> ManageKeys<Arc<MemoryStore>> {
        ManageKeys::new(self.environment())
    }

    pub(crate) fn users(&self) -> ManageUsers<Arc<MemoryStore>> {
        ManageUsers::new(self.environment())
    }

    pub(crate) fn agents(&self) -> ManageAgents<Arc<MemoryStore>> {
        ManageAgents::new(&self.environment())
    }

    pub(crate) fn login(&self) -> Login<Arc<MemoryStore>> {
        Login::new(self.environment())
    }

    pub(crate) fn mfa(&self) -> ManageMfa<Arc<MemoryStore>> {
        ManageMfa::new(self.environment())
    }

    /// Enrols an authenticator app for a person, and goes on to where its next code is.
    pub(crate) fn enrol(&self, user: &User) -> (TotpSecret, RecoveryCodes) {
        let begun = self.mfa().begin_for(Host, user.id).unwrap();
        let app = TotpSecret::from_base32(begun.secret.expose()).unwrap();
        let code = app.code_at(self.now().0);
        let codes = self.mfa().confirm_for(Host, user.id, code).unwrap();
        self.clock.advance(60);
        (app, codes)
    }

    pub(crate) fn housekeeping(&self) -> Housekeeping<Arc<MemoryStore>> {
        Housekeeping::new(self.environment())
    }

    pub(crate) fn setup(&self) -> Setup<Arc<MemoryStore>> {
        Setup::new(self.environment())
    }

    /// Adds a user without a service, so without an audit event.
    pub(crate) fn add_user(&self, name: &str, edit: impl FnOnce(&mut User)) -> User {
        let mut user = User {
            id: Id::generate(),
            username: username(name),
            kind: UserKind::Human,
            role: Role::Normal,
            status: UserStatus::Active,
            password_hash: Some(hashing().hash(&password("correct horse battery")).unwrap()),
            first_name: person(""),
            last_name: person(""),
            created_at: NOW,
            mfa_since: None,
            delegation: None,
            legacy_id: None,
            version: 1,
        };
        edit(&mut user);
        if user.kind == UserKind::Agent && user.delegation.is_none() {
            // Of its own, so that the two are not found together.
            let owner = self.add_user(&format!("{name}-owner"), unchanged);
            user.delegation = Some(Delegation {
                owner: owner.id,
                scopes: Scopes::all(),
                expires_at: None,
            });
        }
        let signed = Signed::sign(user.clone(), &self.macs);
        assert!(self.store.write(|tx| tx.add_user(&signed)).unwrap());
        user
    }

    pub(crate) fn add_admin(&self, name: &str) -> User {
        self.add_user(name, |user| user.role = Role::Admin)
    }

    /// Adds a key without a service. It has every scope that its owner can have and no expiry,
    /// unless `edit` says otherwise.
    pub(crate) fn add_key(&self, user: &User, edit: impl FnOnce(&mut ApiKeyRecord)) -> ApiKey {
        self.add_key_of_kind(user, ApiKeyKind::User, edit)
    }

    pub(crate) fn add_key_of_kind(
        &self,
        user: &User,
        kind: ApiKeyKind,
        edit: impl FnOnce(&mut ApiKeyRecord),
    ) -> ApiKey {
        let key = ApiKey::generate(kind);
        let mut record = ApiKeyRecord {
            id: key.id(),
            kind,
            user: user.id,
            name: KeyName::parse("laptop").unwrap(),
            scopes: Scopes::of_role(user.role),
            created_at: NOW,
            expires_at: None,
            revoked_at: None,
            fresh_until: None,
            legacy_id: None,
            key_mac: key.mac(&self.macs),
        };
        edit(&mut record);
        let signed = Signed::sign(record, &self.macs);
        self.store.write(|tx| tx.add_api_key(&signed)).unwrap();
        key
    }

    /// Has the owner of `by` make an agent that can read and make agents of its own.
    pub(crate) fn add_agent(&self, by: &ApiKey, name: &str) -> (UserId, ApiKey) {
        let scopes = [Scope::Read, Scope::AgentsWrite].into_iter().collect();
        let new = NewAgent {
            scopes: Some(scopes),
            ..new_agent(name)
        };
        let made = self.agents().create(&self.permit(by), &new, None);
        let (made, key) = made.unwrap();
        (made.agent.id, key.unwrap())
    }

    pub(crate) fn stored_agent(&self, id: UserId) -> Agent {
        self.store.read(|tx| tx.agent(id)).unwrap().unwrap()
    }

    pub(crate) fn principal(&self, key: &ApiKey) -> Principal {
        self.authenticate().principal(key).unwrap()
    }

    pub(crate) fn permit<Needed: RequiredScope>(&self, key: &ApiKey) -> Permit<Needed> {
        self.principal(key).permit().unwrap()
    }

    pub(crate) fn accepts(&self, key: &ApiKey) -> bool {
        match self.authenticate().principal(key) {
            Ok(_) => true,
            Err(AuthenticateError::Rejected) => false,
            Err(other) => panic!("{other}"),
        }
    }

    /// The attempt called `name` to send `body`.
    pub(crate) fn attempt(&self, name: &str, body: &str) -> Idempotency {
        let key = IdempotencyKey::parse(name).unwrap();
        Idempotency::new(key, "POST /somewhere", body.as_bytes(), &self.macs)
    }

    pub(crate) fn stored_user(&self, id: UserId) -> User {
        let user = self.store.read(|tx| tx.user(id)).unwrap().unwrap();
        user.verify(&self.macs).unwrap()
    }

    pub(crate) fn keys_of(&self, user: &User) -> usize {
        let keys = self.store.read(|tx| tx.api_keys_of(user.id, None, 100));
        keys.unwrap().len()
    }

    /// The audit chain, oldest first.
    pub(crate) fn events(&self) -> Vec<Record> {
        self.store
            .read(|tx| tx.audit_events_after(0, 1_000))
            .unwrap()
    }

    /// What the audit log says of the last event.
    pub(crate) fn last_details(&self) -> String {
        let events = self.events();
        events.last().unwrap().fields.details.clone()
    }

    pub(crate) fn actions(&self) -> Vec<String> {
        let events = self.events().into_iter();
        events.map(|event| event.fields.action).collect()
    }
}

pub(crate) fn new_macs() -> MacRing {
    MacRing::parse(MacRing::generate_secret().expose()).unwrap()
}

pub(crate) fn hashing() -> Hashing {
    Hashing::with_places(Passwords::danger_fast(), 4, 1_000)
}

pub(crate) fn password(text: &str) -> Password {
    Password::new_secret(text.to_owned().into()).unwrap()
}

pub(crate) fn username(text: &str) -> Username {
    Username::parse(text).unwrap()
}

pub(crate) fn person(text: &str) -> PersonName {
    PersonName::parse(text).unwrap()
}

pub(crate) fn new_key(scopes: Option<Scopes>, expires_at: Option<Timestamp>) -> NewKey {
    NewKey {
        name: KeyName::parse("new key").unwrap(),
        scopes,
        expires_at,
    }
}

pub(crate) fn new_agent(name: &str) -> NewAgent {
    NewAgent {
        name: AgentName::parse(name).unwrap(),
        purpose: None,
        scopes: None,
        expires_at: None,
        rotate: false,
    }
}

pub(crate) fn new_user(name: &str, role: Role) -> NewUser {
    NewUser {
        username: username(name),
        password: password("correct horse battery"),
        role,
        first_name: person("Ada"),
        last_name: person("Lovelace"),
    }
}

pub(crate) fn is_corrupt(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupt { .. })
}

pub(crate) fn first_name(text: &str) -> OwnChange {
    OwnChange {
        first_name: Some(person(text)),
        ..OwnChange::default()
    }
}

/// Somebody from a network of the documentation.
pub(crate) fn visitor() -> Visitor {
    Visitor {
        source: "192.0.2.7".to_owned(),
        request: None,
    }
}

fn unchanged(_: &mut User) {}
