//! A folder behind SSH, through the system's own `ssh`.
//!
//! Why the system's: it brings the user's keys, agent, jump hosts and known hosts, and no password or key ever
//! passes through us. Why not opendal's: it writes in place and its rename overwrites. Here a write goes to
//! `.safelight-tmp/<random>`, is made durable, and is renamed: OpenSSH's plain rename links and so refuses a
//! name that is taken, atomically; its `posix-rename` replaces atomically.

mod session;
mod wire;

use std::ffi::OsString;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use self::session::{Session, SessionFault};
use self::wire::{Attributes, Fields, Packet, Status};
use crate::address::{RemoteAddress, SftpAddress};
use crate::capabilities::{Capabilities, Capability, Finding};
use crate::error::{Operation, StoreError};
use crate::http::{Asked, Refusal};
use crate::name::{Key, NameError, Prefix};
use crate::remote::{
    Body, GrantRequest, ListPage, ObjectInfo, PageToken, PutOptions, Remote, Stored, Tier, UploadGrant,
};

/// Where unfinished uploads are; names below it are refused.
const TEMPORARY: &str = ".safelight-tmp";
/// Enough objects for a page of a listing.
const PAGE_OBJECTS: usize = 1000;
/// How much of a file one packet carries.
const PIECE_BYTES: u32 = 64 << 10;
/// How many packets of one file are on their way at once: 1 MiB.
const PIECES_AT_ONCE: usize = 16;

/// A folder behind SSH as a [`Remote`].
#[derive(Debug)]
pub struct Sftp {
    label: String,
    address: SftpAddress,
    arguments: Vec<OsString>,
    stall: Duration,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    capabilities: Capabilities,
}

impl Sftp {
    /// Describes the place; ssh is started with the first request. `arguments` go to ssh in front of our own.
    pub(crate) fn new(address: &SftpAddress, arguments: Vec<OsString>, stall: Duration) -> Self {
        let mut capabilities = Capabilities::untried();
        for (capability, why) in [
            (Capability::Tiers, "SFTP has no tiers"),
            (Capability::UploadGrants, "SFTP cannot lend a permission"),
            (Capability::ProviderChecksum, "SFTP servers do not vouch for bytes"),
        ] {
            capabilities.set(capability, Finding::Missing(why.to_owned()));
        }
        let label = RemoteAddress::Sftp(address.clone()).to_string();
        Self {
            label,
            address: address.clone(),
            arguments,
            stall,
            session: tokio::sync::Mutex::default(),
            capabilities,
        }
    }

    pub(crate) const fn capabilities_mut(&mut self) -> &mut Capabilities {
        &mut self.capabilities
    }

    const fn asked<'a>(&'a self, operation: Operation, object: &'a str) -> Asked<'a> {
        Asked { place: self.label.as_str(), operation, object }
    }

    fn path(&self, name: &str) -> String {
        let root = self.address.path.trim_end_matches('/');
        if name.is_empty() { self.address.path.clone() } else { format!("{root}/{name}") }
    }

    fn check(&self, key: &Key) -> Result<(), StoreError> {
        if key.as_str().split('/').next() != Some(TEMPORARY) {
            return Ok(());
        }
        let rule = "this name is kept for unfinished files";
        Err(StoreError::BadName {
            place: self.label.clone(),
            source: NameError { name: key.to_string(), rule },
        })
    }

