//! How one agent proves to another who it is.

use std::future::IntoFuture as _;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::coverage::Operation;
use crate::world::{Answer, Ask, Caller, World};

#[actix_web::test]
async fn a_proof_tells_the_receiver_who_the_agent_is_once() {
    for world in World::on_every_store().await {
        let parent = world.agent("parent").await;
        let child = world.agent_of(&parent, &json!({ "name": "child" })).await;
        let receiver = world.agent("receiver").await;
        for (audience, name) in [
            (&*receiver.id, "agent_child"),
            ("agent_receiver", &*child.id),
        ] {
            let purpose = format!("deploy for {name}");
            let shown = code(&world, &child, audience, &purpose).await;
            assert_eq!(shown["username"], "agent_child");
            assert_eq!(shown["bound"], true);
            let digits = shown["totp_code"].as_str().unwrap();
            assert_eq!(digits.len(), 8);
            let body = json!({ "username": name, "code": digits, "purpose": purpose });
            let answer = verify(&world, &receiver, &body).await;
            assert_eq!(
                answer.json(),
                json!({
                    "verified": true,
                    "bound": true,
                    "purpose": purpose,
                    "agent": {
                        "id": child.id,
                        "username": "agent_child",
                        "owner_id": world.admin.id,
                        "lineage": [
                            { "id": world.admin.id, "username": "root" },
                            { "id": parent.id, "username": "agent_parent" },
                        ],
                        "scopes": ["read", "credentials:use"],
                    },
                }),
                "{}",
                world.name
            );
            let again = verify(&world, &receiver, &body).await;
            assert_eq!(again.json(), json!({ "verified": false }));
        }
    }
}

/// Every agent of ten as prover, receiver and somebody else: all 720 triples.
#[actix_web::test]
async fn a_proof_is_worth_nothing_to_anybody_else() {
    let world = World::new().await;
    let mut agents = Vec::new();
    for n in 0..10 {
        agents.push(world.agent(&format!("n{n}")).await);
    }
    let mut triples = 0;
    for (p, prover) in agents.iter().enumerate() {
        for (r, receiver) in agents.iter().enumerate().filter(|(r, _)| *r != p) {
            let shown = code(&world, prover, &receiver.id, "p").await;
            let digits = shown["totp_code"].as_str().unwrap().to_owned();
            let body = |name: &str, purpose: &str| json!({ "username": name, "code": digits, "purpose": purpose });
            for (_, other) in agents
                .iter()
                .enumerate()
                .filter(|(o, _)| *o != p && *o != r)
            {
                let stolen = verify(&world, other, &body(&prover.id, "p")).await;
                assert_eq!(stolen.json(), json!({ "verified": false }));
                triples += 1;
            }
            let reflected = verify(&world, prover, &body(&receiver.id, "p")).await;
            assert_eq!(reflected.json(), json!({ "verified": false }));
            let right = verify(&world, receiver, &body(&prover.id, "p")).await;
            assert_eq!(right.json()["verified"], true);
            // A new minute, so that nobody has used up their attempts.
            world.clock.advance(60);
        }
    }
    assert_eq!(triples, 720);
}

#[actix_web::test]
async fn a_proof_is_for_its_purpose_alone() {
    for world in World::on_every_store().await {
        let (prover, receiver) = (world.agent("prover").await, world.agent("receiver").await);
        let shown = code(&world, &prover, &receiver.id, "deploy").await;
        for purpose in [
            json!("Deploy"),
            json!("deploy!"),
            Value::Null,
            json!("deploy"),
        ] {
            let code = &shown["totp_code"];
            let body = json!({ "username": prover.id, "code": code, "purpose": purpose });
            let answer = verify(&world, &receiver, &body).await.json();
            assert_eq!(answer["verified"], purpose == json!("deploy"), "{purpose}");
        }
    }
}

/// Over everything that the API has.
#[actix_web::test]
async fn no_route_shows_the_code_of_an_agent_to_another() {
    let world = World::new().await;
    let (victim, mallory) = (world.agent("victim").await, world.agent("mallory").await);
    let bound = code(&world, &victim, &mallory.id, "p").await;
    let codes = [plain(&world, &victim).await, bound].map(|shown| shown["totp_code"].clone());
    let codes = codes.map(|code| format!("\"{}\"", code.as_str().unwrap()));
    let own = [json!({}), json!({ "audience": mallory.id, "purpose": "p" })];
    for (body, code) in own.iter().zip(&codes) {
        // The positive control: the victim itself is shown them.
        let shown = world
            .post("/agents/me/totp-code")
            .by(&victim)
            .json(body)
            .await;
        assert!(shown.text().contains(code));
    }
    let mut asked = 0;
    for operation in Operation::all(&world.document().await) {
        let path = operation
            .path
            .replace("{id}", &victim.id)
            .replace("{key}", &victim.key_id);
        for body in own.iter().chain([&json!({ "username": victim.id })]) {
            let ask = Ask::new(&world.handle, &operation.method, &format!("/{path}")).by(&mallory);
            let answer = if operation.body.is_some() {
                ask.json(body).await
            } else {
                ask.await
            };
            assert!(answer.status.as_u16() < 500, "{path}: {answer:?}");
            for code in &codes {
                assert!(!answer.text().contains(code), "{path}: {answer:?}");
            }
            asked += 1;
        }
    }
    assert!(asked > 100, "only {asked} requests were made");
}

