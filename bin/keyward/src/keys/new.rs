use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::Output;
use crate::exit::Failure;
use crate::settings::Name;
use crate::terminal;

use super::kind::KeyKind;

/// Prints new keys in the form in which they are set. They are stored nowhere.
pub(crate) fn print_new(output: Output) -> Result<(), Failure> {
    let (field, secret) = (KeyKind::Field.new_key(), KeyKind::Secret.new_key());
    let new = NewKeys {
        field_encryption_key: field.expose(),
        secret_key: secret.expose(),
    };
    let text = match output {
        Output::Text => format!(
            "{}={}\n{}={}\n",
            Name::FieldEncryptionKey,
            new.field_encryption_key,
            Name::SecretKey,
            new.secret_key
        ),
        Output::Json => serde_json::to_string_pretty(&new)
            .map(|json| json + "\n")
            .map_err(Failure::unavailable)?,
    };
    terminal::print(&Zeroizing::new(text))
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct NewKeys<'a> {
    field_encryption_key: &'a str,
    secret_key: &'a str,
}
