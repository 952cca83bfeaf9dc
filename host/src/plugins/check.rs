//! What a guest returns is hostile until it has been looked at. These checks look at numbers; text and the description are
//! looked at in `describe`.

use crate::domain::{model::Parameter, scenario::ScenarioBlock};

use super::limits::PluginLimits;

/// A returned value that breaks the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadValue {
    /// Where it is, for example `finish[3][17]`.
    pub place: String,
    /// What is there.
    pub found: String,
    /// What should be there.
    pub expected: String,
}

impl BadValue {
    /// This value at this place instead of that one.
    pub fn new(place: impl Into<String>, found: impl ToString, expected: impl Into<String>) -> Self {
        Self { place: place.into(), found: found.to_string(), expected: expected.into() }
    }
}

/// Checks that a list has as many elements as the shape says.
pub fn check_length(place: &str, found: usize, expected: usize) -> Result<(), BadValue> {
    if found == expected {
        Ok(())
    } else {
        Err(BadValue::new(format!("length of {place}"), found, expected.to_string()))
    }
}

/// Checks a list of verdicts: one per judged thing, each 0 or the number of a declared reason.
pub fn check_verdicts(verdicts: &[u8], judged: usize, reasons: usize) -> Result<(), BadValue> {
    check_length("verdicts", verdicts.len(), judged)?;
    match verdicts.iter().position(|&verdict| usize::from(verdict) > reasons) {
        None => Ok(()),
        Some(index) => Err(BadValue::new(
            format!("verdicts[{index}]"),
            verdicts[index],
            format!("0..={reasons}, as many veto reasons as it declares"),
        )),
    }
}

/// Checks that every value is finite. `columns` only serves to name the place.
pub fn check_finite(place: &str, values: &[f64], columns: usize) -> Result<(), BadValue> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => {
            let (row, column) = (index / columns.max(1), index % columns.max(1));
            Err(BadValue::new(format!("{place}[{row}][{column}]"), values[index], "a finite number"))
        }
    }
}

/// Checks a posterior layout and returns its number of columns.
pub fn check_layout(layout: &[Parameter], limits: &PluginLimits) -> Result<usize, BadValue> {
    if layout.is_empty() || layout.len() > limits.posterior_parameters_max {
        let expected = format!("1..={} blocks", limits.posterior_parameters_max);
        return Err(BadValue::new("length of layout", layout.len(), expected));
    }
    let mut columns = 0_usize;
    let mut names = std::collections::HashSet::new();
    for (index, parameter) in layout.iter().enumerate() {
        check_parameter(index, parameter)?;
        if !names.insert(parameter.name.as_str()) {
            return Err(BadValue::new(format!("layout[{index}].name"), &parameter.name, "a name used once"));
        }
        columns = columns.saturating_add(columns_of(parameter));
    }
    if columns > limits.posterior_columns_max {
        let expected = format!("at most posterior_columns_max = {}", limits.posterior_columns_max);
        return Err(BadValue::new("columns of layout", columns, expected));
    }
    Ok(columns)
}

fn check_parameter(index: usize, parameter: &Parameter) -> Result<(), BadValue> {
    let letters = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    if !(1..=64).contains(&parameter.name.len()) || !parameter.name.bytes().all(letters) {
        let found = format!("{:?}", parameter.name.chars().take(80).collect::<String>());
        return Err(BadValue::new(format!("layout[{index}].name"), found, "[a-z0-9_]{1,64}"));
    }
    match parameter.shape.iter().find(|size| !(1..=100_000).contains(*size)) {
        None => Ok(()),
        Some(size) => Err(BadValue::new(format!("a size of layout[{index}].shape"), size, "1..=100000")),
    }
}

/// Columns of a block; saturates, since the sizes are not to be trusted yet.
fn columns_of(parameter: &Parameter) -> usize {
    parameter.shape.iter().fold(1_usize, |product, &size| product.saturating_mul(size as usize))
}

