//! Stands between a client and a server, and writes down every byte of both directions.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    to_server: Arc<Mutex<Vec<u8>>>,
    to_client: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tap = Self {
            address: listener.local_addr().unwrap(),
            to_server: Arc::default(),
            to_client: Arc::default(),
        };
        let (up, down) = (Arc::clone(&tap.to_server), Arc::clone(&tap.to_client));
        let server = server.to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(&server).unwrap();
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                }
                copy(
                    client.try_clone().unwrap(),
                    server.try_clone().unwrap(),
                    Arc::clone(&up),
                );
                copy(server, client, Arc::clone(&down));
            }
        });
        tap
    }

    /// Every byte that the client got.
    pub(crate) fn to_client(&self) -> Vec<u8> {
        self.to_client.lock().unwrap().clone()
    }

    /// Every byte that the client sent.
    pub(crate) fn to_server(&self) -> Vec<u8> {
        self.to_server.lock().unwrap().clone()
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, written: Arc<Mutex<Vec<u8>>>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1_024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            written.lock().unwrap().extend_from_slice(&buffer[..length]);
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
