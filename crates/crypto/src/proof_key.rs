use std::fmt;

use totp_lite::{Sha256, totp_custom};
use zeroize::Zeroizing;

use crate::derive::{expand, extract};
use crate::totp_code::ProofCode;
use crate::totp_secret::{TotpSecret, TotpWindow, matched};
use crate::totp_step::TotpStep;

/// What a proof of one agent to one receiver is bound to.
///
/// A code made for one binding is worth nothing under any other: the key of the codes is derived
/// from all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofBinding<'a> {
    /// The id of the agent that proves who it is.
    pub prover: &'a [u8; 16],
    /// The id of whoever verifies the code.
    pub audience: &'a [u8; 16],
    /// What for; empty for nothing in particular.
    pub purpose: &'a str,
}

/// The key of the codes by which an agent proves to one receiver who it is.
///
/// HKDF-SHA256 (RFC 5869) of the agent's TOTP secret without a salt, with the `info`
/// `keyward/proof/v1`, the two ids in 16 bytes each, and the purpose in UTF-8. Only the last part
/// has a variable length, so no two bindings give the same `info`. Codes are TOTP (RFC 6238) with
/// HMAC-SHA-256, eight digits and 30 seconds.
///
/// Overwritten when dropped, redacted in `Debug`.
pub struct ProofKey(Zeroizing<[u8; 32]>);

impl ProofKey {
    /// Derives the key of one binding.
    #[must_use]
    pub fn derive(secret: &TotpSecret, binding: &ProofBinding<'_>) -> Self {
        let info: [&[u8]; 4] = [
            INFO,
            binding.prover,
            binding.audience,
            binding.purpose.as_bytes(),
        ];
        Self(expand(&extract(secret.bytes()), &info))
    }

    /// The code at `at`, in Unix seconds; before 1970 that of the first step.
    #[must_use]
    pub fn code_at(&self, at: i64) -> ProofCode {
        self.code(TotpStep::at(at))
    }

    /// The step that `code` is of, if it is that of `now` or the one before, see
    /// [`TotpSecret::matched_step`].
    ///
    /// This does not use the code up: whoever asks must store the step for this binding and refuse
    /// it, and those before it, from then on.
    #[must_use]
    pub fn matched_step(&self, code: &ProofCode, now: i64) -> Option<TotpStep> {
        matched(now, TotpWindow::WithPrevious, |step| {
            self.code(step).ct_eq(code)
        })
    }

    fn code(&self, step: TotpStep) -> ProofCode {
        // totp-lite divides by the period; with 1, the number of the step stays as it is.
        let digits = totp_custom::<Sha256>(1, DIGITS, &*self.0, step.counter());
        ProofCode::computed(digits)
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofKey(..)")
    }
}

const INFO: &[u8] = b"keyward/proof/v1";
/// As many as a [`ProofCode`] has.
const DIGITS: u32 = 8;

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "these are the tests of the method itself"
)]
mod tests {
    use super::*;

    /// The secret of RFC 6238, appendix B.
    fn secret() -> TotpSecret {
        TotpSecret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap()
    }

    const PROVER: [u8; 16] = [
        0x01, 0x89, 0x0a, 0x5d, 0x7e, 0x8f, 0x7c, 0x3d, 0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 0x07,
        0x18,
    ];
    const AUDIENCE: [u8; 16] = [
        0x01, 0x89, 0x0a, 0x5d, 0x7e, 0x8f, 0x7c, 0x3d, 0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 0x07,
        0x19,
    ];

    fn key(prover: &[u8; 16], audience: &[u8; 16], purpose: &str) -> ProofKey {
        let binding = ProofBinding {
            prover,
            audience,
            purpose,
        };
        ProofKey::derive(&secret(), &binding)
    }

    // Computed in Python from the definition in docs/agent-identity.md.
    #[test]
    fn codes_are_the_documented_ones() {
        for (purpose, at, expected) in [
            ("", 0, "55723987"),
            ("", 59, "07828656"),
            ("", 1_111_111_109, "34701012"),
            ("", 1_800_000_000, "32642069"),
            ("", 20_000_000_000, "60852114"),
            ("deploy", 0, "61580792"),
            ("deploy", 59, "22906787"),
            ("deploy", 1_111_111_109, "15188763"),
            ("deploy", 1_800_000_000, "85077829"),
            ("deploy", 20_000_000_000, "92726513"),
            ("Übergabe 7", 59, "55454957"),
            ("Übergabe 7", 1_800_000_000, "54506740"),
        ] {
            let code = key(&PROVER, &AUDIENCE, purpose).code_at(at);
            assert_eq!(code.expose(), expected, "{purpose} {at}");
        }
        let reflected = key(&AUDIENCE, &PROVER, "deploy").code_at(1_800_000_000);
        assert_eq!(reflected.expose(), "96619662");
    }

    #[test]
    fn a_code_is_taken_under_its_own_binding_and_in_its_own_steps_only() {
        let now = 1_800_000_000;
        let right = key(&PROVER, &AUDIENCE, "deploy");
        let code = right.code_at(now);
        for (at, expected) in [
            (now - 1, None),
            (now, Some(TotpStep::at(now))),
            (now + 59, Some(TotpStep::at(now))),
            (now + 60, None),
            (-1, None),
        ] {
            assert_eq!(right.matched_step(&code, at), expected, "{at}");
        }
        for (prover, audience, purpose) in [
            (&AUDIENCE, &PROVER, "deploy"),
            (&PROVER, &PROVER, "deploy"),
            (&PROVER, &AUDIENCE, ""),
            (&PROVER, &AUDIENCE, "deploy "),
            (&PROVER, &AUDIENCE, "Deploy"),
        ] {
            let other = key(prover, audience, purpose);
            assert_eq!(other.matched_step(&code, now), None, "{purpose}");
        }
    }

    #[test]
    fn codes_are_those_of_the_page() {
        let page = include_str!("../../../docs/agent-identity.md");
        let value = |name: &str| {
            let line = format!("{name} = \"");
            let value = page.lines().find_map(|text| text.strip_prefix(&line));
            value.and_then(|text| text.strip_suffix('"')).unwrap()
        };
        let id = |name: &str| -> [u8; 16] {
            let hex = value(name).replace('-', "");
            data_encoding::HEXLOWER
                .decode(hex.as_bytes())
                .unwrap()
                .try_into()
                .unwrap()
        };
        let (prover, audience) = (id("proof-prover"), id("proof-audience"));
        let secret = TotpSecret::from_base32(value("proof-secret")).unwrap();
        let code = |prover, audience, purpose, at| {
            let binding = ProofBinding {
                prover,
                audience,
                purpose,
            };
            let code = ProofKey::derive(&secret, &binding).code_at(at);
            code.expose().to_owned()
        };
        let purpose = value("proof-purpose");
        for at in [59, 1_111_111_109, 1_800_000_000, 20_000_000_000] {
            let expected = value(&format!("proof-at-{at}"));
            assert_eq!(code(&prover, &audience, purpose, at), expected);
        }
        let now = 1_800_000_000;
        let without = value("proof-without-purpose-at-1800000000");
        assert_eq!(code(&prover, &audience, "", now), without);
        let reflected = value("proof-reflected-at-1800000000");
        assert_eq!(code(&audience, &prover, purpose, now), reflected);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", key(&PROVER, &AUDIENCE, "")), "ProofKey(..)");
    }
}
