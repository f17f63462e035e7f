//! What rests in which remote, as history says it: replicas, marks, acknowledgements and lapses.
//!
//! Invariant: these tables are sets that ops are joined into, so the order of ops does not matter, and a rebuild
//! comes to the same (but for when an acknowledgement was read: a rebuilt catalogue read all of them when it was
//! rebuilt). A record of a marked object is void, in whatever order they came: every question asked here leaves it
//! out. Specified in sl1-history §10.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row};
use safelight_model::{
    AssetId, ContentHash, DeviceId, Lapse, Life, Mark, MarkReason, ObjectName, OpBody, OpId, OpRange,
    Original, PlaceId, PlacedObject, Replicas, SegmentSeq,
};

use super::Catalog;
use super::fold::version_holders;
use crate::error::Result;
use crate::rows::bytes_column;

/// A mark and which remote it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredMark {
    /// The number of its op in this catalogue.
    pub number: i64,
    /// Its op.
    pub op: OpId,
    /// The remote.
    pub place: PlaceId,
    /// Why.
    pub why: MarkReason,
}

/// What assets say of one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentUse {
    /// All ops that added it, in whatever life, of whatever asset, and the original as each records it: two devices may
    /// have sealed one content under two names.
    pub additions: Vec<(OpId, Original)>,
    /// Whether an addition of a life that is not purged references it, replaced ones included.
    pub is_referenced: bool,
}

impl ContentUse {
    /// The original of which an object is a part, and which part it is.
    #[must_use]
    pub fn part(&self, name: &ObjectName) -> Option<(&Original, u32)> {
        self.additions.iter().find_map(|(_, original)| {
            let parts = &original.parts;
            let number = parts.iter().position(|part| part.name == *name)?;
            Some((original, u32::try_from(number).ok()?))
        })
    }

    /// The ops whose original has this part: what is recorded of others says nothing of it.
    fn ops_with(&self, name: &ObjectName) -> impl Iterator<Item = OpId> {
        self.additions
            .iter()
            .filter(move |(_, original)| original.parts.iter().any(|part| part.name == *name))
            .map(|(op, _)| *op)
    }
}

/// Folds what an op says of remotes; `number` is that of the op.
pub(super) fn fold(
    connection: &Connection,
    body: &OpBody,
    number: i64,
    device: i64,
    now_millis: u64,
) -> rusqlite::Result<()> {
    match body {
        OpBody::Replicas(replicas) => fold_replicas(connection, replicas, number),
        OpBody::Mark(mark) => fold_mark(connection, mark, number),
        OpBody::Acknowledged { marks } => {
            let mut insert = connection.prepare_cached(
                "INSERT OR IGNORE INTO acknowledgements (session, counter, device, read_millis)
                 VALUES (?1, ?2, ?3, ?4)",
            )?;
            let now = now_millis.min(i64::MAX.unsigned_abs()).cast_signed();
            marks.into_iter().try_for_each(|mark| {
                insert.execute((mark.session.cast_signed(), mark.counter, device, now)).map(drop)
            })
        }
        OpBody::Lapse(lapse) => connection
            .prepare_cached("INSERT OR IGNORE INTO lapses (device, seq) VALUES (?1, ?2)")?
            .execute((lapse.device.as_bytes(), lapse.seq.0))
            .map(drop),
        _ => Ok(()),
    }
}

fn fold_replicas(connection: &Connection, replicas: &Replicas, number: i64) -> rusqlite::Result<()> {
    let place = place_number(connection, replicas.place)?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO placed_ranges (place, session, first, last, op) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for range in &replicas.additions {
        insert.execute((place, range.session.cast_signed(), range.first, range.last, number))?;
    }
    let mut insert = connection
        .prepare_cached("INSERT INTO placed_exceptions (op, session, counter) VALUES (?1, ?2, ?3)")?;
    for op in &replicas.except {
        insert.execute((number, op.session.cast_signed(), op.counter))?;
    }
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO placed_objects (place, class, name, generation) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for object in &replicas.objects {
        insert.execute((place, object.class, object.name.as_bytes(), object.generation))?;
    }
    Ok(())
}

