//! Stored credentials that somebody changed behind Keyward's back: what was changed shows as
//! unreadable and opens for nobody, what was not changed goes on working (K-02).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests and their helpers panic to fail"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use keyward_audit::AuditLog;
use keyward_auth::needs::{CredentialsAccess, CredentialsWrite, Read};
use keyward_auth::{
    ApiKeyRecord, ApiKeys as _, Authenticate, Environment, Hashing, KeyName, LastUsed, NoAdvice,
    Permit, PersonName, Principal, RequiredScope, Role, Scopes, User, UserKind, UserStatus,
    Username, Users as _,
};
use keyward_core::{Id, ManualClock, Store as _, Timestamp};
use keyward_credentials::{
    AccessCredential, AccessError, Credential, CredentialId, CredentialName, CredentialScope,
    CredentialType, CredentialView, Credentials as _, FieldPath, FieldView, ManageCredentials,
    Mask, NewCredential, OpenFields, SecretField, StoredCredential,
};
use keyward_crypto::{
    ApiKey, ApiKeyKind, EncryptedString, FieldKey, KeyRing, MacRing, Passwords, Signed, TotpWindow,
};
use keyward_store_testing::MemoryStore;

#[test]
fn a_thousand_flipped_bits_are_each_noticed_at_their_place() {
    let world = World::new();
    let fields = world.stored(world.llm).secrets;
    assert_eq!(fields.len(), 3);
    let mut flipped = 0;
    for field in &fields {
        let stored = field.sealed.as_stored();
        // The highest bit would make it no UTF-8, which no store can hand out.
        let places = stored.len() * 7;
        assert!(places > 350);
        for n in 0..350 {
            let place = n * places / 350;
            let mut bytes = stored.as_bytes().to_vec();
            bytes[place / 7] ^= 1 << (place % 7);
            let sealed = String::from_utf8(bytes).unwrap();
            world.put(world.llm, &field.path, sealed);
            world.only_unreadable(world.llm, &[field.path.as_str()]);
            flipped += 1;
        }
        world.put(world.llm, &field.path, stored.to_owned());
        world.only_unreadable(world.llm, &[]);
    }
    assert!(flipped > 1_000);
}

#[test]
fn what_is_no_ciphertext_is_noticed() {
    let world = World::new();
    let field = world.field(world.llm, "api_key");
    let good = field.sealed.as_stored().to_owned();
    let (head, token) = good.rsplit_once('.').unwrap();
    for wrong in [
        String::new(),
        PLAIN[0].to_owned(),
        token.to_owned(),
        format!("{head}."),
        format!("{good}A"),
        format!("{good}\n"),
        format!(" {good}"),
        good.replace('=', ""),
        format!("{good}="),
        good[..good.len() - 4].to_owned(),
        good.to_uppercase(),
        good.replacen("v1.", "v2.", 1),
        format!("v1.{:016x}.{token}", 7),
        format!("{head}.{token}{token}"),
        "\0".repeat(120),
        "v1.ü".to_owned(),
    ] {
        world.put(world.llm, &field.path, wrong);
        world.only_unreadable(world.llm, &["api_key"]);
    }
}

#[test]
fn a_ciphertext_opens_in_no_other_field_row_or_owners_row() {
    let world = World::new();
    let (of_llm, of_twin) = ("api_key", "api_key");
    let header = world.field(world.llm, "custom_headers.X-Team");
    let key = world.field(world.llm, of_llm);
    let twin = world.field(world.twin, of_twin);
    let others = world.field(world.others, of_llm);

    // Between fields of one row, both ways.
    world.put(world.llm, &key.path, header.sealed.as_stored().to_owned());
    world.put(world.llm, &header.path, key.sealed.as_stored().to_owned());
    world.only_unreadable(world.llm, &["api_key", "custom_headers.X-Team"]);
    world.put(world.llm, &key.path, key.sealed.as_stored().to_owned());
    world.put(
        world.llm,
        &header.path,
        header.sealed.as_stored().to_owned(),
    );
    world.only_unreadable(world.llm, &[]);

    // Between rows of one owner, both ways.
    world.put(world.llm, &key.path, twin.sealed.as_stored().to_owned());
    world.only_unreadable(world.llm, &["api_key"]);
    world.put(world.llm, &key.path, key.sealed.as_stored().to_owned());
    world.put(world.twin, &twin.path, key.sealed.as_stored().to_owned());
    world.only_unreadable(world.twin, &["api_key"]);
    world.put(world.twin, &twin.path, twin.sealed.as_stored().to_owned());

    // Between owners.
    world.put(world.llm, &key.path, others.sealed.as_stored().to_owned());
    world.only_unreadable(world.llm, &["api_key"]);

    // The same text under the name of a field that was not set.
    world.put(world.llm, &key.path, key.sealed.as_stored().to_owned());
    let new = FieldPath::from_stored("custom_headers.X-New".to_owned());
    world.put(world.llm, &new, header.sealed.as_stored().to_owned());
    world.only_unreadable(world.llm, &["custom_headers.X-New"]);
}

