//! The user's own map: one PMTiles file on this machine, drawn beneath the photos.
//!
//! Which file is this device's own affair: it is kept in `device.db`, synced nowhere, and stays where it is. What is read of
//! it here is its header and what it says about itself (PMTiles 3, §3 and §5); tiles are found and decoded by whoever draws them.
//!
//! Invariant: only the file that was named is ever opened, it is opened anew each time as a plain file and no link, and
//! nothing of it is given away before its header has been looked at.

use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

use crate::error::{LibraryError, Result};
use crate::folders::meant_path;
use crate::library::Library;

const TILES: &str = "map/tiles";
const HEADER_BYTES: usize = 127;
const MAGIC: &[u8] = b"PMTiles\x03";
/// What is longer than this, packed or unpacked, is not read.
const MOST_METADATA_BYTES: u64 = 1 << 20;
/// What is longer is no attribution.
const MOST_ATTRIBUTION_CHARACTERS: usize = 500;
const MOST_LAYERS: usize = 100;
/// What is shown of the world where every map ends.
const WORLD: [f64; 4] = [-180.0, -85.051_129, 180.0, 85.051_129];
/// Zooms go no further.
const DEEPEST_ZOOM: u8 = 30;
/// The most that is read of the file at once.
const MOST_READ_BYTES: u64 = 16 << 20;

/// A map file of the user's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct MapTiles {
    /// Where it is.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// What its tiles are.
    pub kind: TileKind,
    /// How they are written.
    pub format: TileFormat,
    /// The zoom of its coarsest tiles.
    pub min_zoom: u8,
    /// The zoom of its finest tiles.
    pub max_zoom: u8,
    /// The part of the world that it shows, in degrees: west, south, east, north.
    pub bounds: [f64; 4],
    /// Who made its data, as plain text; to be shown wherever it is drawn.
    pub attribution: Option<String>,
    /// The names of its layers, where its tiles are vectors; the first hundred.
    pub layers: Vec<String>,
    /// Whether it cannot be read just now; all else is then as it was when it was named.
    pub missing: bool,
}

/// What tiles are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TileKind {
    /// Lines and areas.
    Vector,
    /// Pictures.
    Raster,
}

/// How tiles are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TileFormat {
    /// Mapbox vector tiles.
    Mvt,
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
    /// AVIF.
    Avif,
}

/// The map file that a device has named, to be read.
#[derive(Debug, Clone)]
pub struct TilesFile {
    path: PathBuf,
}

/// The map file, open.
#[derive(Debug)]
pub struct OpenTiles {
    path: PathBuf,
    file: File,
    header: Header,
    size_bytes: u64,
    changed_nanos: i128,
}

/// What the first bytes of a file say.
#[derive(Debug, Clone, PartialEq)]
struct Header {
    format: TileFormat,
    zooms: [u8; 2],
    bounds: [f64; 4],
    metadata: Range<u64>,
    is_metadata_packed: bool,
}

impl Library {
    /// The map file that this device has named.
    ///
    /// # Errors
    /// Those of the database.
    pub fn map_tiles(&self) -> Result<Option<MapTiles>> {
        let Some((file, remembered)) = self.named_tiles()? else { return Ok(None) };
        let seen = file.open().and_then(|open| open.describe());
        Ok(seen.ok().or(remembered.map(|tiles| MapTiles { missing: true, ..tiles })))
    }

    /// Names the map file of this device by its path as somebody typed it, in which `~` is the home.
    ///
    /// # Errors
    /// As [`Library::set_map_tiles`]; and [`LibraryError::NoTiles`] where it is not the whole path.
    pub fn set_typed_map_tiles(&mut self, typed: &str, home: Option<&Path>) -> Result<Option<MapTiles>> {
        let path = PathBuf::from(meant_path(typed, home));
        if !path.is_absolute() {
            let reason = "its whole path is needed, which begins with /".to_owned();
            return Err(LibraryError::NoTiles { path, reason });
        }
        self.set_map_tiles(Some(&path))
    }

