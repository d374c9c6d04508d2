//! Nodes tell each other which keys they hold, and follow which one is active.

use std::sync::Arc;

use keyward_auth::{Environment, Host, NoAdvice};
use keyward_core::{Clock as _, Store as _};
use keyward_crypto::{FieldKey, KeyId, TotpWindow};
use keyward_encryption::{
    EncryptionError, EncryptionKeys as _, KeepError, KeyState, ManageEncryption, NodeRecord,
    RotationState, ServingNode,
};

use crate::keyed::{Keyed, node, ring};
use crate::meddled::Meddled;
use crate::world::World;

#[test]
fn a_node_that_joins_is_known_with_its_keys_until_it_leaves() {
    let keyed = Keyed::new();
    let node = node(&keyed.world, "127.0.0.1:8080");
    assert!(node.id().starts_with("127.0.0.1:8080 "));
    node.join().unwrap();
    keyed.world.clock.advance(5);
    node.join().unwrap();
    assert_eq!(
        nodes(&keyed),
        [NodeRecord {
            id: node.id().to_owned(),
            keys: vec![*keyed.new.id(), *keyed.old.id(), keyed.world.macs.active()],
            signs_with: keyed.world.macs.active(),
            seen_at: keyed.world.now(),
        }]
    );
    node.leave().unwrap();
    assert_eq!(nodes(&keyed), []);
}

#[test]
fn a_node_that_lacks_a_key_in_use_cannot_join() {
    let keyed = Keyed::new();
    let behind = keyed.other(&[&keyed.old]);
    node(&behind, "behind").join().unwrap();
    node(&behind, "behind").leave().unwrap();
    keyed.world.clock.advance(31);
    keyed.manage().activate(&Host, *keyed.new.id()).unwrap();
    let refused = node(&behind, "behind").join();
    let Err(KeepError::Refused(refused)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(refused.missing_field_keys(), [*keyed.new.id()]);
}

#[test]
fn a_node_seals_under_the_key_that_is_active_by_now() {
    let keyed = Keyed::new();
    let other = keyed.other(&[&keyed.new, &keyed.old]);
    assert!(other.fields.activate(keyed.old.id()));
    let other_node = node(&other, "other");
    assert_eq!(other_node.follow().unwrap(), RotationState::Idle);
    assert_eq!(other.fields.active(), *keyed.old.id());

    keyed.manage().activate(&Host, *keyed.new.id()).unwrap();
    keyed.manage().start(&Host).unwrap();
    assert_eq!(other_node.follow().unwrap(), RotationState::Running);
    assert_eq!(other.fields.active(), *keyed.new.id());

    // One that does not hold it goes on with its own, and says so in the log.
    let behind = keyed.other(&[&keyed.old]);
    node(&behind, "behind").follow().unwrap();
    assert_eq!(behind.fields.active(), *keyed.old.id());
}

#[test]
fn a_node_learns_new_keys_and_says_so_at_once() {
    let keyed = Keyed::new();
    let third = FieldKey::generate();
    let node = node(&keyed.world, "a");
    node.join().unwrap();
    assert!(
        !node
            .learn(&ring(&[&keyed.new, &keyed.old]), &keyed.world.macs)
            .unwrap()
    );

    let read = ring(&[&third, &keyed.new, &keyed.old]);
    assert!(node.learn(&read, &keyed.world.macs).unwrap());

    assert!(keyed.world.fields.ids().eq(read.ids()));
    assert_eq!(field_keys(&keyed), read.ids().collect::<Vec<_>>());
    assert_eq!(keyed.state(&third), Some(KeyState::Added));
    assert_eq!(keyed.world.fields.active(), *keyed.old.id());
}

#[test]
fn a_node_gives_up_what_nothing_needs_and_nothing_else() {
    let keyed = Keyed::new();
    let node = node(&keyed.world, "a");
    node.join().unwrap();
    // Added, not in use.
    assert!(node.learn(&ring(&[&keyed.old]), &keyed.world.macs).unwrap());
    assert_eq!(field_keys(&keyed), [*keyed.old.id()]);
    assert!(keyed.world.fields.ids().eq([*keyed.old.id()]));

    let id = keyed.sealed_under(&keyed.old, "kept");
    for _ in 0..2 {
        let refused = node.learn(&ring(&[&keyed.new]), &keyed.world.macs);
        assert!(matches!(refused, Err(KeepError::Refused(_))), "{refused:?}");
        assert_eq!(keyed.opened(id).1, "kept");
        assert_eq!(field_keys(&keyed), [*keyed.old.id()]);
    }
}

/// Between reading the file and telling the others, the key is activated that is no longer there.
#[test]
fn a_key_that_is_activated_meanwhile_is_not_given_up() {
    let keyed = Arc::new(Keyed::new());
    node(&keyed.world, "other").join().unwrap();
    let activating = keyed.manage();
    let kid = *keyed.new.id();
    // The first write joins, the second one tells of the new keys.
    let meddled = meddled(&keyed, 1, move |_| activating.activate(&Host, kid).unwrap());
    meddled.join().unwrap();
    let refused = meddled.learn(&ring(&[&keyed.old]), &keyed.world.macs);
    assert!(matches!(refused, Err(KeepError::Refused(_))), "{refused:?}");
    assert!(keyed.world.fields.ids().any(|held| held == kid));
}

/// Afterwards, nobody activates it.
#[test]
fn a_key_that_was_given_up_is_not_activated() {
    let keyed = Keyed::new();
    let other = keyed.other(&[&keyed.new, &keyed.old]);
    let other_node = node(&other, "other");
    other_node.join().unwrap();
    other_node
        .learn(&ring(&[&keyed.old]), &keyed.world.macs)
        .unwrap();
    let refused = keyed.manage().activate(&Host, *keyed.new.id());
    let Err(EncryptionError::NotEverywhere(nodes)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(nodes, [other_node.id()]);
}

/// A node that was ahead for a while holds on to that time. It finds those that were not all the same.
#[test]
fn a_node_that_serves_is_seen_by_one_that_was_ahead() {
    let keyed = Keyed::new();
    let behind = keyed.other(&[&keyed.old]);
    let clock = &keyed.world.clock;
    clock.advance(3_600);
    let ahead = keyed.world.environment().steady().unwrap();
    clock.advance(-3_600);
    assert!(ahead.clock.now() > ahead.clock.shown());
    let behind_node = node(&behind, "behind");
    behind_node.join().unwrap();
    let refused = ManageEncryption::new(ahead).activate(&Host, *keyed.new.id());
    let Err(EncryptionError::NotEverywhere(nodes)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(nodes, [behind_node.id()]);
}

/// What the first node says of its encryption keys.
fn field_keys(keyed: &Keyed) -> Vec<KeyId> {
    let mut keys = nodes(keyed).remove(0).keys;
    assert_eq!(
        keys.pop(),
        Some(keyed.world.macs.active()),
        "and its secret"
    );
    keys
}

fn nodes(keyed: &Keyed) -> Vec<NodeRecord> {
    let since = keyed.world.clock.now().plus(-60);
    keyed.world.store.read(|tx| tx.nodes_since(since)).unwrap()
}

fn meddled(
    keyed: &Keyed,
    before: usize,
    work: impl FnOnce(&World) + Send + 'static,
) -> ServingNode<Arc<Meddled>> {
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
    ServingNode::new(environment, "meddled")
}
