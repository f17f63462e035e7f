//! Walks TIFF directories: the skeleton of EXIF, of TIFF itself and of most RAW files.
//!
//! Invariant: directories and values are looked up where the file says and nowhere outside it; loops
//! end, counts are bounded, and an entry that makes no sense is skipped while its neighbours are read.
//! As forgiving as exiftool, because real files are wrong in real ways. (TIFF 6.0, EXIF 2.32, BigTIFF.)

use std::borrow::Cow;

use crate::source::Source;

/// More entries than any camera writes.
const MOST_ENTRIES: u64 = 2048;
/// Larger values are pixels or padding.
const MOST_VALUE_BYTES: u64 = 16 << 20;
/// Longer texts are cut: a directory may name the same text in each of its entries.
const MOST_TEXT_BYTES: u64 = 16 << 10;
/// Numbers taken from one entry; strips of a large TIFF may be many.
const MOST_NUMBERS: u64 = 1 << 16;

/// Which end of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        if self == Self::Little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }
    }

    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        if self == Self::Little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    }

    pub(crate) fn u64(self, bytes: [u8; 8]) -> u64 {
        if self == Self::Little { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) }
    }

    /// The 16-bit number at `at` in `bytes`.
    pub(crate) fn u16_at(self, bytes: &[u8], at: usize) -> Option<u16> {
        Some(self.u16(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
    }

    /// The 32-bit number at `at` in `bytes`.
    pub(crate) fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        Some(self.u32(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
    }
}

/// A TIFF structure inside a file.
#[derive(Clone, Copy)]
pub(crate) struct Tiff<'s> {
    source: &'s Source<'s>,
    /// What offsets count from, in the file.
    base: u64,
    pub(crate) order: Order,
    big: bool,
    first: u64,
}

/// One directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    pub(crate) entries: Vec<Entry>,
    /// Offset of the next directory, 0 for none.
    pub(crate) next: u64,
}

/// One entry: a tag and where its value is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) tag: u16,
    pub(crate) kind: u16,
    pub(crate) count: u64,
    /// Offset of the value, from the structure's base.
    pub(crate) at: u64,
    /// Length of the value.
    pub(crate) bytes: u64,
}

impl<'s> Tiff<'s> {
    /// Reads the eight or sixteen bytes that begin a TIFF structure at `base`.
    pub(crate) fn open(source: &'s Source<'s>, base: u64) -> Option<Self> {
        let head: [u8; 8] = source.array(base)?;
        let order = match &head[..2] {
            b"II" => Order::Little,
            b"MM" => Order::Big,
            _ => return None,
        };
        let magic = order.u16([head[2], head[3]]);
        // 42 is TIFF, 43 BigTIFF, 0x55 Panasonic, 0x4f52 and 0x5352 Olympus.
        let (big, first) = match magic {
            43 => (true, order.u64(source.array(base.checked_add(8)?)?)),
            42 | 0x55 | 0x4f52 | 0x5352 => {
                (false, u64::from(order.u32([head[4], head[5], head[6], head[7]])))
            }
            _ => return None,
        };
        Some(Self { source, base, order, big, first })
    }

    /// A structure without a header of its own (makers' notes), whose offsets count from `base`.
    pub(crate) fn headless(source: &'s Source<'s>, base: u64, order: Order) -> Self {
        Self { source, base, order, big: false, first: 0 }
    }

    /// What offsets count from, in the file.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// The bytes that it is part of.
    pub(crate) fn source(&self) -> &'s Source<'s> {
        self.source
    }

    /// The first directory.
    pub(crate) fn first(&self) -> Option<Directory> {
        self.directory(self.first)
    }

