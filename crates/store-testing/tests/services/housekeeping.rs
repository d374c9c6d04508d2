use std::sync::Arc;

use keyward_audit::AuditEvents as _;
use keyward_auth::{
    AttemptLimits as _, AttemptPolicy, Environment, Host, Housekeeping, KeptTime as _,
    LimitSubject, LoggedIn, LoginTickets as _, ProofUse, TrustClock, UsedProofs as _, UserId,
};
use keyward_core::{Store as _, StoreError};
use keyward_crypto::TotpStep;
use keyward_store_testing::MemoryStore;

use crate::world::{World, password, username, visitor};

#[test]
fn a_clock_that_goes_back_is_noted_once() {
    let world = World::new();
    let first = world
        .setup()
        .first_admin(&username("root"), &password("correct horse battery"));
    assert!(first.is_ok());
    for (advance, expected) in [
        (-90, 0),
        (-1, 1),
        (0, 1),
        (-90, 1),
        (-1, 2),
        (-400 * 86_400, 3),
    ] {
        world.clock.advance(advance);
        world.housekeeping().sweep().unwrap();
        world.housekeeping().sweep().unwrap();
        assert_eq!(noted(&world), expected, "{advance}");
    }
    world.clock.advance(800 * 86_400);
    world.housekeeping().sweep().unwrap();
    assert_eq!(noted(&world), 3);
}

/// What a server works with that starts now.
fn started(world: &World) -> Environment<Arc<MemoryStore>> {
    world.environment().steady().unwrap()
}

#[test]
fn what_had_ended_stays_ended_when_the_clock_is_set_back_and_the_server_starts_anew() {
    let world = World::new();
    let ends = world.now().plus(HOUR);
    let server = started(&world);
    assert!(server.clock.now() < ends);
    world.clock.advance(HOUR);
    Housekeeping::new(server).sweep().unwrap();
    world.clock.advance(-2 * HOUR);
    let server = started(&world);
    assert!(server.clock.now() >= ends);
    assert_eq!(server.clock.shown(), world.now());
    // The end of a server counts too, when it ends in peace.
    world.clock.advance(5 * HOUR);
    Housekeeping::new(server).keep_time().unwrap();
    world.clock.advance(-5 * HOUR);
    assert!(started(&world).clock.now() >= ends.plus(3 * HOUR));
}

#[test]
fn all_nodes_go_by_the_latest_time_that_one_of_them_has_seen() {
    let world = World::new();
    let (first, second) = (started(&world), started(&world));
    world.clock.advance(2 * HOUR);
    Housekeeping::new(first).keep_time().unwrap();
    world.clock.advance(-2 * HOUR);
    assert!(second.clock.now() < world.now().plus(HOUR));
    Housekeeping::new(second.clone()).keep_time().unwrap();
    assert!(second.clock.now() >= world.now().plus(2 * HOUR));
}

#[test]
fn a_clock_that_was_ahead_is_trusted_again_when_the_host_says_so() {
    let world = World::new();
    world.clock.advance(2 * HOUR);
    Housekeeping::new(started(&world)).sweep().unwrap();
    world.clock.advance(-2 * HOUR);
    let server = started(&world);
    assert!(server.clock.now() >= world.now().plus(2 * HOUR));
    let trust = TrustClock::new(server);
    assert_eq!(trust.trust(Host).unwrap(), Some(2 * HOUR));
    assert_eq!(trust.trust(Host).unwrap(), None);
    assert_eq!(started(&world).clock.now(), world.now());
    let events = world.events();
    let event = &events.last().unwrap().fields;
    assert_eq!(event.action, "clock.trust");
    assert_eq!(event.at, world.now());
    assert!(event.details.contains("7200"), "{}", event.details);
}

#[test]
fn a_clock_that_is_behind_by_no_more_than_clocks_differ_is_trusted_anyway() {
    let world = World::new();
    for (behind, expected) in [(0, None), (90, None), (91, Some(91))] {
        let kept = world.now().plus(behind);
        let written = world.store.write(|tx| tx.reset_time(kept));
        Result::<(), StoreError>::unwrap(written);
        let trust = TrustClock::new(world.environment());
        assert_eq!(trust.trust(Host).unwrap(), expected);
    }
}

#[test]
fn attempts_are_forgotten_after_a_day_however_many_there_are() {
    let world = World::new();
    let networks: Vec<_> = (0..2_500)
        .map(|n| LimitSubject::source(&world.macs, &n.to_string()))
        .collect();
    let counted = world.store.write(|tx| {
        networks.iter().try_for_each(|network| {
            tx.reserve_attempt(network, world.now(), &AttemptPolicy::SOURCE)
                .map(drop)
        })
    });
    Result::<(), StoreError>::unwrap(counted);
    let known = || {
        let states = world.store.read(|tx| {
            let states = networks.iter().map(|network| tx.attempts(network));
            states.collect::<Result<Vec<_>, StoreError>>()
        });
        states.unwrap().iter().flatten().count()
    };

    world.clock.advance(86_400);
    world.housekeeping().sweep().unwrap();
    assert_eq!(known(), 2_500);
    world.clock.advance(1);
    world.housekeeping().sweep().unwrap();
    assert_eq!(known(), 0);
}

#[test]
fn a_used_proof_is_known_for_a_day() {
    let world = World::new();
    let proof = ProofUse {
        prover: UserId::generate(),
        verifier: None,
        purpose: None,
    };
    let step = TotpStep::at(world.now().0);
    let is_new = || {
        let used = world.store.write(|tx| tx.use_proof(&proof, step));
        Result::<bool, StoreError>::unwrap(used)
    };
    assert!(is_new());
    let next = TotpStep::at(world.now().0 + 30);
    for advance in [0, 86_400] {
        world.clock.advance(advance);
        world.housekeeping().sweep().unwrap();
        assert!(!is_new());
    }
    // One step more, and its mark has gone. No proof of the step is accepted again.
    let other = ProofUse {
        prover: UserId::generate(),
        ..proof.clone()
    };
    let used = |step| world.store.write(|tx| tx.use_proof(&other, step));
    world.clock.advance(30);
    world.housekeeping().sweep().unwrap();
    assert!(!Result::<bool, StoreError>::unwrap(used(step)));
    assert!(Result::<bool, StoreError>::unwrap(used(next)));
}

#[test]
fn a_ticket_is_forgotten_when_it_has_ended() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    world.enrol(&ada);
    let typed = password("correct horse battery");
    let begun = (world.login()).with_password(&username("ada"), &typed, &visitor());
    let LoggedIn::NeedsSecondFactor { ticket, expires_at } = begun.unwrap() else {
        panic!("no second factor is asked for");
    };
    // As it was when it could be tried.
    let before = expires_at.plus(-1);
    let is_known = || {
        let found = (world.store).read(|tx| tx.ticket_to_try(ticket.id(), before, 5));
        Result::<_, StoreError>::unwrap(found).is_some()
    };
    for (advance, is_left) in [(300, true), (1, false)] {
        world.clock.advance(advance);
        world.housekeeping().sweep().unwrap();
        assert_eq!(is_known(), is_left);
    }
}

fn noted(world: &World) -> usize {
    let events = world.store.read(|tx| tx.audit_events_after(0, 1_000));
    let events = Result::<_, StoreError>::unwrap(events);
    events
        .iter()
        .filter(|event| event.fields.action == "clock.went-back")
        .count()
}

const HOUR: i64 = 3_600;
