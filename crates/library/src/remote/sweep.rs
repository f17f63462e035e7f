//! Sweeping what interrupted uploads left behind in a remote.
//!
//! After a sync that ended well, and at most once a day: a sync with nothing new must not pay for it. Only what is a
//! week old goes, because clocks differ and another device may be uploading. That it cannot be done is no failure of
//! the sync: many credentials may not remove anything.

use std::time::Duration;

use safelight_catalog::RemoteRow;
use safelight_store::SealedRemote;

use crate::effects::now_millis;
use crate::error::Result;
use crate::library::Library;

/// How long something must have been left alone.
const LEFT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often it is looked for.
const EVERY_MILLIS: i64 = 24 * 3600 * 1000;

impl Library {
    /// Whether it is time to look into a remote.
    pub(super) fn is_time_to_sweep(&self, row: &RemoteRow) -> Result<bool> {
        let last = self.device.setting(&setting(row))?;
        let last = last.and_then(|bytes| bytes.try_into().ok()).map(i64::from_le_bytes);
        let now = now_millis();
        // A time to come is of a clock that was wrong.
        Ok(last.is_none_or(|last| last > now || now - last >= EVERY_MILLIS))
    }

    /// Remembers that it was looked into.
    pub(super) fn note_sweep(&mut self, row: &RemoteRow) -> Result<()> {
        Ok(self.device.set_setting(&setting(row), Some(&now_millis().to_le_bytes()))?)
    }
}

/// Sweeps a remote; says how much there was.
pub(super) async fn sweep(store: &SealedRemote) -> u64 {
    match store.sweep(LEFT_FOR).await {
        Ok(swept) => {
            tracing::debug!(place = store.label(), swept, "unfinished uploads swept");
            swept
        }
        Err(error) => {
            tracing::debug!(place = store.label(), %error, "unfinished uploads could not be swept");
            0
        }
    }
}

fn setting(row: &RemoteRow) -> String {
    format!("swept-remote-{}", row.name)
}
