//! Where everything stands, and the rows of any stretch of it.

use serde_json::{Value, json};

use crate::room::{Answer, Browser, Room, picture};

fn numbers(answer: &Answer) -> Vec<u32> {
    let four = |four: &[u8]| u32::from_le_bytes(four.try_into().unwrap());
    let numbers: Vec<u32> = answer.body.chunks_exact(4).take(4).map(four).collect();
    let days = 2 * usize::try_from(numbers[2]).unwrap();
    answer.body.chunks_exact(4).take(4 + days).map(four).collect()
}

fn skeleton(browser: &Browser, query: &str) -> Answer {
    let answer = browser.get(&format!("timeline/skeleton?{query}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

#[test]
fn the_skeleton_counts_every_photo_once() {
    let photos: Vec<(String, Vec<u8>)> = (0..5).map(|at| (format!("{at}.jpg"), picture(at, 600))).collect();
    let photos: Vec<(&str, Vec<u8>)> =
        photos.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let room = Room::with(&photos);
    let browser = room.serve();
    let answer = skeleton(&browser, "");
    let numbers = numbers(&answer);
    assert_eq!((numbers[0], numbers[1], numbers[3]), (1, 5, 0));
    let counted: u32 = numbers[4..].chunks_exact(2).map(|day| day[1]).sum();
    assert_eq!(counted, 5);
    assert_eq!(answer.body.len(), 16 + 8 * usize::try_from(numbers[2]).unwrap() + 5);
    let columns = browser.get("timeline/columns?start=1&count=3").json();
    assert_eq!(columns["id"].as_array().unwrap().len(), 3);
    for (at, id) in browser.ids().iter().enumerate() {
        assert_eq!(browser.get(&format!("timeline/position?id={id}")).json()["index"], at);
    }
    assert_eq!(browser.get("timeline/columns?start=9&count=3").json()["id"], json!([]));
    let nobody = browser.get(&format!("timeline/position?id={}", "0".repeat(64)));
    assert_eq!((nobody.status, &nobody.json()["index"]), (200, &Value::Null));
}

#[test]
fn a_skeleton_that_is_known_is_not_sent_again_until_something_changes() {
    let room = Room::with(&[("one.jpg", picture(1, 600))]);
    let browser = room.serve();
    let tag = skeleton(&browser, "").header("etag").unwrap().to_owned();
    let again = || {
        browser.ask(
            "GET",
            "/api/v1/timeline/skeleton",
            &browser.headers_but("If-None-Match", Some(&tag)),
            &[],
        )
    };
    assert_eq!(again().status, 304);
    assert_ne!(skeleton(&browser, "q=is:favourite").header("etag").unwrap(), tag);
    let revision = browser.get("status").json()["revision"].as_u64().unwrap();
    let stretch = format!("timeline/columns?start=0&count=1&revision={revision}");
    assert_eq!(browser.get(&stretch).status, 200);
    // Another program changes the library.
    room.import(&[("two.jpg", picture(2, 600))]);
    assert_eq!(again().status, 200);
    let stale = browser.get(&stretch);
    assert_eq!((stale.status, stale.code().as_str()), (409, "stale"));
    assert_eq!(browser.ids().len(), 2);
}

#[test]
fn a_query_that_cannot_be_understood_is_pointed_at() {
    let room = Room::with(&[("one.jpg", picture(1, 600))]);
    let browser = room.serve();
    let answer = browser.get("timeline/skeleton?q=beach%20camrea:canon");
    assert_eq!((answer.status, answer.code().as_str()), (400, "not-understood"));
    assert_eq!(answer.json()["error"]["at"], json!([6, 12]));
    let offered = browser.get("complete?q=is:fav&at=6").json();
    assert_eq!((&offered["from"], &offered["to"]), (&json!(0), &json!(6)));
    assert_eq!(offered["choices"][0]["text"], "is:favourite");
}
