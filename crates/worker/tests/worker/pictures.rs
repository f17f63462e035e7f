//! The picture of quarters in every format that a crate here can write; giants and bombs.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use tiff::encoder::{TiffEncoder, colortype};

use crate::common::{jpeg, quarters};
use crate::heif::{self, Turns};

/// Every format and kind, 64 × 48 (HEIC 320 × 240).
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let (width, height) = (64, 48);
    vec![
        ("jpeg", jpeg(width, height, false)),
        ("progressive jpeg", jpeg(width, height, true)),
        ("grey jpeg", jpeg_grey(width, height)),
        ("png", png(width, height, png::ColorType::Rgb)),
        ("png with alpha", png(width, height, png::ColorType::Rgba)),
        ("png with palette", png(width, height, png::ColorType::Indexed)),
        ("grey png", png(width, height, png::ColorType::Grayscale)),
        ("png of 16 bits", png16(width, height)),
        ("gif", gif(width, height)),
        ("webp", webp(width, height, false)),
        ("lossless webp", webp(width, height, true)),
        ("bmp", bmp(width, height)),
        ("tiff", tiff_rgb(width, height)),
        ("tiff of 16 bits", tiff16(width, height)),
        ("tiff of floats", tiff_floats(width, height)),
        ("tiff with alpha", tiff_alpha(width, height)),
        ("tiff of inks", tiff_inks(width, height)),
        ("grey tiff", tiff_grey(width, height)),
        ("ppm", ppm(width, height)),
        ("heic", heif::heic(Turns::default())),
        ("avif", heif::avif(Turns::default())),
        ("jxl", include_bytes!("data/quarters.jxl").to_vec()),
    ]
}

fn size(length: usize) -> u32 {
    u32::try_from(length).unwrap()
}

/// Four quarters of the given letters.
fn lettered(width: usize, height: usize, letters: &str) -> Vec<u8> {
    let colours: Vec<[u8; 3]> = letters
        .chars()
        .map(|letter| match letter {
            'r' => [220, 20, 20],
            'g' => [20, 200, 20],
            'b' => [20, 20, 220],
            _ => [240; 3],
        })
        .collect();
    (0..width * height)
        .flat_map(|index| {
            colours[usize::from(index % width * 2 >= width) + 2 * usize::from(index / width * 2 >= height)]
        })
        .collect()
}

pub(crate) fn jpeg_of(width: usize, height: usize, letters: &str) -> Vec<u8> {
    let pixels = lettered(width, height, letters);
    let image = turbojpeg::Image {
        pixels: pixels.as_slice(),
        width,
        pitch: width * 3,
        height,
        format: turbojpeg::PixelFormat::RGB,
    };
    turbojpeg::compress(image, 90, turbojpeg::Subsamp::None).unwrap().to_vec()
}

pub(crate) fn png_of(width: usize, height: usize, letters: &str) -> Vec<u8> {
    png_with(width, height, png::ColorType::Rgb, png::BitDepth::Eight, &lettered(width, height, letters), &[])
}

fn jpeg_grey(width: usize, height: usize) -> Vec<u8> {
    let pixels = grey(width, height);
    let image = turbojpeg::Image {
        pixels: pixels.as_slice(),
        width,
        pitch: width,
        height,
        format: turbojpeg::PixelFormat::GRAY,
    };
    turbojpeg::compress(image, 90, turbojpeg::Subsamp::Gray).unwrap().to_vec()
}

fn grey(width: usize, height: usize) -> Vec<u8> {
    quarters(width, height).chunks_exact(3).map(|rgb| rgb[0] / 3 + rgb[1] / 3 + rgb[2] / 3 + 2).collect()
}

fn with_alpha(width: usize, height: usize) -> Vec<u8> {
    quarters(width, height).chunks_exact(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255]).collect()
}

