//! Switches by hand: a photo or an album goes to a remote, or stays away from it, whatever the policy says.
//!
//! They belong to this device and are no history (docs/decisions/policies.md); each can be put back as it was. Invariant:
//! nothing that exposes more than a person agreed to is switched, and what is there already stays there.

use std::collections::{HashMap, HashSet};

use safelight_catalog::query::Condition;
use safelight_catalog::{
    ListOptions, Query, RemoteId, RemotePolicy, RemoteRow, Shelf, Switched, SyncState, Wanted,
};
use safelight_model::{AlbumId, AssetId, ContentHash};
use safelight_sync::{is_held, newly_exposed, wanted_with_switches};
use serde::Serialize;

use super::policy::{PolicyChange, refuse_exposure};
use super::standing::Judge;
use crate::edit::{Among, Selection};
use crate::effects::now_millis;
use crate::error::{LibraryError, Result};
use crate::library::Library;

/// What is switched for a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It goes there.
    On,
    /// It stays here.
    Off,
    /// The policy decides again.
    Auto,
}

impl Turn {
    /// What a word means: `on`, `off` or `auto`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::On, Self::Off, Self::Auto].into_iter().find(|turn| turn_word(turn.value()) == word)
    }

    fn value(self) -> Option<bool> {
        match self {
            Self::On => Some(true),
            Self::Off => Some(false),
            Self::Auto => None,
        }
    }
}

fn turn_word(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "on",
        Some(false) => "off",
        None => "auto",
    }
}

/// What is to be switched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwitchSubject {
    /// These photos, each for itself.
    Photos(Selection),
    /// An album as a whole, with whatever comes into it.
    Album(AlbumSubject),
}

/// An album that can be switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlbumSubject(AlbumId);

/// Switches of one remote as they were, to be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switchback {
    /// By its id: another one may have its name by then.
    id: RemoteId,
    remote: String,
    were: Vec<(Switched, Option<bool>)>,
}

/// What turning switches came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switching {
    /// What the remote is sent now.
    pub change: PolicyChange,
    /// How many switches stand otherwise than before.
    pub changed: u64,
    /// What takes it back; none if everything stood so already.
    pub back: Option<Switchback>,
}

/// How photos, or an album, are switched for one remote, and what becomes of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct SwitchStanding {
    /// The remote.
    pub remote: String,
    /// Its policy: `full`, `selective`, `on-demand` or `archive-only`.
    pub policy: &'static str,
    /// How many photos this is about; of an album those that lie in it, and in the albums in it.
    pub photos: u64,
    /// Photos that are switched on themselves.
    pub on: u64,
    /// Photos that are switched off themselves.
    pub off: u64,
    /// The other photos.
    pub auto: u64,
    /// Photos whose originals are there or on their way.
    pub goes: u64,
    /// Photos whose originals are neither.
    pub stays: u64,
    /// Photos whose originals are there whole.
    pub there: u64,
    /// Photos whose originals are to be sent.
    pub waiting: u64,
    /// Photos whose originals could not be sent, or were lost there.
    pub failed: u64,
    /// Neither here nor seen there: another device or another remote has them, and what goes from there is decided there.
    pub elsewhere: u64,
    /// `on`, `off`, `auto` or `mixed`: the photos' own switches; of an album its own.
    pub switch: &'static str,
    /// Who decides: the `photo`'s own switch, that of an `album`, the `policy`, or `mixed`.
    pub because: &'static str,
    /// The path of the album that decides, of a single photo or of an album.
    pub because_album: Option<String>,
    /// More newly sent originals than this need consent; none where the policy never asks.
    pub expose: Option<u64>,
}

/// The switches of one remote.
struct Switches {
    assets: HashMap<AssetId, bool>,
    albums: HashMap<AlbumId, bool>,
    /// The contents that an album's switch decides on.
    by_album: HashSet<ContentHash>,
}

impl Library {
    /// What the words of a command name: an album as `album:NAME`, or photos.
    ///
    /// # Errors
    /// As [`Library::select`] and [`Library::switchable_album`].
    pub fn switch_subject(&self, items: &[String], query: &str) -> Result<SwitchSubject> {
        match items {
            [only] if album_of(only).is_some() => self.switchable_album(album_of(only).unwrap_or_default()),
            _ => Ok(SwitchSubject::Photos(self.select(items, query, Among::WhatIsAsked)?)),
        }
    }

    /// The album of a path, a name or an id, as something to switch.
    ///
    /// # Errors
    /// [`NoSuchAlbum`](crate::LibraryError::NoSuchAlbum), and [`Refused`](crate::LibraryError::Refused) for one that a
    /// search fills: a policy takes that search.
    pub fn switchable_album(&self, word: &str) -> Result<SwitchSubject> {
        Ok(SwitchSubject::Album(AlbumSubject(self.find_ordinary_album(word)?)))
    }

