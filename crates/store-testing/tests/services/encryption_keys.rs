//! The life of encryption keys: who may change it, and what is refused.

use keyward_auth::{ApiKeys as _, Denied, Host, Permit, Scope, Users as _, needs};
use keyward_core::Store as _;
use keyward_crypto::{FieldKey, KeyId, Signed};
use keyward_encryption::{
    EncryptionError, KeyState, Leftovers, ManageEncryption, RotationState, Step,
};

use crate::keyed::{Keyed, node, ring, work};
use crate::world::{NOW, World};

#[test]
fn a_key_is_added_activated_emptied_and_retired_and_each_step_is_audited() {
    let keyed = Keyed::new();
    let (old, new) = (&keyed.old, &keyed.new);
    let admin = admin(&keyed);
    let ids = [0, 1, 2].map(|n| keyed.sealed_under(old, &format!("secret {n}")));
    assert_eq!(keyed.state(new), Some(KeyState::Added));

    keyed.manage().activate(&admin, *new.id()).unwrap();

    assert_eq!(keyed.state(old), Some(KeyState::DecryptOnly));
    assert_eq!(keyed.state(new), Some(KeyState::Active));
    assert_eq!(keyed.world.fields.active(), *new.id());
    let started = keyed.manage().start(&admin).unwrap();
    assert_eq!(started.rotation, RotationState::Running);
    // The check of SECRET_KEY is sealed, too.
    assert_eq!((started.done, started.total), (0, 4));

    assert_eq!(work(&keyed.worker("w")), Step::Done { unreadable: 0 });

    for (n, id) in ids.into_iter().enumerate() {
        assert_eq!(keyed.opened(id), (*new.id(), format!("secret {n}")));
    }
    let done = keyed.status();
    assert_eq!(
        (done.rotation, done.done, done.total, done.left()),
        (RotationState::Done, 4, 4, 0)
    );
    keyed
        .manage()
        .retire(&admin, *old.id(), Leftovers::Keep)
        .unwrap();
    assert_eq!(keyed.state(old), Some(KeyState::Retired));
    keyed.learn(&[new]);

    let told: Vec<_> = keyed
        .world
        .events()
        .into_iter()
        .map(|event| {
            let fields = event.fields;
            assert_eq!(fields.subject_kind, "encryption-key");
            (fields.actor_kind, fields.action, fields.subject_id)
        })
        .collect();
    let event = |actor: &str, action: &str, key: &FieldKey| {
        (actor.to_owned(), action.to_owned(), key.id().to_string())
    };
    assert_eq!(
        told,
        [
            event("human", "encryption-key.activate", new),
            event("human", "encryption-rotation.start", new),
            event("system", "encryption-rotation.finish", new),
            event("human", "encryption-key.retire", old),
        ]
    );
}

#[test]
fn a_key_that_nobody_knows_is_refused() {
    let keyed = Keyed::new();
    let unknown = FieldKey::generate();
    for refused in [
        keyed.manage().activate(&Host, *unknown.id()),
        keyed.manage().retire(&Host, *unknown.id(), Leftovers::Keep),
    ] {
        assert!(
            matches!(refused, Err(EncryptionError::UnknownKey)),
            "{refused:?}"
        );
    }
    nothing_happened(&keyed);
}

#[test]
fn a_key_that_this_process_lacks_is_not_activated() {
    let keyed = Keyed::new();
    keyed.world.fields.learn(&ring(&[&keyed.old]));
    let refused = keyed.manage().activate(&Host, *keyed.new.id());
    assert!(
        matches!(refused, Err(EncryptionError::NotHeld)),
        "{refused:?}"
    );
    nothing_happened(&keyed);

    // Nor does it start what it could not do.
    keyed.learn(&[&keyed.new, &keyed.old]);
    keyed.manage().activate(&Host, *keyed.new.id()).unwrap();
    keyed.world.fields.learn(&ring(&[&keyed.old]));
    let refused = keyed.manage().start(&Host).map(drop);
    assert!(
        matches!(refused, Err(EncryptionError::NotHeld)),
        "{refused:?}"
    );
    assert_eq!(keyed.rotation(), RotationState::Idle);
}

