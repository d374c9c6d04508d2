use std::sync::Arc;

use keyward_auth::{ApiKeyRecord, ApiKeys, KeyCursor, KeyWithOwner, ListedKey, UserId};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{ApiKeyId, ApiKeyKind, Mac, Signed};

use super::{MemoryTx, insert, limited};

/// A key and what is known of it besides.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) key: Signed<ApiKeyRecord>,
    pub(crate) last_used_at: Option<Timestamp>,
}

impl ApiKeys for MemoryTx {
    fn add_api_key(&mut self, key: &Signed<ApiKeyRecord>) -> Result<(), StoreError> {
        self.require_user(key.unverified().user)?;
        self.refuse_retired_secrets([key.mac(), &key.unverified().key_mac])?;
        let row = Row {
            key: key.clone(),
            last_used_at: None,
        };
        insert(&mut self.tables_mut()?.api_keys, key.unverified().id, row)
    }

    fn key_with_owner(&mut self, id: ApiKeyId) -> Result<Option<KeyWithOwner>, StoreError> {
        let found = self.tables.api_keys.get(&id).and_then(|row| {
            let owner = self.tables.users.get(&row.key.unverified().user)?;
            Some(KeyWithOwner {
                key: row.key.clone(),
                owner: (**owner).clone(),
                sponsor: owner
                    .unverified()
                    .delegation
                    .and_then(|given| self.tables.users.get(&given.owner))
                    .map(|sponsor| (**sponsor).clone()),
                last_used_at: row.last_used_at,
            })
        });
        Ok(found)
    }

    fn api_keys_of(
        &mut self,
        user: UserId,
        after: Option<KeyCursor>,
        limit: i64,
    ) -> Result<Vec<ListedKey>, StoreError> {
        let mut rows: Vec<&Row> = self
            .tables
            .api_keys
            .values()
            .map(|row| &**row)
            .filter(|row| row.key.unverified().user == user)
            .filter(|row| after.is_none_or(|after| place(row) > (after.created_at, after.id)))
            .collect();
        rows.sort_by_key(|row| place(row));
        let listed = rows.into_iter().map(|row| ListedKey {
            key: row.key.clone(),
            last_used_at: row.last_used_at,
        });
        Ok(limited(listed, limit))
    }

    fn live_sessions(
        &mut self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Vec<Signed<ApiKeyRecord>>, StoreError> {
        let keys = self.tables.api_keys.values().map(|row| &row.key);
        let live = keys.filter(|key| {
            let key = key.unverified();
            key.user == user && key.kind == ApiKeyKind::Login && key.is_live(now)
        });
        Ok(live.cloned().collect())
    }

    fn replace_api_key(
        &mut self,
        old: &Mac,
        new: &Signed<ApiKeyRecord>,
    ) -> Result<bool, StoreError> {
        self.require_user(new.unverified().user)?;
        self.refuse_retired_secrets([new.mac(), &new.unverified().key_mac])?;
        let tables = self.tables_mut()?;
        let id = new.unverified().id;
        let Some(stored) = tables.api_keys.get(&id).filter(|row| row.key.mac() == old) else {
            return Ok(false);
        };
        let row = Row {
            key: new.clone(),
            last_used_at: stored.last_used_at,
        };
        Arc::make_mut(&mut tables.api_keys).insert(id, Arc::new(row));
        Ok(true)
    }

    fn touch_api_keys(&mut self, used: &[(ApiKeyId, Timestamp)]) -> Result<(), StoreError> {
        let keys = Arc::make_mut(&mut self.tables_mut()?.api_keys);
        for (id, at) in used {
            if let Some(row) = keys.get_mut(id) {
                let row = Arc::make_mut(row);
                row.last_used_at = row.last_used_at.max(Some(*at));
            }
        }
        Ok(())
    }
}

fn place(row: &Row) -> (Timestamp, ApiKeyId) {
    let key = row.key.unverified();
    (key.created_at, key.id)
}
