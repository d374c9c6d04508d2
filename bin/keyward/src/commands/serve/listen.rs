use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

use crate::exit::Failure;
use crate::settings::{Name, Settings};

/// The socket that systemd hands over. It takes the place of `BIND`, in the settings too, so that
/// every check looks at where clients do connect.
pub(super) fn handed_over(settings: &mut Settings) -> Result<Option<TcpListener>, Failure> {
    let mut handed = ListenFd::from_env();
    match handed.len() {
        0 => Ok(None),
        1 => {
            let listener = handed.take_tcp_listener(0).ok().flatten().ok_or_else(|| {
                Failure::configuration(
                    "the socket that was handed over (LISTEN_FDS) is no TCP listener; \
                     the unit .socket needs ListenStream= with an address and a port",
                )
            })?;
            settings.bind = listener.local_addr().map_err(Failure::unavailable)?;
            Ok(Some(listener))
        }
        more => Err(Failure::configuration(format!(
            "{more} sockets were handed over (LISTEN_FDS), and one can be served; \
             the unit .socket needs exactly one ListenStream="
        ))),
    }
}

/// The socket that clients connect to: the one that was handed over, or a new one on `BIND`.
pub(super) fn for_clients(
    settings: &Settings,
    handed_over: Option<TcpListener>,
) -> Result<TcpListener, Failure> {
    handed_over.map_or_else(|| bind(settings.bind, Name::Bind), Ok)
}

/// Lets the process open as many files and connections as it may. Systems start processes with a
/// lower limit for the sake of `select`, which nothing here uses.
pub(super) fn allow_connections() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::warn!(%error, "the limit of open files stays as it was, and with it that of connections");
    }
}

/// The socket of `METRICS_BIND`, if it is set.
pub(super) fn for_metrics(settings: &Settings) -> Result<Option<TcpListener>, Failure> {
    settings
        .metrics_bind
        .map(|address| bind(address, Name::MetricsBind))
        .transpose()
}

fn bind(address: SocketAddr, setting: Name) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        Failure::unavailable(format!(
            "cannot listen on {address}: {error}; set {setting} to another address"
        ))
    })
}
