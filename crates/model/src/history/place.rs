//! The id of a remote, as it rests at the place itself: sealed, so that nobody without the keys makes one.
//!
//! It is never replaced while it is whole. Specified in sl1-history §8.9.

use safelight_crypto::{Entropy, Epoch, EpochSecrets, Kind, LibraryId, ObjectContext, names, open, seal};

use crate::error::ModelError;
use crate::ids::PlaceId;

const MAGIC: &[u8; 4] = b"SLRI";

/// Seals the id for its place.
///
/// # Errors
/// [`ModelError::Sealed`].
pub fn seal_place_id(
    library: LibraryId,
    place: PlaceId,
    epoch: &Epoch,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, ModelError> {
    let name = names::remote_id(&library);
    let context = ObjectContext::named(library, &name);
    let content = [MAGIC.as_slice(), &place.0].concat();
    let sealed = seal(Kind::Segment, epoch, &context, &content, entropy).map_err(ModelError::Sealed)?;
    Ok(sealed.into_bytes())
}

/// Opens the id that rests at `remote/<library id>`.
///
/// # Errors
/// [`ModelError::Sealed`]; [`ModelError::NotAPlaceId`] for other content.
pub fn open_place_id(
    bytes: &[u8],
    library: LibraryId,
    secrets: &(impl EpochSecrets + ?Sized),
) -> Result<PlaceId, ModelError> {
    let name = names::remote_id(&library);
    let context = ObjectContext::named(library, &name);
    let content = open(bytes, Kind::Segment, secrets, &context).map_err(ModelError::Sealed)?;
    let id = content.strip_prefix(MAGIC).and_then(|id| id.try_into().ok());
    id.map(PlaceId).ok_or(ModelError::NotAPlaceId)
}

#[cfg(test)]
mod tests {
    use safelight_crypto::SeededEntropy;

    use super::*;

    #[test]
    fn an_id_opens_in_its_own_library_only_and_is_16_bytes() {
        let mut entropy = SeededEntropy::new(4);
        let (library, other) = (LibraryId::from_bytes([1; 20]), LibraryId::from_bytes([2; 20]));
        let (epoch, foreign) = (Epoch::generate(&mut entropy), Epoch::generate(&mut entropy));
        let id = PlaceId([7; 16]);
        let mut bytes = seal_place_id(library, id, &epoch, &mut entropy).unwrap();
        assert_eq!(open_place_id(&bytes, library, &epoch).unwrap(), id);
        assert!(open_place_id(&bytes, other, &epoch).is_err());
        assert!(open_place_id(&bytes, library, &foreign).is_err());
        bytes[200] ^= 1;
        assert!(open_place_id(&bytes, library, &epoch).is_err());

        let name = names::remote_id(&library);
        for content in
            [&b""[..], b"SLRI", b"SLRI45678901234567", b"SLRI4567890123456789+", b"SLHD4567890123456789"]
        {
            let context = ObjectContext::named(library, &name);
            let sealed = seal(Kind::Segment, &epoch, &context, content, &mut entropy).unwrap().into_bytes();
            assert!(matches!(open_place_id(&sealed, library, &epoch), Err(ModelError::NotAPlaceId)));
        }
    }
}
