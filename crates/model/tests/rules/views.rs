//! What is shown: typed before derived before file, with what lost, and nonsense counted as absent.

use safelight_model::view::{AlbumView, AssetStatus, AssetView, Origin};
use safelight_model::{
    AlbumId, AssetState, ContentState, DatePrecision, EntityId, Facts, Field, Keywords, Life, Op, OpBody,
    PlaceName, Position, ProbeKind, SetName, SourcePath, Taken, TakenSource, Target, TypedDate, TypedPlace,
    Value,
};

use crate::common::{add, asset, at, content, fold, fold_asset, id, original, set};

fn asset_state(ops: &[Op]) -> AssetState {
    fold_asset(ops).as_asset().unwrap().clone()
}

fn content_state(probe: ProbeKind, facts: Facts) -> ContentState {
    let body = OpBody::Derive { life: Life(0), content: content(1), probe, version: 1, facts };
    let states = fold(&[Op::new(id(90), at(1), body)]);
    states[&EntityId::Content(content(1))].as_content().unwrap().clone()
}

fn derived() -> ContentState {
    let facts = Facts {
        taken: Some(Taken {
            local_millis: 5_000,
            offset_minutes: Some(60),
            source: TakenSource::ExifOriginal,
        }),
        position: Position::from_degrees(48.0, 2.0, None),
        place: Some(PlaceName { city: Some("Paris".to_owned()), ..PlaceName::default() }),
        rating: Some(3),
        title: Some("in the file".to_owned()),
        description: Some("of the file".to_owned()),
        keywords: Some(Keywords(vec!["sea".to_owned(), "sun".to_owned()])),
        ..Facts::default()
    };
    content_state(ProbeKind::Metadata, facts)
}

fn added() -> Vec<Op> {
    vec![Op::new(id(0), at(7), add(1))]
}

#[test]
fn what_nobody_typed_comes_from_the_file() {
    let state = asset_state(&added());
    let view = AssetView::new(asset(1), &state, Some(&derived()));
    assert_eq!(view.status, AssetStatus::Live);
    assert_eq!(view.added, Some(at(7)));
    assert_eq!(view.caption.as_ref().unwrap().value, "of the file");
    assert_eq!(view.caption.unwrap().origin, Origin::Derived);
    assert_eq!(view.rating.unwrap().value, 3);
    let date = view.date.unwrap().value;
    assert_eq!((date.local_millis, date.utc_millis()), (5_000, Some(5_000 - 3_600_000)));
    assert_eq!(view.place.unwrap().value.found.unwrap().city.as_deref(), Some("Paris"));
    assert_eq!(view.keywords, ["sea", "sun"]);
}

#[test]
fn without_facts_the_date_is_that_of_the_file_and_says_so() {
    let state = asset_state(&added());
    let date = AssetView::new(asset(1), &state, None).date.unwrap();
    assert_eq!(date.origin, Origin::File);
    assert_eq!(date.value.source, Some(TakenSource::FileTime));
    assert_eq!(date.value.local_millis, original(1).modified_millis);
}

#[test]
fn what_a_person_typed_goes_before_what_the_file_says_until_they_clear_it() {
    let mut ops = added();
    let typed_date = TypedDate { local_seconds: 100, offset_minutes: None, precision: DatePrecision::Year };
    let place = TypedPlace {
        position: Position::from_degrees(1.0, 2.0, None).unwrap(),
        name: Some("home".to_owned()),
    };
    let writes = [
        (Field::CAPTION, Value::from("typed")),
        (Field::RATING, Value::from(5)),
        (Field::DATE, Value::from(typed_date)),
        (Field::PLACE, Value::from(place)),
        (Field::FAVOURITE, Value::from(true)),
        (Field::HIDDEN, Value::from(true)),
        (Field::ROTATE, Value::from(-1)),
    ];
    for (number, (field, value)) in (1..).zip(writes) {
        ops.push(Op::new(id(number), at(9), set(field, value, &[])));
    }
    let state = asset_state(&ops);
    let view = AssetView::new(asset(1), &state, Some(&derived()));
    assert_eq!(view.caption.as_ref().unwrap().value, "typed");
    assert_eq!(view.caption.unwrap().origin, Origin::Typed { op: id(1), stamp: at(9) });
    assert_eq!(view.rating.unwrap().value, 5);
    let date = view.date.unwrap().value;
    assert_eq!((date.local_millis, date.precision, date.utc_millis()), (100_000, DatePrecision::Year, None));
    assert_eq!(view.place.unwrap().value.name.as_deref(), Some("home"));
    assert!(view.favourite && view.hidden);
    assert_eq!(view.rotate, 3);

    for (number, field) in (20..).zip([Field::CAPTION, Field::RATING, Field::DATE, Field::PLACE]) {
        let body = asset_state(&ops).write_field(asset(1), field, Value::None);
        ops.push(Op::new(id(number), at(0), body));
    }
    let state = asset_state(&ops);
    let view = AssetView::new(asset(1), &state, Some(&derived()));
    assert_eq!(view.caption.unwrap().value, "of the file");
    assert_eq!(view.rating.unwrap().value, 3);
    assert_eq!(view.date.unwrap().origin, Origin::Derived);
    assert_eq!(view.place.unwrap().origin, Origin::Derived);
}

