use std::fmt;

use data_encoding::BASE32_NOPAD;
use subtle::Choice;
use totp_lite::{Sha1, totp_custom};
use zeroize::Zeroizing;

use crate::random::random_bytes;
use crate::secret::SecretText;
use crate::totp_code::TotpCode;
use crate::totp_step::TotpStep;

/// The secret that somebody's authenticator app and Keyward share (RFC 6238).
///
/// Codes are made with HMAC-SHA-1 and have six digits and 30 seconds, which is all that many apps
/// can do. To store it, seal [`to_base32`](Self::to_base32). Overwritten when dropped, redacted in
/// `Debug`; there is no `Display`, `Clone` or `PartialEq`.
///
/// ```
/// use keyward_crypto::{ProvisioningUri, TotpCode, TotpSecret, TotpWindow};
///
/// let secret = TotpSecret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")?;
/// let uri = ProvisioningUri::new(&secret, "Keyward", "ada");
/// assert!(uri.expose().starts_with("otpauth://totp/Keyward:ada?secret=GEZDG"));
///
/// let typed = TotpCode::parse("768147")?;
/// let step = secret
///     .matched_step(&typed, 1_800_000_000, TotpWindow::default())
///     .ok_or("it is the code of this step")?;
/// // Keep the step, and refuse it and those before it: each code works once.
/// assert_eq!(step.number(), 60_000_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    /// Draws a new secret of 160 bits, the length that RFC 4226, section 4 recommends.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness, see [`random_bytes`].
    #[must_use]
    pub fn generate() -> Self {
        let bytes = Zeroizing::new(random_bytes::<GENERATED_BYTES>());
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Reads base32 (RFC 4648, section 6) of 16 to 64 bytes.
    ///
    /// For secrets that other systems made, lower case, spaces, hyphens and padding are taken too.
    pub fn from_base32(text: &str) -> Result<Self, MalformedTotpSecret> {
        let digits = compact(text)?;
        let length = BASE32_NOPAD
            .decode_len(digits.len())
            .ok()
            .filter(|length| (MIN_BYTES..=MAX_BYTES).contains(length))
            .ok_or(MalformedTotpSecret)?;
        let mut bytes = Zeroizing::new(vec![0; length]);
        BASE32_NOPAD
            .decode_mut(&digits, &mut bytes)
            .map_err(|_| MalformedTotpSecret)?;
        Ok(Self(bytes))
    }

    /// The secret in upper-case base32 without padding, to seal it or to type it into an app.
    #[must_use]
    pub fn to_base32(&self) -> SecretText {
        SecretText::new(BASE32_NOPAD.encode(&self.0))
    }

    /// The step that `code` is of, if it is that of `now` or, where `window` has it, the one before.
    ///
    /// Codes of the future are never taken. Both steps are always computed and compared in constant
    /// time. A clock before 1970 is broken, and nothing matches.
    ///
    /// This does not use the code up: whoever asks must store the step and refuse it, and those
    /// before it, from then on.
    #[must_use]
    pub fn matched_step(&self, code: &TotpCode, now: i64, window: TotpWindow) -> Option<TotpStep> {
        matched(now, window, |step| self.code(step).ct_eq(code))
    }

    /// The code that an authenticator app shows at `at`, in Unix seconds.
    ///
    /// For tests and for tools that stand in for an app. A server has no use for it: codes are
    /// checked by [`matched_step`](Self::matched_step). Before 1970 it is the code of the first
    /// step.
    #[must_use]
    pub fn code_at(&self, at: i64) -> TotpCode {
        self.code(TotpStep::at(at))
    }

    /// The secret itself, to derive other keys from.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// HOTP of the step's number (RFC 6238, section 4.2).
    fn code(&self, step: TotpStep) -> TotpCode {
        // totp-lite divides by the period; with 1, the number of the step stays as it is.
        let digits = totp_custom::<Sha1>(1, DIGITS, &self.0, step.counter());
        TotpCode::computed(digits)
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}

/// Of how many steps codes are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TotpWindow {
    /// Of the current step and of the one before, which makes up for typing and for a clock that is
    /// late (RFC 6238, section 5.2).
    #[default]
    WithPrevious,
    /// Of the current step alone, so that no code lives longer than 30 seconds (OWASP ASVS 5.0,
    /// 6.5.5). Who types slowly has to wait for the next code.
    Current,
}

