//! A backup that an older Keyward has made.

use keyward_auth::{Host, ManageUsers};
use keyward_backup::{
    ArchiveWriter, LoadError, Manifest, Rebuild as _, RebuildError, Snapshot as _,
};
use keyward_core::{Store as _, StoreError};
use keyward_crypto::{Context, EncryptedString};
use keyward_store_diesel::DieselStore;
use keyward_store_diesel::testing::TestDatabase;

use crate::support::{macs, on_both, sign, user};
use crate::vault::{Vault, other_kind};

on_both![
    a_backup_of_an_older_schema_is_brought_up_to_date,
    a_backup_with_a_table_that_is_missing_or_unknown_is_refused,
];

fn a_backup_of_an_older_schema_is_brought_up_to_date(database: &TestDatabase) {
    let vault = Vault::new(database);
    let backup = old_backup(&vault, |_| ());
    let verified = vault.verify(&backup).unwrap();
    assert_eq!(verified.findings(), []);
    assert_eq!(verified.manifest().migrations, OLD);

    let target = other_kind(database);
    let copy = vault.world.on(&target);
    vault
        .restore_verified(&backup, &verified, &copy, false)
        .unwrap();
    assert_eq!(copy.store.pending_migrations().unwrap(), [""; 0]);
    let users = ManageUsers::new(copy.environment());
    assert_eq!(users.list(&Host, None, 10).unwrap().len(), 1);
}

fn a_backup_with_a_table_that_is_missing_or_unknown_is_refused(database: &TestDatabase) {
    let vault = Vault::new(database);
    let without = old_backup(&vault, |manifest| {
        manifest.rows.remove("credentials");
    });
    assert!(vault.verify(&without).is_err());
    let more = old_backup(&vault, |manifest| {
        manifest.rows.insert("login_tickets".to_owned(), 0);
    });
    assert!(vault.verify(&more).is_err());
    let other_columns = old_backup(&vault, |manifest| {
        manifest.migrations.pop();
        manifest.rows.remove("key_checks");
        manifest.migrations.push("0005".to_owned());
    });
    assert!(vault.verify(&other_columns).is_err());
    let newer = old_backup(&vault, |manifest| {
        manifest.migrations.push("0999".to_owned());
    });
    let error = vault.verify(&newer).unwrap_err();
    let keyward_backup::VerifyError::Load(LoadError::Rebuild(RebuildError::NewerBackup(unknown))) =
        error
    else {
        panic!("{error}");
    };
    assert_eq!(unknown, ["0999"]);
}

/// What a Keyward of that schema would have written: one user, and checks of both keys.
fn old_backup(vault: &Vault, change: impl FnOnce(&mut Manifest)) -> Vec<u8> {
    let place = TestDatabase::sqlite();
    let old = vault.world.on(&place).store;
    fill(&old, vault);
    let backup = old.read(|tx| {
        let contents = tx.contents()?;
        let mut manifest = Manifest {
            format: Manifest::FORMAT,
            keyward: "0.0.1".to_owned(),
            created_at: vault.world.now(),
            database: "sqlite".to_owned(),
            migrations: contents.migrations,
            rows: contents
                .tables
                .iter()
                .map(|table| (table.name.clone(), table.rows))
                .collect(),
            field_keys: Vec::new(),
            secret_keys: Vec::new(),
            audit_anchor: None,
        };
        change(&mut manifest);
        let mut writer = ArchiveWriter::begin(Vec::new(), &vault.recipients, &manifest).unwrap();
        for table in &contents.tables {
            writer.table(&table.name, &table.columns).unwrap();
            tx.each_row(table, &mut |row| {
                writer.row(row).unwrap();
                std::ops::ControlFlow::Continue(())
            })?;
        }
        Ok::<_, StoreError>(writer.finish().unwrap())
    });
    backup.unwrap()
}

fn fill(old: &DieselStore, vault: &Vault) {
    let environment = vault.world.environment();
    let user = sign(user());
    let row = user.unverified();
    let users = serde_json::json!([
        row.id.to_string(),
        row.username.as_str(),
        "human",
        "normal",
        "active",
        null,
        "Ada",
        "",
        row.created_at.0,
        1,
        user.mac().as_stored(),
    ]);
    let head = serde_json::json!([1, 0, "", ""]);
    let check = |kid: &str, sealed: &EncryptedString| {
        serde_json::json!([kid, sealed.as_stored(), 1]).to_string()
    };
    let sealed = |kid: &str| {
        let context = Context::new("key_checks", "sealed", kid, "");
        environment.fields.seal("keyward key check 1", &context, 1)
    };
    let (field, secret) = (environment.fields.active(), macs().active());
    let checks = [field.as_str(), secret.as_str()].map(|kid| check(kid, &sealed(kid)));
    let done = old.write(|tx| {
        tx.rebuild(&OLD.map(str::to_owned))?;
        tx.load(
            "users",
            &USER_COLUMNS.map(str::to_owned),
            &[users.to_string()],
        )?;
        let columns = ["kid", "sealed", "created_at"].map(str::to_owned);
        tx.load("key_checks", &columns, &checks)?;
        let columns = ["id", "seq", "last_mac", "mac"].map(str::to_owned);
        tx.load("audit_head", &columns, &[head.to_string()])
    });
    done.unwrap();
}

const OLD: [&str; 4] = ["0001", "0002", "0003", "0004"];
const USER_COLUMNS: [&str; 11] = [
    "id",
    "username",
    "kind",
    "role",
    "status",
    "password_hash",
    "first_name",
    "last_name",
    "created_at",
    "version",
    "row_mac",
];