fn fold_mark(connection: &Connection, mark: &Mark, number: i64) -> rusqlite::Result<()> {
    let place = place_number(connection, mark.place)?;
    connection.prepare_cached("INSERT INTO marks (number, place, why) VALUES (?1, ?2, ?3)")?.execute((
        number,
        place,
        mark.why.code(),
    ))?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO marked_objects (place, class, name, generation, mark) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    mark.objects.iter().try_for_each(|object| {
        insert.execute((place, object.class, object.name.as_bytes(), object.generation, number)).map(drop)
    })
}

fn place_number(connection: &Connection, place: PlaceId) -> rusqlite::Result<i64> {
    if let Some(number) = known_place(connection, place)? {
        return Ok(number);
    }
    connection
        .prepare_cached("INSERT INTO places (place) VALUES (?1) RETURNING id")?
        .query_row([place.0.as_slice()], |row| row.get(0))
}

fn known_place(connection: &Connection, place: PlaceId) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM places WHERE place = ?1")?
        .query_row([place.0.as_slice()], |row| row.get(0))
        .optional()
}

impl Catalog {
    /// Whether any op names a remote.
    ///
    /// # Errors
    /// Those of the database.
    pub fn names_place(&self, place: PlaceId) -> Result<bool> {
        self.database.read(|connection| known_place(connection, place).map(|number| number.is_some()))
    }

    /// The remotes that ops name.
    ///
    /// # Errors
    /// Those of the database.
    pub fn places(&self) -> Result<Vec<PlaceId>> {
        let places = self.database.read(all_places)?;
        Ok(places.into_iter().map(|(_, place)| place).collect())
    }

    /// The generation under which an object is put next: one more than the highest that is marked, else 0.
    ///
    /// # Errors
    /// Those of the database.
    pub fn next_generation(&self, place: PlaceId, class: u8, name: &ObjectName) -> Result<u32> {
        self.database.read(|connection| {
            let highest: Option<u32> = connection
                .prepare_cached(
                    "SELECT max(m.generation) FROM marked_objects AS m JOIN places AS p ON p.id = m.place
                     WHERE p.place = ?1 AND m.class = ?2 AND m.name = ?3",
                )?
                .query_row((place.0.as_slice(), class, name.as_bytes()), |row| row.get(0))?;
            Ok(highest.map_or(0, |highest| highest.saturating_add(1)))
        })
    }

    /// Whether any mark names an object.
    ///
    /// # Errors
    /// Those of the database.
    pub fn is_marked(&self, place: PlaceId, object: &PlacedObject) -> Result<bool> {
        self.database.read(|connection| is_marked(connection, place, object))
    }

