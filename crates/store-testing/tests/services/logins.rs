//! Logging in with a password, and then with a second factor, and logging out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use keyward_auth::{
    Any, AttemptLimits as _, Environment, Hashing, LimitSubject, LoggedIn, Login, LoginError,
    MANY_WRONG, Permit, SecondFactor, Session, User, UserKind, UserStatus, Visitor,
};
use keyward_core::Store as _;
use keyward_crypto::{ApiKeyKind, LoginTicket, Passwords, Signed};
use keyward_store_testing::MemoryStore;

use crate::told::Told;
use crate::world::{NOW, World, hashing, password, username, visitor};

const RIGHT: &str = "correct horse battery";
const WRONG: &str = "wrong horse battery";

fn with_password(world: &World, name: &str, typed: &str) -> Result<LoggedIn, LoginError> {
    from(&world.login(), name, typed, "192.0.2.7")
}

fn from(
    login: &Login<Arc<MemoryStore>>,
    name: &str,
    typed: &str,
    source: &str,
) -> Result<LoggedIn, LoginError> {
    let visitor = Visitor {
        source: source.to_owned(),
        ..visitor()
    };
    login.with_password(&username(name), &password(typed), &visitor)
}

fn session(logged_in: Result<LoggedIn, LoginError>) -> Session {
    match logged_in.unwrap() {
        LoggedIn::Done(session) => session,
        LoggedIn::NeedsSecondFactor { .. } => panic!("a second factor is asked for"),
    }
}

fn ticket(logged_in: Result<LoggedIn, LoginError>) -> LoginTicket {
    match logged_in.unwrap() {
        LoggedIn::NeedsSecondFactor { ticket, .. } => ticket,
        LoggedIn::Done(_) => panic!("no second factor is asked for"),
    }
}

fn is_rejected<T>(outcome: &Result<T, LoginError>) -> bool {
    matches!(outcome, Err(LoginError::Rejected))
}

/// Wrong attempts of an account, from one network or from all.
fn wrong(world: &World, subject: &LimitSubject) -> i64 {
    let state = world.store.read(|tx| tx.attempts(subject)).unwrap();
    state.map_or(0, |state| state.fails)
}

fn of_account(world: &World, user: &User) -> LimitSubject {
    LimitSubject::password(&world.macs, Some(user.id), "", "192.0.2.7")
}

/// Writes a row anew, signed, and nothing else: what a service would end with it goes on.
fn rewrite(world: &World, user: &User, edit: impl FnOnce(&mut User)) {
    let mut new = world.stored_user(user.id);
    edit(&mut new);
    let signed = Signed::sign(new, &world.macs);
    world.store.tamper(|rows| rows.put_user(signed));
}

#[test]
fn a_right_password_gives_a_login_key_for_twelve_hours() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let session = session(with_password(&world, "ada", RIGHT));
    assert_eq!(session.expires_at, NOW.plus(43_200));
    let principal = world.principal(&session.key);
    assert_eq!(principal.user, ada.id);
    assert_eq!(
        (principal.key.kind, principal.key.expires_at),
        (ApiKeyKind::Login, Some(NOW.plus(43_200)))
    );
    // A password alone is no second factor.
    assert_eq!(principal.key.fresh_until, None);
    assert_eq!(world.actions(), ["user.login"]);
}

#[test]
fn a_session_ends_when_nobody_uses_it_for_an_hour() {
    let world = World::new();
    world.add_user("ada", |_| {});
    let (left, used) = (
        session(with_password(&world, "ada", RIGHT)),
        session(with_password(&world, "ada", RIGHT)),
    );
    world.clock.advance(3_599);
    assert!(world.accepts(&used.key));
    world.clock.advance(1);
    assert!(!world.accepts(&left.key));
    assert!(world.accepts(&used.key));
}

