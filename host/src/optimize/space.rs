//! The lineups that may be chosen: places, salaries, locks and excludes, checked and sorted for the search.

use good_lp::{Expression, ProblemVariables, Solution, SolverModel, Variable, variable};

use super::{
    answer::SearchFailure,
    conflict::conflict,
    infeasible::Infeasible,
    rules::{Rule, Rules},
    solver::solver,
};

/// Most entries of a slate; a lineup is a set of 128 bits inside the search.
pub const ENTRIES_MAX: usize = 128;

/// The lineups to search, in terms of slate entry indices.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SearchSpace {
    /// Salary per entry in contest dollars.
    pub salary_usd: Vec<u32>,
    /// Entries in a lineup, at least 1.
    pub roster_size: usize,
    /// Least salary of a lineup in contest dollars.
    pub salary_min_usd: u32,
    /// Most salary of a lineup in contest dollars.
    pub salary_max_usd: u32,
    /// Entries that every lineup has; duplicates count once.
    pub locks: Vec<u16>,
    /// Entries that no lineup has; duplicates count once.
    pub excludes: Vec<u16>,
    /// What every lineup must satisfy besides.
    pub rules: Vec<Rule>,
    /// Entries that are the same driver in different places: at most one of each group is in a lineup, and exposures count
    /// them together.
    pub twins: Vec<Vec<u16>>,
    /// Sets of one to three entries that are never in a lineup together.
    pub never: Vec<Vec<u16>>,
    /// Driver name per entry, for reasons that people read.
    pub names: Vec<String>,
}

/// A feasible space in the order of the search.
#[derive(Debug, Clone)]
pub(super) struct Candidates {
    /// Entries that are neither locked nor excluded, by descending salary, then ascending index.
    pub free: Vec<u16>,
    /// Salaries of `free`.
    pub salary_usd: Vec<u64>,
    /// Places for free entries; may be 0.
    pub places: usize,
    /// Locked entries, ascending.
    pub locks: Vec<u16>,
    /// Least salary of the free places.
    pub floor_usd: u64,
    /// Most salary of the free places.
    pub cap_usd: u64,
    /// The locked entries as a set.
    pub locked: u128,
    /// `later[i]`: the set of entries from free candidate i on; one element more than there are free candidates.
    pub later: Vec<u128>,
    /// What a lineup must satisfy besides.
    pub rules: Rules,
    /// Whether there is nothing of that kind.
    pub is_plain: bool,
}

impl Candidates {
    /// The set of one free candidate's entry.
    pub fn bit(&self, pick: usize) -> u128 {
        1 << self.free[pick]
    }

    /// The set of entries of a lineup: locked ones and `picks` of `free`.
    pub fn mask(&self, picks: impl IntoIterator<Item = usize>) -> u128 {
        picks.into_iter().fold(self.locked, |mask, pick| mask | self.bit(pick))
    }

    /// The free candidates of a lineup, ascending.
    pub fn picks(&self, mask: u128) -> Vec<usize> {
        (0..self.free.len()).filter(|&pick| mask & self.bit(pick) != 0).collect()
    }
}

impl SearchSpace {
    /// Whether any lineup of a slate of `entries` exists, as far as salaries, locks, excludes and rules say.
    ///
    /// # Errors
    /// [`SearchFailure::Infeasible`] or [`SearchFailure::Invalid`], as the search itself would end.
    pub fn check(&self, entries: usize) -> Result<(), SearchFailure> {
        self.prepare(entries)?;
        let is_plain = self.rules.is_empty() && self.twins.is_empty();
        let found = if is_plain { None } else { conflict(self) };
        found.map_or(Ok(()), |conflict| Err(conflict.into()))
    }

    /// Checks that a lineup exists and prepares the search.
    pub(super) fn prepare(&self, entries: usize) -> Result<Candidates, SearchFailure> {
        self.check_shape(entries)?;
        let locks = self.distinct("locks", &self.locks)?;
        let excludes = self.distinct("excludes", &self.excludes)?;
        self.check_places(&locks, &excludes)?;
        let mut free: Vec<u16> = (0..entries as u16).filter(|e| !locks.contains(e) && !excludes.contains(e)).collect();
        free.sort_by_key(|&entry| (std::cmp::Reverse(self.salary_usd[usize::from(entry)]), entry));
        self.check_salaries(&locks, &free)?;
        let locked_usd = self.cost(&locks);
        let mut later = vec![0; free.len() + 1];
        for (pick, &entry) in free.iter().enumerate().rev() {
            later[pick] = later[pick + 1] | 1 << entry;
        }
        Ok(Candidates {
            locked: locks.iter().fold(0, |set, entry| set | 1 << entry),
            later,
            rules: self.compiled_rules(entries)?,
            is_plain: self.rules.is_empty() && self.twins.is_empty() && self.never.is_empty(),
            salary_usd: free.iter().map(|&entry| self.salary(entry)).collect(),
            places: self.roster_size - locks.len(),
            floor_usd: u64::from(self.salary_min_usd).saturating_sub(locked_usd),
            cap_usd: u64::from(self.salary_max_usd) - locked_usd,
            free,
            locks,
        })
    }

