//! Plain HTTP/1.1 over one connection: one question, one answer, nothing more.
//!
//! For the commands that ask a running server, as where they run there may be no curl.

use std::io::{Read, Write};
use std::time::Duration;

use anyhow::Context as _;

/// How long a server may take to answer.
pub const WAIT_MAX: Duration = Duration::from_secs(10);

/// Longer answers are none of ours.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Asks over a connection, and reads the answer until the server closes it. A body is sent as JSON.
///
/// # Errors
///
/// What the connection says, or what is wrong with the answer.
pub fn ask(
    mut stream: impl Read + Write,
    host: &str,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> anyhow::Result<Answer> {
    let content = body.map(|body| {
        format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    });
    let content = content.as_deref().unwrap_or("\r\n");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{content}");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    read(&answer)
}

/// Status and body of an answer that ends with its connection.
fn read(answer: &str) -> anyhow::Result<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of its head")?;
    let status =
        head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).context("this is not HTTP/1.1")?;
    Ok(Answer { status: status.parse().context("the status is not a number")?, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_read() {
        let answer = read("HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\n{}").unwrap();
        assert_eq!(answer, Answer { status: 503, body: "{}".to_owned() });
        assert!(read("HTTP/1.1 200 OK").is_err());
        assert!(read("SSH-2.0\r\n\r\n").is_err());
    }
}
