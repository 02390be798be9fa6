//! Customer: somebody on a journey, and the requests that take them further.
//!
//! Knows what they put into their cart and what they own; what an answer means is said in `hear`.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::numbers::Chance;
use crate::shop::orders::{self, Lines, OrderStatus};
use crate::wall_clock::UnixMs;

use super::catalogue::Catalogue;
use super::journey::{Step, Terms, Token};

/// So long after a deadline the server must have noticed: its clock counts in milliseconds.
const LAPSED_MS: UnixMs = 20;
const LIST_ROWS: u32 = 10;
/// Of the additions to a cart, so many per cent name the product and not the sku.
const BY_PRODUCT_PERCENT: u64 = 30;
/// Of the lines of an order without a cart, so many per cent are of two units and not of one.
const DOUBLE_PERCENT: u64 = 30;

/// One guest.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) steps: VecDeque<Step>,
    pub(super) cart: Lines,
    /// The last order they made.
    pub(super) order: Option<Owned<OrderStatus>>,
    pub(super) reservation: Option<Owned<()>>,
    /// The product they looked at last: id and sku.
    eye: Option<(String, String)>,
}

/// An order or a reservation of theirs.
#[derive(Debug, Clone)]
pub(super) struct Owned<Status> {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) lines: Lines,
    pub(super) deadline: Option<UnixMs>,
    /// Paying it in vain brings its lines back into the cart.
    pub(super) is_from_cart: bool,
}

/// One request, before it is bytes.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) step: Step,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    pub(super) sender: By,
    /// The lines it concerns: of the cart as it will be, of the order or the reservation.
    pub(super) lines: Lines,
    /// The order or reservation it concerns, if there is one already.
    pub(super) subject: String,
}

/// In whose name a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Guest,
    Admin,
}

/// What a customer does next.
#[derive(Debug)]
pub(super) enum Move {
    Ask(Ask),
    /// Nothing until then.
    Wait(UnixMs),
    Leave,
}

/// What a request needs that is not the customer's own.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) chance: &'a mut Chance,
    pub(super) now: UnixMs,
    /// Written into whatever the request makes.
    pub(super) mark: &'a str,
}

impl Customer {
    pub(super) fn new(steps: VecDeque<Step>) -> Self {
        Self { steps, cart: Lines::new(), order: None, reservation: None, eye: None }
    }

    /// Takes steps until one needs a request or time.
    pub(super) fn next_move(&mut self, around: &mut Surroundings<'_>) -> Move {
        while let Some(step) = self.steps.pop_front() {
            if let Step::Lapse | Step::Dawdle = step {
                let Some(deadline) = self.deadline() else { continue };
                let left = deadline.saturating_sub(around.now);
                let is_lapse = step == Step::Lapse;
                return Move::Wait(if is_lapse { deadline + LAPSED_MS } else { around.now + left / 4 * 3 });
            } else if let Some(ask) = self.ask(step, around) {
                return Move::Ask(ask);
            }
        }
        Move::Leave
    }

    fn deadline(&self) -> Option<UnixMs> {
        let of_order = self.order.as_ref().and_then(|order| order.deadline);
        of_order.or(self.reservation.as_ref().and_then(|reservation| reservation.deadline))
    }

    /// The request of `step`; `None` when what it concerns is not there.
    fn ask(&mut self, step: Step, around: &mut Surroundings<'_>) -> Option<Ask> {
        match step {
            Step::List | Step::View => Some(self.browse(step, around)),
            Step::Add(_) | Step::Change(_) | Step::Remove | Step::Look => self.fill(step, around),
            Step::OrderCart(terms) => Some(self.order(step, None, terms, around)),
            Step::OrderLines(count, terms) => {
                let lines = choose_lines(count, around);
                Some(self.order(step, Some(lines), terms, around))
            }
            Step::Pay(_) | Step::Cancel | Step::Check | Step::Settle | Step::Refund | Step::Fulfill => {
                self.follow_up(step)
            }
            Step::Reserve(count, ttl_seconds) => {
                let lines = choose_lines(count, around);
                let body = json!({
                    "lines": orders::body_of(&lines), "ttl_seconds": ttl_seconds, "reference": around.mark,
                });
                Some(Ask { body: Some(body), lines, ..ask(step, "POST", "/api/v1/reservations".into()) })
            }
            Step::Extend(_) | Step::Confirm | Step::Release => self.of_reservation(step),
            Step::Purchase(quantity) => Some(self.purchase(step, quantity, around)),
            Step::Dawdle | Step::Lapse => None,
        }
    }

