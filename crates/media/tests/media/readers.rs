//! One test for each format and each way in which it carries metadata, on samples made here.

use std::io::Cursor;
use std::path::Path;

use safelight_media::{
    DateSource, Format, GpsSource, MotionSource, NotMedia, Probe, Sniffed, exif_thumbnail, heif_thumbnails,
    probe, probe_reader, raw_preview, sniff,
};

use crate::samples::{self, LATITUDE, LONGITUDE, TAKEN, TiffBuilder, Value};

fn look(bytes: &[u8], name: &str) -> Probe {
    let name = Path::new(name);
    let in_memory = probe(bytes, name);
    let from_disk = probe_reader(&mut Cursor::new(bytes), name).unwrap();
    assert_eq!(in_memory, from_disk, "memory and disk must tell the same of {}", name.display());
    in_memory
}

/// Checks what every sample with EXIF says.
#[track_caller]
fn check_camera(found: &Probe, orientation: u8) {
    let taken = found.taken.as_ref().expect("a date");
    assert_eq!(taken.local.to_string(), TAKEN);
    assert_eq!((taken.offset_minutes, taken.source), (Some(120), DateSource::ExifOriginal));
    assert_eq!(taken.utc_millis(), Some(1_684_051_872_345));
    assert_eq!(found.orientation, orientation);
    let gps = found.gps.as_ref().expect("a position");
    assert!((gps.latitude - LATITUDE).abs() < 1e-5 && (gps.longitude - LONGITUDE).abs() < 1e-5, "{gps:?}");
    assert_eq!((gps.altitude_metres, gps.source), (Some(35.0), GpsSource::Exif));
    assert_eq!(found.model.as_deref(), Some("Camera 1"));
    assert_eq!((found.iso, found.aperture, found.focal_millimetres), (Some(400), Some(2.8), Some(50.0)));
    assert_eq!(found.exposure_seconds, Some(0.004));
    assert!(found.lens.is_some());
    assert_eq!(found.content_identifier.as_deref(), Some("CONTENT-5678"));
    assert_eq!(found.burst_id.as_deref(), Some("BURST-1234"));
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
}

#[track_caller]
fn check_words(found: &Probe) {
    assert_eq!(found.words.rating, Some(4));
    assert_eq!(found.words.keywords, ["sea", "food"]);
}

fn size(found: &Probe) -> (u32, u32) {
    (found.width.unwrap(), found.height.unwrap())
}

#[test]
fn every_sample_is_recognised_by_content_alone() {
    for (name, bytes) in samples::all() {
        let expected = safelight_media::by_name(Path::new(name)).unwrap();
        assert_eq!(sniff(&bytes, Path::new("no-extension")), Sniffed::Media(expected), "{name}");
        let misnamed = if name.ends_with("jpg") { "wrong.png" } else { "wrong.jpg" };
        assert_eq!(sniff(&bytes, Path::new(misnamed)), Sniffed::Media(expected), "{name} as {misnamed}");
        assert_eq!(look(&bytes, name).format, expected);
    }
}

#[test]
fn what_is_no_photo_is_told_from_a_broken_one() {
    let sniff = |bytes: &[u8], name: &str| sniff(bytes, Path::new(name));
    assert_eq!(sniff(b"", "a.jpg"), Sniffed::NamedLike(Format::Jpeg));
    assert_eq!(sniff(&[0; 512], "a.MOV"), Sniffed::NamedLike(Format::Mov));
    assert_eq!(sniff(b"FOVb", "sigma.x3f"), Sniffed::NamedLike(Format::Unknown));
    assert_eq!(sniff(b"%PDF-1.7", "scan.jpg"), Sniffed::NotMedia(NotMedia::Disguised));
    assert_eq!(sniff(b"\0\x05\x16\x07\0\x02", "._a.jpg"), Sniffed::NotMedia(NotMedia::AppleDouble));
    assert_eq!(sniff(b"<?xml version", "a.xmp"), Sniffed::NotMedia(NotMedia::Sidecar));
    assert_eq!(sniff(b"ID3\x04", "song.mp3"), Sniffed::NotMedia(NotMedia::Audio));
    assert_eq!(sniff(b"hello", "notes.txt"), Sniffed::NotMedia(NotMedia::Unrecognised));
    assert_eq!(look(b"", "a.jpg").warnings, ["neither a photo nor a video by its content"]);
}

