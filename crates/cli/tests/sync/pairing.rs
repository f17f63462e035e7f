//! A device lets another in by a code, as two programs that speak through a place and nothing else.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use safelight_servers::{Azurite, browse};
use serde_json::Value;

use crate::clouds::heard;
use crate::devices::{Device, Meeting, World};

/// A program that tells what it does line by line, and listens.
pub(crate) struct Talking {
    child: Child,
    says: BufReader<ChildStdout>,
    hears: Option<ChildStdin>,
}

impl Talking {
    pub(crate) fn start(device: &Device<'_>, arguments: &[&str]) -> Self {
        let mut command = device.command(&[&["--json"], arguments].concat());
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        let hears = child.stdin.take();
        Self { child, says, hears }
    }

    pub(crate) fn hear(&mut self, line: &str) {
        writeln!(self.hears.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Signs in at the page that it names, and pastes the code that stands there. What it says afterwards is not kept.
    pub(crate) fn sign_in(&mut self) {
        let page = heard(&mut self.child, "/oauth2/authorize?");
        let (status, code) = browse(&page);
        assert_eq!(status, 200, "{code}");
        self.hear(&code);
    }

    /// The next event of that name; what it says on stderr if it ends before.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        loop {
            let mut line = String::new();
            let mut told = String::new();
            let is_end = self.says.read_line(&mut line).unwrap() == 0;
            if is_end {
                self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
            }
            assert!(!is_end, "it ended before {name}: {told}");
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name {
                return event;
            }
        }
    }

    pub(crate) fn end(self, code: i32) -> String {
        self.end_with(&[code])
    }

    /// It ends with one of these codes; what it said on stderr.
    pub(crate) fn end_with(mut self, codes: &[i32]) -> String {
        drop(self.hears.take());
        let mut said = String::new();
        self.says.read_to_string(&mut said).unwrap();
        let output = self.child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code().is_some_and(|code| codes.contains(&code)), "{codes:?}: {said}{told}");
        told
    }

    /// The TCP ports at which it listens, as the system tells.
    pub(crate) fn listens_at(&self) -> Vec<u16> {
        let own = format!("/proc/{}", self.child.id());
        let sockets: Vec<String> = std::fs::read_dir(format!("{own}/fd"))
            .unwrap()
            .filter_map(|descriptor| std::fs::read_link(descriptor.ok()?.path()).ok())
            .filter_map(|to| Some(to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
            .collect();
        let mut ports = Vec::new();
        for table in ["tcp", "tcp6"] {
            for line in std::fs::read_to_string(format!("{own}/net/{table}")).unwrap_or_default().lines() {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let is_own = fields.get(9).is_some_and(|inode| sockets.iter().any(|own| own == inode));
                if is_own && fields[3] == "0A" {
                    let (_, port) = fields[1].rsplit_once(':').unwrap();
                    ports.push(u16::from_str_radix(port, 16).unwrap());
                }
            }
        }
        ports
    }

    pub(crate) fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }
}

fn invite(device: &Device<'_>) -> (Talking, Value) {
    let mut inviting = Talking::start(device, &["device", "invite", "--no-lan"]);
    let invited = inviting.event("invited");
    (inviting, invited)
}

fn join<'a>(world: &'a World, name: &str, code: &str) -> (Device<'a>, Talking) {
    let device = world.device(name);
    let arguments = [vec!["join"], world.to_join(), vec!["--code", "--device-name", name]].concat();
    let mut joining = Talking::start(&device, &arguments);
    joining.hear(code);
    (device, joining)
}

/// Lets a device in that nobody gave the words of the library; answers it, and what the one that invited told of it.
fn pair<'a>(world: &'a World, by: &Device<'_>, name: &str) -> (Device<'a>, Value) {
    let (mut inviting, invited) = invite(by);
    let (device, mut joining) = join(world, name, invited["words"].as_str().unwrap());
    let (here, there) = (inviting.event("compare"), joining.event("compare"));
    assert_eq!(here["six_words"], there["six_words"]);
    assert_eq!((&here["other"], &here["compares"]), (&name.into(), &true.into()));
    inviting.hear(there["six_words"].as_str().unwrap());
    joining.hear(here["six_words"].as_str().unwrap());
    let admitted = inviting.event("admitted");
    let joined = joining.event("joined");
    assert_eq!(joined["unwitnessed"], false, "the device that invited is a witness: {joined}");
    inviting.end(0);
    joining.end(0);
    (device, admitted)
}

fn own_id(of: &Device<'_>) -> String {
    let devices = of.json(&["device", "list"]);
    let own = devices.as_array().unwrap().iter().find(|device| device["is_this"] == true).unwrap();
    own["id"].as_str().unwrap().to_owned()
}