    /// Names the map file of this device, or none any more.
    ///
    /// # Errors
    /// [`LibraryError::NoTiles`] for what is no map that can be shown, and those of the database.
    pub fn set_map_tiles(&mut self, path: Option<&Path>) -> Result<Option<MapTiles>> {
        self.folder.require_writable()?;
        let Some(path) = path else {
            self.device.set_setting(TILES, None)?;
            return Ok(None);
        };
        let whole = std::fs::canonicalize(path).map_err(|error| no_tiles(path, unreadable(&error)))?;
        let tiles = TilesFile { path: whole.clone() }.open()?.describe()?;
        let mut kept = whole.into_os_string().into_vec();
        kept.push(0);
        kept.extend(serde_json::to_vec(&tiles).unwrap_or_default());
        self.device.set_setting(TILES, Some(&kept))?;
        Ok(Some(tiles))
    }

    /// The map file of this device, to be read; none when none is named.
    ///
    /// # Errors
    /// Those of the database.
    pub fn tiles_file(&self) -> Result<Option<TilesFile>> {
        Ok(self.named_tiles()?.map(|(file, _)| file))
    }

    /// Kept as its path, which may be any bytes but zeros, and as it was when it was named.
    fn named_tiles(&self) -> Result<Option<(TilesFile, Option<MapTiles>)>> {
        let Some(kept) = self.device.setting(TILES)? else { return Ok(None) };
        let mut parts = kept.splitn(2, |byte| *byte == 0);
        let path = parts.next().unwrap_or_default().to_vec();
        let remembered = parts.next().and_then(|facts| serde_json::from_slice(facts).ok());
        Ok(Some((TilesFile { path: std::ffi::OsString::from_vec(path).into() }, remembered)))
    }
}

impl TilesFile {
    /// Opens it and looks at its header.
    ///
    /// # Errors
    /// [`LibraryError::TilesGone`] when nothing can be read there, [`LibraryError::NoTiles`] when it is no map that can be
    /// shown.
    pub fn open(&self) -> Result<OpenTiles> {
        let gone = |error: &std::io::Error| LibraryError::TilesGone {
            path: self.path.clone(),
            reason: unreadable(error),
        };
        // Neither a link that was put there since nor a pipe that nobody writes to.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let mut options = std::fs::OpenOptions::new();
        options.read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
        let file = options.open(&self.path).map_err(|error| gone(&error))?;
        let metadata = file.metadata().map_err(|error| gone(&error))?;
        if !metadata.is_file() {
            return Err(no_tiles(&self.path, "it is no file"));
        }
        let mut head = [0; HEADER_BYTES];
        let size_bytes = metadata.len();
        if size_bytes < HEADER_BYTES as u64 {
            return Err(no_tiles(&self.path, "it does not begin as a PMTiles file of version 3"));
        }
        file.read_exact_at(&mut head, 0).map_err(|error| gone(&error))?;
        let header = Header::read(&head, size_bytes).map_err(|reason| no_tiles(&self.path, reason))?;
        let changed_nanos = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        Ok(OpenTiles { path: self.path.clone(), file, header, size_bytes, changed_nanos })
    }
}

impl OpenTiles {
    /// Its size.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Another one once the file was changed, as far as its size and its time tell.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("{:x}-{:x}", self.size_bytes, self.changed_nanos)
    }

    /// Reads a part of it, and no more than 16 MiB of that.
    ///
    /// # Errors
    /// [`LibraryError::TilesGone`] when it cannot be read to there.
    pub fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let end = range.end.min(self.size_bytes).min(range.start.saturating_add(MOST_READ_BYTES));
        let length = usize::try_from(end.saturating_sub(range.start)).unwrap_or_default();
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, range.start).map_err(|error| LibraryError::TilesGone {
            path: self.path.clone(),
            reason: unreadable(&error),
        })?;
        Ok(bytes)
    }

    fn describe(&self) -> Result<MapTiles> {
        let Header { format, zooms, bounds, .. } = self.header;
        let said = self.said()?;
        let layers = said.as_ref().and_then(|said| said["vector_layers"].as_array());
        let layers = layers.into_iter().flatten().filter_map(|layer| layer["id"].as_str());
        Ok(MapTiles {
            path: self.path.to_string_lossy().into_owned(),
            bytes: self.size_bytes,
            kind: if format == TileFormat::Mvt { TileKind::Vector } else { TileKind::Raster },
            format,
            min_zoom: zooms[0],
            max_zoom: zooms[1],
            bounds,
            attribution: said.as_ref().and_then(|said| said["attribution"].as_str()).and_then(plain_text),
            layers: layers.take(MOST_LAYERS).map(str::to_owned).collect(),
            missing: false,
        })
    }

    /// What the file says about itself; nothing where that is too long to be read.
    fn said(&self) -> Result<Option<serde_json::Value>> {
        let Range { start, end } = self.header.metadata;
        if start == end || end - start > MOST_METADATA_BYTES {
            return Ok(None);
        }
        let bytes = self.read(start..end)?;
        let broken = |_: std::io::Error| no_tiles(&self.path, "what it says about itself cannot be read");
        if !self.header.is_metadata_packed {
            return serde_json::from_slice(&bytes).map(Some).map_err(|error| broken(error.into()));
        }
        let mut unpacked = Vec::new();
        GzDecoder::new(&*bytes).take(MOST_METADATA_BYTES + 1).read_to_end(&mut unpacked).map_err(broken)?;
        if unpacked.len() as u64 > MOST_METADATA_BYTES {
            return Ok(None);
        }
        serde_json::from_slice(&unpacked).map(Some).map_err(|error| broken(error.into()))
    }
}

