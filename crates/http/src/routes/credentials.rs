use std::collections::BTreeMap;

use actix_web::http::Method;
use keyward_auth::needs::{CredentialsAccess, CredentialsWrite, Read};
use keyward_auth::{Permit, UserId};
use keyward_core::{LegacyId, Timestamp};
use keyward_credentials::{
    BrokerRules, Credential, CredentialChange, CredentialId, CredentialName, CredentialType,
    CredentialView, Detail, FieldView, Legacy, NewCredential, OpenedField, Unchangeable,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;
use crate::answer::{Created, Done, Found};
use crate::endpoint::Endpoint;
use crate::input::{At, Attempt, Body, IdCursor, Listed, Listing, Page, fetch, field};
use crate::problem::FieldError;
use crate::routes::schemas;
use crate::services::{ApiStore, Services};

pub(crate) fn endpoints<S: ApiStore>() -> Vec<Endpoint<S>> {
    vec![
        Endpoint::new(Method::GET, "/credentials", "All credentials, masked", list),
        Endpoint::new(Method::POST, "/credentials", "Keep a credential", create),
        Endpoint::new(
            Method::POST,
            "/credentials/batch-delete",
            "Delete several credentials, or none when one is not there",
            batch_delete,
        ),
        Endpoint::new(
            Method::GET,
            "/credentials/{id}",
            "One credential, masked",
            credential,
        ),
        Endpoint::new(
            Method::PATCH,
            "/credentials/{id}",
            "Change a credential",
            change,
        ),
        Endpoint::new(
            Method::DELETE,
            "/credentials/{id}",
            "Delete a credential",
            delete,
        ),
        Endpoint::new(
            Method::POST,
            "/credentials/{id}/access",
            "Get the secrets of a credential; each use is in the audit log",
            access,
        ),
    ]
}

fn list<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Read>,
    asked: Listed<IdCursor<Credential>>,
) -> Result<Found<Listing<CredentialBody>>, Problem> {
    let Page { limit, after } = asked.page;
    let after = after.map(|cursor| cursor.0);
    let found = match asked.legacy_id {
        None => services.credentials.list(caller, after, fetch(limit))?,
        Some(id) => {
            let legacy = Legacy::Credential(id);
            services.credentials.imported_from(caller, legacy)?
        }
    };
    let found = found.into_iter().map(CredentialBody::from).collect();
    let listing = Listing::cut(limit, found, |last: &CredentialBody| last.id.to_string());
    Ok(Found(listing))
}

fn create<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<CredentialsWrite>,
    (Body(body), Attempt(attempt)): (Body<CreateCredential>, Attempt),
) -> Result<Created<CredentialBody>, Problem> {
    let mut errors = Vec::new();
    let Some(name) = field("name", CredentialName::parse(&body.name), &mut errors) else {
        return Err(Problem::invalid(errors));
    };
    let new = NewCredential {
        name,
        credential_type: body.credential_type.into(),
        detail: body.detail,
        broker: body.broker,
    };
    let made = services.credentials.create(caller, new, attempt.as_ref())?;
    Ok(Created(made.into()))
}

fn credential<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Read>,
    At(id): At<CredentialId>,
) -> Result<Found<CredentialBody>, Problem> {
    Ok(Found(services.credentials.credential(caller, id)?.into()))
}

fn change<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<CredentialsWrite>,
    (At(id), Body(body)): (At<CredentialId>, Body<ChangeCredential>),
) -> Result<Found<CredentialBody>, Problem> {
    let mut errors = Vec::new();
    let name = body
        .name
        .and_then(|name| field("name", CredentialName::parse(&name), &mut errors));
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let change = CredentialChange {
        name,
        detail: body.detail.unwrap_or_default(),
        broker: body.broker,
        same: Unchangeable {
            id: body.id,
            credential_type: body.credential_type,
            created_by_id: body.created_by_id,
            created_at: body.created_at,
            legacy_id: body.legacy_id,
            legacy_workspace_id: body.legacy_workspace_id,
            updated_at: body.updated_at,
        },
    };
    let changed = services.credentials.change(caller, id, change)?;
    Ok(Found(changed.into()))
}

fn delete<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<CredentialsWrite>,
    At(id): At<CredentialId>,
) -> Result<Done, Problem> {
    services.credentials.delete(caller, id)?;
    Ok(Done)
}

fn batch_delete<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<CredentialsWrite>,
    Body(body): Body<BatchDelete>,
) -> Result<Done, Problem> {
    if !(1..=MAX_BATCH).contains(&body.ids.len()) {
        let error = FieldError::new("ids", "expected 1 to 200 ids");
        return Err(Problem::invalid(vec![error]));
    }
    services.credentials.delete_all(caller, &body.ids)?;
    Ok(Done)
}

fn access<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<CredentialsAccess>,
    (At(id), Body(body)): (At<CredentialId>, Body<Access>),
) -> Result<Found<Secrets>, Problem> {
    let opened = services.access.open(caller, id, body.field.as_deref())?;
    Ok(Found(Secrets { fields: opened }))
}

