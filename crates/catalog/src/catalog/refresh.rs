//! Writes what the states of assets amount to into the tables that queries read.
//!
//! Invariant: nothing else writes these tables. Everything is written in ascending order of the timeline's
//! key, deletions before insertions: FTS5 writes its index out whenever a rowid does not ascend.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rusqlite::{Connection, OptionalExtension, named_params};
use safelight_model::{AssetId, EntityId, MediaKind};

use super::facets::Flag;
use super::labels::{LabelKind, Labels, label_token};
use super::project::Projection;
use super::timeline::{KeyRange, Shelf, TimelineKey};

/// One asset whose states changed.
pub(crate) struct Fresh {
    pub(crate) entity: i64,
    pub(crate) asset: AssetId,
    /// Its key in the timeline until now.
    pub(crate) place: Option<TimelineKey>,
    /// What it shows now; `None` if it is not listed any more.
    pub(crate) shown: Option<Projection>,
    /// The stacks that it belongs to now.
    pub(crate) stack_hashes: Vec<i64>,
}

/// An asset that is listed, with its row until now.
struct Changed {
    entity: i64,
    asset: AssetId,
    shown: Projection,
    digest: i64,
    is_in_stacks: bool,
    old: Option<Old>,
}

/// What is read of a row before it changes.
struct Old {
    key: TimelineKey,
    digest: i64,
    position: Option<(i64, i64)>,
    total: (TotalKey, Total),
}

type TotalKey = (i64, i64, u16);

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Total {
    assets: i64,
    bytes: i64,
    linked: i64,
    undecodable: i64,
}

/// Rows that were written, and what is left to do once the entities know their places.
#[must_use = "entities must be told their places, and stacks brought up to date after that"]
pub(crate) struct Refreshed {
    /// The new place of each entity in the timeline.
    pub(crate) places: Vec<(i64, Option<TimelineKey>)>,
    /// Stacks that assets belong to by themselves.
    stacks: BTreeSet<i64>,
    /// Assets under which a person may have put others.
    by_hand: BTreeSet<AssetId>,
}

/// Brings the rows of these assets up to date.
pub(crate) fn refresh(
    connection: &Connection,
    labels: &mut Labels,
    fresh: Vec<Fresh>,
) -> rusqlite::Result<Refreshed> {
    let mut refreshed = Refreshed { places: Vec::new(), stacks: BTreeSet::new(), by_hand: BTreeSet::new() };
    let mut totals = BTreeMap::new();
    let mut gone = Vec::new();
    let mut changed = Vec::new();
    for asset in fresh {
        let old = asset.place.map(|place| read_old(connection, place)).transpose()?.flatten();
        if let Some(old) = &old {
            count(&mut totals, old.total, -1);
        }
        refreshed.stacks.extend(write_stack_keys(connection, &asset)?);
        refreshed.by_hand.insert(asset.asset);
        match asset.shown {
            None => {
                refreshed.places.extend(asset.place.map(|_| (asset.entity, None)));
                gone.extend(old.map(|old| old.key));
            }
            Some(shown) => {
                let digest = shown.search_digest();
                changed.push(Changed {
                    entity: asset.entity,
                    asset: asset.asset,
                    shown,
                    digest,
                    is_in_stacks: !asset.stack_hashes.is_empty(),
                    old,
                });
            }
        }
    }
    let mut rows = place_all(connection, &changed)?;
    rows.sort_unstable_by_key(|(key, _)| *key);
    delete_all(connection, gone, &changed, &rows)?;
    for (key, at) in rows {
        let Some(asset) = changed.get(at) else { continue };
        count(&mut totals, total_of(key, &asset.shown), 1);
        write_row(connection, labels, &Row { key, to: asset })?;
        refreshed.places.push((asset.entity, Some(key)));
        refreshed.by_hand.extend(asset.shown.stacked_under);
    }
    write_totals(connection, &totals)?;
    Ok(refreshed)
}