pub(crate) fn png(width: usize, height: usize, color: png::ColorType) -> Vec<u8> {
    let pixels = match color {
        png::ColorType::Rgba => with_alpha(width, height),
        png::ColorType::Grayscale => grey(width, height),
        png::ColorType::Indexed => {
            let index =
                |rgb: &[u8]| if rgb[0] > 230 { 3 } else { (1..3).find(|&at| rgb[at] > 100).unwrap_or(0) };
            quarters(width, height).chunks_exact(3).map(|rgb| u8::try_from(index(rgb)).unwrap()).collect()
        }
        _ => quarters(width, height),
    };
    let palette = [220, 20, 20, 20, 200, 20, 20, 20, 220, 240, 240, 240];
    let palette = if color == png::ColorType::Indexed { palette.as_slice() } else { &[] };
    png_with(width, height, color, png::BitDepth::Eight, &pixels, palette)
}

pub(crate) fn png_transparent(width: usize, height: usize) -> Vec<u8> {
    png_with(width, height, png::ColorType::Rgba, png::BitDepth::Eight, &vec![0; width * height * 4], &[])
}

fn png16(width: usize, height: usize) -> Vec<u8> {
    let pixels: Vec<u8> = quarters(width, height).into_iter().flat_map(|value| [value, 0x55]).collect();
    png_with(width, height, png::ColorType::Rgb, png::BitDepth::Sixteen, &pixels, &[])
}

fn png_with(
    width: usize,
    height: usize,
    color: png::ColorType,
    depth: png::BitDepth,
    pixels: &[u8],
    palette: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size(width), size(height));
    encoder.set_color(color);
    encoder.set_depth(depth);
    // Stored, so that a file cut off at some share of its bytes is cut off at that share of its rows.
    encoder.set_compression(png::Compression::NoCompression);
    if !palette.is_empty() {
        encoder.set_palette(palette.to_vec());
    }
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    bytes
}

fn gif(width: usize, height: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::gif::GifEncoder::new(&mut bytes)
        .encode(&quarters(width, height), size(width), size(height), image::ExtendedColorType::Rgb8)
        .unwrap();
    bytes
}

fn webp(width: usize, height: usize, lossless: bool) -> Vec<u8> {
    let pixels = quarters(width, height);
    let encoder = webp::Encoder::from_rgb(&pixels, size(width), size(height));
    encoder.encode_simple(lossless, 90.0).unwrap().to_vec()
}

pub(crate) fn bmp(width: usize, height: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::bmp::BmpEncoder::new(&mut bytes)
        .encode(&quarters(width, height), size(width), size(height), image::ExtendedColorType::Rgb8)
        .unwrap();
    bytes
}

fn ppm(width: usize, height: usize) -> Vec<u8> {
    [format!("P6\n{width} {height}\n255\n").as_bytes(), &quarters(width, height)].concat()
}

fn tiff_as<C: colortype::ColorType>(width: usize, height: usize, samples: &[C::Inner]) -> Vec<u8>
where
    [C::Inner]: tiff::encoder::TiffValue,
{
    let mut bytes = Cursor::new(Vec::new());
    TiffEncoder::new(&mut bytes).unwrap().write_image::<C>(size(width), size(height), samples).unwrap();
    bytes.into_inner()
}

pub(crate) fn tiff_rgb(width: usize, height: usize) -> Vec<u8> {
    tiff_as::<colortype::RGB8>(width, height, &quarters(width, height))
}

fn tiff16(width: usize, height: usize) -> Vec<u8> {
    let samples: Vec<u16> = quarters(width, height).into_iter().map(|value| u16::from(value) * 257).collect();
    tiff_as::<colortype::RGB16>(width, height, &samples)
}

fn tiff_floats(width: usize, height: usize) -> Vec<u8> {
    let samples: Vec<f32> =
        quarters(width, height).into_iter().map(|value| f32::from(value) / 255.0).collect();
    tiff_as::<colortype::RGB32Float>(width, height, &samples)
}

fn tiff_alpha(width: usize, height: usize) -> Vec<u8> {
    tiff_as::<colortype::RGBA8>(width, height, &with_alpha(width, height))
}

fn tiff_inks(width: usize, height: usize) -> Vec<u8> {
    let samples: Vec<u8> = quarters(width, height)
        .chunks_exact(3)
        .flat_map(|rgb| [255 - rgb[0], 255 - rgb[1], 255 - rgb[2], 0])
        .collect();
    tiff_as::<colortype::CMYK8>(width, height, &samples)
}

