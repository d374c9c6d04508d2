//! The fields of credentials: what is taken, kept, cleared, shown and refused.

use serde_json::{Map, Value, json};

use crate::world::{Answer, World, id_of};

const TYPES: [&str; 5] = ["llm", "git", "gateway", "tool", "generic"];

#[actix_web::test]
async fn every_secret_of_every_type_can_be_set_kept_and_cleared() {
    for world in World::on_every_store().await {
        for kind in TYPES {
            let kept = world.credential(&world.admin, kind, &full(kind)).await;
            let path = format!("/credentials/{}", id_of(&kept));
            let mut secrets = world.secrets(&kept).await;
            assert_eq!(secrets, expected_secrets(kind), "{}", world.name);
            let names: Vec<_> = secrets.as_object().unwrap().keys().cloned().collect();

            for name in &names {
                let value = json!(format!("another-{name}-0123"));
                let shown = patch(&world, &path, &at(kind, name, value.clone())).await;
                assert_eq!(
                    mask_at(&shown, kind, name),
                    json!({ "set": true, "last4": last4(name, "0123") })
                );
                secrets[name] = value;
                assert_eq!(
                    world.secrets(&kept).await,
                    secrets,
                    "{}: set {kind} {name}",
                    world.name
                );
            }
            patch(&world, &path, &json!({})).await;
            assert_eq!(
                world.secrets(&kept).await,
                secrets,
                "{}: kept {kind}",
                world.name
            );
            for name in &names {
                let shown = patch(&world, &path, &at(kind, name, Value::Null)).await;
                let mask = mask_at(&shown, kind, name);
                // Members of maps and fields of `generic` are gone; others are unset.
                assert!(
                    mask.is_null() || mask == json!({ "set": false, "last4": null }),
                    "{mask}"
                );
                secrets.as_object_mut().unwrap().remove(name);
                assert_eq!(
                    world.secrets(&kept).await,
                    secrets,
                    "{}: cleared {kind} {name}",
                    world.name
                );
            }
            assert_eq!(secrets, json!({}));
        }
    }
}

#[actix_web::test]
async fn null_clears_a_whole_map() {
    for world in World::on_every_store().await {
        for (kind, map) in [
            ("llm", "custom_headers"),
            ("gateway", "config"),
            ("tool", "config"),
        ] {
            let kept = world.credential(&world.admin, kind, &full(kind)).await;
            let path = format!("/credentials/{}", id_of(&kept));
            let shown = patch(&world, &path, &json!({ map: null })).await;
            assert_eq!(shown["detail"][map], json!({}));
            let left = world.secrets(&kept).await;
            assert!(
                left.as_object()
                    .unwrap()
                    .keys()
                    .all(|name| !name.starts_with(map))
            );
            assert_eq!(left.as_object().unwrap().len(), usize::from(kind != "tool"));
        }
    }
}

#[actix_web::test]
async fn what_was_read_can_be_sent_back_and_changes_nothing() {
    for world in World::on_every_store().await {
        for kind in TYPES {
            for detail in [full(kind), least(kind)] {
                let kept = world.credential(&world.admin, kind, &detail).await;
                let path = format!("/credentials/{}", id_of(&kept));
                let read = world.get(&path).by(&world.admin).await;
                assert_eq!(read.json(), kept, "{}", world.name);
                let rows = world.rows();
                world.clock.advance(1);

                let answer = world
                    .patch(&path)
                    .by(&world.admin)
                    .raw(read.body.clone())
                    .await;

                assert_eq!(answer.status, 200, "{}: {kind}: {answer:?}", world.name);
                assert_eq!(answer.body, read.body, "{}: {kind}", world.name);
                assert_eq!(world.rows(), rows, "{}: {kind}", world.name);
                let only_detail = json!({ "detail": read.json()["detail"] });
                let answer = world.patch(&path).by(&world.admin).json(&only_detail).await;
                assert_eq!(answer.body, read.body);
                assert_eq!(world.rows(), rows, "{}: {kind}", world.name);
            }
        }
    }
}