impl Refreshed {
    /// Brings the stacks of these assets up to date; the entities know their places by now.
    pub(crate) fn restack(self, connection: &Connection) -> rusqlite::Result<()> {
        self.stacks.into_iter().try_for_each(|hash| restack(connection, hash))?;
        self.by_hand.into_iter().try_for_each(|cover| stack_by_hand(connection, cover))
    }
}

/// One row to be written.
struct Row<'a> {
    key: TimelineKey,
    to: &'a Changed,
}

fn read_old(connection: &Connection, place: TimelineKey) -> rusqlite::Result<Option<Old>> {
    connection
        .prepare_cached(
            "SELECT digest, latitude_e7, longitude_e7, local_millis, media, size_bytes, flags
             FROM timeline WHERE key = ?1",
        )?
        .query_row([place.0], |row| {
            let latitude: Option<i64> = row.get(1)?;
            let longitude: Option<i64> = row.get(2)?;
            Ok(Old {
                key: place,
                digest: row.get(0)?,
                position: latitude.zip(longitude),
                total: total(place, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?),
            })
        })
        .optional()
}

/// Chooses a key for every row: the old one if the moment is the same, else the first that is free.
fn place_all(connection: &Connection, changed: &[Changed]) -> rusqlite::Result<Vec<(TimelineKey, usize)>> {
    let mut rows = Vec::with_capacity(changed.len());
    let mut given = HashSet::with_capacity(changed.len());
    let mut moved = Vec::new();
    for (at, asset) in changed.iter().enumerate() {
        let first = TimelineKey::new(asset.shown.shelf, asset.shown.local_millis, &asset.asset);
        match &asset.old {
            Some(old) if old.key.same_moment(first) => {
                given.insert(old.key);
                rows.push((old.key, at));
            }
            _ => moved.push((first, at, asset.asset)),
        }
    }
    let mut taken = connection.prepare_cached("SELECT 1 FROM timeline WHERE key = ?1")?;
    for (first, at, asset) in moved {
        let mut key = first;
        let mut attempt = 0;
        while given.contains(&key) || taken.exists([key.0])? {
            attempt += 1;
            key = first.retry(&asset, attempt);
        }
        given.insert(key);
        rows.push((key, at));
    }
    Ok(rows)
}

/// Deletes the rows of assets that are not listed any more or have moved, and index entries that changed.
fn delete_all(
    connection: &Connection,
    gone: Vec<TimelineKey>,
    changed: &[Changed],
    rows: &[(TimelineKey, usize)],
) -> rusqlite::Result<()> {
    let mut words = gone.clone();
    let mut whole = gone;
    for (key, at) in rows {
        let Some(asset) = changed.get(*at) else { continue };
        let Some(old) = &asset.old else { continue };
        if old.key != *key {
            whole.push(old.key);
        }
        if old.key != *key || old.digest != asset.digest {
            words.push(old.key);
        }
    }
    words.sort_unstable();
    let mut search = connection.prepare_cached("DELETE FROM search WHERE rowid = ?1")?;
    for key in words {
        search.execute([key.0])?;
    }
    let mut timeline = connection.prepare_cached("DELETE FROM timeline WHERE key = ?1")?;
    let mut positions = connection.prepare_cached("DELETE FROM positions WHERE key = ?1")?;
    for key in whole {
        timeline.execute([key.0])?;
        positions.execute([key.0])?;
    }
    Ok(())
}

fn write_row(connection: &Connection, labels: &mut Labels, row: &Row<'_>) -> rusqlite::Result<()> {
    let stays = row.to.old.as_ref().filter(|old| old.key == row.key);
    write_timeline(connection, row)?;
    if stays.is_none_or(|old| old.digest != row.to.digest) {
        write_words(connection, labels, row.key, &row.to.shown)?;
    }
    let position = row
        .to
        .shown
        .position
        .map(|position| (i64::from(position.latitude_e7), i64::from(position.longitude_e7)));
    if stays.map(|old| old.position) != Some(position) {
        write_position(connection, row.key, position, stays.is_some())?;
    }
    write_keys(connection, row)
}

