//! Sums over scenarios, per entry: small enough to travel from task to task in place of the scenarios.

use serde::{Deserialize, Serialize};

use crate::{domain::scenario::ScenarioBlock, results::DriverOutlook};

/// Sums over scenarios of one entry. All are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EntryTally {
    /// Sum of finish positions.
    pub finish: u64,
    /// Scenarios won.
    pub wins: u64,
    /// Scenarios with a finish in 1..=5.
    pub top5: u64,
    /// Scenarios with a finish in 1..=10.
    pub top10: u64,
    /// Sum of laps led.
    pub laps_led: u64,
    /// Sum of fastest laps.
    pub fastest_laps: u64,
    /// Scenarios in which the entry retires.
    pub retired: u64,
}

/// Sums of a block, one element per entry.
#[must_use]
pub fn tally(block: &ScenarioBlock) -> Vec<EntryTally> {
    let mut sums = vec![EntryTally::default(); block.entries];
    for scenario in 0..block.scenarios {
        for (entry, sum) in sums.iter_mut().enumerate() {
            let cell = scenario * block.entries + entry;
            let finish = block.finish[cell];
            sum.finish += u64::from(finish);
            sum.wins += u64::from(finish == 1);
            sum.top5 += u64::from(finish <= 5);
            sum.top10 += u64::from(finish <= 10);
            sum.laps_led += u64::from(block.laps_led[cell]);
            sum.fastest_laps += u64::from(block.fastest_laps[cell]);
            sum.retired += u64::from(block.retired[cell]);
        }
    }
    sums
}

impl EntryTally {
    /// Adds the sums of other scenarios of the same entry.
    pub fn add(&mut self, other: &Self) {
        self.finish += other.finish;
        self.wins += other.wins;
        self.top5 += other.top5;
        self.top10 += other.top10;
        self.laps_led += other.laps_led;
        self.fastest_laps += other.fastest_laps;
        self.retired += other.retired;
    }

    /// The means over `scenarios`, which must be positive.
    #[must_use]
    pub fn outlook(&self, driver: &str, start: u16, scenarios: u64) -> DriverOutlook {
        let mean = |sum: u64| sum as f64 / scenarios as f64;
        DriverOutlook {
            driver: driver.to_owned(),
            start,
            finish_mean: mean(self.finish),
            win: mean(self.wins),
            top5: mean(self.top5),
            top10: mean(self.top10),
            laps_led_mean: mean(self.laps_led),
            fastest_laps_mean: mean(self.fastest_laps),
            retired: mean(self.retired),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_add_up_to_the_means_of_all_their_scenarios() {
        let block = |finish: [u16; 4]| ScenarioBlock {
            scenarios: 2,
            entries: 2,
            finish: finish.to_vec(),
            laps_led: vec![3, 0, 1, 2],
            fastest_laps: vec![0, 1, 1, 0],
            laps_completed: vec![3; 4],
            retired: vec![0, 1, 0, 0],
        };
        let mut sums = tally(&block([1, 2, 2, 1]));
        for (sum, other) in sums.iter_mut().zip(tally(&block([1, 2, 1, 2]))) {
            sum.add(&other);
        }
        let first = sums[0].outlook("A", 2, 4);
        assert_eq!((first.finish_mean, first.win, first.top5, first.laps_led_mean), (1.25, 0.75, 1.0, 2.0));
        let second = sums[1].outlook("B", 1, 4);
        assert_eq!((second.retired, second.fastest_laps_mean, second.laps_led_mean), (0.5, 0.5, 1.0));
    }
}
