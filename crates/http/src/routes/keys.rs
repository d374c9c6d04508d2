use std::str::FromStr;

use actix_web::http::Method;
use keyward_auth::needs::UsersWrite;
use keyward_auth::{Any, KeyCursor, KeyName, KeyView, NewKey, Permit, Scopes, UserId};
use keyward_core::{LegacyId, Timestamp};
use keyward_crypto::{ApiKey, ApiKeyId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;
use crate::answer::{Created, Done, Found};
use crate::endpoint::Endpoint;
use crate::input::{At, Attempt, Body, Listing, Page, Within, fetch, field};
use crate::routes::schemas::Scope;
use crate::services::{ApiStore, Services};

pub(crate) fn endpoints<S: ApiStore>() -> Vec<Endpoint<S>> {
    vec![
        Endpoint::new(
            Method::GET,
            "/users/me/keys",
            "The keys of the caller",
            list,
        ),
        Endpoint::new(
            Method::POST,
            "/users/me/keys",
            "Make a key for the caller",
            create,
        ),
        Endpoint::new(
            Method::DELETE,
            "/users/me/keys/{id}",
            "Revoke a key of the caller",
            revoke,
        ),
        Endpoint::new(
            Method::POST,
            "/users/me/keys/{id}/rotate",
            "Replace a key of the caller by a new one",
            rotate,
        ),
        Endpoint::new(
            Method::GET,
            "/users/{id}/keys",
            "The keys of a user",
            list_of,
        ),
        Endpoint::new(
            Method::POST,
            "/users/{id}/keys",
            "Make a key for a user",
            create_for,
        ),
        Endpoint::new(
            Method::DELETE,
            "/users/{id}/keys/{key}",
            "Revoke a key of a user",
            revoke_of,
        ),
    ]
}

fn list<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    Page { limit, after }: Page<Cursor>,
) -> Result<Found<Listing<KeyBody>>, Problem> {
    let after = after.map(|cursor| cursor.0);
    let keys = services.keys.list_own(caller, after, fetch(limit))?;
    Ok(Found(listing(limit, keys)))
}

fn list_of<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<UsersWrite>,
    (At(user), Page { limit, after }): (At<UserId>, Page<Cursor>),
) -> Result<Found<Listing<KeyBody>>, Problem> {
    let after = after.map(|cursor| cursor.0);
    let keys = services.keys.list_of(caller, user, after, fetch(limit))?;
    Ok(Found(listing(limit, keys)))
}

fn create<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    (Body(body), Attempt(attempt)): (Body<CreateKey>, Attempt),
) -> Result<Created<CreatedKey>, Problem> {
    let new = body.parse()?;
    let made = services.keys.create_own(caller, &new, attempt.as_ref())?;
    Ok(Created(made.into()))
}

fn create_for<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<UsersWrite>,
    (At(user), Body(body), Attempt(attempt)): (At<UserId>, Body<CreateKey>, Attempt),
) -> Result<Created<CreatedKey>, Problem> {
    let new = body.parse()?;
    let made = services
        .keys
        .create_for(caller, user, &new, attempt.as_ref())?;
    Ok(Created(made.into()))
}

fn rotate<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    (At(id), Body(body), Attempt(attempt)): (At<ApiKeyId>, Body<RotateKey>, Attempt),
) -> Result<Created<CreatedKey>, Problem> {
    let overlap = body.overlap_seconds;
    let made = services
        .keys
        .rotate_own(caller, id, overlap, attempt.as_ref())?;
    Ok(Created(made.into()))
}

fn revoke<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    At(id): At<ApiKeyId>,
) -> Result<Done, Problem> {
    services.keys.revoke_own(caller, id)?;
    Ok(Done)
}

fn revoke_of<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<UsersWrite>,
    (At(user), Within(id)): (At<UserId>, Within<ApiKeyId>),
) -> Result<Done, Problem> {
    services.keys.revoke_of(caller, user, id)?;
    Ok(Done)
}

fn listing(limit: usize, keys: Vec<KeyView>) -> Listing<KeyBody> {
    let keys = keys.into_iter().map(KeyBody::from).collect();
    Listing::cut(limit, keys, |last| {
        format!("{}.{}", last.created_at.0, last.id)
    })
}

/// A place in a list of keys, `<created_at>.<id>`.
struct Cursor(KeyCursor);

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (created_at, id) = text.split_once('.').ok_or(())?;
        Ok(Self(KeyCursor {
            created_at: Timestamp(created_at.parse().map_err(|_| ())?),
            id: ApiKeyId::parse(id).ok_or(())?,
        }))
    }
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateKey {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it may do; if not given, all that the asking key may do.
    #[schema(value_type = Option<Vec<Scope>>)]
    scopes: Option<Scopes>,
    /// When it ends; if not given, when the asking key ends.
    #[schema(value_type = Option<String>, format = "date-time")]
    expires_at: Option<Timestamp>,
}

impl CreateKey {
    fn parse(self) -> Result<NewKey, Problem> {
        let mut errors = Vec::new();
        match field("name", KeyName::parse(&self.name), &mut errors) {
            Some(name) => Ok(NewKey {
                name,
                scopes: self.scopes,
                expires_at: self.expires_at,
            }),
            None => Err(Problem::invalid(errors)),
        }
    }
}

/// How to replace a key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateKey {
    /// For how long the old key goes on working; 0 ends it at once.
    overlap_seconds: u32,
}

/// A key without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyBody {
    /// The public part of the key: the 16 characters after its kind.
    id: String,
    name: String,
    /// `user`, `agent`, `login`, or `foreign` for what an import brought.
    kind: String,
    #[schema(value_type = Vec<Scope>)]
    scopes: Scopes,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = "date-time")]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = "date-time")]
    revoked_at: Option<Timestamp>,
    /// To the minute.
    #[schema(value_type = Option<String>, format = "date-time")]
    last_used_at: Option<Timestamp>,
    /// Its number in the system that it was imported from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, nullable = false)]
    legacy_id: Option<LegacyId>,
}

impl From<KeyView> for KeyBody {
    fn from(key: KeyView) -> Self {
        Self {
            id: key.id,
            name: key.name,
            kind: key.kind,
            scopes: key.scopes,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            legacy_id: key.legacy_id,
        }
    }
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedKey {
    #[serde(flatten)]
    #[schema(inline)]
    view: KeyBody,
    /// The key itself. This is the only time that it is shown; null when an attempt is repeated.
    #[schema(value_type = Option<String>)]
    #[serde(serialize_with = "exposed")]
    key: Option<ApiKey>,
}

impl From<(KeyView, Option<ApiKey>)> for CreatedKey {
    fn from((view, key): (KeyView, Option<ApiKey>)) -> Self {
        Self {
            view: view.into(),
            key,
        }
    }
}

#[expect(clippy::ref_option, reason = "serde's signature")]
pub(crate) fn exposed<S: serde::Serializer>(
    key: &Option<ApiKey>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    key.as_ref().map(ApiKey::expose).serialize(serializer)
}
