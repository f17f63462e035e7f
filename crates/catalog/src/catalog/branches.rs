//! Chains that forked: a device was copied or restored, and both copies published under one number.
//!
//! Invariant: of each number one segment is in the table of segments, the first that arrived. The ops of every
//! other one are open here, under their own ids, until the next segment of this device carries them, unless
//! somebody else's does. Which segments are carried, ops of kind 27 say. So both branches reach everybody, and
//! nobody waits for a segment that another branch keeps out of a place.
//!
//! Specified in sl1-history §8.10.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};
use safelight_model::history::{Segment, Tip, ends_of};
use safelight_model::{Branch, DeviceId, KindNumber, MAX_BRANCHES, Op, OpBody, SegmentRoot, SegmentSeq};

use super::Catalog;
use super::change::Change;
use super::fold::{Origin, device_number, in_transaction};
use super::segments::{TakenIn, tips};
use super::sync::segment_root;
use crate::error::{CatalogError, Result};
use crate::rows::bytes_column;

/// Acknowledged: what it means depends on whose chain holds it, so no other chain may.
const ACKNOWLEDGED: KindNumber = KindNumber(9);

impl Catalog {
    /// Whether some chain carries the ops of this segment of a forked one.
    ///
    /// # Errors
    /// Those of the database.
    pub fn is_carried(&self, device: DeviceId, tip: Tip) -> Result<bool> {
        self.database.read(|connection| is_carried(connection, device, tip))
    }

    /// All segments of forked chains that some chain carries.
    ///
    /// # Errors
    /// Those of the database.
    pub fn carried(&self) -> Result<BTreeSet<Branch>> {
        self.database.read(carried)
    }

    /// The ends of the history that is here, the same for everybody who has read the same: those of all chains, and of
    /// a forked one all segments that are carried (sl1-history §8.8).
    ///
    /// # Errors
    /// Those of the database.
    pub fn ends(&self) -> Result<BTreeSet<Branch>> {
        self.database.read(|connection| {
            ends_of(tips(connection)?, &carried(connection)?, |device, seq| {
                segment_root(connection, device, seq)
            })
        })
    }

    /// The lowest number of a device's segments that are carried: from there on its chain is known to have forked.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forked_from(&self, device: DeviceId) -> Result<Option<SegmentSeq>> {
        self.database.read(|connection| forked_from(connection, device))
    }

    /// Takes in a verified segment of a branch that is not the one in the table of segments: its ops are open
    /// here, under their own ids, to be carried by this device's next segment. `bodies` are recorded with them.
    ///
    /// # Errors
    /// As [`Catalog::change`].
    pub fn carry_segment(
        &mut self,
        segment: &Segment,
        bodies: Vec<OpBody>,
        now_millis: u64,
    ) -> Result<TakenIn> {
        let clear = *segment.clear();
        self.change(now_millis, |change| {
            let device =
                device_number(change.folder.connection, clear.device.as_bytes()).map_err(in_transaction)?;
            let mut taken = TakenIn::default();
            for bytes in segment.encoded_ops() {
                match Op::from_bytes(bytes) {
                    Ok(op) if op.kind() == ACKNOWLEDGED => {}
                    Ok(op) => {
                        let is_new = change.folder.take(&op, bytes, Origin { device, segment: None })?;
                        taken.new_ops += u64::from(is_new);
                    }
                    Err(error) => taken.unreadable.push(error),
                }
            }
            for body in bodies {
                change.push(body)?;
            }
            change.push(OpBody::Carried(vec![branch_of(clear.device, clear.tip())]))?;
            Ok::<_, CatalogError>(taken)
        })
    }

    /// Opens the ops of this device's own segments from `from` on again, because a copy of this device published
    /// others under their numbers, and others may have read these: they go, under their own ids, into the chain of
    /// the device that this one goes on as. `bodies` are recorded before the word that they are carried. If there are no
    /// such segments, the last one that both copies share is carried, so that everybody hears where the chain forked.
    /// All in one transaction; the segments stay, as what was signed and perhaps read.
    ///
    /// # Errors
    /// As [`Catalog::change`].
    pub fn carry_own(&mut self, from: SegmentSeq, bodies: Vec<OpBody>, now_millis: u64) -> Result<()> {
        let device = self.device();
        self.change(now_millis, |change| {
            for body in bodies {
                change.push(body)?;
            }
            carry(change, device, from)?;
            if forked_from(change.folder.connection, device).map_err(in_transaction)?.is_none() {
                carry(change, device, SegmentSeq(from.0.saturating_sub(1)))?;
            }
            Ok(())
        })
    }

    /// Opens the ops of all segments again that lie on a chain known to have forked, from there on, and are carried
    /// by nobody. Answers how many segments that are.
    ///
    /// # Errors
    /// As [`Catalog::change`].
    pub fn carry_forked(&mut self, now_millis: u64) -> Result<usize> {
        let forked: Vec<(DeviceId, SegmentSeq)> = self.database.read(|connection| {
            connection
                .prepare_cached(
                    "WITH forked AS (SELECT device, min(seq) AS seq FROM carried GROUP BY device)
                     SELECT f.device, f.seq FROM forked AS f WHERE EXISTS (
                         SELECT 1 FROM segments AS s JOIN devices AS d ON d.id = s.device
                         WHERE d.device = f.device AND s.seq >= f.seq AND NOT EXISTS (
                             SELECT 1 FROM carried AS c
                             WHERE c.device = f.device AND c.seq = s.seq AND c.root = s.root))",
                )?
                .query_map([], |row| {
                    Ok((DeviceId::from_bytes(bytes_column(row, 0)?), SegmentSeq(row.get(1)?)))
                })?
                .collect()
        })?;
        let mut count = 0;
        for (device, from) in forked {
            count += self.change(now_millis, |change| carry(change, device, from))?;
        }
        Ok(count)
    }

    /// Opens the ops of a device's segments from `from` on that are carried by nobody, to be carried by this device: that
    /// device left, and they do not count in its own chain any more. Answers how many segments that are.
    ///
    /// # Errors
    /// As [`Catalog::change`].
    pub fn carry_from(&mut self, device: DeviceId, from: SegmentSeq, now_millis: u64) -> Result<usize> {
        self.change(now_millis, |change| carry(change, device, from))
    }

    /// Goes on as another device, which this one admitted: everything that is open goes into its chain.
    pub fn go_on_as(&mut self, device: DeviceId) {
        self.device = device;
    }
}

