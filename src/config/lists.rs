//! Settings that are lists: networks and origins. A line of text with commas, or an array in the file.

use std::net::IpAddr;
use std::sync::Arc;

use ::config::{Value, ValueKind};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};

/// More entries than this belong into a proxy's own table.
const ENTRIES_MAX: usize = 64;

/// Networks: addresses and CIDR blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Arc<[IpNet]>);

impl Networks {
    /// Reads a list of addresses and CIDR blocks.
    ///
    /// # Errors
    ///
    /// What is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let network = |entry: &String| {
            let address = entry.parse::<IpAddr>().map(IpNet::from);
            address
                .or_else(|_| entry.parse())
                .map_err(|_| format!("`{entry}` is no address and no CIDR block"))
        };
        entries(text)?.iter().map(network).collect::<Result<_, _>>().map(Self)
    }

    /// Whether one of them has this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Origins of pages: scheme, host and port, as browsers send them in `Origin`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Arc<[String]>);

impl Origins {
    /// Reads a list of origins.
    ///
    /// # Errors
    ///
    /// What no browser would send: a path, another scheme, a wildcard, capitals.
    pub fn parse(text: &str) -> Result<Self, String> {
        let origin = |entry: String| match is_origin(&entry) {
            true => Ok(entry),
            false => Err(format!("`{entry}` is no origin: write https://shop.example, without a path")),
        };
        entries(text)?.into_iter().map(origin).collect::<Result<_, _>>().map(Self)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// True when no foreign page may call.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Origins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Splits at commas; spaces around entries and empty entries do not count.
fn entries(text: &str) -> Result<Vec<String>, String> {
    let entries: Vec<String> =
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect();
    if entries.len() > ENTRIES_MAX {
        return Err(format!("has {} entries; at most {ENTRIES_MAX} are allowed", entries.len()));
    }
    Ok(entries)
}

fn is_origin(text: &str) -> bool {
    let Some(host) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b':' | b'[' | b']');
    !host.is_empty() && host.bytes().all(is_allowed)
}

/// An array of the file as the text it stands for; everything else as it is.
pub(super) fn joined(value: Value) -> Value {
    let origin = value.origin().map(str::to_owned);
    match value.kind {
        ValueKind::Array(entries) => {
            let entries: Vec<String> =
                entries.into_iter().map(|entry| entry.into_string().unwrap_or_default()).collect();
            Value::new(origin.as_ref(), entries.join(","))
        }
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_addresses_and_blocks() {
        let networks = Networks::parse("127.0.0.1, 10.0.0.0/8,,2001:db8::/32").unwrap();
        for (address, is_in) in [
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("2001:db8::9", true),
            ("::1", false),
        ] {
            assert_eq!(networks.contains(address.parse().unwrap()), is_in, "{address}");
        }
        assert!(!Networks::parse("").unwrap().contains("127.0.0.1".parse().unwrap()));
        for wrong in ["localhost", "10.0.0.0/33", "10.0.0", "*"] {
            assert!(Networks::parse(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn origins_are_what_a_browser_sends() {
        let origins = Origins::parse("https://shop.example, http://localhost:8080").unwrap();
        assert_eq!(origins.iter().collect::<Vec<_>>(), ["https://shop.example", "http://localhost:8080"]);
        assert!(Origins::parse(" ").unwrap().is_empty());
        for wrong in ["*", "shop.example", "https://shop.example/", "https://*.example", "null", "https://"] {
            assert!(Origins::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn list_has_a_bound() {
        let full = vec!["10.0.0.1"; ENTRIES_MAX].join(",");
        assert!(Networks::parse(&full).is_ok());
        assert!(Networks::parse(&format!("{full},10.0.0.1")).is_err());
    }
}
