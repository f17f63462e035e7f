//! `plain push`: every file of a source that the place does not hold yet.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;

use crate::content::{self};
use crate::copy::PlainCopy;
use crate::error::{Patience, PlainError, with_causes};
use crate::guard;
use crate::index::Index;
use crate::manifest;
use crate::monitor::{Done, Monitor, Problem, Task, Weight};
use crate::name::BlobName;
use crate::place::Place;
use crate::upload::{Sent, Unsent, Uploader};
use crate::walk::{Found, Met, Walking, open_source};
use safelight_store::{Capabilities, Tier};

/// How often somebody is asked whether to stop while files are on their way.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What to send, and how.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// The folder whose files are sent.
    pub source: PathBuf,
    /// The tier to write into. Without one it is [`Tier::Cool`] where the place has tiers.
    pub tier: Option<Tier>,
    /// Send photos and videos of well-known kinds only ([`is_media`](crate::is_media)).
    pub only_media: bool,
    /// Send each content once, and record its other paths.
    pub dedupe: bool,
    /// Take the files of this source, too, where the copy is of another one.
    pub adds_source: bool,
    /// Only say what would be sent.
    pub dry_run: bool,
    /// With `dry_run`: read the files, to say the names of their blobs.
    pub names_blobs: bool,
}

/// What a push did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PushReport {
    /// Files that were looked at.
    pub scanned: u64,
    /// Files that were sent; with a dry run, that would be.
    pub uploaded: u64,
    /// Files that needed not be sent: unchanged, existing or duplicates.
    pub skipped: u64,
    /// Of these, files whose blob was there although the index did not know it.
    pub existing: u64,
    /// Of these, files whose content lies in the blob of another path.
    pub duplicates: u64,
    /// Files that could not be sent.
    pub failed: u64,
    /// Bytes that were sent.
    pub uploaded_bytes: u64,
    /// Files that are no media, where only media were wanted.
    pub other_files: u64,
    /// Whether somebody stopped it.
    pub is_interrupted: bool,
}

impl PushReport {
    /// `scan=N uploaded=N skipped=N failed=N`
    #[must_use]
    pub fn summary(&self) -> String {
        let Self { scanned, uploaded, skipped, failed, .. } = self;
        format!("scan={scanned} uploaded={uploaded} skipped={skipped} failed={failed}")
    }
}

/// A file, and what became of it.
type Tried = (Found, Result<Sent, Unsent>);

/// What is going on in one push.
struct Pushing<'a> {
    request: &'a PushRequest,
    monitor: &'a dyn Monitor,
    report: PushReport,
    patience: Patience,
}

impl PlainCopy {
    /// Sends what the place does not hold yet. What cannot be sent is told and does not stop the rest.
    ///
    /// # Errors
    /// [`PlainError`] for what stops the whole: a source that is not there or was emptied, a place that does not answer or
    /// permit, an index that cannot be written.
    pub fn push(&self, request: &PushRequest, monitor: &dyn Monitor) -> Result<PushReport, PlainError> {
        let source = open_source(&request.source)?;
        self.refuse_itself(&source)?;
        guard::refuse_library_folder(self.destination())?;
        monitor.begin(Task::Push, None);
        let pushed = self.runtime()?.block_on(self.push_within(&source, request, monitor));
        monitor.end();
        pushed
    }

    async fn push_within(
        &self,
        source: &Path,
        request: &PushRequest,
        monitor: &dyn Monitor,
    ) -> Result<PushReport, PlainError> {
        let (index, known) = self.index_for(request)?;
        if let Some(index) = index.as_ref().filter(|_| !request.adds_source) {
            self.refuse_other_source(index, source)?;
        }
        let pushing =
            Pushing { request, monitor, report: PushReport::default(), patience: Patience::default() };
        let (met, walker) = Walking::begin(source.to_owned(), request.only_media);
        let report = match index {
            Some(index) if !request.dry_run => self.run(pushing, index, met, source).await,
            index => self.look_only(pushing, index.as_ref(), met, source).await,
        };
        walker.await.map_err(|error| PlainError::Runtime(std::io::Error::other(error)))?;
        let report = report?;
        if report.scanned == 0 && known > 0 && !report.is_interrupted {
            return Err(PlainError::SourceEmpty { path: request.source.clone(), known });
        }
        Ok(report)
    }

