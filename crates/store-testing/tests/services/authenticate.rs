use std::sync::Arc;

use keyward_auth::{
    ApiKeyRecord, ApiKeys as _, Authenticate, AuthenticateError, KeyName, KeyWithOwner, Role,
    Scope, Scopes, User, UserChange, UserKind, UserStatus,
};
use keyward_core::{Id, Store as _, Timestamp};
use keyward_crypto::{ApiKey, ApiKeyKind, Mac, MacRing, PasswordHash, Signed};

use crate::flaky_store::FlakyStore;
use crate::world::{NOW, World, new_macs, username};

#[test]
fn a_key_says_whose_it_is_and_what_it_may_do() {
    let world = World::new();
    let ada = world.add_admin("ada");
    let scopes = [Scope::Read, Scope::UsersWrite].into_iter().collect();
    let end = NOW.plus(60);
    let key = world.add_key(&ada, |key| {
        key.scopes = scopes;
        key.expires_at = Some(end);
    });

    let principal = world.principal(&key);

    assert_eq!(principal.user, ada.id);
    assert_eq!(principal.username, ada.username);
    assert_eq!(
        (principal.kind, principal.role),
        (UserKind::Human, Role::Admin)
    );
    assert_eq!(principal.key.id, key.id());
    assert_eq!(principal.key.kind, ApiKeyKind::User);
    assert_eq!(principal.key.name.as_str(), "laptop");
    assert_eq!(principal.key.scopes, scopes);
    assert_eq!(principal.key.expires_at, Some(end));
}

#[test]
fn an_unknown_key_is_rejected() {
    let world = World::new();
    world.add_user("ada", |_| {});
    assert!(!world.accepts(&ApiKey::generate(ApiKeyKind::User)));
}

#[test]
fn the_id_of_a_key_without_its_secret_is_rejected() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let other = ApiKey::generate(ApiKeyKind::User);
    let key = world.add_key(&ada, |key| key.key_mac = other.mac(&world.macs));
    assert!(!world.accepts(&key));
}

/// A store that puts the wrong rows together gives nobody the rights of another.
#[test]
fn a_key_that_comes_with_the_row_of_another_owner_is_rejected() {
    let world = World::new();
    let (ada, eve) = (world.add_user("ada", |_| {}), world.add_admin("eve"));
    let (of_ada, of_eve) = (world.add_key(&ada, |_| {}), world.add_key(&eve, |_| {}));
    let found = |key: &ApiKey| {
        let found = world.store.lookup(|tx| tx.key_with_owner(key.id()));
        found.unwrap().unwrap()
    };
    let decided = |found| world.authenticate().decided(Some(found), &of_ada);
    assert!(decided(found(&of_ada)).is_ok());
    let mixed = KeyWithOwner {
        owner: found(&of_eve).owner,
        ..found(&of_ada)
    };
    let refused = decided(mixed);
    assert!(matches!(refused, Err(AuthenticateError::Rejected)));
}

#[test]
fn a_key_of_another_kind_than_its_row_is_rejected() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key(&ada, |key| key.kind = ApiKeyKind::Login);
    assert!(!world.accepts(&key));
}

#[test]
fn a_key_of_another_system_works_where_it_was_imported_and_nowhere_else() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key_of_kind(&ada, ApiKeyKind::Foreign, |_| {});
    assert!(world.accepts(&ApiKey::parse(key.expose()).unwrap()));
    assert!(!world.accepts(&ApiKey::generate(ApiKeyKind::Foreign)));
    let forged = world.add_key_of_kind(&ada, ApiKeyKind::Foreign, |key| {
        key.kind = ApiKeyKind::User;
    });
    assert!(!world.accepts(&forged));
}

#[test]
fn a_key_ends_exactly_at_its_expiry() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key(&ada, |key| key.expires_at = Some(NOW.plus(60)));

    world.clock.advance(59);
    assert!(world.accepts(&key));
    world.clock.advance(1);
    assert!(!world.accepts(&key));
    world.clock.advance(1_000_000);
    assert!(!world.accepts(&key));
}

#[test]
fn a_revoked_key_is_rejected_even_before_the_time_of_its_revocation() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    for at in [Timestamp(0), NOW, NOW.plus(60)] {
        let key = world.add_key(&ada, |key| key.revoked_at = Some(at));
        assert!(!world.accepts(&key), "{at}");
    }
}

