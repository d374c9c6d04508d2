//! Schemas that stand for things the OpenAPI document cannot derive.

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
