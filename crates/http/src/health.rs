use std::sync::Arc;

use actix_web::{HttpResponse, Resource, Route, web};
use keyward_admission::{Lane, Single};

use crate::Problem;
use crate::lanes::READINESS;
use crate::services::{Aid, ApiStore, Services};

/// `/health/live`: the process runs. `/health/ready`: its storage also answers and takes changes; `degraded`
/// when something is missing that it can do without.
pub(crate) fn mount<S: ApiStore>(services: &Arc<Services<S>>, config: &mut web::ServiceConfig) {
    config.service(open("/health/live", web::get().to(async || fine())));
    let readiness = Arc::new(Readiness {
        services: Arc::clone(services),
        lane: Lane::new(READINESS, 0),
        single: Single::default(),
    });
    let ready = web::get().to(move || {
        let readiness = Arc::clone(&readiness);
        async move { readiness.answer().await }
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

/// Whether the storage answers. It is asked in a lane of its own, because the answer matters most
/// when all others are full; and anybody may ask, so many share one answer.
struct Readiness<S> {
    services: Arc<Services<S>>,
    lane: Lane,
    single: Single<bool>,
}

impl<S: ApiStore> Readiness<S> {
    async fn answer(&self) -> Result<HttpResponse, Problem> {
        if self.single.ask(|| self.ask()).await {
            Ok(with_aids(&self.services.aids))
        } else {
            Err(Problem::unavailable())
        }
    }

    async fn ask(&self) -> bool {
        let services = Arc::clone(&self.services);
        match self.lane.run(move || services.store.health()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                let cause = keyward_core::with_causes(&error);
                tracing::error!(%cause, "not ready");
                false
            }
            Err(error) => {
                tracing::error!(%error, "not ready");
                false
            }
        }
    }
}

fn with_aids(aids: &[Aid]) -> HttpResponse {
    if aids.is_empty() {
        return fine();
    }
    let mut status = "ok";
    let mut members = serde_json::Map::new();
    for aid in aids {
        let is_well = (aid.is_well)();
        if !is_well {
            status = "degraded";
        }
        let state = if is_well { "ok" } else { "unavailable" };
        members.insert(aid.name.to_owned(), state.into());
    }
    members.insert("status".to_owned(), status.into());
    HttpResponse::Ok().json(members)
}

fn fine() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(r#"{"status":"ok"}"#)
}
