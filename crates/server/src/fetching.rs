//! Bringing an original here that rests in a remote, while pages are told how far it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use safelight_library::{FetchReport, LibraryError, Monitor, OriginalHere, Task};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::asked::{Parameters, whole_id};
use crate::events::Progress;
use crate::failure::{Answer, Failed, Failure};
use crate::gallery::Gallery;
use crate::media::{STRETCH_BYTES, not_here};

/// Originals up to this size are read through before a browser keeps them: a second or two at most.
const READ_THROUGH_BYTES: u64 = 256 << 20;

/// What fetching came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fetched {
    /// Sealed bytes that came over the wire; 0 if it was here already.
    bytes: u64,
}

/// Whether an original can be read on this device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OriginalStanding {
    /// Why not; none where it can.
    missing: Option<Failure>,
}

/// How closely somebody wants to know.
#[derive(Debug, Deserialize)]
pub(crate) struct HowClosely {
    /// Also reads it through, unless it is larger than 256 MiB: what is damaged is told before a browser keeps a part of it.
    #[serde(default)]
    whole: bool,
}

/// Looks whether the original of a photo is here, before somebody wants it as a file: that it is not is no mistake of whoever asks.
#[utoipa::path(get, path = "/api/v1/assets/{id}/fetch", tag = "reading",
    params(("id" = String, Path, description = "the photo"),
        ("whole" = Option<bool>, Query, description = "also reads it through, unless it is larger than 256 MiB")),
    responses((status = 200, body = OriginalStanding), (status = 404, body = Failed)))]
pub(crate) async fn look(
    State(gallery): State<Arc<Gallery>>,
    Path(id): Path<String>,
    Parameters(how): Parameters<HowClosely>,
) -> Answer<Json<OriginalStanding>> {
    let id = whole_id(id)?;
    let found = gallery.door.read({
        let id = id.clone();
        move |library| match library.original_here(&id) {
            Ok(here) => Ok(Ok(here)),
            Err(error @ (LibraryError::NoSuchItem { .. } | LibraryError::HiddenClosed)) => Err(error.into()),
            Err(error) => Ok(Err(not_here(error))),
        }
    });
    let missing = match found.await? {
        Ok(here) if how.whole && here.size_bytes() <= READ_THROUGH_BYTES => {
            read_through(&gallery, here).await?
        }
        Ok(_) => None,
        Err(missing) => Some(missing),
    };
    Ok(Json(OriginalStanding { missing }))
}

/// Reads an original from end to end, a stretch at a time; answers why it cannot be read.
async fn read_through(gallery: &Gallery, here: OriginalHere) -> Answer<Option<Failure>> {
    let here = Arc::new(here);
    let mut start = 0;
    while start < here.size_bytes() {
        let (part, stretch) = (Arc::clone(&here), start..start + STRETCH_BYTES);
        let read = gallery.door.read(move |library| match library.read_original(&part, stretch) {
            Ok(_) => Ok(None),
            Err(error @ (LibraryError::NoSuchItem { .. } | LibraryError::HiddenClosed)) => Err(error.into()),
            Err(error) => Ok(Some(Failure::from(error))),
        });
        if let Some(failure) = read.await? {
            return Ok(Some(failure));
        }
        start += STRETCH_BYTES;
    }
    Ok(None)
}

/// Tells pages how far a fetch is.
struct Telling {
    gallery: Arc<Gallery>,
    bytes: AtomicU64,
}

impl Monitor for Telling {
    fn begin(&self, _task: Task, _total: Option<u64>, _total_bytes: Option<u64>) {
        self.bytes.store(0, Ordering::Relaxed);
    }

    fn advance(&self, _items: u64, bytes: u64) {
        let done = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.gallery.news.progress(Progress { task: "fetch", done, of: None });
    }

    fn cancelled(&self) -> bool {
        self.gallery.door.is_locked()
    }
}

/// Fetches the original of a photo; answers when it is here.
#[utoipa::path(post, path = "/api/v1/assets/{id}/fetch", tag = "writing",
    params(("id" = String, Path, description = "the photo")),
    responses((status = 200, body = Fetched),
        (status = 409, description = "`archived`: it must be thawed first; `elsewhere`: it was found in no remote that answered, and who keeps it"),
        (status = 502, description = "`network`")))]
pub(crate) async fn fetch(
    State(gallery): State<Arc<Gallery>>,
    Path(id): Path<String>,
) -> Answer<Json<Fetched>> {
    let telling = Telling { gallery: Arc::clone(&gallery), bytes: AtomicU64::new(0) };
    let report = gallery.door.fetch(move |library, surroundings| {
        let selection = library.select_ids(std::slice::from_ref(&id))?;
        Ok(library.fetch(&selection, surroundings, &telling)?)
    });
    let report = report.await?;
    gallery.news.places();
    if report.archived_originals > 0 {
        let failure =
            Failure::new(StatusCode::CONFLICT, "archived", "the original is in the archive of a remote");
        return Err(failure.hint("safelight local thaw ITEMS asks for it; that takes hours"));
    }
    if report.not_held_originals > 0 && report.not_held_originals == report.failed_originals {
        return Err(not_held(&report));
    }
    if report.failed_originals > 0 {
        return Err(Failure::new(StatusCode::BAD_GATEWAY, "network", "no remote gave the original whole"));
    }
    Ok(Json(Fetched { bytes: report.fetched_bytes }))
}

/// It was looked for, and no remote that answered holds it: who keeps it, and which remotes are still to be asked.
fn not_held(report: &FetchReport) -> Failure {
    let mut sentence = "it was looked for and found in no remote".to_owned();
    if !report.kept_by.is_empty() {
        let devices = report.kept_by.join(", ");
        sentence.push_str(&format!("; device {devices} keeps it, as far as the history tells"));
    }
    let hint = if report.unreached.is_empty() {
        "run safelight sync on the device that keeps it, then here, and look again"
    } else {
        sentence.push_str(&format!("; not reached: {}", report.unreached.join(", ")));
        "connect what was not reached, or run safelight sync on the device that keeps it, then here, and look again"
    };
    Failure::new(StatusCode::CONFLICT, "elsewhere", sentence).hint(hint)
}
