//! From what was given to what is meant.

use config::ValueKind;

use super::error::SettingsError;
use super::layers::Given;

impl Given {
    /// A text, without white space around it.
    pub(super) fn text(self) -> Result<String, SettingsError> {
        match &self.value {
            ValueKind::String(text) => Ok(text.trim().to_owned()),
            _ => Err(self.invalid("must be a text in quotation marks")),
        }
    }

    /// Yes or no, in any of the ways people write that in environments.
    pub(super) fn boolean(self) -> Result<bool, SettingsError> {
        const EXPECTED: &str = "must be true or false";
        match &self.value {
            ValueKind::Boolean(value) => Ok(*value),
            ValueKind::I64(1) => Ok(true),
            ValueKind::I64(0) => Ok(false),
            ValueKind::String(text) => match text.trim().to_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => Ok(true),
                "0" | "false" | "no" | "off" => Ok(false),
                _ => Err(self.invalid(&format!("{EXPECTED}, not {text:?}"))),
            },
            _ => Err(self.invalid(EXPECTED)),
        }
    }

    /// One of a few whole numbers, of which `choose` knows what they mean; its error is a phrase.
    pub(super) fn number<T>(
        self,
        choose: impl FnOnce(i64) -> Result<T, String>,
    ) -> Result<T, SettingsError> {
        let number = match &self.value {
            ValueKind::I64(number) => Some(*number),
            ValueKind::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number
            .ok_or_else(|| "must be a whole number".to_owned())
            .and_then(choose)
            .map_err(|problem| self.invalid(&problem))
    }

    /// What separated by commas, or as a TOML list, is understood by `parse`; its error is a phrase.
    pub(super) fn list<T>(
        self,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, SettingsError> {
        let items: Vec<&str> = match &self.value {
            ValueKind::String(text) => text.split(',').collect(),
            ValueKind::Array(list) => list
                .iter()
                .map(|item| match &item.kind {
                    ValueKind::String(text) => Ok(text.as_str()),
                    _ => Err(self.invalid("must be a list of texts")),
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(self.invalid("must be a text with commas, or a list of texts")),
        };
        let items = items
            .into_iter()
            .map(str::trim)
            .filter(|item| !item.is_empty());
        items
            .map(|item| {
                parse(item).map_err(|problem| {
                    self.invalid(&format!(
                        "has the entry {item:?}, which is wrong: {problem}"
                    ))
                })
            })
            .collect()
    }

    /// A text that `parse` understands; its error is a phrase.
    pub(super) fn parsed<T>(
        self,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, SettingsError> {
        let (name, origin) = (self.name, self.origin.clone());
        let text = self.text()?;
        parse(&text).map_err(|problem| SettingsError::Invalid {
            name,
            origin,
            problem: format!("is set to {text:?}: {problem}"),
        })
    }

    fn invalid(&self, problem: &str) -> SettingsError {
        SettingsError::Invalid {
            name: self.name,
            origin: self.origin.clone(),
            problem: problem.to_owned(),
        }
    }
}
