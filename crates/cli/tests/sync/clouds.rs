//! Signing in to clouds with the built program: a test is the person and the browser.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};

use safelight_servers::{Cloud, WsgiDav, browse};

use crate::devices::{Meeting, World, photo};

fn world(cloud: &Cloud) -> World {
    World::new(Meeting { address: cloud.address(), credential: Some(cloud.client()) })
}

/// Waits for the line on stderr that holds `wanted`, and gives it back; what comes later is read away.
pub(crate) fn heard(child: &mut Child, wanted: &str) -> String {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut said = String::new();
    let line = lines.by_ref().inspect(|line| said.push_str(line)).find(|line| line.contains(wanted));
    assert!(line.is_some(), "{wanted} was never said: {said}");
    std::thread::spawn(move || lines.for_each(drop));
    line.unwrap()
}

#[test]
fn a_browser_signs_in_to_google_drive_and_the_account_is_shown() {
    let cloud = Cloud::google_drive();
    let world = world(&cloud);
    let one = world.alone("one");
    let file = world.path("credential");
    let address = cloud.address();
    let arguments = ["remote", "add", "drive", &address, "--credential-file", file.to_str().unwrap()];
    let mut adding = one.command(&arguments).spawn().unwrap();
    let url = heard(&mut adding, "/o/oauth2/v2/auth?");
    let (status, page) = browse(&url);
    assert_eq!(status, 200);
    assert!(page.contains("signed in"), "{page}");
    assert!(adding.wait().unwrap().success());
    let shown = one.ends(&["remote", "show", "drive"], 0);
    assert!(shown.contains("a sign-in to Google as Franziska Test <franziska@example.com>"), "{shown}");
    one.import(&world.photos("pics", 0..2));
    one.sync();
    cloud.end_access_tokens();
    one.sync();
    // No token and no code stands anywhere in the library in the clear.
    let mut held = Vec::new();
    crate::devices::collect(&one.folder(), &mut held);
    for bytes in held {
        assert!(!bytes.windows(9).any(|window| window == b"h-PLANTED"), "a token lies open");
    }
}

#[test]
fn a_pasted_code_signs_in_to_dropbox_and_another_device_joins_with_its_own() {
    let cloud = Cloud::dropbox();
    let world = world(&cloud);
    let one = world.alone("one");
    let address = cloud.address();
    let add = ["remote", "add", "place", &address, "--client-id", cloud.client_id()];
    paste(one.command(&add).stdin(Stdio::piped()).spawn().unwrap());
    one.import(&world.photos("pics", 0..2));
    one.sync();
    let (two, words) = (world.device("two"), world.path("words"));
    let join =
        ["--recovery-file", words.to_str().unwrap(), "join", &address, "--client-id", cloud.client_id()];
    paste(two.command(&join).stdin(Stdio::piped()).spawn().unwrap());
    two.has_whole(&[photo(0), photo(1)], "out");
}

