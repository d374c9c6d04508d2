//! An authenticator app, and its clock.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyward_crypto::TotpSecret;
use serde_json::json;

use super::Client;

/// Gives somebody an app, by its code of the step before, so that this step's is unused.
pub(crate) fn enrol(client: &Client) -> TotpSecret {
    await_young_step();
    let secret = begin(client);
    let code = secret.code_at(now() - 30).expose().to_owned();
    client
        .post("/api/v1/auth/mfa/verify", &json!({ "code": code }))
        .expect(200);
    secret
}

/// Setting up does not take as long as what is left of a step then.
pub(crate) fn await_young_step() {
    while now().rem_euclid(30) > 20 {
        thread::sleep(Duration::from_millis(100));
    }
}

/// The secret of a new app that waits for its first code.
pub(crate) fn begin(client: &Client) -> TotpSecret {
    let setup = client
        .post("/api/v1/auth/mfa/setup", &json!({}))
        .expect(200);
    TotpSecret::from_base32(setup["secret"].as_str().unwrap()).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "an authenticator app has the time of its own"
)]
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// The current step of all apps.
pub(crate) fn step() -> i64 {
    now().div_euclid(30)
}
