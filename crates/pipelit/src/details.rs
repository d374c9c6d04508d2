use std::collections::BTreeMap;

use keyward_credentials::{CredentialType, Detail};
use keyward_crypto::{PlainFernet, SecretText};
use serde_json::Value;

use crate::opened::open;
use crate::{GatewayRow, GitRow, LlmRow, Reason, Repair, SourceRows, TelegramRow, ToolRow};

/// The row with the fields of a credential.
#[derive(Clone, Copy)]
pub(crate) enum DetailRow<'a> {
    Llm(&'a LlmRow),
    Git(&'a GitRow),
    Gateway(&'a GatewayRow),
    Tool(&'a ToolRow),
    Telegram(&'a TelegramRow),
}

/// The rows of all five tables by the credential that they belong to.
pub(crate) fn by_credential(rows: &SourceRows) -> BTreeMap<i64, DetailRow<'_>> {
    let llm = rows
        .llm
        .iter()
        .map(|row| (row.credential, DetailRow::Llm(row)));
    let git = rows
        .git
        .iter()
        .map(|row| (row.credential, DetailRow::Git(row)));
    let gateway = rows.gateway.iter();
    let gateway = gateway.map(|row| (row.credential, DetailRow::Gateway(row)));
    let tool = rows
        .tool
        .iter()
        .map(|row| (row.credential, DetailRow::Tool(row)));
    let telegram = rows.telegram.iter();
    let telegram = telegram.map(|row| (row.credential, DetailRow::Telegram(row)));
    llm.chain(git)
        .chain(gateway)
        .chain(tool)
        .chain(telegram)
        .collect()
}

/// The fields of a credential as somebody would type them into Keyward.
pub(crate) struct Fields<'a> {
    fernet: &'a PlainFernet,
    pub(crate) detail: Detail,
    pub(crate) repairs: Vec<Repair>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(fernet: &'a PlainFernet) -> Self {
        Self {
            fernet,
            detail: Detail::default(),
            repairs: Vec::new(),
        }
    }

    pub(crate) fn read(&mut self, row: DetailRow<'_>) -> Result<CredentialType, Reason> {
        match row {
            DetailRow::Llm(row) => self.llm(row),
            DetailRow::Git(row) => self.git(row),
            DetailRow::Gateway(row) => {
                self.plain("adapter", row.adapter.as_deref());
                let id = row.gateway_credential_id.as_ref();
                self.member("config", "gateway_credential_id", id);
                Ok(CredentialType::Gateway)
            }
            DetailRow::Tool(row) => {
                self.plain("tool_type", row.tool_type.as_deref());
                self.object("config", row.config.as_ref())?;
                Ok(CredentialType::Tool)
            }
            DetailRow::Telegram(row) => {
                self.plain("adapter", Some("telegram"));
                self.header("token", "bot_token", row.bot_token.as_ref())?;
                let allowed = row.allowed_user_ids.as_ref();
                self.member("config", "allowed_user_ids", allowed);
                Ok(CredentialType::Gateway)
            }
        }
    }

    fn llm(&mut self, row: &LlmRow) -> Result<CredentialType, Reason> {
        self.plain("provider", row.provider.as_deref());
        self.header("api_key", "api_key", row.api_key.as_ref())?;
        self.plain("base_url", row.base_url.as_deref());
        self.plain("organization_id", row.organization_id.as_deref());
        self.object("custom_headers", row.custom_headers.as_ref())?;
        Ok(CredentialType::Llm)
    }

    fn git(&mut self, row: &GitRow) -> Result<CredentialType, Reason> {
        self.plain("provider", row.provider.as_deref());
        self.plain("auth", Some(auth(row)));
        self.plain("username", row.username.as_deref());
        self.header("access_token", "access_token", row.access_token.as_ref())?;
        if let Some(opened) = open(self.fernet, "ssh_private_key", row.ssh_private_key.as_ref())? {
            self.repairs.extend(opened.repair);
            self.detail.set("ssh_private_key", opened.text);
        }
        if let Some(secret) = present(row.webhook_secret.as_ref()) {
            self.repairs.push(Repair::Sealed("webhook_secret"));
            self.detail.set("webhook_secret", secret.expose().into());
        }
        Ok(CredentialType::Git)
    }

    /// A field that is no secret. Pipelit stores an empty text where there is none.
    fn plain(&mut self, field: &str, value: Option<&str>) {
        if let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) {
            self.detail.set(field, value.into());
        }
    }

    /// An encrypted secret that goes into a header of HTTP, where white space around it has no place.
    fn header(
        &mut self,
        field: &str,
        column: &'static str,
        value: Option<&SecretText>,
    ) -> Result<(), Reason> {
        let Some(opened) = open(self.fernet, column, value)? else {
            return Ok(());
        };
        self.repairs.extend(opened.repair);
        let trimmed = opened.text.expose().trim();
        if trimmed.len() != opened.text.len() {
            self.repairs.push(Repair::Trimmed(column));
        }
        self.detail.set(field, trimmed.into());
        Ok(())
    }

    fn member(&mut self, field: &'static str, name: &str, value: Option<&SecretText>) {
        if let Some(value) = present(value) {
            self.detail.set_member(field, name, value.expose().into());
        }
    }

    /// A JSON object in the clear, of which every member becomes a secret.
    fn object(&mut self, field: &'static str, json: Option<&SecretText>) -> Result<(), Reason> {
        let Some(json) = present(json) else {
            return Ok(());
        };
        let parsed = serde_json::from_str(json.expose());
        let members = match parsed.map_err(|_| Reason::Json(field))? {
            Value::Null => return Ok(()),
            Value::Object(members) => members,
            _ => return Err(Reason::Json(field)),
        };
        let mut sealed = false;
        for (name, value) in members {
            if let Some(text) = text(value) {
                self.detail.set_member(field, &name, text);
                sealed = true;
            }
        }
        if sealed {
            self.repairs.push(Repair::Sealed(field));
        }
        Ok(())
    }
}

/// A value of a JSON object as a secret; `None` where there is nothing to keep.
pub(crate) fn text(value: Value) -> Option<SecretText> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text,
        other => other.to_string(),
    };
    (!text.is_empty()).then(|| SecretText::new(text))
}

