use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::running::{Home, until};

#[test]
fn a_request_that_has_begun_is_finished_before_the_server_stops() {
    let home = Home::new();
    let mut server = home.start();
    let body = json!({ "name": "late", "credential_type": "generic", "detail": { "token": "t" } });
    let body = body.to_string();
    let head = format!(
        "POST /api/v1/credentials HTTP/1.1\r\nHost: keyward\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        server.admin().key(),
        body.len()
    );
    let mut slow = TcpStream::connect(&server.address).unwrap();
    let (start, end) = body.split_at(10);
    slow.write_all(head.as_bytes()).unwrap();
    slow.write_all(start.as_bytes()).unwrap();
    // An answer on another connection: the head above has arrived by now.
    server.get("/health/live").expect(200);

    server.terminate();
    until("a server that takes no more connections", || {
        TcpStream::connect(&server.address).err()
    });
    assert_eq!(server.has_ended(), None, "a request is under way");
    slow.write_all(end.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn what_was_acknowledged_during_a_stop_is_there_afterwards() {
    let home = Home::new();
    let mut server = home.start();
    let admin = server.admin();
    let key = admin.key().to_owned();
    let acknowledged: BTreeSet<String> = thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let admin = server.client(&key);
                scope.spawn(move || {
                    let mut names = Vec::new();
                    for number in 0.. {
                        let name = format!("{writer}-{number}");
                        let body = json!({ "name": name }).to_string();
                        let made =
                            admin.try_send("POST", "/api/v1/users/me/keys", &[], Some(&body));
                        match made {
                            Ok(answer) if answer.status == 201 => names.push(name),
                            Ok(answer) => panic!("{answer:?}"),
                            Err(_) => return names,
                        }
                    }
                    names
                })
            })
            .collect();
        until("some writes", || {
            (admin.all("/api/v1/users/me/keys").len() > 20).then_some(())
        });
        server.terminate();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    });
    assert_eq!(server.ended().code(), Some(0));

    let server = home.start();
    let names: BTreeSet<_> = server
        .client(&key)
        .all("/api/v1/users/me/keys")
        .iter()
        .map(|key| key["name"].as_str().unwrap().to_owned())
        .collect();
    let lost: Vec<_> = acknowledged.difference(&names).collect();
    assert!(lost.is_empty(), "{lost:?}");
    server.stop();
    assert_eq!(home.run(&["audit", "verify"]).code, 0);
}

#[test]
fn connections_that_ask_for_nothing_do_not_hold_up_a_stop() {
    let home = Home::new();
    let mut server = home.start();
    let silent = TcpStream::connect(&server.address).unwrap();
    let kept_alive = server.admin();
    kept_alive.get("/api/v1/auth/me").expect(200);

    let asked = Instant::now();
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    drop(silent);
}