#[test]
fn jpeg_tells_exif_and_xmp_in_both_byte_orders() {
    for big in [false, true] {
        let file =
            samples::jpeg(4032, 3024, &[samples::app1_exif(big, 6), samples::app1_xmp(&samples::xmp())]);
        let found = look(&file, "a.jpg");
        check_camera(&found, 6);
        check_words(&found);
        assert_eq!((size(&found), found.shown_size()), ((4032, 3024), Some((3024, 4032))));
    }
}

#[test]
fn jpeg_tells_extended_xmp_and_iptc() {
    let packet = samples::xmp();
    let digest = b"0123456789abcdef0123456789ABCDEF";
    let main = String::from_utf8(packet.clone()).unwrap().replace(
        "xmp:Rating=\"4\"",
        "xmlns:n=\"http://ns.adobe.com/xmp/note/\" n:HasExtendedXMP=\"0123456789ABCDEF0123456789ABCDEF\"",
    );
    let total = u32::try_from(packet.len()).unwrap();
    let mut segments = vec![samples::app1_xmp(main.as_bytes())];
    // The pieces in the wrong order.
    for (start, end) in [(100, packet.len()), (0, 100)] {
        let offset = u32::try_from(start).unwrap();
        let head = [
            &b"http://ns.adobe.com/xmp/extension/\0"[..],
            digest,
            &total.to_be_bytes(),
            &offset.to_be_bytes(),
        ]
        .concat();
        segments.push((0xe1, [&head, &packet[start..end]].concat()));
    }
    let iptc = b"\x1c\x02\x69\0\0\x1c\x02\x78\0\x05Caf\xe9!\x1c\x02\x37\0\x0820230514";
    let resource =
        [&b"Photoshop 3.0\08BIM\x04\x04\0\0"[..], &u32::try_from(iptc.len()).unwrap().to_be_bytes(), iptc]
            .concat();
    segments.push((0xed, resource));
    let found = look(&samples::jpeg(8, 8, &segments), "a.jpg");
    check_words(&found);
    assert_eq!(found.words.description.as_deref(), Some("Café!"));
    let taken = found.taken.unwrap();
    assert_eq!((taken.local.to_string().as_str(), taken.source), ("2023-05-14T00:00:00", DateSource::Iptc));
}

#[test]
fn what_a_camera_writes_into_every_picture_is_no_description() {
    for (text, expected) in [("OLYMPUS DIGITAL CAMERA", None), ("A boat", Some("A boat".to_owned()))] {
        let block = TiffBuilder::little().build(vec![vec![(0x010e, Value::Text(text))]]);
        let file = samples::jpeg(8, 8, &[(0xe1, [b"Exif\0\0".to_vec(), block].concat())]);
        assert_eq!(look(&file, "a.jpg").words.description, expected);
    }
}

#[test]
fn a_thumbnails_orientation_does_not_turn_the_photo() {
    let thumbnail = vec![(0x0112, Value::Short(8))];
    let block = TiffBuilder::little().build(vec![vec![(0x010f, Value::Text("Sample"))], thumbnail]);
    let found = look(&samples::jpeg(8, 8, &[(0xe1, [b"Exif\0\0".to_vec(), block].concat())]), "a.jpg");
    assert_eq!((found.orientation, found.exif_orientation), (1, None));
}

