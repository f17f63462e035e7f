//! What whoever keeps a remote can see of the library there, in that remote's own numbers.
//!
//! Everything that rests in a place is sealed, so what it tells is what a listing tells: names that mean nothing, sizes, times,
//! and by the folders of the format (SL1 §8) how many objects there are of which sort, how many devices write history and how
//! many segments each wrote. This is counted from what this device knows to lie there, also what was dropped there and waits to
//! be collected; no request is made. What other devices put there and this one has not come across yet is not in it, and what
//! another device collected there still is. Where it is known that more may lie there, the numbers are said to be the least.

use std::collections::{BTreeMap, BTreeSet};

use safelight_catalog::RemoteRow;
use safelight_crypto::DeviceId;
use safelight_model::history::Tip;
use safelight_store::ObjectPath;
use safelight_sync::NO_HEADS;
use serde::Serialize;

use super::at::ShownRemote;
use crate::error::Result;
use crate::library::Library;

/// The bytes of a sealed head, or of the id of a place: what either holds is padded to the same 4 KiB.
const SMALLEST_SEALED_BYTES: u64 = 4248;

/// More keys files than any library has.
const MOST_KEYS_FILES: usize = 10_000;

/// The sorts of objects that a listing tells apart: the folder, and a word for it.
const SORTS: [(&str, &str); 10] = [
    ("o", "originals"),
    ("s", "small-originals"),
    ("p", "previews"),
    ("t", "thumbnails"),
    ("log", "history"),
    ("head", "heads"),
    ("ckpt", "checkpoints"),
    ("page", "checkpoint-pages"),
    ("keys", "keys"),
    ("root", "cards"),
];

/// What whoever keeps a remote can see of the library there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct RemotePrivacy {
    /// The remote.
    pub remote: String,
    /// Its address.
    pub address: String,
    /// Sealed objects that rest there; 0 where nothing was sent yet.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether these are all, as far as this device came across them; else they are the least that lies there.
    pub is_whole: bool,
    /// How many of them were dropped and lie there until they are collected, 30 days at least.
    pub leaving_objects: u64,
    /// The bytes of these.
    pub leaving_bytes: u64,
    /// The same by the sorts that their names tell apart, those of which there are any.
    pub sorts: Vec<SeenSort>,
    /// The devices that wrote history which rests there, by names that were drawn at random.
    pub devices: Vec<SeenDevice>,
    /// Originals of this library that rest whole there, as this device knows. Whoever keeps them can tell about how many these
    /// are: each is an object of its own but the smallest, many of which are in one pack, and the largest, which come in parts.
    pub originals: u64,
    /// Other remotes in which something of this library rests: two that compare what they keep see that it is one library.
    pub also_in: Vec<String>,
    /// Since when this device is connected to it, in milliseconds since 1970.
    pub connected_millis: i64,
    /// When this device was there last, in milliseconds since 1970.
    pub synced_millis: Option<i64>,
}

/// Sealed objects of one sort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct SeenSort {
    /// `originals`: originals, the large ones in parts of 32 MiB; `small-originals`, `previews` and `thumbnails`: packs with
    /// many in each; `history`; `heads`: how far each device's history goes; `checkpoints` and `checkpoint-pages`; `keys`;
    /// `cards`: what the recovery words find the library by; or `place-id`.
    pub sort: &'static str,
    /// The folder that they lie in there.
    pub folder: String,
    /// How many.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether the size of each is known here; the bytes are those of the known ones.
    pub is_whole: bool,
    /// Whether more of them may lie there than are known here.
    pub is_least: bool,
}

/// A device, as its history shows it to who cannot read that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct SeenDevice {
    /// The random name under which its history rests there.
    pub device: String,
    /// Whether it is this device.
    pub own: bool,
    /// Segments of its history: about how often it changed something.
    pub segments: u64,
}

impl Library {
    /// What whoever keeps remotes can see there: of the named one, or of all; nothing where there is none.
    ///
    /// # Errors
    /// [`NoSuchRemote`](crate::LibraryError::NoSuchRemote), and those of the databases and of the folder.
    pub fn remote_privacy(&self, remote: Option<&str>) -> Result<Vec<RemotePrivacy>> {
        let rows = match remote {
            Some(name) => vec![self.remote_row(name)?],
            None => self.device.remotes()?,
        };
        let sizes = self.segment_sizes()?;
        let mut seen = rows.iter().map(|row| self.seen_at(row, &sizes)).collect::<Result<Vec<_>>>()?;
        let (names, shown) = (self.names_with_content()?, self.remotes()?);
        for place in &mut seen {
            let is_it = |shown: &&ShownRemote| shown.name == place.remote;
            place.originals = shown.iter().find(is_it).map_or(0, |shown| shown.safe_originals);
            place.also_in = names.iter().filter(|name| **name != place.remote).cloned().collect();
        }
        Ok(seen)
    }