    /// The marks that name an object.
    ///
    /// # Errors
    /// Those of the database.
    pub fn marks_of(&self, place: PlaceId, object: &PlacedObject) -> Result<Vec<StoredMark>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT m.number, o.session, o.counter, p.place, m.why FROM marked_objects AS x
                     JOIN places AS p ON p.id = x.place JOIN marks AS m ON m.number = x.mark
                     JOIN ops AS o ON o.number = m.number
                     WHERE p.place = ?1 AND x.class = ?2 AND x.name = ?3 AND x.generation = ?4
                     ORDER BY m.number",
                )?
                .query_map(
                    (place.0.as_slice(), object.class, object.name.as_bytes(), object.generation),
                    read_mark,
                )?
                .collect()
        })
    }

    /// The marks behind number `after` that this device has not acknowledged, at most `limit`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn unacknowledged_marks(&self, after: i64, limit: usize) -> Result<Vec<StoredMark>> {
        let device = self.device();
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT m.number, o.session, o.counter, p.place, m.why FROM marks AS m
                     JOIN places AS p ON p.id = m.place JOIN ops AS o ON o.number = m.number
                     WHERE m.number > ?1 AND NOT EXISTS (SELECT 1 FROM acknowledgements AS a
                         JOIN devices AS d ON d.id = a.device
                         WHERE a.session = o.session AND a.counter = o.counter AND d.device = ?2)
                     ORDER BY m.number LIMIT ?3",
                )?
                .query_map((after, device.as_bytes(), limit), read_mark)?
                .collect()
        })
    }

    /// The marks of a place behind number `after`, at most `limit`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn marks_at(&self, place: PlaceId, after: i64, limit: usize) -> Result<Vec<StoredMark>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT m.number, o.session, o.counter, p.place, m.why FROM marks AS m
                     JOIN places AS p ON p.id = m.place JOIN ops AS o ON o.number = m.number
                     WHERE m.number > ?1 AND p.place = ?2 ORDER BY m.number LIMIT ?3",
                )?
                .query_map((after, place.0.as_slice(), limit), read_mark)?
                .collect()
        })
    }

    /// The objects that a mark names, ascending.
    ///
    /// # Errors
    /// Those of the database.
    pub fn marked_objects(&self, mark: &StoredMark) -> Result<Vec<PlacedObject>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT class, name, generation FROM marked_objects WHERE mark = ?1
                     ORDER BY class, name, generation",
                )?
                .query_map([mark.number], |row| read_object(row, 0))?
                .collect()
        })
    }

    /// Who acknowledged a mark, and when that was read here.
    ///
    /// # Errors
    /// Those of the database.
    pub fn acknowledgements(&self, mark: OpId) -> Result<BTreeMap<DeviceId, i64>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT d.device, a.read_millis FROM acknowledgements AS a
                     JOIN devices AS d ON d.id = a.device WHERE a.session = ?1 AND a.counter = ?2",
                )?
                .query_map((mark.session.cast_signed(), mark.counter), |row| {
                    Ok((DeviceId::from_bytes(bytes_column(row, 0)?), row.get(1)?))
                })?
                .collect()
        })
    }

    /// Up to which segment each device was declared silent, where any device was.
    ///
    /// # Errors
    /// Those of the database.
    pub fn lapses(&self) -> Result<Vec<Lapse>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT device, max(seq) FROM lapses GROUP BY device")?
                .query_map([], |row| {
                    let device = DeviceId::from_bytes(bytes_column(row, 0)?);
                    Ok(Lapse { device, seq: SegmentSeq(row.get(1)?) })
                })?
                .collect()
        })
    }

    /// Whether a device is lapsed: its chain, as read here, does not go beyond the segment that some lapse names.
    ///
    /// # Errors
    /// Those of the database.
    pub fn is_lapsed(&self, device: DeviceId) -> Result<bool> {
        let tip = self.tip(device)?;
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT 1 FROM lapses WHERE device = ?1 AND seq >= ?2")?
                .exists((device.as_bytes(), tip.seq.0))
        })
    }

    /// What assets say of a content; none if no op ever added it. One that was forgotten is known, and nobody needs it.
    ///
    /// # Errors
    /// As [`Catalog::asset_state`].
    pub fn content_use(&self, content: &ContentHash) -> Result<Option<ContentUse>> {
        let mut assets = vec![AssetId(*content)];
        assets.extend(self.database.read(|connection| version_holders(connection, content))?);
        let mut found: Option<ContentUse> = None;
        for asset in assets {
            let Some(state) = self.asset_state(asset)? else { continue };
            for (_, life) in state.lives() {
                for write in life.contents().of_content(*content) {
                    let found = found
                        .get_or_insert_with(|| ContentUse { additions: Vec::new(), is_referenced: false });
                    found.additions.push((write.op, write.value.original.clone()));
                    found.is_referenced |= !life.is_purged();
                }
            }
        }
        if found.is_none() && self.content_state(*content)?.is_some_and(|known| known.life() > Life(0)) {
            found = Some(ContentUse { additions: Vec::new(), is_referenced: false });
        }
        Ok(found)
    }

    /// The remotes in which a content rests whole: each part of it, as some op names them, has a replica there in
    /// whatever generation that is not marked.
    ///
    /// # Errors
    /// Those of the database.
    pub fn places_of(&self, used: &ContentUse) -> Result<BTreeSet<PlaceId>> {
        self.database.read(|connection| {
            let mut found = BTreeSet::new();
            for (number, place) in all_places(connection)? {
                for (_, original) in &used.additions {
                    let mut all = !original.parts.is_empty();
                    for part in &original.parts {
                        all = all && has_part(connection, number, used, &part.name)?;
                    }
                    if all {
                        found.insert(place);
                    }
                }
            }
            Ok(found)
        })
    }

    /// Whether one part of an original has a replica in a remote, in whatever generation that is not marked.
    ///
    /// # Errors
    /// Those of the database.
    pub fn has_replica(&self, place: PlaceId, used: &ContentUse, part: &ObjectName) -> Result<bool> {
        self.database.read(|connection| match known_place(connection, place)? {
            Some(number) => has_part(connection, number, used, part),
            None => Ok(false),
        })
    }

    /// Whether one part of an original has a replica anywhere, in whatever generation that is not marked.
    ///
    /// # Errors
    /// Those of the database.
    pub fn has_replica_anywhere(&self, used: &ContentUse, part: &ObjectName) -> Result<bool> {
        self.database.read(|connection| {
            for (number, _) in all_places(connection)? {
                if has_part(connection, number, used, part)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// The remotes in which an object that is listed one by one, such as a pack, has a replica that is not marked.
    ///
    /// # Errors
    /// Those of the database.
    pub fn places_of_object(&self, class: u8, name: &ObjectName) -> Result<BTreeSet<PlaceId>> {
        self.database.read(|connection| {
            let mut found = BTreeSet::new();
            for (number, place) in all_places(connection)? {
                if has_replica(connection, number, class, name, false)? {
                    found.insert(place);
                }
            }
            Ok(found)
        })
    }

    /// Makes ranges of additions, as short as may be: only ops that are known here and are no other additions lie
    /// between those that are named, so that no range ever grows over what is not meant.
    ///
    /// # Errors
    /// Those of the database.
    pub fn ranges_over(&self, additions: &BTreeSet<OpId>) -> Result<Vec<OpRange>> {
        self.database.read(|connection| {
            let mut between = connection.prepare_cached(
                "SELECT count(*), count(*) FILTER (WHERE kind IN (2, 4)) FROM ops
                 WHERE session = ?1 AND counter > ?2 AND counter < ?3",
            )?;
            let mut ranges: Vec<OpRange> = Vec::new();
            for op in additions {
                if let Some(range) = ranges.last_mut().filter(|range| range.session == op.session) {
                    let gap = op.counter - range.last - 1;
                    let (known, others): (u32, u32) = between
                        .query_row((op.session.cast_signed(), range.last, op.counter), |row| {
                            Ok((row.get(0)?, row.get(1)?))
                        })?;
                    if known == gap && others == 0 {
                        range.last = op.counter;
                        continue;
                    }
                }
                ranges.push(OpRange { session: op.session, first: op.counter, last: op.counter });
            }
            Ok(ranges)
        })
    }

    /// The purged assets of purges behind op number `after`, at most `limit`, and the last number that was looked at.
    ///
    /// # Errors
    /// Those of the database.
    pub fn purged_after(&self, after: i64, limit: usize) -> Result<(Vec<AssetId>, i64)> {
        let rows: Vec<(i64, Vec<u8>)> = self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT o.number, e.key FROM ops AS o JOIN entities AS e ON e.id = o.entity
                     WHERE o.kind = 14 AND o.number > ?1 ORDER BY o.number LIMIT ?2",
                )?
                .query_map((after, limit), |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        let last = rows.last().map_or(after, |(number, _)| *number);
        let asset = |key: &Vec<u8>| match safelight_model::EntityId::from_bytes(key) {
            Some(safelight_model::EntityId::Asset(asset)) => Some(asset),
            _ => None,
        };
        Ok((rows.iter().filter_map(|(_, key)| asset(key)).collect(), last))
    }
}

fn all_places(connection: &Connection) -> rusqlite::Result<Vec<(i64, PlaceId)>> {
    connection
        .prepare_cached("SELECT id, place FROM places ORDER BY id")?
        .query_map([], |row| Ok((row.get(0)?, PlaceId(bytes_column(row, 1)?))))?
        .collect()
}

fn has_part(
    connection: &Connection,
    place: i64,
    used: &ContentUse,
    part: &ObjectName,
) -> rusqlite::Result<bool> {
    let is_recorded = is_in_ranges(connection, place, used.ops_with(part))?;
    has_replica(connection, place, b'o', part, is_recorded)
}

fn is_in_ranges(
    connection: &Connection,
    place: i64,
    additions: impl Iterator<Item = OpId>,
) -> rusqlite::Result<bool> {
    let mut find = connection.prepare_cached(
        "SELECT 1 FROM placed_ranges AS r WHERE r.place = ?1 AND r.session = ?2 AND r.first <= ?3
             AND r.last >= ?3 AND NOT EXISTS (SELECT 1 FROM placed_exceptions AS x
                 WHERE x.op = r.op AND x.session = ?2 AND x.counter = ?3) LIMIT 1",
    )?;
    for op in additions {
        if find.exists((place, op.session.cast_signed(), op.counter))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether an object has a replica in some generation; `is_recorded`: ranges say that generation 0 is there.
fn has_replica(
    connection: &Connection,
    place: i64,
    class: u8,
    name: &ObjectName,
    is_recorded: bool,
) -> rusqlite::Result<bool> {
    let first_is_marked = || {
        connection
            .prepare_cached(
                "SELECT 1 FROM marked_objects WHERE place = ?1 AND class = ?2 AND name = ?3 AND generation = 0",
            )?
            .exists((place, class, name.as_bytes()))
    };
    if is_recorded && !first_is_marked()? {
        return Ok(true);
    }
    connection
        .prepare_cached(
            "SELECT 1 FROM placed_objects AS o WHERE o.place = ?1 AND o.class = ?2 AND o.name = ?3
             AND NOT EXISTS (SELECT 1 FROM marked_objects AS m WHERE m.place = o.place AND m.class = o.class
                 AND m.name = o.name AND m.generation = o.generation) LIMIT 1",
        )?
        .exists((place, class, name.as_bytes()))
}

fn is_marked(connection: &Connection, place: PlaceId, object: &PlacedObject) -> rusqlite::Result<bool> {
    let Some(place) = known_place(connection, place)? else { return Ok(false) };
    connection
        .prepare_cached(
            "SELECT 1 FROM marked_objects WHERE place = ?1 AND class = ?2 AND name = ?3 AND generation = ?4",
        )?
        .exists((place, object.class, object.name.as_bytes(), object.generation))
}

fn read_mark(row: &Row<'_>) -> rusqlite::Result<StoredMark> {
    let op = OpId { session: row.get::<_, i64>(1)?.cast_unsigned(), counter: row.get(2)? };
    let place = PlaceId(bytes_column(row, 3)?);
    Ok(StoredMark { number: row.get(0)?, op, place, why: MarkReason::from_code(row.get(4)?) })
}

fn read_object(row: &Row<'_>, first: usize) -> rusqlite::Result<PlacedObject> {
    Ok(PlacedObject {
        class: row.get(first)?,
        name: ObjectName::from_bytes(bytes_column(row, first + 1)?),
        generation: row.get(first + 2)?,
    })
}