/// Which of the steps whose codes are taken at `now` a code is of. Both are always computed.
pub(crate) fn matched(
    now: i64,
    window: TotpWindow,
    is_of: impl Fn(TotpStep) -> Choice,
) -> Option<TotpStep> {
    if now < 0 {
        return None;
    }
    let current = TotpStep::at(now);
    let previous = current.previous();
    let (is_current, is_previous) = (is_of(current), is_of(previous));
    if is_current.into() {
        return Some(current);
    }
    let is_taken = window == TotpWindow::WithPrevious;
    (bool::from(is_previous) && is_taken).then_some(previous)
}

/// The text is no base32 of 16 to 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a base32 secret of 16 to 64 bytes")]
pub struct MalformedTotpSecret;

/// The digits of base32 in upper case, without what people and other systems put around them.
fn compact(text: &str) -> Result<Zeroizing<Vec<u8>>, MalformedTotpSecret> {
    // All space at once: a vector that grows leaves its old bytes behind.
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    digits.extend(
        text.bytes()
            .filter(|byte| !matches!(byte, b' ' | b'-'))
            .map(|byte| byte.to_ascii_uppercase()),
    );
    let padding = digits
        .iter()
        .rev()
        .take_while(|byte| **byte == b'=')
        .count();
    if padding > 0 && (padding >= BLOCK || digits.len() % BLOCK != 0) {
        return Err(MalformedTotpSecret);
    }
    let length = digits.len() - padding;
    digits.truncate(length);
    Ok(digits)
}

