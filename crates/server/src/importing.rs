//! Taking photos in from folders of this machine, and the folders that are watched.

#![expect(unused_qualifications, reason = "what describes the parameters writes whole paths")]

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use safelight_library::{
    ImportPlan, ImportReport, ImportRequest, Library, Monitor as _, SETTLE, Source, TypedPath,
    complete_folder,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::asked::{Asked, Parameters};
use crate::failure::{Answer, Failure, More, NEEDS_CONSENT, Space};
use crate::gallery::Gallery;
use crate::jobs::{self, Ended, ShownJob, Watched};

/// A path that is being typed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct BeingTyped {
    /// All of it; when it is empty, folders are offered in which photos usually lie.
    #[serde(default)]
    path: String,
}

/// Folders of this machine that a typed path may become.
#[utoipa::path(get, path = "/api/v1/folders", tag = "importing", params(BeingTyped),
    responses((status = 200, body = TypedPath)))]
pub(crate) async fn complete(
    State(gallery): State<Arc<Gallery>>,
    Parameters(BeingTyped { path }): Parameters<BeingTyped>,
) -> Answer<Json<TypedPath>> {
    // Before there is a library whoever makes one chooses its folders.
    if gallery.door.is_locked() {
        return Err(Failure::locked());
    }
    let home = gallery.door.surroundings().home.clone();
    // A disk that sleeps must hold nobody up.
    let found = tokio::task::spawn_blocking(move || complete_folder(&path, home.as_deref()));
    found.await.map(Json).map_err(|_| Failure::broken())
}

/// The watched folders.
#[utoipa::path(get, path = "/api/v1/sources", tag = "importing", responses((status = 200, body = [Source])))]
pub(crate) async fn list_sources(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Vec<Source>>> {
    gallery.door.read(|library| Ok(library.sources()?)).await.map(Json)
}

/// Which folder.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Watching {
    /// The folder.
    #[param(value_type = String)]
    path: PathBuf,
}

/// Watches a folder no longer; what came from it stays.
#[utoipa::path(delete, path = "/api/v1/sources", tag = "importing", params(Watching),
    responses((status = 200, body = [Source]), (status = 404, description = "it is not watched")))]
pub(crate) async fn remove_source(
    State(gallery): State<Arc<Gallery>>,
    Parameters(Watching { path }): Parameters<Watching>,
) -> Answer<Json<Vec<Source>>> {
    let left = gallery.door.write(move |library| {
        library.remove_source(&path)?;
        Ok(library.sources()?)
    });
    left.await.map(Json)
}

/// What is to be taken in.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct WhatToImport {
    /// Files and folders; when there are none, all watched folders.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    paths: Vec<PathBuf>,
    /// Whether the originals stay where they are.
    #[serde(default)]
    link: bool,
    /// Whether every file is taken, not only photos and videos.
    #[serde(default)]
    all_files: bool,
    /// Whether the folders are watched from now on.
    #[serde(default)]
    watch: bool,
    /// Whether most of what is free on the disk may be filled.
    #[serde(default)]
    consent: bool,
}

impl WhatToImport {
    fn requests(&self, library: &mut Library) -> Answer<Vec<ImportRequest>> {
        let request = |path: PathBuf, link: bool, remove_after_proof: bool| ImportRequest {
            paths: vec![path],
            link,
            all_files: self.all_files,
            remove_after_proof,
            settle: SETTLE,
        };
        if self.paths.is_empty() {
            let mut sources = library.sources()?;
            // A linked file that was moved into a folder that is copied is kept before it is missed where it was.
            sources.sort_by_key(|source| source.link);
            if sources.is_empty() {
                return Err(Failure::not_understood("no folder was given, and none is watched"));
            }
            return Ok(sources
                .into_iter()
                .map(|one| request(one.path, one.link, one.remove_after_proof))
                .collect());
        }
        for path in &self.paths {
            if !path.is_absolute() {
                return Err(Failure::not_understood(format!("{} is no whole path", path.display())));
            }
            let source =
                Source { path: path.clone(), link: self.link, remove_after_proof: false, online: true };
            if self.watch && path.is_dir() {
                library.add_source(&source)?;
            }
        }
        Ok(vec![ImportRequest { paths: self.paths.clone(), ..request(PathBuf::new(), self.link, false) }])
    }
}

/// What an import came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Imported {
    #[serde(flatten)]
    report: ImportReport,
    /// The same in sentences.
    lines: Vec<String>,
}

/// Takes photos in; what was there before and is unchanged is not opened. Goes on where it was stopped.
#[utoipa::path(post, path = "/api/v1/import", tag = "jobs", request_body = WhatToImport,
    responses((status = 200, body = ShownJob), (status = 409, description = "`busy`")))]
pub(crate) async fn import(
    State(gallery): State<Arc<Gallery>>,
    Asked(what): Asked<WhatToImport>,
) -> Answer<Json<ShownJob>> {
    jobs::begin(&gallery, "import", move |library, _, monitor| {
        let mut report = ImportReport::default();
        for request in what.requests(library)? {
            let plan = library.plan_import(&request, monitor)?;
            if monitor.cancelled() {
                break;
            }
            ask_about_space(&plan, what.consent)?;
            report.absorb(&library.import(plan, monitor)?);
            if monitor.cancelled() {
                break;
            }
        }
        make_previews(library, &mut report, monitor)?;
        let lines = report.lines();
        Ended::well(Imported { report, lines })
    })
}

fn ask_about_space(plan: &ImportPlan, consent: bool) -> Answer<()> {
    let Some(free_bytes) = plan.fills_most_of().filter(|_| !consent) else { return Ok(()) };
    let failure = Failure::new(
        StatusCode::CONFLICT,
        NEEDS_CONSENT,
        "copying these would fill most of what is free on the disk",
    );
    let space = Some(Space { bytes: plan.bytes(), free_bytes });
    let failure = failure.saying(More { space, ..More::default() });
    Err(failure.hint("leave the originals where they are, or copy all the same"))
}

/// Makes the previews that were left for later, here and now: pages show them as they come.
fn make_previews(library: &mut Library, report: &mut ImportReport, monitor: &Watched) -> Answer<()> {
    if !monitor.cancelled() && library.has_renditions_to_make()? {
        report.previews_pending = library.render_pending(monitor)?.still_pending;
    }
    Ok(())
}
