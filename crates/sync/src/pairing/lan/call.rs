//! The new device's side: a device on the same network, asked as a place would be.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use safelight_crypto::{PairingId, Sealed};
use safelight_store::{Operation, StoreError};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::wire::{Answer, Request, read_answer, write_request};
use crate::error::Result;
use crate::pairing::carrier::Carrier;

/// How long a request and its answer may take together.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a request that came to nothing is made again, and after which time.
const TRIES: usize = 3;
const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// What a device on the same network is called in messages to people, before its address in brackets.
pub const LAN_LABEL: &str = "the local network";

/// A device on the same network that may have an invitation.
#[derive(Debug, Clone)]
pub struct LanCarrier {
    address: SocketAddr,
    label: String,
}

impl LanCarrier {
    /// The device at that address. Nothing is sent yet.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, label: format!("{LAN_LABEL} ({address})") }
    }

    /// What is said of a device that hung on too long.
    #[must_use]
    pub fn silence(&self) -> crate::SyncError {
        self.failed(Operation::List, "pair/", io::ErrorKind::TimedOut.into())
    }

    fn failed(&self, operation: Operation, object: &str, source: io::Error) -> crate::SyncError {
        let (place, object) = (self.label.clone(), object.to_owned());
        StoreError::Network { place, operation, object, source }.into()
    }

    async fn ask(&self, operation: Operation, object: &str, request: &Request) -> Result<Answer> {
        let mut tried = 0;
        loop {
            tried += 1;
            let answered = timeout(PATIENCE, self.ask_once(request)).await;
            let source = match answered.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(answer) => return Ok(answer),
                Err(source) => source,
            };
            if tried == TRIES {
                return Err(self.failed(operation, object, source));
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    async fn ask_once(&self, request: &Request) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(self.address).await?;
        write_request(&mut stream, request).await?;
        read_answer(&mut stream).await
    }

    fn refused(&self, operation: Operation, object: &str) -> crate::SyncError {
        let source = io::Error::other("the device there does not do that");
        let (place, object) = (self.label.clone(), object.to_owned());
        StoreError::Refused { place, operation, object, source }.into()
    }
}

#[async_trait]
impl Carrier for LanCarrier {
    fn label(&self) -> &str {
        &self.label
    }

    async fn messages(&self) -> Result<Vec<(PairingId, String)>> {
        let Answer::Done(names) = self.ask(Operation::List, "pair/", &Request::Names).await? else {
            return Ok(Vec::new());
        };
        let names = String::from_utf8_lossy(&names);
        let read = |name: &str| {
            let mut parts = name.strip_prefix("pair/")?.split('/');
            let named = (parts.next()?.parse().ok()?, parts.next()?.to_owned());
            parts.next().is_none().then_some(named)
        };
        Ok(names.lines().filter_map(read).collect())
    }

    async fn message(&self, name: &str) -> Result<Option<Bytes>> {
        match self.ask(Operation::Get, name, &Request::Message(name.to_owned())).await? {
            Answer::Done(message) => Ok(Some(message)),
            Answer::Nothing => Ok(None),
            Answer::Refused => Err(self.refused(Operation::Get, name)),
        }
    }

    async fn leave(&self, name: &str, sealed: Sealed) -> Result<()> {
        let message = Bytes::copy_from_slice(sealed.as_bytes());
        match self.ask(Operation::Put, name, &Request::Leave(name.to_owned(), message)).await? {
            Answer::Done(_) => Ok(()),
            Answer::Nothing | Answer::Refused => Err(self.refused(Operation::Put, name)),
        }
    }
}
