//! Texts as Redis keeps them.
//!
//! Shape: `format: u8 | check: [u8; 32] | body`. The check is a BLAKE3 over the key's name, format and body, keyed with a
//! secret of this process's life that never leaves it: what was damaged, cut short, put under another name, kept from
//! an earlier life or made up by somebody else is none of ours. The body is postcard, in format 2 deflated.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use holdfast_actors::domain::ProductId;
use holdfast_actors::engine::Listed;
use serde::{Deserialize, Serialize};

use super::text::Text;

const PLAIN: u8 = 1;
const DEFLATED: u8 = 2;

/// Below this, deflating costs more than the bytes on the way.
const DEFLATED_BYTES_MIN: usize = 4 * 1024;

/// Larger texts are not kept: they would hold up what else is on the connection.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Seals and opens the texts of one life of the process.
pub(super) struct Seal {
    secret: [u8; blake3::KEY_LEN],
}

/// Why a value is none of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unreadable {
    Short,
    Format,
    Check,
    Body,
}

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    bytes: &'a [u8],
    products: Vec<(u128, u32, usize)>,
    next: Option<&'a [u8]>,
    total: Option<u64>,
}

impl Seal {
    pub(super) const fn new(secret: [u8; blake3::KEY_LEN]) -> Self {
        Self { secret }
    }

    /// The value for a text; none when it is too large.
    pub(super) fn seal(&self, name: &str, text: &Text) -> Option<Vec<u8>> {
        let listed = |it: &Listed| (it.id.0, it.version, it.variants);
        let body = Body {
            bytes: text.bytes(),
            products: text.products().iter().map(listed).collect(),
            next: text.next(),
            total: text.total(),
        };
        let body = postcard::to_stdvec(&body).expect("plain values fit a vector");
        if body.len() > BODY_BYTES_MAX {
            return None;
        }
        let (format, body) =
            if body.len() < DEFLATED_BYTES_MIN { (PLAIN, body) } else { (DEFLATED, deflated(&body)) };
        let mut value = Vec::with_capacity(1 + blake3::OUT_LEN + body.len());
        value.push(format);
        value.extend_from_slice(self.check(name, format, &body).as_bytes());
        value.extend_from_slice(&body);
        Some(value)
    }

    /// The text that was sealed under that name.
    pub(super) fn open(&self, name: &str, value: &[u8]) -> Result<Text, Unreadable> {
        let (&format, rest) = value.split_first().ok_or(Unreadable::Short)?;
        let (check, body) = rest.split_first_chunk::<{ blake3::OUT_LEN }>().ok_or(Unreadable::Short)?;
        if !matches!(format, PLAIN | DEFLATED) {
            return Err(Unreadable::Format);
        }
        // The comparison of `Hash` takes the same time for all.
        if self.check(name, format, body) != blake3::Hash::from_bytes(*check) {
            return Err(Unreadable::Check);
        }
        let inflated = if format == DEFLATED { inflated(body).ok_or(Unreadable::Body)? } else { Vec::new() };
        let body = if format == DEFLATED { &inflated } else { body };
        let Body { bytes, products, next, total } =
            postcard::from_bytes(body).map_err(|_| Unreadable::Body)?;
        let listed = |(id, version, variants)| Listed { id: ProductId(id), version, variants };
        let products = products.into_iter().map(listed).collect();
        Text::new(bytes.to_vec(), products, next.map(<[u8]>::to_vec), total).ok_or(Unreadable::Body)
    }

    fn check(&self, name: &str, format: u8, body: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        // The length first: else a name could end where a body begins.
        hasher.update(&name.len().to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&[format]);
        hasher.update(body);
        hasher.finalize()
    }
}

impl Unreadable {
    /// The word for metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Format => "format",
            Self::Check => "check",
            Self::Body => "body",
        }
    }
}

fn deflated(body: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("a vector takes what it is given")
}

/// None when it is not deflated, or too large.
fn inflated(body: &[u8]) -> Option<Vec<u8>> {
    let limit = u64::try_from(BODY_BYTES_MAX).expect("a machine word fits") + 1;
    let mut bytes = Vec::with_capacity(body.len() * 4);
    DeflateDecoder::new(body).take(limit).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= BODY_BYTES_MAX).then_some(bytes)
}
