//! `keyward credential`: what the operator of the host does with credentials.

use serde_json::{Value, json};

use crate::agent::{done, json_of, last_event, with_root};

const SECRET: &str = "sk-proj-0123456789abcdefwxyz";

fn fields() -> String {
    json!({ "provider": "openai", "api_key": SECRET }).to_string()
}

const ADD: [&str; 8] = [
    "credential",
    "add",
    "--owner",
    "root",
    "--name",
    "OpenAI",
    "--type",
    "llm",
];

#[test]
fn a_credential_is_kept_listed_and_removed_beside_a_running_server() {
    let home = with_root();
    let server = home.start();
    let made = home.run_with_input(&[&ADD[..], &["--json"]].concat(), &fields());
    assert_eq!(made.code, 0, "{made:?}");
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["detail"]["api_key"]["last4"], "wxyz");
    assert_eq!(last_event(&home), format!("host credential.create {id}"));

    let key = json_of(&done(
        &home,
        &[
            "api-key", "create", "--user", "root", "--name", "engine", "--json",
        ],
    ));
    let root = server.client(key["key"].as_str().unwrap());
    assert_eq!(root.access(id).expect(200)["fields"]["api_key"], SECRET);

    let list = done(&home, &["credential", "list"]);
    let line = list.lines().nth(1).unwrap();
    assert!(line.starts_with(id) && line.ends_with("OpenAI"), "{list}");
    assert!(!list.contains(SECRET) && !list.contains("wxyz"), "{list}");
    let items = json_of(&done(&home, &["credential", "list", "--json"]));
    assert_eq!(items["items"][0]["id"], id);

    let gone = done(&home, &["credential", "remove", "OpenAI"]);
    assert_eq!(gone, format!("OpenAI ({id}) is gone\n"));
    root.get(&format!("/api/v1/credentials/{id}")).expect(404);
    assert_eq!(last_event(&home), format!("host credential.delete {id}"));
    server.stop();
}

#[test]
fn the_fields_come_from_a_private_file_or_from_standard_input() {
    let home = with_root();
    let file = home.write("openai.json", &fields(), 0o600);
    let from_file = [&ADD[..], &["--file", "openai.json"]].concat();
    assert_eq!(home.run(&from_file).code, 0);

    home.write("open.json", &fields(), 0o644);
    let refused = home.run(&[&ADD[..], &["--file", "open.json"]].concat());
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("chmod 600"), "{refused:?}");
    drop(file);

    for (input, said) in [
        ("", "--file"),
        ("{\"api_key\": sk-proj-0123456789abcdefwxyz}", "line 1"),
        ("[\"sk-proj-0123456789abcdefwxyz\"]", "JSON object"),
        (
            "{\"provider\": \"openai\", \"api_kye\": \"sk-proj-0123456789abcdefwxyz\"}",
            "api_kye",
        ),
        (
            "{\"provider\": \"openai\", \"api_key\": \"****wxyz\"}",
            "mask",
        ),
    ] {
        let refused = home.run_with_input(&ADD, input);
        assert_eq!(refused.code, 1, "{input}: {refused:?}");
        assert!(refused.stderr.contains(said), "{input}: {refused:?}");
        assert!(!refused.texts().contains("0123456789"), "{refused:?}");
    }
    let list = done(&home, &["credential", "list"]);
    assert_eq!(list.lines().count(), 2, "only one was kept: {list}");
}

#[test]
fn who_is_nobody_owns_nothing_and_a_name_that_two_have_names_none() {
    let home = with_root();
    let mut stranger = ADD;
    stranger[3] = "nobody";
    let refused = home.run_with_input(&stranger, &fields());
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("keyward user list"), "{refused:?}");

    for _ in 0..2 {
        assert_eq!(home.run_with_input(&ADD, &fields()).code, 0);
    }
    let refused = home.run(&["credential", "remove", "OpenAI"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("several"), "{refused:?}");
    for nothing in ["missing", "01890a5d-7e8f-7c3d-a1b2-c3d4e5f60718"] {
        let refused = home.run(&["credential", "remove", nothing]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains("no such credential"), "{refused:?}");
    }
}
