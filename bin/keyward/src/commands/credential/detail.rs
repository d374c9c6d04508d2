use std::io::{self, Read as _};
use std::path::Path;

use keyward_credentials::Detail;
use keyward_crypto::SecretText;
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::private_path::{Readers, read_secret};

/// The fields of a credential, from a file or from standard input.
pub(super) fn read(file: Option<&Path>) -> Result<Detail, Failure> {
    let text = match file {
        Some(file) => read_secret(file, Readers::Owner).map_err(Failure::refused)?,
        None => from(io::stdin())?,
    };
    parse(&text)
}

fn from(input: impl io::Read) -> Result<SecretText, Failure> {
    // With all room made beforehand, the buffer does not move and leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    let room = u64::try_from(bytes.capacity()).unwrap_or(u64::MAX);
    input
        .take(room)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::unavailable(format!("cannot read standard input: {error}")))?;
    if bytes.len() > MAX_BYTES {
        return Err(Failure::refused(
            "what came on standard input is more than 64 KiB; no credential is so large",
        ));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::refused("what came on standard input is not UTF-8 text"))?;
    Ok(SecretText::from(text))
}

/// Errors say where, and quote nothing.
fn parse(text: &SecretText) -> Result<Detail, Failure> {
    if text.expose().trim().is_empty() {
        return Err(Failure::refused(
            "the fields of the credential are missing; give them as a JSON object on standard \
             input or with --file, such as {\"provider\": \"openai\", \"api_key\": \"…\"}",
        ));
    }
    serde_json::from_str(text.expose()).map_err(|error| {
        let place = match error.line() {
            0 => String::new(),
            line => format!(" (line {line}, column {})", error.column()),
        };
        Failure::refused(format!(
            "the fields of the credential are no JSON object of texts{place}"
        ))
    })
}

const MAX_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_where_and_quote_nothing() {
        for text in [
            "{\"api_key\": sk-4711}",
            "\"sk-4711\"",
            "{\"a\": \"sk-4711\"} sk-4711",
            "[\"sk-4711\"]",
        ] {
            let error = parse(&SecretText::from(text)).unwrap_err().to_string();
            assert!(!error.contains("4711"), "{error}");
            assert!(error.contains("no JSON object"), "{error}");
        }
        let missing = parse(&SecretText::from(" \n")).unwrap_err().to_string();
        assert!(missing.contains("--file"), "{missing}");
    }

    #[test]
    fn what_is_too_much_is_told_and_not_cut() {
        assert!(from(&vec![b' '; MAX_BYTES][..]).is_ok());
        let error = from(&vec![b' '; MAX_BYTES + 1][..]).unwrap_err();
        assert!(error.to_string().contains("64 KiB"), "{error}");
    }
}
