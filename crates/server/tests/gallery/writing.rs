//! Changes, and taking them back.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::room::{Browser, PASSPHRASE, Room, picture};

fn room() -> Room {
    Room::with(&[("a.jpg", picture(1, 600)), ("b.jpg", picture(2, 600)), ("c.jpg", picture(3, 600))])
}

fn write(browser: &Browser, path: &str, body: &Value) -> Value {
    let answer = browser.post(path, body);
    assert_eq!(answer.status, 200, "{path} {body}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

fn undo(browser: &Browser, written: &Value) -> Value {
    write(browser, "undo", &json!({ "undo": written["undo"] }))
}

/// Somebody who has opened hidden photos, too.
fn serve(room: &Room) -> Browser {
    let browser = room.serve();
    write(&browser, "hidden/open", &json!({ "passphrase": PASSPHRASE }));
    browser
}

/// All that people can see of the photos and albums.
fn seen(browser: &Browser) -> Value {
    let mut photos: Vec<Value> = Vec::new();
    for shelf in ["shown", "hidden", "trash"] {
        let columns = browser.get(&format!("timeline/columns?start=0&count=512&shelf={shelf}")).json();
        for id in columns["id"].as_array().unwrap() {
            let mut asset = browser.get(&format!("assets/{}", id.as_str().unwrap())).json();
            asset.as_object_mut().unwrap().remove("history");
            photos.push(asset);
        }
    }
    json!({ "photos": photos, "albums": browser.get("albums").json(), "tags": browser.get("tags").json() })
}

#[test]
fn every_change_can_be_taken_back_and_that_again() {
    let room = room();
    let browser = serve(&room);
    let ids = browser.ids();
    let album = write(&browser, "albums", &json!({ "path": "Trips/Iceland" }));
    let set =
        json!({ "caption": "At the harbour", "rating": 4, "favourite": true, "date": "2023-05-14 10:11" });
    let add = json!({ "tags": ["sea"], "albums": [album["id"]] });
    write(&browser, "edit", &json!({ "items": [ids[0]], "set": set, "add": add }));
    let changes: [(&str, Value); 7] = [
        ("edit", json!({ "items": ids, "set": { "rating": 2, "caption": "Another", "favourite": false } })),
        ("edit", json!({ "q": "", "set": { "rotate_by": 90 }, "add": { "tags": ["all"] } })),
        ("edit", json!({ "items": [ids[0]], "remove": { "tags": ["sea"], "albums": [album["id"]] } })),
        ("edit", json!({ "items": [ids[0]], "clear": ["caption", "date"] })),
        ("edit", json!({ "items": [ids[1]], "set": { "hidden": true } })),
        ("trash", json!({ "items": [ids[2], ids[0]] })),
        ("albums", json!({ "path": "Others" })),
    ];
    for (path, body) in changes {
        let before = seen(&browser);
        let written = write(&browser, path, &body);
        let after = seen(&browser);
        assert_ne!(before, after, "{path} {body}");
        let undone = undo(&browser, &written);
        assert_eq!(seen(&browser), before, "{path} {body}");
        let redone = undo(&browser, &undone);
        assert_eq!(seen(&browser), after, "{path} {body}");
        undo(&browser, &redone);
        assert_eq!(seen(&browser), before, "{path} {body}");
    }
}

#[test]
fn a_stack_shows_as_its_cover_and_comes_apart() {
    let room = room();
    let browser = room.serve();
    let ids = browser.ids();
    let covers = || browser.get("timeline/columns?start=0&count=9&covers=true").json();
    let stacked = write(&browser, "stack", &json!({ "items": ids, "cover": ids[1] }));
    assert_eq!((&covers()["id"], &covers()["stack"]), (&json!([ids[1]]), &json!([2])));
    let stack = &browser.get(&format!("assets/{}", ids[0])).json()["web"]["stack"];
    assert_eq!((&stack["cover"], &stack["items"][0]["id"]), (&json!(ids[1]), &json!(ids[1])));
    assert_eq!(stack["items"].as_array().unwrap().len(), 3);
    let apart = write(&browser, "stack/apart", &json!({ "items": [ids[1]] }));
    assert_eq!((&covers()["id"], &covers()["stack"]), (&json!(ids), &json!([0, 0, 0])));
    undo(&browser, &apart);
    assert_eq!(covers()["id"], json!([ids[1]]));
    write(&browser, "stack", &json!({ "items": ids, "cover": ids[2] }));
    assert_eq!(covers()["id"], json!([ids[2]]));
    let too_late = browser.post("undo", &json!({ "undo": stacked["undo"] }));
    assert_eq!(too_late.status, 409);
    // What is said of a cover alone is of the cover alone; of all that it stands for where that is meant.
    let alone = write(&browser, "edit", &json!({ "items": [ids[2]], "set": { "hidden": true } }));
    assert_eq!((&alone["changed"], &covers()["stack"]), (&json!(1), &json!([0, 0])));
    undo(&browser, &alone);
    for (covers, changed) in [(true, 1), (false, 3)] {
        let asked = json!({ "q": "", "covers": covers, "set": { "favourite": true } });
        let found = write(&browser, "edit", &asked);
        assert_eq!(found["changed"], changed);
        undo(&browser, &found);
    }
    let whole = json!({ "items": [ids[2]], "stacks": true });
    assert_eq!(write(&browser, "trash", &whole)["changed"], 3);
    assert_eq!(covers()["id"], json!([]));
}

#[test]
fn what_somebody_wrote_since_stays() {
    let room = room();
    let browser = room.serve();
    let id = browser.ids().remove(0);
    let first =
        write(&browser, "edit", &json!({ "items": [id], "set": { "caption": "first", "rating": 1 } }));
    write(&browser, "edit", &json!({ "items": [id], "set": { "caption": "second" } }));
    let undone = undo(&browser, &first);
    let shown = browser.get(&format!("assets/{id}")).json();
    assert_eq!((&shown["caption"], &shown["rating"]), (&json!("second"), &json!(null)));
    assert_eq!(undone["notices"].as_array().unwrap().len(), 1);
    let again = browser.post("undo", &json!({ "undo": first["undo"] }));
    assert_eq!((again.status, again.code().as_str()), (409, "cannot-undo"));
    let unknown = browser.post("undo", &json!({ "undo": "4711" }));
    assert_eq!((unknown.status, unknown.code().as_str()), (409, "cannot-undo"));
}

#[test]
fn an_album_is_named_moved_and_removed_and_its_photos_stay() {
    let room = room();
    let browser = room.serve();
    let ids = browser.ids();
    let trips = write(&browser, "albums", &json!({ "path": "Trips" }))["id"].as_str().unwrap().to_owned();
    let iceland = write(&browser, "albums", &json!({ "path": "Iceland" }))["id"].as_str().unwrap().to_owned();
    write(&browser, "edit", &json!({ "items": ids, "add": { "albums": [iceland] } }));
    let paths = || -> Vec<String> {
        let albums = browser.get("albums").json();
        albums.as_array().unwrap().iter().map(|album| album["path"].as_str().unwrap().to_owned()).collect()
    };
    let send = |body: &Value| browser.send("PATCH", &format!("albums/{iceland}"), body);
    assert_eq!(send(&json!({ "into": trips })).status, 200);
    assert_eq!(paths(), ["Trips", "Trips/Iceland"]);
    let moved = send(&json!({ "into": null }));
    assert_eq!(paths(), ["Iceland", "Trips"]);
    undo(&browser, &moved.json());
    assert_eq!(paths(), ["Trips", "Trips/Iceland"]);
    assert_eq!(send(&json!({ "name": "Ísland" })).status, 200);
    assert_eq!(send(&json!({})).status, 400);
    assert_eq!(
        browser.get(&format!("timeline/columns?start=0&count=9&album={iceland}")).json()["id"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let listed = browser.get("albums").json();
    assert_eq!(listed[1]["cover"], json!(ids[0]));
    let removed = browser.send("DELETE", &format!("albums/{iceland}"), &json!({}));
    assert_eq!((removed.status, paths()), (200, vec!["Trips".to_owned()]));
    undo(&browser, &removed.json());
    assert_eq!(paths(), ["Trips", "Trips/Ísland"]);
    assert_eq!(browser.ids(), ids);
}

#[test]
fn a_change_that_is_only_tried_changes_nothing() {
    let room = room();
    let browser = serve(&room);
    let before = seen(&browser);
    let tried = write(&browser, "edit", &json!({ "q": "", "set": { "rating": 5 }, "dry_run": true }));
    assert_eq!((&tried["changed"], &tried["undo"]), (&json!(3), &json!(null)));
    assert_eq!(seen(&browser), before);
    let nobody = browser.post("edit", &json!({ "items": ["0".repeat(64)], "set": { "rating": 5 } }));
    assert_eq!(nobody.status, 404);
    let nothing = browser.post("edit", &json!({ "set": { "rating": 5 } }));
    assert_eq!(nothing.status, 400);
}

#[test]
fn much_goes_into_the_trash_at_once_only_with_consent() {
    let room = room();
    let mut library = room.library();
    library.set_brake(Some(10), Some(1)).unwrap();
    library.close().unwrap();
    let browser = room.serve();
    let trashed = || browser.get("status").json()["counts"]["trashed"].clone();
    let asked = browser.post("trash", &json!({ "q": "" }));
    let asks = &asked.json()["error"];
    assert_eq!(
        (asked.status, &asks["code"], &asks["takes"]["photos"]),
        (409, &"needs-consent".into(), &3.into())
    );
    // A page has the same as an answer, so that no console calls it an error.
    let answer = browser.post_as_page("trash", &json!({ "q": "" }));
    assert_eq!((answer.status, &answer.json()["asks"]), (200, asks));
    assert_eq!(trashed(), 0);
    let done = browser.post("trash", &json!({ "q": "", "consent": true }));
    assert_eq!((done.status, &done.json()["changed"]), (200, &3.into()));
    assert_eq!(trashed(), 3);
    // One at a time needs none.
    browser.post("trash/restore", &json!({ "q": "" }));
    assert_eq!(browser.post("trash", &json!({ "q": "a.jpg" })).status, 200);
}

#[test]
fn a_place_that_is_not_there_is_an_answer_to_a_page_and_an_error_to_a_program() {
    let room = room();
    let browser = room.serve();
    let missing = room.path().with_file_name("no-such-drive");
    let place = json!({ "name": "drive", "address": format!("folder:{}", missing.display()) });
    let refused = browser.post("remotes", &place);
    let error = &refused.json()["error"];
    assert_eq!((refused.status, &error["code"]), (404, &json!("not-found")));
    let answer = browser.post_as_page("remotes", &place);
    assert_eq!((answer.status, &answer.json()["asks"]), (200, error));
    assert_eq!(browser.get("remotes").json(), json!([]));
}

#[test]
fn a_caption_is_not_written_over_by_whoever_had_read_another_one() {
    let room = room();
    let browser = room.serve();
    let ids = browser.ids();
    let caption = |text: &str, was: &str| {
        let body = json!({ "items": [ids[0]], "set": { "caption": text }, "caption_was": was });
        browser.post("edit", &body)
    };
    let shown = || browser.get(&format!("assets/{}", ids[0])).json()["caption"].clone();
    assert_eq!(caption("At the harbour", "").status, 200);
    let refused = caption("Harbour, noon", "");
    assert_eq!((refused.status, refused.code().as_str()), (409, "changed-meanwhile"));
    assert_eq!(refused.json()["error"]["caption"], "At the harbour");
    assert_eq!(shown(), "At the harbour");
    assert_eq!(caption("At the harbour", "").status, 200, "it is there already");
    assert_eq!(caption("Harbour, noon", "At the harbour").status, 200);
    assert_eq!(shown(), "Harbour, noon");
}

#[test]
fn forgetting_says_first_what_goes_and_ends_in_a_receipt() {
    let room = room();
    let browser = room.serve();
    let ids = browser.ids();
    write(&browser, "edit", &json!({ "items": [ids[0]], "set": { "caption": "never to be read again" } }));
    write(&browser, "trash", &json!({ "items": [ids[0]] }));
    let plan = write(&browser, "trash/forget/plan", &json!({ "items": [ids[0]] }));
    assert_eq!((&plan["photos"], &plan["remotes"], &plan["linked"]), (&json!(1), &json!([]), &json!(0)));
    assert!(browser.get(&format!("assets/{}", ids[0])).status == 200, "nothing has gone");
    let wrong = browser.post("trash/forget", &json!({ "plan": plan["plan"], "photos": 2 }));
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "not-understood"));
    write(&browser, "trash/forget", &json!({ "plan": plan["plan"], "photos": 1 }));
    let report = ended(&browser)["report"].clone();
    assert_eq!(report["forgotten"], 1, "{report}");
    assert_eq!(report["is_done"], true, "{report}");
    assert_eq!(browser.get(&format!("assets/{}", ids[0])).status, 404);
    let receipt = report["receipt"].as_str().unwrap();
    let said: Value = serde_json::from_str(receipt.lines().next().unwrap()).unwrap();
    assert_eq!((&said["safelight_receipt"], said["forgotten"].as_array().unwrap().len()), (&json!(1), 1));
    assert!(!receipt.contains("never to be read"));
    let receipts = browser.get("trash/receipts").json()["receipts"].clone();
    assert!(receipts.as_array().unwrap().contains(&report["receipt"]), "{receipts}");
    let again = browser.post("trash/forget", &json!({ "plan": plan["plan"], "photos": 1 }));
    assert_eq!(again.code(), "stale", "a plan is good once");
}

/// Bytes of all the files in a folder and in those within it.
fn bytes_within(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let bytes = |path: &Path| {
        if path.is_dir() { bytes_within(path) } else { path.metadata().map_or(0, |found| found.len()) }
    };
    entries.map(|entry| bytes(&entry.path())).sum()
}

#[test]
fn what_is_forgotten_frees_its_bytes_while_a_page_goes_on_asking() {
    let room = Room::with(&[("large.jpg", picture(1, 3 << 20))]);
    let browser = room.serve();
    let ids = browser.ids();
    let objects = || bytes_within(&room.path().join("objects"));
    assert!(objects() > 3 << 20);
    write(&browser, "trash", &json!({ "items": ids }));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for path in ["timeline/columns?start=0&count=512", "status", "albums"] {
            let (browser, is_over) = (&browser, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    assert_eq!(browser.get(path).status, 200);
                }
            });
        }
        let forgotten = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let plan = write(&browser, "trash/forget/plan", &json!({ "items": ids }));
            write(&browser, "trash/forget", &json!({ "plan": plan["plan"], "photos": 1 }));
            ended(&browser)["report"].clone()
        }));
        is_over.store(true, Ordering::Relaxed);
        let report = forgotten.unwrap();
        assert_eq!((&report["is_done"], &report["here"]), (&json!(true), &json!([])), "{report}");
        assert!(report["freed_bytes"].as_u64().unwrap() > 3 << 20, "{report}");
    });
    assert!(objects() < 1 << 20, "its object is still there");
}

