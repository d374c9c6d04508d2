use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::Duration;

use keyward_core::{Clock as _, SystemClock};
use keyward_crypto::TotpSecret;

use super::*;

/// `keyward user enrol-mfa` while it waits for codes.
struct Enrolling {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Enrolling {
    fn begin(home: &Home, arguments: &[&str]) -> Self {
        let arguments = [&["user", "enrol-mfa"], arguments].concat();
        let mut child = home.command(&arguments).spawn().unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    fn type_in(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// The rest of standard output, standard error, and the exit code.
    fn end(self) -> (String, String, i32) {
        let Self {
            mut child,
            input,
            mut output,
        } = self;
        drop(input);
        let (mut rest, mut said) = (String::new(), String::new());
        output.read_to_string(&mut rest).unwrap();
        let mut errors = child.stderr.take().unwrap();
        errors.read_to_string(&mut said).unwrap();
        (rest, said, child.wait().unwrap().code().unwrap())
    }
}

/// An authenticator app.
struct App(TotpSecret);

impl App {
    fn with(secret: &str) -> Self {
        Self(TotpSecret::from_base32(secret).unwrap())
    }

    /// The code of so many steps before now.
    fn code(&self, before: i64) -> String {
        let now = SystemClock.now().0;
        self.0.code_at(now - before * 30).expose().to_owned()
    }

    /// A code that is not right, now and for a while.
    fn wrong(&self) -> String {
        let right: Vec<_> = (-3..3).map(|before| self.code(before)).collect();
        (0..10)
            .map(|digit| digit.to_string().repeat(6))
            .find(|code| !right.contains(code))
            .unwrap()
    }
}

/// Waits until the step of a code does not end while a test uses it.
fn early_in_a_step() {
    while SystemClock.now().0 % 30 > 20 {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Logs in with the password, and with what `second` holds beside the ticket.
fn two_steps(server: &Server, second: (&str, &str)) -> Answer {
    let first = log_in(server, "ada", PASSWORD).expect(200);
    assert_eq!(first["requires_mfa"], true, "{first}");
    let mut body = json!({ "ticket": first["ticket"] });
    body[second.0] = json!(second.1);
    server
        .client("")
        .post("/api/v1/auth/mfa/login-verify", &body)
}

#[test]
fn an_app_that_was_enrolled_on_the_host_logs_in_and_so_does_a_recovery_code() {
    let (home, _) = with_ada();
    let server = home.start();
    let session = log_in(&server, "ada", PASSWORD).expect(200);
    let session = server.client(session["key"].as_str().unwrap());

    early_in_a_step();
    let mut enrolling = Enrolling::begin(&home, &["ada", "--json"]);
    let shown = json_of(&enrolling.line());
    let secret = shown["secret"].as_str().unwrap();
    let keys: Vec<_> = shown.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "secret", "uri", "username"]);
    let uri = shown["uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/Keyward:ada?"), "{uri}");
    assert!(uri.contains(&format!("secret={secret}&")), "{uri}");
    assert_eq!(listed(&home, "ada")["mfa_enabled"], false);

    // The code of the last step confirms, so that the current one is left for the login.
    let app = App::with(secret);
    enrolling.type_in("not a code");
    enrolling.type_in(&app.code(1));
    let (rest, said, code) = enrolling.end();
    assert_eq!(code, 0, "{said}");
    let rest = json_of(&rest);
    let codes = rest["recovery_codes"].as_array().unwrap();
    assert_eq!((codes.len(), rest.as_object().unwrap().len()), (10, 1));
    assert_eq!(listed(&home, "ada")["mfa_enabled"], true);
    let id = shown["id"].as_str().unwrap();
    assert_eq!(last_event(&home), format!("host mfa.enable {id}"));
    session.get("/api/v1/auth/me").expect(401);

    let key = two_steps(&server, ("code", &app.code(0))).expect(200);
    let session = server.client(key["key"].as_str().unwrap());
    session.get("/api/v1/auth/me").expect(200);
    two_steps(&server, ("recovery_code", codes[3].as_str().unwrap())).expect(200);
    two_steps(&server, ("recovery_code", codes[3].as_str().unwrap())).expect(401);

    let said = done(&home, &["user", "reset-mfa", "ada"], "");
    assert!(said.starts_with("ada has no second factor"), "{said}");
    assert_eq!(last_event(&home), format!("host mfa.reset {id}"));
    session.get("/api/v1/auth/me").expect(401);
    let again = log_in(&server, "ada", PASSWORD).expect(200);
    assert_eq!(again["requires_mfa"], false);
    server.stop();
    is_intact(&home);
}

#[test]
fn text_for_a_person_has_the_secret_and_the_codes_and_no_picture_in_a_file() {
    let (home, _) = with_ada();
    let mut enrolling = Enrolling::begin(&home, &["ADA"]);
    let shown = [(); 3].map(|()| enrolling.line());
    assert!(
        shown[0].contains("app of ada, shown this once"),
        "{shown:?}"
    );
    let secret = shown[1].strip_prefix("  secret  ").unwrap().trim();
    assert!(shown[2].starts_with("  URI     otpauth://totp/"));
    early_in_a_step();
    enrolling.type_in(&App::with(secret).code(0));
    let (rest, said, code) = enrolling.end();
    assert_eq!(code, 0, "{said}");
    let codes = rest.lines().filter(|line| line.starts_with("  ")).count();
    assert_eq!(codes, 10, "{rest}");
    assert!(!rest.contains('\u{1b}'), "{rest}");
    assert!(!said.contains(secret), "{said}");
}

#[test]
fn three_wrong_codes_are_refused_and_leave_what_was_there_before() {
    let (home, _) = with_ada();
    let mut enrolling = Enrolling::begin(&home, &["ada", "--json"]);
    let app = App::with(json_of(&enrolling.line())["secret"].as_str().unwrap());
    for line in [&app.wrong(), "12345", &app.wrong()] {
        enrolling.type_in(line);
    }
    let (rest, said, code) = enrolling.end();
    assert_eq!((code, rest.as_str()), (1, ""), "{said}");
    assert!(said.contains("nothing changed"), "{said}");
    assert!(said.contains("(0 more tries)"), "{said}");
    assert!(!said.contains("12345"), "{said}");
    assert_eq!(listed(&home, "ada")["mfa_enabled"], false);
    is_intact(&home);
}

#[test]
fn no_code_at_all_is_refused() {
    let (home, _) = with_ada();
    let (_, said, code) = Enrolling::begin(&home, &["ada"]).end();
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no code came"), "{said}");
    assert_eq!(listed(&home, "ada")["mfa_enabled"], false);
}

#[test]
fn guesses_on_the_host_are_limited_as_everywhere_for_right_codes_too() {
    let (home, _) = with_ada();
    early_in_a_step();
    let enrol = |lines: fn(&App) -> Vec<String>| {
        let mut enrolling = Enrolling::begin(&home, &["ada", "--json"]);
        let app = App::with(json_of(&enrolling.line())["secret"].as_str().unwrap());
        for line in lines(&app) {
            // Nobody reads any more once it is refused.
            let _ = writeln!(enrolling.input, "{line}");
        }
        enrolling.end()
    };
    let wrong = |app: &App| vec![app.wrong(), app.wrong(), app.wrong()];
    assert_eq!(enrol(wrong).2, 1);
    let (_, said, code) = enrol(wrong);
    assert_eq!(code, 1);
    assert!(said.contains("do this again in "), "{said}");
    let right = |app: &App| vec![app.code(0)];
    assert_eq!(enrol(right).2, 1);

    a_minute_passes(&home);
    let (rest, said, code) = enrol(right);
    assert_eq!(code, 0, "{said}");
    assert!(rest.contains("recovery_codes"), "{rest}");
}

#[test]
fn an_app_that_a_hundred_wrong_codes_ended_says_that_unlocking_helps() {
    let (home, _) = with_ada();
    early_in_a_step();
    let enrol = |code: fn(&App) -> String| {
        let mut enrolling = Enrolling::begin(&home, &["ada", "--json"]);
        let app = App::with(json_of(&enrolling.line())["secret"].as_str().unwrap());
        enrolling.type_in(&code(&app));
        enrolling.end()
    };
    assert_eq!(enrol(App::wrong).2, 1);
    home.sql().run("UPDATE attempts SET fails = 99");
    assert_eq!(enrol(App::wrong).2, 1);
    let (_, said, code) = enrol(|app| app.code(0));
    assert_eq!(code, 1);
    assert!(
        said.contains("lift the lock with `keyward user unlock"),
        "{said}"
    );

    done(&home, &["user", "unlock", "ada"], "");
    let (_, said, code) = enrol(|app| app.code(0));
    assert_eq!(code, 0, "{said}");
}
