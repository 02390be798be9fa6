//! What must never happen panics: books that an event does not fit are wrong, and we do not run on wrong books.

use std::sync::Arc;

use holdfast_domain::hold::{Hold, State};
use holdfast_domain::order::{self, Placed, Source};
use holdfast_domain::product::VariantNo;
use holdfast_domain::saga::Books;
use holdfast_domain::{
    AccountId, CartId, Currency, Item, Millis, Money, OrderId, Owner, ProductId, Quantity, ReservationId,
    Timestamp, cart, reservation,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const ANN: Owner = Owner::Account(AccountId(1));
const ID: ReservationId = ReservationId(1);

#[test]
#[should_panic(expected = "INV-3: a reservation is closed at most once")]
fn hold_that_closes_twice_is_a_bug() {
    let mut hold = Hold::new(NOW.after(Millis(1)), NOW);
    hold.close(State::Released);
    hold.close(State::Expired);
}

#[test]
#[should_panic(expected = "INV-3: a reservation is closed at most once")]
fn release_of_a_confirmed_reservation_is_a_bug() {
    let mut books = reserved();
    let order = OrderId(7);
    let placed = Arc::new(placed());
    books.apply_reservation(ID, &reservation::Event::Confirmed { order, placed }, NOW, 1);
    books.apply_reservation(ID, &reservation::Event::Released, NOW, 2);
}

#[test]
#[should_panic(expected = "only what was made changes")]
fn end_of_a_reservation_that_never_was_is_a_bug() {
    Books::default().apply_reservation(ID, &reservation::Event::Released, NOW, 1);
}

#[test]
#[should_panic(expected = "only what was placed changes")]
fn change_of_an_order_that_never_was_is_a_bug() {
    Books::default().apply_order(OrderId(1), &order::Event::Fulfilled, NOW, 1);
}

#[test]
#[should_panic(expected = "only what is open closes")]
fn end_of_a_cart_that_never_was_is_a_bug() {
    Books::default().apply_cart(CartId(1), &cart::Event::Closed { to: None }, NOW);
}

#[test]
#[should_panic(expected = "only a line that is held is renewed or lapses")]
fn lapse_of_a_line_that_is_not_held_is_a_bug() {
    let mut books = Books::default();
    books.apply_cart(CartId(1), &cart::Event::Opened { owner: ANN }, NOW);
    books.apply_cart(CartId(1), &cart::Event::LineSet { item: item(), held: None }, NOW);
    books.apply_cart(CartId(1), &cart::Event::Lapsed { lines: vec![(ProductId(1), VariantNo(0))] }, NOW);
}

fn reserved() -> Books {
    let mut books = Books::default();
    let (owner, items, deadline) = (ANN, vec![item()], NOW.after(Millis(1000)));
    let event = reservation::Event::Reserved { owner, items, deadline, reference: None, metadata: None };
    books.apply_reservation(ID, &event, NOW, 0);
    books
}

fn item() -> Item {
    let quantity = Quantity::new(3).expect("in range");
    Item { product: ProductId(1), variant: VariantNo(0), quantity }
}

fn placed() -> Placed {
    Placed {
        owner: ANN,
        source: Source::Lines,
        hold: ID,
        lines: Vec::new(),
        currency: Currency::new("EUR").expect("three capitals"),
        subtotal: Money(0),
        discount: Money(0),
        total: Money(0),
        email: None,
        shipping_address: None,
        deadline: None,
        taken_over: Vec::new(),
    }
}
