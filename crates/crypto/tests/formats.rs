//! docs/formats.md against the crate: the vectors, and the Python that the page shows.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use data_encoding::{BASE32_NOPAD, BASE64URL, HEXLOWER};
use keyward_crypto::{
    ApiKey, ApiKeyKind, Context, EncryptedString, FieldKey, FieldKeyError, KeyRing, KeyRingError,
    LoginTicket, Mac, MacPurpose, MacRing, PlainFernet, ProvisioningUri, RecoveryCode,
    SecretKeyError, TotpSecret, TotpStep,
};
use ring::{hkdf, hmac};
use serde_json::{Value, json};

#[test]
fn keys_have_the_ids_of_the_page() {
    let page = Page::read();
    assert_eq!(
        page.field_key("field-key").id().as_str(),
        page.value("field-kid")
    );
    assert_eq!(
        page.field_key("second-field-key").id().as_str(),
        page.value("second-field-kid")
    );
    assert_eq!(page.macs().active().as_str(), page.value("secret-kid"));

    let kid = |key: &[u8]| HEXLOWER.encode(&hkdf_sha256(key, b"keyward/kid")[..8]);
    let field_key = BASE64URL
        .decode(page.value("field-key").as_bytes())
        .unwrap();
    assert_eq!(kid(&field_key), page.value("field-kid"));
    assert_eq!(
        kid(page.value("secret-key").as_bytes()),
        page.value("secret-kid")
    );
}

#[test]
fn keys_of_the_page_are_refused_as_settings() {
    let page = Page::read();
    for name in ["field-key", "second-field-key"] {
        let refused = KeyRing::parse(page.value(name)).unwrap_err();
        let example = KeyRingError::Key {
            position: 1,
            source: FieldKeyError::Example,
        };
        assert_eq!(refused, example, "{name}");
    }
    let refused = MacRing::parse(page.value("secret-key")).unwrap_err();
    assert_eq!(refused, SecretKeyError::Example { position: 1 });
}

#[test]
fn the_sealed_value_opens_and_is_made_as_the_page_says() {
    let page = Page::read();
    let sealed = EncryptedString::from_stored(page.value("sealed").to_owned());

    let opened = page.key_ring().open(&sealed, &page.place()).unwrap();
    assert_eq!(opened.expose(), page.value("text"));
    assert_eq!(page.key_ring().check(&sealed, &page.place()), Ok(()));

    let context = lp(&["table", "column", "row", "owner"].map(|name| page.value(name).as_bytes()));
    assert_eq!(HEXLOWER.encode(&context), page.value("context-hex"));
    let info = [b"keyward/v1/", &*context].concat();
    assert_eq!(HEXLOWER.encode(&info), page.value("info-hex"));
    let field_key = BASE64URL
        .decode(page.value("field-key").as_bytes())
        .unwrap();
    let token_key = hkdf_sha256(&field_key, &info);
    assert_eq!(HEXLOWER.encode(&token_key), page.value("token-key-hex"));

    // Under that key it is plain Fernet, with the time and the IV of the page.
    let (_, token) = page.value("sealed").rsplit_once('.').unwrap();
    let fernet = PlainFernet::parse(&BASE64URL.encode(&token_key)).unwrap();
    assert_eq!(
        &**fernet.decrypt(token).unwrap(),
        page.value("text").as_bytes()
    );
    assert_eq!(
        fernet.timestamp(token).unwrap().to_string(),
        page.value("time")
    );
    let bytes = BASE64URL.decode(token.as_bytes()).unwrap();
    assert_eq!(HEXLOWER.encode(&bytes[9..25]), page.value("iv-hex"));
}

#[test]
fn the_plain_tokens_open() {
    let page = Page::read();
    let both = page.plain_fernet();
    for name in ["plain", "plain-under-second"] {
        let opened = both.decrypt(page.value(name)).unwrap();
        assert_eq!(&**opened, page.value("plain-text").as_bytes(), "{name}");
    }
    let first = PlainFernet::parse(page.value("field-key")).unwrap();
    assert!(first.decrypt(page.value("plain-under-second")).is_err());
    assert!(
        first
            .decrypt(&both.rotate(page.value("plain-under-second")).unwrap())
            .is_ok()
    );
}

