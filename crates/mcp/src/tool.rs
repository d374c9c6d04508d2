use keyward_auth::{Permit, Principal, RequiredScope, Scope};
use rmcp::handler::server::tool::{schema_for_input, schema_for_output};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::Failure;
use crate::services::McpServices;

type Run<S> =
    dyn Fn(&McpServices<S>, Principal, JsonObject) -> Result<Value, Failure> + Send + Sync;

/// One tool: what clients are told of it, which scope it needs, and what it does.
pub(crate) struct Declared<S> {
    pub(crate) tool: Tool,
    scope: Option<Scope>,
    run: Box<Run<S>>,
}

/// What a tool does, with the permit that its scope gives.
type Handler<S, Needed, In, Out> =
    fn(&McpServices<S>, &Permit<Needed>, &In) -> Result<Out, Failure>;

impl<S: 'static> Declared<S> {
    /// Declares a tool. Its policy is the type of the handler's permit, and its schemas are those
    /// of the handler's arguments and result.
    #[expect(
        clippy::expect_used,
        reason = "a schema is made from a type, and tests make those of all tools"
    )]
    pub(crate) fn new<Needed: RequiredScope, In, Out>(
        (name, description): (&'static str, &'static str),
        annotations: ToolAnnotations,
        handler: Handler<S, Needed, In, Out>,
    ) -> Self
    where
        In: DeserializeOwned + JsonSchema + 'static,
        Out: Serialize + JsonSchema + 'static,
    {
        let input = schema_for_input::<In>().expect("arguments are an object");
        Self {
            tool: Tool::new(name, description, input)
                .with_raw_output_schema(schema_for_output::<Out>())
                .with_annotations(annotations),
            scope: Needed::SCOPE,
            run: Box::new(move |services, caller, arguments| {
                let permit = caller.permit::<Needed>()?;
                let output = handler(services, &permit, &read(arguments)?)?;
                serde_json::to_value(output).map_err(|_| Failure::internal())
            }),
        }
    }

    /// Whether the caller's key opens it. Only for lists: a call asks again.
    pub(crate) fn is_open_to(&self, caller: &Principal) -> bool {
        self.scope
            .is_none_or(|scope| caller.key.scopes.contains(scope))
    }

    pub(crate) fn call(
        &self,
        services: &McpServices<S>,
        caller: Principal,
        arguments: JsonObject,
    ) -> Result<Value, Failure> {
        (self.run)(services, caller, arguments)
    }
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
