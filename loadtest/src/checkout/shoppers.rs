//! Shoppers: all customers of a run, as a script for the engine.
//!
//! Whoever is ready asks next; whoever lost an answer asks again with the same key and the same bytes; some ask once
//! more although they know the answer. A request without a key whose answer is lost is over, and so is its customer's
//! visit. Owns the claims and everything else that outlives a kill of the server. Called by `checkout`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::mpsc::Sender as Trigger;
use std::time::Instant;

use crate::claims::Claims;
use crate::engine::{AfterLoss, Answer, Loss, Script};
use crate::findings::{Findings, Invariant};
use crate::numbers::Chance;
use crate::wall_clock::{self, UnixMs};
use crate::wire::{Call, Request, Sender, Style};

use super::catalogue::Catalogue;
use super::customer::{Ask, By, Customer, Move, Surroundings};
use super::hear::{self, Notes};
use super::journey;
use super::keepsakes::{Keepsake, Keepsakes};
use super::reply::Reply;
use super::tally::Tally;
use super::timing::Timing;

/// Of the requests that change something, so many per cent carry a key.
const KEYED_PERCENT: u64 = 85;
/// Of all requests, so many per cent are asked once more by somebody who knows the answer.
const REPEAT_PERCENT: u64 = 2;
/// So many 429 and 503, and so many lost answers, are put up with in one run.
const SHED_MAX: u64 = 10_000;
const LOST_MAX: u64 = 20_000;

/// Everybody who shops.
#[derive(Debug)]
pub(super) struct Shoppers {
    pub(super) claims: Claims,
    pub(super) findings: Findings,
    pub(super) tally: Tally,
    pub(super) timing: Timing,
    pub(super) catalogue: Catalogue,
    style: Style,
    token: String,
    chance: Chance,
    /// Those inside, by number.
    customers: HashMap<u64, Customer>,
    ready: VecDeque<u64>,
    waiting: BinaryHeap<Reverse<(UnixMs, u64)>>,
    /// Who may still come.
    to_come: u64,
    flights: HashMap<u64, Flight>,
    /// Tickets of flights to be sent again.
    again: VecDeque<u64>,
    keepsakes: Keepsakes,
    ticket_next: u64,
    kill: Option<Kill>,
}

/// A request under way.
#[derive(Debug)]
struct Flight {
    request: Request,
    is_keyed: bool,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Asked by this customer.
    Asked(u64, Box<Ask>),
    /// Asked once more, to hear this again.
    Repeated(Box<Keepsake>),
}

/// Tells somebody, at a number of answers, that it is time to kill the server.
#[derive(Debug)]
struct Kill {
    answers_left: u64,
    trigger: Trigger<()>,
}

impl Shoppers {
    pub(super) fn new(catalogue: Catalogue, style: Style, token: String, chance: Chance) -> Self {
        Self {
            claims: Claims::default(),
            findings: Findings::default(),
            tally: Tally::default(),
            timing: Timing::new(),
            catalogue,
            style,
            token,
            chance,
            customers: HashMap::new(),
            ready: VecDeque::new(),
            waiting: BinaryHeap::new(),
            to_come: 0,
            flights: HashMap::new(),
            again: VecDeque::new(),
            keepsakes: Keepsakes::default(),
            ticket_next: 0,
            kill: None,
        }
    }

    /// A request to open connections with; it is never sent.
    pub(super) fn template(&self) -> Request {
        Request::product(&self.style, "")
    }

    /// Lets so many more customers in.
    pub(super) fn let_in(&mut self, customers: u64) {
        self.to_come = customers;
    }

    /// Sends on `trigger` when so many more answers have come.
    pub(super) fn kill_after(&mut self, answers: u64, trigger: Trigger<()>) {
        self.kill = Some(Kill { answers_left: answers, trigger });
    }

    /// After a kill: nobody new comes for now, and some of what was answered is asked once more.
    pub(super) fn recover(&mut self, repeats: usize) {
        self.kill = None;
        self.to_come = 0;
        for _ in 0..repeats {
            self.repeat();
        }
    }

    /// True when everybody has left and nothing is to be asked again.
    pub(super) fn is_over(&self) -> bool {
        self.to_come == 0 && self.customers.is_empty() && self.flights.is_empty()
    }

    /// What changes as long as anything happens: answers, losses, customers inside.
    pub(super) fn progress(&self) -> (u64, u64, usize) {
        (self.tally.answers, self.tally.lost, self.customers.len())
    }

    /// The moment of the next step, when nobody has one now.
    pub(super) fn wakes_at(&self) -> Option<UnixMs> {
        let is_busy = self.to_come > 0 || !self.ready.is_empty() || !self.again.is_empty();
        if is_busy { None } else { self.waiting.peek().map(|Reverse((until, _))| *until) }
    }

    /// Whoever has no answer by now will not get one.
    pub(super) fn finish(&mut self) {
        for (ticket, flight) in std::mem::take(&mut self.flights) {
            let What::Asked(_, ask) = &flight.what else { continue };
            self.findings.add(
                Invariant::OneKeyOneOutcome,
                format_args!("request {ticket}, {} {}, got no answer", ask.method, ask.path),
            );
            hear::give_up(ask, ticket, &mut self.claims);
        }
        self.again.clear();
    }

