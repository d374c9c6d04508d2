use std::fmt;

use crate::api_key_id::ApiKeyId;
use crate::foreign_key::ForeignKey;
use crate::mac::Mac;
use crate::mac_purpose::MacPurpose;
use crate::secret_key::MacRing;
use crate::tagged_secret::TaggedSecret;

/// A bearer key as its owner sees it, shown once at creation and never stored:
/// `kw_<kind>_<id><secret><checksum>`, or the text of a key that another system made
/// ([`ApiKeyKind::Foreign`]).
///
/// Keep [`id`](Self::id) and [`mac`](Self::mac) instead. The text is overwritten when dropped,
/// `Debug` shows kind and id only, and there is no `Display`, so a key cannot reach a log line by
/// accident.
///
/// ```
/// use keyward_crypto::{ApiKey, ApiKeyKind, MacRing};
///
/// let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// let key = ApiKey::generate(ApiKeyKind::User);
/// // Kept are its id and its MAC.
/// let (id, stored) = (key.id(), key.mac(&macs));
///
/// let presented = ApiKey::parse(key.expose())?;
/// assert_eq!(presented.id(), id);
/// assert!(presented.matches(&macs, &stored));
/// // A mistyped one is refused without a look at the storage.
/// assert!(ApiKey::parse(&key.expose().replace("kw_user_", "kw_login_")).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ApiKey {
    kind: ApiKeyKind,
    form: Form,
}

/// What the text consists of. The forms have different lengths, so no text has both.
enum Form {
    Tagged(TaggedSecret),
    Foreign(ForeignKey),
}

impl ApiKey {
    /// Draws a new key with 256 random bits. A foreign one is as another system would make it.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness, see [`random_bytes`](crate::random_bytes).
    #[must_use]
    pub fn generate(kind: ApiKeyKind) -> Self {
        let form = match kind.prefix() {
            Some(prefix) => Form::Tagged(TaggedSecret::generate(prefix)),
            None => Form::Foreign(ForeignKey::generate()),
        };
        Self { kind, form }
    }

    /// Reads a key from a request.
    ///
    /// The checksum tells a mistyped key from an unknown one before any store is asked. Foreign keys
    /// have none: whether there is such a key, only a store can say.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        ApiKeyKind::ALL
            .into_iter()
            .find_map(|kind| {
                let form = match kind.prefix() {
                    Some(prefix) => Form::Tagged(TaggedSecret::parse(prefix, text)?),
                    None => Form::Foreign(ForeignKey::parse(text)?),
                };
                Some(Self { kind, form })
            })
            .ok_or(MalformedKey)
    }

    /// Who the key is for.
    #[must_use]
    pub fn kind(&self) -> ApiKeyKind {
        self.kind
    }

    /// The public id.
    #[must_use]
    pub fn id(&self) -> ApiKeyId {
        ApiKeyId(match &self.form {
            Form::Tagged(tagged) => *tagged.id(),
            Form::Foreign(foreign) => *foreign.id(),
        })
    }

    /// The key itself, for the one response that hands it to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        match &self.form {
            Form::Tagged(tagged) => tagged.expose(),
            Form::Foreign(foreign) => foreign.expose(),
        }
    }

    /// What to store, and to compare with later by [`matches`](Self::matches).
    #[must_use]
    pub fn mac(&self, ring: &MacRing) -> Mac {
        ring.mac(MacPurpose::ApiKey, &self.mac_parts(self.id().as_str()))
    }

    /// Whether `mac` was made of this key.
    #[must_use]
    pub fn matches(&self, ring: &MacRing, mac: &Mac) -> bool {
        ring.verify(MacPurpose::ApiKey, &self.mac_parts(self.id().as_str()), mac)
    }

    // A fast MAC is enough: the secret has 256 random bits (a UUID 122), so there is nothing to
    // guess and no reason to pay for a slow hash on every request.
    fn mac_parts<'a>(&'a self, id: &'a str) -> [&'a [u8]; 3] {
        [self.kind.as_str().as_bytes(), id.as_bytes(), self.secret()]
    }

    /// The part that nobody else knows; of a foreign key all of it.
    fn secret(&self) -> &[u8] {
        match &self.form {
            Form::Tagged(tagged) => tagged.secret(),
            Form::Foreign(foreign) => foreign.expose().as_bytes(),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.kind.prefix().unwrap_or("foreign ");
        write!(f, "ApiKey({prefix}{}..)", self.id())
    }
}

