//! The OpenAPI document: what clients are generated from.

use serde_json::{Value, json};

use crate::coverage::Operation;
use crate::world::World;

#[actix_web::test]
async fn the_operations_are_these() {
    let world = World::new().await;
    let mut lines: Vec<_> = Operation::all(&world.document().await)
        .into_iter()
        .map(|operation| {
            let any = if operation.is_open {
                "no key"
            } else {
                "any key"
            };
            let scope = operation.scope.as_deref().unwrap_or(any);
            let mut line = format!(
                "{:6} {} [{scope}] {}",
                operation.method.as_str(),
                operation.path,
                operation.success
            );
            if let Some(body) = &operation.body {
                line.extend([" takes ", body]);
            }
            if operation.idempotent {
                line += ", once";
            }
            if operation.paged {
                line += ", paged";
            }
            line
        })
        .collect();
    lines.sort_by_key(|line| line.split_once(' ').map(|(_, path)| path.trim().to_owned()));
    insta::assert_snapshot!(lines.join("\n"), @r"
    GET    /api/v1/agents [agents:write] 200, paged
    POST   /api/v1/agents [agents:write] 201 takes CreateAgent, once
    POST   /api/v1/agents/me/totp-code [any key] 200 takes AskCode
    POST   /api/v1/agents/verify [any key] 200 takes VerifyCode
    GET    /api/v1/agents/{id} [agents:write] 200
    POST   /api/v1/agents/{id}/freeze [agents:write] 200 takes ChangeTree
    POST   /api/v1/agents/{id}/revoke [agents:write] 200 takes ChangeTree
    POST   /api/v1/agents/{id}/rotate-key [agents:write] 201 takes RotateAgentKey, once
    POST   /api/v1/agents/{id}/unfreeze [agents:write] 200 takes ChangeTree
    GET    /api/v1/audit [audit:read] 200, paged
    POST   /api/v1/auth/logout [any key] 204 takes Nothing
    GET    /api/v1/auth/me [any key] 200
    POST   /api/v1/auth/mfa/disable [any key] 200 takes CodeBody
    POST   /api/v1/auth/mfa/login-verify [no key] 200 takes SecondStep
    POST   /api/v1/auth/mfa/recovery-codes [any key] 200 takes CodeBody
    POST   /api/v1/auth/mfa/setup [any key] 200 takes Nothing
    GET    /api/v1/auth/mfa/status [any key] 200
    POST   /api/v1/auth/mfa/verify [any key] 200 takes CodeBody
    POST   /api/v1/auth/step-up [any key] 200 takes Proof
    POST   /api/v1/auth/token [no key] 200 takes Credentials
    GET    /api/v1/checklist [admin] 200
    POST   /api/v1/credentials [credentials:write] 201 takes CreateCredential, once
    GET    /api/v1/credentials [read] 200, paged
    POST   /api/v1/credentials/batch-delete [credentials:write] 204 takes BatchDelete
    PATCH  /api/v1/credentials/{id} [credentials:write] 200 takes ChangeCredential
    DELETE /api/v1/credentials/{id} [credentials:write] 204
    GET    /api/v1/credentials/{id} [read] 200
    POST   /api/v1/credentials/{id}/access [credentials:access] 200 takes Access
    GET    /api/v1/credentials/{id}/models [credentials:use] 200
    POST   /api/v1/credentials/{id}/test [credentials:use] 200 takes Nothing
    GET    /api/v1/encryption/rotation [admin] 200
    POST   /api/v1/encryption/rotation [admin] 200 takes TurnRotation
    GET    /api/v1/users [users:write] 200, paged
    POST   /api/v1/users [users:write] 201 takes CreateUser, once
    PATCH  /api/v1/users/me [any key] 200 takes ProfileChange
    GET    /api/v1/users/me [read] 200
    GET    /api/v1/users/me/keys [any key] 200, paged
    POST   /api/v1/users/me/keys [any key] 201 takes CreateKey, once
    DELETE /api/v1/users/me/keys/{id} [any key] 204
    POST   /api/v1/users/me/keys/{id}/rotate [any key] 201 takes RotateKey, once
    GET    /api/v1/users/{id} [users:write] 200
    PATCH  /api/v1/users/{id} [users:write] 200 takes ChangeUser
    DELETE /api/v1/users/{id} [users:write] 204
    GET    /api/v1/users/{id}/keys [users:write] 200, paged
    POST   /api/v1/users/{id}/keys [users:write] 201 takes CreateKey, once
    DELETE /api/v1/users/{id}/keys/{key} [users:write] 204
    POST   /api/v1/users/{id}/mfa/reset [users:write] 204 takes Nothing
    POST   /api/v1/users/{id}/unlock [users:write] 204 takes Nothing
    ");
}

#[actix_web::test]
async fn the_document_is_openapi_3_1_and_hangs_together() {
    let world = World::new().await;
    let document = world.document().await;

    let version = document["openapi"].as_str().unwrap();
    assert!(version.starts_with("3.1."), "{version}");
    assert_eq!(document["info"]["title"], "Keyward");
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 20, "{references:?}");
    references.retain(|reference| {
        let pointer = reference.strip_prefix('#').unwrap();
        document.pointer(pointer).is_none()
    });
    assert_eq!(references, [""; 0], "these lead nowhere");
}

#[actix_web::test]
async fn every_operation_declares_its_key_its_answers_and_its_parameters() {
    let world = World::new().await;
    let document = world.document().await;
    let scheme = &document["components"]["securitySchemes"]["api_key"];
    assert_eq!(scheme["type"], "http");
    assert_eq!(scheme["scheme"], "bearer");

    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            let security = &operation["security"];
            let is_open = operation["description"] == "Takes no key.";
            let expected = if is_open {
                json!([])
            } else {
                json!([{ "api_key": [] }])
            };
            assert_eq!(*security, expected, "{place}");
            for status in ["401", "500", "503"] {
                let content = &operation["responses"][status]["content"];
                assert!(content["application/problem+json"].is_object(), "{place}");
            }
            let declared: Vec<_> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
                .collect();
            let in_path: Vec<_> = path
                .split('/')
                .filter(|part| part.starts_with('{'))
                .collect();
            assert_eq!(declared, in_path, "{place}");
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
        }
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an operationId is used twice");
}

fn collect_references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(reference) if name == "$ref" => found.push(reference),
                    _ => collect_references(value, found),
                }
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_references(item, found)),
        _ => {}
    }
}
