//! Signing in to a cloud, before a library is opened: nothing is held while a person does it.

use safelight_store::{HttpOptions, RemoteCredential, SignInTalk, SignInWay};
use safelight_sync::SyncError;

use super::at::{kept_credential, parse_address, runtime};
use crate::error::Result;
use crate::library::Library;

/// Lets somebody sign in at the provider of an address; the answer is the credential to add or join with.
///
/// # Errors
/// When the address is of a kind without sign-in, the provider refuses, or nobody signs in.
pub fn sign_in(
    address: &str,
    credential: RemoteCredential,
    way: SignInWay,
    talk: &dyn SignInTalk,
) -> Result<RemoteCredential> {
    let address = parse_address(address)?;
    let options = HttpOptions::default();
    let signing_in = safelight_store::sign_in(&address, credential, way, &options, talk);
    Ok(runtime()?.block_on(signing_in).map_err(SyncError::from)?)
}

impl Library {
    /// The address of a remote and the client that somebody may sign in with again; no client where the place is
    /// not opened by signing in.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchRemote`](crate::LibraryError::NoSuchRemote).
    pub fn client_of_remote(&self, name: &str) -> Result<(String, Option<RemoteCredential>)> {
        let row = self.remote_row(name)?;
        let client = kept_credential(&row)?.and_then(|credential| credential.signed_out());
        Ok((row.address, client))
    }
}
