//! Groups of a real library whose photos are files of a few bytes with made-up findings, and no thumbnails.

use safelight_crypto::ContentHash;
use safelight_model::{
    AssetId, ContentHash as Content, EpochId, Facts, Life, MediaKind, OpBody, Original, ProbeKind,
    SourcePath, Storage, Taken, TakenSource,
};

use super::groups::doubt_of_pictures;
use super::likeness::Likeness;
use super::looking::Looked;
use super::*;
use crate::edit::Changes;
use crate::error::ErrorKind;
use crate::monitor::Unwatched;
use crate::testing::Place;

struct Room {
    place: Place,
    library: Library,
}

/// A PDQ hash and a pHash that differ from the first in so many bits, half of them set and half of them cleared.
fn prints(bits: usize) -> Facts {
    let (mut pdq, mut phash) = ([0x55_u8; 32], [0x55_u8; 8]);
    for at in 0..bits / 2 {
        pdq[at % 32] ^= 0b11 << (2 * (at / 32));
    }
    phash[0] ^= if bits > 0 { 0b11 } else { 0 };
    Facts { pdq256: Some(pdq), phash64: Some(phash), ..Facts::default() }
}

fn facts(width: u32, bits: usize) -> Facts {
    Facts {
        media: Some(MediaKind::Photo),
        format: Some("jpeg".into()),
        width: Some(width),
        height: Some(width / 4 * 3),
        ..prints(bits)
    }
}

/// The same by a camera, at a moment.
fn shot(width: u32, bits: usize, local_millis: i64) -> Facts {
    Facts {
        camera_make: Some("Canon".into()),
        camera_model: Some("Canon EOS R6".into()),
        taken: Some(Taken { local_millis, offset_minutes: Some(60), source: TakenSource::ExifOriginal }),
        ..facts(width, bits)
    }
}

impl Room {
    fn new() -> Self {
        let place = Place::new();
        let library = place.library();
        Self { place, library }
    }

    /// A linked photo of so many bytes.
    fn add(&mut self, name: &str, bytes: usize, facts: Facts) -> String {
        let content = vec![u8::try_from(name.len()).unwrap(); bytes];
        let content = [name.as_bytes(), &content].concat();
        std::fs::write(self.place.directory.path().join(name), &content).unwrap();
        let hash: Content = ContentHash::of(&content);
        let original = Original {
            content: hash,
            size_bytes: content.len() as u64,
            media_type: "image/jpeg".into(),
            epoch: EpochId::from_bytes([3; 16]),
            parts: Vec::new(),
            storage: Storage::Linked,
            source: SourcePath {
                device: self.library.keyring().device().id(),
                root: self.place.directory.path().to_string_lossy().into_owned().into_bytes(),
                relative: name.as_bytes().to_vec(),
            },
            modified_millis: 1_600_000_000_000,
            unread: Default::default(),
        };
        let bodies = vec![
            OpBody::AddAsset { asset: AssetId(hash), life: Life(0), original },
            OpBody::Derive { life: Life(0), content: hash, probe: ProbeKind::Metadata, version: 1, facts },
        ];
        self.library.record(bodies).unwrap();
        hash.to_string()
    }

    fn groups(&self) -> (Duplicates, Vec<ShownGroup>) {
        let found = self.library.find_duplicates(None, &Unwatched).unwrap();
        let shown = self.library.show_duplicates(&found, None, 0..100).unwrap();
        (found, shown)
    }

    fn kinds(&self) -> Vec<(DuplicateKind, usize)> {
        self.groups().1.into_iter().map(|group| (group.kind, group.items.len())).collect()
    }

    fn set(&mut self, id: &str, words: &[&str]) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let selection = self.library.select_ids(&[id.to_owned()]).unwrap();
        let changes = Changes::parse(&words, &[]).unwrap();
        self.library.edit(&selection, &changes, false).unwrap();
    }

    /// Everything that people see of these photos.
    fn seen(&self, ids: &[&String]) -> Vec<String> {
        ids.iter().map(|id| serde_json::to_string(&self.library.show(id).unwrap()).unwrap()).collect()
    }
}

