//! The packets of SFTP version 3, as OpenSSH speaks it (draft-ietf-secsh-filexfer-02).

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

pub(super) const INIT: u8 = 1;
pub(super) const VERSION: u8 = 2;
pub(super) const OPEN: u8 = 3;
pub(super) const CLOSE: u8 = 4;
pub(super) const READ: u8 = 5;
pub(super) const WRITE: u8 = 6;
pub(super) const FSTAT: u8 = 8;
pub(super) const OPENDIR: u8 = 11;
pub(super) const READDIR: u8 = 12;
pub(super) const REMOVE: u8 = 13;
pub(super) const MKDIR: u8 = 14;
pub(super) const RMDIR: u8 = 15;
pub(super) const STAT: u8 = 17;
pub(super) const RENAME: u8 = 18;
pub(super) const STATUS: u8 = 101;
pub(super) const HANDLE: u8 = 102;
pub(super) const DATA: u8 = 103;
pub(super) const NAME: u8 = 104;
pub(super) const ATTRIBUTES: u8 = 105;
pub(super) const EXTENDED: u8 = 200;

/// For reading.
pub(super) const FOR_READING: u32 = 1;
/// For writing a file that is new: write, create, exclusive.
pub(super) const FOR_CREATING: u32 = 2 | 8 | 32;

/// The longest packet that is taken; OpenSSH sends at most 256 KiB.
pub(super) const MOST_PACKET_BYTES: usize = 1 << 20;

/// What the other side said by a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Done,
    End,
    NoSuchFile,
    Denied,
    Failure,
    Unsupported,
    Other,
}

/// Builds the body of a request.
#[derive(Debug, Default)]
pub(super) struct Packet(BytesMut);

impl Packet {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn number(mut self, number: u32) -> Self {
        self.0.put_u32(number);
        self
    }

    pub(super) fn long(mut self, number: u64) -> Self {
        self.0.put_u64(number);
        self
    }

    pub(super) fn text(mut self, bytes: &[u8]) -> Self {
        self.0.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.0.put_slice(bytes);
        self
    }

    /// The whole packet with its length, kind and number.
    pub(super) fn finish(self, kind: u8, id: u32) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.0.len() + 9);
        whole.put_u32(u32::try_from(self.0.len() + 5).unwrap_or(u32::MAX));
        whole.put_u8(kind);
        whole.put_u32(id);
        whole.put_slice(&self.0);
        whole.freeze()
    }
}

/// What is known about a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) length_bytes: u64,
    pub(super) modified_seconds: Option<u32>,
    pub(super) is_folder: bool,
    pub(super) is_file: bool,
}

/// Reads the body of an answer; every step answers nothing when the packet ends early.
#[derive(Debug)]
pub(super) struct Fields(pub(super) Bytes);

impl Fields {
    pub(super) fn number(&mut self) -> Option<u32> {
        (self.0.remaining() >= 4).then(|| self.0.get_u32())
    }

    fn long(&mut self) -> Option<u64> {
        (self.0.remaining() >= 8).then(|| self.0.get_u64())
    }

    pub(super) fn text(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.number()?).ok()?;
        (self.0.remaining() >= length).then(|| self.0.split_to(length))
    }

    pub(super) fn status(&mut self) -> Option<Status> {
        Some(match self.number()? {
            0 => Status::Done,
            1 => Status::End,
            2 => Status::NoSuchFile,
            3 => Status::Denied,
            4 => Status::Failure,
            8 => Status::Unsupported,
            _ => Status::Other,
        })
    }

    pub(super) fn attributes(&mut self) -> Option<Attributes> {
        const KIND: u32 = 0o170_000;
        let flags = self.number()?;
        let mut attributes = Attributes::default();
        if flags & 1 != 0 {
            attributes.length_bytes = self.long()?;
        }
        if flags & 2 != 0 {
            self.long()?;
        }
        if flags & 4 != 0 {
            let kind = self.number()? & KIND;
            attributes.is_folder = kind == 0o040_000;
            attributes.is_file = kind == 0o100_000;
        }
        if flags & 8 != 0 {
            self.number()?;
            attributes.modified_seconds = Some(self.number()?);
        }
        if flags & 0x8000_0000 != 0 {
            for _ in 0..self.number()? {
                self.text()?;
                self.text()?;
            }
        }
        Some(attributes)
    }

    /// The entries of an answer of kind [`NAME`].
    pub(super) fn names(&mut self) -> Option<Vec<(Bytes, Attributes)>> {
        let count = self.number()?;
        let mut names = Vec::new();
        for _ in 0..count {
            let name = self.text()?;
            self.text()?;
            names.push((name, self.attributes()?));
        }
        Some(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_refused() {
        let packet = Packet::new().number(7).long(9).text(b"name").finish(WRITE, 3);
        assert_eq!(packet.len(), 4 + 5 + 4 + 8 + 8);
        let mut fields = Fields(packet.slice(9..));
        assert_eq!(
            (fields.number(), fields.long(), fields.text().as_deref()),
            (Some(7), Some(9), Some(b"name".as_slice()))
        );
        assert_eq!(fields.number(), None);
        let mut cut = Fields(Bytes::from_static(&[0, 0, 0, 9, 1]));
        assert_eq!(cut.text(), None);
        let mut endless = Fields(Bytes::from_static(&[0xff; 4]));
        assert_eq!(endless.names(), None);
    }
}
