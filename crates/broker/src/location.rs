//! Redirects stay behind the broker.

use http::{HeaderMap, HeaderValue, header};
use keyward_credentials::Lease;
use url::Url;

/// Makes a redirect within the service lead through the broker, mounted at `prefix`, again. One that
/// leads elsewhere is left as it is: whoever follows it has no secret.
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
