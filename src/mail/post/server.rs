//! A mail server's URL: where it is, how it is encrypted, who we are to it.
//!
//! The forms are lettre's. Read here and not there, because its transport does not tell which command a server refused,
//! and that decides whether a mail is tried again.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

const PORT_SMTP: u16 = 25;
const PORT_SUBMISSION: u16 = 587;
const PORT_SUBMISSIONS: u16 = 465;

/// What a URL may look like, for whoever wrote another.
const FORMS: &str =
    "write smtps://user:password@host, smtp://user:password@host?tls=required, or smtp://host";

/// How the way to a mail server is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encryption {
    /// Not at all.
    No,
    /// By STARTTLS where the server offers it.
    Offered,
    /// By STARTTLS, or nothing is sent.
    Required,
    /// From the first byte.
    FromTheStart,
}

/// A mail server, as `smtp_url` names it.
#[derive(Clone, PartialEq, Eq)]
pub struct MailServer {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    /// User and password.
    pub(super) login: Option<(String, String)>,
    /// What we call ourselves; else this machine's name.
    pub(super) hello: Option<String>,
}

impl MailServer {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without what it says: it may have a password in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("is no URL ({error}): {FORMS}"))?;
        let tls = one_parameter(&url)?;
        let (encryption, port) = match (url.scheme(), tls.as_deref()) {
            ("smtps", None) => (Encryption::FromTheStart, PORT_SUBMISSIONS),
            ("smtp", None) => (Encryption::No, PORT_SMTP),
            ("smtp", Some("required")) => (Encryption::Required, PORT_SUBMISSION),
            ("smtp", Some("opportunistic")) => (Encryption::Offered, PORT_SUBMISSION),
            ("smtp", Some(_)) => return Err("may have tls=required or tls=opportunistic only".to_owned()),
            ("smtps", Some(_)) => return Err("needs no `tls`: smtps:// is always encrypted".to_owned()),
            _ => return Err(format!("is no URL of a mail server: {FORMS}")),
        };
        // Schemes that the URL standard does not know have opaque hosts: read them as those of the web are.
        let host =
            url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| format!("has no host: {FORMS}"))?;
        let host = match Host::parse(host).map_err(|_| "has a host that is none".to_owned())? {
            Host::Domain(name) => name,
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let hello = url.path().trim_matches('/');
        Ok(Self {
            host,
            port: url.port().unwrap_or(port),
            encryption,
            login: login(&url)?,
            hello: (!hello.is_empty()).then(|| name(hello)).transpose()?,
        })
    }

    /// True when somebody between could read the password.
    pub(super) fn sends_password_in_the_clear(&self) -> bool {
        let is_here = self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        self.login.is_some() && !is_here && matches!(self.encryption, Encryption::No | Encryption::Offered)
    }
}

/// Never the password.
impl std::fmt::Debug for MailServer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{} ({:?})", self.host, self.port, self.encryption)
    }
}

/// The value of `tls`; other parameters would be ignored, so they are refused.
fn one_parameter(url: &Url) -> Result<Option<String>, String> {
    let mut tls = None;
    for (name, value) in url.query_pairs() {
        if name != "tls" || tls.is_some() {
            return Err("may have one parameter only, `tls`".to_owned());
        }
        tls = Some(value.into_owned());
    }
    Ok(tls)
}

fn login(url: &Url) -> Result<Option<(String, String)>, String> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8().map(Cow::into_owned);
        text.map_err(|_| "has a user or password that is not UTF-8".to_owned())
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (_, None) => Err("has a user without a password".to_owned()),
        ("", Some(_)) => Err("has a password without a user".to_owned()),
        (user, Some(password)) => Ok(Some((decoded(user)?, decoded(password)?))),
    }
}

fn name(hello: &str) -> Result<String, String> {
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'[' | b']' | b':');
    match hello.bytes().all(is_allowed) {
        true => Ok(hello.to_owned()),
        false => Err("has a path that is no name for this machine".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (String, u16, Encryption) {
        let server = MailServer::parse(url).unwrap();
        (server.host, server.port, server.encryption)
    }

    #[test]
    fn forms_are_those_of_the_contract() {
        for (url, host, port, encryption) in [
            ("smtp://mail.example", "mail.example", 25, Encryption::No),
            ("smtp://mail.example:2525/", "mail.example", 2525, Encryption::No),
            ("smtp://mail.example?tls=required", "mail.example", 587, Encryption::Required),
            ("smtp://mail.example:26?tls=opportunistic", "mail.example", 26, Encryption::Offered),
            ("smtps://mail.example", "mail.example", 465, Encryption::FromTheStart),
            ("smtps://127.0.0.1:4465", "127.0.0.1", 4465, Encryption::FromTheStart),
            ("smtp://[::1]:25", "::1", 25, Encryption::No),
            ("SMTP://MAIL.example", "mail.example", 25, Encryption::No),
        ] {
            assert_eq!(parsed(url), (host.to_owned(), port, encryption), "{url}");
        }
    }

    #[test]
    fn user_and_password_are_decoded() {
        let server = MailServer::parse("smtps://me%40shop:p%2Fs+%3A@mail.example/shop.example").unwrap();
        assert_eq!(server.login, Some(("me@shop".to_owned(), "p/s+:".to_owned())));
        assert_eq!(server.hello.as_deref(), Some("shop.example"));
        assert!(!format!("{server:?}").contains("p/s"));
    }

    #[test]
    fn password_in_the_clear_is_noticed() {
        for (url, is_clear) in [
            ("smtp://u:p@mail.example", true),
            ("smtp://u:p@mail.example?tls=opportunistic", true),
            ("smtp://u:p@mail.example?tls=required", false),
            ("smtps://u:p@mail.example", false),
            ("smtp://u:p@127.0.0.1", false),
            ("smtp://mail.example", false),
        ] {
            assert_eq!(MailServer::parse(url).unwrap().sends_password_in_the_clear(), is_clear, "{url}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused_without_its_password() {
        for url in [
            "mail.example:25",
            "http://user:hunter2@mail.example",
            "smtp://",
            "smtp://user:hunter2@",
            "smtp://user:hunter2@mail.example?tls=yes",
            "smtps://user:hunter2@mail.example?tls=required",
            "smtp://user:hunter2@mail.example?tsl=required",
            "smtp://hunter2@mail.example",
            "smtp://:hunter2@mail.example",
            "smtp://user:hunter2@mail.example/a%20b",
            "smtp://user:hunter2@mail.example:99999",
            "smtp://user:%ffhunter2@mail.example",
            "smtp://user:hunter2@a b",
        ] {
            let refused = MailServer::parse(url).unwrap_err();
            assert!(!refused.contains("hunter2"), "{url}: {refused}");
        }
    }
}
