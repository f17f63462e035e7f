//! Whether this device is there, or away and must come back first (sl1-history §10.5).
//!
//! Invariant: who comes back forgets every proof, then publishes, then reads; only after that is it present. Reading
//! first is not enough: a collector that looked in between would wait for nobody.

use super::{AWAY_MILLIS, SIGN_OF_LIFE_MILLIS, settle_records};
use crate::brake::{is_braked, look_after_brake};
use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::history::{HistoryReport, publish_sign_of_life, sync_history};
use crate::place::before_the_first_put;
use crate::problem::Problem;

/// A clock that stands so far behind what it showed has gone backwards; clocks are set by seconds all the time.
const CLOCK_SLACK_MILLIS: i64 = 10 * 60 * 1000;
/// Under this name the highest time that this device's clock showed is kept.
const HIGHEST_CLOCK: &str = "collect.clock";

/// What must be done before this device is present at a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Nothing: it is present.
    Present,
    /// It has published and read everything now.
    Returned,
    /// Its own history waits, or the place withholds history: it stays away.
    StaysAway,
}

/// Compares the clock with what it showed before; if it went backwards this device is away from every remote.
pub(crate) fn observe_clock(here: &mut Here<'_>) -> Result<()> {
    let now = here.now_millis();
    let kept = here.device.setting(HIGHEST_CLOCK)?;
    let highest = kept.and_then(|bytes| bytes.try_into().ok()).map_or(i64::MIN, i64::from_be_bytes);
    if now < highest.saturating_sub(CLOCK_SLACK_MILLIS) {
        here.device.record_away(None)?;
    }
    // Written once an hour: it need not be exact.
    if now < highest || now > highest.saturating_add(3_600_000) {
        here.device.set_setting(HIGHEST_CLOCK, Some(&now.to_be_bytes()))?;
    }
    Ok(())
}

/// Whether this device is away from a remote: it then frees nothing, marks nothing, acknowledges and collects nothing.
///
/// # Errors
/// Those of the database.
pub fn is_away(here: &Here<'_>, at: &RemotePlace) -> Result<bool> {
    // Who began with a checkpoint and has not taken in all ops yet has not read all marks.
    Ok(has_left(here, at)? || here.catalog.begun_with()?.is_some())
}

/// Whether this device lets nothing go at a remote: it is away, or its brake is on.
pub(crate) fn holds_back(here: &Here<'_>, at: &RemotePlace) -> Result<bool> {
    Ok(is_away(here, at)? || is_braked(here.device)?)
}

/// Whether this device must say that it is back.
fn has_left(here: &Here<'_>, at: &RemotePlace) -> Result<bool> {
    let presence = here.device.presence(at.id)?;
    let age = presence.published_millis.map(|published| here.now_millis().saturating_sub(published));
    Ok(!presence.is_present || age.is_none_or(|age| age > AWAY_MILLIS))
}

/// Brings history up to date, and this device back if it was away; nothing that is marked counts in its records then.
pub(crate) async fn arrive(
    here: &mut Here<'_>,
    at: &RemotePlace,
    report: &mut HistoryReport,
) -> Result<Arrival> {
    let arrival = return_to(here, at, report).await?;
    settle_records(here, at)?;
    look_after_brake(here, &mut report.problems)?;
    Ok(arrival)
}

async fn return_to(here: &mut Here<'_>, at: &RemotePlace, report: &mut HistoryReport) -> Result<Arrival> {
    before_the_first_put(here, at).await?;
    observe_clock(here)?;
    let was_away = has_left(here, at)?;
    if was_away {
        if here.device.presence(at.id)?.published_millis.is_some() {
            here.device.record_away(Some(at.id))?;
        } else {
            // Whoever was never there comes back to nothing: what is known of other places stands.
            here.device.forget_proofs(at.id)?;
        }
    }
    *report = sync_history(here, at).await?;
    if report.own_history_waits {
        return Ok(if was_away { Arrival::StaysAway } else { Arrival::Present });
    }
    // Only what was put in this run says that this device is there: it may have read its own chain, or have put it long ago.
    let presence = here.device.presence(at.id)?;
    let age = presence.published_millis.map(|then| here.now_millis().saturating_sub(then));
    let is_missed = was_away
        || age.is_none_or(|age| age > SIGN_OF_LIFE_MILLIS)
        || here.catalog.is_lapsed(here.catalog.device())?;
    if report.sent_own_segments == 0 && is_missed {
        publish_sign_of_life(here, at, report).await?;
    }
    let published = report.sent_own_segments > 0;
    if published {
        let now = here.now_millis();
        here.device.record_published(at.id, now)?;
    }
    if !was_away {
        return Ok(Arrival::Present);
    }
    if !published {
        return Ok(Arrival::StaysAway);
    }
    // Whoever read this device's sign of life waits for it from now on; what they published before is read here.
    let again = sync_history(here, at).await?;
    // Who went on as another device meanwhile has to publish as that one first.
    let is_another = again.problems.iter().any(|problem| matches!(problem, Problem::WentOnAs { .. }));
    let is_whole = !again.own_history_waits && !is_another && !hides_history(here, &again)?;
    report.join(again);
    if !is_whole {
        return Ok(Arrival::StaysAway);
    }
    here.device.record_return(at.id)?;
    Ok(Arrival::Returned)
}

/// Whether a place shows less of the history of this library's devices than others have seen, or two histories of
/// one. What other libraries keep there is no concern of this one.
pub(crate) fn hides_history(here: &Here<'_>, report: &HistoryReport) -> Result<bool> {
    let Some(roster) = here.roster()? else { return Ok(true) };
    Ok(report.problems.iter().any(|problem| {
        let device = match problem {
            Problem::Withheld { device, .. } | Problem::Forked { device, .. } => Some(*device),
            Problem::NoKey { object, .. } | Problem::Damaged { object, .. } => {
                object.strip_prefix("log/").and_then(|rest| rest.split('/').next()?.parse().ok())
            }
            _ => None,
        };
        device.is_some_and(|device| roster.member(&device).is_some())
    }))
}
