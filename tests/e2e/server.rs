//! The process under test: started on port 0, watched through pipes, ended by its own id.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{people, tokens};

/// Nothing that a test waits for takes this long on a machine that works.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);

const READY_LINE: &str = "listening on http://";

/// Settings of the caller's shell that would change what is tested.
const FOREIGN_PREFIXES: [&str; 5] = ["HOLDFAST_", "REDIS_", "SMTP_", "JWT_", "RUST_LOG"];

/// A folder for a server's data, and the place its process runs in.
pub(crate) struct Folder {
    parent: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { parent: tempfile::tempdir().expect("make a temporary folder") }
    }

    pub(crate) fn parent(&self) -> &Path {
        self.parent.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.parent().join("data")
    }

    /// Has the usual people in a shop that was never served.
    pub(crate) fn move_in(&self) {
        people::move_in(&self.data());
    }

    /// `holdfast` with these arguments, in an environment that says nothing, with a signing secret that is known.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    /// Takes the caller's settings from `command`, and its own folder and secret in.
    pub(crate) fn prepare(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if FOREIGN_PREFIXES.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.env("JWT_SECRET", tokens::SECRET).env("HOLDFAST_DATA_DIR", self.data());
        // A disk that happens to be nearly full is not what most tests are about.
        command.env("HOLDFAST_DISK_RESERVE_BYTES", "1");
        // Away from a `.env` file of the caller's folder.
        command.current_dir(self.parent());
    }

    /// `holdfast serve` for a shop whose admin and customers are there already; see [`people`].
    pub(crate) fn serve(&self) -> Command {
        if !self.data().exists() {
            self.move_in();
        }
        self.serve_empty()
    }

    /// The same, without anybody.
    pub(crate) fn serve_empty(&self) -> Command {
        self.command(&["serve", "--listen", "127.0.0.1:0"])
    }

    /// Starts a server with the usual settings.
    pub(crate) fn start(&self) -> Server {
        Server::start(self.serve())
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Process::spawn(self.command(arguments)).wait()
    }
}

/// A process with its output.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    stdout: Vec<String>,
    stderr: Arc<Heard>,
    readers: Vec<JoinHandle<()>>,
}

/// What a process said on stderr so far.
#[derive(Default)]
struct Heard {
    text: Mutex<String>,
    more: Condvar,
}

impl Heard {
    fn text(&self) -> String {
        self.text.lock().expect("nothing panics while it holds this").clone()
    }

    fn add(&self, bytes: &[u8]) {
        let mut text = self.text.lock().expect("nothing panics while it holds this");
        text.push_str(&String::from_utf8_lossy(bytes));
        self.more.notify_all();
    }

    fn wait_for(&self, wanted: &str) -> bool {
        let text = self.text.lock().expect("nothing panics while it holds this");
        let lacks = |text: &mut String| !text.contains(wanted);
        let waited = self.more.wait_timeout_while(text, WAIT_MAX, lacks);
        !waited.expect("nothing panics while it holds this").1.timed_out()
    }
}

/// A process that is no more.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{}\n{}\n{}", self.status, self.stdout, self.stderr);
        self
    }
}

impl Process {
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("run {command:?}: {error}"));
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("it is piped");
        let out = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                if line.is_err() || line.is_ok_and(|line| sender.send(line).is_err()) {
                    return;
                }
            }
        });
        let stderr = Arc::new(Heard::default());
        let (mut pipe, heard) = (child.stderr.take().expect("it is piped"), Arc::clone(&stderr));
        let err = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut bytes) {
                heard.add(&bytes[..count]);
            }
        });
        Self { child, lines, stdout: Vec::new(), stderr, readers: vec![out, err] }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    pub(crate) fn wait_for_stderr(&self, text: &str) {
        assert!(self.stderr.wait_for(text), "`{text}` was not said:\n{}", self.stderr());
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.join("\n")
    }

    pub(crate) fn signal(&self, name: &str) {
        // The shell's own `kill`: no package has to be there for it.
        let kill = format!("kill -{name} {}", self.pid());
        let is_sent = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(is_sent.success(), "{kill}");
    }

    /// Reads lines up to one that `wants` accepts; none when the process ends before.
    pub(crate) fn line(&mut self, wants: impl Fn(&str) -> bool) -> Option<String> {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.stdout.push(line.clone());
                    if wants(&line) {
                        return Some(line);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no such line within {WAIT_MAX:?}:\n{}\n{}", self.stdout(), self.stderr())
                }
            }
        }
    }

    /// Waits for the end, which shows in the end of its output.
    pub(crate) fn wait(mut self) -> Ended {
        assert_eq!(self.line(|_| false), None);
        let status = self.child.wait().expect("a child can be waited for");
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader does not panic");
        }
        Ended { status, stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _is_gone_already = self.child.kill();
        let _is_reaped_already = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- server {} said:\n{}\n---", self.child.id(), self.stderr());
        }
    }
}

/// A server that listens.
pub(crate) struct Server {
    process: Process,
    address: String,
}

impl Server {
    #[track_caller]
    pub(crate) fn start(command: Command) -> Self {
        match Self::try_start(command) {
            Ok(server) => server,
            Err(ended) => panic!("the server did not start: {}\n{}", ended.status, ended.stderr),
        }
    }

    /// Starts a server; an error when it ends instead.
    pub(crate) fn try_start(command: Command) -> Result<Self, Ended> {
        let mut process = Process::spawn(command);
        match process.line(|line| line.starts_with(READY_LINE)) {
            Some(line) => Ok(Self { process, address: line[READY_LINE.len()..].to_owned() }),
            None => Err(process.wait()),
        }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it printed up to the ready line.
    pub(crate) fn stdout(&self) -> String {
        self.process.stdout()
    }

    pub(crate) fn stderr(&self) -> String {
        self.process.stderr()
    }

    pub(crate) fn wait_for_stderr(&self, text: &str) {
        self.process.wait_for_stderr(text);
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    pub(crate) fn wait(self) -> Ended {
        self.process.wait()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.process.child.kill().expect("it runs");
        self.process.wait();
    }

    /// SIGTERM, and its end.
    pub(crate) fn terminate(self) -> Ended {
        self.signal("TERM");
        self.wait()
    }
}
