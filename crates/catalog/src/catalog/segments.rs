//! Closing ops into segments, the outbox, and segments of other devices.
//!
//! Invariant: the final bytes of a segment are stored in the transaction that closes it, before any of them
//! leaves; they stay until the library says that they rest in the folder. Each device's segments are taken in
//! without a gap, each after everything that its author had seen.
//!
//! Specified in sl1-history §8 (outbox: §8.4).

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row};
use safelight_crypto::{Device, Entropy, Epoch};
use safelight_model::history::{ClearPart, Seen, Segment, SegmentBuilder, Standing, Tip};
use safelight_model::{Branch, DeviceId, LibraryId, ModelError, Op, OpBody, SegmentRoot, SegmentSeq};

use super::Catalog;
use super::branches::is_carried;
use super::fold::{Folder, Origin, device_number, in_transaction, observe, stamp_of};
use super::rebuild::RescuedSegment;
use super::sync::StoredSegment;
use crate::error::{CatalogError, Result};
use crate::rows::bytes_column;

/// Ops that were recorded here and are in no segment yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOps {
    /// How many.
    pub ops: u64,
    /// Their encoded bytes.
    pub bytes: u64,
    /// When the first of them was made, in milliseconds since 1970 by this device's clock.
    pub oldest_millis: Option<u64>,
}

/// A closed segment in the outbox, to be written to the library folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the segment rests nowhere but in the catalogue until its bytes are written"]
pub struct PlacedSegment {
    /// Whose it is.
    pub device: DeviceId,
    /// Its number.
    pub seq: SegmentSeq,
    /// Its final bytes: every place gets exactly these.
    pub bytes: Vec<u8>,
}

/// What came of a segment.
#[derive(Debug, Default)]
pub struct TakenIn {
    /// Ops that were not known before.
    pub new_ops: u64,
    /// Ops that cannot be read, which a faulty device wrote; the others stand.
    pub unreadable: Vec<ModelError>,
}

/// Whether a segment may hold no op.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Emptiness {
    Allowed,
    Refused,
}

