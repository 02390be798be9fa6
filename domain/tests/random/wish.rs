//! Random wishes: few people, few products, few units, so that they meet; and what goes wrong while they come true.

use holdfast_domain::order::{By, Through};
use holdfast_domain::product::{ReserveOn, Status};
use holdfast_domain::{Item, Owner};
use proptest::prelude::*;

use crate::saga::goods::{ANN, BOB, GUEST, VARIANTS, item};
use crate::saga::world::Trouble;

/// How many products there are.
pub(super) const PRODUCTS: u128 = 3;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// One step of a life: time passes, then somebody wants something.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) tick: Tick,
    pub(super) wish: Wish,
    pub(super) trouble: Trouble,
}

/// How time passes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tick {
    Ms(u64),
    /// To the next deadline of anybody, or so many milliseconds before it.
    ToDeadline(u64),
}

/// What somebody wants. A `pick` chooses among what there is.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    /// The timers run.
    Wake,
    Reserve {
        owner: Owner,
        items: Vec<Item>,
    },
    Extend {
        pick: usize,
        ms: u64,
    },
    Release {
        pick: usize,
    },
    Confirm {
        pick: usize,
    },
    SetLine {
        owner: Owner,
        item: Item,
    },
    RemoveLine {
        owner: Owner,
        pick: usize,
    },
    EmptyCart {
        owner: Owner,
    },
    Merge {
        customer: Owner,
    },
    PlaceLines {
        owner: Owner,
        items: Vec<Item>,
        is_settled: bool,
    },
    PlaceCart {
        owner: Owner,
    },
    Pay {
        pick: usize,
        is_approved: bool,
    },
    MoneyCame {
        pick: usize,
        through: Through,
    },
    Cancel {
        pick: usize,
        by: By,
    },
    Fulfil {
        pick: usize,
    },
    Purchase {
        owner: Owner,
        item: Item,
    },
    Adjust {
        item: Item,
        is_more: bool,
    },
    Describe {
        product: u128,
        change: Change,
    },
    Delete {
        product: u128,
    },
}

/// One thing of a description.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Status(Status),
    ReserveOn(ReserveOn),
    PerOrder(Option<u32>),
    PerCustomer(Option<u32>),
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (tick(), wish(), trouble()).prop_map(|(tick, wish, trouble)| Step { tick, wish, trouble });
    prop::collection::vec(step, 1..60)
}

fn tick() -> impl Strategy<Value = Tick> {
    prop_oneof![
        40 => Just(Tick::Ms(0)),
        20 => (0..MINUTE).prop_map(Tick::Ms),
        10 => (0..10 * MINUTE).prop_map(Tick::Ms),
        10 => Just(Tick::ToDeadline(0)),
        6 => Just(Tick::ToDeadline(1)),
        1 => (0..8 * DAY).prop_map(Tick::Ms),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let seldom = |weight| prop::option::weighted(weight, 0..12_usize);
    let parts = (seldom(0.35), seldom(0.15), prop::bool::weighted(0.2), any::<bool>());
    parts.prop_map(|(crash_after, rival_from, is_repeating, is_reversed)| Trouble {
        crash_after,
        rival_from,
        is_repeating,
        is_reversed,
    })
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        10 => Just(Wish::Wake),
        30 => reservations(),
        50 => carts(),
        60 => orders(),
        6 => (owner(), an_item()).prop_map(|(owner, item)| Wish::Purchase { owner, item }),
        22 => administration(),
    ]
}

fn reservations() -> impl Strategy<Value = Wish> {
    let extend = (pick(), 0..40 * MINUTE).prop_map(|(pick, ms)| Wish::Extend { pick, ms });
    prop_oneof![
        4 => (owner(), items()).prop_map(|(owner, items)| Wish::Reserve { owner, items }),
        1 => extend,
        1 => pick().prop_map(|pick| Wish::Release { pick }),
        2 => pick().prop_map(|pick| Wish::Confirm { pick }),
    ]
}

fn carts() -> impl Strategy<Value = Wish> {
    let customer = prop::sample::select(vec![ANN, BOB]);
    prop_oneof![
        8 => (owner(), an_item()).prop_map(|(owner, item)| Wish::SetLine { owner, item }),
        2 => (owner(), pick()).prop_map(|(owner, pick)| Wish::RemoveLine { owner, pick }),
        1 => owner().prop_map(|owner| Wish::EmptyCart { owner }),
        2 => customer.prop_map(|customer| Wish::Merge { customer }),
    ]
}

fn orders() -> impl Strategy<Value = Wish> {
    let through = prop::sample::select(vec![Through::Gateway, Through::Elsewhere]);
    let lines = (owner(), items(), prop::bool::weighted(0.2))
        .prop_map(|(owner, items, is_settled)| Wish::PlaceLines { owner, items, is_settled });
    let by = prop::sample::select(vec![By::Owner, By::Admin]);
    prop_oneof![
        4 => lines,
        5 => owner().prop_map(|owner| Wish::PlaceCart { owner }),
        4 => (pick(), prop::bool::weighted(0.7)).prop_map(|(pick, is_approved)| Wish::Pay { pick, is_approved }),
        3 => (pick(), through).prop_map(|(pick, through)| Wish::MoneyCame { pick, through }),
        2 => (pick(), by).prop_map(|(pick, by)| Wish::Cancel { pick, by }),
        2 => pick().prop_map(|pick| Wish::Fulfil { pick }),
    ]
}

fn administration() -> impl Strategy<Value = Wish> {
    let status = prop::sample::select(vec![Status::Active, Status::Active, Status::Archived, Status::Draft]);
    let reserve_on = prop::sample::select(vec![ReserveOn::Cart, ReserveOn::Cart, ReserveOn::Checkout]);
    let limit = || prop::option::weighted(0.5, 2..8_u32);
    let change = prop_oneof![
        2 => status.prop_map(Change::Status),
        1 => reserve_on.prop_map(Change::ReserveOn),
        1 => limit().prop_map(Change::PerOrder),
        2 => limit().prop_map(Change::PerCustomer),
    ];
    prop_oneof![
        10 => (an_item(), prop::bool::weighted(0.75)).prop_map(|(item, is_more)| Wish::Adjust { item, is_more }),
        10 => (product(), change).prop_map(|(product, change)| Wish::Describe { product, change }),
        1 => product().prop_map(|product| Wish::Delete { product }),
    ]
}

fn owner() -> impl Strategy<Value = Owner> {
    prop::sample::select(vec![ANN, ANN, BOB, GUEST])
}

fn pick() -> impl Strategy<Value = usize> {
    0..64_usize
}

fn product() -> impl Strategy<Value = u128> {
    1..=PRODUCTS
}

fn an_item() -> impl Strategy<Value = Item> {
    (product(), 0..VARIANTS, 1..5_u32).prop_map(|(product, variant, units)| item(product, variant, units))
}

/// One to five lines; now and then a variant twice, which is refused.
fn items() -> impl Strategy<Value = Vec<Item>> {
    let distinct = prop::collection::vec(an_item(), 1..6).prop_map(|mut items| {
        let mut seen = std::collections::BTreeSet::new();
        items.retain(|item| seen.insert((item.product, item.variant)));
        items
    });
    prop_oneof![20 => distinct, 1 => prop::collection::vec(an_item(), 1..6)]
}