#[test]
fn a_key_works_while_its_owner_is_active() {
    let world = World::new();
    let admin = world.add_admin("root");
    let permit = world.permit(&world.add_key(&admin, |_| {}));
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key(&ada, |_| {});
    let set = |status| {
        let change = UserChange {
            status: Some(status),
            ..UserChange::default()
        };
        world.users().change(&permit, ada.id, &change).unwrap();
    };

    assert!(world.accepts(&key));
    set(UserStatus::Disabled);
    assert!(!world.accepts(&key));
    set(UserStatus::Active);
    assert!(world.accepts(&key));
    set(UserStatus::Deleted);
    assert!(!world.accepts(&key));
}

#[test]
fn a_key_whose_row_was_changed_by_hand_is_rejected() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let admin = world.add_admin("root");
    let limits = |key: &mut ApiKeyRecord| {
        key.scopes = [Scope::Read].into_iter().collect();
        key.expires_at = Some(NOW.plus(60));
    };
    let other = ApiKey::generate(ApiKeyKind::User);
    let forgeries: [(&str, Forgery<'_, ApiKeyRecord>); 9] = [
        ("owner", &|key| key.user = admin.id),
        ("scopes", &|key| key.scopes = Scopes::all()),
        ("no scopes", &|key| key.scopes = Scopes::NONE),
        ("expiry", &|key| key.expires_at = Some(NOW.plus(61))),
        ("no expiry", &|key| key.expires_at = None),
        ("revocation", &|key| key.revoked_at = Some(NOW)),
        ("creation", &|key| key.created_at = NOW.plus(1)),
        ("kind", &|key| key.kind = ApiKeyKind::Login),
        ("secret", &|key| key.key_mac = other.mac(&new_macs())),
    ];
    for (what, forge) in forgeries {
        let key = world.add_key(&ada, limits);
        assert!(world.accepts(&key));
        world
            .store
            .tamper(|rows| assert!(rows.edit_api_key(key.id(), forge)));
        assert!(!world.accepts(&key), "forged {what}");
    }
}

#[test]
fn a_revocation_that_was_taken_back_by_hand_does_not_revive_the_key() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key(&ada, |key| key.revoked_at = Some(NOW));
    world
        .store
        .tamper(|rows| rows.edit_api_key(key.id(), |key| key.revoked_at = None));
    assert!(!world.accepts(&key));
}

#[test]
fn a_key_whose_owner_was_changed_by_hand_is_rejected() {
    let world = World::new();
    let forgeries: [(&str, Forgery<'_, User>); 8] = [
        ("role", &|user| user.role = Role::Admin),
        ("status", &|user| user.status = UserStatus::Disabled),
        ("kind", &|user| user.kind = UserKind::Agent),
        ("name", &|user| user.username = username("root")),
        ("no password", &|user| user.password_hash = None),
        ("password", &|user| {
            user.password_hash = Some(PasswordHash::from_stored("$2b$04$mine".to_owned()));
        }),
        ("version", &|user| user.version += 1),
        ("id", &|user| user.id = Id::generate()),
    ];
    for (n, (what, forge)) in forgeries.into_iter().enumerate() {
        let user = world.add_user(&format!("user{n}"), |_| {});
        let key = world.add_key(&user, |_| {});
        assert!(world.accepts(&key));
        world
            .store
            .tamper(|rows| assert!(rows.edit_user(user.id, forge)));
        assert!(!world.accepts(&key), "forged {what}");
    }
}

#[test]
fn a_disabled_user_who_was_enabled_by_hand_stays_out() {
    let world = World::new();
    let ada = world.add_user("ada", |user| user.status = UserStatus::Disabled);
    let key = world.add_key(&ada, |_| {});
    world
        .store
        .tamper(|rows| rows.edit_user(ada.id, |user| user.status = UserStatus::Active));
    assert!(!world.accepts(&key));
}

#[test]
fn what_decides_nothing_may_be_changed_by_hand() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key(&ada, |_| {});
    let name = KeyName::parse("renamed").unwrap();
    world.store.tamper(|rows| {
        rows.edit_api_key(key.id(), |key| key.name = name.clone());
        rows.edit_user(ada.id, |user| {
            user.first_name = crate::world::person("Augusta");
        });
    });
    assert_eq!(world.principal(&key).key.name, name);
}