#[test]
fn an_empty_caption_hides_the_one_in_the_file() {
    let mut ops = added();
    ops.push(Op::new(id(1), at(1), set(Field::CAPTION, "", &[])));
    let state = asset_state(&ops);
    assert_eq!(AssetView::new(asset(1), &state, Some(&derived())).caption, None);
}

#[test]
fn values_of_a_wrong_type_or_range_count_as_absent() {
    let mut ops = added();
    let far = TypedDate { local_seconds: i64::MAX, offset_minutes: None, precision: DatePrecision::Second };
    let writes =
        [(Field::CAPTION, Value::from(5)), (Field::RATING, Value::from(6)), (Field::DATE, Value::from(far))];
    for (number, (field, value)) in (1..).zip(writes) {
        ops.push(Op::new(id(number), at(9), set(field, value, &[])));
    }
    let state = asset_state(&ops);
    let view = AssetView::new(asset(1), &state, Some(&derived()));
    assert_eq!(view.caption.unwrap().value, "of the file");
    assert_eq!(view.rating.unwrap().value, 3);
    assert_eq!(view.date.unwrap().origin, Origin::Derived);
}

#[test]
fn the_losing_caption_is_listed_and_equal_ones_are_one() {
    let mut ops = added();
    for (number, (millis, text)) in (1..).zip([(5, "early"), (9, "late"), (3, "late"), (1, "early")]) {
        ops.push(Op::new(id(number), at(millis), set(Field::CAPTION, text, &[])));
    }
    let state = asset_state(&ops);
    let view = AssetView::new(asset(1), &state, None);
    assert_eq!(view.caption.unwrap().value, "late");
    assert_eq!(view.conflicts.len(), 1);
    assert_eq!(view.conflicts[0].field, Field::CAPTION);
    assert_eq!(view.conflicts[0].others, [(id(1), at(5), Value::from("early"))]);

    let settle = state.write_field(asset(1), Field::CAPTION, "settled");
    ops.push(Op::new(id(9), at(0), settle));
    let state = asset_state(&ops);
    assert!(AssetView::new(asset(1), &state, None).conflicts.is_empty());
}

#[test]
fn tags_and_albums_are_those_put_in_and_keywords_are_the_rest() {
    let mut ops = added();
    let album = AlbumId([3; 16]);
    ops.push(Op::new(id(1), at(1), asset_state(&ops).put_in(asset(1), SetName::TAGS, "sea").unwrap()));
    ops.push(Op::new(id(2), at(1), asset_state(&ops).put_in(asset(1), SetName::ALBUMS, album).unwrap()));
    let state = asset_state(&ops);
    assert_eq!(state.put_in(asset(1), SetName::TAGS, "sea"), None);
    let view = AssetView::new(asset(1), &state, Some(&derived()));
    assert_eq!(view.tags, ["sea"]);
    assert_eq!(view.albums, [album]);
    assert_eq!(view.keywords, ["sun"]);
}

#[test]
fn a_version_keeps_albums_and_words_and_shows_its_own_facts() {
    let mut ops = added();
    ops.push(Op::new(id(1), at(1), set(Field::CAPTION, "typed", &[])));
    ops.push(Op::new(id(2), at(8), asset_state(&ops).add_version(asset(1), original(2))));
    let state = asset_state(&ops);
    assert_eq!(AssetView::content_of(&state), Some(content(2)));
    let view = AssetView::new(asset(1), &state, None);
    assert_eq!(view.caption.unwrap().value, "typed");
    assert_eq!(view.versions.len(), 2);
    assert!(view.versions[0].is_head && !view.versions[1].is_head);
}

