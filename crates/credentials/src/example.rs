//! A credential to test with.

use keyward_core::{Id, Timestamp};

use crate::{BrokerRules, Credential, CredentialName, CredentialType, KeptRules, OpenFields};

/// One with these open fields and rules.
pub(crate) fn credential(
    kind: CredentialType,
    open: &[(&str, &str)],
    rules: BrokerRules,
) -> Credential {
    let mut open_fields = OpenFields::default();
    for (name, value) in open {
        open_fields.set(name, Some((*value).to_owned()));
    }
    Credential {
        id: Id::generate(),
        name: CredentialName::parse("any").unwrap(),
        credential_type: kind,
        created_by: Id::generate(),
        open_fields,
        created_at: Timestamp(1),
        updated_at: Timestamp(1),
        legacy: None,
        broker: Some(KeptRules::new(rules)),
        version: 1,
    }
}
