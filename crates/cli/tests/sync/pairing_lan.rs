//! A device lets another in over the local network, as two programs that know nothing of each other but the eight words. The
//! network is this machine's own, so the address is told; nothing is announced there.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use safelight_servers::{Azurite, Cloud};
use serde_json::Value;

use crate::clouds::paste;
use crate::devices::{Device, Meeting, World};
use crate::pairing::{Talking, is_empty, one_in, sync_all};

/// Invites at this machine's own address; answers what is said, and the address.
fn invite(device: &Device<'_>, more: &[&str]) -> (Talking, Value, String) {
    let arguments = [&["device", "invite", "--lan-address", "127.0.0.1"], more].concat();
    let mut inviting = Talking::start(device, &arguments);
    let invited = inviting.event("invited");
    let lan = invited["lan"][0].as_str().unwrap().to_owned();
    assert!(lan.starts_with("lan:127.0.0.1:"), "{invited}");
    assert_eq!((&invited["lan_announced"], &invited["lan_trouble"]), (&false.into(), &Value::Null));
    (inviting, invited, lan)
}

fn join<'a>(world: &'a World, name: &str, lan: &str, code: &str, more: &[&str]) -> (Device<'a>, Talking) {
    let device = world.device(name);
    let arguments = ["join", lan, "--name", "place", "--device-name", name, "--code"];
    let mut joining = Talking::start(&device, &[&arguments, more].concat());
    joining.hear(code);
    (device, joining)
}

fn compare(inviting: &mut Talking, joining: &mut Talking) {
    let (here, there) = (inviting.event("compare"), joining.event("compare"));
    assert_eq!(here["six_words"], there["six_words"]);
    inviting.hear(there["six_words"].as_str().unwrap());
    joining.hear(here["six_words"].as_str().unwrap());
}

#[test]
fn eight_words_are_enough_on_one_network_and_the_place_is_told() {
    let place = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    one.add_remote("attic", &format!("folder:{}", other.path().display()));
    let (mut inviting, invited, lan) = invite(&one, &["--remote", "place"]);
    let (two, mut joining) = join(&world, "two", &lan, invited["words"].as_str().unwrap(), &[]);
    compare(&mut inviting, &mut joining);
    let learned = joining.event("learned")["places"].clone();
    assert_eq!(learned.as_array().unwrap().len(), 2, "{learned}");
    assert_eq!(
        (&learned[0]["name"], &learned[0]["address"]),
        (&"place".into(), &format!("folder:{}", place.path().display()).into())
    );
    assert_eq!(learned[1]["name"], "attic");
    let joined = joining.event("joined");
    assert_eq!(joined["unwitnessed"], false, "{joined}");
    let admitted = inviting.event("admitted");
    assert_eq!((&admitted["name"], &admitted["heard"]), (&"two".into(), &true.into()));
    inviting.end(0);
    joining.end(0);
    sync_all(&[&one, &two]);
    assert_eq!(one.state(), two.state());
    assert_eq!(two.json(&["remote", "list"])[0]["address"], learned[0]["address"]);
    // Nobody listens there any more, and the code is used in the place as well.
    assert!(TcpStream::connect(lan.trim_start_matches("lan:")).is_err());
    let (_, joining) = join(&world, "three", &lan, invited["words"].as_str().unwrap(), &[]);
    let said = joining.end(7);
    assert!(said.contains("the local network (127.0.0.1") && said.contains("still waits"), "{said}");
}

#[test]
fn a_new_device_gets_storage_of_its_own_over_the_local_network() {
    let Some(server) = Azurite::start() else { return };
    let world = World::new(Meeting { address: server.address(), credential: Some(server.account_key()) });
    let one = one_in(&world);
    let (mut inviting, invited, lan) = invite(&one, &["--with-storage"]);
    // Neither an address nor a credential is given.
    let (two, mut joining) = join(&world, "two", &lan, invited["words"].as_str().unwrap(), &[]);
    compare(&mut inviting, &mut joining);
    joining.event("joined");
    inviting.end(0);
    joining.end(0);
    two.sync();
    let shown = two.json(&["remote", "show", "place"]).to_string();
    assert!(shown.contains("SAS") && !shown.contains("account key"), "{shown}");
}

