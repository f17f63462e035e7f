//! Remotes in the gallery: switches by hand, policies, what waits, syncing, what may leave this device.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::pictures::{heavy_photo, photo};
use crate::room::Room;
use crate::serving::Serving;

/// A library with large photos, and a folder that is a remote.
fn room_with_remote(photos: u64, settings: &[&str]) -> (Room, PathBuf) {
    let room = Room::with_library();
    for seed in 0..photos {
        room.put(format!("{seed}.jpg"), heavy_photo(seed, 200_000));
    }
    room.import().ends_with(&[0]);
    let place = room.path("place");
    std::fs::create_dir(&place).unwrap();
    let address = format!("folder:{}", place.display());
    let mut arguments = vec!["remote", "add", "nas", &address];
    arguments.extend(settings);
    room.safelight(&arguments).ends_with(&[0]);
    (room, place)
}

fn look(serving: &Serving, about: &Value) -> Value {
    let mut looked = serving.done("POST", "sync/look", about);
    looked["remotes"][0].take()
}

fn counts(standing: &Value) -> [u64; 6] {
    ["photos", "on", "off", "auto", "goes", "stays"].map(|name| standing[name].as_u64().unwrap())
}

#[test]
fn a_switch_is_looked_at_turned_and_taken_back() {
    let (room, _) = room_with_remote(3, &["--policy", "selective", "expose=1"]);
    let serving = Serving::begin(&room);
    let ids = serving.ids();
    let all = json!({ "items": ids });
    let standing = look(&serving, &all);
    assert_eq!((counts(&standing), &standing["expose"]), ([3, 0, 0, 3, 0, 3], &1.into()), "{standing}");
    assert_eq!((&standing["switch"], &standing["because"]), (&"auto".into(), &"policy".into()));

    let turn = |items: &Value, turn: &str, consent: bool| {
        let asked = json!({ "items": items, "remote": "nas", "turn": turn, "consent": consent });
        serving.asked("POST", "sync/switch", &asked)
    };
    // A page has the same as an answer; any other program is refused.
    let (status, asked) = turn(&json!(ids), "on", false);
    assert_eq!((status, &asked["error"]["code"]), (409, &"needs-consent".into()), "{asked}");
    let exposes = &asked["error"]["exposes"];
    assert_eq!(
        (&exposes["remote"], &exposes["originals"], &exposes["most"]),
        (&"nas".into(), &3.into(), &1.into())
    );
    assert!(exposes["bytes"].as_u64().unwrap() > 600_000);
    assert_eq!(counts(&look(&serving, &all)), [3, 0, 0, 3, 0, 3], "nothing was changed");

    let (_, switched) = turn(&json!(ids), "on", true);
    assert_eq!((&switched["changed"], &switched["waiting_originals"]), (&3.into(), &3.into()), "{switched}");
    let standing = look(&serving, &all);
    assert_eq!(
        (counts(&standing), &standing["because"]),
        ([3, 3, 0, 0, 3, 0], &"photo".into()),
        "{standing}"
    );
    let back = serving.done("POST", "undo", &json!({ "undo": switched["undo"] }));
    assert_eq!(counts(&look(&serving, &all)), [3, 0, 0, 3, 0, 3]);
    // What was off for a while may mean more by now: sending it is asked about again.
    let (status, refused) = serving.asked("POST", "undo", &json!({ "undo": back["undo"] }));
    assert_eq!((status, &refused["error"]["code"]), (409, &"needs-consent".into()), "{refused}");
    assert_eq!(counts(&look(&serving, &all)), [3, 0, 0, 3, 0, 3]);
    turn(&json!(ids), "on", true);
    assert_eq!(counts(&look(&serving, &all)), [3, 3, 0, 0, 3, 0]);
    let (_, again) = turn(&json!(ids), "on", false);
    assert_eq!((&again["changed"], &again["undo"]), (&0.into(), &Value::Null), "it was so already");
    turn(&json!([ids[0]]), "off", false);
    let standing = look(&serving, &all);
    assert_eq!((counts(&standing), &standing["switch"]), ([3, 2, 1, 0, 2, 1], &"mixed".into()));
    assert_eq!(turn(&json!(ids), "sideways", false).0, 400);
    serving.end().ends_with(&[0]);
    let told =
        room.safelight(&["--json", "sync", "switches", "0.jpg", "--remote", "nas"]).ends_with(&[0]).json();
    assert!(told[0]["switch"] == "on" || told[0]["switch"] == "off", "{told}");
}

