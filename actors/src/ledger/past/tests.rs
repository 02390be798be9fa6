//! Random lives of a product against a list of all that it ever was, whole and trimmed.

use holdfast_domain::{OrderId, ProductId};
use holdfast_persistence::{
    BatchNumber, Epoch, Folder, FrameBuilder, Head, Journal as _, Partition, RecordHeader, SledJournal,
    Store as _, sled_journal,
};
use proptest::prelude::*;

use super::*;
use crate::record::handwritten::{PRODUCT, PRODUCT_PARTITION, created, product_turn, purchased, turn};
use crate::record::{Entity, Turn, encode};

/// What a record does.
#[derive(Clone, Debug)]
enum Step {
    /// Something in another partition.
    Elsewhere,
    /// Something of another product in the same partition.
    Beside,
    /// One unit is sold.
    Sold,
    /// The variant gets another name.
    Renamed(u8),
}

/// What was when a record was written.
#[derive(Clone)]
struct Then {
    position: Position,
    at: Timestamp,
    batch: BatchNumber,
    /// None before the product was there.
    variant: Option<(Sku, Past)>,
}

/// A step, how many milliseconds after the last, and whether a frame ends with it.
fn steps() -> impl Strategy<Value = Vec<(Step, u64, bool)>> {
    let step = prop_oneof![
        3 => Just(Step::Elsewhere),
        1 => Just(Step::Beside),
        4 => Just(Step::Sold),
        1 => (0..2_u8).prop_map(Step::Renamed),
    ];
    prop::collection::vec((step, 0..3_u64, any::<bool>()), 1..60)
}

fn renamed(sku: &Sku) -> Event {
    let Events::Product(events) = created().1.events else { unreachable!("it is of a product") };
    let Event::Created { variants, .. } = &events[0] else { unreachable!("it begins so") };
    let description = Arc::new(VariantDescription { sku: sku.clone(), ..(*variants[0]).clone() });
    Event::VariantDescribed { variant: VariantNo(0), description, is_simple: true, version: 2 }
}

fn sku(number: u8) -> Sku {
    Sku::new(&format!("lamp-{number}")).expect("letters")
}

/// Writes a life, with the product made in the middle of other things.
struct Writer {
    sequences: [u64; 16],
    previous: u64,
    now: Timestamp,
    variant: Option<(Sku, Past)>,
    told: Vec<Then>,
}

impl Writer {
    fn turn(&mut self, step: Option<&Step>) -> (u16, Turn) {
        let other = |partition| (partition, turn(Entity::Product(ProductId(9)), 0, Events::Product(vec![])));
        let (event, sold) = match step {
            None => {
                self.previous = self.sequences[usize::from(PRODUCT_PARTITION)] + 1;
                let levels = Levels { available: holdfast_domain::Units(10_000), ..Levels::default() };
                let past = Past { levels, version: 2, updated_at: Some(self.now) };
                self.variant = Some((Sku::new("lamp").expect("letters"), past));
                let (partition, mut made) = created();
                let Events::Product(events) = &mut made.events else { unreachable!("it is of a product") };
                let Event::Adjusted { delta, .. } = &mut events[1] else { unreachable!("it has units") };
                *delta = 10_000;
                return (partition, made);
            }
            Some(Step::Elsewhere) => return other(PRODUCT_PARTITION + 1),
            Some(Step::Beside) => return other(PRODUCT_PARTITION),
            Some(Step::Sold) => (purchased(OrderId(1)), true),
            Some(Step::Renamed(number)) => {
                self.variant.as_mut().expect("it was made").0 = sku(*number);
                (renamed(&sku(*number)), false)
            }
        };
        if sold {
            let past = &mut self.variant.as_mut().expect("it was made").1;
            event.movements(|movement| past.levels.shift(movement.kind, movement.quantity));
            past.version += 1;
            past.updated_at = Some(self.now);
        }
        let written = product_turn(self.previous, vec![event]);
        self.previous = self.sequences[usize::from(PRODUCT_PARTITION)] + 1;
        written
    }

