use std::collections::HashSet;

use keyward_auth::{
    ApiKeyRecord, ApiKeys, KeyCursor, KeyName, KeyWithOwner, ListedKey, Role, Scopes, UserId,
    UserReplaced, UserStatus, Users,
};
use keyward_core::{Id, Store, StoreError, Timestamp};
use keyward_crypto::{ApiKeyId, ApiKeyKind, Mac, Signed};

use super::rows::{
    TEXTS, added_user, api_key, assert_same, assert_unreadable, changed, legacy_id, sign,
    unreadable, user,
};
use super::run::{count, paged, race, read, undone, works, write};

/// Checks what [`ApiKeys`] promises, races included. `owner` must be a user of the store, where
/// the store knows users. Keys that the owner has already do not matter.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn api_keys<S: Store<Tx: ApiKeys>>(store: &S, owner: UserId) {
    a_key_reads_back(store, owner);
    an_unknown_key_is_none(store, owner);
    the_key_of_a_failed_unit_of_work_is_gone(store, owner);
    a_change_writes_every_column_of_one_key(store, owner);
    a_stale_change_is_not_written(store, owner);
    last_use_never_goes_back(store, owner);
    a_list_has_every_key_of_the_owner_once(store, owner);
    a_row_without_a_readable_mac_is_listed(store, owner);
    live_sessions_are_those_that_open_something(store, owner);
    of_racing_changes_one_is_written(store, owner);
}

/// What can be said only where users can be added too.
pub(crate) fn and_their_owners<S: Store<Tx: ApiKeys + Users>>(store: &S) {
    a_key_comes_with_its_owner_of_now(store);
    users_have_their_own_keys(store);
    a_key_of_nobody_is_refused(store);
}

fn a_key_reads_back<S: Store<Tx: ApiKeys>>(store: &S, owner: UserId) {
    for text in TEXTS {
        let stored = added(
            store,
            ApiKeyRecord {
                name: KeyName::from_stored(text.to_owned()),
                ..api_key(owner)
            },
        );
        check_stored(store, &stored, None, "add_api_key");
    }
    let rare = ApiKeyRecord {
        kind: ApiKeyKind::Login,
        scopes: Scopes::NONE,
        created_at: Timestamp(0),
        expires_at: Some(Timestamp(253_402_300_799)),
        revoked_at: Some(Timestamp(-1)),
        fresh_until: Some(Timestamp(i64::MAX)),
        ..api_key(owner)
    };
    let agent = ApiKeyRecord {
        kind: ApiKeyKind::Agent,
        scopes: Scopes::all(),
        expires_at: Some(Timestamp(0)),
        fresh_until: Some(Timestamp(0)),
        ..api_key(owner)
    };
    let foreign = ApiKeyRecord {
        kind: ApiKeyKind::Foreign,
        legacy_id: Some(legacy_id()),
        ..api_key(owner)
    };
    for record in [rare, agent, foreign] {
        let stored = added(store, record);
        check_stored(store, &stored, None, "add_api_key");
    }
}

fn an_unknown_key_is_none<S: Store<Tx: ApiKeys>>(store: &S, owner: UserId) {
    assert!(
        find(store, api_key(owner).id).is_none(),
        "key_with_owner: finds a key under an id that none has"
    );
    // Ids differ by the case of their letters too.
    let stored = added(store, api_key(owner));
    let id = stored.unverified().id;
    for other in [id.as_str().to_lowercase(), id.as_str().to_uppercase()] {
        if let Some(other) = ApiKeyId::parse(&other).filter(|other| *other != id) {
            assert!(
                find(store, other).is_none(),
                "key_with_owner: ids of keys must be compared with case"
            );
        }
    }
}

fn the_key_of_a_failed_unit_of_work_is_gone<S: Store<Tx: ApiKeys>>(store: &S, owner: UserId) {
    let lost = sign(api_key(owner));
    let kept = added(store, api_key(owner));
    undone(store, |tx| {
        tx.add_api_key(&lost)?;
        tx.touch_api_keys(&[(kept.unverified().id, Timestamp(60))])?;
        tx.replace_api_key(kept.mac(), &revoked(&kept, Timestamp(60)))
    });
    assert!(
        find(store, lost.unverified().id).is_none(),
        "add_api_key: the key of a failed `write` was kept"
    );
    check_stored(store, &kept, None, "a change in a failed `write` was kept");
}

