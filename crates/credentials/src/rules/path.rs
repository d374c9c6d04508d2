use percent_encoding::percent_decode_str;

/// The path of a request for another service, in which nothing is ambiguous about where it leads.
///
/// Servers differ in what they make of `..`, of encoded dots, slashes and backslashes, and of
/// parameters behind a semicolon. A path that one of them would read as another path than the one
/// that rules were asked about is refused.
///
/// ```
/// use keyward_credentials::RequestPath;
///
/// let allowed = ["/v1/chat".to_owned()];
/// assert!(RequestPath::parse("/v1/chat/completions")?.is_allowed(&allowed));
/// assert!(!RequestPath::parse("/v1/chats")?.is_allowed(&allowed));
/// // Some servers would take it for `/v1/admin`.
/// assert!(RequestPath::parse("/v1/chat/%2e%2e/admin").is_err());
/// # Ok::<(), keyward_credentials::MalformedPath>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath {
    raw: String,
    /// Decoded, without the first slash.
    segments: Vec<Vec<u8>>,
}

impl RequestPath {
    /// Reads the path of a request target: percent-encoded, with a slash at the beginning.
    pub fn parse(raw: &str) -> Result<Self, MalformedPath> {
        let rest = raw.strip_prefix('/').ok_or(MalformedPath)?;
        if raw.len() > MAX_LENGTH || !raw.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(MalformedPath);
        }
        if raw.contains(['?', '#', '\\', '"', '<', '>', '`', '{', '}', '^', '|']) {
            return Err(MalformedPath);
        }
        let segments: Vec<_> = rest.split('/').map(decode).collect::<Result<_, _>>()?;
        Ok(Self {
            raw: raw.to_owned(),
            segments,
        })
    }

    /// The path below another one. One that begins with `base` already is taken as it stands, so
    /// that clients can be given the address with or without the path of the base URL.
    ///
    /// # Errors
    ///
    /// When `base` is not a path that this type takes: nothing is below it.
    pub fn below(&self, base: &str) -> Result<Self, MalformedPath> {
        let base = base.trim_end_matches('/');
        if base.is_empty() {
            return Ok(self.clone());
        }
        let parsed = Self::parse(base)?;
        if self.is_below(&parsed) {
            return Ok(self.clone());
        }
        Ok(Self {
            raw: format!("{base}{}", self.raw),
            segments: [parsed.segments, self.segments.clone()].concat(),
        })
    }

    /// Whether one of the prefixes allows the path. A path with an encoded slash, with something
    /// that is encoded twice, or that is not UTF-8 is allowed by none: it depends on the server what
    /// it means.
    #[must_use]
    pub fn is_allowed(&self, prefixes: &[String]) -> bool {
        let is_plain = self.segments.iter().all(|segment| is_plain(segment));
        let allows = |prefix: &String| {
            Self::parse(prefix).is_ok_and(|prefix| self.is_below(&prefix.without_last_slash()))
        };
        is_plain && prefixes.iter().any(allows)
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.raw
    }

    fn is_below(&self, prefix: &Self) -> bool {
        self.segments.starts_with(&prefix.segments)
    }

    fn without_last_slash(mut self) -> Self {
        self.segments.pop_if(|last| last.is_empty());
        self
    }
}

/// Whether a decoded segment means the same to every server.
fn is_plain(segment: &[u8]) -> bool {
    std::str::from_utf8(segment).is_ok_and(|text| !text.contains(['/', '%']))
}

