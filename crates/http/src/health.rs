use std::sync::Arc;

use actix_web::{HttpResponse, Resource, Route, web};

use crate::Problem;
use crate::services::{ApiStore, Services};

/// `/health/live`: the process runs. `/health/ready`: its storage also answers and takes changes.
pub(crate) fn mount<S: ApiStore>(services: &Arc<Services<S>>, config: &mut web::ServiceConfig) {
    config.service(open("/health/live", web::get().to(async || fine())));
    let services = Arc::clone(services);
    let ready = web::get().to(move || {
        let services = Arc::clone(&services);
        async move { ready(services).await }
    });
    config.service(open("/health/ready", ready));
}

/// A path that takes GET without a key, with or without a slash at its end.
pub(crate) fn open(path: &str, get: Route) -> Resource {
    web::resource([path.to_owned(), format!("{path}/")])
        .route(get)
        .default_service(web::to(async || {
            Err::<HttpResponse, _>(Problem::method_not_allowed("GET".to_owned()))
        }))
}

async fn ready<S: ApiStore>(services: Arc<Services<S>>) -> Result<HttpResponse, Problem> {
    let asked = web::block(move || services.store.health()).await;
    asked.map_err(|_| Problem::internal())??;
    Ok(fine())
}

fn fine() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(r#"{"status":"ok"}"#)
}
