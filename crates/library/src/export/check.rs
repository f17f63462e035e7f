//! Checks an exported folder without a library: the signature of its list, then every file against it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::manifest::{Entry, MANIFEST, Manifest, Role};
use crate::error::{LibraryError, Result};
use crate::monitor::{Monitor, Task};
use crate::objects;
use crate::verify::{Damage, VerifyReport};

/// Checks the folder of an export: its list's signature, and every listed file's size and hash.
///
/// # Errors
/// When the list is missing or cannot be read. What is damaged is in the report.
pub fn verify_export(directory: &Path, monitor: &dyn Monitor) -> Result<VerifyReport> {
    let list = directory.join(MANIFEST);
    let mut bytes = Vec::new();
    objects::open_file(&list)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|source| LibraryError::reading(&list, source))?;
    let mut report = VerifyReport::default();
    let manifest = match Manifest::open(&bytes) {
        Ok(manifest) => manifest,
        Err(reason) => {
            report.damaged.push(Damage::new(&list, reason));
            return Ok(report);
        }
    };
    report.signer = Some(format!(
        "device {}, whose id its keys prove; it calls itself one of library {}, which safelight history of that library tells",
        manifest.device, manifest.library
    ));
    let total_bytes = manifest.files.iter().map(|entry| entry.size).sum();
    monitor.begin(Task::Verify, Some(manifest.files.len() as u64), Some(total_bytes));
    let outcomes: Vec<Option<Damage>> =
        manifest.files.par_iter().map(|entry| check(directory, entry, monitor)).collect();
    monitor.end();
    for (entry, damage) in manifest.files.iter().zip(outcomes) {
        match entry.role {
            Role::Sidecar => report.objects += 1,
            Role::Original | Role::EarlierVersion | Role::Copy => report.originals += 1,
        }
        report.bytes += entry.size;
        report.damaged.extend(damage);
    }
    report.notices.extend(strangers(directory, &manifest));
    Ok(report)
}

fn check(directory: &Path, entry: &Entry, monitor: &dyn Monitor) -> Option<Damage> {
    if monitor.cancelled() {
        return None;
    }
    let Some(below) = entry.path() else {
        return Some(Damage::new(directory, "the list names a path outside the folder"));
    };
    let path = directory.join(below);
    let outcome = match objects::hash_of(&path) {
        Err(LibraryError::Io { source, .. }) => Some(format!("it cannot be read: {source}")),
        Err(error) => Some(error.to_string()),
        Ok((size, _)) if size != entry.size => Some(format!("it has {size} bytes instead of {}", entry.size)),
        Ok((_, sha256)) if sha256.to_string() != entry.sha256 => {
            Some("its content is not what was exported".to_owned())
        }
        Ok(_) => None,
    };
    monitor.advance(1, entry.size);
    outcome.map(|reason| Damage::new(&path, reason))
}

/// Files that lie in the folder and are not listed; they may be the user's own.
fn strangers(directory: &Path, manifest: &Manifest) -> Vec<Damage> {
    let listed: std::collections::HashSet<PathBuf> = manifest.files.iter().filter_map(Entry::path).collect();
    let mut strangers = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if let Ok(below) = path.strip_prefix(directory)
                && below != Path::new(MANIFEST)
                && !listed.contains(below)
            {
                strangers.push(Damage::new(&path, "it is not part of the export"));
            }
        }
    }
    strangers.sort_by(|left, right| left.path.cmp(&right.path));
    strangers
}
