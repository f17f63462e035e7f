//! What can go wrong with a library, as its users are told: what kind it is, what happened to which
//! object, and one thing to do next.
//!
//! The rooms below keep their own errors; this enum wraps them whole, so that nothing is lost on the way up.

use std::path::{Path, PathBuf};

use safelight_catalog::CatalogError;
use safelight_crypto::CryptoError;
use safelight_model::Original;
use safelight_store::StoreError;
use safelight_sync::{LAN_LABEL, PairingRefusal, SyncError};

use crate::brake::Takes;
use crate::folder::FolderError;
use crate::keys::KeysError;
use crate::remote::Exposes;
use crate::unlock::UnlockError;

/// The result of library work.
pub type Result<T, E = LibraryError> = std::result::Result<T, E>;

/// What kind of failure it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request makes no sense.
    Usage,
    /// The library is locked, or the key is wrong.
    Locked,
    /// The thing asked for does not exist.
    NotFound,
    /// A safeguard said no.
    Refused,
    /// Data is damaged.
    Damaged,
    /// The network failed.
    Network,
    /// The machine failed: a disk, a permission, a program.
    Failed,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// The library folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The key slots or the keyring.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Unlocking.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// A database.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The objects of the library folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A remote.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// A device came in over the local network, and does not get into the place that it was told of.
    #[error("this device was let in already, and does not get into {address}: {source}")]
    LetInOnly {
        /// Where the library rests, as the device that invited knows it.
        address: String,
        /// What keeps it out.
        source: Box<Self>,
    },
    /// No remote has this name.
    #[error("there is no remote {name}")]
    NoSuchRemote {
        /// What was asked for.
        name: String,
    },
    /// No device has this name or id.
    #[error("there is no device {name}")]
    NoSuchDevice {
        /// What was asked for.
        name: String,
    },
    /// The library has no remote.
    #[error("this library has no remote")]
    NoRemote,
    /// An original that rests in remotes and not on this device.
    #[error("the original {object} is not on this device; it rests in {remotes}")]
    InRemotes {
        /// The original.
        object: String,
        /// The names of the remotes that hold it.
        remotes: String,
    },
    /// An original that is not on this device while the remote that may have it does not answer.
    #[error("the original {object} is not on this device, and {remote} does not answer: {reason}")]
    Unreachable {
        /// The original.
        object: String,
        /// The remote.
        remote: String,
        /// Why it does not answer.
        reason: String,
    },
    /// Sealing, opening or signing.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// Encoding an operation or a segment.
    #[error(transparent)]
    Model(#[from] safelight_model::ModelError),
    /// A file outside the library.
    #[error("{path} cannot be {action}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, as a participle.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Nothing answers to what was asked for.
    #[error("nothing in the library is called {item}")]
    NoSuchItem {
        /// What was asked for.
        item: String,
    },
    /// A folder that is not watched.
    #[error("{} is not watched", path.display())]
    NoSuchSource {
        /// What was asked for.
        path: PathBuf,
        /// The folders that are.
        watched: Vec<PathBuf>,
    },
    /// No album answers to what was asked for.
    #[error("there is no album {album}")]
    NoSuchAlbum {
        /// What was asked for.
        album: String,
    },
    /// More than one thing answers.
    #[error("{item} could be {count} things: {examples}")]
    Ambiguous {
        /// What was asked for.
        item: String,
        /// How many answer.
        count: String,
        /// Some of them.
        examples: String,
    },
    /// A query that cannot be understood.
    #[error("{explained}")]
    Query {
        /// The query with the word marked, and what is wrong with it.
        explained: String,
    },
    /// Hidden photos are kept back until somebody opens them.
    #[error("hidden photos are told only once they were opened")]
    HiddenClosed,
    /// A setting of a remote that cannot be understood.
    #[error("{explained}")]
    Setting {
        /// Its name.
        setting: String,
        /// The words with what is wrong marked, and why.
        explained: String,
    },
    /// A safeguard said no.
    #[error("{reason}")]
    Refused {
        /// What would have happened.
        reason: String,
        /// How to go on.
        hint: String,
    },
    /// More would newly be sent to a remote than a person agreed to.
    #[error(
        "this would newly send {} originals ({} bytes) to {}, and more than {} need your consent",
        .0.originals, .0.bytes, .0.remote, .0.most
    )]
    NeedsConsent(Exposes),
    /// A change would take more at once than a person agreed to.
    #[error(
        "this would put {} of {} photos into the trash or replace them at once, and more than {} need your consent",
        .0.photos, .0.known, .0.most
    )]
    TakesMuch(Takes),
    /// Six words that were written down, or that another device shows, are of no moment of this history.
    #[error(
        "this history never was where those six words are from: it went back, something is hidden from this device, \
         or the other device has changes that are not here yet"
    )]
    BelowFloor,
    /// Another process syncs this library.
    #[error("another sync of this library is running")]
    AnotherSync,
    /// An object is damaged.
    #[error("{object} is damaged: {reason}")]
    Damaged {
        /// The object.
        object: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The sealed bytes of an original here are damaged.
    #[error("the original {name} on this device is damaged")]
    OriginalDamaged {
        /// The path that it was imported from.
        name: String,
    },
    /// An original or rendition that this device does not hold.
    #[error("{object} is not on this device")]
    NotHere {
        /// The object.
        object: String,
    },
    /// A linked original that is not where it was.
    #[error("the linked original {path} is not there")]
    LinkAbsent {
        /// Where it was.
        path: PathBuf,
    },
    /// A linked original that was written over.
    #[error("the linked file {path} no longer holds what was imported")]
    LinkChanged {
        /// The file.
        path: PathBuf,
    },
    /// What was named as a map is none that can be shown.
    #[error("{} cannot be shown as a map: {reason}", path.display())]
    NoTiles {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The map file that was named cannot be read where it was.
    #[error("the map {} is not there: {reason}", path.display())]
    TilesGone {
        /// Where it was.
        path: PathBuf,
        /// Why it cannot be read.
        reason: String,
    },
    /// A video that nothing can be made of that browsers play.
    #[error("{name} cannot be converted: {reason}")]
    CannotConvert {
        /// The name of its file.
        name: String,
        /// Why not.
        reason: String,
        /// How else to see it.
        hint: String,
    },
    /// A video that is shorter than where it is asked for from.
    #[error("{name} has nothing to show from second {second} on")]
    NothingFollows {
        /// The name of its file.
        name: String,
        /// In its own time.
        second: u32,
    },
    /// A video that could be made anew if there were an ffmpeg.
    #[error("{name} can be played only through a conversion, and there is no ffmpeg on this computer")]
    NoFfmpeg {
        /// The name of its file.
        name: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Cancelled,
}

impl LibraryError {
    /// A file that cannot be read.
    #[must_use]
    pub fn reading(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), action: "read", source }
    }

    /// A file that cannot be written.
    #[must_use]
    pub fn writing(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), action: "written", source }
    }

    /// An output that takes no more.
    #[must_use]
    pub fn writing_output(source: std::io::Error) -> Self {
        Self::Io { path: PathBuf::from("the output"), action: "written", source }
    }

    /// Whether data was read and found damaged, as against not having been read.
    pub(crate) fn is_proven_damage(&self) -> bool {
        match self {
            Self::Crypto(error) => error.fault().is_some(),
            Self::Damaged { .. } | Self::OriginalDamaged { .. } | Self::LinkChanged { .. } => true,
            Self::Store(error) => error.is_not_found(),
            _ => false,
        }
    }

    /// Whether an object was looked for and is not here, as against being damaged.
    pub(crate) fn is_absence(&self) -> bool {
        match self {
            Self::Store(error) => error.is_not_found(),
            Self::NotHere { .. } | Self::LinkAbsent { .. } => true,
            _ => false,
        }
    }

    /// Whether an original is in the archive tier of a remote, which is a state and no failure.
    pub(crate) fn is_archived(&self) -> bool {
        matches!(self, Self::Sync(SyncError::Archived { .. }))
    }

    /// Whether the disk has no room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Catalog(error) | Self::Sync(SyncError::Catalog(error)) => {
                matches!(error, CatalogError::DiskFull { .. })
            }
            Self::Store(error) | Self::Sync(SyncError::Store(error)) => error.is_full(),
            Self::Io { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Folder(error) => error.kind(),
            Self::Keys(error) => error.kind(),
            Self::Unlock(error) => error.kind(),
            Self::Catalog(error) => kind_of_catalog(error),
            Self::Store(error) => kind_of_store(error),
            Self::Sync(error) => kind_of_sync(error),
            Self::LetInOnly { source, .. } => source.kind(),
            Self::Unreachable { .. } => ErrorKind::Network,
            Self::NoSuchRemote { .. }
            | Self::NoSuchDevice { .. }
            | Self::NoRemote
            | Self::InRemotes { .. } => ErrorKind::NotFound,
            Self::Crypto(_)
            | Self::Model(_)
            | Self::Damaged { .. }
            | Self::OriginalDamaged { .. }
            | Self::LinkChanged { .. } => ErrorKind::Damaged,
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            Self::Io { .. }
            | Self::CannotConvert { .. }
            | Self::NothingFollows { .. }
            | Self::NoFfmpeg { .. }
            | Self::Cancelled => ErrorKind::Failed,
            Self::NoSuchItem { .. }
            | Self::NoSuchSource { .. }
            | Self::NoSuchAlbum { .. }
            | Self::NotHere { .. }
            | Self::TilesGone { .. }
            | Self::LinkAbsent { .. } => ErrorKind::NotFound,
            Self::NoTiles { .. } => ErrorKind::Usage,
            Self::Ambiguous { .. } | Self::Query { .. } | Self::Setting { .. } => ErrorKind::Usage,
            Self::Refused { .. }
            | Self::NeedsConsent(_)
            | Self::TakesMuch(_)
            | Self::HiddenClosed
            | Self::AnotherSync => ErrorKind::Refused,
            Self::BelowFloor => ErrorKind::Damaged,
        }
    }

    /// What to do next, in one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Folder(error) => return error.hint(),
            Self::Keys(error) => return error.hint(),
            Self::Unlock(error) => return error.hint(),
            Self::Refused { hint, .. } | Self::CannotConvert { hint, .. } => hint,
            Self::NeedsConsent(_) => {
                "the same command with --yes does it; remote set NAME expose=N changes the limit"
            }
            Self::TakesMuch(_) => {
                "the same command with --yes does it; safelight brake set changes how much goes without being asked about"
            }
            Self::HiddenClosed => "open them with the passphrase of the library",
            Self::AnotherSync => "wait until it is done; it does what this one would have done",
            Self::BelowFloor => {
                "sync both devices and compare again; if the words still differ, do not trust the place that this \
                 history came from: sync with another place or device that has more"
            }
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "free some space and run the same command again; it goes on where it stopped"
            }
            Self::Store(error) if error.is_full() => {
                "free some space and run the same command again; it goes on where it stopped"
            }
            Self::Catalog(CatalogError::DiskFull { .. }) => {
                "free some space and run the same command again; it goes on where it stopped"
            }
            Self::Sync(error) => return hint_of_sync(error),
            Self::LetInOnly { .. } => {
                "it takes a new invitation, and the place as this device reaches it, with what opens it: safelight device invite \
                 there, safelight join ADDRESS --code --credential-file FILE here; then take the unused one out there: safelight \
                 device retire NAME"
            }
            Self::NoSuchRemote { .. } => "safelight remote list shows them",
            Self::NoSuchDevice { .. } => "safelight device list shows them",
            Self::NoRemote => "safelight remote add NAME ADDRESS connects one",
            Self::InRemotes { .. } => "safelight local fetch brings it here",
            Self::Unreachable { .. } => "connect it and run the same command again",
            Self::Catalog(CatalogError::Missing { .. }) => {
                "safelight doctor --fix catalog makes it again from the signed history"
            }
            Self::Catalog(CatalogError::ReadOnly { .. }) => crate::folder::READ_ONLY_HINT,
            Self::Catalog(CatalogError::Damaged { path, .. } | CatalogError::WrongKey { path })
                if path.ends_with("device.db") =>
            {
                "nothing else was looked at: safelight doctor --fix catalog sets device.db aside and begins a new one, and \
                 watched folders and remotes are then to be given again; safelight verify then reads all the rest"
            }
            Self::Catalog(_) if self.kind() == ErrorKind::Damaged => {
                "safelight doctor --fix catalog rebuilds it from the signed history"
            }
            Self::Crypto(_) | Self::Damaged { .. } => "safelight verify names everything that is damaged",
            Self::OriginalDamaged { .. } => {
                "safelight local fetch brings it back from a remote, or import the file again; safelight verify names \
                 everything that is damaged"
            }
            Self::NoSuchSource { watched, .. } => return Some(watched_hint(watched)),
            Self::NoSuchItem { .. } => "safelight list shows what there is",
            Self::NoSuchAlbum { .. } => "safelight album lists them; safelight album add NAME makes one",
            Self::Ambiguous { .. } => "use more of the id, or a longer path",
            Self::NoTiles { .. } => {
                "a PMTiles file of version 3 can be shown, of vector tiles packed with gzip or of pictures"
            }
            Self::NoFfmpeg { .. } => {
                "install it (apt install ffmpeg, dnf install ffmpeg or brew install ffmpeg), and open the video again"
            }
            Self::NothingFollows { .. } => "begin further before: it ends sooner than it says",
            Self::TilesGone { .. } => "connect the disk that it is on, or name another file",
            Self::LinkAbsent { .. } => {
                "connect the disk that it is on, or import a copy of it without --link, which the library then keeps"
            }
            Self::LinkChanged { .. } => {
                "import it again with --link: what it holds now becomes a new version; what it held comes back only \
                 with a copy from elsewhere"
            }
            Self::NotHere { .. } => "a linked original is where it was imported from: connect that disk",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl LibraryError {
    /// An original that rests nowhere on this device.
    pub(crate) fn original_not_here(original: &Original) -> Self {
        Self::NotHere { object: format!("the original {}", original.source.display()) }
    }

    /// The hint for who knows which remote the error is about: its name stands where [`Self::hint`] says `NAME`.
    #[must_use]
    pub fn hint_at(&self, remote: &str) -> Option<String> {
        self.hint().map(|hint| hint.replace("NAME", remote))
    }
}

