//! Looks at pairs of pictures by their thumbnails, which the sandboxed workers decode.
//!
//! Invariant: no more thumbnails are in memory than those of the sets that are looked at together, and no pair is looked at
//! twice in the life of a [`Duplicates`](super::Duplicates).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use safelight_catalog::PackLocation;
use safelight_crypto::{ContentHash, Keyring};
use safelight_media::pool::{Pool, RenderRequest, Wanted};
use safelight_model::RenditionKind;
use safelight_store::FolderPlace;

use super::likeness::{Likeness, Luma};
use super::photo::Photo;
use crate::error::Result;
use crate::import::rendition::read_packed;
use crate::library::Library;

/// PDQ hashes of two pictures that cannot be looked at, within which they count as the same.
const UNSEEN_PDQ_BITS: u32 = 12;

/// What a pair turned out to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Looked {
    /// The same pixels.
    Same,
    /// The same picture.
    Alike(Likeness),
    /// Probably the same picture: one has no thumbnail here.
    Unseen,
    /// Two pictures.
    Different,
}

/// What is known of one picture.
#[derive(Debug, Default)]
struct Seen {
    /// The hash of its thumbnail's bytes; none where there is no thumbnail here.
    thumbnail: Option<ContentHash>,
    luma: Option<Luma>,
}

pub(super) struct Looker<'a> {
    library: &'a Library,
    pool: Option<Pool>,
    seen: HashMap<ContentHash, Seen>,
    /// Of earlier searches.
    before: HashMap<(ContentHash, ContentHash), Looked>,
    looked: HashMap<(ContentHash, ContentHash), Looked>,
}

impl<'a> Looker<'a> {
    pub(super) fn new(library: &'a Library, before: HashMap<(ContentHash, ContentHash), Looked>) -> Self {
        Self { library, pool: None, seen: HashMap::new(), before, looked: HashMap::new() }
    }

    /// What was seen in this search; what only earlier ones saw is of photos that are gone or have changed.
    pub(super) fn finish(self) -> HashMap<(ContentHash, ContentHash), Looked> {
        self.looked
    }

    /// Whether everything about these photos was seen in an earlier search.
    fn knows_all(&self, photos: &[&Photo]) -> bool {
        let Some((first, others)) = photos.split_first() else { return true };
        let known = |other: &&Photo| !first.may_be(other) || self.before.contains_key(&pair(first, other));
        others.iter().all(known)
    }

    /// Takes the thumbnails of these sets of photos to look at, instead of those before; the first of each set is looked
    /// at with all its others.
    pub(super) fn take(&mut self, sets: &[Vec<&Photo>]) -> Result<()> {
        self.seen.clear();
        let new: Vec<&Photo> = sets.iter().filter(|set| !self.knows_all(set)).flatten().copied().collect();
        let mut thumbnails = Vec::new();
        for photo in new {
            if let Entry::Vacant(unseen) = self.seen.entry(photo.content) {
                unseen.insert(Seen::default());
                thumbnails
                    .extend(self.located(photo, RenditionKind::Thumbnail)?.map(|location| (photo, location)));
            }
        }
        if thumbnails.is_empty() {
            return Ok(());
        }
        let pool = match self.pool.take() {
            Some(pool) => pool,
            None => self.library.pool()?,
        };
        // Reading and opening them takes as long as decoding.
        let (place, keyring) = (&self.library.place, self.library.keyring());
        let seen = thumbnails.par_iter().map(|(photo, location)| {
            let bytes = read(place, location, keyring, photo)?;
            let luma = bytes.as_deref().and_then(|bytes| luma_of(&pool, bytes, photo));
            Ok((photo.content, Seen { thumbnail: bytes.as_deref().map(ContentHash::of), luma }))
        });
        let seen = seen.collect::<Result<Vec<_>>>();
        self.pool = Some(pool);
        self.seen.extend(seen?);
        Ok(())
    }

    fn located(&self, photo: &Photo, kind: RenditionKind) -> Result<Option<PackLocation>> {
        Ok(self.library.device.packed(&photo.content, kind)?)
    }

    /// What two photos of one set are to each other.
    pub(super) fn look(&mut self, one: &Photo, two: &Photo) -> Result<Looked> {
        let key = pair(one, two);
        if let Some(known) = self.looked.get(&key).or_else(|| self.before.get(&key)).copied() {
            self.looked.insert(key, known);
            return Ok(known);
        }
        let looked = self.look_anew(one, two)?;
        self.looked.insert(key, looked);
        Ok(looked)
    }

    fn look_anew(&self, one: &Photo, two: &Photo) -> Result<Looked> {
        let (Some(first), Some(second)) = (self.seen.get(&one.content), self.seen.get(&two.content)) else {
            return Ok(Looked::Different);
        };
        let sizes = [one, two].map(|photo| (photo.width, photo.height));
        let Some((thumbnail, other)) = first.thumbnail.zip(second.thumbnail) else {
            let bits = one.print.zip(two.print).map(|(one, two)| one.pdq_bits(&two));
            let is_alike = bits.is_some_and(|bits| bits <= UNSEEN_PDQ_BITS) && have_one_shape(one, two);
            return Ok(if is_alike { Looked::Unseen } else { Looked::Different });
        };
        if thumbnail == other && sizes[0] == sizes[1] && self.have_one_preview(one, two)? {
            return Ok(Looked::Same);
        }
        let likeness = first.luma.as_ref().zip(second.luma.as_ref()).and_then(|(one, two)| one.compare(two));
        Ok(likeness.map_or(Looked::Different, Looked::Alike))
    }

    /// Whether both previews are here and equal: 1440 pixels across, in which any other saving shows.
    fn have_one_preview(&self, one: &Photo, two: &Photo) -> Result<bool> {
        let preview = |photo: &Photo| match self.located(photo, RenditionKind::Preview)? {
            Some(location) => read(&self.library.place, &location, self.library.keyring(), photo),
            None => Ok(None),
        };
        Ok(preview(one)?.zip(preview(two)?).is_some_and(|(one, two)| one == two))
    }
}

fn pair(one: &Photo, two: &Photo) -> (ContentHash, ContentHash) {
    (one.content.min(two.content), one.content.max(two.content))
}

fn have_one_shape(one: &Photo, two: &Photo) -> bool {
    let products =
        [u64::from(one.width) * u64::from(two.height), u64::from(two.width) * u64::from(one.height)];
    products[0] > 0 && products[0].abs_diff(products[1]) * 50 <= products[0].max(products[1])
}

/// A rendition that is here; one that is damaged is as good as none, and verification names it.
fn read(
    place: &FolderPlace,
    location: &PackLocation,
    keyring: &Keyring,
    photo: &Photo,
) -> Result<Option<Vec<u8>>> {
    match read_packed(place, location, keyring) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_proven_damage() => {
            tracing::warn!(content = %photo.content, %error, "a rendition cannot be compared");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn luma_of(pool: &Pool, thumbnail: &[u8], photo: &Photo) -> Option<Luma> {
    let mut request = RenderRequest::sniffed(thumbnail)?;
    request.wanted = Wanted::LUMA;
    match pool.render(&request) {
        Ok(rendered) => Luma::of(&rendered.luma?.bytes, photo.width, photo.height),
        Err(error) => {
            tracing::warn!(content = %photo.content, %error, "a thumbnail cannot be compared");
            None
        }
    }
}
