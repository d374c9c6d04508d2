//! TLS of the server's own.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::running::{Home, until};

/// A certificate of its own authority for `localhost`, written to two files.
fn identity(certificates: &Path, key_file: &Path) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(certificates, certificate.pem()).unwrap();
    std::fs::write(key_file, key.serialize_pem()).unwrap();
    certificate.der().clone()
}

/// A client that trusts this certificate alone.
struct Secure(StreamOwned<ClientConnection, TcpStream>);

impl Secure {
    fn connect(address: &str, trusted: &CertificateDer<'static>) -> std::io::Result<Self> {
        Self::offering(address, trusted, &[])
    }

    /// A client that offers to speak these protocols.
    fn offering(
        address: &str,
        trusted: &CertificateDer<'static>,
        protocols: &[&[u8]],
    ) -> std::io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let connection =
            ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
        stream.flush()?;
        Ok(Self(stream))
    }

    fn get(&mut self, path: &str) -> std::io::Result<String> {
        write!(self.0, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut answer = Vec::new();
        let mut piece = [0; 4_096];
        while !answer.ends_with(br#"{"status":"ok"}"#) {
            match self.0.read(&mut piece)? {
                0 => break,
                read => answer.extend_from_slice(&piece[..read]),
            }
        }
        Ok(String::from_utf8(answer).unwrap())
    }
}

fn with_tls() -> (Home, CertificateDer<'static>) {
    let home = Home::new();
    let (certificates, key) = (home.path("tls.pem"), home.write("tls.key", "", 0o600));
    let trusted = identity(&certificates, &key);
    let home = home
        .set("TLS_CERT_FILE", certificates.to_str().unwrap())
        .set("TLS_KEY_FILE", key.to_str().unwrap());
    (home, trusted)
}

#[test]
fn a_new_certificate_is_taken_while_connections_go_on() {
    let (home, first) = with_tls();
    let server = home.start_secure();
    let mut old = Secure::connect(&server.address, &first).unwrap();
    let answer = old.get("/health/live").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let hsts = "strict-transport-security: max-age=31536000; includeSubDomains";
    assert!(answer.contains(hsts), "{answer}");

    // Who trusts another one does not get through: the control of what follows.
    let second = identity(&home.path("tls.pem"), &home.path("tls.key"));
    let taken = || {
        let answer = Secure::connect(&server.address, &second)
            .and_then(|mut client| client.get("/health/ready"));
        answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 OK"))
    };
    until("the new certificate", || taken().then_some(()));
    let late =
        Secure::connect(&server.address, &first).and_then(|mut client| client.get("/health/live"));
    assert!(late.is_err(), "the old certificate is still shown");
    let answer = old.get("/health/live").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let left = server.stop();
    assert!(left.stderr.contains("read the TLS certificate anew"));
}

#[test]
fn files_that_are_no_good_later_change_nothing() {
    let (home, trusted) = with_tls();
    let server = home.start_secure();
    std::fs::write(home.path("tls.key"), "not a key").unwrap();
    until("a complaint", || {
        let said = server.stderr();
        said.contains("going on with those of before").then_some(())
    });
    let mut client = Secure::connect(&server.address, &trusted).unwrap();
    let answer = client.get("/health/live").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    server.stop();
}

#[test]
fn without_tls_nothing_is_said_of_it_and_nothing_answers_in_plain_text_with_it() {
    let server = Home::new().start();
    assert_eq!(
        server
            .get("/health/live")
            .header("strict-transport-security"),
        None
    );
    server.stop();

    let (home, _) = with_tls();
    let server = home.start_secure();
    let mut plain = TcpStream::connect(&server.address).unwrap();
    plain
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    server.stop();
}

#[test]
fn files_that_are_no_good_at_the_start_are_refused() {
    let (home, _) = with_tls();
    std::fs::write(home.path("tls.key"), "not a key").unwrap();
    let refused = home.run(&["serve"]);
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(refused.stderr.contains("TLS_KEY_FILE"), "{refused:?}");

    let half = Home::new().set("TLS_CERT_FILE", "/nowhere.pem");
    let refused = half.run(&["serve"]);
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(
        refused.stderr.contains("without TLS_KEY_FILE"),
        "{refused:?}"
    );
}

/// The greeting of a client that speaks no newer TLS than `version`, in one record (RFC 5246, section 7.4.1.2).
fn greeting(version: [u8; 2]) -> Vec<u8> {
    // ECDHE with an ECDSA certificate, with GCM and with the CBC of before, and renegotiation information.
    let suites = [0xc0, 0x2b, 0xc0, 0x09, 0xc0, 0x13, 0x00, 0xff];
    // Groups, signatures, and points as they are.
    let extensions = [
        &[0, 10, 0, 6, 0, 4, 0, 29, 0, 23][..],
        &[0, 13, 0, 6, 0, 4, 4, 3, 2, 3],
        &[0, 11, 0, 2, 1, 0],
    ]
    .concat();
    let mut hello = version.to_vec();
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend([0, 8]);
    hello.extend(suites);
    hello.extend([1, 0, 0]);
    hello.push(u8::try_from(extensions.len()).unwrap());
    hello.extend(extensions);
    let length = u8::try_from(hello.len()).unwrap();
    let record = [22, 3, 1, 0, length + 4, 1, 0, 0, length];
    [&record[..], &hello].concat()
}

/// The kind of the first record that the server sends back: 22 goes on, 21 is an alert.
fn answered_by(address: &str, version: [u8; 2]) -> Option<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&greeting(version)).unwrap();
    let mut kind = [0];
    stream.read_exact(&mut kind).ok().map(|()| kind[0])
}

#[test]
fn nothing_older_than_tls_1_2_is_spoken() {
    let (home, _) = with_tls();
    let server = home.start_secure();
    assert_eq!(answered_by(&server.address, [3, 3]), Some(22), "TLS 1.2");
    for (version, name) in [([3, 2], "1.1"), ([3, 1], "1.0"), ([3, 0], "SSL 3")] {
        let answered = answered_by(&server.address, version);
        assert_ne!(answered, Some(22), "{name}");
    }
    server.stop();
}

#[test]
fn http_2_is_not_spoken_however_it_is_asked_for() {
    let (home, trusted) = with_tls();
    let server = home.start_secure();
    let offering = |protocols: &[&[u8]]| {
        let mut client = Secure::offering(&server.address, &trusted, protocols)?;
        client.get("/health/live")?;
        let agreed = client.0.conn.alpn_protocol();
        Ok::<_, std::io::Error>(agreed.map(<[u8]>::to_vec))
    };
    let both = offering(&[b"h2", b"http/1.1"]).unwrap();
    assert_ne!(both.as_deref(), Some(&b"h2"[..]));
    let alone = offering(&[b"h2"]);
    assert!(
        !matches!(&alone, Ok(Some(agreed)) if agreed == b"h2"),
        "{alone:?}"
    );

    let mut known = Secure::connect(&server.address, &trusted).unwrap();
    write!(known.0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = known.0.read_to_end(&mut answer);
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
        "{answer:?}"
    );
    server.stop();
}
