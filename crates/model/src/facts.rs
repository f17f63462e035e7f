//! What programs found out about one content.
//!
//! Invariant: facts are never merged with what people typed and never with each other: of two findings of one
//! kind of probe the one with the higher (version, hash) stays, on every device alike. All values are whole
//! numbers, text or bytes, so equal findings are equal bytes. Specified in sl1-history §6.

use safelight_crypto::sha256;
use serde::{Deserialize, Serialize};

use crate::cbor::{self, Decode, Encode, Malformed, MapWriter, Reader, Unread, Writer};
use crate::value::Position;

/// How many keywords a content may carry.
pub const MAX_KEYWORDS: usize = 1024;

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// One that a later version introduced.
            Unknown(u16),
        }

        impl $name {
            /// The number in the format.
            #[must_use]
            pub fn code(self) -> u16 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Unknown(code) => code,
                }
            }

            /// The meaning of a number in the format.
            #[must_use]
            pub fn from_code(code: u16) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    _ => Self::Unknown(code),
                }
            }
        }

        /// By number, so that a version which knows a number sorts it as one that does not.
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.code().cmp(&other.code())
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.code() == other.code()
            }
        }

        impl Eq for $name {}

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.code().hash(state);
            }
        }

        impl $crate::cbor::Encode for $name {
            fn encode(&self, to: &mut $crate::cbor::Writer) {
                to.unsigned(u64::from(self.code()));
            }
        }

        impl $crate::cbor::Decode for $name {
            fn decode(from: &mut $crate::cbor::Reader<'_>) -> Result<Self, $crate::cbor::Malformed> {
                u16::decode(from).map(Self::from_code)
            }
        }
    };
}
pub(crate) use coded;

coded! {
    /// What kind of thing a content is.
    MediaKind {
        /// Something else, taken in all the same.
        Other = 0,
        /// A picture that cameras and programs finished.
        Photo = 1,
        /// Moving pictures.
        Video = 2,
        /// A camera's raw picture.
        Raw = 3,
    }
}

coded! {
    /// Where a date came from.
    TakenSource {
        /// EXIF DateTimeOriginal.
        ExifOriginal = 1,
        /// QuickTime's creation date with a zone.
        QuickTimeCreation = 2,
        /// A sidecar.
        Sidecar = 3,
        /// XMP DateTimeOriginal or DateCreated.
        XmpOriginal = 4,
        /// GPS date and time, UTC.
        Gps = 5,
        /// EXIF CreateDate.
        ExifDigitized = 6,
        /// The movie header's creation time, UTC.
        MovieHeader = 7,
        /// A container's own creation date.
        Container = 8,
        /// XMP CreateDate.
        XmpCreate = 9,
        /// IPTC date and time created.
        Iptc = 10,
        /// EXIF ModifyDate.
        ExifModified = 11,
        /// A PNG time stamp.
        PngTime = 12,
        /// A pattern in the file's name.
        FileName = 13,
        /// The file's own time of change.
        FileTime = 14,
    }
}

coded! {
    /// Which program's findings these are; findings of different kinds stand side by side.
    ProbeKind {
        /// Read from headers and metadata of the content.
        Metadata = 1,
        /// Computed from decoded pixels: fingerprints, placeholder, why decoding failed.
        Pixels = 2,
        /// Read from a file beside the original; its version is that file's time of change in seconds.
        Sidecar = 3,
    }
}

/// A date as a file states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Taken {
    /// The clock on the wall there, as milliseconds since 1970-01-01T00:00:00 on that same clock.
    pub local_millis: i64,
    /// How far that clock was east of UTC, if the file says so or its place tells.
    pub offset_minutes: Option<i16>,
    /// Which field said so.
    pub source: TakenSource,
}

/// A fraction as cameras write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ratio {
    /// Above the line.
    pub numerator: u32,
    /// Below the line; not zero in what a probe reports.
    pub denominator: u32,
}

impl Ratio {
    /// A fraction near `value`: whole thousandths, or one over a whole number below one half.
    #[must_use]
    pub fn approximate(value: f64) -> Option<Self> {
        if !value.is_finite() || value < 0.0 {
            return None;
        }
        let (scaled, inverted) =
            if value > 0.0 && value < 0.5 { (1000.0 / value, true) } else { (value * 1000.0, false) };
        let scaled = scaled.round();
        if scaled > f64::from(u32::MAX) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
        let scaled = scaled as u32;
        let divisor = greatest_common_divisor(scaled, 1000);
        let (part, whole) = (scaled / divisor, 1000 / divisor);
        Some(if inverted {
            Self { numerator: whole, denominator: part }
        } else {
            Self { numerator: part, denominator: whole }
        })
    }

    /// The fraction as a number; `None` when there is nothing below the line.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        (self.denominator != 0).then(|| f64::from(self.numerator) / f64::from(self.denominator))
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a.max(1) } else { greatest_common_divisor(b, a % b) }
}

