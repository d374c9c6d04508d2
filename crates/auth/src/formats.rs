//! The vectors of docs/formats.md that are of this crate.

use std::collections::BTreeMap;

use keyward_core::{Id, LegacyId, Timestamp};
use keyward_crypto::{
    ApiKeyId, ApiKeyKind, EncryptedString, FieldKey, KeyRing, Mac, MacRing, PasswordHash, Signable,
    Signed, TicketId,
};
use serde_json::Value;

use crate::factors::TotpColumn;
use crate::{
    ApiKeyRecord, Delegation, KeyName, LimitSubject, PersonName, Role, Scopes, TicketRecord, User,
    UserId, UserKind, UserStatus, Username,
};

#[test]
fn a_user_row_is_signed_as_the_page_says() {
    let page = Page::read();
    let mut user = User {
        id: page.user(),
        username: Username::parse("ada").unwrap(),
        kind: UserKind::Human,
        role: Role::Admin,
        status: UserStatus::Active,
        password_hash: None,
        first_name: PersonName::parse("not").unwrap(),
        last_name: PersonName::parse("covered").unwrap(),
        created_at: Timestamp(0),
        mfa_since: None,
        delegation: None,
        legacy_id: None,
        version: 3,
    };
    page.assert_signed(user.clone(), "row-user-mac");
    user.mfa_since = Some(page.time("row-user-mfa-since"));
    page.assert_signed(user.clone(), "row-user-mfa-mac");
    user.legacy_id = Some(page.legacy_id());
    page.assert_signed(user.clone(), "row-user-mfa-legacy-mac");
    user.mfa_since = None;
    page.assert_signed(user, "row-user-legacy-mac");
}

#[test]
fn a_key_row_is_signed_as_the_page_says() {
    let page = Page::read();
    let mut key = ApiKeyRecord {
        id: ApiKeyId::parse(page.value("row-key-id")).unwrap(),
        kind: ApiKeyKind::Login,
        user: page.user(),
        name: KeyName::parse("not covered").unwrap(),
        scopes: Scopes::from_stored("credentials:write read").unwrap(),
        created_at: page.time("row-key-created-at"),
        expires_at: Some(page.time("row-key-expires-at")),
        revoked_at: None,
        fresh_until: None,
        legacy_id: None,
        key_mac: page.mac("api-key-mac"),
    };
    page.assert_signed(key.clone(), "row-key-mac");
    key.fresh_until = Some(page.time("row-key-fresh-until"));
    page.assert_signed(key.clone(), "row-key-fresh-mac");
    key.fresh_until = None;
    key.legacy_id = Some(page.legacy_id());
    page.assert_signed(key, "row-key-legacy-mac");
}

#[test]
fn a_ticket_row_is_signed_as_the_page_says() {
    let page = Page::read();
    let ticket = TicketRecord {
        id: TicketId::parse(page.value("ticket-id")).unwrap(),
        ticket_mac: page.mac("ticket-mac"),
        user: page.user(),
        expires_at: page.time("row-ticket-expires-at"),
    };
    page.assert_signed(ticket, "row-ticket-mac");
}

#[test]
fn the_secret_of_an_app_is_sealed_for_the_place_that_the_page_says() {
    let page = Page::read();
    let key = FieldKey::danger_parse_any(page.value("field-key")).unwrap();
    let ring = KeyRing::new(vec![key]).unwrap();
    let sealed = |name| EncryptedString::from_stored(page.value(name).to_owned());
    let places = [
        (TotpColumn::Active, sealed("sealed-totp-active")),
        (TotpColumn::Pending, sealed("sealed-totp-pending")),
    ];
    for (column, sealed) in &places {
        for (other, _) in &places {
            let opened = ring.open(sealed, &other.context(page.user())).ok();
            let opened = opened.as_ref().map(|text| text.expose());
            let expected = (other == column).then(|| page.value("totp-secret"));
            assert_eq!(opened, expected, "{column:?} as {other:?}");
        }
        let elsewhere = column.context(Id::generate());
        assert!(ring.open(sealed, &elsewhere).is_err());
    }
}

#[test]
fn attempts_are_counted_for_the_subjects_that_the_page_says() {
    let page = Page::read();
    let (macs, user) = (page.macs(), page.user());
    let network = page.value("subject-network");
    let unknown = page.value("subject-unknown-name");
    for (subject, name) in [
        (LimitSubject::totp(user), "subject-totp"),
        (LimitSubject::recovery(user), "subject-recovery"),
        (
            LimitSubject::password(&macs, Some(user), "ada", network),
            "subject-password",
        ),
        (
            LimitSubject::password(&macs, None, unknown, network),
            "subject-password-unknown",
        ),
        (LimitSubject::source(&macs, network), "subject-source"),
    ] {
        assert_eq!(subject.as_str(), page.value(name), "{name}");
    }
}

