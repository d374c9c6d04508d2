use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{App, test as testing, web};
use embed_actix::notes::Notes;
use embed_actix::wiring::{Keyward, keyward};
use keyward_auth::{Setup, Username};
use keyward_crypto::{FieldKey, MacRing, Password};
use keyward_http::edge;
use serde_json::{Value, json};
use tempfile::TempDir;

/// An application in a folder of its own, and the key of its administrator.
fn application(folder: &TempDir) -> (Keyward, web::Data<Notes>, String) {
    let path = folder.path().join("app.db");
    let path = path.to_str().unwrap();
    let (field_key, secret) = (FieldKey::generate(), MacRing::generate_secret());
    let url = format!("sqlite://{path}");
    let keyward = keyward(&url, field_key.expose().expose(), secret.expose()).unwrap();
    let password = Password::new_secret("correct horse battery".to_owned().into()).unwrap();
    let admin = Setup::new(keyward.environment.clone())
        .first_admin(&Username::parse("admin").unwrap(), &password)
        .unwrap();
    let notes = web::Data::new(Notes::open(path, &keyward).unwrap());
    (keyward, notes, admin.key.expose().to_owned())
}

macro_rules! serve {
    ($keyward:expr, $notes:expr) => {{
        let api = $keyward.api.clone();
        testing::init_service(
            App::new()
                .wrap(from_fn(edge))
                .app_data($notes.clone())
                .configure(Notes::mount)
                .configure(move |config| api.mount(config)),
        )
        .await
    }};
}

fn asked(method: &str, path: &str, key: &str) -> testing::TestRequest {
    testing::TestRequest::with_uri(path)
        .method(method.parse().unwrap())
        .insert_header(("Authorization", format!("Bearer {key}")))
}

#[actix_web::test]
async fn both_halves_take_the_same_key() {
    let folder = TempDir::new().unwrap();
    let (keyward, notes, key) = application(&folder);
    let app = serve!(keyward, notes);
    let note = asked("POST", "/notes", &key).set_json(json!({ "text": "hello" }));
    let made = testing::call_service(&app, note.to_request()).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let listed: Value =
        testing::call_and_read_body_json(&app, asked("GET", "/notes", &key).to_request()).await;
    assert_eq!(listed, json!([["admin", "hello"]]));

    let credential = json!({
        "name": "search", "credential_type": "generic", "detail": { "key": "a secret of a service" },
    });
    let kept = asked("POST", "/api/v1/credentials", &key).set_json(credential);
    let kept = testing::call_service(&app, kept.to_request()).await;
    assert_eq!(kept.status(), StatusCode::CREATED);
}

#[actix_web::test]
async fn without_a_key_and_with_a_revoked_one_neither_opens() {
    let folder = TempDir::new().unwrap();
    let (keyward, notes, key) = application(&folder);
    let app = serve!(keyward, notes);
    let logout = asked("POST", "/api/v1/auth/logout", &key).to_request();
    assert_eq!(
        testing::call_service(&app, logout).await.status(),
        StatusCode::NO_CONTENT
    );
    for key in ["", "kw_user_nonsense", &key] {
        for path in ["/notes", "/api/v1/auth/me"] {
            let answer = testing::call_service(&app, asked("GET", path, key).to_request()).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
            let problem: Value = testing::read_body_json(answer).await;
            assert_eq!(problem["type"], "/problems/unauthenticated");
        }
    }
}

#[actix_web::test]
async fn keys_that_are_not_those_of_the_database_are_refused_at_the_start() {
    let folder = TempDir::new().unwrap();
    application(&folder);
    let url = format!("sqlite://{}", folder.path().join("app.db").display());
    let (field_key, secret) = (FieldKey::generate(), MacRing::generate_secret());
    assert!(keyward(&url, field_key.expose().expose(), secret.expose()).is_err());
}

#[test]
fn the_wiring_has_at_most_twenty_lines() {
    let text = include_str!("../src/wiring.rs");
    let (_, rest) = text.split_once("// The wiring begins here.\n").unwrap();
    let (wiring, _) = rest.split_once("// And ends here.").unwrap();
    let lines = wiring.lines().filter(|line| !line.trim().is_empty());
    assert!((5..=20).contains(&lines.count()));
}
