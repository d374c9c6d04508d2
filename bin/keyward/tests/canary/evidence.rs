use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::running::{Answer, Server};
use crate::scanner::{Finding, Scanner};

/// Everything that a server showed or left, by channel.
#[derive(Clone, Default)]
pub(crate) struct Evidence(pub(crate) BTreeMap<String, Vec<u8>>);

impl Evidence {
    pub(crate) fn add(&mut self, channel: &str, bytes: &[u8]) {
        let kept = self.0.entry(channel.to_owned()).or_default();
        kept.extend_from_slice(bytes);
        // So that nothing is found across the border of two things.
        kept.push(b'\n');
    }

    /// Every file below `folder`, each a channel.
    pub(crate) fn add_files(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.add_files(&path);
            } else {
                let name = path.file_name().unwrap().to_str().unwrap();
                self.add(&format!("the file {name}"), &fs::read(&path).unwrap());
            }
        }
    }

    /// What other processes of the same user see of a running server, where the system shows it.
    pub(crate) fn add_process(&mut self, server: &Server) {
        for name in ["environ", "cmdline"] {
            if let Ok(bytes) = fs::read(format!("/proc/{}/{name}", server.pid())) {
                self.add(&format!("/proc/PID/{name}"), &bytes);
            }
        }
    }

    /// All of an answer, but for the secrets that it is there to show.
    pub(crate) fn add_answer(&mut self, answer: &Answer, allowed: &[&str]) {
        let shown = allowed.iter().fold(answer.body.clone(), |body, secret| {
            body.replace(secret, "(allowed)")
        });
        self.add("bodies of answers", shown.as_bytes());
        for (name, value) in &answer.headers {
            self.add("headers of answers", format!("{name}: {value}").as_bytes());
        }
    }

    pub(crate) fn scan(&self, scanner: &Scanner) -> Vec<(String, Finding)> {
        self.0
            .iter()
            .flat_map(|(channel, bytes)| {
                let found = scanner.scan(bytes).into_iter();
                found.map(|finding| (channel.clone(), finding))
            })
            .collect()
    }
}
