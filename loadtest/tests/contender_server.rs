//! A contender's front as a process of its own, with a real Redis behind it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// Ends the process with the test, whatever becomes of it.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Held {
    /// How it ended by itself.
    fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().expect("it is our child") {
                return status;
            }
            assert!(Instant::now() < until, "it still runs");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn redis(folder: &Path) -> Held {
    let socket = folder.join("socket");
    let mut redis = Command::new("redis-server");
    redis.args(["--port", "0", "--save", "", "--dir"]).arg(folder).arg("--unixsocket").arg(&socket);
    redis.stdin(Stdio::null()).stdout(Stdio::null());
    let redis = Held(redis.spawn().expect("redis-server is installed"));
    let until = Instant::now() + PATIENCE;
    while UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < until, "Redis does not listen");
        thread::sleep(Duration::from_millis(5));
    }
    redis
}

fn front() -> Held {
    let mut front = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    front.arg("contender-server").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Held(front.spawn().expect("the program under test"))
}

fn tell(front: &mut Held, line: &str) {
    writeln!(front.0.stdin.as_mut().expect("a pipe"), "{line}").expect("it reads");
}

#[test]
fn front_ends_with_its_standard_input_and_takes_the_database_along() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut redis = redis(folder.path());
    let socket = folder.path().join("socket");
    let mut front = front();
    let settings = serde_json::json!({
        "kind": "redis-always", "socket": socket, "connections": 2, "database": redis.0.id(),
    });
    tell(&mut front, &settings.to_string());
    let mut line = String::new();
    BufReader::new(front.0.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");
    assert!(redis.0.try_wait().expect("our child").is_none());

    drop(front.0.stdin.take());
    assert!(front.end().success());
    assert!(redis.end().success(), "Redis was not asked to end");
}

#[test]
fn front_without_settings_or_database_says_why_it_does_not_start() {
    let (nobody, folder) = (u32::MAX, tempfile::tempdir().expect("a temporary folder"));
    let settings = serde_json::json!({
        "kind": "redis-always", "socket": folder.path(), "connections": 2, "database": nobody,
    });
    for (line, why) in
        [("nonsense", "the settings are not JSON"), (&settings.to_string(), "the database's process id")]
    {
        let mut front = front();
        tell(&mut front, line);
        assert_eq!(front.end().code(), Some(1), "{line}");
        let mut said = String::new();
        let mut stderr = BufReader::new(front.0.stderr.take().expect("a pipe"));
        std::io::Read::read_to_string(&mut stderr, &mut said).expect("text");
        assert!(said.contains(why), "{said}");
    }
}
