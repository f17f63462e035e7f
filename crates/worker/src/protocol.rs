//! What a worker is asked and what it answers, framed on its standard input and output.
//!
//! A frame is `u32` little-endian length of a CBOR head, the head, and a body whose length the head
//! states. Invariant: both sides bound every length before they allocate, because a worker holds bytes
//! that strangers wrote, and what has been taken over may answer anything. A worker learns the pixels
//! and nothing else: no file name, no key, no place.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Version of the frames; a worker of another version is refused at its hello.
pub const PROTOCOL: u16 = 3;
/// Longest head of a frame.
pub const MAX_HEAD_BYTES: usize = 64 << 10;
/// Longest body of an answer: two renditions.
pub const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Longest body of a request: the compressed picture.
pub const MAX_REQUEST_BYTES: u64 = 1 << 30;
/// Pixels of a picture that are refused before anything is allocated for them.
pub const MAX_PIXELS: u64 = 300_000_000;
/// Long side of the thumbnail for the grid.
pub const THUMBNAIL_SIDE: u32 = 320;
/// Long side of the preview for one photo.
pub const PREVIEW_SIDE: u32 = 1440;
/// Means of luma along each side of what pictures are compared by, from their thumbnails.
pub const LUMA_SIDE: u32 = 64;
/// Means of each colour along each side of what is compared closely, from their previews: a figure of a hundredth of the side
/// shows in it.
pub const FINE_SIDE: u32 = 512;
/// Red, green and blue.
pub const COLOURS: u32 = 3;
/// Number of the recipe (sizes, filters, qualities) that renditions are made by; raised when it changes.
pub const RECIPE: u16 = 1;

/// How a still picture is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StillFormat {
    /// JPEG; also the previews inside RAW files.
    Jpeg,
    /// PNG.
    Png,
    /// GIF; its first frame.
    Gif,
    /// WebP; its first frame.
    WebP,
    /// TIFF; its first picture.
    Tiff,
    /// Windows bitmap.
    Bmp,
    /// HEIC and HEIF (HEVC).
    Heif,
    /// AVIF (AV1).
    Avif,
    /// JPEG XL.
    Jxl,
    /// Binary PPM as ffmpeg writes it; only between the video worker and a worker.
    Ppm,
}

impl StillFormat {
    /// Recognizes a format by the first bytes of a file (32 suffice).
    #[must_use]
    pub fn sniff(head: &[u8]) -> Option<Self> {
        let brand = (head.get(4..8) == Some(b"ftyp")).then(|| head.get(8..12)).flatten();
        match head {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            [b'B', b'M', ..] => Some(Self::Bmp),
            [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', b'\r', b'\n', 0x87, b'\n', ..] => {
                Some(Self::Jxl)
            }
            [b'P', b'6', b'\n' | b' ', ..] => Some(Self::Ppm),
            _ => match brand? {
                b"avif" | b"avis" => Some(Self::Avif),
                b"mif1" | b"msf1"
                    if head.chunks(4).skip(4).any(|brand| brand == b"avif" || brand == b"avis") =>
                {
                    Some(Self::Avif)
                }
                b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" | b"mif2"
                | b"miaf" | b"MiHE" | b"MiHB" => Some(Self::Heif),
                _ => None,
            },
        }
    }

    /// Whether the file's own boxes say how to turn the picture, so that EXIF has no say.
    ///
    /// HEIF and AVIF (`irot`, `imir`) and JPEG XL (codestream header) are turned by their decoder. For
    /// all others the worker applies [`Request::orientation`].
    #[must_use]
    pub fn turns_itself(self) -> bool {
        matches!(self, Self::Heif | Self::Avif | Self::Jxl | Self::Ppm)
    }
}

/// What is asked of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The 320 px WebP of the grid.
    pub thumbnail: bool,
    /// The 1440 px JPEG.
    pub preview: bool,
    /// The placeholder of about 25 bytes.
    pub thumbhash: bool,
    /// pHash64 and PDQ-256.
    pub fingerprints: bool,
    /// So many area means along each side, by which two pictures are compared: [`LUMA_SIDE`] of the luma at 320 px, or
    /// [`FINE_SIDE`] of each colour at 1440 px; 0 for none.
    pub means_side: u32,
    /// Makes everything but the preview from a thumbnail inside the file, where the full picture would
    /// be slow (HEIF, AVIF) and there is one; [`Rendered::preview_pending`] then says that the preview
    /// is still to be made. Where decoding is fast this changes nothing.
    pub quick: bool,
}

