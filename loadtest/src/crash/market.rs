//! Market: every purchase attempted in a crash run, with what became of it, and the books of each product.
//!
//! Knows keys and outcomes, nothing of sockets and processes. Filled by `buyers`, read by `crash`.

use std::time::Instant;

use crate::auditor::{self, Books, Outcome, Refusal, Sale, Span};
use crate::engine::Answer;
use crate::findings::{Findings, Invariant};
use crate::numbers::{self, Chance};
use crate::shop::Product;
use crate::wire::{Request, Style};

/// Everything that was asked since the first round. A ticket is an index into the attempts, and the
/// number of the buyer's session and key.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) products: Vec<Product>,
    /// One for each product, in the same order.
    pub(crate) books: Vec<Books>,
    pub(crate) findings: Findings,
    attempts: Vec<Attempt>,
    tally: Tally,
    keyed: Request,
    plain: Request,
    style: Style,
    began_at: Instant,
    /// Attempts before this one belong to earlier rounds.
    round_start: usize,
}

/// Counts of all rounds so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) answers: u64,
    pub(crate) sold: u64,
    pub(crate) refused: u64,
    pub(crate) shed: u64,
}

/// One purchase somebody wanted.
#[derive(Debug)]
struct Attempt {
    product: usize,
    quantity: u32,
    is_keyed: bool,
    first_sent_at: Instant,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Sent, and not answered so far.
    Open,
    Sold {
        order_id: String,
        available: u32,
    },
    Refused,
    /// Answered with 429, 503 or nonsense, or not at all: over, and not to be asked again.
    Over,
}

impl Market {
    pub(crate) fn new(style: &Style) -> Self {
        Self {
            products: Vec::new(),
            books: Vec::new(),
            findings: Findings::default(),
            attempts: Vec::new(),
            tally: Tally::default(),
            keyed: Request::purchase(style, "", true),
            plain: Request::purchase(style, "", false),
            style: style.clone(),
            began_at: Instant::now(),
            round_start: 0,
        }
    }

    /// Adds a product to buy.
    pub(crate) fn offer(&mut self, product: Product) {
        if self.products.is_empty() {
            self.keyed = Request::purchase(&self.style, &product.id, true);
            self.plain = Request::purchase(&self.style, &product.id, false);
        }
        self.books.push(Books::new(product.stock));
        self.products.push(product);
    }

