//! The test vectors of `docs/vectors`, which `scripts/vectors` makes from the description without
//! any code of this crate.

#![allow(clippy::disallowed_methods, reason = "nobody logs in with these codes")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use keyward_crypto::{
    ApiKey, Context, EncryptedString, FieldKey, KeyRing, LoginTicket, Mac, MacPurpose, MacRing,
    PlainFernet, ProofBinding, ProofCode, ProofKey, ProvisioningUri, RecoveryCode, TotpCode,
    TotpSecret, TotpWindow,
};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors")
}

/// A file of vectors. A test that leaves one of its lists out fails.
struct Vectors {
    content: Value,
    unread: RefCell<BTreeSet<String>>,
}

impl Vectors {
    fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(folder().join(name)).unwrap();
        let content: Value = serde_json::from_str(&text).unwrap();
        let members = content.as_object().unwrap().iter();
        let lists = members.filter(|(_, member)| member.is_array());
        let unread = RefCell::new(lists.map(|(name, _)| name.clone()).collect());
        Self { content, unread }
    }

    /// The members of a list, of which there have to be some.
    fn cases(&self, list: &str) -> &[Value] {
        self.unread.borrow_mut().remove(list);
        let cases = self.content[list].as_array().unwrap();
        assert!(cases.len() >= 2, "{list} has {} members", cases.len());
        cases
    }

    fn text(&self, member: &str) -> &str {
        text(&self.content, member)
    }

    /// The ring of the secret, or of the secrets, of the file. They are public, and refused as settings.
    fn macs(&self) -> MacRing {
        let list = match self.content.get("secret_keys") {
            Some(_) => {
                let keys = self.cases("secret_keys").iter();
                keys.map(|key| key.as_str().unwrap())
                    .collect::<Vec<_>>()
                    .join(",")
            }
            None => self.text("secret_key").to_owned(),
        };
        MacRing::danger_parse_any(&list).unwrap()
    }
}

impl Drop for Vectors {
    fn drop(&mut self) {
        let unread = self.unread.borrow();
        assert!(
            std::thread::panicking() || unread.is_empty(),
            "left out: {unread:?}"
        );
    }
}

fn text<'a>(case: &'a Value, member: &str) -> &'a str {
    case[member].as_str().unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
}

/// The 16 bytes of a UUID.
fn id(case: &Value, member: &str) -> [u8; 16] {
    bytes(&text(case, member).replace('-', ""))
        .try_into()
        .unwrap()
}

#[test]
fn every_file_of_vectors_is_read_here() {
    let this = include_str!("vectors.rs");
    let mut files = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            this.contains(&format!("Vectors::read(\"{name}\")")),
            "{name}"
        );
        files += 1;
    }
    assert!(files >= 10);
}

#[test]
#[should_panic(expected = "left out: {\"valid\"}")]
fn a_list_that_is_left_out_is_noticed() {
    let vectors = Vectors::read("plain-fernet.json");
    vectors.cases("invalid");
    vectors.cases("field_keys");
}

#[test]
fn what_the_pages_show_is_among_the_vectors() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (page, name, vectors) in [
        ("formats.md", "sealed", "sealed-values.json"),
        ("formats.md", "api-key", "api-keys.json"),
        ("formats.md", "api-key-mac", "api-keys.json"),
        ("formats.md", "mac-agent-row", "macs.json"),
        ("formats.md", "mac-advice", "macs.json"),
        ("formats.md", "row-user-mac", "row-macs.json"),
        ("formats.md", "row-user-mfa-legacy-mac", "row-macs.json"),
        ("formats.md", "row-key-fresh-mac", "row-macs.json"),
        ("formats.md", "row-ticket-mac", "row-macs.json"),
        ("formats.md", "recovery-code", "recovery-codes.json"),
        ("formats.md", "recovery-mac", "recovery-codes.json"),
        ("formats.md", "ticket", "login-tickets.json"),
        ("formats.md", "ticket-mac", "login-tickets.json"),
        ("formats.md", "totp-uri", "provisioning-uris.json"),
        ("formats.md", "totp-code", "one-time-codes.json"),
        ("agent-identity.md", "proof-at-59", "proofs.json"),
        ("agent-identity.md", "proof-at-20000000000", "proofs.json"),
        (
            "agent-identity.md",
            "proof-without-purpose-at-1800000000",
            "proofs.json",
        ),
    ] {
        let text = std::fs::read_to_string(docs.join(page)).unwrap();
        let line = format!("\n{name} = \"");
        let (_, rest) = text.split_once(&line).unwrap();
        let (value, _) = rest.split_once('"').unwrap();
        let file = std::fs::read_to_string(folder().join(vectors)).unwrap();
        assert!(file.contains(&format!("\"{value}\"")), "{page}: {name}");
    }
}

