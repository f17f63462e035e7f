//! What is written down of a grant, and how a batch of it is signed.
//!
//! A *block* is two lines: JSON with the gateway's public key, the run, the number of the block, the SHA-256 of the first
//! line of the block before it, and the grants; then the signature over that first line, in hex. So a block that is missing,
//! changed or moved shows, and any program can read what was granted.

use data_encoding::HEXLOWER;
use safelight_crypto::{Domain, SIGNATURE_LEN, Signature, SigningKey, VerifyingKey, sha256};
use serde::{Deserialize, Serialize};

/// What stands before the first block of a run.
const NOTHING_BEFORE: [u8; 32] = [0; 32];

/// One object that somebody may create, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRecord {
    /// When it was granted, as RFC 3339.
    pub at: String,
    /// Until when it holds, as RFC 3339.
    pub expires: String,
    /// The id of the token that it was granted to.
    pub token: String,
    /// The user, for plain files.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
    /// The name of the object.
    pub object: String,
    /// How many bytes were declared.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<u64>,
    /// The SHA-256 that was declared, in hex.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<String>,
    /// How the bytes go: `sas`, `presigned` or `relayed`.
    pub way: String,
}

/// A batch of grants as its gateway signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantBlock {
    /// The gateway's public key, in hex.
    pub gateway: String,
    /// The run of the gateway that granted.
    pub run: String,
    /// Its place in what that run wrote, from 0.
    pub number: u64,
    /// The SHA-256 of the first line of the block before it, in hex; zeros for the first.
    pub previous: String,
    /// What was granted.
    pub grants: Vec<GrantRecord>,
}

/// Why bytes are no blocks of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockFault {
    /// A line that is no block.
    #[error("block {0} of it cannot be read")]
    Unreadable(usize),
    /// A signature that is not the gateway's over these bytes.
    #[error("block {0} of it is not signed by this gateway")]
    NotSigned(usize),
    /// A block that does not follow the one before it.
    #[error("block {0} of it does not follow the one before")]
    Gap(usize),
}

/// A block that is to be written.
pub(super) struct SignedBlock {
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
    /// The SHA-256 of its first line.
    pub(super) hash: [u8; 32],
}

/// Numbers, chains and signs blocks.
pub(super) struct Chain {
    key: SigningKey,
    gateway: String,
    run: String,
    next: u64,
    previous: [u8; 32],
}

impl Chain {
    pub(super) fn new(key: SigningKey, run: String) -> Self {
        let gateway = HEXLOWER.encode(key.verifying_key().as_bytes());
        Self { key, gateway, run, next: 0, previous: NOTHING_BEFORE }
    }

    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// The next block. The chain goes on behind it once it is [taken](Self::take).
    pub(super) fn sign(&self, grants: Vec<GrantRecord>) -> serde_json::Result<SignedBlock> {
        let number = self.next;
        let block = GrantBlock {
            gateway: self.gateway.clone(),
            run: self.run.clone(),
            number,
            previous: HEXLOWER.encode(&self.previous),
            grants,
        };
        let mut bytes = serde_json::to_vec(&block)?;
        let signature = self.key.sign(Domain::Grants, &bytes);
        let hash = sha256(&[&bytes]);
        bytes.push(b'\n');
        bytes.extend_from_slice(HEXLOWER.encode(signature.as_bytes()).as_bytes());
        bytes.push(b'\n');
        Ok(SignedBlock { number, bytes, hash })
    }

    /// A block was written, or may have been: the next one follows it.
    pub(super) fn take(&mut self, number: u64, hash: [u8; 32]) {
        (self.next, self.previous) = (number + 1, hash);
    }
}

/// How many of these bytes are whole blocks; what a crash tore off behind them was granted to nobody.
pub(super) fn whole_blocks(bytes: &[u8]) -> usize {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    ends.skip(1).step_by(2).last().unwrap_or(0)
}

/// Reads the objects of one run in their order, and checks that they are their gateway's, whole and without a gap.
#[derive(Debug)]
pub struct BlockReader {
    gateway: VerifyingKey,
    /// The run, the number and the hash of the block that was read last.
    before: Option<(String, u64, [u8; 32])>,
}

impl BlockReader {
    /// Begins before the first object of a run, or anywhere in it.
    #[must_use]
    pub const fn of(gateway: VerifyingKey) -> Self {
        Self { gateway, before: None }
    }

