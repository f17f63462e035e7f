//! `catalog.db`: history, what it folds into, and what is found in it.

mod begin;
mod branches;
mod change;
mod checkpoint;
mod duplicates;
mod facets;
mod fold;
mod forget;
mod history;
mod labels;
mod lookup;
mod past;
mod placed;
mod project;
mod rebuild;
mod refresh;
mod reindex;
mod rows;
mod segments;
mod sync;
mod timeline;

pub use begin::{Begun, Proof};
pub use change::Change;
pub use checkpoint::{CheckpointPlan, PlannedPage};
pub use duplicates::Comparable;
pub use history::{HistoryCursor, HistoryEntry, HistoryPage};
pub use lookup::{ItemLookup, Label};
pub use past::{Past, Until};
pub use placed::{ContentUse, StoredMark};
pub use rebuild::{Rebuilt, Rescued, RescuedSegment, sweep_unfinished_rebuild};
pub use rows::{AssetRow, Month, ShelfTotals};
pub use segments::{OpenOps, PlacedSegment, TakenIn};
pub use sync::{AddedOriginal, StoredSegment};
pub use timeline::Shelf;

pub(crate) use facets::{Facet, Flag, MapBox, cells_over, size_cover};
pub(crate) use labels::{Counted, LabelKind, find as find_label, folded, label_token, searchable};
pub(crate) use rows::{ROW_COLUMNS, read_row};
pub(crate) use timeline::{KeyRange, TimelineKey};

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use labels::Labels;
use rusqlite::{Connection, OptionalExtension};
use safelight_crypto::{DeviceId, Entropy, Roster};
use safelight_model::{Author, FOLD_VERSION, OpKind, Stamp};
use sync::StatementCount;

use crate::database::{Access, CatalogKey, CheckDepth, Database, Role};
use crate::error::{CatalogError, Result};

/// The rules of folding before [`OpKind::Presence`]: the states of a history without any are those of today.
const BEFORE_PRESENCES: u32 = 1;

/// The schema of `catalog.db`, step by step.
const STEPS: &[&str] = &[
    include_str!("schema.sql"),
    // Narrow ranges of sizes are looked up (search/plan.rs).
    "CREATE INDEX timeline_sizes ON timeline (size_bytes)",
    // What is searched lies in prefix indexes of other lengths (search/prefix.rs).
    include_str!("search_anew.sql"),
    // Packs, damage and outbox of what sync moves (sync.rs).
    include_str!("sync.sql"),
    // What a catalogue begins with that did not replay all ops (begin.rs).
    include_str!("checkpoint.sql"),
    // What rests in which remote (placed.rs).
    include_str!("placed.sql"),
    // What forked chains left behind (branches.rs).
    include_str!("branches.sql"),
    // Every sync asks for purges that it has not seen, and there are few (placed.rs).
    "CREATE INDEX ops_purges ON ops (number) WHERE kind = 14",
    // People are shown what moved, and where to (history.rs).
    include_str!("moves.sql"),
    // Laying out a whole timeline reads this and no rows (search/walk.rs). The key stands in it by name, so that it is in
    // the order of the timeline.
    "CREATE INDEX timeline_shapes ON timeline (key, width, height, orientation, quarter_turns, cover)",
    // Photos whose place has a name are found (facets.rs).
    include_str!("has_place.sql"),
    // Whatever was forgotten is asked for with every sync, and there is little of it (forget.rs).
    "CREATE INDEX ops_forgets ON ops (number) WHERE kind = 18",
];

/// Under this name the version of the fold's rules is stored.
const FOLDED_BY: &str = "fold version";

/// How soon what was changed is safe from a power cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Before the change returns: whoever reports an original as imported needs this.
    #[default]
    Acknowledged,
    /// With the next change that is [`Durability::Acknowledged`], or at the latest when the catalogue closes.
    /// What was reported before stays safe; the order of changes is kept.
    Relaxed,
}

/// The catalogue of one library, open in this process.
///
/// Several processes may have it open at once; changes exclude each other and wait for up to 30 seconds.
#[derive(Debug)]
pub struct Catalog {
    pub(crate) database: Database,
    device: DeviceId,
    author: Author,
    labels: Labels,
    /// How many shown assets labels have.
    pub(crate) counted: RefCell<Counted>,
    /// What the statements come to, and which they were: replaying them checks every signature.
    roster: RefCell<Option<(StatementCount, Arc<Roster>)>>,
}

impl Catalog {
    /// Makes a new, empty catalogue for this device.
    ///
    /// # Errors
    /// [`CatalogError::Exists`] if there is one already.
    pub fn create(
        path: &Path,
        key: &CatalogKey,
        device: DeviceId,
        entropy: &mut dyn Entropy,
    ) -> Result<Self> {
        let database = Database::create(path, key, Role::Catalog, STEPS)?;
        let catalog = Self::start(database, device, entropy);
        catalog.fold_version(Access::ReadWrite)?;
        Ok(catalog)
    }

    /// Makes a new, empty catalogue in memory, not encrypted and gone with this process: for simulated devices,
    /// and for catalogues that are thrown away.
    ///
    /// # Errors
    /// Those of the database.
    pub fn create_in_memory(device: DeviceId, entropy: &mut dyn Entropy) -> Result<Self> {
        let catalog = Self::start(Database::create_in_memory(STEPS)?, device, entropy);
        catalog.fold_version(Access::ReadWrite)?;
        Ok(catalog)
    }

