use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use ring::hkdf::Prk;
use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::derive;
use crate::key_id::KeyId;
use crate::live_ring::{Identified, LiveRing};
use crate::mac::Mac;
use crate::mac_purpose::MacPurpose;
use crate::parts;
use crate::placeholder;
use crate::random::random_bytes;
use crate::retired_secrets::{MalformedAuditKey, RetiredSecrets};
use crate::secret::SecretText;

/// The secrets of `SECRET_KEY`: makes MACs under the newest and verifies those of any.
///
/// Cheap to clone, and all clones are one ring: what one of them learns or activates, all do. What
/// these MACs cover cannot be made up by somebody who can write to the database but does not know
/// the secret.
///
/// ```
/// use keyward_crypto::{MacPurpose, MacRing};
///
/// let ring = MacRing::parse(MacRing::generate_secret().expose())?;
/// let mac = ring.mac(MacPurpose::UserRow, &[b"ada", b"admin"]);
/// assert!(ring.verify(MacPurpose::UserRow, &[b"ada", b"admin"], &mac));
/// // Nothing moves from one part into the next, and from one purpose to another.
/// assert!(!ring.verify(MacPurpose::UserRow, &[b"adaa", b"dmin"], &mac));
/// assert!(!ring.verify(MacPurpose::ApiKeyRow, &[b"ada", b"admin"], &mac));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MacRing {
    ring: LiveRing<RingKey>,
    retired: RetiredSecrets,
}

impl MacRing {
    /// Reads a setting: secrets separated by commas, newest first, each of 32 bytes or more.
    ///
    /// White space around a secret is dropped. Secrets that look like an example are refused, and
    /// so are those with fewer than six different characters.
    pub fn parse(list: &str) -> Result<Self, SecretKeyError> {
        Self::parse_with(list, placeholder::looks_like_one)
    }

    /// Reads a setting as [`parse`](Self::parse) does, but takes examples too.
    ///
    /// For test vectors. Who can look up the secret can make every MAC.
    pub fn danger_parse_any(list: &str) -> Result<Self, SecretKeyError> {
        Self::parse_with(list, |_| false)
    }

    /// Draws a new secret: 43 URL-safe characters that hold 256 random bits.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness, see [`random_bytes`].
    #[must_use]
    pub fn generate_secret() -> SecretText {
        loop {
            let bytes = Zeroizing::new(random_bytes::<32>());
            let secret = SecretText::new(BASE64URL_NOPAD.encode(&*bytes));
            // Once in ten million times a placeholder turns up by chance.
            if !placeholder::looks_like_one(secret.expose()) {
                return secret;
            }
        }
    }

    /// The key that new MACs are made under: the newest, until another one is
    /// [activated](Self::activate).
    #[must_use]
    pub fn active(&self) -> KeyId {
        self.ring.keys().active().id
    }

