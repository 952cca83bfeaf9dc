//! The rules. What they compare with is worked out once per race, in whole numbers.

use paddock_sdk::VetoReason;

use crate::{
    Params,
    row::{Row, Totals},
};

/// Laps by which the laps led may miss the distance: official counts differ by one in a few real races.
const LED_SLACK_LAPS: u32 = 1;

/// A reason for a veto.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    pub code: &'static str,
    pub summary: &'static str,
    pub is_hard: bool,
}

impl Reason {
    /// The reason as the contract has it.
    pub fn described(&self) -> VetoReason {
        VetoReason { code: self.code.into(), summary: self.summary.into(), is_hard: self.is_hard }
    }
}

const fn hard(code: &'static str, summary: &'static str) -> Reason {
    Reason { code, summary, is_hard: true }
}

const fn soft(code: &'static str, summary: &'static str) -> Reason {
    Reason { code, summary, is_hard: false }
}

/// Verdict k stands for element k - 1. Hard rules come first: a race that breaks both kinds counts as impossible.
pub const REASONS: [Reason; 11] = [
    hard("led-past-completed", "A car led more laps than it completed."),
    hard("fastest-past-completed", "A car was fastest on more laps than it completed."),
    hard("laps-led-total", "The laps led do not add up to the race's laps."),
    hard("fastest-laps-total", "The fastest laps add up to more than the race's laps."),
    hard("winner-short", "The winner did not complete the race's laps."),
    soft("winner-never-led", "The winner led no lap."),
    soft("too-many-retired", "More of the field retired than `retired_share_max` allows."),
    soft("one-car-led", "One car led more of the race than `led_share_max` allows."),
    soft("one-car-fastest", "One car was fastest on more of the laps than `fastest_share_max` allows."),
    soft("too-few-moves", "The field finished closer to its starting order than `moves_min` allows."),
    soft("too-many-moves", "The field finished further from its starting order than `moves_max` allows."),
];

/// The rules for the scenarios of one race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    laps: u32,
    winner_led_min: u32,
    retired_max: u32,
    led_top_max: u32,
    fastest_top_max: u32,
    /// Sums of |start - finish| over the entries: the least that is enough, and the least that is too much.
    moves_enough: u32,
    moves_too_many: u32,
}

impl Rules {
    /// The rules of a race of so many laps and entries.
    pub fn new(race_laps: u16, entries: usize, params: &Params) -> Self {
        let (laps, entries) = (f64::from(race_laps), entries as f64);
        let moves = |least: f64, is_reached: &dyn Fn(f64) -> bool| {
            let near = (least * entries) as u32;
            // Dividing rounds; the sums around the product are tried.
            (near.saturating_sub(1)..=near + 2).find(|sum| is_reached(f64::from(*sum) / entries)).unwrap_or(near + 2)
        };
        Self {
            laps: race_laps.into(),
            winner_led_min: params.winner_leads.into(),
            // A whole number is past a bound exactly where it is past the bound's whole part.
            retired_max: (params.retired_share_max * entries) as u32,
            led_top_max: (params.led_share_max * laps) as u32,
            fastest_top_max: (params.fastest_share_max * laps) as u32,
            moves_enough: moves(params.moves_min, &|mean| mean >= params.moves_min),
            moves_too_many: moves(params.moves_max, &|mean| mean > params.moves_max),
        }
    }

    /// The first rule that a race breaks, as a verdict: 0 = none, k = the k-th of [`REASONS`].
    #[inline(always)]
    pub fn first_broken(&self, row: &Row<'_>) -> u8 {
        let totals = Totals::of(row);
        let broken = [
            totals.is_led_past,
            totals.is_fastest_past,
            totals.led.abs_diff(self.laps) > LED_SLACK_LAPS,
            totals.fastest > self.laps,
            totals.winner_completed < self.laps,
            totals.winner_led < self.winner_led_min,
            totals.retired > self.retired_max,
            totals.led_top > self.led_top_max,
            totals.fastest_top > self.fastest_top_max,
            totals.moves < self.moves_enough,
            totals.moves >= self.moves_too_many,
        ];
        let bits = broken.iter().rev().fold(0_u32, |bits, is_broken| bits << 1 | u32::from(*is_broken));
        if bits == 0 { 0 } else { bits.trailing_zeros() as u8 + 1 }
    }
}
