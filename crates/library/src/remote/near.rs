//! The local network beside the remote of an invitation: from when it is open until whoever came that way has heard.

use std::time::Instant;

use safelight_crypto::PairingPlace;
use safelight_sync::Invitation;

use super::lan::{Lan, Listening};
use super::pairing::PairingTalk;
use crate::monitor::Monitor;

/// The local network beside the remote of an invitation.
#[derive(Default)]
pub(super) struct Near {
    listening: Option<Listening>,
    trouble: Option<String>,
    until: Option<Instant>,
}

impl Near {
    /// Listens there, where that is wanted. An invitation is good without it.
    pub(super) fn begin(
        lan: Lan,
        invitation: &mut Invitation,
        places: Vec<PairingPlace>,
        until: Instant,
    ) -> Self {
        if lan == Lan::Off {
            return Self::default();
        }
        let until = Some(until);
        if !places.first().is_some_and(PairingPlace::fits) {
            let trouble = "the address of the remote is too long to be told there".to_owned();
            return Self { listening: None, trouble: Some(trouble), until };
        }
        let name = invitation.code().local_name();
        let board = invitation.also_on_board(places);
        match Listening::start(lan, board, &name) {
            Ok(listening) => Self { listening, trouble: None, until },
            Err(error) => Self { listening: None, trouble: Some(error.to_string()), until },
        }
    }

    pub(super) fn is_announced(&self) -> bool {
        self.listening.as_ref().is_some_and(Listening::is_announced)
    }

    /// Why nobody comes in that way, though it was wanted.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.clone()
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        self.listening.as_ref().map(Listening::shown).unwrap_or_default()
    }

    /// Ends it, once a device that came that way has read how its pairing ended; answers no where it was let in and has not.
    pub(super) fn end(self, talk: &dyn PairingTalk, monitor: &dyn Monitor) -> bool {
        let (Some(listening), Some(until)) = (self.listening, self.until) else { return true };
        if listening.is_waited_for() {
            talk.waits();
        }
        listening.linger(until, monitor);
        !listening.is_waited_for()
    }
}