fn write_timeline(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<()> {
    let shown = &row.to.shown;
    let by_hand = shown.flags & Flag::StackedByHand.bit() != 0;
    connection
        .prepare_cached(
            "INSERT INTO timeline (key, entity, asset, content, stack, size_bytes, media, flags, rating,
                 local_millis, offset_minutes, latitude_e7, longitude_e7, width, height, orientation,
                 quarter_turns, duration, format, path, root_len, thumbhash, thumbnail, preview, digest)
             VALUES (:key, :entity, :asset, :content, :stack, :size, :media, :flags, :rating, :millis, :offset,
                 :latitude, :longitude, :width, :height, :orientation, :turns, :duration, :format, :path,
                 :root_len, :thumbhash, :thumbnail, :preview, :digest)
             ON CONFLICT (key) DO UPDATE SET entity = excluded.entity, asset = excluded.asset,
                 content = excluded.content, stack = excluded.stack,
                 cover = iif(:keeps_cover, cover, NULL), size_bytes = excluded.size_bytes, media = excluded.media,
                 flags = excluded.flags, rating = excluded.rating, local_millis = excluded.local_millis,
                 offset_minutes = excluded.offset_minutes, latitude_e7 = excluded.latitude_e7,
                 longitude_e7 = excluded.longitude_e7, width = excluded.width, height = excluded.height,
                 orientation = excluded.orientation, quarter_turns = excluded.quarter_turns,
                 duration = excluded.duration, format = excluded.format, path = excluded.path,
                 root_len = excluded.root_len, thumbhash = excluded.thumbhash,
                 thumbnail = excluded.thumbnail, preview = excluded.preview, digest = excluded.digest",
        )?
        .execute(named_params! {
            ":key": row.key.0,
            ":entity": row.to.entity,
            ":asset": row.to.asset.0.as_bytes(),
            ":content": (shown.content != row.to.asset.0).then(|| shown.content.as_bytes()),
            ":stack": shown.stacked_under.as_ref().map(|cover| cover.0.as_bytes()),
            // Stacks that it belongs to by itself are looked at afterwards.
            ":keeps_cover": !by_hand && row.to.is_in_stacks,
            ":size": shown.size_bytes,
            ":media": shown.media.code(),
            ":flags": shown.flags,
            ":rating": shown.rating,
            ":millis": shown.local_millis,
            ":offset": shown.offset_minutes,
            ":latitude": shown.position.map(|position| position.latitude_e7),
            ":longitude": shown.position.map(|position| position.longitude_e7),
            ":width": shown.width,
            ":height": shown.height,
            ":orientation": shown.orientation,
            ":turns": shown.quarter_turns,
            ":duration": shown.duration_millis,
            ":format": shown.format,
            ":path": shown.path,
            ":root_len": shown.root_len,
            ":thumbhash": shown.thumbhash,
            ":thumbnail": shown.thumbnail,
            ":preview": shown.preview,
            ":digest": row.to.digest,
        })
        .map(drop)
}

/// Puts an asset into the search index.
pub(super) fn write_words(
    connection: &Connection,
    labels: &mut Labels,
    key: TimelineKey,
    shown: &Projection,
) -> rusqlite::Result<()> {
    let facets = facet_text(connection, labels, shown)?;
    let words = &shown.words;
    connection
        .prepare_cached(
            "INSERT INTO search (rowid, facets, name, caption, tags, place, camera, lens, path)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            key.0,
            facets,
            &words.name,
            &words.caption,
            &words.tags,
            &words.place,
            &words.camera,
            &words.lens,
            &words.path,
        ))
        .map(drop)
}

