use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keyward_crypto::FieldKey;
use serde_json::Value;

use crate::node::Node;
use crate::random::Random;
use crate::rows::Rows;
use crate::running::{Home, Ran};
use crate::traffic::{Tally, User};

/// How much of everything.
pub(crate) struct Plan {
    pub(crate) rounds: u64,
    pub(crate) rows: usize,
    /// In a second.
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// Servers are killed in every round, and at every moment of it.
    pub(crate) is_long: bool,
    pub(crate) seed: u64,
}

/// Servers on one database, and an operator who exchanges their keys.
pub(crate) struct Exchanges {
    plan: Plan,
    nodes: Vec<Node>,
    rows: Arc<Rows>,
    key: FieldKey,
    retired: Vec<String>,
    kills: usize,
    random: Random,
}

impl Exchanges {
    pub(crate) fn start(homes: Vec<Home>, plan: Plan) -> Self {
        let key = FieldKey::generate();
        let keys = [key.expose().expose().to_owned()];
        let mut nodes: Vec<Node> = Vec::new();
        for home in homes {
            let admin = nodes.first().map(|node| node.place.now().client);
            let admin = admin.as_ref().map(|client| client.key());
            nodes.push(Node::start(home, &keys, admin));
        }
        let client = nodes[0].place.now().client;
        let me = client.get("/api/v1/auth/me").expect(200);
        let rows = Rows::add(&nodes[0].home, me["id"].as_str().unwrap(), plan.rows);
        Self {
            random: Random::new(plan.seed),
            plan,
            nodes,
            rows: Arc::new(rows),
            key,
            retired: Vec::new(),
            kills: 0,
        }
    }

    pub(crate) fn run(mut self, database: &str) {
        eprintln!("{database}: KEYWARD_CRASH_SEED={}", self.plan.seed);
        let begun = Instant::now();
        let rows = Arc::clone(&self.rows);
        let tally = self.under_load(&rows);
        eprintln!(
            "figure: {database}: {} keys retired, {} kills, {} reads, {} writes, {} cut off or put off, \
             in {:?}",
            self.retired.len(),
            self.kills,
            tally.reads,
            tally.writes,
            tally.unknown,
            begun.elapsed()
        );
        let shown = &tally.failures[..tally.failures.len().min(10)];
        let failed = tally.failures.len();
        assert!(shown.is_empty(), "{failed} failures, such as {shown:#?}");
        assert!(tally.reads > 0 && tally.writes > 0, "{tally:?}");
        let home = &self.nodes[0].home;
        let wrong = rows.wrong(home);
        assert!(wrong.is_empty(), "lost: {wrong:#?}");
        self.check_keys();
        let verified = home.run(&["audit", "verify"]);
        assert_eq!(verified.code, 0, "{verified:?}");
    }

    fn under_load(&mut self, rows: &Rows) -> Tally {
        let stop = AtomicBool::new(false);
        let places: Vec<_> = self
            .nodes
            .iter()
            .map(|node| Arc::clone(&node.place))
            .collect();
        let rates = (self.plan.reads, self.plan.writes);
        let random = &mut self.random.fork();
        let mut user = |which, of, rate| User {
            places: &places,
            rows,
            stop: &stop,
            random: random.fork(),
            share: (which, of),
            rate,
        };
        let readers: Vec<_> = (0..READERS).map(|n| user(n, READERS, rates.0)).collect();
        let writers: Vec<_> = (0..WRITERS).map(|n| user(n, WRITERS, rates.1)).collect();
        thread::scope(|scope| {
            let reading = readers.into_iter().map(|user| scope.spawn(|| user.read()));
            let mut working: Vec<_> = reading.collect();
            working.extend(writers.into_iter().map(|user| scope.spawn(|| user.write())));
            let stops = Stops(&stop);
            for round in 0..self.plan.rounds {
                self.exchange(round);
            }
            drop(stops);
            let mut tally = Tally::default();
            for user in working {
                tally.add(user.join().unwrap());
            }
            tally
        })
    }

    /// Adds a key everywhere, activates it, moves everything to it, and retires the one before.
    fn exchange(&mut self, round: u64) {
        let new = FieldKey::generate();
        let old = std::mem::replace(&mut self.key, new);
        let both = [&self.key, &old].map(|key| key.expose().expose().to_owned());
        self.tell(&both);
        self.activate();
        // A record of a killed node is in the way of the next activation for half a minute.
        let kills_servers = self.plan.is_long || round + 1 == self.plan.rounds;
        self.rotate(kills_servers);
        self.retire(&old);
        self.tell(&both[..1]);
    }

