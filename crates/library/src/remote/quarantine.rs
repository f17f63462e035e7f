//! What devices wrote after they had left, for people: listed, and taken over piece by piece by whoever believes it.

use data_encoding::HEXLOWER;
use safelight_crypto::OsEntropy;
use safelight_model::OpBody;
use safelight_sync::{QuarantinedSegment, RemotePlace, Stop, quarantined, take_over};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::at::{Surroundings, reconnect, runtime};
use super::lock::SyncLock;
use super::run::{Told, here};
use crate::devices::DeviceNames;
use crate::error::{LibraryError, Result, with_causes};
use crate::history::shown_time;
use crate::library::Library;
use crate::monitor::Unwatched;

/// How many bytes of a piece's root are in its name.
const SHOWN_ROOT_BYTES: usize = 4;

/// A piece (a segment of history) of a device that left, which came after the last that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownQuarantined {
    /// What it is called: its number in the chain of its device, and the beginning of its root, `42-9f3c21ab`.
    pub piece: String,
    /// The remote that it rests in.
    pub remote: String,
    /// The device that wrote it.
    pub device: String,
    /// What people call that device.
    pub device_name: Option<String>,
    /// When the last of it was written, by that device's clock: `2026-05-14 10:11:12`, UTC.
    pub when: Option<String>,
    /// How many photos it adds.
    pub adds: u64,
    /// How many photos it trashes, removes or replaces.
    pub takes: u64,
    /// How many other changes it makes to photos, albums and tags.
    pub changes: u64,
    /// How many settings of the whole library it changes.
    pub settings: u64,
    /// How much of it this version cannot read.
    pub unreadable: u64,
    /// Its sealed bytes.
    pub bytes: u64,
    /// Whether it builds on history that is not here: sync first.
    pub is_ahead: bool,
}

/// What remotes hold of devices that left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct Quarantine {
    /// The pieces, by device and number.
    pub pieces: Vec<ShownQuarantined>,
    /// What cannot be read, and ends the chain that it is in.
    pub problems: Vec<String>,
    /// Remotes that could not be asked, and why.
    pub unreached: Vec<String>,
}

/// What was taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct TakenOver {
    /// The piece.
    #[serde(flatten)]
    pub piece: ShownQuarantined,
    /// How many of its operations were new here.
    pub new_operations: u64,
}

/// What was found, and where.
#[derive(Default)]
struct Found {
    pieces: Vec<(String, RemotePlace, QuarantinedSegment)>,
    problems: Vec<String>,
    unreached: Vec<String>,
}

impl Library {
    /// What remotes hold of devices that left, after the last segment of each that counts.
    ///
    /// # Errors
    /// [`LibraryError::NoRemote`]; those of the databases.
    pub fn quarantined(&mut self, surroundings: &Surroundings) -> Result<Quarantine> {
        let Found { pieces, problems, unreached } = self.look_for_quarantined(&runtime()?, surroundings)?;
        let names = self.device_names()?;
        let pieces = pieces.iter().map(|(remote, _, piece)| shown(remote, piece, &names));
        Ok(Quarantine { pieces: pieces.collect(), problems, unreached })
    }

