//! The hottest loops of `kernels` in vector instructions of x86-64, chosen once at run time. What they compute is defined there.

use std::{arch::x86_64::*, sync::OnceLock};

use super::kernels::{LANES, Line};

/// Lines after which 32-bit sums are emptied: each grows by less than 2^17 per line, so 8,192 lines stay below 2^30.
const LINES_PER_BLOCK: usize = 8_192;

/// The widest vector instructions that the processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vectors {
    /// 64 bytes at once; with byte-and-word and neural-network instructions (Ice Lake, Zen 4 and later).
    Avx512,
    /// 32 bytes at once.
    Avx2,
}

/// What this processor has; `None` where it has neither.
pub(super) fn found() -> Option<Vectors> {
    static FOUND: OnceLock<Option<Vectors>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let has_avx512 = is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni");
        let has_popcnt = is_x86_feature_detected!("popcnt");
        if has_avx512 && has_popcnt {
            Some(Vectors::Avx512)
        } else if is_x86_feature_detected!("avx2") && has_popcnt {
            Some(Vectors::Avx2)
        } else {
            None
        }
    })
}

impl Vectors {
    pub fn add(self, sum: &mut [Line], left: &[Line], right: &[Line]) {
        // SAFETY: `found` gives a variant only where the processor has its instructions.
        match self {
            Self::Avx512 => unsafe { add_avx512(sum, left, right) },
            Self::Avx2 => unsafe { add_avx2(sum, left, right) },
        }
    }

