//! Cheap random numbers for the terms whose exact shape does not matter. The finishing order does not use this.

use paddock_sdk::Rng;

/// Standard deviation of the sum of four uniforms on 0..65536.
const SUM_DEVIATION: f64 = 37_837.227_231_598_15;

/// A bell-shaped variate with mean 0 and standard deviation 1, in [-3.47, 3.47]: the standardised sum of the four 16-bit
/// lanes of one random word (Irwin-Hall, n = 4; excess kurtosis -0.3).
///
/// It stands for "how the day went", whose true distribution nobody knows; it costs a tenth of an exact normal and, being free
/// of branches and logarithms, the same under metering as natively.
pub fn bell(rng: &mut Rng) -> f64 {
    let word = rng.next_u64();
    let lane = |shift: u32| (word >> shift) & 0xffff;
    let sum = lane(0) + lane(16) + lane(32) + lane(48);
    (sum as f64 - 131_070.0) / SUM_DEVIATION
}

/// The logistic function.
pub fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

/// Its inverse on (0, 1).
pub fn logit(p: f64) -> f64 {
    libm::log(p / (1.0 - p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bell_has_mean_zero_and_variance_one() {
        let mut rng = Rng::for_stream(7, 1);
        let draws: Vec<f64> = (0..400_000).map(|_| bell(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.01, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.01, "variance {variance}");
    }

    #[test]
    fn logistic_undoes_logit() {
        for p in [0.001, 0.3, 0.5, 0.999] {
            assert!((logistic(logit(p)) - p).abs() < 1e-12);
        }
    }
}
