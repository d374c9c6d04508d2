//! A proxy that the environment of the server names.

use serde_json::{Value, json};

use crate::fake::{Fake, Reply};
use crate::running::Home;
use crate::watched::{REAL, Watched};

/// It would resolve names itself, past the judgement of their addresses, and see the secret.
#[test]
fn a_proxy_of_the_environment_gets_no_request() {
    let proxy = Fake::start(|_| Reply::Json(200, &[], json!({ "by": "the proxy" })));
    let service = Fake::start(|_| Reply::Json(200, &[], json!({ "by": "the service" })));
    let names = ["http_proxy", "https_proxy", "all_proxy"];
    let names = names.map(|name| [name.to_owned(), name.to_uppercase()]);
    let home = names
        .iter()
        .flatten()
        .fold(Home::new(), |home, name| home.set(name, &proxy.url("")));
    let watched = Watched::in_home(home);
    let url = service.url("/v1");
    let detail = json!({ "provider": "openai", "api_key": REAL, "base_url": url });
    let id = watched.keep("direct", "llm", &detail, &Value::Null);
    let answer = watched.client().get(&format!("/broker/{id}/models"));
    assert_eq!(answer.expect(200), json!({ "by": "the service" }));
    assert!(proxy.received().is_empty());
    watched.stop();
}
