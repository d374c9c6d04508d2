//! Every route, as the OpenAPI document lists it, refuses every key that should not open it.

use actix_web::http::Method;
use actix_web::{App, HttpResponse, web};
use keyward_auth::{ApiKeyRecord, KeyName, Scopes};
use keyward_core::Id;
use keyward_crypto::{ApiKey, ApiKeyKind, Signed};
use serde_json::{Value, json};

use crate::world::{Answer, Ask, Handle, World, handle, macs};

#[actix_web::test]
async fn every_route_refuses_every_key_that_is_not_valid() {
    let world = World::new().await;
    let keys = Keys::of(&world).await;
    let operations = Operation::all(&world.document().await);
    assert!(
        operations.len() > 30,
        "only {} routes were found in the OpenAPI document",
        operations.len()
    );

    let mut complaints = Vec::new();
    for operation in operations.iter().filter(|operation| !operation.is_open) {
        complaints.extend(authentication(&world.handle, operation, &keys).await);
        complaints.extend(scopes(&world.handle, operation, &keys).await);
    }

    assert!(
        complaints.is_empty(),
        "declare routes with Endpoint::new in crates/http/src/routes, which checks the key:\n{}",
        complaints.join("\n")
    );
}

/// Who has a key cannot do more there than who has none, and no key is told from another.
#[actix_web::test]
async fn the_two_steps_of_a_login_and_nothing_else_take_no_key() {
    let world = World::new().await;
    let keys = Keys::of(&world).await;
    let mut open = Operation::all(&world.document().await);
    open.retain(|operation| operation.is_open);
    let paths: Vec<_> = open.iter().map(|operation| &*operation.path).collect();
    assert_eq!(
        paths,
        ["/api/v1/auth/mfa/login-verify", "/api/v1/auth/token"]
    );
    for operation in open {
        assert_eq!(operation.method, Method::POST);
        let none = operation.ask(&world.handle).await;
        none.is_problem(422, "invalid");
        for key in ["garbage", &keys.revoked, &keys.of_disabled, &keys.valid] {
            let answer = operation.ask(&world.handle).key(key).await;
            assert_eq!((answer.status, &answer.body), (none.status, &none.body));
            assert_eq!(unprotected(&answer), None);
        }
    }
}

/// The positive control of the first test: what it would say of routes that check nothing.
#[actix_web::test]
async fn a_route_without_a_check_is_noticed() {
    let world = World::new().await;
    let keys = Keys::of(&world).await;
    let open = handle!(
        App::new()
            .route("/api/v1/open", web::get().to(HttpResponse::Ok))
            .route("/api/v1/bare", web::get().to(HttpResponse::Unauthorized))
    );
    for path in ["/api/v1/open", "/api/v1/bare"] {
        let operation = Operation {
            scope: Some("read".to_owned()),
            ..Operation::get(path)
        };
        assert!(!authentication(&open, &operation, &keys).await.is_empty());
        assert!(!scopes(&open, &operation, &keys).await.is_empty());
    }
}

#[actix_web::test]
async fn every_route_has_a_twin_with_a_trailing_slash() {
    let world = World::new().await;
    for operation in Operation::all(&world.document().await) {
        let slash = Operation {
            path: format!("{}/", operation.path),
            ..operation.clone()
        };
        // Without a key: a path that nobody serves is 404.
        let without = operation.ask(&world.handle).await;
        let with = slash.ask(&world.handle).await;
        let expected = if operation.is_open { 422 } else { 401 };
        let place = format!("{} {}", slash.method, slash.path);
        assert_eq!(with.status, expected, "{place}: {with:?}");
        assert_eq!(with.body, without.body);

        let without = operation.ask(&world.handle).by(&world.admin).await;
        let with = slash.ask(&world.handle).by(&world.admin).await;
        assert_eq!(with.status, without.status, "{}", slash.path);
    }
}

