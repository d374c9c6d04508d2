mod checklist;
mod flusher;
mod key_keeper;
mod listen;
mod metrics;
mod stop;
mod traces;
mod web;

use std::sync::Arc;

use keyward_auth::LastUsed;
use keyward_http::Api;
use sd_notify::NotifyState;

use self::checklist::ServingChecklist;
use self::web::{Conduct, Web};
use crate::commands::init;
use crate::doctor;
use crate::exit::{Exit, Failure};
use crate::keys::KeyFiles;
use crate::peers::Peers;
use crate::settings::{Mode, Settings};
use crate::tls::Tls;
use crate::wiring::{Installation, relay};

/// `keyward serve`: migrates, checks, listens, until it is told to stop (SIGTERM or SIGINT); then
/// it finishes what it has begun, within ten seconds.
pub(crate) fn serve(mut settings: Settings) -> Result<Exit, Failure> {
    let handed_over = listen::handed_over(&mut settings)?;
    listen::allow_connections();
    let settings = Arc::new(settings);
    let mut installation = Installation::open(&settings)?;
    match settings.mode {
        Mode::Development => init::first_start(&installation)?,
        Mode::Production => doctor::of_database(&settings).refuse_failures()?,
    }
    let tls = settings.tls.as_ref().map(Tls::start).transpose()?;
    let listener = listen::for_clients(&settings, handed_over)?;
    let metrics_listener = listen::for_metrics(&settings)?;
    let address = listener.local_addr().map_err(Failure::unavailable)?;
    let metrics = metrics::start(&settings, installation.store.clone())?;
    let peers = Peers::join(&settings, &mut installation)?;
    let key_files = KeyFiles::of(&settings);
    let key_keeper = key_keeper::start(&installation, &address.to_string(), key_files)?;
    let peers = peers.waking(key_keeper.waker());
    let last_used = Arc::new(LastUsed::default());
    let allow = settings.broker_allow_private.clone();
    let broker = installation.broker(allow, Arc::clone(&last_used))?;
    let mut services = installation
        .services(Arc::clone(&last_used))
        .calling(Arc::new(broker.clone()))
        .checked_by(Arc::new(ServingChecklist::new(Arc::clone(&settings))));
    if let Some(is_well) = peers.wellness() {
        services = services.aided_by("redis", is_well);
    }
    let mut api = Api::new(services)
        .trusting(web::proxies(&settings))
        .with(installation.mcp(broker.clone()))
        .relaying(relay(broker.clone()));
    if metrics_listener.is_none() {
        api = api.showing(metrics.clone());
    }
    let flusher = flusher::start(
        last_used,
        installation.environment(),
        installation.housekeeping(),
    );
    let (config, reloader) = tls.map(|tls| (tls.config, tls.reloader)).unzip();
    announce(&installation, &settings, address);
    let outcome = Web {
        api,
        listener,
        metrics,
        metrics_listener,
        tls: config,
        conduct: Conduct::of(&settings),
    }
    .run();
    // Writes down how the last requests ended.
    drop(broker);
    flusher.stop();
    key_keeper.stop();
    peers.stop();
    if let Some(reloader) = reloader {
        reloader.stop();
    }
    outcome.map_err(|error| Failure::unavailable(format!("the server stopped: {error}")))?;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

/// Connections wait in the backlog of the listener from here on, so this can be said now.
fn announce(installation: &Installation, settings: &Settings, address: std::net::SocketAddr) {
    installation.tell_of_held_time();
    let database = installation.store.url().label();
    tracing::info!(%address, %database, mode = %settings.mode, "serving");
    let scheme = settings.scheme();
    eprintln!(
        "keyward: serving on {scheme}://{address} (API documentation at {scheme}://{address}/docs/)"
    );
    tell_systemd(NotifyState::Ready);
}

/// Where nobody wants to know, nothing is said.
fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot tell systemd how far the server is");
    }
}