impl Catalog {
    /// What waits to be closed into a segment: it would be lost with the catalogue.
    ///
    /// # Errors
    /// Those of the database.
    pub fn open_ops(&self) -> Result<OpenOps> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT count(*), ifnull(sum(length(bytes)), 0), min(stamp) FROM ops
                     WHERE segment IS NULL",
                )?
                .query_row([], |row| {
                    Ok(OpenOps {
                        ops: row.get(0)?,
                        bytes: row.get(1)?,
                        oldest_millis: row.get::<_, Option<i64>>(2)?.map(|stamp| stamp_of(stamp).millis),
                    })
                })
        })
    }

    /// The encoded ops that are in no segment yet, oldest first: what to rescue before a rebuild.
    ///
    /// # Errors
    /// Those of the database.
    pub fn open_op_bytes(&self) -> Result<Vec<Vec<u8>>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT bytes FROM ops WHERE segment IS NULL ORDER BY number")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// What is remembered of a segment: its ops that no segment before it held, encoded, in their order.
    ///
    /// # Errors
    /// Those of the database.
    pub fn segment_op_bytes(&self, segment: &StoredSegment) -> Result<Vec<Vec<u8>>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT bytes FROM ops WHERE segment = ?1 ORDER BY number")?
                .query_map([segment.number], |row| row.get(0))?
                .collect()
        })
    }

    /// Takes in ops that this device made in an earlier catalogue and had not closed into a segment.
    ///
    /// # Errors
    /// As [`Catalog::change`]; [`CatalogError::Model`] for bytes that are no op.
    pub fn adopt(&mut self, ops: &[Vec<u8>], now_millis: u64) -> Result<u64> {
        let device = self.device;
        self.within(|connection, labels, _| {
            let device = device_number(connection, device.as_bytes()).map_err(in_transaction)?;
            let mut folder = Folder::new(connection, labels, now_millis);
            let mut new = 0;
            for bytes in ops {
                let op = Op::from_bytes(bytes)?;
                observe(connection, op.stamp, now_millis).map_err(in_transaction)?;
                new += u64::from(folder.take(&op, bytes, Origin { device, segment: None })?);
            }
            folder.finish()?;
            Ok(new)
        })
    }

    /// Closes the open ops, oldest first, into the next segment of this device, as many as fit; `None` if
    /// there are none. Call again until then. The bytes are in the outbox ([`Catalog::outbox`]) when this
    /// returns; write them to the folder and say so with [`Catalog::mark_placed`].
    ///
    /// # Errors
    /// [`CatalogError::NotThisDevice`] if the keys are of another device than the catalogue.
    pub fn close_segment(
        &mut self,
        library: LibraryId,
        device: &Device,
        epoch: &Epoch,
        entropy: &mut dyn Entropy,
    ) -> Result<Option<PlacedSegment>> {
        self.close_next(library, device, epoch, entropy, Emptiness::Refused)
    }

    /// Closes the next segment even if nothing is open: a device that is there says so (sl1-history §10.3).
    ///
    /// # Errors
    /// As [`Catalog::close_segment`].
    pub fn close_segment_anyway(
        &mut self,
        library: LibraryId,
        device: &Device,
        epoch: &Epoch,
        entropy: &mut dyn Entropy,
    ) -> Result<Option<PlacedSegment>> {
        self.close_next(library, device, epoch, entropy, Emptiness::Allowed)
    }

    fn close_next(
        &mut self,
        library: LibraryId,
        device: &Device,
        epoch: &Epoch,
        entropy: &mut dyn Entropy,
        emptiness: Emptiness,
    ) -> Result<Option<PlacedSegment>> {
        self.require_device(device)?;
        self.within(|connection, _, _| close_one(connection, library, device, epoch, entropy, emptiness))
    }

    /// Makes one op of each body, folds them, and closes all open ops into segments, in one transaction: nobody sees the
    /// ops without the segment that carries them, and it is sealed under this epoch and no later one.
    ///
    /// # Errors
    /// As [`Catalog::append`] and [`Catalog::close_segment`].
    pub fn append_and_close(
        &mut self,
        now_millis: u64,
        bodies: Vec<OpBody>,
        (library, device, epoch): (LibraryId, &Device, &Epoch),
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        self.require_device(device)?;
        self.change(now_millis, |change| {
            bodies.into_iter().try_for_each(|body| change.push(body).map(drop))?;
            let connection = change.folder.connection;
            while close_one(connection, library, device, epoch, entropy, Emptiness::Refused)?.is_some() {}
            Ok(())
        })
    }

    fn require_device(&self, device: &Device) -> Result<()> {
        if device.id() == self.device {
            return Ok(());
        }
        Err(CatalogError::NotThisDevice { known: self.device, given: device.id() })
    }

    /// Segments that were closed here or arrived, and are not known to rest in the folder: write them there.
    ///
    /// # Errors
    /// Those of the database.
    pub fn outbox(&self) -> Result<Vec<PlacedSegment>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT d.device, s.seq, s.bytes FROM segments AS s JOIN devices AS d ON d.id = s.device
                     WHERE s.placed = 0 ORDER BY s.id",
                )?
                .query_map([], |row| {
                    Ok(PlacedSegment {
                        device: DeviceId::from_bytes(bytes_column(row, 0)?),
                        seq: SegmentSeq(row.get(1)?),
                        bytes: row.get(2)?,
                    })
                })?
                .collect()
        })
    }

    /// Records that a segment's bytes rest durably in the folder, so that they need not be kept here too.
    ///
    /// # Errors
    /// Those of the database.
    pub fn mark_placed(&mut self, device: DeviceId, seq: SegmentSeq) -> Result<()> {
        self.within(|connection, _, _| {
            connection
                .prepare_cached(
                    "UPDATE segments SET placed = 1, bytes = NULL
                     WHERE seq = ?2 AND device = (SELECT id FROM devices WHERE device = ?1)",
                )
                .and_then(|mut update| update.execute((device.as_bytes(), seq.0)))
                .map(drop)
                .map_err(in_transaction)
        })
    }

    /// The end of a device's chain as known here.
    ///
    /// # Errors
    /// Those of the database.
    pub fn tip(&self, device: DeviceId) -> Result<Tip> {
        self.database.read(|connection| tip(connection, device))
    }

    /// The ends of all chains known here, this device's too.
    ///
    /// # Errors
    /// Those of the database.
    pub fn tips(&self) -> Result<Vec<(DeviceId, Tip)>> {
        self.database.read(tips)
    }

    /// Takes in a verified segment of any device, all or nothing. One that is known changes nothing.
    ///
    /// # Errors
    /// [`CatalogError::OutOfOrder`] names what has to come first, [`CatalogError::Forked`] a chain that is not
    /// the known one; an op that must be understood and is not refuses the segment.
    pub fn fold_segment(&mut self, segment: &Segment, now_millis: u64) -> Result<TakenIn> {
        self.fold_kept(segment, None, &BTreeSet::new(), now_millis)
    }

    /// Takes in a verified segment that arrived from elsewhere, and keeps its bytes in the outbox until they
    /// rest in the folder: whoever holds a segment can hand it on, exactly as its device wrote it. `promised` are
    /// segments of forked chains whose ops come with others that wait: nothing waits for those.
    ///
    /// # Errors
    /// As [`Catalog::fold_segment`].
    pub fn take_segment(
        &mut self,
        segment: &Segment,
        bytes: &[u8],
        promised: &BTreeSet<Branch>,
        now_millis: u64,
    ) -> Result<TakenIn> {
        self.fold_kept(segment, Some(bytes), promised, now_millis)
    }

    fn fold_kept(
        &mut self,
        segment: &Segment,
        bytes: Option<&[u8]>,
        promised: &BTreeSet<Branch>,
        now_millis: u64,
    ) -> Result<TakenIn> {
        self.within(|connection, labels, _| {
            let clear = segment.clear();
            let out_of_order = |missing: String| CatalogError::OutOfOrder {
                device: clear.device,
                seq: clear.seq.0,
                missing,
            };
            let own = tip(connection, clear.device).map_err(in_transaction)?;
            match own.judge(clear) {
                Standing::Next => {}
                Standing::Same => return Ok(TakenIn::default()),
                Standing::Earlier => return known_again(connection, clear),
                Standing::Fork => return Err(forked(clear)),
                Standing::Gap => {
                    return Err(out_of_order(format!("segment {} of the same device", own.seq.0 + 1)));
                }
            }
            for (device, seen) in segment.seen().iter() {
                let here = tip(connection, device).map_err(in_transaction)?;
                let branch = Branch { device, seq: seen.seq, root: seen.root };
                let is_there = here.seq >= seen.seq
                    || promised.contains(&branch)
                    || is_carried(connection, device, seen).map_err(in_transaction)?;
                if !is_there {
                    return Err(out_of_order(format!("segment {} of device {device}", here.seq.0 + 1)));
                }
            }
            let mut folder = Folder::new(connection, labels, now_millis);
            let taken = take_in(&mut folder, segment, bytes, now_millis)?;
            folder.finish()?;
            Ok(taken)
        })
    }
}