    /// Switches photos, or one whole album with those in it, for a remote.
    ///
    /// # Errors
    /// [`LibraryError::NeedsConsent`](crate::LibraryError::NeedsConsent) if more would newly be sent than the remote's limit
    /// and `consent` is not given; then nothing is changed.
    pub fn switch_sync(
        &mut self,
        name: &str,
        subject: &SwitchSubject,
        turn: Turn,
        consent: bool,
    ) -> Result<Switching> {
        self.folder.require_writable()?;
        let (id, remote) = (self.remote_row(name)?.id, name.to_owned());
        let known = self.known_switches(id)?;
        let switched = switched_of(subject);
        let were: Vec<_> = switched.iter().map(|one| (*one, known.get(one).copied())).collect();
        let to = switched.into_iter().map(|one| (one, turn.value())).collect();
        let change = self.put_switches(&Switchback { id, remote: remote.clone(), were: to }, consent)?;
        let changed = were.iter().filter(|(_, was)| *was != turn.value()).count() as u64;
        Ok(Switching { change, changed, back: (changed > 0).then_some(Switchback { id, remote, were }) })
    }

    /// Puts switches back as they were. Answers how they stood, which takes that back again.
    ///
    /// # Errors
    /// As [`Library::switch_sync`]; [`LibraryError::NeedsConsent`](crate::LibraryError::NeedsConsent) where they would send
    /// more by now than nobody is asked about.
    pub fn switch_back(&mut self, back: &Switchback) -> Result<Switchback> {
        self.folder.require_writable()?;
        let known = self.known_switches(back.id)?;
        let were = back.were.iter().map(|(one, _)| (*one, known.get(one).copied())).collect();
        self.put_switches(back, false)?;
        Ok(Switchback { id: back.id, remote: back.remote.clone(), were })
    }

    fn known_switches(&self, id: RemoteId) -> Result<HashMap<Switched, bool>> {
        Ok(self.device.switches(id)?.into_iter().collect())
    }

    fn put_switches(&mut self, to: &Switchback, consent: bool) -> Result<PolicyChange> {
        let id = to.id;
        if self.remote_row(&to.remote)?.id != id {
            return Err(LibraryError::NoSuchRemote { name: to.remote.clone() });
        }
        let policy = self.device.policy(id)?;
        let mut switches = self.known_switches(id)?;
        let old = self.wanted_by_switches(&policy, &switches)?;
        for (switched, value) in &to.were {
            match value {
                Some(on) => drop(switches.insert(*switched, *on)),
                None => drop(switches.remove(switched)),
            }
        }
        // Nothing is written before it is known what it exposes: a sync may run beside this.
        let wanted = self.wanted_by_switches(&policy, &switches)?;
        let [_, new] = newly_exposed(&self.catalog(), &self.device, id, &wanted, &old)?;
        refuse_exposure(&to.remote, new, policy.expose_most, consent)?;
        self.turn_each(id, &to.were, policy.consented + new.originals)?;
        self.replan(&to.remote, id, new, &old, policy.consented)
    }

    fn wanted_by_switches(
        &self,
        policy: &RemotePolicy,
        switches: &HashMap<Switched, bool>,
    ) -> Result<Wanted> {
        let switches: Vec<_> = switches.iter().map(|(switched, on)| (*switched, *on)).collect();
        Ok(wanted_with_switches(&self.catalog(), policy, &switches, true, now_millis())?)
    }

    fn turn_each(&mut self, id: RemoteId, to: &[(Switched, Option<bool>)], consented: u64) -> Result<()> {
        for value in [None, Some(true), Some(false)] {
            let these = to.iter().filter(|(_, to)| *to == value).map(|(switched, _)| switched);
            self.device.switch(id, these, value, consented)?;
        }
        Ok(())
    }

