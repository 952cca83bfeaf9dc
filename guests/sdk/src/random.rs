//! Seeded randomness. One algorithm, documented, so that a seed means the same draws in every plugin and on every machine; the
//! clock and the operating system are never asked.
//!
//! The generator is xoshiro256++ 1.0 (Blackman & Vigna 2021, "Scrambled linear pseudorandom number generators"), its state
//! filled by SplitMix64 (Steele, Lea & Flood 2014) over the seed and the stream number. Transcendental functions come from
//! `libm`, so WebAssembly and native code agree to the bit.

use crate::{Refusal, state};

/// A stream of random numbers that is a function of (seed, stream) alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    words: [u64; 4],
}

impl Rng {
    /// The stream numbered `stream` of `seed`. Key streams by what they are for (a scenario's number, a chain's index), never
    /// by how work is split.
    pub fn for_stream(seed: u64, stream: u64) -> Self {
        // The stream number goes through its own SplitMix64 step first, so that neighbouring (seed, stream) pairs do not share
        // a SplitMix64 sequence at an offset, which plain addition would give.
        let mut stream_state = stream;
        let mut state = seed ^ split_mix(&mut stream_state);
        Self { words: std::array::from_fn(|_| split_mix(&mut state)) }
    }

    /// 64 uniform bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.words;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// Uniform on [0, 1), a multiple of 2^-53.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform on (0, 1): safe to take the logarithm of.
    #[inline]
    pub fn open_uniform(&mut self) -> f64 {
        ((self.next_u64() >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
    }

    /// Uniform on `0..bound` without bias (Lemire 2019, "Fast random integer generation in an interval"); 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            // The rejection zone is the first (2^64 mod bound) values of the low half.
            if product as u64 >= bound.wrapping_neg().checked_rem(bound).unwrap_or(0) {
                return (product >> 64) as u64;
            }
        }
    }

    /// True with probability `probability`.
    pub fn bernoulli(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Standard normal, by Marsaglia's polar method (1964). The second of each pair is discarded: a cached half would be state
    /// that a checkpoint must carry.
    pub fn normal(&mut self) -> f64 {
        loop {
            let x = 2.0 * self.open_uniform() - 1.0;
            let y = 2.0 * self.open_uniform() - 1.0;
            let radius = x * x + y * y;
            if radius < 1.0 && radius > 0.0 {
                return x * libm::sqrt(-2.0 * libm::log(radius) / radius);
            }
        }
    }

    /// Exponential with rate 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(self.open_uniform())
    }

    /// Standard Gumbel (maximum): adding it to log-weights and sorting gives a Plackett-Luce order.
    pub fn gumbel(&mut self) -> f64 {
        -libm::log(self.exponential())
    }

