//! What a place can do, found out by trying when it is connected, never guessed from its address.
//!
//! Invariant: a capability counts as [`Finding::Works`] only after it was seen to work on this very place.
//! S3 look-alikes ignore conditional puts, WebDAV servers ignore `Overwrite: F`, credentials come without
//! list or delete: whoever trusts the label loses photos (`docs/spec/sl1.md` §3).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::checksum::Checksum;
use crate::error::StoreError;
use crate::name::{Key, NameError, Prefix};
use crate::remote::{Body, GrantRequest, PutOptions, Remote, Stored, Tier};

/// Something a place may or may not be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// Saying a checksum that it computed itself over the bytes it took (see [`Checksum`]).
    ProviderChecksum,
    /// Telling exactly one of several writers at the same instant that the name is its own.
    OneWinner,
    /// Replacing an object without an instant in which a reader finds nothing or a mixture.
    Replace,
}

impl Capability {
    /// All capabilities.
    pub const ALL: [Self; 10] = [
        Self::PutAndGet,
        Self::GetRange,
        Self::PutIfAbsent,
        Self::List,
        Self::Delete,
        Self::Tiers,
        Self::UploadGrants,
        Self::ProviderChecksum,
        Self::OneWinner,
        Self::Replace,
    ];
}

/// What was found out about a capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It was tried and worked.
    Works,
    /// It was tried, or is known, not to work, for this reason.
    Missing(String),
    /// It was not tried.
    Untried,
}

/// Capabilities as they are kept; a newer version's capability is skipped by an older one.
#[derive(Serialize, Deserialize)]
struct Kept {
    findings: BTreeMap<String, Finding>,
    most_object_bytes: u64,
    tiers: Vec<Tier>,
    #[serde(default)]
    proof: Option<String>,
}

/// What a place can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    findings: [Finding; Capability::ALL.len()],
    /// The largest object that it takes, in bytes.
    pub most_object_bytes: u64,
    /// The tiers that it has, warmest first; empty for none.
    pub tiers: Vec<Tier>,
    /// Which proof of permission was in use when this was found out, in words that may be shown.
    pub proof: Option<String>,
}

