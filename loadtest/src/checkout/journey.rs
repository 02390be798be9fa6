//! Journey: what one customer comes to do, step by step, drawn before they come.

use std::collections::VecDeque;

use crate::numbers::Chance;

const CART_LINES_MAX: u64 = 5;
const QUANTITY_MAX: u64 = 3;
const TTL_SECONDS_MAX: u64 = 3;
/// Of those who have a confirmed order, so many per cent are shipped, and so many refunded.
const SHIPPED_PERCENT: u64 = 5;
const REFUNDED_PERCENT: u64 = 3;
/// Of those who pay or confirm later, so many per cent leave little time.
const DAWDLING_PERCENT: u64 = 15;

/// One thing to do. Which product, cart, order or reservation it concerns is known when its turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Read a page of the catalogue.
    List,
    /// Read one product; the next `Add` takes that one.
    View,
    /// Put units into the cart.
    Add(u32),
    /// Set a line of the cart to so many units.
    Change(u32),
    /// Take a line out of the cart.
    Remove,
    /// Read the cart.
    Look,
    /// Order what is in the cart.
    OrderCart(Terms),
    /// Order so many lines without a cart.
    OrderLines(u32, Terms),
    /// Pay the order.
    Pay(Token),
    /// Cancel the order, as its buyer.
    Cancel,
    /// Read the order.
    Check,
    /// Do nothing for most of the time until the deadline of the order or reservation: it must still be there then.
    Dawdle,
    /// Do nothing until the deadline of the order or reservation has passed.
    Lapse,
    /// The payment provider says that the order was paid after all.
    Settle,
    /// An administrator cancels the order.
    Refund,
    /// An administrator ships the order.
    Fulfill,
    /// Reserve so many lines for so many seconds.
    Reserve(u32, u32),
    /// Move the reservation's deadline to so many seconds from now.
    Extend(u32),
    Confirm,
    Release,
    /// Buy units at once.
    Purchase(u32),
}

/// How an order is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) ttl_seconds: u32,
    /// Paid at once; else later or never.
    pub(super) payment: Option<Token>,
}

/// What the simulated payment is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Ok,
    Declined,
    Timeout,
}

impl Token {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "tok_ok",
            Self::Declined => "tok_declined",
            Self::Timeout => "tok_timeout",
        }
    }
}

/// Draws a journey: of a hundred customers so many do this, and so many that.
pub(super) fn draw(chance: &mut Chance) -> VecDeque<Step> {
    let kind = chance.between(0, 100);
    let is_from_cart = (0..50).contains(&kind);
    let mut steps = if is_from_cart { browse_and_fill(chance) } else { VecDeque::new() };
    match kind {
        0..28 => {
            order(&mut steps, is_from_cart, chance, true);
            after_sale(&mut steps, chance);
        }
        28..36 => {}
        36..40 | 62..66 => unpaid(&mut steps, is_from_cart, chance),
        40..44 | 66..70 => declined(&mut steps, is_from_cart, chance),
        44..47 | 70..73 => timed_out(&mut steps, is_from_cart, chance),
        47..50 | 73..76 => {
            order(&mut steps, is_from_cart, chance, false);
            steps.extend([Step::Cancel, Step::Check]);
        }
        50..62 => {
            order(&mut steps, is_from_cart, chance, true);
            after_sale(&mut steps, chance);
        }
        76..82 => late(&mut steps, chance),
        82..92 => reserved(&mut steps, chance),
        _ => steps.extend([Step::View, Step::Purchase(quantity(chance))]),
    }
    steps
}

fn quantity(chance: &mut Chance) -> u32 {
    u32::try_from(chance.between(1, QUANTITY_MAX + 1)).expect("at most three")
}

fn lines(chance: &mut Chance) -> u32 {
    u32::try_from(chance.between(1, CART_LINES_MAX + 1)).expect("at most five")
}

fn ttl_seconds(chance: &mut Chance) -> u32 {
    u32::try_from(chance.between(1, TTL_SECONDS_MAX + 1)).expect("at most three")
}

fn terms(chance: &mut Chance, payment: Option<Token>) -> Terms {
    Terms { ttl_seconds: ttl_seconds(chance), payment }
}

fn browse_and_fill(chance: &mut Chance) -> VecDeque<Step> {
    let mut steps = VecDeque::from([Step::List]);
    for _ in 0..lines(chance) {
        if chance.happens(40) {
            steps.push_back(Step::View);
        }
        steps.push_back(Step::Add(quantity(chance)));
    }
    if chance.happens(20) {
        steps.push_back(Step::Change(quantity(chance)));
    }
    if chance.happens(12) {
        steps.push_back(Step::Remove);
    }
    if chance.happens(30) {
        steps.push_back(Step::Look);
    }
    steps
}