    /// The index and how many files it knows. A dry run makes none.
    fn index_for(&self, request: &PushRequest) -> Result<(Option<Index>, u64), PlainError> {
        let index = if request.dry_run { self.index_to_read()? } else { Some(self.index()?) };
        let name = self.destination().name();
        let known = index.as_ref().map_or(Ok(0), |index| index.count(&name))?;
        Ok((index, known))
    }

    async fn look_only(
        &self,
        mut pushing: Pushing<'_>,
        index: Option<&Index>,
        mut met: Walking,
        source: &Path,
    ) -> Result<PushReport, PlainError> {
        let (name, prefix_bytes) = (self.destination().name(), self.destination().prefix_bytes());
        while let Some(met) = met.next().await {
            if pushing.is_interrupted() {
                break;
            }
            let Some(found) = pushing.meet(met) else { continue };
            if index.map_or(Ok(false), |index| index.knows(&name, &found.relative, found.stat))? {
                pushing.skip(&found.relative);
                continue;
            }
            let blob = match pushing.request.names_blobs {
                true => content::read(&source.join(&found.relative))
                    .map_err(|unread| with_causes(&unread))
                    .and_then(|content| {
                        BlobName::of(content.sha256, &found.relative, prefix_bytes)
                            .map_err(|refusal| refusal.to_string())
                    })
                    .map(Some),
                false => Ok(None),
            };
            match blob {
                Ok(blob) => pushing.would_send(&found, blob.map(|blob| blob.to_string()).as_deref()),
                Err(reason) => pushing.fail(&found.relative, &reason),
            }
        }
        Ok(pushing.report)
    }

    async fn run(
        &self,
        mut pushing: Pushing<'_>,
        index: Index,
        mut met: Walking,
        source: &Path,
    ) -> Result<PushReport, PlainError> {
        let name = self.destination().name();
        let mut waiting = Some(index);
        let mut uploader: Option<Arc<Uploader>> = None;
        let mut tasks: JoinSet<Tried> = JoinSet::new();
        let mut stopped = None;
        while let Some(met) = met.next().await {
            if pushing.is_interrupted() {
                break;
            }
            let Some(found) = pushing.meet(met) else { continue };
            let known = match (&waiting, &uploader) {
                (Some(index), _) => index.knows(&name, &found.relative, found.stat),
                (None, Some(uploader)) => uploader.index().knows(&name, &found.relative, found.stat),
                (None, None) => Ok(false),
            };
            match known {
                Ok(true) => {
                    pushing.skip(&found.relative);
                    continue;
                }
                Ok(false) => {}
                Err(error) => {
                    stopped = Some(error);
                    break;
                }
            }
            // Whoever has nothing to send does not even connect.
            if let Some(index) = waiting.take() {
                uploader = Some(Arc::new(self.uploader(index, source, pushing.request).await?));
            }
            let Some(uploader) = &uploader else { continue };
            while tasks.len() >= self.destination().workers as usize {
                let taken = pushing.take_next(&mut tasks, uploader).await;
                stopped = stopped.or(taken);
            }
            if stopped.is_some() {
                break;
            }
            let uploader = Arc::clone(uploader);
            tasks.spawn(async move {
                let sent = uploader.send(&found).await;
                (found, sent)
            });
        }
        drop(met);
        if let Some(index) = waiting.take()
            && stopped.is_none()
            && pushing.report.scanned > 0
            && !index.without_manifest(&name)?.is_empty()
        {
            // A run that was killed before its manifests left them to this one.
            uploader = Some(Arc::new(self.uploader(index, source, pushing.request).await?));
        }
        if let Some(uploader) = &uploader {
            while !tasks.is_empty() {
                let taken = pushing.take_next(&mut tasks, uploader).await;
                stopped = stopped.or(taken);
            }
            let saved = uploader.index().save();
            if stopped.is_none() {
                saved?;
                manifest::write_pending(uploader).await?;
            }
        }
        stopped.map_or(Ok(pushing.report), Err)
    }

    async fn uploader(
        &self,
        index: Index,
        source: &Path,
        request: &PushRequest,
    ) -> Result<Uploader, PlainError> {
        let destination = self.destination();
        let name = destination.name();
        let remembered = index.capabilities(&name)?;
        let remembered = remembered.as_deref().and_then(Capabilities::from_bytes);
        let was_known = remembered.is_some();
        let is_new = index.source(&name)?.is_none();
        let place = Place::to_write(destination, remembered).await?;
        if is_new {
            guard::refuse_sealed_place(&place, &name).await?;
        }
        let found = (!was_known).then(|| place.remote.capabilities().to_bytes());
        index.know_place(&name, Some(source), found.as_deref())?;
        let tier = tier_at(&place, request.tier)?;
        let named = (name, destination.prefix_bytes());
        Ok(Uploader::new(place, named, source.to_owned(), tier, request.dedupe, index))
    }
}

