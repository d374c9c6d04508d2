use url::Url;

use crate::provider::{Known, known};
use crate::rules::{AuthRule, secret_path};
use crate::{Credential, CredentialType, FieldPath};

/// Where requests with a credential go, and how its secrets get into them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Every request goes to its host, below its path.
    pub base_url: Url,
    /// The secret that proves who asks.
    pub auth: Auth,
    /// Header fields that go along: their names, and the secrets that are their values.
    pub headers: Vec<(String, FieldPath)>,
    /// Header fields that go along and are no secrets.
    pub open_headers: Vec<(&'static str, String)>,
}

/// How a secret gets into a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// As the value of a header field.
    Header {
        /// The name of the header field.
        name: String,
        /// The secret.
        field: FieldPath,
        /// What stands before it.
        prefix: String,
    },
    /// As a parameter of the query.
    Query {
        /// The name of the parameter.
        name: String,
        /// The secret.
        field: FieldPath,
    },
    /// As user name and password (RFC 7617).
    Basic {
        /// The user name, unless a secret is it.
        username: String,
        /// The secret that is the user name.
        username_field: Option<FieldPath>,
        /// The secret that is the password.
        password: FieldPath,
    },
    /// As the first segment of the path, behind a word.
    Path {
        /// The word.
        before: &'static str,
        /// The secret.
        field: FieldPath,
    },
}

impl Auth {
    /// The secrets that it needs.
    #[must_use]
    pub fn fields(&self) -> Vec<&FieldPath> {
        match self {
            Self::Header { field, .. } | Self::Query { field, .. } | Self::Path { field, .. } => {
                vec![field]
            }
            Self::Basic {
                username_field,
                password,
                ..
            } => username_field.iter().chain([password]).collect(),
        }
    }
}

impl Destination {
    /// Where requests with `credential` go. `secrets` are the paths of those that are set.
    pub fn of<'a>(
        credential: &Credential,
        secrets: impl Iterator<Item = &'a FieldPath>,
    ) -> Result<Self, NoDestination> {
        let known = known(credential);
        let base_url = base_url(credential)
            .or(known.as_ref().and_then(|known| known.base_url))
            .ok_or(NoDestination::BaseUrl)?;
        let rule = credential
            .broker
            .as_ref()
            .and_then(|kept| kept.rules().auth.as_ref());
        let auth = rule
            .map(auth)
            .or(known.map(|Known { auth, .. }| auth))
            .ok_or(NoDestination::Auth)?;
        Ok(Self {
            base_url: Url::parse(base_url).map_err(|_| NoDestination::BaseUrl)?,
            auth,
            headers: secrets.filter_map(custom_header).collect(),
            open_headers: organization(credential).into_iter().collect(),
        })
    }

    /// The same with the base URL that a built-in request has, if it has one.
    pub(crate) fn or_at(self, other: Option<&'static str>) -> Result<Self, NoDestination> {
        let base_url = match other {
            None => self.base_url,
            Some(other) => Url::parse(other).map_err(|_| NoDestination::BaseUrl)?,
        };
        Ok(Self { base_url, ..self })
    }
}

/// Whether requests go to the base URL that is known of the service.
pub(crate) fn is_where_the_service_is(credential: &Credential) -> bool {
    let parsed = |url: &str| Url::parse(url).ok();
    let default = known(credential).and_then(|known| known.base_url);
    let default = default.and_then(parsed);
    match base_url(credential) {
        None => default.is_some(),
        Some(own) => default.is_some() && parsed(own) == default,
    }
}

/// Scheme, host and port of where the secrets of a credential are sent; or its service, where no
/// URL says it.
pub(crate) fn origin(credential: &Credential) -> String {
    let default = known(credential).and_then(|known| known.base_url);
    let url = base_url(credential).or(default);
    url.and_then(|url| Url::parse(url).ok()).map_or_else(
        || format!("service {}", credential.service().unwrap_or_default()),
        |url| url.origin().ascii_serialization(),
    )
}

/// What the credential itself says of where it belongs.
fn base_url(credential: &Credential) -> Option<&str> {
    let rules = credential.broker.as_ref();
    credential
        .open_fields
        .get("base_url")
        .or_else(|| rules.and_then(|kept| kept.rules().base_url.as_deref()))
}

fn auth(rule: &AuthRule) -> Auth {
    match rule {
        AuthRule::Header(rule) => Auth::Header {
            name: rule.name.clone(),
            field: secret_path(&rule.field),
            prefix: rule.prefix.clone(),
        },
        AuthRule::Query(rule) => Auth::Query {
            name: rule.name.clone(),
            field: secret_path(&rule.field),
        },
        AuthRule::Basic(rule) => Auth::Basic {
            username: rule.username.clone().unwrap_or_default(),
            username_field: rule.username_field.as_deref().map(secret_path),
            password: secret_path(&rule.password_field),
        },
    }
}

fn custom_header(path: &FieldPath) -> Option<(String, FieldPath)> {
    let name = path.member_of("custom_headers")?;
    Some((name.to_owned(), path.clone()))
}

/// Who is to be charged, where a key belongs to several organizations.
fn organization(credential: &Credential) -> Option<(&'static str, String)> {
    let is_openai = credential.credential_type == CredentialType::Llm
        && credential.service().as_deref() == Some("openai");
    let id = credential.open_fields.get("organization_id")?;
    is_openai.then(|| ("openai-organization", id.to_owned()))
}

