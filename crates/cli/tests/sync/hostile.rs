//! A place that harms what rests in it, object by object: what is said, by whom, and that nothing good is lost.
//!
//! The outcomes are those of sl1-history §8.6; each run prints its table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::devices::{Device, World, collect, copy_all};
use crate::pictures;

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    Truncated,
    Flipped,
    Swapped,
    Deleted,
    Garbage,
    Empty,
}

const HARMS: [Harm; 6] =
    [Harm::Truncated, Harm::Flipped, Harm::Swapped, Harm::Deleted, Harm::Garbage, Harm::Empty];

/// What kind of object it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    RootCard,
    KeysOfWords,
    KeysOfDevice,
    Statements,
    Segment,
    NewestSegment,
    Head,
    Original,
    Thumbnails,
    Previews,
    TinyOriginals,
}

/// A place with everything in it, two devices that know it, and what each was before anything happened.
struct Scene {
    world: World,
    root: tempfile::TempDir,
    /// The objects of each kind: the one that is harmed, and another of its kind.
    objects: BTreeMap<String, (String, Vec<u8>)>,
    state: String,
    originals: Vec<Vec<u8>>,
}

fn list(folder: &Path, below: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder.join(below)).into_iter().flatten() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            list(folder, &path, found);
        } else {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
    found.sort();
}

impl Scene {
    fn new(kinds: &[Kind]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("place");
        std::fs::create_dir(&place).unwrap();
        let world = World::in_folder(&place);
        let one = world.first("one");
        let mut originals = Vec::new();
        let mut batch = |name: &str, photos: Vec<Vec<u8>>| {
            let folder = world.path(name);
            std::fs::create_dir_all(&folder).unwrap();
            for (number, photo) in photos.into_iter().enumerate() {
                std::fs::write(folder.join(format!("{name}-{number}.jpg")), &photo).unwrap();
                originals.push(photo);
            }
            folder
        };
        // Two of everything, so that things can be swapped.
        for number in 0..2_u64 {
            let large = pictures::heavy_photo(number, 160_000);
            let folder = batch(&format!("pics-{number}"), vec![large, pictures::photo(10 + number)]);
            one.ends(&["import", "--wait", folder.to_str().unwrap()], 0);
            one.sync();
        }
        let two = world.join("two");
        two.sync();
        one.sync();
        // What the second device has not heard of yet.
        let late = batch("unheard-of", vec![pictures::photo(20)]);
        one.ends(&["import", "--wait", late.to_str().unwrap()], 0);
        one.sync();
        let state = one.state();
        for name in ["one", "two", "place"] {
            let from = if name == "place" { place.clone() } else { world.path(name) };
            copy_all(&from, &root.path().join("as-it-was").join(name));
        }
        let other = another_card(&root);
        let mut scene = Self { world, root, objects: BTreeMap::new(), state, originals };
        scene.choose(kinds, &other);
        scene
    }

    fn place(&self) -> PathBuf {
        self.root.path().join("place")
    }

    /// Finds an object of each kind, and the bytes of another one of it.
    fn choose(&mut self, kinds: &[Kind], other_card: &[u8]) {
        let mut names = Vec::new();
        list(&self.place(), Path::new(""), &mut names);
        let below = |prefix: &str| -> Vec<String> {
            names.iter().filter(|name| name.starts_with(prefix)).cloned().collect()
        };
        let words = below("root/")[0].split('/').next_back().unwrap().to_owned();
        // The founder's chain is the longer one.
        let mut chains: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in below("log/") {
            chains.entry(name.split('/').nth(1).unwrap().to_owned()).or_default().push(name);
        }
        let (founder, chain) = chains.into_iter().max_by_key(|(_, chain)| chain.len()).unwrap();
        assert!(chain.len() > 4, "{chain:?}");
        for kind in kinds {
            let (keys_of_words, keys_of_devices): (Vec<_>, Vec<_>) =
                below("keys/").into_iter().partition(|name| name.ends_with(&words));
            let all = match kind {
                Kind::RootCard => below("root/"),
                Kind::KeysOfWords => [keys_of_words, keys_of_devices].concat(),
                Kind::KeysOfDevice => {
                    let (own, others): (Vec<_>, Vec<_>) =
                        keys_of_devices.into_iter().partition(|name| name.ends_with(&founder));
                    [own, others].concat()
                }
                Kind::Statements => vec![chain[0].clone(), chain[1].clone()],
                Kind::Segment => vec![chain[1].clone(), chain[2].clone()],
                Kind::NewestSegment => vec![chain[chain.len() - 1].clone(), chain[1].clone()],
                Kind::Head => {
                    let (own, others): (Vec<_>, Vec<_>) =
                        below("head/").into_iter().partition(|name| name.ends_with(&founder));
                    [own, others].concat()
                }
                Kind::Original => below("o/"),
                // The newest is what the other device has not heard of.
                Kind::Thumbnails => self.newest_first(below("t/")),
                Kind::Previews => self.newest_first(below("p/")),
                Kind::TinyOriginals => self.newest_first(below("s/")),
            };
            let other = match kind {
                Kind::RootCard => other_card.to_vec(),
                _ => std::fs::read(self.place().join(&all[1])).unwrap(),
            };
            self.objects.insert(format!("{kind:?}"), (all[0].clone(), other));
        }
    }

