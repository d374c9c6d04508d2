use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{Mac, MacPurpose, MacRing};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::UserId;

/// The name that a client gives to one attempt, so that it can repeat the request when the answer
/// was lost (`Idempotency-Key`): 1 to 255 printable ASCII characters.
///
/// ```
/// use keyward_auth::IdempotencyKey;
///
/// assert!(IdempotencyKey::parse("9f1c-create-grace").is_ok());
/// // Somebody has pasted the wrong header.
/// assert!(IdempotencyKey::parse("kw_user_0123456789ABCDEF").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads the value of the header.
    pub fn parse(text: &str) -> Result<Self, MalformedIdempotencyKey> {
        // It is stored as it is, so an API key that was put here by mistake is refused.
        let fits = (1..=255).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic())
            && !text.contains("kw_");
        fits.then(|| Self(text.to_owned()))
            .ok_or(MalformedIdempotencyKey)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text cannot name an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 255 printable ASCII characters without spaces, and no API key")]
pub struct MalformedIdempotencyKey;

/// An attempt: its name, and a fingerprint of what it asks for.
///
/// ```
/// use keyward_auth::{
///     Environment, Idempotency, IdempotencyKey, KeyError, KeyName, ManageKeys, NewKey, Username,
/// };
/// use keyward_crypto::Password;
/// # use std::sync::Arc;
/// # use keyward_auth::{Authenticate, LastUsed, Setup};
/// # use keyward_crypto::{FieldKey, KeyRing, MacRing};
/// # let store = Arc::new(keyward_store_testing::MemoryStore::new());
/// # let fields = KeyRing::new(vec![FieldKey::generate()])?;
/// # let macs = MacRing::parse(MacRing::generate_secret().expose())?;
/// # let environment = Environment::new(store, fields, macs);
/// # let password = Password::new_secret("correct horse battery".to_owned().into())?;
/// # let admin = Setup::new(environment.clone()).first_admin(&Username::parse("ada")?, &password)?;
/// # let Environment { store, macs, clock, .. } = environment.clone();
/// # let authenticate = Authenticate::new(store, macs, clock, Arc::new(LastUsed::default()));
///
/// // `environment`, `authenticate` and `admin` are as on the page of this crate.
/// let keys = ManageKeys::new(environment.clone());
/// let permit = authenticate.principal(&admin.key)?.permit()?;
/// let new = NewKey { name: KeyName::parse("ci")?, scopes: None, expires_at: None };
/// let attempt = |body: &str| {
///     let key = IdempotencyKey::parse("attempt-7")?;
///     Ok::<_, Box<dyn std::error::Error>>(Idempotency::new(
///         key,
///         "POST /v1/keys",
///         body.as_bytes(),
///         &environment.macs,
///     ))
/// };
///
/// let (made, key) = keys.create_own(&permit, &new, Some(&attempt("{}")?))?;
/// // The answer got lost, so the client asks again.
/// let (same, shown_once) = keys.create_own(&permit, &new, Some(&attempt("{}")?))?;
/// assert_eq!(made.id, same.id);
/// assert!(key.is_some() && shown_once.is_none());
///
/// let other = keys.create_own(&permit, &new, Some(&attempt("another request")?));
/// assert!(matches!(other, Err(KeyError::Idempotency(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Idempotency {
    key: IdempotencyKey,
    fingerprint: Mac,
    /// The same under every key, so that a repeat is recognised after a new `SECRET_KEY` was put in
    /// front.
    known_as: Vec<Mac>,
}

impl Idempotency {
    /// Names the attempt to send `body` to `operation` (method and path).
    ///
    /// The fingerprint is keyed, because a body can hold secrets that a plain hash would let
    /// somebody guess.
    #[must_use]
    pub fn new(key: IdempotencyKey, operation: &str, body: &[u8], macs: &MacRing) -> Self {
        let parts = [operation.as_bytes(), body];
        Self {
            key,
            fingerprint: macs.mac(MacPurpose::IdempotentRequest, &parts),
            known_as: macs.macs(MacPurpose::IdempotentRequest, &parts),
        }
    }

