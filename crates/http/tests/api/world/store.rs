use std::fmt::Write as _;

use keyward_agents::Agents;
use keyward_audit::AuditEvents;
use keyward_auth::{
    ApiKeys, AttemptLimits, IdempotencyKeys, LimitSubject, LoginTickets, SecondFactors, UserId,
    Users,
};
use keyward_core::{Store, StoreError};
use keyward_credentials::Credentials;
use keyward_encryption::{EncryptionKeys, SealedValues};

/// A unit of work on whatever storage there is.
pub(crate) trait AnyTx:
    Users
    + Agents
    + ApiKeys
    + AttemptLimits
    + SecondFactors
    + LoginTickets
    + IdempotencyKeys
    + AuditEvents
    + Credentials
    + EncryptionKeys
    + SealedValues
{
}

impl<Tx> AnyTx for Tx where
    Tx: Users
        + Agents
        + ApiKeys
        + AttemptLimits
        + SecondFactors
        + LoginTickets
        + IdempotencyKeys
        + AuditEvents
        + Credentials
        + EncryptionKeys
        + SealedValues
{
}

type Work<'a> = &'a mut dyn FnMut(&mut dyn AnyTx) -> Result<(), StoreError>;
type RunWrite = dyn Fn(Work<'_>) -> Result<(), StoreError> + Send + Sync;

/// Any storage behind one type.
pub(crate) struct AnyStore(Box<RunWrite>);

impl AnyStore {
    pub(crate) fn new<S: Store<Tx: AnyTx>>(store: S) -> Self {
        Self(Box::new(move |work| store.write(|tx: &mut S::Tx| work(tx))))
    }

    pub(crate) fn write<T>(
        &self,
        mut work: impl FnMut(&mut dyn AnyTx) -> Result<T, StoreError>,
    ) -> T {
        let mut value = None;
        (self.0)(&mut |tx| {
            value = Some(work(tx)?);
            Ok(())
        })
        .unwrap();
        value.unwrap()
    }

    /// Every row as text. `Debug` hides ciphertext and MACs, so those are written out.
    pub(crate) fn dump(&self) -> String {
        self.write(|tx| {
            let mut dump = String::new();
            for user in tx.users_after(None, ALL)? {
                let row = user.unverified();
                writeln!(dump, "{row:?} {}", user.mac().as_stored()).unwrap();
                for key in tx.api_keys_of(row.id, None, ALL)? {
                    let (row, mac) = (key.key.unverified(), key.key.mac());
                    writeln!(dump, "{row:?} {}", mac.as_stored()).unwrap();
                }
                dump_factors(&mut dump, tx, row.id)?;
            }
            for stored in tx.credentials_after(None, None, ALL)? {
                let (row, mac) = (stored.credential.unverified(), stored.credential.mac());
                writeln!(dump, "{row:?} {}", mac.as_stored()).unwrap();
                for secret in stored.secrets {
                    let sealed = secret.sealed.as_stored();
                    writeln!(dump, "{} {sealed} {:?}", secret.path, secret.last4).unwrap();
                }
            }
            for key in tx.encryption_keys()? {
                writeln!(dump, "{key:?} {}", key.sealed.as_stored()).unwrap();
            }
            writeln!(dump, "{:?}", tx.rotation()?).unwrap();
            for event in tx.audit_events_after(0, ALL)? {
                writeln!(dump, "{:?} {}", event.fields, event.mac.as_stored()).unwrap();
            }
            Ok(dump)
        })
    }
}

fn dump_factors(dump: &mut String, tx: &mut dyn AnyTx, user: UserId) -> Result<(), StoreError> {
    let secrets = tx.totp_secrets(user)?;
    let active = secrets.active.as_ref().map(|sealed| sealed.as_stored());
    let pending = secrets.pending.as_ref();
    let pending = pending.map(|pending| (pending.secret.as_stored(), pending.expires_at));
    let mut codes = tx.recovery_codes(user)?;
    codes.sort_by_key(|code| code.as_stored());
    let codes: Vec<_> = codes.iter().map(|code| code.as_stored()).collect();
    let totp = tx.attempts(&LimitSubject::totp(user))?;
    let recovery = tx.attempts(&LimitSubject::recovery(user))?;
    writeln!(
        dump,
        "{user} {active:?} {pending:?} {codes:?} {totp:?} {recovery:?}"
    )
    .unwrap();
    Ok(())
}

const ALL: i64 = 100_000;
