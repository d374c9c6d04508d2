mod file;
mod settings;

pub(crate) use file::{create_private, inspection_uri, open_uri};
pub(crate) use settings::{durability, open};