/// Closes the open ops that fit, oldest first, into the next segment of a device.
fn close_one(
    connection: &Connection,
    library: LibraryId,
    device: &Device,
    epoch: &Epoch,
    entropy: &mut dyn Entropy,
    emptiness: Emptiness,
) -> Result<Option<PlacedSegment>> {
    let own = tip(connection, device.id()).map_err(in_transaction)?;
    let others = tips(connection).map_err(in_transaction)?;
    let seen = Seen::new(others.into_iter().filter(|(other, _)| *other != device.id()));
    let mut builder = SegmentBuilder::new(library, own, seen);
    let numbers = fill(connection, &mut builder)?;
    if builder.is_empty() && emptiness == Emptiness::Refused {
        return Ok(None);
    }
    let closed = builder.close(device, epoch, entropy)?;
    let clear = closed.segment.clear();
    let number =
        insert_segment(connection, clear.device, clear.tip(), Some(&closed.bytes)).map_err(in_transaction)?;
    assign(connection, &numbers, number).map_err(in_transaction)?;
    Ok(Some(PlacedSegment { device: clear.device, seq: clear.seq, bytes: closed.bytes }))
}

/// Records and folds what a segment says; the caller has checked that it is its turn.
pub(super) fn take_in(
    folder: &mut Folder<'_>,
    segment: &Segment,
    outbox: Option<&[u8]>,
    now_millis: u64,
) -> Result<TakenIn> {
    let clear = segment.clear();
    let connection = folder.connection;
    let number = insert_segment(connection, clear.device, clear.tip(), outbox).map_err(in_transaction)?;
    let device = device_number(connection, clear.device.as_bytes()).map_err(in_transaction)?;
    let mut taken = TakenIn::default();
    let mut latest = None;
    for bytes in segment.encoded_ops() {
        match Op::from_bytes(bytes) {
            Ok(op) => {
                latest = latest.max(Some(op.stamp));
                let origin = Origin { device, segment: Some(number) };
                taken.new_ops += u64::from(folder.take(&op, bytes, origin)?);
            }
            Err(error) => taken.unreadable.push(error),
        }
    }
    if let Some(stamp) = latest {
        observe(connection, stamp, now_millis).map_err(in_transaction)?;
    }
    Ok(taken)
}

