use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use ring::hkdf::Prk;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::derive;
use crate::encrypted_string::EncryptedString;
use crate::field_key::{FieldKey, FieldKeyError};
use crate::key_id::KeyId;
use crate::live_ring::{Identified, LiveRing};
use crate::secret::SecretText;
use crate::token::{Token, TokenError, TokenKey};

/// The keys of `FIELD_ENCRYPTION_KEY`: seals under the newest, opens under any of them.
///
/// Cheap to clone, and all clones are one ring: what one of them learns or activates, all do.
/// Values are encrypted under a key derived for their [`Context`], so none opens in another place
/// than its own.
///
/// ```
/// use keyward_crypto::{Context, FieldKey, KeyRing, OpenError};
///
/// // As a setting has them, newest first.
/// let (old, new) = (FieldKey::generate().expose(), FieldKey::generate().expose());
/// let place = Context::new("webhooks", "token", "7", "");
/// let sealed = KeyRing::parse(old.expose())?.seal("whsec-1", &place, 1_800_000_000);
///
/// let both = KeyRing::parse(&format!("{},{}", new.expose(), old.expose()))?;
/// assert_eq!(both.open(&sealed, &place)?.expose(), "whsec-1");
/// assert_ne!(sealed.key_id(), Some(both.active()));
///
/// let other = KeyRing::parse(new.expose())?.open(&sealed, &place);
/// assert!(matches!(other, Err(OpenError::UnknownKey { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct KeyRing(LiveRing<RingKey>);

impl KeyRing {
    /// A ring of `keys`, newest first.
    pub fn new(keys: Vec<FieldKey>) -> Result<Self, KeyRingError> {
        refuse_duplicates(&keys)?;
        let keys = keys.into_iter().map(|key| RingKey::new(&key));
        LiveRing::new(keys).map(Self).ok_or(KeyRingError::Empty)
    }

    /// Reads a setting: keys separated by commas, newest first.
    pub fn parse(list: &str) -> Result<Self, KeyRingError> {
        Self::new(parse_keys(list, FieldKey::parse)?)
    }

    /// The key that new values are sealed under: the newest, until another one is
    /// [activated](Self::activate).
    #[must_use]
    pub fn active(&self) -> KeyId {
        self.0.keys().active().id
    }

