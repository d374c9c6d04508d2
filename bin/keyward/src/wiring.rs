//! Puts the crates together: keys, store, services.

use std::sync::Arc;

use keyward_audit::{ReadAudit, VerifyAudit};
use keyward_auth::{Advice, Environment, Housekeeping, LastUsed, Setup, TrustClock};
use keyward_broker::{AllowPrivate, Broker, Egress, Redirects};
use keyward_core::{Store as _, with_causes};
use keyward_credentials::{Caller, CredentialScope, ManageCredentials};
use keyward_crypto::{KeyId, PlainFernet};
use keyward_encryption::{
    KeepError, KitRegister, ManageEncryption, Reencrypt, ServingNode, keep, learn_audit_keys,
};
use keyward_http::{
    ApiOptions, Companion, CompanionAnswer, CompanionRequest, Relay, RelayRequest, Services,
};
use keyward_mcp::{McpServer, McpServices};
use keyward_pipelit::ImportPipelit;
use keyward_store_diesel::{ConnectError, DieselStore, MigrateError, MigrationReport, Options};

use crate::exit::Failure;
use crate::key_check;
use crate::settings::{self, Settings};
use crate::startup::{self, Prepared};

/// An installation whose keys fit its database and whose schema is up to date.
pub(crate) struct Installation {
    pub(crate) store: DieselStore,
    pub(crate) migrated: MigrationReport,
    environment: Environment<DieselStore>,
    options: ApiOptions,
}

