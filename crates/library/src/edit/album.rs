//! Albums: made, named, nested, removed.
//!
//! An album is a record of its own; who lies in it is kept with each photo. Names are not unique, because two
//! devices may choose the same one at the same time: a command that is given such a name says so.

mod listed;

use std::collections::BTreeMap;

use safelight_catalog::Change;
use safelight_crypto::{Entropy as _, OsEntropy};
use safelight_model::view::{AlbumView, album_path};
use safelight_model::{AlbumId, AssetId, EntityId, Field, FieldCode, OpBody, Record, Target, Value};
use serde::Serialize;

use super::{is_settled, value};
use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::listing::ListedAsset;
use crate::why::Why;

/// The fewest letters that may stand for an album's id.
const FEWEST_ID_LETTERS: usize = 4;

/// An album as listings show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownAlbum {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its name after those of the albums that it lies in: `Trips/Iceland`.
    pub path: String,
    /// The id of the album that it lies in.
    pub parent: Option<String>,
    /// How many shown photos lie in it, those of albums inside of it aside; of a smart one, how many its search finds.
    pub assets: u64,
    /// The search that fills it, if it is a smart album.
    pub query: Option<String>,
    /// Why that search finds nothing here: this version cannot read it, or what it speaks of is not there.
    pub problem: Option<String>,
    /// The same in a code.
    pub problem_why: Option<Why>,
    /// Whether devices disagree about it: `safelight conflicts`.
    pub conflicted: bool,
}

impl ShownAlbum {
    /// The beginning of the id, enough to type.
    #[must_use]
    pub fn short_id(&self) -> &str {
        self.id.get(..10).unwrap_or(&self.id)
    }
}

/// What removing an album means; consumed by [`Library::remove_album`].
#[must_use = "nothing is removed before the plan is carried out"]
#[derive(Debug, Clone)]
pub struct AlbumRemoval {
    album: AlbumId,
    /// What is removed.
    pub shown: ShownAlbum,
    /// The paths of the albums in it, which move up.
    pub moving_up: Vec<String>,
}

/// An album that is to be made.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewAlbum<'a> {
    /// Its name after those of the albums that it lies in; those are made where they are missing.
    pub path: &'a str,
    /// The album to put it into.
    pub within: Option<&'a str>,
    /// The search that fills it, for a smart one.
    pub query: Option<&'a str>,
    /// Whether it is made even where one of that path is there.
    pub another: bool,
}

/// The albums that there are: named and not removed.
#[derive(Debug, Default)]
pub(super) struct Albums {
    views: BTreeMap<AlbumId, AlbumView>,
}

impl Albums {
    fn parent(&self, album: AlbumId) -> Option<AlbumId> {
        self.views.get(&album)?.parent.filter(|parent| self.views.contains_key(parent))
    }

    fn above(&self, album: AlbumId) -> Vec<AlbumId> {
        album_path(album, |album| self.parent(album))
    }

    fn name(&self, album: AlbumId) -> &str {
        self.views.get(&album).and_then(|view| view.name.as_deref()).unwrap_or_default()
    }

    /// `Trips/Iceland`
    pub(super) fn path(&self, album: AlbumId) -> String {
        let mut names: Vec<&str> = self.above(album).into_iter().map(|album| self.name(album)).collect();
        names.reverse();
        names.push(self.name(album));
        names.join("/")
    }

    fn children(&self, of: Option<AlbumId>) -> Vec<AlbumId> {
        let is_child = |album: &&AlbumId| self.above(**album).first().copied() == of;
        self.views.keys().filter(is_child).copied().collect()
    }

