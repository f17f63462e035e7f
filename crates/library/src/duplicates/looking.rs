//! Looks at pairs of pictures by their thumbnails, which the sandboxed workers decode.
//!
//! While the pictures of some sets are compared, those of the next ones are read and decoded. Invariant: no more thumbnails are
//! in memory than those of these two, and no pair is looked at twice in the life of a [`Duplicates`](super::Duplicates).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use safelight_catalog::PackLocation;
use safelight_crypto::{ContentHash, Keyring};
use safelight_media::pool::{COLOURS, Pool, RenderRequest, Wanted};
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
pub(super) struct Seen {
    /// The hash of its thumbnail's bytes; none where there is no thumbnail here.
    thumbnail: Option<ContentHash>,
    luma: Option<Luma>,
}

/// A picture that is to be seen.
#[derive(Debug)]
struct Unseen {
    content: ContentHash,
    /// Pixels across and down.
    size: (u32, u32),
    /// Where its thumbnail is, if it is here.
    thumbnail: Option<PackLocation>,
}

/// Pictures that are to be seen together, by whichever thread.
pub(super) struct Sight<'a> {
    unseen: Vec<Unseen>,
    /// None where there is no thumbnail to decode.
    pool: Option<Arc<Pool>>,
    place: &'a FolderPlace,
    keyring: &'a Keyring,
}

impl Sight<'_> {
    /// Reads, opens and decodes them; reading and opening take as long as decoding.
    pub(super) fn see(&self) -> Result<HashMap<ContentHash, Seen>> {
        self.unseen.par_iter().map(|unseen| Ok((unseen.content, self.see_one(unseen)?))).collect()
    }

    fn see_one(&self, unseen: &Unseen) -> Result<Seen> {
        let (Some(location), Some(pool)) = (&unseen.thumbnail, &self.pool) else {
            return Ok(Seen::default());
        };
        let bytes = read(self.place, location, self.keyring, unseen.content)?;
        let (width, height) = unseen.size;
        let means = |bytes: &[u8]| means_of(pool, bytes, Wanted::LUMA, unseen.content);
        let luma = bytes.as_deref().and_then(means).and_then(|means| Luma::of(&means, width, height));
        Ok(Seen { thumbnail: bytes.as_deref().map(ContentHash::of), luma })
    }
}

pub(super) struct Looker<'a> {
    library: &'a Library,
    pool: Option<Arc<Pool>>,
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

    /// What is to be seen of these sets of photos; the first of each set is looked at with all its others.
    pub(super) fn sight(&mut self, sets: &[Vec<&Photo>]) -> Result<Sight<'a>> {
        let new: Vec<&Photo> = sets.iter().filter(|set| !self.knows_all(set)).flatten().copied().collect();
        let (mut unseen, mut contents) = (Vec::new(), HashSet::new());
        for photo in new {
            if contents.insert(photo.content) {
                let thumbnail = self.located(photo, RenditionKind::Thumbnail)?;
                unseen.push(Unseen { content: photo.content, size: (photo.width, photo.height), thumbnail });
            }
        }
        let decodes = unseen.iter().any(|unseen| unseen.thumbnail.is_some());
        if decodes && self.pool.is_none() {
            self.pool = Some(Arc::new(self.library.pool_for_thumbnails()?));
        }
        let pool = self.pool.clone();
        Ok(Sight { unseen, pool, place: &self.library.place, keyring: self.library.keyring() })
    }

    /// Takes what was seen to look at, instead of what was before.
    pub(super) fn take(&mut self, seen: HashMap<ContentHash, Seen>) {
        self.seen = seen;
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
            Some(location) => read(&self.library.place, &location, self.library.keyring(), photo.content),
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
pub(super) fn read(
    place: &FolderPlace,
    location: &PackLocation,
    keyring: &Keyring,
    content: ContentHash,
) -> Result<Option<Vec<u8>>> {
    match read_packed(place, location, keyring) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_proven_damage() => {
            tracing::warn!(%content, %error, "a rendition cannot be compared");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The means of a rendition that are wanted, row by row; none where its bytes cannot be decoded.
pub(super) fn means_of(
    pool: &Pool,
    rendition: &[u8],
    wanted: Wanted,
    content: ContentHash,
) -> Option<Vec<u8>> {
    let mut request = RenderRequest::sniffed(rendition)?;
    request.wanted = wanted;
    match pool.render(&request) {
        Ok(rendered) => {
            let means = rendered.luma?.bytes;
            let colours = if wanted == Wanted::FINE { COLOURS } else { 1 };
            (means.len() == (colours * wanted.means_side * wanted.means_side) as usize).then_some(means)
        }
        Err(error) => {
            tracing::warn!(%content, %error, "a rendition cannot be compared");
            None
        }
    }
}
