//! Editing a real library whose photos are operations only, and one whose bytes rest in packs and parts.

use std::time::{Duration, Instant};

use safelight_catalog::{PolicyKind, RemotePolicy, Switched};
use safelight_crypto::ContentHash;
use safelight_model::{
    EpochId, Facts, Keywords, Life, MediaKind, Original, Position, ProbeKind, SourcePath, Storage,
};

use safelight_sync::wanted_with_switches;

use super::*;
use crate::error::LibraryError;
use crate::monitor::Unwatched;
use crate::testing::Place;
use crate::timeline::TimelineRequest;

mod back;
mod hidden;
mod smart;

struct Room {
    place: Place,
    library: Library,
}

fn asset(number: u32) -> AssetId {
    let mut bytes = [0x5a; 32];
    bytes[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
    bytes[28..].copy_from_slice(&number.to_be_bytes());
    AssetId(ContentHash::from_bytes(bytes))
}

fn original(room: &Library, number: u32, storage: Storage) -> Original {
    Original {
        content: asset(number).0,
        size_bytes: 1000,
        media_type: "image/jpeg".into(),
        epoch: EpochId::from_bytes([3; 16]),
        parts: Vec::new(),
        storage,
        source: SourcePath {
            device: room.keyring().device().id(),
            root: b"/home/anna/Pictures".to_vec(),
            relative: format!("{number}.jpg").into_bytes(),
        },
        modified_millis: 1_600_000_000_000,
        unread: Default::default(),
    }
}

impl Room {
    fn with(photos: u32) -> Self {
        let place = Place::new();
        let library = place.library();
        let mut room = Self { place, library };
        let bodies = (0..photos).map(|number| OpBody::AddAsset {
            asset: asset(number),
            life: Life(0),
            original: original(&room.library, number, Storage::Linked),
        });
        let bodies = bodies.collect();
        room.library.record(bodies).unwrap();
        room
    }

    fn select(&self, items: &[&str]) -> Selection {
        let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        self.library.select(&items, &items.join(" "), Among::WhatIsAsked).unwrap()
    }

    fn set(&mut self, item: &str, words: &[&str]) -> EditReport {
        let selection = self.select(&[item]);
        self.library.edit(&selection, &changes(words), false).unwrap()
    }

    fn shown(&self, number: u32) -> crate::ShownAsset {
        self.library.show(&asset(number).to_string()).unwrap()
    }

    /// What a device wrote that had heard of nothing here.
    fn arrives(&mut self, number: u32, field: FieldCode, value: impl Into<Value>) {
        let target = safelight_model::Target::from(asset(number));
        let body =
            OpBody::Set { target, field: field.into(), value: value.into(), supersedes: Default::default() };
        self.library.record(vec![body]).unwrap();
    }

    fn ops(&self) -> u64 {
        self.library.catalog().count_ops().unwrap()
    }
}

fn album(path: &str) -> NewAlbum<'_> {
    NewAlbum { path, ..NewAlbum::default() }
}

fn changes(words: &[&str]) -> Changes {
    parsed(words, &[]).unwrap()
}

fn parsed(words: &[&str], clear: &[&str]) -> Result<Changes> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    Changes::parse(&owned(words), &owned(clear))
}

