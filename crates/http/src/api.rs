use std::net::Ipv4Addr;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, Resource, web};
use keyward_crypto::ApiKey;
use zeroize::Zeroizing;

use crate::call::Call;
use crate::edge::RequestId;
use crate::endpoint::{Access, Route, Run};
use crate::lanes::{Lanes, Work};
use crate::services::{ApiStore, Services};
use crate::{
    Companion, Metrics, Problem, Relay, Source, TrustedProxies, body, docs, health, routes,
};

/// The whole API over one store. Clones share it.
pub struct Api<S> {
    services: Arc<Services<S>>,
    routes: Arc<[Route<S>]>,
    /// OpenAPI, as JSON: its tree would take megabytes for as long as the server runs.
    document: web::Bytes,
    proxies: Arc<TrustedProxies>,
    companions: Vec<Companion>,
    relays: Vec<Relay>,
    metrics: Option<Metrics>,
}

impl<S> Clone for Api<S> {
    fn clone(&self) -> Self {
        Self {
            services: Arc::clone(&self.services),
            routes: Arc::clone(&self.routes),
            document: self.document.clone(),
            proxies: Arc::clone(&self.proxies),
            companions: self.companions.clone(),
            relays: self.relays.clone(),
            metrics: self.metrics.clone(),
        }
    }
}

#[expect(
    private_bounds,
    reason = "an alias for the repositories that Services asks for"
)]
impl<S: ApiStore> Api<S> {
    /// An API over `services`.
    #[must_use]
    pub fn new(services: Services<S>) -> Self {
        let endpoints = routes::all();
        let document = crate::openapi::document(&endpoints);
        let document = serde_json::to_vec(&document).unwrap_or_default();
        Self {
            services: Arc::new(services),
            routes: endpoints.into_iter().map(|known| known.route).collect(),
            document: document.into(),
            proxies: Arc::default(),
            companions: Vec::new(),
            relays: Vec::new(),
            metrics: None,
        }
    }

    /// Takes these proxies' word for where requests come from. Without it, nobody's is taken.
    #[must_use]
    pub fn trusting(self, proxies: TrustedProxies) -> Self {
        Self {
            proxies: Arc::new(proxies),
            ..self
        }
    }

    /// Serves another protocol beside the API.
    #[must_use]
    pub fn with(mut self, companion: Companion) -> Self {
        self.companions.push(companion);
        self
    }

    /// Passes requests on to other services.
    #[must_use]
    pub fn relaying(mut self, relay: Relay) -> Self {
        self.relays.push(relay);
        self
    }

    /// Shows what is counted, at `/metrics`.
    #[must_use]
    pub fn showing(self, metrics: Metrics) -> Self {
        Self {
            metrics: Some(metrics),
            ..self
        }
    }

    /// Mounts everything: `/api/v1`, companions, relays, `/metrics`, `/health`, `/openapi.json` and `/docs`, and an answer for
    /// every other path.
    ///
    /// Call it once for each worker, as in the example of the crate: what is mounted lets only so much work begin at a
    /// time, on [`BLOCKING_THREADS`](crate::BLOCKING_THREADS) threads.
    pub fn mount(&self, config: &mut web::ServiceConfig) {
        let lanes = Lanes::new();
        config.configure(|config| self.mount_routes_in(&lanes, config));
        config.configure(|config| self.mount_companions(&lanes, config));
        config.configure(|config| health::mount(&self.services, config));
        config.configure(|config| docs::mount(self.document.clone(), config));
        config.configure(nothing_else);
    }

    /// Mounts `/metrics` and `/health` alone, for a socket that only those reach who watch the server.
    pub fn mount_operations(&self, metrics: &Metrics, config: &mut web::ServiceConfig) {
        metrics.mount(&self.services, &Lanes::new(), config);
        config.configure(|config| health::mount(&self.services, config));
        config.configure(nothing_else);
    }

    /// Mounts the routes below `/api/v1` alone.
    pub fn mount_routes(&self, config: &mut web::ServiceConfig) {
        self.mount_routes_in(&Lanes::new(), config);
    }

    fn mount_routes_in(&self, lanes: &Lanes, config: &mut web::ServiceConfig) {
        for path in routes::paths(&self.routes) {
            config.service(self.resource(path, lanes));
        }
    }

    fn mount_companions(&self, lanes: &Lanes, config: &mut web::ServiceConfig) {
        for companion in &self.companions {
            companion.mount(&self.services, lanes, config);
        }
        for relay in &self.relays {
            relay.mount(config);
        }
        if let Some(metrics) = &self.metrics {
            metrics.mount(&self.services, lanes, config);
        }
    }

