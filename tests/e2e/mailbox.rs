//! Mails as those see them who get them: what came, what is due by what the API tells of its orders, and that the one
//! is the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use uuid::Uuid;

use crate::person::until;
use crate::redis_server::RedisServer;
use crate::server::{Folder, Process};
use crate::shop::Shop;
use crate::smtp::{SmtpServer, Taken, parse};

/// More pages than any test makes.
const PAGES_MAX: usize = 100;

/// What a `Message-ID` ends with, as nobody said whom mails are from.
const DOMAIN: &str = "@localhost>";

/// A mail that came.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) bytes: Vec<u8>,
    /// Whom the mail server was told; none of what came as a file.
    pub(crate) envelope: Option<Vec<String>>,
}

/// A mail that should come, and what it should say.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// `ord_….order_confirmed`.
    pub(crate) name: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    /// Whole lines of the plain text.
    pub(crate) lines: Vec<String>,
    /// Parts of the other.
    pub(crate) html: Vec<String>,
}

/// What may have come twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubles {
    None,
    /// So many in all, where the first copy was followed by fewer than `hands` mails on its connection: with one hand it
    /// was the last.
    Interrupted {
        hands: usize,
        count_max: usize,
    },
}

impl Letter {
    pub(crate) fn of(taken: &Taken) -> Self {
        Self { bytes: taken.bytes.clone(), envelope: Some(taken.to.clone()) }
    }

    /// Those that a server or worker wrote below its data folder.
    pub(crate) fn in_folder(data: &Path) -> Vec<Self> {
        let Ok(entries) = fs::read_dir(data.join("outbox")) else { return Vec::new() };
        let paths = entries.map(|entry| entry.expect("the folder is ours").path());
        let whole = paths.filter(|path| path.extension().is_some_and(|it| it == "eml"));
        let read = |path| fs::read(path).expect("the folder is ours");
        whole.map(|path| Self { bytes: read(path), envelope: None }).collect()
    }

    pub(crate) fn all_of(smtp: &SmtpServer) -> Vec<Self> {
        smtp.taken().iter().map(Self::of).collect()
    }

    /// What the queue calls it: its `Message-ID` without the domain.
    #[track_caller]
    pub(crate) fn name(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let id = text.split("\r\n").find_map(|line| line.strip_prefix("Message-ID: <"));
        let name = id.and_then(|id| id.strip_suffix(DOMAIN));
        name.unwrap_or_else(|| panic!("it has no name:\n{text}")).to_owned()
    }
}

impl Expected {
    /// The mail of that kind about an order.
    pub(crate) fn of(order: &Value, kind: &str, to: &str) -> Self {
        let text = |value: &Value| value.as_str().expect("it is text").to_owned();
        let money = |minor: &Value| money(minor, &text(&order["currency"]));
        let outcome = match kind {
            "order_confirmed" => "is confirmed",
            "order_canceled" => "is canceled",
            _ => "has expired",
        };
        let (mut lines, mut html) = (Vec::new(), Vec::new());
        for line in order["lines"].as_array().expect("an order has lines") {
            let (name, sku) = (text(&line["name"]), text(&line["sku"]));
            let (each, all) = (money(&line["unit_price"]), money(&line["total"]));
            lines.push(format!("{} x {name} ({sku}), {each} each: {all}", line["quantity"]));
            html.extend([format!("{} &times; {name}", line["quantity"]), format!("{sku}, {each} each"), all]);
        }
        if order["discount"] != 0 {
            lines.push(format!("Subtotal: {}", money(&order["subtotal"])));
            lines.push(format!("Discount: -{}", money(&order["discount"])));
            html.extend([money(&order["subtotal"]), format!("-{}", money(&order["discount"]))]);
        }
        lines.push(format!("Total: {}", money(&order["total"])));
        html.push(format!("<strong>{}</strong>", money(&order["total"])));
        Self {
            name: format!("{}.{kind}", text(&order["id"])),
            to: to.to_owned(),
            subject: format!("Your order {} {outcome}", text(&order["number"])),
            lines,
            html,
        }
    }

    #[track_caller]
    fn check(&self, letter: &Letter) {
        if let Some(envelope) = &letter.envelope {
            assert_eq!(envelope, std::slice::from_ref(&self.to), "{self:?}");
        }
        let mail = parse(&letter.bytes);
        let header = |name: &str| mail["headers"][name].as_str().expect("it has one").to_owned();
        let to = header("To");
        assert!(to == self.to || to.ends_with(&format!(" <{}>", self.to)), "{to}: {self:?}");
        assert_eq!(header("Subject"), self.subject, "{self:?}");
        assert_eq!(header("Message-ID"), format!("<{}{DOMAIN}", self.name));
        let (plain, html) = (mail["plain"].as_str().expect("two parts"), mail["html"].as_str().expect("two"));
        for line in &self.lines {
            assert!(plain.lines().any(|it| it == line), "{line} is not in:\n{plain}");
        }
        for part in &self.html {
            assert!(html.contains(part), "{part} is not in:\n{html}");
        }
    }
}

