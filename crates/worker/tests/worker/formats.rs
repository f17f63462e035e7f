//! Every format renders the same picture, upright, at the right sizes; limits and damage are told.

use crate::common::{jpeg, letters, pool, pool_with, quarters};
use crate::heif::{self, Turns};
use crate::pictures;
use safelight_media::pool::{Pool, RefusalKind, RenderError, RenderRequest, Rendered, StillFormat, Wanted};

fn shown(rendered: &Rendered) -> (usize, usize, String) {
    let preview = rendered.preview.as_ref().unwrap();
    let image = turbojpeg::decompress(&preview.bytes, turbojpeg::PixelFormat::RGB).unwrap();
    assert_eq!((image.width, image.height), (preview.width as usize, preview.height as usize));
    (image.width, image.height, letters(&image.pixels, image.width, image.height, 3))
}

/// What the thumbnail shows, as letters.
fn thumbnail_letters(rendered: &Rendered) -> String {
    let thumbnail = rendered.thumbnail.as_ref().unwrap();
    let picture = webp::Decoder::new(&thumbnail.bytes).decode().unwrap();
    assert_eq!((picture.width(), picture.height()), (thumbnail.width, thumbnail.height));
    let channels = if picture.is_alpha() { 4 } else { 3 };
    letters(&picture, picture.width() as usize, picture.height() as usize, channels)
}