pub(crate) fn a_change_writes_every_column_of_one_key<S: Store<Tx: ApiKeys>>(
    store: &S,
    owner: UserId,
) {
    let old = added(store, api_key(owner));
    let bystander = added(store, api_key(owner));
    let id = old.unverified().id;
    write(store, |tx| tx.touch_api_keys(&[(id, Timestamp(120))]));
    let new = sign(ApiKeyRecord {
        id,
        kind: ApiKeyKind::Agent,
        name: KeyName::from_stored("Σ".to_owned()),
        scopes: Scopes::NONE,
        created_at: Timestamp(7),
        expires_at: Some(Timestamp(8)),
        revoked_at: Some(Timestamp(9)),
        fresh_until: Some(Timestamp(10)),
        ..api_key(owner)
    });
    let answer = write(store, |tx| tx.replace_api_key(old.mac(), &new));
    assert!(
        answer,
        "replace_api_key: false although the MAC is the stored one"
    );
    check_stored(store, &new, Some(Timestamp(120)), "replace_api_key");
    check_stored(store, &bystander, None, "replace_api_key of another key");

    let back = sign(ApiKeyRecord {
        id,
        ..api_key(owner)
    });
    write(store, |tx| tx.replace_api_key(new.mac(), &back));
    check_stored(store, &back, Some(Timestamp(120)), "replace_api_key");
}

pub(crate) fn a_stale_change_is_not_written<S: Store<Tx: ApiKeys>>(store: &S, owner: UserId) {
    let first = added(store, api_key(owner));
    let second = revoked(&first, Timestamp(1));
    assert!(write(store, |tx| tx.replace_api_key(first.mac(), &second)));

    let late = revoked(&first, Timestamp(2));
    let answer = write(store, |tx| tx.replace_api_key(first.mac(), &late));
    assert!(
        !answer,
        "replace_api_key: true although the stored row carries another MAC"
    );
    check_stored(store, &second, None, "replace_api_key said false, but");

    let unknown = sign(api_key(owner));
    let answer = write(store, |tx| tx.replace_api_key(unknown.mac(), &unknown));
    assert!(
        !answer && find(store, unknown.unverified().id).is_none(),
        "replace_api_key: wrote a key that is not there"
    );
}

pub(crate) fn last_use_never_goes_back<S: Store<Tx: ApiKeys>>(store: &S, owner: UserId) {
    let stored = added(store, api_key(owner));
    let bystander = added(store, api_key(owner));
    let id = stored.unverified().id;
    let gone = api_key(owner).id;
    let calls: [(&[(ApiKeyId, i64)], i64); 5] = [
        (&[(id, 600)], 600),
        (&[(id, 540)], 600),
        (&[(gone, 900), (id, 660), (gone, 900)], 660),
        (&[(id, 720), (id, 780), (id, 725)], 780),
        (&[], 780),
    ];
    for (used, expected) in calls {
        let used: Vec<_> = used.iter().map(|(id, at)| (*id, Timestamp(*at))).collect();
        write(store, |tx| tx.touch_api_keys(&used));
        let found = find(store, id).and_then(|found| found.last_used_at);
        assert_eq!(
            found,
            Some(Timestamp(expected)),
            "touch_api_keys: after {used:?} the last use must be at {expected}"
        );
    }
    // More than a statement takes parameters.
    let mut many: Vec<_> = (0..1_500).map(|_| (gone, Timestamp(60))).collect();
    many.push((id, Timestamp(840)));
    write(store, |tx| tx.touch_api_keys(&many));
    check_stored(store, &stored, Some(Timestamp(840)), "touch_api_keys");
    check_stored(store, &bystander, None, "touch_api_keys of another key");
    let listed = pages(store, owner, 200);
    let listed = listed
        .iter()
        .find(|listed| listed.key.unverified().id == id);
    assert_eq!(
        listed.and_then(|listed| listed.last_used_at),
        Some(Timestamp(840)),
        "api_keys_of: does not show when a key was last used"
    );
}

