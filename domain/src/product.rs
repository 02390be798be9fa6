//! A product with all its variants: what it is called and costs, and where every unit of it is.
//!
//! One value is the whole truth about one product. Its actor is the only one that changes it, by
//! [`Product::decide`] and [`apply()`]. Read in this order: the words (`command`, `event`, `refusal`), the
//! books (`levels`, `movement`, `apply`), the laws (`invariant`), then one file a verb.

pub mod command;
pub mod describe;
pub mod event;
pub mod levels;
pub mod movement;
pub mod refusal;

pub mod apply;
pub mod invariant;

mod adjust;
mod cancel;
mod confirm;
mod count;
mod create;
mod extend;
mod fulfil;
mod purchase;
mod rehold;
mod release;
mod replace;
mod reserve;
mod restore;
mod stocktaking;
mod variants;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::price::Occasion;
use crate::{Buyer, OrderId, ReservationId, Sku, Timestamp};

pub use apply::apply;
pub use command::{Command, NewProduct, NewVariant, Reason, Rehold, Replacement, WantedVariant};
pub use create::decide_create;
pub use describe::{Description, ReserveOn, Status, VariantDescription};
pub use event::{Event, Line, VariantNo};
pub use levels::{Levels, Totals};
pub use movement::{Movement, MovementKind};
pub use refusal::{LimitKind, Refusal, Short};
pub use restore::{Claims, Core};

/// How many lines one reservation may have.
pub const LINES_MAX: usize = 100;
/// How many variants one product may have.
pub const VARIANTS_MAX: usize = 100;
/// How many variants one product may ever have had: removed ones keep their places.
pub const VARIANTS_EVER_MAX: usize = 1000;

/// One product.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Product {
    description: Arc<Description>,
    /// The product's own sku is that of its only variant; with options it has none.
    is_simple: bool,
    /// By number; removed ones keep their places.
    variants: Vec<Variant>,
    /// Grows with each change of the description; stock has versions of its own.
    version: u32,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Units held for somebody. How long is for their owner to say, and to remember how it ended.
    reservations: BTreeMap<ReservationId, Reservation>,
    /// Orders whose units are committed here and not yet shipped.
    orders: BTreeMap<OrderId, Commitment>,
    /// Units held or bought by each customer; kept only while there is a limit for them.
    units_by_buyer: BTreeMap<Buyer, u64>,
}

/// One sellable unit of a product and its figures at location `main`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Variant {
    /// What it is called and costs.
    pub description: Arc<VariantDescription>,
    /// Where its units are.
    pub levels: Levels,
    /// What came and went since the beginning.
    pub totals: Totals,
    /// Grows with each movement.
    pub version: u32,
    /// The time of the newest movement.
    pub updated_at: Timestamp,
    /// It is not sold any more, all its figures are 0, and its sku may be another's.
    pub is_removed: bool,
}

/// Units held for somebody until their owner says otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reservation {
    /// For whom.
    pub buyer: Buyer,
    /// What.
    pub lines: Vec<Line>,
}

/// Units sold to an order and not yet shipped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commitment {
    /// Who bought.
    pub buyer: Buyer,
    /// What.
    pub lines: Vec<Line>,
}

impl Product {
    /// What follows from `command`: events to be journaled and applied, or why not.
    ///
    /// No events means that it is so already (a repeated confirm or release): the answer is yes. Time plays no
    /// part: deadlines are with the owners of the holds.
    ///
    /// # Errors
    ///
    /// The refusals of each command; nothing has changed then.
    pub fn decide(&self, command: &Command) -> Result<Vec<Event>, Refusal> {
        self.decide_at(command, None)
    }