    async fn session(&self, asked: Asked<'_>) -> Result<Arc<Session>, StoreError> {
        let mut kept = self.session.lock().await;
        if let Some(session) = kept.as_ref().filter(|session| session.is_alive()) {
            return Ok(Arc::clone(session));
        }
        let started = Session::start(&self.address, &self.arguments, self.stall).await;
        let session = Arc::new(started.map_err(|fault| failed(asked, fault))?);
        *kept = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Sends a request and gives its answer; a session that broke is not used again.
    async fn ask(&self, asked: Asked<'_>, kind: u8, packet: Packet) -> Result<(u8, Fields), StoreError> {
        let session = self.session(asked).await?;
        match session.ask(kind, packet).await {
            Ok((kind, body)) => Ok((kind, Fields(body))),
            Err(fault) => {
                let mut kept = self.session.lock().await;
                if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &session)) {
                    *kept = None;
                }
                Err(failed(asked, fault))
            }
        }
    }

    /// Sends a request that is answered by a status.
    async fn status(&self, asked: Asked<'_>, kind: u8, packet: Packet) -> Result<Status, StoreError> {
        match self.ask(asked, kind, packet).await? {
            (wire::STATUS, mut fields) => fields.status().ok_or_else(|| nonsense(asked)),
            _ => Err(nonsense(asked)),
        }
    }

    /// Attributes by path ([`wire::STAT`]) or by handle ([`wire::FSTAT`]).
    async fn attributes(
        &self,
        asked: Asked<'_>,
        kind: u8,
        name: &[u8],
    ) -> Result<Option<Attributes>, StoreError> {
        match self.ask(asked, kind, Packet::new().text(name)).await? {
            (wire::ATTRIBUTES, mut fields) => fields.attributes().map(Some).ok_or_else(|| nonsense(asked)),
            (wire::STATUS, mut fields) => match fields.status().ok_or_else(|| nonsense(asked))? {
                Status::NoSuchFile => Ok(None),
                status => Err(refused(asked, status)),
            },
            _ => Err(nonsense(asked)),
        }
    }

    /// Opens a file or folder; nothing when it is not there.
    async fn handle(&self, asked: Asked<'_>, kind: u8, packet: Packet) -> Result<Option<Bytes>, StoreError> {
        match self.ask(asked, kind, packet).await? {
            (wire::HANDLE, mut fields) => fields.text().map(Some).ok_or_else(|| nonsense(asked)),
            (wire::STATUS, mut fields) => match fields.status().ok_or_else(|| nonsense(asked))? {
                Status::NoSuchFile => Ok(None),
                status => Err(refused(asked, status)),
            },
            _ => Err(nonsense(asked)),
        }
    }

    async fn close(&self, asked: Asked<'_>, handle: &[u8]) -> Result<(), StoreError> {
        match self.status(asked, wire::CLOSE, Packet::new().text(handle)).await? {
            Status::Done => Ok(()),
            status => Err(refused(asked, status)),
        }
    }

    /// Makes a folder and those above it.
    async fn make_folder(&self, asked: Asked<'_>, folder: &str) -> Result<(), StoreError> {
        let (mut missing, mut next) = (vec![folder], folder);
        loop {
            next = next.rsplit_once('/').map_or("", |(above, _)| above);
            if next.is_empty() || self.attributes(asked, wire::STAT, next.as_bytes()).await?.is_some() {
                break;
            }
            missing.push(next);
        }
        for folder in missing.into_iter().rev() {
            let made =
                self.status(asked, wire::MKDIR, Packet::new().text(folder.as_bytes()).number(0)).await?;
            // "Failure" is also what it says of a folder that is there.
            let is_there = made == Status::Done
                || self
                    .attributes(asked, wire::STAT, folder.as_bytes())
                    .await?
                    .is_some_and(|found| found.is_folder);
            if !is_there {
                return Err(refused(asked, made));
            }
        }
        Ok(())
    }

    async fn upload(
        &self,
        key: &Key,
        body: &Body,
        options: &PutOptions,
        replace: bool,
    ) -> Result<Stored, StoreError> {
        self.check(key)?;
        let asked = self.asked(Operation::Put, key.as_str());
        if options.tier.is_some() {
            return Err(self.asked(Operation::Tier, key.as_str()).unsupported("SFTP has no tiers"));
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| asked.nonsense("the system has no random bytes"))?;
        let name = data_encoding::BASE32_NOPAD.encode(&random).to_ascii_lowercase();
        let temporary = self.path(&format!("{TEMPORARY}/{name}"));
        let published = match self.write(asked, &temporary, body).await {
            Ok(()) => self.publish(asked, &temporary, key, replace).await,
            Err(error) => Err(error),
        };
        if published.is_err() {
            let left = self.status(asked, wire::REMOVE, Packet::new().text(temporary.as_bytes())).await;
            if left.is_err() {
                tracing::debug!(place = self.label, "an unfinished upload stays behind");
            }
        }
        published
    }

    async fn write(&self, asked: Asked<'_>, path: &str, body: &Body) -> Result<(), StoreError> {
        let open = || Packet::new().text(path.as_bytes()).number(wire::FOR_CREATING).number(0);
        let handle = match self.handle(asked, wire::OPEN, open()).await? {
            Some(handle) => handle,
            None => {
                self.make_folder(asked, &self.path(TEMPORARY)).await?;
                self.handle(asked, wire::OPEN, open()).await?.ok_or_else(|| nonsense(asked))?
            }
        };
        let written = self.write_pieces(asked, &handle, body).await;
        // Where it is not known, a closed file is all there is.
        let durable = Packet::new().text(b"fsync@openssh.com").text(&handle);
        let durable = match written {
            Ok(()) => self.status(asked, wire::EXTENDED, durable).await.map(Some),
            Err(error) => Err(error),
        };
        self.close(asked, &handle).await?;
        match durable? {
            Some(Status::Done | Status::Unsupported) | None => Ok(()),
            Some(status) => Err(refused(asked, status)),
        }
    }

    async fn write_pieces(&self, asked: Asked<'_>, handle: &Bytes, body: &Body) -> Result<(), StoreError> {
        let length = body.length_bytes();
        let pieces = stream::iter((0..length).step_by(PIECE_BYTES as usize)).map(|offset| async move {
            let mut piece = vec![0; usize::try_from((length - offset).min(PIECE_BYTES.into())).unwrap_or(0)];
            let read = body.read_at(offset, &mut piece).map_err(|source| StoreError::Io {
                place: self.label.clone(),
                operation: asked.operation,
                object: asked.object.to_owned(),
                source,
            })?;
            let piece = piece.get(..read).unwrap_or_default();
            match self.status(asked, wire::WRITE, Packet::new().text(handle).long(offset).text(piece)).await?
            {
                Status::Done => Ok(()),
                status => Err(refused(asked, status)),
            }
        });
        pieces.buffer_unordered(PIECES_AT_ONCE).try_collect::<()>().await
    }

    async fn publish(
        &self,
        asked: Asked<'_>,
        temporary: &str,
        key: &Key,
        replace: bool,
    ) -> Result<Stored, StoreError> {
        let path = self.path(key.as_str());
        let mut is_second = false;
        loop {
            let status = if replace {
                let packet = Packet::new().text(b"posix-rename@openssh.com");
                let packet = packet.text(temporary.as_bytes()).text(path.as_bytes());
                self.status(asked, wire::EXTENDED, packet).await?
            } else {
                let packet = Packet::new().text(temporary.as_bytes()).text(path.as_bytes());
                self.status(asked, wire::RENAME, packet).await?
            };
            match status {
                Status::Done => return Ok(Stored::default()),
                Status::NoSuchFile if !is_second => {
                    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder).to_owned();
                    self.make_folder(asked, &folder).await?;
                }
                // "Failure" does not say which; the name being taken is the one that can be looked up.
                Status::Failure
                    if !replace && self.attributes(asked, wire::STAT, path.as_bytes()).await?.is_some() =>
                {
                    return Err(asked.already_exists());
                }
                Status::Unsupported if replace => {
                    return Err(asked.unsupported("the server cannot replace a file in one step"));
                }
                status => return Err(refused(asked, status)),
            }
            is_second = true;
        }
    }

    /// Bytes of a file that is there; fewer than asked for only at its end.
    async fn read(&self, asked: Asked<'_>, handle: &Bytes, range: Range<u64>) -> Result<Bytes, StoreError> {
        let offsets = range.clone().step_by(PIECE_BYTES as usize);
        let end = range.end;
        let pieces = stream::iter(offsets).map(|offset| async move {
            let wanted = usize::try_from((end - offset).min(PIECE_BYTES.into())).unwrap_or(0);
            let mut whole = BytesMut::with_capacity(wanted);
            while whole.len() < wanted {
                let left = u32::try_from(wanted - whole.len()).unwrap_or(PIECE_BYTES);
                let packet = Packet::new().text(handle).long(offset + whole.len() as u64).number(left);
                match self.ask(asked, wire::READ, packet).await? {
                    (wire::DATA, mut fields) => {
                        let piece =
                            fields.text().filter(|piece| !piece.is_empty()).ok_or_else(|| nonsense(asked))?;
                        whole.extend_from_slice(&piece);
                    }
                    (wire::STATUS, mut fields) => match fields.status() {
                        Some(Status::End) => break,
                        Some(status) => return Err(refused(asked, status)),
                        None => return Err(nonsense(asked)),
                    },
                    _ => return Err(nonsense(asked)),
                }
            }
            Ok(whole)
        });
        let read = pieces.buffered(PIECES_AT_ONCE).try_concat().await?;
        Ok(read.freeze())
    }

    async fn read_object(
        &self,
        key: &Key,
        range: Range<u64>,
        at_most_bytes: Option<u64>,
    ) -> Result<Bytes, StoreError> {
        self.check(key)?;
        let asked = self.asked(Operation::Get, key.as_str());
        let open = Packet::new().text(self.path(key.as_str()).as_bytes()).number(wire::FOR_READING).number(0);
        let handle = self.handle(asked, wire::OPEN, open).await?.ok_or_else(|| asked.not_found())?;
        let read = self.read_opened(asked, &handle, range, at_most_bytes).await;
        self.close(asked, &handle).await?;
        read
    }

    /// The length is asked of the open file: under the name may be another by now.
    async fn read_opened(
        &self,
        asked: Asked<'_>,
        handle: &Bytes,
        range: Range<u64>,
        at_most_bytes: Option<u64>,
    ) -> Result<Bytes, StoreError> {
        let found = self.attributes(asked, wire::FSTAT, handle).await?;
        let found = found.filter(|found| !found.is_folder).ok_or_else(|| asked.not_found())?;
        if let Some(most) = at_most_bytes
            && found.length_bytes > most
        {
            return Err(asked.too_large(found.length_bytes, most));
        }
        let range = range.start.min(found.length_bytes)..range.end.min(found.length_bytes);
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let wanted = range.end - range.start;
        match self.read(asked, handle, range).await? {
            whole if whole.len() as u64 == wanted => Ok(whole),
            _ => Err(asked.cut_short()),
        }
    }

    /// What is known about an object; a folder is none.
    async fn object(&self, asked: Asked<'_>, key: &Key) -> Result<Attributes, StoreError> {
        let found = self.attributes(asked, wire::STAT, self.path(key.as_str()).as_bytes()).await?;
        found.filter(|found| !found.is_folder).ok_or_else(|| asked.not_found())
    }

    /// The entries of a folder; none when it is not there.
    async fn entries(&self, asked: Asked<'_>, folder: &str) -> Result<Vec<(Bytes, Attributes)>, StoreError> {
        let packet = Packet::new().text(self.path(folder).as_bytes());
        let Some(handle) = self.handle(asked, wire::OPENDIR, packet).await? else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        let ended = loop {
            match self.ask(asked, wire::READDIR, Packet::new().text(&handle)).await? {
                (wire::NAME, mut fields) => match fields.names() {
                    Some(names) => entries.extend(names),
                    None => break Err(nonsense(asked)),
                },
                (wire::STATUS, mut fields) => match fields.status() {
                    Some(Status::End) => break Ok(()),
                    Some(status) => break Err(refused(asked, status)),
                    None => break Err(nonsense(asked)),
                },
                _ => break Err(nonsense(asked)),
            }
        };
        self.close(asked, &handle).await?;
        ended.map(|()| entries)
    }
}

