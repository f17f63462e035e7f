//! The one door: how an op gets into the catalogue.
//!
//! Invariant: an op is recorded, folded into the states of its entities and shown by the projections in one
//! transaction under `BEGIN IMMEDIATE`, whether it was made here ([`Catalog::change`](super::Catalog::change)) or came in a segment.
//! An op that is known already changes nothing. Within one transaction every touched state is read, encoded
//! and projected once, however many ops touch it.
//!
//! Specified in sl1-history §7.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension};
use safelight_model::view::{AlbumView, shown_asset};
use safelight_model::{
    AssetId, AssetState, ContentHash, EntityId, EntityState, HybridClock, Op, OpBody, OpKind, Packed, Record,
    Stamp,
};

use super::branches::remember_carried;
use super::duplicates;
use super::labels::{self, LabelKind, Labels, folded};
use super::placed;
use super::project::{States, project, stacks};
use super::refresh::{Fresh, refresh, write_words};
use super::timeline::TimelineKey;
use crate::error::{CatalogError, Result};
use crate::rows::{bytes_column, hash_column};

/// So many states are kept before they are written out in the middle of a long transaction.
const MOST_STATES: usize = 8192;
/// Under this name the last stamp given out is stored.
const LAST_STAMP: &str = "last stamp";

/// What folds ops in one transaction, of whoever they are.
pub(super) struct Folder<'a> {
    pub(super) connection: &'a Connection,
    labels: &'a mut Labels,
    states: HashMap<EntityId, Touched>,
    /// The number that the next new entity gets.
    next_number: Option<i64>,
    /// The wall clock.
    now_millis: u64,
}

struct Touched {
    id: i64,
    place: Option<TimelineKey>,
    state: EntityState,
    written: Written,
}

/// How the row of a state stands to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    /// It is as the state.
    Same,
    /// It is older.
    Older,
    /// There is none yet.
    Not,
}

/// Where an op stands in the history.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) device: i64,
    pub(super) segment: Option<i64>,
}

impl<'a> Folder<'a> {
    pub(super) fn new(connection: &'a Connection, labels: &'a mut Labels, now_millis: u64) -> Self {
        Self { connection, labels, states: HashMap::new(), next_number: None, now_millis }
    }

    /// Records an op and folds it, unless it is known. Answers whether it is new.
    pub(super) fn take(&mut self, op: &Op, bytes: &[u8], origin: Origin) -> Result<bool> {
        let targets = op.targets()?;
        let mut entity = None;
        for target in &targets {
            entity = Some(self.touch(target)?.id);
        }
        if !record(self.connection, op, bytes, entity, origin).map_err(in_transaction)? {
            return Ok(false);
        }
        let number = self.connection.last_insert_rowid();
        if let OpBody::Packed(pack) = &op.body {
            remember_pack(self.connection, pack, op.stamp, Some(number)).map_err(in_transaction)?;
        }
        placed::fold(self.connection, &op.body, number, origin.device, self.now_millis)
            .map_err(in_transaction)?;
        if let OpBody::Carried(branches) = &op.body {
            remember_carried(self.connection, branches).map_err(in_transaction)?;
        }
        for target in &targets {
            let touched = self.touch(target)?;
            if touched.state.fold(op) && touched.written == Written::Same {
                touched.written = Written::Older;
            }
        }
        self.finish_if_many()?;
        Ok(true)
    }

    /// Merges in what a checkpoint says of an entity.
    pub(super) fn merge(&mut self, entity: &EntityId, state: EntityState) -> Result<()> {
        let touched = self.touch(entity)?;
        if touched.state.merge(state) && touched.written == Written::Same {
            touched.written = Written::Older;
        }
        self.finish_if_many()
    }

    /// Folds an op that is not recorded yet, ahead of what comes before it.
    pub(super) fn fold_unrecorded(&mut self, op: &Op) -> Result<()> {
        for target in op.targets()? {
            let touched = self.touch(&target)?;
            if touched.state.fold(op) && touched.written == Written::Same {
                touched.written = Written::Older;
            }
        }
        self.finish_if_many()
    }

    fn finish_if_many(&mut self) -> Result<()> {
        if self.states.len() >= MOST_STATES { self.finish() } else { Ok(()) }
    }

