//! `keyward health`, which probes ask.

use crate::running::Home;

#[test]
fn a_server_that_is_ready_is_found_by_its_own_settings() {
    let home = Home::new();
    let server = home.start();
    let there = home.set("BIND", &server.address);
    let ready = there.run(&["health"]);
    assert_eq!(
        (ready.code, ready.stdout.as_str()),
        (0, "ready\n"),
        "{ready:?}"
    );
    let json = there.run(&["health", "--json"]);
    assert_eq!(json.stdout.trim(), r#"{"status":"ok"}"#, "{json:?}");
    let everywhere = server.address.replace("127.0.0.1", "0.0.0.0");
    let there = there.set("BIND", &everywhere);
    assert_eq!(
        there.run(&["health"]).code,
        0,
        "all addresses hold this one"
    );
    server.stop();
    let gone = there.run(&["health"]);
    assert_eq!(gone.code, 69, "{gone:?}");
    assert!(
        gone.stderr
            .contains("no server answers at http://127.0.0.1:"),
        "{gone:?}"
    );
}

#[test]
fn the_key_of_clients_in_the_environment_stands_in_no_way() {
    let home = Home::new().set("KEYWARD_API_KEY", "kw_user_whatever");
    let server = home.start();
    assert_eq!(home.run(&["health", "--address", &server.address]).code, 0);
    let misspelled = home.set("KEYWARD_API_KEYS", "x").run(&["health"]);
    assert_eq!(misspelled.code, 78, "{misspelled:?}");
    assert!(misspelled.stderr.contains("KEYWARD_API_KEYS"));
}
