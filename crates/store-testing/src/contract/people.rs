use keyward_auth::{
    ApiKeyRecord, ApiKeys, AttemptLimits, AttemptPolicy, AttemptState, LimitSubject, LoginTickets,
    PendingTotp, Reserved, SecondFactors, TicketRecord, TotpSecrets, UserId, Users,
};
use keyward_core::{Store, Timestamp};
use keyward_crypto::{
    ApiKey, ApiKeyKind, EncryptedString, LoginTicket, Mac, RecoveryCode, Signed, TotpStep,
};

use super::rows::{added_user, api_key, assert_same, macs, sign};
use super::run::{count, race, read, write};

const NOW: Timestamp = Timestamp(1_800_000_000);

/// Attempts, second factors, tickets and sessions.
///
/// # Panics
///
/// At the first promise that is broken.
pub fn people<S>(store: &S)
where
    S: Store<Tx: Users + ApiKeys + AttemptLimits + SecondFactors + LoginTickets>,
{
    let (user, other) = (added_user(store), added_user(store));
    attempts_are_counted_by_the_rules(store, user);
    limits_are_lifted_for_one_account(store, user, other);
    counts_of_factors_are_never_forgotten(store, user);
    of_racing_attempts_as_many_are_reserved_as_allowed(store, user);
    of_racing_successes_with_one_step_one_is_written(store, other);
    secrets_are_written_as_one(store, user, other);
    a_recovery_code_is_there_once(store, user, other);
    of_racing_uses_of_a_recovery_code_one_succeeds(store, user);
    a_ticket_ends(store, user, other);
    of_racing_tries_of_a_ticket_as_many_succeed_as_allowed(store, user);
    of_racing_uses_of_a_ticket_one_succeeds(store, user);
    sessions_are_the_live_login_keys(store, user, other);
}

