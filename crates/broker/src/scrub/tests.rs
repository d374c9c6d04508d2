use data_encoding::HEXLOWER;

use super::*;

const VALUE: &str = "ab\"c/d%25\\\\e-ü🔑+x";

fn needles(value: &str) -> Arc<Needles> {
    Arc::new(Needles::new([value]))
}

fn scrub_in_pieces(needles: &Arc<Needles>, pieces: &[&[u8]]) -> (Vec<u8>, u64) {
    let mut scrub = Scrub::new(Arc::clone(needles));
    let mut out = Vec::new();
    for piece in pieces {
        for passed_on in scrub.push(Bytes::copy_from_slice(piece)) {
            assert!(!passed_on.is_empty());
            out.extend_from_slice(&passed_on);
        }
    }
    out.extend_from_slice(&scrub.finish().unwrap_or_default());
    (out, scrub.replacements())
}

/// Scrubs `secret` between two texts, cut in every place and into single bytes.
fn assert_scrubbed(needles: &Arc<Needles>, secret: &str) {
    // Long enough that the secret is not near the end, where more is looked at.
    let end = "and so on, ".repeat(6);
    let text = format!("{{\"key\":\"{secret}\", 100%, {end}}}");
    let expected = format!("{{\"key\":\"{}\", 100%, {end}}}", "*".repeat(secret.len()));
    let text = text.as_bytes();
    let check = |pieces: &[&[u8]]| {
        let (out, replacements) = scrub_in_pieces(needles, pieces);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{secret}");
        assert_eq!(replacements, 1, "{secret}");
    };
    for cut in 0..=text.len() {
        check(&[&text[..cut], &text[cut..]]);
    }
    check(&text.chunks(1).collect::<Vec<_>>());
    assert_eq!(&*needles.scrub_value(text), expected.as_bytes());
}

#[test]
fn a_value_is_replaced_however_it_is_written() {
    let needles = needles(VALUE);
    for written in [
        VALUE,
        r#"ab\"c\/d%25\\\\e-ü🔑+x"#,
        "ab%22c%2Fd%2525%5C%5ce-%C3%BC%f0%9f%94%91%2bx",
        r"\u0061b\u0022c\u002Fd\u002525\u005C\\e\u002d\u00FC\uD83d\udd11\u002bx",
        r#"%61b\"c%2fd%25\u0032\u0035\\%5ce-ü%F0%9F%94%91+\u0078"#,
        // One byte of a character percent-encoded and the others as they are.
        "ab\"c/d%25\\\\e-ü🔑+%78",
        // Hexadecimal and base64 of all of it, and base64url with its last two escaped.
        "616222632f64253235\
         5c5c652dc3bcf09f94912b78",
        "616222632F642532355C5C652DC3BCF09F94912B78",
        "YWIiYy9kJTI1XFxlLcO88J+UkSt4",
        "YWIiYy9kJTI1XFxlLcO88J-UkS%74\\u0034",
    ] {
        assert_scrubbed(&needles, written);
    }
}

#[test]
fn any_one_character_may_be_escaped() {
    let value = "🔑\"/ü\\%\n\t\r€-0123456789abcdefghij";
    let needles = needles(value);
    for (place, character) in value.char_indices() {
        let (before, after) = (&value[..place], &value[place + character.len_utf8()..]);
        let json = escape_briefly(character);
        let bytes = character.to_string().into_bytes();
        let percent = bytes
            .iter()
            .fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
        let mut units = [0; 2];
        let units = character.encode_utf16(&mut units).iter();
        let unicode = units.fold(String::new(), |text, unit| format!("{text}\\u{unit:04x}"));
        for escaped in [json, percent, unicode] {
            assert_scrubbed(&needles, &format!("{before}{escaped}{after}"));
        }
    }
}

/// As in a JSON string, in the shortest way.
fn escape_briefly(character: char) -> String {
    match character {
        '"' | '/' | '\\' => format!("\\{character}"),
        '\n' | '\t' | '\r' => character.escape_default().to_string(),
        _ => character.to_string(),
    }
}

#[test]
fn a_value_is_found_at_each_place_in_base64() {
    let needles = needles("sk-live-0123456789");
    // What is known of the value in the base64 of "u:", "us:" and "use:" before it and "?" after.
    for (text, expected) in [
        (
            "dTpzay1saXZlLTAxMjM0NTY3ODk/",
            "dTp***********************k/",
        ),
        (
            "dXM6c2stbGl2ZS0wMTIzNDU2Nzg5Pw==",
            "dXM6************************Pw==",
        ),
        (
            "dXNlOnNrLWxpdmUtMDEyMzQ1Njc4OT8=",
            "dXNlOn***********************T8=",
        ),
    ] {
        let scrubbed = needles.scrub_value(text.as_bytes());
        assert_eq!(String::from_utf8_lossy(&scrubbed), expected);
    }
}

