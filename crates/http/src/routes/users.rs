use actix_web::http::Method;
use keyward_auth::needs::UsersWrite;
use keyward_auth::{
    NewUser, Permit, PersonName, Role, UserChange, UserId, UserStatus, UserView, Username,
};
use keyward_core::{LegacyId, Timestamp};
use keyward_crypto::{Password, SecretText};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;
use crate::answer::{Created, Done, Found};
use crate::endpoint::Endpoint;
use crate::input::{At, Attempt, Body, IdCursor, Listing, Page, fetch, field};
use crate::services::{ApiStore, Services};

pub(crate) fn endpoints<S: ApiStore>() -> Vec<Endpoint<S>> {
    vec![
        Endpoint::new(Method::GET, "/users", "All users", list),
        Endpoint::new(Method::POST, "/users", "Make a person", create).hashing(),
        Endpoint::new(Method::GET, "/users/{id}", "One user", user),
        Endpoint::new(Method::PATCH, "/users/{id}", "Change a user", change),
        Endpoint::new(Method::DELETE, "/users/{id}", "Delete a user", delete),
        Endpoint::new(
            Method::POST,
            "/users/{id}/unlock",
            "Lift the limits and locks of a person's factors",
            unlock,
        ),
        Endpoint::new(
            Method::POST,
            "/users/{id}/mfa/reset",
            "Take away a second factor that was lost",
            reset_mfa,
        ),
    ]
}

fn list<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<UsersWrite>,
    Page { limit, after }: Page<IdCursor<keyward_auth::User>>,
) -> Result<Found<Listing<UserBody>>, Problem> {
    let after = after.map(|cursor| cursor.0);
    let users = services.users.list(caller, after, fetch(limit))?;
    let users = users.into_iter().map(UserBody::from).collect();
    Ok(Found(Listing::cut(limit, users, |last: &UserBody| {
        last.id.to_string()
    })))
}

fn create<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<UsersWrite>,
    (Body(body), Attempt(attempt)): (Body<CreateUser>, Attempt),
) -> Result<Created<UserBody>, Problem> {
    let user = services
        .users
        .create(caller, &body.parse()?, attempt.as_ref())?;
    Ok(Created(user.into()))
}

fn user<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<UsersWrite>,
    At(id): At<UserId>,
) -> Result<Found<UserBody>, Problem> {
    Ok(Found(services.users.user(caller, id)?.into()))
}

fn change<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<UsersWrite>,
    (At(id), Body(body)): (At<UserId>, Body<ChangeUser>),
) -> Result<Found<UserBody>, Problem> {
    let user = services.users.change(caller, id, &body.parse()?)?;
    Ok(Found(user.into()))
}

fn delete<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<UsersWrite>,
    At(id): At<UserId>,
) -> Result<Done, Problem> {
    services.users.delete(caller, id)?;
    Ok(Done)
}

fn unlock<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<UsersWrite>,
    (At(id), Body(Nothing {})): (At<UserId>, Body<Nothing>),
) -> Result<Done, Problem> {
    services.mfa.unlock(caller, id)?;
    Ok(Done)
}

fn reset_mfa<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<UsersWrite>,
    (At(id), Body(Nothing {})): (At<UserId>, Body<Nothing>),
) -> Result<Done, Problem> {
    services.mfa.reset(caller, id)?;
    Ok(Done)
}

/// Nothing has to be said.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// A person to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateUser {
    /// Letters, digits and `. _ - @ +`. Upper and lower case are the same.
    #[schema(min_length = 1, max_length = 64)]
    username: String,
    /// 12 to 1,024 bytes; the user name and `keyward` do not count. Not one that many people use,
    /// no short text over and over, and no row such as `456789012345`.
    #[schema(value_type = String, format = "password", write_only)]
    password: SecretText,
    #[serde(default)]
    role: RoleBody,
    #[serde(default)]
    #[schema(max_length = 150)]
    first_name: String,
    #[serde(default)]
    #[schema(max_length = 150)]
    last_name: String,
}

impl CreateUser {
    fn parse(self) -> Result<NewUser, Problem> {
        let mut errors = Vec::new();
        let username = field("username", Username::parse(&self.username), &mut errors);
        let password = field("password", Password::new_secret(self.password), &mut errors);
        let first_name = field(
            "first_name",
            PersonName::parse(&self.first_name),
            &mut errors,
        );
        let last_name = field("last_name", PersonName::parse(&self.last_name), &mut errors);
        match (username, password, first_name, last_name) {
            (Some(username), Some(password), Some(first_name), Some(last_name)) => Ok(NewUser {
                username,
                password,
                role: self.role.into(),
                first_name,
                last_name,
            }),
            _ => Err(Problem::invalid(errors)),
        }
    }
}

/// A change of a user; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeUser {
    role: Option<RoleBody>,
    status: Option<StatusBody>,
    #[schema(max_length = 150)]
    first_name: Option<String>,
    #[schema(max_length = 150)]
    last_name: Option<String>,
}

impl ChangeUser {
    fn parse(self) -> Result<UserChange, Problem> {
        let mut errors = Vec::new();
        let mut name = |field_name, text: Option<String>| {
            text.and_then(|text| field(field_name, PersonName::parse(&text), &mut errors))
        };
        let change = UserChange {
            first_name: name("first_name", self.first_name),
            last_name: name("last_name", self.last_name),
            role: self.role.map(Role::from),
            status: self.status.map(UserStatus::from),
        };
        if errors.is_empty() {
            Ok(change)
        } else {
            Err(Problem::invalid(errors))
        }
    }
}

/// What a user may do at most.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RoleBody {
    Admin,
    #[default]
    Normal,
}

impl From<RoleBody> for Role {
    fn from(role: RoleBody) -> Self {
        match role {
            RoleBody::Admin => Self::Admin,
            RoleBody::Normal => Self::Normal,
        }
    }
}

/// Whether the keys of a user work.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StatusBody {
    Active,
    Disabled,
}

impl From<StatusBody> for UserStatus {
    fn from(status: StatusBody) -> Self {
        match status {
            StatusBody::Active => Self::Active,
            StatusBody::Disabled => Self::Disabled,
        }
    }
}

/// A user.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserBody {
    #[schema(value_type = String, format = "uuid")]
    id: UserId,
    username: String,
    /// `human` or `agent`.
    kind: String,
    /// `admin` or `normal`.
    role: String,
    /// `active` or `disabled`.
    status: String,
    first_name: String,
    last_name: String,
    /// Whether a second factor is asked for.
    mfa_enabled: bool,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    /// The user's number in the system that it was imported from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, nullable = false)]
    legacy_id: Option<LegacyId>,
}

impl From<UserView> for UserBody {
    fn from(user: UserView) -> Self {
        Self {
            id: user.id,
            username: user.username,
            kind: user.kind,
            role: user.role,
            status: user.status,
            first_name: user.first_name,
            last_name: user.last_name,
            mfa_enabled: user.mfa_enabled,
            created_at: user.created_at,
            legacy_id: user.legacy_id,
        }
    }
}