fn a_list_has_every_key_of_the_owner_once<S: Store<Tx: ApiKeys>>(store: &S, owner: UserId) {
    // Several keys of the same second, and made in another order than they are stored.
    let times = [50, 20, 50, 10, 50, 20, 50, 30];
    let stored: Vec<_> = times
        .into_iter()
        .enumerate()
        .map(|(n, at)| {
            let ended = (n % 3 == 0).then_some(Timestamp(60));
            added(
                store,
                ApiKeyRecord {
                    created_at: Timestamp(at),
                    expires_at: (n % 2 == 0).then_some(Timestamp(55)),
                    revoked_at: ended,
                    ..api_key(owner)
                },
            )
        })
        .collect();
    for limit in [1, 2, 3, 5, 200, i64::MAX] {
        let listed = pages(store, owner, limit);
        assert!(
            listed.is_sorted_by_key(|listed| listed.key.unverified().created_at),
            "api_keys_of: not the oldest first"
        );
        let ids: HashSet<_> = listed
            .iter()
            .map(|listed| listed.key.unverified().id)
            .collect();
        assert_eq!(
            ids.len(),
            listed.len(),
            "api_keys_of in pages of {limit}: a key is there twice; the cursor must compare time \
             and id together, in the order that sorts"
        );
        for stored in &stored {
            let found = listed
                .iter()
                .find(|listed| listed.key.unverified().id == stored.unverified().id);
            let found = found.unwrap_or_else(|| {
                panic!(
                    "api_keys_of in pages of {limit}: a key is missing; revoked and expired ones \
                     belong to the list, and the cursor must compare time and id together"
                )
            });
            assert_same(&found.key, stored, "api_keys_of");
        }
    }
    assert!(
        pages(store, Id::generate(), 200).is_empty(),
        "api_keys_of: an unknown user has keys"
    );
}

pub(crate) fn a_row_without_a_readable_mac_is_listed<S: Store<Tx: ApiKeys>>(
    store: &S,
    owner: UserId,
) {
    let broken = ApiKeyRecord {
        key_mac: Mac::unreadable(),
        ..api_key(owner)
    };
    let id = broken.id;
    write(store, |tx| tx.add_api_key(&unreadable(broken)));
    let one = works(store.read(|tx| tx.key_with_owner(id)));
    let one = one.map(|found| found.key);
    assert_unreadable(one.as_ref(), "key_with_owner");
    let listed = works(store.read(|tx| tx.api_keys_of(owner, None, i64::MAX)));
    let found = listed.iter().find(|one| one.key.unverified().id == id);
    let found = found.map(|one| &one.key);
    assert_unreadable(found, "api_keys_of");
    assert!(
        found.is_some_and(|key| key.unverified().key_mac.is_unreadable()),
        "api_keys_of: a key_mac that cannot be read must come back as Mac::unreadable()"
    );
}

pub(crate) fn live_sessions_are_those_that_open_something<S: Store<Tx: ApiKeys>>(
    store: &S,
    owner: UserId,
) {
    let session = |edit: fn(&mut ApiKeyRecord)| {
        let mut record = ApiKeyRecord {
            kind: ApiKeyKind::Login,
            expires_at: Some(Timestamp(1_000)),
            ..api_key(owner)
        };
        edit(&mut record);
        added(store, record)
    };
    let live = [
        session(|key| key.fresh_until = Some(Timestamp(999))),
        session(|key| key.expires_at = None),
        session(|key| key.scopes = Scopes::NONE),
    ];
    let others = [
        session(|key| key.kind = ApiKeyKind::User),
        session(|key| key.kind = ApiKeyKind::Agent),
        session(|key| key.revoked_at = Some(Timestamp(1))),
        session(|key| key.revoked_at = Some(Timestamp(5_000))),
        session(|key| key.expires_at = Some(Timestamp(999))),
        session(|key| key.expires_at = Some(Timestamp(0))),
    ];
    let found = read(store, |tx| tx.live_sessions(owner, Timestamp(999)));
    let one = |wanted: &Signed<ApiKeyRecord>| {
        let mut same = (found.iter()).filter(|key| key.unverified().id == wanted.unverified().id);
        (same.next(), same.next())
    };
    for wanted in &live {
        let (Some(found), None) = one(wanted) else {
            panic!("live_sessions: a session that opens something is not there once");
        };
        assert_same(found, wanted, "live_sessions");
    }
    for unwanted in &others {
        assert!(
            one(unwanted).0.is_none(),
            "live_sessions: lists a key that was revoked, has expired, or is no session: {:?}",
            unwanted.unverified()
        );
    }
    for (user, now) in [(owner, 1_000), (Id::generate(), 0)] {
        let found = read(store, |tx| tx.live_sessions(user, Timestamp(now)));
        let wrong = (found.iter()).find(|key| key.unverified().expires_at.is_some());
        assert!(
            wrong.is_none(),
            "live_sessions: a key that ends now, or of somebody else"
        );
    }
}

pub(crate) fn of_racing_changes_one_is_written<S: Store<Tx: ApiKeys>>(store: &S, owner: UserId) {
    let old = added(store, api_key(owner));
    let outcomes = race(8, |racer| {
        let at = Timestamp(i64::try_from(racer).unwrap_or_default());
        let new = revoked(&old, at);
        (write(store, |tx| tx.replace_api_key(old.mac(), &new)), new)
    });
    let answers: Vec<_> = outcomes.iter().map(|(answer, _)| *answer).collect();
    assert_eq!(
        count(&answers),
        1,
        "replace_api_key: of racing changes of one row exactly one must return true; the MAC must \
         be compared in the statement that updates"
    );
    for (_, winner) in outcomes.iter().filter(|(won, _)| *won) {
        check_stored(store, winner, None, "replace_api_key: not the winner's row");
    }
}

