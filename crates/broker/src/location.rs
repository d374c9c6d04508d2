//! Redirects stay behind the broker.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use keyward_credentials::Lease;
use url::Url;

/// What a client is told of a redirect that leads away from the service. It has no secret of the
/// service to lose, but its own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// `Location`, as it is. For clients that send their key in `Authorization`, which they drop
    /// when they are led to another host.
    Passed,
    /// `X-Upstream-Location`, which nobody follows by himself. For clients that send their key in a
    /// header field of another name: they would take it along.
    Shown,
}

impl Redirects {
    /// Run behind [`rewrite`]: what leads through the broker is a path by then.
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        let leads_away = |location: &HeaderValue| !location.as_bytes().starts_with(b"/");
        if self == Self::Shown
            && headers.get(header::LOCATION).is_some_and(leads_away)
            && let Some(location) = headers.remove(header::LOCATION)
        {
            headers.insert(X_UPSTREAM_LOCATION, location);
        }
    }
}

/// Makes a redirect within the service lead through the broker, mounted at `prefix`, again. One that
/// leads elsewhere becomes a whole address.
pub(crate) fn rewrite(headers: &mut HeaderMap, prefix: &str, lease: &Lease, asked: &Url) {
    let Some(location) = headers.get(header::LOCATION) else {
        return;
    };
    let target = location
        .to_str()
        .ok()
        .and_then(|text| asked.join(text).ok());
    let Some(target) = target else {
        headers.remove(header::LOCATION);
        return;
    };
    let base = &lease.destination.base_url;
    let path = below(target.path(), base.path());
    let text = match path {
        Some(path) if target.origin() == base.origin() => {
            let query = target.query().map(|query| format!("?{query}"));
            format!(
                "{prefix}/{}{path}{}",
                lease.credential,
                query.unwrap_or_default()
            )
        }
        _ => target.into(),
    };
    match HeaderValue::try_from(text) {
        Ok(value) => headers.insert(header::LOCATION, value),
        Err(_) => headers.remove(header::LOCATION),
    };
}

/// The path, if the broker would put it where it is.
fn below<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(base.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(path)
}

const X_UPSTREAM_LOCATION: HeaderName = HeaderName::from_static("x-upstream-location");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_the_base_stays_and_another_does_not() {
        assert_eq!(below("/v1/x", "/v1"), Some("/v1/x"));
        assert_eq!(below("/v1", "/v1/"), Some("/v1"));
        assert_eq!(below("/v10/x", "/v1"), None);
        assert_eq!(below("/x", "/"), Some("/x"));
    }
}
