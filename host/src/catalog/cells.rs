//! Reads the cells of one row into values, and complains about those that are not what their column holds.

use super::{
    columns::{Column, Columns},
    issue::{ImportIssue, IssueKind, Issues},
    limits::CatalogLimits,
    table::Row,
};
use std::ops::RangeInclusive;

/// One row of a file with what is needed to read it. A method that returns `None` has reported why.
pub(super) struct Cells<'a> {
    pub(super) row: &'a Row,
    pub(super) columns: &'a Columns,
    pub(super) limits: &'a CatalogLimits,
    pub(super) issues: &'a mut Issues,
}

impl<'a> Cells<'a> {
    /// The cell, trimmed; empty where the file has no such column.
    pub(super) fn raw(&self, column: Column) -> &'a str {
        self.columns.index(column).map_or("", |index| self.row.cell(index))
    }

    /// Reports an issue of this cell.
    pub(super) fn refuse(&mut self, column: Column, kind: IssueKind) {
        let issue = ImportIssue::of_cell(self.row.number, self.columns.name(column), self.raw(column), kind);
        self.issues.push(issue);
    }

    /// A name that must be there. Where the whole column is missing, that has been reported once already.
    pub(super) fn name(&mut self, column: Column) -> Option<String> {
        if self.columns.has(column) && self.raw(column).is_empty() {
            self.refuse(column, IssueKind::MissingValue);
            return None;
        }
        self.name_or_empty(column).filter(|name| !name.is_empty())
    }

    /// A name, or the empty text where there is none.
    pub(super) fn name_or_empty(&mut self, column: Column) -> Option<String> {
        let text = self.raw(column);
        let limit = self.limits.name_chars_max;
        if text.chars().any(char::is_control) || text.chars().count() > limit {
            self.refuse(column, IssueKind::BadName { limit });
            return None;
        }
        Some(text.to_owned())
    }

    /// A whole number that must be there.
    pub(super) fn whole<T: TryFrom<u64>>(&mut self, column: Column, range: RangeInclusive<u64>) -> Option<T> {
        if !self.columns.has(column) {
            return None;
        }
        match parse_whole(self.raw(column), &range) {
            Ok(value) => T::try_from(value).ok(),
            Err(kind) => {
                self.refuse(column, kind);
                None
            }
        }
    }

    /// Whether the entry retired, by the flag or else by the status. `Some(None)` where both cells are empty.
    pub(super) fn retired(&mut self) -> Option<Option<bool>> {
        let flag = self.raw(Column::Retired);
        if !flag.is_empty() {
            let parsed = parse_flag(flag);
            if parsed.is_none() {
                self.refuse(Column::Retired, IssueKind::BadFlag);
            }
            return parsed.map(Some);
        }
        let status = self.raw(Column::Status);
        let is_running = ["running", "finished"].iter().any(|word| status.eq_ignore_ascii_case(word));
        Some((!status.is_empty()).then_some(!is_running))
    }
}

/// Digits with an optional `$` before and `,` between thousands, because spreadsheets write salaries that way.
fn parse_whole(text: &str, range: &RangeInclusive<u64>) -> Result<u64, IssueKind> {
    if text.is_empty() {
        return Err(IssueKind::MissingValue);
    }
    let out_of_range = IssueKind::OutOfRange { min: *range.start(), max: *range.end() };
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let amount = unsigned.strip_prefix('$').unwrap_or(unsigned);
    let digits = without_thousands_commas(amount).ok_or(IssueKind::BadNumber)?;
    let is_zero = digits.bytes().all(|digit| digit == b'0');
    if text.starts_with('-') && !is_zero {
        return Err(out_of_range);
    }
    // Only too many digits can make this fail now.
    digits.parse().ok().filter(|value| range.contains(value)).ok_or(out_of_range)
}

fn without_thousands_commas(amount: &str) -> Option<String> {
    let mut groups = amount.split(',');
    let first = groups.next().unwrap_or_default();
    let has_commas = first.len() < amount.len();
    let is_digits = |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
    let is_valid = is_digits(first) && (!has_commas || first.len() <= 3);
    (is_valid && groups.all(|group| group.len() == 3 && is_digits(group))).then(|| amount.replace(',', ""))
}

fn parse_flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" => Some(true),
        "0" | "no" | "n" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salaries_are_read_as_spreadsheets_write_them() {
        for text in ["11500", "$11500", "$11,500", "11,500", "+11500", "0011500"] {
            assert_eq!(parse_whole(text, &(0..=1_000_000)), Ok(11_500), "{text}");
        }
    }

    #[test]
    fn numbers_that_are_not_whole_negative_or_past_the_range_say_which() {
        let range = 0..=1_000_000;
        let out_of_range = IssueKind::OutOfRange { min: 0, max: 1_000_000 };
        for text in ["-1", "-$500", "1000001", "99999999999999999999999999"] {
            assert_eq!(parse_whole(text, &range), Err(out_of_range.clone()), "{text}");
        }
        for text in ["11.5", "1,50", "1,,500", "1150,000", "$", "-", "twelve", "1e3", "0x10", "--5", "٣"] {
            assert_eq!(parse_whole(text, &range), Err(IssueKind::BadNumber), "{text}");
        }
        assert_eq!(parse_whole("", &range), Err(IssueKind::MissingValue));
    }
}
