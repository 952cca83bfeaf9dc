//! Hashes of what components of a task made. Where those of two runs agree, the runs made the same.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::{hex::hex, scenario::ScenarioBlock};

/// What a component made in one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// `name@version` of a plugin, or what the host calls its own work.
    pub component: String,
    /// SHA-256 of it, 64 hexadecimal digits.
    pub hash: String,
}

impl Made {
    /// Something that has been hashed.
    pub fn new(component: &str, hash: impl Into<String>) -> Self {
        Self { component: component.to_owned(), hash: hash.into() }
    }
}

/// A hash of what a component makes call by call.
#[derive(Debug, Clone, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Takes in scenarios, column by column, as little-endian integers.
    pub fn scenarios(&mut self, block: &ScenarioBlock) {
        for column in [&block.finish, &block.laps_led, &block.fastest_laps, &block.laps_completed] {
            let bytes: Vec<u8> = column.iter().flat_map(|cell| cell.to_le_bytes()).collect();
            self.bytes(&bytes);
        }
        self.bytes(&block.retired);
    }

    /// Takes in bytes, for example verdicts.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// What it has come to.
    #[must_use]
    pub fn made_by(self, component: &str) -> Made {
        Made::new(component, hex(self.0.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(block: &ScenarioBlock) -> Made {
        let mut digest = Digest::default();
        digest.scenarios(block);
        digest.made_by("generator@1.0.0")
    }

    #[test]
    fn every_column_counts() {
        let block = ScenarioBlock {
            scenarios: 1,
            entries: 2,
            finish: vec![1, 2],
            laps_led: vec![3, 0],
            fastest_laps: vec![2, 1],
            laps_completed: vec![3, 3],
            retired: vec![0, 0],
        };
        let whole = hash_of(&block);
        assert_eq!(hash_of(&block.clone()), whole);
        let changes: [fn(&mut ScenarioBlock); 5] = [
            |block| block.finish.swap(0, 1),
            |block| block.laps_led[0] = 4,
            |block| block.fastest_laps[0] = 256,
            |block| block.laps_completed[1] = 2,
            |block| block.retired[1] = 1,
        ];
        for change in changes {
            let mut other = block.clone();
            change(&mut other);
            assert_ne!(hash_of(&other), whole);
        }
    }
}
