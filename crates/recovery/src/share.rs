use std::fmt;

use keyward_crypto::{KeyId, SecretText};
use zeroize::Zeroizing;

use crate::bytes::Reader;
use crate::frame::{Form, frame};
use crate::kit::RecoveryKit;
use crate::page;
use crate::public_id::{KitId, SplitId};
use crate::split::Split;

/// One share of a kit. Alone, and with fewer others than are needed, it says nothing about the keys.
///
/// Overwritten when dropped; `Debug` shows ids and numbers only.
pub struct Share {
    pub(crate) kit: KitId,
    pub(crate) split_id: SplitId,
    pub(crate) split: Split,
    pub(crate) number: u8,
    pub(crate) value: Zeroizing<Vec<u8>>,
    made_at: u64,
    field_ids: Vec<KeyId>,
    secret_ids: Vec<KeyId>,
}

impl Share {
    pub(crate) fn new(
        kit: &RecoveryKit,
        split_id: SplitId,
        split: Split,
        number: u8,
        value: Zeroizing<Vec<u8>>,
    ) -> Self {
        Self {
            kit: kit.id(),
            split_id,
            split,
            number,
            value,
            made_at: kit.made_at(),
            field_ids: kit.field_ids().to_vec(),
            secret_ids: kit.secret_ids().to_vec(),
        }
    }

    /// The kit that it is a share of.
    #[must_use]
    pub fn kit(&self) -> KitId {
        self.kit
    }

    /// The division of that kit: only shares of the same one fit together.
    #[must_use]
    pub fn split_id(&self) -> SplitId {
        self.split_id
    }

    /// How many shares there are, and how many open the kit.
    #[must_use]
    pub fn split(&self) -> Split {
        self.split
    }

    /// Its own number, from 1.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// When the kit was made, in Unix seconds.
    #[must_use]
    pub fn made_at(&self) -> u64 {
        self.made_at
    }

    /// The page to print, as [`RecoveryKit::page`]. That of a share that was read again names no
    /// keys: the numbered lines of a share do not hold their ids.
    #[must_use]
    pub fn page(&self) -> SecretText {
        let frame = frame(Form::Share, &self.content()).unwrap_or_default();
        page::of_share(self, &frame)
    }

    pub(crate) fn field_ids(&self) -> &[KeyId] {
        &self.field_ids
    }

    pub(crate) fn secret_ids(&self) -> &[KeyId] {
        &self.secret_ids
    }

    fn content(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD + self.value.len()));
        bytes.extend_from_slice(self.kit.as_bytes());
        bytes.extend_from_slice(self.split_id.as_bytes());
        bytes.extend_from_slice(&self.made_at.to_be_bytes());
        bytes.extend_from_slice(&[self.split.shares(), self.split.threshold(), self.number]);
        bytes.extend_from_slice(&self.value);
        bytes
    }

    /// Reads the content of a frame; `None` where it is no share.
    pub(crate) fn from_content(content: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(content);
        let kit = KitId::from_bytes(reader.array()?);
        let split_id = SplitId::from_bytes(reader.array()?);
        let made_at = reader.long()?;
        let [shares, threshold, number] = reader.array()?;
        let split = Split::new(shares, threshold).ok()?;
        let value = Zeroizing::new(reader.rest().to_vec());
        let is_one = (1..=shares).contains(&number) && !value.is_empty();
        is_one.then_some(Self {
            kit,
            split_id,
            split,
            number,
            value,
            made_at,
            field_ids: Vec::new(),
            secret_ids: Vec::new(),
        })
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share")
            .field("kit", &self.kit)
            .field("split_id", &self.split_id)
            .field("split", &self.split)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

const HEAD: usize = 5 + 5 + 8 + 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_keys::kit;

    fn share() -> Share {
        kit().split(Split::new(3, 2).unwrap()).remove(1)
    }

    #[test]
    fn a_share_reads_back() {
        let share = share();
        let read = Share::from_content(&share.content()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{share:?}"));
        assert_eq!(read.value, share.value);
        assert_eq!(read.made_at(), share.made_at());
    }

    #[test]
    fn numbers_that_no_split_has_are_refused() {
        let (shares_at, threshold_at, number_at) = (HEAD - 3, HEAD - 2, HEAD - 1);
        let wrong = [
            (shares_at, 1),
            (shares_at, 17),
            (threshold_at, 1),
            (threshold_at, 4),
            (number_at, 0),
            (number_at, 4),
        ];
        for (place, value) in wrong {
            let mut content = share().content();
            content[place] = value;
            assert!(Share::from_content(&content).is_none(), "{place} {value}");
        }
        assert!(Share::from_content(&share().content()[..HEAD]).is_none());
    }

    #[test]
    fn debug_shows_no_part_of_it() {
        let share = share();
        assert_eq!(
            format!("{share:?}"),
            format!(
                "Share {{ kit: KitId({}), split_id: SplitId({}), split: Split {{ shares: 3, \
                 threshold: 2 }}, number: 2, .. }}",
                share.kit(),
                share.split_id()
            )
        );
    }
}
