//! How many requests one caller may make: which class a request is of, and who is counted for it.
//!
//! Two classes: `auth` for everything below `/api/v1/auth/`, where guessing must be slow, and `default` for the
//! rest of the API. Health, metrics and documents are not counted. Called by [`super::gate`].

mod key;
mod quota;

use std::time::Duration;

use actix_web::HttpRequest;

pub use key::{Key, Keys, Name};
pub use quota::{Counted, Quota, RATE_LIMIT, RATE_LIMIT_POLICY, TooMany};

use super::address::{client_address, is_local};
use super::caller;
use crate::config::Settings;

/// How often counters that are full again are forgotten.
pub const TRIM_EVERY: Duration = Duration::from_secs(1);

const AUTH_PATHS: &str = "v1/auth/";
const HEALTH_PATH: &str = "v1/health";

/// The counters of every class. Absent ones do not limit.
#[derive(Default)]
pub struct Limits {
    remote: Classes,
    /// Of callers on this machine: load tests and the operator's own programs, which are worth many clients.
    local: Classes,
    keys: Keys,
}

#[derive(Default)]
struct Classes {
    default: Option<Quota>,
    auth: Option<Quota>,
}

impl Limits {
    /// The limits that the settings ask for.
    pub fn of(settings: &Settings) -> Self {
        Self {
            remote: Classes::of(settings, 1),
            local: Classes::of(settings, settings.rate_limit_local_factor),
            keys: Keys::default(),
        }
    }

    /// Counts a request for `within_api`, the path below `/api/`; `None` when it is not counted.
    ///
    /// # Errors
    ///
    /// [`TooMany`] when the caller has to wait.
    pub fn count(&self, request: &HttpRequest, within_api: &str) -> Result<Option<Counted>, TooMany> {
        if within_api == HEALTH_PATH {
            return Ok(None);
        }
        let classes = if is_local(request) { &self.local } else { &self.remote };
        if within_api.starts_with(AUTH_PATHS) {
            let Some(auth) = &classes.auth else { return Ok(None) };
            return auth.count(self.keys.of(Name::Address(client_address(request)))).map(Some);
        }
        let Some(default) = &classes.default else { return Ok(None) };
        match self.caller(request) {
            Some(key) => default.count(key).map(Some),
            None => Ok(None),
        }
    }

    /// Forgets the counters that are full again: they say no more than none would.
    pub fn trim(&self) {
        for classes in [&self.remote, &self.local] {
            [&classes.default, &classes.auth].into_iter().flatten().for_each(Quota::trim);
        }
    }

    /// Who is counted: the account, else the session, else the address. `None` for an operator's own machine.
    ///
    /// A token or session that does not hold speaks for nobody, so its sender counts by address.
    fn caller(&self, request: &HttpRequest) -> Option<Key> {
        if let Ok(Some(caller)) = caller::signed_in(request)
            && let Some(user) = caller.user()
        {
            return Some(self.keys.of(Name::User(user.uuid().as_u128())));
        }
        if let Ok(Some(session)) = caller::session(request) {
            return Some(self.keys.of(Name::Session(session.as_str())));
        }
        (!is_local(request)).then(|| self.keys.of(Name::Address(client_address(request))))
    }
}

impl Classes {
    fn of(settings: &Settings, factor: u32) -> Self {
        let times = |count: u32| count.saturating_mul(factor);
        let Settings { rate_limit_per_second, rate_limit_burst, .. } = *settings;
        let Settings { auth_rate_limit_per_second, auth_rate_limit_burst, .. } = *settings;
        Self {
            default: Quota::new("default", times(rate_limit_per_second), times(rate_limit_burst)),
            auth: Quota::new("auth", times(auth_rate_limit_per_second), times(auth_rate_limit_burst)),
        }
    }
}
