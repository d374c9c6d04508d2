use std::collections::BTreeMap;

use actix_web::http::Method;
use keyward_audit::Record;
use keyward_auth::Permit;
use keyward_auth::needs::AuditRead;
use keyward_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Problem;
use crate::answer::Found;
use crate::endpoint::Endpoint;
use crate::input::{Listing, Page, fetch};
use crate::services::{ApiStore, Services};

pub(crate) fn endpoints<S: ApiStore>() -> Vec<Endpoint<S>> {
    vec![Endpoint::new(
        Method::GET,
        "/audit",
        "What happened, newest first",
        list,
    )]
}

fn list<S: ApiStore>(
    services: &Services<S>,
    _: &Permit<AuditRead>,
    Page { limit, after }: Page<i64>,
) -> Result<Found<Listing<EventBody>>, Problem> {
    let found = services.audit.newest(after, fetch(limit))?;
    let found = found.into_iter().map(EventBody::from).collect();
    Ok(Found(Listing::cut(limit, found, |last: &EventBody| {
        last.seq.to_string()
    })))
}

/// One thing that happened.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventBody {
    /// Its place in the chain: 1, 2, 3, … without gaps.
    seq: i64,
    #[schema(value_type = String, format = "date-time")]
    at: Timestamp,
    actor: ActorBody,
    /// `object.verb`, such as `credential.access`.
    action: String,
    subject: SubjectBody,
    /// More, by name. Never a secret.
    details: BTreeMap<String, String>,
    request_id: Option<String>,
}

/// Who did it.
#[derive(Serialize, ToSchema)]
struct ActorBody {
    /// `human`, `agent`, `host` or `system`.
    kind: String,
    /// The user.
    id: Option<String>,
    /// The API key.
    key_id: Option<String>,
}

/// What it was done to.
#[derive(Serialize, ToSchema)]
struct SubjectBody {
    kind: String,
    id: String,
}

impl From<Record> for EventBody {
    fn from(record: Record) -> Self {
        let fields = record.fields;
        Self {
            seq: fields.seq,
            at: fields.at,
            actor: ActorBody {
                kind: fields.actor_kind,
                id: fields.actor_id,
                key_id: fields.actor_key,
            },
            action: fields.action,
            subject: SubjectBody {
                kind: fields.subject_kind,
                id: fields.subject_id,
            },
            // A row that somebody broke is still listed; `keyward audit verify` names it.
            details: serde_json::from_str(&fields.details).unwrap_or_default(),
            request_id: fields.request,
        }
    }
}
