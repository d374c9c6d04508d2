use std::fmt;

use keyward_crypto::{KeyId, KeyRing, KeyRingError, MacRing, SecretKeyError, SecretText};
use zeroize::Zeroizing;

use crate::bytes::Reader;
use crate::frame::{Form, frame};
use crate::page;
use crate::public_id::{KitId, SplitId};
use crate::share::Share;
use crate::split::Split;
use crate::{line, packed, shamir};

/// Every key of an installation, to be kept on paper.
///
/// Overwritten when dropped; `Debug` shows ids only.
pub struct RecoveryKit {
    id: KitId,
    made_at: u64,
    fields: Vec<SecretText>,
    secrets: Vec<SecretText>,
    field_ids: Vec<KeyId>,
    secret_ids: Vec<KeyId>,
    /// As printed and split.
    frame: Zeroizing<Vec<u8>>,
}

impl RecoveryKit {
    /// A kit of the keys in these settings, in their order. `made_at` is in Unix seconds.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness, see [`keyward_crypto::random_bytes`].
    pub fn new(
        field_encryption_key: &SecretText,
        secret_key: &SecretText,
        made_at: u64,
    ) -> Result<Self, KitError> {
        let fields = listed(field_encryption_key.expose());
        let secrets = listed(secret_key.expose());
        Self::of(KitId::generate(), made_at, fields, secrets)
    }

    /// Names the kit.
    #[must_use]
    pub fn id(&self) -> KitId {
        self.id
    }

    /// When it was made, in Unix seconds.
    #[must_use]
    pub fn made_at(&self) -> u64 {
        self.made_at
    }

    /// The ids of the encryption keys, in the order of `FIELD_ENCRYPTION_KEY`.
    #[must_use]
    pub fn field_ids(&self) -> &[KeyId] {
        &self.field_ids
    }

    /// The ids of the secrets, in the order of `SECRET_KEY`.
    #[must_use]
    pub fn secret_ids(&self) -> &[KeyId] {
        &self.secret_ids
    }

    /// What to set `FIELD_ENCRYPTION_KEY` to.
    #[must_use]
    pub fn field_encryption_key(&self) -> SecretText {
        joined(&self.fields)
    }

    /// What to set `SECRET_KEY` to.
    #[must_use]
    pub fn secret_key(&self) -> SecretText {
        joined(&self.secrets)
    }

    /// The page to print: plain ASCII, with what it is and what to do with it, and the keys in lines
    /// that can be typed.
    #[must_use]
    pub fn page(&self) -> SecretText {
        page::of_kit(self, &self.frame)
    }

    /// Splits the kit. Each call makes shares that fit one another only.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness, see [`keyward_crypto::random_bytes`].
    #[must_use]
    pub fn split(&self, split: Split) -> Vec<Share> {
        let id = SplitId::generate();
        // A frame is never empty, the one thing that cannot be split.
        let values = shamir::split(&self.frame, split).unwrap_or_default();
        let numbered = (1..).zip(values);
        numbered
            .map(|(number, value)| Share::new(self, id, split, number, value))
            .collect()
    }

    fn of(
        id: KitId,
        made_at: u64,
        fields: Vec<SecretText>,
        secrets: Vec<SecretText>,
    ) -> Result<Self, KitError> {
        let field_ids = KeyRing::parse(joined(&fields).expose())?.ids().collect();
        let macs = MacRing::parse(joined(&secrets).expose())?;
        let secret_ids = macs.ids().collect();
        let content = content(id, made_at, &fields, &secrets).ok_or(KitError::TooLong)?;
        let frame = frame(Form::Kit, &content)
            .filter(|frame| line::lines(frame.len()) <= MAX_LINES)
            .ok_or(KitError::TooLong)?;
        Ok(Self {
            id,
            made_at,
            fields,
            secrets,
            field_ids,
            secret_ids,
            frame,
        })
    }

    /// Reads the content of a frame; `None` where it is no kit.
    pub(crate) fn from_content(content: &[u8]) -> Option<Result<Self, KitError>> {
        let mut reader = Reader::new(content);
        let id = KitId::from_bytes(reader.array()?);
        let made_at = reader.long()?;
        let fields = texts(&mut reader)?;
        let secrets = texts(&mut reader)?;
        reader.end()?;
        Some(Self::of(id, made_at, fields, secrets))
    }
}

impl fmt::Debug for RecoveryKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoveryKit")
            .field("id", &self.id)
            .field("fields", &self.field_ids)
            .field("secrets", &self.secret_ids)
            .finish_non_exhaustive()
    }
}

/// Why there is no kit of these keys. No message repeats a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KitError {
    /// The encryption keys cannot be used.
    #[error("the encryption keys cannot be used: {0}")]
    Fields(#[from] KeyRingError),
    /// The secrets cannot be used.
    #[error("the secret keys cannot be used: {0}")]
    Secrets(#[from] SecretKeyError),
    /// Nobody types that many lines.
    #[error(
        "the keys are too many or too long to be typed from paper; remove retired keys from the \
         settings, or keep a copy of the settings themselves"
    )]
    TooLong,
}

