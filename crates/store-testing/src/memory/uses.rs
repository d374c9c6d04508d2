use std::sync::Arc;

use keyward_auth::UserId;
use keyward_core::{StoreError, Timestamp};
use keyward_credentials::{CredentialId, UseCounts};

use super::{MemoryTx, refused};

/// Uses in one minute.
#[derive(Clone, Copy)]
pub(crate) struct Uses {
    minute: Timestamp,
    uses: u32,
}

impl UseCounts for MemoryTx {
    fn count_use(
        &mut self,
        credential: CredentialId,
        user: UserId,
        minute: Timestamp,
        limit: u32,
    ) -> Result<bool, StoreError> {
        self.require_user(user)?;
        if !self.tables.credentials.contains_key(&credential) {
            return Err(refused("a use of a credential that does not exist"));
        }
        let tables = self.tables_mut()?;
        let known = tables.uses.get(&(credential, user)).map(|uses| **uses);
        let begins_anew = |uses: &Uses| minute > uses.minute || minute.plus(120) < uses.minute;
        let next = match known.filter(|uses| !begins_anew(uses)) {
            None => Uses { minute, uses: 1 },
            Some(earlier) => Uses {
                uses: earlier.uses.saturating_add(1),
                ..earlier
            },
        };
        let is_allowed = next.uses <= limit;
        if is_allowed {
            Arc::make_mut(&mut tables.uses).insert((credential, user), Arc::new(next));
        }
        Ok(is_allowed)
    }
}
