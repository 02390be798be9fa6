//! A naive second opinion on a product: a list of facts and nothing else.
//!
//! Every figure is computed anew from the whole list, each rule is written a second time in the plainest
//! way, and nothing of `decide`, `apply` or `Levels` is used. Only the words (commands, refusals) are shared.

use holdfast_domain::product::{
    Closing, Command, Description, LimitKind, Line, Refusal, Short, Status, VariantNo,
};
use holdfast_domain::{Buyer, OrderId, ReservationId, Timestamp, Units};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// What happened, as the model sees it.
#[derive(Clone, Debug)]
enum Fact {
    Came { variant: VariantNo, units: i64 },
    Held { id: ReservationId, buyer: Buyer, lines: Vec<Line>, deadline: Timestamp },
    Moved { id: ReservationId, deadline: Timestamp },
    Closed { id: ReservationId, closing: Closing },
    Bought { order: OrderId, buyer: Buyer, line: Line },
    Shipped { order: OrderId },
    Returned { order: OrderId },
    Described(Box<Description>),
}

/// The model: the facts in order, each with its time.
pub(crate) struct Model {
    variants: usize,
    facts: Vec<(Timestamp, Fact)>,
    pub(crate) is_deleted: bool,
}

/// A hold as the facts tell it.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) id: ReservationId,
    pub(crate) buyer: Buyer,
    pub(crate) lines: Vec<Line>,
    pub(crate) deadline: Timestamp,
    made: Timestamp,
    moves: usize,
}

/// An open order as the facts tell it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) buyer: Buyer,
    pub(crate) lines: Vec<Line>,
}

/// What the model expects of a command.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Expected {
    AlreadySo,
    Done,
    Refused(Refusal),
}

impl Model {
    pub(crate) fn new(at: Timestamp, variants: usize, description: &Description) -> Self {
        let first = (at, Fact::Described(Box::new(description.clone())));
        Self { variants, facts: vec![first], is_deleted: false }
    }

    /// Expires what is due, at most `count_max`; returns who it was, earliest first.
    pub(crate) fn expire(&mut self, now: Timestamp, count_max: usize) -> Vec<ReservationId> {
        let mut due: Vec<_> = self.holds().into_iter().filter(|hold| hold.deadline <= now).collect();
        due.sort_by_key(|hold| (hold.deadline, hold.id));
        due.truncate(count_max);
        for Hold { id, deadline, .. } in &due {
            self.push(now, Fact::Closed { id: *id, closing: Closing::Expired { deadline: *deadline } });
        }
        due.into_iter().map(|hold| hold.id).collect()
    }

    /// Says what must follow from `command`, and believes it.
    pub(crate) fn turn(&mut self, command: &Command, now: Timestamp) -> Expected {
        match self.facts_of(command, now) {
            Err(refusal) => Expected::Refused(refusal),
            Ok(facts) if facts.is_empty() && !self.is_deleted => Expected::AlreadySo,
            Ok(facts) => {
                facts.into_iter().for_each(|fact| self.push(now, fact));
                Expected::Done
            }
        }
    }

    fn push(&mut self, now: Timestamp, fact: Fact) {
        self.facts.push((now, fact));
    }

    fn facts_of(&mut self, command: &Command, now: Timestamp) -> Result<Vec<Fact>, Refusal> {
        match command {
            Command::Describe { description, version } => self.described(description, *version),
            Command::Delete { version } => self.deleted(*version),
            Command::Adjust { variant, delta, .. } => {
                if *delta == 0 || *delta < -1_000_000 || *delta > 1_000_000 {
                    return Err(Refusal::OutOfBounds);
                }
                self.changed(*variant, i64::from(*delta))
            }
            Command::Count { variant, on_hand, expected } => {
                self.known(*variant)?;
                let books = self.on_hand(*variant);
                match expected {
                    Some(expected) if i64::from(expected.0) != books => {
                        Err(Refusal::ExpectedMismatch { expected: *expected, on_hand: units(books) })
                    }
                    _ => self.changed(*variant, i64::from(on_hand.0) - books),
                }
            }
            Command::Reserve { reservation, buyer, lines, deadline } => {
                self.held(*reservation, *buyer, lines, *deadline, now)
            }
            Command::Extend { reservation, deadline } => self.moved(*reservation, *deadline, now),
            Command::Confirm { reservation, order } => self.confirmed(*reservation, *order, now),
            Command::Release { reservation } => self.released(*reservation, now),
            Command::Purchase { order, buyer, line } => self.bought(*order, *buyer, *line),
            Command::Fulfil { order } => {
                self.order(*order).ok_or(Refusal::UnknownOrder)?;
                Ok(vec![Fact::Shipped { order: *order }])
            }
            Command::Cancel { order } => {
                self.order(*order).ok_or(Refusal::UnknownOrder)?;
                Ok(vec![Fact::Returned { order: *order }])
            }
        }
    }
}