pub(crate) fn paste(mut child: Child) {
    let mut stdin = child.stdin.take().unwrap();
    let url = heard(&mut child, "/oauth2/authorize?");
    let (status, code) = browse(&url);
    assert_eq!(status, 200, "{code}");
    writeln!(stdin, "{code}").unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_code_typed_elsewhere_signs_in_to_onedrive_and_a_rotating_sign_in_outlives_processes() {
    let cloud = Cloud::onedrive();
    cloud.rotate_strictly();
    let world = world(&cloud);
    let one = world.alone("one");
    let address = cloud.address();
    let add = ["remote", "add", "place", &address, "--client-id", cloud.client_id(), "--device-code"];
    let mut adding = one.command(&add).spawn().unwrap();
    let line = heard(&mut adding, "CODE-");
    assert!(line.contains("https://example.com/device"), "{line}");
    assert_eq!(cloud.approve_device_codes(), 1);
    assert!(adding.wait().unwrap().success());
    one.import(&world.photos("pics", 0..2));
    for _ in 0..3 {
        cloud.end_access_tokens();
        // Both want a new token at the same time; each token can be used once.
        let check = one.command(&["remote", "check", "place"]).spawn().unwrap();
        let sync = one.command(&["sync"]).spawn().unwrap();
        for child in [check, sync] {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    one.ends(&["verify", "--remote", "--all"], 0);
}

#[test]
fn a_sign_in_that_was_withdrawn_is_told_and_can_be_made_again() {
    let cloud = Cloud::google_drive();
    let world = World::new(Meeting { address: cloud.address(), credential: Some(cloud.sign_in()) });
    let one = world.first("one");
    one.import(&world.photos("pics", 0..2));
    cloud.end_sign_ins();
    let output = one.command(&["sync"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("the sign-in to Google has ended or was withdrawn"), "{said}");
    assert!(said.contains("safelight remote set place --sign-in") && !said.contains("PLANTED-"), "{said}");
    let mut again = one.command(&["remote", "set", "place", "--sign-in"]).spawn().unwrap();
    let url = heard(&mut again, "/o/oauth2/v2/auth?");
    assert_eq!(browse(&url).0, 200);
    assert!(again.wait().unwrap().success());
    one.sync();
    one.ends(&["verify", "--remote"], 0);
}

#[test]
fn a_check_prints_every_capability_and_row_and_leaves_nothing_behind() {
    let cloud = Cloud::google_drive();
    let world = World::new(Meeting { address: cloud.address(), credential: Some(cloud.sign_in()) });
    let one = world.first("one");
    let files = cloud.files();
    let output = one.command(&["remote", "check", "place"]).output().unwrap();
    assert!(output.status.success());
    let (rows, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    for code in 1..=16 {
        assert!(rows.contains(&format!("R{code} ")), "{rows}");
    }
    assert!(rows.contains("one-winner  no: names are not unique in Google Drive"), "{rows}");
    assert!(rows.contains("replace  works"), "only the suite finds it out: {rows}");
    assert!(rows.contains("  R4  skipped  of several writers"), "{rows}");
    assert!(said.contains("never ran it against the real service"), "{said}");
    assert_eq!(cloud.files(), files);
    let checked = one.json(&["remote", "check", "place"]);
    assert_eq!(checked["rows"].as_array().unwrap().len(), 16);
    assert_eq!(checked["rows"][2]["verdict"], "held");
    assert!(checked["notice"].as_str().unwrap().contains("stand-ins"));
}

#[test]
fn what_cannot_be_signed_in_to_is_refused_with_the_next_step() {
    let cloud = Cloud::dropbox();
    let world = world(&cloud);
    let one = world.alone("one");
    for (arguments, code, wanted) in [
        (vec!["remote", "add", "a", "dropbox:/x"], 5, "--client-id ID or --credential-file FILE"),
        (
            vec!["remote", "add", "a", "dropbox:/x?endpoint=https://evil.example.com", "--client-id", "x"],
            2,
            "this machine",
        ),
        (vec!["remote", "add", "a", "dropbox:/x", "--client-id", "x y"], 2, "a client id is"),
        (vec!["remote", "add", "a", "folder:/x", "--client-id", "x"], 5, "nobody signs in"),
        (vec!["remote", "set", "a", "--sign-in"], 4, "no remote"),
    ] {
        let output = one.command(&arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(wanted), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    }
}

#[test]
fn what_becomes_of_one_remote_hides_nothing_of_the_others() {
    let good = tempfile::tempdir().unwrap();
    let bad = tempfile::tempdir().unwrap();
    let folder = |place: &tempfile::TempDir| format!("folder:{}", place.path().display());
    let world = World::new(Meeting { address: folder(&bad), credential: None });
    let one = world.first("one");
    one.ends(&["remote", "add", "second", &folder(&good)], 0);
    one.import(&world.photos("pics", 0..2));
    let gone = bad.path().to_owned();
    drop(bad);
    assert!(!gone.exists());
    let output = one.command(&["--json", "sync"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let outcomes: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcomes[0]["remote"], "place");
    assert!(outcomes[0]["error"].as_str().is_some_and(|error| error.contains("no folder at")), "{outcomes}");
    assert_eq!(outcomes[1]["remote"], "second");
    assert!(outcomes[1]["error"].is_null());
    assert_eq!(outcomes[1]["synced_originals"], 2);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("place: ") && said.contains("1 of 2 remotes were not synced"), "{said}");
    // The list remembers it, the other one alone is fine.
    let listed = one.json(&["remote", "list"]);
    assert!(listed[0]["last_error"].is_string() && listed[1]["last_error"].is_null(), "{listed}");
    one.ends(&["sync", "second"], 0);
}

#[test]
fn leftovers_of_interrupted_uploads_are_swept_a_week_later() {
    let Some(server) = WsgiDav::start() else { return };
    let world = World::new(Meeting { address: server.address(), credential: None });
    let one = world.first("one");
    let leftovers = server.root().join("below/here/.safelight-tmp");
    let (old, new) = (leftovers.join("aaaaaaaaaaaaaaaa"), leftovers.join("bbbbbbbbbbbbbbbb"));
    let leave = |path: &std::path::Path, days: u64| {
        std::fs::write(path, b"half of an upload").unwrap();
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(days * 24 * 3600);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    };
    leave(&old, 8);
    leave(&new, 6);
    assert_eq!(one.json(&["sync"])[0]["swept"], 1);
    assert!(!old.exists() && new.exists(), "only what is a week old");
    leave(&old, 8);
    assert_eq!(one.json(&["sync"])[0]["swept"], 0);
    assert!(old.exists(), "it is looked for once a day");
}