    fn newest_first(&self, mut names: Vec<String>) -> Vec<String> {
        names.sort_by_key(|name| std::fs::metadata(self.place().join(name)).unwrap().modified().unwrap());
        names.reverse();
        names
    }

    /// Everything as it was before.
    fn reset(&self) {
        for name in ["one", "two", "place"] {
            let target = if name == "place" { self.place() } else { self.world.path(name) };
            std::fs::remove_dir_all(&target).unwrap();
            copy_all(&self.root.path().join("as-it-was").join(name), &target);
        }
    }

    fn harm(&self, kind: Kind, harm: Harm) -> String {
        let (name, other) = &self.objects[&format!("{kind:?}")];
        let path = self.place().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let half = bytes.len() / 2;
        match harm {
            Harm::Truncated => bytes.truncate(half),
            Harm::Flipped => bytes[half] ^= 1,
            Harm::Swapped => bytes.clone_from(other),
            Harm::Garbage => bytes.iter_mut().zip(0_u32..).for_each(|(byte, at)| {
                *byte = at.wrapping_mul(2_654_435_761).to_be_bytes()[0];
            }),
            Harm::Empty => bytes.clear(),
            Harm::Deleted => {}
        }
        std::fs::remove_file(&path).unwrap();
        if harm != Harm::Deleted {
            std::fs::write(&path, bytes).unwrap();
        }
        name.clone()
    }
}

/// The root card of another library: whole, and the wrong one.
fn another_card(root: &tempfile::TempDir) -> Vec<u8> {
    let place = root.path().join("other");
    std::fs::create_dir(&place).unwrap();
    let world = World::in_folder(&place);
    world.first("other").sync();
    let mut cards = Vec::new();
    collect(&place.join("root"), &mut cards);
    cards.remove(0)
}

/// What a command came to: its exit code, and whether it named the object. What it said is printed where it failed.
fn says(device: &Device<'_>, arguments: &[&str], name: &str) -> (i32, bool) {
    let (code, out, told) = device.tries(arguments);
    // A place that went back is told of by device and number.
    let mut parts = name.rsplit('/');
    let number = parts.next().map_or(0, |number| number.parse::<u32>().unwrap_or_default());
    let in_words = format!("segment {number} of device {}", parts.next().unwrap_or_default());
    let is_named = [name, &in_words].iter().any(|name| out.contains(name) || told.contains(name));
    if code != 0 && !is_named {
        println!("{} {arguments:?} {code}, without {name}: {out}{told}", device.name());
    }
    (code, is_named)
}

/// What is to be seen, by who knows the object, by who does not yet, and by who has only the words.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    verify: (i32, bool),
    sync: (i32, bool),
    reader: (i32, bool),
    join: i32,
}

/// Nobody who is not looking for it needs it.
const UNUSED: Seen = Seen { verify: (6, true), sync: (0, false), reader: (0, false), join: 0 };

