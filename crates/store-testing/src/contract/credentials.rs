use keyward_auth::{UserId, Users};
use keyward_core::{Id, Store, Timestamp};
use keyward_credentials::{
    Credential, CredentialId, CredentialName, CredentialType, Credentials, FieldPath, KeptRules,
    Legacy, OpenFields, SecretField, StoredCredential,
};
use keyward_crypto::{EncryptedString, Signed};

use super::rows::{TEXTS, added_user, assert_same, assert_unreadable, legacy_id, sign, unreadable};
use super::run::{count, paged, race, read, undone, works, write};

/// Checks what [`Credentials`] promises, races included.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn credentials<S: Store<Tx: Credentials + Users>>(store: &S) {
    let (owner, other) = (added_user(store), added_user(store));
    credentials_of(store, owner, other);
}

/// The same as [`credentials()`] for a store that adds no users by [`Users`]: `owner` and `other`
/// must be two users that it knows, if it knows any.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn credentials_of<S: Store<Tx: Credentials>>(store: &S, owner: UserId, other: UserId) {
    a_credential_reads_back(store, owner);
    an_unknown_credential_is_none(store, owner);
    a_failed_unit_of_work_changes_nothing(store, owner);
    a_secret_is_put_in_place_of_the_one_with_its_path(store, owner);
    a_secret_is_dropped_if_it_is_there(store, owner);
    a_change_leaves_the_secrets(store, owner);
    an_imported_credential_is_found_by_its_number(store, owner);
    a_name_finds_all_that_have_it(store, owner, other);
    a_stale_change_is_not_written(store, owner);
    a_deleted_credential_takes_its_secrets_along(store, owner);
    a_list_has_every_credential_once(store, owner, other);
    a_row_without_a_readable_mac_is_listed_and_deleted(store, owner);
    of_racing_changes_one_is_written(store, owner);
}

fn a_credential_reads_back<S: Store<Tx: Credentials>>(store: &S, owner: UserId) {
    for (secrets, text) in TEXTS.into_iter().enumerate() {
        let mut new = credential(owner, secrets);
        let mut row = new.credential.unverified().clone();
        row.name = CredentialName::from_stored(text.to_owned());
        row.credential_type = CredentialType::ALL[secrets % CredentialType::ALL.len()];
        row.open_fields = open_fields(text);
        row.updated_at = Timestamp(253_402_300_799);
        row.version = i64::MAX;
        new.credential = sign(row);
        write(store, |tx| tx.add_credential(&new));
        check_stored(store, &new, "add_credential");
    }
    let longest = CredentialName::from_stored("🗝".repeat(255));
    let mut many = credential(owner, 60);
    let mut row = many.credential.unverified().clone();
    row.name = longest;
    row.open_fields = OpenFields::default();
    many.credential = sign(row);
    many.secrets[7].sealed = EncryptedString::from_stored("v1.".repeat(20_000));
    write(store, |tx| tx.add_credential(&many));
    check_stored(store, &many, "add_credential");
}

fn an_unknown_credential_is_none<S: Store<Tx: Credentials>>(store: &S, owner: UserId) {
    let unknown = credential(owner, 0);
    let id = unknown.credential.unverified().id;
    assert!(
        find(store, id).is_none(),
        "credential: finds one under an id that none has"
    );
    assert!(
        !write(store, |tx| tx.delete_credential(id)),
        "delete_credential: true although there was none"
    );
    write(store, |tx| tx.drop_secret(id, &path("api_key")));
    let row = &unknown.credential;
    assert!(
        !write(store, |tx| tx.replace_credential(row.mac(), row)) && find(store, id).is_none(),
        "replace_credential: wrote a credential that is not there"
    );
}

fn a_failed_unit_of_work_changes_nothing<S: Store<Tx: Credentials>>(store: &S, owner: UserId) {
    let kept = added(store, owner, 3);
    let lost = credential(owner, 2);
    let id = kept.credential.unverified().id;
    undone(store, |tx| {
        tx.add_credential(&lost)?;
        tx.put_secret(id, &secret("config.new"))?;
        tx.drop_secret(id, &kept.secrets[0].path)?;
        tx.replace_credential(kept.credential.mac(), &renamed(&kept.credential, "lost"))?;
        tx.delete_credential(id)
    });
    check_stored(store, &kept, "a failed `write` changed a credential");
    assert!(
        find(store, lost.credential.unverified().id).is_none(),
        "add_credential: the credential of a failed `write` was kept"
    );
}