/// What a random life of attempts comes to, step by step beside [`AttemptState`].
pub(crate) fn attempts_are_counted_by_the_rules<S: Store<Tx: AttemptLimits>>(
    store: &S,
    user: UserId,
) {
    let subject = LimitSubject::recovery(user);
    let policies = [
        AttemptPolicy::TOTP,
        AttemptPolicy::PASSWORD,
        AttemptPolicy::SOURCE,
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut expected = AttemptState::default();
    let mut open: Vec<Reserved> = Vec::new();
    let mut now = NOW;
    for turn in 0..TURNS {
        now = random.later(now);
        match random.below(8) {
            0..4 => {
                let policy = policies[random.below(3)];
                let reserved = write(store, |tx| tx.reserve_attempt(&subject, now, &policy));
                let model = expected.reserve(now, &policy);
                let by = "reserve_attempt: another outcome than that of the rules";
                assert_eq!(
                    reserved,
                    model.map(|(_, reserved)| reserved),
                    "{by}, turn {turn}"
                );
                if let Some((state, reserved)) = model {
                    expected = state;
                    open.push(reserved);
                }
            }
            4 => {
                let Some(reserved) = open.pop() else { continue };
                let number = expected.last_step + random.signed(2);
                let step = (random.below(4) > 0).then(|| TotpStep::from_number(number));
                let done = write(store, |tx| tx.attempt_succeeded(&subject, &reserved, step));
                let model = expected.succeed(&reserved, step);
                let by = "attempt_succeeded: another outcome than that of the rules";
                assert_eq!(done, model.is_some(), "{by}, turn {turn}");
                expected = model.unwrap_or(expected);
            }
            5 | 6 if open.pop().is_some() => {
                write(store, |tx| tx.forgive_attempt(&subject));
                expected = expected.forgive();
            }
            7 if random.below(20) == 0 => {
                write(store, |tx| tx.lift_limits(user));
                expected = expected.lift();
            }
            _ => {}
        }
        let stored = read(store, |tx| tx.attempts(&subject)).unwrap_or_default();
        assert_eq!(
            stored, expected,
            "the attempts are not those of the rules, turn {turn}"
        );
    }
}

pub(crate) fn limits_are_lifted_for_one_account<S: Store<Tx: AttemptLimits>>(
    store: &S,
    user: UserId,
    other: UserId,
) {
    let password = LimitSubject::password(&macs(), Some(user), "ada", "192.0.2.1");
    let subjects = [
        LimitSubject::totp(user),
        password,
        LimitSubject::totp(other),
    ];
    for subject in &subjects {
        assert!(
            write(store, |tx| tx.reserve_attempt(
                subject,
                NOW,
                &AttemptPolicy::TOTP
            ))
            .is_some()
        );
    }
    write(store, |tx| tx.lift_limits(user));
    let fails = subjects.each_ref().map(|subject| {
        let state = read(store, |tx| tx.attempts(subject)).unwrap_or_default();
        (state.fails, state.window_count)
    });
    assert_eq!(
        fails,
        [(0, 1), (0, 1), (1, 1)],
        "lift_limits lifts everything of one account, and leaves its windows"
    );
}

pub(crate) fn counts_of_factors_are_never_forgotten<S: Store<Tx: AttemptLimits>>(
    store: &S,
    user: UserId,
) {
    let source = LimitSubject::source(&macs(), &format!("of {user}"));
    let locked = LimitSubject::password(&macs(), None, &user.to_string(), "192.0.2.1");
    let factor = LimitSubject::totp(user);
    write(store, |tx| {
        tx.reserve_attempt(&factor, NOW, &AttemptPolicy::TOTP)
    });
    for _ in 0..10 {
        write(store, |tx| tx.reserve_attempt(&locked, NOW, &LOCKS_AT_TEN));
    }
    write(store, |tx| {
        tx.reserve_attempt(&source, NOW, &AttemptPolicy::SOURCE)
    });
    let known = |subject: &LimitSubject| read(store, |tx| tx.attempts(subject)).is_some();

    write(store, |tx| tx.forget_attempts(NOW, NOW.plus(10_000), 1_000));
    assert!(
        known(&source),
        "forget_attempts dropped what was tried since"
    );
    write(store, |tx| {
        tx.forget_attempts(NOW.plus(1), NOW.plus(1), 1_000)
    });
    assert!(
        !known(&source),
        "forget_attempts left what was not tried since"
    );
    assert!(known(&locked), "forget_attempts dropped what is locked");
    assert!(
        known(&factor),
        "forget_attempts dropped the count of a factor"
    );
    write(store, |tx| {
        tx.forget_attempts(NOW.plus(1), NOW.plus(900), 1_000)
    });
    assert!(
        !known(&locked),
        "forget_attempts left what is no longer locked"
    );
}

/// Racing attempts of one subject.
pub(crate) fn of_racing_attempts_as_many_are_reserved_as_allowed<S: Store<Tx: AttemptLimits>>(
    store: &S,
    user: UserId,
) {
    let subject = LimitSubject::password(&macs(), Some(user), "race", &format!("{user}"));
    let reserved = race(RACERS, |_| {
        write(store, |tx| {
            tx.reserve_attempt(&subject, NOW, &AttemptPolicy::PASSWORD)
        })
        .is_some()
    });
    assert_eq!(
        count(&reserved),
        5,
        "reserve_attempt: of {RACERS} racing calls as many get a reservation as the policy allows"
    );
    let state = read(store, |tx| tx.attempts(&subject)).unwrap_or_default();
    assert_eq!(
        state.fails, 5,
        "reserve_attempt: an attempt was not counted"
    );
}

pub(crate) fn of_racing_successes_with_one_step_one_is_written<S: Store<Tx: AttemptLimits>>(
    store: &S,
    user: UserId,
) {
    let subject = LimitSubject::recovery(user);
    let policy = AttemptPolicy::SOURCE;
    let reserved = write(store, |tx| tx.reserve_attempt(&subject, NOW, &policy));
    let reserved = reserved.unwrap_or_else(|| panic!("reserve_attempt: the first was refused"));
    for step in [7, 8] {
        let step = Some(TotpStep::from_number(step));
        let written = race(RACERS, |_| {
            write(store, |tx| tx.attempt_succeeded(&subject, &reserved, step))
        });
        assert_eq!(
            count(&written),
            1,
            "attempt_succeeded: of {RACERS} racing calls with one step one gets true"
        );
    }
    let lower = Some(TotpStep::from_number(7));
    assert!(
        !write(store, |tx| tx.attempt_succeeded(&subject, &reserved, lower)),
        "attempt_succeeded: a step was written over a higher one"
    );
}

fn secrets_are_written_as_one<S: Store<Tx: SecondFactors>>(store: &S, user: UserId, other: UserId) {
    let sealed = |text: &str| EncryptedString::from_stored(format!("v1.0123456789abcdef.{text}"));
    let none = read(store, |tx| tx.totp_secrets(user));
    assert_eq!(
        none,
        TotpSecrets::default(),
        "totp_secrets of somebody who has none"
    );
    let pending = PendingTotp {
        secret: sealed("pending"),
        expires_at: NOW,
    };
    for secrets in [
        TotpSecrets {
            active: None,
            pending: Some(pending.clone()),
        },
        TotpSecrets {
            active: Some(sealed("active")),
            pending: Some(pending),
        },
        TotpSecrets {
            active: Some(sealed("another")),
            pending: None,
        },
        TotpSecrets::default(),
    ] {
        write(store, |tx| tx.set_totp_secrets(user, &secrets));
        assert_eq!(
            read(store, |tx| tx.totp_secrets(user)),
            secrets,
            "set_totp_secrets writes all of it"
        );
        assert_eq!(
            read(store, |tx| tx.totp_secrets(other)),
            TotpSecrets::default(),
            "set_totp_secrets wrote the secrets of somebody else"
        );
    }
}

pub(crate) fn a_recovery_code_is_there_once<S: Store<Tx: SecondFactors>>(
    store: &S,
    user: UserId,
    other: UserId,
) {
    let codes: Vec<_> = (0..10).map(|_| recovery_code(user)).collect();
    write(store, |tx| tx.set_recovery_codes(user, &codes));
    write(store, |tx| tx.set_recovery_codes(other, &codes[..1]));
    let outcomes =
        [user, user, other].map(|user| write(store, |tx| tx.use_recovery_code(user, &codes[0])));
    assert_eq!(
        outcomes,
        [true, false, true],
        "use_recovery_code: each code works once for each user"
    );
    let left = read(store, |tx| tx.recovery_codes(user));
    assert_eq!(left.len(), 9, "recovery_codes: those that are left");
    assert!(left.iter().all(|code| codes[1..].contains(code)));
    write(store, |tx| tx.set_recovery_codes(user, &codes[..2]));
    assert_eq!(
        read(store, |tx| tx.recovery_codes(user)).len(),
        2,
        "set_recovery_codes replaces all of them"
    );
    write(store, |tx| tx.set_recovery_codes(user, &[]));
    assert!(read(store, |tx| tx.recovery_codes(user)).is_empty());
}

pub(crate) fn of_racing_uses_of_a_recovery_code_one_succeeds<S: Store<Tx: SecondFactors>>(
    store: &S,
    user: UserId,
) {
    let code = recovery_code(user);
    write(store, |tx| {
        tx.set_recovery_codes(user, std::slice::from_ref(&code))
    });
    let worked = race(RACERS, |_| {
        write(store, |tx| tx.use_recovery_code(user, &code))
    });
    assert_eq!(
        count(&worked),
        1,
        "use_recovery_code: of {RACERS} racing calls with one code one gets true"
    );
}

fn a_ticket_ends<S: Store<Tx: LoginTickets>>(store: &S, user: UserId, other: UserId) {
    let ticket = added_ticket(store, user);
    let (id, end) = (ticket.unverified().id, ticket.unverified().expires_at);
    let tried = |at: Timestamp| write(store, |tx| tx.try_ticket(id, at, 5));
    let found = tried(end.plus(-1)).unwrap_or_else(|| panic!("try_ticket: a live ticket is none"));
    assert_same(&found, &ticket, "try_ticket");
    assert!(
        tried(end).is_none(),
        "try_ticket gave a ticket that has ended"
    );
    for _ in 0..4 {
        assert!(tried(NOW).is_some(), "try_ticket: a try too few");
    }
    assert!(tried(NOW).is_none(), "try_ticket: a try too many");

    let (mine, theirs) = (added_ticket(store, user), added_ticket(store, other));
    write(store, |tx| tx.void_tickets(user));
    let is_there = |ticket: &Signed<TicketRecord>| {
        write(store, |tx| tx.try_ticket(ticket.unverified().id, NOW, 5)).is_some()
    };
    assert!(!is_there(&mine), "void_tickets left a ticket");
    assert!(
        is_there(&theirs),
        "void_tickets took the ticket of somebody else"
    );
    write(store, |tx| tx.forget_tickets(end));
    assert!(
        is_there(&theirs),
        "forget_tickets dropped a ticket that had not ended before"
    );
    write(store, |tx| tx.forget_tickets(end.plus(1)));
    assert!(
        !is_there(&theirs),
        "forget_tickets left a ticket that had ended"
    );
}

pub(crate) fn of_racing_tries_of_a_ticket_as_many_succeed_as_allowed<S: Store<Tx: LoginTickets>>(
    store: &S,
    user: UserId,
) {
    let id = added_ticket(store, user).unverified().id;
    let tried = race(RACERS, |_| {
        write(store, |tx| tx.try_ticket(id, NOW, 5)).is_some()
    });
    assert_eq!(
        count(&tried),
        5,
        "try_ticket: of {RACERS} racing calls as many get the ticket as allowed"
    );
}

pub(crate) fn of_racing_uses_of_a_ticket_one_succeeds<S: Store<Tx: LoginTickets>>(
    store: &S,
    user: UserId,
) {
    let id = added_ticket(store, user).unverified().id;
    let worked = race(RACERS, |_| write(store, |tx| tx.use_ticket(id)));
    assert_eq!(
        count(&worked),
        1,
        "use_ticket: of {RACERS} racing calls one gets true"
    );
}

pub(crate) fn sessions_are_the_live_login_keys<S: Store<Tx: ApiKeys>>(
    store: &S,
    user: UserId,
    other: UserId,
) {
    let end = NOW.plus(60);
    let key = |owner, edit: fn(&mut ApiKeyRecord)| {
        let login = ApiKey::generate(ApiKeyKind::Login);
        let mut record = ApiKeyRecord {
            id: login.id(),
            kind: ApiKeyKind::Login,
            expires_at: Some(end),
            fresh_until: Some(NOW),
            key_mac: login.mac(&macs()),
            ..api_key(owner)
        };
        edit(&mut record);
        let signed = sign(record);
        write(store, |tx| tx.add_api_key(&signed));
        signed
    };
    let live = key(user, |_| {});
    let endless = key(user, |record| record.expires_at = None);
    key(user, |record| record.revoked_at = Some(NOW));
    key(user, |record| record.kind = ApiKeyKind::User);
    key(other, |_| {});
    let sessions = |at| read(store, |tx| tx.live_sessions(user, at));

    let found = sessions(end.plus(-1));
    assert_eq!(
        found.len(),
        2,
        "live_sessions: the login keys of one user that are live"
    );
    for expected in [&live, &endless] {
        let same = found
            .iter()
            .find(|key| key.unverified().id == expected.unverified().id);
        assert_same(same.unwrap_or(expected), expected, "live_sessions");
    }
    assert_eq!(
        sessions(end).len(),
        1,
        "live_sessions gave a key that has expired"
    );
}

fn recovery_code(user: UserId) -> Mac {
    RecoveryCode::generate().mac(&macs(), user.as_bytes())
}

fn added_ticket<S: Store<Tx: LoginTickets>>(store: &S, user: UserId) -> Signed<TicketRecord> {
    let ticket = LoginTicket::generate();
    let record = sign(TicketRecord {
        id: ticket.id(),
        ticket_mac: ticket.mac(&macs()),
        user,
        expires_at: NOW.plus(300),
    });
    write(store, |tx| tx.add_ticket(&record));
    record
}

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or(0)
    }

    /// From `-most` to `most`.
    fn signed(&mut self, most: i64) -> i64 {
        i64::try_from(self.next() % (2 * most.unsigned_abs() + 1)).unwrap_or(0) - most
    }

    /// Mostly a little later, sometimes hours, rarely back.
    fn later(&mut self, now: Timestamp) -> Timestamp {
        match self.below(20) {
            0 => now.plus(self.signed(100_000)),
            1 | 2 => now.plus(self.signed(120)),
            _ => now.plus(self.signed(15) + 15),
        }
    }
}

const LOCKS_AT_TEN: AttemptPolicy = AttemptPolicy {
    per_window: 100,
    ..AttemptPolicy::PASSWORD
};
const RACERS: usize = 24;
const TURNS: usize = 400;
