use actix_web::http::Method;
use keyward_auth::Permit;
use keyward_auth::needs::Admin;
use keyward_encryption::{KeyState, KeyStatus, RotationState, Status};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;
use crate::answer::Found;
use crate::endpoint::Endpoint;
use crate::input::Body;
use crate::services::{ApiStore, Services};

pub(crate) fn endpoints<S: ApiStore>() -> Vec<Endpoint<S>> {
    vec![
        Endpoint::new(
            Method::GET,
            "/encryption/rotation",
            "Which encryption keys there are, and how far re-encryption is",
            rotation,
        ),
        Endpoint::new(
            Method::POST,
            "/encryption/rotation",
            "Start re-encryption under the active key, or pause it",
            turn,
        )
        .sensitive(),
    ]
}

fn rotation<S: ApiStore>(
    services: &Services<S>,
    _: &Permit<Admin>,
    (): (),
) -> Result<Found<Rotation>, Problem> {
    Ok(Found(services.encryption.status()?.into()))
}

fn turn<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<Admin>,
    Body(TurnRotation { action }): Body<TurnRotation>,
) -> Result<Found<Rotation>, Problem> {
    let status = match action {
        RotationAction::Start => services.encryption.start(caller)?,
        RotationAction::Pause => services.encryption.pause(caller)?,
    };
    Ok(Found(status.into()))
}

/// What the nodes have to do.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TurnRotation {
    /// `start` also goes on after a pause.
    action: RotationAction,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RotationAction {
    Start,
    Pause,
}

/// How far re-encryption is. Keys are named by their ids, which say nothing about them.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rotation {
    state: RotationStateBody,
    /// The key that new values are sealed under; null before the first start of a server.
    active_kid: Option<String>,
    /// Every key that was ever used, retired ones included.
    keys: Vec<EncryptionKey>,
    /// How many of `total` are under the active key.
    done: u64,
    /// How many values there were to move when it was started; before that, how many there are.
    total: u64,
}

/// `done` is for the key that was active then: when another one is activated it is `idle` again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RotationStateBody {
    Idle,
    Running,
    Paused,
    Done,
}

/// One encryption key.
#[derive(Serialize, ToSchema)]
struct EncryptionKey {
    kid: String,
    state: EncryptionKeyState,
    /// How many values are sealed under it.
    rows: u64,
}

/// `unknown`: values name the key, and no server ever had it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum EncryptionKeyState {
    Added,
    Active,
    DecryptOnly,
    Retired,
    Unknown,
}

impl From<Status> for Rotation {
    fn from(status: Status) -> Self {
        Self {
            state: match status.rotation {
                RotationState::Idle => RotationStateBody::Idle,
                RotationState::Running => RotationStateBody::Running,
                RotationState::Paused => RotationStateBody::Paused,
                RotationState::Done => RotationStateBody::Done,
            },
            active_kid: status.active.map(|kid| kid.to_string()),
            keys: status.keys.into_iter().map(EncryptionKey::from).collect(),
            done: status.done,
            total: status.total,
        }
    }
}

impl From<KeyStatus> for EncryptionKey {
    fn from(key: KeyStatus) -> Self {
        Self {
            kid: key.kid.to_string(),
            state: match key.state {
                Some(KeyState::Added) => EncryptionKeyState::Added,
                Some(KeyState::Active) => EncryptionKeyState::Active,
                Some(KeyState::DecryptOnly) => EncryptionKeyState::DecryptOnly,
                Some(KeyState::Retired) => EncryptionKeyState::Retired,
                None => EncryptionKeyState::Unknown,
            },
            rows: key.rows,
        }
    }
}