fn caption(of: &Device<'_>, photo: &str) -> String {
    of.json(&["show", photo])["caption"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn sync_all(all: &[&Device<'_>]) {
    for _ in 0..2 {
        all.iter().for_each(|device| device.sync());
    }
}

fn pairs_and_revokes(meeting: Meeting) {
    let world = World::new(meeting);
    let one = world.first("one");
    let photos = world.photos("pics", 0..2);
    one.import(&photos);
    one.sync();
    let (two, first) = pair(&world, &one, "two");
    // One that was let in lets others in.
    let (three, second) = pair(&world, &two, "three");
    println!("wraps: two {first}, three {second}");
    assert_eq!((&first["name"], &first["epochs"]), (&"two".into(), &1.into()));
    sync_all(&[&one, &two, &three]);
    assert_eq!((one.state(), one.state()), (two.state(), three.state()));
    let named: Vec<Value> =
        one.json(&["device"]).as_array().unwrap().iter().map(|d| d["name"].clone()).collect();
    assert!(named.contains(&"two".into()) && named.contains(&"three".into()), "{named:?}");
    let photo = one.listed()[0]["id"].as_str().unwrap().to_owned();
    three.ends(&["set", &photo, "caption=by three"], 0);
    three.sync();
    one.sync();
    assert_eq!(caption(&one, &photo), "by three");
    let originals: Vec<Vec<u8>> = std::fs::read_dir(&photos)
        .unwrap()
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
    two.has_whole(&originals, "exported");

    // It can be shut out as any other.
    let lost = own_id(&three);
    one.json(&["--yes", "device", "revoke", "three"]);
    sync_all(&[&one, &two]);
    one.ends(&["set", &photo, "caption=after"], 0);
    one.sync();
    two.sync();
    assert_eq!(caption(&two, &photo), "after");
    let (code, _, said) = three.tries(&["sync"]);
    assert!(code == 1 && said.contains("does not belong to the library any more"), "{said}");
    assert_eq!(caption(&three, &photo), "by three");
    three.ends(&["set", &photo, "caption=of a thief"], 0);
    three.tries(&["sync"]);
    for honest in [&one, &two] {
        let (_, _, said) = honest.tries(&["sync"]);
        assert!(said.contains(&lost) && said.contains("it is not taken in"), "{said}");
        assert_eq!(caption(honest, &photo), "after");
    }
    let (code, _, said) = three.tries(&["device", "invite"]);
    assert!(code == 5 && said.contains("does not belong to the library any more"), "{said}");
    // The words of the library are what they were, and a code gives both epochs.
    let four = world.join("four");
    four.tries(&["sync"]);
    assert_eq!(caption(&four, &photo), "after");
    let (five, third) = pair(&world, &two, "five");
    println!("wraps: five {third}");
    assert_eq!(third["epochs"], 2);
    assert!(third["keys_file_bytes"].as_u64().unwrap() < 8_192, "{third}");
    assert_eq!(caption(&five, &photo), "after");
}

#[test]
fn two_are_let_in_by_code_and_one_is_shut_out_again_through_azure() {
    let Some(server) = Azurite::start() else { return };
    pairs_and_revokes(Meeting { address: server.address(), credential: Some(server.sas()) });
}

#[test]
fn two_are_let_in_by_code_and_one_is_shut_out_again_in_a_folder() {
    let place = tempfile::tempdir().unwrap();
    pairs_and_revokes(Meeting { address: format!("folder:{}", place.path().display()), credential: None });
}

pub(crate) fn one_in<'a>(world: &'a World) -> Device<'a> {
    let one = world.first("one");
    one.import(&world.photos("pics", 0..1));
    one.sync();
    one
}

pub(crate) fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

#[test]
fn nobody_is_let_in_when_the_words_differ_or_nobody_compared_them() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    for answer in [Some("abandon ability able about above absent"), None] {
        let (mut inviting, invited) = invite(&one);
        let (two, mut joining) = join(&world, "two", invited["words"].as_str().unwrap());
        let here = inviting.event("compare");
        joining.hear(here["six_words"].as_str().unwrap());
        let said = match answer {
            Some(words) => {
                inviting.hear(words);
                inviting.end(5)
            }
            None => inviting.end(5),
        };
        let expected = if answer.is_some() { "different words" } else { "nobody compared the six words" };
        assert!(said.contains(expected), "{said}");
        let said = joining.end(5);
        assert!(said.contains("called off"), "{said}");
        assert!(is_empty(&two.folder()), "nothing was joined");
        assert_eq!(one.json(&["device"]).as_array().unwrap().len(), 1, "nobody was let in");
    }
    // The new device's side can say no as well.
    let (mut inviting, invited) = invite(&one);
    let (two, mut joining) = join(&world, "two", invited["words"].as_str().unwrap());
    joining.event("compare");
    joining.hear("abandon ability able about above absent");
    assert!(joining.end(5).contains("different words"));
    assert!(is_empty(&two.folder()));
    inviting.event("compare");
    inviting.end(5);
}

