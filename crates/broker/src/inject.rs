//! Puts secrets where the service of a credential looks for them.

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};
use keyward_credentials::{Auth, CallError, FieldPath, Lease, is_reserved};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;
use zeroize::Zeroizing;

use crate::scrub::Needles;

/// The address that a request goes to, with the query of the caller and without the secret.
pub(crate) fn address(lease: &Lease, query: Option<&str>) -> Result<Url, CallError> {
    let path = lease.call.path.as_str();
    let mut url = lease.destination.base_url.clone();
    url.set_path(path);
    url.set_query(query.filter(|query| !query.is_empty()));
    url.set_fragment(None);
    // The rules were asked about this path and about no other.
    if url.path() == path {
        Ok(url)
    } else {
        Err(CallError::Malformed(
            "the path is not one that can be passed on",
        ))
    }
}

/// Puts the secrets of `lease` into a request, and says what must not come back.
pub(crate) fn inject(
    lease: &Lease,
    url: &mut Url,
    headers: &mut HeaderMap,
) -> Result<Needles, CallError> {
    let mut composed = Zeroizing::new(String::new());
    for (name, field) in &lease.destination.headers {
        set(headers, name, secret(lease, field)?)?;
    }
    for (name, value) in &lease.destination.open_headers {
        set(headers, name, value)?;
    }
    match &lease.destination.auth {
        Auth::Header {
            name,
            field,
            prefix,
        } => {
            let value = Zeroizing::new(format!("{prefix}{}", secret(lease, field)?));
            set(headers, name, &value)?;
        }
        Auth::Basic {
            username,
            username_field,
            password,
        } => {
            let username = match username_field {
                Some(field) => secret(lease, field)?,
                None => username,
            };
            let pair = Zeroizing::new(format!("{username}:{}", secret(lease, password)?));
            composed.push_str(&BASE64.encode(pair.as_bytes()));
            set(
                headers,
                "authorization",
                &Zeroizing::new(format!("Basic {}", *composed)),
            )?;
        }
        Auth::Query { name, field } => into_query(url, name, secret(lease, field)?),
        Auth::Path { before, field } => {
            let base = lease.destination.base_url.path();
            into_path(url, base, &[before, secret(lease, field)?])?;
        }
    }
    let composed = (!composed.is_empty()).then_some(composed.as_str());
    Ok(Needles::new(lease.secrets().chain(composed)))
}

fn secret<'a>(lease: &'a Lease, field: &FieldPath) -> Result<&'a str, CallError> {
    // A lease has all secrets that its destination names.
    lease.secret(field).ok_or(CallError::UnusableSecret)
}

/// In place of what the caller has sent under this name.
fn set(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), CallError> {
    if is_reserved(name) {
        return Err(CallError::UnusableSecret);
    }
    let name = HeaderName::try_from(name).map_err(|_| CallError::UnusableSecret)?;
    // Visible characters and spaces; a line break or NUL would begin another field. Bytes beyond
    // ASCII mean different things to different servers.
    if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(CallError::UnusableSecret);
    }
    let mut value = HeaderValue::try_from(value).map_err(|_| CallError::UnusableSecret)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// In place of a parameter of this name that the caller has sent. The others stay byte for byte.
fn into_query(url: &mut Url, name: &str, secret: &str) {
    let is_ours = |parameter: &str| {
        let key = parameter.split('=').next().unwrap_or_default();
        let mut parsed = url::form_urlencoded::parse(key.as_bytes());
        parsed.next().is_some_and(|(key, _)| key == name)
    };
    let query = url.query().unwrap_or_default();
    let others = query
        .split('&')
        .filter(|parameter| !parameter.is_empty() && !is_ours(parameter));
    let mut query = Zeroizing::new(String::new());
    for parameter in others {
        query.push_str(parameter);
        query.push('&');
    }
    query.extend(utf8_percent_encode(name, UNRESERVED));
    query.push('=');
    query.extend(utf8_percent_encode(secret, UNRESERVED));
    url.set_query(Some(&query));
}

