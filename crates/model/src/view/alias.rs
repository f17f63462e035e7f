//! Which asset is shown in place of another that was merged into it.

use std::collections::BTreeSet;

use crate::ids::AssetId;

/// Follows aliases from an asset to the one that is shown.
///
/// Two people can merge two assets into each other, each without knowing of the other: then the smallest id
/// of the ring is shown, whichever of its assets was asked for. `alias` answers with an asset's current alias.
pub fn shown_asset(start: AssetId, mut alias: impl FnMut(AssetId) -> Option<AssetId>) -> AssetId {
    let mut passed = BTreeSet::new();
    let mut current = start;
    while passed.insert(current) {
        match alias(current) {
            Some(next) => current = next,
            None => return current,
        }
    }
    smallest_of_ring(current, alias)
}

fn smallest_of_ring(member: AssetId, mut alias: impl FnMut(AssetId) -> Option<AssetId>) -> AssetId {
    let (mut smallest, mut current) = (member, member);
    while let Some(next) = alias(current).filter(|next| *next != member) {
        smallest = smallest.min(next);
        current = next;
    }
    smallest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ContentHash;

    fn asset(number: u8) -> AssetId {
        AssetId(ContentHash::from_bytes([number; 32]))
    }

    #[test]
    fn a_chain_ends_at_the_asset_that_is_none_else() {
        let alias = |id: AssetId| (id < asset(5)).then(|| asset(id.0.as_bytes()[0] + 1));
        assert_eq!(shown_asset(asset(1), alias), asset(5));
        assert_eq!(shown_asset(asset(5), alias), asset(5));
    }

    #[test]
    fn a_ring_shows_its_smallest_member_from_everywhere() {
        // 1 → 4 → 3 → 2 → 4: a tail into a ring of three.
        let alias = |id: AssetId| Some(asset([0, 4, 4, 2, 3][usize::from(id.0.as_bytes()[0])]));
        for start in 1..=4 {
            assert_eq!(shown_asset(asset(start), alias), asset(2), "{start}");
        }
    }
}
