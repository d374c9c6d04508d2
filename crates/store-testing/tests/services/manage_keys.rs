use std::sync::Barrier;
use std::thread;

use keyward_auth::{
    Any, Host, KeyCursor, KeyError, KeyName, Role, Scope, Scopes, UserKind, UserStatus, needs,
};
use keyward_core::{Id, LegacyId, Timestamp};
use keyward_crypto::{ApiKeyId, ApiKeyKind, MacRing};

use crate::world::{NOW, World, is_corrupt, new_key};

fn scopes(list: &[Scope]) -> Scopes {
    list.iter().copied().collect()
}

#[test]
fn a_new_key_takes_over_what_the_asking_key_may() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let some = scopes(&[Scope::Read, Scope::CredentialsUse]);
    let asking = world.add_key(&ada, |key| {
        key.scopes = some;
        key.expires_at = Some(NOW.plus(600));
    });

    let (view, key) = (world.keys())
        .create_own(&world.permit(&asking), &new_key(None, None), None)
        .unwrap();

    let key = key.unwrap();
    assert_eq!(view.id, key.id().to_string());
    assert_eq!(
        (view.name.as_str(), view.kind.as_str()),
        ("new key", "user")
    );
    assert_eq!(view.scopes, some);
    assert_eq!(
        (view.created_at, view.expires_at),
        (NOW, Some(NOW.plus(600)))
    );
    assert_eq!((view.revoked_at, view.last_used_at), (None, None));
    let principal = world.principal(&key);
    assert_eq!(principal.user, ada.id);
    assert_eq!(principal.key.scopes, some);
}

#[test]
fn a_key_never_makes_a_stronger_one() {
    let world = World::new();
    let admin = world.add_admin("root");
    let asking = world.add_key(&admin, |key| key.scopes = scopes(&[Scope::Read]));
    let wanted = scopes(&[Scope::Read, Scope::Admin, Scope::CredentialsAccess]);
    let error = (world.keys())
        .create_own(&world.permit(&asking), &new_key(Some(wanted), None), None)
        .unwrap_err();
    let KeyError::Stronger(too_much) = error else {
        panic!("{error}");
    };
    assert_eq!(too_much, scopes(&[Scope::Admin, Scope::CredentialsAccess]));

    // What the role has taken away cannot be given on either.
    let ada = world.add_user("ada", |_| {});
    let asking = world.add_key(&ada, |key| key.scopes = Scopes::all());
    let stronger = new_key(Some(scopes(&[Scope::Admin])), None);
    let outcome = world
        .keys()
        .create_own(&world.permit(&asking), &stronger, None);
    assert!(matches!(outcome, Err(KeyError::Stronger(_))));
    assert_eq!((world.keys_of(&admin), world.keys_of(&ada)), (1, 1));
    assert!(world.events().is_empty());
}

#[test]
fn a_key_never_makes_one_that_lives_longer() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let end = NOW.plus(600);
    let asking = world.add_key(&ada, |key| key.expires_at = Some(end));
    let permit = world.permit(&asking);
    let create = |expires_at| {
        world
            .keys()
            .create_own(&permit, &new_key(None, expires_at), None)
    };

    assert!(matches!(
        create(Some(end.plus(1))),
        Err(KeyError::OutlivesCreator)
    ));
    assert_eq!(create(Some(end)).unwrap().0.expires_at, Some(end));
    assert_eq!(
        create(Some(NOW.plus(1))).unwrap().0.expires_at,
        Some(NOW.plus(1))
    );
    assert_eq!(create(None).unwrap().0.expires_at, Some(end));
    for past in [NOW, NOW.plus(-1), Timestamp(0)] {
        assert!(matches!(create(Some(past)), Err(KeyError::ExpiryInPast)));
    }
}

#[test]
fn a_login_key_makes_lasting_keys() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let login = world.add_key_of_kind(&ada, ApiKeyKind::Login, |key| {
        key.expires_at = Some(NOW.plus(600));
    });
    let permit = world.permit(&login);
    let (view, _) = world
        .keys()
        .create_own(&permit, &new_key(None, None), None)
        .unwrap();
    assert_eq!((view.expires_at, view.kind.as_str()), (None, "user"));
}

#[test]
fn an_agent_gets_agent_keys() {
    let world = World::new();
    let agent = world.add_user("agent", |user| user.kind = UserKind::Agent);
    let asking = world.add_key_of_kind(&agent, ApiKeyKind::Agent, |_| {});
    let permit = world.permit(&asking);
    let (view, key) = world
        .keys()
        .create_own(&permit, &new_key(None, None), None)
        .unwrap();
    assert_eq!(view.kind, "agent");
    assert_eq!(world.principal(&key.unwrap()).kind, UserKind::Agent);
}

