//! What no route does, whichever it is: change something by reading, and take a path for another one.

use actix_web::http::Method;
use serde_json::json;

use crate::coverage::Operation;
use crate::world::{World, id_of};

#[actix_web::test]
async fn nothing_is_changed_by_reading() {
    for world in World::on_every_store().await {
        let ada = world.person("ada").await;
        let agent = world.agent("worker").await;
        let detail = json!({ "provider": "openai", "api_key": "sk-0123456789abcdef" });
        let credential = world.credential(&world.admin, "llm", &detail).await;
        let ids = [&*ada.id, &*agent.id, id_of(&credential), &*ada.key_id];
        let operations = Operation::all(&world.document().await);
        let reads = operations.iter().filter(|operation| {
            // It asks a service, which is written down.
            operation.method == Method::GET && !operation.path.ends_with("/models")
        });
        let (rows, mut found) = (world.rows(), 0);
        for read in reads {
            for id in ids {
                let path = read.path.replace("{id}", id).replace("{key}", id);
                for method in [Method::GET, Method::HEAD] {
                    let answer = world
                        .ask(&method, &format!("/{path}"))
                        .by(&world.admin)
                        .await;
                    found += usize::from(answer.status == 200);
                    assert_eq!(world.rows(), rows, "{}: {method} {path}", world.name);
                }
            }
        }
        assert!(found > 30, "{}: only {found} were answered", world.name);
        // The control: what asks a service leaves an event.
        let models = format!("/credentials/{}/models", id_of(&credential));
        world.get(&models).by(&world.admin).await;
        assert_ne!(world.rows(), rows, "{}", world.name);
    }
}

#[actix_web::test]
async fn no_route_takes_a_path_in_a_path() {
    let world = World::new().await;
    let operations = Operation::all(&world.document().await);
    let with_parameters: Vec<_> = operations
        .iter()
        .filter(|operation| operation.path.contains('{'))
        .collect();
    assert!(with_parameters.len() > 15, "{with_parameters:?}");
    for operation in with_parameters {
        for text in [
            "..%2f..%2f..%2fetc%2fpasswd",
            "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
            "%252e%252e%252fetc%252fpasswd",
            "..%5c..%5cwindows%5cwin.ini",
            "%2fetc%2fpasswd",
            "file:%2f%2f%2fetc%2fpasswd",
            "keyward.db%00.json",
        ] {
            let path = operation.path.replace("{id}", text).replace("{key}", text);
            let ask = world.ask(&operation.method, &format!("/{path}"));
            let answer = ask.by(&world.admin).json(&json!({})).await;
            let refused = [400, 404, 422].contains(&answer.status.as_u16());
            assert!(refused, "{} {path}: {answer:?}", operation.method);
            assert!(!answer.text().contains("root:"), "{path}: {answer:?}");
        }
    }
}
