//! The loops over scenarios that a search spends its time in. `vectors` has the hottest three for x86-64 processors.
//!
//! Sixteen bits hold twice as many scenarios per instruction and per cache line as `f32` does. Columns come in whole cache
//! lines; the lanes past the last scenario are so low in every base that no loop counts them.

/// Scenarios in one cache line.
pub(super) const LANES: usize = 32;

/// What the lanes past the last scenario hold in a base column; columns that are added to it hold 0 there.
pub(super) const PAD: i16 = i16::MIN / 2;

/// Lines after which sums of 32-bit lanes are emptied: 2 * 2^15 per line and lane stays far below 2^31.
const LINES_PER_BLOCK: usize = 8_192;

/// One cache line of scenarios, in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub(super) struct Line(pub [i16; LANES]);

/// One number per scenario, in units.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Column {
    lines: Vec<Line>,
    scenarios: usize,
}

impl Column {
    /// A column of these numbers, with `pad` in the lanes past the last one.
    pub fn new(numbers: impl ExactSizeIterator<Item = i16>, pad: i16) -> Self {
        let scenarios = numbers.len();
        let mut column = Self { lines: vec![Line([pad; LANES]); scenarios.div_ceil(LANES)], scenarios };
        for (slot, number) in column.lines.as_flattened_mut().iter_mut().zip(numbers) {
            *slot = number;
        }
        column
    }

    /// The numbers, one per scenario.
    pub fn numbers(&self) -> &[i16] {
        &self.lines.as_flattened()[..self.scenarios]
    }

    /// The lines, padding included.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}

/// Lets `as_flattened` see the lanes of lines.
trait Flatten {
    fn as_flattened(&self) -> &[i16];
    fn as_flattened_mut(&mut self) -> &mut [i16];
}

impl Flatten for Vec<Line> {
    fn as_flattened(&self) -> &[i16] {
        // SAFETY: a line is 32 numbers and nothing else (`repr(C)`, 64 bytes, aligned to 64), so lines are numbers in a row.
        unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), self.len() * LANES) }
    }

    fn as_flattened_mut(&mut self) -> &mut [i16] {
        // SAFETY: as above, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast(), self.len() * LANES) }
    }
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

/// `sum[s] = left[s] + right[s]`.
pub(super) fn add(sum: &mut Column, left: &Column, right: &Column) {
    #[cfg(target_arch = "x86_64")]
    if let Some(vectors) = super::vectors::found() {
        return vectors.add(&mut sum.lines, &left.lines, &right.lines);
    }
    for ((sum, left), right) in sum.lines.iter_mut().zip(&left.lines).zip(&right.lines) {
        for ((sum, left), right) in sum.0.iter_mut().zip(&left.0).zip(&right.0) {
            *sum = left.wrapping_add(*right);
        }
    }
}

/// `sum over s of max(left[s] + right[s], 0)` for each of four right columns: the left one is read once.
pub(super) fn hinge_sums(left: &Column, right: [&Column; 4]) -> [u64; 4] {
    #[cfg(target_arch = "x86_64")]
    if let Some(vectors) = super::vectors::found() {
        let right = right.map(|column| column.lines());
        return vectors.hinge_sums(&left.lines, right);
    }
    right.map(|right| {
        let lines = left.lines.iter().zip(&right.lines);
        let hinge = |(left, right): (&i16, &i16)| u64::from(left.wrapping_add(*right).max(0).cast_unsigned());
        lines.map(|(left, right)| left.0.iter().zip(&right.0).map(hinge).sum::<u64>()).sum()
    })
}

/// In how many scenarios `left[s] + right[s] >= 0`, for each of four right columns.
pub(super) fn reach_counts(left: &Column, right: [&Column; 4]) -> [u64; 4] {
    #[cfg(target_arch = "x86_64")]
    if let Some(vectors) = super::vectors::found() {
        let right = right.map(|column| column.lines());
        return vectors.reach_counts(&left.lines, right);
    }
    right.map(|right| {
        let lines = left.lines.iter().zip(&right.lines);
        let reached = |(left, right): (&i16, &i16)| u64::from(left.wrapping_add(*right) >= 0);
        lines.map(|(left, right)| left.0.iter().zip(&right.0).map(reached).sum::<u64>()).sum()
    })
}

