//! What a mail looks like on its way.

use super::*;
use crate::mail::{Kind, Line, Order};

fn sender() -> Sender {
    Sender::parse("Kaffee & Käse <shop@example.org>").unwrap()
}

fn welcome(to: &str, name: Option<&str>) -> Mail {
    Mail {
        id: "usr_1.welcome".to_owned(),
        kind: Kind::Welcome,
        to: to.to_owned(),
        name: name.map(str::to_owned),
        at_ms: 1_795_262_400_000,
        order: None,
    }
}

fn written(mail: &Mail) -> Result<Letter, Unfit> {
    let sender = sender();
    write(mail, &sender, &Templates::load(None, sender.shop()).unwrap())
}

/// The headers as lines, folded ones joined.
fn headers(letter: &Letter) -> Vec<String> {
    let text = String::from_utf8(letter.bytes.clone()).unwrap();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    head.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n").map(str::to_owned).collect()
}

fn header(letter: &Letter, name: &str) -> String {
    let found: Vec<_> =
        headers(letter).into_iter().filter_map(|it| it.strip_prefix(name).map(str::to_owned)).collect();
    assert_eq!(found.len(), 1, "{name} {found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn headers_are_those_of_a_machine_that_says_so() {
    let letter = written(&welcome("ada@example.net", Some("Ada"))).unwrap();
    assert_eq!(header(&letter, "Message-ID: "), "<usr_1.welcome@example.org>");
    assert_eq!(header(&letter, "Date: "), "Sat, 21 Nov 2026 12:00:00 +0000");
    assert_eq!(header(&letter, "Auto-Submitted: "), "auto-generated");
    assert_eq!(header(&letter, "To: "), "Ada <ada@example.net>");
    assert!(header(&letter, "Content-Type: ").starts_with("multipart/alternative"));
    assert_eq!(header(&letter, "MIME-Version: "), "1.0");
    assert!(header(&letter, "From: ").ends_with(" <shop@example.org>"));
    assert_eq!(letter.envelope.from().unwrap().to_string(), "shop@example.org");
    assert_eq!(letter.envelope.to()[0].to_string(), "ada@example.net");
}

#[test]
fn letter_is_ascii_with_short_lines() {
    let mut mail = welcome("ada@example.net", Some("Ålice Ærø 漢字"));
    mail.kind = Kind::OrderConfirmed;
    mail.order = Some(Order {
        id: "ord_1".to_owned(),
        number: "Ö-1".to_owned(),
        lines: vec![Line {
            sku: "A".to_owned(),
            name: "ü".repeat(3000),
            quantity: 1,
            unit_price: 1,
            total: 1,
        }],
        subtotal: 1,
        discount: 0,
        total: 1,
        currency: "EUR".to_owned(),
        canceled: None,
        reason: None,
        payment_status: "paid".to_owned(),
    });
    let letter = written(&mail).unwrap();
    assert!(letter.bytes.is_ascii());
    let text = String::from_utf8(letter.bytes.clone()).unwrap();
    assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
    assert!(header(&letter, "Subject: ").contains("=?utf-8?"), "{:?}", headers(&letter));
    assert!(header(&letter, "To: ").contains("=?utf-8?"), "{:?}", headers(&letter));
}

#[test]
fn nobody_writes_headers_by_their_name() {
    for name in
        ["Ada\r\nBcc: x@example.org", "Ada\nBcc: x@example.org", "Ada\u{0}\u{85}Bcc: x", "\"Ada\" <x@y.org>,"]
    {
        let letter = written(&welcome("ada@example.net", Some(name))).unwrap();
        let names: Vec<_> =
            headers(&letter).iter().map(|line| line.split(':').next().unwrap().to_owned()).collect();
        let expected =
            ["Message-ID", "Date", "From", "To", "Subject", "Auto-Submitted", "MIME-Version", "Content-Type"];
        assert_eq!(names, expected, "{name:?}");
        assert_eq!(letter.envelope.to().len(), 1);
    }
}

#[test]
fn name_that_advertises_stands_nowhere() {
    for name in ["Visit www.example.org", "https://example.org/win", "mail x@example.org"] {
        let letter = written(&welcome("ada@example.net", Some(name))).unwrap();
        assert_eq!(header(&letter, "To: "), "ada@example.net", "{name:?}");
        assert!(!String::from_utf8_lossy(&letter.bytes).contains(name), "{name:?}");
    }
}

#[test]
fn domain_travels_in_ascii() {
    let letter = written(&welcome("åsa@exämple.se", None)).unwrap();
    assert_eq!(letter.envelope.to()[0].to_string(), "åsa@xn--exmple-cua.se");
    let letter = written(&welcome("asa@exämple.se", None)).unwrap();
    assert!(letter.bytes.is_ascii());
}

#[test]
fn what_can_never_be_sent_is_unfit() {
    for to in ["", "ada", "ada@", "ada@example.org, x@example.org", "ada@example.org\r\nRCPT TO:<x@y.org>"] {
        assert!(matches!(written(&welcome(to, None)), Err(Unfit::Address)), "{to:?}");
    }
    for id in ["", "../x", ".x", "x.", "a/b", "a b", "a>b", "ä", &"x".repeat(129)] {
        let mail = Mail { id: id.to_owned(), ..welcome("ada@example.org", None) };
        assert!(matches!(written(&mail), Err(Unfit::Id)), "{id:?}");
    }
    let mail = Mail { at_ms: u64::MAX, ..welcome("ada@example.org", None) };
    assert!(written(&mail).is_err());
    let mail = Mail { kind: Kind::OrderExpired, ..welcome("ada@example.org", None) };
    assert!(matches!(written(&mail), Err(Unfit::Text(_))));
}

#[test]
fn sender_is_an_address_with_or_without_a_name() {
    for (text, shop) in [
        ("Holdfast <no-reply@localhost>", "Holdfast"),
        ("\"A, B\" <x@example.org>", "A, B"),
        ("x@exämple.se", "xn--exmple-cua.se"),
    ] {
        assert_eq!(Sender::parse(text).unwrap().shop(), shop);
    }
    for wrong in ["", "Holdfast", "a b", "x@", "å@example.org", "A <x@y.org>\r\nBcc: z", "x@y.org, z@y.org"]
    {
        assert!(Sender::parse(wrong).is_err(), "{wrong:?}");
    }
}
