//! How the installation stands with the rules is for administrators.

use keyward_http::{Checklist, ChecklistItem, ChecklistReport};
use serde_json::json;

use crate::world::World;

/// A checklist that always says the same.
pub(crate) struct Fixed;

impl Checklist for Fixed {
    fn report(&self) -> ChecklistReport {
        ChecklistReport {
            environment: "production".to_owned(),
            pass: 0,
            warn: 1,
            fail: 0,
            skip: 0,
            waived: 0,
            checks: vec![ChecklistItem {
                id: "area.rule",
                title: "The rule holds",
                severity: "warning",
                asvs: "v5.0.0-1.1.1",
                outcome: "warn",
                evidence: "it could be better".to_owned(),
                fix: "make it better".to_owned(),
            }],
        }
    }
}

#[actix_web::test]
async fn the_checklist_is_shown_to_keys_of_administrators() {
    let world = World::new().await;
    let answer = world.get("/checklist").by(&world.admin).await;
    assert_eq!(
        answer.json(),
        json!({
            "environment": "production",
            "pass": 0, "warn": 1, "fail": 0, "skip": 0, "waived": 0,
            "checks": [{
                "id": "area.rule",
                "title": "The rule holds",
                "severity": "warning",
                "asvs": "v5.0.0-1.1.1",
                "outcome": "warn",
                "evidence": "it could be better",
                "fix": "make it better",
            }],
        })
    );
    let person = world.person("ada").await;
    let refused = world.get("/checklist").by(&person).await;
    refused.is_problem(403, "missing-scope");
    assert!(!refused.text().contains("area.rule"));
}