fn a_secret_is_put_in_place_of_the_one_with_its_path<S: Store<Tx: Credentials>>(
    store: &S,
    owner: UserId,
) {
    let mut stored = added(store, owner, 4);
    // The same paths, to see that only one credential is changed.
    let bystander = added(store, owner, 4);
    let id = stored.credential.unverified().id;
    let second = SecretField {
        path: stored.secrets[1].path.clone(),
        last4: None,
        ..secret("second")
    };
    let third = SecretField {
        path: stored.secrets[2].path.clone(),
        last4: Some("🗝️ñ".to_owned()),
        ..secret("third")
    };
    let (first_new, last_new) = (secret("A"), secret("zz.z"));
    let seen = write(store, |tx| {
        for field in [&second, &third, &first_new, &last_new] {
            tx.put_secret(id, field)?;
        }
        tx.credential(id)
    });
    stored.secrets[1] = second;
    stored.secrets[2] = third;
    stored.secrets.extend([first_new, last_new]);
    stored.secrets.sort_by(|a, b| a.path.cmp(&b.path));
    check_stored(store, &stored, "put_secret");
    assert_eq!(
        seen.map(|seen| seen.secrets),
        Some(stored.secrets),
        "credential: a `write` does not see the secrets that it put"
    );
    check_stored(store, &bystander, "put_secret of another credential");
}

fn a_secret_is_dropped_if_it_is_there<S: Store<Tx: Credentials>>(store: &S, owner: UserId) {
    let mut stored = added(store, owner, 3);
    let bystander = added(store, owner, 3);
    let id = stored.credential.unverified().id;
    let dropped = stored.secrets.remove(1);
    for _ in 0..2 {
        write(store, |tx| tx.drop_secret(id, &dropped.path));
        check_stored(store, &stored, "drop_secret");
    }
    // Paths are whole names with their case, not patterns.
    for near in ["%", "_", "", "API_KEY", "api_ke", "api_key."] {
        write(store, |tx| tx.drop_secret(id, &path(near)));
    }
    check_stored(store, &stored, "drop_secret of a path that is not there");
    check_stored(store, &bystander, "drop_secret of another credential");
    write(store, |tx| tx.put_secret(id, &dropped));
    stored.secrets.insert(1, dropped);
    check_stored(store, &stored, "put_secret after drop_secret");
}

pub(crate) fn an_imported_credential_is_found_by_its_number<S: Store<Tx: Credentials>>(
    store: &S,
    owner: UserId,
) {
    let (id, other) = (legacy_id(), legacy_id());
    let places = [
        Legacy::Credential(id),
        Legacy::Workspace(id),
        Legacy::Workspace(other),
    ];
    let imported = |legacy| {
        let mut new = credential(owner, 2);
        let row = new.credential.unverified().clone();
        new.credential = sign(Credential {
            legacy: Some(legacy),
            ..row
        });
        new
    };
    let [first, second, third] = places.map(imported);
    for (place, new) in places.into_iter().zip([&first, &second, &third]) {
        assert!(
            read(store, |tx| tx.credential_by_legacy(place)).is_none(),
            "credential_by_legacy: one, although none was imported from {place:?}"
        );
        write(store, |tx| tx.add_credential(new));
        check_stored(store, new, "add_credential");
    }
    for (place, new) in places.into_iter().zip([&first, &second, &third]) {
        let found = read(store, |tx| tx.credential_by_legacy(place));
        let found = found.unwrap_or_else(|| panic!("credential_by_legacy: none for {place:?}"));
        assert_eq!(
            found.credential.unverified().id,
            new.credential.unverified().id,
            "credential_by_legacy: {place:?}"
        );
        assert_eq!(found.secrets, new.secrets, "credential_by_legacy: secrets");
        let again = store.write(|tx| tx.add_credential(&imported(place)));
        assert!(again.is_err(), "add_credential: twice from {place:?}");
    }
}