/// An error and what caused it, each part once.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

fn watched_hint(watched: &[PathBuf]) -> String {
    if watched.is_empty() {
        return "no folder is watched; safelight source add PATH watches one".to_owned();
    }
    let named: Vec<String> = watched.iter().take(5).map(|path| path.display().to_string()).collect();
    let others = if watched.len() > named.len() { "; safelight source lists the others" } else { "" };
    format!("watched are {}{others}", named.join(", "))
}

fn kind_of_store(error: &StoreError) -> ErrorKind {
    match error {
        StoreError::NotFound { .. } | StoreError::NoPlace { .. } => ErrorKind::NotFound,
        StoreError::AlreadyExists { .. } => ErrorKind::Refused,
        StoreError::Damaged { .. } => ErrorKind::Damaged,
        _ => ErrorKind::Failed,
    }
}

fn kind_of_sync(error: &SyncError) -> ErrorKind {
    match error {
        SyncError::Catalog(error) => kind_of_catalog(error),
        SyncError::Store(error) if error.is_network() => ErrorKind::Network,
        SyncError::Store(StoreError::Vanished { .. }) => ErrorKind::Network,
        SyncError::Store(StoreError::NoPlace { .. } | StoreError::NoFile { .. })
        | SyncError::NoLibrary { .. } => ErrorKind::NotFound,
        SyncError::Store(StoreError::Denied { .. }) | SyncError::WordsReplaced { .. } => ErrorKind::Locked,
        SyncError::Store(
            StoreError::Refused { .. } | StoreError::Unsupported { .. } | StoreError::NotACopy { .. },
        ) => ErrorKind::Refused,
        SyncError::Store(StoreError::Address(_)) => ErrorKind::Usage,
        SyncError::Store(error) => kind_of_store(error),
        SyncError::Crypto(_)
        | SyncError::Model(_)
        | SyncError::RolledBack { .. }
        | SyncError::Emptied { .. }
        | SyncError::AnotherPlace { .. }
        | SyncError::NoBirth { .. }
        | SyncError::Unbelievable { .. } => ErrorKind::Damaged,
        SyncError::NeedsNewerVersion { .. }
        | SyncError::AnotherLibrary { .. }
        | SyncError::CopiedPlace { .. }
        | SyncError::Away { .. } => ErrorKind::Refused,
        SyncError::Pairing(PairingRefusal::NoInvitation { .. } | PairingRefusal::NobodyNear) => {
            ErrorKind::NotFound
        }
        SyncError::Pairing(PairingRefusal::WrongCode { .. }) => ErrorKind::Locked,
        SyncError::Pairing(PairingRefusal::NoAnswer) => ErrorKind::Failed,
        SyncError::Pairing(_) => ErrorKind::Refused,
        SyncError::Policy { .. } => ErrorKind::Usage,
        SyncError::MayNotDelete { .. } => ErrorKind::Locked,
        SyncError::Overtaken { .. } => ErrorKind::Network,
        _ => ErrorKind::Failed,
    }
}

