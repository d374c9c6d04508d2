use std::sync::Arc;

use keyward_auth::{Advice, AdviceName, Any, ApiKeys as _, Authenticate, Environment};
use keyward_core::{Store as _, Timestamp};
use keyward_crypto::{ApiKey, MacRing, TotpWindow};

use crate::flaky_store::FlakyStore;
use crate::world::{NOW, World};

const MINUTE: Timestamp = Timestamp(NOW.0 - NOW.0 % 60);

fn stored(world: &World, key: &ApiKey) -> Option<Timestamp> {
    let found = world.store.read(|tx| tx.key_with_owner(key.id()));
    found.unwrap().unwrap().last_used_at
}

#[test]
fn the_last_use_is_kept_to_the_minute_and_written_behind() {
    let world = World::new();
    let key = world.add_key(&world.add_user("ada", |_| {}), |_| {});

    world.principal(&key);
    assert_eq!(stored(&world, &key), None, "not by the request itself");
    world.last_used.flush(&world.store).unwrap();
    assert_eq!(stored(&world, &key), Some(MINUTE));

    world.clock.advance(60);
    world.principal(&key);
    world.last_used.flush(&world.store).unwrap();
    assert_eq!(stored(&world, &key), Some(MINUTE.plus(60)));
}

#[test]
fn a_second_use_in_one_minute_writes_nothing() {
    let world = World::new();
    let key = world.add_key(&world.add_user("ada", |_| {}), |_| {});
    let store = FlakyStore::new(world.store.clone());
    world.principal(&key);
    world.last_used.flush(&store).unwrap();

    store.set_down(true);
    world.clock.advance(10);
    world.principal(&key);
    world.last_used.flush(&store).unwrap();
    world.clock.advance(60);
    world.principal(&key);
    assert!(world.last_used.flush(&store).is_err(), "the next minute");
}

#[test]
fn a_clock_that_goes_back_does_not_take_the_last_use_back() {
    let world = World::new();
    let key = world.add_key(&world.add_user("ada", |_| {}), |_| {});
    world.principal(&key);
    world.last_used.flush(&world.store).unwrap();
    world.clock.advance(-3_600);
    world.principal(&key);
    world.last_used.flush(&world.store).unwrap();
    assert_eq!(stored(&world, &key), Some(MINUTE));
}

#[test]
fn what_could_not_be_written_is_written_later() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let (early, both) = (world.add_key(&ada, |_| {}), world.add_key(&ada, |_| {}));
    let store = Arc::new(FlakyStore::new(world.store.clone()));
    let authenticate = Authenticate::new(
        store.clone(),
        world.macs.clone(),
        world.clock.clone(),
        world.last_used.clone(),
    );
    authenticate.principal(&early).unwrap();
    authenticate.principal(&both).unwrap();

    store.set_down(true);
    assert!(world.last_used.flush(&store).is_err());
    store.set_down(false);
    world.clock.advance(120);
    authenticate.principal(&both).unwrap();
    world.last_used.flush(&store).unwrap();

    assert_eq!(stored(&world, &early), Some(MINUTE));
    assert_eq!(stored(&world, &both), Some(MINUTE.plus(120)));
}

#[test]
fn a_rejected_key_was_not_used() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key(&ada, |key| key.revoked_at = Some(NOW));
    assert!(!world.accepts(&key));
    world.last_used.flush(&world.store).unwrap();
    assert_eq!(stored(&world, &key), None);
}

#[test]
fn a_key_that_is_used_gets_a_mac_by_the_secret_that_signs_now() {
    let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
    let both = MacRing::parse(&format!("{},{}", new.expose(), old.expose())).unwrap();
    let newer = both.active();
    let older = MacRing::parse(old.expose()).unwrap().active();
    assert!(both.activate(&older));
    let world = World {
        macs: both,
        ..World::new()
    };
    let ada = world.add_user("ada", |_| {});
    let (used, unused) = (world.add_key(&ada, |_| {}), world.add_key(&ada, |_| {}));
    let row = |key: &ApiKey| {
        let found = world.store.read(|tx| tx.key_with_owner(key.id()));
        found.unwrap().unwrap().key
    };

    world.principal(&used);
    world.last_used.flush(&world.store).unwrap();
    assert_eq!(
        *row(&used).unverified().key_mac.key_id(),
        older,
        "nothing to do"
    );

    assert!(world.macs.activate(&newer));
    world.principal(&used);
    assert_eq!(
        *row(&used).unverified().key_mac.key_id(),
        older,
        "written behind"
    );
    world.last_used.flush(&world.store).unwrap();

    assert_eq!(*row(&used).unverified().key_mac.key_id(), newer);
    assert_eq!(*row(&used).mac().key_id(), newer);
    assert!(row(&used).is_genuine(&world.macs));
    assert_eq!(*row(&unused).unverified().key_mac.key_id(), older);
    world.principal(&used);
    world.principal(&unused);
}

