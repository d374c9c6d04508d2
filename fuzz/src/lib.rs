//! What has to hold for every input of every parser: the bodies of the fuzz targets. The test `fuzz`
//! of the binary runs them too, over the seeds and what a fixed generator makes of them.
//!
//! Each asserts more than that nothing panics: what is read is written as it was, a canonical form
//! is its own canonical form, two ways to do one thing agree.

mod http;
mod values;

use std::net::IpAddr;
use std::str::from_utf8;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use keyward_audit::Anchor;
use keyward_auth::Username;
use keyward_backup::{ArchiveReader, Identities, Item};
use keyward_broker::{AllowPrivate, Needles, Scrub};
use keyward_credentials::{BrokerRules, Detail, RequestPath};
use keyward_crypto::{
    ApiKey, Context, EncryptedString, KeyRing, LoginTicket, Mac, MacRing, OneTimeCode, PlainFernet,
    RecoveryCode, SecretText, TotpCode, TotpSecret, TotpWindow,
};
use keyward_http::Network;
use keyward_recovery::Page;
use url::Url;

pub use http::http;
use values::{FIELD_KEY, IDENTITY, SECRET};

/// What is done with an input.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 18] = [
    ("api_key", api_key),
    ("sealed_value", sealed_value),
    ("key_setting", key_setting),
    ("stored_mac", stored_mac),
    ("plain_fernet", plain_fernet),
    ("one_time_code", one_time_code),
    ("base32_secret", base32_secret),
    ("username", username),
    ("request_path", request_path),
    ("broker_rules", broker_rules),
    ("credential_detail", credential_detail),
    ("client_network", client_network),
    ("allow_private", allow_private),
    ("audit_anchor", audit_anchor),
    ("recovery_page", recovery_page),
    ("backup", backup),
    ("scrub", scrub),
    ("http", http),
];

/// A key that is read is written as it was given, and has the id that stands in it.
pub fn api_key(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(key) = ApiKey::parse(text) {
        assert_eq!(key.expose(), text);
        let again = ApiKey::parse(key.expose()).expect("it was read before");
        assert_eq!(again.id(), key.id());
    }
}

/// What was sealed opens in its place, and with a bit changed nowhere; nobody else's text opens.
pub fn sealed_value(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let keys = KeyRing::parse(FIELD_KEY).expect("a key");
    let (place, other) = (
        Context::new("t", "c", "1", "u"),
        Context::new("t", "c", "2", "u"),
    );
    let foreign = EncryptedString::from_stored(text.to_owned());
    assert!(keys.open(&foreign, &place).is_err());
    assert_eq!(
        keys.check(&foreign, &place).is_ok(),
        keys.open(&foreign, &place).is_ok()
    );

    let sealed = keys.seal(text, &place, 1_800_000_000);
    assert_eq!(
        keys.open(&sealed, &place).expect("its place").expose(),
        text
    );
    assert!(keys.open(&sealed, &other).is_err());
    let mut bytes = sealed.as_stored().as_bytes().to_vec();
    let position = data.iter().map(|byte| usize::from(*byte)).sum::<usize>() % bytes.len();
    bytes[position] ^= 1 << (position % 7);
    if let Ok(changed) = String::from_utf8(bytes) {
        assert!(
            keys.open(&EncryptedString::from_stored(changed), &place)
                .is_err()
        );
    }
}

/// The first key of a list is the active one, for both settings.
pub fn key_setting(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(ring) = KeyRing::parse(text) {
        assert_eq!(ring.ids().next(), Some(ring.active()));
    }
    if let Ok(ring) = MacRing::parse(text) {
        assert_eq!(ring.ids().next(), Some(ring.active()));
    }
}

/// A MAC that is read is written as it was.
pub fn stored_mac(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Some(mac) = Mac::from_stored(text) {
        assert_eq!(mac.as_stored(), text);
    }
}

/// A token opens at any date, and one that was made elsewhere does not; no date panics.
pub fn plain_fernet(data: &[u8]) {
    let keys = PlainFernet::parse(FIELD_KEY).expect("a key");
    if let Ok(text) = from_utf8(data) {
        assert!(keys.decrypt(text).is_err());
        let _ = keys.timestamp(text);
    }
    let (at, plain) = data.split_at(data.len().min(8));
    let at = at.iter().fold(0, |at, byte| at << 8 | u64::from(*byte));
    let token = keys.encrypt(plain, at);
    assert_eq!(&**keys.decrypt(&token).expect("our own"), plain);
    assert_eq!(keys.timestamp(&token).expect("our own"), at);
    let _ = keys.decrypt_with_ttl(&token, 60, at.wrapping_add(61));
}

