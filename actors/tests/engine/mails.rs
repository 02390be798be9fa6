//! Mails: due with the fact that they are about, once, handed out when it is durable, and settled for good.

use std::collections::BTreeSet;
use std::pin::pin;

use holdfast_actors::domain::account::{Account, Role, Tier};
use holdfast_actors::domain::order::{Payment, Status};
use holdfast_actors::domain::{AccountId, Owner, ProductId, Timestamp};
use holdfast_actors::engine::NewOrder;
use holdfast_actors::mails::{About, Fact, Unsent};
use holdfast_actors::persistence::OwnedRecord;
use holdfast_actors::record::{Entity, Events, Turn, decode, encode};
use holdfast_actors::recovery::recover;
use holdfast_actors::{Actor, Context, ManualClock, Who};

use crate::common::cuts::{disk_of, records};
use crate::common::wants::{BUYER, by, new_order, new_reservation, paid};
use crate::common::{HOLD, NOW, Shop, context, fresh, look, run};

/// More than any story has.
const ALL: usize = 1_000;

const ADA: AccountId = AccountId(77 << 64);

async fn register(shop: &Shop, id: AccountId, actor: Actor) {
    let account = Account {
        id,
        email: format!("{}@example.org", fresh()).into(),
        name: Some("Ada".into()),
        role: Role::Customer,
        tier: Tier::Standard,
        password_hash: "$argon2id$".into(),
        created_at: Timestamp::default(),
        version: 0,
    };
    let context = Context { actor, ..context() };
    shop.engine.create_account(&context, account).await.expect("the email is free");
}

/// A shop with lamps and with Ada, who is welcomed already.
async fn shop_with_ada() -> (Shop, ProductId) {
    let shop = Shop::open();
    register(&shop, ADA, Actor::Customer(ADA)).await;
    let lamp = shop.make("lamp", 100).await;
    let welcome = shop.engine.next_unsent(ALL).await.expect("the journal runs");
    assert_eq!(abouts(&welcome), [About::Registered(ADA)]);
    shop.engine.settle_mails(abouts(&welcome)).await.expect("the journal runs");
    (shop, lamp)
}

fn abouts(unsent: &[Unsent]) -> Vec<About> {
    unsent.iter().map(|unsent| unsent.about).collect()
}

fn to_guest(order: NewOrder) -> NewOrder {
    NewOrder { email: Some("guest@example.org".into()), ..order }
}

/// The mails that are due now, each handed out for the first time.
async fn handed_out(shop: &Shop) -> BTreeSet<About> {
    // The last of what was answered is durable, so all of it is found at once.
    let found = shop.engine.next_unsent(ALL).await.expect("the journal runs");
    abouts(&found).into_iter().collect()
}

#[test]
fn every_way_to_a_confirmed_order_is_told_to_who_has_an_address() {
    run(async {
        let (shop, lamp) = shop_with_ada().await;
        let (ada, engine) = (Owner::Account(ADA), &shop.engine);
        // Nobody can be told of these.
        shop.buy(lamp, 1).await.expect("there are enough");
        shop.place(BUYER, &[("lamp", 1)]).await.expect("there are enough");
        let bought = shop.buy_as(&by(ada), lamp, 1).await.expect("there are enough").value.order;
        let order = to_guest(paid("tok_ok", new_order(&[("lamp", 1)])));
        let placed = engine.place(&by(BUYER), BUYER, order).await.expect("there are enough").value.id;
        let held = engine.reserve(&by(ada), ada, new_reservation(&[("lamp", 1)])).await;
        let held = held.expect("there are enough").value.id;
        let confirmed = engine.confirm_reservation(&by(ada), Who::Owner(ada), held).await;
        let confirmed = confirmed.expect("it is active").value;
        let waiting = shop.place(ada, &[("lamp", 1)]).await.expect("there are enough").value.id;
        let expected =
            [bought, placed, confirmed.reservation.order.expect("it is one now")].map(About::Confirmed);
        assert_eq!(handed_out(&shop).await, BTreeSet::from(expected));
        engine.confirm_order(&context(), waiting, None).await.expect("it waits for its money");
        engine.confirm_order(&context(), waiting, None).await.expect("it is so already");
        assert_eq!(handed_out(&shop).await, BTreeSet::from([About::Confirmed(waiting)]));
        shop.close().await;
    });
}

