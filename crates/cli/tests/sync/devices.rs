//! Devices of one library: each a folder, all with the same words.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::clock;

/// Where devices meet: an address, and a file with what opens it.
pub(crate) struct Meeting {
    pub(crate) address: String,
    pub(crate) credential: Option<String>,
}

/// A folder with devices, words and photos.
pub(crate) struct World {
    folder: TempDir,
    credential: Option<PathBuf>,
    address: String,
    passed_days: Cell<u64>,
}

pub(crate) struct Device<'a> {
    world: &'a World,
    name: String,
}

impl World {
    pub(crate) fn new(meeting: Meeting) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let credential = meeting.credential.map(|text| {
            let path = folder.path().join("credential");
            write_secret(&path, &text);
            path
        });
        Self { folder, credential, address: meeting.address, passed_days: Cell::new(0) }
    }

    /// A world whose place is a folder.
    pub(crate) fn in_folder(place: &Path) -> Self {
        Self::new(Meeting { address: format!("folder:{}", place.display()), credential: None })
    }

    /// Sets by how many days the clock of every command from now on is ahead.
    pub(crate) fn set_clock_ahead(&self, days: u64) {
        self.passed_days.set(days);
    }

    /// Lets days pass for every device.
    pub(crate) fn let_pass(&self, days: u64) {
        self.passed_days.set(self.passed_days.get() + days);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A device with a library of its own and no remote.
    pub(crate) fn alone(&self, name: &str) -> Device<'_> {
        let device = self.device(name);
        device.ends(&["--recovery-file", self.words().to_str().unwrap(), "init"], 0);
        device
    }

    /// The first device, which makes the library and connects the place.
    pub(crate) fn first(&self, name: &str) -> Device<'_> {
        let device = self.alone(name);
        device.add_remote("place", &self.address);
        device
    }

    /// A device whose library is there, or will be.
    pub(crate) fn device(&self, name: &str) -> Device<'_> {
        Device { world: self, name: name.to_owned() }
    }

    /// Another machine with a copy of a device's folder: a cloned disk, or a backup.
    pub(crate) fn copy(&self, of: &Device<'_>, name: &str) -> Device<'_> {
        copy_all(&of.folder(), &self.path(name));
        self.device(name)
    }

    /// A device that joins with nothing but the words.
    pub(crate) fn join(&self, name: &str) -> Device<'_> {
        self.join_with(name, &[], 0)
    }

    /// The same, with another of the places.
    pub(crate) fn join_at(&self, name: &str, address: &str) -> Device<'_> {
        self.join_through(name, address, &[], 0)
    }

    /// A device that joins with more arguments, to an exit code.
    pub(crate) fn join_with(&self, name: &str, more: &[&str], code: i32) -> Device<'_> {
        self.join_through(name, &self.address, more, code)
    }

    fn join_through(&self, name: &str, address: &str, more: &[&str], code: i32) -> Device<'_> {
        let device = self.device(name);
        let words = self.words();
        let mut arguments =
            vec!["--recovery-file", words.to_str().unwrap(), "join", address, "--name", "place"];
        let credential = self.credential.as_ref().map(|path| path.to_str().unwrap());
        arguments.extend(credential.iter().flat_map(|path| ["--credential-file", path]));
        arguments.extend(more);
        device.ends(&arguments, code);
        device
    }

    /// Where to join, and what opens that place.
    pub(crate) fn to_join(&self) -> Vec<&str> {
        let mut arguments = vec![self.address.as_str(), "--name", "place"];
        let credential = self.credential.as_ref().map(|path| path.to_str().unwrap());
        arguments.extend(credential.iter().flat_map(|path| ["--credential-file", path]));
        arguments
    }

    pub(crate) fn words(&self) -> PathBuf {
        self.path("words")
    }

    /// A folder with photos that are bytes of noise behind a JPEG's beginning, and planted words.
    pub(crate) fn photos(&self, name: &str, seeds: std::ops::Range<u64>) -> PathBuf {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        for seed in seeds {
            std::fs::write(folder.join(format!("PLANTED-{name}-{seed}.jpg")), photo(seed)).unwrap();
        }
        folder
    }
}