#[test]
fn an_album_is_switched_as_a_whole_and_a_smart_one_is_not() {
    let (room, _) = room_with_remote(3, &["--policy", "selective"]);
    let serving = Serving::begin(&room);
    let ids = serving.ids();
    let trips = serving.done("POST", "albums", &json!({ "path": "Trips" }))["id"].clone();
    serving.done("POST", "albums", &json!({ "path": "Trips/Iceland" }));
    serving.done("POST", "edit", &json!({ "items": [ids[0]], "add": { "albums": ["Trips/Iceland"] } }));
    let album = json!({ "switch_album": trips });
    let standing = look(&serving, &album);
    assert_eq!((counts(&standing), &standing["switch"]), ([1, 0, 0, 1, 0, 1], &"auto".into()), "{standing}");
    serving.done("POST", "sync/switch", &json!({ "switch_album": trips, "remote": "nas", "turn": "on" }));
    let standing = look(&serving, &album);
    assert_eq!((&standing["switch"], &standing["because_album"]), (&"on".into(), &"Trips".into()));
    let iceland = look(&serving, &json!({ "switch_album": "Trips/Iceland" }));
    assert_eq!(
        (&iceland["switch"], &iceland["because_album"]),
        (&"auto".into(), &"Trips".into()),
        "{iceland}"
    );
    let photo = look(&serving, &json!({ "items": [ids[0]] }));
    assert_eq!((&photo["because"], &photo["because_album"]), (&"album".into(), &"Trips".into()), "{photo}");
    let both = look(&serving, &json!({ "items": [ids[0], ids[1]] }));
    assert_eq!((&both["because"], counts(&both)), (&"mixed".into(), [2, 0, 0, 2, 1, 1]));
    let line = room.safelight(&["sync", "switches", "album:Trips/Iceland"]).ends_with(&[0]).text();
    assert_eq!(line, "nas (selective): auto, by the album Trips; 1 photo: 1 there or on their way, 0 not\n");

    let best = serving.done("POST", "albums", &json!({ "path": "Best", "query": "rating:5" }))["id"].clone();
    let asked = json!({ "switch_album": best, "remote": "nas", "turn": "on" });
    assert_eq!(serving.asked("POST", "sync/switch", &asked).1["error"]["code"], "refused");
    let only = json!({ "settings": { "only": "album:Best" } });
    let (status, refused) = serving.asked("PATCH", "remotes/nas", &only);
    assert_eq!((status, &refused["error"]["setting"]), (400, &"only".into()), "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("rating:5"), "{refused}");
    serving.end().ends_with(&[0]);
}

#[test]
fn a_policy_is_changed_what_waits_is_told_and_a_sync_sends_it() {
    let (room, place) = room_with_remote(3, &["--policy", "selective", "expose=1"]);
    let serving = Serving::begin(&room);
    let groups = |serving: &Serving| -> Vec<(String, u64)> {
        let waiting = serving.json("remotes/nas/waiting");
        let each = waiting["groups"].as_array().unwrap().iter();
        each.map(|group| (group["state"].as_str().unwrap().to_owned(), group["originals"].as_u64().unwrap()))
            .collect()
    };
    assert_eq!(groups(&serving), [("off".to_owned(), 3)]);
    for (settings, setting) in [
        (json!({ "older": "2y" }), "older"),
        (json!({ "policy": "everything" }), "policy"),
        (json!({ "limit": "fast" }), "limit"),
        (json!({ "colour": "red" }), "colour"),
    ] {
        let (status, wrong) = serving.asked("PATCH", "remotes/nas", &json!({ "settings": settings }));
        assert_eq!((status, &wrong["error"]["setting"]), (400, &setting.into()), "{wrong}");
        assert!(!wrong["error"]["message"].as_str().unwrap().contains('\n'), "{wrong}");
    }
    let (_, wrong) = serving.asked("PATCH", "remotes/nas", &json!({ "settings": { "only": "a ratng:5" } }));
    assert_eq!(wrong["error"]["at"], json!([2, 7]), "{wrong}");
    let everything = |consent: bool| json!({ "settings": { "only": "type:photo", "limit": "20MB/s" }, "consent": consent });
    let (status, asked) = serving.asked("PATCH", "remotes/nas", &everything(false));
    assert_eq!((status, &asked["error"]["exposes"]["originals"]), (409, &3.into()), "{asked}");
    assert_eq!(serving.json("remotes")[0]["limit"], Value::Null, "nothing was changed");
    let change = serving.done("PATCH", "remotes/nas", &everything(true));
    assert_eq!((&change["newly_exposed"], &change["waiting_originals"]), (&3.into(), &3.into()), "{change}");
    let remote = &serving.json("remotes")[0];
    assert_eq!((&remote["policy"]["only"], &remote["limit"]), (&"type:photo".into(), &"20MB/s".into()));
    assert_eq!(groups(&serving), [("waiting".to_owned(), 3)]);
    let waiting = &serving.json("remotes/nas/waiting")["groups"][0];
    assert_eq!(waiting["examples"].as_array().unwrap().len(), 3, "{waiting}");

    let cost = &serving.json("costs")[0];
    assert_eq!((&cost["remote"], &cost["estimated"]), (&"nas".into(), &true.into()));
    assert!(cost["next_sync"][0]["bytes"].as_u64().unwrap() > 600_000, "{cost}");
    let job = serving.work("sync", &json!({}));
    assert_eq!((&job["state"], &job["kind"]), (&"done".into(), &"sync".into()), "{job:#}");
    assert_eq!(job["report"]["outcomes"][0]["synced_originals"], 3);
    assert!(groups(&serving).is_empty());

    // What comes in now is more than may go unasked: that is said before the sync that holds it, too.
    for seed in 10..13 {
        room.put(format!("{seed}.jpg"), heavy_photo(seed, 200_000));
    }
    room.import().ends_with(&[0]);
    let held = [("held".to_owned(), 3)];
    assert_eq!(groups(&serving), held);
    serving.work("sync", &json!({}));
    assert_eq!(groups(&serving), held);
    room.put("13.jpg", heavy_photo(13, 200_000));
    room.import().ends_with(&[0]);
    assert_eq!(groups(&serving), [("held".to_owned(), 4)]);
    serving.work("sync", &json!({ "consent": true }));
    assert!(groups(&serving).is_empty());
    assert_eq!(serving.json("remotes/nowhere/waiting")["error"]["code"], "not-found");

    // The place is away: the work fails, and says what to do.
    std::fs::rename(&place, room.path("elsewhere")).unwrap();
    let job = serving.work("sync", &json!({ "remote": "nas" }));
    assert_eq!(job["state"], "failed", "{job:#}");
    assert!(
        job["error"]["message"].is_string() && job["report"]["outcomes"][0]["error"].is_string(),
        "{job:#}"
    );
    std::fs::rename(room.path("elsewhere"), &place).unwrap();
    serving.end().ends_with(&[0]);
    room.verify_is_clean();
}

#[test]
fn what_takes_space_is_told_and_goes_against_a_proof_only() {
    let (room, place) = room_with_remote(2, &[]);
    room.put("small.jpg", photo(9));
    room.import().ends_with(&[0]);
    let serving = Serving::begin(&room);
    let kind = |storage: &Value, wanted: &str| -> u64 {
        let kinds = storage["kinds"].as_array().unwrap();
        kinds.iter().find(|kind| kind["kind"] == wanted).unwrap()["bytes"].as_u64().unwrap()
    };
    let storage = serving.json("storage");
    assert!(kind(&storage, "originals") > 400_000 && kind(&storage, "renditions") > 10_000, "{storage:#}");
    assert_eq!(storage["trash"]["photos"], 0);
    serving.work("sync", &json!({}));
    let plan = serving.done("POST", "storage/free/plan", &json!({}));
    assert_eq!((&plan["plan"], &plan["originals"]), (&Value::Null, &0.into()), "nothing is proven: {plan:#}");
    let plan = serving.done("POST", "storage/free/plan", &json!({ "prove": true }));
    assert_eq!(
        (&plan["originals"], &plan["against"][0]["download_originals"]),
        (&2.into(), &2.into()),
        "{plan:#}"
    );
    assert!(!plan["staying"].as_array().unwrap().is_empty(), "the small one stays: {plan:#}");
    let job = serving.work("storage/free", &json!({ "plan": plan["plan"] }));
    assert_eq!((&job["state"], &job["report"]["freed_originals"]), (&"done".into(), &2.into()), "{job:#}");
    let (status, used) = serving.asked("POST", "storage/free", &json!({ "plan": plan["plan"] }));
    assert_eq!((status, &used["error"]["code"]), (409, &"stale".into()));
    let after = serving.json("storage");
    assert_eq!((kind(&after, "originals"), &after["local"]["away_originals"]), (0, &2.into()), "{after:#}");

    // What went is collected, and comes back.
    let away = json!({ "q": "sync:cloud-only", "put": true });
    let basket = serving.done("POST", "thaw/basket", &away);
    assert_eq!(
        (&basket["photos"], &basket["readable"], &basket["archived"]),
        (&2.into(), &2.into(), &0.into()),
        "{basket:#}"
    );
    assert_eq!(
        (&basket["items"][0]["state"], &basket["items"][0]["remote"]),
        (&"cloud-only".into(), &"nas".into())
    );
    assert_eq!(basket["priorities"], json!([]), "nothing is archived");
    let looked = serving.work("thaw/look", &json!({}));
    assert_eq!(looked["report"]["readable_originals"], 2, "{looked:#}");
    let fetched = serving.work("thaw/fetch", &json!({}));
    assert_eq!(fetched["report"]["fetched_originals"], 2, "{fetched:#}");
    assert_eq!(serving.json("thaw")["photos"], 0);
    assert_eq!(serving.asked("POST", "thaw", &json!({ "priority": "high" })).1["error"]["code"], "refused");

    let settings =
        serving.done("PATCH", "storage/settings", &json!({ "budget_bytes": null, "originals": "keep-all" }));
    assert_eq!((&settings["budget_bytes"], &settings["originals"]), (&Value::Null, &"keep-all".into()));
    let old = serving.asked("PATCH", "storage/settings", &json!({ "proof_age_seconds": 31 * 86_400 }));
    assert_eq!((old.0, &old.1["error"]["code"]), (409, &"refused".into()));
    drop(place);
    serving.end().ends_with(&[0]);
    room.verify_is_clean();
}

#[test]
fn what_only_another_device_keeps_is_looked_for_at_once_and_it_is_said_who_keeps_it() {
    let (room, place) = room_with_remote(2, &[]);
    room.put("small.jpg", photo(77));
    room.import().ends_with(&[0]);
    let listed = room.list();
    let id_of = |name: &str| {
        let found = listed.iter().find(|each| each["path"].as_str().unwrap().ends_with(name)).unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    let (kept, small) = (id_of("0.jpg"), id_of("small.jpg"));
    room.safelight(&["sync", "off", &kept, &small]).ends_with(&[0]);
    room.safelight(&["sync"]).ends_with(&[0]);
    let second = room.path("second");
    let on_second = |arguments: &[&str]| room.run(room.unlocked_at(&second).args(arguments));
    let (words, address) = (room.path("recovery"), format!("folder:{}", place.display()));
    on_second(&["--recovery-file", words.to_str().unwrap(), "join", &address, "--name", "nas"])
        .ends_with(&[0]);
    let usb = room.path("usb");
    std::fs::create_dir(&usb).unwrap();
    on_second(&["remote", "add", "usb", &format!("folder:{}", usb.display())]).ends_with(&[0]);

    let serving = Serving::of(room.unlocked_at(&second));
    let look = || serving.asked("POST", &format!("assets/{kept}/fetch"), &json!({}));
    let keepers = serving.json(&format!("assets/{kept}"))["kept_by"].clone();
    assert_eq!(keepers.as_array().unwrap().len(), 1, "{keepers}");
    let (status, refused) = look();
    let why = &refused["error"]["why"];
    assert_eq!((status, &refused["error"]["code"]), (409, &"elsewhere".into()), "{refused}");
    assert_eq!(
        (&why["code"], &why["values"]["device"]),
        (&"looked-in-vain".into(), &keepers[0]),
        "{refused}"
    );
    assert_eq!(why["values"].get("unreached"), None, "{refused}");
    // A remote that could not be asked may hold it.
    std::fs::rename(&usb, room.path("unplugged")).unwrap();
    let (status, refused) = look();
    assert_eq!((status, &refused["error"]["why"]["values"]["unreached"]), (409, &"usb".into()), "{refused}");
    let told = on_second(&["--json", "local", "fetch", &kept]).ends_with(&[1]).json();
    let not_held = (&told["not_held_originals"], &told["kept_by"], &told["unreached"]);
    assert_eq!(not_held, (&1.into(), &keepers, &json!(["usb"])), "{told}");

    room.safelight(&["sync", "auto", &kept, &small]).ends_with(&[0]);
    room.safelight(&["sync"]).ends_with(&[0]);
    let (status, found) = look();
    assert!(status == 200 && found["bytes"].as_u64().unwrap() > 200_000, "{status} {found}");
    assert_eq!(serving.json(&format!("assets/{kept}"))["kept_by"], json!([]));
    let again = look();
    assert_eq!((again.0, &again.1["bytes"]), (200, &0.into()), "it is here");
    // Which pack a small one lies in is history, which a sync takes in; the hint says so.
    let look_for_small = || serving.asked("POST", &format!("assets/{small}/fetch"), &json!({}));
    let (status, refused) = look_for_small();
    assert_eq!(status, 409, "{refused}");
    assert!(refused["error"]["hint"].as_str().unwrap().contains("then here, and look again"), "{refused}");
    std::fs::rename(room.path("unplugged"), &usb).unwrap();
    on_second(&["sync"]).ends_with(&[0]);
    assert_eq!(look_for_small().0, 200);
    serving.end().ends_with(&[0]);
}

#[test]
fn a_preview_that_only_a_remote_holds_is_brought_here_when_its_photo_is_opened() {
    let (room, place) = room_with_remote(3, &[]);
    room.safelight(&["sync"]).ends_with(&[0]);
    let second = room.path("second");
    let on_second = |arguments: &[&str]| room.run(room.unlocked_at(&second).args(arguments));
    let (words, address) = (room.path("recovery"), format!("folder:{}", place.display()));
    on_second(&["--recovery-file", words.to_str().unwrap(), "join", &address, "--name", "nas"])
        .ends_with(&[0]);
    on_second(&["sync"]).ends_with(&[0]);

    let serving = Serving::of(room.unlocked_at(&second));
    let preview = |id: &str| {
        let (head, bytes) = serving.ask("GET", &format!("{}/p/{id}", serving.media), "");
        (head.split(' ').nth(1).unwrap_or_default().to_owned(), bytes.len())
    };
    let ids = serving.ids();
    for id in &ids[..2] {
        let (status, bytes) = preview(id);
        assert!(status == "200" && bytes > 0, "{status}: {bytes}");
    }
    // What came is kept; what did not is no error.
    std::fs::rename(&place, room.path("unplugged")).unwrap();
    assert_eq!(preview(&ids[0]).0, "200");
    assert_eq!(preview(&ids[2]), ("204".to_owned(), 0));
    std::fs::rename(room.path("unplugged"), &place).unwrap();
    assert_eq!(preview(&ids[2]).0, "200");
    serving.end().ends_with(&[0]);
    on_second(&["verify"]).ends_with(&[0]);
}