#[test]
fn a_device_that_only_uploads_comes_in_over_the_local_network() {
    let place = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    one.add_remote("attic", &format!("folder:{}", other.path().display()));
    let (mut inviting, invited, lan) = invite(&one, &["--upload-only", "--remote", "place"]);
    let device = world.device("phone");
    let arguments = ["join", &lan, "--code", "--upload-only", "--device-name", "phone"];
    let mut joining = Talking::start(&device, &arguments);
    joining.hear(invited["words"].as_str().unwrap());
    compare(&mut inviting, &mut joining);
    let learned = joining.event("learned")["places"].clone();
    assert_eq!(learned.as_array().unwrap().len(), 1, "it hears of no other place: {learned}");
    assert_eq!(joining.event("joined")["upload_only"], true);
    inviting.end(0);
    joining.end(0);
    device.json(&["import", world.photos("sent", 5..6).to_str().unwrap()]);
    one.sync();
    assert_eq!(one.listed().len(), 2);
}

#[test]
fn who_answers_later_than_the_device_that_invited_still_hears_that_it_was_let_in() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    let (mut inviting, invited, lan) = invite(&one, &["--without-comparing"]);
    let (two, mut joining) = join(&world, "two", &lan, invited["words"].as_str().unwrap(), &[]);
    let there = joining.event("compare");
    // The other device has admitted it before its own person says yes.
    let mut devices = 1;
    while devices == 1 {
        devices = one.json(&["device"]).as_array().unwrap().len();
    }
    joining.hear(there["six_words"].as_str().unwrap());
    joining.event("joined");
    inviting.event("admitted");
    let told = inviting.end(0);
    assert!(told.contains("stays until the other one has heard of it"), "{told}");
    joining.end(0);
    sync_all(&[&one, &two]);
    assert_eq!(one.state(), two.state());
}

#[test]
fn wrong_codes_from_near_by_are_told_and_the_third_ends_the_invitation_there_alone() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    let (mut inviting, invited, lan) = invite(&one, &[]);
    let mut entropy = safelight_crypto::SeededEntropy::new(7);
    for left in [2, 1, 0] {
        let nobody = safelight_crypto::PairingCode::generate(&mut entropy).words();
        let (two, joining) = join(&world, "two", &lan, &nobody, &[]);
        let said = joining.end(3);
        assert!(
            said.contains("exchanged the card") && said.contains(lan.trim_start_matches("lan:")),
            "{said}"
        );
        assert!(said.contains("somebody on this network answers in its place"), "{said}");
        assert!(is_empty(&two.folder()));
        let tried = inviting.event("tried");
        assert_eq!((&tried["left"], &tried["near"]), (&left.into(), &true.into()));
    }
    let code = invited["words"].as_str().unwrap();
    let (_, joining) = join(&world, "two", &lan, code, &[]);
    let said = joining.end(5);
    assert!(said.contains("after three tries") && said.contains("the code is good in the remote"), "{said}");
    assert_eq!(one.json(&["device"]).as_array().unwrap().len(), 1, "nobody was let in");
    // Through the place it comes in.
    let address = format!("folder:{}", place.path().display());
    let (_, mut joining) = join(&world, "two", &address, code, &[]);
    compare(&mut inviting, &mut joining);
    joining.event("joined");
    assert_eq!(inviting.event("admitted")["heard"], true);
    inviting.end(0);
    joining.end(0);
}

/// Waits until something is so that another program does.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the pairing that is in a place has been closed, and what is of no use any more removed.
fn is_closed(place: &Path) -> bool {
    let pairings = std::fs::read_dir(place.join("pair")).into_iter().flatten().flatten();
    pairings
        .into_iter()
        .any(|pairing| pairing.path().join("closed").is_file() && !pairing.path().join("offer").is_file())
}

#[test]
fn a_device_that_was_let_in_and_never_heard_of_it_is_named() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    let (mut inviting, invited, lan) = invite(&one, &["--without-comparing"]);
    let (two, mut joining) = join(&world, "two", &lan, invited["words"].as_str().unwrap(), &[]);
    joining.event("compare");
    until("the device is let in", || is_closed(place.path()));
    // Its person never answers, and this one's has no time.
    inviting.interrupt();
    let admitted = inviting.event("admitted");
    assert_eq!(admitted["heard"], false, "{admitted}");
    let said = inviting.end(1);
    let id = admitted["device"].as_str().unwrap();
    assert!(said.contains("two was let in, and did not hear of it"), "{said}");
    assert!(said.contains(&format!("safelight device retire {id}")), "{said}");
    joining.end(5);
    assert!(is_empty(&two.folder()));
    one.json(&["--yes", "device", "retire", id]);
}

