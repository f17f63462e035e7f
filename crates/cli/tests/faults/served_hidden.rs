//! Hidden photos in the gallery: nothing of them is told before the passphrase was typed once more.

use serde_json::{Value, json};

use crate::pictures::{Exif, jpeg};
use crate::room::Room;
use crate::serving::Serving;

fn status_of(serving: &Serving, path: &str) -> (String, String) {
    let (head, body) = serving.ask("GET", path, "");
    (head[9..12].to_owned(), String::from_utf8_lossy(&body).into_owned())
}

#[test]
fn hidden_photos_are_told_only_after_a_second_unlock() {
    let room = Room::with_photos(3);
    room.safelight(&["set", "0.jpg", "hidden=yes", "tag+=secret", "caption=planted"]).ends_with(&[0]);
    let secret = room.safelight(&["--json", "show", "0.jpg"]).ends_with(&[0]).json()["id"].clone();
    let id = secret.as_str().unwrap();
    let serving = Serving::begin(&room);
    let all = serving.ids();
    assert_eq!(all.len(), 2);
    let smart =
        serving.done("POST", "albums", &json!({ "path": "Secret", "query": "is:hidden" }))["id"].clone();
    let album = smart.as_str().unwrap();

    let is_kept_back = |serving: &Serving| {
        let status = serving.json("status");
        assert_eq!((&status["counts"]["hidden"], &status["hidden"]["open"]), (&Value::Null, &false.into()));
        assert_eq!(status["state"]["assets"], 2, "{status:#}");
        for path in [
            "timeline/skeleton?shelf=hidden".to_owned(),
            "timeline/columns?start=0&count=9&shelf=hidden".to_owned(),
            "timeline/columns?start=0&count=9&q=is:hidden".to_owned(),
            format!("timeline/columns?start=0&count=9&album={album}"),
            format!("timeline/position?shelf=hidden&id={id}"),
        ] {
            let (status, body) = status_of(serving, &format!("/api/v1/{path}"));
            assert!(status == "403" && body.contains("hidden-closed"), "{path}: {status} {body}");
        }
        // One photo is answered like one that is not there, by whatever somebody calls it.
        for word in [id, &id[..4], &id[..12], "0.jpg", "tag:secret"] {
            let (status, body) = status_of(serving, &format!("/api/v1/assets/{word}"));
            assert!(status == "404" && !body.contains("planted"), "{word}: {status} {body}");
        }
        for picture in ["t", "p", "o", "m", "v"] {
            assert_eq!(status_of(serving, &format!("{}/{picture}/{id}", serving.media)).0, "404");
        }
        let listed = serving.json("albums");
        assert_eq!((&listed[0]["assets"], &listed[0]["cover"]), (&0.into(), &Value::Null));
        for (path, asked) in [
            ("edit", json!({ "q": "is:hidden", "set": { "rating": 1 } })),
            ("trash", json!({ "q": "", "shelf": "hidden" })),
        ] {
            let (status, refused) = serving.asked("POST", path, &asked);
            assert_eq!((status, &refused["error"]["code"]), (403, &"hidden-closed".into()), "{path} {asked}");
        }
        for (path, asked) in [
            ("edit", json!({ "items": [id], "set": { "rating": 1 } })),
            ("trash", json!({ "items": [id] })),
            ("sync/look", json!({ "items": [id] })),
            ("conflicts/tag:secret", json!({ "take": 0 })),
        ] {
            let (status, refused) = serving.asked("POST", path, &asked);
            assert_eq!((status, &refused["error"]["code"]), (404, &"not-found".into()), "{path} {asked}");
        }
        for path in [
            "tags",
            "conflicts",
            "places",
            "duplicates",
            "complete?q=tag:",
            "trash",
            "map?south=-90&west=-180&north=90&east=180",
        ] {
            let told = serving.json(path).to_string();
            assert!(!told.contains("secret") && !told.contains(id), "{path}: {told}");
        }
    };
    is_kept_back(&serving);

    let (status, wrong) = serving.asked("POST", "hidden/open", &json!({ "passphrase": "wrong horse" }));
    assert_eq!((status, &wrong["error"]["code"]), (403, &"wrong-passphrase".into()), "{wrong}");
    is_kept_back(&serving);
    let opened =
        serving.done("POST", "hidden/open", &json!({ "passphrase": "correct horse battery staple" }));
    assert_eq!((&opened["open"], &opened["idle_seconds"]), (&true.into(), &300.into()));
    let columns = serving.json("timeline/columns?start=0&count=9&shelf=hidden");
    assert_eq!(columns["id"], json!([id]));
    assert_eq!(serving.json("status")["counts"]["hidden"], 1);
    assert_eq!(serving.json("albums")[0]["assets"], 1);
    assert_eq!(serving.json(&format!("assets/{id}"))["caption"], "planted");
    assert_eq!(status_of(&serving, &format!("{}/t/{id}", serving.media)).0, "200");
    assert_eq!(serving.done("POST", "hidden/close", &json!({}))["open"], false);
    is_kept_back(&serving);

    // Hiding needs no second unlock, and neither does taking that back.
    let hidden = serving.done("POST", "edit", &json!({ "items": [all[0]], "set": { "hidden": true } }));
    assert_eq!(serving.ids().len(), 1);
    serving.done("POST", "undo", &json!({ "undo": hidden["undo"] }));
    assert_eq!(serving.ids().len(), 2);
    // The door closes them with everything else, and opening it opens it alone.
    let right = json!({ "passphrase": "correct horse battery staple" });
    serving.done("POST", "hidden/open", &right);
    serving.done("POST", "lock", &json!({}));
    assert_eq!(serving.asked("POST", "hidden/open", &right).0, 423);
    serving.done("POST", "unlock", &right);
    is_kept_back(&serving);
    serving.end().ends_with(&[0]);
    // Whoever has the terminal has unlocked.
    assert_eq!(room.safelight(&["list", "--count", "is:hidden"]).ends_with(&[0]).text().trim(), "1");
}

