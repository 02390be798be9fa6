//! Server: the process under test, started on a folder of its own and killed by its id.
//!
//! Speaks the command line of the API contract, section 10. Called by every scenario that does not get
//! a `--url`. What it is compared with and is served by this program itself is started here as well.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::fs::statfs;
use serde::Serialize;

use crate::caller::Caller;
use crate::load::Endpoint;
use crate::results::Rival;
use crate::sale::Target;
use crate::series::HOLDFAST;
use crate::shop::Shop;
use crate::{binary, guard};

pub(crate) const EMAIL: &str = "admin@loadtest.example";
pub(crate) const PASSWORD: &str = "load-test-password-of-the-admin";
const SECRET: &str = "load-test-secret-load-test-secret-load-test-secret";
const READY_LINE: &str = "listening on http://";
/// Recovery of a large folder may take long; a server that needs more has failed its budget anyway.
const START_S_MAX: u64 = 120;
/// Settings of the caller's shell that would change what is measured.
const FOREIGN_PREFIXES: [&str; 5] = ["HOLDFAST_", "REDIS_", "SMTP_", "OTEL_", "RUST_LOG"];
/// Limits that are counted as they would be in a shop and that nobody reaches: all of the load comes from one
/// machine and one administrator.
const RATE_LIMITS: [(&str, &str); 4] = [
    ("HOLDFAST_RATE_LIMIT_PER_SECOND", "1000000000"),
    ("HOLDFAST_RATE_LIMIT_BURST", "2000000000"),
    ("HOLDFAST_AUTH_RATE_LIMIT_PER_SECOND", "1000000000"),
    ("HOLDFAST_AUTH_RATE_LIMIT_BURST", "2000000000"),
];
/// A setting that only servers with rate limits know; an older one would refuse to start with them.
const RATE_LIMIT_SETTING: &str = "rate_limit_per_second";
/// A server of this program has nothing to recover.
const OWN_START_S_MAX: u64 = 60;
const LOG_LINES_SHOWN: usize = 15;
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// How to start the server, again and again, on the same folder.
#[derive(Debug)]
pub(crate) struct ServerPlan {
    binary: PathBuf,
    folder: PathBuf,
    environment: Vec<(String, String)>,
    has_rate_limits: bool,
}

/// A process that was started and has not yet said that it listens.
#[derive(Debug)]
pub(crate) struct Starting {
    process: u32,
    ready: Receiver<SocketAddr>,
    log: PathBuf,
}

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: u32,
    pub(crate) address: SocketAddr,
}

/// A server of ours, as somebody to buy from.
pub(crate) fn target(server: &Server) -> Target {
    Target {
        address: server.address,
        host: server.address.to_string(),
        email: EMAIL.into(),
        password: PASSWORD.into(),
        process: Some(server.process),
    }
}

/// Comes into a server of ours as its administrator.
///
/// # Errors
///
/// When it refuses.
pub(crate) fn enter(server: &Server) -> anyhow::Result<Shop> {
    Shop::enter(&target(server), Duration::from_secs(START_S_MAX))
}

/// A server that is there to be measured as `name`.
pub(crate) fn endpoint(name: &str, server: &Server) -> Endpoint {
    Endpoint { name: name.to_owned(), address: server.address, processes: vec![server.process] }
}

/// Holdfast as documents tell of it.
pub(crate) fn rival(version: String, settings: Vec<String>) -> Rival {
    Rival {
        name: HOLDFAST.to_owned(),
        description: "an actor for each product; a record in a synced journal before each answer".to_owned(),
        version,
        settings,
    }
}

impl ServerPlan {
    /// Makes a fresh folder for `binary`, removed at the end.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made.
    pub(crate) fn prepare(
        binary: PathBuf,
        parent: Option<&Path>,
        environment: Vec<(String, String)>,
    ) -> anyhow::Result<Self> {
        let parent = parent_of_folders(parent)?;
        let folder = tempfile::Builder::new()
            .prefix("holdfast-loadtest-")
            .tempdir_in(&parent)
            .with_context(|| format!("make a folder in {}", parent.display()))?
            .keep();
        guard::remove_at_end(folder.clone());
        if is_memory(&folder) {
            eprintln!("warning: {} lies in memory: its syncs cost nothing", folder.display());
        }
        let has_rate_limits = knows_rate_limits(&binary, &folder);
        Ok(Self { binary, folder, environment, has_rate_limits })
    }

    /// What was done about the server's rate limits, for the report.
    pub(crate) fn rate_limits(&self) -> &'static str {
        if self.has_rate_limits { "raised so high that they are counted and never reached" } else { "none" }
    }

    /// What was done about its rate limits, and what was set for it besides, as NAME=VALUE.
    pub(crate) fn settings(&self) -> Vec<String> {
        let rate_limits = format!("rate limits: {}", self.rate_limits());
        let environment = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        std::iter::once(rate_limits).chain(environment).collect()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the server on `port` (0: any) and waits until it is ready to serve.
    ///
    /// # Errors
    ///
    /// When it ends, or is not ready in time; with the last lines it logged.
    pub(crate) fn start(&self, port: u16) -> anyhow::Result<Server> {
        let server = self.spawn(port)?.wait()?;
        let mut shop = Shop::new(Caller::new(server.address, server.address.to_string()));
        shop.wait_ready(Duration::from_secs(START_S_MAX))?;
        Ok(server)
    }

    /// Starts the process and does not wait for anything.
    ///
    /// # Errors
    ///
    /// When the program cannot be run.
    pub(crate) fn spawn(&self, port: u16) -> anyhow::Result<Starting> {
        let log = self.folder.join("server.log");
        let stderr = File::options().create(true).append(true).open(&log).context("open the server's log")?;
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os() {
            if FOREIGN_PREFIXES.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command
            .arg("serve")
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg("--data-dir")
            .arg(self.folder.join("data"))
            .env("HOLDFAST_ADMIN_EMAIL", EMAIL)
            .env("HOLDFAST_ADMIN_PASSWORD", PASSWORD)
            .env("JWT_SECRET", SECRET)
            .envs(RATE_LIMITS.into_iter().filter(|_| self.has_rate_limits))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            // Away from any `.env` or configuration of the shell's folder.
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr);
        let mut child = command.spawn().with_context(|| format!("run {}", self.binary.display()))?;
        let stdout = child.stdout.take().context("the server's stdout is not a pipe")?;
        Ok(Starting { process: guard::adopt(child), ready: watch(stdout), log })
    }
}

