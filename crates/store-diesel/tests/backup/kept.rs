//! What was ended in the content that a restore replaces stays ended.

use keyward_agents::{Agents as _, ManageAgents, TreeChange};
use keyward_auth::{ApiKeyRecord, ApiKeys as _, Host, Role, UserChange, UserStatus, Users as _};
use keyward_core::{Store as _, StoreError};
use keyward_crypto::{ApiKey, FieldKey, KeyRing, Signed};
use keyward_encryption::{
    EncryptionKeys as _, KeyState, Leftovers, ManageEncryption, Pass, Reencrypt, Step, keep,
};
use keyward_store_diesel::testing::TestDatabase;

use crate::support::{Client, macs, on_both, write};
use crate::vault::{Vault, add_agent};
use crate::world::World;

on_both![
    a_key_that_was_revoked_is_revoked_again,
    a_key_that_was_rotated_ends_as_it_did,
    what_was_made_since_is_told_and_gone,
    people_and_agents_that_were_stopped_stay_stopped,
    the_last_administrator_stays_and_is_told,
    rows_that_are_not_genuine_are_not_made_so,
    nothing_is_compared_without_a_replaced_database,
    a_key_that_was_retired_since_is_told_and_not_put_in_use_again,
];

fn a_key_that_was_revoked_is_revoked_again(database: &TestDatabase) {
    let vault = Vault::new(database);
    let world = &vault.world;
    let owner = world.add(Role::Normal);
    let (revoked, kept) = (world.add_key(&owner), world.add_key(&owner));
    let backup = vault.backup();
    revoke(world, &revoked);

    let since = vault.restore(&backup, world, true).unwrap().since.unwrap();
    let ids: Vec<_> = since.keys_ended.iter().map(|key| key.id).collect();
    assert_eq!(ids, [revoked.id()]);
    assert_eq!(since.keys_gone, []);
    assert!(world.permit::<keyward_auth::Any>(&revoked).is_none());
    assert!(world.permit::<keyward_auth::Any>(&kept).is_some());
}

/// A rotation gives the old key an end.
fn a_key_that_was_rotated_ends_as_it_did(database: &TestDatabase) {
    let vault = Vault::new(database);
    let world = &vault.world;
    let key = world.add_key(&world.add(Role::Normal));
    let backup = vault.backup();
    let end = world.now().plus(3_600);
    change_key(world, &key, |record| record.expires_at = Some(end));

    let since = vault.restore(&backup, world, true).unwrap().since.unwrap();
    let ids: Vec<_> = since.keys_ended.iter().map(|key| key.id).collect();
    assert_eq!(ids, [key.id()]);
    assert!(world.permit::<keyward_auth::Any>(&key).is_some());
    world.clock.advance(3_600);
    assert!(world.permit::<keyward_auth::Any>(&key).is_none());
}

fn what_was_made_since_is_told_and_gone(database: &TestDatabase) {
    let vault = Vault::new(database);
    let world = &vault.world;
    let backup = vault.backup();
    let newcomer = world.add(Role::Normal);
    let key = world.add_key(&newcomer);
    let ended = world.add_key(&newcomer);
    revoke(world, &ended);

    let since = vault.restore(&backup, world, true).unwrap().since.unwrap();
    let keys: Vec<_> = since.keys_gone.iter().map(|key| key.id).collect();
    assert_eq!(keys, [key.id()]);
    let users: Vec<_> = since.users_gone.iter().map(|user| user.id).collect();
    assert_eq!(users, [newcomer.unverified().id]);
    assert!(world.permit::<keyward_auth::Any>(&key).is_none());
    let found = world.store.read(|tx| tx.user(newcomer.unverified().id));
    assert!(found.unwrap().is_none());
}

fn people_and_agents_that_were_stopped_stay_stopped(database: &TestDatabase) {
    let vault = Vault::new(database);
    let world = &vault.world;
    let [disabled, deleted] = [(); 2].map(|()| world.add(Role::Normal).unverified().id);
    let gone = add_agent(world, vault.person.id, "ephemeral");
    let backup = vault.backup();
    set_status(world, disabled, UserStatus::Disabled);
    set_status(world, deleted, UserStatus::Deleted);
    let agents = ManageAgents::new(&world.environment());
    agents
        .change_tree(&Host, vault.agent, TreeChange::Freeze)
        .unwrap();
    agents.change_tree(&Host, gone, TreeChange::Revoke).unwrap();

    let since = vault.restore(&backup, world, true).unwrap().since.unwrap();
    let mut stopped: Vec<_> = since.users_disabled.iter().map(|user| user.id).collect();
    stopped.sort_unstable();
    let mut expected = [disabled, vault.agent];
    expected.sort_unstable();
    assert_eq!(stopped, expected);
    let mut ended: Vec<_> = since.users_deleted.iter().map(|user| user.id).collect();
    ended.sort_unstable();
    let mut expected = [deleted, gone];
    expected.sort_unstable();
    assert_eq!(ended, expected);
    for (id, status) in [
        (disabled, UserStatus::Disabled),
        (deleted, UserStatus::Deleted),
        (gone, UserStatus::Deleted),
        (vault.agent, UserStatus::Disabled),
    ] {
        let user = world.store.read(|tx| tx.user(id)).unwrap().unwrap();
        assert!(user.is_genuine(&macs()));
        assert_eq!(user.unverified().status, status);
    }
    let frozen = world
        .store
        .read(|tx| tx.agent(vault.agent))
        .unwrap()
        .unwrap();
    assert!(frozen.record.is_genuine(&macs()));
    assert!(frozen.record.unverified().frozen_at.is_some());
    let thawed = agents.change_tree(&Host, vault.agent, TreeChange::Unfreeze);
    assert_eq!(thawed.unwrap().len(), 1);
}