    fn resource(&self, path: &'static str, lanes: &Lanes) -> Resource {
        let full = format!("{PREFIX}{path}");
        let mut resource = web::resource([full.clone(), format!("{full}/")]);
        let mut methods = Vec::new();
        for route in self.routes.iter().filter(|known| known.path == path) {
            let (services, run) = (Arc::clone(&self.services), Arc::clone(&route.run));
            let (proxies, lanes) = (Arc::clone(&self.proxies), lanes.clone());
            let (access, work) = (route.access, route.work);
            methods.push(route.method.to_string());
            resource = resource.route(web::method(route.method.clone()).to(
                move |request: HttpRequest, payload: web::Payload| {
                    let (services, run) = (Arc::clone(&services), Arc::clone(&run));
                    let source = source(&request, &proxies);
                    let lanes = lanes.clone();
                    async move {
                        let call = read(&request, payload, (access, source)).await?;
                        answer(call, services, run, (&lanes, work)).await
                    }
                },
            ));
        }
        let allow = methods.join(", ");
        resource.default_service(web::to(move || {
            let problem = Problem::method_not_allowed(allow.clone());
            async { Err::<HttpResponse, _>(problem) }
        }))
    }
}

/// The answer for every path where nothing is mounted.
fn nothing_else(config: &mut web::ServiceConfig) {
    config.default_service(web::to(async || {
        Err::<HttpResponse, _>(Problem::not_found())
    }));
}

/// The OpenAPI 3.1 document of an API over any store, without one.
#[must_use]
#[expect(
    private_bounds,
    reason = "an alias for the repositories that Services asks for"
)]
pub fn openapi<S: ApiStore>() -> utoipa::openapi::OpenApi {
    crate::openapi::document(&routes::all::<S>())
}

/// What arrives, once it is complete.
async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    (access, source): (Access, Source),
) -> Result<Call, Problem> {
    // Before the body, so that nobody without the form of a key makes us read one.
    let key = match access {
        Access::Open => None,
        Access::Key(_) => Some(bearer(request).ok_or_else(Problem::unauthenticated)?),
    };
    let body = match *request.method() {
        Method::GET => Zeroizing::default(),
        _ => body::read(request, payload).await?,
    };
    call(request, source, key, body)
}

/// The one crossing from async to sync: whatever a request asks for runs in one call on the
/// blocking pool, authentication included. It runs to its end even when the client goes away.
async fn answer<S: ApiStore>(
    call: Call,
    services: Arc<Services<S>>,
    run: Arc<Run<S>>,
    (lanes, work): (&Lanes, Work),
) -> Result<HttpResponse, Problem> {
    let outcome = lanes.run(work, move || run(&services, call)).await?;
    outcome.map(crate::answer::Reply::send)
}

fn source(request: &HttpRequest, proxies: &TrustedProxies) -> Source {
    // Only tests and local sockets have no peer.
    let peer = request.peer_addr().map(|peer| peer.ip());
    proxies.source(
        peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
        request.headers(),
    )
}

fn call(
    request: &HttpRequest,
    source: Source,
    key: Option<ApiKey>,
    body: Zeroizing<Vec<u8>>,
) -> Result<Call, Problem> {
    let parameters = request.match_info().iter();
    let mut names = request.headers().get_all(IDEMPOTENCY_KEY);
    let idempotency_key = match (names.next(), names.next()) {
        (None, _) => None,
        (Some(only), None) => only.to_str().map(str::to_owned).map(Some).map_err(|_| {
            Problem::malformed("Idempotency-Key: expected printable ASCII characters")
        })?,
        _ => return Err(Problem::malformed("Idempotency-Key may be given once")),
    };
    Ok(Call {
        key,
        operation: format!(
            "{} {}",
            request.method(),
            request.path().trim_end_matches('/')
        ),
        path: parameters.map(|(_, value)| value.to_owned()).collect(),
        query: request.query_string().to_owned(),
        body,
        idempotency_key,
        request_id: request
            .extensions()
            .get::<RequestId>()
            .map(|id| id.as_str().to_owned()),
        source,
    })
}

/// The key that the request presents, if there is exactly one and it has the form of a key, which
/// for keys of our own includes their checksum.
pub(crate) fn bearer(request: &HttpRequest) -> Option<ApiKey> {
    let mut presented = request.headers().get_all(AUTHORIZATION);
    let (Some(only), None) = (presented.next(), presented.next()) else {
        return None;
    };
    // The scheme's name is case-insensitive (RFC 9110 §11.1).
    let (scheme, key) = only.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return None;
    }
    ApiKey::parse(key.trim_start_matches(' ')).ok()
}

/// What all paths of the API start with.
pub(crate) const PREFIX: &str = "/api/v1";
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
