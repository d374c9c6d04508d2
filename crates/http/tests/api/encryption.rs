//! `/encryption/rotation`: how far re-encryption is, and who starts and pauses it.

use std::sync::Arc;

use keyward_auth::Environment;
use keyward_core::{ManualClock, Store as _};
use keyward_credentials::CredentialScope;
use keyward_crypto::{FieldKey, KeyRing};
use keyward_encryption::{KeyState, Pass, Reencrypt, Step, keep};
use keyward_store_testing::MemoryStore;
use serde_json::{Value, json};

use crate::world::{Answer, Caller, NOW, World, environment, settled};

#[actix_web::test]
async fn it_is_started_paused_and_started_again() {
    for world in World::on_every_store().await {
        let idle = rotation(&world, &world.admin).await;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(settled(&idle), @r#"
            {
              "active_kid": "[key id]",
              "done": 0,
              "keys": [
                {
                  "kid": "[key id]",
                  "rows": 1,
                  "state": "active"
                }
              ],
              "state": "idle",
              "total": 0
            }
            "#);
        }
        assert_eq!(idle["keys"][0]["kid"], idle["active_kid"]);
        for (action, state) in [
            ("start", "running"),
            ("start", "running"),
            ("pause", "paused"),
            ("pause", "paused"),
            ("start", "running"),
        ] {
            let answer = turn(&world, &world.admin, action).await;
            assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
            assert_eq!(answer.json()["state"], state, "{}", world.name);
            assert_eq!(rotation(&world, &world.admin).await, answer.json());
        }
        let events = world.get("/audit").by(&world.admin).await.json();
        let told: Vec<_> = events["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["subject"]["kind"] == "encryption-key")
            .map(|event| (event["action"].clone(), event["actor"]["id"].clone()))
            .collect();
        let event = |action: &str| {
            let action = format!("encryption-rotation.{action}");
            (json!(action), json!(world.admin.id))
        };
        assert_eq!(told, [event("start"), event("pause"), event("start")]);
    }
}

#[actix_web::test]
async fn values_are_counted_by_key_while_they_move() {
    let two = Two::new().await;
    let world = &two.world;
    let detail = json!({ "one": "a-secret", "other": "another" });
    let kept = world.credential(&world.admin, "generic", &detail).await;
    two.activate();
    let before = rotation(world, &world.admin).await;
    assert_eq!(before["active_kid"], two.new.id().as_str());
    assert_eq!(
        states(&before),
        two.expected(("decrypt-only", 3), ("active", 0))
    );
    assert_eq!(
        (&before["state"], &before["done"], &before["total"]),
        (&json!("idle"), &json!(0), &json!(3))
    );

    let started = turn(world, &world.admin, "start").await.json();
    assert_eq!(
        (&started["done"], &started["total"]),
        (&json!(0), &json!(3))
    );
    two.work();

    let done = rotation(world, &world.admin).await;
    assert_eq!(
        states(&done),
        two.expected(("decrypt-only", 0), ("active", 3))
    );
    assert_eq!(
        (&done["state"], &done["done"], &done["total"]),
        (&json!("done"), &json!(3), &json!(3))
    );
    assert_eq!(world.secrets(&kept).await, detail);
    turn(world, &world.admin, "pause")
        .await
        .is_problem(409, "rotation-not-running");
}

#[actix_web::test]
async fn what_cannot_be_done_now_is_a_conflict_and_changes_nothing() {
    for world in World::on_every_store().await {
        let rows = world.rows();
        let answer = turn(&world, &world.admin, "pause").await;
        answer.is_problem(409, "rotation-not-running");
        assert_eq!(world.rows(), rows, "{}", world.name);

        let active = KeyState::DecryptOnly;
        world.store(|tx| {
            let keys = tx.encryption_keys()?;
            keys.iter()
                .try_for_each(|key| tx.set_key_state(&key.kid, active))
        });
        let rows = world.rows();
        let answer = turn(&world, &world.admin, "start").await;
        answer.is_problem(409, "no-active-key");
        assert_eq!(
            rotation(&world, &world.admin).await["active_kid"],
            Value::Null
        );
        assert_eq!(world.rows(), rows, "{}", world.name);
    }
    let two = Two::new().await;
    two.activate();
    two.fields.learn(&ring(&[&two.old]));
    let rows = two.world.rows();
    let answer = turn(&two.world, &two.world.admin, "start").await;
    answer.is_problem(409, "key-not-held");
    assert_eq!(two.world.rows(), rows);
}

/// The scope is one that only administrators can have.
#[actix_web::test]
async fn only_administrators_see_and_turn_it() {
    for world in World::on_every_store().await {
        let (person, agent) = (world.person("ada").await, world.agent("robot").await);
        let narrow = world
            .admin_with(&["read", "users:write", "audit:read", "credentials:access"])
            .await;
        let rows = world.rows();
        for caller in [&person, &agent, &narrow] {
            let answer = world.get("/encryption/rotation").by(caller).await;
            answer.is_problem(403, "missing-scope");
            for action in ["start", "pause"] {
                let answer = turn(&world, caller, action).await;
                answer.is_problem(403, "missing-scope");
            }
        }
        assert_eq!(world.rows(), rows, "{}", world.name);

        // With that scope, and no longer an administrator.
        let eve = world.administrator("eve").await;
        turn(&world, &eve, "start").await;
        let path = format!("/users/{}", eve.id);
        let demoted = world.patch(&path).by(&world.admin);
        assert_eq!(demoted.json(&json!({ "role": "normal" })).await.status, 200);
        turn(&world, &eve, "pause")
            .await
            .is_problem(403, "missing-scope");
        let state = rotation(&world, &world.admin).await["state"].clone();
        assert_eq!(state, "running");
    }
}

#[actix_web::test]
async fn other_bodies_are_refused_by_name() {
    let world = World::new().await;
    let rows = world.rows();
    for (body, field) in [
        (json!({}), "action"),
        (json!({ "action": "retire" }), "action"),
        (json!({ "action": "Start" }), "action"),
        (json!({ "action": null }), "action"),
        (json!({ "action": "start", "total": 1 }), "total"),
        (
            json!({ "action": "start", "kid": "0123456789abcdef" }),
            "kid",
        ),
    ] {
        let ask = world.post("/encryption/rotation").by(&world.admin);
        let answer = ask.json(&body).await;
        answer.is_problem(422, "invalid");
        assert!(answer.text().contains(field), "{body}: {answer:?}");
        assert!(!answer.text().contains("retire"), "{answer:?}");
    }
    assert_eq!(world.rows(), rows);
}

async fn rotation(world: &World, by: &Caller) -> Value {
    let answer = world.get("/encryption/rotation").by(by).await;
    assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
    answer.json()
}

async fn turn(world: &World, by: &Caller, action: &str) -> Answer {
    let body = json!({ "action": action });
    world.post("/encryption/rotation").by(by).json(&body).await
}

fn states(rotation: &Value) -> Vec<(Value, Value, Value)> {
    let mut keys: Vec<_> = rotation["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| {
            (
                key["kid"].clone(),
                key["state"].clone(),
                key["rows"].clone(),
            )
        })
        .collect();
    keys.sort_by_key(|(kid, ..)| kid.to_string());
    keys
}

