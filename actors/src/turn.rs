//! One turn of one product: stamp, expire what is due, decide, apply, push to the journal, publish, seal.
//!
//! Everything a turn needs is on one thread; a turn never waits. The products of a shard, awake or asleep, all
//! change here and nowhere else.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use holdfast_domain::product::{self, Command, Description, Event, NewProduct, Product, Refusal};
use holdfast_domain::{ProductId, Timestamp};
use holdfast_persistence::{Epoch, Partition, PushError, Queue, RecordHeader, Sequence, Ticket};

use crate::Position;
use crate::card::Card;
use crate::clock::LogClock;
use crate::context::Context;
use crate::deadlines::Deadlines;
use crate::directory::{Directory, SkuClaim};
use crate::keys::{Kept, KeyGuard};
use crate::outcome::{
    Answered, Inventory, Outcome, ProductFacts, Purchased, ReservationFacts, ReservationStatus, StockChange,
    VariantFacts,
};
use crate::pending::{self, Pending};
use crate::record::{self, Entity, Events, KeyedOutcome, Turn};

/// How many lines one record of expiries may have: they and 256 holds stay well below `RECORD_BYTES_MAX`.
const EXPIRE_LINES_MAX: usize = 8 * 1024;

/// What a product is asked.
pub(crate) enum Wish {
    /// To be made. The skus are claimed, and become the product's own when it is made.
    Create { new: NewProduct, skus: SkuClaim },
    /// To change its description as `edit` says, applied to the newest one.
    Edit { version: Option<u32>, edit: Edit },
    /// Anything that the rules know a command for.
    Do(Command),
}

/// Makes a new description from the present one.
pub(crate) type Edit = Box<dyn FnOnce(&Description) -> Description + Send>;

/// What comes back from a turn, before it is unsealed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Reply {
    /// Yes or no.
    pub answered: Answered,
    /// The place of the turn's record, where it left one.
    pub position: Option<Position>,
    /// Whether this is the first answer again.
    pub is_replayed: bool,
}

/// A product in memory, with what the shell knows of it.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) id: ProductId,
    pub(crate) partition: Partition,
    /// None before it is made and after it is deleted.
    pub(crate) product: Option<Product>,
    pub(crate) last_sequence: Sequence,
    /// Of its newest turn that changed anything.
    pub(crate) ticket: Ticket,
    pub(crate) card: Option<Arc<Card>>,
    /// Its entry among the shard's deadlines.
    pub(crate) armed: Option<Timestamp>,
}

/// What a turn leaves behind.
struct Entry<'a> {
    context: &'a Context,
    events: Vec<Event>,
    /// The key to settle, with its answer.
    key: Option<(KeyGuard, &'a Answered)>,
    position: Position,
    now: Timestamp,
}

/// What all turns of one shard share. Lives and dies on the shard's thread.
pub(crate) struct TurnContext {
    pub(crate) clock: LogClock,
    pub(crate) epoch: Epoch,
    pub(crate) queue: Queue,
    pub(crate) directory: Arc<Directory>,
    pub(crate) deadlines: Deadlines,
    /// The newest sequence of every partition; a shard moves its own only.
    pub(crate) sequences: Box<[Cell<Sequence>]>,
    pub(crate) scratch: RefCell<Vec<u8>>,
}

impl Live {
    pub(crate) const fn new(id: ProductId, partition: Partition) -> Self {
        Self {
            id,
            partition,
            product: None,
            last_sequence: Sequence(0),
            ticket: Ticket::ZERO,
            card: None,
            armed: None,
        }
    }

