use crate::{Mac, MacPurpose, MacRing};

/// A row whose deciding columns are covered by a MAC, so that whoever can write to the database
/// but does not have `SECRET_KEY` can neither make nor change one.
pub trait Signable {
    /// Separates the MACs of one kind of row from those of another.
    const PURPOSE: MacPurpose;

    /// Hands the covered columns to `work`, always in the same order.
    ///
    /// A change of the order or of an encoding makes every stored row invalid.
    fn with_parts<R>(&self, work: impl FnOnce(&[&[u8]]) -> R) -> R;
}

/// A row and the MAC that stands beside it in the database.
///
/// What a store reads back is a claim: [`Signed::verify`] turns it into a fact.
#[derive(Clone, Debug)]
pub struct Signed<T> {
    row: T,
    mac: Mac,
}

impl<T: Signable> Signed<T> {
    /// Signs a row with the active key.
    #[must_use]
    pub fn sign(row: T, macs: &MacRing) -> Self {
        let mac = row.with_parts(|parts| macs.mac(T::PURPOSE, parts));
        Self { row, mac }
    }

    /// The row, if it is the one that was signed.
    pub fn verify(self, macs: &MacRing) -> Result<T, ForgedRow> {
        if self.is_genuine(macs) {
            Ok(self.row)
        } else {
            Err(ForgedRow)
        }
    }

    /// Whether the row is the one that was signed.
    #[must_use]
    pub fn is_genuine(&self, macs: &MacRing) -> bool {
        self.row
            .with_parts(|parts| macs.verify(T::PURPOSE, parts, &self.mac))
    }
}

impl<T> Signed<T> {
    /// Puts together what a store has read back.
    #[must_use]
    pub fn from_stored(row: T, mac: Mac) -> Self {
        Self { row, mac }
    }

    /// The row as it stands in the database, for writing it there. Decide nothing by it.
    #[must_use]
    pub fn unverified(&self) -> &T {
        &self.row
    }

    /// The MAC, for storage and for compare-and-set.
    #[must_use]
    pub fn mac(&self) -> &Mac {
        &self.mac
    }
}

/// The row was changed or inserted by somebody without `SECRET_KEY`, or signed with one that is no
/// longer listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the row does not carry a valid MAC")]
pub struct ForgedRow;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MacPurpose;

    struct Row(&'static str);

    impl Signable for Row {
        const PURPOSE: MacPurpose = MacPurpose::UserRow;

        fn with_parts<R>(&self, with: impl FnOnce(&[&[u8]]) -> R) -> R {
            with(&[self.0.as_bytes()])
        }
    }

    #[test]
    fn a_row_is_genuine_as_it_was_signed_and_by_the_ring_that_signed_it() {
        let macs = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let others = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let signed = Signed::sign(Row("as it was"), &macs);
        assert!(signed.is_genuine(&macs));
        assert!(!signed.is_genuine(&others));
        let changed = Signed::from_stored(Row("changed"), signed.mac().clone());
        assert!(!changed.is_genuine(&macs));
        assert_eq!(changed.verify(&macs).err(), Some(ForgedRow));
        assert_eq!(signed.verify(&macs).unwrap().0, "as it was");
    }
}
