//! Schemas that stand for things the OpenAPI document cannot derive.

use serde::Deserialize;
use utoipa::ToSchema;

/// An error (RFC 9457).
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "described and never made: crate::Problem writes itself"
)]
pub(crate) struct Problem {
    /// `/problems/` and a name that does not change.
    #[schema(example = "/problems/not-found")]
    r#type: String,
    /// What went wrong.
    title: String,
    /// The status code.
    status: u16,
    /// What to do about it.
    #[schema(nullable = false)]
    detail: Option<String>,
    /// What is wrong with which field.
    #[schema(nullable = false)]
    errors: Option<Vec<FieldError>>,
}

/// What is wrong with one field.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "described and never made: crate::Problem writes itself"
)]
pub(crate) struct FieldError {
    /// The path of the field.
    field: String,
    /// What is wrong with it.
    problem: String,
}

/// A scope of an API key.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "described and never made: keyward_auth::Scope writes itself"
)]
pub(crate) enum Scope {
    #[schema(rename = "read")]
    Read,
    #[schema(rename = "credentials:write")]
    CredentialsWrite,
    #[schema(rename = "credentials:use")]
    CredentialsUse,
    #[schema(rename = "credentials:access")]
    CredentialsAccess,
    #[schema(rename = "agents:write")]
    AgentsWrite,
    #[schema(rename = "users:write")]
    UsersWrite,
    #[schema(rename = "audit:read")]
    AuditRead,
    #[schema(rename = "admin")]
    Admin,
}

/// How a credential may be used through the broker. What is not set is not limited.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "described and never made: keyward_credentials::BrokerRules reads itself"
)]
#[serde(deny_unknown_fields)]
pub(crate) struct BrokerRules {
    /// Where requests go, for types without a `base_url` of their own.
    #[schema(max_length = 2048)]
    base_url: Option<String>,
    /// Where the secret goes in a request, where the type and provider do not say it.
    auth: Option<AuthRule>,
    /// The methods that may be used.
    #[schema(min_items = 1, max_items = 16)]
    methods: Option<Vec<String>>,
    /// The paths on the host that may be used, with all that is below them.
    #[schema(min_items = 1, max_items = 64, example = json!(["/v1/chat"]))]
    paths: Option<Vec<String>>,
    /// The largest request body, in bytes.
    max_body_bytes: Option<u64>,
    /// How many requests each caller can make in one minute of the clock.
    #[schema(minimum = 1, maximum = 1_000_000)]
    requests_per_minute: Option<u32>,
}

/// Where the secret goes in a request: exactly one of these.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "described and never made: keyward_credentials::AuthRule reads itself"
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthRule {
    /// As the value of a header field.
    Header(HeaderRule),
    /// As a parameter of the query.
    Query(QueryRule),
    /// As user name and password (RFC 7617).
    Basic(BasicRule),
}

/// The secret as the value of a header field.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "described and never made: keyward_credentials::HeaderRule reads itself"
)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeaderRule {
    /// The name of the header field.
    name: String,
    /// Which secret, as in `detail`: `api_key`, or `config.token` for a member of a map.
    field: String,
    /// What stands before the secret, such as `Bearer `.
    #[schema(max_length = 128)]
    prefix: Option<String>,
}

/// The secret as a parameter of the query.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "described and never made: keyward_credentials::QueryRule reads itself"
)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryRule {
    /// The name of the parameter.
    name: String,
    /// Which secret, as in `detail`.
    field: String,
}

/// The secret as a password, with one of `username` and `username_field`.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "described and never made: keyward_credentials::BasicRule reads itself"
)]
#[serde(deny_unknown_fields)]
pub(crate) struct BasicRule {
    /// The user name, where it is no secret.
    username: Option<String>,
    /// Which secret is the user name.
    username_field: Option<String>,
    /// Which secret is the password.
    password_field: String,
}
