//! A chain may be killed after any iteration: what its checkpoint goes on to draw is the same to the last bit.

use crate::made_up::{self, Effects};
use attrition_model::GROUP_COUNT;
use calibrator_attrition::AttritionChain;
use paddock_sdk::{Calibrator, History, Refusal, Rng};

const PARAMS: &str = r#"{"warmup":60,"draws":30}"#;
const ITERATIONS: u32 = 90;

fn history() -> History {
    let effects = Effects {
        start: [0.3; 6],
        driver: (0..9).map(|driver| 0.1 * f64::from(driver)).collect(),
        team: vec![0.0; 3],
        driver_group: vec![0.0; 9 * GROUP_COUNT],
    };
    made_up::history(&[9, 6, 8, 9, 9, 7], 9, &effects, &mut Rng::for_stream(1, 2))
}

fn open() -> AttritionChain {
    AttritionChain::open(history(), PARAMS, 5, 2).expect("valid inputs")
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn however_the_steps_are_split_the_draws_are_the_same() {
    let mut whole = open();
    whole.step(ITERATIONS).expect("a step");
    let undisturbed = whole.take_draws();
    assert_eq!(undisturbed.draw_count, 30);
    for width in [1, 7, 59, 61] {
        let mut chain = open();
        let (mut draws, mut left) = (Vec::new(), ITERATIONS);
        while left > 0 {
            chain.step(width.min(left)).expect("a step");
            left -= width.min(left);
            draws.extend(chain.take_draws().values);
        }
        assert_eq!(bits(&draws), bits(&undisturbed.values), "{width} iterations at a time");
    }
}

#[test]
fn a_checkpoint_after_any_iteration_goes_on_the_same() {
    let mut whole = open();
    whole.step(ITERATIONS).expect("a step");
    let (final_state, undisturbed) = (whole.checkpoint(), whole.take_draws());
    let mut chain = open();
    for killed_after in 0..=ITERATIONS {
        let checkpoint = chain.checkpoint();
        let mut resumed = AttritionChain::restore(history(), PARAMS, 5, 2, &checkpoint).expect("its own checkpoint");
        assert_eq!(resumed.checkpoint(), checkpoint, "after {killed_after}");
        let progress = resumed.step(ITERATIONS).expect("a step");
        assert_eq!(progress.iterations_done, ITERATIONS);
        assert_eq!(resumed.checkpoint(), final_state, "after {killed_after}");
        assert_eq!(bits(&resumed.take_draws().values), bits(&undisturbed.values), "after {killed_after}");
        chain.step(1).expect("a step");
    }
}

#[test]
fn a_step_past_the_end_changes_nothing() {
    let mut chain = open();
    let progress = chain.step(u32::MAX).expect("a step");
    let state = chain.checkpoint();
    assert_eq!(chain.step(10).expect("a step"), progress);
    assert_eq!(chain.checkpoint(), state);
}

#[test]
fn a_checkpoint_of_other_inputs_is_foreign() {
    let mut chain = open();
    chain.step(40).expect("a step");
    let checkpoint = chain.checkpoint();
    let mut other_history = history();
    other_history.finish.swap(0, 1);
    let more = r#"{"warmup":60,"draws":31}"#;
    let tries = [
        ("history", AttritionChain::restore(other_history, PARAMS, 5, 2, &checkpoint)),
        ("parameters", AttritionChain::restore(history(), more, 5, 2, &checkpoint)),
        ("seed", AttritionChain::restore(history(), PARAMS, 6, 2, &checkpoint)),
        ("chain", AttritionChain::restore(history(), PARAMS, 5, 3, &checkpoint)),
    ];
    for (other, restored) in tries {
        assert!(matches!(restored, Err(Refusal::ForeignCheckpoint(_))), "another {other}");
    }
}

#[test]
fn garbage_is_refused_and_never_panics() {
    let mut chain = open();
    chain.step(70).expect("a step");
    let checkpoint = chain.checkpoint();
    let restore = |bytes: &[u8]| AttritionChain::restore(history(), PARAMS, 5, 2, bytes);
    for length in 0..checkpoint.len() {
        assert!(restore(&checkpoint[..length]).is_err(), "cut to {length} bytes");
    }
    let mut longer = checkpoint.clone();
    longer.push(0);
    assert!(restore(&longer).is_err());
    // Any value of a byte in the middle may be a state that could have been; it must not panic, now or when it goes on.
    let mut rng = Rng::for_stream(3, 3);
    for _ in 0..300 {
        let mut damaged = checkpoint.clone();
        let at = rng.below(damaged.len() as u64) as usize;
        damaged[at] ^= 1 + rng.below(255) as u8;
        if let Ok(mut chain) = restore(&damaged) {
            let _ = chain.step(2);
        }
    }
}
