//! Azure Blob Storage by Azurite.
//!
//! The signatures below are made with the key of the emulator's only account, which Microsoft publishes.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::process::{Process, cache, find, http};
use crate::skip;
use crate::tls::Certificates;

/// The emulator's account.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Opens the whole account, to make containers with.
const ACCOUNT_SAS: &str = "sv=2020-12-06&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&spr=https,http&sig=wuAW2s2z8U7NhHG8Efazfqb52Qnj74OIPXvd3nVp8a4%3D";
/// Read, create and list in the container `photos`, and nothing else.
const CREATE_ONLY_SAS: &str = "sv=2020-12-06&sp=rcl&se=2099-01-01T00:00:00Z&spr=https,http&sr=c&sig=jOmV%2F%2BRA%2FltE4ftCgSx1JA5%2FtNc4qP9XnjAy8o5RXFo%3D";
/// Everything that a library does, in the container `photos`.
const FULL_SAS: &str = "sv=2020-12-06&sp=rcwdl&se=2099-01-01T00:00:00Z&spr=https,http&sr=c&sig=WAqOApzWs1WTgNQiHeEWulL6aEV3KlIyO6pJuk9R0jI%3D";

/// The same, and overwriting, but not removing.
const NO_DELETE_SAS: &str = "sv=2020-12-06&sp=rcwl&se=2099-01-01T00:00:00Z&spr=https,http&sr=c&sig=GKM4QB928bsFCZ3sgQc%2FGB01VX0I0K48dj7nM1%2FEUtw%3D";
/// Looking alone.
const READ_ONLY_SAS: &str = "sv=2020-12-06&sp=rl&se=2099-01-01T00:00:00Z&spr=https,http&sr=c&sig=Og7NVDvBFIZo2gP0hBDf6ZcYnxAB7ogrdf2Fw1PpQ24%3D";
/// Create and list, and read nothing.
const BLIND_SAS: &str = "sv=2020-12-06&sp=cl&se=2099-01-01T00:00:00Z&spr=https,http&sr=c&sig=fWMC%2FL12E0ooGLnVMHwwthEvEke0OvF5pOyR6Q%2BU0cY%3D";

/// Adds to the time whatever the file `ahead` in its folder says.
const CLOCK: &str = "
const fs = require('fs');
const Real = Date;
function ahead() {
  try { return 1000 * Number(fs.readFileSync(__dirname + '/ahead', 'utf8')); } catch { return 0; }
}
global.Date = class extends Real {
  constructor(...given) { if (given.length) super(...given); else super(Real.now() + ahead()); }
  static now() { return Real.now() + ahead(); }
};
";

/// A running Azurite.
#[derive(Debug)]
pub struct Azurite {
    process: Process,
}

impl Azurite {
    /// Starts it without TLS, where it is installed, with an empty container `photos`.
    #[must_use]
    pub fn start() -> Option<Self> {
        let azurite = Self::start_with(None, false)?;
        azurite.make_container("photos");
        Some(azurite)
    }

    /// Starts it with TLS, so that it takes bearer tokens; containers are made by who has one.
    #[must_use]
    pub fn start_with_tls(certificates: &Certificates) -> Option<Self> {
        Self::start_with(Some(certificates), false)
    }

    /// The same with a clock that can be [set ahead](Self::set_clock_ahead).
    #[must_use]
    pub fn start_with_tls_and_clock(certificates: &Certificates) -> Option<Self> {
        Self::start_with(Some(certificates), true)
    }

    /// Sets its clock ahead of this machine's.
    ///
    /// # Panics
    /// When that cannot be written.
    #[expect(clippy::expect_used, reason = "a test without its server has failed")]
    pub fn set_clock_ahead(&self, seconds: u64) {
        let (new, path) = (self.folder().join("ahead.new"), self.folder().join("ahead"));
        std::fs::write(&new, seconds.to_string()).expect("write");
        std::fs::rename(new, path).expect("rename");
    }