#[test]
fn a_place_that_the_new_device_does_not_reach_is_named_with_what_to_do() {
    let (place, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    let (inviting, invited, lan) = invite(&one, &["--without-comparing"]);
    let (two, mut joining) = join(&world, "two", &lan, invited["words"].as_str().unwrap(), &[]);
    let there = joining.event("compare");
    until("the device is let in", || is_closed(place.path()));
    // The new device has nothing there: a drive that is not connected to it.
    std::fs::rename(place.path(), away.path().join("elsewhere")).unwrap();
    joining.hear(there["six_words"].as_str().unwrap());
    joining.event("learned");
    let said = joining.end(4);
    assert!(said.contains("was let in already, and does not get into folder:"), "{said}");
    assert!(said.contains("a new invitation") && said.contains("safelight device retire"), "{said}");
    inviting.end(0);
    assert!(is_empty(&two.folder()));
    std::fs::rename(away.path().join("elsewhere"), place.path()).unwrap();
}

#[test]
fn a_new_device_signs_in_at_the_cloud_that_it_is_told_of() {
    let cloud = Cloud::dropbox();
    let world = World::new(Meeting { address: cloud.address(), credential: Some(cloud.client()) });
    let one = world.alone("one");
    let address = cloud.address();
    let client = cloud.client_id();
    let add = ["remote", "add", "place", &address, "--client-id", client];
    paste(one.command(&add).stdin(Stdio::piped()).spawn().unwrap());
    one.import(&world.photos("pics", 0..1));
    one.sync();
    let (mut inviting, invited, lan) = invite(&one, &[]);
    let (_two, mut joining) =
        join(&world, "two", &lan, invited["words"].as_str().unwrap(), &["--client-id", client, "--yes"]);
    compare(&mut inviting, &mut joining);
    assert_eq!(joining.event("learned")["places"][0]["address"], address);
    joining.sign_in();
    joining.event("joined");
    assert_eq!(inviting.event("admitted")["heard"], true);
    inviting.end(0);
    joining.end(0);
    // A client in a file is not signed in with where nothing is known of the place; nor without anybody's word.
    let (code, file) = (world.path("code"), world.path("credential"));
    std::fs::write(&code, invited["words"].as_str().unwrap()).unwrap();
    let three = world.device("three");
    let arguments =
        ["join", &lan, "--code-file", code.to_str().unwrap(), "--credential-file", file.to_str().unwrap()];
    let (code, _, said) = three.tries(&arguments);
    assert!(code == 5 && said.contains("nobody is here to agree"), "{code}: {said}");
    let (code, _, said) = three.tries(&[&["--yes"], arguments.as_slice()].concat());
    assert!(code == 7 && said.contains("the local network (127.0.0.1"), "{code}: {said}");
}

/// A line to a device that can be cut, and how often somebody met it cut.
struct Line {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    met: Arc<AtomicUsize>,
}

fn line_to(to: SocketAddr) -> Line {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let line = Line { address: listener.local_addr().unwrap(), is_cut: Arc::default(), met: Arc::default() };
    let (is_cut, met) = (Arc::clone(&line.is_cut), Arc::clone(&line.met));
    std::thread::spawn(move || {
        for from in listener.incoming().flatten() {
            if is_cut.load(Ordering::SeqCst) {
                met.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            let Ok(there) = TcpStream::connect(to) else { continue };
            let (mut asks, mut hears) = (from.try_clone().unwrap(), there.try_clone().unwrap());
            let said = std::thread::spawn(move || {
                let _said = std::io::copy(&mut asks, &mut hears);
                let _ended = hears.shutdown(Shutdown::Write);
            });
            let (mut from, mut there) = (from, there);
            let _answered = std::io::copy(&mut there, &mut from);
            let _ended = from.shutdown(Shutdown::Write);
            said.join().unwrap();
        }
    });
    line
}

#[test]
fn a_network_that_is_gone_for_a_moment_ends_no_pairing() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    let (mut inviting, invited, lan) = invite(&one, &[]);
    let line = line_to(lan.trim_start_matches("lan:").parse().unwrap());
    let through = format!("lan:{}", line.address);
    let (_two, mut joining) = join(&world, "two", &through, invited["words"].as_str().unwrap(), &[]);
    let (here, there) = (inviting.event("compare"), joining.event("compare"));
    line.is_cut.store(true, Ordering::SeqCst);
    inviting.hear(there["six_words"].as_str().unwrap());
    joining.hear(here["six_words"].as_str().unwrap());
    // More than the tries that one request makes.
    until("it asks again and again", || line.met.load(Ordering::SeqCst) >= 8);
    line.is_cut.store(false, Ordering::SeqCst);
    joining.event("joined");
    assert_eq!(inviting.event("admitted")["heard"], true);
    inviting.end(0);
    joining.end(0);
}

#[test]
fn nobody_near_by_is_let_in_when_the_words_differ() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    let (mut inviting, invited, lan) = invite(&one, &[]);
    let (two, mut joining) = join(&world, "two", &lan, invited["words"].as_str().unwrap(), &[]);
    let here = inviting.event("compare");
    joining.event("compare");
    joining.hear(here["six_words"].as_str().unwrap());
    inviting.hear("abandon ability able about above absent");
    assert!(inviting.end(5).contains("different words"));
    // The other side stays for three seconds so that it reads why; on a busy machine it may be gone before.
    let said = joining.end_with(&[1, 5]);
    assert!(said.contains("called off") || said.contains("did not answer in time"), "{said}");
    assert!(is_empty(&two.folder()));
    assert_eq!(one.json(&["device"]).as_array().unwrap().len(), 1);
}

