//! `holdfast serve` where it sends mails by itself: its sessions with the mail server, and its end.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::{Folder, Server};
use crate::shop::Shop;
use crate::smtp::{Misdeed, SmtpServer, Stage, Way};

/// What orchestrators give before they kill.
const STOP_WAIT_MAX: Duration = Duration::from_secs(10);

fn serve(folder: &Folder, smtp_url: &str, more: &[(&str, &str)]) -> Server {
    let mut serve = folder.serve();
    serve.env("SMTP_URL", smtp_url).env("HOLDFAST_MAIL_RETRY_FIRST_MS", "1").envs(more.iter().copied());
    Server::start(serve)
}

async fn register(server: &Server, email: &str) {
    let body = json!({ "email": email, "password": "correct horse battery" });
    Shop::of(server).client.post("/auth/register", &body).send().await.expect(201);
}

#[tokio::test]
async fn server_logs_in_over_an_encrypted_session_and_keeps_it() {
    for (way, mechanism) in [(Way::StartTls, "PLAIN"), (Way::Tls, "LOGIN")] {
        let smtp = SmtpServer::start_with_login(way, "me@shop", "p/s+ö:", mechanism);
        let folder = Folder::new();
        let file = folder.parent().join("authority.pem");
        fs::write(&file, smtp.authority()).unwrap();
        let authority = [("HOLDFAST_SMTP_CA_FILE", file.to_str().unwrap())];
        let server = serve(&folder, &smtp.url("me%40shop:p%2Fs+%C3%B6%3A@"), &authority);
        for (at, name) in ["ada", "bob"].into_iter().enumerate() {
            register(&server, &format!("{name}@example.test")).await;
            let taken = &smtp.wait_taken(at + 1)[at];
            assert_eq!(taken.to, [format!("{name}@example.test")]);
            assert_eq!((taken.user.as_deref(), taken.is_encrypted), (Some("me@shop"), true), "{way:?}");
            // Parked by then: the next mail finds the session.
            server.wait_for_stderr("mail sent");
        }
        let figures = Shop::of(&server).client.ask_root("GET", "/metrics").send().await.expect(200).text;
        assert!(figures.contains("# HELP holdfast_mail_sent_total "), "{figures}");
        let said = server.terminate().expect_code(0).stderr;
        for secret in ["p/s+", "p%2Fs", "ada@example.test"] {
            assert!(!said.contains(secret), "{secret} is in the log:\n{said}");
        }
        assert_eq!((smtp.taken().len(), smtp.connections()), (2, 1), "{way:?}");
    }
}

#[tokio::test]
async fn server_ends_in_time_beside_a_mail_server_that_hangs_and_sends_at_its_next_start() {
    let smtp = SmtpServer::start(Way::Plain);
    smtp.tell(Stage::RcptTo, Misdeed::Hang, 1);
    let folder = Folder::new();
    let server = serve(&folder, &smtp.url(""), &[]);
    register(&server, "ada@example.test").await;
    smtp.wait_hanging(1);
    let began = Instant::now();
    server.terminate().expect_code(0);
    // The exit code says it; this is for whoever changes what is beyond the time-out.
    assert!(began.elapsed() < STOP_WAIT_MAX + Duration::from_secs(5), "{:?}", began.elapsed());
    let server = serve(&folder, &smtp.url(""), &[]);
    assert_eq!(smtp.wait_taken(1)[0].to, ["ada@example.test"]);
    server.terminate().expect_code(0);
    assert_eq!(smtp.taken().len(), 1);
}