#[test]
fn macs_are_those_of_the_page() {
    let page = Page::read();
    let parts: [&[u8]; 3] = [b"ab", b"", b"c"];
    assert_eq!(HEXLOWER.encode(&lp(&parts)), page.value("mac-message-hex"));
    let purposes = [
        ("mac-api-key", MacPurpose::ApiKey),
        ("mac-api-key-row", MacPurpose::ApiKeyRow),
        ("mac-user-row", MacPurpose::UserRow),
        ("mac-credential-row", MacPurpose::CredentialRow),
        ("mac-audit-event", MacPurpose::AuditEvent),
        ("mac-audit-head", MacPurpose::AuditHead),
        ("mac-idempotent-request", MacPurpose::IdempotentRequest),
        ("mac-recovery-code", MacPurpose::RecoveryCode),
        ("mac-login-ticket", MacPurpose::LoginTicket),
        ("mac-limit-subject", MacPurpose::LimitSubject),
        ("mac-totp-row", MacPurpose::TotpRow),
        ("mac-login-ticket-row", MacPurpose::LoginTicketRow),
        ("mac-agent-row", MacPurpose::AgentRow),
        ("mac-advice", MacPurpose::Advice),
    ];
    assert_eq!(purposes.map(|(_, purpose)| purpose), MacPurpose::ALL);
    for (name, purpose) in purposes {
        assert_eq!(
            page.macs().mac(purpose, &parts).as_stored(),
            page.value(name),
            "{name}"
        );
        let stored = Mac::from_stored(page.value(name)).unwrap();
        assert!(page.macs().verify(purpose, &parts, &stored), "{name}");
    }
}

#[test]
fn foreign_keys_are_those_of_the_page() {
    let page = Page::read();
    for name in ["foreign-uuid", "foreign-token"] {
        let text = page.value(name);
        let key = ApiKey::parse(text).unwrap();
        assert_eq!(key.kind(), ApiKeyKind::Foreign);
        assert_eq!(key.id().as_str(), page.value(&format!("{name}-id")));
        let mac = key.mac(&page.macs()).as_stored();
        assert_eq!(mac, page.value(&format!("{name}-mac")));
    }
}

#[test]
fn the_audit_key_is_that_of_the_page() {
    let page = Page::read();
    let macs = page.macs();
    let key = macs.audit_key(&macs.active()).unwrap();
    assert_eq!(key.expose(), page.value("audit-key"));
}

#[test]
fn the_api_key_is_that_of_the_page() {
    let page = Page::read();
    let text = page.value("api-key");
    let key = ApiKey::parse(text).unwrap();

    assert_eq!(key.kind(), ApiKeyKind::User);
    assert_eq!(key.kind().as_str(), page.value("api-key-kind"));
    assert_eq!(key.id().as_str(), page.value("api-key-id"));
    let (checked, checksum) = text.split_at(text.len() - 6);
    let crc = crc32fast::hash(checked.as_bytes());
    assert_eq!(format!("{crc:08x}"), page.value("api-key-crc-hex"));
    assert_eq!(number(checksum), u64::from(crc));

    assert_eq!(key.mac(&page.macs()).as_stored(), page.value("api-key-mac"));
    let secret = &checked[checked.len() - 43..];
    let message = lp(&["user", page.value("api-key-id"), secret].map(str::as_bytes));
    assert_eq!(
        HEXLOWER.encode(&message),
        page.value("api-key-mac-message-hex")
    );
    let info = b"keyward/v1/mac/api-key";
    assert_eq!(HEXLOWER.encode(info), page.value("api-key-mac-info-hex"));
    let mac_key = hkdf_sha256(page.value("secret-key").as_bytes(), info);
    assert_eq!(HEXLOWER.encode(&mac_key), page.value("api-key-mac-key-hex"));
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &mac_key), &message);
    assert_eq!(mac.as_ref(), key.mac(&page.macs()).as_bytes());
}

