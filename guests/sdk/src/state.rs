//! Checkpoint bytes: little-endian, length-checked, no self-description. A reader never trusts a length it finds.

use crate::Refusal;

/// Appends values to a checkpoint.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty checkpoint.
    pub fn new() -> Self {
        Self::default()
    }

    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Bit-exact, so that a restored chain continues as if never stopped.
    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    /// A length, then the values.
    pub fn f64_list(&mut self, values: &[f64]) {
        self.u32(values.len() as u32);
        for &value in values {
            self.f64(value);
        }
    }

    /// The finished bytes.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads values back in the order they were written.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let (head, tail) = self.bytes.split_first_chunk::<N>().ok_or_else(|| foreign("it ends early"))?;
        self.bytes = tail;
        Ok(*head)
    }

    /// # Errors
    /// [`Refusal::ForeignCheckpoint`] when the bytes end early.
    pub fn u8(&mut self) -> Result<u8, Refusal> {
        self.take::<1>().map(|[byte]| byte)
    }

    /// # Errors
    /// [`Refusal::ForeignCheckpoint`] when the bytes end early.
    pub fn u32(&mut self) -> Result<u32, Refusal> {
        self.take().map(u32::from_le_bytes)
    }

    /// # Errors
    /// [`Refusal::ForeignCheckpoint`] when the bytes end early.
    pub fn u64(&mut self) -> Result<u64, Refusal> {
        self.take().map(u64::from_le_bytes)
    }

    /// # Errors
    /// [`Refusal::ForeignCheckpoint`] when the bytes end early.
    pub fn f64(&mut self) -> Result<f64, Refusal> {
        self.u64().map(f64::from_bits)
    }

    /// A list of any length.
    ///
    /// # Errors
    /// [`Refusal::ForeignCheckpoint`] when the bytes end before the list does.
    pub fn f64_list(&mut self) -> Result<Vec<f64>, Refusal> {
        let length = self.u32()? as usize;
        if length > self.bytes.len() / 8 {
            return Err(foreign("a list is longer than the bytes that are left"));
        }
        (0..length).map(|_| self.f64()).collect()
    }

    /// A list that must have `length` elements.
    ///
    /// # Errors
    /// [`Refusal::ForeignCheckpoint`] when it has not.
    pub fn f64_list_of(&mut self, length: usize) -> Result<Vec<f64>, Refusal> {
        let values = self.f64_list()?;
        if values.len() == length {
            Ok(values)
        } else {
            Err(foreign("a list has another length than this input needs"))
        }
    }

    /// Checks that nothing is left over.
    ///
    /// # Errors
    /// [`Refusal::ForeignCheckpoint`] when bytes remain.
    pub fn end(&self) -> Result<(), Refusal> {
        if self.bytes.is_empty() { Ok(()) } else { Err(foreign("it has bytes left over")) }
    }
}

/// A refusal of a checkpoint, with the reason.
pub fn foreign(reason: &str) -> Refusal {
    Refusal::ForeignCheckpoint(format!("the checkpoint cannot be continued: {reason}; start the chain afresh"))
}

/// A 64-bit FNV-1a hash over a chain's inputs, kept in a checkpoint so that it is only continued with the same ones. Guards
/// against mistakes, not against forgery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    pub fn bytes(&mut self, bytes: &[u8]) {
        // The length goes first, so that two neighbouring lists cannot trade elements unseen.
        for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Each value is anything that turns into a `u64` without loss; use `f64::to_bits` for floats.
    pub fn list<T: Copy + Into<u64>>(&mut self, values: &[T]) {
        let bytes: Vec<u8> = values.iter().flat_map(|&value| value.into().to_le_bytes()).collect();
        self.bytes(&bytes);
    }

    /// The hash of everything so far.
    pub fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_bit_for_bit() {
        let mut out = Writer::new();
        out.u8(7);
        out.u32(u32::MAX);
        out.f64(-0.0);
        out.f64_list(&[1.5, f64::MIN_POSITIVE]);
        let bytes = out.finish();
        let mut from = Reader::new(&bytes);
        assert_eq!((from.u8(), from.u32()), (Ok(7), Ok(u32::MAX)));
        assert_eq!(from.f64().map(f64::to_bits), Ok((-0.0f64).to_bits()));
        assert_eq!(from.f64_list_of(2), Ok(vec![1.5, f64::MIN_POSITIVE]));
        assert_eq!(from.end(), Ok(()));
    }

    #[test]
    fn a_cut_or_padded_checkpoint_is_refused() {
        let mut out = Writer::new();
        out.f64_list(&[1.0, 2.0]);
        let bytes = out.finish();
        assert!(matches!(Reader::new(&bytes[..bytes.len() - 1]).f64_list(), Err(Refusal::ForeignCheckpoint(_))));
        assert!(Reader::new(&[255; 4]).f64_list().is_err(), "a huge length must not be believed");
        assert!(Reader::new(&bytes).end().is_err());
    }

    #[test]
    fn a_fingerprint_sees_where_lists_end() {
        let of = |lists: &[&[u32]]| {
            let mut fingerprint = Fingerprint::default();
            lists.iter().for_each(|list| fingerprint.list(list));
            fingerprint.value()
        };
        assert_ne!(of(&[&[1, 2], &[3]]), of(&[&[1], &[2, 3]]));
    }
}