    /// Answers a repeated attempt as it was answered the first time, and a new one by `create`.
    ///
    /// Belongs into the transaction that creates: either both the thing and the answer are kept
    /// or neither. Of concurrent repeats one creates, and the others wait for it.
    ///
    /// # Errors
    ///
    /// [`IdempotencyConflict`] when the key named another attempt within the last 24 hours.
    pub fn once<Tx, V, E>(
        attempt: Option<&Self>,
        tx: &mut Tx,
        user: UserId,
        now: Timestamp,
        create: impl FnOnce(&mut Tx) -> Result<V, E>,
    ) -> Result<Outcome<V>, E>
    where
        Tx: IdempotencyKeys,
        V: Serialize + DeserializeOwned,
        E: From<StoreError> + From<IdempotencyConflict>,
    {
        let Some(attempt) = attempt else {
            return create(tx).map(Outcome::Fresh);
        };
        tx.forget_answers(now.plus(-KEPT_SECONDS))?;
        let claim = StoredAnswer {
            user,
            key: attempt.key.clone(),
            fingerprint: attempt.fingerprint.clone(),
            answer: Answer(String::new()),
            created_at: now,
        };
        if tx.claim_answer(&claim)? {
            let value = create(tx)?;
            let answer =
                serde_json::to_string(&value).map_err(|error| StoreError::Backend(error.into()))?;
            tx.keep_answer(user, &attempt.key, &Answer(answer))?;
            return Ok(Outcome::Fresh(value));
        }
        let first = tx
            .stored_answer(user, &attempt.key)?
            .ok_or_else(|| StoreError::corrupt("idempotency_keys", "a claimed key is missing"))?;
        if !attempt.known_as.contains(&first.fingerprint) {
            return Err(IdempotencyConflict.into());
        }
        let value = serde_json::from_str(&first.answer.0)
            .map_err(|error| StoreError::corrupt("idempotency_keys.answer", error))?;
        Ok(Outcome::Repeated(value))
    }
}

/// An answer, and whether it was given before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<V> {
    /// It was created by this call.
    Fresh(V),
    /// It was created by an earlier call; this is the answer of then.
    Repeated(V),
}

impl<V> Outcome<V> {
    /// The answer itself.
    pub fn into_inner(self) -> V {
        match self {
            Self::Fresh(value) | Self::Repeated(value) => value,
        }
    }
}

/// The key was used for another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this idempotency key was used for another request in the last 24 hours")]
pub struct IdempotencyConflict;

/// An answer as it is kept: JSON of a view. Never holds a secret, because views do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(pub String);

/// What is kept of an attempt.
#[derive(Clone, Debug)]
pub struct StoredAnswer {
    /// Who made it. Keys of different users never meet.
    pub user: UserId,
    /// What they called it.
    pub key: IdempotencyKey,
    /// What they asked for.
    pub fingerprint: Mac,
    /// What they were told.
    pub answer: Answer,
    /// When.
    pub created_at: Timestamp,
}

/// Answers that are kept, inside a unit of work.
pub trait IdempotencyKeys {
    /// Keeps `claim` unless this user used this key before, and says whether it was kept.
    ///
    /// Test and insert must be one: of two racing calls one sees `true`, and the other waits
    /// until that one's transaction has ended.
    fn claim_answer(&mut self, claim: &StoredAnswer) -> Result<bool, StoreError>;

    /// Sets the answer of a claim.
    fn keep_answer(
        &mut self,
        user: UserId,
        key: &IdempotencyKey,
        answer: &Answer,
    ) -> Result<(), StoreError>;

    /// What was kept under this key.
    fn stored_answer(
        &mut self,
        user: UserId,
        key: &IdempotencyKey,
    ) -> Result<Option<StoredAnswer>, StoreError>;

    /// Drops what was kept before `before`.
    fn forget_answers(&mut self, before: Timestamp) -> Result<(), StoreError>;
}

const KEPT_SECONDS: i64 = 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_an_attempt_is_short_and_printable_and_no_key() {
        let longest = "~".repeat(255);
        for text in [
            "x",
            "9f1c-create-grace",
            "!",
            longest.as_str(),
            "kw-1",
            "k_w",
        ] {
            let key = IdempotencyKey::parse(text).unwrap();
            assert_eq!(key.as_str(), text);
        }
        let too_long = "~".repeat(256);
        for text in [
            "",
            too_long.as_str(),
            "two words",
            "line\n",
            "\u{e9}",
            "kw_user_0123456789ABCDEF",
            "Bearer:kw_",
        ] {
            let refused = IdempotencyKey::parse(text);
            assert_eq!(refused, Err(MalformedIdempotencyKey), "{text}");
        }
    }
}
