//! Entries against the state that they are of: after every record of many histories, what changed was named before, and all of it
//! comes back as it was.

mod accounts;
mod golden;
mod histories;
mod loaded;
mod replica;
mod samples;
mod things;
