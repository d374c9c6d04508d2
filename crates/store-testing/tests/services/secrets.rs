//! A new `SECRET_KEY`: what is signed anew, what is not, and what keeps the old one from being retired.

use std::sync::Arc;

use keyward_audit::VerifyAudit;
use keyward_auth::{ApiKeys as _, Host, SecondFactors as _, User, Users as _};
use keyward_core::Store as _;
use keyward_crypto::{ApiKey, KeyId, MacPurpose, MacRing, SecretText, Signed};
use keyward_encryption::{
    EncryptionError, Leftovers, ManageEncryption, Reencrypt, Step, keep, learn_audit_keys,
};

use crate::keyed::{node, work};
use crate::world::{NOW, World};

/// A world that began with the secret `old`, and has got the secret `new`.
struct Secrets {
    world: World,
    old: KeyId,
    new: KeyId,
    oldest: SecretText,
    newest: SecretText,
    ada: User,
    key: ApiKey,
}

impl Secrets {
    fn new() -> Self {
        let (old, newest) = (MacRing::generate_secret(), MacRing::generate_secret());
        let world = World {
            macs: MacRing::parse(old.expose()).unwrap(),
            ..World::new()
        };
        let old_kid = world.macs.active();
        keep_keys(&world);
        let ada = world.add_admin("ada");
        let key = world.add_key(&ada, |_| {});
        let both = format!("{},{}", newest.expose(), old.expose());
        let both = MacRing::parse(&both).unwrap();
        let new = both.active();
        world.macs.learn(&both);
        keep_keys(&world);
        Self {
            world,
            old: old_kid,
            new,
            oldest: old,
            newest,
            ada,
            key,
        }
    }

    /// A ring of its own, as another process has it.
    fn both(&self) -> MacRing {
        let both = format!("{},{}", self.newest.expose(), self.oldest.expose());
        MacRing::parse(&both).unwrap()
    }

    fn manage(&self) -> ManageEncryption<Arc<keyward_store_testing::MemoryStore>> {
        ManageEncryption::new(self.world.environment())
    }

    /// Activates the new secret and signs everything anew.
    fn rotate(&self) -> Step {
        self.manage().activate(&Host, self.new).unwrap();
        self.manage().start(&Host).unwrap();
        work(&Reencrypt::new(self.world.environment(), "worker"))
    }

    fn retire(&self, leftovers: Leftovers) -> Result<(), EncryptionError> {
        self.manage().retire(&Host, self.old, leftovers)
    }

    /// A row of an administrator that somebody makes up.
    fn user_by(&self, macs: &MacRing) -> Signed<User> {
        let eve = User {
            id: keyward_core::Id::generate(),
            username: crate::world::username("eve"),
            ..self.ada.clone()
        };
        Signed::sign(eve, macs)
    }

    fn user(&self) -> Signed<User> {
        let user = self.world.store.read(|tx| tx.user(self.ada.id));
        user.unwrap().unwrap()
    }

    fn use_the_key(&self) {
        self.world.principal(&self.key);
        self.world.last_used.flush(&self.world.store).unwrap();
    }
}

fn keep_keys(world: &World) {
    let kept = world
        .store
        .write(|tx| keep(tx, &world.fields, &world.macs, NOW));
    kept.unwrap();
}

#[test]
fn rows_are_signed_anew_and_the_old_secret_can_go() {
    let secrets = Secrets::new();
    assert_eq!(secrets.rotate(), Step::Done { unreadable: 0 });
    secrets.use_the_key();
    secrets.retire(Leftovers::Keep).unwrap();

    let after = World {
        macs: MacRing::parse(secrets.newest.expose()).unwrap(),
        store: secrets.world.store.clone(),
        fields: secrets.world.fields.clone(),
        ..World::new()
    };
    keep_keys(&after);
    assert!(after.accepts(&secrets.key));
    assert_eq!(*secrets.user().mac().key_id(), secrets.new);

    // The part of the log that the old one has signed is verified by what was kept of it.
    let verify = || {
        let verify = VerifyAudit::new(after.store.clone(), after.macs.clone());
        verify.verify(None).unwrap().findings
    };
    assert!(!verify().is_empty());
    let learnt = after
        .store
        .read(|tx| learn_audit_keys(tx, &after.fields, &after.macs));
    learnt.unwrap();
    assert_eq!(verify(), []);
}

