use std::collections::BTreeMap;

use keyward_auth::UserId;
use keyward_core::{Id, Timestamp};
use keyward_crypto::{KeyRing, MacRing, SecretText, Signed};

use crate::change::{Change, Write};
use crate::fields::Shape;
use crate::manage::refuse_masks;
use crate::mask::last4;
use crate::rules::problems;
use crate::{
    BrokerRules, Credential, CredentialType, FieldPath, FieldProblem, KeptRules, Legacy,
    NewCredential, OpenFields, SecretField, StoredCredential, field_context,
};

/// Where a new credential comes from.
#[derive(Clone, Copy, Debug)]
pub struct Provenance {
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Which row of another system it was imported from.
    pub legacy: Option<Legacy>,
}

/// Checks a new credential against the fields of its type, seals its secrets at the time `now` and
/// signs its row. Nothing is stored yet.
pub fn seal_credential(
    new: NewCredential,
    from: Provenance,
    keys: &KeyRing,
    macs: &MacRing,
    now: Timestamp,
) -> Result<StoredCredential, Vec<FieldProblem>> {
    let mut change = Change::parse(new.credential_type, new.detail)?;
    let open_fields = change.open_after(new.credential_type, &OpenFields::default())?;
    refuse_masks(&change, &BTreeMap::new())?;
    change.refuse_too_many(new.credential_type, &BTreeMap::new(), &[])?;
    let broker = kept_rules(new.broker, new.credential_type)?;
    let credential = Credential {
        id: Id::generate(),
        name: new.name,
        credential_type: new.credential_type,
        created_by: from.created_by,
        open_fields,
        created_at: from.created_at,
        updated_at: from.updated_at,
        legacy: from.legacy,
        broker,
        version: 1,
    };
    let secrets = seal_secrets(&credential, &mut change, keys, now);
    Ok(StoredCredential {
        credential: Signed::sign(credential, macs),
        secrets,
    })
}

/// Rules of the broker as they are kept, if nothing is wrong with them.
pub(crate) fn kept_rules(
    rules: Option<BrokerRules>,
    kind: CredentialType,
) -> Result<Option<KeptRules>, Vec<FieldProblem>> {
    let problems = rules.as_ref().map(|rules| problems(rules, kind));
    match problems {
        Some(problems) if !problems.is_empty() => Err(problems),
        _ => Ok(rules.map(KeptRules::new)),
    }
}

/// Seals what the change sets, bound to its place in `credential`.
pub(crate) fn seal_secrets(
    credential: &Credential,
    change: &mut Change,
    keys: &KeyRing,
    now: Timestamp,
) -> Vec<SecretField> {
    let seal = |path: FieldPath, value: &SecretText, shape: Shape| {
        let context = field_context(credential.id, &path, credential.created_by);
        SecretField {
            sealed: keys.seal(value.expose(), &context, now.unix()),
            last4: last4(value.expose()).filter(|_| shape.shows_last4()),
            path,
        }
    };
    std::mem::take(&mut change.secrets)
        .into_iter()
        .filter_map(|(path, write)| match write {
            Write::Set(value, shape) => Some(seal(path, &value, shape)),
            Write::Keep(_) | Write::Clear => None,
        })
        .collect()
}
