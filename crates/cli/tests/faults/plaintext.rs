//! Nothing of a photo stands in the open: not in the library folder, nor in anything else that a run leaves.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::pictures::{Exif, jpeg};
use crate::room::{Room, files_below};

/// Strings that stand in names, EXIF and sidecars below, and in nothing that the program would write by itself.
const PLANTED: [&str; 9] = [
    "Zebrawing-in-a-name",
    "Quillfeather-in-a-folder",
    "Umbergris-in-a-description",
    "Mottlebank-in-a-caption",
    "Fennelwick-in-a-tag",
    "Sorrelgate-in-a-title",
    "Larkspur-model-9000",
    "Hobnail-maker",
    "2017:03:04 05:06:07",
];

/// How formats of photos and of their metadata begin, long enough not to occur by chance.
const SIGNATURES: [&[u8]; 7] = [
    b"Exif\0\0II",
    b"Exif\0\0MM",
    b"\xff\xd8\xff\xe0\0\x10JFIF",
    b"WEBPVP8",
    b"\x89PNG\r\n\x1a\n",
    b"http://ns.adobe.com",
    b"<x:xmpmeta",
];

fn needles() -> Vec<(String, Vec<u8>)> {
    let mut needles = Vec::new();
    for planted in PLANTED {
        needles.push((planted.to_owned(), planted.as_bytes().to_vec()));
        let wide = planted.encode_utf16().flat_map(u16::to_le_bytes).collect();
        needles.push((format!("{planted} (UTF-16)"), wide));
        let hex = planted.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        needles.push((format!("{planted} (hexadecimal)"), hex.into_bytes()));
    }
    // Lower case is how a search index would keep them.
    needles.extend(
        PLANTED.iter().map(|text| (format!("{text} (lower case)"), text.to_lowercase().into_bytes())),
    );
    // The position lies in Reykjavík; its name comes from the program's own table.
    needles.extend(["Reykjav", "Iceland", "reykjav"].map(|text| (text.to_owned(), text.as_bytes().to_vec())));
    needles.extend(
        ["2017-03-04T05:06", "2017-03-04 05:06"].map(|text| (text.to_owned(), text.as_bytes().to_vec())),
    );
    needles.extend(
        SIGNATURES.iter().map(|bytes| (format!("signature {}", bytes.escape_ascii()), bytes.to_vec())),
    );
    needles
}

fn found_below(folder: &Path, needles: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files_below(folder) {
        let bytes = std::fs::read(&file).unwrap();
        let name = file.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
        for (what, needle) in needles {
            if contains(&bytes, needle) || contains(name.as_bytes(), needle) {
                found.push(format!("{what} in {name}"));
            }
        }
    }
    found
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let (first, rest) = needle.split_first().unwrap();
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| byte == first) {
        if haystack[from + at + 1..].starts_with(rest) {
            return true;
        }
        from += at + 1;
    }
    false
}

fn plant(room: &Room) {
    let exif = Exif {
        make: Some("Hobnail-maker".into()),
        model: Some("Larkspur-model-9000".into()),
        description: Some("Umbergris-in-a-description".into()),
        orientation: Some(1),
        taken: Some("2017:03:04 05:06:07".into()),
        offset: Some("+00:00".into()),
        place: Some((64.1466, -21.9426)),
    };
    let picture = room.put("Quillfeather-in-a-folder/Zebrawing-in-a-name.jpg", jpeg(9, 40, 30, &exif));
    let xmp = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"><rdf:Description rdf:about="" xmp:Rating="4">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Sorrelgate-in-a-title</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Mottlebank-in-a-caption</rdf:li></rdf:Alt></dc:description>
<dc:subject><rdf:Bag><rdf:li>Fennelwick-in-a-tag</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"#;
    std::fs::write(picture.with_extension("jpg.xmp"), xmp).unwrap();
    // One that cannot be decoded, so that its reason is kept too.
    room.put(
        "Quillfeather-in-a-folder/Zebrawing-in-a-name broken.jpg",
        b"\xff\xd8\xff\xe0\0\x10JFIF no more",
    );
}

