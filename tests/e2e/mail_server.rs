//! The mail server of the tests is a strict one: what it lets pass is a mail.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::server::WAIT_MAX;
use crate::smtp::{Misdeed, SmtpServer, Stage, Way};

/// Says all of this at once, and hears everything until the server hangs up.
fn talk(server: &SmtpServer, text: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("it listens");
    stream.set_read_timeout(Some(WAIT_MAX)).expect("the time is not zero");
    stream.write_all(text.as_bytes()).expect("it reads");
    let mut heard = String::new();
    stream.read_to_string(&mut heard).expect("it says farewell");
    heard.lines().map(str::to_owned).collect()
}

fn conversation(text: &str) -> String {
    format!(
        "EHLO shop.example\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n{text}\r\n.\r\nNOOP\r\nRSET\r\nQUIT\r\n"
    )
}

#[test]
fn pipelined_mail_is_taken_as_it_was_sent() {
    let server = SmtpServer::start(Way::Plain);
    let heard = talk(&server, &conversation("Subject: x\r\n\r\n..one dot\r\n...\r\nend"));
    let codes: Vec<_> =
        heard.iter().filter(|line| !line.starts_with("250-")).map(|line| &line[..3]).collect();
    assert_eq!(codes, ["220", "250", "250", "250", "354", "250", "250", "250", "221"]);
    let taken = &server.taken()[0];
    assert_eq!((taken.from.as_str(), taken.to.as_slice()), ("a@b.c", &["d@e.f".to_owned()][..]));
    assert_eq!(taken.bytes, b"Subject: x\r\n\r\n.one dot\r\n..\r\nend\r\n");
}

#[test]
fn rules_that_a_client_breaks_are_noticed() {
    for (text, fault) in [
        (conversation("x\n"), "CR LF"),
        (conversation("x\r"), "CR LF"),
        (conversation(".x"), "not stuffed"),
        (conversation("ä"), "beyond ASCII"),
        (conversation(&"x".repeat(999)), "1001 bytes"),
        (format!("EHLO {}\r\nQUIT\r\n", "x".repeat(600)), "bytes"),
        ("MAIL FROM:<a@b.c>\r\nQUIT\r\n".to_owned(), "not to be said"),
        ("EHLO shop.example\r\nRCPT TO:<a@b.c>\r\nQUIT\r\n".to_owned(), "not to be said"),
        ("EHLO shop.example\r\nMAIL FROM:a@b.c\r\nQUIT\r\n".to_owned(), "MAIL"),
        ("EHLO other.example\r\nQUIT\r\n".to_owned(), "called"),
    ] {
        let server = SmtpServer::start(Way::Plain);
        talk(&server, &text);
        assert!(server.faults().iter().any(|it| it.contains(fault)), "{fault}: {:?}", server.faults());
    }
}

#[test]
fn misdeeds_happen_as_often_as_told() {
    let server = SmtpServer::start(Way::Plain);
    server.tell(Stage::RcptTo, Misdeed::Answer(451), 1);
    let text = "EHLO shop.example\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nRCPT TO:<d@e.f>\r\nQUIT\r\n";
    let heard = talk(&server, text);
    assert_eq!(heard[heard.len() - 3..], ["451 told to", "250 recipient", "221 farewell"]);
    assert_eq!(server.refused(), 1);
}
