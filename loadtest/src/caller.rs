//! Caller: one blocking keep-alive connection, for set-up and audit calls.
//!
//! Plain and slow on purpose; the measured load goes through `engine`. Knows JSON bodies and the bearer
//! token, nothing of shops.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::wire;

const CALL_MS_MAX: u64 = 30_000;
const CONNECT_MS_MAX: u64 = 5_000;
/// Servers close idle connections after some seconds; a call on one about to close would be lost.
const IDLE_MS_MAX: u64 = 1_000;
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A client of one server.
#[derive(Debug)]
pub(crate) struct Caller {
    address: SocketAddr,
    host: String,
    token: Option<String>,
    open: Option<(TcpStream, Instant)>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Caller {
    pub(crate) fn new(address: SocketAddr, host: String) -> Self {
        Self { address, host, token: None, open: None }
    }

    /// Sends `token` with every call from now on.
    pub(crate) fn authenticate(&mut self, token: String) {
        self.token = Some(token);
    }

    /// What it sends with every call.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A second caller with the same rights and its own connection.
    pub(crate) fn twin(&self) -> Self {
        Self { address: self.address, host: self.host.clone(), token: self.token.clone(), open: None }
    }

    /// Sends one request and waits for the answer, whatever its status.
    ///
    /// # Errors
    ///
    /// When the connection fails or the answer is not HTTP. The request may then have had its effect.
    pub(crate) fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Reply> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        if let Some(token) = &self.token {
            request.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if let Some(body) = body {
            let body = body.to_string();
            request
                .push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
            request.push_str("\r\n");
            request.push_str(&body);
        } else {
            request.push_str("\r\n");
        }
        self.send(request.as_bytes()).with_context(|| format!("{method} {path}"))
    }

    /// Sends ready-made bytes, as the engine would, and waits for the answer.
    ///
    /// # Errors
    ///
    /// As [`Caller::call`].
    pub(crate) fn send(&mut self, request: &[u8]) -> anyhow::Result<Reply> {
        let mut stream = self.connection()?;
        stream.write_all(request).context("write a request")?;
        let (reply, is_kept_alive) = read_reply(&mut stream)?;
        if is_kept_alive {
            self.open = Some((stream, Instant::now()));
        }
        Ok(reply)
    }

    /// The connection, taken out: a call that fails leaves none behind.
    fn connection(&mut self) -> anyhow::Result<TcpStream> {
        if let Some((stream, used_at)) = self.open.take()
            && used_at.elapsed() < Duration::from_millis(IDLE_MS_MAX)
        {
            return Ok(stream);
        }
        let stream = TcpStream::connect_timeout(&self.address, Duration::from_millis(CONNECT_MS_MAX))
            .with_context(|| format!("connect to {}", self.address))?;
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        stream.set_read_timeout(Some(Duration::from_millis(CALL_MS_MAX))).context("set a read timeout")?;
        Ok(stream)
    }
}

fn read_reply(stream: &mut TcpStream) -> anyhow::Result<(Reply, bool)> {
    let mut received = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let length = stream.read(&mut chunk).context("read an answer")?;
        ensure!(length > 0, "the server closed the connection without an answer");
        received.extend_from_slice(&chunk[..length]);
        ensure!(received.len() <= REPLY_BYTES_MAX, "an answer of more than {REPLY_BYTES_MAX} bytes");
        let Some(full) = wire::parse_full_head(&received)? else { continue };
        let end = full.head.head_bytes.saturating_add(full.head.body_bytes);
        if received.len() < end {
            continue;
        }
        let body = received[full.head.head_bytes..end].to_vec();
        return Ok((
            Reply { status: full.head.status, headers: full.headers, body },
            full.head.is_kept_alive,
        ));
    }
}

impl Reply {
    /// The body as JSON, when the status is `expected`.
    ///
    /// # Errors
    ///
    /// When it is another, or the body is not JSON.
    pub(crate) fn json(&self, expected: u16) -> anyhow::Result<Value> {
        if self.status != expected {
            bail!("answered {} instead of {expected}: {}", self.status, self.excerpt());
        }
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.excerpt()))
    }

    fn excerpt(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(300).collect()
    }
}
