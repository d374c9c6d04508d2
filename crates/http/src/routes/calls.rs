//! Questions that Keyward itself asks the services of credentials.

use std::sync::Arc;

use actix_web::http::Method;
use keyward_auth::Permit;
use keyward_auth::needs::CredentialsUse;
use keyward_credentials::{
    CallError, CallServices, Calling, CredentialId, Model, NoDestination, Tested, UseError, Which,
};
use serde::Serialize;
use tokio::runtime::Handle;
use utoipa::ToSchema;

use crate::Problem;
use crate::answer::Found;
use crate::endpoint::Endpoint;
use crate::input::{At, Body};
use crate::routes::users::Nothing;
use crate::services::{ApiStore, Services};

pub(crate) fn endpoints<S: ApiStore>() -> Vec<Endpoint<S>> {
    vec![
        Endpoint::new(
            Method::POST,
            "/credentials/{id}/test",
            "Ask the service of a credential whether it takes it",
            test,
        )
        .asking(),
        Endpoint::new(
            Method::GET,
            "/credentials/{id}/models",
            "Ask the provider of a credential which models it has",
            models,
        )
        .asking(),
    ]
}

fn test<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<CredentialsUse>,
    (At(id), Body(Nothing {})): (At<CredentialId>, Body<Nothing>),
) -> Result<Found<TestOutcome>, Problem> {
    let tested = services.ask(|calls| calls.test(caller.clone(), Which::Id(id)))?;
    TestOutcome::of(tested).map(Found)
}

fn models<S: ApiStore>(
    services: &Services<S>,
    caller: &Permit<CredentialsUse>,
    At(id): At<CredentialId>,
) -> Result<Found<Models>, Problem> {
    let models = services.ask(|calls| calls.models(caller.clone(), Which::Id(id)))??;
    Ok(Found(Models(
        models.into_iter().map(ModelBody::from).collect(),
    )))
}

impl<S> Services<S> {
    /// Asks, and waits for the answer, on a thread that may wait.
    fn ask<T>(
        &self,
        question: impl FnOnce(&Arc<dyn CallServices>) -> Calling<T>,
    ) -> Result<Result<T, CallError>, Problem> {
        let calls = self.calls.as_ref().ok_or_else(Problem::no_broker)?;
        let runtime = Handle::try_current().map_err(|_| Problem::internal())?;
        Ok(runtime.block_on(question(calls)))
    }
}

/// Whether the service takes the credential.
#[derive(Serialize, ToSchema)]
pub(crate) struct TestOutcome {
    ok: bool,
    /// Why not, in a few words: `status` and the status code that the service answered with,
    /// `unreachable`, `timeout`, `redirect`, `bad answer`, `refused address`, `no built-in test`,
    /// `no base URL`, `no secret` or `unusable secret`.
    error: Option<&'static str>,
}

impl TestOutcome {
    /// What is wrong with the credential or its service is an answer to the question; what is
    /// wrong with the caller or with Keyward is none.
    fn of(tested: Result<Tested, CallError>) -> Result<Self, Problem> {
        let error = match tested {
            Ok(Tested::Accepted) => None,
            Ok(Tested::Not(why)) => Some(why),
            Err(CallError::Unreachable) => Some("unreachable"),
            Err(CallError::TimedOut) => Some("timeout"),
            Err(CallError::BadAnswer) => Some("bad answer"),
            Err(CallError::ForbiddenAddress(_)) => Some("refused address"),
            Err(CallError::UnusableSecret) => Some("unusable secret"),
            Err(CallError::Use(UseError::NotSet(_))) => Some("no secret"),
            Err(CallError::Use(UseError::NoDestination(NoDestination::BaseUrl))) => {
                Some("no base URL")
            }
            Err(CallError::Use(
                UseError::NoTemplate | UseError::NoDestination(NoDestination::Auth),
            )) => Some("no built-in test"),
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            ok: error.is_none(),
            error,
        })
    }
}

/// The models of a provider.
#[derive(Serialize, ToSchema)]
pub(crate) struct Models(Vec<ModelBody>);

/// A model of a provider.
#[derive(Serialize, ToSchema)]
#[schema(as = Model)]
pub(crate) struct ModelBody {
    /// What requests call it.
    id: String,
    /// What people call it.
    name: String,
}

impl From<Model> for ModelBody {
    fn from(model: Model) -> Self {
        Self {
            id: model.id,
            name: model.name,
        }
    }
}
