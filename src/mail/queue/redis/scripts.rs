//! The Lua scripts of the queue. Each is the common part and its own; Redis keeps them by their hash.

use ::redis::ScriptInvocation;

/// The keys that every script is given, in the order in which `common.lua` takes them.
pub(super) const KEYS: [&str; 6] = [
    "queue:emails",
    "queue:emails:known",
    "queue:emails:delayed",
    "queue:emails:dead",
    "queue:emails:held",
    "queue:emails:sent",
];

/// A script of the queue.
#[derive(Debug)]
pub(super) struct Script(::redis::Script);

impl Script {
    /// A call of it that has its keys already.
    pub(super) fn call(&self) -> ScriptInvocation<'_> {
        let mut call = self.0.prepare_invoke();
        call.key(&KEYS);
        call
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) put: Script,
    pub(super) take: Script,
    pub(super) sent: Script,
    pub(super) fail: Script,
    pub(super) forget: Script,
    pub(super) retry: Script,
    pub(super) dead: Script,
    pub(super) stat: Script,
    pub(super) tidy: Script,
}

macro_rules! script {
    ($file:literal) => {
        Script(::redis::Script::new(concat!(include_str!("common.lua"), include_str!($file))))
    };
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            put: script!("put.lua"),
            take: script!("take.lua"),
            sent: script!("sent.lua"),
            fail: script!("fail.lua"),
            forget: script!("forget.lua"),
            retry: script!("retry.lua"),
            dead: script!("dead.lua"),
            stat: script!("stat.lua"),
            tidy: script!("tidy.lua"),
        }
    }
}
