//! What can go wrong between us and Redis, what it says about the next call, and what may be told of it.

use std::time::Duration;

use ::redis::{ErrorKind, RedisError, ServerErrorKind};

use super::breaker::Weight;

/// An error's text may be the server's own, and as long as that likes.
const CAUSE_CHARACTERS_MAX: usize = 200;

/// Codes are short words; what is longer is none, and a stranger's text is not shown.
const CODE_CHARACTERS_MAX: usize = 24;

/// Why a call, or a try, did not work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no connection within {0:?}")]
    Unreachable(Duration),
    #[error("connect")]
    Connect(#[source] RedisError),
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("the connection is lost")]
    Lost(#[source] RedisError),
    #[error("it answers with an error")]
    Refused(#[source] RedisError),
    #[error("it answers what is no answer")]
    Rubbish(#[source] RedisError),
    #[error("what was just written is not what is read")]
    Forgetful,
}

impl Failure {
    /// Of a call on a connection that stood.
    pub(super) fn of(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed => {
                Self::Refused(error)
            }
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Rubbish(error),
            _ => Self::Lost(error),
        }
    }

    pub(super) fn weight(&self) -> Weight {
        match self {
            Self::Late(_) => Weight::Slow,
            Self::Refused(error) => weight_of_refusal(error),
            // The protocol is out of step for good; a value of another type may be somebody's mistake with one key.
            Self::Rubbish(error) if error.kind() == ErrorKind::UnexpectedReturnType => Weight::Slow,
            Self::Unreachable(_) | Self::Connect(_) | Self::Lost(_) | Self::Rubbish(_) | Self::Forgetful => {
                Weight::Broken
            }
        }
    }

    /// The label of the metrics.
    pub(super) const fn outcome(&self) -> &'static str {
        match self {
            Self::Late(_) => "late",
            Self::Refused(_) => "refused",
            Self::Rubbish(_) | Self::Forgetful => "rubbish",
            Self::Unreachable(_) | Self::Connect(_) | Self::Lost(_) => "lost",
        }
    }

    /// For anybody: health has no login. No text of the server's own but the code word of its error.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Connect(error) | Self::Refused(error) => match code(error) {
                Some(code) => format!("{self}: {code}"),
                None if error.kind() == ErrorKind::AuthenticationFailed => {
                    format!("{self}: it wants another password")
                }
                None if error.is_connection_refusal() => format!("{self}: nobody listens"),
                None => self.to_string(),
            },
            _ => self.to_string(),
        }
    }
}

/// An error for the log: with every cause, on one line. The crate keeps passwords out of its errors.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut chain = on_one_line(&error.to_string());
    let mut next = error.source();
    while let Some(error) = next {
        let said = on_one_line(&error.to_string());
        // The crate's errors say what their source says.
        if !chain.ends_with(&said) {
            chain = format!("{chain}: {said}");
        }
        next = error.source();
    }
    chain
}

/// The crate's errors have several lines, and those of a server may have any: none of them may look like a line of
/// the log.
fn on_one_line(said: &str) -> String {
    let plain = said.trim().chars().map(|it| if it.is_control() { ' ' } else { it });
    plain.take(CAUSE_CHARACTERS_MAX).collect()
}

/// `OOM`, `NOPERM`, `LOADING`, …: states of the server, which the next call meets as well. Others are about one
/// key or one command, or about nobody knows what.
fn weight_of_refusal(error: &RedisError) -> Weight {
    match code(error).as_deref() {
        Some("WRONGTYPE" | "NOSCRIPT" | "CROSSSLOT") => Weight::None,
        Some(
            "OOM" | "NOPERM" | "NOAUTH" | "WRONGPASS" | "LOADING" | "READONLY" | "MISCONF" | "MASTERDOWN"
            | "CLUSTERDOWN" | "NOREPLICAS" | "BUSY",
        ) => Weight::Broken,
        _ => Weight::Slow,
    }
}

/// The word that a server's error begins with.
fn code(error: &RedisError) -> Option<String> {
    // A pipeline's error has the code of its first.
    let code = match error.kind() {
        ErrorKind::Server(kind) if kind != ServerErrorKind::ExecAbort => error.code().map(str::to_owned),
        _ => error.clone().into_server_errors().and_then(|all| Some(all.first()?.1.code().to_owned())),
    }?;
    let is_word = code.len() <= CODE_CHARACTERS_MAX && code.bytes().all(|byte| byte.is_ascii_uppercase());
    is_word.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> Failure {
        let value = ::redis::parse_redis_value(line.as_bytes()).expect("it is RESP");
        Failure::of(value.extract_error().expect_err("it is an error"))
    }

    #[test]
    fn states_of_the_server_break_and_matters_of_one_key_do_not() {
        for (line, weight, told) in [
            ("-OOM command not allowed when used memory > 'maxmemory'.\r\n", Weight::Broken, ": OOM"),
            ("-NOPERM User geheim has no permissions\r\n", Weight::Broken, ": NOPERM"),
            ("-LOADING Redis is loading the dataset in memory\r\n", Weight::Broken, ": LOADING"),
            ("-READONLY You can't write against a read only replica.\r\n", Weight::Broken, ": READONLY"),
            ("-MISCONF Redis is configured to save RDB snapshots\r\n", Weight::Broken, ": MISCONF"),
            ("-NOAUTH Authentication required.\r\n", Weight::Broken, ": NOAUTH"),
            ("-WRONGTYPE Operation against a key\r\n", Weight::None, ": WRONGTYPE"),
            ("-ERR unknown command\r\n", Weight::Slow, ": ERR"),
            ("-geheim\r\n", Weight::Slow, ""),
        ] {
            let failure = refusal(line);
            assert_eq!(failure.weight(), weight, "{line}");
            assert_eq!(failure.told(), format!("it answers with an error{told}"), "{line}");
            assert_eq!(failure.outcome(), "refused");
        }
    }

    #[test]
    fn whatever_redis_says_the_log_has_one_short_line() {
        let forged =
            chain(&refusal("-ERR no\n2026-11-21T00:00:00Z ERROR holdfast: \u{1b}[31mforged\u{9b}\r\n"));
        assert!(forged.contains("no 2026-11-21"), "{forged}");
        assert!(!forged.contains(char::is_control), "{forged}");
        let long = chain(&refusal(&format!("-ERR {}\r\n", "a".repeat(70_000))));
        assert!(long.len() < 300, "{}", long.len());
        let rubbish = ::redis::parse_redis_value(b"*x\r\n").expect_err("it is no RESP");
        let rubbish = chain(&Failure::of(rubbish));
        assert!(rubbish.starts_with("it answers what is no answer: "), "{rubbish}");
        assert!(!rubbish.contains(char::is_control), "{rubbish}");
    }

    #[test]
    fn log_has_every_cause_once() {
        let closed = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let failure = Failure::of(RedisError::from(closed));
        assert_eq!(chain(&failure), "the connection is lost: connection reset");
        assert_eq!((failure.weight(), failure.outcome()), (Weight::Broken, "lost"));
        assert_eq!(failure.told(), "the connection is lost");
    }
}
