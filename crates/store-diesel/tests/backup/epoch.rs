//! What was used or begun before a restore is of no use after it.

use keyward_auth::{LimitSubject, LoginError, SecondFactor, SecondFactors as _};
use keyward_core::Store as _;
use keyward_crypto::TotpStep;
use keyward_encryption::{EncryptionKeys as _, ManageEncryption, RotationState};
use keyward_store_diesel::testing::TestDatabase;

use crate::support::{Client, on_both, write};
use crate::vault::{Vault, other_kind};
use crate::world::World;

on_both![
    a_code_that_was_accepted_after_the_backup_is_not_accepted_again,
    codes_are_used_up_where_none_was_ever_tried,
    the_clock_of_the_new_host_may_be_behind,
    a_proof_that_was_accepted_is_not_accepted_again,
    sessions_and_tickets_end,
    recovery_codes_end_where_nobody_knows_which_were_used,
    recovery_codes_that_were_not_used_stay_when_that_is_known,
    re_encryption_that_ran_is_paused,
];

fn a_code_that_was_accepted_after_the_backup_is_not_accepted_again(database: &TestDatabase) {
    let vault = Vault::new(database);
    let backup = vault.backup();
    let code = || SecondFactor::Code(vault.world.code(&vault.person.app));
    login(&vault, &vault.world, &code()).unwrap();

    let target = other_kind(database);
    let copy = vault.restored(&backup, &target);
    assert_rejected(login(&vault, &copy, &code()));

    // Nor that of the next step; from the one after it on, codes are new.
    vault.world.clock.advance(30);
    assert_rejected(login(&vault, &copy, &code()));
    vault.world.clock.advance(30);
    login(&vault, &copy, &code()).unwrap();
}

fn codes_are_used_up_where_none_was_ever_tried(database: &TestDatabase) {
    let vault = Vault::new(database);
    Client::of(database).run("DELETE FROM attempts").unwrap();
    let target = other_kind(database);
    let copy = vault.restored(&vault.backup(), &target);
    let state = copy.attempts(&LimitSubject::totp(vault.person.id));
    assert_eq!(state.last_step, TotpStep::at(copy.now().0).number() + 1);
    let code = SecondFactor::Code(copy.code(&vault.person.app));
    assert_rejected(login(&vault, &copy, &code));
}

fn the_clock_of_the_new_host_may_be_behind(database: &TestDatabase) {
    let vault = Vault::new(database);
    let code = vault.world.code(&vault.person.app);
    let step = TotpStep::at(vault.world.now().0).number();
    Client::of(database).run("DELETE FROM attempts").unwrap();
    let backup = vault.backup();
    vault.world.clock.advance(-3_600);
    let target = other_kind(database);
    let copy = vault.restored(&backup, &target);
    vault.world.clock.advance(3_600);
    let state = copy.attempts(&LimitSubject::totp(vault.person.id));
    assert_eq!(state.last_step, step + 1);
    assert_rejected(login(&vault, &copy, &SecondFactor::Code(code)));
}

fn a_proof_that_was_accepted_is_not_accepted_again(database: &TestDatabase) {
    let vault = Vault::new(database);
    let target = other_kind(database);
    let copy = vault.restored(&vault.backup(), &target);
    let now = TotpStep::at(copy.now().0).number();
    let accepts = |step: i64| {
        let proof = keyward_auth::ProofUse {
            prover: vault.agent,
            verifier: None,
            purpose: None,
        };
        let step = TotpStep::from_number(step);
        write(&copy.store, |tx| {
            keyward_auth::UsedProofs::use_proof(tx, &proof, step)
        })
    };
    assert!(!accepts(now));
    assert!(!accepts(now + 1));
    assert!(accepts(now + 2));
}

fn sessions_and_tickets_end(database: &TestDatabase) {
    let vault = Vault::new(database);
    let ticket = vault.world.ticket(&vault.person);
    let backup = vault.backup();
    assert_eq!(vault.world.sessions_of(vault.person.id), 1);
    let target = other_kind(database);
    let copy = vault.world.on(&target);
    let restored = vault.restore(&backup, &copy, false).unwrap();

    assert_eq!(restored.epoch.sessions, 1);
    assert_eq!(copy.sessions_of(vault.person.id), 0);
    let permit = copy.permit::<keyward_auth::Any>(&vault.person.session);
    assert!(permit.is_none());
    vault.world.clock.advance(60);
    let code = SecondFactor::Code(vault.world.code(&vault.person.app));
    assert!(copy.second_step(&ticket, &code).is_err());
    vault.world.second_step(&ticket, &code).unwrap();
}

fn recovery_codes_end_where_nobody_knows_which_were_used(database: &TestDatabase) {
    let mut vault = Vault::new(database);
    let backup = vault.backup();
    let target = other_kind(database);
    let copy = vault.world.on(&target);
    let restored = vault.restore(&backup, &copy, false).unwrap();
    assert_eq!(restored.epoch.recovery_codes, 10);
    let name = vault.person.username.as_str();
    assert_eq!(restored.epoch.without_recovery_codes, [name]);
    let code = SecondFactor::Recovery(vault.person.recovery_codes.remove(0));
    assert_rejected(login(&vault, &copy, &code));
}

fn recovery_codes_that_were_not_used_stay_when_that_is_known(database: &TestDatabase) {
    let mut vault = Vault::new(database);
    let backup = vault.backup();
    let used = SecondFactor::Recovery(vault.person.recovery_codes.remove(0));
    let unused = SecondFactor::Recovery(vault.person.recovery_codes.remove(0));
    login(&vault, &vault.world, &used).unwrap();

    let restored = vault.restore(&backup, &vault.world, true).unwrap();
    assert_eq!(restored.epoch.recovery_codes, 1);
    assert_eq!(restored.epoch.without_recovery_codes, [""; 0]);
    assert_rejected(login(&vault, &vault.world, &used));
    login(&vault, &vault.world, &unused).unwrap();
    let left = (vault.world.store).read(|tx| tx.recovery_codes(vault.person.id));
    assert_eq!(left.unwrap().len(), 8);
}

fn re_encryption_that_ran_is_paused(database: &TestDatabase) {
    let vault = Vault::new(database);
    let encryption = ManageEncryption::new(vault.world.environment());
    encryption.start(&keyward_auth::Host).unwrap();
    let target = other_kind(database);
    let copy = vault.world.on(&target);
    let restored = vault.restore(&vault.backup(), &copy, false).unwrap();
    assert!(restored.epoch.paused_rotation);
    let rotation = copy.store.read(|tx| tx.rotation()).unwrap();
    assert_eq!(rotation.state, RotationState::Paused);
}

fn login(vault: &Vault, on: &World, factor: &SecondFactor) -> Result<(), LoginError> {
    let ticket = on.ticket(&vault.person);
    on.second_step(&ticket, factor).map(drop)
}

fn assert_rejected(outcome: Result<(), LoginError>) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, LoginError::Rejected), "{error:?}");
}
