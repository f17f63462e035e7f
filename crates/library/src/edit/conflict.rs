//! What two devices disagree on: every value with who wrote it and when, and settling it.
//!
//! Nothing is lost by waiting: one value shows, the others are kept until somebody writes over them
//! (sl1-history §7.2).

use std::collections::HashMap;

use safelight_catalog::Change;
use safelight_model::view::AssetView;
use safelight_model::{
    AlbumId, AssetId, AssetState, DeviceId, EntityId, Field, OpBody, OpId, Record, Register, Stamp, Target,
    Value,
};
use serde::Serialize;

use super::select::Among;
use super::text::value_words;
use crate::error::{LibraryError, Result};
use crate::history::shown_time;
use crate::library::Library;

/// How many ops are taken from the history at a time.
const PAGE_OPS: usize = 200;

/// The word for the contents of a photo, which is no field.
const CONTENT: &str = "content";

/// The word before the name of an album, where a photo could be meant.
const ALBUM: &str = "album:";

/// One field on which devices disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownConflict {
    /// `photo`, `album` or `library`.
    pub kind: &'static str,
    /// The id of the photo or album; of the library.
    pub id: String,
    /// The path of the photo's file, or of the album.
    pub name: String,
    /// The field; `content` if two devices changed the file itself.
    pub field: String,
    /// The values, the one that shows first.
    pub values: Vec<ConflictingValue>,
}

/// One of the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ConflictingValue {
    /// Its number, for `--keep`.
    pub number: usize,
    /// The value.
    pub value: String,
    /// Whether it is the one that shows.
    pub shows: bool,
    /// The device that wrote it.
    pub device: String,
    /// What people call that device, if they gave it a name.
    pub device_name: Option<String>,
    /// Whether that is this one, or a copy of it: whoever takes over what a copy said says it as their own.
    pub here: bool,
    /// When, by that device's clock: `2026-05-14 10:11:12`, UTC.
    pub when: String,
}

impl ShownConflict {
    /// The beginning of the id, enough to type.
    #[must_use]
    pub fn short_id(&self) -> &str {
        self.id.get(..10).unwrap_or(&self.id)
    }
}

/// How a conflict is settled.
#[derive(Debug, Clone, Copy)]
pub struct Resolution<'a> {
    /// The field; may be left out if only one is in conflict.
    pub field: Option<&'a str>,
    /// The number of the value to keep.
    pub keep: usize,
}

/// What can be in conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Asset(AssetId),
    Album(AlbumId),
    Library,
}

/// One value of a register with the newest write of it.
struct Choice {
    op: OpId,
    stamp: Stamp,
    what: Chosen,
}

/// What a choice would write.
enum Chosen {
    Value(Field, Value),
    Content(Box<safelight_model::Original>),
}

/// The values of one field in conflict, the one that shows first.
struct Dispute {
    field: String,
    choices: Vec<Choice>,
}

