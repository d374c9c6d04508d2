use actix_web::dev::ServiceRequest;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpResponse, web};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{Problem, health};

/// `/openapi.json`, and a page at `/docs` that shows it. Everything the page loads comes from
/// this server.
pub(crate) fn mount(json: web::Bytes, config: &mut web::ServiceConfig) {
    let document = web::get().to(move || {
        let json = json.clone();
        async {
            HttpResponse::Ok()
                .content_type("application/json")
                .body(json)
        }
    });
    config.service(health::open("/openapi.json", document));
    let page = SwaggerUi::new("/{_:.*}").config(
        Config::from("/openapi.json")
            .persist_authorization(false)
            .validator_url("none"),
    );
    config.service(web::redirect("/docs", "/docs/"));
    config.service(
        web::scope("/docs")
            .wrap(from_fn(allow_page))
            .service(page)
            .default_service(web::to(async || {
                Err::<HttpResponse, _>(Problem::not_found())
            })),
    );
}

async fn allow_page(
    request: ServiceRequest,
    next: Next<impl actix_web::body::MessageBody>,
) -> Result<actix_web::dev::ServiceResponse<impl actix_web::body::MessageBody>, actix_web::Error> {
    let mut response = next.call(request).await?;
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, PAGE_POLICY);
    Ok(response)
}

/// Scripts and requests only to this server. The page sets styles from its scripts.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);
