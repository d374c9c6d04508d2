use keyward_core::{LegacyId, Store, StoreError};
use keyward_credentials::{
    CredentialType, Credentials as _, Detail, Legacy, NewCredential, Provenance,
};
use keyward_crypto::SecretText;
use serde_json::Value;

use crate::details::text;
use crate::pass::{Outcome, Pass, Stop};
use crate::report::WORKSPACES;
use crate::{ImportTx, Reason, Repair, Warning, WorkspaceRow, names};

impl<S: Store<Tx: ImportTx>> Pass<'_, S> {
    /// The variables of a workspace that have a value of their own, as one generic credential.
    /// Workspaces without any have nothing to import.
    pub(crate) fn workspaces(&mut self, tx: &mut S::Tx) -> Result<(), StoreError> {
        let rows = self.rows;
        for row in &rows.workspaces {
            let variables = match raw_variables(row.env_vars.as_ref()) {
                Ok(variables) if variables.is_empty() => continue,
                read => read,
            };
            let outcome = self.workspace(tx, row, variables);
            self.judge(WORKSPACES, row.id, outcome)?;
        }
        Ok(())
    }

    fn workspace(
        &mut self,
        tx: &mut S::Tx,
        row: &WorkspaceRow,
        variables: Result<Vec<(String, SecretText)>, Reason>,
    ) -> Result<Outcome, Stop> {
        let legacy = Legacy::Workspace(LegacyId(row.id));
        let before = tx.credential_by_legacy(legacy)?;
        let owner = match row.user_id {
            Some(id) => self.owner(Some(id))?,
            None => self.administrator(tx)?,
        };
        if let Some(before) = before {
            let is_same = before.credential.unverified().created_by == owner.user.id;
            return if is_same {
                Ok(Outcome::AlreadyThere)
            } else {
                Err(Reason::AnotherSource.into())
            };
        }
        let mut detail = Detail::default();
        for (name, value) in variables? {
            detail.set(&name, value);
        }
        let mut repairs = vec![Repair::Sealed("env_vars")];
        let otherwise = format!("workspace {}", row.id);
        let new = NewCredential {
            name: names::credential(row.name.as_deref(), &otherwise, &mut repairs),
            credential_type: CredentialType::Generic,
            detail,
            broker: None,
        };
        let from = Provenance {
            created_by: owner.user.id,
            created_at: self.now,
            updated_at: self.now,
            legacy: Some(legacy),
        };
        self.keep(tx, new, from, row.id)?;
        if row.user_id.is_none() {
            self.report.warn(WORKSPACES, row.id, &Warning::AssumedOwner);
        }
        Ok(Outcome::Imported(repairs))
    }
}

/// Names and values of the variables that are not taken from a credential. Of two with one name the
/// last one counts, as in an environment.
fn raw_variables(json: Option<&SecretText>) -> Result<Vec<(String, SecretText)>, Reason> {
    let json = json.map(SecretText::expose).unwrap_or_default();
    if json.trim().is_empty() {
        return Ok(Vec::new());
    }
    let parsed = serde_json::from_str(json).map_err(|_| Reason::Json(ENV_VARS))?;
    let variables = match parsed {
        Value::Null => return Ok(Vec::new()),
        Value::Array(variables) => variables,
        _ => return Err(Reason::Json(ENV_VARS)),
    };
    let raw = variables
        .into_iter()
        .filter_map(|variable| raw(variable).transpose());
    raw.collect()
}

fn raw(variable: Value) -> Result<Option<(String, SecretText)>, Reason> {
    let Value::Object(mut variable) = variable else {
        return Err(Reason::Json(ENV_VARS));
    };
    if variable.get("source").and_then(Value::as_str) == Some("credential") {
        return Ok(None);
    }
    let Some(Value::String(name)) = variable.remove("key") else {
        return Err(Reason::Json(ENV_VARS));
    };
    Ok(variable
        .remove("value")
        .and_then(text)
        .map(|value| (name, value)))
}

const ENV_VARS: &str = "env_vars";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<(String, String)>, Reason> {
        let variables = raw_variables(Some(&json.into()))?;
        let shown = variables.into_iter();
        Ok(shown
            .map(|(name, value)| (name, value.expose().to_owned()))
            .collect())
    }

    #[test]
    fn only_values_of_their_own_are_read() {
        let json = r#"[
            {"key": "TOKEN", "value": "sk-1", "source": "raw"},
            {"key": "OLD", "value": 5},
            {"key": "EMPTY", "value": "", "source": "raw"},
            {"key": "NONE", "source": "raw"},
            {"key": "LINKED", "credential_id": 3, "credential_field": "api_key",
             "source": "credential"}
        ]"#;
        let expected = [("TOKEN", "sk-1"), ("OLD", "5")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read(json), Ok(expected.to_vec()));
        for nothing in ["", "null", "[]"] {
            assert_eq!(read(nothing), Ok(vec![]), "{nothing}");
        }
        for broken in ["{", "{}", "[1]", r#"[{"value": "x"}]"#] {
            assert_eq!(read(broken), Err(Reason::Json("env_vars")), "{broken}");
        }
    }
}