#[actix_web::test]
async fn a_mask_is_never_stored_as_a_secret() {
    let world = World::new().await;
    for kind in TYPES {
        let kept = world.credential(&world.admin, kind, &full(kind)).await;
        let path = format!("/credentials/{}", id_of(&kept));
        let rows = world.rows();
        for name in expected_secrets(kind).as_object().unwrap().keys() {
            for mask in [
                json!("****"),
                json!("****0000"),
                json!("sk-...wxyz"),
                json!("••••••••wxyz"),
                json!("[REDACTED]"),
                json!({ "set": true, "last4": "none" }),
                json!({ "set": false, "last4": null }),
                json!({ "set": false }),
                json!({ "set": true, "last4": "none", "unreadable": true }),
            ] {
                let detail = at(kind, name, mask.clone());
                let answer = world
                    .patch(&path)
                    .by(&world.admin)
                    .json(&json!({ "detail": detail }))
                    .await;
                answer.is_problem(422, "looks-masked");
                assert_eq!(answer.fields(), [format!("detail.{name}")], "{mask}");
                assert_eq!(world.rows(), rows, "{kind} {name} {mask}");
            }
            for mask in [json!("********"), json!({ "set": true, "last4": null })] {
                let mut detail = least(kind);
                detail
                    .as_object_mut()
                    .unwrap()
                    .extend(object(at(kind, name, mask)));
                let body = json!({ "name": "x", "credential_type": kind, "detail": detail });
                let answer = world
                    .post("/credentials")
                    .by(&world.admin)
                    .json(&body)
                    .await;
                answer.is_problem(422, "looks-masked");
                assert_eq!(world.rows(), rows);
            }
        }
    }
}

#[actix_web::test]
async fn an_old_mask_does_not_pass_for_a_newer_secret() {
    let world = World::new().await;
    let kept = world.credential(&world.admin, "llm", &full("llm")).await;
    let path = format!("/credentials/{}", id_of(&kept));
    patch(
        &world,
        &path,
        &json!({ "api_key": "sk-another-secret-9999" }),
    )
    .await;
    let body = json!({ "detail": kept["detail"] });
    let answer = world.patch(&path).by(&world.admin).json(&body).await;
    answer.is_problem(422, "looks-masked");
    assert_eq!(answer.fields(), ["detail.api_key"]);
}

#[actix_web::test]
async fn a_read_that_is_stale_is_not_written_back() {
    let world = World::new().await;
    let kept = world.credential(&world.admin, "llm", &full("llm")).await;
    let path = format!("/credentials/{}", id_of(&kept));
    world.clock.advance(1);
    let answer = world
        .patch(&path)
        .by(&world.admin)
        .json(&json!({ "name": "new" }))
        .await;
    assert_eq!(answer.json()["updated_at"], "2027-01-15T08:00:01Z");
    assert_eq!(answer.json()["created_at"], "2027-01-15T08:00:00Z");
    let answer = world.patch(&path).by(&world.admin).json(&kept).await;
    answer.is_problem(409, "busy");
}

#[actix_web::test]
async fn two_changes_within_a_second_are_told_apart() {
    for world in World::on_every_store().await {
        let kept = world.credential(&world.admin, "llm", &full("llm")).await;
        let path = format!("/credentials/{}", id_of(&kept));
        let mut times = vec![kept["updated_at"].clone()];
        for (n, body) in [
            json!({ "name": "one" }),
            json!({ "detail": { "base_url": "https://api.openai.com/v2" } }),
            json!({ "detail": { "api_key": "sk-another-secret-9999" } }),
        ]
        .iter()
        .enumerate()
        {
            let rows = world.rows();
            for stale in &times[..n] {
                let mut body = body.clone();
                body["updated_at"] = stale.clone();
                let answer = world.patch(&path).by(&world.admin).json(&body).await;
                answer.is_problem(409, "busy");
            }
            assert_eq!(world.rows(), rows, "{}", world.name);
            let mut body = body.clone();
            body["updated_at"] = times[n].clone();
            let answer = world.patch(&path).by(&world.admin).json(&body).await;
            assert_eq!(answer.status, 200, "{}: {answer:?}", world.name);
            times.push(answer.json()["updated_at"].clone());
        }
        let mut sorted: Vec<_> = times.iter().map(Value::to_string).collect();
        sorted.dedup();
        assert!(sorted.len() == 4 && sorted.is_sorted(), "{times:?}");
    }
}

