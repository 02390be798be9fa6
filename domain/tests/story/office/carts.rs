//! Carts in a story.

use holdfast_domain::cart::{Cart, CartLine, Event};
use holdfast_domain::hold::State;
use holdfast_domain::product::VariantNo;
use holdfast_domain::{CartId, Item, ProductId};

use super::items::{items_text, letter, name, one_item, place, ttl};
use super::{Fact, Office};
use crate::story::teller::Outcome;
use crate::story::words::{self, Words, time_text};

pub(super) fn live(office: &mut Office, verb: &str, words: &mut Words<'_>) -> Option<Outcome> {
    if verb == "cart" && words.take("of") {
        let found = office.books.carts.of(words::owner(words.next()));
        return Some(Outcome::to_be_told(found.map_or("none".into(), |(CartId(id), _)| format!("${id}"))));
    }
    let id = words::cart(words.next_if(|word| word.starts_with('$'))?);
    if let Some(text) = look(office, verb, id) {
        return Some(Outcome::to_be_told(text));
    }
    let events = match verb {
        "open" => vec![Event::Opened { owner: words.owner() }],
        "set" => {
            let item = one_item(words);
            let held = words.take("as").then(|| words::reservations(words.next())[0]);
            known(office, id).decide_set(item, held, &ttl, office.now)
        }
        "remove" => {
            let (product, variant) = place(words.variant());
            known(office, id).decide_remove(product, variant, &ttl, office.now)
        }
        "empty" => vec![Event::Emptied],
        "absorb" => vec![Event::Absorbed { from: words::cart(words.next()) }],
        "close" => vec![Event::Closed { to: words.take("into").then(|| words::cart(words.next())) }],
        _ => return None,
    };
    for event in events {
        office.take(Fact::Cart(id, event));
    }
    Some(Outcome::success("done"))
}

/// Lets lines lapse and carts end.
pub(super) fn sweep(office: &mut Office) -> Vec<String> {
    let decide = |(id, cart): (CartId, &Cart)| (id, cart.decide_expire(office.now));
    let due: Vec<_> = office.books.carts.iter().map(decide).collect();
    let mut ended = Vec::new();
    for (id, events) in due {
        for event in events {
            ended.push(match &event {
                Event::Lapsed { lines } => format!("${} lapsed {}", id.0, letters(lines)),
                Event::Closed { to: None } => format!("${} closed", id.0),
                other => panic!("a lapse or an end, not {other:?}"),
            });
            office.take(Fact::Cart(id, event));
        }
    }
    ended
}

fn look(office: &Office, verb: &str, id: CartId) -> Option<String> {
    let cart = office.books.carts.get(id);
    Some(match (verb, cart) {
        ("cart" | "held" | "name" | "version" | "deadline" | "end", None) => "none".into(),
        ("cart", Some(cart)) => text(cart),
        ("held", Some(cart)) => held(cart),
        ("name", Some(cart)) => cart.hold.map_or("none".into(), name),
        ("version", Some(cart)) => cart.version.to_string(),
        ("deadline", Some(cart)) => time_text(cart.next_deadline()),
        ("end", Some(cart)) => time_text(cart.expires_at()),
        _ => return None,
    })
}

/// `3 A until 12:15, 2 B not held, 1 C lapsed`.
fn text(cart: &Cart) -> String {
    let line = |line: &CartLine| {
        let item = items_text([&line.item]);
        match line.hold.map(|hold| (hold.state, hold.deadline)) {
            Some((State::Active, deadline)) => format!("{item} until {}", time_text(deadline)),
            Some((State::Expired, _)) => format!("{item} lapsed"),
            Some((state, _)) => panic!("a line of a cart is never {state:?}"),
            None => format!("{item} not held"),
        }
    };
    if cart.lines.is_empty() { "empty".into() } else { join(cart.lines.iter().map(line)) }
}

/// `3 A, 1 C as #1`: what products must hold.
fn held(cart: &Cart) -> String {
    let by_product = cart.held();
    for product in (1..=4).map(ProductId) {
        let lines = by_product.get(&product).cloned().unwrap_or_default();
        assert_eq!(cart.held_of(product), lines, "one product's part of the whole");
    }
    let items = by_product.into_iter().flat_map(|(product, lines)| {
        let item = move |line: holdfast_domain::product::Line| Item {
            product,
            variant: line.variant,
            quantity: line.quantity,
        };
        lines.into_iter().map(item)
    });
    let items: Vec<_> = items.collect();
    match cart.hold {
        Some(hold) if !items.is_empty() => format!("{} as {}", items_text(&items), name(hold)),
        _ => {
            assert!(items.is_empty(), "held units have a name");
            "nothing".into()
        }
    }
}

fn letters(lines: &[(ProductId, VariantNo)]) -> String {
    join(lines.iter().map(|(product, variant)| letter(*product, *variant).to_string()))
}

fn join(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}

fn known(office: &Office, id: CartId) -> &Cart {
    office.books.carts.get(id).expect("stories change carts that are open")
}
