//! Holes and seals, and that equal requests load once.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::rt::{self, spawn};
use futures_util::future::join_all;
use holdfast_actors::catalogue::Generation;
use holdfast_actors::domain::ProductId;
use holdfast_actors::engine::Listed;
use serde::Serialize;
use tokio::sync::oneshot;

use super::sealed::{Seal, Unreadable};
use super::*;

const NAME: &str = "holdfast:list:life:p1:digest";
const MEMORY: u64 = 1 << 20;

#[derive(Serialize)]
struct Ware {
    name: String,
    available: Hole,
    variants: Vec<Hole>,
}

fn listed(id: u128, variants: usize) -> Listed {
    Listed { id: ProductId(id), version: 7, variants }
}

fn text_of(names: &[&str]) -> Text {
    let ware = |name: &&str| Ware { name: (*name).to_owned(), available: Hole, variants: vec![Hole, Hole] };
    let bytes = with_holes(&names.iter().map(ware).collect::<Vec<_>>());
    let products = (1..).zip(names).map(|(id, _)| listed(id, 2)).collect();
    Text::new(bytes, products, Some(vec![1, 2, 3]), Some(9)).expect("three holes each")
}

fn filled(text: &Text, units: &[u32]) -> String {
    let mut body = b">".to_vec();
    text.fill(units, &mut body);
    String::from_utf8(body).expect("JSON is text")
}

