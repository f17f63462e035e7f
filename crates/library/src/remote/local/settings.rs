//! This device's own rules for originals, and how they stand.

use std::time::Duration;

use safelight_store::Found;
use safelight_sync::OLDEST_PROOF_MILLIS;
use serde::Serialize;

use crate::error::{LibraryError, Result};
use crate::library::Library;

const BUDGET: &str = "local/budget";
const PROOF_AGE: &str = "local/proof-age";
const ORIGINALS: &str = "local/originals";

/// What visitors may take where nobody has said otherwise.
const USUAL_BUDGET_BYTES: u64 = 10_000_000_000;
/// How old a proof may be where nobody has said otherwise.
const USUAL_PROOF_AGE: Duration = Duration::from_secs(7 * 86_400);
/// The word for a budget without an end.
const UNLIMITED: u64 = u64::MAX;

/// Which originals of other devices come here by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Originals {
    /// Those that are opened, fetched or pinned.
    OnDemand,
    /// All of them.
    KeepAll,
}

/// This device's own rules for originals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct LocalSettings {
    /// What originals that were fetched for opening may take; none: as much as they want.
    pub budget_bytes: Option<u64>,
    /// How old a proof may be that bytes are freed against, in seconds.
    pub proof_age_seconds: u64,
    /// Which originals of other devices come by themselves.
    pub originals: Originals,
}

/// How originals stand on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct LocalStanding {
    /// Sealed objects of originals that rest here.
    pub here_objects: u64,
    /// Their bytes.
    pub here_bytes: u64,
    /// Originals that are visiting.
    pub visiting_originals: u64,
    /// Their bytes.
    pub visiting_bytes: u64,
    /// Originals that rest in remotes and not here.
    pub away_originals: u64,
    /// Their bytes.
    pub away_bytes: u64,
    /// Originals that some remote holds archived.
    pub archived_originals: u64,
    /// Those of them that are being thawed.
    pub thawing_originals: u64,
    /// Photos that are pinned by themselves.
    pub pinned_photos: u64,
    /// The paths of albums that are pinned.
    pub pinned_albums: Vec<String>,
    /// The rules.
    pub settings: LocalSettings,
}

impl LocalSettings {
    pub(super) fn proof_millis(&self) -> i64 {
        let millis = self.proof_age_seconds.saturating_mul(1000);
        i64::try_from(millis).unwrap_or(OLDEST_PROOF_MILLIS).min(OLDEST_PROOF_MILLIS)
    }

    pub(in crate::remote) fn keeps_all(&self) -> bool {
        self.originals == Originals::KeepAll
    }
}

impl Library {
    /// This device's rules for originals.
    ///
    /// # Errors
    /// Those of the database.
    pub fn local_settings(&self) -> Result<LocalSettings> {
        let number = |name: &str| -> Result<Option<u64>> {
            let bytes = self.device.setting(name)?;
            Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes))
        };
        let budget = number(BUDGET)?.unwrap_or(USUAL_BUDGET_BYTES);
        let keeps_all = self.device.setting(ORIGINALS)?.as_deref() == Some(b"keep-all");
        Ok(LocalSettings {
            budget_bytes: (budget != UNLIMITED).then_some(budget),
            proof_age_seconds: number(PROOF_AGE)?.unwrap_or(USUAL_PROOF_AGE.as_secs()),
            originals: if keeps_all { Originals::KeepAll } else { Originals::OnDemand },
        })
    }

    /// Sets what visitors may take; none is as much as they want.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_local_budget(&mut self, bytes: Option<u64>) -> Result<()> {
        self.folder.require_writable()?;
        Ok(self.device.set_setting(BUDGET, Some(&bytes.unwrap_or(UNLIMITED).to_le_bytes()))?)
    }

    /// Sets how old a proof may be that bytes are freed against.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] for more than 30 days: what another device marked since then may be gone.
    pub fn set_proof_age(&mut self, age: Duration) -> Result<()> {
        self.folder.require_writable()?;
        if age.as_millis() > OLDEST_PROOF_MILLIS.unsigned_abs().into() {
            return Err(LibraryError::Refused {
                reason: "a proof is worth nothing after 30 days: others may have removed what it speaks of"
                    .into(),
                hint: "safelight local set proof-age=30d is the longest".into(),
            });
        }
        Ok(self.device.set_setting(PROOF_AGE, Some(&age.as_secs().to_le_bytes()))?)
    }

    /// Sets which originals of other devices come by themselves.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_local_originals(&mut self, originals: Originals) -> Result<()> {
        self.folder.require_writable()?;
        let word: &[u8] = if originals == Originals::KeepAll { b"keep-all" } else { b"on-demand" };
        Ok(self.device.set_setting(ORIGINALS, Some(word))?)
    }

    /// How originals stand on this device.
    ///
    /// # Errors
    /// Those of the databases and of the folder.
    pub fn local_standing(&self) -> Result<LocalStanding> {
        let (mut here_objects, mut here_bytes) = (0, 0);
        for found in self.place.walk_below("o")? {
            let Found { length_bytes, .. } = found?;
            here_objects += 1;
            here_bytes += length_bytes;
        }
        let visitors = self.device.visitors()?;
        let (away_originals, away_bytes) = self.device.count_away()?;
        let (archived_originals, thawing_originals) = self.device.count_archived()?;
        let pinned = self.pinned()?;
        let albums: Vec<_> = pinned.albums.iter().copied().collect();
        let mut pinned_albums = self.album_paths(&albums)?;
        pinned_albums.sort();
        Ok(LocalStanding {
            here_objects,
            here_bytes,
            visiting_originals: visitors.len() as u64,
            visiting_bytes: visitors.iter().map(|visitor| visitor.size_bytes).sum(),
            away_originals,
            away_bytes,
            archived_originals,
            thawing_originals,
            pinned_photos: pinned.assets.len() as u64,
            pinned_albums,
            settings: self.local_settings()?,
        })
    }
}