    /// The state of an entity that is to change; a new one is given a number, and a row at the end.
    fn touch(&mut self, entity: &EntityId) -> Result<&mut Touched> {
        if !self.states.contains_key(entity) {
            let touched = match read(self.connection, entity)? {
                Some(touched) => touched,
                None => {
                    let id = self.new_number().map_err(in_transaction)?;
                    let state = EntityState::new(entity);
                    Touched { id, place: None, state, written: Written::Not }
                }
            };
            self.states.insert(entity.clone(), touched);
        }
        self.states.get_mut(entity).ok_or_else(|| unreadable(entity, "it is not there after it was read"))
    }

    fn new_number(&mut self) -> rusqlite::Result<i64> {
        let number = match self.next_number {
            Some(number) => number,
            None => self
                .connection
                .prepare_cached("SELECT ifnull(max(id), 0) + 1 FROM entities")?
                .query_row([], |row| row.get(0))?,
        };
        self.next_number = Some(number + 1);
        Ok(number)
    }

    /// The state of an entity, if any op was ever about it.
    pub(super) fn known(&mut self, entity: &EntityId) -> Result<Option<&EntityState>> {
        if !self.states.contains_key(entity) {
            let Some(touched) = read(self.connection, entity)? else { return Ok(None) };
            self.states.insert(entity.clone(), touched);
        }
        Ok(self.states.get(entity).map(|touched| &touched.state))
    }

    /// Writes the states that changed, and everything that they show.
    pub(super) fn finish(&mut self) -> Result<()> {
        let changed = self.states.iter().filter(|(_, touched)| touched.written != Written::Same);
        let changed: Vec<_> = changed.map(|(entity, _)| entity.clone()).collect();
        self.refresh_entities(&changed)?;
        self.states.clear();
        Ok(())
    }

    /// Brings up to date what is shown of these entities, and writes all states.
    pub(super) fn refresh_entities(&mut self, changed: &[EntityId]) -> Result<()> {
        let assets = self.assets_showing(changed)?;
        let mut fresh = Vec::with_capacity(assets.len());
        for asset in self.with_those_shown_instead(assets)? {
            fresh.extend(self.fresh(asset)?);
        }
        let refreshed = refresh(self.connection, self.labels, fresh).map_err(in_transaction)?;
        self.write_states(&refreshed.places).map_err(in_transaction)?;
        refreshed.restack(self.connection).map_err(in_transaction)
    }

    /// Puts an asset into the search index again, at its place in the timeline.
    pub(super) fn reindex(&mut self, place: TimelineKey, asset: AssetId) -> Result<()> {
        let Some(Fresh { shown: Some(shown), .. }) = self.fresh(asset)? else { return Ok(()) };
        self.connection
            .prepare_cached("DELETE FROM search WHERE rowid = ?1")
            .and_then(|mut delete| delete.execute([place.0]))
            .and_then(|_| write_words(self.connection, self.labels, place, &shown))
            .map_err(in_transaction)
    }

    fn write_states(&mut self, places: &[(i64, Option<TimelineKey>)]) -> rusqlite::Result<()> {
        let places: HashMap<i64, Option<TimelineKey>> = places.iter().copied().collect();
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO entities (id, key, place, state) VALUES (?1, ?2, ?3, ?4)")?;
        let mut update =
            self.connection.prepare_cached("UPDATE entities SET place = ?2, state = ?3 WHERE id = ?1")?;
        let mut moved = self.connection.prepare_cached("UPDATE entities SET place = ?2 WHERE id = ?1")?;
        let mut states: Vec<_> = self.states.iter_mut().collect();
        // New rows are appended in the order of their numbers.
        states.sort_unstable_by_key(|(_, touched)| touched.id);
        for (entity, touched) in states {
            let place = places.get(&touched.id).copied().unwrap_or(touched.place);
            let key = place.map(|place| place.0);
            match touched.written {
                Written::Not => {
                    insert.execute((touched.id, entity.to_bytes(), key, touched.state.to_bytes()))?
                }
                Written::Older => update.execute((touched.id, key, touched.state.to_bytes()))?,
                Written::Same if place != touched.place => moved.execute((touched.id, key))?,
                Written::Same => 0,
            };
            touched.place = place;
            touched.written = Written::Same;
        }
        Ok(())
    }

