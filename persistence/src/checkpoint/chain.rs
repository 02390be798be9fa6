//! A chain of open files, read as if it were one: each key once, as it is newest.

use std::collections::HashSet;

use super::file::OpenFile;
use super::format::Place;
use super::{Info, Mark, Take};
use crate::error::Error;
use crate::record::Partition;

/// A chain that can be loaded. It keeps its files open, so that it stays readable when they are removed.
#[derive(Debug)]
pub struct Checkpoint {
    /// Oldest first; the first is whole.
    files: Vec<OpenFile>,
    /// As many as `files`: the blocks of each partition, in the order in which they were put.
    places: Vec<Vec<Vec<Place>>>,
    infos: Vec<Info>,
    partitions: u16,
}

/// Takes the newest value of a key, with the file that it is from.
pub(super) type TakeNewest<'t> = dyn FnMut(&OpenFile, &[u8], &[u8]) -> Result<(), Error> + 't;

impl Checkpoint {
    /// The chain of these files, oldest first, of which there is at least one.
    pub(super) fn new(files: Vec<OpenFile>, partitions: u16) -> Result<Checkpoint, Error> {
        let mut places = Vec::with_capacity(files.len());
        for file in &files {
            let mut of_partition = vec![Vec::new(); usize::from(partitions)];
            for place in file.places()? {
                of_partition[usize::from(place.partition.0)].push(place);
            }
            places.push(of_partition);
        }
        let infos = files.iter().map(|file| file.info().clone()).collect();
        Ok(Checkpoint { files, places, infos, partitions })
    }

    /// What it reflects.
    pub fn mark(&self) -> &Mark {
        &self.newest().mark
    }

    /// The number of its newest file, by which it is named.
    pub fn number(&self) -> u64 {
        self.newest().number
    }

    /// Its files, oldest first.
    pub fn files(&self) -> &[Info] {
        &self.infos
    }

    /// Lends every entry of the partitions that are `wanted`, each key once and as it is newest. Partition by partition; of each, the
    /// files newest first, and of each file in the order in which entries were put. Several threads may each load some of the
    /// partitions at once.
    ///
    /// Remembers the keys of one partition's increments for as long as it is about that partition.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::DamagedCheckpoint`]; [`Error::Take`] with what `take` says.
    pub fn load(&self, wanted: &dyn Fn(Partition) -> bool, take: &mut Take<'_>) -> Result<(), Error> {
        for partition in (0..self.partitions).map(Partition).filter(|partition| wanted(*partition)) {
            self.walk(partition, &mut |file, key, value| {
                take(partition, key, value).map_err(|source| file.not_taken(partition, source))
            })?;
        }
        Ok(())
    }

    /// Lends every entry of one partition that is newest, with the file it lies in.
    pub(super) fn walk(&self, partition: Partition, take: &mut TakeNewest<'_>) -> Result<(), Error> {
        let mut seen: HashSet<Box<[u8]>> = HashSet::new();
        let mut buffer = Vec::new();
        for (at, (file, places)) in self.files.iter().zip(&self.places).enumerate().rev() {
            let is_oldest = at == 0;
            for place in &places[usize::from(partition.0)] {
                file.read_block(place, &mut buffer, &mut |key, value| {
                    if seen.contains(key) {
                        return Ok(());
                    }
                    if !is_oldest {
                        seen.insert(key.into());
                    }
                    value.map_or(Ok(()), |value| take(file, key, value))
                })?;
            }
        }
        Ok(())
    }

    pub(super) fn opened(&self) -> &[OpenFile] {
        &self.files
    }

    fn newest(&self) -> &Info {
        self.infos.last().expect("a chain has a file")
    }
}
