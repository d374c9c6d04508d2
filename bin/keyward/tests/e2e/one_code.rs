//! One right code, presented at every place that takes codes, on two servers on one PostgreSQL
//! database.

use std::thread;
use std::time::Duration;

use keyward_crypto::TotpSecret;
use serde_json::{Value, json};

use crate::running::app::{begin, enrol, now, step};
use crate::running::{Answer, Client, Sql};
use crate::together::{many, rounds};
use crate::two_nodes::Nodes;

#[test]
fn one_code_sent_to_every_place_on_both_nodes_at_once_works_once() {
    let Some(nodes) = Nodes::start() else { return };
    let mut sql = nodes.sql();
    let mut won = [0; PLACES.len()];
    let mut evaluated = 0;
    for round in 0..rounds(1) {
        let person = Person::enrolled(&nodes, &format!("confirms{round}"));
        let new_app = begin(&person.clients[0]);
        let code = Code::of(&new_app);
        let answers = person.send_everywhere(&code, &mut sql);
        let winner = only_success(&answers);
        assert_eq!(PLACES[winner].0, CONFIRM, "it is a code of the new app");
        evaluated += count_evaluated(&answers);

        let other = Person::enrolled(&nodes, &format!("uses{round}"));
        begin(&other.clients[0]);
        let used = Code::of(&other.app);
        let answers = other.send_everywhere(&used, &mut sql);
        let winner = only_success(&answers);
        assert_ne!(PLACES[winner].0, CONFIRM, "it is a code of the old app");
        won[winner] += 1;
        evaluated += count_evaluated(&answers);

        no_spelling_works(&person, &mut sql, &code.text);
        if round + 1 == rounds(1) {
            it_does_not_work_in_the_next_step(&person, &mut sql, &new_app, &code);
        }
    }
    let paths = PLACES.map(|(path, _)| path);
    println!("figure: {evaluated} calls evaluated and refused; accepted at {paths:?}: {won:?}");
}

fn no_spelling_works(person: &Person, sql: &mut Sql, code: &str) {
    let spellings = spellings(code);
    assert!(spellings.len() >= 50, "{}", spellings.len());
    for (n, spelling) in spellings.into_iter().enumerate() {
        give_tries(sql, &person.id);
        let path = CODE_ALONE[n % CODE_ALONE.len()];
        let answer = person.clients[n % 2].post(path, &json!({ "code": spelling }));
        assert!(
            [400, 422].contains(&answer.status),
            "{path} {spelling}: {answer:?}"
        );
    }
}

fn it_does_not_work_in_the_next_step(
    person: &Person,
    sql: &mut Sql,
    app: &TotpSecret,
    code: &Code,
) {
    while step() == code.step {
        thread::sleep(Duration::from_millis(50));
    }
    for path in CODE_ALONE {
        for client in &person.clients {
            give_tries(sql, &person.id);
            client.post(path, &json!({ "code": code.text })).expect(400);
        }
    }
    // It is the code that was refused, and not the person.
    let next = json!({ "code": Code::of(app).text });
    person.clients[0].post(CODE_ALONE[0], &next).expect(200);
}

/// Somebody with an authenticator app, whose code of this step is unused, and some logins begun.
struct Person {
    id: String,
    clients: [Client; 2],
    app: TotpSecret,
    tickets: Vec<String>,
}

impl Person {
    fn enrolled(nodes: &Nodes, name: &str) -> Self {
        let person = json!({ "username": name, "password": PASSWORD });
        let admin = nodes.clients(&nodes.admin);
        let made = admin[0].post("/api/v1/users", &person).expect(201);
        let log_in = || admin[1].post("/api/v1/auth/token", &person).expect(200);
        let clients = nodes.clients(log_in()["key"].as_str().unwrap());
        let app = enrol(&clients[0]);
        let ticket = |_| log_in()["ticket"].as_str().unwrap().to_owned();
        Self {
            id: made["id"].as_str().unwrap().to_owned(),
            clients,
            app,
            tickets: (0..TICKETS).map(ticket).collect(),
        }
    }