#[actix_web::test]
async fn a_hundred_calls_with_one_proof_at_once_succeed_once() {
    for world in World::on_every_store().await {
        let (prover, receiver) = (world.agent("prover").await, world.agent("receiver").await);
        for bound in [true, false] {
            let shown = if bound {
                code(&world, &prover, &receiver.id, "p").await
            } else {
                plain(&world, &prover).await
            };
            let digits = &shown["totp_code"];
            let purpose = if bound { json!("p") } else { Value::Null };
            let body = json!({ "username": prover.id, "code": digits, "purpose": purpose });
            let calls = (0..100).map(|_| ask(&world, &receiver, &body).into_future());
            let answers = join_all(calls).await;
            world.clock.advance(60);
            let verified =
                |answer: &&Answer| answer.status == 200 && answer.json()["verified"] == json!(true);
            assert_eq!(answers.iter().filter(verified).count(), 1, "{}", world.name);
            assert!(
                answers
                    .iter()
                    .all(|answer| [200, 429].contains(&answer.status.as_u16()))
            );
        }
    }
}

#[actix_web::test]
async fn wrong_codes_of_one_receiver_are_limited_and_stop_no_other() {
    for world in World::on_every_store().await {
        let prover = world.agent("prover").await;
        let (good, bad) = (world.agent("good").await, world.agent("bad").await);
        let wrong = json!({ "username": prover.id, "code": "00000000" });
        let calls = (0..50).map(|_| ask(&world, &bad, &wrong).into_future());
        let answers = join_all(calls).await;
        let evaluated = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(evaluated, 5, "{}", world.name);
        let limited = answers.iter().find(|answer| answer.status == 429).unwrap();
        limited.is_problem(429, "too-many-attempts");

        let shown = code(&world, &prover, &good.id, "p").await;
        let body = json!({ "username": prover.id, "code": shown["totp_code"], "purpose": "p" });
        assert_eq!(verify(&world, &good, &body).await.json()["verified"], true);
        // Nor is the receiver kept from asking about others.
        let other = world.agent("other").await;
        let shown = code(&world, &other, &bad.id, "p").await;
        let body = json!({ "username": other.id, "code": shown["totp_code"], "purpose": "p" });
        assert_eq!(verify(&world, &bad, &body).await.json()["verified"], true);
    }
}

#[actix_web::test]
async fn a_proof_ends_after_the_step_that_follows_its_own() {
    for world in World::on_every_store().await {
        let (prover, receiver) = (world.agent("prover").await, world.agent("receiver").await);
        let start = keyward_core::Timestamp(world.now().0.div_euclid(30) * 30 + 30);
        for (after, expected) in [(0, true), (59, true), (60, false), (-1, false)] {
            let purpose = format!("after {after}");
            set(&world, start);
            let shown = code(&world, &prover, &receiver.id, &purpose).await;
            assert_eq!(shown["expires_in"], 60);
            set(&world, start.plus(after));
            let code = &shown["totp_code"];
            let body = json!({ "username": prover.id, "code": code, "purpose": purpose });
            let answer = verify(&world, &receiver, &body).await.json();
            assert_eq!(answer["verified"], expected, "{} {after}", world.name);
        }
    }
}

#[actix_web::test]
async fn the_proof_of_an_agent_that_is_frozen_or_revoked_meanwhile_shows_nothing() {
    for world in World::on_every_store().await {
        let receiver = world.agent("receiver").await;
        for (name, ends) in [("one", "freeze"), ("two", "revoke")] {
            let prover = world.agent(name).await;
            let shown = code(&world, &prover, &receiver.id, "p").await;
            let path = format!("/agents/{}/{ends}", prover.id);
            let answer = world.post(&path).by(&world.admin).json(&json!({})).await;
            assert_eq!(answer.status, 200);
            let body = json!({ "username": prover.id, "code": shown["totp_code"], "purpose": "p" });
            let answer = verify(&world, &receiver, &body).await;
            assert_eq!(
                answer.json(),
                json!({ "verified": false }),
                "{}",
                world.name
            );
        }
    }
}