#[actix_web::test]
async fn every_other_method_is_refused_with_the_list_of_those_that_work() {
    let world = World::new().await;
    let operations = Operation::all(&world.document().await);
    let verbs = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND",
        "PURGE", "get",
    ];
    for path in operations.iter().map(|operation| &operation.path) {
        let taken: Vec<_> = operations
            .iter()
            .filter(|operation| operation.path == *path)
            .map(|operation| operation.method.to_string())
            .collect();
        for verb in verbs
            .iter()
            .filter(|verb| !taken.contains(&(**verb).to_owned()))
        {
            let operation = Operation {
                method: Method::from_bytes(verb.as_bytes()).unwrap(),
                ..Operation::get(path)
            };
            let answer = operation.ask(&world.handle).by(&world.admin).await;
            answer.is_problem(405, "method-not-allowed");
            let mut allowed: Vec<_> = answer.header("allow").unwrap().split(", ").collect();
            let mut taken = taken.clone();
            allowed.sort_unstable();
            taken.sort_unstable();
            assert_eq!(allowed, taken, "{verb} {path}");
            assert_eq!(unprotected(&answer), None, "{verb} {path}");
        }
    }
}

#[actix_web::test]
async fn the_scheme_is_read_in_any_case_and_nothing_but_one_bearer_key_counts() {
    let world = World::new().await;
    let key = &world.admin.key;
    for right in [
        format!("bearer {key}"),
        format!("BEARER {key}"),
        format!("Bearer   {key}"),
    ] {
        let answer = world.get("/auth/me").header("Authorization", &right).await;
        assert_eq!(answer.status, 200, "{right}");
    }
    for wrong in [
        key.clone(),
        format!("Basic {key}"),
        format!("Bearer\t{key}"),
        format!("Bearer {key} {key}"),
        format!("Bearer {key},"),
        format!("Bearer \"{key}\""),
        format!("Bearer {}", key.to_uppercase()),
        format!("Bearer {key}x"),
        format!("Bearer{key}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        String::new(),
    ] {
        let answer = world.get("/auth/me").header("Authorization", &wrong).await;
        answer.is_problem(401, "unauthenticated");
    }
    for (name, value) in [
        ("X-Api-Key", key.clone()),
        ("Cookie", format!("key={key}")),
        ("Proxy-Authorization", format!("Bearer {key}")),
    ] {
        let answer = world.get("/auth/me").header(name, &value).await;
        answer.is_problem(401, "unauthenticated");
    }
    for query in ["access_token", "api_key", "key", "token"] {
        let answer = world.get(&format!("/auth/me?{query}={key}")).await;
        answer.is_problem(401, "unauthenticated");
    }
}

/// What is wrong with how a route treats keys that are not valid.
async fn authentication(handle: &Handle, operation: &Operation, keys: &Keys) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut complain = |case: &str, what: String| {
        complaints.push(format!(
            "{} {}, {case}: {what}",
            operation.method, operation.path
        ));
    };
    let ask = || operation.ask(handle);
    let none = ask().await;
    let valid = &keys.valid;
    let refused = [
        ("no key", ask()),
        ("a garbage key", ask().key("garbage")),
        ("an unknown key", ask().key(&keys.unknown)),
        ("a wrong secret", ask().key(&keys.wrong_secret)),
        ("a revoked key", ask().key(&keys.revoked)),
        ("an expired key", ask().key(&keys.expired)),
        ("the key of a disabled user", ask().key(&keys.of_disabled)),
        ("the key of a deleted user", ask().key(&keys.of_deleted)),
        ("two Authorization headers", ask().key(valid).key(valid)),
        ("a second Authorization header", ask().key("x").key(valid)),
    ];
    for (case, ask) in refused {
        let answer = ask.await;
        if let Some(what) = unlike_401(&answer) {
            complain(case, what);
        }
        if answer.body != none.body {
            complain(
                case,
                format!("differs from the answer to no key: {answer:?}"),
            );
        }
    }
    for ask in [
        ask().key(valid),
        ask().header("Authorization", format!("bearer {valid}")),
    ] {
        let answer = ask.await;
        if matches!(answer.status.as_u16(), 401 | 403 | 405 | 500..) {
            complain("a valid key", format!("{answer:?}"));
        }
        if let Some(what) = unprotected(&answer) {
            complain("a valid key", what);
        }
    }
    complaints
}

