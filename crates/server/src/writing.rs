//! What changes the library. Every change can be taken back until the library is locked, by a word that its answer carries.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use safelight_library::{
    Changes, DedupeReport, EditReport, Library, Resolution, SaidProblem, Selection, Shelf, TimelineRequest,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::asked::{Asked, whole_id};
use crate::failure::{Answer, Failed, Failure, HiddenClosed, More};
use crate::gallery::Gallery;
use crate::timeline::shelf_called;
use crate::undone::Back;

/// The photos that a change is about: by their ids, or all that a query finds.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Which {
    /// Whole ids.
    items: Option<Vec<String>>,
    /// A query.
    q: Option<String>,
    /// An album that they lie in.
    album: Option<String>,
    /// `shown`, `hidden` or `trash`.
    shelf: Option<String>,
    /// Whether what lies in stacks under `items` is meant with them.
    #[serde(default)]
    stacks: bool,
    /// Whether what lies in stacks under others is left out of what `q` finds.
    #[serde(default)]
    covers: bool,
}

impl Which {
    /// Whether nothing is said.
    pub(crate) fn is_nothing(&self) -> bool {
        self.items.is_none() && self.q.is_none() && self.album.is_none() && self.shelf.is_none()
    }

    pub(crate) fn select(&self, library: &Library, usually: Option<Shelf>) -> Answer<Selection> {
        if let Some(items) = &self.items {
            let named = library.select_ids(items)?;
            return Ok(if self.stacks { library.with_stacks(&named)? } else { named });
        }
        if self.q.is_none() && self.album.is_none() {
            return Err(Failure::not_understood("a change is about items or about what q finds"));
        }
        let query = self.q.as_deref().unwrap_or_default();
        let shelf = shelf_called(self.shelf.as_deref())?.or(usually);
        let album = self.album.as_deref().filter(|album| !album.is_empty());
        let request = TimelineRequest { query, album, shelf, covers_only: self.covers };
        library.select_timeline(&request).map_err(|error| Failure::from(error).about(query))
    }
}

/// What is to become of photos.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Edit {
    #[serde(flatten)]
    which: Which,
    /// Fields and their values, as `safelight set` takes them; null shows again what the file says. `rotate_by` turns further, and
    /// `date_by` (`-1h30m`) moves a clock that was wrong.
    #[serde(default)]
    #[schema(value_type = Object)]
    set: Map<String, Value>,
    /// What is put in.
    #[serde(default)]
    add: Sets,
    /// What is taken out.
    #[serde(default)]
    remove: Sets,
    /// Fields that show again what the file says.
    #[serde(default)]
    clear: Vec<String>,
    /// The caption of one photo that whoever wrote another one had read; where it is neither any more, nothing is changed.
    caption_was: Option<String>,
    /// Only says what would change.
    #[serde(default)]
    dry_run: bool,
}

/// Tags and albums.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Sets {
    #[serde(default)]
    tags: Vec<String>,
    /// Ids or paths.
    #[serde(default)]
    albums: Vec<String>,
}

impl Edit {
    /// The same in the words of `safelight set`.
    fn changes(&self) -> Answer<Changes> {
        let (mut words, mut clear) = (Vec::new(), self.clear.clone());
        for (field, value) in &self.set {
            match (field.as_str(), value) {
                ("clear", Value::Array(fields)) => {
                    clear.extend(fields.iter().filter_map(Value::as_str).map(str::to_owned));
                }
                ("rotate_by", Value::Number(degrees)) => {
                    let degrees = degrees.to_string();
                    words.push(match degrees.strip_prefix('-') {
                        Some(degrees) => format!("rotate-={degrees}"),
                        None => format!("rotate+={degrees}"),
                    });
                }
                ("date_by", Value::String(by)) => {
                    words.push(match by.strip_prefix('-') {
                        Some(by) => format!("date-={by}"),
                        None => format!("date+={}", by.trim_start_matches('+')),
                    });
                }
                ("stack", Value::String(cover)) if !cover.eq_ignore_ascii_case("none") => {
                    words.push(format!("stack={}", whole_id(cover.clone())?));
                }
                (field, Value::Null) => clear.push(field.to_owned()),
                (field, Value::String(text)) => words.push(format!("{field}={text}")),
                (field, Value::Number(number)) => words.push(format!("{field}={number}")),
                (field, Value::Bool(is)) => words.push(format!("{field}={}", if *is { "yes" } else { "no" })),
                (field, _) => {
                    return Err(Failure::not_understood(format!(
                        "{field} is a text, a number, true, false or null"
                    )));
                }
            }
        }
        for (sets, sign) in [(&self.add, "+="), (&self.remove, "-=")] {
            words.extend(sets.tags.iter().map(|tag| format!("tag{sign}{tag}")));
            words.extend(sets.albums.iter().map(|album| format!("album{sign}{album}")));
        }
        let changes = Changes::parse(&words, &clear)?;
        if changes.is_empty() { Err(Failure::not_understood("nothing is to change")) } else { Ok(changes) }
    }
}

