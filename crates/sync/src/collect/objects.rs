//! Objects at a remote as history names them, and their full names there.

use safelight_catalog::Catalog;
use safelight_model::{ObjectName, PlaceId, PlacedObject};
use safelight_store::{Area, Generation, ObjectPath, PathPart, StoreError};

use crate::error::Result;

/// Generations above the next one that are looked at: repairs that nobody has marked yet.
const MOST_ABOVE: u32 = 8;
/// Generations below the next one that are looked at, newest first.
const MOST_BELOW: u32 = 8;

/// The area that a class of objects rests in.
pub(crate) fn area_of(class: u8) -> Option<Area> {
    match class {
        b'o' => Some(Area::Original),
        b't' => Some(Area::Thumbnails),
        b'p' => Some(Area::Previews),
        b's' => Some(Area::Small),
        _ => None,
    }
}

/// The full name of an object; none for a class that this version does not know.
pub(crate) fn path_of_object(object: &PlacedObject) -> Result<Option<ObjectPath>> {
    let Some(area) = area_of(object.class) else { return Ok(None) };
    let name = PathPart::from(object.name);
    let path = ObjectPath::sharded(area, &name, Generation(object.generation)).map_err(StoreError::from)?;
    Ok(Some(path))
}

/// The object behind a full name; none for what can never be marked.
pub(crate) fn object_of(path: &ObjectPath) -> Option<PlacedObject> {
    let class = match path.area() {
        Area::Original => b'o',
        Area::Thumbnails => b't',
        Area::Previews => b'p',
        Area::Small => b's',
        _ => return None,
    };
    let name: ObjectName = path.name().parse().ok()?;
    Some(PlacedObject { class, name, generation: path.generation().0 })
}

/// The generations under which an object may lie: from the next one on, which comes first, then those below it.
pub(crate) fn generations(
    catalog: &Catalog,
    place: Option<PlaceId>,
    class: u8,
    name: &ObjectName,
) -> Result<(u32, Vec<u32>)> {
    let next = match place {
        Some(place) => catalog.next_generation(place, class, name)?,
        None => 0,
    };
    let above = next..next.saturating_add(MOST_ABOVE);
    let below = (next.saturating_sub(MOST_BELOW)..next).rev();
    Ok((next, above.chain(below).collect()))
}
