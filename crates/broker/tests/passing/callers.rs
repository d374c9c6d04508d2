use keyward_auth::ApiKeys as _;
use keyward_broker::Redirects;
use keyward_core::{Store as _, StoreError};
use keyward_credentials::{CallError, Caller, UseError, Which};
use keyward_crypto::{ApiKey, ApiKeyKind};

use crate::upstream::{Upstream, ok};
use crate::world::{NOW, World, request};

#[tokio::test]
async fn a_key_that_nobody_has_or_that_was_revoked_uses_nothing() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    let stranger = Caller::Key {
        key: ApiKey::generate(ApiKeyKind::Agent),
        request: None,
    };
    let asked = world.broker.relay(
        stranger,
        Which::Id(id),
        Redirects::Passed,
        request("GET", "/x", ""),
    );
    let refused = asked.await.err().unwrap();
    assert!(
        matches!(refused, CallError::Use(UseError::Rejected)),
        "{refused:?}"
    );

    assert!(world.get(id, "/models").await.is_ok());
    world.change_key(|record| record.revoked_at = Some(NOW));
    let refused = world.get(id, "/models").await;
    assert!(
        matches!(refused, Err(CallError::Use(UseError::Rejected))),
        "{refused:?}"
    );
    assert_eq!(upstream.received().len(), 1);
    assert_eq!(world.events("credential.use").len(), 1);
}

#[tokio::test]
async fn a_key_without_the_scope_uses_nothing() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    world.change_key(|record| record.scopes = [keyward_auth::Scope::Read].into_iter().collect());
    let refused = world.get(id, "/models").await.unwrap_err();
    assert!(refused.to_string().contains("credentials:use"), "{refused}");
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn of_many_that_ask_at_once_those_without_a_key_stop_nobody() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    let asking = (0..40).map(|number| {
        let caller = if number % 2 == 0 {
            world.caller()
        } else {
            Caller::Key {
                key: ApiKey::generate(ApiKeyKind::User),
                request: None,
            }
        };
        world.broker.relay(
            caller,
            Which::Id(id),
            Redirects::Passed,
            request("GET", "/x", ""),
        )
    });
    let answers = futures_util::future::join_all(asking).await;
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.is_ok(), number % 2 == 0, "{number}");
    }
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_and_its_request_is_in_the_log() {
    let upstream = Upstream::answering(|_| ok(b""));
    let world = World::new();
    let id = world.model(&upstream.url("/v1"));
    world.get(id, "/models").await.unwrap();
    assert_eq!(world.requests(), ["request-1"]);
    world.last_used.flush(&world.store).unwrap();
    let listed: Result<_, StoreError> = world
        .store
        .read(|tx| tx.api_keys_of(world.user.id, None, 9));
    assert!(listed.unwrap()[0].last_used_at.is_some());
}