#[test]
fn a_row_that_was_changed_makes_all_its_secrets_unreadable() {
    let world = World::new();
    let all = ["api_key", "custom_headers.X-Other", "custom_headers.X-Team"];
    let elsewhere = r#"{"base_url":"https://evil.example","provider":"openai"}"#;
    let no_url = r#"{"provider":"openai"}"#;
    let stranger = world
        .stored(world.others)
        .credential
        .unverified()
        .created_by;
    let edits: [(&str, Edit); 5] = [
        (
            "base_url",
            Box::new(move |row| row.open_fields = OpenFields::from_stored(elsewhere).unwrap()),
        ),
        (
            "no base_url",
            Box::new(move |row| row.open_fields = OpenFields::from_stored(no_url).unwrap()),
        ),
        ("created_by", Box::new(move |row| row.created_by = stranger)),
        (
            "type",
            Box::new(|row| row.credential_type = CredentialType::Generic),
        ),
        ("version", Box::new(|row| row.version += 1)),
    ];
    for (what, edit) in edits {
        let before = world.stored(world.llm).credential.unverified().clone();
        assert!(
            world
                .store
                .tamper(|rows| rows.edit_credential(world.llm, &edit))
        );
        world.only_unreadable(world.llm, &all);
        world.cannot_be_changed(world.llm);
        let back = move |row: &mut Credential| *row = before;
        assert!(
            world
                .store
                .tamper(|rows| rows.edit_credential(world.llm, back)),
            "{what}"
        );
        world.only_unreadable(world.llm, &[]);
    }
}

#[test]
fn a_row_of_a_type_that_has_no_such_fields_is_still_listed() {
    let world = World::new();
    for kind in CredentialType::ALL {
        let edit = |row: &mut Credential| row.credential_type = kind;
        assert!(
            world
                .store
                .tamper(|rows| rows.edit_credential(world.llm, edit))
        );
        assert_eq!(world.list().len(), 3, "{kind}");
        let opened = world
            .access()
            .open(&world.permit::<CredentialsAccess>(), world.llm, None);
        assert_eq!(opened.is_ok(), kind == CredentialType::Llm, "{kind}");
    }
}

type Edit = Box<dyn Fn(&mut Credential)>;

/// Names decide nothing, so they are not covered: the positive control of the tests above.
#[test]
fn a_changed_name_does_no_harm() {
    let world = World::new();
    let edit = |row: &mut Credential| row.name = CredentialName::from_stored("new".to_owned());
    assert!(
        world
            .store
            .tamper(|rows| rows.edit_credential(world.llm, edit))
    );
    world.only_unreadable(world.llm, &[]);
}

#[test]
fn without_the_right_keys_nothing_opens_and_everything_is_listed() {
    let world = World::new();
    let all = ["api_key", "custom_headers.X-Other", "custom_headers.X-Team"];
    let other_field_key = World {
        keys: KeyRing::new(vec![FieldKey::generate()]).unwrap(),
        ..world.clone()
    };
    let macs = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
    let other_secret_key = World {
        // Somebody whose own rows are signed with the other key.
        principal: principal(&world.store, &macs, &world.clock, "grace"),
        macs,
        ..world.clone()
    };
    for world in [other_field_key, other_secret_key] {
        for view in world.list() {
            assert!(
                masks(&view)
                    .values()
                    .all(|mask| mask.unreadable && mask.set)
            );
        }
        let error = world.opened(world.llm, None).unwrap_err();
        assert_eq!(unreadable(&error), all);
    }
    world.only_unreadable(world.llm, &[]);
}

