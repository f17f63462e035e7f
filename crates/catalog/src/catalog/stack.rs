//! What belongs together: the halves of a Live Photo, RAW and JPEG of one shot.

use safelight_model::AssetId;
use safelight_model::view::AssetView;

use super::{Catalog, project};
use crate::error::Result;
use crate::rows::hash_column;

/// More members than any stack that cameras make.
const MOST_MEMBERS: usize = 1000;

impl Catalog {
    /// Lists the assets that belong to this one, in the order of their ids.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn stack_of(&self, asset: AssetId) -> Result<Vec<AssetId>> {
        let Some(state) = self.asset_state(asset)? else { return Ok(Vec::new()) };
        let content = match AssetView::content_of(&state) {
            Some(content) => self.content_state(content)?,
            None => None,
        };
        let mut members = Vec::new();
        for hash in project::stacks(&state, content.as_ref()) {
            let sharing: Vec<AssetId> = self.database.read(|connection| {
                connection
                    .prepare_cached(
                        "SELECT t.asset FROM stack_keys AS s JOIN entities AS e ON e.id = s.entity
                         JOIN timeline AS t ON t.key = e.place WHERE s.hash = ?1 LIMIT ?2",
                    )?
                    .query_map((hash, MOST_MEMBERS), |row| hash_column(row, 0).map(AssetId))?
                    .collect()
            })?;
            members.extend(sharing);
        }
        members.sort_unstable();
        members.dedup();
        members.retain(|member| *member != asset);
        Ok(members)
    }
}
