//! What is to be gone on this device: in the catalogue, in the segments of the library folder, in what is remembered of files
//! and remotes. Sealed bytes go with the library's next clearing, which this asks for.

use std::collections::BTreeSet;

use safelight_catalog::DeviceDb;
use safelight_crypto::ContentHash;
use safelight_model::{AssetId, Forget, Life, ObjectName, Op, OpBody, Original};

use super::segments::take_out_here;
use super::{LOOKED, ROUND};
use crate::brake::is_braked;
use crate::error::Result;
use crate::here::Here;

/// The setting that stands from before photos are purged until their bytes are gone.
const RECLAIMING: &str = "reclaiming";

/// Takes out of this device what history forgets and what still speaks of it. Answers whether something was found.
///
/// # Errors
/// Those of the databases and the folder; it is then done again.
pub fn forget_here(here: &mut Here<'_>) -> Result<bool> {
    let mut forgets = here.catalog.forgets()?;
    if forgets.is_empty() || is_braked(here.device)? {
        return Ok(false);
    }
    let (instance, mut last) = (here.catalog.instance()?, here.catalog.last_op()?);
    let kept = here.device.setting(LOOKED)?.unwrap_or_default();
    let looked = kept.strip_prefix(&instance.to_be_bytes()).and_then(|number| number.try_into().ok());
    let looked = looked.map_or(0, i64::from_be_bytes);
    if looked == last {
        return Ok(false);
    }
    let is_news = forgets.iter().any(|(number, _)| *number > looked);
    let after = if is_news { 0 } else { looked };
    let mut forgotten = here.catalog.forgotten()?;
    let mut covered = here.catalog.covered_ops(&forgotten, after)?;
    let found = is_news || !covered.is_empty();
    if found {
        let more = what_else(here, &forgets, &covered)?;
        if !more.is_empty() {
            let now = (here.now)();
            here.catalog.append(now, more)?;
            last = here.catalog.last_op()?;
            forgets = here.catalog.forgets()?;
            forgotten = here.catalog.forgotten()?;
            covered = here.catalog.covered_ops(&forgotten, 0)?;
        }
        // Before the first step, so that every place is looked at again whatever happens to this run.
        let round = round(here.device)? + 1;
        here.device.set_setting(ROUND, Some(&round.to_be_bytes()))?;
        here.device.set_setting(RECLAIMING, Some(b"1"))?;
        drop_traces(here, &forgets)?;
        take_out_here(here, &forgotten)?;
        here.catalog.take_out(&forgotten, &covered)?;
        here.device.checkpoint()?;
    }
    here.device.set_setting(LOOKED, Some(&[instance.to_be_bytes(), last.to_be_bytes()].concat()))?;
    Ok(found)
}

/// How often something was found here that is to be gone.
pub(super) fn round(device: &DeviceDb) -> Result<u64> {
    let kept = device.setting(ROUND)?.unwrap_or_default();
    Ok(kept.try_into().map_or(0, u64::from_be_bytes))
}

/// The contents that were forgotten and that no photo has now, and the assets that are not back.
pub(super) fn gone(
    here: &Here<'_>,
    forgets: &[(i64, Op)],
) -> Result<(BTreeSet<ContentHash>, BTreeSet<AssetId>)> {
    let (mut contents, mut assets) = (BTreeSet::new(), BTreeSet::new());
    for forget in forgets.iter().filter_map(|(_, op)| as_forget(op)) {
        for content in &forget.contents {
            if !is_used(here, content)? {
                contents.insert(*content);
            }
        }
        let state = here.catalog.asset_state(forget.asset)?;
        if state.is_none_or(|state| state.current().contents().additions().is_empty()) {
            assets.insert(forget.asset);
        }
    }
    Ok((contents, assets))
}

/// The names of the sealed objects of contents that are gone.
pub(super) fn gone_parts(here: &Here<'_>, forgets: &[(i64, Op)]) -> Result<BTreeSet<ObjectName>> {
    let mut parts = BTreeSet::new();
    for forget in forgets.iter().filter_map(|(_, op)| as_forget(op)) {
        let mut is_back = false;
        for content in &forget.contents {
            is_back |= is_used(here, content)?;
        }
        // What was imported again may rest under the same names.
        if !is_back {
            parts.extend(forget.parts.iter().copied());
        }
    }
    Ok(parts)
}

/// Whether a pack holds something that was forgotten and that no photo has now.
pub(crate) fn holds_forgotten(here: &Here<'_>, logical: &str) -> Result<bool> {
    for entry in here.device.entries_of_remote_pack(logical)? {
        if is_forgotten(here, &entry.content)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a content was forgotten, and no photo has it now: what is still here of it goes nowhere.
pub(crate) fn is_forgotten(here: &Here<'_>, content: &ContentHash) -> Result<bool> {
    let known = here.catalog.content_state(*content)?;
    Ok(known.is_some_and(|known| known.life() > Life(0)) && !is_used(here, content)?)
}

fn is_used(here: &Here<'_>, content: &ContentHash) -> Result<bool> {
    Ok(here.catalog.content_use(content)?.is_some_and(|used| used.is_referenced))
}

fn as_forget(op: &Op) -> Option<&Forget> {
    if let OpBody::Forget(forget) = &op.body { Some(forget) } else { None }
}

/// The ops that forget what the known ones do not name: contents and objects that a device which had not heard of them
/// added to a forgotten life.
fn what_else(here: &Here<'_>, forgets: &[(i64, Op)], covered: &[(i64, Op)]) -> Result<Vec<OpBody>> {
    let mut contents: BTreeSet<ContentHash> = BTreeSet::new();
    let mut parts: BTreeSet<ObjectName> = BTreeSet::new();
    for forget in forgets.iter().filter_map(|(_, op)| as_forget(op)) {
        contents.extend(&forget.contents);
        parts.extend(&forget.parts);
    }
    let mut bodies = Vec::new();
    for (_, op) in covered {
        let Some((asset, life, original)) = addition(op) else { continue };
        let names: BTreeSet<ObjectName> = original.parts.iter().map(|part| part.name).collect();
        if is_used(here, &original.content)?
            || (contents.contains(&original.content) && names.is_subset(&parts))
        {
            continue;
        }
        contents.insert(original.content);
        parts.extend(&names);
        let known = here.catalog.content_state(original.content)?;
        let contents_life = known.map_or(Life::default(), |known| known.life());
        // What was forgotten already stays so.
        let contents_life = Life(contents_life.0.saturating_sub(u32::from(contents_life.0 > 0)));
        let forget = Forget {
            asset,
            life,
            contents: vec![original.content],
            contents_life,
            parts: names.into_iter().collect(),
        };
        bodies.push(OpBody::Forget(forget));
    }
    Ok(bodies)
}

fn addition(op: &Op) -> Option<(AssetId, Life, &Original)> {
    match &op.body {
        OpBody::AddAsset { asset, life, original } | OpBody::AddVersion { asset, life, original, .. } => {
            Some((*asset, *life, original))
        }
        _ => None,
    }
}

fn drop_traces(here: &mut Here<'_>, forgets: &[(i64, Op)]) -> Result<()> {
    let (contents, assets) = gone(here, forgets)?;
    Ok(here.device.forget_traces(&contents, assets.iter().map(|asset| &asset.0))?)
}
