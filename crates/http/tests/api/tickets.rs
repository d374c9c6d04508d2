//! The ticket between the two steps of a login.

use keyward_auth::TicketRecord;
use keyward_core::Id;
use keyward_crypto::{LoginTicket, Signed};
use serde_json::{Value, json};

use crate::coverage::Operation;
use crate::world::{Caller, Device, PASSWORD, World, macs};

#[actix_web::test]
async fn a_ticket_works_once() {
    for world in World::on_every_store().await {
        let (_, device) = world.person_with_mfa("ada").await;
        let ticket = world.ticket("ada").await;
        let answer = world.second_step(&ticket, &device.code(&world)).await;
        assert_eq!(answer.status, 200);
        world.clock.advance(30);
        for answer in [
            world.second_step(&ticket, &device.code(&world)).await,
            world.recover(&ticket, &device.recovery[0]).await,
        ] {
            answer.is_problem(401, "login-rejected");
        }
        world.session_with("ada", &device).await;
    }
}

#[actix_web::test]
async fn a_ticket_is_for_the_second_factor_of_its_own_user() {
    for world in World::on_every_store().await {
        let (_, of_ada) = world.person_with_mfa("ada").await;
        let (eve, of_eve) = world.person_with_mfa("eve").await;
        let (for_ada, for_eve) = (world.ticket("ada").await, world.ticket("eve").await);
        let answer = world.second_step(&for_ada, &of_eve.code(&world)).await;
        answer.is_problem(401, "login-rejected");
        let answer = world.second_step(&for_eve, &of_ada.code(&world)).await;
        answer.is_problem(401, "login-rejected");
        let answer = world.second_step(&for_eve, &of_eve.code(&world)).await;
        assert_eq!(world.presented(&answer).await.id, eve.id, "{}", world.name);
    }
}

#[actix_web::test]
async fn a_ticket_has_five_tries() {
    for world in World::on_every_store().await {
        let (_, device) = world.person_with_mfa("ada").await;
        let ticket = world.ticket("ada").await;
        for _ in 0..5 {
            let answer = world.second_step(&ticket, &device.wrong_code(&world)).await;
            answer.is_problem(401, "login-rejected");
        }
        world.clock.advance(60);
        let answer = world.second_step(&ticket, &device.code(&world)).await;
        answer.is_problem(401, "login-rejected");
        world.session_with("ada", &device).await;
    }
}

/// Tries that nobody looks at, of the wrong form or above a limit, are not taken from the ticket.
#[actix_web::test]
async fn only_tries_that_are_looked_at_count() {
    for world in World::on_every_store().await {
        let (_, device) = world.person_with_mfa("ada").await;
        let (one, other) = (world.ticket("ada").await, world.ticket("ada").await);
        for _ in 0..5 {
            let answer = world.second_step(&one, &device.wrong_code(&world)).await;
            answer.is_problem(401, "login-rejected");
        }
        for _ in 0..6 {
            let answer = world.second_step(&other, &device.code(&world)).await;
            answer.is_problem(429, "too-many-attempts");
            let answer = world.second_step(&other, "12345").await;
            answer.is_problem(422, "invalid");
        }
        world.clock.advance(60);
        let answer = world.second_step(&other, &device.code(&world)).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
    }
}

#[actix_web::test]
async fn a_ticket_lives_five_minutes() {
    for world in World::on_every_store().await {
        let (_, device) = world.person_with_mfa("ada").await;
        let (one, other) = (world.ticket("ada").await, world.ticket("ada").await);
        world.clock.advance(299);
        let answer = world.second_step(&one, &device.code(&world)).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
        world.clock.advance(1);
        for answer in [
            world.second_step(&other, &device.code_at(&world, 0)).await,
            world.recover(&other, &device.recovery[0]).await,
        ] {
            answer.is_problem(401, "login-rejected");
        }
    }
}

/// CVE-2026-9798: a lock between the two steps was not looked at in the second.
#[actix_web::test]
async fn a_lock_ends_the_logins_that_have_begun() {
    for world in World::on_every_store().await {
        let (_, device) = world.person_with_mfa("ada").await;
        let early = world.ticket("ada").await;
        for _ in 0..2 {
            let ticket = world.ticket("ada").await;
            for _ in 0..5 {
                let answer = world.second_step(&ticket, &device.wrong_code(&world)).await;
                answer.is_problem(401, "login-rejected");
            }
            world.clock.advance(60);
        }
        let answer = world.second_step(&early, &device.code(&world)).await;
        answer.is_problem(401, "login-rejected");
        let answer = world.recover(&early, &device.recovery[0]).await;
        answer.is_problem(401, "login-rejected");
        let late = world.ticket("ada").await;
        let answer = world.second_step(&late, &device.code(&world)).await;
        answer.is_problem(429, "too-many-attempts");
        let answer = world.recover(&late, &device.recovery[0]).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
    }
}

