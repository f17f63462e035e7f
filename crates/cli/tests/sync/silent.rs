//! Remotes that do not answer: named, and in nobody's way, on the built program.

use safelight_servers::WsgiDav;

use crate::devices::{World, collect, photo};

#[test]
fn a_remote_that_is_silent_is_named_and_keeps_nothing_from_what_another_holds() {
    let Some(server) = WsgiDav::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    let silent = server.address();
    one.add_remote("nas", &silent);
    one.import(&world.photos("pics", 0..2));
    // One of the two goes to the folder only, the other to the server only.
    one.ends(&["sync", "off", "--remote", "nas", "PLANTED-pics-0.jpg"], 0);
    one.ends(&["sync", "off", "--remote", "place", "PLANTED-pics-1.jpg"], 0);
    one.sync();
    one.ends(&["verify", "--remote", "--all"], 0);
    one.ends(&["local", "free", "--all", "--yes"], 0);
    drop(server);

    let target = world.path("out");
    let (code, _, told) = one.tries(&["export", target.to_str().unwrap()]);
    assert_eq!(code, 1, "{told}");
    let line = told.lines().find(|line| line.contains("PLANTED-pics-1.jpg")).unwrap();
    assert!(line.contains(&silent) && line.contains("could not be reached"), "{told}");
    assert!(!told.contains("PLANTED-pics-0.jpg"), "{told}");
    let mut exported = Vec::new();
    collect(&target, &mut exported);
    assert!(exported.contains(&photo(0)) && !exported.contains(&photo(1)));

    let (code, _, told) = one.tries(&["sync"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("nas") && told.contains(&silent), "{told}");
    assert!(told.contains("1 of 2 remotes were not synced"), "{told}");
}