/// The rules, once more.
impl Model {
    fn described(&self, description: &Description, version: Option<u32>) -> Result<Vec<Fact>, Refusal> {
        self.has_version(version)?;
        if description == self.description() {
            return Ok(Vec::new());
        }
        if description.price.0 < 0 || description.price.0 > 1_000_000_000_000 {
            return Err(Refusal::OutOfBounds);
        }
        Ok(vec![Fact::Described(Box::new(description.clone()))])
    }

    fn deleted(&mut self, version: Option<u32>) -> Result<Vec<Fact>, Refusal> {
        self.has_version(version)?;
        if !self.holds().is_empty() || !self.orders().is_empty() {
            return Err(Refusal::InUse);
        }
        self.is_deleted = true;
        Ok(Vec::new())
    }

    fn has_version(&self, version: Option<u32>) -> Result<(), Refusal> {
        let actual = self.version();
        match version {
            Some(expected) if expected != actual => Err(Refusal::VersionMismatch { expected, actual }),
            _ => Ok(()),
        }
    }

    fn changed(&self, variant: VariantNo, by: i64) -> Result<Vec<Fact>, Refusal> {
        self.known(variant)?;
        if self.on_hand(variant) + by > i64::from(u32::MAX) {
            return Err(Refusal::StockOverflow);
        }
        if self.available(variant) + by < 0 {
            return Err(Refusal::InsufficientStock { lines: vec![self.short(0, variant, -by)] });
        }
        Ok(vec![Fact::Came { variant, units: by }])
    }

    fn held(
        &self,
        id: ReservationId,
        buyer: Buyer,
        lines: &[Line],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Refusal> {
        if let Some(hold) = self.hold(id) {
            return match hold {
                Hold { deadline, .. } if deadline <= now => Err(Refusal::ReservationExpired { deadline }),
                hold if hold.buyer == buyer && hold.lines == lines => Ok(Vec::new()),
                _ => Err(Refusal::InvalidState),
            };
        }
        match self.closing(id) {
            Some(Closing::Expired { deadline }) => return Err(Refusal::ReservationExpired { deadline }),
            Some(_) => return Err(Refusal::InvalidState),
            None => {}
        }
        if deadline <= now || deadline.0 - now.0 > HOUR {
            return Err(Refusal::DeadlineOutOfRange);
        }
        let mut variants: Vec<_> = lines.iter().map(|line| line.variant).collect();
        variants.sort_unstable();
        variants.dedup();
        if lines.is_empty() || lines.len() > 100 || variants.len() < lines.len() {
            return Err(Refusal::OutOfBounds);
        }
        self.may_sell(buyer, lines)?;
        Ok(vec![Fact::Held { id, buyer, lines: lines.to_vec(), deadline }])
    }

    fn bought(&self, order: OrderId, buyer: Buyer, line: Line) -> Result<Vec<Fact>, Refusal> {
        if let Some(before) = self.order(order) {
            let is_same = before.buyer == buyer && before.lines == vec![line];
            return if is_same { Ok(Vec::new()) } else { Err(Refusal::InvalidState) };
        }
        self.may_sell(buyer, &[line])?;
        Ok(vec![Fact::Bought { order, buyer, line }])
    }

    fn may_sell(&self, buyer: Buyer, lines: &[Line]) -> Result<(), Refusal> {
        let description = self.description();
        if description.status != Status::Active {
            return Err(Refusal::NotSellable { status: description.status });
        }
        for line in lines {
            self.known(line.variant)?;
        }
        let mut short = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let asked = i64::from(line.quantity.get());
            if asked > self.available(line.variant) {
                short.push(self.short(index, line.variant, asked));
            }
        }
        if !short.is_empty() {
            return Err(Refusal::InsufficientStock { lines: short });
        }
        let asked = total(lines);
        if let Some(limit) = description.per_order_limit
            && asked > u64::from(limit.get())
        {
            let limit = limit.units();
            return Err(Refusal::LimitExceeded { kind: LimitKind::PerOrder, limit, counted: 0 });
        }
        let counted = self.counted(buyer);
        match description.per_customer_limit {
            Some(limit) if counted + asked > u64::from(limit.get()) => {
                let limit = limit.units();
                Err(Refusal::LimitExceeded { kind: LimitKind::PerCustomer, limit, counted })
            }
            _ => Ok(()),
        }
    }

