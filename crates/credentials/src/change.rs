use std::collections::{BTreeMap, BTreeSet};

use keyward_crypto::SecretText;
use url::Url;

use crate::detail::{Detail, Value};
use crate::fields::{FieldKind, Open, Shape, is_member_name};
use crate::mask::looks_masked;
use crate::{CredentialType, FieldPath, Mask, OpenFields, RequestPath};

/// What a [`Detail`] asks for, checked against the fields of its type.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// New values of fields that are no secrets; `None` clears.
    open: BTreeMap<&'static str, Option<String>>,
    /// What is to become of secrets. Those that are not named stay.
    pub(crate) secrets: BTreeMap<FieldPath, Write>,
    /// Maps of which every member is cleared that is not named.
    pub(crate) cleared_maps: BTreeSet<&'static str>,
}

/// What is to become of one secret.
#[derive(Debug)]
pub(crate) enum Write {
    /// A mask as it was read: nothing, if it is the present one.
    Keep(Mask),
    /// `null`.
    Clear,
    /// A value.
    Set(SecretText, Shape),
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field, as a path from the top of the body.
    pub field: String,
    /// What is wrong, and what would be right.
    pub problem: Problem,
}

impl FieldProblem {
    pub(crate) fn new(field: impl AsRef<str>, problem: Problem) -> Self {
        // Field names come from the request: what is shown of them is short and printable.
        let field = field.as_ref().chars().filter(|c| !c.is_control());
        Self {
            field: field.take(100).collect(),
            problem,
        }
    }
}

/// What can be wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A mask was given where a secret is expected, or a mask that does not show what is stored.
    #[error(
        "this is a mask and not a secret; leave the field out to keep the stored value, or give \
         the secret itself"
    )]
    LooksMasked,
    /// The type has no such field.
    #[error("this type of credential has no such field")]
    Unknown,
    /// The field has to be there.
    #[error("this field is required")]
    Required,
    /// A string or `null` is expected.
    #[error("expected a string or null")]
    NotText,
    /// An object is expected.
    #[error("expected an object of strings, or null")]
    NotMap,
    /// Too long, or empty where something is needed.
    #[error("the value is empty or too long")]
    Length,
    /// A character that may not be there.
    #[error("the value has a character that is not allowed here, such as a line break")]
    Character,
    /// Not one of the words that the field takes.
    #[error("the value is not one of those that this field takes")]
    NotOneOf,
    /// Not a URL that can be called.
    #[error("expected an http or https URL without a user name, query or fragment")]
    Url,
    /// Too many members.
    #[error("too many members")]
    TooMany,
    /// A credential of the type `llm` says itself where it belongs.
    #[error("credentials of the type llm have this in detail.base_url")]
    ElsewhereBaseUrl,
    /// A rule names a secret that credentials of the type do not have.
    #[error(
        "credentials of this type have no such secret; name one as in detail, such as api_key or config.token"
    )]
    NoSuchSecret,
    /// A rule names a header field that is not free.
    #[error(
        "expected the name of a header field that does not belong to the connection or the body"
    )]
    ReservedHeader,
    /// Not exactly one user name.
    #[error("expected one of username and username_field")]
    OneUsername,
    /// Not the name of a method.
    #[error("expected a method in upper case, other than CONNECT and TRACE")]
    Method,
    /// Not the beginning of a path.
    #[error("expected a path such as /v1/chat, without query, escapes and dot segments")]
    PathPrefix,
    /// A number that is too small or too large.
    #[error("the number is too small or too large")]
    Range,
    /// The field cannot be changed.
    #[error("this field cannot be changed; leave it out or give the value that it has")]
    ReadOnly,
}

impl Change {
    /// Checks a request against the fields of `kind`. All problems are found at once.
    pub(crate) fn parse(kind: CredentialType, detail: Detail) -> Result<Self, Vec<FieldProblem>> {
        let mut parser = Parser::default();
        if detail.0.len() > MAX_NAMED {
            return Err(vec![FieldProblem::new("detail", Problem::TooMany)]);
        }
        for (name, value) in detail.0 {
            let path = format!("detail.{name}");
            match kind.field(&name).map(|field| (field.name, field.kind)) {
                None => parser.problem(&path, Problem::Unknown),
                Some((known, FieldKind::Open(open))) => parser.open(known, open, &path, value),
                Some((_, FieldKind::Secret(shape))) => {
                    parser.secret(FieldPath::field(&name), shape, &path, value);
                }
                Some((known, FieldKind::SecretMap(shape))) => {
                    parser.map(known, shape, &path, value);
                }
            }
        }
        parser.finish()
    }

    /// The open fields afterwards; problems where a required one is missing then.
    pub(crate) fn open_after(
        &self,
        kind: CredentialType,
        before: &OpenFields,
    ) -> Result<OpenFields, Vec<FieldProblem>> {
        let mut after = before.clone();
        for (name, value) in &self.open {
            after.set(name, value.clone());
        }
        let missing: Vec<_> = kind
            .fields()
            .iter()
            .filter(|field| field.required && after.get(field.name).is_none())
            .map(|field| FieldProblem::new(format!("detail.{}", field.name), Problem::Required))
            .collect();
        if missing.is_empty() {
            Ok(after)
        } else {
            Err(missing)
        }
    }