#[test]
fn only_an_active_person_whose_row_is_genuine_logs_in_with_the_right_password() {
    let world = World::new();
    let secret = hashing().hash(&password(RIGHT)).unwrap();
    world.add_user("off", |user| user.status = UserStatus::Disabled);
    world.add_user("agent", |user| user.kind = UserKind::Agent);
    let forged = world.add_user("forged", |user| user.password_hash = None);
    let edited = (world.store)
        .tamper(|rows| rows.edit_user(forged.id, |user| user.password_hash = Some(secret)));
    assert!(edited);
    world.add_user("ada", |_| {});

    for name in ["off", "agent", "forged", "nobody"] {
        assert!(is_rejected(&with_password(&world, name, RIGHT)), "{name}");
    }
    assert!(is_rejected(&with_password(&world, "ada", WRONG)));
    assert!(with_password(&world, "ada", RIGHT).is_ok());
}

#[test]
fn a_hash_that_is_weaker_than_todays_is_made_anew_at_a_login() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let stronger = Environment {
        hashing: Hashing::with_places(Passwords::new(), 1, 1),
        ..world.environment()
    };
    let stronger = Login::new(stronger);

    session(from(&stronger, "ada", RIGHT, "192.0.2.7"));

    let upgraded = world.stored_user(ada.id);
    assert_ne!(upgraded.password_hash, ada.password_hash);
    assert_eq!(upgraded.version, 2);
    session(from(&stronger, "ada", RIGHT, "192.0.2.7"));
    assert_eq!(world.stored_user(ada.id), upgraded);
}

#[test]
fn ten_wrong_passwords_lock_an_account_for_a_network_and_the_audit_log_says_so_once() {
    let world = World::new();
    world.add_user("ada", |_| {});
    for n in 1..=10 {
        assert!(is_rejected(&with_password(&world, "ada", WRONG)), "{n}");
        let locked = usize::from(n == 10);
        assert_eq!(world.actions(), vec!["login.lock"; locked], "{n}");
        world.clock.advance(if n == 5 { 60 } else { 0 });
    }
    assert!(world.last_details().contains("\"fails\":\"10\""));

    let told = Arc::<Told>::default();
    let told_of = Login::new(Environment {
        advice: told.clone(),
        ..world.environment()
    });
    let limited = from(&told_of, "ada", RIGHT, "192.0.2.7");
    assert!(matches!(limited, Err(LoginError::Limited(900))));
    assert_eq!(told.limited_for(), [900]);
    session(from(&told_of, "ada", RIGHT, "198.51.100.7"));
}

#[test]
fn what_other_nodes_say_of_a_password_is_held_against_the_storage() {
    let world = World::new();
    world.add_user("ada", |_| {});
    let told = Arc::<Told>::default();
    let login = Login::new(Environment {
        advice: told.clone(),
        ..world.environment()
    });
    session(from(&login, "ada", RIGHT, "192.0.2.7"));
    assert_eq!(told.withdrawn(), 0);

    told.say_limited();
    session(from(&login, "ada", RIGHT, "192.0.2.7"));
    assert_eq!(told.withdrawn(), 1, "it was not so");
    for _ in 0..5 {
        assert!(is_rejected(&from(&login, "ada", WRONG, "192.0.2.7")));
    }
    let limited = from(&login, "ada", RIGHT, "192.0.2.7");
    assert!(matches!(limited, Err(LoginError::Limited(60))));
    // Nothing is said again that was heard, and nothing taken back that is so.
    assert!(told.limited_for().is_empty());
    assert_eq!(told.withdrawn(), 6);
}

#[test]
fn every_hundredth_wrong_password_from_wherever_is_told_of() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let everywhere = LimitSubject::everywhere(&world.macs, Some(ada.id), "");
    for n in 1..=MANY_WRONG {
        let source = format!("2001:db8::{n}");
        let outcome = from(&world.login(), "ada", WRONG, &source);
        assert!(is_rejected(&outcome));
        assert_eq!(wrong(&world, &everywhere), n);
        assert_eq!(world.events().len(), usize::from(n == MANY_WRONG), "{n}");
    }
    assert_eq!(world.actions(), ["login.wrong-passwords"]);
    assert!(world.last_details().contains("\"wrong\":\"100\""));

    session(with_password(&world, "ada", RIGHT));
    assert_eq!(wrong(&world, &everywhere), 0, "the owner is there");
}

