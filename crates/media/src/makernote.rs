//! Reads the few things in makers' private notes that a library needs: Apple's Live Photo and burst
//! identifiers, lens names, and where a RAW file's preview is.
//!
//! Invariant: a note of unknown shape is left alone. Layouts differ in where offsets count from, which
//! is what [`Note::open`] knows. (No maker documents them; found out by looking at files, and by the
//! published tables of exiftool's documentation.)

use jiff::civil::DateTime;

use crate::facts::DateSource;
use crate::settle::{self, Finds};
use crate::tiff::{Directory, Entry, Order, Tiff};

/// A maker's note that could be opened.
pub(crate) struct Note<'s> {
    pub(crate) maker: Maker,
    pub(crate) tiff: Tiff<'s>,
    pub(crate) directory: Directory,
}

/// Makers whose notes are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    Apple,
    Canon,
    Nikon,
    Olympus,
    Pentax,
}

impl<'s> Note<'s> {
    /// Opens the note that an EXIF entry holds.
    pub(crate) fn open(exif: &Tiff<'s>, entry: &Entry, make: &str) -> Option<Self> {
        let start = exif.base().checked_add(entry.at)?;
        let head = exif.source().get_some(start, 20);
        let order_at = |at: usize| match head.get(at..at + 2) {
            Some(b"II") => Some(Order::Little),
            Some(b"MM") => Some(Order::Big),
            _ => None,
        };
        // (maker, where offsets count from, where the directory is from there, byte order)
        let (maker, base, offset, order) = if head.starts_with(b"Apple iOS\0") {
            (Maker::Apple, start, 14, order_at(12).unwrap_or(Order::Big))
        } else if head.starts_with(b"Nikon\0\x02") {
            let inner = Tiff::open(exif.source(), start.checked_add(10)?)?;
            let directory = inner.first()?;
            return Some(Self { maker: Maker::Nikon, tiff: inner, directory });
        } else if head.starts_with(b"OLYMPUS\0") {
            (Maker::Olympus, start, 12, order_at(8).unwrap_or(exif.order))
        } else if head.starts_with(b"OM SYSTEM\0") {
            (Maker::Olympus, start, 16, order_at(12).unwrap_or(exif.order))
        } else if head.starts_with(b"OLYMP\0") || head.starts_with(b"CAMER\0") || head.starts_with(b"EPSON\0")
        {
            (Maker::Olympus, exif.base(), entry.at.checked_add(8)?, exif.order)
        } else if head.starts_with(b"PENTAX \0") {
            (Maker::Pentax, start, 10, order_at(8).unwrap_or(exif.order))
        } else if head.starts_with(b"AOC\0") {
            (Maker::Pentax, exif.base(), entry.at.checked_add(6)?, order_at(4).unwrap_or(exif.order))
        } else if make.to_ascii_uppercase().starts_with("CANON") {
            (Maker::Canon, exif.base(), entry.at, exif.order)
        } else {
            return None;
        };
        let tiff = Tiff::headless(exif.source(), base, order);
        let directory = tiff.directory(offset)?;
        Some(Self { maker, tiff, directory })
    }

    /// A directory inside the note, by the tag that points to it.
    pub(crate) fn inner(&self, tag: u16) -> Option<Directory> {
        let entry = self.directory.find(tag)?;
        // As an offset, or with the directory itself as the value.
        let offset = if entry.count == 1 { *entry.numbers(&self.tiff).first()? } else { entry.at };
        self.tiff.directory(offset)
    }
}

/// Reads what a note tells.
pub(crate) fn read(exif: &Tiff<'_>, entry: &Entry, finds: &mut Finds) {
    read_reconyx(exif, entry, finds);
    let make = finds.probe.make.clone().unwrap_or_default();
    if let Some(note) = Note::open(exif, entry, &make) {
        understand(&note, finds);
    }
}

/// Reconyx camera traps keep the date in their note alone: second, minute, hour, month, day, year.
fn read_reconyx(exif: &Tiff<'_>, entry: &Entry, finds: &mut Finds) {
    let Some(note) = exif.base().checked_add(entry.at).and_then(|start| exif.source().get(start, 44)) else {
        return;
    };
    let word = |index: usize| exif.order.u16_at(&note, index * 2);
    if word(0) != Some(0xf101) {
        return;
    }
    let part = |index: usize| word(index).and_then(|value| i8::try_from(value).ok());
    let date = || {
        let year = i16::try_from(word(16)?).ok()?;
        DateTime::new(year, part(14)?, part(15)?, part(13)?, part(12)?, part(11)?, 0).ok()
    };
    if let Some(date) = date() {
        finds.date(date, None, DateSource::ExifOriginal);
    }
}

/// Reads a note that is known to be Canon's and has a TIFF header of its own (CR3).
pub(crate) fn read_canon(tiff: &Tiff<'_>, directory: Directory, finds: &mut Finds) {
    understand(&Note { maker: Maker::Canon, tiff: *tiff, directory }, finds);
}

fn understand(note: &Note<'_>, finds: &mut Finds) {
    let text = |tag: u16| note.directory.text(&note.tiff, tag);
    let probe = &mut finds.probe;
    match note.maker {
        Maker::Apple => {
            settle::offer(&mut probe.burst_id, text(0x000b).as_deref());
            settle::offer(&mut probe.content_identifier, text(0x0011).as_deref());
        }
        Maker::Canon => settle::offer(&mut probe.lens, text(0x0095).as_deref()),
        Maker::Olympus => {
            if let Some(equipment) = note.inner(0x2010) {
                settle::offer(&mut probe.lens, equipment.text(&note.tiff, 0x0203).as_deref());
            }
        }
        Maker::Nikon | Maker::Pentax => {}
    }
}