#[derive(Clone)]
struct World {
    store: Arc<MemoryStore>,
    keys: KeyRing,
    macs: MacRing,
    clock: Arc<ManualClock>,
    principal: Principal,
    /// The credential that is changed.
    llm: CredentialId,
    /// One with the same values, of the same owner.
    twin: CredentialId,
    /// One with the same values, of another owner.
    others: CredentialId,
}

impl World {
    fn new() -> Self {
        let macs = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000)));
        let ada = principal(&store, &macs, &clock, "ada");
        let eve = principal(&store, &macs, &clock, "eve");
        let mut world = Self {
            store,
            keys: KeyRing::new(vec![FieldKey::generate()]).unwrap(),
            clock,
            principal: ada,
            llm: Id::generate(),
            twin: Id::generate(),
            others: Id::generate(),
            macs,
        };
        world.llm = world.keep();
        world.twin = world.keep();
        let ada = std::mem::replace(&mut world.principal, eve);
        world.others = world.keep();
        world.principal = ada;
        world
    }

    fn keep(&self) -> CredentialId {
        let detail = serde_json::json!({
            "provider": "openai",
            "base_url": "https://api.example.com",
            "api_key": PLAIN[0],
            "custom_headers": { "X-Team": PLAIN[1], "X-Other": PLAIN[2] },
        });
        let new = NewCredential {
            broker: None,
            name: CredentialName::parse("kept").unwrap(),
            credential_type: CredentialType::Llm,
            detail: serde_json::from_value(detail).unwrap(),
        };
        let made = self
            .manage()
            .create(&self.permit::<CredentialsWrite>(), new, None);
        made.unwrap().id
    }

    fn manage(&self) -> ManageCredentials<Arc<MemoryStore>> {
        ManageCredentials::new(&self.environment(), CredentialScope::Global)
    }

    fn access(&self) -> AccessCredential<Arc<MemoryStore>> {
        AccessCredential::new(&self.environment(), CredentialScope::Global)
    }

    fn environment(&self) -> Environment<Arc<MemoryStore>> {
        Environment {
            store: Arc::clone(&self.store),
            fields: self.keys.clone(),
            macs: self.macs.clone(),
            hashing: Hashing::new(Passwords::danger_fast()),
            audit: self.audit(),
            clock: self.clock.clone(),
            totp_window: TotpWindow::default(),
            advice: Arc::new(NoAdvice),
        }
    }

    fn audit(&self) -> AuditLog {
        // The chain has a key of its own here: some worlds have lost the one of the rows.
        let macs = MacRing::danger_parse_any("the chain of these tests is signed with no secret");
        AuditLog::new(macs.unwrap(), self.clock.clone())
    }

    fn permit<Needed: RequiredScope>(&self) -> Permit<Needed> {
        self.principal.clone().permit().unwrap()
    }

    fn list(&self) -> Vec<CredentialView> {
        self.manage()
            .list(&self.permit::<Read>(), None, 100)
            .unwrap()
    }

    fn stored(&self, id: CredentialId) -> StoredCredential {
        self.store.read(|tx| tx.credential(id)).unwrap().unwrap()
    }

    fn field(&self, id: CredentialId, path: &str) -> SecretField {
        let mut fields = self.stored(id).secrets;
        fields.retain(|field| field.path.as_str() == path);
        fields.remove(0)
    }

    /// Writes any text into the column of a secret.
    fn put(&self, id: CredentialId, path: &FieldPath, sealed: String) {
        let field = SecretField {
            path: path.clone(),
            sealed: EncryptedString::from_stored(sealed),
            last4: None,
        };
        self.store.write(|tx| tx.put_secret(id, &field)).unwrap();
    }

    fn opened(
        &self,
        id: CredentialId,
        field: Option<&str>,
    ) -> Result<BTreeMap<String, String>, AccessError> {
        let opened = self.access().open(&self.permit(), id, field)?;
        Ok(opened
            .into_iter()
            .map(|field| (field.path.to_string(), field.value.expose().to_owned()))
            .collect())
    }

    /// Fails unless exactly these secrets of the credential are unreadable, in lists and for
    /// access, and nothing that is said about them repeats what is stored.
    #[track_caller]
    fn only_unreadable(&self, id: CredentialId, expected: &[&str]) {
        let listed = self.list();
        assert_eq!(listed.len(), 3, "a list lost a credential");
        for view in &listed {
            let found: Vec<_> = masks(view)
                .into_iter()
                .filter_map(|(path, mask)| mask.unreadable.then_some(path))
                .collect();
            if view.id == id {
                assert_eq!(found, expected);
                let one = self
                    .manage()
                    .credential(&self.permit::<Read>(), id)
                    .unwrap();
                assert_eq!(one, *view);
            } else {
                assert_eq!(found, [""; 0], "another credential");
            }
        }
        let stored = self.stored(id).secrets;
        let mut said = serde_json::to_string(&listed).unwrap();
        for field in &stored {
            let path = field.path.as_str();
            match self.opened(id, Some(path)) {
                Ok(opened) => {
                    assert!(!expected.contains(&path), "`{path}` opened");
                    assert_eq!(opened.len(), 1);
                    assert!(PLAIN.contains(&opened[path].as_str()));
                }
                Err(error) => {
                    assert_eq!(unreadable(&error), [path]);
                    assert!(expected.contains(&path), "`{path}` did not open");
                    write!(said, "{error} {error:?}").unwrap();
                }
            }
        }
        match self.opened(id, None) {
            Ok(opened) => assert!(expected.is_empty() && opened.len() == stored.len()),
            Err(error) => {
                assert_eq!(unreadable(&error), expected);
                write!(said, "{error} {error:?}").unwrap();
            }
        }
        for secret in PLAIN {
            assert!(!said.contains(secret), "{said}");
        }
        for field in &stored {
            let raw = field.sealed.as_stored();
            assert!(raw.len() < 8 || !said.contains(raw), "{said}");
        }
    }

    #[track_caller]
    fn cannot_be_changed(&self, id: CredentialId) {
        let detail = serde_json::json!({ "api_key": "sk-another-key" });
        let change = keyward_credentials::CredentialChange {
            detail: serde_json::from_value(detail).unwrap(),
            ..Default::default()
        };
        let rows = format!("{:?}", self.stored(id));
        let changed = self.manage().change(&self.permit(), id, change);
        assert!(
            changed.is_err(),
            "a row that is not genuine was signed anew"
        );
        assert_eq!(format!("{:?}", self.stored(id)), rows);
    }
}