#[test]
fn what_is_typed_shows_and_can_be_found() {
    let mut room = Room::with(3);
    room.library.add_album(&album("Trips/Iceland")).unwrap();
    let report = room.set(
        "1.jpg",
        &[
            "caption=At the harbour\nat noon 🏖 שלום",
            "title=Harbour",
            "rating=4",
            "favourite=yes",
            "date=2023-05",
            "place=64.15,-21.94 Old harbour",
            "tag+=places/sea",
            "album+=Trips/Iceland",
            "rotate+=90",
        ],
    );
    assert_eq!((report.changed.len(), report.unchanged), (1, 0));
    let shown = room.shown(1);
    assert_eq!(shown.caption.as_deref(), Some("At the harbour\nat noon 🏖 שלום"));
    assert_eq!((shown.rating, shown.favourite, shown.rotate), (Some(4), true, 90));
    assert_eq!(shown.taken.as_deref(), Some("2023-05"));
    assert_eq!(shown.place.as_deref(), Some("Old harbour"));
    assert_eq!((shown.tags, shown.albums), (vec!["places/sea".to_owned()], vec!["Trips/Iceland".to_owned()]));
    for query in ["harbour", "tag:places", "album:Iceland", "rating:4", "is:favourite", "date:2023-05"] {
        assert_eq!(room.select(&[query]).assets(), [asset(1)], "{query}");
    }
    let report =
        room.set("1.jpg", &["tag-=PLACES/Sea", "album-=Iceland", "rotate-=90", "hidden=yes", "favourite=no"]);
    assert_eq!(report.changed.len(), 1);
    let shown = room.shown(1);
    assert_eq!((shown.tags.len(), shown.albums.len(), shown.rotate, shown.hidden), (0, 0, 0, true));
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let mut room = Room::with(2);
    room.set("1.jpg", &["caption=same", "tag+=sea"]);
    let before = room.ops();
    let report = room.set("1.jpg", &["caption=same", "tag+=sea", "tag-=hill"]);
    assert_eq!((report.changed.len(), report.unchanged), (0, 1));
    let selection = room.select(&["1.jpg"]);
    let tried = room.library.edit(&selection, &changes(&["caption=other"]), true).unwrap();
    assert_eq!((tried.changed.len(), tried.dry_run), (1, true));
    let report = room.library.edit(&selection, &parsed(&[], &["rating"]).unwrap(), false).unwrap();
    assert_eq!(report.unchanged, 1, "a field that nobody typed has nothing to clear");
    assert_eq!(room.ops(), before);
}

#[test]
fn an_empty_caption_hides_what_the_file_says_and_clearing_shows_it_again() {
    let mut room = Room::with(1);
    let facts = Facts {
        description: Some("from the file".into()),
        keywords: Some(Keywords(vec!["Sea".into()])),
        position: Position::from_degrees(38.7, -9.1, None),
        ..Facts::default()
    };
    let derive =
        OpBody::Derive { life: Life(0), content: asset(0).0, probe: ProbeKind::Metadata, version: 1, facts };
    room.library.record(vec![derive]).unwrap();
    assert_eq!(room.shown(0).caption.as_deref(), Some("from the file"));
    room.set("0.jpg", &["caption="]);
    assert_eq!(room.shown(0).caption, None);
    let selection = room.select(&["0.jpg"]);
    room.library.edit(&selection, &parsed(&[], &["caption"]).unwrap(), false).unwrap();
    assert_eq!(room.shown(0).caption.as_deref(), Some("from the file"));
    let report = room.set("0.jpg", &["tag-=sea", "place=Alfama"]);
    assert!(report.notices.iter().any(|notice| notice.contains("stands in some of the files")), "{report:?}");
    let shown = room.shown(0);
    assert_eq!((shown.place.as_deref(), shown.position), (Some("Alfama"), Some([38.7, -9.1])));
}

#[test]
fn a_place_without_a_position_changes_nothing_at_all() {
    let mut room = Room::with(2);
    let before = room.ops();
    let selection = room.select(&["0.jpg", "1.jpg"]);
    let error = room.library.edit(&selection, &changes(&["caption=x", "place=Alfama"]), false).unwrap_err();
    assert!(matches!(error, LibraryError::Refused { .. }), "{error}");
    assert_eq!(room.ops(), before);
    assert_eq!(room.shown(0).caption, None);
}

#[test]
fn a_later_write_names_all_that_it_replaces_and_concurrent_ones_stay_as_a_conflict() {
    let mut room = Room::with(1);
    room.set("0.jpg", &["caption=mine"]);
    room.arrives(0, Field::CAPTION, "theirs");
    let conflicts = room.library.list_conflicts().unwrap();
    let [conflict] = conflicts.as_slice() else { panic!("{conflicts:?}") };
    assert_eq!(
        (conflict.kind, conflict.field.as_str(), conflict.name.as_str()),
        ("photo", "caption", "0.jpg")
    );
    let values: Vec<&str> = conflict.values.iter().map(|value| value.value.as_str()).collect();
    assert_eq!(values, ["theirs", "mine"]);
    assert!(conflict.values.iter().all(|value| !value.device.is_empty() && !value.when.is_empty()));
    assert_eq!(room.shown(0).conflicts, ["caption"]);

    // The value that shows, typed again, settles it: it is no repetition.
    room.set("0.jpg", &["caption=theirs"]);
    assert!(room.library.list_conflicts().unwrap().is_empty());
    let state = room.library.catalog().asset_state(asset(0)).unwrap().unwrap();
    assert_eq!(state.current().record().field(Field::CAPTION).unwrap().heads().len(), 1);
}

