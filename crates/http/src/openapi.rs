use actix_web::http::{Method, StatusCode};
use utoipa::ToSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required, ResponseBuilder,
};

use crate::answer::Answer;
use crate::api::PREFIX;
use crate::endpoint::{Access, Endpoint};
use crate::routes::schemas::Problem;

/// What the document says of one operation.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says one thing about it"
)]
pub(crate) struct OperationDoc {
    summary: &'static str,
    status: StatusCode,
    /// Another status with the same body.
    other: Option<StatusCode>,
    answer: Option<Shape>,
    pub(crate) body: Option<Shape>,
    /// The formats of the path's parameters, in order.
    pub(crate) path: Vec<&'static str>,
    pub(crate) paged: bool,
    /// Whether the list can be asked for what was imported under a number.
    pub(crate) by_legacy_id: bool,
    pub(crate) idempotent: bool,
    /// Whether attempts are counted.
    pub(crate) limited: bool,
    /// Whether a recent second factor, a person or an agent is asked for.
    pub(crate) sensitive: bool,
    /// Whether another service is asked.
    pub(crate) asks: bool,
    /// Whether it may be missing.
    pub(crate) optional: bool,
}

impl OperationDoc {
    pub(crate) fn new<Out: Answer>(summary: &'static str) -> Self {
        Self {
            summary,
            status: Out::STATUS,
            other: Out::OTHER,
            answer: Out::shape(),
            body: None,
            path: Vec::new(),
            paged: false,
            by_legacy_id: false,
            idempotent: false,
            limited: false,
            sensitive: false,
            asks: false,
            optional: false,
        }
    }
}

/// A JSON schema with all that it refers to.
pub(crate) struct Shape {
    name: String,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Shape {
    pub(crate) fn of<T: ToSchema>() -> Self {
        let name = T::name().into_owned();
        let mut schemas = vec![(name.clone(), T::schema())];
        T::schemas(&mut schemas);
        Self { name, schemas }
    }

    /// Whether a body of this shape has to be there: none counts as an empty object.
    fn required(&self) -> Required {
        let own = self.schemas.iter().find(|(name, _)| *name == self.name);
        match own {
            Some((_, RefOr::T(Schema::Object(object)))) if object.required.is_empty() => {
                Required::False
            }
            _ => Required::True,
        }
    }

    fn reference(&self) -> RefOr<Schema> {
        Ref::from_schema_name(&self.name).into()
    }
}

/// The OpenAPI 3.1 document of these endpoints.
pub(crate) fn document<S>(endpoints: &[Endpoint<S>]) -> OpenApi {
    let mut paths = Paths::new();
    let mut components = ComponentsBuilder::new().security_scheme(
        SECURITY,
        SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
    );
    components = components.schemas_from_iter(Shape::of::<Problem>().schemas);
    for endpoint in endpoints {
        let shapes = [&endpoint.doc.body, &endpoint.doc.answer];
        for shape in shapes.into_iter().flatten() {
            components = components.schemas_from_iter(shape.schemas.clone());
        }
        let path = format!("{PREFIX}{}", endpoint.route.path);
        paths.add_path_operation(
            path,
            vec![http_method(&endpoint.route.method)],
            operation(endpoint),
        );
    }
    let info = InfoBuilder::new()
        .title("Keyward")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

fn operation<S>(endpoint: &Endpoint<S>) -> Operation {
    let doc = &endpoint.doc;
    let mut operation = OperationBuilder::new()
        .tag(tag(endpoint.route.path))
        .operation_id(Some(operation_id(endpoint)))
        .summary(Some(doc.summary))
        .description(Some(needs(endpoint.route.access)));
    // An empty list says that the operation takes no key.
    let securities = match endpoint.route.access {
        Access::Open => Vec::new(),
        Access::Key(_) => vec![SecurityRequirement::new(SECURITY, [] as [&str; 0])],
    };
    operation = operation.securities(Some(securities));
    for parameter in parameters(endpoint) {
        operation = operation.parameter(parameter);
    }
    if let Some(body) = &doc.body {
        let content = ContentBuilder::new().schema(Some(body.reference())).build();
        let body = RequestBodyBuilder::new()
            .content("application/json", content)
            .required(Some(body.required()));
        operation = operation.request_body(Some(body.build()));
    }
    let mut success = ResponseBuilder::new().description("Success");
    if let Some(answer) = &doc.answer {
        let content = ContentBuilder::new()
            .schema(Some(answer.reference()))
            .build();
        success = success.content("application/json", content);
    }
    let success = success.build();
    if let Some(other) = doc.other {
        operation = operation.response(other.as_str(), success.clone());
    }
    operation = operation.response(doc.status.as_str(), success);
    for (status, description) in failures(endpoint) {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .build();
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", content)
            .build();
        operation = operation.response(status, response);
    }
    operation.build()
}

fn needs(access: Access) -> String {
    match access {
        Access::Open => "Takes no key.".to_owned(),
        Access::Key(None) => "Any valid key.".to_owned(),
        Access::Key(Some(scope)) => format!("Needs the scope `{scope}`."),
    }
}

fn parameters<S>(endpoint: &Endpoint<S>) -> Vec<Parameter> {
    let names = endpoint
        .route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = names.zip(&endpoint.doc.path).map(|(name, format)| {
        let schema = match *format {
            "uuid" => ObjectBuilder::new().schema_type(Type::String).format(Some(
                utoipa::openapi::SchemaFormat::Custom("uuid".to_owned()),
            )),
            _ => ObjectBuilder::new()
                .schema_type(Type::String)
                .pattern(Some("^[0-9A-Za-z]{16}$")),
        };
        parameter(name, ParameterIn::Path, Required::True, schema, "")
    });
    let mut all: Vec<_> = in_path.collect();
    all.extend(of_lists(&endpoint.doc));
    if endpoint.doc.idempotent {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(255));
        all.push(parameter(
            "Idempotency-Key",
            ParameterIn::Header,
            Required::False,
            schema,
            IDEMPOTENCY,
        ));
    }
    all
}

/// How to page through a list, and to filter it.
fn of_lists(doc: &OperationDoc) -> Vec<Parameter> {
    let mut all = Vec::new();
    if doc.paged {
        let limit = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(200));
        let cursor = ObjectBuilder::new().schema_type(Type::String);
        let (query, optional) = (ParameterIn::Query, Required::False);
        all.push(parameter(
            "limit",
            query.clone(),
            optional.clone(),
            limit,
            "Items per page, 50 if not given.",
        ));
        all.push(parameter(
            "cursor",
            query,
            optional,
            cursor,
            "The `next` of the page before.",
        ));
    }
    if doc.by_legacy_id {
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        all.push(parameter(
            "legacy_id",
            ParameterIn::Query,
            Required::False,
            number,
            "Only what was imported under this number.",
        ));
    }
    all
}

