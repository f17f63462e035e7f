//! Backups: a complete sealed copy of the library on a drive, in a folder or in one file, made and proven when the drive is there.
//!
//! A backup is a place like any other, a folder with the layout of a remote or a file that holds one, so nothing here copies a byte: it is a remote that
//! holds everything, is used only when it is asked for or due, and of which it is remembered when it was last whole and last
//! proven. The drive alone and the recovery words give the library back (`safelight join folder:PATH`, `safelight join file:PATH`).

use std::path::{Path, PathBuf};

use safelight_catalog::RemoteRow;
use safelight_store::SealedFile;
use safelight_sync::{is_braked, note_nothing_forgotten};
use serde::Serialize;

use crate::edit::Among;
use crate::effects::now_millis;
use crate::error::{LibraryError, Result};
use crate::history::shown_time;
use crate::library::Library;
use crate::monitor::Monitor;
use crate::remote::{
    FetchReport, RemoteRequest, RemoteVerifyReport, ReplicateRequest, Surroundings, SyncOutcome, SyncRequest,
    VerifyDepth, parse_address, refuse_library_folder,
};
use crate::why::Why;

/// What this device remembers of its backups, by the address: when it was made, when proven, how often it is due in days.
const BACKUP: &str = "backup/";
const DAY_MILLIS: u64 = 86_400_000;
/// How the addresses of folders begin.
const FOLDER: &str = "folder:";
/// How the addresses of files begin.
const FILE: &str = "file:";

/// How often a backup is made by itself, when its drive is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub enum BackupSchedule {
    /// Never.
    Off,
    /// With the first sync of a day.
    Daily,
    /// With the first sync after a week.
    Weekly,
}

impl BackupSchedule {
    fn days(self) -> u64 {
        match self {
            Self::Off => 0,
            Self::Daily => 1,
            Self::Weekly => 7,
        }
    }

    fn of_days(days: u64) -> Self {
        match days {
            0 => Self::Off,
            1 => Self::Daily,
            _ => Self::Weekly,
        }
    }
}

/// A backup as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownBackup {
    /// The name of its place in `safelight remote`.
    pub name: String,
    /// The folder on the drive, or the file.
    pub path: String,
    /// Whether it is one file.
    pub is_one_file: bool,
    /// When it last held everything: `2026-05-14 10:11:12`, UTC; none: never yet.
    pub made: Option<String>,
    /// When all that it holds was last read back and opened.
    pub proven: Option<String>,
    /// Originals that it does not hold yet.
    pub missing: u64,
    /// When it is made by itself.
    pub schedule: BackupSchedule,
    /// Whether it is due by that.
    pub is_due: bool,
    /// Whether its folder or file is there now.
    pub is_connected: bool,
}

/// What making a backup came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    /// What went there.
    pub sync: SyncOutcome,
    /// The backup now.
    pub backup: ShownBackup,
}

/// What came back from a sealed copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BroughtBack {
    /// What reading it came to: history, and what was damaged here and is whole again.
    pub sync: SyncOutcome,
    /// The originals that were not on this device.
    pub fetch: FetchReport,
}

#[derive(Debug, Clone, Copy, Default)]
struct Remembered {
    made: u64,
    proven: u64,
    days: u64,
}

impl Remembered {
    fn is_due(self) -> bool {
        let now = u64::try_from(now_millis()).unwrap_or_default();
        // The first sync of a day, not the first after so many hours.
        self.days > 0 && now / DAY_MILLIS >= self.made / DAY_MILLIS + self.days
    }
}

fn key(address: &str) -> String {
    format!("{BACKUP}{address}")
}