fn content(
    id: KitId,
    made_at: u64,
    fields: &[SecretText],
    secrets: &[SecretText],
) -> Option<Zeroizing<Vec<u8>>> {
    let both = || [fields, secrets].into_iter();
    let lengths: usize = both().flatten().map(packed::longest).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(ID_AND_TIME + 2 + lengths));
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(&made_at.to_be_bytes());
    for texts in both() {
        bytes.push(u8::try_from(texts.len()).ok()?);
        for text in texts {
            packed::pack(text, &mut bytes)?;
        }
    }
    Some(bytes)
}

fn texts(reader: &mut Reader<'_>) -> Option<Vec<SecretText>> {
    let count = reader.byte()?;
    (0..count).map(|_| packed::unpack(reader)).collect()
}

fn listed(setting: &str) -> Vec<SecretText> {
    setting
        .split(',')
        .map(|key| SecretText::from(key.trim()))
        .collect()
}

fn joined(keys: &[SecretText]) -> SecretText {
    let length = keys.iter().map(|key| key.len() + 1).sum();
    let mut text = String::with_capacity(length);
    for (position, key) in keys.iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        text.push_str(key.expose());
    }
    SecretText::new(text)
}

const ID_AND_TIME: usize = 5 + 8;
/// Some ten pages.
const MAX_LINES: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::unframe;
    use crate::test_keys::{MADE_AT, field, kit, kit_of, secret};

    fn read_back(kit: &RecoveryKit) -> RecoveryKit {
        let (form, content) = unframe(&kit.frame).unwrap();
        assert_eq!(form, Form::Kit);
        RecoveryKit::from_content(content).unwrap().unwrap()
    }

    #[test]
    fn all_keys_come_back_in_their_order() {
        let (fields, secrets) = ([field(), field(), field()], [secret(), secret()]);
        let kit = kit_of(&fields, &secrets);
        let read = read_back(&kit);
        let joined = |keys: &[SecretText]| {
            let keys: Vec<_> = keys.iter().map(SecretText::expose).collect();
            keys.join(",")
        };
        assert_eq!(read.field_encryption_key().expose(), joined(&fields));
        assert_eq!(read.secret_key().expose(), joined(&secrets));
        assert_eq!(read.id(), kit.id());
        assert_eq!(read.made_at(), MADE_AT);
        assert_eq!((read.field_ids().len(), read.secret_ids().len()), (3, 2));
        let ring = KeyRing::parse(&joined(&fields)).unwrap();
        assert!(ring.ids().eq(read.field_ids().iter().copied()));
    }

    #[test]
    fn white_space_around_keys_is_not_kept() {
        let (fields, secrets) = ([field(), field()], [secret()]);
        let list = format!(" {},\n{}\n", fields[0].expose(), fields[1].expose());
        let kit = RecoveryKit::new(&list.into(), &secrets[0], MADE_AT).unwrap();
        let expected = format!("{},{}", fields[0].expose(), fields[1].expose());
        assert_eq!(kit.field_encryption_key().expose(), expected);
    }

    #[test]
    fn keys_that_could_not_be_used_make_no_kit() {
        let example = SecretText::from("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=");
        for fields in [example, SecretText::from("")] {
            let error = RecoveryKit::new(&fields, &secret(), MADE_AT).unwrap_err();
            assert!(matches!(error, KitError::Fields(_)), "{error}");
        }
        let error = RecoveryKit::new(&field(), &"short".into(), MADE_AT).unwrap_err();
        assert!(matches!(error, KitError::Secrets(_)), "{error}");
        assert!(!error.to_string().contains("short,"), "{error}");
    }

    #[test]
    fn what_nobody_would_type_makes_no_kit() {
        let long = SecretText::new(secret().expose().repeat(300));
        let error = RecoveryKit::new(&field(), &long, MADE_AT).unwrap_err();
        assert!(matches!(error, KitError::TooLong), "{error}");
    }

    #[test]
    fn content_with_something_behind_it_is_no_kit() {
        let kit = kit();
        let (_, content) = unframe(&kit.frame).unwrap();
        let longer = [content, b"x"].concat();
        assert!(RecoveryKit::from_content(&longer).is_none());
        for end in 0..content.len() {
            assert!(
                RecoveryKit::from_content(&content[..end]).is_none(),
                "{end}"
            );
        }
    }

    #[test]
    fn debug_shows_ids_only() {
        let kit = kit_of(&[field()], &[secret()]);
        let shown = format!("{kit:?}");
        assert_eq!(
            shown,
            format!(
                "RecoveryKit {{ id: KitId({}), fields: [KeyId({})], secrets: [KeyId({})], .. }}",
                kit.id(),
                kit.field_ids()[0],
                kit.secret_ids()[0]
            )
        );
    }
}