#[test]
fn the_one_time_code_is_that_of_the_page() {
    let page = Page::read();
    let secret = TotpSecret::from_base32(page.value("totp-secret")).unwrap();
    assert_eq!(secret.to_base32().expose(), page.value("totp-secret"));
    let bytes = BASE32_NOPAD
        .decode(page.value("totp-secret").as_bytes())
        .unwrap();
    assert_eq!(HEXLOWER.encode(&bytes), page.value("totp-secret-hex"));

    let time: i64 = page.value("totp-time").parse().unwrap();
    let step = TotpStep::at(time).number().to_be_bytes();
    assert_eq!(HEXLOWER.encode(&step), page.value("totp-step-hex"));
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    let digest = hmac::sign(&key, &step);
    let digest = digest.as_ref();
    assert_eq!(HEXLOWER.encode(digest), page.value("totp-digest-hex"));
    let offset = usize::from(digest[19] % 16);
    let bytes = digest[offset..offset + 4].try_into().unwrap();
    let number = (u32::from_be_bytes(bytes) & 0x7fff_ffff) % 1_000_000;
    assert_eq!(format!("{number:06}"), page.value("totp-code"));
    assert_eq!(secret.code_at(time).expose(), page.value("totp-code"));

    let [issuer, account] = ["totp-issuer", "totp-account"].map(|name| page.value(name));
    let uri = ProvisioningUri::new(&secret, issuer, account);
    assert_eq!(uri.expose(), page.value("totp-uri"));
}

#[test]
fn the_recovery_code_is_that_of_the_page() {
    let page = Page::read();
    let code = RecoveryCode::parse(page.value("recovery-code")).unwrap();
    assert_eq!(code.expose(), page.value("recovery-code"));
    let digits = code.expose().replace('-', "");
    let bytes = BASE32_NOPAD
        .decode(digits.to_uppercase().as_bytes())
        .unwrap();
    assert_eq!(HEXLOWER.encode(&bytes), page.value("recovery-bytes-hex"));

    let user = page.bytes("recovery-user-hex");
    let message = lp(&[&user, digits.as_bytes()]);
    assert_eq!(message, page.bytes("recovery-mac-message-hex"));
    let mac = code.mac(&page.macs(), &user);
    assert_eq!(mac.as_stored(), page.value("recovery-mac"));
    assert_eq!(mac.as_bytes(), &page.mac_of("recovery-code", &message));
    let stored = Mac::from_stored(page.value("recovery-mac")).unwrap();
    assert!(code.matches(&page.macs(), &user, &stored));
}

#[test]
fn the_login_ticket_is_that_of_the_page() {
    let page = Page::read();
    let text = page.value("ticket");
    let ticket = LoginTicket::parse(text).unwrap();
    assert_eq!(ticket.id().as_str(), page.value("ticket-id"));
    let (checked, checksum) = text.split_at(text.len() - 6);
    let crc = crc32fast::hash(checked.as_bytes());
    assert_eq!(format!("{crc:08x}"), page.value("ticket-crc-hex"));
    assert_eq!(number(checksum), u64::from(crc));

    let secret = &checked[checked.len() - 43..];
    let message = lp(&[page.value("ticket-id"), secret].map(str::as_bytes));
    assert_eq!(message, page.bytes("ticket-mac-message-hex"));
    let mac = ticket.mac(&page.macs());
    assert_eq!(mac.as_stored(), page.value("ticket-mac"));
    assert_eq!(mac.as_bytes(), &page.mac_of("login-ticket", &message));
    let stored = Mac::from_stored(page.value("ticket-mac")).unwrap();
    assert!(ticket.matches(&page.macs(), &stored));
}

#[test]
fn python_opens_what_rust_sealed() {
    let page = Page::read();
    let Some(python) = Python::find(&page) else {
        return;
    };
    let sealed = page.key_ring().seal(TEXT, &page.place(), NOW);
    let [table, column, row, owner] = ["table", "column", "row", "owner"].map(|n| page.value(n));

    let answer = python.run(
        "print(json.dumps([open_sealed(v['key'], sealed, *v['place']) for sealed in v['sealed']]))",
        &json!({
            "key": page.value("field-key"),
            "place": [table, column, row, owner],
            "sealed": [sealed.as_stored(), page.value("sealed")],
        }),
    );

    assert_eq!(answer, json!([TEXT, page.value("text")]));
}

#[test]
fn rust_opens_what_python_sealed() {
    let page = Page::read();
    let Some(python) = Python::find(&page) else {
        return;
    };
    let [table, column, row, owner] = ["table", "column", "row", "owner"].map(|n| page.value(n));

    let answer = python.run(
        "print(json.dumps(seal(v['key'], v['text'], *v['place'])))",
        &json!({
            "key": page.value("field-key"),
            "place": [table, column, row, owner],
            "text": TEXT,
        }),
    );

    let sealed = EncryptedString::from_stored(answer.as_str().unwrap().to_owned());
    assert_eq!(
        page.key_ring()
            .open(&sealed, &page.place())
            .unwrap()
            .expose(),
        TEXT
    );
}

