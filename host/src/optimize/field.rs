//! The other entrants of a contest: lineups drawn so that drivers are in as many of them as is expected.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{answer::SearchFailure, rules::Rules, space::SearchSpace, value::entries_of};
use crate::domain::lineup::Lineup;

/// Rounds in which the weights are brought nearer to the expected ownership.
const ROUNDS: usize = 16;

/// Lineups drawn per round: shares are then known to about a hundredth.
const ROUND_LINEUPS: usize = 2_000;

/// Draws per lineup before the ownership counts as impossible under the cap.
const TRIES_MAX: usize = 2_000;

/// Smallest and largest change of a weight in one round.
const CHANGE: (f64, f64) = (0.5, 2.0);

/// Draws per lineup from which on raking goes no further: dear drivers are then owned as much as the cap allows.
const TRIES_USUAL: usize = 30;

/// Draws the lineups of `count` opponents, who keep the cap, the places and the rules of `space`, and nobody's locks or excludes.
///
/// `ownership` is the share of lineups that each entry is expected in, 0..=1; only proportions matter. Entries are drawn without
/// replacement by weights (Efraimidis and Spirakis 2006); lineups that break the cap are drawn again, which shifts the shares, so the
/// weights are first raked until the shares are those expected, or as near to them as the cap allows.
///
/// # Errors
/// [`SearchFailure::Invalid`] where the entries that are owned make no lineup.
pub fn sample_field(
    space: &SearchSpace,
    ownership: &[f64],
    count: usize,
    seed: u64,
) -> Result<Vec<Lineup>, SearchFailure> {
    let total: f64 = ownership.iter().sum();
    let owned = ownership.iter().filter(|&&share| share > 0.0).count();
    if owned < space.roster_size || total <= 0.0 {
        let places = space.roster_size;
        return Err(invalid(format!("{owned} drivers are owned, but a lineup has {places} places")));
    }
    let targets: Vec<f64> = ownership.iter().map(|share| share / total * space.roster_size as f64).collect();
    let mut draw = Draw {
        space,
        rules: Rules::new(&space.rules, ownership.len())?,
        weights: targets.clone(),
        before: targets.clone(),
        tries: 0,
        random: Xoshiro256PlusPlus::seed_from_u64(seed),
        keys: Vec::new(),
    };
    for _ in 0..ROUNDS {
        draw.rake(&targets)?;
        if draw.tries > TRIES_USUAL * ROUND_LINEUPS {
            draw.weights.clone_from(&draw.before);
            break;
        }
    }
    (0..count).map(|_| draw.lineup().map(|mask| Lineup(entries_of(mask)))).collect()
}

fn invalid(detail: String) -> SearchFailure {
    SearchFailure::Invalid { field: "together/contest/ownership", detail }
}

struct Draw<'a> {
    space: &'a SearchSpace,
    rules: Rules,
    weights: Vec<f64>,
    /// Those before the last round.
    before: Vec<f64>,
    /// Draws of the last round.
    tries: usize,
    random: Xoshiro256PlusPlus,
    keys: Vec<(f64, usize)>,
}

impl Draw<'_> {
    /// Moves the weights by as much as the shares of a round are off.
    fn rake(&mut self, targets: &[f64]) -> Result<(), SearchFailure> {
        let mut counts = vec![0.0; targets.len()];
        self.tries = 0;
        for _ in 0..ROUND_LINEUPS {
            entries_of(self.lineup()?).into_iter().for_each(|entry| counts[usize::from(entry)] += 1.0);
        }
        if self.tries > TRIES_USUAL * ROUND_LINEUPS {
            return Ok(());
        }
        self.before.clone_from(&self.weights);
        for ((weight, target), count) in self.weights.iter_mut().zip(targets).zip(counts) {
            // Half a lineup more keeps a share that no lineup of the round had from blowing its weight up.
            let share = (count + 0.5) / ROUND_LINEUPS as f64;
            *weight *= (target / share).clamp(CHANGE.0, CHANGE.1);
        }
        Ok(())
    }

    /// A lineup that is allowed.
    fn lineup(&mut self) -> Result<u128, SearchFailure> {
        for _ in 0..TRIES_MAX {
            self.tries += 1;
            let (mask, salary_usd) = self.set();
            let is_affordable =
                (u64::from(self.space.salary_min_usd)..=u64::from(self.space.salary_max_usd)).contains(&salary_usd);
            if is_affordable && self.rules.allow(mask) {
                return Ok(mask);
            }
        }
        Err(invalid(format!("{TRIES_MAX} lineups drawn by it all break the salary cap or the roster's rules")))
    }

    /// As many entries as there are places, drawn by their weights, and what they cost.
    fn set(&mut self) -> (u128, u64) {
        self.keys.clear();
        for (entry, &weight) in self.weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            let waited = -(1.0 - self.random.random::<f64>()).ln() / weight;
            self.keys.push((waited, entry));
        }
        let places = self.space.roster_size;
        if places < self.keys.len() {
            self.keys.select_nth_unstable_by(places, |left, right| left.0.total_cmp(&right.0));
        }
        let first = self.keys.iter().take(places);
        first.fold((0, 0), |(mask, salary_usd), &(_, entry)| {
            (mask | 1 << entry, salary_usd + u64::from(self.space.salary_usd[entry]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> SearchSpace {
        SearchSpace {
            salary_usd: (0..12).map(|entry| 11_000 - entry * 600).collect(),
            roster_size: 4,
            salary_max_usd: 37_000,
            names: (0..12).map(|entry| format!("Driver {entry}")).collect(),
            ..SearchSpace::default()
        }
    }

    #[test]
    fn drivers_are_owned_as_expected_although_the_cap_is_tight() {
        let ownership = [0.6, 0.55, 0.4, 0.45, 0.3, 0.35, 0.25, 0.2, 0.3, 0.25, 0.2, 0.15];
        let field = sample_field(&space(), &ownership, 20_000, 3).unwrap();
        for (entry, expected) in ownership.iter().enumerate() {
            let share = field.iter().filter(|lineup| lineup.entries().contains(&(entry as u16))).count();
            let share = share as f64 / 20_000.0;
            assert!((share - expected).abs() < 0.04, "driver {entry}: {share} instead of {expected}");
        }
        let salary =
            |lineup: &Lineup| lineup.entries().iter().map(|&entry| 11_000 - u32::from(entry) * 600).sum::<u32>();
        assert!(field.iter().all(|lineup| salary(lineup) <= 37_000));
        assert_eq!(field, sample_field(&space(), &ownership, 20_000, 3).unwrap());
    }

    #[test]
    fn ownership_that_makes_no_lineup_is_refused() {
        let dear = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let failure = sample_field(&space(), &dear, 10, 3).unwrap_err();
        assert!(failure.to_string().contains("break the salary cap"), "{failure}");
        let few = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let failure = sample_field(&space(), &few, 10, 3).unwrap_err();
        assert!(failure.to_string().contains("2 drivers are owned"), "{failure}");
    }
}