    /// The ticket of the next request that anybody wants to send.
    fn next_ticket(&mut self) -> Option<u64> {
        if let Some(ticket) = self.again.pop_front() {
            return Some(ticket);
        }
        if self.chance.happens(REPEAT_PERCENT) && self.repeat() {
            return self.again.pop_front();
        }
        let now = wall_clock::now();
        self.wake(now);
        loop {
            let number = match self.ready.pop_front() {
                Some(number) => number,
                None => self.greet()?,
            };
            let ticket = self.ticket_next;
            let mark = self.style.name(ticket);
            let customer = self.customers.get_mut(&number).expect("whoever is ready is inside");
            let mut around =
                Surroundings { catalogue: &self.catalogue, chance: &mut self.chance, now, mark: &mark };
            match customer.next_move(&mut around) {
                Move::Ask(ask) => return Some(self.take_off(number, ask)),
                Move::Wait(until) => self.waiting.push(Reverse((until, number))),
                Move::Leave => {
                    self.customers.remove(&number);
                }
            }
        }
    }

    /// Whose time has come is ready.
    fn wake(&mut self, now: UnixMs) {
        while let Some(Reverse((until, number))) = self.waiting.peek().copied()
            && until <= now
        {
            self.waiting.pop();
            self.ready.push_back(number);
        }
    }

    /// Lets the next customer in.
    fn greet(&mut self) -> Option<u64> {
        self.to_come = self.to_come.checked_sub(1)?;
        let number = self.tally.customers;
        self.tally.customers += 1;
        self.customers.insert(number, Customer::new(journey::draw(&mut self.chance)));
        Some(number)
    }

    /// Makes the request of `ask`, which keeps its bytes however often it is sent.
    fn take_off(&mut self, number: u64, ask: Ask) -> u64 {
        let ticket = self.ticket_next;
        self.ticket_next += 1;
        let is_keyed = !ask.is_read() && self.chance.happens(KEYED_PERCENT);
        let sender = match ask.sender {
            By::Guest => Sender::Guest(number),
            By::Admin => Sender::Bearer(&self.token),
        };
        let request = Request::of(
            &self.style,
            &Call {
                method: ask.method,
                path: &ask.path,
                sender,
                key: is_keyed.then_some(ticket),
                body: ask.body.as_ref(),
            },
        );
        self.flights.insert(ticket, Flight { request, is_keyed, what: What::Asked(number, Box::new(ask)) });
        ticket
    }

    /// Queues something that was answered before; false when there is nothing yet.
    fn repeat(&mut self) -> bool {
        let Some(keepsake) = self.keepsakes.choose(&mut self.chance) else { return false };
        let ticket = self.ticket_next;
        self.ticket_next += 1;
        let request = keepsake.request.clone();
        self.flights
            .insert(ticket, Flight { request, is_keyed: true, what: What::Repeated(Box::new(keepsake)) });
        self.again.push_back(ticket);
        self.tally.repeated += 1;
        true
    }

    /// Takes the answer to what a customer asked; false when it has to be asked again.
    fn hear(&mut self, ticket: u64, number: u64, ask: &Ask, answer: &Answer<'_>) -> bool {
        let customer = self.customers.get_mut(&number).expect("whoever asked is inside until the answer");
        let mut notes = Notes {
            claims: &mut self.claims,
            findings: &mut self.findings,
            tally: &mut self.tally,
            mark: ticket,
            now: wall_clock::now(),
        };
        let reply = Reply { status: answer.status, body: answer.body };
        if !hear::hear(customer, ask, reply, &mut notes) {
            return false;
        }
        self.timing.record(ask.step, answer.answered_at - answer.sent_at);
        self.ready.push_back(number);
        true
    }

    fn count_down(&mut self) {
        let Some(kill) = &mut self.kill else { return };
        kill.answers_left = kill.answers_left.saturating_sub(1);
        if kill.answers_left == 0 {
            // Sent again with each later answer; the killer listens to the first and is gone after the last.
            let _ = kill.trigger.send(());
        }
    }
}

impl Script for Shoppers {
    fn next(&mut self, request: &mut Request, _now: Instant) -> Option<u64> {
        if self.tally.shed >= SHED_MAX || self.tally.lost >= LOST_MAX {
            return None;
        }
        let ticket = self.next_ticket()?;
        request.clone_from(&self.flights[&ticket].request);
        Some(ticket)
    }

    fn answered(&mut self, ticket: u64, answer: &Answer<'_>) {
        self.tally.answers += 1;
        self.count_down();
        let flight = self.flights.remove(&ticket).expect("only what was sent is answered");
        let is_heard = match &flight.what {
            What::Asked(number, ask) => self.hear(ticket, *number, ask, answer),
            What::Repeated(keepsake) => keepsake.compare(answer, &mut self.findings),
        };
        if !is_heard {
            self.flights.insert(ticket, flight);
            self.again.push_back(ticket);
        } else if let (true, What::Asked(_, ask)) = (flight.is_keyed, &flight.what) {
            let what = format!("request {ticket}, {:?}, {} {}", ask.step, ask.method, ask.path);
            self.keepsakes.keep(Keepsake::new(what, flight.request, answer), &mut self.chance);
        }
    }

    fn lost(&mut self, ticket: u64, why: Loss) -> AfterLoss {
        self.tally.lost += 1;
        let flight = self.flights.remove(&ticket).expect("only what was sent is lost");
        if why == Loss::Malformed {
            self.findings.add(Invariant::AnswerIsExpected, format_args!("request {ticket}: not HTTP"));
        }
        match &flight.what {
            What::Asked(number, ask) if !flight.is_keyed && !ask.is_read() => {
                hear::give_up(ask, ticket, &mut self.claims);
                self.customers.remove(number);
            }
            what => {
                self.tally.asked_again += u64::from(matches!(what, What::Asked(..)));
                self.flights.insert(ticket, flight);
                self.again.push_front(ticket);
            }
        }
        AfterLoss::Reconnect
    }
}