    /// Refuses what makes a map, or a generic credential, larger than it may be. Counted is what is
    /// there afterwards: of the secrets in `present` all but those in `cleared`, and what is set.
    pub(crate) fn refuse_too_many(
        &self,
        kind: CredentialType,
        present: &BTreeMap<FieldPath, Mask>,
        cleared: &[FieldPath],
    ) -> Result<(), Vec<FieldProblem>> {
        let set = self.secrets.iter().filter_map(|(path, write)| match write {
            Write::Set(..) => Some(path),
            Write::Keep(_) | Write::Clear => None,
        });
        let kept = present.keys().filter(|path| !cleared.contains(path));
        let after: BTreeSet<_> = kept.chain(set).collect();
        let problems: Vec<_> = limited(kind)
            .filter(|map| {
                let after = members(*map, after.iter().copied());
                after > MAX_MEMBERS && after > members(*map, present.keys())
            })
            .map(|map| match map {
                Some(map) => FieldProblem::new(format!("detail.{map}"), Problem::TooMany),
                None => FieldProblem::new("detail", Problem::TooMany),
            })
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    /// Whether the members of the map that `path` belongs to are to be cleared.
    pub(crate) fn clears(&self, path: &FieldPath) -> bool {
        self.cleared_maps
            .iter()
            .any(|map| path.member_of(map).is_some())
    }
}

#[derive(Default)]
struct Parser {
    change: Change,
    problems: Vec<FieldProblem>,
}

impl Parser {
    fn problem(&mut self, path: &str, problem: Problem) {
        self.problems.push(FieldProblem::new(path, problem));
    }

    fn open(&mut self, name: &'static str, kind: Open, path: &str, value: Value) {
        let value = match value {
            Value::Null => None,
            Value::Text(text) => Some(text),
            _ => return self.problem(path, Problem::NotText),
        };
        if let Some(problem) = value.as_ref().and_then(|text| kind.problem(text.expose())) {
            return self.problem(path, problem);
        }
        let value = value.map(|text| text.expose().to_owned());
        self.change.open.insert(name, value);
    }

    fn secret(&mut self, field: FieldPath, shape: Shape, path: &str, value: Value) {
        let write = match value {
            Value::Null => Write::Clear,
            Value::Text(text) => match shape.problem(text.expose()) {
                None => Write::Set(text, shape),
                Some(problem) => return self.problem(path, problem),
            },
            other => match other.as_mask() {
                Some(mask) => Write::Keep(mask),
                None => return self.problem(path, Problem::NotText),
            },
        };
        self.change.secrets.insert(field, write);
    }

    fn map(&mut self, name: &'static str, shape: Shape, path: &str, value: Value) {
        let members = match value {
            Value::Null => {
                self.change.cleared_maps.insert(name);
                return;
            }
            Value::Object(members) => members,
            _ => return self.problem(path, Problem::NotMap),
        };
        if members.len() > MAX_NAMED {
            return self.problem(path, Problem::TooMany);
        }
        for (member, value) in members {
            let path = format!("{path}.{member}");
            if is_member_name(&member) {
                self.secret(FieldPath::member(name, &member), shape, &path, value);
            } else {
                self.problem(&path, Problem::Character);
            }
        }
    }

    fn finish(self) -> Result<Change, Vec<FieldProblem>> {
        if self.problems.is_empty() {
            Ok(self.change)
        } else {
            Err(self.problems)
        }
    }
}

impl Open {
    fn problem(self, text: &str) -> Option<Problem> {
        let length = text.chars().count();
        match self {
            Self::OneOf(words) if !words.contains(&text) => Some(Problem::NotOneOf),
            Self::Url => (text.len() > 2_048 || !is_base_url(text)).then_some(Problem::Url),
            Self::Text if !(1..=255).contains(&length) => Some(Problem::Length),
            Self::Text if text.chars().any(char::is_control) => Some(Problem::Character),
            Self::Text | Self::OneOf(_) => None,
        }
    }
}

impl Shape {
    fn problem(self, text: &str) -> Option<Problem> {
        let max = match self {
            Self::Header => 8 * 1_024,
            Self::Text | Self::KeyFile => 16 * 1_024,
        };
        if text.is_empty() || text.len() > max {
            return Some(Problem::Length);
        }
        if looks_masked(text) {
            return Some(Problem::LooksMasked);
        }
        let allowed = match self {
            // RFC 9110 §5.5 without obs-text; a space at an end would not survive a proxy.
            Self::Header => text.bytes().all(|b| (b' '..=b'~').contains(&b)) && text.trim() == text,
            Self::Text | Self::KeyFile => !text.contains('\0'),
        };
        (!allowed).then_some(Problem::Character)
    }

    /// Whether the last characters say something about the value.
    pub(crate) fn shows_last4(self) -> bool {
        self != Self::KeyFile
    }
}

/// What of a type can have any number of members: some maps, or (`None`) the credential itself.
fn limited(kind: CredentialType) -> impl Iterator<Item = Option<&'static str>> {
    let maps = kind.fields().iter().filter_map(|field| match field.kind {
        FieldKind::SecretMap(_) => Some(Some(field.name)),
        FieldKind::Open(_) | FieldKind::Secret(_) => None,
    });
    maps.chain((kind == CredentialType::Generic).then_some(None))
}

fn members<'a>(map: Option<&str>, paths: impl Iterator<Item = &'a FieldPath>) -> usize {
    paths
        .filter(|path| map.is_none_or(|map| path.member_of(map).is_some()))
        .count()
}

pub(crate) fn is_base_url(text: &str) -> bool {
    // `Url` reads a backslash as a slash and drops line breaks and tabs; other programs do not, and
    // would send the secret to another host than the one that is compared here.
    let ambiguous = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    !text.contains(ambiguous)
        && Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
                && RequestPath::parse(url.path()).is_ok()
        })
}

/// More than any service needs; keeps one request from filling the database with rows.
const MAX_MEMBERS: usize = 64;
/// One request can clear all members and set as many others.
const MAX_NAMED: usize = 2 * MAX_MEMBERS;
