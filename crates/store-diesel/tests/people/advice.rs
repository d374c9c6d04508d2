//! What other nodes say changes no decision: it saves a write where the database agrees.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keyward_auth::{Advice, AdviceName, LimitSubject, LoginError, MfaError, Role, SecondFactor};
use keyward_core::Store as _;
use keyward_crypto::LoginTicket;
use keyward_store_diesel::testing::TestDatabase;

use crate::support::on_both;
use crate::world::{Person, World, in_parallel, visitor, visitor_from};

on_both![
    an_attempt_that_is_limited_is_refused_while_nobody_can_write,
    advice_that_is_wrong_neither_refuses_nor_allows,
    with_any_advice_five_of_a_thousand_wrong_codes_are_evaluated,
    a_look_at_a_ticket_is_no_try_of_it,
    passwords_are_refused_by_account_and_network_as_without_advice,
];

/// What nodes say to each other, in memory, and lies about it.
#[derive(Default)]
struct Board {
    said: Mutex<HashMap<AdviceName, i64>>,
    lie: Option<bool>,
    asked: Mutex<usize>,
    withdrawn: Mutex<usize>,
}

impl Board {
    fn lying(limited: bool) -> Arc<Self> {
        Arc::new(Self {
            lie: Some(limited),
            ..Self::default()
        })
    }

    fn said(&self) -> usize {
        self.said.lock().unwrap().len()
    }

    fn withdrawn(&self) -> usize {
        *self.withdrawn.lock().unwrap()
    }
}

impl Advice for Board {
    fn is_limited(&self, names: &[AdviceName]) -> bool {
        *self.asked.lock().unwrap() += 1;
        let said = self.said.lock().unwrap();
        self.lie
            .unwrap_or_else(|| names.iter().any(|name| said.contains_key(name)))
    }

    fn limited(&self, name: &AdviceName, seconds: i64) {
        assert!(seconds > 0, "{seconds}");
        self.said.lock().unwrap().insert(name.clone(), seconds);
    }

    fn withdraw(&self, names: &[AdviceName]) {
        *self.withdrawn.lock().unwrap() += 1;
        let mut said = self.said.lock().unwrap();
        for name in names {
            said.remove(name);
        }
    }

    fn claim(&self, names: &[AdviceName]) -> Vec<bool> {
        vec![true; names.len()]
    }

    fn keys_changed(&self) {}
}

/// Holds what every write waits for, while `work` runs.
fn while_nobody_writes(world: &World, person: &Person, work: impl FnOnce() + Send) {
    let subject = LimitSubject::totp(person.id);
    world
        .store
        .write(|tx| {
            // On PostgreSQL, the row; on SQLite, the database.
            keyward_auth::AttemptLimits::forgive_attempt(
                tx,
                &subject,
                &keyward_auth::AttemptPolicy::TOTP,
            )?;
            std::thread::scope(|scope| scope.spawn(work).join().unwrap());
            Err::<(), _>(keyward_core::StoreError::Unavailable("roll back".into()))
        })
        .unwrap_err();
}

fn guess(world: &World, person: &Person, ticket: &LoginTicket) -> LoginError {
    let wrong = SecondFactor::Code(world.wrong_code(&person.app));
    world.second_step(ticket, &wrong).unwrap_err()
}

fn an_attempt_that_is_limited_is_refused_while_nobody_can_write(database: &TestDatabase) {
    let plain = World::new(database);
    let board = Arc::new(Board::default());
    let world = plain.advised(board.clone());
    let person = world.enrolled(Role::Normal);
    let [ticket, _] = [(); 2].map(|()| world.ticket(&person));
    for _ in 0..4 {
        assert!(matches!(
            guess(&world, &person, &ticket),
            LoginError::Rejected
        ));
    }
    let code = world.wrong_code(&person.app);
    let permit = world.permit(&person.session).unwrap();
    assert!(world.mfa().step_up(&permit, code).is_err());
    assert_eq!(board.said(), 0, "nothing is limited yet");

    // The first refusal is by the database, for each way of asking, and then is said.
    assert!(matches!(
        guess(&world, &person, &ticket),
        LoginError::Limited(60)
    ));
    assert_eq!(board.said(), 1);
    world.clock.advance(7);
    while_nobody_writes(&world, &person, || {
        let begun = Instant::now();
        for _ in 0..100 {
            assert!(matches!(
                guess(&world, &person, &ticket),
                LoginError::Limited(53)
            ));
        }
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "waited for a lock"
        );
    });
    assert_eq!(board.withdrawn(), 0);

    world.clock.advance(53);
    assert!(matches!(
        guess(&world, &person, &ticket),
        LoginError::Rejected
    ));
    assert_eq!(board.withdrawn(), 1, "the database knew better");
}

