//! Plain HTTP/1.1 over one connection: one question, one answer, nothing more.
//!
//! For the commands that ask a running server, as where they run there may be no curl. An answer comes at once ([`ask`]) or is read as
//! it comes ([`open`]).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::Duration;

use anyhow::Context as _;

/// How long a server may take to answer.
pub const WAIT_MAX: Duration = Duration::from_secs(10);

/// Longer answers are none of ours.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// No server of ours has more headers, or longer ones.
const HEAD_LINES_MAX: usize = 100;
const HEAD_LINE_BYTES_MAX: u64 = 16 * 1024;

/// What is read of a body at once.
const BODY_BUFFER_BYTES: usize = 256 * 1024;

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
    send(&mut stream, host, method, path, body)?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    read(&answer)
}

/// Asks over a connection, and gives the answer's status and its body, to be read as it comes.
///
/// # Errors
///
/// What the connection says, or what is wrong with the answer's head. Reading the body fails where the connection ends before it.
pub fn open<S: Read + Write>(
    mut stream: S,
    host: &str,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> anyhow::Result<(u16, Body<S>)> {
    send(&mut stream, host, method, path, body)?;
    let mut stream = BufReader::with_capacity(BODY_BUFFER_BYTES, stream);
    let status = status_of(&head_line(&mut stream)?)?;
    let mut is_chunked = false;
    for _ in 0..HEAD_LINES_MAX {
        let line = head_line(&mut stream)?;
        if line.is_empty() {
            return Ok((status, Body { stream, left: Left::begin(is_chunked) }));
        }
        is_chunked |= line.to_ascii_lowercase().starts_with("transfer-encoding: chunked");
    }
    anyhow::bail!("the answer has no end of its head")
}

fn send(stream: &mut impl Write, host: &str, method: &str, path: &str, body: Option<&str>) -> io::Result<()> {
    let content = body.map(|body| {
        format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    });
    let content = content.as_deref().unwrap_or("\r\n");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{content}");
    stream.write_all(request.as_bytes())
}

fn head_line(stream: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    stream.take(HEAD_LINE_BYTES_MAX).read_line(&mut line)?;
    let line = line.strip_suffix("\r\n").context("the answer has no end of its head")?;
    Ok(line.to_owned())
}

/// The body of an answer that is still coming.
#[derive(Debug)]
pub struct Body<S> {
    stream: BufReader<S>,
    left: Left,
}

/// How much there is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// All until the connection ends.
    UntilTheEnd,
    /// Of this chunk; others follow, the line after this one's bytes first where it is not the first.
    Chunk { bytes: u64, is_first: bool },
    /// Nothing.
    Nothing,
}

impl Left {
    fn begin(is_chunked: bool) -> Self {
        if is_chunked { Self::Chunk { bytes: 0, is_first: true } } else { Self::UntilTheEnd }
    }
}

impl<S: Read> Body<S> {
    /// Reads the line that tells how long the next chunk is.
    fn next_chunk(&mut self, is_first: bool) -> io::Result<Left> {
        let mut line = String::new();
        for _ in 0..if is_first { 1 } else { 2 } {
            line.clear();
            (&mut self.stream).take(HEAD_LINE_BYTES_MAX).read_line(&mut line)?;
            if !line.ends_with('\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let bytes = u64::from_str_radix(size, 16).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, format!("`{size}` is no length of a chunk"))
        })?;
        Ok(if bytes == 0 { Left::Nothing } else { Left::Chunk { bytes, is_first: false } })
    }
}

impl<S: Read> Read for Body<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Left::Chunk { bytes: 0, is_first } = self.left {
            self.left = self.next_chunk(is_first)?;
        }
        match self.left {
            Left::Nothing => Ok(0),
            Left::UntilTheEnd => self.stream.read(buffer),
            Left::Chunk { bytes, is_first } => {
                let count = (&mut self.stream).take(bytes).read(buffer)?;
                if count == 0 && !buffer.is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let read = u64::try_from(count).expect("a count fits 64 bits");
                self.left = Left::Chunk { bytes: bytes - read, is_first };
                Ok(count)
            }
        }
    }
}

/// Status and body of an answer that ends with its connection.
fn read(answer: &str) -> anyhow::Result<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of its head")?;
    Ok(Answer { status: status_of(head)?, body: body.to_owned() })
}

fn status_of(head: &str) -> anyhow::Result<u16> {
    let status =
        head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).context("this is not HTTP/1.1")?;
    status.parse().context("the status is not a number")
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

    /// A connection that answers this.
    struct Canned<'a>(&'a [u8]);

    impl Read for Canned<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            // A byte at a time: lines and chunks are cut everywhere.
            let end = buffer.len().min(1);
            self.0.read(&mut buffer[..end])
        }
    }

    impl Write for Canned<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn body(answer: &str) -> io::Result<String> {
        let (status, mut body) =
            open(Canned(answer.as_bytes()), "localhost", "GET", "/", None).expect("a head");
        assert_eq!(status, 200);
        let mut text = String::new();
        body.read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn body_is_read_in_chunks_or_to_the_end() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(body(chunked).unwrap(), "abc0123456789");
        assert_eq!(body("HTTP/1.1 200 OK\r\nA: b\r\n\r\nall of it").unwrap(), "all of it");
        for cut in chunked.find("3\r\n").unwrap()..chunked.find("0\r\n\r\n").unwrap() {
            assert!(body(&chunked[..cut]).is_err(), "an answer that is cut at {cut} is not whole");
        }
        assert!(body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n").is_err());
        assert!(open(Canned(b"HTTP/1.1 200 OK\r\nA: b\r\n"), "localhost", "GET", "/", None).is_err());
    }
}
