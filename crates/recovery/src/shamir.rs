//! Shamir's secret sharing, byte by byte in GF(256).

use std::convert::Infallible;

use keyward_crypto::random_bytes;
use rand_core::{TryCryptoRng, TryRng};
use vsss_rs::{Gf256, IdentifierGf256};
use zeroize::Zeroizing;

use crate::split::Split;

/// Values of the polynomials of a secret at 1, 2, 3, …; `None` for an empty secret.
pub(crate) fn split(secret: &[u8], split: Split) -> Option<Vec<Zeroizing<Vec<u8>>>> {
    let numbers = (1..=split.shares()).map(|number| IdentifierGf256(Gf256(number)));
    let (threshold, shares) = (split.threshold().into(), split.shares().into());
    let values = Gf256::split_bytes_with_participant_ids_iter(
        threshold,
        shares,
        secret,
        OperatingSystem,
        numbers,
    );
    // The first byte of each is its number.
    let values = values.ok()?.into_iter().map(Zeroizing::new);
    Some(
        values
            .map(|value| Zeroizing::new(value.get(1..).unwrap_or_default().to_vec()))
            .collect(),
    )
}

/// The secret of which these are values, if they are enough; else something else, or `None` where
/// they cannot belong together.
pub(crate) fn combine<'a>(
    values: impl Iterator<Item = (u8, &'a [u8])>,
) -> Option<Zeroizing<Vec<u8>>> {
    let numbered = |(number, value): (u8, &[u8])| {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.push(number);
        bytes.extend_from_slice(value);
        bytes
    };
    let values = Zeroizing::new(values.map(numbered).collect::<Vec<_>>());
    Gf256::combine_bytes(values.as_slice())
        .ok()
        .map(Zeroizing::new)
}

/// The generator from which every key comes, too.
struct OperatingSystem;

impl TryRng for OperatingSystem {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(random_bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(random_bytes()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            [*byte] = random_bytes();
        }
        Ok(())
    }
}

impl TryCryptoRng for OperatingSystem {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn shares_of(secret: &[u8], shares: u8, threshold: u8) -> Vec<Zeroizing<Vec<u8>>> {
        split(secret, Split::new(shares, threshold).unwrap()).unwrap()
    }

    #[test]
    fn the_values_are_those_of_a_known_polynomial() {
        // f(x) = 0x53 + 0xca x in the field of AES (0x53 and 0xca are inverse to each other there),
        // worked out by hand: f(1) = 0x53 ^ 0xca, f(2) = 0x53 ^ xtime(0xca).
        let values: [(u8, &[u8]); 2] = [(1, &[0x99]), (2, &[0x53 ^ 0x8f])];
        assert_eq!(*combine(values.into_iter()).unwrap(), [0x53]);
    }

    #[test]
    fn one_value_less_than_needed_is_any_value_at_all() {
        // Two secrets, one share of each, 9,000 times: both kinds take every value.
        for secret in [0_u8, 0xff] {
            let seen: HashSet<u8> = (0..9_000)
                .map(|_| shares_of(&[secret], 2, 2)[0][0])
                .collect();
            assert_eq!(seen.len(), 256, "{secret}");
        }
        // Of three, two together: the pairs are not tied to each other either.
        let sums: HashSet<u8> = (0..9_000)
            .map(|_| {
                let shares = shares_of(&[7], 3, 3);
                shares[0][0] ^ shares[1][0]
            })
            .collect();
        assert_eq!(sums.len(), 256);
    }

    #[test]
    fn doubled_and_zero_numbers_are_refused() {
        let doubled: [(u8, &[u8]); 2] = [(1, &[1]), (1, &[1])];
        assert!(combine(doubled.into_iter()).is_none());
        let zero: [(u8, &[u8]); 2] = [(0, &[1]), (1, &[1])];
        assert!(combine(zero.into_iter()).is_none());
        assert!(combine(std::iter::empty()).is_none());
    }

    #[test]
    fn the_generator_fills_all_of_a_buffer() {
        let mut bytes = [0; 64];
        OperatingSystem.try_fill_bytes(&mut bytes).unwrap();
        assert!(bytes[48..].iter().any(|byte| *byte != 0));
        let draws: HashSet<_> = (0..9).map(|_| OperatingSystem.try_next_u64()).collect();
        assert_eq!(draws.len(), 9);
    }
}
