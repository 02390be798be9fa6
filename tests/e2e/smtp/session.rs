//! One conversation, from greeting to farewell.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::{ServerConnection, StreamOwned};

use super::{Misdeed, Shared, Stage, State, Taken, Way};
use crate::server::WAIT_MAX;

/// With CR LF (RFC 5321, 4.5.3.1).
const COMMAND_BYTES_MAX: usize = 512;
const TEXT_LINE_BYTES_MAX: usize = 1000;

trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// How a conversation goes on.
enum Then {
    On,
    Over,
}

struct Session<'a> {
    shared: &'a Shared,
    number: usize,
    plain: TcpStream,
    wire: Box<dyn Wire>,
    unread: Vec<u8>,
    is_encrypted: bool,
    has_greeted: bool,
    user: Option<String>,
    from: Option<String>,
    is_8_bit: bool,
    to: Vec<String>,
    /// The last command was answered as it should be.
    has_answered_well: bool,
}

pub(super) fn serve(stream: TcpStream, number: usize, shared: &Shared) {
    let wire = stream.try_clone().expect("there are file handles");
    let mut session = Session {
        shared,
        number,
        plain: stream,
        wire: Box::new(wire),
        unread: Vec::new(),
        is_encrypted: false,
        has_greeted: false,
        user: None,
        from: None,
        is_8_bit: false,
        to: Vec::new(),
        has_answered_well: true,
    };
    // Whoever hangs up may do so at any time.
    let _how_it_ended = session.converse();
    // The server keeps a handle of its own: dropped alone, this would close nothing.
    let _is_gone_already = session.plain.shutdown(Shutdown::Both);
}