impl Header {
    /// Reads the header of a file of that size, or says what is wrong with it.
    fn read(head: &[u8; HEADER_BYTES], size_bytes: u64) -> Result<Self, &'static str> {
        if !head.starts_with(MAGIC) {
            return Err(if head.starts_with(b"PM") {
                "it is a PMTiles file of another version than 3"
            } else {
                "it does not begin as a PMTiles file of version 3"
            });
        }
        let number = |at: usize| u64::from_le_bytes(part(head, at));
        let degrees = |at: usize| f64::from(i32::from_le_bytes(part(head, at))) / 1e7;
        let section = |at: usize| -> Result<Range<u64>, &'static str> {
            let (start, length) = (number(at), number(at + 8));
            let end = start.checked_add(length).filter(|end| *end <= size_bytes);
            Ok(start..end.ok_or("it ends before its tiles do: it was not copied whole")?)
        };
        let [root, metadata, _, tiles] = [section(8)?, section(24)?, section(40)?, section(56)?];
        if root.is_empty() || tiles.is_empty() {
            return Err("there is no tile in it");
        }
        let [inner, packing, kind, min_zoom, max_zoom] = [97, 98, 99, 100, 101].map(|at| head[at]);
        let format = match kind {
            1 => TileFormat::Mvt,
            2 => TileFormat::Png,
            3 => TileFormat::Jpeg,
            4 => TileFormat::Webp,
            5 => TileFormat::Avif,
            _ => return Err("its tiles are of a kind that is not known here"),
        };
        // 1 is as it is, 2 is gzip; browsers unpack nothing else.
        if !matches!(inner, 1 | 2) || !matches!(packing, 0..=2) {
            return Err("it is packed in a way that browsers do not unpack: only gzip is");
        }
        if min_zoom > max_zoom || max_zoom > DEEPEST_ZOOM {
            return Err("its zooms make no sense");
        }
        let mut bounds = [102, 106, 110, 114].map(degrees);
        // Who makes a map and does not say where it is leaves zeros.
        if head.iter().skip(102).take(16).all(|byte| *byte == 0) {
            bounds = WORLD;
        }
        let [west, south, east, north] = bounds;
        let is_on_earth = |at: f64, most: f64| (-most..=most).contains(&at);
        let are_on_earth = is_on_earth(west, 180.0)
            && is_on_earth(east, 180.0)
            && is_on_earth(south, 90.0)
            && is_on_earth(north, 90.0);
        if !are_on_earth || west >= east || south >= north {
            return Err("the part of the world that it shows makes no sense");
        }
        Ok(Self { format, zooms: [min_zoom, max_zoom], bounds, metadata, is_metadata_packed: inner == 2 })
    }
}

/// Some bytes of the header, which has them.
fn part<const LENGTH: usize>(head: &[u8; HEADER_BYTES], at: usize) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    for (byte, from) in bytes.iter_mut().zip(head.iter().skip(at)) {
        *byte = *from;
    }
    bytes
}

/// Why a file cannot be read, for whoever named it.
fn unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "it may not be read".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

fn no_tiles(path: &Path, reason: impl Into<String>) -> LibraryError {
    LibraryError::NoTiles { path: path.to_owned(), reason: reason.into() }
}