    /// Each place gets as many calls on the one node as on the other.
    ///
    /// Meanwhile the tries are given back again and again, so that much more than five calls are
    /// evaluated and nothing but the used step is in the way.
    fn send_everywhere(&self, code: &Code, sql: &mut Sql) -> Vec<(usize, Answer)> {
        let send = |n: usize| {
            let (place, n) = (n % PLACES.len(), n / PLACES.len());
            let (path, _) = PLACES[place];
            let body = if path == LOG_IN {
                json!({ "ticket": self.tickets[n / 2 % TICKETS], "code": code.text })
            } else {
                json!({ "code": code.text })
            };
            (place, self.clients[n % 2].post(path, &body))
        };
        thread::scope(|scope| {
            let calls = scope.spawn(|| many(CALLS, THREADS, send));
            while !calls.is_finished() {
                give_tries(sql, &self.id);
                thread::sleep(Duration::from_millis(1));
            }
            calls.join().unwrap()
        })
    }
}

struct Code {
    text: String,
    step: i64,
}

impl Code {
    fn of(app: &TotpSecret) -> Self {
        let now = now();
        Self {
            text: app.code_at(now).expose().to_owned(),
            step: now.div_euclid(30),
        }
    }
}

/// Where the one answer came from that is a success. The others are what that place may say.
fn only_success(answers: &[(usize, Answer)]) -> usize {
    assert_eq!(answers.len(), CALLS);
    for (place, answer) in answers {
        let (path, refusals) = PLACES[*place];
        let known = answer.status == 200 || refusals.contains(&answer.status);
        assert!(known, "{path}: {answer:?}");
    }
    let won: Vec<_> = answers.iter().filter(|(_, a)| a.status == 200).collect();
    let paths: Vec<_> = won.iter().map(|(place, _)| PLACES[*place].0).collect();
    assert_eq!(paths.len(), 1, "one code worked at {paths:?}");
    won[0].0
}

fn count_evaluated(answers: &[(usize, Answer)]) -> usize {
    let refused = answers.iter().filter(|(_, a)| a.status == 400);
    refused.count()
}

fn give_tries(sql: &mut Sql, person: &str) {
    sql.run(&format!(
        "UPDATE attempts SET fails = 0, window_count = 0, locked_until = 0, disabled_at = NULL \
         WHERE subject = 'totp:{person}'"
    ));
}

/// What a lenient reader could take for the code.
fn spellings(code: &str) -> Vec<Value> {
    let (left, right) = code.split_at(3);
    let between = [
        " ", "\t", "\n", "\r\n", "\u{0}", "\u{a0}", "\u{200b}", "\u{3000}", "\u{feff}", "\u{202e}",
    ];
    let around = between.iter().flat_map(|space| {
        [
            format!("{space}{code}"),
            format!("{code}{space}"),
            format!("{left}{space}{right}"),
        ]
    });
    let digits = ['\u{ff10}', '\u{660}', '\u{966}', '\u{1d7ce}', '\u{2080}'].map(|zero| {
        let digit = |digit: char| char::from_u32(u32::from(zero) + digit.to_digit(10).unwrap());
        code.chars().filter_map(digit).collect()
    });
    let written = [
        code.to_owned(),
        format!("+{code}"),
        format!("-{code}"),
        format!("0{code}"),
        format!("{code}0"),
        format!("{code}.0"),
        format!("{code}e0"),
        format!("{left}-{right}"),
        format!("{left}_{right}"),
        format!("{left}.{right}"),
        format!("\"{code}\""),
        format!("{code},{code}"),
        format!("%3{left}{right}"),
        format!("0x{:x}", code.parse::<u32>().unwrap()),
    ];
    let others = [
        json!(code.parse::<u32>().unwrap()),
        json!(code.parse::<f64>().unwrap()),
        json!([code]),
        json!({ "code": code }),
        json!([code, code]),
    ];
    let texts = around.chain(digits).chain(written);
    texts.map(Value::from).chain(others).collect()
}

/// Each place that takes codes, and how it may refuse one.
const PLACES: [(&str, [u16; 2]); 5] = [
    ("/api/v1/auth/step-up", [400, 429]),
    ("/api/v1/auth/mfa/recovery-codes", [400, 429]),
    ("/api/v1/auth/mfa/disable", [400, 429]),
    (CONFIRM, [400, 429]),
    (LOG_IN, [401, 429]),
];
const CODE_ALONE: [&str; 3] = [PLACES[0].0, PLACES[1].0, PLACES[2].0];
const CONFIRM: &str = "/api/v1/auth/mfa/verify";
const LOG_IN: &str = "/api/v1/auth/mfa/login-verify";
const PASSWORD: &str = "a password of somebody with an app";
const TICKETS: usize = 4;
const CALLS: usize = 1_000;
const THREADS: usize = 20;
