//! The remotes and the network before them: uploads that land late, deletions that are carried out late and twice.

use crate::facts::{Device, MAX_DEVICES, Object};

/// What rests at the remotes, and what is on its way there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Storage {
    /// Objects that are there.
    pub(crate) present: u8,
    /// Uploads sent and not yet carried out, by device. The device may long have given up.
    pub(crate) uploads: [u8; MAX_DEVICES],
    /// Deletions sent. Each may be carried out at any later time, and again (a retry after a lost reply).
    pub(crate) deletions: u8,
    /// Whether all generations of a name share one object (a rule was taken away).
    pub(crate) one_name: bool,
}

impl Storage {
    /// The object that really answers to a name.
    const fn named(self, object: Object) -> Object {
        if self.one_name { Object { remote: object.remote, generation: 0 } } else { object }
    }

    /// Whether a GET would find it.
    pub(crate) const fn has(self, object: Object) -> bool {
        self.present & self.named(object).bit() != 0
    }

    /// Sends an upload.
    pub(crate) const fn send(&mut self, device: Device, object: Object) {
        self.uploads[device as usize] |= object.bit();
    }

    /// Whether an upload is on its way.
    pub(crate) const fn sent(self, device: Device, object: Object) -> bool {
        self.uploads[device as usize] & object.bit() != 0
    }

    /// Carries an upload out: put-if-absent, of which twins make the same bytes.
    pub(crate) const fn land(&mut self, device: Device, object: Object) {
        self.uploads[device as usize] &= !object.bit();
        self.present |= self.named(object).bit();
    }

    /// Carries a deletion out.
    pub(crate) const fn delete(&mut self, object: Object) {
        self.present &= !self.named(object).bit();
    }
}
