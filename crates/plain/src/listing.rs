//! What a place holds below its prefix.

use safelight_store::{ObjectInfo, Prefix};

use crate::error::PlainError;
use crate::manifest;
use crate::monitor::{Monitor, Problem, Weight};
use crate::name::{BlobName, NameRefusal};
use crate::place::Place;

/// A blob that a place lists.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) name: BlobName,
    pub(crate) info: ObjectInfo,
}

/// Everything that a place lists.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) blobs: Vec<Listed>,
    pub(crate) manifests: Vec<ObjectInfo>,
    /// How many objects are laid out otherwise.
    pub(crate) strangers: u64,
}

impl Listing {
    /// Lists a place. Names that would lead out of a folder are told as failures and left out; what is laid out otherwise is
    /// counted. Whoever asks to stop meanwhile gets [`PlainError::Interrupted`].
    pub(crate) async fn of(place: &Place, monitor: &dyn Monitor) -> Result<Self, PlainError> {
        let mut listing = Self::default();
        let mut after = None;
        loop {
            // Half a listing would pass for loss.
            if monitor.cancelled() {
                return Err(PlainError::Interrupted);
            }
            let page = place.remote.list(&Prefix::everything(), after.as_ref()).await?;
            for info in page.objects {
                listing.take(info, monitor);
            }
            for stranger in page.strangers {
                listing.strangers += 1;
                if names_content(&stranger) {
                    tell(monitor, &stranger, NameRefusal::Escapes);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(listing),
            }
        }
    }

    fn take(&mut self, info: ObjectInfo, monitor: &dyn Monitor) {
        match BlobName::parse(info.key.as_str()) {
            Ok(name) => self.blobs.push(Listed { name, info }),
            Err(_) if manifest::is_name(info.key.as_str()) => self.manifests.push(info),
            Err(refusal) => {
                self.strangers += 1;
                if refusal != NameRefusal::Foreign {
                    tell(monitor, info.key.as_str(), refusal);
                }
            }
        }
    }
}

/// Whether a name that no place should hold is below a hash, so that somebody meant it to be taken for a file.
fn names_content(name: &str) -> bool {
    let mut parts = name.split('/').skip_while(|part| part.len() != 64);
    parts.next().is_some_and(|hash| crate::index::Sha256::parse(hash).is_some())
}

fn tell(monitor: &dyn Monitor, name: &str, refusal: NameRefusal) {
    monitor.problem(&Problem::new(name, format!("left out: {refusal}"), Weight::Failure));
}