#[actix_web::test]
async fn a_ticket_ends_with_what_it_was_given_for() {
    for world in World::on_every_store().await {
        for what in [
            "disable", "delete", "password", "reset", "unlock", "renew", "mfa off",
        ] {
            let name = what.replace(' ', "_");
            let (person, device) = world.person_with_mfa(&name).await;
            let session = world.session_with(&name, &device).await;
            let ticket = world.ticket(&name).await;
            let survives = what == "renew";
            end(&world, what, &session, &device).await;
            world.clock.advance(30);
            let code = device.code(&world);
            let answer = world.second_step(&ticket, &code).await;
            assert_eq!(
                answer.status == 200,
                survives,
                "{}: {what}: {answer:?}",
                world.name
            );
            if !survives {
                answer.is_problem(401, "login-rejected");
                let answer = world.recover(&ticket, &device.recovery[0]).await;
                answer.is_problem(401, "login-rejected");
            }
            // Enabled again, the user has to begin anew.
            if what == "disable" {
                let path = format!("/users/{}", person.id);
                let body = json!({ "status": "active" });
                let answer = world.patch(&path).by(&world.admin).json(&body).await;
                assert_eq!(answer.status, 200);
                let answer = world.second_step(&ticket, &code).await;
                answer.is_problem(401, "login-rejected");
            }
        }
    }
}

async fn end(world: &World, what: &str, session: &Caller, device: &Device) {
    let user = format!("/users/{}", session.id);
    let code = json!({ "code": device.code(world) });
    let change = json!({ "current_password": PASSWORD, "password": "another horse battery" });
    let ask = match what {
        "disable" => world.patch(&user).json(&json!({ "status": "disabled" })),
        "delete" => world.delete(&user),
        "reset" => world.post(&format!("{user}/mfa/reset")),
        "unlock" => world.post(&format!("{user}/unlock")),
        "password" => world.patch("/users/me").json(&change),
        "renew" => world.post("/auth/mfa/recovery-codes").json(&code),
        "mfa off" => world.post("/auth/mfa/disable").json(&code),
        other => panic!("{other}"),
    };
    let by_admin = ["disable", "delete", "reset", "unlock"].contains(&what);
    let answer = ask.by(if by_admin { &world.admin } else { session }).await;
    assert!(answer.status.is_success(), "{what}: {answer:?}");
}

/// CVE-2026-44460: who had shown the password only could call other routes.
#[actix_web::test]
async fn a_ticket_is_no_key() {
    for world in World::on_every_store().await {
        world.person_with_mfa("ada").await;
        let ticket = world.ticket("ada").await;
        for operation in Operation::all(&world.document().await) {
            let answer = operation.ask(&world.handle).key(&ticket).await;
            let (status, slug) = if operation.is_open {
                (422, "invalid")
            } else {
                (401, "unauthenticated")
            };
            answer.is_problem(status, slug);
        }
    }
}

#[actix_web::test]
async fn what_is_no_ticket_is_422_and_an_unknown_one_is_rejected() {
    let world = World::new().await;
    let (ada, device) = world.person_with_mfa("ada").await;
    let ticket = world.ticket("ada").await;
    let code = device.code(&world);
    for wrong in [
        "",
        "x",
        &ada.key,
        &ticket[1..],
        &ticket[..60],
        &format!("{ticket} "),
        &ticket.to_uppercase(),
    ] {
        let answer = world.second_step(wrong, &code).await;
        answer.is_problem(422, "invalid");
        assert_eq!(answer.fields(), ["ticket"]);
    }
    for wrong in [Value::Null, json!(1), json!([ticket])] {
        let body = json!({ "ticket": wrong, "code": code });
        let answer = world.post("/auth/mfa/login-verify").json(&body).await;
        answer.is_problem(422, "invalid");
    }
    let unknown = keyward_crypto::LoginTicket::generate();
    let answer = world.second_step(unknown.expose(), &code).await;
    answer.is_problem(401, "login-rejected");
    assert_eq!(world.second_step(&ticket, &code).await.status, 200);
}

/// The id of a ticket stands in the database, and is worth nothing without its secret.
#[actix_web::test]
async fn the_id_of_a_ticket_without_its_secret_is_rejected() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        let user = Id::parse(&ada.id).unwrap();
        let (ticket, other) = (LoginTicket::generate(), LoginTicket::generate());
        for (kept, status) in [(&other, 401), (&ticket, 200)] {
            let record = TicketRecord {
                id: ticket.id(),
                ticket_mac: kept.mac(&macs()),
                user,
                expires_at: world.now().plus(60),
            };
            let record = Signed::sign(record, &macs());
            world.store(|tx| tx.void_tickets(user));
            world.store(|tx| tx.add_ticket(&record));
            let code = device.code(&world);
            let answer = world.second_step(ticket.expose(), &code).await;
            assert_eq!(answer.status, status, "{}: {answer:?}", world.name);
        }
    }
}
