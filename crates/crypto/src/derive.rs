use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use zeroize::Zeroizing;

/// HKDF-Extract (RFC 5869, section 2.2) with an empty salt: the keys are random already.
pub(crate) fn extract(key: &[u8]) -> Prk {
    extract_salted(&[], key)
}

/// HKDF-Expand (RFC 5869, section 2.3) of `info`, given in pieces.
#[expect(clippy::expect_used, reason = "expanding fails above 8,160 bytes only")]
pub(crate) fn expand<const N: usize>(prk: &Prk, info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32, "HKDF-SHA256 gives at most 255 blocks") };
    let mut derived = Zeroizing::new([0; N]);
    prk.expand(info, Length::<N>)
        .and_then(|okm| okm.fill(&mut *derived))
        .expect("the length was checked when this was compiled");
    derived
}

fn extract_salted(salt: &[u8], key: &[u8]) -> Prk {
    Salt::new(HKDF_SHA256, salt).extract(key)
}

struct Length<const N: usize>;

impl<const N: usize> KeyType for Length<N> {
    fn len(&self) -> usize {
        N
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// RFC 5869, appendix A.1.
    #[test]
    fn rfc_5869_test_case_1_holds() {
        let prk = extract_salted(&ascending(0x00, 13), &[0x0b; 22]);
        assert_eq!(
            hex(&*expand::<42>(&prk, &[&ascending(0xf0, 10)])),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf\
             34007208d5b887185865"
        );
    }

    /// RFC 5869, appendix A.2.
    #[test]
    fn rfc_5869_test_case_2_holds() {
        let prk = extract_salted(&ascending(0x60, 80), &ascending(0x00, 80));
        assert_eq!(
            hex(&*expand::<82>(&prk, &[&ascending(0xb0, 80)])),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c\
             59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71\
             cc30c58179ec3e87c14c01d5c1f3434f1d87"
        );
    }

    /// RFC 5869, appendix A.3: neither salt nor info, as [`extract`] does it.
    #[test]
    fn rfc_5869_test_case_3_holds() {
        let prk = extract(&[0x0b; 22]);
        assert_eq!(
            hex(&*expand::<42>(&prk, &[])),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d\
             9d201395faa4b61a96c8"
        );
    }

    #[test]
    fn info_in_pieces_is_info_in_one_piece() {
        let prk = extract(b"key");
        assert_eq!(
            expand::<32>(&prk, &[b"keyward", b"/kid"]),
            expand::<32>(&prk, &[b"keyward/kid"])
        );
    }

    #[test]
    fn a_shorter_key_is_the_start_of_a_longer_one() {
        let prk = extract(b"key");
        assert_eq!(expand::<8>(&prk, &[])[..], expand::<32>(&prk, &[])[..8]);
    }

    fn ascending(first: u8, count: u8) -> Vec<u8> {
        (0..count).map(|step| first.wrapping_add(step)).collect()
    }

    fn hex(bytes: &[u8]) -> String {
        HEXLOWER.encode(bytes)
    }
}