fn advice_that_is_wrong_neither_refuses_nor_allows(database: &TestDatabase) {
    let plain = World::new(database);
    for limited in [true, false] {
        let world = plain.advised(Board::lying(limited));
        let person = world.enrolled(Role::Normal);
        let ticket = world.ticket(&person);
        let code = SecondFactor::Code(world.code(&person.app));
        assert!(world.second_step(&ticket, &code).is_ok(), "{limited}");
        let ticket = world.ticket(&person);
        let outcomes: Vec<_> = (0..7).map(|_| guess(&world, &person, &ticket)).collect();
        let limited_from = outcomes
            .iter()
            .position(|one| matches!(one, LoginError::Limited(_)));
        // The code that was right was given back; a ticket has five tries.
        let tries = outcomes
            .iter()
            .filter(|one| matches!(one, LoginError::Rejected));
        assert!(tries.count() >= 5, "{limited}: {outcomes:?}");
        assert!(limited_from.is_none_or(|first| first >= 5), "{outcomes:?}");
        plain.clock.advance(120);
    }
}

fn with_any_advice_five_of_a_thousand_wrong_codes_are_evaluated(database: &TestDatabase) {
    let plain = World::new(database);
    let boards = [
        Board::lying(true),
        Board::lying(false),
        Arc::new(Board::default()),
    ];
    for board in boards {
        let world = plain.advised(board.clone());
        let person = world.enrolled(Role::Normal);
        let permit = world.permit(&person.session).unwrap();
        let outcomes = in_parallel(16, 1_000, |_| {
            let code = world.wrong_code(&person.app);
            world.mfa().step_up(&permit, code).unwrap_err()
        });
        let evaluated = outcomes
            .iter()
            .filter(|one| matches!(one, MfaError::Code(keyward_auth::CodeError::Rejected)));
        assert_eq!(evaluated.count(), 5, "{:?}", board.lie);
        let state = world.attempts(&LimitSubject::totp(person.id));
        assert_eq!((state.fails, state.window_count), (5, 5));
        assert_eq!(*board.asked.lock().unwrap() % 1_000, 2, "asked each time");
        plain.clock.advance(120);
    }
}

fn a_look_at_a_ticket_is_no_try_of_it(database: &TestDatabase) {
    let plain = World::new(database);
    let board = Arc::new(Board::default());
    let world = plain.advised(board.clone());
    let person = world.enrolled(Role::Normal);
    let first = world.ticket(&person);
    for _ in 0..5 {
        guess(&world, &person, &first);
    }
    let other = world.ticket(&person);
    for _ in 0..50 {
        assert!(matches!(
            guess(&world, &person, &other),
            LoginError::Limited(_)
        ));
    }
    world.clock.advance(60);
    let code = SecondFactor::Code(world.code(&person.app));
    assert!(world.second_step(&other, &code).is_ok());

    // A ticket that is worth nothing is refused as such, whatever is said of it.
    let liar = plain.advised(Board::lying(true));
    assert!(matches!(
        guess(&liar, &person, &other),
        LoginError::Rejected
    ));
}

fn passwords_are_refused_by_account_and_network_as_without_advice(database: &TestDatabase) {
    let plain = World::new(database);
    let board = Arc::new(Board::default());
    let worlds = [
        World::new(database),
        plain.advised(board.clone()),
        plain.advised(Board::lying(true)),
        plain.advised(Board::lying(false)),
    ];
    let wrong = || keyward_crypto::Password::new_secret("a wrong password".to_owned().into());
    let outcomes = worlds.map(|world| {
        let user = world.add(Role::Normal).unverified().clone();
        let source = format!("192.0.2.{}", user.id);
        let mut seen = Vec::new();
        let mut attempt = |name: &keyward_auth::Username, source: &str| {
            let outcome =
                world
                    .login()
                    .with_password(name, &wrong().unwrap(), &visitor_from(source));
            seen.push(match outcome.unwrap_err() {
                LoginError::Rejected => "rejected".to_owned(),
                LoginError::Limited(seconds) => format!("limited for {seconds}"),
                other => panic!("{other:?}"),
            });
        };
        for _ in 0..8 {
            attempt(&user.username, &source);
        }
        attempt(&user.username, &visitor().source);
        // Until the network itself is limited, for whatever name.
        for n in 0..100 {
            let name = keyward_auth::Username::parse(&format!("nobody{n}")).unwrap();
            attempt(&name, &source);
        }
        let known = world.add(Role::Normal).unverified().clone();
        attempt(&known.username, &source);
        seen
    });
    let [without, rest @ ..] = &outcomes;
    assert!(
        without[..5].iter().all(|one| one == "rejected"),
        "{without:?}"
    );
    assert!(without[5..8].iter().all(|one| one.starts_with("limited")));
    assert_eq!(without[8], "rejected", "from elsewhere");
    assert!(
        without.last().unwrap().starts_with("limited"),
        "{without:?}"
    );
    for other in rest {
        assert_eq!(other, without);
    }
    assert_eq!(board.said(), 2, "the account from there, and the network");
}
