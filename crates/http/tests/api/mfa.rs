//! `/auth/mfa`: enrolment, the second step of a login, recovery codes.

use serde_json::{Value, json};

use crate::coverage::{Operation, unprotected};
use crate::keys::works;
use crate::world::{Answer, Caller, Device, PASSWORD, World, settled, text, texts};

#[actix_web::test]
async fn a_setup_shows_the_secret_three_ways_and_changes_nothing_yet() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let answer = world.post("/auth/mfa/setup").by(&ada).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
        assert_eq!(unprotected(&answer), None);
        let body = answer.json();
        let members: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(members, ["provisioning_uri", "qr_svg", "secret"]);
        let secret = text(&body["secret"]);
        assert_eq!(secret.len(), 32);
        let uri = text(&body["provisioning_uri"]);
        assert!(uri.starts_with("otpauth://totp/Keyward:ada?"), "{uri}");
        assert!(uri.contains(&format!("secret={secret}")), "{uri}");
        assert!(text(&body["qr_svg"]).contains("<svg"));
        assert!(!world.rows().contains(&secret), "{}", world.name);

        assert_eq!(status(&world, &ada).await, json!([false, 0]));
        world.session("ada").await;
        let again = world.mfa("setup", &ada, &json!({})).await.json();
        assert_ne!(again["secret"], body["secret"], "{}", world.name);
    }
}

#[actix_web::test]
async fn the_first_code_takes_the_secret_into_use() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let (session, other) = (world.session("ada").await, world.session("ada").await);
        let device = world.pending(&session).await;
        for wrong in [device.wrong_code(&world), device.code_at(&world, 30)] {
            let answer = world
                .mfa("verify", &session, &json!({ "code": wrong }))
                .await;
            answer.is_problem(400, "invalid-code");
        }
        let code = device.code(&world);
        let answer = world
            .mfa("verify", &session, &json!({ "code": code }))
            .await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
        assert_eq!(answer.json()["mfa_enabled"], true);
        let mut codes = texts(&answer.json()["recovery_codes"]);
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), 10);
        assert!(codes.iter().all(|code| !world.rows().contains(code)));

        assert_eq!(status(&world, &ada).await, json!([true, 10]));
        let me = world.get("/auth/me").by(&ada).await.json();
        assert_eq!(me["mfa_enabled"], true);
        assert!(works(&world, &session.key).await, "{}", world.name);
        assert!(!works(&world, &other.key).await, "{}", world.name);

        // The code is used up, and from now on a new app takes more than a code of its own.
        let ticket = world.ticket("ada").await;
        let answer = world.second_step(&ticket, &code).await;
        answer.is_problem(401, "login-rejected");
        let answer = world
            .mfa("verify", &session, &json!({ "code": code }))
            .await;
        answer.is_problem(403, "step-up-required");
        world.clock.advance(30);
        let answer = world.second_step(&ticket, &device.code(&world)).await;
        world.presented(&answer).await;
    }
}

#[actix_web::test]
async fn a_login_with_a_second_factor_has_two_steps() {
    for world in World::on_every_store().await {
        let (_, device) = world.person_with_mfa("ada").await;
        let answer = world.login("ada", PASSWORD).await;
        assert_eq!(unprotected(&answer), None);
        let mut body = answer.json();
        let ticket = text(&body["ticket"]);
        assert!(ticket.starts_with("kt_"), "{ticket}");
        body["ticket"] = json!("[ticket]");
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(body, @r#"
            {
              "expires_at": "2027-01-15T08:10:00Z",
              "key": "",
              "requires_mfa": true,
              "ticket": "[ticket]"
            }
            "#);
        }
        let answer = world.second_step(&ticket, &device.code(&world)).await;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(settled(&answer.json()), @r#"
            {
              "expires_at": "2027-01-15T20:05:00Z",
              "key": "[login key]",
              "requires_mfa": false
            }
            "#);
        }
        world.presented(&answer).await;
    }
}

#[actix_web::test]
async fn a_secret_waits_a_quarter_of_an_hour_for_its_first_code() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let device = world.pending(&ada).await;
        world.clock.advance(15 * 60);
        let answer = confirm(&world, &ada, &device).await;
        answer.is_problem(400, "invalid-code");
        assert_eq!(status(&world, &ada).await, json!([false, 0]));

        let device = world.pending(&ada).await;
        world.clock.advance(15 * 60 - 1);
        let answer = confirm(&world, &ada, &device).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
    }
}