    fn names_with_content(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for row in self.device.remotes()? {
            if !self.device.replicas_by_folder(row.id)?.is_empty() {
                names.push(row.name);
            }
        }
        Ok(names)
    }

    fn seen_at(&self, row: &RemoteRow, sizes: &BTreeMap<String, u64>) -> Result<RemotePrivacy> {
        let heads = self.device.remote_heads(row.id)?;
        let (leaving_objects, leaving_bytes) = self.device.leaving(row.id)?;
        let own = self.keyring().device().id();
        let mut known: BTreeMap<String, (u64, u64)> = self
            .device
            .replicas_by_folder(row.id)?
            .into_iter()
            .map(|(folder, objects, bytes)| (folder, (objects, bytes)))
            .collect();
        let is_begun = !known.is_empty();
        // A verification records some of these too, and not all.
        for folder in ["log", "head", "remote"] {
            known.remove(folder);
        }
        let unsure = self.device.folders_unsure(row.id)?;
        let has_no_heads = self.device.remote_setting(row.id, NO_HEADS)?.is_some();
        let mut sorts = Vec::new();
        for (folder, sort) in SORTS {
            let (objects, bytes, is_whole) = match folder {
                "log" => segments_of(&heads, sizes),
                "head" if has_no_heads => (0, 0, true),
                "head" => (heads.len() as u64, heads.len() as u64 * SMALLEST_SEALED_BYTES, true),
                _ => known.get(folder).map_or((0, 0, true), |(objects, bytes)| (*objects, *bytes, true)),
            };
            let is_least = match folder {
                "keys" => self.may_have_more_keys_files(row, &heads)?,
                // What it does not let this device write others may have been let.
                "head" => has_no_heads && heads.iter().any(|(device, _)| *device != own),
                _ => unsure.iter().any(|known| known == folder),
            };
            let is_whole = is_whole && !is_least;
            sorts.push(SeenSort { sort, folder: folder.to_owned(), objects, bytes, is_whole, is_least });
        }
        let id = u64::from(is_begun && self.device.place_id(row.id)?.is_some());
        sorts.push(SeenSort {
            sort: "place-id",
            folder: "remote".to_owned(),
            objects: id,
            bytes: id * SMALLEST_SEALED_BYTES,
            is_whole: true,
            is_least: false,
        });
        sorts.retain(|sort| sort.objects > 0 || sort.is_least);
        let mut devices: Vec<SeenDevice> = heads
            .iter()
            .map(|(device, tip)| SeenDevice {
                device: device.to_string(),
                own: *device == own,
                segments: u64::from(tip.seq.0),
            })
            .collect();
        devices.sort_by(|one, other| other.own.cmp(&one.own).then_with(|| one.device.cmp(&other.device)));
        Ok(RemotePrivacy {
            remote: row.name.clone(),
            address: row.address.clone(),
            objects: sorts.iter().map(|sort| sort.objects).sum(),
            bytes: sorts.iter().map(|sort| sort.bytes).sum(),
            is_whole: sorts.iter().all(|sort| sort.is_whole),
            leaving_objects,
            leaving_bytes,
            sorts,
            devices,
            originals: 0,
            also_in: Vec::new(),
            connected_millis: row.added_millis,
            synced_millis: row.synced_millis,
        })
    }

    /// Whether other devices write there of which no keys file is known to lie there. One that joined there, or was there
    /// itself, has put its own; of one whose history was only brought there nobody else's tells.
    fn may_have_more_keys_files(&self, row: &RemoteRow, heads: &[(DeviceId, Tip)]) -> Result<bool> {
        let known = self.device.replicas_after(row.id, "keys/", "", MOST_KEYS_FILES)?;
        let recipients: BTreeSet<&str> =
            known.iter().filter_map(|file| file.object.rsplit('/').next()).collect();
        Ok(heads.iter().any(|(device, _)| !recipients.contains(device.to_string().as_str())))
    }

    /// The sizes of the segments that rest in this library's folder, by their names: a place holds the very same bytes.
    fn segment_sizes(&self) -> Result<BTreeMap<String, u64>> {
        let mut sizes = BTreeMap::new();
        for found in self.place.walk_below("log")? {
            let found = found?;
            sizes.insert(found.relative.to_string_lossy().into_owned(), found.length_bytes);
        }
        Ok(sizes)
    }
}

/// How many segments rest there, the bytes of those whose size is known, and whether those are all.
fn segments_of(heads: &[(DeviceId, Tip)], sizes: &BTreeMap<String, u64>) -> (u64, u64, bool) {
    let (mut objects, mut bytes, mut known) = (0, 0, 0);
    for (device, tip) in heads {
        for seq in 1..=tip.seq.0 {
            objects += 1;
            if let Some(size) = sizes.get(ObjectPath::segment(*device, seq).as_str()) {
                bytes += size;
                known += 1;
            }
        }
    }
    (objects, bytes, objects == known)
}
