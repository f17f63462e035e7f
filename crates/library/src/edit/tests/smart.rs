//! Albums that a search fills.

use super::*;
use crate::offers::Offers;

fn smart<'a>(path: &'a str, query: &'a str) -> NewAlbum<'a> {
    NewAlbum { query: Some(query), ..album(path) }
}

fn named(room: &Room, path: &str) -> ShownAlbum {
    room.library.list_albums().unwrap().into_iter().find(|album| album.path == path).unwrap()
}

fn is_refused<T>(result: &Result<T>) -> bool {
    matches!(result, Err(LibraryError::Refused { .. }))
}

#[test]
fn a_search_fills_an_album_as_of_now() {
    let mut room = Room::with(4);
    let best = room.library.add_album(&smart("Trips/Best", " rating:>=4 ")).unwrap();
    assert_eq!((best.path.as_str(), best.query.as_deref()), ("Trips/Best", Some("rating:>=4")));
    assert_eq!((named(&room, "Trips/Best").assets, named(&room, "Trips").query), (0, None));
    assert_eq!(room.library.cover_of_album(&named(&room, "Trips/Best")).unwrap(), None);
    room.set("1.jpg", &["rating=5"]);
    room.set("2.jpg", &["rating=4", "tag+=sea"]);
    let shown = named(&room, "Trips/Best");
    assert_eq!((shown.assets, shown.problem.as_deref()), (2, None));
    assert!(room.library.cover_of_album(&shown).unwrap().is_some());
    assert_eq!(room.library.show_album("best").unwrap().1.len(), 2);

    // Together with what somebody looks for in it.
    let request = TimelineRequest { query: "tag:sea", album: Some(&best.id), ..TimelineRequest::default() };
    assert_eq!(room.library.timeline(&request).unwrap().len(), 1);
    assert_eq!(room.library.select_timeline(&request).unwrap().len(), 1);

    let changed = room.library.set_album_search("best", "rating:5").unwrap();
    assert_eq!((changed.query.as_deref(), changed.assets), (Some("rating:5"), 1));
    let made = room.library.last_made();
    room.library.undo(made).unwrap();
    assert_eq!(named(&room, "Trips/Best").query.as_deref(), Some("rating:>=4"));
    room.library.rename_album("best", "Finest").unwrap();
    room.library.move_album("Finest", None).unwrap();
    let plan = room.library.plan_album_removal("Finest").unwrap();
    room.library.remove_album(plan).unwrap();
    assert_eq!(
        (room.library.list_albums().unwrap().len(), room.library.count("rating:>=4").unwrap()),
        (1, 2)
    );
}

#[test]
fn nothing_is_put_into_an_album_that_a_search_fills() {
    let mut room = Room::with(2);
    room.library.add_album(&smart("Best", "rating:5")).unwrap();
    room.library.add_album(&album("Trips")).unwrap();
    let all = room.select(&["0.jpg"]);
    assert!(is_refused(&room.library.edit(&all, &changes(&["album+=Best"]), false)));
    assert!(is_refused(&room.library.add_album(&album("Best/Within"))));
    assert!(is_refused(&room.library.add_album(&NewAlbum { within: Some("best"), ..album("Within") })));
    assert!(is_refused(&room.library.move_album("Trips", Some("Best"))));
    assert!(is_refused(&room.library.pin_album("Best", true)));

    room.set("0.jpg", &["album+=Trips"]);
    assert!(is_refused(&room.library.set_album_search("Trips", "rating:5")), "a photo lies in it");
    room.library.trash(&all, true, false).unwrap();
    assert!(is_refused(&room.library.set_album_search("Trips", "rating:5")), "also in the trash");
    room.library.trash(&all, false, false).unwrap();
    room.set("0.jpg", &["album-=Trips"]);
    assert_eq!(room.library.set_album_search("Trips", "rating:5").unwrap().assets, 0);
}

#[test]
fn a_search_that_cannot_be_followed_is_refused_or_said() {
    let mut room = Room::with(2);
    for wrong in ["", "  ", "colour:red"] {
        let made = room.library.add_album(&smart("Wrong", wrong));
        assert!(matches!(made, Err(LibraryError::Query { .. })), "{wrong:?}");
    }
    assert!(room.library.list_albums().unwrap().is_empty());
    let id = room.library.add_album(&smart("Later", "rating:5")).unwrap().id;
    // A later version knows filters that this one does not.
    let later = safelight_model::AlbumId::parse(&id).unwrap();
    let write = |search: &str| OpBody::Set {
        target: later.into(),
        field: Field::QUERY.into(),
        value: search.into(),
        supersedes: Default::default(),
    };
    room.library
        .change(|change| album::write_album(change, later, Field::QUERY, "mood:calm".into()))
        .unwrap();
    let shown = named(&room, "Later");
    assert_eq!(shown.assets, 0);
    assert!(shown.problem.as_deref().unwrap().contains("mood"), "{shown:?}");
    assert_eq!(room.library.cover_of_album(&shown).unwrap(), None);
    let request = TimelineRequest { album: Some(&id), ..TimelineRequest::default() };
    assert!(matches!(room.library.timeline(&request), Err(LibraryError::Query { .. })));
    room.library
        .change(|change| album::write_album(change, later, Field::QUERY, "sync:nas=synced".into()))
        .unwrap();
    assert!(named(&room, "Later").problem.as_deref().unwrap().contains("nas"));

    // Two devices that change it at once disagree, and that is said.
    room.library.record(vec![write("rating:4")]).unwrap();
    assert!(named(&room, "Later").conflicted);
}

#[test]
fn a_smart_album_is_no_word_of_a_query() {
    let mut room = Room::with(1);
    room.library.add_album(&smart("Best", "rating:5")).unwrap();
    room.library.add_album(&album("Beach")).unwrap();
    let offered: Vec<String> = room
        .library
        .complete("album:be", 8, &Offers::default())
        .unwrap()
        .choices
        .into_iter()
        .map(|choice| choice.text)
        .collect();
    assert_eq!(offered, ["album:Beach"]);
    assert!(room.library.refuse_smart_albums_in("album:best rating:5").is_err());
    room.library.refuse_smart_albums_in("album:beach rating:5").unwrap();
}