fn tiff_grey(width: usize, height: usize) -> Vec<u8> {
    tiff_as::<colortype::Gray8>(width, height, &grey(width, height))
}

/// Pictures whose headers claim more than the world has memory for.
pub(crate) fn giants() -> Vec<(&'static str, Vec<u8>)> {
    let mut giant_jpeg = jpeg(64, 48, false);
    let frame = giant_jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    giant_jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    let mut giant_bmp = bmp(64, 48);
    giant_bmp[18..26].copy_from_slice(&[60_000_u32.to_le_bytes(), 60_000_u32.to_le_bytes()].concat());
    let mut giant_gif = gif(64, 48);
    giant_gif[6..10].copy_from_slice(&[0xff; 4]);
    vec![
        ("png", giant_png()),
        ("jpeg", giant_jpeg),
        ("bmp", giant_bmp),
        ("gif", giant_gif),
        ("tiff", giant_tiff()),
        (
            "heic",
            replaced(
                heif::heic_grid(Turns::default(), Turns::default()),
                &grid(640, 480),
                &grid(65_535, 16_000),
            ),
        ),
    ]
}

/// 65,535 × 65,535, with the compressed rows of a small picture.
pub(crate) fn giant_png() -> Vec<u8> {
    let mut bytes = png(64, 48, png::ColorType::Rgb);
    bytes[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let checksum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn giant_tiff() -> Vec<u8> {
    let mut bytes = tiff_rgb(64, 48);
    // Width and height are the entries 256 and 257 of the directory; find them by their bytes.
    for (tag, value) in [(256_u16, 64_u32), (257, 48)] {
        let at = bytes
            .windows(12)
            .position(|entry| entry[..2] == tag.to_le_bytes() && entry[8..12] == value.to_le_bytes())
            .unwrap();
        bytes[at + 8..at + 12].copy_from_slice(&60_000_u32.to_le_bytes());
    }
    bytes
}

fn grid(width: u16, height: u16) -> Vec<u8> {
    [[0, 0, 1, 1].as_slice(), &width.to_be_bytes(), &height.to_be_bytes()].concat()
}

fn replaced(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

/// Files that unpack to far more than they are.
pub(crate) fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("png with rows without end", png_around(64, 48, &zeros(400 << 20), None)),
        (
            "png with a profile without end",
            png_around(64, 48, &zeros(64 * 48 * 3 + 48), Some(&zeros(400 << 20))),
        ),
        ("tiff with a strip without end", deflated_tiff(&zeros(400 << 20))),
        ("png with texts without end", png_with_texts()),
        ("webp of a canvas without end", giant_webp()),
        ("avif of a size without end", replaced(avif(), &extent(64, 48), &extent(u32::MAX, u32::MAX))),
        ("jxl of a size without end", [&[0xff, 0x0a][..], &[0xff; 64]].concat()),
        ("interlaced png of 65 megapixels", png_around(8100, 8100, &zeros(16 << 20), None)),
    ]
}

fn avif() -> Vec<u8> {
    heif::avif(Turns::default())
}

/// The payload of an `ispe` box.
fn extent(width: u32, height: u32) -> Vec<u8> {
    [&b"ispe\0\0\0\0"[..], &width.to_be_bytes(), &height.to_be_bytes()].concat()
}

fn png_with_texts() -> Vec<u8> {
    let mut bytes = png_of(64, 48, "rgbw");
    let text = chunk(b"zTXt", &[b"a\0\0".as_slice(), &zeros(64 << 20)].concat());
    bytes.splice(33..33, text.repeat(8));
    bytes
}

/// An extended WebP that claims 16,777,216 × 255 pixels around a small picture.
fn giant_webp() -> Vec<u8> {
    let small = webp(64, 48, true);
    let canvas = b"VP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xfe\0\0";
    let body = [b"WEBP".as_slice(), canvas, &small[12..]].concat();
    [b"RIFF".as_slice(), &size(body.len()).to_le_bytes(), &body].concat()
}

fn zeros(length: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let block = vec![0; 1 << 20];
    for at in (0..length).step_by(block.len()) {
        encoder.write_all(&block[..block.len().min(length - at)]).unwrap();
    }
    encoder.finish().unwrap()
}

fn png_around(width: u32, height: u32, rows: &[u8], profile: Option<&[u8]>) -> Vec<u8> {
    let interlaced = u8::from(width > 64);
    let header = [width.to_be_bytes().as_slice(), &height.to_be_bytes(), &[8, 2, 0, 0, interlaced]].concat();
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend(chunk(b"IHDR", &header));
    if let Some(profile) = profile {
        bytes.extend(chunk(b"iCCP", &[b"p\0\0".as_slice(), profile].concat()));
    }
    bytes.extend(chunk(b"IDAT", rows));
    bytes.extend(chunk(b"IEND", b""));
    bytes
}

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [kind.as_slice(), body].concat();
    [&size(body.len()).to_be_bytes(), named.as_slice(), &crc(&named).to_be_bytes()].concat()
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn deflated_tiff(strip: &[u8]) -> Vec<u8> {
    tiff_of_tags(&[(258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1)], (64, 48), strip, &[])
}

/// A TIFF of one strip; `values`, of the one tag that has several, come after it.
fn tiff_of_tags(
    own: &[(u16, u16, u32, u32)],
    (width, height): (u32, u32),
    strip: &[u8],
    values: &[u8],
) -> Vec<u8> {
    let mut tags = own.to_vec();
    let strip_at = 8 + 2 + (size(own.len()) + 6) * 12 + 4;
    tags.extend([(256, 3, 1, width), (257, 3, 1, height), (273, 4, 1, strip_at), (277, 3, 1, 1)]);
    tags.extend([(278, 3, 1, height), (279, 4, 1, size(strip.len()))]);
    tags.sort_unstable();
    let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
    bytes.extend(u16::try_from(tags.len()).unwrap().to_le_bytes());
    for (tag, kind, count, value) in tags {
        // The values of the one long tag begin behind the strip.
        let value = if count > 1 { strip_at + size(strip.len()) } else { value };
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend([0; 4]);
    [bytes.as_slice(), strip, values].concat()
}

/// Samples of `bits` bits, which say the quarter (with one bit: the half). With a palette they are
/// indices into it, else levels by `photometric` (0: white is zero, 1: black is zero).
pub(crate) fn tiff_packed(bits: u32, photometric: u32, palette: &[[u8; 3]]) -> Vec<u8> {
    let (width, height) = (62_u32, 48_u32);
    let mut strip = Vec::new();
    for y in 0..height {
        let (mut word, mut filled) = (0_u32, 0);
        for x in 0..width {
            let (right, low) = (u32::from(x * 2 >= width), u32::from(y * 2 >= height));
            word = word << bits | if bits == 1 { low } else { low * 2 + right };
            filled += bits;
            if filled == 8 {
                strip.push(u8::try_from(word).unwrap());
                (word, filled) = (0, 0);
            }
        }
        if filled > 0 {
            strip.push(u8::try_from(word << (8 - filled)).unwrap());
        }
    }
    let mut tags = vec![(258, 3, 1, bits), (259, 3, 1, 1), (262, 3, 1, photometric)];
    let mut values = Vec::new();
    if !palette.is_empty() {
        tags.push((320, 3, 3 << bits, 0));
        for channel in 0..3 {
            for index in 0..1_usize << bits {
                let value = palette.get(index).map_or(0, |colour| u16::from(colour[channel]) * 257);
                values.extend(value.to_le_bytes());
            }
        }
    }
    tiff_of_tags(&tags, (width, height), &strip, &values)
}

/// A progressive JPEG whose last scan comes `count` times more.
pub(crate) fn many_scans(count: usize) -> Vec<u8> {
    let bytes = jpeg(256, 256, true);
    let last = bytes.windows(2).rposition(|marker| marker == [0xff, 0xda]).unwrap();
    let (before, scan) = bytes.split_at(last);
    let scan = &scan[..scan.len() - 2];
    let mut bomb = before.to_vec();
    (0..count).for_each(|_| bomb.extend(scan));
    bomb.extend([0xff, 0xd9]);
    bomb
}
