//! What queries find, over a small library with one of everything.

use crate::common::*;
use safelight_catalog::{ListOptions, MatchCount, Query, Shelf};
use safelight_model::{
    AlbumId, AssetId, DeviceId, Facts, Field, Life, MediaKind, MotionPhoto, OpBody, OpIds, Original,
    ProbeKind, SetName, Storage, Target, Value,
};

fn set(number: u32, field: impl Into<Field>, value: impl Into<Value>) -> OpBody {
    OpBody::Set { target: target(number), field: field.into(), value: value.into(), supersedes: OpIds::new() }
}

fn put(number: u32, set: SetName, element: impl Into<Value>) -> OpBody {
    OpBody::AddTo { target: target(number), set, element: element.into() }
}

fn name_album(album: AlbumId, name: &str) -> OpBody {
    OpBody::Set {
        target: Target::Album(album),
        field: Field::NAME.into(),
        value: name.into(),
        supersedes: OpIds::new(),
    }
}

fn seen(number: u32, relative: &str, world: &World) -> OpBody {
    let source = original(asset(number).0, &world.device, relative).source;
    OpBody::Seen {
        asset: asset(number),
        life: Default::default(),
        content: asset(number).0,
        source,
        modified_millis: 0,
    }
}

const SUMMER: AlbumId = AlbumId([1; 16]);

/// Ten files, newest last.
fn world() -> World {
    let mut world = World::new(1);
    let sized = |number: u32, size_bytes: u64, relative: &str| Original {
        size_bytes,
        ..original(asset(number).0, &world.device, relative)
    };
    let bodies = vec![
        add(&world.device, 1, "2022/IMG_0001.jpg"),
        derive(1, at(canon("2022-01-15"), 48.8566, 2.3522, "Paris")),
        add(&world.device, 2, "2022/IMG_0002.jpg"),
        derive(2, at(photo("2022-06-30"), 48.80, 2.12, "Versailles")),
        add_with(asset(3), sized(3, 50_000_000, "Été/clip.mp4")),
        derive(
            3,
            Facts {
                media: Some(MediaKind::Video),
                format: Some("mp4".into()),
                duration_millis: Some(9000),
                ..photo("2023-05-01")
            },
        ),
        add_with(asset(4), sized(4, 25_000_000, "raw/DSC_1234.NEF")),
        derive(4, Facts { media: Some(MediaKind::Raw), format: Some("nef".into()), ..photo("2023-05-31") }),
        add(&world.device, 5, "raw/DSC_1234.JPG"),
        derive(5, photo("2023-05-31")),
        add(&world.device, 6, "holidays/beach.jpg"),
        derive(
            6,
            keywords(at(canon("2023-07-14"), -33.86, 151.21, "Sydney"), &["Travel/Australia", "golden hour"]),
        ),
        add(&world.device, 7, "scan.png"),
        add(&world.device, 8, "broken.heic"),
        derive(
            8,
            Facts { reason: Some("cut off".into()), format: Some("heif".into()), ..photo("2023-08-01") },
        ),
        add(&world.device, 9, "live/IMG_7.HEIC"),
        derive(
            9,
            Facts {
                live_id: Some("A-B".into()),
                format: Some("heif".into()),
                motion: Some(MotionPhoto { offset_bytes: 1, length_bytes: 2 }),
                ..photo("2023-09-01")
            },
        ),
        add(&world.device, 10, "live/IMG_7.MOV"),
        derive(
            10,
            Facts {
                live_id: Some("A-B".into()),
                media: Some(MediaKind::Video),
                format: Some("mov".into()),
                ..photo("2023-09-01")
            },
        ),
        set(6, Field::CAPTION, "Sunset over Bondi, Café Zoë"),
        set(6, Field::RATING, 5),
        set(5, Field::RATING, 3),
        set(6, Field::FAVOURITE, true),
        put(6, SetName::TAGS, "Friends"),
        put(1, SetName::TAGS, "friends"),
        put(6, SetName::ALBUMS, SUMMER),
        name_album(SUMMER, "Summer 2023"),
    ];
    world.append(bodies);
    world
}

