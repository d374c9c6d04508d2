//! Bytes as numbered lines to be typed from paper. Each line has a checksum over its number and its
//! bytes, so that a typing error is known by its line, and lines cannot change places.

use zeroize::Zeroizing;

use crate::base32;

/// The lines of `bytes`, from number 1.
pub(crate) fn print(bytes: &[u8], text: &mut String) {
    for (number, bytes) in (1..).zip(bytes.chunks(BYTES)) {
        print_line(number, bytes, text);
    }
}

/// Room for the lines of so many bytes.
pub(crate) fn printed_length(bytes: usize) -> usize {
    bytes.div_ceil(BYTES) * LONGEST
}

/// How many lines so many bytes have.
pub(crate) fn lines(bytes: usize) -> usize {
    bytes.div_ceil(BYTES)
}

fn print_line(number: u16, bytes: &[u8], text: &mut String) {
    // All room at once: a string that grows leaves its old characters behind.
    let mut data = Zeroizing::new(String::with_capacity(base32::encoded_length(BYTES)));
    base32::encode(bytes, &mut data);
    let mut check = Zeroizing::new(String::with_capacity(CHECK));
    base32::encode(&checksum(number, bytes).to_be_bytes(), &mut check);

    if number < 10 {
        text.push(' ');
    }
    text.push_str(&number.to_string());
    text.push(':');
    push_groups(&data, text);
    text.push(' ');
    push_groups(&check, text);
    text.push('\n');
}

fn push_groups(characters: &str, text: &mut String) {
    for (position, character) in characters.chars().enumerate() {
        if position % GROUP == 0 {
            text.push(' ');
        }
        text.push(character);
    }
}

/// A line as it was typed.
pub(crate) struct Typed {
    pub(crate) number: u16,
    /// Its bytes; `None` where they do not fit the checksum.
    pub(crate) bytes: Option<Zeroizing<Vec<u8>>>,
}

/// Reads a line; `None` for one that does not begin with a number and a colon, and so is none of
/// ours.
pub(crate) fn read(line: &str) -> Option<Typed> {
    let (number, rest) = line.split_once(':')?;
    let number = number.trim();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = number.parse().ok()?;
    Some(Typed {
        number,
        bytes: read_bytes(number, rest),
    })
}

fn read_bytes(number: u16, typed: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut characters = Zeroizing::new(Vec::with_capacity(typed.len()));
    let typed = typed.chars();
    characters.extend(typed.filter(|character| !character.is_whitespace() && *character != '-'));
    let data = characters.len().checked_sub(CHECK)?;
    let (data, check) = characters.split_at_checked(data)?;
    let bytes = base32::decode(data)?;
    let check = base32::decode(check)?;
    let fits = *check == checksum(number, &bytes).to_be_bytes();
    (fits && !bytes.is_empty() && bytes.len() <= BYTES).then_some(bytes)
}

