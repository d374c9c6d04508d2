use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use keyward_auth::UserId;
use keyward_core::{Clock, Id, Store, SystemClock};
use keyward_credentials::{
    Credential, CredentialId, CredentialName, CredentialType, Credentials, FieldPath, OpenFields,
    SecretField, StoredCredential, field_context,
};
use keyward_crypto::{KeyRing, MacRing, Signed};
use keyward_store_diesel::{DatabaseUrl, DieselStore, Options};

use crate::running::Home;

/// Credentials with one secret each, and which versions of it there can be.
pub(crate) struct Rows {
    rows: Vec<Row>,
}

pub(crate) struct Row {
    number: usize,
    pub(crate) id: String,
    acknowledged: AtomicU64,
    issued: AtomicU64,
}

impl Rows {
    /// Adds so many to the database, past the server.
    pub(crate) fn add(home: &Home, owner: &str, number: usize) -> Self {
        let (store, fields, macs) = opened(home);
        let owner = UserId::parse(owner).unwrap();
        let numbers: Vec<_> = (0..number).collect();
        let rows = numbers.chunks(500).flat_map(|chunk| {
            let new: Vec<_> = chunk
                .iter()
                .map(|number| stored(*number, owner, &fields, &macs))
                .collect();
            store
                .write(|tx| new.iter().try_for_each(|row| tx.add_credential(row)))
                .unwrap();
            chunk.iter().zip(new).map(|(number, new)| Row {
                number: *number,
                id: new.credential.unverified().id.to_string(),
                acknowledged: AtomicU64::new(0),
                issued: AtomicU64::new(0),
            })
        });
        Self {
            rows: rows.collect(),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        u64::try_from(self.rows.len()).unwrap()
    }

    pub(crate) fn get(&self, number: u64) -> &Row {
        &self.rows[usize::try_from(number).unwrap()]
    }

    /// What is wrong with what stands in the database in the end.
    pub(crate) fn wrong(&self, home: &Home) -> Vec<String> {
        let (store, fields, _) = opened(home);
        let mut wrong = Vec::new();
        for row in &self.rows {
            let id = CredentialId::parse(&row.id).unwrap();
            let found = store.read(|tx| tx.credential(id)).unwrap().unwrap();
            let owner = found.credential.unverified().created_by;
            let secret = &found.secrets[0];
            let opened = fields.open(&secret.sealed, &field_context(id, &secret.path, owner));
            match opened {
                Err(error) => wrong.push(format!("row {}: {error}", row.number)),
                Ok(text) => wrong.extend(row.unlike(text.expose(), row.acknowledged())),
            }
        }
        wrong
    }
}

impl Row {
    /// The version that is there at least.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// A new value, and its version.
    pub(crate) fn next(&self) -> (u64, String) {
        let version = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        (version, text(self.number, version))
    }

    pub(crate) fn acknowledge(&self, version: u64) {
        self.acknowledged.store(version, Ordering::SeqCst);
    }

    /// What is wrong with a value that was read, if something is.
    pub(crate) fn unlike(&self, found: &str, least: u64) -> Option<String> {
        let most = self.issued.load(Ordering::SeqCst);
        let is_right = (least..=most).any(|version| found == text(self.number, version));
        (!is_right).then(|| {
            format!(
                "row {}: {found:?}, expected a version from {least} to {most}",
                self.number
            )
        })
    }
}

fn stored(number: usize, owner: UserId, fields: &KeyRing, macs: &MacRing) -> StoredCredential {
    let now = SystemClock.now();
    let id = Id::generate();
    let path = FieldPath::from_stored("token".to_owned());
    let context = field_context(id, &path, owner);
    let credential = Credential {
        id,
        name: CredentialName::parse(&format!("row {number}")).unwrap(),
        credential_type: CredentialType::Generic,
        created_by: owner,
        open_fields: OpenFields::default(),
        created_at: now,
        updated_at: now,
        legacy: None,
        broker: None,
        version: 1,
    };
    StoredCredential {
        credential: Signed::sign(credential, macs),
        secrets: vec![SecretField {
            sealed: fields.seal(&text(number, 0), &context, now.unix()),
            path,
            last4: None,
        }],
    }
}

fn opened(home: &Home) -> (DieselStore, KeyRing, MacRing) {
    let url = match home.get("DATABASE_URL") {
        Some(url) => url.to_owned(),
        None => format!("sqlite://{}", home.database_file().display()),
    };
    let url = DatabaseUrl::parse(&url).unwrap();
    let keys = fs::read_to_string(home.value("FIELD_ENCRYPTION_KEY_FILE")).unwrap();
    (
        DieselStore::connect(&url, Options::default()).unwrap(),
        KeyRing::parse(&keys).unwrap(),
        MacRing::parse(home.value("SECRET_KEY")).unwrap(),
    )
}

fn text(number: usize, version: u64) -> String {
    format!("the secret of row {number} in version {version}")
}
