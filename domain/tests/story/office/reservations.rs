//! Bare reservations in a story.

use holdfast_domain::hold::{Hold, Refusal, State, Verdict};
use holdfast_domain::order::Source;
use holdfast_domain::reservation::{Event, Reservation};
use holdfast_domain::{OrderId, ReservationId};

use super::items::{items, items_text, name, placed};
use super::{Fact, Office};
use crate::story::teller::Outcome;
use crate::story::words::{self, Words, buyer_text, time_text};

pub(super) fn live(office: &mut Office, verb: &str, words: &mut Words<'_>) -> Option<Outcome> {
    if verb == "holds" {
        return Some(Outcome::to_be_told(list(office, words)));
    }
    let ids = words::reservations(words.next_if(|word| word.starts_with('#'))?);
    let outcome = match verb {
        "reserve" => {
            let (items, deadline, owner) = (items(words), words.deadline(office.now), words.owner());
            let reserve = |id| {
                if let Err(refusal) = Hold::check_deadline(deadline, office.now) {
                    return Outcome::to_be_told(refused(refusal));
                }
                let (reference, metadata) = (Some("x".into()), None);
                let items = items.clone();
                let event = Event::Reserved { owner, items, deadline, reference, metadata };
                office.take(Fact::Reservation(id, event));
                Outcome::success("done")
            };
            ids.into_iter().map(reserve).last()?
        }
        "extend" => {
            let deadline = words.deadline(office.now);
            let decided = known(office, ids[0]).map(|it| it.decide_extend(deadline, office.now));
            go(office, ids[0], decided.map(|decided| decided.map(Verdict::Go)))
        }
        "release" => ids.into_iter().map(|id| release(office, id)).last()?,
        "confirm" => {
            let order = words.take("order").then(|| words::order(words.next()));
            ids.into_iter().map(|id| confirm(office, id, order.unwrap_or(OrderId(id.0)))).last()?
        }
        "hold" => Outcome::to_be_told(known(office, ids[0]).map_or("unknown".into(), text)),
        "version" => Outcome::to_be_told(known(office, ids[0])?.version.to_string()),
        "deadline" => {
            let deadline = known(office, ids[0])?.hold.next_deadline();
            Outcome::to_be_told(deadline.map_or_else(|| "none".into(), time_text))
        }
        _ => return None,
    };
    Some(outcome)
}

/// Ends what is due.
pub(super) fn sweep(office: &mut Office) -> Vec<String> {
    let reservations = office.books.reservations.iter();
    let due: Vec<_> =
        reservations.filter_map(|(id, it)| it.decide_expire(office.now).map(|event| (id, event))).collect();
    for (id, event) in &due {
        office.take(Fact::Reservation(*id, event.clone()));
    }
    due.into_iter().map(|(id, _)| format!("{} expired", name(id))).collect()
}

fn release(office: &mut Office, id: ReservationId) -> Outcome {
    let decided = known(office, id).map(|it| it.decide_release(office.now));
    go(office, id, decided)
}

fn confirm(office: &mut Office, id: ReservationId, order: OrderId) -> Outcome {
    let Some(reservation) = known(office, id) else { return Outcome::to_be_told("unknown") };
    let placed = placed(reservation.owner, Source::Reservation(id), id, &reservation.items, None, Vec::new());
    let decided = reservation.hold.decide_confirm(office.now);
    let event = |()| Event::Confirmed { order, placed };
    let decided = decided.map(|verdict| match verdict {
        Verdict::Already => Verdict::Already,
        Verdict::Go(go) => Verdict::Go(event(go)),
    });
    go(office, id, Some(decided))
}

fn go(office: &mut Office, id: ReservationId, decided: Option<Result<Verdict<Event>, Refusal>>) -> Outcome {
    match decided {
        None => Outcome::to_be_told("unknown"),
        Some(Err(refusal)) => Outcome::to_be_told(refused(refusal)),
        Some(Ok(Verdict::Already)) => Outcome::success("already so"),
        Some(Ok(Verdict::Go(event))) => {
            let text = if event == Event::Expired { "expired" } else { "done" };
            office.take(Fact::Reservation(id, event));
            Outcome::success(text)
        }
    }
}

fn known(office: &Office, id: ReservationId) -> Option<&Reservation> {
    office.books.reservations.get(id)
}

pub(super) fn refused(refusal: Refusal) -> String {
    match refusal {
        Refusal::Expired { deadline } => format!("refused: expired at {}", time_text(deadline)),
        Refusal::InvalidState => "refused: invalid state".into(),
        Refusal::DeadlineOutOfRange => "refused: deadline out of range".into(),
        Refusal::ExtensionExceeded => "refused: extended enough".into(),
    }
}

fn text(reservation: &Reservation) -> String {
    let deadline = time_text(reservation.hold.deadline);
    match (reservation.hold.state, reservation.order) {
        (State::Active, None) => {
            let buyer = buyer_text(reservation.owner.buyer());
            format!("{} for {buyer} until {deadline}", items_text(&reservation.items))
        }
        (State::Confirmed, Some(OrderId(order))) => format!("confirmed as @{order}"),
        (State::Released, None) => "released".into(),
        (State::Expired, None) => format!("expired at {deadline}"),
        (state, order) => panic!("{state:?} and an order: {order:?}"),
    }
}

/// `holds`, `holds of ann`, `holds of ann before #5`: newest first.
fn list(office: &Office, words: &mut Words<'_>) -> String {
    let owner = words.take("of").then(|| words::buyer(words.next()));
    let before = words.take("before").then(|| words::reservations(words.next())[0]);
    let before = before.unwrap_or(ReservationId(u128::MAX));
    let reservations = &office.books.reservations;
    assert_eq!(reservations.iter().count(), reservations.len());
    assert_eq!(reservations.iter().next().is_none(), reservations.is_empty());
    let ids: Vec<_> = match owner {
        Some(owner) => reservations.of_owner_before(owner, before).map(|(id, _)| name(id)).collect(),
        None => reservations.before(before).map(|(id, _)| name(id)).collect(),
    };
    if ids.is_empty() { "none".into() } else { ids.join(" ") }
}
