//! The checks. Every file holds the promises of one repository, and `rows` and `run` what all need.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test suite panics"
)]

pub(crate) mod agents;
pub(crate) mod api_keys;
pub(crate) mod attempts;
pub(crate) mod audit;
pub(crate) mod credentials;
pub(crate) mod encryption;
pub(crate) mod factors;
pub(crate) mod idempotency;
pub(crate) mod kept_time;
pub(crate) mod proofs;
mod random;
pub(crate) mod rows;
mod run;
pub(crate) mod sealed;
pub(crate) mod signed;
pub(crate) mod tickets;
pub(crate) mod units_of_work;
pub(crate) mod users;
pub(crate) mod uses;

use std::sync::Arc;

use keyward_agents::AgentsTx;
use keyward_audit::VerifyAudit;
use keyward_core::Store;
use keyward_credentials::{Credentials, UseCounts};
use keyward_encryption::EncryptionTx;

pub use agents::agents;
pub use api_keys::api_keys;
pub use attempts::{attempt_limits, attempt_limits_of, random_attempts_follow_the_rules};
pub use audit::{audit, audit_with};
pub use credentials::{credentials, credentials_of};
pub use encryption::{encryption_keys, sealed_values};
pub use factors::{second_factors, second_factors_of};
pub use idempotency::{idempotency, idempotency_of};
pub use kept_time::kept_time;
pub use proofs::used_proofs;
pub use signed::signed_rows;
pub use tickets::{login_tickets, login_tickets_of};
pub use units_of_work::units_of_work;
pub use users::users;
pub use uses::use_counts;

/// Checks every promise that the ports make, races included.
///
/// The store may have other data in it, with one exception: its audit chain must be empty or
/// written by this suite, see [`audit()`].
///
/// # Panics
///
/// At the first promise that is broken.
pub fn contract<S: Store<Tx: AgentsTx + Credentials + UseCounts + EncryptionTx>>(store: S) {
    let store = Arc::new(store);
    // First, so that on an empty store the race for the first event of the chain is run too.
    audit(&*store);
    units_of_work(&*store);
    units_of_work::across_repositories(&*store);
    users(&*store);
    let owner = rows::added_user(&*store);
    api_keys(&*store, owner);
    api_keys::and_their_owners(&*store);
    idempotency(&*store);
    attempt_limits(&*store);
    second_factors(&*store);
    login_tickets(&*store);
    agents(&*store);
    used_proofs(&*store);
    kept_time(&*store);
    attempts::new_secrets_reset_nothing(&*store, rows::added_user(&*store));
    credentials(&*store);
    use_counts(&*store, owner, rows::added_user(&*store));
    encryption_keys(&*store);
    sealed_values(&*store);
    signed_rows(&*store);
    let report = run::works(VerifyAudit::new(store, rows::macs()).verify(None));
    assert_eq!(
        report.findings,
        [],
        "the audit chain is not what the checks have written"
    );
}

/// Only the races of [`contract()`], for running them often.
///
/// # Panics
///
/// At the first promise that is broken.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it takes the store over, as `contract` does"
)]
pub fn races<S: Store<Tx: AgentsTx + Credentials + UseCounts + EncryptionTx>>(store: Arc<S>) {
    let store = &*store;
    let owner = rows::added_user(store);
    users::of_racing_names_one_is_added(store);
    users::of_racing_changes_one_is_written(store);
    users::of_two_racing_admins_one_stays(store);
    api_keys::of_racing_changes_one_is_written(store, owner);
    idempotency::of_racing_claims_one_is_kept(store, owner);
    idempotency::a_claim_that_is_undone_goes_to_another(store, owner);
    attempts::of_racing_attempts_as_many_as_allowed_are_evaluated(store);
    attempts::of_racing_attempts_one_reaches_the_lock(store);
    attempts::of_racing_codes_one_is_accepted(store);
    factors::of_racing_uses_of_a_recovery_code_one_succeeds(store, owner);
    tickets::of_racing_tries_as_many_as_allowed_get_the_ticket(store, owner);
    tickets::of_racing_uses_of_a_ticket_one_succeeds(store, owner);
    credentials::of_racing_changes_one_is_written(store, owner);
    uses::of_racing_uses_as_many_as_allowed_are_counted(store, owner);
    agents::of_racing_changes_one_is_written(store);
    proofs::of_racing_uses_of_a_proof_one_succeeds(store);
    kept_time::of_racing_times_the_latest_is_kept(store);
    encryption::of_racing_first_starts_one_adds_its_key(store);
    encryption::of_racing_claims_one_is_granted(store);
    sealed::of_racing_reseals_one_is_written(store);
    signed::of_racing_signers_one_is_written(store);
    sealed::a_change_is_never_written_over(store);
    sealed::who_retires_and_who_seals_do_not_both_succeed(store);
    audit::racing_writers_leave_no_gap(store, &rows::macs());
}
