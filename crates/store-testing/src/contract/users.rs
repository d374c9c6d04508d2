use keyward_auth::{
    PersonName, Role, User, UserId, UserKind, UserReplaced, UserStatus, Username, Users,
};
use keyward_core::{Id, Store, StoreError, Timestamp};
use keyward_crypto::{PasswordHash, Signed};

use super::rows::{
    TEXTS, added_user, admin, assert_same, assert_unreadable, changed, fresh_name, legacy_id, sign,
    unreadable, user,
};
use super::run::{count, paged, race, read, undone, works, write};

/// Checks what [`Users`] promises, races included.
///
/// While it runs, administrators that were there before are disabled at times, since they would
/// hide a missing check for the last one. They are put back afterwards.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn users<S: Store<Tx: Users>>(store: &S) {
    a_user_reads_back(store);
    an_unknown_user_is_none(store);
    a_name_is_taken_once(store);
    the_name_of_a_deleted_user_is_free(store);
    nobody_gets_the_name_of_another_by_a_change(store);
    a_change_writes_every_column_of_one_user(store);
    a_stale_change_is_not_written(store);
    a_list_has_everybody_once(store);
    a_row_without_a_readable_mac_is_listed(store);
    an_imported_user_is_found_by_its_number(store);
    the_last_admin_stays(store);
    of_racing_names_one_is_added(store);
    of_racing_changes_one_is_written(store);
    of_two_racing_admins_one_stays(store);
}

fn a_user_reads_back<S: Store<Tx: Users>>(store: &S) {
    for text in TEXTS {
        let stored = sign(User {
            first_name: PersonName::from_stored(text.to_owned()),
            last_name: PersonName::from_stored(String::new()),
            created_at: Timestamp(253_402_300_799),
            mfa_since: Some(Timestamp(253_402_300_799)),
            version: i64::MAX,
            ..user()
        });
        check_reads_back(store, &stored);
    }
    check_reads_back(
        store,
        &sign(User {
            username: Username::from_stored(format!("анна-{}", Id::<User>::generate())),
            kind: UserKind::Agent,
            status: UserStatus::Disabled,
            password_hash: None,
            mfa_since: Some(Timestamp(0)),
            ..user()
        }),
    );
    check_reads_back(store, &sign(admin()));
    assert!(
        read(store, |tx| tx.any_user()),
        "any_user: false although there are users"
    );
}

pub(crate) fn an_imported_user_is_found_by_its_number<S: Store<Tx: Users>>(store: &S) {
    let id = legacy_id();
    assert!(
        read(store, |tx| tx.user_by_legacy_id(id)).is_none(),
        "user_by_legacy_id: somebody, although nobody has the number"
    );
    let imported = |status| {
        sign(User {
            legacy_id: Some(id),
            status,
            ..user()
        })
    };
    let first = imported(UserStatus::Deleted);
    assert!(write(store, |tx| tx.add_user(&first)));
    assert!(
        !write(store, |tx| tx.add_user(&imported(UserStatus::Active))),
        "add_user: true although the number belongs to another user"
    );
    let found = read(store, |tx| tx.user_by_legacy_id(id));
    assert_eq!(
        found.map(|user| user.unverified().id),
        Some(first.unverified().id),
        "user_by_legacy_id"
    );
}

#[track_caller]
fn check_reads_back<S: Store<Tx: Users>>(store: &S, stored: &Signed<User>) {
    let row = stored.unverified();
    let added = write(store, |tx| tx.add_user(stored));
    assert!(added, "add_user: false although nobody has the name");
    let by_id = read(store, |tx| tx.user(row.id));
    let by_name = read(store, |tx| tx.user_by_name(&row.username));
    let by_id = by_id.unwrap_or_else(|| panic!("user: does not find what add_user added"));
    let by_name = by_name.unwrap_or_else(|| panic!("user_by_name: does not find a new user"));
    assert_same(&by_id, stored, "user");
    assert_same(&by_name, stored, "user_by_name");
}

fn an_unknown_user_is_none<S: Store<Tx: Users>>(store: &S) {
    let unknown = user();
    assert!(
        read(store, |tx| tx.user(unknown.id)).is_none(),
        "user: finds somebody under an id that nobody has"
    );
    assert!(
        read(store, |tx| tx.user_by_name(&unknown.username)).is_none(),
        "user_by_name: finds somebody under a name that nobody has"
    );
}

