//! `plain link`: a link to one file, read-only, over TLS only, ending by itself. Each is written down.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use safelight_store::{LinkRequest, RemoteAddress, SecretText};
use serde::{Deserialize, Serialize};

use crate::copy::PlainCopy;
use crate::error::PlainError;
use crate::index::Entry;
use crate::name::{BlobName, path_to_ascii};
use crate::state::LINKS_FILE;
use crate::upload::now;

/// The longest link: no user delegation key lives longer.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// A link that was made; a secret until it ends.
pub struct Link {
    /// Where the file is.
    pub url: SecretText,
    /// What was written down about it.
    pub record: LinkRecord,
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").field("record", &self.record).finish_non_exhaustive()
    }
}

/// What is written down about a link: everything but what opens it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRecord {
    /// When it was made, as RFC 3339.
    pub made: String,
    /// When it ends, as RFC 3339.
    pub ends: String,
    /// The place.
    pub place: String,
    /// The file, with `%` and two digits for every byte that is no printable ASCII.
    pub path: String,
    /// Its blob.
    pub blob: String,
    /// Who made it, as the place's credential is described.
    pub by: Option<String>,
}

impl PlainCopy {
    /// Makes a link to a file of the copy. What is written down about it is durable before the link is known.
    ///
    /// # Errors
    /// [`PlainError::NoSuchFile`]; [`PlainError::Refused`] for more than seven days and for places other than Azure over
    /// TLS; what the place answers, such as a missing right to lend keys.
    pub fn link(&self, file: &Path, valid_for: Duration) -> Result<Link, PlainError> {
        self.check_link(valid_for)?;
        let entry = self.find(file)?;
        let name = BlobName::parse(&entry.blob).and_then(|name| name.key());
        let key = name.map_err(|_| PlainError::NoSuchFile { name: entry.blob.clone() })?;
        let (grant, by) = self.runtime()?.block_on(async {
            let place = self.place_to_read().await?;
            let grant = place.remote.grant_download(&LinkRequest { key, valid_for }).await?;
            Ok::<_, PlainError>((grant, place.remote.credential_source()))
        })?;
        let record = LinkRecord {
            made: now(),
            ends: date(grant.expires),
            place: self.destination().name(),
            path: path_to_ascii(&entry.path),
            blob: entry.blob,
            by,
        };
        self.write_down(&record)?;
        Ok(Link { url: SecretText::new(grant.url), record })
    }

    fn check_link(&self, valid_for: Duration) -> Result<(), PlainError> {
        let refuse = |reason: &str, hint: &str| {
            Err(PlainError::Refused { reason: reason.to_owned(), hint: hint.to_owned() })
        };
        if valid_for > LONGEST || valid_for.is_zero() {
            return refuse("a link ends after seven days at the latest", "--for 7d, or less");
        }
        match &self.destination().address {
            RemoteAddress::Azure(azure) if azure.service.starts_with("https:") => Ok(()),
            RemoteAddress::Azure(_) => refuse(
                "links are read over https only, and this place is addressed by http",
                "use its https address",
            ),
            _ => refuse(
                "only Azure makes links that end with the key that was lent for them",
                "share the file by what the provider offers",
            ),
        }
    }

    /// A file by its path in the copy, by its path on this machine, or by the name of its blob.
    fn find(&self, file: &Path) -> Result<Entry, PlainError> {
        let name = self.destination().name();
        let Some(index) = self.index_to_read()? else {
            return Err(PlainError::NothingKnown { place: name });
        };
        let below_source = match index.source(&name)? {
            Some(source) => std::path::absolute(file)
                .ok()
                .map(|file| file.canonicalize().unwrap_or(file))
                .and_then(|file| file.strip_prefix(source).map(Path::to_owned).ok()),
            None => None,
        };
        for path in std::iter::once(file.to_owned()).chain(below_source) {
            if let Some(entry) = index.entry(&name, &path)? {
                return Ok(entry);
            }
        }
        let blob = file.to_str().map(|blob| blob.trim_start_matches('/'));
        let entries = index.entries(&name)?;
        let found = entries.into_iter().find(|entry| Some(entry.blob.as_str()) == blob);
        found.ok_or_else(|| PlainError::NoSuchFile { name: file.display().to_string() })
    }

    fn write_down(&self, record: &LinkRecord) -> Result<(), PlainError> {
        let path = self.links_path();
        let fail = |error| PlainError::state(&path, "written", error);
        let mut options = OpenOptions::new();
        let mut file = options.create(true).read(true).append(true).mode(0o600).open(&path).map_err(fail)?;
        let mut line = serde_json::to_string(record).map_err(|error| fail(error.into()))?;
        line.push('\n');
        if !ends_a_line(&mut file).map_err(fail)? {
            // What a crash tore off stays as it is and must not swallow this one.
            line.insert(0, '\n');
        }
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)
    }

    fn links_path(&self) -> PathBuf {
        self.state_path().join(LINKS_FILE)
    }

    /// The links that were made with this state folder, the oldest first, and how many lines of the record cannot be read.
    ///
    /// # Errors
    /// [`PlainError::State`] when the record cannot be read.
    pub fn links(&self) -> Result<(Vec<LinkRecord>, u64), PlainError> {
        let path = self.links_path();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            Err(error) => return Err(PlainError::state(&path, "read", error)),
        };
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let (mut links, mut unreadable) = (Vec::new(), 0);
        for line in lines {
            match serde_json::from_slice(line) {
                Ok(link) => links.push(link),
                Err(_) => unreadable += 1,
            }
        }
        Ok((links, unreadable))
    }
}

/// Whether a file is empty or ends with the end of a line.
fn ends_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn date(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_a_crash_tore_off_swallows_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let destination = crate::place::Destination {
            address: "azure://acct/box".parse().unwrap(),
            credential: None,
            azure: safelight_store::AzureEnvironment::default(),
            bytes_per_second: None,
            workers: 1,
            may_create: false,
        };
        let copy = PlainCopy::open(destination, folder.path().to_owned()).unwrap();
        let text = |text: &str| text.to_owned();
        let record = LinkRecord {
            made: text("2026-01-01T00:00:00Z"),
            ends: text("2026-01-02T00:00:00Z"),
            place: text("azure://acct/box"),
            path: text("a.jpg"),
            blob: text("x"),
            by: None,
        };
        copy.write_down(&record).unwrap();
        let path = copy.links_path();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(br#"{"made":"2026-\xff"#);
        std::fs::write(&path, &bytes).unwrap();
        copy.write_down(&record).unwrap();
        copy.write_down(&record).unwrap();
        assert_eq!(copy.links().unwrap(), (vec![record.clone(), record.clone(), record], 1));
        assert!(std::fs::read(&path).unwrap().starts_with(&bytes));
    }
}
