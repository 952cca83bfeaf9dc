//! Counts with more spread than a binomial: how many cars retire, how many lead. Not the choice of which cars.

/// The distribution function of a beta-binomial count over 0..=n, cut at a highest count.
///
/// A binomial whose probability is itself Beta distributed: mean `n share`, variance `n share (1 - share) (1 + (n - 1) rho)`,
/// where rho is the correlation between two cars (they retire in the same crash). Source: Skellam 1948; the real races'
/// retirements have 2 to 3 times the binomial variance.
#[derive(Debug, Clone)]
pub struct CountDistribution {
    /// P(count <= k) for k in 0..=highest.
    cumulative: Vec<f64>,
}

impl CountDistribution {
    /// `share` in [0, 1], `rho` in [0, 1), `highest <= n`. All the mass beyond `highest` is spread over the counts up to it.
    pub fn beta_binomial(n: usize, share: f64, rho: f64, highest: usize) -> Self {
        let share = share.clamp(1e-9, 1.0 - 1e-9);
        let precision = 1.0 / rho.clamp(1e-6, 0.999) - 1.0;
        let (a, b) = (share * precision, (1.0 - share) * precision);
        let mut log_mass = 0.0;
        let mut log_masses = vec![0.0];
        for k in 0..highest {
            let (done, left) = (k as f64, (n - k) as f64);
            log_mass += libm::log(left / (done + 1.0) * (done + a) / (left - 1.0 + b));
            log_masses.push(log_mass);
        }
        let peak = log_masses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        let mut cumulative: Vec<f64> = log_masses
            .iter()
            .map(|mass| {
                total += libm::exp(mass - peak);
                total
            })
            .collect();
        cumulative.iter_mut().for_each(|mass| *mass /= total);
        Self { cumulative }
    }

    /// The count at quantile `u` in [0, 1).
    pub fn at(&self, u: f64) -> usize {
        self.cumulative.partition_point(|&mass| mass <= u).min(self.cumulative.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(distribution: &CountDistribution) -> (f64, f64) {
        let steps = 200_000;
        let counts = (0..steps).map(|i| distribution.at((f64::from(i) + 0.5) / f64::from(steps)) as f64);
        let (sum, squares) = counts.fold((0.0, 0.0), |(sum, squares), k| (sum + k, squares + k * k));
        let mean = sum / f64::from(steps);
        (mean, squares / f64::from(steps) - mean * mean)
    }

    #[test]
    fn mean_and_variance_are_those_of_the_formula() {
        let (n, share, rho) = (38, 0.12, 0.05);
        let (mean, variance) = moments(&CountDistribution::beta_binomial(n, share, rho, n));
        let expected = 38.0 * share * (1.0 - share) * (1.0 + 37.0 * rho);
        assert!((mean - 38.0 * share).abs() < 0.01, "mean {mean}");
        assert!((variance - expected).abs() < 0.05, "variance {variance}, expected {expected}");
    }

    #[test]
    fn no_count_passes_the_highest() {
        let distribution = CountDistribution::beta_binomial(40, 0.9, 0.1, 20);
        assert_eq!(distribution.at(1.0 - 1e-16), 20);
        assert!(distribution.at(0.0) <= 20);
    }

    #[test]
    fn a_highest_of_zero_always_counts_zero() {
        assert_eq!(CountDistribution::beta_binomial(2, 0.5, 0.1, 0).at(0.99), 0);
    }

    #[test]
    fn extreme_shares_and_correlations_stay_finite() {
        for share in [0.0, 1e-12, 0.5, 1.0] {
            for rho in [0.0, 1e-9, 0.5, 0.9999] {
                let distribution = CountDistribution::beta_binomial(100, share, rho, 100);
                assert!(distribution.cumulative.iter().all(|mass| mass.is_finite()), "{share} {rho}");
            }
        }
    }
}
