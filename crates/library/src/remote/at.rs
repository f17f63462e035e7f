//! Remotes as `device.db` remembers them, and how one is connected.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use safelight_catalog::{NewRemote, PolicyKind, RemoteRow, SyncState};
use safelight_crypto::{ContentHash, Entropy as _, OsEntropy};
use safelight_model::{Original, RenditionKind};
use safelight_store::layer::{Clock, Counting, Limit, Retry, RetryOptions, SystemClock, Tracing};
use safelight_store::{
    AzureEnvironment, Capabilities, Capability, ConnectOptions, Finding, ObjectPath, Remote, RemoteAddress,
    RemoteCredential, SealedRemote, StoreError, Tier, connect,
};
use safelight_sync::{RemotePlace, SyncError, is_held, refuse_another_library, start_over};
use serde::Serialize;

use super::daily::Capped;
use super::keeper::Keeper;
use super::lan::Lan;
use super::terms::{RECONSIDER, Terms, WallClock};
use crate::effects::now_millis;
use crate::error::{LibraryError, Result};
use crate::folder::LibraryFolder;
use crate::library::{Library, device_key};
use crate::remote::lock::SyncLock;
use crate::remote::standing::ShownPolicy;
use crate::why::Why;

/// What of the process's surroundings connecting needs; the command line fills it.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// What decides which identity is used at Azure.
    pub azure: AzureEnvironment,
    /// What tells the hours of limits and quiet hours.
    pub clock: WallClock,
    /// The home of whoever runs this.
    pub home: Option<PathBuf>,
    /// Whether an invitation also waits on the local network.
    pub lan: Lan,
}

/// A remote to be added.
#[derive(Debug, Clone, Copy)]
pub struct RemoteRequest<'a> {
    /// What people call it.
    pub name: &'a str,
    /// Where it is, without anything secret.
    pub address: &'a str,
    /// What opens it.
    pub credential: Option<&'a RemoteCredential>,
}

/// What was found out about one thing that a place can or cannot do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct CapabilityFinding {
    /// The capability, as `put-if-absent`.
    pub capability: String,
    /// Whether it was seen to work.
    pub works: bool,
    /// Why not, where that is known.
    pub reason: Option<String>,
    /// The same in a code, where there is one.
    pub why: Option<Why>,
}

/// A remote that was connected and probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct AddedRemote {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Which proof of permission was in use, as `the Azure CLI` or `a sign-in to Dropbox as Name <address>`.
    pub proof: Option<String>,
    /// What it can do.
    pub capabilities: Vec<CapabilityFinding>,
}

/// A remote as it is shown; nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownRemote {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// What kind of credential opens it; none where the machine's own identity does.
    pub credential: Option<&'static str>,
    /// Which proof of permission was in use when it was last tried, with the account where the place tells it.
    pub proof: Option<String>,
    /// What goes there.
    pub policy: ShownPolicy,
    /// How fast it is used at most, as `2MB/s` or `500kB/s@08:00-18:00`.
    pub limit: Option<String>,
    /// The hours at which it is not used, as `22:00-07:00`.
    pub quiet: Option<String>,
    /// The most bytes of photos that go there within 24 hours, as `20GB`.
    pub daily: Option<String>,
    /// What went there within the last 24 hours and counts against it.
    pub daily_sent_bytes: Option<u64>,
    /// Why nothing of photos goes there for now, if the daily cap is the reason.
    pub capped: Option<Capped>,
    /// What it can do.
    pub capabilities: Vec<CapabilityFinding>,
    /// When the last sync ended well, in milliseconds since 1970.
    pub synced_millis: Option<i64>,
    /// Why the last sync failed, if it did.
    pub last_error: Option<String>,
    /// Originals that it holds whole, as far as is known: those that are synced, cloud-only or thawing.
    pub safe_originals: u64,
    /// Originals that are to be sent, by this device or another.
    pub waiting_originals: u64,
    /// Those of them that wait for your consent.
    pub held_originals: u64,
    /// Originals that stay here, because the policy or a switch says so, or they cannot go.
    pub local_originals: u64,
    /// Originals whose sending failed.
    pub failed_originals: u64,
}

