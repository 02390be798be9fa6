//! The steps between owners and products: each saga works, may be told twice, may fail anywhere and be undone, and may
//! be cut by a crash anywhere and mended. Then all of them at random.

/// A world of products and owners, and what supervisors do in it.
mod saga {
    pub(crate) mod carts;
    pub(crate) mod flows;
    pub(crate) mod goods;
    pub(crate) mod world;
}

/// Holds of several products in the making.
mod taking {
    mod fresh;
    mod handover;
}
/// Crashes, and what recovery makes of them.
mod mending {
    mod crashes;
    mod scenes;
    mod unmet;
}

/// Random lives of such a world.
mod random {
    mod life;
    mod wish;
}
