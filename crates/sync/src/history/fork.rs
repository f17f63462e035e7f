//! A copy of this device published under numbers that it had published under itself: it goes on as a new device.
//!
//! Invariant, at every moment at which the process may end: whoever opens the library next, as the old device or
//! the new one, has every op, and every op is open or in a segment that rests here. Order: the old device's word
//! that the new one belongs to the library and all ops that it carries, in one transaction; its keys file; then
//! the keyring, with which the change is done. Ended before that, the old device finds the fork again, and a
//! device that was admitted and never came to be harms nothing.
//!
//! Specified in sl1-history §8.10.

use safelight_crypto::{Author, Device, Recipient, Statement, StatementBody, names, seal_keys_file, sha256};
use safelight_model::{OpBody, SegmentSeq};
use safelight_store::{ObjectPath, Outcome, Sealed, StoreError};

use super::HistoryReport;
use crate::epochs::newest_held;
use crate::error::{Result, SyncError};
use crate::here::Here;
use crate::problem::Problem;

/// Makes this device a new one, admitted by the old. False where the old one may not admit: it is no member any
/// more, and the fork is only named.
pub(super) fn go_on_as_another(
    here: &mut Here<'_>,
    from: SegmentSeq,
    report: &mut HistoryReport,
) -> Result<bool> {
    let keyring = here.keys.keyring().clone();
    let (library, old) = (keyring.library(), keyring.device());
    let roster = here
        .roster()?
        .filter(|roster| roster.member(&old.id()).is_some_and(|member| member.standing.belongs()));
    let Some(roster) = roster else {
        here.note(&mut report.problems, Problem::Forked { device: old.id(), seq: from.0, missing: None });
        return Ok(false);
    };
    let new = Device::generate(here.entropy);
    let now = (here.now)();
    let state = |after: &[_], body| Statement::sign(Author::Device(old), library, now, after, &body);
    let admit = state(&roster.heads(), StatementBody::Admit(new.card().clone()))?;
    let epoch = newest_held(&roster, &keyring);
    // The epoch that is named comes last, as in every keys file.
    let mut epochs = keyring.epochs().to_vec();
    epochs.sort_by_key(|known| known.id() == epoch);
    let recipient = Recipient::Device(new.id());
    let sealed = seal_keys_file(library, &epochs, recipient, new.card().kem_public(), here.entropy)?;
    let files = vec![(recipient, sha256(&[sealed.as_bytes()]))];
    let announce = state(&[admit.id()], StatementBody::Epoch { epoch, files })?;
    let bodies = [&admit, &announce].map(|statement| OpBody::Statement(statement.as_bytes().to_vec()));
    here.catalog.carry_own(from, bodies.into(), now)?;
    // Nobody waits for the new device yet: it proves nothing until it has published and read again (§10.5).
    here.device.record_away(None)?;

    let path = ObjectPath::parse(&names::keys_file(&epoch, &recipient)).map_err(StoreError::from)?;
    if here.place.put_new(&path, &Sealed::from(sealed))? == Outcome::Existed {
        return Err(SyncError::Keys { reason: format!("{path} is there already") });
    }
    let (old, new_id) = (old.id(), new.id());
    here.keys.succeed(new).map_err(|reason| SyncError::Keys { reason })?;
    here.catalog.go_on_as(new_id);
    here.note(&mut report.problems, Problem::WentOnAs { old, new: new_id, seq: from.0 });
    Ok(true)
}
