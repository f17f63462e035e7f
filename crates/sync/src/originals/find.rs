//! Finding one part of an original wherever it is whole, and opening it. Touches no database while it looks: what was found
//! out on the way is in the answer, for whoever keeps books.

use std::collections::HashMap;

use bytes::Bytes;
use safelight_catalog::{Catalog, DeviceDb};
use safelight_crypto::{
    ContentHash, EpochSecrets, HEADER_LEN, Kind, LibraryId, ObjectContext, Opener, names,
};
use safelight_model::{ObjectName, Original, PartRef};
use safelight_store::{FolderPlace, ObjectPath, StoreError};

use super::{MOST_GENERATIONS, path_of_part};
use crate::collect::generations;
use crate::error::{Result, SyncError};
use crate::here::RemotePlace;

/// Generations from the first that may all be absent below one that is there.
const MOST_GAPS: u32 = 3;

/// One part of one original.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) original: &'a Original,
    pub(crate) number: u32,
    pub(crate) part: &'a PartRef,
}

/// All parts of an original, in order.
pub(crate) fn parts_of(original: &Original) -> impl Iterator<Item = Part<'_>> {
    (0..).zip(&original.parts).map(move |(number, part)| Part { original, number, part })
}

impl Part<'_> {
    /// Opens the header of this part.
    pub(crate) fn opener(
        &self,
        library: LibraryId,
        secrets: &(impl EpochSecrets + ?Sized),
        header: &[u8],
    ) -> std::result::Result<Opener, String> {
        let logical = names::original(&self.part.name);
        let context = ObjectContext::original_part(library, &logical, self.number, self.original.size_bytes);
        Opener::new(header, self.part.sealed_bytes, Kind::OriginalPart, secrets, &context)
            .map_err(|error| error.to_string())
    }

    /// Opens this part by itself and answers its content. All is checked but, of several parts, the hash over all.
    pub(crate) fn open(
        &self,
        library: LibraryId,
        secrets: &(impl EpochSecrets + ?Sized),
        sealed: &[u8],
    ) -> std::result::Result<Vec<u8>, String> {
        let expected = self.part.sealed_bytes;
        if sealed.len() as u64 != expected {
            return Err(format!("it has {} bytes instead of {expected}", sealed.len()));
        }
        let opener = self.opener(library, secrets, sealed)?;
        let content = opener
            .open_body(sealed.get(HEADER_LEN..).unwrap_or_default())
            .map_err(|error| error.to_string())?;
        if self.original.parts.len() == 1 && ContentHash::of(&content) != self.original.content {
            return Err("its content is not the recorded one".to_owned());
        }
        Ok(content)
    }
}

/// A part that rests in the library folder, or does not.
pub(crate) enum InFolder {
    /// It is there and whole.
    Whole(Opened),
    /// It is not there.
    Absent,
    /// It is there and does not open.
    Damaged,
}

/// A part of the library folder that was opened.
pub(crate) struct Opened {
    /// As it is sealed.
    pub(crate) sealed: Vec<u8>,
    /// What was in it.
    pub(crate) content: Vec<u8>,
}

/// Reads a part from the library folder.
pub(crate) fn read_here(
    folder: &FolderPlace,
    library: LibraryId,
    secrets: &(impl EpochSecrets + ?Sized),
    part: Part<'_>,
) -> Result<InFolder> {
    let sealed = match folder.open_object(&ObjectPath::original(part.part.name)) {
        Ok(object) if object.length_bytes() == part.part.sealed_bytes => {
            object.read_all(part.part.sealed_bytes)
        }
        Ok(_) => return Ok(InFolder::Damaged),
        Err(error) => Err(error),
    };
    Ok(match sealed {
        Ok(sealed) => match part.open(library, secrets, &sealed) {
            Ok(content) => InFolder::Whole(Opened { sealed, content }),
            Err(_) => InFolder::Damaged,
        },
        Err(StoreError::NotFound { .. }) => InFolder::Absent,
        Err(StoreError::Damaged { .. } | StoreError::TooLarge { .. }) => InFolder::Damaged,
        Err(error) => return Err(error.into()),
    })
}

/// A part that was found whole.
pub(crate) struct Found {
    /// As it is sealed.
    pub(crate) sealed: Bytes,
    /// What was in it.
    pub(crate) content: Vec<u8>,
    /// Which of the places had it.
    pub(crate) place: usize,
    /// Under which name.
    pub(crate) path: ObjectPath,
}

/// What looking for a part in several places came to.
pub(crate) struct Search {
    pub(crate) found: std::result::Result<Found, Absence>,
    /// What is damaged.
    pub(crate) bad: Vec<Bad>,
}

/// A part that is damaged.
pub(crate) struct Bad {
    /// In which of the places.
    pub(crate) place: usize,
    /// Under which name.
    pub(crate) path: ObjectPath,
    /// The generation of that name.
    pub(crate) generation: u32,
    /// Why.
    pub(crate) reason: String,
}

/// Why a part could not be had.
pub(crate) enum Absence {
    /// No place has it.
    Nowhere,
    /// Some place has it, none whole.
    NowhereWhole,
    /// This place has it, and it must be thawed first.
    Archived(usize),
    /// This kept a place from answering.
    Failed(StoreError),
}

