use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use keyward_auth::Environment;
use keyward_core::with_causes;
use keyward_encryption::{KeepError, Pass, Reencrypt, RotationState, ServingNode, Step};
use keyward_store_diesel::DieselStore;

use super::metrics;
use crate::background::Background;
use crate::exit::Failure;
use crate::keys::KeyFiles;
use crate::wiring::{Installation, broken};

/// Keeps this node in step with the others: tells them which keys it holds, reads the key files
/// anew when they have changed, seals and signs with the keys that are active, and re-encrypts when
/// that was started.
///
/// Has joined the nodes that serve when it returns.
pub(super) fn start(
    installation: &Installation,
    name: &str,
    files: KeyFiles,
) -> Result<Background, Failure> {
    let node = installation.node(name);
    node.join().map_err(|error| match error {
        KeepError::Refused(error) => Failure::configuration(error),
        KeepError::Store(error) => broken(&error),
    })?;
    let worker = installation.reencrypt(node.id());
    let mut work = Work {
        environment: installation.environment(),
        worker,
        node,
        files,
        complaint: None,
        pass: Pass::default(),
    };
    Ok(Background::start(move |pauses| {
        let mut rounds = (0..JOIN_EVERY).cycle();
        while pauses.go_on_after(EVERY) {
            let says_so = rounds.next() == Some(0);
            // Without this thread the node would not learn which keys the others use.
            let round = AssertUnwindSafe(|| work.round(says_so));
            if catch_unwind(round).is_err() {
                tracing::error!("keeping in step with the other nodes has failed; going on");
            }
        }
        if let Err(error) = work.node.leave() {
            tracing::warn!(error = %with_causes(&error), "cannot leave the nodes that serve");
        }
        // If this thread is gone before, its entry is forgotten by its age.
    }))
}

struct Work {
    environment: Environment<DieselStore>,
    node: ServingNode<DieselStore>,
    worker: Reencrypt<DieselStore>,
    files: KeyFiles,
    /// What was wrong with the files when they were read last.
    complaint: Option<String>,
    pass: Pass,
}

impl Work {
    fn round(&mut self, says_so: bool) {
        self.learn();
        if says_so && let Err(error) = self.node.join() {
            tracing::warn!(error = %with_causes(&error), "cannot say which keys this node holds");
        }
        match self.node.follow() {
            Ok(RotationState::Running) => self.reencrypt(),
            Ok(_) => self.pass = Pass::default(),
            Err(error) => {
                tracing::warn!(error = %with_causes(&error), "cannot ask which key is active");
            }
        }
    }

    /// Reads the key files, and tells the others when they hold other keys than before.
    fn learn(&mut self) {
        let Environment { fields, macs, .. } = &self.environment;
        let learnt = self
            .files
            .read(fields, macs)
            .map_err(|error| with_causes(&error))
            .and_then(|read| {
                let learnt = self.node.learn(&read.fields, &read.macs);
                learnt.map_err(|error| with_causes(&error))
            });
        match learnt {
            Ok(is_new) => {
                if is_new {
                    tracing::info!(keys = ?fields, secrets = ?macs, "read the keys anew");
                }
                self.complaint = None;
            }
            // Once, not every second.
            Err(error) if self.complaint.as_ref() != Some(&error) => {
                tracing::error!(
                    %error,
                    "a key file cannot be used as it is; going on with the keys of before"
                );
                self.complaint = Some(error);
            }
            Err(_) => {}
        }
    }

    /// For a while, and with pauses as long as the work, so that requests come first.
    fn reencrypt(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < EVERY {
            let step = Instant::now();
            match self.worker.step(&mut self.pass) {
                Ok(Step::Moved(values)) => {
                    metrics::moved(values);
                    std::thread::sleep(step.elapsed().clamp(SHORTEST_PAUSE, EVERY));
                }
                Ok(Step::Done { unreadable }) => {
                    tracing::info!(unreadable, "re-encryption is done");
                    return;
                }
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(error = %with_causes(&error), "cannot re-encrypt; trying again");
                    return;
                }
            }
        }
    }
}

const EVERY: Duration = Duration::from_secs(1);
/// In rounds. A node counts as gone after six of these.
const JOIN_EVERY: u32 = 5;
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
