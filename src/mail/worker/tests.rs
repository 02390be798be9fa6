//! The worker with the queue on disk, as the server runs it. With Redis and a mail server it is tested from outside.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::*;
use crate::config::{self, Inputs};
use crate::mail::queue::disk::DiskQueue;
use crate::mail::{Kind, Mail};

const WAIT_MAX: Duration = Duration::from_secs(60);

fn mail(number: usize) -> Mail {
    Mail {
        id: format!("usr_{number}.welcome"),
        kind: Kind::Welcome,
        to: format!("ada{number}@example.org"),
        name: None,
        at_ms: 1_795_262_400_000,
        order: None,
    }
}

fn settings(folder: &std::path::Path) -> Settings {
    let flags = BTreeMap::from([("data_dir", folder.to_str().unwrap().to_owned())]);
    config::load(&Inputs { flags, ..Inputs::default() }).unwrap().settings
}

#[tokio::test]
async fn mails_of_the_queue_on_disk_become_files_and_are_told() {
    let parent = tempfile::tempdir().unwrap();
    let folder = holdfast_actors::persistence::Folder::open(parent.path()).unwrap();
    let settings = settings(parent.path());
    let options = Options::of(&settings);
    let queue = DiskQueue::open(&folder, options.claim_after).unwrap();
    let mails: Vec<_> = (0..20).map(mail).collect();
    queue.put(&mails).await.unwrap();
    // One that can never be sent: it is dead, and nobody waits for it.
    queue.put(&[Mail { to: "nobody".to_owned(), ..mail(99) }]).await.unwrap();

    let (stop, stopped) = oneshot::channel::<()>();
    let working = run(queue.clone(), Desk::open(&settings).unwrap(), options, async {
        let _stopped_or_dropped = stopped.await;
    });
    let watching = async {
        let mut sent = HashSet::new();
        let mut is_dead = false;
        while sent.len() < mails.len() || !is_dead {
            sent.extend(queue.sent_ids(100, Duration::from_millis(100)).await.unwrap());
            is_dead = queue.stat().await.unwrap().dead == 1;
        }
        stop.send(()).unwrap();
        sent
    };
    let (sent, ()) = timeout(WAIT_MAX, async { tokio::join!(watching, working) }).await.unwrap();
    assert_eq!(sent, mails.iter().map(|mail| mail.id.clone()).collect());
    assert_eq!(queue.dead(10).await.unwrap()[0].why, "its address is none");
    assert_eq!(std::fs::read_dir(parent.path().join("outbox")).unwrap().count(), mails.len());
}
