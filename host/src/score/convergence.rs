//! Tells whether Markov chains have converged: rank-normalised split R-hat, bulk and tail effective sample size.
//! It computes the diagnostics; what is good enough is decided by who reports them.
//!
//! Source: Vehtari, Gelman, Simpson, Carpenter, Buerkner (2021), "Rank-normalization, folding, and localization: an
//! improved R-hat for assessing convergence of MCMC", Bayesian Analysis 16(2), arXiv:1903.08008; the truncation of the
//! autocorrelation sum is Geyer's initial monotone sequence, in the same variant as ArviZ and the R package `posterior`.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Fewest draws per chain that can be diagnosed: a half chain must have two.
pub const DRAWS_MIN: usize = 4;

/// Quantiles at whose indicators the tail effective sample size is taken (section 4.3).
const TAIL_QUANTILES: [f64; 2] = [0.05, 0.95];

/// Draws that cannot be diagnosed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvergenceError {
    /// Each chain needs at least [`DRAWS_MIN`] draws: run longer chains.
    #[error(
        "{draws} draws in {chains} chains are too few: every chain needs at least {DRAWS_MIN}, all the same number"
    )]
    TooFewDraws {
        /// Draws over all chains.
        draws: usize,
        /// Chains.
        chains: usize,
    },
    /// The values do not have the stated shape; the caller mixed up two posteriors.
    #[error("{found} values are not {draws} draws of {columns} columns")]
    Shape {
        /// Values given.
        found: usize,
        /// Draws stated.
        draws: usize,
        /// Columns stated.
        columns: usize,
    },
}

/// Diagnostics of one parameter. All are NaN where a draw is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Convergence {
    /// Rank-normalised split R-hat, the larger of bulk and folded (equations 14 and 15), about 1 where chains agree.
    pub r_hat: f64,
    /// Effective sample size of the rank-normalised draws, in draws.
    pub ess_bulk: f64,
    /// The smaller effective sample size of the 5 % and 95 % quantile indicators, in draws.
    pub ess_tail: f64,
}

/// Diagnoses every column of `values`, which has shape `[draws][columns]`, row-major, draws grouped by chain and equally
/// many in every chain. Columns are spread over all cores.
///
/// A column that never changes has R-hat 1 and as many effective draws as draws, for it has no Monte Carlo error.
///
/// # Errors
/// [`ConvergenceError`] where the shapes disagree or chains are too short.
pub fn diagnose(
    values: &[f64],
    chains: usize,
    draws: usize,
    columns: usize,
) -> Result<Vec<Convergence>, ConvergenceError> {
    if chains == 0 || !draws.is_multiple_of(chains) || draws / chains < DRAWS_MIN {
        return Err(ConvergenceError::TooFewDraws { draws, chains });
    }
    if values.len() != draws * columns {
        return Err(ConvergenceError::Shape { found: values.len(), draws, columns });
    }
    let scores = NormalScores::of(2 * chains * (draws / chains / 2));
    let diagnose_column = |column: usize| {
        let series: Vec<f64> = values.iter().skip(column).step_by(columns).copied().collect();
        diagnose_one(&series, chains, &scores)
    };
    Ok((0..columns).into_par_iter().map(diagnose_column).collect())
}

fn diagnose_one(series: &[f64], chains: usize, scores: &NormalScores) -> Convergence {
    if series.iter().any(|value| !value.is_finite()) {
        return Convergence { r_hat: f64::NAN, ess_bulk: f64::NAN, ess_tail: f64::NAN };
    }
    let mut sorted = series.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    if sorted[0] >= sorted[sorted.len() - 1] {
        let draws = series.len() as f64;
        return Convergence { r_hat: 1.0, ess_bulk: draws, ess_tail: draws };
    }
    let halves = half_chains(series, chains);
    let bulk = HalfChains::centre(&scores.normalise(&halves), chains);
    let median = median(&halves);
    let folded: Vec<f64> = halves.iter().map(|value| (value - median).abs()).collect();
    let folded = HalfChains::centre(&scores.normalise(&folded), chains);
    let tail_ess = |probability: f64| {
        let bound = quantile_of_sorted(&sorted, probability);
        let indicator: Vec<f64> = halves.iter().map(|&value| f64::from(u8::from(value <= bound))).collect();
        HalfChains::centre(&indicator, chains).effective_sample_size()
    };
    Convergence {
        r_hat: bulk.r_hat().max(folded.r_hat()),
        ess_bulk: bulk.effective_sample_size(),
        ess_tail: TAIL_QUANTILES.map(tail_ess).into_iter().fold(f64::INFINITY, f64::min),
    }
}

