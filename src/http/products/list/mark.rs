//! The payload of the list's cursors.
//!
//! Shape: `kind: u8 | id: [u8; 16] | key`, big endian; kind 0 has a number of 8 bytes, kind 1 a name.

use holdfast_actors::catalogue::{Mark, MarkKey};
use holdfast_actors::domain::ProductId;

const NUMBER: u8 = 0;
const NAME: u8 = 1;
const ID_BYTES: usize = 16;

pub(super) fn pack(Mark { key, id: ProductId(id) }: &Mark) -> Vec<u8> {
    let (kind, key) = match key {
        MarkKey::Number(number) => (NUMBER, number.to_be_bytes().to_vec()),
        MarkKey::Name(name) => (NAME, name.as_bytes().to_vec()),
    };
    [vec![kind], id.to_be_bytes().to_vec(), key].concat()
}

/// # Panics
///
/// Never for what [`pack`] made, and a cursor that passed its check was packed here.
pub(super) fn unpack(payload: Vec<u8>) -> Mark {
    let (kind, rest) = payload.split_first().expect("a mark begins with its kind");
    let (id, key) = rest.split_first_chunk::<ID_BYTES>().expect("a mark has an id");
    let key = match *kind {
        NUMBER => MarkKey::Number(i64::from_be_bytes(key.try_into().expect("a number has 8 bytes"))),
        _ => MarkKey::Name(String::from_utf8(key.to_vec()).expect("a name is text").into()),
    };
    Mark { key, id: ProductId(u128::from_be_bytes(*id)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_is_unpacked_as_it_was_packed() {
        for key in [
            MarkKey::Number(i64::MIN),
            MarkKey::Number(7),
            MarkKey::Name("ærø".into()),
            MarkKey::Name("".into()),
        ] {
            let mark = Mark { key, id: ProductId(u128::MAX - 1) };
            assert_eq!(unpack(pack(&mark)), mark);
        }
    }
}
