//! What a lineup must satisfy beside places and salaries, as sets of bits: cheap enough to ask at every partial lineup.

use super::{answer::SearchFailure, space::ENTRIES_MAX};

/// Linear rules count in millionths, so that their sums are exact in any order.
const LINEAR_SCALE: f64 = 1e6;

/// Largest magnitude of a weight or bound of a linear rule: the sum of a whole slate stays far below 2^63.
pub const LINEAR_MAX: f64 = 1e10;

/// A rule, with the name by which reasons call it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What people call it.
    pub name: String,
    /// What it demands.
    pub demand: Demand,
}

/// What a rule demands of a lineup.
#[derive(Debug, Clone, PartialEq)]
pub enum Demand {
    /// At least and at most so many of these entries.
    Count {
        /// Slate entries.
        of: Vec<u16>,
        /// Fewest of them.
        at_least: u32,
        /// Most of them.
        at_most: u32,
    },
    /// A lineup with any of the one set has at least so many of the other; an entry of both counts for both.
    IfAny {
        /// Slate entries.
        any: Vec<u16>,
        /// Slate entries.
        then: Vec<u16>,
        /// Fewest of `then`.
        at_least: u32,
    },
    /// The weights of a lineup's entries sum to a number in a range, counted in millionths.
    Linear {
        /// One weight per slate entry.
        weights: Vec<f64>,
        /// Least sum.
        at_least: f64,
        /// Greatest sum.
        at_most: f64,
    },
}

/// What is never together with one entry, and with two.
#[derive(Debug, Clone)]
struct Never {
    alone: u128,
    with_one: Vec<u128>,
    /// By `larger * ENTRIES_MAX + smaller`.
    with_two: Vec<u128>,
}

impl Never {
    /// Entries that must not join this partial lineup.
    fn beside(&self, partial: u128) -> u128 {
        let mut beside = self.alone;
        let mut rest = partial;
        while rest != 0 {
            let one = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            beside |= self.with_one[one];
            let mut others = rest;
            while others != 0 {
                beside |= self.with_two[others.trailing_zeros() as usize * ENTRIES_MAX + one];
                others &= others - 1;
            }
        }
        beside
    }
}

/// Rules of a space, over sets of slate entries.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    counts: Vec<Count>,
    conditions: Vec<Condition>,
    linear: Vec<Linear>,
    never: Option<Box<Never>>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    of: u128,
    at_least: u32,
    at_most: u32,
}

#[derive(Debug, Clone, Copy)]
struct Condition {
    any: u128,
    then: u128,
    at_least: u32,
}

#[derive(Debug, Clone)]
struct Linear {
    weights: Vec<i64>,
    at_least: i64,
    at_most: i64,
}

impl Rules {
    /// The rules of a slate of `entries`.
    ///
    /// # Errors
    /// [`SearchFailure::Invalid`] where a rule names an entry that is not on the slate or has numbers out of range.
    pub fn new(rules: &[Rule], entries: usize) -> Result<Self, SearchFailure> {
        let mut compiled = Self::default();
        for rule in rules {
            let invalid =
                |detail: String| SearchFailure::Invalid { field: "rules", detail: format!("{}: {detail}", rule.name) };
            let set = |list: &[u16]| set_of(list, entries).map_err(invalid);
            match &rule.demand {
                Demand::Count { of, at_least, at_most } => {
                    compiled.counts.push(Count { of: set(of)?, at_least: *at_least, at_most: *at_most });
                }
                Demand::IfAny { any, then, at_least } => {
                    compiled.conditions.push(Condition { any: set(any)?, then: set(then)?, at_least: *at_least });
                }
                Demand::Linear { weights, at_least, at_most } => {
                    compiled.linear.push(Linear::new(weights, *at_least, *at_most, entries).map_err(invalid)?);
                }
            }
        }
        Ok(compiled)
    }

