//! A task as sled keeps it.
//!
//! Shape: `format: u8 | state: u8 | attempts: u32 | moment_ms: u64 | order: u64 | why_bytes: u16 | why | bytes | crc: u32`,
//! little endian; `crc` is the CRC-32 of zip over the name and all before it, so that a record is one of its task.

use super::{Place, State, WHY_BYTES_MAX};

/// The format that this release writes, and the only one it reads.
const FORMAT: u8 = 1;
const HEAD_BYTES: usize = 1 + 1 + 4 + 8 + 8 + 2;

/// A task but for its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'r> {
    pub(super) place: Place,
    pub(super) attempts: u32,
    pub(super) why: &'r str,
    pub(super) bytes: &'r [u8],
}

impl<'r> Record<'r> {
    pub(super) fn encode(&self, name: &str) -> Vec<u8> {
        assert!(self.why.len() <= WHY_BYTES_MAX, "why is cut before it is stored");
        let why_bytes = u16::try_from(self.why.len()).expect("it is cut");
        let mut out = Vec::with_capacity(HEAD_BYTES + self.why.len() + self.bytes.len() + 4);
        out.extend([FORMAT, self.place.state.number()]);
        out.extend(self.attempts.to_le_bytes());
        out.extend(self.place.moment_ms.to_le_bytes());
        out.extend(self.place.order.to_le_bytes());
        out.extend(why_bytes.to_le_bytes());
        out.extend(self.why.as_bytes());
        out.extend(self.bytes);
        out.extend(crc(name, &out).to_le_bytes());
        out
    }

    /// Reads what [`encode`](Record::encode) wrote, or says what is wrong with it.
    pub(super) fn decode(name: &str, stored: &'r [u8]) -> Result<Record<'r>, &'static str> {
        const SHORT: &str = "a task is cut short";
        let (body, found) = stored.split_last_chunk::<4>().ok_or(SHORT)?;
        if crc(name, body) != u32::from_le_bytes(*found) {
            return Err("a task fails its checksum");
        }
        let (format, body) = body.split_first().ok_or(SHORT)?;
        if *format != FORMAT {
            return Err("a task has the format of another release");
        }
        let (state, body) = body.split_first().ok_or(SHORT)?;
        let state = State::of(*state).ok_or("a task has an unknown state")?;
        let (attempts, body) = body.split_first_chunk().ok_or(SHORT)?;
        let (moment_ms, body) = body.split_first_chunk().ok_or(SHORT)?;
        let (order, body) = body.split_first_chunk().ok_or(SHORT)?;
        let (why_bytes, body) = body.split_first_chunk().ok_or(SHORT)?;
        let (why, bytes) = body.split_at_checked(u16::from_le_bytes(*why_bytes).into()).ok_or(SHORT)?;
        let why = std::str::from_utf8(why).map_err(|_| "a task's failure is no text")?;
        let moment_ms = u64::from_le_bytes(*moment_ms);
        let place = Place { state, moment_ms, order: u64::from_le_bytes(*order) };
        Ok(Record { place, attempts: u32::from_le_bytes(*attempts), why, bytes })
    }
}

impl State {
    fn number(self) -> u8 {
        match self {
            State::Ready => 1,
            State::Taken => 2,
            State::Delayed => 3,
            State::Dead => 4,
            State::Done => 5,
        }
    }

    fn of(number: u8) -> Option<State> {
        use State::{Dead, Delayed, Done, Ready, Taken};
        [Ready, Taken, Delayed, Dead, Done].into_iter().find(|state| state.number() == number)
    }
}

fn crc(name: &str, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(name.as_bytes());
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { state: State::Delayed, moment_ms: 1_234, order: 7 };
    const RECORD: Record<'_> = Record { place: PLACE, attempts: 3, why: "no route", bytes: b"to do" };

    #[test]
    fn stored_bytes_are_what_they_were() {
        let golden = "010303000000d204000000000000070000000000000008006e6f20726f757465746f20646f";
        let encoded = RECORD.encode("a.b");
        let hex: String = encoded.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(&hex[..hex.len() - 8], golden, "another form is another FORMAT");
        assert_eq!(&hex[hex.len() - 8..], "28af1c6b", "the checksum as well");
        assert_eq!(Record::decode("a.b", &encoded), Ok(RECORD));
    }

    #[test]
    fn damage_is_noticed() {
        let encoded = RECORD.encode("a.b");
        assert!(Record::decode("a.c", &encoded).is_err(), "a record is one of its task");
        for at in 0..encoded.len() {
            let mut damaged = encoded.clone();
            damaged[at] ^= 0x10;
            assert!(Record::decode("a.b", &damaged).is_err(), "byte {at}");
            assert!(Record::decode("a.b", &encoded[..at]).is_err(), "cut at {at}");
        }
    }
}
