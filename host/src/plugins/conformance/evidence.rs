//! What a run handed over, and where two of them first differ.

use std::fmt;

use crate::domain::{model::Parameter, scenario::ScenarioBlock};

/// What a plugin of one of the worlds returned over a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence {
    /// A calibrator's chain.
    Chain(ChainEvidence),
    /// A generator's scenarios, by number.
    Scenarios(ScenarioBlock),
    /// A constraint's verdicts, empty for what it does not judge.
    Verdicts {
        /// One per scenario.
        scenarios: Vec<u8>,
        /// One per lineup.
        lineups: Vec<u8>,
    },
}

/// What a chain returned.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChainEvidence {
    /// Its posterior layout.
    pub layout: Vec<Parameter>,
    /// Iterations done.
    pub iterations: u32,
    /// Iterations of the whole chain.
    pub iterations_total: u32,
    /// Divergent transitions and gradient evaluations so far.
    pub counts: (u32, u64),
    /// Draws, shape `[draws][columns]`.
    pub values: Vec<f64>,
    /// The checkpoint after the last step, where the run took one.
    pub checkpoint: Option<Vec<u8>>,
}

impl Evidence {
    /// How much there is, for people.
    pub fn amount(&self) -> String {
        match self {
            Self::Chain(chain) => {
                let columns: usize = chain.layout.iter().map(Parameter::columns).sum();
                let draws = chain.values.len() / columns.max(1);
                format!("{} iterations, {draws} draws of {columns} columns", chain.iterations)
            }
            Self::Scenarios(block) => format!("{} scenarios of {} entries", block.scenarios, block.entries),
            Self::Verdicts { scenarios, lineups } => {
                let vetoed = scenarios.iter().chain(lineups).filter(|verdict| **verdict != 0).count();
                format!("{} scenarios and {} lineups judged, {vetoed} vetoed", scenarios.len(), lineups.len())
            }
        }
    }

    /// Where `self` and `other` differ first; `None` where they are the same bits.
    pub fn first_difference(&self, other: &Self) -> Option<String> {
        match (self, other) {
            (Self::Chain(one), Self::Chain(other)) => one.first_difference(other),
            (Self::Scenarios(one), Self::Scenarios(other)) => scenario_difference(one, other),
            (
                Self::Verdicts { scenarios, lineups },
                Self::Verdicts { scenarios: other_scenarios, lineups: other_lineups },
            ) => list_difference("the verdict on scenario", scenarios, other_scenarios)
                .or_else(|| list_difference("the verdict on lineup", lineups, other_lineups)),
            _ => Some("the runs are of different worlds".to_owned()),
        }
    }
}

impl ChainEvidence {
    fn first_difference(&self, other: &Self) -> Option<String> {
        if self.layout != other.layout {
            return Some("the posterior layouts differ".to_owned());
        }
        if (self.iterations, self.counts) != (other.iterations, other.counts) {
            let counts = |chain: &Self| {
                format!("{} iterations, {} divergences, {} gradients", chain.iterations, chain.counts.0, chain.counts.1)
            };
            return Some(format!("{} in one run, {} in the other", counts(self), counts(other)));
        }
        let columns = self.layout.iter().map(Parameter::columns).sum();
        let bits = |chain: &Self| chain.values.iter().map(|&value| Bits(value)).collect::<Vec<Bits>>();
        if let Some(difference) = cell_difference("draws", &bits(self), &bits(other), columns) {
            return Some(difference);
        }
        match (&self.checkpoint, &other.checkpoint) {
            (Some(one), Some(other)) => list_difference("checkpoint byte", one, other),
            _ => None,
        }
    }
}

/// A number that equals only its own bits: zero is not negative zero.
struct Bits(f64);

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

fn scenario_difference(one: &ScenarioBlock, other: &ScenarioBlock) -> Option<String> {
    let entries = one.entries;
    cell_difference("finish", &one.finish, &other.finish, entries)
        .or_else(|| cell_difference("laps-led", &one.laps_led, &other.laps_led, entries))
        .or_else(|| cell_difference("fastest-laps", &one.fastest_laps, &other.fastest_laps, entries))
        .or_else(|| cell_difference("laps-completed", &one.laps_completed, &other.laps_completed, entries))
        .or_else(|| cell_difference("retired", &one.retired, &other.retired, entries))
}

fn list_difference<T: PartialEq + ToString>(what: &str, one: &[T], other: &[T]) -> Option<String> {
    if one.len() != other.len() {
        return Some(format!("{what}: {} in one run, {} in the other", one.len(), other.len()));
    }
    let index = one.iter().zip(other).position(|(one, other)| one != other)?;
    let (one, other) = (one[index].to_string(), other[index].to_string());
    Some(format!("{what} {index} is {one} in one run and {other} in the other"))
}

fn cell_difference<T: PartialEq + ToString>(place: &str, one: &[T], other: &[T], columns: usize) -> Option<String> {
    if one.len() != other.len() {
        return Some(format!("length of {place} is {} in one run and {} in the other", one.len(), other.len()));
    }
    let index = one.iter().zip(other).position(|(one, other)| one != other)?;
    let (row, column) = (index / columns.max(1), index % columns.max(1));
    let (one, other) = (one[index].to_string(), other[index].to_string());
    Some(format!("{place}[{row}][{column}] is {one} in one run and {other} in the other"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(values: &[f64], checkpoint: Option<&[u8]>) -> Evidence {
        let layout = vec![Parameter { name: "strength".to_owned(), shape: vec![2], is_main: true }];
        Evidence::Chain(ChainEvidence {
            layout,
            values: values.to_vec(),
            checkpoint: checkpoint.map(<[u8]>::to_vec),
            ..ChainEvidence::default()
        })
    }

    /// No guest can make the host see two different fresh runs, so this is shown on made-up ones.
    #[test]
    fn runs_that_differ_in_one_bit_are_told_apart_with_the_place() {
        let one = chain(&[0.0, 1.0, 2.0, 3.0], None);
        assert_eq!(one.first_difference(&one), None);
        let found = one.first_difference(&chain(&[0.0, 1.0, 2.0, 3.5], None)).unwrap();
        assert!(found.starts_with("draws[1][1] is 3 in one run"), "{found}");
        let found = one.first_difference(&chain(&[0.0, 1.0], None)).unwrap();
        assert!(found.contains("length of draws"), "{found}");
        let with = |bytes: &[u8]| chain(&[], Some(bytes));
        assert!(with(&[1, 2]).first_difference(&with(&[1, 3])).unwrap().contains("checkpoint byte 1"));
        assert_eq!(with(&[1, 2]).first_difference(&chain(&[], None)), None);
        let verdicts = |lineups: &[u8]| Evidence::Verdicts { scenarios: vec![0], lineups: lineups.to_vec() };
        let found = verdicts(&[0, 1]).first_difference(&verdicts(&[0, 2])).unwrap();
        assert!(found.starts_with("the verdict on lineup 1 is 1"), "{found}");
    }

    #[test]
    fn negative_zero_is_not_zero() {
        assert!(chain(&[0.0, 0.0], None).first_difference(&chain(&[0.0, -0.0], None)).is_some());
    }
}
