//! Paired differences of scores: two forecasts of the same races, with an interval for the mean difference.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Level of the interval.
pub const LEVEL: f64 = 0.95;

/// The 0.975 quantile of Student's t distribution with 1 to 30 degrees of freedom (Fisher and Yates 1963, table III).
const T_975: [f64; 30] = [
    12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004, 2.262_157, 2.228_139,
    2.200_985, 2.178_813, 2.160_369, 2.144_787, 2.131_450, 2.119_905, 2.109_816, 2.100_922, 2.093_024, 2.085_963,
    2.079_614, 2.073_873, 2.068_658, 2.063_899, 2.059_539, 2.055_529, 2.051_831, 2.048_407, 2.045_230, 2.042_272,
];

/// The mean of differences and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PairedDifference {
    /// Pairs.
    pub pairs: usize,
    /// Mean of candidate minus promoted; below 0 the candidate is better.
    pub mean: f64,
    /// Lower end of the 95 % interval of the mean, by Student's t over the pairs; absent for a single pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Pairs of which the candidate's score is the lower one.
    pub better: usize,
}

/// Compares paired scores, `(promoted, candidate)`. `None` where there are none.
#[must_use]
pub fn paired_difference(pairs: &[(f64, f64)]) -> Option<PairedDifference> {
    let differences: Vec<f64> = pairs.iter().map(|(promoted, candidate)| candidate - promoted).collect();
    let count = differences.len() as f64;
    if differences.is_empty() {
        return None;
    }
    let mean = differences.iter().sum::<f64>() / count;
    let squares: f64 = differences.iter().map(|difference| (difference - mean).powi(2)).sum();
    let half = half_width(differences.len(), squares);
    Some(PairedDifference {
        pairs: differences.len(),
        mean,
        low: half.map(|half| mean - half),
        high: half.map(|half| mean + half),
        better: differences.iter().filter(|difference| **difference < 0.0).count(),
    })
}

/// Half the width of the 95 % interval of the mean of `count` differences, whose squared distances from it sum up to `squares`; `None`
/// for a single one.
#[must_use]
pub fn half_width(count: usize, squares: f64) -> Option<f64> {
    let degrees = count.checked_sub(1).filter(|degrees| *degrees > 0)?;
    Some(quantile_975(degrees) * (squares / degrees as f64 / count as f64).sqrt())
}

/// The 0.975 quantile of Student's t distribution. Past the table by the first terms of Cornish and Fisher's expansion around the
/// normal quantile z: `z + (z^3 + z)/(4 d) + (5 z^5 + 16 z^3 + 3 z)/(96 d^2)` (Abramowitz and Stegun 26.7.5).
fn quantile_975(degrees: usize) -> f64 {
    const Z: f64 = 1.959_963_984_540_054;
    if let Some(tabled) = degrees.checked_sub(1).and_then(|index| T_975.get(index)) {
        return *tabled;
    }
    let d = degrees as f64;
    Z + (Z.powi(3) + Z) / (4.0 * d) + (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * d * d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-6
    }

    #[test]
    fn the_interval_is_students() {
        // Differences 1, 2, 3, 4: mean 2.5, standard error sqrt(5/3)/2, three degrees of freedom.
        let found = paired_difference(&[(1.0, 2.0), (1.0, 3.0), (1.0, 4.0), (1.0, 5.0)]).unwrap();
        let half = 3.182_446 * (5.0_f64 / 3.0).sqrt() / 2.0;
        assert!(close(found.mean, 2.5) && found.better == 0 && found.pairs == 4);
        assert!(close(found.low.unwrap(), 2.5 - half) && close(found.high.unwrap(), 2.5 + half));
    }

    #[test]
    fn quantiles_past_the_table_go_on_from_it() {
        // Known values: t(0.975, 31) = 2.039513, t(0.975, 60) = 2.000298, t(0.975, 1000) = 1.962339.
        for (degrees, known) in [(30, 2.042_272), (31, 2.039_513), (60, 2.000_298), (1_000, 1.962_339)] {
            assert!((quantile_975(degrees) - known).abs() < 1e-4, "{degrees}: {}", quantile_975(degrees));
        }
    }

    #[test]
    fn one_pair_has_no_interval_and_none_no_difference() {
        let found = paired_difference(&[(2.0, 1.5)]).unwrap();
        assert_eq!((found.mean, found.low, found.high, found.better), (-0.5, None, None, 1));
        assert_eq!(paired_difference(&[]), None);
    }
}
