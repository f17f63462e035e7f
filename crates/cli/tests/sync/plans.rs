//! What a dry run says is what then happens, into the tiers that were asked for, at prices that are said to be estimates.

use safelight_servers::{Azurite, http};

use crate::devices::{Meeting, World};

/// Whether about as many requests were made as planned: to within a third, or four where that is more. How many a place takes
/// for one thing is not known before: 25 were planned and 29 made of Azurite, then 9 and 13.
fn is_about_right(plan: &serde_json::Value, outcome: &serde_json::Value) {
    let (planned, made) = (&plan["requests"], &outcome["traffic"]["requests"]);
    let (planned, made) = (planned.as_u64().unwrap(), made.as_u64().unwrap());
    assert!(planned.abs_diff(made) <= (made / 3).max(4), "{planned} planned, {made} made: {plan}");
}

#[test]
fn a_dry_run_says_what_then_happens_and_originals_rest_in_the_tier_that_was_set() {
    let Some(server) = Azurite::start() else { return };
    let world = World::new(Meeting { address: server.address(), credential: Some(server.sas()) });
    let one = world.first("one");
    one.import(&world.photos("pics", 0..5));
    let tiny = world.path("pics/tiny.jpg");
    std::fs::write(&tiny, &crate::devices::photo(50)[..9000]).unwrap();
    one.import(&world.path("pics"));
    one.ends(&["remote", "set", "place", "tier=cold", "price.cold.month=0.5"], 0);
    assert_eq!(one.json(&["remote", "show", "place"])["policy"]["tier"], "cold");

    let plan = one.json(&["--dry-run", "sync"])[0].clone();
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    assert_eq!((number(&plan["originals"]), plan["tier"].as_str()), (5, Some("cold")));
    assert!(plan["prices"].as_str().unwrap().contains("you gave"), "{plan}");
    let costs = plan["costs"].as_array().unwrap();
    assert_eq!(costs[0]["tier"], "cold");
    assert_eq!(costs[0]["least_days"], 90);
    assert!(costs[0]["write_usd"].as_f64().unwrap() > 0.0);

    let outcome = one.json(&["sync"])[0].clone();
    // Bytes: what history and the frames of packs add to the sealed objects is some kilobytes.
    let planned = number(&plan["small_bytes"]) + number(&plan["original_bytes"]);
    let sent = number(&outcome["traffic"]["up_bytes"]);
    assert!(sent >= planned && sent <= planned + (64 << 10), "{planned} planned, {sent} sent");
    is_about_right(&plan, &outcome);

    // So it is for what comes later, when keys, cards and the id of the place are there already.
    one.import(&world.photos("later", 5..9));
    let plan = one.json(&["--dry-run", "sync"])[0].clone();
    is_about_right(&plan, &one.json(&["sync"])[0]);

    // Afterwards there is nothing to send, and what rests there has a price.
    let plan = one.json(&["--dry-run", "sync"])[0].clone();
    assert_eq!((number(&plan["originals"]), number(&plan["small_objects"])), (0, 0), "{plan}");
    let cost = one.json(&["remote", "cost", "place"])[0].clone();
    assert_eq!((&cost["estimated"], &cost["resting"][0]["tier"]), (&true.into(), &"cold".into()));
    assert!(cost["resting"][0]["month_usd"].as_f64().unwrap() > 0.0, "{cost}");
    let told = one.ends(&["remote", "cost"], 0);
    assert!(told.contains("estimated") && told.contains("charged for at least 90 days"), "{told}");

    // By the server's own word.
    let url = server.account_sas_url();
    let (_, sas) = url.split_once('?').unwrap();
    let path = format!("/{}/photos?restype=container&comp=list&{sas}", server.account());
    let (status, body) = http(server.port(), "GET", &path, &[("x-ms-version", "2021-12-02")], b"");
    let body = String::from_utf8_lossy(&body).into_owned();
    assert_eq!(status, 200, "{body}");
    let mut tiers = std::collections::BTreeMap::new();
    for blob in body.split("<Blob>").skip(1) {
        let between = |tag: &str| {
            let start = blob.find(&format!("<{tag}>")).map(|at| at + tag.len() + 2)?;
            Some(&blob[start..start + blob[start..].find('<')?])
        };
        let name = between("Name").unwrap();
        let area = name.strip_prefix("below/here/").unwrap().split('/').next().unwrap();
        tiers.entry(area.to_owned()).or_insert_with(Vec::new).push(between("AccessTier").unwrap().to_owned());
    }
    assert_eq!(tiers["o"], ["Cold"; 9]);
    assert_eq!(tiers["s"], ["Cold"]);
    for area in ["log", "keys", "root"] {
        assert!(tiers[area].iter().all(|tier| tier == "Hot"), "{area}: {tiers:?}");
    }
}