    /// The directory at `offset` from the base; entries that cannot be right are left out.
    pub(crate) fn directory(&self, offset: u64) -> Option<Directory> {
        if offset == 0 {
            return None;
        }
        let start = self.base.checked_add(offset)?;
        let (count, head, size) = if self.big {
            (self.order.u64(self.source.array(start)?), 8, 20)
        } else {
            (u64::from(self.order.u16(self.source.array(start)?)), 2, 12)
        };
        let count = count.min(MOST_ENTRIES);
        let table = self.source.get_some(start.checked_add(head)?, usize::try_from(count * size).ok()?);
        let mut entries = Vec::with_capacity(table.len() / usize::try_from(size).ok()?);
        for (index, raw) in table.chunks_exact(usize::try_from(size).ok()?).enumerate() {
            let value_at = offset + head + index as u64 * size + if self.big { 12 } else { 8 };
            entries.extend(self.entry(raw, value_at));
        }
        let next_at = start.checked_add(head)?.checked_add(count * size)?;
        let next = if self.big {
            self.source.array(next_at).map(|bytes| self.order.u64(bytes))
        } else {
            self.source.array(next_at).map(|bytes| u64::from(self.order.u32(bytes)))
        };
        Some(Directory { entries, next: next.unwrap_or(0) })
    }

    fn entry(&self, raw: &[u8], value_at: u64) -> Option<Entry> {
        let tag = self.order.u16_at(raw, 0)?;
        let kind = self.order.u16_at(raw, 2)?;
        let (count, room) = if self.big {
            (self.order.u64(raw.get(4..12)?.try_into().ok()?), 8)
        } else {
            (u64::from(self.order.u32_at(raw, 4)?), 4)
        };
        let bytes = count.checked_mul(width_of(kind)?)?;
        let at = if bytes <= room {
            value_at
        } else if self.big {
            self.order.u64(raw.get(12..20)?.try_into().ok()?)
        } else {
            u64::from(self.order.u32_at(raw, 8)?)
        };
        Some(Entry { tag, kind, count, at, bytes })
    }

    /// The chain of main directories, each once, with their SubIFDs right after them; at most `most`.
    pub(crate) fn main_directories(&self, most: usize) -> Vec<Directory> {
        let mut found = Vec::new();
        let mut seen = Vec::new();
        let mut next = self.first;
        while next != 0 && !seen.contains(&next) && found.len() < most {
            seen.push(next);
            let Some(directory) = self.directory(next) else { break };
            next = directory.next;
            let children = directory.numbers(self, 0x014a);
            found.push(directory);
            for child in children.into_iter().take(16) {
                if found.len() < most && !seen.contains(&child) {
                    seen.push(child);
                    found.extend(self.directory(child));
                }
            }
        }
        found
    }
}

fn width_of(kind: u16) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 | 129 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 | 17 | 18 => Some(8),
        _ => None,
    }
}

