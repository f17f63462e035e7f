//! Making photos and albums say again what they said at a moment, as new operations.
//!
//! Invariant: what came since stays, and so does what was removed for good; what is written is only what differs. It is a
//! change like any other, which is in history and can be taken back. Switches and settings of syncing are left as they are,
//! because the past of those may send out what has been kept back since.

use std::collections::{BTreeMap, BTreeSet};

use safelight_catalog::Catalog;
use safelight_model::{
    AlbumId, AssetId, AssetState, EntityId, Field, FieldCode, OpBody, Original, Record, RenditionKind,
    SetName, Storage, Target, Value,
};
use serde::Serialize;

use super::change::push_all;
use super::select::Selection;
use super::{is_held, is_settled, read};
use crate::error::Result;
use crate::import::rendition::PREVIEW_RECIPE;
use crate::library::Library;
use crate::linked;
use crate::objects::lies_sealed;
use crate::past::Moment;

/// How many photos are compared at a time.
const PAGE_ASSETS: usize = 1000;

/// What of a photo is to be as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Captions and titles.
    Captions,
    /// Ratings and favourites.
    Ratings,
    /// Dates that were corrected.
    Dates,
    /// Places that were corrected.
    Places,
    /// Tags.
    Tags,
    /// Albums: their names and what lies in them, in which order.
    Albums,
    /// What lies in the trash.
    Trash,
    /// What is hidden.
    Hidden,
    /// How photos are turned and stacked.
    Looks,
    /// The pictures themselves, where a file was replaced by another version.
    Pictures,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Captions,
        Self::Ratings,
        Self::Dates,
        Self::Places,
        Self::Tags,
        Self::Albums,
        Self::Trash,
        Self::Hidden,
        Self::Looks,
        Self::Pictures,
    ];

    /// The word that people type.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Captions => "captions",
            Self::Ratings => "ratings",
            Self::Dates => "dates",
            Self::Places => "places",
            Self::Tags => "tags",
            Self::Albums => "albums",
            Self::Trash => "trash",
            Self::Hidden => "hidden",
            Self::Looks => "looks",
            Self::Pictures => "pictures",
        }
    }

    /// The part of that word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.word() == word)
    }

    /// The part of a photo that a field is.
    fn of_field(field: FieldCode) -> Option<Self> {
        Some(match field {
            Field::CAPTION | Field::TITLE => Self::Captions,
            Field::RATING | Field::FAVOURITE => Self::Ratings,
            Field::DATE => Self::Dates,
            Field::PLACE => Self::Places,
            Field::POSITION => Self::Albums,
            Field::TRASHED => Self::Trash,
            Field::HIDDEN => Self::Hidden,
            Field::ROTATE | Field::STACK => Self::Looks,
            _ => return None,
        })
    }

    fn of_set(set: SetName) -> Option<Self> {
        match set {
            SetName::TAGS => Some(Self::Tags),
            SetName::ALBUMS => Some(Self::Albums),
            _ => None,
        }
    }
}

/// The sets of a photo that people fill.
const SETS: [SetName; 2] = [SetName::TAGS, SetName::ALBUMS];

/// What is to be as it was.
#[derive(Debug, Clone)]
pub struct RestoreRequest<'a> {
    /// As of when.
    pub moment: &'a Moment,
    /// Which photos; all of them, and the albums too, without any.
    pub selection: Option<&'a Selection>,
    /// What of them.
    pub parts: BTreeSet<Part>,
    /// Only say what would change.
    pub dry_run: bool,
}

/// What making things as they were came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct RestoreReport {
    /// The ids of photos that changed.
    pub changed: Vec<String>,
    /// Photos that were so already.
    pub unchanged: u64,
    /// Photos that came since, and stay as they are.
    pub since: u64,
    /// Photos that were there and have been removed for good since: nothing brings them back.
    pub removed_since: u64,
    /// The ids of photos that were removed for good since and are back, because their bytes are still on this device.
    pub brought_back: Vec<String>,
    /// Photos that show another version than they did, and of the one that they showed no bytes are left where this device
    /// knows: on it, or in a remote. They keep what they show.
    pub pictures_lost: u64,
    /// Albums that changed.
    pub albums: u64,
    /// How often each part of a photo changed.
    pub parts: BTreeMap<&'static str, u64>,
    /// Whether it was only tried.
    pub dry_run: bool,
}

