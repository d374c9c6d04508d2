use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use encrypt_a_column::{add, all, create_table, reseal, token};
use keyward_crypto::{FieldKey, KeyRing};

fn database() -> SqliteConnection {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    create_table(&mut connection).unwrap();
    connection
}

/// As a setting names keys: the newest first.
fn ring(keys: &[&FieldKey]) -> KeyRing {
    let list: Vec<_> = keys
        .iter()
        .map(|key| key.expose().expose().to_owned())
        .collect();
    KeyRing::parse(&list.join(",")).unwrap()
}

#[test]
fn a_token_is_sealed_in_the_table_and_opens_with_its_key() {
    let (mut connection, keys) = (database(), ring(&[&FieldKey::generate()]));
    add(
        &mut connection,
        &keys,
        (1, "https://example.com", "whsec-1"),
    )
    .unwrap();
    let stored = all(&mut connection).unwrap().remove(0);
    assert!(!stored.token.as_stored().contains("whsec"));
    assert_eq!(token(&keys, &stored).unwrap(), "whsec-1");
    assert!(token(&ring(&[&FieldKey::generate()]), &stored).is_err());
}

#[test]
fn a_token_that_was_moved_to_another_row_does_not_open() {
    let (mut connection, keys) = (database(), ring(&[&FieldKey::generate()]));
    add(
        &mut connection,
        &keys,
        (1, "https://example.com", "whsec-1"),
    )
    .unwrap();
    add(
        &mut connection,
        &keys,
        (2, "https://evil.example", "whsec-2"),
    )
    .unwrap();
    connection
        .batch_execute("UPDATE webhooks SET token = (SELECT token FROM webhooks WHERE id = 1)")
        .unwrap();
    let rows = all(&mut connection).unwrap();
    assert!(token(&keys, &rows[0]).is_ok());
    assert!(token(&keys, &rows[1]).is_err());
}

#[test]
fn the_table_takes_no_plain_text() {
    let mut connection = database();
    let plain = "INSERT INTO webhooks VALUES (1, 'https://example.com', 'whsec-1')";
    assert!(connection.batch_execute(plain).is_err());
}

#[test]
fn after_resealing_the_old_key_can_go() {
    let mut connection = database();
    let (old, new) = (FieldKey::generate(), FieldKey::generate());
    for id in 1..=3 {
        add(
            &mut connection,
            &ring(&[&old]),
            (id, "https://example.com", "whsec"),
        )
        .unwrap();
    }
    let both = ring(&[&new, &old]);
    assert_eq!(reseal(&mut connection, &both).unwrap(), 3);
    assert_eq!(reseal(&mut connection, &both).unwrap(), 0);
    for webhook in all(&mut connection).unwrap() {
        assert_eq!(token(&ring(&[&new]), &webhook).unwrap(), "whsec");
        assert!(token(&ring(&[&old]), &webhook).is_err());
    }
}
