//! From an address and a credential to a [`Remote`] whose capabilities are known.

use std::ffi::OsString;
use std::future::Future;
use std::sync::Arc;

use crate::address::RemoteAddress;
use crate::azure::{AzureBlob, AzureEnvironment};
use crate::capabilities::Capabilities;
use crate::cloud::{Dropbox, GoogleDrive, OneDrive};
use crate::credential::RemoteCredential;
use crate::error::{Operation, StoreError};
use crate::file::SealedFile;
use crate::folder::Folder;
use crate::http::{Asked, Http, HttpOptions};
use crate::layer::{Clock, Retry, RetryOptions, SystemClock};
use crate::name::{Key, NameError};
use crate::oauth::CredentialKeeper;
use crate::remote::Remote;
use crate::s3::S3;
use crate::sftp::Sftp;
use crate::webdav::WebDav;

/// What connecting needs besides an address and a credential.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// What was found out earlier; without it the place is probed.
    pub known: Option<Capabilities>,
    /// The surroundings that decide which identity is used at Azure.
    pub azure: AzureEnvironment,
    /// How HTTP is spoken; its patience is that of SFTP too.
    pub http: HttpOptions,
    /// Where a sign-in that its provider replaces is kept; without one it is lost with this process.
    pub keeper: Option<Arc<dyn CredentialKeeper>>,
    /// What `ssh` is told in front of the rest, for example `-i` and a key's path.
    pub ssh_arguments: Vec<OsString>,
}

/// Connects to a place. What it can do is probed, unless it was found out earlier and is given back in
/// `options`; `token` must be fresh, as for [`Capabilities::probe`]. A sealed copy in one file is never probed: whatever a
/// probe wrote would stay in it.
///
/// # Errors
/// [`StoreError::Network`] or [`StoreError::Throttled`] when the place cannot be reached, or not for long enough to be
/// tried out, [`StoreError::Denied`] when no credential was
/// accepted, [`StoreError::Refused`] when there is no such container or the credential is of another kind. What a reachable place refuses in
/// the probe is not an error but a finding.
pub async fn connect(
    address: &RemoteAddress,
    credential: Option<RemoteCredential>,
    options: ConnectOptions,
    token: &str,
) -> Result<Arc<dyn Remote>, StoreError> {
    let label = address.to_string();
    let asked = Asked { place: &label, operation: Operation::Open, object: "the place" };
    let http = Http::new(&options.http).map_err(|fault| asked.network(fault))?;
    match address {
        RemoteAddress::Azure(azure) => {
            let remote = Arc::new(AzureBlob::new(azure, credential, options.azure, http)?);
            let found = find_out(remote.clone(), options.known, token, async {}).await?;
            Ok(changed(remote, |remote| remote.capabilities_mut().learn(&found)))
        }
        RemoteAddress::S3(s3) => {
            let remote = Arc::new(S3::new(s3, credential, http)?);
            let found = find_out(remote.clone(), options.known, token, async {}).await?;
            Ok(changed(remote, |remote| remote.capabilities_mut().learn(&found)))
        }
        RemoteAddress::WebDav(webdav) => {
            let remote = Arc::new(WebDav::new(webdav, credential, http)?);
            let found = find_out(remote.clone(), options.known, token, async {}).await?;
            Ok(changed(remote, |remote| remote.capabilities_mut().learn(&found)))
        }
        RemoteAddress::Folder(path) => {
            let remote = Arc::new(Folder::open(path)?);
            let found = find_out(remote.clone(), options.known, token, async {}).await?;
            Ok(changed(remote, |remote| remote.capabilities_mut().learn(&found)))
        }
        RemoteAddress::File(path) => {
            let path = path.clone();
            // Walking its headers takes as long as the disk does.
            match tokio::task::spawn_blocking(move || SealedFile::open(&path)).await {
                Ok(opened) => Ok(Arc::new(opened?)),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => Err(StoreError::Vanished { place: label }),
            }
        }
        RemoteAddress::Sftp(sftp) => {
            if credential.is_some() {
                return Err(asked.nonsense("SFTP takes no credential: ssh proves who you are"));
            }
            let remote = Arc::new(Sftp::new(sftp, options.ssh_arguments, options.http.stall));
            let found = find_out(remote.clone(), options.known, token, async {}).await?;
            Ok(changed(remote, |remote| remote.capabilities_mut().learn(&found)))
        }
        RemoteAddress::Dropbox(cloud) => {
            let remote = Arc::new(Dropbox::new(cloud, credential, options.keeper, http)?);
            let owned = Arc::clone(&remote);
            let owner = async move { owned.look_up_owner().await };
            let found = find_out(remote.clone(), options.known, token, owner).await?;
            Ok(changed(remote, |remote| remote.capabilities_mut().learn(&found)))
        }
        RemoteAddress::GoogleDrive(cloud) => {
            let remote = Arc::new(GoogleDrive::new(cloud, credential, options.keeper, http)?);
            let owned = Arc::clone(&remote);
            let owner = async move { owned.look_up_owner().await };
            let found = find_out(remote.clone(), options.known, token, owner).await?;
            Ok(changed(remote, |remote| remote.capabilities_mut().learn(&found)))
        }
        RemoteAddress::OneDrive(cloud) => {
            let remote = Arc::new(OneDrive::new(cloud, credential, options.keeper, http)?);
            let owned = Arc::clone(&remote);
            let owner = async move { owned.look_up_owner().await };
            let found = find_out(remote.clone(), options.known, token, owner).await?;
            Ok(changed(remote, |remote| remote.capabilities_mut().learn(&found)))
        }
    }
}

/// Changes a remote that nobody else holds yet.
#[expect(clippy::expect_used, reason = "whoever found out what it can do let go of it")]
fn changed<R: Remote + 'static>(mut remote: Arc<R>, change: impl FnOnce(&mut R)) -> Arc<dyn Remote> {
    change(Arc::get_mut(&mut remote).expect("one holder"));
    remote
}

async fn find_out(
    remote: Arc<dyn Remote>,
    known: Option<Capabilities>,
    token: &str,
    owner: impl Future<Output = ()>,
) -> Result<Capabilities, StoreError> {
    if let Some(known) = known {
        return Ok(known);
    }
    let bad_name = |source: NameError| StoreError::BadName { place: remote.label().to_owned(), source };
    // Whether anybody is there at all. "No permission" is for the probe to look into: some services say it
    // for absent names to those who may not list.
    let absent = Key::parse(&format!("probe/{token}-x")).map_err(bad_name)?;
    let denied = match remote.get(&absent, 0).await {
        Ok(_) | Err(StoreError::TooLarge { .. }) => None,
        Err(error) if error.is_not_found() => None,
        Err(error @ StoreError::Denied { .. }) => Some(error),
        Err(error) => return Err(error),
    };
    owner.await;
    // Somebody is there: what fails now by the network is tried again, and says nothing about the place.
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let patient = Retry::around(Arc::clone(&remote), RetryOptions::default(), clock);
    let mut found = Capabilities::probe(&patient, token).await?;
    found.proof = remote.credential_source();
    match denied {
        Some(error) if !crate::capabilities::is_of_any_use(&found) => Err(error),
        _ => Ok(found),
    }
}
