use zeroize::Zeroizing;

use crate::random::random_bytes;

/// Appends `count` random characters, each of the 62 as likely as any other.
pub(crate) fn push_random(text: &mut String, count: usize) {
    let mut missing = count;
    while missing > 0 {
        let bytes = Zeroizing::new(random_bytes::<64>());
        // 256 is no multiple of 62: without the limit the first eight would come up more often.
        let unbiased = bytes.iter().filter(|byte| **byte < UNBIASED).take(missing);
        for byte in unbiased {
            text.push(digit(u32::from(*byte)));
            missing -= 1;
        }
    }
}

/// `number` as six characters, most significant first.
pub(crate) fn digits(number: u32) -> [char; 6] {
    [5, 4, 3, 2, 1, 0].map(|power| digit(number / BASE.pow(power)))
}

/// The last `count` digits of `number`, most significant first.
pub(crate) fn last_digits(number: u128, count: usize) -> String {
    let mut rest = number;
    let mut digits: Vec<char> = (0..count)
        .map(|_| {
            // The remainder is far below the limit of the smaller type.
            let last = u32::try_from(rest % u128::from(BASE)).unwrap_or(0);
            rest /= u128::from(BASE);
            digit(last)
        })
        .collect();
    digits.reverse();
    digits.into_iter().collect()
}

/// Whether there are such characters only.
pub(crate) fn is_base62(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The character for `number` modulo 62.
#[expect(clippy::indexing_slicing, reason = "the remainder is below the length")]
fn digit(number: u32) -> char {
    char::from(ALPHABET[(number % BASE) as usize])
}

const ALPHABET: &[u8; BASE as usize] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE: u32 = 62;

/// The largest multiple of 62 in a byte.
const UNBIASED: u8 = 248;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_six_digits_most_significant_first() {
        let text = |number| digits(number).iter().collect::<String>();
        assert_eq!(text(0), "000000");
        assert_eq!(text(61), "00000z");
        assert_eq!(text(62), "000010");
        assert_eq!(text(62 * 36 + 10), "0000aA");
        assert_eq!(text(u32::MAX), "4gfFC3");
    }

    #[test]
    fn the_last_digits_of_a_number_are_those_that_it_ends_with() {
        assert_eq!(last_digits(0, 3), "000");
        assert_eq!(last_digits(61, 2), "0z");
        assert_eq!(last_digits(62 * 62 + 2 * 62 + 11, 3), "12B");
        assert_eq!(last_digits(62 * 62 + 2 * 62 + 11, 2), "2B");
        assert_eq!(last_digits(u128::from(u32::MAX), 6), "4gfFC3");
        assert_eq!(last_digits(u128::MAX, 22), "7n42DGM5Tflk9n8mt7Fhc7");
    }

    #[test]
    fn as_many_characters_are_added_as_were_asked_for() {
        for count in [0, 1, 16, 64, 65, 1_000] {
            let mut text = "-".to_owned();
            push_random(&mut text, count);
            assert_eq!(text.len(), count + 1);
        }
    }

    #[test]
    fn every_character_comes_up_about_as_often() {
        let mut text = String::new();
        push_random(&mut text, 62_000);

        assert_eq!(text.len(), 62_000);
        assert!(is_base62(&text));
        for character in ALPHABET {
            let count = text.bytes().filter(|byte| byte == character).count();
            // 1,000 are expected, with a standard deviation of 31. With `byte % 62` alone, the
            // first eight characters would come up 1,211 times.
            assert!(
                (800..1190).contains(&count),
                "{} came up {count} times",
                *character as char
            );
        }
    }
}
