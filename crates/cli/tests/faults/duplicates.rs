//! Photos that are there more than once: what is proposed, what goes, and what must stand whole before it does.

use serde_json::Value;

use crate::pictures::{Exif, jpeg, softer_jpeg};
use crate::room::{Room, files_below, set_mode, text};

fn camera() -> Exif {
    Exif {
        make: Some("Canon".into()),
        model: Some("Canon EOS R6".into()),
        taken: Some("2021:10:08 22:47:36".into()),
        offset: Some("+02:00".into()),
        ..Exif::default()
    }
}

/// Two copies of one picture, one of them without what the camera wrote, and another picture.
fn room() -> Room {
    let room = Room::with_library();
    room.put("camera.jpg", jpeg(1, 40, 30, &camera()));
    room.put("stripped.jpg", jpeg(1, 40, 30, &Exif::default()));
    room.put("other.jpg", jpeg(2, 40, 30, &Exif::default()));
    room.import().ends_with(&[0]);
    room
}

fn plan(room: &Room) -> Value {
    room.safelight(&["--json", "dedupe"]).ends_with(&[0]).json()
}

fn trashed(room: &Room) -> Vec<String> {
    let listed = room.safelight(&["--json", "trash", "list"]).ends_with(&[0]).json();
    listed.as_array().unwrap().iter().map(|photo| text(photo, "path")).collect()
}

/// The number of a block amid a picture of 200 × 150.
const SPOT: usize = 75 * 200 + 90;

/// What is known of every photo, whatever lies in the trash.
fn everything(room: &Room) -> Vec<Value> {
    let mut shown: Vec<Value> = ["camera.jpg", "stripped.jpg", "other.jpg"]
        .iter()
        .map(|name| room.safelight(&["--json", "show", name]).ends_with(&[0]).json())
        .collect();
    shown.iter_mut().for_each(|photo| drop(photo.as_object_mut().unwrap().remove("conflicts")));
    shown
}

#[test]
fn the_copy_goes_and_what_was_done_with_it_stays() {
    let room = room();
    room.safelight(&["album", "add", "Trips"]).ends_with(&[0]);
    room.safelight(&["set", "stripped.jpg", "album+=Trips", "tag+=sea", "rating=5"]).ends_with(&[0]);
    let plan = plan(&room);
    assert_eq!((&plan["exact"], &plan["near"], &plan["safe"]), (&1.into(), &0.into(), &1.into()), "{plan:#}");
    let group = &plan["groups"][0];
    let kept = &group["items"][0];
    assert_eq!(
        (text(group, "reason_code").as_str(), text(kept, "name").as_str()),
        ("original", "camera.jpg")
    );
    let told = room.safelight(&["dedupe"]).ends_with(&[0]).text();
    assert!(told.contains("keep") && told.contains("drop"), "{told}");

    let before = everything(&room);
    let tried = room.safelight(&["--json", "--dry-run", "dedupe", "--apply"]).ends_with(&[0]).json();
    assert_eq!((&tried["trashed"], &tried["dry_run"]), (&1.into(), &true.into()));
    assert_eq!(everything(&room), before);

    let done = room.safelight(&["--json", "dedupe", "--apply"]).ends_with(&[0]).json();
    assert_eq!((&done["trashed"], &done["verified"]), (&1.into(), &1.into()));
    assert_eq!(trashed(&room), ["stripped.jpg"]);
    let kept = room.safelight(&["--json", "show", "camera.jpg"]).ends_with(&[0]).json();
    assert_eq!(kept["albums"], serde_json::json!(["Trips"]));
    assert_eq!((&kept["tags"], &kept["rating"]), (&serde_json::json!(["sea"]), &5.into()));
    assert_eq!(self::plan(&room)["groups"].as_array().unwrap().len(), 0);

    room.safelight(&["dedupe", "--undo"]).ends_with(&[0]);
    assert_eq!(everything(&room), before);
    room.safelight(&["dedupe", "--undo"]).ends_with(&[5]);
    room.verify_is_clean();
}

#[test]
fn nothing_goes_before_the_one_that_stays_is_whole() {
    let room = Room::with_library();
    // Large enough for an object of its own, with bytes after its end, as some cameras leave them.
    let camera = [jpeg(1, 40, 30, &camera()), crate::pictures::heavy_photo(3, 400_000)].concat();
    room.put("camera.jpg", camera);
    room.put("stripped.jpg", jpeg(1, 40, 30, &Exif::default()));
    room.import().ends_with(&[0]);
    let kept = room.safelight(&["--json", "show", "camera.jpg"]).ends_with(&[0]).json();
    let object = room.library().join("objects").join(kept["parts"][0].as_str().unwrap());
    let before = std::fs::read(&object).unwrap();
    let mut bytes = before.clone();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    set_mode(&object, 0o600);
    std::fs::write(&object, bytes).unwrap();
    let refused = room.safelight(&["dedupe", "--apply"]).ends_with(&[6]);
    assert!(
        refused.stderr.contains("camera.jpg") && refused.stderr.contains("its copies stay"),
        "{}",
        refused.stderr
    );
    assert_eq!(trashed(&room), Vec::<String>::new());
    let number = text(&plan(&room)["groups"][0], "id");
    let refused = room.safelight(&["dedupe", "--apply", "--group", &number]).ends_with(&[6]);
    assert!(refused.stderr.contains("nothing went to the trash"), "{}", refused.stderr);
    assert_eq!(trashed(&room), Vec::<String>::new());
    std::fs::write(&object, before).unwrap();
    room.safelight(&["dedupe", "--apply"]).ends_with(&[0]);
    assert_eq!(trashed(&room), ["stripped.jpg"]);
}