/// All the tokens of an asset that are not words.
fn facet_text(connection: &Connection, labels: &mut Labels, shown: &Projection) -> rusqlite::Result<String> {
    let mut text = String::with_capacity(128);
    for facet in shown.facets() {
        text.push(facet.token());
        text.push(' ');
    }
    let mut label = |kind, identity: &[u8], names: Option<(&str, &str)>| -> rusqlite::Result<()> {
        text.push_str(&label_token(labels.number(connection, kind, identity, names)?));
        text.push(' ');
        Ok(())
    };
    for tag in &shown.tags {
        label(LabelKind::Tag, tag.as_bytes(), Some((tag, tag)))?;
    }
    for album in &shown.albums {
        label(LabelKind::Album, &album.0, None)?;
    }
    if let Some(format) = &shown.format {
        label(LabelKind::Format, format.as_bytes(), Some((format, format)))?;
    }
    for cell in shown.cells() {
        label(LabelKind::Cell, &cell.identity(), None)?;
    }
    Ok(text)
}

fn write_position(
    connection: &Connection,
    key: TimelineKey,
    position: Option<(i64, i64)>,
    replaces: bool,
) -> rusqlite::Result<()> {
    if replaces {
        connection.prepare_cached("DELETE FROM positions WHERE key = ?1")?.execute([key.0])?;
    }
    if let Some((latitude, longitude)) = position {
        connection
            .prepare_cached(
                "INSERT INTO positions (key, south, north, west, east) VALUES (?1, ?2, ?2, ?3, ?3)",
            )?
            .execute((key.0, latitude, longitude))?;
    }
    Ok(())
}

