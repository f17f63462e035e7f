//! WebDAV by wsgidav (strict) and by rclone (lax).

use std::process::Command;

use crate::process::{Process, cache, find};
use crate::skip;

/// A running wsgidav without passwords.
#[derive(Debug)]
pub struct WsgiDav {
    process: Process,
}

impl WsgiDav {
    /// Starts it, where it is installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        let program = cache().join("servers/venv/bin/wsgidav");
        if !program.is_file() {
            skip("wsgidav");
            return None;
        }
        let process = Process::start(|port, folder| {
            let root = folder.join("root");
            drop(std::fs::create_dir(&root));
            let mut command = Command::new(&program);
            command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--auth", "anonymous"]);
            command.args(["--server", "cheroot", "--no-config", "--quiet", "--root"]).arg(root);
            command
        });
        Some(Self { process })
    }

    /// The address of a remote in it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("webdav://127.0.0.1:{}/below/here", self.process.port)
    }

    /// Where it keeps its files.
    #[must_use]
    pub fn root(&self) -> std::path::PathBuf {
        self.process.folder.path().join("root")
    }
}

/// A running `rclone serve webdav` with a name and a password.
#[derive(Debug)]
pub struct RcloneWebDav {
    process: Process,
}

impl RcloneWebDav {
    /// Starts it, where it is installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(program) = find("rclone") else {
            skip("rclone");
            return None;
        };
        let process = Process::start(|port, folder| {
            let root = folder.join("root");
            drop(std::fs::create_dir(&root));
            let mut command = Command::new(&program);
            command.args([
                "serve",
                "webdav",
                "--addr",
                &format!("127.0.0.1:{port}"),
                "--user",
                "u",
                "--pass",
                "p",
            ]);
            command.args(["--dir-cache-time", "0s", "--config", "/dev/null"]).arg(root);
            command
        });
        Some(Self { process })
    }

    /// The address of a remote in it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("webdav://127.0.0.1:{}", self.process.port)
    }

    /// A credential file for it.
    #[must_use]
    pub const fn credential(&self) -> &'static str {
        "user = u\npassword = p\n"
    }
}
