//! Whom TLS believes. The certificates come from the environment of the process, so the test runs
//! itself again in another one.
#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use keyward_broker::{ClientError, Egress};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Method, Response};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

#[test]
fn services_are_believed_by_the_authorities_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "in_its_own_environment",
            "--ignored",
            "--nocapture",
        ])
        .env("SSL_CERT_FILE", folder.path().join("authorities.pem"))
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{output:?}"
    );
}

#[tokio::test]
#[ignore = "started by the test above"]
async fn in_its_own_environment() {
    let egress = Egress::new("localhost".parse().unwrap());
    let (known, unknown) = (Authority::new(), Authority::new());
    let https = format!("https://localhost:{}/", known.serve());

    // Without a file there is nobody to believe, and the error says what to do.
    let error = get(&egress, &https).await.unwrap_err().unwrap_err();
    assert!(matches!(error, ClientError::NoAuthorities(_)), "{error:?}");
    assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
    // Hosts in the clear are reached all the same.
    let http = format!("http://localhost:{}/", serve_clear());
    assert_eq!(get(&egress, &http).await.unwrap().status(), 200);

    // The file is looked for again.
    std::fs::write(authorities_file(), known.0.pem()).unwrap();
    assert_eq!(get(&egress, &https).await.unwrap().status(), 200);
    let https = format!("https://localhost:{}/", unknown.serve());
    let error = get(&egress, &https).await.unwrap_err().unwrap();
    assert!(error.is_connect(), "{error:?}");

    // Who embeds the crate chooses the default of the process.
    assert!(CryptoProvider::get_default().is_none());
}

/// An answer, or why there is none: the request failed, or there could be no request.
async fn get(egress: &Egress, url: &str) -> Result<Response, Result<reqwest::Error, ClientError>> {
    let checked = egress.check(url.parse().unwrap()).unwrap();
    let request = egress.request(Method::GET, checked).map_err(Err)?;
    request.send().await.map_err(Ok)
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is tested is an environment"
)]
fn authorities_file() -> PathBuf {
    let file = std::env::var("SSL_CERT_FILE").unwrap();
    Path::new(&file).to_owned()
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Serves as `localhost` by TLS, and gives the port.
    fn serve(&self) -> u16 {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        serve(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            answer(StreamOwned::new(connection, stream));
        })
    }
}

fn serve_clear() -> u16 {
    serve(answer)
}

fn serve(answer: impl Fn(std::net::TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap());
        }
    });
    port
}

/// Whoever does not believe us does not ask either.
fn answer(mut stream: impl Read + Write) {
    let mut head = [0; 4096];
    if stream.read(&mut head).is_ok_and(|len| len > 0) {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).unwrap();
    }
}
