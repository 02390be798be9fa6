//! The rules of a product, and of those who own what it holds, as diaries of a shop. How a line reads is told at
//! [`story::teller::tell`].

mod story {
    pub(crate) mod office;
    pub(crate) mod shop;

    mod answer;
    mod ask;
    mod teller;
    mod variants;
    mod words;
}

/// One product.
mod diary {
    mod catalogue;
    mod endings;
    mod holds;
    mod limits;
    mod orders;
    mod reholds;
    mod repeats;
    mod runner;
    mod stocktaking;
    mod variants;
}

/// Reservations, carts and orders.
mod owners {
    mod carts;
    mod checkouts;
    mod deadlines;
    mod endings;
    mod lists;
    mod orders;
    mod payments;
}
