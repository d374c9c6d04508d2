use keyward_auth::{
    CodeError, LimitSubject, LoginError, MfaError, Role, SecondFactor, SecondFactors as _,
};
use keyward_core::Store as _;
use keyward_crypto::{LoginTicket, RecoveryCode, TotpCode};
use keyward_store_diesel::testing::TestDatabase;

use crate::support::on_both;
use crate::world::{Person, World, in_parallel, rounds, storage_works};

on_both![
    of_a_thousand_calls_with_one_code_one_succeeds,
    of_a_thousand_wrong_codes_five_are_evaluated,
    of_a_hundred_calls_with_one_recovery_code_one_succeeds,
    of_a_hundred_calls_with_one_ticket_one_succeeds,
    a_factor_is_turned_off_while_others_log_in,
    a_code_that_was_used_for_one_thing_is_used_for_all,
    used_codes_are_no_guesses,
];

fn of_a_thousand_calls_with_one_code_one_succeeds(database: &TestDatabase) {
    let world = World::new(database);
    for round in 0..rounds(3) {
        let person = world.enrolled(Role::Normal);
        let tickets: Vec<_> = (0..8).map(|_| world.ticket(&person)).collect();
        let code = world.code(&person.app);
        let outcomes = in_parallel(32, 1_000, |n| {
            // Another mixture in each round, so that each of them wins at times.
            let kind = (n + round) % 4;
            present(
                &world,
                &person,
                &tickets[n / 4 % tickets.len()],
                &code,
                kind,
            )
        });
        assert_eq!(succeeded(&outcomes), 1, "round {round}");
        let state = world.attempts(&LimitSubject::totp(person.id));
        let secrets = world.store.read(|tx| tx.totp_secrets(person.id)).unwrap();
        // Where there is no factor any more, every code is wrong.
        let guesses = if secrets.active.is_some() { 0 } else { 5 };
        assert!(state.fails <= guesses, "a used code was counted as a guess");
        assert!(state.window_count <= 5);
    }
}

fn of_a_thousand_wrong_codes_five_are_evaluated(database: &TestDatabase) {
    let world = World::new(database);
    for round in 0..rounds(2) {
        let person = world.enrolled(Role::Normal);
        let tickets: Vec<_> = (0..8).map(|_| world.ticket(&person)).collect();
        let wrong = world.wrong_code(&person.app);
        let before = world.attempts(&LimitSubject::totp(person.id));
        assert_eq!((before.fails, before.window_count), (0, 0));
        let outcomes = in_parallel(32, 1_000, |n| {
            present(
                &world,
                &person,
                &tickets[n / 4 % tickets.len()],
                &wrong,
                n % 4,
            )
        });
        assert_eq!(succeeded(&outcomes), 0);
        let evaluated = outcomes.iter().filter(|one| **one == Presented::Wrong);
        assert_eq!(evaluated.count(), 5, "round {round}");
        let state = world.attempts(&LimitSubject::totp(person.id));
        assert_eq!((state.fails, state.window_count), (5, 5), "round {round}");
        assert_eq!(state.last_step, before.last_step);
    }
}

fn of_a_hundred_calls_with_one_recovery_code_one_succeeds(database: &TestDatabase) {
    let world = World::new(database);
    for round in 0..rounds(3) {
        let person = world.enrolled(Role::Normal);
        let tickets: Vec<_> = (0..20).map(|_| world.ticket(&person)).collect();
        let code = person.recovery_codes[round % 10].expose();
        let before = world.sessions_of(person.id);
        let outcomes = in_parallel(25, 100, |n| {
            let factor = SecondFactor::Recovery(RecoveryCode::parse(code).unwrap());
            logged_in(&world, &tickets[n % tickets.len()], &factor)
        });
        assert_eq!(succeeded(&outcomes), 1, "round {round}");
        assert_eq!(world.sessions_of(person.id), before + 1);
        let left = world.store.read(|tx| tx.recovery_codes(person.id));
        assert_eq!(left.unwrap().len(), 9);
        // A code that is gone by the time of the attempt is as wrong as any other.
        let state = world.attempts(&LimitSubject::recovery(person.id));
        assert!(state.fails <= 5 && state.window_count <= 5, "{state:?}");
    }
}

