use actix_web::http::Method;
use keyward_auth::{Any, MfaStatus, Permit, RecoveryCodes, Visitor};
use keyward_crypto::{ProvisioningUri, SecretText, TotpCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;
use crate::answer::Found;
use crate::endpoint::Endpoint;
use crate::input::{Body, field};
use crate::routes::users::Nothing;
use crate::services::{ApiStore, Services};

pub(crate) fn endpoints<S: ApiStore>() -> Vec<Endpoint<S>> {
    vec![
        Endpoint::new(
            Method::POST,
            "/auth/mfa/setup",
            "Draw a secret for an authenticator app",
            setup,
        )
        .sensitive(),
        Endpoint::new(
            Method::POST,
            "/auth/mfa/verify",
            "Take the secret into use with its first code",
            verify,
        )
        .sensitive(),
        Endpoint::new(
            Method::POST,
            "/auth/mfa/disable",
            "Do without a second factor",
            disable,
        )
        .sensitive(),
        Endpoint::new(
            Method::POST,
            "/auth/mfa/recovery-codes",
            "Ten new recovery codes in place of the old ones",
            renew,
        )
        .sensitive(),
        Endpoint::new(
            Method::GET,
            "/auth/mfa/status",
            "Whether the caller has a second factor",
            status,
        )
        .sensitive(),
    ]
}

fn setup<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Found<Setup>, Problem> {
    let enrolling = services.mfa.begin(caller)?;
    let qr_svg = enrolling.uri.qr_svg().map_err(|_| Problem::internal())?;
    Ok(Found(Setup {
        secret: enrolling.secret,
        provisioning_uri: enrolling.uri,
        qr_svg,
    }))
}

fn verify<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    (Body(body), _): (Body<CodeBody>, Visitor),
) -> Result<Found<Enabled>, Problem> {
    let codes = services.mfa.confirm(caller, body.parse()?)?;
    Ok(Found(Enabled {
        mfa_enabled: true,
        recovery_codes: codes,
    }))
}

fn disable<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    (Body(body), _): (Body<CodeBody>, Visitor),
) -> Result<Found<Disabled>, Problem> {
    services.mfa.disable(caller, body.parse()?)?;
    Ok(Found(Disabled { mfa_enabled: false }))
}

fn renew<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    (Body(body), _): (Body<CodeBody>, Visitor),
) -> Result<Found<Renewed>, Problem> {
    let codes = services.mfa.renew_recovery_codes(caller, body.parse()?)?;
    Ok(Found(Renewed {
        recovery_codes: codes,
    }))
}

fn status<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Any>,
    (): (),
) -> Result<Found<Status>, Problem> {
    Ok(Found(services.mfa.status(caller)?.into()))
}

/// A code of the authenticator app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeBody {
    /// Six digits.
    #[schema(value_type = String, pattern = "^[0-9]{6}$", write_only)]
    code: SecretText,
}

impl CodeBody {
    fn parse(self) -> Result<TotpCode, Problem> {
        let mut errors = Vec::new();
        field("code", TotpCode::parse(self.code.expose()), &mut errors)
            .ok_or_else(|| Problem::invalid(errors))
    }
}

/// A secret that waits for its first code. This is the only time that it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct Setup {
    /// In base32, for typing it in.
    #[schema(value_type = String)]
    #[serde(serialize_with = "text")]
    secret: SecretText,
    /// As authenticator apps take it: `otpauth://totp/…`.
    #[schema(value_type = String)]
    #[serde(serialize_with = "uri")]
    provisioning_uri: ProvisioningUri,
    /// The same as a picture to scan.
    #[schema(value_type = String)]
    #[serde(serialize_with = "text")]
    qr_svg: SecretText,
}

/// A second factor is asked for from now on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Enabled {
    mfa_enabled: bool,
    /// Each takes the place of one code. This is the only time that they are shown.
    #[schema(value_type = Vec<String>)]
    #[serde(serialize_with = "codes")]
    recovery_codes: RecoveryCodes,
}

/// No second factor is asked for from now on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Disabled {
    mfa_enabled: bool,
}

/// New recovery codes.
#[derive(Serialize, ToSchema)]
pub(crate) struct Renewed {
    /// Each takes the place of one code. This is the only time that they are shown.
    #[schema(value_type = Vec<String>)]
    #[serde(serialize_with = "codes")]
    recovery_codes: RecoveryCodes,
}

/// The second factor of the caller.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    mfa_enabled: bool,
    recovery_codes_left: usize,
}

impl From<MfaStatus> for Status {
    fn from(status: MfaStatus) -> Self {
        Self {
            mfa_enabled: status.enabled,
            recovery_codes_left: status.recovery_codes_left,
        }
    }
}

fn text<S: serde::Serializer>(secret: &SecretText, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

fn uri<S: serde::Serializer>(uri: &ProvisioningUri, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(uri.expose())
}

fn codes<S: serde::Serializer>(codes: &RecoveryCodes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(codes.0.iter().map(|code| code.expose()))
}