fn parameter(
    name: &str,
    place: ParameterIn,
    required: Required,
    schema: ObjectBuilder,
    description: &str,
) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description((!description.is_empty()).then_some(description))
        .schema(Some(schema.build()))
        .build()
}

/// What can go wrong, by what the endpoint takes.
fn failures<S>(endpoint: &Endpoint<S>) -> Vec<(&'static str, &'static str)> {
    let doc = &endpoint.doc;
    let has_body = doc.body.is_some();
    let creates = doc.idempotent;
    let all = [
        ("400", "Malformed", has_body || doc.paged || creates),
        ("401", "No valid key, or the login was rejected", true),
        (
            "403",
            "A scope or a recent second factor is missing, the key would be too strong, or this is not for callers of this kind",
            doc.sensitive || creates || matches!(endpoint.route.access, Access::Key(Some(_))),
        ),
        (
            "404",
            "No such thing",
            !doc.path.is_empty() || endpoint.route.path.ends_with("batch-delete"),
        ),
        (
            "408",
            "The body took too long to arrive",
            endpoint.route.method != Method::GET,
        ),
        (
            "409",
            "In conflict with the present state",
            endpoint.route.method != Method::GET,
        ),
        (
            "413",
            "The body is too large",
            endpoint.route.method != Method::GET,
        ),
        (
            "415",
            "The body is not JSON",
            endpoint.route.method != Method::GET,
        ),
        (
            "422",
            "Some fields are not valid, or the credential cannot be used as it is",
            has_body || doc.paged || doc.asks,
        ),
        ("429", "Too many attempts", doc.limited),
        ("500", "Keyward failed; the log says more", true),
        ("501", "This is not set up", doc.optional),
        (
            "502",
            "The service cannot be reached or understood",
            doc.asks,
        ),
        ("503", "The storage is unavailable; try again", true),
        ("504", "The service did not answer in time", doc.asks),
    ];
    all.into_iter()
        .filter_map(|(status, description, can)| can.then_some((status, description)))
        .collect()
}

fn tag(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

fn operation_id<S>(endpoint: &Endpoint<S>) -> String {
    let mut id = endpoint.route.method.as_str().to_ascii_lowercase();
    for part in endpoint
        .route
        .path
        .split('/')
        .filter(|part| !part.is_empty())
    {
        id.push('_');
        id.push_str(&part.replace(['{', '}'], "").replace('-', "_"));
    }
    id
}

fn http_method(method: &Method) -> HttpMethod {
    match method.as_str() {
        "POST" => HttpMethod::Post,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

const SECURITY: &str = "api_key";
const DESCRIPTION: &str = "Keeps the keys of an AI-agent platform. Every operation but the two steps of a login takes an API key as a bearer token. \
    Errors are problem documents (RFC 9457). A trailing slash is accepted everywhere.";
const IDEMPOTENCY: &str = "Names this attempt. A repeat within 24 hours gives the first answer again, except for what is \
    shown only once; the same key with another request is a conflict.";