    fn moved(&self, id: ReservationId, to: Timestamp, now: Timestamp) -> Result<Vec<Fact>, Refusal> {
        let hold = self.alive(id, now)?;
        if to <= now {
            return Err(Refusal::DeadlineOutOfRange);
        }
        if hold.moves == 3 || to.0 - hold.made.0 > HOUR {
            return Err(Refusal::ExtensionExceeded);
        }
        Ok(vec![Fact::Moved { id, deadline: to }])
    }

    fn confirmed(&self, id: ReservationId, order: OrderId, now: Timestamp) -> Result<Vec<Fact>, Refusal> {
        if self.closing(id) == Some(Closing::Confirmed { order }) {
            return Ok(Vec::new());
        }
        self.alive(id, now)?;
        Ok(vec![Fact::Closed { id, closing: Closing::Confirmed { order } }])
    }

    fn released(&self, id: ReservationId, now: Timestamp) -> Result<Vec<Fact>, Refusal> {
        match (self.hold(id), self.closing(id)) {
            (Some(Hold { deadline, .. }), _) if deadline <= now => {
                Ok(vec![Fact::Closed { id, closing: Closing::Expired { deadline } }])
            }
            (Some(_), _) => Ok(vec![Fact::Closed { id, closing: Closing::Released }]),
            (None, Some(Closing::Confirmed { .. })) => Err(Refusal::InvalidState),
            (None, Some(_)) => Ok(Vec::new()),
            (None, None) => Err(Refusal::UnknownReservation),
        }
    }

    fn alive(&self, id: ReservationId, now: Timestamp) -> Result<Hold, Refusal> {
        match (self.hold(id), self.closing(id)) {
            (Some(Hold { deadline, .. }), _) if deadline <= now => {
                Err(Refusal::ReservationExpired { deadline })
            }
            (Some(hold), _) => Ok(hold),
            (None, Some(Closing::Expired { deadline })) => Err(Refusal::ReservationExpired { deadline }),
            (None, Some(_)) => Err(Refusal::InvalidState),
            (None, None) => Err(Refusal::UnknownReservation),
        }
    }

    fn known(&self, variant: VariantNo) -> Result<(), Refusal> {
        if usize::from(variant.0) < self.variants { Ok(()) } else { Err(Refusal::UnknownVariant { variant }) }
    }

    fn short(&self, index: usize, variant: VariantNo, asked: i64) -> Short {
        Short {
            index,
            variant,
            requested: units(asked),
            available: units(self.available(variant)),
            reserved: units(self.reserved(variant)),
        }
    }
}

/// The figures, each from the whole list.
impl Model {
    pub(crate) fn on_hand(&self, variant: VariantNo) -> i64 {
        self.came(variant).iter().sum::<i64>() - signed(self.shipped(variant))
    }

    pub(crate) fn reserved(&self, variant: VariantNo) -> i64 {
        self.holds().iter().map(|hold| signed(of(variant, &hold.lines))).sum()
    }

    pub(crate) fn committed(&self, variant: VariantNo) -> i64 {
        self.orders().iter().map(|order| signed(of(variant, &order.lines))).sum()
    }

    pub(crate) fn available(&self, variant: VariantNo) -> i64 {
        self.on_hand(variant) - self.reserved(variant) - self.committed(variant)
    }

    /// Units received, shipped and written off.
    pub(crate) fn totals(&self, variant: VariantNo) -> (u64, u64, u64) {
        let came = self.came(variant);
        let more: i64 = came.iter().filter(|units| **units > 0).sum();
        let fewer: i64 = came.iter().filter(|units| **units < 0).sum();
        (more.unsigned_abs(), self.shipped(variant), fewer.unsigned_abs())
    }

    pub(crate) fn version(&self) -> u32 {
        let changes = self.facts.iter().filter(|(_, fact)| matches!(fact, Fact::Described(_)));
        u32::try_from(changes.count()).expect("few")
    }

    pub(crate) fn description(&self) -> &Description {
        let described = |(_, fact): &'_ (Timestamp, Fact)| matches!(fact, Fact::Described(_));
        match self.facts.iter().rfind(|fact| described(fact)) {
            Some((_, Fact::Described(description))) => description,
            _ => unreachable!("the first fact describes"),
        }
    }

    pub(crate) fn holds(&self) -> Vec<Hold> {
        self.replay().0
    }

    pub(crate) fn hold(&self, id: ReservationId) -> Option<Hold> {
        self.holds().into_iter().find(|hold| hold.id == id)
    }

    pub(crate) fn orders(&self) -> Vec<Order> {
        self.replay().1
    }

