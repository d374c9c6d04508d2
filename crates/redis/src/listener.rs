use std::time::{Duration, Instant};

use redis::{RedisError, Value};

use crate::link::{Link, Unreachable};
use crate::measure;
use crate::thread::Stop;
use crate::url::RedisUrl;

/// Calls `wake` for what is said on a channel, until it is told to stop. Connects again and again;
/// that it cannot is said by the other connection.
pub(crate) fn listen(url: &RedisUrl, channel: &str, stop: &Stop, wake: &impl Fn()) {
    let mut failures = 0;
    while stop.go_on() {
        let begun = Instant::now();
        let Err(why) = attend(url, channel, stop, wake) else {
            return;
        };
        tracing::debug!(redis = url.label(), %why, "not listening to other nodes");
        if begun.elapsed() > LONGEST_PAUSE {
            failures = 0;
        }
        let pause = SHORTEST_PAUSE
            .saturating_mul(1 << failures)
            .min(LONGEST_PAUSE);
        failures = MOST_DOUBLINGS.min(failures + 1);
        if !stop.go_on_after(pause) {
            return;
        }
    }
}

/// Ends without an error when it is told to stop.
fn attend(url: &RedisUrl, channel: &str, stop: &Stop, wake: &impl Fn()) -> Result<(), Unreachable> {
    let mut connection = Link::connect(url)?.into_connection();
    let mut said = connection.as_pubsub();
    said.set_read_timeout(Some(LONGEST_SILENCE))?;
    said.subscribe(channel)?;
    // Something may have been said while nobody listened.
    wake();
    let mut heard = Instant::now();
    loop {
        match said.get_message() {
            Ok(_) => {
                measure::woken();
                wake();
                heard = Instant::now();
                // All messages mean the same, so no flood of them makes more work than this.
                if !stop.go_on_after(REST) {
                    return Ok(());
                }
            }
            Err(silence) if silence.is_timeout() => {
                if !stop.go_on() {
                    return Ok(());
                }
                if heard.elapsed() > ASK_AFTER {
                    still_there(&mut said)?;
                    heard = Instant::now();
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A connection that was cut somewhere on its way is silent, too.
fn still_there(said: &mut redis::PubSub<'_>) -> Result<(), RedisError> {
    said.ping::<Value>().map(drop)
}

const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const MOST_DOUBLINGS: u32 = 5;
/// Between looks at whether to stop.
const LONGEST_SILENCE: Duration = Duration::from_millis(200);
const REST: Duration = Duration::from_millis(100);
const ASK_AFTER: Duration = Duration::from_secs(15);