#[test]
fn a_forged_row_does_not_become_genuine_by_being_signed_anew() {
    let secrets = Secrets::new();
    let forged = User {
        role: keyward_auth::Role::Admin,
        username: crate::world::username("eve"),
        id: keyward_core::Id::generate(),
        ..secrets.ada.clone()
    };
    let forged = Signed::from_stored(forged, secrets.user().mac().clone());
    let id = forged.unverified().id;
    secrets
        .world
        .store
        .write(|tx| tx.add_user(&forged))
        .unwrap();

    assert_eq!(secrets.rotate(), Step::Done { unreadable: 1 });

    let found = secrets.world.store.read(|tx| tx.user(id)).unwrap().unwrap();
    assert!(!found.is_genuine(&secrets.world.macs));
    assert_eq!(found.mac(), forged.mac());

    // Nor does it keep the secret in use.
    secrets.use_the_key();
    secrets.retire(Leftovers::Keep).unwrap();
    let found = secrets.world.store.read(|tx| tx.user(id)).unwrap().unwrap();
    assert!(!found.is_genuine(&secrets.world.macs));
}

/// Somebody has the old secret and can write to the database, and the settings still list it.
#[test]
fn what_a_retired_secret_signs_is_not_genuine_anywhere_and_never_becomes_so() {
    let secrets = Secrets::new();
    let other = World {
        macs: secrets.both(),
        store: secrets.world.store.clone(),
        clock: secrets.world.clock.clone(),
        fields: secrets.world.fields.clone(),
        last_used: Arc::default(),
    };
    let node = node(&other, "with both");
    node.join().unwrap();
    node.follow().unwrap();
    secrets.rotate();
    node.follow().unwrap();
    secrets.use_the_key();
    secrets.retire(Leftovers::Keep).unwrap();
    node.follow().unwrap();

    let leaked = MacRing::parse(secrets.oldest.expose()).unwrap();
    for world in [&secrets.world, &other] {
        assert!(!secrets.user_by(&leaked).is_genuine(&world.macs));
        assert!(world.accepts(&secrets.key));
        // Read anew from a file that still has it.
        world.macs.learn(&secrets.both());
        assert!(!secrets.user_by(&leaked).is_genuine(&world.macs));
        let verify = VerifyAudit::new(world.store.clone(), world.macs.clone());
        assert_eq!(verify.verify(None).unwrap().findings, []);
    }
    let refused = secrets
        .world
        .store
        .write(|tx| tx.add_user(&secrets.user_by(&leaked)));
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn a_log_that_was_cut_off_by_a_retired_secret_does_not_verify() {
    let secrets = Secrets::new();
    secrets.rotate();
    secrets.use_the_key();
    secrets.retire(Leftovers::Keep).unwrap();
    let leaked = MacRing::parse(secrets.oldest.expose()).unwrap();
    let events = secrets.world.events();
    let theirs = events
        .iter()
        .filter(|event| *event.mac.key_id() == secrets.old);
    let last = theirs.max_by_key(|event| event.fields.seq).unwrap().clone();
    secrets.world.store.tamper(|rows| {
        for event in &events {
            if event.fields.seq > last.fields.seq {
                rows.remove_audit_event(event.fields.seq);
            }
        }
        let (seq, mac) = (last.fields.seq, last.mac.clone());
        let parts: [&[u8]; 2] = [&seq.to_be_bytes(), mac.as_bytes()];
        rows.set_audit_head(Some(keyward_audit::Head {
            seq,
            mac: leaked.mac(MacPurpose::AuditHead, &parts),
            last: mac.clone(),
        }));
    });

    let verify = VerifyAudit::new(secrets.world.store.clone(), secrets.world.macs.clone());
    assert_eq!(
        verify.verify(None).unwrap().findings,
        [keyward_audit::Finding::End]
    );
}

#[test]
fn a_secret_that_a_node_lacks_is_not_activated() {
    let secrets = Secrets::new();
    let behind = World {
        macs: MacRing::parse(secrets.oldest.expose()).unwrap(),
        store: secrets.world.store.clone(),
        clock: secrets.world.clock.clone(),
        fields: secrets.world.fields.clone(),
        last_used: Arc::default(),
    };
    let node = node(&behind, "behind");
    node.join().unwrap();

    let refused = secrets.manage().activate(&Host, secrets.new);

    assert!(
        matches!(&refused, Err(EncryptionError::NotEverywhere(nodes)) if nodes == &[node.id().to_owned()]),
        "{refused:?}"
    );
    node.learn(&behind.fields, &secrets.both()).unwrap();
    secrets.manage().activate(&Host, secrets.new).unwrap();
}

#[test]
fn a_secret_that_a_node_still_signs_with_is_not_retired() {
    let secrets = Secrets::new();
    let other = World {
        macs: secrets.both(),
        store: secrets.world.store.clone(),
        clock: secrets.world.clock.clone(),
        fields: secrets.world.fields.clone(),
        last_used: Arc::default(),
    };
    assert!(other.macs.activate(&secrets.old));
    let node = node(&other, "slow");
    node.join().unwrap();
    secrets.rotate();
    secrets.use_the_key();

    let refused = secrets.retire(Leftovers::Keep);
    assert!(
        matches!(&refused, Err(EncryptionError::StillSigning(nodes)) if nodes.len() == 1),
        "{refused:?}"
    );

    node.follow().unwrap();
    assert_eq!(other.macs.active(), secrets.new);
    secrets.retire(Leftovers::Keep).unwrap();
}

#[test]
fn what_was_not_used_keeps_the_secret_or_ends_with_it() {
    let secrets = Secrets::new();
    let code = secrets.world.macs.mac(MacPurpose::RecoveryCode, &[b"x"]);
    let user = secrets.ada.id;
    let set = secrets
        .world
        .store
        .write(|tx| tx.set_recovery_codes(user, &[code]));
    set.unwrap();
    let sleeper = secrets.world.add_key(&secrets.ada, |_| {});
    secrets.rotate();
    secrets.use_the_key();

    let refused = secrets.retire(Leftovers::Keep);
    assert!(
        matches!(refused, Err(EncryptionError::Unused { keys: 1, codes: 1 })),
        "{refused:?}"
    );
    assert!(secrets.world.accepts(&sleeper));

    secrets.retire(Leftovers::End).unwrap();

    assert!(!secrets.world.accepts(&sleeper));
    assert!(secrets.world.accepts(&secrets.key));
    let codes = secrets.world.store.read(|tx| tx.recovery_codes(user));
    assert_eq!(codes.unwrap(), []);
    let row = secrets
        .world
        .store
        .read(|tx| tx.key_with_owner(sleeper.id()));
    assert!(row.unwrap().unwrap().key.is_genuine(&secrets.world.macs));
    let told: Vec<_> = secrets
        .world
        .events()
        .into_iter()
        .map(|event| event.fields)
        .collect();
    let named = |action: &str, subject: &str| {
        told.iter()
            .any(|event| event.action == action && event.subject_id == subject)
    };
    assert!(named("api_key.revoke", sleeper.id().as_str()), "{told:?}");
    assert!(
        named("recovery-codes.drop", secrets.old.as_str()),
        "{told:?}"
    );
    assert!(
        named("encryption-key.retire", secrets.old.as_str()),
        "{told:?}"
    );
}
