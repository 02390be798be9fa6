//! Price rules and quotes: who may change what things cost, and what they cost.

use std::sync::Arc;

use holdfast_domain::account::Tier;
use holdfast_domain::price::{Price, PriceList, Rule, Terms};
use holdfast_domain::product::{Status, VariantNo};
use holdfast_domain::{Currency, Item, Money, Owner, ProductId, RuleId, Sku, Timestamp, saga};

use super::orders::refused;
use super::{Answer, Engine, Failure, Wanted};
use crate::card::{Card, Info};
use crate::context::Context;
use crate::directory::Published;
use crate::outcome::{Outcome, Refused};
use crate::pending::Stopped;
use crate::prices::{Change, ChangePrices};
use crate::pricing::{self, Pricing};
use crate::slots::PRICES_PARTITION;

/// What some lines would cost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quote {
    /// Of all its money.
    pub currency: Currency,
    /// Before rules.
    pub subtotal: Money,
    /// What rules take off.
    pub discount: Money,
    /// What is to be paid.
    pub total: Money,
    /// One for each line that was asked for, in that order.
    pub lines: Vec<QuotedLine>,
}

/// A line of a quote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuotedLine {
    /// What, and how many.
    pub item: Item,
    /// What it is called.
    pub sku: Sku,
    /// What it costs, and why.
    pub price: Price,
}

/// For whom and when prices are asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuoteFor {
    /// The buyer's standing.
    pub tier: Tier,
    /// When; now where absent.
    pub at: Option<Timestamp>,
    /// Whether drafts are there for whoever asks.
    pub sees_drafts: bool,
}

