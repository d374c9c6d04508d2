//! What the commands print.

use std::fmt::Write as _;
use std::path::Path;

use keyward_backup::{
    Comparison, Created, LostKey, LostUser, Manifest, Recipients, Restored, Verified,
};
use keyward_crypto::KeyId;
use keyward_store_diesel::DatabaseUrl;
use serde_json::{Value, json};

use crate::cli::Output;
use crate::exit::Failure;
use crate::terminal;

pub(super) fn created(
    file: &Path,
    bytes: u64,
    created: &Created,
    recipients: &Recipients,
    output: Output,
) -> Result<(), Failure> {
    let manifest = &created.manifest;
    terminal::print(&match output {
        Output::Json => {
            let report = json!({
                "file": file,
                "bytes": bytes,
                "recipients": recipients.names(),
                "left_out": created.strangers,
                "manifest": manifest,
            });
            report.to_string() + "\n"
        }
        Output::Text => format!(
            "wrote {}: {} rows, {bytes} bytes\n{}",
            file.display(),
            manifest.total_rows(),
            needs(manifest)
        ),
    })
}

pub(super) fn verified(file: &Path, verified: &Verified, output: Output) -> Result<(), Failure> {
    let manifest = verified.manifest();
    let findings: Vec<_> = verified
        .findings()
        .iter()
        .map(ToString::to_string)
        .collect();
    terminal::print(&match output {
        Output::Json => {
            let report = json!({
                "file": file,
                "intact": findings.is_empty(),
                "findings": findings,
                "audit_events": verified.audit_events(),
                "sealed_values": verified.sealed_values(),
                "manifest": manifest,
            });
            report.to_string() + "\n"
        }
        Output::Text => {
            let verdict = if findings.is_empty() {
                "can be restored".to_owned()
            } else {
                format!("does NOT verify:\n  {}", findings.join("\n  "))
            };
            format!(
                "{} of {}, from {}, {} rows, {} audit events, {verdict}\n{}",
                file.display(),
                manifest.created_at,
                manifest.database,
                manifest.total_rows(),
                verified.audit_events(),
                needs(manifest)
            )
        }
    })
}

pub(super) fn restored(
    database: &DatabaseUrl,
    restored: &Restored,
    output: Output,
) -> Result<(), Failure> {
    terminal::print(&match output {
        Output::Json => as_json(database, restored).to_string() + "\n",
        Output::Text => as_text(database, restored),
    })
}

/// The keys are not in it, so people should know which to keep.
fn needs(manifest: &Manifest) -> String {
    let fields: Vec<_> = manifest
        .field_keys
        .iter()
        .map(|key| format!("{} ({})", key.kid, key.state))
        .collect();
    let anchor = manifest.audit_anchor.as_deref().unwrap_or("none");
    format!(
        "  FIELD_ENCRYPTION_KEY  {}\n  SECRET_KEY            {}\n  audit anchor          {anchor}\n",
        fields.join(", "),
        manifest.secret_keys.join(", ")
    )
}

fn as_json(database: &DatabaseUrl, restored: &Restored) -> Value {
    let epoch = &restored.epoch;
    let since = restored.since.as_ref().map(|since| {
        json!({
            "keys_gone": keys_json(&since.keys_gone),
            "keys_ended": keys_json(&since.keys_ended),
            "users_gone": users_json(&since.users_gone),
            "users_disabled": users_json(&since.users_disabled),
            "users_deleted": users_json(&since.users_deleted),
            "users_kept": users_json(&since.users_kept),
        })
    });
    json!({
        "manifest": restored.manifest,
        "into": database.label(),
        "sessions_ended": epoch.sessions,
        "second_factors": epoch.secrets,
        "recovery_codes_voided": epoch.recovery_codes,
        "without_recovery_codes": epoch.without_recovery_codes,
        "rotation_paused": epoch.paused_rotation,
        "keys_needed_again": ids(&restored.keys_needed_again),
        "since": since,
    })
}

fn ids(keys: &[KeyId]) -> Vec<&str> {
    keys.iter().map(KeyId::as_str).collect()
}

fn keys_json(keys: &[LostKey]) -> Value {
    let keys = keys.iter();
    keys.map(|key| json!({ "id": key.id.as_str(), "name": key.name, "user_id": key.user }))
        .collect()
}

fn users_json(users: &[LostUser]) -> Value {
    let users = users.iter();
    users
        .map(|user| json!({ "id": user.id, "username": user.username }))
        .collect()
}

fn as_text(database: &DatabaseUrl, restored: &Restored) -> String {
    let (manifest, epoch) = (&restored.manifest, &restored.epoch);
    let mut text = format!(
        "restored the backup of {} into {}: {} rows\n  {} sessions ended; codes of {} \
         authenticator apps and agents from before are used up; {} recovery codes voided\n",
        manifest.created_at,
        database.label(),
        manifest.total_rows(),
        epoch.sessions,
        epoch.secrets,
        epoch.recovery_codes
    );
    if !epoch.without_recovery_codes.is_empty() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  without recovery codes now, until they make new ones: {}",
            epoch.without_recovery_codes.join(", ")
        );
    }
    if epoch.paused_rotation {
        text += "  re-encryption ran and is paused; `keyward keys rotate` goes on with it\n";
    }
    if !restored.keys_needed_again.is_empty() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  these keys were retired since, and are needed again: {}. Run `keyward keys rotate` and \
             retire them once more",
            ids(&restored.keys_needed_again).join(", ")
        );
    }
    match &restored.since {
        Some(since) => text + &compared(since),
        None => {
            text + "  There was nothing to compare with: keys that were revoked, people who were \
                    disabled and passwords that were changed since the backup are as they were \
                    then. Revoke and disable them again\n"
        }
    }
}

fn compared(since: &Comparison) -> String {
    let keys = |keys: &[LostKey]| -> Vec<String> {
        let keys = keys.iter();
        keys.map(|key| format!("{} ({})", key.id.as_str(), key.name))
            .collect()
    };
    let users = |users: &[LostUser]| -> Vec<String> {
        users.iter().map(|user| user.username.clone()).collect()
    };
    let lists = [
        (
            "API keys made since, which are gone",
            keys(&since.keys_gone),
        ),
        (
            "API keys revoked or rotated since, ended again",
            keys(&since.keys_ended),
        ),
        ("users made since, who are gone", users(&since.users_gone)),
        (
            "users disabled since, disabled again",
            users(&since.users_disabled),
        ),
        (
            "users deleted since, deleted again",
            users(&since.users_deleted),
        ),
        (
            "users disabled or deleted since, but ACTIVE now, so that somebody can administer",
            users(&since.users_kept),
        ),
    ];
    lists
        .into_iter()
        .map(|(what, names)| match names.len() {
            0 => format!("  {what}: none\n"),
            _ => format!("  {what}: {}\n", names.join(", ")),
        })
        .collect()
}
