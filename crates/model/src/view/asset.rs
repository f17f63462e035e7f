//! What is shown of an asset.

use std::borrow::Cow;

use super::{Conflict, Origin, Shown, ShownDate, ShownPlace, conflicts, derived, typed};
use crate::clock::Stamp;
use crate::facts::Facts;
use crate::field::{Field, SetName};
use crate::ids::{AlbumId, AssetId, ContentHash, Life, OpId};
use crate::original::{Original, SourcePath};
use crate::state::{AssetState, ContentState, LifeState, ObservedSet, Record};
use crate::value::Value;

/// Where an asset stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssetStatus {
    /// Ops speak of it, but no content came in (yet).
    Unknown,
    /// It is in the library.
    Live,
    /// It is in the trash, since the stamp of the trash write that shows.
    Trashed(Stamp),
    /// It was purged; its bytes may be gone. The next import of it is a new life.
    Purged,
    /// Another asset is shown in its place: see [`super::shown_asset`].
    MergedInto(AssetId),
}

/// One content of an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version<'a> {
    /// The op that brought it.
    pub op: OpId,
    /// When.
    pub stamp: Stamp,
    /// What.
    pub original: &'a Original,
    /// Whether no other replaces it: of several such the latest is shown and the others are in conflict.
    pub is_head: bool,
}

/// An asset as shown.
#[derive(Clone, Debug)]
pub struct AssetView<'a> {
    /// Which asset.
    pub asset: AssetId,
    /// Which of its lives.
    pub life: Life,
    /// Where it stands.
    pub status: AssetStatus,
    /// The current content.
    pub current: Option<Version<'a>>,
    /// Every content it has and had, latest first.
    pub versions: Vec<Version<'a>>,
    /// Whether several devices changed the content without knowing of each other.
    pub has_content_conflict: bool,
    /// When it first came in, as that device's clock saw it.
    pub added: Option<Stamp>,
    /// When it was taken: typed, else derived, else the file's time.
    pub date: Option<Shown<ShownDate>>,
    /// Where it was taken.
    pub place: Option<Shown<ShownPlace>>,
    /// The caption.
    pub caption: Option<Shown<String>>,
    /// The title.
    pub title: Option<Shown<String>>,
    /// -1 (rejected) to 5.
    pub rating: Option<Shown<i8>>,
    /// Whether it is a favourite.
    pub favourite: bool,
    /// Whether it is kept out of the timeline.
    pub hidden: bool,
    /// Quarter turns clockwise on top of the original's own orientation, 0 to 3.
    pub rotate: u8,
    /// Tags that people gave, in the order of their encodings: shorter ones first.
    pub tags: Vec<String>,
    /// Keywords that the file carries and that are no tags.
    pub keywords: Vec<String>,
    /// The albums it lies in; one that was deleted or is unknown may be among them.
    pub albums: Vec<AlbumId>,
    /// The asset it is stacked under by hand.
    pub stack: Option<AssetId>,
    /// Whether it is kept out of every stack by hand.
    pub is_unstacked: bool,
    /// Fields that several people wrote.
    pub conflicts: Vec<Conflict>,
    /// What programs found in the current content.
    pub facts: Facts,
    record: Cow<'a, Record>,
    state: &'a LifeState,
}

impl<'a> AssetView<'a> {
    /// The view of an asset's state and of the state of its current content
    /// ([`AssetView::content_of`] says which that is).
    #[must_use]
    pub fn new(asset: AssetId, state: &'a AssetState, content: Option<&ContentState>) -> Self {
        Self::with_merged(asset, state, content, [])
    }

    /// The view of an asset into which others were merged: what people typed about those shows here too,
    /// as if it had been typed about this one at the same time.
    #[must_use]
    pub fn with_merged(
        asset: AssetId,
        state: &'a AssetState,
        content: Option<&ContentState>,
        merged: impl IntoIterator<Item = &'a AssetState>,
    ) -> Self {
        let life = state.current();
        let mut record = Cow::Borrowed(life.record());
        for other in merged {
            let mut typed = other.current().record().clone();
            typed.remove_field(Field::TRASHED);
            record.to_mut().merge(typed);
        }
        let facts = content.map(ContentState::facts).unwrap_or_default();
        let versions = versions(life);
        let current = current(life);
        let shown = |field, derived_text: &Option<String>| {
            typed(&record, field, Value::as_text)
                .map(|shown| Shown { value: shown.value.to_owned(), origin: shown.origin })
                .filter(|shown| !shown.value.is_empty())
                .or_else(|| derived_text.clone().map(derived).filter(|_| !is_typed(&record, field)))
        };
        let flag = |field| typed(&record, field, Value::as_bool).is_some_and(|shown| shown.value);
        let tags = texts(&record, SetName::TAGS);
        let stack = typed(&record, Field::STACK, Some).map(|shown| shown.value);
        Self {
            asset,
            life: state.life(),
            status: status(life),
            has_content_conflict: has_content_conflict(life),
            added: versions.iter().map(|version| version.stamp).min(),
            date: date(&record, &facts, current),
            place: place(&record, &facts),
            caption: shown(Field::CAPTION, &facts.description),
            title: shown(Field::TITLE, &facts.title),
            rating: rating(&record, &facts),
            favourite: flag(Field::FAVOURITE),
            hidden: flag(Field::HIDDEN),
            rotate: rotate(&record),
            keywords: keywords(&facts, &tags),
            tags,
            albums: albums(&record),
            stack: stack.and_then(Value::as_asset),
            is_unstacked: stack == Some(&Value::Bool(false)),
            conflicts: conflicts(&record),
            current,
            versions,
            facts,
            record,
            state: life,
        }
    }

