//! Which epoch is sealed under: one that opens for nobody who does not belong to the library any more.
//!
//! Invariant, at every moment at which the process may end: nothing is sealed under an epoch before a statement that is
//! in the catalogue announces it, and before its keys files rest in the library folder. Order: the secret is held; keys
//! files; statements; only then is anything sealed under it. Ended before the statements, it is an epoch that nobody ever
//! hears of.
//!
//! Specified in sl1 §1.12.

use safelight_crypto::{
    Author, Epoch, EpochId, KemPublic, Keyring, Recipient, Roster, Statement, StatementBody, names,
    seal_keys_file, sha256,
};
use safelight_model::OpBody;
use safelight_store::{Outcome, Sealed, StoreError};

use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::keys::{is_announced, own_keys_file, path_of};

/// Starts an epoch for everybody who belongs to the library once `first` was said: that a device left, or is not trusted
/// any more. What this device seals from now on, it seals under that epoch.
///
/// # Errors
/// [`SyncError::Keys`] when the statement has no effect, or the keys cannot be kept; what the databases answer.
pub fn start_epoch(here: &mut Here<'_>, first: Option<&StatementBody>) -> Result<EpochId> {
    let own = here.keys.keyring().device().clone();
    let PreparedEpoch { epoch, bodies } =
        prepare_epoch(here, first.map(|first| (Author::Device(&own), first)))?;
    here.catalog.append((here.now)(), bodies)?;
    here.keys.seal_under(&epoch).map_err(|reason| SyncError::Keys { reason })?;
    Ok(epoch)
}

/// An epoch whose secret is held and whose keys files rest in the library folder.
#[must_use = "nobody hears of the epoch before its statements are recorded"]
pub(crate) struct PreparedEpoch {
    /// The epoch.
    pub(crate) epoch: EpochId,
    /// What is still to be stated, in this order and at once.
    pub(crate) bodies: Vec<OpBody>,
}