#[test]
fn a_conflict_is_settled_by_the_number_of_a_value() {
    let mut room = Room::with(1);
    room.set("0.jpg", &["caption=mine", "rating=2"]);
    room.arrives(0, Field::CAPTION, "theirs");
    room.arrives(0, Field::RATING, 5);
    let keep = |field, keep| Resolution { field, keep };
    let error = room.library.resolve("0.jpg", keep(None, 1)).unwrap_err();
    assert!(matches!(error, LibraryError::Ambiguous { .. }), "{error}");
    for wrong in [keep(Some("caption"), 0), keep(Some("caption"), 3), keep(Some("title"), 1)] {
        assert!(room.library.resolve("0.jpg", wrong).is_err());
    }
    assert_eq!(room.library.resolve("0.jpg", keep(Some("caption"), 2)).unwrap(), "caption: mine");
    assert_eq!(room.library.resolve("0.jpg", keep(None, 1)).unwrap(), "rating: 5");
    assert!(room.library.list_conflicts().unwrap().is_empty());
    assert!(room.library.resolve("0.jpg", keep(None, 1)).is_err());
    assert_eq!(room.shown(0).caption.as_deref(), Some("mine"));
}

#[test]
fn a_settled_conflict_comes_back_with_both_its_values_and_goes_again() {
    let mut room = Room::with(1);
    room.set("0.jpg", &["caption=mine"]);
    room.arrives(0, Field::CAPTION, "theirs");
    let values = |room: &Room| -> Vec<String> {
        let conflicts = room.library.list_conflicts().unwrap();
        conflicts.into_iter().flat_map(|conflict| conflict.values).map(|value| value.value).collect()
    };
    // The one that shows, and the other one.
    for keep in [1, 2] {
        let kept = room.library.resolve("0.jpg", Resolution { field: None, keep }).unwrap();
        assert_eq!((values(&room).len(), kept.as_str()), (0, ["caption: theirs", "caption: mine"][keep - 1]));
        let settled = room.library.last_made();
        let report = room.library.undo(settled).unwrap();
        assert_eq!((report.changed.len(), report.notices.len()), (1, 0), "{report:?}");
        assert_eq!(values(&room), ["theirs", "mine"]);
        assert_eq!(room.shown(0).caption.as_deref(), Some("theirs"));
        // That is taken back, and the settling again.
        let put_back = room.library.last_made();
        let report = room.library.undo(put_back).unwrap();
        assert_eq!((report.changed.len(), report.notices.len()), (1, 0), "{report:?}");
        assert_eq!(
            (values(&room).len(), room.shown(0).caption.as_deref()),
            (0, kept.strip_prefix("caption: "))
        );
        room.library.undo(settled).unwrap();
        assert_eq!(values(&room), ["theirs", "mine"]);
    }
    // Who wrote since is not written over.
    room.library.resolve("0.jpg", Resolution { field: None, keep: 2 }).unwrap();
    let settled = room.library.last_made();
    room.set("0.jpg", &["caption=another"]);
    assert_eq!(room.library.undo(settled).unwrap().notices.len(), 1);
    assert_eq!((values(&room).len(), room.shown(0).caption.as_deref()), (0, Some("another")));
}

#[test]
fn contents_that_two_devices_edited_are_settled_too() {
    let mut room = Room::with(1);
    let additions = room.library.catalog().asset_state(asset(0)).unwrap().unwrap();
    let supersedes: safelight_model::OpIds =
        additions.current().contents().heads().map(|head| head.op).collect();
    let versions = [7, 8].map(|number| OpBody::AddVersion {
        asset: asset(0),
        life: Life(0),
        original: original(&room.library, number, Storage::Linked),
        supersedes: supersedes.clone(),
    });
    room.library.record(versions.to_vec()).unwrap();
    let conflicts = room.library.list_conflicts().unwrap();
    assert_eq!(conflicts.first().map(|conflict| conflict.field.as_str()), Some("content"));
    let kept = room.library.resolve("0.jpg", Resolution { field: Some("content"), keep: 2 }).unwrap();
    assert!(kept.contains("7.jpg"), "{kept}");
    assert!(room.library.list_conflicts().unwrap().is_empty());
    assert_eq!(room.shown(0).path, "7.jpg");
}