fn since_1970(seconds: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into())
}

fn info(key: Key, attributes: Attributes) -> ObjectInfo {
    ObjectInfo {
        key,
        length_bytes: attributes.length_bytes,
        modified: attributes.modified_seconds.map(since_1970),
        tier: None,
        is_thawing: false,
        version: None,
        checksum: None,
    }
}

#[async_trait]
impl Remote for Sftp {
    fn label(&self) -> &str {
        &self.label
    }

    fn credential_source(&self) -> Option<String> {
        Some("the keys of ssh".to_owned())
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.upload(key, &body, options, true).await
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.upload(key, &body, options, false).await
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        self.read_object(key, 0..u64::MAX, Some(at_most_bytes)).await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.read_object(key, range, None).await
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.check(key)?;
        let asked = self.asked(Operation::Head, key.as_str());
        self.object(asked, key).await.map(|found| info(key.clone(), found))
    }

    /// The token is the folders still to be asked, innermost last.
    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        let asked = self.asked(Operation::List, prefix.as_str());
        let mut folders: Vec<String> = match after {
            None => vec![prefix.as_str().to_owned()],
            Some(token) => token.as_str().lines().map(str::to_owned).collect(),
        };
        let mut page = ListPage::default();
        while page.objects.len() < PAGE_OBJECTS {
            let Some(folder) = folders.pop() else { break };
            for (name, attributes) in self.entries(asked, &folder).await? {
                let name = String::from_utf8_lossy(&name);
                if matches!(name.as_ref(), "." | "..") || (folder.is_empty() && name == TEMPORARY) {
                    continue;
                }
                let name = if folder.is_empty() { name.into_owned() } else { format!("{folder}/{name}") };
                match Key::parse(&name) {
                    Ok(_) if attributes.is_folder => folders.push(name),
                    Ok(key) if attributes.is_file => page.objects.push(info(key, attributes)),
                    _ => page.strangers.push(name),
                }
            }
        }
        page.next = (!folders.is_empty()).then(|| PageToken::new(folders.join("\n")));
        Ok(page)
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.check(key)?;
        let asked = self.asked(Operation::Delete, key.as_str());
        match self.status(asked, wire::REMOVE, Packet::new().text(self.path(key.as_str()).as_bytes())).await?
        {
            Status::Done | Status::NoSuchFile => Ok(()),
            status => Err(refused(asked, status)),
        }
    }

    async fn set_tier(&self, key: &Key, _tier: Tier) -> Result<(), StoreError> {
        Err(self.asked(Operation::Tier, key.as_str()).unsupported("SFTP has no tiers"))
    }

    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        Err(self.asked(Operation::Grant, request.key.as_str()).unsupported("SFTP cannot lend a permission"))
    }

    async fn remove_empty_folder(&self, folder: &Key) -> Result<(), StoreError> {
        self.check(folder)?;
        let asked = self.asked(Operation::Delete, folder.as_str());
        // The server refuses to remove one that holds something, and says no more than that it failed.
        self.status(asked, wire::RMDIR, Packet::new().text(self.path(folder.as_str()).as_bytes())).await?;
        Ok(())
    }

    async fn sweep(&self, age: Duration) -> Result<u64, StoreError> {
        let asked = self.asked(Operation::Sweep, TEMPORARY);
        let before = SystemTime::now() - age;
        let mut swept = 0;
        for (name, attributes) in self.entries(asked, TEMPORARY).await? {
            let modified = attributes.modified_seconds.map(since_1970);
            if !attributes.is_file || modified.is_none_or(|modified| modified > before) {
                continue;
            }
            let mut path = self.path(TEMPORARY).into_bytes();
            path.push(b'/');
            path.extend_from_slice(&name);
            match self.status(asked, wire::REMOVE, Packet::new().text(&path)).await? {
                Status::Done => swept += 1,
                Status::NoSuchFile => {}
                status => return Err(refused(asked, status)),
            }
        }
        Ok(swept)
    }
}

fn nonsense(asked: Asked<'_>) -> StoreError {
    asked.nonsense("the answer is not what SFTP 3 says")
}

/// What a status means. SFTP has no word for a full disk: it is among the failures.
fn refused(asked: Asked<'_>, status: Status) -> StoreError {
    match status {
        Status::NoSuchFile => asked.not_found(),
        Status::Denied => asked.refuse(Refusal { status: 403, code: None, hint: None }, None),
        Status::Failure => asked.nonsense("the server said \"failure\" (the disk may be full)"),
        _ => nonsense(asked),
    }
}

fn failed(asked: Asked<'_>, fault: SessionFault) -> StoreError {
    let (place, operation, object) = (asked.place.to_owned(), asked.operation, asked.object.to_owned());
    let said = fault.to_string();
    let is_hopeless = matches!(fault, SessionFault::NotStarted(_) | SessionFault::NotSftp)
        || said.contains("Host key verification failed");
    let source = std::io::Error::other(fault);
    if said.contains("Permission denied") {
        StoreError::Denied { place, operation, object, source }
    } else if is_hopeless {
        StoreError::Refused { place, operation, object, source }
    } else {
        StoreError::Network { place, operation, object, source }
    }
}
