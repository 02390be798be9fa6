//! The number of an order, for people: `261121-7KQ2-M4XD-91TZ`.

use holdfast_actors::domain::OrderId;
use jiff::tz::TimeZone;

/// Crockford's base 32: no letter that could be read as a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Letters after the date, each of five bits of a hash.
const LETTERS: usize = 12;

const GROUP_LETTERS: usize = 4;

/// The number of an order: the day its id was made (UTC), then 60 bits of a hash of the id. Of a million orders in one
/// day two have the same number once in 6 000 years; the id tells them apart.
pub(crate) fn number(OrderId(id): OrderId) -> String {
    let ms = i64::try_from(id >> 80).expect("48 bits fit");
    let made_at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    let mut number = made_at.to_zoned(TimeZone::UTC).strftime("%y%m%d").to_string();
    let hash = blake3::derive_key("holdfast 2026 order numbers v1", &id.to_be_bytes());
    let (head, _) = hash.split_first_chunk().expect("a key has 32 bytes");
    let mut bits = u64::from_be_bytes(*head);
    for place in 0..LETTERS {
        if place.is_multiple_of(GROUP_LETTERS) {
            number.push('-');
        }
        let letter = usize::try_from(bits % 32).expect("below 32");
        number.push(char::from(ALPHABET[letter]));
        bits /= 32;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_the_day_and_a_hash_and_never_another() {
        // 2026-11-21T12:00:00Z.
        let noon = 1_795_262_400_000_u128 << 80;
        assert_eq!(number(OrderId(noon | 7)), "261121-M8Q8-E9NX-5NX3");
        assert_ne!(number(OrderId(noon | 7))[7..], number(OrderId(noon | 8))[7..]);
    }
}
