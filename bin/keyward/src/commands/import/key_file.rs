use std::path::Path;

use keyward_crypto::{KeyRingError, PlainFernet};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::private_path::{Readers, read_secret};

/// Reads the encryption keys of another system: one or several in a line or in lines, or a `.env`
/// file that sets `FIELD_ENCRYPTION_KEY`, also more than once.
pub(super) fn read(path: &Path) -> Result<PlainFernet, Failure> {
    let refused = |problem: String| Failure::configuration(format!("--key-file: {problem}"));
    let text = read_secret(path, Readers::Owner).map_err(|error| refused(error.to_string()))?;
    let keys = keys(text.expose());
    if keys.is_empty() {
        return Err(refused(format!("there is no key in {}", path.display())));
    }
    let list = Zeroizing::new(keys.join(","));
    PlainFernet::parse(&list).map_err(|error| {
        refused(match error {
            KeyRingError::Key { position, .. } => format!(
                "key number {position} in {} is not 44 characters of URL-safe base64",
                path.display()
            ),
            other => other.to_string(),
        })
    })
}

/// Every key once, in the order of the file.
fn keys(text: &str) -> Vec<&str> {
    let is_env = text.lines().any(|line| setting(line).is_some());
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let values = lines.filter_map(|line| if is_env { setting(line) } else { Some(line) });
    let mut keys: Vec<&str> = Vec::new();
    for key in values.flat_map(|value| value.split(',')).map(str::trim) {
        if !key.is_empty() && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// The value, if the line sets the encryption key.
fn setting(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    (name.trim() == NAME).then(|| unquoted(value.trim()))
}

/// As dotenv reads it: what stands in quotes, or what stands before a comment.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(quoted) = value.strip_prefix(quote) {
            return quoted.split(quote).next().unwrap_or_default();
        }
    }
    value.split(" #").next().unwrap_or_default().trim()
}

const NAME: &str = "FIELD_ENCRYPTION_KEY";

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    const TWO: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn keys_stand_in_lines_or_between_commas() {
        for text in [
            format!("{ONE}\n{TWO}"),
            format!("{ONE},{TWO}"),
            format!("# old and new\n\n {ONE} , {TWO} \n{ONE}\n"),
            format!("{ONE}\r\n{TWO}\r\n"),
        ] {
            assert_eq!(keys(&text), [ONE, TWO], "{text}");
        }
    }

    #[test]
    fn a_file_of_settings_may_set_the_key_more_than_once() {
        let text = format!(
            "SECRET_KEY=x,y\n# FIELD_ENCRYPTION_KEY=no\nFIELD_ENCRYPTION_KEY={ONE} # the old one\n\
             export FIELD_ENCRYPTION_KEY = \"{TWO}\"\nFIELD_ENCRYPTION_KEY='{ONE}'\nDEBUG=1\n"
        );
        assert_eq!(keys(&text), [ONE, TWO]);
    }

    #[test]
    fn other_files_have_no_keys() {
        assert!(keys("FIELD_ENCRYPTION_KEY=\nSECRET_KEY=x").is_empty());
        assert!(keys("# nothing\n\n").is_empty());
    }
}