#[test]
fn a_chunk_that_ends_in_no_beginning_is_passed_on_whole_and_uncopied() {
    let needles = needles("sk-live-0123456789");
    let mut scrub = Scrub::new(needles);
    for text in [
        "data: {\"text\": \"50%, no\\n sk-live\"}\n\n",
        "s",
        "k-lif",
        "\n",
    ] {
        let chunk = Bytes::from(text);
        let address = chunk.as_ptr();
        let passed_on = scrub.push(chunk);
        match text {
            "s" => assert!(passed_on.is_empty()),
            "k-lif" => assert_eq!(passed_on, ["s", "k-lif"]),
            text => {
                assert_eq!(passed_on, [text]);
                assert_eq!(passed_on[0].as_ptr(), address);
            }
        }
    }
    assert_eq!(scrub.finish(), None);
    assert_eq!(scrub.replacements(), 0);
}

#[test]
fn only_the_beginning_of_a_secret_waits() {
    let mut scrub = Scrub::new(needles("sk-live-0123456789"));
    assert_eq!(scrub.push("a sk sk-live-01234".into()), ["a sk "]);
    assert_eq!(scrub.push("%3".into()), [""; 0]);
    // %35 would go on with the value.
    assert_eq!(scrub.push("6 ".into()), ["sk-live-01234%3", "6 "]);
    assert_eq!(scrub.finish(), None);
}

#[test]
fn a_secret_that_never_ends_is_passed_on_at_the_end() {
    let (out, replacements) = scrub_in_pieces(&needles("sk-live-0123456789"), &[b"x sk-live-012"]);
    assert_eq!((&*out, replacements), (&b"x sk-live-012"[..], 0));
}

#[test]
fn overlapping_values_are_replaced_together_and_separate_ones_are_counted() {
    let needles = Arc::new(Needles::new(["abcdefgh", "efghijkl", "abcdefghijklmnop"]));
    for (text, expected, count) in [
        ("abcdefghijkl!", "************!", 1),
        ("abcdefghijklmno", "************mno", 1),
        ("abcdefghijklmnop.", "****************.", 1),
        ("abcdefghefghijkl abcdefgh", "**************** ********", 3),
        ("abcdefabcdefgh", "abcdef********", 1),
    ] {
        let pieces: Vec<_> = text.as_bytes().chunks(1).collect();
        for pieces in [&pieces[..], &[text.as_bytes()]] {
            let (out, replacements) = scrub_in_pieces(&needles, pieces);
            assert_eq!(String::from_utf8_lossy(&out), expected);
            assert_eq!(replacements, count, "{text}");
        }
    }
}

#[test]
fn short_values_are_not_looked_for() {
    assert!(Needles::new(["1234567", ""]).is_empty());
    assert!(!Needles::new(["1234567", "12345678"]).is_empty());
    assert_eq!(
        &*Needles::new(["1234567"]).scrub_value(b"1234567"),
        b"1234567"
    );
    let (out, _) = scrub_in_pieces(&needles("1234567"), &[b"123", b"4567"]);
    assert_eq!(out, b"1234567");
}

#[test]
fn nothing_is_copied_out_of_a_header_without_a_secret() {
    let needles = needles("sk-live-0123456789");
    assert!(matches!(
        needles.scrub_value(b"application/json"),
        std::borrow::Cow::Borrowed(_)
    ));
}

#[test]
fn debug_shows_no_value() {
    let mut scrub = Scrub::new(needles("sk-live-0123456789"));
    let _ = scrub.push("sk-live-".into());
    let shown = format!("{scrub:?}");
    assert_eq!(
        shown,
        "Scrub { needles: Needles(..), waiting: 8, replacements: 0, .. }"
    );
}

#[test]
fn many_readings_cost_no_more_than_the_length_of_the_value() {
    // Each of the readings differs in which backslashes count for two. All of them: 2^50.
    let value = "\\".repeat(50);
    let text = "\\".repeat(4000);
    let scrubbed = needles(&value).scrub_value(text.as_bytes()).into_owned();
    assert_eq!(scrubbed, vec![b'*'; 4000]);
    let longer = format!("{value}x");
    assert_eq!(
        &*needles(&longer).scrub_value(text.as_bytes()),
        text.as_bytes()
    );
}

#[test]
fn a_long_value_is_found_in_all_of_its_length() {
    for (filler, characters) in [
        ("0123456789abcdef", 64),
        ("0123456789abcdef", 130),
        ("🔑é\"/", 70),
    ] {
        let value: String = filler.chars().cycle().take(characters).collect();
        let needles = needles(&value);
        assert_scrubbed(&needles, &value);
        assert_scrubbed(&needles, &HEXLOWER.encode(value.as_bytes()));
    }
}
