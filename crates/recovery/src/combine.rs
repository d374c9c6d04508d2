use std::collections::BTreeSet;

use crate::frame::{Form, unframe};
use crate::kit::{KitError, RecoveryKit};
use crate::public_id::{KitId, SplitId};
use crate::shamir;
use crate::share::Share;

/// Opens the kit of enough shares, in any order.
pub fn combine(shares: &[Share]) -> Result<RecoveryKit, CombineError> {
    let first = shares.first().ok_or(CombineError::NoShares)?;
    refuse_strangers(first, shares)?;
    let mut numbers = BTreeSet::new();
    if let Some(again) = shares.iter().find(|share| !numbers.insert(share.number)) {
        return Err(CombineError::Doubled {
            number: again.number,
        });
    }
    let threshold = first.split.threshold();
    if numbers.len() < threshold.into() {
        return Err(CombineError::TooFew {
            given: numbers.len(),
            threshold,
            shares: first.split.shares(),
        });
    }
    let values = shares.iter().map(|share| (share.number, &**share.value));
    let bytes = shamir::combine(values).ok_or(CombineError::DoNotFit)?;
    // The checksum inside was split with the keys: nobody can change a share and make it fit.
    let Ok((Form::Kit, content)) = unframe(&bytes) else {
        return Err(CombineError::DoNotFit);
    };
    let kit = RecoveryKit::from_content(content).ok_or(CombineError::DoNotFit)??;
    if kit.id() == first.kit {
        Ok(kit)
    } else {
        Err(CombineError::DoNotFit)
    }
}

fn refuse_strangers(first: &Share, shares: &[Share]) -> Result<(), CombineError> {
    for share in shares {
        if share.kit != first.kit {
            return Err(CombineError::OtherKit {
                number: share.number,
                kit: share.kit,
                first: first.kit,
            });
        }
        if share.split_id != first.split_id {
            return Err(CombineError::OtherSplit {
                number: share.number,
                split: share.split_id,
                first: first.split_id,
            });
        }
        if share.split != first.split {
            return Err(CombineError::DoNotFit);
        }
    }
    Ok(())
}

/// Why shares do not open a kit. No message repeats anything secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CombineError {
    /// There is none.
    #[error("there is no share")]
    NoShares,
    /// Shares of two kits.
    #[error(
        "share {number} is of the kit {kit}, the first one of {first}; give shares of one kit only"
    )]
    OtherKit {
        /// The number of the share.
        number: u8,
        /// Its kit.
        kit: KitId,
        /// That of the first share.
        first: KitId,
    },
    /// Shares of one kit that was split twice.
    #[error(
        "share {number} is of the split {split}, the first one of {first}: the same kit, split \
         another time; give shares of one split only"
    )]
    OtherSplit {
        /// The number of the share.
        number: u8,
        /// Its split.
        split: SplitId,
        /// That of the first share.
        first: SplitId,
    },
    /// One share twice.
    #[error("share {number} is given twice; give different ones")]
    Doubled {
        /// The number of the share.
        number: u8,
    },
    /// Fewer than the threshold.
    #[error("{given} of {shares} shares are given, and it takes {threshold}; find more of them")]
    TooFew {
        /// How many there are.
        given: usize,
        /// How many it takes.
        threshold: u8,
        /// Into how many the kit was split.
        shares: u8,
    },
    /// Their kit and their numbers fit, their content does not.
    #[error(
        "these shares do not make a kit: at least one of them was changed; where you have more \
         than you need, leave out one after the other"
    )]
    DoNotFit,
    /// They make a kit, with keys in it that this version does not take.
    #[error(transparent)]
    Unusable(#[from] KitError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::Split;
    use crate::test_keys::kit;

    fn shares(kit: &RecoveryKit) -> Vec<Share> {
        kit.split(Split::new(5, 3).unwrap())
    }

    fn opens(shares: &[Share]) -> bool {
        match combine(shares) {
            Ok(_) => true,
            Err(CombineError::DoNotFit) => false,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn no_changed_byte_of_a_share_goes_unnoticed() {
        let mut shares = shares(&kit());
        assert!(opens(&shares[..3]));
        for place in 0..shares[0].value.len() {
            shares[0].value[place] ^= 1;
            assert!(!opens(&shares[..3]), "byte {place}");
            assert!(!opens(&shares), "byte {place}");
            shares[0].value[place] ^= 1;
        }
        assert!(opens(&shares));
    }

    #[test]
    fn a_share_under_another_number_opens_nothing() {
        let mut shares = shares(&kit());
        shares[0].number = 4;
        assert!(!opens(&shares[..3]));
    }

    #[test]
    fn a_threshold_that_was_lowered_on_the_paper_opens_nothing() {
        let mut shares = shares(&kit());
        for share in &mut shares {
            share.split = Split::new(5, 2).unwrap();
        }
        assert!(!opens(&shares[..2]));
        // The shares are genuine: enough of them open the kit whatever the paper says.
        assert!(opens(&shares[..3]));
        shares[2].split = Split::new(5, 3).unwrap();
        assert!(!opens(&shares[..3]));
    }

    #[test]
    fn shares_that_were_renamed_to_another_kit_open_nothing() {
        let (one, other) = (kit(), kit());
        let mut shares = shares(&one);
        for share in &mut shares {
            share.kit = other.id();
        }
        assert!(!opens(&shares));
    }

    #[test]
    fn shares_of_two_splits_open_nothing_even_when_they_are_renamed() {
        let kit = kit();
        let (mut first, second) = (shares(&kit), shares(&kit));
        let stranger = second.into_iter().nth(2).unwrap();
        first[2].value = stranger.value.clone();
        assert!(!opens(&first[..3]));
    }

    #[test]
    fn a_length_that_differs_opens_nothing() {
        let mut shares = shares(&kit());
        shares[1].value.pop();
        assert!(!opens(&shares[..3]));
    }
}
