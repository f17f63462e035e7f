//! A second place: filling it from the first, comparing the two, and drilling a restore.

use std::time::Instant;

use safelight_catalog::RemoteRow;
use safelight_crypto::OsEntropy;
use safelight_sync::{Compared, Held, ReplicateOptions, Stop, compare, drill, replicate};
use serde::Serialize;

use super::at::{Surroundings, reconnect, runtime};
use super::daily::Capped;
use super::lock::SyncLock;
use super::run::{HeldBack, Told, here, until_stopped};
use crate::error::{LibraryError, Result, with_causes};
use crate::library::Library;
use crate::monitor::{Monitor, Task};

/// How many objects, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl From<Held> for Counted {
    fn from(held: Held) -> Self {
        Self { objects: held.objects, bytes: held.bytes }
    }
}

/// What remotes hold of one kind of objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ComparedKind {
    /// What history expects somewhere.
    pub expected: Counted,
    /// What the first holds of it.
    pub in_first: Counted,
    /// What the second holds of it.
    pub in_second: Counted,
    /// What only the first holds.
    pub only_first: Counted,
    /// What only the second holds.
    pub only_second: Counted,
    /// What neither holds.
    pub in_neither: Counted,
}

impl From<Compared> for ComparedKind {
    fn from(compared: Compared) -> Self {
        Self {
            expected: compared.expected.into(),
            in_first: compared.in_first.into(),
            in_second: compared.in_second.into(),
            only_first: compared.only_first.into(),
            only_second: compared.only_second.into(),
            in_neither: compared.in_neither.into(),
        }
    }
}

/// How two remotes, or one and history, stand to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteComparison {
    /// The first remote.
    pub first: String,
    /// The second, if there is one.
    pub second: Option<String>,
    /// Sealed parts of originals.
    pub originals: ComparedKind,
    /// Packs of thumbnails, previews and tiny originals.
    pub packs: ComparedKind,
    /// Objects of each that are marked and wait to be collected.
    pub marked: [Counted; 2],
    /// Objects of each that nothing speaks of.
    pub strangers: [Counted; 2],
}

/// Which remote is filled from which.
#[derive(Debug, Clone, Copy)]
pub struct ReplicateRequest<'a> {
    /// Where it comes from.
    pub from: &'a str,
    /// Where it goes.
    pub to: &'a str,
    /// Whether as much may go as the policy newly exposes.
    pub consent: bool,
    /// Whether the link costs nothing, as far as is known.
    pub is_unmetered: bool,
}

/// What filling a remote from another came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplicateOutcome {
    /// Where it came from.
    pub from: String,
    /// Where it went.
    pub to: String,
    /// Objects that were copied.
    pub copied: Counted,
    /// Objects that were there already.
    pub present_objects: u64,
    /// Objects that the first does not hold, or not whole.
    pub missing_objects: u64,
    /// Objects that rest archived in the first and must be thawed before.
    pub archived_objects: u64,
    /// Objects that the policy or a switch keeps away from the second.
    pub kept_objects: u64,
    /// What waits for your consent, because so much came to be exposed at once.
    pub held: Option<HeldBack>,
    /// Why the rest waits, if the daily cap of the second is reached.
    pub capped: Option<Capped>,
    /// What is wrong with single objects, in words.
    pub problems: Vec<String>,
}

/// What a drill came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DrillOutcome {
    /// The remote.
    pub remote: String,
    /// Originals that were drawn.
    pub drawn_originals: u64,
    /// Those that came back bit for bit.
    pub restored_originals: u64,
    /// Those that must be thawed first.
    pub archived_originals: u64,
    /// Bytes of the contents that came back.
    pub content_bytes: u64,
    /// Sealed bytes that came down.
    pub downloaded_bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// What did not come back, and why.
    pub damaged: Vec<String>,
    /// Why this one of several remotes could not be drilled; nothing is known of it then.
    pub error: Option<String>,
}

