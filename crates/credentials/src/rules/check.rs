use crate::change::is_base_url;
use crate::fields::{FieldKind, is_member_name};
use crate::rules::reserved::is_reserved;
use crate::rules::{AuthRule, BrokerRules, RequestPath};
use crate::{CredentialType, FieldProblem, Problem};

/// What is wrong with rules for a credential of the type `kind`.
pub(crate) fn problems(rules: &BrokerRules, kind: CredentialType) -> Vec<FieldProblem> {
    let mut found = Found(Vec::new());
    if let Some(url) = &rules.base_url {
        found.check("base_url", base_url(url, kind));
    }
    if let Some(auth) = &rules.auth {
        for (member, field) in auth.fields() {
            found.check(member, names_a_secret(kind, field));
        }
        auth_problems(auth, &mut found);
    }
    if let Some(methods) = &rules.methods {
        found.check("methods", length(methods.len(), MAX_METHODS));
        for (place, method) in methods.iter().enumerate() {
            found.check(&format!("methods[{place}]"), is_method(method));
        }
    }
    if let Some(paths) = &rules.paths {
        found.check("paths", length(paths.len(), MAX_PATHS));
        for (place, path) in paths.iter().enumerate() {
            found.check(&format!("paths[{place}]"), is_prefix(path));
        }
    }
    if let Some(bytes) = rules.max_body_bytes {
        found.check("max_body_bytes", range(bytes, 0, MAX_NUMBER));
    }
    if let Some(requests) = rules.requests_per_minute {
        let requests = u64::from(requests);
        found.check("requests_per_minute", range(requests, 1, MAX_REQUESTS));
    }
    found.0
}

struct Found(Vec<FieldProblem>);

impl Found {
    fn check(&mut self, member: &str, checked: Result<(), Problem>) {
        if let Err(problem) = checked {
            let field = format!("broker.{member}");
            self.0.push(FieldProblem::new(field, problem));
        }
    }
}

fn base_url(url: &str, kind: CredentialType) -> Result<(), Problem> {
    if kind == CredentialType::Llm {
        // Its own field says where the secret goes; there must not be two answers.
        return Err(Problem::ElsewhereBaseUrl);
    }
    ensure(url.len() <= 2_048 && is_base_url(url), Problem::Url)
}

fn auth_problems(auth: &AuthRule, found: &mut Found) {
    match auth {
        AuthRule::Header(rule) => {
            let name = rule.name.to_ascii_lowercase();
            let free = is_member_name(&name) && !is_reserved(&name);
            found.check("auth.header.name", ensure(free, Problem::ReservedHeader));
            found.check("auth.header.prefix", printable(&rule.prefix, 0));
        }
        AuthRule::Query(rule) => found.check("auth.query.name", printable(&rule.name, 1)),
        AuthRule::Basic(rule) => {
            let one = rule.username.is_some() != rule.username_field.is_some();
            found.check("auth.basic", ensure(one, Problem::OneUsername));
            if let Some(name) = &rule.username {
                // A colon ends the user name (RFC 7617 §2).
                let checked = printable(name, 0)
                    .and_then(|()| ensure(!name.contains(':'), Problem::Character));
                found.check("auth.basic.username", checked);
            }
        }
    }
}

/// Whether credentials of the type can have a secret of this name.
fn names_a_secret(kind: CredentialType, path: &str) -> Result<(), Problem> {
    let (name, member) = path
        .split_once('.')
        .filter(|_| kind != CredentialType::Generic)
        .map_or((path, None), |(name, member)| (name, Some(member)));
    let is_secret = match (kind.field(name).map(|field| field.kind), member) {
        (Some(FieldKind::Secret(_)), None) => true,
        (Some(FieldKind::SecretMap(_)), Some(member)) => is_member_name(member),
        _ => false,
    };
    ensure(is_secret, Problem::NoSuchSecret)
}

fn is_method(method: &str) -> Result<(), Problem> {
    let is_name =
        (1..=20).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase());
    ensure(
        is_name && !matches!(method, "CONNECT" | "TRACE"),
        Problem::Method,
    )
}

fn is_prefix(path: &str) -> Result<(), Problem> {
    let plain = path.starts_with('/')
        && path.len() <= 1_024
        && path.bytes().all(|byte| byte.is_ascii_graphic())
        && !path.contains(['?', '#', '%', '\\'])
        && RequestPath::parse(path).is_ok();
    ensure(plain, Problem::PathPrefix)
}

fn printable(text: &str, min: usize) -> Result<(), Problem> {
    let length = (min..=128).contains(&text.len());
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    ensure(length, Problem::Length).and_then(|()| ensure(plain, Problem::Character))
}

fn length(of: usize, max: usize) -> Result<(), Problem> {
    ensure((1..=max).contains(&of), Problem::Length)
}

fn range(number: u64, min: u64, max: u64) -> Result<(), Problem> {
    ensure((min..=max).contains(&number), Problem::Range)
}

fn ensure(holds: bool, problem: Problem) -> Result<(), Problem> {
    holds.then_some(()).ok_or(problem)
}

const MAX_METHODS: usize = 16;
const MAX_PATHS: usize = 64;
const MAX_REQUESTS: u64 = 1_000_000;
/// What every client can read back: the largest integer that a double holds exactly.
const MAX_NUMBER: u64 = (1 << 53) - 1;
