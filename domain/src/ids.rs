//! Identities: 128 bits each, made by the shell, never by the core.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u128);
    };
}

id! {
    /// A product, with all its variants.
    ProductId
}
id! {
    /// A hold on units with a deadline.
    ReservationId
}
id! {
    /// An order: the owner of committed units.
    OrderId
}
id! {
    /// A cart: what somebody means to buy.
    CartId
}
id! {
    /// A category of the catalogue.
    CategoryId
}
id! {
    /// A person who can log in.
    AccountId
}
id! {
    /// A rule of the price list.
    RuleId
}
id! {
    /// Who buys, as far as limits per customer are concerned: a digest of the account or guest session.
    Buyer
}