/// Why there is nowhere to send a request with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDestination {
    /// It has no base URL, and its service has none that is known.
    #[error(
        "the credential does not say where it belongs: set `detail.base_url` (type `llm`) or \
         `broker.base_url` (other types)"
    )]
    BaseUrl,
    /// It has no rule that says where its secret goes in a request.
    #[error(
        "the credential does not say how its secret gets into a request: set `broker.auth` to a \
         `header`, `query` or `basic` rule"
    )]
    Auth,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::credential;
    use crate::rules::{BrokerRules, HeaderRule};

    fn of(kind: CredentialType, open: &[(&str, &str)]) -> Result<Destination, NoDestination> {
        Destination::of(&credential(kind, open, BrokerRules::default()), [].iter())
    }

    /// Type, service, base URL, and where the secret goes.
    const SERVICES: [(CredentialType, &str, &str, &str); 8] = [
        (
            LLM,
            "openai",
            "https://api.openai.com/v1",
            "authorization: Bearer ",
        ),
        (
            LLM,
            "Anthropic",
            "https://api.anthropic.com/",
            "x-api-key: ",
        ),
        (
            LLM,
            "gemini",
            "https://generativelanguage.googleapis.com/",
            "x-goog-api-key: ",
        ),
        (
            GATEWAY,
            "slack",
            "https://slack.com/api",
            "authorization: Bearer ",
        ),
        (
            GATEWAY,
            "discord",
            "https://discord.com/api/v10",
            "authorization: Bot ",
        ),
        (GATEWAY, "telegram", "https://api.telegram.org/", "bot"),
        (GIT, "github", "https://github.com/", "x-access-token"),
        (GIT, "gitlab", "https://gitlab.com/", "oauth2"),
    ];
    const LLM: CredentialType = CredentialType::Llm;
    const GIT: CredentialType = CredentialType::Git;
    const GATEWAY: CredentialType = CredentialType::Gateway;

    #[test]
    fn each_known_service_has_its_host_and_its_place_for_the_secret() {
        for (kind, name, url, place) in SERVICES {
            let member = if kind == GATEWAY {
                "adapter"
            } else {
                "provider"
            };
            let found = of(kind, &[(member, name)]).unwrap();
            assert_eq!(found.base_url.as_str(), url);
            let shown = match found.auth {
                Auth::Header { name, prefix, .. } => format!("{name}: {prefix}"),
                Auth::Basic { username, .. } => username,
                Auth::Path { before, .. } => before.to_owned(),
                Auth::Query { name, .. } => name,
            };
            assert_eq!(shown, place, "{name}");
        }
    }

    #[test]
    fn a_service_with_hosts_of_its_customers_needs_a_base_url() {
        for open in [
            vec![("provider", "azure_openai")],
            vec![("provider", "openai-compatible")],
        ] {
            assert_eq!(of(CredentialType::Llm, &open), Err(NoDestination::BaseUrl));
        }
        let open = [
            ("provider", "azure_openai"),
            ("base_url", "https://mine.example/"),
        ];
        let found = of(CredentialType::Llm, &open).unwrap();
        assert!(matches!(found.auth, Auth::Header { name, .. } if name == "api-key"));
    }

    #[test]
    fn a_generic_credential_needs_a_rule() {
        assert_eq!(
            of(CredentialType::Generic, &[]),
            Err(NoDestination::BaseUrl)
        );
        let mut rules = BrokerRules {
            base_url: Some("https://api.example.com".to_owned()),
            ..BrokerRules::default()
        };
        let without = credential(CredentialType::Generic, &[], rules.clone());
        assert_eq!(
            Destination::of(&without, [].iter()),
            Err(NoDestination::Auth)
        );
        rules.auth = Some(AuthRule::Header(HeaderRule {
            name: "X-Key".to_owned(),
            field: "key".to_owned(),
            prefix: String::new(),
        }));
        let with = credential(CredentialType::Generic, &[], rules);
        assert!(Destination::of(&with, [].iter()).is_ok());
    }

    #[test]
    fn custom_headers_and_the_organization_go_along() {
        let open = [("provider", "openai"), ("organization_id", "org-1")];
        let credential = credential(CredentialType::Llm, &open, BrokerRules::default());
        let set = [
            FieldPath::field("api_key"),
            FieldPath::member("custom_headers", "X-Team"),
        ];
        let found = Destination::of(&credential, set.iter()).unwrap();
        assert_eq!(found.headers, [("X-Team".to_owned(), set[1].clone())]);
        assert_eq!(
            found.open_headers,
            [("openai-organization", "org-1".to_owned())]
        );
    }

    #[test]
    fn the_origin_is_that_of_the_url_or_else_of_the_service() {
        let mut rules = BrokerRules::default();
        let plain = credential(
            CredentialType::Llm,
            &[("provider", "openai")],
            rules.clone(),
        );
        assert_eq!(origin(&plain), "https://api.openai.com");
        let other = credential(
            CredentialType::Tool,
            &[("tool_type", "search")],
            rules.clone(),
        );
        assert_eq!(origin(&other), "service search");
        rules.base_url = Some("https://a.example:444/x".to_owned());
        let tool = credential(CredentialType::Tool, &[("tool_type", "search")], rules);
        assert_eq!(origin(&tool), "https://a.example:444");
    }
}