/// These keys are public, and refused as settings.
fn field_key(text: &str) -> FieldKey {
    FieldKey::danger_parse_any(text).unwrap()
}

#[test]
fn sealed_values_open_in_their_place_and_nothing_else_opens() {
    let file = Vectors::read("sealed-values.json");
    let keys = file.content["field_keys"].as_object().unwrap();
    let keys = keys.iter().map(|(kid, key)| {
        let key = field_key(key.as_str().unwrap());
        assert_eq!(key.id().as_str(), kid);
        key
    });
    let ring = KeyRing::new(keys.collect()).unwrap();
    let open = |case: &Value| {
        let place: Vec<_> = case["place"].as_array().unwrap().iter().collect();
        let part = |number: usize| place[number].as_str().unwrap();
        let place = Context::new(part(0), part(1), part(2), part(3));
        ring.open(
            &EncryptedString::from_stored(text(case, "sealed").to_owned()),
            &place,
        )
    };
    for case in file.cases("valid") {
        assert_eq!(open(case).unwrap().expose(), text(case, "text"), "{case}");
    }
    for case in file.cases("invalid") {
        assert!(open(case).is_err(), "{case}");
    }
}

#[test]
fn plain_tokens_open_under_their_keys_and_nothing_else_opens() {
    let file = Vectors::read("plain-fernet.json");
    let keys = file.cases("field_keys").iter();
    let keys = keys.map(|key| field_key(key.as_str().unwrap())).collect();
    let fernet = PlainFernet::new(keys).unwrap();
    for case in file.cases("valid") {
        let opened = fernet.decrypt(text(case, "token")).unwrap();
        assert_eq!(&**opened, text(case, "text").as_bytes());
    }
    for case in file.cases("invalid") {
        assert!(fernet.decrypt(text(case, "token")).is_err(), "{case}");
    }
}

#[test]
fn api_keys_are_read_with_their_checksum_and_have_their_macs() {
    let file = Vectors::read("api-keys.json");
    let macs = file.macs();
    for case in file.cases("valid") {
        let key = ApiKey::parse(text(case, "key")).unwrap();
        assert_eq!(key.kind().as_str(), text(case, "kind"));
        assert_eq!(key.id().as_str(), text(case, "id"));
        assert_eq!(key.mac(&macs).as_stored(), text(case, "mac"));
        assert!(key.matches(&macs, &Mac::from_stored(text(case, "mac")).unwrap()));
    }
    for case in file.cases("invalid") {
        assert!(ApiKey::parse(text(case, "key")).is_err(), "{case}");
    }
    for case in file.cases("wrong_macs") {
        let key = ApiKey::parse(text(case, "key")).unwrap();
        let mac = Mac::from_stored(text(case, "mac")).unwrap();
        assert!(!key.matches(&macs, &mac), "{case}");
    }
}

#[test]
fn tickets_are_read_with_their_checksum_and_have_their_macs() {
    let file = Vectors::read("login-tickets.json");
    let macs = file.macs();
    for case in file.cases("valid") {
        let ticket = LoginTicket::parse(text(case, "ticket")).unwrap();
        assert_eq!(ticket.id().as_str(), text(case, "id"));
        assert_eq!(ticket.mac(&macs).as_stored(), text(case, "mac"));
        assert!(ticket.matches(&macs, &Mac::from_stored(text(case, "mac")).unwrap()));
    }
    for case in file.cases("invalid") {
        assert!(LoginTicket::parse(text(case, "ticket")).is_err(), "{case}");
    }
    for case in file.cases("wrong_macs") {
        let ticket = LoginTicket::parse(text(case, "ticket")).unwrap();
        let mac = Mac::from_stored(text(case, "mac")).unwrap();
        assert!(!ticket.matches(&macs, &mac), "{case}");
    }
}

#[test]
fn recovery_codes_match_their_macs_for_their_user_alone() {
    let file = Vectors::read("recovery-codes.json");
    let macs = file.macs();
    let matches = |case: &Value| {
        let code = RecoveryCode::parse(text(case, "code")).unwrap();
        let mac = Mac::from_stored(text(case, "mac")).unwrap();
        code.matches(&macs, &id(case, "user"), &mac)
    };
    for case in file.cases("valid") {
        assert!(matches(case), "{case}");
        let code = RecoveryCode::parse(text(case, "code")).unwrap();
        let made = code.mac(&macs, &id(case, "user"));
        assert_eq!(made.as_stored(), text(case, "mac"), "{case}");
    }
    for case in file.cases("invalid") {
        assert!(!matches(case), "{case}");
    }
    for malformed in file.cases("malformed") {
        let code = RecoveryCode::parse(malformed.as_str().unwrap());
        assert!(code.is_err(), "{malformed}");
    }
}

