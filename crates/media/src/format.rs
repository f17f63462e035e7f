//! The kinds of file that Safelight knows, their media types, and whether they are worth importing.
//!
//! Invariant: a [`Format`] says what the bytes are, never what the file is called; names only break
//! ties between formats that share a container (a DNG and a TIFF begin alike).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A file format, decided by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// JPEG, including MPO and Ultra HDR files.
    Jpeg,
    /// PNG and APNG.
    Png,
    /// GIF, still or animated.
    Gif,
    /// WebP, still or animated.
    WebP,
    /// TIFF and BigTIFF that are no RAW file.
    Tiff,
    /// Windows bitmap.
    Bmp,
    /// HEIC, HEIF and their sequences (`heic`, `heix`, `hevc`, `mif1`, `msf1` brands).
    Heif,
    /// AVIF, still or sequence.
    Avif,
    /// JPEG XL, bare codestream or container.
    Jxl,
    /// Canon RAW 2.
    Cr2,
    /// Canon RAW 3.
    Cr3,
    /// Canon RAW of the first generation (CIFF).
    Crw,
    /// Nikon RAW, NRW included.
    Nef,
    /// Sony RAW, SR2 and SRF included.
    Arw,
    /// Adobe DNG, GoPro GPR included.
    Dng,
    /// Fujifilm RAW.
    Raf,
    /// Olympus RAW.
    Orf,
    /// Panasonic RAW, RWL (Leica) included.
    Rw2,
    /// Pentax RAW.
    Pef,
    /// Samsung RAW.
    Srw,
    /// MPEG-4 video.
    Mp4,
    /// QuickTime movie.
    Mov,
    /// Apple's MPEG-4 video.
    M4v,
    /// 3GPP and 3GPP2 video.
    #[serde(rename = "3gp")]
    ThreeGp,
    /// AVI.
    Avi,
    /// Matroska.
    Mkv,
    /// WebM.
    WebM,
    /// MPEG program stream: MPEG-1 and MPEG-2 of cameras and discs.
    Mpeg,
    /// MPEG transport stream: camcorders.
    MpegTs,
    /// MPEG-4 audio; readable, but not imported.
    M4a,
    /// Named like a photo or video, but the content is of no known kind.
    Unknown,
}

/// What a format is for the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// A picture ready to be shown.
    Photo,
    /// Moving pictures.
    Video,
    /// A camera's RAW file; shown through its embedded preview.
    Raw,
    /// Anything else.
    Other,
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: [Self; 31] = [
        Self::Jpeg,
        Self::Png,
        Self::Gif,
        Self::WebP,
        Self::Tiff,
        Self::Bmp,
        Self::Heif,
        Self::Avif,
        Self::Jxl,
        Self::Cr2,
        Self::Cr3,
        Self::Crw,
        Self::Nef,
        Self::Arw,
        Self::Dng,
        Self::Raf,
        Self::Orf,
        Self::Rw2,
        Self::Pef,
        Self::Srw,
        Self::Mp4,
        Self::Mov,
        Self::M4v,
        Self::ThreeGp,
        Self::Avi,
        Self::Mkv,
        Self::WebM,
        Self::Mpeg,
        Self::MpegTs,
        Self::M4a,
        Self::Unknown,
    ];

    /// What the format is for the library.
    #[must_use]
    pub fn kind(self) -> MediaKind {
        use Format::{
            Arw, Avi, Avif, Bmp, Cr2, Cr3, Crw, Dng, Gif, Heif, Jpeg, Jxl, M4a, M4v, Mkv, Mov, Mp4, Mpeg,
            MpegTs, Nef, Orf, Pef, Png, Raf, Rw2, Srw, ThreeGp, Tiff, Unknown, WebM, WebP,
        };
        match self {
            Jpeg | Png | Gif | WebP | Tiff | Bmp | Heif | Avif | Jxl => MediaKind::Photo,
            Cr2 | Cr3 | Crw | Nef | Arw | Dng | Raf | Orf | Rw2 | Pef | Srw => MediaKind::Raw,
            Mp4 | Mov | M4v | ThreeGp | Avi | Mkv | WebM | Mpeg | MpegTs => MediaKind::Video,
            M4a | Unknown => MediaKind::Other,
        }
    }

    /// The short name used in queries (`format:heif`), in JSON and in the documentation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::WebP => "webp",
            Self::Tiff => "tiff",
            Self::Bmp => "bmp",
            Self::Heif => "heif",
            Self::Avif => "avif",
            Self::Jxl => "jxl",
            Self::Cr2 => "cr2",
            Self::Cr3 => "cr3",
            Self::Crw => "crw",
            Self::Nef => "nef",
            Self::Arw => "arw",
            Self::Dng => "dng",
            Self::Raf => "raf",
            Self::Orf => "orf",
            Self::Rw2 => "rw2",
            Self::Pef => "pef",
            Self::Srw => "srw",
            Self::Mp4 => "mp4",
            Self::Mov => "mov",
            Self::M4v => "m4v",
            Self::ThreeGp => "3gp",
            Self::Avi => "avi",
            Self::Mkv => "mkv",
            Self::WebM => "webm",
            Self::Mpeg => "mpeg",
            Self::MpegTs => "mpegts",
            Self::M4a => "m4a",
            Self::Unknown => "unknown",
        }
    }

    /// The media type of the format in general; [`crate::Probe::media_type`] may be more exact
    /// (`image/heif` against `image/heic`).
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
            Self::Tiff => "image/tiff",
            Self::Bmp => "image/bmp",
            Self::Heif => "image/heic",
            Self::Avif => "image/avif",
            Self::Jxl => "image/jxl",
            Self::Cr2 => "image/x-canon-cr2",
            Self::Cr3 => "image/x-canon-cr3",
            Self::Crw => "image/x-canon-crw",
            Self::Nef => "image/x-nikon-nef",
            Self::Arw => "image/x-sony-arw",
            Self::Dng => "image/x-adobe-dng",
            Self::Raf => "image/x-fujifilm-raf",
            Self::Orf => "image/x-olympus-orf",
            Self::Rw2 => "image/x-panasonic-rw2",
            Self::Pef => "image/x-pentax-pef",
            Self::Srw => "image/x-samsung-srw",
            Self::Mp4 => "video/mp4",
            Self::Mov => "video/quicktime",
            Self::M4v => "video/x-m4v",
            Self::ThreeGp => "video/3gpp",
            Self::Avi => "video/x-msvideo",
            Self::Mkv => "video/x-matroska",
            Self::WebM => "video/webm",
            Self::Mpeg => "video/mpeg",
            Self::MpegTs => "video/mp2t",
            Self::M4a => "audio/mp4",
            Self::Unknown => "application/octet-stream",
        }
    }

    /// Whether the metadata of such a file must be read with seeks, because the file may be huge.
    #[must_use]
    pub fn is_video(self) -> bool {
        self.kind() == MediaKind::Video || self == Self::M4a
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
