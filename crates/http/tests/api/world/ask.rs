use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::rc::Rc;

use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::ServiceResponse;
use actix_web::http::{ConnectionType, Method, StatusCode, header::HeaderMap};
use actix_web::test::TestRequest;
use serde_json::Value;

use super::{Caller, World};

/// Takes a request and gives the answer.
pub(crate) type Handle = Rc<dyn Fn(TestRequest) -> Pin<Box<dyn Future<Output = Answer>>>>;

/// A request that is being put together. Await it to send it.
pub(crate) struct Ask {
    handle: Handle,
    request: TestRequest,
}

impl World {
    /// A request to a path below `/api/v1`, or to any path when it begins with `//`.
    pub(crate) fn ask(&self, method: &Method, path: &str) -> Ask {
        Ask::new(&self.handle, method, path)
    }

    pub(crate) fn get(&self, path: &str) -> Ask {
        self.ask(&Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Ask {
        self.ask(&Method::POST, path)
    }

    pub(crate) fn patch(&self, path: &str) -> Ask {
        self.ask(&Method::PATCH, path)
    }

    pub(crate) fn delete(&self, path: &str) -> Ask {
        self.ask(&Method::DELETE, path)
    }
}

impl Ask {
    pub(crate) fn new(handle: &Handle, method: &Method, path: &str) -> Self {
        let uri = match path.strip_prefix("//") {
            Some(outside) => format!("/{outside}"),
            None => format!("/api/v1{path}"),
        };
        Self {
            handle: Rc::clone(handle),
            request: TestRequest::default().method(method.clone()).uri(&uri),
        }
    }

    pub(crate) fn by(self, caller: &Caller) -> Self {
        self.key(&caller.key)
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("Authorization", format!("Bearer {key}"))
    }

    /// From an address, and through nobody.
    pub(crate) fn from(mut self, address: &str) -> Self {
        let peer = std::net::SocketAddr::new(address.parse().unwrap(), 40_000);
        self.request = self.request.peer_addr(peer);
        self
    }

    /// Adds a header beside those of the same name.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        use actix_web::http::header::{HeaderName, HeaderValue};
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        self.request = self.request.append_header((name, value));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw(body.to_string())
    }

    /// A body that says it is JSON.
    pub(crate) fn raw(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request = self.request.set_payload(body.into());
        self
    }
}

impl IntoFuture for Ask {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer>>>;

    fn into_future(self) -> Self::IntoFuture {
        (self.handle)(self.request)
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether the connection ends with it.
    pub(crate) closes: bool,
}

impl Answer {
    pub(crate) async fn of<B: MessageBody + 'static>(
        response: Result<ServiceResponse<B>, actix_web::Error>,
    ) -> Self {
        let (_, response) = response.unwrap().into_parts();
        let (response, body) = response.into_parts();
        let body = to_bytes(body).await.unwrap_or_else(|_| panic!("no body"));
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: body.to_vec(),
            closes: response.head().connection_type() == ConnectionType::Close,
        }
    }

    /// The body, which has to be JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The problem's type without `/problems/`. Fails when the answer is no problem document that
    /// fits its status, or has members that none may have.
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let body = self.json();
        for member in body.as_object().unwrap().keys() {
            let known = ["type", "title", "status", "detail", "errors"];
            assert!(known.contains(&member.as_str()), "`{member}` in {self:?}");
        }
        assert_eq!(body["status"], self.status.as_u16(), "{self:?}");
        assert!(body["title"].is_string(), "{self:?}");
        let slug = body["type"].as_str().unwrap().strip_prefix("/problems/");
        slug.unwrap().to_owned()
    }

    /// Fails unless this is a problem of this type with this status.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, slug: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.problem(), slug, "{self:?}");
    }

    /// The fields that a problem names, each with what is wrong.
    pub(crate) fn errors(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.json()["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("no field is named: {self:?}"))
            .iter()
            .map(|error| (text(&error["field"]), text(&error["problem"])))
            .collect()
    }

    /// The names of the fields that a problem names.
    pub(crate) fn fields(&self) -> Vec<String> {
        self.errors().into_iter().map(|(field, _)| field).collect()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, self.text())
    }
}