fn decode(segment: &str) -> Result<Vec<u8>, MalformedPath> {
    let mut escapes = segment.split('%').skip(1);
    let well_formed = escapes.all(|escape| {
        let digits = escape.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let decoded: Vec<u8> = percent_decode_str(segment).collect();
    let is_ambiguous = |byte: &u8| byte.is_ascii_control() || *byte == b'\\';
    // Some servers drop what follows a semicolon before they look for dots.
    let name = decoded.split(|byte| *byte == b';').next();
    let mut parts = name.unwrap_or_default().split(|byte| *byte == b'/');
    let climbs = parts.any(|part| part == b"." || part == b"..");
    if well_formed && !climbs && !decoded.iter().any(is_ambiguous) {
        Ok(decoded)
    } else {
        Err(MalformedPath)
    }
}

/// The path leads to different places for different servers, or is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the path must not hold `.` or `..` as a segment, a backslash, a control character or an \
     incomplete percent-encoding, encoded or not"
)]
pub struct MalformedPath;

const MAX_LENGTH: usize = 8 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(path: &str, prefixes: &[&str]) -> bool {
        let prefixes: Vec<_> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        RequestPath::parse(path).unwrap().is_allowed(&prefixes)
    }

    #[test]
    fn a_prefix_allows_itself_and_what_is_below_it() {
        for path in [
            "/v1/chat",
            "/v1/chat/",
            "/v1/chat/completions",
            "/v1/ch%61t/x",
        ] {
            assert!(allowed(path, &["/v1/models", "/v1/chat"]), "{path}");
            assert!(allowed(path, &["/v1/chat/"]), "{path}");
            assert!(allowed(path, &["/"]), "{path}");
        }
    }

    #[test]
    fn a_prefix_allows_nothing_beside_itself() {
        for path in [
            "/v1/chats",
            "/v1",
            "/",
            "/v2/chat",
            "//v1/chat",
            "/V1/chat",
            "/v1%2Fchat",
            "/v1/chat%2Fx",
            "/v1/chat/%252e%252e/admin",
            "/v1/chat/%2525",
            "/v1/chat/%c0%ae%c0%ae/admin",
        ] {
            assert!(!allowed(path, &["/v1/chat"]), "{path}");
        }
        assert!(!allowed("/v1/chat", &[]));
    }

    #[test]
    fn a_path_that_servers_read_differently_is_refused() {
        for path in [
            "",
            "v1",
            "/..",
            "/v1/../x",
            "/v1/./x",
            "/v1/%2e%2e/x",
            "/v1/%2E./x",
            "/v1/..%2fx",
            "/v1/.%2e%2fx",
            "/v1/..;/x",
            "/v1/..;a=b/x",
            "/v1/%2e%2e%3b/x",
            "/v1\\x",
            "/v1/%5c..%5cx",
            "/v1/%00",
            "/v1/%0d%0aHost:x",
            "/v1/%",
            "/v1/%2",
            "/v1/%zz",
            "/v1 x",
            "/v1?x",
            "/v1#x",
            "/v1/\u{e9}",
            "/a{b}",
            "/a|b",
        ] {
            assert_eq!(RequestPath::parse(path), Err(MalformedPath), "{path}");
        }
    }

    #[test]
    fn a_path_is_put_below_the_path_of_the_base_url_once() {
        for (path, base, expected) in [
            ("/chat", "/v1", "/v1/chat"),
            ("/v1/chat", "/v1", "/v1/chat"),
            ("/v1", "/v1/", "/v1"),
            ("/v10/chat", "/v1", "/v1/v10/chat"),
            ("/chat", "/", "/chat"),
            ("/chat", "", "/chat"),
            ("/group%2Fproject", "/api", "/api/group%2Fproject"),
        ] {
            let path = RequestPath::parse(path).unwrap().below(base).unwrap();
            assert_eq!(path.as_str(), expected);
            assert_eq!(path, RequestPath::parse(expected).unwrap());
        }
    }

    #[test]
    fn nothing_is_below_a_base_that_servers_read_differently() {
        let path = RequestPath::parse("/chat").unwrap();
        for base in ["/v1/{tenant}", "/v1/%2e%2e", "/v1/%5c", "v1"] {
            assert_eq!(path.below(base), Err(MalformedPath), "{base}");
        }
    }
}
