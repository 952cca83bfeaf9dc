//! Which posterior draw a scenario uses. A function of the scenario's number alone, so that a split of the work cannot change it.

/// Walks through all posterior draws once per round, far apart from one scenario to the next.
///
/// Scenario k uses draw `k stride mod count` with a stride near count / golden ratio and without common divisor (Weyl 1916): any
/// run of scenarios, however short, takes draws from all over the chains, and each draw is used equally often. A random choice
/// would add variance and gain nothing.
#[derive(Debug, Clone, Copy)]
pub struct DrawSequence {
    count: u64,
    stride: u64,
}

impl DrawSequence {
    /// For `count` draws, at least 1.
    pub fn new(count: u64) -> Self {
        let mut stride = (count as f64 * 0.618_033_988_749_894_9) as u64;
        while greatest_common_divisor(stride, count) != 1 {
            stride += 1;
        }
        Self { count, stride }
    }

    /// The draw of scenario `number`, in 0..count.
    pub fn at(&self, number: u64) -> u64 {
        (number % self.count) * self.stride % self.count
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_uses_every_draw_once() {
        for count in [1, 2, 3, 4, 10, 999, 1000, 4096] {
            let sequence = DrawSequence::new(count);
            for round in [0, 7] {
                let mut seen: Vec<u64> = (0..count).map(|k| sequence.at(round * count + k)).collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..count).collect::<Vec<_>>(), "{count} draws");
            }
        }
    }

    #[test]
    fn a_short_run_spans_all_chains() {
        let sequence = DrawSequence::new(4000);
        let mut per_chain = [0; 4];
        for number in 0..40 {
            per_chain[(sequence.at(number) / 1000) as usize] += 1;
        }
        assert!(per_chain.iter().all(|&count| (8..=12).contains(&count)), "{per_chain:?}");
    }

    #[test]
    fn the_last_scenario_number_has_a_draw() {
        assert!(DrawSequence::new(100_000).at(u64::MAX) < 100_000);
    }
}