    /// Reads the next object.
    ///
    /// # Errors
    /// [`BlockFault`] with the position of the first block that is not as it should be; nothing can be read behind it.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Vec<GrantBlock>, BlockFault> {
        let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n');
        let lines: Vec<&[u8]> = lines.collect();
        let blocks = lines.chunks(2).enumerate();
        blocks.map(|(at, lines)| self.block(at, lines)).collect()
    }

    fn block(&mut self, at: usize, lines: &[&[u8]]) -> Result<GrantBlock, BlockFault> {
        let unreadable = BlockFault::Unreadable(at);
        let [line, signature] = lines else { return Err(unreadable) };
        let block: GrantBlock = serde_json::from_slice(line).map_err(|_| unreadable)?;
        let signature = HEXLOWER.decode(signature).map_err(|_| unreadable)?;
        let signature: [u8; SIGNATURE_LEN] = signature.try_into().map_err(|_| unreadable)?;
        let is_theirs = block.gateway == HEXLOWER.encode(self.gateway.as_bytes())
            && self.gateway.verify(Domain::Grants, line, &Signature::from_bytes(signature)).is_ok();
        if !is_theirs {
            return Err(BlockFault::NotSigned(at));
        }
        let follows = self.before.as_ref().is_none_or(|(run, number, hash)| {
            block.run == *run
                && number.checked_add(1) == Some(block.number)
                && block.previous == HEXLOWER.encode(hash)
        });
        if !follows {
            return Err(BlockFault::Gap(at));
        }
        self.before = Some((block.run.clone(), block.number, sha256(&[line])));
        Ok(block)
    }
}

/// Reads one object that a gateway wrote, and checks that it is that gateway's, whole and in order.
///
/// # Errors
/// As [`BlockReader::read`].
pub fn read_blocks(bytes: &[u8], gateway: &VerifyingKey) -> Result<Vec<GrantBlock>, BlockFault> {
    BlockReader::of(*gateway).read(bytes)
}

#[cfg(test)]
mod tests {
    use safelight_crypto::SeededEntropy;

    use super::*;

    fn record(object: &str) -> GrantRecord {
        GrantRecord {
            at: "2026-01-01T00:00:00Z".to_owned(),
            expires: "2026-01-01T00:10:00Z".to_owned(),
            token: "abcdefgh".to_owned(),
            user: None,
            object: object.to_owned(),
            bytes: None,
            sha256: None,
            way: "sas".to_owned(),
        }
    }

    fn three() -> (VerifyingKey, Vec<Vec<u8>>) {
        let key = SigningKey::generate(&mut SeededEntropy::new(1));
        let gateway = key.verifying_key();
        let mut chain = Chain::new(key, "run".to_owned());
        let blocks = ["a", "b", "c"].map(|name| {
            let block = chain.sign(vec![record(name)]).unwrap();
            chain.take(block.number, block.hash);
            block.bytes
        });
        (gateway, blocks.to_vec())
    }

    #[test]
    fn blocks_are_read_back_in_order_as_their_gateway_signed_them() {
        let (gateway, blocks) = three();
        let read = read_blocks(&blocks.concat(), &gateway).unwrap();
        let names: Vec<&str> = read.iter().map(|block| block.grants[0].object.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(
            read_blocks(&blocks[1..].concat(), &gateway).unwrap().len(),
            2,
            "an object begins anywhere"
        );
    }

    #[test]
    fn a_block_that_is_missing_changed_moved_or_anothers_shows() {
        let (gateway, blocks) = three();
        let without = [blocks[0].clone(), blocks[2].clone()].concat();
        assert_eq!(read_blocks(&without, &gateway), Err(BlockFault::Gap(1)));
        let swapped = [blocks[1].clone(), blocks[0].clone()].concat();
        assert_eq!(read_blocks(&swapped, &gateway), Err(BlockFault::Gap(1)));
        let changed = String::from_utf8(blocks.concat()).unwrap().replace("\"b\"", "\"x\"");
        assert_eq!(read_blocks(changed.as_bytes(), &gateway), Err(BlockFault::NotSigned(1)));
        let other = SigningKey::generate(&mut SeededEntropy::new(2)).verifying_key();
        assert_eq!(read_blocks(&blocks.concat(), &other), Err(BlockFault::NotSigned(0)));
    }

    #[test]
    fn what_a_crash_tore_off_is_cut_at_every_byte() {
        let (gateway, blocks) = three();
        let bytes = blocks.concat();
        for end in 0..=bytes.len() {
            let whole = whole_blocks(&bytes[..end]);
            let count = blocks
                .iter()
                .scan(0, |sum, block| {
                    *sum += block.len();
                    Some(*sum)
                })
                .filter(|sum| *sum <= end)
                .count();
            let read = if whole == 0 { Vec::new() } else { read_blocks(&bytes[..whole], &gateway).unwrap() };
            assert_eq!(read.len(), count, "{end}");
        }
    }
}
