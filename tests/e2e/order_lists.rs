//! Lists of orders and reservations: whose, in which order, in pages, under writes.

use serde_json::Value;

use crate::person::{Person, at};
use crate::server::Folder;
use crate::shop::Shop;
use crate::tokens;

/// More pages than any test makes.
const PAGES_MAX: usize = 50;

fn ids(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().expect("a page has data");
    data.iter().map(|it| it["id"].as_str().expect("it has an id").to_owned()).collect()
}

fn id(thing: &Value) -> String {
    thing["id"].as_str().expect("it has an id").to_owned()
}

/// All ids of a list, page by page.
async fn walk(person: &Person, list: &str) -> Vec<String> {
    walk_from(person, list, String::new()).await
}

async fn walk_from(person: &Person, list: &str, mut cursor: String) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = person.read(&format!("{list}{cursor}")).await;
        all.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
    panic!("{list}: no end");
}

/// The id of customer `number` of these tests.
fn customer_id(number: u128) -> String {
    format!("usr_{}", uuid::Uuid::from_u128(1_000 + number))
}

#[tokio::test]
async fn everybody_lists_their_own_newest_first_and_an_admin_everybodys() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 100).await;
    let (guest, customer, admin) =
        (Person::guest(&shop, 1), Person::customer(&shop, 1), Person::admin(&shop));
    let (mut of_guest, mut of_customer, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..4 {
        let placed = guest.order(&[("MUG", 1)], 60).await;
        let bought = customer.purchase(&mug, 1).await.expect(201).body["order_id"].clone();
        of_guest.insert(0, id(&placed));
        of_customer.insert(0, bought.as_str().expect("an id").to_owned());
        if round % 2 == 0 {
            let placed = customer.order(&[("MUG", 1)], 60).await;
            of_customer.insert(0, id(&placed));
        }
    }
    all.extend([of_guest.clone(), of_customer.clone()].concat());
    all.sort_unstable_by(|first, second| second.cmp(first));

    assert_eq!(ids(&guest.read("/orders").await), of_guest);
    assert_eq!(ids(&customer.read("/orders").await), of_customer);
    assert_eq!(ids(&admin.read("/orders").await), all);
    assert_eq!(guest.read("/orders").await["data"][0], guest.read(&format!("/orders/{}", of_guest[0])).await);
    for limit in [1, 3, 10, 200] {
        assert_eq!(walk(&admin, &format!("/orders?limit={limit}")).await, all, "limit {limit}");
        assert_eq!(walk(&customer, &format!("/orders?limit={limit}")).await, of_customer, "limit {limit}");
    }
    let exactly = guest.read("/orders?limit=4").await;
    assert_eq!(
        (ids(&exactly).len(), &exactly["next_cursor"]),
        (4, &Value::Null),
        "a full last page has no next"
    );
    let theirs = admin.read(&format!("/orders?customer_id={}", customer_id(1))).await;
    assert_eq!(ids(&theirs), of_customer);
    assert_eq!(ids(&admin.read(&format!("/orders?customer_id={}", customer_id(2))).await), [""; 0]);
    for person in [&guest, &customer] {
        let foreign = person.get(&format!("/orders?customer_id={}", customer_id(1))).send().await;
        foreign.expect_problem(403, "forbidden");
    }
    assert_eq!(
        ids(&shop.client.get("/orders").send().await.expect(200).body),
        [""; 0],
        "a new guest has none"
    );
}

#[tokio::test]
async fn orders_are_found_by_where_they_are() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 100).await;
    let (customer, admin) = (Person::customer(&shop, 1), Person::admin(&shop));
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(customer.order(&[("MUG", 1)], 60).await);
    }
    let expired = customer.order(&[("MUG", 1)], 1).await;
    for order in &orders[1..4] {
        customer.pay(order, "tok_ok").send().await.expect(200);
    }
    admin.tell(&format!("{}/fulfill", at(&orders[2]))).send().await.expect(200);
    customer.tell(&format!("{}/cancel", at(&orders[4]))).send().await.expect(200);
    customer.wait_for(&expired, "expired").await;

    for person in [&customer, &admin] {
        for (status, expected) in [
            ("pending_payment", vec![&orders[0]]),
            ("confirmed", vec![&orders[3], &orders[1]]),
            ("fulfilled", vec![&orders[2]]),
            ("canceled", vec![&orders[4]]),
            ("expired", vec![&expired]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(id).collect();
            assert_eq!(walk(person, &format!("/orders?status={status}&limit=1")).await, expected, "{status}");
        }
    }
    let both = format!("/orders?status=confirmed&customer_id={}", customer_id(1));
    assert_eq!(ids(&admin.read(&both).await).len(), 2);
}