#[test]
fn a_thumbnail_in_exif_is_located() {
    let thumbnail = samples::jpeg(160, 120, &[]);
    let length = u32::try_from(thumbnail.len()).unwrap();
    let second = vec![(0x0201, Value::Block(thumbnail.clone())), (0x0202, Value::Long(length))];
    let block = TiffBuilder::big().build(vec![samples::camera(6), second]);
    let file = samples::jpeg(4000, 3000, &[(0xe1, [b"Exif\0\0".to_vec(), block].concat())]);
    let found = exif_thumbnail(&file, &look(&file, "a.jpg")).unwrap();
    assert_eq!((found.width, found.height, found.orientation), (160, 120, 6));
    let start = usize::try_from(found.offset_bytes).unwrap();
    assert_eq!(&file[start..start + thumbnail.len()], thumbnail);
}

#[test]
fn png_tells_exif_in_a_chunk_and_in_a_raw_profile() {
    let found = look(&samples::png(&[(b"eXIf", samples::exif(true, 3))]), "a.png");
    check_camera(&found, 3);
    assert_eq!(size(&found), (320, 200));

    let block = [b"Exif\0\0".to_vec(), samples::exif(false, 7)].concat();
    let digits: String = block.iter().map(|byte| format!("{byte:02x}")).collect();
    let profile = format!("\nexif\n{:8}\n{digits}\n", block.len());
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(profile.as_bytes(), 6);
    let chunk = [b"Raw profile type exif\0\0".to_vec(), packed].concat();
    check_camera(&look(&samples::png(&[(b"zTXt", chunk)]), "a.png"), 7);
}

#[test]
fn png_tells_xmp_texts_and_time() {
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&samples::xmp(), 6);
    let packet = [b"XML:com.adobe.xmp\0\x01\0\0\0".to_vec(), packed].concat();
    let found = look(
        &samples::png(&[
            (b"iTXt", packet),
            (b"tEXt", b"Title\0A title".to_vec()),
            (b"tIME", vec![0x07, 0xe7, 5, 14, 8, 11, 12]),
        ]),
        "a.png",
    );
    check_words(&found);
    assert_eq!(found.words.title.as_deref(), Some("A title"));
    let taken = found.taken.unwrap();
    assert_eq!((taken.offset_minutes, taken.source), (Some(0), DateSource::PngTime));
    let text = b"Creation Time\0Sun, 14 May 2023 10:11:12 +0200".to_vec();
    let taken = look(&samples::png(&[(b"tEXt", text)]), "a.png").taken.unwrap();
    assert_eq!((taken.local.to_string().as_str(), taken.offset_minutes), ("2023-05-14T10:11:12", Some(120)));
}

#[test]
fn a_compressed_text_cannot_swell_without_bound() {
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![b'0'; 64 << 20], 9);
    let chunk = [b"Raw profile type exif\0\0".to_vec(), bomb].concat();
    let found = look(&samples::png(&[(b"zTXt", chunk), (b"eXIf", samples::exif(true, 1))]), "a.png");
    check_camera(&found, 1);
}

#[test]
fn exif_counts_before_xmp_for_the_camera_and_xmp_before_exif_for_the_rating() {
    let packet = br#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
        xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
        xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
        xmlns:xmp="http://ns.adobe.com/xap/1.0/" tiff:Make="Other" tiff:Model="Other 2"
        exif:GPSLatitude="1,30N" exif:GPSLongitude="2,30E" xmp:Rating="5"/></rdf:RDF></x:xmpmeta>"#;
    let text = [b"XML:com.adobe.xmp\0\0\0\0\0".as_slice(), packet].concat();
    let mut entries = samples::camera(1);
    entries.push((0x4746, Value::Short(2)));
    let exif = TiffBuilder::big().build(vec![entries]);
    // PNG has them in either order.
    let (xmp, exif) = ((b"iTXt", text), (b"eXIf", exif));
    for chunks in [[xmp.clone(), exif.clone()], [exif.clone(), xmp.clone()]] {
        let found = look(&samples::png(&chunks), "a.png");
        check_camera(&found, 1);
        assert_eq!(found.words.rating, Some(5));
    }
    let found = look(&samples::png(&[exif]), "a.png");
    assert_eq!(found.words.rating, Some(2), "without XMP, EXIF's rating counts");
    let found = look(&samples::png(&[xmp]), "a.png");
    assert_eq!((found.make.as_deref(), found.gps.unwrap().latitude), (Some("Other"), 1.5));
}