#[test]
fn albums_nest_move_and_go_without_their_photos() {
    let mut room = Room::with(2);
    let iceland = room.library.add_album(&album("Trips/Iceland")).unwrap();
    assert_eq!(iceland.path, "Trips/Iceland");
    room.library.add_album(&NewAlbum { within: Some("iceland"), ..album("Geysir") }).unwrap();
    room.set("0.jpg", &["album+=trips/ICELAND"]);
    assert!(matches!(room.library.add_album(&album("trips/iceland")), Err(LibraryError::Refused { .. })));
    assert!(room.library.move_album("Trips", Some("Geysir")).is_err(), "an album lies in itself");
    let paths = |room: &Room| -> Vec<String> {
        room.library.list_albums().unwrap().into_iter().map(|album| album.path).collect()
    };
    assert_eq!(paths(&room), ["Trips", "Trips/Iceland", "Trips/Iceland/Geysir"]);
    room.library.rename_album("Iceland", "Ísland").unwrap();
    let (shown, photos) = room.library.show_album("Trips/Ísland").unwrap();
    assert_eq!((shown.assets, photos.len()), (1, 1));
    let plan = room.library.plan_album_removal(&iceland.id).unwrap();
    assert_eq!((plan.shown.assets, plan.moving_up.len()), (1, 1));
    room.library.remove_album(plan).unwrap();
    assert_eq!(paths(&room), ["Trips", "Trips/Geysir"]);
    assert_eq!(room.shown(0).albums, [""; 0]);
    assert_eq!(room.select(&["0.jpg"]).len(), 1, "the photo stays");
    room.library.move_album("Geysir", None).unwrap();
    assert_eq!(paths(&room), ["Geysir", "Trips"]);
    for name in ["", "a//b", "a\nb"] {
        assert!(room.library.add_album(&album(name)).is_err(), "{name:?}");
    }
}

#[test]
fn a_name_that_two_albums_have_is_said() {
    let mut room = Room::with(2);
    let first = room.library.add_album(&album("Family")).unwrap();
    let second = room.library.add_album(&NewAlbum { another: true, ..album("Family") }).unwrap();
    assert_ne!(first.id, second.id);
    let error = room.library.show_album("family").unwrap_err();
    assert!(error.to_string().contains(first.short_id()) && error.to_string().contains(second.short_id()));
    let into = |album: &str| format!("album+={album}");
    room.set("0.jpg", &[&into(&first.id)]);
    room.set("1.jpg", &[&into(second.short_id())]);
    let photos = |id: &str| room.library.show_album(id).unwrap().1;
    assert_eq!((photos(&first.id).len(), photos(&second.id).len()), (1, 1));
    assert!(matches!(room.library.show_album("none"), Err(LibraryError::NoSuchAlbum { .. })));
}

#[test]
fn the_trash_gives_back_what_it_took_and_only_emptying_purges() {
    let mut room = Room::with(4);
    let all = room.select(&["0.jpg", "1.jpg", "2.jpg"]);
    assert_eq!(room.library.trash(&all, true, false).unwrap().changed.len(), 3);
    assert_eq!(room.library.trash(&all, true, false).unwrap().unchanged, 3);
    assert_eq!(room.library.count("").unwrap(), 1);
    assert_eq!(room.library.list_trash("").unwrap().len(), 3);
    let back = room.select(&["0.jpg"]);
    room.library.trash(&back, false, false).unwrap();
    assert_eq!(room.library.count("").unwrap(), 2);
    assert!(room.library.plan_purge(Some(&back), None).is_err(), "what is not in the trash is not purged");

    let young = room.library.plan_purge(None, Some(Duration::from_secs(3600))).unwrap();
    assert_eq!((young.photos, young.staying), (0, 2));
    let plan = room.library.plan_purge(None, None).unwrap();
    assert_eq!((plan.photos, plan.linked, plan.bytes), (2, 2, 0));
    // Restored after the plan was shown: it stays.
    let saved = room.select(&["1.jpg"]);
    room.library.trash(&saved, false, false).unwrap();
    let report = room.library.purge(plan, &Unwatched).unwrap();
    assert_eq!((report.purged, report.restored_meanwhile), (1, 1));
    assert_eq!(room.library.list_trash("").unwrap().len(), 0);
    assert_eq!(room.library.count("").unwrap(), 3);
    let purged = room.library.catalog().asset_state(asset(2)).unwrap().unwrap();
    assert!(purged.current().is_purged());
    assert!(room.library.select(&["2.jpg".into()], "2.jpg", Among::Everywhere).is_err());
}

