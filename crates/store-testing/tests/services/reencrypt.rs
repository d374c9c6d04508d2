//! Values move to the active key while everything else goes on.

use keyward_auth::{Environment, Host, NoAdvice};
use keyward_core::{Id, Store as _};
use keyward_credentials::{Credentials as _, SecretField};
use keyward_crypto::{EncryptedString, FieldKey, TotpWindow};
use keyward_encryption::{KeyState, Leftovers, Pass, Reencrypt, RotationState, Step};
use std::sync::Arc;

use crate::keyed::{Keyed, path, ring, work};
use crate::meddled::Meddled;

#[test]
fn pausing_stops_after_a_batch_and_starting_again_goes_on() {
    let keyed = started(450);
    let worker = keyed.worker("w");
    let mut pass = Pass::default();
    assert_eq!(worker.step(&mut pass).unwrap(), Step::Moved(200));
    let paused = keyed.manage().pause(&Host).unwrap();
    assert_eq!((paused.done, paused.total, paused.left()), (200, 451, 251));

    assert_eq!(worker.step(&mut pass).unwrap(), Step::NotRunning);
    assert_eq!(work(&keyed.worker("another")), Step::NotRunning);
    assert_eq!(keyed.key(&keyed.old).rows, 251);

    let again = keyed.manage().start(&Host).unwrap();
    assert_eq!(
        (again.done, again.total),
        (200, 451),
        "it goes on, not back"
    );
    assert_eq!(work(&worker), Step::Done { unreadable: 0 });
    assert_eq!(keyed.key(&keyed.old).rows, 0);
    assert_eq!(keyed.key(&keyed.new).rows, 451);
}

#[test]
fn nothing_moves_that_was_not_started() {
    let keyed = Keyed::new();
    let id = keyed.sealed_under(&keyed.old, "one");
    keyed.manage().activate(&Host, *keyed.new.id()).unwrap();
    assert_eq!(work(&keyed.worker("w")), Step::NotRunning);
    assert_eq!(keyed.opened(id).0, *keyed.old.id());
}

