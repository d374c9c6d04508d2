//! The text around the numbered lines: what it is, which keys, what to do. Nothing of it is read
//! back, and none of its lines begins with a number and a colon.

use std::fmt::Write as _;

use keyward_crypto::{KeyId, SecretText};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::kit::RecoveryKit;
use crate::line;
use crate::share::Share;

pub(crate) fn of_kit(kit: &RecoveryKit, frame: &[u8]) -> SecretText {
    let mut head = String::from("KEYWARD RECOVERY KIT\n\n");
    fact(&mut head, "kit", kit.id());
    fact(&mut head, "made", date(kit.made_at()));
    keys(&mut head, kit.field_ids(), kit.secret_ids());
    head += KIT;
    head += TYPING;
    page(&head, frame)
}

pub(crate) fn of_share(share: &Share, frame: &[u8]) -> SecretText {
    let split = share.split();
    let mut head = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        head,
        "KEYWARD RECOVERY KIT, SHARE {} OF {}: ANY {} OF THEM OPEN IT\n",
        share.number(),
        split.shares(),
        split.threshold()
    );
    fact(&mut head, "kit", share.kit());
    fact(&mut head, "split", share.split_id());
    fact(&mut head, "made", date(share.made_at()));
    keys(&mut head, share.field_ids(), share.secret_ids());
    head += SHARE;
    head += TYPING;
    page(&head, frame)
}

fn page(head: &str, frame: &[u8]) -> SecretText {
    // All room at once: a string that grows leaves its old characters behind.
    let room = head.len() + line::printed_length(frame.len());
    let mut text = String::with_capacity(room);
    text.push_str(head);
    line::print(frame, &mut text);
    SecretText::new(text)
}

fn fact(head: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(head, "  {name:<6} {value}");
}

fn keys(head: &mut String, fields: &[KeyId], secrets: &[KeyId]) {
    let fields = fields.iter().map(|kid| ("FIELD_ENCRYPTION_KEY", kid));
    let secrets = secrets.iter().map(|kid| ("SECRET_KEY", kid));
    for (position, (setting, kid)) in fields.chain(secrets).enumerate() {
        let name = if position == 0 { "keys" } else { "" };
        fact(head, name, format_args!("{setting:<20} {kid}"));
    }
}

fn date(unix: u64) -> String {
    let seconds = i64::try_from(unix).ok();
    seconds
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "at an unknown time".to_owned())
}

const KIT: &str = "
The encryption keys of a Keyward installation. Whoever has this page and the
database can read every credential in it and make themselves an administrator.
Without them a backup of the database opens no credential, and nobody can bring
them back.

  Keep this page offline, and apart from the database and its backups.
  Make a new kit when a key is added. Destroy this one when no backup needs its
  keys any more.
  To get the keys back, type the numbered lines into a file, or scan them, and
  run
      keyward backup restore-key FILE
";

const SHARE: &str = "
A share of the encryption keys of a Keyward installation. Alone it says nothing
about them. Enough shares, together with the database, open every credential.

  Keep this page offline, and apart from the other shares and the database.
  Give no two shares to one person or one place.
  To get the keys back, type the numbered lines of as many shares as it takes
  into a file each, or scan them, and run
      keyward backup restore-key FILE FILE...
";

const TYPING: &str = "
Small letters are as good as capitals, O is read as 0, I and L as 1, and blanks
do not matter. The last seven characters of a line check it: a typing error is
found and its line named.

";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::Split;
    use crate::test_keys::{field, kit, kit_of, secret};

    fn pages() -> Vec<SecretText> {
        let kit = kit();
        let mut pages = vec![kit.page()];
        pages.extend(
            kit.split(Split::new(16, 16).unwrap())
                .iter()
                .map(Share::page),
        );
        pages
    }

    #[test]
    fn a_page_is_plain_ascii_and_fits_a_sheet() {
        for page in pages() {
            let page = page.expose();
            assert!(page.is_ascii());
            assert!(page.lines().count() <= 50, "{}", page.lines().count());
            for line in page.lines() {
                assert!(line.len() <= 79, "{line}");
            }
        }
    }

    #[test]
    fn a_kit_of_many_keys_fits_a_sheet_still() {
        let fields: Vec<_> = (0..5).map(|_| field()).collect();
        let kit = kit_of(&fields, &[secret(), secret()]);
        let lines = kit.page().expose().lines().count();
        assert!(lines <= 60, "{lines}");
    }

    #[test]
    fn the_head_says_what_it_is_when_it_was_made_and_which_keys_are_in_it() {
        let kit = kit_of(&[field(), field()], &[secret()]);
        let page = kit.page();
        let head: Vec<_> = page.expose().lines().take(7).collect();
        let expected = [
            "KEYWARD RECOVERY KIT".to_owned(),
            String::new(),
            format!("  kit    {}", kit.id()),
            "  made   2027-01-15T08:00:00Z".to_owned(),
            format!("  keys   FIELD_ENCRYPTION_KEY {}", kit.field_ids()[0]),
            format!("         FIELD_ENCRYPTION_KEY {}", kit.field_ids()[1]),
            format!("         SECRET_KEY           {}", kit.secret_ids()[0]),
        ];
        assert_eq!(head, expected);
        assert!(page.expose().contains("keyward backup restore-key"));
    }

    #[test]
    fn a_share_says_which_it_is_and_how_many_it_takes() {
        let kit = kit();
        let share = kit.split(Split::new(5, 3).unwrap()).remove(1);
        let page = share.page();
        let page = page.expose();
        assert!(page.starts_with("KEYWARD RECOVERY KIT, SHARE 2 OF 5: ANY 3 OF THEM OPEN IT\n"));
        assert!(page.contains(&format!("  split  {}\n", share.split_id())));
        assert!(page.contains(&format!("  kit    {}\n", kit.id())));
    }

    #[test]
    fn no_line_around_the_numbered_ones_is_read_as_one() {
        for page in pages() {
            let numbered = page
                .expose()
                .lines()
                .filter(|text| line::read(text).is_some());
            let first = page
                .expose()
                .lines()
                .position(|line| line.starts_with(" 1:"));
            let behind = page.expose().lines().skip(first.unwrap()).count();
            assert_eq!(numbered.count(), behind);
        }
    }

    #[test]
    fn the_head_holds_no_key() {
        let (field, secret) = (field(), secret());
        let kit = kit_of(&[field], &[secret]);
        let page = kit.page();
        for key in [kit.field_encryption_key(), kit.secret_key()] {
            assert!(!page.expose().contains(key.expose()));
        }
    }
}