/// Each form of a code is read in one way only.
pub fn one_time_code(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(code) = TotpCode::parse(text) {
        assert_eq!(code.expose(), text);
        assert!(text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()));
    }
    if let Ok(code) = OneTimeCode::<8>::parse(text) {
        assert_eq!(code.expose(), text);
    }
    if let Ok(code) = RecoveryCode::parse(text) {
        let again = RecoveryCode::parse(code.expose()).expect("its canonical form");
        assert_eq!(again.expose(), code.expose());
    }
    if let Ok(ticket) = LoginTicket::parse(text) {
        assert_eq!(ticket.expose(), text);
    }
}

/// What is read of a secret makes the same codes when it is written and read again.
pub fn base32_secret(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(secret) = TotpSecret::from_base32(text) {
        let again = TotpSecret::from_base32(secret.to_base32().expose()).expect("our own");
        let at = 1_800_000_000;
        assert_eq!(again.code_at(at).expose(), secret.code_at(at).expose());
        let code = secret.code_at(at);
        assert!(
            secret
                .matched_step(&code, at, TotpWindow::Current)
                .is_some()
        );
    }
}

/// A canonical form is its own canonical form.
pub fn username(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(name) = Username::parse(text) {
        let again = Username::parse(name.as_str()).expect("a canonical form");
        assert_eq!(again.as_str(), name.as_str());
        assert!((1..=256).contains(&name.as_str().len()));
    }
}

/// A path that is taken is one that nobody reads as another, and rules judge the path that is sent.
pub fn request_path(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let Ok(path) = RequestPath::parse(text) else {
        return;
    };
    assert_eq!(path.as_str(), text);
    let url = Url::parse(&format!("http://example.com{text}")).expect("a path");
    assert_eq!(url.path(), text, "a library reads it as another");
    let below = path.below("/base").expect("a base");
    assert_eq!(RequestPath::parse(below.as_str()), Ok(below.clone()));
    assert!(below.as_str() == "/base" || below.as_str().starts_with("/base"));
    let prefix = ["/v1/chat".to_owned()];
    if path.is_allowed(&prefix) {
        // As a careless server reads it: decoded again and again.
        let mut read = text.to_owned();
        for _ in 0..3 {
            read = decoded(&read);
            assert!(!read.split('/').any(|segment| segment == ".."), "{read}");
            assert!(
                read == "/v1/chat" || read.starts_with("/v1/chat/"),
                "{read}"
            );
        }
    }
}

