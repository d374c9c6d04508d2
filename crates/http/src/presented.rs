//! Finds the caller's key where clients of other services put theirs, and takes it out.

use data_encoding::BASE64;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use keyward_crypto::{ApiKey, ApiKeyKind};
use zeroize::Zeroizing;

/// The caller's key, and a path without it.
pub(crate) struct Presented {
    pub(crate) key: ApiKey,
    /// The path, if the key stood in it.
    pub(crate) path: Option<String>,
    /// Whether it stood in a header field that clients take along when they are led to another
    /// host, as they do with all fields that mean nothing to them.
    pub(crate) is_carried: bool,
}

/// Takes everything out of a request that could be a key: what stands in `Authorization`,
/// `x-api-key`, `x-goog-api-key` and `api-key`, and in a path that begins with `/bot` as that of
/// Telegram does. `None` unless exactly one key of ours is among it.
///
/// Nothing that looked like a key in these places is left, ours or not, and no other header field
/// that repeats ours.
pub(crate) fn take(headers: &mut HeaderMap, path: &str) -> Option<Presented> {
    let mut found: Vec<(ApiKey, bool)> = Vec::new();
    for value in headers.get_all(AUTHORIZATION) {
        found.extend(authorized(value).into_iter().map(|key| (key, false)));
    }
    for name in PLACES {
        for value in headers.get_all(name) {
            let key = value.to_str().ok().and_then(|text| parse(text.trim()));
            found.extend(key.map(|key| (key, false)));
        }
    }
    let in_path = bot(path);
    found.extend(
        in_path
            .as_ref()
            .and_then(|(key, _)| parse(key))
            .map(|key| (key, true)),
    );
    let one = the_one(found);
    headers.remove(AUTHORIZATION);
    let is_carried = match &one {
        Some((key, _)) => drop_repeated(headers, key.expose()),
        None => false,
    };
    for name in PLACES {
        headers.remove(name);
    }
    let (key, from_path) = one?;
    let rest = in_path.filter(|_| from_path).map(|(_, rest)| rest);
    let left = rest.as_deref().unwrap_or(path);
    // A key that stands somewhere else in the address would go out with it.
    (!left.contains(key.expose())).then_some(Presented {
        key,
        path: rest,
        is_carried,
    })
}

/// One key: of ours if there is one, else a key of an imported system. The same key may stand in
/// several places.
fn the_one(found: Vec<(ApiKey, bool)>) -> Option<(ApiKey, bool)> {
    let (foreign, ours): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|(key, _)| key.kind() == ApiKeyKind::Foreign);
    let mut candidates = if ours.is_empty() { foreign } else { ours };
    let in_path = candidates.iter().any(|(_, in_path)| *in_path);
    let (key, _) = candidates.pop()?;
    let same = candidates.iter().all(|(other, _)| other.id() == key.id());
    same.then_some((key, in_path))
}

/// Keys after `Bearer` or `token`, or as user name or password (RFC 7617).
fn authorized(value: &HeaderValue) -> Vec<ApiKey> {
    let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
        return Vec::new();
    };
    let rest = rest.trim_matches(' ');
    if ["Bearer", "token", "Bot"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return parse(rest).into_iter().collect();
    }
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Vec::new();
    }
    let decoded = Zeroizing::new(BASE64.decode(rest.as_bytes()).unwrap_or_default());
    let text = std::str::from_utf8(&decoded).unwrap_or_default();
    let (username, password) = text.split_once(':').unwrap_or((text, ""));
    [username, password].into_iter().filter_map(parse).collect()
}

