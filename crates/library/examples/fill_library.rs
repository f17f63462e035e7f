//! Fills a library with made-up assets, as many as nobody could import in time: their operations go through the real
//! fold into its signed, sealed history, and each has a thumbnail of its own, sealed in the library's local packs.
//!
//! ```text
//! safelight --library LIBRARY --key-file KEY --passphrase-file FILE init --recovery-file FILE
//! cargo run --release -p safelight-library --example fill_library -- LIBRARY KEY ASSETS PICTURES [COPIES]
//! ```
//!
//! PICTURES is a folder of WebP or JPEG files that serve as thumbnails, in turn; their names end in their size in
//! pixels (`7-320x240.webp`). What is not there: originals and previews. The history names originals that nobody has.
//! With COPIES the fingerprints are as mixed as those of real photos, and that many of the assets, the last ones, are each
//! a copy of an earlier one: without a date, its fingerprint two bits off, its thumbnail the one of the same name in
//! PICTURES/again.
#![expect(clippy::print_stdout, reason = "it says how far it is")]

#[path = "../../catalog/examples/million/made_up.rs"]
mod made_up;

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use safelight_catalog::{Access, Catalog, CatalogKey, DeviceDb, Durability, PackLocation};
use safelight_crypto::{
    EntryName, FRAME_LEN, Keyring, LOCAL_PACK_HEADER, OsEntropy, SealedEntry, SlotKind, SlotSecret,
    seal_entry, sha256,
};
use safelight_library::folder::LibraryFolder;
use safelight_media::pool::RECIPE;
use safelight_model::{Facts, OpBody, Rendition, RenditionKind};
use safelight_store::{AppendFile, FolderPlace, ObjectPath};

use crate::made_up::{Dice, Home, Look, Outcome};

/// Assets that are recorded in one transaction.
const AT_ONCE: u32 = 5_000;
/// A pack that is longer than this is followed by another.
const PACK_BYTES: u64 = 64 << 20;
/// How many pixels an original has for each of its thumbnail's, along a side.
const LARGER: u32 = 12;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (library, key, assets, pictures, copies) = match arguments.as_slice() {
        [library, key, assets, pictures] => (library, key, assets, pictures, None),
        [library, key, assets, pictures, copies] => (library, key, assets, pictures, Some(copies.parse()?)),
        _ => return Err("fill_library LIBRARY KEY ASSETS PICTURES [COPIES]".into()),
    };
    let folder = LibraryFolder::open(Path::new(library))?;
    let secret = std::fs::read(key)?;
    let slots = folder.keys().slots()?.slots;
    let slot = slots.iter().find(|slot| slot.kind() == SlotKind::KeyFile).ok_or("no key file opens it")?;
    let keys = folder.keys().test_slot(slot.id(), &SlotSecret::KeyFile(&secret))?;
    let folder_of_pictures = Path::new(pictures);
    let pictures = read_pictures(folder_of_pictures)?;
    let assets = assets.parse()?;
    let copies = match copies {
        Some(copies) => Some(Copies::new(assets, copies, read_pictures(&folder_of_pictures.join("again"))?)?),
        None => None,
    };
    fill(&folder, &keys.keyring, assets, &pictures, copies)
}

struct Picture {
    bytes: Vec<u8>,
    width: u16,
    height: u16,
}

fn read_pictures(folder: &Path) -> Outcome<Vec<Picture>> {
    let mut paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Outcome<Vec<_>>>()?;
    paths.retain(|path| path.is_file());
    paths.sort();
    let read = |path: &Path| -> Outcome<Picture> {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let size = name.rsplit_once('-').and_then(|(_, size)| size.split_once('x'));
        let (width, height) = size.ok_or_else(|| format!("{name} does not end in its size"))?;
        Ok(Picture { bytes: std::fs::read(path)?, width: width.parse()?, height: height.parse()? })
    };
    let pictures = paths.iter().map(|path| read(path)).collect::<Outcome<Vec<_>>>()?;
    if pictures.is_empty() { Err("there are no pictures".into()) } else { Ok(pictures) }
}

