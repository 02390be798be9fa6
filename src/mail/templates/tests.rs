//! What mails say, and what an operator's own templates may do.

use super::*;
use crate::mail::Kind;

fn built_in() -> Templates {
    Templates::load(None, "Mug & Bag").unwrap()
}

fn with_files(files: &[(&str, &str)]) -> Result<Templates, Error> {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in files {
        fs::write(folder.path().join(name), source).unwrap();
    }
    Templates::load(Some(folder.path()), "Shop")
}

fn refusal(files: &[(&str, &str)]) -> String {
    with_files(files).unwrap_err().to_string()
}

#[test]
fn money_has_the_decimals_of_its_currency() {
    for (amount, currency, shown) in [
        (49_800, "EUR", "498.00 EUR"),
        (5, "EUR", "0.05 EUR"),
        (0, "EUR", "0.00 EUR"),
        (-250, "USD", "-2.50 USD"),
        (-5, "USD", "-0.05 USD"),
        (49_800, "JPY", "49800 JPY"),
        (49_800, "KWD", "49.800 KWD"),
        (1, "BHD", "0.001 BHD"),
        (3, "XAU", "3 XAU"),
        (i64::MIN, "EUR", "-92233720368547758.08 EUR"),
        (i64::MAX, "JPY", "9223372036854775807 JPY"),
    ] {
        assert_eq!(money(amount, currency).unwrap(), shown);
    }
    assert!(money(1, "EURO").is_err());
}

#[test]
fn moments_are_readable_and_in_utc() {
    assert_eq!(date(1_795_262_640_000).unwrap(), "Sat, 21 Nov 2026, 12:04 UTC");
    assert!(date(u64::MAX).is_err());
}

#[test]
fn confirmed_order_reads_like_a_receipt() {
    let order = samples::order(None, Some("x"), "paid", "EUR");
    let text = built_in().render(&samples::mail(Kind::OrderConfirmed, Some("Ada"), Some(order))).unwrap();
    assert_eq!(text.subject, "Your order S-1 is confirmed");
    assert_eq!(
        text.plain,
        "Hello Ada,\n\n\
         thank you: your order is confirmed, and everything in it is set aside for you.\n\n\
         Order S-1\nSat, 21 Nov 2026, 12:00 UTC\n\n\
         2 x Sample MUG-1 (MUG-1), 12.50 EUR each: 25.00 EUR\n\
         1 x Sample BAG-<2> (BAG-<2>), 473.00 EUR each: 473.00 EUR\n\n\
         Subtotal: 498.00 EUR\nDiscount: -5.00 EUR\nTotal: 493.00 EUR\n\n\
         Mug & Bag\n"
    );
    for shown in ["Mug &amp; Bag", "Sample BAG-&lt;2&gt;", "<strong>493.00 EUR</strong>", "-5.00 EUR"] {
        assert!(text.html.contains(shown), "{shown} is not in:\n{}", text.html);
    }
    assert!(!text.html.contains("http"), "mails load nothing from anywhere:\n{}", text.html);
}

#[test]
fn canceled_order_says_why_and_what_becomes_of_the_money() {
    for (canceled, payment_status, why, money) in [
        (Some("declined"), "failed", "because the payment was declined", "You were not charged."),
        (Some("by_owner"), "pending", "as you asked", "You were not charged."),
        (Some("by_admin"), "refund_required", "we had to cancel", "We will pay it back"),
        (Some("by_admin"), "refunded", "we had to cancel", "We have paid 25 JPY back"),
        (None, "refunded", "we had to cancel", "back"),
    ] {
        let mut order = samples::order(canceled, None, payment_status, "JPY");
        order.total = 25;
        let text = built_in().render(&samples::mail(Kind::OrderCanceled, None, Some(order))).unwrap();
        for part in [text.plain, text.html] {
            assert!(part.contains(why) && part.contains(money), "{canceled:?} {payment_status}:\n{part}");
            assert!(part.contains("Hello,"), "{part}");
        }
    }
}

#[test]
fn reason_of_whoever_canceled_is_told() {
    let order = samples::order(Some("by_admin"), Some("Broken <glass>\nsorry"), "paid", "EUR");
    let text = built_in().render(&samples::mail(Kind::OrderCanceled, None, Some(order))).unwrap();
    assert!(text.plain.contains("\nReason: Broken <glass> sorry\n"), "{}", text.plain);
    assert!(text.html.contains("Reason: Broken &lt;glass&gt; sorry"), "{}", text.html);
}