    /// The assets that one of these entities is shown by.
    fn assets_showing(&mut self, changed: &[EntityId]) -> Result<HashSet<AssetId>> {
        let mut assets = HashSet::new();
        for entity in changed {
            match entity {
                EntityId::Asset(asset) => {
                    assets.insert(*asset);
                }
                EntityId::Content(content) => {
                    assets.insert(AssetId(*content));
                    assets.extend(version_holders(self.connection, content).map_err(in_transaction)?);
                }
                EntityId::Album(album) => {
                    let name = self.known(entity)?.and_then(EntityState::as_record).and_then(album_name);
                    rename_album(self.connection, self.labels, &album.0, name).map_err(in_transaction)?;
                }
                EntityId::Library | EntityId::Other { .. } => {}
            }
        }
        Ok(assets)
    }

    /// Adds the assets that show, or showed, what people typed about these.
    fn with_those_shown_instead(&mut self, mut assets: HashSet<AssetId>) -> Result<HashSet<AssetId>> {
        let mut next: Vec<_> = assets.iter().copied().collect();
        while let Some(asset) = next.pop() {
            let Some(touched) = self.states_of(asset)? else { continue };
            if let Some(target) = touched.state.as_asset().and_then(alias_of) {
                remember_merge(self.connection, target, asset).map_err(in_transaction)?;
            }
            let targets = ever_merged_into(self.connection, asset).map_err(in_transaction)?;
            next.extend(targets.into_iter().filter(|target| assets.insert(*target)));
        }
        Ok(assets)
    }

    fn states_of(&mut self, asset: AssetId) -> Result<Option<&Touched>> {
        let entity = EntityId::Asset(asset);
        self.known(&entity)?;
        Ok(self.states.get(&entity))
    }

    fn fresh(&mut self, asset: AssetId) -> Result<Option<Fresh>> {
        let Some(touched) = self.states_of(asset)? else { return Ok(None) };
        let (entity, place) = (touched.id, touched.place);
        let Some(state) = touched.state.as_asset().cloned() else { return Ok(None) };
        let current = state.current().contents().current().map(|write| write.value.original.content);
        let content = match current {
            Some(content) => {
                self.known(&EntityId::Content(content))?.and_then(EntityState::as_content).cloned()
            }
            None => None,
        };
        let is_alike = duplicates::is_alike(self.connection, &asset).map_err(in_transaction)?;
        let merged = self.merged_into(asset)?;
        let listed = self.shown_instead(asset)? == asset;
        let states = States {
            asset,
            state: &state,
            content: content.as_ref(),
            merged: merged.iter().collect(),
            is_alike,
        };
        let shown = if listed { project(&states) } else { None };
        let stack_hashes = shown.as_ref().map(|_| stacks(&state, content.as_ref())).unwrap_or_default();
        Ok(Some(Fresh { entity, asset, place, shown, stack_hashes }))
    }

    /// The asset that is shown in place of this one: mostly itself.
    fn shown_instead(&mut self, asset: AssetId) -> Result<AssetId> {
        let mut failure = None;
        let shown = shown_asset(asset, |asset| match self.states_of(asset) {
            Ok(touched) => alias_of(touched?.state.as_asset()?),
            Err(error) => {
                failure = Some(error);
                None
            }
        });
        failure.map_or(Ok(shown), Err)
    }

    /// The states of the assets that are shown as this one, those merged into them too.
    fn merged_into(&mut self, asset: AssetId) -> Result<Vec<AssetState>> {
        let mut found = HashSet::from([asset]);
        let mut next = vec![asset];
        let mut states = Vec::new();
        while let Some(target) = next.pop() {
            for source in ever_merged(self.connection, target).map_err(in_transaction)? {
                let touched = self.states_of(source)?;
                let state = touched.and_then(|touched| touched.state.as_asset());
                let Some(state) = state.filter(|state| alias_of(state) == Some(target)) else { continue };
                let state = state.clone();
                if found.insert(source) {
                    next.push(source);
                    states.push(state);
                }
            }
        }
        Ok(states)
    }
}

fn alias_of(state: &AssetState) -> Option<AssetId> {
    state.current().alias().winner().and_then(|write| write.value)
}

