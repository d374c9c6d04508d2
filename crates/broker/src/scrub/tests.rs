use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use proptest::prelude::*;

use super::{Needles, Scrub};

fn needles(values: &[&str]) -> Arc<Needles> {
    Arc::new(Needles::new(values.iter().copied()))
}

/// The text after scrubbing, cut before each of `cuts`.
fn scrubbed(needles: &Arc<Needles>, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut scrub = Scrub::new(Arc::clone(needles));
    let mut passed = Vec::new();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([text.len()]) {
        let chunk = Bytes::copy_from_slice(&text[from..cut]);
        passed.extend(scrub.push(chunk));
        from = cut;
    }
    passed.extend(scrub.finish());
    passed.concat()
}

fn bytewise(text: &[u8]) -> Vec<usize> {
    (1..text.len().max(1)).collect()
}

fn masked(text: &str, part: &str) -> String {
    text.replace(part, &"*".repeat(part.len()))
}

#[test]
fn a_secret_is_found_in_every_form_and_across_every_border() {
    let secret = "sk-\"Ab/c\\d%25+9\u{e9}\u{1f511}z";
    let needles = needles(&[secret]);
    let json = serde_json::to_string(secret).unwrap();
    let percent = |lower: bool| {
        secret.bytes().fold(String::new(), |mut text, byte| {
            let _ = if lower {
                write!(text, "%{byte:02x}")
            } else {
                write!(text, "%{byte:02X}")
            };
            text
        })
    };
    let unicode = secret.encode_utf16().fold(String::new(), |mut text, unit| {
        let _ = write!(text, "\\u{unit:04X}");
        text
    });
    let forms = [
        secret.to_owned(),
        json[1..json.len() - 1].to_owned(),
        json[1..json.len() - 1].replace('/', "\\/"),
        percent(true),
        percent(false),
        unicode.clone(),
        unicode.to_lowercase().replace("\\U", "\\u"),
        HEXLOWER.encode(secret.as_bytes()),
        HEXUPPER.encode(secret.as_bytes()),
    ];
    for form in forms {
        let text = format!("{{\"error\": \"no such key {form}\", s\\u0073k-sk}}");
        let expected = masked(&text, &form);
        for cuts in [vec![], bytewise(text.as_bytes())] {
            let clean = scrubbed(&needles, text.as_bytes(), &cuts);
            assert_eq!(String::from_utf8_lossy(&clean), expected, "{form}");
        }
        for cut in 0..=text.len() {
            let clean = scrubbed(&needles, text.as_bytes(), &[cut]);
            assert_eq!(
                String::from_utf8_lossy(&clean),
                expected,
                "{form} cut at {cut}"
            );
        }
    }
}

#[test]
fn a_secret_is_found_in_the_base64_of_a_longer_text() {
    let secret = "0123456789abcdefGHIJ";
    let needles = needles(&[secret]);
    for before in ["", "u", "us", "usr", "user:"] {
        for behind in ["", "x", "xy", "xyz"] {
            let text = format!("{before}{secret}{behind}");
            for encoded in [
                BASE64.encode(text.as_bytes()),
                BASE64URL.encode(text.as_bytes()),
            ] {
                let clean = scrubbed(&needles, encoded.as_bytes(), &bytewise(encoded.as_bytes()));
                assert_eq!(clean.len(), encoded.len());
                let clean = String::from_utf8(clean).unwrap();
                // What depends on the neighbours, and they themselves.
                let left = clean.chars().filter(|character| *character != '*').count();
                let allowed = 2 * (before.len() + behind.len()) + 4;
                assert!(left <= allowed, "{encoded}: {clean}");
            }
        }
    }
}

#[test]
fn a_short_value_is_left_alone() {
    let needles = needles(&["1234567", ""]);
    let text = b"1234567 1234567";
    assert_eq!(scrubbed(&needles, text, &[]), text);
}

#[test]
fn of_two_secrets_with_one_beginning_the_longer_is_taken_out() {
    let needles = needles(&["abcdefgh", "abcdefghijkl"]);
    let text = b"abcdefghijkl abcdefgh abcdefghij";
    let expected = b"************ ******** ********ij";
    assert_eq!(scrubbed(&needles, text, &bytewise(text)), expected);
    assert_eq!(scrubbed(&needles, text, &[]), expected);
}

#[test]
fn a_chunk_that_ends_in_no_beginning_is_passed_on_whole_and_uncopied() {
    let needles = needles(&["sk-0123456789"]);
    let mut scrub = Scrub::new(needles);
    let chunk = Bytes::from_static(b"data: {\"delta\": \"task\"}\n\n");
    let passed = scrub.push(chunk.clone());
    assert_eq!(passed.len(), 1);
    assert_eq!(passed[0].as_ptr(), chunk.as_ptr());
    assert_eq!(passed[0], chunk);
    assert!(scrub.finish().is_empty());
    assert_eq!(scrub.found(), 0);
}

#[test]
fn what_is_held_back_comes_with_the_next_chunk_or_at_the_end() {
    let needles = needles(&["sk-0123456789"]);
    let mut scrub = Scrub::new(needles);
    assert_eq!(scrub.push(Bytes::from_static(b"a sk-01")).concat(), b"a ");
    assert_eq!(scrub.push(Bytes::from_static(b"x sk")).concat(), b"sk-01x ");
    assert_eq!(scrub.finish().concat(), b"sk");
}

