use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use keyward_auth::{Permit, Principal, RequiredScope, Scope};
use keyward_credentials::CallServices;
use rmcp::handler::server::tool::{schema_for_input, schema_for_output};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::Failure;
use crate::services::McpServices;

/// What a call of a tool does.
pub(crate) enum Run<S> {
    /// Asks the storage, on a thread that may wait.
    Storage(Box<AskStorage<S>>),
    /// Asks another service, and waits for it without a thread.
    Service(Box<AskService>),
}

type AskStorage<S> = dyn Fn(&McpServices<S>, Principal, JsonObject) -> Outcome + Send + Sync;
type AskService =
    dyn Fn(&Arc<dyn CallServices>, Principal, JsonObject) -> Later<Value> + Send + Sync;
type Outcome = Result<Value, Failure>;
/// What a tool gives back when another service has answered.
pub(crate) type Later<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// One tool: what clients are told of it, which scope it needs, and what it does.
pub(crate) struct Declared<S> {
    pub(crate) tool: Tool,
    scope: Option<Scope>,
    pub(crate) run: Run<S>,
}

/// What a tool does, with the permit that its scope gives.
type Handler<S, Needed, In, Out> =
    fn(&McpServices<S>, &Permit<Needed>, &In) -> Result<Out, Failure>;

/// The same for a tool that asks another service.
type Asking<Needed, In, Out> = fn(&Arc<dyn CallServices>, Permit<Needed>, In) -> Later<Out>;

impl<S: 'static> Declared<S> {
    /// Declares a tool. Its policy is the type of the handler's permit, and its schemas are those
    /// of the handler's arguments and result.
    pub(crate) fn new<Needed: RequiredScope, In, Out>(
        (name, description): (&'static str, &'static str),
        annotations: ToolAnnotations,
        handler: Handler<S, Needed, In, Out>,
    ) -> Self
    where
        In: DeserializeOwned + JsonSchema + 'static,
        Out: Serialize + JsonSchema + 'static,
    {
        Self {
            tool: described::<In, Out>(name, description, annotations),
            scope: Needed::SCOPE,
            run: Run::Storage(Box::new(move |services, caller, arguments| {
                let permit = caller.permit::<Needed>()?;
                let output = handler(services, &permit, &read(arguments)?)?;
                serde_json::to_value(output).map_err(|_| Failure::internal())
            })),
        }
    }

    /// Declares a tool that asks another service.
    pub(crate) fn asking<Needed: RequiredScope, In, Out>(
        (name, description): (&'static str, &'static str),
        annotations: ToolAnnotations,
        handler: Asking<Needed, In, Out>,
    ) -> Self
    where
        In: DeserializeOwned + JsonSchema + 'static,
        Out: Serialize + JsonSchema + 'static,
    {
        Self {
            tool: described::<In, Out>(name, description, annotations),
            scope: Needed::SCOPE,
            run: Run::Service(Box::new(move |calls, caller, arguments| {
                let ready = caller.permit::<Needed>().map_err(Failure::from);
                let asked = ready.and_then(|permit| Ok((permit, read(arguments)?)));
                let answering = asked.map(|(permit, input)| handler(calls, permit, input));
                Box::pin(async move {
                    let output = answering?.await?;
                    serde_json::to_value(output).map_err(|_| Failure::internal())
                })
            })),
        }
    }

    /// Whether the caller's key opens it. Only for lists: a call asks again.
    pub(crate) fn is_open_to(&self, caller: &Principal) -> bool {
        self.scope
            .is_none_or(|scope| caller.key.scopes.contains(scope))
    }
}

#[expect(
    clippy::expect_used,
    reason = "a schema is made from a type, and tests make those of all tools"
)]
fn described<In: JsonSchema + 'static, Out: JsonSchema + 'static>(
    name: &'static str,
    description: &'static str,
    annotations: ToolAnnotations,
) -> Tool {
    let input = schema_for_input::<In>().expect("arguments are an object");
    Tool::new(name, description, input)
        .with_raw_output_schema(schema_for_output::<Out>())
        .with_annotations(annotations)
}

/// Says which argument does not fit, and never what it holds: that can be anything.
fn read<In: DeserializeOwned>(arguments: JsonObject) -> Result<In, Failure> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let path = error.path().to_string();
        let text = error.into_inner().to_string();
        Failure::arguments(if text.starts_with("missing field") {
            text
        } else if text.starts_with("unknown field") {
            "there is an argument that this tool does not have".to_owned()
        } else {
            format!("the argument `{path}` does not fit the schema of this tool")
        })
    })
}
