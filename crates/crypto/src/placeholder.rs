use zeroize::Zeroizing;

/// Whether a secret looks like what stands in a manual until somebody puts a real one there.
pub(crate) fn looks_like_one(secret: &str) -> bool {
    has_few_characters(secret) || {
        let lower = Zeroizing::new(secret.to_ascii_lowercase());
        PLACEHOLDERS
            .iter()
            .any(|placeholder| lower.contains(placeholder))
    }
}

fn has_few_characters(secret: &str) -> bool {
    let mut seen = [false; 256];
    for byte in secret.bytes() {
        if let Some(seen) = seen.get_mut(usize::from(byte)) {
            *seen = true;
        }
    }
    seen.iter().filter(|seen| **seen).count() < MIN_DIFFERENT_BYTES
}

const MIN_DIFFERENT_BYTES: usize = 6;

/// What manuals, templates and frameworks put where a secret should be, in lower case.
const PLACEHOLDERS: [&str; 14] = [
    "change-me",
    "change_me",
    "changeme",
    "changethis",
    "change-this",
    "replace-me",
    "replace_me",
    "replaceme",
    "insecure",
    "placeholder",
    "example",
    "password",
    "secret",
    "1234567890",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_wherever_they_stand() {
        let refused = [
            "change-me-in-production",
            "CHANGE-ME-in-production-0123456789",
            "django-insecure-9f8a7b6c5d4e3f2a1b0c",
            "x9f8a7b6c5d4e3f2a-My-SECRET-key-1b0c",
            "12345678901234567890123456789012",
        ];
        for secret in refused {
            assert!(looks_like_one(secret), "{secret}");
        }
    }

    #[test]
    fn repetition_is_found() {
        for secret in [
            "",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdeabcdeabcdeabcdeabcdeabcdeabcde",
        ] {
            assert!(looks_like_one(secret), "{secret}");
        }
    }

    #[test]
    fn six_different_characters_are_enough() {
        assert!(has_few_characters("abcdeabcde"));
        assert!(!has_few_characters("abcdefabcdef"));
    }

    #[test]
    fn random_secrets_pass() {
        // `openssl rand -hex 32`, `openssl rand -base64 32`, a long sentence.
        let accepted = [
            "8f14e45fceea167a5a36dedd4bea2543b1d2c3f4a5968778695a4b3c2d1e0f10",
            "mX0pV1q5r8tW2yB4eH7kN0qS3vY6bD9gJ1mP4sU7xA0=",
            "correct horse battery staple, twice over",
        ];
        for secret in accepted {
            assert!(!looks_like_one(secret), "{secret}");
        }
    }
}
