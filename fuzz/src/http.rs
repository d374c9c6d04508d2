//! The whole API over a store in memory.

use std::cell::OnceCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::{App, test};
use keyward_auth::{Environment, Hashing, LastUsed, Setup, Username};
use keyward_core::Store as _;
use keyward_crypto::{KeyRing, MacRing, Password, Passwords};
use keyward_encryption::keep;
use keyward_http::{Api, ApiOptions, Services, edge};
use keyward_store_testing::MemoryStore;
use serde_json::Value;

use super::values::{FIELD_KEY, MAC_SECRET};

/// The first line of the input is a method and a target, the next ones are header fields, what
/// follows an empty line is the body; `@` stands for a key that works. No answer is a 500, each error
/// is a problem document, and no 401 comes without a challenge.
pub fn http(data: &[u8]) {
    thread_local! {
        // For as long as the process lives: a runtime must not end with the values of its thread.
        static SERVER: OnceCell<&'static Server> = const { OnceCell::new() };
    }
    let start = || &*Box::leak(Box::new(Server::start()));
    SERVER.with(|server| server.get_or_init(start).ask(data));
}

type Ask = dyn Fn(test::TestRequest) -> Pin<Box<dyn Future<Output = Answer>>>;

struct Answer {
    status: u16,
    content_type: String,
    has_challenge: bool,
    body: Vec<u8>,
}

struct Server {
    system: actix_web::rt::SystemRunner,
    ask: Box<Ask>,
    key: String,
}

impl Server {
    fn start() -> Self {
        let system = actix_web::rt::System::new();
        let store = Arc::new(MemoryStore::new());
        let environment = Environment {
            // Fast, and never with passwords of people.
            hashing: Hashing::with_places(Passwords::danger_fast(), 4, 4),
            ..Environment::new(
                store,
                KeyRing::parse(FIELD_KEY).expect("a key"),
                MacRing::parse(MAC_SECRET).expect("a secret"),
            )
        };
        let (fields, macs, now) = (
            &environment.fields,
            &environment.macs,
            environment.clock.now(),
        );
        let kept = environment.store.write(|tx| keep(tx, fields, macs, now));
        kept.expect("new keys");
        let password = Password::new_secret("correct horse battery".to_owned().into());
        let admin = Setup::new(environment.clone())
            .first_admin(
                &Username::parse("admin").expect("a name"),
                &password.expect("a password"),
            )
            .expect("nobody is there");
        let last_used = Arc::new(LastUsed::default());
        let api = Api::new(Services::new(
            &environment,
            ApiOptions::default(),
            last_used,
        ));
        let app = App::new()
            .wrap(from_fn(edge))
            .configure(move |config| api.mount(config));
        let app = std::rc::Rc::new(system.block_on(test::init_service(app)));
        let ask = move |request: test::TestRequest| {
            let app = std::rc::Rc::clone(&app);
            let answered = async move {
                let answer = test::call_service(&*app, request.to_request()).await;
                let text = |name| {
                    let field = answer.headers().get(name);
                    field
                        .and_then(|field| field.to_str().ok())
                        .map(str::to_owned)
                };
                Answer {
                    status: answer.status().as_u16(),
                    content_type: text("content-type").unwrap_or_default(),
                    has_challenge: text("www-authenticate").is_some(),
                    body: test::read_body(answer).await.to_vec(),
                }
            };
            Box::pin(answered) as Pin<Box<dyn Future<Output = Answer>>>
        };
        Self {
            system,
            ask: Box::new(ask),
            key: admin.key.expose().to_owned(),
        }
    }

    fn ask(&self, data: &[u8]) {
        let Some(request) = self.request(data) else {
            return;
        };
        let answer = self.system.block_on((self.ask)(request));
        let Answer { status, body, .. } = &answer;
        let shown = String::from_utf8_lossy(body);
        assert!(
            *status < 500 || matches!(status, 501 | 503),
            "{status} {shown}"
        );
        if *status >= 400 {
            assert_eq!(answer.content_type, "application/problem+json", "{shown}");
            let problem: Value = serde_json::from_slice(body).expect("JSON");
            assert_eq!(problem["status"], *status);
            assert!(
                problem["type"]
                    .as_str()
                    .is_some_and(|slug| slug.starts_with("/problems/"))
            );
        }
        assert_eq!(answer.has_challenge, *status == 401, "{status} {shown}");
        assert!(!shown.contains(&self.key), "the key of the caller");
    }

    fn request(&self, data: &[u8]) -> Option<test::TestRequest> {
        let end = data.windows(2).position(|two| two == b"\n\n");
        let (head, body) = match end {
            Some(end) => (&data[..end], &data[end + 2..]),
            None => (data, &b""[..]),
        };
        let head = std::str::from_utf8(head).ok()?.replace('@', &self.key);
        let mut lines = head.lines();
        let (method, target) = lines.next()?.split_once(' ')?;
        // It would end the key that the others need.
        let is_final = target.contains("logout");
        if !target.starts_with('/') || is_final || target.parse::<actix_web::http::Uri>().is_err() {
            return None;
        }
        let mut request = test::TestRequest::with_uri(target)
            .method(Method::from_bytes(method.as_bytes()).ok()?)
            .set_payload(body.to_vec());
        for line in lines {
            let (name, value) = line.split_once(": ")?;
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            request = request.append_header((name, HeaderValue::from_str(value).ok()?));
        }
        Some(request)
    }
}