#[test]
fn texts_that_cameras_write_without_length_or_language_are_read() {
    let data = [
        samples::part(b"\xa9mdl", b"FC220\0"),
        samples::part(b"manu", b"Maker\0"),
        samples::part(b"date", b"2023-05-14T10:11:12"),
        samples::part(b"\xa9cmt", b"\0\x07\0\0comment"),
        samples::part(b"\xa9des", b"\0\x04\0\0told"),
    ];
    let one = 1 << 16;
    let bytes = samples::movie(b"isom", [one, 0, 0, one], &[samples::part(b"udta", &data.concat())]);
    let found = look(&bytes, "a.mp4");
    assert_eq!((found.make.as_deref(), found.model.as_deref()), (Some("Maker"), Some("FC220")));
    let taken = found.taken.unwrap();
    assert_eq!((taken.local.to_string().as_str(), taken.offset_minutes), ("2023-05-14T10:11:12", None));
    assert_eq!(found.words.description.as_deref(), Some("told"), "a comment is no description");
}

#[test]
fn raw_files_of_a_makers_second_kind_have_its_media_type() {
    let bytes = samples::tiff_raw("NIKON CORPORATION", &TiffBuilder::little(), Vec::new());
    let kind = |name: &str| probe(&bytes, Path::new(name)).media_type;
    assert_eq!((kind("a.NRW").as_str(), kind("a.nef").as_str()), ("image/x-nikon-nrw", "image/x-nikon-nef"));
}

#[test]
fn webp_tiff_gif_and_bmp_tell_what_they_carry() {
    let found = look(&samples::webp(), "a.webp");
    check_camera(&found, 8);
    check_words(&found);
    assert_eq!(size(&found), (320, 200));
    for (name, bytes) in samples::all() {
        let found = look(&bytes, name);
        match name {
            "a.tif" => {
                check_camera(&found, 5);
                assert_eq!(size(&found), (320, 200));
            }
            "a.gif" => {
                assert_eq!(
                    (size(&found), found.animated, found.duration_millis),
                    ((320, 200), true, Some(200))
                );
            }
            "a.bmp" => assert_eq!(size(&found), (320, 200)),
            _ => {}
        }
    }
}

#[test]
fn heic_is_turned_by_its_own_boxes_and_not_by_exif() {
    for (turns, orientation) in [
        (&[][..], 1),
        (&[(b"irot", 3)], 6),
        (&[(b"irot", 1)], 8),
        (&[(b"irot", 2)], 3),
        (&[(b"imir", 1)], 2),
        (&[(b"imir", 0)], 4),
        (&[(b"irot", 3), (b"imir", 1)], 5),
        (&[(b"irot", 1), (b"imir", 1)], 7),
    ] {
        let found = look(&samples::heif(b"heic", b"hvc1", turns), "a.heic");
        check_camera(&found, orientation);
        check_words(&found);
        assert_eq!((found.exif_orientation, size(&found)), (Some(6), (4032, 3024)));
        assert_eq!(found.media_type, "image/heic");
    }
}

#[test]
fn avif_is_read_like_heic_and_thumbnails_are_located() {
    let file = samples::heif(b"avif", b"av01", &[(b"imir", 1)]);
    let found = look(&file, "a.avif");
    check_camera(&found, 2);
    assert_eq!(found.format, Format::Avif);
    let thumbnails = heif_thumbnails(&file);
    let [thumbnail] = thumbnails.as_slice() else { panic!("{thumbnails:?}") };
    assert_eq!((thumbnail.kind.as_str(), thumbnail.width, thumbnail.height), ("av01", 320, 240));
    assert_eq!(thumbnail.offset_bytes + thumbnail.length_bytes, file.len() as u64);
}

