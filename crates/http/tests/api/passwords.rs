//! What nobody gets by a password: the account of another, and a way past the second factor. And
//! which passwords nobody gets.

use keyward_core::Id;
use keyward_crypto::Signed;
use serde_json::json;

use crate::keys::works;
use crate::world::{Answer, Caller, PASSWORD, World, macs, password};

const CHOSEN: &str = "chosen by somebody else";

#[actix_web::test]
async fn a_password_that_is_guessed_first_is_refused_wherever_one_is_chosen() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let rows = world.rows();
        for (password, says) in [
            ("Qwerty123456", "many people use it"),
            ("over over over over", "repeats a short text"),
            ("456789012345", "a row"),
        ] {
            for answer in chosen(&world, &ada, password).await {
                says_of_the_password(&answer, says);
                assert!(!answer.text().contains(password), "{answer:?}");
            }
        }
        assert_eq!(world.rows(), rows, "{}", world.name);
    }
}

#[actix_web::test]
async fn the_name_of_the_account_and_of_the_product_do_not_count_in_a_password() {
    for world in World::on_every_store().await {
        let ada = world.person("ada.lovelace").await;
        let rows = world.rows();
        for password in [
            "Ada.Lovelace",
            "ada.lovelace-1843",
            "keyward-2026",
            "Keyward ada.lovelace",
        ] {
            for answer in chosen(&world, &ada, password).await {
                says_of_the_password(&answer, "do not count in a password");
                assert!(!answer.text().contains(password), "{answer:?}");
            }
        }
        assert_eq!(world.rows(), rows, "{}", world.name);
        for answer in chosen(&world, &ada, "ada.lovelace, her engine").await {
            assert!(answer.status.is_success(), "{answer:?}");
        }
    }
}

/// A password that can never be chosen is no attempt at the current one.
#[actix_web::test]
async fn a_new_password_is_refused_before_the_current_one_is_looked_at() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let hashed = world.hashing.hashed();
        let body = json!({ "current_password": "a wrong password", "password": "ada-1815-12-10" });
        for _ in 0..20 {
            let answer = world.patch("/users/me").by(&ada).json(&body).await;
            says_of_the_password(&answer, "do not count in a password");
        }
        assert_eq!(world.hashing.hashed(), hashed);
        world.presented(&world.login("ada", PASSWORD).await).await;
    }
}

/// The password where somebody chooses their own, and where a person of that name is made.
async fn chosen(world: &World, ada: &Caller, password: &str) -> [Answer; 2] {
    let own = json!({ "current_password": PASSWORD, "password": password });
    let name = format!(
        "{}@x",
        world.get("/auth/me").by(ada).await.json()["username"]
            .as_str()
            .unwrap()
    );
    let new = json!({ "username": name, "password": password });
    [
        world.patch("/users/me").by(ada).json(&own).await,
        world.post("/users").by(&world.admin).json(&new).await,
    ]
}

fn says_of_the_password(answer: &Answer, says: &str) {
    answer.is_problem(422, "invalid");
    let [(field, problem)] = &answer.errors()[..] else {
        panic!("one field is wrong: {answer:?}");
    };
    assert_eq!(field, "password");
    assert!(problem.contains(says), "{problem}");
}

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
