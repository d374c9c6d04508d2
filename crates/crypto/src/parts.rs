/// Feeds `parts` to `sink` so that no other list of parts gives the same bytes: each part is its
/// length in four bytes, big-endian, and then its content.
///
/// # Panics
///
/// If a part has 4 GiB or more: a length that does not fit would make two lists look alike.
#[expect(
    clippy::expect_used,
    reason = "ids, names and bodies are far below 4 GiB"
)]
pub(crate) fn encode<'a>(parts: impl IntoIterator<Item = &'a [u8]>, mut sink: impl FnMut(&[u8])) {
    for part in parts {
        let length = u32::try_from(part.len()).expect("a part is below 4 GiB");
        sink(&length.to_be_bytes());
        sink(part);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(parts: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(parts.iter().map(Vec::as_slice), |chunk| {
            bytes.extend_from_slice(chunk);
        });
        bytes
    }

    #[test]
    fn a_length_goes_before_each_part() {
        assert_eq!(encoded(&[b"ab".to_vec(), vec![]]), b"\0\0\0\x02ab\0\0\0\0");
    }

    proptest! {
        #[test]
        fn different_lists_give_different_bytes(
            one: Vec<Vec<u8>>,
            other: Vec<Vec<u8>>,
            split in 0_usize..8,
        ) {
            prop_assert_eq!(one == other, encoded(&one) == encoded(&other));

            // The same content, cut elsewhere.
            let whole = one.concat();
            let (head, tail) = whole.split_at(split.min(whole.len()));
            let cut = vec![head.to_vec(), tail.to_vec()];
            prop_assert_eq!(one == cut, encoded(&one) == encoded(&cut));
        }
    }
}