/// What is wrong with how a route treats a key that has every scope but the one it needs.
async fn scopes(handle: &Handle, operation: &Operation, keys: &Keys) -> Vec<String> {
    let mut complaints = Vec::new();
    let without = operation.ask(handle).key(&keys.without_scopes).await;
    let Some(scope) = &operation.scope else {
        if matches!(without.status.as_u16(), 401 | 403) {
            complaints.push(format!("{}: any key should do", operation.path));
        }
        return complaints;
    };
    let all_but = keys.all_but.iter().find(|(missing, _)| missing == scope);
    let (_, all_but) = all_but.unwrap_or_else(|| panic!("no scope is called `{scope}`"));
    for answer in [without, operation.ask(handle).key(all_but).await] {
        let named = answer.text().contains(&format!("`{scope}`"));
        let kind = answer.text().contains("/problems/missing-scope");
        if answer.status != 403 || !named || !kind || unprotected(&answer).is_some() {
            complaints.push(format!(
                "{} {} without `{scope}`: {answer:?}",
                operation.method, operation.path
            ));
        }
    }
    complaints
}

fn unlike_401(answer: &Answer) -> Option<String> {
    let right = answer.status == 401
        && answer.header("content-type") == Some("application/problem+json")
        && answer.header("www-authenticate") == Some("Bearer")
        && answer
            .text()
            .contains(r#""type":"/problems/unauthenticated""#);
    if right {
        unprotected(answer)
    } else {
        Some(format!("not a 401 as it should be: {answer:?}"))
    }
}

/// What an answer lacks that all answers have.
pub(crate) fn unprotected(answer: &Answer) -> Option<String> {
    let expected = [
        ("cache-control", "no-store"),
        (
            "content-security-policy",
            "default-src 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in expected {
        if answer.header(name) != Some(value) {
            return Some(format!("no `{name}: {value}` in {answer:?}"));
        }
    }
    let id = answer.header("x-request-id").unwrap_or_default();
    Id::<()>::parse(id)
        .is_err()
        .then(|| format!("no X-Request-Id in {answer:?}"))
}

/// One method on one path.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// From the root, with parameters as `{name}`.
    pub(crate) path: String,
    /// Whether it takes no key.
    pub(crate) is_open: bool,
    /// The scope that it names; `None` when any key will do.
    pub(crate) scope: Option<String>,
    /// The name of its body's schema.
    pub(crate) body: Option<String>,
    pub(crate) success: String,
    pub(crate) idempotent: bool,
    pub(crate) paged: bool,
}

impl Operation {
    fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            is_open: false,
            scope: None,
            body: None,
            success: String::new(),
            idempotent: false,
            paged: false,
        }
    }

    /// All that the document lists.
    pub(crate) fn all(document: &Value) -> Vec<Self> {
        let mut all = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                all.push(Self::read(method, path, operation));
            }
        }
        all
    }

    fn read(method: Method, path: &str, operation: &Value) -> Self {
        let needs = operation["description"].as_str().unwrap();
        let scope = needs.strip_prefix("Needs the scope `");
        let scope = scope.map(|rest| rest.strip_suffix("`.").unwrap().to_owned());
        let is_open = needs == "Takes no key.";
        assert!(
            scope.is_some() || is_open || needs == "Any valid key.",
            "{method} {path} does not say which key it needs: {needs}"
        );
        let has_parameter = |name: &str| {
            let parameters = operation["parameters"].as_array();
            parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == name))
        };
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        let success = operation["responses"].as_object().unwrap().keys();
        let success: Vec<_> = success.filter(|status| status.starts_with('2')).collect();
        // What is made or found says which.
        assert!(
            success == ["200", "201"] || success.len() == 1,
            "{method} {path}"
        );
        Self {
            method,
            path: path.to_owned(),
            is_open,
            scope,
            body: schema
                .as_str()
                .map(|schema| schema.rsplit('/').next().unwrap().to_owned()),
            success: success[success.len() - 1].clone(),
            idempotent: has_parameter("Idempotency-Key"),
            paged: has_parameter("limit"),
        }
    }

    /// Whether it ends the key that is presented, when its body is taken.
    pub(crate) fn ends_key(&self) -> bool {
        self.path.trim_end_matches('/').ends_with("/auth/logout")
    }

    /// Whether only an agent gets further than the check of its body.
    fn is_for_agents(&self) -> bool {
        self.path
            .trim_end_matches('/')
            .ends_with("/agents/me/totp-code")
    }

    /// A request with ids of nothing in the path and a body that changes nothing: an empty object,
    /// or where that would end the key or is for agents, one that is refused.
    pub(crate) fn ask(&self, handle: &Handle) -> Ask {
        let path = self
            .path
            .replace("/me/keys/{id}", "/me/keys/0000000000000000")
            .replace("{key}", "0000000000000000")
            .replace("{id}", "00000000-0000-7000-8000-000000000000");
        let ask = Ask::new(handle, &self.method, &format!("/{path}"));
        if self.ends_key() || self.is_for_agents() {
            ask.json(&json!({ "unknown": true }))
        } else if self.body.is_some() {
            ask.json(&json!({}))
        } else {
            ask
        }
    }
}