/// Checks that these came, each once and as it should read, and nothing else.
#[track_caller]
pub(crate) fn expect_letters(letters: &[Letter], expected: &[Expected]) {
    let mut came: Vec<_> = letters.iter().map(Letter::name).collect();
    let mut due: Vec<_> = expected.iter().map(|it| it.name.clone()).collect();
    came.sort_unstable();
    due.sort_unstable();
    assert_eq!(came, due);
    for expected in expected {
        let letter = letters.iter().find(|letter| letter.name() == expected.name);
        expected.check(letter.expect("it is among them"));
    }
}

/// Checks that all that is due was taken, by whom it is for, once but for these doubles, and nothing else.
#[track_caller]
pub(crate) fn expect_taken(taken: &[Taken], due: &BTreeMap<String, String>, doubles: Doubles) {
    let names: Vec<_> = taken.iter().map(|mail| Letter::of(mail).name()).collect();
    let came: BTreeSet<_> = names.iter().collect();
    let lost: Vec<_> = due.keys().filter(|name| !came.contains(name)).collect();
    assert!(lost.is_empty(), "due and not sent: {lost:?}");
    let mut count = 0;
    for (at, (mail, name)) in taken.iter().zip(&names).enumerate() {
        let address = due.get(name).unwrap_or_else(|| panic!("sent and not due: {name}"));
        assert_eq!(&mail.to, std::slice::from_ref(address), "{name}");
        if !names[at + 1..].contains(name) {
            continue;
        }
        count += 1;
        let Doubles::Interrupted { hands, .. } = doubles else { panic!("{name} was sent twice") };
        let later = taken[at + 1..].iter().filter(|it| it.connection == mail.connection).count();
        assert!(later < hands, "{name} was sent again, and {later} mails came after it on its connection");
    }
    if let Doubles::Interrupted { count_max, .. } = doubles {
        assert!(count <= count_max, "{count} doubles, where {count_max} mails were interrupted at most");
    }
}

/// All orders of the shop.
pub(crate) async fn orders(shop: &Shop) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    for _ in 0..PAGES_MAX {
        let page = shop.change("GET", &format!("/orders?limit=200{cursor}"), &Value::Null);
        let page = page.send().await.expect(200).body;
        all.extend(page["data"].as_array().expect("a page has data").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
    panic!("there are more than {PAGES_MAX} pages of orders");
}

/// The names of mails that are due about these orders, each with the address: to the order's own, else its customer's.
pub(crate) fn due(orders: &[Value]) -> BTreeMap<String, String> {
    let mut due = BTreeMap::new();
    for order in orders {
        let address = match (order["email"].as_str(), order["customer_id"].as_str()) {
            (Some(email), _) => email.to_owned(),
            (None, Some(customer)) => address_of(customer),
            (None, None) => continue,
        };
        let is_confirmed = order["confirmed_at"].is_string();
        let has_expired = order["status"] == "expired" || order["reacquired"] == true;
        for (kind, is_due) in [
            ("order_confirmed", is_confirmed),
            ("order_canceled", order["canceled_at"].is_string()),
            ("order_expired", has_expired),
        ] {
            if is_due {
                let id = order["id"].as_str().expect("an order has an id");
                due.insert(format!("{id}.{kind}"), address.clone());
            }
        }
    }
    due
}

/// The address of one of the [usual people](crate::people).
pub(crate) fn address_of(customer: &str) -> String {
    let id = customer.strip_prefix("usr_").and_then(|id| Uuid::try_parse(id).ok()).expect("it is an id");
    format!("{}@people.test", id.as_u128())
}

/// What `holdfast mail stat` says.
#[track_caller]
pub(crate) fn stat(folder: &Folder, redis: Option<&RedisServer>) -> Value {
    let mut command = folder.command(&["mail", "stat", "--json"]);
    if let Some(redis) = redis {
        command.env("REDIS_URL", redis.url());
    }
    let told = Process::spawn(command).wait().expect_code(0);
    serde_json::from_str(&told.stdout).expect("it is JSON")
}

/// Waits until the queue has no mail in any state.
pub(crate) async fn until_empty(folder: &Folder, redis: Option<&RedisServer>) {
    let look = async || {
        let stat = stat(folder, redis);
        let is_empty = ["ready", "taken", "delayed", "dead", "sent"].iter().all(|state| stat[state] == 0);
        is_empty.then_some(())
    };
    until("the mail queue is empty", look).await;
}

/// Amounts as mails show them.
fn money(minor: &Value, currency: &str) -> String {
    let minor = minor.as_u64().expect("an amount of an order is a whole number");
    match currency {
        "EUR" => format!("{}.{:02} EUR", minor / 100, minor % 100),
        "JPY" => format!("{minor} JPY"),
        other => panic!("no test sells for {other}"),
    }
}