fn present(value: Option<&SecretText>) -> Option<&SecretText> {
    value.filter(|value| !value.expose().trim().is_empty())
}

/// How a git credential authenticates. What is there decides, because the column has other words in
/// other versions.
fn auth(row: &GitRow) -> &'static str {
    let has_key = present(row.ssh_private_key.as_ref()).is_some();
    let has_token = present(row.access_token.as_ref()).is_some();
    let says_ssh = row.auth.as_deref().is_some_and(|auth| auth.contains("ssh"));
    let is_ssh = if has_key && has_token {
        says_ssh
    } else {
        has_key || (says_ssh && !has_token)
    };
    if is_ssh { "ssh_key" } else { "token" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_git_credential_authenticates_by_what_it_has() {
        let git = |auth: &str, key: bool, token: bool| GitRow {
            auth: Some(auth.to_owned()),
            ssh_private_key: key.then(|| "key".into()),
            access_token: token.then(|| "token".into()),
            ..GitRow::default()
        };
        for (row, expected) in [
            (git("token", false, true), "token"),
            (git("ssh_key", true, false), "ssh_key"),
            (git("", true, false), "ssh_key"),
            (git("", false, true), "token"),
            (git("ssh", true, true), "ssh_key"),
            (git("token", true, true), "token"),
            (git("ssh", false, false), "ssh_key"),
            (git("", false, false), "token"),
        ] {
            assert_eq!(auth(&row), expected, "{row:?}");
        }
    }

    #[test]
    fn every_kind_of_json_value_becomes_a_text() {
        let shown = |json: &str| {
            let text = text(serde_json::from_str(json).unwrap());
            text.map(|text| text.expose().to_owned())
        };
        assert_eq!(shown("\"a\"").as_deref(), Some("a"));
        assert_eq!(shown("5").as_deref(), Some("5"));
        assert_eq!(shown("true").as_deref(), Some("true"));
        assert_eq!(shown("[1, {\"a\": 2}]").as_deref(), Some("[1,{\"a\":2}]"));
        assert_eq!(shown("null"), None);
        assert_eq!(shown("\"\""), None);
    }
}
