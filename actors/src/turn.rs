//! One turn of one product: stamp, decide, apply, push to the journal, publish, seal.
//!
//! Everything a turn needs is on one thread; a turn never waits. The products of a shard, awake or asleep, all
//! change here and nowhere else.

mod entry;
mod many;
mod selling;
mod shared;

use std::cell::Cell;
use std::sync::Arc;

use holdfast_domain::price::rule::NAME_BYTES_MAX;
use holdfast_domain::product::{self, Command, Description, Event, NewProduct, Product, Refusal};
use holdfast_domain::{ProductId, Timestamp};
use holdfast_persistence::{Partition, Sequence, Ticket};

use crate::Position;
use crate::card::Card;
use crate::context::Context;
use crate::directory::SkuClaim;
use crate::image::touch;
use crate::keys::KeyGuard;
use crate::listing::Listing;
use crate::outcome::{
    Answered, Inventory, Outcome, ProductFacts, Purchased, Refused, StockChange, VariantFacts,
};
use crate::pending::Pending;
use crate::pricing::Pricing;
use crate::skus::SkuMoves;

use entry::Entry;

pub(crate) use entry::bought;
pub(crate) use selling::Sale;
pub(crate) use shared::{PartitionState, TurnContext};

/// How heavy the events of one record may be before a turn of many commands begins another, by [`weight`]: with one
/// more event on top, a record stays well below `RECORD_BYTES_MAX`.
const RECORD_WEIGHT_MAX: usize = 32 * 1024;

/// How many commands one message may carry, so that a turn pauses nobody.
pub(crate) const COMMANDS_MAX: usize = 256;

/// What a product is asked.
pub(crate) enum Wish {
    /// To be made. The skus are claimed, and become the product's own when it is made.
    Create { new: NewProduct, skus: SkuClaim },
    /// To change its description as `edit` says, applied to the newest one.
    Edit { version: Option<u32>, edit: Edit },
    /// Anything that the rules know a command for.
    Do(Command),
    /// The same, where the command depends on the newest state.
    Shape(Shape),
    /// Many of them, at most [`COMMANDS_MAX`], each with its own answer.
    Each(Vec<Command>),
    /// To be sold to many, at most [`COMMANDS_MAX`], each with its own answer as for `Each`, and without keys.
    Sell(Vec<Sale>),
    /// Many adjustments and counts, at most [`COMMANDS_MAX`]: all or none. A yes and a no look as for `Each`.
    All {
        commands: Vec<Command>,
        /// Say what would come of it, and change nothing.
        is_dry: bool,
    },
}

/// Makes a new description from the present one.
pub(crate) type Edit = Box<dyn FnOnce(&Description) -> Description + Send>;

/// Makes a command from the present product, or refuses.
pub(crate) type Shape = Box<dyn FnOnce(&Product) -> Result<Command, Refusal> + Send>;

impl Wish {
    /// Whether it may say in which categories the product is listed.
    const fn is_description(&self) -> bool {
        matches!(
            self,
            Self::Create { .. }
                | Self::Edit { .. }
                | Self::Shape { .. }
                | Self::Do(Command::Describe { .. } | Command::Replace(_))
        )
    }
}

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
    /// See [`crate::checkpoint::changes::Changes::touch_again`].
    pub(crate) noted_in: Cell<u64>,
}

impl Live {
    pub(crate) const fn new(id: ProductId, partition: Partition) -> Self {
        let (product, card, noted_in) = (None, None, Cell::new(0));
        Self { id, partition, product, last_sequence: Sequence(0), ticket: Ticket::ZERO, card, noted_in }
    }

