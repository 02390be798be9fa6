//! What a text is kept under.

use std::fmt;

use holdfast_actors::catalogue::Generation;
use holdfast_actors::persistence::Ticket;

/// What was asked, of which generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    edition: Edition,
    /// Of what was asked, in one form for all ways to ask it.
    query: [u8; blake3::OUT_LEN],
}

/// The generation, as far as the list depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Edition {
    Products(u64),
    /// Of a list that is filtered by stock.
    ProductsByStock(u64, u64),
    Categories(u64),
}

impl Key {
    /// A page of products; `is_by_stock` when it depends on who is sold out.
    #[must_use]
    pub fn of_products(generation: Generation, is_by_stock: bool, query: &str) -> Self {
        let Generation { listing, stock } = generation;
        let edition =
            if is_by_stock { Edition::ProductsByStock(listing, stock) } else { Edition::Products(listing) };
        Self { edition, query: *blake3::hash(query.as_bytes()).as_bytes() }
    }

    /// The tree of categories as it was after the turn of that ticket.
    #[must_use]
    pub fn of_categories(ticket: Ticket, query: &str) -> Self {
        Self {
            edition: Edition::Categories(ticket.number()),
            query: *blake3::hash(query.as_bytes()).as_bytes(),
        }
    }

    /// The name in Redis, in that life of the process.
    pub(super) fn name(&self, life: &str) -> String {
        format!("holdfast:list:{life}:{}:{}", self.edition, blake3::Hash::from_bytes(self.query).to_hex())
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Products(listing) => write!(out, "p{listing}"),
            Self::ProductsByStock(listing, stock) => write!(out, "p{listing}s{stock}"),
            Self::Categories(ticket) => write!(out, "c{ticket}"),
        }
    }
}
