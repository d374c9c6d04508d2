//! Plants values in all encodings into noise, cuts it anywhere, and compares what comes out with a
//! slow search that is written the other way round: it decodes what it sees.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[path = "scrub/planted.rs"]
mod planted;
#[path = "scrub/reference.rs"]
mod reference;

use std::sync::Arc;

use bytes::Bytes;
use keyward_broker::{Needles, Scrub};
use planted::{Case, case};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

/// Scrubs a body that comes in these pieces.
type Scrubber = fn(&Arc<Needles>, &[&[u8]]) -> Vec<u8>;

#[test]
fn no_planted_value_is_missed_and_nothing_else_is_changed() {
    check(streaming).unwrap();
}

#[test]
fn a_scrubber_that_forgets_the_tail_is_caught() {
    let caught = check(forgetful);
    assert!(matches!(caught, Err(TestError::Fail(..))), "{caught:?}");
}

fn streaming(needles: &Arc<Needles>, pieces: &[&[u8]]) -> Vec<u8> {
    let mut scrub = Scrub::new(Arc::clone(needles));
    let mut out = Vec::new();
    for piece in pieces {
        for piece in scrub.push(Bytes::copy_from_slice(piece)) {
            out.extend_from_slice(&piece);
        }
    }
    out.extend_from_slice(&scrub.finish().unwrap_or_default());
    out
}

fn forgetful(needles: &Arc<Needles>, pieces: &[&[u8]]) -> Vec<u8> {
    let scrubbed = pieces.iter().map(|piece| needles.scrub_value(piece));
    scrubbed.collect::<Vec<_>>().concat()
}

fn check(scrubber: Scrubber) -> Result<(), TestError<Case>> {
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config).run(&case(), |case| check_one(scrubber, &case))
}

fn check_one(scrubber: Scrubber, case: &Case) -> Result<(), TestCaseError> {
    let needles = Arc::new(Needles::new(case.values.iter().map(String::as_str)));
    let expected = reference::scrub(&case.values, &case.body);
    let one_by_one: Vec<_> = case.body.chunks(1).collect();
    for pieces in [&[&case.body[..]][..], &case.pieces(), &one_by_one] {
        let out = scrubber(&needles, pieces);
        let shown = String::from_utf8_lossy(&out);
        proptest::prop_assert_eq!(&out, &expected, "{}", shown);
        for secret in &case.secrets {
            let seen = &out[secret.clone()];
            proptest::prop_assert!(seen.iter().all(|byte| *byte == b'*'), "{}", shown);
        }
    }
    proptest::prop_assert_eq!(&*needles.scrub_value(&case.body), &expected);
    Ok(())
}
