//! Tries to come to where nobody may go, in as many ways as people have thought of.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[path = "egress/canary.rs"]
mod canary;
#[path = "egress/names.rs"]
mod names;
#[path = "egress/spellings.rs"]
mod spellings;

use std::sync::Arc;

use canary::Canary;
use keyward_broker::{Egress, Forbidden};
use names::{Names, OneAfterTheOther};
use reqwest::{Method, Response, header};

/// What became of a request.
#[derive(Debug)]
enum Outcome {
    NoUrl,
    Refused(Forbidden),
    Failed(reqwest::Error),
    Answered(Response),
}

async fn get(egress: &Egress, url: &str) -> Outcome {
    let Ok(url) = url.parse() else {
        return Outcome::NoUrl;
    };
    let checked = match egress.check(url) {
        Ok(checked) => checked,
        Err(forbidden) => return Outcome::Refused(forbidden),
    };
    let request = egress.request(Method::GET, checked).unwrap();
    match request.send().await {
        Ok(answer) => Outcome::Answered(answer),
        Err(error) => match Forbidden::cause_of(&error) {
            Some(forbidden) => Outcome::Refused(forbidden),
            None => Outcome::Failed(error),
        },
    }
}

fn egress(allowed: &str) -> Egress {
    Egress::with_lookup(allowed.parse().unwrap(), Arc::new(Names))
}

#[tokio::test]
async fn no_spelling_of_a_forbidden_host_is_connected_to() {
    let canary = Canary::new("127.0.0.1").await;
    // With an entry for another address, the names are judged only when they are looked up.
    let (nothing, another) = (egress(""), egress("192.168.77.77, another"));
    let (mut refused, mut no_url) = (0, Vec::new());
    for host in spellings::FORBIDDEN {
        for (egress, scheme) in [(&nothing, "https"), (&nothing, "http"), (&another, "http")] {
            let url = format!("{scheme}://{host}:{}/", canary.port());
            match get(egress, &url).await {
                Outcome::Refused(_) => refused += 1,
                Outcome::NoUrl => no_url.push(host),
                other => panic!("{url}: {other:?}"),
            }
        }
    }
    for url in spellings::ODD_URLS {
        let url = url.replace("PORT", &canary.port().to_string());
        let outcome = get(&nothing, &url).await;
        assert!(matches!(outcome, Outcome::Refused(_)), "{url}: {outcome:?}");
    }
    // The next connections are the first.
    let allowed = egress("127.0.0.1, ::1");
    let addresses = ["127.0.0.1", "[::1]"];
    for address in addresses.into_iter().take(canary.listeners()) {
        let outcome = get(&allowed, &format!("http://{address}:{}/", canary.port())).await;
        assert!(matches!(outcome, Outcome::Answered(_)), "{outcome:?}");
    }
    assert_eq!(canary.connections(), canary.listeners());
    // Most are valid URLs, so it is not the parser alone that keeps them out.
    assert!(refused >= 3 * 100, "{refused}");
    assert!(no_url.len() <= 3 * 12, "{no_url:?}");
}

#[tokio::test]
async fn the_canary_counts_those_that_are_allowed() {
    let canary = Canary::new("127.0.0.1").await;
    let port = canary.port();
    for (count, (allowed, url)) in [
        ("127.0.0.1", format!("http://127.0.0.1:{port}/")),
        ("127.0.0.0/8", format!("http://2130706433:{port}/")),
        ("127.0.0.0/8", format!("http://loopback.example:{port}/")),
        (
            "loopback.example",
            format!("http://LOOPBACK.example:{port}/"),
        ),
        ("localhost", format!("http://localhost:{port}/")),
    ]
    .into_iter()
    .enumerate()
    {
        let outcome = get(&egress(allowed), &url).await;
        assert!(
            matches!(outcome, Outcome::Answered(_)),
            "{url}: {outcome:?}"
        );
        assert_eq!(canary.connections(), count + 1, "{url}");
    }
    // It speaks no TLS, but is connected to.
    let outcome = get(&egress("127.0.0.1"), &format!("https://127.0.0.1:{port}/")).await;
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    assert_eq!(canary.connections(), 6);
}