    /// Answers one wish.
    pub(crate) fn turn(
        &mut self,
        shared: &TurnContext,
        wish: Wish,
        context: &Context,
        key: Option<KeyGuard>,
    ) -> Pending<Reply> {
        let wish = match wish {
            Wish::Each(commands) => return self.each(shared, &commands, context, key),
            Wish::Sell(sales) => return self.sell(shared, sales),
            Wish::All { commands, is_dry } => match self.refused_of_all(&commands) {
                None if !is_dry => return self.each(shared, &commands, context, key),
                refused => {
                    let mut answers = vec![Ok(Outcome::Done); commands.len()];
                    for (index, refusal) in refused.into_iter().flatten() {
                        answers[index] = Err(refusal);
                    }
                    return self.seal(shared, Ok(Outcome::Each(answers)), None);
                }
            },
            wish => wish,
        };
        let now = shared.clock.stamp_from(key.as_ref().map(KeyGuard::claimed_at).unwrap_or_default());
        // Held until the product is published: no category goes meanwhile that it is listed in.
        let listing = wish.is_description().then(|| shared.directory.hold_listing());
        let pricing = Self::pricing(&wish, shared, context, now);
        let (result, command) = self.decide(wish, listing.as_ref(), pricing.as_ref());
        let (events, refusal) = match result {
            Ok(events) => (events, None),
            Err(refusal) => (Vec::new(), Some(refusal)),
        };
        let skus = SkuMoves::of(self.product.as_ref(), &events);
        let (events, refusal, skus) = match skus.take(&shared.directory, self.id) {
            Ok(()) => (events, refusal, skus),
            Err(taken) => (Vec::new(), Some(taken.into()), SkuMoves::default()),
        };
        for event in &events {
            self.apply(shared, event, now);
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
        let rests_on = listing.map(|listing| listing.ticket()).unwrap_or_default();
        skus.give_back(&shared.directory, self.id, self.ticket);
        self.seal(shared, answered, position).resting_on(rests_on)
    }

    /// Answers many commands, each on its own, with as few records as they fit in; a key is settled in the last.
    fn each(
        &mut self,
        shared: &TurnContext,
        commands: &[Command],
        context: &Context,
        key: Option<KeyGuard>,
    ) -> Pending<Reply> {
        let now = shared.clock.stamp_from(key.as_ref().map(KeyGuard::claimed_at).unwrap_or_default());
        let begin = |live: &Self| {
            let position = shared.next_position(live.partition);
            Entry { context, events: Vec::new(), key: None, position, now }
        };
        let mut entry: Option<Entry<'_>> = None;
        let mut heavy = 0;
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            let decided = match &self.product {
                Some(product) => product.decide(command),
                None => Err(Refusal::UnknownProduct),
            };
            answers.push(decided.map(|events| {
                for event in &events {
                    self.apply(shared, event, now);
                }
                if events.is_empty() {
                    return Outcome::Done;
                }
                let entry = entry.get_or_insert_with(|| begin(self));
                let outcome = self.outcome(&events, Some(command), Some(entry.position), now);
                heavy += events.iter().map(weight).sum::<usize>();
                entry.events.extend(events);
                outcome
            }));
            if heavy > RECORD_WEIGHT_MAX {
                heavy = 0;
                entry.take().into_iter().for_each(|entry| self.record(shared, entry));
            }
        }
        let answered = Ok(Outcome::Each(answers));
        if let Some(key) = key {
            let entry = entry.get_or_insert_with(|| begin(self));
            entry.key = Some((key, &answered));
        }
        entry.into_iter().for_each(|entry| self.record(shared, entry));
        self.seal(shared, answered, None)
    }

    fn apply(&mut self, shared: &TurnContext, event: &Event, now: Timestamp) {
        if shared.partition(self.partition).changes.is_kept() {
            touch::product_event(self.product.as_ref(), self.id, event, |key| self.touch(shared, key));
        }
        product::apply(&mut self.product, event, now);
    }

    fn refused_of_all(&self, commands: &[Command]) -> Option<Vec<(usize, Refusal)>> {
        match &self.product {
            Some(product) => product.decide_all(commands).err(),
            None => Some((0..commands.len()).map(|index| (index, Refusal::UnknownProduct)).collect()),
        }
    }

    fn seal(&self, shared: &TurnContext, answered: Answered, position: Option<Position>) -> Pending<Reply> {
        let reply = Reply { answered, position, is_replayed: false };
        Pending::new(reply, self.ticket, shared.queue.gate().clone())
    }

