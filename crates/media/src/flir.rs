//! Reads the date and position that FLIR's thermal cameras keep in their own block of a JPEG.
//!
//! Invariant: records are read where the block's directory says, and nowhere outside the block.
//! (Layout as in exiftool's documentation of FLIR tags.)

use crate::dates;
use crate::facts::{DateSource, GpsSource};
use crate::settle::Finds;
use crate::tiff::Order;

const CAMERA: u16 = 0x20;
const POSITION: u16 = 0x2b;

/// Reads an `FFF` block.
pub(crate) fn read(block: &[u8], finds: &mut Finds) {
    if !block.starts_with(b"FFF\0") && !block.starts_with(b"AFF\0") {
        return;
    }
    // The version number tells the byte order; it is about 100.
    let order = match Order::Big.u32_at(block, 0x14) {
        Some(100..200) => Order::Big,
        _ => Order::Little,
    };
    let number = |at: usize| order.u32_at(block, at).map(|value| value as usize);
    let (Some(directory), Some(count)) = (number(0x18), number(0x1c)) else { return };
    for index in 0..count.min(64) {
        let entry = directory.saturating_add(index * 32);
        let (Some(kind), Some(start), Some(length)) =
            (order.u16_at(block, entry), number(entry.saturating_add(12)), number(entry.saturating_add(16)))
        else {
            break;
        };
        let Some(record) = start.checked_add(length).and_then(|end| block.get(start..end)) else { continue };
        match kind {
            CAMERA => camera(record, finds),
            POSITION => position(record, finds),
            _ => {}
        }
    }
}

/// Each record begins with a small number, which tells its byte order.
fn order_of(record: &[u8]) -> Order {
    if matches!(record, [1..=9, 0, ..]) { Order::Little } else { Order::Big }
}

fn camera(record: &[u8], finds: &mut Finds) {
    let order = order_of(record);
    let (Some(seconds), Some(millis), Some(zone)) =
        (order.u32_at(record, 900), order.u32_at(record, 904), order.u16_at(record, 908))
    else {
        return;
    };
    // Minutes west of Greenwich.
    let zone = -zone.cast_signed();
    if seconds == 0 || !(-12 * 60..=14 * 60).contains(&zone) {
        return;
    }
    let local = dates::from_unix(i64::from(seconds) + i64::from(zone) * 60);
    if let Some(local) = local {
        let local = dates::with_subseconds(local, &format!("{:03}", millis & 0xffff));
        finds.date(local, Some(zone), DateSource::ExifOriginal);
    }
}

fn position(record: &[u8], finds: &mut Finds) {
    let order = order_of(record);
    // Whether the position is valid at all.
    if order.u32_at(record, 0).is_none_or(|valid| valid == 0) {
        return;
    }
    let degrees = |at: usize, reference: usize, negative: u8| {
        let bytes: [u8; 8] = record.get(at..at + 8)?.try_into().ok()?;
        let value = f64::from_bits(order.u64(bytes));
        Some(if record.get(reference) == Some(&negative) { -value.abs() } else { value })
    };
    if let (Some(latitude), Some(longitude)) = (degrees(0x10, 0x08, b'S'), degrees(0x18, 0x0a, b'W')) {
        let altitude = order.u32_at(record, 0x20).map(|bits| f64::from(f32::from_bits(bits)));
        finds.position(latitude, longitude, altitude.filter(|metres| metres.is_finite()), GpsSource::Exif);
    }
}