#[test]
fn values_of_header_fields_are_scrubbed_whole() {
    let needles = needles(&["sk-0123456789"]);
    assert_eq!(
        &*needles.scrub_value(b"Bearer sk-0123456789; x"),
        b"Bearer *************; x"
    );
    assert_eq!(&*needles.scrub_value(b"sk-0123"), b"sk-0123");
}

#[test]
fn a_secret_of_many_readings_takes_no_long_time() {
    let secret = "%25".repeat(2_000);
    let needles = needles(&[&secret]);
    let text = "%25".repeat(5_000);
    assert_eq!(scrubbed(&needles, text.as_bytes(), &[]).len(), text.len());
}

/// How a value is written into a text.
#[derive(Clone, Copy, Debug)]
enum Form {
    Mixed,
    Base64(usize, bool),
    Hex(bool),
}

fn written(value: &str, form: Form, choices: &[u8]) -> (String, bool) {
    match form {
        Form::Mixed => (mixed(value, choices), true),
        Form::Hex(true) => (HEXUPPER.encode(value.as_bytes()), true),
        Form::Hex(false) => (HEXLOWER.encode(value.as_bytes()), true),
        Form::Base64(before, url) => {
            let mut bytes = b"zzz"[..before].to_vec();
            bytes.extend_from_slice(value.as_bytes());
            let alphabet = if url { &BASE64URL } else { &BASE64 };
            (alphabet.encode(&bytes), false)
        }
    }
}

fn mixed(value: &str, choices: &[u8]) -> String {
    let mut text = String::new();
    for (character, choice) in value.chars().zip(choices.iter().cycle()) {
        let mut units = [0; 2];
        let mut bytes = [0; 4];
        match choice % 5 {
            0 => {
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(text, "%{byte:02x}");
                }
            }
            1 => {
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(text, "\\u{unit:04X}");
                }
            }
            2 if matches!(character, '"' | '\\' | '/') => {
                text.push('\\');
                text.push(character);
            }
            _ => text.push(character),
        }
    }
    text
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![
        3 => Just(Form::Mixed),
        1 => (0_usize..3, any::<bool>()).prop_map(|(before, url)| Form::Base64(before, url)),
        1 => any::<bool>().prop_map(Form::Hex),
    ]
}

/// Whether no part of the written value is left that says it: nothing in full, and of base64 not
/// more than what depends on its neighbours.
fn is_clean(clean: &[u8], at: usize, written: &str, is_whole: bool) -> bool {
    let part = &clean[at..at + written.len()];
    let left = part
        .iter()
        .filter(|byte| **byte != b'*')
        .collect::<Vec<_>>();
    let slack = if is_whole { 0 } else { 9 };
    left.len() <= slack
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_secret_is_missed_however_it_is_written_and_cut(
        value in "[ -~\u{e9}\u{4e2d}\u{1f511}]{8,40}",
        noise in ("[ -~]{0,60}", "[ -~]{0,60}"),
        form in form(),
        choices in proptest::collection::vec(any::<u8>(), 1..40),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        bytewise_too in any::<bool>(),
    ) {
        let (written, is_whole) = written(&value, form, &choices);
        // A blank keeps noise from being read as a part of the value.
        let text = format!("{}\u{1}{written}\u{1}{}", noise.0, noise.1);
        let at = noise.0.len() + 1;
        let needles = needles(&[&value]);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        if bytewise_too {
            cuts = bytewise(text.as_bytes());
        }
        let clean = scrubbed(&needles, text.as_bytes(), &cuts);
        prop_assert_eq!(clean.len(), text.len());
        prop_assert!(is_clean(&clean, at, &written, is_whole), "{}", String::from_utf8_lossy(&clean));
        prop_assert_eq!(&clean, &scrubbed(&needles, text.as_bytes(), &[]));
        if !noise.0.contains(&value) && !noise.1.contains(&value) {
            prop_assert!(clean.starts_with(noise.0.as_bytes()) && clean.ends_with(noise.1.as_bytes()));
        }
    }

    #[test]
    fn what_has_no_secret_is_left_as_it_is(
        text in proptest::collection::vec(any::<u8>(), 0..400),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let needles = needles(&["not in there, ever: 0123456789"]);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(scrubbed(&needles, &text, &cuts), text);
    }
}

/// The control of the checks above: a scrubber that looks at each chunk alone misses a secret that
/// lies across a border, and they notice.
#[test]
fn a_scrubber_that_forgets_its_tail_is_found() {
    let needles = needles(&["sk-0123456789"]);
    let text = b"x sk-0123456789 x";
    let forgetful = |cut: usize| {
        let (first, second) = text.split_at(cut);
        let alone = |part: &[u8]| scrubbed(&needles, part, &[]);
        [alone(first), alone(second)].concat()
    };
    assert!(is_clean(&forgetful(2), 2, "sk-0123456789", true));
    assert!(!is_clean(&forgetful(9), 2, "sk-0123456789", true));
}
