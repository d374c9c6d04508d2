use std::sync::Arc;

use keyward_http::{Checklist, ChecklistReport};

use crate::doctor;
use crate::settings::Settings;

/// The checklist of a server that runs, for `GET /api/v1/checklist`.
pub(super) struct ServingChecklist(Arc<Settings>);

impl ServingChecklist {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self(settings)
    }
}

impl Checklist for ServingChecklist {
    fn report(&self) -> ChecklistReport {
        doctor::while_serving(&self.0).report()
    }
}
