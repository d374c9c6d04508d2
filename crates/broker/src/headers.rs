//! Which header fields are passed on.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The header fields of a request that go out with it: not those that belong to the connection that
/// it came by (RFC 9110 §7.6.1), that say who asked and by which way, or that carry a key or session
/// of the caller.
pub(crate) fn outgoing(fields: &HeaderMap) -> HeaderMap {
    let mut kept = passed(fields, &NOT_SENT);
    // Nothing that comes back may hide a secret from us.
    kept.insert(header::ACCEPT_ENCODING, IDENTITY);
    kept
}

/// The header fields of an answer that go back: not those that belong to its connection, that set
/// up a session at the service for whoever has the answer, or that would give orders to browsers in
/// the name of this server.
pub(crate) fn incoming(fields: &HeaderMap) -> HeaderMap {
    let mut kept = passed(fields, &NOT_RETURNED);
    if let Some(id) = kept.remove(X_REQUEST_ID) {
        // This name is ours.
        kept.insert(X_UPSTREAM_REQUEST_ID, id);
    }
    kept
}

/// Whether the client wants another protocol than HTTP on its connection.
pub(crate) fn wants_upgrade(fields: &HeaderMap) -> bool {
    let mut wanted = fields.get_all(header::UPGRADE).iter();
    // Some clients offer HTTP/2 by it; they take HTTP/1.1.
    wanted.any(|protocol| protocol != "h2c")
}

fn passed(fields: &HeaderMap, dropped: &[HeaderName]) -> HeaderMap {
    let listed = named_by_connection(fields);
    let mut kept = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let stays = !HOP_BY_HOP.contains(name)
            && !dropped.contains(name)
            && !listed
                .iter()
                .any(|listed| listed.eq_ignore_ascii_case(name.as_str()))
            && !GROUPS.iter().any(|group| name.as_str().starts_with(group));
        if stays {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

fn named_by_connection(fields: &HeaderMap) -> Vec<&str> {
    let values = fields.get_all(header::CONNECTION).iter();
    let lists = values.filter_map(|value| value.to_str().ok());
    lists
        .flat_map(|list| list.split(',').map(str::trim))
        .collect()
}

const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

const NOT_SENT: [HeaderName; 28] = [
    header::ACCEPT_ENCODING,
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::COOKIE,
    header::EXPECT,
    header::FORWARDED,
    header::HOST,
    header::ORIGIN,
    header::REFERER,
    header::VIA,
    HeaderName::from_static("api-key"),
    // What proxies before this server say of the client, some of it signed.
    HeaderName::from_static("cf-access-jwt-assertion"),
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("client-ip"),
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("x-goog-iap-jwt-assertion"),
    // Some services take the method or the path from these, past the rules of a credential.
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-original-uri"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-rewrite-url"),
    X_REQUEST_ID,
];

const NOT_RETURNED: [HeaderName; 17] = [
    header::ALT_SVC,
    header::CACHE_CONTROL,
    header::CONTENT_SECURITY_POLICY,
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("cross-origin-embedder-policy"),
    HeaderName::from_static("cross-origin-opener-policy"),
    HeaderName::from_static("cross-origin-resource-policy"),
    HeaderName::from_static("nel"),
    HeaderName::from_static("origin-agent-cluster"),
    header::REFERRER_POLICY,
    HeaderName::from_static("refresh"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("reporting-endpoints"),
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    HeaderName::from_static("x-frame-options"),
    HeaderName::from_static("x-content-type-options"),
];

/// Beginnings of names: what proxies say of the client, and whom browsers may show an answer.
const GROUPS: [&str; 4] = [
    "x-forwarded-",
    "x-auth-request-",
    "x-amzn-oidc-",
    "access-control-",
];

const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in list {
            fields.append(*name, HeaderValue::from_static(value));
        }
        fields
    }

    #[test]
    fn what_belongs_to_a_connection_is_not_passed_on() {
        let came = fields(&[
            ("connection", "keep-alive, X-Hop, close"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "Basic x"),
            ("accept", "*/*"),
        ]);
        let back = incoming(&came);
        assert_eq!(back, fields(&[("accept", "*/*")]));
        let out = outgoing(&came);
        assert_eq!(
            out,
            fields(&[("accept", "*/*"), ("accept-encoding", "identity")])
        );
    }

    #[test]
    fn nothing_says_who_asked_and_by_which_way() {
        let came = fields(&[
            ("forwarded", "for=192.0.2.1"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-host", "keyward.example"),
            ("x-real-ip", "192.0.2.1"),
            ("true-client-ip", "192.0.2.1"),
            ("cf-connecting-ip", "192.0.2.1"),
            ("client-ip", "192.0.2.1"),
            ("x-client-ip", "192.0.2.1"),
            ("cf-access-jwt-assertion", "e30.e30.e30"),
            ("x-goog-iap-jwt-assertion", "e30.e30.e30"),
            ("x-amzn-oidc-data", "e30.e30.e30"),
            ("x-auth-request-access-token", "x"),
            ("via", "1.1 proxy"),
            ("cookie", "session=1"),
            ("referer", "https://keyward.example/docs"),
            ("host", "keyward.example"),
            ("accept-encoding", "gzip"),
            ("expect", "100-continue"),
            ("authorization", "Bearer x"),
            ("x-api-key", "x"),
            ("x-goog-api-key", "x"),
            ("api-key", "x"),
        ]);
        assert_eq!(outgoing(&came), fields(&[("accept-encoding", "identity")]));
    }

    #[test]
    fn nothing_asks_for_another_method_or_path_than_the_rules_judged() {
        let came = fields(&[
            ("x-http-method", "DELETE"),
            ("x-http-method-override", "DELETE"),
            ("x-method-override", "DELETE"),
            ("x-original-uri", "/admin"),
            ("x-original-url", "/admin"),
            ("x-rewrite-url", "/admin"),
        ]);
        assert_eq!(outgoing(&came), fields(&[("accept-encoding", "identity")]));
    }

    #[test]
    fn an_answer_sets_up_no_session_and_orders_no_browser_about() {
        let came = fields(&[
            ("set-cookie", "session=1"),
            ("strict-transport-security", "max-age=1"),
            ("access-control-allow-origin", "*"),
            ("content-security-policy", "default-src *"),
            ("cache-control", "public"),
            ("clear-site-data", "*"),
            ("content-type", "text/html"),
            ("x-request-id", "req_1"),
        ]);
        let kept = fields(&[
            ("content-type", "text/html"),
            ("x-upstream-request-id", "req_1"),
        ]);
        assert_eq!(incoming(&came), kept);
    }

    #[test]
    fn another_protocol_is_noticed() {
        assert!(wants_upgrade(&fields(&[("upgrade", "websocket")])));
        assert!(!wants_upgrade(&fields(&[("upgrade", "h2c")])));
        assert!(!wants_upgrade(&HeaderMap::new()));
    }
}