    /// All keys, newest first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + use<> {
        self.ring.keys().ids()
    }

    /// Whether the ring has this key.
    #[must_use]
    pub fn holds(&self, kid: &KeyId) -> bool {
        self.ring.keys().find(kid).is_some()
    }

    /// Makes new MACs under this key from now on, and says whether the ring has it. One that is
    /// [retired](Self::retire) does not become active.
    #[must_use = "a key that the ring does not have is not activated"]
    pub fn activate(&self, kid: &KeyId) -> bool {
        !self.retired.has(kid) && self.ring.activate(kid)
    }

    /// Takes a key out of use for ever, though settings may still have it: from now on it verifies
    /// the events of the audit log that it has signed, and nothing else.
    ///
    /// Somebody may have it who should not. The key that is active stays as it is.
    pub fn retire(&self, kid: &KeyId) {
        let keys = self.ring.keys();
        if keys.active().id == *kid || self.retired.reads(kid) {
            return;
        }
        match keys.find(kid) {
            Some(key) => {
                // What was exported just now can be read.
                let _ = self.retired.add(*kid, &RetiredSecrets::export(&key.prk));
            }
            None => self.retired.add_without_key(*kid),
        }
    }

    /// Verifies what another ring verifies, too, from now on. Signs with the same key as before.
    pub fn learn_too(&self, other: &Self) {
        self.ring.learn_too(&other.ring);
    }

    /// Has the keys of another ring from now on, in place of its own. The active key stays active
    /// where it is among them, and so do [audit keys](Self::add_audit_key).
    pub fn learn(&self, other: &Self) {
        self.ring.learn(&other.ring);
    }

    /// Authenticates `parts` for one purpose, under the active key.
    ///
    /// Parts are told apart: `["ab", "c"]` and `["a", "bc"]` have different MACs.
    ///
    /// # Panics
    ///
    /// If a part has 4 GiB or more.
    #[must_use]
    pub fn mac(&self, purpose: MacPurpose, parts: &[&[u8]]) -> Mac {
        let keys = self.ring.keys();
        let key = keys.active();
        Mac::new(key.id, key.compute(purpose, parts))
    }

    /// The same under every key, newest first: to recognise later what an older key has made,
    /// without keeping the parts.
    ///
    /// # Panics
    ///
    /// If a part has 4 GiB or more.
    #[must_use]
    pub fn macs(&self, purpose: MacPurpose, parts: &[&[u8]]) -> Vec<Mac> {
        let keys = self.ring.keys();
        keys.iter()
            .map(|key| Mac::new(key.id, key.compute(purpose, parts)))
            .collect()
    }

    /// Whether `mac` was made for this purpose and these parts by the key that it names.
    ///
    /// A key that this ring lacks has made nothing. Takes the same time wherever two MACs differ.
    ///
    /// # Panics
    ///
    /// If a part has 4 GiB or more.
    #[must_use]
    pub fn verify(&self, purpose: MacPurpose, parts: &[&[u8]], mac: &Mac) -> bool {
        let keys = self.ring.keys();
        match keys.find(mac.key_id()) {
            Some(key) if !self.retired.has(&key.id) => {
                key.compute(purpose, parts).ct_eq(mac.as_bytes()).into()
            }
            _ => self.retired.verify(purpose, parts, mac),
        }
    }

    /// Whether events of the audit log that name this key can be verified, be it a key of the ring or
    /// an [audit key](Self::add_audit_key).
    #[must_use]
    pub fn reads_audit_of(&self, kid: &KeyId) -> bool {
        self.holds(kid) || self.retired.reads(kid)
    }

    /// What is needed of a key of this ring to verify the events that it has signed, and only that:
    /// nothing else that the secret signs can be made with it, not even the end of the log. `None`
    /// when the ring lacks the key.
    ///
    /// To be kept, sealed, when a secret is retired: its events are not signed anew, because
    /// exported anchors name their MACs.
    #[must_use]
    pub fn audit_key(&self, kid: &KeyId) -> Option<SecretText> {
        let keys = self.ring.keys();
        keys.find(kid).map(|key| RetiredSecrets::export(&key.prk))
    }

    /// Verifies the events that a [retired](Self::retire) secret has signed, by its
    /// [audit key](Self::audit_key).
    pub fn add_audit_key(&self, kid: KeyId, key: &SecretText) -> Result<(), MalformedAuditKey> {
        self.retired.add(kid, key)
    }

    fn parse_with(list: &str, is_refused: impl Fn(&str) -> bool) -> Result<Self, SecretKeyError> {
        if list.trim().is_empty() {
            return Err(SecretKeyError::Empty);
        }
        let mut keys: Vec<RingKey> = Vec::new();
        for (position, secret) in (1..).zip(list.split(',').map(str::trim)) {
            if secret.len() < MIN_BYTES {
                return Err(SecretKeyError::TooShort { position });
            }
            if is_refused(secret) {
                return Err(SecretKeyError::Example { position });
            }
            let key = RingKey::new(secret);
            if keys.iter().any(|earlier| earlier.id == key.id) {
                return Err(SecretKeyError::Duplicate { position });
            }
            keys.push(key);
        }
        let ring = LiveRing::new(keys).ok_or(SecretKeyError::Empty)?;
        Ok(Self {
            ring,
            retired: RetiredSecrets::default(),
        })
    }
}

impl fmt::Debug for MacRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacRing")?;
        f.debug_list().entries(self.ids()).finish()
    }
}

/// Why a `SECRET_KEY` was refused. No message repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretKeyError {
    /// No secret was given.
    #[error("no secret key is given")]
    Empty,
    /// A secret has fewer than 32 bytes.
    #[error("secret key number {position} is shorter than 32 bytes")]
    TooShort {
        /// Its place in the list, from 1.
        position: usize,
    },
    /// A secret looks like a placeholder, such as `change-me-in-production`.
    #[error("secret key number {position} looks like an example, which anyone can guess")]
    Example {
        /// Its place in the list, from 1.
        position: usize,
    },
    /// A secret is given twice.
    #[error("secret key number {position} is given before")]
    Duplicate {
        /// The place of the second one in the list, from 1.
        position: usize,
    },
}

