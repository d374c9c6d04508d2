use std::collections::BTreeMap;

use keyward_auth::UserId;
use keyward_core::{LegacyId, Timestamp};
use keyward_crypto::{KeyRing, MacRing};
use serde::{Deserialize, Serialize};

use crate::fields::{Field, FieldKind};
use crate::{
    BrokerRules, CredentialId, CredentialType, FieldPath, Legacy, Mask, SecretField,
    StoredCredential, field_context,
};

/// A credential as everybody who may read sees it: with masks in place of secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CredentialView {
    /// Names the credential.
    pub id: CredentialId,
    /// What people call it.
    pub name: String,
    /// `llm`, `git`, `gateway`, `tool` or `generic`.
    pub credential_type: String,
    /// The fields of the type.
    pub detail: BTreeMap<String, FieldView>,
    /// How it may be used through the broker, where more is said than its type says.
    #[serde(default)]
    pub broker: Option<BrokerRules>,
    /// Who made it.
    pub created_by_id: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed. Every change makes it later, by a second at least.
    pub updated_at: Timestamp,
    /// Its number in the system that it was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_id: Option<LegacyId>,
    /// The number of the workspace whose environment it was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_workspace_id: Option<LegacyId>,
}

/// One field of a [`CredentialView`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FieldView {
    /// A field that is no secret.
    Open(Option<String>),
    /// A secret.
    Secret(Mask),
    /// Secrets by name.
    Map(BTreeMap<String, Mask>),
}

/// Makes views. Nothing is decrypted for them: that a value would open is found out by the MAC of
/// its token.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    pub(crate) keys: KeyRing,
    pub(crate) macs: MacRing,
}

impl Viewer {
    pub(crate) fn view(&self, stored: &StoredCredential) -> CredentialView {
        let credential = stored.credential.unverified();
        let masks = self.masks(stored);
        CredentialView {
            id: credential.id,
            name: credential.name.to_string(),
            credential_type: credential.credential_type.as_str().to_owned(),
            detail: detail(credential.credential_type, masks, |name| {
                credential.open_fields.get(name).map(str::to_owned)
            }),
            broker: (credential.broker.as_ref()).map(|kept| kept.rules().clone()),
            created_by_id: credential.created_by,
            created_at: credential.created_at,
            updated_at: credential.updated_at,
            legacy_id: credential.legacy.and_then(Legacy::credential),
            legacy_workspace_id: credential.legacy.and_then(Legacy::workspace),
        }
    }

    /// The mask of every secret that is set. A row that is not genuine makes all unreadable: what
    /// its fields say about where the secrets belong cannot be believed.
    pub(crate) fn masks(&self, stored: &StoredCredential) -> BTreeMap<FieldPath, Mask> {
        let genuine = stored.credential.is_genuine(&self.macs);
        let mask = |field: &SecretField| Mask {
            set: true,
            last4: field.last4.clone(),
            unreadable: !genuine || !self.would_open(stored, field),
        };
        stored
            .secrets
            .iter()
            .map(|field| (field.path.clone(), mask(field)))
            .collect()
    }

    fn would_open(&self, stored: &StoredCredential, field: &SecretField) -> bool {
        let credential = stored.credential.unverified();
        let context = field_context(credential.id, &field.path, credential.created_by);
        let checked = self.keys.check(&field.sealed, &context);
        if let Err(error) = &checked {
            tracing::error!(
                credential = %credential.id,
                field = %field.path,
                %error,
                "a stored secret cannot be opened"
            );
        }
        checked.is_ok()
    }
}

fn detail(
    kind: CredentialType,
    masks: BTreeMap<FieldPath, Mask>,
    open: impl Fn(&str) -> Option<String>,
) -> BTreeMap<String, FieldView> {
    if kind == CredentialType::Generic {
        return masks
            .into_iter()
            .map(|(path, mask)| (path.to_string(), FieldView::Secret(mask)))
            .collect();
    }
    let unset = |field: &Field| match field.kind {
        FieldKind::Open(_) => FieldView::Open(open(field.name)),
        FieldKind::Secret(_) => FieldView::Secret(Mask::UNSET),
        FieldKind::SecretMap(_) => FieldView::Map(BTreeMap::new()),
    };
    let fields = kind.fields().iter();
    let mut detail: BTreeMap<_, _> = fields
        .map(|field| (field.name.to_owned(), unset(field)))
        .collect();
    for (path, mask) in masks {
        let (field, member) = path.split();
        // Fields that the type does not have are not shown.
        match (detail.get_mut(field), member) {
            (Some(FieldView::Secret(shown)), None) => *shown = mask,
            (Some(FieldView::Map(members)), Some(member)) => {
                members.insert(member.to_owned(), mask);
            }
            _ => {}
        }
    }
    detail
}
