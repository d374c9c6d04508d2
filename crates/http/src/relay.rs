//! Passes requests on to other services, with streams for bodies both ways.

mod body;
mod convert;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::http::header::{HeaderValue as ActixValue, WWW_AUTHENTICATE};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _, web};
use keyward_credentials::{CallError, Which};
use keyward_crypto::ApiKey;
use percent_encoding::percent_decode_str;

pub use self::body::{AnswerBody, BodyError, RequestBody};
use crate::Problem;
use crate::edge::RequestId;
use crate::presented::{self, Presented};

/// Requests to other services, with the credential that the path names.
///
/// The caller's key is taken from where the client of the other service puts its own.
#[derive(Clone)]
pub struct Relay {
    prefix: &'static str,
    serve: Arc<Serve>,
}

type Serve = dyn Fn(RelayRequest) -> Pin<Box<dyn Future<Output = Relayed>>> + Send + Sync;
type Relayed = Result<http::Response<AnswerBody>, CallError>;

/// A request with a key that is still to be checked: whoever passes the request on asks the storage
/// for the credential too, and can ask for both at once.
#[derive(Debug)]
pub struct RelayRequest {
    /// The key that was presented. It has the form of one.
    pub key: ApiKey,
    /// Whether the client would take the key along if it were led to another host: it stood in a
    /// header field other than `Authorization`.
    pub carries_key: bool,
    /// Names the request in the log and in the audit log.
    pub request_id: Option<String>,
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

    pub(crate) fn mount(&self, config: &mut web::ServiceConfig) {
        let relay = self.clone();
        let handler = move |request: HttpRequest, payload: web::Payload| {
            let relay = relay.clone();
            async move {
                match relay.answer(&request, payload).await {
                    Ok(answer) => answer,
                    Err(problem) => refusal(&problem),
                }
            }
        };
        let resource = web::resource(format!("{}/{{target:.*}}", self.prefix));
        config.service(resource.default_service(web::to(handler)));
    }

    async fn answer(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<HttpResponse, Problem> {
        let path = request.uri().path().strip_prefix(self.prefix);
        let target = path.and_then(|path| path.strip_prefix('/'));
        let (name, path) = split(target.ok_or_else(Problem::not_found)?);
        let mut headers = convert::headers(request.headers());
        if comes_from_a_page(&headers) {
            return Err(Problem::cross_site());
        }
        let Presented {
            key,
            path: rest,
            is_carried,
        } = presented::take(&mut headers, path).ok_or_else(Problem::unauthenticated)?;
        let query = request.uri().query();
        if query.is_some_and(|query| query.contains(key.expose())) {
            return Err(Problem::malformed(
                "the API key stands in the address; send it in a header field",
            ));
        }
        let which = percent_decode_str(name).decode_utf8();
        let which = which.map_err(|_| Problem::not_found())?;
        let asked = RelayRequest {
            key,
            carries_key: is_carried,
            request_id: (request.extensions().get::<RequestId>()).map(|id| id.as_str().to_owned()),
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

/// Whether a page of another site makes a browser ask (Fetch Metadata, `Sec-Fetch-Site`). A browser
/// that was once given a key as a password would add it by itself.
fn comes_from_a_page(headers: &http::HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.any(|site| site == "cross-site" || site == "same-site")
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
