//! Nodes that advise each other by a real Redis, whatever happens to it.

#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keyward_auth::{Advice, AdviceName};
use keyward_crypto::MacRing;
use keyward_redis::testing::{SlowWay, TestRedis, liar};
use keyward_redis::{Redis, RedisUrl, Unreachable, reach};

/// What a caller waits at most, and what a busy machine adds.
const LONGEST: Duration = Duration::from_millis(60 + 90);

fn node(url: &str) -> Redis {
    Redis::start(&RedisUrl::parse(url).unwrap(), "one")
}

fn names() -> [AdviceName; 3] {
    let macs = MacRing::parse(MacRing::generate_secret().expose()).unwrap();
    [b"a", b"b", b"c"].map(|part| AdviceName::of(&macs, &[part]))
}

/// Asks until it is so; for what is said without waiting.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How long one question takes.
fn asked(advice: &dyn Advice, names: &[AdviceName]) -> (bool, Duration) {
    let begun = Instant::now();
    let answer = advice.is_limited(names);
    (answer, begun.elapsed())
}

/// Nobody waits longer than is promised, and after the first nobody waits at all. The node knows that
/// its Redis is not well.
fn goes_on_without(node: &Redis, names: &[AdviceName]) {
    let begun = Instant::now();
    let mut waited = 0;
    for _ in 0..200 {
        let (answer, took) = asked(&*node.advice(), names);
        assert!(!answer && took < LONGEST, "{answer} {took:?}");
        waited += usize::from(took > Duration::from_millis(20));
    }
    assert!(waited <= 2, "{waited} of 200 have waited");
    assert!(begun.elapsed() < LONGEST * 3);
    until("the node notices", || !node.is_well());
    assert_eq!(node.advice().claim(names), vec![true; names.len()]);
}

#[test]
fn what_one_node_says_another_knows_and_another_installation_does_not() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let (one, other) = (node(&redis.url()), node(&redis.url()));
    let stranger = Redis::start(&RedisUrl::parse(&redis.url()).unwrap(), "another");
    assert!(one.is_well() && other.is_well() && stranger.is_well());
    let names = names();
    assert!(!other.advice().is_limited(&names));

    one.advice().limited(&names[1], 60);
    until("what was said", || other.advice().is_limited(&names));
    assert!(!other.advice().is_limited(&names[..1]), "another name");
    assert!(!stranger.advice().is_limited(&names));

    other.advice().withdraw(&names[1..2]);
    until("what was taken back", || !one.advice().is_limited(&names));

    one.advice().limited(&names[0], 1);
    until("what was said", || other.advice().is_limited(&names));
    until("its end", || !other.advice().is_limited(&names));

    assert_eq!(one.advice().claim(&names[..2]), [true, true]);
    assert_eq!(other.advice().claim(&names), [false, false, true]);
    assert_eq!(stranger.advice().claim(&names), [true, true, true]);
    for node in [one, other, stranger] {
        node.stop();
    }
}

#[test]
fn a_change_of_keys_wakes_every_node_and_a_flood_wakes_ten_times_a_second() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let wakes: [Arc<AtomicUsize>; 2] = Default::default();
    let nodes = wakes.clone().map(|wakes| {
        node(&redis.url()).waking(move || {
            wakes.fetch_add(1, Ordering::SeqCst);
        })
    });
    let count = |node: usize| wakes[node].load(Ordering::SeqCst);
    // Each once, when it listens.
    until("listeners", || count(0) == 1 && count(1) == 1);
    nodes[0].advice().keys_changed();
    until("wakes", || count(0) == 2 && count(1) == 2);

    let begun = Instant::now();
    for _ in 0..2_000 {
        redis.ask(&["PUBLISH", "keyward:one:keys", "nonsense"]);
    }
    std::thread::sleep(Duration::from_millis(500));
    let at_most = 3 + usize::try_from(begun.elapsed().as_millis() / 100).unwrap();
    let woken = count(0) - 2;
    assert!(woken > 1 && woken <= at_most, "{woken} of {at_most}");

    redis.restart();
    let before = count(1);
    until("a listener that came back", || count(1) > before);
    let [one, other] = nodes;
    one.stop();
    other.stop();
}

#[test]
fn what_a_command_says_right_before_its_end_is_heard() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    for _ in 0..20 {
        let watch = redis.watch();
        let command = node(&redis.url());
        command.advice().keys_changed();
        command.stop();
        until("the message", || watch.seen().contains("PUBLISH"));
    }
}

#[test]
fn a_redis_that_is_killed_is_missed_by_nobody_and_found_again() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let node = node(&redis.url());
    let names = names();
    node.advice().limited(&names[0], 60);
    until("what was said", || node.advice().is_limited(&names));
    redis.kill();
    goes_on_without(&node, &names);
    redis.restart();
    until("it is well again", || node.is_well());
    node.advice().limited(&names[0], 60);
    until("what was said", || node.advice().is_limited(&names));
    node.stop();
}