/// Checks a block of generated scenarios.
///
/// Every column has `scenarios * entries` elements, each row of finish positions is a permutation of `1..=entries`, the rows
/// of laps led and of fastest laps sum to at most `race_laps`, nobody completes more than `race_laps`, and retired is 0 or 1.
pub fn check_scenarios(block: &ScenarioBlock, scenarios: usize, race_laps: u16) -> Result<(), BadValue> {
    let entries = block.entries;
    let cells = scenarios * entries;
    check_length("scenarios", block.scenarios, scenarios)?;
    check_length("finish", block.finish.len(), cells)?;
    check_length("laps-led", block.laps_led.len(), cells)?;
    check_length("fastest-laps", block.fastest_laps.len(), cells)?;
    check_length("laps-completed", block.laps_completed.len(), cells)?;
    check_length("retired", block.retired.len(), cells)?;
    for row in 0..scenarios {
        let cells = row * entries..(row + 1) * entries;
        check_permutation(row, &block.finish[cells.clone()])?;
        check_laps_sum("laps-led", row, &block.laps_led[cells.clone()], race_laps)?;
        check_laps_sum("fastest-laps", row, &block.fastest_laps[cells], race_laps)?;
    }
    check_cells("laps-completed", &block.laps_completed, entries, race_laps)?;
    check_cells("retired", &block.retired, entries, 1)
}

/// Checks that a row is a permutation of 1..=n, n <= 128: one bit per position.
fn check_permutation(row: usize, finish: &[u16]) -> Result<(), BadValue> {
    let mut seen = 0_u128;
    for (entry, &position) in finish.iter().enumerate() {
        let is_in_range = (1..=finish.len()).contains(&usize::from(position));
        let bit = if is_in_range { 1_u128 << (position - 1) } else { 0 };
        if bit == 0 || seen & bit != 0 {
            let expected = format!("each of 1..={} once in the row", finish.len());
            return Err(BadValue::new(format!("finish[{row}][{entry}]"), position, expected));
        }
        seen |= bit;
    }
    Ok(())
}

fn check_laps_sum(place: &str, row: usize, laps: &[u16], race_laps: u16) -> Result<(), BadValue> {
    let sum: u32 = laps.iter().map(|&laps| u32::from(laps)).sum();
    if sum <= u32::from(race_laps) {
        Ok(())
    } else {
        Err(BadValue::new(format!("sum of {place}[{row}]"), sum, format!("at most the race's {race_laps} laps")))
    }
}

fn check_cells<T: Copy + PartialOrd + ToString>(
    place: &str,
    cells: &[T],
    entries: usize,
    most: T,
) -> Result<(), BadValue> {
    match cells.iter().position(|cell| *cell > most) {
        None => Ok(()),
        Some(index) => {
            let (row, entry) = (index / entries.max(1), index % entries.max(1));
            let expected = format!("at most {}", most.to_string());
            Err(BadValue::new(format!("{place}[{row}][{entry}]"), cells[index].to_string(), expected))
        }
    }
}

/// Where a chain stands, as the host has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainClock {
    /// Iterations done after the last step; `None` before the first step of a restored chain.
    pub done: Option<u32>,
    /// Iterations in all; `None` before the first step.
    pub total: Option<u32>,
}

impl ChainClock {
    /// Checks where a step of at most `asked` iterations has led, and returns how far it went (at most).
    pub fn advance(&mut self, done: u32, total: u32, asked: u32, limits: &PluginLimits) -> Result<u32, BadValue> {
        let total_max = limits.chain_iterations_max;
        if !(1..=total_max).contains(&total) {
            return Err(BadValue::new("iterations-total", total, format!("1..=chain_iterations_max = {total_max}")));
        }
        if let Some(before) = self.total.filter(|before| *before != total) {
            return Err(BadValue::new("iterations-total", total, format!("{before}, as before")));
        }
        let least = self.done.map_or(0, |before| before.saturating_add(1).min(total));
        let most = self.done.map_or(total, |before| before.saturating_add(asked).min(total));
        if !(least..=most).contains(&done) {
            return Err(BadValue::new("iterations-done", done, format!("{least}..={most} after this step")));
        }
        let went = self.done.map_or(asked, |before| done - before);
        *self = Self { done: Some(done), total: Some(total) };
        Ok(went)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, shape: &[u32]) -> Parameter {
        Parameter { name: name.to_owned(), shape: shape.to_vec(), is_main: true }
    }