#[actix_web::test]
async fn the_event_of_a_change_names_what_was_changed_and_no_value() {
    let world = World::new().await;
    let kept = world.credential(&world.admin, "llm", &full("llm")).await;
    let path = format!("/credentials/{}", id_of(&kept));
    let detail = json!({
        "provider": kept["detail"]["provider"],
        "base_url": null,
        "organization_id": "org-of-marker",
        "api_key": "sk-of-marker-0123456789",
        "custom_headers": null,
    });
    let body = json!({ "name": "named-marker", "detail": detail });
    let answer = world.patch(&path).by(&world.admin).json(&body).await;
    assert_eq!(answer.status, 200);
    let events = world.get("/audit?limit=1").by(&world.admin).await;
    let details = &events.json()["items"][0]["details"];
    assert_eq!(details["changed"], "name base_url organization_id");
    assert_eq!(details["set"], "api_key");
    assert!(!events.text().contains("marker"), "{}", events.text());
}

#[actix_web::test]
async fn no_change_makes_a_map_larger_than_a_new_one_may_be() {
    for world in World::on_every_store().await {
        for (kind, map) in [("generic", None), ("tool", Some("config"))] {
            let within = |members: Map<String, Value>| match map {
                Some(map) => json!({ map: members }),
                None => json!(members),
            };
            let named = |from: usize, to: usize, value: Value| -> Map<String, Value> {
                let names = (from..to).map(|n| format!("f{n:03}"));
                names.map(|name| (name, value.clone())).collect()
            };
            let mut detail = within(named(0, 40, json!("x")));
            if kind == "tool" {
                detail["tool_type"] = json!("x");
            }
            let kept = world.credential(&world.admin, kind, &detail).await;
            let path = format!("/credentials/{}", id_of(&kept));
            let rows = world.rows();
            for (from, to) in [(40, 65), (0, 65), (40, 104)] {
                let body = json!({ "detail": within(named(from, to, json!("x"))) });
                let answer = world.patch(&path).by(&world.admin).json(&body).await;
                answer.is_problem(422, "invalid");
                let field = map.map_or("detail".to_owned(), |map| format!("detail.{map}"));
                assert_eq!(answer.errors(), [(field, "too many members".to_owned())]);
            }
            assert_eq!(world.rows(), rows, "{}", world.name);

            patch(&world, &path, &within(named(30, 64, json!("x")))).await;
            let mut all_others = named(0, 64, Value::Null);
            all_others.extend(named(64, 128, json!("y")));
            patch(&world, &path, &within(all_others)).await;
            let left = world.secrets(&kept).await;
            assert_eq!(left.as_object().unwrap().len(), 64, "{}", world.name);
        }
    }
}

#[actix_web::test]
async fn the_last_four_are_a_quarter_of_the_value_at_most() {
    let world = World::new().await;
    for (kind, name, value, shown) in [
        ("llm", "api_key", "sk-abcdefghijkl", Value::Null),
        ("llm", "api_key", "sk-abcdefghijklm", json!("jklm")),
        ("generic", "pin", "1234", Value::Null),
        ("generic", "pin", "ßßßßßßßßßßßßßßß", Value::Null),
        ("generic", "pin", "ßßßßßßßßßßßßabßd", json!("abßd")),
        // All end in the same four characters, and the file is no token.
        (
            "git",
            "ssh_private_key",
            "-----BEGIN KEY-----\nabc\n-----END KEY-----\n",
            Value::Null,
        ),
        ("git", "webhook_secret", "0123456789abcdef", json!("cdef")),
    ] {
        let mut detail = least(kind);
        detail[name] = json!(value);
        let kept = world.credential(&world.admin, kind, &detail).await;
        assert_eq!(
            kept["detail"][name],
            json!({ "set": true, "last4": shown }),
            "{value}"
        );
        assert_eq!(world.secrets(&kept).await[name], value);
    }
}

