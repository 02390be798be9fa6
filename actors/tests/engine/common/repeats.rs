//! The same request again: at once, later, after a restart, under the same key and under none.

use futures_util::future::join_all;
use holdfast_actors::{Answer, Context, Engine, Failure, RequestKey};

use super::wants::again;
use super::{Shop, fresh};

/// How often a request comes at the same time.
const AT_ONCE: usize = 12;

/// Asks the same under one key many times at once, then later, then after two restarts: one effect, and always the
/// first answer. Another request of that key is refused. Returns the shop and the answer.
pub(crate) async fn same_answer_for_one_key<T: PartialEq + std::fmt::Debug>(
    shop: Shop,
    ask: impl AsyncFn(&Engine, &Context) -> Result<Answer<T>, Failure>,
) -> (Shop, Result<Answer<T>, Failure>) {
    let context = again(fresh());
    let at_once = join_all((0..AT_ONCE).map(|_| ask(&shop.engine, &context))).await;
    let is_first = |answer: &Result<Answer<T>, Failure>| is_replayed(answer) == Some(false);
    assert_eq!(at_once.iter().filter(|answer| is_first(answer)).count(), 1, "{at_once:?}");
    let effect = shop.quiet().await;
    let first = at_once.into_iter().reduce(|first, next| {
        let (first, next) = if is_first(&next) { (next, first) } else { (first, next) };
        same(&first, &next);
        first
    });
    let first = first.expect("it was asked");
    let mut shop = shop;
    for _ in 0..2 {
        let later = ask(&shop.engine, &context).await;
        assert_eq!(is_replayed(&later), Some(true), "{later:?}");
        same(&first, &later);
        let key = context.key.expect("it has one");
        let other = RequestKey { fingerprint: holdfast_actors::domain::idempotency::Fingerprint(0), ..key };
        let reused = ask(&shop.engine, &Context { key: Some(other), ..context.clone() }).await;
        assert_eq!(reused.map(|it| it.value), Err(Failure::KeyReused));
        assert_eq!(shop.quiet().await, effect, "one effect");
        shop = shop.reopen();
    }
    (shop, first)
}

/// Asks the same without a key many times at once, then later, then after a restart: the same value each time, and
/// the effect of one.
pub(crate) async fn same_value_without_a_key<T: PartialEq + std::fmt::Debug>(
    shop: Shop,
    ask: impl AsyncFn(&Engine, &Context) -> Result<Answer<T>, Failure>,
) -> (Shop, T) {
    let contexts: Vec<_> = (0..AT_ONCE).map(|_| super::context()).collect();
    let mut at_once = join_all(contexts.iter().map(|context| ask(&shop.engine, context))).await.into_iter();
    let first = at_once.next().expect("it was asked").expect("it may be done").value;
    for answer in at_once {
        assert_eq!(answer.expect("it is so already").value, first);
    }
    let effect = shop.quiet().await;
    let mut shop = shop;
    for _ in 0..2 {
        let later = ask(&shop.engine, &super::context()).await.expect("it is so already");
        assert_eq!((&later.value, later.is_replayed, later.position), (&first, false, None));
        assert_eq!(shop.quiet().await, effect, "one effect");
        shop = shop.reopen();
    }
    (shop, first)
}

fn same<T: PartialEq + std::fmt::Debug>(
    first: &Result<Answer<T>, Failure>,
    next: &Result<Answer<T>, Failure>,
) {
    match (first, next) {
        (Ok(first), Ok(next)) => {
            assert_eq!(first.value, next.value);
            assert_eq!(first.position, next.position);
        }
        (Err(Failure::Refused(first)), Err(Failure::Refused(next))) => {
            assert_eq!((&first.value, first.position), (&next.value, next.position));
        }
        _ => panic!("one key, one outcome (INV-5): {first:?} and {next:?}"),
    }
}

fn is_replayed<T>(answer: &Result<Answer<T>, Failure>) -> Option<bool> {
    match answer {
        Ok(answer) => Some(answer.is_replayed),
        Err(Failure::Refused(answer)) => Some(answer.is_replayed),
        Err(_) => None,
    }
}
