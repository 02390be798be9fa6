//! A history of chance: what shops do to stock, as records of a journal.

use std::error::Error;
use std::sync::Arc;

use holdfast_actors::context::{Actor, RequestId};
use holdfast_actors::domain::product::{Description, Event, Line, Reason, VariantDescription, VariantNo};
use holdfast_actors::domain::{
    Buyer, Currency, Item, Money, OrderId, Owner, ProductId, Quantity, ReservationId, Sku, Timestamp,
    reservation,
};
use holdfast_actors::persistence::{
    EncodedFrame, Epoch, FRAME_BYTES_MAX, FrameBuilder, Head, Journal as _, Partition, RecordHeader,
    Sequence, SledJournal, Store as _,
};
use holdfast_actors::record::{Entity, Events, Turn, encode};
use holdfast_actors::slots::Slots;

/// How many frames one append has.
const FRAMES: usize = 64;
/// How many holds are open at once.
const HOLDS: usize = 10_000;
const START_MS: u64 = 1_700_000_000_000;

/// Where it is.
pub(crate) struct History {
    slots: Slots,
    /// Each with the sequence of its newest record.
    products: Vec<(ProductId, Partition, u64)>,
    wanted: u64,
    holds: Vec<(ReservationId, usize, Owner)>,
    seed: u64,
    ids: u64,
    time_ms: u64,
    sequences: Vec<u64>,
    head: Option<Head>,
    frame: FrameBuilder,
    frame_bytes: usize,
    frames: Vec<EncodedFrame>,
    payload: Vec<u8>,
}

