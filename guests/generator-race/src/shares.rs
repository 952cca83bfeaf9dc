//! Splits a whole number of laps between cars so that the parts sum exactly to the total. Knows nothing of races.

/// Splits `total` in proportion to `weights` (finite, >= 0) by systematic rounding: with C the cumulative share and u one
/// uniform in [0, 1), part i is floor(total C_i + u) - floor(total C_(i-1) + u).
///
/// Each part is the floor or the ceiling of its exact share, has the exact share as its mean over u, and the sum is exact by
/// construction (Madow 1949, systematic sampling with unequal probabilities). Dirichlet-multinomial counts come out of this
/// when the weights are random: the weights carry the variance, so multinomial noise on top would only add cost.
/// Where no weight is positive, the first part takes everything.
pub fn split(total: u16, weights: &[f64], u: f64, parts: &mut [u16]) {
    let sum: f64 = weights.iter().sum();
    let scale = if sum > 0.0 { f64::from(total) / sum } else { 0.0 };
    let mut cumulative = u;
    let mut given = 0;
    for (part, weight) in parts.iter_mut().zip(weights) {
        cumulative += weight * scale;
        let reached = (cumulative as u16).min(total);
        *part = reached - given;
        given = reached;
    }
    // The last step may stop one short of the total by rounding; the first part always exists and is the winner's.
    parts[0] += total - given;
}

/// Cuts each part to its limit and gives the surplus to the first part, whose limit must be at least the sum of all parts.
pub fn cap(parts: &mut [u16], limits: &[u16]) {
    let mut surplus = 0;
    for (part, &limit) in parts.iter_mut().zip(limits) {
        let kept = (*part).min(limit);
        surplus += *part - kept;
        *part = kept;
    }
    parts[0] += surplus;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_sum_to_the_total_and_stay_within_one_of_their_share() {
        let weights = [0.1, 3.7, 0.0, 1e-9, 2.2, 11.0];
        let sum: f64 = weights.iter().sum();
        for total in [0, 1, 2, 267, 2000] {
            for u in [0.0, 1e-12, 0.3, 0.5, 0.999_999_999_999] {
                let mut parts = [0; 6];
                split(total, &weights, u, &mut parts);
                assert_eq!(parts.iter().sum::<u16>(), total);
                for (part, weight) in parts.iter().zip(weights) {
                    let share = f64::from(total) * weight / sum;
                    assert!((f64::from(*part) - share).abs() <= 1.0 + 1e-9, "{part} for a share of {share}");
                }
            }
        }
    }

    #[test]
    fn no_positive_weight_gives_everything_to_the_first() {
        let mut parts = [9; 3];
        split(40, &[0.0; 3], 0.7, &mut parts);
        assert_eq!(parts, [40, 0, 0]);
    }

    #[test]
    fn the_mean_over_the_offset_is_the_exact_share() {
        let mut sum = [0.0; 3];
        for step in 0..10_000 {
            let mut parts = [0; 3];
            split(10, &[1.0, 2.0, 4.0], (f64::from(step) + 0.5) / 10_000.0, &mut parts);
            for (total, part) in sum.iter_mut().zip(parts) {
                *total += f64::from(part) / 10_000.0;
            }
        }
        for (mean, share) in sum.iter().zip([10.0 / 7.0, 20.0 / 7.0, 40.0 / 7.0]) {
            assert!((mean - share).abs() < 1e-3);
        }
    }

    #[test]
    fn a_cap_moves_the_surplus_to_the_first_part() {
        let mut parts = [3, 5, 2];
        cap(&mut parts, &[10, 1, 2]);
        assert_eq!(parts, [7, 1, 2]);
    }
}