/// A named place, found from a position without asking anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PlaceName {
    /// City or town.
    pub city: Option<String>,
    /// State or province.
    pub region: Option<String>,
    /// Country, as its ISO 3166 code of two letters.
    pub country: Option<String>,
}

/// A video inside a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MotionPhoto {
    /// Where it begins, in bytes from the start of the content.
    pub offset_bytes: u64,
    /// How long it is.
    pub length_bytes: u64,
}

macro_rules! facts {
    ($($(#[$doc:meta])* $key:literal $name:ident: $kind:ty,)*) => {
        /// What one probe found in one content; everything is optional.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Facts {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $name: Option<$kind>,)*
            /// Facts that a later version introduced, kept as they came.
            #[serde(skip)]
            pub unread: Unread,
        }

        impl Facts {
            fn encode_known(&self, map: &mut MapWriter<'_>) {
                $(map.some($key, self.$name.as_ref());)*
            }

            fn decode_known(&mut self, key: u64, from: &mut Reader<'_>) -> Result<bool, Malformed> {
                match key {
                    $($key => self.$name = Some(Decode::decode(from)?),)*
                    _ => return Ok(false),
                }
                Ok(true)
            }

            /// These facts, and of `other` what these lack.
            #[must_use]
            pub fn or(&self, other: &Self) -> Self {
                Self { $($name: self.$name.clone().or_else(|| other.$name.clone()),)* unread: Unread::default() }
            }
        }
    };
}

facts! {
    /// Photo, video, raw, other.
    0 media: MediaKind,
    /// The format in one word (`jpeg`, `heic`, `mp4`).
    1 format: String,
    /// How pixels are coded, where the format leaves a choice (`hvc1`).
    2 codec: String,
    /// Pixels across, as stored.
    3 width: u32,
    /// Pixels down, as stored.
    4 height: u32,
    /// EXIF's number, 1 to 8, of the turn that makes the stored pixels upright.
    5 orientation: u8,
    /// When it was taken.
    6 taken: Taken,
    /// When it was taken, in milliseconds since 1970 in UTC, if the offset is known.
    7 taken_utc_millis: i64,
    /// Where it was taken.
    8 position: Position,
    /// Who made the camera.
    9 camera_make: String,
    /// The camera.
    10 camera_model: String,
    /// The lens.
    11 lens: String,
    /// Exposure time in seconds.
    12 exposure_seconds: Ratio,
    /// The f-number.
    13 aperture: Ratio,
    /// ISO speed.
    14 iso: u32,
    /// Focal length in millimetres.
    15 focal_length_mm: Ratio,
    /// How long it plays.
    16 duration_millis: u64,
    /// Apple's content identifier, the same on both halves of a Live Photo.
    17 live_id: String,
    /// The same on all photos of one burst.
    18 burst_id: String,
    /// A video inside the photo.
    19 motion: MotionPhoto,
    /// The rating in the file, -1 (rejected) to 5.
    20 rating: i8,
    /// The title in the file.
    21 title: String,
    /// The caption in the file.
    22 description: String,
    /// The keywords in the file, in its order.
    23 keywords: Keywords,
    /// The named place of the position.
    24 place: PlaceName,
    /// The zone of the position (`Europe/Paris`).
    25 time_zone: String,
    /// Perceptual hash of 64 bits.
    26 phash64: [u8; 8],
    /// Perceptual hash of 256 bits (PDQ).
    27 pdq256: [u8; 32],
    /// A placeholder to draw before the thumbnail (thumbhash), at most 64 bytes.
    28 thumbhash: Placeholder,
    /// Why its pixels cannot be decoded.
    29 reason: String,
    /// The name of the sidecar that these facts were read from.
    30 sidecar: String,
    /// Focal length as on 35 mm film, in millimetres.
    31 focal_length_35mm: u32,
    /// What wrote the file.
    32 software: String,
    /// Pictures a second.
    33 frame_rate: Ratio,
    /// The codec of its sound; absent when it is silent.
    34 audio_codec: String,
    /// Whether more than one picture is shown in turn.
    35 animated: bool,
    /// Who took it, as the file says.
    36 creator: String,
    /// How many bytes a video has by its own account, where that is more than there are.
    37 stated_bytes: u64,
    /// What is wrong with a picture although pixels came out of it (cut off, damaged), as its decoder says it.
    38 damage: String,
}

/// Keywords in a file's own order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Keywords(pub Vec<String>);

/// The bytes of a thumbhash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Placeholder(pub Vec<u8>);

/// How long a placeholder may be.
pub const MAX_PLACEHOLDER_BYTES: usize = 64;

impl Facts {
    /// The hash that settles which of two findings of one version stays: SHA-256 of the encoded facts.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        sha256(&[&cbor::to_bytes(self)])
    }

    pub(crate) fn broken_rule(&self) -> Option<&'static str> {
        let texts = [
            &self.format,
            &self.codec,
            &self.camera_make,
            &self.camera_model,
            &self.lens,
            &self.live_id,
            &self.burst_id,
            &self.title,
            &self.description,
            &self.time_zone,
            &self.reason,
            &self.sidecar,
            &self.software,
            &self.audio_codec,
            &self.creator,
        ];
        let place = self.place.iter().flat_map(|place| [&place.city, &place.region, &place.country]);
        let keywords = self.keywords.iter().flat_map(|keywords| &keywords.0);
        let mut texts = texts.into_iter().chain(place).flatten().chain(keywords);
        if texts.any(|text| text.len() > cbor::MAX_TEXT_BYTES) {
            return Some("a text is at most 64 KiB long");
        }
        if self.keywords.as_ref().is_some_and(|keywords| keywords.0.len() > MAX_KEYWORDS) {
            return Some("a content has at most 1024 keywords");
        }
        if self.thumbhash.as_ref().is_some_and(|placeholder| placeholder.0.len() > MAX_PLACEHOLDER_BYTES) {
            return Some("a placeholder is at most 64 bytes long");
        }
        self.position.filter(|position| !position.is_on_earth()).map(|_| "a place is on the Earth")
    }
}

