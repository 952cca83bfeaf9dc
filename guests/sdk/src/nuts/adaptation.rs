//! The warm-up schedule and the diagonal mass matrix, after Stan (Reference Manual, "HMC algorithm parameters"): a fast phase that
//! only tunes the step, slow windows of doubling length that each end in a new mass matrix, and a fast phase to settle the step.

use crate::{Refusal, state};

/// Iterations of the first, fast phase. Stan's default.
const FIRST_FAST: u32 = 75;
/// Iterations of the last, fast phase. Stan's default.
const LAST_FAST: u32 = 50;
/// Length of the first slow window; each next is twice as long. Stan's default.
const FIRST_WINDOW: u32 = 25;

/// Which iterations estimate the mass matrix, and where the windows end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Schedule {
    slow_from: u32,
    slow_to: u32,
    /// Iterations (counted from 1) after which a window closes, ascending; the last equals `slow_to`.
    window_ends: Vec<u32>,
}

impl Schedule {
    /// The schedule of a warm-up of `warmup` iterations. One too short for Stan's phases splits 15 / 75 / 10 per cent.
    pub fn new(warmup: u32) -> Self {
        let (first, last) = if warmup < FIRST_FAST + FIRST_WINDOW + LAST_FAST {
            (warmup * 15 / 100, warmup / 10)
        } else {
            (FIRST_FAST, LAST_FAST)
        };
        let slow_to = warmup - last;
        let mut window_ends = Vec::new();
        let (mut end, mut length) = (first, FIRST_WINDOW);
        while end < slow_to {
            end += length;
            length *= 2;
            // A window that would leave less than the next one's length takes the rest as well.
            if end + length > slow_to {
                end = slow_to;
            }
            window_ends.push(end);
        }
        Self { slow_from: first, slow_to, window_ends }
    }

    /// Whether the draw of iteration `iteration` (from 1) counts towards the mass matrix.
    pub fn is_slow(&self, iteration: u32) -> bool {
        iteration > self.slow_from && iteration <= self.slow_to
    }

    /// Whether a window closes after iteration `iteration` (from 1).
    pub fn closes_window(&self, iteration: u32) -> bool {
        self.window_ends.binary_search(&iteration).is_ok()
    }
}

/// Running mean and variance per parameter (Welford 1962).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variances {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Variances {
    pub fn new(dimension: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; dimension], squares: vec![0.0; dimension] }
    }

    pub fn add(&mut self, position: &[f64]) {
        self.count += 1.0;
        for ((mean, squares), &value) in self.mean.iter_mut().zip(&mut self.squares).zip(position) {
            let delta = value - *mean;
            *mean += delta / self.count;
            *squares += delta * (value - *mean);
        }
    }

    /// The inverse mass matrix: sample variances shrunk towards `shrink_to`. Stan's regularisation: weight n/(n+5), which keeps
    /// a short window from zeroing a direction.
    pub fn inverse_mass(&self, shrink_to: f64) -> Vec<f64> {
        let weight = self.count / (self.count + 5.0);
        let divisor = (self.count - 1.0).max(1.0);
        self.squares.iter().map(|&squares| weight * squares / divisor + (1.0 - weight) * shrink_to).collect()
    }

    pub fn save(&self, out: &mut state::Writer) {
        out.f64(self.count);
        out.f64_list(&self.mean);
        out.f64_list(&self.squares);
    }

    pub fn load(from: &mut state::Reader<'_>, dimension: usize) -> Result<Self, Refusal> {
        Ok(Self { count: from.f64()?, mean: from.f64_list_of(dimension)?, squares: from.f64_list_of(dimension)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_double_and_the_last_takes_the_rest() {
        let schedule = Schedule::new(1000);
        assert_eq!(schedule.window_ends, [100, 150, 250, 450, 950]);
        assert!(!schedule.is_slow(75) && schedule.is_slow(76) && schedule.is_slow(950) && !schedule.is_slow(951));
    }

    #[test]
    fn a_short_warm_up_keeps_all_three_phases() {
        let schedule = Schedule::new(100);
        assert_eq!((schedule.slow_from, schedule.slow_to), (15, 90));
        assert_eq!(schedule.window_ends, [40, 90]);
        assert!(Schedule::new(0).window_ends.is_empty());
    }

    #[test]
    fn variances_are_the_sample_variances() {
        let mut variances = Variances::new(1);
        for value in [1.0, 2.0, 4.0, 9.0] {
            variances.add(&[value]);
        }
        let shrunk = 4.0 / 9.0 * (38.0 / 3.0) + 5.0 / 9.0;
        assert!((variances.inverse_mass(1.0)[0] - shrunk).abs() < 1e-12);
    }
}
