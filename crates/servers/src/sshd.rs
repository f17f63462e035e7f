//! SFTP by OpenSSH's server, for the user who runs the test, with keys of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::process::{Process, find};
use crate::skip;

/// A running sshd that serves files only.
#[derive(Debug)]
pub struct Sshd {
    process: Process,
    keys: TempDir,
    user: String,
}

impl Sshd {
    /// Starts it, where it is installed.
    ///
    /// # Panics
    /// When keys cannot be made.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without its server has failed")]
    pub fn start() -> Option<Self> {
        // It starts itself again by its whole path, and is often not on the search path.
        let sshd =
            find("sshd").or_else(|| Some(PathBuf::from("/usr/sbin/sshd")).filter(|sshd| sshd.is_file()));
        let (Some(sshd), Some(keygen), Some(_)) = (sshd, find("ssh-keygen"), find("ssh")) else {
            skip("sshd");
            return None;
        };
        let user = Command::new("id").arg("-un").output().expect("id runs").stdout;
        let user = String::from_utf8_lossy(&user).trim().to_owned();
        if user == "root" {
            // Where it locks itself in before it knows who comes.
            drop(std::fs::create_dir_all("/run/sshd"));
        }
        let keys = TempDir::new().expect("temporary folder");
        for name in ["host", "user"] {
            let mut command = Command::new(&keygen);
            command
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(keys.path().join(name))
                .stdout(Stdio::null());
            assert!(command.status().expect("ssh-keygen runs").success(), "ssh-keygen failed");
        }
        let at = |name: &str| keys.path().join(name).display().to_string();
        let process = Process::start(|port, folder| {
            drop(std::fs::create_dir(folder.join("root")));
            let settings = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
                 StrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n",
                at("host"),
                at("user.pub")
            );
            let configuration = folder.join("sshd_config");
            drop(std::fs::write(&configuration, settings));
            let mut command = Command::new(&sshd);
            command.args(["-D", "-e", "-f"]).arg(configuration);
            command
        });
        Some(Self { process, keys, user })
    }

    /// The address of a remote in it.
    #[must_use]
    pub fn address(&self) -> String {
        let root = self.root();
        format!("sftp://{}@127.0.0.1:{}{}/below/here", self.user, self.process.port, root.display())
    }

    /// Where it keeps its files.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.process.folder.path().join("root")
    }

    /// What the client has to be told to know this server and to be known by it.
    #[must_use]
    pub fn client_arguments(&self) -> Vec<OsString> {
        let key: &Path = &self.keys.path().join("user");
        let mut arguments: Vec<OsString> =
            ["-F", "/dev/null", "-o", "StrictHostKeyChecking=no"].map(Into::into).into();
        let known = self.keys.path().join("known_hosts");
        arguments.extend(["-o".into(), format!("UserKnownHostsFile={}", known.display()).into()]);
        arguments.extend(["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), key.into()]);
        arguments
    }
}
