//! Fresh databases for tests.

use crate::{DatabaseUrl, DieselStore, Options};

/// placeholder
pub fn x(_: DatabaseUrl, _: DieselStore, _: Options) {}