/// What stands behind `/bot` or `/file/bot` up to the next slash, and the path without it.
fn bot(path: &str) -> Option<(Zeroizing<String>, String)> {
    let (before, rest) = match path.strip_prefix("/file/bot") {
        Some(rest) => ("/file", rest),
        None => ("", path.strip_prefix("/bot")?),
    };
    let (key, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let rest = if rest.is_empty() { "/" } else { rest };
    Some((Zeroizing::new(key.to_owned()), format!("{before}{rest}")))
}

/// Says whether there was one.
fn drop_repeated(headers: &mut HeaderMap, key: &str) -> bool {
    let repeats = |value: &HeaderValue| {
        let mut windows = value.as_bytes().windows(key.len());
        windows.any(|window| window == key.as_bytes())
    };
    let names: Vec<HeaderName> = headers
        .iter()
        .filter(|(_, value)| repeats(value))
        .map(|(name, _)| name.clone())
        .collect();
    for name in &names {
        headers.remove(name);
    }
    !names.is_empty()
}

fn parse(text: &str) -> Option<ApiKey> {
    ApiKey::parse(text).ok()
}

/// Where SDKs put a key besides `Authorization`.
const PLACES: [HeaderName; 3] = [
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("api-key"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, String)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn key() -> ApiKey {
        ApiKey::generate(ApiKeyKind::Agent)
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", BASE64.encode(text.as_bytes()))
    }

    #[test]
    fn the_key_is_found_and_removed_where_clients_put_it() {
        let key = key();
        let text = key.expose();
        for (name, value) in [
            ("authorization", format!("Bearer {text}")),
            ("authorization", format!("bearer  {text}")),
            ("authorization", format!("token {text}")),
            ("authorization", basic(&format!("{text}:"))),
            ("authorization", basic(&format!("{text}:x-oauth-basic"))),
            ("authorization", basic(&format!("git:{text}"))),
            ("x-api-key", text.to_owned()),
            ("x-goog-api-key", text.to_owned()),
            ("api-key", text.to_owned()),
        ] {
            let mut headers = headers(&[(name, value), ("accept", "*/*".to_owned())]);
            let found = take(&mut headers, "/v1/chat").unwrap();
            assert_eq!(found.key.id(), key.id(), "{name}");
            assert_eq!(found.path, None);
            assert_eq!(found.is_carried, name != "authorization", "{name}");
            assert_eq!(headers.len(), 1, "{name} is left");
        }
    }

    #[test]
    fn the_key_is_found_and_removed_in_the_path_of_a_bot() {
        let key = key();
        for (before, rest, expected) in [
            ("/bot", "/getMe", "/getMe"),
            ("/bot", "", "/"),
            ("/file/bot", "/photos/1.jpg", "/file/photos/1.jpg"),
        ] {
            let path = format!("{before}{}{rest}", key.expose());
            let found = take(&mut HeaderMap::new(), &path).unwrap();
            assert_eq!(found.key.id(), key.id());
            assert_eq!(found.path.as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_key_of_another_service_is_removed_too() {
        let key = key();
        let mut headers = headers(&[
            ("x-api-key", key.expose().to_owned()),
            ("authorization", "Bearer sk-another".to_owned()),
        ]);
        assert!(take(&mut headers, "/").is_some());
        assert!(headers.is_empty());
    }

    #[test]
    fn the_same_key_may_stand_in_several_places() {
        let key = key();
        let mut headers = headers(&[
            ("x-api-key", key.expose().to_owned()),
            ("authorization", format!("Bearer {}", key.expose())),
            ("x-debug", format!("key={}", key.expose())),
        ]);
        assert!(take(&mut headers, "/").unwrap().is_carried);
        assert!(headers.is_empty(), "{headers:?}");
    }

    #[test]
    fn two_keys_or_none_are_no_key() {
        let (one, other) = (key(), key());
        let mut two = headers(&[
            ("x-api-key", one.expose().to_owned()),
            ("authorization", format!("Bearer {}", other.expose())),
        ]);
        assert!(take(&mut two, "/").is_none());
        assert!(take(&mut HeaderMap::new(), "/bot/getMe").is_none());
        let mut wrong = headers(&[("authorization", "Bearer kw_agent_x".to_owned())]);
        assert!(take(&mut wrong, "/").is_none());
        assert!(wrong.is_empty());
    }

    #[test]
    fn a_key_that_would_go_out_with_the_address_is_none() {
        let key = key();
        let mut headers = headers(&[("x-api-key", key.expose().to_owned())]);
        let path = format!("/v1/{}", key.expose());
        assert!(take(&mut headers, &path).is_none());
    }
}
