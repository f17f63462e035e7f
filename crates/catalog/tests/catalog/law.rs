//! The law of the search: however a query is answered, its pages are those that looking at every asset gives.

use std::collections::HashMap;

use crate::common::*;
use safelight_catalog::{AssetRow, ListOptions, MatchCount, Query, Shelf};
use safelight_model::{
    AlbumId, AssetId, Facts, Field, MediaKind, OpBody, OpIds, Original, SetName, Target, Value,
};

const ASSETS: u32 = 4_000;
const QUERIES: u32 = 500;
const ALBUMS: u64 = 12;
/// Words of captions, so many that a prefix of them is none of a few.
const WORDS: u64 = 700;
const TAGS: u64 = 260;
const METRES_PER_DEGREE: f64 = 111_195.0;

/// Random numbers that are the same in every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % end
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * (self.below(1 << 30) as f64 / f64::from(1 << 30))
    }
}

/// An asset as this test knows it.
#[derive(Default)]
struct Photo {
    /// Lower-case words by where they stand.
    words: HashMap<&'static str, Vec<String>>,
    tags: Vec<String>,
    album: Option<u64>,
    month: u64,
    position: Option<(f64, f64)>,
    size_bytes: u64,
    rating: i64,
    is_favourite: bool,
    is_video: bool,
    is_raw: bool,
}

fn words_of(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect()
}

fn album(number: u64) -> AlbumId {
    AlbumId(u128::from(number + 1).to_be_bytes())
}

fn album_name(number: u64) -> String {
    // Two albums of each name.
    format!("Summer {}", number / 2)
}

fn date(month: u64, day: u64) -> String {
    format!("{}-{:02}-{:02}", 2020 + month / 12, month % 12 + 1, day + 1)
}

/// A library in which newer photos are mostly from one town, older ones from all over the country.
fn library(seed: u64) -> (World, Vec<Photo>) {
    let mut world = World::new(seed);
    let mut dice = Dice(seed + 0x5afe);
    let mut bodies: Vec<OpBody> = (0..ALBUMS)
        .map(|number| OpBody::Set {
            target: Target::Album(album(number)),
            field: Field::NAME.into(),
            value: Value::Text(album_name(number)),
            supersedes: OpIds::new(),
        })
        .collect();
    let photos = (0..ASSETS).map(|number| push(&mut bodies, &world, number, &mut dice)).collect();
    world.append(bodies);
    (world, photos)
}

fn push(bodies: &mut Vec<OpBody>, world: &World, number: u32, dice: &mut Dice) -> Photo {
    let mut photo = Photo { month: dice.below(48), ..Photo::default() };
    photo.is_video = dice.chance(8);
    // A RAW file has the name of the photo before it, and lies under it in a stack.
    photo.is_raw = !photo.is_video && number % 9 == 1;
    let stem = number - u32::from(photo.is_raw);
    let extension = ["jpg", "mp4", "nef"][usize::from(photo.is_video) + 2 * usize::from(photo.is_raw)];
    let folder = format!("trip {}", stem % 40);
    let name = format!("{}_{:05}.{extension}", if stem.is_multiple_of(3) { "IMG" } else { "DSC" }, stem);
    photo.words.insert("name", words_of(&name));
    photo.words.insert("folder", words_of(&folder));
    let largest = if dice.chance(90) { 4_000_000 } else { 400_000_000 };
    photo.size_bytes = 1_000_000 + dice.below(largest);
    let original = Original {
        size_bytes: photo.size_bytes,
        ..original(asset(number).0, &world.device, &format!("{folder}/{name}"))
    };
    bodies.push(add_with(asset(number), original));
    let media = if photo.is_video {
        MediaKind::Video
    } else if photo.is_raw {
        MediaKind::Raw
    } else {
        MediaKind::Photo
    };
    let day = date(photo.month, dice.below(28));
    let facts = if dice.chance(30) { canon(&day) } else { crate::common::photo(&day) };
    photo.words.insert(
        "camera",
        facts.camera_model.iter().flat_map(|model| words_of(&format!("canon {model}"))).collect(),
    );
    photo.words.insert("lens", facts.lens.iter().flat_map(|lens| words_of(lens)).collect());
    let mut facts = Facts { media: Some(media), ..facts };
    if dice.chance(70) {
        let in_town = photo.month > 30 || dice.chance(30);
        let (latitude, longitude, city) = if in_town {
            (52.52, 13.4, "Berlin")
        } else {
            (dice.between(48.0, 54.0), dice.between(7.0, 14.0), "Village")
        };
        let position = (latitude + dice.between(-0.05, 0.05), longitude + dice.between(-0.05, 0.05));
        facts = at(facts, position.0, position.1, city);
        photo.position = Some(position);
        photo.words.insert("place", words_of(city));
    }
    bodies.push(derive(number, facts));
    type_about(bodies, number, dice, &mut photo);
    photo
}

