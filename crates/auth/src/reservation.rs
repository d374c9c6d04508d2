use keyward_core::{StoreError, Timestamp};

use crate::measure;
use crate::{AttemptLimits, AttemptPolicy, LimitSubject, Reserved};

/// Counts an attempt before anybody looks at it. An error inside says in how many seconds the next
/// one may be made; `None` when somebody has to lift the end.
pub(crate) fn reserve_or_wait(
    tx: &mut impl AttemptLimits,
    subject: &LimitSubject,
    now: Timestamp,
    policy: &AttemptPolicy,
) -> Result<Result<Reserved, Option<i64>>, StoreError> {
    let reserved = tx.reserve_attempt(subject, now, policy)?;
    measure::attempted(reserved.is_some());
    if let Some(reserved) = reserved {
        return Ok(Ok(reserved));
    }
    let state = tx.attempts(subject)?.unwrap_or_default();
    Ok(Err(state.retry_after(now, policy)))
}
