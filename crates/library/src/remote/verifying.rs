//! Verifying a remote, and putting there again what is missing or damaged: the futures of `safelight-sync`, run to their end.

use std::collections::HashSet;

use safelight_catalog::RemoteRow;
use safelight_crypto::OsEntropy;
use safelight_sync::{Depth, Problem as SyncProblem, Stop, repair, verify_remote};
use serde::Serialize;

use super::at::{Surroundings, reconnect, runtime};
use super::lock::SyncLock;
use super::run::{Told, here, is_notice, until_stopped};
use crate::error::{ErrorKind, Result, with_causes};
use crate::library::Library;
use crate::monitor::{Monitor, Task};

/// How thoroughly a remote is verified.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum VerifyDepth {
    /// Presence and sizes.
    Presence,
    /// Also downloads and opens this share, going on where the last run stopped.
    Sample(f64),
    /// Also downloads and opens everything.
    All,
}

/// What verifying one remote found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RemoteVerifyReport {
    /// The remote.
    pub remote: String,
    /// Objects that should be there.
    pub expected_objects: u64,
    /// Those that are there with the right size.
    pub present_objects: u64,
    /// Those that were downloaded and opened.
    pub proven_objects: u64,
    /// Bytes that were downloaded.
    pub downloaded_bytes: u64,
    /// What is missing or damaged, in words.
    pub damaged: Vec<String>,
    /// What is merely worth knowing.
    pub notices: Vec<String>,
    /// How many of the missing and damaged objects are whole there again, put from what this device holds.
    pub repaired_objects: u64,
    /// Why nothing could be put there, if that was tried; the next sync tries again.
    pub not_repaired: Option<String>,
    /// What can be done about what is not whole again.
    pub hint: Option<String>,
    /// Why this one of several remotes could not be verified; nothing is known of it then.
    pub error: Option<String>,
    /// Whether it could not be verified because it was emptied, went back or is damaged.
    #[serde(skip)]
    pub is_refused_as_damaged: bool,
}

/// What to do about what a verification found damaged or missing and could not put again.
fn next_of_damage(row: &RemoteRow, damaged: &[String], is_refused: bool) -> String {
    let name = &row.name;
    // Cards and keys have one name: nobody can put them under another one.
    let has_one_name = |problem: &String| {
        (problem.starts_with("keys/") || problem.starts_with("root/")) && problem.contains(" is damaged: ")
    };
    match is_refused || damaged.iter().any(has_one_name) {
        true if row.address.starts_with("file:") => {
            "what is damaged in one file stays in it: make a new one under another name, safelight export FILE --sealed"
                .to_owned()
        }
        true if row.address.starts_with("folder:") => format!(
            "what lies there is in the way: remove it by hand, then safelight verify --remote {name} --all once more"
        ),
        true => format!(
            "what lies damaged there is replaced by delete and put: safelight remote set {name} --credential-file FILE with a \
             credential that may delete, then safelight verify --remote {name} --all once more"
        ),
        false => format!(
            "safelight sync sends again what this device or another one still holds; safelight remote replicate OTHER {name} \
             copies what another remote holds"
        ),
    }
}

impl Library {
    /// Looks whether everything that a remote should hold is there and whole, and puts there again what is not and is held
    /// here. Of several, one that cannot be asked does not keep the others from being verified.
    ///
    /// # Errors
    /// [`crate::LibraryError::NoRemote`], and what the remote answers where no other was verified; findings are in the report.
    pub fn verify_remote(
        &mut self,
        remote: Option<&str>,
        depth: VerifyDepth,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<Vec<RemoteVerifyReport>> {
        self.folder.require_writable()?;
        let rows = self.remote_rows(remote)?;
        let _only = SyncLock::take(&self.folder)?;
        let runtime = runtime()?;
        let depth = match depth {
            VerifyDepth::Presence => Depth::Presence,
            VerifyDepth::Sample(share) => Depth::Sample(share),
            VerifyDepth::All => Depth::All,
        };
        let (mut reports, mut first_error) = (Vec::new(), None);
        for row in rows {
            monitor.begin(Task::Verify, None, None);
            let stop = Stop::default();
            let keeper = self.keeper(&row)?;
            let tier = Some(self.originals_tier(&row)?);
            let result = runtime.block_on(async {
                let (at, _) = reconnect(&row, keeper, surroundings).await?;
                let (told, mut keys) = (Told(monitor), None);
                let mut entropy = OsEntropy;
                let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
                let mut report = until_stopped(verify_remote(&mut here, &at, depth), &stop, monitor).await?;
                let mut repaired = Ok(());
                if report.may_be_repaired() {
                    let work = repair(&mut here, &at, tier, &mut report);
                    repaired = until_stopped(work, &stop, monitor).await;
                }
                Ok((report, repaired))
            });
            monitor.end();
            let (report, repaired) = match result {
                Ok(found) => found,
                Err(error) if monitor.cancelled() => return Err(error),
                Err(error) => {
                    let text = with_causes(&error);
                    reports.push(RemoteVerifyReport {
                        remote: row.name,
                        error: Some(text),
                        is_refused_as_damaged: error.kind() == ErrorKind::Damaged,
                        ..RemoteVerifyReport::default()
                    });
                    first_error = first_error.or(Some(error));
                    continue;
                }
            };
            // What is left over was told once, and nobody can put anything there.
            let is_known = |one: &&SyncProblem| is_notice(one) || matches!(one, SyncProblem::Leftover { .. });
            let (notices, damaged): (Vec<_>, Vec<_>) = report.problems.iter().partition(is_known);
            let words = |problems: Vec<&SyncProblem>| {
                let mut words: Vec<String> = problems.iter().map(ToString::to_string).collect();
                // One thing may be found in two ways, and be said with and without why it stays.
                let said = words.clone();
                let says_more = |of: &str| said.iter().any(|other| other.starts_with(&format!("{of}; ")));
                let mut met = HashSet::new();
                words.retain(|problem| met.insert(problem.clone()) && !says_more(problem));
                words
            };
            let damaged = words(damaged);
            let repaired_objects =
                notices.iter().filter(|one| matches!(one, SyncProblem::Repaired { .. })).count() as u64;
            let hint = match &repaired {
                _ if damaged.len() as u64 <= repaired_objects => None,
                Err(error) => error.hint_at(&row.name),
                Ok(()) => Some(next_of_damage(&row, &damaged, report.not_replaced.is_some())),
            };
            reports.push(RemoteVerifyReport {
                remote: row.name,
                hint,
                expected_objects: report.expected_objects,
                present_objects: report.present_objects,
                proven_objects: report.proven_objects,
                downloaded_bytes: report.downloaded_bytes,
                repaired_objects,
                not_repaired: repaired.err().map(|error| with_causes(&error)).or(report.not_replaced),
                damaged,
                notices: words(notices),
                error: None,
                is_refused_as_damaged: false,
            });
        }
        match first_error {
            Some(error) if reports.iter().all(|report| report.error.is_some()) => Err(error),
            _ => Ok(reports),
        }
    }
}
