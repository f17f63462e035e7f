//! Devices that left: which of their segments count, and what becomes of those that were read before it was heard of.
//!
//! Invariant: all who stay come to the same. What one of them had taken in beyond the last segment that counts goes on in its
//! own chain, under the same ids, as that of a forked one does; what nobody had read by then nobody takes in.
//!
//! Specified in sl1-history §8.11.

use safelight_crypto::Standing;
use safelight_model::SegmentSeq;
use safelight_model::history::ClearPart;

use crate::error::Result;
use crate::here::Here;

/// Whether a segment comes after the last that counts of a device that left.
pub(super) fn is_after_leaving(standing: Option<Standing>, clear: &ClearPart) -> bool {
    match standing {
        Some(Standing::Retired { last_seq }) => clear.seq.0 > last_seq,
        Some(Standing::Revoked { last_seq, last_root }) => {
            clear.seq.0 > last_seq || clear.seq.0 == last_seq && clear.root.0 != last_root
        }
        Some(Standing::Active | Standing::Lapsed) | None => false,
    }
}

/// Carries what was taken in of devices beyond the last segment that counts of them, if this one stays.
pub(super) fn carry_what_was_read(here: &mut Here<'_>) -> Result<()> {
    let Some(roster) = here.roster()? else { return Ok(()) };
    if !roster.member(&here.catalog.device()).is_some_and(|own| own.standing.belongs()) {
        return Ok(());
    }
    for (device, tip) in here.catalog.tips()? {
        // Whoever was let in by one who had left by then, as it turns out, counts from nothing on.
        if roster.member(&device).is_none() && tip.seq.0 > 0 {
            let now = (here.now)();
            here.catalog.carry_from(device, SegmentSeq(1), now)?;
        }
    }
    for (device, member) in roster.members() {
        if let Standing::Retired { last_seq } | Standing::Revoked { last_seq, .. } = member.standing
            && here.catalog.tip(*device)?.seq.0 > last_seq
        {
            let now = (here.now)();
            here.catalog.carry_from(*device, SegmentSeq(last_seq.saturating_add(1)), now)?;
        }
    }
    Ok(())
}
