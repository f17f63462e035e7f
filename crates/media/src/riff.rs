//! Walks RIFF files: WebP and AVI.
//!
//! Invariant: lists are entered to a fixed depth, movie data is skipped by its stated length.
//! (WebP container specification; AVI RIFF reference; EXIF 2.32 annex on RIFF.)

use crate::dates;
use crate::exif;
use crate::facts::{DateSource, VideoTrack};
use crate::settle::{self, Finds};
use crate::source::Source;
use crate::tiff::text_of;
use crate::xmp::{self, Packet};

const MOST_CHUNKS: usize = 20_000;

struct Chunk {
    kind: [u8; 4],
    start: u64,
    bytes: u64,
}

/// The chunks between two places.
fn chunks(source: &Source<'_>, start: u64, end: u64, most: usize) -> Vec<Chunk> {
    let mut found = Vec::new();
    let mut at = start;
    while at.saturating_add(8) <= end && found.len() < most {
        let Some([a, b, c, d, s0, s1, s2, s3]) = source.array(at) else { break };
        let bytes = u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
        found.push(Chunk { kind: [a, b, c, d], start: at + 8, bytes });
        at += 8 + bytes + (bytes & 1);
    }
    found
}

/// Reads a WebP.
pub(crate) fn read_webp(source: &Source<'_>, finds: &mut Finds) {
    let mut frames = 0u32;
    let mut millis = 0u64;
    for chunk in chunks(source, 12, source.len(), MOST_CHUNKS) {
        let three =
            |at: u64| source.array::<3>(at).map(|[a, b, c]| u64::from(u32::from_le_bytes([a, b, c, 0])));
        match &chunk.kind {
            b"VP8X" => {
                if let (Some(width), Some(height)) = (three(chunk.start + 4), three(chunk.start + 7)) {
                    finds.size(width + 1, height + 1);
                }
            }
            b"VP8 " => {
                if let Some([0x9d, 0x01, 0x2a, w0, w1, h0, h1]) = source.array(chunk.start + 3) {
                    let side = |low, high| u64::from(u16::from_le_bytes([low, high]) & 0x3fff);
                    finds.size(side(w0, w1), side(h0, h1));
                }
            }
            b"VP8L" => {
                if let Some([0x2f, a, b, c, d]) = source.array(chunk.start) {
                    let bits = u32::from_le_bytes([a, b, c, d]);
                    finds.size(u64::from(bits & 0x3fff) + 1, u64::from((bits >> 14) & 0x3fff) + 1);
                }
            }
            b"ANMF" => {
                frames += 1;
                millis += three(chunk.start + 12).unwrap_or(0);
            }
            b"EXIF" => {
                let skip = if source.array(chunk.start) == Some(*b"Exif\0\0") { 6 } else { 0 };
                exif::read(source, chunk.start + skip, finds);
            }
            b"XMP " => {
                let bytes = source.get_some(chunk.start, bounded(chunk.bytes, xmp::MOST_BYTES));
                Packet::parse(&bytes).apply(finds);
            }
            _ => {}
        }
    }
    if frames > 1 {
        finds.probe.animated = true;
        finds.probe.duration_millis = Some(millis);
    }
}

fn bounded(bytes: u64, most: usize) -> usize {
    usize::try_from(bytes).unwrap_or(most).min(most)
}

/// Programs count the header in or not, and may leave out the byte that makes a length even.
const MISCOUNTED_BYTES: u64 = 9;
/// What is written for a length while it is not known; who stops then leaves it so.
const UNKNOWN_BYTES: u64 = 0xffff_ff00;

/// Reads an AVI.
pub(crate) fn read_avi(source: &Source<'_>, finds: &mut Finds) {
    let mut avi = Avi::default();
    // A long one is several of these, one behind the other.
    for riff in chunks(source, 0, source.len(), 2_000).iter().take_while(|riff| &riff.kind == b"RIFF") {
        states_end(source, riff, MISCOUNTED_BYTES, finds);
    }
    avi.level(source, 12, source.len(), 0, finds);
    avi.finish(finds);
}

/// A chunk that reaches beyond the file by more than may be miscounted tells that the file ends early.
fn states_end(source: &Source<'_>, chunk: &Chunk, miscounted_bytes: u64, finds: &mut Finds) {
    let end = chunk.start + chunk.bytes;
    if chunk.bytes < UNKNOWN_BYTES && end > source.len() + miscounted_bytes {
        finds.states_end(end, source.len());
    }
}

