use std::sync::Arc;

use keyward_auth::User;
use keyward_core::{Id, Store as _};
use keyward_credentials::{
    Credential, CredentialId, CredentialName, CredentialType, Credentials as _, FieldPath,
    OpenFields, SecretField, StoredCredential, field_context,
};
use keyward_crypto::{EncryptedString, FieldKey, KeyId, KeyRing, Signed};
use keyward_encryption::{
    EncryptionKeys as _, KeyRecord, KeyState, KeyStatus, ManageEncryption, Pass, Reencrypt,
    RotationState, ServingNode, Status, Step, keep,
};
use keyward_store_testing::MemoryStore;

use crate::world::{NOW, World};

/// A world that began with the key `old`, and has got the key `new`.
pub(crate) struct Keyed {
    pub(crate) world: Arc<World>,
    pub(crate) old: FieldKey,
    pub(crate) new: FieldKey,
    pub(crate) owner: User,
}

impl Keyed {
    pub(crate) fn new() -> Self {
        let (old, new) = (FieldKey::generate(), FieldKey::generate());
        let world = World {
            fields: ring(&[&old]),
            ..World::new()
        };
        let owner = world.add_user("olga", |_| {});
        let keyed = Self {
            world: Arc::new(world),
            old,
            new,
            owner,
        };
        keyed.keep();
        keyed.learn(&[&keyed.new, &keyed.old]);
        keyed
    }

    /// What every start does.
    fn keep(&self) {
        let World { fields, macs, .. } = &*self.world;
        let kept = self.world.store.write(|tx| keep(tx, fields, macs, NOW));
        kept.unwrap();
    }

    /// Has these keys and starts again.
    pub(crate) fn learn(&self, keys: &[&FieldKey]) {
        self.world.fields.learn(&ring(keys));
        self.keep();
    }

    /// Another process on the same store, with these keys.
    pub(crate) fn other(&self, keys: &[&FieldKey]) -> World {
        World {
            store: self.world.store.clone(),
            clock: self.world.clock.clone(),
            fields: ring(keys),
            macs: self.world.macs.clone(),
            last_used: Arc::default(),
        }
    }

    pub(crate) fn manage(&self) -> ManageEncryption<Arc<MemoryStore>> {
        ManageEncryption::new(self.world.environment())
    }

    pub(crate) fn status(&self) -> Status {
        self.manage().status().unwrap()
    }

    pub(crate) fn key(&self, key: &FieldKey) -> KeyStatus {
        let keys = self.status().keys;
        keys.into_iter()
            .find(|known| known.kid == *key.id())
            .unwrap()
    }

    pub(crate) fn state(&self, key: &FieldKey) -> Option<KeyState> {
        self.key(key).state
    }

    pub(crate) fn records(&self) -> Vec<KeyRecord> {
        self.world.store.read(|tx| tx.encryption_keys()).unwrap()
    }

    pub(crate) fn rotation(&self) -> RotationState {
        self.world.store.read(|tx| tx.rotation()).unwrap().state
    }

    /// Keeps a credential whose secret is sealed under a key.
    pub(crate) fn sealed_under(&self, key: &FieldKey, text: &str) -> CredentialId {
        let id = Id::generate();
        let ring = ring(&[key]);
        self.put(id, ring.seal(text, &self.context(id), 1_800_000_000));
        id
    }

    pub(crate) fn put(&self, id: CredentialId, sealed: EncryptedString) {
        let credential = Credential {
            id,
            name: CredentialName::parse("kept").unwrap(),
            credential_type: CredentialType::Generic,
            created_by: self.owner.id,
            open_fields: OpenFields::default(),
            created_at: NOW,
            updated_at: NOW,
            legacy: None,
            broker: None,
            version: 1,
        };
        let stored = StoredCredential {
            credential: Signed::sign(credential, &self.world.macs),
            secrets: vec![SecretField {
                path: path(),
                sealed,
                last4: None,
            }],
        };
        let added = self.world.store.write(|tx| tx.add_credential(&stored));
        added.unwrap();
    }

    pub(crate) fn context(&self, id: CredentialId) -> keyward_crypto::Context {
        field_context(id, &path(), self.owner.id)
    }

    /// The stored secret of a credential.
    pub(crate) fn sealed(&self, id: CredentialId) -> EncryptedString {
        let stored = self.world.store.read(|tx| tx.credential(id)).unwrap();
        stored.unwrap().secrets.swap_remove(0).sealed
    }

    /// The key and the text of a secret.
    pub(crate) fn opened(&self, id: CredentialId) -> (KeyId, String) {
        let sealed = self.sealed(id);
        let text = self.world.fields.open(&sealed, &self.context(id)).unwrap();
        (sealed.key_id().unwrap(), text.expose().to_owned())
    }

    pub(crate) fn worker(&self, name: &str) -> Reencrypt<Arc<MemoryStore>> {
        Reencrypt::new(self.world.environment(), name)
    }
}

/// Works until there is nothing to do.
pub(crate) fn work<S>(worker: &Reencrypt<S>) -> Step
where
    S: keyward_core::Store<Tx: keyward_encryption::EncryptionTx>,
{
    let mut pass = Pass::default();
    for _ in 0..200 {
        match worker.step(&mut pass).unwrap() {
            Step::Moved(_) => {}
            other => return other,
        }
    }
    panic!("re-encryption does not end");
}

pub(crate) fn node(world: &World, name: &str) -> ServingNode<Arc<MemoryStore>> {
    ServingNode::new(world.environment(), name)
}

pub(crate) fn ring(keys: &[&FieldKey]) -> KeyRing {
    let texts: Vec<_> = keys.iter().map(|key| key.expose()).collect();
    let texts: Vec<_> = texts.iter().map(|text| text.expose()).collect();
    KeyRing::parse(&texts.join(",")).unwrap()
}

pub(crate) fn path() -> FieldPath {
    FieldPath::from_stored("token".to_owned())
}
