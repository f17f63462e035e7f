//! Runs plans: pages, counts, the map.

use rusqlite::{Connection, Row, ToSql};

use super::check::passes;
use super::plan::Plan;
use super::{AssetPage, Cursor, ListOptions, MatchCount, last_op};
use crate::catalog::{Catalog, KeyRange, ROW_COLUMNS, Shelf, read_row};
use crate::error::Result;
use crate::query::{Query, State};

/// An asset on the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapPoint {
    /// Its place in the timeline: [`Catalog::row_at`] reads the row.
    pub cursor: Cursor,
    /// Degrees north × 10⁷.
    pub latitude_e7: i32,
    /// Degrees east × 10⁷.
    pub longitude_e7: i32,
}

/// After so many refused rows, a walk pauses for the first time.
const FIRST_REFUSALS: usize = 64;
/// Listing a row costs about so much less than refusing one.
const ROWS_PER_REFUSAL: usize = 16;

/// Whether to go on after a row.
pub(super) enum Next {
    More,
    Enough,
}

impl Catalog {
    /// Lists what matches a query, newest first, a page at a time.
    ///
    /// Each page costs about the same, however far down it is: it begins at a key, not at a count.
    ///
    /// # Errors
    /// Those of the database.
    pub fn list(&self, query: &Query, options: &ListOptions) -> Result<AssetPage> {
        let mut page = AssetPage::default();
        let wanted = options.limit.saturating_add(1);
        self.database.read(|connection| {
            for shelf in shelves(query, options) {
                if page.rows.len() >= wanted {
                    break;
                }
                let Some(plan) = Plan::new(connection, query, shelf)? else { continue };
                plan.walk(connection, ROW_COLUMNS, options, wanted - page.rows.len(), |row| {
                    page.rows.push(read_row(row)?);
                    Ok(if page.rows.len() >= wanted { Next::Enough } else { Next::More })
                })?;
            }
            Ok(())
        })?;
        if page.rows.len() == wanted {
            page.rows.pop();
            page.next = page.rows.last().map(|row| row.cursor);
        }
        Ok(page)
    }

    /// Counts what matches a query, up to `most`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn count(&self, query: &Query, options: &ListOptions, most: u64) -> Result<MatchCount> {
        let mut count = 0;
        self.database.read(|connection| {
            for shelf in shelves(query, options) {
                let Some(plan) = Plan::new(connection, query, shelf)? else { continue };
                let limit = usize::try_from(most - count).unwrap_or(usize::MAX);
                plan.walk(connection, "1", options, limit, |_| {
                    count += 1;
                    Ok(if count >= most { Next::Enough } else { Next::More })
                })?;
                if count >= most {
                    break;
                }
            }
            Ok(())
        })?;
        Ok(if count >= most { MatchCount::AtLeast(count) } else { MatchCount::Exactly(count) })
    }

    /// Reads the row at a place in the timeline, if it is still there.
    ///
    /// # Errors
    /// Those of the database.
    pub fn row_at(&self, cursor: Cursor) -> Result<Option<crate::AssetRow>> {
        use rusqlite::OptionalExtension as _;
        self.database.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT {ROW_COLUMNS} FROM timeline AS t WHERE t.key = ?1"))?
                .query_row([cursor.0], read_row)
                .optional()
        })
    }

    /// Where the timeline begins to be older than a moment (seconds since 1970 by the clock on the wall): a
    /// page after this cursor jumps there.
    #[must_use]
    pub fn cursor_at(&self, shelf: Shelf, local_seconds: i64) -> Cursor {
        let range = KeyRange::between(shelf, None, Some(local_seconds.saturating_add(1)));
        Cursor(range.map_or(0, |range| range.first.saturating_sub(1)))
    }

    /// The shown assets in a box on the map, in degrees × 10⁷, at most `limit`; `west` may be east of `east`
    /// to cross the date line.
    ///
    /// # Errors
    /// Those of the database.
    pub fn on_map(
        &self,
        south: i32,
        north: i32,
        west: i32,
        east: i32,
        limit: usize,
    ) -> Result<Vec<MapPoint>> {
        let boxes = if west <= east {
            vec![(west, east)]
        } else {
            vec![(west, 1_800_000_000), (-1_800_000_000, east)]
        };
        let shown = KeyRange::of_shelf(Shelf::Shown);
        let mut points = Vec::new();
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key, south, west FROM positions
                 WHERE south >= ?1 AND north <= ?2 AND west >= ?3 AND east <= ?4 AND key BETWEEN ?5 AND ?6
                 LIMIT ?7",
            )?;
            for (west, east) in boxes {
                let limit = limit - points.len();
                let mut rows = statement.query((south, north, west, east, shown.first, shown.last, limit))?;
                while let Some(row) = rows.next()? {
                    points.push(MapPoint {
                        cursor: Cursor(row.get(0)?),
                        latitude_e7: row.get(1)?,
                        longitude_e7: row.get(2)?,
                    });
                }
            }
            Ok(())
        })?;
        Ok(points)
    }

    /// Counts the shown assets of a label, once until the next change.
    pub(crate) fn count_label(&self, number: i64) -> Result<u64> {
        let shown = KeyRange::of_shelf(Shelf::Shown);
        self.database.read(|connection| {
            // Whoever changes something meanwhile makes a newer op, and it is counted again.
            let newest = last_op(connection)?;
            if let Some(assets) = self.counted.borrow_mut().at(newest).get(&number) {
                return Ok(*assets);
            }
            let token = super::plan::quoted(&crate::catalog::label_token(number));
            let assets = connection
                .prepare_cached(
                    "SELECT count(*) FROM search WHERE search MATCH ?1 AND rowid BETWEEN ?2 AND ?3",
                )?
                .query_row((token, shown.first, shown.last), |row| row.get(0))?;
            self.counted.borrow_mut().at(newest).insert(number, assets);
            Ok(assets)
        })
    }
}