    fn browse(&mut self, step: Step, around: &mut Surroundings<'_>) -> Ask {
        if step == Step::List {
            return ask(step, "GET", format!("/api/v1/products?limit={LIST_ROWS}"));
        }
        let product = around.catalogue.choose(around.chance);
        self.eye = Some((product.id.clone(), product.sku.clone()));
        ask(step, "GET", format!("/api/v1/products/{}", product.id))
    }

    /// The product they looked at, or any.
    fn choose(&mut self, around: &mut Surroundings<'_>) -> (String, String) {
        self.eye.take().unwrap_or_else(|| {
            let product = around.catalogue.choose(around.chance);
            (product.id.clone(), product.sku.clone())
        })
    }

    fn fill(&mut self, step: Step, around: &mut Surroundings<'_>) -> Option<Ask> {
        let mut lines = self.cart.clone();
        if let Step::Add(quantity) = step {
            let (id, sku) = self.choose(around);
            let body = if around.chance.happens(BY_PRODUCT_PERCENT) {
                json!({ "product_id": id, "quantity": quantity })
            } else {
                json!({ "sku": sku, "quantity": quantity })
            };
            *lines.entry(sku).or_default() += quantity;
            return Some(Ask { body: Some(body), lines, ..ask(step, "POST", "/api/v1/cart/items".into()) });
        }
        if step == Step::Look {
            return Some(Ask { lines, ..ask(step, "GET", "/api/v1/cart".into()) });
        }
        if lines.is_empty() {
            return None;
        }
        let sku = lines.keys().nth(around.chance.index(lines.len()))?.clone();
        let path = format!("/api/v1/cart/items/{sku}");
        if let Step::Change(quantity) = step {
            lines.insert(sku, quantity);
            return Some(Ask {
                body: Some(json!({ "quantity": quantity })),
                lines,
                ..ask(step, "PUT", path)
            });
        }
        lines.remove(&sku);
        Some(Ask { lines, ..ask(step, "DELETE", path) })
    }

    /// Of these lines, or of the cart.
    fn order(
        &mut self,
        step: Step,
        lines: Option<Lines>,
        terms: Terms,
        around: &mut Surroundings<'_>,
    ) -> Ask {
        // What follows concerns this order, or none when it is refused.
        self.order = None;
        let mut body =
            json!({ "email": format!("{}@example.com", around.mark), "ttl_seconds": terms.ttl_seconds });
        if let Some(lines) = &lines {
            body["lines"] = orders::body_of(lines);
        }
        if let Some(token) = terms.payment {
            body["payment"] = payment(token);
        }
        let lines = lines.unwrap_or_else(|| self.cart.clone());
        Ask { body: Some(body), lines, ..ask(step, "POST", "/api/v1/orders".into()) }
    }

    fn follow_up(&self, step: Step) -> Option<Ask> {
        let order = self.order.as_ref()?;
        let (wanted, verb, sender) = match step {
            Step::Pay(_) => (OrderStatus::PendingPayment, "/pay", By::Guest),
            Step::Cancel => (OrderStatus::PendingPayment, "/cancel", By::Guest),
            Step::Settle => (OrderStatus::PendingPayment, "/confirm", By::Admin),
            Step::Refund => (OrderStatus::Confirmed, "/cancel", By::Admin),
            Step::Fulfill => (OrderStatus::Confirmed, "/fulfill", By::Admin),
            _ => (order.status, "", By::Guest),
        };
        if order.status != wanted {
            return None;
        }
        let body = match step {
            Step::Pay(token) => Some(payment(token)),
            Step::Cancel | Step::Refund => Some(json!({ "reason": "changed my mind" })),
            Step::Settle => Some(json!({ "payment_reference": "late" })),
            _ => None,
        };
        let method = if step == Step::Check { "GET" } else { "POST" };
        let path = format!("/api/v1/orders/{}{verb}", order.id);
        let (lines, subject) = (order.lines.clone(), order.id.clone());
        Some(Ask { body, sender, lines, subject, ..ask(step, method, path) })
    }

