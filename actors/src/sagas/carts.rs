//! Changing a cart: units are taken before the cart says so and given back after, one change at a time.

use holdfast_domain::cart::{Cart, Event, LINES_MAX};
use holdfast_domain::hold::Ending;
use holdfast_domain::product::{Command, Line, Rehold, ReserveOn, Status, VariantNo};
use holdfast_domain::saga::{self, LineRefusal, Why};
use holdfast_domain::{CartId, Item, Millis, Owner, ProductId, Quantity, ReservationId};
use holdfast_persistence::Partition;

use super::{Entry, Facts, OwnerReply, Request, Sagas, only};
use crate::Position;
use crate::context::Context;
use crate::image::Key;
use crate::outcome::{CartFacts, Outcome};
use crate::record::{Entity, Events};

/// How long a cart holds units where the product does not say.
pub(crate) const TTL_DEFAULT: Millis = Millis::from_secs(15 * 60);

/// What shall become of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// So many more.
    Add(Quantity),
    /// So many.
    Set(Quantity),
    /// None.
    Remove,
}

impl Sagas {
    /// Changes one line of the owner's cart.
    pub(crate) async fn change_cart(
        &self,
        mut request: Request,
        owner: Owner,
        product: ProductId,
        variant: VariantNo,
        change: Change,
        version: Option<u32>,
    ) -> OwnerReply {
        let _lane = self.cart_lanes.enter(owner.buyer()).await;
        let (id, before) = self.cart_or_new(owner);
        if let Err(refusal) = check_version(&before, version) {
            return self.refuse_cart(&mut request, id, refusal);
        }
        let quantity = match sum(&before, product, variant, change) {
            Ok(Some(quantity)) => quantity,
            Ok(None) => return self.remove_line(request, id, &before, product, variant).await,
            Err(refusal) => return self.refuse_cart(&mut request, id, refusal),
        };
        let item = Item { product, variant, quantity };
        let events = match self.decide_set(&request, &before, item) {
            Ok(events) => events,
            Err(refusal) => return self.refuse_cart(&mut request, id, refusal),
        };
        let after = applied(&before, &events, self.now(&request));
        if let Err(refusal) = self.take_more(&request.context, &before, &after, item).await {
            return self.refuse_cart(&mut request, id, refusal);
        }
        let reply = self.commit_cart(&mut request, id, &before, events);
        self.give_back(&request.context, id, &before, Ending::Released).await;
        reply
    }

    /// Takes those lines out of the owner's cart whose product or variant is gone; there must be some.
    pub(crate) async fn tidy_cart(
        &self,
        mut request: Request,
        owner: Owner,
        version: Option<u32>,
    ) -> OwnerReply {
        let _lane = self.cart_lanes.enter(owner.buyer()).await;
        let (id, before) = self.cart_or_new(owner);
        let events = self.decide_tidy(&before);
        if events.is_empty() {
            return self.refuse_cart(&mut request, id, saga::Refusal::NotFound);
        }
        match check_version(&before, version) {
            Ok(()) => self.commit_cart(&mut request, id, &before, events),
            Err(refusal) => self.refuse_cart(&mut request, id, refusal),
        }
    }

    /// Takes everything out of the owner's cart.
    pub(crate) async fn clear_cart(
        &self,
        mut request: Request,
        owner: Owner,
        version: Option<u32>,
    ) -> OwnerReply {
        let _lane = self.cart_lanes.enter(owner.buyer()).await;
        let (id, before) = self.cart_or_new(owner);
        if let Err(refusal) = check_version(&before, version) {
            return self.refuse_cart(&mut request, id, refusal);
        }
        let events = if before.lines.is_empty() { Vec::new() } else { vec![Event::Emptied] };
        let reply = self.commit_cart(&mut request, id, &before, events);
        self.give_back(&request.context, id, &before, Ending::Released).await;
        reply
    }

    /// The cart of that owner.
    pub(crate) fn cart_of(&self, owner: Owner) -> Option<(CartId, Cart)> {
        let partition = self.turns.partition(self.slots.partition(owner.buyer().0));
        let books = partition.books.borrow();
        books.carts.of(owner).map(|(id, cart)| (id, cart.clone()))
    }

    /// The same, or an empty one that nobody knows of yet.
    pub(super) fn cart_or_new(&self, owner: Owner) -> (CartId, Cart) {
        self.cart_of(owner).unwrap_or_else(|| {
            let id = CartId(self.id(self.slots.partition(owner.buyer().0)));
            (id, Cart::unopened(owner))
        })
    }

