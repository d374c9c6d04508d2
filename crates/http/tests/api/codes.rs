//! A code works once, whatever it is given for and however it is spelled.

use std::sync::Arc;

use keyward_auth::Environment;
use keyward_core::ManualClock;
use keyward_credentials::CredentialScope;
use keyward_crypto::TotpWindow;
use keyward_store_testing::MemoryStore;
use serde_json::{Value, json};

use crate::world::{Answer, Caller, Device, NOW, PASSWORD, World, environment, text};

/// CVE-2025-6015, CVE-2025-55003: a second implementation of the check forgot what was used.
#[actix_web::test]
async fn a_code_works_once_over_all_that_take_codes() {
    for world in World::on_every_store().await {
        for first in PLACES {
            for second in PLACES {
                let person = Person::of(&world, &format!("p_{first}_{second}")).await;
                let code = person.code_for(&world, first);
                let answer = person.present(&world, first, &json!(code)).await;
                assert_eq!(answer.status, 200, "{}: {first}: {answer:?}", world.name);
                for wait in [0, 29, 1, 30] {
                    world.clock.advance(wait);
                    let answer = person.present(&world, second, &json!(code)).await;
                    let expected = match second {
                        "login-verify" => (401, "login-rejected"),
                        _ => (400, "invalid-code"),
                    };
                    let place = format!("{}: {first}, then {second}", world.name);
                    let got = (answer.status.as_u16(), &*answer.problem());
                    assert_eq!(got, expected, "{place}");
                }
            }
        }
    }
}

/// The code of the step before is taken, but not after that of a later one.
#[actix_web::test]
async fn codes_are_taken_in_their_order() {
    for world in World::on_every_store().await {
        let (ada, device) = world.person_with_mfa("ada").await;
        let before = device.code(&world);
        world.clock.advance(30);
        let (now, next) = (device.code(&world), device.code_at(&world, 30));
        let answer = world.step_up(&ada, &next).await;
        answer.is_problem(400, "invalid-code");
        assert_eq!(world.step_up(&ada, &before).await.status, 200);
        assert_eq!(world.step_up(&ada, &now).await.status, 200);
        for used in [&before, &now] {
            let answer = world.step_up(&ada, used).await;
            answer.is_problem(400, "invalid-code");
        }
        world.clock.advance(60);
        assert_eq!(world.step_up(&ada, &next).await.status, 200);
        let answer = world.step_up(&ada, &now).await;
        answer.is_problem(400, "invalid-code");
    }
}

/// OWASP ASVS 5.0, 6.5.5, for those who need it. What agents prove who they are with is not concerned.
#[actix_web::test]
async fn with_a_window_of_the_current_step_no_place_takes_the_code_of_the_one_before() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(ManualClock::at(NOW)));
    let environment = Environment {
        totp_window: TotpWindow::Current,
        ..environment(&store, &clock)
    };
    let scope = CredentialScope::Global;
    let world = World::in_environment("memory", environment, clock, scope, None).await;
    for place in PLACES {
        let person = Person::of(&world, &format!("p_{place}")).await;
        let before = person.code_for(&world, place);
        world.clock.advance(30);
        let answer = person.present(&world, place, &json!(before)).await;
        assert!(
            [400, 401].contains(&answer.status.as_u16()),
            "{place}: {answer:?}"
        );
        let now = person.code_for(&world, place);
        let answer = person.present(&world, place, &json!(now)).await;
        assert_eq!(answer.status, 200, "{place}: {answer:?}");
    }
}

/// CVE-2025-6014, CVE-2025-55000: a code with a space was another one for the list of used ones.
#[actix_web::test]
async fn no_other_spelling_of_a_code_is_taken() {
    for world in World::on_every_store().await {
        for place in PLACES {
            let person = Person::of(&world, &format!("p_{place}")).await;
            let code = person.code_for(&world, place);
            for n in 0..2 {
                let all = spellings(&code);
                assert!(all.len() > 50, "{}", all.len());
                for spelling in all {
                    let answer = person.present(&world, place, &spelling).await;
                    answer.is_problem(422, "invalid");
                    assert!(!answer.text().contains(&code[1..]), "{answer:?}");
                }
                // Not used up, nor counted, by any of them; then used, and the same again.
                let answer = person.present(&world, place, &json!(code)).await;
                let is_first = n == 0;
                assert_eq!(answer.status == 200, is_first, "{}: {place}", world.name);
            }
        }
    }
}