    /// Answers one wish.
    pub(crate) fn turn(
        &mut self,
        shared: &TurnContext,
        wish: Wish,
        context: &Context,
        key: Option<KeyGuard>,
    ) -> Pending<Reply> {
        let now = shared.clock.stamp_from(key.as_ref().map(KeyGuard::claimed_at).unwrap_or_default());
        self.expire(shared, now);
        let (result, command) = self.decide(wish, now);
        let (events, refusal) = match result {
            Ok(events) => (events, None),
            Err(refusal) => (Vec::new(), Some(refusal)),
        };
        for event in &events {
            product::apply(&mut self.product, event, now);
        }
        let leaves_record = !events.is_empty() || key.is_some();
        let position = leaves_record.then(|| shared.next_position(self.partition));
        let answered = match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(self.outcome(&events, command.as_ref(), position, now)),
        };
        if let Some(position) = position {
            let key = key.map(|key| (key, &answered));
            self.record(shared, Entry { context, events, key, position, now });
        }
        let reply = Reply { answered, position, is_replayed: false };
        Pending::new(reply, self.ticket, shared.queue.gate().clone())
    }

    /// Expires what is due; called by the timer.
    pub(crate) fn wake(&mut self, shared: &TurnContext) {
        // The timer took the entry out; whatever is next is entered anew.
        self.armed = None;
        let now = shared.clock.stamp();
        self.expire(shared, now);
        self.arm(shared);
    }

    fn expire(&mut self, shared: &TurnContext, now: Timestamp) {
        let Some(product) = &self.product else { return };
        if product.next_deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let events = fitting(product.decide_expire(now));
        for event in &events {
            product::apply(&mut self.product, event, now);
        }
        let position = shared.next_position(self.partition);
        self.record(shared, Entry { context: &Context::system(), events, key: None, position, now });
    }

    fn decide(&self, wish: Wish, now: Timestamp) -> (Result<Vec<Event>, Refusal>, Option<Command>) {
        let command = match (wish, &self.product) {
            (Wish::Create { new, skus }, None) => {
                let decided = product::decide_create(&new);
                if decided.is_ok() {
                    skus.keep();
                }
                return (decided, None);
            }
            (Wish::Create { .. }, Some(_)) => return (Err(Refusal::InvalidState), None),
            (_, None) => return (Err(Refusal::UnknownProduct), None),
            (Wish::Edit { version, edit }, Some(product)) => {
                Command::Describe { description: Arc::new(edit(product.description())), version }
            }
            (Wish::Do(command), Some(_)) => command,
        };
        let product = self.product.as_ref().expect("an absent product was answered above");
        (product.decide(&command, now), Some(command))
    }

    /// Pushes one record and publishes what it changed.
    fn record(&mut self, shared: &TurnContext, entry: Entry<'_>) {
        let Entry { context, events, key, position, now } = entry;
        let is_unlisted = events.iter().any(|event| matches!(event, Event::Deleted));
        let turn = Turn {
            request_id: context.request_id.clone(),
            actor: context.actor,
            entity: Entity::Product(self.id),
            previous: self.last_sequence.0,
            key: key
                .as_ref()
                .map(|(key, answered)| KeyedOutcome { key: key.request(), answered: (*answered).clone() }),
            events: Events::Product(events),
        };
        self.ticket = shared.push(position, now, &turn);
        self.last_sequence = position.sequence;
        match (&self.card, &self.product) {
            (Some(card), product) => {
                card.publish(product.as_ref(), self.ticket, self.last_sequence);
                if is_unlisted {
                    shared.directory.unlist(card);
                    // Should the same id be made again, it gets a card of its own.
                    self.card = None;
                }
            }
            (None, Some(product)) => {
                let card = Card::new(self.id, self.partition, product, self.ticket, self.last_sequence);
                let card = Arc::new(card);
                shared.directory.enter(Arc::clone(&card));
                self.card = Some(card);
            }
            (None, None) => {}
        }
        // After the card: whoever has the answer, even by a retry, also sees what it speaks of.
        if let Some((key, answered)) = key {
            key.settle(Kept { answered: answered.clone(), position, ticket: self.ticket }, now);
        }
        self.arm(shared);
    }

    /// Lets the shard's timer follow the product's next deadline.
    pub(crate) fn arm(&mut self, shared: &TurnContext) {
        let next = self.product.as_ref().and_then(Product::next_deadline);
        shared.deadlines.set(self.id, self.armed, next);
        self.armed = next;
    }

    /// What the answer says, from the state after the turn.
    fn outcome(
        &self,
        events: &[Event],
        command: Option<&Command>,
        position: Option<Position>,
        now: Timestamp,
    ) -> Outcome {
        let Some(product) = &self.product else { return Outcome::Deleted };
        match (events.first(), command) {
            (Some(Event::Purchased { order, line, unit_price, currency, .. }), _) => {
                let variant = &product.variants()[line.variant.index()];
                Outcome::Purchased(Purchased {
                    order: *order,
                    sku: variant.description.sku.clone(),
                    quantity: line.quantity,
                    unit_price: *unit_price,
                    currency: *currency,
                    available: variant.levels.available,
                })
            }
            (Some(event @ (Event::Adjusted { .. } | Event::Counted { .. })), Some(_)) => {
                let position = position.expect("a turn with events leaves a record");
                Outcome::StockChanged(self.stock_change(product, event, position, now))
            }
            (
                _,
                Some(
                    Command::Reserve { reservation, .. }
                    | Command::Extend { reservation, .. }
                    | Command::Confirm { reservation, .. }
                    | Command::Release { reservation },
                ),
            ) => Outcome::Reservation(reservation_facts(product, *reservation, events)),
            (
                _,
                Some(Command::Purchase { order, .. } | Command::Fulfil { order } | Command::Cancel { order }),
            ) => Outcome::OrderMoved(*order),
            _ => Outcome::Product(Box::new(facts(self.id, product))),
        }
    }

    fn stock_change(
        &self,
        product: &Product,
        event: &Event,
        position: Position,
        now: Timestamp,
    ) -> StockChange {
        let mut moved = None;
        event.movements(|movement| moved = Some(movement));
        let moved = moved.expect("an adjustment or a count is one movement");
        let variant = &product.variants()[moved.variant.index()];
        let (reference, note) = match event {
            Event::Adjusted { reference, note, .. } => (reference.clone(), note.clone()),
            _ => (None, None),
        };
        StockChange {
            inventory: Inventory {
                product: self.id,
                sku: variant.description.sku.clone(),
                levels: variant.levels,
                version: variant.version,
                updated_at: variant.updated_at,
            },
            kind: moved.kind,
            delta: moved.quantity,
            reason: moved.reason,
            reference,
            note,
            at: now,
            position,
        }
    }
}

