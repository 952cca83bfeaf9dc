//! A CSV file as header and rows, within limits. It knows no column's meaning.

use super::{
    issue::{ImportIssue, ImportRejected, IssueKind, Issues},
    limits::CatalogLimits,
};

/// Lines in which the header is looked for: upload templates put instructions above it.
const HEADER_LINES_MAX: usize = 30;

/// A parsed file.
#[derive(Debug)]
pub(super) struct Table {
    /// Cells of the header, trimmed; trailing empty ones are dropped.
    pub(super) header: Vec<String>,
    /// The rows below it that are not blank.
    pub(super) rows: Vec<Row>,
}

/// A row of a file.
#[derive(Debug)]
pub(super) struct Row {
    /// Line of the file on which it begins, from 1.
    pub(super) number: u64,
    cells: csv::StringRecord,
}

impl Row {
    /// The cell in this column, trimmed; empty past the end.
    pub(super) fn cell(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or_default().trim()
    }

    fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.trim().is_empty())
    }
}

impl Table {
    /// Reads a file. The header is the first line for which `is_header` holds, or else the first line.
    ///
    /// # Errors
    /// Where the file is empty, too large or not UTF-8. Ragged rows and overlong cells go to `issues`.
    pub(super) fn read(
        bytes: &[u8],
        limits: &CatalogLimits,
        is_header: impl Fn(&[String]) -> bool,
        issues: &mut Issues,
    ) -> Result<Self, ImportRejected> {
        let text = decode(bytes, limits)?;
        let mut rows = read_rows(text, limits)?;
        let header_index =
            rows.iter().take(HEADER_LINES_MAX).position(|row| is_header(&header_cells(row))).unwrap_or(0);
        let below = rows.split_off((header_index + 1).min(rows.len()));
        let header = rows.get(header_index).map(header_cells).unwrap_or_default();
        if header.is_empty() || below.is_empty() {
            return Err(ImportRejected::because(ImportIssue::of_file(IssueKind::EmptyFile)));
        }
        for row in &below {
            check_row(row, &header, limits, issues);
        }
        Ok(Self { header, rows: below })
    }
}

fn decode<'a>(bytes: &'a [u8], limits: &CatalogLimits) -> Result<&'a str, ImportRejected> {
    let refuse = |kind| Err(ImportRejected::because(ImportIssue::of_file(kind)));
    if bytes.len() > limits.file_bytes_max {
        return refuse(IssueKind::TooManyBytes { found: bytes.len(), limit: limits.file_bytes_max });
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => refuse(IssueKind::NotUtf8 { offset: error.valid_up_to() }),
    }
}

/// All rows that are not blank, the header and what stands above it included.
fn read_rows(text: &str, limits: &CatalogLimits) -> Result<Vec<Row>, ImportRejected> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut lines = LineCounter { text: text.as_bytes(), offset: 0, line: 1 };
    let mut rows = Vec::new();
    let mut cells = csv::StringRecord::new();
    // Reading from memory that is UTF-8 cannot fail; a reader that gives up all the same ends the file, it does not panic.
    while reader.read_record(&mut cells).unwrap_or(false) {
        let offset = cells.position().map_or(0, csv::Position::byte);
        let row = Row { number: lines.line_at(offset), cells: cells.clone() };
        if row.is_blank() {
            continue;
        }
        rows.push(row);
        if rows.len() > limits.file_rows_max + HEADER_LINES_MAX {
            let kind = IssueKind::TooManyRows { limit: limits.file_rows_max };
            return Err(ImportRejected::because(ImportIssue::of_file(kind)));
        }
    }
    Ok(rows)
}

fn header_cells(row: &Row) -> Vec<String> {
    let mut cells: Vec<String> = row.cells.iter().map(|cell| cell.trim().to_owned()).collect();
    while cells.last().is_some_and(String::is_empty) {
        cells.pop();
    }
    cells
}

fn check_row(row: &Row, header: &[String], limits: &CatalogLimits, issues: &mut Issues) {
    let found = row.cells.len();
    let has_extra = row.cells.iter().skip(header.len()).any(|cell| !cell.trim().is_empty());
    if found < header.len() || has_extra {
        let kind = IssueKind::Ragged { found, expected: header.len() };
        issues.push(ImportIssue { row: Some(row.number), column: None, value: None, kind });
    }
    for (index, cell) in row.cells.iter().enumerate() {
        // Bytes first: counting characters of every cell would cost as much as parsing.
        if cell.len() > limits.cell_chars_max && cell.chars().count() > limits.cell_chars_max {
            let column = header.get(index).map_or("", String::as_str);
            let kind = IssueKind::CellTooLong { limit: limits.cell_chars_max };
            issues.push(ImportIssue::of_cell(row.number, column, cell, kind));
        }
    }
}

/// Counts lines itself: the reader's own count is off by one after `\r\n` and after blank lines.
struct LineCounter<'a> {
    text: &'a [u8],
    offset: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// Line of the first byte of the record at or after `offset`; offsets must not go down.
    fn line_at(&mut self, offset: u64) -> u64 {
        let mut end = usize::try_from(offset).unwrap_or(usize::MAX).min(self.text.len());
        while matches!(self.text.get(end), Some(b'\r' | b'\n')) {
            end += 1;
        }
        let passed = self.text.get(self.offset..end).unwrap_or_default();
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.offset = self.offset.max(end);
        self.line
    }
}
