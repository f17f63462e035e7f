//! Checksums that a place computed over the bytes it took, and the same computed here to compare them with.
//!
//! Invariant: a [`Checksum`] is only ever made of what the *place* says it computed, never of what this device or
//! another claimed when it sent the bytes. So "the checksum is that of these bytes" proves that the place received
//! exactly them. It does not prove that the place still has them: only reading them back does. Where a place keeps
//! a checksum that any writer could have claimed (`Content-MD5` of an Azure blob), none is told.
//!
//! Sources of the methods: Dropbox, *Content hash* (<https://www.dropbox.com/developers/reference/content-hash>);
//! Microsoft, *QuickXorHash* (<https://learn.microsoft.com/onedrive/developer/code-snippets/quickxorhash>);
//! CRC-64/NVME is what Amazon S3 and Azure Storage both name CRC-64.

use std::io;

use aws_lc_rs::digest;
use md5::{Digest as _, Md5};

use crate::remote::Body;

/// How much of a body is read at a time.
const PIECE_BYTES: usize = 256 << 10;
/// The blocks of a Dropbox content hash.
const DROPBOX_BLOCK_BYTES: usize = 4 << 20;
/// The bits of a `QuickXorHash`, and how far each byte moves on.
const QUICK_XOR_BITS: usize = 160;
const QUICK_XOR_SHIFT: usize = 11;
/// The polynomial of CRC-64/NVME, reflected.
const CRC64_NVME: u64 = 0x9a6c_9329_ac4b_c9b5;

/// A checksum that a place computed over a whole object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Checksum {
    /// MD5 (RFC 1321).
    Md5([u8; 16]),
    /// SHA-256 (FIPS 180-4).
    Sha256([u8; 32]),
    /// CRC-64/NVME.
    Crc64Nvme(u64),
    /// SHA-256 of the SHA-256 of each block of 4 MiB.
    DropboxContent([u8; 32]),
    /// 160 bits that each byte is xored into, 11 bits further each time.
    QuickXor([u8; 20]),
}

impl Checksum {
    /// The method in a word, as it may be shown.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Md5(_) => "MD5",
            Self::Sha256(_) => "SHA-256",
            Self::Crc64Nvme(_) => "CRC-64",
            Self::DropboxContent(_) => "Dropbox content hash",
            Self::QuickXor(_) => "quickXorHash",
        }
    }

    /// Whether this is the checksum of these bytes. Reads them all, and blocks.
    ///
    /// # Errors
    /// The system's error when the file of the body cannot be read.
    pub fn is_of(&self, body: &Body) -> io::Result<bool> {
        let computed = match self {
            Self::Md5(_) => {
                let mut sum = Md5::new();
                read_through(body, |piece| sum.update(piece))?;
                Self::Md5(sum.finalize().into())
            }
            Self::Sha256(_) => {
                let mut sum = digest::Context::new(&digest::SHA256);
                read_through(body, |piece| sum.update(piece))?;
                Self::Sha256(bytes_of(&sum.finish()))
            }
            Self::Crc64Nvme(_) => {
                let mut sum = Crc64::new();
                read_through(body, |piece| sum.update(piece))?;
                Self::Crc64Nvme(sum.finish())
            }
            Self::DropboxContent(_) => {
                let mut sum = DropboxContent::new();
                read_through(body, |piece| sum.update(piece))?;
                Self::DropboxContent(sum.finish())
            }
            Self::QuickXor(_) => {
                let mut sum = QuickXor::default();
                read_through(body, |piece| sum.update(piece))?;
                Self::QuickXor(sum.finish())
            }
        };
        Ok(computed == *self)
    }

    pub(crate) fn md5(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::Md5)
    }

    /// CRC-64/NVME in the byte order of Azure, least first.
    pub(crate) fn crc64_least_first(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u64::from_le_bytes).map(Self::Crc64Nvme)
    }

    /// CRC-64/NVME in the byte order of Amazon, greatest first.
    pub(crate) fn crc64_greatest_first(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u64::from_be_bytes).map(Self::Crc64Nvme)
    }

    pub(crate) fn sha256(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::Sha256)
    }
}

fn read_through(body: &Body, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    if let Body::Bytes(bytes) = body {
        take(bytes);
        return Ok(());
    }
    let (mut offset, mut piece) = (0, vec![0; PIECE_BYTES]);
    loop {
        match body.read_at(offset, &mut piece)? {
            0 => return Ok(()),
            read => {
                take(piece.get(..read).unwrap_or_default());
                offset += read as u64;
            }
        }
    }
}

fn bytes_of(digest: &digest::Digest) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

struct Crc64 {
    table: [u64; 256],
    state: u64,
}

impl Crc64 {
    fn new() -> Self {
        let table = std::array::from_fn(|byte| {
            (0..8).fold(byte as u64, |value, _| (value >> 1) ^ if value & 1 == 1 { CRC64_NVME } else { 0 })
        });
        Self { table, state: u64::MAX }
    }

    fn update(&mut self, piece: &[u8]) {
        for byte in piece {
            let index = usize::from(self.state.to_le_bytes()[0] ^ byte);
            self.state = (self.state >> 8) ^ self.table.get(index).copied().unwrap_or_default();
        }
    }

