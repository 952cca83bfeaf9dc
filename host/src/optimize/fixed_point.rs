//! Points rounded up to 16-bit integers, and the three loops over scenarios that a search spends its time in.
//!
//! Rounding up makes every sum an upper bound of the true score, by less than one unit per summand. Sixteen bits hold twice
//! as many scenarios per instruction and per cache line as `f32` does.

use super::{matrix::ScoreMatrix, space::Candidates};

/// Largest magnitude of a sum of points in units: half of what 16 bits hold, so that a score minus a threshold fits too.
const SUM_MAX: f64 = 16_000.0;

/// Scenarios after which a sum of 32-bit lanes is emptied: far below 2^31 / 2^16.
const BLOCK: usize = 16_384;

/// One column of scenarios in units.
pub(super) type Column = Vec<i16>;

/// The free candidates' points in units.
#[derive(Debug)]
pub(super) struct FixedPoint {
    /// Points per unit.
    pub unit: f64,
    /// Sum of the locked entries.
    pub base: Column,
    /// One column per free candidate.
    pub columns: Vec<Column>,
    /// A lineup's true score is less than this many units below its sum of columns.
    pub slack: i16,
}

impl FixedPoint {
    /// Chooses the unit so that no sum of `places` columns, also when one is counted `places` times, leaves the range.
    pub fn new(matrix: &ScoreMatrix, candidates: &Candidates) -> Self {
        let base = locked_scores(matrix, &candidates.locks);
        let magnitude = |column: &[f32]| column.iter().fold(0.0_f64, |most, points| most.max(f64::from(points.abs())));
        let largest = candidates.free.iter().map(|&entry| magnitude(matrix.column(usize::from(entry))));
        let largest = largest.fold(0.0, f64::max) * candidates.places as f64;
        let locked = base.iter().fold(0.0_f64, |most, points| most.max(points.abs()));
        let room = SUM_MAX - (candidates.places + 1) as f64;
        let unit = ((largest + locked) / room).max(f64::MIN_POSITIVE);
        let mut fixed = Self { unit, base: Column::new(), columns: Vec::new(), slack: candidates.places as i16 + 1 };
        fixed.base = base.iter().map(|&points| fixed.round_up(points)).collect();
        fixed.columns = fixed.scaled(matrix, candidates, 1.0);
        fixed
    }

    /// The free candidates' points times `factor`, rounded up.
    pub fn scaled(&self, matrix: &ScoreMatrix, candidates: &Candidates, factor: f64) -> Vec<Column> {
        let column = |&entry: &u16| {
            let points = matrix.column(usize::from(entry)).iter();
            points.map(|&points| self.round_up(f64::from(points) * factor)).collect()
        };
        candidates.free.iter().map(column).collect()
    }

    /// Score of the locked entries and these free ones.
    pub fn sum(&self, picks: &[usize]) -> Column {
        let mut sum = self.base.clone();
        for &pick in picks {
            let shorter = sum.clone();
            add_columns(&mut sum, &shorter, &self.columns[pick]);
        }
        sum
    }

    fn round_up(&self, points: f64) -> i16 {
        (points / self.unit).ceil() as i16
    }
}

/// Sum of the locked entries' points per scenario.
fn locked_scores(matrix: &ScoreMatrix, locks: &[u16]) -> Vec<f64> {
    let mut sums = vec![0.0; matrix.scenarios()];
    for &entry in locks {
        for (sum, &points) in sums.iter_mut().zip(matrix.column(usize::from(entry))) {
            *sum += f64::from(points);
        }
    }
    sums
}

