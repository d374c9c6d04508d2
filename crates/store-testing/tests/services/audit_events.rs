use keyward_audit::{AuditEvents as _, Head, VerifyAudit};
use keyward_auth::{
    ApiKeys as _, IdempotencyKey, IdempotencyKeys as _, KeyError, Role, UserChange, UserError,
    UserStatus, Users as _, needs,
};
use keyward_core::Store as _;

use crate::world::{World, first_name, is_corrupt, new_key, new_user, password, username, visitor};

const PASSWORD: &str = "a passphrase that must not be seen";

#[test]
fn every_change_is_one_event_and_none_has_a_secret() {
    let world = World::new();
    let secrets = a_busy_day(&world);

    let expected = [
        "user.create",
        "api_key.create",
        "user.create",
        "user.change",
        "api_key.create",
        "api_key.create",
        "api_key.rotate",
        "api_key.revoke",
        "api_key.revoke",
        "user.change",
        "user.delete",
    ];
    assert_eq!(world.actions(), expected);
    let kept = format!("{:?}", world.events());
    for secret in &secrets {
        // Neither the whole nor the part that nobody but the owner has.
        let tail = secret.get(secret.len() - 20..).unwrap();
        assert!(!kept.contains(secret) && !kept.contains(tail));
    }
    let verify = VerifyAudit::new(world.store.clone(), world.macs.clone());
    let report = verify.verify(None).unwrap();
    assert_eq!((report.events, report.findings), (11, vec![]));
}

/// Makes every change that there is, and returns the secrets that were seen.
fn a_busy_day(world: &World) -> Vec<String> {
    let (users, keys) = (world.users(), world.keys());
    let root = (world.setup())
        .first_admin(&username("root"), &password(PASSWORD))
        .unwrap();
    let admin = world.permit::<needs::UsersWrite>(&root.key);
    let any = world.permit(&root.key);
    let mut ada = new_user("ada", Role::Normal);
    ada.password = password(PASSWORD);

    let ada = users.create(&admin, &ada, None).unwrap();
    let change = UserChange {
        status: Some(UserStatus::Disabled),
        role: Some(Role::Admin),
        ..UserChange::default()
    };
    users.change(&admin, ada.id, &change).unwrap();
    let wanted = new_key(None, None);
    let own = keys.create_own(&any, &wanted, None).unwrap().1.unwrap();
    let given = keys.create_for(&admin, ada.id, &wanted, None).unwrap();
    let given = given.1.unwrap();
    let rotated = keys.rotate_own(&any, own.id(), 60, None).unwrap();
    let rotated = rotated.1.unwrap();
    keys.revoke_own(&any, rotated.id()).unwrap();
    keys.revoke_of(&admin, ada.id, given.id()).unwrap();
    users
        .change_own(&any, &first_name("Grace"), &visitor())
        .unwrap();
    users.delete(&admin, ada.id).unwrap();

    let keys = [root.key, own, given, rotated];
    let mut secrets: Vec<_> = keys.iter().map(|key| key.expose().to_owned()).collect();
    secrets.push(PASSWORD.to_owned());
    secrets
}

#[test]
fn what_is_kept_of_an_attempt_has_no_secret() {
    let world = World::new();
    let admin = world.add_admin("root");
    let asking = world.add_key(&admin, |_| {});
    let mut ada = new_user("ada", Role::Normal);
    ada.password = password(PASSWORD);
    let user_attempt = world.attempt("user", PASSWORD);
    let key_attempt = world.attempt("key", "");

    let permit = world.permit(&asking);
    world
        .users()
        .create(&permit, &ada, Some(&user_attempt))
        .unwrap();
    let permit = world.permit(&asking);
    let made = world
        .keys()
        .create_own(&permit, &new_key(None, None), Some(&key_attempt));
    let key = made.unwrap().1.unwrap();

    for name in ["user", "key"] {
        let name = IdempotencyKey::parse(name).unwrap();
        let kept = world.store.read(|tx| tx.stored_answer(admin.id, &name));
        let kept = kept.unwrap().unwrap().answer.0;
        assert!(kept.contains("\"id\""), "{kept}");
        assert!(
            !kept.contains(PASSWORD) && !kept.contains("argon2") && !kept.contains(key.expose())
        );
    }
}

#[test]
fn an_event_says_who_did_what_to_whom() {
    let world = World::new();
    let admin = world.add_admin("root");
    let key = world.add_key(&admin, |_| {});
    let mut principal = world.principal(&key);
    principal.request = Some("request-7".to_owned());
    let permit = principal.permit::<needs::UsersWrite>().unwrap();

    let ada = world
        .users()
        .create(&permit, &new_user("Ada", Role::Normal), None)
        .unwrap();

    let events = world.events();
    let fields = &events.first().unwrap().fields;
    assert_eq!((fields.seq, fields.at), (1, world.now()));
    assert_eq!(fields.actor_kind, "human");
    assert_eq!(fields.actor_id, Some(admin.id.to_string()));
    assert_eq!(fields.actor_key, Some(key.id().to_string()));
    assert_eq!(fields.request.as_deref(), Some("request-7"));
    assert_eq!(fields.action, "user.create");
    assert_eq!(
        (fields.subject_kind.as_str(), &fields.subject_id),
        ("user", &ada.id.to_string())
    );
    assert_eq!(fields.details, r#"{"role":"normal","username":"ada"}"#);
}

#[test]
fn what_is_refused_is_no_event() {
    let world = World::new();
    let admin = world.add_admin("root");
    let key = world.add_key(&admin, |_| {});
    let permit = world.permit::<needs::UsersWrite>(&key);
    let taken = world
        .users()
        .create(&permit, &new_user("root", Role::Normal), None);
    assert!(matches!(taken, Err(UserError::NameTaken)));
    assert!(matches!(
        world.users().delete(&permit, admin.id),
        Err(UserError::LastAdmin)
    ));
    let other = world.add_user("ada", |_| {});
    let stranger = world.keys().revoke_of(&permit, other.id, key.id());
    assert!(matches!(stranger, Err(KeyError::NotFound)));
    assert!(world.events().is_empty());
}

#[test]
fn a_change_that_cannot_be_recorded_is_not_made() {
    let world = World::new();
    let admin = world.add_admin("root");
    let key = world.add_key(&admin, |_| {});
    let permit = world.permit::<needs::UsersWrite>(&key);
    world
        .users()
        .create(&permit, &new_user("ada", Role::Normal), None)
        .unwrap();
    let head = world.store.read(|tx| tx.audit_head()).unwrap().unwrap();
    // The chain is cut off, and its end is made to fit without SECRET_KEY.
    let forged = Head { seq: 0, ..head };
    world.store.tamper(|rows| {
        rows.remove_audit_event(1);
        rows.set_audit_head(Some(forged));
    });

    let outcome = world
        .users()
        .create(&permit, &new_user("eve", Role::Normal), None);
    let Err(UserError::Store(error)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(is_corrupt(&error));
    let outcome = world.keys().revoke_own(&world.permit(&key), key.id());
    assert!(matches!(outcome, Err(KeyError::Store(_))));
    let (eve, key) = world
        .store
        .read(|tx| {
            let eve = tx.user_by_name(&username("eve"))?;
            Ok::<_, keyward_core::StoreError>((eve, tx.key_with_owner(key.id())?))
        })
        .unwrap();
    assert!(eve.is_none());
    assert_eq!(key.unwrap().key.unverified().revoked_at, None);
}