/// As a segment behind the path of the base URL, or behind `/file` there, as Telegram wants it. The
/// segment is a word and the secret.
fn into_path(url: &mut Url, base: &str, [word, secret]: &[&str; 2]) -> Result<(), CallError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte);
    if !secret.bytes().all(is_plain) || secret.is_empty() {
        return Err(CallError::UnusableSecret);
    }
    let base = base.trim_end_matches('/');
    let below = url.path().strip_prefix(base).unwrap_or(url.path());
    let (file, rest) = match below.strip_prefix("/file/") {
        Some(rest) => ("/file", rest),
        None => ("", below.trim_start_matches('/')),
    };
    let path = Zeroizing::new(format!("{base}{file}/{word}{secret}/{rest}"));
    url.set_path(&path);
    Ok(())
}

/// RFC 3986 §2.3.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_secret_takes_the_place_of_a_parameter_of_its_name() {
        for (before, expected) in [
            ("https://a.example/x", "key=s%2Bt%26u"),
            ("https://a.example/x?a=1&b=%7e", "a=1&b=%7e&key=s%2Bt%26u"),
            ("https://a.example/x?key=other&a=1", "a=1&key=s%2Bt%26u"),
            ("https://a.example/x?%6bey=other&a", "a&key=s%2Bt%26u"),
            ("https://a.example/x?keys=1", "keys=1&key=s%2Bt%26u"),
        ] {
            let mut url = url(before);
            into_query(&mut url, "key", "s+t&u");
            assert_eq!(url.query(), Some(expected));
            assert_eq!(url.path(), "/x");
        }
    }

    #[test]
    fn a_secret_becomes_the_first_segment_of_the_path() {
        for (before, base, expected) in [
            ("https://a.example/getMe", "/", "/bot1:x/getMe"),
            ("https://a.example/", "/", "/bot1:x/"),
            (
                "https://a.example/file/a/1.jpg",
                "/",
                "/file/bot1:x/a/1.jpg",
            ),
            ("https://a.example/api/getMe", "/api/", "/api/bot1:x/getMe"),
            (
                "https://a.example/api/file/1.jpg",
                "/api",
                "/api/file/bot1:x/1.jpg",
            ),
        ] {
            let mut url = url(before);
            into_path(&mut url, base, &["bot", "1:x"]).unwrap();
            assert_eq!(url.path(), expected);
        }
    }

    #[test]
    fn a_secret_that_would_lead_elsewhere_is_not_put_into_a_path() {
        for secret in [
            "", "a/b", "..", "a?b", "a#b", "a%2fb", "a b", "a\nb", "a\\b",
        ] {
            let mut url = url("https://a.example/getMe");
            let refused = into_path(&mut url, "/", &["bot", secret]);
            // Dots alone stand behind a word, so they climb nowhere.
            assert_eq!(refused.is_err(), secret != "..", "{secret}");
            assert_eq!(url.host_str(), Some("a.example"));
        }
    }

    #[test]
    fn no_secret_decides_where_a_request_goes_or_where_it_ends() {
        for name in [
            "Host",
            "content-length",
            "Transfer-Encoding",
            "connection",
            "upgrade",
        ] {
            let mut headers = HeaderMap::new();
            let refused = set(&mut headers, name, "a.example");
            assert!(matches!(refused, Err(CallError::UnusableSecret)), "{name}");
            assert!(headers.is_empty());
        }
    }

    #[test]
    fn no_line_break_gets_into_a_header() {
        for value in ["a\r\nHost: b", "a\n", "\0", "a\u{7f}", "\u{e9}"] {
            let mut headers = HeaderMap::new();
            let refused = set(&mut headers, "x-key", value);
            assert!(matches!(refused, Err(CallError::UnusableSecret)));
            assert!(headers.is_empty());
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-key", HeaderValue::from_static("of the caller"));
        set(&mut headers, "X-Key", "secret").unwrap();
        assert_eq!(headers.get_all("x-key").iter().count(), 1);
        assert!(headers.get("x-key").is_some_and(HeaderValue::is_sensitive));
    }
}
