//! Taking photos in and connecting places from the gallery.

use serde_json::{Value, json};

use crate::pictures::photo;
use crate::room::Room;
use crate::serving::Serving;

#[test]
fn a_folder_is_found_imported_and_watched_from_a_page() {
    let room = Room::with_library();
    for seed in 0..3 {
        room.put(format!("{seed}.jpg"), photo(seed));
    }
    room.put("notes.txt", "no photo");
    let serving = Serving::begin(&room);
    let photos = room.photos();
    let typed = &photos.to_str().unwrap()[..photos.to_str().unwrap().len() - 2];
    let found = serving.json(&format!("folders?path={typed}"));
    assert_eq!((&found["is_folder"], &found["folders"]), (&false.into(), &json!([photos])), "{found}");
    assert_eq!(serving.json(&format!("folders?path={}", photos.display()))["is_folder"], true);

    let job = serving.work("import", &json!({ "paths": [photos], "watch": true }));
    assert_eq!((&job["state"], &job["kind"]), (&"done".into(), &"import".into()), "{job:#}");
    assert_eq!(
        (&job["report"]["imported"], &job["report"]["refused"][0]["files"]),
        (&3.into(), &1.into()),
        "{job:#}"
    );
    assert!(job["report"]["lines"][0].as_str().unwrap().starts_with("Imported 3"), "{job:#}");
    assert_eq!(serving.ids().len(), 3);
    assert_eq!(serving.json("sources")[0]["path"], json!(photos));
    room.put("more.jpg", photo(77));
    let job = serving.work("import", &json!({}));
    assert_eq!((&job["report"]["imported"], &job["report"]["unchanged"]), (&1.into(), &3.into()), "{job:#}");
    serving.done("DELETE", &format!("sources?path={}", photos.display()), &Value::Null);
    assert_eq!(serving.json("sources"), json!([]));
    let nothing = serving.work("import", &json!({}));
    assert_eq!((&nothing["state"], &nothing["error"]["code"]), (&"failed".into(), &"not-understood".into()));
    let wrong = serving.work("import", &json!({ "paths": ["relative"] }));
    assert_eq!(wrong["error"]["code"], "not-understood");
    let absent = serving.work("import", &json!({ "paths": [room.path("nowhere")] }));
    assert_eq!(absent["error"]["code"], "not-found", "{absent:#}");
    serving.end().ends_with(&[0]);
    room.verify_is_clean();
}

#[test]
fn a_place_is_connected_and_forgotten_from_a_page_and_its_secret_is_told_nowhere() {
    let room = Room::with_photos(1);
    let serving = Serving::begin(&room);
    let place = room.path("place");
    std::fs::create_dir(&place).unwrap();
    let address = format!("folder:{}", place.display());
    let kinds = serving.json("remotes/kinds");
    assert!(
        kinds.as_array().unwrap().iter().any(|kind| kind["kind"] == "folder" && kind["credential"].is_null())
    );
    for (asked, code) in [
        (json!({ "name": "on", "address": address }), "refused"),
        (json!({ "name": "nas", "address": "gopher://x" }), "not-understood"),
        (json!({ "name": "nas", "address": address, "settings": { "policy": "most" } }), "not-understood"),
        (json!({ "name": "drop", "address": "dropbox:/Photos" }), "refused"),
        (json!({ "name": "lib", "address": format!("folder:{}", room.library().display()) }), "refused"),
    ] {
        let (_, refused) = serving.asked("POST", "remotes", &asked);
        assert_eq!(refused["error"]["code"], code, "{asked} {refused}");
    }
    assert_eq!(serving.json("remotes"), json!([]));
    let (_, wrong) = serving.asked(
        "POST",
        "remotes",
        &json!({ "name": "dav", "address": "webdavs://localhost:1/x", "credential": "user = anna\npasword = planted" }),
    );
    assert_eq!(wrong["error"]["code"], "not-understood", "{wrong}");
    assert!(!wrong.to_string().contains("planted"), "{wrong}");
    let asked = json!({ "name": "nas", "address": address, "settings": { "policy": "selective", "only": "type:photo" } });
    let added = serving.done("POST", "remotes", &asked);
    assert!(added["capabilities"].as_array().unwrap().len() > 3, "{added}");
    assert_eq!(serving.json("remotes")[0]["policy"]["only"], "type:photo");
    assert_eq!(serving.work("sync", &json!({}))["state"], "done");
    serving.done("DELETE", "remotes/nas", &Value::Null);
    assert_eq!(serving.json("remotes"), json!([]));
    serving.end().ends_with(&[0]);
}
