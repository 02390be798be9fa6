//! Every saga cut after each of its steps, and mended: products and owners agree, and nobody lost what was theirs.

use holdfast_domain::saga::Taking;
use holdfast_domain::{Millis, ReservationId};

use super::scenes::{SCENES, Scene};
use crate::saga::goods::{ANN, holds, item};
use crate::saga::world::{Crash, START, Trouble, World};

/// Five units of each variant of three products.
const STOCKS: [u32; 3] = [5, 5, 5];

#[test]
fn each_saga_works() {
    for scene in SCENES {
        let (world, _) = play(scene, Trouble::default());
        world.check();
        world.check_replay();
    }
}

#[test]
fn each_saga_works_with_each_step_twice() {
    for scene in SCENES {
        let (once, _) = play(scene, Trouble::default());
        for is_reversed in [false, true] {
            let (twice, _) = play(scene, Trouble { is_repeating: true, is_reversed, ..Trouble::default() });
            twice.check();
            assert_eq!(traces(&twice), traces(&once), "{}", scene.name);
        }
    }
}

#[test]
fn each_saga_may_be_cut_anywhere_and_is_mended() {
    for scene in SCENES {
        let (whole, _) = play(scene, Trouble::default());
        assert!(whole.steps > 0, "{} does something", scene.name);
        for crash_after in 0..whole.steps {
            for (is_repeating, is_reversed) in [(false, false), (false, true), (true, false)] {
                let trouble =
                    Trouble { crash_after: Some(crash_after), is_repeating, is_reversed, rival_from: None };
                let (mut world, cut) = play(scene, trouble);
                assert_eq!(cut, Err(Crash), "{} has step {crash_after}", scene.name);
                world.recover();
                if scene.is_atomic {
                    let (before, _) = play(scene, Trouble { crash_after: Some(0), ..Trouble::default() });
                    let is_either = [traces(&before), traces(&whole)].contains(&traces(&world));
                    assert!(is_either, "{} after {crash_after}: all or nothing", scene.name);
                }
                goes_on(world);
            }
        }
    }
}

/// What is free for a moment is gone: a rival buys it before each step. Neither the way back nor recovery needs it.
#[test]
fn rival_between_any_two_steps_takes_nothing_from_anybody() {
    for scene in SCENES {
        let (whole, _) = play(scene, Trouble::default());
        for rival_from in 0..=whole.steps {
            let trouble = Trouble { rival_from: Some(rival_from), ..Trouble::default() };
            let (world, done) = play(scene, trouble);
            assert_eq!(done, Ok(()), "{}", scene.name);
            world.check();
            goes_on(world);
        }
    }
}

#[test]
fn each_saga_may_be_cut_anywhere_with_a_rival_at_work() {
    for scene in SCENES {
        let (whole, _) = play(scene, Trouble::default());
        for rival_from in 0..=whole.steps {
            for crash_after in 0..=whole.steps {
                let (rival_from, crash_after) = (Some(rival_from), Some(crash_after));
                let (mut world, cut) = play(scene, Trouble { rival_from, crash_after, ..Trouble::default() });
                match cut {
                    Ok(()) => world.check(),
                    Err(Crash) => world.recover(),
                }
                goes_on(world);
            }
        }
    }
}

/// A crash in the middle of a crash's mending is a crash: the rest is mended next time.
#[test]
fn mending_may_be_cut_as_well() {
    for scene in SCENES {
        let (whole, _) = play(scene, Trouble::default());
        for crash_after in 0..whole.steps {
            let told = |world: &World| {
                let told = world.mend().expect("it can be met");
                told.into_iter().flat_map(|(id, commands)| commands.into_iter().map(move |it| (id, it)))
            };
            let trouble = Trouble { crash_after: Some(crash_after), ..Trouble::default() };
            let restarted = || {
                let (mut world, _) = play(scene, trouble);
                world.restart();
                world
            };
            for cut in 0..told(&restarted()).count() {
                let mut world = restarted();
                for (product, command) in told(&world).take(cut).collect::<Vec<_>>() {
                    assert_eq!(world.turn(product, &command), Ok(()), "{}", scene.name);
                }
                world.recover();
            }
        }
    }
}

/// Units that were taken for a hold nobody wrote down are free again.
#[test]
fn orphans_of_unknown_names_are_given_back() {
    let mut world = World::new(&STOCKS);
    let items = [item(1, 0, 2), item(3, 1, 5)];
    let taking = Taking::new(ReservationId(77), ANN.buyer(), START, &items, |_| None);
    assert_eq!(world.hold(taking), Ok(Ok(())));
    world.recover();
    assert_eq!(levels(&world, |levels| levels.available.0), 30);
}

/// Somebody's hold and somebody's order, of other people, are no business of a crash.
#[test]
fn mending_leaves_alone_what_is_right() {
    for scene in SCENES {
        let (mut world, _) = play(scene, Trouble::default());
        let before = traces(&world);
        world.recover();
        assert_eq!(traces(&world), before, "{}", scene.name);
    }
}

fn play(scene: &Scene, trouble: Trouble) -> (World, Result<(), Crash>) {
    let mut world = World::new(&STOCKS);
    (scene.setup)(&mut world);
    world.check();
    world.begin(trouble);
    let done = (scene.act)(&mut world);
    world.trouble = Trouble::default();
    (world, done)
}

/// After any of it the world can be lived in: in the end everything that was only held is free.
fn goes_on(mut world: World) {
    world.now = world.now.after(Millis::from_secs(60 * 60));
    assert_eq!((world.expire(), world.expire_carts()), (Ok(()), Ok(())));
    world.check();
    assert_eq!(levels(&world, |levels| levels.reserved.0), 0, "nothing is held for ever");
    let stocked: u32 = STOCKS.iter().map(|stock| stock * 2).sum();
    assert_eq!(
        levels(&world, |levels| levels.on_hand().0) + shipped(&world),
        stocked,
        "no unit is lost or made"
    );
    world.check_replay();
}

fn levels(world: &World, of: impl Fn(&holdfast_domain::product::Levels) -> u32) -> u32 {
    world.products.values().flat_map(|product| product.variants()).map(|variant| of(&variant.levels)).sum()
}

fn shipped(world: &World) -> u32 {
    let variants = world.products.values().flat_map(|product| product.variants());
    let units: u64 = variants.map(|variant| variant.totals.fulfilled).sum();
    u32::try_from(units).expect("few")
}

fn traces(world: &World) -> Vec<Vec<String>> {
    world.products.values().map(holds).collect()
}