impl TurnContext {
    /// The place of the next record of a partition.
    pub(crate) fn next_position(&self, partition: Partition) -> Position {
        let cell = &self.sequences[usize::from(partition.0)];
        let sequence = cell.get().next();
        cell.set(sequence);
        Position { partition, sequence }
    }

    /// Pushes one record to the journal's queue.
    pub(crate) fn push(&self, position: Position, now: Timestamp, turn: &Turn) -> Ticket {
        let mut buffer = self.scratch.take();
        buffer.clear();
        let buffer = record::encode(turn, buffer);
        let header = RecordHeader {
            partition: position.partition,
            epoch: self.epoch,
            sequence: position.sequence,
            time_ms: now.0,
        };
        let ticket = match self.queue.push(header, &buffer) {
            Ok(ticket) => ticket,
            // The process is about to stop, and nobody hears of this turn.
            Err(PushError::Failed | PushError::Closed) => pending::never(),
            Err(error @ (PushError::TooLarge { .. } | PushError::Full { .. })) => {
                panic!("admission bounds the queue and the rules bound a record: {error}")
            }
        };
        self.scratch.replace(buffer);
        ticket
    }
}

/// As many expiries, from the first on, as one record holds; the rest are due again at once.
fn fitting(mut expiries: Vec<Event>) -> Vec<Event> {
    let mut lines_count = 0;
    let mut fits = |event: &&Event| {
        let Event::Expired { lines, .. } = event else { unreachable!("only expiries are due") };
        lines_count += lines.len();
        lines_count <= EXPIRE_LINES_MAX
    };
    let count = expiries.iter().take_while(|event| fits(event)).count();
    expiries.truncate(count);
    expiries
}

fn reservation_facts(
    product: &Product,
    reservation: holdfast_domain::ReservationId,
    events: &[Event],
) -> ReservationFacts {
    use holdfast_domain::product::Closing;

    if let Some(hold) = product.reservation(reservation) {
        let status = ReservationStatus::Active { deadline: hold.deadline };
        return ReservationFacts { id: reservation, lines: hold.lines.clone(), status };
    }
    let lines = match events.first() {
        Some(
            Event::Confirmed { lines, .. } | Event::Released { lines, .. } | Event::Expired { lines, .. },
        ) => lines.clone(),
        _ => Vec::new(),
    };
    let status = match product.closing(reservation).expect("a hold that was answered with yes is known") {
        Closing::Confirmed { order } => ReservationStatus::Confirmed { order },
        Closing::Released => ReservationStatus::Released,
        Closing::Expired { .. } => ReservationStatus::Expired,
    };
    ReservationFacts { id: reservation, lines, status }
}

fn facts(id: ProductId, product: &Product) -> ProductFacts {
    let variant = |variant: &product::Variant| VariantFacts {
        description: Arc::clone(&variant.description),
        levels: variant.levels,
        version: variant.version,
        updated_at: variant.updated_at,
    };
    ProductFacts {
        id,
        description: Arc::clone(product.description()),
        is_simple: product.sku().is_some(),
        variants: product.variants().iter().map(variant).collect(),
        version: product.version(),
        created_at: product.created_at(),
        updated_at: product.updated_at(),
    }
}
