//! Floats as sortable integers that carry an index: sorting cars by a score without an indirection per comparison.

/// Low bits of a key that hold the index.
const INDEX_BITS: u32 = 7;

/// A key that sorts as `value` (finite) does and carries `index` (0..128) in its low bits. Values closer than 2^-45 of their
/// size tie, and the higher index sorts above.
pub fn ascending_key(value: f64, index: usize) -> u64 {
    let bits = value.to_bits();
    // Negative floats sort in reverse as integers: flip all their bits, and only the sign of the others.
    let ordered = bits ^ (((bits as i64 >> 63) as u64) | 1 << 63);
    (ordered >> INDEX_BITS << INDEX_BITS) | index as u64
}

/// The index in a key.
pub fn index_of(key: u64) -> usize {
    (key & ((1 << INDEX_BITS) - 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_values_and_carry_the_index() {
        let values = [-1e6, -3.5, -1e-9, 0.0, 1e-9, 2.0, 3.0, 2e6];
        let keys: Vec<u64> = values.iter().enumerate().map(|(index, &value)| ascending_key(value, index)).collect();
        assert!(keys.is_sorted());
        assert!(keys.iter().enumerate().all(|(index, &key)| index_of(key) == index));
    }
}