fn remember_merge(connection: &Connection, target: AssetId, source: AssetId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO merged (target, source) VALUES (?1, ?2)")?
        .execute((target.0.as_bytes(), source.0.as_bytes()))
        .map(drop)
}

fn ever_merged(connection: &Connection, target: AssetId) -> rusqlite::Result<Vec<AssetId>> {
    connection
        .prepare_cached("SELECT source FROM merged WHERE target = ?1 ORDER BY source")?
        .query_map([target.0.as_bytes()], |row| hash_column(row, 0).map(AssetId))?
        .collect()
}

fn ever_merged_into(connection: &Connection, source: AssetId) -> rusqlite::Result<Vec<AssetId>> {
    connection
        .prepare_cached("SELECT target FROM merged WHERE source = ?1 ORDER BY target")?
        .query_map([source.0.as_bytes()], |row| hash_column(row, 0).map(AssetId))?
        .collect()
}

/// Whether an asset has, or had, a content in its current life, and was not purged.
pub(super) fn holds(state: &AssetState, content: &ContentHash) -> bool {
    let life = state.current();
    !life.is_purged() && life.contents().of_content(*content).next().is_some()
}

/// The name of an album that was not removed.
pub(super) fn album_name(record: &Record) -> Option<String> {
    let view = AlbumView::new(record);
    view.name.filter(|_| !view.deleted)
}

fn rename_album(
    connection: &Connection,
    labels: &mut Labels,
    album: &[u8],
    name: Option<String>,
) -> rusqlite::Result<()> {
    let names = name.map(|name| (folded(&name), name));
    let names = names.as_ref().map(|(folded, name)| (folded.as_str(), name.as_str()));
    let number = labels.number(connection, LabelKind::Album, album, names)?;
    labels::rename(connection, number, names)
}

fn read(connection: &Connection, entity: &EntityId) -> Result<Option<Touched>> {
    let row = connection
        .prepare_cached("SELECT id, place, state FROM entities WHERE key = ?1")
        .and_then(|mut select| {
            select
                .query_row([entity.to_bytes()], |row| {
                    let state = row.get_ref(2)?.as_blob().map(EntityState::from_bytes);
                    Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?, state))
                })
                .optional()
        })
        .map_err(in_transaction)?;
    let Some((id, place, state)) = row else { return Ok(None) };
    let state = state.map_err(|error| unreadable(entity, &error.to_string()))??;
    Ok(Some(Touched { id, place: place.map(TimelineKey), state, written: Written::Same }))
}

/// The error for a stored state that is not one.
pub(super) fn unreadable(entity: &EntityId, found: &str) -> CatalogError {
    CatalogError::Row { what: format!("the state of {entity:?}"), found: found.to_owned() }
}