#[test]
fn a_key_for_another_user_stays_within_their_role_and_the_asking_key() {
    let world = World::new();
    let admin = world.add_admin("root");
    let ada = world.add_user("ada", |_| {});
    let agent = world.add_user("agent", |user| user.kind = UserKind::Agent);
    let asking = world.add_key(&admin, |key| {
        key.scopes = scopes(&[Scope::Read, Scope::UsersWrite, Scope::CredentialsUse]);
        key.expires_at = Some(NOW.plus(600));
    });
    let permit = world.permit::<needs::UsersWrite>(&asking);
    let create = |user, scopes, end| {
        world
            .keys()
            .create_for(&permit, user, &new_key(scopes, end), None)
    };

    let (view, key) = create(ada.id, None, None).unwrap();
    assert_eq!(view.scopes, scopes(&[Scope::Read, Scope::CredentialsUse]));
    assert_eq!(view.expires_at, Some(NOW.plus(600)));
    assert_eq!(world.principal(&key.unwrap()).user, ada.id);
    assert_eq!(create(agent.id, None, None).unwrap().0.kind, "agent");
    for too_much in [Scope::UsersWrite, Scope::CredentialsAccess] {
        let outcome = create(ada.id, Some(scopes(&[too_much])), None);
        assert!(matches!(outcome, Err(KeyError::Stronger(_))), "{too_much}");
    }
    let longer = create(ada.id, None, Some(NOW.plus(601)));
    assert!(matches!(longer, Err(KeyError::OutlivesCreator)));
}

#[test]
fn there_is_no_key_for_somebody_who_is_not_there() {
    let world = World::new();
    let permit = world.permit(&world.add_key(&world.add_admin("root"), |_| {}));
    let gone = world.add_user("gone", |user| user.status = UserStatus::Deleted);
    let forged = world.add_user("forged", |_| {});
    world
        .store
        .tamper(|rows| rows.edit_user(forged.id, |user| user.role = Role::Admin));
    for user in [gone.id, forged.id, Id::generate()] {
        let made = world
            .keys()
            .create_for(&permit, user, &new_key(None, None), None);
        assert!(matches!(made, Err(KeyError::NotFound)));
        let listed = world.keys().list_of(&permit, user, None, 10);
        assert!(matches!(listed, Err(KeyError::NotFound)));
    }
}

#[test]
fn a_rotation_without_overlap_ends_the_old_key_at_once() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let end = NOW.plus(600);
    let old = world.add_key(&ada, |key| {
        key.name = KeyName::parse("deploy").unwrap();
        key.scopes = scopes(&[Scope::Read]);
        key.expires_at = Some(end);
    });
    world.clock.advance(5);

    let permit = world.permit(&old);
    let (view, new) = world.keys().rotate_own(&permit, old.id(), 0, None).unwrap();

    assert!(!world.accepts(&old));
    let new = new.unwrap();
    assert!(world.accepts(&new));
    assert_ne!(new.id(), old.id());
    assert_eq!(view.id, new.id().to_string());
    assert_eq!(
        (view.name.as_str(), view.scopes),
        ("deploy", scopes(&[Scope::Read]))
    );
    assert_eq!((view.created_at, view.expires_at), (NOW.plus(5), Some(end)));
}

#[test]
fn a_rotation_with_overlap_ends_the_old_key_later() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let old = world.add_key(&ada, |_| {});
    let permit = world.permit(&old);
    let (view, new) = world
        .keys()
        .rotate_own(&permit, old.id(), 300, None)
        .unwrap();
    let new = new.unwrap();
    assert_eq!(view.expires_at, None);

    assert!(world.accepts(&old) && world.accepts(&new));
    world.clock.advance(299);
    assert!(world.accepts(&old));
    world.clock.advance(1);
    assert!(!world.accepts(&old) && world.accepts(&new));
}

#[test]
fn an_overlap_does_not_make_the_old_key_live_longer() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let old = world.add_key(&ada, |key| key.expires_at = Some(NOW.plus(60)));
    let permit = world.permit(&old);
    world
        .keys()
        .rotate_own(&permit, old.id(), 300, None)
        .unwrap();
    world.clock.advance(60);
    assert!(!world.accepts(&old));
}

