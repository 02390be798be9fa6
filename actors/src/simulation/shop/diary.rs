//! The last steps of a world, told when it breaks a law.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::sync::Once;

use holdfast_domain::Timestamp;

/// How many steps are told.
const STEPS_MAX: usize = 100;

/// What happened, newest last. Clones are the same diary.
#[derive(Clone)]
pub(super) struct Diary {
    /// Which world it is.
    world: Rc<str>,
    steps: Rc<RefCell<VecDeque<Step>>>,
}

/// When, and what.
type Step = (Timestamp, Box<dyn fmt::Debug>);

thread_local! {
    /// Of the world that this thread is in.
    static OPEN: RefCell<Option<Diary>> = const { RefCell::new(None) };
}

/// Begins the diary of a world. When this thread panics it is told, before anything is dropped: a second panic
/// on the way would silence it.
pub(super) fn open(world: &str) -> Diary {
    static TELLING: Once = Once::new();
    TELLING.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            before(panic);
            OPEN.take().iter().for_each(Diary::tell);
        }));
    });
    let diary = Diary { world: world.into(), steps: Rc::default() };
    OPEN.set(Some(diary.clone()));
    diary
}

impl Diary {
    /// Told only when something goes wrong, so nothing is spelled out before.
    pub(super) fn note(&self, at: Timestamp, step: impl fmt::Debug + 'static) {
        let mut steps = self.steps.borrow_mut();
        if steps.len() == STEPS_MAX {
            steps.pop_front();
        }
        steps.push_back((at, Box::new(step)));
    }

    fn tell(&self) {
        let steps = self.steps.borrow();
        let told: String = steps.iter().map(|(at, step)| format!("{} {step:?}\n", at.0)).collect();
        eprintln!("{told}{} broke a law", self.world);
    }
}
