use actix_web::http::Method;
use keyward_auth::Permit;
use keyward_auth::needs::Admin;

use crate::Problem;
use crate::answer::Found;
use crate::checklist::ChecklistReport;
use crate::endpoint::Endpoint;
use crate::services::{ApiStore, Services};

pub(crate) fn endpoints<S: ApiStore>() -> Vec<Endpoint<S>> {
    vec![
        Endpoint::new(
            Method::GET,
            "/checklist",
            "Whether this installation is a safe one, rule by rule",
            checklist,
        )
        .optional(),
    ]
}

fn checklist<S: ApiStore>(
    services: &Services<S>,
    _: &Permit<Admin>,
    (): (),
) -> Result<Found<ChecklistReport>, Problem> {
    let checklist = services.checklist.as_ref();
    let report = checklist.ok_or_else(Problem::no_checklist)?.report();
    Ok(Found(report))
}