#[test]
fn every_filter_finds_what_it_says() {
    let world = world();
    let table: &[(&str, &[&str])] = &[
        (
            "",
            &[
                "IMG_7.MOV",
                "IMG_7.HEIC",
                "broken.heic",
                "beach.jpg",
                "DSC_1234.NEF",
                "DSC_1234.JPG",
                "clip.mp4",
                "IMG_0002.jpg",
                "IMG_0001.jpg",
                "scan.png",
            ],
        ),
        ("sunset", &["beach.jpg"]),
        ("SUNSET bondi", &["beach.jpg"]),
        ("\"sunset over\"", &["beach.jpg"]),
        ("\"over sunset\"", &[]),
        ("cafe zoe", &["beach.jpg"]),
        ("sunset -bondi", &[]),
        ("paris", &["IMG_0001.jpg"]),
        ("IMG_0002", &["IMG_0002.jpg"]),
        ("holidays", &["beach.jpg"]),
        ("ete", &["clip.mp4"]),
        ("path:ete", &["clip.mp4"]),
        ("name:ete", &[]),
        ("camera:canon", &["beach.jpg", "IMG_0001.jpg"]),
        ("camera:\"eos r6\" -paris", &["beach.jpg"]),
        ("lens:24-105mm", &["beach.jpg", "IMG_0001.jpg"]),
        ("caption:paris", &[]),
        ("place:paris", &["IMG_0001.jpg"]),
        ("tag:friends", &["beach.jpg", "IMG_0001.jpg"]),
        ("tag:FRIENDS -tag:travel", &["IMG_0001.jpg"]),
        ("tag:travel", &["beach.jpg"]),
        ("tag:travel/australia", &["beach.jpg"]),
        ("tag:australia", &[]),
        ("tag:fri*", &["beach.jpg", "IMG_0001.jpg"]),
        ("tag:\"golden hour\"", &["beach.jpg"]),
        ("tag:nosuch", &[]),
        ("-tag:nosuch type:video -is:live", &["clip.mp4"]),
        ("album:\"summer 2023\"", &["beach.jpg"]),
        ("album:sum*", &["beach.jpg"]),
        ("album:summer", &[]),
        ("date:2022", &["IMG_0002.jpg", "IMG_0001.jpg"]),
        ("date:2023-05..2023-07", &["beach.jpg", "DSC_1234.NEF", "DSC_1234.JPG", "clip.mp4"]),
        ("date:2023-05-31", &["DSC_1234.NEF", "DSC_1234.JPG"]),
        ("date:..2021", &["scan.png"]),
        ("date:2022 -date:2022-01", &["IMG_0002.jpg"]),
        ("-date:2022.. ", &["scan.png"]),
        ("type:video", &["IMG_7.MOV", "clip.mp4"]),
        ("type:raw", &["DSC_1234.NEF"]),
        ("type:photo date:2023-05", &["DSC_1234.NEF", "DSC_1234.JPG"]),
        ("format:jpg date:2023", &["beach.jpg", "DSC_1234.JPG"]),
        ("format:heic", &["IMG_7.HEIC", "broken.heic"]),
        ("size:>20MB", &["DSC_1234.NEF", "clip.mp4"]),
        ("size:25MB", &["DSC_1234.NEF"]),
        ("size:>=50MB", &["clip.mp4"]),
        ("size:>50MB", &[]),
        ("size:<1MB", &[]),
        ("-size:<20MB", &["DSC_1234.NEF", "clip.mp4"]),
        ("rating:>=4", &["beach.jpg"]),
        ("rating:3..5", &["beach.jpg", "DSC_1234.JPG"]),
        ("near:48.85,2.35,5km", &["IMG_0001.jpg"]),
        ("near:48.85,2.35,30km", &["IMG_0002.jpg", "IMG_0001.jpg"]),
        ("near:48.85,2.35,19000km", &["beach.jpg", "IMG_0002.jpg", "IMG_0001.jpg"]),
        ("has:gps -near:48.85,2.35,5km", &["beach.jpg", "IMG_0002.jpg"]),
        ("near:0,0,10km", &[]),
        ("near:48.85,2.35,5km canon date:2022", &["IMG_0001.jpg"]),
        ("near:48.85,2.35,30km -canon", &["IMG_0002.jpg"]),
        ("near:48.85,2.35,30km size:>20MB", &[]),
        ("size:>20MB type:raw", &["DSC_1234.NEF"]),
        ("size:>20MB -type:raw near:0,0,1km", &[]),
        ("is:favourite", &["beach.jpg"]),
        ("is:undecodable", &["broken.heic"]),
        ("is:live", &["IMG_7.MOV", "IMG_7.HEIC"]),
        ("is:motion", &["IMG_7.HEIC"]),
        ("is:raw", &["DSC_1234.NEF"]),
        ("is:undated", &["scan.png"]),
        ("is:linked", &[]),
        ("is:duplicate", &[]),
        ("is:edited", &[]),
        ("is:conflicted", &[]),
        ("has:gps", &["beach.jpg", "IMG_0002.jpg", "IMG_0001.jpg"]),
        ("has:place", &["beach.jpg", "IMG_0002.jpg", "IMG_0001.jpg"]),
        ("has:gps -has:place", &[]),
        ("has:tag", &["beach.jpg", "IMG_0001.jpg"]),
        ("has:album", &["beach.jpg"]),
        ("has:caption", &["beach.jpg"]),
        ("has:rating", &["beach.jpg", "DSC_1234.JPG"]),
        ("-has:gps -type:video date:2022..", &["IMG_7.HEIC", "broken.heic", "DSC_1234.NEF", "DSC_1234.JPG"]),
        ("beac*", &["beach.jpg"]),
        ("be*", &["beach.jpg"]),
        ("sunsets*", &[]),
        ("camera:cano*", &["beach.jpg", "IMG_0001.jpg"]),
        ("\"over bon\"*", &[]),
        ("facets", &[]),
        ("\"AND\" \"OR\"", &[]),
    ];
    for (query, expected) in table {
        let mut found = world.names(query);
        // RAW and JPEG of one shutter have one moment: their order is that of their ids.
        let mut wanted: Vec<_> = expected.iter().map(|name| (*name).to_owned()).collect();
        if found.len() == wanted.len() {
            for names in [&mut found, &mut wanted] {
                for pair in [["DSC_1234.JPG", "DSC_1234.NEF"], ["IMG_7.HEIC", "IMG_7.MOV"]] {
                    if let Some(at) = names.iter().position(|name| *name == pair[1])
                        && names.get(at + 1).is_some_and(|name| *name == pair[0])
                    {
                        names.swap(at, at + 1);
                    }
                }
            }
        }
        assert_eq!(found, wanted, "{query}");
        let count = world.catalog.count(&Query::parse(query).unwrap(), &ListOptions::default(), 100).unwrap();
        assert_eq!(count, MatchCount::Exactly(expected.len() as u64), "count of {query}");
    }
}

