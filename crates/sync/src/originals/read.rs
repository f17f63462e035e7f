//! Reading an original wherever its parts rest, here or in places, without keeping any of it: a range for whoever seeks
//! in a video, or all of it from end to end.
//!
//! A range is authentic against everybody who has no key. Against somebody who has, only the whole, compared with its
//! hash, is ([`OriginalReader::stream`]): what is exported is read whole. Touches no database.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use safelight_crypto::{ContentHash, HEADER_LEN, Keyring, Opener, Sha256, part_content_range};
use safelight_model::Original;
use safelight_store::{FolderPlace, ObjectPath, StoreError};

use super::fetch::unbelievable;
use super::find::{Absence, Candidate, InFolder, Living, Part, find, parts_of, read_here};
use super::path_of_part;
use crate::error::Result;
use crate::here::RemotePlace;

/// An original that is being read.
pub struct OriginalReader<'a> {
    keyring: &'a Keyring,
    folder: FolderPlace,
    places: Vec<RemotePlace>,
    living: Living,
    original: Arc<Original>,
    /// Parts whose header was opened: they need one request for each further range.
    opened: HashMap<u32, OpenedPart>,
}

/// A part whose header proved it to be that part, and where it rests.
struct OpenedPart {
    rests: Rests,
    opener: Opener,
}

/// Which of the places, how far above the generation that is relied on there, and under which name.
type Tried = (Option<usize>, Option<u32>, Rests);

#[derive(Clone)]
enum Rests {
    Here(ObjectPath),
    At(usize, ObjectPath),
}

impl<'a> OriginalReader<'a> {
    /// A reader of one original. Parts in the folder come first, then those of the places in their order; `living` was made
    /// for these places.
    #[must_use]
    pub fn new(
        keyring: &'a Keyring,
        folder: &FolderPlace,
        places: &[RemotePlace],
        living: Living,
        original: &Original,
    ) -> Self {
        Self {
            keyring,
            folder: folder.clone(),
            places: places.to_vec(),
            living,
            original: Arc::new(original.clone()),
            opened: HashMap::new(),
        }
    }

    /// The original that is read.
    #[must_use]
    pub fn original(&self) -> &Original {
        &self.original
    }

    /// Reads the bytes `range` of the content, clipped to its end. Of what is sealed only the segments that hold them are
    /// read, and once for each part its header. The caller chooses how much memory that is.
    ///
    /// # Errors
    /// As [`fetch_original`](crate::fetch_original).
    pub async fn read(&mut self, range: Range<u64>) -> Result<Vec<u8>> {
        let original = Arc::clone(&self.original);
        let end = range.end.min(original.size_bytes);
        let mut content = Vec::new();
        for part in parts_of(&original) {
            let within = part_content_range(original.size_bytes, part.number);
            let wanted = range.start.max(within.start)..end.min(within.end);
            if wanted.is_empty() {
                continue;
            }
            let wanted = wanted.start - within.start..wanted.end - within.start;
            content.extend(self.read_in_part(part, &wanted).await?);
        }
        Ok(content)
    }

    async fn read_in_part(&mut self, part: Part<'_>, wanted: &Range<u64>) -> Result<Vec<u8>> {
        if let Some(opened) = self.opened.get(&part.number)
            && let Ok(Ok(content)) = self.read_from(opened, wanted).await
        {
            return Ok(content);
        }
        // Not looked for yet, or not to be had there any more.
        self.opened.remove(&part.number);
        let (mut failed, mut archived, mut is_somewhere) = (None, None, false);
        // Places that have nothing above a gap, and places that failed.
        let mut gone: HashSet<(Option<usize>, bool)> = HashSet::new();
        for (place, above, rests) in self.candidates(part)? {
            if gone.contains(&(place, true)) && above.is_some() || gone.contains(&(place, false)) {
                continue;
            }
            match self.open_at(part, &rests, wanted).await {
                Ok(Ok((opened, content))) => {
                    self.opened.insert(part.number, opened);
                    return Ok(content);
                }
                Ok(Err(_)) => is_somewhere = true,
                // A repair may lie beside a gap.
                Err(StoreError::NotFound { .. }) => {
                    if above.is_some_and(|above| above > 0) {
                        gone.insert((place, true));
                    }
                }
                Err(StoreError::Archived { .. }) => archived = archived.or(place),
                Err(error) => {
                    gone.insert((place, false));
                    failed = Some(error);
                }
            }
        }
        let absence = Absence::of(failed, archived, is_somewhere);
        Err(absence.into_error(&self.original, &self.places))
    }

