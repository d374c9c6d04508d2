use std::collections::BTreeMap;
use std::fmt;

use keyward_crypto::SecretText;
use serde::de::{self, MapAccess, SeqAccess, Visitor};

use crate::Mask;

/// The `detail` of a request, before it is known which of its texts are secrets.
///
/// So every text is held like a secret.
///
/// ```
/// use keyward_credentials::Detail;
///
/// // From the JSON of a request, or field by field.
/// let _: Detail = serde_json::from_str(r#"{"provider":"openai","api_key":"sk-1"}"#)?;
/// let mut detail = Detail::default();
/// detail.set("api_key", "sk-1".to_owned().into());
/// detail.set_member("custom_headers", "X-Team", "blue".to_owned().into());
/// assert!(!format!("{detail:?}").contains("sk-1"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Detail(pub(crate) BTreeMap<String, Value>);

impl Detail {
    /// Sets a field of the type.
    pub fn set(&mut self, field: &str, value: SecretText) {
        self.0.insert(field.to_owned(), Value::Text(value));
    }

    /// Sets a member of a field that holds secrets by name.
    pub fn set_member(&mut self, field: &str, member: &str, value: SecretText) {
        let members = self.0.entry(field.to_owned());
        let members = members.or_insert_with(|| Value::Object(BTreeMap::new()));
        if let Value::Object(members) = members {
            members.insert(member.to_owned(), Value::Text(value));
        }
    }
}

/// One value of a [`Detail`].
#[derive(Debug)]
pub(crate) enum Value {
    /// `null`: clear.
    Null,
    /// A text: set.
    Text(SecretText),
    /// An object: members of a map, or a mask as it was read.
    Object(BTreeMap<String, Value>),
    /// `true` or `false`, which only masks have.
    Bool(bool),
    /// A number or a list, which nothing takes.
    Other,
}

impl Value {
    /// The mask that this is, if it has the members of one.
    pub(crate) fn as_mask(&self) -> Option<Mask> {
        let Self::Object(members) = self else {
            return None;
        };
        let known = members
            .keys()
            .all(|name| matches!(name.as_str(), "set" | "last4" | "unreadable"));
        let Some(Self::Bool(set)) = members.get("set") else {
            return None;
        };
        let last4 = match members.get("last4") {
            Some(Self::Text(text)) => Some(text.expose().to_owned()),
            Some(Self::Null) | None => None,
            Some(_) => return None,
        };
        let unreadable = matches!(members.get("unreadable"), Some(Self::Bool(true)));
        known.then_some(Mask {
            set: *set,
            last4,
            unreadable,
        })
    }
}

impl<'de> de::Deserialize<'de> for Detail {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(de::Error::custom("expected an object")),
        }
    }
}

impl<'de> de::Deserialize<'de> for Value {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// Takes any JSON, so that no error of the parser has a value to quote.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an object or null")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(SecretText::from(text)))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(SecretText::from(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element::<Value>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom("a member stands twice in one object"));
            }
        }
        Ok(Value::Object(object))
    }
}