fn a_name_is_taken_once<S: Store<Tx: Users>>(store: &S) {
    let first = sign(user());
    let username = first.unverified().username.clone();
    let second = sign(User {
        username: username.clone(),
        ..user()
    });
    let third = sign(user());
    assert!(write(store, |tx| tx.add_user(&first)));

    let (second_added, third_added) = write(store, |tx| {
        Ok((tx.add_user(&second)?, tx.add_user(&third)?))
    });

    assert!(!second_added, "add_user: one name was given to two users");
    assert!(
        third_added && read(store, |tx| tx.user(third.unverified().id)).is_some(),
        "add_user: after a name that is taken, the same `write` cannot go on (the failed insert \
         must not abort the transaction)"
    );
    assert!(
        read(store, |tx| tx.user(second.unverified().id)).is_none(),
        "add_user: said false, but added the user"
    );
    let holder = read(store, |tx| tx.user_by_name(&username));
    let holder = holder.unwrap_or_else(|| panic!("add_user: false took the holder away"));
    assert_same(&holder, &first, "user_by_name");
    let again = undone(store, |tx| {
        let new = sign(user());
        let twin = sign(User {
            username: new.unverified().username.clone(),
            ..user()
        });
        Ok((tx.add_user(&new)?, tx.add_user(&twin)?))
    });
    assert_eq!(
        again,
        (true, false),
        "add_user: one `write` gave one name to two users"
    );
}

fn the_name_of_a_deleted_user_is_free<S: Store<Tx: Users>>(store: &S) {
    let first = added(store, user());
    let deleted = changed(&first, |user| user.status = UserStatus::Deleted);
    replaced(store, &first, &deleted, UserReplaced::Done);

    let username = &first.unverified().username;
    assert!(
        read(store, |tx| tx.user_by_name(username)).is_none(),
        "user_by_name: finds a deleted user"
    );
    let by_id = read(store, |tx| tx.user(first.unverified().id));
    let by_id = by_id.unwrap_or_else(|| panic!("user: the row of a deleted user must stay"));
    assert_same(&by_id, &deleted, "user");

    let second = added(
        store,
        User {
            username: username.clone(),
            ..user()
        },
    );
    let holder = read(store, |tx| tx.user_by_name(username));
    assert_eq!(
        holder.map(|user| user.unverified().id),
        Some(second.unverified().id),
        "user_by_name: a name that is in use again leads to its former holder"
    );
    let revived = changed(&deleted, |user| user.status = UserStatus::Active);
    replaced(store, &deleted, &revived, UserReplaced::NameTaken);

    // Deleting the second one too gives two deleted users of one name, which is all right.
    let gone = changed(&second, |user| user.status = UserStatus::Deleted);
    replaced(store, &second, &gone, UserReplaced::Done);
    replaced(store, &deleted, &revived, UserReplaced::Done);
}

fn nobody_gets_the_name_of_another_by_a_change<S: Store<Tx: Users>>(store: &S) {
    let holder = added(store, user());
    let other = added(store, user());
    let usurper = changed(&other, |user| {
        user.username = holder.unverified().username.clone();
    });
    let new_name = changed(&other, |user| user.username = fresh_name());

    let (refused, renamed) = write(store, |tx| {
        let refused = tx.replace_user(other.mac(), &usurper)?;
        Ok((refused, tx.replace_user(other.mac(), &new_name)?))
    });

    assert_eq!(
        refused,
        UserReplaced::NameTaken,
        "replace_user: a user got the name of another one"
    );
    assert_eq!(
        renamed,
        UserReplaced::Done,
        "replace_user: after NameTaken, the same `write` cannot go on (the failed update must not \
         abort the transaction, nor change the row)"
    );
}