#[actix_web::test]
async fn a_leading_zero_counts() {
    let world = World::new().await;
    let (ada, device) = world.person_with_mfa("ada").await;
    while !device.code(&world).starts_with('0') {
        world.clock.advance(30);
    }
    let code = device.code(&world);
    let short = &code[1..];
    for wrong in [
        json!(short),
        json!(format!("{short} ")),
        json!(short.parse::<u32>().unwrap()),
    ] {
        let body = json!({ "code": wrong });
        let answer = world.post("/auth/step-up").by(&ada).json(&body).await;
        answer.is_problem(422, "invalid");
    }
    assert_eq!(world.step_up(&ada, &code).await.status, 200);
}

#[actix_web::test]
async fn exactly_one_of_two_proofs_is_given() {
    let world = World::new().await;
    let (ada, device) = world.person_with_mfa("ada").await;
    let ticket = world.ticket("ada").await;
    let (code, recovery) = (device.code(&world), &device.recovery[0]);
    for body in [
        json!({ "ticket": ticket }),
        json!({ "ticket": ticket, "code": code, "recovery_code": recovery }),
        json!({ "ticket": ticket, "code": null }),
        json!({ "code": code }),
        json!({ "ticket": ticket, "code": code, "username": "ada" }),
        json!({ "username": "ada", "code": code }),
    ] {
        let answer = world.post("/auth/mfa/login-verify").json(&body).await;
        answer.is_problem(422, "invalid");
    }
    for body in [json!({}), json!({ "code": code, "password": PASSWORD })] {
        let answer = world.post("/auth/step-up").by(&ada).json(&body).await;
        answer.is_problem(422, "invalid");
    }
    assert_eq!(world.second_step(&ticket, &code).await.status, 200);
}

/// Somebody with a second factor, shown just now, and a new secret that waits.
struct Person {
    name: String,
    session: Caller,
    ticket: String,
    device: Device,
    pending: Device,
}

impl Person {
    async fn of(world: &World, name: &str) -> Self {
        let (_, device) = world.person_with_mfa(name).await;
        let session = world.session_with(name, &device).await;
        Self {
            name: name.to_owned(),
            pending: world.pending(&session).await,
            ticket: world.ticket(name).await,
            session,
            device,
        }
    }

    fn code_for(&self, world: &World, place: &str) -> String {
        match place {
            "verify" => self.pending.code(world),
            _ => self.device.code(world),
        }
    }

    async fn present(&self, world: &World, place: &str, code: &Value) -> Answer {
        let body = json!({ "code": code });
        match place {
            "login-verify" => {
                let first = world.login(&self.name, PASSWORD).await.json();
                let ticket = first.get("ticket").map_or(self.ticket.clone(), text);
                let body = json!({ "ticket": ticket, "code": code });
                world.post("/auth/mfa/login-verify").json(&body).await
            }
            "step-up" => {
                let ask = world.post("/auth/step-up").by(&self.session);
                ask.json(&body).await
            }
            _ => world.mfa(place, &self.session, &body).await,
        }
    }
}

/// What somebody could hope to be read as this code.
fn spellings(code: &str) -> Vec<Value> {
    let shifted = |zero: u32| -> String {
        code.chars()
            .map(|digit| char::from_u32(zero + digit.to_digit(10).unwrap()).unwrap())
            .collect()
    };
    let (head, tail) = code.split_at(3);
    let mut all = vec![
        json!(code.parse::<u32>().unwrap()),
        json!(code.parse::<f64>().unwrap() + 0.5),
        json!([code]),
        json!([code, code]),
        json!({ "code": code }),
        json!(true),
        json!(format!("+{code}")),
        json!(format!("-{code}")),
        json!(format!("0{code}")),
        json!(format!("00{code}")),
        json!(format!("{code}0")),
        json!(format!("{code}.0")),
        json!(format!("{code}e0")),
        json!(format!("0x{code}")),
        json!(format!("\"{code}\"")),
        json!(format!("{code},{code}")),
        json!(format!("{code}{code}")),
        json!(format!("{code}\u{20e3}")),
        json!(&code[1..]),
        json!(&code[..5]),
        json!(""),
    ];
    let gaps = [
        " ", "\t", "\n", "\r\n", "\0", "\u{a0}", "\u{200b}", "\u{200d}", "\u{200f}", "\u{202f}",
        "\u{3000}", "\u{feff}", "-", "_", ",", ".", "'",
    ];
    for gap in gaps {
        all.push(json!(format!("{gap}{code}")));
        all.push(json!(format!("{code}{gap}")));
        all.push(json!(format!("{head}{gap}{tail}")));
    }
    // Full-width, Arabic, Devanagari, mathematical.
    all.extend([0xff10, 0x660, 0x966, 0x1d7ce].map(|zero| json!(shifted(zero))));
    all
}

const PLACES: [&str; 5] = [
    "login-verify",
    "verify",
    "disable",
    "recovery-codes",
    "step-up",
];