#[test]
fn jpeg_xl_is_turned_by_its_codestream_and_not_by_exif() {
    let found = look(&samples::jxl(), "a.jxl");
    check_camera(&found, 1);
    check_words(&found);
    assert_eq!((found.exif_orientation, size(&found)), (Some(3), (8, 8)));
}

#[test]
fn raw_files_tell_the_sensors_size_and_carry_a_preview() {
    for name in ["a.nef", "a.arw", "a.dng", "a.orf", "a.pef", "a.cr2"] {
        let (_, bytes) = samples::all().into_iter().find(|(found, _)| *found == name).unwrap();
        let found = look(&bytes, name);
        check_camera(&found, 8);
        assert_eq!(size(&found), (6000, 4000), "{name}");
        let preview = raw_preview(&bytes, &found).unwrap_or_else(|| panic!("{name} has a preview"));
        assert_eq!((preview.width, preview.height, preview.orientation), (1620, 1080, 8), "{name}");
    }
}

#[test]
fn cr3_raf_rw2_and_crw_tell_their_own_ways() {
    let cr3 = samples::cr3();
    let found = look(&cr3, "a.cr3");
    check_camera(&found, 6);
    assert_eq!(size(&found), (6000, 4000));
    assert_eq!(raw_preview(&cr3, &found).map(|preview| preview.width), Some(6000));

    let raf = samples::raf();
    let found = look(&raf, "a.raf");
    check_camera(&found, 6);
    assert_eq!(size(&found), (6000, 4000));
    assert_eq!(raw_preview(&raf, &found).map(|preview| preview.width), Some(1920));

    let rw2 = samples::rw2();
    let found = look(&rw2, "a.rw2");
    check_camera(&found, 3);
    assert_eq!((size(&found), found.make.as_deref()), ((4000, 3000), Some("Panasonic")));
    assert_eq!(raw_preview(&rw2, &found).map(|preview| preview.width), Some(1920));

    let crw = samples::crw();
    let found = look(&crw, "a.crw");
    assert_eq!((size(&found), found.orientation), ((2160, 1440), 6));
    assert_eq!(found.model.as_deref(), Some("Canon EOS D30"));
    assert_eq!(found.taken.as_ref().unwrap().local.to_string(), "2023-05-14T10:11:12");
    assert_eq!(raw_preview(&crw, &found).map(|preview| preview.width), Some(1536));
}

#[test]
fn a_live_photos_movie_tells_its_still_its_zone_and_its_place() {
    let found = look(&samples::movie(b"qt  ", [0, 1, -1, 0], &[samples::live_keys()]), "a.mov");
    let taken = found.taken.as_ref().unwrap();
    assert_eq!((taken.local.to_string().as_str(), taken.offset_minutes), ("2023-05-14T10:11:12", Some(120)));
    assert_eq!(taken.source, DateSource::QuickTimeCreation);
    let header = found.dates.iter().find(|taken| taken.source == DateSource::MovieHeader).unwrap();
    assert_eq!(header.utc_millis(), taken.utc_millis(), "both dates are kept, and are the same moment");
    assert_eq!(found.content_identifier.as_deref(), Some("CONTENT-5678"));
    assert_eq!((found.make.as_deref(), found.model.as_deref()), (Some("Sample"), Some("Phone 1")));
    assert_eq!(found.gps.unwrap().altitude_metres, Some(35.0));
    assert_eq!((found.duration_millis, found.orientation), (Some(2500), 6));
    assert_eq!((size(&found), found.shown_size()), ((1920, 1080), Some((1080, 1920))));
    let video = found.video.unwrap();
    assert_eq!(
        (video.codec.as_str(), video.rotation_degrees, video.frames_per_second),
        ("hvc1", 90, Some(30.0))
    );
}