    fn of_reservation(&self, step: Step) -> Option<Ask> {
        let reservation = self.reservation.as_ref()?;
        let (verb, body) = match step {
            Step::Extend(ttl_seconds) => ("extend", Some(json!({ "ttl_seconds": ttl_seconds }))),
            Step::Confirm => ("confirm", None),
            _ => ("release", None),
        };
        let path = format!("/api/v1/reservations/{}/{verb}", reservation.id);
        let (lines, subject) = (reservation.lines.clone(), reservation.id.clone());
        Some(Ask { body, lines, subject, ..ask(step, "POST", path) })
    }

    fn purchase(&mut self, step: Step, quantity: u32, around: &mut Surroundings<'_>) -> Ask {
        let (id, sku) = self.choose(around);
        let lines = Lines::from([(sku, quantity)]);
        let body = Some(json!({ "quantity": quantity }));
        Ask { body, lines, ..ask(step, "POST", format!("/api/v1/products/{id}/purchase")) }
    }
}

/// A request in the customer's own name, with nothing but an address.
fn ask(step: Step, method: &'static str, path: String) -> Ask {
    let (lines, subject) = (Lines::new(), String::new());
    Ask { step, method, path, body: None, sender: By::Guest, lines, subject }
}

fn payment(token: Token) -> Value {
    json!({ "method": "simulated", "token": token.name() })
}

/// Up to `count` lines; popular products are drawn again and then stand in one line.
fn choose_lines(count: u32, around: &mut Surroundings<'_>) -> Lines {
    let mut line = || {
        let sku = around.catalogue.choose(around.chance).sku.clone();
        (sku, if around.chance.happens(DOUBLE_PERCENT) { 2 } else { 1 })
    };
    (0..count).map(|_| line()).collect()
}

impl Ask {
    /// Whether asking again without a key does no harm.
    pub(super) fn is_read(&self) -> bool {
        self.method == "GET"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::Product;

    fn moves(customer: &mut Customer) -> Vec<String> {
        let product = Product { id: "prod_1".into(), sku: "a".into(), stock: 9 };
        let (catalogue, mut chance) = (Catalogue::new(vec![product]), Chance::new(1));
        let mut around = Surroundings { catalogue: &catalogue, chance: &mut chance, now: 200, mark: "lt-1" };
        let mut moves = Vec::new();
        loop {
            match customer.next_move(&mut around) {
                Move::Ask(ask) => moves.push(format!("{} {}", ask.method, ask.path)),
                Move::Wait(until) => moves.push(format!("wait until {until}")),
                Move::Leave => return moves,
            }
        }
    }

    #[test]
    fn steps_without_a_subject_are_left_out() {
        let terms = Terms { ttl_seconds: 1, payment: None };
        let steps = [Step::Change(1), Step::Remove, Step::Pay(Token::Ok), Step::Lapse, Step::Confirm];
        assert!(moves(&mut Customer::new(steps.into())).is_empty());
        // An empty cart is ordered all the same: the server must say no.
        let mut customer = Customer::new([Step::OrderCart(terms)].into());
        assert_eq!(moves(&mut customer), ["POST /api/v1/orders"]);
    }

    #[test]
    fn follow_ups_concern_the_order_as_it_stands() {
        let steps = [Step::Dawdle, Step::Pay(Token::Ok), Step::Fulfill, Step::Lapse, Step::Check];
        let mut customer = Customer::new(steps.into());
        let lines = Lines::from([("a".to_owned(), 1)]);
        let (id, status) = ("ord_1".to_owned(), OrderStatus::PendingPayment);
        customer.order = Some(Owned { id, status, lines, deadline: Some(1_000), is_from_cart: false });
        let expected = [
            "wait until 800",
            "POST /api/v1/orders/ord_1/pay",
            "wait until 1020",
            "GET /api/v1/orders/ord_1",
        ];
        assert_eq!(moves(&mut customer), expected);
    }

    #[test]
    fn removal_of_the_last_line_leaves_an_empty_cart() {
        let mut customer = Customer::new([Step::Remove].into());
        customer.cart = Lines::from([("a".to_owned(), 1)]);
        let product = Product { id: "prod_1".into(), sku: "a".into(), stock: 9 };
        let (catalogue, mut chance) = (Catalogue::new(vec![product]), Chance::new(1));
        let mut around = Surroundings { catalogue: &catalogue, chance: &mut chance, now: 200, mark: "lt-1" };
        let Move::Ask(ask) = customer.next_move(&mut around) else { panic!("there is a line to remove") };
        assert_eq!((ask.method, ask.path.as_str()), ("DELETE", "/api/v1/cart/items/a"));
        assert!(ask.lines.is_empty());
    }
}
