//! A place to try things: a temporary folder with a library, its keys and photos, and the program run in it
//! with an environment of its own and a limit on time.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::pictures::photo;

/// Longer than anything here may take; what takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_safelight");

pub(crate) struct Room {
    directory: TempDir,
    program: PathBuf,
    /// Whom the program runs as, where that is not whoever runs the tests.
    user: Option<u32>,
}

/// A user to whom nothing belongs.
pub(crate) const NOBODY: u32 = 65_534;

/// How a run of the program ended.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in what was printed:\n{}\n{}", self.text(), self.stderr))
    }

    /// Everything said, for messages and searches.
    pub(crate) fn said(&self) -> String {
        format!("exit code {:?}\n{}\n{}", self.code, self.text(), self.stderr)
    }

    /// The same, once the exit code is one of those.
    #[track_caller]
    pub(crate) fn ends_with(self, codes: &[i32]) -> Self {
        assert!(!self.stderr.contains("panicked"), "the program panicked:\n{}", self.said());
        assert!(self.code.is_some_and(|code| codes.contains(&code)), "not one of {codes:?}: {}", self.said());
        self
    }
}

impl Room {
    /// A room with a library that a key file opens, and an empty folder for photos.
    pub(crate) fn with_library() -> Self {
        let room = Self::empty();
        room.init();
        room
    }

    /// A room whose library holds so many photos, `0.jpg` and on.
    #[track_caller]
    pub(crate) fn with_photos(count: u64) -> Self {
        let room = Self::with_library();
        for seed in 0..count {
            room.put(format!("{seed}.jpg"), photo(seed));
        }
        room.import().ends_with(&[0]);
        room
    }

    /// A room with keys, but without a library yet.
    pub(crate) fn empty() -> Self {
        let room = Self { directory: TempDir::new().unwrap(), program: PROGRAM.into(), user: None };
        for folder in ["photos", "home", "run"] {
            std::fs::create_dir(room.path(folder)).unwrap();
        }
        std::fs::write(room.path("passphrase"), "correct horse battery staple\n").unwrap();
        std::fs::write(room.path("key"), [7; 64]).unwrap();
        for secret in ["passphrase", "key", "run"] {
            set_mode(&room.path(secret), if secret == "run" { 0o700 } else { 0o600 });
        }
        room
    }

    /// A room with a library of somebody to whom folders can be closed, unlike to root; none where nobody else can be
    /// taken on.
    pub(crate) fn of_somebody() -> Option<Self> {
        let mut room = Self::empty();
        let closed = room.path("closed");
        std::fs::create_dir(&closed).unwrap();
        set_mode(&closed, 0o000);
        if std::fs::read_dir(&closed).is_ok() {
            room.program = room.program_for_all()?;
            for path in ["", "home", "run", "key", "passphrase"] {
                std::os::unix::fs::chown(room.path(path), Some(NOBODY), Some(NOBODY)).ok()?;
            }
            room.user = Some(NOBODY);
        }
        std::fs::remove_dir(closed).unwrap();
        room.init();
        Some(room)
    }

    /// A copy of the program that every user may run.
    pub(crate) fn program_for_all(&self) -> Option<PathBuf> {
        let program = self.path("program");
        std::fs::copy(PROGRAM, &program).ok()?;
        set_mode(&program, 0o755);
        set_mode(self.directory.path(), 0o755);
        Some(program)
    }

    /// Makes the library with a passphrase and a key file; tests unlock by the file and need not pay for passphrases.
    pub(crate) fn init(&self) {
        let mut init = self.unlocked();
        init.arg("--passphrase-file")
            .arg(self.path("passphrase"))
            .args(["init", "--recovery-file"])
            .arg(self.path("recovery"));
        self.run(&mut init).ends_with(&[0]);
    }

