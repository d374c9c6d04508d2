//! What backups need: the tables and their rows as JSON, and a schema that is built anew.

mod catalog;
mod rebuild;
mod replaced;
mod snapshot;
mod steps;
