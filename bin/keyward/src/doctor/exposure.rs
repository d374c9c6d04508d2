//! What the service shows to the network.

use keyward_http::Network;

use crate::settings::{Mode, Settings};

use super::check::{Check, Rule, Severity};

pub(super) fn checks(settings: &Settings) -> Vec<Check> {
    vec![
        debug(settings),
        cors(settings),
        https(settings),
        proxies(settings),
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
    match settings.mode {
        Mode::Development => CORS.warn(evidence, fix),
        Mode::Production => CORS.fail(evidence, fix),
    }
}

fn https(settings: &Settings) -> Check {
    let bind = settings.bind;
    if bind.ip().to_canonical().is_loopback() {
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
        "put a proxy with TLS before it and name that in TRUSTED_PROXIES, \
         or set BIND to 127.0.0.1:8080"
    } else {
        "set KEYWARD_ENV to production, where all peers but TRUSTED_PROXIES are turned away, \
         or set BIND to 127.0.0.1:8080"
    };
    match settings.mode {
        Mode::Development => HTTPS.warn(evidence, fix),
        Mode::Production => HTTPS.fail(evidence, fix),
    }
}

fn proxies(settings: &Settings) -> Check {
    let proxies = &settings.trusted_proxies;
    if proxies.is_empty() {
        return PROXIES.skip("no proxy is trusted");
    }
    PROXIES.pass(format_args!("{} can say who the client is", names(proxies)))
}

fn names(proxies: &[Network]) -> String {
    let names: Vec<_> = proxies.iter().map(ToString::to_string).collect();
    names.join(", ")
}

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
