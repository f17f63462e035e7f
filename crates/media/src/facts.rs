//! What a probe finds out about one file.
//!
//! Invariant: everything here was read from the file (or, where labelled, from its name); nothing is
//! guessed, and a value that contradicts itself (a 13th month, a latitude of 200) is left out.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::format::{Format, MediaKind};

/// The version of the rules below; raised whenever a probe may answer differently for the same bytes.
pub const PROBE_VERSION: u32 = 3;

/// Everything that reading a file's headers and metadata tells about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// The rules that made this probe, [`PROBE_VERSION`].
    pub version: u32,
    /// What the content is.
    pub format: Format,
    /// The media type, as exact as the content allows (`image/heif-sequence`).
    pub media_type: String,
    /// Photo, video, RAW or other.
    pub kind: MediaKind,
    /// Width of the main image or picture track in pixels *as stored*, before any orientation.
    pub width: Option<u32>,
    /// Height in pixels as stored, before any orientation.
    pub height: Option<u32>,
    /// The EXIF orientation tag (1 to 8) as the file states it, also where it must not be applied.
    pub exif_orientation: Option<u8>,
    /// The orientation (1 to 8, EXIF numbering) that turns the pixels *as stored* upright: EXIF for JPEG,
    /// PNG, TIFF, WebP and RAW; `irot` and `imir` for HEIC and AVIF; the codestream for JPEG XL; the track
    /// matrix for video. 1 where there is nothing to do. Decoders that already apply it (most HEIC, JXL and
    /// video decoders do) must not apply it twice.
    pub orientation: u8,
    /// When it was taken, from the best source.
    pub taken: Option<Taken>,
    /// All the dates found, best first; the first is `taken`.
    pub dates: Vec<Taken>,
    /// Where it was taken.
    pub gps: Option<Gps>,
    /// Camera maker, trimmed (`Canon`).
    pub make: Option<String>,
    /// Camera model, trimmed (`Canon EOS R6`).
    pub model: Option<String>,
    /// Lens model.
    pub lens: Option<String>,
    /// Exposure time in seconds.
    pub exposure_seconds: Option<f64>,
    /// Aperture as an f-number.
    pub aperture: Option<f64>,
    /// ISO speed.
    pub iso: Option<u32>,
    /// Focal length in millimetres.
    pub focal_millimetres: Option<f64>,
    /// Focal length in millimetres, as on 35 mm film.
    pub focal_35mm: Option<u32>,
    /// The program or firmware that wrote the file.
    pub software: Option<String>,
    /// How long it plays, in milliseconds; also for animations that state it.
    pub duration_millis: Option<u64>,
    /// The first picture track of a video.
    pub video: Option<VideoTrack>,
    /// FourCC or Matroska codec id of the first sound track.
    pub audio_codec: Option<String>,
    /// How many bytes a video has by its own account, where that is more than there are: it ends early. What ends
    /// between two of its parts, or states no length, is not told.
    pub stated_bytes: Option<u64>,
    /// Apple's content identifier, the same on both sides of a Live Photo (a UUID, upper case).
    pub content_identifier: Option<String>,
    /// Apple's burst identifier (a UUID, upper case) or Google's, the same on all photos of a burst.
    pub burst_id: Option<String>,
    /// The video inside a motion photo.
    pub motion: Option<Motion>,
    /// Whether more than one frame is shown in turn (GIF, APNG, WebP, AVIF and HEIF sequences, JPEG XL).
    pub animated: bool,
    /// What people wrote into the file: rating, title, keywords.
    pub words: Words,
    /// Something is wrong with the file, in a few words (`the EXIF block is cut off`).
    pub warnings: Vec<String>,
}

/// A point in time as a file states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The clock on the wall where it was taken (for [`DateSource`]s in UTC: the clock in UTC).
    pub local: DateTime,
    /// East of UTC in minutes, when the file says so; sources in UTC have 0.
    pub offset_minutes: Option<i16>,
    /// Which field told.
    pub source: DateSource,
}

/// Where a date came from; earlier variants are more trustworthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DateSource {
    /// EXIF DateTimeOriginal, with SubSecTimeOriginal and OffsetTimeOriginal where present.
    ExifOriginal,
    /// `com.apple.quicktime.creationdate` or `©day` with a zone, or the `date` of the user data.
    QuickTimeCreation,
    /// A sidecar's date; people correct dates there.
    Sidecar,
    /// XMP `exif:DateTimeOriginal` or `photoshop:DateCreated` in the file.
    XmpOriginal,
    /// GPS date and time, UTC.
    Gps,
    /// EXIF CreateDate (DateTimeDigitized).
    ExifDigitized,
    /// The movie header's creation time, UTC.
    MovieHeader,
    /// A container's own creation date: AVI `IDIT`, Matroska `DateUTC`, maker headers.
    Container,
    /// XMP `xmp:CreateDate`.
    XmpCreate,
    /// IPTC date and time created.
    Iptc,
    /// EXIF ModifyDate (the tag named DateTime).
    ExifModified,
    /// PNG `tIME` or a `Creation Time` text.
    PngTime,
    /// A pattern in the file's name (`IMG_20230514_101112`).
    FileName,
}