/// Prepares an epoch for everybody who belongs to the library once `first` was said by its author.
pub(crate) fn prepare_epoch(
    here: &mut Here<'_>,
    first: Option<(Author<'_>, &StatementBody)>,
) -> Result<PreparedEpoch> {
    let keyring = here.keys.keyring().clone();
    let (library, own) = (keyring.library(), keyring.device());
    let refuse = |reason: &str| SyncError::Keys { reason: reason.to_owned() };
    // Which segment was the last of a device that left only tells who has read its chain: nothing would count of it for who did
    // not.
    if first.is_some() && here.catalog.begun_with()?.is_some() {
        return Err(refuse("this device has just joined and has not read all history yet: sync first"));
    }
    let now = (here.now)();
    let mut statements = here.statements()?;
    let replayed = |statements: &[Statement]| {
        Roster::replay(library, statements).ok_or_else(|| refuse("the beginning of the history is missing"))
    };
    let mut roster = replayed(&statements)?;
    let mut bodies = Vec::new();
    if let Some((author, first)) = first {
        let statement = Statement::sign(author, library, now, &roster.heads(), first)?;
        statements.push(statement.clone());
        roster = replayed(&statements)?;
        if let Some((_, fault)) = roster.refused().iter().find(|(id, _)| *id == statement.id()) {
            return Err(refuse(&format!("the statement has no effect: {fault}")));
        }
        bodies.push(OpBody::Statement(statement.as_bytes().to_vec()));
    }
    if !roster.recipients().contains(&Recipient::Device(own.id())) {
        return Err(refuse("this device does not belong to the library any more"));
    }

    let epoch = Epoch::generate(here.entropy);
    here.keys.hold(&epoch).map_err(|reason| SyncError::Keys { reason })?;
    // The epoch that is named comes last, as in every keys file.
    let mut epochs = keyring.epochs().to_vec();
    epochs.push(epoch.clone());
    let mut files = Vec::new();
    for recipient in roster.recipients() {
        let public = kem_public(&roster, &recipient).ok_or_else(|| refuse("a recipient has no key"))?;
        let sealed = seal_keys_file(library, &epochs, recipient, public, here.entropy)?;
        files.push((recipient, sha256(&[sealed.as_bytes()])));
        let path = path_of(&names::keys_file(&epoch.id(), &recipient))?;
        if here.place.put_new(&path, &Sealed::from(sealed))? == Outcome::Existed {
            return Err(refuse(&format!("{path} is there already")));
        }
    }
    let announce = StatementBody::Epoch { epoch: epoch.id(), files };
    let announce = Statement::sign(Author::Device(own), library, now, &roster.heads(), &announce)?;
    bodies.push(OpBody::Statement(announce.as_bytes().to_vec()));
    Ok(PreparedEpoch { epoch: epoch.id(), bodies })
}

/// Seals under the newest epoch that is closed to everybody who left, and open to everybody who stays, as
/// [`settle_epoch_here`] does, once the secrets of the epochs that other devices started were asked for.
pub(crate) async fn settle_epoch(here: &mut Here<'_>, at: &RemotePlace) -> Result<()> {
    let Some(roster) = here.roster()? else { return Ok(()) };
    learn_given(here, at, &roster).await?;
    settle_epoch_here(here)
}

/// Fetches the secret of every epoch of which this device was given one and does not hold it. Of several that were started at
/// once only the last is sealed under from then on; but what was sealed under another before lies in the place, although no
/// segment may be, and its keys file says nothing of the others.
pub(crate) async fn learn_given(here: &mut Here<'_>, at: &RemotePlace, roster: &Roster) -> Result<()> {
    if !belongs(here, roster) {
        return Ok(());
    }
    let own = Recipient::Device(here.keys.keyring().device().id());
    for announced in roster.epochs() {
        if announced.files.contains_key(&own)
            && here.keys.keyring().epoch_by_id(&announced.epoch).is_none()
            && !learn(here, at, roster, &announced.epoch).await?
        {
            tracing::debug!(epoch = %announced.epoch, "its keys are not here yet");
        }
    }
    Ok(())
}

/// Sees to it, with what is in the library folder alone, that this device seals under an epoch that is closed to everybody
/// who left: the newest, if it is held and open to everybody who stays; while its secret is not here, the one that is
/// sealed under already; else a new one. So nothing is sealed under an old epoch although the catalogue says who left, wherever a
/// sync before ended. A device that does not belong to the library any more changes nothing.
///
/// # Errors
/// As [`start_epoch`].
pub fn settle_epoch_here(here: &mut Here<'_>) -> Result<()> {
    let Some(roster) = here.roster()? else { return Ok(()) };
    if !belongs(here, &roster) {
        return Ok(());
    }
    let keyring = here.keys.keyring();
    let Some(announced) = roster.sealing_epoch() else {
        return start_epoch(here, None).map(drop);
    };
    if keyring.epoch_by_id(&announced.epoch).is_none() {
        // Who left may hold the one before.
        return if roster.may_seal_under(&keyring.epoch().id()) {
            Ok(())
        } else {
            start_epoch(here, None).map(drop)
        };
    }
    // Whoever came while it was started was given no secret of it.
    if roster.recipients().iter().any(|recipient| !announced.files.contains_key(recipient)) {
        return start_epoch(here, None).map(drop);
    }
    if keyring.epoch().id() != announced.epoch {
        here.keys.seal_under(&announced.epoch).map_err(|reason| SyncError::Keys { reason })?;
    }
    Ok(())
}

fn belongs(here: &Here<'_>, roster: &Roster) -> bool {
    roster.recipients().contains(&Recipient::Device(here.keys.keyring().device().id()))
}

/// The newest announced epoch whose secret is here: a file with all that is held is named for it, so that whoever reads the
/// statements knows which secrets the recipient has.
pub(crate) fn newest_held(roster: &Roster, keyring: &Keyring) -> EpochId {
    let mut announced = roster.epochs().iter().rev().map(|announced| announced.epoch);
    announced.find(|epoch| keyring.epoch_by_id(epoch).is_some()).unwrap_or_else(|| keyring.epoch().id())
}

/// Fetches the secret of an announced epoch, and holds it with all that come with it; nothing is sealed under them yet.
async fn learn(here: &mut Here<'_>, at: &RemotePlace, roster: &Roster, epoch: &EpochId) -> Result<bool> {
    let (bytes, epochs) = match own_keys_file(here, &at.store, epoch).await {
        Ok(Some(found)) => found,
        Ok(None) | Err(SyncError::Store(StoreError::Damaged { .. })) => return Ok(false),
        Err(error) => return Err(error),
    };
    let own = Recipient::Device(here.keys.keyring().device().id());
    if !is_announced(Some(roster), epoch, &own, &sha256(&[&bytes])) {
        return Ok(false);
    }
    for epoch in epochs {
        if here.keys.keyring().epoch_by_id(&epoch.id()).is_none() {
            here.keys.hold(&epoch).map_err(|reason| SyncError::Keys { reason })?;
        }
    }
    Ok(true)
}

/// The key that a recipient's secrets are wrapped to.
fn kem_public<'a>(roster: &'a Roster, recipient: &Recipient) -> Option<&'a KemPublic> {
    match recipient {
        Recipient::Words(words) => (roster.words().id() == *words).then(|| &roster.words().kem_public),
        Recipient::Device(device) => roster
            .member(device)
            .filter(|member| member.standing.belongs())
            .map(|member| member.card.kem_public()),
    }
}