    /// All keys, newest first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + use<> {
        self.0.keys().ids()
    }

    /// Whether the ring has this key.
    #[must_use]
    pub fn holds(&self, kid: &KeyId) -> bool {
        self.0.keys().find(kid).is_some()
    }

    /// Seals new values under this key from now on, and says whether the ring has it.
    ///
    /// For installations where something else than the order of a setting says which key is in use,
    /// because settings differ from node to node while they are rolled out.
    #[must_use = "a key that the ring does not have is not activated"]
    pub fn activate(&self, kid: &KeyId) -> bool {
        self.0.activate(kid)
    }

    /// Opens what another ring opens, too, from now on. Seals under the same key as before.
    pub fn learn_too(&self, other: &Self) {
        self.0.learn_too(&other.0);
    }

    /// Has the keys of another ring from now on, in place of its own. The active key stays active
    /// where it is among them.
    ///
    /// For keys that are read anew while a server runs. Who opens or seals at the same moment does
    /// it with all keys of before or all of now.
    pub fn learn(&self, other: &Self) {
        self.0.learn(&other.0);
    }

    /// Encrypts for one place, under the active key. `now` is in Unix seconds.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness.
    #[must_use]
    pub fn seal(&self, plaintext: &str, context: &Context, now: u64) -> EncryptedString {
        self.0.keys().active().seal(plaintext, context, now)
    }

    /// Encrypts under a chosen key, or returns `None` when the ring lacks it.
    ///
    /// For rotation: which key is active is kept in the database, not in the order of a setting
    /// that differs from node to node while it is rolled out.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness.
    #[must_use]
    pub fn seal_with(
        &self,
        kid: &KeyId,
        plaintext: &str,
        context: &Context,
        now: u64,
    ) -> Option<EncryptedString> {
        Some(self.key(kid)?.seal(plaintext, context, now))
    }

    /// Decrypts a value that was sealed for this place, whenever that was.
    pub fn open(
        &self,
        sealed: &EncryptedString,
        context: &Context,
    ) -> Result<SecretText, OpenError> {
        let (key, token) = self.key_and_token(sealed)?;
        let plaintext = key.token_key(context).decrypt(token)?;
        text(plaintext).ok_or(OpenError::Malformed)
    }

    /// Whether [`open`](Self::open) would succeed, without decrypting.
    ///
    /// For lists that say "set" or "unreadable": no secret is in memory for that. The verdict is
    /// that of `open` but for values which an owner of the key made with broken padding or other
    /// than UTF-8; these pass here.
    pub fn check(&self, sealed: &EncryptedString, context: &Context) -> Result<(), OpenError> {
        let (key, token) = self.key_and_token(sealed)?;
        let token = Token::decode(token).ok_or(OpenError::Malformed)?;
        if key.token_key(context).made(&token) {
            Ok(())
        } else {
            Err(OpenError::Tampered)
        }
    }

    fn key_and_token<'a>(
        &self,
        sealed: &'a EncryptedString,
    ) -> Result<(Arc<RingKey>, &'a str), OpenError> {
        let (kid, token) = sealed.split().ok_or(OpenError::Malformed)?;
        let key = self.key(&kid).ok_or(OpenError::UnknownKey { kid })?;
        Ok((key, token))
    }

    fn key(&self, id: &KeyId) -> Option<Arc<RingKey>> {
        self.0.keys().find(id).cloned()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing")?;
        f.debug_list().entries(self.ids()).finish()
    }
}

/// Why a ring could not be built. No message repeats a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// No key was given. There is no "encryption off".
    #[error("no encryption key is given; generate one with `keyward keys generate`")]
    Empty,
    /// One key is given twice.
    #[error("the encryption key {kid} is given twice")]
    Duplicate {
        /// The key.
        kid: KeyId,
    },
    /// One key cannot be used.
    #[error("encryption key number {position} cannot be used")]
    Key {
        /// Its place in the list, from 1.
        position: usize,
        /// What is wrong with it.
        source: FieldKeyError,
    },
}

/// Why a value does not open. For operators: a client of the API gets no reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The value was sealed under a key that this ring lacks.
    #[error("sealed under the key {kid}, which is not among the encryption keys")]
    UnknownKey {
        /// The key.
        kid: KeyId,
    },
    /// The value was changed, or moved here from another row, column or owner.
    #[error("not sealed for this place, or changed since")]
    Tampered,
    /// The text is no sealed value.
    #[error("not a sealed value")]
    Malformed,
}

impl From<TokenError> for OpenError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Tampered => Self::Tampered,
            TokenError::Malformed => Self::Malformed,
        }
    }
}

pub(crate) fn refuse_duplicates(keys: &[FieldKey]) -> Result<(), KeyRingError> {
    let mut seen = BTreeSet::new();
    match keys.iter().find(|key| !seen.insert(key.id())) {
        Some(again) => Err(KeyRingError::Duplicate { kid: *again.id() }),
        None => Ok(()),
    }
}

/// Reads a comma-separated list with `parse`.
pub(crate) fn parse_keys(
    list: &str,
    parse: impl Fn(&str) -> Result<FieldKey, FieldKeyError>,
) -> Result<Vec<FieldKey>, KeyRingError> {
    if list.trim().is_empty() {
        return Err(KeyRingError::Empty);
    }
    (1..)
        .zip(list.split(','))
        .map(|(position, key)| parse(key).map_err(|source| KeyRingError::Key { position, source }))
        .collect()
}

