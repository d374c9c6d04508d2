use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::totp_secret::TotpSecret;

/// What an authenticator app reads to enrol: an `otpauth://` URI, with the secret in it.
///
/// The form is Google Authenticator's, which all apps read: the issuer stands in the label and in
/// a parameter of its own, and a space is `%20`. Overwritten when dropped, redacted in `Debug`.
pub struct ProvisioningUri(Zeroizing<String>);

impl ProvisioningUri {
    /// Puts the URI together. `issuer` names the service and `account` the user, for the list that
    /// the app shows.
    ///
    /// Colons are left out of both: an app cuts the label at the first one, encoded or not.
    #[must_use]
    pub fn new(secret: &TotpSecret, issuer: &str, account: &str) -> Self {
        let (issuer, account) = (encoded(issuer), encoded(account));
        let secret = secret.to_base32();
        let pieces = [
            "otpauth://totp/",
            &issuer,
            ":",
            &account,
            "?secret=",
            secret.expose(),
            "&issuer=",
            &issuer,
            "&algorithm=SHA1&digits=6&period=30",
        ];
        // All space at once: a string that grows leaves its old bytes behind.
        let length = pieces.iter().map(|piece| piece.len()).sum();
        let mut uri = Zeroizing::new(String::with_capacity(length));
        for piece in pieces {
            uri.push_str(piece);
        }
        Self(uri)
    }

    /// The URI itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProvisioningUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProvisioningUri(..)")
    }
}

fn encoded(name: &str) -> String {
    let name = name.replace(':', "");
    utf8_percent_encode(&name, ENCODED).to_string()
}

/// All but the unreserved characters of RFC 3986, section 2.3.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn uri(issuer: &str, account: &str) -> ProvisioningUri {
        ProvisioningUri::new(&TotpSecret::from_base32(SECRET).unwrap(), issuer, account)
    }

    /// Issuer of the label, account, and the parameters, as an app reads them.
    fn read(uri: &ProvisioningUri) -> (String, String, Vec<(String, String)>) {
        let url = Url::parse(uri.expose()).unwrap();
        assert_eq!((url.scheme(), url.host_str()), ("otpauth", Some("totp")));
        assert_eq!(url.fragment(), None);
        let path = percent_encoding::percent_decode_str(url.path());
        let path = path.decode_utf8().unwrap().into_owned();
        let (issuer, account) = path.strip_prefix('/').unwrap().split_once(':').unwrap();
        let parameters = url.query_pairs().into_owned().collect();
        (issuer.to_owned(), account.to_owned(), parameters)
    }

    fn parameters(issuer: &str) -> Vec<(String, String)> {
        [
            ("secret", SECRET),
            ("issuer", issuer),
            ("algorithm", "SHA1"),
            ("digits", "6"),
            ("period", "30"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn an_ascii_account_reads_back() {
        let uri = uri("Keyward", "ada");
        assert_eq!(
            uri.expose(),
            "otpauth://totp/Keyward:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Keyward&algorithm=SHA1&digits=6&period=30"
        );
        let expected = ("Keyward".into(), "ada".into(), parameters("Keyward"));
        assert_eq!(read(&uri), expected);
    }

    #[test]
    fn a_unicode_account_reads_back() {
        let uri = uri(
            "Keyward f\u{fc}r Z\u{fc}rich",
            "zo\u{eb}+1@\u{4f8b}\u{3048}.jp \u{1f511}",
        );
        assert_eq!(
            uri.expose(),
            "otpauth://totp/Keyward%20f%C3%BCr%20Z%C3%BCrich:\
             zo%C3%AB%2B1%40%E4%BE%8B%E3%81%88.jp%20%F0%9F%94%91\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Keyward%20f%C3%BCr%20Z%C3%BCrich&algorithm=SHA1&digits=6&period=30"
        );
        let expected = (
            "Keyward f\u{fc}r Z\u{fc}rich".into(),
            "zo\u{eb}+1@\u{4f8b}\u{3048}.jp \u{1f511}".into(),
            parameters("Keyward f\u{fc}r Z\u{fc}rich"),
        );
        assert_eq!(read(&uri), expected);
    }

    #[test]
    fn colons_are_left_out() {
        let uri = uri("Key:ward", ":a:da:");
        let expected = ("Keyward".into(), "ada".into(), parameters("Keyward"));
        assert_eq!(read(&uri), expected);
        assert!(!uri.expose().contains("%3A"));
    }

    #[test]
    fn no_name_can_add_a_parameter() {
        let hostile = "x?secret=A&issuer=B&digits=8#/../%26%3F;\\\"'<>\n\0";
        let uri = uri(hostile, hostile);
        let expected = (hostile.into(), hostile.into(), parameters(hostile));
        assert_eq!(read(&uri), expected);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(
            format!("{:?}", uri("marker", "marker")),
            "ProvisioningUri(..)"
        );
    }

    proptest! {
        #[test]
        fn any_names_read_back(issuer in "\\PC{1,30}", account in "[^/.]{1}.{0,30}") {
            let uri = uri(&issuer, &account);
            let (issuer, account) = (issuer.replace(':', ""), account.replace(':', ""));
            prop_assert!(uri.expose().is_ascii() && !uri.expose().contains([' ', '+']));
            let expected = parameters(&issuer);
            prop_assert_eq!(read(&uri), (issuer, account, expected));
        }
    }
}
