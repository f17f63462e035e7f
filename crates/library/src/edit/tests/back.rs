//! Changes taken back by another process, and photos made as they were.

use std::collections::BTreeSet;

use safelight_catalog::Shelf;

use super::*;
use crate::effects::now_stamp_millis;
use crate::error::ErrorKind;
use crate::history::HistoryFilter;
use crate::past::Moment;

impl Room {
    /// Another process opens the library.
    fn reopened(self) -> Self {
        let Self { place, library } = self;
        library.close().unwrap();
        let library = place.library();
        Self { place, library }
    }

    fn caption(&self, number: u32) -> Option<String> {
        self.shown(number).caption
    }

    fn undo(&mut self, count: usize) -> Result<Vec<EditReport>> {
        self.library.undo_changes(&WhichChanges::Last(count))
    }

    fn restore(&mut self, moment: &Moment, parts: &[Part], dry_run: bool) -> RestoreReport {
        let parts: BTreeSet<_> = parts.iter().copied().collect();
        let request = RestoreRequest { moment, selection: None, parts, dry_run };
        self.library.restore_to(&request).unwrap()
    }

    fn in_trash(&self) -> usize {
        self.library.list_trash("").unwrap().len()
    }
}

/// A moment that everything before is in, and nothing after.
fn moment() -> Moment {
    let millis = now_stamp_millis();
    while now_stamp_millis() <= millis {
        std::hint::spin_loop();
    }
    Moment::of_millis(millis)
}

#[test]
fn changes_are_taken_back_one_after_another_by_processes_that_did_not_make_them() {
    let mut room = Room::with(2);
    room.set("0.jpg", &["caption=first"]);
    room.set("0.jpg", &["caption=second"]);
    let all = room.library.select_all(Among::WhatIsAsked).unwrap();
    room.library.trash(&all, true, false).unwrap();
    assert_eq!(room.in_trash(), 2);

    let mut room = room.reopened();
    room.undo(1).unwrap();
    assert_eq!(room.in_trash(), 0);
    let mut room = room.reopened();
    room.undo(1).unwrap();
    assert_eq!(room.caption(0).as_deref(), Some("first"));
    let mut room = room.reopened();
    room.undo(1).unwrap();
    assert_eq!(room.caption(0), None);
    assert_eq!(room.undo(1).unwrap_err().kind(), ErrorKind::Refused, "there is no change before");

    // Each redo takes the last undo back, whoever made it.
    let mut room = room.reopened();
    room.library.undo_changes(&WhichChanges::LastUndo).unwrap();
    assert_eq!(room.caption(0).as_deref(), Some("first"));
    let mut room = room.reopened();
    room.library.undo_changes(&WhichChanges::LastUndo).unwrap();
    assert_eq!(room.caption(0).as_deref(), Some("second"));
    room.undo(1).unwrap();
    assert_eq!(room.caption(0).as_deref(), Some("first"));
}

#[test]
fn several_changes_are_taken_back_at_once_and_are_listed_with_their_numbers() {
    let mut room = Room::with(1);
    for caption in ["one", "two", "three"] {
        room.set("0.jpg", &[&format!("caption={caption}")]);
    }
    let listed = room.library.changes_made(9).unwrap();
    assert_eq!(listed.iter().map(|change| change.id.as_str()).collect::<Vec<_>>(), ["3", "2", "1"]);
    assert!(listed[0].what.contains("three"), "{listed:?}");
    let reports = room.undo(2).unwrap();
    assert_eq!((reports.len(), room.caption(0).as_deref()), (2, Some("one")));
    let listed = room.library.changes_made(9).unwrap();
    let marks: Vec<_> = listed.iter().map(|change| (change.is_undo, change.taken_back)).collect();
    assert_eq!(marks, [(true, false), (true, false), (false, true), (false, true), (false, false)]);
    assert_eq!(room.library.changes_made(2).unwrap().len(), 2);
}

#[test]
fn what_was_written_over_since_stays_and_the_change_before_it_can_be_named() {
    let mut room = Room::with(2);
    room.set("1.jpg", &["caption=other"]);
    room.set("0.jpg", &["caption=mine"]);
    room.arrives(0, Field::CAPTION, "theirs");
    let error = room.undo(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("change 2"), "{error}");
    room.library.undo_changes(&WhichChanges::Called("1".into())).unwrap();
    assert_eq!(room.caption(1), None);
    assert!(room.library.undo_changes(&WhichChanges::Called("1".into())).is_err(), "it was taken back");
    assert!(room.library.undo_changes(&WhichChanges::Called("77".into())).is_err());
}

