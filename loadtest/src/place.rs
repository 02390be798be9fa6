//! Place: where a scenario is run, a server that runs already or one of ours.
//!
//! Called by `cli`, `scenarios`, `contenders` and `budget`, which take the same options for it.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use crate::server::ServerPlan;
use crate::{binary, guard};

/// How to start a server of ours: `program` or the release build, with `settings` of the form NAME=VALUE.
///
/// # Errors
///
/// When there is no such program, or no folder can be made for it.
pub(crate) fn prepare(
    program: Option<&Path>,
    parent: Option<&Path>,
    settings: &[String],
) -> anyhow::Result<ServerPlan> {
    let environment = environment(settings)?;
    ServerPlan::prepare(find(program)?, parent, environment)
}

/// Names and values of `settings`, each of the form NAME=VALUE.
pub(crate) fn environment(settings: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let pair = |setting: &String| {
        let (name, value) = setting.split_once('=').context("--server-env takes NAME=VALUE")?;
        Ok((name.to_owned(), value.to_owned()))
    };
    settings.iter().map(pair).collect()
}

/// The path of `program`, or of the release build beside this one.
pub(crate) fn find(program: Option<&Path>) -> anyhow::Result<PathBuf> {
    match program {
        Some(program) => program.canonicalize().with_context(|| format!("find {}", program.display())),
        None => binary::find_or_build(),
    }
}

/// Keeps the server's folder for somebody to look into, when a check failed.
pub(crate) fn keeping(server_plan: &ServerPlan, is_passed: anyhow::Result<bool>) -> anyhow::Result<bool> {
    if matches!(is_passed, Ok(false)) {
        guard::keep(server_plan.folder());
        eprintln!("the server's folder and log are kept in {}", server_plan.folder().display());
    }
    is_passed
}

/// The address and the `Host` of `url`; refuses one on another machine unless `is_owned`.
pub(crate) fn resolve(url: &str, is_owned: bool) -> anyhow::Result<(SocketAddr, String)> {
    let Some(rest) = url.strip_prefix("http://") else { bail!("{url}: only http:// is spoken here") };
    let host = rest.trim_end_matches('/');
    ensure!(!host.is_empty() && !host.contains(['/', '?', '#', '@']), "{url}: give http://HOST:PORT");
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let with_port = if has_port { host.to_owned() } else { format!("{host}:80") };
    let addresses: Vec<SocketAddr> =
        with_port.to_socket_addrs().with_context(|| format!("resolve {host}"))?.collect();
    let address = *addresses.first().with_context(|| format!("{host} has no address"))?;
    ensure!(
        is_owned || addresses.iter().all(|address| address.ip().is_loopback()),
        "{host} is not this machine; a load test on somebody else's server is an attack (--i-own-this-server)"
    );
    Ok((address, host.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_resolved() {
        let (address, host) = resolve("http://127.0.0.1:3000/", false).expect("loopback");
        assert_eq!((address.to_string().as_str(), host.as_str()), ("127.0.0.1:3000", "127.0.0.1:3000"));
        assert_eq!(resolve("http://127.0.0.1", false).expect("loopback").0.port(), 80);
        assert_eq!(resolve("http://[::1]:81", false).expect("loopback").0.port(), 81);
    }

    #[test]
    fn foreign_server_is_refused_unless_owned() {
        assert!(resolve("http://192.0.2.1:80", false).is_err());
        assert!(resolve("http://192.0.2.1:80", true).is_ok());
    }

    #[test]
    fn urls_we_do_not_speak_are_refused() {
        for url in
            ["https://127.0.0.1", "127.0.0.1:80", "http://", "http://127.0.0.1/shop", "http://a@127.0.0.1"]
        {
            assert!(resolve(url, false).is_err(), "{url}");
        }
    }
}
