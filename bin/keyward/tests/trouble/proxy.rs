//! A network between the server and its database that can be made to fail.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Network {
    /// Everything arrives.
    Works,
    /// Nobody is there: connections end, and new ones are refused.
    Gone,
    /// Connections are taken, and nothing arrives.
    Silent,
    /// What arrives takes three seconds.
    Slow,
    /// Every answer ends the connection, with a reset.
    Resets,
    /// Every answer ends in its middle, and the connection with it.
    Cuts,
    /// Bytes of answers are lost.
    Loses,
}

impl Network {
    const ALL: [Self; 7] = [
        Self::Works,
        Self::Gone,
        Self::Silent,
        Self::Slow,
        Self::Resets,
        Self::Cuts,
        Self::Loses,
    ];
}

/// Passes connections on to PostgreSQL.
pub(crate) struct Proxy {
    pub(crate) address: String,
    state: Arc<State>,
}

struct State {
    network: AtomicU8,
    is_over: AtomicBool,
    /// Bytes that were kept from the server, or connections that were ended: proof that the network
    /// did fail.
    failures: AtomicU64,
}

impl Proxy {
    pub(crate) fn before(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            network: AtomicU8::new(Network::Works as u8),
            is_over: AtomicBool::new(false),
            failures: AtomicU64::new(0),
        });
        let (target, shared) = (target.to_owned(), Arc::clone(&state));
        thread::spawn(move || {
            for client in listener.incoming() {
                if shared.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let client = client.unwrap();
                if shared.network() == Network::Gone {
                    shared.failed();
                    reset(&client);
                    continue;
                }
                let server = TcpStream::connect(&target).unwrap();
                pump(&shared, &client, &server, false);
                pump(&shared, &server, &client, true);
            }
        });
        Self { address, state }
    }

    pub(crate) fn set(&self, network: Network) {
        self.state.network.store(network as u8, Ordering::SeqCst);
    }

    /// How often the network has failed so far.
    pub(crate) fn failures(&self) -> u64 {
        self.state.failures.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that takes connections.
        let _ = TcpStream::connect(&self.address);
    }
}

impl State {
    fn network(&self) -> Network {
        Network::ALL[usize::from(self.network.load(Ordering::SeqCst))]
    }

    fn failed(&self) {
        self.failures.fetch_add(1, Ordering::SeqCst);
    }
}

/// Carries bytes one way until the connection ends.
fn pump(state: &Arc<State>, from: &TcpStream, to: &TcpStream, is_answer: bool) {
    let state = Arc::clone(state);
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    from.set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    to.set_nodelay(true).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        loop {
            let network = state.network();
            if state.is_over.load(Ordering::SeqCst) || network == Network::Gone {
                if network == Network::Gone {
                    state.failed();
                }
                break;
            }
            if network == Network::Silent {
                state.failed();
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    continue;
                }
                Err(_) => break,
            };
            if !carry(&state, &mut to, &buffer[..read], is_answer) {
                break;
            }
        }
        reset(&from);
        reset(&to);
    });
}

/// Passes bytes on, or what the network leaves of them; says whether the connection goes on.
fn carry(state: &State, to: &mut TcpStream, bytes: &[u8], is_answer: bool) -> bool {
    let mut arriving = bytes.to_vec();
    let mut goes_on = true;
    match state.network() {
        Network::Gone => return false,
        Network::Silent => {
            // Read before the network fell silent: it arrives when it works again.
            while state.network() == Network::Silent && !state.is_over.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Network::Slow => {
            state.failed();
            thread::sleep(Duration::from_secs(3));
        }
        Network::Resets if is_answer => {
            state.failed();
            return false;
        }
        Network::Cuts if is_answer => {
            state.failed();
            arriving.truncate(bytes.len() / 2);
            goes_on = false;
        }
        Network::Loses if is_answer && bytes.len() > 8 => {
            state.failed();
            arriving.remove(bytes.len() / 2);
        }
        Network::Works | Network::Resets | Network::Cuts | Network::Loses => {}
    }
    to.write_all(&arriving).is_ok() && goes_on
}

/// Ends a connection with a reset, as a machine does that knows nothing of it.
fn reset(stream: &TcpStream) {
    // Whatever cannot be reset has ended.
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
    let _ = stream.shutdown(Shutdown::Both);
}
