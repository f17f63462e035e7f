//! The cells of a view of the map: one pass over all photos, without looking anything up.

use safelight_catalog::Cursor;

use super::{MapView, Point, e7};

/// Marks in one view; where there would be more, cells are made larger.
pub(super) const MOST_CELLS: usize = 400;
/// Cells along one side of a tile of the map, which is 256 pixels wide.
const CELLS_A_TILE: f64 = 4.0;
/// The most cells of a grid, empty ones included. Those of a window are some hundreds.
const MOST_SUMS: usize = 1 << 16;
/// Degrees × 10⁷ from the middle to the date line.
const HALF_WAY_ROUND_E7: i32 = 1_800_000_000;

/// What is summed up in a cell.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    pub(super) newest: Cursor,
    /// Where that one is.
    newest_e7: (i32, i32),
    latitude_e7: i64,
    longitude_e7: i64,
    pub(super) assets: i64,
}

impl Sum {
    pub(super) fn of(point: &Point) -> Self {
        Self {
            newest: point.cursor,
            newest_e7: (point.latitude_e7, point.longitude_e7),
            latitude_e7: point.latitude_e7.into(),
            longitude_e7: point.longitude_e7.into(),
            assets: 1,
        }
    }

    pub(super) fn add(&mut self, point: &Point) {
        self.merge(&Self::of(point));
    }

    fn merge(&mut self, other: &Self) {
        if other.newest < self.newest {
            (self.newest, self.newest_e7) = (other.newest, other.newest_e7);
        }
        self.latitude_e7 += other.latitude_e7;
        self.longitude_e7 += other.longitude_e7;
        self.assets += other.assets;
    }

    pub(super) fn middle(&self) -> (f64, f64) {
        let mean = |sum: i64| (sum / self.assets.max(1)) as f64 / 1e7;
        (mean(self.latitude_e7), mean(self.longitude_e7))
    }

    /// Degrees north and east of the newest.
    pub(super) fn newest_position(&self) -> (f64, f64) {
        let (latitude, longitude) = self.newest_e7;
        (f64::from(latitude) / 1e7, f64::from(longitude) / 1e7)
    }
}

/// Rows or columns of cells, numbered from the equator and the middle, so that they stay where they are when the view moves.
#[derive(Clone, Copy)]
struct Span {
    from_e7: i32,
    to_e7: i32,
    side_e7: i32,
    first: i32,
    last: i32,
}

impl Span {
    fn new(from_e7: i32, to_e7: i32, side_e7: i32) -> Self {
        let number = |e7: i32| e7.div_euclid(side_e7);
        Self { from_e7, to_e7, side_e7, first: number(from_e7), last: number(to_e7) }
    }

    /// How many cells.
    fn count(&self) -> usize {
        usize::try_from(self.last - self.first + 1).unwrap_or_default()
    }

    /// Which of them, counted from 0.
    fn place(&self, e7: i32) -> Option<usize> {
        if (self.from_e7..=self.to_e7).contains(&e7) {
            usize::try_from(e7.div_euclid(self.side_e7) - self.first).ok()
        } else {
            None
        }
    }
}

/// The cells of a view, column by column.
pub(super) struct Grid {
    rows: Span,
    /// Two where the view crosses the date line; a cell never does.
    columns: Vec<Span>,
    sums: Vec<Option<Sum>>,
}

impl Grid {
    pub(super) fn over(view: &MapView) -> Self {
        let side = 360.0 / 2_f64.powi(i32::from(view.zoom.min(22))) / CELLS_A_TILE;
        let mut side_e7 = e7(side).max(1);
        loop {
            let grid = Self::with_cells_of(view, side_e7);
            if grid.count() <= MOST_SUMS {
                return Self { sums: vec![None; grid.count()], ..grid };
            }
            side_e7 = side_e7.saturating_mul(2);
        }
    }

    fn with_cells_of(view: &MapView, side_e7: i32) -> Self {
        let [south, west, north, east] = [view.south, view.west, view.north, view.east].map(e7);
        let span = |from, to| Span::new(from, to, side_e7);
        let columns = if west <= east {
            vec![span(west, east)]
        } else {
            vec![span(west, HALF_WAY_ROUND_E7), span(-HALF_WAY_ROUND_E7, east)]
        };
        Self { rows: span(south, north), columns, sums: Vec::new() }
    }

    fn count(&self) -> usize {
        self.rows.count().saturating_mul(self.columns.iter().map(Span::count).sum())
    }

    /// Adds a photo if it lies in the view and is wanted.
    pub(super) fn add(&mut self, point: &Point, is_wanted: impl FnOnce(Cursor) -> bool) {
        let Some(row) = self.rows.place(point.latitude_e7) else { return };
        let mut before = 0;
        for span in &self.columns {
            let Some(column) = span.place(point.longitude_e7) else {
                before += span.count();
                continue;
            };
            if is_wanted(point.cursor)
                && let Some(sum) = self.sums.get_mut((before + column) * self.rows.count() + row)
            {
                match sum {
                    Some(sum) => sum.add(point),
                    None => *sum = Some(Sum::of(point)),
                }
            }
            return;
        }
    }

    /// The cells in which something lies, made larger until they are few enough.
    pub(super) fn finish(self) -> Vec<Sum> {
        let columns = self.columns.iter().flat_map(|span| span.first..=span.last);
        let mut cells: Vec<([i32; 2], Sum)> = Vec::new();
        for (column, sums) in columns.zip(self.sums.chunks(self.rows.count().max(1))) {
            let placed = (self.rows.first..=self.rows.last).zip(sums);
            cells.extend(placed.filter_map(|(row, sum)| sum.map(|sum| ([column, row], sum))));
        }
        while cells.len() > MOST_CELLS {
            cells = twice_as_large(cells);
        }
        cells.into_iter().map(|(_, sum)| sum).collect()
    }
}

/// Four cells in one.
fn twice_as_large(mut cells: Vec<([i32; 2], Sum)>) -> Vec<([i32; 2], Sum)> {
    for (cell, _) in &mut cells {
        *cell = cell.map(|at| at.div_euclid(2));
    }
    cells.sort_unstable_by_key(|(cell, _)| *cell);
    cells.dedup_by(|(cell, sum), (kept, whole)| {
        let is_same = cell == kept;
        if is_same {
            whole.merge(sum);
        }
        is_same
    });
    cells
}