impl Edit {
    /// Refuses to write over a caption that came after the one that was read.
    fn require_caption(&self, library: &Library) -> Answer<()> {
        let (Some(was), Some([only])) = (&self.caption_was, self.which.items.as_deref()) else {
            return Ok(());
        };
        let caption = library.show(only)?.caption.unwrap_or_default();
        let typed = self.set.get("caption").and_then(Value::as_str);
        if caption == *was || typed == Some(caption.as_str()) {
            return Ok(());
        }
        let message = "the caption was changed meanwhile";
        let failure = Failure::new(StatusCode::CONFLICT, "changed-meanwhile", message);
        Err(failure.saying(More { caption: Some(caption), ..More::default() }))
    }
}

/// What a change came to.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Written {
    /// The revision after it.
    revision: u64,
    /// The word that takes it back; none if nothing was changed.
    undo: Option<String>,
    /// How many photos changed.
    changed: u64,
    /// How many were so already.
    unchanged: u64,
    /// What could not be done, and why.
    notices: Vec<String>,
    /// The same in codes.
    told: Vec<SaidProblem>,
    /// The album that it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Of duplicates: how many photos stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<u64>,
    /// Of duplicates: how many went to the trash.
    #[serde(skip_serializing_if = "Option::is_none")]
    trashed: Option<u64>,
    /// Of duplicates: bytes of the originals that went there.
    #[serde(skip_serializing_if = "Option::is_none")]
    freed_bytes: Option<u64>,
    /// Of duplicates: originals that were read back and have their hashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<u64>,
}

impl Written {
    pub(crate) fn settled(report: DedupeReport) -> Self {
        let notices: Vec<String> = report.notices.into_iter().collect();
        Self {
            changed: report.changed.len() as u64,
            unchanged: report.unchanged,
            told: SaidProblem::all(&[], &notices),
            notices,
            kept: Some(report.kept),
            trashed: Some(report.trashed),
            freed_bytes: Some(report.freed_bytes),
            verified: Some(report.verified),
            ..Self::default()
        }
    }

    pub(crate) fn of(report: EditReport) -> Self {
        let notices: Vec<String> = report.notices.into_iter().collect();
        Self {
            changed: report.changed.len() as u64,
            unchanged: report.unchanged,
            told: SaidProblem::all(&[], &notices),
            notices,
            ..Self::default()
        }
    }

    pub(crate) fn album(id: String) -> Self {
        Self { id: Some(id), ..Self::default() }
    }
}

/// Runs a change, keeps what takes it back, and tells every page.
pub(crate) async fn change(
    gallery: &Arc<Gallery>,
    run: impl FnOnce(&mut Library) -> Answer<Written> + Send + 'static,
) -> Answer<Json<Written>> {
    change_again(gallery, false, run).await
}

