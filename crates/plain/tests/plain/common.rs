//! Sources, places, and what a test hears.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use safelight_plain::{
    AdoptRequest, AzureEnvironment, Destination, Done, Monitor, PlainCopy, Problem, PushReport, PushRequest,
    RemoteAddress, RemoteCredential, RestoreRequest, Tier, VerifyReport, VerifyRequest, Weight,
};
use safelight_servers::{Azurite, Moto};

/// What was told, and when to stop.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) problems: Mutex<Vec<Problem>>,
    pub(crate) uploads: AtomicU64,
    pub(crate) stop_after: Option<u64>,
    pub(crate) stopped: AtomicBool,
}

impl Heard {
    pub(crate) fn failures(&self) -> Vec<String> {
        let problems = self.problems.lock().unwrap();
        let failures = problems.iter().filter(|problem| problem.weight == Weight::Failure);
        failures.map(|problem| format!("{}: {}", problem.path.display(), problem.reason)).collect()
    }
}

impl Monitor for Heard {
    fn done(&self, _path: &Path, done: Done<'_>) {
        if matches!(done, Done::Uploaded { .. }) {
            let uploads = self.uploads.fetch_add(1, Ordering::Relaxed) + 1;
            if self.stop_after.is_some_and(|most| uploads >= most) {
                self.stopped.store(true, Ordering::Relaxed);
            }
        }
    }

    fn problem(&self, problem: &Problem) {
        self.problems.lock().unwrap().push(problem.clone());
    }

    fn cancelled(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// A place that ends with the test.
pub(crate) enum Server {
    Folder(tempfile::TempDir),
    Azure(Azurite),
    S3(Moto),
}

impl Server {
    pub(crate) fn folder() -> Self {
        Self::Folder(tempfile::tempdir().unwrap())
    }

    /// All kinds of places that run here.
    pub(crate) fn all() -> Vec<Self> {
        let azure = Azurite::start().map(Self::Azure);
        let s3 = Moto::start().map(Self::S3);
        std::iter::once(Self::folder()).chain(azure).chain(s3).collect()
    }

    pub(crate) fn destination(&self) -> Destination {
        let (address, credential) = match self {
            Self::Folder(folder) => (format!("folder:{}", folder.path().display()), None),
            Self::Azure(azurite) => (azurite.address(), Some(azurite.sas())),
            Self::S3(moto) => (moto.bucket("photos"), Some(moto.credential().to_owned())),
        };
        destination(&address, credential.as_deref())
    }
}

pub(crate) fn destination(address: &str, credential: Option<&str>) -> Destination {
    Destination {
        address: RemoteAddress::parse(address).unwrap().0,
        credential: credential.map(|file| RemoteCredential::parse(file).unwrap()),
        azure: AzureEnvironment::default(),
        bytes_per_second: None,
        workers: 4,
        may_create: false,
    }
}

/// A source, a state folder, and room for what is restored.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) destination: Destination,
}

impl World {
    pub(crate) fn new(destination: Destination) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("source")).unwrap();
        Self { folder, destination }
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    pub(crate) fn write(&self, path: impl AsRef<OsStr>, bytes: &[u8]) {
        let path = self.source().join(path.as_ref());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_500_000_000, 123_456_000);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(time + std::time::Duration::from_secs(bytes.len() as u64)).unwrap();
    }

    /// Files with names and contents of many kinds.
    pub(crate) fn fill(&self) {
        self.write("2024/05/a.jpg", b"one");
        self.write("2024/05/b c+d&e.jpg", b"two");
        self.write("Ä/日本.png", b"three");
        self.write("empty.jpg", b"");
        self.write(OsStr::from_bytes(b"no utf8 \xff\xfe.jpg"), b"four");
        self.write("line\nbreak\\back.jpg", b"five");
        self.write("dot./x", b"six");
        self.write("%2E%2E/a%25.jpg", b"seven");
        self.write("n".repeat(255), b"eight");
    }

    /// The state folder of a machine.
    pub(crate) fn state(&self, machine: &str) -> PathBuf {
        self.folder.path().join(machine)
    }

    pub(crate) fn copy(&self, machine: &str) -> PlainCopy {
        PlainCopy::open(self.destination.clone(), self.state(machine)).unwrap()
    }

    pub(crate) fn request(&self) -> PushRequest {
        PushRequest {
            source: self.source(),
            tier: None,
            only_media: false,
            dedupe: false,
            adds_source: false,
            dry_run: false,
            names_blobs: false,
        }
    }

    #[track_caller]
    pub(crate) fn push(&self, machine: &str) -> PushReport {
        let heard = Heard::default();
        let pushed = self.copy(machine).push(&self.request(), &heard).unwrap();
        assert_eq!(heard.failures(), Vec::<String>::new());
        pushed
    }

    #[track_caller]
    pub(crate) fn verify(&self, machine: &str) -> VerifyReport {
        let heard = Heard::default();
        let report = self.copy(machine).verify(VerifyRequest::default(), &heard).unwrap();
        assert_eq!(heard.failures(), Vec::<String>::new());
        report
    }

    pub(crate) fn adopt(&self, machine: &str) {
        let heard = Heard::default();
        self.copy(machine).adopt(&AdoptRequest::default(), &heard).unwrap();
        assert_eq!(heard.failures(), Vec::<String>::new());
    }

    /// Restores everything, and answers what there is then.
    #[track_caller]
    pub(crate) fn restore(&self, machine: &str, without_index: bool) -> BTreeMap<PathBuf, (Vec<u8>, i128)> {
        let target = self.folder.path().join(format!("restored-{machine}-{without_index}"));
        let request =
            RestoreRequest { target: target.clone(), paths: Vec::new(), without_index, dry_run: false };
        let heard = Heard::default();
        self.copy(machine).restore(&request, &heard).unwrap();
        assert_eq!(heard.failures(), Vec::<String>::new());
        tree(&target)
    }
}

/// Every file below a folder: its bytes and its time of change in nanoseconds.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, i128)> {
    let (mut found, mut ahead) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(path) = ahead.pop() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                ahead.push(path);
            } else if metadata.is_file() {
                use std::os::unix::fs::MetadataExt as _;
                let time = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
                let relative = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(relative, (std::fs::read(&path).unwrap(), time));
            }
        }
    }
    found
}

/// The tree without times, for places that keep none.
pub(crate) fn bytes_of(tree: &BTreeMap<PathBuf, (Vec<u8>, i128)>) -> BTreeMap<&PathBuf, &Vec<u8>> {
    tree.iter().map(|(path, (bytes, _))| (path, bytes)).collect()
}

pub(crate) const COOL: Option<Tier> = Some(Tier::Cool);
