//! What the service shows to the network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use keyward_http::Network;

use crate::settings::{Mode, Settings};

use super::check::{Check, Rule, Severity};

pub(super) fn checks(settings: &Settings) -> Vec<Check> {
    vec![
        debug(settings),
        cors(settings),
        https(settings),
        proxies(settings),
        metrics(settings),
        private_networks(settings),
        traces(settings),
        log_level(settings),
    ]
}

fn debug(settings: &Settings) -> Check {
    match (settings.debug, settings.mode) {
        (false, _) => DEBUG.pass("DEBUG is off"),
        (true, Mode::Development) => DEBUG.skip("DEBUG is on, in development"),
        (true, Mode::Production) => DEBUG.fail("DEBUG is on", "remove DEBUG, or set it to false"),
    }
}

fn cors(settings: &Settings) -> Check {
    let cors = &settings.cors;
    if !cors.is_open() {
        return match cors.origins.as_slice() {
            [] => CORS.pass("no web page of another origin can read answers"),
            origins => CORS.pass(format_args!(
                "web pages can read answers from {}",
                origins.join(", ")
            )),
        };
    }
    let (evidence, fix) = if cors.allow_all {
        (
            "CORS_ALLOW_ALL_ORIGINS is on",
            "remove CORS_ALLOW_ALL_ORIGINS and list your origins in CORS_ORIGINS",
        )
    } else {
        (
            "CORS_ORIGINS holds *",
            "replace * in CORS_ORIGINS with your origins",
        )
    };
    CORS.fail_in_production(settings.mode, evidence, fix)
}

fn https(settings: &Settings) -> Check {
    let bind = settings.bind;
    if settings.tls.is_some() {
        return HTTPS.pass(format_args!("{bind} is reached by TLS of its own"));
    }
    if is_local(bind) {
        return HTTPS.pass(format_args!("{bind} can be reached from this machine only"));
    }
    if settings.takes_only_proxies() {
        return HTTPS.pass(format_args!(
            "{bind} turns away all peers but this machine and TRUSTED_PROXIES ({}); whether those \
             terminate TLS, and who else has their addresses, cannot be seen from here",
            names(&settings.trusted_proxies)
        ));
    }
    let evidence = format!("{bind} can be reached from the network without TLS");
    let fix = if settings.trusted_proxies.is_empty() {
        "set TLS_CERT_FILE and TLS_KEY_FILE, put a proxy with TLS before it and name that in \
         TRUSTED_PROXIES, or set BIND to 127.0.0.1:8080"
    } else {
        "set KEYWARD_ENV to production, where all peers but TRUSTED_PROXIES are turned away, \
         or set BIND to 127.0.0.1:8080"
    };
    HTTPS.fail_in_production(settings.mode, evidence, fix)
}

fn proxies(settings: &Settings) -> Check {
    let proxies = &settings.trusted_proxies;
    if proxies.is_empty() {
        return PROXIES.skip("no proxy is trusted");
    }
    PROXIES.pass(format_args!("{} can say who the client is", names(proxies)))
}

/// The key that shows metrics is one of an administrator, and travels there.
fn metrics(settings: &Settings) -> Check {
    let Some(bind) = settings.metrics_bind else {
        return METRICS.skip("metrics are shown where clients connect");
    };
    if settings.tls.is_some() || is_local(bind) {
        return METRICS.pass(bind);
    }
    if settings.takes_only_proxies() {
        return METRICS.pass(format_args!(
            "{bind} turns away all peers but this machine and TRUSTED_PROXIES"
        ));
    }
    let evidence = format!("METRICS_BIND {bind} can be reached from the network without TLS");
    let fix = "set TLS_CERT_FILE and TLS_KEY_FILE, or let METRICS_BIND be 127.0.0.1:9090";
    METRICS.fail_in_production(settings.mode, evidence, fix)
}

/// Where clouds tell a machine its own credentials, and every network at once.
fn private_networks(settings: &Settings) -> Check {
    let allowed = &settings.broker_allow_private;
    let open: Vec<_> = FORBIDDEN
        .iter()
        .filter(|(address, _)| allowed.allows_address(*address))
        .map(|(_, name)| *name)
        .collect();
    if open.is_empty() {
        return BROKER
            .pass("the broker reaches none of the addresses that tell secrets of a machine");
    }
    let evidence = format!("BROKER_ALLOW_PRIVATE opens {}", open.join(" and "));
    let fix = "name only the hosts that credentials belong to in BROKER_ALLOW_PRIVATE";
    BROKER.fail_in_production(settings.mode, evidence, fix)
}