impl Encode for Facts {
    fn encode(&self, to: &mut Writer) {
        to.map(|map| {
            self.encode_known(map);
            map.unread(&self.unread);
        });
    }
}

impl Decode for Facts {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut facts = Self::default();
        facts.unread = from.map(|key, from| facts.decode_known(key, from))?;
        Ok(facts)
    }
}

impl Encode for Taken {
    fn encode(&self, to: &mut Writer) {
        to.array(3);
        to.value(&self.local_millis);
        to.optional(self.offset_minutes.as_ref());
        to.value(&self.source);
    }
}

impl Decode for Taken {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(3)?;
        Ok(Self {
            local_millis: i64::decode(from)?,
            offset_minutes: from.optional()?,
            source: TakenSource::decode(from)?,
        })
    }
}

impl Encode for Ratio {
    fn encode(&self, to: &mut Writer) {
        to.array(2);
        to.value(&self.numerator);
        to.value(&self.denominator);
    }
}

impl Decode for Ratio {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(2)?;
        Ok(Self { numerator: u32::decode(from)?, denominator: u32::decode(from)? })
    }
}

impl Encode for PlaceName {
    fn encode(&self, to: &mut Writer) {
        to.array(3);
        to.optional(self.city.as_ref());
        to.optional(self.region.as_ref());
        to.optional(self.country.as_ref());
    }
}

impl Decode for PlaceName {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(3)?;
        Ok(Self { city: from.optional()?, region: from.optional()?, country: from.optional()? })
    }
}

impl Encode for MotionPhoto {
    fn encode(&self, to: &mut Writer) {
        to.array(2);
        to.value(&self.offset_bytes);
        to.value(&self.length_bytes);
    }
}

impl Decode for MotionPhoto {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(2)?;
        Ok(Self { offset_bytes: u64::decode(from)?, length_bytes: u64::decode(from)? })
    }
}

impl Encode for Keywords {
    fn encode(&self, to: &mut Writer) {
        to.list(&self.0);
    }
}

impl Decode for Keywords {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.list(MAX_KEYWORDS).map(Self)
    }
}

impl Encode for Placeholder {
    fn encode(&self, to: &mut Writer) {
        to.bytes(&self.0);
    }
}

impl Decode for Placeholder {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.bytes(MAX_PLACEHOLDER_BYTES).map(|bytes| Self(bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_cameras_stay_recognisable() {
        let fraction = |value| Ratio::approximate(value).map(|ratio| (ratio.numerator, ratio.denominator));
        assert_eq!(fraction(1.0 / 250.0), Some((1, 250)));
        assert_eq!(fraction(2.8), Some((14, 5)));
        assert_eq!(fraction(30.0), Some((30, 1)));
        assert_eq!(fraction(0.0), Some((0, 1)));
        assert_eq!(fraction(f64::NAN), None);
        assert_eq!(fraction(-1.0), None);
        assert_eq!(fraction(1e300), None);
        assert_eq!(fraction(1e-300), None);
    }

    #[test]
    fn numbers_sort_alike_whether_they_are_known_or_not() {
        assert!(ProbeKind::Unknown(0) < ProbeKind::Metadata);
        assert!(ProbeKind::Sidecar < ProbeKind::Unknown(4));
        assert_eq!(ProbeKind::Unknown(1), ProbeKind::Metadata);
    }

    #[test]
    fn facts_of_a_later_version_keep_their_bytes() {
        let mut writer = Writer::default();
        writer.map(|map| {
            map.entry(3, &4000_u32);
            map.entry(900, &"what comes next".to_owned());
        });
        let bytes = writer.finish();
        let facts: Facts = Reader::whole(&bytes).unwrap();
        assert_eq!(facts.width, Some(4000));
        assert!(!facts.unread.is_empty());
        assert_eq!(cbor::to_bytes(&facts), bytes);
    }
}