/// Who an API key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApiKeyKind {
    /// A person's own key, for scripts.
    User,
    /// An agent.
    Agent,
    /// A session: made by logging in, short-lived.
    Login,
    /// A key that another system made and an import brought. Whether its owner is a person or an
    /// agent, it does not say.
    Foreign,
}

impl ApiKeyKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::User, Self::Agent, Self::Login, Self::Foreign];

    /// The name, as it stands in the database and, but for foreign ones, in a key.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::Login => "login",
            Self::Foreign => "foreign",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// How a key of this kind starts; `None` for foreign ones. Secret scanners look for it.
    fn prefix(self) -> Option<&'static str> {
        match self {
            Self::User => Some("kw_user_"),
            Self::Agent => Some("kw_agent_"),
            Self::Login => Some("kw_login_"),
            Self::Foreign => None,
        }
    }
}

/// The text is no API key or login ticket of this service, or was mistyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed key")]
pub struct MalformedKey;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_generated_key_reads_back() {
        for kind in ApiKeyKind::ALL {
            let key = ApiKey::generate(kind);
            let read = ApiKey::parse(key.expose()).unwrap();
            assert_eq!(read.expose(), key.expose());
            assert_eq!(read.kind(), kind);
            assert_eq!(read.id(), key.id());
            assert_eq!(ApiKeyKind::parse(kind.as_str()), Some(kind));
            if kind == ApiKeyKind::Foreign {
                assert_eq!(key.expose().len(), 43);
                continue;
            }
            let start = format!("kw_{}_{}", kind.as_str(), key.id());
            assert!(key.expose().starts_with(&start));
            assert_eq!(key.expose().len(), start.len() + 43 + 6);
        }
    }

    #[test]
    fn a_foreign_key_is_never_taken_for_one_of_ours() {
        let ring = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let ours = ApiKey::generate(ApiKeyKind::User);
        let secret = std::str::from_utf8(ours.secret()).unwrap();
        for text in [secret, "0f8fad5b-d9cb-469f-a165-70867728950e"] {
            let foreign = ApiKey::parse(text).unwrap();
            assert_eq!(foreign.kind(), ApiKeyKind::Foreign);
            assert_ne!(foreign.id(), ours.id());
            assert!(!foreign.matches(&ring, &ours.mac(&ring)));
            assert!(!ours.matches(&ring, &foreign.mac(&ring)));
            assert!(foreign.matches(&ring, &foreign.mac(&ring)));
        }
        // The beginning of one of ours is a foreign key that nobody has.
        let cut = ApiKey::parse(&ours.expose()[..43]).unwrap();
        assert_eq!(cut.kind(), ApiKeyKind::Foreign);
        assert_ne!(cut.id(), ours.id());
    }

    #[test]
    fn the_whole_text_of_a_foreign_key_is_its_secret() {
        let ring = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let text = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let key = ApiKey::parse(text).unwrap();
        let id = key.id();
        let parts = ["foreign", id.as_str(), text].map(str::as_bytes);
        assert_eq!(key.mac(&ring), ring.mac(MacPurpose::ApiKey, &parts));
        let other = ApiKey::parse(&text.replace("0e", "0f")).unwrap();
        assert_ne!(other.id(), key.id());
        assert!(!other.matches(&ring, &key.mac(&ring)));
    }

    #[test]
    fn no_changed_character_goes_unnoticed() {
        let key = ApiKey::generate(ApiKeyKind::Agent);
        for (position, original) in key.expose().char_indices() {
            for other in
                "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_- \u{e9}".chars()
            {
                if other == original {
                    continue;
                }
                let mut text = key.expose().to_owned();
                text.replace_range(position..=position, other.encode_utf8(&mut [0; 4]));
                assert_eq!(ApiKey::parse(&text).unwrap_err(), MalformedKey, "{text}");
            }
        }
    }

    #[test]
    fn two_swapped_characters_are_noticed() {
        let key = ApiKey::generate(ApiKeyKind::User);
        for position in 1..key.expose().len() {
            let mut bytes = key.expose().as_bytes().to_vec();
            bytes.swap(position - 1, position);
            let swapped = String::from_utf8(bytes).unwrap();
            assert_eq!(
                ApiKey::parse(&swapped).is_err(),
                swapped != key.expose(),
                "{swapped}"
            );
        }
    }

    #[test]
    fn other_text_is_no_key() {
        let key = ApiKey::generate(ApiKeyKind::User);
        let text = key.expose();
        let refused = [
            String::new(),
            "kw_user_".to_owned(),
            format!("{text}0"),
            format!(" {text}"),
            format!("{text}\n"),
            text.to_uppercase(),
            text.replacen("kw_user_", "kw_root_", 1),
            text[..text.len() - 1].to_owned(),
            text[1..].to_owned(),
        ];
        for text in refused {
            assert_eq!(ApiKey::parse(&text).unwrap_err(), MalformedKey, "{text}");
        }
        assert_eq!(ApiKeyKind::parse("User"), None);
    }

    #[test]
    fn ten_thousand_keys_have_different_ids_and_secrets() {
        let keys: Vec<_> = (0..10_000)
            .map(|_| ApiKey::generate(ApiKeyKind::User))
            .collect();
        let ids: HashSet<_> = keys.iter().map(ApiKey::id).collect();
        let secrets: HashSet<_> = keys.iter().map(ApiKey::secret).collect();
        assert_eq!(ids.len(), keys.len());
        assert_eq!(secrets.len(), keys.len());
        for key in &keys {
            assert!(ApiKey::parse(key.expose()).is_ok());
        }
    }

    #[test]
    fn a_key_matches_its_own_mac_only() {
        let ring = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let key = ApiKey::generate(ApiKeyKind::Login);
        let mac = key.mac(&ring);

        assert!(ApiKey::parse(key.expose()).unwrap().matches(&ring, &mac));
        assert!(!ApiKey::generate(ApiKeyKind::Login).matches(&ring, &mac));
        let other_ring = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        assert!(!key.matches(&other_ring, &mac));
    }

    #[test]
    fn kind_id_and_secret_are_all_in_the_mac() {
        let ring = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
        let key = ApiKey::generate(ApiKeyKind::User);
        let mac = key.mac(&ring);
        let (id, secret) = (key.id(), key.secret());
        let fits = |kind: &str, id: &str, secret: &[u8]| {
            ring.verify(
                MacPurpose::ApiKey,
                &[kind.as_bytes(), id.as_bytes(), secret],
                &mac,
            )
        };

        assert!(fits("user", id.as_str(), secret));
        assert!(!fits("agent", id.as_str(), secret));
        assert!(!fits("user", "0000000000000000", secret));
        assert!(!fits("user", id.as_str(), &[b'0'; 43]));
    }

    #[test]
    fn debug_shows_kind_and_id_only() {
        let key = ApiKey::generate(ApiKeyKind::User);
        assert_eq!(
            format!("{key:?}"),
            format!("ApiKey(kw_user_{}..)", key.id())
        );
        let foreign = ApiKey::generate(ApiKeyKind::Foreign);
        let shown = format!("{foreign:?}");
        assert_eq!(shown, format!("ApiKey(foreign {}..)", foreign.id()));
        assert!(!shown.contains(foreign.expose()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            prop_assert!(ApiKey::parse(&text).is_err());
        }

        #[test]
        fn no_tail_makes_it_panic(tail in ".{0,70}") {
            let text = format!("kw_user_{tail}");
            prop_assert!(ApiKey::parse(&text).is_err());
        }
    }
}
