//! A listing from end to end, as little of each row as laying it out needs.
//!
//! A page that scrolls through everything must know where everything stands before it shows anything. This reads no
//! names and no placeholders, and holds nothing: whoever walks keeps what it wants.

use rusqlite::OptionalExtension as _;
use safelight_model::AssetId;

use super::plan::Plan;
use super::run::{Next, shelves};
use super::{Cursor, ListOptions};
use crate::catalog::{AssetRow, Catalog, ROW_COLUMNS, read_row};
use crate::error::Result;
use crate::query::Query;

/// What is read of each row, in the order of [`Catalog::walk`].
const COLUMNS: &str = "t.key, t.local_millis, t.width, t.height, t.orientation, t.quarter_turns";

/// Where an asset stands, and its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its place in the timeline: [`Catalog::rows_at`] reads the row.
    pub cursor: Cursor,
    /// When it was taken by the clock on the wall there, in milliseconds since 1970 on that clock.
    pub local_millis: i64,
    /// Pixels across, as shown.
    pub width: Option<u32>,
    /// Pixels down, as shown.
    pub height: Option<u32>,
}

impl Catalog {
    /// Meets everything that matches a query, newest first, in one transaction.
    ///
    /// # Errors
    /// Those of the database.
    pub fn walk(&self, query: &Query, options: &ListOptions, mut meet: impl FnMut(Place)) -> Result<()> {
        self.database.read(|connection| {
            for shelf in shelves(query, options) {
                let Some(plan) = Plan::new(connection, query, shelf)? else { continue };
                plan.walk(connection, COLUMNS, options, options.limit, |row| {
                    let (width, height): (Option<u32>, Option<u32>) = (row.get(2)?, row.get(3)?);
                    let (orientation, turns): (u8, u8) = (row.get(4)?, row.get(5)?);
                    let lies = (orientation >= 5) != (turns % 2 == 1);
                    let (width, height) = if lies { (height, width) } else { (width, height) };
                    let (cursor, local_millis) = (Cursor(row.get(0)?), row.get(1)?);
                    meet(Place { cursor, local_millis, width, height });
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
