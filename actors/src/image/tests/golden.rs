//! The stored bytes of every kind of entry: what was written once can be read for ever.
//!
//! One file a sample under `tests/golden/image/v1/`, as hex: entries with an empty line between them, of each a line with the key,
//! then its value. Changing one is a decision, with a page.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_domain::product::invariant;
use holdfast_domain::{Product, Timestamp};
use holdfast_persistence::Ticket;
use proptest::prelude::*;

use super::samples::{PASSIVE, PLAIN, Sample, samples};
use crate::context::RequestKey;
use crate::image::pack::Packer;
use crate::image::{DecodeError, Image, Key, Reader, Sink};
use crate::keys::Kept;

/// Bytes on one line of a file, so that a difference can be seen.
const LINE_BYTES: usize = 32;

/// What a purchase like most may take, and a simple product.
const PLAIN_BYTES_MAX: usize = 80;
const PASSIVE_BYTES_MAX: usize = 150;

/// Entries in the order in which they were packed.
type Packed = Vec<(Key, Vec<u8>)>;

impl Sink for Packed {
    fn push(&mut self, key: Key, value: Option<&[u8]>) {
        Vec::push(self, (key, value.expect("everything here is there").to_vec()));
    }
}

#[test]
fn every_entry_is_written_and_read_as_its_golden_file_says() {
    let mut failures = String::new();
    for (name, key, image) in samples() {
        let text = text_of(&packed(key, &image));
        let path = folder().join(format!("{name}.hex"));
        match std::fs::read_to_string(&path) {
            Err(error) => write!(failures, "\n{}: {error}; it is\n{text}", path.display()),
            Ok(golden) if golden != text => write!(failures, "\n{name} is written as\n{text}"),
            Ok(golden) => {
                assert_eq!(read_all(&entries_of(&golden)), (key, image), "{name} is read as what it was");
                Ok(())
            }
        }
        .expect("a string takes everything");
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_golden_file_has_its_sample() {
    let names: BTreeSet<String> = samples().iter().map(|(name, ..)| format!("{name}.hex")).collect();
    assert_eq!(names.len(), samples().len(), "a name is given once");
    let files = std::fs::read_dir(folder()).expect("the folder is part of the sources");
    let files = files.map(|entry| entry.expect("it can be read").file_name().into_string().expect("plain"));
    assert_eq!(files.collect::<BTreeSet<_>>(), names);
}

#[test]
fn every_kind_of_entry_has_a_sample() {
    let packed = samples().into_iter().flat_map(|(_, key, image)| packed(key, &image));
    let found: BTreeSet<&str> = packed.map(|(key, _)| kind(key)).collect();
    assert_eq!(found, KINDS.iter().copied().collect());
}

#[test]
fn purchase_and_simple_product_are_small() {
    for (name, bytes_max) in [(PLAIN, PLAIN_BYTES_MAX), (PASSIVE, PASSIVE_BYTES_MAX)] {
        let (key, value) = packed_sample(name).pop().expect("it has an entry");
        let bytes = key.to_bytes().as_ref().len() + value.len();
        assert!(bytes <= bytes_max, "{name} takes {bytes} bytes");
    }
}

#[test]
fn what_purchases_share_is_packed_once() {
    let (_, key, image) = sample(PLAIN);
    let mut packer = Packer::into(Packed::new());
    pack(&mut packer, key, &image);
    pack(&mut packer, key, &image);
    // Equal, and elsewhere in memory.
    let Image::Bought(mut bought) = image else { panic!("{PLAIN} is bought") };
    bought.description = Arc::new((*bought.description).clone());
    pack(&mut packer, key, &Image::Bought(bought));
    let kinds: Vec<&str> = packer.into_sink().iter().map(|(key, _)| kind(*key)).collect();
    assert_eq!(kinds, ["description", "variant", "order", "order", "order"]);
}

#[test]
fn entry_of_another_version_is_refused_by_name() {
    for (key, mut value) in all_packed() {
        value[0] = 2;
        let refused = reader().read(key.to_bytes().as_ref(), &value);
        assert!(matches!(refused, Err(DecodeError::Version(of, 2)) if of == key), "{key:?}: {refused:?}");
        let refused = reader().read(key.to_bytes().as_ref(), &[]);
        assert!(matches!(refused, Err(DecodeError::Empty(of)) if of == key), "{key:?}: {refused:?}");
    }
}

#[test]
fn entry_cut_short_or_too_long_is_refused() {
    for (key, mut value) in all_packed() {
        let key_bytes = key.to_bytes();
        for end in 0..value.len() {
            let refused = reader().read(key_bytes.as_ref(), &value[..end]);
            assert!(refused.is_err(), "{key:?} cut at {end}: {refused:?}");
        }
        value.push(0);
        assert!(matches!(reader().read(key_bytes.as_ref(), &value), Err(DecodeError::Rest(of)) if of == key));
        for end in 0..key_bytes.as_ref().len() {
            assert_eq!(Key::from_bytes(&key_bytes.as_ref()[..end]), None, "{key:?} cut at {end}");
        }
        assert_eq!(Key::from_bytes(&[key_bytes.as_ref(), &[0]].concat()), None, "{key:?} with a byte more");
    }
}

#[test]
fn purchase_whose_description_was_not_read_is_refused() {
    let packed = packed_sample(PLAIN);
    let [(description, _), variant, order] = packed.as_slice() else { panic!("three entries") };
    let read =
        |reader: &mut Reader, (key, value): &(Key, Vec<u8>)| reader.read(key.to_bytes().as_ref(), value);
    let mut reader = Reader::default();
    let refused = read(&mut reader, variant);
    assert!(matches!(refused, Err(DecodeError::Missing(_, of)) if of == *description), "{refused:?}");
    let refused = read(&mut reader, order);
    assert!(matches!(refused, Err(DecodeError::Missing(_, of)) if of == variant.0), "{refused:?}");
}

/// A value that no rule allows would panic later.
#[test]
fn value_that_no_rule_allows_is_refused() {
    let refused = |key: Key, image: Image| {
        let packed = packed(key, &image);
        let (key, value) = packed.iter().find(|(key, value)| try_read(key, value).is_err())?;
        Some(try_read(key, value).expect_err("it was just refused").to_string())
    };
    let (_, key, image) = sample(PASSIVE);
    let Image::Product(core, last) = image else { panic!("{PASSIVE} is a product") };
    let mut unbalanced = core.clone();
    unbalanced.variants[0].totals.received += 1;
    assert!(refused(key, Image::Product(unbalanced, last)).is_some(), "INV-4");
    let mut priceless = core;
    Arc::make_mut(&mut priceless.description).price.0 = -1;
    assert!(refused(key, Image::Product(priceless, last)).is_some(), "a price below zero");
    let (_, key, image) = sample("order-bought-by-rules");
    let Image::Bought(bought) = image else { panic!("it is bought") };
    let mut cheap = bought.clone();
    Arc::make_mut(cheap.rules.as_mut().expect("it has rules"))[0].amount.0 = -1_000_000;
    assert!(refused(key, Image::Bought(cheap)).is_some(), "rules that lead below zero");
    let mut dear = bought;
    dear.unit_price.0 = i64::MAX;
    assert!(refused(key, Image::Bought(dear)).is_some(), "a price that no quantity can bear");
}

fn try_read(key: &Key, value: &[u8]) -> Result<(Key, Image), DecodeError> {
    reader().read(key.to_bytes().as_ref(), value)
}

proptest! {
    #[test]
    fn random_bytes_are_read_or_refused(
        key in proptest::collection::vec(any::<u8>(), 0..40),
        value in proptest::collection::vec(any::<u8>(), 0..256),
    ) {
        let versioned: Vec<u8> = std::iter::once(1).chain(value).collect();
        round_trips(&key, &versioned)?;
    }

    #[test]
    fn damaged_entries_are_read_or_refused(
        entry in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        is_other_kind in any::<bool>(),
        other in any::<prop::sample::Index>(),
    ) {
        let all = all_packed();
        let (key, mut value) = all[entry.index(all.len())].clone();
        let place = place.index(value.len());
        value[place] = byte;
        let key = if is_other_kind { all[other.index(all.len())].0 } else { key };
        round_trips(key.to_bytes().as_ref(), &value)?;
    }

    #[test]
    fn true_beginnings_with_random_ends_are_read_or_refused(
        entry in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        end in proptest::collection::vec(any::<u8>(), 0..128),
    ) {
        let all = all_packed();
        let (key, mut value) = all[entry.index(all.len())].clone();
        value.truncate(place.index(value.len()));
        value.extend(end);
        round_trips(key.to_bytes().as_ref(), &value)?;
    }

    #[test]
    fn keys_are_read_as_what_they_were(tag in 0_u8..=255, ids in any::<[u128; 2]>(), count in 0_usize..=2) {
        let ids = ids.iter().take(count).flat_map(|id| id.to_be_bytes());
        let bytes: Vec<u8> = std::iter::once(tag).chain(ids).collect();
        if let Some(key) = Key::from_bytes(&bytes) {
            let again = key.to_bytes();
            prop_assert_eq!(again.as_ref(), bytes.as_slice());
        }
    }
}

/// Whatever can be read is written and read as itself, and can be worked with.
fn round_trips(key: &[u8], value: &[u8]) -> Result<(), TestCaseError> {
    let Ok((key, image)) = reader().read(key, value) else { return Ok(()) };
    work_with(key, &image);
    if image != Image::Kept {
        prop_assert_eq!(read_all(&packed(key, &image)), (key, image));
    }
    Ok(())
}

/// What a start does with each thing before anybody looks at it.
fn work_with(key: Key, image: &Image) {
    match (key, image) {
        (_, Image::Product(core, _)) => {
            let product = Product::restored(core.clone());
            // Held or committed units that nobody has are found, not stumbled over.
            drop(invariant::check(&product));
        }
        (Key::Order(id), Image::Bought(bought)) => drop(bought.to_order(id)),
        (_, Image::Order(order)) => assert_eq!(order.as_of(u32::MAX), order.standing),
        (_, Image::Cart(cart)) => assert!(cart.next_deadline() <= cart.expires_at()),
        (_, Image::Categories(categories, _)) => {
            categories.iter().for_each(|category| assert!(categories.path(category.id).count() > 0));
        }
        _ => {}
    }
}

/// Packs what an entry says once more.
fn pack<S: Sink>(packer: &mut Packer<S>, key: Key, image: &Image) {
    match (key, image) {
        (Key::Product(id), Image::Product(core, last)) => {
            packer.product(id, &Product::restored(core.clone()), *last);
        }
        (Key::Hold(product, id), Image::Hold(hold)) => packer.hold(product, id, hold),
        (Key::Commitment(product, id), Image::Commitment(it)) => packer.commitment(product, id, it),
        (Key::Units(product, buyer), Image::Units(units)) => packer.units(product, buyer, *units),
        (Key::Order(_), Image::Order(order)) => packer.order(order),
        (Key::Order(id), Image::Bought(bought)) => packer.bought(id, bought),
        (Key::Reservation(id), Image::Reservation(reservation)) => packer.reservation(id, reservation),
        (Key::Cart(id), Image::Cart(cart)) => packer.cart(id, cart),
        (Key::Account(_), Image::Account(account)) => packer.account(account),
        (Key::Session(id), Image::Session(family)) => packer.session(id, family),
        (Key::Accounts, Image::Accounts(last)) => packer.accounts(*last),
        (Key::PriceRules, Image::PriceRules(list, last)) => packer.price_rules(list, *last),
        (Key::Categories, Image::Categories(categories, last)) => packer.categories(categories, *last),
        (Key::Request(key), Image::Request { fingerprint, answered, position, at }) => {
            let request = RequestKey { key, fingerprint: *fingerprint };
            let kept = Kept { answered: answered.clone(), position: *position, ticket: Ticket::ZERO };
            packer.request(request, &kept, *at);
        }
        (Key::Unsent(about), Image::Unsent(at)) => packer.unsent(about, *at),
        (Key::Mails, Image::Mails(begun)) => packer.mails(*begun),
        (Key::Absorbed(from), Image::Absorbed { to, at }) => {
            let at: Timestamp = *at;
            packer.absorbed(from, *to, at);
        }
        (key, image) => panic!("{key:?} is of something else: {image:?}"),
    }
}

/// A name for each kind, and the list of all names. No wildcard: a new kind must be named.
macro_rules! kinds {
    ($($kind:pat => $name:literal,)+) => {
        const KINDS: &[&str] = &[$($name),+];
        fn kind(key: Key) -> &'static str {
            match key { $($kind => $name,)+ }
        }
    };
}

kinds! {
    Key::Product(_) => "product",
    Key::Hold(..) => "hold",
    Key::Commitment(..) => "commitment",
    Key::Units(..) => "units",
    Key::Order(_) => "order",
    Key::Reservation(_) => "reservation",
    Key::Cart(_) => "cart",
    Key::Account(_) => "account",
    Key::Session(_) => "session",
    Key::Accounts => "accounts",
    Key::PriceRules => "price rules",
    Key::Categories => "categories",
    Key::Request(_) => "request",
    Key::Unsent(_) => "unsent",
    Key::Mails => "mails",
    Key::Absorbed(_) => "absorbed",
    Key::Description(_) => "description",
    Key::Variant(_) => "variant",
}

fn sample(name: &str) -> Sample {
    samples().into_iter().find(|(of, ..)| *of == name).expect("there is one")
}

fn packed_sample(name: &str) -> Packed {
    let (_, key, image) = sample(name);
    packed(key, &image)
}

fn packed(key: Key, image: &Image) -> Packed {
    let mut packer = Packer::into(Packed::new());
    pack(&mut packer, key, image);
    packer.into_sink()
}

fn all_packed() -> Packed {
    samples().into_iter().flat_map(|(_, key, image)| packed(key, &image)).collect()
}

/// Reads entries that refer to each other, and says what the last one is.
fn read_all(packed: &[(Key, Vec<u8>)]) -> (Key, Image) {
    let mut reader = Reader::default();
    let read = packed.iter().map(|(key, value)| reader.read(key.to_bytes().as_ref(), value));
    read.last().expect("there is one").expect("it was just packed")
}

/// A reader that knows what the samples refer to.
fn reader() -> Reader {
    let mut reader = Reader::default();
    for (key, value) in all_packed().iter().filter(|(key, _)| is_shared(*key)) {
        reader.read(key.to_bytes().as_ref(), value).expect("it was just packed");
    }
    reader
}

const fn is_shared(key: Key) -> bool {
    matches!(key, Key::Description(_) | Key::Variant(_))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/image/v1")
}

fn text_of(packed: &[(Key, Vec<u8>)]) -> String {
    let texts = packed.iter().map(|(key, value)| {
        let key = hex(key.to_bytes().as_ref());
        let lines: Vec<String> = value.chunks(LINE_BYTES).map(hex).collect();
        format!("{key}\n{}\n", lines.join("\n"))
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn entries_of(text: &str) -> Packed {
    let entry = |text: &str| {
        let (key, value) = text.split_once('\n').expect("a key and a value");
        (Key::from_bytes(&from_hex(key)).expect("a key"), from_hex(value))
    };
    text.split("\n\n").map(entry).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.chars().filter(|it| !it.is_whitespace());
    let digits = digits.map(|it| u8::try_from(it.to_digit(16).expect("a hex digit")).expect("below 16"));
    digits.collect::<Vec<u8>>().chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