pub(crate) fn a_change_writes_every_column_of_one_user<S: Store<Tx: Users>>(store: &S) {
    let before = added(store, user());
    let bystander = added(store, user());
    let after = changed(&before, |user| {
        user.username = fresh_name();
        user.kind = UserKind::Agent;
        user.status = UserStatus::Disabled;
        user.password_hash = None;
        user.first_name = PersonName::from_stored("Αθηνά".to_owned());
        user.last_name = PersonName::from_stored(String::new());
        user.mfa_since = Some(Timestamp(1_800_000_001));
    });
    replaced(store, &before, &after, UserReplaced::Done);
    let back = changed(&after, |user| {
        user.kind = UserKind::Human;
        user.role = Role::Admin;
        user.status = UserStatus::Active;
        user.password_hash = Some(PasswordHash::from_stored("$argon2id$new".to_owned()));
        user.mfa_since = None;
    });
    replaced(store, &after, &back, UserReplaced::Done);
    assert_stored(store, &bystander, "replace_user changed somebody else");
}

pub(crate) fn a_stale_change_is_not_written<S: Store<Tx: Users>>(store: &S) {
    let first = added(store, user());
    let second = changed(&first, |user| user.role = Role::Admin);
    replaced(store, &first, &second, UserReplaced::Done);
    let late = changed(&first, |user| user.status = UserStatus::Disabled);
    replaced(store, &first, &late, UserReplaced::Stale);

    let unknown = sign(user());
    let outcome = write(store, |tx| tx.replace_user(unknown.mac(), &unknown));
    assert_eq!(
        outcome,
        UserReplaced::Stale,
        "replace_user: a user that is not there must be Stale"
    );
    assert!(
        read(store, |tx| tx.user(unknown.unverified().id)).is_none(),
        "replace_user: added a user that was not there"
    );
    let normal = changed(&second, |user| user.role = Role::Normal);
    // So that the store is left without an administrator of ours, where it has another one.
    let _ = write(store, |tx| tx.replace_user(second.mac(), &normal));
}

fn a_list_has_everybody_once<S: Store<Tx: Users>>(store: &S) {
    // Ids rise, so everybody who is made from now on comes after this one.
    let start = Id::generate();
    let mut expected: Vec<_> = (0..7).map(|_| added(store, user())).collect();
    let deleted = expected.remove(3);
    let disabled = changed(&expected[4], |user| user.status = UserStatus::Disabled);
    replaced(store, &expected[4], &disabled, UserReplaced::Done);
    expected[4] = disabled;
    let gone = changed(&deleted, |user| user.status = UserStatus::Deleted);
    replaced(store, &deleted, &gone, UserReplaced::Done);

    for limit in [1, 2, 3, 6, 200, i64::MAX] {
        let listed = paged(
            limit,
            |after, limit| read(store, |tx| tx.users_after(after.or(Some(start)), limit)),
            |user: &Signed<User>| user.unverified().id,
        );
        assert!(
            listed.is_sorted_by_key(|user| user.unverified().id),
            "users_after: not in the order of ids"
        );
        let ours: Vec<_> = listed
            .iter()
            .filter(|user| {
                is_one_of(user, &expected) || user.unverified().id == gone.unverified().id
            })
            .collect();
        let ids = |users: &[&Signed<User>]| -> Vec<UserId> {
            users.iter().map(|user| user.unverified().id).collect()
        };
        assert_eq!(
            ids(&ours),
            ids(&expected.iter().collect::<Vec<_>>()),
            "users_after in pages of {limit}: everybody but deleted users must be there once"
        );
        for (found, stored) in ours.into_iter().zip(&expected) {
            assert_same(found, stored, "users_after");
        }
    }
    let first = read(store, |tx| tx.users_after(None, 1));
    assert_eq!(first.len(), 1, "users_after: None must begin at the start");
}

fn is_one_of(user: &Signed<User>, users: &[Signed<User>]) -> bool {
    users
        .iter()
        .any(|other| other.unverified().id == user.unverified().id)
}

