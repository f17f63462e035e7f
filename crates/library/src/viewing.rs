//! What a viewer asks for: the small pictures of a photo, and any stretch of its original.
//!
//! Only what is on this device is read here; fetching is asked for by its own name ([`Library::bring_picture`]). Nothing is
//! written, and of a sealed original only the megabytes that hold the stretch are opened.

use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use safelight_crypto::ContentHash;
use safelight_model::view::AssetStatus;
use safelight_model::{AssetId, MediaKind, Original, RenditionKind, Storage};
use safelight_sync::{Living, OriginalReader, SyncError};

use crate::error::{LibraryError, Result};
use crate::import::rendition::read_packed;
use crate::library::Library;
use crate::linked;
use crate::objects::{are_parts_here, open_file, small_original};

/// Which of the two pictures that are made of every photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureKind {
    /// 320 pixels along the longer side.
    Thumbnail,
    /// 1440 pixels along the longer side.
    Preview,
}

/// An original that is on this device, or the video within it, to be read in stretches. Holds no key.
#[derive(Debug, Clone)]
pub struct OriginalHere {
    /// The photo that was asked for; of a Live Photo's video half, the photo.
    of: AssetId,
    original: Original,
    rests: Rests,
    /// The bytes of the video within it, when that is what is meant.
    video: Option<Range<u64>>,
}

#[derive(Debug, Clone)]
enum Rests {
    Sealed,
    Packed,
    Linked(PathBuf),
}

impl OriginalHere {
    /// The name of the file.
    #[must_use]
    pub fn name(&self) -> String {
        let path = self.original.source.display();
        let name = path.rsplit('/').next().unwrap_or_default();
        match &self.video {
            Some(_) => format!("{}.mp4", name.rsplit_once('.').map_or(name, |(stem, _)| stem)),
            None => name.to_owned(),
        }
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(&self) -> &str {
        if self.video.is_some() { "video/mp4" } else { &self.original.media_type }
    }

    /// Its bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.video.as_ref().map_or(self.original.size_bytes, |video| video.end - video.start)
    }

    /// The memory that it takes to open it as a video; none for a file that is read where it lies.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        if self.file().is_some() { 0 } else { self.size_bytes() }
    }

    /// The original, as it is recorded.
    pub(crate) fn original(&self) -> &Original {
        &self.original
    }

    /// The photo that was asked for.
    pub(crate) fn of(&self) -> AssetId {
        self.of
    }

    /// Whether that is the same: of the same photo, with the same content.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let of = |here: &Self| (here.of, here.original.content, here.video.clone());
        of(self) == of(other)
    }

    /// The user's own file, where that is the whole original.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.rests {
            Rests::Linked(path) if self.video.is_none() => Some(path),
            _ => None,
        }
    }

    /// The SHA-256 of the content that it is, or that it lies in.
    #[must_use]
    pub fn sha256(&self) -> String {
        self.original.content.to_string()
    }
}

/// What of a photo moves.
enum Moving {
    /// A video lies in its original, at these bytes.
    Within(Range<u64>),
    /// The video half of a Live Photo.
    Half(AssetId),
}

impl Library {
    /// A photo's thumbnail or preview: JPEG, or what [the recipe](crate::RenderReport) makes.
    ///
    /// # Errors
    /// [`LibraryError::NotHere`] while there is none here, [`LibraryError::NoSuchItem`], damage.
    pub fn picture(&self, item: &str, kind: PictureKind) -> Result<Vec<u8>> {
        let (content, rendition) = self.pictured(item, kind)?;
        let location = self.device.packed(&content, rendition)?.ok_or_else(|| LibraryError::NotHere {
            object: format!("a {rendition:?} of {item}").to_lowercase(),
        })?;
        read_packed(&self.place, &location, self.keyring())
    }

    /// Of what a picture is, and as what it is kept.
    pub(crate) fn pictured(&self, item: &str, kind: PictureKind) -> Result<(ContentHash, RenditionKind)> {
        let asset = self.asset_called(item)?;
        let row = self.catalog().asset(asset)?;
        let content =
            row.map(|row| row.content).ok_or_else(|| LibraryError::NoSuchItem { item: item.to_owned() })?;
        Ok(match kind {
            PictureKind::Thumbnail => (content, RenditionKind::Thumbnail),
            PictureKind::Preview => (content, RenditionKind::Preview),
        })
    }

    /// Finds a photo's original on this device.
    ///
    /// # Errors
    /// [`LibraryError::InRemotes`] when it must be fetched first, and what says that a linked file is gone or changed.
    pub fn original_here(&self, item: &str) -> Result<OriginalHere> {
        self.whole_here(self.asset_called(item)?)
    }