/// A credential to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateCredential {
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    credential_type: TypeBody,
    /// The fields of the type. `llm`: `provider`, `api_key`, `base_url`, `organization_id`,
    /// `custom_headers`. `git`: `provider`, `auth` (`token` or `ssh_key`), `username`,
    /// `access_token`, `ssh_private_key`, `webhook_secret`. `gateway`: `adapter`, `token`, `config`.
    /// `tool`: `tool_type`, `config`. `generic`: any names, all secret.
    #[schema(value_type = std::collections::HashMap<String, serde_json::Value>)]
    detail: Detail,
    /// How it may be used through the broker, where more is to be said than its type says.
    #[schema(value_type = Option<schemas::BrokerRules>)]
    broker: Option<BrokerRules>,
}

/// Which fields a credential has.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TypeBody {
    Llm,
    Git,
    Gateway,
    Tool,
    Generic,
}

impl From<TypeBody> for CredentialType {
    fn from(kind: TypeBody) -> Self {
        match kind {
            TypeBody::Llm => Self::Llm,
            TypeBody::Git => Self::Git,
            TypeBody::Gateway => Self::Gateway,
            TypeBody::Tool => Self::Tool,
            TypeBody::Generic => Self::Generic,
        }
    }
}

/// A change of a credential. What is not given stays, null clears, a string sets. What was read
/// can be sent back as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeCredential {
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// Merged field by field. The mask that a read gives for a secret keeps it.
    #[schema(value_type = Option<std::collections::HashMap<String, serde_json::Value>>)]
    detail: Option<Detail>,
    /// In place of all rules of the broker that are there; null drops them.
    #[serde(default, deserialize_with = "given")]
    #[expect(
        clippy::option_option,
        reason = "null drops, and what is not there keeps"
    )]
    #[schema(value_type = Option<schemas::BrokerRules>)]
    broker: Option<Option<BrokerRules>>,
    /// Cannot be changed; may be repeated.
    #[schema(value_type = Option<String>, format = "uuid")]
    id: Option<CredentialId>,
    /// Cannot be changed; may be repeated.
    credential_type: Option<String>,
    /// Cannot be changed; may be repeated.
    #[schema(value_type = Option<String>, format = "uuid")]
    created_by_id: Option<UserId>,
    /// Cannot be changed; may be repeated.
    #[schema(value_type = Option<String>, format = "date-time")]
    created_at: Option<Timestamp>,
    /// Cannot be changed; may be repeated.
    #[schema(value_type = Option<i64>)]
    legacy_id: Option<LegacyId>,
    /// Cannot be changed; may be repeated.
    #[schema(value_type = Option<i64>)]
    legacy_workspace_id: Option<LegacyId>,
    /// If given, the change fails with 409 when the credential was changed since.
    #[schema(value_type = Option<String>, format = "date-time")]
    updated_at: Option<Timestamp>,
}

/// Credentials to be deleted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchDelete {
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 200)]
    ids: Vec<CredentialId>,
}

/// Which secrets to get.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Access {
    /// The path of one secret, such as `api_key` or `custom_headers.X-Team`; all if not given.
    field: Option<String>,
}

/// A credential with masks in place of its secrets.
#[derive(Serialize, ToSchema)]
pub(crate) struct CredentialBody {
    #[schema(value_type = String, format = "uuid")]
    id: CredentialId,
    name: String,
    /// `llm`, `git`, `gateway`, `tool` or `generic`.
    credential_type: String,
    /// The fields of the type. A secret shows as `{"set": true, "last4": "wxyz"}`, with
    /// `"unreadable": true` when it cannot be opened.
    #[schema(value_type = std::collections::HashMap<String, serde_json::Value>)]
    detail: BTreeMap<String, FieldView>,
    /// How it may be used through the broker, where more is said than its type says.
    #[schema(value_type = Option<schemas::BrokerRules>, required = true)]
    broker: Option<BrokerRules>,
    #[schema(value_type = String, format = "uuid")]
    created_by_id: UserId,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
    /// Its number in the system that it was imported from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, nullable = false)]
    legacy_id: Option<LegacyId>,
    /// The number of the workspace whose environment it was imported from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, nullable = false)]
    legacy_workspace_id: Option<LegacyId>,
}

impl From<CredentialView> for CredentialBody {
    fn from(view: CredentialView) -> Self {
        Self {
            id: view.id,
            name: view.name,
            credential_type: view.credential_type,
            detail: view.detail,
            broker: view.broker,
            created_by_id: view.created_by_id,
            created_at: view.created_at,
            updated_at: view.updated_at,
            legacy_id: view.legacy_id,
            legacy_workspace_id: view.legacy_workspace_id,
        }
    }
}

/// Secrets, in the clear.
#[derive(Serialize, ToSchema)]
pub(crate) struct Secrets {
    /// Values by path.
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    fields: Vec<OpenedField>,
}

/// Tells `null` from a member that is not there.
fn given<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn exposed<S: serde::Serializer>(fields: &[OpenedField], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        fields
            .iter()
            .map(|field| (field.path.as_str(), field.value.expose())),
    )
}

const MAX_BATCH: usize = 200;