pub(crate) fn the_last_admin_stays<S: Store<Tx: Users>>(store: &S) {
    let changes: [(&str, Change); 4] = [
        ("demoted", |user| user.role = Role::Normal),
        ("disabled", |user| user.status = UserStatus::Disabled),
        ("deleted", |user| user.status = UserStatus::Deleted),
        ("made an agent", |user| user.kind = UserKind::Agent),
    ];
    undone(store, |tx| {
        let last = sign(admin());
        tx.add_user(&last)?;
        // None of these is an active administrator.
        for hollow in [
            sign(user()),
            sign(User {
                status: UserStatus::Disabled,
                ..admin()
            }),
            sign(User {
                kind: UserKind::Agent,
                ..admin()
            }),
        ] {
            tx.add_user(&hollow)?;
        }
        disable_other_admins(tx, &[last.unverified().id])?;
        for (what, change) in changes {
            let outcome = tx.replace_user(last.mac(), &changed(&last, change))?;
            assert_eq!(
                outcome,
                UserReplaced::LastAdmin,
                "replace_user: the last active administrator was {what}"
            );
        }
        let found = tx.user(last.unverified().id)?;
        let found = found.unwrap_or_else(|| panic!("replace_user: LastAdmin took the row away"));
        assert_same(&found, &last, "user, after LastAdmin");

        let renamed = changed(&last, |user| user.username = fresh_name());
        let outcome = tx.replace_user(last.mac(), &renamed)?;
        assert_eq!(
            outcome,
            UserReplaced::Done,
            "replace_user: the last administrator must be able to change their name"
        );
        for (what, change) in changes {
            let other = sign(admin());
            tx.add_user(&other)?;
            let outcome = tx.replace_user(other.mac(), &changed(&other, change))?;
            assert_eq!(
                outcome,
                UserReplaced::Done,
                "replace_user: one of two administrators cannot be {what}"
            );
        }
        Ok(())
    });
}

pub(crate) fn a_row_without_a_readable_mac_is_listed<S: Store<Tx: Users>>(store: &S) {
    let start = Id::generate();
    let broken = user();
    let id = broken.id;
    assert!(write(store, |tx| tx.add_user(&unreadable(broken))));
    let after = added_user(store);
    let one = works(store.read(|tx| tx.user(id)));
    assert_unreadable(one.as_ref(), "user");
    let listed = works(store.read(|tx| tx.users_after(Some(start), 1_000)));
    let of = |id| listed.iter().find(|user| user.unverified().id == id);
    assert_unreadable(of(id), "users_after");
    assert!(
        of(after).is_some(),
        "users_after: a broken row hides others"
    );
}

pub(crate) fn of_racing_names_one_is_added<S: Store<Tx: Users>>(store: &S) {
    for _ in 0..4 {
        let username = fresh_name();
        let answers = race(RACERS, |_| {
            let user = sign(User {
                username: username.clone(),
                ..user()
            });
            write(store, |tx| tx.add_user(&user))
        });
        assert_eq!(
            count(&answers),
            1,
            "add_user: of {RACERS} racing calls with one name exactly one must return true; test \
             and insert must be one statement, on a unique index"
        );
        assert!(
            read(store, |tx| tx.user_by_name(&username)).is_some(),
            "add_user: the winner of a race is not there"
        );
    }
}

pub(crate) fn of_racing_changes_one_is_written<S: Store<Tx: Users>>(store: &S) {
    let old = added(store, user());
    let outcomes = race(8, |_| {
        let new = changed(&old, |user| user.username = fresh_name());
        (write(store, |tx| tx.replace_user(old.mac(), &new)), new)
    });
    let winners: Vec<_> = outcomes
        .iter()
        .filter(|(outcome, _)| *outcome == UserReplaced::Done)
        .map(|(_, new)| new)
        .collect();
    assert_eq!(
        winners.len(),
        1,
        "replace_user: of racing changes of one version exactly one must be Done; the MAC must be \
         compared in the statement that updates"
    );
    for winner in winners {
        assert_stored(store, winner, "replace_user: not the winner's row is kept");
    }
}

pub(crate) fn of_two_racing_admins_one_stays<S: Store<Tx: Users>>(store: &S) {
    let mut keeper = added(store, admin());
    let others = ParkedAdmins::new(store, keeper.unverified().id);
    for round in 0..ADMIN_ROUNDS {
        let second = added(store, admin());
        let racers = [&keeper, &second];
        let outcomes = race(2, |racer| {
            let old = racers[racer];
            let new = changed(old, |user| match round % 3 {
                0 => user.role = Role::Normal,
                1 => user.status = UserStatus::Disabled,
                _ => user.status = UserStatus::Deleted,
            });
            write(store, |tx| tx.replace_user(old.mac(), &new))
        });
        let left: Vec<_> = racers
            .into_iter()
            .filter(|racer| is_still(store, racer))
            .cloned()
            .collect();
        assert_eq!(
            left.len(),
            1,
            "replace_user: two administrators were removed at once ({outcomes:?}), and {} of them \
             are left; exactly one must be. Lock the rows of all administrators, or one row that \
             stands for them, before counting",
            left.len()
        );
        assert!(
            outcomes.contains(&UserReplaced::LastAdmin),
            "replace_user: said {outcomes:?}, but one administrator was kept: expected LastAdmin"
        );
        keeper = left.into_iter().next().unwrap_or(keeper);
    }
    drop(others);
    let retired = changed(&keeper, |user| user.status = UserStatus::Disabled);
    // On a store that had no other administrator this one has to stay.
    let _ = write(store, |tx| tx.replace_user(keeper.mac(), &retired));
}