#[test]
fn rows_that_were_inserted_without_secret_key_are_rejected() {
    let world = World::new();
    let admin = world.add_admin("root");
    let forger = new_macs();
    let forged_key = |owner: &User| {
        let key = ApiKey::generate(ApiKeyKind::User);
        let record = ApiKeyRecord {
            id: key.id(),
            kind: ApiKeyKind::User,
            user: owner.id,
            name: KeyName::parse("mine").unwrap(),
            scopes: Scopes::all(),
            created_at: NOW,
            expires_at: None,
            revoked_at: None,
            fresh_until: None,
            legacy_id: None,
            key_mac: key.mac(&forger),
        };
        let row = Signed::sign(record, &forger);
        world.store.tamper(|rows| rows.put_api_key(row));
        key
    };
    assert!(!world.accepts(&forged_key(&admin)), "a key of a real user");

    let mallory = User {
        id: Id::generate(),
        username: username("mallory"),
        ..admin.clone()
    };
    let row = Signed::sign(mallory.clone(), &forger);
    world.store.tamper(|rows| rows.put_user(row));
    assert!(!world.accepts(&forged_key(&mallory)), "key and user");
    let key = world.add_key(&mallory, |_| {});
    assert!(!world.accepts(&key), "a real key of a forged user");
}

#[test]
fn a_row_whose_mac_cannot_be_read_is_rejected() {
    let world = World::new();
    let ada = world.add_user("ada", |_| ());
    let blind = world.add_key(&ada, |key| key.key_mac = Mac::unreadable());
    assert!(!world.accepts(&blind), "of the secret");

    let (forged, good) = (world.add_key(&ada, |_| ()), world.add_key(&ada, |_| ()));
    let row = world.store.read(|tx| tx.key_with_owner(forged.id()));
    let row = row.unwrap().unwrap().key.unverified().clone();
    let row = Signed::from_stored(row, Mac::unreadable());
    world.store.tamper(|rows| rows.put_api_key(row));
    assert!(!world.accepts(&forged), "of the key");
    assert!(world.accepts(&good));

    let row = world.stored_user(ada.id);
    let row = Signed::from_stored(row, Mac::unreadable());
    world.store.tamper(|rows| rows.put_user(row));
    assert!(!world.accepts(&good), "of the owner");
}

#[test]
fn a_row_that_was_copied_from_another_key_is_rejected() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let admin = world.add_admin("root");
    let mine = world.add_key(&ada, |_| {});
    let theirs = world.add_key(&admin, |_| {});
    let found = world.store.read(|tx| tx.key_with_owner(theirs.id()));
    let strong = found.unwrap().unwrap().key;
    // Everything of the strong row, its MAC included, under the id and the secret of the weak one.
    let copy = ApiKeyRecord {
        id: mine.id(),
        key_mac: mine.mac(&world.macs),
        ..strong.unverified().clone()
    };
    let copy = Signed::from_stored(copy, strong.mac().clone());
    world.store.tamper(|rows| rows.put_api_key(copy));
    assert!(!world.accepts(&mine));
    assert!(world.accepts(&theirs));
}

#[test]
fn a_key_loses_the_scopes_that_the_role_of_its_owner_loses() {
    let world = World::new();
    let admin = world.add_admin("root");
    let permit = world.permit(&world.add_key(&admin, |_| {}));
    let ada = world.add_admin("ada");
    let key = world.add_key(&ada, |_| {});
    let set = |role| {
        let change = UserChange {
            role: Some(role),
            ..UserChange::default()
        };
        world.users().change(&permit, ada.id, &change).unwrap();
    };

    assert_eq!(world.principal(&key).key.scopes, Scopes::all());
    set(Role::Normal);
    assert_eq!(
        world.principal(&key).key.scopes,
        Scopes::of_role(Role::Normal)
    );
    set(Role::Admin);
    assert_eq!(world.principal(&key).key.scopes, Scopes::all());
}

#[test]
fn rows_live_as_long_as_the_secret_key_that_signed_them_is_listed() {
    let mut world = World::new();
    let (old, new) = (MacRing::generate_secret(), MacRing::generate_secret());
    world.macs = MacRing::parse(old.expose()).unwrap();
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key(&ada, |_| {});

    world.macs = MacRing::parse(&format!("{},{}", new.expose(), old.expose())).unwrap();
    assert!(world.accepts(&key));
    world.macs = MacRing::parse(new.expose()).unwrap();
    assert!(!world.accepts(&key));
}

#[test]
fn a_store_that_is_down_is_not_a_wrong_key() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let key = world.add_key(&ada, |_| {});
    let store = Arc::new(FlakyStore::new(world.store.clone()));
    let authenticate = Authenticate::new(
        store.clone(),
        world.macs.clone(),
        world.clock.clone(),
        world.last_used.clone(),
    );
    store.set_down(true);
    let error = authenticate.principal(&key).unwrap_err();
    assert!(matches!(error, AuthenticateError::Store(_)), "{error:?}");
    store.set_down(false);
    assert!(authenticate.principal(&key).is_ok());
}

/// What somebody does to a row by hand.
type Forgery<'a, Row> = &'a dyn Fn(&mut Row);