#[test]
fn a_weak_key_gets_no_stronger_one_by_rotating_it() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let strong = world.add_key(&ada, |_| {});
    let weak = world.add_key(&ada, |key| key.scopes = scopes(&[Scope::Read]));
    let rotated = world
        .keys()
        .rotate_own(&world.permit(&weak), strong.id(), 0, None);
    assert!(matches!(rotated, Err(KeyError::Stronger(_))));

    let brief = world.add_key(&ada, |key| key.expires_at = Some(NOW.plus(60)));
    let longer = world.add_key(&ada, |key| key.expires_at = Some(NOW.plus(61)));
    let rotated = world
        .keys()
        .rotate_own(&world.permit(&brief), longer.id(), 0, None);
    assert!(matches!(rotated, Err(KeyError::OutlivesCreator)));
    assert!(world.accepts(&strong) && world.accepts(&longer));
}

#[test]
fn a_key_that_ends_gets_no_endless_one_by_rotating_it() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let endless = world.add_key(&ada, |_| {});
    let brief = world.add_key(&ada, |key| key.expires_at = Some(NOW.plus(60)));

    let rotated = (world.keys()).rotate_own(&world.permit(&brief), endless.id(), 0, None);

    assert!(matches!(rotated, Err(KeyError::OutlivesCreator)));
    assert!(world.accepts(&endless));
}

#[test]
fn a_lasting_key_gets_no_login_key_by_rotating_one() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let login = world.add_key_of_kind(&ada, ApiKeyKind::Login, |key| {
        key.expires_at = Some(NOW.plus(30));
    });
    let brief = world.add_key(&ada, |key| key.expires_at = Some(NOW.plus(60)));

    // A login key may make endless keys, which a key that ends may not.
    let rotated = (world.keys()).rotate_own(&world.permit(&brief), login.id(), 0, None);

    assert!(rotated.is_err());
    assert!(world.accepts(&login));
}

#[test]
fn a_key_that_an_import_brought_is_rotated_into_one_of_ours() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let old = world.add_key_of_kind(&ada, ApiKeyKind::Foreign, |key| {
        key.legacy_id = Some(LegacyId(7));
    });

    let rotated = (world.keys()).rotate_own(&world.permit(&old), old.id(), 0, None);

    let (view, new) = rotated.unwrap();
    let new = new.unwrap();
    assert_eq!((new.kind(), view.kind.as_str()), (ApiKeyKind::User, "user"));
    assert_eq!(view.legacy_id, None);
    assert_eq!(world.principal(&new).key.kind, ApiKeyKind::User);
    assert!(!world.accepts(&old));
}

#[test]
fn somebody_who_was_demoted_can_still_rotate_their_keys() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    // Made while she was an administrator.
    let old = world.add_key(&ada, |key| key.scopes = Scopes::all());

    let rotated = (world.keys()).rotate_own(&world.permit(&old), old.id(), 0, None);

    let (view, new) = rotated.unwrap();
    assert_eq!(view.scopes, Scopes::of_role(Role::Normal));
    let principal = world.principal(&new.unwrap());
    assert_eq!(principal.key.scopes, Scopes::of_role(Role::Normal));
}

#[test]
fn a_revoked_key_is_gone_for_good() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let asking = world.add_key(&ada, |_| {});
    let key = world.add_key(&ada, |_| {});
    let permit = world.permit(&asking);

    world.keys().revoke_own(&permit, key.id()).unwrap();

    assert!(!world.accepts(&key) && world.accepts(&asking));
    let again = world.keys().revoke_own(&permit, key.id());
    assert!(matches!(again, Err(KeyError::NotFound)));
    let rotated = world.keys().rotate_own(&permit, key.id(), 0, None);
    assert!(matches!(rotated, Err(KeyError::NotFound)));
    let listed = world.keys().list_own(&permit, None, 10).unwrap();
    let ended: Vec<_> = listed
        .iter()
        .filter(|view| view.revoked_at == Some(NOW))
        .collect();
    assert_eq!((listed.len(), ended.len()), (2, 1));
    assert_eq!(world.actions(), ["api_key.revoke"]);
}

#[test]
fn an_expired_key_is_not_rotated_back_to_life() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let asking = world.add_key(&ada, |_| {});
    let key = world.add_key(&ada, |key| key.expires_at = Some(NOW.plus(60)));
    let permit = world.permit(&asking);
    world.clock.advance(60);
    let rotated = world.keys().rotate_own(&permit, key.id(), 300, None);
    assert!(matches!(rotated, Err(KeyError::NotFound)));
}

