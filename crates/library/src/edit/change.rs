//! What is to become of photos, as people say it, and doing it to all of them at once.

use std::collections::BTreeSet;

use safelight_catalog::Change;
use safelight_model::view::AssetView;
use safelight_model::{
    AlbumId, AssetId, AssetState, ContentState, DatePrecision, Field, FieldCode, OpBody, SetName,
    TakenSource, TypedDate, TypedPlace, Value,
};
use serde::Serialize;

use super::select::{Among, Selection};
use super::value::{self, PlaceWords};
use super::word::{Sign, Word, Wrong};
use super::{is_held, read, written};
use crate::error::{LibraryError, Result};
use crate::library::Library;

/// The fields that `set` knows, for messages.
const FIELDS: &str = "caption title rating favourite hidden date zone place rotate stack tag album";

/// One thing that is to become of every photo.
#[derive(Debug, Clone, PartialEq)]
enum Wish {
    /// A field gets this value.
    Set(FieldCode, Value),
    /// It is turned further by so many quarters.
    Turn(i64),
    /// The clock was wrong by so many seconds.
    ShiftDate(i64),
    /// The clock was that of this zone.
    Zone(String),
    /// The place where it was taken is called so.
    NamePlace(String),
    PutTag(String),
    TakeTag(String),
    PutInAlbum(String),
    TakeFromAlbum(String),
    StackUnder(String),
}

/// The same, once albums and photos were found.
#[derive(Debug, Clone)]
enum Step {
    Set(FieldCode, Value),
    Turn(i64),
    ShiftDate(i64),
    Zone(String),
    NamePlace(String),
    PutIn(SetName, Value),
    TakeTag(String),
    TakeFromAlbum(AlbumId),
    StackUnder(AssetId),
}

/// Changes that were understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    wishes: Vec<Wish>,
}

/// What changing photos came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EditReport {
    /// How many photos it was about.
    pub items: u64,
    /// The ids of those that changed.
    pub changed: Vec<String>,
    /// How many were so already.
    pub unchanged: u64,
    /// What could not be done, and why: one sentence each.
    pub notices: BTreeSet<String>,
    /// Whether it was only tried.
    pub dry_run: bool,
}

impl Changes {
    /// Whether a word is a change (`rating=4`) rather than a photo or a part of a query.
    #[must_use]
    pub fn is_one(word: &str) -> bool {
        Word::parse(word).is_some()
    }

    /// Reads changes, and the names of fields to clear, which then show again what the file says.
    ///
    /// # Errors
    /// [`LibraryError::Query`] points at the word that cannot be understood.
    pub fn parse(words: &[String], clear: &[String]) -> Result<Self> {
        let mut wishes = Vec::new();
        let mut fields = BTreeSet::new();
        let mut once = |wish: &Wish| match wish {
            Wish::Set(field, _) => fields.insert(*field),
            Wish::Turn(_) => fields.insert(Field::ROTATE),
            Wish::ShiftDate(_) | Wish::Zone(_) => fields.insert(Field::DATE),
            Wish::NamePlace(_) => fields.insert(Field::PLACE),
            Wish::StackUnder(_) => fields.insert(Field::STACK),
            Wish::PutTag(_) | Wish::TakeTag(_) | Wish::PutInAlbum(_) | Wish::TakeFromAlbum(_) => true,
        };
        for whole in words {
            let word = Word::parse(whole).ok_or_else(|| LibraryError::Query {
                explained: format!("{whole}\n^\na change is a field, a sign and a value, such as `rating=4`"),
            })?;
            let wish = wish(&word)?;
            if !once(&wish) {
                return Err(word.wrong_field("this field is changed twice"));
            }
            wishes.push(wish);
        }
        for name in clear {
            let wish = Wish::Set(field_to_clear(name)?, Value::None);
            if !once(&wish) {
                return Err(super::word::pointed(name, 0..name.len(), "this field is changed twice"));
            }
            wishes.push(wish);
        }
        Ok(Self { wishes })
    }

    /// Whether nothing is to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wishes.is_empty()
    }
}