fn refusal(pool: &Pool, bytes: &[u8]) -> (RefusalKind, String) {
    match pool.render(&RenderRequest::sniffed(bytes).unwrap()) {
        Err(RenderError::Refused(refusal)) => (refusal.kind, refusal.reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_format_renders_the_same_picture() {
    let pool = pool();
    for (name, bytes) in pictures::all() {
        let request = RenderRequest::sniffed(&bytes).unwrap_or_else(|| panic!("{name} is not recognized"));
        let rendered = pool.render(&request).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = if name == "heic" { (320, 240) } else { (64, 48) };
        assert_eq!((rendered.width, rendered.height), expected, "{name}");
        assert_eq!(rendered.damage, None, "{name}");
        let grey = name.contains("grey");
        let picture = if grey { "????" } else { "rgbw" };
        let (width, height, seen) = shown(&rendered);
        assert_eq!((width, height), (expected.0 as usize, expected.1 as usize), "{name} is not enlarged");
        if grey {
            assert!(seen.ends_with('w') && !seen.starts_with('w'), "{name}: {seen}");
        } else {
            assert_eq!(seen, picture, "{name}");
            assert_eq!(thumbnail_letters(&rendered), picture, "{name}");
        }
        assert!(rendered.thumbhash.is_some() && rendered.phash64.is_some() && rendered.pdq256.is_some());
    }
}

#[test]
fn tiffs_of_palettes_and_of_one_bit_show_their_colours() {
    const COLOURS: [[u8; 3]; 4] = [[220, 20, 20], [20, 200, 20], [20, 20, 220], [240; 3]];
    let pool = pool();
    for (bits, photometric, palette, expected) in [
        (8, 3, COLOURS.as_slice(), "rgbw"),
        (4, 3, &COLOURS, "rgbw"),
        (2, 3, &COLOURS, "rgbw"),
        (1, 3, &[COLOURS[0], COLOURS[3]], "rrww"),
        (1, 1, &[], "??ww"),
        (1, 0, &[], "ww??"),
    ] {
        let bytes = pictures::tiff_packed(bits, photometric, palette);
        let rendered = pool.render(&RenderRequest::sniffed(&bytes).unwrap()).unwrap();
        assert_eq!((rendered.width, rendered.height, &rendered.damage), (62, 48, &None));
        assert_eq!(shown(&rendered).2, expected, "{bits} bits, photometric {photometric}");
        assert_eq!(thumbnail_letters(&rendered), expected, "{bits} bits, photometric {photometric}");
    }
}

#[test]
fn a_jpeg_of_12_bits_is_refused_with_that_reason() {
    let mut bytes = jpeg(64, 48, false);
    let frame = bytes.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    bytes[frame + 1] = 0xc1;
    bytes[frame + 4] = 12;
    let (kind, reason) = refusal(&pool(), &bytes);
    assert_eq!(kind, RefusalKind::Unsupported);
    assert!(reason.contains("12 bits"), "{reason}");
}

#[test]
fn large_pictures_have_a_thumbnail_of_320_and_a_preview_of_1440() {
    let pool = pool();
    for (name, bytes) in [
        ("jpeg", jpeg(3000, 2000, false)),
        ("progressive jpeg", jpeg(3000, 2000, true)),
        ("png", pictures::png(3000, 2000, png::ColorType::Rgb)),
        ("tiff", pictures::tiff_rgb(3000, 2000)),
        ("bmp", pictures::bmp(3000, 2000)),
    ] {
        let rendered = pool.render(&RenderRequest::sniffed(&bytes).unwrap()).unwrap();
        assert_eq!((rendered.width, rendered.height), (3000, 2000), "{name}");
        assert_eq!(shown(&rendered), (1440, 960, "rgbw".into()), "{name}");
        let thumbnail = rendered.thumbnail.as_ref().unwrap();
        assert_eq!((thumbnail.width, thumbnail.height), (320, 213), "{name}");
        assert_eq!(thumbnail_letters(&rendered), "rgbw", "{name}");
    }
}

#[test]
fn only_what_is_wanted_is_made() {
    let bytes = jpeg(3000, 2000, false);
    let request = RenderRequest { wanted: Wanted::PREVIEW, ..RenderRequest::new(&bytes, StillFormat::Jpeg) };
    let rendered = pool().render(&request).unwrap();
    assert!(rendered.preview.is_some() && rendered.thumbnail.is_none() && rendered.thumbhash.is_none());
    assert!(rendered.phash64.is_none() && rendered.pdq256.is_none() && !rendered.preview_pending);
}

#[test]
fn each_exif_orientation_is_undone_once() {
    let pool = pool();
    // How a camera stores the picture, and the size it has then, for each orientation.
    for (orientation, stored) in [
        (1, "rgbw"),
        (2, "grwb"),
        (3, "wbgr"),
        (4, "bwrg"),
        (5, "rbgw"),
        (6, "gwrb"),
        (7, "wgbr"),
        (8, "brwg"),
    ] {
        let (width, height) = if orientation >= 5 { (96, 128) } else { (128, 96) };
        for (name, bytes) in [
            ("jpeg", pictures::jpeg_of(width, height, stored)),
            ("png", pictures::png_of(width, height, stored)),
        ] {
            let request = RenderRequest { orientation, ..RenderRequest::sniffed(&bytes).unwrap() };
            let rendered = pool.render(&request).unwrap();
            assert_eq!((rendered.width, rendered.height), (128, 96), "{name}, orientation {orientation}");
            assert_eq!(shown(&rendered), (128, 96, "rgbw".into()), "{name}, orientation {orientation}");
            assert_eq!(thumbnail_letters(&rendered), "rgbw", "{name}, orientation {orientation}");
        }
    }
}

#[test]
fn heif_and_avif_are_turned_by_their_boxes_and_never_by_exif() {
    let pool = pool();
    let turned = ["rgbw", "gwrb", "wbgr", "brwg"];
    for (irot, after_rotation) in (0_u8..).zip(turned) {
        for imir in [None, Some(0), Some(1)] {
            let letters: Vec<char> = after_rotation.chars().collect();
            let expected: String = match imir {
                None => after_rotation.into(),
                Some(0) => [2, 3, 0, 1].iter().map(|&at| letters[at]).collect(),
                Some(_) => [1, 0, 3, 2].iter().map(|&at| letters[at]).collect(),
            };
            let turns = Turns { irot, imir };
            for (name, bytes, long, short) in
                [("heic", heif::heic(turns), 320, 240), ("avif", heif::avif(turns), 64, 48)]
            {
                let request = RenderRequest { orientation: 6, ..RenderRequest::sniffed(&bytes).unwrap() };
                let rendered =
                    pool.render(&request).unwrap_or_else(|error| panic!("{name} {turns:?}: {error}"));
                let (width, height) = if irot % 2 == 1 { (short, long) } else { (long, short) };
                assert_eq!((rendered.width, rendered.height), (width, height), "{name} {turns:?}");
                assert_eq!(
                    shown(&rendered),
                    (width as usize, height as usize, expected.clone()),
                    "{name} {turns:?}"
                );
                assert_eq!(thumbnail_letters(&rendered), expected, "{name} {turns:?}");
            }
        }
    }
}

#[test]
fn a_grid_is_laid_tile_by_tile_and_turned_whole() {
    let pool = pool();
    for irot in [0, 1, 2, 3] {
        let turns = Turns { irot, imir: None };
        let bytes = heif::heic_grid(turns, turns);
        let rendered = pool.render(&RenderRequest::sniffed(&bytes).unwrap()).unwrap();
        let size = if irot % 2 == 1 { (480, 640) } else { (640, 480) };
        assert_eq!((rendered.width, rendered.height), size);
        let preview = rendered.preview.unwrap();
        let image = turbojpeg::decompress(&preview.bytes, turbojpeg::PixelFormat::RGB).unwrap();
        // The upper left tile alone.
        let (width, height) = (image.width / 2, image.height / 2);
        let tile: Vec<u8> =
            (0..height).flat_map(|y| image.pixels[y * image.width * 3..][..width * 3].to_vec()).collect();
        assert_eq!(letters(&tile, width, height, 3), ["rgbw", "gwrb", "wbgr", "brwg"][usize::from(irot)]);
    }
}

#[test]
fn a_quick_request_takes_the_thumbnail_inside_a_heic_and_leaves_the_preview() {
    let pool = pool();
    let turns = Turns { irot: 3, imir: None };
    let bytes = heif::heic_grid(turns, turns);
    let request = RenderRequest { wanted: Wanted::QUICK, ..RenderRequest::sniffed(&bytes).unwrap() };
    let rendered = pool.render(&request).unwrap();
    assert!(rendered.preview_pending && rendered.preview.is_none(), "{rendered:?}");
    assert_eq!((rendered.width, rendered.height), (480, 640), "the size is that of the full picture");
    // The thumbnail is one picture of quarters; the full picture would be four of them.
    assert_eq!(thumbnail_letters(&rendered), "brwg");
}

#[test]
fn a_thumbnail_that_is_turned_otherwise_than_its_picture_is_not_trusted() {
    let bytes = heif::heic_grid(Turns { irot: 2, imir: None }, Turns::default());
    let request = RenderRequest { wanted: Wanted::QUICK, ..RenderRequest::sniffed(&bytes).unwrap() };
    let rendered = pool().render(&request).unwrap();
    assert!(!rendered.preview_pending && rendered.preview.is_some());
}

#[test]
fn a_file_cut_off_is_shown_as_far_as_it_goes_and_shows_nothing_of_the_photo_before() {
    let pool = pool_with(|options| options.workers = 1);
    for bytes in [jpeg(640, 480, false), pictures::png(640, 480, png::ColorType::Rgb)] {
        // A photo that is white all over, so that what it leaves behind would show.
        let white = pictures::jpeg_of(640, 480, "wwww");
        pool.render(&RenderRequest::new(&white, StillFormat::Jpeg)).unwrap();
        let cut = &bytes[..bytes.len() * 2 / 5];
        let rendered = pool.render(&RenderRequest::sniffed(cut).unwrap()).unwrap();
        assert!(rendered.damage.is_some(), "{rendered:?}");
        let (_, _, seen) = shown(&rendered);
        assert!(seen.starts_with("rg") && !seen.contains('w'), "{seen}");
    }
}

#[test]
fn pictures_of_impossible_size_are_refused_before_memory_is_taken() {
    // 64 MiB would not hold any of them.
    let pool = pool_with(|options| options.memory_bytes = 320 << 20);
    for (name, bytes) in pictures::giants() {
        let (kind, reason) = refusal(&pool, &bytes);
        // The readers of TIFF and HEIF see for themselves that such a file cannot be.
        let reader =
            matches!(name, "tiff" | "heic") && matches!(kind, RefusalKind::Malformed | RefusalKind::Limit);
        let bound = matches!(kind, RefusalKind::TooLarge) && reason.contains("megapixels");
        assert!(reader || bound, "{name}: {kind:?} {reason}");
    }
}

#[test]
fn bombs_are_refused_or_shown_within_their_limits() {
    let pool = pool_with(|options| options.timeout = std::time::Duration::from_secs(20));
    for (name, bytes) in pictures::bombs() {
        match pool.render(&RenderRequest::sniffed(&bytes).unwrap()) {
            Ok(_) => {}
            Err(RenderError::Refused(refusal)) => assert!(!refusal.reason.is_empty(), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    let (kind, reason) = refusal(&pool, &pictures::many_scans(3000));
    assert_eq!(kind, RefusalKind::Limit, "{reason}");
}

#[test]
fn large_pictures_take_turns_and_all_are_rendered() {
    let pool = pool_with(|options| options.limits.shared_bytes = 1);
    let bytes = jpeg(640, 480, false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(pool.render(&RenderRequest::new(&bytes, StillFormat::Jpeg)).is_ok()));
        }
    });
}

#[test]
fn the_second_decoder_of_jpeg_shows_the_same_picture() {
    // 12-bit and broken files end there; here its answer to a healthy one is compared through the worker.
    let bytes = jpeg(640, 480, false);
    let rendered = crate::common::render_by_fallback(&bytes);
    assert_eq!(rendered.decoder, "zune-jpeg");
    assert_eq!((rendered.width, rendered.height), (640, 480));
}

#[test]
fn transparent_pixels_show_white_paper() {
    let bytes = pictures::png_transparent(64, 48);
    let rendered = pool().render(&RenderRequest::sniffed(&bytes).unwrap()).unwrap();
    assert_eq!(shown(&rendered).2, "wwww");
}

#[test]
fn renditions_carry_no_bytes_of_the_file_but_pixels() {
    let planted = b"Exif\0\0SECRET PLACE OF THE PHOTO";
    let mut bytes = jpeg(640, 480, false);
    let segment =
        [&[0xff, 0xe1], u16::try_from(planted.len() + 2).unwrap().to_be_bytes().as_slice(), planted].concat();
    bytes.splice(2..2, segment);
    let rendered = pool().render(&RenderRequest::new(&bytes, StillFormat::Jpeg)).unwrap();
    for rendition in [rendered.preview.unwrap(), rendered.thumbnail.unwrap()] {
        assert!(!rendition.bytes.windows(6).any(|window| window == b"SECRET"));
    }
}

#[test]
fn the_same_bytes_give_the_same_renditions() {
    let bytes = jpeg(1000, 700, false);
    let request = RenderRequest::new(&bytes, StillFormat::Jpeg);
    assert_eq!(pool().render(&request).unwrap(), pool().render(&request).unwrap());
    assert_eq!(quarters(2, 2).len(), 12);
}

#[test]
fn what_two_pictures_are_compared_by_is_the_same_whichever_decoder_reads_a_thumbnail() {
    let pool = pool();
    let luma = |bytes: &[u8], wanted| {
        let request = RenderRequest { wanted, ..RenderRequest::sniffed(bytes).unwrap() };
        let rendered = pool.render(&request).unwrap();
        (rendered.decoder, rendered.luma.unwrap().bytes)
    };
    let beside = Wanted { thumbhash: true, ..Wanted::LUMA };
    let picture = pool.render(&RenderRequest::sniffed(&jpeg(1000, 700, false)).unwrap()).unwrap();
    let thumbnail = picture.thumbnail.unwrap().bytes;
    let (own, theirs) = (luma(&thumbnail, Wanted::LUMA), luma(&thumbnail, beside));
    assert_eq!((own.0.as_str(), theirs.0.as_str()), ("libwebp", "image-webp"));
    assert_eq!(own.1.len(), 64 * 64);
    let apart = own.1.iter().zip(&theirs.1).map(|(one, other)| one.abs_diff(*other)).max();
    assert!(apart <= Some(1), "{apart:?}");
    // What is no thumbnail of ours never comes to libwebp.
    for (name, bytes) in pictures::all() {
        let (decoder, _) = luma(&bytes, Wanted::LUMA);
        assert_eq!(decoder == "libwebp", name == "webp", "{name} by {decoder}");
    }
    let cut = &thumbnail[..thumbnail.len() / 3];
    let request = RenderRequest { wanted: Wanted::LUMA, ..RenderRequest::sniffed(cut).unwrap() };
    let shown = pool.render(&request);
    assert!(!shown.as_ref().is_ok_and(|rendered| rendered.decoder == "libwebp"), "{shown:?}");
}

#[test]
fn a_whole_jpeg_is_whole_whatever_stands_behind_it_and_one_without_its_end_is_not() {
    let movie = [&b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"[..], &[7; 5000]].concat();
    for progressive in [false, true] {
        let whole = jpeg(640, 480, progressive);
        for behind in [&b""[..], &[0; 700], &[0xff; 3], b"some words", &movie, &jpeg(64, 48, false)] {
            for wanted in [Wanted::ALL, Wanted::QUICK] {
                let bytes = [&whole, behind].concat();
                let request = RenderRequest { wanted, ..RenderRequest::new(&bytes, StillFormat::Jpeg) };
                assert_eq!(pool().render(&request).unwrap().damage, None, "{} bytes behind it", behind.len());
            }
        }
        for wanted in [Wanted::ALL, Wanted::QUICK] {
            let cut = &whole[..whole.len() * 3 / 4];
            let request = RenderRequest { wanted, ..RenderRequest::new(cut, StillFormat::Jpeg) };
            assert!(pool().render(&request).unwrap().damage.is_some(), "progressive: {progressive}");
        }
    }
}