#[test]
fn values_that_do_not_open_are_left_as_they_are_and_counted() {
    let keyed = started(3);
    let lost = FieldKey::generate();
    let damaged = keyed.sealed_under(&keyed.old, "damaged");
    let elsewhere = Id::generate();
    keyed.put(elsewhere, keyed.sealed(damaged));
    let under_lost = keyed.sealed_under(&lost, "of a key that nobody has");
    let no_value = Id::generate();
    let text = "v1.no key at all".to_owned();
    keyed.put(no_value, EncryptedString::from_stored(text));
    let unreadable = [elsewhere, under_lost, no_value];
    let before = unreadable.map(|id| keyed.sealed(id));

    assert_eq!(work(&keyed.worker("w")), Step::Done { unreadable: 3 });

    assert_eq!(unreadable.map(|id| keyed.sealed(id)), before);
    assert_eq!(
        keyed.opened(damaged),
        (*keyed.new.id(), "damaged".to_owned())
    );
    let status = keyed.status();
    assert_eq!((status.rotation, status.left()), (RotationState::Done, 3));
    let unknown = keyed.key(&lost);
    assert_eq!(
        (unknown.state, unknown.rows, unknown.is_held),
        (None, 1, false)
    );
    let broken: u64 = status
        .columns
        .iter()
        .flat_map(|column| &column.keyed)
        .filter(|keyed| !keyed.sample_opens)
        .map(|keyed| keyed.rows)
        .sum();
    assert_eq!(broken, 3, "{status:?}");
    let finish = keyed.world.events().pop().unwrap().fields;
    assert_eq!(finish.action, "encryption-rotation.finish");
    assert!(finish.details.contains(r#""unreadable":"3""#), "{finish:?}");
    // The key of the one that was moved to another row is not lost by mistake.
    let refused = keyed
        .manage()
        .retire(&Host, *keyed.old.id(), Leftovers::Keep);
    assert!(refused.is_err());
}

#[test]
fn it_is_done_when_nothing_is_left_and_not_when_the_end_was_reached() {
    let keyed = started(1);
    let worker = keyed.worker("w");
    let mut pass = Pass::default();
    // All credentials, and then that there are no more.
    assert_eq!(worker.step(&mut pass).unwrap(), Step::Moved(1));
    assert_eq!(worker.step(&mut pass).unwrap(), Step::Moved(0));
    // A node that has not heard of the new key yet.
    let late = keyed.sealed_under(&keyed.old, "late");
    let mut steps = 0;
    let last = loop {
        steps += 1;
        match worker.step(&mut pass).unwrap() {
            Step::Moved(_) => assert!(steps < 50),
            other => break other,
        }
    };
    assert_eq!(last, Step::Done { unreadable: 0 });
    assert_eq!(keyed.opened(late), (*keyed.new.id(), "late".to_owned()));
}

#[test]
fn a_key_that_becomes_active_meanwhile_gets_all_values() {
    let keyed = started(250);
    let third = FieldKey::generate();
    let worker = keyed.worker("w");
    let mut pass = Pass::default();
    assert_eq!(worker.step(&mut pass).unwrap(), Step::Moved(200));
    keyed.learn(&[&third, &keyed.new, &keyed.old]);
    keyed.manage().activate(&Host, *third.id()).unwrap();
    assert_eq!(keyed.rotation(), RotationState::Running);

    while worker.step(&mut pass).unwrap() != (Step::Done { unreadable: 0 }) {}

    assert_eq!(keyed.key(&third).rows, 251);
    for key in [&keyed.old, &keyed.new] {
        keyed
            .manage()
            .retire(&Host, *key.id(), Leftovers::Keep)
            .unwrap();
    }
}

/// The end is written only for the key that was active when all values were counted.
#[test]
fn a_key_that_becomes_active_at_the_end_is_not_taken_for_done() {
    let keyed = Arc::new(started(0));
    let third = FieldKey::generate();
    keyed.learn(&[&third, &keyed.new, &keyed.old]);
    // The check of SECRET_KEY is moved by the first write, the end is the second one.
    let (manage, kid) = (keyed.manage(), *third.id());
    let activate = move |_: &_| manage.activate(&Host, kid).unwrap();
    let worker = meddled(&keyed, 1, activate);

    assert_eq!(work(&worker), Step::Done { unreadable: 0 });
    assert_eq!(keyed.key(&third).rows, 1);
    assert_eq!(keyed.key(&keyed.new).rows, 0);
}

#[test]
fn a_change_that_comes_between_stays() {
    let keyed = Arc::new(started(1));
    let id = keyed.sealed_under(&keyed.old, "before");
    let changer = Arc::clone(&keyed);
    let change = move |_: &_| {
        let sealed = changer
            .world
            .fields
            .seal("changed", &changer.context(id), 1_800_000_000);
        let field = SecretField {
            path: path(),
            sealed,
            last4: None,
        };
        changer
            .world
            .store
            .write(|tx| tx.put_secret(id, &field))
            .unwrap();
    };
    assert_eq!(
        work(&meddled(&keyed, 0, change)),
        Step::Done { unreadable: 0 }
    );
    assert_eq!(keyed.opened(id), (*keyed.new.id(), "changed".to_owned()));
}

#[test]
fn one_worker_works_and_another_goes_on_when_it_is_silent() {
    let keyed = started(450);
    let (one, other) = (keyed.worker("one"), keyed.worker("other"));
    let (mut pass, mut others) = (Pass::default(), Pass::default());
    assert_eq!(one.step(&mut pass).unwrap(), Step::Moved(200));
    assert_eq!(other.step(&mut others).unwrap(), Step::Elsewhere);
    keyed.world.clock.advance(2);
    assert_eq!(other.step(&mut others).unwrap(), Step::Elsewhere);
    keyed.world.clock.advance(1);
    assert_eq!(other.step(&mut others).unwrap(), Step::Moved(200));
    assert_eq!(one.step(&mut pass).unwrap(), Step::Elsewhere);
    assert_eq!(work(&other), Step::Done { unreadable: 0 });
    assert_eq!(one.step(&mut pass).unwrap(), Step::NotRunning);
    assert_eq!(keyed.key(&keyed.old).rows, 0);
}

/// It would take everything for unreadable, and all for done.
#[test]
fn who_lacks_a_key_leaves_the_work_to_others() {
    let keyed = started(3);
    for keys in [vec![&keyed.old], vec![&keyed.new]] {
        let behind = keyed.other(&keys);
        let worker = Reencrypt::new(behind.environment(), "behind");
        assert_eq!(work(&worker), Step::Elsewhere);
    }
    assert_eq!(keyed.rotation(), RotationState::Running);
    assert_eq!(keyed.key(&keyed.old).rows, 4);
    assert_eq!(work(&keyed.worker("w")), Step::Done { unreadable: 0 });
}

#[test]
fn second_factors_move_too() {
    let keyed = Keyed::new();
    let world = &keyed.world;
    let ada = world.add_user("ada", |_| {});
    let permit = world.permit(&world.add_key(&ada, |_| {}));
    let mfa = keyward_auth::ManageMfa::new(world.environment());
    let app = mfa.begin(&permit).unwrap();
    let app = keyward_crypto::TotpSecret::from_base32(app.secret.expose()).unwrap();
    mfa.confirm(&permit, app.code_at(world.now().0)).unwrap();
    world.clock.advance(60);
    let next = mfa.begin(&permit).unwrap();
    keyed.manage().activate(&Host, *keyed.new.id()).unwrap();
    keyed.manage().start(&Host).unwrap();
    assert_eq!(work(&keyed.worker("w")), Step::Done { unreadable: 0 });
    assert_eq!(keyed.key(&keyed.new).rows, 3);
    keyed
        .manage()
        .retire(&Host, *keyed.old.id(), Leftovers::Keep)
        .unwrap();
    world.fields.learn(&ring(&[&keyed.new]));
    // Both still open: the one in use, and the one that waits.
    assert!(mfa.step_up(&permit, app.code_at(world.now().0)).is_ok());
    world.clock.advance(30);
    let next = keyward_crypto::TotpSecret::from_base32(next.secret.expose()).unwrap();
    assert!(mfa.confirm(&permit, next.code_at(world.now().0)).is_ok());
}

/// So many credentials under the old key, the new one active, and re-encryption begun.
fn started(values: usize) -> Keyed {
    let keyed = Keyed::new();
    for n in 0..values {
        keyed.sealed_under(&keyed.old, &format!("secret {n}"));
    }
    keyed.manage().activate(&Host, *keyed.new.id()).unwrap();
    keyed.manage().start(&Host).unwrap();
    assert_eq!(keyed.state(&keyed.new), Some(KeyState::Active));
    keyed
}

/// A worker on whose store somebody does `work` before one of its writes.
fn meddled(
    keyed: &Keyed,
    before: usize,
    work: impl FnOnce(&crate::world::World) + Send + 'static,
) -> Reencrypt<Arc<Meddled>> {
    let environment = keyed.world.environment();
    let store = Meddled::before_write(before, &keyed.world, work);
    let environment = Environment {
        store: Arc::new(store),
        fields: environment.fields,
        macs: environment.macs,
        hashing: environment.hashing,
        audit: environment.audit,
        clock: environment.clock,
        totp_window: TotpWindow::default(),
        advice: Arc::new(NoAdvice),
    };
    Reencrypt::new(environment, "w")
}
