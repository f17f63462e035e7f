//! Forgetting photos: here, in every remote that can be reached, and what the receipt says of it.
//!
//! Invariants: what goes is recorded and durable before the first byte goes, so that a run that is cut is gone on with by the
//! next sync or the next forgetting; a receipt says of no place that it holds nothing unless this device has just seen to that
//! itself, and names nothing that a photo was called or showed. The rest is `safelight_sync::forget_at`.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use safelight_catalog::RemoteRow;
use safelight_crypto::{Domain, OsEntropy, Sha256};
use safelight_model::view::{AssetStatus, AssetView};
use safelight_model::{AssetId, AssetState, ContentHash, Forget, Life, OpBody, Storage};
use safelight_sync::{ForgottenThere, Stop, forget_at, forget_here, is_forgotten_there};
use serde::Serialize;
use serde_json::{Value, json};

use super::at::{Surroundings, reconnect, runtime};
use super::lock::SyncLock;
use super::run::{Told, here, until_stopped};
use crate::edit::Selection;
use crate::error::{LibraryError, Result, with_causes};
use crate::library::Library;
use crate::monitor::{Monitor, Task};

/// Assets that are read together.
const AT_ONCE: usize = 2000;
/// Prefix of the settings that keep receipts; what follows sorts as they were written.
const RECEIPTS: &str = "receipt/";

/// What forgetting would do; consumed by [`Library::forget`].
#[must_use = "nothing is forgotten before the plan is carried out"]
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ForgetPlan {
    #[serde(skip)]
    #[cfg_attr(feature = "schemas", schema(ignore))]
    chosen: Vec<Chosen>,
    /// How many photos, those too that were merged into them.
    pub photos: u64,
    /// Bytes of their originals, wherever they rest.
    pub bytes: u64,
    /// How many of them are linked: their files stay where they are.
    pub linked: u64,
    /// Snapshots, by name: what they show loses these photos too.
    pub snapshots: Vec<String>,
    /// The remotes that are asked.
    pub remotes: Vec<String>,
    /// What the provider of each may keep by itself.
    pub may_keep: Vec<MayKeep>,
    /// Watched and linked folders of this device: a file in one of them stays.
    pub watched_folders: u64,
    /// How many other devices have to sync before they have forgotten too.
    pub other_devices: u64,
    /// Devices that left the library, by name or id: they keep what they held then.
    pub devices_that_left: Vec<String>,
    /// Bytes that stay, because another photo has the same.
    pub shared_contents: u64,
}

/// A photo that is to be forgotten.
#[derive(Debug, Clone, Copy)]
struct Chosen {
    asset: AssetId,
    /// Whether it was in the timeline when it was chosen: one that came out of the trash since was wanted back.
    was_shown: bool,
}

/// What a provider may keep of what was deleted and overwritten. Its settings cannot be read from here.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct MayKeep {
    /// The remote.
    pub remote: String,
    /// `azure`, `s3`, `drive` (a cloud's own, with a bin), `file` (a sealed copy, out of which nothing goes) or `other`.
    pub provider: &'static str,
    /// What may be kept, and until when.
    pub sentence: String,
}

impl MayKeep {
    fn of(row: &RemoteRow) -> Self {
        let kind = super::at::parse_address(&row.address).map_or("", |address| address.kind());
        let (provider, sentence) = match kind {
            "azure" => (
                "azure",
                "soft delete, versions and snapshots of the container keep what was deleted and overwritten for as long as they are set to: see the storage account; archived blobs are deleted like others",
            ),
            "s3" => (
                "s3",
                "versions and object lock of the bucket keep what was deleted and overwritten for as long as they are set to: see the bucket",
            ),
            "dropbox" | "gdrive" | "onedrive" => (
                "drive",
                "the provider's bin and versions keep what was deleted and overwritten for as long as your plan says, mostly 30 days or more: empty the bin there",
            ),
            "file" => (
                "file",
                "all of it: out of a sealed copy in one file nothing can be taken; make a new copy, and destroy this one",
            ),
            _ => (
                "other",
                "snapshots, versions and backups of that disk or server, if it makes any: only who runs it knows until when",
            ),
        };
        Self { remote: row.name.clone(), provider, sentence: sentence.to_owned() }
    }
}