    /// Opens a catalogue in memory again, as a process does that starts after this one was killed: with everything
    /// that was committed, and nothing else.
    ///
    /// # Errors
    /// As [`Catalog::open`].
    pub fn reopen_in_memory(self, device: DeviceId, entropy: &mut dyn Entropy) -> Result<Self> {
        Self::start(self.database.killed_in_memory()?, device, entropy).opened(Access::ReadWrite)
    }

    /// Opens a copy of a catalogue in memory, as a backup or a cloned machine does: with everything that was
    /// committed, and nothing else.
    ///
    /// # Errors
    /// As [`Catalog::open`]; [`CatalogError::Sqlite`] if this catalogue is in a file.
    pub fn open_copy_in_memory(&self, device: DeviceId, entropy: &mut dyn Entropy) -> Result<Self> {
        Self::start(self.database.copy_in_memory()?, device, entropy).opened(Access::ReadWrite)
    }

    /// Opens the catalogue.
    ///
    /// # Errors
    /// [`CatalogError::Missing`], [`CatalogError::WrongKey`], [`CatalogError::Damaged`],
    /// [`CatalogError::NewerSchema`] and [`CatalogError::OtherFold`] say why it cannot be opened; the last one,
    /// like damage, is cured by a rebuild from history.
    pub fn open(path: &Path, key: &CatalogKey, device: DeviceId, entropy: &mut dyn Entropy) -> Result<Self> {
        Self::open_as(path, key, device, entropy, Access::ReadWrite)
    }

    /// Opens the catalogue, perhaps only to read.
    ///
    /// # Errors
    /// As [`Catalog::open`].
    pub fn open_as(
        path: &Path,
        key: &CatalogKey,
        device: DeviceId,
        entropy: &mut dyn Entropy,
        access: Access,
    ) -> Result<Self> {
        let database = Database::open(path, key, Role::Catalog, STEPS, access)?;
        Self::start(database, device, entropy).opened(access)
    }

    fn opened(mut self, access: Access) -> Result<Self> {
        let found = self.fold_version(access)?;
        if found != FOLD_VERSION {
            return Err(CatalogError::OtherFold {
                path: self.path().to_path_buf(),
                found,
                known: FOLD_VERSION,
            });
        }
        self.finish_reindex(access)?;
        Ok(self)
    }

    /// The rules by which the states were folded; an empty catalogue is given those of this program.
    fn fold_version(&self, access: Access) -> Result<u32> {
        self.database.read(|connection| {
            if access == Access::ReadWrite {
                connection
                    .prepare_cached("INSERT OR IGNORE INTO facts (name, value) VALUES (?1, ?2)")?
                    .execute((FOLDED_BY, FOLD_VERSION))?;
            }
            let found = connection
                .prepare_cached("SELECT value FROM facts WHERE name = ?1")?
                .query_row([FOLDED_BY], |row| row.get(0))
                .optional()?;
            let found = found.unwrap_or(FOLD_VERSION);
            if found != BEFORE_PRESENCES || holds_presences(connection)? {
                return Ok(found);
            }
            if access == Access::ReadWrite {
                connection
                    .execute("UPDATE facts SET value = ?2 WHERE name = ?1", (FOLDED_BY, FOLD_VERSION))?;
            }
            Ok(FOLD_VERSION)
        })
    }

    fn start(database: Database, device: DeviceId, entropy: &mut dyn Entropy) -> Self {
        // The stamp that was given last is observed at the start of every transaction.
        let author = Author::open(Stamp::default(), entropy);
        Self {
            database,
            device,
            author,
            labels: Labels::default(),
            counted: RefCell::default(),
            roster: RefCell::default(),
        }
    }

    /// The device whose ops are made here.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Where the catalogue is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.database.path()
    }

    /// Sets how soon the changes of this process are durable from now on.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_durability(&mut self, durability: Durability) -> Result<()> {
        let level = match durability {
            Durability::Acknowledged => "PRAGMA synchronous = FULL",
            Durability::Relaxed => "PRAGMA synchronous = NORMAL",
        };
        self.database.read(|connection| connection.execute_batch(level))
    }

    /// Looks for damage; every finding is one sentence, none means that none was found.
    ///
    /// # Errors
    /// Fails only if the check itself cannot be made.
    pub fn check(&self, key: &CatalogKey, depth: CheckDepth) -> Result<Vec<String>> {
        self.database.check(key, Role::Catalog, depth)
    }

    /// Writes the log back into the database file, as far as other readers allow.
    ///
    /// # Errors
    /// Those of the database.
    pub fn checkpoint(&self) -> Result<()> {
        self.database.checkpoint()
    }

    /// Writes everything back into the file and closes it; the last process to close leaves no log behind.
    ///
    /// # Errors
    /// [`CatalogError::DiskFull`] and the like; what was acknowledged is safe in the log all the same.
    pub fn close(self) -> Result<()> {
        self.database.close()
    }
}

fn holds_presences(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare("SELECT 1 FROM ops WHERE kind = ?1")?.exists([OpKind::Presence.number().0])
}