/// A position on Earth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gps {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
    /// Metres above sea level.
    pub altitude_metres: Option<f64>,
    /// Which field told.
    pub source: GpsSource,
}

/// Where a position came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GpsSource {
    /// The EXIF GPS directory.
    Exif,
    /// XMP `exif:GPSLatitude` in the file.
    Xmp,
    /// A sidecar.
    Sidecar,
    /// QuickTime ISO 6709 text or `loci`.
    QuickTime,
}

/// The first picture track of a video.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VideoTrack {
    /// FourCC of the codec (`avc1`, `hvc1`) or Matroska codec id (`V_VP9`).
    pub codec: String,
    /// Coded width in pixels.
    pub width: u32,
    /// Coded height in pixels.
    pub height: u32,
    /// Clockwise turn to show it upright: 0, 90, 180 or 270.
    pub rotation_degrees: u16,
    /// Frames per second, on average.
    pub frames_per_second: Option<f64>,
}

/// A video stored inside a photo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Motion {
    /// Where the video begins, in bytes from the start of the file.
    pub offset_bytes: u64,
    /// How long the video is, in bytes.
    pub length_bytes: u64,
    /// The moment that the still shows, in microseconds, when stated.
    pub presentation_micros: Option<i64>,
    /// How it was found.
    pub source: MotionSource,
}

/// How a motion photo was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MotionSource {
    /// XMP `GCamera:MicroVideo`.
    MicroVideo,
    /// XMP `GCamera:MotionPhoto` with a `Container:Directory`.
    MotionPhoto,
    /// A HEIC's `mpvd` box.
    MpvdBox,
    /// Samsung's trailer.
    SamsungTrailer,
}

/// What people (or their programs) wrote: XMP, IPTC and QuickTime texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Words {
    /// -1 (rejected) to 5.
    pub rating: Option<i8>,
    /// A colour label.
    pub label: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// Description or caption.
    pub description: Option<String>,
    /// Keywords, in order, without repetitions.
    pub keywords: Vec<String>,
    /// Keywords as paths (`Places|France|Paris`), as Lightroom and darktable write them.
    pub hierarchical: Vec<String>,
    /// Who took it.
    pub creator: Option<String>,
    /// City, as written by people.
    pub city: Option<String>,
    /// State or province, as written by people.
    pub region: Option<String>,
    /// Country, as written by people.
    pub country: Option<String>,
}

/// What a sidecar file says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sidecar {
    /// Rating, title, keywords.
    pub words: Words,
    /// Its best date ([`DateSource::Sidecar`]).
    pub taken: Option<Taken>,
    /// Its position ([`GpsSource::Sidecar`]).
    pub gps: Option<Gps>,
    /// EXIF orientation, if the sidecar overrides it.
    pub orientation: Option<u8>,
    /// `xmpMM:DerivedFrom`-style file name that the sidecar says it belongs to (`crs:RawFileName`).
    pub raw_file_name: Option<String>,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            version: PROBE_VERSION,
            format: Format::Unknown,
            media_type: Format::Unknown.media_type().to_owned(),
            kind: MediaKind::Other,
            width: None,
            height: None,
            exif_orientation: None,
            orientation: 1,
            taken: None,
            dates: Vec::new(),
            gps: None,
            make: None,
            model: None,
            lens: None,
            exposure_seconds: None,
            aperture: None,
            iso: None,
            focal_millimetres: None,
            focal_35mm: None,
            software: None,
            duration_millis: None,
            video: None,
            audio_codec: None,
            stated_bytes: None,
            content_identifier: None,
            burst_id: None,
            motion: None,
            animated: false,
            words: Words::default(),
            warnings: Vec::new(),
        }
    }
}

impl Probe {
    /// Width and height in pixels as shown, after [`Probe::orientation`].
    #[must_use]
    pub fn shown_size(&self) -> Option<(u32, u32)> {
        let (width, height) = (self.width?, self.height?);
        Some(if self.orientation >= 5 { (height, width) } else { (width, height) })
    }

    /// Pixels of the main image.
    #[must_use]
    pub fn pixels(&self) -> Option<u64> {
        Some(u64::from(self.width?) * u64::from(self.height?))
    }
}

impl Gps {
    /// Whether it is exactly 0, 0, which programs write for "unknown".
    #[must_use]
    pub fn is_origin(&self) -> bool {
        self.latitude == 0.0 && self.longitude == 0.0
    }
}

impl Taken {
    /// Milliseconds since 1970 in UTC, when the offset is known.
    #[must_use]
    pub fn utc_millis(&self) -> Option<i64> {
        Some(self.local_millis() - i64::from(self.offset_minutes?) * 60_000)
    }

    /// Milliseconds since 1970 as if the local clock were UTC: what a timeline orders by.
    #[must_use]
    pub fn local_millis(&self) -> i64 {
        let since = self.local.duration_since(DateTime::new(1970, 1, 1, 0, 0, 0, 0).unwrap_or_default());
        i64::try_from(since.as_millis()).unwrap_or_default()
    }
}
