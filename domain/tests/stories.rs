//! The rules of a product as a shop's diary. How a line reads is told at [`story::shop::check`].

mod story {
    pub(crate) mod shop;

    mod answer;
    mod ask;
    mod words;
}

mod diary {
    mod catalogue;
    mod deadlines;
    mod endings;
    mod holds;
    mod limits;
    mod orders;
    mod runner;
    mod stocktaking;
}