/// A connected remote with its counters.
pub(crate) struct Connected {
    pub(crate) store: SealedRemote,
    /// The same, for what is not sealed: the conformance suite.
    pub(super) remote: Arc<dyn Remote>,
    pub(super) counting: Counting,
    pub(super) keeper: Keeper,
}

/// Words that stand where the name of a remote does, and mean something else there.
const RESERVED: [&str; 5] = ["on", "off", "auto", "switches", "help"];

/// Refuses what cannot be the name of a remote.
/// Whether a remote can be called so.
#[must_use]
pub fn is_remote_name(name: &str) -> bool {
    check_remote_name(name).is_ok()
}

pub(super) fn check_remote_name(name: &str) -> Result<()> {
    if RESERVED.contains(&name) {
        return Err(LibraryError::Refused {
            reason: format!(
                "{name} cannot be the name of a remote: safelight sync {name} means something else"
            ),
            hint: "choose another name".into(),
        });
    }
    let is_name = name.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter));
    if !is_name || name.is_empty() || name.starts_with('-') {
        return Err(LibraryError::Refused {
            reason: format!("{name:?} cannot be the name of a remote"),
            hint: "use letters, digits, - _ and ., and no - in front".into(),
        });
    }
    Ok(())
}

/// The address of a remote. A secret in it is refused: whoever lists processes would read it.
pub(crate) fn parse_address(text: &str) -> Result<RemoteAddress> {
    let (address, secret) = RemoteAddress::parse(text).map_err(StoreError::from).map_err(SyncError::from)?;
    if secret.is_some() {
        return Err(LibraryError::Refused {
            reason: "the address carries a signature, and everybody on this machine could read it there"
                .into(),
            hint: "put the whole signed address into a file and pass --credential-file FILE".into(),
        });
    }
    Ok(address)
}

/// Refuses a place inside the folder of a library, this one's or another's, and one around this library: what rests there
/// is no second copy, and goes with the first. A file may lie beside a library.
pub(crate) fn refuse_library_folder(address: &RemoteAddress, library: &Path) -> Result<()> {
    let (path, folder) = match address {
        RemoteAddress::Folder(path) => (path, Some(path.as_path())),
        RemoteAddress::File(path) => (path, path.parent()),
        _ => return Ok(()),
    };
    let is_folder = matches!(address, RemoteAddress::Folder(_));
    // One that is not there, or not to be entered, is looked into by who connects it.
    let Some(Ok(real)) = folder.map(Path::canonicalize) else { return Ok(()) };
    let around = real.ancestors().find(|folder| LibraryFolder::exists(folder));
    let reason = match around {
        Some(folder) => format!("{} lies in the folder of the library {}", path.display(), folder.display()),
        None if is_folder && library.canonicalize().is_ok_and(|library| library.starts_with(&real)) => {
            format!("the folder of this library lies in {}", path.display())
        }
        None => return Ok(()),
    };
    let hint = if is_folder {
        "a remote is a place of its own: name a folder that no library lies in or around, best on another disk"
    } else {
        "a sealed copy is a place of its own: name a file outside of every library, best on another disk"
    };
    Err(LibraryError::Refused { reason, hint: hint.into() })
}

/// The runtime that one command's requests run on.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| LibraryError::Io { path: "the network".into(), action: "used", source })
}