    /// The album of a path or a name, in any case, or of an id or its beginning.
    pub(super) fn find(&self, word: &str) -> Result<AlbumId> {
        let wanted = word.trim().to_lowercase();
        let named = |is_it: &dyn Fn(AlbumId) -> bool| -> Vec<AlbumId> {
            self.views.keys().copied().filter(|album| is_it(*album)).collect()
        };
        let mut found = named(&|album| self.path(album).to_lowercase() == wanted);
        if found.is_empty() {
            found = named(&|album| self.name(album).to_lowercase() == wanted);
        }
        if found.is_empty() && wanted.len() >= FEWEST_ID_LETTERS {
            found = named(&|album| album.to_string().starts_with(&wanted));
        }
        match found.as_slice() {
            [] => Err(LibraryError::NoSuchAlbum { album: word.to_owned() }),
            [only] => Ok(*only),
            several => Err(LibraryError::Ambiguous {
                item: word.to_owned(),
                count: several.len().to_string(),
                examples: several
                    .iter()
                    .map(|album| format!("{} ({})", short(&album.to_string()), self.path(*album)))
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// The same, but only an album that things can be put into by hand.
    pub(super) fn find_ordinary(&self, word: &str) -> Result<AlbumId> {
        let album = self.find(word)?;
        match self.query(album) {
            Some(_) => Err(super::smart::filled_by_a_search(&self.path(album))),
            None => Ok(album),
        }
    }

    /// The search that fills an album, if one does.
    pub(super) fn query(&self, album: AlbumId) -> Option<&str> {
        self.views.get(&album)?.query.as_deref()
    }

    /// The smart album of a name or a path, in any case.
    pub(super) fn smart_named(&self, word: &str) -> Option<AlbumId> {
        let wanted = word.to_lowercase();
        let is_it = |album: &&AlbumId| {
            self.query(**album).is_some()
                && (self.name(**album).to_lowercase() == wanted
                    || self.path(**album).to_lowercase() == wanted)
        };
        self.views.keys().find(is_it).copied()
    }

    pub(super) fn has_children(&self, album: AlbumId) -> bool {
        !self.children(Some(album)).is_empty()
    }

    fn child_named(&self, of: Option<AlbumId>, name: &str) -> Option<AlbumId> {
        let is_named = |album: &AlbumId| self.name(*album).to_lowercase() == name.to_lowercase();
        self.children(of).into_iter().find(is_named)
    }

    fn shown(&self, album: AlbumId, assets: u64) -> ShownAlbum {
        ShownAlbum {
            id: album.to_string(),
            name: self.name(album).to_owned(),
            path: self.path(album),
            parent: self.parent(album).map(|parent| parent.to_string()),
            assets,
            query: self.query(album).map(str::to_owned),
            problem: None,
            problem_why: None,
            conflicted: self.views.get(&album).is_some_and(|view| !view.conflicts.is_empty()),
        }
    }
}

impl Library {
    pub(super) fn albums(&self) -> Result<Albums> {
        let records = self.catalog().albums()?;
        let views = records.iter().map(|(album, record)| (*album, AlbumView::new(record)));
        Ok(Albums { views: views.filter(|(_, view)| is_there(view)).collect() })
    }

    /// The paths of albums that are there; those that were removed are left out.
    pub(crate) fn album_paths(&self, albums: &[AlbumId]) -> Result<Vec<String>> {
        let mut known = Albums::default();
        let catalog = self.catalog();
        for album in albums {
            // Only what lies above these is read: an export asks for every photo.
            let mut next = Some(*album);
            while let Some(album) = next.filter(|album| !known.views.contains_key(album)) {
                let view = catalog.record(&EntityId::Album(album))?.map(|record| AlbumView::new(&record));
                let Some(view) = view.filter(is_there) else { break };
                next = view.parent;
                known.views.insert(album, view);
            }
        }
        let there = albums.iter().filter(|album| known.views.contains_key(album));
        Ok(there.map(|album| known.path(*album)).collect())
    }

    fn rows_of(&self, assets: &[AssetId]) -> Result<Vec<ListedAsset>> {
        let mut rows = Vec::with_capacity(assets.len());
        for asset in assets {
            rows.extend(self.catalog().asset(*asset)?.map(|row| ListedAsset::of(&row)));
        }
        Ok(rows)
    }

    /// Makes an album, and those that its path says it lies in.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] if one of that path is there already and a second one was not asked for, or if it would
    /// lie in a smart one; [`LibraryError::Query`] for a name or a search that cannot be understood.
    pub fn add_album(&mut self, new: &NewAlbum<'_>) -> Result<ShownAlbum> {
        let NewAlbum { path, within, another, .. } = *new;
        let names = path_names(path)?;
        let query = new.query.map(super::smart::checked_search).transpose()?;
        let albums = self.albums()?;
        let mut parent = within.map(|word| albums.find_ordinary(word)).transpose()?;
        let mut bodies = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let is_last = index + 1 == names.len();
            let there = albums.child_named(parent, name);
            match there {
                Some(album) if !is_last && albums.query(album).is_some() => {
                    return Err(super::smart::filled_by_a_search(&albums.path(album)));
                }
                Some(album) if !is_last => parent = Some(album),
                Some(_) if !another => {
                    return Err(LibraryError::Refused {
                        reason: format!("there is an album {path} already"),
                        hint: "--yes makes another one, which only its id then tells apart".into(),
                    });
                }
                _ => {
                    let mut id = [0; 16];
                    OsEntropy.fill(&mut id);
                    let album = AlbumId(id);
                    let empty = Record::new();
                    bodies.push(empty.write_field(album.into(), Field::NAME, name.clone()));
                    if let Some(parent) = parent {
                        bodies.push(empty.write_field(album.into(), Field::PARENT, parent));
                    }
                    if let Some(query) = query.as_ref().filter(|_| is_last) {
                        bodies.push(empty.write_field(album.into(), Field::QUERY, query.clone()));
                    }
                    parent = Some(album);
                }
            }
        }
        self.change(|change| super::change::push_all(change, bodies))?;
        let made = parent.ok_or_else(|| LibraryError::NoSuchAlbum { album: path.to_owned() })?;
        Ok(self.albums()?.shown(made, 0))
    }

    /// Gives an album another name.
    ///
    /// # Errors
    /// As [`Library::show_album`].
    pub fn rename_album(&mut self, word: &str, name: &str) -> Result<ShownAlbum> {
        let names = path_names(name)?;
        let [name] = names.as_slice() else {
            return Err(LibraryError::Query {
                explained: format!(
                    "{name}\n^\na name has no / in it; safelight album move puts an album elsewhere"
                ),
            });
        };
        self.set_in_album(word, Field::NAME, name.clone().into())
    }

    /// Puts an album into another one, or at the top.
    ///
    /// # Errors
    /// As [`Library::show_album`]; [`LibraryError::Refused`] if it would come to lie in itself.
    pub fn move_album(&mut self, word: &str, into: Option<&str>) -> Result<ShownAlbum> {
        let albums = self.albums()?;
        let album = albums.find(word)?;
        let Some(into) = into else { return self.set_in_album(word, Field::PARENT, Value::None) };
        let parent = albums.find_ordinary(into)?;
        if parent == album {
            return Err(LibraryError::Refused {
                reason: format!("{} cannot go into itself", albums.path(album)),
                hint: "choose another album".into(),
            });
        }
        if albums.above(parent).contains(&album) {
            return Err(LibraryError::Refused {
                reason: format!(
                    "{} cannot go into {}, which lies in it",
                    albums.path(album),
                    albums.path(parent)
                ),
                hint: "move that one out first".into(),
            });
        }
        self.set_in_album(word, Field::PARENT, parent.into())
    }

    pub(super) fn set_in_album(&mut self, word: &str, field: FieldCode, value: Value) -> Result<ShownAlbum> {
        let album = self.albums()?.find(word)?;
        self.change(|change| write_album(change, album, field, value))?;
        Ok(self.albums()?.shown(album, 0))
    }

    /// What removing an album would mean. Its photos stay where they are.
    ///
    /// # Errors
    /// As [`Library::show_album`].
    pub fn plan_album_removal(&self, word: &str) -> Result<AlbumRemoval> {
        let albums = self.albums()?;
        let album = albums.find(word)?;
        let listed = self.album_as_listed(album)?;
        let moving_up = albums.children(Some(album)).into_iter().map(|child| albums.path(child)).collect();
        Ok(AlbumRemoval { album, shown: listed.unwrap_or_else(|| albums.shown(album, 0)), moving_up })
    }

    /// Removes an album; the albums in it move up to where it lay. Answers what was removed.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn remove_album(&mut self, removal: AlbumRemoval) -> Result<ShownAlbum> {
        let AlbumRemoval { album, shown, .. } = removal;
        let albums = self.albums()?;
        let parent = albums.parent(album).map_or(Value::None, Value::Album);
        self.change(|change| {
            for child in albums.children(Some(album)) {
                write_album(change, child, Field::PARENT, parent.clone())?;
            }
            write_album(change, album, Field::DELETED, true.into())
        })?;
        Ok(shown)
    }
}

/// Types a value over everything that a field of an album says.
pub(super) fn write_album(
    change: &mut Change<'_>,
    album: AlbumId,
    field: impl Into<Field>,
    value: Value,
) -> Result<()> {
    let field = field.into();
    let record = change.record(&EntityId::Album(album))?.unwrap_or_default();
    if !is_settled(record.field(field.clone()), &value) {
        let body: OpBody = record.write_field(Target::Album(album), field, value);
        change.push(body)?;
    }
    Ok(())
}

/// Whether an album is shown: named, and not removed.
fn is_there(view: &AlbumView) -> bool {
    !view.deleted && view.name.is_some()
}

/// The names of a path; each one line of text.
fn path_names(path: &str) -> Result<Vec<String>> {
    path.split('/')
        .map(|part| {
            value::name(part).map_err(|_| LibraryError::Query {
                explained: super::word::pointed(
                    path,
                    0..path.len(),
                    "an album is a name, or names with / between, such as `Trips/Iceland`; each is one line",
                )
                .to_string(),
            })
        })
        .collect()
}

fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}