/// The same with something that may be known to be about hidden photos.
async fn change_again(
    gallery: &Arc<Gallery>,
    is_of_hidden: bool,
    run: impl FnOnce(&mut Library) -> Answer<Written> + Send + 'static,
) -> Answer<Json<Written>> {
    let shared = Arc::clone(gallery);
    let written = gallery.door.write(move |library| {
        let before = library.last_made();
        let mut written = run(library)?;
        let made = library.last_made();
        if made != before {
            written.undo = shared.undone.keep(Back::Written(made), is_of_hidden || library.told_of_hidden());
        }
        written.revision = library.revision()?;
        Ok(written)
    });
    let written = written.await?;
    gallery.news.revision(written.revision);
    Ok(Json(written))
}

/// Changes photos, all or none.
#[utoipa::path(post, path = "/api/v1/edit", tag = "writing", request_body = Edit,
    responses((status = 200, body = Written), (status = 400, description = "`not-understood`"),
        (status = 409, body = Failed, description = "`changed-meanwhile`: the error says what the caption is now"), HiddenClosed))]
pub(crate) async fn edit(
    State(gallery): State<Arc<Gallery>>,
    Asked(asked): Asked<Edit>,
) -> Answer<Json<Written>> {
    let changes = asked.changes()?;
    change(&gallery, move |library| {
        let selection = asked.which.select(library, None)?;
        asked.require_caption(library)?;
        Ok(Written::of(library.edit(&selection, &changes, asked.dry_run)?))
    })
    .await
}

/// What is to go into the trash.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Trashing {
    #[serde(flatten)]
    which: Which,
    /// Whether it may be as much as it is.
    #[serde(default)]
    consent: bool,
}

/// Puts photos into the trash; of much at once it asks first.
#[utoipa::path(post, path = "/api/v1/trash", tag = "writing", request_body = Trashing,
    responses((status = 200, body = Written), (status = 409, body = Failed, description = "`needs-consent`"), HiddenClosed))]
pub(crate) async fn trash(
    State(gallery): State<Arc<Gallery>>,
    Asked(asked): Asked<Trashing>,
) -> Answer<Json<Written>> {
    change(&gallery, move |library| {
        let selection = asked.which.select(library, None)?;
        let trash = |library: &mut Library| library.trash(&selection, true, false);
        Ok(Written::of(if asked.consent { library.agreeing(trash) } else { trash(library) }?))
    })
    .await
}

/// Takes photos out of the trash.
#[utoipa::path(post, path = "/api/v1/trash/restore", tag = "writing", request_body = Which,
    responses((status = 200, body = Written), HiddenClosed))]
pub(crate) async fn restore(
    State(gallery): State<Arc<Gallery>>,
    Asked(which): Asked<Which>,
) -> Answer<Json<Written>> {
    change(&gallery, move |library| {
        let selection = which.select(library, Some(Shelf::Trashed))?;
        Ok(Written::of(library.trash(&selection, false, false)?))
    })
    .await
}

/// What is to lie in one stack.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct NewStack {
    #[serde(flatten)]
    which: Which,
    /// The one that shows: a whole id.
    cover: String,
}

/// Puts photos, and what lies under them, under one of them.
#[utoipa::path(post, path = "/api/v1/stack", tag = "writing", request_body = NewStack,
    responses((status = 200, body = Written), HiddenClosed))]
pub(crate) async fn stack(
    State(gallery): State<Arc<Gallery>>,
    Asked(asked): Asked<NewStack>,
) -> Answer<Json<Written>> {
    let cover = whole_id(asked.cover)?;
    change(&gallery, move |library| {
        let selection = asked.which.select(library, None)?;
        Ok(Written::of(library.stack(&selection, &cover, false)?))
    })
    .await
}

/// Takes the stacks apart that photos lie in.
#[utoipa::path(post, path = "/api/v1/stack/apart", tag = "writing", request_body = Which,
    responses((status = 200, body = Written), HiddenClosed))]
pub(crate) async fn unstack(
    State(gallery): State<Arc<Gallery>>,
    Asked(which): Asked<Which>,
) -> Answer<Json<Written>> {
    change(&gallery, move |library| {
        let selection = which.select(library, None)?;
        Ok(Written::of(library.unstack(&selection, false)?))
    })
    .await
}