    /// Gamma with the given shape > 0 and scale 1, by Marsaglia & Tsang (2000), "A simple method for generating gamma
    /// variables"; shapes below 1 by the boost of their section 6.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = libm::pow(self.open_uniform(), 1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
            if v > 0.0 && libm::log(self.open_uniform()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return d * v;
            }
        }
    }

    /// Beta with both shapes > 0.
    pub fn beta(&mut self, a: f64, b: f64) -> f64 {
        let x = self.gamma(a);
        let y = self.gamma(b);
        if x + y > 0.0 { x / (x + y) } else { 0.5 }
    }

    /// Fills `shares` with a Dirichlet draw; `concentration` has the same length and positive elements. The shares sum to 1.
    pub fn dirichlet(&mut self, concentration: &[f64], shares: &mut [f64]) {
        let mut total = 0.0;
        for (share, &shape) in shares.iter_mut().zip(concentration) {
            *share = self.gamma(shape);
            total += *share;
        }
        let count = shares.len() as f64;
        for share in shares.iter_mut() {
            // Very small shapes can underflow to zero throughout; equal shares then keep the promise about the sum.
            *share = if total > 0.0 { *share / total } else { 1.0 / count };
        }
    }

    /// Number of successes in `trials` trials. Splits by an order statistic of the uniforms (Relles 1972; Knuth, TAOCP 2,
    /// 3.4.1 F) until few trials remain, so the time is logarithmic in `trials`.
    pub fn binomial(&mut self, trials: u32, probability: f64) -> u32 {
        let (mut trials, mut probability, mut successes) = (trials, probability.clamp(0.0, 1.0), 0);
        while trials > 16 {
            let middle = trials / 2 + 1;
            let pivot = self.beta(f64::from(middle), f64::from(trials - middle + 1));
            if pivot <= probability {
                successes += middle;
                trials -= middle;
                probability = if pivot < 1.0 { (probability - pivot) / (1.0 - pivot) } else { 0.0 };
            } else {
                trials = middle - 1;
                probability /= pivot;
            }
        }
        successes + (0..trials).map(|_| u32::from(self.bernoulli(probability))).sum::<u32>()
    }

    /// An index drawn with probability proportional to its weight; weights are non-negative and not all zero, else 0.
    pub fn categorical(&mut self, weights: &[f64]) -> usize {
        let total: f64 = weights.iter().sum();
        let mut left = self.uniform() * total;
        let mut last_possible = 0;
        for (index, &weight) in weights.iter().enumerate() {
            if weight > 0.0 {
                last_possible = index;
                if left < weight {
                    return index;
                }
                left -= weight;
            }
        }
        last_possible
    }

    /// Puts `items` in a uniformly random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// Writes the state for a checkpoint.
    pub fn save(&self, out: &mut state::Writer) {
        for word in self.words {
            out.u64(word);
        }
    }

    /// Reads what [`Rng::save`] wrote.
    ///
    /// # Errors
    /// [`Refusal::ForeignCheckpoint`] when the bytes end early.
    pub fn load(from: &mut state::Reader<'_>) -> Result<Self, Refusal> {
        Ok(Self { words: [from.u64()?, from.u64()?, from.u64()?, from.u64()?] })
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(count: usize, mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let draws: Vec<f64> = (0..count).map(|_| draw()).collect();
        let mean = draws.iter().sum::<f64>() / count as f64;
        (mean, draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count as f64)
    }

    #[test]
    fn split_mix_gives_the_published_sequence() {
        let mut state = 1_234_567;
        assert_eq!(split_mix(&mut state), 6_457_827_717_110_365_317);
        assert_eq!(split_mix(&mut state), 3_203_168_211_198_807_973);
    }

    #[test]
    fn xoshiro_gives_the_published_sequence() {
        let mut rng = Rng { words: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..4).map(|_| rng.next_u64()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn neighbouring_streams_differ_from_the_first_draw() {
        let mut first: Vec<u64> = (0..1000).map(|stream| Rng::for_stream(7, stream).next_u64()).collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 1000);
    }

    #[test]
    fn distributions_have_their_textbook_moments() {
        let mut rng = Rng::for_stream(1, 0);
        // Tolerance: five standard errors of the worst case at 200,000 draws.
        let mut check = |mean: f64, variance: f64, draw: &mut dyn FnMut(&mut Rng) -> f64| {
            let (got_mean, got_variance) = moments(200_000, || draw(&mut rng));
            assert!((got_mean - mean).abs() < 0.02 * variance.sqrt(), "mean {got_mean} for {mean}");
            assert!((got_variance / variance - 1.0).abs() < 0.05, "variance {got_variance} for {variance}");
        };
        check(0.5, 1.0 / 12.0, &mut Rng::uniform);
        check(0.0, 1.0, &mut Rng::normal);
        check(1.0, 1.0, &mut Rng::exponential);
        check(0.577_215_664_9, std::f64::consts::PI.powi(2) / 6.0, &mut Rng::gumbel);
        check(0.4, 0.4, &mut |rng| rng.gamma(0.4));
        check(7.5, 7.5, &mut |rng| rng.gamma(7.5));
        check(0.25, 0.25 * 0.75 / 9.0, &mut |rng| rng.beta(2.0, 6.0));
        check(60.0, 42.0, &mut |rng| f64::from(rng.binomial(200, 0.3)));
        check(3.0, 2.0, &mut |rng| f64::from(rng.binomial(9, 1.0 / 3.0)));
        check(4.5, 8.25, &mut |rng| rng.below(10) as f64);
        check(1.5, 0.75, &mut |rng| rng.categorical(&[1.0, 3.0, 0.0, 0.0]) as f64 * 2.0);
    }

    #[test]
    fn dirichlet_shares_sum_to_one() {
        let mut rng = Rng::for_stream(3, 3);
        let mut shares = [0.0; 5];
        rng.dirichlet(&[0.01, 1.0, 2.0, 30.0, 0.5], &mut shares);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
