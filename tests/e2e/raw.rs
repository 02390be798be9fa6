//! Bytes on a socket, as no honest client sends them, and what comes back.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::server::{Server, WAIT_MAX};

/// A connection of somebody who knows HTTP too well.
pub(crate) struct Raw {
    socket: TcpStream,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Raw {
    pub(crate) fn to(server: &Server) -> Self {
        let socket = TcpStream::connect(server.address()).expect("it listens");
        socket.set_read_timeout(Some(WAIT_MAX)).expect("a socket takes a time-out");
        Self { socket }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        // The server may hang up while it is still being sent to.
        let _is_cut_off = self.socket.write_all(bytes.as_ref());
        self
    }

    /// All that comes until the server hangs up.
    pub(crate) fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        match self.socket.read_to_end(&mut bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("not hung up within {WAIT_MAX:?}: {}", String::from_utf8_lossy(&bytes))
            }
            _ => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// The next answer, whose body must have a length; an empty one when the server hangs up instead.
    pub(crate) fn answer(&mut self) -> RawAnswer {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !bytes.ends_with(b"\r\n\r\n") {
            match self.socket.read(&mut byte) {
                Ok(1..) => bytes.push(byte[0]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("no answer within {WAIT_MAX:?}: {}", String::from_utf8_lossy(&bytes))
                }
                _ => break,
            }
        }
        let head = String::from_utf8_lossy(&bytes).into_owned();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
        let length = value(&head, "content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; if status < 200 { 0 } else { length.unwrap_or_default() }];
        let _is_cut_off = self.socket.read_exact(&mut body);
        RawAnswer { status, head, body: String::from_utf8_lossy(&body).into_owned() }
    }
}

impl RawAnswer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        value(&self.head, name)
    }

    /// Checks that this is no fault of the server, and a problem where it is not a success. What never was a
    /// request is refused by a bare status: there is nobody to make a problem for.
    #[track_caller]
    pub(crate) fn expect_sound(&self, what: &str) {
        assert!((200..500).contains(&self.status), "{what}: {self:?}");
        if self.status >= 400 && !self.body.is_empty() {
            assert_eq!(self.header("content-type"), Some("application/problem+json"), "{what}: {self:?}");
            let body: Value = serde_json::from_str(&self.body).expect("a problem is JSON");
            assert_eq!(body["status"], self.status, "{what}: {self:?}");
        }
    }

    pub(crate) fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }
}

fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let line = head.lines().find(|line| {
        line.split_once(':').is_some_and(|(written, _)| written.trim().eq_ignore_ascii_case(name))
    })?;
    line.split_once(':').map(|(_, value)| value.trim())
}

/// One request without a body, on a connection of its own.
pub(crate) fn ask(server: &Server, method: &str, target: &str, headers: &str) -> RawAnswer {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: shop.test\r\n{headers}\r\n");
    Raw::to(server).send(head).answer()
}
