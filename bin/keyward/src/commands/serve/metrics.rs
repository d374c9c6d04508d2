use keyward_http::{Metrics, REQUEST_SECONDS};
use keyward_store_diesel::DieselStore;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use metrics_process::Collector;

use crate::exit::Failure;
use crate::settings::{Mode, Settings};

/// Starts to count. In production only administrators see what was counted.
pub(super) fn start(settings: &Settings, store: DieselStore) -> Result<Metrics, Failure> {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&SECONDS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full(REQUEST_SECONDS.to_owned()), &ANSWERS)
        })
        .map_err(Failure::unavailable)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)
        .map_err(|error| Failure::unavailable(error.to_string()))?;
    describe();
    let process = Collector::default();
    process.describe();
    let metrics = Metrics::new(move || {
        process.collect();
        pools(&store);
        handle.run_upkeep();
        handle.render()
    });
    Ok(match settings.mode {
        Mode::Development => metrics.open_to_all(),
        Mode::Production => metrics,
    })
}

fn describe() {
    keyward_http::describe_metrics();
    keyward_broker::describe();
    keyward_redis::describe_metrics();
    metrics::describe_gauge!(
        CONNECTIONS,
        "Open connections to the database, by pool and state"
    );
    metrics::describe_counter!(GOT, "Units of work that got a connection to the database");
    metrics::describe_gauge!(
        WAITED,
        "Seconds that those have waited for it, together, since the start"
    );
    metrics::describe_counter!(TIMEOUTS, "Units of work that got no connection in time");
    metrics::describe_counter!(
        MOVED,
        "Values that this node has moved to the active key, or signed anew"
    );
    metrics::describe_gauge!("keyward_build_info", "1, with the version as a label");
    metrics::gauge!("keyward_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

fn pools(store: &DieselStore) {
    for pool in store.pools() {
        let (idle, all) = (f64::from(pool.idle), f64::from(pool.connections));
        metrics::gauge!(CONNECTIONS, "pool" => pool.name, "state" => "idle").set(idle);
        metrics::gauge!(CONNECTIONS, "pool" => pool.name, "state" => "used").set(all - idle);
        metrics::counter!(GOT, "pool" => pool.name).absolute(pool.got);
        metrics::gauge!(WAITED, "pool" => pool.name).set(pool.waited.as_secs_f64());
        metrics::counter!(TIMEOUTS, "pool" => pool.name).absolute(pool.timeouts);
    }
}

/// `values` were moved in a rotation.
pub(super) fn moved(values: usize) {
    metrics::counter!(MOVED).increment(u64::try_from(values).unwrap_or_default());
}

const CONNECTIONS: &str = "keyward_database_connections";
const GOT: &str = "keyward_database_units_total";
const WAITED: &str = "keyward_database_wait_seconds";
const TIMEOUTS: &str = "keyward_database_timeouts_total";
const MOVED: &str = "keyward_rotation_values_total";

/// Of histograms of times.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0,
];

/// Of answers, most of which take less than a millisecond.
const ANSWERS: [f64; 12] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0,
];