#[test]
fn positions_in_user_data_and_in_3gpp_boxes_are_read() {
    for (name, brand, more) in [("a.mp4", b"mp42", samples::user_data()), ("a.3gp", b"3gp5", samples::loci())]
    {
        let found = look(&samples::movie(brand, [1, 0, 0, 1], &[more]), name);
        let gps = found.gps.unwrap();
        assert!(
            (gps.latitude - LATITUDE).abs() < 1e-4 && (gps.longitude - LONGITUDE).abs() < 1e-4,
            "{name} {gps:?}"
        );
        assert_eq!(found.taken.unwrap().source, DateSource::MovieHeader);
    }
}

#[test]
fn a_movie_without_pictures_is_sound() {
    let mut file = samples::movie(b"mp42", [1, 0, 0, 1], &[]);
    for (from, to) in [(&b"mhlrvide"[..], b"mhlrsoun"), (b"hvc1\0\0\0\0", b"mp4a\0\0\0\0")] {
        let at = file.windows(8).position(|window| window == from).unwrap();
        file[at..at + 8].copy_from_slice(to);
    }
    assert_eq!(look(&file, "a.mp4").media_type, "audio/mp4");
}

#[test]
fn matroska_webm_and_avi_tell_duration_date_and_codec() {
    for (name, bytes) in [("a.mkv", samples::matroska("matroska")), ("a.webm", samples::matroska("webm"))] {
        let found = look(&bytes, name);
        assert_eq!((size(&found), found.duration_millis), ((1920, 1080), Some(2500)));
        assert_eq!(found.video.unwrap().codec, "V_VP9");
        assert_eq!(found.taken.unwrap().utc_millis(), Some(1_684_051_872_000));
    }
    let found = look(&samples::avi(), "a.avi");
    assert_eq!((size(&found), found.duration_millis), ((640, 480), Some(2000)));
    let taken = found.taken.unwrap();
    assert_eq!(
        (taken.local.to_string().as_str(), taken.source),
        ("2023-05-14T10:11:12", DateSource::Container)
    );
    assert_eq!(found.video.unwrap().codec, "MJPG");
}

#[test]
fn a_video_that_ends_before_its_own_account_of_itself_says_so_and_all_others_do_not() {
    let movie = [
        samples::movie(b"mp42", [1, 0, 0, 1], &[]),
        samples::part(b"mdat", &[7; 4000]),
        samples::part(b"free", &[0; 64]),
    ]
    .concat();
    // One with a length of 64 bits, and the header behind the pictures.
    let long = [&1u32.to_be_bytes()[..], b"mdat", &4016u64.to_be_bytes(), &[7; 4000]].concat();
    let late =
        [samples::part(b"ftyp", b"qt  \0\0\0\0qt  "), long, samples::movie(b"mp42", [1, 0, 0, 1], &[])]
            .concat();
    let list = [&b"LIST\xa4\x0f\0\0movi"[..], &[7; 4000]].concat();
    let mut avi = [samples::avi(), list].concat();
    let length = u32::try_from(avi.len() - 8).unwrap();
    avi[4..8].copy_from_slice(&length.to_le_bytes());
    for (name, file, cut) in [
        ("a.mp4", &movie, movie.len() - 1000),
        ("b.mov", &late, 2000),
        ("c.avi", &avi, avi.len() - 1000),
        ("d.mkv", &samples::matroska("matroska"), samples::matroska("matroska").len() - 20),
    ] {
        assert_eq!(look(file, name).stated_bytes, None, "{name}");
        let stated = look(&file[..cut], name).stated_bytes.unwrap_or_else(|| panic!("{name}"));
        assert!(stated > cut as u64 && stated <= file.len() as u64, "{name}: {stated}");
    }
    // Only free room is cut off; what follows the boxes is none; the length is not known, or miscounted.
    assert_eq!(look(&movie[..movie.len() - 30], "a.mp4").stated_bytes, None);
    assert_eq!(look(&[movie, b"\x7f\xff\xff\xffSEFHjunk".to_vec()].concat(), "a.mp4").stated_bytes, None);
    for length in [u32::MAX, 0, length + 8] {
        avi[4..8].copy_from_slice(&length.to_le_bytes());
        assert_eq!(look(&avi, "c.avi").stated_bytes, None, "{length}");
    }
}

