//! Hidden photos in the gallery: nothing of them is told before the passphrase was typed once more.

use serde_json::{Value, json};

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
        for picture in ["t", "p", "o", "m"] {
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