    fn place<T: std::fmt::Debug>(check: Result<T, BadValue>) -> String {
        check.unwrap_err().place
    }

    #[test]
    fn a_verdict_is_at_most_the_number_of_reasons() {
        assert_eq!(check_verdicts(&[0, 1, 2], 3, 2), Ok(()));
        assert_eq!(place(check_verdicts(&[0, 3, 2], 3, 2)), "verdicts[1]");
        assert_eq!(check_verdicts(&[255], 1, 255), Ok(()));
        assert_eq!(place(check_verdicts(&[1], 1, 0)), "verdicts[0]");
    }

    #[test]
    fn a_layout_is_limited_in_blocks_columns_names_and_sizes() {
        let limits = PluginLimits { posterior_columns_max: 10, posterior_parameters_max: 2, ..PluginLimits::default() };
        let check = |layout: &[Parameter]| check_layout(layout, &limits);
        assert_eq!(check(&[parameter("a", &[]), parameter("b", &[3, 3])]), Ok(10));
        assert_eq!(place(check(&[parameter("a", &[]), parameter("b", &[2, 5])])), "columns of layout");
        let three = [parameter("a", &[]), parameter("b", &[]), parameter("c", &[])];
        assert_eq!(place(check(&three)), "length of layout");
        assert_eq!(check(&[parameter(&"n".repeat(64), &[])]), Ok(1));
        assert_eq!(place(check(&[parameter(&"n".repeat(65), &[])])), "layout[0].name");
        let wide = PluginLimits { posterior_columns_max: usize::MAX, ..PluginLimits::default() };
        assert_eq!(check_layout(&[parameter("a", &[100_000])], &wide), Ok(100_000));
        assert_eq!(place(check_layout(&[parameter("a", &[100_001])], &wide)), "a size of layout[0].shape");
        // A product past 64 bits saturates rather than wrapping around to something small.
        assert_eq!(check_layout(&[parameter("a", &[65_536; 5])], &wide), Ok(usize::MAX));
    }

    #[test]
    fn a_row_of_finish_positions_is_a_permutation_up_to_the_most_entries() {
        let row: Vec<u16> = (1..=100).rev().collect();
        assert_eq!(check_permutation(0, &row), Ok(()));
        for (entry, position) in [(0, 0), (0, 101), (0, u16::MAX), (99, 100)] {
            let mut broken = row.clone();
            broken[entry] = position;
            assert_eq!(place(check_permutation(3, &broken)), format!("finish[3][{entry}]"));
        }
    }

    #[test]
    fn laps_sum_to_at_most_the_race_s() {
        assert_eq!(check_laps_sum("laps-led", 0, &[6, 4], 10), Ok(()));
        assert_eq!(place(check_laps_sum("laps-led", 0, &[6, 5], 10)), "sum of laps-led[0]");
        // The sum does not wrap around in 16 bits.
        assert_eq!(place(check_laps_sum("laps-led", 1, &[u16::MAX, 11], 10)), "sum of laps-led[1]");
    }

    #[test]
    fn a_chain_has_at_most_the_iterations_of_the_limit() {
        let limits = PluginLimits { chain_iterations_max: 100, ..PluginLimits::default() };
        let fresh = || ChainClock { done: Some(0), total: None };
        assert_eq!(fresh().advance(10, 100, 10, &limits), Ok(10));
        assert_eq!(place(fresh().advance(10, 101, 10, &limits)), "iterations-total");
        assert_eq!(place(fresh().advance(11, 100, 10, &limits)), "iterations-done");
        let mut restored = ChainClock { done: None, total: None };
        assert_eq!(restored.advance(100, 100, 10, &limits), Ok(10));
        assert_eq!(restored.advance(100, 100, 10, &limits), Ok(0), "a complete chain may be stepped again");
    }
}