#[test]
fn python_reads_rotates_and_writes_plain_tokens() {
    let page = Page::read();
    let Some(python) = Python::find(&page) else {
        return;
    };
    let first = PlainFernet::parse(page.value("field-key")).unwrap();
    let second = PlainFernet::parse(page.value("second-field-key")).unwrap();
    let token = second.encrypt(TEXT.as_bytes(), NOW);

    let answer = python.run(
        "ring = plain(v['keys'])\n\
         print(json.dumps([ring.decrypt(v['token']).decode(),\
                           ring.rotate(v['token']).decode(),\
                           ring.encrypt(v['text'].encode()).decode()]))",
        &json!({
            "keys": format!("{},{}", page.value("field-key"), page.value("second-field-key")),
            "token": token,
            "text": TEXT,
        }),
    );

    assert_eq!(answer[0], TEXT);
    let rotated = answer[1].as_str().unwrap();
    assert_eq!(&**first.decrypt(rotated).unwrap(), TEXT.as_bytes());
    assert_eq!(first.timestamp(rotated), Ok(NOW));
    let written = answer[2].as_str().unwrap();
    assert_eq!(
        &**page.plain_fernet().decrypt(written).unwrap(),
        TEXT.as_bytes()
    );
}

#[test]
fn python_makes_the_tokens_of_the_page_from_their_parts() {
    let page = Page::read();
    let Some(python) = Python::find(&page) else {
        return;
    };

    let answer = python.run(
        "import hmac\n\
         from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes\n\
         def token(key, time, iv, text):\n\
         \x20   pad = 16 - len(text) % 16\n\
         \x20   aes = Cipher(algorithms.AES(key[16:]), modes.CBC(iv)).encryptor()\n\
         \x20   message = b'\\x80' + time.to_bytes(8, 'big') + iv + aes.update(text + bytes([pad]) * pad)\n\
         \x20   return urlsafe_b64encode(message + hmac.digest(key[:16], message, 'sha256')).decode()\n\
         keys = [bytes.fromhex(v['token_key']), *map(urlsafe_b64decode, v['keys'])]\n\
         print(json.dumps([token(key, v['time'], bytes.fromhex(v['iv']), v['text'].encode())\
                           for key in keys]))",
        &json!({
            "token_key": page.value("token-key-hex"),
            "keys": [page.value("field-key"), page.value("second-field-key")],
            "time": page.value("time").parse::<u64>().unwrap(),
            "iv": page.value("iv-hex"),
            "text": page.value("text"),
        }),
    );

    let (_, token) = page.value("sealed").rsplit_once('.').unwrap();
    assert_eq!(
        answer,
        json!([token, page.value("plain"), page.value("plain-under-second")])
    );
}

#[test]
fn python_makes_the_codes_and_macs_that_rust_makes() {
    let page = Page::read();
    let Some(python) = Python::find(&page) else {
        return;
    };
    let secret = TotpSecret::generate();
    // 17 bytes, whose base32 Python wants padded.
    let imported = TotpSecret::from_base32(&"A".repeat(28)).unwrap();
    let recovery = RecoveryCode::generate();
    let user = page.bytes("recovery-user-hex");

    let answer = python.run(
        "print(json.dumps([totp(*v['page']), [totp(s, v['time']) for s in v['secrets']],\
                           mac(v['key'], 'recovery-code', bytes.fromhex(v['user']), v['code'].encode()),\
                           mac(v['key'], 'totp-row', b'ab', b'', b'c')]))",
        &json!({
            "page": [page.value("totp-secret"), page.value("totp-time").parse::<u64>().unwrap()],
            "secrets": [secret.to_base32().expose(), imported.to_base32().expose()],
            "time": NOW,
            "key": page.value("secret-key"),
            "user": page.value("recovery-user-hex"),
            "code": recovery.expose().replace('-', ""),
        }),
    );

    let now = NOW.cast_signed();
    let codes = [secret.code_at(now), imported.code_at(now)];
    assert_eq!(
        answer,
        json!([
            page.value("totp-code"),
            codes.each_ref().map(|code| code.expose()),
            recovery.mac(&page.macs(), &user).as_stored(),
            page.value("mac-totp-row"),
        ])
    );
}

