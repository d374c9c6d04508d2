use keyward_crypto::{PlainFernet, PlainFernetError, SecretText};

use crate::{Reason, Repair};

/// A secret as it was before Pipelit encrypted it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) text: SecretText,
    pub(crate) repair: Option<Repair>,
}

/// Opens the value of a column that Pipelit encrypts. `None`: there is no value.
///
/// A value that is no token stands there in the clear, which Pipelit reads without a word. One that
/// was encrypted several times is opened as often.
pub(crate) fn open(
    fernet: &PlainFernet,
    field: &'static str,
    stored: Option<&SecretText>,
) -> Result<Option<Opened>, Reason> {
    let Some(stored) = stored.filter(|stored| !stored.expose().trim().is_empty()) else {
        return Ok(None);
    };
    if !is_token(stored.expose()) {
        return Ok(Some(Opened {
            text: stored.expose().into(),
            repair: Some(Repair::Plaintext(field)),
        }));
    }
    let mut text = decrypt(fernet, field, stored.expose())?;
    let mut repair = None;
    for _ in 1..MOST_LAYERS {
        if !is_token(text.expose()) {
            break;
        }
        text = decrypt(fernet, field, text.expose())?;
        repair = Some(Repair::DoublyEncrypted(field));
    }
    Ok((!text.is_empty()).then_some(Opened { text, repair }))
}

fn is_token(text: &str) -> bool {
    text.trim_start().starts_with(TOKEN_START)
}

fn decrypt(fernet: &PlainFernet, field: &'static str, token: &str) -> Result<SecretText, Reason> {
    let bytes = fernet.decrypt(token.trim()).map_err(|error| match error {
        PlainFernetError::Malformed => Reason::BrokenToken(field),
        _ => Reason::Undecryptable(field),
    })?;
    std::str::from_utf8(&bytes)
        .map(SecretText::from)
        .map_err(|_| Reason::NotText(field))
}

/// How every Fernet token of this century begins.
const TOKEN_START: &str = "gAAAAA";
/// More than anybody encrypts by mistake.
const MOST_LAYERS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    const OTHER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn fernet() -> PlainFernet {
        PlainFernet::parse(KEY).unwrap()
    }

    fn encrypted(text: &str) -> String {
        fernet().encrypt(text.as_bytes(), 1_700_000_000)
    }

    fn opened(stored: &str) -> Result<Option<(String, Option<Repair>)>, Reason> {
        let opened = open(&fernet(), "api_key", Some(&stored.into()))?;
        Ok(opened.map(|opened| (opened.text.expose().to_owned(), opened.repair)))
    }

    #[test]
    fn a_token_is_opened_as_often_as_it_was_encrypted() {
        let once = encrypted("sk-live");
        let twice = encrypted(&once);
        let thrice = encrypted(&twice);
        let secret = |repair| Ok(Some(("sk-live".to_owned(), repair)));
        assert_eq!(opened(&once), secret(None));
        assert_eq!(opened(&format!("{once}\n")), secret(None));
        let repair = Some(Repair::DoublyEncrypted("api_key"));
        assert_eq!(opened(&twice), secret(repair.clone()));
        assert_eq!(opened(&thrice), secret(repair));
    }

    #[test]
    fn what_is_no_token_is_in_the_clear() {
        let repair = Some(Repair::Plaintext("api_key"));
        assert_eq!(opened("sk-live"), Ok(Some(("sk-live".to_owned(), repair))));
    }

    #[test]
    fn nothing_is_nothing() {
        assert!(open(&fernet(), "api_key", None).unwrap().is_none());
        for stored in [String::new(), "  ".to_owned(), encrypted("")] {
            assert_eq!(opened(&stored), Ok(None));
        }
    }

    #[test]
    fn what_no_key_opens_is_refused() {
        let foreign = PlainFernet::parse(OTHER).unwrap();
        let foreign = foreign.encrypt(b"sk-live", 1_700_000_000);
        assert_eq!(opened(&foreign), Err(Reason::Undecryptable("api_key")));
        let inside = opened(&encrypted(&foreign));
        assert_eq!(inside, Err(Reason::Undecryptable("api_key")));
        assert_eq!(opened("gAAAAA"), Err(Reason::BrokenToken("api_key")));
        let bytes = fernet().encrypt(&[0xff, 0xfe], 1_700_000_000);
        assert_eq!(opened(&bytes), Err(Reason::NotText("api_key")));
    }

    #[test]
    fn any_of_the_keys_opens() {
        let both = PlainFernet::parse(&format!("{OTHER},{KEY}")).unwrap();
        let stored = encrypted("sk-live").into();
        let opened = open(&both, "api_key", Some(&stored)).unwrap().unwrap();
        assert_eq!(opened.text.expose(), "sk-live");
    }
}