/// A text that may be written as for a web page, without what is not to be read.
fn plain_text(written: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = written;
    while let Some(start) = rest.find('<') {
        let (before, after) = rest.split_at(start);
        text.push_str(before);
        // A sign that closes nowhere is meant as it is.
        let Some(end) = after.find('>') else {
            text.push_str(after);
            rest = "";
            break;
        };
        rest = &after[end + 1..];
    }
    text.push_str(rest);
    let text = signs_written_out(&text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let text: String = words.join(" ").chars().take(MOST_ATTRIBUTION_CHARACTERS).collect();
    (!text.is_empty()).then_some(text)
}

/// Writes out what HTML writes by name or number, once: of the names those that occur in such lines.
fn signs_written_out(text: &str) -> String {
    let mut parts = text.split('&');
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(';').and_then(|(name, rest)| Some((sign_of(name)?, rest))) {
            Some((sign, rest)) => {
                written.push(sign);
                written.push_str(rest);
            }
            None => {
                written.push('&');
                written.push_str(part);
            }
        }
    }
    written
}

fn sign_of(name: &str) -> Option<char> {
    let number = |digits: &str, radix| {
        char::from_u32(u32::from_str_radix(digits, radix).ok()?).filter(|sign| !sign.is_control())
    };
    match name.strip_prefix('#') {
        Some(digits) => match digits.strip_prefix(['x', 'X']) {
            Some(digits) => number(digits, 16),
            None => number(digits, 10),
        },
        None => Some(match name {
            "amp" => '&',
            "apos" => '\'',
            "copy" => '©',
            "gt" => '>',
            "lt" => '<',
            "middot" => '·',
            "nbsp" => ' ',
            "quot" => '"',
            "reg" => '®',
            _ => return None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::testing::Place;

    const SAID: &str = r#"{"attribution":"<a href=\"https://example.org\">&copy; Map &amp; Makers</a>","vector_layers":[{"id":"earth"},{"id":"roads"}]}"#;

    /// A map of one tile, as it may lie on a disk.
    fn made(kind: u8, said: &str, is_packed: bool) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(said.as_bytes()).unwrap();
        let said = if is_packed { packed.finish().unwrap() } else { said.as_bytes().to_vec() };
        let (root, tile) = (b"root".to_vec(), b"a tile".to_vec());
        let mut bytes = MAGIC.to_vec();
        let mut at = HEADER_BYTES as u64;
        for length in [root.len(), said.len(), 0, tile.len()] {
            bytes.extend(at.to_le_bytes());
            bytes.extend((length as u64).to_le_bytes());
            at += length as u64;
        }
        bytes.extend([0; 25]);
        bytes.extend([if is_packed { 2 } else { 1 }, 2, kind, 3, 14]);
        for degrees in [-1_250_000_000_i32, -20_000_000, 100, 455_000_000] {
            bytes.extend(degrees.to_le_bytes());
        }
        bytes.extend([0; 9]);
        assert_eq!(bytes.len(), HEADER_BYTES);
        [bytes, root, said, tile].concat()
    }

    #[test]
    fn a_map_is_named_described_and_read() {
        let place = Place::new();
        let path = place.directory.path().join("world.pmtiles");
        std::fs::write(&path, made(1, SAID, true)).unwrap();
        let mut library = place.library();
        assert_eq!(library.map_tiles().unwrap(), None);
        let tiles = library.set_map_tiles(Some(&path)).unwrap().unwrap();
        assert_eq!((tiles.kind, tiles.min_zoom, tiles.max_zoom), (TileKind::Vector, 3, 14));
        assert_eq!(tiles.bounds, [-125.0, -2.0, 0.00001, 45.5]);
        assert_eq!(tiles.attribution.as_deref(), Some("© Map & Makers"));
        assert_eq!(tiles.layers, ["earth", "roads"]);
        assert!(!tiles.missing && tiles.bytes == std::fs::metadata(&path).unwrap().len());
        library.close().unwrap();
        let mut library = place.library();
        assert_eq!(library.map_tiles().unwrap().unwrap(), tiles);
        let open = library.tiles_file().unwrap().unwrap().open().unwrap();
        assert_eq!(open.read(127..131).unwrap(), b"root");
        assert_eq!(open.read(tiles.bytes - 6..u64::MAX).unwrap(), b"a tile");
        assert!(open.read(tiles.bytes + 5..tiles.bytes + 9).unwrap().is_empty());
        // The disk is away, then there is another file.
        std::fs::remove_file(&path).unwrap();
        let away = library.map_tiles().unwrap().unwrap();
        assert_eq!(away, MapTiles { missing: true, ..tiles });
        let gone = library.tiles_file().unwrap().unwrap().open().unwrap_err();
        assert!(matches!(gone, LibraryError::TilesGone { .. }), "{gone}");
        std::fs::write(&path, "a diary".repeat(100)).unwrap();
        let other = library.tiles_file().unwrap().unwrap().open().unwrap_err();
        assert!(matches!(other, LibraryError::NoTiles { .. }), "{other}");
        assert!(library.map_tiles().unwrap().unwrap().missing);
        assert_eq!(library.set_map_tiles(None).unwrap(), None);
        assert!(library.map_tiles().unwrap().is_none() && library.tiles_file().unwrap().is_none());
    }

    #[test]
    fn what_is_no_map_is_refused_and_says_why() {
        let place = Place::new();
        let mut library = place.library();
        let path = place.directory.path().join("no.pmtiles");
        let good = made(2, SAID, false);
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let cases = [
            (b"short".to_vec(), "does not begin"),
            (vec![0; 500], "does not begin"),
            (with(7, 2), "another version"),
            (with(2, b'x'), "another version"),
            (good[..good.len() - 1].to_vec(), "not copied whole"),
            (with(15, 255), "not copied whole"),
            (with(16, 0), "no tile"),
            (with(97, 3), "gzip"),
            (with(98, 4), "gzip"),
            (with(99, 9), "not known"),
            (with(101, 2), "zooms"),
            (with(101, 31), "zooms"),
            (with(113, 127), "part of the world"),
            (made(2, "no JSON", false), "about itself"),
            (made(2, "no JSON", true), "about itself"),
        ];
        for (bytes, why) in cases {
            std::fs::write(&path, bytes).unwrap();
            let error = library.set_map_tiles(Some(&path)).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("no.pmtiles"), "{why}: {error}");
        }
        let error = library.set_map_tiles(Some(place.directory.path())).unwrap_err().to_string();
        assert!(error.contains("no file"), "{error}");
        let error = library.set_map_tiles(Some(Path::new("/nowhere/at all"))).unwrap_err().to_string();
        assert!(error.contains("no such file"), "{error}");
        assert_eq!(library.map_tiles().unwrap(), None, "nothing was named");
    }

    #[test]
    fn what_a_map_says_about_itself_cannot_fill_the_memory() {
        let place = Place::new();
        let mut library = place.library();
        let path = place.directory.path().join("bomb.pmtiles");
        let long = format!(r#"{{"attribution":"{}"}}"#, "x".repeat(8 << 20));
        std::fs::write(&path, made(4, &long, true)).unwrap();
        let tiles = library.set_map_tiles(Some(&path)).unwrap().unwrap();
        assert_eq!((tiles.kind, tiles.attribution), (TileKind::Raster, None));
        std::fs::write(&path, made(4, &long[long.len() - (2 << 20)..], false)).unwrap();
        assert_eq!(library.set_map_tiles(Some(&path)).unwrap().unwrap().attribution, None);
    }

    #[test]
    fn a_link_that_was_put_there_since_is_not_followed() {
        let place = Place::new();
        let (path, other) =
            (place.directory.path().join("a.pmtiles"), place.directory.path().join("b.pmtiles"));
        std::fs::write(&path, made(1, "{}", true)).unwrap();
        let mut library = place.library();
        library.set_map_tiles(Some(&path)).unwrap();
        std::fs::rename(&path, &other).unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(library.tiles_file().unwrap().unwrap().open().is_err());
        assert!(library.map_tiles().unwrap().unwrap().missing);
        // Whoever names the link means the file.
        assert_eq!(library.set_map_tiles(Some(&path)).unwrap().unwrap().path, other.to_str().unwrap());
    }

    #[test]
    fn attributions_are_shown_as_plain_text() {
        assert_eq!(plain_text("<b>A</b>\n &lt;b&gt; 2 < 3").as_deref(), Some("A <b> 2 < 3"));
        assert_eq!(plain_text("<img src=x onerror=alert(1)>"), None);
        let makers = "<a href=\"https://example.org\">Protomaps</a> &copy; <a>OpenStreetMap</a> &#8212; &amp;amp; others";
        assert_eq!(plain_text(makers).as_deref(), Some("Protomaps © OpenStreetMap — &amp; others"), "once");
        let odd = "&#0; &#xD800; &#x1F30D; &unknown; &";
        assert_eq!(plain_text(odd).as_deref(), Some("&#0; &#xD800; 🌍 &unknown; &"));
        assert_eq!(plain_text(&"x".repeat(9000)).map(|text| text.len()), Some(MOST_ATTRIBUTION_CHARACTERS));
    }
}
