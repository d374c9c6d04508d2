use crate::exit::{Exit, Failure};
use crate::terminal;

/// `keyward openapi`: prints the OpenAPI document. Needs no database.
pub(crate) fn openapi() -> Result<Exit, Failure> {
    let document = keyward_http::openapi::<keyward_store_diesel::DieselStore>();
    let json = serde_json::to_string_pretty(&document).map_err(Failure::unavailable)?;
    terminal::print(&(json + "\n"))?;
    Ok(Exit::Done)
}