/// An administrator with a key of their own.
fn principal(
    store: &Arc<MemoryStore>,
    macs: &MacRing,
    clock: &Arc<ManualClock>,
    name: &str,
) -> Principal {
    let user = User {
        id: Id::generate(),
        username: Username::parse(name).unwrap(),
        kind: UserKind::Human,
        role: Role::Admin,
        status: UserStatus::Active,
        password_hash: None,
        first_name: PersonName::from_stored(String::new()),
        last_name: PersonName::from_stored(String::new()),
        created_at: Timestamp(0),
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
        name: KeyName::parse("test").unwrap(),
        scopes: Scopes::all(),
        created_at: Timestamp(0),
        expires_at: None,
        revoked_at: None,
        fresh_until: None,
        legacy_id: None,
        key_mac: key.mac(macs),
    };
    let (user, record) = (Signed::sign(user, macs), Signed::sign(record, macs));
    assert!(store.write(|tx| tx.add_user(&user)).unwrap());
    store.write(|tx| tx.add_api_key(&record)).unwrap();
    let last_used = Arc::new(LastUsed::default());
    Authenticate::new(Arc::clone(store), macs.clone(), clock.clone(), last_used)
        .principal(&key)
        .unwrap()
}

/// The masks of a view by path.
fn masks(view: &CredentialView) -> BTreeMap<String, Mask> {
    let mut masks = BTreeMap::new();
    for (name, field) in &view.detail {
        match field {
            FieldView::Open(_) => {}
            FieldView::Secret(mask) => {
                masks.insert(name.clone(), mask.clone());
            }
            FieldView::Map(members) => masks.extend(
                members
                    .iter()
                    .map(|(member, mask)| (format!("{name}.{member}"), mask.clone())),
            ),
        }
    }
    masks
}

#[track_caller]
fn unreadable(error: &AccessError) -> Vec<&str> {
    match error {
        AccessError::Unreadable(paths) => paths.iter().map(FieldPath::as_str).collect(),
        other => panic!("not unreadable but {other:?}"),
    }
}

/// The secrets in the clear.
const PLAIN: [&str; 3] = [
    "sk-plain-0123456789",
    "team-plain-0123456789",
    "other-plain-0123456789",
];