/// What became of one place.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ForgottenPlace {
    /// The remote.
    pub remote: String,
    /// Whether it was seen to that it holds nothing of it any more.
    pub is_done: bool,
    /// What keeps it there, if anything does.
    pub waits: Vec<String>,
    /// Parts of originals and packs that were deleted.
    pub deleted_objects: u64,
    /// Segments of history that were replaced.
    pub replaced_segments: u64,
    /// Roots and pages of checkpoints that were deleted.
    pub deleted_checkpoints: u64,
    /// What the provider itself may still keep, and until when.
    pub may_keep: String,
}

/// What forgetting came to.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ForgetReport {
    /// Photos that were forgotten in this run.
    pub forgotten: u64,
    /// Photos that were taken out of the trash after they had been chosen, and stay.
    pub stayed: u64,
    /// Bytes that went from this device.
    pub freed_bytes: u64,
    /// Why bytes are still on this device, if they are.
    pub bytes_left: Option<String>,
    /// Every remote of this device.
    pub places: Vec<ForgottenPlace>,
    /// Other devices that have to sync, by name or id.
    pub devices: Vec<String>,
    /// Where copies may be that Safelight does not reach, one sentence each.
    pub elsewhere: Vec<String>,
    /// The receipt: two lines of JSON, the second signs the first.
    pub receipt: String,
}

impl ForgetReport {
    /// Whether this device and all of its remotes hold nothing of it any more.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.bytes_left.is_none() && self.places.iter().all(|place| place.is_done)
    }
}

/// What a look at all assets tells of the chosen ones.
#[derive(Default)]
struct Found {
    chosen: BTreeSet<AssetId>,
    /// Contents that an asset has which is not chosen.
    shared: BTreeSet<ContentHash>,
}

fn is_shown(asset: AssetId, state: &AssetState) -> bool {
    AssetView::new(asset, state, None).status == AssetStatus::Live
}

