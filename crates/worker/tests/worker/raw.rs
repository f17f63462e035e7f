//! RAW files through the pool: the preview inside is found, rendered, and shown upright.

use std::fs;
use std::path::{Path, PathBuf};

use safelight_media::pool::{Pool, RenderRequest, Rendered, StillFormat};
use safelight_media::{Format, MediaKind, Probe, probe, raw_preview};

use crate::common::{letters, pool};
use crate::pictures;

/// Renders as the import does: the byte range of the preview, with the RAW file's orientation.
fn render(pool: &Pool, bytes: &[u8], facts: &Probe) -> Rendered {
    let preview = raw_preview(bytes, facts).unwrap_or_else(|| panic!("{} has no preview", facts.format));
    let start = usize::try_from(preview.offset_bytes).unwrap();
    let end = start + usize::try_from(preview.length_bytes).unwrap();
    let request = RenderRequest::new(&bytes[start..end], StillFormat::Jpeg);
    pool.render(&RenderRequest { orientation: preview.orientation, ..request }).unwrap()
}

/// A RAW file of the TIFF family that was held upright on its side, with a preview and no sensor data.
fn raw_like(magic: &[u8; 4], make: &str, dng: bool, jpeg: &[u8]) -> Vec<u8> {
    let make = [make.as_bytes(), b"\0"].concat();
    let size = |length: usize| u32::try_from(length).unwrap();
    let count = if dng { 8 } else { 7 };
    let behind = 8 + 2 + count * 12 + 4;
    let mut tags = vec![
        (0x0100_u16, 4_u16, 1, 6000),
        (0x0101, 4, 1, 4000),
        (0x0106, 3, 1, 32_803),
        (0x010f, 2, size(make.len()), behind),
        (0x0112, 3, 1, 6),
        (0x0201, 4, 1, behind + size(make.len())),
        (0x0202, 4, 1, size(jpeg.len())),
    ];
    if dng {
        tags.push((0xc612, 1, 4, 0x0000_0401));
    }
    let mut bytes = [magic.as_slice(), &8_u32.to_le_bytes()].concat();
    bytes.extend(u16::try_from(tags.len()).unwrap().to_le_bytes());
    for (tag, kind, count, value) in tags {
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend([0; 4]);
    [bytes.as_slice(), &make, jpeg].concat()
}

#[test]
fn the_preview_in_each_raw_format_of_the_tiff_family_is_shown_upright() {
    let pool = pool();
    // As a camera on its side stores it.
    let jpeg = pictures::jpeg_of(96, 128, "gwrb");
    for (format, magic, make, dng) in [
        (Format::Cr2, b"II*\0", "Canon", false),
        (Format::Nef, b"II*\0", "NIKON CORPORATION", false),
        (Format::Arw, b"II*\0", "SONY", false),
        (Format::Dng, b"II*\0", "Maker", true),
        (Format::Orf, b"IIRO", "OLYMPUS", false),
        (Format::Pef, b"II*\0", "PENTAX", false),
        (Format::Srw, b"II*\0", "SAMSUNG", false),
    ] {
        let bytes = raw_like(magic, make, dng, &jpeg);
        let facts = probe(&bytes, Path::new("no-name"));
        assert_eq!(facts.format, format);
        let rendered = render(&pool, &bytes, &facts);
        assert_eq!((rendered.width, rendered.height), (128, 96), "{format}");
        let preview = rendered.preview.unwrap();
        let image = turbojpeg::decompress(&preview.bytes, turbojpeg::PixelFormat::RGB).unwrap();
        assert_eq!(letters(&image.pixels, image.width, image.height, 3), "rgbw", "{format}");
    }
}

#[test]
fn raw_files_of_the_corpus_show_their_preview_upright() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let files = |directory: &Path| -> Vec<PathBuf> {
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let pool = pool();
    let mut seen = Vec::new();
    for path in files(&root).iter().flat_map(|directory| files(directory)) {
        let bytes = fs::read(&path).unwrap();
        let facts = probe(&bytes, Path::new("no-name"));
        if facts.kind != MediaKind::Raw {
            continue;
        }
        let rendered = render(&pool, &bytes, &facts);
        let (width, height) = facts.shown_size().unwrap();
        assert_eq!(rendered.width > rendered.height, width > height, "{}", path.display());
        assert!(rendered.thumbnail.is_some() && rendered.damage.is_none(), "{}", path.display());
        seen.push(facts.format);
    }
    println!("real RAW files: {seen:?}");
    if root.is_dir() {
        assert!(seen.contains(&Format::Cr3) && seen.contains(&Format::Crw), "{seen:?}");
    }
}
