//! Hidden photos that are kept back: whatever names them finds nothing.

use super::*;

fn is_missing<T: std::fmt::Debug>(result: &Result<T>) -> bool {
    matches!(result, Err(LibraryError::NoSuchItem { .. }))
}

/// Photos 0 to 3; a second `3.jpg` in another folder, which is hidden, as 1 is.
fn room() -> Room {
    let mut room = Room::with(4);
    let mut original = original(&room.library, 3, Storage::Linked);
    original.content = asset(30).0;
    original.source.root = b"/home/anna/Secret".to_vec();
    room.library.record(vec![OpBody::AddAsset { asset: asset(30), life: Life(0), original }]).unwrap();
    for number in [1, 30] {
        room.set(&asset(number).to_string(), &["hidden=yes", "tag+=planted"]);
    }
    room
}

#[test]
fn no_name_path_or_beginning_of_an_id_finds_what_is_kept_back() {
    let room = room();
    let whole = asset(1).to_string();
    let names = [&whole, &whole[..4], &whole[..10], "1.jpg", "./1.jpg", "/home/anna/Pictures/1.jpg"];
    for name in names {
        assert_eq!(room.library.find(name).unwrap().asset, asset(1), "{name}");
    }
    assert!(matches!(room.library.find("3.jpg"), Err(LibraryError::Ambiguous { .. })));
    room.library.keep_hidden_back(true);
    for name in names {
        assert!(is_missing(&room.library.find(name).map(|item| item.asset)), "{name}");
        let items = [name.to_owned()];
        assert!(is_missing(&room.library.select(&items, name, Among::Everywhere)), "{name}");
    }
    assert_eq!(room.library.find("3.jpg").unwrap().asset, asset(3), "of two the one that is told of");
    assert_eq!(room.select(&["3.jpg"]).assets(), [asset(3)]);
    let ids = [whole.clone()];
    assert_eq!(
        room.library.select_ids(&ids).unwrap_err().to_string(),
        LibraryError::NoSuchItem { item: whole }.to_string(),
        "as if it were not there"
    );
}

#[test]
fn no_search_everywhere_finds_what_is_kept_back() {
    let mut room = room();
    room.arrives(1, Field::CAPTION, "one");
    room.arrives(1, Field::CAPTION, "another");
    let keep = Resolution { field: None, keep: 1 };
    let everywhere = |room: &Room| room.library.select_all(Among::Everywhere).unwrap().len();
    assert_eq!((everywhere(&room), room.library.list_conflicts().unwrap().len()), (5, 1));
    room.library.keep_hidden_back(true);
    assert_eq!((everywhere(&room), room.library.list_conflicts().unwrap().len()), (3, 0));
    for item in ["tag:planted", "is:conflicted", &asset(1).to_string()] {
        assert!(is_missing(&room.library.resolve(item, keep)), "{item}");
    }
    room.library.keep_hidden_back(false);
    room.library.resolve(&asset(1).to_string(), keep).unwrap();
    assert!(room.library.list_conflicts().unwrap().is_empty());
}

#[test]
fn no_old_change_is_taken_back_behind_closed_doors_but_the_hiding_itself() {
    let mut room = room();
    room.set("0.jpg", &["caption=before"]);
    room.set("2.jpg", &["caption=before"]);
    let both = room.select(&["0.jpg", "2.jpg"]);
    room.library.edit(&both, &changes(&["caption=after"]), false).unwrap();
    let edit = room.library.last_made();
    room.set("2.jpg", &["hidden=yes"]);
    let hiding = room.library.last_made();
    room.library.keep_hidden_back(true);
    let report = room.library.undo(edit).unwrap();
    assert_eq!((report.items, report.changed), (1, vec![asset(0).to_string()]));
    assert_eq!(room.library.undo(hiding).unwrap().changed, [asset(2).to_string()]);
    let shown = room.library.find("2.jpg").unwrap();
    assert_eq!(shown.view().caption.as_ref().map(|shown| shown.value.as_str()), Some("after"));
}

#[test]
fn a_change_that_hid_a_photo_itself_is_taken_back_as_a_whole() {
    for fields in [["hidden=yes", "caption=after"], ["caption=after", "hidden=yes"]] {
        let mut room = room();
        room.set("2.jpg", &["caption=before"]);
        room.set("2.jpg", &fields);
        let edit = room.library.last_made();
        room.library.keep_hidden_back(true);
        assert!(room.library.undo(edit).unwrap().notices.is_empty());
        let shown = room.library.find("2.jpg").unwrap();
        assert_eq!(shown.view().caption.as_ref().map(|shown| shown.value.as_str()), Some("before"));
    }
}

#[test]
fn no_history_of_a_photo_names_a_hidden_one() {
    let mut room = room();
    room.arrives(0, Field::STACK, Value::Asset(asset(1)));
    let names_it = |room: &Room| {
        let lines = room
            .library
            .history(Some(&asset(0).to_string()), &crate::history::HistoryFilter::default(), 50)
            .unwrap();
        lines.iter().any(|line| line.what.contains(&asset(1).to_string()[..10]))
    };
    assert!(names_it(&room));
    room.library.keep_hidden_back(true);
    assert!(!names_it(&room));
}

#[test]
fn no_stack_that_comes_apart_takes_a_hidden_photo_along() {
    let mut room = room();
    for under in [1, 2] {
        room.arrives(under, Field::STACK, Value::Asset(asset(0)));
    }
    room.library.keep_hidden_back(true);
    let report = room.library.unstack(&room.select(&["0.jpg"]), false).unwrap();
    assert_eq!((report.items, report.changed.contains(&asset(1).to_string())), (2, false));
    room.library.keep_hidden_back(false);
    let hidden = room.library.find(&asset(1).to_string()).unwrap();
    assert!(hidden.view().stack.is_some());
}

#[test]
fn no_remembered_search_names_what_was_hidden_since() {
    let mut room = Room::with(3);
    room.set("0.jpg", &["tag+=party"]);
    room.set("2.jpg", &["tag+=secret"]);
    let all = ["-tag:secret", "tag:secret", "tag:party"];
    for search in all.iter().rev() {
        room.library.remember_search(search).unwrap();
    }
    room.library.keep_hidden_back(true);
    assert_eq!(room.library.recent_searches().unwrap(), all, "nothing is hidden yet");
    room.set("2.jpg", &["hidden=yes"]);
    assert_eq!(room.library.recent_searches().unwrap(), ["tag:party"]);
    assert_eq!(room.library.remember_search("-has:gps").unwrap(), ["-has:gps", "tag:party"]);
    room.library.keep_hidden_back(false);
    assert_eq!(room.library.recent_searches().unwrap().len(), 4, "they were only kept back");
}
