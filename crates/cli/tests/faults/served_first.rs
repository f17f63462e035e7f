//! The first run in the gallery: a library is made or joined from the page.

use serde_json::{Map, Value, json};

use crate::pictures::photo;
use crate::room::{Room, files_below};
use crate::serving::Serving;

const PASSPHRASE: &str = "quartz lantern obey mosaic";

fn words_back(told: &Value) -> Map<String, Value> {
    let asked = told["ask"].as_array().unwrap().iter().map(|position| position.as_u64().unwrap());
    asked.map(|at| (at.to_string(), told["words"][usize::try_from(at).unwrap() - 1].clone())).collect()
}

#[test]
fn a_library_is_made_from_the_page_and_opens_with_its_words_and_its_passphrase() {
    let room = Room::empty();
    for seed in 0..2 {
        room.put(format!("{seed}.jpg"), photo(seed));
    }
    let serving = Serving::of(room.bare());
    let status = serving.json("status");
    assert_eq!(status["first_run"]["folder"], json!(room.library()), "{status:#}");
    assert_eq!((&status["locked"], &status["revision"]), (&false.into(), &Value::Null));
    for path in ["albums", "timeline/skeleton", "remotes", "storage", "sources"] {
        assert_eq!(serving.json(path)["error"]["code"], "no-library", "{path}");
    }
    for (path, body) in [
        ("import", json!({ "paths": ["/"] })),
        ("sync", json!({})),
        ("unlock", json!({ "passphrase": "x" })),
        ("hidden/open", json!({ "passphrase": "x" })),
    ] {
        assert_eq!(serving.asked("POST", path, &body).1["error"]["code"], "no-library", "{path}");
    }
    let weak = serving.done("POST", "first/strength", &json!({ "passphrase": "password1" }));
    let strong = serving.done("POST", "first/strength", &json!({ "passphrase": PASSPHRASE }));
    assert!(weak["score"].as_u64() < strong["score"].as_u64(), "{weak} {strong}");

    let create = |passphrase: &str, words: Map<String, Value>| {
        serving.asked("POST", "first/create", &json!({ "passphrase": passphrase, "words_back": words }))
    };
    assert_eq!(create(PASSPHRASE, Map::new()).0, 409, "no words were shown");
    let told = serving.done("POST", "first/words", &json!({}));
    let right = words_back(&told);
    assert_eq!(right.len(), 3);
    let mut wrong = right.clone();
    let first = wrong.keys().next().unwrap().clone();
    wrong.insert(first.clone(), "nonsense".into());
    let (status, refused) = create(PASSPHRASE, wrong);
    assert_eq!((status, &refused["error"]["code"]), (403, &"wrong-words".into()));
    assert_eq!(refused["error"]["wrong"], json!([first.parse::<u64>().unwrap()]));
    assert_eq!(create("short", right.clone()).1["error"]["code"], "refused");
    assert!(!room.library().exists(), "nothing was made");
    let (status, made) = create(PASSPHRASE, right.clone());
    assert_eq!((status, &made["path"]), (200, &json!(room.library())), "{made}");
    assert_eq!(create(PASSPHRASE, right).1["error"]["code"], "refused", "there is one now");

    let status = serving.json("status");
    assert_eq!((&status["first_run"], &status["counts"]["shown"]), (&Value::Null, &0.into()), "{status:#}");
    let job = serving.work("import", &json!({ "paths": [room.photos()] }));
    assert_eq!(job["report"]["imported"], 2, "{job:#}");
    serving.done("POST", "lock", &json!({}));
    assert_eq!(serving.json("albums")["error"]["code"], "locked");
    serving.done("POST", "unlock", &json!({ "passphrase": PASSPHRASE }));
    assert_eq!(serving.ids().len(), 2);
    let ended = serving.end().ends_with(&[0]);
    let all: Vec<&str> =
        told["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert!(!ended.stderr.contains(PASSPHRASE) && !ended.stderr.contains(all[0]), "{}", ended.stderr);
    for file in files_below(&room.library()) {
        let bytes = std::fs::read(&file).unwrap();
        let has = |secret: &str| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!has(PASSPHRASE) && !has(&all[..4].join(" ")), "{}", file.display());
    }

    // The words that were shown are the ones that open it.
    let words = room.path("words");
    std::fs::write(&words, all.join(" ")).unwrap();
    let mut by_words = room.bare();
    by_words.arg("--recovery-file").arg(&words).args(["list", "--count"]);
    assert_eq!(room.run(&mut by_words).ends_with(&[0]).text().trim(), "2");
    std::fs::write(room.path("passphrase"), PASSPHRASE).unwrap();
    let mut by_passphrase = room.bare();
    by_passphrase.arg("--passphrase-file").arg(room.path("passphrase")).args(["list", "--count"]);
    assert_eq!(room.run(&mut by_passphrase).ends_with(&[0]).text().trim(), "2");
}

#[test]
fn a_library_is_joined_from_the_page_with_its_place_and_its_words() {
    let first = Room::empty();
    let place = first.path("place");
    std::fs::create_dir(&place).unwrap();
    let address = format!("folder:{}", place.display());
    let serving = Serving::of(first.bare());
    let told = serving.done("POST", "first/words", &json!({}));
    let made = json!({ "passphrase": PASSPHRASE, "words_back": words_back(&told) });
    serving.done("POST", "first/create", &made);
    first.put("0.jpg", photo(0));
    serving.work("import", &json!({ "paths": [first.photos()] }));
    serving.done("POST", "remotes", &json!({ "name": "nas", "address": address }));
    assert_eq!(serving.work("sync", &json!({}))["state"], "done");
    let six_words = serving.json("status")["state"]["six_words"].clone();
    serving.end().ends_with(&[0]);

    let second = Room::empty();
    let serving = Serving::of(second.bare());
    let words: Vec<&str> =
        told["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let asked = |words: &str, address: &str| json!({ "address": address, "words": words, "passphrase": PASSPHRASE, "six_words": six_words });
    let (status, refused) = serving.asked("POST", "first/join", &asked("not these words", &address));
    assert_eq!((status, &refused["error"]["code"]), (400, &"not-understood".into()), "{refused}");
    let nowhere = serving.work("first/join", &asked(&words.join(" "), &format!("{address}-nowhere")));
    assert_eq!(
        (&nowhere["state"], nowhere["error"]["code"].is_string()),
        (&"failed".into(), true),
        "{nowhere:#}"
    );
    assert!(serving.json("status")["first_run"].is_object(), "nothing was joined");
    let job = serving.work("first/join", &asked(&words.join(" "), &address));
    assert_eq!((&job["state"], &job["kind"]), (&"done".into(), &"join".into()), "{job:#}");
    assert!(matches!(job["report"]["six_words"].as_str(), Some("same" | "earlier")), "{job:#}");
    assert_eq!(serving.ids().len(), 1);
    assert_eq!(serving.json("remotes")[0]["name"], "origin");
    serving.end().ends_with(&[0]);
}