pub(crate) fn a_name_finds_all_that_have_it<S: Store<Tx: Credentials>>(
    store: &S,
    owner: UserId,
    other: UserId,
) {
    let name = CredentialName::from_stored(format!("Name of {}", CredentialId::generate()));
    let named = |owner| {
        let mut new = credential(owner, 2);
        new.credential = sign(Credential {
            name: name.clone(),
            ..new.credential.unverified().clone()
        });
        write(store, |tx| tx.add_credential(&new));
        new
    };
    let mut all = [named(owner), named(other), named(owner)];
    all.sort_by_key(|one| one.credential.unverified().id);
    let ids = |created_by: Option<UserId>, limit| {
        let found = read(store, |tx| tx.credentials_named(&name, created_by, limit));
        let secrets = found.iter().all(|one| one.secrets.len() == 2);
        assert!(secrets, "credentials_named: without their secrets");
        let ids = found.iter().map(|one| one.credential.unverified().id);
        ids.collect::<Vec<_>>()
    };
    let expected = |created_by: Option<UserId>| {
        let rows = all.iter().map(|one| one.credential.unverified());
        let rows = rows.filter(|row| created_by.is_none_or(|user| row.created_by == user));
        rows.map(|row| row.id).collect::<Vec<_>>()
    };
    for created_by in [None, Some(owner), Some(other)] {
        let expected = expected(created_by);
        assert_eq!(ids(created_by, 9), expected, "credentials_named");
        assert_eq!(
            ids(created_by, 1),
            expected[..1],
            "credentials_named: limit"
        );
    }
    // Names are compared as they are, not as patterns and not without their case.
    for near in ["%", &name.as_str().to_lowercase(), &name.as_str()[1..]] {
        let near = CredentialName::from_stored(near.to_owned());
        let found = read(store, |tx| tx.credentials_named(&near, None, 9));
        assert!(found.is_empty(), "credentials_named: another name");
    }
}

