//! Who belongs, and what of that was met: the kinds of runs, all that was ever stated, and counts of what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use safelight_crypto::{DeviceId, LibraryId, Recipient, Roster, Statement, StatementBody, StatementId};
use safelight_sync::Problem;

use crate::chance::Chance;

/// What may happen in a run, beside what happens in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Plain,
    /// Devices leave, and others are let in by a code.
    Departures,
    /// Devices are silent for long, and others stop when much is taken at once.
    Silence,
    /// All of it.
    Everything,
}

/// Whether devices leave, are let in, are silent or brake in the run of a seed.
#[must_use]
pub fn departs(seed: u64) -> bool {
    Kind::of(seed) != Kind::Plain
}

/// Something that happens in runs of some kinds only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum More {
    /// A device revokes another.
    Revoke,
    /// A device says that another left in peace.
    Retire,
    /// A device leaves in peace itself.
    Leave,
    /// A device is backed up.
    BackUp,
    /// A disk is lost and its backup takes its place.
    Restore,
    /// A device lets a new one in by a code.
    Pair,
    /// A device waits no longer for those that were silent.
    Lapse,
    /// A device is told to stop when others take few photos at once.
    BeCareful,
    /// A device purges several photos.
    PurgeMuch,
    /// Somebody looks at what a device holds back.
    LetBrakeGo,
}

impl Kind {
    /// The kind of a seed, of which nothing else in the run depends.
    pub(crate) fn of(seed: u64) -> Self {
        match Chance::new(!seed).below(6) {
            0 | 1 => Self::Plain,
            2 | 3 => Self::Departures,
            4 => Self::Silence,
            _ => Self::Everything,
        }
    }

    /// Whether brakes come on.
    pub(crate) fn has_brakes(self) -> bool {
        matches!(self, Self::Silence | Self::Everything)
    }

    /// What more happens, some of it several times.
    pub(crate) fn more(self) -> &'static [More] {
        match self {
            Self::Plain => &[],
            Self::Departures => &[
                More::Revoke,
                More::Revoke,
                More::Retire,
                More::Leave,
                More::BackUp,
                More::Restore,
                More::Pair,
                More::Pair,
                More::Pair,
            ],
            Self::Silence => &[
                More::Lapse,
                More::BeCareful,
                More::BeCareful,
                More::PurgeMuch,
                More::PurgeMuch,
                More::LetBrakeGo,
                More::Pair,
            ],
            Self::Everything => &[
                More::Revoke,
                More::Retire,
                More::BackUp,
                More::Restore,
                More::Pair,
                More::Pair,
                More::Lapse,
                More::BeCareful,
                More::PurgeMuch,
                More::LetBrakeGo,
            ],
        }
    }
}

impl More {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Revoke => "revokes another",
            Self::Retire => "says that another has retired",
            Self::Leave => "retires",
            Self::BackUp => "is backed up",
            Self::Restore => "is there when a backup is restored",
            Self::Pair => "lets another in",
            Self::Lapse => "waits for nobody who is silent",
            Self::BeCareful => "is told to be careful",
            Self::PurgeMuch => "purges much",
            Self::LetBrakeGo => "is looked at",
        }
    }
}

/// How often something happened in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Devices that left, and everybody who stayed heard of it.
    pub departures_heard: u64,
    /// Epochs that were started by devices that had said of nobody that it left.
    pub epochs_by_others: u64,
    /// Disks that were restored after somebody had left.
    pub restored_after_departures: u64,
    /// Devices that were let in by a code.
    pub pairings: u64,
    /// Those of them that were let in after a pairing that came to nothing.
    pub pairings_repeated: u64,
    /// Devices that somebody waited for no longer.
    pub lapses: u64,
    /// Those of them that came back.
    pub returns: u64,
    /// Brakes that came on.
    pub brakes_on: u64,
    /// Brakes that somebody let go.
    pub brakes_released: u64,
    /// Runs in which those who stay never came to know the same of who belongs: what a device states behind the last segment
    /// that counts of it is known to some and kept by nobody, and who has joined while an epoch was started by one who then
    /// left has no keys. Nothing more is asked of them.
    pub kept_apart: u64,
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.departures_heard += other.departures_heard;
        self.epochs_by_others += other.epochs_by_others;
        self.restored_after_departures += other.restored_after_departures;
        self.pairings += other.pairings;
        self.pairings_repeated += other.pairings_repeated;
        self.lapses += other.lapses;
        self.returns += other.returns;
        self.brakes_on += other.brakes_on;
        self.brakes_released += other.brakes_released;
        self.kept_apart += other.kept_apart;
    }
}

