//! Agents: who may make them, what they may do, and what ends them.

use keyward_agents::{Agent, AgentRecord, Lineage};
use keyward_auth::{User, UserId, UserStatus, Username};
use keyward_core::Id;
use keyward_crypto::Signed;
use serde_json::{Value, json};

use crate::world::{Answer, Caller, World, id_of, macs, unknown_id};

#[actix_web::test]
async fn an_agent_is_made_once_and_its_key_is_shown_once() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let body = json!({ "workflow": "my_flow", "node": "writer", "purpose": "writes reports" });
        let made = create(&world, &ada, &body).await;
        assert_eq!(made.status, 201, "{}: {made:?}", world.name);
        let made = made.json();
        assert_eq!(made["username"], "agent_my__flow_writer");
        assert_eq!(made["purpose"], "writes reports");
        assert_eq!(made["owner_id"], json!(ada.id));
        assert_eq!(made["created_by_id"], json!(ada.id));
        assert_eq!(made["lineage"], json!([]));
        assert_eq!(made["scopes"], json!(["read", "credentials:use"]));
        assert_eq!(made["already_existed"], false);
        let agent = caller(&made);
        let me = world.get("/auth/me").by(&agent).await.json();
        assert_eq!((&me["kind"], &me["id"]), (&json!("agent"), &made["id"]));
        assert_eq!(me["key"]["scopes"], made["scopes"]);

        let again = create(&world, &ada, &body).await;
        assert_eq!(again.status, 200);
        let again = again.json();
        assert_eq!(
            (&again["id"], &again["api_key"]),
            (&made["id"], &Value::Null)
        );
        assert_eq!(again["already_existed"], true);

        let mut rotate = body.clone();
        rotate["rotate"] = json!(true);
        let rotated = create(&world, &ada, &rotate).await.json();
        assert_eq!(rotated["id"], made["id"]);
        world
            .get("/auth/me")
            .by(&agent)
            .await
            .is_problem(401, "unauthenticated");
        let agent = caller(&rotated);
        assert_eq!(world.get("/auth/me").by(&agent).await.status, 200);

        let eve = world.person("eve").await;
        let taken = create(&world, &eve, &body).await;
        taken.is_problem(409, "username-taken");
    }
}

#[actix_web::test]
async fn a_repeated_attempt_to_make_an_agent_shows_no_key() {
    let world = World::new().await;
    let ask = || {
        world
            .post("/agents")
            .by(&world.admin)
            .header("Idempotency-Key", "once")
            .json(&json!({ "name": "x" }))
    };
    let (first, second) = (ask().await.json(), ask().await.json());
    assert_eq!(first["id"], second["id"]);
    assert!(first["api_key"].is_string());
    assert_eq!(second["api_key"], Value::Null);
}

#[actix_web::test]
async fn the_names_of_agents_are_theirs_alone() {
    let world = World::new().await;
    for username in ["agent_x", "AGENT_x", "ａｇｅｎｔ_x"] {
        let body = json!({ "username": username, "password": "a long enough password" });
        let answer = world.post("/users").by(&world.admin).json(&body).await;
        answer.is_problem(422, "invalid");
    }
    for body in [
        json!({}),
        json!({ "name": "x", "workflow": "a", "node": "b" }),
        json!({ "workflow": "a" }),
        json!({ "workflow": "A", "node": "b" }),
        json!({ "workflow": "a", "node": "_b" }),
        json!({ "name": "x", "purpose": "" }),
        json!({ "name": "x", "expires_at": "2001-01-01T00:00:00Z" }),
    ] {
        let answer = create(&world, &world.admin, &body).await;
        answer.is_problem(422, "invalid");
    }
}

