//! One mail as bytes: headers, plain text and HTML, and to whom and from whom it travels.
//!
//! Everything in it follows from the queued mail and the templates, so that each attempt sends the same mail
//! under the same `Message-ID`, and mailboxes that know it may show it once.

use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use super::Mail;
use super::templates::{Templates, Text, name_to_show, one_line};

/// Names of mails become header fields and file names.
const ID_BYTES_MAX: usize = 128;

/// A header line of a mail ends here at the latest, wherever it is encoded and folded.
const SUBJECT_CHARACTERS_MAX: usize = 200;

/// The first moment that no `Date` can be written of: the year 10 000.
const AT_MS_END: u64 = 253_402_300_800_000;

/// Who mails are from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sender {
    mailbox: Mailbox,
}

impl Sender {
    /// Reads an address, or `Name <address>`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().any(char::is_control) {
            return Err("must be one line".to_owned());
        }
        let example = "write `shop@example.org` or `Shop <shop@example.org>`";
        let mailbox: Mailbox = text.parse().map_err(|error| format!("is no address: {error}; {example}"))?;
        let address =
            in_ascii(mailbox.email.as_ref()).ok_or_else(|| format!("has no address of ASCII; {example}"))?;
        let name = mailbox.name.map(|name| one_line(&name)).filter(|name| !name.is_empty());
        Ok(Self { mailbox: Mailbox::new(name, address) })
    }

    /// What the shop is called: the name beside the address, else the address's domain.
    #[must_use]
    pub fn shop(&self) -> &str {
        self.mailbox.name.as_deref().unwrap_or(self.mailbox.email.domain())
    }
}

/// A mail that can be posted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// The mail's name: letters, digits, `.`, `_` and `-` only.
    pub id: String,
    /// From whom and to whom.
    pub envelope: Envelope,
    /// As it travels: ASCII but for an address that is not, lines ended by CR LF, none longer than a line may be.
    pub bytes: Vec<u8>,
}

/// Why a mail can never be sent as it is.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Its name would not be one in a header or a folder.
    #[error("its name is none")]
    Id,
    /// Its address.
    #[error("its address is none")]
    Address,
    /// Its moment.
    #[error("it happened after the year 9999")]
    Moment,
    /// Its text.
    #[error(transparent)]
    Text(#[from] super::templates::Error),
    /// Its parts do not make a mail.
    #[error("it makes no message")]
    Message(#[from] lettre::error::Error),
}

/// Writes `mail` down as `sender` sends it.
///
/// # Errors
///
/// [`Unfit`]: another attempt would fail the same way.
pub fn write(mail: &Mail, sender: &Sender, templates: &Templates) -> Result<Letter, Unfit> {
    if !is_id(&mail.id) {
        return Err(Unfit::Id);
    }
    let to = address_of(&mail.to).ok_or(Unfit::Address)?;
    let Text { subject, plain, html } = templates.render(mail)?;
    let name = mail.name.as_deref().and_then(name_to_show);
    let subject: String = subject.chars().take(SUBJECT_CHARACTERS_MAX).collect();
    let from = sender.mailbox.clone();
    let message = Message::builder()
        .message_id(Some(format!("<{}@{}>", mail.id, from.email.domain())))
        // When it happened, not when this attempt is made: that is when the mail was complete (RFC 5322, 3.6.1),
        // it is the moment the text speaks of, and every attempt is the same to the byte but for boundaries.
        .date(moment(mail.at_ms)?)
        .from(from.clone())
        .to(Mailbox::new(name, to.clone()))
        .subject(subject)
        // So that nobody's holiday note answers (RFC 3834).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .envelope(Envelope::new(Some(from.email), vec![to])?)
        .multipart(MultiPart::alternative_plain_html(plain, html))?;
    Ok(Letter { id: mail.id.clone(), envelope: message.envelope().clone(), bytes: message.formatted() })
}

fn is_id(id: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    // Dots only between words: a header's name for it, and no `..` in a path.
    id.len() <= ID_BYTES_MAX && id.split('.').all(|word| !word.is_empty() && word.bytes().all(is_word))
}

/// The address as it travels: a domain beyond ASCII in its ASCII form, so that every server takes it.
fn address_of(text: &str) -> Option<Address> {
    let address: Address = text.parse().ok()?;
    let url::Host::Domain(domain) = url::Host::parse(address.domain()).ok()? else { return Some(address) };
    Address::new(address.user(), domain).ok()
}

fn in_ascii(text: &str) -> Option<Address> {
    address_of(text).filter(|address| AsRef::<str>::as_ref(address).is_ascii())
}

fn moment(at_ms: u64) -> Result<SystemTime, Unfit> {
    if at_ms >= AT_MS_END {
        return Err(Unfit::Moment);
    }
    Ok(SystemTime::UNIX_EPOCH + Duration::from_millis(at_ms))
}

#[cfg(test)]
mod tests;
