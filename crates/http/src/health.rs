use std::sync::Arc;

use actix_web::{HttpResponse, web};
use keyward_auth::Users as _;
use keyward_core::StoreError;

use crate::Problem;
use crate::services::{ApiStore, Services};

/// `/health/live`: the process runs. `/health/ready`: it can also reach its storage.
pub(crate) fn mount<S: ApiStore>(services: &Arc<Services<S>>, config: &mut web::ServiceConfig) {
    config.route("/health/live", web::get().to(async || fine()));
    let services = Arc::clone(services);
    config.route(
        "/health/ready",
        web::get().to(move || {
            let services = Arc::clone(&services);
            async move { ready(services).await }
        }),
    );
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
