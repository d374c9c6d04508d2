use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;

use crate::cli::Output;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::terminal;
use crate::tls;

/// Where to ask.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Ask the server here [default: where BIND says, on this machine].
    #[arg(long, value_name = "ADDRESS:PORT")]
    address: Option<SocketAddr>,
}

/// `keyward health`: whether the server of these settings takes requests. For the probes of containers and supervisors.
pub(crate) fn health(
    settings: &Settings,
    args: &HealthArgs,
    output: Output,
) -> Result<Exit, Failure> {
    let address = args.address.unwrap_or_else(|| reachable(settings.bind));
    let answer = ask(settings, address).map_err(|error| {
        Failure::unavailable(format!(
            "no server answers at {}://{address}: {error}",
            settings.scheme()
        ))
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or("nothing");
    if status != "200" {
        return Err(Failure::unavailable(format!(
            "the server at {address} is not ready (it answers {status}); its log says why"
        )));
    }
    match output {
        Output::Json => terminal::print(&format!("{body}\n"))?,
        Output::Text => terminal::print("ready\n")?,
    }
    Ok(Exit::Done)
}

fn ask(settings: &Settings, address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Some(files) = &settings.tls else {
        return exchange(&mut stream);
    };
    let mut connection = tls::connect_to_own(files).map_err(io::Error::other)?;
    exchange(&mut rustls::Stream::new(&mut connection, &mut stream))
}

fn exchange(stream: &mut (impl Read + Write)) -> io::Result<String> {
    stream.write_all(REQUEST)?;
    let mut answer = Vec::new();
    // The server ends the connection after its answer.
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A server that listens on all addresses is reached on this machine.
fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

const REQUEST: &[u8] =
    b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// Longer than a server takes to say that its database is silent.
const PATIENCE: Duration = Duration::from_secs(4);
const MAX_ANSWER: u64 = 16 * 1024;
