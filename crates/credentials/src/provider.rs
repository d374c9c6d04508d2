//! Where the secrets of known services go, and how they get into a request.

use crate::destination::Auth;
use crate::{Credential, CredentialType, FieldPath};

/// What is known of a service by its name.
pub(crate) struct Known {
    /// `None` where every customer has a host of their own.
    pub(crate) base_url: Option<&'static str>,
    pub(crate) auth: Auth,
}

/// What is known of the service that the credential names.
pub(crate) fn known(credential: &Credential) -> Option<Known> {
    match credential.credential_type {
        CredentialType::Llm => Some(llm(&credential.service()?)),
        CredentialType::Git => Some(git(credential)),
        CredentialType::Gateway => gateway(&credential.service()?),
        CredentialType::Tool | CredentialType::Generic => None,
    }
}

/// Anything that is not known by name takes its key as a bearer, as most do.
fn llm(provider: &str) -> Known {
    let (base_url, name, prefix) = match provider {
        "openai" => (
            Some("https://api.openai.com/v1"),
            "authorization",
            "Bearer ",
        ),
        "anthropic" => (Some("https://api.anthropic.com"), "x-api-key", ""),
        "gemini" | "google" => (
            Some("https://generativelanguage.googleapis.com"),
            "x-goog-api-key",
            "",
        ),
        "azure" | "azure-openai" => (None, "api-key", ""),
        _ => (None, "authorization", "Bearer "),
    };
    Known {
        base_url,
        auth: header(name, "api_key", prefix),
    }
}

/// A token over HTTPS stands in for a password. The user name is the one that the credential has,
/// or the one that the host asks for with tokens.
fn git(credential: &Credential) -> Known {
    let (base_url, username) = match credential.service().as_deref() {
        Some("github") => (Some("https://github.com"), "x-access-token"),
        Some("gitlab") => (Some("https://gitlab.com"), "oauth2"),
        Some("bitbucket") => (Some("https://bitbucket.org"), "x-token-auth"),
        _ => (None, "git"),
    };
    let username = credential.open_fields.get("username").unwrap_or(username);
    Known {
        base_url,
        auth: Auth::Basic {
            username: username.to_owned(),
            username_field: None,
            password: FieldPath::field("access_token"),
        },
    }
}

fn gateway(adapter: &str) -> Option<Known> {
    let (base_url, auth) = match adapter {
        "telegram" => (
            "https://api.telegram.org",
            Auth::Path {
                before: "bot",
                field: FieldPath::field("token"),
            },
        ),
        "slack" => (
            "https://slack.com/api",
            header("authorization", "token", "Bearer "),
        ),
        "discord" => (
            "https://discord.com/api/v10",
            header("authorization", "token", "Bot "),
        ),
        _ => return None,
    };
    Some(Known {
        base_url: Some(base_url),
        auth,
    })
}

fn header(name: &str, field: &str, prefix: &str) -> Auth {
    Auth::Header {
        name: name.to_owned(),
        field: FieldPath::field(field),
        prefix: prefix.to_owned(),
    }
}

impl Credential {
    /// The service that the credential names, in one spelling: lower case, with hyphens.
    #[must_use]
    pub fn service(&self) -> Option<String> {
        let member = match self.credential_type {
            CredentialType::Llm | CredentialType::Git => "provider",
            CredentialType::Gateway => "adapter",
            CredentialType::Tool => "tool_type",
            CredentialType::Generic => return None,
        };
        let name = self.open_fields.get(member)?;
        Some(name.trim().to_lowercase().replace(['_', ' '], "-"))
    }
}
