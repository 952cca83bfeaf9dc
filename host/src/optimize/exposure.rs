//! How often drivers may and must be in a portfolio, looked at one lineup at a time: which next lineups leave it possible to keep
//! all promises with the lineups that are still missing, as far as numbers of places tell.

use super::{answer::SearchFailure, infeasible::Infeasible, rules::Rules, space::SearchSpace};

/// In how many lineups of a portfolio an entry may and must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposure {
    /// Slate entry.
    pub entry: u16,
    /// Fewest lineups with it.
    pub at_least: u32,
    /// Most lineups with it.
    pub at_most: u32,
}

/// Whether a portfolio of so many lineups can keep these exposures, as far as numbers of places tell.
///
/// # Errors
/// [`SearchFailure`] as [`joint_portfolio`](super::joint_portfolio) would end.
pub fn check_exposures(space: &SearchSpace, exposures: &[Exposure], lineups: u32) -> Result<(), SearchFailure> {
    if exposures.is_empty() { Ok(()) } else { Exposures::new(space, exposures, lineups).map(drop) }
}

/// Exposures of a portfolio that is being picked.
#[derive(Debug, Clone)]
pub(super) struct Exposures {
    /// The entries of each driver.
    drivers: Vec<u128>,
    /// Fewest and most lineups per driver.
    limits: Vec<(u32, u32)>,
    /// Lineups so far per driver.
    used: Vec<u32>,
    places: u32,
}

impl Exposures {
    /// Checks that the exposures do not contradict each other, or the number of places.
    ///
    /// # Errors
    /// [`Infeasible::Exposures`] where they do, [`SearchFailure::Invalid`] where an entry is not on the slate.
    pub fn new(space: &SearchSpace, exposures: &[Exposure], lineups: u32) -> Result<Self, SearchFailure> {
        let drivers = drivers(space);
        let mut limits = vec![(0, lineups); drivers.len()];
        for exposure in exposures {
            let driver =
                drivers.iter().position(|driver| driver.checked_shr(u32::from(exposure.entry)).unwrap_or(0) & 1 == 1);
            let Some(limit) = driver.and_then(|driver| limits.get_mut(driver)) else {
                let detail = format!("entry {} is not on the slate, which has {}", exposure.entry, space.names.len());
                return Err(SearchFailure::Invalid { field: "exposures", detail });
            };
            *limit = (limit.0.max(exposure.at_least), limit.1.min(exposure.at_most));
        }
        let excluded = space.excludes.iter().fold(0, |set, &entry| set | 1_u128 << entry);
        let locked = space.locks.iter().fold(0, |set, &entry| set | 1_u128 << entry);
        for (limit, driver) in limits.iter_mut().zip(&drivers) {
            if driver & !excluded == 0 {
                limit.1 = 0;
            }
            if driver & locked != 0 {
                limit.0 = limit.0.max(lineups);
            }
        }
        let contradicts = |detail: String| Err(Infeasible::Exposures { detail }.into());
        let names = drivers.iter().map(|driver| &space.names[driver.trailing_zeros() as usize]);
        for (name, &(at_least, at_most)) in names.zip(&limits) {
            if at_least > at_most {
                return contradicts(format!(
                    "{name} must be in {at_least} of {lineups} lineups and may be in {at_most}"
                ));
            }
        }
        let places = space.roster_size as u32;
        let (needed, allowed) = limits.iter().fold((0_u64, 0_u64), |(needed, allowed), &(at_least, at_most)| {
            (needed + u64::from(at_least), allowed + u64::from(at_most.min(lineups)))
        });
        let all = u64::from(lineups) * u64::from(places);
        if needed > all {
            return contradicts(format!("the least exposures fill {needed} places, but {lineups} lineups have {all}"));
        }
        if allowed < all {
            return contradicts(format!(
                "the greatest exposures leave {allowed} places, but {lineups} lineups have {all}"
            ));
        }
        Ok(Self { used: vec![0; limits.len()], drivers, limits, places })
    }

    /// Counts a lineup.
    pub fn add(&mut self, lineup: u128) {
        self.change(lineup, |used| *used += 1);
    }

    /// Takes a lineup back.
    pub fn remove(&mut self, lineup: u128) {
        self.change(lineup, |used| *used -= 1);
    }

    fn change(&mut self, lineup: u128, change: impl Fn(&mut u32)) {
        let drivers = self.used.iter_mut().zip(&self.drivers).filter(|(_, driver)| lineup & *driver != 0);
        drivers.for_each(|(used, _)| change(used));
    }

    /// What the next lineup must satisfy, when `missing` are missing with it.
    ///
    /// Drivers that still must be in some lineups: each that must be in all missing ones is in this one, and so many others that the
    /// rest has room. Drivers that may be in fewer lineups than are missing: not so many of them that the rest lacks drivers.
    pub fn next(&self, missing: u32) -> Rules {
        let mut rules = Rules::default();
        let (mut needed, mut scarce, mut spent) = (0_u128, 0_u128, 0_u128);
        let (mut needs, mut left) = (0_u64, 0_u64);
        for ((&driver, &(at_least, at_most)), &used) in self.drivers.iter().zip(&self.limits).zip(&self.used) {
            let (need, room) = (at_least.saturating_sub(used), at_most.saturating_sub(used));
            if need >= missing {
                rules.count(driver, 1, 1);
            }
            if need > 0 {
                needed |= driver;
                needs += u64::from(need);
            }
            if room == 0 {
                spent |= driver;
            } else if room < missing {
                scarce |= driver;
            }
            left += u64::from(room.min(missing.saturating_sub(1)));
        }
        let after = u64::from(missing.saturating_sub(1)) * u64::from(self.places);
        if needs > after {
            rules.count(needed, (needs - after) as u32, self.places);
        }
        if spent != 0 {
            rules.count(spent, 0, 0);
        }
        let spare = left.saturating_sub(after);
        if scarce != 0 && spare < u64::from(self.places) {
            rules.count(scarce, 0, spare as u32);
        }
        rules
    }

    /// Whether all promises are kept.
    pub fn are_kept(&self) -> bool {
        self.limits.iter().zip(&self.used).all(|(&(at_least, at_most), used)| (at_least..=at_most).contains(used))
    }
}

/// The entries of each driver: one, or twins.
fn drivers(space: &SearchSpace) -> Vec<u128> {
    let mut drivers = Vec::with_capacity(space.names.len());
    for entry in 0..space.names.len() as u16 {
        let twins = space.twins.iter().find(|twins| twins.contains(&entry));
        match twins {
            None => drivers.push(1 << entry),
            Some(twins) if twins.iter().min() == Some(&entry) => {
                drivers.push(twins.iter().fold(0, |set, &twin| set | 1 << twin));
            }
            Some(_) => {}
        }
    }
    drivers
}