    async fn remove_line(
        &self,
        mut request: Request,
        id: CartId,
        before: &Cart,
        product: ProductId,
        variant: VariantNo,
    ) -> OwnerReply {
        let Some(_) = before.line(product, variant) else {
            // The sku may have been that of a line whose variant is gone.
            let events = self.decide_tidy(before);
            if !events.is_empty() {
                return self.commit_cart(&mut request, id, before, events);
            }
            let facts = if before.version == 0 { CartFacts::default() } else { CartFacts::of(id, before) };
            return self.unchanged(&mut request, id, facts);
        };
        let mut events = before.decide_remove(product, variant, &|it| self.ttl(it), self.now(&request));
        events.extend(self.decide_tidy(before));
        let reply = self.commit_cart(&mut request, id, before, events);
        self.give_back(&request.context, id, before, Ending::Released).await;
        reply
    }

    fn decide_set(&self, request: &Request, before: &Cart, item: Item) -> Result<Vec<Event>, saga::Refusal> {
        let unsold = |why| {
            let Item { product, variant, quantity } = item;
            let requested = quantity.units();
            Err(saga::Refusal::Lines(vec![LineRefusal { index: 0, product, variant, requested, why }]))
        };
        let Some(description) = self.description(item.product).filter(|_| !self.is_gone(&item)) else {
            return unsold(Why::Unknown);
        };
        if description.status != Status::Active {
            return unsold(Why::NotSellable);
        }
        let is_new = before.line(item.product, item.variant).is_none();
        if is_new && before.lines.len() == LINES_MAX {
            return Err(saga::Refusal::TooManyLines);
        }
        let name = before.hold.unwrap_or_else(|| ReservationId((self.ids)()));
        let held = (description.reserve_on == ReserveOn::Cart).then_some(name);
        let mut events = before.decide_set(item, held, &|it| self.ttl(it), self.now(request));
        events.extend(self.decide_tidy(before));
        let after = applied(before, &events, self.now(request));
        let items: Vec<Item> = after.lines.iter().map(|line| line.item).collect();
        // Of several currencies, or adding up to more money than there is, it could never be ordered.
        self.price(&items, None).map(|_| events)
    }

    /// Takes lines out whose product or variant is gone: nobody can name them any more, and no order would take them.
    fn decide_tidy(&self, before: &Cart) -> Vec<Event> {
        let items = before.lines.iter().filter(|line| !line.is_held()).map(|line| line.item);
        let gone = items.filter(|item| self.is_gone(item));
        gone.map(|item| Event::LineRemoved { product: item.product, variant: item.variant }).collect()
    }

    /// The answer of a change that changes nothing; a record only for a key.
    fn unchanged(&self, request: &mut Request, id: CartId, facts: CartFacts) -> OwnerReply {
        let partition = self.slots.partition(id.0);
        let position = request.key.is_some().then(|| {
            let (now, entity, events) = (self.now(request), Entity::Cart(id), Events::Cart(Vec::new()));
            let answered = Ok(Outcome::Cart(Box::new(facts.clone())));
            self.push(request, Entry { partition, entity, previous: 0, events, now, answered: &answered })
        });
        yes(facts, position)
    }

    /// Takes the units that the cart holds more than before; all of them are of `item`'s product.
    async fn take_more(
        &self,
        context: &Context,
        before: &Cart,
        after: &Cart,
        item: Item,
    ) -> Result<(), saga::Refusal> {
        let (held, wanted) = (before.held_of(item.product), after.held_of(item.product));
        if !is_more(&held, &wanted) {
            return Ok(());
        }
        let rehold = rehold(after, item.product, wanted, Ending::Released, false);
        let answers = self.peers.tell(context, item.product, vec![rehold]).await;
        let Err(refusal) = only(answers) else { return Ok(()) };
        let lines: Vec<_> = after.held_of(item.product).into_iter().map(|line| (0, line)).collect();
        let mut lines = saga::explain(item.product, &lines, &refusal);
        lines.retain(|line| line.variant == item.variant);
        Err(saga::Refusal::Lines(lines))
    }

    /// Gives back what products hold for the cart and it does not claim any more, compared with `before`.
    pub(super) async fn give_back(&self, context: &Context, id: CartId, before: &Cart, ending: Ending) {
        let Some(name) = before.hold else { return };
        let partition = self.turns.partition(self.slots.partition(id.0));
        let after = partition.books.borrow().carts.get(id).cloned();
        let mut duties = Vec::new();
        for (product, held) in before.held() {
            let wanted = after.as_ref().map(|cart| cart.held_of(product)).unwrap_or_default();
            if wanted.is_empty() {
                duties.push((product, Command::Release { reservation: name, ending }));
            } else if is_more(&wanted, &held) {
                let cart = after.as_ref().expect("a cart that holds something is there");
                duties.push((product, rehold(cart, product, wanted, ending, true)));
            }
        }
        self.settle(context, duties).await;
    }

