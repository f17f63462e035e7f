//! S3 by moto.

use std::process::Command;

use crate::process::{Process, cache, http};
use crate::skip;

/// A running moto; it keeps everything in memory and checks no signatures.
#[derive(Debug)]
pub struct Moto {
    process: Process,
}

impl Moto {
    /// Starts it, where it is installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        let program = cache().join("servers/venv/bin/moto_server");
        if !program.is_file() {
            skip("moto");
            return None;
        }
        let process = Process::start(|port, _folder| {
            let mut command = Command::new(&program);
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            command
        });
        Some(Self { process })
    }

    /// Its port on this machine.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.process.port
    }

    /// Makes a bucket, and says the address of a remote in it.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn bucket(&self, name: &str) -> String {
        let (status, body) = http(self.process.port, "PUT", &format!("/{name}"), &[], b"");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        format!("s3://{name}/below/here?endpoint=http://127.0.0.1:{}", self.process.port)
    }

    /// The bytes of every object in a bucket; it keeps them in memory.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn objects(&self, bucket: &str) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/{bucket}?list-type=2&start-after={after}");
            let (status, body) = http(self.process.port, "GET", &path, &[], b"");
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
            let listing = String::from_utf8_lossy(&body).into_owned();
            let keys: Vec<&str> =
                listing.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()).collect();
            let Some(last) = keys.last() else { return found };
            (*last).clone_into(&mut after);
            for key in keys {
                // It looks at whether there is a signature, not into it.
                let signed = [(
                    "authorization",
                    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
                )];
                let (status, body) =
                    http(self.process.port, "GET", &format!("/{bucket}/{key}"), &signed, b"");
                assert_eq!(status, 200, "{key}");
                found.push(body);
            }
        }
    }

    /// A credential file for it.
    #[must_use]
    pub const fn credential(&self) -> &'static str {
        "access_key_id = test\nsecret_access_key = test\n"
    }
}