#[test]
fn the_video_in_a_motion_photo_is_found_by_each_makers_way() {
    for (file, source) in [
        (samples::motion_photo(false), MotionSource::MotionPhoto),
        (samples::motion_photo(true), MotionSource::MicroVideo),
        (samples::samsung_motion(), MotionSource::SamsungTrailer),
        (
            [
                samples::heif(b"heic", b"hvc1", &[]),
                samples::part(b"mpvd", &samples::movie(b"mp42", [1, 0, 0, 1], &[])),
            ]
            .concat(),
            MotionSource::MpvdBox,
        ),
    ] {
        let motion = look(&file, "a").motion.unwrap_or_else(|| panic!("{source:?}"));
        assert_eq!(motion.source, source);
        let start = usize::try_from(motion.offset_bytes).unwrap();
        let end = start + usize::try_from(motion.length_bytes).unwrap();
        let inner = look(&file[start..end], "inner.mp4");
        assert_eq!((inner.format, inner.duration_millis), (Format::Mp4, Some(2500)), "{source:?}");
    }
}

#[test]
fn a_motion_photo_that_lost_its_video_says_so() {
    let file = samples::motion_photo(false);
    let end = file.windows(2).rposition(|pair| pair == [0xff, 0xd9]).unwrap() + 2;
    let found = look(&file[..end], "a.jpg");
    assert_eq!(
        (found.motion, found.warnings),
        (None, vec!["the motion photo's video is missing".to_owned()])
    );
}

#[test]
fn a_file_name_tells_the_date_only_when_nothing_else_does() {
    let found = look(&samples::jpeg(8, 8, &[]), "IMG_20230514_101112.jpg");
    assert_eq!(found.taken.unwrap().source, DateSource::FileName);
    let found = look(&samples::jpeg(8, 8, &[samples::app1_exif(false, 1)]), "IMG_19990101_000000.jpg");
    assert_eq!(found.taken.unwrap().source, DateSource::ExifOriginal);
    assert_eq!(look(&samples::jpeg(8, 8, &[]), "DSC0001.jpg").taken, None);
}

#[test]
fn a_probe_survives_being_written_and_read() {
    for (name, bytes) in samples::all() {
        let found = look(&bytes, name);
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Probe>(&text).unwrap(), found, "{name}");
    }
}

#[test]
fn a_long_video_costs_only_a_few_small_reads() {
    struct Counting {
        inner: Cursor<Vec<u8>>,
        read: u64,
    }
    impl std::io::Read for Counting {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.inner.read(buffer)?;
            self.read += count as u64;
            Ok(count)
        }
    }
    impl std::io::Seek for Counting {
        fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
            self.inner.seek(to)
        }
    }
    let movie = samples::movie(b"mp42", [1, 0, 0, 1], &[samples::user_data()]);
    let at = movie.windows(4).position(|window| window == b"mdat").unwrap() - 4;
    let mut long = movie[..at].to_vec();
    long.extend(samples::part(b"mdat", &vec![0; 64 << 20]));
    long.extend(&movie[at + 72..]);
    let mut counting = Counting { inner: Cursor::new(long), read: 0 };
    let found = probe_reader(&mut counting, Path::new("long.mp4")).unwrap();
    assert_eq!(found.duration_millis, Some(2500));
    assert!(counting.read < 256 << 10, "{} bytes read", counting.read);
}
