//! The front door: sniffs a file, sends it to the reader of its format, and settles what they found.

use std::cell::RefCell;
use std::io::{Read, Seek};
use std::path::Path;

use crate::error::MediaError;
use crate::facts::{DateSource, Probe};
use crate::format::{Format, MediaKind};
use crate::settle::Finds;
use crate::source::Source;
use crate::{
    boxes, crw, dates, heif, jpeg, jxl, matroska, motion, movie, mpeg, plain, png, raw, riff, sniff,
};

/// Reads everything that a file in memory says about itself. Never fails: what cannot be read is
/// missing, and [`Probe::warnings`] says why. Only the last part of `name` is looked at.
#[must_use]
pub fn probe(bytes: &[u8], name: &Path) -> Probe {
    probe_source(&Source::memory(bytes), name)
}

/// Like [`probe`], for a file that should not be read as a whole: reads the headers, a few seeks for a
/// video, at most a few megabytes in all but contrived cases.
///
/// # Errors
/// [`MediaError::Read`] when reading or seeking fails.
pub fn probe_reader<R: Read + Seek>(file: &mut R, name: &Path) -> Result<Probe, MediaError> {
    let cell = RefCell::new(file);
    let source = Source::file(&cell).map_err(MediaError::Read)?;
    let probe = probe_source(&source, name);
    source.into_error().map_or(Ok(probe), |error| Err(MediaError::Read(error)))
}

fn probe_source(source: &Source<'_>, name: &Path) -> Probe {
    let head = source.get_some(0, 4096);
    let format = sniff::by_content(source, &head, name).unwrap_or(Format::Unknown);
    let mut finds = Finds::default();
    finds.probe.format = format;
    finds.probe.kind = format.kind();
    read(source, format, &mut finds);
    finds.probe.media_type = media_type(format, &head, finds.probe.animated, name).to_owned();
    if format.kind() == MediaKind::Video && finds.probe.video.is_none() && finds.probe.audio_codec.is_some() {
        // A movie without pictures is a sound recording in a movie's clothes.
        finds.probe.format = Format::M4a;
        finds.probe.kind = MediaKind::Other;
        finds.probe.media_type = Format::M4a.media_type().to_owned();
    }
    motion::find(source, format, &mut finds);
    orient(format, &mut finds);
    let written = name.file_name().and_then(|name| dates::from_name(&name.to_string_lossy()));
    finds.written(written, DateSource::FileName);
    finds.finish()
}

fn read(source: &Source<'_>, format: Format, finds: &mut Finds) {
    match format {
        Format::Jpeg => jpeg::read(source, 0, finds),
        Format::Png => png::read(source, finds),
        Format::Gif => plain::read_gif(source, finds),
        Format::Bmp => plain::read_bmp(source, finds),
        Format::WebP => riff::read_webp(source, finds),
        Format::Heif | Format::Avif => {
            heif::read(source, finds);
            if boxes::find(source, 0, source.len(), b"moov").is_some() {
                movie::read(source, finds);
            }
        }
        Format::Jxl => jxl::read(source, finds),
        Format::Raf => raw::read_raf(source, finds),
        Format::Cr3 => raw::read_cr3(source, finds),
        Format::Crw => crw::read(source, finds),
        Format::Tiff
        | Format::Cr2
        | Format::Nef
        | Format::Arw
        | Format::Dng
        | Format::Orf
        | Format::Rw2
        | Format::Pef
        | Format::Srw => raw::read_tiff(source, format, finds),
        Format::Mp4 | Format::Mov | Format::M4v | Format::ThreeGp | Format::M4a => movie::read(source, finds),
        Format::Avi => riff::read_avi(source, finds),
        Format::Mpeg => mpeg::read_program_stream(source, finds),
        Format::MpegTs => mpeg::read_transport_stream(source, finds),
        Format::Mkv | Format::WebM => matroska::read(source, finds),
        Format::Unknown => finds.warn("neither a photo nor a video by its content"),
    }
}

/// Settles which orientation is to be applied: that of the coded picture where the format has one.
fn orient(format: Format, finds: &mut Finds) {
    if finds.probe.exif_orientation.is_none() {
        finds.probe.exif_orientation = finds.xmp_orientation;
    }
    let by_tag = matches!(format, Format::Jpeg | Format::Png | Format::WebP | Format::Tiff)
        || format.kind() == MediaKind::Raw;
    if by_tag {
        finds.probe.orientation = finds.probe.exif_orientation.unwrap_or(1);
    }
}

/// The media type, told apart by brand, else by name, where one format has several.
fn media_type(format: Format, head: &[u8], animated: bool, name: &Path) -> &'static str {
    let brand = head.get(8..12).unwrap_or_default();
    let named = |wanted: &str| name.extension().is_some_and(|found| found.eq_ignore_ascii_case(wanted));
    match (format, brand) {
        (Format::Heif, b"mif1" | b"mif2" | b"miaf" | b"heim" | b"heis") => "image/heif",
        (Format::Heif, b"msf1") => "image/heif-sequence",
        (Format::Heif, b"hevc" | b"hevx" | b"hevm" | b"hevs") => "image/heic-sequence",
        (Format::ThreeGp, [b'3', b'g', b'2', _]) => "video/3gpp2",
        (Format::Png, _) if animated => "image/apng",
        // Makers' second kinds of RAW differ from the first in little but the name.
        (Format::Nef, _) if named("nrw") => "image/x-nikon-nrw",
        (Format::Arw, _) if named("sr2") => "image/x-sony-sr2",
        (Format::Arw, _) if named("srf") => "image/x-sony-srf",
        (Format::Dng, _) if named("gpr") => "image/x-gopro-gpr",
        (Format::Rw2, _) if named("rwl") => "image/x-leica-rwl",
        _ => format.media_type(),
    }
}