#[actix_web::test]
async fn the_plain_code_is_for_anybody_once_and_says_so() {
    for world in World::on_every_store().await {
        let prover = world.agent("prover").await;
        let ada = world.person("ada").await;
        let shown = plain(&world, &prover).await;
        let digits = shown["totp_code"].as_str().unwrap();
        assert_eq!((digits.len(), &shown["bound"]), (6, &json!(false)));
        let body = json!({ "username": "agent_prover", "code": digits });
        let answer = verify(&world, &ada, &body).await.json();
        assert_eq!(
            (&answer["verified"], &answer["bound"]),
            (&json!(true), &json!(false))
        );
        let again = verify(&world, &world.admin, &body).await;
        assert_eq!(again.json(), json!({ "verified": false }));
    }
}

#[actix_web::test]
async fn the_codes_of_people_and_of_agents_are_never_taken_for_each_other() {
    let world = World::new().await;
    let agent = world.agent("prover").await;
    let (ada, device) = world.person_with_mfa("ada").await;
    let body = json!({ "username": "ada", "code": device.code(&world) });
    let answer = verify(&world, &agent, &body).await;
    assert_eq!(answer.json(), json!({ "verified": false }));
    // It was not looked at, so it is not used up.
    let answer = world.step_up(&ada, &device.code(&world)).await;
    assert_eq!(answer.status, 200, "{answer:?}");

    for body in [json!({}), json!({ "audience": agent.id })] {
        let answer = world
            .post("/agents/me/totp-code")
            .by(&ada)
            .json(&body)
            .await;
        answer.is_problem(403, "only-agents");
    }
    for name in ["nobody", "agent_nobody", "", "\u{0}", &ada.id] {
        let body = json!({ "username": name, "code": "12345678" });
        let answer = verify(&world, &agent, &body).await;
        assert_eq!(answer.json(), json!({ "verified": false }), "{name}");
    }
}

#[actix_web::test]
async fn no_code_of_an_agent_is_accepted_at_login() {
    for world in World::on_every_store().await {
        let agent = world.agent("prover").await;
        let (ada, _) = world.person_with_mfa("ada").await;
        let bound = code(&world, &agent, &ada.id, "p").await["totp_code"].clone();
        let plain = plain(&world, &agent).await["totp_code"].clone();
        let ticket = world.ticket("ada").await;
        let answer = world.second_step(&ticket, plain.as_str().unwrap()).await;
        answer.is_problem(401, "login-rejected");
        let answer = world.second_step(&ticket, bound.as_str().unwrap()).await;
        answer.is_problem(422, "invalid");
        for password in [&plain, &bound] {
            let body = json!({ "username": "agent_prover", "password": password });
            let answer = world.post("/auth/token").json(&body).await;
            assert!([401, 422].contains(&answer.status.as_u16()), "{answer:?}");
        }
        for digits in [&plain, &bound] {
            let body = json!({ "code": digits });
            let answer = world.post("/auth/step-up").by(&agent).json(&body).await;
            assert!([403, 422].contains(&answer.status.as_u16()), "{answer:?}");
        }
    }
}

#[actix_web::test]
async fn what_is_asked_for_has_to_make_sense() {
    let world = World::new().await;
    let agent = world.agent("prover").await;
    for body in [
        json!({ "audience": "nobody" }),
        json!({ "purpose": "p" }),
        json!({ "audience": agent.id, "purpose": "" }),
        json!({ "audience": agent.id, "purpose": "x".repeat(201) }),
        json!({ "audience": agent.id, "secret": true }),
    ] {
        let answer = world
            .post("/agents/me/totp-code")
            .by(&agent)
            .json(&body)
            .await;
        answer.is_problem(422, "invalid");
    }
    for code in [
        "",
        "12345",
        "1234567",
        "123456789",
        " 12345678",
        "１２３４５６７８",
    ] {
        let body = json!({ "username": agent.id, "code": code });
        let answer = verify(&world, &agent, &body).await;
        answer.is_problem(422, "invalid");
        assert!(code.is_empty() || !answer.text().contains(code));
    }
}

async fn code(world: &World, prover: &Caller, audience: &str, purpose: &str) -> Value {
    let body = json!({ "audience": audience, "purpose": purpose });
    let shown = world
        .post("/agents/me/totp-code")
        .by(prover)
        .json(&body)
        .await;
    assert_eq!(shown.status, 200, "{}: {shown:?}", world.name);
    shown.json()
}

async fn plain(world: &World, prover: &Caller) -> Value {
    let shown = world
        .post("/agents/me/totp-code")
        .by(prover)
        .json(&json!({}))
        .await;
    assert_eq!(shown.status, 200, "{}: {shown:?}", world.name);
    shown.json()
}

fn ask(world: &World, verifier: &Caller, body: &Value) -> Ask {
    let mut body = body.clone();
    if body["purpose"].is_null() {
        body.as_object_mut().unwrap().remove("purpose");
    }
    world.post("/agents/verify").by(verifier).json(&body)
}

async fn verify(world: &World, verifier: &Caller, body: &Value) -> Answer {
    ask(world, verifier, body).await
}

fn set(world: &World, at: keyward_core::Timestamp) {
    world.clock.advance(at.0 - world.now().0);
}
