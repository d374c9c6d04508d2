//! What comes back for input that is not as it should be, and what must never come back.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::coverage::{Operation, unprotected};
use crate::world::{Answer, Caller, World};

#[actix_web::test]
async fn what_is_not_json_is_400() {
    let world = World::new().await;
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let name = |bytes: &[u8]| [b"{\"name\": \"", bytes, b"\"}"].concat();
    let cases: [(&str, Vec<u8>); 16] = [
        ("garbage", b"name=ada".to_vec()),
        ("half an object", b"{\"name\": \"x\"".to_vec()),
        ("half a string", b"{\"name\": \"x".to_vec()),
        ("invalid UTF-8", name(b"\xff\xfe")),
        ("overlong UTF-8", name(b"\xc0\xaf")),
        ("a raw NUL", name(b"a\0b")),
        ("a lone surrogate", name(br"\ud800")),
        (
            "a byte order mark",
            b"\xef\xbb\xbf{\"name\": \"x\"}".to_vec(),
        ),
        ("UTF-16", b"{\0\"\0n\0".to_vec()),
        ("too large a number", b"{\"name\": 1e400}".to_vec()),
        ("what follows", b"{\"name\": \"x\"} {}".to_vec()),
        ("a comma at the end", b"{\"name\": \"x\",}".to_vec()),
        ("a comment", b"{/**/\"name\": \"x\"}".to_vec()),
        ("only white space", b"   ".to_vec()),
        ("33 levels", format!("{{\"name\": {}}}", deep(32)).into()),
        ("10,000 levels", deep(10_000).into()),
    ];
    for (case, body) in cases {
        let answer = world
            .post("/users/me/keys")
            .by(&world.admin)
            .raw(body)
            .await;
        assert_eq!(answer.status, 400, "{case}: {answer:?}");
        assert_eq!(answer.problem(), "malformed", "{case}");
    }
    let keys = world.get("/users/me/keys").by(&world.admin).await.json();
    assert_eq!(keys["items"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn json_of_another_shape_is_422_and_says_what_is_expected() {
    let world = World::new().await;
    let cases = [
        (
            r#"{"name": "x", "name": "y"}"#,
            "body",
            "duplicate field `name`",
        ),
        (r"{}", "body", "missing field `name`"),
        ("", "body", "missing field `name`"),
        (r#""x""#, "body", "expected an object"),
        ("[]", "body", "expected an object"),
        (r#" ["x"]"#, "body", "expected an object"),
        ("null", "body", "expected an object"),
        ("17", "body", "expected an object"),
        (r#"{"name": 17}"#, "name", "expected a string"),
        (r#"{"name": ["x"]}"#, "name", "expected a string"),
        (r#"{"name": null}"#, "name", "expected a string"),
        (
            r#"{"name": "x", "scopes": "read"}"#,
            "scopes",
            "expected a list",
        ),
        (
            r#"{"name": "x", "scopes": ["root"]}"#,
            "scopes",
            "unknown scope; known are read, credentials:write, credentials:use, \
             credentials:access, agents:write, users:write, audit:read and admin",
        ),
        (
            r#"{"name": "x", "expires_at": "tomorrow"}"#,
            "expires_at",
            "not a time: expected RFC 3339, for example 2027-01-31T12:00:00Z",
        ),
        (
            r#"{"name": "x", "expires_at": 1800000000}"#,
            "expires_at",
            "expected a string",
        ),
        (
            r#"{"name": "\u0000"}"#,
            "name",
            "expected 1 to 100 characters and no control characters",
        ),
        (
            r#"{"name": " "}"#,
            "name",
            "expected 1 to 100 characters and no control characters",
        ),
    ];
    for (body, field, problem) in cases {
        let answer = world
            .post("/users/me/keys")
            .by(&world.admin)
            .raw(body)
            .await;
        answer.is_problem(422, "invalid");
        let expected = vec![(field.to_owned(), problem.to_owned())];
        assert_eq!(answer.errors(), expected, "{body}");
    }
}

#[actix_web::test]
async fn a_number_out_of_range_is_422() {
    let world = World::new().await;
    let path = format!("/users/me/keys/{}/rotate", world.admin.key_id);
    for number in [
        "-1",
        "4294967296",
        "18446744073709551616",
        "1.5",
        "1e3",
        "\"60\"",
        "null",
    ] {
        let body = format!(r#"{{"overlap_seconds": {number}}}"#);
        let answer = world.post(&path).by(&world.admin).raw(body).await;
        answer.is_problem(422, "invalid");
        let whole = "expected a whole number from 0 to 4294967295";
        let expected = vec![("overlap_seconds".to_owned(), whole.to_owned())];
        assert_eq!(answer.errors(), expected, "{number}");
    }
}

#[actix_web::test]
async fn an_unknown_field_is_named() {
    let world = World::new().await;
    let body = json!({ "name": "x", "scope": ["read"] });
    let answer = world
        .post("/users/me/keys")
        .by(&world.admin)
        .json(&body)
        .await;
    answer.is_problem(422, "invalid");
    insta::assert_json_snapshot!(answer.json(), @r#"
    {
      "errors": [
        {
          "field": "scope",
          "problem": "unknown field `scope`"
        }
      ],
      "status": 422,
      "title": "some fields are not valid",
      "type": "/problems/invalid"
    }
    "#);
}

#[actix_web::test]
async fn a_body_has_64_kib_at_most() {
    let world = World::new().await;
    let body = |length: usize| {
        let mut body = br#"{"name": "x"}"#.to_vec();
        body.resize(length, b' ');
        body
    };
    let post = |body| world.post("/users/me/keys").by(&world.admin).raw(body);
    assert_eq!(post(body(64 * 1_024)).await.status, 201);
    post(body(64 * 1_024 + 1))
        .await
        .is_problem(413, "payload-too-large");
    post(body(10 * 1_024 * 1_024))
        .await
        .is_problem(413, "payload-too-large");
    // Nobody without a key makes the server read a body.
    let anonymous = world.post("/users/me/keys").raw(body(64 * 1_024 + 1)).await;
    anonymous.is_problem(401, "unauthenticated");
}

#[actix_web::test]
async fn a_body_is_plain_json() {
    let world = World::new().await;
    let ask = || {
        world
            .post("/users/me/keys")
            .by(&world.admin)
            .body(r#"{"name": "x"}"#)
    };
    for accepted in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
    ] {
        assert_eq!(ask().header("Content-Type", accepted).await.status, 201);
    }
    let refused = [
        ask(),
        ask().header("Content-Type", "text/plain"),
        ask().header("Content-Type", "application/x-www-form-urlencoded"),
        ask().header("Content-Type", "multipart/form-data; boundary=x"),
        ask().header("Content-Type", "application/jsonp"),
        ask().header("Content-Type", "text/json, application/json"),
        ask().header("Content-Type", ""),
        ask().header("Content-Type", b"application/json\xff"),
        ask()
            .header("Content-Type", "application/json")
            .header("Content-Type", "application/json"),
        ask()
            .header("Content-Type", "application/json")
            .header("Content-Encoding", "gzip"),
        ask()
            .header("Content-Type", "application/json")
            .header("Content-Encoding", "br"),
    ];
    for (n, ask) in refused.into_iter().enumerate() {
        let answer = ask.await;
        assert_eq!(answer.status, 415, "{n}: {answer:?}");
        assert_eq!(answer.problem(), "unsupported-media-type");
    }
}

#[actix_web::test]
async fn the_parameters_of_lists_are_checked() {
    let world = World::new().await;
    let lists: Vec<_> = Operation::all(&world.document().await)
        .into_iter()
        .filter(|operation| operation.paged)
        .collect();
    assert_eq!(lists.len(), 6, "{lists:?}");
    for list in lists {
        let path = list.path.replace("{id}", &world.admin.id);
        let ask = |query: &str| {
            world
                .ask(&Method::GET, &format!("/{path}?{query}"))
                .by(&world.admin)
        };
        for query in ["limit=1", "limit=200", ""] {
            assert_eq!(ask(query).await.status, 200, "{path}?{query}");
        }
        for limit in [
            "0",
            "-1",
            "201",
            "abc",
            "NaN",
            "1.0",
            "1e2",
            "",
            "%00",
            "99999999999999999999",
        ] {
            let answer = ask(&format!("limit={limit}")).await;
            answer.is_problem(422, "invalid");
            assert_eq!(answer.fields(), ["limit"], "{path}: {limit}");
        }
        for cursor in ["", "x", "-", "%27", "1.2", "null", "..", "%ff", "0.0"] {
            let answer = ask(&format!("cursor={cursor}")).await;
            answer.is_problem(422, "invalid");
            assert_eq!(answer.fields(), ["cursor"], "{path}: {cursor}");
        }
        for query in [
            "offset=1",
            "limit=1&limit=2",
            "limit=1&x",
            "Limit=1",
            "cursor%00=1",
        ] {
            ask(query).await.is_problem(400, "malformed");
        }
    }
}

#[actix_web::test]
async fn what_is_no_id_is_404() {
    let world = World::new().await;
    let id = &world.admin.id;
    for text in [
        "0",
        "..",
        "%2e%2e",
        "%00",
        "%ff",
        "a%2Fb",
        "*",
        "null",
        &id.to_uppercase(),
        &id.replace('-', ""),
        &format!("%7B{id}%7D"),
        &format!("urn:uuid:{id}"),
        &format!("{id}%20"),
        &format!("{id};x=1"),
        &"x".repeat(5_000),
    ] {
        let answer = world.get(&format!("/users/{text}")).by(&world.admin).await;
        answer.is_problem(404, "not-found");
    }
}

#[actix_web::test]
async fn an_idempotency_key_is_one_printable_text() {
    let world = World::new().await;
    let ask = || {
        world
            .post("/users/me/keys")
            .by(&world.admin)
            .json(&json!({ "name": "x" }))
    };
    for key in [&b""[..], b"a b", b"\xff", &[b'x'; 256], b"a\tb"] {
        let answer = ask().header("Idempotency-Key", key).await;
        answer.is_problem(400, "malformed");
    }
    let twice = ask()
        .header("Idempotency-Key", "a")
        .header("Idempotency-Key", "a");
    twice.await.is_problem(400, "malformed");
    let longest = ask().header("Idempotency-Key", [b'x'; 255]);
    assert_eq!(longest.await.status, 201);
}

/// CVE-2025-4166: the error for a wrong request quoted the values in it.
#[actix_web::test]
async fn no_answer_repeats_a_value_of_the_request() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let credential = world
        .credential(
            &ada,
            "llm",
            &json!({ "provider": "openai", "api_key": "k" }),
        )
        .await;
    let (mut sent, mut leaks) = (0, Vec::new());
    for operation in Operation::all(&world.document().await) {
        let path = operation
            .path
            .replace("/me/keys/{id}", &format!("/me/keys/{}", ada.key_id))
            .replace("{key}", &ada.key_id)
            .replace(
                "credentials/{id}",
                &format!("credentials/{}", credential["id"].as_str().unwrap()),
            )
            .replace("{id}", &ada.id);
        let path = format!("/{path}");
        let write = operation.method != Method::GET;
        let mut asks = Vec::new();
        for body in bodies()
            .into_iter()
            .filter(|_| write && operation.body.is_some())
        {
            asks.push((body.clone(), world.ask(&operation.method, &path).raw(body)));
        }
        let ask = |path: &str| world.ask(&operation.method, path);
        for query in [
            format!("?{MARKER}"),
            format!("?limit={MARKER}"),
            format!("?cursor={MARKER}"),
        ] {
            asks.push((query.clone(), ask(&format!("{path}{query}"))));
        }
        for part in ["{id}", "{key}"] {
            if operation.path.contains(part) {
                let path = operation
                    .path
                    .replace("{id}", MARKER)
                    .replace("{key}", MARKER);
                asks.push((path.clone(), ask(&format!("/{path}")).raw("{}")));
            }
        }
        for header in [
            "Content-Type",
            "Content-Encoding",
            "Idempotency-Key",
            "Accept",
            "Host",
        ] {
            let ask = ask(&path)
                .body("{")
                .header(header, format!("{MARKER}\u{e9} {MARKER}"));
            asks.push((header.to_owned(), ask));
        }
        let method = Method::from_bytes(MARKER.as_bytes()).unwrap();
        asks.push(("method".to_owned(), world.ask(&method, &path)));
        asks.push(("below".to_owned(), ask(&format!("{path}/{MARKER}"))));
        for (case, ask) in asks {
            let spare = if operation.ends_key() {
                world.admin_with(&[]).await
            } else {
                world.admin.clone()
            };
            let answer = ask.by(&spare).await;
            let is_body = case.contains(['{', '"']);
            assert!(
                !is_body || answer.status.is_client_error(),
                "{path} took {case}: {answer:?}"
            );
            assert!(!answer.status.is_server_error(), "{path} failed at {case}");
            sent += 1;
            if shows_marker(&answer) {
                leaks.push(format!("{} {path}, {case}: {answer:?}", operation.method));
            }
        }
        let answer = ask(&path).header("Authorization", format!("Bearer {MARKER}"));
        assert!(!shows_marker(&answer.await));
        let answer = ask(&path).header("Authorization", format!("{MARKER} x"));
        assert!(!shows_marker(&answer.await));
    }
    assert!(sent > 500, "{sent} requests are too few to tell");
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

#[actix_web::test]
async fn the_scan_for_repeated_values_finds_one() {
    let world = World::new().await;
    let body = json!({ "name": MARKER });
    let answer = world
        .post("/users/me/keys")
        .by(&world.admin)
        .json(&body)
        .await;
    assert!(shows_marker(&answer));
    let answer = world.get("/auth/me").header("X-Request-Id", MARKER).await;
    assert!(shows_marker(&answer));
}

#[actix_web::test]
async fn problems_say_what_to_do_and_carry_all_headers() {
    let world = World::new().await;
    let ada = Caller {
        key: String::new(),
        ..world.admin.clone()
    };
    for answer in [
        world.get("/nothing").await,
        world.get("//").await,
        world.get("//nothing/at/all").by(&world.admin).await,
        world.get("/users/").by(&ada).await,
        world.post("/users").by(&world.admin).raw("{").await,
        world.post("/users").by(&world.admin).body("x").await,
        world.get("/users?limit=0").by(&world.admin).await,
    ] {
        assert!(answer.status.is_client_error());
        answer.problem();
        assert_eq!(unprotected(&answer), None);
    }
}

/// Bodies with the marker wherever a value can stand, and not valid on any route.
fn bodies() -> Vec<String> {
    let fields = [
        "name",
        "scopes",
        "expires_at",
        "overlap_seconds",
        "username",
        "password",
        "role",
        "status",
        "first_name",
        "last_name",
        "credential_type",
        "detail",
        "ids",
        "field",
        "id",
        "created_by_id",
        "created_at",
        "updated_at",
        "current_password",
        "ticket",
        "code",
        "recovery_code",
    ];
    let values: Vec<Value> = vec![
        json!(MARKER),
        json!([MARKER]),
        json!({ MARKER: MARKER }),
        json!({ "api_key": { "set": MARKER } }),
        json!({ "provider": [MARKER], "api_key": [MARKER] }),
        json!({ "base_url": format!("{MARKER}://x"), "custom_headers": MARKER }),
        json!({ "custom_headers": { "X": format!("{MARKER}\n") }, "api_key": format!("{MARKER}\u{e9}") }),
        json!(format!("{MARKER}, expected {MARKER}")),
        json!(format!("` {MARKER} at line ")),
        json!([{ "x": MARKER }]),
    ];
    let mut bodies = vec![
        json!(MARKER).to_string(),
        json!([MARKER]).to_string(),
        json!({ "x": MARKER }).to_string(),
        MARKER.to_owned(),
        format!("{{\"x\": {MARKER}}}"),
        format!("{{}} {MARKER}"),
        format!("{{\"name\": \"x\", \"name\": \"{MARKER}\"}}"),
        format!("{{\"overlap_seconds\": {NUMBER}}}"),
        format!("{{\"overlap_seconds\": -{NUMBER}.5}}"),
        format!("{{\"name\": {NUMBER}}}"),
    ];
    for field in fields {
        for value in &values {
            // The unknown field makes sure that no route takes it.
            bodies.push(json!({ field: value, "unknown": MARKER }).to_string());
            bodies.push(json!({ "aaa": { MARKER: MARKER }, field: value }).to_string());
        }
    }
    // As members of `detail`, whose names are named: only values.
    bodies.retain(|body| !body.contains(&format!("\"detail\":{{\"{MARKER}")));
    bodies
}

fn shows_marker(answer: &Answer) -> bool {
    let headers = format!("{:?}", answer.headers);
    [headers, answer.text()]
        .iter()
        .any(|text| text.contains(MARKER) || text.contains(NUMBER))
}

const MARKER: &str = "mArKeR4711";
const NUMBER: &str = "47114711471";
