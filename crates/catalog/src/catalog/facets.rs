//! The fixed tokens of the search index: what a filter asks for is a posting list like any word.
//!
//! Sizes stand at two scales, doublings and quarters of a doubling, so that a range is the *or* of few lists;
//! what the outermost lists hold too much is checked on the row. The map is cut into cells at six scales in
//! the same way.

use crate::query::Bound;

use super::labels::FIRST_FACET;

/// A fixed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Facet {
    /// Every asset.
    All,
    /// A media kind by its code, 0 to 15.
    Media(u16),
    /// Stars, 0 to 5.
    Rating(u8),
    /// A flag of the row.
    Flag(Flag),
    /// A doubling of the size.
    Doubling(u32),
    /// A quarter of a doubling.
    Quarter(u32),
}

/// What is true of an asset: one bit of the row's `flags`, and a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    Favourite,
    Undecodable,
    Live,
    Motion,
    Linked,
    Undated,
    Edited,
    Conflicted,
    /// Its content was found at several paths.
    Doubled,
    /// It looks like another asset.
    Alike,
    Gps,
    Caption,
    Tag,
    Album,
    Rated,
    /// A person said under what it is stacked, or that it is not.
    StackedByHand,
    /// Its place has a name: a person gave one, or one was found for its position.
    Placed,
}

impl Flag {
    pub(crate) const ALL: [Self; 17] = [
        Self::Favourite,
        Self::Undecodable,
        Self::Live,
        Self::Motion,
        Self::Linked,
        Self::Undated,
        Self::Edited,
        Self::Conflicted,
        Self::Doubled,
        Self::Alike,
        Self::Gps,
        Self::Caption,
        Self::Tag,
        Self::Album,
        Self::Rated,
        Self::StackedByHand,
        Self::Placed,
    ];

    fn index(self) -> u32 {
        self as u32
    }

    pub(crate) fn bit(self) -> i64 {
        1 << self.index()
    }
}

impl Facet {
    /// The character that stands for it.
    pub(crate) fn token(self) -> char {
        let offset = match self {
            Self::All => 0,
            Self::Media(code) => 0x10 + u32::from(code.min(15)),
            Self::Rating(stars) => 0x20 + u32::from(stars.min(5)),
            Self::Flag(flag) => 0x40 + flag.index(),
            Self::Doubling(at) => 0x100 + at.min(63),
            Self::Quarter(at) => 0x200 + at.min(255),
        };
        char::from_u32(FIRST_FACET + offset).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

/// The two tokens of a size.
pub(crate) fn size_facets(bytes: u64) -> [Facet; 2] {
    let quarter = quarter(bytes);
    [Facet::Doubling(quarter / 4), Facet::Quarter(quarter)]
}

/// Which quarter of which doubling a size is in: 0 to 255.
fn quarter(bytes: u64) -> u32 {
    let doubling = 63 - bytes.max(1).leading_zeros();
    let fraction = bytes.max(1).checked_shl(63 - doubling).unwrap_or(0) >> 61 & 3;
    doubling * 4 + u32::try_from(fraction).unwrap_or(0)
}

/// The lists that together hold every size in the bounds (and some outside of them).
pub(crate) fn size_cover(bound: Bound<u64>) -> Vec<Facet> {
    let (first, last) = (quarter(bound.from.unwrap_or(0)), quarter(bound.to.unwrap_or(u64::MAX)));
    let mut facets = Vec::new();
    let mut at = first;
    while at <= last {
        if at.is_multiple_of(4) && at + 3 <= last {
            facets.push(Facet::Doubling(at / 4));
            at += 4;
        } else {
            facets.push(Facet::Quarter(at));
            at += 1;
        }
    }
    facets
}

/// How many scales of cells there are.
pub(crate) const CELL_LEVELS: u8 = 6;
/// More cells than this are no filter.
const MOST_CELLS: i64 = 16;

/// A cell of the map: its identity as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    level: u8,
    column: i64,
    row: i64,
}

impl Cell {
    /// The cell of a point; level 0 is 0.02 degrees wide, each further level four times that.
    pub(crate) fn of(level: u8, latitude_e7: i64, longitude_e7: i64) -> Self {
        let side = 200_000_i64 << (2 * u32::from(level));
        Self {
            level,
            column: (longitude_e7 + 1_800_000_000).div_euclid(side),
            row: (latitude_e7 + 900_000_000).div_euclid(side),
        }
    }

