//! A mail server of the test's own: it takes mails over real connections, insists on the rules, and does badly when told.
//!
//! Rules that a client broke are kept as faults; [`SmtpServer::taken`] fails on them, so that every test looks.

mod session;

use std::collections::HashMap;
use std::io::Write as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{JoinHandle, spawn};
use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;

use crate::redis_server::free_port;
use crate::server::WAIT_MAX;

/// Where in a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Stage {
    Greeting,
    Auth,
    MailFrom,
    RcptTo,
    Data,
    /// The answer to the mail itself.
    Text,
}

/// What to do there instead of what is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Misdeed {
    /// Answer with this code.
    Answer(u16),
    /// Hang up without an answer; a mail is kept nevertheless.
    HangUp,
    /// Say nothing until the client hangs up.
    Hang,
    /// Say nothing until told to [`relent`](SmtpServer::relent), then do right. For [`Stage::Text`] only.
    Pause,
}

/// How the way is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    Plain,
    StartTls,
    Tls,
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// As it was sent, without stuffed dots.
    pub(crate) bytes: Vec<u8>,
    /// Which connection it came by, from 1.
    pub(crate) connection: usize,
    pub(crate) is_encrypted: bool,
    /// Who had logged in.
    pub(crate) user: Option<String>,
}

impl Taken {
    /// The mail as Python's `email` reads it: `headers` decoded, the parts `plain` and `html`, and what is wrong with it.
    pub(crate) fn parsed(&self) -> Value {
        parse(&self.bytes)
    }

    /// Its `Message-ID`, read without Python: for tests with many mails.
    pub(crate) fn message_id(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let line = text.split("\r\n").find_map(|line| line.strip_prefix("Message-ID: "));
        line.expect("every mail has one").to_owned()
    }
}

const PARSE: &str = r"
import email, email.policy, json, sys
mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
parts = {part.get_content_subtype(): part.get_content() for part in mail.walk() if not part.is_multipart()}
wrong = [str(defect) for part in mail.walk() for defect in part.defects]
wrong += [str(defect) for value in mail.values() for defect in value.defects]
json.dump({'headers': {name: str(value) for name, value in mail.items()}, 'names': mail.keys(),
  'plain': parts.get('plain'), 'html': parts.get('html'), 'type': mail.get_content_type(), 'wrong': wrong}, sys.stdout)
";

