//! Applying a policy: which originals wait, which stay, which need a person's consent first; and which renditions go
//! with them.
//!
//! Invariants: what rests in a remote keeps its state whatever the policy says, so nothing that is there stops counting.
//! What a policy newly exposes waits only if it is little, or somebody consented. One transaction, whatever its size.

use std::collections::HashSet;

use rusqlite::Connection;
use safelight_crypto::ContentHash;
use safelight_model::RenditionKind;

use super::policies::put_setting;
use super::{DeviceDb, PackLocation, RemoteId, SyncState};
use crate::error::Result;
use crate::rows::kind_code;

/// Why an original stays that was switched off by hand.
pub const SWITCHED_OFF: &str = "switched off by hand";
/// Why an original waits that needs consent.
pub const NEEDS_CONSENT: &str =
    "more came to be exposed at once than may go without consent: safelight sync --yes";

/// The tables that lists are put into for as long as one statement needs them.
pub(super) const TEMPORARY: &str =
    "CREATE TEMP TABLE IF NOT EXISTS wanted (content BLOB PRIMARY KEY) WITHOUT ROWID;
     CREATE TEMP TABLE IF NOT EXISTS switched_off (content BLOB PRIMARY KEY) WITHOUT ROWID;
     CREATE TEMP TABLE IF NOT EXISTS packs_there (pack TEXT PRIMARY KEY) WITHOUT ROWID;";

/// What is wanted in a remote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Everything but `off`, and not only `contents`.
    pub everything: bool,
    /// What is asked for.
    pub contents: HashSet<ContentHash>,
    /// What was switched off by hand.
    pub off: HashSet<ContentHash>,
}

impl Wanted {
    /// Whether a content is wanted.
    #[must_use]
    pub fn wants(&self, content: &ContentHash) -> bool {
        !self.off.contains(content) && (self.everything || self.contents.contains(content))
    }
}

/// What a plan newly exposes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Originals.
    pub originals: u64,
    /// Bytes of their contents.
    pub bytes: u64,
    /// Whether they are held back until somebody consents.
    pub is_held: bool,
}

/// Which renditions go to a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renditions {
    /// Those of all assets.
    All,
    /// Those of all that were not switched off by hand.
    NotSwitchedOff,
    /// Those of the originals that wait or are there.
    OfWanted,
}

impl DeviceDb {
    /// Applies what is wanted to all originals of a remote. What is newly exposed beyond `most` is held, unless
    /// `most` is none. Answers what is newly exposed, held or not.
    ///
    /// # Errors
    /// Those of the database.
    pub fn apply_plan(
        &mut self,
        remote: RemoteId,
        wanted: &Wanted,
        most: Option<u64>,
        stamp: &str,
    ) -> Result<Exposure> {
        self.write(|transaction| {
            fill(transaction, "wanted", &wanted.contents)?;
            fill(transaction, "switched_off", &wanted.off)?;
            let is_wanted = format!(
                "content NOT IN temp.switched_off{}",
                if wanted.everything { "" } else { " AND content IN temp.wanted" }
            );
            let [waiting, failed, off, held] =
                [SyncState::Waiting, SyncState::Failed, SyncState::Off, SyncState::Held].map(SyncState::code);
            transaction
                .prepare_cached(&format!(
                    "UPDATE remote_originals SET state = {off}, attempts = 0, next_try_millis = 0,
                         reason = iif(content IN temp.switched_off, ?2, NULL)
                     WHERE remote = ?1 AND NOT ({is_wanted}) AND (state IN ({waiting}, {failed}, {held})
                         OR state = {off} AND reason IS NOT iif(content IN temp.switched_off, ?2, NULL))"
                ))?
                .execute((remote.0, SWITCHED_OFF))?;
            let mut exposed = transaction
                .prepare_cached(&format!(
                    "SELECT count(*), ifnull(sum(size_bytes), 0) FROM remote_originals
                     WHERE remote = ?1 AND state IN ({off}, {held}) AND {is_wanted}"
                ))?
                .query_row([remote.0], |row| {
                    Ok(Exposure { originals: row.get(0)?, bytes: row.get(1)?, is_held: false })
                })?;
            exposed.is_held = most.is_some_and(|most| exposed.originals > most);
            let (state, reason) = if exposed.is_held { (held, Some(NEEDS_CONSENT)) } else { (waiting, None) };
            transaction
                .prepare_cached(&format!(
                    "UPDATE remote_originals SET state = ?2, reason = ?3
                     WHERE remote = ?1 AND state IN ({off}, {held}) AND state <> ?2 AND {is_wanted}"
                ))?
                .execute((remote.0, state, reason))?;
            if !exposed.is_held {
                put_setting(transaction, remote, "consented", None)?;
            }
            // What a new plan wants in packs was not sent yet, also where consent made it anew under the same stamp.
            transaction
                .prepare_cached("UPDATE remotes SET planned = ?2, packed = NULL WHERE id = ?1")?
                .execute((remote.0, stamp))?;
            Ok(exposed)
        })
    }

