//! What a chain's checkpoint holds: the guest's own state, the draws taken so far, and what they have cost. Bytes only, no I/O.

use serde::{Deserialize, Serialize};

use crate::domain::plugin::Usage;

/// Format of the bytes; raised when the layout below changes.
const MAGIC: &[u8; 8] = b"pdkchn01";

/// A checkpoint that cannot be read. The task starts from the beginning then; the result is the same, only later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chain's checkpoint is not readable: {0}")]
pub struct InvalidChainState(&'static str);

/// How far a chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainPlace {
    /// Iterations done, warm-up included.
    pub iterations_done: u32,
    /// Iterations of the whole chain.
    pub iterations_total: u32,
}

/// The part of a checkpoint that is neither the guest's nor draws.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ChainCost {
    /// Where the chain stands, so that a guest cannot go on from elsewhere; earlier checkpoints do not say.
    #[serde(default)]
    pub place: Option<ChainPlace>,
    /// What the guest has cost up to here, over all attempts that led here.
    pub usage: Usage,
    /// Wall time up to here in milliseconds, likewise.
    pub wall_ms: f64,
}

/// A chain between two steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChainState {
    /// Cost so far.
    pub cost: ChainCost,
    /// The guest's checkpoint.
    pub guest: Vec<u8>,
    /// Draws taken so far, `[draws][columns]`, row-major.
    pub draws: Vec<f64>,
}

impl ChainState {
    /// The state as bytes: magic, three lengths (u64 little-endian), cost as JSON, guest bytes, draws as little-endian doubles.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let cost = serde_json::json!(self.cost).to_string();
        let mut bytes = Vec::with_capacity(32 + cost.len() + self.guest.len() + self.draws.len() * 8);
        bytes.extend_from_slice(MAGIC);
        for length in [cost.len(), self.guest.len(), self.draws.len()] {
            bytes.extend_from_slice(&(length as u64).to_le_bytes());
        }
        bytes.extend_from_slice(cost.as_bytes());
        bytes.extend_from_slice(&self.guest);
        bytes.extend_from_slice(&doubles_to_bytes(&self.draws));
        bytes
    }

    /// Reads what [`ChainState::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`InvalidChainState`] where the bytes are something else or break off.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidChainState> {
        let broken = InvalidChainState("it breaks off");
        let rest = bytes.strip_prefix(MAGIC).ok_or(InvalidChainState("it has another format"))?;
        let (lengths, rest) = rest.split_at_checked(24).ok_or(broken)?;
        let length = |index: usize| -> Option<usize> {
            let word: [u8; 8] = lengths[index * 8..index * 8 + 8].try_into().ok()?;
            usize::try_from(u64::from_le_bytes(word)).ok()
        };
        let (cost, rest) = rest.split_at_checked(length(0).ok_or(broken)?).ok_or(broken)?;
        let (guest, draws) = rest.split_at_checked(length(1).ok_or(broken)?).ok_or(broken)?;
        if length(2).and_then(|count| count.checked_mul(8)) != Some(draws.len()) {
            return Err(broken);
        }
        Ok(Self {
            cost: serde_json::from_slice(cost).map_err(|_| InvalidChainState("its cost is not readable"))?,
            guest: guest.to_vec(),
            draws: doubles_from_bytes(draws),
        })
    }
}

/// Doubles as little-endian bytes.
#[must_use]
pub fn doubles_to_bytes(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Doubles from little-endian bytes; bytes past the last whole double are left out.
#[must_use]
pub fn doubles_from_bytes(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<8>().0.iter().map(|word| f64::from_le_bytes(*word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> ChainState {
        let usage = Usage { fuel: 7, cpu_ms: 1.5, memory_peak_bytes: 9, calls: 2, copied_bytes: 3 };
        let place = Some(ChainPlace { iterations_done: 5, iterations_total: 9 });
        let cost = ChainCost { place, usage, wall_ms: 12.25 };
        ChainState { cost, guest: vec![1, 2, 3], draws: vec![0.1, -0.0, f64::MAX, 1e-300] }
    }

    #[test]
    fn a_chain_state_survives_the_round_trip_bit_for_bit() {
        let bytes = state().to_bytes();
        let restored = ChainState::from_bytes(&bytes).unwrap();
        assert_eq!(restored, state());
        assert_eq!(restored.draws[1].to_bits(), (-0.0_f64).to_bits());
    }

    #[test]
    fn a_truncated_or_foreign_state_is_refused_at_every_length() {
        let bytes = state().to_bytes();
        for length in 0..bytes.len() {
            assert!(ChainState::from_bytes(&bytes[..length]).is_err(), "{length} bytes were accepted");
        }
        let mut foreign = bytes;
        foreign[7] = b'2';
        assert!(ChainState::from_bytes(&foreign).is_err());
    }
}
