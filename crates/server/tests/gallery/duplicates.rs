//! What is asked about duplicates, where nothing can be compared; with pictures it is tried on the whole program.

use serde_json::json;

use crate::room::{Room, picture};

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let room = Room::with(&[("a.jpg", picture(1, 600)), ("b.jpg", picture(2, 600))]);
    let browser = room.serve();
    let ids = browser.ids();
    let page = browser.get("duplicates").json();
    assert_eq!((&page["total"], &page["groups"]), (&json!(0), &json!([])));
    assert_eq!(browser.get("duplicates?kind=nonsense").status, 400);
    let asked = [
        (json!({}), 400),
        (json!({ "safe": true, "groups": [] }), 400),
        (json!({ "groups": [{ "keep": "nonsense", "drop": [ids[0]] }] }), 404),
        (json!({ "groups": [{ "keep": ids[0], "drop": [ids[1]] }] }), 409),
        (json!({ "groups": [{ "keep": ids[0], "drop": [ids[0]] }] }), 409),
    ];
    for (body, status) in asked {
        let answer = browser.post("duplicates/apply", &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.json());
    }
    let nothing = browser.post("duplicates/apply", &json!({ "safe": true })).json();
    assert_eq!((&nothing["trashed"], &nothing["undo"]), (&json!(0), &json!(null)));
    assert_eq!(browser.ids(), ids);
}

#[test]
fn groups_are_not_told_to_whoever_was_not_let_in_or_while_it_is_locked() {
    let room = Room::with(&[("a.jpg", picture(1, 600))]);
    let browser = room.serve();
    assert_eq!(browser.get("duplicates").status, 200);
    assert_eq!(browser.post("lock", &json!({})).status, 200);
    assert_eq!(browser.get("duplicates").status, 423);
    assert_eq!(browser.post("duplicates/apply", &json!({ "safe": true })).status, 423);
}
