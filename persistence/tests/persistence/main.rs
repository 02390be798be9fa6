//! The crate from outside: what its users see, on a fake disk and on the real one.

mod checkpoint;
mod committer;
mod folder;
mod frame;
mod keepsake;
mod life;
mod memory_journal;
mod reader;
mod replay;
mod sled_journal;
mod support;
mod survey;
