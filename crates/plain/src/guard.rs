//! Safeguards: where a plain copy must not go, and what must not be mixed in one.

use std::path::{Path, PathBuf};

use safelight_store::{Area, Prefix, RemoteAddress, StoreError};

use crate::copy::PlainCopy;
use crate::error::PlainError;
use crate::index::Index;
use crate::place::{Destination, Place};

/// What every folder of a library has.
const LIBRARY_FILE: &str = "library.toml";
/// What a sealed library has in every place: its root card, and the id of the place.
const SEALED_AREAS: [Area; 2] = [Area::Root, Area::RemoteId];

/// A file is a sealed copy, and nothing that is not sealed belongs into it.
pub(crate) fn refuse_sealed_file(destination: &Destination) -> Result<(), PlainError> {
    match &destination.address {
        RemoteAddress::File(_) => Err(PlainError::SealedFile { place: destination.name() }),
        _ => Ok(()),
    }
}

/// Refuses a folder of this machine that is a library's, or lies in one.
pub(crate) fn refuse_library_folder(destination: &Destination) -> Result<(), PlainError> {
    let RemoteAddress::Folder(path) = &destination.address else { return Ok(()) };
    let real = existing_part(path);
    match real.ancestors().find(|folder| is_library(folder)) {
        Some(library) => Err(refused_as_sealed(&format!("{} is the folder of a library", library.display()))),
        None => Ok(()),
    }
}

fn is_library(folder: &Path) -> bool {
    let has = |area: Area| folder.join(area.as_str()).is_dir();
    (folder.join(LIBRARY_FILE).is_file() && has(Area::Keys)) || (has(Area::Root) && has(Area::Log))
}

/// Refuses a place in which a library lies sealed: a look at two names, where the place lets itself be listed.
pub(crate) async fn refuse_sealed_place(place: &Place, name: &str) -> Result<(), PlainError> {
    for area in SEALED_AREAS {
        match place.remote.list(&Prefix::area(area), None).await {
            Ok(page) if page.objects.is_empty() => {}
            Ok(_) => return Err(refused_as_sealed(&format!("a library lies sealed at {name}"))),
            // Who may only create cannot look.
            Err(StoreError::Denied { .. } | StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn refused_as_sealed(what: &str) -> PlainError {
    PlainError::Refused {
        reason: format!("{what}, and nothing there may be unencrypted"),
        hint: "choose another prefix, container or folder for the plain copy".to_owned(),
    }
}

impl PlainCopy {
    /// A copy that lies in its own source would be copied into itself with every run.
    pub(crate) fn refuse_itself(&self, source: &Path) -> Result<(), PlainError> {
        let place = match &self.destination().address {
            RemoteAddress::Folder(path) => Some(path.as_path()),
            _ => None,
        };
        for (what, path) in [("place", place), ("state folder", Some(self.state_path()))] {
            let inside = path.map(existing_part).filter(|path| path.starts_with(source));
            if let Some(path) = inside {
                return Err(PlainError::Refused {
                    reason: format!(
                        "the {what} {} lies in the source, and would be sent itself",
                        path.display()
                    ),
                    hint: "choose a folder outside of the source".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// A second source would take the paths of the first from it, one by one and without a word.
    pub(crate) fn refuse_other_source(&self, index: &Index, source: &Path) -> Result<(), PlainError> {
        let name = self.destination().name();
        match index.source(&name)? {
            Some(known) if known != source => Err(PlainError::Refused {
                reason: format!(
                    "the copy at {name} is of {}, and {} would take its place wherever both have the same path",
                    known.display(),
                    source.display()
                ),
                hint: "give it another prefix (the end of the address, or --prefix); --yes adds it to the same copy, \
                       also if the folder was only moved"
                    .to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// A path without links, as far as it is there already.
fn existing_part(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for there in whole.ancestors() {
        if let Ok(real) = there.canonicalize() {
            let rest = whole.strip_prefix(there).unwrap_or(Path::new(""));
            return real.join(rest);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_for_what_it_is_before_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::os::unix::fs::symlink(&real, real.join("link")).unwrap();
        assert_eq!(existing_part(&real.join("link/new/place")), real.join("new/place"));
        assert_eq!(existing_part(&real.join("link")), real);
    }
}