impl Starting {
    /// Waits for the ready line.
    ///
    /// # Errors
    ///
    /// When the process ends, or does not say it in time.
    pub(crate) fn wait(self) -> anyhow::Result<Server> {
        let process = self.process;
        match self.ready.recv_timeout(Duration::from_secs(START_S_MAX)) {
            Ok(address) => Ok(Server { process, address }),
            Err(why) => {
                let status = guard::kill(process);
                let log = last_lines(&self.log);
                match why {
                    RecvTimeoutError::Timeout => bail!("no ready line within {START_S_MAX} s; log:\n{log}"),
                    RecvTimeoutError::Disconnected => bail!("the server ended ({status:?}); log:\n{log}"),
                }
            }
        }
    }

    /// Kills it before it is ready.
    pub(crate) fn kill(self) {
        guard::kill(self.process);
    }
}

/// Starts this program as the server `name`, which is `told` one line of JSON and ends when its standard input does.
///
/// # Errors
///
/// When it cannot be run or is not ready in time; with the last lines of `log`.
pub(crate) fn start_own(name: &str, told: &impl Serialize, log: Option<&Path>) -> anyhow::Result<Server> {
    let program = std::env::current_exe().context("find this program's own path")?;
    let mut command = Command::new(program);
    command.arg(name).stdin(Stdio::piped()).stdout(Stdio::piped());
    if let Some(log) = log {
        command.stderr(File::create(log).with_context(|| format!("make the log of {name}"))?);
    }
    let mut child = command.spawn().with_context(|| format!("start {name}"))?;
    let mut line = serde_json::to_string(told).context("write what it is told")?;
    line.push('\n');
    let stdin = child.stdin.as_mut().with_context(|| format!("the stdin of {name} is not a pipe"))?;
    stdin.write_all(line.as_bytes()).with_context(|| format!("tell {name}"))?;
    let stdout = child.stdout.take().with_context(|| format!("the stdout of {name} is not a pipe"))?;
    let ready = watch(stdout);
    let process = guard::adopt(child);
    let address = ready.recv_timeout(Duration::from_secs(OWN_START_S_MAX)).with_context(|| {
        format!("{name} did not start; log:\n{}", log.map(last_lines).unwrap_or_default())
    })?;
    Ok(Server { process, address })
}

/// Reads `stdout` to its end on a thread, so that the child never blocks, and tells the ready line.
fn watch(stdout: ChildStdout) -> Receiver<SocketAddr> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(address) = ready_address(&line) {
                // Nobody waits any more once the server was killed.
                let _ = sender.send(address);
            }
        }
    });
    receiver
}

fn ready_address(line: &str) -> Option<SocketAddr> {
    let (_, address) = line.split_once(READY_LINE)?;
    address.trim().trim_end_matches('/').parse().ok()
}

/// The end of a log, for an error message.
pub(crate) fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}

fn knows_rate_limits(binary: &Path, folder: &Path) -> bool {
    let shown = Command::new(binary).args(["config", "show", "--json"]).current_dir(folder).output();
    shown.is_ok_and(|shown| String::from_utf8_lossy(&shown.stdout).contains(RATE_LIMIT_SETTING))
}

/// Where servers have their folders: in `parent`, or where none was asked for on a disk.
pub(crate) fn parent_of_folders(parent: Option<&Path>) -> anyhow::Result<PathBuf> {
    parent.map_or_else(disk_folder, |parent| Ok(parent.to_owned()))
}

/// The system's temporary folder, unless that is memory: durability must cost what it costs.
fn disk_folder() -> anyhow::Result<PathBuf> {
    let usual = std::env::temp_dir();
    if is_memory(&usual) { binary::target_folder() } else { Ok(usual) }
}

fn is_memory(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|info| u64::try_from(info.f_type).is_ok_and(|kind| kind == TMPFS_MAGIC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_line_tells_the_address() {
        let expected: SocketAddr = "127.0.0.1:4711".parse().expect("an address");
        assert_eq!(ready_address("listening on http://127.0.0.1:4711"), Some(expected));
        assert_eq!(ready_address("listening on http://127.0.0.1:4711/\n"), Some(expected));
        assert_eq!(ready_address("listening on nothing"), None);
        assert_eq!(ready_address("recovering"), None);
    }

    #[test]
    fn end_of_a_log_is_short() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("log");
        let text: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        fs::write(&log, text.join("\n")).expect("a log");
        let shown = last_lines(&log);
        assert_eq!(shown.lines().count(), LOG_LINES_SHOWN);
        assert!(shown.starts_with("85") && shown.ends_with("99"), "{shown}");
        assert_eq!(last_lines(&folder.path().join("none")), "");
    }
}