impl Installation {
    /// Opens the database. Until its keys are known to be the right ones, not a byte of it changes.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Failure> {
        let mut installation = Self::connect(settings, startup::prepare(settings)?)?;
        installation.migrated = installation
            .store
            .migrate()
            .map_err(|error| not_migrated(&error))?;
        installation.keep_key_checks()?;
        installation.hold_time()?;
        Ok(installation)
    }

    /// Opens the database for a command that changes nothing: it is not migrated, and no key is
    /// generated.
    pub(crate) fn open_to_read(settings: &Settings) -> Result<Self, Failure> {
        let mut installation = Self::connect(settings, startup::prepare_to_read(settings)?)?;
        let pending = installation
            .store
            .pending_migrations()
            .map_err(|error| broken(&error))?;
        if pending.is_empty() {
            installation.learn_audit_keys()?;
            installation.hold_time()?;
            return Ok(installation);
        }
        Err(Failure::configuration(format!(
            "the schema of {} is not up to date (not applied yet: {}), and this command changes \
             nothing; run `keyward migrate` first",
            installation.store.url().label(),
            pending.join(", ")
        )))
    }

    /// Opens the database for a command that replaces its content: the keys need not be those of
    /// what is there, and no key is generated.
    pub(crate) fn open_to_restore(settings: &Settings) -> Result<Self, Failure> {
        Self::unchecked(settings, startup::prepare_to_restore(settings)?)
    }

    fn connect(settings: &Settings, prepared: Prepared) -> Result<Self, Failure> {
        let installation = Self::unchecked(settings, prepared)?;
        let Environment { fields, macs, .. } = &installation.environment;
        key_check::verify(&installation.store, fields, macs)
            .map_err(|error| broken(&error))?
            .map_err(Failure::configuration)?;
        Ok(installation)
    }

    fn unchecked(settings: &Settings, prepared: Prepared) -> Result<Self, Failure> {
        let store = DieselStore::connect(&prepared.database, Options::default())
            .map_err(|error| unreachable(&error))?;
        let environment = Environment {
            totp_window: settings.totp_window,
            ..Environment::new(store.clone(), prepared.keys.fields, prepared.keys.macs)
        };
        Ok(Self {
            store,
            migrated: MigrationReport {
                applied: Vec::new(),
            },
            environment,
            options: ApiOptions {
                credential_scope: match settings.credential_scope {
                    settings::CredentialScope::Global => CredentialScope::Global,
                    settings::CredentialScope::Owner => CredentialScope::Owner,
                },
                require_audience: settings.agent_require_audience,
            },
        })
    }

    fn keep_key_checks(&self) -> Result<(), Failure> {
        let Environment {
            fields,
            macs,
            clock,
            ..
        } = &self.environment;
        self.store
            .write(|tx| keep(tx, fields, macs, clock.now()))
            .map_err(|error| match error {
                KeepError::Refused(error) => Failure::configuration(error),
                KeepError::Store(error) => broken(&error),
            })?;
        self.learn_audit_keys()
    }

    /// What had ended before stays ended, though the clock was set back since.
    fn hold_time(&mut self) -> Result<(), Failure> {
        let steady = self.environment.clone().steady();
        self.environment = steady.map_err(|error| broken(&error))?;
        Ok(())
    }

    /// Says so when everything ends by a later time than that of the machine.
    pub(crate) fn tell_of_held_time(&self) {
        let clock = &self.environment.clock;
        let seconds = clock.now().0.saturating_sub(clock.shown().0);
        if seconds > 0 {
            tracing::warn!(
                seconds,
                "the clock is behind what was seen before, so ends and locks go by the later time; \
                 if the clock is right now, stop all servers and run `keyward clock trust`"
            );
        }
    }

    /// What retired secrets have signed of the audit log can be verified from here on.
    fn learn_audit_keys(&self) -> Result<(), Failure> {
        let Environment { fields, macs, .. } = &self.environment;
        self.store
            .lookup(|tx| learn_audit_keys(tx, fields, macs))
            .map_err(|error| broken(&error))
    }

    /// What services work with.
    pub(crate) fn environment(&self) -> Environment<DieselStore> {
        self.environment.clone()
    }

    /// Has services ask and tell other nodes by `advice`.
    pub(crate) fn advised_by(&mut self, advice: Arc<dyn Advice>) {
        self.environment.advice = advice;
    }

    /// The service that reads the audit log.
    pub(crate) fn read_audit(&self) -> ReadAudit<DieselStore> {
        ReadAudit::new(self.store.clone())
    }

    /// The service that keeps credentials.
    pub(crate) fn credentials(&self) -> ManageCredentials<DieselStore> {
        ManageCredentials::new(&self.environment, self.options.credential_scope)
    }

    /// The service that makes the first administrator.
    pub(crate) fn setup(&self) -> Setup<DieselStore> {
        Setup::new(self.environment())
    }

    /// The service that moves encryption keys from state to state.
    pub(crate) fn encryption(&self) -> ManageEncryption<DieselStore> {
        ManageEncryption::new(self.environment())
    }

    /// The service that moves values to the active key.
    pub(crate) fn reencrypt(&self, worker: &str) -> Reencrypt<DieselStore> {
        Reencrypt::new(self.environment(), worker)
    }

    /// This process among those that serve.
    pub(crate) fn node(&self, name: &str) -> ServingNode<DieselStore> {
        ServingNode::new(self.environment(), name)
    }

    /// The service that takes over what Pipelit keeps under these keys.
    pub(crate) fn import_pipelit(&self, keys: PlainFernet) -> ImportPipelit<DieselStore> {
        ImportPipelit::new(self.environment(), keys)
    }

    /// The service that writes down which recovery kits were made.
    pub(crate) fn kit_register(&self) -> KitRegister<DieselStore> {
        KitRegister::new(self.environment())
    }

    /// The keys that it was opened with: for fields, then for MACs, each newest first.
    pub(crate) fn key_ids(&self) -> Vec<KeyId> {
        let Environment { fields, macs, .. } = &self.environment;
        fields.ids().chain(macs.ids()).collect()
    }

    /// The service that has servers go by the clock of this machine again.
    pub(crate) fn trust_clock(&self) -> TrustClock<DieselStore> {
        TrustClock::new(self.environment())
    }

    /// The service that drops what nobody needs any more.
    pub(crate) fn housekeeping(&self) -> Housekeeping<DieselStore> {
        Housekeeping::new(self.environment())
    }

    /// The service that checks the audit chain.
    pub(crate) fn verify_audit(&self) -> VerifyAudit<DieselStore> {
        VerifyAudit::new(self.store.clone(), self.environment.macs.clone())
    }

    /// The services behind the HTTP API.
    pub(crate) fn services(&self, last_used: Arc<LastUsed>) -> Services<DieselStore> {
        Services::new(&self.environment, self.options, last_used)
    }

    /// What passes requests on to the services of credentials.
    pub(crate) fn broker(
        &self,
        allow: AllowPrivate,
        last_used: Arc<LastUsed>,
    ) -> Result<Broker, Failure> {
        let (scope, egress) = (self.options.credential_scope, Egress::new(allow));
        Broker::start(&self.environment, scope, last_used, egress, BROKER)
            .map_err(|error| Failure::unavailable(format!("cannot start the broker: {error}")))
    }

    /// The tools for agents, at `/mcp`.
    pub(crate) fn mcp(&self, broker: Broker) -> Companion {
        let (scope, require) = (self.options.credential_scope, self.options.require_audience);
        let services =
            McpServices::new(&self.environment, scope, require).calling(Arc::new(broker));
        let server = McpServer::new(services);
        Companion::new("/mcp", move |request: CompanionRequest| {
            let server = server.clone();
            async move {
                let CompanionRequest {
                    caller,
                    headers,
                    body,
                } = request;
                let answer = server.answer(caller, &headers, body).await;
                CompanionAnswer {
                    status: answer.status,
                    headers: answer.headers,
                    body: answer.body,
                }
            }
        })
    }
}

/// Where the broker is reached.
pub(crate) fn relay(broker: Broker) -> Relay {
    Relay::new(BROKER, move |asked: RelayRequest| {
        let broker = broker.clone();
        async move {
            let RelayRequest {
                key,
                carries_key,
                request_id,
                which,
                request,
            } = asked;
            let caller = Caller::Key {
                key,
                request: request_id,
            };
            let redirects = if carries_key {
                Redirects::Shown
            } else {
                Redirects::Passed
            };
            broker.relay(caller, which, redirects, request).await
        }
    })
}

/// Where clients reach the broker.
pub(crate) const BROKER: &str = "/broker";

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