impl Engine {
    /// Makes a price rule.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn create_rule(
        &self,
        context: &Context,
        id: RuleId,
        terms: Terms,
    ) -> Result<Answer<Arc<Rule>>, Failure> {
        Ok(self.change_prices(context, Change::Create(id, terms)).await?.map(into_rule))
    }

    /// Gives a price rule other terms; `version` is the one that it must have, where that matters.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn change_rule(
        &self,
        context: &Context,
        id: RuleId,
        terms: Terms,
        version: Option<u32>,
    ) -> Result<Answer<Arc<Rule>>, Failure> {
        Ok(self.change_prices(context, Change::Revise(id, terms, version)).await?.map(into_rule))
    }

    /// Removes a price rule.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn delete_rule(
        &self,
        context: &Context,
        id: RuleId,
        version: Option<u32>,
    ) -> Result<Answer<()>, Failure> {
        Ok(self.change_prices(context, Change::Delete(id, version)).await?.map(drop))
    }

    /// All price rules, durable.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn prices(&self) -> Result<Arc<Published<PriceList>>, Stopped> {
        let prices = self.inner.directory.prices();
        self.durable(prices.ticket).await?;
        Ok(prices)
    }

    /// The version of a price rule now, durable or not: for comparing, not for showing.
    #[must_use]
    pub fn rule_version(&self, id: RuleId) -> Option<u32> {
        self.inner.directory.prices().value.get(id).map(|rule| rule.version)
    }

    /// The standing of a buyer; guests and strangers have the first one.
    #[must_use]
    pub fn tier(&self, owner: Owner) -> Tier {
        self.inner.directory.tier(owner)
    }

    /// What some lines cost, each priced by itself. Nothing of it is kept.
    ///
    /// # Errors
    ///
    /// [`Failure::UnknownSkus`], [`Failure::Refused`] for lines of several currencies or worth more money than there
    /// is, [`Failure::Stopped`].
    pub async fn quote(&self, lines: &[Wanted], to: QuoteFor) -> Result<Quote, Failure> {
        let mut items = Vec::with_capacity(lines.len());
        let mut unknown = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let found = if to.sees_drafts { self.find(&line.sku) } else { self.find_sold(&line.sku) };
            match found {
                Some((product, variant)) => items.push(Item { product, variant, quantity: line.quantity }),
                None => unknown.push((index, line.sku.clone())),
            }
        }
        if !unknown.is_empty() {
            return Err(Failure::UnknownSkus(unknown));
        }
        self.quote_items(&items, to).await
    }

    /// What some units of one product cost.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`], [`Failure::SkuRequired`], and those of [`Engine::quote`].
    pub async fn quote_product(
        &self,
        product: ProductId,
        wanted: (Option<&Sku>, holdfast_domain::Quantity),
        to: QuoteFor,
    ) -> Result<Quote, Failure> {
        let (sku, quantity) = wanted;
        let card = self.inner.directory.live_card(product).ok_or(Failure::NotFound)?;
        let info = card.info();
        if info.description.status == Status::Draft && !to.sees_drafts {
            return Err(Failure::NotFound);
        }
        let variant = super::products::named_variant(&info, sku)?;
        self.quote_items(&[Item { product, variant, quantity }], to).await
    }

    /// The prices of some items as they are now; none for a product or a variant that is gone. Durable.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn prices_of(
        &self,
        items: &[Item],
        tier: Tier,
        at: Option<Timestamp>,
    ) -> Result<Vec<Option<(Arc<Info>, Price)>>, Stopped> {
        let at = at.unwrap_or_else(|| self.inner.clock.now());
        let pricing = Pricing::of_tier(&self.inner.directory, tier, at);
        let mut newest = pricing.ticket();
        let mut found = Vec::with_capacity(items.len());
        for item in items {
            let priced = self.live_variant(item.product, item.variant).map(|(card, info)| {
                newest = newest.max(card.snapshot().ticket);
                let variant = &info.variants[item.variant.index()];
                let price = pricing::price(Some(&pricing), &info.description, variant, item.quantity);
                (info, price)
            });
            found.push(priced);
        }
        self.durable(newest).await?;
        Ok(found)
    }

    async fn quote_items(&self, items: &[Item], to: QuoteFor) -> Result<Quote, Failure> {
        let prices = self.prices_of(items, to.tier, to.at).await?;
        let mut lines = Vec::with_capacity(items.len());
        let (mut subtotal, mut total, mut currency) = (0_i64, 0_i64, None);
        for (item, priced) in items.iter().zip(prices) {
            // Deleted in the moment between.
            let (info, price) = priced.ok_or(Failure::NotFound)?;
            let of = info.description.currency;
            if *currency.get_or_insert(of) != of {
                return Err(no(saga::Refusal::MixedCurrencies));
            }
            let sum = subtotal.checked_add(price.subtotal(item.quantity).0);
            subtotal = sum.ok_or_else(|| no(saga::Refusal::QuantityOutOfRange))?;
            // Never above the other sum.
            total += price.total.0;
            let sku = info.variants[item.variant.index()].sku.clone();
            lines.push(QuotedLine { item: *item, sku, price });
        }
        let currency = currency.ok_or(Failure::NotFound)?;
        let (discount, subtotal, total) = (Money(subtotal - total), Money(subtotal), Money(total));
        Ok(Quote { currency, subtotal, discount, total, lines })
    }

    /// The card of a product that is still there, with a variant of that number.
    fn live_variant(&self, product: ProductId, variant: VariantNo) -> Option<(Arc<Card>, Arc<Info>)> {
        let card = self.inner.directory.live_card(product)?;
        // Before the figures: see [`Card::info`].
        let info = card.info();
        let sku = &info.variants.get(variant.index())?.sku;
        // The sku of a deleted product is free at once.
        let is_there = self.find(sku) == Some((product, variant));
        is_there.then_some((card, info))
    }

    async fn change_prices(&self, context: &Context, change: Change) -> Result<Answer<Outcome>, Failure> {
        self.ask_office(context, PRICES_PARTITION, |key, reply| ChangePrices {
            change,
            context: context.clone(),
            key,
            reply,
        })
        .await
    }
}

fn no(refusal: saga::Refusal) -> Failure {
    refused(Refused::Owner(refusal), None, false)
}

fn into_rule(outcome: Outcome) -> Arc<Rule> {
    match outcome {
        Outcome::Rule(rule) => rule,
        other => unreachable!("a price rule was answered with {other:?}"),
    }
}
