//! Finds what a person means by an item, and what there is of it.

use safelight_catalog::{ItemLookup, ListOptions};
use safelight_model::view::AssetView;
use safelight_model::{AssetId, AssetState, ContentState, Original};
use std::os::unix::ffi::OsStrExt as _;

use crate::error::{LibraryError, Result};
use crate::library::Library;

/// How many candidates an ambiguous item names.
const EXAMPLES: usize = 4;
/// How many candidates are looked at where some of them may have to be left out.
const MOST_CANDIDATES: usize = 100_000;

/// An asset with the state of its current content.
pub(crate) struct Item {
    pub(crate) asset: AssetId,
    pub(crate) state: AssetState,
    pub(crate) content: Option<ContentState>,
}

impl Item {
    pub(crate) fn view(&self) -> AssetView<'_> {
        AssetView::new(self.asset, &self.state, self.content.as_ref())
    }

    /// The original that is current.
    pub(crate) fn original(&self) -> Result<&Original> {
        self.state
            .current()
            .contents()
            .current()
            .map(|write| &write.value.original)
            .ok_or_else(|| LibraryError::NoSuchItem { item: self.asset.to_string() })
    }
}

impl Library {
    /// The one asset that an id, the beginning of one, a path, a file's name or a query names.
    pub(crate) fn find(&self, item: &str) -> Result<Item> {
        let asset = match self.look_up(item)? {
            ItemLookup::One(asset) => self.admit(asset, item)?,
            ItemLookup::Many(assets) => return Err(self.ambiguous(item, &assets)?),
            ItemLookup::None => self.find_by_query(item)?,
        };
        self.item(asset)?.ok_or_else(|| LibraryError::NoSuchItem { item: item.to_owned() })
    }

    /// What of the library an item names. What is kept back is left out before it is said whether that is one or several.
    pub(crate) fn look_up(&self, item: &str) -> Result<ItemLookup> {
        let found = self.look_up_exactly(item.as_bytes())?;
        if matches!(found, ItemLookup::None)
            && let Ok(path) = std::fs::canonicalize(item)
        {
            return self.look_up_exactly(path.as_os_str().as_bytes());
        }
        // `./` only says that a name is a name, and no filter or change.
        match (&found, item.strip_prefix("./")) {
            (ItemLookup::None, Some(name)) => self.look_up_exactly(name.as_bytes()),
            _ => Ok(found),
        }
    }

    fn look_up_exactly(&self, item: &[u8]) -> Result<ItemLookup> {
        if !self.keeps_hidden_back() {
            return Ok(self.catalog().find_item(item, EXAMPLES + 1)?);
        }
        let found = match self.catalog().find_item(item, MOST_CANDIDATES)? {
            ItemLookup::None => Vec::new(),
            ItemLookup::One(asset) => vec![asset],
            ItemLookup::Many(assets) => assets,
        };
        let mut told = self.without_kept_back(found)?;
        told.truncate(EXAMPLES + 1);
        Ok(match told.as_slice() {
            [] => ItemLookup::None,
            [asset] => ItemLookup::One(*asset),
            _ => ItemLookup::Many(told),
        })
    }

    fn find_by_query(&self, item: &str) -> Result<AssetId> {
        let missing = || LibraryError::NoSuchItem { item: item.to_owned() };
        let query = self.query(item).map_err(|_| missing())?;
        let options = ListOptions { limit: EXAMPLES + 1, ..ListOptions::default() };
        let rows = self.catalog().list(&query, &options)?.rows;
        match rows.as_slice() {
            [] => Err(missing()),
            [only] => Ok(only.asset),
            several => Err(self.ambiguous(item, &several.iter().map(|row| row.asset).collect::<Vec<_>>())?),
        }
    }

    pub(crate) fn ambiguous(&self, item: &str, assets: &[AssetId]) -> Result<LibraryError> {
        let mut examples = Vec::new();
        for asset in assets.iter().take(EXAMPLES) {
            let path = self
                .catalog()
                .asset(*asset)?
                .map(|row| String::from_utf8_lossy(row.relative_path()).into_owned());
            let id = asset.to_string();
            examples.push(format!("{} ({})", id.get(..10).unwrap_or(&id), path.unwrap_or_default()));
        }
        // No more than one beyond the examples is looked for.
        let is_more = assets.len() > EXAMPLES;
        let count = if is_more { format!("more than {EXAMPLES}") } else { assets.len().to_string() };
        let examples = examples.join(", ");
        Ok(LibraryError::Ambiguous { item: item.to_owned(), count, examples })
    }

    /// What there is of an asset.
    pub(crate) fn item(&self, asset: AssetId) -> Result<Option<Item>> {
        let catalog = self.catalog();
        let Some(state) = catalog.asset_state(asset)? else { return Ok(None) };
        let content = match AssetView::content_of(&state) {
            Some(content) => catalog.content_state(content)?,
            None => None,
        };
        Ok(Some(Item { asset, state, content }))
    }
}