#[test]
fn only_the_newest_five_hundred_changes_are_remembered() {
    let mut room = Room::with(1);
    for number in 0..502 {
        room.set("0.jpg", &[&format!("caption={number}")]);
    }
    let listed = room.library.changes_made(1000).unwrap();
    assert_eq!((listed.len(), listed.last().unwrap().id.as_str()), (500, "3"));
}

#[test]
fn a_catalogue_that_was_made_anew_still_knows_which_operations_a_change_was() {
    let mut room = Room::with(2);
    room.set("0.jpg", &["caption=first"]);
    let all = room.library.select_all(Among::WhatIsAsked).unwrap();
    room.library.trash(&all, true, false).unwrap();
    let Room { place, library } = room;
    library.close().unwrap();
    Library::rebuild_catalog(&place.folder(), &place.keys, &Unwatched).unwrap();
    let library = place.library();
    let mut room = Room { place, library };
    room.undo(1).unwrap();
    assert_eq!((room.in_trash(), room.caption(0).as_deref()), (0, Some("first")));
}

#[test]
fn the_whole_library_is_as_it_was_and_as_it_is_again() {
    let mut room = Room::with(6);
    room.library.add_album(&album("Trips/Iceland")).unwrap();
    room.set("0.jpg", &["caption=before", "rating=4", "tag+=sea", "album+=Trips/Iceland", "rotate+=90"]);
    room.set("1.jpg", &["date=2020-05-01", "place=64.15,-21.94 Harbour", "hidden=yes"]);
    let before = room.ops();
    let then = moment();
    let all_of = |room: &Room| (0..6).map(|number| format!("{:?}", room.shown(number))).collect::<Vec<_>>();
    let shown = all_of(&room);

    room.set(
        "0.jpg",
        &["caption=after", "rating=1", "tag-=sea", "tag+=hill", "album-=Iceland", "rotate+=90"],
    );
    room.set("is:hidden", &["date=2021", "hidden=no"]);
    let selection = room.select(&["2.jpg", "3.jpg", "4.jpg"]);
    room.library.trash(&selection, true, false).unwrap();
    room.library.rename_album("Trips/Iceland", "Norway").unwrap();
    let late = OpBody::AddAsset {
        asset: asset(9),
        life: Life(0),
        original: original(&room.library, 9, Storage::Linked),
    };
    room.library.record(vec![late]).unwrap();
    let now = moment();

    let ops = room.ops();
    let tried = room.restore(&then, &Part::ALL, true);
    assert_eq!((tried.changed.len(), tried.unchanged, tried.since, tried.albums), (5, 1, 1, 1));
    assert_eq!(room.ops(), ops, "a trial writes nothing");
    let done = room.restore(&then, &Part::ALL, false);
    assert_eq!(RestoreReport { dry_run: true, ..done }, tried);
    assert_eq!(all_of(&room), shown);
    assert_eq!((room.in_trash(), room.shown(9).trashed), (0, false), "what came since stays");
    assert!(room.restore(&then, &Part::ALL, false).changed.is_empty());
    assert!(room.ops() > before);

    // It is one change, and is taken back as one.
    let mut room = room.reopened();
    room.undo(1).unwrap();
    assert_eq!((room.caption(0).as_deref(), room.in_trash()), (Some("after"), 3));
    assert!(room.restore(&now, &Part::ALL, true).changed.is_empty());
}

#[test]
fn only_the_parts_and_photos_that_are_named_are_made_as_they_were() {
    let mut room = Room::with(3);
    for name in ["0.jpg", "1.jpg"] {
        room.set(name, &["caption=before", "rating=2"]);
    }
    let then = moment();
    for name in ["0.jpg", "1.jpg"] {
        room.set(name, &["caption=after", "rating=5"]);
    }
    let report = room.restore(&then, &[Part::Ratings], false);
    assert_eq!((report.changed.len(), report.parts), (2, [("ratings", 2)].into()));
    assert_eq!((room.caption(0).as_deref(), room.shown(0).rating), (Some("after"), Some(2)));
    let selection = room.select(&["1.jpg"]);
    let request = RestoreRequest {
        moment: &then,
        selection: Some(&selection),
        parts: Part::ALL.into(),
        dry_run: false,
    };
    assert_eq!(room.library.restore_to(&request).unwrap().changed.len(), 1);
    assert_eq!((room.caption(0).as_deref(), room.caption(1).as_deref()), (Some("after"), Some("before")));
}