fn a_key_comes_with_its_owner_of_now<S: Store<Tx: ApiKeys + Users>>(store: &S) {
    let mut owner = sign(user());
    write(store, |tx| tx.add_user(&owner));
    let key = added(store, api_key(owner.unverified().id));
    for status in [
        UserStatus::Active,
        UserStatus::Disabled,
        UserStatus::Deleted,
    ] {
        let new = changed(&owner, |user| user.status = status);
        let outcome = write(store, |tx| tx.replace_user(owner.mac(), &new));
        assert_eq!(
            outcome,
            UserReplaced::Done,
            "replace_user: gave the wrong answer"
        );
        owner = new;
        let found = find(store, key.unverified().id).unwrap_or_else(|| {
            panic!(
                "key_with_owner: the key of a {} user is not found",
                status.as_str()
            )
        });
        assert_same(&found.owner, &owner, "key_with_owner: the owner");
        assert_same(&found.key, &key, "key_with_owner: the key");
    }
}

fn users_have_their_own_keys<S: Store<Tx: ApiKeys + Users>>(store: &S) {
    let owners = [added_user(store), added_user(store)];
    let keys = owners.map(|owner| [api_key(owner), api_key(owner)].map(|key| added(store, key)));
    for (owner, keys) in owners.into_iter().zip(&keys) {
        let mut listed: Vec<_> = pages(store, owner, 1)
            .iter()
            .map(|listed| listed.key.unverified().id)
            .collect();
        let mut expected: Vec<_> = keys.iter().map(|key| key.unverified().id).collect();
        listed.sort();
        expected.sort();
        assert_eq!(
            listed, expected,
            "api_keys_of: a user must see their own keys and nobody else's"
        );
    }
}

fn a_key_of_nobody_is_refused<S: Store<Tx: ApiKeys>>(store: &S) {
    let orphan = sign(api_key(Id::generate()));
    let outcome: Result<(), StoreError> = store.write(|tx| tx.add_api_key(&orphan));
    assert!(
        matches!(outcome, Err(StoreError::Backend(_))),
        "add_api_key: a key of a user that does not exist must be StoreError::Backend (a foreign \
         key), not {outcome:?}"
    );
    assert!(
        find(store, orphan.unverified().id).is_none(),
        "add_api_key: a key of a user that does not exist was kept"
    );
}

#[track_caller]
fn added<S: Store<Tx: ApiKeys>>(store: &S, record: ApiKeyRecord) -> Signed<ApiKeyRecord> {
    let key = sign(record);
    write(store, |tx| tx.add_api_key(&key));
    key
}

fn revoked(old: &Signed<ApiKeyRecord>, at: Timestamp) -> Signed<ApiKeyRecord> {
    sign(ApiKeyRecord {
        revoked_at: Some(at),
        scopes: Scopes::of_role(Role::Normal),
        ..old.unverified().clone()
    })
}

fn pages<S: Store<Tx: ApiKeys>>(store: &S, owner: UserId, limit: i64) -> Vec<ListedKey> {
    paged(
        limit,
        |after, limit| read(store, |tx| tx.api_keys_of(owner, after, limit)),
        |listed: &ListedKey| KeyCursor {
            created_at: listed.key.unverified().created_at,
            id: listed.key.unverified().id,
        },
    )
}

#[track_caller]
fn find<S: Store<Tx: ApiKeys>>(store: &S, id: ApiKeyId) -> Option<KeyWithOwner> {
    read(store, |tx| tx.key_with_owner(id))
}

#[track_caller]
fn check_stored<S: Store<Tx: ApiKeys>>(
    store: &S,
    expected: &Signed<ApiKeyRecord>,
    last_used_at: Option<Timestamp>,
    what: &str,
) {
    let found = find(store, expected.unverified().id);
    let found = found.unwrap_or_else(|| panic!("{what}: key_with_owner does not find the key"));
    assert_same(&found.key, expected, what);
    assert_eq!(
        found.owner.unverified().id,
        expected.unverified().user,
        "{what}: key_with_owner gives the key another owner"
    );
    assert_eq!(
        found.last_used_at, last_used_at,
        "{what}: the time of last use is wrong"
    );
}