fn the_last_administrator_stays_and_is_told(database: &TestDatabase) {
    let vault = Vault::new(database);
    let world = &vault.world;
    let backup = vault.backup();
    world.add(Role::Admin);
    set_status(world, vault.person.id, UserStatus::Disabled);

    let since = vault.restore(&backup, world, true).unwrap().since.unwrap();
    let kept: Vec<_> = since.users_kept.iter().map(|user| user.id).collect();
    assert_eq!(kept, [vault.person.id]);
    assert_eq!(since.users_disabled, []);
    let user = world.store.read(|tx| tx.user(vault.person.id)).unwrap();
    assert!(user.unwrap().unverified().is_active_admin());
}

/// A restore signs what it ends. It must not sign what somebody has put into the database.
fn rows_that_are_not_genuine_are_not_made_so(database: &TestDatabase) {
    let vault = Vault::new(database);
    let world = &vault.world;
    let owner = world.add(Role::Normal);
    let key = world.add_key(&owner);
    let mut client = Client::of(database);
    let forge = format!(
        "UPDATE api_keys SET scopes = 'admin' WHERE id = '{}' OR kind = 'login'; \
         UPDATE users SET role = 'admin' WHERE id = '{}'; \
         UPDATE agents SET creator_id = '{}'",
        key.id(),
        owner.unverified().id,
        owner.unverified().id
    );
    client.run(&forge).unwrap();
    let backup = vault.backup();
    let end = format!(
        "UPDATE api_keys SET revoked_at = 1 WHERE id = '{}'; \
         UPDATE users SET status = 'disabled' WHERE id = '{}'; \
         UPDATE agents SET frozen_at = 1",
        key.id(),
        owner.unverified().id
    );
    client.run(&end).unwrap();

    let restored = vault.restore(&backup, world, true).unwrap();
    assert_eq!(restored.epoch.sessions, 0);
    let since = restored.since.unwrap();
    assert_eq!(since.keys_ended, []);
    assert_eq!(since.users_disabled, []);
    assert_eq!(since.users_kept[0].id, owner.unverified().id);
    world
        .store
        .read(|tx| {
            for id in [key.id(), vault.person.session.id()] {
                let found = tx.key_with_owner(id)?.unwrap();
                assert!(!found.key.is_genuine(&macs()));
            }
            assert!(!tx.user(owner.unverified().id)?.unwrap().is_genuine(&macs()));
            assert!(!tx.agent(vault.agent)?.unwrap().record.is_genuine(&macs()));
            Ok::<_, keyward_core::StoreError>(())
        })
        .unwrap();
}

fn a_key_that_was_retired_since_is_told_and_not_put_in_use_again(database: &TestDatabase) {
    let vault = Vault::new(database);
    let world = &vault.world;
    let environment = world.environment();
    let (fields, macs) = (&environment.fields, &environment.macs);
    let old = fields.active();
    let added = FieldKey::generate();
    fields.learn_too(&KeyRing::new(vec![added]).unwrap());
    let new = fields.ids().last().unwrap();
    write(&world.store, |tx| {
        keep(tx, fields, macs, world.now()).map_err(|error| StoreError::Backend(error.into()))
    });
    let backup = vault.backup();
    let manage = ManageEncryption::new(environment.clone());
    manage.activate(&Host, new).unwrap();
    manage.start(&Host).unwrap();
    let (worker, mut pass) = (Reencrypt::new(environment.clone(), "w"), Pass::default());
    while matches!(worker.step(&mut pass).unwrap(), Step::Moved(_)) {}
    manage.retire(&Host, old, Leftovers::Keep).unwrap();

    let restored = vault.restore(&backup, world, true).unwrap();

    assert_eq!(restored.keys_needed_again, [old]);
    let keys = world.store.read(|tx| tx.encryption_keys()).unwrap();
    let state = |kid| keys.iter().find(|key| key.kid == kid).unwrap().state;
    assert_eq!(
        (state(old), state(new)),
        (KeyState::DecryptOnly, KeyState::Active)
    );
    assert_eq!(fields.active(), new);
    // What the backup had opens, and moves again.
    manage.start(&Host).unwrap();
    let mut pass = Pass::default();
    while matches!(worker.step(&mut pass).unwrap(), Step::Moved(_)) {}
    manage.retire(&Host, old, Leftovers::Keep).unwrap();
}

fn nothing_is_compared_without_a_replaced_database(database: &TestDatabase) {
    let vault = Vault::new(database);
    let backup = vault.backup();
    let target = crate::vault::other_kind(database);
    let _ = target.store(); // migrated, without users
    let copy = vault.world.on(&target);
    assert!(
        vault
            .restore(&backup, &copy, false)
            .unwrap()
            .since
            .is_none()
    );
}

fn revoke(world: &World, key: &ApiKey) {
    change_key(world, key, |record| record.revoked_at = Some(world.now()));
}

fn change_key(world: &World, key: &ApiKey, change: impl FnOnce(&mut ApiKeyRecord)) {
    write(&world.store, |tx| {
        let stored = tx.key_with_owner(key.id())?.unwrap().key;
        let mut record = stored.unverified().clone();
        change(&mut record);
        let changed = tx.replace_api_key(stored.mac(), &Signed::sign(record, &macs()))?;
        assert!(changed);
        Ok(())
    });
}

fn set_status(world: &World, id: keyward_auth::UserId, status: UserStatus) {
    let change = UserChange {
        status: Some(status),
        ..UserChange::default()
    };
    world.users().change(&Host, id, &change).unwrap();
}