#[test]
fn a_key_that_some_node_lacks_is_not_activated_until_it_has_it_or_is_gone() {
    let keyed = Keyed::new();
    let (old, new) = (&keyed.old, &keyed.new);
    let (behind, gone) = (keyed.other(&[old]), keyed.other(&[old]));
    let (behind_node, gone_node) = (node(&behind, "behind"), node(&gone, "gone"));
    let leaving = node(&gone, "leaving");
    node(&keyed.world, "ahead").join().unwrap();
    leaving.join().unwrap();
    leaving.leave().unwrap();
    gone_node.join().unwrap();
    keyed.world.clock.advance(25);
    behind_node.join().unwrap();
    let lacking = || match keyed.manage().activate(&Host, *new.id()) {
        Ok(()) => Vec::new(),
        Err(EncryptionError::NotEverywhere(nodes)) => nodes,
        Err(other) => panic!("{other}"),
    };
    let mut both = lacking();
    both.sort();
    assert_eq!(both, [behind_node.id(), gone_node.id()]);
    // It was seen thirty seconds ago, and then thirty-one.
    keyed.world.clock.advance(5);
    assert_eq!(lacking().len(), 2);
    keyed.world.clock.advance(1);
    assert_eq!(lacking(), [behind_node.id()]);
    nothing_happened(&keyed);

    assert!(
        behind_node
            .learn(&ring(&[new, old]), &keyed.world.macs)
            .unwrap()
    );
    assert_eq!(lacking(), [""; 0]);
    assert_eq!(keyed.state(new), Some(KeyState::Active));
}

#[test]
fn a_retired_key_never_comes_back_and_the_active_one_is_not_retired() {
    let keyed = Keyed::new();
    let (old, new) = (*keyed.old.id(), *keyed.new.id());
    let refused = keyed.manage().retire(&Host, old, Leftovers::Keep);
    assert!(
        matches!(refused, Err(EncryptionError::Active)),
        "{refused:?}"
    );
    nothing_happened(&keyed);
    keyed.manage().retire(&Host, new, Leftovers::Keep).unwrap();
    let refused = keyed.manage().activate(&Host, new);
    assert!(
        matches!(refused, Err(EncryptionError::Retired)),
        "{refused:?}"
    );
    assert_eq!(keyed.world.actions(), ["encryption-key.retire"]);
    // Not by starting again with it in front, either.
    keyed.learn(&[&keyed.new, &keyed.old]);
    assert_eq!(keyed.state(&keyed.new), Some(KeyState::Retired));
    assert_eq!(keyed.world.fields.active(), old);
}

#[test]
fn a_key_that_values_need_is_not_retired() {
    let keyed = Keyed::new();
    keyed.sealed_under(&keyed.old, "one");
    keyed.sealed_under(&keyed.old, "two");
    keyed.manage().activate(&Host, *keyed.new.id()).unwrap();
    let refused = keyed
        .manage()
        .retire(&Host, *keyed.old.id(), Leftovers::Keep);
    // And the check of SECRET_KEY.
    assert!(
        matches!(refused, Err(EncryptionError::InUse(3))),
        "{refused:?}"
    );
    assert_eq!(keyed.state(&keyed.old), Some(KeyState::DecryptOnly));
    assert_eq!(keyed.world.actions(), ["encryption-key.activate"]);
}

#[test]
fn nothing_can_be_sealed_under_a_key_after_it_was_retired() {
    let keyed = Keyed::new();
    keyed
        .manage()
        .retire(&Host, *keyed.new.id(), Leftovers::Keep)
        .unwrap();
    let id = keyward_core::Id::generate();
    let late = ring(&[&keyed.new]).seal("late", &keyed.context(id), 1_800_000_000);
    let put = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| keyed.put(id, late)));
    assert!(put.is_err(), "a value under a retired key was taken");
}

#[test]
fn without_an_active_key_nothing_starts() {
    let world = World::new();
    let manage = ManageEncryption::new(world.environment());
    let refused = manage.start(&Host).map(drop);
    assert!(
        matches!(refused, Err(EncryptionError::NoneActive)),
        "{refused:?}"
    );
    assert_eq!(world.actions(), [""; 0]);
}

#[test]
fn only_what_runs_is_paused() {
    let keyed = Keyed::new();
    let refused = || keyed.manage().pause(&Host).map(drop);
    assert!(matches!(refused(), Err(EncryptionError::NotRunning)));
    nothing_happened(&keyed);
    keyed.manage().start(&Host).unwrap();
    assert_eq!(work(&keyed.worker("w")), Step::Done { unreadable: 0 });
    assert!(matches!(refused(), Err(EncryptionError::NotRunning)));
    assert_eq!(keyed.rotation(), RotationState::Done);
}

