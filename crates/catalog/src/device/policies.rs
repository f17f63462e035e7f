//! What goes to a remote, as this device wants it: its policy, the policy's settings, and switches by hand.
//!
//! None of it is history: every device has other disks and other links (docs/decisions/policies.md). Invariant: whoever
//! changes something here that decides what goes out lets the plan be made anew, in the same transaction.

use rusqlite::{Connection, OptionalExtension};
use safelight_model::{AlbumId, AssetId};

use super::{DeviceDb, RemoteId};
use crate::error::Result;
use crate::rows::{bytes_column, hash_column};

/// What goes to a remote beside history, which goes everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// Everything.
    #[default]
    Full,
    /// What was asked for: by a query, by album, by photo. Nothing of the others, not even thumbnails.
    Selective,
    /// Thumbnails and previews; originals when they are asked for.
    OnDemand,
    /// Thumbnails and previews; originals that are older than so many days.
    ArchiveOnly,
}

impl PolicyKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Full, Self::Selective, Self::OnDemand, Self::ArchiveOnly];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Selective => "selective",
            Self::OnDemand => "on-demand",
            Self::ArchiveOnly => "archive-only",
        }
    }

    /// What a word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// By which date an original is old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AgeBy {
    /// When it was taken, as the timeline has it.
    #[default]
    Captured,
    /// When it came into the library.
    Added,
}

impl AgeBy {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Added => "added",
        }
    }

    /// What a word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Captured, Self::Added].into_iter().find(|by| by.word() == word)
    }
}

/// So many newly exposed assets need nobody's consent, where nobody says another number.
pub const EXPOSE_DEFAULT: u64 = 200;
/// So many days old are originals that an archive-only remote takes, where nobody says another number.
pub const OLDER_DEFAULT_DAYS: u32 = 365;

/// A remote's policy with its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemotePolicy {
    /// What goes there.
    pub kind: PolicyKind,
    /// The query of a selective policy.
    pub only: Option<String>,
    /// The age in days from which an archive-only policy sends.
    pub older_days: u32,
    /// By which date.
    pub age_by: AgeBy,
    /// Whether an on-demand remote also gets what nobody asked for, while the link costs nothing.
    pub when_unmetered: bool,
    /// More newly exposed assets than this need a person's consent.
    pub expose_most: u64,
    /// So many more were consented to, until the next plan.
    pub consented: u64,
}

impl Default for RemotePolicy {
    fn default() -> Self {
        Self {
            kind: PolicyKind::Full,
            only: None,
            older_days: OLDER_DEFAULT_DAYS,
            age_by: AgeBy::Captured,
            when_unmetered: false,
            expose_most: EXPOSE_DEFAULT,
            consented: 0,
        }
    }
}

/// What a switch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Switched {
    /// One photo or video; goes before albums and the policy.
    Asset(AssetId),
    /// An album and those in it; goes before the policy.
    Album(AlbumId),
}

impl Switched {
    fn row(&self) -> (i64, &[u8]) {
        match self {
            Self::Asset(asset) => (1, asset.0.as_bytes()),
            Self::Album(album) => (2, &album.0),
        }
    }
}

