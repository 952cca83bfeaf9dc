//! Why no lineup exists, in the user's own terms and numbers, and what would have to give.

use std::collections::BTreeMap;

use crate::domain::problem::Problem;

/// The reason for which no lineup, or no further one, satisfies the constraints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Infeasible {
    /// Take the driver out of one of the two lists.
    #[error("{name} is locked and excluded")]
    LockedAndExcluded {
        /// Driver.
        name: String,
    },
    /// Drop locks.
    #[error("{locks} drivers are locked, but a lineup has {roster_size} places")]
    MoreLocksThanPlaces {
        /// Distinct locked drivers.
        locks: usize,
        /// Places in a lineup.
        roster_size: usize,
    },
    /// Drop excludes, or use a slate with more drivers.
    #[error("{available} drivers can be picked, but a lineup has {roster_size} places")]
    TooFewDrivers {
        /// Drivers that are not excluded.
        available: usize,
        /// Places in a lineup.
        roster_size: usize,
    },
    /// Lower the floor or raise the cap.
    #[error("the salary floor {} is above the cap {}", usd(*floor_usd), usd(*cap_usd))]
    FloorAboveCap {
        /// Least salary of a lineup.
        floor_usd: u64,
        /// Most salary of a lineup.
        cap_usd: u64,
    },
    /// Drop a lock or raise the cap.
    #[error("locks cost {}, cap {}", usd(*cost_usd), usd(*cap_usd))]
    LocksAboveCap {
        /// Salary of the locked drivers.
        cost_usd: u64,
        /// Most salary of a lineup.
        cap_usd: u64,
    },
    /// Raise the cap by `short_usd`, or drop the lock on one of `removable_locks`.
    #[error("the cheapest lineup{} costs {}, cap {}", with_locks(*locks), usd(*cheapest_usd), usd(*cap_usd))]
    CheapestAboveCap {
        /// Locked drivers.
        locks: usize,
        /// Salary of the cheapest lineup.
        cheapest_usd: u64,
        /// Most salary of a lineup.
        cap_usd: u64,
        /// Locked drivers of whom each alone, once unlocked, lets a lineup fit.
        removable_locks: Vec<String>,
    },
    /// Lower the floor, or drop the lock on one of `removable_locks`.
    #[error("the dearest lineup{} costs {}, salary floor {}", with_locks(*locks), usd(*dearest_usd), usd(*floor_usd))]
    DearestBelowFloor {
        /// Locked drivers.
        locks: usize,
        /// Salary of the dearest lineup.
        dearest_usd: u64,
        /// Least salary of a lineup.
        floor_usd: u64,
        /// Locked drivers of whom each alone, once unlocked, lets a lineup reach the floor.
        removable_locks: Vec<String>,
    },
    /// Lower the floor to `below_usd` or raise the cap to `above_usd`.
    #[error(
        "no lineup{} costs between the floor {} and the cap {}: the nearest cost {} and {}",
        with_locks(*locks), usd(*floor_usd), usd(*cap_usd), usd(*below_usd), usd(*above_usd)
    )]
    NothingBetween {
        /// Locked drivers.
        locks: usize,
        /// Least salary of a lineup.
        floor_usd: u64,
        /// Most salary of a lineup.
        cap_usd: u64,
        /// Salary of the dearest lineup below the floor.
        below_usd: u64,
        /// Salary of the cheapest lineup above the cap.
        above_usd: u64,
    },
    /// Lower `min_differences` or drop locks.
    #[error(
        "lineups must differ in {min_differences} drivers, but only {free} of {roster_size} places are free{}",
        with_locks(roster_size - free)
    )]
    DifferencesAbovePlaces {
        /// Entries in which lineups must differ.
        min_differences: usize,
        /// Places that are not locked.
        free: usize,
        /// Places in a lineup.
        roster_size: usize,
    },
    /// Relax one of the demands: each of them is needed for the contradiction.
    #[error("these contradict each other: {}", parts.join(", "))]
    Conflict {
        /// The demands by name, none of which can be left out.
        parts: Vec<String>,
        /// Single changes that each let a lineup exist.
        ways_out: Vec<String>,
    },
    /// Relax the exposures that contradict each other.
    #[error("the exposures contradict each other: {detail}")]
    Exposures {
        /// Which, with numbers.
        detail: String,
    },
    /// Relax the constraint that vetoes.
    #[error("every lineup has one of the {sets} sets of drivers that a constraint vetoes whatever is added")]
    NothingUncut {
        /// Sets of one to three drivers.
        sets: usize,
    },
    /// Relax the constraint that vetoes.
    #[error("all {judged} feasible lineups are vetoed: {}", reasons(vetoes))]
    AllVetoed {
        /// Lineups judged.
        judged: u64,
        /// Lineups by index of the reason (1 = the first veto reason of the plugin).
        vetoes: BTreeMap<u8, u64>,
    },
}