impl Library {
    /// Compares what a remote holds with what history expects and, if there is one, with another remote.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchRemote`], and what the remotes answer.
    pub fn compare_remotes(
        &mut self,
        first: &str,
        second: Option<&str>,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<RemoteComparison> {
        self.folder.require_writable()?;
        let one = self.remote_row(first)?;
        let other = second.map(|name| self.remote_row(name)).transpose()?;
        let runtime = runtime()?;
        let stop = Stop::default();
        let found = runtime.block_on(async {
            let (one, _) = reconnect(&one, self.keeper(&one)?, surroundings).await?;
            let other = match &other {
                Some(row) => Some(reconnect(row, self.keeper(row)?, surroundings).await?.0),
                None => None,
            };
            let (told, mut keys) = (Told(monitor), None);
            let mut entropy = OsEntropy;
            let here = here(self, &mut keys, &mut entropy, &told, &stop);
            until_stopped(compare(&here, &one, other.as_ref()), &stop, monitor).await
        })?;
        Ok(RemoteComparison {
            first: first.to_owned(),
            second: second.map(str::to_owned),
            originals: found.originals.into(),
            packs: found.packs.into(),
            marked: found.marked.map(Counted::from),
            strangers: found.strangers.map(Counted::from),
        })
    }

    /// Fills a remote with what another holds and its own policy asks for: sealed bytes, opened to prove them, and never
    /// written to this disk. What waits for consent is in the outcome.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchRemote`], [`LibraryError::Refused`] for one remote twice, and what the remotes answer; what was copied
    /// is not copied again.
    pub fn replicate_remote(
        &mut self,
        request: &ReplicateRequest<'_>,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<ReplicateOutcome> {
        let ReplicateRequest { from, to, consent, is_unmetered } = *request;
        self.folder.require_writable()?;
        let rows: [RemoteRow; 2] = [self.remote_row(from)?, self.remote_row(to)?];
        if rows[0].id == rows[1].id {
            return Err(LibraryError::Refused {
                reason: format!("{from} cannot be filled from itself"),
                hint: "safelight remote replicate FROM TO takes two remotes".into(),
            });
        }
        let _only = SyncLock::take(&self.folder)?;
        let options =
            ReplicateOptions { originals_tier: Some(self.originals_tier(&rows[1])?), is_unmetered, consent };
        let runtime = runtime()?;
        let stop = Stop::default();
        monitor.begin(Task::Sync, None, None);
        let report = runtime.block_on(async {
            let (source, _) = reconnect(&rows[0], self.keeper(&rows[0])?, surroundings).await?;
            let (target, _) = reconnect(&rows[1], self.keeper(&rows[1])?, surroundings).await?;
            let (told, mut keys) = (Told(monitor), None);
            let mut entropy = OsEntropy;
            let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
            until_stopped(replicate(&mut here, &source, &target, &options), &stop, monitor).await
        });
        monitor.end();
        let report = report?;
        Ok(ReplicateOutcome {
            from: from.to_owned(),
            to: to.to_owned(),
            copied: Counted { objects: report.copied_objects, bytes: report.copied_bytes },
            present_objects: report.present_objects,
            missing_objects: report.missing_objects,
            archived_objects: report.archived_objects,
            kept_objects: report.kept_objects,
            held: report.held.map(HeldBack::of),
            capped: report.capped.and_then(|capped| Capped::of(to, &capped)),
            problems: report.problems.iter().map(ToString::to_string).collect(),
        })
    }

    /// Restores originals that are drawn at random from each of the remotes, in memory, and compares their hashes. Of
    /// several, one that cannot be asked does not hide what the others gave back.
    ///
    /// # Errors
    /// [`LibraryError::NoRemote`], and what the remote answers where no other was drilled; what does not come back is in
    /// the outcome.
    pub fn drill(
        &mut self,
        remote: Option<&str>,
        originals: usize,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<Vec<DrillOutcome>> {
        self.folder.require_writable()?;
        let rows = self.remote_rows(remote)?;
        let runtime = runtime()?;
        let (mut outcomes, mut first_error) = (Vec::new(), None);
        for row in rows {
            monitor.begin(Task::Verify, None, None);
            let (stop, began) = (Stop::default(), Instant::now());
            let report = runtime.block_on(async {
                let (at, _) = reconnect(&row, self.keeper(&row)?, surroundings).await?;
                let (told, mut keys) = (Told(monitor), None);
                let mut entropy = OsEntropy;
                let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
                until_stopped(drill(&mut here, &at, originals), &stop, monitor).await
            });
            monitor.end();
            let report = match report {
                Ok(report) => report,
                // A person who stops still hears what came back before.
                Err(error) if monitor.cancelled() && outcomes.is_empty() => return Err(error),
                Err(_) if monitor.cancelled() => break,
                Err(error) => {
                    let text = Some(with_causes(&error));
                    outcomes.push(DrillOutcome { remote: row.name, error: text, ..DrillOutcome::default() });
                    first_error = first_error.or(Some(error));
                    continue;
                }
            };
            outcomes.push(DrillOutcome {
                remote: row.name,
                drawn_originals: report.drawn_originals,
                restored_originals: report.restored_originals,
                archived_originals: report.archived_originals,
                content_bytes: report.content_bytes,
                downloaded_bytes: report.downloaded_bytes,
                seconds: began.elapsed().as_secs_f64(),
                damaged: report.problems.iter().map(ToString::to_string).collect(),
                error: None,
            });
        }
        match first_error {
            Some(error) if outcomes.iter().all(|outcome| outcome.error.is_some()) => Err(error),
            _ => Ok(outcomes),
        }
    }
}
