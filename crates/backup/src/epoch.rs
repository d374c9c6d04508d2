use std::collections::HashMap;

use keyward_auth::{AuthTx, UserId};
use keyward_core::{StoreError, Timestamp};
use keyward_crypto::{Mac, MacRing, Signed, TotpStep};
use keyward_encryption::{EncryptionKeys, RotationRecord, RotationState};

use crate::{CodeSteps, KeptCode, Manifest};

/// What a restore has ended so that nothing of before can be used again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epoch {
    /// Secrets of authenticator apps and agents whose codes were marked as used up to now.
    pub secrets: u64,
    /// Sessions that were ended.
    pub sessions: u64,
    /// Recovery codes that were voided, because they were used or replaced since, or because nobody
    /// can tell.
    pub recovery_codes: u64,
    /// Who has no recovery codes any more, by user name.
    pub without_recovery_codes: Vec<String>,
    /// Whether re-encryption ran and was paused.
    pub paused_rotation: bool,
}

impl Epoch {
    /// Begins it on content that was just loaded.
    ///
    /// Codes of up to one step after now are used: those of before the backup were accepted then,
    /// and a clock that is a little behind must not give them back.
    pub(crate) fn begin<Tx: AuthTx + CodeSteps + EncryptionKeys>(
        tx: &mut Tx,
        macs: &MacRing,
        manifest: &Manifest,
        kept: Option<&[KeptCode]>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let latest = now.max(manifest.created_at);
        let step = TotpStep::from_number(TotpStep::at(latest.0).number().saturating_add(1));
        let mut epoch = Self {
            secrets: tx.use_up_to(step, now)?,
            paused_rotation: pause_rotation(tx)?,
            ..Self::default()
        };
        let unused = kept.map(by_user).unwrap_or_default();
        // A session that had not ended at the earlier of both could be taken up again.
        let since = now.min(manifest.created_at);
        let mut after = None;
        loop {
            let page = tx.users_after(after, PAGE)?;
            let Some(last) = page.last() else {
                return Ok(epoch);
            };
            after = Some(last.unverified().id);
            for user in &page {
                let user = user.unverified();
                epoch.sessions += end_sessions(tx, user.id, macs, (since, now))?;
                let (voided, left) = void_codes(tx, user.id, unused.get(&user.id))?;
                epoch.recovery_codes += voided;
                if voided > 0 && left == 0 {
                    let name = user.username.as_str().to_owned();
                    epoch.without_recovery_codes.push(name);
                }
            }
        }
    }
}

fn pause_rotation<Tx: EncryptionKeys>(tx: &mut Tx) -> Result<bool, StoreError> {
    let rotation = tx.rotation()?;
    if rotation.state != RotationState::Running {
        return Ok(false);
    }
    tx.set_rotation(&RotationRecord {
        state: RotationState::Paused,
        ..rotation
    })?;
    Ok(true)
}

fn end_sessions<Tx: AuthTx>(
    tx: &mut Tx,
    user: UserId,
    macs: &MacRing,
    (since, now): (Timestamp, Timestamp),
) -> Result<u64, StoreError> {
    let mut ended = 0;
    for session in tx.live_sessions(user, since)? {
        // A row that is not genuine opens nothing; signing it would make it so.
        if !session.is_genuine(macs) {
            continue;
        }
        let mut record = session.unverified().clone();
        record.revoked_at = Some(now);
        tx.replace_api_key(session.mac(), &Signed::sign(record, macs))?;
        ended += 1;
    }
    Ok(ended)
}

fn by_user(codes: &[KeptCode]) -> HashMap<UserId, Vec<&Mac>> {
    let mut by_user: HashMap<_, Vec<_>> = HashMap::new();
    for code in codes {
        by_user.entry(code.user).or_default().push(&code.mac);
    }
    by_user
}

/// Keeps the codes that were still unused in what is replaced. Without that, any of them may have
/// been used since, so none stays. Says how many are voided, and how many are left.
fn void_codes<Tx: AuthTx>(
    tx: &mut Tx,
    user: UserId,
    unused: Option<&Vec<&Mac>>,
) -> Result<(u64, u64), StoreError> {
    let codes = tx.recovery_codes(user)?;
    let is_unused = |mac: &&Mac| unused.is_some_and(|unused| unused.contains(mac));
    let left: Vec<Mac> = codes.iter().filter(is_unused).cloned().collect();
    let voided = codes.len() - left.len();
    if voided > 0 {
        tx.set_recovery_codes(user, &left)?;
    }
    let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
    Ok((count(voided), count(left.len())))
}

const PAGE: i64 = 200;