/// CVE-2026-44460: a route gave a secret that was in use to whoever asked for a setup.
#[actix_web::test]
async fn nothing_shows_a_secret_twice() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        let session = world.session_with("ada", &device).await;
        let pending = world.pending(&session).await;
        let mut secrets = device.recovery.clone();
        for device in [&device, &pending] {
            let secret = device.secret.to_base32().expose().to_owned();
            secrets.extend([secret.to_lowercase(), secret]);
        }
        for operation in Operation::all(&world.document().await) {
            let path = operation.path.replace("{id}", &ada.id);
            if operation.method != "GET" {
                continue;
            }
            for by in [&world.admin, &ada, &session] {
                let answer = world.get(&format!("/{path}")).by(by).await;
                let seen = format!("{:?} {}", answer.headers, answer.text());
                let leak = secrets.iter().find(|secret| seen.contains(*secret));
                assert_eq!(leak, None, "{}: {path}", world.name);
            }
        }
        let rows = world.rows();
        assert!(secrets.iter().all(|secret| !rows.contains(secret)));
    }
}

#[actix_web::test]
async fn the_old_app_works_until_the_new_one_is_confirmed() {
    for world in World::on_every_store().await {
        let (ada, old) = world.person_with_mfa("ada").await;
        let refused = world.mfa("setup", &ada, &json!({})).await;
        refused.is_problem(403, "step-up-required");

        let session = world.session_with("ada", &old).await;
        let new = world.pending(&session).await;
        let ticket = world.ticket("ada").await;
        let answer = world.second_step(&ticket, &new.code(&world)).await;
        answer.is_problem(401, "login-rejected");
        let other = world.session_with("ada", &old).await;

        let ticket = world.ticket("ada").await;
        let answer = confirm(&world, &session, &new).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
        assert!(works(&world, &session.key).await && works(&world, &ada.key).await);
        assert!(!works(&world, &other.key).await, "{}", world.name);
        world.clock.advance(30);
        let answer = world.second_step(&ticket, &new.code(&world)).await;
        answer.is_problem(401, "login-rejected");

        let ticket = world.ticket("ada").await;
        let answer = world.second_step(&ticket, &old.code(&world)).await;
        answer.is_problem(401, "login-rejected");
        let answer = world.recover(&ticket, &old.recovery[0]).await;
        answer.is_problem(401, "login-rejected");
        world.session_with("ada", &new).await;
    }
}

#[actix_web::test]
async fn a_second_factor_can_be_done_without_again() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        let other = world.session_with("ada", &device).await;
        let wrong = json!({ "code": device.wrong_code(&world) });
        let answer = world.mfa("disable", &ada, &wrong).await;
        answer.is_problem(400, "invalid-code");

        let ticket = world.ticket("ada").await;
        let code = json!({ "code": device.code(&world) });
        let answer = world.mfa("disable", &ada, &code).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
        assert_eq!(answer.json(), json!({ "mfa_enabled": false }));
        assert_eq!(status(&world, &ada).await, json!([false, 0]));
        assert!(!works(&world, &other.key).await, "{}", world.name);
        world.clock.advance(30);
        let answer = world.second_step(&ticket, &device.code(&world)).await;
        answer.is_problem(401, "login-rejected");
        let again = json!({ "code": device.code(&world) });
        let answer = world.mfa("disable", &ada, &again).await;
        answer.is_problem(400, "invalid-code");
        world.session("ada").await;
    }
}

#[actix_web::test]
async fn each_recovery_code_lets_in_once_however_it_is_spelled() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        for (n, code) in device.recovery.iter().enumerate() {
            let spellings = [
                code.clone(),
                code.to_uppercase(),
                code.replace('-', ""),
                code.replace('-', "").to_uppercase(),
                format!("-{code}-"),
            ];
            let mut let_in = 0;
            for turn in 0..spellings.len() {
                let ticket = world.ticket("ada").await;
                let spelling = &spellings[(n + turn) % spellings.len()];
                let answer = world.recover(&ticket, spelling).await;
                if answer.status == 200 {
                    world.presented(&answer).await;
                    let_in += 1;
                } else {
                    answer.is_problem(401, "login-rejected");
                }
            }
            assert_eq!(let_in, 1, "{}: {n}", world.name);
            assert_eq!(status(&world, &ada).await, json!([true, 9 - n]));
            world.clock.advance(60);
        }
    }
}