#[test]
fn every_place_of_a_content_is_known_once() {
    let mut ops = added();
    let elsewhere = SourcePath { relative: b"copy.jpg".to_vec(), ..original(1).source };
    for number in [1, 2] {
        let body = OpBody::Seen {
            asset: asset(1),
            life: Default::default(),
            content: content(1),
            source: elsewhere.clone(),
            modified_millis: 5,
        };
        ops.push(Op::new(id(number), at(1), body));
    }
    let state = asset_state(&ops);
    let view = AssetView::new(asset(1), &state, None);
    assert_eq!(view.sources(), [&original(1).source, &elsewhere]);
    assert_eq!(elsewhere.file_name(), b"copy.jpg");
}

#[test]
fn a_file_that_was_moved_is_shown_where_it_is() {
    let came_from = original(1).source;
    let went_to = SourcePath { relative: b"sorted/holiday.jpg".to_vec(), ..came_from.clone() };
    let seen = |source: &SourcePath| OpBody::Seen {
        asset: asset(1),
        life: Default::default(),
        content: content(1),
        source: source.clone(),
        modified_millis: 5,
    };
    fn sources(ops: &[Op]) -> Vec<SourcePath> {
        let state = asset_state(ops);
        let view = AssetView::new(asset(1), &state, None);
        assert_eq!(view.sources().first().copied(), state.current().path());
        view.sources().into_iter().cloned().collect()
    }
    let mut ops = added();
    assert_eq!(asset_state(&ops).leave_path(asset(1), &came_from), [], "its only path stays");
    let given = asset_state(&ops).give_way(asset(1), &came_from).remove(0);
    let alone = [ops.clone(), vec![Op::new(id(9), at(9), given)]].concat();
    assert_eq!(sources(&alone), std::slice::from_ref(&came_from), "it shows where it came from");
    assert!(!asset_state(&alone).current().is_there(&came_from));
    ops.push(Op::new(id(1), at(1), seen(&went_to)));
    assert_eq!(sources(&ops), [came_from.clone(), went_to.clone()]);
    assert_eq!(asset_state(&ops).return_to_path(asset(1), &came_from), [], "it never left");

    let left = asset_state(&ops).leave_path(asset(1), &came_from).remove(0);
    ops.push(Op::new(id(2), at(2), left));
    assert_eq!(sources(&ops), std::slice::from_ref(&went_to));
    assert_eq!(asset_state(&ops).leave_path(asset(1), &came_from), [], "it has left");
    assert_eq!(asset_state(&ops).leave_path(asset(1), &went_to), [], "its last path stays");

    let back = asset_state(&ops).return_to_path(asset(1), &came_from).remove(0);
    ops.push(Op::new(id(3), at(3), back));
    assert_eq!(sources(&ops), [came_from.clone(), went_to.clone()]);
    let left = asset_state(&ops).leave_path(asset(1), &went_to).remove(0);
    ops.push(Op::new(id(4), at(4), left));
    assert_eq!(sources(&ops), std::slice::from_ref(&came_from));

    // Two devices at once, each of which knew of the other's file: it shows the path that it left last.
    let gone = |source: &SourcePath| OpBody::Presence {
        asset: asset(1),
        life: Default::default(),
        source: source.clone(),
        is_there: false,
    };
    let first = [ops.clone(), vec![Op::new(id(5), at(5), gone(&came_from))]].concat();
    assert_eq!(sources(&first), std::slice::from_ref(&came_from));
    ops.extend([Op::new(id(5), at(5), gone(&went_to)), Op::new(id(6), at(4), gone(&came_from))]);
    assert_eq!(sources(&ops), std::slice::from_ref(&went_to));
}

#[test]
fn a_file_that_was_imported_with_its_folder_and_with_the_folder_around_that_is_one() {
    let mut ops = added();
    let alone = original(1).source;
    let root = [alone.root.as_slice(), b"/sub"].concat();
    let within = SourcePath { root: root.clone(), relative: b"a.jpg".to_vec(), ..alone.clone() };
    let around = SourcePath { relative: b"sub/a.jpg".to_vec(), ..alone.clone() };
    assert!(within.is_same_file(&around) && !within.is_same_file(&alone));
    for (number, source) in [(1, &within), (2, &around)] {
        let seen = OpBody::Seen {
            asset: asset(1),
            life: Default::default(),
            content: content(1),
            source: source.clone(),
            modified_millis: 5,
        };
        ops.push(Op::new(id(number), at(1), seen));
    }
    let state = asset_state(&ops);
    assert_eq!(state.current().paths_of(content(1)).len(), 2);
    assert_eq!(AssetView::new(asset(1), &state, None).sources(), [&alone, &around]);
    let left = state.leave_path(asset(1), &around);
    assert_eq!(left.len(), 2, "however it was recorded");
    ops.extend((3..).zip(left).map(|(number, body)| Op::new(id(number), at(2), body)));
    let state = asset_state(&ops);
    assert_eq!(AssetView::new(asset(1), &state, None).sources(), [&alone]);
    assert_eq!(state.return_to_path(asset(1), &within).len(), 2);
}

