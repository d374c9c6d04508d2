use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::rt::time::timeout;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use keyward_auth::Principal;

use crate::api::bearer;
use crate::edge::RequestId;
use crate::lanes::{Lanes, Work};
use crate::services::{ApiStore, Services};
use crate::{Problem, body};

/// Another protocol beside the API, at a path of its own, for callers whose key was checked: MCP.
///
/// Every POST is authenticated anew, as every request to the API, and its body is as limited.
#[derive(Clone)]
pub struct Companion {
    path: &'static str,
    serve: Arc<Serve>,
}

type Serve =
    dyn Fn(CompanionRequest) -> Pin<Box<dyn Future<Output = CompanionAnswer>>> + Send + Sync;

/// A request whose caller is known.
#[derive(Debug)]
pub struct CompanionRequest {
    /// Who asks.
    pub caller: Principal,
    /// The header fields, with names in lower case, and without the key.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, up to 64 KiB.
    pub body: Vec<u8>,
}

/// What is sent back.
#[derive(Debug)]
pub struct CompanionAnswer {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Companion {
    /// Serves POST at `path`, such as `/mcp`.
    pub fn new<F>(
        path: &'static str,
        serve: impl Fn(CompanionRequest) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = CompanionAnswer> + 'static,
    {
        Self {
            path,
            serve: Arc::new(move |request| Box::pin(serve(request))),
        }
    }

    pub(crate) fn mount<S: ApiStore>(
        &self,
        services: &Arc<Services<S>>,
        lanes: &Lanes,
        config: &mut web::ServiceConfig,
    ) {
        let (services, serve) = (Arc::clone(services), Arc::clone(&self.serve));
        let lanes = lanes.clone();
        let route =
            web::method(Method::POST).to(move |request: HttpRequest, payload: web::Payload| {
                let (services, serve) = (Arc::clone(&services), Arc::clone(&serve));
                let lanes = lanes.clone();
                async move { answer(&request, payload, (services, &lanes), &*serve).await }
            });
        let resource = web::resource([self.path.to_owned(), format!("{}/", self.path)]);
        config.service(resource.route(route).default_service(web::to(async || {
            Err::<HttpResponse, _>(Problem::method_not_allowed("POST".to_owned()))
        })));
    }
}

async fn answer<S: ApiStore>(
    request: &HttpRequest,
    payload: web::Payload,
    (services, lanes): (Arc<Services<S>>, &Lanes),
    serve: &Serve,
) -> Result<HttpResponse, Problem> {
    let key = bearer(request).ok_or_else(Problem::unauthenticated)?;
    let id = request
        .extensions()
        .get::<RequestId>()
        .map(|id| id.as_str().to_owned());
    let principal = lanes.run(Work::Storage, move || services.authenticate.principal(&key));
    let mut caller = principal.await??;
    caller.request = id;
    let body = body::read(request, payload).await?.to_vec();
    let fields = request
        .headers()
        .iter()
        .filter(|(name, _)| *name != "authorization");
    let headers = fields
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    let asked = CompanionRequest {
        caller,
        headers,
        body,
    };
    let answer = timeout(PATIENCE, serve(asked)).await;
    let answer = answer.map_err(|_elapsed| Problem::internal())?;
    let status = StatusCode::from_u16(answer.status).map_err(|_| Problem::internal())?;
    let mut response = HttpResponse::build(status);
    for (name, value) in answer.headers {
        response.append_header((name, value));
    }
    Ok(response.body(answer.body))
}

/// Longer than any call takes. Who waits for longer waits for a mistake.
const PATIENCE: Duration = Duration::from_mins(1);
