//! Trying out a remote again: what it can do, and whether it keeps every guarantee that a library relies on.

use std::sync::Arc;

use safelight_store::conformance::{Row, Verdict, check};
use safelight_store::{Capability, Finding, RemoteAddress, RemoteCredential, StoreError};
use safelight_sync::SyncError;
use serde::Serialize;

use super::at::{AddedRemote, Surroundings, fresh_token, parse_address, runtime};
use super::keeper::Keeper;
use crate::error::{LibraryError, Result};
use crate::library::Library;

/// One guarantee of the conformance suite and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedRow {
    /// Its code, as `R3`.
    pub code: &'static str,
    /// The guarantee in one sentence.
    pub guarantee: &'static str,
    /// `held`, `skipped` or `broken`.
    pub verdict: &'static str,
    /// Why it was skipped, or what broke.
    pub reason: Option<String>,
}

impl From<Row> for CheckedRow {
    fn from(row: Row) -> Self {
        let (verdict, reason) = match row.verdict {
            Verdict::Held => ("held", None),
            Verdict::Skipped(why) => ("skipped", Some(why)),
            Verdict::Broken(why) => ("broken", Some(why)),
        };
        Self { code: row.code, guarantee: row.guarantee, verdict, reason }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedRemote {
    /// What the remote is and can do.
    #[serde(flatten)]
    pub remote: AddedRemote,
    /// Every guarantee.
    pub rows: Vec<CheckedRow>,
    /// What must be known about this kind of place, as that it was never tried by its makers.
    pub notice: Option<&'static str>,
}

impl Library {
    /// Changes what opens a remote, or probes it anew; the place stays the same.
    ///
    /// # Errors
    /// As [`Library::add_remote`]; then nothing is changed.
    pub fn reconnect_remote(
        &mut self,
        name: &str,
        credential: Option<&RemoteCredential>,
        surroundings: &Surroundings,
    ) -> Result<AddedRemote> {
        self.folder.require_writable()?;
        let row = self.remote_row(name)?;
        let address = parse_address(&row.address)?;
        let (keeper, is_new) = match credential {
            Some(new) => (Keeper::new(Some(new.clone())), true),
            None => (self.keeper(&row)?, false),
        };
        let connected = runtime()?.block_on(self.connect_anew(&address, keeper, surroundings))?;
        if is_new {
            self.judge_and_keep(name, &address, &connected)
        } else {
            self.judge_and_note(&row, &address, connected.store.capabilities())
        }
    }

    /// Finds out anew what a remote can do, and runs the conformance suite in a corner of it, which is emptied
    /// afterwards where the place lets objects be removed.
    ///
    /// # Errors
    /// As [`Library::add_remote`]. A guarantee that does not hold is a row, not an error. [`LibraryError::Refused`] for a sealed
    /// copy in one file, in which all that was tried would stay.
    pub fn check_remote(&mut self, name: &str, surroundings: &Surroundings) -> Result<CheckedRemote> {
        self.folder.require_writable()?;
        let row = self.remote_row(name)?;
        let address = parse_address(&row.address)?;
        if matches!(address, RemoteAddress::File(_)) {
            return Err(LibraryError::Refused {
                reason: "what a check writes would stay in a sealed copy in one file for ever".into(),
                hint: format!("safelight verify --remote {name} --all reads everything back that is in it"),
            });
        }
        let keeper = self.keeper(&row)?;
        let runtime = runtime()?;
        let connected = runtime.block_on(self.connect_anew(&address, keeper, surroundings))?;
        let mut found = connected.store.capabilities().clone();
        self.judge_and_note(&row, &address, &found)?;
        let (tried, token) = (Arc::clone(&connected.remote), fresh_token());
        let report =
            runtime.block_on(check(tried, &token)).map_err(StoreError::from).map_err(SyncError::from)?;
        // Only the suite replaces objects while they are read.
        if *found.finding(Capability::Replace) == Finding::Untried {
            match report.verdict("R2") {
                Some(Verdict::Held) => found.set(Capability::Replace, Finding::Works),
                // What could not be tried with this credential stays untried with it.
                Some(Verdict::Broken(why) | Verdict::Skipped(why)) => {
                    found.set(Capability::Replace, Finding::Missing(why.clone()));
                }
                None => {}
            }
        }
        let remote = self.judge_and_note(&row, &address, &found)?;
        Ok(CheckedRemote {
            remote,
            rows: report.rows.into_iter().map(CheckedRow::from).collect(),
            notice: notice(&address),
        })
    }
}

/// What is said of kinds of places that could only be tried with stand-ins.
pub(super) const fn notice(address: &RemoteAddress) -> Option<&'static str> {
    match address {
        RemoteAddress::Dropbox(_) | RemoteAddress::GoogleDrive(_) | RemoteAddress::OneDrive(_) => Some(
            "Safelight's makers never ran it against the real service, only against stand-ins written from its \
             documentation: what stands here is what your own account says.",
        ),
        _ => None,
    }
}
