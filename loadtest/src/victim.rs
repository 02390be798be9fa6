//! Victim: a server that is killed under load and started again on what it left behind.
//!
//! SIGKILL, never a polite end; the same folder and the same port afterwards; now and then once more while it recovers.
//! Called by `crash` and `checkout`.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};

use crate::guard;
use crate::numbers::Chance;
use crate::sale::Target;
use crate::server::{self, Server, ServerPlan};

/// In so many per cent of the restarts the server is killed once more before it is ready.
const RECOVERY_KILL_PERCENT: u64 = 30;
const RECOVERY_KILL_US_MAX: u64 = 60_000;
const RECOVERY_KILLS_MAX: u32 = 3;
/// Below the range that the kernel gives to outgoing connections: while the server is down, no client's
/// own port can take its place.
const PORTS: std::ops::Range<u64> = 20_000..30_000;
const PORT_TRIES: usize = 100;

/// Whatever can be killed and comes back.
pub(crate) trait Victim {
    /// Kills it.
    ///
    /// # Errors
    ///
    /// When it had died by itself before.
    fn kill(&mut self) -> anyhow::Result<()>;

    /// Starts it again at the same address.
    ///
    /// # Errors
    ///
    /// When it does not come back.
    fn restart(&mut self, chance: &mut Chance) -> anyhow::Result<Restart>;
}

/// How it came back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restart {
    /// How often it was killed once more before it was ready.
    pub(crate) recovery_kills: u32,
    /// How long the last start took.
    pub(crate) ready_in: Duration,
}

/// A process of ours.
#[derive(Debug)]
pub(crate) struct Process<'a> {
    plan: &'a ServerPlan,
    server: Server,
}

impl<'a> Process<'a> {
    /// Starts it on a port that stays its own.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub(crate) fn start(plan: &'a ServerPlan, chance: &mut Chance) -> anyhow::Result<Self> {
        let server = plan.start(free_port(chance)?)?;
        Ok(Self { plan, server })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// It, as somebody to buy from.
    pub(crate) fn target(&self) -> Target {
        server::target(&self.server)
    }
}

impl Victim for Process<'_> {
    fn kill(&mut self) -> anyhow::Result<()> {
        let has_died = guard::exit_status(self.server.process);
        guard::kill(self.server.process);
        match has_died {
            Some(status) => bail!("the server ended by itself under load: {status}"),
            None => Ok(()),
        }
    }

    fn restart(&mut self, chance: &mut Chance) -> anyhow::Result<Restart> {
        let port = self.server.address.port();
        let mut recovery_kills = 0;
        while recovery_kills < RECOVERY_KILLS_MAX && chance.happens(RECOVERY_KILL_PERCENT) {
            let starting = self.plan.spawn(port)?;
            thread::sleep(Duration::from_micros(chance.between(0, RECOVERY_KILL_US_MAX)));
            starting.kill();
            recovery_kills += 1;
        }
        let started_at = Instant::now();
        self.server = self.plan.start(port)?;
        Ok(Restart { recovery_kills, ready_in: started_at.elapsed() })
    }
}

/// Runs `load` on a thread of its own and kills the victim `delay` after the load says so.
///
/// # Errors
///
/// When the load fails, or does not say so within `patience`, or the victim had died by itself.
pub(crate) fn kill_under_load(
    victim: &mut impl Victim,
    delay: Duration,
    patience: Duration,
    load: impl FnOnce(Sender<()>) -> anyhow::Result<()> + Send,
) -> anyhow::Result<()> {
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let load = scope.spawn(move || load(sender));
        let is_reached = receiver.recv_timeout(patience).is_ok();
        thread::sleep(delay);
        let killed = victim.kill();
        load.join().map_err(|_| anyhow!("the buyers' thread panicked"))??;
        killed?;
        ensure!(is_reached, "the server did not give enough answers within {} s", patience.as_secs());
        Ok(())
    })
}

fn free_port(chance: &mut Chance) -> anyhow::Result<u16> {
    for _ in 0..PORT_TRIES {
        let port = u16::try_from(chance.between(PORTS.start, PORTS.end)).context("a port")?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", PORTS.start, PORTS.end)
}