impl Capabilities {
    /// Nothing tried yet.
    #[must_use]
    pub fn untried() -> Self {
        Self {
            findings: std::array::from_fn(|_| Finding::Untried),
            most_object_bytes: u64::MAX,
            tiers: Vec::new(),
            proof: None,
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

    /// Takes over what was found out elsewhere, except for what was not tried there.
    pub fn learn(&mut self, found: &Self) {
        for capability in Capability::ALL {
            if *found.finding(capability) != Finding::Untried {
                self.set(capability, found.finding(capability).clone());
            }
        }
        self.most_object_bytes = found.most_object_bytes;
        self.tiers.clone_from(&found.tiers);
        self.proof.clone_from(&found.proof);
    }

    /// The findings as bytes (JSON), to be kept with the remote.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let findings = Capability::ALL.map(|capability| (name(capability), self.finding(capability).clone()));
        let kept = Kept {
            findings: findings.into(),
            most_object_bytes: self.most_object_bytes,
            tiers: self.tiers.clone(),
            proof: self.proof.clone(),
        };
        serde_json::to_vec(&kept).unwrap_or_default()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; nothing for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut kept: Kept = serde_json::from_slice(bytes).ok()?;
        let mut capabilities = Self::untried();
        for capability in Capability::ALL {
            if let Some(finding) = kept.findings.remove(&name(capability)) {
                capabilities.set(capability, finding);
            }
        }
        capabilities.most_object_bytes = kept.most_object_bytes;
        capabilities.tiers = kept.tiers;
        capabilities.proof = kept.proof;
        Some(capabilities)
    }

    /// Tries a place out under `probe/<token>-…`, and cleans up behind itself where it may delete.
    ///
    /// The token must be fresh (16 random bytes in base32): a name that an earlier probe left behind would
    /// make a conditional put look as if it worked.
    ///
    /// # Errors
    /// [`StoreError::BadName`] for a token that cannot be part of a name, and what ends by the network or the other
    /// side's health: that says nothing about what the place can do. What it refuses is a finding.
    pub async fn probe(remote: &dyn Remote, token: &str) -> Result<Self, StoreError> {
        let key = probe_key(remote, token, 'a')?;
        let mut found = Self::untried();
        found.most_object_bytes = remote.capabilities().most_object_bytes;
        found.tiers.clone_from(&remote.capabilities().tiers);
        let options = PutOptions::default();
        let (first, second) = (b"safelight probe 1".as_slice(), b"safelight probe 22".as_slice());

        let written = remote.put(&key, Body::from(first), &options).await;
        let read = remote.get(&key, 1024).await;
        found.set(Capability::ProviderChecksum, probe_checksum(remote, &key, &written, first).await);
        found.set(Capability::PutAndGet, judge(written.and(read), |bytes| bytes == first)?);
        let range = remote.get_range(&key, 5..9).await;
        found.set(Capability::GetRange, judge(range, |bytes| Some(bytes.as_ref()) == first.get(5..9))?);
        found.set(Capability::PutIfAbsent, probe_put_if_absent(remote, token, first, second).await?);
        if !matches!(remote.capabilities().finding(Capability::OneWinner), Finding::Missing(_)) {
            found.set(Capability::OneWinner, probe_race(remote, token).await?);
        }
        found.set(Capability::List, probe_list(remote, &key).await?);
        let tiers = probe_tiers(remote, token, &found.tiers).await?;
        if tiers != Finding::Works {
            found.tiers.clear();
        }
        found.set(Capability::Tiers, tiers);
        found.set(Capability::UploadGrants, probe_grant(remote, token).await?);
        let deleted = remote.delete(&key).await;
        let is_gone = match remote.head(&key).await {
            Err(error) if error.is_network() => return Err(error),
            gone => gone.is_err_and(|error| error.is_not_found()),
        };
        found.set(Capability::Delete, judge(deleted, |()| is_gone)?);
        Ok(found)
    }
}

/// Compares what the place says it computed with what was written; one answer that is right is enough, none may
/// be wrong.
async fn probe_checksum(
    remote: &dyn Remote,
    key: &Key,
    written: &Result<Stored, StoreError>,
    bytes: &'static [u8],
) -> Finding {
    if let Finding::Missing(why) = remote.capabilities().finding(Capability::ProviderChecksum) {
        return Finding::Missing(why.clone());
    }
    let answered = written.as_ref().ok().and_then(|stored| stored.checksum);
    let kept = remote.head(key).await.ok().and_then(|info| info.checksum);
    let told: Vec<Checksum> = answered.into_iter().chain(kept).collect();
    let is_wrong = |sum: &Checksum| !sum.is_of(&Body::from(bytes)).unwrap_or(false);
    match told.iter().find(|sum| is_wrong(sum)) {
        _ if told.is_empty() => {
            Finding::Missing("it does not say what it computed over the bytes it took".to_owned())
        }
        Some(wrong) => {
            Finding::Missing(format!("its {} is not that of the bytes that were sent", wrong.name()))
        }
        None => Finding::Works,
    }
}

/// Writes twice under a fresh name: the first must succeed, the second must be refused and change nothing.
async fn probe_put_if_absent(
    remote: &dyn Remote,
    token: &str,
    first: &'static [u8],
    second: &'static [u8],
) -> Result<Finding, StoreError> {
    let key = probe_key(remote, token, 'b')?;
    let options = PutOptions::default();
    match remote.put_if_absent(&key, Body::from(first), &options).await {
        Ok(_) => {}
        // Tried again after a lost answer: what is read below tells.
        Err(error) if error.is_already_exists() => {}
        Err(error) => return missing(error),
    }
    let refused = match remote.put_if_absent(&key, Body::from(second), &options).await {
        Err(error) if error.is_already_exists() => Ok(()),
        Err(error) => Err(told(error)?),
        Ok(_) => Err("it overwrites an existing object".to_owned()),
    };
    let kept = remote.get(&key, 1024).await;
    if remote.delete(&key).await.is_err() {
        tracing::debug!(place = remote.label(), "the probe object could not be deleted and stays");
    }
    Ok(match (refused, kept) {
        (Ok(()), Ok(bytes)) if bytes == first => Finding::Works,
        (Ok(()), Ok(_)) => Finding::Missing("it refused, but changed the object".to_owned()),
        (Ok(()), Err(error)) => return missing(error),
        (Err(reason), _) => Finding::Missing(reason),
    })
}

/// Writes into the second warmest tier and looks whether it rests there: a look-alike may take the wish and
/// forget it.
async fn probe_tiers(remote: &dyn Remote, token: &str, tiers: &[Tier]) -> Result<Finding, StoreError> {
    let Some(tier) = tiers.get(1).or(tiers.first()) else {
        return Ok(Finding::Missing("this kind of place has no tiers".to_owned()));
    };
    let key = probe_key(remote, token, 'c')?;
    let options = PutOptions { tier: Some(*tier), ..Default::default() };
    let written = remote.put(&key, Body::from(b"safelight probe 3".as_slice()), &options).await;
    let found = remote.head(&key).await;
    if remote.delete(&key).await.is_err() {
        tracing::debug!(place = remote.label(), "the probe object could not be deleted and stays");
    }
    judge(written.and(found), |info| info.tier == Some(*tier))
}

async fn probe_grant(remote: &dyn Remote, token: &str) -> Result<Finding, StoreError> {
    let key = probe_key(remote, token, 'd')?;
    let request = GrantRequest { key, valid_for: Duration::from_secs(60), at_most_bytes: 1, declared: None };
    judge(remote.grant_upload(&request).await, |grant| !grant.url.is_empty())
}

/// Whether anything at all worked.
pub(crate) fn is_of_any_use(found: &Capabilities) -> bool {
    [Capability::PutAndGet, Capability::GetRange, Capability::PutIfAbsent, Capability::List]
        .into_iter()
        .any(|capability| found.has(capability))
}

/// The name of a capability in what is kept.
fn name(capability: Capability) -> String {
    match serde_json::to_value(capability) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

/// Lets a few writers race for a fresh name.
async fn probe_race(remote: &dyn Remote, token: &str) -> Result<Finding, StoreError> {
    const RACERS: usize = 4;
    let key = probe_key(remote, token, 'e')?;
    let options = PutOptions::default();
    let racers = (0..RACERS)
        .map(|_| remote.put_if_absent(&key, Body::from(b"safelight probe 5".as_slice()), &options));
    let answers = futures_util::future::join_all(racers).await;
    if remote.delete(&key).await.is_err() {
        tracing::debug!(place = remote.label(), "the probe object could not be deleted and stays");
    }
    let winners = answers.iter().filter(|answer| answer.is_ok()).count();
    let other = answers.into_iter().filter_map(Result::err).find(|error| !error.is_already_exists());
    Ok(match (winners, other) {
        (1, None) => Finding::Works,
        (_, Some(error)) => return missing(error),
        (winners, None) => Finding::Missing(format!("{winners} of {RACERS} writers of one name succeeded")),
    })
}

async fn probe_list(remote: &dyn Remote, key: &Key) -> Result<Finding, StoreError> {
    let prefix = Prefix::below("probe").map_err(|source| bad_name(remote, source))?;
    let mut after = None;
    loop {
        match remote.list(&prefix, after.as_ref()).await {
            Ok(page) if page.objects.iter().any(|object| object.key == *key) => return Ok(Finding::Works),
            Ok(page) => match page.next {
                Some(next) => after = Some(next),
                None => return Ok(Finding::Missing("a new object was not listed".to_owned())),
            },
            Err(error) => return missing(error),
        }
    }
}

fn judge<T>(result: Result<T, StoreError>, is_right: impl FnOnce(&T) -> bool) -> Result<Finding, StoreError> {
    match result {
        Ok(value) if is_right(&value) => Ok(Finding::Works),
        Ok(_) => Ok(Finding::Missing("it answered something else than was written".to_owned())),
        Err(error) => missing(error),
    }
}

/// A refusal as a finding.
fn missing(error: StoreError) -> Result<Finding, StoreError> {
    told(error).map(Finding::Missing)
}

/// The words of a refusal; what ends by the network is none.
fn told(error: StoreError) -> Result<String, StoreError> {
    if error.is_network() { Err(error) } else { Ok(error.to_string()) }
}

fn probe_key(remote: &dyn Remote, token: &str, letter: char) -> Result<Key, StoreError> {
    Key::parse(&format!("probe/{token}-{letter}")).map_err(|source| bad_name(remote, source))
}

fn bad_name(remote: &dyn Remote, source: NameError) -> StoreError {
    StoreError::BadName { place: remote.label().to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_kept_and_given_back() {
        let mut found = Capabilities::untried();
        found.set(Capability::PutIfAbsent, Finding::Works);
        found.set(Capability::Delete, Finding::Missing("no".to_owned()));
        found.tiers = vec![Tier::Hot, Tier::Archive];
        found.most_object_bytes = 7;
        found.proof = Some("the Azure CLI".to_owned());
        let kept = found.to_bytes();
        assert_eq!(Capabilities::from_bytes(&kept), Some(found.clone()));
        let newer = String::from_utf8(kept).expect("JSON").replace("\"delete\"", "\"fly\"");
        let older = Capabilities::from_bytes(newer.as_bytes()).expect("reads on");
        assert_eq!(older.finding(Capability::Delete), &Finding::Untried);
        assert!(older.has(Capability::PutIfAbsent));
        assert_eq!(Capabilities::from_bytes(b"{}"), None);
    }
}