fn harmed(kinds: &[Kind], expected: impl Fn(Kind, Harm) -> Seen) {
    let scene = Scene::new(kinds);
    let mut table =
        String::from("object, harm: verify --remote --all | sync | another device's sync | join\n");
    let mut wrong = Vec::new();
    for kind in kinds {
        for harm in HARMS {
            scene.reset();
            let name = scene.harm(*kind, harm);
            let (one, two) = (scene.world.device("one"), scene.world.device("two"));
            let reader = says(&two, &["sync"], &name);
            let joined = scene.world.device("late");
            let join = joined.tries_to_join().0;
            if joined.folder().exists() {
                std::fs::remove_dir_all(joined.folder()).unwrap();
            }
            // A device that knows it: verifying names it, syncing and verifying again heals it.
            let harmed_place = scene.root.path().join("harmed");
            copy_all(&scene.place(), &harmed_place);
            let sync = says(&one, &["sync"], &name);
            std::fs::remove_dir_all(scene.place()).unwrap();
            std::fs::rename(&harmed_place, scene.place()).unwrap();
            std::fs::remove_dir_all(one.folder()).unwrap();
            copy_all(&scene.root.path().join("as-it-was/one"), &one.folder());
            let verify = says(&one, &["verify", "--remote", "--all"], &name);
            let seen = Seen { verify, sync, reader, join };
            writeln!(table, "{kind:?}, {harm:?}: {verify:?} | {sync:?} | {reader:?} | {join}").unwrap();
            let wanted = expected(*kind, harm);
            if seen != wanted {
                wrong.push(format!("{kind:?} {harm:?} ({name}): {seen:?}, and not {wanted:?}"));
            }
            let mut healed = (verify.0, String::new(), String::new());
            for _ in 0..3 {
                if healed.0 != 0 {
                    one.tries(&["sync"]);
                    healed = one.tries(&["verify", "--remote", "--all"]);
                }
            }
            // What the repair came to is told at the next sync.
            one.tries(&["sync"]);
            let (code, out, told) = healed;
            if code != 0 {
                wrong.push(format!("{kind:?} {harm:?} ({name}): not healed: {out}{told}"));
            }
            let (code, _, told) = two.tries(&["sync"]);
            if code != 0 || two.state() != scene.state {
                wrong.push(format!("{kind:?} {harm:?}: the other device does not end equal: {code} {told}"));
            }
            if one.state() != scene.state || one.tries(&["verify"]).0 != 0 || two.tries(&["verify"]).0 != 0 {
                wrong.push(format!("{kind:?} {harm:?}: a device lost something"));
            }
        }
    }
    // At the end, whoever has only the words gets everything.
    let late = scene.world.join("late");
    if late.state() != scene.state {
        wrong.push("a device that joins after the repairs is not equal".to_owned());
    }
    println!("{table}");
    late.has_whole(&scene.originals, "out");
    assert!(wrong.is_empty(), "{wrong:#?}\n{table}");
}

#[test]
fn harmed_history_is_named_and_healed() {
    let kinds = [
        Kind::RootCard,
        Kind::KeysOfWords,
        Kind::KeysOfDevice,
        Kind::Statements,
        Kind::Segment,
        Kind::NewestSegment,
        Kind::Head,
    ];
    harmed(&kinds, |kind, harm| match (kind, harm) {
        // Whoever has only the words begins with these.
        (Kind::RootCard, Harm::Deleted) => Seen { join: 4, ..UNUSED },
        (Kind::RootCard | Kind::KeysOfWords | Kind::Statements, _) => Seen { join: 6, ..UNUSED },
        (Kind::KeysOfDevice, _) => UNUSED,
        // A device that joins takes in what it can, and names what is missing.
        (Kind::Segment, _) => Seen { join: 1, ..UNUSED },
        // The newest one is what a place that went back loses: its sync stops.
        (Kind::NewestSegment, Harm::Deleted) => {
            Seen { sync: (6, true), reader: (1, true), join: 1, ..UNUSED }
        }
        (Kind::NewestSegment, _) => Seen { reader: (1, true), join: 1, ..UNUSED },
        // A hint that is not there, or that stands in for another one, is as if it were not there; one that opens for nobody
        // is named, and written anew.
        (Kind::Head, Harm::Deleted | Harm::Swapped) => Seen { verify: (0, false), ..UNUSED },
        (Kind::Head, _) => Seen { verify: (0, true), ..UNUSED },
        (Kind::Original | Kind::Thumbnails | Kind::Previews | Kind::TinyOriginals, _) => unreachable!(),
    });
}

#[test]
fn harmed_originals_and_packs_are_named_and_healed() {
    let kinds = [Kind::Original, Kind::Thumbnails, Kind::Previews, Kind::TinyOriginals];
    harmed(&kinds, |kind, harm| match (kind, harm) {
        // Nobody fetches an original that was not asked for.
        (Kind::Original, _) => UNUSED,
        // Thumbnails are fetched whole.
        (Kind::Thumbnails, _) => Seen { reader: (1, true), join: 1, ..UNUSED },
        // Of other packs the index is read: what is wrong in the middle shows when an entry is wanted.
        (_, Harm::Flipped) => UNUSED,
        // One that is not there may rest in another place: named, and no failure.
        (_, Harm::Deleted) => Seen { reader: (0, true), ..UNUSED },
        _ => Seen { reader: (1, true), join: 1, ..UNUSED },
    });
}