fn is_still<S: Store<Tx: Users>>(store: &S, user: &Signed<User>) -> bool {
    let found = read(store, |tx| tx.user(user.unverified().id));
    found.is_some_and(|found| found.mac() == user.mac())
}

/// An administrator who is disabled for a while.
struct Parked {
    original: Signed<User>,
    disabled: Signed<User>,
}

/// Administrators who are disabled until this is dropped.
struct ParkedAdmins<'a, S: Store<Tx: Users>> {
    store: &'a S,
    rows: Vec<Parked>,
}

impl<'a, S: Store<Tx: Users>> ParkedAdmins<'a, S> {
    fn new(store: &'a S, keeper: UserId) -> Self {
        let rows = write(store, |tx| disable_other_admins(tx, &[keeper]));
        Self { store, rows }
    }
}

impl<S: Store<Tx: Users>> Drop for ParkedAdmins<'_, S> {
    fn drop(&mut self) {
        let restored = self.store.write(|tx| {
            for Parked { original, disabled } in &self.rows {
                tx.replace_user(disabled.mac(), original)?;
            }
            Ok::<_, StoreError>(())
        });
        // A second panic while one is under way would hide the first.
        assert!(
            restored.is_ok() || std::thread::panicking(),
            "administrators that were disabled for a check could not be enabled again"
        );
    }
}

/// Disables all administrators but some.
fn disable_other_admins<Tx: Users>(
    tx: &mut Tx,
    keep: &[UserId],
) -> Result<Vec<Parked>, StoreError> {
    let mut parked = Vec::new();
    let mut after = None;
    loop {
        let page = tx.users_after(after, 200)?;
        let Some(last) = page.last() else {
            return Ok(parked);
        };
        after = Some(last.unverified().id);
        for user in page {
            if user.unverified().is_active_admin() && !keep.contains(&user.unverified().id) {
                let new = changed(&user, |user| user.status = UserStatus::Disabled);
                let outcome = tx.replace_user(user.mac(), &new)?;
                assert_eq!(
                    outcome,
                    UserReplaced::Done,
                    "replace_user: one of several administrators cannot be disabled"
                );
                parked.push(Parked {
                    original: user,
                    disabled: new,
                });
            }
        }
    }
}

#[track_caller]
fn added<S: Store<Tx: Users>>(store: &S, user: User) -> Signed<User> {
    let user = sign(user);
    let added = write(store, |tx| tx.add_user(&user));
    assert!(
        added,
        "add_user: false although no present user has the name"
    );
    user
}

/// Replaces, and checks both the answer and the row that is there afterwards.
#[track_caller]
fn replaced<S: Store<Tx: Users>>(
    store: &S,
    old: &Signed<User>,
    new: &Signed<User>,
    expected: UserReplaced,
) {
    let id = old.unverified().id;
    let before = read(store, |tx| tx.user(id));
    let outcome = write(store, |tx| tx.replace_user(old.mac(), new));
    assert_eq!(outcome, expected, "replace_user: gave the wrong answer");
    let left = match expected {
        UserReplaced::Done => Some(new.clone()),
        _ => before,
    };
    if let Some(left) = left {
        assert_stored(store, &left, "replace_user: did not do what it said");
    }
}

#[track_caller]
fn assert_stored<S: Store<Tx: Users>>(store: &S, expected: &Signed<User>, what: &str) {
    let found = read(store, |tx| tx.user(expected.unverified().id));
    let found = found.unwrap_or_else(|| panic!("{what}: the row is gone"));
    assert_same(&found, expected, what);
}

type Change = fn(&mut User);

const RACERS: usize = 16;
const ADMIN_ROUNDS: usize = 24;
