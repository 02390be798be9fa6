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

#[cfg(test)]
mod tests {
    use holdfast_domain::account::{Account, Role};
    use holdfast_domain::category;
    use holdfast_domain::price::{Kind, Off, Terms};
    use holdfast_domain::{AccountId, CategoryId, Money, RuleId};

    use super::*;

    const NOW: Timestamp = Timestamp(1_000);
    const ADA: Owner = Owner::Account(AccountId(7));

    #[test]
    fn without_an_active_rule_nobody_looks_further() {
        let directory = Directory::default();
        assert!(Pricing::of(&directory, ADA, NOW).is_none());
        directory.publish_prices(list(false), Ticket::new(1));
        assert!(Pricing::of(&directory, ADA, NOW).is_none());
        directory.publish_prices(list(true), Ticket::new(2));
        assert!(Pricing::of(&directory, ADA, NOW).is_some());
        directory.publish_prices(PriceList::default(), Ticket::new(3));
        assert!(Pricing::of(&directory, ADA, NOW).is_none());
        assert_eq!(Pricing::of_tier(&directory, Tier::Standard, NOW).ticket(), Ticket::new(3));
    }

    #[test]
    fn price_knows_the_tree_of_categories_and_the_standing_of_the_buyer() {
        let directory = Directory::default();
        directory.publish_categories(tree(), Ticket::new(5));
        directory.publish_prices(list(true), Ticket::new(4));
        let (mut description, variant) = lamp();
        description.category_ids = vec![CategoryId(2)];
        let unit = |owner| {
            let pricing = Pricing::of(&directory, owner, NOW).expect("there is a rule");
            assert_eq!(pricing.ticket(), Ticket::new(5), "the newer of the two");
            price(Some(&pricing), &description, &variant, Quantity::ONE).unit
        };
        assert_eq!((unit(ADA), unit(Owner::Guest(7))), (Money(1_999), Money(1_999)), "nobody knows her yet");
        let (email, password_hash) = ("ada@example.org".into(), "$argon2id$".into());
        let (id, name, role, tier) = (AccountId(7), None, Role::Customer, Tier::Gold);
        directory.note_person(&Account {
            id,
            email,
            name,
            role,
            tier,
            password_hash,
            created_at: NOW,
            version: 1,
        });
        assert_eq!((unit(ADA), unit(Owner::Guest(7))), (Money(999), Money(1_999)));
    }

    /// A rule for gold customers and things in category 1.
    fn list(is_active: bool) -> PriceList {
        let terms = Terms {
            name: "Thanks".into(),
            kind: Kind::Tier { tier: Tier::Gold },
            off: Off::Amount(Money(1_000)),
            skus: Vec::new(),
            categories: vec![CategoryId(1)],
            starts_at: None,
            ends_at: None,
            priority: 0,
            is_active,
        };
        let mut list = PriceList::default();
        let event = list.decide_create(RuleId(1), terms, &tree()).expect("a sound rule");
        list.apply(&event, NOW);
        list
    }

    /// Category 2 is in category 1.
    fn tree() -> Categories {
        let mut tree = Categories::default();
        for (id, parent) in [(CategoryId(1), None), (CategoryId(2), Some(CategoryId(1)))] {
            let slug = format!("category-{}", id.0).into();
            let description = category::Description { name: "Category".into(), slug, parent };
            let event = tree.decide_create(id, description).expect("it has a place");
            tree.apply(&event, NOW);
        }
        tree
    }

    fn lamp() -> (Description, VariantDescription) {
        let new = crate::simulation::wishes::thing("lamp", 5);
        let variant = new.variants.first().expect("there is one");
        ((*new.description).clone(), (*variant.description).clone())
    }
}
