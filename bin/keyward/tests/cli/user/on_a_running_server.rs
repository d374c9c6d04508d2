use super::*;

#[test]
fn disabling_ends_a_session_and_refuses_logins_until_enabled_again() {
    let (home, _) = with_ada();
    let server = home.start();
    let session = log_in(&server, "ada", PASSWORD).expect(200);
    let session = server.client(session["key"].as_str().unwrap());
    let (_, key) = session.new_key("laptop");
    let laptop = server.client(&key);
    for client in [&session, &laptop] {
        client.get("/api/v1/auth/me").expect(200);
    }

    let said = done(&home, &["user", "disable", "ada"], "");
    assert!(said.starts_with("ada is disabled"), "{said}");
    for client in [&session, &laptop] {
        client.get("/api/v1/auth/me").expect(401);
    }
    log_in(&server, "ada", PASSWORD).expect(401);

    done(&home, &["user", "enable", "ada"], "");
    session.get("/api/v1/auth/me").expect(401);
    laptop.get("/api/v1/auth/me").expect(200);
    log_in(&server, "ada", PASSWORD).expect(200);
    server.stop();
    is_intact(&home);
}

#[test]
fn unlocking_lifts_a_lock_that_guesses_over_http_made() {
    let (home, _) = with_ada();
    let server = home.start();
    for round in 0..2 {
        for guess in 0..5 {
            let wrong = log_in(&server, "ada", &format!("a wrong guess {round} {guess}"));
            wrong.expect(401);
        }
        a_minute_passes(&home);
    }
    let locked = log_in(&server, "ada", PASSWORD);
    locked.expect(429);
    let wait: i64 = locked.header("retry-after").unwrap().parse().unwrap();
    assert!(wait > 60, "not a lock, only a limit: {wait}");

    done(&home, &["user", "unlock", "ada"], "");
    log_in(&server, "ada", PASSWORD).expect(200);
    server.stop();
    is_intact(&home);
}

#[test]
fn a_new_password_ends_sessions_and_logs_in_where_the_old_one_does_not() {
    let (home, _) = with_ada();
    let server = home.start();
    let session = log_in(&server, "ada", PASSWORD).expect(200);
    let session = server.client(session["key"].as_str().unwrap());

    let typed = "another long password";
    let arguments = ["user", "set-password", "ada", "--password-stdin"];
    let ran = home.run_with_input(&arguments, &format!("{typed}\r\n"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.texts().contains(typed), "{ran:?}");
    assert!(last_event(&home).starts_with("host user.change "));
    session.get("/api/v1/auth/me").expect(401);
    log_in(&server, "ada", PASSWORD).expect(401);
    log_in(&server, "ada", typed).expect(200);

    let text = done(&home, &["user", "set-password", "ada"], "");
    let generated = text
        .lines()
        .find_map(|line| line.strip_prefix("  password  "));
    log_in(&server, "ada", typed).expect(401);
    log_in(&server, "ada", generated.unwrap()).expect(200);
    server.stop();
    is_intact(&home);
}

#[test]
fn who_was_added_on_the_host_logs_in_with_what_was_shown() {
    let (home, _) = with_root();
    let server = home.start();
    let add = [
        "user",
        "add",
        "--username",
        "bob",
        "--role",
        "admin",
        "--json",
    ];
    let shown = json_of(&done(&home, &add, ""));
    let session = log_in(&server, "bob", shown["password"].as_str().unwrap()).expect(200);
    let bob = server.client(session["key"].as_str().unwrap());
    assert_eq!(bob.get("/api/v1/auth/me").expect(200)["role"], "admin");

    // The audit log names the host as who did it.
    let events = bob.get("/api/v1/audit").expect(200);
    let made = events["items"].as_array().unwrap().iter();
    let made = made
        .filter(|event| event["subject"]["id"] == shown["id"] && event["action"] == "user.create");
    let actors: Vec<_> = made.map(|event| &event["actor"]).collect();
    assert_eq!(
        actors,
        [&json!({ "kind": "host", "id": null, "key_id": null })]
    );
    server.stop();
}
