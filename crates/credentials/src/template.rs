use crate::destination::is_where_the_service_is;
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
    /// What it goes to in place of the base URL of the credential, where the service has its API
    /// on a host of its own.
    pub base_url: Option<&'static str>,
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
        (CredentialType::Git, Probe::Test) => git(service.as_deref()?, credential),
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
fn git(provider: &str, credential: &Credential) -> Option<Template> {
    match provider {
        "github" => Some(github(credential)),
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

/// github.com has its API on another host; whoever runs GitHub has it on their own. Both refuse
/// requests that do not say what sends them.
fn github(credential: &Credential) -> Template {
    let agent = Template {
        header: Some(("user-agent", "keyward")),
        ..ROOT
    };
    if is_where_the_service_is(credential) {
        Template {
            base_url: Some("https://api.github.com"),
            path: "/user",
            ..agent
        }
    } else {
        Template {
            path: "/api/v3/user",
            ..agent
        }
    }
}

/// The base URL itself.
const ROOT: Template = Template {
    method: "GET",
    base_url: None,
    path: "/",
    query: None,
    header: None,
    says_ok: None,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::credential;
    use crate::rules::{AuthRule, HeaderRule};
    use crate::{BrokerRules, Destination};

    fn shown(credential: &Credential, probe: Probe) -> Option<String> {
        let template = template(credential, probe)?;
        let destination = Destination::of(credential, [].iter()).unwrap();
        let base = destination.or_at(template.base_url).unwrap().base_url;
        let path = crate::RequestPath::parse(template.path).unwrap();
        let origin = base.origin().ascii_serialization();
        let path = path.below(base.path()).unwrap().as_str().to_owned();
        let query = template.query.map(|query| format!("?{query}"));
        let header = (template.header).map(|(name, value)| format!(" {name}={value}"));
        let says_ok = template.says_ok.map(|name| format!(" says {name}"));
        let optional = [query, header, says_ok].map(Option::unwrap_or_default);
        Some(format!(
            "{} {origin}{path}{}",
            template.method,
            optional.concat()
        ))
    }

    fn with_rule(base_url: &str) -> BrokerRules {
        BrokerRules {
            base_url: Some(base_url.to_owned()),
            auth: Some(AuthRule::Header(HeaderRule {
                name: "x-key".to_owned(),
                field: "token".to_owned(),
                prefix: String::new(),
            })),
            ..BrokerRules::default()
        }
    }

    /// Fields, and the request that either question is.
    const LLM: [(&[(&str, &str)], &str); 9] = [
        (
            &[("provider", "openai")],
            "GET https://api.openai.com/v1/models",
        ),
        (
            &[
                ("provider", "openai"),
                ("base_url", "https://a.example/x/v1/"),
            ],
            "GET https://a.example/x/v1/models",
        ),
        (
            &[("provider", "Anthropic")],
            "GET https://api.anthropic.com/v1/models?limit=1000 anthropic-version=2023-06-01",
        ),
        (
            &[
                ("provider", "anthropic"),
                ("base_url", "https://a.example/v1"),
            ],
            "GET https://a.example/v1/models?limit=1000 anthropic-version=2023-06-01",
        ),
        (
            &[("provider", "gemini")],
            "GET https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000",
        ),
        (
            &[("provider", "google")],
            "GET https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000",
        ),
        (
            &[
                ("provider", "azure_openai"),
                ("base_url", "https://mine.example"),
            ],
            "GET https://mine.example/openai/models?api-version=2024-10-21",
        ),
        (
            &[("provider", "azure"), ("base_url", "https://mine.example")],
            "GET https://mine.example/openai/models?api-version=2024-10-21",
        ),
        (
            &[
                ("provider", "openai_compatible"),
                ("base_url", "http://localhost:11434/v1"),
            ],
            "GET http://localhost:11434/v1/models",
        ),
    ];

    #[test]
    fn providers_are_asked_for_their_models_and_that_is_the_test_too() {
        for (open, expected) in LLM {
            let credential = credential(CredentialType::Llm, open, BrokerRules::default());
            for probe in [Probe::Test, Probe::Models] {
                let found = shown(&credential, probe);
                assert_eq!(found.as_deref(), Some(expected), "{probe:?}");
            }
        }
    }

    #[test]
    fn gateways_and_hosts_of_git_are_asked_who_the_token_belongs_to() {
        let agent = "user-agent=keyward";
        for (kind, open, expected) in [
            (
                CredentialType::Gateway,
                vec![("adapter", "telegram")],
                Some("GET https://api.telegram.org/getMe".to_owned()),
            ),
            (
                CredentialType::Gateway,
                vec![("adapter", "Slack")],
                Some("POST https://slack.com/api/auth.test says ok".to_owned()),
            ),
            (
                CredentialType::Gateway,
                vec![("adapter", "discord")],
                Some("GET https://discord.com/api/v10/users/@me".to_owned()),
            ),
            (CredentialType::Gateway, vec![("adapter", "pigeon")], None),
            (
                CredentialType::Git,
                vec![("provider", "github")],
                Some(format!("GET https://api.github.com/user {agent}")),
            ),
            (
                CredentialType::Git,
                vec![("provider", "gitlab")],
                Some("GET https://gitlab.com/api/v4/user".to_owned()),
            ),
            (CredentialType::Git, vec![("provider", "bitbucket")], None),
            (CredentialType::Git, vec![("provider", "else")], None),
        ] {
            let credential = credential(kind, &open, BrokerRules::default());
            assert_eq!(shown(&credential, Probe::Test), expected, "{open:?}");
            assert_eq!(shown(&credential, Probe::Models), None, "{open:?}");
        }
    }

    #[test]
    fn software_for_git_is_asked_on_the_host_that_runs_it() {
        for (provider, path) in [
            ("github", "/api/v3/user user-agent=keyward"),
            ("gitlab", "/api/v4/user"),
            ("gitea", "/api/v1/user"),
            ("forgejo", "/api/v1/user"),
        ] {
            let rules = BrokerRules {
                base_url: Some("https://git.example".to_owned()),
                ..BrokerRules::default()
            };
            let credential = credential(CredentialType::Git, &[("provider", provider)], rules);
            let expected = format!("GET https://git.example{path}");
            assert_eq!(shown(&credential, Probe::Test), Some(expected));
        }
    }

    #[test]
    fn another_host_is_asked_only_where_the_base_url_is_the_known_one() {
        for (base_url, host) in [
            ("https://github.com", "api.github.com"),
            ("https://GitHub.com:443/", "api.github.com"),
            ("https://github.com:8443", "github.com:8443"),
            ("http://github.com", "github.com"),
            ("https://github.com.evil.example", "github.com.evil.example"),
            ("https://github.com/other", "github.com"),
        ] {
            let rules = BrokerRules {
                base_url: Some(base_url.to_owned()),
                ..BrokerRules::default()
            };
            let credential = credential(CredentialType::Git, &[("provider", "github")], rules);
            let found = shown(&credential, Probe::Test).unwrap();
            assert!(found.contains(&format!("//{host}/")), "{base_url}: {found}");
        }
    }

    #[test]
    fn what_has_a_rule_of_its_own_is_asked_for_its_base_url() {
        for (kind, open) in [
            (CredentialType::Generic, vec![]),
            (CredentialType::Tool, vec![("tool_type", "search")]),
            (CredentialType::Gateway, vec![("adapter", "pigeon")]),
        ] {
            let with = credential(kind, &open, with_rule("https://a.example/api"));
            let expected = Some("GET https://a.example/api/".to_owned());
            assert_eq!(shown(&with, Probe::Test), expected);
            assert_eq!(shown(&with, Probe::Models), None);
            let without = credential(kind, &open, BrokerRules::default());
            assert_eq!(template(&without, Probe::Test), None);
        }
    }
}
