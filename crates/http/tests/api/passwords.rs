//! What nobody gets by a password: the account of another, and a way past the second factor.

use keyward_core::Id;
use keyward_crypto::Signed;
use serde_json::json;

use crate::keys::works;
use crate::world::{PASSWORD, World, macs, password};

const CHOSEN: &str = "chosen by somebody else";

#[actix_web::test]
async fn an_administrator_chooses_no_password_of_another() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let rows = world.rows();
        let path = format!("/users/{}", ada.id);
        for body in [
            json!({ "password": CHOSEN }),
            json!({ "password": CHOSEN, "current_password": PASSWORD }),
            json!({ "first_name": "Ada", "password": CHOSEN }),
        ] {
            let answer = world.patch(&path).by(&world.admin).json(&body).await;
            answer.is_problem(422, "invalid");
        }
        assert_eq!(world.rows(), rows, "{}", world.name);
        let refused = world.login("ada", CHOSEN).await;
        refused.is_problem(401, "login-rejected");
        world.presented(&world.login("ada", PASSWORD).await).await;
    }
}

#[actix_web::test]
async fn a_new_password_does_not_do_without_the_second_factor() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        let proven = world.step_up(&ada, &device.code(&world)).await;
        assert_eq!(proven.status, 200, "{}: {proven:?}", world.name);
        let body = json!({ "current_password": PASSWORD, "password": CHOSEN });
        let changed = world.patch("/users/me").by(&ada).json(&body).await;
        assert_eq!(changed.status, 200, "{}: {changed:?}", world.name);
        let first = world.login("ada", CHOSEN).await.json();
        assert_eq!(
            (&first["requires_mfa"], &first["key"]),
            (&json!(true), &json!(""))
        );
        let ticket = first["ticket"].as_str().unwrap();
        world.clock.advance(30);
        let answer = world.second_step(ticket, &device.code(&world)).await;
        world.presented(&answer).await;
    }
}

/// Agents have no password; one that a mistake has put there opens nothing.
#[actix_web::test]
async fn an_agent_does_not_log_in_even_with_a_password() {
    for world in World::on_every_store().await {
        let agent = world.agent("worker").await;
        let id = Id::parse(&agent.id).unwrap();
        let hash = world.hashing.hash(&password()).unwrap();
        let name = world.store(|tx| {
            let stored = tx.user(id)?.unwrap();
            let mut changed = stored.unverified().clone();
            changed.password_hash = Some(hash.clone());
            tx.replace_user(stored.mac(), &Signed::sign(changed, &macs()))?;
            Ok(stored.unverified().username.to_string())
        });
        assert!(works(&world, &agent.key).await, "{}", world.name);
        let refused = world.login(&name, PASSWORD).await;
        refused.is_problem(401, "login-rejected");
    }
}
