//! Joins a slate file to a race: each player to one entry, by name, with a report of how.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    issue::{ImportIssue, ImportRejected, IssueKind, Issues},
    limits::CatalogLimits,
    names::{MatchKind, NameOutcome, match_names},
    slate_file::SlateFile,
};
use crate::domain::{race::RaceEntry, slate::SlateEntry};

/// What became of one name of a file.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NameMatch {
    /// Line of the file, from 1.
    pub row: u64,
    /// The name in the file.
    pub name: String,
    /// The known name it was matched to; absent where it was not.
    pub matched: Option<String>,
    /// How it was matched; absent where it was not.
    pub kind: Option<MatchKind>,
    /// The three most similar names, where it was not matched.
    pub suggestions: Vec<String>,
}

/// What became of the names of a file, in file order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct NameReport {
    /// One element per row of the file.
    pub names: Vec<NameMatch>,
}

impl NameReport {
    /// How many names were matched letter by letter.
    #[must_use]
    pub fn exact(&self) -> usize {
        self.count(|kind| *kind == MatchKind::Exact)
    }

    /// How many names were matched after normalisation.
    #[must_use]
    pub fn by_normal_form(&self) -> usize {
        self.count(|kind| *kind == MatchKind::NormalForm)
    }

    /// How many names were matched by similarity alone.
    #[must_use]
    pub fn approximate(&self) -> usize {
        self.count(|kind| matches!(kind, MatchKind::Approximate { .. }))
    }

    /// The names that were not matched.
    pub fn unmatched(&self) -> impl Iterator<Item = &NameMatch> {
        self.names.iter().filter(|name| name.kind.is_none())
    }

    fn count(&self, is_kind: impl Fn(&MatchKind) -> bool) -> usize {
        self.names.iter().filter_map(|name| name.kind.as_ref()).filter(|kind| is_kind(kind)).count()
    }
}

/// Matches a slate's players to the entries of their race. Entries without a player just cannot be picked.
///
/// # Errors
/// [`ImportRejected`] where a player is not in the race (with suggestions), or may be more than one of its drivers.
pub fn match_slate(
    slate: &SlateFile,
    entries: &[RaceEntry],
    limits: &CatalogLimits,
) -> Result<(Vec<SlateEntry>, NameReport), ImportRejected> {
    let known: Vec<&str> = entries.iter().map(|entry| entry.driver.as_str()).collect();
    let (outcomes, report) = match_players(slate, &known, limits);
    let mut issues = Issues::new(limits.issues_max);
    let mut matched = Vec::with_capacity(outcomes.len());
    for (player, outcome) in slate.rows.iter().zip(outcomes) {
        let named = |indices: &[usize]| indices.iter().map(|&index| known[index].to_owned()).collect::<Vec<_>>();
        let kind = match outcome {
            NameOutcome::Matched { known: index, .. } => {
                matched.push(SlateEntry {
                    driver: entries[index].driver.clone(),
                    external_id: player.external_id.clone(),
                    salary_usd: player.salary_usd,
                    positions: player.positions.clone(),
                    race_entry: u16::try_from(index).unwrap_or(u16::MAX),
                });
                continue;
            }
            NameOutcome::Ambiguous { candidates } => IssueKind::AmbiguousDriver { candidates: named(&candidates) },
            NameOutcome::Unmatched { suggestions } => IssueKind::UnknownDriver { suggestions: named(&suggestions) },
        };
        issues.push(ImportIssue::of_cell(player.row, &slate.driver_column, &player.driver, kind));
    }
    issues.into_result((matched, report))
}

/// Matches a slate's players to known names, and reports how.
pub(super) fn match_players(
    slate: &SlateFile,
    known: &[&str],
    limits: &CatalogLimits,
) -> (Vec<NameOutcome>, NameReport) {
    let names: Vec<&str> = slate.rows.iter().map(|player| player.driver.as_str()).collect();
    let outcomes = match_names(&names, known, limits);
    let rows = slate.rows.iter().zip(&outcomes);
    let report = rows.map(|(player, outcome)| describe(player.row, &player.driver, outcome, known)).collect();
    (outcomes, NameReport { names: report })
}

fn describe(row: u64, name: &str, outcome: &NameOutcome, known: &[&str]) -> NameMatch {
    let (matched, kind, others) = match outcome {
        NameOutcome::Matched { known: index, kind } => (Some(known[*index].to_owned()), Some(*kind), &[][..]),
        NameOutcome::Ambiguous { candidates } => (None, None, candidates.as_slice()),
        NameOutcome::Unmatched { suggestions } => (None, None, suggestions.as_slice()),
    };
    let suggestions = others.iter().map(|&index| known[index].to_owned()).collect();
    NameMatch { row, name: name.to_owned(), matched, kind, suggestions }
}
