//! Contest points: how a finished race, or a block of simulated ones, turns into points. Rules are data; no contest is named here.

use crate::domain::{
    contest::{Contest, Hundredths, ScoringTable},
    race::{EntryResult, RaceEntry},
    scenario::ScenarioBlock,
};

/// Scenarios that are scored at a time: the four input columns of a tile stay in the first two caches while every entry
/// reads them with the stride of a row.
const TILE_SCENARIOS: usize = 256;

/// A block or a list of entries that does not fit the race; the caller passed inputs of different races.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContestScoreError {
    /// A column of the block has another length than scenarios x entries.
    #[error("column {column} has {found} cells instead of {expected}: take block and race from the same simulation")]
    Shape {
        /// Name of the column.
        column: &'static str,
        /// Its length.
        found: usize,
        /// Scenarios x entries.
        expected: usize,
    },
    /// A finish position is not one of 1..=entries; the block was not checked where it came from.
    #[error("finish position {finish} in a race of {entries} entries: the generator's output was not checked")]
    Finish {
        /// The position.
        finish: u16,
        /// Number of entries of the race.
        entries: usize,
    },
    /// A slate entry points past the entries of the race.
    #[error("slate entry points at race entry {entry} of {entries}: import the slate for this race again")]
    UnknownEntry {
        /// Index into the race's entries.
        entry: u16,
        /// Number of entries of the race.
        entries: usize,
    },
}

/// What an entry did in a race, as far as contests score it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Performance {
    /// Start position, from 1.
    pub start: u16,
    /// Finish position, from 1.
    pub finish: u16,
    /// Laps led.
    pub laps_led: u16,
    /// Laps on which the entry set the fastest lap.
    pub fastest_laps: u16,
    /// Laps completed.
    pub laps_completed: u16,
}

impl Performance {
    /// What a past race's entry did; fastest laps count as none where the source does not publish them.
    #[must_use]
    pub fn of_result(entry: &RaceEntry, result: &EntryResult) -> Self {
        Self {
            start: entry.start,
            finish: result.finish,
            laps_led: result.laps_led,
            fastest_laps: result.fastest_laps.unwrap_or(0),
            laps_completed: result.laps_completed,
        }
    }
}

/// Points of one entry, exact.
#[must_use]
pub fn points(scoring: &ScoringTable, performance: &Performance) -> Hundredths {
    let Performance { start, finish, laps_led, fastest_laps, laps_completed } = *performance;
    let place = usize::from(finish).wrapping_sub(1);
    let finish_points = scoring.finish_hundredths.get(place).copied().unwrap_or(0);
    finish_points
        + scoring.place_differential_hundredths * (Hundredths::from(start) - Hundredths::from(finish))
        + scoring.lap_led_hundredths * Hundredths::from(laps_led)
        + scoring.fastest_lap_hundredths * Hundredths::from(fastest_laps)
        + scoring.lap_completed_hundredths * Hundredths::from(laps_completed)
}

/// Points of every slate entry in every scenario, in contest points (each the `f32` nearest to the exact value).
///
/// `start` holds the start position of every race entry; `race_entries` says which race entry each slate entry is. The
/// result has shape `[slate entry][scenario]`, row-major: an entry's points lie together, as the optimizer reads them.
///
/// # Errors
/// [`ContestScoreError`] where the inputs are not of the same race.
pub fn score_matrix(
    contest: &Contest,
    block: &ScenarioBlock,
    start: &[u16],
    race_entries: &[u16],
) -> Result<Vec<f32>, ContestScoreError> {
    check_shape(block, start, race_entries)?;
    let mut matrix = vec![0.0; race_entries.len() * block.scenarios];
    if block.scenarios == 0 {
        return Ok(matrix);
    }
    let finish_by_place = finish_points_by_place(&contest.scoring, block.entries);
    for first in (0..block.scenarios).step_by(TILE_SCENARIOS) {
        let last = (first + TILE_SCENARIOS).min(block.scenarios);
        for (column, &entry) in matrix.chunks_exact_mut(block.scenarios).zip(race_entries) {
            let entry = usize::from(entry);
            let rows = (first..last).map(|scenario| scenario * block.entries + entry);
            for (cell, row) in column[first..last].iter_mut().zip(rows) {
                *cell = cell_points(&contest.scoring, &finish_by_place, block, row, start[entry]);
            }
        }
    }
    Ok(matrix)
}