impl Entry {
    /// The raw bytes of the value.
    pub(crate) fn value<'s>(&self, tiff: &Tiff<'s>) -> Option<Cow<'s, [u8]>> {
        if self.bytes > MOST_VALUE_BYTES {
            return None;
        }
        tiff.source.get(tiff.base.checked_add(self.at)?, usize::try_from(self.bytes).ok()?)
    }

    /// The value as unsigned numbers, from any integer type.
    pub(crate) fn numbers(&self, tiff: &Tiff<'_>) -> Vec<u64> {
        if self.count > MOST_NUMBERS {
            return Vec::new();
        }
        let Some(value) = self.value(tiff) else { return Vec::new() };
        let order = tiff.order;
        match self.kind {
            1 | 6 | 7 | 2 => value.iter().map(|byte| u64::from(*byte)).collect(),
            3 | 8 => value.chunks_exact(2).map(|b| u64::from(order.u16([b[0], b[1]]))).collect(),
            4 | 9 | 13 => {
                value.chunks_exact(4).map(|b| u64::from(order.u32([b[0], b[1], b[2], b[3]]))).collect()
            }
            16..=18 => value.chunks_exact(8).filter_map(|b| Some(order.u64(b.try_into().ok()?))).collect(),
            5 => value
                .chunks_exact(8)
                .map(|b| {
                    let (top, bottom) =
                        (order.u32([b[0], b[1], b[2], b[3]]), order.u32([b[4], b[5], b[6], b[7]]));
                    u64::from(top.checked_div(bottom).unwrap_or(0))
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The value as real numbers, from any numeric type; a fraction over zero is `None`.
    pub(crate) fn reals(&self, tiff: &Tiff<'_>) -> Vec<Option<f64>> {
        if self.count > MOST_NUMBERS {
            return Vec::new();
        }
        let Some(value) = self.value(tiff) else { return Vec::new() };
        let order = tiff.order;
        let signed = |b: &[u8]| order.u32([b[0], b[1], b[2], b[3]]).cast_signed();
        let over = |top: f64, bottom: f64| (bottom != 0.0).then(|| top / bottom);
        match self.kind {
            5 => value
                .chunks_exact(8)
                .map(|b| {
                    over(f64::from(signed(b).cast_unsigned()), f64::from(signed(&b[4..]).cast_unsigned()))
                })
                .collect(),
            10 => value
                .chunks_exact(8)
                .map(|b| over(f64::from(signed(b)), f64::from(signed(&b[4..]))))
                .collect(),
            8 => value
                .chunks_exact(2)
                .map(|b| Some(f64::from(order.u16([b[0], b[1]]).cast_signed())))
                .collect(),
            9 => value.chunks_exact(4).map(|b| Some(f64::from(signed(b)))).collect(),
            11 => value
                .chunks_exact(4)
                .map(|b| Some(f64::from(f32::from_bits(order.u32([b[0], b[1], b[2], b[3]])))))
                .collect(),
            12 => value
                .chunks_exact(8)
                .map(|b| b.try_into().ok().map(|b| f64::from_bits(order.u64(b))))
                .collect(),
            _ => self
                .numbers(tiff)
                .into_iter()
                .map(|number| u32::try_from(number).ok().map(f64::from))
                .collect(),
        }
    }

    /// The value as text, up to the first NUL, trimmed; `None` when nothing is left.
    pub(crate) fn text(&self, tiff: &Tiff<'_>) -> Option<String> {
        let kept = Self { bytes: self.bytes.min(MOST_TEXT_BYTES), ..*self };
        // A text that claims to reach past the end of the file is cut there, as exiftool does.
        let value = kept.value(tiff)?;
        // A letter of several bytes is not cut in two.
        let cut = if kept.bytes < self.bytes {
            value.iter().rposition(|byte| byte & 0xc0 != 0x80).unwrap_or(0)
        } else {
            value.len()
        };
        text_of(value.get(..cut)?)
    }
}

impl Directory {
    /// The first entry with a tag.
    pub(crate) fn find(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// The first number of a tag.
    pub(crate) fn number(&self, tiff: &Tiff<'_>, tag: u16) -> Option<u64> {
        self.numbers(tiff, tag).first().copied()
    }

    /// All numbers of a tag.
    pub(crate) fn numbers(&self, tiff: &Tiff<'_>, tag: u16) -> Vec<u64> {
        self.find(tag).map(|entry| entry.numbers(tiff)).unwrap_or_default()
    }

    /// The first real number of a tag.
    pub(crate) fn real(&self, tiff: &Tiff<'_>, tag: u16) -> Option<f64> {
        self.find(tag)?.reals(tiff).first().copied().flatten().filter(|number| number.is_finite())
    }

    /// The text of a tag.
    pub(crate) fn text(&self, tiff: &Tiff<'_>, tag: u16) -> Option<String> {
        self.find(tag)?.text(tiff)
    }
}

/// Decodes a byte text as cameras write it: UTF-8, else Latin-1; up to NUL; trimmed.
pub(crate) fn text_of(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let bytes = bytes.get(..end)?;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().trim().to_owned(),
    };
    (!text.is_empty()).then_some(text)
}