fn whole(group: &ShownGroup) -> ChosenGroup {
    let others = group.items.iter().map(|item| item.id.clone()).filter(|id| *id != group.keep);
    ChosenGroup { keep: group.keep.clone(), drop: others.collect() }
}

#[test]
fn what_has_no_date_of_its_own_shows_that_of_its_file() {
    let mut room = Room::new();
    for (name, pixels) in [("large.jpg", 4000), ("small.jpg", 1000)] {
        room.add(name, 900, facts(pixels, 0));
    }
    let (_, shown) = room.groups();
    let [group] = shown.as_slice() else { panic!("{shown:?}") };
    for item in &group.items {
        assert_eq!(
            (item.taken.as_deref(), item.file_time.as_deref()),
            (None, Some("2020-09-13T12:26:40+00:00"))
        );
    }
    assert!(!group.differing.contains(&"taken"));
}

#[test]
fn what_people_did_goes_to_the_one_that_stays_and_all_of_it_is_taken_back() {
    let mut room = Room::new();
    let large = room.add("large.jpg", 900, facts(4000, 0));
    let small = room.add("small.jpg", 100, facts(1000, 4));
    room.add("other.jpg", 100, facts(1000, 120));
    room.library.add_album(&crate::NewAlbum { path: "Trips", ..Default::default() }).unwrap();
    room.set(
        &small,
        &[
            "caption=At the harbour",
            "rating=4",
            "favourite=yes",
            "tag+=sea",
            "album+=Trips",
            "date=2023-05-14",
            "place=64.1,-21.9 Harbour",
        ],
    );
    room.set(&large, &["rating=2", "title=Harbour"]);
    let (found, shown) = room.groups();
    let [group] = shown.as_slice() else { panic!("{shown:?}") };
    assert_eq!(
        (group.kind, &group.keep, group.reason_code),
        (DuplicateKind::Near, &large, KeepReason::Resolution)
    );
    assert!(!group.safe, "nobody has seen them");
    for field in ["dimensions", "albums", "tags", "rating", "caption", "title", "taken", "place", "favourite"]
    {
        assert!(group.differing.contains(&field), "{field}");
    }
    let before = room.seen(&[&large, &small]);
    let report = room.library.settle_duplicates(&found, Some(&[whole(group)]), false, &Unwatched).unwrap();
    assert_eq!((report.trashed, report.verified, report.changed.len()), (1, 1, 2));
    let kept = room.library.show(&large).unwrap();
    assert_eq!((kept.caption.as_deref(), kept.title.as_deref()), (Some("At the harbour"), Some("Harbour")));
    assert_eq!((kept.rating, kept.favourite), (Some(4), true));
    assert_eq!((kept.tags, kept.albums), (vec!["sea".to_owned()], vec!["Trips".to_owned()]));
    assert_eq!((kept.taken.as_deref(), kept.place.as_deref()), (Some("2023-05-14"), Some("Harbour")));
    assert!(room.library.show(&small).unwrap().trashed && !kept.trashed);
    assert_eq!(room.kinds(), []);
    room.library.undo_settling().unwrap();
    assert_eq!(room.seen(&[&large, &small]), before);
    assert_eq!(room.library.undo_settling().unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn nothing_goes_when_an_original_that_stays_is_not_what_it_was() {
    let mut room = Room::new();
    for name in ["a", "b"] {
        let bits = if name == "a" { 0 } else { 200 };
        room.add(&format!("{name}-large.jpg"), 900, facts(800, bits));
        room.add(&format!("{name}-small.jpg"), 100, facts(400, bits + 2));
    }
    let (mut found, shown) = room.groups();
    let chosen: Vec<ChosenGroup> = shown.iter().map(whole).collect();
    assert_eq!(chosen.len(), 2);
    let path = room.place.directory.path().join("b-large.jpg");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let ops = room.library.catalog().count_ops().unwrap();
    let error = room.library.settle_duplicates(&found, Some(&chosen), false, &Unwatched).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("b-large.jpg"), "{error}");
    assert_eq!(room.library.catalog().count_ops().unwrap(), ops);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = room.library.settle_duplicates(&found, Some(&chosen), false, &Unwatched).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(room.library.catalog().count_ops().unwrap(), ops);

    // Of all that are safe, the others are settled, and the damaged one is named.
    std::fs::write(&path, bytes).unwrap();
    found.groups.iter_mut().for_each(|group| group.unsafe_because = None);
    let report = room.library.settle_duplicates(&found, None, false, &Unwatched).unwrap();
    assert_eq!((report.kept, report.trashed, report.verified), (1, 1, 1));
    let notice = report.notices.first().unwrap();
    assert!(notice.contains("b-large.jpg"), "{notice}");
    assert_eq!(crate::Why::of(notice).unwrap().code, "copies-stay");
}

#[test]
fn shots_of_one_moment_are_stacked_and_never_go() {
    let mut room = Room::new();
    let ids: Vec<String> = (0..3)
        .map(|at| room.add(&format!("{at}.jpg"), 100, shot(4000, at * 20, 1_000_000 + at as i64 * 1500)))
        .collect();
    // Seconds later, and by another camera.
    room.add("later.jpg", 100, shot(4000, 0, 1_020_000));
    room.add("other.jpg", 100, Facts { camera_model: Some("X-T5".into()), ..shot(4000, 0, 1_001_000) });
    let (found, shown) = room.groups();
    let [group] = shown.as_slice() else { panic!("{shown:?}") };
    assert_eq!((group.kind, group.items.len(), group.safe), (DuplicateKind::Burst, 3, false));
    assert!(group.items.iter().all(|item| item.cannot_drop.is_some()));
    let error = room.library.settle_duplicates(&found, Some(&[whole(group)]), false, &Unwatched).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let safe = room.library.settle_duplicates(&found, None, false, &Unwatched).unwrap();
    assert_eq!(safe.trashed, 0);
    let stack = ChosenStack { cover: group.keep.clone(), items: ids.clone() };
    assert_eq!(room.library.stack_duplicates(&[stack]).unwrap().changed.len(), 2);
    assert_eq!(room.kinds(), []);
    assert_eq!(room.library.show(&ids[0]).unwrap().stack.len(), 2);
    // Whoever takes one out of the stack is not asked again.
    let under = ids.iter().find(|id| **id != group.keep).unwrap().clone();
    room.set(&under, &["stack=none"]);
    assert_eq!(room.kinds(), []);
}

#[test]
fn near_copies_of_what_no_camera_took_are_left_to_a_person() {
    let mut room = Room::new();
    room.add("shot.jpg", 500, shot(4000, 0, 43_200_000));
    room.add("page.jpg", 400, facts(4000, 0));
    room.add("again.jpg", 100, facts(2000, 0));
    let photos = room.library.comparable_photos().unwrap();
    let of_size = |bytes: u64| photos.iter().find(|photo| photo.size_bytes / 100 == bytes / 100).unwrap();
    let alike = Likeness { correlation: 0.9995, contrast: 1.0, brighter: 0.0, place: 1.0, is_part: false };
    let doubt = |kept| doubt_of_pictures(of_size(kept), of_size(100), &Looked::Alike(alike));
    assert_eq!(doubt(500), None);
    assert!(doubt(400).unwrap().contains("no camera"));
    let same = doubt_of_pictures(of_size(400), of_size(100), &Looked::Same);
    assert_eq!(same, None, "the same pixels are the same page");
}

#[test]
fn two_dates_of_a_camera_are_two_pictures() {
    let mut room = Room::new();
    room.add("noon.jpg", 100, shot(4000, 0, 43_200_000));
    room.add("later.jpg", 100, shot(4000, 0, 43_260_000));
    assert_eq!(room.kinds(), []);
    // A copy that lost its date is a copy of one of them.
    room.add("undated.jpg", 50, facts(2000, 0));
    assert_eq!(room.kinds(), [(DuplicateKind::Near, 2)]);
}

#[test]
fn what_lies_in_one_stack_is_no_duplicate() {
    let mut room = Room::new();
    let raw = room.add("1.nef", 900, Facts { media: Some(MediaKind::Raw), ..facts(4000, 0) });
    let jpeg = room.add("other.jpg", 100, facts(4000, 2));
    assert_eq!(room.kinds(), [(DuplicateKind::Near, 2)]);
    room.set(&jpeg, &[&format!("stack={raw}")]);
    assert_eq!(room.kinds(), []);
    // A copy of both is compared with the one that shows.
    room.add("small.jpg", 50, facts(1000, 4));
    let (_, shown) = room.groups();
    assert_eq!(shown.iter().map(|group| (&group.keep, group.items.len())).collect::<Vec<_>>(), [(&raw, 2)]);
}

#[test]
fn videos_of_other_lengths_are_other_videos() {
    let mut room = Room::new();
    let video =
        |millis| Facts { media: Some(MediaKind::Video), duration_millis: Some(millis), ..facts(1920, 0) };
    room.add("one.mp4", 900, video(60_000));
    room.add("photo.jpg", 100, facts(1920, 0));
    room.add("longer.mp4", 100, video(65_000));
    assert_eq!(room.kinds(), []);
    room.add("again.mp4", 100, video(60_300));
    assert_eq!(room.kinds(), [(DuplicateKind::Near, 2)]);
    assert!(!room.groups().1[0].safe);
}

#[test]
fn a_choice_that_is_no_group_is_refused() {
    let mut room = Room::new();
    let one = room.add("one.jpg", 900, facts(4000, 0));
    let two = room.add("two.jpg", 100, facts(1000, 0));
    let other = room.add("other.jpg", 100, facts(1000, 120));
    let (found, _) = room.groups();
    for (keep, drop) in [(&one, &other), (&one, &one), (&other, &two)] {
        let chosen = ChosenGroup { keep: keep.clone(), drop: vec![drop.clone()] };
        let error = room.library.settle_duplicates(&found, Some(&[chosen]), false, &Unwatched).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    }
    // A person may keep the other one.
    let chosen = ChosenGroup { keep: two.clone(), drop: vec![one.clone()] };
    let tried = room.library.settle_duplicates(&found, Some(std::slice::from_ref(&chosen)), true, &Unwatched);
    assert_eq!(tried.unwrap().trashed, 1);
    assert!(!room.library.show(&one).unwrap().trashed);
    // What was put away meanwhile is said.
    let selection = room.library.select_ids(std::slice::from_ref(&one)).unwrap();
    room.library.trash(&selection, true, false).unwrap();
    let report = room.library.settle_duplicates(&found, Some(&[chosen]), false, &Unwatched).unwrap();
    assert_eq!((report.trashed, report.notices.len()), (0, 1));
}

#[test]
fn what_was_found_is_found_by_a_query() {
    let mut room = Room::new();
    room.add("one.jpg", 900, facts(4000, 0));
    room.add("two.jpg", 100, facts(1000, 0));
    room.add("other.jpg", 100, facts(1000, 120));
    let (found, _) = room.groups();
    assert_eq!(room.library.count("is:duplicate").unwrap(), 0);
    room.library.remember_alike(&found).unwrap();
    assert_eq!(room.library.count("is:duplicate").unwrap(), 2);
}

#[test]
fn what_a_closer_look_has_shown_is_remembered() {
    let mut room = Room::new();
    room.add("one.jpg", 900, facts(4000, 0));
    room.add("two.jpg", 100, facts(1000, 0));
    let mut found = room.library.find_duplicates(None, &Unwatched).unwrap();
    found.groups.iter_mut().for_each(|group| group.unsafe_because = None);
    assert_eq!(found.safe_groups(), 1);
    // Their previews are not here.
    let report = room.library.settle_duplicates(&found, None, false, &Unwatched).unwrap();
    assert_eq!((report.trashed, report.verified), (0, 0));
    let notice = report.notices.first().unwrap();
    assert_eq!(crate::Why::of(notice).unwrap().code, "uncompared-stay");
    let [kept, other] = found.groups[0].members.as_slice() else { panic!("{found:?}") };
    found.apart.add(kept.content, other.content);
    assert_eq!((found.safe_groups(), found.safe_bytes()), (0, 0));
    let shown = room.library.show_duplicates(&found, None, 0..10).unwrap();
    assert_eq!(shown[0].unsafe_why.as_ref().unwrap().code, "differ-closely");
    // And by the next search.
    let mut again = room.library.find_duplicates(Some(&found), &Unwatched).unwrap();
    again.groups.iter_mut().for_each(|group| group.unsafe_because = None);
    assert_eq!(again.safe_groups(), 0);
}
