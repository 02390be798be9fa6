//! A naive second opinion on a product: a list of facts and nothing else.
//!
//! Every figure is computed anew from the whole list, each rule is written a second time in the plainest
//! way, and nothing of `decide`, `apply` or `Levels` is used. Only the words (commands, refusals) are shared.

use holdfast_domain::product::{
    Command, Description, LimitKind, Line, NewProduct, Refusal, Rehold, Short, Status, VariantDescription,
    VariantNo,
};
use holdfast_domain::{Buyer, OrderId, Quantity, ReservationId, Units};

/// What happened, as the model sees it.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    Came {
        variant: VariantNo,
        units: i64,
    },
    Held {
        id: ReservationId,
        buyer: Buyer,
        lines: Vec<Line>,
    },
    GivenBack {
        id: ReservationId,
    },
    Sold {
        id: ReservationId,
        order: OrderId,
    },
    /// A row of the ledger, and nothing else.
    Noted,
    Bought {
        order: OrderId,
        buyer: Buyer,
        line: Line,
    },
    Shipped {
        order: OrderId,
    },
    Returned {
        order: OrderId,
    },
    Described(Box<Description>),
    /// The variants changed and the description did not.
    Shaped,
    Named {
        variant: VariantNo,
        description: VariantDescription,
    },
    Removed {
        variant: VariantNo,
    },
    /// Whether the product has a sku of its own.
    Simple(bool),
}

/// The model: the facts in order.
pub(crate) struct Model {
    pub(super) facts: Vec<Fact>,
    pub(crate) is_deleted: bool,
}