#[test]
fn expired_order_says_that_nobody_paid() {
    let order = samples::order(None, None, "pending", "EUR");
    let text = built_in().render(&samples::mail(Kind::OrderExpired, None, Some(order))).unwrap();
    assert_eq!(text.subject, "Your order S-1 has expired");
    assert!(text.plain.contains("not paid in time") && text.plain.contains("You were not charged."));
}

#[test]
fn name_greets_unless_it_is_a_message() {
    for (name, greeting) in [
        ("Ada", "Hello Ada,\n"),
        ("  Åsa\r\n Öst ", "Hello Åsa Öst,\n"),
        ("Win at http://evil.example", "Hello,\n"),
        ("WWW.evil.example", "Hello,\n"),
        ("write@evil.example", "Hello,\n"),
        ("", "Hello,\n"),
        (&"x".repeat(65), "Hello,\n"),
    ] {
        let text = built_in().render(&samples::mail(Kind::Welcome, Some(name), None)).unwrap();
        assert!(text.plain.starts_with(greeting), "{name:?}: {}", text.plain);
    }
}

#[test]
fn subject_is_one_line_whatever_is_put_in() {
    let mut order = samples::order(None, None, "paid", "EUR");
    order.number = "S-1\r\nBcc: x@example.org".to_owned();
    let text = built_in().render(&samples::mail(Kind::OrderConfirmed, None, Some(order))).unwrap();
    assert_eq!(text.subject, "Your order S-1 Bcc: x@example.org is confirmed");
}

#[test]
fn order_mail_without_an_order_is_refused_not_sent() {
    let refused = built_in().render(&samples::mail(Kind::OrderConfirmed, None, None)).unwrap_err();
    assert!(refused.to_string().contains("undefined value"), "{refused}");
}

#[test]
fn own_template_stands_in_for_the_built_in_one() {
    let templates = with_files(&[
        ("welcome.subject.txt", "Moin{% if name %}, {{ name }}{% endif %}!\n"),
        ("_order.txt", "{% include '_mine.txt' %}"),
        ("_mine.txt", "{{ order.total|money(order.currency) }} for {{ order.number }}"),
        ("NOTES.md", "{{ nothing"),
        (".hidden.txt", "{{ nothing"),
    ])
    .unwrap();
    let text = templates.render(&samples::mail(Kind::Welcome, Some("Ada"), None)).unwrap();
    assert_eq!(text.subject, "Moin, Ada!");
    assert!(text.plain.starts_with("Hello Ada,\n"), "{}", text.plain);
    let order = samples::order(None, None, "paid", "EUR");
    let text = templates.render(&samples::mail(Kind::OrderConfirmed, None, Some(order))).unwrap();
    assert!(text.plain.contains("\n25.00 EUR for S-1\n"), "{}", text.plain);
}

#[test]
fn wrong_template_is_named_with_its_line_and_reason() {
    let place = |name: &str, line: usize| format!("/{name}, line {line}: ");
    for (name, source, line, reason) in [
        ("welcome.txt", "one\n{{ nmae }}", 2, "undefined value"),
        ("welcome.html", "<p>\n\n{% if name %}", 3, "syntax error"),
        ("order_canceled.txt", "{{ order.raeson }}", 1, "undefined value"),
        ("_order.txt", "a\nb\n{{ order.total|mony }}", 3, "unknown filter"),
        ("order_expired.html", "{% include '_gone.html' %}", 1, "template not found"),
        // Only wrong where somebody has no name.
        ("order_confirmed.txt", "{{ name|upper ~ name.first }}", 1, ""),
    ] {
        let refused = refusal(&[(name, source)]);
        assert!(refused.contains(&place(name, line)) && refused.contains(reason), "{name}: {refused}");
    }
}

#[test]
fn file_that_is_no_template_is_refused_with_the_nearest_name() {
    let refused = refusal(&[("order_cancelled.txt", "x")]);
    assert!(refused.contains("order_cancelled.txt is no mail template"), "{refused}");
    assert!(refused.contains("did you mean `order_canceled.txt`?"), "{refused}");
    let long = "x".repeat(usize::try_from(TEMPLATE_BYTES_MAX).unwrap() + 1);
    assert!(refusal(&[("welcome.txt", &long)]).contains("more than"));
    let missing = Templates::load(Some(Path::new("/nonexistent")), "Shop").unwrap_err();
    assert!(missing.to_string().contains("/nonexistent"), "{missing}");
}