#[test]
fn the_python_on_the_page_is_short() {
    for block in Page::read().blocks("python") {
        assert!(block.lines().count() <= 12, "{block}");
    }
}

/// docs/formats.md.
struct Page {
    text: &'static str,
    vectors: BTreeMap<&'static str, &'static str>,
}

impl Page {
    fn read() -> Self {
        let mut page = Self {
            text: include_str!("../../../docs/formats.md"),
            vectors: BTreeMap::new(),
        };
        for block in page.blocks("toml") {
            for line in block.lines() {
                let (name, value) = line.split_once(" = ").unwrap();
                let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
                assert!(
                    page.vectors.insert(name, value).is_none(),
                    "{name} is there twice"
                );
            }
        }
        page
    }

    fn value(&self, name: &str) -> &'static str {
        self.vectors
            .get(name)
            .unwrap_or_else(|| panic!("docs/formats.md has no vector {name}"))
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        HEXLOWER.decode(self.value(name).as_bytes()).unwrap()
    }

    /// The MAC of a message, computed apart from the crate.
    fn mac_of(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        let info = format!("keyward/v1/mac/{purpose}");
        let key = hkdf_sha256(self.value("secret-key").as_bytes(), info.as_bytes());
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), message);
        mac.as_ref().try_into().unwrap()
    }

    fn blocks(&self, language: &str) -> Vec<&'static str> {
        let fence = format!("```{language}\n");
        self.text
            .split(fence.as_str())
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap())
            .collect()
    }

    fn field_key(&self, name: &str) -> FieldKey {
        FieldKey::danger_parse_any(self.value(name)).unwrap()
    }

    fn key_ring(&self) -> KeyRing {
        KeyRing::new(vec![self.field_key("field-key")]).unwrap()
    }

    fn plain_fernet(&self) -> PlainFernet {
        let keys = ["field-key", "second-field-key"].map(|name| self.field_key(name));
        PlainFernet::new(keys.into()).unwrap()
    }

    fn macs(&self) -> MacRing {
        MacRing::danger_parse_any(self.value("secret-key")).unwrap()
    }

    fn place(&self) -> Context {
        let [table, column, row, owner] =
            ["table", "column", "row", "owner"].map(|n| self.value(n));
        Context::new(table, column, row, owner)
    }
}

/// A Python that has run the blocks of the page.
struct Python {
    program: String,
}

impl Python {
    /// `None`, with a message, when there is no Python with `cryptography`. Where the tests must
    /// be complete, `REQUIRE_SERVICES=1` makes that a failure.
    fn find(page: &Page) -> Option<Self> {
        let imports = Command::new("python3")
            .args(["-c", "import cryptography"])
            .output();
        if imports.is_ok_and(|output| output.status.success()) {
            let program = page.blocks("python").concat();
            return Some(Self { program });
        }
        let required = std::env::var_os("REQUIRE_SERVICES").is_some_and(|value| value == "1");
        assert!(
            !required,
            "REQUIRE_SERVICES=1 asks for python3 with cryptography"
        );
        eprintln!("not run: python3 with cryptography is not present");
        None
    }

    /// Runs `code` after the page's, with `input` as `v`; it prints JSON.
    fn run(&self, code: &str, input: &Value) -> Value {
        let program = format!(
            "{}\nimport json, sys\nv = json.loads(sys.argv[1])\n{code}",
            self.program
        );
        let output = Command::new("python3")
            .args(["-c", &program, &input.to_string()])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "{code}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn hkdf_sha256(key: &[u8], info: &[u8]) -> [u8; 32] {
    let mut derived = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"")
        .extract(key)
        .expand(&[info], hkdf::HKDF_SHA256)
        .unwrap()
        .fill(&mut derived)
        .unwrap();
    derived
}

/// Parts with their lengths, written apart from the crate's own.
fn lp(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// A number in base 62.
fn number(digits: &str) -> u64 {
    let alphabet: String = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    digits.chars().fold(0, |sum, digit| {
        sum * 62 + alphabet.find(digit).unwrap() as u64
    })
}

const TEXT: &str = "xoxb-\u{1f511} \u{4e2d}\u{6587} and a\nsecond line";
const NOW: u64 = 1_800_000_000;
