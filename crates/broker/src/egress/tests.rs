use super::*;

fn egress(allowed: &str) -> Egress {
    Egress::new(allowed.parse().unwrap())
}

fn check(egress: &Egress, url: &str) -> Result<Checked, Forbidden> {
    egress.check(url.parse().unwrap())
}

#[test]
fn https_to_a_public_host_passes_and_is_requested_as_it_is() {
    for url in [
        "https://api.example.com/v1?a=b",
        "https://8.8.8.8:8443/",
        "https://[2600::1]/",
    ] {
        let checked = check(&egress(""), url).unwrap();
        assert_eq!(checked.url().as_str(), url);
    }
}

#[test]
fn what_is_forbidden_about_a_url_is_told_apart() {
    let egress = egress("ollama");
    for (url, expected) in [
        ("ftp://example.com/", Forbidden::Scheme),
        ("file:///etc/passwd", Forbidden::Scheme),
        ("unix:/run/docker.sock", Forbidden::Scheme),
        ("https://user@example.com/", Forbidden::UserInfo),
        ("https://:secret@example.com/", Forbidden::UserInfo),
        ("http://example.com/", Forbidden::Clear),
        ("http://8.8.8.8/", Forbidden::Clear),
        ("https://10.0.0.1/", Forbidden::Address),
        ("http://10.0.0.1/", Forbidden::Address),
        ("http://ollama.example.com/", Forbidden::Clear),
    ] {
        assert_eq!(check(&egress, url).unwrap_err(), expected, "{url}");
    }
}

#[test]
fn http_passes_only_to_what_an_entry_allows() {
    for (allowed, url, passes) in [
        ("ollama", "http://ollama:11434/", true),
        ("10.0.0.1", "http://10.0.0.1/", true),
        ("10.0.0.0/8", "http://10.0.0.1/", true),
        // An operator who writes down a public address may mean the clear.
        ("8.8.8.8", "http://8.8.8.8/", true),
        ("10.0.0.1", "http://10.0.0.2/", false),
        ("ollama", "http://10.0.0.1/", false),
        ("ollama", "http://8.8.8.8/", false),
    ] {
        assert_eq!(
            check(&egress(allowed), url).is_ok(),
            passes,
            "{allowed} {url}"
        );
    }
}

#[test]
fn a_refusal_is_found_at_the_bottom_of_a_chain() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Box<dyn Error + Send + Sync>);

    let refusal = Outer(Box::new(Outer(Box::new(Forbidden::Address))));
    assert_eq!(Forbidden::cause_of(&refusal), Some(Forbidden::Address));
    let unreachable = Outer(Box::new(std::io::Error::other("unreachable")));
    assert_eq!(Forbidden::cause_of(&unreachable), None);
}

#[test]
fn debug_shows_no_path() {
    let checked = check(&egress(""), "https://example.com/secret").unwrap();
    assert_eq!(format!("{checked:?}"), "Checked { scheme: Https, .. }");
}