/// Connects, and puts retries, limits, counting and tracing around. Probes where nothing is known.
pub(crate) async fn connect_to(
    address: &RemoteAddress,
    keeper: Keeper,
    surroundings: &Surroundings,
    known: Option<Capabilities>,
) -> Result<Connected> {
    let terms = keeper.terms();
    let options = ConnectOptions {
        known,
        azure: surroundings.azure.clone(),
        keeper: Some(Arc::new(keeper.clone())),
        ..ConnectOptions::default()
    };
    let bare =
        connect(address, keeper.credential(), options, &fresh_token()).await.map_err(SyncError::from)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut seed = [0; 8];
    OsEntropy.fill(&mut seed);
    let retries = RetryOptions { seed: u64::from_le_bytes(seed), ..RetryOptions::default() };
    let (counted, counting) = Counting::around(bare);
    let limit = Arc::new(Limit::new(terms.limits(surroundings.clock.now()), Arc::clone(&clock)));
    keep_to_schedule(&limit, terms, surroundings.clock);
    let limited: Arc<dyn Remote> = Arc::new(Limit::around(Arc::new(counted), limit));
    let retried: Arc<dyn Remote> = Arc::new(Retry::around(limited, retries, Arc::clone(&clock)));
    let remote: Arc<dyn Remote> = Arc::new(Tracing::around(retried, clock));
    Ok(Connected { store: SealedRemote::new(Arc::clone(&remote)), remote, counting, keeper })
}

/// Changes a limit as its hours come and go, for as long as the remote is used.
fn keep_to_schedule(limit: &Arc<Limit>, terms: Terms, wall: WallClock) {
    let limit = Arc::downgrade(limit);
    if terms.limit.is_none() {
        return;
    }
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(RECONSIDER).await;
            let Some(limit) = limit.upgrade() else { return };
            limit.change(terms.limits(wall.now()));
        }
    });
}

/// A name that no earlier probe used.
pub(super) fn fresh_token() -> String {
    let mut token = [0; 16];
    OsEntropy.fill(&mut token);
    HEXLOWER.encode(&token)
}

/// What is said of what only the conformance suite finds out.
const NOT_TRIED: &str = "not tried yet; remote check does";

pub(super) fn findings(capabilities: &Capabilities) -> Vec<CapabilityFinding> {
    let found = Capability::ALL.into_iter().filter_map(|capability| {
        let name = serde_json::to_value(capability).ok()?.as_str()?.to_owned();
        let (works, reason) = match capabilities.finding(capability) {
            Finding::Works => (true, None),
            Finding::Missing(reason) => (false, Some(reason.clone())),
            Finding::Untried => (false, Some(NOT_TRIED.to_owned())),
        };
        let why = reason.as_deref().and_then(Why::of);
        Some(CapabilityFinding { capability: name, works, reason, why })
    });
    found.collect()
}

impl Library {
    /// Connects a place, finds out what it can do, and remembers it. Nothing of the library is sent yet.
    ///
    /// # Errors
    /// When the name is taken or cannot be one, when another library rests in the place, or it cannot be used: objects must
    /// be writable and readable there.
    pub fn add_remote(
        &mut self,
        request: &RemoteRequest<'_>,
        surroundings: &Surroundings,
    ) -> Result<AddedRemote> {
        self.folder.require_writable()?;
        check_remote_name(request.name)?;
        if self.device.remote(request.name)?.is_some() {
            return Err(LibraryError::Refused {
                reason: format!("there is a remote {} already", request.name),
                hint: "safelight remote set NAME changes it; remote remove NAME forgets it".into(),
            });
        }
        let address = parse_address(request.address)?;
        let keeper = Keeper::new(request.credential.cloned());
        let connected = runtime()?.block_on(self.connect_anew(&address, keeper, surroundings))?;
        self.judge_and_keep(request.name, &address, &connected)
    }

    /// Connects a place and finds out what it can do, unless another library rests there: probing would write to it.
    pub(super) async fn connect_anew(
        &self,
        address: &RemoteAddress,
        keeper: Keeper,
        surroundings: &Surroundings,
    ) -> Result<Connected> {
        refuse_library_folder(address, self.path())?;
        let options = ConnectOptions {
            known: Some(Capabilities::untried()),
            azure: surroundings.azure.clone(),
            keeper: Some(Arc::new(keeper.clone())),
            ..ConnectOptions::default()
        };
        let bare = connect(address, keeper.credential(), options, "").await.map_err(SyncError::from)?;
        match refuse_another_library(self.id(), &self.place, &SealedRemote::new(bare)).await {
            // What else is wrong the probe looks into.
            Err(SyncError::Store(error)) if !error.is_network() => {
                tracing::debug!(%error, "whose place it is cannot be told");
            }
            judged => judged?,
        }
        connect_to(address, keeper, surroundings, None).await
    }

