//! Where mails go: to a mail server, or into a folder where none is set.
//!
//! Knows nothing of queues and attempts; it says whether another attempt makes sense.

mod files;
mod server;
mod smtp;

use std::path::PathBuf;

use lettre::transport::smtp::client::Certificate;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;

use self::files::Outbox;
use self::smtp::Smtp;
use super::message::Letter;
use crate::config::Settings;

pub use self::server::MailServer;

/// The folder in the data folder that mails are written to where no mail server is set.
const OUTBOX: &str = "outbox";

/// Why a mail was not sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No attempt at this mail will do better.
    Permanent(String),
    /// Another one may.
    Passing(String),
}

/// Why there is no post.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The setting `smtp_url`.
    #[error("`smtp_url` {0}")]
    Url(String),
    /// The file that `smtp_ca_file` names.
    #[error("read the certificates in {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It has none, or what is there is none.
    #[error("{} has no certificate in PEM that could be trusted", .path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
    },
}

/// Sends mails. One thread drives it.
#[derive(Debug)]
pub struct Post {
    way: Way,
}

#[derive(Debug)]
enum Way {
    Server(Box<Smtp>),
    Folder(Outbox),
}

impl Post {
    /// What the settings say. Connects to nobody yet.
    ///
    /// # Errors
    ///
    /// [`Error`], which names the setting or file.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let Some(url) = &settings.smtp_url else {
            return Ok(Self { way: Way::Folder(Outbox::at(settings.data_dir.join(OUTBOX))) });
        };
        let server = MailServer::parse(url.expose_secret()).map_err(Error::Url)?;
        if server.sends_password_in_the_clear() {
            tracing::warn!("the mail server's password travels unencrypted: add ?tls=required to `smtp_url`");
        }
        let authority = settings.smtp_ca_file.clone().map(certificates).transpose()?;
        Ok(Self { way: Way::Server(Box::new(Smtp::to(server, authority).map_err(Error::Url)?)) })
    }

    /// Where mails go, for the log; without user and password.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.way {
            Way::Server(smtp) => smtp.describe(),
            Way::Folder(outbox) => outbox.describe(),
        }
    }

    /// Sends `letter`; once it returns, somebody else has it.
    ///
    /// Dropped before it returns, nobody knows whether they have.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub async fn send(&self, letter: &Letter) -> Result<(), Fault> {
        match &self.way {
            Way::Server(smtp) => smtp.send(letter).await,
            Way::Folder(outbox) => outbox.keep(letter).await,
        }
    }

    /// Takes leave of the mail server on connections that nobody used for a while. To be called every few seconds.
    pub fn tidy(&self) {
        if let Way::Server(smtp) = &self.way {
            smtp.tidy();
        }
    }

    /// Takes leave of the mail server.
    pub async fn close(&self) {
        if let Way::Server(smtp) = &self.way {
            smtp.close().await;
        }
    }
}

fn certificates(path: PathBuf) -> Result<Certificate, Error> {
    let pem = std::fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
    let is_any = CertificateDer::pem_slice_iter(&pem).next().is_some_and(|first| first.is_ok());
    // lettre takes a file without a certificate for one with none.
    let certificates = Certificate::from_pem(&pem).ok().filter(|_| is_any);
    certificates.ok_or(Error::Certificates { path })
}