impl History {
    pub(crate) fn new(products: u64) -> Self {
        Self {
            slots: Slots::new(16, 1),
            products: Vec::new(),
            wanted: products,
            holds: Vec::new(),
            seed: 0x9e37_79b9_7f4a_7c15,
            ids: 0,
            time_ms: START_MS,
            sequences: vec![0; 16],
            head: None,
            frame: FrameBuilder::new(),
            frame_bytes: 0,
            frames: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// Makes the products, the first time, and so many events; appends all of it.
    pub(crate) fn fill(&mut self, journal: &mut SledJournal, events: u64) -> Result<(), Box<dyn Error>> {
        let from = Head::before(&*journal);
        self.head = Some(journal.recover(from, &mut |_| Ok(()))?.head);
        while u64::try_from(self.products.len())? < self.wanted {
            self.create(journal)?;
        }
        let mut done = 0;
        while done < events {
            done += match self.below(100) {
                0..=49 => self.purchase(journal)?,
                50..=69 => self.adjust(journal)?,
                _ if self.holds.len() < HOLDS || self.below(2) == 0 => self.reserve(journal)?,
                _ => self.close(journal)?,
            };
        }
        self.end_frame();
        self.append(journal)
    }

    fn create(&mut self, journal: &mut SledJournal) -> Result<u64, Box<dyn Error>> {
        let id = self.id();
        let number = self.products.len();
        self.products.push((ProductId(id), self.slots.partition(id), 0));
        let text = format!("Lamp {number}");
        let description = Arc::new(Description {
            text: Some("A lamp for the desk, with a foot of oak and a shade of linen.".into()),
            ..Description::plain(&text, Money(1999), Currency::new("EUR").ok_or("a currency")?)
        });
        let variant =
            Arc::new(VariantDescription::plain(Sku::new(&format!("lamp-{number}")).ok_or("a sku")?));
        let created = Event::Created { description, is_simple: true, variants: vec![variant] };
        self.product(
            journal,
            number,
            Actor::Admin(holdfast_actors::domain::AccountId(1)),
            vec![created, received(1_000_000)],
        )
    }

    fn purchase(&mut self, journal: &mut SledJournal) -> Result<u64, Box<dyn Error>> {
        let (number, owner) = (self.any_product()?, self.any_owner());
        let (_, partition, _) = self.products[number];
        let order = OrderId(self.id_in(partition));
        let currency = Currency::new("EUR").ok_or("a currency")?;
        let buyer: Buyer = owner.buyer();
        let unit_price = Money(1999);
        let event = Event::Purchased { order, buyer, line: line()?, unit_price, currency, rules: None };
        self.product(journal, number, actor(owner), vec![event])
    }

    fn adjust(&mut self, journal: &mut SledJournal) -> Result<u64, Box<dyn Error>> {
        let number = self.any_product()?;
        self.product(journal, number, Actor::Admin(holdfast_actors::domain::AccountId(1)), vec![received(3)])
    }

    fn reserve(&mut self, journal: &mut SledJournal) -> Result<u64, Box<dyn Error>> {
        let (number, owner) = (self.any_product()?, self.any_owner());
        let id = self.id();
        let reservation = ReservationId(id);
        let deadline = Timestamp(self.time_ms + 900_000);
        let lines = vec![line()?];
        let event = Event::Reserved { reservation, buyer: owner.buyer(), lines, deadline };
        self.product(journal, number, actor(owner), vec![event])?;
        let Line { variant, quantity } = line()?;
        let items = vec![Item { product: self.products[number].0, variant, quantity }];
        let event = reservation::Event::Reserved { owner, items, deadline, reference: None, metadata: None };
        self.reservation(journal, reservation, actor(owner), event)?;
        self.holds.push((reservation, number, owner));
        Ok(2)
    }

    /// Ends a hold: half of them by their owners.
    fn close(&mut self, journal: &mut SledJournal) -> Result<u64, Box<dyn Error>> {
        let place = usize::try_from(self.below(u64::try_from(self.holds.len())?))?;
        let (reservation, number, owner) = self.holds.swap_remove(place);
        let lines = vec![line()?];
        let (by, said, event) = if self.below(2) == 0 {
            (actor(owner), reservation::Event::Released, Event::Released { reservation, lines })
        } else {
            (Actor::System, reservation::Event::Expired, Event::Expired { reservation, lines })
        };
        self.reservation(journal, reservation, by, said)?;
        self.product(journal, number, by, vec![event])?;
        Ok(2)
    }

    fn product(
        &mut self,
        journal: &mut SledJournal,
        number: usize,
        by: Actor,
        events: Vec<Event>,
    ) -> Result<u64, Box<dyn Error>> {
        let (id, partition, previous) = self.products[number];
        let count = u64::try_from(events.len())?;
        let sequence =
            self.push(journal, partition, by, Entity::Product(id), previous, Events::Product(events))?;
        self.products[number].2 = sequence;
        Ok(count)
    }

    fn reservation(
        &mut self,
        journal: &mut SledJournal,
        id: ReservationId,
        by: Actor,
        event: reservation::Event,
    ) -> Result<u64, Box<dyn Error>> {
        let partition = self.slots.partition(id.0);
        self.push(journal, partition, by, Entity::Reservations, 0, Events::Reservations(vec![(id, event)]))
    }

    fn push(
        &mut self,
        journal: &mut SledJournal,
        partition: Partition,
        actor: Actor,
        entity: Entity,
        previous: u64,
        events: Events,
    ) -> Result<u64, Box<dyn Error>> {
        let request_id = RequestId::Made(u128::from(self.random()) << 64 | u128::from(self.random()));
        let turn = Turn { request_id, actor, entity, previous, key: None, events };
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        self.payload = encode(&turn, payload);
        let place = usize::from(partition.0);
        self.sequences[place] += 1;
        if self.sequences[place].is_multiple_of(16) {
            self.time_ms += 1;
        }
        let sequence = Sequence(self.sequences[place]);
        if self.frame_bytes + self.payload.len() > FRAME_BYTES_MAX - 1024 {
            self.end_frame();
            if self.frames.len() >= FRAMES {
                self.append(journal)?;
            }
        }
        let header = RecordHeader { partition, epoch: Epoch(1), sequence, time_ms: self.time_ms };
        self.frame.push(&header, &self.payload);
        self.frame_bytes += self.payload.len() + 26;
        Ok(sequence.0)
    }

    fn end_frame(&mut self) {
        let frame = std::mem::replace(&mut self.frame, FrameBuilder::new());
        self.frame_bytes = 0;
        let head = self.head.as_ref().expect("it is opened");
        let (batch, hash) = match self.frames.last() {
            Some(last) => (last.batch().next(), last.hash()),
            None => (head.next_batch(), head.last_hash()),
        };
        self.frames.push(frame.finish(batch, hash));
    }

    fn append(&mut self, journal: &mut SledJournal) -> Result<(), Box<dyn Error>> {
        journal.append(&self.frames)?;
        if let (Some(last), Some(head)) = (self.frames.last(), &mut self.head) {
            *head = Head::new(last.batch().next(), last.hash(), head.partitions().to_vec());
        }
        self.frames.clear();
        Ok(())
    }

    /// A uuid as the server makes them: time, then chance.
    fn id(&mut self) -> u128 {
        self.ids += 1;
        let time = u128::from(self.time_ms) << 80;
        time | 7 << 76 | u128::from(self.ids & 0xfff) << 64 | 2 << 62 | u128::from(self.random() >> 2)
    }

    fn id_in(&mut self, partition: Partition) -> u128 {
        let id = self.id();
        self.slots.place(id, partition)
    }

    fn any_product(&mut self) -> Result<usize, Box<dyn Error>> {
        let count = u64::try_from(self.products.len())?;
        Ok(usize::try_from(self.below(count))?)
    }

    fn any_owner(&mut self) -> Owner {
        Owner::Guest(u128::from(self.random()) << 64 | u128::from(self.random()))
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.random() >> 16) % end
    }

    const fn random(&mut self) -> u64 {
        self.seed ^= self.seed >> 12;
        self.seed ^= self.seed << 25;
        self.seed ^= self.seed >> 27;
        self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn actor(owner: Owner) -> Actor {
    match owner {
        Owner::Guest(digest) => Actor::Guest(digest),
        Owner::Account(id) => Actor::Customer(id),
    }
}

fn line() -> Result<Line, Box<dyn Error>> {
    Ok(Line { variant: VariantNo(0), quantity: Quantity::new(1).ok_or("one is in range")? })
}

fn received(delta: i32) -> Event {
    Event::Adjusted { variant: VariantNo(0), delta, reason: Reason::Received, reference: None, note: None }
}