impl Session<'_> {
    fn converse(&mut self) -> io::Result<()> {
        if self.shared.way == Way::Tls {
            self.encrypt()?;
        }
        if let Then::Over = self.answer(Stage::Greeting, "220 sink.example ESMTP")? {
            return Ok(());
        }
        while let Some(line) = self.line(COMMAND_BYTES_MAX)? {
            let line = match String::from_utf8(line) {
                Ok(line) => line,
                Err(_) => return self.fault("a command that is not UTF-8"),
            };
            if let Then::Over = self.command(&line)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn command(&mut self, line: &str) -> io::Result<Then> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" if !rest.is_empty() => self.hello(rest),
            "STARTTLS" if self.shared.way == Way::StartTls && !self.is_encrypted => self.start_tls(),
            "AUTH" if self.has_greeted && self.shared.login.is_some() => self.auth(rest),
            "MAIL" if self.has_greeted && self.from.is_none() => self.mail(rest),
            "RCPT" if self.from.is_some() => self.rcpt(rest),
            "DATA" if !self.to.is_empty() => self.data(),
            "RSET" => {
                self.forget();
                self.say("250 forgotten")
            }
            "NOOP" => self.say("250 done"),
            "QUIT" => {
                self.say("221 farewell")?;
                Ok(Then::Over)
            }
            _ => {
                self.fault(&format!("`{line}` is not to be said now"))?;
                self.say("503 not now")
            }
        }
    }

    fn hello(&mut self, name: &str) -> io::Result<Then> {
        if name != "shop.example" {
            self.fault(&format!("`{name}` is not what it is called"))?;
        }
        self.has_greeted = true;
        self.forget();
        let mut lines = vec!["sink.example", "PIPELINING", "8BITMIME", "SMTPUTF8"];
        if self.shared.way == Way::StartTls && !self.is_encrypted {
            lines.push("STARTTLS");
        }
        let auth = format!("AUTH {}", self.shared.mechanism);
        if self.shared.login.is_some() && (self.shared.way == Way::Plain || self.is_encrypted) {
            lines.push(&auth);
        }
        let last = lines.len() - 1;
        let answer: Vec<_> = lines
            .iter()
            .enumerate()
            .map(|(at, line)| format!("250{}{line}", if at == last { ' ' } else { '-' }))
            .collect();
        self.say(&answer.join("\r\n"))
    }

    fn start_tls(&mut self) -> io::Result<Then> {
        self.say("220 go ahead")?;
        if !self.unread.is_empty() {
            self.fault("bytes between STARTTLS and TLS")?;
        }
        self.encrypt()?;
        // What was said before may have been said by anybody.
        self.has_greeted = false;
        Ok(Then::On)
    }

    fn encrypt(&mut self) -> io::Result<()> {
        let connection = ServerConnection::new(Arc::clone(&self.shared.tls)).map_err(io::Error::other)?;
        self.wire = Box::new(StreamOwned::new(connection, self.plain.try_clone()?));
        self.is_encrypted = true;
        Ok(())
    }

    fn auth(&mut self, rest: &str) -> io::Result<Then> {
        let (mechanism, first) = rest.split_once(' ').unwrap_or((rest, ""));
        if mechanism != self.shared.mechanism {
            self.fault(&format!("AUTH {mechanism} was not offered"))?;
            return self.say("504 not offered");
        }
        let (user, password) = if mechanism == "PLAIN" {
            let said = decoded(first);
            let mut words = said.split('\0').skip(1).map(str::to_owned);
            (words.next().unwrap_or_default(), words.next().unwrap_or_default())
        } else {
            // `User Name` and `Password`, the way it is asked everywhere.
            self.say("334 VXNlciBOYW1lAA==")?;
            let user = self.line(COMMAND_BYTES_MAX)?.unwrap_or_default();
            self.say("334 UGFzc3dvcmQA")?;
            let password = self.line(COMMAND_BYTES_MAX)?.unwrap_or_default();
            (decoded(&String::from_utf8_lossy(&user)), decoded(&String::from_utf8_lossy(&password)))
        };
        if let Some(misdeed) = self.shared.misdeed(Stage::Auth) {
            return self.misdo(misdeed);
        }
        if self.shared.login != Some((user.clone(), password)) {
            return self.say("535 who is that?");
        }
        self.user = Some(user);
        self.say("235 welcome")
    }

    fn mail(&mut self, rest: &str) -> io::Result<Then> {
        if self.shared.login.is_some() && self.user.is_none() {
            return self.say("530 log in first");
        }
        let Some((from, parameters)) = path(rest, "FROM:<") else {
            self.fault(&format!("MAIL {rest}"))?;
            return self.say("501 no sender");
        };
        let answer = self.answer(Stage::MailFrom, "250 sender")?;
        if self.has_answered_well {
            self.from = Some(from);
            self.is_8_bit = parameters.contains("BODY=8BITMIME");
        }
        Ok(answer)
    }

    fn rcpt(&mut self, rest: &str) -> io::Result<Then> {
        let Some((to, _)) = path(rest, "TO:<") else {
            self.fault(&format!("RCPT {rest}"))?;
            return self.say("501 no recipient");
        };
        self.to.push(to);
        let answer = self.answer(Stage::RcptTo, "250 recipient")?;
        if !self.has_answered_well {
            self.to.pop();
        }
        Ok(answer)
    }

    fn data(&mut self) -> io::Result<Then> {
        let answer = self.answer(Stage::Data, "354 go ahead")?;
        if !self.has_answered_well {
            return Ok(answer);
        }
        let Some(bytes) = self.text()? else { return Ok(Then::Over) };
        let mut misdeed = self.shared.misdeed(Stage::Text);
        if misdeed == Some(Misdeed::Pause) {
            self.pause();
            misdeed = None;
        }
        if matches!(misdeed, None | Some(Misdeed::HangUp)) {
            let taken = Taken {
                from: self.from.take().unwrap_or_default(),
                to: std::mem::take(&mut self.to),
                bytes,
                connection: self.number,
                is_encrypted: self.is_encrypted,
                user: self.user.clone(),
            };
            self.shared.change(|state| state.taken.push(taken));
        }
        self.forget();
        match misdeed {
            None => self.say("250 taken"),
            Some(misdeed) => self.misdo(misdeed),
        }
    }

    /// The mail up to the dot; none when the client is gone before.
    fn text(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        while let Some(line) = self.line(TEXT_LINE_BYTES_MAX)? {
            let line = match line.strip_prefix(b".") {
                Some([]) => return Ok(Some(bytes)),
                Some(rest) if !rest.starts_with(b".") => {
                    self.fault("a dot that was not stuffed")?;
                    rest
                }
                Some(rest) => rest,
                None => &line,
            };
            if !line.is_ascii() && !self.is_8_bit {
                self.fault("a text beyond ASCII that was not announced")?;
            }
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        Ok(None)
    }

    fn forget(&mut self) {
        self.from = None;
        self.is_8_bit = false;
        self.to.clear();
    }

    /// Answers well, or as this server was told to.
    fn answer(&mut self, stage: Stage, good: &str) -> io::Result<Then> {
        let misdeed = self.shared.misdeed(stage);
        self.has_answered_well = misdeed.is_none();
        match misdeed {
            None => self.say(good),
            Some(misdeed) => self.misdo(misdeed),
        }
    }

    fn misdo(&mut self, misdeed: Misdeed) -> io::Result<Then> {
        match misdeed {
            Misdeed::Answer(code) => {
                self.say(&format!("{code} told to"))?;
                self.shared.change(|state| state.refused += 1);
                Ok(if code == 421 { Then::Over } else { Then::On })
            }
            Misdeed::HangUp => {
                self.plain.shutdown(Shutdown::Both)?;
                Ok(Then::Over)
            }
            Misdeed::Pause => panic!("it answers a text late, nothing else"),
            Misdeed::Hang => {
                self.shared.change(|state| state.hanging += 1);
                let _gone = self.wire.read_to_end(&mut Vec::new());
                self.shared.change(|state| state.hanging -= 1);
                Ok(Then::Over)
            }
        }
    }

    fn pause(&self) {
        self.shared.change(|state| state.hanging += 1);
        let is_told = |state: &mut State| state.misdeeds.contains_key(&Stage::Text);
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), WAIT_MAX, is_told);
        drop(waited.expect("nothing panics while it holds this"));
        self.shared.change(|state| state.hanging -= 1);
    }

    fn say(&mut self, line: &str) -> io::Result<Then> {
        self.wire.write_all(format!("{line}\r\n").as_bytes())?;
        self.wire.flush()?;
        Ok(Then::On)
    }

    /// The next line without its end; none when the client hung up.
    fn line(&mut self, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.unread.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.unread.drain(..=at).collect();
                let bytes = line.len();
                line.pop();
                let has_return = line.pop_if(|byte| *byte == b'\r').is_some();
                if !has_return || line.contains(&b'\r') || line.contains(&0) {
                    self.fault("a line that does not end with CR LF")?;
                }
                if bytes > bytes_max {
                    self.fault(&format!("a line of {bytes} bytes"))?;
                }
                return Ok(Some(line));
            }
            let mut bytes = [0; 4096];
            match self.wire.read(&mut bytes)? {
                0 => return Ok(None),
                count => self.unread.extend_from_slice(&bytes[..count]),
            }
        }
    }

    fn fault(&mut self, what: &str) -> io::Result<()> {
        self.shared.change(|state| state.faults.push(what.to_owned()));
        Ok(())
    }
}

fn decoded(text: &str) -> String {
    let bytes = BASE64_STANDARD.decode(text).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The address in `FROM:<…> parameters`, and those.
fn path(rest: &str, start: &str) -> Option<(String, String)> {
    let head = rest.get(..start.len())?;
    let (address, parameters) = rest[start.len()..].split_once('>')?;
    let is_path = head.eq_ignore_ascii_case(start) && address.contains('@') && !address.contains(['<', ' ']);
    is_path.then(|| (address.to_owned(), parameters.to_owned()))
}