impl Library {
    /// What forgetting these photos would do. Those that were merged into one of them go with it.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn plan_forget(&self, selection: &Selection) -> Result<ForgetPlan> {
        let found = self.found_of(selection.assets())?;
        let mut plan = ForgetPlan::default();
        let mut shared = BTreeSet::new();
        for asset in found.chosen {
            let Some(state) = self.catalog().asset_state(asset)? else { continue };
            let mut contents = BTreeMap::new();
            for (_, life) in state.lives() {
                for write in life.contents().additions() {
                    contents.insert(write.value.original.content, write.value.original.clone());
                }
            }
            plan.linked += u64::from(contents.values().any(|original| original.storage == Storage::Linked));
            for (content, original) in contents {
                if found.shared.contains(&content) {
                    shared.insert(content);
                } else {
                    plan.bytes += original.size_bytes;
                }
            }
            plan.photos += 1;
            plan.chosen.push(Chosen { asset, was_shown: is_shown(asset, &state) });
        }
        plan.shared_contents = shared.len() as u64;
        plan.snapshots = self.snapshots()?.into_iter().map(|snapshot| snapshot.name).collect();
        let remotes = self.device.remotes()?;
        plan.may_keep = remotes.iter().map(MayKeep::of).collect();
        plan.remotes = remotes.into_iter().map(|row| row.name).collect();
        plan.watched_folders = self.watched_folders()?;
        plan.other_devices = self.other_devices()?.len() as u64;
        plan.devices_that_left = self.devices_that_left()?;
        Ok(plan)
    }

    /// Forgets what was planned: records it, takes it out of this device and of every remote that can be reached, and writes
    /// the receipt. With an empty plan it goes on with what waits.
    ///
    /// # Errors
    /// Those of the databases and the folder; what was recorded is gone on with. What concerns one remote is in the report.
    pub fn forget(
        &mut self,
        plan: &ForgetPlan,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<ForgetReport> {
        self.forget_alone(plan, surroundings, monitor, || ())
    }

    /// The same for whoever has the library open more than once: `keep_out` is called before bytes go from this device,
    /// and what it answers is dropped once they have gone.
    ///
    /// # Errors
    /// As [`Library::forget`].
    pub fn forget_alone<Kept>(
        &mut self,
        plan: &ForgetPlan,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
        keep_out: impl FnOnce() -> Kept,
    ) -> Result<ForgetReport> {
        self.folder.require_writable()?;
        self.require_unbraked()?;
        let _only = SyncLock::take_to_remove(&self.folder)?;
        self.begin_reclaiming()?;
        let (going, forgotten) = loop {
            let going = self.still_to_go(&plan.chosen)?;
            // One that came out of the trash since is found within the transaction; then it is looked at anew.
            if let Some(forgotten) = self.forget_chosen(&going)? {
                break (going, forgotten);
            }
        };
        self.forget_on_this_device()?;
        let kept_out = keep_out();
        let reclaimed = self.reclaim(monitor);
        drop(kept_out);
        let reclaimed = reclaimed?;
        let mut places = Vec::new();
        monitor.begin(Task::Sync, None, None);
        for row in self.device.remotes()? {
            places.push(self.forget_in(&row, surroundings, monitor));
        }
        monitor.end();
        let devices = self.other_devices()?;
        let elsewhere = self.elsewhere()?;
        let mut report = ForgetReport {
            forgotten,
            stayed: (plan.chosen.len() - going.len()) as u64,
            freed_bytes: reclaimed.freed_bytes,
            bytes_left: reclaimed.left,
            places: places.into_iter().collect::<Result<_>>()?,
            devices,
            elsewhere,
            receipt: String::new(),
        };
        report.receipt = self.receipt(&report)?;
        Ok(report)
    }

    /// Records that these are forgotten, and those that were merged into them; none if one of them was taken out of the trash.
    fn forget_chosen(&mut self, going: &[Chosen]) -> Result<Option<u64>> {
        let assets: Vec<AssetId> = going.iter().map(|chosen| chosen.asset).collect();
        let found = self.found_of(&assets)?;
        self.change_as(None, |change| {
            for Chosen { asset, was_shown } in going {
                if !was_shown && change.asset(*asset)?.is_some_and(|state| is_shown(*asset, &state)) {
                    return Ok(None);
                }
            }
            let mut forgotten = 0;
            for asset in &found.chosen {
                let Some(state) = change.asset(*asset)? else { continue };
                let mut contents = Vec::new();
                let mut contents_life = Life::default();
                for write in state.lives().flat_map(|(_, life)| life.contents().additions()) {
                    let content = write.value.original.content;
                    if !found.shared.contains(&content) {
                        contents_life = change
                            .content(content)?
                            .map_or(contents_life, |known| known.life().max(contents_life));
                        contents.push(content);
                    }
                }
                if let Some(body) = state.forget(*asset, contents, contents_life) {
                    change.push(body)?;
                    forgotten += 1;
                }
            }
            Ok(Some(forgotten))
        })
    }

    /// Those that nobody took out of the trash since they were chosen.
    fn still_to_go(&self, chosen: &[Chosen]) -> Result<Vec<Chosen>> {
        let (mut going, mut staying, mut merged) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        for one in chosen {
            let state = self.catalog().asset_state(one.asset)?;
            let into = state.as_ref().and_then(|state| state.current().alias().winner()?.value);
            merged.extend(into.map(|into| (one.asset, into)));
            if !one.was_shown && state.is_some_and(|state| is_shown(one.asset, &state)) {
                staying.insert(one.asset);
            } else {
                going.push(*one);
            }
        }
        // What was merged into one that stays, stays with it.
        while let Some((asset, _)) =
            merged.iter().find(|(asset, into)| staying.contains(*into) && !staying.contains(*asset))
        {
            staying.insert(*asset);
        }
        going.retain(|one| !staying.contains(&one.asset));
        Ok(going)
    }

    /// The receipts that this device wrote, the oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn receipts(&self) -> Result<Vec<String>> {
        let kept = self.device.settings(RECEIPTS)?;
        Ok(kept.into_iter().filter_map(|(_, bytes)| String::from_utf8(bytes).ok()).collect())
    }

    /// The remotes that are not known to hold nothing any more of what was forgotten.
    ///
    /// # Errors
    /// Those of the databases.
    pub(crate) fn forgetting_waits_for(&self) -> Result<Vec<String>> {
        let mut waiting = Vec::new();
        for row in self.device.remotes()? {
            if !is_forgotten_there(&self.catalog(), &self.device, row.id)? {
                waiting.push(row.name);
            }
        }
        Ok(waiting)
    }

    /// Takes out of this device what history forgets, whoever said so.
    pub(crate) fn forget_on_this_device(&mut self) -> Result<bool> {
        let (stop, told, mut keys, mut entropy) = (Stop::default(), safelight_sync::Silent, None, OsEntropy);
        let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
        Ok(forget_here(&mut here)?)
    }

    fn forget_in(
        &mut self,
        row: &RemoteRow,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<ForgottenPlace> {
        let stop = Stop::default();
        let keeper = self.keeper(row)?;
        let runtime = runtime()?;
        let result = runtime.block_on(async {
            let (at, _) = reconnect(row, keeper, surroundings).await?;
            let (told, mut keys) = (Told(monitor), None);
            let mut entropy = OsEntropy;
            let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
            let mut problems = Vec::new();
            let done = until_stopped(forget_at(&mut here, &at, &mut problems), &stop, monitor).await?;
            let is_done = is_forgotten_there(here.catalog, here.device, row.id)?;
            Ok::<_, LibraryError>((done, is_done))
        });
        let (done, is_done) = match result {
            Ok((done, is_done)) => (done, is_done),
            Err(error) => {
                let waits = vec![with_causes(&error)];
                (ForgottenThere { waits, ..ForgottenThere::default() }, false)
            }
        };
        Ok(ForgottenPlace {
            remote: row.name.clone(),
            is_done,
            waits: done.waits,
            deleted_objects: done.deleted_objects,
            replaced_segments: done.replaced_segments,
            deleted_checkpoints: done.deleted_checkpoints,
            may_keep: MayKeep::of(row).sentence,
        })
    }

    /// The chosen assets and all that were merged into them, and which contents others have too.
    fn found_of(&self, assets: &[AssetId]) -> Result<Found> {
        let mut found = Found { chosen: assets.iter().copied().collect(), shared: BTreeSet::new() };
        if found.chosen.is_empty() {
            return Ok(found);
        }
        let mut merged: Vec<(AssetId, AssetId)> = Vec::new();
        let mut holders: BTreeMap<ContentHash, BTreeSet<AssetId>> = BTreeMap::new();
        let mut after = None;
        loop {
            let stretch = self.catalog().assets_after(after, AT_ONCE)?;
            let Some((last, _)) = stretch.last() else { break };
            after = Some(*last);
            for (asset, state) in &stretch {
                let into = state.current().alias().winner().and_then(|write| write.value);
                merged.extend(into.map(|into| (*asset, into)));
                for write in state.lives().flat_map(|(_, life)| life.contents().additions()) {
                    holders.entry(write.value.original.content).or_default().insert(*asset);
                }
            }
        }
        while let Some((asset, _)) =
            merged.iter().find(|(asset, into)| found.chosen.contains(into) && !found.chosen.contains(asset))
        {
            found.chosen.insert(*asset);
        }
        let is_shared = |assets: &BTreeSet<AssetId>| assets.iter().any(|asset| !found.chosen.contains(asset));
        found.shared =
            holders.iter().filter(|(_, assets)| is_shared(assets)).map(|(content, _)| *content).collect();
        Ok(found)
    }

    /// Devices of the library other than this one that belong to it, as people know them.
    fn other_devices(&self) -> Result<Vec<String>> {
        let names = self.device_names()?;
        let own = self.keyring().device().id();
        let roster = self.catalog().roster(self.id())?;
        let members = roster.iter().flat_map(|roster| roster.members());
        let others = members.filter(|(id, member)| **id != own && member.standing.belongs());
        Ok(others.map(|(id, _)| names.called(*id)).collect())
    }

    /// Devices that have left the library, in peace or not, as people know them.
    fn devices_that_left(&self) -> Result<Vec<String>> {
        let names = self.device_names()?;
        let roster = self.catalog().roster(self.id())?;
        let members = roster.iter().flat_map(|roster| roster.members());
        let left = members.filter(|(_, member)| !member.standing.belongs());
        Ok(left.map(|(id, _)| names.called(*id)).collect())
    }

    /// Where copies may be that nothing here reaches.
    fn elsewhere(&self) -> Result<Vec<String>> {
        let mut elsewhere = vec![
            "what was exported, shared or pushed as a plain copy: Safelight keeps no list of it".to_owned(),
            "backups of this computer or of a remote, and copies of this library's folder: nothing here knows of them".to_owned(),
            "the files that were imported: those in a folder of yours stay where they are".to_owned(),
        ];
        let left = self.devices_that_left()?;
        if !left.is_empty() {
            elsewhere.push(format!(
                "devices that left the library keep what they held then, and forget nothing: {}",
                left.join(", ")
            ));
        }
        let watched = self.watched_folders()?;
        if watched > 0 {
            elsewhere.push(format!(
                "{watched} watched or linked folders of this device: a file in one of them stays, and is not imported again by itself"
            ));
        }
        Ok(elsewhere)
    }

    fn watched_folders(&self) -> Result<u64> {
        Ok(self.device.sources()?.iter().filter(|source| source.watched || source.link).count() as u64)
    }

    /// Writes the receipt and keeps it.
    fn receipt(&mut self, report: &ForgetReport) -> Result<String> {
        let forgets = self.catalog().forgets()?;
        let forgotten: Vec<Value> = forgets
            .iter()
            .filter_map(|(_, op)| told(&op.id.to_string(), op.stamp.millis, &op.body))
            .collect();
        let places: Vec<Value> = report
            .places
            .iter()
            .map(|place| {
                json!({
                    "remote": place.remote,
                    "holds_nothing": place.is_done,
                    "waits": place.waits,
                    "deleted_objects": place.deleted_objects,
                    "replaced_segments": place.replaced_segments,
                    "deleted_checkpoints": place.deleted_checkpoints,
                    "provider_may_keep": place.may_keep,
                })
            })
            .collect();
        let written = jiff::Timestamp::now();
        let said = json!({
            "safelight_receipt": 1,
            "library": HEXLOWER.encode(self.id().as_bytes()),
            "written": written.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "forgotten": forgotten,
            "this_device": {
                "holds_nothing": report.bytes_left.is_none(),
                "freed_bytes": report.freed_bytes,
                "waits": report.bytes_left,
            },
            "remotes": places,
            "devices_that_have_to_sync": report.devices,
            "may_be_elsewhere": report.elsewhere,
        });
        let first = format!("{said}\n");
        let mut hasher = Sha256::new();
        hasher.update(first.as_bytes());
        let digest = hasher.finish();
        let device = self.keyring().device();
        let end = json!({
            "sha256": HEXLOWER.encode(&digest),
            "device": device.id().to_string(),
            "verifying_key": HEXLOWER.encode(device.card().verifying_key().as_bytes()),
            "signature": HEXLOWER.encode(device.sign(Domain::Export, &digest).as_bytes()),
        });
        let receipt = format!("{first}{end}\n");
        let name = format!("{RECEIPTS}{:016}", written.as_millisecond());
        self.device.set_setting(&name, Some(receipt.as_bytes()))?;
        Ok(receipt)
    }
}

/// What a receipt says of one op: hashes and times, no names.
fn told(id: &str, millis: u64, body: &OpBody) -> Option<Value> {
    let OpBody::Forget(Forget { asset, life, contents, parts, .. }) = body else { return None };
    let contents: Vec<String> = contents.iter().map(ToString::to_string).collect();
    let when = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    Some(json!({
        "op": id,
        "when": when.map(|when| when.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        "asset": asset.to_string(),
        "life": life.0,
        "contents": contents,
        "objects": parts.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
}
