//! What is shown of an album.

use std::collections::BTreeSet;

use super::{Conflict, conflicts, typed};
use crate::field::Field;
use crate::ids::{AlbumId, AssetId};
use crate::state::Record;
use crate::value::Value;

/// An album as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlbumView {
    /// Its name; an album that nobody named yet has none.
    pub name: Option<String>,
    /// Text about it.
    pub description: Option<String>,
    /// The album it lies in; see [`album_path`] for what to do about rings.
    pub parent: Option<AlbumId>,
    /// The asset that stands for it.
    pub cover: Option<AssetId>,
    /// The saved search that fills it.
    pub query: Option<String>,
    /// How it is ordered.
    pub order: Option<String>,
    /// Whether it was removed.
    pub deleted: bool,
    /// Fields that several people wrote.
    pub conflicts: Vec<Conflict>,
}

impl AlbumView {
    /// The view of an album's record.
    #[must_use]
    pub fn new(record: &Record) -> Self {
        let text = |field: Field| typed(record, field, Value::as_text).map(|shown| shown.value.to_owned());
        Self {
            name: text(Field::NAME.into()),
            description: text(Field::DESCRIPTION.into()),
            parent: typed(record, Field::PARENT, Value::as_album).map(|shown| shown.value),
            cover: typed(record, Field::COVER, Value::as_asset).map(|shown| shown.value),
            query: text(Field::QUERY.into()),
            order: text(Field::ORDER.into()),
            deleted: typed(record, Field::DELETED, Value::as_bool).is_some_and(|shown| shown.value),
            conflicts: conflicts(record),
        }
    }
}

/// The albums above an album, nearest first.
///
/// Two people can put two albums into each other, each without knowing of the other: then the smallest id of
/// the ring counts as lying at the top. `parent` answers with an album's own parent.
pub fn album_path(album: AlbumId, mut parent: impl FnMut(AlbumId) -> Option<AlbumId>) -> Vec<AlbumId> {
    let mut path = vec![album];
    let mut passed = BTreeSet::from([album]);
    while let Some(next) = path.last().and_then(|last| parent(*last)) {
        if !passed.insert(next) {
            cut_ring(&mut path, next);
            break;
        }
        path.push(next);
    }
    path.remove(0);
    path
}

/// Ends a path whose last member lies in `entry`, which is on the path already, at the top of their ring.
fn cut_ring(path: &mut Vec<AlbumId>, entry: AlbumId) {
    let start = path.iter().position(|album| *album == entry).unwrap_or_default();
    let ring = path.get(start..).unwrap_or_default();
    let top = ring.iter().enumerate().min_by_key(|(_, album)| **album).map_or(0, |(place, _)| place);
    path.truncate(start + top + 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn album(number: u8) -> AlbumId {
        AlbumId([number; 16])
    }

    #[test]
    fn the_path_of_an_album_leads_to_the_top() {
        let parent = |id: AlbumId| (id.0[0] > 1).then(|| album(id.0[0] - 1));
        assert_eq!(album_path(album(4), parent), [album(3), album(2), album(1)]);
        assert_eq!(album_path(album(1), parent), []);
    }

    #[test]
    fn albums_put_into_each_other_are_cut_at_the_smallest() {
        // 5 → 3 → 4 → 2 → 3
        let parent = |id: AlbumId| Some(album([0, 0, 3, 4, 2, 3][usize::from(id.0[0])]));
        assert_eq!(album_path(album(2), parent), []);
        assert_eq!(album_path(album(3), parent), [album(4), album(2)]);
        assert_eq!(album_path(album(4), parent), [album(2)]);
        assert_eq!(album_path(album(5), parent), [album(3), album(4), album(2)]);
        assert_eq!(album_path(album(9), |_| Some(album(9))), []);
    }
}
