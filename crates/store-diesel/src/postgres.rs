mod server;
mod settings;

pub(crate) use server::Server;
pub(crate) use settings::{durability, open};
