//! Fixed binary layouts: big-endian integers, raw arrays, length-prefixed strings. One way to write each
//! value, so decoding and encoding again gives the same bytes. Spec: sl1.md §1.1.

use crate::error::Fault;

/// Appends fields.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(self, value: u8) -> Self {
        self.raw(&[value])
    }

    pub(crate) fn u16(self, value: u16) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(crate) fn u64(self, value: u64) -> Self {
        self.raw(&value.to_be_bytes())
    }

    /// A `u32` length, then the bytes.
    pub(crate) fn prefixed(self, bytes: &[u8]) -> Self {
        let length = length_u32(bytes);
        self.u32(length).raw(bytes)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[expect(clippy::expect_used, reason = "fields of this crate are names, keys and lists, all far below 4 GiB")]
pub(crate) fn length_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("BUG: a field below 4 GiB")
}

/// Takes fields off the front; every method fails with [`Fault::Truncated`] when the bytes end.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn raw(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(Fault::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Fault::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Fault> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A `u32` length of at most `limit`, then that many bytes.
    pub(crate) fn prefixed(&mut self, limit: usize) -> Result<&'a [u8], Fault> {
        let length = self.u32()? as usize;
        if length > limit {
            return Err(Fault::TooLarge);
        }
        self.raw(length)
    }

    pub(crate) fn magic(&mut self, magic: &[u8; 4]) -> Result<(), Fault> {
        if self.array::<4>()? == *magic { Ok(()) } else { Err(Fault::BadMagic) }
    }

    pub(crate) fn rest(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn finish(self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::TrailingBytes) }
    }
}