/// Finish points and lost places together, indexed by finish position 0..=entries; position 0 does not occur.
fn finish_points_by_place(scoring: &ScoringTable, entries: usize) -> Vec<Hundredths> {
    (0..=entries)
        .map(|finish| {
            let place = finish.wrapping_sub(1);
            let lost = Hundredths::try_from(finish).unwrap_or(Hundredths::MAX);
            scoring.finish_hundredths.get(place).copied().unwrap_or(0) - scoring.place_differential_hundredths * lost
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a race's points are far below 2^24 hundredths, where f32 is exact")]
fn cell_points(
    scoring: &ScoringTable,
    finish_by_place: &[Hundredths],
    block: &ScenarioBlock,
    row: usize,
    start: u16,
) -> f32 {
    let hundredths = finish_by_place[usize::from(block.finish[row])]
        + scoring.place_differential_hundredths * Hundredths::from(start)
        + scoring.lap_led_hundredths * Hundredths::from(block.laps_led[row])
        + scoring.fastest_lap_hundredths * Hundredths::from(block.fastest_laps[row])
        + scoring.lap_completed_hundredths * Hundredths::from(block.laps_completed[row]);
    hundredths as f32 / 100.0
}

fn check_shape(block: &ScenarioBlock, start: &[u16], race_entries: &[u16]) -> Result<(), ContestScoreError> {
    let expected = block.scenarios * block.entries;
    let columns = [
        ("finish", block.finish.len(), expected),
        ("laps_led", block.laps_led.len(), expected),
        ("fastest_laps", block.fastest_laps.len(), expected),
        ("laps_completed", block.laps_completed.len(), expected),
        ("start", start.len(), block.entries),
    ];
    for (column, found, expected) in columns {
        if found != expected {
            return Err(ContestScoreError::Shape { column, found, expected });
        }
    }
    let entries = block.entries;
    if let Some(&finish) = block.finish.iter().find(|&&finish| finish == 0 || usize::from(finish) > entries) {
        return Err(ContestScoreError::Finish { finish, entries });
    }
    match race_entries.iter().find(|&&entry| usize::from(entry) >= entries) {
        Some(&entry) => Err(ContestScoreError::UnknownEntry { entry, entries }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contest() -> Contest {
        Contest {
            key: "three-place-2021".to_owned(),
            name: "Three places".to_owned(),
            operator: "Test".to_owned(),
            first_season: 2021,
            last_season: None,
            roster_size: 2,
            slots: Vec::new(),
            salary_cap_usd: 100,
            scoring: ScoringTable {
                finish_hundredths: vec![4500, 4200, 4100],
                place_differential_hundredths: 100,
                lap_led_hundredths: 25,
                fastest_lap_hundredths: 45,
                lap_completed_hundredths: 10,
            },
            source: "none".to_owned(),
        }
    }

    fn block() -> ScenarioBlock {
        ScenarioBlock {
            scenarios: 2,
            entries: 4,
            finish: vec![1, 2, 3, 4, 4, 3, 2, 1],
            laps_led: vec![9, 1, 0, 0, 0, 0, 0, 10],
            fastest_laps: vec![3, 2, 1, 0, 0, 0, 1, 7],
            laps_completed: vec![10, 10, 9, 2, 3, 10, 10, 10],
            retired: vec![0, 0, 0, 1, 1, 0, 0, 0],
        }
    }

    #[test]
    fn every_term_of_the_table_counts() {
        let performance = Performance { start: 4, finish: 1, laps_led: 9, fastest_laps: 3, laps_completed: 10 };
        assert_eq!(points(&contest().scoring, &performance), 4500 + 300 + 225 + 135 + 100);
    }

    #[test]
    fn a_place_past_the_table_scores_no_finish_points_and_lost_places_count_negative() {
        let performance = Performance { start: 1, finish: 4, laps_led: 0, fastest_laps: 0, laps_completed: 0 };
        assert_eq!(points(&contest().scoring, &performance), -300);
    }

    #[test]
    fn the_matrix_holds_each_slate_entrys_points_scenario_after_scenario() {
        let (contest, block, start) = (contest(), block(), [2, 1, 4, 3]);
        let matrix = score_matrix(&contest, &block, &start, &[3, 0]).unwrap();
        let expected = |scenario: usize, entry: usize| {
            let row = scenario * 4 + entry;
            let performance = Performance {
                start: start[entry],
                finish: block.finish[row],
                laps_led: block.laps_led[row],
                fastest_laps: block.fastest_laps[row],
                laps_completed: block.laps_completed[row],
            };
            points(&contest.scoring, &performance) as f32 / 100.0
        };
        assert_eq!(matrix, [expected(0, 3), expected(1, 3), expected(0, 0), expected(1, 0)]);
    }

    #[test]
    fn a_block_of_many_tiles_is_scored_to_its_last_scenario() {
        let mut long = ScenarioBlock::empty(4);
        for _ in 0..(TILE_SCENARIOS + 1) {
            long.append(&block());
        }
        let matrix = score_matrix(&contest(), &long, &[2, 1, 4, 3], &[1]).unwrap();
        assert_eq!(matrix.len(), long.scenarios);
        assert!(matrix.chunks_exact(2).all(|pair| pair == &matrix[..2]));
        assert!(matrix[0] > matrix[1]);
    }

    #[test]
    fn inputs_of_different_races_are_refused() {
        let error = score_matrix(&contest(), &block(), &[1, 2, 3], &[0]).unwrap_err();
        assert_eq!(error, ContestScoreError::Shape { column: "start", found: 3, expected: 4 });
        let mut unchecked = block();
        unchecked.finish[2] = 5;
        let error = score_matrix(&contest(), &unchecked, &[1, 2, 3, 4], &[0]).unwrap_err();
        assert_eq!(error, ContestScoreError::Finish { finish: 5, entries: 4 });
        let error = score_matrix(&contest(), &block(), &[1, 2, 3, 4], &[4]).unwrap_err();
        assert_eq!(error, ContestScoreError::UnknownEntry { entry: 4, entries: 4 });
    }
}
