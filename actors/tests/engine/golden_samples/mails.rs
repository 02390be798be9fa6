//! Records of mails.

use std::collections::BTreeSet;

use holdfast_actors::domain::{AccountId, OrderId};
use holdfast_actors::mails::{About, Fact};
use holdfast_actors::record::{Entity, Events, Turn};

use super::{ORDER, product_turn};

const ACCOUNT: AccountId = AccountId(0x0192_0000_0000_7000_8000_0000_0000_00dd);
const OTHER: OrderId = OrderId(0x0192_0000_0000_7000_8000_0000_0000_00cd);

names!(fact_name, FACTS, Fact, {
    Fact::Begun => "mail-begun",
    Fact::Sent(About::Registered(_)) => "mail-sent-registered",
    Fact::Sent(About::Confirmed(_)) => "mail-sent-confirmed",
    Fact::Sent(About::Canceled(_)) => "mail-sent-canceled",
    Fact::Sent(About::Expired(_)) => "mail-sent-expired",
});

pub(super) fn samples() -> Vec<(String, Turn)> {
    let mut all: Vec<_> = facts().map(|fact| (fact_name(&fact).into(), turn(vec![fact]))).into();
    let several = [About::Confirmed(ORDER), About::Confirmed(OTHER)].map(Fact::Sent);
    all.push(("mail-sent-several".into(), turn(several.to_vec())));
    all
}

/// The names of kinds without a sample.
pub(super) fn missing() -> Vec<&'static str> {
    let seen: BTreeSet<&'static str> = facts().iter().map(fact_name).collect();
    FACTS.iter().copied().filter(|name| !seen.contains(name)).collect()
}

fn facts() -> [Fact; 5] {
    [
        Fact::Begun,
        Fact::Sent(About::Registered(ACCOUNT)),
        Fact::Sent(About::Confirmed(ORDER)),
        Fact::Sent(About::Canceled(ORDER)),
        Fact::Sent(About::Expired(ORDER)),
    ]
}

fn turn(facts: Vec<Fact>) -> Turn {
    Turn { entity: Entity::Mails, events: Events::Mails(facts), ..product_turn(Vec::new()) }
}
