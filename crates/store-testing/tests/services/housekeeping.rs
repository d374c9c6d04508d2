use keyward_audit::AuditEvents as _;
use keyward_core::{Store as _, StoreError};

use crate::world::{World, password, username};

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

fn noted(world: &World) -> usize {
    let events = world.store.read(|tx| tx.audit_events_after(0, 1_000));
    let events = Result::<_, StoreError>::unwrap(events);
    events
        .iter()
        .filter(|event| event.fields.action == "clock.went-back")
        .count()
}
