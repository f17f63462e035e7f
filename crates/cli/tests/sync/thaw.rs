//! Thawing all that is archived, and thawing while a remote is away, on the built program.

use safelight_servers::Azurite;

use crate::devices::{Device, Meeting, World, photo};

/// A device whose originals rest archived in Azure, and not here.
fn archived(world: &World) -> Device<'_> {
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    one.ends(&["remote", "set", "place", "tier=archive"], 0);
    one.sync();
    one
}

fn azure(server: &Azurite) -> World {
    World::new(Meeting { address: server.address(), credential: Some(server.sas()) })
}

#[test]
fn all_that_is_archived_is_asked_for_after_its_cost_was_shown() {
    let Some(server) = Azurite::start() else { return };
    let world = azure(&server);
    let one = archived(&world);
    one.ends(&["local", "free", "--all", "--yes"], 0);
    let plan = one.json(&["local", "thaw", "--all", "--dry-run"]);
    let cost = &plan["costs"][0];
    assert_eq!((&plan["archived_originals"], &plan["asked_parts"]), (&2.into(), &0.into()), "{plan}");
    assert_eq!(
        (&cost["remote"], &cost["originals"], &cost["objects"]),
        (&"place".into(), &2.into(), &2.into()),
        "{plan}"
    );
    assert!(cost["bytes"].as_u64().unwrap() > 300_000 && cost["usd"].as_f64().unwrap() > 0.0, "{plan}");
    assert!(cost["prices"].as_str().unwrap().contains("list prices"), "{plan}");

    let (code, _, told) = one.tries(&["local", "thaw", "--all"]);
    assert_eq!(code, 5, "{told}");
    assert!(told.contains("place: 2 originals archived, 2 objects"), "{told}");
    assert!(told.contains("to bring back") && told.contains("--yes asks for"), "{told}");
    assert_eq!(one.json(&["local"])["thawing_originals"], 0, "nothing was asked for");

    let asked = one.json(&["local", "thaw", "--all", "--yes"]);
    assert_eq!((&asked["thawing_originals"], &asked["asked_parts"]), (&2.into(), &2.into()), "{asked}");
    assert_eq!(asked["costs"], serde_json::json!([]), "nothing is left to ask for");
    assert_eq!(one.json(&["sync"])[0]["local"]["fetched_originals"], 2);
    one.has_whole(&[photo(0), photo(1)], "out");
    // With nothing archived there is nothing to agree to.
    one.ends(&["local", "thaw", "--all"], 0);
    one.ends(&["local", "thaw"], 2);
}

#[test]
fn a_thaw_that_is_waited_for_ends_while_another_remote_is_away() {
    let Some(server) = Azurite::start() else { return };
    let world = azure(&server);
    let one = archived(&world);
    let cellar = tempfile::tempdir().unwrap();
    one.ends(&["remote", "add", "cellar", &format!("folder:{}", cellar.path().display())], 0);
    // One more rests in the cellar alone.
    one.import(&world.photos("more", 5..6));
    one.ends(&["sync", "off", "--remote", "place", "PLANTED-more-5.jpg"], 0);
    one.sync();
    one.ends(&["verify", "--remote", "cellar", "--all"], 0);
    one.ends(&["local", "free", "--all", "--yes"], 0);
    let away = cellar.path().with_extension("away");
    std::fs::rename(cellar.path(), &away).unwrap();
    let (code, out, told) =
        one.tries(&["--json", "local", "thaw", "--all", "--yes", "--wait", "--every", "1"]);
    assert_eq!(code, 1, "{told}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["readable_originals"], &report["unanswered_originals"], &report["missing_originals"]),
        (&2.into(), &1.into(), &0.into()),
        "{report}"
    );
    assert_eq!(
        (&report["fetched"]["fetched_originals"], &report["fetched"]["failed_originals"]),
        (&2.into(), &1.into()),
        "{report}"
    );
    assert!(told.contains("cellar"), "{told}");
    std::fs::rename(&away, cellar.path()).unwrap();
    one.has_whole(&[photo(0), photo(1), photo(5)], "out");
}

