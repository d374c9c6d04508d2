//! The server's own certificate.

use keyward_core::{Clock as _, SystemClock, Timestamp};

use crate::settings::Settings;
use crate::tls::Identity;

use super::check::{Check, Rule, Severity};

pub(super) fn check(settings: &Settings) -> Check {
    let Some(files) = &settings.tls else {
        return CERTIFICATE.skip("the server has no TLS of its own");
    };
    match Identity::load(files) {
        Ok(identity) => judge(SystemClock.now(), identity.not_after),
        Err(error) => CERTIFICATE.fail(error, "correct TLS_CERT_FILE and TLS_KEY_FILE"),
    }
}

pub(super) const RULES: [Rule; 1] = [CERTIFICATE];

fn judge(now: Timestamp, not_after: Timestamp) -> Check {
    let renew = "renew the certificate; a running server reads it anew by itself";
    if not_after < now {
        CERTIFICATE.fail(format_args!("it ended on {not_after}"), renew)
    } else if not_after < now.plus(SOON_SECONDS) {
        CERTIFICATE.warn(format_args!("it ends on {not_after}"), renew)
    } else {
        CERTIFICATE.pass(format_args!("it is valid until {not_after}"))
    }
}

/// Certificates that live for 90 days are renewed when 30 are left.
const SOON_SECONDS: i64 = 14 * 24 * 60 * 60;

const CERTIFICATE: Rule = Rule {
    id: "service.tls-certificate",
    title: "The certificate is valid and belongs to the private key",
    severity: Severity::Blocking,
    asvs: "v5.0.0-12.2.2",
};

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn a_certificate_is_renewed_before_it_ends() {
        let now = Timestamp(1_800_000_000);
        let outcome = |seconds| judge(now, now.plus(seconds)).outcome;
        assert_eq!(outcome(-1), Outcome::Fail);
        assert_eq!(outcome(0), Outcome::Warn);
        assert_eq!(outcome(SOON_SECONDS - 1), Outcome::Warn);
        assert_eq!(outcome(SOON_SECONDS), Outcome::Pass);
    }
}