    /// Gives the nodes other files, one two seconds after the other. What only one of them holds is
    /// not activated.
    fn tell(&mut self, keys: &[String]) {
        let kid = self.key.id().to_string();
        for n in 0..self.nodes.len() {
            self.nodes[n].has_keys(keys);
            let is_new = keys.len() > 1;
            if let Some(behind) = self.nodes.get(n + 1)
                && is_new
            {
                let behind = behind.address();
                let until = Instant::now() + Duration::from_secs(2);
                let refused = self.command(&["keys", "activate", &kid]);
                assert_eq!(refused.code, 1, "{refused:?}");
                assert!(refused.stderr.contains(&behind), "{refused:?}");
                thread::sleep(until.saturating_duration_since(Instant::now()));
            }
            if is_new && self.plan.is_long && self.random.between(0, 3) == 0 {
                self.kill_a_server();
            }
        }
    }

    fn activate(&self) {
        let kid = self.key.id().to_string();
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let ran = self.command(&["keys", "activate", &kid]);
            if ran.code == 0 {
                return;
            }
            assert!(ran.code == 1 && Instant::now() < deadline, "{ran:?}");
            assert!(ran.stderr.contains("do not hold the key"), "{ran:?}");
            thread::sleep(Duration::from_millis(300));
        }
    }

    /// Kills what moves the values now and then, and starts it again.
    fn rotate(&mut self, kills_servers: bool) {
        let mut kills = self.random.between(1, 3);
        loop {
            let mut command = self.spawned(&["keys", "rotate"]);
            let kill_after = Duration::from_millis(self.random.between(5, 400));
            let ended = ended_within(&mut command, (kills > 0).then_some(kill_after));
            match ended {
                Some(true) if kills == 0 => return,
                Some(true) => {}
                Some(false) => panic!("keys rotate: {:?}", command.wait_with_output()),
                None => {
                    command.kill().unwrap();
                    command.wait().unwrap();
                    self.kills += 1;
                }
            }
            kills = kills.saturating_sub(1);
            if kills_servers && self.random.between(0, 1) == 0 {
                self.kill_a_server();
            }
        }
    }

    /// Values may have been sealed under it by a node that heard of the new one later.
    fn retire(&mut self, old: &FieldKey) {
        let kid = old.id().to_string();
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let ran = self.command(&["keys", "retire", &kid]);
            if ran.code == 0 {
                break;
            }
            assert!(ran.code == 1 && Instant::now() < deadline, "{ran:?}");
            assert!(ran.stderr.contains("sealed under this key"), "{ran:?}");
            let again = self.command(&["keys", "rotate"]);
            assert_eq!(again.code, 0, "{again:?}");
        }
        self.retired.push(kid);
        self.check_keys();
    }

    /// That nothing is sealed under a retired key.
    fn check_keys(&self) {
        let status = self.command(&["keys", "status", "--json"]);
        assert_eq!(status.code, 0, "{status:?}");
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        for kid in &self.retired {
            let keys = status["keys"].as_array().unwrap();
            let key = keys.iter().find(|key| key["kid"] == **kid).unwrap();
            assert_eq!(
                (&key["state"], &key["rows"]),
                (&"retired".into(), &0.into())
            );
        }
        assert_eq!(status["active_kid"], self.key.id().as_str());
    }

    fn kill_a_server(&mut self) {
        let last = u64::try_from(self.nodes.len()).unwrap() - 1;
        let node = usize::try_from(self.random.between(0, last)).unwrap();
        self.nodes[node].kill_and_start();
        self.kills += 1;
    }

    /// On the host whose file is written first.
    fn command(&self, arguments: &[&str]) -> Ran {
        self.nodes[0].home.run(arguments)
    }

    fn spawned(&self, arguments: &[&str]) -> Child {
        self.nodes[0].home.command(arguments).spawn().unwrap()
    }
}

/// Whether it has ended well; `None` when it has not ended by then.
fn ended_within(command: &mut Child, patience: Option<Duration>) -> Option<bool> {
    let begun = Instant::now();
    loop {
        if let Some(status) = command.try_wait().unwrap() {
            return Some(status.success());
        }
        if patience.is_some_and(|patience| begun.elapsed() > patience) {
            return None;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(2),
            "keys rotate does not end"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// Lets the others stop when this goes, also in a panic.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

const READERS: u64 = 4;
const WRITERS: u64 = 2;