/// What a person typed about an asset.
fn type_about(bodies: &mut Vec<OpBody>, number: u32, dice: &mut Dice, photo: &mut Photo) {
    let mut set = |field: safelight_model::FieldCode, value: Value| {
        let (target, field) = (target(number), field.into());
        bodies.push(OpBody::Set { target, field, value, supersedes: OpIds::new() });
    };
    if dice.chance(40) {
        let caption = format!("A day at the sea word{} word{}", dice.below(WORDS), dice.below(WORDS));
        photo.words.insert("caption", words_of(&caption));
        set(Field::CAPTION, Value::Text(caption));
    }
    if dice.chance(20) {
        photo.rating = 1 + i64::try_from(dice.below(5)).unwrap();
        set(Field::RATING, Value::Int(photo.rating));
    }
    if dice.chance(5) {
        photo.is_favourite = true;
        set(Field::FAVOURITE, Value::Bool(true));
    }
    if dice.chance(3) {
        set(Field::HIDDEN, Value::Bool(true));
    }
    if dice.chance(3) {
        set(Field::TRASHED, Value::Bool(true));
    }
    let mut put = |set, element| bodies.push(OpBody::AddTo { target: target(number), set, element });
    if dice.chance(40) {
        let tag = format!("tag{}", dice.below(TAGS));
        photo.words.insert("tag", vec![tag.clone()]);
        put(SetName::TAGS, Value::Text(tag.clone()));
        photo.tags.push(tag);
    }
    if dice.chance(20) {
        let number = dice.below(ALBUMS);
        photo.album = Some(number);
        put(SetName::ALBUMS, Value::Album(album(number)));
    }
}

type Holds = Box<dyn Fn(&Photo) -> bool>;

/// A condition as it is typed, and what it means.
fn condition(dice: &mut Dice) -> (String, Holds) {
    match dice.below(14) {
        0..=2 => words(dice),
        3 => {
            let tag = format!("tag{}", dice.below(TAGS));
            if dice.chance(50) {
                return (format!("tag:{tag}"), Box::new(move |photo| photo.tags.contains(&tag)));
            }
            // At times all tags.
            let stem = tag[..3 + usize::try_from(dice.below(2)).unwrap()].to_owned();
            let typed = format!("tag:{stem}*");
            (typed, Box::new(move |photo| photo.tags.iter().any(|tag| tag.starts_with(&stem))))
        }
        4 => {
            let name = album_name(dice.below(ALBUMS));
            (
                format!("album:\"{name}\""),
                Box::new(move |photo| photo.album.map(album_name).as_ref() == Some(&name)),
            )
        }
        5 | 6 => near(dice),
        7 | 8 => {
            let from = 1_000_000 + dice.below(5_000_000);
            let width = [500, 20_000, 1_000_000, 500_000_000][usize::try_from(dice.below(4)).unwrap()];
            let to = from + width;
            (format!("size:{from}..{to}"), Box::new(move |photo| (from..=to).contains(&photo.size_bytes)))
        }
        9 => {
            let (from, to) = (dice.below(48), dice.below(48));
            let (from, to) = (from.min(to), from.max(to));
            let month = |month| date(month, 0)[..7].to_owned();
            (
                format!("date:{}..{}", month(from), month(to)),
                Box::new(move |photo| (from..=to).contains(&photo.month)),
            )
        }
        10 => {
            let least = i64::try_from(dice.below(6)).unwrap();
            (format!("rating:>={least}"), Box::new(move |photo| photo.rating >= least))
        }
        11 => ("is:favourite".into(), Box::new(|photo| photo.is_favourite)),
        12 => ("has:gps".into(), Box::new(|photo| photo.position.is_some())),
        _ => match dice.below(3) {
            0 => ("type:video".into(), Box::new(|photo| photo.is_video)),
            1 => ("type:raw".into(), Box::new(|photo| photo.is_raw)),
            _ => ("type:photo".into(), Box::new(|photo| !photo.is_video)),
        },
    }
}

fn near(dice: &mut Dice) -> (String, Holds) {
    let (latitude, longitude) = (dice.between(47.0, 55.0), dice.between(6.0, 15.0));
    let metres = [2_000.0, 30_000.0, 150_000.0, 400_000.0][usize::try_from(dice.below(4)).unwrap()];
    let vector = |(latitude, longitude): (f64, f64)| {
        let (up, round) = (latitude.to_radians(), longitude.to_radians());
        [up.cos() * round.cos(), up.cos() * round.sin(), up.sin()]
    };
    let centre = vector((latitude, longitude));
    let holds = move |photo: &Photo| {
        photo.position.is_some_and(|position| {
            let apart =
                vector(position).iter().zip(centre).map(|(one, other)| (one - other).powi(2)).sum::<f64>();
            2.0 * (apart.sqrt() / 2.0).asin().to_degrees() * METRES_PER_DEGREE <= metres
        })
    };
    (format!("near:{latitude},{longitude},{metres}m"), Box::new(holds))
}

