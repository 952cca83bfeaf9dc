//! What is wrong with an imported file: every problem with its row, column and value, collected so that one look mends them all.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::problem::Problem;

/// Longest value that is repeated in an issue, in characters.
const VALUE_CHARS_MAX: usize = 80;
/// Issues that the text of a [`Problem`] lists; the structured list is longer.
const ISSUES_IN_TEXT: usize = 10;

/// What kind of thing is wrong. The text says what to change.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum IssueKind {
    /// Nothing to import.
    #[error("the file has no rows: it needs a header line and at least one row")]
    EmptyFile,
    /// More bytes than allowed.
    #[error("the file has {found} bytes, the limit is {limit}: split it")]
    TooManyBytes {
        /// Size of the file, in bytes.
        found: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// More rows than allowed.
    #[error("the file has more than {limit} rows: split it")]
    TooManyRows {
        /// The limit, in rows.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("the byte at offset {offset} is not UTF-8: save the file as UTF-8")]
    NotUtf8 {
        /// Offset of the first offending byte from the start of the file.
        offset: usize,
    },
    /// A cell past the limit, which is mostly a quote that was never closed.
    #[error("the cell has more than {limit} characters: is a quote not closed?")]
    CellTooLong {
        /// The limit, in characters.
        limit: usize,
    },
    /// A row with another number of cells than the header.
    #[error("the row has {found} cells, the header {expected}: a comma is missing or too many")]
    Ragged {
        /// Cells of the row.
        found: usize,
        /// Cells of the header.
        expected: usize,
    },
    /// A column that the import needs.
    #[error("no such column; found are: {found}. Rename a column or map it")]
    MissingColumn {
        /// The header's columns.
        found: String,
    },
    /// Two columns with the same name.
    #[error("the header has this column twice: remove one")]
    DuplicateColumn,
    /// An empty cell where a value is needed.
    #[error("the cell is empty")]
    MissingValue,
    /// Text with control characters, or longer than a name may be.
    #[error("not a name: at most {limit} printable characters")]
    BadName {
        /// The limit, in characters.
        limit: usize,
    },
    /// Not a whole number.
    #[error("not a whole number")]
    BadNumber,
    /// A number outside its range.
    #[error("must be in {min}..={max}")]
    OutOfRange {
        /// Least allowed value.
        min: u64,
        /// Greatest allowed value.
        max: u64,
    },
    /// A cell that is neither yes nor no.
    #[error("must be 0 or 1 (or no or yes, false or true)")]
    BadFlag,
    /// A track type that does not exist.
    #[error("must be one of superspeedway, road, dirt, short, large_oval, intermediate")]
    UnknownTrackType,
    /// A key that is not season and number.
    #[error("must be season and race number, such as 2025-07")]
    BadRaceKey,
    /// Two rows of a race that disagree about the race.
    #[error("differs from `{first}` in row {first_row}, which belongs to the same race")]
    Inconsistent {
        /// Value of the race's first row.
        first: String,
        /// That row.
        first_row: u64,
    },
    /// A driver who is in the race or slate already.
    #[error("the same driver as `{first}` in row {first_row}")]
    DuplicateDriver {
        /// The driver's name in the first row.
        first: String,
        /// That row.
        first_row: u64,
    },
    /// A position that another row of the race has already, so that positions are not a permutation.
    #[error("the same position as in row {first_row}: positions must be each of 1..={entries} once")]
    DuplicatePosition {
        /// The first row with this position.
        first_row: u64,
        /// Entries of the race.
        entries: usize,
    },
    /// A race with results for only some of its entries.
    #[error("empty, but row {first_row} of the same race has a result: give all results of a race or none")]
    PartialResults {
        /// A row that has one.
        first_row: u64,
    },
    /// Fewer or more entries than a race can have.
    #[error("the race has {found} entries, it must have {min}..={max}")]
    FieldSize {
        /// Entries found.
        found: usize,
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
    },
    /// A driver that is not in the race.
    #[error("no such driver in the race{}", suggest(.suggestions))]
    UnknownDriver {
        /// The most similar names.
        suggestions: Vec<String>,
    },
    /// A name that fits more than one driver. No guess is made.
    #[error("fits more than one driver: {}. Write the name in full", .candidates.join(", "))]
    AmbiguousDriver {
        /// The drivers it fits.
        candidates: Vec<String>,
    },
}

fn suggest(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(" or ")) }
}