    /// Takes one piece over, by the name under which it was shown: from now on this device says what it says, and all who
    /// stay hear it with the next sync. One that takes more photos at once than may go without asking needs `consent`.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] where it is not there, not the next of its device, or builds on history that is not here;
    /// [`LibraryError::TakesMuch`].
    pub fn take_over(
        &mut self,
        device: &str,
        name: &str,
        consent: bool,
        surroundings: &Surroundings,
    ) -> Result<TakenOver> {
        self.prepare_to_write()?;
        let device = self.find_device(device)?;
        let _only = SyncLock::take(&self.folder)?;
        let runtime = runtime()?;
        let found = self.look_for_quarantined(&runtime, surroundings)?;
        let refused = |reason: String| LibraryError::Refused {
            reason,
            hint: "safelight device quarantine lists what there is".into(),
        };
        let next = found.pieces.iter().find(|(.., piece)| piece.device.to_string() == device.id);
        let (remote, at, piece) = next.ok_or_else(|| {
            let silent = match found.unreached.as_slice() {
                [] => String::new(),
                silent => format!(" (not asked: {})", silent.join("; ")),
            };
            refused(format!("no remote holds anything that {} wrote after it left{silent}", device.called()))
        })?;
        let shown = shown(remote, piece, &self.device_names()?);
        if shown.piece != name {
            return Err(refused(format!(
                "{name} of {} is not the next that can be taken over: that is {}, and what comes later builds on it",
                device.called(),
                shown.piece
            )));
        }
        if piece.is_ahead {
            return Err(LibraryError::Refused {
                reason: format!("{name} of {} builds on history that is not here", device.called()),
                hint: "sync first, then take it over".into(),
            });
        }
        if let Some(watch) = self.watch()?.filter(|_| !consent) {
            watch.judge_count(piece.takes)?;
        }
        let details = [("device".to_owned(), device.id.as_str().into()), ("piece".to_owned(), name.into())];
        let note =
            OpBody::Note { event: "quarantine accepted".into(), details: details.into_iter().collect() };
        let (stop, told, mut keys, mut entropy) = (Stop::default(), Told(&Unwatched), None, OsEntropy);
        let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
        let new_operations = runtime.block_on(take_over(&mut here, at, piece, vec![note]))?;
        self.close_segment()?;
        Ok(TakenOver { piece: shown, new_operations })
    }

    fn look_for_quarantined(&mut self, runtime: &Runtime, surroundings: &Surroundings) -> Result<Found> {
        let (stop, told) = (Stop::default(), Told(&Unwatched));
        let mut found = Found::default();
        for row in self.remote_rows(None)? {
            let at = match runtime.block_on(reconnect(&row, self.keeper(&row)?, surroundings)) {
                Ok((at, _)) => at,
                Err(error) => {
                    found.unreached.push(format!("{}: {}", row.name, with_causes(&error)));
                    continue;
                }
            };
            let (mut keys, mut entropy, mut problems) = (None, OsEntropy, Vec::new());
            let here = here(self, &mut keys, &mut entropy, &told, &stop);
            match runtime.block_on(quarantined(&here, &at, &mut problems)) {
                Ok(pieces) => {
                    for piece in pieces {
                        // Several remotes hold the same.
                        let is_known = found.pieces.iter().any(|(.., known)| {
                            (known.device, known.tip.seq) == (piece.device, piece.tip.seq)
                        });
                        if !is_known {
                            found.pieces.push((row.name.clone(), at.clone(), piece));
                        }
                    }
                }
                Err(error) => found.unreached.push(format!("{}: {}", row.name, with_causes(&error))),
            }
            found.problems.extend(problems.iter().map(|problem| format!("{}: {problem}", row.name)));
        }
        found.pieces.sort_by_key(|(.., piece)| (piece.device, piece.tip.seq));
        Ok(found)
    }
}

fn shown(remote: &str, piece: &QuarantinedSegment, names: &DeviceNames) -> ShownQuarantined {
    let root = piece.tip.root.0.get(..SHOWN_ROOT_BYTES).unwrap_or_default();
    ShownQuarantined {
        piece: format!("{}-{}", piece.tip.seq.0, HEXLOWER.encode(root)),
        remote: remote.to_owned(),
        device: piece.device.to_string(),
        device_name: names.of(piece.device),
        when: piece.written_millis.map(shown_time),
        adds: piece.adds,
        takes: piece.takes,
        changes: piece.changes,
        settings: piece.settings,
        unreadable: piece.unreadable,
        bytes: piece.sealed_bytes,
        is_ahead: piece.is_ahead,
    }
}
