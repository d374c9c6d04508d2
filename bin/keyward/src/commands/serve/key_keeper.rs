use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use keyward_auth::Environment;
use keyward_core::{Store as _, with_causes};
use keyward_encryption::{
    EncryptionKeys as _, KeepError, Pass, Reencrypt, RotationState, ServingNode, Step, keep, verify,
};
use keyward_store_diesel::DieselStore;

use crate::exit::Failure;
use crate::keys::KeyFiles;
use crate::wiring::{Installation, broken};

/// Keeps this node in step with the others: tells them which keys it holds, reads the key files
/// anew when they have changed, seals and signs with the keys that are active, and re-encrypts when
/// that was started.
pub(super) struct KeyKeeper {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl KeyKeeper {
    /// Joins the nodes that serve.
    pub(super) fn start(
        installation: &Installation,
        name: &str,
        files: KeyFiles,
    ) -> Result<Self, Failure> {
        let node = installation.node(name);
        node.join().map_err(|error| match error {
            KeepError::Refused(error) => Failure::configuration(error),
            KeepError::Store(error) => broken(&error),
        })?;
        let (stop, stopped) = channel();
        let worker = installation.reencrypt(node.id());
        let work = Work {
            environment: installation.environment(),
            worker,
            node,
            files,
            pass: Pass::default(),
        };
        let thread = std::thread::spawn(move || {
            let mut work = work;
            let mut rounds = (0..JOIN_EVERY).cycle();
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                work.round(rounds.next() == Some(0));
            }
            if let Err(error) = work.node.leave() {
                tracing::warn!(error = %with_causes(&error), "cannot leave the nodes that serve");
            }
        });
        Ok(Self { stop, thread })
    }

    pub(super) fn stop(self) {
        // If the thread is gone there is nobody to stop; its entry is forgotten by its age.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

struct Work {
    environment: Environment<DieselStore>,
    node: ServingNode<DieselStore>,
    worker: Reencrypt<DieselStore>,
    files: KeyFiles,
    pass: Pass,
}

impl Work {
    fn round(&mut self, says_so: bool) {
        let has_learnt = self.learn();
        if (says_so || has_learnt)
            && let Err(error) = self.node.join()
        {
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

    /// Reads the key files, and says whether they hold other keys than before.
    fn learn(&self) -> bool {
        let Environment {
            store,
            fields,
            macs,
            clock,
            ..
        } = &self.environment;
        let read = match self.files.read(fields, macs) {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(%error, "a key file cannot be read; going on with the keys of before");
                return false;
            }
        };
        if read.fields.ids().eq(fields.ids()) && read.macs.ids().eq(macs.ids()) {
            return false;
        }
        let kept = store.write(|tx| {
            verify(&tx.lock_encryption_keys()?, &read.fields, &read.macs)?;
            fields.learn(&read.fields);
            macs.learn(&read.macs);
            keep(tx, fields, macs, clock.now())
        });
        match kept {
            Ok(()) => {
                tracing::info!(keys = ?fields, secrets = ?macs, "read the keys anew");
                true
            }
            Err(error) => {
                tracing::error!(
                    error = %with_causes(&error),
                    "a key file has changed and is of no use; going on with the keys of before"
                );
                false
            }
        }
    }

    /// For a while, and with pauses as long as the work, so that requests come first.
    fn reencrypt(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < EVERY {
            let step = Instant::now();
            match self.worker.step(&mut self.pass) {
                Ok(Step::Moved(_)) => {
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
