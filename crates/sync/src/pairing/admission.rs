//! What lets a device in: whether this one may, and the statements and the keys file that do it.

use safelight_crypto::{
    Author, DeviceId, EpochId, Recipient, Roster, Statement, StatementBody, names, seal_keys_file, sha256,
};
use safelight_model::OpBody;
use safelight_store::{Outcome, Sealed};

use super::PairingRefusal;
use super::invite::Asked;
use crate::error::{Result, SyncError};
use crate::here::{Here, newer_version_needed};
use crate::history::HistoryReport;
use crate::keys::path_of;
use crate::problem::Problem;

/// A device that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// The device.
    pub device: DeviceId,
    /// How many epochs' secrets were wrapped to its key.
    pub epochs: usize,
    /// Bytes of the file that holds them.
    pub keys_file_bytes: u64,
}

/// Refuses to invite where this device does not belong to the library any more: nobody would believe it. One that was revoked
/// cannot read that it was: that is sealed under an epoch whose keys it was not given, and that there is such an epoch tells.
pub(super) fn require_membership(here: &Here<'_>, report: &HistoryReport) -> Result<Roster> {
    let device = here.keys.keyring().device().id();
    if report.problems.iter().any(|problem| matches!(problem, Problem::NoKey { .. })) {
        return Err(PairingRefusal::InviterLeft { device }.into());
    }
    let roster = here.roster()?.ok_or(PairingRefusal::InviterLeft { device })?;
    if let Some(feature) = newer_version_needed(&roster) {
        return Err(SyncError::NeedsNewerVersion { feature });
    }
    if roster.member(&device).is_some_and(|member| member.standing.belongs()) {
        return Ok(roster);
    }
    Err(PairingRefusal::InviterLeft { device }.into())
}

/// States that the device belongs to the library, with a keys file for it: the file first, then both statements at once.
pub(super) fn admit(here: &mut Here<'_>, asked: &Asked) -> Result<(EpochId, [u8; 32], Admitted)> {
    let refuse = |reason: &str| SyncError::Keys { reason: reason.to_owned() };
    let keyring = here.keys.keyring().clone();
    let (library, own, card) = (keyring.library(), keyring.device(), &asked.ask.device);
    let roster = here.roster()?.ok_or_else(|| refuse("the beginning of the history is missing"))?;
    if roster.member(&card.id()).is_some() {
        return Err(refuse("the device that asks was admitted before"));
    }
    let announced = roster.sealing_epoch().map(|announced| announced.epoch);
    let epoch = announced.filter(|epoch| keyring.epoch_by_id(epoch).is_some());
    let epoch = epoch.ok_or_else(|| refuse("the keys of the newest epoch are not here yet: sync first"))?;
    // The epoch that is named comes last, as in every keys file.
    let mut epochs = keyring.epochs().to_vec();
    epochs.sort_by_key(|known| known.id() == epoch);
    let recipient = Recipient::Device(card.id());
    let sealed = seal_keys_file(library, &epochs, recipient, card.kem_public(), here.entropy)?;
    let (hash, keys_file_bytes) = (sha256(&[sealed.as_bytes()]), sealed.as_bytes().len() as u64);
    let path = path_of(&names::keys_file(&epoch, &recipient))?;
    if here.place.put_new(&path, &Sealed::from(sealed))? == Outcome::Existed {
        return Err(refuse(&format!("{path} is there already")));
    }
    let now = (here.now)();
    let sign =
        |after: &[_], body: &StatementBody| Statement::sign(Author::Device(own), library, now, after, body);
    let admit = sign(&roster.heads(), &StatementBody::Admit(card.clone()))?;
    let announce = sign(&[admit.id()], &StatementBody::Epoch { epoch, files: vec![(recipient, hash)] })?;
    let bodies = [admit, announce].map(|statement| OpBody::Statement(statement.as_bytes().to_vec()));
    here.catalog.append(now, bodies.into())?;
    Ok((epoch, hash, Admitted { device: card.id(), epochs: epochs.len(), keys_file_bytes }))
}
