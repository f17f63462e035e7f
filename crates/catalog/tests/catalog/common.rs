//! A library in miniature for the tests: keys, originals, ops.

use std::path::Path;

use safelight_catalog::{Catalog, CatalogKey, ListOptions, Query};
use safelight_crypto::{Device, Epoch, LibraryId, SeededEntropy};
use safelight_model::{
    AssetId, ContentHash, EpochId, Facts, Keywords, Life, MediaKind, Op, OpBody, Original, PlaceName,
    Position, ProbeKind, SourcePath, Storage, Taken, TakenSource, Target,
};

pub(crate) const NOW: u64 = 1_700_000_000_000;

pub(crate) fn key() -> CatalogKey {
    CatalogKey::from_bytes([7; 32])
}

/// Everything that one device needs.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) device: Device,
    pub(crate) epoch: Epoch,
    pub(crate) library: LibraryId,
    pub(crate) entropy: SeededEntropy,
    pub(crate) catalog: Catalog,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut entropy = SeededEntropy::new(seed);
        let device = Device::generate(&mut entropy);
        let epoch = Epoch::generate(&mut entropy);
        let path = folder.path().join("catalog.db");
        let catalog = Catalog::create(&path, &key(), device.id(), &mut entropy).unwrap();
        Self { folder, device, epoch, library: LibraryId::from_bytes([1; 20]), entropy, catalog }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("catalog.db")
    }

    pub(crate) fn reopen(&mut self) -> Catalog {
        Catalog::open(&self.path(), &key(), self.device.id(), &mut self.entropy).unwrap()
    }

    pub(crate) fn append(&mut self, bodies: Vec<OpBody>) {
        self.catalog.append(NOW, bodies).unwrap();
    }

    /// Closes everything that is open, as the library does.
    pub(crate) fn close_segments(&mut self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let placed = self
                .catalog
                .close_segment(self.library, &self.device, &self.epoch, &mut self.entropy)
                .unwrap();
            let Some(placed) = placed else { return all };
            self.catalog.mark_placed(placed.device, placed.seq).unwrap();
            all.push(placed.bytes);
        }
    }

    /// The file names that a query finds, newest first.
    pub(crate) fn names(&self, query: &str) -> Vec<String> {
        names(&self.catalog, query)
    }
}

pub(crate) fn names(catalog: &Catalog, query: &str) -> Vec<String> {
    let query = Query::parse(query).unwrap();
    let page = catalog.list(&query, &ListOptions::default()).unwrap();
    page.rows.iter().map(|row| String::from_utf8_lossy(row.file_name()).into_owned()).collect()
}

pub(crate) fn asset(number: u32) -> AssetId {
    let mut bytes = [0x5a; 32];
    bytes[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
    bytes[28..].copy_from_slice(&number.to_be_bytes());
    AssetId(ContentHash::from_bytes(bytes))
}

pub(crate) fn original(content: ContentHash, device: &Device, relative: &str) -> Original {
    Original {
        content,
        size_bytes: 3_000_000,
        media_type: "image/jpeg".into(),
        epoch: EpochId::from_bytes([3; 16]),
        parts: Vec::new(),
        storage: Storage::Copied,
        source: SourcePath {
            device: device.id(),
            root: b"/home/anna/Pictures".to_vec(),
            relative: relative.as_bytes().to_vec(),
        },
        modified_millis: 1_600_000_000_000,
        unread: Default::default(),
    }
}

pub(crate) fn add(device: &Device, number: u32, relative: &str) -> OpBody {
    add_with(asset(number), original(asset(number).0, device, relative))
}

pub(crate) fn add_with(asset: AssetId, original: Original) -> OpBody {
    OpBody::AddAsset { asset, life: Life(0), original }
}

pub(crate) fn derive(number: u32, facts: Facts) -> OpBody {
    OpBody::Derive { life: Life(0), content: asset(number).0, probe: ProbeKind::Metadata, version: 1, facts }
}

pub(crate) fn target(number: u32) -> Target {
    Target::Asset(asset(number), Life(0))
}

/// Midday of a day, by the clock on the wall.
pub(crate) fn taken(date: &str) -> Taken {
    let date: jiff::civil::Date = date.parse().unwrap();
    let midday = jiff::tz::Offset::UTC.to_timestamp(date.at(12, 0, 0, 0)).unwrap();
    Taken {
        local_millis: midday.as_millisecond(),
        offset_minutes: Some(120),
        source: TakenSource::ExifOriginal,
    }
}

pub(crate) fn photo(date: &str) -> Facts {
    Facts {
        media: Some(MediaKind::Photo),
        format: Some("jpeg".into()),
        width: Some(4000),
        height: Some(3000),
        taken: Some(taken(date)),
        ..Facts::default()
    }
}

pub(crate) fn canon(date: &str) -> Facts {
    Facts {
        camera_make: Some("Canon".into()),
        camera_model: Some("Canon EOS R6".into()),
        lens: Some("RF 24-105mm F4".into()),
        ..photo(date)
    }
}

pub(crate) fn at(facts: Facts, latitude: f64, longitude: f64, city: &str) -> Facts {
    Facts {
        position: Position::from_degrees(latitude, longitude, None),
        place: Some(PlaceName { city: Some(city.into()), region: None, country: None }),
        ..facts
    }
}

pub(crate) fn keywords(facts: Facts, words: &[&str]) -> Facts {
    Facts { keywords: Some(Keywords(words.iter().map(|word| (*word).to_owned()).collect())), ..facts }
}

/// All rows of a table's file that show: for comparing two catalogues.
pub(crate) fn everything(catalog: &Catalog) -> Vec<String> {
    use safelight_catalog::Shelf;
    let options =
        ListOptions { limit: 100_000, shelves: Some(Shelf::ALL.to_vec()), ..ListOptions::default() };
    let page = catalog.list(&Query::default(), &options).unwrap();
    page.rows.iter().map(|row| format!("{row:?}")).collect()
}

pub(crate) fn op_count(bytes: &[Vec<u8>]) -> usize {
    bytes.iter().filter(|bytes| Op::from_bytes(bytes).is_ok()).count()
}

pub(crate) fn files_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