    /// Adds that one to three entries are never together in a lineup.
    pub fn never(&mut self, set: &[u16]) {
        let never = self.never.get_or_insert_with(|| {
            let (with_one, with_two) = (vec![0; ENTRIES_MAX], vec![0; ENTRIES_MAX * ENTRIES_MAX]);
            Box::new(Never { alone: 0, with_one, with_two })
        });
        let mut set: Vec<usize> = set.iter().map(|&entry| usize::from(entry)).collect();
        set.sort_unstable();
        match *set {
            [one] => never.alone |= 1 << one,
            [one, two] => {
                never.with_one[one] |= 1 << two;
                never.with_one[two] |= 1 << one;
            }
            [one, two, three] => {
                for (smaller, larger, third) in [(one, two, three), (one, three, two), (two, three, one)] {
                    never.with_two[larger * ENTRIES_MAX + smaller] |= 1 << third;
                }
            }
            _ => {}
        }
    }

    /// Adds that at least and at most so many of a set are in a lineup.
    pub fn count(&mut self, of: u128, at_least: u32, at_most: u32) {
        self.counts.push(Count { of, at_least, at_most });
    }

    /// Whether a whole lineup satisfies every rule.
    pub fn allow(&self, lineup: u128) -> bool {
        let counts = self.counts.iter().all(|rule| {
            let count = (lineup & rule.of).count_ones();
            rule.at_least <= count && count <= rule.at_most
        });
        let met = |rule: &Condition| lineup & rule.any == 0 || (lineup & rule.then).count_ones() >= rule.at_least;
        let is_kept_apart = self.never.as_ref().is_none_or(|never| never.beside(lineup) & lineup == 0);
        counts && is_kept_apart && self.conditions.iter().all(met) && self.linear.iter().all(|rule| rule.allows(lineup))
    }

    /// Whether a partial lineup may become one that is allowed, by `missing` more entries of the set `later`.
    pub fn leave_open(&self, partial: u128, later: u128, missing: u32) -> bool {
        let most = |of: u128| (partial & of).count_ones() + (later & of).count_ones().min(missing);
        let counts = self
            .counts
            .iter()
            .all(|rule| (partial & rule.of).count_ones() <= rule.at_most && most(rule.of) >= rule.at_least);
        let beside = self.never.as_ref().map_or(0, |never| never.beside(partial));
        let is_open = beside & partial == 0 && (later & !beside).count_ones() >= missing;
        is_open
            && counts
            && self.conditions.iter().all(|rule| partial & rule.any == 0 || most(rule.then) >= rule.at_least)
    }

    /// Entries that complete the partial lineup to one that is allowed, linear rules aside.
    pub fn last(&self, partial: u128) -> u128 {
        let beside = self.never.as_ref().map_or(0, |never| never.beside(partial));
        if beside & partial != 0 {
            return 0;
        }
        let mut allowed = !partial & !beside;
        for rule in &self.counts {
            let count = (partial & rule.of).count_ones();
            if count > rule.at_most || count + 1 < rule.at_least {
                return 0;
            }
            if count == rule.at_most {
                allowed &= !rule.of;
            }
            if count + 1 == rule.at_least {
                allowed &= rule.of;
            }
        }
        for rule in &self.conditions {
            let missing = rule.at_least.saturating_sub((partial & rule.then).count_ones());
            let helps = if missing == 1 { rule.then } else { 0 };
            allowed &= match (missing, partial & rule.any) {
                (0, _) => !0,
                (_, 0) => !rule.any | helps,
                _ => helps,
            };
        }
        allowed
    }

    /// Whether a whole lineup satisfies the linear rules.
    pub fn allow_sums(&self, lineup: u128) -> bool {
        self.linear.iter().all(|rule| rule.allows(lineup))
    }
}

impl Linear {
    fn new(weights: &[f64], at_least: f64, at_most: f64, entries: usize) -> Result<Self, String> {
        if weights.len() != entries {
            return Err(format!("{} weights for {entries} drivers", weights.len()));
        }
        match weights.iter().find(|weight| !(-LINEAR_MAX..=LINEAR_MAX).contains(*weight)) {
            Some(weight) => return Err(format!("the weight {weight} is not a number up to {LINEAR_MAX:e}")),
            None if at_least.is_nan() || at_most.is_nan() => return Err("a bound is not a number".to_owned()),
            None => {}
        }
        let scaled = |number: f64| (number * LINEAR_SCALE).round() as i64;
        let weights = weights.iter().map(|&weight| scaled(weight)).collect();
        Ok(Self { weights, at_least: scaled(at_least), at_most: scaled(at_most) })
    }