#[actix_web::test]
async fn a_child_never_gets_more_than_its_parent_has() {
    for world in World::on_every_store().await {
        let parent = json!({
            "name": "parent",
            "scopes": ["read", "agents:write"],
            "expires_at": "2100-01-01T00:00:00Z",
        });
        let parent = world.agent_of(&world.admin, &parent).await;
        for (asked, slug, status) in [
            (
                json!({ "scopes": ["credentials:use"] }),
                "agent-too-strong",
                403,
            ),
            (
                json!({ "scopes": ["read", "admin"] }),
                "agent-too-strong",
                403,
            ),
            (
                json!({ "expires_at": "2100-01-01T00:00:01Z" }),
                "invalid",
                422,
            ),
        ] {
            let mut body = json!({ "name": "child" });
            body.as_object_mut()
                .unwrap()
                .extend(asked.as_object().unwrap().clone());
            let answer = create(&world, &parent, &body).await;
            answer.is_problem(status, slug);
        }
        let child = create(&world, &parent, &json!({ "name": "child" }))
            .await
            .json();
        assert_eq!(child["scopes"], json!(["read"]));
        assert_eq!(child["expires_at"], "2100-01-01T00:00:00Z");
        assert_eq!(child["owner_id"], json!(world.admin.id));
        assert_eq!(child["created_by_id"], json!(parent.id));
        assert_eq!(child["lineage"], json!([parent.id]));

        // Nor by a key that somebody stronger makes for it.
        let key = world
            .key_of(
                id_of(&child),
                &json!({ "name": "more", "scopes": ["read"] }),
            )
            .await;
        let me = world.get("/auth/me").by(&key).await.json();
        assert_eq!(me["key"]["scopes"], json!(["read"]));
        assert_eq!(me["key"]["expires_at"], "2100-01-01T00:00:00Z");
        let body = json!({ "name": "more", "scopes": ["credentials:access"] });
        let path = format!("/users/{}/keys", id_of(&child));
        let answer = world.post(&path).by(&world.admin).json(&body).await;
        answer.is_problem(403, "key-too-strong");
    }
}

#[actix_web::test]
async fn agents_are_eight_deep_at_most() {
    let world = World::new().await;
    let scopes = json!(["read", "agents:write"]);
    let mut parent = world.admin.clone();
    for depth in 0..8 {
        let body = json!({ "name": format!("depth{depth}"), "scopes": scopes });
        parent = world.agent_of(&parent, &body).await;
    }
    let answer = create(&world, &parent, &json!({ "name": "deeper" })).await;
    answer.is_problem(409, "too-deep");
}

#[actix_web::test]
async fn an_agent_is_there_for_its_owner_for_administrators_and_for_those_above_it() {
    for world in World::on_every_store().await {
        let (ada, eve) = (world.person("ada").await, world.person("eve").await);
        let tree = Tree::of(&world, &ada).await;
        let all = |caller: Caller| {
            let world = &world;
            async move {
                let listed = world.get("/agents?limit=200").by(&caller).await.json();
                let items = listed["items"].as_array().unwrap().clone();
                let mut ids: Vec<_> = items.iter().map(|item| id_of(item).to_owned()).collect();
                ids.sort();
                ids
            }
        };
        let mut family = vec![
            tree.root.id.clone(),
            tree.child.id.clone(),
            tree.leaf.id.clone(),
        ];
        family.sort();
        assert_eq!(all(ada.clone()).await, family);
        assert_eq!(all(world.admin.clone()).await, family);
        assert_eq!(all(eve.clone()).await, [""; 0]);
        let mut below = vec![tree.child.id.clone(), tree.leaf.id.clone()];
        below.sort();
        assert_eq!(all(tree.root.clone()).await, below);
        assert_eq!(all(tree.leaf.clone()).await, [""; 0]);

        let missing = format!("/agents/{}", unknown_id());
        for (caller, agent) in [
            (&eve, &tree.root),
            (&tree.child, &tree.child),
            (&tree.child, &tree.root),
            (&tree.leaf, &tree.child),
        ] {
            let path = format!("/agents/{}", agent.id);
            let absent = world.get(&missing).by(caller).await;
            absent.is_problem(404, "not-found");
            assert_eq!(world.get(&path).by(caller).await.body, absent.body);
            for action in ["freeze", "unfreeze", "revoke", "rotate-key"] {
                let body = json!({});
                let answer = world
                    .post(&format!("{path}/{action}"))
                    .by(caller)
                    .json(&body)
                    .await;
                assert_eq!(answer.body, absent.body, "{}: {action}", world.name);
            }
        }
        for agent in [&tree.root, &tree.child, &tree.leaf] {
            assert_eq!(world.get("/auth/me").by(agent).await.status, 200);
        }
    }
}

#[actix_web::test]
async fn freezing_takes_everything_below_along_and_thawing_gives_back_what_was_not_frozen_itself() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let tree = Tree::of(&world, &ada).await;
        let planned = change(&world, &ada, &tree.root, "freeze", true).await;
        assert_eq!(names(&planned), ["agent_root", "agent_child", "agent_leaf"]);
        tree.works(&world, [true, true, true]).await;

        assert_eq!(
            names(&change(&world, &tree.root, &tree.child, "freeze", false).await).len(),
            2
        );
        tree.works(&world, [true, false, false]).await;
        let frozen = change(&world, &ada, &tree.root, "freeze", false).await;
        assert_eq!(names(&frozen), ["agent_root"]);
        tree.works(&world, [false, false, false]).await;
        assert_eq!(
            names(&change(&world, &ada, &tree.root, "freeze", false).await),
            [""; 0]
        );

        let path = format!("/agents/{}/unfreeze", tree.child.id);
        let answer = world.post(&path).by(&ada).json(&json!({})).await;
        answer.is_problem(409, "frozen");
        let path = format!("/agents/{}/rotate-key", tree.child.id);
        let answer = world.post(&path).by(&ada).json(&json!({})).await;
        answer.is_problem(409, "frozen");

        let thawed = change(&world, &ada, &tree.root, "unfreeze", false).await;
        assert_eq!(names(&thawed), ["agent_root"]);
        tree.works(&world, [true, false, false]).await;
        let thawed = change(&world, &ada, &tree.child, "unfreeze", false).await;
        assert_eq!(names(&thawed), ["agent_child", "agent_leaf"]);
        tree.works(&world, [true, true, true]).await;
    }
}