#[test]
fn a_photo_that_was_removed_for_good_is_counted_and_does_not_come_back() {
    let mut room = Room::with(2);
    room.set("1.jpg", &["caption=older"]);
    let then = moment();
    let selection = room.select(&["0.jpg"]);
    room.library.trash(&selection, true, false).unwrap();
    let plan = room.library.plan_purge(Some(&selection), None).unwrap();
    room.library.purge(plan, &Unwatched).unwrap();
    let report = room.restore(&then, &Part::ALL, false);
    assert_eq!((report.removed_since, report.changed.len(), report.unchanged), (1, 0, 1));
    // Removing for good has no way back and is not offered, and what came before it is reached.
    assert_eq!(room.library.changes_made(9).unwrap().len(), 2);
    room.undo(1).unwrap();
    assert_eq!(room.caption(1), None);
    assert_eq!(room.undo(1).unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn what_devices_disagree_about_and_shows_as_it_did_stays_open() {
    let mut room = Room::with(1);
    room.set("0.jpg", &["caption=mine"]);
    room.arrives(0, Field::CAPTION, "theirs");
    let then = moment();
    room.set("0.jpg", &["rating=3"]);
    let report = room.restore(&then, &Part::ALL, false);
    assert_eq!(report.parts, [("ratings", 1)].into());
    assert_eq!(room.library.list_conflicts().unwrap().len(), 1);
}

#[test]
fn what_is_hidden_today_is_hidden_in_what_is_shown_of_the_past() {
    let mut room = Room::with(3);
    let then = moment();
    room.set("0.jpg", &["hidden=yes"]);
    room.set("1.jpg", &["hidden=yes"]);
    room.set("1.jpg", &["hidden=no"]);
    let place = &room.place;
    let open = |to_show: bool| {
        let (folder, keys) = (place.folder(), place.keys.clone());
        let open = if to_show { Library::open_as_it_was_to_show } else { Library::open_as_it_was };
        let past = open(folder, keys, &place.options, &then).unwrap();
        past.keep_hidden_back(to_show);
        past
    };
    let counts =
        |past: &Library| (past.count_on(Shelf::Shown).unwrap(), past.count_on(Shelf::Hidden).unwrap());
    assert_eq!(counts(&open(false)), (3, 0));
    let past = open(true);
    assert_eq!(counts(&past), (2, 1));
    assert!(past.show(&asset(0).to_string()).is_err());
    // Nor does what was recorded tell of it.
    let told = |library: &Library| library.history(None, &HistoryFilter::default(), 100).unwrap().len();
    room.library.keep_hidden_back(false);
    let all = told(&room.library);
    room.library.keep_hidden_back(true);
    let lines = room.library.history(None, &HistoryFilter::default(), 100).unwrap();
    assert!(lines.len() + 2 <= all && lines.iter().all(|line| !line.what.contains("0.jpg")), "{lines:?}");
}

#[test]
fn the_library_as_it_was_is_looked_at_and_takes_no_change() {
    let mut room = Room::with(2);
    room.set("0.jpg", &["caption=before"]);
    let then = moment();
    room.set("0.jpg", &["caption=after"]);
    let place = &room.place;
    let mut past =
        Library::open_as_it_was(place.folder(), place.keys.clone(), &place.options, &then).unwrap();
    let shown = past.show(&asset(0).to_string()).unwrap();
    assert_eq!(shown.caption.as_deref(), Some("before"));
    let selection = past.select_all(Among::WhatIsAsked).unwrap();
    assert!(past.edit(&selection, &changes(&["rating=1"]), false).is_err());
    assert!(past.undo_changes(&WhichChanges::Last(1)).is_err());
    let unfinished = || {
        let names = std::fs::read_dir(place.folder().path().join("tmp")).unwrap();
        names.filter(|name| !name.as_ref().unwrap().file_name().to_string_lossy().ends_with(".lock")).count()
    };
    assert!(unfinished() > 0, "its catalogue is there as long as it is open");
    past.close().unwrap();
    assert_eq!(unfinished(), 0);
    let folder = place.folder().to_look_only();
    let past = Library::open_as_it_was(folder, place.keys.clone(), &place.options, &then).unwrap();
    assert_eq!(unfinished(), 0, "where nothing can be written it is in memory");
    assert_eq!(past.show(&asset(0).to_string()).unwrap().caption.as_deref(), Some("before"));
    past.close().unwrap();
    assert_eq!(room.caption(0).as_deref(), Some("after"));
}
