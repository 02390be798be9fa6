//! The small values at their borders.

use holdfast_domain::account::{Account, Accounts, Event, Refusal, Role, Tier};
use holdfast_domain::{AccountId, Currency, Millis, Money, Quantity, Sku, Timestamp, Units};

#[test]
fn quantity_is_one_to_a_million() {
    assert_eq!(Quantity::new(0), None);
    assert_eq!(Quantity::new(1).map(Quantity::get), Some(1));
    assert_eq!(Quantity::new(1_000_000).map(Quantity::units), Some(Units(1_000_000)));
    assert_eq!(Quantity::new(1_000_001), None);
    assert_eq!(Quantity::new(u32::MAX), None);
}

#[test]
fn units_neither_overflow_nor_go_below_zero() {
    assert_eq!(Units(u32::MAX).checked_add(Units(1)), None);
    assert_eq!(Units(1).checked_sub(Units(2)), None);
    assert_eq!(Units(1).checked_add(Units(2)), Some(Units(3)));
    assert_eq!(Units(3).checked_sub(Units(3)), Some(Units::ZERO));
}

#[test]
fn sku_is_plain_ascii_of_one_to_64_characters() {
    for text in ["A", "lamp_1.red-XL", &"x".repeat(64)] {
        assert_eq!(Sku::new(text).as_ref().map(Sku::as_str), Some(text));
    }
    for text in ["", " ", "a b", "a/b", "lämp", "a\n", "a\0", &"x".repeat(65)] {
        assert_eq!(Sku::new(text), None, "{text:?}");
    }
}

#[test]
fn currency_is_three_capitals() {
    assert_eq!(Currency::new("EUR").map(|currency| currency.to_string()).as_deref(), Some("EUR"));
    for code in ["", "EU", "EURO", "eur", "E1R", "ÄB"] {
        assert_eq!(Currency::new(code), None, "{code:?}");
    }
}

#[test]
fn adjusted_price_stays_within_its_bounds() {
    assert_eq!(Money(1000).adjusted(Money(-250)), Money(750));
    assert_eq!(Money(1000).adjusted(Money(i64::MIN)), Money(0));
    assert_eq!(Money(1000).adjusted(Money(i64::MAX)), Money(Money::PRICE_MAX));
}

#[test]
fn dearest_line_fits() {
    let most = Quantity::new(Quantity::MAX).expect("in range");
    assert_eq!(Money(Money::PRICE_MAX).times(most), Money(1_000_000_000_000_000_000));
}

#[test]
fn time_neither_overflows_nor_runs_back() {
    assert_eq!(Timestamp(u64::MAX).after(Millis(1)), Timestamp(u64::MAX));
    assert_eq!(Timestamp(5).since(Timestamp(9)), Millis(0));
    assert_eq!(Timestamp(9).since(Timestamp(5)), Millis(4));
    assert_eq!(Millis::from_secs(u64::MAX), Millis(u64::MAX));
}

#[test]
fn email_belongs_to_one_account() {
    let mut accounts = Accounts::default();
    assert!(accounts.is_empty() && accounts.any_admin().is_none());
    let event = accounts.decide_create(account(1, "ann@shop.example", Role::Customer)).expect("free");
    assert!(accounts.is_empty(), "decide changes nothing");
    accounts.apply(&event, Timestamp(1));

    let again = accounts.decide_create(account(2, "ann@shop.example", Role::Admin));
    assert_eq!(again, Err(Refusal::EmailTaken));
    accounts.apply(&Event::Created(account(2, "root@shop.example", Role::Admin)), Timestamp(1));

    assert_eq!((accounts.len(), accounts.any_admin().is_some()), (2, true));
    assert_eq!(accounts.by_email("ann@shop.example").map(|account| account.id), Some(AccountId(1)));
    assert_eq!(accounts.by_id(AccountId(2)).map(|account| &*account.email), Some("root@shop.example"));
    assert_eq!(accounts.by_email("nobody@shop.example"), None);
}

fn account(id: u128, email: &str, role: Role) -> Account {
    Account {
        id: AccountId(id),
        email: email.into(),
        name: None,
        role,
        tier: Tier::Standard,
        password_hash: "$argon2id$".into(),
        created_at: Timestamp(1),
        version: 1,
    }
}