impl Library {
    /// Makes photos and albums say again what they said at a moment, all or none.
    ///
    /// # Errors
    /// Those of [`Library::open_as_it_was`].
    pub fn restore_to(&mut self, request: &RestoreRequest<'_>) -> Result<RestoreReport> {
        if !request.dry_run {
            self.folder.require_writable()?;
        }
        let past = self.as_it_was(request.moment, !self.is_read_only())?;
        let mut report = RestoreReport { dry_run: request.dry_run, ..RestoreReport::default() };
        let (mut differing, mut back) = (Vec::new(), Vec::new());
        for asset in self.asked_for(request, &past.catalog)? {
            let then = past.catalog.asset_state(asset)?.filter(is_held);
            let now = self.catalog().asset_state(asset)?;
            match (then, now) {
                (Some(then), Some(now)) if is_held(&now) => {
                    let steps = steps(asset, &now, &then, &request.parts);
                    let mut parts: BTreeSet<_> = steps.iter().map(|(part, _)| part.word()).collect();
                    let mut picture = None;
                    if request.parts.contains(&Part::Pictures) && shows_another(&now, &then) {
                        picture = self.still_known(&then)?;
                        match picture {
                            Some(_) => drop(parts.insert(Part::Pictures.word())),
                            None => report.pictures_lost += 1,
                        }
                    }
                    if parts.is_empty() {
                        report.unchanged += 1;
                    } else {
                        parts.into_iter().for_each(|part| *report.parts.entry(part).or_default() += 1);
                        report.changed.push(asset.to_string());
                        differing.push((asset, then, picture));
                    }
                }
                (Some(then), Some(now)) if now.is_gone() => match self.still_here(&then)? {
                    Some(original) if request.parts.contains(&Part::Trash) => {
                        report.brought_back.push(asset.to_string());
                        back.push((asset, then, original));
                    }
                    _ => report.removed_since += 1,
                },
                (Some(_), _) => report.removed_since += 1,
                (None, Some(now)) if is_held(&now) => report.since += 1,
                (None, _) => {}
            }
        }
        let albums = if request.selection.is_none() && request.parts.contains(&Part::Albums) {
            self.albums_then(&past.catalog)?
        } else {
            Vec::new()
        };
        report.albums = albums.len() as u64;
        if request.dry_run || (differing.is_empty() && albums.is_empty() && back.is_empty()) {
            return Ok(report);
        }
        self.change(|change| {
            for (album, then) in &albums {
                let now = change.record(&EntityId::Album(*album))?.unwrap_or_default();
                push_all(change, fields(&Target::Album(*album), &now, then, |_| true))?;
            }
            for (asset, then, picture) in &differing {
                let Some((now, _)) = read(change, *asset, false)? else { continue };
                if let Some(original) = picture.as_ref().filter(|_| shows_another(&now, then)) {
                    change.push(now.add_version(*asset, original.clone()))?;
                }
                let steps = steps(*asset, &now, then, &request.parts).into_iter();
                push_all(change, steps.map(|(_, body)| body).collect())?;
            }
            for (asset, then, original) in &back {
                let Some(purged) = change.asset(*asset)?.filter(AssetState::is_gone) else {
                    continue;
                };
                change.push(purged.add(*asset, original.clone()))?;
                // A photo that comes back says nothing yet of what it was.
                let Some((now, _)) = read(change, *asset, false)? else { continue };
                let steps = steps(*asset, &now, then, &Part::ALL.into());
                push_all(change, steps.into_iter().map(|(_, body)| body).collect())?;
            }
            Ok(())
        })?;
        let pictures = differing.into_iter().filter_map(|(.., picture)| picture);
        self.queue_what_came_back(back.into_iter().map(|(.., original)| original).chain(pictures))?;
        Ok(report)
    }

    /// What a photo showed then, if its bytes are on this device although it was removed for good since: nobody has removed
    /// them yet.
    fn still_here(&self, then: &AssetState) -> Result<Option<Original>> {
        let Some(current) = then.current().contents().current() else { return Ok(None) };
        let original = &current.value.original;
        let lies_here = match original.storage {
            Storage::Linked => linked::find(original, self.keyring().device().id(), &self.device).is_ok(),
            _ => lies_sealed(&self.place, &self.device, original)?,
        };
        Ok(lies_here.then(|| original.clone()))
    }

    /// The same of a photo that is there, also if they rest in a remote alone.
    fn still_known(&self, then: &AssetState) -> Result<Option<Original>> {
        if let Some(original) = self.still_here(then)? {
            return Ok(Some(original));
        }
        let Some(current) = then.current().contents().current() else { return Ok(None) };
        let original = &current.value.original;
        let is_there = self.device.count_remotes_holding(&original.content)? > 0;
        Ok(is_there.then(|| original.clone()))
    }