fn write_keys(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<()> {
    let mut versions =
        connection.prepare_cached("INSERT OR IGNORE INTO versions (content, entity) VALUES (?1, ?2)")?;
    for content in &row.to.shown.versions {
        versions.execute((content.as_bytes(), row.to.entity))?;
    }
    let mut paths =
        connection.prepare_cached("INSERT OR IGNORE INTO path_keys (hash, entity) VALUES (?1, ?2)")?;
    for hash in &row.to.shown.path_hashes {
        paths.execute((hash, row.to.entity))?;
    }
    Ok(())
}

/// Records the stacks that an asset belongs to; answers these and those that it belonged to.
fn write_stack_keys(connection: &Connection, asset: &Fresh) -> rusqlite::Result<BTreeSet<i64>> {
    let now: BTreeSet<i64> = asset.stack_hashes.iter().copied().collect();
    let before: BTreeSet<i64> = match asset.place {
        None => BTreeSet::new(),
        Some(_) => connection
            .prepare_cached("SELECT hash FROM stack_keys WHERE entity = ?1")?
            .query_map([asset.entity], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?,
    };
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO stack_keys (hash, entity) VALUES (?1, ?2)")?;
    let mut delete = connection.prepare_cached("DELETE FROM stack_keys WHERE hash = ?1 AND entity = ?2")?;
    for hash in now.difference(&before) {
        insert.execute((hash, asset.entity))?;
    }
    for hash in before.difference(&now) {
        delete.execute((hash, asset.entity))?;
    }
    Ok(now.union(&before).copied().collect())
}

fn total_of(key: TimelineKey, shown: &Projection) -> (TotalKey, Total) {
    let bytes = i64::try_from(shown.size_bytes).unwrap_or(i64::MAX);
    total(key, shown.local_millis, shown.media.code(), bytes, shown.flags)
}

fn total(key: TimelineKey, local_millis: i64, media: u16, bytes: i64, flags: i64) -> (TotalKey, Total) {
    let holds = |flag: Flag| i64::from(flags & flag.bit() != 0);
    let total =
        Total { assets: 1, bytes, linked: holds(Flag::Linked), undecodable: holds(Flag::Undecodable) };
    ((key.shelf().code(), month(local_millis), media), total)
}

/// Months since the year 0.
pub(crate) fn month(local_millis: i64) -> i64 {
    let moment = jiff::Timestamp::from_millisecond(local_millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let date = jiff::tz::Offset::UTC.to_datetime(moment).date();
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}

fn count(totals: &mut BTreeMap<TotalKey, Total>, (key, total): (TotalKey, Total), sign: i64) {
    let sum = totals.entry(key).or_default();
    sum.assets += sign * total.assets;
    sum.bytes += sign * total.bytes;
    sum.linked += sign * total.linked;
    sum.undecodable += sign * total.undecodable;
}

fn write_totals(connection: &Connection, totals: &BTreeMap<TotalKey, Total>) -> rusqlite::Result<()> {
    let mut add = connection.prepare_cached(
        "INSERT INTO totals (shelf, month, media, assets, bytes, linked, undecodable)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (shelf, month, media) DO UPDATE SET assets = assets + excluded.assets,
             bytes = bytes + excluded.bytes, linked = linked + excluded.linked,
             undecodable = undecodable + excluded.undecodable",
    )?;
    for ((shelf, month, media), total) in totals {
        if *total != Total::default() {
            add.execute((shelf, month, media, total.assets, total.bytes, total.linked, total.undecodable))?;
        }
    }
    Ok(())
}

/// One of the assets that share a stack key.
struct Member {
    key: i64,
    entity: i64,
    asset: Vec<u8>,
    media: MediaKind,
    flags: i64,
    cover: Option<i64>,
}

/// Puts the videos and RAW files of one stack under its photo. Deterministic in the members alone.
fn restack(connection: &Connection, hash: i64) -> rusqlite::Result<()> {
    let members: Vec<Member> = connection
        .prepare_cached(
            "SELECT t.key, t.entity, t.asset, t.media, t.flags, t.cover FROM stack_keys AS s
             JOIN entities AS e ON e.id = s.entity JOIN timeline AS t ON t.key = e.place
             WHERE s.hash = ?1 ORDER BY t.asset LIMIT 1000",
        )?
        .query_map([hash], |row| {
            Ok(Member {
                key: row.get(0)?,
                entity: row.get(1)?,
                asset: row.get(2)?,
                media: MediaKind::from_code(row.get(3)?),
                flags: row.get(4)?,
                cover: row.get(5)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let by_hand = |member: &Member| member.flags & Flag::StackedByHand.bit() != 0;
    let stackable = |member: &&Member| !by_hand(member) && TimelineKey(member.key).shelf() == Shelf::Shown;
    let photo = members.iter().filter(stackable).find(|member| member.media == MediaKind::Photo);
    let first_raw = members.iter().filter(stackable).find(|member| member.media == MediaKind::Raw);
    let cover = photo.or(first_raw);
    let mut update = connection.prepare_cached("UPDATE timeline SET cover = ?2 WHERE key = ?1")?;
    for member in members.iter().filter(|member| !by_hand(member)) {
        let under = cover.filter(|cover| {
            stackable(&member)
                && cover.asset != member.asset
                && (member.media == MediaKind::Video || photo.is_some() && member.media == MediaKind::Raw)
        });
        let under = under.map(|cover| cover.entity);
        if under != member.cover {
            update.execute((member.key, under))?;
        }
    }
    Ok(())
}

/// Puts what a person put under an asset there, as long as that asset is in the timeline.
fn stack_by_hand(connection: &Connection, cover: AssetId) -> rusqlite::Result<()> {
    let shown = KeyRange::of_shelf(Shelf::Shown);
    connection
        .prepare_cached(
            "UPDATE timeline SET cover =
                 (SELECT id FROM entities WHERE key = ?2 AND place BETWEEN ?3 AND ?4)
             WHERE stack = ?1",
        )?
        .execute((cover.0.as_bytes(), EntityId::Asset(cover).to_bytes(), shown.first, shown.last))
        .map(drop)
}
