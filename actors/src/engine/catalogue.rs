//! The list of products: found in the catalogue off the shards' threads, shown from the cards when durable.

use std::sync::Arc;

use holdfast_domain::ProductId;
use holdfast_domain::category::Category;
use holdfast_persistence::Ticket;

use super::{Engine, Failure, Overload};
use crate::catalogue::{Generation, Mark, Query};
use crate::outcome::ProductFacts;
use crate::pending::Stopped;

/// Lists that may be found at once; more are shed, as each has a thread of its own.
const LISTS_MAX: usize = 128;

/// A page of the list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProductPage {
    /// In their order.
    pub products: Vec<ProductFacts>,
    /// The place of the last one that was found, where more follow.
    pub next: Option<Mark>,
    /// How many there are on all pages, where it was asked for.
    pub total: Option<u64>,
}

/// A product as a list showed it: enough to tell whether the list's words still hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Which.
    pub id: ProductId,
    /// Of its description.
    pub version: u32,
    /// How many it was shown with.
    pub variants: usize,
}

impl Engine {
    /// The generation of lists that are found from now on. Read it first, then ask for the list.
    #[must_use]
    pub fn list_generation(&self) -> Generation {
        self.inner.directory.catalogue().generation()
    }

    /// The category of that slug, durable.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn category(&self, slug: &str) -> Result<Option<Category>, Stopped> {
        Ok(self.categories().await?.value.by_slug(slug).cloned())
    }

    /// A page of the list, durable.
    ///
    /// What was found may have changed meanwhile: what does not belong on the list any more is left out, so a page may
    /// have fewer than were asked for although more follow.
    ///
    /// # Errors
    ///
    /// [`Failure::Overloaded`], [`Failure::Stopped`].
    pub async fn list(&self, query: Query) -> Result<ProductPage, Failure> {
        let Some(_permit) = self.inner.directory.catalogue().admit(LISTS_MAX) else {
            return Err(Failure::Overloaded(Overload::Requests));
        };
        let query = Arc::new(query);
        let (catalogue, asked) = (Arc::clone(self.inner.directory.catalogue()), Arc::clone(&query));
        let found = tokio::task::spawn_blocking(move || catalogue.find(&asked)).await.map_err(|_| Stopped)?;
        let directory = &self.inner.directory;
        let categories = directory.categories();
        let mut rests_on = if query.category.is_some() { categories.ticket } else { Default::default() };
        let mut products = Vec::with_capacity(found.items.len());
        for item in &found.items {
            let Some((facts, ticket)) = directory.card(item.id).and_then(|card| card.facts()) else {
                continue;
            };
            if query.accepts(&facts, item.version, &categories.value) {
                rests_on = rests_on.max(ticket);
                products.push(facts);
            }
        }
        self.durable(rests_on).await?;
        Ok(ProductPage { products, next: found.next, total: found.total })
    }

    /// What is available of each variant of each of these products now, durable: one figure after the other.
    ///
    /// None when one of them is gone, is described otherwise by now, or, on a list filtered by `in_stock`, does not
    /// belong there any more.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn available(
        &self,
        listed: &[Listed],
        in_stock: Option<bool>,
    ) -> Result<Option<Vec<u32>>, Stopped> {
        let Some((units, rests_on)) = self.available_now(listed, in_stock) else { return Ok(None) };
        self.durable(rests_on).await?;
        Ok(Some(units))
    }

    fn available_now(&self, listed: &[Listed], in_stock: Option<bool>) -> Option<(Vec<u32>, Ticket)> {
        let mut rests_on = Ticket::ZERO;
        let mut units = Vec::with_capacity(listed.iter().map(|it| it.variants).sum());
        for it in listed {
            let before = units.len();
            let card = self.inner.directory.card(it.id)?;
            rests_on = rests_on.max(card.add_available(it.version, &mut units)?);
            let own = &units[before..];
            let is_in_stock = own.iter().any(|units| *units > 0);
            if own.len() != it.variants || in_stock.is_some_and(|wanted| wanted != is_in_stock) {
                return None;
            }
        }
        Some((units, rests_on))
    }
}
