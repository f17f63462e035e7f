//! Emptying the trash: the one change that cannot be taken back.
//!
//! Order: the purge is recorded and durable before the first sealed byte goes (sl1-history §7.5). It names all
//! writes of the trash and all contents that are known here, so a restore by a device that has not heard of it
//! undoes it. A process that is killed in between leaves bytes that the next emptying removes.

use std::collections::HashSet;
use std::time::Duration;

use safelight_model::view::AssetStatus;
use safelight_model::{AssetId, AssetState, Storage};
use serde::Serialize;

use super::reclaim::Reclaimed;
use super::select::{Among, Selection};
use super::{is_held, read};
use crate::effects::now_stamp_millis;
use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::monitor::Monitor;

/// What emptying the trash would do; consumed by [`Library::purge`].
#[must_use = "nothing is purged before the plan is carried out"]
#[derive(Debug, Clone, Default, Serialize)]
pub struct PurgePlan {
    #[serde(skip)]
    assets: Vec<AssetId>,
    /// Only what has lain there since before this moment, in milliseconds since 1970.
    #[serde(skip)]
    trashed_before: Option<u64>,
    /// How many photos.
    pub photos: u64,
    /// Bytes of their originals that lie in the library.
    pub bytes: u64,
    /// How many of them are linked: their files stay where they are.
    pub linked: u64,
    /// How many are in the trash and stay: not there for long enough, or devices disagree about it.
    pub staying: u64,
    /// How many of those that stay could go and are held by a snapshot.
    pub in_snapshots: u64,
}

/// What emptying the trash came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PurgeReport {
    /// Photos that are gone.
    pub purged: u64,
    /// Photos that were taken out of the trash meanwhile, and stay.
    pub restored_meanwhile: u64,
    /// Bytes of sealed objects that were removed.
    pub freed_bytes: u64,
    /// Why some bytes are still there, if they are; the next emptying removes them.
    pub bytes_left: Option<String>,
}

impl Library {
    /// What emptying the trash, or removing some of what lies in it, would do.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn plan_purge(
        &self,
        selection: Option<&Selection>,
        older_than: Option<Duration>,
    ) -> Result<PurgePlan> {
        let trashed_before = older_than
            .map(|age| now_stamp_millis().saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
        let assets = match selection {
            Some(selection) => selection.assets().to_vec(),
            None => self.all_that_match("", Among::Trashed)?,
        };
        let (mut plan, mut holders) = (PurgePlan { trashed_before, ..PurgePlan::default() }, self.holders()?);
        for asset in assets {
            let Some(state) = self.catalog().asset_state(asset)?.filter(is_held) else { continue };
            if !state.current().is_trashed() {
                return Err(LibraryError::Refused {
                    reason: format!("{asset} is not in the trash; nothing was removed"),
                    hint: "safelight trash puts photos there".into(),
                });
            }
            if !may_go(asset, &state, trashed_before) {
                plan.staying += 1;
            } else if holders.hold(&self.catalog(), &state)? {
                plan.staying += 1;
                plan.in_snapshots += 1;
            } else {
                plan.add(asset, &state);
            }
        }
        Ok(plan)
    }

    /// Purges what was planned, unless it was restored meanwhile, and removes the sealed bytes that nothing
    /// else needs. Linked files are not touched.
    ///
    /// # Errors
    /// Those of the catalogue; what was purged then stays so.
    pub fn purge(&mut self, plan: PurgePlan, monitor: &dyn Monitor) -> Result<PurgeReport> {
        let PurgePlan { assets, trashed_before, .. } = plan;
        self.folder.require_writable()?;
        self.require_unbraked()?;
        self.begin_reclaiming()?;
        // It has no way back.
        let (mut report, contents) = self.change_as(None, |change| {
            let mut report = PurgeReport::default();
            let mut contents = HashSet::new();
            for asset in assets {
                let state = read(change, asset, false)?.map(|(state, _)| state);
                let state = state.filter(|state| may_go(asset, state, trashed_before));
                match state.and_then(|state| state.purge(asset).map(|body| (state, body))) {
                    Some((state, body)) => {
                        let additions = state.current().contents().additions().iter();
                        contents.extend(additions.map(|write| write.value.original.content));
                        change.push(body)?;
                        report.purged += 1;
                    }
                    None => report.restored_meanwhile += 1,
                }
            }
            Ok((report, contents))
        })?;
        self.device.mark_purged(&contents)?;
        let Reclaimed { freed_bytes, left } = self.reclaim(monitor)?;
        report.freed_bytes = freed_bytes;
        report.bytes_left = left;
        Ok(report)
    }
}

impl PurgePlan {
    /// Whether there is nothing to purge.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.assets.is_empty()
    }

    fn add(&mut self, asset: AssetId, state: &AssetState) {
        self.assets.push(asset);
        self.photos += 1;
        let mut seen = HashSet::new();
        let originals = state.current().contents().additions().iter().map(|write| &write.value.original);
        let mut is_linked = false;
        for original in originals.filter(|original| seen.insert(original.content)) {
            if original.storage == Storage::Linked {
                is_linked = true;
            } else {
                self.bytes += original.size_bytes;
            }
        }
        self.linked += u64::from(is_linked);
    }
}

/// Whether an asset lies in the trash as far as anybody says, and for long enough.
fn may_go(asset: AssetId, state: &AssetState, trashed_before: Option<u64>) -> bool {
    let view = safelight_model::view::AssetView::new(asset, state, None);
    let AssetStatus::Trashed(since) = view.status else { return false };
    state.purge(asset).is_some() && trashed_before.is_none_or(|before| since.millis <= before)
}