    /// Remembers a remote as it was just found, with the credential as its provider last replaced it.
    pub(super) fn judge_and_keep(
        &mut self,
        name: &str,
        address: &RemoteAddress,
        connected: &Connected,
    ) -> Result<AddedRemote> {
        let found = judge(name, address, connected.store.capabilities())?;
        self.keep_remote(name, address, &connected.keeper, connected.store.capabilities())?;
        Ok(found)
    }

    /// Remembers what was just found about a remote that is known; its credential is left alone, because another
    /// process may just have replaced it.
    pub(super) fn judge_and_note(
        &mut self,
        row: &RemoteRow,
        address: &RemoteAddress,
        capabilities: &Capabilities,
    ) -> Result<AddedRemote> {
        let found = judge(&row.name, address, capabilities)?;
        self.device.set_remote_capabilities(row.id, &capabilities.to_bytes())?;
        Ok(found)
    }

    pub(super) fn keep_remote(
        &mut self,
        name: &str,
        address: &RemoteAddress,
        keeper: &Keeper,
        capabilities: &Capabilities,
    ) -> Result<safelight_catalog::RemoteId> {
        let secret = keeper.credential().as_ref().map(RemoteCredential::to_bytes);
        let id = self.device.put_remote(&NewRemote {
            name,
            address: &address.to_string(),
            credential: secret.as_deref().map(Vec::as_slice),
            policy: PolicyKind::Full.word(),
            capabilities: Some(&capabilities.to_bytes()),
            now_millis: now_millis(),
        })?;
        keeper.rest_in(&self.folder, device_key(self.keyring()), id);
        Ok(id)
    }

