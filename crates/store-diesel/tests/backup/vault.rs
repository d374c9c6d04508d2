use std::collections::BTreeMap;
use std::ops::ControlFlow;

use keyward_agents::{AgentName, ManageAgents, NewAgent};
use keyward_auth::{Host, Role, UserId};
use keyward_backup::{
    ArchiveReader, ArchiveWriter, CreateBackup, Created, Identities, Item, NewIdentity, Recipients,
    Restore, RestoreError, Restored, Snapshot as _, Verified, VerifyBackup, VerifyError,
};
use keyward_core::{Store as _, StoreError};
use keyward_credentials::{
    CredentialName, CredentialScope, CredentialType, ManageCredentials, NewCredential,
};
use keyward_encryption::keep;
use keyward_store_diesel::DieselStore;
use keyward_store_diesel::testing::TestDatabase;
use serde_json::json;

use crate::world::{Person, World};

/// A database with something of everything, and an identity for its backups.
pub(crate) struct Vault {
    pub(crate) world: World,
    pub(crate) person: Person,
    pub(crate) agent: UserId,
    pub(crate) identity: Identities,
    pub(crate) recipients: Recipients,
}

impl Vault {
    pub(crate) fn new(database: &TestDatabase) -> Self {
        let world = World::new(database);
        let environment = world.environment();
        let now = world.now();
        (world.store)
            .write(|tx| keep(tx, &environment.fields, &environment.macs, now))
            .unwrap();
        let person = world.enrolled(Role::Admin);
        let key = world.add_key(&world.add(Role::Normal));
        let permit = world.permit(&key).unwrap();
        let new = NewCredential {
            broker: None,
            name: CredentialName::parse("Zoë's \"key\"").unwrap(),
            credential_type: CredentialType::Llm,
            detail: serde_json::from_value(json!({
                "provider": "openai",
                "api_key": "sk-proj-0123456789abcdefwxyz",
            }))
            .unwrap(),
        };
        ManageCredentials::new(&environment, CredentialScope::Global)
            .create(&permit, new, None)
            .unwrap();
        let agent = add_agent(&world, person.id, "researcher");
        let new = NewIdentity::generate();
        Self {
            world,
            person,
            agent,
            identity: Identities::parse(new.file().expose()).unwrap(),
            recipients: Recipients::parse(new.recipient()).unwrap(),
        }
    }

    pub(crate) fn backup(&self) -> Vec<u8> {
        self.create().1
    }

    pub(crate) fn create(&self) -> (Created, Vec<u8>) {
        CreateBackup::new(self.world.environment())
            .create(Vec::new(), &self.recipients, &mut |_, _| ())
            .unwrap()
    }

    /// The same backup, with rows as `change` makes them.
    pub(crate) fn rewritten(&self, backup: &[u8], change: &dyn Fn(&str) -> String) -> Vec<u8> {
        let mut reader = ArchiveReader::open(backup, &self.identity).unwrap();
        let manifest = reader.manifest().clone();
        let mut writer = ArchiveWriter::begin(Vec::new(), &self.recipients, &manifest).unwrap();
        loop {
            match reader.next().unwrap() {
                Item::Table { name, columns } => writer.table(&name, &columns).unwrap(),
                Item::Row(row) => writer.row(&change(&row)).unwrap(),
                Item::End => return writer.finish().unwrap(),
            }
        }
    }

    pub(crate) fn verify(&self, backup: &[u8]) -> Result<Verified, VerifyError> {
        self.verify_as(&self.world, backup)
    }

    /// With the keys of another world.
    pub(crate) fn verify_as(&self, world: &World, backup: &[u8]) -> Result<Verified, VerifyError> {
        let scratch = TestDatabase::sqlite();
        VerifyBackup::new(world.on(&scratch).environment()).verify(
            backup,
            &self.identity,
            None,
            &mut |_, _| (),
        )
    }

    pub(crate) fn restore(
        &self,
        backup: &[u8],
        target: &World,
        replace: bool,
    ) -> Result<Restored, RestoreError> {
        let verified = self.verify(backup).unwrap();
        self.restore_verified(backup, &verified, target, replace)
    }

    pub(crate) fn restore_verified(
        &self,
        backup: &[u8],
        verified: &Verified,
        target: &World,
        replace: bool,
    ) -> Result<Restored, RestoreError> {
        Restore::new(target.environment()).restore(
            backup,
            &self.identity,
            verified,
            replace,
            &mut |_, _| (),
        )
    }

    /// A copy on the other kind of database.
    pub(crate) fn restored(&self, backup: &[u8], target: &TestDatabase) -> World {
        let world = self.world.on(target);
        self.restore(backup, &world, false).unwrap();
        world
    }
}

pub(crate) fn add_agent(world: &World, owner: UserId, name: &str) -> UserId {
    let new = NewAgent {
        name: AgentName::parse(name).unwrap(),
        purpose: None,
        scopes: None,
        expires_at: None,
        rotate: false,
    };
    let agents = ManageAgents::new(&world.environment());
    agents.create_for(Host, owner, &new).unwrap().0.agent.id
}

/// An empty database of the other kind, or where there is no PostgreSQL, another SQLite file.
pub(crate) fn other_kind(database: &TestDatabase) -> TestDatabase {
    if database.url().starts_with("sqlite://") {
        TestDatabase::postgres().unwrap_or_else(TestDatabase::sqlite)
    } else {
        TestDatabase::sqlite()
    }
}

/// Every row of every table, in an order of its own: what both kinds of databases have in common.
pub(crate) fn content(store: &DieselStore) -> BTreeMap<String, Vec<String>> {
    let content = store.read(|tx| {
        let mut content = BTreeMap::new();
        for table in tx.contents()?.tables {
            let mut rows = Vec::new();
            tx.each_row(&table, &mut |row| {
                let row: serde_json::Value = serde_json::from_str(row).unwrap();
                rows.push(row.to_string());
                ControlFlow::Continue(())
            })?;
            rows.sort_unstable();
            content.insert(table.name, rows);
        }
        Ok::<_, StoreError>(content)
    });
    content.unwrap()
}
