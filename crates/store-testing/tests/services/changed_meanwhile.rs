//! A code is compared between two transactions. What happens then is noticed.

use std::sync::Arc;

use keyward_auth::{
    Any, ApiKeys as _, AttemptLimits as _, CodeError, Enrolling, Environment, Host, LimitSubject,
    ManageMfa, MfaError, NoAdvice, Permit, User,
};
use keyward_core::Store as _;
use keyward_crypto::{TotpCode, TotpSecret, TotpWindow};
use keyward_store_testing::MemoryStore;

use crate::meddled::Meddled;
use crate::world::World;

#[test]
fn a_code_of_a_secret_that_was_drawn_anew_takes_nothing_into_use() {
    let (world, user, permit) = person();
    let first = app(&mfa(&world).begin(&permit).unwrap());
    let caller = permit.clone();
    let anew = move |world: &World| drop(mfa(world).begin(&caller).unwrap());

    let outcome = meddled(&world, anew).confirm(&permit, code(&world, &first));

    assert!(is_rejected(&outcome), "{outcome:?}");
    assert_eq!(world.stored_user(user.id).mfa_since, None);
}

#[test]
fn a_code_of_an_app_that_was_replaced_is_no_proof_any_more() {
    let (world, user, permit) = person();
    let old = enrolled(&world, &permit);
    let replaced = move |world: &World| {
        mfa(world).reset(&Host, user.id).unwrap();
        let new = app(&mfa(world).begin_for(Host, user.id).unwrap());
        // Of the step before, so that the code of the old app is not refused as a replay.
        let late = new.code_at(world.now().0 - 30);
        mfa(world).confirm_for(Host, user.id, late).unwrap();
    };

    let fresh_until = || {
        let key = world.store.read(|tx| tx.key_with_owner(permit.key.id));
        key.unwrap().unwrap().key.unverified().fresh_until
    };
    let before = fresh_until();

    let outcome = meddled(&world, replaced).step_up(&permit, code(&world, &old));

    assert!(is_rejected(&outcome), "{outcome:?}");
    assert_eq!(fresh_until(), before);
}

#[test]
fn a_code_of_a_factor_that_was_taken_away_does_nothing() {
    let (world, user, permit) = person();
    let app = enrolled(&world, &permit);
    let reset = move |world: &World| mfa(world).reset(&Host, user.id).unwrap();

    let outcome = meddled(&world, reset).renew_recovery_codes(&permit, code(&world, &app));

    assert!(is_rejected(&outcome), "{outcome:?}");
    let status = mfa(&world).status(&permit).unwrap();
    assert_eq!(status.recovery_codes_left, 0);
}

#[test]
fn a_code_that_was_used_meanwhile_is_no_guess() {
    let (world, user, permit) = person();
    let app = enrolled(&world, &permit);
    let (caller, same) = (permit.clone(), code(&world, &app));
    let faster = move |world: &World| assert!(mfa(world).step_up(&caller, same).is_ok());

    let outcome = meddled(&world, faster).step_up(&permit, code(&world, &app));

    assert!(is_rejected(&outcome), "{outcome:?}");
    let subject = LimitSubject::totp(user.id);
    let state = world.store.read(|tx| tx.attempts(&subject));
    let state = state.unwrap().unwrap();
    assert_eq!((state.fails, state.window_count), (0, 1));
}

#[test]
fn a_code_works_when_nothing_happens_meanwhile() {
    let (world, _, permit) = person();
    let app = enrolled(&world, &permit);
    let outcome = meddled(&world, |_| ()).step_up(&permit, code(&world, &app));
    assert_eq!(outcome.unwrap(), world.now().plus(300));
}

fn person() -> (Arc<World>, User, Permit<Any>) {
    let world = Arc::new(World::new());
    let user = world.add_user("ada", |_| {});
    let permit = world.permit(&world.add_key(&user, |_| {}));
    (world, user, permit)
}

fn mfa(world: &World) -> ManageMfa<Arc<MemoryStore>> {
    ManageMfa::new(world.environment())
}

fn enrolled(world: &World, permit: &Permit<Any>) -> TotpSecret {
    let app = app(&mfa(world).begin(permit).unwrap());
    mfa(world).confirm(permit, code(world, &app)).unwrap();
    world.clock.advance(60);
    app
}

fn app(enrolling: &Enrolling) -> TotpSecret {
    TotpSecret::from_base32(enrolling.secret.expose()).unwrap()
}

fn code(world: &World, app: &TotpSecret) -> TotpCode {
    app.code_at(world.now().0)
}

fn is_rejected<T>(outcome: &Result<T, MfaError>) -> bool {
    matches!(outcome, Err(MfaError::Code(CodeError::Rejected)))
}

/// The service, with `work` done by somebody else before its second transaction.
fn meddled(
    world: &Arc<World>,
    work: impl FnOnce(&World) + Send + 'static,
) -> ManageMfa<Arc<Meddled>> {
    let environment = world.environment();
    ManageMfa::new(Environment {
        store: Arc::new(Meddled::before_write(1, world, work)),
        fields: environment.fields,
        macs: environment.macs,
        hashing: environment.hashing,
        audit: environment.audit,
        clock: environment.clock,
        totp_window: TotpWindow::default(),
        advice: Arc::new(NoAdvice),
    })
}
