//! The vectors of docs/formats.md that are of this crate.

use std::collections::BTreeMap;

use keyward_core::{Id, LegacyId, Timestamp};
use keyward_crypto::{
    ApiKeyId, ApiKeyKind, EncryptedString, FieldKey, KeyRing, Mac, MacRing, Signable, Signed,
    TicketId,
};

use crate::factors::TotpColumn;
use crate::{
    ApiKeyRecord, KeyName, LimitSubject, PersonName, Role, Scopes, TicketRecord, User, UserId,
    UserKind, UserStatus, Username,
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
