//! Makes cargo look again when a migration is added: `embed_migrations!` alone would not notice.

fn main() {
    println!("cargo:rerun-if-changed=migrations/sqlite");
    println!("cargo:rerun-if-changed=migrations/postgres");
}
