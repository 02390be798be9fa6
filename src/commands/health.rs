//! `holdfast health`: asks a running server whether it is ready.
//!
//! For container health checks, where there is no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde_json::Value;

use super::plain_http::{self, Answer};
use crate::cli::{Exit, Failure};

const WAIT_MAX: Duration = Duration::from_secs(3);

/// Where to ask a server that listens on `listen`: an address that can be connected to.
pub fn url_of(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

/// Prints the server's status, or its whole answer with `as_json`.
///
/// # Errors
///
/// [`Exit::Failure`] when the server is not ready or cannot be reached, [`Exit::Usage`] for a URL that is none.
pub fn run(url: &str, as_json: bool) -> Result<(), Failure> {
    let host = host_of(url)?;
    let answer = ask(&host).with_context(|| format!("ask {url}"))?;
    let Answer { status, body } = answer;
    let document: Value = serde_json::from_str(&body).context("read the health document")?;
    if as_json {
        println!("{document}");
    } else {
        println!("{}", document["status"].as_str().unwrap_or("unknown"));
        if let Some(told) = told_of_redis(&document["redis"]) {
            println!("{told}");
        }
    }
    if status == 200 {
        return Ok(());
    }
    Err(anyhow!("the server at {url} is not ready: it answered {status}").into())
}

/// A line on Redis; none where there is none to tell of.
fn told_of_redis(redis: &Value) -> Option<String> {
    let text = |name: &str| redis[name].as_str();
    let status = text("status").filter(|status| *status != "not_configured")?;
    let parts = [("for", ""), ("since", "since "), ("error", "")];
    let parts: Vec<_> =
        parts.iter().filter_map(|(name, word)| Some(format!("{word}{}", text(name)?))).collect();
    Some(format!("redis {status} ({})", parts.join(", ")))
}

fn host_of(url: &str) -> Result<String, Failure> {
    let usage =
        || Failure::new(Exit::Usage, anyhow!("`{url}` is not an address such as http://127.0.0.1:3000"));
    let host = url.strip_prefix("http://").ok_or_else(usage)?.trim_end_matches('/');
    if host.is_empty() || host.contains(['/', '@', '?', '#']) || host.contains(char::is_whitespace) {
        return Err(usage());
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port { host.to_owned() } else { format!("{host}:80") })
}

fn ask(host: &str) -> anyhow::Result<Answer> {
    let address = host.to_socket_addrs()?.next().context("the name has no address")?;
    let stream = TcpStream::connect_timeout(&address, WAIT_MAX)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    plain_http::ask(stream, host, "GET", "/health/ready", None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unspecified_address_is_asked_on_loopback() {
        assert_eq!(url_of("0.0.0.0:3000".parse().unwrap()), "http://127.0.0.1:3000");
        assert_eq!(url_of("[::]:3000".parse().unwrap()), "http://[::1]:3000");
        assert_eq!(url_of("10.0.0.1:80".parse().unwrap()), "http://10.0.0.1:80");
    }

    #[test]
    fn redis_is_told_of_where_there_is_one() {
        use serde_json::json;
        assert_eq!(told_of_redis(&json!({ "status": "not_configured" })), None);
        assert_eq!(told_of_redis(&Value::Null), None);
        let up = json!({ "status": "up", "for": "list", "since": "2026-11-21T12:00:00Z" });
        assert_eq!(told_of_redis(&up).unwrap(), "redis up (list, since 2026-11-21T12:00:00Z)");
        let down =
            json!({ "status": "down", "for": "list", "since": "2026-11-21T12:00:00Z", "error": "connect" });
        assert_eq!(told_of_redis(&down).unwrap(), "redis down (list, since 2026-11-21T12:00:00Z, connect)");
    }

    #[test]
    fn only_plain_addresses_are_urls() {
        assert_eq!(host_of("http://localhost").unwrap(), "localhost:80");
        assert_eq!(host_of("http://[::1]:3000/").unwrap(), "[::1]:3000");
        for url in ["localhost:3000", "https://localhost", "http://", "http://a/b", "http://a b"] {
            assert_eq!(host_of(url).unwrap_err().exit, Exit::Usage, "{url}");
        }
    }

    #[test]
    fn nobody_listening_is_a_failure() {
        // Bound and let go: nothing answers there now.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(run(&format!("http://{address}"), false).unwrap_err().exit, Exit::Failure);
    }
}
