//! Names that stand in the search index as one token each.
//!
//! A tag, an album, a format, a cell of the map is given a number once and for ever, and the number is a
//! private-use character. So `tag:beach` is a posting list that FTS5 intersects like any word, renaming an
//! album touches one row, and the one-letter tokens stay out of the prefix indexes. No text that a person
//! typed can hold such a character: [`searchable`] takes them out.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What a label names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LabelKind {
    /// Identity: the folded tag. `a/b` is in `a` too.
    Tag,
    /// Identity: the album's id.
    Album,
    /// Identity: the format's name.
    Format,
    /// Identity: level, column and row.
    Cell,
}

impl LabelKind {
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Tag => 1,
            Self::Album => 2,
            Self::Format => 3,
            Self::Cell => 4,
        }
    }
}

/// The first private-use character of the basic plane: the tokens of [`Facet`](super::facets::Facet).
pub(crate) const FIRST_FACET: u32 = 0xE000;
/// The first that is not a facet; with a second character, these are the labels beyond a plane.
const FIRST_HIGH: u32 = 0xE800;
/// Plane 15: the labels with the lowest numbers.
const FIRST_LABEL: u32 = 0xF_0000;
const LABELS_PER_PLANE: u32 = 0xFFFE;

/// The token of a label.
pub(crate) fn label_token(number: i64) -> String {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let (high, low) = (number / LABELS_PER_PLANE, number % LABELS_PER_PLANE);
    let character = |code: u32| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    let mut token = String::with_capacity(8);
    if high > 0 {
        token.push(character(FIRST_HIGH + (high - 1) % (0xF8FF - FIRST_HIGH)));
    }
    token.push(character(FIRST_LABEL + low));
    token
}

/// Text as the search index takes it, on both sides: private-use characters, which stand for labels, and
/// control characters are taken out, and every East Asian ideograph or syllable is a word of its own, because such text has no
/// spaces (`東京` then finds `東京タワー` as a phrase).
pub(crate) fn searchable(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for letter in text.chars() {
        match u32::from(letter) {
            0..=0x1F | 0xE000..=0xF8FF | 0xF_0000..=0x10_FFFF => words.push(' '),
            0x3040..=0x30FF | 0x3400..=0x9FFF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFD => {
                words.push(' ');
                words.push(letter);
                words.push(' ');
            }
            _ => words.push(letter),
        }
    }
    words
}

/// A name without case, accents and needless spaces, for comparison.
pub(crate) fn folded(name: &str) -> String {
    let plain: String =
        name.nfkd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The numbers of labels, remembered for as long as a transaction is not rolled back.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    known: HashMap<(LabelKind, Vec<u8>), i64>,
}

/// How many shown assets labels have, as of one op.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    op: i64,
    assets: HashMap<i64, u64>,
}

impl Counted {
    /// What is known as of an op.
    pub(crate) fn at(&mut self, op: i64) -> &mut HashMap<i64, u64> {
        if self.op != op {
            self.op = op;
            self.assets.clear();
        }
        &mut self.assets
    }
}

/// So many labels are kept in memory.
const MOST_KNOWN: usize = 100_000;

impl Labels {
    /// Forgets everything, as after a rollback.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }

    /// The number of a label, given out now if it has none.
    pub(crate) fn number(
        &mut self,
        connection: &Connection,
        kind: LabelKind,
        identity: &[u8],
        names: Option<(&str, &str)>,
    ) -> rusqlite::Result<i64> {
        if let Some(number) = self.known.get(&(kind, identity.to_vec())) {
            return Ok(*number);
        }
        let number = match find(connection, kind, identity)? {
            Some(number) => number,
            None => connection
                .prepare_cached(
                    "INSERT INTO labels (kind, identity, folded, name) VALUES (?1, ?2, ?3, ?4) RETURNING id",
                )?
                .query_row(
                    (kind.code(), identity, names.map(|(folded, _)| folded), names.map(|(_, name)| name)),
                    |row| row.get(0),
                )?,
        };
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert((kind, identity.to_vec()), number);
        Ok(number)
    }
}

/// The number of a label, if it has one.
pub(crate) fn find(
    connection: &Connection,
    kind: LabelKind,
    identity: &[u8],
) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM labels WHERE kind = ?1 AND identity = ?2")?
        .query_row((kind.code(), identity), |row| row.get(0))
        .optional()
}

/// Gives a label another name, as when an album is renamed or removed.
pub(crate) fn rename(
    connection: &Connection,
    number: i64,
    names: Option<(&str, &str)>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE labels SET folded = ?2, name = ?3 WHERE id = ?1")?
        .execute((number, names.map(|(folded, _)| folded), names.map(|(_, name)| name)))
        .map(drop)
}

/// Removes the labels of a kind that stand for nothing in the search index.
pub(crate) fn drop_unused(connection: &Connection, kind: LabelKind) -> rusqlite::Result<()> {
    let numbers: Vec<i64> = connection
        .prepare_cached("SELECT id FROM labels WHERE kind = ?1")?
        .query_map([kind.code()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut used = connection.prepare_cached("SELECT 1 FROM search WHERE search MATCH ?1 LIMIT 1")?;
    let mut delete = connection.prepare_cached("DELETE FROM labels WHERE id = ?1")?;
    for number in numbers {
        if !used.exists([format!("\"{}\"", label_token(number))])? {
            delete.execute([number])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_has_a_token_of_its_own() {
        let numbers = (0..200_000).chain([1_000_000, 10_000_000]);
        let tokens: std::collections::HashSet<_> = numbers.map(label_token).collect();
        assert_eq!(tokens.len(), 200_002);
        assert!(label_token(5).chars().count() == 1 && label_token(70_000).chars().count() == 2);
    }

    #[test]
    fn names_are_compared_without_case_accents_and_spaces() {
        assert_eq!(folded("  Été  à la PLAGE "), "ete a la plage");
        assert_eq!(folded("Straße"), "straße");
        assert_eq!(folded("Ａｌｂｕｍ"), "album");
    }

    #[test]
    fn no_typed_text_can_pass_for_a_label() {
        assert_eq!(searchable("a\u{E000}b\u{F0005}c\0"), "a b c ");
        assert_eq!(searchable("東京 tower").split_whitespace().collect::<Vec<_>>(), ["東", "京", "tower"]);
    }
}
