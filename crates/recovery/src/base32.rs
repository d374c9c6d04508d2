//! Base32 for paper, with Crockford's alphabet (<https://www.crockford.com/base32.html>): no I, L, O
//! or U, so that nothing in it looks like a 1, a 0 or a V.

use zeroize::Zeroizing;

/// How many characters `bytes` take.
pub(crate) fn encoded_length(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

/// Appends the characters of `bytes` to `text`, the last one filled up with zero bits.
pub(crate) fn encode(bytes: &[u8], text: &mut String) {
    let (mut buffer, mut bits) = (0_u16, 0);
    for byte in bytes {
        buffer = buffer << 8 | u16::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(symbol(buffer >> bits));
        }
    }
    if bits > 0 {
        text.push(symbol(buffer << (5 - bits)));
    }
}

/// Reads characters back, in either case, O as 0, I and L as 1.
///
/// `None` for any other character, and for a length or last character that [`encode`] never makes.
pub(crate) fn decode(characters: &[char]) -> Option<Zeroizing<Vec<u8>>> {
    let length = characters.len() * 5 / 8;
    if encoded_length(length) != characters.len() {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    let (mut buffer, mut bits) = (0_u16, 0);
    for character in characters {
        buffer = buffer << 5 | value(*character)?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(byte_above(buffer, bits));
            buffer &= (1 << bits) - 1;
        }
    }
    (buffer == 0).then_some(bytes)
}

/// The eight bits above the lowest `bits`.
fn byte_above(buffer: u16, bits: u16) -> u8 {
    let [_, low] = (buffer >> bits).to_be_bytes();
    low
}

fn symbol(value: u16) -> char {
    let index = usize::from(value & 31);
    char::from(ALPHABET.get(index).copied().unwrap_or(b'?'))
}

fn value(character: char) -> Option<u16> {
    let character = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let index = ALPHABET
        .iter()
        .position(|symbol| char::from(*symbol) == character)?;
    u16::try_from(index).ok()
}

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut text = String::new();
        encode(bytes, &mut text);
        text
    }

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let characters: Vec<_> = text.chars().collect();
        decode(&characters).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn texts_are_those_of_another_implementation() {
        // Computed in Python by translating the digits of base64.b32encode.
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "CR"),
            (b"fo", "CSQG"),
            (b"foo", "CSQPY"),
            (b"foob", "CSQPYRG"),
            (b"fooba", "CSQPYRK1"),
            (b"foobar", "CSQPYRK1E8"),
        ] {
            assert_eq!(encoded(bytes), text);
            assert_eq!(encoded_length(bytes.len()), text.len());
            assert_eq!(decoded(text).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn look_alikes_and_small_letters_are_read() {
        assert_eq!(decoded("csqpyrk1e8").as_deref(), Some(&b"foobar"[..]));
        assert_eq!(decoded("CSQPYRKIE8"), decoded("CSQPYRK1E8"));
        assert_eq!(decoded("CSQPYRKle8"), decoded("CSQPYRK1E8"));
        assert_eq!(decoded("O0oO"), decoded("0000"));
    }

    #[test]
    fn what_is_never_written_is_not_read() {
        // Another character, impossible lengths, bits that no byte holds.
        for text in ["U0", "C!", "\u{c9}R", "C", "CSQ", "CSQPYR", "CS", "CSQPZ1"] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_read_back(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(decoded(&encoded(&bytes)), Some(bytes));
        }
    }
}
