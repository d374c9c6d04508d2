use std::ops::Bound;
use std::sync::Arc;

use keyward_auth::{User, UserId, UserReplaced, UserStatus, Username, Users};
use keyward_core::{LegacyId, StoreError};
use keyward_crypto::{Mac, Signed};

use super::{MemoryTx, Tables, insert, limited};

impl Users for MemoryTx {
    fn add_user(&mut self, user: &Signed<User>) -> Result<bool, StoreError> {
        self.refuse_retired_secrets([user.mac()])?;
        let tables = self.tables_mut()?;
        let row = user.unverified();
        if tables.has_name_conflict(row) || tables.has_legacy_id(row.legacy_id) {
            return Ok(false);
        }
        insert(&mut tables.users, user.unverified().id, user.clone())?;
        Ok(true)
    }

    fn user(&mut self, id: UserId) -> Result<Option<Signed<User>>, StoreError> {
        Ok(self.tables.users.get(&id).map(|user| (**user).clone()))
    }

    fn user_by_name(&mut self, username: &Username) -> Result<Option<Signed<User>>, StoreError> {
        let found = self
            .tables
            .present_users()
            .find(|user| &user.unverified().username == username);
        Ok(found.cloned())
    }

    fn user_by_legacy_id(&mut self, id: LegacyId) -> Result<Option<Signed<User>>, StoreError> {
        let found = self.tables.users.values();
        let mut found = found.filter(|user| user.unverified().legacy_id == Some(id));
        Ok(found.next().map(|user| (**user).clone()))
    }

    fn users_after(
        &mut self,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<Signed<User>>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let users = self
            .tables
            .users
            .range((from, Bound::Unbounded))
            .map(|(_, user)| &**user)
            .filter(|user| is_present(user.unverified()));
        Ok(limited(users.cloned(), limit))
    }

    fn any_user(&mut self) -> Result<bool, StoreError> {
        Ok(!self.tables.users.is_empty())
    }

    fn replace_user(&mut self, old: &Mac, new: &Signed<User>) -> Result<UserReplaced, StoreError> {
        self.refuse_retired_secrets([new.mac()])?;
        let tables = self.tables_mut()?;
        let row = new.unverified();
        let Some(stored) = tables.users.get(&row.id).filter(|user| user.mac() == old) else {
            return Ok(UserReplaced::Stale);
        };
        let takes_admin_away = stored.unverified().is_active_admin() && !row.is_active_admin();
        if takes_admin_away && !tables.has_admin_besides(row.id) {
            return Ok(UserReplaced::LastAdmin);
        }
        if tables.has_name_conflict(row) {
            return Ok(UserReplaced::NameTaken);
        }
        Arc::make_mut(&mut tables.users).insert(row.id, Arc::new(new.clone()));
        Ok(UserReplaced::Done)
    }
}

impl Tables {
    fn present_users(&self) -> impl Iterator<Item = &Signed<User>> {
        self.users
            .values()
            .map(|user| &**user)
            .filter(|user| is_present(user.unverified()))
    }

    fn has_name_conflict(&self, user: &User) -> bool {
        is_present(user)
            && self
                .present_users()
                .map(Signed::unverified)
                .any(|other| other.id != user.id && other.username == user.username)
    }

    fn has_legacy_id(&self, id: Option<LegacyId>) -> bool {
        id.is_some() && (self.users.values()).any(|user| user.unverified().legacy_id == id)
    }

    fn has_admin_besides(&self, id: UserId) -> bool {
        self.present_users()
            .map(Signed::unverified)
            .any(|user| user.id != id && user.is_active_admin())
    }
}

fn is_present(user: &User) -> bool {
    user.status != UserStatus::Deleted
}