    /// Makes thumbnails and previews again where they went with the photo.
    fn queue_what_came_back(&mut self, originals: impl Iterator<Item = Original>) -> Result<()> {
        let mut jobs = Vec::new();
        for Original { content, .. } in originals {
            if self.device.packed(&content, RenditionKind::Preview)?.is_none() {
                jobs.push((content, RenditionKind::Preview, PREVIEW_RECIPE));
            }
        }
        Ok(self.device.queue_renditions(jobs, 0)?)
    }

    /// The photos that are asked for: those of the selection, or all that are there now or were there then. Hidden ones that
    /// are kept back are left alone.
    fn asked_for(&self, request: &RestoreRequest<'_>, past: &Catalog) -> Result<Vec<AssetId>> {
        let mut assets = BTreeSet::new();
        match request.selection {
            Some(selection) => assets.extend(selection.assets().iter().copied()),
            None => {
                every_asset(past, &mut assets)?;
                every_asset(&self.catalog(), &mut assets)?;
            }
        }
        self.without_kept_back(assets.into_iter().collect())
    }

    /// The albums whose records say something else than they did.
    fn albums_then(&self, past: &Catalog) -> Result<Vec<(AlbumId, Record)>> {
        let mut differing = Vec::new();
        for (album, then) in past.albums()? {
            let now = self.catalog().record(&EntityId::Album(album))?.unwrap_or_default();
            if !fields(&Target::Album(album), &now, &then, |_| true).is_empty() {
                differing.push((album, then));
            }
        }
        Ok(differing)
    }
}

/// Whether a photo shows another content than it did.
fn shows_another(now: &AssetState, then: &AssetState) -> bool {
    let content = |state: &AssetState| {
        state.current().contents().current().map(|current| current.value.original.content)
    };
    content(then).is_some() && content(now) != content(then)
}

fn every_asset(catalog: &Catalog, assets: &mut BTreeSet<AssetId>) -> Result<()> {
    let mut after = None;
    loop {
        let page = catalog.assets_after(after, PAGE_ASSETS)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(*last);
        assets.extend(page.iter().map(|(asset, _)| *asset));
    }
}

/// What has to be written so that a photo says what it said, and which part of it each is.
fn steps(asset: AssetId, now: &AssetState, then: &AssetState, parts: &BTreeSet<Part>) -> Vec<(Part, OpBody)> {
    let target = now.target(asset);
    let (record, past) = (now.current().record(), then.current().record());
    let mut steps = Vec::new();
    let wanted = |part: Option<Part>| part.filter(|part| parts.contains(part));
    for body in fields(&target, record, past, |field| wanted(Part::of_field(field)).is_some()) {
        let OpBody::Set { field, .. } = &body else { continue };
        steps.extend(Part::of_field(field.code()).map(|part| (part, body.clone())));
    }
    for set in SETS {
        let Some(part) = wanted(Part::of_set(set)) else { continue };
        let is_in =
            |record: &Record, element: &Value| record.set(set).is_some_and(|set| set.contains(element));
        let elements = |record: &Record| -> Vec<Value> {
            record.set(set).map(|set| set.elements().cloned().collect()).unwrap_or_default()
        };
        let back = elements(past).into_iter().filter(|element| !is_in(record, element));
        let away = elements(record).into_iter().filter(|element| !is_in(past, element));
        let back = back.filter_map(|element| now.put_in(asset, set, element));
        let away = away.filter_map(|element| now.take_out(asset, set, element));
        steps.extend(back.chain(away).map(|body| (part, body)));
    }
    steps
}

/// The fields of a record that say something else than they did, written as they were.
fn fields(
    target: &Target,
    now: &Record,
    then: &Record,
    is_wanted: impl Fn(FieldCode) -> bool,
) -> Vec<OpBody> {
    let known: BTreeSet<&Field> = now.fields().chain(then.fields()).map(|(field, _)| field).collect();
    let wanted = known.into_iter().filter(|field| is_wanted(field.code()));
    let differing = wanted.filter_map(|field| {
        let register = now.field(field.clone());
        let was = then.value(field.clone()).cloned();
        // Who takes a photo out of the trash says so.
        let nothing =
            if field.code() == Field::TRASHED && register.is_some() { false.into() } else { Value::None };
        // What shows the same stays as it is, also where devices disagree about it.
        if was.as_ref() == now.value(field.clone()) {
            return None;
        }
        let value = was.unwrap_or(nothing);
        (!is_settled(register, &value)).then(|| now.write_field(target.clone(), field.clone(), value))
    });
    differing.collect()
}
