//! Facts of mails.

use holdfast_actors::domain::{AccountId, OrderId};
use holdfast_actors::mails::{About, Fact};
use serde::{Deserialize, Serialize};

use super::Resource;
use super::values::{id, number};

/// What happens to mails.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum MailFact {
    #[serde(rename = "mail.begun")]
    Begun {},
    #[serde(rename = "mail.sent")]
    Sent { about: Topic },
}

/// What a mail tells of the account or order that it is about.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Topic {
    Registered,
    Confirmed,
    Canceled,
    Expired,
}

impl MailFact {
    /// The fact that it is, and what it is about.
    pub(super) fn of(fact: &Fact) -> (Self, Resource) {
        let Fact::Sent(about) = fact else { return (Self::Begun {}, Resource::Mails) };
        let (topic, resource) = match about {
            About::Registered(account) => (Topic::Registered, Resource::Account(id(account.0))),
            About::Confirmed(order) => (Topic::Confirmed, Resource::Order(id(order.0))),
            About::Canceled(order) => (Topic::Canceled, Resource::Order(id(order.0))),
            About::Expired(order) => (Topic::Expired, Resource::Order(id(order.0))),
        };
        (Self::Sent { about: topic }, resource)
    }

    /// The way back; none where the topic does not fit the resource.
    pub(super) fn into_event(self, resource: Resource) -> Option<Fact> {
        Some(match (self, resource) {
            (Self::Begun {}, Resource::Mails) => Fact::Begun,
            (Self::Sent { about: Topic::Registered }, Resource::Account(account)) => {
                Fact::Sent(About::Registered(AccountId(number(account))))
            }
            (Self::Sent { about }, Resource::Order(order)) => {
                let order = OrderId(number(order));
                Fact::Sent(match about {
                    Topic::Registered => return None,
                    Topic::Confirmed => About::Confirmed(order),
                    Topic::Canceled => About::Canceled(order),
                    Topic::Expired => About::Expired(order),
                })
            }
            _ => return None,
        })
    }
}