#[tokio::test]
async fn the_system_is_asked_for_names_and_its_answers_are_judged() {
    let canary = Canary::new("127.0.0.1").await;
    let url = format!("https://localhost:{}/", canary.port());
    let outcome = get(&Egress::new("".parse().unwrap()), &url).await;
    assert!(
        matches!(outcome, Outcome::Refused(Forbidden::Address)),
        "{outcome:?}"
    );
    assert_eq!(canary.connections(), 0);
    let url = format!("http://localhost:{}/", canary.port());
    let outcome = get(&Egress::new("localhost".parse().unwrap()), &url).await;
    assert!(matches!(outcome, Outcome::Answered(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_judged_each_time_and_looked_up_once() {
    let (good, canary) = Canary::pair("127.0.0.2", "127.0.0.1").await;
    let lookup = Arc::new(OneAfterTheOther::new(["127.0.0.2", "127.0.0.1"]));
    let egress = Egress::with_lookup("127.0.0.2".parse().unwrap(), lookup.clone());
    let url = format!("http://rebinding.example:{}/", good.port());

    let first = get(&egress, &url).await;
    assert!(matches!(first, Outcome::Answered(_)), "{first:?}");
    // The address that was judged is the one that was connected to.
    assert_eq!((good.connections(), lookup.lookups()), (1, 1));

    let second = get(&egress, &url).await;
    assert!(
        matches!(second, Outcome::Refused(Forbidden::Address)),
        "{second:?}"
    );
    assert_eq!((canary.connections(), lookup.lookups()), (0, 2));
}

#[tokio::test]
async fn a_redirect_is_not_followed_even_to_where_one_may_go() {
    let canary = Canary::new("127.0.0.1").await;
    let redirecting = Canary::redirecting("127.0.0.2", &canary).await;
    let url = format!("http://127.0.0.2:{}/", redirecting.port());
    let Outcome::Answered(answer) = get(&egress("127.0.0.0/8"), &url).await else {
        panic!("no answer");
    };
    assert_eq!(answer.status(), 302);
    assert_eq!((redirecting.connections(), canary.connections()), (1, 0));
}

#[tokio::test]
async fn http_by_name_never_goes_to_a_public_address() {
    for allowed in ["public.example", "10.0.0.0/8"] {
        let outcome = get(&egress(allowed), "http://public.example/").await;
        assert!(
            matches!(outcome, Outcome::Refused(Forbidden::Clear)),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn an_entry_for_a_name_opens_no_metadata_service() {
    for name in [
        "metadata.example",
        "link-local.example",
        "mixed-metadata.example",
    ] {
        for scheme in ["http", "https"] {
            let outcome = get(&egress(name), &format!("{scheme}://{name}/")).await;
            assert!(
                matches!(outcome, Outcome::Refused(_)),
                "{name}: {outcome:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_not_a_refusal() {
    let Outcome::Failed(error) = get(&egress(""), "https://unknown.example/").await else {
        panic!("not a failure");
    };
    assert!(error.is_connect() && !error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn nothing_is_added_to_a_request_but_what_it_is_fine_with() {
    let canary = Canary::new("127.0.0.1").await;
    let url = format!("http://127.0.0.1:{}/a?b=c", canary.port());
    get(&egress("127.0.0.1"), &url).await;
    let (host, codings) = (format!("host: 127.0.0.1:{}", canary.port()), "gzip");
    let seen = canary.last_request();
    assert_eq!(seen[0], "GET /a?b=c HTTP/1.1");
    let expected = |line: &&String| {
        **line == host || *line == "accept: */*" || line.starts_with("accept-encoding: ")
    };
    assert!(seen[1..].iter().all(|line| expected(&line)), "{seen:?}");
    assert!(seen.iter().any(|line| line.contains(codings)), "{seen:?}");
}

#[tokio::test]
async fn an_answer_that_came_compressed_unasked_is_decoded() {
    for coding in ["gzip", "deflate"] {
        let canary = Canary::compressing("127.0.0.1", coding).await;
        let url = format!("http://127.0.0.1:{}/", canary.port());
        let egress = egress("127.0.0.1");
        let checked = egress.check(url.parse().unwrap()).unwrap();
        let request = egress.request(Method::GET, checked).unwrap();
        let answer = request
            .header(header::ACCEPT_ENCODING, "identity")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers().get(header::CONTENT_ENCODING), None);
        assert_eq!(answer.text().await.unwrap(), canary::TEXT);
        let asked: Vec<_> = canary.last_request();
        let asked: Vec<_> = asked
            .iter()
            .filter(|line| line.contains("encoding"))
            .collect();
        assert_eq!(asked, ["accept-encoding: identity"]);
    }
}