/// CRC-32 notices every change of one character, and of two that are neighbours.
fn checksum(number: u16, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_be_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// 32 characters: eight groups of four.
const BYTES: usize = 20;
const GROUP: usize = 4;
/// The characters of 32 bits.
const CHECK: usize = 7;
/// With a number of five digits, blanks and the end of the line.
const LONGEST: usize = 5 + 1 + 40 + 1 + 9 + 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(number: u16, bytes: &[u8]) -> String {
        let mut text = String::new();
        print_line(number, bytes, &mut text);
        text
    }

    fn read_back(line: &str) -> Option<Vec<u8>> {
        read(line)?.bytes.map(|bytes| bytes.to_vec())
    }

    const TWENTY: &[u8; 20] = b"twenty bytes of text";

    #[test]
    fn a_line_is_in_groups_of_four_behind_its_number() {
        // Computed in Python from the definition in docs/recovery-kit.md.
        assert_eq!(
            printed(7, TWENTY),
            " 7: EHVP AVKM F4G6 4YBM CNSJ 0VV6 41T6 AY3M  2E0C 3T8\n"
        );
        let mut text = String::new();
        print(&[0; 45], &mut text);
        let numbers: Vec<_> = text.lines().map(|line| &line[..3]).collect();
        assert_eq!(numbers, [" 1:", " 2:", " 3:"]);
        assert_eq!(lines(45), 3);
    }

    #[test]
    fn blanks_hyphens_and_small_letters_make_no_difference() {
        let line = printed(7, TWENTY);
        let crowded: String = line.to_lowercase().split_whitespace().collect();
        let hyphens = line.trim().replace(": ", ":").replace(' ', "-");
        for typed in [crowded, hyphens, format!("\t{}\r\n", line.trim())] {
            assert_eq!(read_back(&typed).as_deref(), Some(&TWENTY[..]), "{typed}");
        }
    }

    #[test]
    fn every_wrong_character_is_noticed() {
        let line = printed(7, TWENTY);
        for (position, right) in line.char_indices().skip(4) {
            if right.is_whitespace() {
                continue;
            }
            for wrong in "0123456789ABCDEFGHJKMNPQRSTVWXYZU!".chars() {
                let mut typed = line.clone();
                typed.replace_range(position..=position, &wrong.to_string());
                assert_eq!(read_back(&typed).is_some(), wrong == right, "{typed}");
            }
        }
    }

    #[test]
    fn neighbours_that_change_places_are_noticed() {
        let line = printed(7, TWENTY);
        let (number, rest) = line.split_once(':').unwrap();
        let characters: Vec<char> = rest.chars().filter(|c| !c.is_whitespace()).collect();
        for first in 0..characters.len() - 1 {
            let mut typed = characters.clone();
            typed.swap(first, first + 1);
            let differs = typed != characters;
            let typed = format!("{number}:{}", typed.iter().collect::<String>());
            assert_eq!(read_back(&typed).is_none(), differs, "{typed}");
        }
    }

    #[test]
    fn a_missing_or_doubled_character_is_noticed() {
        let line = printed(7, TWENTY);
        for (position, character) in line.char_indices().skip(4) {
            if character.is_whitespace() {
                continue;
            }
            let mut shorter = line.clone();
            shorter.remove(position);
            assert_eq!(read_back(&shorter), None, "{shorter}");
            let mut longer = line.clone();
            longer.insert(position, character);
            assert_eq!(read_back(&longer), None, "{longer}");
        }
    }

    #[test]
    fn a_line_under_another_number_is_noticed() {
        let line = printed(7, TWENTY).replace('7', "8");
        assert_eq!(read(&line).unwrap().number, 8);
        assert_eq!(read_back(&line), None);
    }

    #[test]
    fn other_lines_are_none_of_ours() {
        for line in [
            "",
            "made 2027-01-15T08:00:00Z",
            "x1: AB",
            ": AB",
            "99999: AB",
            "+1: A",
        ] {
            assert!(read(line).is_none(), "{line}");
        }
        for line in ["1:", "1: 2E0C 3T8"] {
            assert!(read(line).unwrap().bytes.is_none(), "{line}");
        }
    }

    #[test]
    fn there_is_room_for_what_is_printed() {
        for length in [1, 19, 20, 21, 400, 1_000] {
            let bytes = vec![0xff; length];
            let mut text = String::with_capacity(printed_length(length));
            let room = text.capacity();
            print(&bytes, &mut text);
            assert_eq!(text.capacity(), room);
        }
    }

    proptest! {
        #[test]
        fn lines_read_back(number in 1..=3_000_u16, bytes in prop::collection::vec(any::<u8>(), 1..=20)) {
            let line = printed(number, &bytes);
            prop_assert_eq!(read(&line).map(|typed| typed.number), Some(number));
            prop_assert_eq!(read_back(&line), Some(bytes));
        }
    }
}