fn decoded(text: &str) -> String {
    // It decodes `+` too, which paths do not.
    let plain = text
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    let mut parts = url::form_urlencoded::parse(plain.as_bytes());
    parts
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

/// Rules that are read are kept and read back as they were.
pub fn broker_rules(data: &[u8]) {
    if let Ok(rules) = serde_json::from_slice::<BrokerRules>(data) {
        let written = serde_json::to_string(&rules).expect("rules");
        assert_eq!(
            serde_json::from_str::<BrokerRules>(&written).expect("our own"),
            rules
        );
    }
}

/// Nothing of a detail comes back in the text of an error.
pub fn credential_detail(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let marked = text.replace('?', MARKER);
    if let Err(error) = serde_json::from_str::<Detail>(&marked) {
        let shown = error.to_string();
        // The name of an unknown field is said, a value never.
        assert!(!shown.contains(&format!(": \"{MARKER}\"")), "{shown}");
    }
}

/// A network that is read is printed in the form that is read again, and a range has that form only.
pub fn client_network(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(network) = text.parse::<Network>() {
        let printed = network.to_string();
        let again: Network = printed.parse().expect("our own");
        assert_eq!(again.to_string(), printed);
        if let Some((_, prefix)) = text.split_once('/') {
            assert!(printed.ends_with(&format!("/{prefix}")), "{printed}");
        }
    }
}

/// The metadata service of a cloud is open to whoever writes its address down, alone or in a range.
pub fn allow_private(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let Ok(allowed) = text.parse::<AllowPrivate>() else {
        return;
    };
    let metadata = IpAddr::from([169, 254, 169, 254]);
    if allowed.allows_address(metadata) {
        let names_it = |entry: &str| {
            entry.contains('/')
                || entry
                    .parse()
                    .is_ok_and(|address: IpAddr| address.to_canonical() == metadata)
        };
        assert!(text.split(',').any(|entry| names_it(entry.trim())));
    }
}

/// An anchor that is read is printed in the form that is read again.
pub fn audit_anchor(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(anchor) = text.parse::<Anchor>() {
        let printed = anchor.to_string();
        let again: Anchor = printed.parse().expect("our own");
        assert_eq!(again.to_string(), printed);
        assert_eq!(text.trim(), printed);
    }
}

/// A page that people have typed is printed in the form that is read again.
pub fn recovery_page(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    for page in keyward_recovery::read(text).unwrap_or_default() {
        let printed = page_text(&page);
        let again = keyward_recovery::read(printed.expose()).expect("our own");
        assert_eq!(again.len(), 1);
        assert_eq!(page_text(&again[0]).expose(), printed.expose());
    }
}

fn page_text(page: &Page) -> SecretText {
    match page {
        Page::Kit(kit) => kit.page(),
        Page::Share(share) => share.page(),
    }
}

/// A file that nobody of ours has made is no whole backup.
pub fn backup(data: &[u8]) {
    let identities = Identities::parse(IDENTITY).expect("an identity");
    let Ok(mut reader) = ArchiveReader::open(data, &identities) else {
        return;
    };
    loop {
        match reader.next() {
            Ok(Item::End) => panic!("somebody else's backup"),
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

/// However an answer is cut into pieces, the same comes out: as long as it was, and without the
/// secret. Where the secret has no other spelling, that is what a plain search replaces.
pub fn scrub(data: &[u8]) {
    let Some((&size, rest)) = data.split_first() else {
        return;
    };
    // Each 0xff stands for the secret, each 0xfe for the first half of it.
    let mut body = Vec::new();
    for byte in rest.iter().take(4_096) {
        match byte {
            0xff => body.extend_from_slice(SECRET.as_bytes()),
            0xfe => body.extend_from_slice(&SECRET.as_bytes()[..SECRET.len() / 2]),
            other => body.push(*other),
        }
    }
    let needles = Arc::new(Needles::new([SECRET]));
    let whole = scrubbed(&needles, &body, body.len().max(1));
    let pieces = scrubbed(&needles, &body, usize::from(size % 37) + 1);
    assert_eq!(whole, pieces);
    assert_eq!(whole.len(), body.len());
    let secret = SECRET.as_bytes();
    assert!(!whole.windows(secret.len()).any(|window| window == secret));
    if !may_be_spelled_otherwise(&body) {
        assert_eq!(whole, replaced(&body));
    }
}

/// Whether there is anything in `body` that another spelling of the secret needs.
fn may_be_spelled_otherwise(body: &[u8]) -> bool {
    // A half of each spelling, so that whatever stands around it does not matter.
    let half = &SECRET.as_bytes()[6..16];
    // Whole groups of three bytes, which base64 spells alike wherever they stand.
    let base64 = (0..3).map(|skip| BASE64.encode(&half[skip..skip + 6]));
    let mut spellings = base64.chain([HEXLOWER.encode(half)]);
    let lower = body.to_ascii_lowercase();
    body.iter().any(|byte| matches!(byte, b'%' | b'\\' | b'&'))
        || spellings.any(|spelling| {
            let spelling = spelling.to_ascii_lowercase().into_bytes();
            lower
                .windows(spelling.len())
                .any(|window| window == spelling)
        })
}

/// The secret replaced by stars, as one would first write it.
fn replaced(body: &[u8]) -> Vec<u8> {
    let (mut out, secret) = (body.to_vec(), SECRET.as_bytes());
    for at in 0..body.len() {
        if body[at..].starts_with(secret) {
            out[at..at + secret.len()].fill(b'*');
        }
    }
    out
}

fn scrubbed(needles: &Arc<Needles>, body: &[u8], size: usize) -> Vec<u8> {
    let mut scrub = Scrub::new(Arc::clone(needles));
    let mut out = Vec::new();
    for piece in body.chunks(size) {
        for chunk in scrub.push(Bytes::copy_from_slice(piece)) {
            out.extend_from_slice(&chunk);
        }
    }
    out.extend(scrub.finish().unwrap_or_default());
    out
}

const MARKER: &str = "marked-value-0123456789";