/// A text that is deflated.
fn large() -> Text {
    let names: Vec<String> = (0..200).map(|number| format!("a ware of some name, number {number}")).collect();
    text_of(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn key(listing: u64, query: &str) -> Key {
    Key::of_products(Generation { listing, stock: 0 }, false, query)
}

#[test]
fn holes_are_filled_with_the_sum_and_each_variant() {
    // Names that look like holes, to somebody who looks badly.
    let text = text_of(&["a\u{0}b", "\"available\":0"]);
    let expected = concat!(
        r#">[{"name":"a\u0000b","available":4294967297,"variants":[4294967295,2]},"#,
        r#"{"name":"\"available\":0","available":0,"variants":[0,0]}]"#
    );
    assert_eq!(filled(&text, &[u32::MAX, 2, 0, 0]), expected);
    assert_eq!(filled(&Text::whole(b"[]".to_vec()), &[]), ">[]");
}

#[test]
fn text_with_more_or_fewer_holes_than_figures_is_none() {
    let bytes = with_holes(&vec![Hole, Hole, Hole]);
    for (variants, is_one) in [(0, false), (1, false), (2, true), (3, false), (usize::MAX, false)] {
        let text = Text::new(bytes.clone(), vec![listed(1, variants)], None, None);
        assert_eq!(text.is_some(), is_one, "{variants}");
    }
    assert!(Text::new(bytes, Vec::new(), None, None).is_none());
}

#[test]
fn sealed_text_opens_as_it_was_and_a_large_one_takes_less_room() {
    let seal = Seal::new([7; 32]);
    for text in [text_of(&["mug"]), Text::whole(b"[]".to_vec()), large()] {
        let value = seal.seal(NAME, &text).expect("it is not too large");
        assert_eq!(seal.open(NAME, &value), Ok(text.clone()));
        assert!(value.len() < text.bytes().len() + 100, "{}", value.len());
    }
    let value = seal.seal(NAME, &large()).expect("it is not too large");
    assert!(value.len() * 4 < large().bytes().len(), "{} of {}", value.len(), large().bytes().len());
}

#[test]
fn value_that_is_not_what_was_sealed_under_its_name_does_not_open() {
    let seal = Seal::new([7; 32]);
    for text in [text_of(&["mug"]), large()] {
        let value = seal.seal(NAME, &text).expect("it is not too large");
        for length in 0..value.len() {
            let why = if length < 33 { Unreadable::Short } else { Unreadable::Check };
            assert_eq!(seal.open(NAME, &value[..length]), Err(why), "cut to {length}");
        }
        for place in (0..value.len()).step_by(1 + value.len() / 500) {
            let mut touched = value.clone();
            touched[place] ^= 1 << (place % 8);
            assert!(seal.open(NAME, &touched).is_err(), "byte {place}");
        }
        assert_eq!(seal.open("holdfast:list:life:p2:digest", &value), Err(Unreadable::Check), "moved");
        assert_eq!(Seal::new([8; 32]).open(NAME, &value), Err(Unreadable::Check), "of another life");
        assert_eq!(seal.open(NAME, &[&value[..], b"x"].concat()), Err(Unreadable::Check), "and more");
        let later = [&[3], &value[1..]].concat();
        assert_eq!(seal.open(NAME, &later), Err(Unreadable::Format), "of a later version");
    }
    for rubbish in [&b""[..], b"OK", &[0; 100], &[1; 100], &[2; 5_000], &[255; 70_000]] {
        assert!(seal.open(NAME, rubbish).is_err());
    }
}

#[test]
fn text_that_is_too_large_for_redis_is_not_sealed() {
    let text = Text::whole(vec![b' '; 5 * 1024 * 1024]);
    assert_eq!(Seal::new([7; 32]).seal(NAME, &text), None);
}

#[test]
fn key_tells_generations_and_lists_apart() {
    let generation = Generation { listing: 1, stock: 2 };
    let later = Generation { listing: 1, stock: 3 };
    assert_eq!(Key::of_products(generation, false, "q"), Key::of_products(later, false, "q"));
    assert_ne!(Key::of_products(generation, true, "q"), Key::of_products(later, true, "q"));
    assert_ne!(key(1, "q"), key(2, "q"));
    assert_ne!(key(1, "q"), key(1, "r"));
    let name = Key::of_products(generation, true, "q").name("00ff");
    assert_eq!(name, format!("holdfast:list:00ff:p1s2:{}", blake3::hash(b"q").to_hex()));
    assert!(key(12, "q").name("00ff").starts_with("holdfast:list:00ff:p12:"));
}

#[actix_web::test]
async fn equal_requests_load_once() {
    let cache = ListingCache::in_process(MEMORY);
    let loads = AtomicUsize::new(0);
    let load = async || {
        loads.fetch_add(1, Ordering::Relaxed);
        rt::task::yield_now().await;
        Ok(text_of(&["mug"]))
    };
    let answers = join_all((0..50).map(|_| cache.get(key(1, "q"), load()))).await;
    let verdicts: Vec<Verdict> = answers.iter().map(|it| it.as_ref().expect("it loads").1).collect();
    assert_eq!(loads.load(Ordering::Relaxed), 1);
    assert_eq!(verdicts.iter().filter(|it| **it == Verdict::Miss).count(), 1);
    assert_eq!(verdicts.iter().filter(|it| **it == Verdict::Hit).count(), 49);
    let (_, verdict) = cache.get(key(2, "q"), load()).await.expect("it loads");
    assert_eq!((verdict, loads.load(Ordering::Relaxed)), (Verdict::Miss, 2), "of another generation");
}

#[actix_web::test]
async fn who_hangs_up_while_loading_fails_nobody_else() {
    let cache = ListingCache::in_process(MEMORY);
    let (began, has_begun) = oneshot::channel();
    let first = cache.clone();
    let first = spawn(async move {
        let load = async {
            began.send(()).expect("the test waits for it");
            std::future::pending().await
        };
        first.get(key(1, "q"), load).await
    });
    has_begun.await.expect("it loads");
    let second = cache.clone();
    let (waits, is_waiting) = oneshot::channel();
    let second = spawn(async move {
        waits.send(()).expect("the test waits for it");
        second.get(key(1, "q"), async { Ok(text_of(&["mug"])) }).await
    });
    is_waiting.await.expect("it asks");
    first.abort();
    let (text, verdict) = second.await.expect("it ends").expect("it loads by itself");
    assert_eq!((&*text, verdict), (&text_of(&["mug"]), Verdict::Miss));
}

#[actix_web::test]
async fn failure_is_everybodys_who_waited_and_is_not_kept() {
    let cache = ListingCache::in_process(MEMORY);
    let fail = async || Err(Failure::Stopped);
    let answers = join_all((0..3).map(|_| cache.get(key(1, "q"), fail()))).await;
    assert!(answers.iter().all(|answer| *answer == Err(Failure::Stopped)), "{answers:?}");
    let (_, verdict) = cache.get(key(1, "q"), async { Ok(text_of(&["mug"])) }).await.expect("it loads");
    assert_eq!(verdict, Verdict::Miss);
}

#[actix_web::test]
async fn new_generation_finds_room_however_popular_the_old_ones_were() {
    let cache = ListingCache::in_process(u64::from(large().weight()) * 4);
    for listing in 0..50 {
        for round in 0..30 {
            let (_, verdict) = cache.get(key(listing, "q"), async { Ok(large()) }).await.expect("it loads");
            let expected = if round == 0 { Verdict::Miss } else { Verdict::Hit };
            assert_eq!(verdict, expected, "generation {listing}, round {round}");
        }
    }
}
