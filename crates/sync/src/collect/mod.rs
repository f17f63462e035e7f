//! Dropping and collecting: how a replica leaves a remote without a photo leaving the world.
//!
//! Whoever wants an object gone writes a mark; from then on nobody may rely on it. Every device acknowledges once
//! it relies on the object no more, copying what it needs under the next generation. What everybody acknowledged, and what
//! this device can still do without, is deleted.
//!
//! Invariant: none of the rules of sl1-history §10 is left out; each was shown necessary by the model checker
//! (`crates/collect-model`). Time enters as `Here::now`.

mod acknowledge;
mod marks;
mod need;
mod objects;
mod plan;
mod run;
mod standing;
mod tell;

pub(crate) use acknowledge::{acknowledge, settle_records};
pub(crate) use marks::{has_purges, mark_purged, mark_remembered, refuse_name};
pub use marks::{mark, mark_damaged, mark_orphans, mark_unreferenced};
pub(crate) use objects::{generations, object_of, path_of_object};
pub use plan::{CollectPlan, Held, Waits};
pub use run::{CollectReport, collect, lapse_one, lapse_silent, plan_collection};
pub use standing::is_away;
pub(crate) use standing::{Arrival, arrive, hides_history, holds_back};
pub(crate) use tell::tell;

/// Milliseconds of a day.
pub const DAY_MILLIS: i64 = 86_400_000;
/// After so long without a segment of its own in a place a device is away from it.
pub const AWAY_MILLIS: i64 = 45 * DAY_MILLIS;
/// A device that is there publishes before so long has passed: five days before the 30 that it must.
const SIGN_OF_LIFE_MILLIS: i64 = 25 * DAY_MILLIS;
/// What is marked rests at least so long after the last acknowledgement was read.
pub const GRACE_MILLIS: i64 = 30 * DAY_MILLIS;
/// A device that was silent for so long may be declared lapsed.
pub const LAPSE_MILLIS: i64 = 90 * DAY_MILLIS;
