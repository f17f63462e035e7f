//! Certificates for servers that only speak TLS, made by the `openssl` program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::process::find;
use crate::skip;

/// An authority of our own, and a certificate for one host by it.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes them, where `openssl` is installed.
    ///
    /// # Panics
    /// When `openssl` fails.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without its server has failed")]
    pub fn for_host(host: &str) -> Option<Self> {
        let Some(openssl) = find("openssl") else {
            skip("openssl");
            return None;
        };
        let made = Self { folder: TempDir::new().expect("temporary folder") };
        let run = |arguments: &[&str]| {
            let mut command = Command::new(&openssl);
            command
                .args(arguments)
                .current_dir(made.folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            assert!(command.status().expect("openssl runs").success(), "openssl {arguments:?}");
        };
        let extensions =
            format!("subjectAltName=DNS:{host}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n");
        std::fs::write(made.folder.path().join("extensions"), extensions).expect("write");
        let new_key = ["-newkey", "rsa:2048", "-nodes", "-keyout"];
        run(&[
            &["req", "-x509", "-days", "30", "-subj", "/CN=Test authority", "-out", "authority.pem"],
            &new_key[..],
            &["authority.key"],
        ]
        .concat());
        run(&[&["req", "-subj", "/CN=Test server", "-out", "leaf.csr"], &new_key[..], &["leaf.key"]].concat());
        run(&[
            "x509",
            "-req",
            "-in",
            "leaf.csr",
            "-CA",
            "authority.pem",
            "-CAkey",
            "authority.key",
            "-CAcreateserial",
            "-days",
            "30",
            "-extfile",
            "extensions",
            "-out",
            "leaf.pem",
        ]);
        Some(made)
    }

    /// The certificate of the authority.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without its server has failed")]
    pub fn authority_pem(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("authority.pem")).expect("read")
    }

    /// The host's certificate and its key.
    #[must_use]
    pub fn leaf(&self) -> (PathBuf, PathBuf) {
        let at = |name: &str| self.folder.path().join(name);
        (at("leaf.pem"), at("leaf.key"))
    }

    /// The folder that holds them.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
