//! What plugins are tried on: a made-up season of six races with twelve drivers, the race and slate after it, and scenarios and
//! lineups that are drawn from a seed.

use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        history::History,
        lineup::Lineup,
        model::Posterior,
        scenario::{RaceSetup, ScenarioBlock},
    },
    plugins::session::judge::SlateView,
};

/// The season; `models` has a fit of it for each posterior layout that is known here.
const BUNDLED: &str = include_str!("../../../data/conformance.json");

/// Share of entries that retire in a drawn scenario.
const RETIRED_SHARE: f64 = 0.15;
/// Share of drawn scenarios that are allowed by the contract and no possible race, so that constraints have something to veto.
const ODD_SHARE: f64 = 0.1;

/// Everything that plugins of the three worlds are opened with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// Where the numbers come from, for people.
    #[serde(default)]
    pub about: String,
    /// What calibrators are fitted on.
    pub history: History,
    /// What generators and scenario judges are asked about.
    pub race: RaceSetup,
    /// What lineup judges are asked about.
    pub slate: SlateView,
    /// Entries of a lineup, 1..=32 and at most those of the slate.
    pub roster_size: usize,
    /// Models for generators, each of another layout.
    #[serde(default)]
    pub models: Vec<Posterior>,
}

impl Inputs {
    /// The bundled season.
    ///
    /// # Errors
    /// Where the file in this binary cannot be read; a test shows that it can.
    pub fn bundled() -> serde_json::Result<Self> {
        serde_json::from_str(BUNDLED)
    }

    /// The model with this layout.
    #[must_use]
    pub fn model(&self, layout: &str) -> Option<&Posterior> {
        self.models.iter().find(|model| model.layout == layout)
    }

    /// Scenarios of the race: plausible ones, and some that only the contract allows.
    #[must_use]
    pub fn scenarios(&self, count: usize, seed: u64) -> ScenarioBlock {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut block = ScenarioBlock::empty(self.race.start.len());
        for _ in 0..count {
            push_scenario(&mut block, &self.race, &mut random);
        }
        block
    }

    /// Lineups of the slate, whatever they cost.
    #[must_use]
    pub fn lineups(&self, count: usize, seed: u64) -> Vec<Lineup> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut entries: Vec<u16> = (0..).take(self.slate.driver.len()).collect();
        let mut draw = || {
            entries.shuffle(&mut random);
            Lineup::new(entries.iter().copied().take(self.roster_size).collect())
        };
        (0..count).map(|_| draw()).collect()
    }
}

fn push_scenario(block: &mut ScenarioBlock, race: &RaceSetup, random: &mut Xoshiro256PlusPlus) {
    let entries = race.start.len();
    let laps = race.race_laps;
    let mut order: Vec<usize> = (0..entries).collect();
    order.shuffle(random);
    let retired: Vec<bool> = (0..entries).map(|_| random.random_bool(RETIRED_SHARE)).collect();
    let completed: Vec<u16> =
        retired.iter().map(|&is_out| if is_out { random.random_range(0..laps) } else { laps }).collect();
    if !random.random_bool(ODD_SHARE) {
        // Who runs to the end is classed before those who retired, the longest first.
        order.sort_by_key(|&entry| std::cmp::Reverse(completed[entry]));
    }
    let first = block.finish.len();
    for column in [&mut block.finish, &mut block.laps_led, &mut block.fastest_laps] {
        column.resize(first + entries, 0);
    }
    for (place, &entry) in (1..).zip(&order) {
        block.finish[first + entry] = place;
    }
    let second = order.get(1).copied().unwrap_or(order[0]);
    let led = random.random_range(0..=completed[second]);
    block.laps_led[first + second] = led;
    block.laps_led[first + order[0]] += (laps - led).min(completed[order[0]]);
    block.fastest_laps[first + order[0]] = random.random_range(0..=completed[order[0]]);
    block.laps_completed.extend_from_slice(&completed);
    block.retired.extend(retired.iter().map(|&is_out| u8::from(is_out)));
    block.scenarios += 1;
}

#[cfg(test)]
mod tests {
    use crate::plugins::check::check_scenarios;

    use super::*;

    #[test]
    fn the_bundled_season_holds_together() {
        let inputs = Inputs::bundled().unwrap();
        let history = &inputs.history;
        assert_eq!((history.races(), history.drivers.len(), history.teams.len()), (6, 12, 4));
        assert_eq!(history.race_offsets.last().copied(), Some(u32::try_from(history.driver.len()).unwrap()));
        for races in history.race_offsets.windows(2) {
            let rows = races[0] as usize..races[1] as usize;
            let finish: Vec<u16> = (1..).take(rows.len()).collect();
            assert_eq!(history.finish[rows.clone()], finish);
            let mut start = history.start[rows].to_vec();
            start.sort_unstable();
            assert_eq!(start, finish);
        }
        let SlateView { driver, team, make, salary_usd, start, .. } = &inputs.slate;
        assert!([team.len(), make.len(), salary_usd.len(), start.len()].iter().all(|&length| length == driver.len()));
        for model in &inputs.models {
            assert_eq!(model.values.len(), model.draws * model.columns(), "{}", model.layout);
            assert_eq!((&model.drivers, &model.teams), (&history.drivers, &history.teams));
        }
    }

    #[test]
    fn drawn_scenarios_keep_the_contract_and_follow_the_seed() {
        let inputs = Inputs::bundled().unwrap();
        let block = inputs.scenarios(200, 1);
        assert_eq!(check_scenarios(&block, 200, inputs.race.race_laps), Ok(()));
        assert_eq!(block, inputs.scenarios(200, 1));
        assert_ne!(block, inputs.scenarios(200, 2));
        let lineups = inputs.lineups(50, 1);
        assert!(lineups.iter().all(|lineup| lineup.entries().len() == inputs.roster_size));
        assert_ne!(lineups, inputs.lineups(50, 2));
    }
}
