//! The items of OWASP ASVS 5.0.0.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::named::Named;
use crate::records;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Asvs {
    item: Vec<Item>,
    left_out: Vec<LeftOut>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    id: String,
    level: u8,
    requirement: String,
    status: Status,
    how: String,
    tests: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Met,
    Partly,
    NotApplicable,
    NotMet,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeftOut {
    why: String,
    ids: Vec<String>,
}

pub(crate) fn named() -> Vec<Named> {
    let items = records::<Asvs>("asvs").item;
    let named = items
        .iter()
        .map(|item| Named::new(format!("asvs.toml, {}", item.id), &item.tests));
    named.collect()
}

/// What is wrong with single items.
fn wrong(items: &[Item]) -> Vec<String> {
    let mut wrong = Vec::new();
    for item in items {
        if item.status == Status::Met && item.tests.is_empty() {
            wrong.push(format!("{} is met and has no test", item.id));
        }
        if item.how.trim().is_empty() || item.requirement.trim().is_empty() {
            wrong.push(format!("{} has no words", item.id));
        }
    }
    wrong
}

/// Ids that are there twice, and those that are missing between the first and the last of a section.
fn doubled_or_missing<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut sections: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for id in ids {
        let (section, number) = id.rsplit_once('.').unwrap_or((id, ""));
        let number = number.parse().unwrap_or(0);
        if number == 0 || !section.contains('.') {
            wrong.push(format!("{id} is no id"));
        } else if !sections.entry(section).or_default().insert(number) {
            wrong.push(format!("{id} is there twice"));
        }
    }
    for (section, numbers) in sections {
        let last = numbers.last().copied().unwrap_or(0);
        let missing = (1..=last).filter(|number| !numbers.contains(number));
        wrong.extend(missing.map(|number| format!("{section}.{number} is missing")));
    }
    wrong
}

/// How many items each level of the standard has, and how many chapters there are.
const OF_LEVEL_1_AND_2_THAT_APPLY: [(u8, usize); 2] = [(1, 48), (2, 103)];
const ITEMS: usize = 345;
const CHAPTERS: usize = 17;

#[test]
fn every_item_of_the_standard_is_answered_once() {
    let Asvs { item, left_out } = records("asvs");
    assert!(left_out.iter().all(|group| !group.why.is_empty()));
    let left_out = left_out.iter().flat_map(|group| &group.ids);
    let ids: Vec<&str> = item
        .iter()
        .map(|item| &item.id)
        .chain(left_out)
        .map(String::as_str)
        .collect();
    assert_eq!(doubled_or_missing(ids.iter().copied()), [""; 0]);
    assert_eq!(ids.len(), ITEMS);
    let chapters: BTreeSet<_> = ids.iter().filter_map(|id| id.split('.').next()).collect();
    assert_eq!(chapters.len(), CHAPTERS);
    for (level, count) in OF_LEVEL_1_AND_2_THAT_APPLY {
        let of_level = item.iter().filter(|item| item.level == level);
        assert_eq!(of_level.count(), count, "level {level}");
    }
}

#[test]
fn what_is_met_has_a_test_and_everything_has_words() {
    let items = records::<Asvs>("asvs").item;
    assert_eq!(wrong(&items), [""; 0]);
    for status in [
        Status::Met,
        Status::Partly,
        Status::NotMet,
        Status::NotApplicable,
    ] {
        let counts = [1, 2, 3].map(|level| {
            let alike = items
                .iter()
                .filter(|item| (item.status, item.level) == (status, level));
            alike.count()
        });
        println!("{status:?}: {counts:?} of levels 1 to 3");
    }
}

#[test]
fn an_item_without_a_test_one_that_is_missing_and_one_twice_are_noticed() {
    let item = Item {
        id: "1.1.1".to_owned(),
        level: 1,
        requirement: "r".to_owned(),
        status: Status::Met,
        how: "h".to_owned(),
        tests: vec!["t".to_owned()],
    };
    assert_eq!(wrong(std::slice::from_ref(&item)), [""; 0]);
    let untested = Item {
        tests: Vec::new(),
        ..item.clone()
    };
    assert_eq!(
        wrong(std::slice::from_ref(&untested)),
        ["1.1.1 is met and has no test"]
    );
    assert_eq!(
        wrong(&[Item {
            status: Status::Partly,
            ..untested
        }]),
        [""; 0]
    );
    assert_eq!(
        wrong(&[Item {
            how: " ".to_owned(),
            ..item
        }]),
        ["1.1.1 has no words"]
    );

    assert_eq!(doubled_or_missing(["1.1.2", "1.1.1", "1.2.1"]), [""; 0]);
    assert_eq!(doubled_or_missing(["1.1.1", "1.1.3"]), ["1.1.2 is missing"]);
    assert_eq!(
        doubled_or_missing(["1.1.1", "1.1.1"]),
        ["1.1.1 is there twice"]
    );
    assert_eq!(doubled_or_missing(["1.1", "1.1.x"]).len(), 2);
}