    /// All remotes, in the order in which they were added.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remotes(&self) -> Result<Vec<ShownRemote>> {
        let purged = self.purged_contents()?;
        self.device.remotes()?.into_iter().map(|row| self.shown_remote(row, &purged)).collect()
    }

    /// What is connected, in few words: the same for as long as nobody connects, renames or forgets a place, or sets what
    /// goes there. No revision tells that, as it is this device's own.
    ///
    /// # Errors
    /// Those of the database.
    pub fn connected_places(&self) -> Result<Vec<(String, String)>> {
        Ok(self.device.remote_policies()?)
    }

    /// One remote.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchRemote`].
    pub fn remote(&self, name: &str) -> Result<ShownRemote> {
        self.shown_remote(self.remote_row(name)?, &self.purged_contents()?)
    }

    /// Refuses a tier that a remote does not have.
    pub(super) fn check_tier(&self, id: safelight_catalog::RemoteId, tier: Tier) -> Result<()> {
        let row = self.device.remotes()?.into_iter().find(|row| row.id == id);
        let capabilities = row.and_then(|row| Capabilities::from_bytes(row.capabilities.as_deref()?));
        let tiers = capabilities.map(|capabilities| capabilities.tiers).unwrap_or_default();
        if tiers.contains(&tier) {
            return Ok(());
        }
        let known = tiers.iter().map(|tier| tier.word()).collect::<Vec<_>>().join(", ");
        Err(LibraryError::Refused {
            reason: format!("this remote has no tier {}", tier.word()),
            hint: match known.as_str() {
                "" => "it has no tiers at all: leave tier= away".into(),
                known => format!("it has {known}"),
            },
        })
    }

    /// Forgets a remote, its credential and everything that is known about it. What rests there stays there.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchRemote`], [`LibraryError::AnotherSync`].
    pub fn remove_remote(&mut self, name: &str) -> Result<()> {
        self.folder.require_writable()?;
        let row = self.remote_row(name)?;
        // A sync that runs would go on recording what it put there.
        let _only = SyncLock::take(&self.folder)?;
        Ok(self.device.remove_remote(row.id)?)
    }

    /// Keeps the credential of a remembered remote, where its provider replaces it.
    pub(crate) fn keeper(&self, row: &RemoteRow) -> Result<Keeper> {
        let keeper = Keeper::new(kept_credential(row)?).on(self.terms_of(row)?);
        keeper.rest_in(&self.folder, device_key(self.keyring()), row.id);
        Ok(keeper)
    }

    /// How many originals that are not on this device rested in this remote alone, and how many bytes: what it
    /// would not give back if what it lost is gone.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchRemote`].
    pub fn resting_only_in(&self, name: &str) -> Result<(u64, u64)> {
        let row = self.remote_row(name)?;
        let holds = [SyncState::Synced, SyncState::CloudOnly, SyncState::Thawing];
        let (mut originals, mut bytes) = (0, 0);
        for content in self.device.contents_in(row.id, &[SyncState::CloudOnly, SyncState::Thawing])? {
            let there = self.device.original_at_remotes(&content)?;
            if there.iter().any(|(id, other)| *id != row.id && holds.contains(&other.state)) {
                continue;
            }
            originals += 1;
            bytes += self.original_of(&content)?.map_or(0, |original| original.size_bytes);
        }
        Ok((originals, bytes))
    }

    /// Forgets what a remote held, because its owner knows that it was emptied or went back: the next sync reads it
    /// from its beginning, and gives it everything that is here.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchRemote`], [`LibraryError::AnotherSync`].
    pub fn accept_rollback(&mut self, name: &str) -> Result<()> {
        self.folder.require_writable()?;
        let row = self.remote_row(name)?;
        // A sync that runs would go on recording what it saw there before.
        let _only = SyncLock::take(&self.folder)?;
        Ok(start_over(&mut self.device, row.id)?)
    }

    pub(super) fn remote_row(&self, name: &str) -> Result<RemoteRow> {
        self.device.remote(name)?.ok_or_else(|| LibraryError::NoSuchRemote { name: name.to_owned() })
    }

    /// The remotes that a command is about: the named one, else all.
    pub(crate) fn remote_rows(&self, name: Option<&str>) -> Result<Vec<RemoteRow>> {
        let rows = match name {
            Some(name) => vec![self.remote_row(name)?],
            None => self.device.remotes()?,
        };
        if rows.is_empty() {
            return Err(LibraryError::NoRemote);
        }
        Ok(rows)
    }

    /// Whether some remote was seen to hold an original whole.
    pub(crate) fn is_in_some_remote(&self, content: &ContentHash) -> Result<bool> {
        Ok(self.device.count_remotes_holding(content)? > 0)
    }

    /// Whether an original never was on this device, or was let go on purpose.
    pub(crate) fn rests_only_elsewhere(&self, content: &ContentHash) -> Result<bool> {
        let rows = self.device.original_at_remotes(content)?;
        let is_elsewhere = |state| {
            matches!(
                state,
                SyncState::CloudOnly | SyncState::Elsewhere | SyncState::Thawing | SyncState::Lost
            )
        };
        Ok(!rows.is_empty() && rows.iter().all(|(_, row)| is_elsewhere(row.state)))
    }

    /// Originals of other devices whose history was taken in by a sync that did not get to its originals: nothing of them is
    /// here, and no remote was asked for them yet.
    pub(crate) fn still_to_come(&self) -> Result<HashSet<ContentHash>> {
        let (own, mut to_come) = (self.keyring().device().id(), HashSet::new());
        for row in self.device.remotes()? {
            for added in self.unasked(&row)? {
                let original = &added.original;
                if original.source.device != own
                    && self.device.original_at_remotes(&original.content)?.is_empty()
                    && !self.is_any_here(original)?
                {
                    to_come.insert(original.content);
                }
            }
        }
        Ok(to_come)
    }

    /// Whether anything of an original rests in the library folder.
    fn is_any_here(&self, original: &Original) -> Result<bool> {
        if self.device.packed(&original.content, RenditionKind::Original)?.is_some() {
            return Ok(true);
        }
        for part in &original.parts {
            if self.place.contains(&ObjectPath::original(part.name)).map_err(SyncError::from)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why an original that cannot be read is not here, where remotes are known to hold it.
    pub(crate) fn rests_elsewhere(&self, original: &Original) -> Result<Option<LibraryError>> {
        let names = self.names_of_holders(&original.content)?;
        Ok((!names.is_empty()).then(|| LibraryError::InRemotes {
            object: original.source.display().to_string(),
            remotes: names.join(", "),
        }))
    }

    /// The remotes that hold an original. What another device is to send yet rests in none.
    pub(crate) fn names_of_holders(&self, content: &ContentHash) -> Result<Vec<String>> {
        let rows = self.device.original_at_remotes(content)?;
        let holds = |remote: &RemoteRow| rows.iter().any(|(id, row)| *id == remote.id && is_held(row.state));
        Ok(self.device.remotes()?.into_iter().filter(holds).map(|remote| remote.name).collect())
    }

    fn shown_remote(&self, row: RemoteRow, purged: &HashSet<ContentHash>) -> Result<ShownRemote> {
        let (counts, terms) = (self.counts_without(&row, purged)?, self.terms_of(&row)?);
        let daily = self.daily_standing(&row)?;
        let capabilities = row.capabilities.as_deref().and_then(Capabilities::from_bytes);
        Ok(ShownRemote {
            credential: kept_credential(&row)?.map(|credential| credential.description()),
            proof: capabilities.as_ref().and_then(|capabilities| capabilities.proof.clone()),
            policy: self.shown_policy(&row, capabilities.as_ref())?,
            limit: terms.limit.map(|limit| limit.to_string()),
            quiet: terms.quiet.map(|quiet| quiet.to_string()),
            daily: daily.map(|daily| daily.cap.to_string()),
            daily_sent_bytes: daily.map(|daily| daily.sent_bytes),
            capped: daily.and_then(|daily| Capped::of(&row.name, &daily)),
            safe_originals: counts.safe,
            waiting_originals: counts.waiting,
            held_originals: counts.held,
            local_originals: counts.local,
            failed_originals: counts.failed,
            capabilities: capabilities.as_ref().map(findings).unwrap_or_default(),
            name: row.name,
            address: row.address,
            synced_millis: row.synced_millis,
            last_error: row.last_error,
        })
    }
}

/// Refuses a place that cannot be used; tells what it can do.
fn judge(name: &str, address: &RemoteAddress, capabilities: &Capabilities) -> Result<AddedRemote> {
    if let Finding::Missing(reason) = capabilities.finding(Capability::PutAndGet) {
        return Err(LibraryError::Refused {
            reason: format!("{address} does not let objects be written and read back: {reason}"),
            hint: "it needs permission to read, write and list; on Azure the role Storage Blob Data Contributor: \
                   az role assignment create --role \"Storage Blob Data Contributor\" --assignee WHO --scope CONTAINER \
                   (a SAS needs at least sp=rcl)"
                .into(),
        });
    }
    Ok(AddedRemote {
        name: name.to_owned(),
        address: address.to_string(),
        proof: capabilities.proof.clone(),
        capabilities: findings(capabilities),
    })
}

/// Connects a remote that is remembered.
pub(crate) async fn reconnect(
    row: &RemoteRow,
    keeper: Keeper,
    surroundings: &Surroundings,
) -> Result<(RemotePlace, Counting)> {
    let address = parse_address(&row.address)?;
    let known = row.capabilities.as_deref().and_then(Capabilities::from_bytes);
    let connected = connect_to(&address, keeper, surroundings, known).await?;
    Ok((RemotePlace { id: row.id, store: connected.store }, connected.counting))
}

pub(super) fn kept_credential(row: &RemoteRow) -> Result<Option<RemoteCredential>> {
    let Some(bytes) = &row.credential else { return Ok(None) };
    let credential = RemoteCredential::from_bytes(bytes).map_err(|error| LibraryError::Damaged {
        object: format!("the credential of {}", row.name),
        reason: error.to_string(),
    })?;
    Ok(Some(credential))
}
