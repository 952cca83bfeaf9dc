//! The rules, on one race. One pass over the entries gathers what all rules need.

use paddock_sdk::VetoReason;

use crate::Params;

/// Laps by which the laps led may miss the distance: official counts differ by one in a few real races.
const LED_SLACK_LAPS: u32 = 1;

/// Entries handled per turn of the loop: a metered guest pays for every backward jump.
const LANES: usize = 8;

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

/// One race: its columns, all as long as `start`.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub start: &'a [u16],
    pub finish: &'a [u16],
    pub laps_led: &'a [u16],
    pub fastest_laps: &'a [u16],
    pub laps_completed: &'a [u16],
    pub retired: &'a [u8],
}

/// What the rules need of a race.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    led: u32,
    led_top: u32,
    fastest: u32,
    fastest_top: u32,
    retired: u32,
    moves: u32,
    /// Laps that the winner led, and those that it completed.
    winner_led: u32,
    winner_completed: u32,
    /// Not 0 where a car led, or was fastest on, more laps than it completed.
    led_past: u32,
    fastest_past: u32,
}

impl Totals {
    #[inline(always)]
    fn add(&mut self, row: &Row<'_>, entry: usize) {
        let (led, fastest) = (u32::from(row.laps_led[entry]), u32::from(row.fastest_laps[entry]));
        let completed = u32::from(row.laps_completed[entry]);
        let (start, finish) = (row.start[entry], row.finish[entry]);
        let is_winner = u32::from(finish == 1);
        self.led += led;
        self.led_top = self.led_top.max(led);
        self.fastest += fastest;
        self.fastest_top = self.fastest_top.max(fastest);
        self.retired += u32::from(row.retired[entry]);
        self.moves += u32::from(start.abs_diff(finish));
        self.winner_led += is_winner * led;
        self.winner_completed += is_winner * completed;
        self.led_past |= u32::from(led > completed);
        self.fastest_past |= u32::from(fastest > completed);
    }

    #[inline(always)]
    fn of(row: &Row<'_>) -> Self {
        let n = row.start.len();
        // Equal lengths that the compiler can see let it drop the bound checks.
        let row = Row {
            start: &row.start[..n],
            finish: &row.finish[..n],
            laps_led: &row.laps_led[..n],
            fastest_laps: &row.fastest_laps[..n],
            laps_completed: &row.laps_completed[..n],
            retired: &row.retired[..n],
        };
        let mut totals = Self::default();
        let mut entry = 0;
        while entry + LANES <= n {
            totals.add(&row, entry);
            totals.add(&row, entry + 1);
            totals.add(&row, entry + 2);
            totals.add(&row, entry + 3);
            totals.add(&row, entry + 4);
            totals.add(&row, entry + 5);
            totals.add(&row, entry + 6);
            totals.add(&row, entry + 7);
            entry += LANES;
        }
        while entry < n {
            totals.add(&row, entry);
            entry += 1;
        }
        totals
    }
}

/// The first rule that a race breaks, as a verdict: 0 = none, k = the k-th of [`REASONS`].
#[inline]
pub fn first_reason(row: &Row<'_>, race_laps: u16, params: &Params) -> u8 {
    let totals = Totals::of(row);
    let laps = u32::from(race_laps);
    let distance = f64::from(race_laps);
    let entries = row.start.len() as f64;
    let moves = f64::from(totals.moves) / entries;
    let broken = [
        totals.led_past != 0,
        totals.fastest_past != 0,
        totals.led.abs_diff(laps) > LED_SLACK_LAPS,
        totals.fastest > laps,
        totals.winner_completed < laps,
        params.winner_leads && totals.winner_led == 0,
        f64::from(totals.retired) > params.retired_share_max * entries,
        f64::from(totals.led_top) > params.led_share_max * distance,
        f64::from(totals.fastest_top) > params.fastest_share_max * distance,
        moves < params.moves_min,
        moves > params.moves_max,
    ];
    broken.iter().zip(1_u8..).find(|(is_broken, _)| **is_broken).map_or(0, |(_, verdict)| verdict)
}
