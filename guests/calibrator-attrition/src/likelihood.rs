//! The attrition-order Plackett-Luce likelihood and its gradient. With `h = -worth`, cars in order of finish 1..=n and race
//! weight v, one race adds
//!
//! `v * sum_{k=2..n} (h_k - ln S_k)`, where `S_k = sum_{j<=k} exp(h_j)`,
//!
//! since the k best finishers are those still in when position k falls. The derivative by `h_j` is `v * ([j >= 2] - exp(h_j) *
//! sum_{k >= max(j,2)} 1 / S_k)`: one forward running sum and one backward. No prior here.

use paddock_sdk::kernels::{LANES, exp_lanes, fold, ln_lanes};

use crate::races::{Batch, ROWS_PER_LN, Races};

/// Beyond this the parts of a worth are treated as impossible: products of four stage sums could overflow.
const WORTH_PART_MAX: f64 = 50.0;
/// Worth of a padding row: exp(-700) is nothing beside a car.
const PADDING_WORTH: f64 = 700.0;

/// Tables that worths are looked up in, or derivatives by them.
#[derive(Debug, Clone, PartialEq)]
pub struct Tables {
    /// Driver plus driver x group, shape `[driver][group]`, then the padding slot.
    pub driver_group: Vec<f64>,
    /// Shape `[team]`, then the padding slot.
    pub team: Vec<f64>,
    /// One per track type.
    pub start: [f64; 6],
}

impl Tables {
    /// Tables of zeros for `races`.
    pub fn new(races: &Races) -> Self {
        Self {
            driver_group: vec![0.0; races.driver_count * attrition_model::GROUP_COUNT + 1],
            team: vec![0.0; races.team_count + 1],
            start: [0.0; 6],
        }
    }

    fn clear(&mut self) {
        self.driver_group.fill(0.0);
        self.team.fill(0.0);
        self.start.fill(0.0);
    }

    fn is_within_bounds(&self) -> bool {
        let is_within = |values: &[f64]| values.iter().all(|value| value.abs() <= WORTH_PART_MAX);
        let drivers = self.driver_group.len() - 1;
        is_within(&self.driver_group[..drivers]) && is_within(&self.team) && is_within(&self.start)
    }
}

/// Evaluates the likelihood; holds scratch space so that an evaluation allocates nothing.
#[derive(Debug, Clone)]
pub struct Likelihood {
    races: Races,
    exponentials: Vec<[f64; LANES]>,
    stage_sums: Vec<[f64; LANES]>,
}

impl Likelihood {
    pub fn new(races: Races) -> Self {
        let longest = races.batches.iter().map(|batch| batch.team.len()).max().unwrap_or(0);
        Self { races, exponentials: vec![[0.0; LANES]; longest], stage_sums: vec![[0.0; LANES]; longest] }
    }

    /// The races it was built from.
    pub fn races(&self) -> &Races {
        &self.races
    }

    /// The weighted log-likelihood at `worth`, whose padding slots are overwritten; `slope` receives the derivatives. Minus
    /// infinity where a part of a worth is beyond ±50.
    pub fn evaluate(&mut self, worth: &mut Tables, slope: &mut Tables) -> f64 {
        slope.clear();
        if let Some(padding) = worth.driver_group.last_mut() {
            *padding = PADDING_WORTH;
        }
        if !worth.is_within_bounds() {
            return f64::NEG_INFINITY;
        }
        let mut total = 0.0;
        for batch in &self.races.batches {
            total += forward(batch, worth, &mut self.exponentials, &mut self.stage_sums);
            backward(batch, &self.exponentials, &self.stage_sums, slope);
        }
        total
    }
}

/// Fills the exponentials and running sums of a batch; returns its log-likelihood.
fn forward(batch: &Batch, worth: &Tables, exponentials: &mut [[f64; LANES]], stage_sums: &mut [[f64; LANES]]) -> f64 {
    let start_effect = batch.track_type.map(|track_type| worth.start[track_type]);
    let (mut running, mut hazard_sum, mut log_sum) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    let mut product = [1.0; LANES];
    for position in 0..batch.team.len() {
        let mut row = [0.0; LANES];
        for lane in 0..LANES {
            row[lane] = -(worth.driver_group[batch.driver_group[position][lane] as usize]
                + worth.team[batch.team[position][lane] as usize]
                + start_effect[lane] * batch.start[position][lane]);
            hazard_sum[lane] += batch.is_stage[position][lane] * row[lane];
        }
        exp_lanes(&mut row);
        for lane in 0..LANES {
            running[lane] += row[lane];
            // A row that is no stage multiplies by one.
            product[lane] *= 1.0 + batch.is_stage[position][lane] * (running[lane] - 1.0);
        }
        exponentials[position] = row;
        stage_sums[position] = running;
        if position % ROWS_PER_LN == ROWS_PER_LN - 1 {
            ln_lanes(&mut product);
            for lane in 0..LANES {
                log_sum[lane] += product[lane];
            }
            product = [1.0; LANES];
        }
    }
    fold(std::array::from_fn(|lane| batch.weight[lane] * (hazard_sum[lane] - log_sum[lane])))
}

/// Adds a batch's derivatives by worth to `slope`.
fn backward(batch: &Batch, exponentials: &[[f64; LANES]], stage_sums: &[[f64; LANES]], slope: &mut Tables) {
    let (mut remaining, mut start_slope) = ([0.0; LANES], [0.0; LANES]);
    for position in (0..batch.team.len()).rev() {
        for lane in 0..LANES {
            remaining[lane] += batch.stage_weight[position][lane] / stage_sums[position][lane];
            let by_worth = exponentials[position][lane] * remaining[lane] - batch.stage_weight[position][lane];
            start_slope[lane] += by_worth * batch.start[position][lane];
            slope.driver_group[batch.driver_group[position][lane] as usize] += by_worth;
            slope.team[batch.team[position][lane] as usize] += by_worth;
        }
    }
    for (track_type, start_slope) in batch.track_type.iter().zip(start_slope) {
        slope.start[*track_type] += start_slope;
    }
}