impl IssueKind {
    /// Stable key of the kind, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EmptyFile => "empty-file",
            Self::TooManyBytes { .. } => "too-many-bytes",
            Self::TooManyRows { .. } => "too-many-rows",
            Self::NotUtf8 { .. } => "not-utf8",
            Self::CellTooLong { .. } => "cell-too-long",
            Self::Ragged { .. } => "ragged-row",
            Self::MissingColumn { .. } => "missing-column",
            Self::DuplicateColumn => "duplicate-column",
            Self::MissingValue => "missing-value",
            Self::BadName { .. } => "bad-name",
            Self::BadNumber => "bad-number",
            Self::OutOfRange { .. } => "out-of-range",
            Self::BadFlag => "bad-flag",
            Self::UnknownTrackType => "unknown-track-type",
            Self::BadRaceKey => "bad-race-key",
            Self::Inconsistent { .. } => "inconsistent-race",
            Self::DuplicateDriver { .. } => "duplicate-driver",
            Self::DuplicatePosition { .. } => "duplicate-position",
            Self::PartialResults { .. } => "partial-results",
            Self::FieldSize { .. } => "field-size",
            Self::UnknownDriver { .. } => "unknown-driver",
            Self::AmbiguousDriver { .. } => "ambiguous-driver",
        }
    }

    const fn suggestions(&self) -> &[String] {
        match self {
            Self::UnknownDriver { suggestions } => suggestions.as_slice(),
            Self::AmbiguousDriver { candidates } => candidates.as_slice(),
            _ => &[],
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(into = "IssueView")]
pub struct ImportIssue {
    /// Line of the file, from 1, as an editor counts; absent where the file as a whole is meant.
    pub row: Option<u64>,
    /// Column, as the header names it, or as the import calls it where the header has none.
    pub column: Option<String>,
    /// The offending value, cut at 80 characters.
    pub value: Option<String>,
    /// What is wrong with it.
    pub kind: IssueKind,
}

/// An [`ImportIssue`] as clients read it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IssueView {
    /// Stable key of the kind of issue.
    pub code: String,
    /// What is wrong and what to change.
    pub message: String,
    /// Line of the file, from 1.
    pub row: Option<u64>,
    /// Column of the file.
    pub column: Option<String>,
    /// The offending value, cut at 80 characters.
    pub value: Option<String>,
    /// Names that may have been meant.
    pub suggestions: Vec<String>,
}

impl From<ImportIssue> for IssueView {
    fn from(issue: ImportIssue) -> Self {
        Self {
            code: issue.kind.code().to_owned(),
            message: issue.kind.to_string(),
            suggestions: issue.kind.suggestions().to_vec(),
            row: issue.row,
            column: issue.column,
            value: issue.value,
        }
    }
}

impl ImportIssue {
    /// An issue of the file as a whole.
    #[must_use]
    pub const fn of_file(kind: IssueKind) -> Self {
        Self { row: None, column: None, value: None, kind }
    }

    /// An issue of one cell.
    #[must_use]
    pub fn of_cell(row: u64, column: &str, value: &str, kind: IssueKind) -> Self {
        Self {
            row: Some(row),
            column: Some(column.to_owned()),
            value: (!value.is_empty()).then(|| value.chars().take(VALUE_CHARS_MAX).collect()),
            kind,
        }
    }

    /// The place, as people say it: `row 12, column salary`.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        match (self.row, &self.column) {
            (Some(row), Some(column)) => Some(format!("row {row}, column {column}")),
            (Some(row), None) => Some(format!("row {row}")),
            (None, Some(column)) => Some(format!("column {column}")),
            (None, None) => None,
        }
    }

    fn sentence(&self) -> String {
        let value = self.value.as_ref().map(|value| format!("`{value}`: ")).unwrap_or_default();
        match self.place() {
            Some(place) => format!("{place}: {value}{}", self.kind),
            None => format!("{value}{}", self.kind),
        }
    }
}

/// A file that was not imported; nothing of it was stored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{} problems in the file; first: {}", .issues.len() + .unlisted, .issues.first().map(ImportIssue::sentence).unwrap_or_default())]
pub struct ImportRejected {
    /// What is wrong, in file order as far as it was read; never empty.
    pub issues: Vec<ImportIssue>,
    /// Further issues that are not listed because there are too many.
    pub unlisted: usize,
}

impl ImportRejected {
    /// A file with one thing wrong.
    #[must_use]
    pub fn because(issue: ImportIssue) -> Self {
        Self { issues: vec![issue], unlisted: 0 }
    }

    /// As users read it: the place of the first issue, and the first ten in the detail.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        let listed: Vec<String> = self.issues.iter().take(ISSUES_IN_TEXT).map(ImportIssue::sentence).collect();
        let more = self.issues.len() + self.unlisted - listed.len();
        let tail = if more == 0 { String::new() } else { format!("; and {more} more") };
        let problem = Problem::new(
            "invalid-file",
            "The file cannot be imported",
            format!("{}{tail}", listed.join("; ")),
            "Correct the named cells and import the file again; nothing was stored.",
        );
        match self.issues.first().and_then(ImportIssue::place) {
            Some(place) => problem.at(place),
            None => problem,
        }
    }
}

/// Collects issues up to a maximum and counts the rest.
#[derive(Debug)]
pub(super) struct Issues {
    found: Vec<ImportIssue>,
    unlisted: usize,
    max: usize,
}

impl Issues {
    pub(super) const fn new(max: usize) -> Self {
        Self { found: Vec::new(), unlisted: 0, max }
    }

    pub(super) fn push(&mut self, issue: ImportIssue) {
        if self.found.len() < self.max.max(1) {
            self.found.push(issue);
        } else {
            self.unlisted += 1;
        }
    }

    /// The value where nothing was wrong.
    pub(super) fn into_result<T>(mut self, value: T) -> Result<T, ImportRejected> {
        if self.found.is_empty() {
            return Ok(value);
        }
        self.found.sort_by_key(|issue| issue.row);
        Err(ImportRejected { issues: self.found, unlisted: self.unlisted })
    }
}