/// A server that began with one key and has got another.
struct Two {
    world: World,
    old: FieldKey,
    new: FieldKey,
    fields: KeyRing,
    environment: Environment<Arc<MemoryStore>>,
}

impl Two {
    async fn new() -> Self {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let clock = Arc::new(ManualClock::at(NOW));
        let store = Arc::new(MemoryStore::new());
        let environment = Environment {
            fields: ring(&[&old]),
            ..environment(&store, &clock)
        };
        let scope = CredentialScope::Global;
        let world = World::in_environment("memory", environment.clone(), clock, scope, None).await;
        environment.fields.learn(&ring(&[&new, &old]));
        let Environment {
            store,
            fields,
            macs,
            ..
        } = &environment;
        store.write(|tx| keep(tx, fields, macs, NOW)).unwrap();
        Self {
            world,
            old,
            new,
            fields: environment.fields.clone(),
            environment,
        }
    }

    fn activate(&self) {
        let service = keyward_encryption::ManageEncryption::new(self.environment.clone());
        service
            .activate(&keyward_auth::Host, *self.new.id())
            .unwrap();
    }

    fn work(&self) {
        let worker = Reencrypt::new(self.environment.clone(), "a worker");
        let mut pass = Pass::default();
        while worker.step(&mut pass).unwrap() != (Step::Done { unreadable: 0 }) {}
    }

    fn expected(&self, old: (&str, u64), new: (&str, u64)) -> Vec<(Value, Value, Value)> {
        let key = |key: &FieldKey, (state, rows): (&str, u64)| {
            (json!(key.id().as_str()), json!(state), json!(rows))
        };
        let mut keys = vec![key(&self.old, old), key(&self.new, new)];
        keys.sort_by_key(|(kid, ..)| kid.to_string());
        keys
    }
}

fn ring(keys: &[&FieldKey]) -> KeyRing {
    let keys: Vec<_> = keys.iter().map(|key| key.expose()).collect();
    let keys: Vec<_> = keys.iter().map(|key| key.expose()).collect();
    KeyRing::parse(&keys.join(",")).unwrap()
}