#[test]
fn garbage_and_slow_peers_do_not_keep_the_new_device_out() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    let (mut inviting, invited, lan) = invite(&one, &[]);
    let address: SocketAddr = lan.trim_start_matches("lan:").parse().unwrap();
    let mut held = Vec::new();
    for number in 0..100 {
        let mut stream = TcpStream::connect(address).unwrap();
        let bytes: &[u8] = if number % 2 == 0 { b"GET / HTTP/1.1\r\n\r\n" } else { b"SLLN\0" };
        let _cut = stream.write_all(bytes);
        held.push(stream);
    }
    let (two, mut joining) = join(&world, "two", &lan, invited["words"].as_str().unwrap(), &[]);
    compare(&mut inviting, &mut joining);
    joining.event("joined");
    inviting.end(0);
    joining.end(0);
    assert!(!is_empty(&two.folder()));
}

#[test]
fn nothing_listens_where_that_is_off_nor_at_a_public_address_and_the_remote_is_enough() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    let mut inviting = Talking::start(&one, &["device", "invite", "--no-lan"]);
    assert_eq!(inviting.event("invited")["lan"], serde_json::json!([]));
    assert_eq!(inviting.listens_at(), Vec::<u16>::new());
    inviting.interrupt();
    inviting.end(1);
    let (inviting, _, lan) = invite(&one, &[]);
    let port: u16 = lan.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(inviting.listens_at(), [port], "one port, and only while it waits");
    inviting.interrupt();
    inviting.end(1);
    let (code, said, told) = one.tries(&["device", "invite", "--lan-address", "93.184.216.34"]);
    assert!(code == 5 && said.is_empty(), "no invitation is opened: {code}: {said}");
    assert!(
        told.contains("93.184.216.34 cannot be listened at: 93.184.216.34 is no private address"),
        "{told}"
    );
    let (code, _, said) = one.tries(&["device", "invite", "--no-lan", "--lan-address", "127.0.0.1"]);
    assert!(code == 2 && said.contains("cannot be used with"), "{code}: {said}");
}

#[test]
fn who_answers_there_and_is_none_is_named_and_the_words_of_a_library_are_not_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let code = safelight_crypto::PairingCode::generate(&mut safelight_crypto::SeededEntropy::new(9)).words();
    // Whatever it is asked, it says something else.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _cut = stream.write_all(b"220 not what you look for\r\n");
            let _read = stream.read(&mut [0; 64]);
        }
    });
    let (two, joining) = join(&world, "two", &format!("lan:{address}"), &code, &[]);
    let said = joining.end(7);
    assert!(said.contains(&address.to_string()), "{said}");
    assert!(is_empty(&two.folder()));
    let far = world.device("two");
    std::fs::write(world.path("code"), code.as_bytes()).unwrap();
    let file = world.path("code");
    let (code, _, said) = far.tries(&["join", "lan:93.184.216.34:80", "--code-file", file.to_str().unwrap()]);
    assert!(code == 5 && said.contains("not on a local network"), "{code}: {said}");
    let (code, _, said) = far.tries(&["join", "lan:"]);
    assert!(code == 2 && said.contains("comes in by a code"), "{code}: {said}");
}