#[test]
fn a_password_that_nobody_had_time_for_is_no_guess() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let busy = Hashing::with_places(Passwords::danger_fast(), 1, 0);
    let login = Login::new(Environment {
        hashing: busy.clone(),
        ..world.environment()
    });
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let _ = busy.hash(&password(RIGHT));
            }
        });
        // Until both want the one place at once.
        loop {
            world.clock.advance(60);
            match from(&login, "ada", RIGHT, "192.0.2.7") {
                Err(LoginError::Overloaded(_)) => break,
                other => drop(session(other)),
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(wrong(&world, &of_account(&world, &ada)), 0);
    assert_eq!(
        wrong(&world, &LimitSubject::source(&world.macs, "192.0.2.7")),
        0
    );
}

#[test]
fn a_password_and_a_code_or_a_recovery_code_log_in() {
    let world = World::new();
    let ada = world.add_user("ada", |_| {});
    let (app, mut codes) = world.enrol(&ada);
    let before = world.actions().len();

    let code = SecondFactor::Code(app.code_at(world.now().0));
    let recovery = SecondFactor::Recovery(codes.0.remove(0));
    for (factor, how) in [(code, "totp"), (recovery, "recovery-code")] {
        let begun = with_password(&world, "ada", RIGHT).unwrap();
        let LoggedIn::NeedsSecondFactor { ticket, expires_at } = begun else {
            panic!("{begun:?}");
        };
        assert_eq!(expires_at, world.now().plus(300));
        let login = world.login();
        let session = login
            .with_second_factor(&ticket, &factor, &visitor())
            .unwrap();
        let key = world.principal(&session.key).key;
        // That took everything that the person has.
        assert_eq!(key.fresh_until, Some(world.now().plus(300)));
        assert!(world.last_details().contains(&format!("\"by\":\"{how}\"")));
        // The ticket has gone, and so has the code.
        for ticket in [ticket, self::ticket(with_password(&world, "ada", RIGHT))] {
            let again = login.with_second_factor(&ticket, &factor, &visitor());
            assert!(is_rejected(&again), "{how}");
        }
    }
    assert_eq!(world.actions().split_off(before), ["user.login"; 2]);
}

#[test]
fn whoever_lost_their_factor_or_their_account_does_not_finish_a_login() {
    let edits: [fn(&mut User); 2] = [
        |user| user.status = UserStatus::Disabled,
        |user| user.mfa_since = None,
    ];
    for edit in edits {
        let world = World::new();
        let ada = world.add_user("ada", |_| {});
        let (app, _) = world.enrol(&ada);
        let ticket = ticket(with_password(&world, "ada", RIGHT));
        rewrite(&world, &ada, edit);
        let code = SecondFactor::Code(app.code_at(world.now().0));
        let outcome = (world.login()).with_second_factor(&ticket, &code, &visitor());
        assert!(is_rejected(&outcome));
    }
}

#[test]
fn logging_out_ends_a_session_once() {
    let world = World::new();
    world.add_user("ada", |_| {});
    let (session, other) = (
        session(with_password(&world, "ada", RIGHT)),
        self::session(with_password(&world, "ada", RIGHT)),
    );
    let permit: Permit<Any> = world.permit(&session.key);
    let before = world.actions().len();
    for _ in 0..2 {
        world.login().logout(&permit).unwrap();
        assert!(!world.accepts(&session.key));
    }
    assert_eq!(world.actions().split_off(before), ["user.logout"]);
    assert!(world.accepts(&other.key));
}

#[test]
fn logging_out_does_not_sign_a_key_whose_row_is_not_genuine() {
    let world = World::new();
    world.add_user("ada", |_| {});
    let session = session(with_password(&world, "ada", RIGHT));
    let permit: Permit<Any> = world.permit(&session.key);
    let id = session.key.id();
    let edited = (world.store).tamper(|rows| rows.edit_api_key(id, |key| key.expires_at = None));
    assert!(edited);
    let before = world.actions();
    world.login().logout(&permit).unwrap();
    assert_eq!(world.actions(), before);
}