/// Takes the ops of one device's segments that nobody carries, from a number on, as this device's own, and says so;
/// answers how many segments.
fn carry(change: &mut Change<'_>, device: DeviceId, from: SegmentSeq) -> Result<usize> {
    let branches = reopen(change.folder.connection, device, from).map_err(in_transaction)?;
    for some in branches.chunks(MAX_BRANCHES) {
        change.push(OpBody::Carried(some.to_vec()))?;
    }
    Ok(branches.len())
}

/// Opens the ops of one device's segments that nobody carries, from a number on; answers which segments.
fn reopen(connection: &Connection, device: DeviceId, from: SegmentSeq) -> rusqlite::Result<Vec<Branch>> {
    let found: Vec<(i64, Branch)> = connection
        .prepare_cached(
            "SELECT s.id, s.seq, s.root FROM segments AS s JOIN devices AS d ON d.id = s.device
             WHERE d.device = ?1 AND s.seq >= ?2 ORDER BY s.seq",
        )?
        .query_map((device.as_bytes(), from.0), |row| {
            let tip = Tip { seq: SegmentSeq(row.get(1)?), root: SegmentRoot(bytes_column(row, 2)?) };
            Ok((row.get(0)?, branch_of(device, tip)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut update =
        connection.prepare_cached("UPDATE ops SET segment = NULL WHERE segment = ?1 AND kind <> ?2")?;
    let mut branches = Vec::new();
    for (number, branch) in found {
        if !is_carried(connection, device, Tip { seq: branch.seq, root: branch.root })? {
            update.execute((number, ACKNOWLEDGED.0))?;
            branches.push(branch);
        }
    }
    Ok(branches)
}

fn forked_from(connection: &Connection, device: DeviceId) -> rusqlite::Result<Option<SegmentSeq>> {
    connection
        .prepare_cached("SELECT min(seq) FROM carried WHERE device = ?1")?
        .query_row([device.as_bytes()], |row| row.get::<_, Option<u32>>(0))
        .map(|seq| seq.map(SegmentSeq))
}

fn branch_of(device: DeviceId, tip: Tip) -> Branch {
    Branch { device, seq: tip.seq, root: tip.root }
}

fn carried(connection: &Connection) -> rusqlite::Result<BTreeSet<Branch>> {
    connection
        .prepare_cached("SELECT device, seq, root FROM carried")?
        .query_map([], |row| {
            Ok(Branch {
                device: DeviceId::from_bytes(bytes_column(row, 0)?),
                seq: SegmentSeq(row.get(1)?),
                root: SegmentRoot(bytes_column(row, 2)?),
            })
        })?
        .collect()
}

pub(super) fn is_carried(connection: &Connection, device: DeviceId, tip: Tip) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM carried WHERE device = ?1 AND seq = ?2 AND root = ?3")?
        .query_row((device.as_bytes(), tip.seq.0, tip.root.0.as_slice()), |_| Ok(()))
        .optional()
        .map(|found| found.is_some())
}

pub(super) fn remember_carried(connection: &Connection, branches: &[Branch]) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO carried (device, seq, root) VALUES (?1, ?2, ?3)")?;
    branches.iter().try_for_each(|branch| {
        insert.execute((branch.device.as_bytes(), branch.seq.0, branch.root.0.as_slice())).map(drop)
    })
}