    fn write(&mut self, journal: &mut SledJournal, steps: &[(Step, u64, bool)]) {
        let from = Head::before(&*journal);
        let head = journal.recover(from, &mut |_| Ok(())).expect("it is new").head;
        let (mut batch, mut hash) = (head.next_batch(), head.last_hash());
        let mut frame = FrameBuilder::new();
        let made = steps.len() / 3;
        let all = steps.iter().enumerate().flat_map(|(index, step)| {
            let begins = (index == made).then_some((None, 1, true));
            let is_early = index < made && !matches!(step.0, Step::Elsewhere);
            let step = if is_early {
                (Some(&Step::Beside), step.1, step.2)
            } else {
                (Some(&step.0), step.1, step.2)
            };
            begins.into_iter().chain([step])
        });
        for (step, pause, ends) in all {
            self.now = Timestamp(self.now.0 + pause);
            let (partition, turn) = self.turn(step);
            let sequence = &mut self.sequences[usize::from(partition)];
            *sequence += 1;
            let position = Position { partition: Partition(partition), sequence: Sequence(*sequence) };
            let Position { partition, sequence } = position;
            let header = RecordHeader { partition, epoch: Epoch(1), sequence, time_ms: self.now.0 };
            frame.push(&header, &encode(&turn, Vec::new()));
            self.told.push(Then { position, at: self.now, batch, variant: self.variant.clone() });
            if ends {
                let finished = std::mem::replace(&mut frame, FrameBuilder::new()).finish(batch, hash);
                hash = finished.hash();
                journal.append(&[finished]).expect("there is room");
                batch = batch.next();
            }
        }
        if frame.count() > 0 {
            journal.append(&[frame.finish(batch, hash)]).expect("there is room");
        }
    }
}

/// What must be found of a variant that is called `sku` now.
fn expected(then: Option<&(Sku, Past)>, sku: &Sku) -> Found {
    match then {
        None => Found::NotYet,
        Some((other, _)) if other != sku => Found::CalledOtherwise(other.clone()),
        Some((_, past)) => Found::Was(past.clone()),
    }
}

fn check(
    told: &[Then],
    journal: &SledJournal,
    sequence: u64,
    kept_from: BatchNumber,
) -> Result<(), TestCaseError> {
    let (now_called, now) = told.last().and_then(|last| last.variant.clone()).expect("it was made");
    let present = Present {
        sequence: Sequence(sequence),
        sku: now_called.clone(),
        levels: now.levels,
        version: now.version,
        updated_at: now.updated_at.expect("it moved"),
    };
    let account =
        Account { product: PRODUCT, partition: Partition(PRODUCT_PARTITION), variant: VariantNo(0) };
    let until = Instant::now() + std::time::Duration::from_secs(600);
    let find =
        |moment| read(&journal.reader(), account, &present, moment, until).expect("the journal is sound");
    for then in told {
        // Of several records of one millisecond the last counts; those of other partitions change nothing.
        let newest = told.iter().rfind(|it| it.at == then.at).expect("it is one of them");
        for (moment, then) in [(Moment::After(then.position), then), (Moment::At(then.at), newest)] {
            let (found, expected) = (find(moment), expected(then.variant.as_ref(), &now_called));
            let is_kept = then.batch >= kept_from;
            match (&found, &expected) {
                _ if found == expected => {}
                (Found::Trimmed, _) => prop_assert!(!is_kept, "{moment:?} is kept"),
                // What the journal does not reach back to.
                (Found::Was(found), Found::Was(expected)) => {
                    prop_assert_eq!((found.levels, found.version), (expected.levels, expected.version));
                    prop_assert!(found.updated_at.is_none() && kept_from > BatchNumber::FIRST);
                }
                (Found::Was(_), Found::CalledOtherwise(_)) => prop_assert!(kept_from > BatchNumber::FIRST),
                _ => prop_assert!(false, "{moment:?}: {found:?} is not {expected:?}"),
            }
        }
    }
    Ok(())
}

/// Lives, and is trimmed after so many hundredths.
fn check_life(steps: &[(Step, u64, bool)], cut: u64) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().expect("there is room");
    let held = Folder::open(folder.path()).expect("the folder is ours");
    let mut journal = SledJournal::open(&held, sled_journal::Options::default()).expect("it opens");
    let mut writer =
        Writer { sequences: [0; 16], previous: 0, now: Timestamp(1_000), variant: None, told: Vec::new() };
    writer.write(&mut journal, steps);
    check(&writer.told, &journal, writer.previous, BatchNumber::FIRST)?;
    let last = writer.told.last().expect("there are records").batch;
    let kept_from = BatchNumber(1 + last.0 * cut / 100);
    journal.trimmer().remove_before(kept_from).expect("the disk works");
    check(&writer.told, &journal, writer.previous, kept_from)
}

#[test]
fn product_that_rests_is_known_when_more_is_trimmed_than_its_last() {
    check_life(&[(Step::Beside, 0, true), (Step::Elsewhere, 0, false)], 67).expect("it is as it was");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn past_is_what_was_and_what_was_trimmed_is_not_made_up(steps in steps(), cut in 0_u64..100) {
        check_life(&steps, cut)?;
    }
}