/// The shelves to look at, in order.
pub(super) fn shelves(query: &Query, options: &ListOptions) -> Vec<Shelf> {
    if let Some(shelves) = &options.shelves {
        return shelves.clone();
    }
    if query.asks_for(State::Trashed) {
        vec![Shelf::Trashed]
    } else if query.asks_for(State::Hidden) {
        vec![Shelf::Hidden]
    } else {
        vec![Shelf::Shown]
    }
}

/// How a walk ended.
enum Walked {
    /// With the last row, or enough of them.
    Done,
    /// With too many rows that the checks refused; the rest begins behind this key.
    Paused(i64),
}

impl Plan {
    /// Meets up to `limit` matching rows in order.
    ///
    /// Checks can refuse nearly all that the posting lists hold: a narrow range of sizes, a circle beside a big
    /// town. The rows that such a condition allows are then listed by its own index, if they are few. Nobody
    /// knows beforehand which way is the shorter one, so they take turns, each longer than the last.
    pub(super) fn walk(
        &self,
        connection: &Connection,
        columns: &str,
        options: &ListOptions,
        limit: usize,
        mut meet: impl FnMut(&Row<'_>) -> rusqlite::Result<Next>,
    ) -> rusqlite::Result<()> {
        let mut left = limit;
        let mut meet = |row: &Row<'_>| {
            let next = meet(row)?;
            left = left.saturating_sub(1);
            Ok(if left == 0 { Next::Enough } else { next })
        };
        let mut options = options.clone();
        let mut refusals = if self.is_listable() { FIRST_REFUSALS } else { usize::MAX };
        loop {
            if let Some(keys) = self.listed(connection, refusals.saturating_mul(ROWS_PER_REFUSAL))? {
                return self.walk_listed(connection, columns, &options, &keys, &mut meet);
            }
            match self.walk_lists(connection, columns, &options, limit, refusals, &mut meet)? {
                Walked::Done => return Ok(()),
                Walked::Paused(key) => options.after = Some(Cursor(key)),
            }
            refusals = refusals.saturating_mul(4);
        }
    }

