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