#[test]
fn nothing_typed_breaks_the_search() {
    let world = world();
    for text in [
        "'",
        "\"\"\"\"",
        "a\"b",
        "a OR b",
        "NOT",
        "NEAR(a b)",
        "a^b",
        "name:\"x\" : y",
        "{name} : x",
        "*",
        "a**",
        "\u{0}a",
        "\u{E000}",
        "\u{F0001}x",
        "a\u{E000}b",
        "%",
        "_",
        "; DROP TABLE ops; --x",
        "東京",
        "👩‍👩‍👧a",
        "ﬁ",
        "İ",
        "tag:\"\u{E000}\"",
        "tag:%",
        "album:_*",
        "x' OR '1'='1",
        "near:90,180,1m",
        "near:-90,-180,20000km",
        "date:0001",
        "date:9999",
        "size:>18446744073709551615",
        "-a -b -c",
        "a* -b*",
    ] {
        if let Ok(query) = Query::parse(text) {
            world
                .catalog
                .list(&query, &ListOptions::default())
                .unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }
}

#[test]
fn east_asian_text_is_found_without_spaces() {
    let mut world = World::new(2);
    let bodies = vec![
        add(&world.device, 1, "a.jpg"),
        set(1, Field::CAPTION, "東京タワーの夜景"),
        add(&world.device, 2, "b.jpg"),
        set(2, Field::CAPTION, "京都の夜"),
    ];
    world.append(bodies);
    assert_eq!(world.names("東京"), ["a.jpg"]);
    assert_eq!(world.names("京"), world.names(""));
    assert_eq!(world.names("夜景"), ["a.jpg"]);
    assert_eq!(world.names("caption:京都"), ["b.jpg"]);
}

#[test]
fn pages_follow_each_other_without_gap_or_repetition() {
    let mut world = World::new(3);
    let mut bodies = Vec::new();
    // More than are looked up one by one, so the lists of sizes and of the map are walked here.
    for number in 0..2_100 {
        bodies.push(add(&world.device, number, &format!("IMG_{number:04}.jpg")));
        // Many moments are shared by several assets.
        let facts = photo(&format!("2020-{:02}-{:02}", number % 12 + 1, number % 5 + 1));
        bodies.push(derive(number, at(facts, 52.5, 13.4, "Berlin")));
    }
    world.append(bodies);
    for text in [
        "",
        "img",
        "-nosuch",
        "size:>1MB",
        "format:jpeg -rating:5",
        "near:52.6,13.4,20km",
        "near:50,10,900km img",
    ] {
        let query = Query::parse(text).unwrap();
        let mut options = ListOptions { limit: 137, ..ListOptions::default() };
        let mut met = Vec::new();
        loop {
            let page = world.catalog.list(&query, &options).unwrap();
            met.extend(page.rows.iter().map(|row| (row.local_millis, row.asset)));
            let Some(next) = page.next else { break };
            assert_eq!(page.rows.len(), 137);
            options.after = Some(next.to_string().parse().unwrap());
        }
        assert_eq!(met.len(), 2_100, "{text}");
        assert!(met.is_sorted_by(|one, next| one.0 >= next.0), "{text}");
        let distinct: std::collections::BTreeSet<_> = met.iter().map(|(_, asset)| *asset).collect();
        assert_eq!(distinct.len(), 2_100, "{text}");
    }
    let images = Query::parse("img").unwrap();
    assert_eq!(world.catalog.count(&images, &ListOptions::default(), 100).unwrap(), MatchCount::AtLeast(100));
}

/// Three thousand assets of different sizes, every other one somewhere along a line from Berlin to the south.
fn along_a_line() -> World {
    let mut world = World::new(3);
    let mut bodies = Vec::new();
    for number in 0..3_000 {
        let named = original(asset(number).0, &world.device, &format!("IMG_{number:04}.jpg"));
        let size_bytes = 100_000 + u64::from(number) * 1_000;
        bodies.push(add_with(asset(number), Original { size_bytes, ..named }));
        let facts = photo(&format!("2020-{:02}-{:02}", number % 12 + 1, number % 28 + 1));
        let facts = Facts { width: Some(400 + number), height: Some(300), ..facts };
        bodies.push(derive(
            number,
            if number % 2 == 0 { at(facts, 52.5 - f64::from(number) / 300.0, 13.4, "Berlin") } else { facts },
        ));
    }
    world.append(bodies);
    world.append(vec![set(8, Field::HIDDEN, true), set(10, Field::TRASHED, true)]);
    world
}

#[test]
fn whatever_way_a_walk_takes_it_meets_what_a_list_lists() {
    let world = along_a_line();
    for text in [
        "near:52.5,13.4,100km",
        "near:52.5,13.4,900km",
        "near:52.5,13.4,20000km -near:50,13.4,50km",
        "-near:52.5,13.4,300km",
        "img size:>200kB",
        "size:300kB..2900kB",
        "-size:300kB..2900kB img",
        "-size:>2900kB",
        "near:52.5,13.4,20000km size:>500kB date:2020-02..2020-09 -date:2020-05",
        "near:52.5,13.4,20000km img -name:img_0004 size:>100kB",
        "date:2020-03 img",
        "img*",
        "is:hidden near:52.5,13.4,20000km",
        "is:trashed size:>1B",
        "size:>1GB",
    ] {
        let query = Query::parse(text).unwrap();
        let options = ListOptions { limit: 10_000, ..ListOptions::default() };
        let listed: Vec<_> = world
            .catalog
            .list(&query, &options)
            .unwrap()
            .rows
            .iter()
            .map(|row| (row.cursor, row.width))
            .collect();
        let mut met = Vec::new();
        world.catalog.walk(&query, &options, |place| met.push((place.cursor, place.width))).unwrap();
        assert_eq!(met, listed, "{text}");
        // From the middle on as well.
        let after = listed.get(listed.len() / 2).map(|(cursor, _)| *cursor);
        let mut rest = 0;
        world.catalog.walk(&query, &ListOptions { after, ..options }, |_| rest += 1).unwrap();
        assert_eq!(rest, listed.len().saturating_sub(listed.len() / 2 + 1), "{text}");
    }
}

#[test]
fn hidden_and_trashed_assets_show_only_when_asked_for() {
    let mut world = world();
    world.append(vec![
        set(1, Field::HIDDEN, true),
        set(2, Field::TRASHED, true),
        set(3, Field::TRASHED, true),
    ]);
    assert_eq!(world.names("date:..2023-05-01"), ["scan.png"]);
    assert_eq!(world.names("is:hidden"), ["IMG_0001.jpg"]);
    assert_eq!(world.names("is:trashed"), ["clip.mp4", "IMG_0002.jpg"]);
    assert_eq!(world.names("is:trashed type:video"), ["clip.mp4"]);
    assert_eq!(world.names("-is:hidden -is:trashed paris"), Vec::<String>::new());
    let all = ListOptions { shelves: Some(Shelf::ALL.to_vec()), limit: 4, ..ListOptions::default() };
    let mut met = 0;
    let mut options = all.clone();
    loop {
        let page = world.catalog.list(&Query::default(), &options).unwrap();
        met += page.rows.len();
        let Some(next) = page.next else { break };
        options.after = Some(next);
    }
    assert_eq!(met, 10);
    let totals = Shelf::ALL.map(|shelf| world.catalog.totals(shelf).unwrap());
    assert_eq!(totals.map(|total| total.assets()), [7, 1, 2]);
    assert_eq!((totals[2].videos, totals[2].bytes), (1, 53_000_000));

    world.append(vec![set(2, Field::TRASHED, false)]);
    assert_eq!(world.names("date:..2022"), ["IMG_0002.jpg", "scan.png"]);
}

#[test]
fn stacks_show_their_photo_and_the_timeline_only_that() {
    let mut world = world();
    let covers = ListOptions { covers_only: true, ..ListOptions::default() };
    let names = |world: &World| -> Vec<String> {
        let page = world.catalog.list(&Query::parse("date:2023-05-31..").unwrap(), &covers).unwrap();
        page.rows.iter().map(|row| String::from_utf8_lossy(row.file_name()).into_owned()).collect()
    };
    assert_eq!(names(&world), ["IMG_7.HEIC", "broken.heic", "beach.jpg", "DSC_1234.JPG"]);
    let raw = world.catalog.asset(asset(4)).unwrap().unwrap();
    assert!(raw.is_stacked);
    assert_eq!(world.catalog.stack_of(asset(5)).unwrap().unwrap(), (asset(5), vec![asset(4)]));
    assert_eq!(world.catalog.stack_of(asset(4)).unwrap().unwrap(), (asset(5), vec![asset(4)]));
    assert_eq!(world.catalog.stack_of(asset(6)).unwrap(), None);

    // Without its photo, the RAW stands for itself; a person can take it out, or put anything under anything.
    world.append(vec![set(5, Field::TRASHED, true)]);
    assert_eq!(names(&world), ["IMG_7.HEIC", "broken.heic", "beach.jpg", "DSC_1234.NEF"]);
    world.append(vec![set(10, Field::STACK, false), set(8, Field::STACK, asset(6))]);
    let mut found = names(&world);
    found[..2].sort();
    assert_eq!(found, ["IMG_7.HEIC", "IMG_7.MOV", "beach.jpg", "DSC_1234.NEF"]);
}

#[test]
fn duplicates_are_copies_at_several_paths_and_what_looks_alike() {
    let mut world = world();
    let elsewhere = seen(1, "copies/IMG_0001 (1).jpg", &world);
    let again = seen(2, "2022/IMG_0002.jpg", &world);
    world.append(vec![elsewhere, again]);
    assert_eq!(world.names("is:duplicate"), ["IMG_0001.jpg"]);
    assert_eq!(world.names("copies"), ["IMG_0001.jpg"]);
    // The same card in another device's reader is no copy that anybody would want to remove.
    let mut on_another = seen(3, "2022/IMG_0003.jpg", &world);
    let OpBody::Seen { source, .. } = &mut on_another else { unreachable!() };
    source.device = DeviceId::from_bytes([9; 16]);
    world.append(vec![on_another]);
    assert_eq!(world.names("is:duplicate"), ["IMG_0001.jpg"]);
    world.catalog.set_alike(&[vec![asset(6), asset(2)], vec![asset(3)]]).unwrap();
    assert_eq!(world.names("is:duplicate"), ["beach.jpg", "IMG_0002.jpg", "IMG_0001.jpg"]);
    assert_eq!(world.catalog.alike().unwrap().len(), 1);
    world.catalog.set_alike(&[]).unwrap();
    assert_eq!(world.names("is:duplicate"), ["IMG_0001.jpg"]);
}

#[test]
fn what_can_be_compared_is_met_with_its_findings_and_its_stack() {
    let mut world = world();
    let hashed = Facts { phash64: Some([1; 8]), pdq256: Some([2; 32]), ..Facts::default() };
    world.append(vec![OpBody::Derive {
        life: Life(0),
        content: asset(1).0,
        probe: ProbeKind::Pixels,
        version: 1,
        facts: hashed,
    }]);
    let mut met = Vec::new();
    world.catalog.each_comparable(Shelf::Shown, |one| met.push(one)).unwrap();
    let shown = world.catalog.list(&Query::default(), &Default::default()).unwrap();
    assert_eq!(met.len(), shown.rows.len());
    let one = met.iter().find(|met| met.row.asset == asset(1)).unwrap();
    let facts = one.facts().unwrap();
    assert_eq!((facts.phash64, facts.pdq256), (Some([1; 8]), Some([2; 32])));
    assert_eq!(facts.media, Some(MediaKind::Photo));
    for met_twice in met.iter().filter(|met| met.row.is_stacked) {
        assert!(met.iter().any(|cover| !cover.row.is_stacked && cover.stack == met_twice.stack));
    }
    let lone: std::collections::BTreeSet<i64> = met.iter().map(|met| met.stack).collect();
    assert_eq!(lone.len(), met.iter().filter(|met| !met.row.is_stacked).count());
}

#[test]
fn renamed_and_removed_albums_are_found_by_their_new_names_only() {
    let mut world = world();
    world.append(vec![name_album(SUMMER, "Winter")]);
    let record = world.catalog.record(&safelight_model::EntityId::Album(SUMMER)).unwrap().unwrap();
    let rename = record.write_field(Target::Album(SUMMER), Field::NAME, "Australia");
    world.append(vec![rename]);
    assert_eq!(world.names("album:australia"), ["beach.jpg"]);
    assert_eq!(world.names("album:winter album:summer*"), Vec::<String>::new());
    let albums = world.catalog.named_albums().unwrap();
    assert_eq!((albums[0].name.as_str(), albums[0].assets, albums[0].album), ("Australia", 1, Some(SUMMER)));
    let remove = record.write_field(Target::Album(SUMMER), Field::DELETED, true);
    world.append(vec![remove]);
    assert_eq!(world.names("album:australia"), Vec::<String>::new());
    assert_eq!(world.catalog.named_albums().unwrap(), []);
}

#[test]
fn tags_are_listed_with_their_counts() {
    let world = world();
    let tags: Vec<_> = world.catalog.tags().unwrap().into_iter().map(|tag| (tag.name, tag.assets)).collect();
    let expected = [("friends", 2), ("golden hour", 1), ("travel", 1), ("travel/australia", 1)];
    assert_eq!(tags, expected.map(|(name, assets)| (name.to_owned(), assets)));
}

#[test]
fn counts_of_tags_and_albums_are_those_of_now() {
    let mut world = world();
    let count = |world: &World| {
        let tags = world.catalog.tags_called(|name| name.starts_with("fri"), 20).unwrap();
        (tags.first().map(|tag| tag.assets), world.catalog.count_album(SUMMER).unwrap())
    };
    assert_eq!(count(&world), (Some(2), 1));
    assert_eq!(count(&world), (Some(2), 1), "asked again");
    world.append(vec![put(2, SetName::TAGS, "friends"), put(2, SetName::ALBUMS, SUMMER)]);
    assert_eq!(count(&world), (Some(3), 2));
    world.append(vec![
        set(2, Field::HIDDEN, true),
        set(1, Field::TRASHED, true),
        set(6, Field::HIDDEN, true),
    ]);
    assert_eq!(count(&world), (None, 0));
    assert_eq!(world.catalog.tags_called(|_| true, 1).unwrap(), []);
    assert_eq!(world.catalog.count_album(AlbumId([9; 16])).unwrap(), 0);
}

#[test]
fn what_a_person_corrects_counts_more_than_what_the_file_says() {
    use safelight_model::{DatePrecision, Position, TypedDate, TypedPlace};
    let mut world = world();
    let date = TypedDate {
        local_seconds: taken("1999-12-31").local_millis / 1000,
        offset_minutes: None,
        precision: DatePrecision::Day,
    };
    let place = TypedPlace {
        position: Position::from_degrees(35.68, 139.76, None).unwrap(),
        name: Some("Grandmother's garden".into()),
    };
    world.append(vec![set(1, Field::DATE, Value::Date(date)), set(1, Field::PLACE, Value::Place(place))]);
    assert_eq!(world.names("date:1999"), ["IMG_0001.jpg"]);
    assert_eq!(world.names("date:2022-01"), Vec::<String>::new());
    assert_eq!(world.names("garden near:35.7,139.8,10km"), ["IMG_0001.jpg"]);
    assert_eq!(world.names("near:48.85,2.35,5km"), Vec::<String>::new());
    let months = world.catalog.months(Shelf::Shown).unwrap();
    let last = months.last().unwrap();
    assert_eq!((last.year, last.month, last.assets), (1999, 12, 1));
    assert_eq!(months.iter().map(|month| month.assets).sum::<u64>(), 10);
}

#[test]
fn the_map_shows_what_lies_in_the_box() {
    let mut world = world();
    let france = world.catalog.on_map(450_000_000, 500_000_000, 0, 50_000_000, 100).unwrap();
    assert_eq!(france.len(), 2);
    let row = world.catalog.row_at(france[0].cursor).unwrap().unwrap();
    assert_eq!(row.position_e7, Some((france[0].latitude_e7, france[0].longitude_e7)));
    let pacific =
        world.catalog.on_map(-900_000_000, 900_000_000, 1_500_000_000, -1_500_000_000, 100).unwrap();
    assert_eq!(pacific.len(), 1);
    world.append(vec![set(6, Field::HIDDEN, true)]);
    let pacific =
        world.catalog.on_map(-900_000_000, 900_000_000, 1_500_000_000, -1_500_000_000, 100).unwrap();
    assert_eq!(pacific, []);
}

#[test]
fn a_jump_in_time_lands_at_the_first_asset_that_is_not_newer() {
    let world = world();
    let at = |date: &str| {
        let seconds = taken(date).local_millis / 1000;
        let after = world.catalog.cursor_at(Shelf::Shown, seconds);
        let options = ListOptions { after: Some(after), limit: 1, ..ListOptions::default() };
        let page = world.catalog.list(&Query::default(), &options).unwrap();
        page.rows.first().map(|row| String::from_utf8_lossy(row.file_name()).into_owned())
    };
    assert_eq!(at("2023-07-14").as_deref(), Some("beach.jpg"));
    assert_eq!(at("2023-07-31").as_deref(), Some("beach.jpg"));
    assert_eq!(at("2023-05-30").as_deref(), Some("clip.mp4"));
    assert_eq!(at("1970-01-01"), None);
}

#[test]
fn storage_and_versions_show_in_the_row() {
    let mut world = world();
    let linked = Original { storage: Storage::Linked, ..original(asset(20).0, &world.device, "linked.jpg") };
    world.append(vec![add_with(asset(20), linked)]);
    assert_eq!(world.names("is:linked"), ["linked.jpg"]);
    assert_eq!(world.catalog.totals(Shelf::Shown).unwrap().linked, 1);

    let edited = original(asset(99).0, &world.device, "2022/IMG_0001 edited.jpg");
    let state = world.catalog.asset_state(asset(1)).unwrap().unwrap();
    world.append(vec![state.add_version(asset(1), edited), derive(99, photo("2022-01-15"))]);
    let row = world.catalog.asset(asset(1)).unwrap().unwrap();
    assert_eq!((row.content, row.is_edited()), (asset(99).0, true));
    assert_eq!(row.relative_path(), b"2022/IMG_0001 edited.jpg");
    assert_eq!(world.names("is:edited"), ["IMG_0001 edited.jpg"]);
    assert_eq!(world.names("tag:friends is:edited"), ["IMG_0001 edited.jpg"]);
    for content in [asset(1).0, asset(99).0] {
        assert_eq!(world.catalog.find_content(content).unwrap(), Some(asset(1)));
    }
    assert_eq!(world.catalog.asset(AssetId(asset(99).0)).unwrap(), None);
}

#[test]
fn a_walk_meets_what_a_list_lists_and_its_shape_as_it_is_shown() {
    let mut world = world();
    let shaped = |width, height, orientation| Facts {
        width: Some(width),
        height: Some(height),
        orientation: Some(orientation),
        ..photo("2021-01-01")
    };
    world.append(vec![
        add(&world.device, 61, "shapes/a.jpg"),
        derive(61, shaped(400, 300, 1)),
        add(&world.device, 62, "shapes/b.jpg"),
        derive(62, shaped(400, 300, 6)),
        add(&world.device, 63, "shapes/c.jpg"),
        derive(63, shaped(400, 300, 6)),
        set(63, Field::ROTATE, 1_i64),
    ]);
    for text in ["", "shapes", "date:2021..", "size:>1B", "is:hidden", "is:trashed", "nothing-is-called-so"] {
        let query = Query::parse(text).unwrap();
        for covers_only in [false, true] {
            let options = ListOptions { covers_only, limit: 1000, ..ListOptions::default() };
            let listed = world.catalog.list(&query, &options).unwrap().rows;
            let mut places = Vec::new();
            world.catalog.walk(&query, &options, |place| places.push(place)).unwrap();
            let cursors: Vec<_> = places.iter().map(|place| place.cursor).collect();
            assert_eq!(cursors, listed.iter().map(|row| row.cursor).collect::<Vec<_>>(), "{text}");
            let rows = world.catalog.rows_at(&cursors).unwrap();
            assert_eq!(rows.into_iter().flatten().collect::<Vec<_>>(), listed, "{text}");
            for (place, row) in places.iter().zip(&listed) {
                assert_eq!(place.cursor.local_seconds(), row.local_millis.div_euclid(1000));
            }
        }
    }
    let shape = |number| {
        let wanted = world.catalog.cursor_of(asset(number)).unwrap().unwrap();
        let mut shape = None;
        let meet = |place: safelight_catalog::Place| {
            if place.cursor == wanted {
                shape = place.width.zip(place.height);
            }
        };
        world.catalog.walk(&Query::default(), &ListOptions::default(), meet).unwrap();
        shape
    };
    assert_eq!([61, 62, 63].map(shape), [Some((400, 300)), Some((300, 400)), Some((400, 300))]);
}

#[test]
fn a_position_without_a_name_is_found_by_what_it_lacks() {
    let mut world = World::new(51);
    let nameless = Facts { place: None, ..at(photo("2020-01-01"), 10.0, 20.0, "Somewhere") };
    world.append(vec![
        add(&world.device, 1, "named.jpg"),
        derive(1, at(photo("2020-01-02"), 10.0, 20.0, "Somewhere")),
        add(&world.device, 2, "nameless.jpg"),
        derive(2, nameless),
        add(&world.device, 3, "nowhere.jpg"),
        derive(3, photo("2020-01-03")),
    ]);
    assert_eq!(world.names("has:place"), ["named.jpg"]);
    assert_eq!(world.names("has:gps -has:place"), ["nameless.jpg"]);
    assert_eq!(world.names("-has:place"), ["nowhere.jpg", "nameless.jpg"]);
}
