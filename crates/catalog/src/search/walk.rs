//! A listing from end to end, as little of each row as laying it out needs.
//!
//! A page that scrolls through everything must know where everything stands before it shows anything. This reads no
//! names and no placeholders, and holds nothing: whoever walks keeps what it wants.

use rusqlite::{Connection, OptionalExtension as _, Row};
use safelight_model::AssetId;

use super::keys::meet_shapes;
use super::plan::Plan;
use super::run::{Next, behind, shelves};
use super::{Cursor, ListOptions};
use crate::catalog::{AssetRow, Catalog, ROW_COLUMNS, TimelineKey, read_row};
use crate::error::Result;
use crate::query::Query;

/// What is read of each row, in the order of [`read_place`].
const COLUMNS: &str = "t.key, t.width, t.height, t.orientation, t.quarter_turns";

/// Where an asset stands, and its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its place in the timeline: [`Catalog::rows_at`] reads the row.
    pub cursor: Cursor,
    /// Pixels across, as shown.
    pub width: Option<u32>,
    /// Pixels down, as shown.
    pub height: Option<u32>,
}

impl Cursor {
    /// When what stands here was taken by the clock on the wall there, in seconds since 1970 on that clock.
    #[must_use]
    pub fn local_seconds(self) -> i64 {
        TimelineKey(self.0).local_seconds()
    }
}

fn read_place(row: &Row<'_>) -> rusqlite::Result<Place> {
    let (width, height): (Option<u32>, Option<u32>) = (row.get(1)?, row.get(2)?);
    let (orientation, turns): (u8, u8) = (row.get(3)?, row.get(4)?);
    let lies = (orientation >= 5) != (turns % 2 == 1);
    let (width, height) = if lies { (height, width) } else { (width, height) };
    Ok(Place { cursor: Cursor(row.get(0)?), width, height })
}

impl Catalog {
    /// Meets everything that matches a query, newest first, in one transaction; a limit is passed over.
    ///
    /// # Errors
    /// Those of the database.
    pub fn walk(&self, query: &Query, options: &ListOptions, mut meet: impl FnMut(Place)) -> Result<()> {
        self.database.read_at_once(|connection| {
            for shelf in shelves(query, options) {
                let Some(plan) = Plan::new(connection, query, shelf)? else { continue };
                if plan.is_everything() {
                    walk_shapes(connection, &plan, options, &mut meet)?;
                    continue;
                }
                if let Some(keys) = plan.keys(connection, options)? {
                    meet_shapes(connection, &keys, COLUMNS, options, |row| {
                        meet(read_place(row)?);
                        Ok(())
                    })?;
                    continue;
                }
                plan.walk(connection, COLUMNS, options, usize::MAX, |row| {
                    meet(read_place(row)?);
                    Ok(Next::More)
                })?;
            }
            Ok(())
        })
    }

    /// Reads the rows at these places; `None` for a place that nothing stands at any more.
    ///
    /// # Errors
    /// Those of the database.
    pub fn rows_at(&self, cursors: &[Cursor]) -> Result<Vec<Option<AssetRow>>> {
        self.database.read(|connection| {
            let mut select = connection
                .prepare_cached(&format!("SELECT {ROW_COLUMNS} FROM timeline AS t WHERE t.key = ?1"))?;
            cursors.iter().map(|cursor| select.query_row([cursor.0], read_row).optional()).collect()
        })
    }

    /// Where an asset stands; `None` if it is not listed.
    ///
    /// # Errors
    /// Those of the database.
    pub fn cursor_of(&self, asset: AssetId) -> Result<Option<Cursor>> {
        Ok(self.asset(asset)?.map(|row| row.cursor))
    }
}

/// Walks stretches of the timeline in the index that holds shapes and nothing else.
fn walk_shapes(
    connection: &Connection,
    plan: &Plan,
    options: &ListOptions,
    meet: &mut impl FnMut(Place),
) -> rusqlite::Result<()> {
    let covers = if options.covers_only { "AND t.cover IS NULL" } else { "" };
    let select = format!(
        "SELECT {COLUMNS} FROM timeline AS t INDEXED BY timeline_shapes
         WHERE t.key BETWEEN ?1 AND ?2 {covers} ORDER BY t.key"
    );
    let mut select = connection.prepare_cached(&select)?;
    for range in &plan.ranges {
        let Some(range) = behind(*range, options.after) else { continue };
        let mut rows = select.query((range.first, range.last))?;
        while let Some(row) = rows.next()? {
            meet(read_place(row)?);
        }
    }
    Ok(())
}
