//! Turns conditions into what the indexes are asked.

use std::sync::Arc;

use rusqlite::Connection;
use safelight_model::MediaKind;

use super::check::{Check, Exact, list_rows};
use super::circle::boxes_around;
use super::prefix;
use crate::catalog::{
    Facet, Flag, KeyRange, LabelKind, Shelf, cells_over, find_label, folded, label_token, searchable,
    size_cover,
};
use crate::query::{Bound, Condition, DateRange, Part, Query, State, TextField, TypeFilter};

/// What is asked of the indexes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The FTS5 expression; without one the timeline itself is walked.
    pub(super) expression: Option<String>,
    /// The same without what stands there only to find sooner what the checks let through.
    pub(super) exact: Option<String>,
    /// The stretches of the timeline, in order.
    pub(super) ranges: Vec<KeyRange>,
    /// What is still to be checked on each row.
    pub(super) checks: Vec<Check>,
    /// The conditions whose rows another index can list as well.
    listable: Vec<Condition>,
    /// Whether the expression asks for nothing but what the rows of the one listable condition have anyway.
    pub(super) is_implied: bool,
}

/// The parts of an FTS5 expression.
#[derive(Default)]
struct Terms {
    wanted: Vec<String>,
    unwanted: Vec<String>,
    /// What the rows that the checks let through have anyway.
    implied: Vec<String>,
    /// Something was asked for that nothing has.
    impossible: bool,
}

impl Terms {
    /// Adds a condition; `None` matches nothing.
    fn add(&mut self, negated: bool, expression: Option<String>) {
        match (negated, expression) {
            (false, Some(expression)) => self.wanted.push(expression),
            (true, Some(expression)) => self.unwanted.push(expression),
            (false, None) => self.impossible = true,
            (true, None) => {}
        }
    }

    /// Adds what a check finds roughly; `None` matches nothing.
    fn imply(&mut self, expression: Option<String>) {
        match expression {
            Some(expression) => self.implied.push(expression),
            None => self.impossible = true,
        }
    }

    /// The expression with what is implied, and the one without it.
    fn finish(self) -> [Option<String>; 2] {
        let exact: Vec<&str> = self.wanted.iter().map(String::as_str).collect();
        let all: Vec<&str> = exact.iter().copied().chain(self.implied.iter().map(String::as_str)).collect();
        [all, exact].map(|wanted| joined(&wanted, &self.unwanted))
    }
}

/// What has all of the wanted and none of the unwanted; `None` where nothing is asked for.
fn joined(wanted: &[&str], unwanted: &[String]) -> Option<String> {
    if wanted.is_empty() && unwanted.is_empty() {
        return None;
    }
    let wanted = if wanted.is_empty() { token(Facet::All) } else { wanted.join(" AND ") };
    let mut expression = format!("({wanted})");
    for unwanted in unwanted {
        expression = format!("({expression} NOT {unwanted})");
    }
    Some(expression)
}

impl Plan {
    /// Plans a query over one shelf; `None` if nothing can match.
    pub(super) fn new(
        connection: &Connection,
        query: &Query,
        shelf: Shelf,
    ) -> rusqlite::Result<Option<Self>> {
        let mut terms = Terms::default();
        let mut plan = Self { ranges: vec![KeyRange::of_shelf(shelf)], ..Self::default() };
        for term in &query.terms {
            plan.add(connection, shelf, &mut terms, term.negated, &term.condition)?;
            if !term.negated && matches!(term.condition, Condition::Size(_) | Condition::Near { .. }) {
                plan.listable.push(term.condition.clone());
            }
        }
        plan.is_implied = plan.listable.len() == 1 && terms.wanted.is_empty() && terms.unwanted.is_empty();
        if terms.impossible || plan.ranges.is_empty() {
            return Ok(None);
        }
        [plan.expression, plan.exact] = terms.finish();
        Ok(Some(plan))
    }

    /// Whether all that stands in the ranges matches.
    pub(super) fn is_everything(&self) -> bool {
        self.expression.is_none() && self.checks.is_empty()
    }