    /// Where a part may rest: here, then in each place and generation, and how far above the one that is relied on.
    fn candidates(&self, part: Part<'_>) -> Result<Vec<Tried>> {
        let mut candidates = vec![(None, Some(0), Rests::Here(ObjectPath::original(part.part.name)))];
        for place in 0..self.places.len() {
            for Candidate { generation, above } in self.living.candidates(place, part.part) {
                let rests = Rests::At(place, path_of_part(part.part, generation)?);
                candidates.push((Some(place), above, rests));
            }
        }
        Ok(candidates)
    }

    /// Opens a part's header where it rests, and a range of it. The inner error is damage.
    async fn open_at(
        &self,
        part: Part<'_>,
        rests: &Rests,
        wanted: &Range<u64>,
    ) -> std::result::Result<std::result::Result<(OpenedPart, Vec<u8>), String>, StoreError> {
        let header = self.sealed(rests, 0..HEADER_LEN as u64).await?;
        let opener = match part.opener(self.keyring.library(), self.keyring, &header) {
            Ok(opener) => opener,
            Err(reason) => return Ok(Err(reason)),
        };
        let opened = OpenedPart { rests: rests.clone(), opener };
        Ok(self.read_from(&opened, wanted).await?.map(|content| (opened, content)))
    }

    async fn read_from(
        &self,
        opened: &OpenedPart,
        wanted: &Range<u64>,
    ) -> std::result::Result<std::result::Result<Vec<u8>, String>, StoreError> {
        let sealed = self.sealed(&opened.rests, opened.opener.sealed_range(wanted)).await?;
        Ok(opened.opener.open_range(wanted, &sealed).map_err(|error| error.to_string()))
    }

    async fn sealed(
        &self,
        rests: &Rests,
        range: Range<u64>,
    ) -> std::result::Result<bytes::Bytes, StoreError> {
        match rests {
            Rests::Here(path) => Ok(self.folder.open_object(path)?.read_range(range)?.into()),
            Rests::At(place, path) => match self.places.get(*place) {
                Some(place) => place.store.get_range(path, range).await,
                None => Ok(bytes::Bytes::new()),
            },
        }
    }

    /// Writes the whole content to `output`, part by part, and compares its hash at the end. A part is opened whole
    /// before any of it is written; memory is one part, sealed and opened. Answers the sealed bytes that places gave.
    ///
    /// # Errors
    /// As [`fetch_original`](crate::fetch_original); the inner error is the output's.
    pub async fn stream(&mut self, output: &mut dyn Write) -> Result<std::io::Result<u64>> {
        let (library, mut hasher, mut fetched_bytes) = (self.keyring.library(), Sha256::new(), 0);
        for part in parts_of(&self.original) {
            let content = match read_here(&self.folder, library, self.keyring, part)? {
                InFolder::Whole(part) => part.content,
                InFolder::Absent | InFolder::Damaged => {
                    let search = find(library, self.keyring, &self.places, &self.living, part).await?;
                    match search.found {
                        Ok(found) => {
                            fetched_bytes += found.sealed.len() as u64;
                            found.content
                        }
                        Err(absence) => return Err(absence.into_error(&self.original, &self.places)),
                    }
                }
            };
            hasher.update(&content);
            if let Err(error) = output.write_all(&content) {
                return Ok(Err(error));
            }
        }
        if ContentHash::from_bytes(hasher.finish()) != self.original.content {
            return Err(unbelievable(&self.original, "its content is not the recorded one"));
        }
        Ok(Ok(fetched_bytes))
    }
}

impl std::fmt::Debug for OriginalReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OriginalReader({})", self.original.content)
    }
}
