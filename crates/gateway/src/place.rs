//! The remote that phones upload to, and how their bytes get there.
//!
//! Invariant: whatever way is taken, an object is only created. A remote that cannot refuse a name that is taken is not served.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use safelight_store::layer::{Clock, Retry, RetryOptions, SystemClock};
use safelight_store::{
    AzureEnvironment, Body, Capabilities, Capability, ConnectOptions, GrantRequest, HttpOptions, Key,
    PutOptions, Remote, RemoteAddress, RemoteCredential, StoreError, UploadGrant, connect,
};

use crate::error::GatewayError;
use crate::tokens::random;

/// The most bytes of one *Put Blob*.
const AZURE_MOST_BYTES: u64 = 5000 << 20;
/// The random bytes of a probe's name.
const PROBE_BYTES: usize = 16;

/// The remote that phones upload to, and what opens it.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Where it is.
    pub address: RemoteAddress,
    /// What opens it; at Azure the machine's own identity does, where there is none.
    pub credential: Option<RemoteCredential>,
    /// What decides which identity is used at Azure.
    pub azure: AzureEnvironment,
    /// How HTTP is spoken.
    pub http: HttpOptions,
}

/// How bytes get from a phone to the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To Azure, with a SAS for one blob.
    Sas,
    /// To S3, with a presigned address.
    Presigned,
    /// Through the gateway.
    Relayed,
}

impl Way {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Sas => "sas",
            Self::Presigned => "presigned",
            Self::Relayed => "relayed",
        }
    }
}

/// A remote that was connected and found to be fit.
#[derive(Debug)]
pub(crate) struct Place {
    /// Asked once for what a phone waits for.
    direct: Arc<dyn Remote>,
    /// Asked again where that helps.
    pub(crate) remote: Arc<dyn Remote>,
    pub(crate) way: Way,
}

impl Place {
    /// Connects, and finds out how phones can upload. At Azure nothing is written for that.
    pub(crate) async fn connect(upstream: Upstream) -> Result<Self, GatewayError> {
        let Upstream { address, credential, azure, http } = upstream;
        if matches!(address, RemoteAddress::File(_)) {
            return Err(GatewayError::Refused {
                reason: "a sealed copy in one file takes no uploads".to_owned(),
                hint: "name a container, a bucket or a folder",
            });
        }
        let known = matches!(address, RemoteAddress::Azure(_)).then(|| {
            let mut known = Capabilities::untried();
            known.most_object_bytes = AZURE_MOST_BYTES;
            known
        });
        let is_declared = known.is_some();
        let options = ConnectOptions { known, azure, http, ..ConnectOptions::default() };
        let direct = connect(&address, credential, options, &random::<PROBE_BYTES>()?).await?;
        look(&*direct).await?;
        if !is_declared && !direct.capabilities().has(Capability::PutIfAbsent) {
            return Err(GatewayError::Refused {
                reason: format!(
                    "{} does not refuse a name that is taken: uploads could be replaced",
                    direct.label()
                ),
                hint: "use another remote for uploads; safelight remote show names what was found",
            });
        }
        let way = way(&address, &*direct).await?;
        let remote = patient(&direct);
        Ok(Self { direct, remote, way })
    }

    /// Creates an object. Not tried again: after a lost answer nobody could tell its own object from another's.
    pub(crate) async fn create(&self, key: &Key, body: Body) -> Result<(), StoreError> {
        self.direct.put_if_absent(key, body, &PutOptions::default()).await.map(drop)
    }

    /// A permission to create one object.
    pub(crate) async fn grant(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        self.direct.grant_upload(request).await
    }
}

/// A remote to look at alone: nothing is written there, not even to try it out.
pub(crate) async fn connected(upstream: Upstream) -> Result<Arc<dyn Remote>, GatewayError> {
    let Upstream { address, credential, azure, http } = upstream;
    let mut known = Capabilities::untried();
    known.most_object_bytes = AZURE_MOST_BYTES;
    let options = ConnectOptions { known: Some(known), azure, http, ..ConnectOptions::default() };
    let direct = connect(&address, credential, options, &random::<PROBE_BYTES>()?).await?;
    Ok(patient(&direct))
}

fn patient(direct: &Arc<dyn Remote>) -> Arc<dyn Remote> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let options = RetryOptions { seed: u64::from(std::process::id()), ..RetryOptions::default() };
    Arc::new(Retry::around(Arc::clone(direct), options, clock))
}

/// Looks whether the place is there, and may be looked at: whether an upload arrived is found out in the same way.
async fn look(remote: &dyn Remote) -> Result<(), GatewayError> {
    let absent = probe_key()?;
    match remote.head(&absent).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Tries out whether permissions can be lent here; where not, bytes are relayed.
async fn way(address: &RemoteAddress, remote: &dyn Remote) -> Result<Way, GatewayError> {
    let lent = match address {
        RemoteAddress::Azure(_) => Way::Sas,
        RemoteAddress::S3(_) => Way::Presigned,
        _ => return Ok(Way::Relayed),
    };
    let request = GrantRequest {
        key: probe_key()?,
        valid_for: Duration::from_secs(60),
        at_most_bytes: 1,
        declared: None,
    };
    match remote.grant_upload(&request).await {
        Ok(_) => Ok(lent),
        Err(StoreError::Unsupported { .. }) => Ok(Way::Relayed),
        Err(error) => Err(error.into()),
    }
}

fn probe_key() -> Result<Key, GatewayError> {
    let name = format!("probe/{}", random::<PROBE_BYTES>()?);
    Key::parse(&name).map_err(|error| GatewayError::Store(StoreError::Name(error)))
}

/// What a phone is told of a permission.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) url: String,
    pub(crate) headers: std::collections::BTreeMap<String, String>,
    pub(crate) expires: SystemTime,
    pub(crate) way: Way,
}
