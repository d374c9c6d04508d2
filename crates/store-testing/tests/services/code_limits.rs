//! Wrong codes lock, are told of, and end the factor.

use std::sync::Arc;

use keyward_auth::{
    Any, AttemptLimits as _, AttemptPolicy, CodeError, Environment, Host, LimitSubject, LoggedIn,
    Login, LoginError, ManageMfa, MfaError, Permit, SecondFactor, User,
};
use keyward_core::Store as _;
use keyward_crypto::{LoginTicket, TotpCode, TotpSecret};
use keyward_store_testing::MemoryStore;

use crate::told::Told;
use crate::world::{World, password, username, visitor};

const DAY: i64 = 86_400;

/// Somebody with an authenticator app, and with a key that asks for codes.
struct Person {
    world: World,
    user: User,
    app: TotpSecret,
    permit: Permit<Any>,
}

impl Person {
    fn new() -> Self {
        let world = World::new();
        let user = world.add_user("ada", |_| {});
        let (app, _) = world.enrol(&user);
        let permit = world.permit(&world.add_key(&user, |_| {}));
        Self {
            world,
            user,
            app,
            permit,
        }
    }

    fn right(&self) -> TotpCode {
        self.app.code_at(self.world.now().0)
    }

    /// A code that fits neither now nor a step before.
    fn wrong(&self) -> TotpCode {
        let now = self.world.now().0;
        let taken = [0, 30].map(|late| self.app.code_at(now - late).expose().to_owned());
        let candidates = ["111111", "222222", "333333"];
        let wrong = candidates
            .into_iter()
            .find(|code| !taken.contains(&(*code).to_owned()));
        TotpCode::parse(wrong.unwrap()).unwrap()
    }

    fn guess(&self) -> CodeError {
        code_error(self.world.mfa().step_up(&self.permit, self.wrong()))
    }

    /// Counts attempts as if somebody had made them, five a day.
    fn count(&self, attempts: usize) {
        let subject = LimitSubject::totp(self.user.id);
        for n in 0..attempts {
            self.world.clock.advance(if n % 5 == 0 { DAY } else { 0 });
            let now = self.world.now();
            let reserved = (self.world.store)
                .write(|tx| tx.reserve_attempt(&subject, now, &AttemptPolicy::TOTP));
            assert!(reserved.unwrap().is_some());
        }
    }

    fn ticket(&self) -> LoginTicket {
        let typed = password("correct horse battery");
        let begun = (self.world.login()).with_password(&username("ada"), &typed, &visitor());
        let LoggedIn::NeedsSecondFactor { ticket, .. } = begun.unwrap() else {
            panic!("no second factor is asked for");
        };
        ticket
    }

    fn log_in(&self, ticket: &LoginTicket, code: TotpCode) -> Result<(), LoginError> {
        let code = SecondFactor::Code(code);
        let outcome = (self.world.login()).with_second_factor(ticket, &code, &visitor());
        outcome.map(drop)
    }
}