#[actix_web::test]
async fn a_recovery_code_has_no_other_spelling() {
    let world = World::new().await;
    let (_, device) = world.person_with_mfa("ada").await;
    let code = &device.recovery[0];
    let ticket = world.ticket("ada").await;
    for wrong in [
        format!(" {code}"),
        format!("{code} "),
        format!("{code}0"),
        code.replace('-', " "),
        code.replace('-', "\u{2010}"),
        code[1..].to_owned(),
        String::new(),
    ] {
        let answer = world.recover(&ticket, &wrong).await;
        answer.is_problem(422, "invalid");
        assert_eq!(answer.fields(), ["recovery_code"]);
    }
    assert_eq!(world.recover(&ticket, code).await.status, 200);
}

#[actix_web::test]
async fn new_recovery_codes_void_the_old_ones() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        let wrong = json!({ "code": device.wrong_code(&world) });
        let answer = world.mfa("recovery-codes", &ada, &wrong).await;
        answer.is_problem(400, "invalid-code");
        let code = json!({ "code": device.code(&world) });
        let answer = world.mfa("recovery-codes", &ada, &code).await;
        let new = texts(&answer.json()["recovery_codes"]);
        assert_eq!(new.len(), 10);
        let ticket = world.ticket("ada").await;
        let answer = world.recover(&ticket, &device.recovery[0]).await;
        answer.is_problem(401, "login-rejected");
        let answer = world.recover(&ticket, &new[0]).await;
        world.presented(&answer).await;
        assert_eq!(status(&world, &ada).await, json!([true, 9]));
    }
}

#[actix_web::test]
async fn the_recovery_codes_of_one_person_are_nothing_to_another() {
    for world in World::on_every_store().await {
        let (_, device) = world.person_with_mfa("ada").await;
        world.person_with_mfa("eve").await;
        let ticket = world.ticket("eve").await;
        let answer = world.recover(&ticket, &device.recovery[0]).await;
        answer.is_problem(401, "login-rejected");
        let answer = world.second_step(&ticket, &device.code(&world)).await;
        answer.is_problem(401, "login-rejected");
    }
}

#[actix_web::test]
async fn an_agent_has_no_second_factor_and_no_password() {
    let world = World::new().await;
    let agent = world.agent("agent_a_b").await;
    let code = json!({ "code": "123456" });
    for (route, body) in [
        ("setup", json!({})),
        ("verify", code.clone()),
        ("disable", code.clone()),
        ("recovery-codes", code.clone()),
    ] {
        let answer = world.mfa(route, &agent, &body).await;
        answer.is_problem(403, "not-for-agents");
    }
    let answer = world.get("/auth/mfa/status").by(&agent).await;
    answer.is_problem(403, "not-for-agents");
    for body in [code, json!({ "password": PASSWORD })] {
        let answer = world.post("/auth/step-up").by(&agent).json(&body).await;
        answer.is_problem(403, "not-for-agents");
    }
    let body = json!({ "current_password": PASSWORD, "password": PASSWORD });
    let answer = world.patch("/users/me").by(&agent).json(&body).await;
    answer.is_problem(403, "not-for-agents");
    for route in ["unlock", "mfa/reset"] {
        let path = format!("/users/{}/{route}", agent.id);
        let answer = world.post(&path).by(&world.admin).await;
        answer.is_problem(403, "not-for-agents");
    }
}

#[actix_web::test]
async fn an_administrator_takes_a_lost_factor_away() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        let session = world.session_with("ada", &device).await;
        let ticket = world.ticket("ada").await;
        let path = format!("/users/{}/mfa/reset", ada.id);
        let answer = world.post(&path).by(&session).await;
        answer.is_problem(403, "missing-scope");
        assert_eq!(world.post(&path).by(&world.admin).await.status, 204);
        assert!(!works(&world, &session.key).await, "{}", world.name);
        assert!(works(&world, &ada.key).await, "{}", world.name);
        assert_eq!(status(&world, &ada).await, json!([false, 0]));
        for answer in [
            world.second_step(&ticket, &device.code(&world)).await,
            world.recover(&ticket, &device.recovery[0]).await,
        ] {
            answer.is_problem(401, "login-rejected");
        }
        world.session("ada").await;
        world.enrol(&ada).await;
    }
}

async fn confirm(world: &World, by: &Caller, device: &Device) -> Answer {
    let body = json!({ "code": device.code(world) });
    world.mfa("verify", by, &body).await
}

/// `[enabled, codes left]`.
async fn status(world: &World, by: &Caller) -> Value {
    let answer = world.get("/auth/mfa/status").by(by).await;
    assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
    let body = answer.json();
    json!([body["mfa_enabled"], body["recovery_codes_left"]])
}
