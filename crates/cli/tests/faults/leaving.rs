//! Taking everything out again: bytes, paths, times, and words that other programs read.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::pictures::{Exif, jpeg, photo};
use crate::room::{Room, files_below, skip};

const SIDECAR: &str = r#"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Tea &amp; &lt;biscuits&gt;</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">An afternoon in Zürich, «at last»</rdf:li></rdf:Alt></dc:description>
<dc:subject><rdf:Bag><rdf:li>tea time</rdf:li><rdf:li>Zürich</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"#;

fn exported_room() -> (Room, std::path::PathBuf) {
    let room = Room::with_library();
    let exif = Exif { taken: Some("2021:10:08 22:47:36".into()), ..Exif::default() };
    let picture = room.put("2021/tea.jpg", jpeg(1, 20, 15, &exif));
    std::fs::write(picture.with_extension("jpg.xmp"), SIDECAR).unwrap();
    room.put("2021/plain.jpg", photo(2));
    room.import().ends_with(&[0]);
    let out = room.path("out");
    room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[0]);
    (room, out)
}

fn only(out: &Path, name: &str) -> std::path::PathBuf {
    let found =
        files_below(out).into_iter().filter(|file| file.file_name().unwrap() == name).collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn exiftool_reads_from_our_sidecars_what_was_typed() {
    let (_room, out) = exported_room();
    let sidecar = files_below(&out)
        .into_iter()
        .find(|file| {
            let name = file.file_name().unwrap().to_string_lossy();
            name.starts_with("tea") && name.ends_with(".xmp")
        })
        .expect("a sidecar for the photo with a caption");
    let Ok(read) = Command::new("exiftool").args(["-j", "-n"]).arg(&sidecar).output() else {
        return skip("exiftool is not here to be a witness");
    };
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();
    let read = &read[0];
    assert_eq!(read["Title"], "Tea & <biscuits>", "{read}");
    assert_eq!(read["Description"], "An afternoon in Zürich, «at last»", "{read}");
    assert_eq!(read["Rating"], 4, "{read}");
    let subject = read["Subject"].as_array().unwrap_or_else(|| panic!("no keywords in {read}"));
    for keyword in ["tea time", "Zürich"] {
        assert!(subject.iter().any(|found| found == keyword), "{keyword} is missing in {read}");
    }
}

#[test]
fn originals_keep_their_path_below_the_import_and_their_time() {
    let room = Room::with_library();
    let path = room.put("deep/er/tea.jpg", photo(1));
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_300_000_000);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    room.import().ends_with(&[0]);
    let out = room.path("out");
    room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[0]);
    let file = only(&out, "tea.jpg");
    assert!(file.ends_with("deep/er/tea.jpg"), "{}", file.display());
    let modified = file.metadata().unwrap().modified().unwrap();
    assert_eq!(modified, old);
}

#[test]
fn a_second_export_into_the_same_folder_changes_nothing() {
    let (room, out) = exported_room();
    let before =
        files_below(&out).iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect::<Vec<_>>();
    let photos = |files: &[(std::path::PathBuf, Vec<u8>)]| {
        files.iter().filter(|(file, _)| !file.ends_with("manifest.json")).cloned().collect::<Vec<_>>()
    };
    room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[0]);
    let after =
        files_below(&out).iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect::<Vec<_>>();
    assert!(photos(&before) == photos(&after));
    room.run(room.bare().args(["verify", "--export"]).arg(&out)).ends_with(&[0]);
}

#[test]
fn an_export_never_writes_into_a_folder_that_holds_something_else() {
    let room = Room::with_library();
    room.put("one.jpg", photo(1));
    room.import().ends_with(&[0]);
    let out = room.path("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("thesis.txt"), "years of work").unwrap();
    room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[5]);
    assert_eq!(files_below(&out).len(), 1);
}