    fn add(
        &mut self,
        connection: &Connection,
        shelf: Shelf,
        terms: &mut Terms,
        negated: bool,
        condition: &Condition,
    ) -> rusqlite::Result<()> {
        let expression = match condition {
            Condition::Text { field, text, prefix } => text_expression(connection, *field, text, *prefix)?,
            Condition::Tag { name, prefix } => tag_expression(connection, name, *prefix)?,
            Condition::Album { name, prefix } => {
                label_expression(connection, LabelKind::Album, name, *prefix)?
            }
            Condition::InAlbums(albums) => {
                let mut tokens = Vec::new();
                for album in albums {
                    tokens.extend(find_label(connection, LabelKind::Album, &album.0)?);
                }
                any(tokens.into_iter().map(|number| quoted(&label_token(number))))
            }
            Condition::AlbumSize(bound) => album_size_expression(connection, *bound)?,
            Condition::Sync { .. } | Condition::Places(_) | Condition::Proven(_) => {
                // Only a caller that forgot to put the contents in its place comes here.
                return Err(rusqlite::Error::InvalidQuery);
            }
            Condition::Contents(contents) => {
                self.checks.push(Check { negated, what: Exact::Contents(Arc::clone(contents)) });
                return Ok(());
            }
            Condition::Format(name) => format_expression(connection, name)?,
            Condition::Type(kind) => Some(type_expression(*kind)),
            Condition::Rating(bound) => rating_expression(*bound),
            Condition::Has(part) => Some(flag(part_flag(*part))),
            Condition::Is(state) => {
                self.add_state(shelf, terms, negated, *state);
                return Ok(());
            }
            Condition::Date(range) => {
                self.add_date(shelf, negated, range);
                return Ok(());
            }
            Condition::Size(bound) => {
                self.checks.push(Check { negated, what: Exact::Size(*bound) });
                if !negated {
                    terms.imply(any(size_cover(*bound).into_iter().map(token)));
                }
                return Ok(());
            }
            Condition::Near { latitude, longitude, metres } => {
                let what = Exact::Near { latitude: *latitude, longitude: *longitude, metres: *metres };
                self.checks.push(Check { negated, what });
                if !negated {
                    terms.imply(near_expression(connection, *latitude, *longitude, *metres)?);
                }
                return Ok(());
            }
        };
        terms.add(negated, expression);
        Ok(())
    }

    fn add_state(&mut self, shelf: Shelf, terms: &mut Terms, negated: bool, state: State) {
        let flags: &[Flag] = match state {
            State::Hidden => return self.keep_shelf((shelf == Shelf::Hidden) != negated),
            State::Trashed => return self.keep_shelf((shelf == Shelf::Trashed) != negated),
            State::Raw => return terms.add(negated, Some(token(Facet::Media(MediaKind::Raw.code())))),
            State::Duplicate => &[Flag::Doubled, Flag::Alike],
            State::Favourite => &[Flag::Favourite],
            State::Undecodable => &[Flag::Undecodable],
            State::Live => &[Flag::Live],
            State::Motion => &[Flag::Motion],
            State::Linked => &[Flag::Linked],
            State::Undated => &[Flag::Undated],
            State::Edited => &[Flag::Edited],
            State::Conflicted => &[Flag::Conflicted],
        };
        terms.add(negated, any(flags.iter().copied().map(flag)));
    }

    /// Whether the rows that a condition allows can be listed.
    pub(super) fn is_listable(&self) -> bool {
        !self.listable.is_empty()
    }

    /// The only rows that can match, ascending, if there are at most so many.
    pub(super) fn listed(&self, connection: &Connection, most: usize) -> rusqlite::Result<Option<Vec<i64>>> {
        for condition in &self.listable {
            if let Some(keys) = list_rows(connection, condition, most)? {
                return Ok(Some(keys));
            }
        }
        Ok(None)
    }

    fn keep_shelf(&mut self, keep: bool) {
        if !keep {
            self.ranges.clear();
        }
    }

    fn add_date(&mut self, shelf: Shelf, negated: bool, range: &DateRange) {
        let seconds = |moment: jiff::civil::DateTime| {
            jiff::tz::Offset::UTC.to_timestamp(moment).map_or(i64::MAX, jiff::Timestamp::as_second)
        };
        let days = KeyRange::between(shelf, range.from.map(seconds), range.until.map(seconds));
        self.ranges = match (days, negated) {
            (Some(days), false) => self.ranges.iter().filter_map(|range| range.and(days)).collect(),
            (Some(days), true) => self.ranges.iter().flat_map(|range| range.without(days)).collect(),
            (None, false) => Vec::new(),
            (None, true) => std::mem::take(&mut self.ranges),
        };
    }
}

fn token(facet: Facet) -> String {
    quoted(&facet.token().to_string())
}

fn flag(flag: Flag) -> String {
    token(Facet::Flag(flag))
}

/// One of several expressions; `None` if there are none.
fn any(expressions: impl IntoIterator<Item = String>) -> Option<String> {
    let expressions: Vec<_> = expressions.into_iter().collect();
    match expressions.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("({})", several.join(" OR "))),
    }
}

/// A string of FTS5's query language: nothing in it is syntax.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// The column filter of a field. Anywhere needs none: no word is the token of a facet.
fn column_filter(field: TextField) -> &'static str {
    match field {
        TextField::Any => "",
        TextField::Name => "name : ",
        TextField::Path => "{name path} : ",
        TextField::Caption => "caption : ",
        TextField::Place => "place : ",
        TextField::Camera => "camera : ",
        TextField::Lens => "lens : ",
    }
}

fn text_expression(
    connection: &Connection,
    field: TextField,
    text: &str,
    is_prefix: bool,
) -> rusqlite::Result<Option<String>> {
    let text = searchable(text);
    let filter = column_filter(field);
    if !is_prefix {
        return Ok(Some(format!("{filter}{}", quoted(&text))));
    }
    let words = prefix::expression(connection, &text)?;
    Ok(words.map(|words| format!("{filter}{words}")))
}

