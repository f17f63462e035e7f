//! What carries the messages of a pairing for the new device: a place that both sides reach, or the local network.
//!
//! A carrier is trusted with nothing: it may lose, repeat, exchange and invent whatever it likes, and the code, the
//! signatures and the six words tell.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use safelight_crypto::{PairingId, Sealed};
use safelight_store::SealedRemote;

use super::{get, listed, put_new};
use crate::error::Result;

/// Moves messages of pairings, under the names of sl1 §1.14.
#[async_trait]
pub trait Carrier: fmt::Debug + Send + Sync {
    /// What it is called in messages to people.
    fn label(&self) -> &str;

    /// The messages that are there: of which pairing, and the last part of their names.
    ///
    /// # Errors
    /// What the carrier answers.
    async fn messages(&self) -> Result<Vec<(PairingId, String)>>;

    /// The message of a name, or nothing where none is; no bytes for one that is too long to be one.
    ///
    /// # Errors
    /// What the carrier answers.
    async fn message(&self, name: &str) -> Result<Option<Bytes>>;

    /// Leaves a message under a name that was drawn for it.
    ///
    /// # Errors
    /// What the carrier answers.
    async fn leave(&self, name: &str, sealed: Sealed) -> Result<()>;
}

#[async_trait]
impl Carrier for SealedRemote {
    fn label(&self) -> &str {
        self.label()
    }

    async fn messages(&self) -> Result<Vec<(PairingId, String)>> {
        let named = listed(self).await?.into_iter();
        Ok(named.map(|(id, path, _)| (id, path.name().to_owned())).collect())
    }

    async fn message(&self, name: &str) -> Result<Option<Bytes>> {
        get(self, name).await
    }

    async fn leave(&self, name: &str, sealed: Sealed) -> Result<()> {
        put_new(self, name, sealed).await
    }
}
