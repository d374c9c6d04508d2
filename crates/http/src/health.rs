use std::sync::Arc;

use actix_web::{HttpResponse, Resource, Route, web};
use keyward_auth::Users as _;
use keyward_core::StoreError;

use crate::Problem;
use crate::services::{ApiStore, Services};

/// `/health/live`: the process runs. `/health/ready`: it can also reach its storage.
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
    let asked = web::block(move || services.store.lookup(|tx| tx.any_user())).await;
    let known: Result<bool, StoreError> = asked.map_err(|_| Problem::internal())?;
    known?;
    Ok(fine())
}

fn fine() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(r#"{"status":"ok"}"#)
}
