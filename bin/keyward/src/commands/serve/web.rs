use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::STRICT_TRANSPORT_SECURITY;
use actix_web::middleware::{Condition, DefaultHeaders, from_fn};
use actix_web::{App, HttpServer};
use keyward_http::{Api, BLOCKING_THREADS, Metrics, TrustedProxies, edge, trusted_peers};
use keyward_store_diesel::DieselStore;
use rustls::ServerConfig;

use super::stop::{REQUESTS_SECONDS, StopSignals};
use super::traces::traced;
use crate::settings::Settings;

/// What is served, and how connections to it are treated.
pub(super) struct Web {
    pub(super) api: Api<DieselStore>,
    /// Where clients connect.
    pub(super) listener: TcpListener,
    /// What is counted, and where else it is shown than there.
    pub(super) metrics: Metrics,
    pub(super) metrics_listener: Option<TcpListener>,
    /// TLS of the server's own.
    pub(super) tls: Option<ServerConfig>,
    pub(super) conduct: Conduct,
}

/// What the settings say about connections and answers.
#[derive(Clone)]
pub(super) struct Conduct {
    origins: Origins,
    proxies: Arc<TrustedProxies>,
    takes_only_proxies: bool,
    is_behind_tls: bool,
    is_traced: bool,
}

/// Of web pages that may read answers.
#[derive(Clone, PartialEq, Eq)]
enum Origins {
    None,
    These(Vec<String>),
    All,
}

impl Origins {
    fn of(settings: &Settings) -> Self {
        let cors = &settings.cors;
        if cors.is_open() {
            Self::All
        } else if cors.origins.is_empty() {
            Self::None
        } else {
            Self::These(cors.origins.clone())
        }
    }
}

impl Conduct {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            origins: Origins::of(settings),
            proxies: Arc::new(proxies(settings)),
            takes_only_proxies: settings.takes_only_proxies(),
            is_behind_tls: settings.is_behind_tls(),
            is_traced: settings.otlp_endpoint.is_some(),
        }
    }
}

impl Web {
    /// Serves until the process is told to stop; then what has begun is finished.
    pub(super) fn run(self) -> io::Result<()> {
        actix_web::rt::System::new().block_on(async move {
            let metrics = self.metrics_listener.map(|listener| {
                let (api, metrics) = (self.api.clone(), self.metrics.clone());
                operations(api, metrics, listener, self.tls.clone(), &self.conduct)
            });
            let metrics = metrics.transpose()?;
            let handle = metrics.as_ref().map(actix_web::dev::Server::handle);
            let other = metrics.map(actix_web::rt::spawn);
            let stop = StopSignals::listen()?.first();
            main(self.api, self.listener, self.tls, self.conduct, stop)?.await?;
            if let (Some(handle), Some(other)) = (handle, other) {
                handle.stop(true).await;
                // It has no more to say than that it stopped.
                let _ = other.await;
            }
            Ok(())
        })
    }
}

/// The server for clients.
fn main(
    api: Api<DieselStore>,
    listener: TcpListener,
    tls: Option<ServerConfig>,
    conduct: Conduct,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<actix_web::dev::Server> {
    let server = HttpServer::new(move || {
        let Conduct {
            origins,
            proxies,
            takes_only_proxies,
            is_behind_tls,
            is_traced,
        } = conduct.clone();
        App::new()
            .wrap(Condition::new(
                origins != Origins::None,
                other_origins(&origins),
            ))
            .wrap(Condition::new(
                takes_only_proxies,
                from_fn(move |request, next| trusted_peers(Arc::clone(&proxies), request, next)),
            ))
            .wrap(from_fn(edge))
            .wrap(Condition::new(is_behind_tls, by_tls_only()))
            .wrap(Condition::new(is_traced, from_fn(traced)))
            .configure(|config| api.mount(config))
    })
    .client_request_timeout(HEAD_DEADLINE)
    .tls_handshake_timeout(HEAD_DEADLINE)
    .keep_alive(KEEP_ALIVE)
    // An event goes out when it comes, and not when the one before was acknowledged.
    .tcp_nodelay(true)
    // Who hangs up waits for no answer: what was begun for them elsewhere ends.
    .h1_allow_half_closed(false)
    .max_connections(MAX_CONNECTIONS)
    .worker_max_blocking_threads(BLOCKING_THREADS + keyward_mcp::PLACES)
    .shutdown_signal(stop)
    .shutdown_timeout(REQUESTS_SECONDS);
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

/// The server for those who watch this one. It has a thread of its own, so that it answers when all
/// others are busy.
fn operations(
    api: Api<DieselStore>,
    metrics: Metrics,
    listener: TcpListener,
    tls: Option<ServerConfig>,
    conduct: &Conduct,
) -> io::Result<actix_web::dev::Server> {
    let (proxies, only_proxies) = (Arc::clone(&conduct.proxies), conduct.takes_only_proxies);
    let server = HttpServer::new(move || {
        let proxies = Arc::clone(&proxies);
        App::new()
            .wrap(Condition::new(
                only_proxies,
                from_fn(move |request, next| trusted_peers(Arc::clone(&proxies), request, next)),
            ))
            .wrap(from_fn(edge))
            .configure(|config| api.mount_operations(&metrics, config))
    })
    .workers(1)
    .disable_signals()
    .client_request_timeout(HEAD_DEADLINE)
    .tls_handshake_timeout(HEAD_DEADLINE)
    .h1_allow_half_closed(false)
    .max_connections(MAX_WATCHERS)
    .worker_max_blocking_threads(BLOCKING_THREADS)
    .shutdown_timeout(1);
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

/// Has browsers come by TLS only, for a year (RFC 6797).
fn by_tls_only() -> DefaultHeaders {
    DefaultHeaders::new().add((
        STRICT_TRANSPORT_SECURITY,
        "max-age=31536000; includeSubDomains",
    ))
}

pub(super) fn proxies(settings: &Settings) -> TrustedProxies {
    settings.trusted_proxies.iter().copied().collect()
}

/// Which web pages of other origins may read answers. Keys travel in a header and never in a
/// cookie, so no credentials are allowed.
fn other_origins(origins: &Origins) -> actix_cors::Cors {
    let cors = actix_cors::Cors::default()
        .allow_any_method()
        .allowed_headers([
            "authorization",
            "content-type",
            "idempotency-key",
            "x-request-id",
        ])
        .expose_headers(["x-request-id", "retry-after"])
        .max_age(600);
    match origins {
        Origins::None => cors,
        Origins::All => cors.allow_any_origin(),
        Origins::These(listed) => listed
            .iter()
            .fold(cors, |cors, origin| cors.allowed_origin(origin)),
    }
}

/// For the head of the first request of a connection; every body has a deadline of its own.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// For each worker; more wait in the backlog of the listener.
const MAX_CONNECTIONS: usize = 10_000;
const MAX_WATCHERS: usize = 100;