#[test]
fn nothing_of_a_photo_stands_in_the_open() {
    let room = Room::with_library();
    plant(&room);
    let needles = needles();
    let control = found_below(&room.photos(), &needles);
    assert!(control.len() >= PLANTED.len(), "the search would not find what is there: {control:?}");

    room.run(room.import_command().arg("--verbose")).ends_with(&[0, 1]);
    // Search, show and export touch the index, the renditions and the originals.
    let found = room.safelight(&["--json", "list", "Mottlebank-in-a-caption"]).ends_with(&[0]);
    assert_eq!(
        found.json().as_array().map(Vec::len),
        Some(1),
        "the caption is not found by search: {}",
        found.said()
    );
    room.safelight(&["--json", "list", "place:Reykjavik"]).ends_with(&[0]);
    room.safelight(&["verify"]).ends_with(&[0]);
    room.safelight(&["export", room.path("out").to_str().unwrap()]).ends_with(&[0]);
    for place in ["library", "home", "run"] {
        let found = found_below(&room.path(place), &needles);
        assert!(found.is_empty(), "in the open in {place}/: {found:#?}");
    }
}

/// Strings that a person types: captions, tags, albums, places. The program writes none of them by itself.
const TYPED: [&str; 6] = [
    "Wrenthicket-typed-as-caption",
    "Gorsebrook-typed-as-title",
    "Pimpernel-typed-as-tag",
    "Dunnockhall-typed-as-album",
    "Saltmarsh-renamed-album",
    "Thistledown-typed-as-place",
];

#[test]
fn nothing_that_is_typed_stands_in_the_open() {
    let room = Room::with_library();
    plant(&room);
    room.import();
    let id = room.listed().into_iter().find(|(_, path)| path.ends_with("name.jpg")).unwrap().0;
    let say =
        |arguments: &[&str]| room.safelight(&[&["--verbose", "--yes"], arguments].concat()).ends_with(&[0]);
    say(&["album", "add", TYPED[3]]);
    say(&["set", &id, &format!("caption={}", TYPED[0]), &format!("title={}", TYPED[1])]);
    say(&["set", &id, &format!("tag+={}", TYPED[2]), &format!("album+={}", TYPED[3])]);
    say(&["set", &id, &format!("place=10,20 {}", TYPED[5]), "date=2017-03-04 05:06"]);
    say(&["album", "rename", TYPED[3], TYPED[4]]);
    let shown = say(&["show", &id]).text();
    for typed in [TYPED[0], TYPED[1], TYPED[2], TYPED[4], TYPED[5]] {
        assert!(shown.contains(typed), "{typed} was not typed: {shown}");
    }
    say(&["set", &id, &format!("tag-={}", TYPED[2]), "caption="]);
    say(&["trash", &id]);
    say(&["trash", "list"]);
    say(&["trash", "empty"]);
    let mut needles = needles();
    for typed in TYPED {
        for text in [typed.to_owned(), typed.to_lowercase()] {
            needles.push((text.clone(), text.into_bytes()));
        }
        let hex = typed.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        needles.push((format!("{typed} (hexadecimal)"), hex.into_bytes()));
    }
    for place in ["library", "home", "run"] {
        let found = found_below(&room.path(place), &needles);
        assert!(found.is_empty(), "in the open in {place}/: {found:#?}");
    }
}

#[test]
fn nothing_of_a_photo_stands_in_the_open_after_a_kill() {
    let room = Room::with_library();
    plant(&room);
    let needles = needles();
    for moment in [30, 60, 90, 130, 180, 250] {
        let mut child = room.import_command().spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(moment));
        child.kill().unwrap();
        drop(child.wait_with_output().unwrap());
        for place in ["library", "home", "run"] {
            let found = found_below(&room.path(place), &needles);
            assert!(found.is_empty(), "in the open in {place}/ after a kill at {moment} ms: {found:#?}");
        }
    }
}

#[test]
fn only_the_owner_may_read_the_library_and_its_keys() {
    let room = Room::with_library();
    plant(&room);
    room.import();
    let open = files_below(&room.library())
        .into_iter()
        .chain([room.library(), room.path("recovery")])
        .filter(|path| path.metadata().unwrap().mode() & 0o077 != 0)
        .filter(|path| {
            path.starts_with(room.library().join("keys")) || !path.starts_with(room.library().join("x"))
        })
        .map(|path| format!("{} {:o}", path.display(), path.metadata().unwrap().mode() & 0o777))
        .collect::<Vec<_>>();
    assert!(open.is_empty(), "others may read: {open:#?}");
}