#[test]
fn the_key_of_somebody_else_is_not_found() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let eve = world.add_admin("eve");
    let theirs = world.add_key(&ada, |_| {});
    let mine = world.add_key(&eve, |_| {});
    let permit = world.permit::<Any>(&mine);
    let admin = world.permit::<needs::UsersWrite>(&mine);
    let unknown = ApiKeyId::parse("0000000000000000").unwrap();
    for id in [theirs.id(), unknown] {
        let keys = world.keys();
        let outcomes = [
            keys.revoke_own(&permit, id),
            keys.revoke_of(&admin, eve.id, id),
            keys.rotate_own(&permit, id, 0, None).map(drop),
        ];
        for outcome in outcomes {
            assert!(matches!(outcome, Err(KeyError::NotFound)));
        }
    }
    assert!(world.accepts(&theirs));
    world.keys().revoke_of(&admin, ada.id, theirs.id()).unwrap();
    assert!(!world.accepts(&theirs));
}

#[test]
fn a_forged_key_is_neither_revoked_nor_rotated() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let permit = world.permit(&world.add_key(&ada, |_| {}));
    let forged = world.add_key(&ada, |key| key.scopes = Scopes::NONE);
    world
        .store
        .tamper(|rows| rows.edit_api_key(forged.id(), |key| key.scopes = Scopes::all()));
    let outcomes = [
        world.keys().revoke_own(&permit, forged.id()),
        world
            .keys()
            .rotate_own(&permit, forged.id(), 0, None)
            .map(drop),
    ];
    for outcome in outcomes {
        let Err(KeyError::Store(error)) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(is_corrupt(&error));
    }
}

#[test]
fn lists_go_on_after_the_cursor() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let eve = world.add_user("eve", |_| {});
    let permit = world.permit(&world.add_key(&ada, |_| {}));
    for _ in 0..4 {
        world.add_key(&ada, |_| {});
        world.add_key(&eve, |_| {});
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = world.keys().list_own(&permit, after, 2).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(KeyCursor {
            created_at: last.created_at,
            id: ApiKeyId::parse(&last.id).unwrap(),
        });
        seen.extend(page.into_iter().map(|view| view.id));
    }
    seen.dedup();
    assert_eq!(seen.len(), 5);
}

#[test]
fn a_repeated_attempt_makes_no_second_key_and_shows_none() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let asking = world.add_key(&ada, |_| {});
    let permit = world.permit(&asking);
    let attempt = world.attempt("once", "body");
    let create = || {
        world
            .keys()
            .create_own(&permit, &new_key(None, None), Some(&attempt))
    };

    let (first, key) = create().unwrap();
    world.clock.advance(60 * 60);
    let (second, no_key) = create().unwrap();

    assert!(key.is_some() && no_key.is_none());
    assert_eq!(first, second);
    assert_eq!(world.keys_of(&ada), 2);
    assert_eq!(world.actions(), ["api_key.create"]);
}

#[test]
fn a_repeated_rotation_rotates_once() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let permit = world.permit(&world.add_key(&ada, |_| {}));
    let old = world.add_key(&ada, |_| {});
    let attempt = world.attempt("once", "body");
    let rotate = || {
        world
            .keys()
            .rotate_own(&permit, old.id(), 0, Some(&attempt))
    };

    let (first, key) = rotate().unwrap();
    let (second, no_key) = rotate().unwrap();

    assert!(key.is_some() && no_key.is_none());
    assert_eq!(first, second);
    assert_eq!(world.actions(), ["api_key.rotate"]);
}

#[test]
fn one_idempotency_key_for_two_requests_is_a_conflict() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let permit = world.permit(&world.add_key(&ada, |_| {}));
    let create = |body| {
        let attempt = world.attempt("once", body);
        world
            .keys()
            .create_own(&permit, &new_key(None, None), Some(&attempt))
    };
    create("one").unwrap();
    assert!(matches!(create("other"), Err(KeyError::Idempotency(_))));
    assert_eq!(world.keys_of(&ada), 2);

    // After a day the name is free again; to the second.
    world.clock.advance(24 * 60 * 60);
    assert!(matches!(create("other"), Err(KeyError::Idempotency(_))));
    world.clock.advance(1);
    assert!(create("other").unwrap().1.is_some());
}

#[test]
fn the_same_idempotency_key_of_two_users_names_two_attempts() {
    let world = World::new();
    for name in ["ada", "eve"] {
        let user = world.add_user(name, |_| {});
        let permit = world.permit(&world.add_key(&user, |_| {}));
        let attempt = world.attempt("once", name);
        let made = world
            .keys()
            .create_own(&permit, &new_key(None, None), Some(&attempt));
        assert!(made.unwrap().1.is_some());
    }
}