    pub fn hinge_sums(self, left: &[Line], right: [&[Line]; 4]) -> [u64; 4] {
        let mut totals = [0; 4];
        for first in (0..left.len()).step_by(LINES_PER_BLOCK) {
            let block = first..left.len().min(first + LINES_PER_BLOCK);
            let (left, right) = (&left[block.clone()], right.map(|lines| &lines[block.clone()]));
            // SAFETY: as in `add`.
            let sums = match self {
                Self::Avx512 => unsafe { hinge_sums_avx512(left, right) },
                Self::Avx2 => unsafe { hinge_sums_avx2(left, right) },
            };
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total += sum;
            }
        }
        totals
    }

    pub fn reach_counts(self, left: &[Line], right: [&[Line]; 4]) -> [u64; 4] {
        // SAFETY: as in `add`.
        match self {
            Self::Avx512 => unsafe { reach_counts_avx512(left, right) },
            Self::Avx2 => unsafe { reach_counts_avx2(left, right) },
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn add_avx512(sum: &mut [Line], left: &[Line], right: &[Line]) {
    for ((sum, left), right) in sum.iter_mut().zip(left).zip(right) {
        store_512(sum, _mm512_add_epi16(load_512(left), load_512(right)));
    }
}

#[target_feature(enable = "avx2")]
fn add_avx2(sum: &mut [Line], left: &[Line], right: &[Line]) {
    for ((sum, left), right) in sum.iter_mut().zip(left).zip(right) {
        for half in 0..2 {
            store_256(sum, half, _mm256_add_epi16(load_256(left, half), load_256(right, half)));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn hinge_sums_avx512(left: &[Line], right: [&[Line]; 4]) -> [u64; 4] {
    let (zero, one) = (_mm512_setzero_si512(), _mm512_set1_epi16(1));
    let mut sums = [zero; 4];
    let right = right.map(|lines| &lines[..left.len()]);
    for (line, left) in left.iter().enumerate() {
        let left = load_512(left);
        for column in 0..4 {
            let score = _mm512_add_epi16(left, load_512(&right[column][line]));
            sums[column] = _mm512_dpwssd_epi32(sums[column], _mm512_max_epi16(score, zero), one);
        }
    }
    // Each of the 16 sums is below 2^30, their total is not: it is added up in 64 bits.
    sums.map(|sum| {
        let low = _mm512_cvtepu32_epi64(_mm512_castsi512_si256(sum));
        let high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64::<1>(sum));
        _mm512_reduce_add_epi64(_mm512_add_epi64(low, high)) as u64
    })
}

#[target_feature(enable = "avx2")]
fn hinge_sums_avx2(left: &[Line], right: [&[Line]; 4]) -> [u64; 4] {
    let (zero, one) = (_mm256_setzero_si256(), _mm256_set1_epi16(1));
    let mut sums = [zero; 4];
    let right = right.map(|lines| &lines[..left.len()]);
    for (line, left) in left.iter().enumerate() {
        for half in 0..2 {
            let left = load_256(left, half);
            for column in 0..4 {
                let score = _mm256_add_epi16(left, load_256(&right[column][line], half));
                let pairs = _mm256_madd_epi16(_mm256_max_epi16(score, zero), one);
                sums[column] = _mm256_add_epi32(sums[column], pairs);
            }
        }
    }
    sums.map(|sum| {
        let low = _mm256_cvtepu32_epi64(_mm256_castsi256_si128(sum));
        let high = _mm256_cvtepu32_epi64(_mm256_extracti128_si256::<1>(sum));
        let pairs = _mm256_add_epi64(low, high);
        let total = _mm_add_epi64(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs));
        (_mm_extract_epi64::<0>(total) + _mm_extract_epi64::<1>(total)) as u64
    })
}

#[target_feature(enable = "avx512f,avx512bw,popcnt")]
fn reach_counts_avx512(left: &[Line], right: [&[Line]; 4]) -> [u64; 4] {
    let zero = _mm512_setzero_si512();
    let mut totals = [0; 4];
    let right = right.map(|lines| &lines[..left.len()]);
    for (line, left) in left.iter().enumerate() {
        // `left + right >= 0` is `right >= -left`; no number is as low as i16::MIN, so the negation fits.
        let needed = _mm512_sub_epi16(zero, load_512(left));
        for column in 0..4 {
            let reached = _mm512_cmpge_epi16_mask(load_512(&right[column][line]), needed);
            totals[column] += u64::from(reached.count_ones());
        }
    }
    totals
}

#[target_feature(enable = "avx2,popcnt")]
fn reach_counts_avx2(left: &[Line], right: [&[Line]; 4]) -> [u64; 4] {
    let zero = _mm256_setzero_si256();
    let mut totals = [0; 4];
    let right = right.map(|lines| &lines[..left.len()]);
    for (line, left) in left.iter().enumerate() {
        let needed = [0, 1].map(|half| _mm256_sub_epi16(zero, load_256(left, half)));
        for column in 0..4 {
            let missed = [0, 1].map(|half| _mm256_cmpgt_epi16(needed[half], load_256(&right[column][line], half)));
            // One byte per scenario: the order of the bytes does not matter to their number.
            let mask = _mm256_movemask_epi8(_mm256_packs_epi16(missed[0], missed[1]));
            totals[column] += LANES as u64 - u64::from(mask.count_ones());
        }
    }
    totals
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_512(line: &Line) -> __m512i {
    // SAFETY: a line is 64 bytes, aligned to 64.
    unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_512(line: &mut Line, numbers: __m512i) {
    // SAFETY: as above.
    unsafe { _mm512_store_si512(line.0.as_mut_ptr().cast(), numbers) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_256(line: &Line, half: usize) -> __m256i {
    // SAFETY: a line is two halves of 32 bytes, aligned to 32; the slice checks the index.
    unsafe { _mm256_load_si256(line.0[half * 16..][..16].as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_256(line: &mut Line, half: usize, numbers: __m256i) {
    // SAFETY: as above.
    unsafe { _mm256_store_si256(line.0[half * 16..][..16].as_mut_ptr().cast(), numbers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_that_the_processor_has_computes_the_same() {
        let lines = |step: usize| -> Vec<Line> {
            let line = |line: usize| Line(std::array::from_fn(|lane| ((line * 32 + lane) * step % 4001) as i16 - 2000));
            (0..LINES_PER_BLOCK + 7).map(line).collect()
        };
        let left = lines(37);
        let right = [3, 101, 977, 55].map(lines);
        let right = right.each_ref().map(Vec::as_slice);
        let scores = right.map(|right| -> Vec<i32> {
            let numbers = left.iter().flat_map(|line| line.0).zip(right.iter().flat_map(|line| line.0));
            numbers.map(|(left, right)| i32::from(left) + i32::from(right)).collect()
        });
        let widths = [Some(Vectors::Avx2), found()];
        for vectors in widths.into_iter().flatten().filter(|_| found().is_some()) {
            let hinges: [u64; 4] =
                scores.each_ref().map(|scores| scores.iter().map(|&score| score.max(0) as u64).sum());
            assert_eq!(vectors.hinge_sums(&left, right), hinges);
            let reached = scores.each_ref().map(|scores| scores.iter().filter(|&&score| score >= 0).count() as u64);
            assert_eq!(vectors.reach_counts(&left, right), reached);
            let mut sum = left.clone();
            vectors.add(&mut sum, &left, right[0]);
            assert!(sum.iter().flat_map(|line| line.0).zip(&scores[0]).all(|(sum, &score)| i32::from(sum) == score));
        }
    }
}
