//! Thawing originals that a place holds archived. A thaw is asked for part by part, takes the place hours, and is a
//! state that people see; it is never an error.

use safelight_catalog::{Archived, SyncState};
use safelight_crypto::HEADER_LEN;
use safelight_model::Original;
use safelight_store::{ObjectPath, StoreError, Tier, Urgency};

use super::fetch::ARCHIVED;
use super::find::parts_of;
use super::path_of_part;
use crate::collect::generations;
use crate::error::Result;
use crate::here::{Here, RemotePlace};

/// Why an original that was asked for is not here yet.
const ASKED: &str = "asked for; the next sync fetches it when it is ready";

/// How far the thaw of one original is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThawStep {
    /// The place does not hold all of it.
    NotThere,
    /// It can be read at once.
    Readable,
    /// It is archived, and nobody asked for a thaw.
    Archived,
    /// It is being thawed; so many parts were asked for just now.
    Thawing {
        /// Parts that were asked for by this call.
        asked_parts: u64,
    },
}

/// Looks how an original rests in a place, and remembers that.
///
/// # Errors
/// What the place and the databases answer.
pub async fn look_at_thaw(here: &mut Here<'_>, at: &RemotePlace, original: &Original) -> Result<ThawStep> {
    step(here, at, original, None).await
}

/// Asks a place to thaw what it holds of an original archived; what is being thawed already is not asked for again.
///
/// # Errors
/// What the place and the databases answer.
pub async fn thaw_original(
    here: &mut Here<'_>,
    at: &RemotePlace,
    original: &Original,
    urgency: Urgency,
) -> Result<ThawStep> {
    step(here, at, original, Some(urgency)).await
}

async fn step(
    here: &mut Here<'_>,
    at: &RemotePlace,
    original: &Original,
    ask: Option<Urgency>,
) -> Result<ThawStep> {
    if original.parts.is_empty() {
        return Ok(ThawStep::NotThere);
    }
    let (mut archived_parts, mut thawing_parts, mut asked_parts) = (0_u64, 0_u64, 0);
    let place = here.device.place_id(at.id)?;
    for part in parts_of(original) {
        here.stop.check()?;
        let first = path_of_part(part.part, 0)?;
        let (next, _) = generations(here.catalog, place, b'o', &part.part.name)?;
        let path = match here.device.replica_in_any_generation(at.id, first.as_str())? {
            Some(replica) => ObjectPath::parse(&replica.object).map_err(StoreError::from)?,
            None => path_of_part(part.part, next)?,
        };
        match rests(here, at, &path, part.part.sealed_bytes).await? {
            Rests::Nowhere => return Ok(ThawStep::NotThere),
            Rests::Thawing => thawing_parts += 1,
            Rests::Archived => match ask {
                Some(urgency) => {
                    at.store.thaw(&path, urgency).await?;
                    asked_parts += 1;
                }
                None => archived_parts += 1,
            },
            Rests::Readable => {}
        }
    }
    let (remote, content) = (at.id, original.content);
    let step = if thawing_parts + asked_parts > 0 {
        let asked_millis = Some(here.now_millis());
        here.device.set_archived(&Archived { remote, content, asked_millis })?;
        ThawStep::Thawing { asked_parts }
    } else if archived_parts > 0 {
        here.device.set_archived(&Archived { remote, content, asked_millis: None })?;
        ThawStep::Archived
    } else {
        here.device.set_thawed(remote, &content)?;
        ThawStep::Readable
    };
    let (state, reason) = match step {
        ThawStep::Thawing { .. } => (SyncState::Thawing, Some(ASKED)),
        ThawStep::Archived => (SyncState::CloudOnly, Some(ARCHIVED)),
        _ => (SyncState::CloudOnly, None),
    };
    let is_away = |state| {
        matches!(state, SyncState::Elsewhere | SyncState::Lost | SyncState::CloudOnly | SyncState::Thawing)
    };
    let held = here.device.original_at_remotes(&content)?;
    if held.iter().any(|(id, row)| *id == remote && is_away(row.state)) {
        here.device.set_original_states(remote, [(&content, state, reason)])?;
    }
    Ok(step)
}

/// How an object rests in a place.
enum Rests {
    /// It is not there, not of its size, or was found bad.
    Nowhere,
    Readable,
    Archived,
    Thawing,
}

/// Asks how an object rests. Where the place does not tell its tier, only reading shows whether it can be read.
async fn rests(here: &Here<'_>, at: &RemotePlace, path: &ObjectPath, sealed_bytes: u64) -> Result<Rests> {
    let info = match at.store.head(path).await {
        Ok(info) => info,
        Err(StoreError::NotFound { .. }) => return Ok(Rests::Nowhere),
        Err(error) => return Err(error.into()),
    };
    if info.length_bytes != sealed_bytes || here.device.is_bad(at.id, path.as_str())? {
        return Ok(Rests::Nowhere);
    }
    Ok(match (info.tier, info.is_thawing) {
        (_, true) => Rests::Thawing,
        (Some(Tier::Archive), false) => Rests::Archived,
        (Some(_), false) => Rests::Readable,
        (None, false) => match at.store.get_range(path, 0..sealed_bytes.min(HEADER_LEN as u64)).await {
            Ok(_) => Rests::Readable,
            Err(StoreError::Archived { .. }) => Rests::Archived,
            Err(StoreError::NotFound { .. }) => Rests::Nowhere,
            Err(error) => return Err(error.into()),
        },
    })
}