fn code_error<T>(outcome: Result<T, MfaError>) -> CodeError {
    match outcome {
        Err(MfaError::Code(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the code was right"),
    }
}

fn told_of(world: &World) -> (Arc<Told>, Environment<Arc<MemoryStore>>) {
    let told = Arc::<Told>::default();
    let environment = Environment {
        advice: told.clone(),
        ..world.environment()
    };
    (told, environment)
}

#[test]
fn ten_wrong_codes_lock_and_end_the_logins_that_have_begun() {
    let person = Person::new();
    let ticket = person.ticket();
    let before = person.world.actions().len();
    for n in 1..=10 {
        assert!(matches!(person.guess(), CodeError::Rejected), "{n}");
        let said = person.world.actions().split_off(before);
        assert_eq!(said, vec!["mfa.lock"; usize::from(n == 10)], "{n}");
        person.world.clock.advance(if n == 5 { 60 } else { 0 });
    }
    assert!(person.world.last_details().contains("\"fails\":\"10\""));
    assert!(matches!(person.guess(), CodeError::Limited(900)));
    let outcome = person.log_in(&ticket, person.right());
    assert!(matches!(outcome, Err(LoginError::Rejected)));

    person.world.mfa().unlock(&Host, person.user.id).unwrap();
    person.world.clock.advance(60);
    let outcome = person.world.mfa().step_up(&person.permit, person.right());
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn every_fiftieth_wrong_code_in_thirty_days_is_told_of_and_ends_no_login() {
    let person = Person::new();
    // 49 wrong ones, and right ones between them, so that none locks.
    for guesses in [9, 9, 9, 9, 9, 4] {
        person.count(guesses);
        person.world.clock.advance(DAY);
        let outcome = person.world.mfa().step_up(&person.permit, person.right());
        assert!(outcome.is_ok(), "{outcome:?}");
    }
    person.world.clock.advance(60);
    let ticket = person.ticket();
    let before = person.world.actions().len();

    let outcome = person.log_in(&ticket, person.wrong());

    assert!(matches!(outcome, Err(LoginError::Rejected)));
    let said = person.world.actions().split_off(before);
    assert_eq!(said, ["mfa.wrong-codes"]);
    assert!(person.world.last_details().contains("\"wrong\":\"50\""));
    person.world.clock.advance(60);
    assert!(person.log_in(&ticket, person.right()).is_ok());
}

#[test]
fn after_a_hundred_wrong_codes_nobody_looks_at_one_for_now() {
    let person = Person::new();
    person.count(100);
    person.world.clock.advance(DAY);
    let (told, environment) = told_of(&person.world);
    let mfa = ManageMfa::new(environment);
    let outcome = mfa.step_up(&person.permit, person.right());
    assert!(matches!(code_error(outcome), CodeError::Disabled));
    assert_eq!(told.limited_for(), [600]);
}

#[test]
fn what_other_nodes_say_of_a_code_is_held_against_the_storage() {
    let person = Person::new();
    let (told, environment) = told_of(&person.world);
    let mfa = ManageMfa::new(environment.clone());
    assert!(mfa.step_up(&person.permit, person.right()).is_ok());
    assert_eq!(told.withdrawn(), 0);

    told.say_limited();
    person.world.clock.advance(60);
    assert!(mfa.step_up(&person.permit, person.right()).is_ok());
    assert_eq!(told.withdrawn(), 1, "it was not so");
    person.world.clock.advance(60);
    for _ in 0..5 {
        let outcome = mfa.step_up(&person.permit, person.wrong());
        assert!(matches!(code_error(outcome), CodeError::Rejected));
    }
    let outcome = mfa.step_up(&person.permit, person.right());
    assert!(matches!(code_error(outcome), CodeError::Limited(60)));
    // Nothing is said again that was heard, and nothing taken back that is so.
    assert!(told.limited_for().is_empty());
    assert_eq!(told.withdrawn(), 6);
    // At a login likewise, where nothing is written before it is asked.
    let outcome = Login::new(environment).with_second_factor(
        &person.ticket(),
        &SecondFactor::Code(person.right()),
        &visitor(),
    );
    assert!(matches!(outcome, Err(LoginError::Limited(60))));
}

#[test]
fn a_recovery_code_lifts_the_limits_of_the_app() {
    let world = World::new();
    let user = world.add_user("ada", |_| {});
    let (app, mut codes) = world.enrol(&user);
    let permit = world.permit(&world.add_key(&user, |_| {}));
    let person = Person {
        world,
        user,
        app,
        permit,
    };
    person.count(100);
    person.world.clock.advance(DAY);
    assert!(matches!(person.guess(), CodeError::Disabled));

    let recovery = SecondFactor::Recovery(codes.0.remove(0));
    let ticket = person.ticket();
    let session = (person.world.login()).with_second_factor(&ticket, &recovery, &visitor());
    assert!(session.is_ok(), "{session:?}");

    let outcome = person.world.mfa().step_up(&person.permit, person.right());
    assert!(outcome.is_ok(), "{outcome:?}");
}
