//! The trash: what lies in it shows nowhere else, and everything of it is still there.

use safelight_model::view::AssetStatus;
use safelight_model::{AssetId, Field, Value};
use serde::Serialize;

use super::change::EditReport;
use super::select::{Among, Selection};
use super::{is_held, read, written};
use crate::error::Result;
use crate::history::shown_time;
use crate::library::Library;
use crate::listing::ListedAsset;

/// A photo in the trash.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrashedAsset {
    /// The photo.
    #[serde(flatten)]
    pub asset: ListedAsset,
    /// Since when, by the clock of the device that put it there: `2026-05-14 10:11:12`, UTC.
    pub trashed: String,
}

impl Library {
    /// Puts photos into the trash, or takes them out, all or none; a Live Photo as a whole.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn trash(&mut self, selection: &Selection, trashed: bool, dry_run: bool) -> Result<EditReport> {
        if dry_run {
            let mut report = EditReport { dry_run, ..EditReport::default() };
            for asset in selection.assets() {
                let state = self.catalog().asset_state(*asset)?.filter(is_held);
                let changes =
                    state.and_then(|state| written(*asset, &state, Field::TRASHED, wish(trashed, &state)));
                count(&mut report, *asset, changes.is_some());
            }
            return Ok(report);
        }
        let halves = self.halves_of(selection)?;
        self.change(|change| {
            let mut report = EditReport::default();
            let photos = selection.assets().iter().map(|asset| (asset, true));
            for (asset, counts) in photos.chain(halves.iter().map(|half| (half, false))) {
                let body = match read(change, *asset, false)? {
                    Some((state, _)) => written(*asset, &state, Field::TRASHED, wish(trashed, &state)),
                    None => None,
                };
                if counts {
                    count(&mut report, *asset, body.is_some());
                }
                if let Some(body) = body {
                    change.push(body)?;
                }
            }
            Ok(report)
        })
    }

    /// Everything that lies in the trash.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn everything_in_the_trash(&self) -> Result<Selection> {
        Ok(Selection::of(self.all_that_match("", Among::Trashed)?))
    }

    /// What lies in the trash, newest photo first.
    ///
    /// # Errors
    /// [`crate::LibraryError::Query`] for what is no query, and those of the catalogue.
    pub fn list_trash(&self, query: &str) -> Result<Vec<TrashedAsset>> {
        let mut listed = Vec::new();
        for asset in self.all_that_match(query, Among::Trashed)? {
            let row = self.catalog().asset(asset)?;
            let item = self.item(asset)?;
            let (Some(row), Some(item)) = (row, item) else { continue };
            if let AssetStatus::Trashed(stamp) = item.view().status {
                listed.push(TrashedAsset { asset: ListedAsset::of(&row), trashed: shown_time(stamp.millis) });
            }
        }
        Ok(listed)
    }
}

/// What the register is to say. One that was never written is not in the trash as it is.
fn wish(trashed: bool, state: &safelight_model::AssetState) -> Value {
    let is_written =
        state.current().record().field(Field::TRASHED).is_some_and(|field| !field.heads().is_empty());
    if trashed || is_written { Value::Bool(trashed) } else { Value::None }
}

pub(super) fn count(report: &mut EditReport, asset: AssetId, changes: bool) {
    report.items += 1;
    if changes {
        report.changed.push(asset.to_string());
    } else {
        report.unchanged += 1;
    }
}
