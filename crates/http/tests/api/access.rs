//! `/credentials/{id}/access`: secrets leave after it is written down that they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyward_core::{Id, Store, StoreError};
use keyward_credentials::{CredentialScope, SecretField};
use keyward_crypto::EncryptedString;
use keyward_store_testing::{MemoryStore, MemoryTx};
use serde_json::{Value, json};

use crate::credential_fields::{expected_secrets, full, least};
use crate::world::{Answer, World, id_of, unknown_id};

#[actix_web::test]
async fn one_secret_or_all_can_be_had() {
    for world in World::on_every_store().await {
        for kind in ["llm", "git", "gateway", "tool", "generic"] {
            let kept = world.credential(&world.admin, kind, &full(kind)).await;
            let secrets = expected_secrets(kind);
            let all = access(&world, &kept, &json!({})).await;
            assert_eq!(all.status, 200);
            assert_eq!(all.header("cache-control"), Some("no-store"));
            assert_eq!(all.json(), json!({ "fields": secrets }), "{}", world.name);
            let null = access(&world, &kept, &json!({ "field": null })).await;
            assert_eq!(null.body, all.body);
            for (path, value) in secrets.as_object().unwrap() {
                let one = access(&world, &kept, &json!({ "field": path })).await;
                assert_eq!(
                    one.json(),
                    json!({ "fields": { path: value } }),
                    "{}",
                    world.name
                );
            }
            let empty = world.credential(&world.admin, kind, &least(kind)).await;
            let none = access(&world, &empty, &json!({})).await;
            assert_eq!(none.json(), json!({ "fields": {} }));
        }
    }
}

#[actix_web::test]
async fn a_secret_that_is_not_there_is_404_and_no_event() {
    let world = World::new().await;
    let detail = json!({ "provider": "openai", "custom_headers": { "X": "y" } });
    let kept = world.credential(&world.admin, "llm", &detail).await;
    let events = world.events();
    for field in [
        "api_key",
        "provider",
        "nothing",
        "",
        "custom_headers",
        "custom_headers.",
        "*",
    ] {
        let answer = access(&world, &kept, &json!({ "field": field })).await;
        answer.is_problem(404, "no-such-secret");
    }
    let answer = access(&world, &json!({ "id": unknown_id() }), &json!({})).await;
    answer.is_problem(404, "not-found");
    assert_eq!(world.events(), events);
}

#[actix_web::test]
async fn each_access_is_written_down() {
    for world in World::on_every_store().await {
        let engine = world.admin_with(&["credentials:access"]).await;
        let kept = world
            .credential(&world.admin, "gateway", &full("gateway"))
            .await;
        let path = format!("/credentials/{}/access", id_of(&kept));
        for (body, fields) in [
            (json!({ "field": "token" }), "token"),
            (json!({ "field": "token" }), "token"),
            (json!({}), "config.chat config.webhook.secret token"),
        ] {
            let events = world.events();
            let answer = world.post(&path).by(&engine).json(&body).await;
            assert_eq!(answer.status, 200);
            assert_eq!(world.events(), events + 1, "{}", world.name);
            let event =
                world.get("/audit?limit=1").by(&world.admin).await.json()["items"][0].clone();
            assert_eq!(event["action"], "credential.access");
            assert_eq!(event["subject"]["id"], kept["id"]);
            assert_eq!(event["actor"]["key_id"], json!(engine.key_id));
            assert_eq!(event["request_id"].as_str(), answer.header("x-request-id"));
            assert_eq!(
                event["details"],
                json!({ "fields": fields, "outcome": "opened" })
            );
        }
        world
            .get("/credentials")
            .by(&engine)
            .await
            .is_problem(403, "missing-scope");
    }
}

