//! S3 by moto.

use std::process::Command;

use crate::process::{Process, cache, http};
use crate::skip;

/// Starts moto as `moto_server` does, but for one thing: moto closes the bytes of an object as soon as another one takes its
/// place, also under a reader who has just found it, and then answers that reader with 500 and nothing of either (5.2.5; of
/// 2,098 reads beside 477 writes 9, of 10,201 beside 1,186 none any more). So they stay open until nobody holds them.
const START: &str = "
import sys
import moto.s3.models as models
close = models.FakeKey.dispose
models.FakeKey.dispose = lambda key, garbage=False: close(key) if garbage else setattr(key, 'disposed', True)
from moto.server import main
main(sys.argv[1:])
";

/// It looks at whether there is a signature, not into it.
const SIGNED: (&str, &str) = (
    "authorization",
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
);

/// A running moto; it keeps everything in memory and checks no signatures.
#[derive(Debug)]
pub struct Moto {
    process: Process,
}

impl Moto {
    /// Starts it, where it is installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        let programs = cache().join("servers/venv/bin");
        if !programs.join("moto_server").is_file() {
            skip("moto");
            return None;
        }
        let process = Process::start(|port, _folder| {
            let mut command = Command::new(programs.join("python"));
            command.args(["-c", START, "-H", "127.0.0.1", "-p", &port.to_string()]);
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
        let read = |key: &String| {
            let (status, body) = http(self.process.port, "GET", &format!("/{bucket}/{key}"), &[SIGNED], b"");
            assert_eq!(status, 200, "{key}");
            body
        };
        self.keys(bucket).iter().map(read).collect()
    }

    /// The keys of all objects in a bucket.
    fn keys(&self, bucket: &str) -> Vec<String> {
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
            found.extend(keys.into_iter().map(str::to_owned));
        }
    }

    /// Changes objects of a bucket whose keys are wanted, behind the back of whoever put them. Answers how many.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn change(
        &self,
        bucket: &str,
        is_wanted: impl Fn(&str) -> bool,
        change: impl Fn(&mut Vec<u8>),
    ) -> usize {
        let wanted: Vec<String> = self.keys(bucket).into_iter().filter(|key| is_wanted(key)).collect();
        for key in &wanted {
            let path = format!("/{bucket}/{key}");
            let (status, mut bytes) = http(self.process.port, "GET", &path, &[SIGNED], b"");
            assert_eq!(status, 200, "{key}");
            change(&mut bytes);
            let (status, _) = http(self.process.port, "PUT", &path, &[SIGNED], &bytes);
            assert_eq!(status, 200, "{key}");
        }
        wanted.len()
    }

    /// A credential file for it.
    #[must_use]
    pub const fn credential(&self) -> &'static str {
        "access_key_id = test\nsecret_access_key = test\n"
    }
}