    fn start_with(certificates: Option<&Certificates>, has_clock: bool) -> Option<Self> {
        let program = cache().join("servers/node_modules/azurite/dist/src/blob/main.js");
        let (Some(node), true) = (find("node"), program.is_file()) else {
            skip("azurite");
            return None;
        };
        let process = Process::start(|port, folder| {
            let mut command = Command::new(&node);
            if has_clock {
                let path = folder.join("clock.js");
                std::fs::write(&path, CLOCK).unwrap_or_default();
                command.arg("--require").arg(path);
            }
            command
                .arg(&program)
                .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "-l"])
                .arg(folder);
            command.args(["--skipApiVersionCheck", "--silent", "--disableTelemetry"]);
            if let Some(certificates) = certificates {
                let (certificate, key) = certificates.leaf();
                command.args(["--oauth", "basic", "--cert"]).arg(certificate).arg("--key").arg(key);
            }
            command
        });
        Some(Self { process })
    }

    /// Makes a container (without TLS only), or finds it made: a busy machine may have sent the wish twice.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn make_container(&self, name: &str) {
        let path = format!("/{ACCOUNT}/{name}?restype=container&{ACCOUNT_SAS}");
        let (status, body) = http(self.process.port, "PUT", &path, &[("x-ms-version", "2021-12-02")], b"");
        assert!(matches!(status, 201 | 409), "{status} {}", String::from_utf8_lossy(&body));
    }

    /// Its port on this machine.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.process.port
    }

    /// Where it keeps its files: what rests in containers is below `__blobstorage__`.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.process.folder.path()
    }

    /// The name of its account.
    #[must_use]
    pub const fn account(&self) -> &'static str {
        ACCOUNT
    }

    /// The address of a remote in the container `photos`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}/photos/below/here", self.process.port)
    }

    /// The address of its account with a SAS, as rclone takes it.
    #[must_use]
    pub fn account_sas_url(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}?{ACCOUNT_SAS}", self.process.port)
    }

    /// A credential file with the account's key.
    #[must_use]
    pub fn account_key(&self) -> String {
        format!("account_key = {KEY}\n")
    }

    /// A credential file with a SAS for everything that a library does in `photos`.
    #[must_use]
    pub fn sas(&self) -> String {
        FULL_SAS.to_owned()
    }

    /// A credential file with a SAS that may read, create and list in `photos`.
    #[must_use]
    pub fn create_only_sas(&self) -> String {
        CREATE_ONLY_SAS.to_owned()
    }

    /// A credential file with a SAS that may do everything in `photos` but remove.
    #[must_use]
    pub fn no_delete_sas(&self) -> String {
        NO_DELETE_SAS.to_owned()
    }

    /// A credential file with a SAS that may only look at `photos`.
    #[must_use]
    pub fn read_only_sas(&self) -> String {
        READ_ONLY_SAS.to_owned()
    }

    /// A credential file with a SAS that may create and list in `photos`, but read nothing.
    #[must_use]
    pub fn blind_sas(&self) -> String {
        BLIND_SAS.to_owned()
    }

    /// Writes a blob of `photos` with a SAS, or removes it, and says the status: what Azurite itself permits.
    #[must_use]
    pub fn try_blob(&self, method: &str, name: &str, sas: &str) -> u16 {
        let path = format!("/{ACCOUNT}/photos/{name}?{sas}");
        let headers = [("x-ms-version", "2021-12-02"), ("x-ms-blob-type", "BlockBlob")];
        http(self.process.port, method, &path, &headers, b"").0
    }

    /// Makes a container with a bearer token, over TLS.
    ///
    /// # Panics
    /// When it cannot be made.
    #[expect(clippy::expect_used, reason = "a test without its server has failed")]
    pub fn make_container_by_token(&self, host: &str, name: &str, token: &str) {
        let port = self.process.port;
        let request = format!(
            "PUT /{ACCOUNT}/{name}?restype=container HTTP/1.1\r\nhost: {host}:{port}\r\nx-ms-version: 2021-12-02\r\n\
             authorization: Bearer {token}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let mut openssl = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}"), "-servername", host])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl runs");
        let mut stdin = openssl.stdin.take().expect("a pipe");
        stdin.write_all(request.as_bytes()).expect("sends");
        let output = openssl.wait_with_output().expect("answers");
        drop(stdin);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.starts_with("HTTP/1.1 201"), "{said}");
    }
}