    /// Walks the posting lists, or the timeline, until the checks have refused so many rows.
    fn walk_lists(
        &self,
        connection: &Connection,
        columns: &str,
        options: &ListOptions,
        limit: usize,
        mut refusals: usize,
        meet: &mut impl FnMut(&Row<'_>) -> rusqlite::Result<Next>,
    ) -> rusqlite::Result<Walked> {
        let needs_row = columns != "1" || !self.checks.is_empty() || options.covers_only;
        let sql = self.statement(&self.with_checked(columns), needs_row, options.covers_only);
        let mut statement = connection.prepare_cached(&sql)?;
        // Rows that fail a check do not count, so only without checks is the limit SQLite's.
        let most = if self.checks.is_empty() { i64::try_from(limit).unwrap_or(i64::MAX) } else { -1 };
        for range in &self.ranges {
            let Some(range) = behind(*range, options.after) else { continue };
            let mut parameters: Vec<&dyn ToSql> = vec![&range.first, &range.last, &most];
            if let Some(expression) = &self.expression {
                parameters.push(expression);
            }
            let mut rows = statement.query(parameters.as_slice())?;
            while let Some(row) = rows.next()? {
                if self.checks.is_empty() || passes(&self.checks, row)? {
                    if matches!(meet(row)?, Next::Enough) {
                        return Ok(Walked::Done);
                    }
                } else if refusals == 0 {
                    return Ok(Walked::Paused(row.get(row.as_ref().column_count() - 1)?));
                } else {
                    refusals -= 1;
                }
            }
        }
        Ok(Walked::Done)
    }

    /// Walks rows that are known, ascending; the posting lists only say which of them match the rest.
    fn walk_listed(
        &self,
        connection: &Connection,
        columns: &str,
        options: &ListOptions,
        keys: &[i64],
        meet: &mut impl FnMut(&Row<'_>) -> rusqlite::Result<Next>,
    ) -> rusqlite::Result<()> {
        let covers = if options.covers_only { "AND t.cover IS NULL" } else { "" };
        let columns = self.with_checked(columns);
        let mut fetch = connection
            .prepare_cached(&format!("SELECT {columns} FROM timeline AS t WHERE t.key = ?1 {covers}"))?;
        let mut visit = |key: i64| -> rusqlite::Result<Next> {
            let mut rows = fetch.query([key])?;
            match rows.next()? {
                Some(row) if passes(&self.checks, row)? => meet(row),
                _ => Ok(Next::More),
            }
        };
        for range in &self.ranges {
            let Some(range) = behind(*range, options.after) else { continue };
            let start = keys.partition_point(|key| *key < range.first);
            let end = keys.partition_point(|key| *key <= range.last);
            let inside = keys.get(start..end).unwrap_or_default();
            let (Some(first), Some(last)) = (inside.first(), inside.last()) else { continue };
            match &self.expression {
                Some(expression) if !self.is_implied => {
                    let mut select = connection.prepare_cached(
                        "SELECT rowid FROM search WHERE search MATCH ?1 AND rowid BETWEEN ?2 AND ?3
                         ORDER BY rowid",
                    )?;
                    let mut rows = select.query((expression, first, last))?;
                    while let Some(row) = rows.next()? {
                        let key = row.get(0)?;
                        if inside.binary_search(&key).is_ok() && matches!(visit(key)?, Next::Enough) {
                            return Ok(());
                        }
                    }
                }
                _ => {
                    for key in inside {
                        if matches!(visit(*key)?, Next::Enough) {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The columns, and behind them those that the checks need and the key.
    pub(super) fn with_checked(&self, columns: &str) -> String {
        if self.checks.is_empty() {
            return columns.to_owned();
        }
        format!("{columns}, t.size_bytes, t.latitude_e7, t.longitude_e7, ifnull(t.content, t.asset), t.key")
    }

    fn statement(&self, columns: &str, needs_row: bool, covers_only: bool) -> String {
        let covers = if covers_only { "AND t.cover IS NULL" } else { "" };
        match (&self.expression, needs_row) {
            (None, _) => format!(
                "SELECT {columns} FROM timeline AS t WHERE t.key BETWEEN ?1 AND ?2 {covers}
                 ORDER BY t.key LIMIT ?3"
            ),
            (Some(_), true) => format!(
                "SELECT {columns} FROM search CROSS JOIN timeline AS t ON t.key = search.rowid
                 WHERE search MATCH ?4 AND search.rowid BETWEEN ?1 AND ?2 {covers}
                 ORDER BY search.rowid LIMIT ?3"
            ),
            (Some(_), false) => format!(
                "SELECT {columns} FROM search WHERE search MATCH ?4 AND rowid BETWEEN ?1 AND ?2
                 ORDER BY rowid LIMIT ?3"
            ),
        }
    }
}

/// What of a range comes after a cursor.
pub(super) fn behind(range: KeyRange, after: Option<Cursor>) -> Option<KeyRange> {
    match after {
        None => Some(range),
        Some(Cursor(key)) => range.and(KeyRange { first: key.saturating_add(1), last: i64::MAX }),
    }
}
