//! How long units may be held, and how much a cart may have: the bounds that stories cannot reach.

use holdfast_domain::cart::{Cart, Event, LINES_MAX};
use holdfast_domain::hold::{Hold, LIFE_MAX, Refusal, Verdict};
use holdfast_domain::order::{self, OrderLine, Placed, Source};
use holdfast_domain::product::VariantNo;
use holdfast_domain::saga::Books;
use holdfast_domain::{
    AccountId, CartId, Currency, Item, Millis, Money, OrderId, Owner, ProductId, Quantity, ReservationId,
    Sku, Timestamp,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const ANN: Owner = Owner::Account(AccountId(1));
const CART: CartId = CartId(1);
const MINUTE: u64 = 60_000;

#[test]
fn renewal_never_cuts_a_hold_short_nor_lets_it_outlive_its_hour() {
    let hold = Hold::new(NOW.after(Millis(30 * MINUTE)), NOW);
    let renewed = |span, after| hold.renewed(Millis(span * MINUTE), NOW.after(Millis(after * MINUTE)));
    assert_eq!(renewed(5, 1), hold.deadline, "a product whose span became shorter");
    assert_eq!(renewed(30, 1), NOW.after(Millis(31 * MINUTE)));
    assert_eq!(renewed(60, 29), NOW.after(LIFE_MAX));
    assert_eq!(renewed(1_000_000, 0), NOW.after(LIFE_MAX));
}

#[test]
fn deadline_at_the_end_of_time_does_not_overflow() {
    let late = Timestamp(u64::MAX - 1);
    assert_eq!(Hold::check_deadline(Timestamp(u64::MAX), late), Ok(()));
    assert_eq!(Hold::check_deadline(late, late), Err(Refusal::DeadlineOutOfRange));
    assert_eq!(Hold::new(Timestamp(u64::MAX), late).decide_confirm(late), Ok(Verdict::Go(())));
}

/// A cart that was only just thought of follows the same events as one in the books.
#[test]
fn cart_that_is_not_open_yet_can_be_tried() {
    let mut tried = Cart::unopened(ANN);
    assert_eq!((tried.version, tried.lines.len(), tried.hold), (0, 0, None));
    let events = tried.decide_set(item(1), Some(ReservationId(9)), &|_| Millis(MINUTE), NOW);
    events.iter().for_each(|event| tried.apply(event, NOW));

    let mut books = Books::default();
    books.apply_cart(CART, &Event::Opened { owner: ANN }, NOW);
    events.iter().for_each(|event| books.apply_cart(CART, event, NOW));
    let cart = books.carts.get(CART).expect("open");
    assert_eq!((&tried.lines, tried.hold, tried.held()), (&cart.lines, cart.hold, cart.held()));
    assert_eq!((tried.version, cart.version), (1, 2));
}

#[test]
fn full_cart_takes_nothing_back() {
    let mut books = Books::default();
    books.apply_cart(CART, &Event::Opened { owner: ANN }, NOW);
    let count = u128::try_from(LINES_MAX).expect("few");
    let set = |books: &mut Books, product| {
        books.apply_cart(CART, &Event::LineSet { item: item(product), held: None }, NOW);
    };
    (1..=count).for_each(|product| set(&mut books, product));
    books.apply_placed(OrderId(1), &std::sync::Arc::new(placed(1..=count)), NOW, 0);
    assert!(books.carts.get(CART).expect("open").lines.is_empty());

    // All but one of a hundred others; then one of those that were ordered.
    (1001..1000 + count).for_each(|product| set(&mut books, product));
    set(&mut books, 50);
    let declined = order::Event::Canceled { why: order::Cancelation::Declined, reason: None };
    books.apply_order(OrderId(1), &declined, NOW, 0);
    let cart = books.carts.get(CART).expect("open");
    assert_eq!(cart.lines.len(), LINES_MAX);
    let sum = cart.line(ProductId(50), VariantNo(0)).expect("it was there").item.quantity.get();
    assert_eq!(sum, 2, "what is there adds up all the same");
}

fn item(product: u128) -> Item {
    let quantity = Quantity::new(1).expect("in range");
    Item { product: ProductId(product), variant: VariantNo(0), quantity }
}

fn placed(products: impl Iterator<Item = u128>) -> Placed {
    let line = |product| OrderLine {
        item: item(product),
        sku: Sku::new("lamp").expect("well formed"),
        name: "Lamp".into(),
        unit_price: Money(1),
        total: Money(1),
        breakdown: Vec::new(),
    };
    Placed {
        owner: ANN,
        source: Source::Cart(CART),
        hold: ReservationId(1),
        lines: products.map(line).collect(),
        currency: Currency::new("EUR").expect("three capitals"),
        subtotal: Money(100),
        discount: Money(0),
        total: Money(100),
        email: None,
        shipping_address: None,
        deadline: Some(NOW.after(Millis(MINUTE))),
        taken_over: Vec::new(),
    }
}
