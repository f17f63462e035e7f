//! Small real pictures, made here byte by byte: a JPEG with EXIF, a PNG, a movie's boxes.
//!
//! The JPEG is baseline with only DC coefficients, one colour for each block of 8 × 8 pixels, so that a
//! decoder has something true to decode and a page of code suffices to write it (ITU T.81; EXIF 2.32).

use crate::chance::Chance;

/// What stands in a picture's EXIF.
#[derive(Clone, Default)]
pub(crate) struct Exif {
    pub(crate) make: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) orientation: Option<u16>,
    /// As EXIF writes it: `2021:10:08 22:47:36`.
    pub(crate) taken: Option<String>,
    /// `+02:00`
    pub(crate) offset: Option<String>,
    pub(crate) place: Option<(f64, f64)>,
}

/// A JPEG of the given size in blocks, with its own colours for each seed.
pub(crate) fn jpeg(seed: u64, blocks_wide: u16, blocks_high: u16, exif: &Exif) -> Vec<u8> {
    coded(seed, blocks_wide, blocks_high, exif, |_, _, drawn| drawn)
}

/// The same at half the contrast and almost grey; with one white block, if its number is given.
pub(crate) fn softer_jpeg(
    seed: u64,
    blocks_wide: u16,
    blocks_high: u16,
    exif: &Exif,
    spot: Option<usize>,
) -> Vec<u8> {
    let value = |block, component, drawn| match component {
        0 if Some(block) == spot => 127,
        0 => drawn / 2,
        _ => drawn / 8,
    };
    coded(seed, blocks_wide, blocks_high, exif, value)
}