/// What RFC 4226, section 4 recommends.
const GENERATED_BYTES: usize = 20;
/// What RFC 4226, section 4 requires.
const MIN_BYTES: usize = 16;
/// One block of SHA-1. A longer key would be hashed first and gain nothing.
const MAX_BYTES: usize = 64;
/// Padding fills blocks of eight digits (RFC 4648, section 6).
const BLOCK: usize = 8;
/// As many as a [`TotpCode`] has.
const DIGITS: u32 = 6;

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "these are the tests of the method itself"
)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// The secret of RFC 4226, appendix D and RFC 6238, appendix B.
    const RFC_SECRET: &[u8] = b"12345678901234567890";

    fn rfc_secret() -> TotpSecret {
        TotpSecret(Zeroizing::new(RFC_SECRET.to_vec()))
    }

    fn matched(code: &TotpCode, now: i64) -> Option<TotpStep> {
        rfc_secret().matched_step(code, now, TotpWindow::default())
    }

    /// RFC 6238, appendix B, SHA-1. The codes there have eight digits; the last six of them are
    /// the code of six.
    #[test]
    fn rfc_6238_appendix_b_holds() {
        let rows = [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ];
        for (at, digits) in rows {
            let code = rfc_secret().code_at(at);
            assert_eq!(code.expose(), &digits[2..], "{at}");
            let matched = matched(&code, at);
            assert_eq!(matched, Some(TotpStep::at(at)), "{at}");
        }
    }

    /// RFC 4226, appendix D: a counter of HOTP is a step of TOTP.
    #[test]
    fn rfc_4226_appendix_d_holds() {
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (step, expected) in (0..).zip(codes) {
            assert_eq!(rfc_secret().code_at(step * 30).expose(), expected);
            assert_eq!(rfc_secret().code_at(step * 30 + 29).expose(), expected);
        }
    }

    /// Fails unless a code is taken in so many steps from its own on, and in no other second.
    fn is_taken_in_steps(steps: i64, window: TotpWindow) {
        for step in [2, 1_000, 60_000_000] {
            let code = rfc_secret().code_at(step * 30);
            for now in (step - 2) * 30..(step + 4) * 30 {
                let is_taken = (step * 30..(step + steps) * 30).contains(&now);
                let expected = is_taken.then_some(TotpStep::from_number(step));
                let matched = rfc_secret().matched_step(&code, now, window);
                assert_eq!(matched, expected, "{now}");
            }
        }
    }

    #[test]
    fn a_code_is_taken_in_its_own_step_and_the_next_one_only() {
        is_taken_in_steps(2, TotpWindow::default());
    }

    #[test]
    fn a_window_of_the_current_step_takes_a_code_for_thirty_seconds_only() {
        is_taken_in_steps(1, TotpWindow::Current);
    }

    #[test]
    fn the_first_steps_of_1970_work_as_the_others() {
        let first = rfc_secret().code_at(0);
        for now in 0..60 {
            assert_eq!(matched(&first, now), Some(TotpStep::at(0)));
        }
        assert_eq!(matched(&first, 60), None);
        let second = rfc_secret().code_at(30);
        assert_eq!(matched(&second, 29), None);
        assert_eq!(matched(&second, 30), Some(TotpStep::at(30)));
    }

    /// The first two steps in a row that share a code under this secret.
    #[test]
    fn of_two_steps_with_one_code_the_current_one_is_matched() {
        let (earlier, later) = (910_737, 910_738);
        let code = rfc_secret().code_at(earlier * 30);
        assert_eq!(code.expose(), "911617");
        assert_eq!(rfc_secret().code_at(later * 30).expose(), "911617");

        let matched = |step: i64| matched(&code, step * 30);
        assert_eq!(matched(earlier), Some(TotpStep::from_number(earlier)));
        assert_eq!(matched(later), Some(TotpStep::from_number(later)));
        assert_eq!(matched(later + 1), Some(TotpStep::from_number(later)));
        assert_eq!(matched(later + 2), None);
    }

    #[test]
    fn a_clock_before_1970_matches_nothing() {
        for now in [-1, -29, -30, -31, -1_800_000_000, i64::MIN + 1, i64::MIN] {
            let code = rfc_secret().code_at(now);
            assert_eq!(code.expose(), "755224", "{now}");
            assert_eq!(matched(&code, now), None, "{now}");
        }
    }

    #[test]
    fn clocks_of_the_far_future_work() {
        let (in_2038, in_2106) = (i64::from(i32::MAX), i64::from(u32::MAX));
        for now in [
            in_2038,
            in_2038 + 1,
            in_2106,
            in_2106 + 1,
            i64::MAX - 1,
            i64::MAX,
        ] {
            let code = rfc_secret().code_at(now);
            let matched = matched(&code, now);
            assert_eq!(matched, Some(TotpStep::at(now)), "{now}");
        }
    }

    #[test]
    fn ten_thousand_secrets_give_the_codes_of_another_implementation() {
        for number in 0..10_000 {
            let secret = TotpSecret::generate();
            let text = secret.to_base32();
            let other = totp_rs::Builder::new()
                .with_secret(totp_rs::Secret::try_from_base32(text.expose()).unwrap())
                .build()
                .unwrap();
            // 2001 to 2033, every second of a step.
            let at = 1_000_000_000 + number * 100_003;
            assert_eq!(
                secret.code_at(at).expose(),
                other.generate(at.cast_unsigned()).to_string(),
                "at {at}"
            );
        }
    }

    #[test]
    fn the_code_of_another_secret_is_not_taken() {
        let code = rfc_secret().code_at(1_800_000_000);
        let other = TotpSecret(Zeroizing::new(b"12345678901234567891".to_vec()));
        assert_eq!(
            other.matched_step(&code, 1_800_000_000, TotpWindow::default()),
            None
        );
    }

    #[test]
    fn generated_secrets_have_160_bits_and_differ() {
        let texts: HashSet<_> = (0..10_000)
            .map(|_| TotpSecret::generate().to_base32().expose().to_owned())
            .collect();
        assert_eq!(texts.len(), 10_000);
        for text in texts {
            assert_eq!(text.len(), 32);
            let read = TotpSecret::from_base32(&text).unwrap();
            assert_eq!(read.0.len(), 20);
            assert_eq!(read.to_base32().expose(), text);
        }
    }

    /// RFC 4648, section 10, as far as those vectors are long enough: repeated.
    #[test]
    fn base32_is_that_of_rfc_4648() {
        let secret = TotpSecret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        assert_eq!(*secret.0, RFC_SECRET);
        let foobar = TotpSecret::from_base32(&"MZXW6YTB".repeat(4)).unwrap();
        assert_eq!(*foobar.0, b"fooba".repeat(4));
    }

    #[test]
    fn spellings_of_other_systems_are_read() {
        let expected = rfc_secret().to_base32();
        for text in [
            "gezdgnbvgy3tqojqgezdgnbvgy3tqojq",
            "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ",
            "gezd-gnbv-gy3t-qojq-gezd-gnbv-gy3t-qojq",
            " GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ ",
        ] {
            let secret = TotpSecret::from_base32(text).unwrap();
            assert_eq!(secret.to_base32().expose(), expected.expose(), "{text}");
        }
    }

    #[test]
    fn padding_is_read_where_it_belongs() {
        for (length, padding) in [(16, 6), (17, 4), (18, 3), (19, 1), (20, 0)] {
            let secret = TotpSecret(Zeroizing::new(vec![0xa5; length]));
            let text = secret.to_base32();
            for count in 0..=8 {
                let padded = format!("{}{}", text.expose(), "=".repeat(count));
                let is_read = count == 0 || count == padding;
                let read = TotpSecret::from_base32(&padded);
                assert_eq!(read.is_ok(), is_read, "{padded}");
            }
        }
    }

    #[test]
    fn secrets_have_16_to_64_bytes() {
        for length in 0..=80 {
            let text = BASE32_NOPAD.encode(&vec![0xa5; length]);
            let is_read = TotpSecret::from_base32(&text).is_ok();
            assert_eq!(is_read, (16..=64).contains(&length), "{length} bytes");
        }
    }

    #[test]
    fn other_text_is_no_secret() {
        let good = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let refused = [
            String::new(),
            " ".repeat(32),
            "=".repeat(32),
            // No number of bytes has these numbers of digits.
            good[5..].to_owned(),
            good[2..].to_owned(),
            format!("{}==", &good[2..]),
            format!("={}", &good[1..]),
            format!("{}=A", &good[2..]),
            good.replace('Q', "0"),
            good.replace('Q', "1"),
            good.replace('Q', "8"),
            good.replace('Q', "\u{ff31}"),
            good.replace('G', "\u{e9}"),
            format!("{good}\n"),
            format!("{good}\u{a0}"),
            format!("{good}%3D"),
            // The last digit has two bits too many, which must be 0.
            format!("{}B", "A".repeat(25)),
        ];
        for text in refused {
            let error = TotpSecret::from_base32(&text).unwrap_err();
            assert_eq!(error, MalformedTotpSecret, "{text:?}");
        }
        assert!(TotpSecret::from_base32(&"A".repeat(26)).is_ok());
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", rfc_secret()), "TotpSecret(..)");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes in proptest::collection::vec(any::<u8>(), 16..=64)) {
            let secret = TotpSecret(Zeroizing::new(bytes.clone()));
            let read = TotpSecret::from_base32(secret.to_base32().expose()).unwrap();
            prop_assert_eq!(&*read.0, &bytes);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,120}|[A-Za-z2-7= -]{0,120}") {
            let _ = TotpSecret::from_base32(&text);
        }

        #[test]
        fn no_clock_makes_it_panic(now: i64, number in 0..1_000_000) {
            let code = TotpCode::parse(&format!("{number:06}")).unwrap();
            let step = matched(&code, now);
            prop_assert!(step.is_none_or(|step| step <= TotpStep::at(now)));

            let shown = rfc_secret().code_at(now);
            let matched = matched(&shown, now);
            prop_assert_eq!(matched, (now >= 0).then_some(TotpStep::at(now)));
        }
    }
}
