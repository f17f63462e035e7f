//! Watched folders: where an import without a path looks.
//!
//! They are this device's own affair and no history. A folder that is not there is offline; nothing in it
//! counts as deleted.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use safelight_catalog::NewSource;
use serde::Serialize;

use crate::effects::now_millis;
use crate::error::{LibraryError, Result};
use crate::library::Library;

/// A watched folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct Source {
    /// The folder.
    #[cfg_attr(feature = "schemas", schema(value_type = String))]
    pub path: PathBuf,
    /// Whether originals stay where they are.
    pub link: bool,
    /// Whether an original is removed once its sealed copy is proven.
    pub remove_after_proof: bool,
    /// Whether it could be reached at the last look.
    pub online: bool,
}

impl Library {
    /// The watched folders, by path.
    ///
    /// # Errors
    /// Those of the device's database.
    pub fn sources(&self) -> Result<Vec<Source>> {
        let known = self.device.sources()?.into_iter().filter(|source| source.watched);
        Ok(known
            .map(|source| Source {
                path: PathBuf::from(std::ffi::OsStr::from_bytes(&source.path)),
                link: source.link,
                remove_after_proof: source.remove_after_proof,
                online: !source.offline,
            })
            .collect())
    }

    /// Watches a folder from now on.
    ///
    /// # Errors
    /// When it does not exist or holds the library itself.
    pub fn add_source(&mut self, source: &Source) -> Result<Source> {
        let path = std::fs::canonicalize(&source.path)
            .map_err(|error| LibraryError::reading(&source.path, error))?;
        if path.starts_with(self.path()) {
            return Err(LibraryError::Refused {
                reason: format!("{} is the library's own folder", path.display()),
                hint: "watch the folder where photos arrive".into(),
            });
        }
        self.device.add_source(&NewSource {
            path: path.as_os_str().as_bytes(),
            watched: true,
            link: source.link,
            remove_after_proof: source.remove_after_proof,
            now_millis: now_millis(),
        })?;
        Ok(Source { path, ..source.clone() })
    }

    /// Watches a folder no longer; what was imported from it stays.
    ///
    /// # Errors
    /// When it is not watched.
    pub fn remove_source(&mut self, path: &Path) -> Result<()> {
        let full = std::fs::canonicalize(path)
            .or_else(|_| std::path::absolute(path))
            .unwrap_or_else(|_| path.to_owned());
        match self.device.source_by_path(full.as_os_str().as_bytes())? {
            Some(source) if source.watched => {
                self.device.remove_source(source.id)?;
                Ok(())
            }
            _ => {
                let watched = self.sources()?.into_iter().map(|source| source.path).collect();
                Err(LibraryError::NoSuchSource { path: full, watched })
            }
        }
    }

    pub(crate) fn is_watched(&self, path: &Path) -> Result<bool> {
        let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(self.device.source_by_path(full.as_os_str().as_bytes())?.is_some_and(|source| source.watched))
    }

    pub(crate) fn mark_offline(&mut self, path: &Path) -> Result<()> {
        if self.is_read_only() {
            return Ok(());
        }
        let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if let Some(source) = self.device.source_by_path(full.as_os_str().as_bytes())? {
            self.device.set_source_offline(source.id, true)?;
        }
        Ok(())
    }
}
