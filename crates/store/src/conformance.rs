//! One suite for every backend: each guarantee of [`Remote`], tried out on a real place.
//!
//! It is a part of the library and not only of its tests, because `remote check` runs it for users with real
//! accounts, and prints every row. Everything is written below `probe/<token>/` and deleted where the place
//! permits it. A row that the place declares itself unable to keep is *skipped* with the reason; a row that
//! does not hold is *broken*, never an error that stops the others.

mod puts;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::capabilities::{Capability, Finding};
use crate::checksum::Checksum;
use crate::error::StoreError;
use crate::name::{Key, NameError, Prefix};
use crate::remote::{Body, GrantRequest, PutOptions, Remote, Tier};

/// Enough for everything that the suite writes.
const AT_MOST_BYTES: u64 = 16 << 20;
/// How many writers race for one name.
const RACERS: usize = 8;
/// How often an object is replaced while it is being read.
const REPLACEMENTS: usize = 20;
/// How many objects are looked for while they are written for the first time.
const NEW_OBJECTS: usize = 5;
/// How many objects are written at once for the listing.
const CONCURRENT_WRITES: usize = 64;
/// How many objects the listing must name: more than one page of a folder.
const LISTED_OBJECTS: usize = 1_050;

/// What was found about one guarantee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds, as far as it was tried.
    Held,
    /// The place says itself that it cannot do this.
    Skipped(String),
    /// It does not hold.
    Broken(String),
}

/// One guarantee and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The code in the documentation of [`Remote`].
    pub code: &'static str,
    /// The guarantee in one sentence.
    pub guarantee: &'static str,
    /// What was found.
    pub verdict: Verdict,
}

/// All rows of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One row for each guarantee, in the order of their codes.
    pub rows: Vec<Row>,
}

impl Report {
    /// The rows that do not hold.
    pub fn broken(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| matches!(row.verdict, Verdict::Broken(_)))
    }

    /// What was found about one code.
    #[must_use]
    pub fn verdict(&self, code: &str) -> Option<&Verdict> {
        self.rows.iter().find(|row| row.code == code).map(|row| &row.verdict)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let (word, why) = match &row.verdict {
                Verdict::Held => ("held", ""),
                Verdict::Skipped(why) => ("skipped", why.as_str()),
                Verdict::Broken(why) => ("BROKEN", why.as_str()),
            };
            writeln!(
                formatter,
                "{:4} {word:8} {}{}{why}",
                row.code,
                row.guarantee,
                if why.is_empty() { "" } else { ": " }
            )?;
        }
        Ok(())
    }
}

/// Why a row did not simply hold.
enum Fault {
    Skip(String),
    Broken(String),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unsupported { .. } | StoreError::Denied { .. } => Self::Skip(error.to_string()),
            _ => Self::Broken(whole(&error)),
        }
    }
}

/// An error with everything below it.
fn whole(error: &StoreError) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        said = format!("{said}: {inner}");
        cause = inner.source();
    }
    said
}

type Tried = Result<(), Fault>;

fn require(holds: bool, otherwise: impl Into<String>) -> Tried {
    if holds { Ok(()) } else { Err(Fault::Broken(otherwise.into())) }
}