/// A JPEG of the values that `value` makes of each block's number, of the component's, luma first, and of what was drawn, −128
/// to 127.
fn coded(
    seed: u64,
    blocks_wide: u16,
    blocks_high: u16,
    exif: &Exif,
    value: impl Fn(usize, usize, i32) -> i32,
) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    segment(&mut out, 0xe1, &[b"Exif\0\0".as_slice(), &tiff(exif)].concat());
    segment(&mut out, 0xdb, &[[0].as_slice(), &[8; 64]].concat());
    let (width, height) = (blocks_wide * 8, blocks_high * 8);
    let mut frame = vec![8];
    frame.extend(height.to_be_bytes());
    frame.extend(width.to_be_bytes());
    frame.extend([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    segment(&mut out, 0xc0, &frame);
    // The DC table of Annex K; an AC table with the one code "end of block".
    let mut dc = vec![0x00, 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
    dc.extend(0..=11);
    segment(&mut out, 0xc4, &dc);
    segment(&mut out, 0xc4, &[0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    segment(&mut out, 0xda, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
    scan(&mut out, seed, usize::from(blocks_wide) * usize::from(blocks_high), value);
    out.extend([0xff, 0xd9]);
    out
}

/// A JPEG of 160 × 120 pixels, dated and placed by its seed.
pub(crate) fn photo(seed: u64) -> Vec<u8> {
    let exif = Exif {
        make: Some("Canon".into()),
        model: Some("Canon EOS R6".into()),
        orientation: Some(1),
        taken: Some(format!(
            "20{:02}:{:02}:{:02} {:02}:{:02}:07",
            10 + seed % 14,
            1 + seed % 12,
            1 + seed % 28,
            seed % 24,
            seed % 60
        )),
        offset: Some("+02:00".into()),
        place: (!seed.is_multiple_of(3)).then_some((48.8584, 2.2945)),
        ..Exif::default()
    };
    jpeg(seed, 20, 15, &exif)
}

/// A JPEG whose file is about so large: the same picture with bytes after its end, as some cameras leave them.
pub(crate) fn heavy_photo(seed: u64, bytes: usize) -> Vec<u8> {
    let mut out = photo(seed);
    let mut chance = Chance::seeded(seed ^ 0x5eed);
    while out.len() < bytes {
        out.extend(chance.next().to_le_bytes());
    }
    out
}

fn segment(out: &mut Vec<u8>, marker: u8, body: &[u8]) {
    out.extend([0xff, marker]);
    out.extend(u16::try_from(body.len() + 2).unwrap().to_be_bytes());
    out.extend(body);
}

fn scan(out: &mut Vec<u8>, seed: u64, blocks: usize, value: impl Fn(usize, usize, i32) -> i32) {
    let mut chance = Chance::seeded(seed);
    let mut bits = Bits { out, held: 0, count: 0 };
    let mut previous = [0_i32; 3];
    for block in 0..blocks {
        for (component, before) in previous.iter_mut().enumerate() {
            let drawn = i32::from(chance.byte()) - 128;
            let value = value(block, component, drawn);
            bits.dc(value - *before);
            *before = value;
            bits.put(0, 1);
        }
    }
    bits.flush();
}

struct Bits<'a> {
    out: &'a mut Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits<'_> {
    fn put(&mut self, code: u32, length: u32) {
        for at in (0..length).rev() {
            self.held = self.held << 1 | (code >> at & 1);
            self.count += 1;
            if self.count == 8 {
                let byte = u8::try_from(self.held & 0xff).unwrap();
                self.out.push(byte);
                if byte == 0xff {
                    self.out.push(0);
                }
                (self.held, self.count) = (0, 0);
            }
        }
    }

    /// The category's code, then the value's own bits (T.81, F.1.2.1).
    fn dc(&mut self, difference: i32) {
        let category = 32 - difference.unsigned_abs().leading_zeros();
        match category {
            0 => self.put(0b00, 2),
            1..=5 => self.put(0b010 + category - 1, 3),
            _ => self.put((1 << (category - 2)) - 2, category - 2),
        }
        let bits = if difference < 0 { difference - 1 } else { difference };
        self.put(bits.cast_unsigned() & ((1 << category) - 1), category);
    }

    fn flush(&mut self) {
        while self.count != 0 {
            self.put(1, 1);
        }
    }
}

struct Entry {
    tag: u16,
    kind: u16,
    count: u32,
    data: Vec<u8>,
}

impl Entry {
    fn text(tag: u16, text: &str) -> Self {
        let data = [text.as_bytes(), &[0]].concat();
        Self { tag, kind: 2, count: u32::try_from(data.len()).unwrap(), data }
    }

    fn short(tag: u16, value: u16) -> Self {
        Self { tag, kind: 3, count: 1, data: value.to_le_bytes().to_vec() }
    }

    fn long(tag: u16, value: u32) -> Self {
        Self { tag, kind: 4, count: 1, data: value.to_le_bytes().to_vec() }
    }

    fn angle(tag: u16, degrees: f64) -> Self {
        let seconds = degrees.abs() * 3600.0;
        // Whole seconds in hundredths; the value is far below 2³².
        let hundredths = format!("{:.0}", seconds * 100.0).parse::<u32>().unwrap();
        let (whole, rest) = (hundredths / 360_000, hundredths % 360_000);
        let parts = [whole, 1, rest / 6000, 1, rest % 6000, 100];
        Self { tag, kind: 5, count: 3, data: parts.iter().flat_map(|part| part.to_le_bytes()).collect() }
    }
}

fn tiff(exif: &Exif) -> Vec<u8> {
    let mut first = Vec::new();
    let texts = [(0x010e, &exif.description), (0x010f, &exif.make), (0x0110, &exif.model)];
    first.extend(
        texts.into_iter().filter_map(|(tag, text)| text.as_deref().map(|text| Entry::text(tag, text))),
    );
    first.extend(exif.orientation.map(|value| Entry::short(0x0112, value)));
    let mut detail = Vec::new();
    detail.extend(exif.taken.as_deref().map(|text| Entry::text(0x9003, text)));
    detail.extend(exif.offset.as_deref().map(|text| Entry::text(0x9011, text)));
    let mut gps = Vec::new();
    if let Some((latitude, longitude)) = exif.place {
        gps.push(Entry::text(1, if latitude < 0.0 { "S" } else { "N" }));
        gps.push(Entry::angle(2, latitude));
        gps.push(Entry::text(3, if longitude < 0.0 { "W" } else { "E" }));
        gps.push(Entry::angle(4, longitude));
    }
    // Pointers have the same size whatever they hold, so lengths are known before offsets.
    first.extend([Entry::long(0x8769, 0), Entry::long(0x8825, 0)]);
    let detail_at = 8 + directory_bytes(&first);
    let gps_at = detail_at + directory_bytes(&detail);
    let pointers = first.len() - 2;
    first[pointers] = Entry::long(0x8769, detail_at);
    first[pointers + 1] = Entry::long(0x8825, gps_at);

    let mut out = b"II\x2a\0\x08\0\0\0".to_vec();
    for directory in [first, detail, gps] {
        write_directory(&mut out, &directory);
    }
    out
}

fn directory_bytes(entries: &[Entry]) -> u32 {
    let outside: usize =
        entries.iter().map(|entry| entry.data.len()).filter(|&len| len > 4).map(|len| len + len % 2).sum();
    u32::try_from(2 + 12 * entries.len() + 4 + outside).unwrap()
}

fn write_directory(out: &mut Vec<u8>, entries: &[Entry]) {
    let mut outside = Vec::new();
    let outside_at = out.len() + 2 + 12 * entries.len() + 4;
    out.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    for entry in entries {
        out.extend(entry.tag.to_le_bytes());
        out.extend(entry.kind.to_le_bytes());
        out.extend(entry.count.to_le_bytes());
        if entry.data.len() <= 4 {
            let mut inline = entry.data.clone();
            inline.resize(4, 0);
            out.extend(inline);
        } else {
            out.extend(u32::try_from(outside_at + outside.len()).unwrap().to_le_bytes());
            outside.extend(&entry.data);
            if entry.data.len() % 2 == 1 {
                outside.push(0);
            }
        }
    }
    out.extend([0; 4]);
    out.extend(outside);
}

/// The start of a PNG that claims a size, with image data that is far too short for it.
pub(crate) fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]);
    // A zlib stream of one stored block with a few zero bytes.
    let data = [0x78, 0x01, 0x01, 0x04, 0x00, 0xfb, 0xff, 0, 0, 0, 0, 0, 4, 0, 1];
    png(&header, &data)
}

/// A PNG from its header and its compressed image data.
pub(crate) fn png(header: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, body) in [(b"IHDR", header), (b"IDAT", data), (b"IEND", [].as_slice())] {
        out.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        let checked = [kind.as_slice(), body].concat();
        out.extend(&checked);
        out.extend(crc32(&checked).to_be_bytes());
    }
    out
}

/// A PNG that is true to its format and inflates to almost nothing but zeros: about 160 times its size.
pub(crate) fn png_bomb(side: u32) -> Vec<u8> {
    let mut header = [side.to_be_bytes(), side.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]);
    let row = u64::from(side) * 3 + 1;
    png(&header, &zlib_zeros(row * u64::from(side)))
}