#[test]
fn a_restore_from_elsewhere_undoes_a_purge_that_did_not_know_of_it() {
    let mut room = Room::with(1);
    let selection = room.select(&["0.jpg"]);
    room.library.trash(&selection, true, false).unwrap();
    let plan = room.library.plan_purge(None, None).unwrap();
    room.library.purge(plan, &Unwatched).unwrap();
    room.arrives(0, Field::TRASHED, false);
    let state = room.library.catalog().asset_state(asset(0)).unwrap().unwrap();
    assert!(!state.current().is_purged());
    assert!(room.library.catalog().asset(asset(0)).unwrap().is_some());
}

#[test]
fn a_trash_that_devices_disagree_about_is_not_emptied() {
    let mut room = Room::with(1);
    room.arrives(0, Field::TRASHED, false);
    room.arrives(0, Field::TRASHED, true);
    let plan = room.library.plan_purge(None, None).unwrap();
    assert_eq!((plan.photos, plan.staying), (0, 1));
}

#[test]
fn items_are_ids_names_or_one_query() {
    let room = Room::with(12);
    let id = asset(3).to_string();
    assert_eq!(room.select(&[&id[..12], "4.jpg", &id]).assets(), [asset(3), asset(4)]);
    assert_eq!(room.select(&["is:linked", "-type:video"]).len(), 12);
    for word in ["2023", &id[..7]] {
        let by_chance = room.library.select(&[word.to_owned()], word, Among::WhatIsAsked);
        assert!(matches!(by_chance, Err(LibraryError::NoSuchItem { .. })), "{word} was taken for an id");
    }
    let select = |items: &[&str]| {
        let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        room.library.select(&items, &items.join(" "), Among::WhatIsAsked)
    };
    for items in [&["4.jpg", "no such.jpg"][..], &["photos/none.jpg"], &["nothing-is-called-so"]] {
        assert!(matches!(select(items), Err(LibraryError::NoSuchItem { .. })), "{items:?}");
    }
    assert!(matches!(select(&["date:2023-13"]), Err(LibraryError::Query { .. })));
}

#[test]
fn wrong_words_are_pointed_at() {
    let wrong = |words: &[&str], clear: &[&str]| parsed(words, clear).unwrap_err().to_string();
    for (word, reason) in [
        ("captoin=x", "there is no such field"),
        ("rating=6", "0 to 5"),
        ("rating=", "--clear rating"),
        ("tag=sea", "+="),
        ("caption+=x", "use `=`"),
        ("trashed=yes", "there is no such field"),
        ("album+=", "at least one letter"),
    ] {
        let said = wrong(&[word], &[]);
        assert!(said.contains(reason) && said.contains('^') && said.contains(word), "{word}: {said}");
    }
    assert!(wrong(&["rating=1", "rating=2"], &[]).contains("twice"));
    assert!(wrong(&["rating=1"], &["rating"]).contains("twice"));
    assert!(wrong(&[], &["tags"]).contains("one of"));
    let long = format!("caption={}", "x".repeat(64 * 1024 + 1));
    assert!(wrong(&[&long], &[]).contains("65536"));
}

