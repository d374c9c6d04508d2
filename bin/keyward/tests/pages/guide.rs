//! docs/production.md, followed to the letter in folders of its own.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use keyward_crypto::TotpSecret;
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use crate::running::app::now;
use crate::running::{Home, Server};
use crate::steps::{Step, fits, steps};
use crate::{file, has, text};

/// A machine that has nothing but what the installation makes.
struct Machine {
    root: TempDir,
    work: PathBuf,
    /// What the last command has printed.
    printed: String,
    server: Option<Server>,
    port: u16,
}

impl Machine {
    fn new() -> Self {
        let root = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let work = root.path().join("work");
        // As packaging/systemd/tmpfiles.conf says.
        let folders = text("packaging/systemd/tmpfiles.conf");
        let folders = folders
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        for fields in folders {
            let path = root.path().join(fields[1].trim_start_matches('/'));
            fs::create_dir_all(&path).unwrap();
            let mode = u32::from_str_radix(fields[2], 8).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir_all(&work).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let machine = Self {
            root,
            work,
            printed: String::new(),
            server: None,
            port,
        };
        machine.issue_certificate();
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    fn issue_certificate(&self) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        fs::write(
            self.path("/etc/keyward/tls/fullchain.pem"),
            certificate.pem(),
        )
        .unwrap();
        let private = self.path("/etc/keyward/tls/privkey.pem");
        fs::write(&private, key.serialize_pem()).unwrap();
        fs::set_permissions(private, Permissions::from_mode(0o640)).unwrap();
    }

    /// The same in the folders of this machine, by whoever runs the test.
    fn here(&self, text: &str) -> String {
        let text = text.replace("sudo -u keyward ", "").replace("sudo ", "");
        let text = ["/etc/keyward", "/var/lib/keyward", "/var/backups/keyward"]
            .into_iter()
            .fold(text, |text, path| {
                text.replace(path, self.path(path).to_str().unwrap())
            });
        text.replace(" packaging/", &format!(" {}/", file("packaging").display()))
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        let binary = Path::new(env!("CARGO_BIN_EXE_keyward"));
        command
            .args(["-ec", line])
            .env_clear()
            .env("PATH", crate::session::search_path(binary))
            .current_dir(&self.work)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&mut self, step: &Step) {
        let line = self.here(&step.command);
        let output = self.command(&line).output().unwrap();
        self.judge(step, &output);
        if step.command.contains("install") && step.command.contains("keyward.toml") {
            self.adapt_settings();
        }
    }

    fn judge(&mut self, step: &Step, output: &Output) {
        let said = String::from_utf8_lossy(&output.stderr);
        self.printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let printed = &self.printed;
        let is_sound = if step.command.ends_with(" doctor") && self.root.path().starts_with("/tmp")
        {
            output.status.code() == Some(1) && warns_of_the_place_alone(printed)
        } else {
            output.status.success()
        };
        assert!(is_sound, "{step:?}: {}\n{printed}\n{said}", output.status);
        let silent = step.expected.is_empty();
        assert!(
            silent || fits(&step.expected, printed),
            "{step:?}\n{printed}\n{said}"
        );
    }

    /// The installed settings, in the folders of this machine and on a port that is free.
    fn adapt_settings(&self) {
        let path = self.path("/etc/keyward/keyward.toml");
        let settings = self.here(&fs::read_to_string(&path).unwrap());
        let settings = settings.replace("0.0.0.0:8443", &format!("0.0.0.0:{}", self.port));
        fs::write(path, settings).unwrap();
    }

    /// Types the code that an app shows for the secret that the command prints.
    fn enrol(&mut self, step: &Step) {
        let line = self.here(&step.command);
        let mut child = self.command(&line).spawn().unwrap();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut read = String::new();
        let secret = loop {
            let begun = read.len();
            let line = std::io::BufRead::read_line(&mut output, &mut read).unwrap();
            assert!(line > 0, "no secret: {read}");
            if let Some(secret) = read[begun..].trim().strip_prefix("secret ") {
                break TotpSecret::from_base32(secret.trim()).unwrap();
            }
        };
        let code = secret.code_at(now()).expose().to_owned();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{code}").unwrap();
        drop(input);
        child.stdout = Some(output.into_inner());
        let output = child.wait_with_output().unwrap();
        self.judge(step, &output);
        assert!(self.printed.contains("Recovery codes"), "{}", self.printed);
    }

    /// What the unit starts.
    fn serve(&mut self) {
        let unit = text("packaging/systemd/keyward.service");
        let start = unit
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart=/usr/bin/keyward "))
            .unwrap();
        assert_eq!(start, "--config /etc/keyward/keyward.toml serve");
        let config = self.path("/etc/keyward/keyward.toml");
        let variables = BTreeMap::new();
        let arguments = ["--config", config.to_str().unwrap(), "serve"];
        self.server = Some(Server::of_arguments(&arguments, &self.work, &variables));
    }
}

#[test]
fn the_guide_into_production_ends_with_a_doctor_who_has_nothing_to_say() {
    if !has("the_guide_into_production", &["sh", "sed", "install"]) {
        return;
    }
    let steps = steps(&text("docs/production.md"));
    assert!(steps.len() > 10, "{}", steps.len());
    let mut machine = Machine::new();
    for step in &steps {
        match step.mark.as_str() {
            "second factor" => machine.enrol(step),
            "serve" if step.command.contains("systemctl") => machine.serve(),
            _ if step.command.contains("systemctl") => refers_to_a_unit(&step.command),
            "recipient" if step.command.contains("backup create") => {
                let recipient = recipient(&machine.work.join("backup-identity.txt"));
                let list = machine.path("/etc/keyward/backup-recipients.txt");
                fs::write(list, recipient).unwrap();
                machine.run(step);
            }
            _ => machine.run(step),
        }
    }
    machine.server.take().unwrap().stop();
}

/// What a doctor says where the tests themselves run in /tmp.
fn warns_of_the_place_alone(printed: &str) -> bool {
    let mut warnings = printed.lines().filter(|line| line.starts_with("WARN"));
    let place = warnings.next().unwrap_or_default();
    place.contains("database.place") && warnings.next().is_none() && !printed.contains("\nFAIL")
}

/// The public part of an identity, as its file says it.
fn recipient(identity: &Path) -> String {
    let identity = fs::read_to_string(identity).unwrap();
    let begin = identity.find("age1").expect("a recipient");
    let recipient = identity[begin..].split_whitespace().next().unwrap();
    recipient.to_owned()
}

fn refers_to_a_unit(command: &str) {
    let unit = command.rsplit(' ').next().unwrap();
    let there = file("packaging/systemd").join(unit);
    assert!(there.exists(), "{command}: there is no {unit}");
}

#[test]
fn the_blocks_that_are_not_run_name_files_that_are_there() {
    let page = text("docs/production.md");
    let words = page
        .split_whitespace()
        .map(|word| word.trim_matches(['`', '.', ',', ')', '(']));
    let named: Vec<_> = words
        .filter(|word| word.starts_with("packaging/") && !word.ends_with("/secrets/"))
        .collect();
    assert!(named.len() > 5, "{named:?}");
    for name in named {
        assert!(file(name).exists(), "{name}");
    }
    drop(Home::new());
}
