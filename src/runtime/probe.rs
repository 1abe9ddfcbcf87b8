//! Asks a riposte how it is: for images without a shell, where `riposte health` is the probe.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::model::text::clip;

const TIME: Duration = Duration::from_secs(5);
const MAX_BYTES: u64 = 4 * 1024 * 1024;
const MAX_SHOWN: usize = 1_000;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Does the process answer?
    Live,
    /// Does it do its work?
    Ready,
    /// What has it counted?
    Metrics,
}

/// Why the answer is no.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nobody answers.
    #[error("nothing answers at {address}: {why}; is riposte running, with that address as http.listen?")]
    Unreachable {
        /// The address that was asked.
        address: SocketAddr,
        /// What happened.
        why: String,
    },
    /// Somebody answers, and not well.
    #[error("it answers {status}: {body}")]
    Unwell {
        /// The HTTP status.
        status: u16,
        /// What it says, clipped.
        body: String,
    },
    /// Somebody answers who is no riposte.
    #[error("what answers at {0} does not speak HTTP")]
    Strange(SocketAddr),
}

/// Asks the riposte that listens on `address`, within five seconds; an unspecified address (`0.0.0.0`) is asked on
/// loopback. The answer is the body.
///
/// # Errors
/// When nothing answers, or the answer is no.
pub async fn probe(address: SocketAddr, check: Check) -> Result<String, ProbeError> {
    let address = reachable(address);
    let unreachable = |why: String| ProbeError::Unreachable { address, why };
    let answer = match tokio::time::timeout(TIME, exchange(address, check.path())).await {
        Ok(answer) => answer.map_err(|error| unreachable(error.to_string()))?,
        Err(_) => return Err(unreachable(format!("no answer within {} seconds", TIME.as_secs()))),
    };
    let (status, body) = parse(&answer).ok_or(ProbeError::Strange(address))?;
    if status == 200 { Ok(body) } else { Err(ProbeError::Unwell { status, body: clip(body.trim(), MAX_SHOWN) }) }
}

impl Check {
    const fn path(self) -> &'static str {
        match self {
            Self::Live => "/healthz",
            Self::Ready => "/readyz",
            Self::Metrics => "/metrics",
        }
    }
}

fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

/// HTTP/1.0, so that the answer is not chunked and ends with the connection.
async fn exchange(address: SocketAddr, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    Some((words.next()?.parse().ok()?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0:8080".parse().unwrap()), "127.0.0.1:8080".parse().unwrap());
        assert_eq!(reachable("[::]:8080".parse().unwrap()), "[::1]:8080".parse().unwrap());
        assert_eq!(reachable("10.1.2.3:8080".parse().unwrap()), "10.1.2.3:8080".parse().unwrap());
    }

    #[test]
    fn only_http_is_understood() {
        assert_eq!(parse(b"HTTP/1.0 503 Service Unavailable\r\na: b\r\n\r\nno"), Some((503, "no".into())));
        for answer in [&b""[..], b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n"] {
            assert_eq!(parse(answer), None);
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_no_http_is_said_to_be_strange() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 256];
            let _ = stream.read(&mut asked).await.unwrap();
            stream.write_all(b"hello\r\n").await.unwrap();
        });
        assert!(matches!(probe(address, Check::Live).await, Err(ProbeError::Strange(_))));
        answering.await.unwrap();
    }
}