#[test]
fn a_clock_that_was_wrong_is_put_right_for_many_at_once() {
    let mut room = Room::with(4);
    room.set("0.jpg", &["date=2023-03-25 23:30 +01:00"]);
    room.set("1.jpg", &["date=2023-03-26"]);
    room.set("2.jpg", &["date=2023"]);
    let taken = |room: &Room, number| room.shown(number).taken.unwrap_or_default();
    let all = Selection::of([0, 1, 2, 3].map(asset));
    let of_the_file = taken(&room, 3);
    let report = room.library.edit(&all, &changes(&["date+=1h45m"]), false).unwrap();
    assert_eq!((report.changed.len(), report.unchanged, report.notices.len()), (1, 3, 2));
    assert_eq!(taken(&room, 0), "2023-03-26T01:15:00+01:00");
    room.library.edit(&all, &changes(&["date-=2d"]), false).unwrap();
    assert_eq!(taken(&room, 0), "2023-03-24T01:15:00+01:00");
    assert_eq!([1, 2].map(|number| taken(&room, number)), ["2023-03-24", "2023"]);
    let made = room.library.last_made();
    room.library.undo(made).unwrap();
    assert_eq!(
        (taken(&room, 0).as_str(), taken(&room, 1).as_str()),
        ("2023-03-26T01:15:00+01:00", "2023-03-26")
    );

    // The zone says where that clock hung; what it showed stays.
    room.library.edit(&all, &changes(&["zone=Asia/Tokyo"]), false).unwrap();
    assert_eq!(taken(&room, 0), "2023-03-26T01:15:00+09:00");
    assert_eq!(taken(&room, 3), of_the_file, "nobody's clock said it");
    for wrong in [["date+=1h", "zone=Z"], ["date=2023", "date-=1d"]] {
        assert!(parsed(&wrong, &[]).is_err());
    }
}

/// Everything in the stack that a photo lies in, its cover first.
fn stacked(room: &Room, number: u32) -> Vec<String> {
    let stack = room.library.stack_of(&asset(number).to_string()).unwrap();
    stack.map(|stack| stack.items.into_iter().map(|item| item.name).collect()).unwrap_or_default()
}

#[test]
fn a_stack_has_the_cover_that_was_chosen_and_comes_apart_again() {
    let mut room = Room::with(5);
    let all = room.select(&["1.jpg", "2.jpg", "3.jpg"]);
    let report = room.library.stack(&all, &asset(2).to_string(), false).unwrap();
    assert_eq!(report.changed.len(), 2);
    assert_eq!(stacked(&room, 3)[0], "2.jpg");
    assert_eq!(stacked(&room, 2).len(), 3);

    // Another cover takes all of it along, and so does a stack that is put under another photo.
    room.library.stack(&all, &asset(3).to_string(), false).unwrap();
    assert_eq!((stacked(&room, 1)[0].as_str(), stacked(&room, 1).len()), ("3.jpg", 3));
    let cover = room.select(&["3.jpg"]);
    room.library.stack(&cover, &asset(4).to_string(), false).unwrap();
    assert_eq!((stacked(&room, 1)[0].as_str(), stacked(&room, 1).len()), ("4.jpg", 4));
    let before = room.ops();
    let again = room.library.stack(&cover, &asset(4).to_string(), false).unwrap();
    assert_eq!((again.changed.len(), room.ops()), (0, before));

    let tried = room.library.unstack(&cover, true).unwrap();
    assert_eq!((tried.changed.len(), stacked(&room, 1).len()), (3, 4));
    room.library.unstack(&cover, false).unwrap();
    for number in 0..5 {
        assert!(stacked(&room, number).is_empty());
    }
    let made = room.library.last_made();
    room.library.undo(made).unwrap();
    assert_eq!(stacked(&room, 1).len(), 4);
}

#[test]
fn a_raw_file_that_lies_under_its_photo_may_be_the_cover() {
    let mut room = Room::with(1);
    for (number, media) in [(10, MediaKind::Photo), (11, MediaKind::Raw)] {
        let mut original = original(&room.library, number, Storage::Linked);
        original.source.relative = format!("IMG_1.{}", if number == 10 { "jpg" } else { "dng" }).into_bytes();
        let facts = Facts { media: Some(media), ..Facts::default() };
        let bodies = vec![
            OpBody::AddAsset { asset: asset(number), life: Life(0), original },
            OpBody::Derive {
                life: Life(0),
                content: asset(number).0,
                probe: ProbeKind::Metadata,
                version: 1,
                facts,
            },
        ];
        room.library.record(bodies).unwrap();
    }
    assert_eq!(stacked(&room, 10), ["IMG_1.jpg", "IMG_1.dng"]);
    let both = Selection::of([asset(10), asset(11)]);
    room.library.stack(&both, &asset(11).to_string(), false).unwrap();
    assert_eq!(stacked(&room, 10), ["IMG_1.dng", "IMG_1.jpg"]);
}

