//! Email addresses in the one form that accounts have.
//!
//! Stricter than the mail standards, on purpose: what passes can be put into a header, a log line or a URL without a
//! thought, and two spellings of one address are one account.

/// The longest address (RFC 5321).
pub const EMAIL_BYTES_MAX: usize = 254;

/// The longest part before the `@`.
const LOCAL_BYTES_MAX: usize = 64;

/// What the part before the `@` may have besides letters and digits.
const LOCAL_MARKS: &str = "!#$%&'*+/=?^_`{|}~.-";

/// The address trimmed and in lower case; none where it is no address.
pub fn normalized(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (local, domain) = text.split_once('@')?;
    let is_local = (1..=LOCAL_BYTES_MAX).contains(&local.len())
        && local.chars().all(|letter| letter.is_alphanumeric() || LOCAL_MARKS.contains(letter))
        && local.split('.').all(|part| !part.is_empty());
    let is_domain = domain.split('.').all(is_label);
    (is_local && is_domain && text.len() <= EMAIL_BYTES_MAX).then_some(text)
}

fn is_label(label: &str) -> bool {
    let is_inside = |letter: char| letter.is_alphanumeric() || letter == '-';
    !label.is_empty() && label.chars().all(is_inside) && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_trimmed_and_lower_case() {
        for (text, address) in [
            ("  Ada.Byron+shop@Example.ORG\n", "ada.byron+shop@example.org"),
            ("admin@localhost", "admin@localhost"),
            ("ÅSA@exempel.se", "åsa@exempel.se"),
        ] {
            assert_eq!(normalized(text).as_deref(), Some(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.org", "x".repeat(65));
        let longer = format!("x@{}.org", "y".repeat(250));
        for text in [
            "",
            "@",
            "a@",
            "@b",
            "a",
            "a@b@c",
            "a b@c.org",
            "a@b c.org",
            "a\r\nBcc: x@b.org",
            "a\u{0}@b.org",
            "<a@b.org>",
            "a,b@c.org",
            "a@b..org",
            "a@-b.org",
            "a@b-.org",
            ".a@b.org",
            "a..b@c.org",
            "a@.org",
            "a@b.org.",
            "a@[127.0.0.1]",
            "\"a\"@b.org",
            &long,
            &longer,
        ] {
            assert_eq!(normalized(text), None, "{text:?}");
        }
    }
}