    /// The same, also of what is kept back: for work of the library itself.
    pub(crate) fn whole_here(&self, asset: AssetId) -> Result<OriginalHere> {
        let found = self.item(asset)?.ok_or_else(|| LibraryError::NoSuchItem { item: asset.to_string() })?;
        let original = found.original()?.clone();
        let rests = match original.storage {
            Storage::Packed => self
                .device
                .packed(&original.content, RenditionKind::Original)?
                .map(|_| Rests::Packed)
                .ok_or_else(|| LibraryError::original_not_here(&original)),
            _ if are_parts_here(&self.place, &original)? => Ok(Rests::Sealed),
            Storage::Linked => {
                linked::find_proven(&original, self.keyring().device().id(), &self.device).map(Rests::Linked)
            }
            _ => Err(LibraryError::original_not_here(&original)),
        };
        match rests {
            Ok(rests) => Ok(OriginalHere { of: asset, original, rests, video: None }),
            Err(error) if error.is_absence() => Err(self.rests_elsewhere(&original)?.unwrap_or(error)),
            Err(error) => Err(error),
        }
    }

    /// Whether [`Library::moving_here`] has something to find for a photo, here or elsewhere.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn moves(&self, item: &str) -> Result<bool> {
        Ok(self.moving(item)?.is_some())
    }

    /// Finds on this device what of a photo moves: the video half of a Live Photo, or the video within a motion photo.
    ///
    /// # Errors
    /// [`LibraryError::NotHere`] for what stands still; else as [`Library::original_here`].
    pub fn moving_here(&self, item: &str) -> Result<OriginalHere> {
        match self.moving(item)? {
            Some(Moving::Within(video)) => {
                Ok(OriginalHere { video: Some(video), ..self.original_here(item)? })
            }
            Some(Moving::Half(half)) => {
                let of = self.asset_called(item)?;
                Ok(OriginalHere { of, ..self.original_here(&half.to_string())? })
            }
            None => Err(LibraryError::NotHere { object: format!("a video of {item}") }),
        }
    }

    fn moving(&self, item: &str) -> Result<Option<Moving>> {
        let asset = self.asset_called(item)?;
        let found = self.item(asset)?.ok_or_else(|| LibraryError::NoSuchItem { item: item.to_owned() })?;
        let facts = found.view().facts;
        if let Some(motion) = &facts.motion {
            // The file says where; a file may say anything.
            let size = found.original()?.size_bytes;
            let end = motion.offset_bytes.saturating_add(motion.length_bytes).min(size);
            return Ok((motion.offset_bytes < end).then_some(Moving::Within(motion.offset_bytes..end)));
        }
        let Some(live) = facts.live_id.as_deref() else { return Ok(None) };
        if facts.media == Some(MediaKind::Video) {
            return Ok(None);
        }
        let companions = self.catalog().companions_of(asset)?;
        for other in companions {
            let Some(other) = self.item(other)? else { continue };
            let view = other.view();
            let is_half = view.facts.media == Some(MediaKind::Video)
                && view.facts.live_id.as_deref() == Some(live)
                && view.status == AssetStatus::Live;
            if is_half {
                return Ok(Some(Moving::Half(other.asset)));
            }
        }
        Ok(None)
    }

    /// Reads a stretch of an original, clipped to its end. The caller chooses how much memory that is.
    ///
    /// # Errors
    /// When it is damaged, or gone since it was found; [`LibraryError::NoSuchItem`] when its photo is kept back by now.
    pub fn read_original(&self, here: &OriginalHere, stretch: Range<u64>) -> Result<Vec<u8>> {
        self.admit(here.of, &here.of.to_string())?;
        self.read_whole_here(here, stretch)
    }

    /// The same, also of what is kept back: for work of the library itself.
    pub(crate) fn read_whole_here(&self, here: &OriginalHere, stretch: Range<u64>) -> Result<Vec<u8>> {
        let original = &here.original;
        let all = here.video.clone().unwrap_or(0..original.size_bytes);
        let [start, end] = [stretch.start, stretch.end].map(|at| all.start.saturating_add(at).min(all.end));
        let stretch = start..end;
        match &here.rests {
            Rests::Packed => {
                let bytes = small_original(&self.place, &self.device, self.keyring(), original)?;
                let [start, end] =
                    [stretch.start, stretch.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
                Ok(bytes.get(start..end).map(<[u8]>::to_vec).unwrap_or_default())
            }
            Rests::Linked(path) => {
                let reading = |source| LibraryError::reading(path, source);
                let length = usize::try_from(stretch.end.saturating_sub(stretch.start)).unwrap_or_default();
                let mut bytes = vec![0; length];
                open_file(path)
                    .and_then(|file| file.read_exact_at(&mut bytes, stretch.start))
                    .map_err(reading)?;
                Ok(bytes)
            }
            Rests::Sealed => {
                let living = Living::of(&self.catalog(), &self.device, &[], original)?;
                let mut reader = OriginalReader::new(self.keyring(), &self.place, &[], living, original);
                // Nothing is waited for: no place is asked.
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .map_err(|error| LibraryError::reading(self.path(), error))?;
                runtime.block_on(reader.read(stretch)).map_err(|error| match error {
                    SyncError::Unbelievable { .. } => {
                        LibraryError::OriginalDamaged { name: original.source.display().to_string() }
                    }
                    error => error.into(),
                })
            }
        }
    }
}