vectorized! {
    /// `sum over s of max(column[s] - bound, 0)`.
    fn excess_over(column: &[i16], bound: i16) -> u64 {
        let bound = i32::from(bound);
        let mut total = 0_u64;
        for block in column.chunks(LINES_PER_BLOCK) {
            total += block.iter().map(|&number| (i32::from(number) - bound).max(0)).sum::<i32>() as u64;
        }
        total
    }
}

vectorized! {
    /// How many numbers are above `bound`.
    fn count_above(column: &[i16], bound: i16) -> usize {
        let mut total = 0;
        for block in column.chunks(LINES_PER_BLOCK) {
            let above: u16 = block.iter().map(|&number| u16::from(number > bound)).sum();
            total += usize::from(above);
        }
        total
    }
}

/// The `count`-th largest number of all columns, 1 <= count <= their length together. `guess` is where to look first.
pub(super) fn nth_largest(columns: &[&[i16]], count: usize, guess: i16) -> i16 {
    let above = |bound: i32| columns.iter().map(|column| count_above(column, bound as i16)).sum::<usize>();
    // Invariant once both are set: `above(low) >= count > above(high)`. No number is as low as i16::MIN.
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

    fn column(length: usize, step: i32, pad: i16) -> Column {
        Column::new((0..length).map(|index| ((index as i32 * step) % 4001 - 2000) as i16), pad)
    }

    #[test]
    fn the_loops_equal_their_definitions_at_every_remainder() {
        for length in [1, 31, 32, 33, 1000, LINES_PER_BLOCK * LANES + 5] {
            let left = column(length, 37, PAD);
            let right = [101, 3, 977, 55].map(|step| column(length, step, 0));
            let scores = right.each_ref().map(|right| -> Vec<i32> {
                let pairs = left.numbers().iter().zip(right.numbers());
                pairs.map(|(&left, &right)| i32::from(left) + i32::from(right)).collect()
            });
            let expected = scores.each_ref().map(|scores| scores.iter().map(|&score| score.max(0) as u64).sum::<u64>());
            assert_eq!(hinge_sums(&left, right.each_ref()), expected);
            let expected = scores.each_ref().map(|scores| scores.iter().filter(|&&score| score >= 0).count() as u64);
            assert_eq!(reach_counts(&left, right.each_ref()), expected);
            let mut sum = column(length, 1, PAD);
            add(&mut sum, &left, &right[0]);
            assert!(sum.numbers().iter().zip(&scores[0]).all(|(&sum, &expected)| i32::from(sum) == expected));
            let numbers = left.numbers();
            assert_eq!(count_above(numbers, 100), numbers.iter().filter(|&&number| number > 100).count());
            let excess: u64 = numbers.iter().map(|&number| (i32::from(number) - 7).max(0) as u64).sum();
            assert_eq!(excess_over(numbers, 7), excess);
        }
    }

    #[test]
    fn the_nth_largest_is_found_from_any_guess() {
        let columns = [column(500, 37, 0), column(300, 101, 0)];
        let columns = columns.each_ref().map(Column::numbers);
        let mut sorted: Vec<i16> = columns.concat();
        sorted.sort_unstable_by(|left, right| right.cmp(left));
        for count in [1, 2, 17, 400, 800] {
            for guess in [-32_000, -1, 0, 1999, 32_000] {
                assert_eq!(nth_largest(&columns, count, guess), sorted[count - 1]);
            }
        }
    }

    #[test]
    fn a_block_of_the_largest_numbers_does_not_overflow() {
        let length = 3 * LINES_PER_BLOCK * LANES;
        let most = Column::new((0..length).map(|_| 16_000), 0);
        assert_eq!(hinge_sums(&most, [&most; 4]), [32_000 * length as u64; 4]);
    }
}