/// The chains cut in halves; the middle draw of an odd number is left out.
fn half_chains(series: &[f64], chains: usize) -> Vec<f64> {
    let per_chain = series.len() / chains;
    let draws = per_chain / 2;
    let halves = series.chunks_exact(per_chain).flat_map(|chain| [&chain[..draws], &chain[per_chain - draws..]]);
    halves.flatten().copied().collect()
}

fn median(series: &[f64]) -> f64 {
    let mut values = series.to_vec();
    let (below, &mut upper, _) = values.select_nth_unstable_by(series.len() / 2, f64::total_cmp);
    if series.len() % 2 == 1 {
        return upper;
    }
    f64::midpoint(below.iter().copied().fold(f64::NEG_INFINITY, f64::max), upper)
}

/// Indices of `series` by ascending value.
fn sorted_order(series: &[f64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..series.len() as u32).collect();
    order.sort_unstable_by(|&left, &right| series[left as usize].total_cmp(&series[right as usize]));
    order
}

/// Linear interpolation between order statistics (type 7 of Hyndman and Fan 1996, the default of R and NumPy).
pub fn quantile_of_sorted(sorted: &[f64], probability: f64) -> f64 {
    let place = probability * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

/// Normal scores of all ranks of a sample, in steps of half a rank: average ranks of ties end in .0 or .5.
struct NormalScores(Vec<f64>);

impl NormalScores {
    /// `probit((rank - 3/8) / (draws + 1/4))` (equation 14, Blom's offset).
    fn of(draws: usize) -> Self {
        let score = |half_rank: usize| probit((half_rank as f64 / 2.0 - 0.375) / (draws as f64 + 0.25));
        Self((2..=2 * draws).map(score).collect())
    }

    /// Replaces every value by the normal score of its average rank.
    fn normalise(&self, series: &[f64]) -> Vec<f64> {
        let order = sorted_order(series);
        let mut normal = vec![0.0; series.len()];
        let mut first = 0;
        for ties in order.chunk_by(|&left, &right| series[left as usize] == series[right as usize]) {
            // Ranks first + 1 ..= first + len average to first + (len + 1) / 2.
            let score = self.0[2 * first + ties.len() - 1];
            for &index in ties {
                normal[index as usize] = score;
            }
            first += ties.len();
        }
        normal
    }
}

/// A sample cut into half chains, each centred on its own mean.
struct HalfChains {
    means: Vec<f64>,
    /// Shape `[half chain][draw]`.
    centred: Vec<Vec<f64>>,
    draws: usize,
}

impl HalfChains {
    /// `halves` has shape `[half chain][draw]`, two half chains per chain.
    fn centre(halves: &[f64], chains: usize) -> Self {
        let draws = halves.len() / (2 * chains);
        let mean = |half: &[f64]| half.iter().sum::<f64>() / draws as f64;
        let means: Vec<f64> = halves.chunks_exact(draws).map(mean).collect();
        let centred = halves.chunks_exact(draws).zip(&means);
        let centred = centred.map(|(half, mean)| half.iter().map(|value| value - mean).collect()).collect();
        Self { means, centred, draws }
    }

    /// Autocovariance at `lag`, mean over half chains, with the biased divisor.
    fn autocovariance(&self, lag: usize) -> f64 {
        let sum: f64 = self.centred.iter().map(|half| dot(&half[..self.draws - lag], &half[lag..])).sum();
        sum / (self.draws * self.centred.len()) as f64
    }

    fn variance_of_means(&self) -> f64 {
        let count = self.means.len() as f64;
        let grand = self.means.iter().sum::<f64>() / count;
        self.means.iter().map(|mean| (mean - grand) * (mean - grand)).sum::<f64>() / (count - 1.0)
    }

    /// `sqrt(var_plus / W)` (equations 1 to 4).
    fn r_hat(&self) -> f64 {
        let draws = self.draws as f64;
        let within = self.autocovariance(0) * draws / (draws - 1.0);
        ((draws - 1.0) / draws + self.variance_of_means() / within).sqrt()
    }

    /// Equations 10 to 13; at most `draws * log10(draws)`, which antithetic chains can reach.
    fn effective_sample_size(&self) -> f64 {
        let draws = self.draws as f64;
        let total = draws * self.centred.len() as f64;
        let biased = self.autocovariance(0);
        let within = biased * draws / (draws - 1.0);
        let var_plus = biased + self.variance_of_means();
        if var_plus <= 0.0 {
            return total;
        }
        let rho = |lag: usize| 1.0 - (within - self.autocovariance(lag)) / var_plus;
        let tau = self.autocorrelation_time(rho);
        total / tau.max(1.0 / total.log10())
    }

    /// Sums autocorrelations over Geyer's initial monotone sequence of pairs.
    fn autocorrelation_time(&self, rho: impl Fn(usize) -> f64) -> f64 {
        if self.draws < 2 {
            return 1.0;
        }
        let (mut even, mut odd) = (1.0, rho(1));
        let mut pairs = vec![(even, odd)];
        let mut lag = 1;
        while lag + 3 < self.draws && even + odd > 0.0 {
            (even, odd) = (rho(lag + 1), rho(lag + 2));
            if even + odd >= 0.0 {
                pairs.push((even, odd));
            }
            lag += 2;
        }
        // The loop ends one pair past the sequence; the even term of that pair still improves the estimate.
        let last = if even > 0.0 || even + odd >= 0.0 { even } else { 0.0 };
        let mut sum = 0.0;
        let mut previous = f64::INFINITY;
        let kept = (lag - 1) / 2;
        for (even, odd) in pairs.into_iter().take(kept) {
            previous = previous.min(even + odd);
            sum += previous;
        }
        2.0 * sum - 1.0 + last
    }
}

/// Sums in 8 lanes, so that the loop vectorises although addition of floats is not associative.
fn dot(left: &[f64], right: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (left_blocks, right_blocks) = (left.chunks_exact(8), right.chunks_exact(8));
    let rest: f64 = left_blocks.remainder().iter().zip(right_blocks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in left_blocks.zip(right_blocks) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    rest + lanes.iter().sum::<f64>()
}

/// Inverse of the standard normal distribution function on (0, 1), relative error about 1e-16
/// (Wichura 1988, algorithm AS 241, PPND16).
fn probit(probability: f64) -> f64 {
    let q = probability - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * ratio(&CENTRE, r);
    }
    let tail = if q < 0.0 { probability } else { 1.0 - probability };
    let r = (-tail.ln()).sqrt();
    let magnitude = if r <= 5.0 { ratio(&MIDDLE, r - 1.6) } else { ratio(&FAR, r - 5.0) };
    magnitude.copysign(q)
}

/// Numerator and denominator polynomials, lowest power first.
type Rational = [[f64; 8]; 2];

fn ratio(rational: &Rational, x: f64) -> f64 {
    let [numerator, denominator] = rational.map(|terms| terms.iter().rev().fold(0.0, |sum, term| sum * x + term));
    numerator / denominator
}

const CENTRE: Rational = [
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ],
];