/// One key of each sort.
struct Keys {
    valid: String,
    unknown: String,
    wrong_secret: String,
    revoked: String,
    expired: String,
    of_disabled: String,
    of_deleted: String,
    without_scopes: String,
    /// Keys of an administrator with all scopes but the one that is named.
    all_but: Vec<(String, String)>,
}

impl Keys {
    async fn of(world: &World) -> Self {
        let ada = world.person("ada").await;
        let revoked = world.key_of(&ada.id, &json!({ "name": "revoked" })).await;
        let revoke = format!("/users/{}/keys/{}", ada.id, revoked.key_id);
        assert_eq!(world.delete(&revoke).by(&world.admin).await.status, 204);

        let expires_at = world.now().plus(60).to_string();
        let expired = json!({ "name": "expired", "expires_at": expires_at });
        let expired = world.key_of(&ada.id, &expired).await;
        world.clock.advance(60);

        let disabled = world.person("disabled").await;
        let path = format!("/users/{}", disabled.id);
        let body = json!({ "status": "disabled" });
        assert_eq!(
            world.patch(&path).by(&world.admin).json(&body).await.status,
            200
        );

        let deleted = world.person("deleted").await;
        let path = format!("/users/{}", deleted.id);
        assert_eq!(world.delete(&path).by(&world.admin).await.status, 204);

        let every = [
            "read",
            "credentials:write",
            "credentials:use",
            "credentials:access",
            "agents:write",
            "users:write",
            "audit:read",
            "admin",
        ];
        let mut all_but = Vec::new();
        for missing in every {
            let others: Vec<_> = every
                .into_iter()
                .filter(|scope| *scope != missing)
                .collect();
            all_but.push((missing.to_owned(), world.admin_with(&others).await.key));
        }
        Self {
            valid: world.admin.key.clone(),
            unknown: ApiKey::generate(ApiKeyKind::User).expose().to_owned(),
            wrong_secret: wrong_secret(world, &ada.id),
            revoked: revoked.key,
            expired: expired.key,
            of_disabled: disabled.key,
            of_deleted: deleted.key,
            without_scopes: world.admin_with(&[]).await.key,
            all_but,
        }
    }
}

/// A key with a right checksum whose id is that of a living key with another secret.
fn wrong_secret(world: &World, owner: &str) -> String {
    let presented = ApiKey::generate(ApiKeyKind::User);
    let real = ApiKey::generate(ApiKeyKind::User);
    let record = ApiKeyRecord {
        id: presented.id(),
        kind: ApiKeyKind::User,
        user: Id::parse(owner).unwrap(),
        name: KeyName::from_stored("real".to_owned()),
        scopes: Scopes::all(),
        created_at: world.now(),
        expires_at: None,
        revoked_at: None,
        fresh_until: None,
        legacy_id: None,
        key_mac: real.mac(&macs()),
    };
    let record = Signed::sign(record, &macs());
    world.store(|tx| tx.add_api_key(&record));
    presented.expose().to_owned()
}