    pub(crate) fn identity(self) -> [u8; 9] {
        let column = u32::try_from(self.column).unwrap_or(0).to_be_bytes();
        let row = u32::try_from(self.row).unwrap_or(0).to_be_bytes();
        let mut identity = [self.level; 9];
        identity[1..5].copy_from_slice(&column);
        identity[5..].copy_from_slice(&row);
        identity
    }
}

/// A box on the map in degrees × 10⁷; `west` is never east of `east`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MapBox {
    pub(crate) south: i64,
    pub(crate) north: i64,
    pub(crate) west: i64,
    pub(crate) east: i64,
}

/// The cells of the finest scale at which few enough cover the boxes; none if even the coarsest are too many.
pub(crate) fn cells_over(boxes: &[MapBox]) -> Option<Vec<Cell>> {
    (0..CELL_LEVELS).find_map(|level| {
        let corners =
            |area: &MapBox| (Cell::of(level, area.south, area.west), Cell::of(level, area.north, area.east));
        let count: i64 = boxes
            .iter()
            .map(corners)
            .map(|(low, high)| (high.column - low.column + 1) * (high.row - low.row + 1))
            .sum();
        (count <= MOST_CELLS).then(|| {
            let mut cells: Vec<_> = boxes
                .iter()
                .map(corners)
                .flat_map(|(low, high)| {
                    (low.column..=high.column).flat_map(move |column| {
                        (low.row..=high.row).map(move |row| Cell { level, column, row })
                    })
                })
                .collect();
            cells.sort_unstable();
            cells.dedup();
            cells
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_facet_has_a_token_of_its_own() {
        let facets = [Facet::All]
            .into_iter()
            .chain((0..16).map(Facet::Media))
            .chain((0..6).map(Facet::Rating))
            .chain(Flag::ALL.map(Facet::Flag))
            .chain((0..64).map(Facet::Doubling))
            .chain((0..256).map(Facet::Quarter));
        let tokens: Vec<_> = facets.map(Facet::token).collect();
        assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), tokens.len());
        assert!(tokens.iter().all(|token| (0xE000..0xE800).contains(&u32::from(*token))));
    }

    proptest! {
        #[test]
        fn a_size_in_the_bounds_is_in_their_lists(a in 0_u64..1 << 40, b in 0_u64..1 << 40, at in 0_u64..1 << 40) {
            let bound = Bound { from: Some(a.min(b)), to: Some(a.max(b)) };
            let cover = size_cover(bound);
            prop_assert!(cover.len() <= 8 + 64);
            if (a.min(b)..=a.max(b)).contains(&at) {
                prop_assert!(size_facets(at).iter().any(|facet| cover.contains(facet)));
            }
        }

        #[test]
        fn a_point_in_a_box_is_in_its_cells(
            south in -900_000_000_i64..900_000_000, west in -1_800_000_000_i64..1_800_000_000,
            height in 0_i64..40_000_000, width in 0_i64..40_000_000, up in 0_i64..=1000, right in 0_i64..=1000,
        ) {
            let area = MapBox { south, north: (south + height).min(900_000_000), west, east: (west + width).min(1_800_000_000) };
            let latitude = south + (area.north - south) * up / 1000;
            let longitude = west + (area.east - west) * right / 1000;
            let cells = cells_over(&[area]).unwrap();
            prop_assert!(cells.len() <= 16);
            prop_assert!((0..CELL_LEVELS).any(|level| cells.contains(&Cell::of(level, latitude, longitude))));
        }
    }
}