#[test]
fn a_redis_that_stands_still_is_left_alone_until_it_goes_on() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let node = node(&redis.url());
    let names = names();
    node.advice().limited(&names[0], 60);
    until("what was said", || node.advice().is_limited(&names));
    redis.freeze();
    goes_on_without(&node, &names);
    redis.thaw();
    until("it is well again", || node.is_well());
    until("what was said before", || node.advice().is_limited(&names));
    redis.freeze();
    let begun = Instant::now();
    node.stop();
    assert!(begun.elapsed() < Duration::from_secs(3), "hangs at its end");
}

#[test]
fn many_who_ask_a_redis_that_stands_still_wait_once() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let node = node(&redis.url());
    let (advice, names) = (node.advice(), names());
    redis.freeze();
    let begun = Instant::now();
    let slowest = std::thread::scope(|scope| {
        let ask = || (0..50).map(|_| asked(&*advice, &names).1).max().unwrap();
        let threads: Vec<_> = (0..32).map(|_| scope.spawn(ask)).collect();
        let slowest = threads.into_iter().map(|one| one.join().unwrap());
        slowest.max().unwrap()
    });
    assert!(slowest < LONGEST, "{slowest:?}");
    assert!(begun.elapsed() < LONGEST * 2, "they have waited in a row");
    node.stop();
}

#[test]
fn what_cannot_be_said_is_dropped_and_nobody_waits() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let node = node(&redis.url());
    let names = names();
    redis.freeze();
    let begun = Instant::now();
    for _ in 0..100_000 {
        node.advice().limited(&names[0], 60);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(asked(&*node.advice(), &names).1 < LONGEST);
    node.stop();
}

#[test]
fn a_redis_half_a_second_away_is_left_alone() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let near = SlowWay::to(&redis, Duration::from_millis(1));
    let control = node(&near.url());
    assert!(control.is_well(), "the way itself is no hindrance");
    control.stop();
    let far = SlowWay::to(&redis, Duration::from_millis(500));
    let node = node(&far.url());
    assert!(!node.is_well());
    goes_on_without(&node, &names());
    node.stop();
}

#[test]
fn what_others_put_into_redis_is_never_read() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let node = node(&redis.url());
    let names = names();
    let key = format!("keyward:one:limited:{}", names[0].as_str());
    redis.ask(&["RPUSH", &key, "a list", "of nonsense"]);
    assert!(node.advice().is_limited(&names), "it is there");
    node.advice().limited(&names[0], 60);
    until("it is written over", || redis.dump().contains("\"string\""));
    redis.ask(&["FLUSHALL"]);
    assert!(!node.advice().is_limited(&names));
    let claim = format!("keyward:one:claimed:{}", names[1].as_str());
    redis.ask(&["HSET", &claim, "a", "hash"]);
    assert_eq!(node.advice().claim(&names), [true, false, true]);
    assert!(node.is_well());

    // Full, it takes no more; that is no reason to wait, either.
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    node.advice().limited(&names[0], 60);
    until("the node notices", || !node.is_well());
    goes_on_without(&node, &names);
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    until("it is well again", || node.is_well());
    node.stop();
}

#[test]
fn whatever_answers_instead_of_redis_changes_nothing() {
    let answers: [&[u8]; 8] = [
        b"",
        b"+OK\r\n",
        b":1\r\n",
        b"*1000000000\r\n",
        b"$9000000000\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\0\0\0\0\xff\xff\xff\xff",
        b"-MOVED 1 127.0.0.1:1\r\n",
    ];
    for answer in answers {
        let url = liar(answer);
        let begun = Instant::now();
        let node = node(&url);
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "a start that hangs"
        );
        assert!(!node.is_well(), "{answer:?}");
        goes_on_without(&node, &names());
        node.stop();
        let outcome = reach(&RedisUrl::parse(&url).unwrap(), Duration::from_secs(2));
        assert!(outcome.is_err(), "{answer:?}");
    }
}

#[test]
fn a_password_is_asked_for_and_why_redis_is_of_no_use_is_said() {
    let Some(redis) = TestRedis::with(&["--requirepass", "a-password"]) else {
        return;
    };
    let patience = Duration::from_secs(5);
    let at = |login: &str| {
        let url = redis.url().replace("://", &format!("://{login}"));
        reach(&RedisUrl::parse(&url).unwrap(), patience)
    };
    assert_eq!(at(":a-password@"), Ok(()));
    assert_eq!(at("default:a-password@"), Ok(()));
    assert_eq!(at(":another@"), Err(Unreachable::Login));
    assert_eq!(at("nobody:a-password@"), Err(Unreachable::Login));
    assert_eq!(at(""), Err(Unreachable::Login));
    let nobody = RedisUrl::parse("redis://127.0.0.1:1").unwrap();
    assert_eq!(reach(&nobody, patience), Err(Unreachable::Disconnected));
    redis.freeze();
    let url = RedisUrl::parse(&redis.url()).unwrap();
    assert_eq!(reach(&url, patience), Err(Unreachable::Late));
}

#[test]
fn a_socket_is_as_good_as_a_port() {
    let Some(redis) = TestRedis::with(&["--unixsocket", "socket"]) else {
        return;
    };
    let node = node(&format!("unix://{}", redis.path("socket").display()));
    assert!(node.is_well());
    let names = names();
    node.advice().limited(&names[0], 60);
    until("what was said", || node.advice().is_limited(&names));
    node.stop();
}