impl Pushing<'_> {
    fn is_interrupted(&mut self) -> bool {
        self.report.is_interrupted |= self.monitor.cancelled();
        self.report.is_interrupted
    }

    /// Counts what the walk met; a file is handed on.
    fn meet(&mut self, met: Met) -> Option<Found> {
        match met {
            Met::File(found) => {
                self.report.scanned += 1;
                return Some(found);
            }
            Met::Other => self.report.other_files += 1,
            Met::Strange(problem) => self.monitor.problem(&problem),
            Met::Unreadable(problem) => {
                self.report.failed += 1;
                self.monitor.problem(&problem);
            }
        }
        None
    }

    fn skip(&mut self, path: &Path) {
        self.report.skipped += 1;
        self.monitor.done(path, Done::Unchanged);
        self.monitor.advance(1, 0);
    }

    fn would_send(&mut self, found: &Found, blob: Option<&str>) {
        self.report.uploaded += 1;
        self.monitor.done(&found.relative, Done::WouldUpload { blob });
        self.monitor.advance(1, found.stat.size);
    }

    fn fail(&mut self, path: &Path, reason: &str) {
        self.report.failed += 1;
        self.monitor.problem(&Problem::new(path, reason, Weight::Failure));
        self.monitor.advance(1, 0);
    }

    /// Waits for a file that is on its way; a large one stops between two blocks when somebody asks for it.
    async fn take_next(&mut self, tasks: &mut JoinSet<Tried>, uploader: &Uploader) -> Option<PlainError> {
        loop {
            if self.is_interrupted() {
                uploader.stops.store(true, Ordering::Relaxed);
            }
            if let Ok(joined) = tokio::time::timeout(LOOK_EVERY, tasks.join_next()).await {
                return self.take(joined?);
            }
        }
    }

    /// Takes what became of a file; answers what stops the whole.
    fn take(&mut self, joined: Result<Tried, tokio::task::JoinError>) -> Option<PlainError> {
        let (found, sent) = match joined {
            Ok(done) => done,
            Err(error) => return Some(PlainError::Runtime(std::io::Error::other(error))),
        };
        let path = &found.relative;
        match sent {
            Ok(sent) => {
                self.patience.succeeded();
                self.count(path, &sent);
                None
            }
            Err(Unsent::File(reason)) => {
                self.fail(path, &reason);
                None
            }
            Err(Unsent::Place(error)) => {
                let last = with_causes(&error);
                self.fail(path, &last);
                // A place that refuses one file answers; the next may fare better.
                if error.is_network() { self.patience.failed(&last).err() } else { None }
            }
            Err(Unsent::All(error)) => {
                self.report.failed += 1;
                Some(error)
            }
            Err(Unsent::Stopped) => None,
        }
    }

    fn count(&mut self, path: &Path, sent: &Sent) {
        let mut bytes = 0;
        match sent {
            Sent::Uploaded { blob, size } => {
                self.report.uploaded += 1;
                self.report.uploaded_bytes += size;
                bytes = *size;
                self.monitor.done(path, Done::Uploaded { blob });
            }
            Sent::Existing { blob } => {
                self.report.skipped += 1;
                self.report.existing += 1;
                self.monitor.done(path, Done::Existing { blob });
            }
            Sent::Duplicate { blob } => {
                self.report.skipped += 1;
                self.report.duplicates += 1;
                self.monitor.done(path, Done::Duplicate { blob });
            }
            Sent::Known => {
                self.report.skipped += 1;
                self.monitor.done(path, Done::Unchanged);
            }
        }
        self.monitor.advance(1, bytes);
    }
}

/// The tier that is written into: what was asked for must be there.
fn tier_at(place: &Place, wanted: Option<Tier>) -> Result<Option<Tier>, PlainError> {
    let tiers = &place.remote.capabilities().tiers;
    match wanted {
        None => Ok(Some(Tier::Cool).filter(|tier| tiers.contains(tier))),
        Some(tier) if tiers.contains(&tier) => Ok(Some(tier)),
        Some(tier) => Err(PlainError::Refused {
            reason: format!("{} has no tier {}", place.remote.label(), tier.word()),
            hint: "leave --tier away: such a place has no tiers to choose from".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