    fn allows(&self, lineup: u128) -> bool {
        let mut rest = lineup;
        let mut sum = 0;
        while rest != 0 {
            sum += self.weights[rest.trailing_zeros() as usize];
            rest &= rest - 1;
        }
        (self.at_least..=self.at_most).contains(&sum)
    }
}

fn set_of(list: &[u16], entries: usize) -> Result<u128, String> {
    match list.iter().find(|&&entry| usize::from(entry) >= entries) {
        Some(entry) => Err(format!("entry {entry} is not on the slate, which has {entries}")),
        None => Ok(list.iter().fold(0, |set, entry| set | 1 << entry)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(demands: Vec<Demand>) -> Rules {
        let named: Vec<Rule> = demands.into_iter().map(|demand| Rule { name: "test".to_owned(), demand }).collect();
        Rules::new(&named, 6).unwrap()
    }

    /// Every lineup of three of six entries that is allowed can be reached through `leave_open` and `last`, and no other.
    #[test]
    fn partial_answers_agree_with_the_whole() {
        let count = |of: &[u16], at_least, at_most| Demand::Count { of: of.to_vec(), at_least, at_most };
        let sets = [
            vec![count(&[0, 1, 2], 1, 2)],
            vec![count(&[3, 4], 2, 9), count(&[0], 0, 0)],
            vec![Demand::IfAny { any: vec![0, 3], then: vec![3, 4, 5], at_least: 2 }],
            vec![Demand::IfAny { any: vec![1], then: vec![2], at_least: 1 }, count(&[4, 5], 0, 1)],
        ];
        for rules in sets.map(rules) {
            for lineup in (0_u128..64).filter(|lineup| lineup.count_ones() == 3) {
                let last = 1 << (127 - lineup.leading_zeros());
                let partial = lineup & !last;
                assert_eq!(rules.last(partial) & last != 0, rules.allow(lineup), "{rules:?} {lineup:b}");
                if rules.allow(lineup) {
                    let first = 1 << lineup.trailing_zeros();
                    assert!(rules.leave_open(first, !(first | (first - 1)), 2), "{rules:?} {lineup:b}");
                }
            }
        }
    }

    #[test]
    fn what_is_never_together_is_told_of_parts_as_of_wholes() {
        let mut rules = Rules::default();
        let never: [&[u16]; 3] = [&[5], &[0, 1], &[1, 2, 3]];
        never.iter().for_each(|set| rules.never(set));
        for lineup in (0_u128..64).filter(|lineup| lineup.count_ones() == 3) {
            let has = |set: &&[u16]| set.iter().all(|entry| lineup >> entry & 1 == 1);
            assert_eq!(rules.allow(lineup), !never.iter().any(has), "{lineup:b}");
            let last = 1 << (127 - lineup.leading_zeros());
            assert_eq!(rules.last(lineup & !last) & last != 0, rules.allow(lineup), "{lineup:b}");
            assert!(!rules.allow(lineup) || rules.leave_open(lineup & !last, last, 1), "{lineup:b}");
        }
    }

    #[test]
    fn linear_sums_are_exact_and_bounds_may_be_infinite() {
        let weights = vec![0.1, 0.2, 0.3, 1.0, 1.0, 1.0];
        let rules = rules(vec![Demand::Linear { weights, at_least: f64::NEG_INFINITY, at_most: 0.6 }]);
        assert!(rules.allow(0b111) && !rules.allow(0b1011));
    }

    #[test]
    fn a_rule_about_a_strange_entry_is_refused_by_name() {
        let demand = Demand::Count { of: vec![9], at_least: 0, at_most: 1 };
        let failure = Rules::new(&[Rule { name: "my stack".to_owned(), demand }], 6).unwrap_err();
        assert!(failure.to_string().contains("my stack"), "{failure}");
    }
}
