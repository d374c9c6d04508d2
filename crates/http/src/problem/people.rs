//! What went wrong with users, keys, logins and second factors.

use actix_web::http::StatusCode;
use keyward_auth::{
    CodeError, KeyError, LoginError, MfaError, Overloaded, PasswordRefused, UserError,
};

use super::{FieldError, Problem};

impl Problem {
    fn too_many_attempts(retry_after: i64) -> Self {
        Self {
            retry_after: Some(u32::try_from(retry_after).unwrap_or(u32::MAX)),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-attempts",
                "too many attempts",
            )
        }
        .with_detail("the attempt was not looked at; wait as long as Retry-After says")
    }

    fn factor_disabled() -> Self {
        Self {
            retry_after: Some(ASK_SOMEBODY),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "factor-disabled",
                "too many wrong codes",
            )
        }
        .with_detail("waiting does not help: use a recovery code, or ask an administrator")
    }

    fn login_rejected() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "login-rejected",
            "the login was rejected",
        )
        .with_detail(
            "check user name, password and code; a code works once, a ticket for five minutes",
        )
    }

    fn invalid_code() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-code",
            "the code is wrong or was used before",
        )
        .with_detail("each code works once; wait for the next one")
    }

    fn invalid_password() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-password",
            "the current password is wrong",
        )
    }

    fn not_for_agents() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "not-for-agents",
            "an agent cannot do this",
        )
    }
}

impl From<PasswordRefused> for Problem {
    fn from(refused: PasswordRefused) -> Self {
        match refused {
            PasswordRefused::Rejected => Self::invalid_password(),
            PasswordRefused::Limited(seconds) => Self::too_many_attempts(seconds),
            PasswordRefused::Overloaded(Overloaded) => Self::overloaded(),
            PasswordRefused::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<CodeError> for Problem {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::Rejected => Self::invalid_code(),
            CodeError::Limited(seconds) => Self::too_many_attempts(seconds),
            CodeError::Disabled => Self::factor_disabled(),
            CodeError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Rejected => Self::login_rejected(),
            LoginError::Limited(seconds) => Self::too_many_attempts(seconds),
            LoginError::FactorDisabled => Self::factor_disabled(),
            LoginError::Overloaded(Overloaded) => Self::overloaded(),
            LoginError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<MfaError> for Problem {
    fn from(error: MfaError) -> Self {
        match error {
            MfaError::NotFound => Self::not_found(),
            MfaError::NotForAgents => Self::not_for_agents(),
            MfaError::CodeRequired => Self::invalid(vec![FieldError::new(
                "code",
                "needed where there is a second factor",
            )]),
            MfaError::Password(refused) => refused.into(),
            MfaError::Code(error) => error.into(),
            MfaError::Denied(denied) => denied.into(),
            MfaError::Busy => Self::busy(),
            MfaError::Overloaded(Overloaded) => Self::overloaded(),
            MfaError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NotFound => Self::not_found(),
            KeyError::Stronger(scopes) => Self::new(
                StatusCode::FORBIDDEN,
                "key-too-strong",
                "a key cannot make a stronger key",
            )
            .with_detail(format!("these scopes are too much here: {scopes}")),
            KeyError::OutlivesCreator => Self::new(
                StatusCode::FORBIDDEN,
                "key-too-strong",
                "a key cannot make a stronger key",
            )
            .with_detail("the new key would live longer than the key that asks for it"),
            KeyError::ExpiryInPast => {
                Self::invalid(vec![FieldError::new("expires_at", "this lies in the past")])
            }
            KeyError::Busy => Self::busy(),
            KeyError::Denied(denied) => denied.into(),
            KeyError::Idempotency(_) => Self::idempotency_conflict(),
            KeyError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::NotFound => Self::not_found(),
            UserError::NameTaken => Self::conflict("username-taken", "the user name is taken"),
            UserError::LastAdmin => Self::conflict(
                "last-admin",
                "the last active administrator cannot be removed, demoted or disabled",
            ),
            UserError::AgentAdmin => Self::invalid(vec![FieldError::new(
                "role",
                "an agent cannot be an administrator",
            )]),
            UserError::NotForAgents => Self::not_for_agents(),
            UserError::NameOfAgents => Self::invalid(vec![FieldError::new("username", error)]),
            UserError::ManagedAsAgent => {
                Self::conflict("managed-as-agent", "this user is an agent")
                    .with_detail(error.to_string())
            }
            UserError::Denied(denied) => denied.into(),
            UserError::Password(refused) => refused.into(),
            UserError::NewPassword(error) => {
                Self::invalid(vec![FieldError::new("password", error)])
            }
            UserError::Overloaded(Overloaded) => Self::overloaded(),
            UserError::Busy => Self::busy(),
            UserError::Idempotency(_) => Self::idempotency_conflict(),
            UserError::Store(error) => error.into(),
            _ => Self::internal(),
        }
    }
}

/// Seconds. Sooner or later somebody has to do something else.
const ASK_SOMEBODY: u32 = 3_600;