#[test]
fn rows_are_signed_as_the_vectors_say() {
    let vectors = include_str!("../../../docs/vectors/row-macs.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let macs = MacRing::danger_parse_any(vectors["secret_key"].as_str().unwrap()).unwrap();
    let is_genuine = |case: &Value| {
        let row = Columns(&case["columns"]);
        let mac = Mac::from_stored(case["mac"].as_str().unwrap()).unwrap();
        match case["row"].as_str().unwrap() {
            "user-row" => row
                .user()
                .map(|user| Signed::from_stored(user, mac).is_genuine(&macs)),
            "api-key-row" => Some(Signed::from_stored(row.api_key(), mac).is_genuine(&macs)),
            "login-ticket-row" => Some(Signed::from_stored(row.ticket(), mac).is_genuine(&macs)),
            // Of other crates, which have such a test of their own.
            "credential-row" | "agent-row" => None,
            other => panic!("{other}"),
        }
    };
    let mut tried = [0, 0];
    for (number, list) in ["valid", "invalid"].into_iter().enumerate() {
        for case in vectors[list].as_array().unwrap() {
            if let Some(genuine) = is_genuine(case) {
                assert_eq!(genuine, list == "valid", "{case}");
                tried[number] += 1;
            }
        }
    }
    assert!(tried.iter().all(|tried| *tried > 10), "{tried:?}");
}

/// The columns of a row in docs/vectors. What no MAC covers is made up.
struct Columns<'a>(&'a Value);

impl Columns<'_> {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap()
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.0[name].as_i64()
    }

    fn time(&self, name: &str) -> Option<Timestamp> {
        self.number(name).map(Timestamp)
    }

    fn id(&self, name: &str) -> UserId {
        Id::parse(self.text(name)).unwrap()
    }

    fn scopes(&self) -> Scopes {
        Scopes::from_stored(self.text("scopes")).unwrap()
    }

    fn mac(&self, name: &str) -> Mac {
        Mac::from_stored(self.text(name)).unwrap()
    }

    /// `None` where there is no such kind of user.
    fn user(&self) -> Option<User> {
        let kind = UserKind::parse(self.text("kind"))?;
        let delegation = (kind == UserKind::Agent).then(|| Delegation {
            owner: self.id("owner"),
            scopes: self.scopes(),
            expires_at: self.time("delegation_ends"),
        });
        let hash = self.0["password_hash"].as_str().map(str::to_owned);
        Some(User {
            id: self.id("id"),
            username: Username::from_stored(self.text("username").to_owned()),
            kind,
            role: Role::parse(self.text("role")).unwrap(),
            status: UserStatus::parse(self.text("status")).unwrap(),
            password_hash: hash.map(PasswordHash::from_stored),
            first_name: PersonName::from_stored("not".to_owned()),
            last_name: PersonName::from_stored("covered".to_owned()),
            created_at: Timestamp(0),
            mfa_since: self.time("mfa_since"),
            delegation,
            legacy_id: self.number("legacy_id").map(LegacyId),
            version: self.number("version").unwrap(),
        })
    }

    fn api_key(&self) -> ApiKeyRecord {
        ApiKeyRecord {
            id: ApiKeyId::parse(self.text("id")).unwrap(),
            kind: ApiKeyKind::parse(self.text("kind")).unwrap(),
            user: self.id("owner"),
            name: KeyName::from_stored("not covered".to_owned()),
            scopes: self.scopes(),
            created_at: self.time("created_at").unwrap(),
            expires_at: self.time("expires_at"),
            revoked_at: self.time("revoked_at"),
            fresh_until: self.time("fresh_until"),
            legacy_id: self.number("legacy_id").map(LegacyId),
            key_mac: self.mac("secret_mac"),
        }
    }

    fn ticket(&self) -> TicketRecord {
        TicketRecord {
            id: TicketId::parse(self.text("id")).unwrap(),
            ticket_mac: self.mac("ticket_mac"),
            user: self.id("user"),
            expires_at: self.time("expires_at").unwrap(),
        }
    }
}

/// The blocks of docs/formats.md that are marked `toml`.
struct Page(BTreeMap<&'static str, &'static str>);

impl Page {
    fn read() -> Self {
        let text = include_str!("../../../docs/formats.md");
        let blocks = text.split("```toml\n").skip(1);
        let lines = blocks.flat_map(|block| block.lines().take_while(|line| *line != "```"));
        Self(
            lines
                .map(|line| {
                    let (name, value) = line.split_once(" = ").unwrap();
                    (name, value.trim_matches('"'))
                })
                .collect(),
        )
    }

    fn value(&self, name: &str) -> &'static str {
        let value = self.0.get(name);
        value.unwrap_or_else(|| panic!("docs/formats.md has no vector {name}"))
    }

    fn time(&self, name: &str) -> Timestamp {
        Timestamp(self.value(name).parse().unwrap())
    }

    fn legacy_id(&self) -> LegacyId {
        LegacyId(self.value("row-user-legacy-id").parse().unwrap())
    }

    fn mac(&self, name: &str) -> Mac {
        Mac::from_stored(self.value(name)).unwrap()
    }

    fn user(&self) -> UserId {
        Id::parse(self.value("row-user")).unwrap()
    }

    fn macs(&self) -> MacRing {
        MacRing::danger_parse_any(self.value("secret-key")).unwrap()
    }

    #[track_caller]
    fn assert_signed<T: Signable>(&self, row: T, name: &str) {
        let signed = Signed::sign(row, &self.macs());
        assert_eq!(signed.mac().as_stored(), self.value(name), "{name}");
        assert!(signed.is_genuine(&self.macs()));
    }
}
