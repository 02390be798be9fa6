//! A way to a port of this machine that a test closes and opens: what is on the other side stays as it is.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

/// The way. Ends with the process.
pub(crate) struct Gate {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// None while it is closed.
    streams: Mutex<Option<Vec<TcpStream>>>,
    refused: AtomicUsize,
}

impl Gate {
    /// One that is open.
    pub(crate) fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared { streams: Mutex::new(Some(Vec::new())), ..Shared::default() });
        let gate = Self { port, shared: Arc::clone(&shared) };
        spawn(move || {
            for stream in listener.incoming() {
                shared.pass(stream.expect("a connection comes"), target);
            }
        });
        gate
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many were turned away so far.
    pub(crate) fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// Lets nobody through any more, and cuts off whoever is.
    pub(crate) fn close(&self) {
        let streams = self.shared.streams.lock().expect("nothing panics while it holds this").take();
        for stream in streams.into_iter().flatten() {
            let _is_gone_already = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn open(&self) {
        *self.shared.streams.lock().expect("nothing panics while it holds this") = Some(Vec::new());
    }
}

impl Shared {
    fn pass(&self, near: TcpStream, target: u16) {
        let mut streams = self.streams.lock().expect("nothing panics while it holds this");
        let far = TcpStream::connect(("127.0.0.1", target));
        let (Some(streams), Ok(far)) = (streams.as_mut(), far) else {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return;
        };
        let copy = |stream: &TcpStream| stream.try_clone().expect("there are file handles");
        streams.extend([copy(&near), copy(&far)]);
        for (mut from, mut to) in [(copy(&near), copy(&far)), (far, near)] {
            spawn(move || {
                let _how_it_ended = std::io::copy(&mut from, &mut to);
                let _is_gone_already = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            });
        }
    }
}