/// Tries every guarantee on a place; `token` must be fresh and part of a name.
///
/// # Errors
/// [`NameError`] for a token that cannot be part of a name.
pub async fn check(remote: Arc<dyn Remote>, token: &str) -> Result<Report, NameError> {
    let bench = Bench { remote, below: format!("probe/{token}") };
    bench.key("x")?;
    let rows = vec![
        row("R1", "a put is read back byte for byte", bench.reads_back().await),
        row("R2", "a reader sees an old or a new object whole, never a part", bench.replaces_whole().await),
        row("R3", "a taken name is refused and its object unchanged", bench.keeps_what_exists().await),
        row("R4", "of several writers of one name exactly one succeeds", bench.has_one_winner().await),
        row("R5", "an absent name is not found", bench.misses_what_is_absent().await),
        row("R6", "an object above the limit is refused", bench.refuses_too_large().await),
        row("R7", "a range gives exactly its bytes, clipped at the end", bench.reads_ranges().await),
        row("R8", "the head tells the length that was put", bench.tells_length().await),
        row("R9", "all pages of a listing name every object once", bench.lists_everything_once().await),
        row("R10", "a deleted name is not found, and deleting again succeeds", bench.deletes().await),
        row("R11", "a place without tiers says so and changes nothing", bench.is_honest_about_tiers().await),
        row("R12", "a place without upload grants says so", bench.is_honest_about_grants().await),
        row(
            "R13",
            "a checksum that the place tells is that of the bytes",
            bench.tells_true_checksums().await,
        ),
        row("R14", "what is said to have its MD5 has it", bench.compares_md5().await),
        row("R15", "metadata comes back as it was put", bench.keeps_metadata().await),
        row("R16", "blocks are seen only once they are one object", bench.takes_blocks().await),
    ];
    bench.clean_up().await;
    Ok(Report { rows })
}

fn row(code: &'static str, guarantee: &'static str, tried: Tried) -> Row {
    let verdict = match tried {
        Ok(()) => Verdict::Held,
        Err(Fault::Skip(why)) => Verdict::Skipped(why),
        Err(Fault::Broken(why)) => Verdict::Broken(why),
    };
    Row { code, guarantee, verdict }
}

/// A place and the corner of it that the suite writes in.
struct Bench {
    remote: Arc<dyn Remote>,
    below: String,
}

impl Bench {
    fn key(&self, name: &str) -> Result<Key, NameError> {
        Key::parse(&format!("{}/{name}", self.below))
    }

    fn named(&self, name: &str) -> Result<Key, Fault> {
        self.key(name).map_err(|error| Fault::Broken(error.to_string()))
    }

    async fn put(&self, key: &Key, bytes: &Bytes) -> Tried {
        self.remote.put(key, Body::Bytes(bytes.clone()), &PutOptions::default()).await?;
        Ok(())
    }

    async fn put_all(&self, keys: &[Key], bytes: &Bytes) -> Tried {
        let tasks: Vec<_> = keys
            .iter()
            .map(|key| {
                let (remote, key, bytes) = (Arc::clone(&self.remote), key.clone(), bytes.clone());
                tokio::spawn(
                    async move { remote.put(&key, Body::Bytes(bytes), &PutOptions::default()).await },
                )
            })
            .collect();
        for task in tasks {
            task.await.map_err(|error| Fault::Broken(error.to_string()))??;
        }
        Ok(())
    }

    async fn reads_back(&self) -> Tried {
        for (name, length) in [("r1-empty", 0), ("r1-one", 1), ("r1-odd", 70_001), ("r1-part", 9 << 20)] {
            let (key, bytes) = (self.named(name)?, pattern(length, 1));
            self.put(&key, &bytes).await?;
            let read = self.remote.get(&key, AT_MOST_BYTES).await?;
            require(read == bytes, format!("{length} bytes came back as {} other bytes", read.len()))?;
        }
        Ok(())
    }