/// The assets, other than the one named by it, that have or had a content.
pub(super) fn version_holders(
    connection: &Connection,
    content: &ContentHash,
) -> rusqlite::Result<Vec<AssetId>> {
    let keys: Vec<Vec<u8>> = connection
        .prepare_cached(
            "SELECT e.key FROM versions AS v JOIN entities AS e ON e.id = v.entity WHERE v.content = ?1
             ORDER BY e.key",
        )?
        .query_map([content.as_bytes()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let asset = |key: &Vec<u8>| match EntityId::from_bytes(key) {
        Some(EntityId::Asset(asset)) => Some(asset),
        _ => None,
    };
    Ok(keys.iter().filter_map(asset).collect())
}

/// Remembers a pack. Of what several devices say of one, the least counts, whoever was heard first; a pack whose op is
/// not here yet has a negative number.
pub(super) fn remember_pack(
    connection: &Connection,
    pack: &Packed,
    stamp: Stamp,
    number: Option<i64>,
) -> rusqlite::Result<()> {
    let said = (sortable(stamp), *pack.epoch.as_bytes(), pack.sealed_bytes, pack.index_sha256);
    let known = connection
        .prepare_cached(
            "SELECT stamp, epoch, sealed_bytes, index_sha256, number FROM remote_packs
             WHERE tier = ?1 AND name = ?2",
        )?
        .query_row((pack.tier.code(), pack.name.as_bytes()), |row| {
            let said = (row.get(0)?, bytes_column(row, 1)?, row.get(2)?, bytes_column(row, 3)?);
            Ok((said, row.get::<_, i64>(4)?))
        })
        .optional()?;
    let Some((known, old)) = known else {
        return connection
            .prepare_cached(
                "INSERT INTO remote_packs (number, tier, name, stamp, epoch, sealed_bytes, index_sha256)
                 VALUES (ifnull(?1, (SELECT min(0, ifnull(min(number), 0)) - 1 FROM remote_packs)),
                         ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((number, pack.tier.code(), pack.name.as_bytes(), said.0, said.1, said.2, said.3))
            .map(drop);
    };
    let (least, number) = (said.min(known), number.filter(|_| old < 0).unwrap_or(old));
    connection
        .prepare_cached(
            "UPDATE remote_packs SET number = ?3, stamp = ?4, epoch = ?5, sealed_bytes = ?6, index_sha256 = ?7
             WHERE tier = ?1 AND name = ?2",
        )?
        .execute((pack.tier.code(), pack.name.as_bytes(), number, least.0, least.1, least.2, least.3))
        .map(drop)
}

/// Writes the row of an op; a known op is only given its segment. Answers whether it is new.
fn record(
    connection: &Connection,
    op: &Op,
    bytes: &[u8],
    entity: Option<i64>,
    origin: Origin,
) -> rusqlite::Result<bool> {
    let derived = [
        OpKind::Derive,
        OpKind::Render,
        OpKind::Seen,
        OpKind::Packed,
        OpKind::Replicas,
        OpKind::Acknowledged,
        OpKind::Lapse,
    ]
    .map(OpKind::number);
    let inserted = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO ops (session, counter, stamp, kind, device, segment, entity, listed, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            op.id.session.cast_signed(),
            op.id.counter,
            sortable(op.stamp),
            op.kind().0,
            origin.device,
            origin.segment,
            entity,
            !derived.contains(&op.kind()),
            bytes,
        ))?;
    if inserted == 0 && origin.segment.is_some() {
        connection
            .prepare_cached(
                "UPDATE ops SET segment = ?3 WHERE session = ?1 AND counter = ?2 AND segment IS NULL",
            )?
            .execute((op.id.session.cast_signed(), op.id.counter, origin.segment))?;
    }
    Ok(inserted > 0)
}

/// A stamp as a signed number that sorts as the stamp does.
pub(super) fn sortable(stamp: Stamp) -> i64 {
    (stamp.packed() ^ 1 << 63).cast_signed()
}

/// The stamp of a number made by [`sortable`].
pub(super) fn stamp_of(number: i64) -> Stamp {
    Stamp::from_packed(number.cast_unsigned() ^ 1 << 63)
}

/// The number under which a device's ops are recorded.
pub(super) fn device_number(connection: &Connection, device: &[u8; 16]) -> rusqlite::Result<i64> {
    let known = connection
        .prepare_cached("SELECT id FROM devices WHERE device = ?1")?
        .query_row([device], |row| row.get(0))
        .optional()?;
    match known {
        Some(number) => Ok(number),
        None => connection
            .prepare_cached("INSERT INTO devices (device) VALUES (?1) RETURNING id")?
            .query_row([device], |row| row.get(0)),
    }
}

pub(super) fn last_stamp(connection: &Connection) -> rusqlite::Result<Stamp> {
    let packed: Option<i64> = connection
        .prepare_cached("SELECT value FROM facts WHERE name = ?1")?
        .query_row([LAST_STAMP], |row| row.get(0))
        .optional()?;
    Ok(packed.map(stamp_of).unwrap_or_default())
}

pub(super) fn store_stamp(connection: &Connection, stamp: Stamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO facts (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )?
        .execute((LAST_STAMP, sortable(stamp)))
        .map(drop)
}

/// Lets the clock know a stamp that came from elsewhere.
pub(super) fn observe(connection: &Connection, stamp: Stamp, now_millis: u64) -> rusqlite::Result<()> {
    let mut clock = HybridClock::resume(last_stamp(connection)?);
    clock.observe(stamp, now_millis);
    store_stamp(connection, clock.last())
}

/// An error inside of a transaction; the path is that of the catalogue by construction.
pub(super) fn in_transaction(source: rusqlite::Error) -> CatalogError {
    CatalogError::from_sqlite(std::path::Path::new("catalog.db"), source)
}