#[test]
fn what_rests_archived_and_not_here_is_said_to_need_a_thaw_before_another_place_gets_it() {
    let Some(server) = Azurite::start() else { return };
    let world = azure(&server);
    let one = archived(&world);
    one.ends(&["local", "free", "--all", "--yes"], 0);
    let cellar = tempfile::tempdir().unwrap();
    one.ends(&["remote", "add", "cellar", &format!("folder:{}", cellar.path().display())], 0);
    one.sync();
    let asset = one.listed()[0]["id"].as_str().unwrap().to_owned();
    let why = || {
        let shown = one.json(&["show", &asset]);
        let standings = shown["sync"].as_array().unwrap();
        let cellar = standings.iter().find(|standing| standing["remote"] == "cellar").unwrap();
        cellar["reason"].as_str().unwrap_or_default().to_owned()
    };
    assert!(why().contains("archived in place") && why().contains("safelight local thaw"), "{}", why());

    let (code, out, told) = one.tries(&["--json", "remote", "replicate", "place", "cellar"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("safelight local thaw"), "the way that works: {told}");
    let outcome: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&outcome["archived_objects"], &outcome["missing_objects"]),
        (&2.into(), &0.into()),
        "{outcome}"
    );

    one.ends(&["local", "thaw", "--all", "--yes"], 0);
    one.sync();
    one.sync();
    assert_eq!(one.json(&["remote", "show", "cellar"])["safe_originals"], 2, "what was promised is so");
}

#[test]
fn what_is_collected_in_the_basket_is_thawed_and_fetched_together() {
    let Some(server) = Azurite::start() else { return };
    let world = azure(&server);
    let one = archived(&world);
    one.ends(&["local", "free", "--all", "--yes"], 0);
    let ids: Vec<String> =
        one.listed().iter().map(|asset| asset["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(one.json(&["local", "basket"])["photos"], 0);
    one.ends(&["local", "basket", "thaw", "--yes"], 5);
    let basket = one.json(&["local", "basket", "add", &ids[0], &ids[1]]);
    assert_eq!((&basket["photos"], &basket["archived"]), (&2.into(), &2.into()), "{basket}");
    assert!(basket["costs"][0]["usd"].as_f64().unwrap() > 0.0, "{basket}");
    assert_eq!(basket["priorities"][1]["priority"], "high", "{basket}");
    let basket = one.json(&["local", "basket", "remove", &ids[1]]);
    assert_eq!(
        (&basket["photos"], &basket["items"][0]["state"]),
        (&1.into(), &"archived".into()),
        "{basket}"
    );
    let (code, out, told) = one.tries(&["local", "basket"]);
    assert!(code == 0 && out.contains("archived in place"), "{out}{told}");

    // What it costs is shown first, and nothing is asked for.
    let (code, _, told) = one.tries(&["local", "basket", "thaw"]);
    assert!(code == 5 && told.contains("place: 1 original archived"), "{told}");
    assert_eq!(one.json(&["local", "basket"])["thawing"], 0);
    let (code, ..) = one.tries(&["local", "basket", "fetch"]);
    assert_eq!(code, 1, "nothing can be read yet");
    assert_eq!(one.json(&["local", "basket"])["photos"], 1, "it stays in the basket");
    let asked = one.json(&["local", "basket", "thaw", "--yes"]);
    assert_eq!((&asked["thawing_originals"], &asked["asked_parts"]), (&1.into(), &1.into()), "{asked}");
    assert_eq!(one.json(&["local", "basket", "fetch"])["fetched_originals"], 1);
    assert_eq!(one.json(&["local", "basket"])["photos"], 0, "what came is out of it");
    one.json(&["local", "basket", "add", &ids[1]]);
    assert_eq!(one.json(&["local", "basket", "remove", "--all"])["photos"], 0);
}
