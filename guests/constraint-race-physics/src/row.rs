//! One race, and the sums over its entries that all rules need, gathered in one pass. Eight entries are handled at a time: a metered
//! guest pays for every backward jump.

use std::array::from_fn;

use crate::lanes::{LANES, Lanes};

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

/// What the rules look at. Sums of laps stop at 65,535 for each of eight entries, far above any race's distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    pub led: u32,
    pub led_top: u32,
    pub fastest: u32,
    pub fastest_top: u32,
    pub retired: u32,
    /// Sum of |start - finish|.
    pub moves: u32,
    pub winner_led: u32,
    pub winner_completed: u32,
    /// Whether a car led, or was fastest on, more laps than it completed.
    pub is_led_past: bool,
    pub is_fastest_past: bool,
}

impl Totals {
    /// The totals of a race.
    #[inline(always)]
    pub fn of(row: &Row<'_>) -> Self {
        let n = row.start.len();
        let mut sums = Sums::none();
        // Equal lengths that the compiler can see let it drop the bound checks.
        let chunks = n / LANES;
        let start = &row.start.as_chunks().0[..chunks];
        let finish = &row.finish.as_chunks().0[..chunks];
        let led = &row.laps_led.as_chunks().0[..chunks];
        let fastest = &row.fastest_laps.as_chunks().0[..chunks];
        let completed = &row.laps_completed.as_chunks().0[..chunks];
        let retired = &row.retired.as_chunks().0[..chunks];
        for at in 0..chunks {
            sums.add(&Chunk {
                start: Lanes::of(&start[at]),
                finish: Lanes::of(&finish[at]),
                led: Lanes::of(&led[at]),
                fastest: Lanes::of(&fastest[at]),
                completed: Lanes::of(&completed[at]),
                retired: Lanes::of_bytes(&retired[at]),
            });
        }
        match n % LANES {
            0 => {}
            rest => sums.add(&Chunk::last(row, rest)),
        }
        sums.fold()
    }
}

/// Eight entries. One that is all zeros adds nothing to any sum.
struct Chunk {
    start: Lanes,
    finish: Lanes,
    led: Lanes,
    fastest: Lanes,
    completed: Lanes,
    retired: Lanes,
}

impl Chunk {
    /// The last `rest` entries of a race, behind those that were handled already, which are zeros here.
    #[inline(always)]
    fn last(row: &Row<'_>, rest: usize) -> Self {
        let mask = Lanes::of(&from_fn(|lane| if lane + rest >= LANES { u16::MAX } else { 0 }));
        let lanes = |column: &[u16]| match column.last_chunk() {
            Some(last) => Lanes::of(last).and(mask),
            None => Lanes::of(&from_fn(|lane| (lane + rest).checked_sub(LANES).map_or(0, |entry| column[entry]))),
        };
        let retired = match row.retired.last_chunk() {
            Some(last) => Lanes::of_bytes(last).and(mask),
            None => {
                let entry = |lane: usize| (lane + rest).checked_sub(LANES);
                Lanes::of(&from_fn(|lane| entry(lane).map_or(0, |entry| row.retired[entry].into())))
            }
        };
        Self {
            start: lanes(row.start),
            finish: lanes(row.finish),
            led: lanes(row.laps_led),
            fastest: lanes(row.fastest_laps),
            completed: lanes(row.laps_completed),
            retired,
        }
    }
}

/// The totals, for each of eight lanes.
struct Sums {
    led: Lanes,
    led_top: Lanes,
    fastest: Lanes,
    fastest_top: Lanes,
    retired: Lanes,
    moves: Lanes,
    winner_led: Lanes,
    winner_completed: Lanes,
    led_past: Lanes,
    fastest_past: Lanes,
}

impl Sums {
    #[inline(always)]
    fn none() -> Self {
        let none = Lanes::all(0);
        Self {
            led: none,
            led_top: none,
            fastest: none,
            fastest_top: none,
            retired: none,
            moves: none,
            winner_led: none,
            winner_completed: none,
            led_past: none,
            fastest_past: none,
        }
    }

    #[inline(always)]
    fn add(&mut self, chunk: &Chunk) {
        let Chunk { start, finish, led, fastest, completed, retired } = *chunk;
        let is_winner = finish.is(Lanes::all(1));
        // One of the two differences is 0.
        let moved = start.minus(finish).or(finish.minus(start));
        self.led = self.led.plus(led);
        self.led_top = self.led_top.larger(led);
        self.fastest = self.fastest.plus(fastest);
        self.fastest_top = self.fastest_top.larger(fastest);
        self.retired = self.retired.plus(retired);
        self.moves = self.moves.plus(moved);
        self.winner_led = self.winner_led.or(is_winner.and(led));
        self.winner_completed = self.winner_completed.or(is_winner.and(completed));
        self.led_past = self.led_past.or(led.minus(completed));
        self.fastest_past = self.fastest_past.or(fastest.minus(completed));
    }

    #[inline(always)]
    fn fold(&self) -> Totals {
        Totals {
            led: self.led.sum(),
            led_top: self.led_top.largest(),
            fastest: self.fastest.sum(),
            fastest_top: self.fastest_top.largest(),
            retired: self.retired.sum(),
            moves: self.moves.sum(),
            // Only the winner's lane is not 0.
            winner_led: self.winner_led.largest(),
            winner_completed: self.winner_completed.largest(),
            is_led_past: self.led_past.is_any(),
            is_fastest_past: self.fastest_past.is_any(),
        }
    }
}
