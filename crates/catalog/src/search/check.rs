//! What the posting lists know only roughly, checked: sizes, circles on the map, contents.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Connection, Row};
use safelight_crypto::ContentHash;

use super::circle::{boxes_around, distance_metres};
use crate::query::{Bound, Condition};
use crate::rows::hash_column;

/// A condition on a row that the indexes answer only roughly.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) negated: bool,
    pub(super) what: Exact,
}

#[derive(Debug)]
pub(super) enum Exact {
    Size(Bound<u64>),
    Near { latitude: f64, longitude: f64, metres: f64 },
    Contents(Arc<HashSet<ContentHash>>),
}

/// What a row must show for the checks.
struct Checked {
    size_bytes: u64,
    position: Option<(f64, f64)>,
    content: ContentHash,
}

impl Check {
    /// Whether an index knows all places that it is about.
    pub(super) fn is_indexed(&self) -> bool {
        !matches!(self.what, Exact::Contents(_))
    }

    /// All places that it is about, ascending; what it negates is listed as well.
    pub(super) fn list(&self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        let mut keys: Vec<i64> = Vec::new();
        match &self.what {
            Exact::Size(bound) => {
                let mut select = connection
                    .prepare_cached("SELECT key FROM timeline WHERE size_bytes BETWEEN ?1 AND ?2")?;
                for key in select.query_map(stored_bounds(*bound), |row| row.get(0))? {
                    keys.push(key?);
                }
            }
            Exact::Near { latitude, longitude, metres } => {
                let mut select = connection.prepare_cached(
                    "SELECT key, south, west FROM positions
                     WHERE south >= ?1 AND north <= ?2 AND west >= ?3 AND east <= ?4",
                )?;
                for area in boxes_around(*latitude, *longitude, *metres) {
                    let mut rows = select.query((area.south, area.north, area.west, area.east))?;
                    while let Some(row) = rows.next()? {
                        let position = (degrees(row.get(1)?), degrees(row.get(2)?));
                        if distance_metres((*latitude, *longitude), position) <= *metres {
                            keys.push(row.get(0)?);
                        }
                    }
                }
            }
            Exact::Contents(_) => {}
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// Whether the row is as was asked.
    fn holds(&self, row: &Checked) -> bool {
        let matches = match &self.what {
            Exact::Size(bound) => {
                bound.from.is_none_or(|from| row.size_bytes >= from)
                    && bound.to.is_none_or(|to| row.size_bytes <= to)
            }
            Exact::Near { latitude, longitude, metres } => row
                .position
                .is_some_and(|position| distance_metres((*latitude, *longitude), position) <= *metres),
            Exact::Contents(contents) => contents.contains(&row.content),
        };
        matches != self.negated
    }
}

/// Whether a row that was read [with what the checks need](Plan::with_checked) is as was asked.
pub(super) fn passes(checks: &[Check], row: &Row<'_>) -> rusqlite::Result<bool> {
    let first = row.as_ref().column_count() - 5;
    let latitude: Option<i32> = row.get(first + 1)?;
    let longitude: Option<i32> = row.get(first + 2)?;
    let checked = Checked {
        size_bytes: row.get(first)?,
        position: latitude
            .zip(longitude)
            .map(|(latitude, longitude)| (degrees(latitude), degrees(longitude))),
        content: hash_column(row, first + 3)?,
    };
    Ok(checks.iter().all(|check| check.holds(&checked)))
}

/// Bounds of a size as the timeline has it.
fn stored_bounds(bound: Bound<u64>) -> (i64, i64) {
    let clamp = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    (bound.from.map_or(0, clamp), bound.to.map_or(i64::MAX, clamp))
}

fn degrees(e7: i32) -> f64 {
    f64::from(e7) / 1e7
}

/// All rows that a condition allows, ascending, and perhaps a few more; `None` if they are more than `most`.
pub(super) fn list_rows(
    connection: &Connection,
    condition: &Condition,
    most: usize,
) -> rusqlite::Result<Option<Vec<i64>>> {
    let mut keys: Vec<i64> = Vec::new();
    match condition {
        Condition::Size(bound) => {
            let mut select = connection
                .prepare_cached("SELECT key FROM timeline WHERE size_bytes BETWEEN ?1 AND ?2 LIMIT ?3")?;
            let (from, to) = stored_bounds(*bound);
            for key in select.query_map((from, to, most + 1), |row| row.get(0))? {
                keys.push(key?);
            }
        }
        Condition::Near { latitude, longitude, metres } => {
            let mut select = connection.prepare_cached(
                "SELECT key FROM positions WHERE south >= ?1 AND north <= ?2 AND west >= ?3 AND east <= ?4
                 LIMIT ?5",
            )?;
            for area in boxes_around(*latitude, *longitude, *metres) {
                let bounds = (area.south, area.north, area.west, area.east, most + 1);
                for key in select.query_map(bounds, |row| row.get(0))? {
                    keys.push(key?);
                }
            }
        }
        _ => return Ok(None),
    }
    if keys.len() > most {
        return Ok(None);
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(Some(keys))
}