    async fn replaces_whole(&self) -> Tried {
        self.appears_whole().await?;
        let key = self.named("r2")?;
        let (first, second) = (pattern(300_000, 2), pattern(200_000, 3));
        self.put(&key, &first).await?;
        let writer = {
            let (remote, key, versions) =
                (Arc::clone(&self.remote), key.clone(), [second.clone(), first.clone()]);
            tokio::spawn(async move {
                for bytes in versions.iter().cycle().take(REPLACEMENTS) {
                    remote.put(&key, Body::Bytes(bytes.clone()), &PutOptions::default()).await?;
                }
                Ok::<(), StoreError>(())
            })
        };
        let mut torn = None;
        while !writer.is_finished() {
            match self.remote.get(&key, AT_MOST_BYTES).await {
                Ok(read) if read == first || read == second => {}
                Ok(read) => torn = Some(format!("a reader saw {} bytes that are neither object", read.len())),
                Err(error) => torn = Some(format!("a reader was told: {error}")),
            }
        }
        writer.await.map_err(|error| Fault::Broken(error.to_string()))??;
        let kept = self.remote.get(&key, AT_MOST_BYTES).await?;
        require(kept == first, "the object is not the last that was put")?;
        match (torn, self.declares_missing(Capability::Replace)) {
            (None, _) => Ok(()),
            (Some(torn), Some(why)) => Err(Fault::Skip(format!("{why} ({torn})"))),
            (Some(torn), None) => Err(Fault::Broken(torn)),
        }
    }