/// How a conflict is settled.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Settled {
    /// The field; may be left out if only one is in conflict.
    field: Option<String>,
    /// The place of the value to keep in the list of values, counted from 0.
    take: usize,
}

/// Settles a conflict by one of its values.
#[utoipa::path(post, path = "/api/v1/conflicts/{item}", tag = "writing", request_body = Settled,
    params(("item" = String, Path, description = "as the list of conflicts names it")),
    responses((status = 200, body = Written), (status = 409, description = "there is no such conflict any more")))]
pub(crate) async fn settle(
    State(gallery): State<Arc<Gallery>>,
    Path(item): Path<String>,
    Asked(asked): Asked<Settled>,
) -> Answer<Json<Written>> {
    let item = if item == "library" || item.starts_with("album:") { item } else { whole_id(item)? };
    change(&gallery, move |library| {
        let keep = asked.take.saturating_add(1);
        library.resolve(&item, Resolution { field: asked.field.as_deref(), keep })?;
        Ok(Written { changed: 1, ..Written::default() })
    })
    .await
}

/// Which change is to be taken back.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Taken {
    /// The word that its answer carried.
    undo: String,
}

/// Takes a change back; the answer's word takes that back again.
#[utoipa::path(post, path = "/api/v1/undo", tag = "writing", request_body = Taken,
    responses((status = 200, body = Written), (status = 409, description = "`cannot-undo`")))]
pub(crate) async fn undo(
    State(gallery): State<Arc<Gallery>>,
    Asked(Taken { undo }): Asked<Taken>,
) -> Answer<Json<Written>> {
    let (back, is_of_hidden) = gallery.undone.find(&undo).ok_or_else(|| {
        cannot_undo(
            "what takes that change back is not kept any more: the library or its hidden photos were closed since, or \
             50 changes came after it",
        )
        .hint("safelight history shows what it was")
    })?;
    let shared = Arc::clone(&gallery);
    change_again(&gallery, is_of_hidden, move |library| {
        let made = match back {
            Back::Written(made) => made,
            Back::Switched(back) => {
                let again = Back::Switched(library.switch_back(&back)?);
                let undo = shared.undone.keep(again, is_of_hidden);
                return Ok(Written { undo, changed: 1, ..Written::default() });
            }
        };
        let report = library.undo(made)?;
        if report.changed.is_empty()
            && let Some(notice) = report.notices.first()
        {
            return Err(cannot_undo(notice));
        }
        Ok(Written::of(report))
    })
    .await
}

fn cannot_undo(why: &str) -> Failure {
    Failure::new(StatusCode::CONFLICT, "cannot-undo", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(json: Value) -> Edit {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn fields_are_said_in_the_words_of_the_command_line() {
        let asked = edit(serde_json::json!({
            "items": [], "set": { "favourite": true, "rating": 4, "caption": "a=b", "rotate_by": -90, "title": null },
            "add": { "tags": ["sea"] },
        }));
        let words: Vec<String> =
            ["caption=a=b", "favourite=yes", "rating=4", "rotate-=90", "tag+=sea"].map(str::to_owned).into();
        assert_eq!(asked.changes().unwrap(), Changes::parse(&words, &["title".to_owned()]).unwrap());
        for wrong in [
            serde_json::json!({ "items": [] }),
            serde_json::json!({ "items": [], "set": { "caption": { "a": 1 } } }),
            serde_json::json!({ "items": [], "set": { "tag": "x" } }),
            serde_json::json!({ "items": [], "set": { "nonsense": "x" } }),
        ] {
            assert_eq!(edit(wrong).changes().unwrap_err().code, "not-understood");
        }
    }

    #[test]
    fn dates_are_moved_to_and_fro() {
        for (by, word) in [("1h30m", "date+=1h30m"), ("+2d", "date+=2d"), ("-1h", "date-=1h")] {
            let asked = edit(serde_json::json!({ "items": [], "set": { "date_by": by } }));
            assert_eq!(asked.changes().unwrap(), Changes::parse(&[word.to_owned()], &[]).unwrap());
        }
    }
}
