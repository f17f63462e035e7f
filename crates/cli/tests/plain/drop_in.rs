//! `azphotosync`, as a command and as a program: one tree, its blob names, what is skipped, and every message.

use safelight_servers::Azurite;

use crate::room::{DROP_IN, Ended, PROGRAM, Room, ended, names};

const GOLDEN: &str = include_str!("azphotosync.golden");

/// The tree that the golden file is of.
fn golden_tree(room: &Room) {
    for (path, text) in [
        ("2023/IMG_20230514_101112.jpg", "first"),
        ("2023/summer trip/Ünïcode & more.HEIC", "second"),
        ("2024/clip.MOV", "third"),
        ("2024/copy of first.jpeg", "first"),
        ("100%.png", "fourth"),
        ("a%20b.tif", "fifth"),
        ("empty.bmp", ""),
        ("notes.txt", "no media"),
        ("2024/raw.nef", "no media either"),
        ("2024/clip.mov.part", "nor this"),
        (".hidden.gif", "hidden"),
    ] {
        room.write(path, text.as_bytes());
    }
    std::os::unix::fs::symlink("100%.png", room.source().join("link.png")).unwrap();
}

struct Drop<'a> {
    room: &'a Room,
    azurite: &'a Azurite,
}

impl Drop<'_> {
    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let source = self.room.source();
        let credential = self.room.credential(&self.azurite.sas());
        let own = ["--source", source.to_str().unwrap(), "--credential-file", credential.to_str().unwrap()];
        own.iter().chain(more).map(|&text| text.to_owned()).collect()
    }

    fn run(&self, program: &str, more: &[&str]) -> Ended {
        let arguments = self.arguments(more);
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        if program == PROGRAM {
            arguments.insert(0, "azphotosync");
        }
        let mut command = self.room.command(program, &arguments);
        command.env("AZURE_STORAGE_ACCOUNT_URL", self.account()).env("AZURE_STORAGE_CONTAINER", "photos");
        ended(&mut command)
    }

    fn account(&self) -> String {
        format!("http://127.0.0.1:{}/{}", self.azurite.port(), self.azurite.account())
    }

    /// What was said, without what differs between machines.
    fn said(&self, title: &str, ended: &Ended) -> String {
        let mut said = format!("== {title}: exit {}\n", ended.code.unwrap());
        for (voice, text) in [("out", &ended.stdout), ("err", &ended.stderr)] {
            for line in text.lines() {
                let line = line
                    .replace(&self.account(), "ACCOUNT")
                    .replace(self.room.source().to_str().unwrap(), "SOURCE");
                said.push_str(&format!("{voice} {line}\n"));
            }
        }
        said
    }
}

#[test]
fn the_drop_in_names_skips_and_says_what_it_always_did() {
    let Some(azurite) = Azurite::start() else { return };
    let room = Room::new();
    golden_tree(&room);
    let drop = Drop { room: &room, azurite: &azurite };
    let mut said = String::new();
    said.push_str(&drop.said("dry run", &drop.run(PROGRAM, &["--dry-run"])));
    assert!(names(&azurite).is_empty() && !room.path("home/.azphotosync").exists());
    said.push_str(&drop.said("first run", &drop.run(PROGRAM, &[])));
    said.push_str(&drop.said("second run", &drop.run(DROP_IN, &[])));
    let elsewhere = room.path("elsewhere");
    let another = ["--state-dir", elsewhere.to_str().unwrap(), "--max-workers", "32"];
    said.push_str(&drop.said("another state folder", &drop.run(DROP_IN, &another)));
    let prefix = ["--prefix", "other/place/", "--access-tier", "hot"];
    said.push_str(&drop.said("another prefix", &drop.run(DROP_IN, &prefix)));
    for name in names(&azurite) {
        said.push_str(&format!("blob {name}\n"));
    }
    assert!(room.path("home/.azphotosync/index.db").exists());
    assert_eq!(said, GOLDEN, "\n{said}");
}

#[test]
fn the_help_shows_no_secret_of_the_environment() {
    let room = Room::new();
    for (program, first) in [(PROGRAM, &["azphotosync"][..]), (DROP_IN, &[])] {
        let mut command = room.command(program, &[first, &["--help"]].concat());
        command.env("AZURE_STORAGE_ACCOUNT_URL", "https://acct.blob.core.windows.net/?sig=PLANTED");
        let help = ended(&mut command).with(0);
        assert!(help.stdout.contains("AZURE_STORAGE_ACCOUNT_URL"), "{}", help.stdout);
        assert!(!help.stdout.contains("PLANTED"), "{}", help.stdout);
    }
}

#[test]
fn settings_that_are_wrong_are_named() {
    let room = Room::new();
    let source = room.source();
    let source = source.to_str().unwrap();
    let account = ["--account-url", "https://acct.blob.core.windows.net"];
    let container = ["--container", "photos"];
    let whole = [&["--source", source][..], &account, &container].concat();
    let with = |more: &[&'static str]| [&whole[..], more].concat();
    let cases: [(Vec<&str>, &str); 13] = [
        (vec![], "setting source: is missing"),
        ([&["--source", source][..], &container].concat(), "setting account URL: is missing"),
        ([&["--source", source][..], &account].concat(), "setting container: is missing"),
        (with(&["--max-workers", "0"]), "setting max workers: must be between 1 and 32, not 0"),
        (with(&["--max-workers", "33"]), "setting max workers: must be between 1 and 32, not 33"),
        (with(&["--max-workers", "many"]), "setting max workers: must be between 1 and 32, not many"),
        (
            with(&["--access-tier", "warm"]),
            "setting access tier: must be hot, cool, cold or archive, not warm",
        ),
        (
            [&["--source", "/etc/hostname"][..], &account, &container].concat(),
            "setting source: is not a directory",
        ),
        (
            [&["--source", "/nowhere"][..], &account, &container].concat(),
            "setting source: is not a directory",
        ),
        ([&["--source", source, "--account-url", "acct"][..], &container].concat(), "setting account URL: "),
        (
            [
                &[
                    "--source",
                    source,
                    "--account-url",
                    "https://acct.blob.core.windows.net/?sv=x&sig=PLANTED",
                ][..],
                &container,
            ]
            .concat(),
            "setting account URL: holds a SAS",
        ),
        (
            [&["--source", source, "--container", "No Container"][..], &account].concat(),
            "setting container: ",
        ),
        (with(&["--prefix", "a/../b"]), "setting prefix: "),
    ];
    for (arguments, wanted) in cases {
        for (program, first) in [(PROGRAM, &["azphotosync"][..]), (DROP_IN, &[])] {
            let ended = ended(&mut room.command(program, &[first, &arguments].concat())).with(2);
            assert!(ended.stderr.contains(wanted), "{arguments:?}: {}", ended.stderr);
            assert!(!ended.stderr.contains("PLANTED"), "{}", ended.stderr);
        }
    }
    assert!(!room.path("home/.azphotosync").exists(), "nothing is made before the settings are right");
}
