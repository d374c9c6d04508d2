//! Puts the crates together: keys, store, services.

use std::sync::Arc;

use keyward_audit::{AuditLog, ReadAudit, VerifyAudit};
use keyward_auth::{Authenticate, LastUsed, ManageKeys, ManageUsers, Setup};
use keyward_core::{Clock, Store as _, SystemClock, with_causes};
use keyward_credentials::{AccessCredential, CredentialScope, ManageCredentials};
use keyward_crypto::{KeyRing, MacRing, Passwords};
use keyward_http::Services;
use keyward_store_diesel::{ConnectError, DieselStore, MigrateError, MigrationReport, Options};

use crate::exit::Failure;
use crate::key_check;
use crate::settings::{self, Settings};
use crate::startup;

/// An installation whose keys fit its database and whose schema is up to date.
pub(crate) struct Installation {
    pub(crate) store: DieselStore,
    pub(crate) migrated: MigrationReport,
    fields: KeyRing,
    macs: MacRing,
    clock: Arc<dyn Clock>,
    passwords: Arc<Passwords>,
    scope: CredentialScope,
}

impl Installation {
    /// Opens the database. Until its keys are known to be the right ones, not a byte of it changes.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Failure> {
        let prepared = startup::prepare(settings)?;
        let (fields, macs) = (prepared.keys.fields, prepared.keys.macs);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = DieselStore::connect(&prepared.database, Options::default())
            .map_err(|error| unreachable(&error))?;
        let stored = store
            .key_checks_before_migration()
            .map_err(|error| broken(&error))?;
        key_check::verify(&stored, &fields, &macs).map_err(Failure::configuration)?;
        let migrated = store.migrate().map_err(|error| not_migrated(&error))?;
        store
            .write(|tx| key_check::keep(tx, &fields, &macs, clock.now()))
            .map_err(|error| broken(&error))?;
        Ok(Self {
            store,
            migrated,
            fields,
            macs,
            clock,
            passwords: Arc::new(Passwords::new()),
            scope: match settings.credential_scope {
                settings::CredentialScope::Global => CredentialScope::Global,
                settings::CredentialScope::Owner => CredentialScope::Owner,
            },
        })
    }

    /// The service that makes the first administrator.
    pub(crate) fn setup(&self) -> Setup<DieselStore> {
        Setup::new(
            self.store.clone(),
            self.macs.clone(),
            Arc::clone(&self.passwords),
            self.audit(),
            Arc::clone(&self.clock),
        )
    }

    /// The service that checks the audit chain.
    pub(crate) fn verify_audit(&self) -> VerifyAudit<DieselStore> {
        VerifyAudit::new(self.store.clone(), self.macs.clone())
    }

    /// The services behind the HTTP API.
    pub(crate) fn services(&self, last_used: &Arc<LastUsed>) -> Services<DieselStore> {
        let (store, clock, macs) = (
            || self.store.clone(),
            || Arc::clone(&self.clock),
            || self.macs.clone(),
        );
        let fields = || self.fields.clone();
        Services {
            store: store(),
            macs: macs(),
            authenticate: Authenticate::new(store(), macs(), clock(), Arc::clone(last_used)),
            users: ManageUsers::new(
                store(),
                macs(),
                Arc::clone(&self.passwords),
                self.audit(),
                clock(),
            ),
            keys: ManageKeys::new(store(), macs(), self.audit(), clock()),
            credentials: ManageCredentials::new(
                store(),
                fields(),
                macs(),
                self.audit(),
                clock(),
                self.scope,
            ),
            access: AccessCredential::new(store(), fields(), macs(), self.audit(), self.scope),
            audit: ReadAudit::new(store()),
        }
    }

    fn audit(&self) -> AuditLog {
        AuditLog::new(self.macs.clone(), Arc::clone(&self.clock))
    }
}

fn unreachable(error: &ConnectError) -> Failure {
    let text = with_causes(error);
    match error {
        ConnectError::Setting { .. } => Failure::configuration(text),
        _ => Failure::unavailable(format!(
            "{text}; check DATABASE_URL and that the database runs"
        )),
    }
}

fn not_migrated(error: &MigrateError) -> Failure {
    match error {
        MigrateError::NewerSchema { .. } => Failure::configuration(error),
        MigrateError::Connect(error) => unreachable(error),
        _ => Failure::unavailable(with_causes(error)),
    }
}

/// The database is there but does not do what it is asked.
pub(crate) fn broken(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::unavailable(with_causes(error))
}