fn of_a_hundred_calls_with_one_ticket_one_succeeds(database: &TestDatabase) {
    let world = World::new(database);
    for round in 0..rounds(5) {
        let person = world.enrolled(Role::Normal);
        let ticket = world.ticket(&person);
        let code = world.code(&person.app);
        let before = world.sessions_of(person.id);
        let outcomes = in_parallel(25, 100, |_| {
            logged_in(&world, &ticket, &SecondFactor::Code(copy(&code)))
        });
        assert_eq!(succeeded(&outcomes), 1, "round {round}");
        assert_eq!(world.sessions_of(person.id), before + 1);
        let recovery = RecoveryCode::parse(person.recovery_codes[0].expose()).unwrap();
        let again = logged_in(&world, &ticket, &SecondFactor::Recovery(recovery));
        assert_eq!(
            again,
            Presented::Wrong,
            "a ticket that was used opens nothing"
        );
    }
}

fn a_code_that_was_used_for_one_thing_is_used_for_all(database: &TestDatabase) {
    let world = World::new(database);
    for first in 0..4 {
        for second in 0..4 {
            let person = world.enrolled(Role::Normal);
            let tickets = [world.ticket(&person), world.ticket(&person)];
            let code = world.code(&person.app);
            let outcomes = [(first, &tickets[0]), (second, &tickets[1])]
                .map(|(kind, ticket)| present(&world, &person, ticket, &code, kind));
            assert_eq!(outcomes[0], Presented::Right, "{first}");
            assert_ne!(outcomes[1], Presented::Right, "{first} {second}");
        }
    }
}

fn used_codes_are_no_guesses(database: &TestDatabase) {
    let world = World::new(database);
    let person = world.enrolled(Role::Normal);
    let subject = LimitSubject::totp(person.id);
    let code = world.code(&person.app);
    let ticket = world.ticket(&person);
    assert_eq!(
        present(&world, &person, &ticket, &code, 1),
        Presented::Right
    );
    for used in 1..=5 {
        assert_eq!(
            present(&world, &person, &ticket, &code, 1),
            Presented::Wrong
        );
        let state = world.attempts(&subject);
        assert_eq!((state.fails, state.window_count), (0, used));
    }
    assert_eq!(
        present(&world, &person, &ticket, &code, 1),
        Presented::Limited
    );
}

/// Who turns a second factor off ends the logins that have begun, while these wait for the row that
/// counts the attempts.
fn a_factor_is_turned_off_while_others_log_in(database: &TestDatabase) {
    let world = World::new(database);
    for round in 0..rounds(15) {
        let person = world.enrolled(Role::Normal);
        let tickets: Vec<_> = (0..6).map(|_| world.ticket(&person)).collect();
        let (code, wrong) = (world.code(&person.app), world.wrong_code(&person.app));
        let outcomes = in_parallel(7, 7, |n| match tickets.get(n) {
            Some(ticket) => logged_in(&world, ticket, &SecondFactor::Code(copy(&wrong))),
            None => present(&world, &person, &tickets[0], &code, 2),
        });
        assert!(succeeded(&outcomes) <= 1, "round {round}");
    }
}

/// What became of a code.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Presented {
    Right,
    Wrong,
    Limited,
    /// The session ended before the code was looked at.
    LoggedOut,
}

/// Gives the code at one of the four places that take one.
fn present(
    world: &World,
    person: &Person,
    ticket: &LoginTicket,
    code: &TotpCode,
    place: usize,
) -> Presented {
    if place == 0 {
        return logged_in(world, ticket, &SecondFactor::Code(copy(code)));
    }
    let Some(permit) = world.permit(&person.session) else {
        return Presented::LoggedOut;
    };
    let outcome = match place {
        1 => world.mfa().step_up(&permit, copy(code)).map(drop),
        2 => world.mfa().disable(&permit, copy(code)),
        _ => world
            .mfa()
            .renew_recovery_codes(&permit, copy(code))
            .map(drop),
    };
    storage_works(&outcome);
    match outcome {
        Ok(()) => Presented::Right,
        Err(MfaError::Code(CodeError::Rejected)) => Presented::Wrong,
        Err(MfaError::Code(CodeError::Limited(_))) => Presented::Limited,
        Err(other) => panic!("{other:?}"),
    }
}

fn logged_in(world: &World, ticket: &LoginTicket, factor: &SecondFactor) -> Presented {
    let outcome = world.second_step(ticket, factor);
    storage_works(&outcome);
    match outcome {
        Ok(_) => Presented::Right,
        Err(LoginError::Rejected) => Presented::Wrong,
        Err(LoginError::Limited(_)) => Presented::Limited,
        Err(other) => panic!("{other:?}"),
    }
}

fn succeeded(outcomes: &[Presented]) -> usize {
    outcomes
        .iter()
        .filter(|one| **one == Presented::Right)
        .count()
}

fn copy(code: &TotpCode) -> TotpCode {
    TotpCode::parse(code.expose()).unwrap()
}
