//! The test vectors of the Fernet specification
//! (<https://github.com/fernet/spec>: generate.json, verify.json, invalid.json).

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use data_encoding::BASE64URL;
use keyward_crypto::{PlainFernet, PlainFernetError};

#[test]
fn the_generated_token_is_what_the_specification_says() {
    let bytes = BASE64URL.decode(TOKEN.as_bytes()).unwrap();
    let iv: Vec<u8> = (0..16).collect();

    // The IV cannot be chosen from outside. But given the key, a token is determined by its
    // time, IV and content, so a token that gives these back is the only one with them.
    assert_eq!(fernet().timestamp(TOKEN), Ok(GENERATED_AT));
    assert_eq!(bytes[9..25], iv);
    assert_eq!(&**fernet().decrypt(TOKEN).unwrap(), b"hello");
}

#[test]
fn our_tokens_have_the_layout_of_the_generated_one() {
    let ours = BASE64URL
        .decode(fernet().encrypt(b"hello", GENERATED_AT).as_bytes())
        .unwrap();
    let theirs = BASE64URL.decode(TOKEN.as_bytes()).unwrap();
    assert_eq!(ours[..9], theirs[..9], "version and time");
    assert_ne!(ours[9..25], theirs[9..25], "IV");
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn the_valid_token_is_accepted() {
    let opened = fernet()
        .decrypt_with_ttl(TOKEN, 60, GENERATED_AT + 1)
        .unwrap();
    assert_eq!(&**opened, b"hello");
}

#[test]
fn every_invalid_token_is_refused() {
    for (description, token, now, expected) in INVALID {
        let error = fernet().decrypt_with_ttl(token, 60, now).unwrap_err();
        assert_eq!(error, expected, "{description}");
    }
}

#[test]
fn without_a_ttl_only_the_age_is_not_looked_at() {
    for (description, token, _, error) in INVALID {
        let aged = matches!(
            error,
            PlainFernetError::Expired | PlainFernetError::FromTheFuture
        );
        assert_eq!(fernet().decrypt(token).is_ok(), aged, "{description}");
    }
}

fn fernet() -> PlainFernet {
    PlainFernet::parse("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=").unwrap()
}

/// 1985-10-26T01:20:00-07:00.
const GENERATED_AT: u64 = 499_162_800;

const TOKEN: &str = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

const INVALID: [(&str, &str, u64, PlainFernetError); 8] = [
    (
        "incorrect mac",
        "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
        GENERATED_AT + 1,
        PlainFernetError::Tampered,
    ),
    (
        "too short",
        "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA==",
        GENERATED_AT + 1,
        PlainFernetError::Malformed,
    ),
    (
        "invalid base64",
        "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
        GENERATED_AT + 1,
        PlainFernetError::Malformed,
    ),
    (
        "payload size not multiple of block size",
        "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm",
        GENERATED_AT + 1,
        PlainFernetError::Malformed,
    ),
    (
        "payload padding error",
        "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==",
        GENERATED_AT + 1,
        PlainFernetError::Malformed,
    ),
    (
        "far-future TS (unacceptable clock skew)",
        "gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2Xc2a6kBd-iX9b_qXQcw==",
        GENERATED_AT + 1,
        PlainFernetError::FromTheFuture,
    ),
    (
        "expired TTL",
        "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
        GENERATED_AT + 91,
        PlainFernetError::Expired,
    ),
    (
        "incorrect IV (causes padding error)",
        "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ==",
        GENERATED_AT + 1,
        PlainFernetError::Malformed,
    ),
];