#[tokio::test]
async fn reservations_are_found_by_how_they_stand_and_by_their_sku() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 100).await;
    shop.product("CUP", 100).await;
    let (one, other, admin) = (Person::customer(&shop, 1), Person::guest(&shop, 1), Person::admin(&shop));
    let active = one.reserve(&[("MUG", 1)], 60).await;
    let confirmed = one.reserve(&[("CUP", 1)], 60).await;
    let released = one.reserve(&[("MUG", 1), ("CUP", 1)], 60).await;
    let expired = one.reserve(&[("MUG", 2)], 1).await;
    let foreign = other.reserve(&[("CUP", 3)], 60).await;
    one.tell(&format!("{}/confirm", at(&confirmed))).send().await.expect(200);
    one.tell(&format!("{}/release", at(&released))).send().await.expect(200);
    one.wait_for(&expired, "expired").await;

    let names = |things: &[&Value]| things.iter().map(|thing| id(thing)).collect::<Vec<_>>();
    for (query, expected) in [
        ("", names(&[&expired, &released, &confirmed, &active])),
        ("status=active", names(&[&active])),
        ("status=confirmed", names(&[&confirmed])),
        ("status=released", names(&[&released])),
        ("status=expired", names(&[&expired])),
    ] {
        assert_eq!(walk(&one, &format!("/reservations?limit=2&{query}")).await, expected, "{query}");
    }
    for (query, expected) in [
        ("", names(&[&foreign, &expired, &released, &confirmed, &active])),
        ("sku=CUP", names(&[&foreign, &released, &confirmed])),
        ("sku=MUG&status=active", names(&[&active])),
        ("sku=NONE", vec![]),
        (&format!("customer_id={}", customer_id(1)), names(&[&expired, &released, &confirmed, &active])),
    ] {
        assert_eq!(walk(&admin, &format!("/reservations?limit=2&{query}")).await, expected, "{query}");
    }
    for person in [&one, &other] {
        for query in ["sku=MUG".to_owned(), format!("customer_id={}", customer_id(1))] {
            let refused = person.get(&format!("/reservations?{query}")).send().await;
            refused.expect_problem(403, "forbidden");
        }
    }
}

#[tokio::test]
async fn pages_follow_each_other_while_new_orders_come_and_old_ones_change() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 100).await;
    let customer = Person::customer(&shop, 1);
    let mut orders = Vec::new();
    for _ in 0..6 {
        orders.insert(0, customer.order(&[("MUG", 1)], 60).await);
    }
    let first = customer.read("/orders?limit=2").await;
    customer.order(&[("MUG", 1)], 60).await;
    customer.tell(&format!("{}/cancel", at(&orders[3]))).send().await.expect(200);
    let cursor = first["next_cursor"].as_str().expect("there is more").to_owned();
    server.kill();

    let server = folder.start();
    let customer = Person::customer(&Shop::of(&server), 1);
    let rest = walk_from(&customer, "/orders?limit=2", format!("&cursor={cursor}")).await;
    let seen = [ids(&first), rest].concat();
    assert_eq!(seen, orders.iter().map(id).collect::<Vec<_>>(), "nobody twice, nobody left out");
}

#[tokio::test]
async fn query_of_a_list_that_is_not_understood_is_refused() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 100).await;
    let admin = Person::admin(&shop);
    for _ in 0..2 {
        admin.order(&[("MUG", 1)], 60).await;
        admin.reserve(&[("MUG", 1)], 60).await;
    }
    for (list, other) in [("/orders", "/reservations"), ("/reservations", "/orders")] {
        let cursor =
            admin.read(&format!("{list}?limit=1")).await["next_cursor"].as_str().expect("more").to_owned();
        let of_other =
            admin.read(&format!("{other}?limit=1")).await["next_cursor"].as_str().expect("more").to_owned();
        for query in [
            "limit=0",
            "limit=201",
            "limit=x",
            "colour=red",
            "status=gone",
            "status=Active",
            "sort=-total",
            "customer_id=me",
            "customer_id=prod_01936f5e-7a5c-7000-8000-000000000000",
            "cursor=x",
            &format!("cursor={of_other}"),
            &format!("cursor={cursor}&status=expired"),
            &format!("cursor={cursor}&customer_id={}", customer_id(1)),
            "limit=1&limit=1",
        ] {
            let refused = admin.get(&format!("{list}?{query}")).send().await;
            assert_eq!(refused.status, 400, "{list}?{query}: {}", refused.text);
            refused.expect_problem(400, "malformed_request");
        }
        admin.get(&format!("{list}?limit=1&cursor={cursor}")).send().await.expect(200);
        shop.client.get(list).token(&tokens::expired()).send().await.expect_problem(401, "token_expired");
        let head = shop.client.ask("HEAD", list).token(&shop.admin).send().await.expect(200);
        assert_eq!(head.text, "");
    }
    admin.get("/orders?sku=MUG").send().await.expect_problem(400, "malformed_request");
    admin.get("/reservations?sku=a%20b").send().await.expect_problem(400, "malformed_request");
}
