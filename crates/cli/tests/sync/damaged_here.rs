//! What is damaged in the library folder, what is said of it there, and that a sync makes it whole.

use std::path::{Path, PathBuf};

use crate::devices::{World, files_in, flip};
use crate::pictures;

fn objects(folder: &Path, area: &str) -> Vec<PathBuf> {
    files_in(&folder.join("objects").join(area))
}

#[test]
fn keys_and_history_that_are_hurt_here_are_each_named_and_come_back() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    for caption in ["caption=a", "caption=b", "caption=c"] {
        let photo = one.listed()[0]["id"].as_str().unwrap().to_owned();
        one.ends(&["set", &photo, caption], 0);
    }
    one.sync();
    let folder = one.folder();
    let log = objects(&folder, "log");
    let mut hurt: Vec<PathBuf> = ["root", "keys"].iter().flat_map(|area| objects(&folder, area)).collect();
    hurt.extend([log[1].clone(), log[3].clone()]);
    let whole: Vec<Vec<u8>> = hurt.iter().map(|path| std::fs::read(path).unwrap()).collect();
    hurt.iter().for_each(|path| flip(path));

    let (code, out, told) = one.tries(&["verify"]);
    assert_eq!(code, 6);
    assert_eq!(out.lines().filter(|line| line.starts_with("damaged")).count(), hurt.len(), "{out}");
    for path in &hurt {
        assert!(out.contains(path.file_name().unwrap().to_str().unwrap()), "{} in {out}", path.display());
    }
    assert!(told.contains("safelight sync brings it back"), "{told}");
    // The doctor, who reads no history by himself, goes on saying so.
    assert!(one.ends(&["doctor"], 6).contains("a verification found damage in the history or the keys"));

    let (code, _, told) = one.tries(&["sync"]);
    assert_eq!((code, told.matches("was damaged and is whole again").count()), (0, hurt.len()), "{told}");
    for (path, bytes) in hurt.iter().zip(&whole) {
        assert!(std::fs::read(path).unwrap() == *bytes, "{}", path.display());
    }
    one.ends(&["verify"], 0);
    one.ends(&["doctor"], 0);
}

#[test]
fn photos_count_as_safe_while_they_rest_whole_in_another_place() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let pics = world.photos("pics", 0..2);
    for seed in [5, 6] {
        std::fs::write(pics.join(format!("small-{seed}.jpg")), pictures::photo(seed)).unwrap();
    }
    one.import(&pics);
    one.sync();
    assert!(one.ends(&["status"], 0).starts_with("4 photos safe in 2 places, 0 waiting, 0 failed"));

    // Two small originals and what is drawn of all of them lie in one pack: it is one finding.
    let folder = one.folder();
    let packs = objects(&folder, "local");
    let largest = packs.iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    std::fs::write(largest, &std::fs::read(largest).unwrap()[..40]).unwrap();
    for original in objects(&folder, "o") {
        std::fs::remove_file(original).unwrap();
    }
    let (code, out, _) = one.tries(&["verify"]);
    let name = largest.file_name().unwrap().to_str().unwrap();
    assert_eq!((code, out.matches(name).count()), (6, 1), "{out}");
    let status = one.ends(&["status"], 0);
    assert!(status.starts_with("4 photos safe in 1 place, 0 waiting, 4 failed"), "{status}");
    assert!(status.contains("it rests in place too, and safelight sync brings it back"), "{status}");
    one.sync();
    assert!(one.ends(&["status"], 0).starts_with("4 photos safe in 2 places, 0 waiting, 0 failed"));

    // One that no place has any more is not counted, and the others still are.
    let original = &objects(&folder, "o")[0];
    std::fs::remove_file(original).unwrap();
    std::fs::remove_file(
        place.path().join("o").join(original.strip_prefix(folder.join("objects/o")).unwrap()),
    )
    .unwrap();
    one.ends(&["verify"], 6);
    one.ends(&["verify", "--remote"], 6);
    let status = one.ends(&["status"], 0);
    assert!(status.starts_with("3 photos safe in 2 places"), "{status}");
}