#[test]
fn mail_says_what_was_when_it_happened() {
    run(async {
        let (shop, _) = shop_with_ada().await;
        let (ada, engine) = (Owner::Account(ADA), &shop.engine);
        let order = shop.place(ada, &[("lamp", 2)]).await.expect("there are enough").value.id;
        engine.confirm_order(&context(), order, None).await.expect("it waits for its money");
        let reason = Some("broken".into());
        engine.cancel_order(&context(), Who::Admin, order, reason).await.expect("it is not shipped");
        let facts = |about| async move {
            engine.mail_facts(about).await.expect("the journal runs").expect("there is one")
        };
        let confirmed = facts(About::Confirmed(order)).await;
        assert!(confirmed.to.ends_with("@example.org"));
        assert_eq!(confirmed.name.as_deref(), Some("Ada"));
        let standing = confirmed.order.expect("it is about one").standing;
        assert_eq!((standing.status, standing.payment), (Status::Confirmed, Payment::Paid));
        let standing = facts(About::Canceled(order)).await.order.expect("it is about one").standing;
        assert_eq!((standing.status, standing.payment), (Status::Canceled, Payment::RefundRequired));
        assert_eq!(standing.cancelation.and_then(|(_, reason)| reason).as_deref(), Some("broken"));
        assert_eq!(engine.mail_facts(About::Expired(order)).await, Ok(None), "that never happened");
        let guest = engine.place(&by(BUYER), BUYER, to_guest(new_order(&[("lamp", 1)]))).await;
        let guest = guest.expect("there are enough").value.id;
        engine.cancel_order(&by(BUYER), Who::Owner(BUYER), guest, None).await.expect("it is unpaid");
        let canceled = facts(About::Canceled(guest)).await;
        assert_eq!((&*canceled.to, canceled.name), ("guest@example.org", None));
        let welcome = facts(About::Registered(ADA)).await;
        assert_eq!((welcome.name.as_deref(), welcome.order), (Some("Ada"), None));
        assert_eq!(engine.mail_facts(About::Registered(AccountId(1))).await, Ok(None));
        shop.close().await;
    });
}

#[test]
fn order_that_expires_late_or_is_declined_is_told_once_each() {
    run(async {
        let (shop, _) = shop_with_ada().await;
        let (ada, engine) = (Owner::Account(ADA), &shop.engine);
        let declined = engine.place(&by(ada), ada, paid("tok_declined", new_order(&[("lamp", 1)]))).await;
        assert!(declined.is_err(), "the bank says no");
        let canceled = handed_out(&shop).await;
        assert!(matches!(canceled.first(), Some(About::Canceled(_))) && canceled.len() == 1, "{canceled:?}");
        let order = shop.place(ada, &[("lamp", 1)]).await.expect("there are enough").value.id;
        shop.clock.set(NOW.after(HOLD));
        assert_eq!(handed_out(&shop).await, BTreeSet::from([About::Expired(order)]));
        engine.confirm_order(&context(), order, None).await.expect("the units are still there");
        assert_eq!(handed_out(&shop).await, BTreeSet::from([About::Confirmed(order)]));
        assert_eq!(engine.unsent_count(), 3);
        shop.close().await;
    });
}

#[test]
fn nobody_is_handed_a_mail_before_its_fact_is_durable() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        let context = Context { actor: Actor::Customer(ADA), ..context() };
        let account = Account {
            id: ADA,
            email: "ada@example.org".into(),
            name: None,
            role: Role::Customer,
            tier: Tier::Standard,
            password_hash: "$argon2id$".into(),
            created_at: Timestamp::default(),
            version: 0,
        };
        let mut made = pin!(shop.engine.create_account(&context, account));
        let mut handed = pin!(shop.engine.next_unsent(ALL));
        assert!(look(made.as_mut()).await.is_pending());
        holder.append_waits();
        shop.settle().await;
        assert_eq!(shop.engine.unsent_count(), 1, "the turn was");
        for _ in 0..50 {
            assert!(look(handed.as_mut()).await.is_pending());
            assert_eq!(shop.engine.unsent(None, ALL), []);
        }
        holder.let_through();
        assert_eq!(abouts(&handed.await.expect("the journal runs")), [About::Registered(ADA)]);
        assert_eq!(abouts(&shop.engine.unsent(None, ALL)), [About::Registered(ADA)]);
        made.await.expect("the email is free");
    });
}

