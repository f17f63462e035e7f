//! Says what a file is by its first bytes, and whether a library wants it.
//!
//! Invariant: content decides. A name decides only between RAW formats that all begin like a TIFF, and
//! whether unrecognisable bytes are a broken photo (worth keeping) or no photo at all (skipped).

use std::fmt;
use std::path::Path;

use crate::format::Format;
use crate::mpeg;
use crate::source::Source;
use crate::tiff::{self, Tiff};

/// How many bytes from the start of a file [`sniff`] likes to see. Fewer are fine for small files.
pub const SNIFF_BYTES: usize = 64 << 10;

/// What a look at a file's first bytes tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// A photo or video.
    Media(Format),
    /// Named like a photo or video of this format, but the content is not recognisable (empty, overwritten,
    /// of an unknown kind). Worth keeping, not worth decoding.
    NamedLike(Format),
    /// Nothing for a photo library.
    NotMedia(NotMedia),
}

/// Why a file is no photo or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotMedia {
    /// Metadata beside a photo (XMP, AAE).
    Sidecar,
    /// Sound without pictures.
    Audio,
    /// A resource fork that macOS leaves on foreign disks (`._IMG_0001.JPG`).
    AppleDouble,
    /// A document, archive or program.
    OtherKind,
    /// Content of another kind under the name of a photo or video: a file that was saved wrongly, or is damaged.
    Disguised,
    /// Nothing recognisable, and not named like a photo or video.
    Unrecognised,
}

impl fmt::Display for NotMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sidecar => "metadata beside a photo, not a photo",
            Self::Audio => "sound without pictures",
            Self::AppleDouble => "a macOS resource fork, not a photo",
            Self::OtherKind => "a document, archive or program, not a photo or video",
            Self::Disguised => "named like a photo or video, but its content is of another kind",
            Self::Unrecognised => "neither content nor name is of a photo or video",
        })
    }
}

/// Says what a file is from its first bytes ([`SNIFF_BYTES`] or the whole file) and its name.
#[must_use]
pub fn sniff(head: &[u8], name: &Path) -> Sniffed {
    sniff_source(&Source::memory(head), name)
}

pub(crate) fn sniff_source(source: &Source<'_>, name: &Path) -> Sniffed {
    let head = source.get_some(0, 4096);
    if head.starts_with(b"\x00\x05\x16\x07") {
        return Sniffed::NotMedia(NotMedia::AppleDouble);
    }
    if let Some(format) = by_content(source, &head, name) {
        return if format == Format::M4a {
            Sniffed::NotMedia(NotMedia::Audio)
        } else {
            Sniffed::Media(format)
        };
    }
    if let Some(reason) = known_other(&head) {
        // A web page saved as photo.jpg is still no photo; a damaged photo has no such beginning.
        let reason = if by_name(name).is_some() { NotMedia::Disguised } else { reason };
        return Sniffed::NotMedia(reason);
    }
    match by_name(name) {
        Some(format) => Sniffed::NamedLike(format),
        None if extension(name).is_some_and(|e| matches!(e.as_str(), "xmp" | "aae")) => {
            Sniffed::NotMedia(NotMedia::Sidecar)
        }
        None => Sniffed::NotMedia(NotMedia::Unrecognised),
    }
}

pub(crate) fn by_content(source: &Source<'_>, head: &[u8], name: &Path) -> Option<Format> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
    if at(0, b"\xff\xd8\xff") {
        return Some(Format::Jpeg);
    }
    if at(0, b"\x89PNG\r\n\x1a\n") {
        return Some(Format::Png);
    }
    if at(0, b"GIF87a") || at(0, b"GIF89a") {
        return Some(Format::Gif);
    }
    if at(0, b"RIFF") || at(0, b"RF64") {
        return match head.get(8..12)? {
            b"WEBP" => Some(Format::WebP),
            b"AVI " | b"AVIX" | b"AVI\x19" => Some(Format::Avi),
            _ => None,
        };
    }
    if at(0, b"\xff\x0a") {
        return Some(Format::Jxl);
    }
    if at(0, b"\0\0\0\x0cJXL \r\n\x87\n") {
        return Some(Format::Jxl);
    }
    if at(0, b"FUJIFILMCCD-RAW") {
        return Some(Format::Raf);
    }
    if at(0, b"IIRO") || at(0, b"IIRS") || at(0, b"MMOR") {
        return Some(Format::Orf);
    }
    if at(0, b"IIU\0") {
        return Some(Format::Rw2);
    }
    if at(0, b"II\x1a\0\0\0HEAPCCDR") {
        return Some(Format::Crw);
    }
    if at(0, b"II*\0") || at(0, b"MM\0*") || at(0, b"II+\0") || at(0, b"MM\0+") {
        return Some(tiff_kind(source, head, name));
    }
    if at(0, b"\x1a\x45\xdf\xa3") {
        return matroska_kind(head);
    }
    if is_bmp(head) {
        return Some(Format::Bmp);
    }
    if mpeg::is_program_stream(head) {
        return Some(Format::Mpeg);
    }
    if mpeg::is_transport_stream(head) {
        return Some(Format::MpegTs);
    }
    boxes_kind(source, head, name)
}