fn hint_of_sync(error: &SyncError) -> Option<String> {
    let hint = match error {
        SyncError::Store(error) if error.hint().is_some() => return error.hint().map(str::to_owned),
        SyncError::Store(StoreError::Denied { .. }) => {
            "safelight remote set NAME --credential-file FILE gives it another credential"
        }
        SyncError::Store(error) if error.place().is_some_and(is_near) => {
            "look whether the invitation still waits on the other device, both are on one network, and no firewall keeps them \
             apart; or meet in a remote: safelight join REMOTE --code"
        }
        SyncError::Store(error) if error.is_network() => {
            "run the same command again; it goes on where it stopped"
        }
        SyncError::Store(StoreError::NoFile { .. }) => {
            "check the path, or connect the drive; safelight export FILE --sealed makes a sealed copy"
        }
        SyncError::Store(StoreError::NotACopy { .. }) => {
            "name a file that safelight export FILE --sealed made, or a new name"
        }
        SyncError::Store(StoreError::Vanished { .. }) => "connect the drive and run the same command again",
        SyncError::RolledBack { .. } => {
            "nothing was changed; if that place was restored from a backup on purpose, safelight remote set NAME \
             --accept-rollback lets the next sync give back what this device holds; if only single objects were lost, \
             safelight verify --remote NAME puts those back that this device holds"
        }
        SyncError::Emptied { .. } => {
            "nothing was changed; check the address and the prefix; if it was emptied on purpose, safelight remote set \
             NAME --accept-rollback lets the next sync fill it again from this device"
        }
        SyncError::Archived { .. } => "safelight local thaw ITEMS asks for it; that takes hours",
        SyncError::MayNotDelete { .. } => {
            "collecting needs a credential that may delete: d in a SAS, the role Storage Blob Data Contributor, \
             s3:DeleteObject, or write access to the folder; give it once with safelight remote set NAME \
             --credential-file FILE, and take it back the same way"
        }
        SyncError::Away { .. } => "run safelight sync, then the same command again",
        SyncError::AnotherLibrary { .. } => {
            "nothing was written there; each library needs a place of its own: give this one another folder, container or \
             prefix, or connect the right disk or account"
        }
        SyncError::CopiedPlace { .. } => {
            "one of the two does not count as a place of its own: remove the remote that is the copy"
        }
        SyncError::AnotherPlace { .. } => {
            "nothing was changed; another device may have found that it was emptied or went back, and goes on with it: \
             safelight remote set NAME --accept-rollback sends again what it lost"
        }
        SyncError::NoLibrary { .. } => {
            "check the address, its prefix, and that these are this library's words; if the root card there was removed, \
             safelight verify --remote --all on a device of the library puts it back"
        }
        SyncError::WordsReplaced { .. } => {
            "use the newer words: safelight key recovery replace showed them on the day it says, or wrote them to a file; where \
             nobody has them, a device of the library lets others in with safelight device invite, and safelight export takes \
             everything out of it"
        }
        SyncError::NoBirth { .. } | SyncError::Unbelievable { .. } => {
            "safelight verify --remote --all on a device that has the library puts it right; without one, join from \
             another place, or take the photos out of a copy of this one with recover/safelight_recover.py"
        }
        SyncError::Pairing(refusal) => hint_of_pairing(refusal),
        SyncError::NeedsNewerVersion { .. } => "install a newer version of Safelight",
        SyncError::Stopped => "run the same command again; it goes on where it stopped",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Whether a carrier that is called so is the local network.
fn is_near(place: &str) -> bool {
    place.starts_with(LAN_LABEL)
}

fn hint_of_pairing(refusal: &PairingRefusal) -> &'static str {
    match refusal {
        PairingRefusal::NoInvitation { place } if is_near(place) => {
            "compare the address with the other screen, and look whether the invitation still waits there: safelight device \
             invite makes one, good for ten minutes"
        }
        PairingRefusal::WrongCode { place } if is_near(place) => {
            "compare the eight words with the other screen; if they are the same, somebody on this network answers in its place: \
             type the address that the other device shows, safelight join lan:HOST:PORT --code, or meet in a remote: safelight \
             join REMOTE --code"
        }
        PairingRefusal::NotForUs { place, .. } if is_near(place) => {
            "nobody was let in by this; somebody on this network may meddle: invite again, best with safelight device invite \
             --no-lan, through a remote"
        }
        PairingRefusal::NoInvitation { .. } => {
            "check the address; safelight device invite on a device of the library makes an invitation, good for ten minutes"
        }
        PairingRefusal::NobodyNear => {
            "check the words, and that both devices are on one network; where it keeps them from finding each other (a firewall, a \
             guest network), type the address that the other device shows: safelight join lan:HOST:PORT --code; or meet in a \
             remote: safelight join REMOTE --code"
        }
        PairingRefusal::WrongCode { .. } => {
            "compare the eight words with the other screen; if they are the same, somebody who may write to that place exchanged \
             the card: end the invitation there, and invite through another place"
        }
        PairingRefusal::Used | PairingRefusal::CalledOff | PairingRefusal::NoAnswer => {
            "make a new invitation on a device of the library: safelight device invite"
        }
        PairingRefusal::TooManyTries => {
            "if that was not you, somebody who may write to that place meddles; safelight device invite makes a new code; where \
             only the tries on the local network ended, the code is good in the remote: safelight join REMOTE --code"
        }
        PairingRefusal::Expired => {
            "safelight device invite makes a new code, good for ten minutes; check also that both clocks are right"
        }
        PairingRefusal::Exchanged { .. } | PairingRefusal::NotForUs { .. } | PairingRefusal::WordsDiffer => {
            "nobody was let in; find out who may write to that place, and invite again, best through another one"
        }
        PairingRefusal::InviterLeft { .. } | PairingRefusal::NotAdmitted => {
            "invite from a device that belongs to the library (safelight device list), or join with the recovery words"
        }
        _ => "make a new invitation: safelight device invite",
    }
}

fn kind_of_catalog(error: &CatalogError) -> ErrorKind {
    match error {
        // The keyring was authenticated, so a database that its key does not open is not what was written.
        CatalogError::Damaged { .. } | CatalogError::Missing { .. } | CatalogError::WrongKey { .. } => {
            ErrorKind::Damaged
        }
        _ => ErrorKind::Failed,
    }
}
