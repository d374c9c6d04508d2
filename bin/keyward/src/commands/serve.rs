mod key_keeper;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::middleware::{Condition, from_fn};
use actix_web::{App, HttpServer};
use keyward_auth::{Housekeeping, LastUsed};
use keyward_http::{Api, Metrics, TrustedProxies, edge, trusted_peers};
use keyward_store_diesel::DieselStore;
use metrics_exporter_prometheus::PrometheusBuilder;

use self::key_keeper::KeyKeeper;
use crate::commands::init;
use crate::doctor;
use crate::exit::{Exit, Failure};
use crate::keys::KeyFiles;
use crate::settings::{Mode, Settings};
use crate::wiring::{Installation, relay};

/// `keyward serve`: migrates, checks, listens, until it is told to stop (SIGTERM or SIGINT); then
/// it finishes what it has begun.
pub(crate) fn serve(settings: &Settings) -> Result<Exit, Failure> {
    let installation = Installation::open(settings)?;
    match settings.mode {
        Mode::Development => init::first_start(&installation)?,
        Mode::Production => doctor::of_database(settings).refuse_failures()?,
    }
    let listener = TcpListener::bind(settings.bind).map_err(|error| {
        Failure::unavailable(format!(
            "cannot listen on {}: {error}; set BIND to another address",
            settings.bind
        ))
    })?;
    let address = listener.local_addr().map_err(Failure::unavailable)?;
    let key_files = KeyFiles::of(settings);
    let key_keeper = KeyKeeper::start(&installation, &address.to_string(), key_files)?;
    let last_used = Arc::new(LastUsed::default());
    let allow = settings.broker_allow_private.clone();
    let broker = installation.broker(allow, Arc::clone(&last_used))?;
    let services = installation
        .services(Arc::clone(&last_used))
        .calling(Arc::new(broker.clone()));
    let api = Api::new(services)
        .trusting(proxies(settings))
        .with(installation.mcp(broker.clone()))
        .relaying(relay(broker.clone()))
        .showing(metrics(settings)?);
    let flusher = Flusher::start(
        last_used,
        installation.store.clone(),
        installation.housekeeping(),
    );
    let database = installation.store.url().label();
    tracing::info!(%address, %database, mode = %settings.mode, "serving");
    eprintln!("keyward: serving on http://{address} (API documentation at http://{address}/docs/)");
    let outcome = run(api, listener, settings);
    // Writes down how the last requests ended.
    drop(broker);
    flusher.stop();
    key_keeper.stop();
    outcome.map_err(|error| Failure::unavailable(format!("the server stopped: {error}")))?;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

/// Starts to count. In production only administrators see what was counted.
fn metrics(settings: &Settings) -> Result<Metrics, Failure> {
    let builder = PrometheusBuilder::new()
        .set_buckets(&SECONDS)
        .map_err(Failure::unavailable)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)
        .map_err(|error| Failure::unavailable(error.to_string()))?;
    keyward_broker::describe();
    let metrics = Metrics::new(move || {
        handle.run_upkeep();
        handle.render()
    });
    Ok(match settings.mode {
        Mode::Development => metrics.open_to_all(),
        Mode::Production => metrics,
    })
}

fn proxies(settings: &Settings) -> TrustedProxies {
    settings.trusted_proxies.iter().copied().collect()
}

fn run(api: Api<DieselStore>, listener: TcpListener, settings: &Settings) -> std::io::Result<()> {
    let (allow_all, origins) = (settings.cors.is_open(), settings.cors.origins.clone());
    let (proxies, only_proxies) = (Arc::new(proxies(settings)), settings.takes_only_proxies());
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(move || {
            let restricts = allow_all || !origins.is_empty();
            let proxies = Arc::clone(&proxies);
            App::new()
                .wrap(Condition::new(
                    restricts,
                    other_origins(allow_all, &origins),
                ))
                .wrap(Condition::new(
                    only_proxies,
                    from_fn(move |request, next| {
                        trusted_peers(Arc::clone(&proxies), request, next)
                    }),
                ))
                .wrap(from_fn(edge))
                .configure(|config| api.mount(config))
        })
        .client_request_timeout(HEAD_DEADLINE)
        .keep_alive(KEEP_ALIVE)
        // An event goes out when it comes, and not when the one before was acknowledged.
        .tcp_nodelay(true)
        // Who hangs up waits for no answer: what was begun for them elsewhere ends.
        .h1_allow_half_closed(false)
        .max_connections(MAX_CONNECTIONS)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .listen(listener)?
        .run()
        .await
    })
}

/// Which web pages of other origins may read answers. Keys travel in a header and never in a
/// cookie, so no credentials are allowed.
fn other_origins(allow_all: bool, origins: &[String]) -> actix_cors::Cors {
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
    if allow_all {
        return cors.allow_any_origin();
    }
    origins
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(origin))
}

/// Writes behind when keys were used, and drops what nobody needs any more.
struct Flusher {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Flusher {
    fn start(
        last_used: Arc<LastUsed>,
        store: DieselStore,
        housekeeping: Housekeeping<DieselStore>,
    ) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut rounds = (0..SWEEP_EVERY).cycle();
            loop {
                let stopping = stopped.recv_timeout(FLUSH_EVERY) != Err(RecvTimeoutError::Timeout);
                if let Err(error) = last_used.flush(&store) {
                    tracing::warn!(%error, "cannot write when keys were last used; trying again");
                }
                if stopping {
                    return;
                }
                if rounds.next() == Some(0)
                    && let Err(error) = housekeeping.sweep()
                {
                    tracing::warn!(%error, "cannot drop what ended; trying again");
                }
            }
        });
        Self { stop, thread }
    }

    fn stop(self) {
        // If the thread is gone there is nobody to stop; what it could not write is only a time.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// Of histograms of times.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0,
];
/// In flushes: ten minutes.
const SWEEP_EVERY: u32 = 40;
const FLUSH_EVERY: Duration = Duration::from_secs(15);
/// For the head of the first request of a connection; every body has a deadline of its own.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// For each worker; more wait in the backlog of the listener.
const MAX_CONNECTIONS: usize = 10_000;
/// For each worker. What runs here waits for one of a few database connections or hashes a
/// password, so many more would only queue elsewhere.
const BLOCKING_THREADS: usize = 16;
const SHUTDOWN_SECONDS: u64 = 10;
