//! A drill: restoring originals from a place as a person would after a loss, and comparing every byte's hash.
//!
//! Nothing is written: parts are opened in memory, one at a time, and only their hashes stay. What is drilled is drawn
//! at random, so that nobody can prepare for it.

use safelight_catalog::SyncState;
use safelight_crypto::{ContentHash, OriginalOpener};
use safelight_model::{Original, Storage};
use safelight_store::StoreError;

use crate::collect::generations;
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::originals::{MOST_PART_BYTES, path_of_part};
use crate::problem::{Problem, Transfer};

/// Originals that are looked up together.
const AT_ONCE: usize = 1024;

/// What a drill came to.
#[derive(Debug, Default)]
pub struct DrillReport {
    /// Originals that were drawn.
    pub drawn_originals: u64,
    /// Those that came back bit for bit.
    pub restored_originals: u64,
    /// Those that must be thawed first.
    pub archived_originals: u64,
    /// Bytes of the contents that came back.
    pub content_bytes: u64,
    /// Sealed bytes that were downloaded.
    pub downloaded_bytes: u64,
    /// What did not come back, and why.
    pub problems: Vec<Problem>,
}

/// Restores up to `count` originals that rest in the place, drawn at random, in memory.
///
/// # Errors
/// What the place and the databases answer; what does not come back is in the report.
pub async fn drill(here: &mut Here<'_>, at: &RemotePlace, count: usize) -> Result<DrillReport> {
    let mut report = DrillReport::default();
    for content in draw(here, at, count)? {
        here.stop.check()?;
        let Some(used) = here.catalog.content_use(&content)? else { continue };
        let originals = used.additions.iter().map(|(_, original)| original);
        let mut sealed = originals.filter(|original| !original.parts.is_empty());
        let Some(original) = sealed.next_back() else { continue };
        report.drawn_originals += 1;
        match restore(here, at, original, &mut report).await? {
            Restored::Whole => {
                report.restored_originals += 1;
                report.content_bytes += original.size_bytes;
            }
            Restored::Archived => report.archived_originals += 1,
            Restored::Not(object, reason) => {
                here.note(&mut report.problems, Problem::Damaged { object, reason });
            }
        }
    }
    Ok(report)
}

/// Draws contents that rest whole in the place: every one with the same chance (Vitter's algorithm R).
fn draw(here: &mut Here<'_>, at: &RemotePlace, count: usize) -> Result<Vec<ContentHash>> {
    let (mut drawn, mut seen): (Vec<ContentHash>, u64) = (Vec::new(), 0);
    for state in [SyncState::Synced, SyncState::CloudOnly] {
        let mut after = None;
        loop {
            let rows = here.device.originals_in(at.id, state, after, AT_ONCE)?;
            let Some(last) = rows.last() else { break };
            after = Some((last.position, last.content));
            for row in &rows {
                let original = here.catalog.original_of(&row.content)?;
                if original.is_none_or(|original| original.storage == Storage::Packed) {
                    continue;
                }
                seen += 1;
                if drawn.len() < count {
                    drawn.push(row.content);
                    continue;
                }
                let mut random = [0; 8];
                here.entropy.fill(&mut random);
                let chosen = usize::try_from(u64::from_le_bytes(random) % seen).unwrap_or(usize::MAX);
                if let Some(place) = drawn.get_mut(chosen) {
                    *place = row.content;
                }
            }
        }
    }
    Ok(drawn)
}

enum Restored {
    Whole,
    Archived,
    Not(String, String),
}

async fn restore(
    here: &Here<'_>,
    at: &RemotePlace,
    original: &Original,
    report: &mut DrillReport,
) -> Result<Restored> {
    let mut opener = OriginalOpener::new(here.library(), original.content, original.size_bytes);
    let known = here.device.place_id(at.id)?;
    for part in &original.parts {
        let first = path_of_part(part, 0)?;
        let path = match here.device.replica_in_any_generation(at.id, first.as_str())? {
            Some(replica) => safelight_store::ObjectPath::parse(&replica.object).map_err(StoreError::from)?,
            None => path_of_part(part, generations(here.catalog, known, b'o', &part.name)?.0)?,
        };
        let not = |reason: String| Ok(Restored::Not(path.to_string(), reason));
        let bytes = match at.store.get(&path, MOST_PART_BYTES).await {
            Ok(bytes) => bytes,
            Err(StoreError::Archived { .. }) => return Ok(Restored::Archived),
            Err(error) if error.is_not_found() => return not("it is missing".to_owned()),
            Err(error @ (StoreError::TooLarge { .. } | StoreError::Damaged { .. })) => {
                return not(error.to_string());
            }
            Err(error) => return Err(error.into()),
        };
        report.downloaded_bytes += bytes.len() as u64;
        here.monitor.advance(Transfer::Verified, bytes.len() as u64);
        let opened = opener.open_part(
            &part.name,
            part.sealed_bytes,
            here.keys.keyring(),
            &mut bytes.as_ref(),
            &mut Vec::new(),
            &mut |_| Ok(()),
        );
        if let Err(error) = opened {
            return not(error.to_string());
        }
    }
    match opener.finish() {
        Ok(()) => Ok(Restored::Whole),
        Err(error) => Ok(Restored::Not(original.source.display(), error.to_string())),
    }
}
