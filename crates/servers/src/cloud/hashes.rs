//! The checksums that the three compute, written apart from those in `store`, so that both can be wrong only alike.

use safelight_crypto::sha256;

/// SHA-256 of the SHA-256 of blocks of 4 MiB.
pub(super) fn dropbox(bytes: &[u8]) -> String {
    let blocks: Vec<[u8; 32]> = bytes.chunks(4 * 1024 * 1024).map(|block| sha256(&[block])).collect();
    let parts: Vec<&[u8]> = blocks.iter().map(<[u8; 32]>::as_slice).collect();
    data_encoding::HEXLOWER.encode(&sha256(&parts))
}

/// Microsoft's published method, in its three cells of 64, 64 and 32 bits.
pub(super) fn quick_xor(bytes: &[u8]) -> String {
    const WIDTH: usize = 160;
    let mut cells = [0_u64; 3];
    let (mut cell, mut offset) = (0, 0);
    for start in 0..bytes.len().min(WIDTH) {
        let xored = bytes.iter().skip(start).step_by(WIDTH).fold(0_u8, |all, byte| all ^ byte);
        let width = if cell == 2 { 32 } else { 64 };
        let next = if cell == 2 { 0 } else { cell + 1 };
        cells[cell] ^= u64::from(xored) << offset;
        if offset > width - 8 {
            cells[next] ^= u64::from(xored) >> (width - offset);
        }
        offset += 11;
        if offset >= width {
            (cell, offset) = (next, offset - width);
        }
    }
    // What was shifted out of the last cell went into the first.
    cells[2] &= u64::from(u32::MAX);
    let mut hash: Vec<u8> = cells.iter().flat_map(|cell| cell.to_le_bytes()).take(WIDTH / 8).collect();
    for (slot, byte) in hash.iter_mut().skip(12).zip((bytes.len() as u64).to_le_bytes()) {
        *slot ^= byte;
    }
    data_encoding::BASE64.encode(&hash)
}

/// SHA-256 as hex.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&sha256(&[bytes]))
}
