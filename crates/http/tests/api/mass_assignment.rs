//! What is stored but not a client's to set stays out of reach (CVE-2026-48150).

use std::collections::HashMap;

use actix_web::http::Method;
use keyward_crypto::TotpSecret;
use serde_json::{Value, json};

use crate::coverage::Operation;
use crate::world::{Answer, Caller, PASSWORD, World, id_of};

#[actix_web::test]
async fn no_stored_column_can_be_set_by_naming_it() {
    let world = World::new().await;
    let columns = columns();
    for known in [
        "row_mac",
        "password_hash",
        "version",
        "created_by",
        "sealed",
        "user_id",
    ] {
        assert!(
            columns.iter().any(|column| column == known),
            "no `{known}` in {columns:?}"
        );
    }
    let document = world.document().await;
    let routes = Routes::of(&world).await;
    let mut tried = 0;
    for operation in Operation::all(&document) {
        let Some(schema) = &operation.body else {
            continue;
        };
        let (path, body) = routes.valid(&operation);
        let known = &document["components"]["schemas"][schema]["properties"];
        for column in columns.iter().filter(|column| known.get(column).is_none()) {
            for value in values() {
                let mut body = body.clone();
                body[column] = value;
                refused((&world, &routes), &operation, &path, &body, column).await;
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "only {tried} requests were tried");
}

#[actix_web::test]
async fn no_stored_column_can_be_set_as_a_field_of_a_detail() {
    let world = World::new().await;
    let routes = Routes::of(&world).await;
    for operation in Operation::all(&world.document().await) {
        let (path, body) = match operation.body.as_deref() {
            Some("CreateCredential" | "ChangeCredential") => routes.valid(&operation),
            _ => continue,
        };
        for column in columns() {
            let mut body = body.clone();
            body["detail"][&column] = json!("x");
            refused((&world, &routes), &operation, &path, &body, &column).await;
        }
    }
}

#[actix_web::test]
async fn what_a_read_shows_can_be_repeated_but_not_changed() {
    let world = World::new().await;
    let detail = json!({ "provider": "openai", "api_key": "sk-1234" });
    let credential = world.credential(&world.admin, "llm", &detail).await;
    let path = format!("/credentials/{}", id_of(&credential));
    let other = world.person("eve").await;
    let rows = world.rows();
    for (field, value) in [
        ("id", json!(other.id)),
        ("credential_type", json!("git")),
        ("created_by_id", json!(other.id)),
        ("created_at", json!("2020-01-01T00:00:00Z")),
    ] {
        let body = json!({ "name": "new", field: value });
        let answer = world.patch(&path).by(&world.admin).json(&body).await;
        answer.is_problem(422, "invalid");
        assert_eq!(answer.fields(), [field]);
    }
    let body = json!({ "name": "new", "updated_at": "2020-01-01T00:00:00Z" });
    let answer = world.patch(&path).by(&world.admin).json(&body).await;
    answer.is_problem(409, "busy");
    assert_eq!(world.rows(), rows);
}

/// The valid body is taken, so that the refusals above have the column as their only reason.
#[actix_web::test]
async fn the_bodies_without_a_column_are_taken() {
    let world = World::new().await;
    let routes = Routes::of(&world).await;
    for operation in Operation::all(&world.document().await) {
        if operation.body.is_some() {
            let (path, body) = routes.valid(&operation);
            let answer = ask(&world, &routes, &operation, &path, &body).await;
            assert!(answer.status.is_success(), "{path}: {answer:?}");
        }
    }
}

async fn refused(
    (world, routes): (&World, &Routes),
    operation: &Operation,
    path: &str,
    body: &Value,
    column: &str,
) {
    let rows = world.rows();
    let answer = ask(world, routes, operation, path, body).await;
    assert_eq!(
        answer.status, 422,
        "{} {path} with {body}: {answer:?}",
        operation.method
    );
    let named = answer.errors().into_iter().any(|(field, problem)| {
        field.ends_with(column) || problem.contains(&format!("`{column}`"))
    });
    assert!(named, "`{column}` is not named: {answer:?}");
    assert_eq!(world.rows(), rows, "{path} with {body}");
}

async fn ask(
    world: &World,
    routes: &Routes,
    operation: &Operation,
    path: &str,
    body: &Value,
) -> Answer {
    let last = path.rsplit('/').next().unwrap();
    let caller = routes.callers.get(last).unwrap_or(&world.admin);
    let ask = world.ask(&operation.method, path);
    ask.by(caller).json(body).await
}

struct Routes {
    /// Who has the code for a route, and who can do without their key.
    callers: HashMap<&'static str, Caller>,
    codes: HashMap<&'static str, String>,
    ticket: String,
    recovery: String,
    user: String,
    agent: String,
    key: String,
    batch: String,
    credential: String,
}

impl Routes {
    async fn of(world: &World) -> Self {
        let user = world.person("mallory").await;
        let detail = json!({ "provider": "openai", "api_key": "sk-1234" });
        let credential = world.credential(&world.admin, "llm", &detail).await;
        let batch = world.credential(&world.admin, "llm", &detail).await;
        let key = world.admin_with(&["read"]).await;
        let agent = world.agent("robot").await;
        let mut callers = HashMap::from([
            ("logout", world.admin_with(&[]).await),
            ("totp-code", agent.clone()),
        ]);
        let mut codes = HashMap::new();
        for (route, name) in [("disable", "dave"), ("recovery-codes", "rita")] {
            let (person, device) = world.person_with_mfa(name).await;
            codes.insert(route, device.secret);
            callers.insert(route, person);
        }
        let (_, peggy) = world.person_with_mfa("peggy").await;
        let vera = world.person("vera").await;
        codes.insert("verify", world.pending(&vera).await.secret);
        callers.insert("verify", vera);
        let now = world.now().0;
        let code = |secret: TotpSecret| secret.code_at(now).expose().to_owned();
        Self {
            callers,
            codes: codes
                .into_iter()
                .map(|(route, secret)| (route, code(secret)))
                .collect(),
            ticket: world.ticket("peggy").await,
            recovery: peggy.recovery[0].clone(),
            user: user.id,
            agent: agent.id,
            key: key.key_id,
            batch: id_of(&batch).to_owned(),
            credential: id_of(&credential).to_owned(),
        }
    }

    /// A request that would be taken: path and body.
    fn valid(&self, operation: &Operation) -> (String, Value) {
        let path = format!("/{}", operation.path)
            .replace("/me/keys/{id}", &format!("/me/keys/{}", self.key))
            .replace(
                "/credentials/{id}",
                &format!("/credentials/{}", self.credential),
            )
            .replace("/agents/{id}", &format!("/agents/{}", self.agent))
            .replace("{id}", &self.user);
        let body = match operation.body.as_deref().unwrap() {
            "Credentials" => json!({ "username": "mallory", "password": PASSWORD }),
            "SecondStep" => json!({ "ticket": self.ticket, "recovery_code": self.recovery }),
            "Proof" => json!({ "password": PASSWORD }),
            "CodeBody" => json!({ "code": self.codes[operation.path.rsplit('/').next().unwrap()] }),
            "Nothing" => json!({}),
            "CreateUser" => json!({ "username": "trent", "password": "correct horse battery" }),
            "ChangeUser" | "ProfileChange" => json!({ "first_name": "Trent" }),
            "CreateKey" => json!({ "name": "new", "scopes": ["read"] }),
            "CreateAgent" => json!({ "name": "new" }),
            "ChangeTree" => json!({ "dry_run": true }),
            "AskCode" => json!({ "audience": "mallory" }),
            "VerifyCode" => json!({ "username": "agent_robot", "code": "12345678" }),
            "RotateAgentKey" | "RotateKey" => json!({ "overlap_seconds": 60 }),
            "CreateCredential" => {
                json!({ "name": "x", "credential_type": "llm", "detail": { "provider": "x" } })
            }
            "ChangeCredential" => json!({ "name": "new", "detail": { "organization_id": "o" } }),
            "BatchDelete" => json!({ "ids": [self.batch] }),
            "Access" => json!({ "field": "api_key" }),
            "TurnRotation" => json!({ "action": "start" }),
            other => panic!(
                "add a valid body of `{other}` ({} {}) here",
                operation.method, operation.path
            ),
        };
        assert_ne!(operation.method, Method::GET);
        (path, body)
    }
}

fn values() -> [Value; 3] {
    [json!("x"), json!(1), Value::Null]
}

/// The names of all columns that the migrations make.
fn columns() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/sqlite");
    let mut columns = vec!["is_admin".to_owned(), "__proto__".to_owned()];
    for migration in std::fs::read_dir(folder).unwrap() {
        let sql = std::fs::read_to_string(migration.unwrap().path().join("up.sql")).unwrap();
        let defined = sql.lines().filter_map(|line| {
            let mut words = line.strip_prefix("    ")?.split_whitespace();
            let name = words.next()?;
            matches!(words.next()?, "TEXT" | "INTEGER" | "BLOB" | "REAL").then(|| name.to_owned())
        });
        columns.extend(defined);
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}
