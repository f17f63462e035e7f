//! Imports and renders without a program that decodes, which is the machine's fault and not the pictures'.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use safelight_catalog::{Access, DeviceDb, ListOptions};
use safelight_model::{AssetId, AssetState, Facts, Life, OpBody, Original, ProbeKind, SourcePath, Storage};

use super::*;
use crate::library::device_key;
use crate::monitor::Unwatched;
use crate::scan::trust::sampled_fingerprint;
use crate::testing::Place;
use crate::whereabouts::doubt_left;

impl Place {
    fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.directory.path().join("photos").join(name), bytes).unwrap();
    }

    fn request(&self) -> ImportRequest {
        ImportRequest {
            paths: vec![self.directory.path().join("photos")],
            link: false,
            all_files: false,
            remove_after_proof: false,
            settle: Duration::ZERO,
        }
    }
}

/// Enough of a JPEG to be taken for one.
fn picture(seed: u8) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 16];
    bytes.extend(b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    bytes.extend([seed; 600]);
    bytes.extend([0xff, 0xd9]);
    bytes
}

#[test]
fn a_rendition_that_fails_for_the_machines_sake_uses_up_none_of_its_attempts() {
    let place = Place::new();
    place.put("one.jpg", &picture(1));
    let mut library = place.library();
    let plan = library.plan_import(&place.request(), &Unwatched).unwrap();
    let report = library.import(plan, &Unwatched).unwrap();
    assert_eq!((report.imported, report.previews_pending), (1, 1), "{report:?}");
    for _ in 0..8 {
        let rendered = library.render_pending(&Unwatched).unwrap();
        assert_eq!((rendered.made, rendered.failed, rendered.still_pending), (0, 1, 1));
        let jobs = library.device.due_renditions(now_millis(), 9).unwrap();
        assert_eq!(jobs.iter().map(|job| job.attempts).collect::<Vec<_>>(), [0]);
    }
}

/// What an earlier version refused, or took for something else, is looked at by the rules of this one; then not again.
#[test]
fn a_file_that_older_rules_refused_is_read_anew_once_and_comes_in() {
    let place = Place::new();
    place.put("film.mpg", &[b"\0\0\x01\xba\x44".as_slice(), &[0; 600]].concat());
    place.put("note.txt", b"no photo");
    let mut library = place.library();
    // A path is remembered as the version before left it.
    let plan = library.plan_import(&place.request(), &Unwatched).unwrap();
    let source = plan.parts[0].source.id;
    let rows = plan.parts[0].scanned.candidates.iter().map(|candidate| FileRecord {
        path: candidate.below.clone(),
        stamp: candidate.stamp,
        sampled: Some(
            sampled_fingerprint(&File::open(&candidate.path).unwrap(), candidate.stamp.size_bytes).unwrap(),
        ),
        content: None,
        state: FileState::Refused("not a photo or video".into()),
    });
    let rows: Vec<_> = rows.collect();
    library.device.record_files(source, &rows).unwrap();
    drop(plan);
    let mut import = || {
        let plan = library.plan_import(&place.request(), &Unwatched).unwrap();
        let candidates = plan.parts[0].scanned.candidates.len();
        (candidates, library.import(plan, &Unwatched).unwrap().imported)
    };
    assert_eq!(import(), (2, 1), "the film comes in");
    assert_eq!(import(), (0, 0), "what is still refused is not read each time");
}

#[test]
fn only_what_a_decoder_refused_is_held_against_a_picture_for_good() {
    use safelight_media::pool::{Refusal, RenderError};
    use take::{NotRendered, told};
    for error in [
        RenderError::NoFfmpeg,
        RenderError::TimedOut(Duration::from_secs(20)),
        RenderError::Died("was killed by signal 9".into()),
    ] {
        let reason = error.to_string();
        assert!(matches!(told(Err(error)), Err(NotRendered::Perhaps(said)) if said == reason));
    }
    let refused = RenderError::Refused(Refusal::malformed("it ends in the middle"));
    assert!(matches!(told(Err(refused)), Err(NotRendered::Never(_))));
}

