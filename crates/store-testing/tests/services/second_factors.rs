//! Taking a second factor into use, showing it again, and taking it away.

use keyward_auth::{
    Any, CodeError, Denied, Host, MfaError, Permit, SecondFactors as _, User, UserKind, UserStatus,
};
use keyward_core::Store as _;
use keyward_crypto::{ApiKey, ApiKeyKind, TotpSecret};

use crate::world::{NOW, World, password, visitor};

fn person(world: &World) -> (User, ApiKey) {
    let ada = world.add_user("ada", |_| {});
    let key = session(world, &ada);
    (ada, key)
}

fn session(world: &World, user: &User) -> ApiKey {
    world.add_key_of_kind(user, ApiKeyKind::Login, |_| {})
}

/// Draws a secret, and gives the app that has it.
fn begin(world: &World, caller: &Permit<Any>) -> TotpSecret {
    let begun = world.mfa().begin(caller).unwrap();
    TotpSecret::from_base32(begun.secret.expose()).unwrap()
}

fn has_secrets(world: &World, user: &User) -> bool {
    let secrets = world.store.read(|tx| tx.totp_secrets(user.id)).unwrap();
    secrets.active.is_some()
}

fn is_step_up<T>(outcome: &Result<T, MfaError>) -> bool {
    matches!(outcome, Err(MfaError::Denied(Denied::StepUpRequired)))
}

#[test]
fn the_first_code_takes_a_factor_into_use_and_ends_the_other_sessions() {
    let world = World::new();
    let (ada, key) = person(&world);
    let other = session(&world, &ada);
    let permit = world.permit(&key);
    let status = world.mfa().status(&permit).unwrap();
    assert_eq!((status.enabled, status.recovery_codes_left), (false, 0));

    let app = begin(&world, &permit);
    assert_eq!(world.stored_user(ada.id).mfa_since, None);
    let codes = (world.mfa()).confirm(&permit, app.code_at(NOW.0)).unwrap();

    assert_eq!(codes.0.len(), 10);
    let stored = world.stored_user(ada.id);
    assert_eq!((stored.mfa_since, stored.version), (Some(NOW), 2));
    assert!(world.accepts(&key) && !world.accepts(&other));
    let permit: Permit<Any> = world.permit(&key);
    let status = world.mfa().status(&permit).unwrap();
    assert_eq!((status.enabled, status.recovery_codes_left), (true, 10));
    assert_eq!(permit.key.fresh_until, Some(NOW.plus(300)));
    assert_eq!(world.actions(), ["mfa.setup", "mfa.enable"]);
}

#[test]
fn a_secret_waits_a_quarter_of_an_hour_for_its_first_code() {
    for (seconds, is_there) in [(899, true), (900, false)] {
        let world = World::new();
        let (_, key) = person(&world);
        let permit = world.permit(&key);
        let app = begin(&world, &permit);
        world.clock.advance(seconds);
        let code = app.code_at(world.now().0);
        let outcome = world.mfa().confirm(&permit, code);
        assert_eq!(outcome.is_ok(), is_there, "{outcome:?}");
    }
}

#[test]
fn a_new_app_needs_a_recent_proof_of_the_old_one_which_works_until_then() {
    let world = World::new();
    let (ada, key) = person(&world);
    let (old, _) = world.enrol(&ada);
    let key = {
        assert!(!world.accepts(&key), "the factor is new to it");
        session(&world, &ada)
    };
    let stale: Permit<Any> = world.permit(&key);
    assert!(is_step_up(&world.mfa().begin(&stale)));

    let until = (world.mfa()).step_up(&stale, old.code_at(world.now().0));
    assert_eq!(until.unwrap(), world.now().plus(300));
    let fresh: Permit<Any> = world.permit(&key);
    let new = begin(&world, &fresh);
    world.clock.advance(60);
    let until = (world.mfa()).step_up(&fresh, old.code_at(world.now().0));
    assert_eq!(until.unwrap(), world.now().plus(300));

    let outcome = (world.mfa()).confirm(&stale, new.code_at(world.now().0));
    assert!(is_step_up(&outcome), "{outcome:?}");
    world.clock.advance(60);
    let fresh: Permit<Any> = world.permit(&key);
    let code = new.code_at(world.now().0);
    assert!(world.mfa().confirm(&fresh, code).is_ok());
}

#[test]
fn a_password_is_a_recent_proof_where_there_is_no_second_factor() {
    let world = World::new();
    let (ada, key) = person(&world);
    let step_up = |caller: &Permit<Any>, typed| {
        let typed = password(typed);
        (world.mfa()).step_up_with_password(caller, &typed, &visitor())
    };
    let permit = world.permit(&key);
    let until = step_up(&permit, "correct horse battery").unwrap();
    assert_eq!(until, NOW.plus(300));
    let now: Permit<Any> = world.permit(&key);
    assert_eq!(now.key.fresh_until, Some(until));
    assert_eq!(world.actions(), ["user.step-up"]);
    let wrong = step_up(&permit, "wrong horse battery");
    assert!(matches!(wrong, Err(MfaError::Password(_))));

    // One that was enrolled since the request began counts.
    world.enrol(&ada);
    let lasting = world.add_key(&ada, |_| {});
    for caller in [permit, world.permit(&lasting)] {
        let outcome = step_up(&caller, "correct horse battery");
        let refused = matches!(
            outcome,
            Err(MfaError::CodeRequired | MfaError::Denied(Denied::KeyEnded))
        );
        assert!(refused, "{outcome:?}");
    }
}