/// Records and folds what an earlier catalogue remembers of a segment; answers how many ops were new.
pub(super) fn take_in_again(
    folder: &mut Folder<'_>,
    remembered: &RescuedSegment,
    now_millis: u64,
) -> Result<u64> {
    let connection = folder.connection;
    let number =
        insert_segment(connection, remembered.device, remembered.tip, None).map_err(in_transaction)?;
    let device = device_number(connection, remembered.device.as_bytes()).map_err(in_transaction)?;
    let mut new_ops = 0;
    for bytes in &remembered.ops {
        let op = Op::from_bytes(bytes)?;
        observe(connection, op.stamp, now_millis).map_err(in_transaction)?;
        new_ops += u64::from(folder.take(&op, bytes, Origin { device, segment: Some(number) })?);
    }
    Ok(new_ops)
}

/// Fills a segment with open ops, oldest first; answers which. Statements come before all others: the one that admits
/// this device may be among them, and nobody reads far in the chain of a stranger.
fn fill(connection: &Connection, builder: &mut SegmentBuilder) -> Result<Vec<i64>> {
    let mut numbers = Vec::new();
    for which in ["kind = 16", "kind <> 16"] {
        let mut statement = connection
            .prepare_cached(&format!(
                "SELECT number, bytes FROM ops WHERE segment IS NULL AND {which} ORDER BY number"
            ))
            .map_err(in_transaction)?;
        let mut rows = statement.query([]).map_err(in_transaction)?;
        while builder.has_room()
            && let Some(row) = rows.next().map_err(in_transaction)?
        {
            let (number, bytes): (i64, Vec<u8>) = number_and_bytes(row).map_err(in_transaction)?;
            builder.push_encoded(&bytes)?;
            numbers.push(number);
        }
    }
    Ok(numbers)
}

fn number_and_bytes(row: &Row<'_>) -> rusqlite::Result<(i64, Vec<u8>)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn assign(connection: &Connection, numbers: &[i64], segment: i64) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached("UPDATE ops SET segment = ?2 WHERE number = ?1")?;
    numbers.iter().try_for_each(|number| update.execute((number, segment)).map(drop))
}

fn insert_segment(
    connection: &Connection,
    device: DeviceId,
    tip: Tip,
    outbox: Option<&[u8]>,
) -> rusqlite::Result<i64> {
    let device = device_number(connection, device.as_bytes())?;
    connection
        .prepare_cached(
            "INSERT INTO segments (device, seq, root, placed, bytes) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
        )?
        .query_row((device, tip.seq.0, tip.root.0.as_slice(), outbox.is_none(), outbox), |row| row.get(0))
}

pub(super) fn tip(connection: &Connection, device: DeviceId) -> rusqlite::Result<Tip> {
    connection
        .prepare_cached(
            "SELECT s.seq, s.root FROM segments AS s JOIN devices AS d ON d.id = s.device
             WHERE d.device = ?1 ORDER BY s.seq DESC LIMIT 1",
        )?
        .query_row([device.as_bytes()], |row| {
            Ok(Tip { seq: SegmentSeq(row.get(0)?), root: SegmentRoot(bytes_column(row, 1)?) })
        })
        .optional()
        .map(Option::unwrap_or_default)
}

pub(super) fn tips(connection: &Connection) -> rusqlite::Result<Vec<(DeviceId, Tip)>> {
    connection
        .prepare_cached(
            "SELECT d.device, s.seq, s.root FROM devices AS d JOIN segments AS s ON s.device = d.id
             WHERE s.seq = (SELECT max(seq) FROM segments WHERE device = d.id) ORDER BY d.device",
        )?
        .query_map([], |row| {
            let tip = Tip { seq: SegmentSeq(row.get(1)?), root: SegmentRoot(bytes_column(row, 2)?) };
            Ok((DeviceId::from_bytes(bytes_column(row, 0)?), tip))
        })?
        .collect()
}

/// A segment of a number that was passed: the same one again, or a fork.
fn known_again(connection: &Connection, clear: &ClearPart) -> Result<TakenIn> {
    let root: Option<Vec<u8>> = connection
        .prepare_cached(
            "SELECT s.root FROM segments AS s JOIN devices AS d ON d.id = s.device
             WHERE d.device = ?1 AND s.seq = ?2",
        )
        .and_then(|mut select| {
            select.query_row((clear.device.as_bytes(), clear.seq.0), |row| row.get(0)).optional()
        })
        .map_err(in_transaction)?;
    if root.as_deref() == Some(clear.root.0.as_slice()) { Ok(TakenIn::default()) } else { Err(forked(clear)) }
}

fn forked(clear: &ClearPart) -> CatalogError {
    CatalogError::Forked { device: clear.device, seq: clear.seq.0 }
}