#[actix_web::test]
async fn another_host_clears_the_secrets_that_are_not_given_anew() {
    for world in World::on_every_store().await {
        let url = json!({ "base_url": "https://api.example.com/v1" });
        let other_port = json!({ "base_url": "https://api.example.com:8443/v1" });
        let provider = json!({ "provider": "anthropic" });
        let none = json!({});
        let same = |url: &str| json!({ "base_url": url });
        for (before, change, clears) in [
            (&url, same("https://evil.example.com/v1"), true),
            (&url, same("https://api.example.com.evil.example/v1"), true),
            (&url, same("http://api.example.com/v1"), true),
            (&url, other_port.clone(), true),
            (&url, json!({ "base_url": null }), true),
            (&none, url.clone(), true),
            (&none, provider.clone(), true),
            (&url, same("https://api.example.com/v2"), false),
            (&url, same("https://api.example.com"), false),
            (&url, same("https://API.Example.com:443/v1"), false),
            (&url, provider.clone(), false),
            (&url, json!({ "organization_id": "org" }), false),
            (&none, json!({ "provider": "openai" }), false),
        ] {
            let mut detail = json!({
                "provider": "openai", "api_key": "sk-0123456789abcdef",
                "custom_headers": { "X-Team": "team-0123456789abcdef" },
            });
            detail
                .as_object_mut()
                .unwrap()
                .extend(object(before.clone()));
            let kept = world.credential(&world.admin, "llm", &detail).await;
            let path = format!("/credentials/{}", id_of(&kept));

            // With the masks as they were read, which must not keep anything elsewhere.
            let mut asked = kept["detail"].clone();
            asked
                .as_object_mut()
                .unwrap()
                .extend(object(change.clone()));
            let shown = patch(&world, &path, &asked).await;

            assert_eq!(
                shown["detail"]["api_key"]["set"], !clears,
                "{}: {before} to {change}",
                world.name
            );
            let left = world.secrets(&kept).await;
            let count = left.as_object().unwrap().len();
            assert_eq!(
                count,
                if clears { 0 } else { 2 },
                "{}: {before} to {change}",
                world.name
            );
            for (field, value) in object(change) {
                assert_eq!(shown["detail"][&field], value);
            }
        }
    }
}

#[actix_web::test]
async fn a_secret_given_with_the_new_host_is_kept() {
    for world in World::on_every_store().await {
        let kept = world.credential(&world.admin, "llm", &full("llm")).await;
        let path = format!("/credentials/{}", id_of(&kept));
        let change =
            json!({ "base_url": "https://other.example", "api_key": "sk-of-the-other-host" });
        patch(&world, &path, &change).await;
        assert_eq!(
            world.secrets(&kept).await,
            json!({ "api_key": "sk-of-the-other-host" }),
            "{}",
            world.name
        );
        let events = world.get("/audit?limit=2").by(&world.admin).await.json();
        let details = &events["items"][1]["details"];
        assert_eq!(details["moved"], "true");
        assert_eq!(details["set"], "api_key");
    }
}

#[actix_web::test]
async fn another_adapter_or_tool_clears_the_secrets_too() {
    let world = World::new().await;
    for (kind, field) in [
        ("git", "provider"),
        ("gateway", "adapter"),
        ("tool", "tool_type"),
    ] {
        let kept = world.credential(&world.admin, kind, &full(kind)).await;
        let path = format!("/credentials/{}", id_of(&kept));
        patch(&world, &path, &json!({ field: "another" })).await;
        assert_eq!(world.secrets(&kept).await, json!({}), "{kind}");
    }
}

/// What one library reads as one host and another as another one.
#[actix_web::test]
async fn a_base_url_has_one_meaning() {
    let world = World::new().await;
    let kept = world.credential(&world.admin, "llm", &full("llm")).await;
    let path = format!("/credentials/{}", id_of(&kept));
    let rows = world.rows();
    for url in [
        "api.example.com",
        "//api.example.com",
        "ftp://api.example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https://user@api.example.com",
        "https://user:pw@api.example.com",
        "https://api.example.com?x=1",
        "https://api.example.com#x",
        "https://api.example.com\\@evil.example/",
        "https:\\\\api.example.com",
        "https://api.example.com/v1\\..\\x",
        "https://api.example.com/\r\nX: y",
        "https://api.exa\nmple.com",
        "https://api.example.com/\u{0}",
        "https://api.example.com/\t",
        " https://api.example.com",
        "https://api.example.com/ x",
        "https://api.example.com/\u{2028}",
        "",
        &format!("https://api.example.com/{}", "x".repeat(2_048)),
    ] {
        let body = json!({ "detail": { "base_url": url } });
        let answer = world.patch(&path).by(&world.admin).json(&body).await;
        answer.is_problem(422, "invalid");
        assert_eq!(answer.fields(), ["detail.base_url"], "{url:?}");
    }
    assert_eq!(world.rows(), rows);
    for url in [
        "http://127.0.0.1:11434",
        "https://[::1]:8443/v1",
        "https://münchen.example/",
    ] {
        assert_eq!(
            patch(&world, &path, &json!({ "base_url": url })).await["detail"]["base_url"],
            url
        );
    }
}

