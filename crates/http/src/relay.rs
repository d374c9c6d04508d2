//! Passes requests on to other services, with streams for bodies both ways.

mod body;
mod convert;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::http::header::{HeaderValue as ActixValue, WWW_AUTHENTICATE};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _, web};
use keyward_auth::Permit;
use keyward_auth::needs::CredentialsUse;
use keyward_credentials::{CallError, Which};
use percent_encoding::percent_decode_str;

pub use self::body::{AnswerBody, BodyError, RequestBody};
use crate::Problem;
use crate::edge::RequestId;
use crate::presented::{self, Presented};
use crate::services::{ApiStore, Services};

/// Requests to other services, with the credential that the path names.
///
/// The caller's key is taken from where the client of the other service puts its own, checked for
/// the scope `credentials:use`, and removed.
#[derive(Clone)]
pub struct Relay {
    prefix: &'static str,
    serve: Arc<Serve>,
}

type Serve = dyn Fn(RelayRequest) -> Pin<Box<dyn Future<Output = Relayed>>> + Send + Sync;
type Relayed = Result<http::Response<AnswerBody>, CallError>;

/// A request whose caller is known.
#[derive(Debug)]
pub struct RelayRequest {
    /// Who asks.
    pub caller: Permit<CredentialsUse>,
    /// With which credential.
    pub which: Which,
    /// The request: its target is what follows the credential in the path, its header fields have
    /// no key.
    pub request: http::Request<RequestBody>,
}

impl Relay {
    /// Passes on what comes in below `prefix`, such as `/broker`.
    pub fn new<F>(
        prefix: &'static str,
        serve: impl Fn(RelayRequest) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Relayed> + 'static,
    {
        Self {
            prefix,
            serve: Arc::new(move |request| Box::pin(serve(request))),
        }
    }

    pub(crate) fn mount<S: ApiStore>(
        &self,
        services: &Arc<Services<S>>,
        config: &mut web::ServiceConfig,
    ) {
        let (services, relay) = (Arc::clone(services), self.clone());
        let handler = move |request: HttpRequest, payload: web::Payload| {
            let (services, relay) = (Arc::clone(&services), relay.clone());
            async move {
                match relay.answer(&request, payload, services).await {
                    Ok(answer) => answer,
                    Err(problem) => refusal(&problem),
                }
            }
        };
        let resource = web::resource(format!("{}/{{target:.*}}", self.prefix));
        config.service(resource.default_service(web::to(handler)));
    }

    async fn answer<S: ApiStore>(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
        services: Arc<Services<S>>,
    ) -> Result<HttpResponse, Problem> {
        let path = request.uri().path().strip_prefix(self.prefix);
        let target = path.and_then(|path| path.strip_prefix('/'));
        let (name, path) = split(target.ok_or_else(Problem::not_found)?);
        let mut headers = convert::headers(request.headers());
        let Presented { key, path: rest } =
            presented::take(&mut headers, path).ok_or_else(Problem::unauthenticated)?;
        let query = request.uri().query();
        if query.is_some_and(|query| query.contains(key.expose())) {
            return Err(Problem::malformed(
                "the API key stands in the address; send it in a header field",
            ));
        }
        let id = (request.extensions().get::<RequestId>()).map(|id| id.as_str().to_owned());
        let principal = web::block(move || services.authenticate.principal(&key)).await;
        let mut caller = principal.map_err(|_panicked| Problem::internal())??;
        caller.request = id;
        let which = percent_decode_str(name).decode_utf8();
        let which = which.map_err(|_| Problem::not_found())?;
        let asked = RelayRequest {
            caller: caller.permit::<CredentialsUse>()?,
            which: Which::parse(&which).map_err(|_| Problem::not_found())?,
            request: convert::request(
                request,
                (rest.as_deref().unwrap_or(path), query),
                headers,
                payload,
            )?,
        };
        let is_head = *request.method() == actix_web::http::Method::HEAD;
        Ok(convert::answer((self.serve)(asked).await?, is_head))
    }
}

/// The credential, and the path behind it with its slash.
fn split(target: &str) -> (&str, &str) {
    match target.find('/') {
        Some(end) => target.split_at(end),
        None => (target, "/"),
    }
}

/// Clients of git send a key only to who asks for a user name and a password.
fn refusal(problem: &Problem) -> HttpResponse {
    let mut response = problem.error_response();
    if response.status() == actix_web::http::StatusCode::UNAUTHORIZED {
        response.headers_mut().append(WWW_AUTHENTICATE, BASIC);
    }
    response
}

/// An answer that comes from another service. Nothing is added to its body.
#[derive(Clone, Copy)]
pub(crate) struct FromElsewhere;

const BASIC: ActixValue = ActixValue::from_static("Basic realm=\"keyward\"");
