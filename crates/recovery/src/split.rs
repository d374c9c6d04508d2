/// Into how many shares a kit is split, and how many of them open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    shares: u8,
    threshold: u8,
}

impl Split {
    /// At least two shares open a kit, and there are at most 16 of them.
    pub fn new(shares: u8, threshold: u8) -> Result<Self, SplitError> {
        if !(MIN..=MAX).contains(&shares) {
            return Err(SplitError::Shares);
        }
        if !(MIN..=shares).contains(&threshold) {
            return Err(SplitError::Threshold);
        }
        Ok(Self { shares, threshold })
    }

    /// How many shares there are.
    #[must_use]
    pub fn shares(self) -> u8 {
        self.shares
    }

    /// How many of them open the kit.
    #[must_use]
    pub fn threshold(self) -> u8 {
        self.threshold
    }
}

/// Why a kit cannot be split so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// Too few shares or too many.
    #[error("a kit is split into 2 to 16 shares")]
    Shares,
    /// One share alone would be the kit, and more than there are would never open it.
    #[error("the threshold is at least 2 and at most the number of shares")]
    Threshold,
}

const MIN: u8 = 2;
const MAX: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_two_to_sixteen_of_sixteen() {
        for (shares, threshold) in [(2, 2), (3, 2), (5, 3), (16, 2), (16, 16)] {
            let split = Split::new(shares, threshold).unwrap();
            assert_eq!((split.shares(), split.threshold()), (shares, threshold));
        }
        for shares in [0, 1, 17, 255] {
            assert_eq!(Split::new(shares, 2), Err(SplitError::Shares));
        }
        for (shares, threshold) in [(5, 0), (5, 1), (5, 6), (16, 17)] {
            assert_eq!(Split::new(shares, threshold), Err(SplitError::Threshold));
        }
    }
}