/// A bitmap's magic is two letters only, so its header must make sense too.
fn is_bmp(head: &[u8]) -> bool {
    head.starts_with(b"BM")
        && head.len() >= 26
        && matches!(head.get(14..18), Some([12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]))
}

fn matroska_kind(head: &[u8]) -> Option<Format> {
    let start = head.get(..256.min(head.len()))?;
    let has = |word: &[u8]| start.windows(word.len()).any(|found| found == word);
    if has(b"webm") {
        Some(Format::WebM)
    } else if has(b"matroska") {
        Some(Format::Mkv)
    } else {
        None
    }
}

fn boxes_kind(source: &Source<'_>, head: &[u8], name: &Path) -> Option<Format> {
    let kind: [u8; 4] = head.get(4..8)?.try_into().ok()?;
    if &kind == b"ftyp" {
        let size = u32::from_be_bytes(head.get(..4)?.try_into().ok()?);
        let end = (size as usize).clamp(12, 1024).min(head.len());
        let brands: Vec<&[u8]> = head.get(16..end).unwrap_or_default().chunks_exact(4).collect();
        return Some(brand_kind(head.get(8..12)?, &brands, name));
    }
    // Movies of old cameras have no ftyp; the first boxes must then be real ones.
    let size = source.be32(0)?;
    let plausible = size == 0 || size == 1 || size >= 8;
    match &kind {
        b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot" | b"udta" if plausible => Some(Format::Mov),
        _ => None,
    }
}