impl DeviceDb {
    /// A setting of a remote.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remote_setting(&self, remote: RemoteId, name: &str) -> Result<Option<String>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT value FROM remote_settings WHERE remote = ?1 AND name = ?2")?
                .query_row((remote.0, name), |row| row.get(0))
                .optional()
        })
    }

    /// The settings of a remote whose names begin so, in the order of their names.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remote_settings(&self, remote: RemoteId, prefix: &str) -> Result<Vec<(String, String)>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT name, value FROM remote_settings
                     WHERE remote = ?1 AND substr(name, 1, length(?2)) = ?2 ORDER BY name",
                )?
                .query_map((remote.0, prefix), |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// Writes a setting of a remote, or removes it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_remote_setting(&mut self, remote: RemoteId, name: &str, value: Option<&str>) -> Result<()> {
        self.write(|transaction| put_setting(transaction, remote, name, value))
    }

    /// What goes to a remote.
    ///
    /// # Errors
    /// Those of the database.
    pub fn policy(&self, remote: RemoteId) -> Result<RemotePolicy> {
        let word: String = self.database.read(|connection| {
            connection
                .prepare_cached("SELECT policy FROM remotes WHERE id = ?1")?
                .query_row([remote.0], |row| row.get(0))
        })?;
        let mut policy = RemotePolicy {
            // What nobody here understands sends nothing by itself.
            kind: PolicyKind::from_word(&word).unwrap_or(PolicyKind::Selective),
            ..RemotePolicy::default()
        };
        policy.only = self.remote_setting(remote, "only")?;
        let number = |name: &str| -> Result<Option<u64>> {
            Ok(self.remote_setting(remote, name)?.and_then(|text| text.parse().ok()))
        };
        if let Some(days) = number("older-days")? {
            policy.older_days = u32::try_from(days).unwrap_or(u32::MAX);
        }
        policy.expose_most = number("expose")?.unwrap_or(policy.expose_most);
        policy.consented = number("consented")?.unwrap_or_default();
        policy.when_unmetered = self.remote_setting(remote, "unmetered")?.is_some();
        if let Some(by) = self.remote_setting(remote, "by")? {
            policy.age_by = AgeBy::from_word(&by).unwrap_or_default();
        }
        Ok(policy)
    }

    /// Changes what goes to a remote; the next plan follows it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_policy(&mut self, remote: RemoteId, policy: &RemotePolicy) -> Result<()> {
        self.write(|transaction| {
            transaction
                .execute("UPDATE remotes SET policy = ?2 WHERE id = ?1", (remote.0, policy.kind.word()))?;
            let settings = [
                ("only", policy.only.clone()),
                ("older-days", Some(policy.older_days.to_string())),
                ("by", Some(policy.age_by.word().to_owned())),
                ("unmetered", policy.when_unmetered.then(|| "yes".to_owned())),
                ("expose", Some(policy.expose_most.to_string())),
                ("consented", (policy.consented > 0).then(|| policy.consented.to_string())),
            ];
            for (name, value) in settings {
                put_setting(transaction, remote, name, value.as_deref())?;
            }
            forget_plan(transaction, remote)
        })
    }

    /// The switches of a remote, each with whether it is on.
    ///
    /// # Errors
    /// Those of the database.
    pub fn switches(&self, remote: RemoteId) -> Result<Vec<(Switched, bool)>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT kind, name, is_on FROM sync_switches WHERE remote = ?1")?
                .query_map([remote.0], |row| {
                    let switched = match row.get::<_, i64>(0)? {
                        1 => Switched::Asset(AssetId(hash_column(row, 1)?)),
                        _ => Switched::Album(AlbumId(bytes_column(row, 1)?)),
                    };
                    Ok((switched, row.get(2)?))
                })?
                .collect()
        })
    }

    /// Switches on, off, or (with `None`) leaves to the policy; `consented` more may be exposed by the next plan.
    ///
    /// # Errors
    /// Those of the database.
    pub fn switch<'a>(
        &mut self,
        remote: RemoteId,
        switched: impl IntoIterator<Item = &'a Switched>,
        on: Option<bool>,
        consented: u64,
    ) -> Result<()> {
        self.write(|transaction| {
            for switched in switched {
                let (kind, name) = switched.row();
                match on {
                    Some(on) => transaction
                        .prepare_cached(
                            "INSERT INTO sync_switches (remote, kind, name, is_on) VALUES (?1, ?2, ?3, ?4)
                             ON CONFLICT (remote, kind, name) DO UPDATE SET is_on = excluded.is_on",
                        )?
                        .execute((remote.0, kind, name, on))?,
                    None => transaction
                        .prepare_cached(
                            "DELETE FROM sync_switches WHERE remote = ?1 AND kind = ?2 AND name = ?3",
                        )?
                        .execute((remote.0, kind, name))?,
                };
            }
            put_setting(
                transaction,
                remote,
                "consented",
                (consented > 0).then(|| consented.to_string()).as_deref(),
            )?;
            forget_plan(transaction, remote)
        })
    }

    /// For what the policy of a remote was last applied, and for what its packs were last sent.
    ///
    /// # Errors
    /// Those of the database.
    pub fn plan_stamps(&self, remote: RemoteId) -> Result<(Option<String>, Option<String>)> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT planned, packed FROM remotes WHERE id = ?1")?
                .query_row([remote.0], |row| Ok((row.get(0)?, row.get(1)?)))
        })
    }

    /// Lets the next sync or dry run apply the policy anew, because something that it decided on is different now.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget_plan(&mut self, remote: RemoteId) -> Result<()> {
        self.write(|transaction| forget_plan(transaction, remote))
    }

    /// Remembers that everything that a plan wants in packs was sent.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_packs_sent(&mut self, remote: RemoteId, planned: &str) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached("UPDATE remotes SET packed = ?2 WHERE id = ?1")?
                .execute((remote.0, planned))
                .map(drop)
        })
    }
}

pub(super) fn put_setting(
    transaction: &Connection,
    remote: RemoteId,
    name: &str,
    value: Option<&str>,
) -> rusqlite::Result<()> {
    match value {
        Some(value) => transaction
            .prepare_cached(
                "INSERT INTO remote_settings (remote, name, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (remote, name) DO UPDATE SET value = excluded.value",
            )?
            .execute((remote.0, name, value))
            .map(drop),
        None => transaction
            .prepare_cached("DELETE FROM remote_settings WHERE remote = ?1 AND name = ?2")?
            .execute((remote.0, name))
            .map(drop),
    }
}

/// The next sync or dry run applies the policy anew.
pub(super) fn forget_plan(transaction: &Connection, remote: RemoteId) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE remotes SET planned = NULL, packed = NULL WHERE id = ?1")?
        .execute([remote.0])
        .map(drop)
}
