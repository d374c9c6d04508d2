use actix_web::http::Method;
use keyward_auth::{Any, LoggedIn, Permit, SecondFactor, Session, Username, Visitor};
use keyward_core::Timestamp;
use keyward_crypto::{LoginTicket, Password, RecoveryCode, SecretText, TotpCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;
use crate::answer::{Done, Found};
use crate::endpoint::Endpoint;
use crate::input::{Body, field};
use crate::problem::FieldError;
use crate::routes::users::Nothing;
use crate::services::{ApiStore, Services};

pub(crate) fn endpoints<S: ApiStore>() -> Vec<Endpoint<S>> {
    vec![
        Endpoint::open(
            Method::POST,
            "/auth/token",
            "Log in: the first step, with a password",
            with_password,
        )
        .hashing(),
        Endpoint::open(
            Method::POST,
            "/auth/mfa/login-verify",
            "Log in: the second step, with a code or a recovery code",
            with_second_factor,
        ),
        Endpoint::new(
            Method::POST,
            "/auth/logout",
            "Revoke the presented key",
            logout,
        ),
        Endpoint::new(
            Method::POST,
            "/auth/step-up",
            "Show the second factor anew, for sensitive changes",
            step_up,
        )
        .hashing()
        .sensitive(),
    ]
}

fn with_password<S: ApiStore>(
    services: &Services<S>,
    visitor: &Visitor,
    (Body(body), _): (Body<Credentials>, Visitor),
) -> Result<Found<Token>, Problem> {
    let username = Username::parse(&body.username)
        .map_err(|error| Problem::malformed(format!("username: {error}")))?;
    let mut errors = Vec::new();
    let password = field("password", Password::attempt(body.password), &mut errors);
    let password = password.ok_or_else(|| Problem::invalid(errors))?;
    let outcome = services
        .login
        .with_password(&username, &password, visitor)?;
    Ok(Found(outcome.into()))
}

fn with_second_factor<S: ApiStore>(
    services: &Services<S>,
    visitor: &Visitor,
    (Body(body), _): (Body<SecondStep>, Visitor),
) -> Result<Found<Token>, Problem> {
    let (ticket, factor) = body.parse()?;
    let session = services
        .login
        .with_second_factor(&ticket, &factor, visitor)?;
    Ok(Found(Token::of(session)))
}

fn logout<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Done, Problem> {
    services.login.logout(caller)?;
    Ok(Done)
}

fn step_up<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    (Body(body), visitor): (Body<Proof>, Visitor),
) -> Result<Found<SteppedUp>, Problem> {
    let mut errors = Vec::new();
    let until = match (body.code, body.password) {
        (Some(code), None) => {
            let code = field("code", TotpCode::parse(code.expose()), &mut errors);
            let code = code.ok_or_else(|| Problem::invalid(errors))?;
            services.mfa.step_up(caller, code)?
        }
        (None, Some(password)) => {
            let password = field("password", Password::attempt(password), &mut errors);
            let password = password.ok_or_else(|| Problem::invalid(errors))?;
            services
                .mfa
                .step_up_with_password(caller, &password, &visitor)?
        }
        _ => return Err(either("code", "password")),
    };
    Ok(Found(SteppedUp { until }))
}

fn either(one: &str, other: &str) -> Problem {
    let text = format!("give either `{one}` or `{other}`");
    Problem::invalid(vec![FieldError::new(one, text)])
}

/// What a person logs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    #[schema(max_length = 64)]
    username: String,
    #[schema(value_type = String, format = "password", write_only)]
    password: SecretText,
}

/// The ticket of the first step, and either `code` or `recovery_code`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondStep {
    #[schema(value_type = String, write_only)]
    ticket: SecretText,
    /// Six digits.
    #[schema(value_type = String, write_only, required = false)]
    code: Option<SecretText>,
    #[schema(value_type = String, write_only, required = false)]
    recovery_code: Option<SecretText>,
}

impl SecondStep {
    fn parse(self) -> Result<(LoginTicket, SecondFactor), Problem> {
        let mut errors = Vec::new();
        let ticket = field(
            "ticket",
            LoginTicket::parse(self.ticket.expose()),
            &mut errors,
        );
        let factor = match (self.code, self.recovery_code) {
            (Some(code), None) => {
                field("code", TotpCode::parse(code.expose()), &mut errors).map(SecondFactor::Code)
            }
            (None, Some(code)) => {
                let code = RecoveryCode::parse(code.expose());
                field("recovery_code", code, &mut errors).map(SecondFactor::Recovery)
            }
            _ => return Err(either("code", "recovery_code")),
        };
        ticket.zip(factor).ok_or_else(|| Problem::invalid(errors))
    }
}

/// Either `code`, or, where there is no second factor, `password`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proof {
    /// Six digits.
    #[schema(value_type = String, write_only, required = false)]
    code: Option<SecretText>,
    #[schema(value_type = String, format = "password", write_only, required = false)]
    password: Option<SecretText>,
}

/// A key, or a ticket that leads to one.
#[derive(Serialize, ToSchema)]
pub(crate) struct Token {
    /// The key, short-lived; empty when the second step is still to come.
    #[schema(value_type = String)]
    #[serde(serialize_with = "exposed")]
    key: Secret,
    /// Whether the second step is still to come.
    requires_mfa: bool,
    /// For the second step: good for five minutes, five tries and one login.
    #[schema(value_type = String)]
    #[serde(serialize_with = "exposed", skip_serializing_if = "Secret::is_none")]
    ticket: Secret,
    /// When the key, or the ticket, ends.
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
}

impl Token {
    fn of(session: Session) -> Self {
        Self {
            key: Secret::Key(session.key),
            requires_mfa: false,
            ticket: Secret::None,
            expires_at: session.expires_at,
        }
    }
}

impl From<LoggedIn> for Token {
    fn from(outcome: LoggedIn) -> Self {
        match outcome {
            LoggedIn::Done(session) => Self::of(session),
            LoggedIn::NeedsSecondFactor { ticket, expires_at } => Self {
                key: Secret::None,
                requires_mfa: true,
                ticket: Secret::Ticket(ticket),
                expires_at,
            },
        }
    }
}

/// What an answer shows this once.
enum Secret {
    None,
    Key(keyward_crypto::ApiKey),
    Ticket(LoginTicket),
}

impl Secret {
    fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

fn exposed<S: serde::Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match secret {
        Secret::None => "",
        Secret::Key(key) => key.expose(),
        Secret::Ticket(ticket) => ticket.expose(),
    })
}

/// Sensitive changes need no further proof until then.
#[derive(Serialize, ToSchema)]
pub(crate) struct SteppedUp {
    #[schema(value_type = String, format = "date-time")]
    until: Timestamp,
}
