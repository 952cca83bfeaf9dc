//! What plugins are run on, made of a file of races: the races before the last are the history, the last one is asked about.

use anyhow::{Result, bail};

use crate::{
    catalog::{CatalogLimits, build_history, columns::ColumnMap, race_file::read_races, race_setup},
    domain::{
        ids::RaceId,
        race::{Race, RaceEntry},
        spec::HistorySpec,
    },
    plugins::{Inputs, SlateView},
};

/// Entries of a lineup.
const ROSTER_SIZE: usize = 6;

/// The inputs of a CSV file as the importer reads it. A file knows no salaries: they are 0.
///
/// # Errors
/// What is wrong with the file, or that it has fewer than two races.
pub fn inputs_of(csv: &[u8], limits: &CatalogLimits) -> Result<Inputs> {
    let file = read_races(csv, &ColumnMap::default(), limits)?;
    let mut races: Vec<Race> = file.races.into_iter().map(|race| race.into_race(RaceId::random())).collect();
    let Some(last) = races.pop() else { bail!("the file has no race") };
    races.retain(|race| race.entries.iter().all(|entry| entry.result.is_some()));
    if races.is_empty() {
        bail!("the file has one race\n  what to do: put races with results before it");
    }
    let history = build_history(&races, HistorySpec::default().half_life_races);
    let of = |text: fn(&RaceEntry) -> &String| last.entries.iter().map(|entry| text(entry).clone()).collect();
    let slate = SlateView {
        driver: of(|entry| &entry.driver),
        team: of(|entry| &entry.team),
        make: of(|entry| &entry.make),
        salary_usd: vec![0; last.entries.len()],
        start: last.entries.iter().map(|entry| entry.start).collect(),
        salary_cap_usd: 0,
    };
    Ok(Inputs {
        about: format!("{} past races, and {} {}", history.races(), last.key(), last.name),
        race: race_setup(&last, &history.drivers, &history.teams),
        roster_size: ROSTER_SIZE.min(last.entries.len()),
        history,
        slate,
        models: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use crate::catalog::synthetic;

    use super::*;

    #[test]
    fn the_last_race_of_a_file_is_asked_about_and_the_others_are_the_history() {
        let limits = CatalogLimits::default();
        let csv = synthetic::season(1).races_csv;
        let inputs = inputs_of(csv.as_bytes(), &limits).unwrap();
        assert_eq!(inputs.history.races(), usize::from(synthetic::RACES) - 1);
        assert_eq!(inputs.race.start.len(), inputs.slate.driver.len());
        let header_and_race: Vec<&str> = csv.lines().take(39).collect();
        assert!(inputs_of(header_and_race.join("\n").as_bytes(), &limits).is_err());
    }
}
