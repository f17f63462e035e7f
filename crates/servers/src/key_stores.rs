//! Key stores for tests: a token of SoftHSM, a TPM of swtpm, a desktop's keyring on a bus of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{KEEPER, find};
use crate::{forbidden, skip};

/// How long one may take to start.
const START_WITHIN: Duration = Duration::from_secs(60);
/// The password of the keyring that a test makes.
const KEYRING_PASSWORD: &str = "a test's keyring";

/// A program that lives as long as the value that stands for it, and no longer than the test.
#[derive(Debug)]
struct Kept(Child);

impl Kept {
    #[expect(clippy::expect_used, reason = "a test without its server has failed")]
    fn start(wanted: &Command, log: &Path) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(log).expect("log");
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(wanted.get_program()).args(wanted.get_args());
        for (name, value) in wanted.get_envs() {
            keeper.env(name, value.unwrap_or_default());
        }
        keeper.stdin(Stdio::piped()).stdout(log.try_clone().expect("log")).stderr(log);
        Self(keeper.spawn().expect("/bin/sh starts"))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

#[expect(clippy::panic, reason = "a test without its server has failed")]
fn wait_for(what: &str, log: &Path, mut is_there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_there() {
        if begun.elapsed() > START_WITHIN {
            panic!("{what} did not start: {}", std::fs::read_to_string(log).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Tokens of SoftHSM in a folder of their own.
#[derive(Debug)]
pub struct SoftHsm {
    folder: TempDir,
    module: PathBuf,
}

impl SoftHsm {
    /// The PIN of every token.
    pub const PIN: &'static str = "1234-5678";

    /// Sets it up, where it is installed.
    ///
    /// # Panics
    /// When its folder cannot be made.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without its server has failed")]
    pub fn set_up() -> Option<Self> {
        let places = [
            "/usr/lib/softhsm",
            "/usr/lib/x86_64-linux-gnu/softhsm",
            "/usr/lib64/pkcs11",
            "/opt/homebrew/lib/softhsm",
        ];
        let module =
            places.iter().map(|place| Path::new(place).join("libsofthsm2.so")).find(|path| path.is_file());
        let (Some(module), Some(_)) = (module, find("softhsm2-util")) else {
            skip("softhsm2-util");
            return None;
        };
        let folder = TempDir::new().expect("temporary folder");
        std::fs::create_dir(folder.path().join("tokens")).expect("folder of tokens");
        let settings =
            format!("directories.tokendir = {}\nlog.level = ERROR\n", folder.path().join("tokens").display());
        std::fs::write(folder.path().join("softhsm2.conf"), settings).expect("settings");
        Some(Self { folder, module })
    }

    /// Makes a token with this label.
    ///
    /// # Panics
    /// When the tool fails.
    #[expect(clippy::expect_used, reason = "a test without its server has failed")]
    pub fn add_token(&self, label: &str) {
        let mut tool = Command::new("softhsm2-util");
        tool.args(["--init-token", "--free", "--label", label, "--so-pin", "8765-4321", "--pin", Self::PIN]);
        tool.env("SOFTHSM2_CONF", self.settings()).stdout(Stdio::null());
        assert!(tool.status().expect("softhsm2-util runs").success(), "softhsm2-util failed");
    }

    /// What `SOFTHSM2_CONF` must name.
    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.folder.path().join("softhsm2.conf")
    }

    /// The PKCS#11 module.
    #[must_use]
    pub fn module(&self) -> &Path {
        &self.module
    }
}

/// A TPM 2.0 made of software, at a socket.
#[derive(Debug)]
pub struct Swtpm {
    folder: TempDir,
    _process: Kept,
}

impl Swtpm {
    /// Starts a new one, where it is installed. Each has a seed of its own, as two machines have.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without its server has failed")]
    pub fn start() -> Option<Self> {
        let Some(program) = find("swtpm") else {
            skip("swtpm");
            return None;
        };
        let folder = TempDir::new().expect("temporary folder");
        let (socket, log) = (folder.path().join("socket"), folder.path().join("log"));
        let mut command = Command::new(program);
        command
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--tpmstate"])
            .arg(format!("dir={}", folder.path().display()))
            .arg("--server")
            .arg(format!("type=unixio,path={}", socket.display()));
        let process = Kept::start(&command, &log);
        wait_for("swtpm", &log, || socket.exists());
        Some(Self { folder, _process: process })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

/// A Secret Service on a session bus of its own: GNOME Keyring, unlocked, without a desktop.
#[derive(Debug)]
pub struct SecretService {
    // Stopped before the bus that it speaks on.
    _keyring: Option<Kept>,
    _bus: Kept,
    address: String,
    _folder: TempDir,
}

impl SecretService {
    /// Starts both, where they are installed.
    ///
    /// # Panics
    /// When they do not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(true)
    }

    /// Starts a bus that nobody keeps secrets on.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_bus_alone() -> Option<Self> {
        Self::start_with(false)
    }

    #[expect(clippy::expect_used, reason = "a test without its server has failed")]
    fn start_with(has_keyring: bool) -> Option<Self> {
        for program in ["dbus-daemon", "gnome-keyring-daemon", "dbus-send"] {
            if find(program).is_none() {
                skip(program);
                return None;
            }
        }
        // It wants to lock memory by a right of its file, with which a container may refuse to run it at all.
        if has_keyring
            && Command::new("gnome-keyring-daemon").arg("--version").stdout(Stdio::null()).status().is_err()
        {
            forbidden("gnome-keyring-daemon");
            return None;
        }
        let folder = TempDir::new().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        let (socket, log) = (at("bus"), at("log"));
        let address = format!("unix:path={}", socket.display());
        // A configuration of its own: nothing of this machine is started by a name on the bus.
        let settings = format!(
            "<busconfig><type>session</type><listen>{address}</listen><policy context=\"default\">\
             <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/>\
             </policy></busconfig>"
        );
        std::fs::write(at("bus.conf"), settings).expect("settings");
        let mut bus = Command::new("dbus-daemon");
        bus.arg("--nofork").arg(format!("--config-file={}", at("bus.conf").display()));
        let bus = Kept::start(&bus, &log);
        wait_for("the bus", &log, || socket.exists());
        let keyring = has_keyring.then(|| {
            std::fs::write(at("password"), KEYRING_PASSWORD).expect("password");
            std::fs::create_dir(at("run")).expect("folder");
            let mut keyring = Command::new("/bin/sh");
            keyring.args([
                "-c",
                "exec gnome-keyring-daemon --foreground --unlock --components=secrets < \"$1\"",
                "sh",
            ]);
            keyring.arg(at("password")).env("HOME", folder.path()).env("XDG_DATA_HOME", at("data"));
            keyring.env("XDG_RUNTIME_DIR", at("run")).env("DBUS_SESSION_BUS_ADDRESS", &address);
            let kept = Kept::start(&keyring, &log);
            wait_for("the keyring", &log, || has_default_keyring(&address));
            kept
        });
        Some(Self { _keyring: keyring, _bus: bus, address, _folder: folder })
    }

    /// What `DBUS_SESSION_BUS_ADDRESS` must say.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

fn has_default_keyring(address: &str) -> bool {
    let mut ask = Command::new("dbus-send");
    ask.args(["--session", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"]);
    ask.args(["org.freedesktop.Secret.Service.ReadAlias", "string:default"]);
    let answer = ask.env("DBUS_SESSION_BUS_ADDRESS", address).stderr(Stdio::null()).output();
    answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).contains("/collection/"))
}