const MIDDLE: Rational = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
];

const FAR: Rational = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        0.599_832_206_555_887_9,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64 (Steele, Lea, Flood 2014), the 53 high bits as a number in [0, 1): the reference figures below were
    /// computed from the same numbers in Python.
    struct SplitMix(u64);

    impl SplitMix {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut bits = self.0;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            bits ^= bits >> 31;
            (bits >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// Shape `[chain][draw]`. Innovations are sums of four uniforms, minus 2.
    fn series(kind: &str, chains: usize, draws: usize) -> Vec<f64> {
        let mut random = SplitMix(7);
        let mut values = Vec::new();
        for chain in 0..chains {
            let mut state = 0.0;
            for _ in 0..draws {
                let noise = random.next() + random.next() + random.next() + random.next() - 2.0;
                state = match kind {
                    "ar" => 0.9 * state + noise,
                    "anti" => -0.7 * state + noise,
                    "shift" => noise + 0.5 * chain as f64,
                    "scale" => noise * (1.0 + chain as f64),
                    "ties" => (3.0 * noise).floor(),
                    "heavy" => noise / (0.02 + random.next()).powi(2),
                    _ => noise,
                };
                values.push(state);
            }
        }
        values
    }

    /// Kind, chains, draws per chain, R-hat, bulk and tail ESS by ArviZ 0.23.4 (`rhat`, `ess(method="bulk" | "tail")`)
    /// on `series(kind, chains, draws)`.
    const ARVIZ: &[(&str, usize, usize, f64, f64, f64)] = &[
        ("iid", 4, 1000, 1.00022919375452, 3782.57558045542, 4014.88036044302),
        ("iid", 3, 101, 1.00476950990638, 325.323366637879, 268.282557750251),
        ("ar", 4, 1000, 1.01153427876358, 220.136580885562, 433.691568126675),
        ("ar", 3, 101, 1.19393842381752, 12.8148414313047, 31.2121733686642),
        ("anti", 4, 1000, 1.00071280598453, 14408.2399653119, 2981.53448560134),
        ("anti", 3, 101, 1.01210211402579, 743.136376415899, 195.132698015194),
        ("shift", 4, 1000, 1.4371633436951, 8.02657995443239, 50.8778212101218),
        ("shift", 3, 101, 1.20431275238711, 13.1111149819266, 120.639175649727),
        ("scale", 4, 1000, 1.16560075312309, 3488.60843359504, 122.894433299118),
        ("scale", 3, 101, 1.15657019844244, 341.179510935308, 205.080980114625),
        ("ties", 4, 1000, 1.00019846706359, 3801.04306262745, 3812.27091535358),
        ("ties", 3, 101, 1.00183006628624, 336.349318669463, 307.087056181878),
        ("heavy", 4, 1000, 1.00006747647331, 3952.4279638995, 4010.62093734994),
        ("heavy", 3, 101, 0.998466208258936, 334.811077105983, 268.821041857458),
    ];

    #[test]
    fn diagnostics_equal_those_of_arviz() {
        for &(kind, chains, draws, r_hat, ess_bulk, ess_tail) in ARVIZ {
            let found = diagnose(&series(kind, chains, draws), chains, chains * draws, 1).unwrap()[0];
            let pairs = [(found.r_hat, r_hat), (found.ess_bulk, ess_bulk), (found.ess_tail, ess_tail)];
            for (left, right) in pairs {
                assert!((left / right - 1.0).abs() < 1e-9, "{kind} {chains}x{draws}: {found:?}");
            }
        }
    }

    #[test]
    fn columns_are_diagnosed_apart() {
        let (good, bad) = (series("iid", 4, 100), series("shift", 4, 100));
        let values: Vec<f64> = good.iter().zip(&bad).flat_map(|(&left, &right)| [left, right, 3.0]).collect();
        let found = diagnose(&values, 4, 400, 3).unwrap();
        assert!(found[0].r_hat < 1.05 && found[1].r_hat > 1.2);
        assert_eq!(found[0], diagnose(&good, 4, 400, 1).unwrap()[0]);
        assert_eq!(found[2], Convergence { r_hat: 1.0, ess_bulk: 400.0, ess_tail: 400.0 });
    }

    /// An AR(1) series with coefficient 0.9 has an autocorrelation time of (1 + 0.9) / (1 - 0.9) = 19.
    #[test]
    fn an_autoregressive_series_has_its_known_effective_size() {
        let found = diagnose(&series("ar", 4, 20_000), 4, 80_000, 1).unwrap()[0];
        assert!((found.ess_bulk / (80_000.0 / 19.0) - 1.0).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn a_draw_that_is_not_finite_gives_no_number() {
        let mut values = series("iid", 2, 10);
        values[3] = f64::NAN;
        let found = diagnose(&values, 2, 20, 1).unwrap()[0];
        assert!(found.r_hat.is_nan() && found.ess_bulk.is_nan() && found.ess_tail.is_nan());
    }

    #[test]
    fn shapes_that_disagree_are_refused() {
        assert_eq!(diagnose(&[0.0; 6], 2, 6, 1), Err(ConvergenceError::TooFewDraws { draws: 6, chains: 2 }));
        assert_eq!(diagnose(&[0.0; 9], 2, 9, 1), Err(ConvergenceError::TooFewDraws { draws: 9, chains: 2 }));
        assert!(matches!(diagnose(&[0.0; 9], 2, 8, 1), Err(ConvergenceError::Shape { found: 9, .. })));
        assert_eq!(diagnose(&[], 1, 4, 0), Ok(Vec::new()));
    }

    #[test]
    fn the_inverse_normal_distribution_has_its_textbook_values() {
        assert_eq!(probit(0.5), 0.0);
        assert!((probit(0.975) - 1.959_963_984_540_054).abs() < 1e-14);
        assert!((probit(1e-10) + 6.361_340_902_404_056).abs() < 1e-13);
        assert!((probit(1e-20) + 9.262_340_089_798_41).abs() < 1e-12);
    }
}
