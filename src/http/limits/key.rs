//! Who is counted together.

use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::net::IpAddr;

/// The part of an IPv6 address that a provider gives to one customer; the rest they choose themselves.
const IPV6_NETWORK_BITS: u32 = 64;

/// 2^64 divided by the golden ratio, odd: neighbours end up far apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Who is counted: a hash, so that millions of them fit and none tells who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// One of `shares` keys that many have together.
    pub(super) fn shared(self, shares: u64) -> Self {
        // Spread again over all bits: the table looks at the upper ones as well.
        Self((self.0 % shares).wrapping_mul(SPREAD))
    }
}

/// What a key is made of. The kinds are told apart: no session is counted as somebody's account.
#[derive(Clone, Copy, Debug, Hash)]
pub enum Name<'a> {
    /// An account.
    User(u128),
    /// A guest's session.
    Session(&'a str),
    /// Where a client comes from.
    Address(IpAddr),
}

/// Makes keys, with a secret of this process: nobody can choose a name that is counted as somebody else's.
#[derive(Clone, Default)]
pub struct Keys(RandomState);

impl Keys {
    /// The key of `name`; of an IPv6 address, that of its network.
    pub fn of(&self, name: Name<'_>) -> Key {
        let name = match name {
            Name::Address(IpAddr::V6(address)) => {
                let network = (address.to_bits() >> IPV6_NETWORK_BITS) << IPV6_NETWORK_BITS;
                Name::Address(IpAddr::V6(network.into()))
            }
            name => name,
        };
        Key(self.0.hash_one(name))
    }
}

/// Takes a key for the hash that it is.
#[derive(Default)]
pub(super) struct AsItIs(u64);

/// Makes [`AsItIs`].
pub(super) type BuildAsItIs = BuildHasherDefault<AsItIs>;

impl Hasher for AsItIs {
    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("a key is one number");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_of_an_ipv6_customer_is_one_and_each_ipv4_address_is_another() {
        let keys = Keys::default();
        let of = |address: &str| keys.of(Name::Address(address.parse().unwrap()));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("203.0.113.1"), of("203.0.113.2"));
    }

    #[test]
    fn sessions_are_told_apart() {
        let keys = Keys::default();
        let of = |session| keys.of(Name::Session(session));
        assert_eq!(of("a-guest-session-01"), of("a-guest-session-01"));
        assert_ne!(of("a-guest-session-01"), of("a-guest-session-02"));
        assert_ne!(of("a-guest-session-01"), Keys::default().of(Name::Session("a-guest-session-01")));
    }
}
