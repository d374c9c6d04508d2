//! A broker on a store in memory, and somebody who may use it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use keyward_audit::{AuditEvents as _, AuditLog};
use keyward_auth::{
    ApiKeyRecord, ApiKeys as _, Environment, Hashing, KeyName, LastUsed, NoAdvice, PersonName,
    Role, Scopes, User, UserKind, UserStatus, Username, Users as _,
};
use keyward_broker::{AnswerBody, Broker, Egress, Redirects};
use keyward_core::{Id, ManualClock, Store as _, Timestamp};
use keyward_credentials::{
    BrokerRules, CallError, Caller, CredentialId, CredentialName, CredentialScope, CredentialType,
    Credentials as _, Detail, NewCredential, Provenance, Which, seal_credential,
};
use keyward_crypto::{
    ApiKey, ApiKeyKind, FieldKey, KeyRing, MacRing, Passwords, SecretText, Signed, TotpWindow,
};
use keyward_store_testing::MemoryStore;
use serde_json::Value;

pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) user: User,
    pub(crate) last_used: Arc<LastUsed>,
    key: ApiKey,
    environment: Environment<Arc<MemoryStore>>,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl World {
    /// Requests may go to this machine.
    pub(crate) fn new() -> Self {
        Self::allowing("127.0.0.1, ::1")
    }

    pub(crate) fn allowing(private: &str) -> Self {
        let store: Arc<MemoryStore> = Arc::default();
        let macs = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let environment = Environment {
            store: Arc::clone(&store),
            fields: KeyRing::new(vec![FieldKey::generate()]).unwrap(),
            audit: AuditLog::new(macs.clone(), clock.clone()),
            macs,
            hashing: Hashing::with_places(Passwords::danger_fast(), 1, 1),
            clock,
            totp_window: TotpWindow::default(),
            advice: Arc::new(NoAdvice),
        };
        let egress = Egress::new(private.parse().unwrap());
        let scope = CredentialScope::Global;
        let last_used: Arc<LastUsed> = Arc::default();
        let noted = Arc::clone(&last_used);
        let broker = Broker::start(&environment, scope, noted, egress, "/broker").unwrap();
        let (user, key) = somebody(&environment);
        Self {
            broker,
            store,
            user,
            last_used,
            key,
            environment,
        }
    }

    /// Whoever has the key of the user.
    pub(crate) fn caller(&self) -> Caller {
        Caller::Key {
            key: ApiKey::parse(self.key.expose()).unwrap(),
            request: Some("request-1".to_owned()),
        }
    }

    /// Keeps a credential. Members of maps are given as `config.token`.
    pub(crate) fn keep(
        &self,
        kind: CredentialType,
        fields: &[(&str, &str)],
        rules: Option<BrokerRules>,
    ) -> CredentialId {
        let mut detail = Detail::default();
        for (name, value) in fields {
            let value = SecretText::from((*value).to_owned());
            match name.split_once('.') {
                Some((map, member)) => detail.set_member(map, member, value),
                None => detail.set(name, value),
            }
        }
        let new = NewCredential {
            name: CredentialName::parse("kept").unwrap(),
            credential_type: kind,
            detail,
            broker: rules,
        };
        let from = Provenance {
            created_by: self.user.id,
            created_at: NOW,
            updated_at: NOW,
            legacy: None,
        };
        let Environment { fields, macs, .. } = &self.environment;
        let stored = seal_credential(new, from, fields, macs, NOW).unwrap();
        self.store.write(|tx| tx.add_credential(&stored)).unwrap();
        stored.credential.unverified().id
    }

    /// A credential of a provider of models, at `base_url`.
    pub(crate) fn model(&self, base_url: &str) -> CredentialId {
        let fields = [
            ("provider", "openai"),
            ("api_key", SECRET),
            ("base_url", base_url),
        ];
        self.keep(CredentialType::Llm, &fields, None)
    }

    /// The same with rules.
    pub(crate) fn model_with(&self, base_url: &str, rules: BrokerRules) -> CredentialId {
        let fields = [
            ("provider", "openai"),
            ("api_key", SECRET),
            ("base_url", base_url),
        ];
        self.keep(CredentialType::Llm, &fields, Some(rules))
    }

    pub(crate) async fn pass<B>(
        &self,
        id: CredentialId,
        request: Request<B>,
    ) -> Result<http::Response<AnswerBody>, CallError>
    where
        B: http_body::Body<Data = Bytes> + Send + Sync + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.broker
            .relay(self.caller(), Which::Id(id), Redirects::Passed, request)
            .await
    }

    pub(crate) async fn ask(
        &self,
        id: CredentialId,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, CallError> {
        let answer = self.pass(id, request).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|_| CallError::BadAnswer)?;
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.to_bytes().to_vec(),
        })
    }

    pub(crate) async fn get(&self, id: CredentialId, target: &str) -> Result<Answer, CallError> {
        self.ask(id, request("GET", target, "")).await
    }

    /// The details of the events of `action`, oldest first.
    pub(crate) fn events(&self, action: &str) -> Vec<Value> {
        let all = self.store.read(|tx| tx.audit_events_after(0, 1_000));
        let all = all.unwrap().into_iter().map(|record| record.fields);
        let wanted = all.filter(|fields| fields.action == action);
        wanted
            .map(|fields| serde_json::from_str(&fields.details).unwrap())
            .collect()
    }

    /// The requests that the events of uses name.
    pub(crate) fn requests(&self) -> Vec<String> {
        let all = self.store.read(|tx| tx.audit_events_after(0, 1_000));
        let all = all.unwrap().into_iter().map(|record| record.fields);
        let uses = all.filter(|fields| fields.action == "credential.use");
        uses.filter_map(|fields| fields.request).collect()
    }

    /// Changes the stored key of the user.
    pub(crate) fn change_key(&self, change: impl FnOnce(&mut ApiKeyRecord)) {
        let found = self.store.read(|tx| tx.key_with_owner(self.key.id()));
        let old = found.unwrap().unwrap().key;
        let mut record = old.unverified().clone();
        change(&mut record);
        let new = Signed::sign(record, &self.environment.macs);
        let changed = self.store.write(|tx| tx.replace_api_key(old.mac(), &new));
        assert!(changed.unwrap());
    }

    /// How the uses ended, as soon as there are `count`.
    pub(crate) fn ends(&self, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let ends = self.events("credential.used");
            if ends.len() >= count || Instant::now() > deadline {
                assert_eq!(ends.len(), count);
                return ends;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

pub(crate) fn request(method: &str, target: &str, body: &str) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(method).uri(target);
    builder
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap()
}

fn somebody(environment: &Environment<Arc<MemoryStore>>) -> (User, ApiKey) {
    let Environment { store, macs, .. } = environment;
    let nobody = PersonName::parse("").unwrap();
    let user = User {
        id: Id::generate(),
        username: Username::parse("ada").unwrap(),
        kind: UserKind::Human,
        role: Role::Normal,
        status: UserStatus::Active,
        password_hash: None,
        first_name: nobody.clone(),
        last_name: nobody,
        created_at: NOW,
        mfa_since: None,
        delegation: None,
        legacy_id: None,
        version: 1,
    };
    let key = ApiKey::generate(ApiKeyKind::User);
    let record = ApiKeyRecord {
        id: key.id(),
        kind: key.kind(),
        user: user.id,
        name: KeyName::parse("laptop").unwrap(),
        scopes: Scopes::of_role(user.role),
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
        fresh_until: None,
        legacy_id: None,
        key_mac: key.mac(macs),
    };
    let added: Result<_, keyward_core::StoreError> = store.write(|tx| {
        tx.add_user(&Signed::sign(user.clone(), macs))?;
        tx.add_api_key(&Signed::sign(record, macs))
    });
    added.unwrap();
    (user, key)
}

pub(crate) const NOW: Timestamp = Timestamp(1_800_014_442);
pub(crate) const SECRET: &str = "sk-real-Ab12/Cd34+Ef56";