/// Words, phrases and beginnings of words, anywhere or in one field.
fn words(dice: &mut Dice) -> (String, Holds) {
    const PLACES: [(&str, &[&str]); 6] = [
        ("", &["name", "folder", "caption", "tag", "place", "camera", "lens"]),
        ("name:", &["name"]),
        ("path:", &["name", "folder"]),
        ("caption:", &["caption"]),
        ("camera:", &["camera"]),
        ("place:", &["place"]),
    ];
    let at = if dice.chance(60) { 0 } else { usize::try_from(dice.below(6)).unwrap() };
    let (field, places) = PLACES[at];
    let word = match dice.below(8) {
        0 | 1 => format!("word{}", dice.below(WORDS)),
        2 => format!("{:05}", dice.below(u64::from(ASSETS))),
        3 => format!("tag{}", dice.below(TAGS)),
        _ => dice
            .pick(&["berlin", "canon", "sea", "img", "dsc", "trip", "the", "nosuch", "village"])
            .to_owned(),
    };
    let (text, is_prefix) = match dice.below(3) {
        0 => (word, false),
        1 => {
            let end = 1 + usize::try_from(dice.below(word.len() as u64)).unwrap();
            (word[..end].to_owned(), true)
        }
        _ => {
            let number = dice.below(WORDS);
            let phrase = [
                "day at".into(),
                "sea day".into(),
                format!("sea word{number}"),
                format!("trip {}", number % 50),
                "canon eos".into(),
            ];
            (phrase[usize::try_from(dice.below(5)).unwrap()].clone(), false)
        }
    };
    let typed = match (text.contains(' '), is_prefix) {
        (true, _) => format!("{field}\"{text}\""),
        (false, true) => format!("{field}{text}*"),
        (false, false) => format!("{field}{text}"),
    };
    let wanted = words_of(&text);
    let holds = move |photo: &Photo| {
        places.iter().filter_map(|place| photo.words.get(place)).any(|words| {
            words.windows(wanted.len()).any(|some| {
                if is_prefix { some[0].starts_with(&wanted[0]) } else { some == wanted.as_slice() }
            })
        })
    };
    (typed, Box::new(holds))
}

#[test]
fn every_page_is_what_looking_at_each_asset_gives() {
    let (mut some, mut none) = (0, 0);
    for seed in [1, 2] {
        let (world, photos) = library(seed);
        let known: HashMap<AssetId, &Photo> = (0..ASSETS).map(asset).zip(&photos).collect();
        let all =
            ListOptions { limit: 100_000, shelves: Some(Shelf::ALL.to_vec()), ..ListOptions::default() };
        let rows = world.catalog.list(&Query::default(), &all).unwrap().rows;
        assert_eq!(rows.len(), photos.len());
        assert!(rows.iter().any(|row| row.is_stacked));
        let mut dice = Dice(seed);
        for _ in 0..QUERIES {
            let terms: Vec<_> =
                (0..1 + dice.below(3)).map(|_| (dice.chance(20), condition(&mut dice))).collect();
            let sign = |negated| if negated { "-" } else { "" };
            let text: Vec<_> =
                terms.iter().map(|(negated, (text, _))| format!("{}{text}", sign(*negated))).collect();
            let options = ListOptions {
                limit: [40, 200, 5_000][usize::try_from(dice.below(3)).unwrap()],
                shelves: dice.chance(20).then(|| Shelf::ALL.to_vec()),
                covers_only: dice.chance(30),
                after: None,
            };
            let shelves = options.shelves.clone().unwrap_or_else(|| vec![Shelf::Shown]);
            let expected: Vec<&AssetRow> = rows
                .iter()
                .filter(|row| shelves.contains(&row.shelf) && !(options.covers_only && row.is_stacked))
                .filter(|row| terms.iter().all(|(negated, (_, holds))| holds(known[&row.asset]) != *negated))
                .collect();
            let (one, other) = if expected.is_empty() { (0, 1) } else { (1, 0) };
            (some, none) = (some + one, none + other);
            compare(&world, &text.join(" "), &options, &expected);
        }
    }
    assert!(some > 200 && none > 50, "{some} queries found something, {none} nothing");
}

fn compare(world: &World, text: &str, options: &ListOptions, expected: &[&AssetRow]) {
    let query = Query::parse(text).unwrap();
    let mut options = options.clone();
    let mut met = 0;
    loop {
        let page = world.catalog.list(&query, &options).unwrap();
        let wanted: Vec<_> = expected[met..].iter().take(options.limit).map(|row| row.asset).collect();
        let found: Vec<_> = page.rows.iter().map(|row| row.asset).collect();
        assert!(found == wanted, "{text} behind {met}: {} rows, not these {}", found.len(), wanted.len());
        met += found.len();
        match page.next {
            Some(next) => options.after = Some(next),
            None => break,
        }
    }
    assert_eq!(met, expected.len(), "{text}");
    let all = ListOptions { after: None, ..options };
    let count = |most| world.catalog.count(&query, &all, most).unwrap();
    assert_eq!(count(1_000_000), MatchCount::Exactly(expected.len() as u64), "count of {text}");
    if expected.len() > 1 {
        assert_eq!(
            count(expected.len() as u64 - 1),
            MatchCount::AtLeast(expected.len() as u64 - 1),
            "{text}"
        );
    }
}
