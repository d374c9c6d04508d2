use ring::rand::{SecureRandom, SystemRandom};

/// Bytes from the operating system's generator, fit for keys.
///
/// Everything random in the workspace comes from here, so there is one place to audit. Wrap the
/// result in [`zeroize::Zeroizing`] when it is a secret.
///
/// # Panics
///
/// If the operating system has no randomness to give. Nothing secret can be made then, and a
/// server that goes on would make guessable keys.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "a server without randomness must stop, not return an error that is ignored"
)]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one home of randomness"
)]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system provides randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(random_bytes::<32>(), random_bytes::<32>());
    }
}