struct RingKey {
    id: KeyId,
    /// The extracted key, so that only the cheaper half of HKDF is left to do for each value.
    prk: Prk,
}

impl Identified for RingKey {
    fn id(&self) -> &KeyId {
        &self.id
    }
}

impl RingKey {
    fn new(key: &FieldKey) -> Self {
        Self {
            id: *key.id(),
            prk: derive::extract(&**key.bytes()),
        }
    }

    fn seal(&self, plaintext: &str, context: &Context, now: u64) -> EncryptedString {
        let token = self.token_key(context).encrypt(plaintext.as_bytes(), now);
        EncryptedString::join(&self.id, &token)
    }

    fn token_key(&self, context: &Context) -> TokenKey {
        TokenKey::new(derive::expand(&self.prk, &[INFO, context.as_bytes()]))
    }
}

fn text(mut bytes: Zeroizing<Vec<u8>>) -> Option<SecretText> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Some(SecretText::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            None
        }
    }
}

/// Comes before the context. Changing this makes every stored value unreadable.
const INFO: &[u8] = b"keyward/v1/";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const MARKER: &str = "marker marker marker marker marker marker marker marker marker";

    #[test]
    fn the_newest_key_seals_and_every_key_opens() {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let before = ring([&old]).seal(MARKER, &place(), NOW);
        let both = ring([&new, &old]);
        let after = both.seal(MARKER, &place(), NOW);

        assert_eq!(both.active(), *new.id());
        assert_eq!(both.ids().collect::<Vec<_>>(), [*new.id(), *old.id()]);
        assert!(both.holds(new.id()) && both.holds(old.id()));
        assert!(!ring([&old]).holds(new.id()));
        assert_eq!(before.key_id(), Some(*old.id()));
        assert_eq!(after.key_id(), Some(*new.id()));
        assert_eq!(both.open(&before, &place()).unwrap().expose(), MARKER);
        assert_eq!(both.open(&after, &place()).unwrap().expose(), MARKER);
    }

    #[test]
    fn a_chosen_key_seals_when_the_ring_has_it() {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let both = ring([&new, &old]);

        let sealed = both.seal_with(old.id(), MARKER, &place(), NOW).unwrap();

        assert_eq!(sealed.key_id(), Some(*old.id()));
        assert!(
            ring([&new])
                .seal_with(old.id(), MARKER, &place(), NOW)
                .is_none()
        );
    }

    #[test]
    fn the_activated_key_seals_in_every_clone() {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let both = ring([&new, &old]);
        let clone = both.clone();

        assert!(clone.activate(old.id()));

        assert_eq!(both.active(), *old.id());
        let sealed = both.seal(MARKER, &place(), NOW);
        assert_eq!(sealed.key_id(), Some(*old.id()));
        assert!(!both.activate(FieldKey::generate().id()));
        assert_eq!(both.active(), *old.id());
    }

    #[test]
    fn a_ring_that_learns_more_keys_keeps_its_own() {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let running = ring([&old]);
        let sealed = ring([&new]).seal(MARKER, &place(), NOW);

        for _ in 0..2 {
            running.learn_too(&ring([&new, &old]));

            assert_eq!(running.ids().collect::<Vec<_>>(), [*old.id(), *new.id()]);
            assert_eq!(running.active(), *old.id());
            assert_eq!(running.open(&sealed, &place()).unwrap().expose(), MARKER);
        }
    }

    #[test]
    fn a_ring_learns_new_keys_and_goes_on_with_the_active_one() {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let running = ring([&old]);
        let clone = running.clone();
        let sealed = ring([&new]).seal(MARKER, &place(), NOW);
        assert!(clone.open(&sealed, &place()).is_err());

        running.learn(&ring([&new, &old]));

        assert_eq!(clone.open(&sealed, &place()).unwrap().expose(), MARKER);
        assert_eq!(clone.active(), *old.id());
        running.learn(&ring([&new]));
        assert_eq!(clone.active(), *new.id(), "the other one is gone");
    }

    #[test]
    fn a_value_under_an_unknown_key_names_the_key() {
        let (mine, theirs) = (FieldKey::generate(), FieldKey::generate());
        let sealed = ring([&theirs]).seal(MARKER, &place(), NOW);

        let expected = OpenError::UnknownKey { kid: *theirs.id() };
        assert_eq!(refusal(&ring([&mine]), &sealed, &place()), expected);
        assert!(expected.to_string().contains(theirs.id().as_str()));
    }

    #[test]
    fn a_value_does_not_open_in_another_place() {
        let ring = ring([&FieldKey::generate()]);
        let sealed = ring.seal(MARKER, &place(), NOW);
        let others = [
            Context::new("users", "secret", "row-7", "owner-1"),
            Context::new("credentials", "token", "row-7", "owner-1"),
            Context::new("credentials", "secret", "row-8", "owner-1"),
            Context::new("credentials", "secret", "row-7", "owner-2"),
            Context::new("credentials", "secret", "owner-1", "row-7"),
            Context::new("", "", "", ""),
        ];
        for other in others {
            assert_eq!(refusal(&ring, &sealed, &other), OpenError::Tampered);
        }
    }

    #[test]
    fn a_token_does_not_open_under_the_name_of_another_key() {
        let (one, other) = (FieldKey::generate(), FieldKey::generate());
        let both = ring([&one, &other]);
        let sealed = both.seal(MARKER, &place(), NOW);
        let renamed = EncryptedString::join(other.id(), sealed.split().unwrap().1);
        assert_eq!(refusal(&both, &renamed, &place()), OpenError::Tampered);
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let ring = ring([&FieldKey::generate()]);
        let sealed = ring.seal(MARKER, &place(), NOW);
        let mut flips = 0;

        for position in 0..sealed.as_stored().len() {
            // With the eighth bit the text would be no UTF-8, and no store would return it.
            for bit in 0..7 {
                let mut bytes = sealed.as_stored().as_bytes().to_vec();
                bytes[position] ^= 1 << bit;
                let flipped = EncryptedString::from_stored(String::from_utf8(bytes).unwrap());
                let _ = refusal(&ring, &flipped, &place());
                flips += 1;
            }
        }

        assert!(flips >= 1_000, "{flips}");
    }

    #[test]
    fn a_value_opens_whenever_it_was_sealed() {
        let ring = ring([&FieldKey::generate()]);
        for now in [0, NOW, NOW + 10 * 365 * 86_400, u64::MAX - 60, u64::MAX] {
            let sealed = ring.seal(MARKER, &place(), now);
            assert_eq!(ring.check(&sealed, &place()), Ok(()), "{now}");
            assert_eq!(
                ring.open(&sealed, &place()).unwrap().expose(),
                MARKER,
                "{now}"
            );
        }
    }

    #[test]
    fn the_same_text_is_sealed_differently_each_time() {
        let ring = ring([&FieldKey::generate()]);
        assert_ne!(
            ring.seal(MARKER, &place(), NOW),
            ring.seal(MARKER, &place(), NOW)
        );
    }

    #[test]
    fn text_that_was_never_sealed_is_malformed() {
        let key = FieldKey::generate();
        let ring = ring([&key]);
        let stored = [
            String::new(),
            MARKER.to_owned(),
            "gAAAAABl".to_owned(),
            format!("v1.{}.", key.id()),
            format!("v1.{}.{MARKER}", key.id()),
            format!("v1.{}.gAAAAABl", key.id()),
        ];
        for text in stored {
            let sealed = EncryptedString::from_stored(text.clone());
            assert_eq!(
                refusal(&ring, &sealed, &place()),
                OpenError::Malformed,
                "{text}"
            );
        }
    }

    #[test]
    fn bytes_that_are_no_text_pass_the_check_and_do_not_open() {
        let key = FieldKey::generate();
        let ring = ring([&key]);
        let token = RingKey::new(&key)
            .token_key(&place())
            .encrypt(b"\xff\xfe", NOW);
        let sealed = EncryptedString::join(key.id(), &token);

        assert_eq!(ring.check(&sealed, &place()), Ok(()));
        assert_eq!(
            ring.open(&sealed, &place()).unwrap_err(),
            OpenError::Malformed
        );
    }

    #[test]
    fn a_list_is_read_newest_first() {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let list = format!(" {} ,\n{}\n", new.expose().expose(), old.expose().expose());
        let ring = KeyRing::parse(&list).unwrap();
        assert_eq!(ring.ids().collect::<Vec<_>>(), [*new.id(), *old.id()]);
    }

    #[test]
    fn a_bad_list_says_which_key_is_at_fault() {
        let key = FieldKey::generate();
        let good = key.expose();
        let good = good.expose();
        let example = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
        let key_error = |position, source| KeyRingError::Key { position, source };
        let cases = [
            (String::new(), KeyRingError::Empty),
            (" \n".to_owned(), KeyRingError::Empty),
            (
                format!("{good},{good}"),
                KeyRingError::Duplicate { kid: *key.id() },
            ),
            (format!("{good},"), key_error(2, FieldKeyError::Malformed)),
            (
                format!("{good},nonsense"),
                key_error(2, FieldKeyError::Malformed),
            ),
            (
                format!("{example},{good}"),
                key_error(1, FieldKeyError::Example),
            ),
        ];
        for (list, expected) in cases {
            let error = KeyRing::parse(&list).unwrap_err();
            assert_eq!(error, expected);
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains(good) && !shown.contains("nonsense"),
                "{shown}"
            );
        }
        assert_eq!(KeyRing::new(vec![]).unwrap_err(), KeyRingError::Empty);
    }

    #[test]
    fn debug_shows_key_ids_only() {
        let key = FieldKey::generate();
        assert_eq!(
            format!("{:?}", ring([&key])),
            format!("KeyRing[KeyId({})]", key.id())
        );
    }

    #[test]
    fn rings_cross_threads() {
        fn crosses<T: Send + Sync + Clone + 'static>() {}
        crosses::<KeyRing>();
    }

    proptest! {
        #[test]
        fn whatever_is_sealed_opens_in_its_place(text: String, place: [String; 4], now: u64) {
            let ring = ring([&fixed_key()]);
            let [table, column, row, owner] = &place;
            let context = Context::new(table, column, row, owner);
            let sealed = ring.seal(&text, &context, now);
            prop_assert_eq!(ring.check(&sealed, &context), Ok(()));
            let opened = ring.open(&sealed, &context).unwrap();
            prop_assert_eq!(opened.expose(), text);
        }

        #[test]
        fn no_stored_text_makes_it_panic(text: String, prefixed: bool) {
            let key = fixed_key();
            let text = if prefixed { format!("v1.{}.{text}", key.id()) } else { text };
            let sealed = EncryptedString::from_stored(text);
            let _ = refusal(&ring([&key]), &sealed, &place());
        }
    }

    /// Why a value neither opens nor passes the check.
    fn refusal(ring: &KeyRing, sealed: &EncryptedString, place: &Context) -> OpenError {
        let error = ring.open(sealed, place).expect_err("it must not open");
        assert_eq!(
            ring.check(sealed, place),
            Err(error.clone()),
            "check disagrees with open"
        );
        assert!(!error.to_string().contains("marker"), "{error}");
        error
    }

    fn ring<const N: usize>(keys: [&FieldKey; N]) -> KeyRing {
        let copies = keys.map(|key| FieldKey::danger_parse_any(key.expose().expose()).unwrap());
        KeyRing::new(copies.into()).unwrap()
    }

    fn fixed_key() -> FieldKey {
        FieldKey::danger_parse_any("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
    }

    fn place() -> Context {
        Context::new("credentials", "secret", "row-7", "owner-1")
    }
}