#[actix_web::test]
async fn what_could_break_out_of_a_header_is_refused() {
    let world = World::new().await;
    for kind in TYPES {
        let kept = world.credential(&world.admin, kind, &full(kind)).await;
        let path = format!("/credentials/{}", id_of(&kept));
        for name in expected_secrets(kind).as_object().unwrap().keys() {
            let is_header = ["api_key", "access_token", "token"].contains(&name.as_str())
                || name.starts_with("custom_headers");
            let cases = [
                ("x\r\nHost: evil", is_header),
                ("x\ny", is_header),
                ("x\ry", is_header),
                ("x\ty", is_header),
                ("grün-0123456789", is_header),
                (" x", is_header),
                ("x ", is_header),
                ("x\u{7f}", is_header),
                ("x\0y", true),
                ("", true),
                (&"y".repeat(8 * 1_024 + 1), is_header),
                (&"y".repeat(16 * 1_024 + 1), true),
            ];
            for (value, refused) in cases {
                let rows = world.rows();
                let body = json!({ "detail": at(kind, name, json!(value)) });
                let answer = world.patch(&path).by(&world.admin).json(&body).await;
                if refused {
                    answer.is_problem(422, "invalid");
                    assert_eq!(answer.fields(), [format!("detail.{name}")], "{value:?}");
                    assert_eq!(world.rows(), rows);
                } else {
                    assert_eq!(answer.status, 200, "{name} {value:?}: {answer:?}");
                    assert_eq!(world.secrets(&kept).await[name], value);
                }
            }
        }
    }
    for name in ["a b", "a:b", "a\r\nb", "ä", "", "a\"b", &"x".repeat(129)] {
        for (kind, map) in [
            ("llm", Some("custom_headers")),
            ("tool", Some("config")),
            ("generic", None),
        ] {
            let mut detail = least(kind);
            match map {
                Some(map) => detail[map] = json!({ name: "value" }),
                None => detail[name] = json!("value"),
            }
            let answer = create(&world, kind, &detail).await;
            answer.is_problem(422, "invalid");
            assert_eq!(answer.errors().len(), 1, "{name:?}");
        }
    }
}

#[actix_web::test]
async fn unknown_missing_and_wrong_fields_are_named_together() {
    let world = World::new().await;
    for (kind, detail, fields) in [
        ("llm", json!({}), &["provider"][..]),
        ("git", json!({ "provider": "github" }), &["auth"]),
        (
            "git",
            json!({ "provider": "github", "auth": "password" }),
            &["auth"],
        ),
        ("gateway", json!({}), &["adapter"]),
        ("tool", json!({}), &["tool_type"]),
        ("llm", json!({ "provider": null }), &["provider"]),
        ("llm", json!({ "provider": "" }), &["provider"]),
        ("llm", json!({ "provider": "x".repeat(256) }), &["provider"]),
        ("llm", json!({ "provider": "a\u{0}b" }), &["provider"]),
        (
            "llm",
            json!({ "provider": "x", "apikey": "y", "token": "z" }),
            &["apikey", "token"],
        ),
        (
            "llm",
            json!({ "provider": 1, "api_key": 2, "custom_headers": 3 }),
            &["api_key", "custom_headers", "provider"],
        ),
        (
            "llm",
            json!({ "provider": "x", "api_key": ["y"] }),
            &["api_key"],
        ),
        (
            "llm",
            json!({ "provider": "x", "api_key": { "value": "y" } }),
            &["api_key"],
        ),
        (
            "llm",
            json!({ "provider": "x", "api_key": true }),
            &["api_key"],
        ),
        (
            "llm",
            json!({ "provider": "x", "custom_headers": { "X": 1 } }),
            &["custom_headers.X"],
        ),
        (
            "llm",
            json!({ "provider": "x", "custom_headers": { "X": { "Y": "z" } } }),
            &["custom_headers.X"],
        ),
        ("generic", json!({ "a": { "b": "c" } }), &["a"]),
    ] {
        let rows = world.rows();
        let answer = create(&world, kind, &detail).await;
        answer.is_problem(422, "invalid");
        let fields: Vec<_> = fields
            .iter()
            .map(|field| format!("detail.{field}"))
            .collect();
        assert_eq!(answer.fields(), fields, "{kind} {detail}");
        assert_eq!(world.rows(), rows);
    }
    let many: Map<_, _> = (0..65).map(|n| (format!("f{n}"), json!("x"))).collect();
    create(&world, "generic", &json!(many))
        .await
        .is_problem(422, "invalid");
    let detail = json!({ "tool_type": "x", "config": many });
    create(&world, "tool", &detail)
        .await
        .is_problem(422, "invalid");
    let twice = r#"{"name": "x", "credential_type": "generic", "detail": {"a": "1", "a": "2"}}"#;
    let answer = world.post("/credentials").by(&world.admin).raw(twice).await;
    answer.is_problem(422, "invalid");
    for detail in [json!([]), json!("x"), json!(1), json!(null)] {
        create(&world, "generic", &detail)
            .await
            .is_problem(422, "invalid");
    }
    create(&world, "oauth", &json!({}))
        .await
        .is_problem(422, "invalid");
}