    fn compiled_rules(&self, entries: usize) -> Result<Rules, SearchFailure> {
        let mut rules = Rules::new(&self.rules, entries)?;
        for twins in &self.twins {
            let set = self.distinct("twins", twins)?.into_iter().fold(0, |set, entry| set | 1_u128 << entry);
            rules.count(set, 0, 1);
        }
        for set in &self.never {
            rules.never(&self.distinct("never", set)?);
        }
        Ok(rules)
    }

    fn check_shape(&self, entries: usize) -> Result<(), SearchFailure> {
        let invalid = |field, detail| Err(SearchFailure::Invalid { field, detail });
        if self.roster_size == 0 {
            return invalid("roster_size", "a lineup needs at least one place".to_owned());
        }
        if entries > ENTRIES_MAX {
            return invalid("slate", format!("the slate has {entries} entries, at most {ENTRIES_MAX} can be searched"));
        }
        if self.salary_usd.len() != entries || self.names.len() != entries {
            let (salaries, names) = (self.salary_usd.len(), self.names.len());
            return invalid("slate", format!("{salaries} salaries and {names} names for {entries} columns of points"));
        }
        Ok(())
    }

    fn distinct(&self, field: &'static str, list: &[u16]) -> Result<Vec<u16>, SearchFailure> {
        let entries = self.salary_usd.len();
        if let Some(entry) = list.iter().find(|&&entry| usize::from(entry) >= entries) {
            return Err(SearchFailure::Invalid {
                field,
                detail: format!("entry {entry} is not on the slate, which has {entries}"),
            });
        }
        let mut distinct = list.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        Ok(distinct)
    }

    fn check_places(&self, locks: &[u16], excludes: &[u16]) -> Result<(), Infeasible> {
        let roster_size = self.roster_size;
        if let Some(&entry) = locks.iter().find(|entry| excludes.contains(entry)) {
            return Err(Infeasible::LockedAndExcluded { name: self.names[usize::from(entry)].clone() });
        }
        if locks.len() > roster_size {
            return Err(Infeasible::MoreLocksThanPlaces { locks: locks.len(), roster_size });
        }
        let available = self.salary_usd.len() - excludes.len();
        if available < roster_size {
            return Err(Infeasible::TooFewDrivers { available, roster_size });
        }
        Ok(())
    }

    /// `free` is sorted by descending salary.
    fn check_salaries(&self, locks: &[u16], free: &[u16]) -> Result<(), Infeasible> {
        let (floor_usd, cap_usd) = (u64::from(self.salary_min_usd), u64::from(self.salary_max_usd));
        if floor_usd > cap_usd {
            return Err(Infeasible::FloorAboveCap { floor_usd, cap_usd });
        }
        let cost_usd = self.cost(locks);
        if cost_usd > cap_usd {
            return Err(Infeasible::LocksAboveCap { cost_usd, cap_usd });
        }
        let cheapest_usd = self.cheapest(locks, free);
        if cheapest_usd > cap_usd {
            let removable_locks = self.removable(locks, free, |rest, free| self.cheapest(rest, free) <= cap_usd);
            return Err(Infeasible::CheapestAboveCap { locks: locks.len(), cheapest_usd, cap_usd, removable_locks });
        }
        let dearest_usd = self.dearest(locks, free);
        if dearest_usd < floor_usd {
            let removable_locks = self.removable(locks, free, |rest, free| self.dearest(rest, free) >= floor_usd);
            return Err(Infeasible::DearestBelowFloor { locks: locks.len(), dearest_usd, floor_usd, removable_locks });
        }
        self.check_window(locks, free)
    }