/// One secret and the keys derived from it. MACs are made on every request, so nothing is left to
/// derive by then.
struct RingKey {
    id: KeyId,
    /// For the audit key alone.
    prk: Prk,
    /// In the order of [`MacPurpose::ALL`].
    purposes: [hmac::Key; MacPurpose::ALL.len()],
}

impl RingKey {
    fn new(secret: &str) -> Self {
        let prk = derive::extract(secret.as_bytes());
        Self {
            id: KeyId::of(&prk),
            purposes: MacPurpose::ALL
                .map(|purpose| hmac::Key::new(hmac::HMAC_SHA256, &*purpose_bytes(&prk, purpose))),
            prk,
        }
    }

    fn compute(&self, purpose: MacPurpose, parts: &[&[u8]]) -> [u8; 32] {
        compute(self.key(purpose), parts)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "MacPurpose::ALL has every purpose at its own place"
    )]
    fn key(&self, purpose: MacPurpose) -> &hmac::Key {
        &self.purposes[purpose as usize]
    }
}

impl Identified for RingKey {
    fn id(&self) -> &KeyId {
        &self.id
    }
}

pub(crate) fn compute(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    parts::encode(parts.iter().copied(), |chunk| context.update(chunk));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}

pub(crate) fn purpose_bytes(prk: &Prk, purpose: MacPurpose) -> Zeroizing<[u8; 32]> {
    derive::expand::<32>(prk, &[INFO, purpose.name().as_bytes()])
}

