//! What happens when nothing new happens: every active device syncs, round after round, and a collector runs.

use crate::{
    device::Presence,
    facts::{Fact, Object},
    library::{Action, Library, State},
};

/// Rounds in which all must have settled: reading and re-targeting, recording, acknowledging, collecting, each once for two marks.
const ROUNDS: usize = 8;

impl Library {
    /// Whether, when all active devices sync from here on, every marked object goes and the content keeps its bytes.
    /// Devices that lapsed stay away.
    pub(crate) fn collects_from(&self, state: &State) -> bool {
        let mut state = *state;
        let had_bytes = state.has_bytes(self);
        for _ in 0..ROUNDS {
            self.round(&mut state);
        }
        let published = state.published();
        let gone = Object::all(self.remotes)
            .filter(|&object| published.has(Fact::Marked(object)))
            .all(|object| !state.storage.has(object));
        gone && (!had_bytes || state.has_bytes(self))
    }

    /// One round: the network carries out what it had been given, and every active device does all that it may.
    fn round(&self, state: &mut State) {
        let sent = state.storage;
        for me in 0..self.devices {
            for object in Object::all(self.remotes).filter(|&object| sent.sent(me, object)) {
                state.storage.land(me, object);
            }
        }
        for me in 0..self.devices {
            if state.devices[me as usize].forgot {
                self.step(state, Action::Adopt(me));
            }
            match state.devices[me as usize].presence {
                Presence::Silent => continue,
                Presence::Back => self.step(state, Action::Resume(me)),
                Presence::Active => {}
            }
            self.sync(state, me);
            let marked = state.devices[me as usize].view.marked();
            for object in Object::all(self.remotes).filter(|object| object.bit() & marked != 0) {
                if self.may_collect(state, me, object) {
                    self.step(state, Action::Collect(me, object));
                }
                if state.storage.deletions & object.bit() != 0 {
                    self.step(state, Action::Delete(object));
                }
            }
        }
    }

    /// What `sync` does on one device.
    fn sync(&self, state: &mut State, me: u8) {
        for other in (0..self.devices).filter(|&other| other != me) {
            self.step(state, Action::Read(me, other));
        }
        let device = &state.devices[me as usize];
        if device.upload.is_some_and(|it| state.storage.has(it) && !device.view.has(Fact::Marked(it))) {
            self.step(state, Action::Record(me));
        }
        if state.devices[me as usize].view.replicas() == 0 {
            for remote in 0..self.remotes {
                if let Some(object) = self.next_upload(state, me, remote) {
                    self.step(state, Action::Upload(me, object));
                }
            }
        }
        for object in Object::all(self.remotes) {
            let device = &state.devices[me as usize];
            let due =
                device.view.has(Fact::Marked(object)) && !device.view.has(Fact::Acknowledged(me, object));
            if due && device.can_do_without(object, false, false) {
                self.step(state, Action::Acknowledge(me, object));
            }
        }
        self.step(state, Action::Publish(me));
    }
}
