//! Stacks: photos of one moment that show as one, under a cover that a person chose.

use std::collections::{BTreeSet, HashSet};

use safelight_catalog::AssetRow;
use safelight_model::{AssetId, Field, MediaKind, Value};
use serde::Serialize;

use super::change::EditReport;
use super::select::Selection;
use super::trash::count;
use super::{read, written};
use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::listing::kind_word;

/// A stack: its cover, then what lies under it in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownStack {
    /// The id of the cover.
    pub cover: String,
    /// Everything in it.
    pub items: Vec<StackedAsset>,
}

/// One photo of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct StackedAsset {
    /// The id.
    pub id: String,
    /// The file's name.
    pub name: String,
    /// `photo`, `video`, `raw` or `other`.
    pub kind: &'static str,
    /// Degrees clockwise that it was turned by hand.
    pub rotate: u16,
}

impl Library {
    /// The stack that a photo lies in, under its cover or as that; none if it lies in none. The video half of a Live Photo
    /// is a part of its photo, and none of a stack.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn stack_of(&self, item: &str) -> Result<Option<ShownStack>> {
        let asset = self.asset_called(item)?;
        self.stack_of_asset(asset)
    }

    pub(crate) fn stack_of_asset(&self, asset: AssetId) -> Result<Option<ShownStack>> {
        let Some((cover, under)) = self.catalog().stack_of(asset)? else { return Ok(None) };
        let mut items = Vec::with_capacity(under.len() + 1);
        for asset in std::iter::once(cover).chain(under) {
            let Some(row) = self.catalog().asset(asset)? else { continue };
            if asset != cover && is_half(&row) || self.is_kept_back(&row) {
                continue;
            }
            items.push(StackedAsset {
                id: asset.to_string(),
                name: String::from_utf8_lossy(row.file_name()).into_owned(),
                kind: kind_word(row.media),
                rotate: u16::from(row.quarter_turns) * 90,
            });
        }
        // Under a cover that is kept back, the first that is told of stands for it.
        match items.first() {
            Some(first) if items.len() > 1 => Ok(Some(ShownStack { cover: first.id.clone(), items })),
            _ => Ok(None),
        }
    }

    /// Puts photos, and what lies under them, under one cover; a cover that lies under another comes out first.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn stack(&mut self, selection: &Selection, cover: &str, dry_run: bool) -> Result<EditReport> {
        let no_such = || LibraryError::NoSuchItem { item: cover.to_owned() };
        let cover = self.asset_called(cover)?;
        self.catalog().cursor_of(cover)?.ok_or_else(no_such)?;
        let values = self.stacking(selection, cover)?;
        self.write_stacks(&values, dry_run)
    }

    /// What is to be written so that photos, and what lies under them, lie under one cover.
    pub(crate) fn stacking(&self, selection: &Selection, cover: AssetId) -> Result<Vec<(AssetId, Value)>> {
        let (top, under) = self.catalog().stack_of(cover)?.unwrap_or((cover, Vec::new()));
        let mut members = self.with_their_stacks(selection.assets())?;
        members.remove(&cover);
        let mut values = Vec::new();
        if top == cover {
            // What lies there by itself needs nobody to say so.
            members.retain(|asset| !under.contains(asset));
        } else {
            values.push((cover, Value::Bool(false)));
        }
        values.extend(members.into_iter().map(|asset| (asset, cover.into())));
        Ok(values)
    }

    /// Takes stacks apart: everything in those that the photos belong to stands as it would had nobody stacked it, and
    /// what lies there by itself on its own; a Live Photo stays whole.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn unstack(&mut self, selection: &Selection, dry_run: bool) -> Result<EditReport> {
        let mut members = BTreeSet::new();
        for asset in selection.assets() {
            if let Some((top, under)) = self.catalog().stack_of(*asset)? {
                members.insert((top, true));
                members.extend(under.into_iter().map(|asset| (asset, false)));
            }
        }
        let mut values = Vec::new();
        for (asset, is_cover) in members {
            let row = self.catalog().asset(asset)?;
            // Hidden photos that are kept back stay where they are.
            if row.as_ref().is_some_and(|row| self.is_kept_back(row)) {
                continue;
            }
            let Some(item) = self.item(asset)? else { continue };
            let view = item.view();
            if view.stack.is_some() || is_cover {
                values.push((asset, Value::None));
            } else if !row.is_some_and(|row| is_half(&row)) {
                values.push((asset, Value::Bool(false)));
            }
        }
        self.write_stacks(&values, dry_run)
    }

    /// The video halves of the Live Photos among these that are not named themselves. A half is a part of its photo, so that
    /// what is said of whether, when and where a photo is holds for both; it is no photo of its own that anybody counts.
    pub(crate) fn halves_of(&self, selection: &Selection) -> Result<Vec<AssetId>> {
        let mut seen: HashSet<AssetId> = selection.assets().iter().copied().collect();
        let mut halves = Vec::new();
        for asset in selection.assets() {
            let row = self.catalog().asset(*asset)?;
            if !row.is_some_and(|row| row.is_live() && !is_half(&row)) {
                continue;
            }
            let companions = self.catalog().companions_of(*asset)?;
            for other in companions {
                let row = self.catalog().asset(other)?;
                if row.is_some_and(|row| is_half(&row) && !self.is_kept_back(&row)) && seen.insert(other) {
                    halves.push(other);
                }
            }
        }
        Ok(halves)
    }

    /// The same photos, and what lies in stacks under those that are covers: for whoever sees each stack as one. The video
    /// half of a Live Photo is a part of it anyway, and is counted by nobody.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn with_stacks(&self, selection: &Selection) -> Result<Selection> {
        let under = self.with_their_stacks(selection.assets())?.into_iter().collect();
        let mut assets = selection.assets().to_vec();
        for asset in self.without_kept_back(under)? {
            let row = self.catalog().asset(asset)?;
            if row.is_some_and(|row| !is_half(&row)) {
                assets.push(asset);
            }
        }
        Ok(Selection::of(assets))
    }

    fn with_their_stacks(&self, assets: &[AssetId]) -> Result<BTreeSet<AssetId>> {
        let mut members = BTreeSet::new();
        for asset in assets {
            members.insert(*asset);
            // What lies under it goes with it; where it lies itself, the others stay.
            if let Some((top, under)) = self.catalog().stack_of(*asset)?
                && top == *asset
            {
                members.extend(under);
            }
        }
        Ok(members)
    }

    pub(crate) fn write_stacks(&mut self, values: &[(AssetId, Value)], dry_run: bool) -> Result<EditReport> {
        let mut report = EditReport { dry_run, ..EditReport::default() };
        if dry_run {
            for (asset, value) in values {
                let known = self.item(*asset)?;
                let changes =
                    known.and_then(|item| written(*asset, &item.state, Field::STACK, value.clone()));
                count(&mut report, *asset, changes.is_some());
            }
            return Ok(report);
        }
        self.change(|change| {
            for (asset, value) in values {
                let known = read(change, *asset, false)?;
                let body = known.and_then(|(state, _)| written(*asset, &state, Field::STACK, value.clone()));
                count(&mut report, *asset, body.is_some());
                if let Some(body) = body {
                    change.push(body)?;
                }
            }
            Ok(report)
        })
    }
}

/// Whether it is the video half of a Live Photo.
fn is_half(row: &AssetRow) -> bool {
    row.media == MediaKind::Video && row.is_live()
}
