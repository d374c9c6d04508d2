use keyward_broker::Redirects;
use keyward_core::Store as _;
use keyward_credentials::{
    BrokerRules, CallError, CredentialName, Credentials as _, FieldPath, UseError, Which,
};
use keyward_crypto::{EncryptedString, Mac, Signed};

use crate::upstream::{Upstream, ok};
use crate::world::{World, request};

#[tokio::test]
async fn a_name_that_several_have_is_refused_and_one_that_nobody_has_too() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    // All credentials of the test have this name.
    let named = || Which::Name(CredentialName::parse("kept").unwrap());
    let ask = || {
        world.broker.relay(
            world.caller(),
            named(),
            Redirects::Passed,
            request("GET", "/x", ""),
        )
    };
    let refused = ask().await.err().unwrap();
    assert!(
        matches!(refused, CallError::Use(UseError::NotFound)),
        "{refused:?}"
    );
    world.model(&upstream.url("/v1"));
    assert!(ask().await.is_ok());
    world.model(&upstream.url("/v1"));
    let refused = ask().await.err().unwrap();
    assert!(
        matches!(refused, CallError::Use(UseError::Ambiguous)),
        "{refused:?}"
    );
    assert_eq!(upstream.received().len(), 1);
}

#[tokio::test]
async fn a_row_that_nobody_of_ours_wrote_is_sent_nowhere_and_stops_no_other() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let [good, moved, swapped] = [(); 3].map(|()| world.model(&upstream.url("/v1")));
    let change = |id, edit: &dyn Fn(&mut keyward_credentials::StoredCredential)| {
        world.store.write(|tx| {
            let mut stored = tx.credential(id)?.unwrap();
            let old = stored.credential.mac().clone();
            edit(&mut stored);
            assert!(tx.replace_credential(&old, &stored.credential)?);
            stored
                .secrets
                .iter()
                .try_for_each(|secret| tx.put_secret(id, secret))
        })
    };
    // Another base URL under the MAC of the old one.
    change(moved, &|stored| {
        let mut row = stored.credential.unverified().clone();
        let open = r#"{"base_url":"http://127.0.0.1:9/v1","provider":"openai"}"#;
        row.open_fields = keyward_credentials::OpenFields::from_stored(open).unwrap();
        let mac: Mac = stored.credential.mac().clone();
        stored.credential = Signed::from_stored(row, mac);
    })
    .unwrap();
    // The secret of another row.
    let other = world.store.read(|tx| tx.credential(good)).unwrap().unwrap();
    let sealed: EncryptedString = other.secrets[0].sealed.clone();
    change(swapped, &|stored| stored.secrets[0].sealed = sealed.clone()).unwrap();

    let asking = [moved, good, swapped, good].map(|id| world.get(id, "/models"));
    let answers = futures_util::future::join_all(asking).await;
    let [moved, first, swapped, second] = &answers[..] else {
        unreachable!()
    };
    for refused in [moved, swapped] {
        assert!(
            matches!(refused, Err(CallError::Use(UseError::Unreadable))),
            "{refused:?}"
        );
    }
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(upstream.received().len(), 2);
}

#[tokio::test]
async fn only_the_secrets_that_a_request_needs_have_to_open() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    world
        .store
        .write(|tx| tx.drop_secret(id, &FieldPath::from_stored("api_key".to_owned())))
        .unwrap();
    let refused = world.get(id, "/models").await;
    assert!(
        matches!(refused, Err(CallError::Use(UseError::NotSet(_)))),
        "{refused:?}"
    );
    let uses = world.events("credential.use");
    assert_eq!(uses[0]["refused"], "the secret `api_key` is not set");
}

#[tokio::test]
async fn the_requests_of_a_minute_are_counted_for_each_credential() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let rules = BrokerRules {
        requests_per_minute: Some(5),
        ..BrokerRules::default()
    };
    let [one, other] = [(); 2].map(|()| world.model_with(&upstream.url("/v1"), rules.clone()));
    for id in [one, other] {
        let asking = (0..30).map(|_| world.get(id, "/models"));
        let answers = futures_util::future::join_all(asking).await;
        let allowed = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(allowed, 5);
    }
    let refused = world.get(one, "/models").await.unwrap_err();
    assert!(
        refused.to_string().contains("requests_per_minute"),
        "{refused}"
    );
    // 18 seconds are left of the minute that the clock shows.
    let CallError::Use(UseError::Refused(by)) = refused else {
        unreachable!()
    };
    let text = format!("{by:?}");
    assert!(text.contains("retry_after: 18"), "{text}");
}
