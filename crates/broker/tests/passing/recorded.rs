use std::sync::{Arc, Mutex};

use keyward_audit::AuditEvents as _;
use keyward_core::Store as _;
use keyward_store_testing::MemoryStore;
use serde_json::json;

use crate::upstream::{Upstream, ok};
use crate::world::{SECRET, World, request};

#[tokio::test]
async fn a_use_is_in_the_audit_log_before_the_secret_arrives() {
    let store: Arc<Mutex<Option<Arc<MemoryStore>>>> = Arc::default();
    let seen = Arc::clone(&store);
    let upstream = Upstream::answering(move |received| {
        assert!(received.head.contains(SECRET));
        let store = seen.lock().unwrap().clone().unwrap();
        let events = store.read(|tx| tx.audit_events_after(0, 9)).unwrap();
        let actions: Vec<_> = events
            .into_iter()
            .map(|event| event.fields.action)
            .collect();
        ok(actions.join(" ").as_bytes())
    });
    let world = World::new();
    *store.lock().unwrap() = Some(Arc::clone(&world.store));
    let id = world.model(&upstream.url("/v1"));
    let answer = world.get(id, "/models").await.unwrap();
    assert_eq!(answer.body, b"credential.use");
}

#[tokio::test]
async fn both_events_of_a_use_say_what_was_done_and_no_secret() {
    let upstream = Upstream::answering(|_| ok(b"12345"));
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    let asked = request("POST", "/chat?token=in-the-query", "body-of-the-request");
    world.ask(id, asked).await.unwrap();
    let ends = world.ends(1);
    let uses = world.events("credential.use");
    let host = upstream.address.to_string();
    assert_eq!(
        uses,
        [json!({
            "use": uses[0]["use"], "via": "broker", "host": host, "method": "POST", "path": "/v1/chat",
        })]
    );
    assert_eq!(
        ends,
        [json!({
            "use": uses[0]["use"], "outcome": "answered", "status": "200", "sent": "19",
            "received": "5", "millis": ends[0]["millis"],
        })]
    );
}

#[tokio::test]
async fn an_answer_without_a_body_has_ended_when_it_is_there() {
    let upstream = Upstream::answering(|_| b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    // The body is never asked for.
    let answer = world.pass(id, request("DELETE", "/x", "")).await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(world.ends(1)[0]["outcome"], "answered");
    drop(answer);
}

#[tokio::test]
async fn nothing_is_sent_when_the_use_cannot_be_written_down() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    // An end of the chain that nobody of ours wrote stops every event.
    world
        .store
        .tamper(|rows| rows.set_audit_head(Some(keyward_audit::Head::unreadable())));
    let refused = world.get(id, "/models").await;
    assert!(refused.is_err());
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_at_once_each_get_their_answer_and_their_events() {
    let upstream = Upstream::answering(|received| ok(received.target().as_bytes()));
    let world = Arc::new(World::new());
    let id = world.model(&upstream.url("/v1"));
    let asking: Vec<_> = (0..200)
        .map(|number| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let answer = world.get(id, &format!("/{number}")).await.unwrap();
                assert_eq!(answer.body, format!("/v1/{number}").as_bytes());
            })
        })
        .collect();
    for asked in asking {
        asked.await.unwrap();
    }
    let mut ended: Vec<_> = world
        .ends(200)
        .iter()
        .map(|end| end["use"].to_string())
        .collect();
    let mut uses: Vec<_> = world
        .events("credential.use")
        .iter()
        .map(|one| one["use"].to_string())
        .collect();
    ended.sort();
    uses.sort();
    uses.dedup();
    assert_eq!(uses.len(), 200);
    assert_eq!(ended, uses);
}
