//! The catalogue as it was at a moment: what was recorded up to then, folded anew beside this one.
//!
//! Invariant: of each device the beginning of its chain is folded, without a gap. The stamps of a chain are taken to
//! ascend: an operation counts as made no earlier than the one before it on its device, so that a clock that was set back
//! does not tell of an answer before the question. What comes of it is a fold like any other, with its state hash.
//!
//! Specified in sl1-history §7.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use rusqlite::Connection;
use safelight_crypto::{DeviceId, Entropy};
use safelight_model::{AssetId, Field, Op, OpBody, SegmentSeq, Target, Value};

use super::fold::{Folder, Origin, device_number, in_transaction, stamp_of};
use super::{Catalog, Durability};
use crate::database::{Access, CatalogKey, remove_database};
use crate::error::Result;
use crate::rows::bytes_column;

/// Operations to a transaction.
const OPS_AT_ONCE: usize = 20_000;

/// Up to where history is folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// What was recorded up to then, in milliseconds since 1970.
    Moment(u64),
    /// The segments up to these numbers: a snapshot.
    Heads(BTreeMap<DeviceId, SegmentSeq>),
}

/// How much of the history a moment knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Operations up to then.
    pub ops: u64,
    /// Those made since.
    pub since: u64,
}

/// An operation, and the device that made it.
struct Recorded {
    device: [u8; 16],
    bytes: Vec<u8>,
}

impl Catalog {
    /// Makes the catalogue of a moment in a new file, and opens it to be read. The caller removes the file.
    ///
    /// What was hidden since is hidden in it, of those in `still_hidden`: else looking back would show what is kept back today.
    ///
    /// # Errors
    /// [`Exists`](crate::CatalogError::Exists) if the file is there, and those of the database; then no file is left.
    pub fn as_it_was(
        &self,
        until: &Until,
        still_hidden: &HashSet<AssetId>,
        path: &Path,
        key: &CatalogKey,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, Past)> {
        let mut past = Self::create(path, key, self.device, entropy)?;
        let folded = past.set_durability(Durability::Relaxed).and_then(|()| {
            let known = self.fold_until(until, still_hidden, &mut past)?;
            past.close()?;
            Ok((Self::open_as(path, key, self.device, entropy, Access::ReadOnly)?, known))
        });
        folded.inspect_err(|_| drop(remove_database(path)))
    }

    /// The same in memory, for where no file can be made.
    ///
    /// # Errors
    /// Those of the database.
    pub fn as_it_was_in_memory(
        &self,
        until: &Until,
        still_hidden: &HashSet<AssetId>,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, Past)> {
        let mut past = Self::create_in_memory(self.device, entropy)?;
        let known = self.fold_until(until, still_hidden, &mut past)?;
        Ok((past, known))
    }

    fn fold_until(&self, until: &Until, still_hidden: &HashSet<AssetId>, past: &mut Self) -> Result<Past> {
        // The clock of a catalogue that nobody writes to.
        let now = if let Until::Moment(millis) = until { *millis } else { 0 };
        let mut known = Past::default();
        let mut some = Vec::new();
        let mut failure = None;
        self.database.read(|connection| {
            let hides = |bytes: &[u8]| !still_hidden.is_empty() && hides_one_of(bytes, still_hidden);
            each_until(connection, until, &mut known, hides, |recorded| {
                some.push(recorded);
                if some.len() < OPS_AT_ONCE {
                    return true;
                }
                failure = past.fold_recorded(&some, now).err();
                some.clear();
                failure.is_none()
            })
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        past.fold_recorded(&some, now)?;
        Ok(known)
    }

    fn fold_recorded(&mut self, recorded: &[Recorded], now_millis: u64) -> Result<()> {
        self.within(|connection, labels, _| {
            let mut folder = Folder::new(connection, labels, now_millis);
            for Recorded { device, bytes } in recorded {
                // One that cannot be read stands in no fold.
                let Ok(op) = Op::from_bytes(bytes) else { continue };
                let device = device_number(connection, device).map_err(in_transaction)?;
                folder.take(&op, bytes, Origin { device, segment: None })?;
            }
            folder.finish()
        })
    }
}

/// Meets what was recorded up to a moment, each device's in the order of its chain, until it is told to stop.
fn each_until(
    connection: &Connection,
    until: &Until,
    known: &mut Past,
    hides: impl Fn(&[u8]) -> bool,
    mut meet: impl FnMut(Recorded) -> bool,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT d.device, o.stamp, o.bytes, s.seq FROM ops AS o JOIN devices AS d ON d.id = o.device
             LEFT JOIN segments AS s ON s.id = o.segment ORDER BY o.number",
    )?;
    let mut latest: HashMap<[u8; 16], u64> = HashMap::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let device = bytes_column(row, 0)?;
        let clamped = latest.entry(device).or_default();
        *clamped = (*clamped).max(stamp_of(row.get(1)?).millis);
        let is_known = match until {
            Until::Moment(millis) => *clamped <= *millis,
            Until::Heads(heads) => {
                let head = heads.get(&DeviceId::from_bytes(device)).map(|head| head.0);
                row.get::<_, Option<u32>>(3)?.is_some_and(|seq| head.is_some_and(|head| seq <= head))
            }
        };
        let bytes: Vec<u8> = row.get(2)?;
        if is_known {
            known.ops += 1;
        } else {
            known.since += 1;
            if !hides(&bytes) {
                continue;
            }
        }
        if !meet(Recorded { device, bytes }) {
            break;
        }
    }
    Ok(())
}

/// Whether an operation hides one of these.
fn hides_one_of(bytes: &[u8], assets: &HashSet<AssetId>) -> bool {
    Op::from_bytes(bytes).is_ok_and(|op| {
        matches!(op.body, OpBody::Set { target: Target::Asset(asset, _), field, value: Value::Bool(true), .. }
            if field.code() == Field::HIDDEN && assets.contains(&asset))
    })
}