/// A detail with everything set.
pub(crate) fn full(kind: &str) -> Value {
    match kind {
        "llm" => json!({
            "provider": "openai",
            "api_key": "sk-0123456789abcdef",
            "base_url": "https://api.example.com/v1",
            "organization_id": "org-1",
            "custom_headers": { "X-Team": "team-0123456789abcd", "set": "other-0123456789abcd" },
        }),
        "git" => json!({
            "provider": "github",
            "auth": "token",
            "username": "ada",
            "access_token": "ghp_0123456789abcdef",
            "ssh_private_key": "-----BEGIN KEY-----\nabc\n-----END KEY-----\n",
            "webhook_secret": "hook-grün-0123456789",
        }),
        "gateway" => json!({
            "adapter": "telegram",
            "token": "123456:0123456789abcdef",
            "config": { "chat": "short", "webhook.secret": "0123456789abcdef" },
        }),
        "tool" => json!({
            "tool_type": "search",
            "config": { "key": "0123456789abcdef", "last4": "9876543210fedcba" },
        }),
        "generic" => json!({ "alpha": "0123456789abcdef", "beta.c": "short", "set": "x" }),
        other => panic!("{other}"),
    }
}

/// A detail with what is required and nothing else.
pub(crate) fn least(kind: &str) -> Value {
    match kind {
        "llm" => json!({ "provider": "openai" }),
        "git" => json!({ "provider": "github", "auth": "ssh_key" }),
        "gateway" => json!({ "adapter": "slack" }),
        "tool" => json!({ "tool_type": "search" }),
        _ => json!({}),
    }
}

/// The secrets of [`full`], by path.
pub(crate) fn expected_secrets(kind: &str) -> Value {
    let open = [
        "provider",
        "base_url",
        "organization_id",
        "auth",
        "username",
        "adapter",
        "tool_type",
    ];
    let mut secrets = Map::new();
    for (name, value) in object(full(kind)) {
        match value {
            Value::Object(members) => secrets.extend(
                members
                    .into_iter()
                    .map(|(member, value)| (format!("{name}.{member}"), value)),
            ),
            _ if open.contains(&name.as_str()) => {}
            value => drop(secrets.insert(name, value)),
        }
    }
    json!(secrets)
}

/// The detail that sets one secret.
fn at(kind: &str, path: &str, value: impl Into<Value>) -> Value {
    let value = value.into();
    match path.split_once('.') {
        Some((map, member)) if kind != "generic" => json!({ map: { member: value } }),
        _ => json!({ path: value }),
    }
}

fn mask_at(shown: &Value, kind: &str, path: &str) -> Value {
    match path.split_once('.') {
        Some((map, member)) if kind != "generic" => shown["detail"][map][member].clone(),
        _ => shown["detail"][path].clone(),
    }
}

fn last4(name: &str, end: &str) -> Value {
    if name == "ssh_private_key" {
        Value::Null
    } else {
        json!(end)
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other}"),
    }
}

async fn patch(world: &World, path: &str, detail: &Value) -> Value {
    let body = json!({ "detail": detail });
    let answer = world.patch(path).by(&world.admin).json(&body).await;
    assert_eq!(answer.status, 200, "{}: {body}: {answer:?}", world.name);
    answer.json()
}

async fn create(world: &World, kind: &str, detail: &Value) -> Answer {
    let body = json!({ "name": "x", "credential_type": kind, "detail": detail });
    world
        .post("/credentials")
        .by(&world.admin)
        .json(&body)
        .await
}
