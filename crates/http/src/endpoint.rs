use std::sync::Arc;

use actix_web::http::Method;
use keyward_auth::{MissingScope, Permit, RequiredScope, Scope, Visitor};
use keyward_crypto::ApiKey;

use crate::Problem;
use crate::answer::{Answer, Reply};
use crate::call::Call;
use crate::input::Input;
use crate::lanes::Work;
use crate::openapi::OperationDoc;
use crate::services::{ApiStore, Services};

/// One method on one path, with all that the router, the OpenAPI document and the tests need.
pub(crate) struct Endpoint<S> {
    pub(crate) route: Route<S>,
    pub(crate) doc: OperationDoc,
}

/// What is left of it when the document is written.
pub(crate) struct Route<S> {
    pub(crate) method: Method,
    /// Below `/api/v1`, with parameters as `{name}`.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) work: Work,
    pub(crate) run: Arc<Run<S>>,
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody: the routes by which people log in.
    Open,
    /// Who has a valid key, with this scope if there is one.
    Key(Option<Scope>),
}

/// What a route that takes no key does.
pub(crate) type OpenHandler<S, In, Out> = fn(&Services<S>, &Visitor, In) -> Result<Out, Problem>;

/// What a route does: plain values in, plain values out.
pub(crate) type Handler<S, Needed, In, Out> =
    fn(&Services<S>, &Permit<Needed>, In) -> Result<Out, Problem>;

/// Authenticates, checks the scope, reads the input, calls the handler, writes the answer.
pub(crate) type Run<S> = dyn Fn(&Services<S>, Call) -> Result<Reply, Problem> + Send + Sync;

impl<S: ApiStore> Endpoint<S> {
    /// Declares a route. The scope that it asks for is the type of the handler's permit; there is
    /// no way to leave it out.
    pub(crate) fn new<Needed: RequiredScope, In: Input + 'static, Out: Answer + 'static>(
        method: Method,
        path: &'static str,
        summary: &'static str,
        handler: Handler<S, Needed, In, Out>,
    ) -> Self {
        let mut doc = OperationDoc::new::<Out>(summary);
        In::describe(&mut doc);
        let route = Route {
            method,
            path,
            access: Access::Key(Needed::SCOPE),
            work: Work::Storage,
            run: Arc::new(move |services, call| {
                let key = call.key.as_ref().ok_or_else(Problem::unauthenticated)?;
                let mut principal = services.authenticate.principal(key)?;
                principal.request.clone_from(&call.request_id);
                let permit = principal
                    .permit::<Needed>()
                    .inspect_err(|missing| log_refusal(*missing, key, &call))?;
                let input = In::read(&call, &services.macs)?;
                handler(services, &permit, input)?.reply()
            }),
        };
        Self { route, doc }
    }

    /// Says that the route asks for a person, for an agent, or for a recent second factor.
    pub(crate) fn sensitive(mut self) -> Self {
        self.doc.sensitive = true;
        self
    }

    /// Says that the route asks another service.
    pub(crate) fn asking(mut self) -> Self {
        self.route.work = Work::Question;
        self.doc.asks = true;
        self.optional()
    }

    /// Says that not every program that mounts the API has what the route needs.
    pub(crate) fn optional(mut self) -> Self {
        self.doc.optional = true;
        self
    }

    /// Says that a password is hashed.
    pub(crate) fn hashing(mut self) -> Self {
        self.route.work = Work::Password;
        self
    }

    /// Says that attempts are counted.
    pub(crate) fn limited(mut self) -> Self {
        self.doc.limited = true;
        self
    }

    /// Declares a route that takes no key. Only logging in is one.
    pub(crate) fn open<In: Input + 'static, Out: Answer + 'static>(
        method: Method,
        path: &'static str,
        summary: &'static str,
        handler: OpenHandler<S, In, Out>,
    ) -> Self {
        let mut doc = OperationDoc::new::<Out>(summary);
        In::describe(&mut doc);
        let route = Route {
            method,
            path,
            access: Access::Open,
            work: Work::Storage,
            run: Arc::new(move |services, call| {
                let input = In::read(&call, &services.macs)?;
                handler(services, &call.visitor(), input)?.reply()
            }),
        };
        Self { route, doc }
    }
}

/// Tells an operator which key a client should have been given more with.
fn log_refusal(MissingScope(scope): MissingScope, key: &ApiKey, call: &Call) {
    tracing::info!(
        key = %key.id(),
        %scope,
        source = %call.source,
        request_id = call.request_id.as_deref().unwrap_or_default(),
        "refused: the key lacks the scope"
    );
}