/// Whether the MAC of a case is one over its parts; what is no MAC is none.
fn is_genuine(macs: &MacRing, purpose: &str, case: &Value) -> bool {
    let parts = parts(case);
    let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
    let mac = Mac::from_stored(text(case, "mac"));
    mac.is_some_and(|mac| macs.verify(self::purpose(purpose), &parts, &mac))
}

fn parts(case: &Value) -> Vec<Vec<u8>> {
    let parts = case["parts"].as_array().unwrap().iter();
    parts.map(|part| bytes(part.as_str().unwrap())).collect()
}

/// The purpose with a name of docs/formats.md.
fn purpose(name: &str) -> MacPurpose {
    let place = PURPOSES.iter().position(|purpose| *purpose == name);
    MacPurpose::ALL[place.unwrap()]
}

/// In the order of [`MacPurpose::ALL`].
const PURPOSES: [&str; MacPurpose::ALL.len()] = [
    "api-key",
    "api-key-row",
    "user-row",
    "credential-row",
    "audit-event",
    "audit-head",
    "idempotent-request",
    "recovery-code",
    "login-ticket",
    "limit-subject",
    "totp-row",
    "login-ticket-row",
    "agent-row",
    "advice",
];

#[test]
fn macs_are_genuine_for_their_purpose_parts_and_secret_alone() {
    let file = Vectors::read("macs.json");
    let macs = file.macs();
    let mut seen = BTreeSet::new();
    for case in file.cases("valid") {
        assert!(is_genuine(&macs, text(case, "purpose"), case), "{case}");
        seen.insert(text(case, "purpose"));
    }
    assert_eq!(seen, BTreeSet::from(PURPOSES));
    for case in file.cases("invalid") {
        assert!(!is_genuine(&macs, text(case, "purpose"), case), "{case}");
    }
}

/// That rows have these parts is tested where the rows are.
#[test]
fn macs_of_rows_are_genuine_for_their_parts_alone() {
    let file = Vectors::read("row-macs.json");
    let macs = file.macs();
    for case in file.cases("valid") {
        assert!(is_genuine(&macs, text(case, "row"), case), "{case}");
    }
    for case in file.cases("invalid") {
        assert!(!is_genuine(&macs, text(case, "row"), case), "{case}");
    }
}

#[test]
fn apps_are_enrolled_by_these_uris_and_no_others() {
    let file = Vectors::read("provisioning-uris.json");
    let made = |case: &Value| {
        let secret = TotpSecret::from_base32(text(case, "secret")).unwrap();
        ProvisioningUri::new(&secret, text(case, "issuer"), text(case, "account"))
    };
    for case in file.cases("valid") {
        assert_eq!(made(case).expose(), text(case, "uri"));
    }
    for case in file.cases("invalid") {
        assert_ne!(made(case).expose(), text(case, "uri"), "{case}");
    }
}

#[test]
fn codes_of_people_match_in_their_step_and_in_the_next_one() {
    let file = Vectors::read("one-time-codes.json");
    let matches = |case: &Value| {
        let secret = TotpSecret::from_base32(text(case, "secret")).unwrap();
        let code = TotpCode::parse(text(case, "code")).unwrap();
        let time = case["time"].as_i64().unwrap();
        let taken = |now| secret.matched_step(&code, now, TotpWindow::default());
        (taken(time).is_some(), taken(time + 30).is_some())
    };
    for case in file.cases("valid") {
        assert_eq!(matches(case), (true, true), "{case}");
    }
    for case in file.cases("invalid") {
        assert!(!matches(case).0, "{case}");
    }
    for malformed in file.cases("malformed") {
        assert!(
            TotpCode::parse(malformed.as_str().unwrap()).is_err(),
            "{malformed}"
        );
    }
}

#[test]
fn proofs_match_for_their_prover_audience_and_purpose_alone() {
    let file = Vectors::read("proofs.json");
    let secret = TotpSecret::from_base32(file.text("secret")).unwrap();
    let matches = |case: &Value| {
        let (prover, audience) = (id(case, "prover"), id(case, "audience"));
        let binding = ProofBinding {
            prover: &prover,
            audience: &audience,
            purpose: text(case, "purpose"),
        };
        let code = ProofCode::parse(text(case, "code")).unwrap();
        let time = case["time"].as_i64().unwrap();
        ProofKey::derive(&secret, &binding)
            .matched_step(&code, time)
            .is_some()
    };
    for case in file.cases("valid") {
        assert!(matches(case), "{case}");
    }
    for case in file.cases("invalid") {
        assert!(!matches(case), "{case}");
    }
    for malformed in file.cases("malformed") {
        let code = ProofCode::parse(malformed.as_str().unwrap());
        assert!(code.is_err(), "{malformed}");
    }
}