#[test]
fn what_was_done_before_is_not_done_again_and_not_audited_again() {
    let keyed = Keyed::new();
    let (old, new) = (*keyed.old.id(), *keyed.new.id());
    keyed.manage().activate(&Host, old).unwrap();
    assert_eq!(keyed.world.actions(), [""; 0]);
    for _ in 0..2 {
        keyed.manage().activate(&Host, new).unwrap();
    }
    for _ in 0..2 {
        keyed.manage().start(&Host).unwrap();
    }
    for _ in 0..2 {
        let paused = keyed.manage().pause(&Host).unwrap();
        assert_eq!(paused.rotation, RotationState::Paused);
    }
    keyed.manage().start(&Host).unwrap();
    work(&keyed.worker("w"));
    for _ in 0..2 {
        keyed.manage().retire(&Host, old, Leftovers::Keep).unwrap();
    }
    assert_eq!(
        keyed.world.actions(),
        [
            "encryption-key.activate",
            "encryption-rotation.start",
            "encryption-rotation.pause",
            "encryption-rotation.start",
            "encryption-rotation.finish",
            "encryption-key.retire",
        ]
    );
}

#[test]
fn whether_the_caller_may_is_asked_again_in_the_transaction() {
    let keyed = Keyed::new();
    let (old, new) = (*keyed.old.id(), *keyed.new.id());
    for lost in [Lost::Key, Lost::Role, Lost::Factor] {
        let admin = admin(&keyed);
        lose(&keyed, &admin, lost);
        let manage = keyed.manage();
        for refused in [
            manage.activate(&admin, new),
            manage.retire(&admin, old, Leftovers::Keep),
            manage.start(&admin).map(drop),
            manage.pause(&admin).map(drop),
        ] {
            let Err(EncryptionError::Denied(denied)) = refused else {
                panic!("{lost:?}: {refused:?}");
            };
            let is_expected = match lost {
                Lost::Key => matches!(denied, Denied::KeyEnded),
                Lost::Role => matches!(denied, Denied::MissingScope(Scope::Admin)),
                Lost::Factor => matches!(denied, Denied::StepUpRequired),
            };
            assert!(is_expected, "{lost:?}: {denied:?}");
        }
        nothing_happened(&keyed);
    }
}

/// What was done for one key says nothing of the next.
#[test]
fn re_encryption_rests_when_another_key_becomes_active_after_it_was_done() {
    let keyed = Keyed::new();
    keyed.sealed_under(&keyed.old, "one");
    keyed.manage().start(&Host).unwrap();
    assert_eq!(work(&keyed.worker("w")), Step::Done { unreadable: 0 });
    keyed.manage().activate(&Host, *keyed.new.id()).unwrap();
    let status = keyed.status();
    assert_eq!(
        (status.rotation, status.done, status.total),
        (RotationState::Idle, 0, 2)
    );
}

#[derive(Clone, Copy, Debug)]
enum Lost {
    Key,
    Role,
    Factor,
}

fn lose(keyed: &Keyed, admin: &Permit<needs::Admin>, lost: Lost) {
    let World { store, macs, .. } = &*keyed.world;
    let row = store.read(|tx| tx.key_with_owner(admin.key.id)).unwrap();
    let row = row.unwrap();
    let (mut key, mut user) = (row.key.unverified().clone(), row.owner.unverified().clone());
    match lost {
        Lost::Key => key.revoked_at = Some(NOW),
        Lost::Role => user.role = keyward_auth::Role::Normal,
        // Enrolled since, and not shown.
        Lost::Factor => user.mfa_since = Some(NOW),
    }
    let (key, user) = (Signed::sign(key, macs), Signed::sign(user, macs));
    store
        .write(|tx| {
            tx.replace_api_key(row.key.mac(), &key)?;
            tx.replace_user(row.owner.mac(), &user).map(drop)
        })
        .unwrap();
}

fn admin(keyed: &Keyed) -> Permit<needs::Admin> {
    let world = &keyed.world;
    let name = format!(
        "root-{}",
        world
            .store
            .read(|tx| tx.users_after(None, 99))
            .unwrap()
            .len()
    );
    // Another one stays when this one goes.
    world.add_admin(&format!("{name}-too"));
    let user = world.add_admin(&name);
    world.permit(&world.add_key(&user, |_| {}))
}

#[track_caller]
fn nothing_happened(keyed: &Keyed) {
    let states: Vec<_> = [&keyed.old, &keyed.new].map(|key| keyed.state(key)).into();
    assert_eq!(states, [Some(KeyState::Active), Some(KeyState::Added)]);
    assert_eq!(keyed.rotation(), RotationState::Idle);
    assert_eq!(keyed.world.actions(), [""; 0]);
    let active: Vec<KeyId> = keyed
        .records()
        .iter()
        .filter(|key| key.is_field_key() && key.state == KeyState::Active)
        .map(|key| key.kid)
        .collect();
    assert_eq!(active, [*keyed.old.id()]);
}