#[test]
fn words_about_a_merged_asset_show_on_the_one_it_was_merged_into() {
    let mut ops = added();
    let merged_target = || Target::from(asset(2));
    let typed = |number, field: Field, value: Value| {
        let body = OpBody::Set { target: merged_target(), field, value, supersedes: Default::default() };
        Op::new(id(number), at(5), body)
    };
    ops.push(Op::new(id(1), at(1), add(2)));
    ops.push(typed(2, Field::CAPTION.into(), "of the duplicate".into()));
    ops.push(typed(3, Field::TRASHED.into(), true.into()));
    let tag = OpBody::AddTo { target: merged_target(), set: SetName::TAGS, element: "sea".into() };
    ops.push(Op::new(id(4), at(5), tag));
    let states = fold(&ops);
    let state = |number| states[&EntityId::Asset(asset(number))].as_asset().unwrap();
    ops.push(Op::new(id(5), at(6), state(2).merge_into(asset(2), Some(asset(1)))));
    let after = fold(&ops);
    let merged = after[&EntityId::Asset(asset(2))].as_asset().unwrap();
    assert_eq!(AssetView::new(asset(2), merged, None).status, AssetStatus::MergedInto(asset(1)));
    let view = AssetView::with_merged(asset(1), state(1), None, [merged]);
    assert_eq!(view.status, AssetStatus::Live);
    assert_eq!(view.caption.unwrap().value, "of the duplicate");
    assert_eq!(view.tags, ["sea"]);

    ops.push(Op::new(id(6), at(0), merged.merge_into(asset(2), None)));
    let undone = fold(&ops);
    let undone = undone[&EntityId::Asset(asset(2))].as_asset().unwrap();
    assert_eq!(AssetView::new(asset(2), undone, None).status, AssetStatus::Trashed(at(5)));
}

#[test]
fn an_asset_of_which_only_words_are_known_is_unknown() {
    let state = asset_state(&[Op::new(id(1), at(1), set(Field::CAPTION, "too early", &[]))]);
    let view = AssetView::new(asset(1), &state, None);
    assert_eq!(view.status, AssetStatus::Unknown);
    assert_eq!(view.date, None);
    assert_eq!(view.added, None);
}

#[test]
fn an_album_is_what_people_typed_about_it() {
    let album = AlbumId([3; 16]);
    let write = |number, field: Field, value: Value| {
        let body = OpBody::Set { target: album.into(), field, value, supersedes: Default::default() };
        Op::new(id(number), at(u64::from(number)), body)
    };
    let ops = [
        write(1, Field::NAME.into(), "Summer".into()),
        write(2, Field::NAME.into(), "Sommer".into()),
        write(3, Field::PARENT.into(), AlbumId([4; 16]).into()),
        write(4, Field::COVER.into(), asset(1).into()),
        write(5, Field::DELETED.into(), true.into()),
    ];
    let states = fold(&ops);
    let view = AlbumView::new(states[&EntityId::Album(album)].as_record().unwrap());
    assert_eq!(view.name.as_deref(), Some("Sommer"));
    assert_eq!(view.conflicts[0].others[0].2, "Summer".into());
    assert_eq!(view.parent, Some(AlbumId([4; 16])));
    assert_eq!(view.cover, Some(asset(1)));
    assert!(view.deleted);
}

#[test]
fn a_sidecar_goes_before_the_file_and_the_file_before_pixels() {
    let rated = |probe: ProbeKind, rating, width| {
        let facts = Facts { rating, width, ..Facts::default() };
        Op::new(
            id(u32::from(probe.code())),
            at(1),
            OpBody::Derive { life: Life(0), content: content(1), probe, version: 1, facts },
        )
    };
    let ops = [
        rated(ProbeKind::Pixels, Some(1), Some(10)),
        rated(ProbeKind::Metadata, Some(2), Some(20)),
        rated(ProbeKind::Sidecar, Some(3), None),
    ];
    let facts = fold(&ops)[&EntityId::Content(content(1))].as_content().unwrap().facts();
    assert_eq!((facts.rating, facts.width), (Some(3), Some(20)));
}
