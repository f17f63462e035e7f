//! What a place can do, found out by trying when it is connected, never guessed from its address.
//!
//! Invariant: a capability counts as [`Finding::Works`] only after it was seen to work on this very place.
//! S3 look-alikes ignore conditional puts, WebDAV servers ignore `Overwrite: F`, credentials come without
//! list or delete: whoever trusts the label loses photos (`docs/spec/sl1.md` §3).

use crate::error::StoreError;
use crate::name::{Key, NameError, Prefix};
use crate::remote::{Body, PutOptions, Remote, Tier};

/// Something a place may or may not be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Writing objects and reading them back.
    PutAndGet,
    /// Reading a part of an object.
    GetRange,
    /// Refusing to overwrite an existing name.
    PutIfAbsent,
    /// Listing names.
    List,
    /// Removing objects.
    Delete,
    /// Tiers on write and by change.
    Tiers,
    /// Minting upload grants.
    UploadGrants,
    /// Vouching with a checksum for bytes that were not sent by this device.
    ProviderChecksum,
}

impl Capability {
    /// All capabilities.
    pub const ALL: [Self; 8] = [
        Self::PutAndGet,
        Self::GetRange,
        Self::PutIfAbsent,
        Self::List,
        Self::Delete,
        Self::Tiers,
        Self::UploadGrants,
        Self::ProviderChecksum,
    ];
}

/// What was found out about a capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It was tried and worked.
    Works,
    /// It was tried, or is known, not to work, for this reason.
    Missing(String),
    /// It was not tried.
    Untried,
}

/// What a place can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    findings: [Finding; Capability::ALL.len()],
    /// The largest object that it takes, in bytes.
    pub most_object_bytes: u64,
    /// The tiers that it has, warmest first; empty for none.
    pub tiers: Vec<Tier>,
}

impl Capabilities {
    /// Nothing tried yet.
    #[must_use]
    pub fn untried() -> Self {
        Self {
            findings: std::array::from_fn(|_| Finding::Untried),
            most_object_bytes: u64::MAX,
            tiers: Vec::new(),
        }
    }

    /// What was found out about one capability.
    #[must_use]
    pub fn finding(&self, capability: Capability) -> &Finding {
        let index = capability as usize;
        self.findings.get(index).unwrap_or(&Finding::Untried)
    }

    /// Whether it was seen to work here.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        *self.finding(capability) == Finding::Works
    }

    /// Writes down a finding.
    pub fn set(&mut self, capability: Capability, finding: Finding) {
        if let Some(slot) = self.findings.get_mut(capability as usize) {
            *slot = finding;
        }
    }

    /// Tries a place out under `probe/<token>-…`, and cleans up behind itself where it may delete.
    ///
    /// The token must be fresh (16 random bytes in base32): a name that an earlier probe left behind would
    /// make a conditional put look as if it worked.
    ///
    /// # Errors
    /// [`NameError`] for a token that cannot be part of a name. What the place refuses is a finding.
    pub async fn probe(remote: &dyn Remote, token: &str) -> Result<Self, NameError> {
        let key = Key::parse(&format!("probe/{token}-a"))?;
        let mut found = Self::untried();
        found.most_object_bytes = remote.capabilities().most_object_bytes;
        found.tiers.clone_from(&remote.capabilities().tiers);
        let options = PutOptions::default();
        let (first, second) = (b"safelight probe 1".as_slice(), b"safelight probe 22".as_slice());

        let written = remote.put(&key, Body::from(first), &options).await;
        let read = remote.get(&key, 1024).await;
        found.set(Capability::PutAndGet, judge(written.and(read), |bytes| bytes == first));
        let range = remote.get_range(&key, 5..9).await;
        found.set(Capability::GetRange, judge(range, |bytes| Some(bytes.as_ref()) == first.get(5..9)));
        found.set(Capability::PutIfAbsent, probe_put_if_absent(remote, token, first, second).await?);
        found.set(Capability::List, probe_list(remote, &key).await?);
        found.set(
            Capability::Tiers,
            match found.tiers.as_slice() {
                [] => Finding::Missing("this kind of place has no tiers".to_owned()),
                _ => Finding::Untried,
            },
        );
        let deleted = remote.delete(&key).await;
        let gone = remote.head(&key).await;
        let is_gone = gone.is_err_and(|error| error.is_not_found());
        found.set(Capability::Delete, judge(deleted, |()| is_gone));
        Ok(found)
    }
}

/// Writes twice under a fresh name: the first must succeed, the second must be refused and change nothing.
async fn probe_put_if_absent(
    remote: &dyn Remote,
    token: &str,
    first: &'static [u8],
    second: &'static [u8],
) -> Result<Finding, NameError> {
    let key = Key::parse(&format!("probe/{token}-b"))?;
    let options = PutOptions::default();
    if let Err(error) = remote.put_if_absent(&key, Body::from(first), &options).await {
        return Ok(Finding::Missing(error.to_string()));
    }
    let refused = match remote.put_if_absent(&key, Body::from(second), &options).await {
        Err(error) if error.is_already_exists() => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(_) => Err("it overwrites an existing object".to_owned()),
    };
    let kept = remote.get(&key, 1024).await;
    if remote.delete(&key).await.is_err() {
        tracing::debug!(place = remote.label(), "the probe object could not be deleted and stays");
    }
    Ok(match (refused, kept) {
        (Ok(()), Ok(bytes)) if bytes == first => Finding::Works,
        (Ok(()), Ok(_)) => Finding::Missing("it refused, but changed the object".to_owned()),
        (Ok(()), Err(error)) => Finding::Missing(error.to_string()),
        (Err(reason), _) => Finding::Missing(reason),
    })
}

async fn probe_list(remote: &dyn Remote, key: &Key) -> Result<Finding, NameError> {
    let prefix = Prefix::below("probe")?;
    let mut after = None;
    loop {
        match remote.list(&prefix, after.as_ref()).await {
            Ok(page) if page.objects.iter().any(|object| object.key == *key) => return Ok(Finding::Works),
            Ok(page) => match page.next {
                Some(next) => after = Some(next),
                None => return Ok(Finding::Missing("a new object was not listed".to_owned())),
            },
            Err(error) => return Ok(Finding::Missing(error.to_string())),
        }
    }
}

fn judge<T>(result: Result<T, StoreError>, is_right: impl FnOnce(&T) -> bool) -> Finding {
    match result {
        Ok(value) if is_right(&value) => Finding::Works,
        Ok(_) => Finding::Missing("it answered something else than was written".to_owned()),
        Err(error) => Finding::Missing(error.to_string()),
    }
}
