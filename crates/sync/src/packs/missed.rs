//! Whether anything is missed of a pack whose index nobody here ever read: it may hold whatever its kind may. If all of that
//! is in other packs, something took its place long ago.

use safelight_model::{PackKind, RenditionKind, Storage};

use super::kinds_of;
use crate::error::Result;
use crate::here::Here;

/// Records that are read together.
const AT_ONCE: usize = 512;

/// Whether everything that some photo needs and that a pack of this kind may hold is in another pack that counts, by its
/// logical name. Goes through the whole catalogue.
pub(crate) fn is_all_elsewhere(
    here: &Here<'_>,
    kind: PackKind,
    counts: impl Fn(&str) -> Result<bool>,
) -> Result<bool> {
    match kind {
        PackKind::TinyOriginals => are_small_originals(here, &counts),
        PackKind::Thumbnails | PackKind::Previews => are_renditions(here, kinds_of(kind), &counts),
        PackKind::Unknown(_) => Ok(false),
    }
}

fn are_small_originals(here: &Here<'_>, counts: &impl Fn(&str) -> Result<bool>) -> Result<bool> {
    let mut after = None;
    loop {
        let assets = here.catalog.assets_after(after, AT_ONCE)?;
        let Some((last, _)) = assets.last() else { return Ok(true) };
        after = Some(*last);
        let living = assets.iter().map(|(_, state)| state.current()).filter(|life| !life.is_purged());
        for write in living.flat_map(|life| life.contents().additions()) {
            let original = &write.value.original;
            if original.storage == Storage::Packed
                && !is_elsewhere(here, &original.content, RenditionKind::Original, counts)?
            {
                return Ok(false);
            }
        }
    }
}

fn are_renditions(
    here: &Here<'_>,
    kinds: &[RenditionKind],
    counts: &impl Fn(&str) -> Result<bool>,
) -> Result<bool> {
    let mut after = None;
    loop {
        let contents = here.catalog.contents_after(after, AT_ONCE)?;
        let Some((last, _)) = contents.last() else { return Ok(true) };
        after = Some(*last);
        for (content, state) in &contents {
            let mut made =
                kinds.iter().filter(|kind| state.renditions_of(**kind).next().is_some()).peekable();
            if made.peek().is_none()
                || here.catalog.content_use(content)?.is_some_and(|used| !used.is_referenced)
            {
                continue;
            }
            for kind in made {
                if !is_elsewhere(here, content, *kind, counts)? {
                    return Ok(false);
                }
            }
        }
    }
}

fn is_elsewhere(
    here: &Here<'_>,
    content: &safelight_crypto::ContentHash,
    kind: RenditionKind,
    counts: &impl Fn(&str) -> Result<bool>,
) -> Result<bool> {
    for pack in here.device.packs_with(content, kind)? {
        if counts(&pack)? {
            return Ok(true);
        }
    }
    Ok(false)
}