impl Device<'_> {
    pub(crate) fn folder(&self) -> PathBuf {
        self.world.path(&self.name)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn add_remote(&self, name: &str, address: &str) {
        let mut arguments = vec!["remote", "add", name, address];
        let credential = self.world.credential.as_ref().map(|path| path.to_str().unwrap());
        arguments.extend(credential.iter().flat_map(|path| ["--credential-file", path]));
        self.ends(&arguments, 0);
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_safelight"));
        command
            .arg("--library")
            .arg(self.folder())
            // A passphrase would cost each command a second and a quarter of a gigabyte.
            .arg("--key-file")
            .arg(self.world.path("key"))
            .args(arguments)
            .env("HOME", self.world.path(""))
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let days = self.world.passed_days.get();
        if days > 0 {
            command
                .env("LD_PRELOAD", clock::build(&self.world.path("")))
                .env(clock::AHEAD, (days * 86_400).to_string());
        }
        command
    }

    /// Runs to the expected exit code and answers stdout.
    pub(crate) fn ends(&self, arguments: &[&str], code: i32) -> String {
        let output: Output = self.command(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{}: {arguments:?}: {told}", self.name);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs to its end, whatever that is: the exit code, stdout and stderr.
    pub(crate) fn tries(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// The thumbnail of a photo; none where there is none here.
    pub(crate) fn thumbnail(&self, item: &str) -> Option<Vec<u8>> {
        let arguments = ["export", "--to", "-", "--rendition", "thumbnail", item];
        let output = self.command(&arguments).output().unwrap();
        (output.status.success() && !output.stdout.is_empty()).then_some(output.stdout)
    }

    /// Tries to join with nothing but the words.
    pub(crate) fn tries_to_join(&self) -> (i32, String, String) {
        let words = self.world.words();
        let mut arguments =
            vec!["--recovery-file", words.to_str().unwrap(), "join", &self.world.address, "--name", "place"];
        let credential = self.world.credential.as_ref().map(|path| path.to_str().unwrap());
        arguments.extend(credential.iter().flat_map(|path| ["--credential-file", path]));
        self.tries(&arguments)
    }

    /// The hash over everything that its catalogue says.
    pub(crate) fn state(&self) -> String {
        let report = self.json(&["history", "--verify"]);
        assert_eq!(report["damaged"], serde_json::json!([]), "{}", self.name);
        report["state_hash"].as_str().unwrap().to_owned()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.json_ending(arguments, 0)
    }

    /// What a command answers that ends with this code.
    pub(crate) fn json_ending(&self, arguments: &[&str], code: i32) -> Value {
        let all: Vec<&str> = ["--json"].into_iter().chain(arguments.iter().copied()).collect();
        serde_json::from_str(&self.ends(&all, code)).unwrap()
    }

    pub(crate) fn import(&self, folder: &Path) {
        self.ends(&["import", "--settle=0", folder.to_str().unwrap()], 0);
    }

    pub(crate) fn sync(&self) {
        self.ends(&["sync"], 0);
    }

    /// What everybody must agree on: the listing without what is this device's own.
    pub(crate) fn listed(&self) -> Vec<Value> {
        let mut listed = self.json(&["list"]).as_array().unwrap().clone();
        for asset in &mut listed {
            for own in ["sync", "places", "proven"] {
                asset.as_object_mut().unwrap().remove(own);
            }
        }
        listed
    }

    /// Every original, by the hash that names it, after fetching and exporting it.
    pub(crate) fn has_whole(&self, originals: &[Vec<u8>], target: &str) {
        self.ends(&["local", "fetch", "--all"], 0);
        let target = self.world.path(target);
        self.ends(&["export", target.to_str().unwrap()], 0);
        let mut exported = Vec::new();
        collect(&target, &mut exported);
        for original in originals {
            assert!(exported.contains(original), "{}: an original is not as it was", self.name);
        }
    }
}

/// A JPEG's signature and noise: no decoder likes it, every import takes it.
pub(crate) fn photo(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = b"\xff\xd8\xff\xe1\x00\x16Exif\0\0PLANTED-EXIF\0\0".to_vec();
    while bytes.len() < 150_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // No byte of it begins a marker, so that no decoder takes it for a picture of any size.
        bytes.extend((state & 0x7f7f_7f7f_7f7f_7f7f).to_le_bytes());
    }
    bytes
}

/// Copies a folder with everything below it.
pub(crate) fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The bytes of every file below a folder.
pub(crate) fn collect(folder: &Path, found: &mut Vec<Vec<u8>>) {
    let mut paths = Vec::new();
    files(folder, &mut paths);
    found.extend(paths.iter().map(|path| std::fs::read(path).unwrap()));
}

/// The files below a folder, by their paths.
pub(crate) fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(folder, &mut found);
    found.sort();
    found
}

/// Flips a bit in the middle of a file.
pub(crate) fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Every file below a folder; none where there is no folder.
pub(crate) fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}
