//! Which scenarios of a batch survive a list of constraints, and which reason each of the others was vetoed for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Vetoes counted by plugin label, then by reason code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct VetoCounts(pub BTreeMap<String, BTreeMap<String, u64>>);

impl VetoCounts {
    /// Counts one veto.
    pub fn count(&mut self, plugin: &str, reason: &str) {
        *self.0.entry(plugin.to_owned()).or_default().entry(reason.to_owned()).or_default() += 1;
    }

    /// Adds the counts of another batch.
    pub fn add(&mut self, other: &Self) {
        for (plugin, reasons) in &other.0 {
            let mine = self.0.entry(plugin.clone()).or_default();
            for (reason, count) in reasons {
                *mine.entry(reason.clone()).or_default() += count;
            }
        }
    }

    /// All vetoes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().flat_map(BTreeMap::values).sum()
    }
}

/// Joins one constraint's verdicts into those of the constraints before it: the first veto of a scenario stands.
///
/// `first` holds for every scenario the constraint (from 1) and reason that vetoed it, or zeros.
pub fn merge_verdicts(first: &mut [(u16, u8)], constraint: usize, verdicts: &[u8]) {
    for (slot, &verdict) in first.iter_mut().zip(verdicts) {
        if slot.1 == 0 && verdict != 0 {
            *slot = (constraint as u16 + 1, verdict);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_counts_under_the_first_constraint_that_vetoes_it() {
        let mut first = vec![(0, 0); 3];
        merge_verdicts(&mut first, 0, &[0, 2, 0]);
        merge_verdicts(&mut first, 1, &[1, 1, 0]);
        assert_eq!(first, [(2, 1), (1, 2), (0, 0)]);
    }

    #[test]
    fn counts_add_up_over_batches() {
        let mut counts = VetoCounts::default();
        counts.count("physics@1.0.0", "no-leader");
        let mut other = VetoCounts::default();
        other.count("physics@1.0.0", "no-leader");
        other.count("physics@1.0.0", "too-many-out");
        counts.add(&other);
        assert_eq!(counts.total(), 3);
        assert_eq!(counts.0["physics@1.0.0"]["no-leader"], 2);
    }
}
