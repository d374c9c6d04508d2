//! Requests that come back.

use http::{HeaderMap, HeaderValue, header};
use keyward_core::Id;

/// The name under which this broker passes requests on (RFC 9110 §7.6.3). It means nothing to
/// anybody else.
pub(crate) struct Via {
    name: String,
}

impl Via {
    pub(crate) fn new() -> Self {
        let id = Id::<Self>::generate().to_string();
        // The part that is random.
        let (_, random) = id.split_at(id.len().saturating_sub(12));
        Self {
            name: format!("keyward-{random}"),
        }
    }

    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(format!("1.1 {}", self.name)) {
            headers.insert(header::VIA, value);
        }
    }

    /// Whether this broker has passed a request with these header fields on before.
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::VIA).iter();
        values.any(|value| value.to_str().is_ok_and(|text| text.contains(&self.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_knows_its_own_name_among_others_and_no_other() {
        let (one, other) = (Via::new(), Via::new());
        let mut headers = HeaderMap::new();
        one.add_to(&mut headers);
        assert!(one.is_in(&headers));
        assert!(!other.is_in(&headers));
        headers.append(header::VIA, HeaderValue::from_static("1.1 proxy, 2 other"));
        assert!(one.is_in(&headers));
        let text = format!("1.0 first, 1.1 {} (x)", one.name);
        let listed = HeaderMap::from_iter([(header::VIA, text.parse().unwrap())]);
        assert!(one.is_in(&listed));
    }
}
