//! What takes space on this device: every byte of the library's folder, by what it is for.

use std::path::Path;

use safelight_catalog::Shelf;
use serde::Serialize;

use crate::error::Result;
use crate::library::Library;
use crate::remote::LocalStanding;

/// What takes space on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct Storage {
    /// The library's folder.
    pub folder: String,
    /// Bytes that may still be written there, where the system says so.
    pub disk_free_bytes: Option<u64>,
    /// Bytes of that disk.
    pub disk_total_bytes: Option<u64>,
    /// All bytes of the library's files.
    pub total_bytes: u64,
    /// The same by what they are for; every file is in exactly one.
    pub kinds: Vec<StorageKind>,
    /// What lies in the trash; its originals are among the others.
    pub trash: TrashSize,
    /// How originals stand on this device.
    pub local: LocalStanding,
}

/// Files of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct StorageKind {
    /// `originals`; `renditions`: thumbnails, previews and what is packed with them, small originals; `history`; `catalogue`;
    /// `device`: what this device alone remembers; `unfinished`: swept by itself; or `other`: keys and the like.
    pub kind: &'static str,
    /// Their bytes.
    pub bytes: u64,
    /// How many files.
    pub objects: u64,
}

/// How much lies in the trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct TrashSize {
    /// Photos and videos.
    pub photos: u64,
    /// Bytes of their originals.
    pub bytes: u64,
}

const KINDS: [&str; 7] = ["originals", "renditions", "history", "catalogue", "device", "unfinished", "other"];

/// What a file of the folder is for, outside of `objects/`.
fn kind_outside(relative: &Path) -> &'static str {
    let name = relative.to_str().unwrap_or_default();
    match name {
        _ if name.starts_with("tmp/") => "unfinished",
        _ if name.starts_with("catalog.db") => "catalogue",
        _ if name.starts_with("device.db") => "device",
        _ => "other",
    }
}

/// What an object is for, by the area that it lies in.
fn kind_of_object(relative: &Path) -> &'static str {
    let area = relative.components().next().and_then(|area| area.as_os_str().to_str());
    match area.unwrap_or_default() {
        "o" => "originals",
        "local" | "t" | "p" | "s" => "renditions",
        "log" | "head" => "history",
        _ => "other",
    }
}

impl Library {
    /// What takes space on this device. Looks at every file of the folder.
    ///
    /// # Errors
    /// Those of the databases and of the folder.
    pub fn storage(&self) -> Result<Storage> {
        let mut kinds = KINDS.map(|kind| StorageKind { kind, bytes: 0, objects: 0 });
        let mut add = |kind: &str, bytes: u64| {
            for known in kinds.iter_mut().filter(|known| known.kind == kind) {
                known.bytes += bytes;
                known.objects += 1;
            }
        };
        for entry in self.folder.survey()? {
            add(kind_outside(&entry.relative), entry.length_bytes);
        }
        for found in self.place.walk() {
            let found = found?;
            add(kind_of_object(&found.relative), found.length_bytes);
        }
        let trash = self.catalog().totals(Shelf::Trashed)?;
        Ok(Storage {
            folder: self.path().to_string_lossy().into_owned(),
            disk_free_bytes: self.free_bytes(),
            disk_total_bytes: self.folder.disk_bytes().ok(),
            total_bytes: kinds.iter().map(|kind| kind.bytes).sum(),
            kinds: kinds.to_vec(),
            trash: TrashSize { photos: trash.assets(), bytes: trash.bytes },
            local: self.local_standing()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Place;

    #[test]
    fn every_byte_of_the_folder_is_of_one_kind() {
        let place = Place::new();
        let library = place.library();
        let storage = library.storage().unwrap();
        let files = |kind: &str| storage.kinds.iter().find(|one| one.kind == kind).unwrap().objects;
        assert!(
            files("history") > 0 && files("catalogue") > 0 && files("device") > 0 && files("other") > 0,
            "{storage:?}"
        );
        assert_eq!(files("originals"), 0);
        let mut bytes = 0;
        let mut folders = vec![library.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    bytes += entry.metadata().unwrap().len();
                }
            }
        }
        assert_eq!(storage.total_bytes, bytes);
        assert!(storage.disk_total_bytes >= storage.disk_free_bytes);
    }
}