#[test]
fn the_code_may_come_from_a_picture_in_a_file_and_decide_alone() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    let mut inviting = Talking::start(&one, &["device", "invite", "--no-lan", "--without-comparing"]);
    let invited = inviting.event("invited");
    // Nothing of a code stands in arguments, and the file says where the library rests.
    std::fs::write(world.path("code"), invited["qr"].as_str().unwrap()).unwrap();
    let file = world.path("code");
    let two = world.device("two");
    let arguments = ["--json", "join", "--name", "place", "--without-comparing", "--code-file"];
    let said = two.ends(&[&arguments[..], &[file.to_str().unwrap()]].concat(), 0);
    assert!(said.contains("\"compares\":false"), "{said}");
    let told = inviting.end(0);
    assert!(told.contains("the code alone decides"), "{told}");
    sync_all(&[&one, &two]);
    assert_eq!(one.state(), two.state());
    // Used once, it is good for nobody.
    let three = world.device("three");
    let (code, _, said) = three.tries(&[&arguments[1..], &[file.to_str().unwrap()]].concat());
    assert!(code == 5 && said.contains("this code was used already"), "{code}: {said}");
}

#[test]
fn a_wrong_code_is_told_to_both_and_an_invitation_that_is_interrupted_is_called_off() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    let (_, joining) = join(&world, "two", "abandon abandon abandon");
    assert!(joining.end(3).contains("a code has eight words, and these are 3"));
    let (stopped, invited) = invite(&one);
    stopped.interrupt();
    stopped.end(1);
    let (_, joining) = join(&world, "two", invited["words"].as_str().unwrap());
    let said = joining.end(5);
    assert!(said.contains("called off"), "{said}");
    let (mut inviting, invited) = invite(&one);
    // A code of nobody's: eight good words that fit together.
    let nobody =
        safelight_crypto::PairingCode::generate(&mut safelight_crypto::SeededEntropy::new(7)).words();
    let (_, joining) = join(&world, "two", &nobody);
    let said = joining.end(3);
    assert!(said.contains("no invitation in") && said.contains("exchanged the card"), "{said}");
    assert_eq!(inviting.event("tried")["left"], 2);
    // One wrong code keeps the right one out no more than it lets anybody in.
    let (_, mut joining) = join(&world, "two", invited["words"].as_str().unwrap());
    let (here, there) = (inviting.event("compare"), joining.event("compare"));
    inviting.hear(there["six_words"].as_str().unwrap());
    joining.hear(here["six_words"].as_str().unwrap());
    joining.event("joined");
    inviting.end(0);
    joining.end(0);
}

#[test]
fn a_picture_opens_the_storage_and_the_new_device_gets_a_key_of_its_own_that_cannot_delete() {
    let Some(server) = Azurite::start() else { return };
    let world = World::new(Meeting { address: server.address(), credential: Some(server.account_key()) });
    let one = one_in(&world);
    let mut inviting = Talking::start(&one, &["device", "invite", "--no-lan", "--with-storage"]);
    let invited = inviting.event("invited");
    let two = world.device("two");
    // Neither an address nor a credential: the picture says both.
    let mut joining = Talking::start(&two, &["join", "--name", "place", "--code"]);
    joining.hear(invited["qr"].as_str().unwrap());
    let (here, there) = (inviting.event("compare"), joining.event("compare"));
    inviting.hear(there["six_words"].as_str().unwrap());
    joining.hear(here["six_words"].as_str().unwrap());
    inviting.end(0);
    joining.event("joined");
    joining.end(0);
    let photo = two.listed()[0]["id"].as_str().unwrap().to_owned();
    two.ends(&["set", &photo, "caption=with a key of its own"], 0);
    two.sync();
    one.sync();
    assert_eq!(caption(&one, &photo), "with a key of its own");
    let shown = two.json(&["remote", "show", "place"]).to_string();
    assert!(shown.contains("SAS") && !shown.contains("account key"), "{shown}");
    let told = one.json(&["--yes", "device", "revoke", &own_id(&two)]);
    assert!(told["storage"][0]["next"].as_str().unwrap().contains("account key"), "{told}");
}

#[test]
fn the_recovery_words_unlock_a_device_that_came_in_without_them_once_it_was_given_them() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = one_in(&world);
    let (two, _) = pair(&world, &one, "two");
    let words = world.words();
    let words = words.to_str().unwrap();
    let kinds = |device: &Device<'_>| {
        let keys = device.json(&["key", "list"]);
        keys.as_array()
            .unwrap()
            .iter()
            .map(|key| key["kind"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(!kinds(&two).contains(&"recovery".to_owned()));
    std::fs::write(world.path("others"), "abandon ".repeat(23) + "art").unwrap();
    let (code, _, said) =
        two.tries(&["key", "add", "--new-recovery-file", world.path("others").to_str().unwrap()]);
    assert!(code == 3 && said.contains("not the recovery words of this library"), "{said}");
    two.ends(&["key", "add", "--new-recovery-file", words], 0);
    assert!(kinds(&two).contains(&"recovery".to_owned()));
    two.ends(&["--recovery-file", words, "key", "test", "recovery words"], 0);
    // And another passphrase as on any device.
    std::fs::write(world.path("passphrase"), "a long enough passphrase for it").unwrap();
    two.ends(&["key", "add", "--new-passphrase-file", world.path("passphrase").to_str().unwrap()], 0);
    assert!(kinds(&two).contains(&"passphrase".to_owned()));
}
