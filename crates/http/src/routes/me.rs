use actix_web::http::Method;
use keyward_auth::needs::Read;
use keyward_auth::{Any, OwnChange, Permit, PersonName, Scopes, UserId, Visitor};
use keyward_core::Timestamp;
use keyward_crypto::{Password, SecretText};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;
use crate::answer::Found;
use crate::endpoint::Endpoint;
use crate::input::{Body, field};
use crate::problem::FieldError;
use crate::routes::schemas::Scope;
use crate::routes::users::UserBody;
use crate::services::{ApiStore, Services};

pub(crate) fn endpoints<S: ApiStore>() -> Vec<Endpoint<S>> {
    vec![
        Endpoint::new(Method::GET, "/auth/me", "Who the key belongs to", me),
        Endpoint::new(
            Method::GET,
            "/users/me",
            "The profile of the caller",
            profile,
        ),
        Endpoint::new(
            Method::PATCH,
            "/users/me",
            "Change the names and the password of the caller",
            change,
        )
        .hashing()
        .sensitive(),
    ]
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every handler")]
fn me<S: ApiStore>(_: &Services<S>, caller: &Permit<Any>, (): ()) -> Result<Found<Me>, Problem> {
    Ok(Found(Me {
        id: caller.user,
        username: caller.username.to_string(),
        kind: caller.kind.as_str(),
        role: caller.role.as_str(),
        mfa_enabled: caller.mfa_enabled,
        key: PresentedKey {
            id: caller.key.id.to_string(),
            name: caller.key.name.to_string(),
            scopes: caller.key.scopes,
            expires_at: caller.key.expires_at,
        },
    }))
}

fn profile<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Read>,
    (): (),
) -> Result<Found<UserBody>, Problem> {
    Ok(Found(services.users.own(caller)?.into()))
}

fn change<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    (Body(body), visitor): (Body<ProfileChange>, Visitor),
) -> Result<Found<UserBody>, Problem> {
    let mut errors = Vec::new();
    let mut name = |field_name, text: Option<String>| {
        text.and_then(|text| field(field_name, PersonName::parse(&text), &mut errors))
    };
    let first_name = name("first_name", body.first_name);
    let last_name = name("last_name", body.last_name);
    let password = passwords(body.current_password, body.password, &mut errors);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let change = OwnChange {
        first_name,
        last_name,
        password,
    };
    let user = services.users.change_own(caller, &change, &visitor)?;
    Ok(Found(user.into()))
}

fn passwords(
    current: Option<SecretText>,
    new: Option<SecretText>,
    errors: &mut Vec<FieldError>,
) -> Option<(Password, Password)> {
    match (current, new) {
        (Some(current), Some(new)) => {
            let current = field("current_password", Password::attempt(current), errors);
            let new = field("password", Password::new_secret(new), errors);
            current.zip(new)
        }
        (None, Some(_)) => {
            errors.push(FieldError::new(
                "current_password",
                "needed to change the password",
            ));
            None
        }
        (Some(_), None) => {
            errors.push(FieldError::new("password", "the new password is missing"));
            None
        }
        (None, None) => None,
    }
}

/// Who the key belongs to.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    #[schema(value_type = String, format = "uuid")]
    id: UserId,
    username: String,
    /// `human` or `agent`.
    kind: &'static str,
    /// `admin` or `normal`.
    role: &'static str,
    /// Whether a second factor is enrolled.
    mfa_enabled: bool,
    key: PresentedKey,
}

/// The key that was presented.
#[derive(Serialize, ToSchema)]
struct PresentedKey {
    /// The public part of the key.
    id: String,
    name: String,
    /// What it may do, within the role of its owner.
    #[schema(value_type = Vec<Scope>)]
    scopes: Scopes,
    #[schema(value_type = Option<String>, format = "date-time")]
    expires_at: Option<Timestamp>,
}

/// New names, and a new password with the old one; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileChange {
    #[schema(max_length = 150)]
    first_name: Option<String>,
    #[schema(max_length = 150)]
    last_name: Option<String>,
    #[schema(value_type = String, format = "password", write_only, required = false)]
    current_password: Option<SecretText>,
    /// 12 to 1,024 bytes; the user name and `keyward` do not count. Not one that many people use,
    /// no short text over and over, and no row such as `456789012345`.
    #[schema(value_type = String, format = "password", write_only, required = false)]
    password: Option<SecretText>,
}