#[test]
fn a_photo_moves_that_has_a_video_half_wherever_that_is_stacked() {
    let mut room = with_a_live_photo();
    room.is_half_of(2, MediaKind::Photo, "C-D");
    let moves = |room: &Room, number| room.library.moves(&asset(number).to_string()).unwrap();
    assert_eq!([0, 1, 2].map(|number| moves(&room, number)), [true, false, false]);
    assert!(stacked(&room, 0).is_empty(), "one photo to whoever looks at it");
    let both = Selection::of([asset(0), asset(2)]);
    room.library.stack(&both, &asset(2).to_string(), false).unwrap();
    assert_eq!((stacked(&room, 0), moves(&room, 0)), (vec!["2.jpg".into(), "0.jpg".into()], true));
    room.library.unstack(&both, false).unwrap();
    let covers = TimelineRequest { covers_only: true, ..TimelineRequest::default() };
    assert_eq!(room.library.timeline(&covers).unwrap().len(), 2, "it stays whole");
    room.set("1.jpg", &["stack=none"]);
    assert!(moves(&room, 0));
    let video = Selection::of([asset(1)]);
    room.library.trash(&video, true, false).unwrap();
    assert!(!moves(&room, 0), "what lies in the trash shows nowhere else");
}

impl Room {
    /// A program found that a photo is half of a Live Photo.
    fn is_half_of(&mut self, number: u32, media: MediaKind, live: &str) {
        let facts = Facts { media: Some(media), live_id: Some(live.to_owned()), ..Facts::default() };
        let (content, probe) = (asset(number).0, ProbeKind::Metadata);
        let derive = OpBody::Derive { life: Life(0), content, probe, version: 1, facts };
        self.library.record(vec![derive]).unwrap();
    }
}

/// Three photos, of which 1 is the video half of 0.
fn with_a_live_photo() -> Room {
    let mut room = Room::with(3);
    room.is_half_of(0, MediaKind::Photo, "A-B");
    room.is_half_of(1, MediaKind::Video, "A-B");
    room
}

#[test]
fn a_live_photo_goes_to_a_place_or_stays_away_as_a_whole() {
    let mut room = with_a_live_photo();
    let new = NewAlbum { path: "Trips", within: None, query: None, another: false };
    room.library.add_album(&new).unwrap();
    room.set("0.jpg", &["album+=Trips"]);
    let album = room.library.albums().unwrap().find("Trips").unwrap();
    let [photo, half, other] = [0, 1, 2].map(asset);
    let wanted = |only: &str, switches: &[(Switched, bool)]| {
        let policy =
            RemotePolicy { kind: PolicyKind::Selective, only: Some(only.into()), ..RemotePolicy::default() };
        let wanted = wanted_with_switches(&room.library.catalog(), &policy, switches, true, 0).unwrap();
        [photo, half, other].map(|asset| (wanted.contents.contains(&asset.0), wanted.off.contains(&asset.0)))
    };
    let (goes, stays, nothing) = ((true, false), (false, true), (false, false));
    assert_eq!(wanted("album:Trips", &[]), [goes, goes, nothing]);
    assert_eq!(wanted("is:linked", &[(Switched::Album(album), false)]), [stays, stays, goes]);
    assert_eq!(wanted("is:linked", &[(Switched::Asset(photo), false)]), [stays, stays, goes]);
    assert_eq!(wanted("tag:none", &[(Switched::Asset(photo), true)]), [goes, goes, nothing]);
    // The half may be switched by itself, whatever its photo is.
    let both = [(Switched::Asset(photo), true), (Switched::Asset(half), false)];
    assert_eq!(wanted("tag:none", &both), [goes, stays, nothing]);
    let photo = Selection::of([photo]);
    room.library.trash(&photo, true, false).unwrap();
    assert_eq!(room.library.count("").unwrap(), 1);
}