    pub(crate) fn order(&self, id: OrderId) -> Option<Order> {
        self.orders().into_iter().find(|order| order.id == id)
    }

    /// How a hold ended last, unless something happened a day or more after that.
    pub(crate) fn closing(&self, wanted: ReservationId) -> Option<Closing> {
        let is_wanted =
            |(_, fact): &(Timestamp, Fact)| matches!(fact, Fact::Closed { id, .. } if *id == wanted);
        let index = self.facts.iter().rposition(is_wanted)?;
        let (closed_at, Fact::Closed { closing, .. }) = &self.facts[index] else { unreachable!("closed") };
        let is_forgotten = self.facts[index..].iter().any(|(at, _)| at.0 - closed_at.0 >= DAY);
        (!is_forgotten).then_some(*closing)
    }

    /// What counts against a customer's limit: held, sold, and shipped since there is a limit.
    pub(crate) fn counted(&self, buyer: Buyer) -> u64 {
        let limit_of = |fact: &Fact| match fact {
            Fact::Described(description) => Some(description.per_customer_limit),
            _ => None,
        };
        let mut since = None;
        for (index, (_, fact)) in self.facts.iter().enumerate() {
            match limit_of(fact) {
                Some(None) => since = None,
                Some(Some(_)) => since = since.or(Some(index)),
                None => {}
            }
        }
        let Some(since) = since else { return 0 };
        let (holds, open, shipped) = self.replay();
        let held: u64 = holds.iter().filter(|hold| hold.buyer == buyer).map(|hold| total(&hold.lines)).sum();
        let shipped = shipped.iter().filter(|(index, _)| *index > since).map(|(_, order)| order);
        let sold: u64 = open
            .iter()
            .chain(shipped)
            .filter(|order| order.buyer == buyer)
            .map(|order| total(&order.lines))
            .sum();
        held + sold
    }

    fn came(&self, wanted: VariantNo) -> Vec<i64> {
        let came = |(_, fact): &(Timestamp, Fact)| match fact {
            Fact::Came { variant, units } if *variant == wanted => Some(*units),
            _ => None,
        };
        self.facts.iter().filter_map(came).collect()
    }

    fn shipped(&self, variant: VariantNo) -> u64 {
        self.replay().2.iter().map(|(_, order)| of(variant, &order.lines)).sum()
    }

    /// Active holds, open orders, and shipped orders with the place of their shipping in the list.
    fn replay(&self) -> (Vec<Hold>, Vec<Order>, Vec<(usize, Order)>) {
        let (mut holds, mut open, mut shipped) = (Vec::<Hold>::new(), Vec::<Order>::new(), Vec::new());
        for (index, (at, fact)) in self.facts.iter().enumerate() {
            match fact {
                Fact::Came { .. } | Fact::Described(_) => {}
                Fact::Held { id, buyer, lines, deadline } => {
                    let (id, buyer, lines, deadline) = (*id, *buyer, lines.clone(), *deadline);
                    holds.push(Hold { id, buyer, lines, deadline, made: *at, moves: 0 });
                }
                Fact::Moved { id, deadline } => {
                    let hold = holds.iter_mut().find(|hold| hold.id == *id).expect("moved while held");
                    (hold.deadline, hold.moves) = (*deadline, hold.moves + 1);
                }
                Fact::Closed { id, closing } => {
                    let hold = holds.remove(holds.iter().position(|hold| hold.id == *id).expect("held"));
                    if let Closing::Confirmed { order } = closing {
                        sell(&mut open, *order, hold.buyer, hold.lines);
                    }
                }
                Fact::Bought { order, buyer, line } => sell(&mut open, *order, *buyer, vec![*line]),
                Fact::Shipped { order } => {
                    let at = open.iter().position(|open| open.id == *order).expect("open");
                    shipped.push((index, open.remove(at)));
                }
                Fact::Returned { order } => open.retain(|open| open.id != *order),
            }
        }
        (holds, open, shipped)
    }
}

fn sell(open: &mut Vec<Order>, id: OrderId, buyer: Buyer, lines: Vec<Line>) {
    match open.iter_mut().find(|order| order.id == id) {
        Some(order) => order.lines.extend(lines),
        None => open.push(Order { id, buyer, lines }),
    }
}

fn total(lines: &[Line]) -> u64 {
    lines.iter().map(|line| u64::from(line.quantity.get())).sum()
}

fn of(variant: VariantNo, lines: &[Line]) -> u64 {
    lines.iter().filter(|line| line.variant == variant).map(|line| u64::from(line.quantity.get())).sum()
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).expect("far below")
}

fn units(level: i64) -> Units {
    Units(u32::try_from(level).expect("a level"))
}