#[test]
fn a_key_that_was_revoked_before_its_new_mac_was_written_stays_revoked() {
    let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
    let both = MacRing::parse(&format!("{},{}", new.expose(), old.expose())).unwrap();
    let newer = both.active();
    let older = MacRing::parse(old.expose()).unwrap().active();
    assert!(both.activate(&older));
    let world = World {
        macs: both,
        ..World::new()
    };
    let key = world.add_key(&world.add_user("ada", |_| {}), |_| {});
    assert!(world.macs.activate(&newer));
    world.principal(&key);

    let permit = world.permit::<Any>(&key);
    world.keys().revoke_own(&permit, key.id()).unwrap();
    world.last_used.flush(&world.store).unwrap();

    assert!(!world.accepts(&key));
}

/// Says of everything that another node has claimed it.
struct OthersWrite;

impl Advice for OthersWrite {
    fn is_limited(&self, _: &[AdviceName]) -> bool {
        false
    }

    fn limited(&self, _: &AdviceName, _: i64) {}

    fn withdraw(&self, _: &[AdviceName]) {}

    fn claim(&self, names: &[AdviceName]) -> Vec<bool> {
        vec![false; names.len()]
    }

    fn keys_changed(&self) {}
}

#[test]
fn a_time_that_is_left_to_another_node_is_written_after_five_minutes_all_the_same() {
    let world = World::new();
    let mut environment = world.environment();
    environment.advice = Arc::new(OthersWrite);
    let key = world.add_key(&world.add_user("ada", |_| {}), |_| {});
    let used_once = world.add_key(&world.add_user("grace", |_| {}), |_| {});
    world.principal(&used_once);
    for _ in 0..19 {
        // In use all the time, so a new minute begins while the one before is left.
        world.principal(&key);
        world.last_used.flush_shared(&environment).unwrap();
        assert_eq!(stored(&world, &key), None, "left to the other node");
        world.clock.advance(15);
    }
    world.clock.advance(15);
    world.principal(&key);
    world.last_used.flush_shared(&environment).unwrap();
    assert_eq!(stored(&world, &key), Some(MINUTE.plus(5 * 60)));
    assert_eq!(stored(&world, &used_once), Some(MINUTE), "not lost");
}

#[test]
fn what_another_node_left_is_written_at_the_end() {
    let world = World::new();
    let mut environment = world.environment();
    environment.advice = Arc::new(OthersWrite);
    let key = world.add_key(&world.add_user("ada", |_| {}), |_| {});
    world.principal(&key);
    world.last_used.flush_shared(&environment).unwrap();
    assert_eq!(stored(&world, &key), None);
    world.last_used.flush(&world.store).unwrap();
    assert_eq!(stored(&world, &key), Some(MINUTE));
}

#[test]
fn what_nobody_claims_is_written_at_once_and_again_when_the_store_had_failed() {
    let world = World::new();
    let store = Arc::new(FlakyStore::new(world.store.clone()));
    let environment = world.environment();
    let flaky = Environment {
        store: store.clone(),
        fields: environment.fields.clone(),
        macs: environment.macs.clone(),
        hashing: environment.hashing.clone(),
        audit: environment.audit.clone(),
        totp_window: TotpWindow::default(),
        advice: environment.advice.clone(),
        clock: environment.clock.clone(),
    };
    let claimed_before = Environment {
        advice: Arc::new(OthersWrite),
        ..environment.clone()
    };
    let key = world.add_key(&world.add_user("ada", |_| {}), |_| {});
    world.principal(&key);
    store.set_down(true);
    assert!(world.last_used.flush_shared(&flaky).is_err());
    // This node has claimed the minute itself, and is told so.
    world.last_used.flush_shared(&claimed_before).unwrap();
    assert_eq!(stored(&world, &key), Some(MINUTE));

    world.clock.advance(60);
    world.principal(&key);
    world.last_used.flush_shared(&environment).unwrap();
    assert_eq!(stored(&world, &key), Some(MINUTE.plus(60)));
}
