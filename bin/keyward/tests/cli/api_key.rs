//! `keyward api-key`: what the operator of the host does with API keys.

use serde_json::json;

use crate::agent::{done, json_of, last_event, with_root};

#[test]
fn a_key_is_made_shown_once_and_revoked_under_a_running_server() {
    let home = with_root();
    let server = home.start();
    let create = ["api-key", "create", "--user", "root", "--name", "laptop"];
    let shown = done(&home, &create);
    let key = shown.trim().rsplit(' ').next().unwrap();
    assert!(key.starts_with("kw_user_"), "{shown}");
    let client = server.client(key);
    let me = client.get("/api/v1/auth/me").expect(200);
    let id = me["key"]["id"].as_str().unwrap();
    assert_eq!(last_event(&home), format!("host api_key.create {id}"));

    let list = done(&home, &["api-key", "list", "--user", "root"]);
    let line = list.lines().find(|line| line.starts_with(id)).unwrap();
    assert!(line.ends_with("root: laptop"), "{list}");
    assert!(!list.contains(key), "{list}");

    let ended = done(&home, &["api-key", "revoke", id]);
    assert_eq!(
        ended,
        format!("the key {id} (laptop) is refused from now on\n")
    );
    client.get("/api/v1/auth/me").expect(401);
    assert_eq!(last_event(&home), format!("host api_key.revoke {id}"));
    let again = home.run(&["api-key", "revoke", id]);
    assert_eq!(again.code, 1, "{again:?}");
    server.stop();
}

#[test]
fn no_key_is_stronger_than_its_user_may_be() {
    let home = with_root();
    let add = ["user", "add", "--username", "ada"];
    done(&home, &add);
    let create = [
        "api-key", "create", "--user", "ada", "--name", "a", "--json",
    ];
    let made = json_of(&done(&home, &create));
    let scopes = made["scopes"].as_array().unwrap();
    assert!(!scopes.contains(&json!("admin")), "{made}");
    assert!(!scopes.contains(&json!("users:write")), "{made}");

    let refused = home.run(&[&create[..], &["--scope", "admin"]].concat());
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("admin"), "{refused:?}");
    let read = json_of(&done(&home, &[&create[..], &["--scope", "read"]].concat()));
    assert_eq!(read["scopes"], json!(["read"]));
    let past = [&create[..], &["--expires-at", "2001-01-01T00:00:00Z"]].concat();
    let refused = home.run(&past);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("past"), "{refused:?}");
    let all = json_of(&done(&home, &["api-key", "list", "--json"]));
    let of_ada = all["items"].as_array().unwrap().iter();
    assert_eq!(of_ada.filter(|key| key["username"] == "ada").count(), 2);
}

#[test]
fn an_agent_gets_a_key_of_an_agent_within_what_it_was_made_for() {
    let home = with_root();
    let agent = [
        "agent", "create", "--owner", "root", "--name", "reader", "--scope", "read",
    ];
    done(&home, &agent);
    let create = [
        "api-key",
        "create",
        "--user",
        "agent_reader",
        "--name",
        "b",
        "--json",
    ];
    let made = json_of(&done(&home, &create));
    assert_eq!(
        (&made["kind"], &made["scopes"]),
        (&json!("agent"), &json!(["read"]))
    );
}

#[test]
fn a_key_that_is_given_in_place_of_its_id_is_not_repeated() {
    let home = with_root();
    let create = [
        "api-key", "create", "--user", "root", "--name", "x", "--json",
    ];
    let made = json_of(&done(&home, &create));
    let key = made["key"].as_str().unwrap();
    let refused = home.run(&["api-key", "revoke", key]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stderr.contains("not the id of a key"),
        "{refused:?}"
    );
    assert!(!refused.texts().contains(key), "{refused:?}");
}
