//! Reading a journal from a place on, in its order, while it is written and trimmed.
//!
//! Nothing is locked between two frames, and what is yielded is durable. A scan that has reached the end yields nothing and may be
//! asked again later: it goes on where it stopped.

use std::sync::Arc;

use crate::error::Error;
use crate::frame::{Frame, Records};
use crate::index::SharedIndex;
use crate::journal::{FrameBytes, StoredFrame};
use crate::place::Place;
use crate::record::{BatchNumber, OwnedRecord, Record};
use crate::replay::Damage;
use crate::sled_journal::SledStore;

/// Durable records from a place on.
#[derive(Debug)]
pub struct Scan {
    frames: Frames,
    /// The frame it is in, and where its next record begins within the bytes of its records.
    current: Option<(FrameBytes, usize)>,
    /// The place before the next record.
    place: Place,
}

/// Durable frames from a batch on, as they are stored; whoever takes one checks it.
#[derive(Debug)]
pub struct Frames {
    store: Arc<SledStore>,
    index: SharedIndex,
    next: BatchNumber,
}

impl Scan {
    pub(crate) fn new(store: Arc<SledStore>, index: SharedIndex, from: Place) -> Scan {
        let frames = Frames::new(store, index, from.batch);
        Scan { frames, current: None, place: from }
    }

    /// The place before the record that comes next: where another scan can go on.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Lends the next record with its place; nothing at the durable end, where more may come later.
    ///
    /// # Errors
    ///
    /// [`Error::Trimmed`] when the frame it would come from is gone, [`Error::Corrupt`] when it is damaged,
    /// [`Error::Store`] when the store cannot read.
    pub fn next_record(&mut self) -> Result<Option<(Place, Record<'_>)>, Error> {
        while !self.is_within_a_frame() {
            if self.current.take().is_some() {
                self.place = Place::before(self.place.batch.next());
            }
            if !self.enter_frame()? {
                return Ok(None);
            }
        }
        let (bytes, offset) = self.current.as_mut().expect("the loop ends within a frame");
        let mut records = Records::behind(bytes, *offset);
        let left = records.bytes_left();
        let record = records.next().expect("records of a checked frame are whole");
        *offset += left - records.bytes_left();
        let place = self.place;
        self.place = place.behind();
        Ok(Some((place, record)))
    }

    fn is_within_a_frame(&self) -> bool {
        self.current.as_ref().is_some_and(|(bytes, offset)| Records::behind(bytes, *offset).bytes_left() > 0)
    }

    /// Reads the frame of the place and passes the records before it; says no at the end.
    fn enter_frame(&mut self) -> Result<bool, Error> {
        self.frames.next = self.place.batch;
        let Some(stored) = self.frames.next_frame()? else { return Ok(false) };
        let damaged = |damage| Error::Corrupt { batch: stored.batch, what: Damage::Frame(damage) };
        let mut records = Frame::decode(&stored.bytes).map_err(damaged)?.records();
        let bytes = records.bytes_left();
        for _ in 0..self.place.record {
            records.next();
        }
        let offset = bytes - records.bytes_left();
        self.current = Some((stored.bytes, offset));
        Ok(true)
    }
}

impl Iterator for Scan {
    type Item = Result<(Place, OwnedRecord), Error>;

    fn next(&mut self) -> Option<Result<(Place, OwnedRecord), Error>> {
        let owned = |(place, record): (Place, Record<'_>)| (place, record.to_owned());
        self.next_record().map(|found| found.map(owned)).transpose()
    }
}

impl Frames {
    pub(crate) fn new(store: Arc<SledStore>, index: SharedIndex, next: BatchNumber) -> Frames {
        Frames { store, index, next }
    }

    /// The next frame; nothing at the durable end, where more may come later.
    ///
    /// # Errors
    ///
    /// [`Error::Trimmed`] when it is gone, [`Error::Corrupt`] when it is missing, [`Error::Store`] when the store cannot read.
    pub fn next_frame(&mut self) -> Result<Option<StoredFrame>, Error> {
        if self.next >= self.index.read().next_batch() {
            return Ok(None);
        }
        let batch = self.next;
        let bytes = self.store.frame_needed(batch, &self.index)?;
        self.next = batch.next();
        Ok(Some(StoredFrame { batch, bytes }))
    }
}

impl Iterator for Frames {
    type Item = Result<StoredFrame, Error>;

    fn next(&mut self) -> Option<Result<StoredFrame, Error>> {
        self.next_frame().transpose()
    }
}