#[test]
fn an_attempt_that_failed_can_be_repeated() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let weak = world.add_key(&ada, |key| key.scopes = Scopes::NONE);
    let strong = world.add_key(&ada, |_| {});
    let attempt = world.attempt("once", "body");
    let rotate = |key| {
        let permit = world.permit(key);
        world
            .keys()
            .rotate_own(&permit, strong.id(), 300, Some(&attempt))
    };
    assert!(matches!(rotate(&weak), Err(KeyError::Stronger(_))));
    assert!(rotate(&strong).unwrap().1.is_some());
}

#[test]
fn a_repeat_after_the_expiry_is_answered_as_the_first_time() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let permit = world.permit::<Any>(&world.add_key(&ada, |_| {}));
    let attempt = world.attempt("once", "body");
    let new = new_key(None, Some(NOW.plus(60)));
    let create = || world.keys().create_own(&permit, &new, Some(&attempt));

    let (first, _) = create().unwrap();
    world.clock.advance(120);

    let (repeated, key) = create().unwrap();
    assert_eq!(repeated, first);
    assert!(key.is_none());
}

#[test]
fn a_repeat_is_recognised_after_a_new_secret_key_was_put_in_front() {
    let mut world = World::new();
    let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
    world.macs = MacRing::parse(old.expose()).unwrap();
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key(&ada, |_| {});
    let create = |world: &World, body: &str| {
        let (permit, attempt) = (world.permit(&key), world.attempt("once", body));
        let new = new_key(None, None);
        world.keys().create_own(&permit, &new, Some(&attempt))
    };
    let (first, _) = create(&world, "body").unwrap();

    world.macs = MacRing::parse(&format!("{},{}", new.expose(), old.expose())).unwrap();

    let (second, no_key) = create(&world, "body").unwrap();
    assert_eq!((second, no_key.is_none()), (first, true));
    let other = create(&world, "another body");
    assert!(matches!(other, Err(KeyError::Idempotency(_))));
}

#[test]
fn of_racing_repeats_one_makes_the_key() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let permit = world.permit::<Any>(&world.add_key(&ada, |_| {}));
    let attempt = world.attempt("once", "body");
    let start = Barrier::new(8);
    let made: Vec<_> = thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    world
                        .keys()
                        .create_own(&permit, &new_key(None, None), Some(&attempt))
                })
            })
            .collect();
        racers
            .into_iter()
            .map(|racer| racer.join().unwrap().unwrap())
            .collect()
    });
    let (first, _) = made.first().unwrap();
    assert!(made.iter().all(|(view, _)| view == first));
    assert_eq!(made.iter().filter(|(_, key)| key.is_some()).count(), 1);
    assert_eq!(world.keys_of(&ada), 2);
}

#[test]
fn a_rotated_key_begins_anew_and_keeps_its_end_and_its_name() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let old = world.add_key(&ada, |key| {
        key.fresh_until = Some(NOW.plus(300));
        key.expires_at = Some(NOW.plus(600));
    });
    world.clock.advance(60);

    let rotated = (world.keys()).rotate_own(&world.permit(&old), old.id(), 0, None);

    let (view, new) = rotated.unwrap();
    assert_eq!(
        (view.created_at, view.expires_at),
        (NOW.plus(60), Some(NOW.plus(600)))
    );
    assert_eq!(view.name, "laptop");
    let key = world.principal(&new.unwrap()).key;
    assert_eq!(key.fresh_until, None);
}

#[test]
fn the_host_makes_lists_and_revokes_the_keys_of_anybody() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let create = |new| world.keys().create_on_host(Host, ada.id, &new);
    for past in [NOW, NOW.plus(-1)] {
        let outcome = create(new_key(None, Some(past)));
        assert!(matches!(outcome, Err(KeyError::ExpiryInPast)));
    }
    let outcome = create(new_key(Some(Scopes::all()), None));
    assert!(matches!(outcome, Err(KeyError::Stronger(_))));

    let (view, key) = create(new_key(None, Some(NOW.plus(1)))).unwrap();
    assert_eq!(view.scopes, Scopes::of_role(Role::Normal));
    assert!(world.accepts(&key));
    let list = || world.keys().list_on_host(Host, ada.id, None, 10).unwrap();
    assert_eq!(list(), [view]);

    let ended = world.keys().revoke_on_host(Host, key.id()).unwrap();
    assert_eq!(ended.revoked_at, Some(NOW));
    assert!(!world.accepts(&key));
    assert_eq!(list(), [ended]);
    let again = world.keys().revoke_on_host(Host, key.id());
    assert!(matches!(again, Err(KeyError::NotFound)));
    assert_eq!(world.actions(), ["api_key.create", "api_key.revoke"]);
}
