//! The daily cap of a remote, for whoever looks at it: what counts against it, and when more goes.

use safelight_catalog::RemoteRow;
use safelight_sync::{DailyStanding, daily_standing};
use serde::Serialize;

use crate::effects::now_millis;
use crate::error::Result;
use crate::library::Library;
use crate::past::zone_here;

/// A remote to which nothing of photos goes for now, because its daily cap is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct Capped {
    /// The remote.
    pub remote: String,
    /// Its cap, as `20GB`.
    pub cap: String,
    /// When more goes by the clock on the wall here, as `2026-05-14 10:00`.
    pub until: String,
}

impl Capped {
    /// The same of a remote as `safelight-sync` says it; none where more goes now.
    pub(super) fn of(remote: &str, standing: &DailyStanding) -> Option<Self> {
        let until = jiff::Timestamp::from_millisecond(standing.full_until_millis?).ok()?;
        let until = until.to_zoned(zone_here()).strftime("%Y-%m-%d %H:%M").to_string();
        Some(Self { remote: remote.to_owned(), cap: standing.cap.to_string(), until })
    }

    /// Why an original waits, in a sentence without a full stop.
    #[must_use]
    pub fn reason(&self) -> String {
        format!("the daily cap of {} is reached: more goes from {} on", self.cap, self.until)
    }
}

impl Library {
    pub(super) fn daily_standing(&self, row: &RemoteRow) -> Result<Option<DailyStanding>> {
        Ok(daily_standing(&self.device, row.id, now_millis())?)
    }

    /// Why nothing of photos goes to a remote for now, if its daily cap is the reason.
    pub(super) fn capped(&self, row: &RemoteRow) -> Result<Option<Capped>> {
        Ok(self.daily_standing(row)?.and_then(|standing| Capped::of(&row.name, &standing)))
    }

    /// The remotes whose daily cap holds something back.
    pub(crate) fn capped_remotes(&self) -> Result<Vec<Capped>> {
        let rows = self.device.remotes()?;
        let capped: Result<Vec<_>> = rows.iter().map(|row| self.capped(row)).collect();
        Ok(capped?.into_iter().flatten().collect())
    }
}
