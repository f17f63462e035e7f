//! What one device knows, holds and is about to do.

use crate::{
    facts::{Device, Fact, Facts, Object},
    rules::{Rule, Rules},
};

/// Whether a device has kept publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) enum Presence {
    /// It publishes.
    #[default]
    Active,
    /// It was silent for so long that another device lapsed it. It knows so by its own clock.
    Silent,
    /// It published that it is back, and has read nothing since.
    Back,
}

/// What a backup of a device's library folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Backup {
    view: Facts,
    proof: Option<Object>,
    local: bool,
}

/// One device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct DeviceState {
    /// History as it knows it, its own unpublished ops included.
    pub(crate) view: Facts,
    /// What another device learns by reading its chain.
    pub(crate) published: Facts,
    /// Whether it holds the bytes in its own library folder.
    pub(crate) local: bool,
    /// The replica that it has proven present, to free its local bytes against.
    pub(crate) proof: Option<Object>,
    /// The object that it is uploading.
    pub(crate) upload: Option<Object>,
    /// Whether it has been away.
    pub(crate) presence: Presence,
    /// Whether it was restored and has not read its own published history yet.
    pub(crate) forgot: bool,
    /// The backup that it may be restored from.
    pub(crate) backup: Option<Backup>,
}

impl DeviceState {
    /// Whether it goes about its usual work.
    pub(crate) fn works(&self) -> bool {
        self.presence == Presence::Active && !self.forgot
    }

    /// Whether the content would keep its bytes without `object`, as far as this device may count.
    pub(crate) fn can_do_without(&self, object: Object, others: bool, linked: bool) -> bool {
        !self.view.live() || self.local || self.view.replicas() & !object.bit() != 0 || others || linked
    }

    /// Makes everything readable that it knows; `lapsed` says that somebody had given up waiting.
    pub(crate) const fn publish(&mut self, me: Device, lapsed: bool) {
        if lapsed {
            self.view.add(Fact::Returned(me));
        }
        self.published = self.published.join(self.view);
    }

    /// Reads history.
    pub(crate) const fn read(&mut self, published: Facts) {
        self.view = self.view.join(published);
    }

    /// Promises to rely on an object no more. Re-targeting comes first: while the object is there it can still be copied to the
    /// next generation.
    pub(crate) fn acknowledge(&mut self, me: Device, object: Object, rules: Rules) {
        if rules.has(Rule::RetargetBeforeAcknowledging) {
            self.rely_no_more(object);
        }
        self.view.add(Fact::Acknowledged(me, object));
    }

    fn rely_no_more(&mut self, object: Object) {
        self.proof = self.proof.filter(|&it| it != object);
        self.upload = self.upload.filter(|&it| it != object);
    }

    /// Takes up work after a silence, having just read everything.
    pub(crate) fn resume(&mut self, rules: Rules) {
        if rules.has(Rule::ForgetOldProofs) {
            self.proof = None;
        }
        let marked = self.view.marked();
        self.upload = self.upload.filter(|it| it.bit() & marked == 0);
        self.presence = Presence::Active;
    }

    /// Keeps a backup.
    pub(crate) const fn back_up(&mut self) {
        self.backup = Some(Backup { view: self.view, proof: self.proof, local: self.local });
    }

    /// Goes back to the backup. Objects of the backup are there again and later ones stay; the databases forget what came after.
    pub(crate) const fn restore(&mut self, rules: Rules) {
        if let Some(backup) = self.backup.take() {
            self.view = backup.view;
            self.proof = backup.proof;
            self.local |= backup.local;
            self.upload = None;
            self.forgot = rules.has(Rule::AdoptOwnHistory);
        }
    }

    /// Reads its own published history, whose last segment says what it had read.
    pub(crate) fn adopt(&mut self) {
        self.read(self.published);
        let marked = self.view.marked();
        self.proof = self.proof.filter(|it| it.bit() & marked == 0);
        self.forgot = false;
    }
}
