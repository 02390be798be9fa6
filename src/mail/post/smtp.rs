//! The conversation with a mail server, by lettre, one command at a time.
//!
//! Command by command because what a refusal means depends on the command: a server that refuses a recipient or a text refuses
//! this mail; one that refuses us, our login or our sender would refuse every mail, and the next attempt may do better.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::time::timeout;

use super::Fault;
use super::server::{Encryption, MailServer};
use crate::mail::message::Letter;

/// For connecting, and for each command.
const STEP_WAIT_MAX: Duration = Duration::from_secs(10);

/// For the answer to a whole mail. Servers look for viruses before they give it, and to give up while they do
/// makes a double of the mail.
const ACCEPT_WAIT_MAX: Duration = Duration::from_secs(30);

/// For taking leave; whoever does not answer then is left.
const LEAVE_WAIT_MAX: Duration = Duration::from_secs(1);

/// A connection that was not used for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// Many servers hang up after a hundred; better do so ourselves, between two mails.
const LETTERS_PER_CONNECTION_MAX: u32 = 50;

/// "The service is closing the channel", whatever was asked.
const CODE_CLOSING: u16 = 421;

/// A mail server and the connections to it that nobody uses right now.
///
/// There are never more than mails are sent at once.
#[derive(Debug)]
pub(super) struct Smtp {
    server: MailServer,
    hello: ClientId,
    tls: Option<Tls>,
    login: Option<Credentials>,
    parked: RefCell<Vec<Connection>>,
}

struct Tls(TlsParameters);

impl std::fmt::Debug for Tls {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Tls({})", self.0.domain())
    }
}

struct Connection {
    conversation: AsyncSmtpConnection,
    letters: u32,
    used: Instant,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Connection({} letters)", self.letters)
    }
}

impl Smtp {
    /// The way to `server`, whose certificate `authority` may have signed, besides the usual ones.
    pub(super) fn to(server: MailServer, authority: Option<Certificate>) -> Result<Self, String> {
        let tls = match server.encryption {
            Encryption::No => None,
            Encryption::Offered | Encryption::Required | Encryption::FromTheStart => {
                let mut tls = TlsParameters::builder(server.host.clone());
                if let Some(authority) = authority {
                    tls = tls.add_root_certificate(authority);
                }
                Some(Tls(tls.build().map_err(|error| format!("cannot be used with TLS: {error}"))?))
            }
        };
        let hello = server.hello.clone().map_or_else(ClientId::default, ClientId::Domain);
        let login = server.login.clone().map(|(user, password)| Credentials::new(user, password));
        Ok(Self { server, hello, tls, login, parked: RefCell::default() })
    }

    pub(super) fn describe(&self) -> String {
        let MailServer { host, port, encryption, .. } = &self.server;
        let encrypted = match encryption {
            Encryption::No => "not encrypted",
            Encryption::Offered => "encrypted if offered",
            Encryption::Required | Encryption::FromTheStart => "encrypted",
        };
        format!("mail server {host}:{port}, {encrypted}")
    }

    pub(super) async fn send(&self, letter: &Letter) -> Result<(), Fault> {
        let mut connection = match self.parked().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let outcome = hand_over(&mut connection.conversation, letter).await;
        connection.letters += 1;
        connection.used = Instant::now();
        match outcome {
            Ok(()) => self.park(connection),
            Err(Refused { is_usable: true, .. }) => {
                // A refused mail leaves the server waiting for the rest of it.
                match step("RSET", STEP_WAIT_MAX, connection.conversation.command(Rset)).await {
                    Ok(_) => self.park(connection),
                    Err(_) => drop(connection),
                }
            }
            // Without a farewell: whoever is silent or gone would not hear it.
            Err(Refused { is_usable: false, .. }) => drop(connection),
        }
        outcome.map_err(|refused| refused.fault)
    }

    /// A connection that was parked and still answers.
    async fn parked(&self) -> Option<Connection> {
        loop {
            // The latest first, so that the others grow old and are closed.
            let mut connection = self.parked.borrow_mut().pop()?;
            let is_alive = timeout(STEP_WAIT_MAX, connection.conversation.test_connected()).await;
            if is_alive.unwrap_or(false) {
                return Some(connection);
            }
        }
    }

    fn park(&self, connection: Connection) {
        if connection.letters >= LETTERS_PER_CONNECTION_MAX {
            tokio::spawn(leave(connection));
        } else {
            self.parked.borrow_mut().push(connection);
        }
    }