#[test]
fn of_several_paths_those_that_are_there_are_imported() {
    let place = Place::new();
    place.put("one.jpg", &picture(1));
    let mut library = place.library();
    let missing = place.directory.path().join("card");
    let mut request = place.request();
    request.paths.insert(0, missing.clone());
    let plan = library.plan_import(&request, &Unwatched).unwrap();
    let report = library.import(plan, &Unwatched).unwrap();
    assert_eq!((report.imported, report.failed), (1, 1), "{report:?}");
    request.paths = vec![missing.clone(), missing];
    let none = library.plan_import(&request, &Unwatched).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NotFound);
}

/// Looks, while an import runs, how many files this device remembers already.
struct Onlooker<'a> {
    place: &'a Place,
    source: SourceId,
    met: AtomicU64,
    remembered: AtomicU64,
}

impl Monitor for Onlooker<'_> {
    fn advance(&self, items: u64, bytes: u64) {
        // Files of an import are told with their bytes, those of a scan without.
        if bytes > 0 && self.met.fetch_add(items, Ordering::Relaxed) == 2900 {
            let path = self.place.folder().device_path();
            let device =
                DeviceDb::open_as(&path, &device_key(&self.place.keys.keyring), Access::ReadOnly).unwrap();
            let [imported, ..] = device.count_files(self.source).unwrap();
            self.remembered.store(imported, Ordering::Relaxed);
        }
    }
}

#[test]
fn files_whose_content_is_known_are_remembered_while_the_import_goes_on() {
    let place = Place::new();
    for number in 0..3000 {
        place.put(&format!("{number}.jpg"), &picture(1));
    }
    let mut library = place.library();
    let plan = library.plan_import(&place.request(), &Unwatched).unwrap();
    let source = library.device.sources().unwrap()[0].id;
    let onlooker = Onlooker { place: &place, source, met: AtomicU64::new(0), remembered: AtomicU64::new(0) };
    let report = library.import(plan, &onlooker).unwrap();
    assert_eq!((report.imported, report.known, report.failed), (1, 2999, 0), "{report:?}");
    let remembered = onlooker.remembered.load(Ordering::Relaxed);
    assert!(remembered >= 1000, "after 2900 files only {remembered} are remembered");
}

#[test]
fn an_import_that_ended_before_it_said_what_a_photo_left_is_made_good_though_its_file_is_back() {
    let place = Place::new();
    place.put("one.jpg", &picture(1));
    let mut library = place.library();
    let plan = library.plan_import(&place.request(), &Unwatched).unwrap();
    assert_eq!(library.import(plan, &Unwatched).unwrap().imported, 1);

    // Killed after it was said that the photo was seen at its new path.
    let photos = place.directory.path().join("photos");
    std::fs::rename(photos.join("one.jpg"), photos.join("two.jpg")).unwrap();
    let content = ContentHash::of(&picture(1));
    let (asset, here) = (AssetId(content), library.keyring().device().id());
    let state = library.catalog().asset_state(asset).unwrap().unwrap();
    let first = state.current().paths().next().unwrap().1.clone();
    let source = SourcePath { relative: b"two.jpg".to_vec(), ..first.clone() };
    doubt_left(&mut library.device, here, [&state]).unwrap();
    let seen = OpBody::Seen { asset, life: state.life(), content, source, modified_millis: 0 };
    library.record(vec![seen]).unwrap();
    drop(library);

    std::fs::rename(photos.join("two.jpg"), photos.join("one.jpg")).unwrap();
    let mut library = place.library();
    let plan = library.plan_import(&place.request(), &Unwatched).unwrap();
    library.import(plan, &Unwatched).unwrap();
    let state = library.catalog().asset_state(asset).unwrap().unwrap();
    let paths = state.current().paths_of(content);
    assert_eq!(paths.iter().map(|(path, _)| *path).collect::<Vec<_>>(), [&first]);
}