fn brand_kind(major: &[u8], compatible: &[&[u8]], name: &Path) -> Format {
    let has = |brand: &[u8]| compatible.contains(&brand);
    match major {
        b"avif" | b"avis" => Format::Avif,
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => Format::Heif,
        b"mif1" | b"mif2" | b"msf1" | b"miaf" | b"mif3" | b"1pic" => {
            let hevc = [b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"];
            if (has(b"avif") || has(b"avis")) && !hevc.iter().any(|brand| has(*brand)) {
                Format::Avif
            } else {
                Format::Heif
            }
        }
        b"crx " => Format::Cr3,
        b"qt  " | b"mqt " => Format::Mov,
        b"M4V " | b"M4VH" | b"M4VP" => Format::M4v,
        b"M4A " | b"M4B " | b"M4P " | b"F4A " | b"F4B " => Format::M4a,
        b"KDDI" | b"mmp4" => Format::ThreeGp,
        [b'3', b'g', ..] => Format::ThreeGp,
        _ if has(b"qt  ") && !has(b"mp41") && !has(b"mp42") => Format::Mov,
        _ if extension(name).as_deref() == Some("m4v") => Format::M4v,
        _ => Format::Mp4,
    }
}

/// Tells RAW formats that are TIFF files inside from each other and from plain TIFF.
fn tiff_kind(source: &Source<'_>, head: &[u8], name: &Path) -> Format {
    if head.get(8..10) == Some(b"CR") {
        return Format::Cr2;
    }
    let Some(tiff) = Tiff::open(source, 0) else { return Format::Tiff };
    let mut evidence = RawEvidence::default();
    for directory in tiff.main_directories(8) {
        evidence.read(&tiff, &directory);
    }
    if evidence.dng {
        return Format::Dng;
    }
    let named = by_name(name).filter(|format| format.kind() == crate::format::MediaKind::Raw);
    let make = evidence.make.to_ascii_uppercase();
    let by_make = if make.starts_with("NIKON") {
        Some(Format::Nef)
    } else if make.starts_with("SONY") {
        Some(Format::Arw)
    } else if make.starts_with("PENTAX") || make.starts_with("RICOH") || make.starts_with("ASAHI") {
        Some(Format::Pef)
    } else if make.starts_with("SAMSUNG") {
        Some(Format::Srw)
    } else if make.starts_with("OLYMPUS") {
        Some(Format::Orf)
    } else if make.starts_with("CANON") {
        Some(Format::Cr2)
    } else {
        None
    };
    match (by_make, named) {
        (Some(format), _) if evidence.raw => format,
        (Some(format), Some(named)) if format == named => format,
        (None, Some(named)) if evidence.raw => named,
        _ => Format::Tiff,
    }
}

#[derive(Default)]
struct RawEvidence {
    make: String,
    dng: bool,
    raw: bool,
}

impl RawEvidence {
    fn read(&mut self, tiff: &Tiff<'_>, directory: &tiff::Directory) {
        if directory.find(0xc612).is_some() {
            self.dng = true;
        }
        if self.make.is_empty() {
            self.make = directory.text(tiff, 0x010f).unwrap_or_default();
        }
        let compression = directory.number(tiff, 0x0103);
        let photometric = directory.number(tiff, 0x0106);
        // Colour filter array, linear raw, or a maker's own compression.
        if matches!(photometric, Some(32803 | 34892))
            || matches!(compression, Some(32767 | 32769 | 32770 | 32772 | 34713 | 65535))
        {
            self.raw = true;
        }
    }
}

/// The beginnings of common files that are no photos, so that a wrong name does not make them one.
fn known_other(head: &[u8]) -> Option<NotMedia> {
    const OTHER: [&[u8]; 12] = [
        b"%PDF-",
        b"PK\x03\x04",
        b"\x1f\x8b\x08",
        b"\x7fELF",
        b"<!DOCTYPE",
        b"<!doctype",
        b"<html",
        b"<HTML",
        b"SQLite format 3",
        b"#!/",
        b"7z\xbc\xaf\x27\x1c",
        b"Rar!\x1a\x07",
    ];
    const SOUND: [&[u8]; 4] = [b"ID3", b"OggS", b"fLaC", b"#!AMR"];
    if SOUND.iter().any(|magic| head.starts_with(magic)) {
        return Some(NotMedia::Audio);
    }
    if head.starts_with(b"<x:xmpmeta") || head.starts_with(b"<?xpacket") {
        return Some(NotMedia::Sidecar);
    }
    OTHER.iter().any(|magic| head.starts_with(magic)).then_some(NotMedia::OtherKind)
}

fn extension(name: &Path) -> Option<String> {
    Some(name.extension()?.to_str()?.to_ascii_lowercase())
}

/// The format that a file's name promises; [`Format::Unknown`] for photos and videos of kinds that nothing
/// here reads.
#[must_use]
pub fn by_name(name: &Path) -> Option<Format> {
    Some(match extension(name)?.as_str() {
        "jpg" | "jpeg" | "jpe" | "jfif" | "mpo" | "insp" => Format::Jpeg,
        "png" | "apng" => Format::Png,
        "gif" => Format::Gif,
        "webp" => Format::WebP,
        "tif" | "tiff" => Format::Tiff,
        "bmp" | "dib" => Format::Bmp,
        "heic" | "heif" | "hif" | "heics" | "heifs" => Format::Heif,
        "avif" | "avifs" => Format::Avif,
        "jxl" => Format::Jxl,
        "cr2" => Format::Cr2,
        "cr3" => Format::Cr3,
        "crw" => Format::Crw,
        "nef" | "nrw" => Format::Nef,
        "arw" | "sr2" | "srf" => Format::Arw,
        "dng" | "gpr" => Format::Dng,
        "raf" => Format::Raf,
        "orf" => Format::Orf,
        "rw2" | "rwl" => Format::Rw2,
        "pef" => Format::Pef,
        "srw" => Format::Srw,
        "mp4" | "insv" | "lrv" => Format::Mp4,
        "mov" | "qt" => Format::Mov,
        "m4v" => Format::M4v,
        "3gp" | "3g2" | "3gpp" => Format::ThreeGp,
        "avi" => Format::Avi,
        "mkv" => Format::Mkv,
        "webm" => Format::WebM,
        "mpg" | "mpeg" | "mod" | "vob" => Format::Mpeg,
        "mts" | "m2ts" => Format::MpegTs,
        // Photos and videos that are kept although nothing here can read them yet.
        "x3f" | "iiq" | "3fr" | "fff" | "erf" | "mef" | "mos" | "mrw" | "kdc" | "dcr" | "raw" | "cap"
        | "psd" | "psb" | "jp2" | "jpf" | "jpx" | "j2k" | "wmv" | "asf" | "flv" | "ogv" | "crm" => {
            Format::Unknown
        }
        _ => return None,
    })
}
