//! One whole race: the finishing order, then distances, laps led and fastest laps given that order. Every draw of a scenario
//! comes from the one stream it is handed.

use paddock_sdk::Rng;

use crate::distance::DistanceModel;
use crate::fastest::FastestModel;
use crate::field::{ENTRIES_MAX, Field};
use crate::keys::{ascending_key, index_of};
use crate::leading::LeadModel;
use crate::noise::bell;
use crate::shape::Shape;

/// Where one scenario is written, in entry order: one row of each list of a scenario block.
pub struct Row<'a> {
    pub finish: &'a mut [u16],
    pub laps_led: &'a mut [u16],
    pub fastest_laps: &'a mut [u16],
    pub laps_completed: &'a mut [u16],
    pub retired: &'a mut [u8],
}

/// Simulates races of one field, distance and shape.
#[derive(Debug, Clone)]
pub struct Simulator {
    start: Vec<u16>,
    distance: DistanceModel,
    leading: LeadModel,
    fastest: FastestModel,
    field: Field,
}

impl Simulator {
    /// For entries that start from `start` (a permutation of 1..=n, n in 2..=100) and race over `race_laps` (1..=2000) laps.
    pub fn new(shape: &Shape, start: Vec<u16>, race_laps: u16) -> Self {
        let n = start.len();
        Self {
            start,
            distance: DistanceModel::new(shape, n, race_laps),
            leading: LeadModel::new(shape, n, race_laps),
            fastest: FastestModel::new(shape, n, race_laps),
            field: Field::default(),
        }
    }

    /// Simulates one race between entries of these worths, by the attrition order.
    pub fn simulate(&mut self, rng: &mut Rng, worth: &[f64], row: Row<'_>) {
        let n = self.start.len();
        let mut times = [0.0; ENTRIES_MAX];
        attrition_model::knockout_times(worth, rng, &mut times[..n]);
        let mut keys = [0; ENTRIES_MAX];
        for (index, (key, &time)) in keys.iter_mut().zip(&times[..n]).enumerate() {
            *key = ascending_key(time, index);
        }
        let keys = &mut keys[..n];
        keys.sort_unstable_by(|left, right| right.cmp(left));
        for (place, &key) in keys.iter().enumerate() {
            self.field.entry[place] = index_of(key);
        }
        self.simulate_below_order(rng, worth, row);
    }

    /// Simulates everything but the finishing order, which is `finish` (a permutation of 1..=n).
    pub fn simulate_given_finish(&mut self, rng: &mut Rng, worth: &[f64], finish: &[u16], row: Row<'_>) {
        for (entry, &position) in finish.iter().enumerate() {
            self.field.entry[usize::from(position) - 1] = entry;
        }
        self.simulate_below_order(rng, worth, row);
    }

    fn simulate_below_order(&mut self, rng: &mut Rng, worth: &[f64], row: Row<'_>) {
        let n = self.start.len();
        let (mean, inverse_deviation) = standardisation(worth);
        for place in 0..n {
            let entry = self.field.entry[place];
            self.field.start[place] = self.start[entry];
            self.field.worth[place] = (worth[entry] - mean) * inverse_deviation;
            self.field.day[place] = bell(rng);
        }
        self.distance.draw(rng, n, &mut self.field);
        self.leading.draw(rng, n, &mut self.field);
        self.fastest.draw(rng, n, &mut self.field);
        self.write(row);
    }

    fn write(&self, row: Row<'_>) {
        for place in 0..self.start.len() {
            let entry = self.field.entry[place];
            row.finish[entry] = place as u16 + 1;
            row.laps_led[entry] = self.field.led[place];
            row.fastest_laps[entry] = self.field.fastest[place];
            row.laps_completed[entry] = self.field.completed[place];
            row.retired[entry] = u8::from(self.field.retired[place]);
        }
    }
}

/// Mean, and one over the standard deviation, or 0 where all values are alike.
fn standardisation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n;
    (mean, if variance > 1e-12 { 1.0 / variance.sqrt() } else { 0.0 })
}
