//! Numeric kernels over slices, unrolled by eight. Inside a metered sandbox every loop back-edge pays for a fuel and an epoch
//! check; eight elements per trip make that cost vanish, and give the compiler eight independent lanes to vectorise. Sums use
//! eight partial sums in a fixed order, so results are the same natively and in WebAssembly. No fused multiply-add anywhere.

/// Elements per loop trip.
pub const LANES: usize = 8;

/// Adds eight partial sums pairwise, always in the same order.
#[inline]
pub fn fold(partial: [f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = partial;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Inner product over the shorter length.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    let length = x.len().min(y.len());
    let (x_chunks, x_rest) = x[..length].as_chunks::<LANES>();
    let (y_chunks, y_rest) = y[..length].as_chunks::<LANES>();
    let mut partial = [0.0; LANES];
    for (a, b) in x_chunks.iter().zip(y_chunks) {
        for lane in 0..LANES {
            partial[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in x_rest.iter().zip(y_rest).enumerate() {
        partial[lane] += a * b;
    }
    fold(partial)
}

/// Sum of `x * y * z`, a weighted inner product, over the shortest length.
pub fn dot3(x: &[f64], y: &[f64], z: &[f64]) -> f64 {
    let length = x.len().min(y.len()).min(z.len());
    let (x_chunks, x_rest) = x[..length].as_chunks::<LANES>();
    let (y_chunks, y_rest) = y[..length].as_chunks::<LANES>();
    let (z_chunks, z_rest) = z[..length].as_chunks::<LANES>();
    let mut partial = [0.0; LANES];
    for ((a, b), c) in x_chunks.iter().zip(y_chunks).zip(z_chunks) {
        for lane in 0..LANES {
            partial[lane] += a[lane] * b[lane] * c[lane];
        }
    }
    for (lane, ((a, b), c)) in x_rest.iter().zip(y_rest).zip(z_rest).enumerate() {
        partial[lane] += a * b * c;
    }
    fold(partial)
}

/// Sum of all elements.
pub fn sum(x: &[f64]) -> f64 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut partial = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            partial[lane] += chunk[lane];
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        partial[lane] += value;
    }
    fold(partial)
}

/// `y += scale * x` over the shorter length.
pub fn axpy(scale: f64, x: &[f64], y: &mut [f64]) {
    let length = x.len().min(y.len());
    let (x_chunks, x_rest) = x[..length].as_chunks::<LANES>();
    let (y_chunks, y_rest) = y[..length].as_chunks_mut::<LANES>();
    for (a, b) in x_chunks.iter().zip(y_chunks) {
        for lane in 0..LANES {
            b[lane] += scale * a[lane];
        }
    }
    for (a, b) in x_rest.iter().zip(y_rest) {
        *b += scale * a;
    }
}

/// `y += scale * x * z`, element by element, over the shortest length.
pub fn axpy_scaled(scale: f64, x: &[f64], z: &[f64], y: &mut [f64]) {
    let length = x.len().min(y.len()).min(z.len());
    let (x_chunks, x_rest) = x[..length].as_chunks::<LANES>();
    let (z_chunks, z_rest) = z[..length].as_chunks::<LANES>();
    let (y_chunks, y_rest) = y[..length].as_chunks_mut::<LANES>();
    for ((a, c), b) in x_chunks.iter().zip(z_chunks).zip(y_chunks) {
        for lane in 0..LANES {
            b[lane] += scale * a[lane] * c[lane];
        }
    }
    for ((a, c), b) in x_rest.iter().zip(z_rest).zip(y_rest) {
        *b += scale * a * c;
    }
}

/// Replaces each element by its exponential. Inputs are clamped to [-708, 709], so the result is always finite and positive;
/// NaN stays NaN. Relative error below 2 units in the last place (see the test).
pub fn exp(values: &mut [f64]) {
    let (chunks, rest) = values.as_chunks_mut::<LANES>();
    for chunk in chunks {
        exp_lanes(chunk);
    }
    for value in rest {
        let mut lanes = [*value; 1];
        exp_lanes(&mut lanes);
        *value = lanes[0];
    }
}

/// Replaces each element, which must be positive, normal and finite, by its natural logarithm. Relative error below 4 units in
/// the last place (see the test).
pub fn ln(values: &mut [f64]) {
    let (chunks, rest) = values.as_chunks_mut::<LANES>();
    for chunk in chunks {
        ln_lanes(chunk);
    }
    for value in rest {
        let mut lanes = [*value; 1];
        ln_lanes(&mut lanes);
        *value = lanes[0];
    }
}

/// Adding then subtracting 1.5 * 2^52 rounds to the nearest integer, and leaves that integer in the low bits meanwhile.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts; the high one has enough trailing zeros that its product with any exponent is exact (fdlibm).
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// 1/k! for k = 13 down to 2. On |r| <= ln(2)/2 the first term left out is below 5e-18.
const EXP_COEFFICIENTS: [f64; 12] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
];

/// exp of each lane: x = n ln 2 + r, Taylor polynomial in r, exponent bits from n.
#[inline]
pub fn exp_lanes<const N: usize>(lanes: &mut [f64; N]) {
    for lane in lanes.iter_mut() {
        let x = lane.clamp(-708.0, 709.0);
        let shifted = x * std::f64::consts::LOG2_E + ROUNDER;
        let n = shifted - ROUNDER;
        let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
        let mut polynomial = EXP_COEFFICIENTS[0];
        for &coefficient in &EXP_COEFFICIENTS[1..] {
            polynomial = polynomial * r + coefficient;
        }
        let mantissa = 1.0 + (r + r * r * polynomial);
        // The low bits of `shifted` hold n in two's complement; moved up they add n to the exponent field.
        *lane = f64::from_bits(mantissa.to_bits().wrapping_add(shifted.to_bits() << 52));
    }
}

/// 2/(2k+1) for k = 10 down to 1: the series of ln((1+s)/(1-s)) - 2s. On |s| <= 0.172 the first term left out is below 2e-17.
const LN_COEFFICIENTS: [f64; 10] = [
    2.0 / 21.0,
    2.0 / 19.0,
    2.0 / 17.0,
    2.0 / 15.0,
    2.0 / 13.0,
    2.0 / 11.0,
    2.0 / 9.0,
    2.0 / 7.0,
    2.0 / 5.0,
    2.0 / 3.0,
];

/// ln of each lane: x = 2^k m with m in [sqrt(1/2), sqrt(2)), then the odd series in s = (m-1)/(m+1).
#[inline]
pub fn ln_lanes<const N: usize>(lanes: &mut [f64; N]) {
    const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;
    for lane in lanes.iter_mut() {
        let bits = lane.to_bits();
        // Biased so that the shift can be a logical one, which every vector unit has.
        let biased = bits.wrapping_sub(SQRT_HALF_BITS).wrapping_add(1023 << 52) >> 52;
        let k = f64::from_bits(biased | ROUNDER.to_bits()) - (ROUNDER + 1023.0);
        let m = f64::from_bits(bits.wrapping_sub(biased << 52).wrapping_add(1023 << 52));
        let s = (m - 1.0) / (m + 1.0);
        let square = s * s;
        let mut polynomial = LN_COEFFICIENTS[0];
        for &coefficient in &LN_COEFFICIENTS[1..] {
            polynomial = polynomial * square + coefficient;
        }
        *lane = k * LN_2_HIGH + ((s + s) + (s * square * polynomial + k * LN_2_LOW));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn worst_relative_error(inputs: &[f64], kernel: fn(&mut [f64]), reference: fn(f64) -> f64) -> f64 {
        let mut got = inputs.to_vec();
        kernel(&mut got);
        inputs
            .iter()
            .zip(got)
            .map(|(&x, got)| {
                let want = reference(x);
                if got == want { 0.0 } else { ((got - want) / want).abs() }
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn exp_is_accurate_over_its_whole_range() {
        let mut rng = Rng::for_stream(1, 1);
        let wide: Vec<f64> = (0..100_003).map(|_| 1416.0 * rng.uniform() - 708.0).collect();
        let near_zero: Vec<f64> = (0..100_003).map(|_| 2.0 * rng.uniform() - 1.0).collect();
        assert!(worst_relative_error(&wide, exp, f64::exp) < 5e-16);
        assert!(worst_relative_error(&near_zero, exp, f64::exp) < 5e-16);
    }

    #[test]
    fn exp_saturates_and_keeps_nan() {
        let mut values = [-1e300, 1e300, f64::NEG_INFINITY, f64::NAN, 0.0];
        exp(&mut values);
        assert!(values[0] > 0.0 && values[0] < 1e-300);
        assert!(values[1].is_finite() && values[1] > 1e300);
        assert_eq!(values[2], values[0]);
        assert!(values[3].is_nan());
        assert_eq!(values[4], 1.0);
    }

    #[test]
    fn ln_is_accurate_over_its_whole_range() {
        let mut rng = Rng::for_stream(1, 2);
        let wide: Vec<f64> = (0..100_003).map(|_| (1400.0 * rng.uniform() - 700.0).exp()).collect();
        let near_one: Vec<f64> = (0..100_003).map(|_| 0.5 + rng.uniform()).collect();
        assert!(worst_relative_error(&wide, ln, f64::ln) < 9e-16);
        assert!(worst_relative_error(&near_one, ln, f64::ln) < 9e-16);
    }

    #[test]
    fn reductions_agree_with_plain_loops_at_every_remainder() {
        let mut rng = Rng::for_stream(1, 3);
        for length in 0..40 {
            let mut fill = || (0..length).map(|_| rng.normal()).collect::<Vec<f64>>();
            let (x, y, z) = (fill(), fill(), fill());
            let plain_dot: f64 = x.iter().zip(&y).map(|(a, b)| a * b).sum();
            let plain_dot3: f64 = x.iter().zip(&y).zip(&z).map(|((a, b), c)| a * b * c).sum();
            assert!((dot(&x, &y) - plain_dot).abs() < 1e-12);
            assert!((dot3(&x, &y, &z) - plain_dot3).abs() < 1e-12);
            assert!((sum(&x) - x.iter().sum::<f64>()).abs() < 1e-12);
            let (mut plain, mut scaled) = (y.clone(), y.clone());
            axpy(2.0, &x, &mut plain);
            axpy_scaled(2.0, &x, &z, &mut scaled);
            for index in 0..length {
                assert!((plain[index] - (y[index] + 2.0 * x[index])).abs() < 1e-12);
                assert!((scaled[index] - (y[index] + 2.0 * x[index] * z[index])).abs() < 1e-12);
            }
        }
    }
}
