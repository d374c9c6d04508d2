use keyward_core::Timestamp;
use keyward_crypto::{EncryptedString, KeyId};

macro_rules! states {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal),* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $($(#[$variant_doc])* $variant),*
        }

        impl $type {
            /// The stored name. Names are part of the stored format: never change one.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Reads the stored name back.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

states! {
    /// Where a key stands in its life.
    KeyState {
        /// Nodes hold it; nothing is sealed under it yet.
        Added = "added",
        /// New values are sealed under it, or rows signed by it. One encryption key at most is, and
        /// one secret.
        Active = "active",
        /// Opens what was sealed under it, or verifies what was signed by it.
        DecryptOnly = "decrypt-only",
        /// Nothing needs it, and a store refuses what is sealed under it or signed by it. It stays
        /// listed, so that nobody brings it back by mistake.
        Retired = "retired"
    }
}

states! {
    /// How far re-encryption is.
    RotationState {
        /// Not started since the active key became active.
        Idle = "idle",
        /// Nodes work on it.
        Running = "running",
        /// Somebody stopped it; values stay where they are, and all of them open.
        Paused = "paused",
        /// Every value that opens is under the key that was active when it ended.
        Done = "done"
    }
}

/// A key that was ever used with this storage, and a known text by which a wrong one is noticed.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRecord {
    /// Names the key.
    pub kid: KeyId,
    /// Where it stands.
    pub state: KeyState,
    /// A known text: under the key itself where that is an encryption key, and else under the
    /// encryption key of the day.
    pub sealed: EncryptedString,
    /// When it was seen first.
    pub created_at: Timestamp,
}

impl KeyRecord {
    /// Whether this is an encryption key, and not a `SECRET_KEY`.
    #[must_use]
    pub fn is_field_key(&self) -> bool {
        self.sealed.key_id() == Some(self.kid)
    }

    /// Whether values may be sealed under it, so that whoever reads needs it.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        matches!(self.state, KeyState::Active | KeyState::DecryptOnly)
    }
}

/// The active encryption key.
pub(crate) fn active_of(keys: &[KeyRecord]) -> Option<KeyId> {
    active_where(keys, true)
}

/// The active secret.
pub(crate) fn signing_of(keys: &[KeyRecord]) -> Option<KeyId> {
    active_where(keys, false)
}

fn active_where(keys: &[KeyRecord], is_field_key: bool) -> Option<KeyId> {
    keys.iter()
        .find(|key| key.is_field_key() == is_field_key && key.state == KeyState::Active)
        .map(|key| key.kid)
}

/// What is stored of a re-encryption. There is one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationRecord {
    /// How far it is.
    pub state: RotationState,
    /// How many values were under other keys than the active one when it was started.
    pub total: u64,
    /// When it was started last.
    pub started_at: Option<Timestamp>,
}

impl RotationRecord {
    /// That of a storage on which none was started.
    pub const IDLE: Self = Self {
        state: RotationState::Idle,
        total: 0,
        started_at: None,
    };
}

/// A node that serves, and the keys it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// Names the process: no two have the same.
    pub id: String,
    /// The keys it can open values and verify rows with.
    pub keys: Vec<KeyId>,
    /// The secret that it signs with.
    pub signs_with: KeyId,
    /// When it said so last.
    pub seen_at: Timestamp,
}
