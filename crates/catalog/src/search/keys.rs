//! All places that a query finds, read from indexes alone.
//!
//! A row of the timeline is wide, and reading a hundred thousand of them, scattered over the whole of it, takes seconds.
//! Whoever wants everything that matches needs none of them: the index of sizes and that of positions know exactly what
//! the posting lists know roughly.

use rusqlite::{Connection, Row};

use super::ListOptions;
use super::check::passes;
use super::plan::Plan;
use super::run::behind;

/// So few rows are looked at sooner than an index is listed.
const FEW_ROWS: usize = 2_000;
/// To step over so many entries of an index costs about as much as to seek in it.
const STEPS_PER_SEEK: usize = 8;

impl Plan {
    /// The places that match, ascending; none where only the rows can tell.
    pub(super) fn keys(
        &self,
        connection: &Connection,
        options: &ListOptions,
    ) -> rusqlite::Result<Option<Vec<i64>>> {
        if self.checks.iter().any(|check| !check.is_indexed()) {
            return Ok(None);
        }
        let first = self.checks.iter().find(|check| !check.negated);
        let mut keys = match (&self.exact, first) {
            (Some(expression), _) => self.found_by(connection, expression, options)?,
            (None, Some(check)) => self.inside(&check.list(connection)?, options),
            (None, None) => self.everything(connection, options)?,
        };
        if keys.len() <= FEW_ROWS {
            self.keep_passing(connection, &mut keys)?;
            return Ok(Some(keys));
        }
        for check in &self.checks {
            if self.exact.is_none() && first.is_some_and(|first| std::ptr::eq(first, check)) {
                continue;
            }
            let listed = check.list(connection)?;
            keys.retain(|key| listed.binary_search(key).is_ok() != check.negated);
        }
        Ok(Some(keys))
    }

    /// What of ascending places lies in the ranges.
    fn inside(&self, listed: &[i64], options: &ListOptions) -> Vec<i64> {
        let mut keys = Vec::new();
        for range in self.ranges.iter().filter_map(|range| behind(*range, options.after)) {
            let start = listed.partition_point(|key| *key < range.first);
            let end = listed.partition_point(|key| *key <= range.last);
            keys.extend_from_slice(listed.get(start..end).unwrap_or_default());
        }
        keys
    }

    fn found_by(
        &self,
        connection: &Connection,
        expression: &str,
        options: &ListOptions,
    ) -> rusqlite::Result<Vec<i64>> {
        let mut select = connection.prepare_cached(
            "SELECT rowid FROM search WHERE search MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid",
        )?;
        let mut keys = Vec::new();
        for range in self.ranges.iter().filter_map(|range| behind(*range, options.after)) {
            for key in select.query_map((expression, range.first, range.last), |row| row.get(0))? {
                keys.push(key?);
            }
        }
        Ok(keys)
    }

    fn everything(&self, connection: &Connection, options: &ListOptions) -> rusqlite::Result<Vec<i64>> {
        let mut select = connection.prepare_cached(
            "SELECT key FROM timeline INDEXED BY timeline_shapes WHERE key BETWEEN ?1 AND ?2 ORDER BY key",
        )?;
        let mut keys = Vec::new();
        for range in self.ranges.iter().filter_map(|range| behind(*range, options.after)) {
            for key in select.query_map((range.first, range.last), |row| row.get(0))? {
                keys.push(key?);
            }
        }
        Ok(keys)
    }

    /// Looks at the rows themselves.
    fn keep_passing(&self, connection: &Connection, keys: &mut Vec<i64>) -> rusqlite::Result<()> {
        if self.checks.is_empty() {
            return Ok(());
        }
        let columns = self.with_checked("1");
        let mut select =
            connection.prepare_cached(&format!("SELECT {columns} FROM timeline AS t WHERE t.key = ?1"))?;
        let mut passing = Vec::with_capacity(keys.len());
        for key in keys.iter() {
            let mut rows = select.query([key])?;
            if let Some(row) = rows.next()?
                && passes(&self.checks, row)?
            {
                passing.push(*key);
            }
        }
        *keys = passing;
        Ok(())
    }
}

/// Meets the shapes at ascending places, stepping over what lies between them where that is little.
pub(super) fn meet_shapes(
    connection: &Connection,
    keys: &[i64],
    columns: &str,
    options: &ListOptions,
    mut meet: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let covers = if options.covers_only { "AND t.cover IS NULL" } else { "" };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {columns} FROM timeline AS t INDEXED BY timeline_shapes WHERE t.key >= ?1 {covers} ORDER BY t.key"
    ))?;
    let mut left = keys;
    while let [first, ..] = left {
        let mut rows = select.query([first])?;
        let mut steps = 0;
        loop {
            let Some(row) = rows.next()? else { return Ok(()) };
            let key: i64 = row.get(0)?;
            // Those before it are not there, or are left out.
            let gone = left.iter().take_while(|wanted| **wanted < key).count();
            left = left.get(gone..).unwrap_or_default();
            match left {
                [] => return Ok(()),
                [wanted, rest @ ..] if *wanted == key => {
                    meet(row)?;
                    (left, steps) = (rest, 0);
                }
                _ if steps == STEPS_PER_SEEK => break,
                _ => steps += 1,
            }
        }
    }
    Ok(())
}