#[derive(Default)]
struct Avi {
    micros_per_frame: u32,
    frames: u32,
    /// Kind of the stream whose format comes next.
    stream: [u8; 4],
    video: Option<VideoTrack>,
    video_seconds: Option<f64>,
}

impl Avi {
    fn level(&mut self, source: &Source<'_>, start: u64, end: u64, depth: u8, finds: &mut Finds) {
        for chunk in chunks(source, start, end, 2_000) {
            let chunk_end = chunk.start.saturating_add(chunk.bytes).min(end);
            match &chunk.kind {
                b"LIST" if depth < 4 && source.array(chunk.start) != Some(*b"movi") => {
                    self.level(source, chunk.start.saturating_add(4), chunk_end, depth + 1, finds);
                }
                b"LIST" => states_end(source, &chunk, 1, finds),
                _ => self.chunk(source, &chunk, finds),
            }
        }
    }

    fn chunk(&mut self, source: &Source<'_>, chunk: &Chunk, finds: &mut Finds) {
        let number = |at: u64| source.le32(chunk.start + at).unwrap_or(0);
        let text = || text_of(&source.get_some(chunk.start, bounded(chunk.bytes, 16 << 10)));
        match &chunk.kind {
            b"avih" => {
                self.micros_per_frame = number(0);
                self.frames = number(16);
                finds.size(number(32).into(), number(36).into());
            }
            b"strh" => {
                self.stream = source.array(chunk.start).unwrap_or_default();
                if &self.stream == b"vids" && self.video.is_none() {
                    let (scale, rate, length) = (number(20), number(24), number(32));
                    let mut video =
                        VideoTrack { codec: fourcc(source.array(chunk.start + 4)), ..VideoTrack::default() };
                    if scale > 0 && rate > 0 {
                        let per_second = f64::from(rate) / f64::from(scale);
                        video.frames_per_second = Some(per_second);
                        self.video_seconds = Some(f64::from(length) / per_second);
                    }
                    self.video = Some(video);
                }
            }
            b"strf" if &self.stream == b"vids" => {
                let (width, height) = (number(4), number(8).cast_signed().unsigned_abs());
                finds.size(width.into(), height.into());
                if let Some(video) = &mut self.video {
                    (video.width, video.height) = (width, height);
                    let compression = fourcc(source.array(chunk.start + 16));
                    if !compression.trim_matches('\0').trim().is_empty() {
                        video.codec = compression;
                    }
                }
                self.stream = *b"done";
            }
            b"strf" if &self.stream == b"auds" && finds.probe.audio_codec.is_none() => {
                finds.probe.audio_codec = Some(format!("0x{:04x}", number(0) & 0xffff));
            }
            b"IDIT" => {
                finds.written(text().and_then(|text| dates::parse_asctime(&text)), DateSource::Container);
            }
            b"ICRD" => {
                finds.written(text().and_then(|text| dates::parse_asctime(&text)), DateSource::Container);
            }
            b"INAM" => settle::offer(&mut finds.probe.words.title, text().as_deref()),
            b"ICMT" => settle::offer(&mut finds.probe.words.description, text().as_deref()),
            b"ISFT" => settle::offer(&mut finds.probe.software, text().as_deref()),
            b"IMAK" | b"ecor" => settle::offer(&mut finds.probe.make, text().as_deref()),
            b"IMOD" | b"emdl" => settle::offer(&mut finds.probe.model, text().as_deref()),
            b"_PMX" => {
                let bytes = source.get_some(chunk.start, bounded(chunk.bytes, xmp::MOST_BYTES));
                Packet::parse(&bytes).apply(finds);
            }
            _ => {}
        }
    }

    fn finish(self, finds: &mut Finds) {
        let by_header = f64::from(self.frames) * f64::from(self.micros_per_frame) / 1e6;
        let seconds = self.video_seconds.filter(|seconds| *seconds > 0.0).unwrap_or(by_header);
        if seconds > 0.0 && seconds < 1e9 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded just above")]
            let millis = (seconds * 1000.0).round() as u64;
            finds.probe.duration_millis = Some(millis);
        }
        finds.probe.video = self.video;
    }
}

fn fourcc(code: Option<[u8; 4]>) -> String {
    code.unwrap_or_default()
        .iter()
        .map(|byte| char::from(*byte))
        .filter(|letter| !letter.is_control())
        .collect()
}
