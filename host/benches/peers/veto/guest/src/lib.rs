//! The built-in scenario constraint as an Extism plugin: its own source files, behind Extism's way of passing bytes.

use extism_pdk::{FnResult, plugin_fn};

#[path = "../../../../../../guests/constraint-race-physics/src/lanes.rs"]
mod lanes;
#[path = "../../../../../../guests/constraint-race-physics/src/params.rs"]
#[expect(dead_code, reason = "the schema is the component's")]
mod params;
#[path = "../../../../../../guests/constraint-race-physics/src/row.rs"]
mod row;
#[path = "../../../../../../guests/constraint-race-physics/src/rules.rs"]
#[expect(dead_code, reason = "the reasons are the component's")]
mod rules;

use params::Params;
use row::Row;
use rules::Rules;

/// Judges a block: scenarios, entries and laps as 32-bit numbers, the starts and the four 16-bit columns, then who retired.
#[plugin_fn]
pub fn judge(bytes: Vec<u8>) -> FnResult<Vec<u8>> {
    let number = |index: usize| u32::from_le_bytes(bytes[4 * index..][..4].try_into().unwrap()) as usize;
    let (scenarios, n, laps) = (number(0), number(1), number(2) as u16);
    let cells = scenarios * n;
    let words: Vec<u16> = bytes[12..12 + 2 * (n + 4 * cells)]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|word| u16::from_le_bytes(*word))
        .collect();
    let retired = &bytes[12 + 2 * (n + 4 * cells)..];
    let (start, columns) = words.split_at(n);
    let rules = Rules::new(laps, n, &Params::default());
    let verdict = |scenario: usize| {
        let row = |column: usize| &columns[column * cells + scenario * n..][..n];
        rules.first_broken(&Row {
            start,
            finish: row(0),
            laps_led: row(1),
            fastest_laps: row(2),
            laps_completed: row(3),
            retired: &retired[scenario * n..][..n],
        })
    };
    Ok((0..scenarios).map(verdict).collect())
}