#[test]
fn a_link_makes_no_photo_of_a_text_and_leads_to_photos_and_damaged_ones() {
    let place = Place::new();
    let photos = place.directory.path().join("photos");
    let beside = place.directory.path().join("beside");
    std::fs::create_dir_all(&beside).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(beside.join(name), bytes).unwrap();
        std::os::unix::fs::symlink(beside.join(name), photos.join(format!("{name}.jpg"))).unwrap();
    };
    write("passwd", b"root:x:0:0:root:/root:/bin/sh\n");
    write("blob", &picture(3));
    // Once a photo: its own name says so.
    write("torn.jpg", b"nothing of it is left");
    let mut library = place.library();
    let plan = library.plan_import(&place.request(), &Unwatched).unwrap();
    let report = library.import(plan, &Unwatched).unwrap();
    assert_eq!(
        (report.imported, report.refused.iter().map(|one| one.files).sum::<u64>()),
        (2, 1),
        "{report:?}"
    );
}

/// What an earlier version took in as no photo and no video is read anew from the library itself, once; and history says
/// what it is.
#[test]
fn what_was_taken_in_as_something_else_is_read_anew_once_and_is_what_it_is() {
    let place = Place::new();
    let film = [b"\0\0\x01\xba\x44".as_slice(), &[0; 600]].concat();
    place.put("one.jpg", &picture(1));
    let mut library = place.library();
    let import = |library: &mut Library| {
        let plan = library.plan_import(&place.request(), &Unwatched).unwrap();
        library.import(plan, &Unwatched).unwrap()
    };
    assert_eq!(import(&mut library).understood, 0);

    // As the version before left it, which knew nothing of such films; the file itself is gone since, and one photo is hidden.
    let keyring = library.keyring().clone();
    let take_in_as_before = |library: &mut Library, bytes: &[u8], name: &str| {
        let content = ContentHash::of(bytes);
        let entry = rendition::Sealer::new(keyring.library(), keyring.epoch())
            .seal_original(&content, bytes)
            .unwrap();
        let location = library.packs.append(content, &entry, &keyring, &mut library.device).unwrap();
        library.packs.sync().unwrap();
        library.device.record_packed(&[location]).unwrap();
        let source = source_path(keyring.device().id(), Path::new("/gone"), name.as_bytes());
        let original = Original {
            content,
            size_bytes: bytes.len() as u64,
            media_type: "application/octet-stream".into(),
            epoch: keyring.epoch().id(),
            parts: Vec::new(),
            storage: Storage::Packed,
            source,
            modified_millis: 0,
            unread: Default::default(),
        };
        let media = Some(safelight_model::MediaKind::Other);
        let (metadata, pixels) = (
            Facts { media, ..Facts::default() },
            Facts { reason: Some("its content is of no kind that can be shown".into()), ..Facts::default() },
        );
        let asset = AssetId(content);
        library
            .record(vec![
                AssetState::default().add(asset, original),
                OpBody::Derive {
                    life: Life(0),
                    content,
                    probe: ProbeKind::Metadata,
                    version: 2,
                    facts: metadata,
                },
                OpBody::Derive {
                    life: Life(0),
                    content,
                    probe: ProbeKind::Pixels,
                    version: 1,
                    facts: pixels,
                },
            ])
            .unwrap();
        asset
    };
    let asset = take_in_as_before(&mut library, &film, "film.mpg");
    let other = take_in_as_before(&mut library, b"no photo", "note.txt");
    let count = |library: &Library, query: &str| {
        library.found(&library.query(query).unwrap(), ListOptions::default()).unwrap().len()
    };
    assert_eq!((count(&library, "type:other"), count(&library, "type:video")), (2, 0));
    assert_eq!(import(&mut library).understood, 0, "it was done for these rules");

    library.device.set_setting("import/others-read-by", Some(&2_u32.to_be_bytes())).unwrap();
    assert_eq!(import(&mut library).understood, 1);
    assert_eq!((count(&library, "type:other"), count(&library, "type:video")), (1, 1));
    let shown = library.whole_here(asset).unwrap();
    assert_eq!((shown.media_type(), shown.name().as_str()), ("video/mpeg", "film.mpg"));
    assert_eq!(library.whole_here(other).unwrap().media_type(), "application/octet-stream");
    let jobs = library.device.due_renditions(now_millis(), 9).unwrap();
    assert!(jobs.iter().any(|job| job.content == ContentHash::of(&film)), "its pictures are to be made");
    assert_eq!(import(&mut library).understood, 0);
}