fn wish(word: &Word<'_>) -> Result<Wish> {
    let field = word.field.to_ascii_lowercase();
    let said = |result: Result<Wish, Wrong>| result.map_err(|wrong| word.wrong_value(&wrong));
    let set = |field, result: Result<Value, Wrong>| said(result.map(|value| Wish::Set(field, value)));
    let is_set = matches!(field.as_str(), "tag" | "tags" | "album" | "albums");
    if is_set != (word.sign != Sign::Is) && !matches!(field.as_str(), "rotate" | "date") {
        return Err(if !FIELDS.split(' ').any(|known| known == field) && !is_set {
            unknown_field(word)
        } else if is_set {
            word.wrong_sign("a tag or an album is added with `+=` and taken away with `-=`")
        } else {
            word.wrong_sign("this field has one value: use `=`")
        });
    }
    let cleared = |value: &str| -> Result<(), Wrong> {
        if value.is_empty() {
            return Err(Wrong::all(format!(
                "there is no value; --clear {field} shows what the file says again"
            )));
        }
        Ok(())
    };
    let value = word.value;
    match (field.as_str(), word.sign) {
        ("caption", _) => set(Field::CAPTION, value::text(value).map(Value::from)),
        ("title", _) => set(Field::TITLE, value::text(value).map(Value::from)),
        ("rating", _) => {
            set(Field::RATING, cleared(value).and_then(|()| value::rating(value)).map(Value::from))
        }
        ("favourite" | "favorite", _) => set(Field::FAVOURITE, value::flag(value).map(Value::from)),
        ("hidden", _) => set(Field::HIDDEN, value::flag(value).map(Value::from)),
        ("date", Sign::Plus) => said(value::span(value).map(Wish::ShiftDate)),
        ("date", Sign::Minus) => said(value::span(value).map(|seconds| Wish::ShiftDate(-seconds))),
        ("zone", _) => said(value::zone(value).map(|()| Wish::Zone(value.to_owned()))),
        ("date", _) => set(Field::DATE, cleared(value).and_then(|()| value::date(value)).map(Value::from)),
        ("place", _) => said(cleared(value).and_then(|()| value::place(value)).map(|place| match place {
            PlaceWords::At(place) => Wish::Set(Field::PLACE, place.into()),
            PlaceWords::Called(name) => Wish::NamePlace(name),
        })),
        ("rotate", Sign::Is) => set(Field::ROTATE, value::quarter_turns(value).map(Value::from)),
        ("rotate", Sign::Plus) => said(value::quarter_turns(value).map(Wish::Turn)),
        ("rotate", Sign::Minus) => said(value::quarter_turns(value).map(|turns| Wish::Turn(-turns))),
        ("stack", _) if value.eq_ignore_ascii_case("none") => Ok(Wish::Set(Field::STACK, Value::Bool(false))),
        ("stack", _) => said(cleared(value).map(|()| Wish::StackUnder(value.to_owned()))),
        ("tag" | "tags", Sign::Plus) => said(value::tag(value).map(Wish::PutTag)),
        ("tag" | "tags", _) => said(value::tag(value).map(Wish::TakeTag)),
        ("album" | "albums", Sign::Plus) => said(value::name(value).map(Wish::PutInAlbum)),
        ("album" | "albums", _) => said(value::name(value).map(Wish::TakeFromAlbum)),
        _ => Err(unknown_field(word)),
    }
}

fn unknown_field(word: &Word<'_>) -> LibraryError {
    word.wrong_field(&format!(
        "there is no such field; there are: {FIELDS}. Put ./ before a path that has a = in it"
    ))
}

fn field_to_clear(name: &str) -> Result<FieldCode> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "caption" => Field::CAPTION,
        "title" => Field::TITLE,
        "rating" => Field::RATING,
        "favourite" | "favorite" => Field::FAVOURITE,
        "hidden" => Field::HIDDEN,
        "date" => Field::DATE,
        "place" => Field::PLACE,
        "rotate" => Field::ROTATE,
        "stack" => Field::STACK,
        _ => {
            let reason =
                "a field to clear is one of: caption title rating favourite hidden date place rotate stack";
            return Err(super::word::pointed(name, 0..name.len(), reason));
        }
    })
}