/// A hold as the facts tell it.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) id: ReservationId,
    pub(crate) buyer: Buyer,
    pub(crate) lines: Vec<Line>,
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
    pub(crate) fn new(new: &NewProduct) -> Self {
        let mut facts = vec![Fact::Described(Box::new(Description::clone(&new.description)))];
        for (index, variant) in new.variants.iter().enumerate() {
            let description = VariantDescription::clone(&variant.description);
            facts.push(Fact::Named { variant: VariantNo::from_index(index), description });
        }
        facts.push(Fact::Simple(new.is_simple));
        Self { facts, is_deleted: false }
    }

    /// Says what must follow from `command`, and believes it.
    pub(crate) fn turn(&mut self, command: &Command) -> Expected {
        match self.facts_of(command) {
            Err(refusal) => Expected::Refused(refusal),
            Ok(facts) if facts.is_empty() && !self.is_deleted => Expected::AlreadySo,
            Ok(facts) => {
                self.facts.extend(facts);
                Expected::Done
            }
        }
    }

    fn facts_of(&mut self, command: &Command) -> Result<Vec<Fact>, Refusal> {
        match command {
            Command::Describe { description, version } => self.described(description, *version),
            Command::Delete { version } => self.deleted(*version),
            Command::Adjust { variant, delta, .. } => {
                self.known(*variant)?;
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
            Command::Reserve { reservation, buyer, lines, .. } => self.held(*reservation, *buyer, lines),
            Command::Rehold(rehold) => self.reheld(rehold, &rehold.lines),
            Command::Take(rehold) => self.reheld(rehold, &self.with_rest(rehold)),
            Command::Check(rehold) => self.reheld(rehold, &rehold.lines).map(|_| Vec::new()),
            Command::Extend { reservation, .. } => {
                self.hold(*reservation).ok_or(Refusal::UnknownReservation)?;
                Ok(vec![Fact::Noted])
            }
            Command::Confirm { reservation, order } => self.confirmed(*reservation, *order),
            Command::Release { reservation, .. } => {
                let given_back = |hold: Hold| Fact::GivenBack { id: hold.id };
                Ok(self.hold(*reservation).map(given_back).into_iter().collect())
            }
            Command::Purchase { order, buyer, line } => self.bought(*order, *buyer, *line),
            Command::Fulfil { order } => {
                let shipped = |order: Order| Fact::Shipped { order: order.id };
                Ok(self.order(*order).map(shipped).into_iter().collect())
            }
            Command::Cancel { order } => {
                let returned = |order: Order| Fact::Returned { order: order.id };
                Ok(self.order(*order).map(returned).into_iter().collect())
            }
            _ => self.shaped(command),
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

    pub(super) fn has_version(&self, version: Option<u32>) -> Result<(), Refusal> {
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

    fn held(&self, id: ReservationId, buyer: Buyer, lines: &[Line]) -> Result<Vec<Fact>, Refusal> {
        if let Some(hold) = self.hold(id) {
            let is_same = hold.buyer == buyer && hold.lines == lines;
            return if is_same { Ok(Vec::new()) } else { Err(Refusal::InvalidState) };
        }
        are_lines(lines)?;
        self.may_sell(buyer, lines)?;
        Ok(vec![Fact::Held { id, buyer, lines: lines.to_vec() }])
    }

    /// As if the holds of both names were given back, and what is asked for reserved in the same moment; except that
    /// nobody is refused who asks for nothing more, or for what was promised. Then `held` is held.
    fn reheld(&self, rehold: &Rehold, held: &[Line]) -> Result<Vec<Fact>, Refusal> {
        let Rehold { to, buyer, lines, .. } = rehold;
        are_lines(lines)?;
        let own = self.own(rehold);
        if let [only] = &own[..]
            && (only.id, only.buyer, &only.lines[..]) == (*to, *buyer, held)
        {
            return Ok(Vec::new());
        }
        let mut facts: Vec<Fact> = own.iter().map(|hold| Fact::GivenBack { id: hold.id }).collect();
        let mut without = Self { facts: self.facts.clone(), is_deleted: false };
        without.facts.extend(facts.clone());

        let had = |variant| own.iter().map(|hold| of(variant, &hold.lines)).sum::<u64>();
        let more: Vec<&Line> =
            lines.iter().filter(|line| u64::from(line.quantity.get()) > had(line.variant)).collect();
        if !more.is_empty() {
            let is_refused = |refusal: &Refusal| match refusal {
                Refusal::NotSellable { .. } | Refusal::LimitExceeded { .. } => !rehold.is_owed,
                _ => true,
            };
            without.may_sell_unless(*buyer, lines, is_refused)?;
        }
        facts.push(Fact::Held { id: *to, buyer: *buyer, lines: held.to_vec() });
        Ok(facts)
    }

    /// The holds of both names.
    fn own(&self, rehold: &Rehold) -> Vec<Hold> {
        let mut names = vec![rehold.from, rehold.to];
        names.dedup();
        names.iter().filter_map(|name| self.hold(*name)).collect()
    }

    /// What is asked for, and what is held beyond it, up to what one line may have.
    fn with_rest(&self, rehold: &Rehold) -> Vec<Line> {
        let mut lines = rehold.lines.clone();
        let own: Vec<Line> = self.own(rehold).into_iter().flat_map(|hold| hold.lines).collect();
        for Line { variant, .. } in &own {
            let had = of(*variant, &own).min(1_000_000);
            let quantity = Quantity::new(u32::try_from(had).expect("a million")).expect("some");
            match lines.iter().position(|line| line.variant == *variant) {
                Some(place) if lines[place].quantity < quantity => lines[place].quantity = quantity,
                Some(_) => {}
                None => lines.push(Line { variant: *variant, quantity }),
            }
        }
        lines
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
        self.may_sell_unless(buyer, lines, |_| true)
    }

    fn may_sell_unless(
        &self,
        buyer: Buyer,
        lines: &[Line],
        is_refused: impl Fn(&Refusal) -> bool,
    ) -> Result<(), Refusal> {
        let reasons = [self.sellable(), self.in_stock(lines), self.in_limits(buyer, lines)];
        let mut refusals = reasons.into_iter().filter_map(Result::err);
        refusals.find(|refusal| is_refused(refusal)).map_or(Ok(()), Err)
    }

    fn sellable(&self) -> Result<(), Refusal> {
        match self.description().status {
            Status::Active => Ok(()),
            status => Err(Refusal::NotSellable { status }),
        }
    }

    fn in_stock(&self, lines: &[Line]) -> Result<(), Refusal> {
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
        if short.is_empty() { Ok(()) } else { Err(Refusal::InsufficientStock { lines: short }) }
    }

    fn in_limits(&self, buyer: Buyer, lines: &[Line]) -> Result<(), Refusal> {
        let (description, asked) = (self.description(), total(lines));
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

    fn confirmed(&self, id: ReservationId, order: OrderId) -> Result<Vec<Fact>, Refusal> {
        match (self.hold(id), self.order(order)) {
            (Some(_), _) => Ok(vec![Fact::Sold { id, order }]),
            (None, Some(_)) => Ok(Vec::new()),
            (None, None) => Err(Refusal::UnknownReservation),
        }
    }

    pub(super) fn known(&self, variant: VariantNo) -> Result<(), Refusal> {
        let is_live = self.live().iter().any(|(live, _)| *live == variant);
        if is_live { Ok(()) } else { Err(Refusal::UnknownVariant { variant }) }
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
        let changes = self.facts.iter().filter(|fact| matches!(fact, Fact::Described(_) | Fact::Shaped));
        u32::try_from(changes.count()).expect("few")
    }

    pub(crate) fn description(&self) -> &Description {
        match self.facts.iter().rfind(|fact| matches!(fact, Fact::Described(_))) {
            Some(Fact::Described(description)) => description,
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

    /// What counts against a customer's limit: held, sold, and shipped since there is a limit.
    pub(crate) fn counted(&self, buyer: Buyer) -> u64 {
        let limit_of = |fact: &Fact| match fact {
            Fact::Described(description) => Some(description.per_customer_limit),
            _ => None,
        };
        let mut since = None;
        for (index, fact) in self.facts.iter().enumerate() {
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
        let came = |fact: &Fact| match fact {
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
        for (index, fact) in self.facts.iter().enumerate() {
            match fact {
                Fact::Came { .. } | Fact::Described(_) | Fact::Noted => {}
                Fact::Shaped | Fact::Named { .. } | Fact::Removed { .. } | Fact::Simple(_) => {}
                Fact::Held { id, buyer, lines } => {
                    holds.push(Hold { id: *id, buyer: *buyer, lines: lines.clone() });
                }
                Fact::GivenBack { id } => holds.retain(|hold| hold.id != *id),
                Fact::Sold { id, order } => {
                    let hold = holds.remove(holds.iter().position(|hold| hold.id == *id).expect("held"));
                    sell(&mut open, *order, hold.buyer, hold.lines);
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

fn are_lines(lines: &[Line]) -> Result<(), Refusal> {
    let mut variants: Vec<_> = lines.iter().map(|line| line.variant).collect();
    variants.sort_unstable();
    variants.dedup();
    let is_fine = !lines.is_empty() && lines.len() <= 100 && variants.len() == lines.len();
    if is_fine { Ok(()) } else { Err(Refusal::OutOfBounds) }
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
