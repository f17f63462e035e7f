//! What people change by hand: captions, tags, albums, the trash, and what two devices disagree on.
//!
//! Invariant: one command is one transaction, in which states are read and every op names all writes that it
//! replaces (sl1-history §7.2). So a later write wins whatever the clocks say, concurrent ones stay as a conflict,
//! and a killed process leaves everything or nothing. What changes nothing writes no op.

mod album;
mod change;
mod conflict;
mod purge;
mod reclaim;
mod remembered;
mod restore;
mod select;
mod smart;
mod stack;
mod text;
mod trash;
mod undo;
mod value;
mod word;

pub use album::{AlbumRemoval, NewAlbum, ShownAlbum};
pub use change::{Changes, EditReport};
pub use conflict::{ConflictingValue, Resolution, ShownConflict};
pub use purge::{PurgePlan, PurgeReport};
pub use remembered::{ShownChange, WhichChanges};
pub use restore::{Part, RestoreReport, RestoreRequest};
pub use select::{Among, Selection};
pub use stack::{ShownStack, StackedAsset};
pub use trash::TrashedAsset;
pub use undo::Made;

pub(crate) use change::push_all;
pub(crate) use remembered::Sort;
pub(crate) use text::shown_date_words;
pub(crate) use word::pointed;

#[cfg(test)]
mod tests;

use safelight_catalog::Change;
use safelight_model::{AssetId, AssetState, ContentState, Field, FieldCode, OpBody, Register, Value};

use self::remembered::Ends;
use crate::effects::now_stamp_millis;
use crate::error::{LibraryError, Result};
use crate::library::Library;

impl Library {
    /// Runs one transaction, puts what it recorded into a segment of history, and remembers it to be taken back.
    pub(crate) fn change<T>(&mut self, run: impl FnOnce(&mut Change<'_>) -> Result<T>) -> Result<T> {
        self.change_as(Some(Sort::Edit), run)
    }

    /// The same with what sort of change it is; one without a sort has no way back.
    pub(crate) fn change_as<T>(
        &mut self,
        sort: Option<Sort>,
        run: impl FnOnce(&mut Change<'_>) -> Result<T>,
    ) -> Result<T> {
        self.prepare_to_write()?;
        // Settling reads back what stays, and removing for good shows first what goes.
        let watch = self.watch()?.filter(|_| matches!(sort, Some(Sort::Edit | Sort::Undo | Sort::Redo)));
        let (value, made, ends) = self.catalog().change(now_stamp_millis(), |change| {
            let before = change.last_op()?;
            let value = run(change)?;
            let made = Made::between(before, change.last_op()?);
            if let Some(watch) = &watch {
                watch.judge(change, made)?;
            }
            let ends = Ends::of(change, made)?;
            Ok::<_, LibraryError>((value, made, ends))
        })?;
        self.made = made;
        self.close_segment()?;
        if let Some((sort, ends)) = sort.zip(ends) {
            self.remember(sort, ends);
        }
        Ok(value)
    }
}

/// Whether people can change an asset: a content came in, and no purge took it.
fn is_held(state: &AssetState) -> bool {
    !state.current().contents().additions().is_empty() && !state.current().is_purged()
}

/// Whether a field says this already, and nobody says otherwise.
fn is_settled(register: Option<&Register<Value>>, value: &Value) -> bool {
    let heads = register.map(Register::heads).unwrap_or_default();
    if heads.is_empty() { *value == Value::None } else { heads.iter().all(|head| head.value == *value) }
}

/// The op that types a value over everything that a field of an asset says; `None` if it says only that.
pub(crate) fn written(asset: AssetId, state: &AssetState, field: FieldCode, value: Value) -> Option<OpBody> {
    let register = state.current().record().field(Field::from(field));
    (!is_settled(register, &value)).then(|| state.write_field(asset, field, value))
}

/// Reads an asset and, if wanted, what is known of its content, inside of a transaction.
pub(crate) fn read(
    change: &mut Change<'_>,
    asset: AssetId,
    with_content: bool,
) -> Result<Option<(AssetState, Option<ContentState>)>> {
    let Some(state) = change.asset(asset)?.filter(is_held) else { return Ok(None) };
    let content = match state.current().contents().current() {
        Some(current) if with_content => change.content(current.value.original.content)?,
        _ => None,
    };
    Ok(Some((state, content)))
}