impl Library {
    /// Changes photos, all or none, in one transaction. Hiding, date and place of a Live Photo are those of its video, too.
    ///
    /// # Errors
    /// When an album or a photo that a change names is not there, or a place is to be named that is not known.
    pub fn edit(&mut self, selection: &Selection, changes: &Changes, dry_run: bool) -> Result<EditReport> {
        let steps = self.steps(changes)?;
        if dry_run {
            return self.foretell(selection, &steps);
        }
        let whole: Vec<Step> = steps.iter().filter(|step| step.is_of_the_whole()).cloned().collect();
        let halves = if whole.is_empty() { Vec::new() } else { self.halves_of(selection)? };
        self.change(|change| {
            let mut write = |asset: &AssetId, steps: &[Step], report: &mut EditReport| {
                let known = read(change, *asset, needs_content(steps))?;
                push_all(change, bodies(*asset, known.as_ref(), steps, report)?)
            };
            let mut report = EditReport::default();
            selection.assets().iter().try_for_each(|asset| write(asset, &steps, &mut report))?;
            let mut uncounted = EditReport::default();
            halves.iter().try_for_each(|half| write(half, &whole, &mut uncounted))?;
            Ok(report)
        })
    }

    fn foretell(&self, selection: &Selection, steps: &[Step]) -> Result<EditReport> {
        let mut report = EditReport { dry_run: true, ..EditReport::default() };
        for asset in selection.assets() {
            let known = self.item(*asset)?.filter(|item| is_held(&item.state));
            let known = known.map(|item| (item.state, item.content));
            bodies(*asset, known.as_ref(), steps, &mut report)?;
        }
        Ok(report)
    }

    fn steps(&self, changes: &Changes) -> Result<Vec<Step>> {
        let albums = self.albums()?;
        changes
            .wishes
            .iter()
            .map(|wish| {
                Ok(match wish {
                    Wish::Set(field, value) => Step::Set(*field, value.clone()),
                    Wish::Turn(turns) => Step::Turn(*turns),
                    Wish::ShiftDate(seconds) => Step::ShiftDate(*seconds),
                    Wish::Zone(zone) => Step::Zone(zone.clone()),
                    Wish::NamePlace(name) => Step::NamePlace(name.clone()),
                    Wish::PutTag(tag) => Step::PutIn(SetName::TAGS, tag.clone().into()),
                    Wish::TakeTag(tag) => Step::TakeTag(tag.clone()),
                    Wish::PutInAlbum(name) => {
                        Step::PutIn(SetName::ALBUMS, albums.find_ordinary(name)?.into())
                    }
                    Wish::TakeFromAlbum(name) => Step::TakeFromAlbum(albums.find(name)?),
                    Wish::StackUnder(item) => {
                        let cover = self.select(std::slice::from_ref(item), item, Among::WhatIsAsked)?;
                        match cover.assets() {
                            [cover] => Step::StackUnder(*cover),
                            several => return Err(self.ambiguous(item, several)?),
                        }
                    }
                })
            })
            .collect()
    }
}

pub(crate) fn push_all(change: &mut Change<'_>, bodies: Vec<OpBody>) -> Result<()> {
    for body in bodies {
        change.push(body)?;
    }
    Ok(())
}

fn needs_content(steps: &[Step]) -> bool {
    steps.iter().any(|step| {
        matches!(step, Step::NamePlace(_) | Step::TakeTag(_) | Step::ShiftDate(_) | Step::Zone(_))
    })
}

/// The ops that do what is wished to one photo; none if it is so already.
fn bodies(
    asset: AssetId,
    known: Option<&(AssetState, Option<ContentState>)>,
    steps: &[Step],
    report: &mut EditReport,
) -> Result<Vec<OpBody>> {
    report.items += 1;
    let mut bodies = Vec::new();
    if let Some((state, content)) = known {
        for step in steps {
            bodies.extend(step.bodies(asset, state, content.as_ref(), &mut report.notices)?);
        }
    } else {
        report.notices.insert("some of them were purged meanwhile".into());
    }
    if bodies.is_empty() {
        report.unchanged += 1;
    } else {
        report.changed.push(asset.to_string());
    }
    Ok(bodies)
}

impl Step {
    /// Whether it is said of both halves of a Live Photo.
    fn is_of_the_whole(&self) -> bool {
        match self {
            Self::Set(field, _) => [Field::HIDDEN, Field::DATE, Field::PLACE].contains(field),
            Self::ShiftDate(_) | Self::Zone(_) => true,
            _ => false,
        }
    }

