use keyward_agents::Agents;
use keyward_auth::{AuthTx, User, UserId, UserReplaced, UserStatus};
use keyward_core::StoreError;
use keyward_crypto::{ApiKeyId, MacRing, Signed};

use crate::{FrozenAgent, Occupant, StandingKey, StandingUser};

/// What had happened between the backup and its restore, as far as the replaced content tells.
///
/// What had been ended is ended again. What had been made is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Keys that were made since. They are gone.
    pub keys_gone: Vec<LostKey>,
    /// Keys that were revoked since, or given an earlier end by a rotation. They end again as they
    /// did then.
    pub keys_ended: Vec<LostKey>,
    /// Users that were made since. They are gone.
    pub users_gone: Vec<LostUser>,
    /// Users that were disabled or frozen since. They are disabled again.
    pub users_disabled: Vec<LostUser>,
    /// Users that were deleted or revoked since. They are deleted again.
    pub users_deleted: Vec<LostUser>,
    /// Users that were disabled or deleted since, and are active because nobody could administer
    /// the server otherwise, or because the row in the backup is not genuine and opens nothing.
    pub users_kept: Vec<LostUser>,
}

/// An API key that works no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostKey {
    /// Its public part.
    pub id: ApiKeyId,
    /// What its owner called it.
    pub name: String,
    /// Whose it was.
    pub user: UserId,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostUser {
    /// The id.
    pub id: UserId,
    /// The user name.
    pub username: String,
}

impl Comparison {
    /// Compares what was loaded with what it replaces, and ends again what was ended there.
    pub(crate) fn carry_over<Tx: AuthTx + Agents>(
        tx: &mut Tx,
        replaced: &Occupant,
        macs: &MacRing,
    ) -> Result<Self, StoreError> {
        let mut comparison = Self::default();
        for key in &replaced.keys {
            comparison.key(tx, key, macs)?;
        }
        for user in &replaced.users {
            comparison.user(tx, user, macs)?;
        }
        for agent in &replaced.frozen {
            freeze(tx, *agent, macs)?;
        }
        Ok(comparison)
    }

    fn key<Tx: AuthTx>(
        &mut self,
        tx: &mut Tx,
        standing: &StandingKey,
        macs: &MacRing,
    ) -> Result<(), StoreError> {
        let lost = || LostKey {
            id: standing.id,
            name: standing.name.clone(),
            user: standing.user,
        };
        let Some(loaded) = tx.key_with_owner(standing.id)?.map(|found| found.key) else {
            if standing.revoked_at.is_none() {
                self.keys_gone.push(lost());
            }
            return Ok(());
        };
        let mut record = loaded.unverified().clone();
        record.revoked_at = record.revoked_at.or(standing.revoked_at);
        let ends = [record.expires_at, standing.expires_at];
        record.expires_at = ends.into_iter().flatten().min();
        if record != *loaded.unverified() && loaded.is_genuine(macs) {
            tx.replace_api_key(loaded.mac(), &Signed::sign(record, macs))?;
            self.keys_ended.push(lost());
        }
        Ok(())
    }

    fn user<Tx: AuthTx>(
        &mut self,
        tx: &mut Tx,
        standing: &StandingUser,
        macs: &MacRing,
    ) -> Result<(), StoreError> {
        let lost = LostUser {
            id: standing.id,
            username: standing.username.clone(),
        };
        let Some(loaded) = tx.user(standing.id)? else {
            if standing.status != UserStatus::Deleted {
                self.users_gone.push(lost);
            }
            return Ok(());
        };
        if strictness(standing.status) <= strictness(loaded.unverified().status) {
            return Ok(());
        }
        let is_ended = end_user(tx, &loaded, standing.status, macs)?;
        match (is_ended, standing.status) {
            (false, _) => self.users_kept.push(lost),
            (true, UserStatus::Deleted) => self.users_deleted.push(lost),
            (true, _) => self.users_disabled.push(lost),
        }
        Ok(())
    }
}

fn end_user<Tx: AuthTx>(
    tx: &mut Tx,
    loaded: &Signed<User>,
    status: UserStatus,
    macs: &MacRing,
) -> Result<bool, StoreError> {
    if !loaded.is_genuine(macs) {
        return Ok(false);
    }
    let mut user = loaded.unverified().clone();
    user.status = status;
    user.version = user.version.saturating_add(1);
    let replaced = tx.replace_user(loaded.mac(), &Signed::sign(user, macs))?;
    Ok(replaced == UserReplaced::Done)
}

/// Its user was disabled with it, so this only lets it be unfrozen again.
fn freeze<Tx: Agents>(tx: &mut Tx, frozen: FrozenAgent, macs: &MacRing) -> Result<(), StoreError> {
    let Some(agent) = tx.agent(frozen.id)? else {
        return Ok(());
    };
    let loaded = &agent.record;
    if loaded.unverified().frozen_at.is_some() || !loaded.is_genuine(macs) {
        return Ok(());
    }
    let mut record = loaded.unverified().clone();
    record.frozen_at = Some(frozen.frozen_at);
    tx.replace_agent(loaded.mac(), &Signed::sign(record, macs))?;
    Ok(())
}

fn strictness(status: UserStatus) -> u8 {
    match status {
        UserStatus::Active => 0,
        UserStatus::Disabled => 1,
        UserStatus::Deleted => 2,
    }
}
