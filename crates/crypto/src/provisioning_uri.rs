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