#[test]
fn a_damaged_thumbnail_hides_one_photo_and_no_group() {
    let room = room();
    room.put(
        "others/camera.jpg",
        jpeg(2, 40, 30, &Exif { description: Some("b".into()), ..Exif::default() }),
    );
    room.import().ends_with(&[0]);
    let packs: Vec<_> = files_below(&room.library().join("objects"))
        .into_iter()
        .filter(|path| !path.to_string_lossy().contains("/log/"))
        .collect();
    let pack = packs.iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(pack).unwrap();
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    set_mode(pack, 0o600);
    std::fs::write(pack, bytes).unwrap();
    assert!(!plan(&room)["groups"].as_array().unwrap().is_empty());
}

#[test]
fn one_group_is_settled_by_its_number() {
    let room = room();
    room.put(
        "others/camera.jpg",
        jpeg(2, 40, 30, &Exif { description: Some("b".into()), ..Exif::default() }),
    );
    room.import().ends_with(&[0]);
    let plan = plan(&room);
    assert_eq!(plan["groups"].as_array().unwrap().len(), 2, "{plan:#}");
    let number = text(&plan["groups"][0], "id");
    room.safelight(&["dedupe", "--apply", "--group", "nonsense"]).ends_with(&[4]);
    room.safelight(&["dedupe", "--apply", "--group", &number[..8]]).ends_with(&[0]);
    assert_eq!(trashed(&room).len(), 1);
    assert_eq!(self::plan(&room)["groups"].as_array().unwrap().len(), 1);
}

#[test]
fn shots_of_one_moment_become_a_stack() {
    let room = Room::with_library();
    for (second, seed) in [(36, 1), (37, 1), (38, 1)] {
        let exif = Exif { taken: Some(format!("2021:10:08 22:47:{second}")), ..camera() };
        room.put(format!("{second}.jpg"), jpeg(seed, 40, 30, &exif));
    }
    room.import().ends_with(&[0]);
    let plan = plan(&room);
    assert_eq!((&plan["burst"], &plan["safe"]), (&1.into(), &0.into()), "{plan:#}");
    room.safelight(&["--yes", "dedupe", "--apply"]).ends_with(&[0]);
    assert_eq!(trashed(&room), Vec::<String>::new());
    room.safelight(&["dedupe", "--stack"]).ends_with(&[0]);
    let shown = room.safelight(&["--json", "show", "36.jpg"]).ends_with(&[0]).json();
    assert_eq!(shown["stack"].as_array().unwrap().len(), 2);
    assert_eq!(self::plan(&room)["groups"].as_array().unwrap().len(), 0);
}

#[test]
fn a_word_in_one_of_two_photos_lets_both_stay() {
    let room = Room::with_library();
    let exif = Exif { description: Some("b".into()), ..camera() };
    room.put("camera.jpg", jpeg(1, 200, 150, &camera()));
    room.put("stripped.jpg", jpeg(1, 200, 150, &Exif::default()));
    room.put("labelled.jpg", softer_jpeg(7, 200, 150, &exif, None));
    // One block of 30,000, as large as a letter in the corner.
    room.put("plain.jpg", softer_jpeg(7, 200, 150, &Exif::default(), Some(SPOT)));
    room.import().ends_with(&[0]);
    let plan = plan(&room);
    assert_eq!((&plan["exact"], &plan["near"], &plan["safe"]), (&1.into(), &1.into(), &2.into()), "{plan:#}");
    let done = room.safelight(&["--json", "dedupe", "--apply"]).ends_with(&[0]).json();
    assert_eq!(trashed(&room), ["stripped.jpg"]);
    let notices = done["notices"].as_array().unwrap();
    let is_named = |notice: &Value| notice.to_string().contains("labelled.jpg");
    assert!(notices.len() == 1 && notices.iter().all(is_named), "{done:#}");
    // Whoever has seen both may settle them.
    let group = text(&self::plan(&room)["groups"][0], "id");
    room.safelight(&["dedupe", "--apply", "--group", &group]).ends_with(&[0]);
    assert_eq!(trashed(&room).len(), 2);
}