impl Library {
    fn remembered_backup(&self, address: &str) -> Result<Option<Remembered>> {
        let Some(value) = self.device.setting(&key(address))? else { return Ok(None) };
        let numbers: Vec<u64> =
            value.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok().map(u64::from_be_bytes)).collect();
        Ok(match numbers.as_slice() {
            [made, proven, days] => Some(Remembered { made: *made, proven: *proven, days: *days }),
            _ => None,
        })
    }

    fn remember_backup(&mut self, address: &str, backup: Remembered) -> Result<()> {
        let value = [backup.made, backup.proven, backup.days].map(u64::to_be_bytes).concat();
        Ok(self.device.set_setting(&key(address), Some(&value))?)
    }

    /// Whether a place is a backup that a sync of all places leaves alone: its drive is not there, or it is not due.
    pub(crate) fn rests_until_due(&self, row: &RemoteRow) -> Result<bool> {
        let Some(backup) = self.remembered_backup(&row.address)? else { return Ok(false) };
        Ok(!backup.is_due() || !is_there(&row.address))
    }

    /// Whether a remote is a backup.
    pub(crate) fn is_backup(&self, row: &RemoteRow) -> Result<bool> {
        Ok(self.remembered_backup(&row.address)?.is_some())
    }

    /// The backups of this device.
    ///
    /// # Errors
    /// Those of the database.
    pub fn backups(&self) -> Result<Vec<ShownBackup>> {
        let mut shown = Vec::new();
        for row in self.device.remotes()? {
            let Some(backup) = self.remembered_backup(&row.address)? else { continue };
            // Its originals are counted only for what is a backup.
            let remote = self.remote(&row.name)?;
            let time = |millis: u64| (millis > 0).then(|| shown_time(millis));
            shown.push(ShownBackup {
                path: path_of(&remote.address).display().to_string(),
                is_one_file: remote.address.starts_with(FILE),
                made: time(backup.made),
                proven: time(backup.proven),
                missing: remote.waiting_originals + remote.failed_originals,
                schedule: BackupSchedule::of_days(backup.days),
                is_due: backup.is_due(),
                is_connected: is_there(&remote.address),
                name: remote.name,
            });
        }
        Ok(shown)
    }

    fn backup_at(&self, address: &str) -> Result<ShownBackup> {
        let is_it = |backup: &ShownBackup| {
            format!("{}{}", if backup.is_one_file { FILE } else { FOLDER }, backup.path) == address
        };
        let found = self.backups()?.into_iter().find(is_it);
        found.ok_or_else(|| LibraryError::NoSuchRemote { name: address.to_owned() })
    }

    /// Makes a complete sealed copy of the library in a folder, or brings the one that is there up to date, in a folder or in
    /// one file. What this device does not hold is copied from the remotes that do.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] where another library rests there; what the drive answers: full, gone, read-only.
    pub fn back_up(
        &mut self,
        path: &Path,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<BackupReport> {
        let address = self.known_backup(path)?.map_or_else(|| address_of(FOLDER, path), Ok)?;
        self.back_up_to(&address, surroundings, monitor)
    }

    /// Makes a complete sealed copy of the library in one file, or brings the one that is there up to date.
    ///
    /// # Errors
    /// As [`back_up`](Self::back_up), where the file is something else than a sealed copy, and where one that was made there is
    /// there no more: its drive may be another one, or none.
    pub fn back_up_into_file(
        &mut self,
        path: &Path,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<BackupReport> {
        self.folder.require_writable()?;
        let address = address_of(FILE, path)?;
        refuse_library_folder(&parse_address(&address)?, self.path())?;
        let is_new = std::fs::metadata(path).map_or(true, |found| found.is_file() && found.len() == 0);
        if is_new {
            if self.device.remotes()?.iter().any(|row| row.address == address) {
                return Err(LibraryError::Refused {
                    reason: format!("the sealed copy that was made as {} is not there", path.display()),
                    hint: "connect its drive; or make a new one under another name".into(),
                });
            }
            SealedFile::create(path)?;
            let row = self.backup_row(&address, surroundings)?;
            // What was forgotten before is not in it, and cannot be taken out of the others.
            self.forget_on_this_device()?;
            if !is_braked(&self.device)? {
                note_nothing_forgotten(&mut self.device, row.id)?;
            }
        }
        self.back_up_to(&address, surroundings, monitor)
    }

    /// Brings back from a sealed copy in one file what is missing or damaged here: history, and every original that is not on
    /// this device. The copy is a backup of this library from then on.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] where it is another library's; what the file answers.
    pub fn bring_back_from_file(
        &mut self,
        path: &Path,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<BroughtBack> {
        let row = self.backup_row(&address_of(FILE, path)?, surroundings)?;
        let request = SyncRequest { remote: Some(&row.name), despite_quiet: true, ..SyncRequest::default() };
        let sync = self.sync_backup(&request, surroundings, monitor)?;
        let all = self.select_all(Among::Everywhere)?;
        // From nowhere else: what the file holds is not paid for at a cloud.
        let fetch = self.fetch_from_rows(&all, &[row], false, surroundings, monitor)?;
        Ok(BroughtBack { sync, fetch })
    }

    fn back_up_to(
        &mut self,
        address: &str,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<BackupReport> {
        let row = self.backup_row(address, surroundings)?;
        let request = SyncRequest {
            remote: Some(&row.name),
            consent: true,
            despite_quiet: true,
            ..SyncRequest::default()
        };
        let mut sync = self.sync_backup(&request, surroundings, monitor)?;
        if self.remote(&row.name)?.waiting_originals > 0 {
            // What only other places hold goes from there.
            let others: Vec<String> = self.remotes()?.into_iter().map(|remote| remote.name).collect();
            for from in others.iter().filter(|name| **name != row.name) {
                let request = ReplicateRequest { from, to: &row.name, consent: true, is_unmetered: true };
                if let Err(error) = self.replicate_remote(&request, surroundings, monitor) {
                    monitor
                        .problem(&crate::monitor::Problem::failure(from, crate::error::with_causes(&error)));
                }
            }
            sync = self.sync_backup(&request, surroundings, monitor)?;
        }
        let backup = self.backup_at(&row.address)?;
        if backup.missing == 0
            && sync.problems.iter().all(|said| is_only_forgotten(said))
            && !monitor.cancelled()
        {
            let remembered = self.remembered_backup(&row.address)?.unwrap_or_default();
            let made = u64::try_from(now_millis()).unwrap_or_default();
            self.remember_backup(&row.address, Remembered { made, ..remembered })?;
        }
        Ok(BackupReport { sync, backup: self.backup_at(&row.address)? })
    }

    fn sync_backup(
        &mut self,
        request: &SyncRequest<'_>,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<SyncOutcome> {
        let mut run = self.sync(request, surroundings, monitor)?;
        if let Some(error) = run.first_error {
            return Err(error);
        }
        run.outcomes.pop().ok_or(LibraryError::NoRemote)
    }

    /// Reads everything back that a backup holds, and opens it. What is missing or damaged is put there again where it is held
    /// here, and is in the report.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] where no backup was made; what the drive answers.
    pub fn verify_backup(
        &mut self,
        path: &Path,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<RemoteVerifyReport> {
        let address = self.known_backup(path)?.ok_or_else(|| no_backup(path))?;
        let name = self.backup_at(&address)?.name;
        let mut reports = self.verify_remote(Some(&name), VerifyDepth::All, surroundings, monitor)?;
        let report = reports.pop().ok_or(LibraryError::NoRemote)?;
        if report.damaged.is_empty() && report.error.is_none() && !monitor.cancelled() {
            let remembered = self.remembered_backup(&address)?.unwrap_or_default();
            let proven = u64::try_from(now_millis()).unwrap_or_default();
            self.remember_backup(&address, Remembered { proven, ..remembered })?;
        }
        Ok(report)
    }

    /// Says when a backup is made by itself: by the first sync that finds it due, and its drive there.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] where no backup was made.
    pub fn schedule_backup(&mut self, path: &Path, schedule: BackupSchedule) -> Result<ShownBackup> {
        let address = self.known_backup(path)?.ok_or_else(|| no_backup(path))?;
        let known = self.remembered_backup(&address)?.ok_or_else(|| no_backup(path))?;
        self.remember_backup(&address, Remembered { days: schedule.days(), ..known })?;
        self.backup_at(&address)
    }

    /// A sync that was due came to its end.
    pub(crate) fn note_backup(&mut self, row: &RemoteRow, outcome: &SyncOutcome) -> Result<()> {
        let Some(known) = self.remembered_backup(&row.address)? else { return Ok(()) };
        if outcome.error.is_none()
            && outcome.problems.is_empty()
            && self.remote(&row.name)?.waiting_originals == 0
        {
            let made = u64::try_from(now_millis()).unwrap_or_default();
            self.remember_backup(&row.address, Remembered { made, ..known })?;
        }
        Ok(())
    }

    /// The address of the backup that was made there from here, if one was.
    fn known_backup(&self, path: &Path) -> Result<Option<String>> {
        for kind in [FILE, FOLDER] {
            let address = address_of(kind, path)?;
            if self.remembered_backup(&address)?.is_some()
                && self.device.remotes()?.iter().any(|row| row.address == address)
            {
                return Ok(Some(address));
            }
        }
        Ok(None)
    }

    /// The place of a backup: the one that is known, or a new one.
    fn backup_row(&mut self, address: &str, surroundings: &Surroundings) -> Result<RemoteRow> {
        let known = self.device.remotes()?.into_iter().find(|row| row.address == address);
        if known.is_none() {
            let taken: Vec<String> = self.device.remotes()?.into_iter().map(|row| row.name).collect();
            let name = (1..)
                .map(|number| if number == 1 { "backup".to_owned() } else { format!("backup{number}") })
                .find(|name| !taken.contains(name))
                .unwrap_or_default();
            let request = RemoteRequest { name: &name, address, credential: None };
            self.add_remote(&request, surroundings)?;
        }
        if self.remembered_backup(address)?.is_none() {
            self.remember_backup(address, Remembered::default())?;
        }
        let row = self.device.remotes()?.into_iter().find(|row| row.address == address);
        row.ok_or_else(|| LibraryError::NoSuchRemote { name: address.to_owned() })
    }
}

/// Whether it says only that a backup may hold more than it should: it holds everything all the same.
fn is_only_forgotten(problem: &str) -> bool {
    Why::of(problem).is_some_and(|why| why.code == "not-forgotten")
}

fn no_backup(path: &Path) -> LibraryError {
    LibraryError::Refused {
        reason: format!("no backup was made in {} from here", path.display()),
        hint: format!("safelight backup {} makes one", path.display()),
    }
}

fn address_of(kind: &str, path: &Path) -> Result<String> {
    // A drive that is not there has the path that it had; of a file that is to be made the folder is there.
    let whole = std::path::absolute(path).map_err(|source| LibraryError::reading(path, source))?;
    let real = std::fs::canonicalize(&whole).unwrap_or_else(|_| in_its_folder(&whole).unwrap_or(whole));
    Ok(format!("{kind}{}", real.display()))
}

fn in_its_folder(path: &Path) -> Option<PathBuf> {
    Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
}

fn path_of(address: &str) -> &Path {
    let path = address.strip_prefix(FOLDER).or_else(|| address.strip_prefix(FILE));
    Path::new(path.unwrap_or(address))
}

fn is_there(address: &str) -> bool {
    let path = path_of(address);
    if address.starts_with(FILE) { path.is_file() } else { path.is_dir() }
}

/// Whether a file is a sealed copy of a library, this one or any other.
#[must_use]
pub fn is_sealed_copy(path: &Path) -> bool {
    SealedFile::is_at(path)
}