#[actix_web::test]
async fn what_cannot_be_written_down_is_not_handed_out() {
    let world = World::new().await;
    let kept = world.credential(&world.admin, "llm", &full("llm")).await;
    // The end of the chain is not the one that was written last.
    let head = world.store(|tx| tx.audit_head()).unwrap();
    let memory = world.memory.as_ref().unwrap();
    let broken = keyward_audit::Head {
        seq: head.seq + 1,
        ..head.clone()
    };
    memory.tamper(|rows| rows.set_audit_head(Some(broken)));
    let rows = world.rows();

    let answer = access(&world, &kept, &json!({})).await;

    answer.is_problem(500, "internal");
    gives_nothing(&answer);
    assert_eq!(world.rows(), rows);
    memory.tamper(|rows| rows.set_audit_head(Some(head)));
    assert_eq!(access(&world, &kept, &json!({})).await.status, 200);
}

#[actix_web::test]
async fn without_a_commit_nothing_is_handed_out() {
    let store = Unreliable::default();
    let world = World::over("unreliable", store.clone(), CredentialScope::Global, None).await;
    let kept = world.credential(&world.admin, "llm", &full("llm")).await;
    let events = world.events();

    store.fails.store(true, Ordering::SeqCst);
    let answer = access(&world, &kept, &json!({})).await;
    let made = world
        .post("/users/me/keys")
        .by(&world.admin)
        .json(&json!({ "name": "x" }))
        .await;
    store.fails.store(false, Ordering::SeqCst);

    for answer in [&answer, &made] {
        answer.is_problem(503, "unavailable");
        assert!(answer.header("retry-after").is_some());
        assert!(answer.text().contains("it is unknown whether it did"));
        gives_nothing(answer);
        assert!(
            !answer.text().contains("the disk of"),
            "the cause is for the log"
        );
    }
    assert_eq!(world.events(), events);
    assert_eq!(access(&world, &kept, &json!({})).await.status, 200);
}