    /// What is held back until somebody consents.
    ///
    /// # Errors
    /// Those of the database.
    pub fn held(&self, remote: RemoteId) -> Result<Exposure> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT count(*), ifnull(sum(size_bytes), 0) FROM remote_originals
                     WHERE remote = ?1 AND state = ?2",
                )?
                .query_row((remote.0, SyncState::Held.code()), |row| {
                    let originals = row.get(0)?;
                    Ok(Exposure { originals, bytes: row.get(1)?, is_held: originals > 0 })
                })
        })
    }

    /// The contents that no policy can expose any more: they wait, are there, or are not here.
    ///
    /// # Errors
    /// Those of the database.
    pub fn settled_contents(&self, remote: RemoteId) -> Result<HashSet<ContentHash>> {
        let states = [
            SyncState::Waiting,
            SyncState::Synced,
            SyncState::CloudOnly,
            SyncState::Elsewhere,
            SyncState::LocalOnly,
            SyncState::Failed,
            SyncState::Thawing,
            SyncState::Lost,
        ];
        Ok(self.contents_in(remote, &states)?.into_iter().collect())
    }

    /// Local entries of this kind that belong into a remote and that no pack there holds, newest first. `there` are
    /// the packs that rest in it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn entries_for(
        &mut self,
        remote: RemoteId,
        kind: RenditionKind,
        which: Renditions,
        there: &HashSet<String>,
    ) -> Result<Vec<PackLocation>> {
        let condition = condition_of(which);
        self.write(|transaction| {
            transaction.execute_batch(TEMPORARY)?;
            transaction.prepare_cached("DELETE FROM temp.packs_there")?.execute([])?;
            let mut insert = transaction.prepare_cached("INSERT INTO temp.packs_there VALUES (?1)")?;
            for pack in there {
                insert.execute([pack])?;
            }
            transaction
                .prepare_cached(&format!(
                    "SELECT p.content, p.kind, p.recipe, p.pack, p.position, p.length FROM packs AS p
                     LEFT JOIN remote_originals AS o ON o.remote = ?1 AND o.content = p.content
                     WHERE p.kind = ?2 AND {condition} AND NOT EXISTS (
                         SELECT 1 FROM packed_entries AS e JOIN temp.packs_there AS t ON t.pack = e.pack
                         WHERE e.content = p.content AND e.kind = p.kind AND e.recipe = p.recipe)
                     ORDER BY ifnull(o.position, 9223372036854775807), p.content"
                ))?
                .query_map((remote.0, kind_code(kind)), super::packs::read_location)?
                .collect()
        })
    }

    /// Whether every entry of a known pack may go to a remote.
    ///
    /// # Errors
    /// Those of the database.
    pub fn may_replicate(&self, remote: RemoteId, pack: &str, which: Renditions) -> Result<bool> {
        let condition = condition_of(which);
        self.database.read(|connection| {
            let mut refused = connection.prepare_cached(&format!(
                "SELECT 1 FROM packed_entries AS p
                 LEFT JOIN remote_originals AS o ON o.remote = ?1 AND o.content = p.content
                 WHERE p.pack = ?2 AND NOT ({condition}) LIMIT 1"
            ))?;
            Ok(!refused.exists((remote.0, pack))?)
        })
    }

    /// Remembers that a pack that history names does not rest in a remote.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_absent_pack(&mut self, remote: RemoteId, pack: &str, now_millis: i64) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO absent_packs (remote, pack, asked_millis) VALUES (?1, ?2, ?3)",
                )?
                .execute((remote.0, pack, now_millis))
                .map(drop)
        })
    }

    /// Lets a remote be asked again for packs that it did not hold.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget_absent_packs(&mut self, remote: RemoteId) -> Result<()> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM absent_packs WHERE remote = ?1", [remote.0]).map(drop)
        })
    }

    /// The packs that a remote was asked for in vain after a moment.
    ///
    /// # Errors
    /// Those of the database.
    pub fn absent_packs(&self, remote: RemoteId, after_millis: i64) -> Result<HashSet<String>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT pack FROM absent_packs WHERE remote = ?1 AND asked_millis > ?2")?
                .query_map((remote.0, after_millis), |row| row.get(0))?
                .collect()
        })
    }
}

/// What must hold for an entry's original, `o`; none of its columns are known when it was never looked at.
fn condition_of(which: Renditions) -> String {
    let [off, held, elsewhere] = [SyncState::Off, SyncState::Held, SyncState::Elsewhere].map(SyncState::code);
    match which {
        Renditions::All => "1".to_owned(),
        Renditions::NotSwitchedOff => format!("(o.state IS NOT {off} OR o.reason IS NULL)"),
        // Whether what another device holds may go there that device knows, which sends it.
        Renditions::OfWanted => format!("ifnull(o.state NOT IN ({off}, {held}, {elsewhere}), 0)"),
    }
}

fn fill(transaction: &Connection, table: &str, contents: &HashSet<ContentHash>) -> rusqlite::Result<()> {
    transaction.execute_batch(TEMPORARY)?;
    transaction.prepare_cached(&format!("DELETE FROM temp.{table}"))?.execute([])?;
    let mut sorted: Vec<&ContentHash> = contents.iter().collect();
    sorted.sort_unstable();
    let mut insert = transaction.prepare_cached(&format!("INSERT INTO temp.{table} VALUES (?1)"))?;
    sorted.into_iter().try_for_each(|content| insert.execute([content.as_bytes()]).map(drop))
}