    /// Asked in the turn itself: the rules of this moment make the price, not those of the request's arrival.
    fn pricing(wish: &Wish, shared: &TurnContext, context: &Context, now: Timestamp) -> Option<Pricing> {
        match wish {
            Wish::Do(Command::Purchase { .. }) => Pricing::of(&shared.directory, context.actor.owner(), now),
            _ => None,
        }
    }

    fn decide(
        &self,
        wish: Wish,
        listing: Option<&Listing<'_>>,
        pricing: Option<&Pricing>,
    ) -> (Result<Vec<Event>, Refused>, Option<Command>) {
        let check = |listed: &Description| listing.map_or(Ok(()), |it| it.check(&listed.category_ids));
        let command = match (wish, &self.product) {
            (Wish::Create { new, skus }, None) => {
                let mut decided = product::decide_create(&new).map_err(Refused::from);
                if let (Ok(_), Err(refusal)) = (&decided, check(&new.description)) {
                    decided = Err(refusal.into());
                }
                if decided.is_ok() {
                    skus.keep();
                }
                return (decided, None);
            }
            (Wish::Create { .. }, Some(_)) => return (Err(Refusal::InvalidState.into()), None),
            (_, None) => return (Err(Refusal::UnknownProduct.into()), None),
            (Wish::Edit { version, edit }, Some(product)) => {
                Command::Describe { description: Arc::new(edit(product.description())), version }
            }
            (Wish::Do(command), Some(_)) => command,
            (Wish::Shape(shape), Some(product)) => match shape(product) {
                Ok(command) => command,
                Err(refusal) => return (Err(refusal.into()), None),
            },
            (Wish::Each(_) | Wish::Sell(_) | Wish::All { .. }, Some(_)) => {
                unreachable!("many commands have a turn of their own")
            }
        };
        let product = self.product.as_ref().expect("an absent product was answered above");
        let occasion = pricing.map(Pricing::occasion);
        let mut decided = product.decide_at(&command, occasion.as_ref()).map_err(Refused::from);
        let described = match &command {
            Command::Describe { description, .. } => Some(description),
            Command::Replace(replacement) => Some(&replacement.description),
            _ => None,
        };
        if let (Ok(_), Some(description)) = (&decided, described)
            && let Err(refusal) = check(description)
        {
            decided = Err(refusal.into());
        }
        (decided, Some(command))
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
            (_, None) => Outcome::Product(Box::new(facts(self.id, product))),
            (_, Some(command)) if command.is_of_catalogue() => {
                Outcome::Product(Box::new(facts(self.id, product)))
            }
            _ => Outcome::Done,
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

/// About how many bytes an event takes, from above.
fn weight(event: &Event) -> usize {
    let lines = |count: usize| 64 + count * 8;
    match event {
        Event::Adjusted { reference, note, .. } => {
            let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
            64 + length(reference) + length(note)
        }
        Event::Reserved { lines: held, .. }
        | Event::Extended { lines: held, .. }
        | Event::Confirmed { lines: held, .. }
        | Event::Released { lines: held, .. }
        | Event::Expired { lines: held, .. }
        | Event::Fulfilled { lines: held, .. }
        | Event::Canceled { lines: held, .. } => lines(held.len()),
        Event::Reheld { before, lines: held, .. } => lines(before.len() + held.len()),
        Event::Counted { .. }
        | Event::Deleted
        | Event::Purchased { rules: None, .. }
        | Event::VariantRemoved { .. } => 64,
        Event::Purchased { rules: Some(steps), .. } => 64 + steps.len() * (64 + NAME_BYTES_MAX),
        Event::Created { .. }
        | Event::Described { .. }
        | Event::VariantAdded { .. }
        | Event::VariantDescribed { .. } => RECORD_WEIGHT_MAX,
    }
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
        variants: product.live_variants().map(|(_, it)| variant(it)).collect(),
        version: product.version(),
        created_at: product.created_at(),
        updated_at: product.updated_at(),
    }
}