    /// Journals what happened to a cart, takes it into the books and lets the timer follow. No events and no key: no
    /// record.
    pub(super) fn commit_cart(
        &self,
        request: &mut Request,
        id: CartId,
        before: &Cart,
        mut events: Vec<Event>,
    ) -> OwnerReply {
        let partition = self.slots.partition(id.0);
        let state = self.turns.partition(partition);
        let known = state.books.borrow().carts.get(id).map(Cart::next_deadline);
        if known.is_none() && !events.is_empty() {
            events.insert(0, Event::Opened { owner: before.owner });
        }
        let mut position = None;
        let now = self.now(request);
        let mut books = state.books.borrow_mut();
        for event in &events {
            state.touch_cart(&books, id, event, now);
            books.apply_cart(id, event, now);
        }
        let facts = books.carts.get(id).map(|cart| CartFacts::of(id, cart)).unwrap_or_default();
        self.follow_cart(id, before.owner, known, &books.carts);
        drop(books);
        if !events.is_empty() || request.key.is_some() {
            let answered = Ok(Outcome::Cart(Box::new(facts.clone())));
            let (entity, events) = (Entity::Cart(id), Events::Cart(events));
            let entry = Entry { partition, entity, previous: 0, events, now, answered: &answered };
            position = Some(self.push(request, entry));
        }
        yes(facts, position)
    }

    /// Journals what the books have seen already.
    pub(crate) fn journal_cart(
        &self,
        request: &mut Request,
        partition: Partition,
        id: CartId,
        events: Vec<Event>,
    ) {
        let key = Key::Cart(id);
        let state = self.turns.partition(partition);
        state.changes.touch(key, |packer| packer.of_books(key, &state.books.borrow()));
        let (now, entity, events) = (self.now(request), Entity::Cart(id), Events::Cart(events));
        let answered = &Ok(Outcome::Done);
        self.push(request, Entry { partition, entity, previous: 0, events, now, answered });
    }

    fn refuse_cart(&self, request: &mut Request, id: CartId, refusal: saga::Refusal) -> OwnerReply {
        self.refuse(request, Entity::Cart(id), self.slots.partition(id.0), refusal)
    }

    pub(super) fn ttl(&self, product: ProductId) -> Millis {
        self.description(product).and_then(|it| it.reservation_ttl).unwrap_or(TTL_DEFAULT)
    }

    /// Lets the timer know a cart that recovery brought back.
    pub(crate) fn follow_found_cart(&self, id: CartId, cart: &Cart) {
        self.cart_deadlines.set(id, None, Some(cart.next_deadline()));
        let has_units = cart.lines.iter().any(holdfast_domain::cart::CartLine::is_held);
        self.turns.directory.note_cart_units(cart.owner.buyer(), has_units);
    }
}

fn check_version(cart: &Cart, expected: Option<u32>) -> Result<(), saga::Refusal> {
    match expected {
        Some(expected) if expected != cart.version => {
            Err(saga::Refusal::VersionMismatch { expected, actual: cart.version })
        }
        _ => Ok(()),
    }
}

/// The command that makes a product hold `wanted` for the cart, whatever it holds for it now.
pub(super) fn rehold(
    cart: &Cart,
    product: ProductId,
    wanted: Vec<Line>,
    ending: Ending,
    is_owed: bool,
) -> Command {
    let name = cart.hold.expect("a cart that holds units has a name for them");
    let deadlines = cart.lines.iter().filter(|line| line.is_held() && line.item.product == product);
    let deadline = deadlines.filter_map(|line| line.hold.map(|hold| hold.deadline)).max();
    Command::Rehold(Box::new(Rehold {
        from: name,
        to: name,
        buyer: cart.owner.buyer(),
        lines: wanted,
        deadline: deadline.expect("a held line has a deadline"),
        ending,
        is_owed,
    }))
}

/// A line's new quantity; none when it goes.
fn sum(
    cart: &Cart,
    product: ProductId,
    variant: VariantNo,
    change: Change,
) -> Result<Option<Quantity>, saga::Refusal> {
    let there = cart.line(product, variant).map_or(0, |line| line.item.quantity.get());
    match change {
        Change::Remove => Ok(None),
        Change::Set(quantity) => Ok(Some(quantity)),
        Change::Add(quantity) => {
            let sum = there.checked_add(quantity.get()).and_then(Quantity::new);
            sum.map(Some).ok_or(saga::Refusal::QuantityOutOfRange)
        }
    }
}

/// Whether `wanted` has more of any variant than `held`.
fn is_more(held: &[Line], wanted: &[Line]) -> bool {
    let units = |variant| {
        held.iter().find(|line| line.variant == variant).map_or(0, |line: &Line| line.quantity.get())
    };
    wanted.iter().any(|line| line.quantity.get() > units(line.variant))
}

pub(super) fn applied(before: &Cart, events: &[Event], now: holdfast_domain::Timestamp) -> Cart {
    let mut after = before.clone();
    events.iter().for_each(|event| after.apply(event, now));
    after
}

fn yes(facts: CartFacts, position: Option<Position>) -> OwnerReply {
    OwnerReply::yes(Outcome::Cart(Box::new(facts.clone())), position, Facts::Cart(Box::new(facts)))
}
