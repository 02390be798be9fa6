//! A page by way of the cache: its words are kept, its figures are those of now.

use holdfast_actors::engine::{Listed, ProductPage};
use holdfast_actors::{Engine, Failure, ProductFacts};

use serde::Serialize;

use super::{Asked, Body, load, mark, whole};
use crate::cache::{Key, ListingCache, Text, Verdict, with_holes};
use crate::http::cursor::Cursors;
use crate::http::view;

/// How often a text is taken that turns out to be about to change, before the page is made without the cache.
const ATTEMPTS_MAX: usize = 2;

/// What follows the products of a [`super::Page`].
#[derive(Serialize)]
struct Rest<'a> {
    next_cursor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

/// The same as [`whole`], byte for byte, and where it came from.
pub(super) async fn answer(
    cache: &ListingCache,
    engine: &Engine,
    asked: &Asked,
    cursors: &Cursors,
) -> Result<(Body, Verdict), Failure> {
    let wanted = &asked.wanted;
    // With whatever else decides what is on the page. The cursor as it was packed: keys may have changed since.
    let query = format!("{}&{:?}", asked.list, (&wanted.after, wanted.count, wanted.wants_total));
    for _ in 0..ATTEMPTS_MAX {
        // The generation first: whatever is loaded under it has all that was answered before.
        let key = Key::of_products(engine.list_generation(), wanted.in_stock.is_some(), &query);
        let (text, verdict) = cache.get(key, async { Ok(text(&load(engine, asked).await?)) }).await?;
        if let Some(units) = engine.available(text.products(), wanted.in_stock).await? {
            return Ok((body(&text, &units, asked, cursors), verdict));
        }
        // A turn is between publishing what it did and raising the generation, or has done so by now.
    }
    Ok((whole(engine, asked, cursors).await?, Verdict::Miss))
}

fn text(page: &ProductPage) -> Text {
    let views: Vec<_> = page.products.iter().map(view::Product::with_holes).collect();
    let listed = page.products.iter().map(listed).collect();
    Text::new(with_holes(&views), listed, page.next.as_ref().map(mark::pack), page.total)
        .expect("a view has a hole for each figure")
}

fn listed(facts: &ProductFacts) -> Listed {
    Listed { id: facts.id, version: facts.version, variants: facts.variants.len() }
}

fn body(text: &Text, units: &[u32], asked: &Asked, cursors: &Cursors) -> Body {
    // Made anew each time: the secret behind cursors may change.
    let next_cursor = text.next().map(|mark| cursors.encode(&asked.list, mark));
    let rest = Rest { next_cursor: next_cursor.as_deref(), total: text.total() };
    let rest = serde_json::to_vec(&rest).expect("a view has string keys and plain values");
    let mut bytes = b"{\"data\":".to_vec();
    text.fill(units, &mut bytes);
    bytes.push(b',');
    // The rest's members are the page's own.
    bytes.extend_from_slice(&rest[1..]);
    Body { bytes, next_cursor }
}