    /// A new object is not there, and then it is there whole.
    async fn appears_whole(&self) -> Tried {
        for number in 0..NEW_OBJECTS {
            let (key, bytes) = (self.named(&format!("r2-new/{number}"))?, pattern(400_000, 13));
            let writer = {
                let (remote, key, bytes) = (Arc::clone(&self.remote), key.clone(), bytes.clone());
                tokio::spawn(
                    async move { remote.put(&key, Body::Bytes(bytes), &PutOptions::default()).await },
                )
            };
            while !writer.is_finished() {
                match self.remote.get(&key, AT_MOST_BYTES).await {
                    Ok(read) => {
                        require(read == bytes, format!("a reader saw a part of {} bytes", read.len()))?;
                    }
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            writer.await.map_err(|error| Fault::Broken(error.to_string()))??;
        }
        Ok(())
    }

    async fn keeps_what_exists(&self) -> Tried {
        let (key, first, second) = (self.named("r3")?, pattern(4_000, 4), pattern(5_000, 5));
        let options = PutOptions::default();
        self.remote.put_if_absent(&key, Body::Bytes(first.clone()), &options).await?;
        match self.remote.put_if_absent(&key, Body::Bytes(second), &options).await {
            Ok(_) => return Err(Fault::Broken("the second write succeeded".to_owned())),
            Err(error) if error.is_already_exists() => {}
            Err(error) => return Err(Fault::Broken(format!("the second write answered: {error}"))),
        }
        let kept = self.remote.get(&key, AT_MOST_BYTES).await?;
        require(kept == first, "the first object was changed")
    }

    /// What the place says itself that it cannot do.
    fn declares_missing(&self, capability: Capability) -> Option<String> {
        match self.remote.capabilities().finding(capability) {
            Finding::Missing(why) => Some(why.clone()),
            _ => None,
        }
    }

    async fn has_one_winner(&self) -> Tried {
        if let Some(why) = self.declares_missing(Capability::OneWinner) {
            return Err(Fault::Skip(why));
        }
        let key = self.named("r4")?;
        let racers: Vec<_> = (0..RACERS)
            .map(|racer| {
                let (remote, key) = (Arc::clone(&self.remote), key.clone());
                let bytes = pattern(100_000 + racer, 6);
                tokio::spawn(async move {
                    remote.put_if_absent(&key, Body::Bytes(bytes), &PutOptions::default()).await
                })
            })
            .collect();
        let mut winners = Vec::new();
        for (racer, task) in racers.into_iter().enumerate() {
            match task.await.map_err(|error| Fault::Broken(error.to_string()))? {
                Ok(_) => winners.push(racer),
                Err(error) if error.is_already_exists() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let [winner] = winners.as_slice() else {
            return Err(Fault::Broken(format!("{} of {RACERS} writers succeeded", winners.len())));
        };
        let kept = self.remote.get(&key, AT_MOST_BYTES).await?;
        require(kept == pattern(100_000 + winner, 6), "the object is not the winner's")
    }

    async fn misses_what_is_absent(&self) -> Tried {
        let key = self.named("r5-absent")?;
        let whole = self.remote.get(&key, AT_MOST_BYTES).await.map(drop);
        let part = self.remote.get_range(&key, 0..1).await.map(drop);
        for answer in [whole, part] {
            match answer {
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(Fault::Broken(format!("an absent name answered: {error}"))),
                Ok(()) => return Err(Fault::Broken("an absent name gave bytes".to_owned())),
            }
        }
        Ok(())
    }

    async fn refuses_too_large(&self) -> Tried {
        let (key, bytes) = (self.named("r6")?, pattern(1_001, 7));
        self.put(&key, &bytes).await?;
        match self.remote.get(&key, 1_000).await {
            Err(StoreError::TooLarge { .. }) => {}
            Err(error) => return Err(Fault::Broken(format!("it answered: {error}"))),
            Ok(_) => return Err(Fault::Broken("1,001 bytes were given where 1,000 are allowed".to_owned())),
        }
        let read = self.remote.get(&key, 1_001).await?;
        require(read == bytes, "an object at the limit was not given")
    }

    async fn reads_ranges(&self) -> Tried {
        let (key, bytes) = (self.named("r7")?, pattern(10_000, 8));
        self.put(&key, &bytes).await?;
        for range in
            [0..1, 0..10_000, 17..4_099, 9_999..10_000, 9_990..20_000, 10_000..10_001, 50_000..50_001, 5..5]
        {
            let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(bytes.len());
            let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
            let read = self.remote.get_range(&key, range.clone()).await?;
            require(read == bytes.slice(start..end), format!("{range:?} gave {} wrong bytes", read.len()))?;
        }
        Ok(())
    }

    async fn tells_length(&self) -> Tried {
        let key = self.named("r8")?;
        self.put(&key, &pattern(12_345, 9)).await?;
        let info = self.remote.head(&key).await?;
        require(info.key == key, "the head is of another name")?;
        require(info.length_bytes == 12_345, format!("the length is told as {}", info.length_bytes))?;
        let absent = self.remote.head(&self.named("r8-absent")?).await;
        require(absent.is_err_and(|error| error.is_not_found()), "an absent name has a head")
    }

    async fn lists_everything_once(&self) -> Tried {
        let mut wanted = Vec::new();
        for number in 0..LISTED_OBJECTS {
            wanted.push(self.named(&format!("r9/{:02}/{number}", number % 7))?);
        }
        for some in wanted.chunks(CONCURRENT_WRITES) {
            self.put_all(some, &Bytes::from_static(b"listed")).await?;
        }
        self.put(&self.named("r9-beside")?, &Bytes::from_static(b"not below")).await?;
        wanted.sort();
        let mut listed: Vec<Key> = self.list(&format!("{}/r9", self.below)).await?;
        listed.sort();
        let count = listed.len();
        listed.dedup();
        require(listed.len() == count, "an object is named twice")?;
        require(listed == wanted, format!("{count} objects are named, {LISTED_OBJECTS} are there"))?;
        let none = self.list(&format!("{}/r9-nothing", self.below)).await?;
        require(none.is_empty(), "a prefix without objects names some")
    }

    async fn list(&self, folder: &str) -> Result<Vec<Key>, Fault> {
        let prefix = Prefix::below(folder).map_err(|error| Fault::Broken(error.to_string()))?;
        let mut keys = Vec::new();
        let mut after = None;
        loop {
            let page = self.remote.list(&prefix, after.as_ref()).await?;
            keys.extend(page.objects.into_iter().map(|object| object.key));
            match page.next {
                Some(next) if after.as_ref() == Some(&next) => {
                    return Err(Fault::Broken("a page follows itself".to_owned()));
                }
                Some(next) => after = Some(next),
                None => return Ok(keys),
            }
        }
    }

    async fn deletes(&self) -> Tried {
        let key = self.named("r10")?;
        self.put(&key, &pattern(100, 10)).await?;
        self.remote.delete(&key).await?;
        let gone = self.remote.get(&key, AT_MOST_BYTES).await;
        require(gone.is_err_and(|error| error.is_not_found()), "a deleted object is still given")?;
        self.remote.delete(&key).await?;
        self.remote.delete(&self.named("r10-never/was/there")?).await?;
        Ok(())
    }

    async fn is_honest_about_tiers(&self) -> Tried {
        let (key, bytes) = (self.named("r11")?, pattern(2_000, 11));
        if let Some(tier) = self.remote.capabilities().tiers.first() {
            let options = PutOptions { tier: Some(*tier), ..Default::default() };
            self.remote.put(&key, Body::Bytes(bytes), &options).await?;
            let found = self.remote.head(&key).await?.tier;
            return require(found == Some(*tier), format!("written as {tier:?}, found as {found:?}"));
        }
        self.put(&key, &bytes).await?;
        let refused = self.remote.set_tier(&key, Tier::Cool).await;
        require(matches!(refused, Err(StoreError::Unsupported { .. })), "a change of tier is not refused")?;
        let options = PutOptions { tier: Some(Tier::Cool), ..Default::default() };
        let lost = self.remote.put(&key, Body::Bytes(pattern(3, 12)), &options).await;
        require(matches!(lost, Err(StoreError::Unsupported { .. })), "a tier that it has not is accepted")?;
        require(self.remote.get(&key, AT_MOST_BYTES).await? == bytes, "the object was changed")
    }

    async fn is_honest_about_grants(&self) -> Tried {
        let request = GrantRequest {
            key: self.named("r12")?,
            valid_for: Duration::from_secs(600),
            at_most_bytes: 1_000,
            declared: None,
        };
        match self.remote.grant_upload(&request).await {
            Err(StoreError::Unsupported { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(grant) => require(!grant.url.is_empty(), "a grant has no address"),
        }
    }

    /// Wherever a checksum is told, it is right, and where it is said to work one is told.
    async fn tells_true_checksums(&self) -> Tried {
        if let Some(why) = self.declares_missing(Capability::ProviderChecksum) {
            return Err(Fault::Skip(why));
        }
        for (name, length) in [("r13/empty", 0), ("r13/part", 5 << 20)] {
            let (key, bytes) = (self.named(name)?, pattern(length, 14));
            let body = Body::Bytes(bytes.clone());
            let stored = self.remote.put_if_absent(&key, body.clone(), &PutOptions::default()).await?;
            let kept = self.remote.head(&key).await?.checksum;
            let told: Vec<Checksum> = stored.checksum.into_iter().chain(kept).collect();
            require(!told.is_empty(), "no checksum is told, neither by the put nor by the head")?;
            for sum in told {
                let is_right = sum.is_of(&body).map_err(|error| Fault::Broken(error.to_string()))?;
                require(is_right, format!("its {} is not that of {length} bytes", sum.name()))?;
            }
        }
        Ok(())
    }

    async fn clean_up(&self) {
        let Ok(keys) = self.list(&self.below).await else { return };
        let mut folders = BTreeSet::from([self.below.clone()]);
        for key in keys {
            if let Err(error) = self.remote.delete(&key).await {
                tracing::debug!(%error, "the probe objects stay");
                return;
            }
            let name = key.as_str();
            let above = name.match_indices('/').filter_map(|(at, _)| name.get(..at));
            folders.extend(above.filter(|folder| folder.starts_with(&self.below)).map(str::to_owned));
        }
        // What is inside comes behind what it is in.
        for folder in folders.iter().rev().filter_map(|folder| Key::parse(folder).ok()) {
            if let Err(error) = self.remote.remove_empty_folder(&folder).await {
                tracing::debug!(%error, "an empty folder stays");
            }
        }
    }
}

/// Bytes that differ by position and seed, so that a swap or a shift shows.
fn pattern(length: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    bytes.flatten().take(length).collect::<Vec<u8>>().into()
}