impl Wanted {
    /// Everything, from the full picture.
    pub const ALL: Self = Self {
        thumbnail: true,
        preview: true,
        thumbhash: true,
        fingerprints: true,
        means_side: 0,
        quick: false,
    };
    /// Everything that is fast; the preview may be left for later.
    pub const QUICK: Self = Self { quick: true, ..Self::ALL };
    /// The preview alone.
    pub const PREVIEW: Self = Self { preview: true, ..Self::NOTHING };
    /// The luma alone, to compare by.
    pub const LUMA: Self = Self { means_side: LUMA_SIDE, ..Self::NOTHING };
    /// The colours alone, to compare closely by.
    pub const FINE: Self = Self { means_side: FINE_SIDE, ..Self::NOTHING };
    const NOTHING: Self = Self {
        thumbnail: false,
        preview: false,
        thumbhash: false,
        fingerprints: false,
        means_side: 0,
        quick: false,
    };
}

impl Default for Wanted {
    fn default() -> Self {
        Self::ALL
    }
}

/// Bounds of one picture, checked before memory is taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Pixels above which a picture is refused for good.
    pub max_pixels: u64,
    /// Estimated bytes of memory above which a picture is only decoded while no other large one is
    /// ([`RefusalKind::NeedsTurn`]).
    pub shared_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: MAX_PIXELS, shared_bytes: 256 << 20 }
    }
}

/// The head of a request; the compressed picture follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Repeated in the answer.
    pub id: u64,
    /// How the picture is coded.
    pub format: StillFormat,
    /// EXIF orientation 1–8; ignored where the format [turns itself](StillFormat::turns_itself).
    pub orientation: u8,
    /// What to make.
    pub wanted: Wanted,
    /// What to refuse.
    pub limits: Limits,
    /// Whether no other large picture is being decoded now.
    pub turn: bool,
    /// Whether to use the second decoder, after the first one died.
    pub fallback: bool,
    /// Bytes of the picture that follow.
    pub body_bytes: u64,
    /// A wrong that a test wants done; a worker without the `hostile` feature refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<Wrong>,
}

/// Things a worker must not be able to do, for tests of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wrong {
    /// Opens a file for reading.
    ReadFile,
    /// Creates a file.
    WriteFile,
    /// Connects to a port of this machine.
    Connect,
    /// Starts a program.
    Execute,
    /// Forks.
    Fork,
    /// Looks into its parent with ptrace.
    Trace,
    /// Sends a signal to its parent.
    Signal,
    /// Takes memory beyond its limit.
    Memory,
    /// Never answers.
    Hang,
    /// Dies.
    Die,
    /// Answers with a body longer than allowed.
    Flood,
}

/// What a worker says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u16,
    /// What holds the worker.
    pub sandbox: Sandbox,
}

/// What holds a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// A system-call filter without files, network and programs is in force.
    pub system_calls: bool,
    /// The file system and TCP are closed by Landlock.
    pub landlock: bool,
    /// Memory, processor time and file size are limited.
    pub limits: bool,
    /// Why something of the above is missing.
    pub missing: Option<String>,
}

impl Sandbox {
    /// Whether the worker can reach neither files nor network nor programs.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.system_calls && self.limits
    }
}

/// The head of an answer; the thumbnail's bytes and the preview's bytes follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Of the request.
    pub id: u64,
    /// Processor time of the worker since its start.
    pub worker_cpu_micros: u64,
    /// What came out.
    pub outcome: Outcome,
}

/// What came out of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// The picture was decoded.
    Rendered(RenderedHead),
    /// It was not.
    Refused(Refusal),
}

/// Size and length of one rendition in the body of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenditionHead {
    /// Pixels across, upright.
    pub width: u32,
    /// Pixels down, upright.
    pub height: u32,
    /// Bytes in the body.
    pub bytes: u64,
}

/// [`Rendered`] without the bytes of its renditions.
pub type RenderedHead = Rendered<RenditionHead>;

/// One encoded rendition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendition {
    /// Pixels across, upright.
    pub width: u32,
    /// Pixels down, upright.
    pub height: u32,
    /// WebP (thumbnail), JPEG (preview), or a byte a pixel (luma).
    pub bytes: Vec<u8>,
}

/// What was made of a picture, with its renditions as `R`. All pixels are upright and sRGB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rendered<R = Rendition> {
    /// Pixels across of the full picture, upright.
    pub width: u32,
    /// Pixels down of the full picture, upright.
    pub height: u32,
    /// WebP, at most 320 px on its long side, never enlarged.
    pub thumbnail: Option<R>,
    /// JPEG, at most 1440 px on its long side, never enlarged.
    pub preview: Option<R>,
    /// Placeholder (<https://evanw.github.io/thumbhash/>).
    pub thumbhash: Option<Vec<u8>>,
    /// Perceptual hash, 64 bits of an 8 × 8 DCT.
    pub phash64: Option<u64>,
    /// PDQ hash, 256 bits of a 16 × 16 DCT.
    pub pdq256: Option<[u8; 32]>,
    /// PDQ's quality, 0–100; hashes below 50 (flat pictures) say little.
    pub pdq_quality: Option<u8>,
    /// Area means, row by row; the picture is stretched to a square of [`Wanted::means_side`]. Of the luma, or of red, then
    /// green, then blue.
    pub luma: Option<R>,
    /// The preview was wanted but is left for a request without `quick`.
    pub preview_pending: bool,
    /// Which decoder made it.
    pub decoder: String,
    /// What is wrong with the file although pixels came out (cut off, damaged).
    pub damage: Option<String>,
}