#[actix_web::test]
async fn while_the_storage_is_down_the_answer_is_503_and_not_401() {
    let store = Unreliable::default();
    let world = World::over("unreliable", store.clone(), CredentialScope::Global, None).await;
    store.down.store(true, Ordering::SeqCst);
    for path in ["/auth/me", "/users", "/credentials", "//health/ready"] {
        let answer = world.get(path).by(&world.admin).await;
        answer.is_problem(503, "unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(world.get("//health/live").await.status, 200);
    world
        .get("/auth/me")
        .await
        .is_problem(401, "unauthenticated");
}

#[actix_web::test]
async fn a_mistake_in_a_question_to_the_storage_is_500_and_not_503() {
    let store = Unreliable::default();
    let world = World::over("unreliable", store.clone(), CredentialScope::Global, None).await;
    store.broken.store(true, Ordering::SeqCst);
    for path in ["/auth/me", "/credentials"] {
        let answer = world.get(path).by(&world.admin).await;
        answer.is_problem(500, "internal");
        assert!(answer.header("retry-after").is_none());
        assert!(!answer.text().contains("the disk of"), "{answer:?}");
    }
}

#[actix_web::test]
async fn a_storage_that_answers_but_takes_no_changes_is_not_ready() {
    let store = Unreliable::default();
    let world = World::over("unreliable", store.clone(), CredentialScope::Global, None).await;
    assert_eq!(world.get("//health/ready").await.status, 200);
    store.fails.store(true, Ordering::SeqCst);
    let answer = world.get("//health/ready").await;
    answer.is_problem(503, "unavailable");
    assert_eq!(world.get("/auth/me").by(&world.admin).await.status, 200);
}

#[actix_web::test]
async fn a_secret_that_cannot_be_opened_is_named_and_the_others_can_be_had() {
    for world in World::on_every_store().await {
        let kept = world.credential(&world.admin, "llm", &full("llm")).await;
        let other = world.credential(&world.admin, "llm", &full("llm")).await;
        let id = Id::parse(id_of(&kept)).unwrap();
        let stored = world.store(|tx| tx.credential(id)).unwrap();
        let good = stored
            .secrets
            .iter()
            .find(|field| field.path.as_str() == "api_key");
        let mut sealed = good.unwrap().sealed.as_stored().to_owned();
        let flipped = if sealed.ends_with("A=") { "B=" } else { "A=" };
        sealed.replace_range(sealed.len() - 2.., flipped);
        let bad = SecretField {
            sealed: EncryptedString::from_stored(sealed.clone()),
            ..good.unwrap().clone()
        };
        world.store(|tx| tx.put_secret(id, &bad));

        let list = world.get("/credentials").by(&world.admin).await;
        let masks = &list.json()["items"][0]["detail"];
        assert_eq!(
            masks["api_key"],
            json!({ "set": true, "last4": "cdef", "unreadable": true })
        );
        assert_eq!(masks["custom_headers"], kept["detail"]["custom_headers"]);
        assert_eq!(list.json()["items"][1], other, "{}", world.name);

        for (body, events) in [(json!({ "field": "api_key" }), 1), (json!({}), 1)] {
            let before = world.events();
            let answer = access(&world, &kept, &body).await;
            answer.is_problem(500, "unreadable");
            assert_eq!(
                answer.errors(),
                [("api_key".to_owned(), "unreadable".to_owned())]
            );
            gives_nothing(&answer);
            assert!(!answer.text().contains(&sealed[..30]));
            assert_eq!(
                world.events(),
                before + events,
                "{}: that is in the log too",
                world.name
            );
        }
        let body = json!({ "field": "custom_headers.X-Team" });
        let answer = access(&world, &kept, &body).await;
        assert_eq!(
            answer.json()["fields"]["custom_headers.X-Team"],
            "team-0123456789abcd"
        );

        // What was read, with the mark, can still be sent back; a new value heals it.
        let path = format!("/credentials/{}", id_of(&kept));
        let read = world.get(&path).by(&world.admin).await;
        let back = world
            .patch(&path)
            .by(&world.admin)
            .raw(read.body.clone())
            .await;
        assert_eq!((back.status.as_u16(), back.text()), (200, read.text()));
        let heal = json!({ "detail": { "api_key": "sk-0123456789abcdef" } });
        let healed = world.patch(&path).by(&world.admin).json(&heal).await;
        assert_eq!(healed.json()["detail"], kept["detail"], "{}", world.name);
        assert_eq!(access(&world, &kept, &json!({})).await.status, 200);
    }
}

async fn access(world: &World, credential: &Value, body: &Value) -> Answer {
    let path = format!("/credentials/{}/access", id_of(credential));
    world.post(&path).by(&world.admin).json(body).await
}

#[track_caller]
fn gives_nothing(answer: &Answer) {
    for secret in [
        "sk-0123456789",
        "team-0123456789",
        "0123456789abcd",
        "kw_user_",
    ] {
        assert!(!answer.text().contains(secret), "{answer:?}");
        assert!(
            !format!("{:?}", answer.headers).contains(secret),
            "{answer:?}"
        );
    }
}

/// A store whose commits fail while `fails`, that cannot be reached while `down`, and of which
/// questions ask for what is not there while `broken`.
#[derive(Clone, Default)]
struct Unreliable {
    store: Arc<MemoryStore>,
    fails: Arc<AtomicBool>,
    down: Arc<AtomicBool>,
    broken: Arc<AtomicBool>,
}

impl Store for Unreliable {
    type Tx = MemoryTx;

    fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut MemoryTx) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.down.load(Ordering::SeqCst) {
            return Err(unavailable().into());
        }
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Backend("no such column: the disk of 10.0.0.7".into()).into());
        }
        self.store.read(work)
    }

    fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut MemoryTx) -> Result<T, E>,
    ) -> Result<T, E> {
        let fails = self.fails.load(Ordering::SeqCst);
        self.store.write(|tx| {
            let value = work(tx)?;
            if fails {
                Err(unavailable().into())
            } else {
                Ok(value)
            }
        })
    }

    fn health(&self) -> Result<(), StoreError> {
        let takes_changes = !self.fails.load(Ordering::SeqCst);
        let answers = !self.down.load(Ordering::SeqCst);
        if takes_changes && answers {
            Ok(())
        } else {
            Err(unavailable())
        }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("the disk of 10.0.0.7 is full".into())
}
