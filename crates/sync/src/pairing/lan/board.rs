//! The messages of one invitation that wait in the memory of the device that invites.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use safelight_crypto::{PairingId, names};
use safelight_store::Sealed;

use super::wire::{Answer, Request};
use crate::pairing::MESSAGE_BYTES;

/// As many asks as are kept. Three that do not open end an invitation here.
const MOST_ASKS: usize = 8;

/// What a new device on the same network may read and leave.
#[derive(Debug)]
pub struct Board {
    pairing: PairingId,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// What this device said, by name.
    said: BTreeMap<String, Bytes>,
    /// What others left, in the order in which it came.
    asks: Vec<Left>,
    /// Names of what the expected reader read.
    read: BTreeSet<String>,
    /// From where the ask came that was answered.
    reader: Option<IpAddr>,
}

/// An ask, and from where it was left.
#[derive(Debug)]
struct Left {
    name: PairingId,
    message: Bytes,
    from: IpAddr,
}

impl Board {
    pub(crate) fn new(pairing: PairingId) -> Self {
        Self { pairing, held: Mutex::default() }
    }

    pub(crate) fn say(&self, name: String, message: Bytes) {
        self.held().said.insert(name, message);
    }

    pub(crate) fn asks(&self) -> Vec<(PairingId, Bytes)> {
        self.held().asks.iter().map(|left| (left.name, left.message.clone())).collect()
    }

    /// From now on whoever left that ask waits for what is said here.
    pub(crate) fn expect_reader(&self, ask: PairingId) {
        let mut held = self.held();
        held.reader = held.asks.iter().find(|left| left.name == ask).map(|left| left.from);
    }

    /// Whether a device that asked here has not read yet how it ended: where it was welcomed, the places, which it reads
    /// last.
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        let held = self.held();
        let last = if held.said.contains_key(&names::pairing_welcome(&self.pairing)) {
            names::pairing_places(&self.pairing)
        } else {
            names::pairing_closed(&self.pairing)
        };
        held.reader.is_some() && !held.read.contains(&last)
    }

    /// Whether a device that asked here was let in.
    #[must_use]
    pub fn has_welcomed(&self) -> bool {
        let held = self.held();
        held.reader.is_some() && held.said.contains_key(&names::pairing_welcome(&self.pairing))
    }

    pub(super) fn answer(&self, request: &Request, from: IpAddr) -> Answer {
        let mut held = self.held();
        match request {
            Request::Names => {
                let said: Vec<&str> = held.said.keys().map(String::as_str).collect();
                Answer::Done(said.join("\n").into())
            }
            Request::Message(name) => {
                held.said.get(name).map_or(Answer::Nothing, |said| Answer::Done(said.clone()))
            }
            Request::Leave(name, message) => {
                let Some(ask) = self.ask_named(name) else { return Answer::Refused };
                if let Some(there) = held.asks.iter().find(|left| left.name == ask) {
                    // Its answer was lost.
                    let is_same = there.message == *message;
                    return if is_same { Answer::Done(Bytes::new()) } else { Answer::Refused };
                }
                let is_over = held.said.contains_key(&names::pairing_closed(&self.pairing));
                if is_over || held.asks.len() >= MOST_ASKS || !is_message(message) {
                    return Answer::Refused;
                }
                held.asks.push(Left { name: ask, message: message.clone(), from });
                Answer::Done(Bytes::new())
            }
        }
    }

    /// Notes that an answer was read whole. Only what is read from where the answered ask came counts: anybody may read.
    pub(super) fn note_read(&self, request: &Request, answer: &Answer, from: IpAddr) {
        let mut held = self.held();
        if let (Request::Message(name), Answer::Done(_)) = (request, answer)
            && held.reader == Some(from)
        {
            held.read.insert(name.clone());
        }
    }

    /// The ask of that name, if it is one of this pairing.
    fn ask_named(&self, name: &str) -> Option<PairingId> {
        let ask = name.rsplit('/').next()?.parse().ok()?;
        (names::pairing_ask(&self.pairing, &ask) == name).then_some(ask)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether bytes may be a message at all: what may not is nobody's try.
fn is_message(bytes: &Bytes) -> bool {
    bytes.len() as u64 <= MESSAGE_BYTES && Sealed::from_bytes(bytes.clone()).is_ok()
}