/// Who belongs, in all that was ever stated.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    statements: BTreeMap<StatementId, Statement>,
    roster: Option<Roster>,
    /// Whom somebody said to have left, whoever has heard of it, and whether it counts or not.
    accused: BTreeSet<DeviceId>,
    /// Who said so.
    accusers: BTreeSet<DeviceId>,
    departures: u64,
    /// Whether the statements are those that whoever joins finds: what a lost disk said alone is none of them.
    is_true: bool,
    pub(crate) seen: Seen,
}

impl Trust {
    /// Takes note of what somebody knows.
    pub(crate) fn hear(&mut self, library: LibraryId, statements: &[Vec<u8>]) {
        let before = self.statements.len();
        for statement in statements.iter().filter_map(|bytes| Statement::from_bytes(bytes).ok()) {
            self.statements.entry(statement.id()).or_insert(statement);
        }
        if self.statements.len() > before {
            self.roster = Roster::replay(library, self.statements.values());
        }
    }

    /// Only this is stated: everything else was lost with a disk.
    pub(crate) fn learn_truth(&mut self, library: LibraryId, statements: &[Vec<u8>]) {
        self.statements.clear();
        self.hear(library, statements);
        self.is_true = true;
    }

    /// Whether what a device states is true once it is known who belongs: it stays, or goes on for one that did, as copies do
    /// that meet in the end.
    pub(crate) fn may_add_to_truth(&self, device: DeviceId, statements: &[Vec<u8>]) -> bool {
        let admits = |statement: &Statement| match (statement.body(), statement.author()) {
            (StatementBody::Admit(card), Recipient::Device(before)) => {
                card.id() == device && !self.has_left(before)
            }
            _ => false,
        };
        let is_known = self.roster.as_ref().is_some_and(|roster| roster.member(&device).is_some());
        !self.has_left(device)
            || !is_known
                && statements.iter().any(|bytes| Statement::from_bytes(bytes).is_ok_and(|one| admits(&one)))
    }

    /// Whether these are all statements.
    pub(crate) fn knows_no_more_than(&self, statements: &[Vec<u8>]) -> bool {
        let known: BTreeSet<StatementId> =
            statements.iter().filter_map(|bytes| Some(Statement::from_bytes(bytes).ok()?.id())).collect();
        self.statements.keys().all(|id| known.contains(id))
    }

    pub(crate) fn departures(&self) -> u64 {
        self.departures
    }

    pub(crate) fn is_true(&self) -> bool {
        self.is_true
    }

    /// Somebody says of a device, or of itself, that it left.
    pub(crate) fn accuse(&mut self, accuser: DeviceId, accused: DeviceId) {
        self.departures += 1;
        self.accusers.insert(accuser);
        self.accused.insert(accused);
    }

    /// Whether somebody says of a device that it left.
    pub(crate) fn is_accused(&self, device: DeviceId) -> bool {
        self.accused.contains(&device)
    }

    /// Whether nobody may count on a device: it left, was never admitted by anybody who belonged, or somebody says so.
    pub(crate) fn has_left(&self, device: DeviceId) -> bool {
        if self.departures == 0 {
            return false;
        }
        let member = self.roster.as_ref().and_then(|roster| roster.member(&device));
        let belongs = member.is_some_and(|member| member.standing.belongs());
        !belongs || !self.is_true && self.accused.contains(&device)
    }

    /// How many epochs were started by devices that had said of nobody that it left, the first of all left out.
    pub(crate) fn epochs_by_others(&self) -> u64 {
        let announced = self.roster.as_ref().map(Roster::epochs).unwrap_or_default();
        let is_by_another = |epoch| {
            let mut authors = self.statements.values().filter_map(|statement| match statement.body() {
                StatementBody::Epoch { epoch: named, files } if *named == epoch && files.len() > 1 => {
                    Some(statement.author())
                }
                _ => None,
            });
            authors.all(|author| match author {
                Recipient::Device(device) => !self.accusers.contains(&device),
                Recipient::Words(_) => false,
            })
        };
        announced.iter().skip(1).filter(|announced| is_by_another(announced.epoch)).count() as u64
    }

    /// Whether a problem is about what a device wrote that left, and so no problem of those who stay.
    pub(crate) fn is_of_one_who_left(&self, problem: &Problem) -> bool {
        let has_left = |device: &DeviceId| self.has_left(*device);
        match problem {
            Problem::Quarantined { device, .. }
            | Problem::Unadmitted { device }
            | Problem::Withheld { device, .. }
            | Problem::Forked { device, .. }
            | Problem::Leftover { device, .. } => has_left(device),
            Problem::Damaged { object, .. } | Problem::NoKey { object, .. } => {
                let mut parts = object.split('/');
                let (area, device) = (parts.next(), parts.next());
                area == Some("log")
                    && device.and_then(|device| device.parse().ok()).as_ref().is_some_and(has_left)
            }
            _ => false,
        }
    }
}
