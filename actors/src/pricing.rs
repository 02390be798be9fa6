//! What makes prices at one moment, taken from what everybody may see: the rules, the categories, who buys.
//!
//! A turn or a saga that writes needs no more: its record is later in the journal than everything it saw. Whoever
//! only reads must wait for [`Pricing::ticket`] first (INV-8).

use std::sync::Arc;

use holdfast_domain::account::Tier;
use holdfast_domain::category::Categories;
use holdfast_domain::price::{Occasion, Price, PriceList};
use holdfast_domain::product::{Description, VariantDescription};
use holdfast_domain::{Owner, Quantity, Timestamp};
use holdfast_persistence::Ticket;

use crate::directory::{Directory, Published};

/// What makes prices, held together as long as somebody computes with it.
#[derive(Debug)]
pub(crate) struct Pricing {
    prices: Arc<Published<PriceList>>,
    categories: Arc<Published<Categories>>,
    tier: Tier,
    at: Timestamp,
}

impl Pricing {
    /// What a buyer of that standing meets at that moment, to be shown. That there are no rules is a fact, too, and
    /// must be durable first.
    pub(crate) fn of_tier(directory: &Directory, tier: Tier, at: Timestamp) -> Self {
        let (prices, categories) = (directory.prices(), directory.categories());
        Self { prices, categories, tier, at }
    }

    /// What an owner meets at that moment, for a write; `None` while no price can be other than the base price.
    pub(crate) fn of(directory: &Directory, owner: Owner, at: Timestamp) -> Option<Self> {
        directory.has_price_rules().then(|| Self::of_tier(directory, directory.tier(owner), at))
    }

    /// The same for the core.
    pub(crate) fn occasion(&self) -> Occasion<'_> {
        let (prices, categories) = (&self.prices.value, &self.categories.value);
        Occasion { prices, categories, tier: self.tier, at: self.at }
    }

    /// Nothing of it may be shown before this is durable.
    pub(crate) fn ticket(&self) -> Ticket {
        self.prices.ticket.max(self.categories.ticket)
    }
}

/// What `quantity` units of a variant cost.
pub(crate) fn price(
    pricing: Option<&Pricing>,
    description: &Description,
    variant: &VariantDescription,
    quantity: Quantity,
) -> Price {
    match pricing {
        None => Price::of(description, variant, quantity),
        Some(pricing) => pricing.occasion().price(description, variant, quantity),
    }
}
