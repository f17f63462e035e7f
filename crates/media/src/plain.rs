//! Reads the simple formats: GIF and BMP.
//!
//! Invariant: a GIF's frames are counted by walking its blocks, never by unpacking them.
//! (GIF89a specification; Windows bitmap headers.)

use crate::settle::Finds;
use crate::source::Source;
use crate::xmp::{self, Packet};

/// What is looked at of a GIF.
const MOST_GIF_BYTES: usize = 32 << 20;

/// Reads a GIF.
pub(crate) fn read_gif(source: &Source<'_>, finds: &mut Finds) {
    let bytes = source.get_some(0, MOST_GIF_BYTES);
    let side =
        |at: usize| bytes.get(at..at + 2).map(|pair| u64::from(u16::from_le_bytes([pair[0], pair[1]])));
    if let (Some(width), Some(height)) = (side(6), side(8)) {
        finds.size(width, height);
    }
    let mut walk = GifWalk { bytes: &bytes, at: 10, frames: 0, hundredths: 0 };
    if walk.blocks(finds).is_none() {
        finds.warn("the GIF is cut off");
    }
    if walk.frames > 1 {
        finds.probe.animated = true;
        finds.probe.duration_millis = Some(walk.hundredths * 10);
    }
}

struct GifWalk<'b> {
    bytes: &'b [u8],
    at: usize,
    frames: u32,
    hundredths: u64,
}

impl GifWalk<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn skip_table(&mut self, flags: u8) {
        if flags & 0x80 != 0 {
            self.at += 3 << ((flags & 7) + 1);
        }
    }

    fn skip_sub_blocks(&mut self) -> Option<()> {
        loop {
            match self.byte()? {
                0 => return Some(()),
                length => self.at += usize::from(length),
            }
        }
    }

    fn blocks(&mut self, finds: &mut Finds) -> Option<()> {
        let flags = self.byte()?;
        self.at += 2;
        self.skip_table(flags);
        loop {
            match self.byte()? {
                0x2c => {
                    self.frames += 1;
                    self.at += 8;
                    let flags = self.byte()?;
                    self.skip_table(flags);
                    self.at += 1;
                    self.skip_sub_blocks()?;
                }
                0x21 => self.extension(finds)?,
                0x3b => return Some(()),
                _ => {}
            }
        }
    }

    fn extension(&mut self, finds: &mut Finds) -> Option<()> {
        match self.byte()? {
            0xf9 => {
                let delay = self.bytes.get(self.at + 2..self.at + 4)?;
                self.hundredths += u64::from(u16::from_le_bytes([delay[0], delay[1]]));
            }
            0xff if self.bytes.get(self.at + 1..self.at + 12) == Some(b"XMP DataXMP") => {
                // The packet stands as it is; its "magic trailer" makes sub-block walkers end well.
                let start = self.at + 12;
                let rest = self.bytes.get(start..)?;
                let most = rest.get(..rest.len().min(xmp::MOST_BYTES))?;
                let end = most.windows(2).position(|pair| pair == [0x01, 0xff]).unwrap_or(most.len());
                Packet::parse(most.get(..end)?).apply(finds);
            }
            _ => {}
        }
        self.skip_sub_blocks()
    }
}

/// Reads a BMP.
pub(crate) fn read_bmp(source: &Source<'_>, finds: &mut Finds) {
    if source.le32(14) == Some(12) {
        if let Some([w0, w1, h0, h1]) = source.array(18) {
            finds.size(u16::from_le_bytes([w0, w1]).into(), u16::from_le_bytes([h0, h1]).into());
        }
    } else if let (Some(width), Some(height)) = (source.le32(18), source.le32(22)) {
        finds.size(width.into(), height.cast_signed().unsigned_abs().into());
    }
}
