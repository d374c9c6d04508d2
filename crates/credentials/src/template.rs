use crate::{Credential, CredentialType};

/// A question that Keyward itself asks the service of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Whether the secret is accepted.
    Test,
    /// Which models there are.
    Models,
}

/// A built-in request. Nothing in it comes from a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its method.
    pub method: &'static str,
    /// Its path below the base URL.
    pub path: &'static str,
    /// Its query.
    pub query: Option<&'static str>,
    /// A header field that the service asks for.
    pub header: Option<(&'static str, &'static str)>,
    /// Where success is a member of the answer and not its status: the name of the member.
    pub says_ok: Option<&'static str>,
}

/// The built-in request for a question, if the service has one.
pub(crate) fn template(credential: &Credential, probe: Probe) -> Option<Template> {
    let has_rule = (credential.broker.as_ref()).is_some_and(|kept| kept.rules().auth.is_some());
    let service = credential.service();
    match (credential.credential_type, probe) {
        (CredentialType::Llm, _) => Some(models(service.as_deref()?)),
        (_, Probe::Models) => None,
        (CredentialType::Gateway, Probe::Test) => {
            gateway(service.as_deref()?).or_else(|| has_rule.then_some(ROOT))
        }
        (CredentialType::Git, Probe::Test) => git(service.as_deref()?),
        (CredentialType::Tool | CredentialType::Generic, Probe::Test) => has_rule.then_some(ROOT),
    }
}

/// The list of models needs a key and costs nothing.
fn models(provider: &str) -> Template {
    match provider {
        "anthropic" => Template {
            path: "/v1/models",
            query: Some("limit=1000"),
            header: Some(("anthropic-version", "2023-06-01")),
            ..ROOT
        },
        "gemini" | "google" => Template {
            path: "/v1beta/models",
            query: Some("pageSize=1000"),
            ..ROOT
        },
        "azure" | "azure-openai" => Template {
            path: "/openai/models",
            query: Some("api-version=2024-10-21"),
            ..ROOT
        },
        _ => Template {
            path: "/models",
            ..ROOT
        },
    }
}

fn gateway(adapter: &str) -> Option<Template> {
    match adapter {
        "telegram" => Some(Template {
            path: "/getMe",
            ..ROOT
        }),
        "slack" => Some(Template {
            method: "POST",
            path: "/auth.test",
            says_ok: Some("ok"),
            ..ROOT
        }),
        "discord" => Some(Template {
            path: "/users/@me",
            ..ROOT
        }),
        _ => None,
    }
}

/// Hosts of git have no request in common that needs a token and no repository; those that run the
/// same software have one on the host of their repositories.
fn git(provider: &str) -> Option<Template> {
    match provider {
        "gitlab" => Some(Template {
            path: "/api/v4/user",
            ..ROOT
        }),
        "gitea" | "forgejo" => Some(Template {
            path: "/api/v1/user",
            ..ROOT
        }),
        _ => None,
    }
}

/// The base URL itself.
const ROOT: Template = Template {
    method: "GET",
    path: "/",
    query: None,
    header: None,
    says_ok: None,
};
