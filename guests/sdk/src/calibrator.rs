//! The calibrator world: fit a model to past races, one Markov chain at a time, driven by the host. Sampling itself lives in
//! [`crate::nuts`].

use crate::{Parameter, Plugin, Refusal, TrackType};

/// Past races and their entries. Race lists have one element per race, oldest first; entry lists one element per (race,
/// entry), grouped by race and ordered by finish within a race.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Row where each race's entries begin, then the total; length races + 1.
    pub race_offsets: Vec<u32>,
    /// Track of each race, an index that is equal exactly where the track is.
    pub track: Vec<u32>,
    pub track_type: Vec<TrackType>,
    /// Laps run.
    pub race_laps: Vec<u16>,
    /// Weight of each race in the likelihood, in (0, 1].
    pub weight: Vec<f64>,
    /// Number of distinct drivers.
    pub driver_count: u32,
    /// Number of distinct teams.
    pub team_count: u32,
    /// Entry: index of the driver, in 0..driver_count.
    pub driver: Vec<u32>,
    /// Entry: index of the team, in 0..team_count.
    pub team: Vec<u32>,
    /// Entry: start position, 1..=field size.
    pub start: Vec<u16>,
    /// Entry: finish position, a permutation of 1..=field size within a race.
    pub finish: Vec<u16>,
    /// Entry: laps completed, in laps.
    pub laps_completed: Vec<u16>,
    /// Entry: laps led, in laps.
    pub laps_led: Vec<u16>,
    /// Entry: 1 where the entry retired before the end, else 0.
    pub retired: Vec<u8>,
}

impl History {
    /// Number of races.
    pub fn races(&self) -> usize {
        self.race_offsets.len().saturating_sub(1)
    }

    /// Number of entries over all races.
    pub fn entries(&self) -> usize {
        self.driver.len()
    }

    /// Rows of race `race`, which must be in `0..races()`.
    pub fn rows(&self, race: usize) -> std::ops::Range<usize> {
        self.race_offsets[race] as usize..self.race_offsets[race + 1] as usize
    }
}

/// Where a chain stands after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Iterations done, warm-up included.
    pub iterations_done: u32,
    /// Iterations of the whole chain; constant over its life.
    pub iterations_total: u32,
    /// True while the sampler still adapts.
    pub is_warming_up: bool,
    /// Divergent transitions after warm-up so far.
    pub divergences: u32,
    /// Gradient evaluations so far.
    pub gradients: u64,
}

/// Posterior draws after warm-up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draws {
    pub draw_count: u32,
    /// Shape `[draw_count][columns]`, columns as in the layout.
    pub values: Vec<f64>,
}

/// One Markov chain of a fit. How the host splits the steps must not change a bit of the draws.
pub trait Calibrator: Plugin + Sized {
    /// Starts chain number `chain_index`. All chains of a fit get the same seed.
    ///
    /// # Errors
    /// A refusal that says which parameter or which part of the history to change.
    fn open(history: History, params: &str, seed: u64, chain_index: u32) -> Result<Self, Refusal>;

    /// Continues from `checkpoint`, with the inputs that [`Calibrator::open`] got.
    ///
    /// # Errors
    /// [`Refusal::ForeignCheckpoint`] when the bytes are not of this plugin, version and input; else as `open`.
    fn restore(history: History, params: &str, seed: u64, chain_index: u32, checkpoint: &[u8])
    -> Result<Self, Refusal>;

    /// The posterior layout: the blocks of a draw in order.
    fn layout(&self) -> Vec<Parameter>;

    /// Advances by at most `iterations` iterations.
    ///
    /// # Errors
    /// A refusal when the chain cannot go on, for example because the density is not finite anywhere near the start.
    fn step(&mut self, iterations: u32) -> Result<Progress, Refusal>;

    /// Hands over the draws since the last call and forgets them.
    fn take_draws(&mut self) -> Draws;

    /// The complete state of the chain, except the draws already taken.
    fn checkpoint(&self) -> Vec<u8>;
}