    /// Both ends of the salary range are within reach; only a combination of drivers can tell whether anything lies between.
    fn check_window(&self, locks: &[u16], free: &[u16]) -> Result<(), Infeasible> {
        let (floor_usd, cap_usd) = (u64::from(self.salary_min_usd), u64::from(self.salary_max_usd));
        if floor_usd <= self.cheapest(locks, free) || cap_usd >= self.dearest(locks, free) {
            return Ok(());
        }
        let nearest = |aim| self.extreme_salary(locks, free, aim);
        match (nearest(Aim::DearestUpTo(cap_usd)), nearest(Aim::CheapestFrom(floor_usd))) {
            (Some(below_usd), Some(above_usd)) if below_usd < floor_usd => {
                Err(Infeasible::NothingBetween { locks: locks.len(), floor_usd, cap_usd, below_usd, above_usd })
            }
            _ => Ok(()),
        }
    }

    /// The dearest lineup up to a salary, or the cheapest from one on, as a small integer program.
    fn extreme_salary(&self, locks: &[u16], free: &[u16], aim: Aim) -> Option<u64> {
        let mut variables = ProblemVariables::new();
        let picks: Vec<Variable> = free.iter().map(|_| variables.add(variable().binary())).collect();
        let count: Expression = picks.iter().sum();
        let locked_usd = self.cost(locks) as f64;
        let salary = || -> Expression {
            let parts = picks.iter().zip(free).map(|(&pick, &entry)| self.salary(entry) as f64 * pick);
            parts.sum::<Expression>() + locked_usd
        };
        let places = (self.roster_size - locks.len()) as f64;
        let solution = match aim {
            Aim::DearestUpTo(most_usd) => variables
                .maximise(salary())
                .using(solver)
                .with(salary().leq(most_usd as f64))
                .with(count.eq(places))
                .solve(),
            Aim::CheapestFrom(least_usd) => variables
                .minimise(salary())
                .using(solver)
                .with(salary().geq(least_usd as f64))
                .with(count.eq(places))
                .solve(),
        };
        let solution = solution.ok()?;
        let picked = picks.iter().zip(free).filter(|(pick, _)| solution.value(**pick) > 0.5);
        Some(self.cost(locks) + picked.map(|(_, &entry)| self.salary(entry)).sum::<u64>())
    }

    fn salary(&self, entry: u16) -> u64 {
        u64::from(self.salary_usd[usize::from(entry)])
    }

    fn cost(&self, entries: &[u16]) -> u64 {
        entries.iter().map(|&entry| self.salary(entry)).sum()
    }

    fn cheapest(&self, locks: &[u16], free: &[u16]) -> u64 {
        self.cost(locks) + self.cost(&free[free.len() - (self.roster_size - locks.len())..])
    }

    fn dearest(&self, locks: &[u16], free: &[u16]) -> u64 {
        self.cost(locks) + self.cost(&free[..self.roster_size - locks.len()])
    }

    /// Names of the locks of whom each alone, once free to pick, makes `is_solved` true of the other locks and free entries.
    fn removable(&self, locks: &[u16], free: &[u16], is_solved: impl Fn(&[u16], &[u16]) -> bool) -> Vec<String> {
        let solves = |lock: u16| {
            let rest: Vec<u16> = locks.iter().copied().filter(|&other| other != lock).collect();
            let mut free = free.to_vec();
            let place = free.partition_point(|&entry| self.salary(entry) >= self.salary(lock));
            free.insert(place, lock);
            is_solved(&rest, &free)
        };
        let removable = locks.iter().filter(|&&lock| solves(lock));
        removable.map(|&lock| self.names[usize::from(lock)].clone()).collect()
    }
}

/// What an extreme lineup is asked for, in contest dollars.
#[derive(Debug, Clone, Copy)]
enum Aim {
    DearestUpTo(u64),
    CheapestFrom(u64),
}

impl SearchSpace {
    /// The reason to give where the search itself finds nothing although the checks passed.
    pub(super) fn nothing_between(&self) -> Infeasible {
        if !self.never.is_empty() {
            return Infeasible::NothingUncut { sets: self.never.len() };
        }
        if let Some(conflict) = conflict(self).filter(|_| !self.rules.is_empty() || !self.twins.is_empty()) {
            return conflict;
        }
        let salaries = || self.salary_usd.iter().map(|&salary| u64::from(salary));
        Infeasible::NothingBetween {
            locks: self.locks.len(),
            floor_usd: u64::from(self.salary_min_usd),
            cap_usd: u64::from(self.salary_max_usd),
            below_usd: 0,
            above_usd: salaries().sum(),
        }
    }
}