#[test]
fn what_comes_out_of_the_trash_after_the_plan_is_not_forgotten() {
    let room = room();
    let browser = room.serve();
    let ids = browser.ids();
    let both = json!({ "items": [ids[0], ids[1]] });
    write(&browser, "trash", &both);
    let plan = write(&browser, "trash/forget/plan", &both);
    assert_eq!(plan["photos"], 2);
    write(&browser, "trash/restore", &json!({ "items": [ids[1]] }));
    write(&browser, "trash/forget", &json!({ "plan": plan["plan"], "photos": 2 }));
    let report = ended(&browser)["report"].clone();
    assert_eq!((&report["forgotten"], &report["stayed"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!(browser.get(&format!("assets/{}", ids[0])).status, 404);
    let kept = browser.get(&format!("assets/{}", ids[1])).json();
    assert_eq!(kept["trashed"], false, "{kept}");
}

/// The work that was begun last, once it has ended.
fn ended(browser: &Browser) -> Value {
    loop {
        let job = browser.get("jobs").json()["job"].clone();
        if job["state"] != "running" {
            assert_eq!(job["state"], "done", "{job}");
            return job;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn what_rests_in_a_place_costs_the_same_while_it_is_away() {
    let room = room();
    let browser = room.serve();
    let place = room.path().with_file_name("drive");
    std::fs::create_dir(&place).unwrap();
    let added = json!({ "name": "drive", "address": format!("folder:{}", place.display()) });
    assert_eq!(browser.post("remotes", &added).status, 200);
    assert_eq!(browser.get("costs").json()[0]["remote"], "drive");
    std::fs::rename(&place, room.path().with_file_name("unplugged")).unwrap();
    let away = browser.get("costs");
    assert_eq!((away.status, &away.json()[0]["remote"]), (200, &json!("drive")));
}