fn a_change_leaves_the_secrets<S: Store<Tx: Credentials>>(store: &S, owner: UserId) {
    let mut stored = added(store, owner, 3);
    let bystander = added(store, owner, 1);
    let old = stored.credential;
    let new = sign(Credential {
        name: CredentialName::from_stored("Σ".to_owned()),
        credential_type: CredentialType::Tool,
        open_fields: open_fields("changed"),
        broker: KeptRules::from_stored(r#"{"requests_per_minute":7}"#).ok(),
        created_at: Timestamp(3),
        updated_at: Timestamp(4),
        version: 9,
        ..old.unverified().clone()
    });
    assert!(
        write(store, |tx| tx.replace_credential(old.mac(), &new)),
        "replace_credential: false although the MAC is the stored one"
    );
    stored.credential = new.clone();
    check_stored(store, &stored, "replace_credential");
    let without = sign(Credential {
        broker: None,
        ..new.unverified().clone()
    });
    assert!(write(store, |tx| tx.replace_credential(new.mac(), &without)));
    stored.credential = without;
    check_stored(store, &stored, "replace_credential without rules");
    check_stored(store, &bystander, "replace_credential of another one");
}

pub(crate) fn a_stale_change_is_not_written<S: Store<Tx: Credentials>>(store: &S, owner: UserId) {
    let mut stored = added(store, owner, 1);
    let first = stored.credential;
    let second = renamed(&first, "second");
    assert!(write(store, |tx| tx.replace_credential(first.mac(), &second)));
    let late = renamed(&first, "late");
    assert!(
        !write(store, |tx| tx.replace_credential(first.mac(), &late)),
        "replace_credential: true although the stored row carries another MAC"
    );
    stored.credential = second;
    check_stored(store, &stored, "replace_credential said false, but");
}

pub(crate) fn a_deleted_credential_takes_its_secrets_along<S: Store<Tx: Credentials>>(
    store: &S,
    owner: UserId,
) {
    let mut stored = added(store, owner, 3);
    let bystander = added(store, owner, 3);
    let id = stored.credential.unverified().id;
    assert!(
        write(store, |tx| tx.delete_credential(id)),
        "delete_credential: false although it was there"
    );
    assert!(
        find(store, id).is_none(),
        "delete_credential: the credential is still there"
    );
    assert!(
        !write(store, |tx| tx.delete_credential(id)),
        "delete_credential: true for one that was deleted before"
    );
    check_stored(store, &bystander, "delete_credential of another one");
    stored.secrets.clear();
    write(store, |tx| tx.add_credential(&stored));
    check_stored(store, &stored, "delete_credential left secrets, seen when");
}

pub(crate) fn a_list_has_every_credential_once<S: Store<Tx: Credentials>>(
    store: &S,
    owner: UserId,
    other: UserId,
) {
    // Ids rise, so everything that is made from now on comes after this one.
    let start = Id::generate();
    let stored: Vec<_> = (0..9)
        .map(|n| added(store, if n % 3 == 2 { other } else { owner }, n % 5))
        .collect();
    for created_by in [None, Some(owner), Some(other)] {
        let expected: Vec<_> = stored
            .iter()
            .filter(|stored| {
                created_by.is_none_or(|user| stored.credential.unverified().created_by == user)
            })
            .collect();
        for limit in [1, 2, 3, 9, 200, i64::MAX] {
            let listed = paged(
                limit,
                |after, limit| {
                    let after = after.or(Some(start));
                    read(store, |tx| tx.credentials_after(after, created_by, limit))
                },
                id_of,
            );
            assert!(
                listed.is_sorted_by_key(id_of),
                "credentials_after: not in the order of ids"
            );
            let ours: Vec<_> = listed
                .iter()
                .filter(|found| stored.iter().any(|stored| id_of(stored) == id_of(found)))
                .collect();
            assert!(
                ours.iter()
                    .map(|found| id_of(found))
                    .eq(expected.iter().map(|one| id_of(one))),
                "credentials_after in pages of {limit}, made by {created_by:?}: every credential \
                 must be there once; the limit counts credentials, not their secrets"
            );
            for (found, expected) in ours.into_iter().zip(&expected) {
                assert_stored(found, expected, "credentials_after");
            }
        }
    }
    let nobodys = read(store, |tx| {
        tx.credentials_after(None, Some(Id::generate()), 5)
    });
    assert!(
        nobodys.is_empty(),
        "credentials_after: somebody unknown has made credentials"
    );
    let first = read(store, |tx| tx.credentials_after(None, Some(owner), 1));
    assert_eq!(
        first.len(),
        1,
        "credentials_after: None must begin at the start"
    );
}

pub(crate) fn a_row_without_a_readable_mac_is_listed_and_deleted<S: Store<Tx: Credentials>>(
    store: &S,
    owner: UserId,
) {
    let start = Id::generate();
    let mut broken = credential(owner, 1);
    broken.credential = unreadable(broken.credential.unverified().clone());
    let id = id_of(&broken);
    write(store, |tx| tx.add_credential(&broken));
    let after = added(store, owner, 1);
    let one = works(store.read(|tx| tx.credential(id)));
    assert_unreadable(one.as_ref().map(|one| &one.credential), "credential");
    let listed = works(store.read(|tx| tx.credentials_after(Some(start), None, 1_000)));
    let of = |id| listed.iter().find(|one| id_of(one) == id);
    assert_unreadable(of(id).map(|one| &one.credential), "credentials_after");
    assert!(
        of(id_of(&after)).is_some(),
        "credentials_after: a broken row hides others"
    );
    assert!(
        write(store, |tx| tx.delete_credential(id)),
        "delete_credential: a row without a readable MAC stays"
    );
}

pub(crate) fn of_racing_changes_one_is_written<S: Store<Tx: Credentials>>(
    store: &S,
    owner: UserId,
) {
    let mut stored = added(store, owner, 1);
    let old = stored.credential.clone();
    let outcomes = race(8, |racer| {
        let new = renamed(&old, &format!("of racer {racer}"));
        (
            write(store, |tx| tx.replace_credential(old.mac(), &new)),
            new,
        )
    });
    let answers: Vec<_> = outcomes.iter().map(|(answer, _)| *answer).collect();
    assert_eq!(
        count(&answers),
        1,
        "replace_credential: of racing changes of one version exactly one must return true; the \
         MAC must be compared in the statement that updates"
    );
    for (_, winner) in outcomes.into_iter().filter(|(won, _)| *won) {
        stored.credential = winner;
        check_stored(store, &stored, "replace_credential: not the winner's row");
    }
}

/// A credential with some secrets, in the order of their paths.
pub(crate) fn credential(owner: UserId, secrets: usize) -> StoredCredential {
    let names = ["api_key", "config.B", "config.a", "config.~", "token"];
    let mut secrets: Vec<_> = (0..secrets)
        .map(|n| match names.get(n) {
            Some(name) => secret(name),
            None => secret(&format!("config.x{n}")),
        })
        .collect();
    secrets.sort_by(|a, b| a.path.cmp(&b.path));
    let credential = sign(Credential {
        id: Id::generate(),
        name: CredentialName::from_stored("not unique".to_owned()),
        credential_type: CredentialType::Llm,
        created_by: owner,
        open_fields: open_fields("openai"),
        created_at: Timestamp(1_800_000_000),
        updated_at: Timestamp(1_800_000_000),
        legacy: None,
        broker: None,
        version: 1,
    });
    StoredCredential {
        credential,
        secrets,
    }
}

/// A secret field whose values differ from those of every other one.
fn secret(name: &str) -> SecretField {
    let id: CredentialId = Id::generate();
    SecretField {
        path: path(name),
        sealed: EncryptedString::from_stored(format!("v1.0123456789abcdef.{id}-{name}_==")),
        last4: name.len().is_multiple_of(2).then(|| "a1Ω%".to_owned()),
    }
}

fn path(text: &str) -> FieldPath {
    FieldPath::from_stored(text.to_owned())
}

fn open_fields(value: &str) -> OpenFields {
    let value: String = value.chars().flat_map(char::escape_unicode).collect();
    // Rust writes \u{e9} where JSON has \u00e9; what matters is that quotes are harmless.
    let value = value.replace('\\', "/");
    OpenFields::from_stored(format!(
        "{{\"provider\":\"{value}\",\"region\":\"e\u{301}🗝\"}}"
    ))
    .unwrap_or_else(|error| panic!("an object of strings is refused: {error}"))
}

fn renamed(old: &Signed<Credential>, name: &str) -> Signed<Credential> {
    let old = old.unverified();
    sign(Credential {
        name: CredentialName::from_stored(name.to_owned()),
        open_fields: open_fields(name),
        version: old.version + 1,
        ..old.clone()
    })
}

#[track_caller]
fn added<S: Store<Tx: Credentials>>(store: &S, owner: UserId, secrets: usize) -> StoredCredential {
    let new = credential(owner, secrets);
    write(store, |tx| tx.add_credential(&new));
    new
}

fn id_of(stored: &StoredCredential) -> CredentialId {
    stored.credential.unverified().id
}

#[track_caller]
fn find<S: Store<Tx: Credentials>>(store: &S, id: CredentialId) -> Option<StoredCredential> {
    read(store, |tx| tx.credential(id))
}

#[track_caller]
fn check_stored<S: Store<Tx: Credentials>>(store: &S, expected: &StoredCredential, what: &str) {
    let found = find(store, id_of(expected));
    let found = found.unwrap_or_else(|| panic!("{what}: the credential is gone"));
    assert_stored(&found, expected, what);
}

#[track_caller]
fn assert_stored(found: &StoredCredential, expected: &StoredCredential, what: &str) {
    assert_same(&found.credential, &expected.credential, what);
    assert!(
        found.secrets.is_sorted_by(|a, b| a.path < b.path),
        "{what}: secret fields must come in the byte order of their paths (on PostgreSQL, sort by \
         COLLATE \"C\")"
    );
    assert_eq!(
        found.secrets, expected.secrets,
        "{what}: the secret fields are not those that were stored with this credential"
    );
}