/// What Python makes of a mail.
pub(crate) fn parse(bytes: &[u8]) -> Value {
    let mut python = Command::new("python3")
        .args(["-c", PARSE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is Python");
    python.stdin.take().expect("it is piped").write_all(bytes).expect("it reads");
    let told = python.wait_with_output().expect("it ends");
    assert!(told.status.success());
    let parsed: Value = serde_json::from_slice(&told.stdout).expect("it writes JSON");
    assert_eq!(parsed["wrong"], serde_json::json!([]), "{parsed}");
    parsed
}

#[derive(Default)]
struct State {
    misdeeds: HashMap<Stage, (Misdeed, usize)>,
    taken: Vec<Taken>,
    faults: Vec<String>,
    connections: usize,
    hanging: usize,
    refused: usize,
    is_open: bool,
    streams: Vec<TcpStream>,
}

struct Shared {
    way: Way,
    tls: Arc<ServerConfig>,
    login: Option<(String, String)>,
    mechanism: &'static str,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// What to do wrong now, if anything.
    fn misdeed(&self, stage: Stage) -> Option<Misdeed> {
        let mut state = self.state();
        let (misdeed, times) = state.misdeeds.get_mut(&stage)?;
        *times = times.checked_sub(1)?;
        Some(*misdeed)
    }
}

/// A mail server on a port of the loopback.
pub(crate) struct SmtpServer {
    port: u16,
    authority: String,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl SmtpServer {
    pub(crate) fn start(way: Way) -> Self {
        Self::start_with(way, None, "PLAIN")
    }

    /// One that takes mails of this user only, who logs in by this mechanism.
    pub(crate) fn start_with_login(way: Way, user: &str, password: &str, mechanism: &'static str) -> Self {
        Self::start_with(way, Some((user.to_owned(), password.to_owned())), mechanism)
    }

    fn start_with(way: Way, login: Option<(String, String)>, mechanism: &'static str) -> Self {
        let (tls, authority) = certificate();
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { way, tls, login, mechanism, state, changed });
        let deadline = Instant::now() + WAIT_MAX;
        let mut server = loop {
            assert!(Instant::now() < deadline, "no free port within {WAIT_MAX:?}");
            let port = free_port();
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
                drop(listener);
                break Self { port, authority, shared, acceptor: None };
            }
        };
        server.open();
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What a setting `smtp_url` says, with `user` as it stands in a URL.
    pub(crate) fn url(&self, user: &str) -> String {
        let (scheme, parameters) = match self.shared.way {
            Way::Plain => ("smtp", ""),
            Way::StartTls => ("smtp", "?tls=required"),
            Way::Tls => ("smtps", ""),
        };
        format!("{scheme}://{user}127.0.0.1:{}/shop.example{parameters}", self.port)
    }

    /// The certificate, in PEM, of who signed this server's.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// From now on, so many times.
    pub(crate) fn tell(&self, stage: Stage, misdeed: Misdeed, times: usize) {
        self.shared.change(|state| {
            state.misdeeds.insert(stage, (misdeed, times));
        });
    }

    /// Does right again.
    pub(crate) fn relent(&self) {
        self.shared.change(|state| state.misdeeds.clear());
    }

    #[track_caller]
    fn wait(&self, what: &str, is_so: impl Fn(&State) -> bool) {
        let lacks = |state: &mut State| !is_so(state);
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), WAIT_MAX, lacks);
        let (state, waited) = waited.expect("nothing panics while it holds this");
        let (taken, faults) = (state.taken.len(), &state.faults);
        assert!(!waited.timed_out(), "not within {WAIT_MAX:?}: {what}; {taken} taken, faults: {faults:?}");
    }

    /// Waits for so many mails.
    #[track_caller]
    pub(crate) fn wait_taken(&self, count: usize) -> Vec<Taken> {
        self.wait(&format!("{count} mails"), |state| state.taken.len() >= count);
        self.taken()
    }

    /// What was taken so far, from clients that kept the rules.
    #[track_caller]
    pub(crate) fn taken(&self) -> Vec<Taken> {
        let state = self.shared.state();
        assert!(state.faults.is_empty(), "{:?}", state.faults);
        state.taken.clone()
    }

    /// What clients did wrong so far.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.shared.state().faults.clone()
    }

    /// Waits until so many clients wait in vain.
    #[track_caller]
    pub(crate) fn wait_hanging(&self, count: usize) {
        self.wait(&format!("{count} hanging"), |state| state.hanging == count);
    }

    /// How many commands were answered with a misdeed's code.
    pub(crate) fn refused(&self) -> usize {
        self.shared.state().refused
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// Takes connections, on the port it always had.
    pub(crate) fn open(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("the port is still free");
        self.shared.change(|state| state.is_open = true);
        let shared = Arc::clone(&self.shared);
        self.acceptor = Some(spawn(move || accept(&listener, &shared)));
    }

    /// Takes no connection any more, and ends those there are.
    pub(crate) fn close(&mut self) {
        self.shared.change(|state| state.is_open = false);
        // Wakes the one who accepts.
        let _refused = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().expect("it does not panic");
        }
        self.shared.change(|state| {
            for stream in state.streams.drain(..) {
                let _is_gone_already = stream.shutdown(Shutdown::Both);
            }
        });
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.close();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let stream = stream.expect("a connection comes");
        let mut number = 0;
        let mut is_open = false;
        shared.change(|state| {
            is_open = state.is_open;
            if is_open {
                state.connections += 1;
                number = state.connections;
                state.streams.push(stream.try_clone().expect("there are file handles"));
            }
        });
        if !is_open {
            return;
        }
        let shared = Arc::clone(shared);
        spawn(move || session::serve(stream, number, &shared));
    }
}

/// A certificate for this machine, and that of who signed it, in PEM.
fn certificate() -> (Arc<ServerConfig>, String) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names are names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("there is randomness"))
        .expect("it signs itself");
    let key = KeyPair::generate().expect("there is randomness");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).expect("these are names");
    let signed = params.signed_by(&key, &authority).expect("it signs");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .with_no_client_auth()
        .with_single_cert(
            vec![signed.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("it is a key"),
        )
        .expect("the key is the certificate's");
    (Arc::new(config), authority.pem())
}
