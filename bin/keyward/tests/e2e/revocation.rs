use serde_json::json;

use crate::running::Home;

#[test]
fn a_revoked_key_fails_on_the_next_request() {
    let home = Home::new();
    let server = home.start();
    let admin = server.admin();
    for round in 0..10 {
        let (id, key) = admin.new_key(&format!("round {round}"));
        let caller = admin.with_key(&key);
        caller.get("/api/v1/auth/me").expect(200);

        admin
            .delete(&format!("/api/v1/users/me/keys/{id}"))
            .expect(204);
        let refused = caller.get("/api/v1/auth/me");
        refused.expect(401);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    server.stop();
}

#[test]
fn a_rotated_key_without_overlap_fails_on_the_next_request() {
    let home = Home::new();
    let server = home.start();
    let admin = server.admin();
    let (id, key) = admin.new_key("old");
    let rotate = format!("/api/v1/users/me/keys/{id}/rotate");
    let new = admin
        .post(&rotate, &json!({ "overlap_seconds": 0 }))
        .expect(201);

    admin.with_key(&key).get("/api/v1/auth/me").expect(401);
    let new = admin.with_key(new["key"].as_str().unwrap());
    new.get("/api/v1/auth/me").expect(200);
    server.stop();
}

#[test]
fn the_keys_of_a_disabled_user_fail_on_the_next_request() {
    let home = Home::new();
    let server = home.start();
    let admin = server.admin();
    let user = json!({ "username": "ada", "password": "a long enough password" });
    let user = admin.post("/api/v1/users", &user).expect(201);
    let path = format!("/api/v1/users/{}", user["id"].as_str().unwrap());
    let key = admin
        .post(
            &format!("{path}/keys"),
            &json!({ "name": "laptop", "scopes": ["read"] }),
        )
        .expect(201);
    let ada = admin.with_key(key["key"].as_str().unwrap());
    ada.get("/api/v1/auth/me").expect(200);

    admin
        .patch(&path, &json!({ "status": "disabled" }))
        .expect(200);
    ada.get("/api/v1/auth/me").expect(401);
    server.stop();
}
