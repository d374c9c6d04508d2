use std::fmt::Write as _;

use keyward_auth::{KeyView, UserView};
use keyward_crypto::ApiKey;
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::Output;

/// The new key, this once.
pub(super) fn made(
    user: &UserView,
    view: &KeyView,
    key: &ApiKey,
    output: Output,
) -> Zeroizing<String> {
    #[derive(Serialize)]
    struct Made<'a> {
        #[serde(flatten)]
        view: &'a KeyView,
        username: &'a str,
        key: &'a str,
    }
    let (username, key) = (user.username.as_str(), key.expose());
    Zeroizing::new(match output {
        Output::Json => {
            json!(Made {
                view,
                username,
                key
            })
            .to_string()
                + "\n"
        }
        Output::Text => format!(
            "{username} has a new key, {}. Shown this once:\n  API key  {key}\n",
            view.id
        ),
    })
}

/// The keys, with whose they are.
pub(super) fn list(keys: &[(&UserView, KeyView)], output: Output) -> String {
    match output {
        Output::Json => {
            let items: Vec<_> = keys
                .iter()
                .map(|(user, key)| Listed {
                    key,
                    user_id: user.id.to_string(),
                    username: &user.username,
                })
                .collect();
            json!({ "items": items }).to_string() + "\n"
        }
        Output::Text => table(keys),
    }
}

pub(super) fn ended(key: &KeyView, output: Output) -> String {
    match output {
        Output::Json => json!({ "revoked": key.id }).to_string() + "\n",
        Output::Text => format!("the key {} ({}) is refused from now on\n", key.id, key.name),
    }
}

#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    key: &'a KeyView,
    user_id: String,
    username: &'a str,
}

/// The names stand last: how wide they are depends on script and terminal.
fn table(keys: &[(&UserView, KeyView)]) -> String {
    let mut text = String::new();
    let mut row = |[id, kind, state, used, names]: [&str; 5]| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{id:16}  {kind:7}  {state:28}  {used:20}  {names}");
    };
    row(["ID", "KIND", "STATE", "LAST USED", "USER: NAME"]);
    for (user, key) in keys {
        let used = key.last_used_at.map(|at| at.to_string());
        row([
            &key.id,
            &key.kind,
            &state(key),
            used.as_deref().unwrap_or("never"),
            &format!("{}: {}", user.username, key.name),
        ]);
    }
    text
}

fn state(key: &KeyView) -> String {
    match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {at}"),
        (None, Some(at)) => format!("until {at}"),
        (None, None) => "in use".to_owned(),
    }
}
