//! Reads CRW, Canon's first RAW format: a heap of records with its directory at the end (CIFF).
//!
//! Invariant: directories nest to a fixed depth and hold a bounded number of records.
//! (CIFF specification 1.0 revision 4.)

use crate::dates;
use crate::facts::DateSource;
use crate::settle::{self, Finds};
use crate::source::Source;
use crate::tiff::{Order, text_of};

const MOST_RECORDS: u16 = 512;

/// A record: its tag without the storage bits, and where its value is in the file.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    pub(crate) tag: u16,
    pub(crate) start: u64,
    pub(crate) bytes: u64,
}

/// All records of the heap.
pub(crate) fn records(source: &Source<'_>) -> Vec<Record> {
    let mut found = Vec::new();
    let Some(head) = source.get(0, 14) else { return found };
    let order = if head.starts_with(b"MM") { Order::Big } else { Order::Little };
    if let Some(start) = order.u32_at(&head, 2) {
        directory(source, order, start.into(), source.len(), 0, &mut found);
    }
    found
}

fn directory(
    source: &Source<'_>,
    order: Order,
    start: u64,
    end: u64,
    depth: u8,
    found: &mut Vec<Record>,
) -> Option<()> {
    let table = start.checked_add(order.u32(source.array(end.checked_sub(4)?)?).into())?;
    let count = order.u16(source.array(table)?).min(MOST_RECORDS);
    let entries = source.get_some(table + 2, usize::from(count) * 10);
    for (index, entry) in entries.chunks_exact(10).enumerate() {
        let tag = order.u16_at(entry, 0)?;
        let (value, bytes) = if tag & 0x4000 != 0 {
            (table + 2 + index as u64 * 10 + 2, 8)
        } else {
            (start.checked_add(order.u32_at(entry, 6)?.into())?, u64::from(order.u32_at(entry, 2)?))
        };
        let is_directory = matches!(tag & 0x3800, 0x2800 | 0x3000);
        if is_directory && tag & 0x4000 == 0 && depth < 5 {
            let stop = value.checked_add(bytes)?;
            if stop <= source.len() {
                directory(source, order, value, stop, depth + 1, found);
            }
        } else if found.len() < 4096 {
            found.push(Record { tag: tag & 0x3fff, start: value, bytes });
        }
    }
    Some(())
}

/// Reads a CRW.
pub(crate) fn read(source: &Source<'_>, finds: &mut Finds) {
    let order = if source.array(0) == Some(*b"MM") { Order::Big } else { Order::Little };
    for record in records(source) {
        let number = |at: u64| source.array(record.start + at).map(|bytes| order.u32(bytes));
        match record.tag {
            // Maker and model, one after the other.
            0x080a => {
                let bytes =
                    source.get_some(record.start, usize::try_from(record.bytes).unwrap_or(0).min(256));
                let mut texts = bytes.split(|byte| *byte == 0);
                settle::offer(&mut finds.probe.make, texts.next().and_then(text_of).as_deref());
                settle::offer(&mut finds.probe.model, texts.next().and_then(text_of).as_deref());
            }
            0x180e => {
                let local = number(0).and_then(|seconds| dates::from_unix(seconds.into()));
                if let Some(local) = local.filter(|local| local.year() > 1970) {
                    finds.date(local, None, DateSource::ExifOriginal);
                }
            }
            0x1810 => {
                if let (Some(width), Some(height)) = (number(0), number(4)) {
                    finds.size(width.into(), height.into());
                }
                let orientation = match number(12).map(u32::cast_signed) {
                    Some(90) => 6,
                    Some(180) => 3,
                    Some(270 | -90) => 8,
                    _ => 1,
                };
                finds.exif_orientation(orientation);
            }
            _ => {}
        }
    }
    if finds.probe.width.is_none() {
        finds.warn("the CRW heap is damaged");
    }
}
