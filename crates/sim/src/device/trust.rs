//! What a device states of others: that one has left, and what it holds of that.

use std::collections::BTreeSet;
use std::sync::Arc;

use safelight_crypto::{
    Author, DeviceId, Epoch, EpochId, Recipient, Roster, Statement, StatementBody, names, seal_keys_file,
};
use safelight_model::OpBody;
use safelight_model::history::SealedSegment;
use safelight_store::{ObjectPath, SealedRemote};
use safelight_sync::start_epoch;

use super::{Broken, Databases, SimDevice, drive};
use crate::place::Bug;

/// How a device is said to have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    Revoked,
    Retired,
}

/// Where a device is killed that says of another that it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// Before the secret of the new epoch is kept.
    Unheld,
    /// The keys files are in its folder, and nothing was said.
    Unsaid,
    /// It was said, and nothing is sealed under the new epoch yet.
    Unsealed,
}

impl SimDevice {
    /// What all statements that it knows say together.
    pub(crate) fn roster(&mut self) -> Result<Option<Arc<Roster>>, Broken> {
        let library = self.keyring.library();
        Ok(self.opened()?.catalog.roster(library)?)
    }

    /// All statements that it knows.
    pub(crate) fn statements(&mut self) -> Result<Vec<Vec<u8>>, Broken> {
        Ok(self.opened()?.catalog.statements()?)
    }

    /// Whether it is a copy, or one was made of it.
    pub(crate) fn may_have_copies(&self) -> bool {
        self.is_copy || self.has_copies
    }

    /// Whether it belongs to the library, as far as it knows.
    pub(crate) fn believes_to_belong(&mut self) -> Result<bool, Broken> {
        let id = self.id();
        let roster = self.roster()?;
        let own = roster.as_ref().and_then(|roster| roster.member(&id));
        Ok(own.is_some_and(|own| own.standing.belongs()))
    }

    /// Who belongs, as far as it knows, and with whose checkpoint it began, in words.
    pub(crate) fn tell_roster(&mut self) -> Result<String, Broken> {
        let roster = self.roster()?;
        let members = roster.iter().flat_map(|roster| roster.members());
        let members: Vec<String> =
            members.map(|(id, member)| format!("{id}: {:?}", member.standing)).collect();
        let begun = self.opened()?.catalog.begun_with()?.map(|begun| begun.signer);
        Ok(format!("{}; begun with {begun:?}", members.join(", ")))
    }

    /// The epochs whose secrets it holds.
    pub(crate) fn epochs(&self) -> BTreeSet<EpochId> {
        self.keyring.epochs().iter().map(Epoch::id).collect()
    }

    /// States that another device left, after what is known of it here, and starts an epoch without it; perhaps killed at
    /// that. Answers whether it is said.
    pub(crate) fn say_left(
        &mut self,
        device: DeviceId,
        leaving: Leaving,
        death: Option<Death>,
    ) -> Result<bool, Broken> {
        let tip = self.opened()?.catalog.tip(device)?;
        let body = match leaving {
            Leaving::Revoked => StatementBody::Revoke { device, last_seq: tip.seq.0, last_root: tip.root.0 },
            Leaving::Retired => StatementBody::Retire { device, last_seq: tip.seq.0 },
        };
        let before = match death {
            Some(Death::Unsaid) => Some(self.databases()?),
            _ => None,
        };
        self.crash_in = match death {
            Some(Death::Unheld) => Some(0),
            Some(Death::Unsaid | Death::Unsealed) => Some(1),
            None => None,
        };
        let started = self.here(|here| start_epoch(here, Some(&body)))?;
        if death.is_some() {
            self.kill();
        }
        if before.is_some() {
            self.disk = before;
        }
        if started.is_ok() && self.bug == Some(Bug::EpochForTheRevoked) {
            self.wrap_for(device)?;
        }
        Ok(started.is_ok() || death == Some(Death::Unsealed) && self.says_left(device)?)
    }

    /// Whether it knows a device that left.
    fn says_left(&mut self, device: DeviceId) -> Result<bool, Broken> {
        let roster = self.roster()?;
        Ok(roster.and_then(|roster| Some(!roster.member(&device)?.standing.belongs())).unwrap_or_default())
    }

    /// The mistake: a keys file with the newest epoch for one who left.
    fn wrap_for(&mut self, device: DeviceId) -> Result<(), Broken> {
        let keyring = self.keyring.clone();
        let Some(roster) = self.roster()? else { return Ok(()) };
        let Some(member) = roster.member(&device) else { return Ok(()) };
        let (recipient, key) = (Recipient::Device(device), member.card.kem_public());
        let sealed = seal_keys_file(keyring.library(), keyring.epochs(), recipient, key, &mut self.entropy)?;
        self.put(&names::keys_file(&keyring.epoch().id(), &recipient), &sealed.into())
    }

    /// States, with its last word, that it leaves in peace itself.
    pub(crate) fn leave(&mut self) -> Result<(), Broken> {
        self.close_segment()?;
        let keyring = self.keyring.clone();
        let own = keyring.device();
        let Some(roster) = self.roster()? else { return Ok(()) };
        let last_seq = self.opened()?.catalog.tip(own.id())?.seq.0 + 1;
        let body = StatementBody::Retire { device: own.id(), last_seq };
        let retire =
            Statement::sign(Author::Device(own), keyring.library(), self.now, &roster.heads(), &body)?;
        self.record(vec![OpBody::Statement(retire.as_bytes().to_vec())])?;
        self.close_segment()
    }

    /// The mistake: takes in the next segment that a place holds of each device that left.
    pub(super) fn take_in_what_left(&mut self, store: &SealedRemote) -> Result<(), Broken> {
        let Some(roster) = self.roster()? else { return Ok(()) };
        let (keyring, now) = (self.keyring.clone(), self.now);
        for (device, member) in roster.members().iter().filter(|(_, member)| !member.standing.belongs()) {
            let catalog = &mut self.opened()?.catalog;
            let path = ObjectPath::segment(*device, catalog.tip(*device)?.seq.0 + 1);
            let Some(Ok(bytes)) = drive(store.get(&path, 1 << 20), None) else { continue };
            let signed = SealedSegment::parse(&bytes)
                .and_then(|sealed| sealed.verify(keyring.library(), member.card.verifying_key()));
            if let Ok(segment) = signed.and_then(|signed| signed.open(&keyring)) {
                // One that builds on more is not taken in this time.
                let _taken = catalog.take_segment(&segment, &bytes, &BTreeSet::new(), now);
            }
        }
        Ok(())
    }

    /// The databases as they are now, for a device that is killed before it goes on.
    fn databases(&mut self) -> Result<Databases, Broken> {
        self.kill();
        let disk = self.disk.as_ref().ok_or("the device has no databases")?;
        disk.copy(self.keyring.device().id(), &mut self.entropy)
    }

    /// At the next thing it does it is killed at that write of its keys.
    pub(crate) fn crash_at_keys(&mut self, writes: u64) {
        self.crash_in = Some(writes);
    }
}