#[actix_web::test]
async fn a_revoked_tree_is_gone_for_ever_and_its_names_are_free() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let tree = Tree::of(&world, &ada).await;
        let revoked = change(&world, &ada, &tree.child, "revoke", false).await;
        assert_eq!(names(&revoked), ["agent_child", "agent_leaf"]);
        tree.works(&world, [true, false, false]).await;
        for agent in [&tree.child, &tree.leaf] {
            let path = format!("/agents/{}", agent.id);
            world.get(&path).by(&ada).await.is_problem(404, "not-found");
            let answer = world
                .post(&format!("{path}/unfreeze"))
                .by(&ada)
                .json(&json!({}))
                .await;
            answer.is_problem(404, "not-found");
            let secrets =
                world.store(|tx| tx.totp_secrets(keyward_core::Id::parse(&agent.id).unwrap()));
            assert_eq!(secrets.active, None);
        }
        let again = create(&world, &ada, &json!({ "name": "child" }))
            .await
            .json();
        assert_eq!(again["already_existed"], false);
        assert_ne!(again["id"], json!(tree.child.id));
    }
}

#[actix_web::test]
async fn the_agents_of_a_person_stop_with_the_person_and_go_on_with_them() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let tree = Tree::of(&world, &ada).await;
        let path = format!("/users/{}", ada.id);
        for (status, work) in [("disabled", false), ("active", true)] {
            let body = json!({ "status": status });
            let answer = world.patch(&path).by(&world.admin).json(&body).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            tree.works(&world, [work; 3]).await;
        }
        let answer = world.delete(&path).by(&world.admin).await;
        assert_eq!(answer.status, 204);
        tree.works(&world, [false; 3]).await;
    }
}

#[actix_web::test]
async fn an_agent_ends_when_its_term_does() {
    for world in World::on_every_store().await {
        let end = world.now().plus(60);
        let body = json!({ "name": "short", "expires_at": end.to_string() });
        let agent = world.agent_of(&world.admin, &body).await;
        set(&world, end.plus(-1));
        assert_eq!(world.get("/auth/me").by(&agent).await.status, 200);
        set(&world, end);
        world
            .get("/auth/me")
            .by(&agent)
            .await
            .is_problem(401, "unauthenticated");
    }
}

#[actix_web::test]
async fn agents_are_not_administered_as_people() {
    let world = World::new().await;
    let agent = world.agent("x").await;
    let path = format!("/users/{}", agent.id);
    let body = json!({ "status": "disabled" });
    let answer = world.patch(&path).by(&world.admin).json(&body).await;
    answer.is_problem(409, "managed-as-agent");
    let answer = world.delete(&path).by(&world.admin).await;
    answer.is_problem(409, "managed-as-agent");
    assert_eq!(world.get("/auth/me").by(&agent).await.status, 200);
}

