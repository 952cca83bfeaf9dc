//! Tables in plain text: columns as wide as their widest cell, numbers on the right.

/// A table under construction.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    is_numeric: Vec<bool>,
}

impl Table {
    /// A table with these column titles. A title that starts with `>` is a column of numbers, on the right.
    #[must_use]
    pub fn new(titles: &[&str]) -> Self {
        let is_numeric = titles.iter().map(|title| title.starts_with('>')).collect();
        let titles = titles.iter().map(|title| title.trim_start_matches('>').to_owned()).collect();
        Self { rows: vec![titles], is_numeric }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as lines, indented by two spaces.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let widths: Vec<usize> = (0..self.is_numeric.len()).map(|column| self.width(column)).collect();
        self.rows.iter().map(|row| self.line(row, &widths)).collect()
    }

    fn width(&self, column: usize) -> usize {
        self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells = row.iter().zip(widths).zip(&self.is_numeric).map(|((cell, width), is_numeric)| {
            if *is_numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["name", ">laps"]);
        table.row(["Ada".to_owned(), "7".to_owned()]);
        table.row(["Bö".to_owned(), "12345".to_owned()]);
        assert_eq!(table.lines(), ["  name   laps", "  Ada       7", "  Bö    12345"]);
    }
}