    fn bodies(
        &self,
        asset: AssetId,
        state: &AssetState,
        content: Option<&ContentState>,
        notices: &mut BTreeSet<String>,
    ) -> Result<Vec<OpBody>> {
        let view = || AssetView::new(asset, state, content);
        Ok(match self {
            Self::Set(field, value) => written(asset, state, *field, value.clone()).into_iter().collect(),
            Self::Turn(turns) => {
                let turned = (i64::from(view().rotate) + turns).rem_euclid(4);
                written(asset, state, Field::ROTATE, turned.into()).into_iter().collect()
            }
            Self::ShiftDate(seconds) => {
                let shifted = shown_date(&view(), notices).and_then(|date| shifted(date, *seconds, notices));
                let date = shifted.map(|date| written(asset, state, Field::DATE, date.into()));
                date.flatten().into_iter().collect()
            }
            Self::Zone(zone) => {
                let zoned = shown_date(&view(), notices).and_then(|date| value::in_zone(date, zone));
                let date = zoned.map(|date| written(asset, state, Field::DATE, date.into()));
                date.flatten().into_iter().collect()
            }
            Self::NamePlace(name) => {
                let place = view().place.ok_or_else(|| no_position(asset, name))?;
                let typed = TypedPlace { position: place.value.position, name: Some(name.clone()) };
                written(asset, state, Field::PLACE, typed.into()).into_iter().collect()
            }
            Self::PutIn(set, element) => state.put_in(asset, *set, element.clone()).into_iter().collect(),
            Self::TakeTag(tag) => take_tag(asset, state, &view(), tag, notices),
            Self::TakeFromAlbum(album) => {
                state.take_out(asset, SetName::ALBUMS, *album).into_iter().collect()
            }
            Self::StackUnder(cover) if *cover == asset => Vec::new(),
            Self::StackUnder(cover) => {
                written(asset, state, Field::STACK, (*cover).into()).into_iter().collect()
            }
        })
    }
}

/// The date that a photo shows, as if it had been typed. The time of the file is none: no camera's clock said it.
fn shown_date(view: &AssetView<'_>, notices: &mut BTreeSet<String>) -> Option<TypedDate> {
    let shown = view.date.as_ref().map(|shown| shown.value);
    let Some(date) = shown.filter(|date| date.source != Some(TakenSource::FileTime)) else {
        notices.insert("some of them have no date that could be moved".into());
        return None;
    };
    Some(TypedDate {
        local_seconds: date.local_millis.div_euclid(1000),
        offset_minutes: date.offset_minutes,
        precision: date.precision,
    })
}

fn shifted(date: TypedDate, seconds: i64, notices: &mut BTreeSet<String>) -> Option<TypedDate> {
    let is_known_well_enough = match date.precision {
        DatePrecision::Second => true,
        DatePrecision::Day => seconds % 86_400 == 0,
        DatePrecision::Month | DatePrecision::Year => false,
    };
    let moved = date.local_seconds.checked_add(seconds).filter(|local| value::is_of_our_years(*local));
    if !is_known_well_enough || moved.is_none() {
        notices.insert("the dates of some of them are not known well enough to be moved by that".into());
        return None;
    }
    moved.map(|local_seconds| TypedDate { local_seconds, ..date })
}

/// Takes away a tag in whatever case it was typed.
fn take_tag(
    asset: AssetId,
    state: &AssetState,
    view: &AssetView<'_>,
    tag: &str,
    notices: &mut BTreeSet<String>,
) -> Vec<OpBody> {
    let is_meant = |known: &str| known.to_lowercase() == tag.to_lowercase();
    if view.facts.keywords.iter().flat_map(|keywords| &keywords.0).any(|keyword| is_meant(keyword)) {
        notices.insert(format!("the tag {tag} stands in some of the files themselves, and stays"));
    }
    let typed = view.tags.iter().filter(|known| is_meant(known));
    typed.filter_map(|known| state.take_out(asset, SetName::TAGS, known.clone())).collect()
}

fn no_position(asset: AssetId, name: &str) -> LibraryError {
    let id = asset.to_string();
    LibraryError::Refused {
        reason: format!(
            "nobody knows where {} was taken, so the place cannot be called {name}; nothing was changed",
            id.get(..10).unwrap_or(&id)
        ),
        hint: format!("say where: place=\"38.7169,-9.1399 {name}\", or leave such photos out with has:gps"),
    }
}
