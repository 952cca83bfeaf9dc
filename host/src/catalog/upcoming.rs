//! Entries of a race to come, made from its slate where no entry list has been imported: the slate says who drives and from
//! where, past races say for whom.

use std::collections::HashMap;

use super::{
    issue::{ImportIssue, ImportRejected, IssueKind, Issues},
    limits::CatalogLimits,
    names::{NameOutcome, normal_form},
    slate_file::{SlateFile, SlateRow},
    slate_match::{NameReport, match_players},
};
use crate::domain::race::{Race, RaceEntry};

/// The entries of a race to come.
#[derive(Debug, Clone, PartialEq)]
pub struct UpcomingEntries {
    /// Entries by start position; a driver of past races has the name, team and make of the latest of them.
    pub entries: Vec<RaceEntry>,
    /// How the slate's names were matched to drivers of past races.
    pub report: NameReport,
    /// Drivers of the slate without a past race, hence without a team.
    pub without_team: Vec<String>,
}

/// Makes the entries of a race to come from its slate, which must have start positions.
///
/// # Errors
/// [`ImportRejected`] where the slate has no start positions, or a name may be more than one driver of past races. A name that
/// is nobody's is a new driver.
pub fn entries_from_slate(
    slate: &SlateFile,
    history: &[Race],
    limits: &CatalogLimits,
) -> Result<UpcomingEntries, ImportRejected> {
    let latest = latest_entries(history);
    let known: Vec<&str> = latest.iter().map(|entry| entry.driver.as_str()).collect();
    let (outcomes, report) = match_players(slate, &known, limits);
    let mut issues = Issues::new(limits.issues_max);
    if slate.rows.iter().any(|player| player.start.is_none()) {
        let kind = IssueKind::MissingColumn { found: format!("{} and salary", slate.driver_column) };
        issues.push(ImportIssue { row: None, column: Some("start".to_owned()), value: None, kind });
    }
    let mut entries = Vec::with_capacity(slate.rows.len());
    let mut without_team = Vec::new();
    for (player, outcome) in slate.rows.iter().zip(&outcomes) {
        let past = match outcome {
            NameOutcome::Matched { known, .. } => Some(latest[*known]),
            NameOutcome::Unmatched { .. } => None,
            NameOutcome::Ambiguous { candidates } => {
                let candidates = candidates.iter().map(|&index| known[index].to_owned()).collect();
                let kind = IssueKind::AmbiguousDriver { candidates };
                issues.push(ImportIssue::of_cell(player.row, &slate.driver_column, &player.driver, kind));
                continue;
            }
        };
        let entry = upcoming_entry(player, past);
        if entry.team.is_empty() {
            without_team.push(entry.driver.clone());
        }
        entries.push(entry);
    }
    entries.sort_by_key(|entry| entry.start);
    issues.into_result(UpcomingEntries { entries, report, without_team })
}

fn upcoming_entry(player: &SlateRow, past: Option<&RaceEntry>) -> RaceEntry {
    let of_past = |field: fn(&RaceEntry) -> &String| past.map(field).cloned().unwrap_or_default();
    RaceEntry {
        driver: past.map_or(&player.driver, |entry| &entry.driver).clone(),
        car_no: of_past(|entry| &entry.car_no),
        team: of_past(|entry| &entry.team),
        make: of_past(|entry| &entry.make),
        start: player.start.unwrap_or(0),
        result: None,
    }
}

/// Each driver's entry in the latest race driven, by name in normal form, so that the order does not depend on the races'.
fn latest_entries(history: &[Race]) -> Vec<&RaceEntry> {
    let mut latest: HashMap<String, ((u16, u16), &RaceEntry)> = HashMap::new();
    for race in history {
        let when = (race.season, race.number);
        for entry in &race.entries {
            let driver = latest.entry(normal_form(&entry.driver)).or_insert((when, entry));
            if when > driver.0 {
                *driver = (when, entry);
            }
        }
    }
    let mut latest: Vec<(String, &RaceEntry)> = latest.into_iter().map(|(name, (_, entry))| (name, entry)).collect();
    latest.sort_by(|left, right| left.0.cmp(&right.0));
    latest.into_iter().map(|(_, entry)| entry).collect()
}
