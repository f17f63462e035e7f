//! Entries that arrive are appended to a local pack of their own, beside those of imports (SL1 §3.5).

use safelight_catalog::{DeviceDb, PackLocation};
use safelight_crypto::{
    Entropy, EntryRecord, FRAME_LEN, Keyring, LOCAL_PACK_HEADER, base32, frame_of_stored, read_frame,
};
use safelight_store::{AppendFile, Area, FolderPlace, ObjectPath, PathPart, StoreError};

use super::entry_of;
use super::receive::opened_entry;
use crate::error::Result;

/// A pack that is longer than this is not appended to any more.
const PACK_BYTES: u64 = 64 << 20;

/// Appends entries; they are indexed once they are durable.
#[derive(Debug)]
pub(super) struct LocalPackWriter<'a> {
    place: &'a FolderPlace,
    current: Option<AppendFile>,
    pending: Vec<PackLocation>,
}

impl<'a> LocalPackWriter<'a> {
    pub(super) fn new(place: &'a FolderPlace) -> Self {
        Self { place, current: None, pending: Vec::new() }
    }

    /// Appends an entry that was opened and checked.
    pub(super) fn append(
        &mut self,
        record: &EntryRecord,
        entry: &[u8],
        keyring: &Keyring,
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        let frame = frame_of_stored(record, entry, keyring.library(), keyring)?;
        let mut file = match self.current.take() {
            Some(file) if file.length_bytes() < PACK_BYTES => file,
            Some(file) => {
                file.sync()?;
                self.create(entropy)?
            }
            None => self.create(entropy)?,
        };
        let bytes = [frame.as_slice(), entry].concat();
        let position = file.append(&bytes)?;
        let known = entry_of(record);
        self.pending.push(PackLocation {
            content: known.content,
            kind: known.kind,
            recipe: known.recipe,
            pack: file.path().as_str().to_owned(),
            position,
            length: bytes.len() as u64,
        });
        self.current = Some(file);
        Ok(())
    }

    /// Makes what was appended durable, and indexes it.
    pub(super) fn commit(&mut self, device: &mut DeviceDb) -> Result<()> {
        if let Some(file) = &self.current
            && !self.pending.is_empty()
        {
            file.sync()?;
        }
        device.record_packed(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    fn create(&self, entropy: &mut dyn Entropy) -> Result<AppendFile> {
        let mut id = [0; 16];
        entropy.fill(&mut id);
        let name = PathPart::parse(&base32(&id)).map_err(StoreError::from)?;
        let path = ObjectPath::flat(Area::Local, &name).map_err(StoreError::from)?;
        let mut file = self.place.create_append(&path)?;
        file.append(&LOCAL_PACK_HEADER)?;
        Ok(file)
    }
}

/// Reads a local entry as it is sealed, and checks that it opens.
pub(crate) fn read_entry(
    place: &FolderPlace,
    location: &PackLocation,
    keyring: &Keyring,
) -> Result<(EntryRecord, Vec<u8>), String> {
    let read = || -> Result<Vec<u8>> {
        let path = ObjectPath::parse(&location.pack).map_err(StoreError::from)?;
        let end = location.position.saturating_add(location.length);
        Ok(place.open_object(&path)?.read_range(location.position..end)?)
    };
    let mut bytes = read().map_err(|error| error.to_string())?;
    let record = read_frame(&bytes, keyring.library(), keyring).map_err(|error| error.to_string())?;
    let entry = entry_of(&record);
    if (entry.content, entry.kind, entry.recipe) != (location.content, location.kind, location.recipe) {
        return Err("another entry lies where this one should".to_owned());
    }
    let sealed = bytes.split_off(FRAME_LEN.min(bytes.len()));
    opened_entry(&sealed, keyring.library(), &record, keyring)?;
    Ok((record, sealed))
}