#[actix_web::test]
async fn a_rotated_key_can_overlap_with_the_new_one() {
    for world in World::on_every_store().await {
        let agent = world.agent("x").await;
        let path = format!("/agents/{}/rotate-key", agent.id);
        let body = json!({ "overlap_seconds": 60 });
        let made = world.post(&path).by(&world.admin).json(&body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let new = caller(&made.json());
        assert_eq!(world.get("/auth/me").by(&agent).await.status, 200);
        assert_eq!(world.get("/auth/me").by(&new).await.status, 200);
        world.clock.advance(60);
        world
            .get("/auth/me")
            .by(&agent)
            .await
            .is_problem(401, "unauthenticated");
        assert_eq!(world.get("/auth/me").by(&new).await.status, 200);
    }
}

/// Six deep. Ten thousand of them where `KEYWARD_RACE_ROUNDS` is ten.
#[actix_web::test]
async fn a_thousand_agents_stop_and_go_on_at_once() {
    let count = 1_000 * rounds();
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let root = world
            .agent_of(&ada, &json!({ "name": "root", "scopes": ["read"] }))
            .await;
        let leaf = plant(&world, &root, count - 1);
        let key = json!({ "name": "of the last", "scopes": ["read"] });
        let leaf = world.key_of(&leaf.to_string(), &key).await;
        for (action, works) in [("freeze", false), ("unfreeze", true), ("revoke", false)] {
            let started = std::time::Instant::now();
            let affected = change(&world, &ada, &root, action, false).await;
            let affected = affected["affected"].as_array().unwrap().len();
            println!(
                "figure: {}: {action} of {affected} in {:?}",
                world.name,
                started.elapsed()
            );
            assert_eq!(affected, count);
            for agent in [&root, &leaf] {
                let status = world.get("/auth/me").by(agent).await.status;
                assert_eq!(
                    status,
                    if works { 200 } else { 401 },
                    "{} {action}",
                    world.name
                );
            }
            let lineage = Lineage::root(Id::parse(&root.id).unwrap());
            let left = world.store(|tx| tx.agents_under(&lineage));
            let is_active = |agent: &&Agent| agent.user.unverified().status == UserStatus::Active;
            let active = left.iter().filter(is_active).count();
            assert_eq!(
                active,
                if works { count } else { 0 },
                "{} {action}",
                world.name
            );
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is no binary to read settings"
)]
fn rounds() -> usize {
    let times = std::env::var("KEYWARD_RACE_ROUNDS").ok();
    times.and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// Puts `count` agents below `root`, as many below each as makes them six deep, and returns the
/// last, the deepest.
fn plant(world: &World, root: &Caller, count: usize) -> UserId {
    let root: UserId = Id::parse(&root.id).unwrap();
    let root = world.store(|tx| tx.agent(root)).unwrap();
    let template = root.user.unverified().clone();
    let creator = root.record.unverified().creator;
    let deep_enough = |width: &usize| (0..6).map(|depth| width.pow(depth)).sum::<usize>() > count;
    let width = (2..100).find(deep_enough).unwrap();
    let mut lineages = vec![root.record.unverified().lineage.clone()];
    for n in 0..count {
        lineages.push(lineages[n / width].child(UserId::generate()));
    }
    let last = lineages[count].clone();
    assert_eq!(last.depth(), 6);
    world.store(|tx| {
        for lineage in &lineages[1..] {
            let user = User {
                id: lineage.agent(),
                username: Username::from_stored(format!("agent_{}", lineage.agent())),
                ..template.clone()
            };
            let record = AgentRecord {
                creator: lineage.parent().unwrap_or(creator),
                lineage: lineage.clone(),
                purpose: None,
                frozen_at: None,
            };
            assert!(tx.add_user(&Signed::sign(user, &macs()))?);
            tx.add_agent(&Signed::sign(record, &macs()))?;
        }
        Ok(())
    });
    last.agent()
}

/// `root` over `child` over `leaf`.
struct Tree {
    root: Caller,
    child: Caller,
    leaf: Caller,
}

impl Tree {
    async fn of(world: &World, owner: &Caller) -> Self {
        let body = |name: &str| json!({ "name": name, "scopes": ["read", "agents:write"] });
        let root = world.agent_of(owner, &body("root")).await;
        let child = world.agent_of(&root, &body("child")).await;
        let leaf = world.agent_of(&child, &body("leaf")).await;
        Self { root, child, leaf }
    }

    async fn works(&self, world: &World, expected: [bool; 3]) {
        for (agent, works) in [&self.root, &self.child, &self.leaf]
            .into_iter()
            .zip(expected)
        {
            let status = world.get("/auth/me").by(agent).await.status;
            assert_eq!(status, if works { 200 } else { 401 }, "{}", world.name);
        }
    }
}

async fn create(world: &World, by: &Caller, body: &Value) -> Answer {
    world.post("/agents").by(by).json(body).await
}

async fn change(world: &World, by: &Caller, root: &Caller, change: &str, dry_run: bool) -> Value {
    let path = format!("/agents/{}/{change}", root.id);
    let body = json!({ "dry_run": dry_run });
    let answer = world.post(&path).by(by).json(&body).await;
    assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
    answer.json()
}

fn names(affected: &Value) -> Vec<String> {
    let affected = affected["affected"].as_array().unwrap();
    let names = affected
        .iter()
        .map(|agent| agent["username"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

fn caller(made: &Value) -> Caller {
    Caller {
        id: id_of(made).to_owned(),
        key: made["api_key"].as_str().unwrap().to_owned(),
        key_id: String::new(),
    }
}

fn set(world: &World, at: keyward_core::Timestamp) {
    world.clock.advance(at.0 - world.now().0);
}
