//! One race, and the sums over its entries that all rules need, gathered in one pass. Eight entries are handled at a time: a metered
//! guest pays for every backward jump, and eight 16-bit numbers are what a vector register holds.

use std::array::from_fn;

/// Entries handled per turn of the loop.
const LANES: usize = 8;

/// A number of each of eight entries.
type Lanes = [u16; LANES];

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
        let mut sums = Sums::default();
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
                start: start[at],
                finish: finish[at],
                led: led[at],
                fastest: fastest[at],
                completed: completed[at],
                retired: retired[at],
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
    retired: [u8; LANES],
}

impl Chunk {
    /// The last `rest` entries of a race, behind those that were handled already, which are zeros here.
    #[inline(always)]
    fn last(row: &Row<'_>, rest: usize) -> Self {
        let mask: Lanes = from_fn(|lane| if lane + rest >= LANES { u16::MAX } else { 0 });
        let lanes = |column: &[u16]| match column.last_chunk::<LANES>() {
            Some(last) => both(*last, mask, |value, mask| value & mask),
            None => from_fn(|lane| (lane + rest).checked_sub(LANES).map_or(0, |entry| column[entry])),
        };
        let retired = match row.retired.last_chunk::<LANES>() {
            Some(last) => from_fn(|lane| last[lane] & mask[lane] as u8),
            None => from_fn(|lane| (lane + rest).checked_sub(LANES).map_or(0, |entry| row.retired[entry])),
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
#[derive(Default)]
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
    fn add(&mut self, chunk: &Chunk) {
        let Chunk { start, finish, led, fastest, completed, retired } = chunk;
        let is_winner: Lanes = from_fn(|lane| if finish[lane] == 1 { u16::MAX } else { 0 });
        let moved = both(*start, *finish, u16::abs_diff);
        let out: Lanes = from_fn(|lane| u16::from(retired[lane]));
        self.led = both(self.led, *led, u16::saturating_add);
        self.led_top = both(self.led_top, *led, u16::max);
        self.fastest = both(self.fastest, *fastest, u16::saturating_add);
        self.fastest_top = both(self.fastest_top, *fastest, u16::max);
        self.retired = both(self.retired, out, u16::saturating_add);
        self.moves = both(self.moves, moved, u16::saturating_add);
        self.winner_led = either(self.winner_led, both(is_winner, *led, |a, b| a & b));
        self.winner_completed = either(self.winner_completed, both(is_winner, *completed, |a, b| a & b));
        self.led_past = either(self.led_past, both(*led, *completed, u16::saturating_sub));
        self.fastest_past = either(self.fastest_past, both(*fastest, *completed, u16::saturating_sub));
    }

    #[inline(always)]
    fn fold(&self) -> Totals {
        let sum = |lanes: &Lanes| lanes.iter().map(|lane| u32::from(*lane)).sum();
        let top = |lanes: &Lanes| u32::from(lanes.iter().copied().fold(0, u16::max));
        let any = |lanes: &Lanes| lanes.iter().fold(0, |any, lane| any | lane);
        Totals {
            led: sum(&self.led),
            led_top: top(&self.led_top),
            fastest: sum(&self.fastest),
            fastest_top: top(&self.fastest_top),
            retired: sum(&self.retired),
            moves: sum(&self.moves),
            winner_led: any(&self.winner_led).into(),
            winner_completed: any(&self.winner_completed).into(),
            is_led_past: any(&self.led_past) != 0,
            is_fastest_past: any(&self.fastest_past) != 0,
        }
    }
}

#[inline(always)]
fn both(a: Lanes, b: Lanes, join: impl Fn(u16, u16) -> u16) -> Lanes {
    from_fn(|lane| join(a[lane], b[lane]))
}

#[inline(always)]
fn either(a: Lanes, b: Lanes) -> Lanes {
    both(a, b, |a, b| a | b)
}
