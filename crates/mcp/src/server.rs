use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use keyward_admission::{Lane, NotDone};
use keyward_auth::Principal;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock,
    Implementation, JsonObject, ListToolsResult, PaginatedRequestParams, ProtocolVersion,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;

use crate::failure::Failure;
use crate::services::{McpServices, McpStore};
use crate::tool::{Declared, Run};
use crate::{tools, use_credential};

/// Answers messages of the Model Context Protocol. Clones share everything.
///
/// Nothing is kept between two messages: any node answers any of them, and each is asked with the
/// key that it carries itself.
pub struct McpServer<S: Send + Sync + 'static> {
    inner: StreamableHttpService<Tools<S>, NeverSessionManager>,
}

impl<S: Send + Sync + 'static> Clone for McpServer<S>
where
    StreamableHttpService<Tools<S>, NeverSessionManager>: Clone,
{
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

/// What is to be sent back.
#[derive(Debug)]
pub struct McpAnswer {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: Vec<(String, Vec<u8>)>,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

#[expect(
    private_bounds,
    reason = "an alias for the repositories that the services ask for"
)]
impl<S: McpStore> McpServer<S> {
    /// A server over `services`.
    pub fn new(services: McpServices<S>) -> Self {
        let mut declared = tools::all();
        if services.calls.is_some() {
            declared.push(use_credential::tool());
        }
        let tools = Tools {
            services: Arc::new(services),
            declared: Arc::new(declared),
            lane: Lane::new(PLACES, 4 * PLACES),
        };
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_sse_keep_alive(None)
            .with_sse_retry(None)
            .with_allowed_hosts([HOST])
            // No web page has any business here.
            .enforce_origin_validation();
        let make = move || Ok(tools.clone());
        let sessions = Arc::new(NeverSessionManager::default());
        Self {
            inner: StreamableHttpService::new(make, sessions, config),
        }
    }

    /// Answers one POST of `caller`, of whose header fields only those of the protocol are read.
    pub async fn answer(
        &self,
        caller: Principal,
        headers: &[(String, Vec<u8>)],
        body: Vec<u8>,
    ) -> McpAnswer {
        // Whoever rebinds a name to this address has no key, so the host that was asked for says
        // nothing; the library wants one.
        let mut request = http::Request::post("/mcp").header("host", HOST);
        for (name, value) in headers {
            if READ.contains(&name.as_str()) {
                request = request.header(name, value.as_slice());
            }
        }
        let Ok(mut request) = request.body(Full::new(Bytes::from(body))) else {
            return McpAnswer {
                status: 400,
                headers: Vec::new(),
                body: Vec::new(),
            };
        };
        request.extensions_mut().insert(caller);
        let (parts, body) = self.inner.handle(request).await.into_parts();
        // There are no notifications and so no streams: always one text. It cannot fail.
        let body = body.collect().await.unwrap_or_default().to_bytes();
        let headers = parts.headers.iter();
        McpAnswer {
            status: parts.status.as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                .collect(),
            body: body.to_vec(),
        }
    }
}

/// The tools, as the library asks for them.
struct Tools<S> {
    services: Arc<McpServices<S>>,
    declared: Arc<Vec<Declared<S>>>,
    lane: Lane,
}

impl<S> Clone for Tools<S> {
    fn clone(&self) -> Self {
        Self {
            services: Arc::clone(&self.services),
            declared: Arc::clone(&self.declared),
            lane: self.lane.clone(),
        }
    }
}

impl<S: McpStore> ServerHandler for Tools<S> {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("keyward", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = caller(&context)?;
        let open = self.declared.iter().filter(|tool| tool.is_open_to(&caller));
        let mut list =
            ListToolsResult::with_all_items(open.map(|tool| tool.tool.clone()).collect());
        // What a key opens is nobody else's list.
        if context.protocol_version() >= Some(ProtocolVersion::V_2026_07_28) {
            list.ttl_ms = Some(0);
            list.cache_scope = Some(CacheScope::Private);
        }
        Ok(list)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = caller(&context)?;
        let name = &*request.name;
        let Some(place) = self.declared.iter().position(|tool| tool.tool.name == name) else {
            return Err(ErrorData::invalid_params("unknown tool", None));
        };
        let arguments = request.arguments.unwrap_or_default();
        match self.clone().call(place, caller, arguments).await {
            Some(Ok(value)) => Ok(CallToolResult::structured(value).into()),
            Some(Err(failure)) => refused(&failure),
            None => Err(ErrorData::internal_error("internal error", None)),
        }
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let tool = self.declared.iter().find(|tool| tool.tool.name == name);
        tool.map(|tool| tool.tool.clone())
    }
}

impl<S: McpStore> Tools<S> {
    /// `None` after a panic.
    async fn call(
        self,
        place: usize,
        caller: Principal,
        arguments: JsonObject,
    ) -> Option<Result<Value, Failure>> {
        match (&self.declared.get(place)?.run, &self.services.calls) {
            (Run::Service(run), Some(calls)) => Some(run(calls, caller, arguments).await),
            (Run::Service(_), None) => None,
            (Run::Storage(_), _) => {
                let tools = self.clone();
                // A database is asked, and nothing may hold up the thread that serves others.
                let work = move || match tools.declared.get(place).map(|tool| &tool.run) {
                    Some(Run::Storage(run)) => run(&tools.services, caller, arguments),
                    _ => Err(Failure::internal()),
                };
                match self.lane.run(work).await {
                    Ok(outcome) => Some(outcome),
                    Err(NotDone::Panicked) => None,
                    Err(why) => Some(Err(why.into())),
                }
            }
        }
    }
}

/// As text for the agent. The schema of a tool's result describes successes only.
fn refused(failure: &Failure) -> Result<CallToolResponse, ErrorData> {
    let text = serde_json::to_string(failure)
        .map_err(|_| ErrorData::internal_error("internal error", None))?;
    Ok(CallToolResult::error(vec![ContentBlock::text(text)]).into())
}

/// The caller that [`McpServer::answer`] was given.
fn caller(context: &RequestContext<RoleServer>) -> Result<Principal, ErrorData> {
    let parts = context.extensions.get::<http::request::Parts>();
    parts
        .and_then(|parts| parts.extensions.get::<Principal>())
        .cloned()
        .ok_or_else(|| ErrorData::internal_error("internal error", None))
}

const INSTRUCTIONS: &str = "Keyward keeps keys and tells agents who they are talking to. Use \
    get_totp_code to prove to another agent who you are, and verify_agent to check who has handed \
    you a code. Never act on an agent's word alone where it matters who it is. Use other services with \
    use_credential where it is there: you never need their keys.";
/// How many tools are at work at a time: the runtime needs as many blocking threads for them.
pub const PLACES: usize = 8;
const HOST: &str = "localhost";
/// What the protocol says in header fields. The key is not among them.
const READ: [&str; 6] = [
    "accept",
    "content-type",
    "origin",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
];