fn camera(place: Option<(f64, f64)>) -> Exif {
    Exif { taken: Some("2021:10:08 22:47:36".into()), place, ..Exif::default() }
}

/// Three photos that somebody will hide, each in something else that lists tell of: beside a copy, under a cover, in
/// Iceland with a tag, in an album and in dispute. What is known of them stands in no other photo.
fn room_with_secrets() -> Room {
    let room = Room::with_library();
    room.put("secret-copy.jpg", jpeg(1, 40, 30, &camera(None)));
    room.put("twin.jpg", jpeg(1, 40, 30, &Exif::default()));
    room.put("secret-under.jpg", jpeg(2, 40, 30, &Exif::default()));
    room.put("cover.jpg", jpeg(3, 40, 30, &Exif::default()));
    room.put("secret-far.jpg", jpeg(4, 40, 30, &camera(Some((64.1466, -21.9426)))));
    room.import().ends_with(&[0]);
    room.safelight(&["album", "add", "Trips"]).ends_with(&[0]);
    room.safelight(&["set", "secret-far.jpg", "tag+=planted", "album+=Trips"]).ends_with(&[0]);
    let place = room.path("place");
    std::fs::create_dir(&place).unwrap();
    let address = format!("folder:{}", place.display());
    room.safelight(&["remote", "add", "nas", &address, "--policy", "selective"]).ends_with(&[0]);
    room.safelight(&["sync"]).ends_with(&[0]);
    // Another device says something else of it.
    let second = |arguments: &[&str]| {
        let mut command = room.unlocked_at(&room.path("second"));
        room.run(command.args(arguments)).ends_with(&[0])
    };
    let words = room.path("recovery");
    second(&["--recovery-file", words.to_str().unwrap(), "join", &address, "--name", "nas"]);
    room.safelight(&["set", "secret-far.jpg", "rating=5"]).ends_with(&[0]);
    second(&["set", "secret-far.jpg", "rating=1"]);
    second(&["sync"]);
    room.safelight(&["sync"]).ends_with(&[0]);
    room
}

#[test]
fn whatever_tells_of_a_photo_tells_nothing_of_it_once_it_is_hidden() {
    let room = room_with_secrets();
    let id = |name: &str| room.safelight(&["--json", "show", name]).ends_with(&[0]).json()["id"].clone();
    let secrets = ["secret-copy.jpg", "secret-under.jpg", "secret-far.jpg"].map(id);
    let cover = id("cover.jpg");
    let serving = Serving::begin(&room);
    serving.done("POST", "stack", &json!({ "items": [cover, secrets[1]], "cover": cover }));
    serving.done("POST", "thaw/basket", &json!({ "items": [secrets[2]], "put": true }));
    let marks: Vec<String> = secrets.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    let tells = |path: &str| {
        let told = serving.json(path).to_string();
        let named = ["secret", "planted", "Iceland", "Reykjav"].iter().any(|word| told.contains(word));
        named || marks.iter().any(|id| told.contains(id))
    };
    let whole_world = "map?south=-90&west=-180&north=90&east=180";
    let of_cover = format!("assets/{}", cover.as_str().unwrap());
    let paths = [
        "timeline/columns?start=0&count=99",
        "timeline/columns?start=0&count=99&q=secret",
        "tags",
        "complete?q=tag:pl",
        "complete?q=plan",
        "complete?q=place:",
        "places",
        whole_world,
        "duplicates",
        "conflicts",
        "albums",
        "thaw",
        "remotes/nas/waiting",
        &of_cover,
    ];
    for path in paths {
        assert!(tells(path), "{path} tells nothing of them while they are shown: {:#}", serving.json(path));
    }
    serving.done("POST", "edit", &json!({ "items": secrets, "set": { "hidden": true } }));
    for path in paths {
        assert!(!tells(path), "{path}: {:#}", serving.json(path));
    }
    assert_eq!(serving.json("thaw")["photos"], 0);
    assert_eq!(serving.asked("POST", "thaw/look", &json!({})).0, 409, "as if the basket were empty");
    // Whoever empties what they see takes nothing out that they do not see.
    serving.done("DELETE", "thaw/basket", &json!({}));
    serving.done("POST", "hidden/open", &json!({ "passphrase": "correct horse battery staple" }));
    for path in ["conflicts", "thaw", "remotes/nas/waiting", "timeline/columns?start=0&count=99&shelf=hidden"]
    {
        assert!(tells(path), "{path} tells of them once they are open: {:#}", serving.json(path));
    }
    serving.end().ends_with(&[0]);
}