impl Library {
    /// Everything on which devices disagree: photos, albums, settings.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn list_conflicts(&self) -> Result<Vec<ShownConflict>> {
        let mut shown = Vec::new();
        for asset in self.all_that_match("is:conflicted", Among::Everywhere)? {
            let Some(item) = self.item(asset)? else { continue };
            let view = item.view();
            let name = view.sources().first().map(|source| source.display()).unwrap_or_default();
            let disputes = disputes_of_asset(&item.state, &view);
            shown.extend(self.shown(Subject::Asset(asset), &name, disputes)?);
        }
        let albums = self.albums()?;
        let records = self.catalog().albums()?;
        for (album, record) in &records {
            let disputes = disputes_of_record(record);
            shown.extend(self.shown(Subject::Album(*album), &albums.path(*album), disputes)?);
        }
        if let Some(record) = self.catalog().record(&EntityId::Library)? {
            shown.extend(self.shown(Subject::Library, "", disputes_of_record(&record))?);
        }
        Ok(shown)
    }

    fn shown(&self, subject: Subject, name: &str, disputes: Vec<Dispute>) -> Result<Vec<ShownConflict>> {
        if disputes.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = disputes.iter().flat_map(|dispute| &dispute.choices).map(|choice| choice.op);
        let writers = self.writers(&subject.entity(), wanted.collect())?;
        let (here, names) = (self.keyring().device().id(), self.device_names()?);
        let shown = disputes.into_iter().map(|dispute| ShownConflict {
            kind: subject.word(),
            id: subject.id(self),
            name: name.to_owned(),
            field: dispute.field,
            values: (1..)
                .zip(&dispute.choices)
                .map(|(number, choice)| {
                    let device = writers.get(&choice.op);
                    ConflictingValue {
                        number,
                        value: choice.what.words(),
                        shows: number == 1,
                        device: device.map(ToString::to_string).unwrap_or_default(),
                        device_name: device.and_then(|device| names.of(*device)),
                        here: device == Some(&here),
                        when: shown_time(choice.stamp.millis),
                    }
                })
                .collect(),
        });
        Ok(shown.collect())
    }

    /// Whose these ops are.
    fn writers(&self, entity: &EntityId, mut wanted: Vec<OpId>) -> Result<HashMap<OpId, DeviceId>> {
        let mut writers = HashMap::new();
        let mut after = None;
        while !wanted.is_empty() {
            let page = self.catalog().history(Some(entity), after, PAGE_OPS)?;
            for entry in page.entries {
                let Ok(op) = entry.op else { continue };
                if wanted.contains(&op.id) {
                    wanted.retain(|id| *id != op.id);
                    writers.insert(op.id, entry.device);
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(writers)
    }

    /// Settles a conflict by one of its values, writing over all of them; answers what is kept.
    ///
    /// `item` is an id, a path or a query that finds one photo; `album:` and a name or id; or `library`.
    ///
    /// # Errors
    /// When there is no such conflict, or it is not clear which is meant.
    pub fn resolve(&mut self, item: &str, resolution: Resolution<'_>) -> Result<String> {
        let subject = self.subject(item)?;
        self.change(|change| {
            let (disputes, state) = subject.read(change)?;
            let fields: Vec<&str> = disputes.iter().map(|dispute| dispute.field.as_str()).collect();
            let dispute = match resolution.field {
                None if disputes.len() == 1 => disputes.first(),
                None if disputes.is_empty() => None,
                None => {
                    return Err(LibraryError::Ambiguous {
                        item: item.to_owned(),
                        count: disputes.len().to_string(),
                        examples: fields.join(", "),
                    });
                }
                Some(field) => disputes.iter().find(|dispute| dispute.field == field),
            };
            let dispute = dispute.ok_or_else(|| no_conflict(item, resolution.field, &fields))?;
            let choice = resolution.keep.checked_sub(1).and_then(|index| dispute.choices.get(index));
            let choice = choice.ok_or_else(|| LibraryError::Refused {
                reason: format!(
                    "there are {} values of {}, numbered from 1",
                    dispute.choices.len(),
                    dispute.field
                ),
                hint: "safelight conflicts shows them".into(),
            })?;
            change.push(state.write(&choice.what)?)?;
            Ok(format!("{}: {}", dispute.field, choice.what.words()))
        })
    }

    fn subject(&self, item: &str) -> Result<Subject> {
        if item == "library" {
            return Ok(Subject::Library);
        }
        if let Some(album) = item.strip_prefix(ALBUM) {
            return match AlbumId::parse(album) {
                // One that was removed can be in conflict too.
                Some(album) => Ok(Subject::Album(album)),
                None => self.albums()?.find(album).map(Subject::Album),
            };
        }
        let selection = self.select(std::slice::from_ref(&item.to_owned()), item, Among::Everywhere)?;
        match selection.assets() {
            [asset] => Ok(Subject::Asset(*asset)),
            several => Err(self.ambiguous(item, several)?),
        }
    }
}

fn no_conflict(item: &str, field: Option<&str>, fields: &[&str]) -> LibraryError {
    let about = field.map(|field| format!(" about its {field}")).unwrap_or_default();
    let hint = if fields.is_empty() {
        "safelight conflicts lists what there is".to_owned()
    } else {
        format!("they disagree about: {}", fields.join(", "))
    };
    LibraryError::Refused { reason: format!("no devices disagree about {item}{about}"), hint }
}

/// The state in which a choice is written.
enum SubjectState {
    Asset(AssetId, Box<AssetState>),
    Record(Target, Record),
}

impl SubjectState {
    fn write(&self, chosen: &Chosen) -> Result<OpBody> {
        match (self, chosen) {
            (Self::Asset(asset, state), Chosen::Value(field, value)) => {
                Ok(state.write_field(*asset, field.clone(), value.clone()))
            }
            (Self::Asset(asset, state), Chosen::Content(original)) => {
                Ok(state.add_version(*asset, original.as_ref().clone()))
            }
            (Self::Record(target, record), Chosen::Value(field, value)) => {
                Ok(record.write_field(target.clone(), field.clone(), value.clone()))
            }
            (Self::Record(..), Chosen::Content(_)) => Err(LibraryError::Refused {
                reason: "only a photo has contents".into(),
                hint: "safelight conflicts lists what there is".into(),
            }),
        }
    }
}

impl Subject {
    fn entity(self) -> EntityId {
        match self {
            Self::Asset(asset) => EntityId::Asset(asset),
            Self::Album(album) => EntityId::Album(album),
            Self::Library => EntityId::Library,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Asset(_) => "photo",
            Self::Album(_) => "album",
            Self::Library => "library",
        }
    }

    fn id(self, library: &Library) -> String {
        match self {
            Self::Asset(asset) => asset.to_string(),
            Self::Album(album) => album.to_string(),
            Self::Library => library.id().to_string(),
        }
    }

    fn read(self, change: &mut Change<'_>) -> Result<(Vec<Dispute>, SubjectState)> {
        Ok(match self {
            Self::Asset(asset) => {
                let state = change.asset(asset)?.unwrap_or_default();
                let disputes = disputes_of_asset(&state, &AssetView::new(asset, &state, None));
                (disputes, SubjectState::Asset(asset, Box::new(state)))
            }
            Self::Album(_) | Self::Library => {
                let record = change.record(&self.entity())?.unwrap_or_default();
                let target = match self {
                    Self::Album(album) => Target::Album(album),
                    _ => Target::Library,
                };
                (disputes_of_record(&record), SubjectState::Record(target, record))
            }
        })
    }
}

fn disputes_of_asset(state: &AssetState, view: &AssetView<'_>) -> Vec<Dispute> {
    let mut disputes = disputes_of_record(state.current().record());
    if view.has_content_conflict {
        let heads = view.versions.iter().filter(|version| version.is_head);
        let mut choices: Vec<Choice> = Vec::new();
        for version in heads {
            let is_known = choices.iter().any(|choice| {
                matches!(&choice.what, Chosen::Content(known) if known.content == version.original.content)
            });
            if !is_known {
                let what = Chosen::Content(Box::new(version.original.clone()));
                choices.push(Choice { op: version.op, stamp: version.stamp, what });
            }
        }
        disputes.push(Dispute { field: CONTENT.into(), choices });
    }
    disputes
}

fn disputes_of_record(record: &Record) -> Vec<Dispute> {
    let dispute = |(field, register): (&Field, &Register<Value>)| {
        let others = register.conflicts();
        let winner = register.winner().filter(|_| !others.is_empty())?;
        let choices = std::iter::once(winner)
            .chain(others)
            .map(|write| Choice {
                op: write.op,
                stamp: write.stamp,
                what: Chosen::Value(field.clone(), write.value.clone()),
            })
            .collect();
        Some(Dispute { field: field_words(field), choices })
    };
    record.fields().filter_map(dispute).collect()
}

/// `caption`; a keyed field with its key behind a colon.
fn field_words(field: &Field) -> String {
    let word = field.code().word().map_or_else(|| field.code().0.to_string(), str::to_owned);
    if field.key().is_empty() {
        return word;
    }
    match std::str::from_utf8(field.key()) {
        Ok(key) if !key.chars().any(char::is_control) => format!("{word}:{key}"),
        _ => format!("{word}:{}", data_encoding::HEXLOWER.encode(field.key())),
    }
}

impl Chosen {
    fn words(&self) -> String {
        match self {
            Self::Value(_, value) => value_words(value),
            Self::Content(original) => {
                format!("{} ({} bytes)", original.source.display(), original.size_bytes)
            }
        }
    }
}