impl Absence {
    /// What asking several places came to. One that did not answer may have it: nobody pays for a thaw meanwhile.
    pub(super) fn of(failed: Option<StoreError>, archived: Option<usize>, is_somewhere: bool) -> Self {
        match (failed, archived) {
            (Some(error), _) => Self::Failed(error),
            (None, Some(place)) => Self::Archived(place),
            (None, None) if is_somewhere => Self::NowhereWhole,
            (None, None) => Self::Nowhere,
        }
    }

    pub(crate) fn into_error(self, original: &Original, places: &[RemotePlace]) -> SyncError {
        let object = format!("the original {}", original.source.display());
        match self {
            Self::Failed(error) => error.into(),
            Self::Archived(place) => SyncError::Archived {
                object,
                place: places.get(place).map_or("a place", |place| place.store.label()).to_owned(),
            },
            Self::NowhereWhole => super::fetch::unbelievable(original, "no place has all of it whole"),
            Self::Nowhere => SyncError::NotHeld { object },
        }
    }
}

/// From which generation on the parts of an original are relied on in each of some places. What lies below is marked to
/// leave, and may be damaged or gone: it is asked for last.
#[derive(Clone, Debug, Default)]
pub struct Living {
    /// By the number of the place and the name of the part, where it is not the first generation.
    next: HashMap<(usize, ObjectName), u32>,
}

/// A generation under which a part may lie in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) generation: u32,
    /// How far above the one that is relied on; none below that.
    pub(crate) above: Option<u32>,
}

impl Living {
    /// What marks that are known here say of an original in these places.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn of(
        catalog: &Catalog,
        device: &DeviceDb,
        places: &[RemotePlace],
        original: &Original,
    ) -> Result<Self> {
        let mut living = Self::default();
        for (index, at) in places.iter().enumerate() {
            let Some(place) = device.place_id(at.id)? else { continue };
            for part in &original.parts {
                let (next, _) = generations(catalog, Some(place), b'o', &part.name)?;
                if next > 0 {
                    living.next.insert((index, part.name), next);
                }
            }
        }
        Ok(living)
    }

    /// The generations of a part in a place, in the order in which they are tried.
    pub(crate) fn candidates(&self, place: usize, part: &PartRef) -> impl Iterator<Item = Candidate> + use<> {
        let next = self.next.get(&(place, part.name)).copied().unwrap_or_default();
        let above = (0..MOST_GENERATIONS)
            .map(move |above| Candidate { generation: next.saturating_add(above), above: Some(above) });
        let below = (next.saturating_sub(MOST_GENERATIONS)..next).rev();
        above.chain(below.map(|generation| Candidate { generation, above: None }))
    }

    /// Whether what lies in this generation of a part is relied on.
    pub(crate) fn is_relied_on(&self, place: usize, part: &PartRef, generation: u32) -> bool {
        generation >= self.next.get(&(place, part.name)).copied().unwrap_or_default()
    }
}

/// Looks for a part in each place, and in whichever generation is whole: those that are relied on first.
pub(crate) async fn find(
    library: LibraryId,
    secrets: &(impl EpochSecrets + ?Sized),
    places: &[RemotePlace],
    living: &Living,
    part: Part<'_>,
) -> Result<Search> {
    let mut bad = Vec::new();
    let (mut failed, mut archived, mut is_somewhere) = (None, None, false);
    for (index, place) in places.iter().enumerate() {
        let mut is_nothing_above = false;
        for Candidate { generation, above } in living.candidates(index, part.part) {
            if is_nothing_above && above.is_some() {
                continue;
            }
            let path = path_of_part(part.part, generation)?;
            let got = place.store.get(&path, part.part.sealed_bytes).await;
            is_somewhere |= !matches!(&got, Err(StoreError::NotFound { .. }));
            match got {
                Ok(sealed) => match part.open(library, secrets, &sealed) {
                    Ok(content) => {
                        let found = Found { sealed, content, place: index, path };
                        return Ok(Search { found: Ok(found), bad });
                    }
                    Err(reason) => bad.push(Bad { place: index, path, generation, reason }),
                },
                // A repair may lie beside gaps: what was marked is collected one day.
                Err(StoreError::NotFound { .. }) => {
                    is_nothing_above |= above.is_some_and(|above| above >= MOST_GAPS);
                }
                Err(StoreError::TooLarge { .. } | StoreError::Damaged { .. }) => {
                    let reason = "it is longer than it should be, or cannot be read".to_owned();
                    bad.push(Bad { place: index, path, generation, reason });
                }
                // A repair of it may not be archived.
                Err(StoreError::Archived { .. }) => archived = archived.or(Some(index)),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
    }
    Ok(Search { found: Err(Absence::of(failed, archived, is_somewhere)), bad })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_relied_on_is_tried_before_what_is_marked() {
        let part = PartRef { name: ObjectName::from_bytes([7; 20]), sealed_bytes: 9, tags: None };
        let order = |living: &Living, place| -> Vec<u32> {
            living.candidates(place, &part).map(|candidate| candidate.generation).collect()
        };
        let living = Living { next: HashMap::from([((1, part.name), 2)]) };
        assert_eq!(order(&living, 0), (0..MOST_GENERATIONS).collect::<Vec<_>>());
        assert_eq!(order(&living, 1), (2..2 + MOST_GENERATIONS).chain([1, 0]).collect::<Vec<_>>());
        assert!(living.is_relied_on(1, &part, 2) && !living.is_relied_on(1, &part, 1));
    }
}
