//! Simulates an attrition order from worths. Whether a car that drops early has retired, and on which lap, is not decided here.

use paddock_sdk::Rng;

/// Fills `times` with each entry's knockout time, `Exp(1) / exp(-worth)`: the minimum of independent exponentials falls on
/// entry i with probability proportional to its rate, and the memory-less rest repeats the race, so the order of the times is
/// the attrition order (Luce 1959; Yellott 1977 for the equivalent Gumbel form). Times are logarithmic: any real number.
pub fn knockout_times(worth: &[f64], rng: &mut Rng, times: &mut [f64]) {
    for (time, &worth) in times.iter_mut().zip(worth) {
        *time = worth - rng.gumbel();
    }
}

/// Simulates one order: fills `finish` with each entry's position, 1 for the one that is never knocked out. `times` is scratch
/// of the same length and holds the knockout times afterwards, for those who need to know how close it was.
pub fn finish_from_worth(worth: &[f64], rng: &mut Rng, times: &mut [f64], finish: &mut [u16]) {
    knockout_times(worth, rng, times);
    let mut entries: Vec<u16> = (0..worth.len() as u16).collect();
    // Ties have probability zero and are broken by entry, so the order is total and the same everywhere.
    entries.sort_unstable_by(|&a, &b| times[b as usize].total_cmp(&times[a as usize]).then(a.cmp(&b)));
    for (position, &entry) in entries.iter().enumerate() {
        finish[entry as usize] = position as u16 + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probability of finishing order `order` (first to last), by the definition.
    fn probability(order: &[usize], worth: &[f64]) -> f64 {
        (2..=order.len())
            .map(|alive| {
                let total: f64 = order[..alive].iter().map(|&entry| (-worth[entry]).exp()).sum();
                (-worth[order[alive - 1]]).exp() / total
            })
            .product()
    }

    #[test]
    fn simulated_orders_have_the_frequencies_of_the_definition() {
        let worth = [0.8, -0.3, 0.1];
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let (mut counts, count) = ([0.0; 6], 60_000);
        let (mut times, mut finish) = ([0.0; 3], [0; 3]);
        let mut rng = Rng::for_stream(5, 0);
        for _ in 0..count {
            finish_from_worth(&worth, &mut rng, &mut times, &mut finish);
            let seen = orders.iter().position(|order| (0..3).all(|k| usize::from(finish[order[k]]) == k + 1));
            counts[seen.expect("finish is a permutation")] += 1.0;
        }
        let expected = orders.map(|order| probability(&order, &worth) * f64::from(count));
        assert!((expected.iter().sum::<f64>() - f64::from(count)).abs() < 1e-6);
        let chi_square: f64 = counts.iter().zip(expected).map(|(seen, want)| (seen - want).powi(2) / want).sum();
        // 99.9 % point of chi-square with 5 degrees of freedom.
        assert!(chi_square < 20.5, "chi-square {chi_square}");
    }
}