#[test]
fn what_was_settled_is_settled_for_good_and_said_once() {
    run(async {
        let (shop, lamp) = shop_with_ada().await;
        let ada = by(Owner::Account(ADA));
        for _ in 0..20 {
            shop.buy_as(&ada, lamp, 1).await.expect("there are enough");
        }
        let due: Vec<About> = handed_out(&shop).await.into_iter().collect();
        assert_eq!(due.len(), 20);
        let (sent, rest) = due.split_at(12);
        shop.engine.settle_mails(sent.to_vec()).await.expect("the journal runs");
        let written = records(&shop.disk).len();
        let again = [sent, &[About::Registered(ADA), About::Registered(AccountId(5))]].concat();
        shop.engine.settle_mails(again).await.expect("the journal runs");
        assert_eq!(records(&shop.disk).len(), written, "what is settled leaves no record");
        assert_eq!(abouts(&shop.engine.unsent(None, ALL)), rest);
        let shop = shop.reopen();
        assert_eq!(records(&shop.disk).len(), written, "a journal begins with mails once");
        assert_eq!(handed_out(&shop).await.into_iter().collect::<Vec<_>>(), rest);
        let (first, last) =
            (abouts(&shop.engine.unsent(None, 5)), abouts(&shop.engine.unsent(Some(rest[4]), ALL)));
        assert_eq!([first, last].concat(), rest, "page by page");
        shop.close().await;
    });
}

#[test]
fn crash_loses_no_mail_and_brings_none_back() {
    run(async {
        let (shop, lamp) = shop_with_ada().await;
        let ada = by(Owner::Account(ADA));
        let mut due = Vec::new();
        for _ in 0..3 {
            due.push(About::Confirmed(shop.buy_as(&ada, lamp, 1).await.expect("enough").value.order));
        }
        shop.engine.settle_mails(due.clone()).await.expect("the journal runs");
        let all = records(&shop.disk);
        shop.close().await;
        let mut counts = BTreeSet::new();
        for count in 0..=all.len() {
            let disk = disk_of(&all[..count]);
            let recovered = recover(&mut disk.journal()).expect("the journal is sound");
            let unsent: BTreeSet<About> = recovered.unsent().keys().copied().collect();
            counts.insert(unsent.len());
            let shop = Shop::on(disk, ManualClock::new(NOW), |_| {});
            let live: BTreeSet<About> = abouts(&shop.engine.unsent(None, ALL)).into_iter().collect();
            assert_eq!(live, unsent, "cut after {count}");
            shop.close().await;
        }
        assert_eq!(counts, BTreeSet::from([0, 1, 2, 3]));
    });
}

/// As a version wrote it that knew nothing of mails.
#[test]
fn old_orders_are_told_to_nobody_and_later_facts_about_them_are() {
    run(async {
        let (shop, lamp) = shop_with_ada().await;
        let ada = Owner::Account(ADA);
        shop.buy_as(&by(ada), lamp, 1).await.expect("there are enough");
        let waiting = shop.place(ada, &[("lamp", 1)]).await.expect("there are enough").value.id;
        shop.settle().await;
        let mut old = records(&shop.disk);
        shop.close().await;
        for record in &mut old {
            let turn = decode(&record.payload).expect("it was just written");
            if turn.entity == Entity::Mails {
                // Others name the places of theirs, so something must be there.
                let (entity, events) = (Entity::Reservations, Events::Reservations(Vec::new()));
                record.payload = encode(&Turn { entity, events, ..turn }, Vec::new());
            }
        }
        let disk = disk_of(&old);
        let shop = Shop::on(disk, ManualClock::new(NOW), |_| {});
        shop.engine.settle_due().await.expect("the shards run");
        assert_eq!(shop.engine.unsent_count(), 0);
        assert_eq!(begun(&shop), 1, "from here on");
        shop.engine.confirm_order(&context(), waiting, None).await.expect("it waits for its money");
        assert_eq!(handed_out(&shop).await, BTreeSet::from([About::Confirmed(waiting)]));
        let shop = shop.reopen();
        assert_eq!(abouts(&shop.engine.unsent(None, ALL)), [About::Confirmed(waiting)]);
        shop.engine.settle_due().await.expect("the shards run");
        assert_eq!(begun(&shop), 1, "a journal begins with mails once");
        shop.close().await;
    });
}

/// How often a journal says from where on mails are due.
fn begun(shop: &Shop) -> usize {
    let events = |record: &OwnedRecord| decode(&record.payload).expect("it was just written").events;
    let all = records(&shop.disk);
    all.iter().filter(|record| events(record) == Events::Mails(vec![Fact::Begun])).count()
}
