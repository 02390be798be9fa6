//! Hand: what one generator thread asks next, and what an answer to it says of products.
//!
//! A ticket is what was asked (its upper half) and of which product, list or batch (its lower half).

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;

use super::workload::{Batch, Deed, Mix, Workload};
use super::{ProductTally, Tally};
use crate::numbers;
use crate::shop::escape;
use crate::wire::Request;

/// Of a hundred requests of somebody who browses, so many are for pages of lists.
const PAGES_PERCENT: u32 = 30;
/// Nobody leafs further.
const LEAVES_MAX: u32 = 5;
const CURSORS_MAX: usize = 64;
/// The cursor stands at the end of a page, and is never longer.
const CURSOR_BYTES_MAX: usize = 1_024;
const CURSOR_MARK: &[u8] = b"\"next_cursor\":\"";
const SUCCEEDED_MARK: &[u8] = b"\"succeeded\":";
/// At the end of an answer to a batch, where its counts stand.
const COUNTS_BYTES_MAX: usize = 128;

#[derive(Debug)]
pub(super) struct Hand<'a> {
    workload: &'a Workload,
    chance: StdRng,
    next_buyer: u64,
    next_batch: usize,
    /// Pages that somebody may leaf on to.
    cursors: VecDeque<Leaf>,
    tally: Tally,
    /// How often all of a batch was reserved.
    whole_batches: Vec<u64>,
}

#[derive(Debug)]
struct Leaf {
    list: usize,
    leaves: u32,
    cursor: String,
}

/// The counted part of a batch's answer.
#[derive(Debug, Deserialize)]
struct BatchAnswer {
    results: Vec<BatchResult>,
}

#[derive(Debug, Deserialize)]
struct BatchResult {
    status: u16,
    #[serde(default)]
    code: String,
}

impl<'a> Hand<'a> {
    pub(super) fn new(workload: &'a Workload, seed: u64, first_buyer: u64) -> Self {
        let batches = if let Mix::Batches(batches) = &workload.mix { batches.len() } else { 0 };
        let tally = Tally { products: vec![ProductTally::default(); workload.product_ids.len()], unknown: 0 };
        Self {
            workload,
            chance: StdRng::seed_from_u64(seed),
            next_buyer: first_buyer,
            // Threads send different batches at a time.
            next_batch: usize::try_from(seed).unwrap_or(0),
            cursors: VecDeque::with_capacity(CURSORS_MAX),
            tally,
            whole_batches: vec![0; batches],
        }
    }

    /// Writes the next request and returns its ticket.
    pub(super) fn draw(&mut self, request: &mut Request) -> u64 {
        match &self.workload.mix {
            Mix::Purchases => self.purchase(request),
            Mix::Reads => self.read(request),
            Mix::Mixed { reads_per_purchase } => {
                // The product's place in the two differs, so the whole request is written anew.
                if self.chance.random_range(0..=*reads_per_purchase) == 0 {
                    request.copy_from(&self.workload.purchase);
                    self.purchase(request)
                } else {
                    request.copy_from(&self.workload.read);
                    self.read(request)
                }
            }
            Mix::Browse { paths, lists } => {
                if self.chance.random_range(0..100) < PAGES_PERCENT {
                    self.page(request, paths, lists)
                } else {
                    request.copy_from(&self.workload.read);
                    self.read(request)
                }
            }
            Mix::Batches(batches) => {
                self.next_batch += 1;
                let index = self.next_batch % batches.len();
                request.copy_from(&batches[index].request);
                ticket(Deed::Batch, index)
            }
        }
    }

    fn purchase(&mut self, request: &mut Request) -> u64 {
        let product = self.choose(request);
        self.next_buyer += 1;
        request.set_session(self.next_buyer);
        ticket(Deed::Purchase, product)
    }

    fn read(&mut self, request: &mut Request) -> u64 {
        ticket(Deed::Read, self.choose(request))
    }

    fn choose(&mut self, request: &mut Request) -> usize {
        let product = self.workload.chooser.draw(&mut self.chance);
        request.set_product(&self.workload.product_ids[product]);
        product
    }

    /// Leafs on where somebody has begun to, or begins with a list.
    fn page(&mut self, request: &mut Request, paths: &[String], lists: &[Request]) -> u64 {
        if let Some(leaf) = self.cursors.pop_front() {
            let path = format!("{}&cursor={}", paths[leaf.list], escape(&leaf.cursor));
            *request = Request::get(&self.workload.style, &path);
            return ticket(Deed::Page, leaf.list) | u64::from(leaf.leaves) << LEAVES_SHIFT;
        }
        let list = self.chance.random_range(0..lists.len());
        request.copy_from(&lists[list]);
        ticket(Deed::Page, list)
    }

