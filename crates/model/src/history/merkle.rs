//! The tree whose root stands for a segment.
//!
//! Invariant: the root changes with every bit of every op, yet an op can be replaced by its leaf hash
//! without changing it, and without its salt that hash tells nothing about the op. Leaves and nodes are
//! hashed as in RFC 6962 §2.1, with salts. Specified in sl1-history §8.2.

use safelight_crypto::sha256;

/// A hash in the tree.
pub(crate) type Hash = [u8; 32];

/// How long a salt is.
pub(crate) const SALT_LEN: usize = 16;

/// The hash of something salted: `SHA-256(0 ‖ salt ‖ bytes)`.
pub(crate) fn leaf(salt: &[u8; SALT_LEN], bytes: &[u8]) -> Hash {
    sha256(&[&[0], salt, bytes])
}

/// The root over leaves: levels are paired from the left, an odd last node moves up as it is.
pub(crate) fn root(leaves: Vec<Hash>) -> Hash {
    if leaves.is_empty() {
        return sha256(&[]);
    }
    let mut level = leaves;
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => sha256(&[&[1], left, right]),
                odd => odd.first().copied().unwrap_or_default(),
            })
            .collect();
    }
    level.pop().unwrap_or_default()
}

/// The root of a segment: `SHA-256(2 ‖ header leaf ‖ number of ops ‖ root over ops)`.
pub(crate) fn segment_root(header: &Hash, leaves: Vec<Hash>) -> Hash {
    let count = (leaves.len() as u64).to_be_bytes();
    sha256(&[&[2], header, &count, &root(leaves)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962's definition: split at the largest power of two below the number of leaves.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                sha256(&[&[1], &by_definition(&leaves[..split]), &by_definition(&leaves[split..])])
            }
        }
    }

    #[test]
    fn the_root_is_that_of_rfc_6962_for_any_number_of_leaves() {
        for count in 0..70_u8 {
            let leaves: Vec<_> = (0..count).map(|index| leaf(&[index; SALT_LEN], b"op")).collect();
            assert_eq!(root(leaves.clone()), by_definition(&leaves), "{count}");
        }
    }
}
