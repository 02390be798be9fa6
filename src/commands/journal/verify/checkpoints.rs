//! The checkpoints of a folder, read to their ends: which of them a recovery can begin with, and what is wrong with the others.
//!
//! Changes nothing. A start passes over those that are damaged, and so does whoever copies or repairs a folder.

use std::fs::File;
use std::io;

use anyhow::anyhow;
use holdfast_actors::persistence::checkpoint::Info;
use holdfast_actors::persistence::{Checkpoints, Error};

use crate::cli::{Exit, Failure};
use crate::http::connection::raise_file_limit_by;

/// All checkpoints, oldest first.
#[derive(Default)]
pub(crate) struct Sorted {
    /// Those that are sound with all that they build on, held open: they can be read when they are trimmed meanwhile.
    pub(crate) sound: Vec<(Info, File)>,
    /// The numbers of the others, and what is wrong with each or with what it builds on.
    pub(crate) unsound: Vec<(u64, Error)>,
}

/// A checkpoint with the files that it builds on, itself the last, and its own file.
type Found = Result<(Vec<Info>, File), Error>;

impl Sorted {
    /// Reads every file to its end. Others may be made and trimmed meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: what cannot be read is not known to be damaged.
    pub(crate) fn of(files: &Checkpoints) -> Result<Self, Error> {
        let mut sorted = Self::default();
        let count = files.numbers()?.len();
        raise_file_limit_by(u64::try_from(count).expect("a length fits 64 bits"));
        for (number, found) in all(files)? {
            match found.and_then(|found| sorted.check(files, found)) {
                Ok(sound) => sorted.sound.push(sound),
                Err(error) if error.is_of_checkpoint() => sorted.unsound.push((number, error)),
                Err(error) => return Err(error),
            }
        }
        Ok(sorted)
    }

    /// Reads what was not found sound before.
    fn check(&self, files: &Checkpoints, (chain, file): (Vec<Info>, File)) -> Result<(Info, File), Error> {
        let is_known = |info: &&Info| self.sound.iter().any(|(sound, _)| sound.number == info.number);
        for info in chain.iter().filter(|info| !is_known(info)) {
            match files.check(info) {
                // Trimmed meanwhile: whoever takes it from the open file checks it as well.
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                checked => checked?,
            }
        }
        Ok((chain.last().cloned().expect("a chain has a file"), file))
    }

    /// One sentence for each that is not sound, with its path, and whether it can go.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let newest = self.sound.last().map(|(info, _)| info.number);
        let complaint = |(number, error): &(u64, Error)| {
            let advice = newest.filter(|newest| newest > number).map(|newest| {
                format!("; checkpoint {newest} is newer and sound: checkpoint {number} may be moved away")
            });
            format!("checkpoint {number} is of no use: {error}{}", advice.unwrap_or_default())
        };
        self.unsound.iter().map(complaint).collect()
    }

    /// What to say where each of them has to be sound.
    ///
    /// # Errors
    ///
    /// [`Exit::VerificationFailed`] when one is not.
    pub(crate) fn must_be_sound(&self) -> Result<(), Failure> {
        if self.unsound.is_empty() { Ok(()) } else { Err(self.failure()) }
    }

    /// That they are not sound.
    pub(crate) fn failure(&self) -> Failure {
        Failure::new(Exit::VerificationFailed, anyhow!(self.complaints().join("\n")))
    }
}

/// Opens all of them. Where one was trimmed meanwhile, what replaced it would be missing as well: looks again, and each round needs
/// such a one.
fn all(files: &Checkpoints) -> Result<Vec<(u64, Found)>, Error> {
    loop {
        let mut all = Vec::new();
        let mut is_gone = false;
        for number in files.numbers()? {
            let found = opened(files, number);
            is_gone |= found.is_err() && !files.numbers()?.contains(&number);
            all.push((number, found));
        }
        if !is_gone {
            return Ok(all);
        }
    }
}

fn opened(files: &Checkpoints, number: u64) -> Found {
    let chain = files.chain(number)?.files().to_vec();
    let path = &chain.last().expect("a chain has a file").path;
    let failed = |source| Error::Io { doing: "open checkpoint", path: path.clone(), source };
    let file = File::open(path).map_err(failed)?;
    Ok((chain, file))
}