fn traces(settings: &Settings) -> Check {
    let Some(endpoint) = &settings.otlp_endpoint else {
        return TRACES.skip("no traces are sent");
    };
    let is_private = url::Url::parse(endpoint).is_ok_and(|url| {
        let is_local = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.to_canonical().is_loopback(),
            None => false,
        };
        url.scheme() == "https" || is_local
    });
    if is_private {
        return TRACES.pass(endpoint);
    }
    TRACES.warn(
        format_args!("{endpoint} is reached without TLS"),
        "send traces to a collector on this machine, or by https",
    )
}

fn log_level(settings: &Settings) -> Check {
    let directives = settings.log.directives.to_lowercase();
    let is_loud = directives.contains("debug") || directives.contains("trace");
    match (is_loud, settings.mode) {
        (false, _) => LOG_LEVEL.pass(format_args!("LOG_LEVEL is {}", settings.log.directives)),
        (true, Mode::Development) => LOG_LEVEL.skip("LOG_LEVEL is loud, in development"),
        (true, Mode::Production) => LOG_LEVEL.warn(
            format_args!("LOG_LEVEL is {}", settings.log.directives),
            "set LOG_LEVEL to info when you have found what you look for",
        ),
    }
}

fn is_local(bind: SocketAddr) -> bool {
    bind.ip().to_canonical().is_loopback()
}

fn names(proxies: &[Network]) -> String {
    let names: Vec<_> = proxies.iter().map(ToString::to_string).collect();
    names.join(", ")
}

pub(super) const RULES: [Rule; 8] = [
    DEBUG, CORS, HTTPS, PROXIES, METRICS, BROKER, TRACES, LOG_LEVEL,
];

/// Metadata services of clouds, by the addresses that they share; and examples of what a range for
/// every network holds.
const FORBIDDEN: [(IpAddr, &str); 4] = [
    (
        IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
        "169.254.169.254, where clouds tell a machine its credentials",
    ),
    (
        IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
        "169.254.170.2, where clouds tell a container its credentials",
    ),
    (
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
        "fd00:ec2::254, where clouds tell a machine its credentials",
    ),
    (
        IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
        "100.100.100.200, where clouds tell a machine its credentials",
    ),
];

const DEBUG: Rule = Rule {
    id: "service.debug-off",
    title: "Debugging is off in production",
    severity: Severity::Blocking,
    asvs: "v5.0.0-13.4.2",
};

const CORS: Rule = Rule {
    id: "service.cors-closed",
    title: "Only listed origins can read answers",
    severity: Severity::Blocking,
    asvs: "v5.0.0-3.4.2",
};

const HTTPS: Rule = Rule {
    id: "service.https",
    title: "Nothing listens on a network without TLS",
    severity: Severity::Blocking,
    asvs: "v5.0.0-12.2.1",
};

const PROXIES: Rule = Rule {
    id: "service.trusted-proxies",
    title: "Only named proxies can say who the client is",
    severity: Severity::Blocking,
    asvs: "v5.0.0-4.1.3",
};

const METRICS: Rule = Rule {
    id: "service.metrics-tls",
    title: "Metrics are not shown on a network without TLS",
    severity: Severity::Blocking,
    asvs: "v5.0.0-12.3.1",
};

const BROKER: Rule = Rule {
    id: "broker.private-networks",
    title: "The broker reaches no service that tells secrets of a machine",
    severity: Severity::Blocking,
    asvs: "v5.0.0-13.2.4",
};

const TRACES: Rule = Rule {
    id: "service.traces-tls",
    title: "Traces do not cross a network without TLS",
    severity: Severity::Warning,
    asvs: "v5.0.0-12.3.1",
};

const LOG_LEVEL: Rule = Rule {
    id: "service.log-level",
    title: "The log says no more than is needed",
    severity: Severity::Warning,
    asvs: "v5.0.0-16.2.5",
};