    pub(crate) fn template(&self) -> &Request {
        &self.plain
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Attempts of this round so far.
    pub(crate) fn round_attempts(&self) -> usize {
        self.attempts.len() - self.round_start
    }

    /// Opens an attempt and returns its ticket.
    pub(crate) fn attempt(&mut self, product: usize, quantity: u32, is_keyed: bool, now: Instant) -> u64 {
        let ticket = numbers::count(self.attempts.len());
        self.attempts.push(Attempt { product, quantity, is_keyed, first_sent_at: now, state: State::Open });
        ticket
    }

    /// Writes the request of `ticket`: the same bytes each time it is asked.
    pub(crate) fn write(&self, ticket: u64, request: &mut Request) {
        let attempt = &self.attempts[index(ticket)];
        request.clone_from(if attempt.is_keyed { &self.keyed } else { &self.plain });
        request.set_product(&self.products[attempt.product].id);
        request.set_quantity(attempt.quantity);
        request.set_session(ticket);
        request.set_key(ticket);
    }

    /// True once a usable answer to `ticket` has come.
    pub(crate) fn is_answered(&self, ticket: u64) -> bool {
        matches!(self.attempts[index(ticket)].state, State::Sold { .. } | State::Refused)
    }

    /// Takes an answer; false when the server had no time and the question is still open.
    ///
    /// `is_repeat` says that an answer to the same key had arrived before this request was sent.
    pub(crate) fn hear(&mut self, ticket: u64, answer: &Answer<'_>, is_repeat: bool) -> bool {
        let attempt = &mut self.attempts[index(ticket)];
        let since_start = |at: Instant| numbers::nanos(at.saturating_duration_since(self.began_at));
        let span =
            Span { sent: since_start(attempt.first_sent_at), answered: since_start(answer.answered_at) };
        let books = &mut self.books[attempt.product];
        let outcome = auditor::read_answer(attempt.quantity, answer.status, answer.body);
        let is_marked = answer.is_replayed || !is_repeat || !matches!(outcome, Outcome::Sold { .. });
        self.findings.check(Invariant::ReplayIsMarked, is_marked, format_args!("key {ticket}"));
        self.tally.answers += 1;
        match (&attempt.state, outcome) {
            (_, Outcome::Shed) => {
                self.tally.shed += 1;
                return false;
            }
            (State::Open, Outcome::Sold { order_id, available }) => {
                self.tally.sold += 1;
                let quantity = attempt.quantity;
                books.sales.push(Sale { order_id: order_id.clone(), quantity, available, span });
                attempt.state = State::Sold { order_id, available };
            }
            (State::Open, Outcome::Refused { available }) => {
                self.tally.refused += 1;
                books.refusals.push(Refusal { available, span });
                attempt.state = State::Refused;
            }
            (State::Open, Outcome::Wrong { invariant, detail }) => {
                books.unknown.push(attempt.quantity);
                attempt.state = State::Over;
                self.findings.add(invariant, detail);
            }
            (State::Sold { order_id, available }, Outcome::Sold { order_id: id, available: left })
                if *order_id == id && *available == left => {}
            // A refusal changes nothing, so a later one may tell a later figure.
            (State::Refused, Outcome::Refused { .. }) => {}
            (first, other) => self.findings.add(
                Invariant::OneKeyOneOutcome,
                format_args!("key {ticket}: first {first:?}, then {other:?}"),
            ),
        }
        true
    }

    /// Gives `ticket` up: its effect stays unknown for ever.
    pub(crate) fn give_up(&mut self, ticket: u64) {
        let attempt = &mut self.attempts[index(ticket)];
        if attempt.state == State::Open {
            self.books[attempt.product].unknown.push(attempt.quantity);
            attempt.state = State::Over;
        }
    }

    /// Marks `ticket` as shed: nothing happened, nobody asks again.
    pub(crate) fn drop_shed(&mut self, ticket: u64) {
        self.attempts[index(ticket)].state = State::Over;
    }

    /// Ends a round after the kill: gives up what is open without a key, and returns how many these were and the
    /// tickets that are open with one.
    pub(crate) fn close_round(&mut self) -> (usize, Vec<u64>) {
        let open = (self.round_start..self.attempts.len())
            .filter(|at| self.attempts[*at].state == State::Open)
            .map(numbers::count);
        let (keyed, plain): (Vec<u64>, Vec<u64>) =
            open.partition(|ticket| self.attempts[index(*ticket)].is_keyed);
        for ticket in &plain {
            self.give_up(*ticket);
        }
        self.round_start = self.attempts.len();
        (plain.len(), keyed)
    }

    /// Up to `wanted` keyed tickets of all rounds that were answered.
    pub(crate) fn choose_replays(&self, wanted: usize, chance: &mut Chance) -> Vec<u64> {
        if self.attempts.is_empty() {
            return Vec::new();
        }
        // Half of the attempts are keyed and most are answered: four draws for each wanted are enough.
        let drawn = (0..wanted * 4).map(|_| numbers::count(chance.index(self.attempts.len())));
        let is_fit = |ticket: &u64| self.attempts[index(*ticket)].is_keyed && self.is_answered(*ticket);
        drawn.filter(is_fit).take(wanted).collect()
    }

    /// Lost requests of all products that are on the server's books.
    pub(crate) fn unknown_booked(&self) -> u64 {
        self.books.iter().map(|books| numbers::count(books.unknown_found())).sum()
    }
}

fn index(ticket: u64) -> usize {
    usize::try_from(ticket).expect("a ticket is an index into the attempts")
}

#[cfg(test)]
mod tests;