    /// The same while there are rules that make prices: what is purchased costs what they say.
    ///
    /// # Errors
    ///
    /// Those of [`Product::decide`].
    pub fn decide_at(
        &self,
        command: &Command,
        occasion: Option<&Occasion<'_>>,
    ) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::Describe { description, version } => self.decide_describe(description, *version),
            Command::Delete { version } => self.decide_delete(*version),
            Command::Replace(replacement) => self.decide_replace(replacement),
            Command::AddVariant { variant, version } => self.decide_add_variant(variant, *version),
            Command::DescribeVariant { variant, description, version } => {
                self.decide_describe_variant(*variant, description, *version)
            }
            Command::RemoveVariant { variant, version } => self.decide_remove_variant(*variant, *version),
            Command::Adjust { variant, .. } | Command::Count { variant, .. } => {
                stocktaking::decide(command, self.levels_of(*variant)?).map(|event| vec![event])
            }
            Command::Reserve { reservation, buyer, lines, deadline } => {
                self.decide_reserve(*reservation, *buyer, lines, *deadline)
            }
            Command::Rehold(rehold) => self.decide_rehold(rehold),
            Command::Take(rehold) => self.decide_take(rehold),
            Command::Check(rehold) => self.decide_rehold(rehold).map(|_| Vec::new()),
            Command::Extend { reservation, deadline } => self.decide_extend(*reservation, *deadline),
            Command::Confirm { reservation, order } => self.decide_confirm(*reservation, *order),
            Command::Release { reservation, ending } => Ok(self.decide_release(*reservation, *ending)),
            Command::Purchase { order, buyer, line } => self.decide_purchase(*order, *buyer, *line, occasion),
            Command::Fulfil { order } => Ok(self.decide_fulfil(*order)),
            Command::Cancel { order } => Ok(self.decide_cancel(*order)),
        }
    }

    /// What it is called and costs, and how it is sold.
    #[must_use]
    pub const fn description(&self) -> &Arc<Description> {
        &self.description
    }

    /// Whether the sku of its only variant is its own.
    #[must_use]
    pub const fn is_simple(&self) -> bool {
        self.is_simple
    }

    /// The version of the description.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// When it was made.
    #[must_use]
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When its description last changed.
    #[must_use]
    pub const fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// All variants by number, in the order in which they were added, and the places of those that were removed.
    #[must_use]
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// The variants that were not removed, with their numbers.
    pub fn live_variants(&self) -> impl Iterator<Item = (VariantNo, &Variant)> {
        let numbered = |(index, variant)| (VariantNo::from_index(index), variant);
        self.variants.iter().enumerate().map(numbered).filter(|(_, variant)| !variant.is_removed)
    }

    /// The variant of that number, unless it was removed.
    #[must_use]
    pub fn variant(&self, variant: VariantNo) -> Option<&Variant> {
        self.variants.get(variant.index()).filter(|variant| !variant.is_removed)
    }

    /// The number of the variant with that sku.
    #[must_use]
    pub fn find(&self, sku: &Sku) -> Option<VariantNo> {
        self.live_variants().find(|(_, variant)| variant.description.sku == *sku).map(|(no, _)| no)
    }

    /// The only variant of a product that has one.
    #[must_use]
    pub fn only_variant(&self) -> Option<VariantNo> {
        let mut live = self.live_variants();
        match (live.next(), live.next()) {
            (Some((only, _)), None) => Some(only),
            _ => None,
        }
    }

    /// The product's own sku; none when it has options.
    #[must_use]
    pub fn sku(&self) -> Option<&Sku> {
        let mut live = self.is_simple.then(|| self.live_variants())?;
        live.next().map(|(_, variant)| &variant.description.sku)
    }

    /// All active reservations, by id.
    #[must_use]
    pub const fn reservations(&self) -> &BTreeMap<ReservationId, Reservation> {
        &self.reservations
    }

    /// The active reservation of that id.
    #[must_use]
    pub fn reservation(&self, reservation: ReservationId) -> Option<&Reservation> {
        self.reservations.get(&reservation)
    }

    /// All orders whose units are committed here, by id.
    #[must_use]
    pub const fn commitments(&self) -> &BTreeMap<OrderId, Commitment> {
        &self.orders
    }

    /// The units of an order that are committed here.
    #[must_use]
    pub fn commitment(&self, order: OrderId) -> Option<&Commitment> {
        self.orders.get(&order)
    }

    /// Units held or bought by `buyer`, as far as they are counted (only while there is a limit).
    #[must_use]
    pub fn units_of(&self, buyer: Buyer) -> u64 {
        self.units_by_buyer.get(&buyer).copied().unwrap_or(0)
    }

    /// What each buyer is counted for; nobody is while there is no limit.
    #[must_use]
    pub const fn counted(&self) -> &BTreeMap<Buyer, u64> {
        &self.units_by_buyer
    }

    fn check_sellable(&self) -> Result<(), Refusal> {
        match self.description.status {
            Status::Active => Ok(()),
            status => Err(Refusal::NotSellable { status }),
        }
    }

    /// What is missing for `lines`; every short line is named.
    fn check_stock(&self, lines: &[Line]) -> Result<(), Refusal> {
        for line in lines {
            if self.variant(line.variant).is_none() {
                return Err(Refusal::UnknownVariant { variant: line.variant });
            }
        }
        let is_short =
            |line: &&Line| self.variants[line.variant.index()].levels.available < line.quantity.units();
        if !lines.iter().any(|line| is_short(&line)) {
            return Ok(());
        }
        let short = |(index, line): (usize, &Line)| {
            let levels = self.variants[line.variant.index()].levels;
            Short {
                index,
                variant: line.variant,
                requested: line.quantity.units(),
                available: levels.available,
                reserved: levels.reserved,
            }
        };
        let lines = lines.iter().enumerate().filter(|(_, line)| is_short(line)).map(short).collect();
        Err(Refusal::InsufficientStock { lines })
    }

    /// Limits are checked after stock, so that a sold-out product always says so. `own` units of the buyer are
    /// counted already and are part of what is asked for.
    fn check_limits(&self, buyer: Buyer, lines: &[Line], own: u64) -> Result<(), Refusal> {
        let requested: u64 = lines.iter().map(|line| u64::from(line.quantity.get())).sum();
        if let Some(limit) = self.description.per_order_limit
            && requested > u64::from(limit.get())
        {
            return Err(Refusal::LimitExceeded {
                kind: LimitKind::PerOrder,
                limit: limit.units(),
                counted: 0,
            });
        }
        if let Some(limit) = self.description.per_customer_limit {
            let counted = self.units_of(buyer).saturating_sub(own);
            if counted + requested > u64::from(limit.get()) {
                return Err(Refusal::LimitExceeded {
                    kind: LimitKind::PerCustomer,
                    limit: limit.units(),
                    counted,
                });
            }
        }
        Ok(())
    }
}
