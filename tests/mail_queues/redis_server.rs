//! A `redis-server` of the test's own: on a free loopback port, in a folder of its own, ended by its process id.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Ports that another process may take between the choice and the start.
const STARTS_MAX: u32 = 20;

pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Keeps nothing on disk.
    pub(crate) fn start() -> Self {
        Self::with(&["--appendonly", "no"])
    }

    /// Started with these arguments, which it keeps when it is started again.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("make a temporary folder");
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        for _ in 0..STARTS_MAX {
            let port = free_port();
            if let Some(child) = spawn(port, &folder, &arguments) {
                return Self { child, port, folder, arguments };
            }
        }
        panic!("redis-server found no free port");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What follows `redis://` and the credentials.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        // It may be killed already.
        let _is_gone_already = self.child.kill();
        self.child.wait().expect("it is ours");
    }

    /// Starts it again at the same place.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.arguments).expect("its port is still free");
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("there is a shell").success());
    }

    /// A client for a look behind the queue's back.
    pub(crate) async fn client(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("it is a URL");
        client.get_multiplexed_async_connection().await.expect("it listens")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _is_gone_already = self.child.kill();
        let _is_reaped_already = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

/// None when it ended before it was ready.
fn spawn(port: u16, folder: &TempDir, arguments: &[String]) -> Option<Child> {
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
        .args(["--loglevel", "notice", "--logfile", "", "--dir"])
        .arg(folder.path())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("these tests need redis-server: install the package of that name");
    let said = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut lines = said.lines().map_while(Result::ok);
    if lines.by_ref().any(|line| line.contains("Ready to accept connections")) {
        // Whoever says more than a pipe holds must be listened to.
        std::thread::spawn(move || lines.for_each(drop));
        return Some(child);
    }
    child.wait().expect("it is ours");
    None
}