    /// Whom the program runs as, where that is not whoever runs the tests.
    pub(crate) fn user(&self) -> Option<u32> {
        self.user
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn photos(&self) -> PathBuf {
        self.path("photos")
    }

    pub(crate) fn library(&self) -> PathBuf {
        self.path("library")
    }

    /// Writes a photo (or anything else) below the photos folder.
    pub(crate) fn put(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.photos().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The program with this room's library and environment, and no way to unlock it.
    pub(crate) fn bare(&self) -> Command {
        let mut command = self.bare_program(&self.program);
        if let Some(user) = self.user {
            command.uid(user).gid(user).current_dir("/");
        }
        command
    }

    pub(crate) fn bare_program(&self, program: impl AsRef<OsStr>) -> Command {
        self.program_with(program, &self.library())
    }

    /// The program with another library, which the same key file opens.
    pub(crate) fn unlocked_at(&self, library: &Path) -> Command {
        let mut command = self.program_with(&self.program, library);
        command.arg("--key-file").arg(self.path("key"));
        command
    }

    fn program_with(&self, program: impl AsRef<OsStr>, library: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("RUST_BACKTRACE", "1")
            .arg("--library")
            .arg(library)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The program with this room's library, unlocked by the key file.
    pub(crate) fn unlocked(&self) -> Command {
        let mut command = self.bare();
        command.arg("--key-file").arg(self.path("key"));
        command
    }

    /// Runs a command to its end, at most for [`PATIENCE`].
    #[track_caller]
    pub(crate) fn run(&self, command: &mut Command) -> Outcome {
        finish(command.spawn().unwrap(), PATIENCE)
    }

    /// Runs the unlocked program with those arguments.
    #[track_caller]
    pub(crate) fn safelight(&self, arguments: &[&str]) -> Outcome {
        self.run(self.unlocked().args(arguments))
    }

    /// The command that imports the photos folder, as its tests have just written it, and waits for every preview.
    pub(crate) fn import_command(&self) -> Command {
        let mut command = self.unlocked();
        command.args(["--json", "--yes", "import", "--wait", "--settle=0"]).arg(self.photos());
        command
    }

    /// Imports the photos folder; 1 is a fine end too: something failed, and was named.
    #[track_caller]
    pub(crate) fn import(&self) -> Outcome {
        self.run(&mut self.import_command()).ends_with(&[0, 1])
    }

    #[track_caller]
    pub(crate) fn list(&self) -> Vec<Value> {
        let outcome = self.safelight(&["--json", "list"]).ends_with(&[0]);
        outcome.json().as_array().unwrap().clone()
    }

    /// Every asset's id and path.
    #[track_caller]
    pub(crate) fn listed(&self) -> BTreeMap<String, String> {
        self.list().iter().map(|asset| (text(asset, "id"), text(asset, "path"))).collect()
    }

    #[track_caller]
    pub(crate) fn verify_is_clean(&self) {
        let outcome = self.safelight(&["--json", "verify"]).ends_with(&[0]);
        let damaged = &outcome.json()["damaged"];
        assert_eq!(damaged.as_array().map(Vec::len), Some(0), "{damaged}");
    }

    /// The original of an asset, as it comes out again.
    #[track_caller]
    pub(crate) fn original(&self, id: &str) -> Vec<u8> {
        self.safelight(&["export", "--to", "-", id]).ends_with(&[0]).stdout
    }
}

/// A field of a JSON object, as text.
#[track_caller]
pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

/// Waits for a child, and ends it when it takes too long.
#[track_caller]
pub(crate) fn finish(mut child: Child, patience: Duration) -> Outcome {
    let mut stdout = child.stdout.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let out = std::thread::spawn(move || read_all(&mut stdout));
    let err = std::thread::spawn(move || read_all(&mut stderr));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if begun.elapsed() > patience {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let outcome = Outcome {
        code: status.and_then(|status| status.code()),
        stdout: out.join().unwrap(),
        stderr: String::from_utf8_lossy(&err.join().unwrap()).into_owned(),
    };
    assert!(status.is_some(), "still running after {patience:?}: {}", outcome.said());
    outcome
}

fn read_all(from: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Starts a command in a process group of its own, so that what it leaves behind can be found.
pub(crate) fn spawn_in_group(command: &mut Command) -> Child {
    command.process_group(0).spawn().unwrap()
}

/// The processes of a group that still run.
pub(crate) fn alive_in_group(group: u32) -> Vec<String> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut alive = Vec::new();
    for process in processes.flatten() {
        let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else { continue };
        // pid (name) state parent group ...; the name may hold anything, so fields count from its end.
        let Some((front, rest)) = stat.rsplit_once(')') else { continue };
        let fields = rest.split_whitespace().collect::<Vec<_>>();
        if fields.first() != Some(&"Z") && fields.get(2) == Some(&group.to_string().as_str()) {
            alive.push(format!("{front})"));
        }
    }
    alive
}

/// Every file below a folder, in order.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// Copies a folder with everything in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, &target).unwrap();
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// SHA-256 in hexadecimal, as assets are named.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    safelight_crypto::ContentHash::of(bytes).to_string()
}

/// Says that something cannot be shown on this machine.
pub(crate) fn skip(why: &str) {
    eprintln!("skipped: {why}");
}
