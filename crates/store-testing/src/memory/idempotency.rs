use std::sync::Arc;

use keyward_auth::{Answer, IdempotencyKey, IdempotencyKeys, StoredAnswer, UserId};
use keyward_core::{StoreError, Timestamp};

use super::{MemoryTx, insert, refused};

impl IdempotencyKeys for MemoryTx {
    fn claim_answer(&mut self, claim: &StoredAnswer) -> Result<bool, StoreError> {
        self.require_user(claim.user)?;
        let answers = &mut self.tables_mut()?.answers;
        let place = place(claim.user, &claim.key);
        if answers.contains_key(&place) {
            return Ok(false);
        }
        insert(answers, place, claim.clone())?;
        Ok(true)
    }

    fn keep_answer(
        &mut self,
        user: UserId,
        key: &IdempotencyKey,
        answer: &Answer,
    ) -> Result<(), StoreError> {
        let answers = Arc::make_mut(&mut self.tables_mut()?.answers);
        let stored = answers
            .get_mut(&place(user, key))
            .ok_or_else(|| refused("an answer was kept without a claim"))?;
        Arc::make_mut(stored).answer = answer.clone();
        Ok(())
    }

    fn stored_answer(
        &mut self,
        user: UserId,
        key: &IdempotencyKey,
    ) -> Result<Option<StoredAnswer>, StoreError> {
        let stored = self.tables.answers.get(&place(user, key));
        Ok(stored.map(|stored| (**stored).clone()))
    }

    fn forget_answers(&mut self, before: Timestamp) -> Result<(), StoreError> {
        let answers = &mut self.tables_mut()?.answers;
        if answers.values().any(|stored| stored.created_at < before) {
            Arc::make_mut(answers).retain(|_, stored| stored.created_at >= before);
        }
        Ok(())
    }
}

fn place(user: UserId, key: &IdempotencyKey) -> (UserId, String) {
    (user, key.as_str().to_owned())
}
