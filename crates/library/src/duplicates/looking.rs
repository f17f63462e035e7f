//! Looks at pairs of pictures by their thumbnails, which the sandboxed workers decode.
//!
//! Invariant: no more thumbnails are in memory than those of the sets that are looked at together, and no pair is looked at
//! twice in the life of a [`Duplicates`](super::Duplicates).

use std::collections::HashMap;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use safelight_crypto::ContentHash;
use safelight_media::pool::{Pool, RenderRequest, Wanted};
use safelight_model::RenditionKind;

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
            if self.seen.contains_key(&photo.content) {
                continue;
            }
            let bytes = self.rendition(photo, RenditionKind::Thumbnail)?;
            self.seen
                .insert(photo.content, Seen { thumbnail: bytes.as_deref().map(ContentHash::of), luma: None });
            thumbnails.extend(bytes.map(|bytes| (photo, bytes)));
        }
        if thumbnails.is_empty() {
            return Ok(());
        }
        let pool = match self.pool.take() {
            Some(pool) => pool,
            None => self.library.pool()?,
        };
        let decoded: Vec<(ContentHash, Option<Luma>)> = thumbnails
            .par_iter()
            .map(|(photo, bytes)| (photo.content, luma_of(&pool, bytes, photo)))
            .collect();
        self.pool = Some(pool);
        for (content, luma) in decoded {
            self.seen.entry(content).or_default().luma = luma;
        }
        Ok(())
    }

    /// A rendition that is here; one that is damaged is as good as none, and verification names it.
    fn rendition(&self, photo: &Photo, kind: RenditionKind) -> Result<Option<Vec<u8>>> {
        let Some(location) = self.library.device.packed(&photo.content, kind)? else { return Ok(None) };
        match read_packed(&self.library.place, &location, self.library.keyring()) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_proven_damage() => {
                tracing::warn!(content = %photo.content, %error, "a rendition cannot be compared");
                Ok(None)
            }
            Err(error) => Err(error),
        }
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
        let preview = |photo: &Photo| self.rendition(photo, RenditionKind::Preview);
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

fn luma_of(pool: &Pool, thumbnail: &[u8], photo: &Photo) -> Option<Luma> {
    let mut request = RenderRequest::sniffed(thumbnail)?;
    request.wanted = Wanted::LUMA;
    match pool.render(&request) {
        Ok(rendered) => Luma::of(&rendered.luma?, photo.width, photo.height),
        Err(error) => {
            tracing::warn!(content = %photo.content, %error, "a thumbnail cannot be compared");
            None
        }
    }
}
