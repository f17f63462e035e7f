//! The recovery words on paper: pages that have them or lines for them, and shares that together bring a library back.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::devices::World;

/// What a page shows: the strings of its content, in their order.
fn texts(page: &Path) -> Vec<String> {
    let bytes = std::fs::read(page).unwrap();
    assert!(bytes.starts_with(b"%PDF-1."), "{page:?}");
    let content = String::from_utf8_lossy(&bytes);
    let shown = content.split(" Tj").filter_map(|before| {
        let text = before.rsplit_once('(')?.1;
        text.strip_suffix(')').map(str::to_owned)
    });
    shown.collect()
}

/// The words of a page, which stand behind their numbers.
fn words_of(page: &Path) -> String {
    let shown = texts(page);
    let is_number = |text: &String| text.trim().parse::<u8>().is_ok();
    let words: Vec<String> = shown
        .windows(2)
        .filter(|pair| is_number(&pair[0]) && !is_number(&pair[1]))
        .map(|pair| pair[1].clone())
        .collect();
    words.join(" ")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_page_has_the_words_only_when_they_are_given_and_says_how_to_come_back() {
    let place = tempfile::tempdir().unwrap();
    let address = format!("folder:{}", place.path().display());
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    one.sync();
    let room = tempfile::tempdir().unwrap();
    let page = |name: &str| room.path().join(name);
    let words = world.words();
    let (words, given) = (words.to_str().unwrap(), std::fs::read_to_string(&words).unwrap());

    one.ends(&["key", "recovery", "print", page("lines.pdf").to_str().unwrap()], 0);
    let bytes = std::fs::read(page("lines.pdf")).unwrap();
    for word in given.split_whitespace().filter(|word| word.len() > 5) {
        assert!(!String::from_utf8_lossy(&bytes).contains(word), "{word}");
    }
    let shown = texts(&page("lines.pdf")).join("\n");
    let joined: String = shown.split('\n').collect();
    let library = one.json(&["status"])["library"].as_str().unwrap().to_owned();
    let six = one.json(&["status"])["six_words"].as_str().unwrap().to_owned();
    for told in [library.as_str(), six.as_str(), "1 devices, roster ", "safelight join"] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    assert!(joined.contains(&address), "{shown}");

    one.ends(&["key", "recovery", "print", page("words.pdf").to_str().unwrap(), "--words-file", words], 0);
    assert_eq!(words_of(&page("words.pdf")), given.trim());
    assert_eq!((mode(&page("words.pdf")), mode(&page("lines.pdf"))), (0o600, 0o600));
    // Nothing is written over, and words of another library are none.
    let before = std::fs::read(page("words.pdf")).unwrap();
    one.ends(&["key", "recovery", "print", page("words.pdf").to_str().unwrap()], 5);
    assert_eq!(std::fs::read(page("words.pdf")).unwrap(), before);
    let others = page("others");
    std::fs::write(&others, format!("{} art", ["abandon"; 23].join(" "))).unwrap();
    let others = others.to_str().unwrap();
    one.ends(&["key", "recovery", "print", page("no.pdf").to_str().unwrap(), "--words-file", others], 3);
    assert!(!page("no.pdf").exists());

    // Whether what was written down is right, asked until somebody has shown it.
    let nags = || one.json(&["status"])["recovery_tested"].is_null();
    assert!(nags());
    one.ends(&["key", "recovery", "test", "--words-file", others], 3);
    assert!(nags());
    one.ends(&["key", "recovery", "test", "--words-file", words], 0);
    assert!(!nags());
}

#[test]
fn any_two_of_three_shares_bring_a_library_back_and_one_does_not() {
    let place = tempfile::tempdir().unwrap();
    let address = format!("folder:{}", place.path().display());
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.sync();
    let room = tempfile::tempdir().unwrap();
    let folder = room.path().join("shares");
    let shares = folder.to_str().unwrap();
    let words = world.words();
    let words = words.to_str().unwrap();
    let split = |needed: &str| {
        ["key", "recovery", "split", shares, "--shares", "3", "--threshold", needed, "--words-file", words]
            .map(str::to_owned)
    };
    let run = |needed: &str, code: i32| {
        let arguments = split(needed);
        one.ends(&arguments.each_ref().map(String::as_str), code);
    };
    run("4", 2);
    run("2", 0);
    run("2", 5);
    let share = |number: u8| folder.join(format!("share-{number}.pdf"));
    let texts_of: Vec<String> = (1..=3).map(|number| words_of(&share(number))).collect();
    assert!(texts_of.iter().all(|text| text.split(' ').count() == 27), "{texts_of:?}");
    assert!((1..=3).all(|number| mode(&share(number)) == 0o600));
    let file = |name: &str, shares: &[usize]| {
        let path = room.path().join(name);
        let text: Vec<&str> = shares.iter().map(|at| texts_of[*at].as_str()).collect();
        std::fs::write(&path, text.join("\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let join = |name: &str, words: &str, code: i32| {
        let device = world.device(name);
        device.ends(&["--recovery-file", words, "join", &address, "--name", "place"], code);
        device
    };
    join("few", &file("one", &[1]), 3);
    let two = join("two", &file("two", &[2, 0]), 0);
    assert_eq!(two.listed(), one.listed());
    one.ends(&["key", "recovery", "test", "--words-file", &file("three", &[0, 1, 2])], 0);
}
