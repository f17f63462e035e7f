//! A home, a source and a place, and the programs run there with an environment of their own.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use safelight_servers::Azurite;
use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_safelight");
pub(crate) const DROP_IN: &str = env!("CARGO_BIN_EXE_azphotosync");

pub(crate) struct Room {
    folder: tempfile::TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

impl Room {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "source", "place"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let open = std::fs::Permissions::from_mode(0o777);
        for path in ["", "home", "source", "place"] {
            std::fs::set_permissions(folder.path().join(path), open.clone()).unwrap();
        }
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.path("source")
    }

    /// The address of the folder that stands in for a remote.
    pub(crate) fn address(&self) -> String {
        format!("folder:{}", self.path("place").display())
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.source().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// A file with a secret that opens a server.
    pub(crate) fn credential(&self, text: &str) -> PathBuf {
        let path = self.path("credential");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("HOME", self.path("home")).env("PATH", "/usr/bin:/bin");
        command.stdin(std::process::Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(PROGRAM, arguments))
    }
}

pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The names of all blobs in `photos`, as the server lists them.
pub(crate) fn names(azurite: &Azurite) -> Vec<String> {
    let path = format!("/{}/photos?restype=container&comp=list&{}", azurite.account(), azurite.sas());
    let (status, body) = safelight_servers::http(azurite.port(), "GET", &path, &[], b"");
    assert_eq!(status, 200);
    let text = String::from_utf8(body).unwrap();
    let names =
        text.split("<Name>").skip(1).map(|rest| rest.split("</Name>").next().unwrap().replace("&amp;", "&"));
    names.collect()
}

/// Every file below a folder, and its bytes.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut ahead) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(path) = ahead.pop() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            let kind = std::fs::symlink_metadata(&path).unwrap();
            if kind.is_dir() {
                ahead.push(path);
            } else if kind.is_file() {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}