#[test]
fn whether_when_and_where_a_live_photo_is_holds_for_its_video_too() {
    let mut room = with_a_live_photo();
    let count = |room: &Room, query: &str| room.library.count(query).unwrap();
    room.set("0.jpg", &["hidden=yes", "caption=by the sea", "date=2021-05-06 07:08:09", "place=38.7,-9.1"]);
    let made = room.library.last_made();
    assert_eq!((count(&room, ""), count(&room, "is:hidden")), (1, 2), "nothing of it shows");
    assert_eq!(count(&room, "is:hidden caption:sea"), 1, "it is called something as one");
    for number in [0, 1] {
        let shown = room.shown(number);
        assert_eq!(shown.taken.as_deref().map(|taken| &taken[..10]), Some("2021-05-06"), "{number}");
        assert!(shown.position.is_some(), "{number}");
    }
    room.library.undo(made).unwrap();
    assert_eq!((count(&room, ""), count(&room, "is:hidden"), count(&room, "caption:sea")), (3, 0, 0));

    let photo = room.select(&["0.jpg"]);
    assert_eq!(
        room.library.trash(&photo, true, false).unwrap().changed.len(),
        1,
        "one photo to whoever looks at it"
    );
    assert_eq!(count(&room, ""), 1);
    let photo = Selection::of([asset(0)]);
    room.library.trash(&photo, false, false).unwrap();
    assert_eq!(count(&room, ""), 3);
    assert_eq!(room.library.with_stacks(&photo).unwrap().assets(), [asset(0)], "in a list of covers, too");
    // The video alone is nobody's photo.
    room.set("1.jpg", &["hidden=yes"]);
    assert_eq!(count(&room, "is:hidden"), 1);
    // What is hidden already, and kept back, is not touched behind closed doors.
    room.library.keep_hidden_back(true);
    room.library.trash(&photo, true, false).unwrap();
    room.library.keep_hidden_back(false);
    assert_eq!(count(&room, "is:hidden"), 1);
}

#[test]
fn who_sees_a_stack_as_one_photo_means_all_of_it() {
    let mut room = Room::with(4);
    let burst = Selection::of([asset(0), asset(1), asset(2)]);
    room.library.stack(&burst, &asset(0).to_string(), false).unwrap();
    let cover = Selection::of([asset(0)]);
    assert_eq!(room.library.with_stacks(&cover).unwrap().len(), 3);
    assert_eq!(room.library.with_stacks(&Selection::of([asset(1)])).unwrap().assets(), [asset(1)]);
    room.set("2.jpg", &["hidden=yes"]);
    room.library.keep_hidden_back(true);
    assert_eq!(room.library.with_stacks(&cover).unwrap().len(), 2);
}

#[test]
fn what_somebody_writes_once_more_on_purpose_stays() {
    let mut room = Room::with(1);
    room.set("0.jpg", &["rating=3"]);
    let made = room.library.last_made();
    room.set("0.jpg", &["rating=5"]);
    room.set("0.jpg", &["rating=3"]);
    let report = room.library.undo(made).unwrap();
    assert_eq!((report.changed.len(), report.notices.len()), (0, 1));
    assert_eq!(room.shown(0).rating, Some(3));
}

#[test]
fn ten_thousand_photos_are_changed_in_one_transaction() {
    const PHOTOS: u32 = 10_000;
    let mut room = Room::with(PHOTOS);
    let selection = room.select(&["is:linked"]);
    assert_eq!(selection.len(), 10_000);
    let begun = Instant::now();
    let report = room.library.edit(&selection, &changes(&["tag+=all of them", "rating=3"]), false).unwrap();
    let taken = begun.elapsed();
    eprintln!("two changes of {PHOTOS} photos in {taken:?}");
    assert_eq!(report.changed.len(), 10_000);
    assert_eq!(room.library.count("tag:\"all of them\" rating:3").unwrap(), 10_000);
    assert!(taken < Duration::from_secs(60), "{taken:?}");
}

#[test]
fn changes_of_one_field_are_taken_back_one_after_the_other() {
    let mut room = Room::with(1);
    let mut made = Vec::new();
    for words in [["rating=2"], ["rating=3"], ["rating=5"]] {
        room.set("0.jpg", &words);
        made.push(room.library.last_made());
    }
    for (made, rating) in made.into_iter().rev().zip([Some(3), Some(2), None]) {
        let report = room.library.undo(made).unwrap();
        assert_eq!((report.changed.len(), report.notices.len()), (1, 0));
        assert_eq!(room.shown(0).rating, rating);
    }
    // Not past what somebody wrote meanwhile.
    room.set("0.jpg", &["rating=4"]);
    let made = room.library.last_made();
    room.arrives(0, Field::RATING, 1);
    assert!(room.library.undo(made).unwrap().changed.is_empty());
}