    const fn finish(self) -> u64 {
        !self.state
    }
}

struct DropboxContent {
    blocks: digest::Context,
    block: digest::Context,
    block_bytes: usize,
}

impl DropboxContent {
    fn new() -> Self {
        let [blocks, block] = std::array::from_fn(|_| digest::Context::new(&digest::SHA256));
        Self { blocks, block, block_bytes: 0 }
    }

    fn update(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let (now, rest) = piece.split_at(piece.len().min(DROPBOX_BLOCK_BYTES - self.block_bytes));
            self.block.update(now);
            self.block_bytes += now.len();
            if self.block_bytes == DROPBOX_BLOCK_BYTES {
                self.end_block();
            }
            piece = rest;
        }
    }

    fn end_block(&mut self) {
        let block = std::mem::replace(&mut self.block, digest::Context::new(&digest::SHA256));
        self.blocks.update(block.finish().as_ref());
        self.block_bytes = 0;
    }

    fn finish(mut self) -> [u8; 32] {
        if self.block_bytes > 0 {
            self.end_block();
        }
        bytes_of(&self.blocks.finish())
    }
}

#[derive(Default)]
struct QuickXor {
    state: [u8; QUICK_XOR_BITS / 8],
    at_bit: usize,
    length_bytes: u64,
}

impl QuickXor {
    fn update(&mut self, piece: &[u8]) {
        for byte in piece {
            let (index, offset) = (self.at_bit / 8, self.at_bit % 8);
            let [low, high] = (u16::from(*byte) << offset).to_le_bytes();
            for (index, bits) in [(index, low), ((index + 1) % self.state.len(), high)] {
                if let Some(slot) = self.state.get_mut(index) {
                    *slot ^= bits;
                }
            }
            self.at_bit = (self.at_bit + QUICK_XOR_SHIFT) % QUICK_XOR_BITS;
        }
        self.length_bytes += piece.len() as u64;
    }

    fn finish(mut self) -> [u8; 20] {
        for (slot, byte) in self.state.iter_mut().skip(12).zip(self.length_bytes.to_le_bytes()) {
            *slot ^= byte;
        }
        self.state
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use data_encoding::{BASE64, HEXLOWER};

    use super::*;

    fn holds(checksum: Checksum, bytes: &'static [u8]) -> bool {
        let other = [bytes, b"x"].concat();
        checksum.is_of(&Body::from(bytes)).expect("in memory")
            && !checksum.is_of(&Body::from(other)).expect("in memory")
    }

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        HEXLOWER.decode(text.as_bytes()).expect("hex").try_into().expect("its length")
    }

    #[test]
    fn every_method_gives_what_its_publisher_says() {
        assert!(holds(Checksum::Md5(hex("900150983cd24fb0d6963f7d28e17f72")), b"abc"));
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(holds(Checksum::Sha256(hex(sha)), b"abc"));
        assert!(holds(Checksum::Crc64Nvme(0xae8b_1486_0a79_9888), b"123456789"));
        for (bytes, text) in [
            (b"".as_slice(), "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            (b"\x4a", "SgAAAAAAAAAAAAAAAQAAAAAAAAA="),
            (b"\xb5\xb4", "taAFAAAAAAAAAAAAAgAAAAAAAAA="),
        ] {
            let wanted = BASE64.decode(text.as_bytes()).expect("base64").try_into().expect("20 bytes");
            assert!(holds(Checksum::QuickXor(wanted), bytes), "{bytes:?}");
        }
    }

    #[test]
    fn the_hash_of_dropbox_is_one_of_blocks_and_files_are_read_in_pieces() {
        let mut file = tempfile::tempfile().expect("temporary file");
        let bytes: Vec<u8> = (0..9_000_000_u32).map(|at| (at % 251) as u8).collect();
        file.write_all(&bytes).expect("writes");
        let hash = |bytes: &[u8]| bytes_of(&digest::digest(&digest::SHA256, bytes));
        let blocks: Vec<u8> = bytes.chunks(4 << 20).flat_map(hash).collect();
        let wanted = Checksum::DropboxContent(hash(&blocks));
        let body = Body::from_file(file).expect("its length");
        assert!(wanted.is_of(&body).expect("reads"));
        assert!(!wanted.is_of(&Body::from(bytes[1..].to_vec())).expect("reads"));
        let whole = Checksum::Sha256(hash(&bytes));
        assert!(whole.is_of(&body).expect("reads"));
        assert!(holds(Checksum::DropboxContent(hash(b"")), b""));
    }

    #[test]
    fn both_byte_orders_of_a_crc_are_read() {
        let value = Checksum::Crc64Nvme(0x0102_0304_0506_0708);
        assert_eq!(Checksum::crc64_greatest_first(&[1, 2, 3, 4, 5, 6, 7, 8]), Some(value));
        assert_eq!(Checksum::crc64_least_first(&[8, 7, 6, 5, 4, 3, 2, 1]), Some(value));
        assert_eq!(Checksum::crc64_least_first(&[1, 2]), None);
    }
}
