//! The one place where errors of other modules become statuses.
//!
//! A client sees a stable code and a sentence; the log sees the chain. What a client must not know is not
//! in the sentence.

use super::problem::{Code, Problem};
use crate::auth::{password, token};

/// What `Retry-After` says when all password hashers are busy: about the time the queue takes to drain.
const RETRY_AFTER_SECONDS_HASHING: u32 = 2;

impl From<token::Rejected> for Problem {
    fn from(rejected: token::Rejected) -> Self {
        match rejected {
            token::Rejected::Expired => Self::new(Code::TokenExpired, "The access token has expired."),
            // Which check failed helps only somebody who is forging one.
            token::Rejected::Invalid => {
                Self::new(Code::Unauthenticated, "The access token is not valid.").of_bad_token()
            }
        }
    }
}

impl From<password::Error> for Problem {
    fn from(error: password::Error) -> Self {
        match error {
            password::Error::Busy => Self::new(Code::Overloaded, "Too many logins are waiting; try again.")
                .retry_after(RETRY_AFTER_SECONDS_HASHING),
            other => Self::internal(other),
        }
    }
}
