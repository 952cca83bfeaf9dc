//! How a search is followed, stopped and gone on with: what it tells while it runs, and the state that another attempt, on this or
//! another machine, goes on from. The result is the same to the bit wherever it was interrupted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::search::Found;
use crate::domain::interrupt::Interrupt;

/// How often a running search tells how far it is; in tests whenever it looks at the interrupt.
pub(super) const TICK: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_millis(50) };

/// Hears how far a search is, and may take its state.
pub trait Watch {
    /// Called some twenty times a second, on the thread that called the search. `share` (0..=1) of its work is done; `state` gives
    /// what another attempt can go on from, and costs nothing where it is not called.
    fn tick(&mut self, share: f64, state: &mut dyn FnMut() -> SearchState);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn tick(&mut self, _: f64, _: &mut dyn FnMut() -> SearchState) {}
}

/// What a search runs under.
pub struct Session<'a> {
    /// Stops it.
    pub interrupt: &'a Interrupt,
    /// Follows it.
    pub watch: &'a mut dyn Watch,
    /// Where an earlier attempt at the same search was; one of another search is ignored.
    pub resume: Option<SearchState>,
}

/// Where a search is. It belongs to one request over one matrix: `key` tells others.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SearchState {
    /// Fingerprint of the request and the points.
    pub(super) key: u64,
    /// Lineups chosen by finished passes, best first, with the values they were chosen for.
    pub(super) picked: Vec<Found>,
    /// What a portfolio remembers of finished passes besides.
    pub(super) memory: Memory,
    /// The pass that is under way.
    pub(super) pass: PassState,
}

/// What a portfolio remembers besides its lineups.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The last candidate that was looked at.
    pub after: Option<Found>,
    /// Candidates looked at, passes made and candidates asked for per pass.
    pub counts: [u64; 3],
    /// Vetoes by reason.
    pub vetoes: Vec<(u8, u64)>,
    /// Swaps that were tried in vain since the last one that helped.
    pub fruitless: usize,
}

/// One pass over the feasible set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct PassState {
    /// Parts that are done, by their number in the order of the walk; the best lineups of all of them are in `found`.
    pub done: Vec<u32>,
    /// The best lineups so far.
    pub found: Vec<Found>,
}

/// FNV-1a (Fowler, Noll, Vo) over words: tells searches apart, protects from nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fingerprint(pub u64);

impl Fingerprint {
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }
}

/// The key of a search that asks more than another.
pub(super) fn of_text(key: u64, text: &str) -> u64 {
    let mut print = Fingerprint(key);
    text.bytes().for_each(|byte| print.add(u64::from(byte)));
    print.0
}
