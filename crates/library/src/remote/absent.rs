//! Originals that are on another device only: nothing of them is here, and no remote is known to hold them.
//!
//! What this device was told by a remote, or let go itself, is recorded. What history alone speaks of is looked for: it may
//! never have been sent to any place, because another device keeps it to itself.

use safelight_crypto::ContentHash;
use safelight_model::{DeviceId, Original, Storage};
use safelight_sync::is_here_in;

use crate::error::Result;
use crate::library::Library;
use crate::linked;
use crate::objects::lies_sealed;

impl Library {
    /// Whether nobody but this device has written history: what it did not let go is here.
    pub(crate) fn is_alone(&self) -> Result<bool> {
        let own = self.keyring().device().id();
        Ok(self.catalog().tips()?.iter().all(|(device, _)| *device == own))
    }

    /// Whether an original of which some remote was not told yet is away: history speaks of it, and it is not here.
    pub(super) fn is_away(&self, content: &ContentHash, is_alone: bool) -> Result<bool> {
        let states = self.states_of(content)?;
        if !states.is_empty() {
            return Ok(!states.iter().all(|(_, state)| is_here_in(*state)));
        }
        // What this device imported itself and told no remote of was never let go.
        if is_alone {
            return Ok(false);
        }
        let own = self.keyring().device().id();
        let Some(original) = self.original_of(content)? else { return Ok(false) };
        Ok(original.source.device != own && !self.is_on_this_device(&original)?)
    }

    /// Whether an original lies here whole, by what is recorded and by the names of its parts; nothing is opened.
    fn is_on_this_device(&self, original: &Original) -> Result<bool> {
        let is_linked = original.storage == Storage::Linked
            && linked::look(original, self.keyring().device().id(), &self.device).is_ok();
        Ok(is_linked || lies_sealed(&self.place, &self.device, original)?)
    }

    /// The other devices on which a content lies, as far as the history tells: each found it in a folder of its own, and none
    /// said that it is gone.
    pub(crate) fn keepers_of(&self, content: &ContentHash) -> Result<Vec<DeviceId>> {
        let own = self.keyring().device().id();
        let catalog = self.catalog();
        let Some(asset) = catalog.find_content(*content)? else { return Ok(Vec::new()) };
        let Some(state) = catalog.asset_state(asset)? else { return Ok(Vec::new()) };
        let paths = state.current().paths_of(*content);
        let mut devices: Vec<DeviceId> = paths.iter().map(|(path, _)| path.device).collect();
        devices.retain(|device| *device != own);
        devices.sort_unstable();
        devices.dedup();
        Ok(devices)
    }
}
