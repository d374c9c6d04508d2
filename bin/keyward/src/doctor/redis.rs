//! The Redis by which nodes advise each other. The server starts without it, but not with one that
//! others could listen to on a network.

use std::time::Duration;

use keyward_redis::{RedisUrl, reach};

use crate::settings::{RedisUrlProblem, Settings};

use super::check::{Check, Rule, Severity};

/// What `REDIS_URL` says.
pub(super) fn checks(settings: &Settings) -> Vec<Check> {
    let url = settings.redis_url();
    vec![
        address(&url),
        password(settings, &url),
        encryption(settings, &url),
    ]
}

/// Whether Redis answers. Not asked before a start, which does not depend on it.
pub(super) fn reachable(settings: &Settings) -> Check {
    let url = match settings.redis_url() {
        Ok(Some(url)) => url,
        Ok(None) => return REACHABLE.skip(NONE),
        Err(_) => return REACHABLE.skip(UNUSABLE),
    };
    match reach(&url, PATIENCE) {
        Ok(()) => REACHABLE.pass(url.label()),
        Err(why) => REACHABLE.warn(
            format_args!("{}: {why}", url.label()),
            "start Redis or correct REDIS_URL; until then every node does all the work itself",
        ),
    }
}

type Url = Result<Option<RedisUrl>, RedisUrlProblem>;

fn address(url: &Url) -> Check {
    match url {
        Ok(None) => ADDRESS.skip(NONE),
        Ok(Some(url)) => ADDRESS.pass(url.label()),
        Err(error) => ADDRESS.fail(error, "correct REDIS_URL, or remove it"),
    }
}

/// On the machine itself whoever reaches Redis could watch this process better.
fn password(settings: &Settings, url: &Url) -> Check {
    let url = match url {
        Ok(None) => return PASSWORD.skip(NONE),
        Err(_) => return PASSWORD.skip(UNUSABLE),
        Ok(Some(url)) => url,
    };
    if url.has_password() {
        return PASSWORD.pass("REDIS_URL holds a password");
    }
    if url.is_local() {
        return PASSWORD.pass(format_args!(
            "{} has none, and can be reached from this machine only",
            url.label()
        ));
    }
    PASSWORD.fail_in_production(
        settings.mode,
        format_args!("REDIS_URL holds no password for {}", url.label()),
        "give Redis a user with a password (ACL SETUSER, or requirepass) and write \
         rediss://user:password@host:6379/0 in REDIS_URL",
    )
}

fn encryption(settings: &Settings, url: &Url) -> Check {
    let url = match url {
        Ok(None) => return ENCRYPTION.skip(NONE),
        Err(_) => return ENCRYPTION.skip(UNUSABLE),
        Ok(Some(url)) => url,
    };
    if url.is_encrypted() {
        return ENCRYPTION.pass("TLS checks who answers");
    }
    if url.is_local() {
        return ENCRYPTION.pass("Redis is on this machine");
    }
    ENCRYPTION.fail_in_production(
        settings.mode,
        format_args!("{} is reached over a network without TLS", url.label()),
        "turn TLS on in Redis (tls-port) and write rediss:// in REDIS_URL",
    )
}

const NONE: &str = "REDIS_URL is not set, and nothing needs it";
const UNUSABLE: &str = "REDIS_URL cannot be used";
const PATIENCE: Duration = Duration::from_millis(1_500);

pub(super) const RULES: [Rule; 4] = [ADDRESS, PASSWORD, ENCRYPTION, REACHABLE];

const ADDRESS: Rule = Rule {
    id: "redis.url",
    title: "Redis is named in a way that can be understood",
    severity: Severity::Blocking,
    asvs: "v5.0.0-13.1.1",
};

const PASSWORD: Rule = Rule {
    id: "redis.password",
    title: "Redis on a network asks for a password",
    severity: Severity::Blocking,
    asvs: "v5.0.0-13.2.1",
};

const ENCRYPTION: Rule = Rule {
    id: "redis.tls",
    title: "The connection to Redis is encrypted and checks who answers",
    severity: Severity::Blocking,
    asvs: "v5.0.0-12.3.1",
};

const REACHABLE: Rule = Rule {
    id: "redis.reachable",
    title: "Redis answers in time",
    severity: Severity::Warning,
    asvs: "v5.0.0-13.1.3",
};
