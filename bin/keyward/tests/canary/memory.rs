//! What is in the memory of a running server, as a core dump or root would see it (L-02).

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use serde_json::json;

use crate::evidence::Evidence;
use crate::home;
use crate::markers::unique;
use crate::running::Server;
use crate::scanner::Scanner;
use crate::suite::Suite;

#[test]
fn secrets_that_were_used_are_not_in_memory_afterwards() {
    let stays = unique().to_lowercase();
    let home = home("temporary").set("CORS_ORIGINS", &format!("https://{stays}.example"));
    let mut suite = Suite::start(&home);
    suite.credentials();
    suite.people_and_keys();
    suite.uses();
    suite.bodies_that_do_not_fit();
    suite.people_that_are_refused();
    suite.reads();
    let reader = json!({ "name": "reader", "scopes": ["read"] });
    let made = suite.admin.post("/api/v1/users/me/keys", &reader);
    let key = made.expect(201)["key"].as_str().unwrap().to_owned();
    // What comes later takes the place of what was there: of buffers and of stacks.
    let used = suite.others_are_used();
    let reader = suite.admin.with_key(&key);
    for number in 0..1_000 {
        reader.get("/api/v1/credentials").expect(200);
        if number % 20 == 0 {
            let answer = suite.admin.get(&format!("/broker/{used}/path?query=1"));
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }

    let Some(memory) = memory_of(&suite.server) else {
        return;
    };
    // The control: what is there is found.
    let control = Scanner::new([("an origin", stays.as_str())]);
    assert!(!memory.scan(&control).is_empty());
    let secrets = suite.markers.all();
    let secrets = secrets.filter(|(place, _)| !(IN_USE.contains(place) || is_key_with_id(place)));
    let found = memory.scan(&Scanner::new(secrets));
    assert!(found.is_empty(), "{found:#?}");
}

/// Nothing here is a secret, so that nothing but the allocator wipes it.
#[test]
fn what_was_freed_is_not_in_memory_any_more() {
    let stays = unique().to_lowercase();
    let home = home("temporary").set("CORS_ORIGINS", &format!("https://{stays}.example"));
    let server = home.start();
    let admin = server.admin();
    let names: Vec<_> = (0..50).map(|_| unique()).collect();
    for name in &names {
        let refused = json!({ "name": name, "scopes": ["read"], "unknown": true });
        admin.post("/api/v1/users/me/keys", &refused).expect(422);
    }
    // Of buffers and stacks that stay in use something else takes the place.
    for _ in 0..100 {
        admin.get("/api/v1/auth/me").expect(200);
    }

    let Some(memory) = memory_of(&server) else {
        return;
    };
    let control = Scanner::new([("an origin", stays.as_str())]);
    assert!(!memory.scan(&control).is_empty());
    let freed = Scanner::new(names.iter().map(|name| ("a name", name.as_str())));
    let found = memory.scan(&freed);
    assert!(found.is_empty(), "{found:#?}");
}

/// With the id, which is no secret; the secret of each is a marker of its own.
fn is_key_with_id(place: &str) -> bool {
    place.starts_with("the key ")
}

/// What the server works with up to the end.
const IN_USE: [&str; 3] = ["the first key", "field-encryption.key", "secret.key"];

/// What the process can write to, each range a channel. `None` where it cannot be read, which is
/// said by name: it takes root, because no other process of the same user can.
fn memory_of(server: &Server) -> Option<Evidence> {
    let process = format!("/proc/{}", server.pid());
    let Ok(memory) = File::open(format!("{process}/mem")) else {
        assert!(
            std::env::var_os("REQUIRE_SERVICES").is_none(),
            "the memory of another process cannot be read here"
        );
        eprintln!("NOT RUN: the memory of another process cannot be read here (it takes root)");
        return None;
    };
    let mut evidence = Evidence::default();
    for line in fs::read_to_string(format!("{process}/maps"))
        .unwrap()
        .lines()
    {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        let (start, end) = (number(start), number(end));
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // Some ranges are only there on paper.
        if memory.read_exact_at(&mut bytes, start).is_ok() {
            let name = words.next_back().unwrap_or("anonymous");
            evidence.add(&format!("{name} at {range}"), &bytes);
        }
    }
    Some(evidence)
}