#[test]
fn a_factor_that_came_meanwhile_is_asked_for_in_place_of_the_password() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    // Enrolling ends sessions and no other key.
    let key = world.add_key(&ada, |_| {});
    let before: Permit<Any> = world.permit(&key);
    world.enrol(&ada);
    let typed = password("correct horse battery");
    let outcome = (world.mfa()).step_up_with_password(&before, &typed, &visitor());
    assert!(
        matches!(outcome, Err(MfaError::CodeRequired)),
        "{outcome:?}"
    );
}

#[test]
fn a_proof_is_recent_for_five_minutes() {
    for (seconds, is_recent) in [(299, true), (300, false)] {
        let world = World::new();
        let (ada, _) = person(&world);
        let (app, _) = world.enrol(&ada);
        let key = session(&world, &ada);
        let code = app.code_at(world.now().0);
        world.mfa().step_up(&world.permit(&key), code).unwrap();
        world.clock.advance(seconds);
        let outcome = world.mfa().begin(&world.permit(&key));
        assert_eq!(is_step_up(&outcome), !is_recent, "{outcome:?}");
    }
}

#[test]
fn who_does_without_a_factor_again_shows_it_a_last_time() {
    let world = World::new();
    let (ada, _) = person(&world);
    let (app, _) = world.enrol(&ada);
    let (key, other) = (session(&world, &ada), session(&world, &ada));
    let permit: Permit<Any> = world.permit(&key);
    let before = world.actions().len();

    let code = app.code_at(world.now().0);
    world.mfa().disable(&permit, code).unwrap();

    assert_eq!(world.stored_user(ada.id).mfa_since, None);
    assert!(!has_secrets(&world, &ada));
    let status = world.mfa().status(&world.permit(&key)).unwrap();
    assert_eq!((status.enabled, status.recovery_codes_left), (false, 0));
    assert!(world.accepts(&key) && !world.accepts(&other));
    assert_eq!(world.actions().split_off(before), ["mfa.disable"]);
}

#[test]
fn new_recovery_codes_take_the_place_of_the_old_ones() {
    let world = World::new();
    let (ada, _) = person(&world);
    let (app, old) = world.enrol(&ada);
    let permit: Permit<Any> = world.permit(&session(&world, &ada));
    let code = app.code_at(world.now().0);
    let new = world.mfa().renew_recovery_codes(&permit, code).unwrap();
    assert_eq!(new.0.len(), 10);
    let kept = world.store.read(|tx| tx.recovery_codes(ada.id)).unwrap();
    let is_kept = |code: &keyward_crypto::RecoveryCode| {
        let fits = |mac| code.matches(&world.macs, ada.id.as_bytes(), mac);
        kept.iter().any(fits)
    };
    assert!(new.0.iter().all(is_kept) && !old.0.iter().any(is_kept));
}

#[test]
fn an_administrator_takes_the_factor_of_a_person_away_and_of_nobody_else() {
    let world = World::new();
    let (ada, _) = person(&world);
    world.enrol(&ada);
    let key = session(&world, &ada);
    let agent = world.add_user("agent", |user| user.kind = UserKind::Agent);
    let gone = world.add_user("gone", |user| user.status = UserStatus::Deleted);
    for outcome in [
        world.mfa().reset(&Host, agent.id),
        world.mfa().unlock(&Host, agent.id),
    ] {
        assert!(matches!(outcome, Err(MfaError::NotForAgents)));
    }
    for outcome in [
        world.mfa().reset(&Host, gone.id),
        world.mfa().unlock(&Host, gone.id),
    ] {
        assert!(matches!(outcome, Err(MfaError::NotFound)));
    }

    let before = world.actions().len();
    world.mfa().reset(&Host, ada.id).unwrap();
    assert_eq!(world.stored_user(ada.id).mfa_since, None);
    assert!(!has_secrets(&world, &ada) && !world.accepts(&key));
    assert_eq!(world.actions().split_off(before), ["mfa.reset"]);
}

#[test]
fn an_agent_has_no_second_factor() {
    let world = World::new();
    let agent = world.add_user("agent", |user| user.kind = UserKind::Agent);
    let permit: Permit<Any> = world.permit(&world.add_key(&agent, |_| {}));
    let outcome = world.mfa().begin(&permit);
    assert!(matches!(outcome, Err(MfaError::NotForAgents)));
    let outcome = world.mfa().status(&permit);
    assert!(matches!(outcome, Err(MfaError::NotForAgents)));
}

#[test]
fn a_code_of_a_secret_that_cannot_be_opened_is_rejected() {
    let world = World::new();
    let (ada, _) = person(&world);
    let (app, _) = world.enrol(&ada);
    let (eve, eves) = {
        let eve = world.add_user("eve", |_| {});
        (eve.clone(), world.enrol(&eve).0)
    };
    // Somebody has copied the secret of another, whose codes they know.
    let copied = world.store.read(|tx| tx.totp_secrets(eve.id)).unwrap();
    let written = (world.store).write(|tx| tx.set_totp_secrets(ada.id, &copied));
    written.unwrap();
    let permit: Permit<Any> = world.permit(&session(&world, &ada));
    for app in [app, eves] {
        let outcome = (world.mfa()).step_up(&permit, app.code_at(world.now().0));
        assert!(matches!(outcome, Err(MfaError::Code(CodeError::Rejected))));
    }
}