/// Orders, and pays if so: half of these with the order itself.
fn order(steps: &mut VecDeque<Step>, is_from_cart: bool, chance: &mut Chance, is_paid: bool) {
    let is_paid_at_once = is_paid && chance.happens(50);
    let terms = terms(chance, is_paid_at_once.then_some(Token::Ok));
    steps.push_back(ordering(is_from_cart, terms, chance));
    if is_paid && !is_paid_at_once {
        dawdle(steps, chance);
        steps.push_back(Step::Pay(Token::Ok));
    }
}

fn dawdle(steps: &mut VecDeque<Step>, chance: &mut Chance) {
    if chance.happens(DAWDLING_PERCENT) {
        steps.push_back(Step::Dawdle);
    }
}

fn ordering(is_from_cart: bool, terms: Terms, chance: &mut Chance) -> Step {
    if is_from_cart { Step::OrderCart(terms) } else { Step::OrderLines(lines(chance), terms) }
}

fn after_sale(steps: &mut VecDeque<Step>, chance: &mut Chance) {
    if chance.happens(20) {
        steps.push_back(Step::Check);
    }
    if chance.happens(SHIPPED_PERCENT) {
        steps.push_back(Step::Fulfill);
    } else if chance.happens(REFUNDED_PERCENT) {
        steps.push_back(Step::Refund);
    }
}

fn unpaid(steps: &mut VecDeque<Step>, is_from_cart: bool, chance: &mut Chance) {
    order(steps, is_from_cart, chance, false);
    if chance.happens(25) {
        steps.extend([Step::Lapse, Step::Check]);
    }
}

fn declined(steps: &mut VecDeque<Step>, is_from_cart: bool, chance: &mut Chance) {
    let is_at_once = chance.happens(50);
    let terms = terms(chance, is_at_once.then_some(Token::Declined));
    steps.push_back(ordering(is_from_cart, terms, chance));
    if !is_at_once {
        steps.push_back(Step::Pay(Token::Declined));
    }
    // The lines are in the cart again: another card may do.
    if is_from_cart {
        steps.push_back(Step::Look);
        if chance.happens(50) {
            order(steps, true, chance, true);
        }
    }
}

fn timed_out(steps: &mut VecDeque<Step>, is_from_cart: bool, chance: &mut Chance) {
    let is_at_once = chance.happens(50);
    let terms = terms(chance, is_at_once.then_some(Token::Timeout));
    steps.push_back(ordering(is_from_cart, terms, chance));
    if !is_at_once {
        steps.push_back(Step::Pay(Token::Timeout));
    }
    if chance.happens(60) {
        steps.push_back(Step::Pay(Token::Ok));
    }
}

/// Too late: the buyer pays, or the payment provider says so, after the deadline; or a reservation is confirmed then.
fn late(steps: &mut VecDeque<Step>, chance: &mut Chance) {
    if chance.happens(30) {
        steps.extend([Step::Reserve(lines(chance), 1), Step::Lapse, Step::Confirm]);
        return;
    }
    let terms = Terms { ttl_seconds: 1, payment: None };
    steps.extend([Step::OrderLines(lines(chance), terms), Step::Lapse]);
    steps.push_back(if chance.happens(50) { Step::Settle } else { Step::Pay(Token::Ok) });
}

fn reserved(steps: &mut VecDeque<Step>, chance: &mut Chance) {
    steps.push_back(Step::Reserve(lines(chance), ttl_seconds(chance)));
    match chance.between(0, 10) {
        0..4 => {
            dawdle(steps, chance);
            steps.push_back(Step::Confirm);
        }
        4..6 => steps.push_back(Step::Release),
        6..8 => steps.extend([Step::Extend(ttl_seconds(chance)), Step::Confirm]),
        8 => steps.push_back(Step::Extend(ttl_seconds(chance))),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_taken_by_somebody() {
        let mut chance = Chance::new(1);
        let taken: Vec<Step> = (0..2_000).flat_map(|_| draw(&mut chance)).collect();
        let is_taken = |wanted: fn(&Step) -> bool| taken.iter().any(wanted);
        for step in [Step::List, Step::View, Step::Remove, Step::Look, Step::Cancel, Step::Check, Step::Lapse]
        {
            assert!(taken.contains(&step), "{step:?}");
        }
        for step in [Step::Settle, Step::Refund, Step::Fulfill, Step::Confirm, Step::Release] {
            assert!(taken.contains(&step), "{step:?}");
        }
        for token in [Token::Ok, Token::Declined, Token::Timeout] {
            assert!(taken.contains(&Step::Pay(token)), "{token:?}");
        }
        assert!(is_taken(|step| matches!(step, Step::Change(_))));
        assert!(is_taken(|step| matches!(
            step,
            Step::OrderCart(Terms { payment: Some(Token::Declined), .. })
        )));
        assert!(is_taken(|step| matches!(
            step,
            Step::OrderLines(5, Terms { payment: Some(Token::Timeout), .. })
        )));
        assert!(is_taken(|step| matches!(step, Step::Reserve(..))));
        assert!(is_taken(|step| matches!(step, Step::Extend(3))));
        assert!(is_taken(|step| matches!(step, Step::Purchase(1))));
    }
}