/// Compiles a loop once for every x86-64 and once for those with AVX2, and picks at run time. Other architectures have
/// their vector instructions (NEON) in the baseline.
macro_rules! vectorized {
    ($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block) => {
        $(#[$doc])*
        pub(super) fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn portable($($argument: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn with_avx2($($argument: $type),*) $(-> $result)? {
                    portable($($argument),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has AVX2, the line above asked it.
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            portable($($argument),*)
        }
    };
}

vectorized! {
    /// `sum[s] = left[s] + right[s]`.
    fn add_columns(sum: &mut [i16], left: &[i16], right: &[i16]) {
        for ((sum, &left), &right) in sum.iter_mut().zip(left).zip(right) {
            *sum = left.wrapping_add(right);
        }
    }
}

vectorized! {
    /// `sum over s of max(left[s] + right[s], 0)`.
    fn positive_sum(left: &[i16], right: &[i16]) -> u64 {
        let mut total = 0_u64;
        for (left, right) in left.chunks(BLOCK).zip(right.chunks(BLOCK)) {
            let mut lanes = [0_i32; 16];
            let (left_lanes, left_rest) = left.as_chunks::<16>();
            let (right_lanes, right_rest) = right.as_chunks::<16>();
            for (left, right) in left_lanes.iter().zip(right_lanes) {
                for lane in 0..16 {
                    lanes[lane] += i32::from(left[lane].wrapping_add(right[lane]).max(0));
                }
            }
            let rest = left_rest.iter().zip(right_rest).map(|(&left, &right)| i32::from(left.wrapping_add(right).max(0)));
            total += (lanes.iter().sum::<i32>() + rest.sum::<i32>()) as u64;
        }
        total
    }
}

vectorized! {
    /// `sum over s of max(column[s] - bound, 0)`.
    fn excess_over(column: &[i16], bound: i16) -> u64 {
        let bound = i32::from(bound);
        let mut total = 0_u64;
        for block in column.chunks(BLOCK) {
            total += block.iter().map(|&value| (i32::from(value) - bound).max(0)).sum::<i32>() as u64;
        }
        total
    }
}

vectorized! {
    /// How many elements are above `bound`.
    fn count_above(column: &[i16], bound: i16) -> usize {
        let mut total = 0;
        for block in column.chunks(BLOCK) {
            let above: u16 = block.iter().map(|&value| u16::from(value > bound)).sum();
            total += usize::from(above);
        }
        total
    }
}

/// The `count`-th largest of all elements of the columns, 1 <= count <= number of elements. `guess` is where to look first.
pub(super) fn nth_largest(columns: &[Column], count: usize, guess: i16) -> i16 {
    let above = |bound: i32| columns.iter().map(|column| count_above(column, bound as i16)).sum::<usize>();
    // Invariant once both are set: `above(low) >= count > above(high)`. No element is as low as i16::MIN.
    let (least, most) = (i32::from(i16::MIN), i32::from(i16::MAX));
    let (mut low, mut high, mut step) = (i32::from(guess), i32::from(guess), 32);
    if above(low) >= count {
        while high == low || above(high) >= count {
            low = high;
            high = (high + step).min(most);
            step *= 2;
        }
    } else {
        while low == high || above(low) < count {
            high = low;
            low = (low - step).max(least);
            step *= 2;
        }
    }
    while high - low > 1 {
        let middle = i32::midpoint(low, high);
        if above(middle) >= count { low = middle } else { high = middle }
    }
    high as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(length: usize, step: i32) -> Column {
        (0..length as i32).map(|index| ((index * step) % 4001 - 2000) as i16).collect()
    }

    #[test]
    fn the_loops_equal_their_definitions_at_every_remainder() {
        for length in [0, 1, 15, 16, 17, 33, 1000, BLOCK + 5, 3 * BLOCK] {
            let (left, right) = (column(length, 37), column(length, 101));
            let sums: Vec<i32> = left.iter().zip(&right).map(|(&l, &r)| i32::from(l) + i32::from(r)).collect();
            assert_eq!(positive_sum(&left, &right), sums.iter().map(|&sum| sum.max(0) as u64).sum::<u64>());
            let excess: u64 = left.iter().map(|&value| (i32::from(value) - 7).max(0) as u64).sum();
            assert_eq!(excess_over(&left, 7), excess);
            assert_eq!(count_above(&left, 100), left.iter().filter(|&&value| value > 100).count());
            let mut sum = vec![0; length];
            add_columns(&mut sum, &left, &right);
            assert!(sum.iter().zip(&sums).all(|(&sum, &expected)| i32::from(sum) == expected));
        }
    }

    #[test]
    fn the_nth_largest_is_found_from_any_guess() {
        let columns = [column(500, 37), column(300, 101)];
        let mut sorted: Vec<i16> = columns.concat();
        sorted.sort_unstable_by(|left, right| right.cmp(left));
        for count in [1, 2, 17, 400, 800] {
            for guess in [-32_000, -1, 0, 1999, 32_000] {
                assert_eq!(nth_largest(&columns, count, guess), sorted[count - 1]);
            }
        }
    }

    #[test]
    fn a_block_of_the_largest_values_does_not_overflow() {
        let most = vec![16_000_i16; 5 * BLOCK];
        assert_eq!(positive_sum(&most, &most), 32_000 * 5 * BLOCK as u64);
        assert_eq!(count_above(&most, -1), 5 * BLOCK);
    }
}