    /// How photos, or an album, are switched for every remote, and what becomes of them.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn look_at_switches(&self, subject: &SwitchSubject) -> Result<Vec<SwitchStanding>> {
        self.device.remotes()?.iter().map(|row| self.switch_standing(row, subject)).collect()
    }

    fn switch_standing(&self, row: &RemoteRow, subject: &SwitchSubject) -> Result<SwitchStanding> {
        let policy = self.device.policy(row.id)?;
        let mut standing = SwitchStanding {
            remote: row.name.clone(),
            policy: policy.kind.word(),
            expose: Some(policy.expose_most),
            ..SwitchStanding::default()
        };
        let judge = Judge::of(self, row.clone())?;
        let switches = self.switches_of(row.id)?;
        let assets = match subject {
            SwitchSubject::Photos(photos) => photos.assets().to_vec(),
            SwitchSubject::Album(AlbumSubject(album)) => self.lying_in(*album)?,
        };
        let mut deciding = HashSet::new();
        for asset in &assets {
            let own = switches.assets.get(asset).copied();
            let Some(shown) = self.catalog().asset(*asset)? else { continue };
            standing.photos += 1;
            *match own {
                Some(true) => &mut standing.on,
                Some(false) => &mut standing.off,
                None => &mut standing.auto,
            } += 1;
            deciding.insert(match own {
                Some(_) => "photo",
                None if switches.by_album.contains(&shown.content) => "album",
                None => "policy",
            });
            standing.count(self.state_at(&judge, &shown.content)?);
        }
        match subject {
            SwitchSubject::Photos(_) => {
                standing.switch = match (standing.on, standing.off, standing.auto) {
                    (0, 0, _) => "auto",
                    (_, 0, 0) => "on",
                    (0, _, 0) => "off",
                    _ => "mixed",
                };
                let mut deciding = deciding.into_iter();
                standing.because = match (deciding.next(), deciding.next()) {
                    (Some(only), None) => only,
                    (None, _) => "policy",
                    _ => "mixed",
                };
                if let ([only], "album") = (assets.as_slice(), standing.because) {
                    standing.because_album = self.album_deciding_on(*only, &switches)?;
                }
            }
            SwitchSubject::Album(AlbumSubject(album)) => {
                standing.switch = turn_word(switches.albums.get(album).copied());
                let decides = self.catalog().album_tree()?.deciding(&switches.albums, *album);
                standing.because = if decides.is_some() { "album" } else { "policy" };
                standing.because_album = self.path_of(decides)?;
            }
        }
        Ok(standing)
    }

    fn switches_of(&self, id: RemoteId) -> Result<Switches> {
        let mut switches =
            Switches { assets: HashMap::new(), albums: HashMap::new(), by_album: HashSet::new() };
        for (switched, on) in self.device.switches(id)? {
            match switched {
                Switched::Asset(asset) => drop(switches.assets.insert(asset, on)),
                Switched::Album(album) => drop(switches.albums.insert(album, on)),
            }
        }
        if !switches.albums.is_empty() {
            let catalog = self.catalog();
            let tree = catalog.album_tree()?;
            let mut switched = tree.switched(&switches.albums, true);
            switched.extend(tree.switched(&switches.albums, false));
            let query = Query::default().and(Condition::InAlbums(switched));
            switches.by_album = catalog.contents_matching(&query)?;
        }
        Ok(switches)
    }

    /// The photos that lie in an album or in one in it, the trash aside.
    fn lying_in(&self, album: AlbumId) -> Result<Vec<AssetId>> {
        let nested = self.catalog().album_tree()?.with_nested(album);
        let query = Query::default().and(Condition::InAlbums(nested));
        let mut shelves = vec![Shelf::Shown];
        if !self.keeps_hidden_back() {
            shelves.push(Shelf::Hidden);
        }
        let shelves = Some(shelves);
        self.found(&query, ListOptions { shelves, ..ListOptions::default() })
    }

    /// The path of the album whose switch decides on a photo: of several albums one that is off.
    fn album_deciding_on(&self, asset: AssetId, switches: &Switches) -> Result<Option<String>> {
        let decides = {
            let catalog = self.catalog();
            let tree = catalog.album_tree()?;
            let state = catalog.asset_state(asset)?;
            let albums =
                state.map(|state| safelight_model::view::AssetView::new(asset, &state, None).albums.clone());
            let deciding =
                albums.into_iter().flatten().filter_map(|album| tree.deciding(&switches.albums, album));
            deciding.min_by_key(|album| switches.albums.get(album).copied())
        };
        self.path_of(decides)
    }

    fn path_of(&self, album: Option<AlbumId>) -> Result<Option<String>> {
        let Some(album) = album else { return Ok(None) };
        Ok(self.album_paths(&[album])?.pop())
    }
}

impl SwitchStanding {
    fn count(&mut self, state: SyncState) {
        match state {
            state if is_held(state) => self.there += 1,
            SyncState::Waiting | SyncState::Held => self.waiting += 1,
            SyncState::Elsewhere => {
                self.elsewhere += 1;
                return;
            }
            SyncState::Failed | SyncState::Lost => self.failed += 1,
            _ => {
                self.stays += 1;
                return;
            }
        }
        self.goes += 1;
    }
}

fn switched_of(subject: &SwitchSubject) -> Vec<Switched> {
    match subject {
        SwitchSubject::Photos(photos) => photos.assets().iter().copied().map(Switched::Asset).collect(),
        SwitchSubject::Album(AlbumSubject(album)) => vec![Switched::Album(*album)],
    }
}

/// The name in `album:NAME` or `album:"NAME"`.
fn album_of(item: &str) -> Option<&str> {
    let name = item.strip_prefix("album:")?;
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    (!name.is_empty()).then_some(name)
}
