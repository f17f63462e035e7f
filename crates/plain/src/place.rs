//! Where a plain copy goes: an address, what opens it, and how hard it is used.

use std::sync::Arc;

use safelight_store::layer::{Clock, Limit, LimitOptions, Retry, RetryOptions, SystemClock, Tracing};
use safelight_store::{
    AzureEnvironment, Capabilities, Capability, ConnectOptions, Finding, Key, Remote, RemoteAddress,
    RemoteCredential, StoreError, Tier, connect,
};

use crate::error::PlainError;

/// The most bytes of one *Put Blob*.
const AZURE_MOST_BYTES: u64 = 5000 << 20;
/// The most bytes of one PUT at S3.
const S3_MOST_BYTES: u64 = 5 << 30;
/// The random bytes of a probe's name.
const TOKEN_BYTES: usize = 16;

/// Where a plain copy goes.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The place, with the prefix of all names.
    pub address: RemoteAddress,
    /// What opens it; at Azure the machine's own identity does, where there is none.
    pub credential: Option<RemoteCredential>,
    /// What decides which identity is used at Azure.
    pub azure: AzureEnvironment,
    /// The most bytes a second, in each direction.
    pub bytes_per_second: Option<u64>,
    /// Files that are on their way at once, 1 to 32.
    pub workers: u32,
    /// Whether a container, bucket or folder that is not there may be made.
    pub may_create: bool,
}

impl Destination {
    /// What the index calls the place: the address, which holds no secret.
    #[must_use]
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// How much of a name the prefix takes, in bytes.
    pub(crate) fn prefix_bytes(&self) -> usize {
        match self.address_prefix() {
            "" => 0,
            prefix => prefix.len() + 1,
        }
    }

    fn address_prefix(&self) -> &str {
        match &self.address {
            RemoteAddress::Azure(azure) => &azure.prefix,
            RemoteAddress::S3(s3) => &s3.prefix,
            _ => "",
        }
    }

    /// What is known of a place of this kind without trying; nothing where it must be tried out.
    fn declared(&self) -> Option<Capabilities> {
        let mut known = Capabilities::untried();
        match &self.address {
            RemoteAddress::Azure(_) => {
                known.most_object_bytes = AZURE_MOST_BYTES;
                known.tiers = Tier::ALL.to_vec();
            }
            RemoteAddress::Folder(_) => {}
            _ => return None,
        }
        Some(known)
    }

    /// What a place of a kind that is tried out is taken for by who only reads.
    fn supposed(&self) -> Capabilities {
        let mut supposed = Capabilities::untried();
        if matches!(self.address, RemoteAddress::S3(_)) {
            supposed.most_object_bytes = S3_MOST_BYTES;
            supposed.tiers = Tier::ALL.to_vec();
        }
        supposed
    }
}

/// A place that was connected.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) remote: Arc<dyn Remote>,
    /// Whether the place refuses a name that is taken by itself.
    pub(crate) keeps_names: bool,
    kind: Kind,
}

/// How a place compares what it takes.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Azure,
    S3,
    Other,
}

impl Kind {
    const fn of(address: &RemoteAddress) -> Self {
        match address {
            RemoteAddress::Azure(_) => Self::Azure,
            RemoteAddress::S3(_) => Self::S3,
            _ => Self::Other,
        }
    }
}

impl Place {
    /// Connects to read: nothing is written there, not even to try it out.
    pub(crate) async fn to_read(
        destination: &Destination,
        remembered: Option<Capabilities>,
    ) -> Result<Self, PlainError> {
        let known = destination.declared().or(remembered).unwrap_or_else(|| destination.supposed());
        Self::connect(destination, Some(known)).await
    }

    /// Connects to write. A place of a kind whose look-alikes differ is tried out, unless that was `remembered`; and it
    /// is made where that is allowed.
    pub(crate) async fn to_write(
        destination: &Destination,
        remembered: Option<Capabilities>,
    ) -> Result<Self, PlainError> {
        if destination.may_create
            && let RemoteAddress::Folder(path) = &destination.address
        {
            let fail = |source| PlainError::Target { path: path.clone(), action: "made", source };
            std::fs::create_dir_all(path).map_err(fail)?;
        }
        let made = if destination.may_create { Self::make(destination).await? } else { Ok(()) };
        let known = destination.declared().or(remembered);
        let is_tried = known.is_none();
        let place = Self::connect(destination, known).await?;
        if !is_tried {
            place.look().await.map_err(|error| made.err().filter(|_| is_absence(&error)).unwrap_or(error))?;
        }
        Ok(place)
    }

    async fn connect(destination: &Destination, known: Option<Capabilities>) -> Result<Self, PlainError> {
        let options = ConnectOptions { known, azure: destination.azure.clone(), ..ConnectOptions::default() };
        let credential = destination.credential.clone();
        let remote = connect(&destination.address, credential, options, &token()?).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let limits = LimitOptions {
            up_bytes_per_second: destination.bytes_per_second,
            down_bytes_per_second: destination.bytes_per_second,
            requests_at_once: destination.workers,
        };
        let limit = Arc::new(Limit::new(limits, Arc::clone(&clock)));
        let limited = Arc::new(Limit::around(remote, limit));
        let retry = RetryOptions { seed: u64::from(std::process::id()), ..RetryOptions::default() };
        let retried = Arc::new(Retry::around(limited, retry, Arc::clone(&clock)));
        let remote: Arc<dyn Remote> = Arc::new(Tracing::around(retried, clock));
        let keeps_names =
            !matches!(remote.capabilities().finding(Capability::PutIfAbsent), Finding::Missing(_));
        Ok(Self { remote, keeps_names, kind: Kind::of(&destination.address) })
    }

    /// Whether the place compares an MD5 with whatever it takes, of each block where an object `is_in_blocks`. Of one request
    /// to S3 that is only known from its answer: look-alikes do not.
    pub(crate) const fn compares_md5(&self, is_in_blocks: bool) -> bool {
        match self.kind {
            Kind::Azure => true,
            Kind::S3 => is_in_blocks,
            Kind::Other => false,
        }
    }

    /// Makes the container or bucket. That this is not permitted is only told if the place is not there.
    async fn make(destination: &Destination) -> Result<Result<(), StoreError>, PlainError> {
        let known = destination.declared().unwrap_or_else(|| destination.supposed());
        let place = Self::connect(destination, Some(known)).await?;
        match place.remote.create_place().await {
            Err(error) if error.is_network() => Err(error.into()),
            other => Ok(other),
        }
    }

    /// Whether anybody is there, by a name that nobody uses.
    async fn look(&self) -> Result<(), StoreError> {
        let absent = Key::parse("nothing-of-this-name").map_err(StoreError::from)?;
        match self.remote.head(&absent).await {
            Ok(_) => Ok(()),
            // Who may only create is told "no permission" for what is not there.
            Err(error) if error.is_not_found() || matches!(error, StoreError::Denied { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

const fn is_absence(error: &StoreError) -> bool {
    matches!(error, StoreError::Refused { .. } | StoreError::NotFound { .. })
}

fn token() -> Result<String, PlainError> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| PlainError::Runtime(std::io::Error::other(error)))?;
    Ok(data_encoding::BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
}
