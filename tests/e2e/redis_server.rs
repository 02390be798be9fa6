//! A real Redis of the test's own: on a free port of the loopback, with nothing in it, ended by its process id.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use redis::{Client, Connection, FromRedisValue};
use tempfile::TempDir;

use crate::server::{Process, WAIT_MAX};

const PROGRAM: &str = "redis-server";

/// What it says when it can be asked, after it has read what it kept.
const READY_LINE: &str = "Ready to accept connections";

/// Below the ports that the kernel gives to outgoing connections: one of those could take the port of a Redis that is
/// down between two lives.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Whether a Redis that dies keeps what it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    Nothing,
    /// An append-only file, synced with each write.
    Everything,
}

/// How it is spoken to.
#[derive(Clone, Copy, Debug)]
enum Speaks {
    Plainly,
    /// With `server.crt` and `server.key` of its folder.
    Tls,
}

/// A Redis.
pub(crate) struct RedisServer {
    folder: TempDir,
    port: u16,
    keeps: Keeps,
    speaks: Speaks,
    /// None while it is down.
    process: Option<Process>,
}

impl RedisServer {
    /// Starts one that keeps what it has in memory only.
    pub(crate) fn start() -> Self {
        Self::start_new(
            tempfile::tempdir().expect("make a temporary folder"),
            Keeps::Nothing,
            Speaks::Plainly,
        )
    }

    /// Starts one that still has everything after a `kill -9` and a [`restart`](Self::restart).
    pub(crate) fn start_kept() -> Self {
        let folder = tempfile::tempdir().expect("make a temporary folder");
        Self::start_new(folder, Keeps::Everything, Speaks::Plainly)
    }

    /// Starts one that speaks TLS only, with this certificate and key in PEM.
    pub(crate) fn start_tls(certificate: &str, key: &str) -> Self {
        let folder = tempfile::tempdir().expect("make a temporary folder");
        std::fs::write(folder.path().join("server.crt"), certificate).expect("the folder is ours");
        std::fs::write(folder.path().join("server.key"), key).expect("the folder is ours");
        Self::start_new(folder, Keeps::Nothing, Speaks::Tls)
    }

    fn start_new(folder: TempDir, keeps: Keeps, speaks: Speaks) -> Self {
        expect_installed();
        let mut redis = Self { folder, port: 0, keeps, speaks, process: None };
        let deadline = Instant::now() + WAIT_MAX;
        while redis.process.is_none() {
            assert!(Instant::now() < deadline, "no free port within {WAIT_MAX:?}");
            redis.port = free_port();
            // Another test may take the port first: then it ends, and another port is tried.
            redis.process = redis.launch();
        }
        redis
    }

    /// None when it ended instead.
    fn launch(&self) -> Option<Process> {
        let mut command = Command::new(PROGRAM);
        command.args(["--bind", "127.0.0.1", "--daemonize", "no", "--save", "", "--logfile", ""]);
        command.arg("--dir").arg(self.folder.path());
        match self.keeps {
            Keeps::Nothing => command.args(["--appendonly", "no"]),
            Keeps::Everything => command.args(["--appendonly", "yes", "--appendfsync", "always"]),
        };
        let port = self.port.to_string();
        match self.speaks {
            Speaks::Plainly => command.args(["--port", &port]),
            Speaks::Tls => {
                let of = |name: &str| self.folder.path().join(name);
                command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]);
                command.arg("--tls-cert-file").arg(of("server.crt"));
                command.arg("--tls-key-file").arg(of("server.key"));
                command.arg("--tls-ca-cert-file").arg(of("server.crt"))
            }
        };
        command.current_dir(self.folder.path());
        let mut process = Process::spawn(command);
        let is_ready = process.line(|line| line.contains(READY_LINE)).is_some();
        is_ready.then_some(process)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self) -> String {
        match self.speaks {
            Speaks::Plainly => format!("redis://127.0.0.1:{}/0", self.port),
            Speaks::Tls => format!("rediss://127.0.0.1:{}/0", self.port),
        }
    }

    /// The same for somebody with a name and a password.
    pub(crate) fn url_as(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}/0", self.port)
    }

    /// A connection of the test's own, on which nothing takes for ever.
    pub(crate) fn connect(&self) -> Connection {
        let client = Client::open(self.url()).expect("the address is one");
        let connection = client.get_connection_with_timeout(WAIT_MAX).expect("it is up");
        connection.set_read_timeout(Some(WAIT_MAX)).expect("the time is not zero");
        connection
    }

    /// Has one command done: `["SET", "key", "value"]`.
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query(&mut self.connect()).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Changes a setting while it runs.
    pub(crate) fn config_set(&self, name: &str, value: &str) {
        let () = self.ask(&["CONFIG", "SET", name, value]);
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }

    /// SIGSTOP: it takes connections and bytes, as the kernel does that, and answers nothing. It stands still when this
    /// returns.
    pub(crate) fn hang(&self) {
        self.process().signal("STOP");
        let stat = format!("/proc/{}/stat", self.process().pid());
        let stands = || {
            let stat = std::fs::read_to_string(&stat).expect("it is there");
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        };
        wait_until("it stands still", stands);
    }

    /// SIGCONT: it goes on with what it was sent meanwhile.
    pub(crate) fn wake(&self) {
        self.process().signal("CONT");
    }

    /// `kill -9`; it is gone when this returns.
    pub(crate) fn kill(&mut self) {
        let process = self.process.take().expect("it runs");
        process.signal("KILL");
        let _ended = process.wait();
    }

    /// Starts it again on its port, after [`kill`](Self::kill): with what it kept.
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let deadline = Instant::now() + WAIT_MAX;
        while self.process.is_none() {
            assert!(Instant::now() < deadline, "port {} is not free within {WAIT_MAX:?}", self.port);
            self.process = self.launch();
        }
    }
}

#[track_caller]
fn expect_installed() {
    let told = Command::new(PROGRAM).arg("--version").output();
    assert!(
        told.is_ok_and(|told| told.status.success()),
        "{PROGRAM} is not installed: these tests need a real Redis. `scripts/test` installs it (apt-get install redis-server)"
    );
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    loop {
        let mut random = [0; 2];
        getrandom::fill(&mut random).expect("the kernel gives random bytes");
        let port = PORTS.start + u16::from_be_bytes(random) % (PORTS.end - PORTS.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until `is_so`, looking often.
#[track_caller]
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + WAIT_MAX;
    while !is_so() {
        assert!(Instant::now() < deadline, "within {WAIT_MAX:?}: {what}");
        // Not to wait for it, but to leave the processor to whom it depends on.
        std::thread::sleep(Duration::from_millis(2));
    }
}