/// A zlib stream of that many zero bytes, with fixed codes and longest matches (RFC 1950, 1951).
fn zlib_zeros(count: u64) -> Vec<u8> {
    let mut bits = LittleBits { out: vec![0x78, 0x01], held: 0, count: 0 };
    bits.put(1, 1);
    bits.put(1, 2);
    bits.put_reversed(0x30, 8); // the literal 0
    let mut left = count - 1;
    while left >= 258 {
        bits.put_reversed(0b1100_0101, 8); // length code 285: 258 bytes
        bits.put_reversed(0, 5); // distance 1
        left -= 258;
    }
    for _ in 0..left {
        bits.put_reversed(0x30, 8);
    }
    bits.put_reversed(0, 7); // end of block
    let mut out = bits.finish();
    // Adler-32 of zeros: a = 1, b = count mod 65521.
    let b = u32::try_from(count % 65_521).unwrap();
    out.extend((b << 16 | 1).to_be_bytes());
    out
}

struct LittleBits {
    out: Vec<u8>,
    held: u32,
    count: u32,
}

impl LittleBits {
    fn put(&mut self, value: u32, length: u32) {
        self.held |= value << self.count;
        self.count += length;
        while self.count >= 8 {
            self.out.push(self.held.to_le_bytes()[0]);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    fn put_reversed(&mut self, code: u32, length: u32) {
        self.put(code.reverse_bits() >> (32 - length), length);
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
        self.out
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// The first bytes and the last of a movie whose `mdat` is `data_bytes` long: what stands between is a hole.
pub(crate) fn movie_around(data_bytes: u64) -> (Vec<u8>, Vec<u8>) {
    let mut head = Vec::new();
    put_box(&mut head, *b"ftyp", b"isom\0\0\0\x01isommp42");
    head.extend(1_u32.to_be_bytes());
    head.extend(b"mdat");
    head.extend((data_bytes + 16).to_be_bytes());
    let mut about = Vec::new();
    // Version 0, created 2021-10-08 22:47:36 UTC counted from 1904, 600 units a second, a minute long.
    for field in [0_u32, 3_716_578_056, 3_716_578_056, 600, 36_000, 0x0001_0000] {
        about.extend(field.to_be_bytes());
    }
    about.resize(100, 0);
    let mut header = Vec::new();
    put_box(&mut header, *b"mvhd", &about);
    let mut tail = Vec::new();
    put_box(&mut tail, *b"moov", &header);
    (head, tail)
}

fn put_box(out: &mut Vec<u8>, kind: [u8; 4], body: &[u8]) {
    out.extend(u32::try_from(body.len() + 8).unwrap().to_be_bytes());
    out.extend(kind);
    out.extend(body);
}