impl Infeasible {
    /// The reason as users read it, with the field to change and the nearest relaxation.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        let (field, action) = self.relaxation();
        Problem::new("infeasible-lineup", "No lineup satisfies the constraints", sentence(&self.to_string()), action)
            .at(field)
    }

    fn relaxation(&self) -> (&'static str, String) {
        match self {
            Self::LockedAndExcluded { name } => {
                ("/excludes", format!("Take {name} out of `locks` or out of `excludes`."))
            }
            Self::MoreLocksThanPlaces { locks, roster_size } => {
                ("/locks", format!("Drop at least {} of the locks.", locks - roster_size))
            }
            Self::TooFewDrivers { available, roster_size } => (
                "/excludes",
                format!("Exclude at least {} drivers fewer, or use a larger slate.", roster_size - available),
            ),
            Self::FloorAboveCap { floor_usd, cap_usd } => (
                "/salary_min_usd",
                format!("Lower the floor or raise the cap by at least {}.", usd(floor_usd - cap_usd)),
            ),
            Self::LocksAboveCap { cost_usd, cap_usd } => {
                ("/locks", format!("Drop a lock, or raise the cap by at least {}.", usd(cost_usd - cap_usd)))
            }
            Self::CheapestAboveCap { cheapest_usd, cap_usd, removable_locks, .. } => (
                "/salary_max_usd",
                format!("Raise the cap by {}{}.", usd(cheapest_usd - cap_usd), or_unlock(removable_locks)),
            ),
            Self::DearestBelowFloor { dearest_usd, floor_usd, removable_locks, .. } => (
                "/salary_min_usd",
                format!("Lower the floor by {}{}.", usd(floor_usd - dearest_usd), or_unlock(removable_locks)),
            ),
            Self::NothingBetween { floor_usd, cap_usd, below_usd, above_usd, .. } => (
                "/salary_min_usd",
                format!(
                    "Lower the floor by {} or raise the cap by {}.",
                    usd(floor_usd - below_usd),
                    usd(above_usd - cap_usd)
                ),
            ),
            Self::DifferencesAbovePlaces { free, .. } => {
                ("/min_differences", format!("Ask for at most {free} differences, or drop locks."))
            }
            Self::Conflict { ways_out, .. } if ways_out.is_empty() => {
                ("/rules", "Relax more than one of them: no single change lets a lineup exist.".to_owned())
            }
            Self::Conflict { ways_out, .. } => ("/rules", sentence(&ways_out.join(", or "))),
            Self::Exposures { .. } => ("/exposures", "Change one of the numbers, or the number of lineups.".to_owned()),
            Self::AllVetoed { .. } | Self::NothingUncut { .. } => {
                ("/lineup_constraints", "Relax or leave out the constraint that vetoes.".to_owned())
            }
        }
    }
}

/// 52300 as `52,300`.
fn usd(amount: u64) -> String {
    let digits = amount.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn with_locks(locks: usize) -> String {
    match locks {
        0 => String::new(),
        1 => " with the locked driver".to_owned(),
        _ => format!(" with the {locks} locked drivers"),
    }
}

fn or_unlock(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(", or drop the lock on {}", names.join(" or ")) }
}

fn reasons(vetoes: &BTreeMap<u8, u64>) -> String {
    let parts: Vec<String> = vetoes.iter().map(|(reason, count)| format!("{count} for reason {reason}")).collect();
    parts.join(", ")
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_with_its_numbers_and_the_way_out() {
        let problem = Infeasible::LocksAboveCap { cost_usd: 52_300, cap_usd: 50_000 }.to_problem();
        assert_eq!(problem.code, "infeasible-lineup");
        assert_eq!(problem.detail, "Locks cost 52,300, cap 50,000.");
        assert_eq!(problem.action, "Drop a lock, or raise the cap by at least 2,300.");
        assert_eq!(problem.field.as_deref(), Some("/locks"));
    }

    #[test]
    fn all_vetoed_tells_the_counts_by_reason() {
        let reason = Infeasible::AllVetoed { judged: 7, vetoes: [(1, 4), (3, 3)].into() };
        assert_eq!(reason.to_string(), "all 7 feasible lineups are vetoed: 4 for reason 1, 3 for reason 3");
    }

    #[test]
    fn salaries_are_grouped_by_thousands() {
        assert_eq!([usd(0), usd(999), usd(1_000), usd(12_345_678)], ["0", "999", "1,000", "12,345,678"]);
    }
}