const INFO: &[u8] = b"keyward/v1/mac/";
const MIN_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_mac_is_verified_for_its_purpose_and_parts_only() {
        let ring = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let mac = ring.mac(MacPurpose::UserRow, &[b"ab", b"c"]);

        assert!(ring.verify(MacPurpose::UserRow, &[b"ab", b"c"], &mac));
        let other_parts: [&[&[u8]]; 6] = [
            &[b"a", b"bc"],
            &[b"abc"],
            &[b"ab", b"c", b""],
            &[b"c", b"ab"],
            &[b"ab"],
            &[],
        ];
        for parts in other_parts {
            assert!(!ring.verify(MacPurpose::UserRow, parts, &mac), "{parts:?}");
        }
        for purpose in MacPurpose::ALL {
            let fits = ring.verify(purpose, &[b"ab", b"c"], &mac);
            assert_eq!(fits, purpose == MacPurpose::UserRow, "{purpose:?}");
        }
    }

    #[test]
    fn every_purpose_has_its_own_key() {
        let ring = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let macs: HashSet<_> = MacPurpose::ALL
            .map(|purpose| *ring.mac(purpose, &[]).as_bytes())
            .into_iter()
            .collect();
        assert_eq!(macs.len(), MacPurpose::ALL.len());
    }

    #[test]
    fn no_flipped_bit_of_a_mac_goes_unnoticed() {
        let ring = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let mac = ring.mac(MacPurpose::AuditHead, &[b"x"]);
        for bit in 0..256 {
            let mut bytes = *mac.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let flipped = Mac::new(*mac.key_id(), bytes);
            assert!(
                !ring.verify(MacPurpose::AuditHead, &[b"x"], &flipped),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn macs_of_an_older_secret_stay_valid_until_it_is_removed() {
        let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
        let before = MacRing::parse(old.expose()).unwrap();
        let during = MacRing::parse(&format!("{},\n {}\n", new.expose(), old.expose())).unwrap();
        let after = MacRing::parse(new.expose()).unwrap();

        let mac = before.mac(MacPurpose::AuditHead, &[b"x"]);

        assert!(during.verify(MacPurpose::AuditHead, &[b"x"], &mac));
        assert!(!after.verify(MacPurpose::AuditHead, &[b"x"], &mac));
        assert_eq!(during.active(), after.active());
        assert_eq!(
            during.ids().collect::<Vec<_>>(),
            [after.active(), before.active()]
        );
        assert_eq!(
            *during.mac(MacPurpose::AuditHead, &[b"x"]).key_id(),
            after.active()
        );
    }

    #[test]
    fn the_activated_secret_signs_in_every_clone() {
        let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
        let ring = MacRing::parse(&format!("{},{}", new.expose(), old.expose())).unwrap();
        let older = MacRing::parse(old.expose()).unwrap().active();
        let clone = ring.clone();

        assert!(clone.activate(&older));

        assert_eq!(ring.active(), older);
        assert_eq!(*ring.mac(MacPurpose::UserRow, &[]).key_id(), older);
        let strange = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        assert!(!ring.activate(&strange.active()));
        assert_eq!(ring.active(), older);
    }

    #[test]
    fn a_ring_learns_new_secrets_and_goes_on_with_the_active_one() {
        let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
        let running = MacRing::parse(old.expose()).unwrap();
        let (clone, older) = (running.clone(), running.active());
        let newer = MacRing::parse(new.expose()).unwrap();
        let mac = newer.mac(MacPurpose::UserRow, &[b"x"]);
        assert!(!clone.verify(MacPurpose::UserRow, &[b"x"], &mac));

        let both = MacRing::parse(&format!("{},{}", new.expose(), old.expose())).unwrap();
        running.learn_too(&newer);
        assert!(running.holds(&older) && running.holds(&newer.active()));
        assert_eq!(running.active(), older);
        running.learn(&both);

        assert!(clone.verify(MacPurpose::UserRow, &[b"x"], &mac));
        assert!(clone.holds(&newer.active()));
        assert_eq!(clone.active(), older);
    }

    #[test]
    fn an_audit_key_verifies_the_audit_log_of_its_secret_and_nothing_else() {
        let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
        let before = MacRing::parse(old.expose()).unwrap();
        let after = MacRing::parse(new.expose()).unwrap();
        let kid = before.active();
        let key = before.audit_key(&kid).unwrap();
        assert!(after.audit_key(&kid).is_none());
        assert!(!after.reads_audit_of(&kid));

        after.add_audit_key(kid, &key).unwrap();

        assert!(after.reads_audit_of(&kid));
        assert!(!after.holds(&kid));
        for purpose in MacPurpose::ALL {
            let mac = before.mac(purpose, &[b"x"]);
            let is_audit = purpose == MacPurpose::AuditEvent;
            assert_eq!(
                after.verify(purpose, &[b"x"], &mac),
                is_audit,
                "{purpose:?}"
            );
            assert!(!after.verify(purpose, &[b"y"], &mac), "{purpose:?}");
        }
        assert!(
            !after.activate(&kid),
            "nothing is signed by a retired secret"
        );
    }

    #[test]
    fn a_retired_secret_verifies_its_events_and_nothing_else_though_the_setting_has_it() {
        let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
        let ring = MacRing::parse(&format!("{},{}", new.expose(), old.expose())).unwrap();
        let older = MacRing::parse(old.expose()).unwrap();
        let (kid, active) = (older.active(), ring.active());
        let clone = ring.clone();

        ring.retire(&kid);
        ring.retire(&active);

        for purpose in MacPurpose::ALL {
            let verifies = |by: &MacRing| clone.verify(purpose, &[b"x"], &by.mac(purpose, &[b"x"]));
            assert!(
                verifies(&ring),
                "{purpose:?}: the active one cannot be retired"
            );
            assert_eq!(
                verifies(&older),
                purpose == MacPurpose::AuditEvent,
                "{purpose:?}"
            );
        }
        assert!(!clone.activate(&kid));
        clone.learn(&MacRing::parse(&format!("{},{}", new.expose(), old.expose())).unwrap());
        let forged = older.mac(MacPurpose::UserRow, &[b"x"]);
        assert!(
            !ring.verify(MacPurpose::UserRow, &[b"x"], &forged),
            "read anew"
        );
    }

    #[test]
    fn a_ring_that_learns_another_one_has_its_keys_and_no_others() {
        let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
        let running = MacRing::parse(old.expose()).unwrap();
        let other = MacRing::parse(new.expose()).unwrap();
        let (before, after) = (running.active(), other.active());

        running.clone().learn(&other);

        assert!(running.holds(&after) && !running.holds(&before));
        assert_eq!(running.active(), after);
    }

    #[test]
    fn every_retired_secret_is_known_and_those_with_an_audit_key_are_read() {
        let ring = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let others: Vec<_> = (0..3)
            .map(|_| MacRing::parse(MacRing::generate_secret().expose()).unwrap())
            .collect();
        let ids: Vec<_> = others.iter().map(MacRing::active).collect();
        for (other, kid) in others.iter().zip(&ids).take(2) {
            let key = other.audit_key(kid).unwrap();
            ring.add_audit_key(*kid, &key).unwrap();
        }
        ring.retire(&ids[2]);

        let read: Vec<_> = ids.iter().map(|kid| ring.reads_audit_of(kid)).collect();
        assert_eq!(read, [true, true, false]);
        // What comes back in a setting later is retired all the same.
        ring.learn_too(&others[2]);
        assert!(ring.holds(&ids[2]) && !ring.activate(&ids[2]));
        let late = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        assert!(!ring.reads_audit_of(&late.active()));
    }

    #[test]
    fn other_text_is_no_audit_key() {
        let ring = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let key = ring.audit_key(&ring.active()).unwrap();
        for text in ["", "marker", &key.expose()[1..]] {
            let error = ring.add_audit_key(ring.active(), &SecretText::new(text.to_owned()));
            let shown = format!("{:?}", error.unwrap_err());
            assert!(!shown.contains("marker"), "{shown}");
        }
    }

    #[test]
    fn macs_under_every_key_are_those_that_each_key_alone_makes() {
        let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
        let both = MacRing::parse(&format!("{},{}", new.expose(), old.expose())).unwrap();
        let alone = [new, old].map(|secret| {
            let ring = MacRing::parse(secret.expose()).unwrap();
            ring.mac(MacPurpose::IdempotentRequest, &[b"x"])
        });
        assert_eq!(both.macs(MacPurpose::IdempotentRequest, &[b"x"]), alone);
    }

    #[test]
    fn a_mac_is_not_valid_under_the_name_of_another_key() {
        let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
        let ring = MacRing::parse(&format!("{},{}", new.expose(), old.expose())).unwrap();
        let mac = ring.mac(MacPurpose::AuditHead, &[b"x"]);
        let oldest = ring.ids().last().unwrap();
        let renamed = Mac::new(oldest, *mac.as_bytes());
        assert!(!ring.verify(MacPurpose::AuditHead, &[b"x"], &renamed));
    }

    #[test]
    fn generated_secrets_are_long_different_and_accepted() {
        let secrets: HashSet<_> = (0..1000)
            .map(|_| MacRing::generate_secret().expose().to_owned())
            .collect();
        assert_eq!(secrets.len(), 1000);
        for secret in secrets {
            assert_eq!(secret.len(), 43);
            assert!(MacRing::parse(&secret).is_ok());
        }
    }

    #[test]
    fn a_bad_list_says_which_secret_is_at_fault() {
        let good = MacRing::generate_secret();
        let good = good.expose();
        let cases = [
            (String::new(), SecretKeyError::Empty),
            (" \n".to_owned(), SecretKeyError::Empty),
            (
                "marker".to_owned(),
                SecretKeyError::TooShort { position: 1 },
            ),
            (format!("{good},"), SecretKeyError::TooShort { position: 2 }),
            (
                format!("{good},{}", &good[..31]),
                SecretKeyError::TooShort { position: 2 },
            ),
            (
                format!("{good},marker-change-me-in-production-0"),
                SecretKeyError::Example { position: 2 },
            ),
            (
                format!("{},{good}", "x".repeat(40)),
                SecretKeyError::Example { position: 1 },
            ),
            (
                format!("{good}, {good}"),
                SecretKeyError::Duplicate { position: 2 },
            ),
        ];
        for (list, expected) in cases {
            let error = MacRing::parse(&list).unwrap_err();
            assert_eq!(error, expected);
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains(good) && !shown.contains("marker"),
                "{shown}"
            );
        }
    }

    #[test]
    fn examples_are_taken_for_test_vectors_but_short_secrets_are_not() {
        assert!(MacRing::danger_parse_any("an-example-secret-of-forty-characters-12").is_ok());
        let short = MacRing::danger_parse_any("example").unwrap_err();
        assert_eq!(short, SecretKeyError::TooShort { position: 1 });
    }

    #[test]
    fn debug_shows_key_ids_only() {
        let ring = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        assert_eq!(
            format!("{ring:?}"),
            format!("MacRing[KeyId({})]", ring.active())
        );
    }

    #[test]
    fn rings_cross_threads() {
        fn crosses<T: Send + Sync + Clone + 'static>() {}
        crosses::<MacRing>();
    }
}
