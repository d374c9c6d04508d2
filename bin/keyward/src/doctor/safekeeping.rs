//! Whether what is lost with this machine can be brought back.

use std::error::Error;

use keyward_core::{Clock as _, Store as _, StoreError, SystemClock, Timestamp};
use keyward_crypto::KeyId;
use keyward_encryption::{Kept, Safekeeping as _, SafekeepingRecord};
use keyward_store_diesel::DieselStore;

use crate::keys;
use crate::settings::{Mode, Settings};

use super::check::{Check, Rule, Severity};

pub(super) fn checks(settings: &Settings, store: &DieselStore) -> Vec<Check> {
    match store.read(|tx| tx.safekeeping()) {
        Ok(noted) => vec![
            recovery_kit(settings.mode, &noted, &configured(settings)),
            backup(settings.mode, &noted, SystemClock.now()),
        ],
        Err(error) => unreadable(&error),
    }
}

pub(super) const RULES: [Rule; 2] = [RECOVERY_KIT, BACKUP];

fn unreadable(error: &StoreError) -> Vec<Check> {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let evidence = format!("{error}: {cause}");
    let fix = "find the reason in the log of the database, and run this again";
    RULES.map(|rule| rule.warn(&evidence, fix)).into()
}

/// The ids of the keys in the settings; what is wrong with those is told by other checks.
fn configured(settings: &Settings) -> Vec<KeyId> {
    let fields = keys::existing_fields(settings).ok().flatten();
    let macs = keys::existing_macs(settings).ok().flatten();
    let mut ids = Vec::new();
    ids.extend(fields.iter().flat_map(|(ring, _)| ring.ids()));
    ids.extend(macs.iter().flat_map(|(ring, _)| ring.ids()));
    ids
}

fn recovery_kit(mode: Mode, noted: &[SafekeepingRecord], configured: &[KeyId]) -> Check {
    let Some(kit) = last(noted, Kept::RecoveryKit) else {
        return RECOVERY_KIT.remind(mode, "no recovery kit was made yet", MAKE_KIT);
    };
    let missing: Vec<_> = configured
        .iter()
        .filter(|kid| !kit.keys.contains(kid))
        .map(KeyId::as_str)
        .collect();
    if missing.is_empty() {
        return RECOVERY_KIT.pass(format_args!("the last one is of {}", kit.at));
    }
    let evidence = format!(
        "the last one, of {}, lacks the configured {}",
        kit.at,
        missing.join(" and ")
    );
    RECOVERY_KIT.remind(mode, &evidence, MAKE_KIT)
}

fn backup(mode: Mode, noted: &[SafekeepingRecord], now: Timestamp) -> Check {
    let Some(backup) = last(noted, Kept::Backup) else {
        return BACKUP.remind(mode, "no backup was made yet", MAKE_BACKUP);
    };
    if backup.at.plus(MAX_AGE_SECONDS) >= now {
        return BACKUP.pass(format_args!("the last one is of {}", backup.at));
    }
    let evidence = format!("the last one is of {}", backup.at);
    BACKUP.remind(mode, &evidence, MAKE_BACKUP)
}

fn last(noted: &[SafekeepingRecord], kept: Kept) -> Option<&SafekeepingRecord> {
    noted.iter().find(|record| record.kept == kept)
}

const MAKE_KIT: &str = "run `keyward backup key`, and keep what it prints offline";
const MAKE_BACKUP: &str = "run `keyward backup create`, and let it run every day";

const MAX_AGE_SECONDS: i64 = 7 * 24 * 60 * 60;

const RECOVERY_KIT: Rule = Rule {
    id: "keys.recovery-kit",
    title: "Every configured key is in a recovery kit",
    severity: Severity::Warning,
    asvs: "v5.0.0-11.1.1",
};

const BACKUP: Rule = Rule {
    id: "backup.age",
    title: "The last backup is not older than seven days",
    severity: Severity::Warning,
    asvs: "v5.0.0-14.1.2",
};

#[cfg(test)]
mod tests {
    use keyward_crypto::FieldKey;

    use super::super::check::Outcome;
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn noted(kept: Kept, at: Timestamp, keys: &[KeyId]) -> SafekeepingRecord {
        SafekeepingRecord {
            kept,
            at,
            keys: keys.to_vec(),
        }
    }

    fn kid() -> KeyId {
        *FieldKey::generate().id()
    }

    #[test]
    fn a_kit_has_to_hold_every_configured_key() {
        let (one, other) = (kid(), kid());
        let outcome = |kits: &[KeyId], configured: &[KeyId]| {
            let noted = [
                noted(Kept::Backup, NOW, &[one, other]),
                noted(Kept::RecoveryKit, NOW, kits),
            ];
            recovery_kit(Mode::Production, &noted, configured)
        };
        assert_eq!(outcome(&[one, other], &[other, one]).outcome, Outcome::Pass);
        assert_eq!(outcome(&[one, other], &[one]).outcome, Outcome::Pass);
        let lacking = outcome(&[one], &[one, other]);
        assert_eq!(lacking.outcome, Outcome::Warn);
        assert!(lacking.evidence.contains(other.as_str()), "{lacking:?}");
        assert!(!lacking.evidence.contains(one.as_str()), "{lacking:?}");
        assert!(lacking.fix.contains("keyward backup key"), "{lacking:?}");
    }

    #[test]
    fn a_backup_of_a_kit_is_none_and_the_other_way_round() {
        let backups = [noted(Kept::Backup, NOW, &[])];
        let kits = [noted(Kept::RecoveryKit, NOW, &[])];
        let kit = |noted: &[_]| recovery_kit(Mode::Production, noted, &[]).outcome;
        let made = |noted: &[_]| backup(Mode::Production, noted, NOW).outcome;
        assert_eq!(
            (kit(&kits), kit(&backups), kit(&[])),
            (Outcome::Pass, Outcome::Warn, Outcome::Warn)
        );
        assert_eq!(
            (made(&backups), made(&kits), made(&[])),
            (Outcome::Pass, Outcome::Warn, Outcome::Warn)
        );
    }

    #[test]
    fn a_backup_is_good_for_seven_days() {
        let made = [noted(Kept::Backup, NOW, &[])];
        let after = |seconds| backup(Mode::Production, &made, NOW.plus(seconds)).outcome;
        assert_eq!(after(0), Outcome::Pass);
        assert_eq!(after(604_800), Outcome::Pass);
        assert_eq!(after(604_801), Outcome::Warn);
        // A clock that was put back.
        assert_eq!(after(-60), Outcome::Pass);
    }

    #[test]
    fn development_is_told_and_not_warned() {
        for check in [
            recovery_kit(Mode::Development, &[], &[kid()]),
            backup(Mode::Development, &[], NOW),
        ] {
            assert_eq!(check.outcome, Outcome::Skip);
            assert!(
                check.evidence.contains("production asks for one"),
                "{check:?}"
            );
        }
    }
}
