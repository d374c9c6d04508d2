use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use keyward_auth::needs::Admin;

use crate::Problem;
use crate::api::bearer;
use crate::health::open;
use crate::lanes::{Lanes, Work};
use crate::services::{ApiStore, Services};

/// What `/metrics` shows, in the text format of Prometheus, and to whom.
#[derive(Clone)]
pub struct Metrics {
    render: Arc<dyn Fn() -> String + Send + Sync>,
    is_open: bool,
}

impl Metrics {
    /// What `render` writes, for keys with the scope `admin`.
    pub fn new(render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self {
            render: Arc::new(render),
            is_open: false,
        }
    }

    /// For everybody who reaches the server.
    #[must_use]
    pub fn open_to_all(self) -> Self {
        Self {
            is_open: true,
            ..self
        }
    }

    pub(crate) fn mount<S: ApiStore>(
        &self,
        services: &Arc<Services<S>>,
        lanes: &Lanes,
        config: &mut web::ServiceConfig,
    ) {
        let (services, metrics, lanes) = (Arc::clone(services), self.clone(), lanes.clone());
        let route = web::get().to(move |request: HttpRequest| {
            let (services, metrics) = (Arc::clone(&services), metrics.clone());
            let lanes = lanes.clone();
            async move { metrics.answer(&request, services, &lanes).await }
        });
        config.service(open("/metrics", route));
    }

    async fn answer<S: ApiStore>(
        self,
        request: &HttpRequest,
        services: Arc<Services<S>>,
        lanes: &Lanes,
    ) -> Result<HttpResponse, Problem> {
        let key = if self.is_open {
            None
        } else {
            Some(bearer(request).ok_or_else(Problem::unauthenticated)?)
        };
        // Both may take a while: a question to the database, and a long text.
        let text = lanes.run(Work::Storage, move || {
            if let Some(key) = key {
                services.authenticate.principal(&key)?.permit::<Admin>()?;
            }
            Ok::<_, Problem>((self.render)())
        });
        let text = text.await??;
        Ok(HttpResponse::Ok().content_type(TEXT).body(text))
    }
}

/// The version of the format, as Prometheus asks for it.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
