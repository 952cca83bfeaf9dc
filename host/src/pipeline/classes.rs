//! Sorts scenarios into classes that people talk about: who wins, who leads the most laps, how many retire. It judges no lineup.

use crate::{
    domain::{race::Race, scenario::ScenarioBlock},
    results::WinningClass,
};

/// Classes that are told per lineup.
const TOLD: usize = 5;

/// Share of a lineup's best scenarios below which a class is not told: a handful of scenarios says nothing.
const SHARE_MIN: f64 = 0.02;

/// One way to sort scenarios.
struct Sorting {
    labels: Vec<String>,
    /// Index of the label of each scenario.
    of: Vec<u16>,
}

/// Scenarios sorted in several ways.
pub struct ScenarioClasses {
    sortings: Vec<Sorting>,
}

impl ScenarioClasses {
    /// Sorts the scenarios of a race.
    #[must_use]
    pub fn new(block: &ScenarioBlock, race: &Race) -> Self {
        let labels = |prefix: &str| race.entries.iter().map(|entry| format!("{prefix}: {}", entry.driver)).collect();
        let rows = || (0..block.scenarios).map(|scenario| scenario * block.entries..(scenario + 1) * block.entries);
        let winner =
            |row: std::ops::Range<usize>| block.finish[row].iter().position(|&finish| finish == 1).unwrap_or(0) as u16;
        let leader = |row: std::ops::Range<usize>| {
            let most =
                block.laps_led[row].iter().enumerate().max_by_key(|&(entry, laps)| (*laps, std::cmp::Reverse(entry)));
            most.map_or(0, |(entry, _)| entry as u16)
        };
        let retired: Vec<usize> =
            rows().map(|row| block.retired[row].iter().filter(|&&retired| retired > 0).count()).collect();
        Self {
            sortings: vec![
                Sorting { labels: labels("winner"), of: rows().map(winner).collect() },
                Sorting { labels: labels("most laps led"), of: rows().map(leader).collect() },
                by_retirements(&retired),
            ],
        }
    }

    /// The classes that these scenarios are in more often than all, the most telling first.
    #[must_use]
    pub fn of(&self, scenarios: &[u32]) -> Vec<WinningClass> {
        let mut classes: Vec<WinningClass> = self.sortings.iter().flat_map(|sorting| sorting.of(scenarios)).collect();
        classes.retain(|class| class.share >= SHARE_MIN && class.share > class.share_of_all);
        classes.sort_by(|a, b| {
            (b.share - b.share_of_all).total_cmp(&(a.share - a.share_of_all)).then_with(|| a.class.cmp(&b.class))
        });
        classes.truncate(TOLD);
        classes
    }
}

impl Sorting {
    fn of(&self, scenarios: &[u32]) -> Vec<WinningClass> {
        let (mut among, mut of_all) = (vec![0_u32; self.labels.len()], vec![0_u32; self.labels.len()]);
        self.of.iter().for_each(|&label| of_all[usize::from(label)] += 1);
        scenarios.iter().for_each(|&scenario| among[usize::from(self.of[scenario as usize])] += 1);
        let share = |count: u32, whole: usize| f64::from(count) / whole.max(1) as f64;
        let class = |((label, among), of_all): ((&String, u32), u32)| WinningClass {
            class: label.clone(),
            share: share(among, scenarios.len()),
            share_of_all: share(of_all, self.of.len()),
        };
        self.labels.iter().zip(among).zip(of_all).map(class).collect()
    }
}

/// The quarter of the scenarios with the fewest and with the most retirements, and those between.
fn by_retirements(retired: &[usize]) -> Sorting {
    let mut sorted = retired.to_vec();
    sorted.sort_unstable();
    let at = |quarter: usize| sorted.get(sorted.len() * quarter / 4).copied().unwrap_or(0);
    let (few, many) = (at(1), at(3).max(at(1) + 1));
    let of = retired.iter().map(|&count| u16::from(count > few) + u16::from(count >= many)).collect();
    let labels = vec![
        format!("at most {few} retirements"),
        format!("{} to {} retirements", few + 1, many.saturating_sub(1)),
        format!("at least {many} retirements"),
    ];
    Sorting { labels, of }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::RaceId,
        race::{RaceEntry, TrackType},
    };

    #[test]
    fn a_class_is_told_where_the_scenarios_have_it_more_often_than_all() {
        let block = ScenarioBlock {
            scenarios: 4,
            entries: 2,
            finish: vec![1, 2, 1, 2, 2, 1, 2, 1],
            laps_led: vec![9, 1, 2, 8, 0, 10, 5, 5],
            fastest_laps: vec![0; 8],
            laps_completed: vec![10; 8],
            retired: vec![0, 0, 0, 0, 1, 0, 1, 1],
        };
        let entry = |driver: &str| RaceEntry {
            driver: driver.to_owned(),
            car_no: "1".to_owned(),
            team: "Red".to_owned(),
            make: "Kiln".to_owned(),
            start: 1,
            result: None,
        };
        let race = Race {
            id: RaceId::random(),
            season: 2025,
            number: 1,
            name: "Test".to_owned(),
            track: "Test".to_owned(),
            track_type: TrackType::Short,
            race_laps: 10,
            entries: vec![entry("Ada"), entry("Bo")],
        };
        let classes = ScenarioClasses::new(&block, &race).of(&[2, 3]);
        let told: Vec<(&str, f64, f64)> =
            classes.iter().map(|class| (class.class.as_str(), class.share, class.share_of_all)).collect();
        assert_eq!(told[0], ("winner: Bo", 1.0, 0.5));
        assert!(!told.iter().any(|(class, ..)| *class == "winner: Ada"), "{told:?}");
        assert!(told.iter().any(|(class, ..)| class.ends_with("retirements")), "{told:?}");
    }
}