    /// The content that is current in a state: whose [`ContentState`] the view wants.
    #[must_use]
    pub fn content_of(state: &AssetState) -> Option<ContentHash> {
        state.current().contents().current().map(|addition| addition.value.original.content)
    }

    /// What people typed, merged assets included.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Every path at which a content of it is, the current content's first: the one that shows, then the others.
    /// Paths that its files have left are not among them, unless it is at no other.
    #[must_use]
    pub fn sources(&self) -> Vec<&'a SourcePath> {
        let state = self.state;
        let current = state.contents().current().map(|current| current.value.original.content);
        let of_current =
            current.into_iter().flat_map(|content| state.paths_of(content)).map(|(source, _)| source);
        let others = self.versions.iter().map(|version| &version.original.source);
        let seen = state.seen().iter().map(|seen| &seen.source);
        let still_there = others.chain(seen).filter(|source| state.is_there(source));
        let mut sources: Vec<&SourcePath> = Vec::new();
        for source in state.path().into_iter().chain(of_current).chain(still_there) {
            if sources.iter().all(|known| !known.is_same_file(source)) {
                sources.push(source);
            }
        }
        sources
    }
}

fn status(life: &LifeState) -> AssetStatus {
    if life.contents().additions().is_empty() {
        return AssetStatus::Unknown;
    }
    if life.is_purged() {
        return AssetStatus::Purged;
    }
    if let Some(into) = life.alias().winner().and_then(|write| write.value) {
        return AssetStatus::MergedInto(into);
    }
    let trash = life.record().field(Field::TRASHED).and_then(|register| register.winner());
    match trash {
        Some(write) if write.value == Value::Bool(true) => AssetStatus::Trashed(write.stamp),
        _ => AssetStatus::Live,
    }
}

fn versions(life: &LifeState) -> Vec<Version<'_>> {
    let heads: Vec<OpId> = life.contents().heads().map(|addition| addition.op).collect();
    let mut versions: Vec<_> = life
        .contents()
        .additions()
        .iter()
        .map(|addition| Version {
            op: addition.op,
            stamp: addition.stamp,
            original: &addition.value.original,
            is_head: heads.contains(&addition.op),
        })
        .collect();
    versions.sort_by_key(|version| std::cmp::Reverse((version.stamp, version.op)));
    versions
}

fn current(life: &LifeState) -> Option<Version<'_>> {
    life.contents().current().map(|addition| Version {
        op: addition.op,
        stamp: addition.stamp,
        original: &addition.value.original,
        is_head: true,
    })
}

fn has_content_conflict(life: &LifeState) -> bool {
    let mut contents = life.contents().heads().map(|addition| addition.value.original.content);
    contents.next().is_some_and(|first| contents.any(|other| other != first))
}

/// Whether a person wrote the field, if only to clear the derived value with an empty text.
fn is_typed(record: &Record, field: impl Into<Field>) -> bool {
    record.value(field).is_some_and(|value| value.as_text().is_some())
}

fn date(record: &Record, facts: &Facts, current: Option<Version<'_>>) -> Option<Shown<ShownDate>> {
    let read = |value: &Value| if let Value::Date(date) = value { ShownDate::typed(date) } else { None };
    typed(record, Field::DATE, read)
        .or_else(|| facts.taken.as_ref().map(|taken| derived(ShownDate::taken(taken))))
        .or_else(|| {
            let value = ShownDate::file_time(current?.original.modified_millis);
            Some(Shown { value, origin: Origin::File })
        })
}

fn place(record: &Record, facts: &Facts) -> Option<Shown<ShownPlace>> {
    let read = |value: &Value| match value {
        Value::Place(place) => {
            Some(ShownPlace { position: place.position, name: place.name.clone(), found: None })
        }
        _ => None,
    };
    let found = || {
        let position = facts.position?;
        Some(derived(ShownPlace { position, name: None, found: facts.place.clone() }))
    };
    typed(record, Field::PLACE, read).or_else(found)
}

fn rating(record: &Record, facts: &Facts) -> Option<Shown<i8>> {
    let in_range = |rating: &i8| (-1..=5).contains(rating);
    let read = |value: &Value| i8::try_from(value.as_int()?).ok().filter(in_range);
    typed(record, Field::RATING, read).or_else(|| facts.rating.filter(in_range).map(derived))
}

fn rotate(record: &Record) -> u8 {
    let turns = record.value(Field::ROTATE).and_then(Value::as_int).unwrap_or_default();
    u8::try_from(turns.rem_euclid(4)).unwrap_or_default()
}

fn texts(record: &Record, set: SetName) -> Vec<String> {
    let elements = record.set(set).into_iter().flat_map(ObservedSet::elements);
    elements.filter_map(Value::as_text).map(str::to_owned).collect()
}

fn keywords(facts: &Facts, tags: &[String]) -> Vec<String> {
    let keywords = facts.keywords.iter().flat_map(|keywords| &keywords.0);
    keywords.filter(|keyword| !tags.contains(keyword)).cloned().collect()
}

fn albums(record: &Record) -> Vec<AlbumId> {
    let elements = record.set(SetName::ALBUMS).into_iter().flat_map(ObservedSet::elements);
    elements.filter_map(Value::as_album).collect()
}