fn tag_expression(connection: &Connection, name: &str, is_prefix: bool) -> rusqlite::Result<Option<String>> {
    if !is_prefix {
        let number = find_label(connection, LabelKind::Tag, folded(name).as_bytes())?;
        return Ok(number.map(|number| quoted(&label_token(number))));
    }
    label_expression(connection, LabelKind::Tag, name, true)
}

/// All labels of a name, or whose names begin so: an album may have another one's name.
fn label_expression(
    connection: &Connection,
    kind: LabelKind,
    name: &str,
    is_prefix: bool,
) -> rusqlite::Result<Option<String>> {
    let name = folded(name);
    let end = if is_prefix { format!("{name}\u{10FFFF}") } else { name.clone() };
    let numbers: Vec<i64> = connection
        .prepare_cached("SELECT id FROM labels WHERE kind = ?1 AND folded BETWEEN ?2 AND ?3 ORDER BY folded")?
        .query_map((kind.code(), &name, &end), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(any(numbers.into_iter().map(|number| quoted(&label_token(number)))))
}

/// The albums whose own photos, the trash aside, have together a size in these bounds.
fn album_size_expression(connection: &Connection, bound: Bound<u64>) -> rusqlite::Result<Option<String>> {
    let albums: Vec<i64> = connection
        .prepare_cached("SELECT id FROM labels WHERE kind = ?1 ORDER BY id")?
        .query_map([LabelKind::Album.code()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut sum = connection.prepare_cached(
        "SELECT ifnull(sum(t.size_bytes), 0) FROM search CROSS JOIN timeline AS t ON t.key = search.rowid
         WHERE search MATCH ?1 AND search.rowid BETWEEN ?2 AND ?3",
    )?;
    let mut found = Vec::new();
    for album in albums {
        let mut bytes = 0_u64;
        for shelf in [Shelf::Shown, Shelf::Hidden] {
            let range = KeyRange::of_shelf(shelf);
            let token = quoted(&label_token(album));
            bytes += sum.query_row((token, range.first, range.last), |row| row.get::<_, u64>(0))?;
        }
        let is_inside = bound.from.is_none_or(|from| bytes >= from) && bound.to.is_none_or(|to| bytes <= to);
        found.extend(is_inside.then_some(album));
    }
    Ok(any(found.into_iter().map(|number| quoted(&label_token(number)))))
}

/// Other names of formats: what people call them, and extensions.
const FORMAT_NAMES: &[(&str, &[&str])] = &[
    ("jpg", &["jpeg"]),
    ("jpe", &["jpeg"]),
    ("tif", &["tiff"]),
    ("heic", &["heic", "heif"]),
    ("heif", &["heic", "heif"]),
    ("jpegxl", &["jxl"]),
    ("quicktime", &["mov"]),
    ("matroska", &["mkv"]),
    ("3gpp", &["3gp"]),
];

fn format_expression(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    let name = name.trim_start_matches('.');
    let own = [name];
    let names = FORMAT_NAMES.iter().find(|(other, _)| *other == name).map_or(&own[..], |(_, names)| names);
    let mut tokens = Vec::new();
    for name in names {
        tokens.extend(find_label(connection, LabelKind::Format, name.as_bytes())?);
    }
    Ok(any(tokens.into_iter().map(|number| quoted(&label_token(number)))))
}

fn type_expression(kind: TypeFilter) -> String {
    let media = |kind: MediaKind| token(Facet::Media(kind.code()));
    match kind {
        TypeFilter::Photo => format!("({} OR {})", media(MediaKind::Photo), media(MediaKind::Raw)),
        TypeFilter::Video => media(MediaKind::Video),
        TypeFilter::Raw => media(MediaKind::Raw),
        TypeFilter::Other => media(MediaKind::Other),
    }
}

fn rating_expression(bound: Bound<u8>) -> Option<String> {
    let (from, to) = (bound.from.unwrap_or(0), bound.to.unwrap_or(5).min(5));
    any((from..=to).map(|stars| token(Facet::Rating(stars))))
}

fn part_flag(part: Part) -> Flag {
    match part {
        Part::Gps => Flag::Gps,
        Part::Place => Flag::Placed,
        Part::Caption => Flag::Caption,
        Part::Tag => Flag::Tag,
        Part::Album => Flag::Album,
        Part::Rating => Flag::Rated,
    }
}

/// The cells of the map around a point that hold anything; `has:gps` where they are too many.
fn near_expression(
    connection: &Connection,
    latitude: f64,
    longitude: f64,
    metres: f64,
) -> rusqlite::Result<Option<String>> {
    let Some(cells) = cells_over(&boxes_around(latitude, longitude, metres)) else {
        return Ok(Some(flag(Flag::Gps)));
    };
    let mut tokens = Vec::new();
    for cell in cells {
        tokens.extend(find_label(connection, LabelKind::Cell, &cell.identity())?);
    }
    Ok(any(tokens.into_iter().map(|number| quoted(&label_token(number)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_typed_is_syntax() {
        assert_eq!(quoted("a\" OR name : \"b"), "\"a\"\" OR name : \"\"b\"");
    }
}
