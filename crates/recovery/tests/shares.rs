//! Which shares open a kit, and which do not: as printed, and read again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

use keyward_crypto::{FieldKey, MacRing, SecretText};
use keyward_recovery::{CombineError, Page, RecoveryKit, Share, Split, combine, read};

fn kit() -> RecoveryKit {
    let (old, new) = (FieldKey::generate().expose(), FieldKey::generate().expose());
    let fields = SecretText::new(format!("{},{}", new.expose(), old.expose()));
    RecoveryKit::new(&fields, &MacRing::generate_secret(), 1_800_000_000).unwrap()
}

fn printed(kit: &RecoveryKit, shares: u8, threshold: u8) -> Vec<SecretText> {
    let split = Split::new(shares, threshold).unwrap();
    kit.split(split).iter().map(Share::page).collect()
}

fn typed<'a>(pages: impl IntoIterator<Item = &'a SecretText>) -> Vec<Share> {
    let shares = pages
        .into_iter()
        .map(|page| match read(page.expose()).unwrap().pop() {
            Some(Page::Share(share)) => share,
            other => panic!("{other:?}"),
        });
    shares.collect()
}

/// Puts every subset of the shares together, and says how many opened the kit.
fn opened(shares: u8, threshold: u8) -> usize {
    let kit = kit();
    let pages = printed(&kit, shares, threshold);
    let mut opened = 0;
    for chosen in 0_u32..1 << shares {
        let chosen_pages = (0..)
            .zip(&pages)
            .filter(|(place, _)| chosen >> place & 1 == 1);
        let given = typed(chosen_pages.map(|(_, page)| page));
        match combine(&given) {
            Ok(found) => {
                assert!(given.len() >= threshold.into(), "{given:?}");
                let fields = found.field_encryption_key();
                assert_eq!(fields.expose(), kit.field_encryption_key().expose());
                assert_eq!(found.secret_key().expose(), kit.secret_key().expose());
                assert_eq!((found.id(), found.made_at()), (kit.id(), kit.made_at()));
                opened += 1;
            }
            Err(CombineError::NoShares) => assert_eq!(chosen, 0),
            Err(CombineError::TooFew {
                given: counted,
                threshold: needed,
                ..
            }) => {
                assert!(counted < threshold.into());
                assert_eq!((counted, needed), (given.len(), threshold));
            }
            Err(error) => panic!("{error}"),
        }
    }
    opened
}

#[test]
fn any_three_of_five_shares_open_the_kit_and_two_do_not() {
    // Ten of three, five of four, one of all.
    assert_eq!(opened(5, 3), 16);
}

#[test]
fn so_it_is_with_other_numbers() {
    assert_eq!(opened(2, 2), 1);
    assert_eq!(opened(3, 2), 4);
    assert_eq!(opened(6, 6), 1);
    assert_eq!(opened(7, 2), 120);
}

#[test]
fn sixteen_shares_open_the_kit_together() {
    let kit = kit();
    let pages = printed(&kit, 16, 16);
    assert!(combine(&typed(&pages)).is_ok());
    assert!(matches!(
        combine(&typed(&pages[1..])),
        Err(CombineError::TooFew { given: 15, .. })
    ));
}

#[test]
fn the_order_of_shares_makes_no_difference() {
    let pages = printed(&kit(), 5, 3);
    assert!(combine(&typed(pages.iter().rev())).is_ok());
}

#[test]
fn a_share_that_is_given_twice_is_named_and_does_not_count() {
    let pages = printed(&kit(), 5, 3);
    for given in [[0, 1, 1].as_slice(), &[1, 0, 2, 1]] {
        let error = combine(&typed(given.iter().map(|place| &pages[*place]))).unwrap_err();
        assert!(
            matches!(error, CombineError::Doubled { number: 2 }),
            "{error}"
        );
        assert_eq!(
            error.to_string(),
            "share 2 is given twice; give different ones"
        );
    }
}

#[test]
fn shares_of_two_kits_are_refused_by_their_names() {
    let (one, other) = (kit(), kit());
    let (ours, theirs) = (printed(&one, 3, 2), printed(&other, 3, 2));
    let error = combine(&typed([&ours[0], &theirs[1]])).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, CombineError::OtherKit { number: 2, .. }),
        "{text}"
    );
    assert!(text.contains(&one.id().to_string()), "{text}");
    assert!(text.contains(&other.id().to_string()), "{text}");
}

#[test]
fn shares_of_two_splits_of_one_kit_are_refused_by_their_names() {
    let kit = kit();
    let (first, second) = (printed(&kit, 3, 2), printed(&kit, 3, 2));
    let shares = typed([&first[0], &second[1]]);
    let error = combine(&shares).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, CombineError::OtherSplit { number: 2, .. }),
        "{text}"
    );
    for share in &shares {
        assert!(text.contains(&share.split_id().to_string()), "{text}");
    }
}

#[test]
fn no_two_splits_of_a_kit_are_alike() {
    let kit = kit();
    let (first, second) = (printed(&kit, 2, 2), printed(&kit, 2, 2));
    let numbered = |page: &SecretText| -> Vec<String> {
        let lines = page.expose().lines().map(str::trim_start);
        lines
            .filter(|line| line.starts_with(|first: char| first.is_ascii_digit()))
            .map(str::to_owned)
            .collect()
    };
    for (one, other) in first.iter().zip(&second) {
        let (one, other) = (numbered(one), numbered(other));
        assert!(one.len() > 8, "{one:?}");
        assert!(one.iter().zip(&other).all(|(one, other)| one != other));
    }
}