impl<R> Rendered<R> {
    /// The same with other renditions: first the thumbnail is changed, then the preview, then the luma.
    pub fn map<S>(self, mut change: impl FnMut(R) -> S) -> Rendered<S> {
        Rendered {
            width: self.width,
            height: self.height,
            thumbnail: self.thumbnail.map(&mut change),
            preview: self.preview.map(&mut change),
            thumbhash: self.thumbhash,
            phash64: self.phash64,
            pdq256: self.pdq256,
            pdq_quality: self.pdq_quality,
            luma: self.luma.map(&mut change),
            preview_pending: self.preview_pending,
            decoder: self.decoder,
            damage: self.damage,
        }
    }
}

/// Why a picture was not decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Which kind of reason.
    pub kind: RefusalKind,
    /// The reason in words for people.
    pub reason: String,
}

/// Kinds of reasons why a picture was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalKind {
    /// A variant of the format that no decoder here knows.
    Unsupported,
    /// The bytes break the rules of their format.
    Malformed,
    /// More pixels than [`Limits::max_pixels`].
    TooLarge,
    /// Another limit (scans, memory, time).
    Limit,
    /// Large: to be asked again with [`Request::turn`] when no other large one is being decoded.
    NeedsTurn,
}

impl Refusal {
    /// A variant that no decoder here knows.
    #[must_use]
    pub fn unsupported(reason: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Unsupported, reason: reason.into() }
    }

    /// Bytes that break the rules of their format.
    #[must_use]
    pub fn malformed(reason: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Malformed, reason: reason.into() }
    }

    /// A limit other than that of the pixels.
    #[must_use]
    pub fn limit(reason: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Limit, reason: reason.into() }
    }
}

/// Reads the head of a frame; `None` at a clean end of the stream.
///
/// # Errors
/// When the stream ends within the head, or the head is too long or not what `T` is.
pub fn read_head<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    let mut filled = 0;
    while filled < length.len() {
        match input.read(&mut length[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEAD_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the head of a frame is too long"));
    }
    let mut head = vec![0; length];
    input.read_exact(&mut head)?;
    ciborium::from_reader(head.as_slice())
        .map(Some)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the head of a frame is malformed"))
}

/// Writes the head of a frame; the caller writes the body.
///
/// # Errors
/// When the head is too long or writing fails.
pub fn write_head(output: &mut impl Write, head: &impl Serialize) -> io::Result<()> {
    output.write_all(&head_bytes(head)?)
}

/// The bytes that [`write_head`] writes.
///
/// # Errors
/// When the head is too long.
pub fn head_bytes(head: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    ciborium::into_writer(head, &mut frame).map_err(io::Error::other)?;
    let length = frame.len() - 4;
    if length > MAX_HEAD_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the head of a frame is too long"));
    }
    frame[..4].copy_from_slice(&u32::try_from(length).map_err(io::Error::other)?.to_le_bytes());
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_written_is_the_head_read() {
        let hello =
            Hello { protocol: PROTOCOL, sandbox: Sandbox { system_calls: true, ..Sandbox::default() } };
        let mut frame = Vec::new();
        write_head(&mut frame, &hello).unwrap();
        assert_eq!(read_head::<Hello>(&mut frame.as_slice()).unwrap(), Some(hello));
        assert_eq!(read_head::<Hello>(&mut [].as_slice()).unwrap(), None);
    }

    #[test]
    fn a_head_longer_than_allowed_is_refused_before_it_is_read() {
        let mut frame = u32::MAX.to_le_bytes().to_vec();
        frame.extend([0; 16]);
        assert!(read_head::<Hello>(&mut frame.as_slice()).is_err());
    }

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        let heif = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic";
        let avif = b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif";
        assert_eq!(StillFormat::sniff(heif), Some(StillFormat::Heif));
        assert_eq!(StillFormat::sniff(avif), Some(StillFormat::Avif));
        assert_eq!(StillFormat::sniff(b"\xff\xd8\xff\xe0"), Some(StillFormat::Jpeg));
        assert_eq!(StillFormat::sniff(b"MM\0\x2a"), Some(StillFormat::Tiff));
        assert_eq!(StillFormat::sniff(b""), None);
    }
}
