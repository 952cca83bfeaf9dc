//! Points of slate entries per scenario, as the optimizer reads them. It does not know how points come about.

/// Largest magnitude of one entry's points in one scenario: in thousandths, the sum of a whole slate stays below 2^31.
pub const POINTS_MAX: f32 = 10_000.0;

/// Points that cannot be optimized over.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidScores {
    /// A number of points is NaN or infinite; the contest's scoring or the scenario is wrong there.
    #[error("entry {entry} (column) has {points} points in scenario {scenario} (row): every number must be finite")]
    NotFinite {
        /// Column: index of the slate entry.
        entry: usize,
        /// Row: index of the scenario.
        scenario: usize,
        /// What stands there.
        points: f32,
    },
    /// A number of points is far beyond any contest's.
    #[error(
        "entry {entry} (column) has {points} points in scenario {scenario} (row): at most {POINTS_MAX} are allowed"
    )]
    TooLarge {
        /// Column: index of the slate entry.
        entry: usize,
        /// Row: index of the scenario.
        scenario: usize,
        /// What stands there.
        points: f32,
    },
    /// The columns do not have the stated shape.
    #[error("{found} numbers are not {entries} entries x {scenarios} scenarios, with at least one of each")]
    Shape {
        /// Numbers given.
        found: usize,
        /// Entries stated.
        entries: usize,
        /// Scenarios stated.
        scenarios: usize,
    },
}

/// Points, finite and within [`POINTS_MAX`], one column of scenarios per slate entry.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreMatrix {
    entries: usize,
    scenarios: usize,
    columns: Vec<f32>,
}

impl ScoreMatrix {
    /// A matrix of `columns`, which has shape `[entries][scenarios]` (entry by entry) in points.
    ///
    /// # Errors
    /// [`InvalidScores`] where the shape is wrong or empty, or a number is not finite; it names row and column.
    pub fn new(entries: usize, scenarios: usize, columns: Vec<f32>) -> Result<Self, InvalidScores> {
        if entries == 0 || scenarios == 0 || entries.checked_mul(scenarios) != Some(columns.len()) {
            return Err(InvalidScores::Shape { found: columns.len(), entries, scenarios });
        }
        let Some(index) = columns.iter().position(|points| !(-POINTS_MAX..=POINTS_MAX).contains(points)) else {
            return Ok(Self { entries, scenarios, columns });
        };
        let (entry, scenario, points) = (index / scenarios, index % scenarios, columns[index]);
        if points.is_finite() {
            return Err(InvalidScores::TooLarge { entry, scenario, points });
        }
        Err(InvalidScores::NotFinite { entry, scenario, points })
    }

    /// Number of slate entries.
    #[must_use]
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// Number of scenarios.
    #[must_use]
    pub const fn scenarios(&self) -> usize {
        self.scenarios
    }

    /// Points of one entry, one element per scenario.
    #[must_use]
    pub fn column(&self, entry: usize) -> &[f32] {
        &self.columns[entry * self.scenarios..][..self.scenarios]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_not_finite_is_refused_by_row_and_column() {
        let error = ScoreMatrix::new(2, 3, vec![0.0, 1.0, 2.0, 3.0, f32::INFINITY, 5.0]).unwrap_err();
        assert_eq!(error, InvalidScores::NotFinite { entry: 1, scenario: 1, points: f32::INFINITY });
        assert!(ScoreMatrix::new(1, 1, vec![f32::NAN]).unwrap_err().to_string().contains("scenario 0 (row)"));
    }

    #[test]
    fn a_number_of_points_at_the_limit_is_taken_and_one_past_it_is_refused() {
        assert!(ScoreMatrix::new(1, 2, vec![POINTS_MAX, -POINTS_MAX]).is_ok());
        let error = ScoreMatrix::new(1, 2, vec![0.0, -POINTS_MAX - 1.0]).unwrap_err();
        assert!(matches!(error, InvalidScores::TooLarge { entry: 0, scenario: 1, .. }));
    }

    #[test]
    fn a_misshapen_or_empty_matrix_is_refused() {
        assert!(matches!(ScoreMatrix::new(2, 2, vec![0.0; 3]), Err(InvalidScores::Shape { found: 3, .. })));
        assert!(ScoreMatrix::new(0, 2, vec![]).is_err());
        assert!(ScoreMatrix::new(usize::MAX, 2, vec![]).is_err());
    }
}
