//! The test vectors of `docs/vectors`, which `scripts/vectors` makes from the description without
//! any code of this crate.

#![allow(clippy::disallowed_methods, reason = "nobody logs in with these codes")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy knows test functions, but not what they share"
)]

use std::path::Path;

use keyward_crypto::{
    ApiKey, Context, EncryptedString, FieldKey, KeyRing, Mac, MacRing, PlainFernet, ProofBinding,
    ProofCode, ProofKey, TotpCode, TotpSecret,
};
use serde_json::Value;

fn file(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The members of a list, of which there have to be some.
fn cases<'a>(file: &'a Value, list: &str) -> &'a [Value] {
    let cases = file[list].as_array().unwrap();
    assert!(cases.len() >= 2, "{list} has {} members", cases.len());
    cases
}

fn text<'a>(case: &'a Value, member: &str) -> &'a str {
    case[member].as_str().unwrap()
}

#[test]
fn what_the_pages_show_is_among_the_vectors() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (page, name, vectors) in [
        ("formats.md", "sealed", "sealed-values.json"),
        ("formats.md", "api-key", "api-keys.json"),
        ("formats.md", "api-key-mac", "api-keys.json"),
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
        let file = file(vectors).to_string();
        assert!(file.contains(&format!("\"{value}\"")), "{page}: {name}");
    }
}

/// These keys are public, and refused as settings.
fn field_key(text: &str) -> FieldKey {
    FieldKey::danger_parse_any(text).unwrap()
}

#[test]
fn sealed_values_open_in_their_place_and_nothing_else_opens() {
    let file = file("sealed-values.json");
    let keys = file["field_keys"].as_object().unwrap();
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
    for case in cases(&file, "valid") {
        assert_eq!(open(case).unwrap().expose(), text(case, "text"), "{case}");
    }
    for case in cases(&file, "invalid") {
        assert!(open(case).is_err(), "{case}");
    }
}

#[test]
fn plain_tokens_open_under_their_keys_and_nothing_else_opens() {
    let file = file("plain-fernet.json");
    let keys = file["field_keys"].as_array().unwrap().iter();
    let keys = keys.map(|key| field_key(key.as_str().unwrap())).collect();
    let fernet = PlainFernet::new(keys).unwrap();
    for case in cases(&file, "valid") {
        let opened = fernet.decrypt(text(case, "token")).unwrap();
        assert_eq!(&**opened, text(case, "text").as_bytes());
    }
    for case in cases(&file, "invalid") {
        assert!(fernet.decrypt(text(case, "token")).is_err(), "{case}");
    }
}

#[test]
fn api_keys_are_read_with_their_checksum_and_have_their_macs() {
    let file = file("api-keys.json");
    let macs = MacRing::danger_parse_any(text(&file, "secret_key")).unwrap();
    for case in cases(&file, "valid") {
        let key = ApiKey::parse(text(case, "key")).unwrap();
        assert_eq!(key.kind().as_str(), text(case, "kind"));
        assert_eq!(key.id().as_str(), text(case, "id"));
        assert_eq!(key.mac(&macs).as_stored(), text(case, "mac"));
        assert!(key.matches(&macs, &Mac::from_stored(text(case, "mac")).unwrap()));
    }
    for case in cases(&file, "invalid") {
        assert!(ApiKey::parse(text(case, "key")).is_err(), "{case}");
    }
}

#[test]
fn codes_of_people_match_in_their_step_and_in_the_next_one() {
    let file = file("one-time-codes.json");
    let matches = |case: &Value| {
        let secret = TotpSecret::from_base32(text(case, "secret")).unwrap();
        let code = TotpCode::parse(text(case, "code")).unwrap();
        let time = case["time"].as_i64().unwrap();
        (
            secret.matched_step(&code, time).is_some(),
            secret.matched_step(&code, time + 30).is_some(),
        )
    };
    for case in cases(&file, "valid") {
        assert_eq!(matches(case), (true, true), "{case}");
    }
    for case in cases(&file, "invalid") {
        assert!(!matches(case).0, "{case}");
    }
    for malformed in cases(&file, "malformed") {
        assert!(
            TotpCode::parse(malformed.as_str().unwrap()).is_err(),
            "{malformed}"
        );
    }
}

#[test]
fn proofs_match_for_their_prover_audience_and_purpose_alone() {
    let file = file("proofs.json");
    let secret = TotpSecret::from_base32(text(&file, "secret")).unwrap();
    let id = |case: &Value, member: &str| -> [u8; 16] {
        let hex = text(case, member).replace('-', "");
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        bytes.try_into().unwrap()
    };
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
    for case in cases(&file, "valid") {
        assert!(matches(case), "{case}");
    }
    for case in cases(&file, "invalid") {
        assert!(!matches(case), "{case}");
    }
}