    /// Takes note of an answer; returns how many operations succeeded.
    pub(super) fn learn(&mut self, ticket: u64, status: u16, is_short: bool, body: &[u8]) -> u64 {
        let is_success = (200..300).contains(&status);
        let (deed, index) = (deed_of(ticket), index_of(ticket));
        match deed {
            Deed::Read => {}
            Deed::Page if is_success => self.keep_cursor(index, leaves_of(ticket), body),
            Deed::Page => {}
            Deed::Purchase => {
                let product = &mut self.tally.products[index];
                if is_success {
                    product.taken += 1;
                } else if is_short {
                    product.refused += 1;
                } else if is_unclear(status) {
                    product.unknown += 1;
                    self.tally.unknown += 1;
                }
            }
            Deed::Batch => return self.learn_batch(index, status, body),
        }
        u64::from(is_success)
    }

    /// Takes note of a request that was sent and not answered.
    pub(super) fn learn_lost(&mut self, ticket: u64) {
        let index = index_of(ticket);
        match deed_of(ticket) {
            Deed::Purchase => self.tally.products[index].unknown += 1,
            Deed::Batch => self.add_to_batch(index, |product| product.unknown += 1),
            Deed::Read | Deed::Page => return,
        }
        self.tally.unknown += 1;
    }

    fn learn_batch(&mut self, index: usize, status: u16, body: &[u8]) -> u64 {
        let Some(batch) = self.batch(index) else { return 0 };
        if !(200..300).contains(&status) {
            if is_unclear(status) {
                self.learn_lost(ticket(Deed::Batch, index));
            }
            return 0;
        }
        let operations = numbers::count(batch.products.len());
        if succeeded(body) == Some(operations) {
            self.whole_batches[index] += 1;
            return operations;
        }
        // Some were refused: it takes a real look at which.
        let results = serde_json::from_slice::<BatchAnswer>(body).map(|answer| answer.results);
        let Some(results) = results.ok().filter(|results| results.len() == batch.products.len()) else {
            self.learn_lost(ticket(Deed::Batch, index));
            return 0;
        };
        let mut taken = 0;
        for (product, result) in batch.products.iter().zip(results) {
            let product = &mut self.tally.products[*product];
            if result.status == 201 {
                product.taken += 1;
                taken += 1;
            } else if result.code == "insufficient_stock" {
                product.refused += 1;
            } else if is_unclear(result.status) {
                product.unknown += 1;
            }
        }
        taken
    }

    fn batch(&self, index: usize) -> Option<&'a Batch> {
        if let Mix::Batches(batches) = &self.workload.mix { batches.get(index) } else { None }
    }

    fn add_to_batch(&mut self, index: usize, add: impl Fn(&mut ProductTally)) {
        for product in self.batch(index).into_iter().flat_map(|batch| &batch.products) {
            add(&mut self.tally.products[*product]);
        }
    }

    fn keep_cursor(&mut self, list: usize, leaves: u32, body: &[u8]) {
        if leaves >= LEAVES_MAX || self.cursors.len() >= CURSORS_MAX {
            return;
        }
        if let Some(cursor) = cursor_in(body) {
            self.cursors.push_back(Leaf { list, leaves: leaves + 1, cursor });
        }
    }

    /// What buyers know of products at the end.
    pub(super) fn into_tally(mut self) -> Tally {
        for (index, times) in std::mem::take(&mut self.whole_batches).into_iter().enumerate() {
            self.add_to_batch(index, |product| product.taken += times);
        }
        self.tally
    }
}

const LEAVES_SHIFT: u32 = 48;
const DEED_SHIFT: u32 = 32;
const INDEX_MASK: u64 = 0xffff_ffff;

fn ticket(deed: Deed, index: usize) -> u64 {
    numbers::count(deed.index()) << DEED_SHIFT | numbers::count(index)
}

pub(super) fn deed_of(ticket: u64) -> Deed {
    match ticket >> DEED_SHIFT & 0xff {
        0 => Deed::Purchase,
        1 => Deed::Read,
        2 => Deed::Page,
        _ => Deed::Batch,
    }
}

fn index_of(ticket: u64) -> usize {
    usize::try_from(ticket & INDEX_MASK).expect("made of an index")
}

fn leaves_of(ticket: u64) -> u32 {
    u32::try_from(ticket >> LEAVES_SHIFT).expect("made of a few bits")
}

/// Whether nobody knows what came of a request with this answer. 429 and 503 are refused before anything happens.
fn is_unclear(status: u16) -> bool {
    status < 400 || status >= 500 && status != 503
}

/// The cursor near the end of a page; none on the last one.
fn cursor_in(body: &[u8]) -> Option<String> {
    let end = &body[body.len().saturating_sub(CURSOR_BYTES_MAX)..];
    let at = end.windows(CURSOR_MARK.len()).rposition(|window| window == CURSOR_MARK)? + CURSOR_MARK.len();
    let length = end[at..].iter().position(|byte| *byte == b'"')?;
    Some(str::from_utf8(&end[at..at + length]).ok()?.to_owned())
}

/// The count near the end of a batch's answer.
fn succeeded(body: &[u8]) -> Option<u64> {
    let end = &body[body.len().saturating_sub(COUNTS_BYTES_MAX)..];
    let at = end.windows(SUCCEEDED_MARK.len()).rposition(|window| window == SUCCEEDED_MARK)?
        + SUCCEEDED_MARK.len();
    let length = end[at..].iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(0);
    str::from_utf8(&end[at..at + length]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