fn fill(
    folder: &LibraryFolder,
    keyring: &Keyring,
    assets: u32,
    pictures: &[Picture],
    mut copies: Option<Copies>,
) -> Outcome {
    let start = Instant::now();
    let key = CatalogKey::from_bytes(*keyring.catalog_key().as_bytes());
    let device = keyring.device().id();
    let mut catalog =
        Catalog::open_as(&folder.catalog_path(), &key, device, &mut OsEntropy, Access::ReadWrite)?;
    catalog.set_durability(Durability::Relaxed)?;
    let key = CatalogKey::from_bytes(*keyring.device_database_key().as_bytes());
    let mut index = DeviceDb::open_as(&folder.device_path(), &key, Access::ReadWrite)?;
    let mut packs = Packs { place: folder.objects(), keyring, current: None, locations: Vec::new() };
    let home = Home { device, epoch: keyring.epoch().id() };
    let mut dice = Dice(made_up::SEED);
    let mut bodies = made_up::albums();
    for number in 0..assets {
        let copied = copies
            .as_ref()
            .and_then(|copies| Some((copies.original_of(number)?, copies.pictures.as_slice())));
        let (shown, of) = copied.unwrap_or((number, pictures));
        let picture = &of[shown as usize % of.len()];
        let look = Look {
            width: u32::from(picture.width) * LARGER,
            height: u32::from(picture.height) * LARGER,
            renditions: vec![packs.append(number, picture)?],
        };
        made_up::push_asset(&mut bodies, number, home, look, &mut dice)?;
        if let Some(copies) = &mut copies {
            copies.fit(number, &mut bodies, &mut dice)?;
        }
        if number % AT_ONCE == AT_ONCE - 1 || number == assets - 1 {
            packs.sync()?;
            index.record_packed(&std::mem::take(&mut packs.locations))?;
            catalog.append(1_700_000_000_000 + u64::from(number), std::mem::take(&mut bodies))?;
            close_segments(&mut catalog, keyring, folder.objects())?;
        }
        if number % 100_000 == 99_999 {
            println!("{} assets after {:.0} s", number + 1, start.elapsed().as_secs_f64());
        }
    }
    catalog.close()?;
    index.close()?;
    println!("filled in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Which assets are copies, and what is known of their originals.
struct Copies {
    first: u32,
    /// The pictures of the assets, saved again.
    pictures: Vec<Picture>,
    originals: HashMap<u32, Facts>,
}

impl Copies {
    /// Every so manyth asset has a copy.
    const STEP: u32 = 7;

    fn new(assets: u32, copies: u32, pictures: Vec<Picture>) -> Outcome<Self> {
        let first = assets.checked_sub(copies).ok_or("there are more copies than assets")?;
        if copies.checked_mul(Self::STEP).is_none_or(|needed| needed > first) {
            return Err("a copy needs seven other assets".into());
        }
        Ok(Self { first, pictures, originals: HashMap::new() })
    }

    fn original_of(&self, number: u32) -> Option<u32> {
        number.checked_sub(self.first).map(|copy| copy * Self::STEP)
    }

    /// Gives the asset that was pushed last its fingerprints, and a copy what its original shows.
    fn fit(&mut self, number: u32, bodies: &mut [OpBody], dice: &mut Dice) -> Outcome {
        let derived = bodies.iter_mut().rev().find_map(|body| match body {
            OpBody::Derive { facts, .. } => Some(facts),
            _ => None,
        });
        let facts = derived.ok_or("an asset without facts was pushed")?;
        if let Some(original) = self.original_of(number) {
            let mut copied = self.originals.remove(&original).ok_or("a copy came before its original")?;
            copied.taken = None;
            if let Some(pdq) = &mut copied.pdq256 {
                pdq[number as usize % 32] ^= 0b11;
            }
            *facts = copied;
            return Ok(());
        }
        let mut pdq = [0; 32];
        for word in pdq.chunks_exact_mut(8) {
            word.copy_from_slice(&half_set(dice));
        }
        (facts.pdq256, facts.phash64) = (Some(pdq), Some(half_set(dice)));
        if number.is_multiple_of(Self::STEP) {
            self.originals.insert(number, facts.clone());
        }
        Ok(())
    }
}

/// Bits as those of a picture's fingerprint are: any half of them is set.
fn half_set(dice: &mut Dice) -> [u8; 8] {
    let mut bits = 0_u64;
    while bits.count_ones() < u64::BITS / 2 {
        bits |= 1 << dice.below(u64::BITS.into());
    }
    bits.to_be_bytes()
}

/// Signs and seals what was recorded into the history, as the library does after every change.
fn close_segments(catalog: &mut Catalog, keyring: &Keyring, place: &FolderPlace) -> Outcome {
    let closed = |catalog: &mut Catalog| {
        catalog.close_segment(keyring.library(), keyring.device(), keyring.epoch(), &mut OsEntropy)
    };
    while closed(catalog)?.is_some() {}
    match safelight_sync::place_outbox(catalog, place, keyring)?.first() {
        Some(problem) => Err(format!("a segment could not be placed: {problem:?}").into()),
        None => Ok(()),
    }
}

/// The local packs, appended to one after the other.
struct Packs<'a> {
    place: &'a FolderPlace,
    keyring: &'a Keyring,
    current: Option<AppendFile>,
    locations: Vec<PackLocation>,
}

impl Packs<'_> {
    /// Seals a picture as the thumbnail of an asset, under a name that is this asset's alone.
    fn append(&mut self, number: u32, picture: &Picture) -> Outcome<Rendition> {
        let content = made_up::content(number);
        let kind = RenditionKind::Thumbnail;
        let name = EntryName { content, kind: u8::try_from(kind.code())?, recipe: RECIPE };
        let (library, epoch) = (self.keyring.library(), self.keyring.epoch());
        let sealed: SealedEntry = seal_entry(epoch, library, name, &picture.bytes, &mut OsEntropy)?;
        let mut bytes = Vec::with_capacity(FRAME_LEN + sealed.as_bytes().len());
        bytes.extend_from_slice(&sealed.frame(library, epoch));
        bytes.extend_from_slice(sealed.as_bytes());
        if self.current.as_ref().is_some_and(|pack| pack.length_bytes() >= PACK_BYTES) {
            self.sync()?;
            self.current = None;
        }
        let opened = match self.current.take() {
            Some(pack) => pack,
            None => self.begin(number)?,
        };
        let pack = self.current.insert(opened);
        let position = pack.append(&bytes)?;
        let length = bytes.len() as u64;
        let pack = pack.path().as_str().to_owned();
        self.locations.push(PackLocation { content, kind, recipe: RECIPE, pack, position, length });
        let sha256 = sha256(&[&picture.bytes]);
        let length_bytes = u32::try_from(picture.bytes.len())?;
        let (width, height) = (picture.width, picture.height);
        Ok(Rendition { kind, recipe: RECIPE, sha256, length_bytes, width, height })
    }

    fn begin(&self, number: u32) -> Outcome<AppendFile> {
        let name = safelight_crypto::base32(&made_up::content(number).as_bytes()[..16]);
        let mut pack = self.place.create_append(&ObjectPath::parse(&format!("local/{name}"))?)?;
        pack.append(&LOCAL_PACK_HEADER)?;
        Ok(pack)
    }

    fn sync(&self) -> Outcome {
        Ok(self.current.as_ref().map_or(Ok(()), AppendFile::sync)?)
    }
}