    async fn connect(&self) -> Result<Connection, Fault> {
        let place = (self.server.host.as_str(), self.server.port);
        let wrapper = match self.server.encryption {
            Encryption::FromTheStart => self.tls.as_ref().map(|tls| tls.0.clone()),
            Encryption::No | Encryption::Offered | Encryption::Required => None,
        };
        let connect =
            AsyncSmtpConnection::connect_tokio1(place, Some(STEP_WAIT_MAX), &self.hello, wrapper, None);
        let mut conversation = passing(step("connect", STEP_WAIT_MAX, connect).await)?;
        let starts_tls = match self.server.encryption {
            Encryption::Required => true,
            Encryption::Offered => conversation.can_starttls(),
            Encryption::No | Encryption::FromTheStart => false,
        };
        if let (true, Some(Tls(tls))) = (starts_tls, &self.tls) {
            let upgrade = conversation.starttls(tls.clone(), &self.hello);
            passing(step("STARTTLS", STEP_WAIT_MAX, upgrade).await)?;
        }
        if let Some(login) = &self.login {
            let auth = conversation.auth(DEFAULT_MECHANISMS, login);
            passing(step("AUTH", STEP_WAIT_MAX, auth).await)?;
        }
        Ok(Connection { conversation, letters: 0, used: Instant::now() })
    }

    pub(super) fn tidy(&self) {
        let is_idle = |connection: &mut Connection| connection.used.elapsed() >= IDLE_MAX;
        let idle: Vec<_> = self.parked.borrow_mut().extract_if(.., is_idle).collect();
        for connection in idle {
            tokio::spawn(leave(connection));
        }
    }

    pub(super) async fn close(&self) {
        let parked = self.parked.take();
        join_all(parked.into_iter().map(leave)).await;
    }
}

async fn leave(mut connection: Connection) {
    // Who does not answer in time is left without.
    let _unheard = timeout(LEAVE_WAIT_MAX, connection.conversation.abort()).await;
}

/// Why a letter was not taken, and whether the conversation may go on.
struct Refused {
    fault: Fault,
    is_usable: bool,
}

async fn hand_over(conversation: &mut AsyncSmtpConnection, letter: &Letter) -> Result<(), Refused> {
    let Letter { envelope, bytes, .. } = letter;
    let mut parameters = Vec::new();
    // Everything but a foreign address is encoded.
    if !bytes.is_ascii() {
        if !conversation.server_info().supports_feature(Extension::SmtpUtfEight) {
            let why = "the mail server takes no address beyond ASCII".to_owned();
            return Err(Refused { fault: Fault::Permanent(why), is_usable: true });
        }
        parameters.push(MailParameter::SmtpUtfEight);
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let from = Mail::new(envelope.from().cloned(), parameters);
    step("MAIL FROM", STEP_WAIT_MAX, conversation.command(from)).await.map_err(Stumble::passing)?;
    for to in envelope.to() {
        let to = Rcpt::new(to.clone(), Vec::new());
        step("RCPT TO", STEP_WAIT_MAX, conversation.command(to)).await.map_err(Stumble::of_the_mail)?;
    }
    step("DATA", STEP_WAIT_MAX, conversation.command(Data)).await.map_err(Stumble::of_the_mail)?;
    step("the text", ACCEPT_WAIT_MAX, conversation.message(bytes)).await.map_err(Stumble::of_the_mail)?;
    Ok(())
}

/// A step of the conversation that failed.
#[derive(Debug)]
enum Stumble {
    Late(&'static str, Duration),
    Failed(&'static str, lettre::transport::smtp::Error),
}

async fn step<T>(
    name: &'static str,
    wait_max: Duration,
    deed: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
) -> Result<T, Stumble> {
    match timeout(wait_max, deed).await {
        Ok(done) => done.map_err(|error| Stumble::Failed(name, error)),
        Err(_) => Err(Stumble::Late(name, wait_max)),
    }
}

fn passing<T>(done: Result<T, Stumble>) -> Result<T, Fault> {
    done.map_err(|stumble| stumble.passing().fault)
}

impl Stumble {
    fn why(&self) -> String {
        match self {
            Self::Late(name, wait_max) => format!("{name}: no answer within {} s", wait_max.as_secs()),
            Self::Failed(name, error) => format!("{name}: {error}"),
        }
    }

    /// Whether the server answered, and went on listening.
    fn is_answer(&self) -> bool {
        match self {
            Self::Late(..) => false,
            Self::Failed(_, error) => error.status().is_some_and(|code| u16::from(code) != CODE_CLOSING),
        }
    }

    /// Other mails would have failed the same way.
    fn passing(self) -> Refused {
        Refused { fault: Fault::Passing(self.why()), is_usable: self.is_answer() }
    }

    /// About this mail: what the server refuses for good is refused for good.
    fn of_the_mail(self) -> Refused {
        let is_permanent = matches!(&self, Self::Failed(_, error) if error.is_permanent());
        let fault = if is_permanent { Fault::Permanent(self.why()) } else { Fault::Passing(self.why()) };
        Refused { fault, is_usable: self.is_answer() }
    }
}
