use keyward_core::{StoreError, Timestamp};

use crate::measure;
use crate::{AttemptLimits, AttemptPolicy, LimitSubject, Reserved};

/// An attempt that nobody looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// In how many seconds the next one may be made; `None` when somebody has to lift the end.
    pub(crate) wait: Option<i64>,
}

/// Counts an attempt before anybody looks at it.
pub(crate) fn reserve_or_wait(
    tx: &mut impl AttemptLimits,
    subject: &LimitSubject,
    now: Timestamp,
    policy: &AttemptPolicy,
) -> Result<Result<Reserved, Refusal>, StoreError> {
    let reserved = tx.reserve_attempt(subject, now, policy)?;
    measure::attempted(reserved.is_some());
    if let Some(reserved) = reserved {
        return Ok(Ok(reserved));
    }
    let state = tx.attempts(subject)?.unwrap_or_default();
    let wait = state.retry_after(now, policy);
    Ok(Err(Refusal { wait }))
}

/// The refusal that [`reserve_or_wait`] would come to now, if it would. Changes nothing, so that a flood
/// of attempts that are refused anyway waits for no lock.
///
/// Nothing but a refusal may be concluded from it: whether an attempt is evaluated is decided where
/// it is counted.
pub(crate) fn certain_refusal(
    tx: &mut impl AttemptLimits,
    subject: &LimitSubject,
    now: Timestamp,
    policy: &AttemptPolicy,
) -> Result<Option<Refusal>, StoreError> {
    let state = tx.attempts(subject)?.unwrap_or_default();
    if state.reserve(now, policy).is_some() {
        return Ok(None);
    }
    let wait = state.retry_after(now, policy);
    Ok(Some(Refusal { wait }))
}
